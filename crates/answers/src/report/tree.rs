//! Trees of a report: what holds what, as a list of nodes each after the one above it.

use heaplake_model::shortened;
use serde::Serialize;

use super::MAX_CHARS;
use crate::{Frame, FrameKind, FrameMeasure, FrameTree, words};

/// How a tree is drawn first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TreePicture {
    /// As flame graph.
    Flame,
    /// As treemap.
    Treemap,
}

/// A tree.
#[derive(Debug, Clone, Serialize)]
pub struct ReportTree {
    /// How it is drawn first.
    pub picture: TreePicture,
    /// What boxes are as large as at first: `bytes` or `objects`.
    pub measure: &'static str,
    /// The dump that it is compared with; `None` if the tree is of one dump.
    pub before: Option<String>,
    /// What the whole is.
    pub name: String,
    /// Bytes of the whole.
    pub bytes: i64,
    /// Objects of the whole.
    pub objects: i64,
    /// The nodes, each after the one above it.
    pub nodes: Vec<ReportNode>,
    /// What was folded, in a sentence; `None` if nothing was.
    pub folded: Option<String>,
}

/// A node of a tree.
#[derive(Debug, Clone, Serialize)]
pub struct ReportNode {
    /// The position of the node above it; `None` at the top.
    pub above: Option<usize>,
    /// The type, with a name where there is one.
    pub name: String,
    /// By what it is held, and what kind of root it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The label by which it is held: the first part of the detail.
    #[serde(skip)]
    pub label: Option<String>,
    /// Its kind of root: the second part of the detail.
    #[serde(skip)]
    pub root_kind: Option<String>,
    /// The object, `@0x...`, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Bytes of it and of all below it.
    pub bytes: i64,
    /// Objects of it and of all below it.
    pub objects: i64,
    /// The same bytes in the first dump; `None` if the tree is of one dump.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_before: Option<i64>,
    /// The same of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_before: Option<i64>,
}

impl ReportTree {
    /// The tree of frames, whose first is the whole.
    pub fn new(tree: &FrameTree, picture: TreePicture, measure: FrameMeasure) -> Self {
        let whole = tree.frames.first().map(|whole| whole.now.total).unwrap_or_default();
        let n_folded = tree.n_found.saturating_sub(tree.n_shown);
        Self {
            picture,
            measure: match measure {
                FrameMeasure::Bytes => "bytes",
                FrameMeasure::Objects => "objects",
            },
            before: tree.dumps.first().filter(|_| tree.dumps.len() > 1).cloned(),
            name: tree.dumps.last().cloned().unwrap_or_default(),
            bytes: whole.bytes,
            objects: whole.objects,
            nodes: tree.frames.iter().skip(1).map(node).collect(),
            folded: (n_folded > 0).then(|| {
                format!("{} smaller boxes are folded into one below each box.", words::count(n_folded as u64))
            }),
        }
    }
}

impl ReportNode {
    /// The detail of a node with this label and kind of root.
    pub(super) fn detail(label: Option<&str>, root_kind: Option<&str>) -> Option<String> {
        let details: Vec<&str> = [label, root_kind].into_iter().flatten().collect();
        (!details.is_empty()).then(|| cut(&details.join(", ")))
    }
}

fn cut(text: &str) -> String {
    shortened(text, MAX_CHARS).into_owned()
}

fn node(frame: &Frame) -> ReportNode {
    let name = match frame.kind {
        FrameKind::More { frames: Some(n) } => format!("{} more", words::count(n)),
        FrameKind::More { frames: None } => {
            format!("more: {}", words::counted(frame.now.total.objects.unsigned_abs(), "object"))
        }
        _ => cut(&frame.name),
    };
    ReportNode {
        // The whole is not among the nodes.
        above: frame.parent.and_then(|parent| parent.checked_sub(1)),
        name,
        detail: ReportNode::detail(frame.label.as_deref(), frame.root_kind.as_deref()),
        label: frame.label.clone(),
        root_kind: frame.root_kind.clone(),
        address: frame.address.map(words::address),
        bytes: frame.now.total.bytes,
        objects: frame.now.total.objects,
        bytes_before: frame.before.map(|before| before.total.bytes),
        objects_before: frame.before.map(|before| before.total.objects),
    }
}
