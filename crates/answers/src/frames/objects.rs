//! The frames of one dominator tree.

use super::{Frame, FrameAmount, FrameAmounts, FrameKind, FrameQuestion};
use crate::{Result, Session, Tree};

/// Frames of objects, each after its parent, with their own amounts.
pub(super) struct Objects {
    /// The whole first.
    pub(super) frames: Vec<Frame>,
    /// By frame, its type; `None` for the whole, for objects of several types, and for what is not shown.
    pub(super) types: Vec<Option<String>>,
}

impl FrameQuestion {
    /// The question for the dominator tree: its first level is the second here.
    pub(super) fn tree(&self) -> Tree {
        /// Objects below each, before the smaller ones are folded by type.
        const CHILDREN: u32 = 200;
        let children = u32::try_from(self.max_frames).unwrap_or(u32::MAX).clamp(1, CHILDREN);
        Tree { address: None, depth: self.depth.saturating_sub(1), children }
    }

    /// The objects of the dominator tree.
    pub(super) fn objects(&self, session: &Session) -> Result<Objects> {
        let tree = self.tree().answer(session)?;
        let mut frames = vec![Frame::of_kind(FrameKind::Whole, String::new())];
        // The frames above the next one, by depth; and by frame, what it retains in all.
        let mut above = vec![0];
        let mut rest = vec![FrameAmount::default()];
        let mut types = vec![None];
        for node in &tree.nodes {
            above.truncate(node.depth + 1);
            let parent = above.last().copied().unwrap_or(0);
            let kind = if node.address.is_some() { FrameKind::Object } else { FrameKind::Objects };
            let type_name = node.type_name.as_deref().unwrap_or_default();
            let name = match (&node.name, node.objects, node.address) {
                (Some(name), ..) => format!("{type_name} {name}"),
                (None, n, None) if node.type_name.is_none() => format!("{n} objects of other types"),
                (None, n, None) => format!("{n} x {type_name}"),
                (None, ..) => type_name.to_owned(),
            };
            let whole = FrameAmount { bytes: node.retained, objects: node.retained_count };
            // What many small objects hold is not shown, and counts as theirs.
            let own = match kind {
                FrameKind::Object => FrameAmount { bytes: node.size, objects: 1 },
                _ => whole,
            };
            rest[parent].add(FrameAmount { bytes: -whole.bytes, objects: -whole.objects });
            rest.push(FrameAmount { bytes: whole.bytes - own.bytes, objects: whole.objects - own.objects });
            above.push(frames.len());
            frames.push(Frame {
                parent: Some(parent),
                depth: node.depth as u32 + 1,
                address: node.address,
                label: node.label.clone(),
                root_kind: node.root_kind.clone(),
                retained: Some(node.retained),
                now: FrameAmounts { own, total: FrameAmount::default() },
                ..Frame::of_kind(kind, name)
            });
            types.push(node.type_name.clone());
        }
        // What an object holds and the tree does not show. A frame comes after its parent, and the order of siblings is
        // decided later.
        for (parent, rest) in rest.into_iter().enumerate().skip(1) {
            if rest.objects > 0 {
                frames.push(Frame {
                    parent: Some(parent),
                    depth: frames[parent].depth + 1,
                    now: FrameAmounts { own: rest, total: FrameAmount::default() },
                    ..Frame::of_kind(FrameKind::More { frames: None }, String::new())
                });
            }
        }
        types.resize(frames.len(), None);
        Ok(Objects { frames, types })
    }
}
