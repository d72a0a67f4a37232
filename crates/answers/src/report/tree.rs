//! Trees of a report: what holds what, as a list of nodes each after the one above it.

use serde::Serialize;

/// A tree.
#[derive(Debug, Clone, Serialize)]
pub struct ReportTree {
    /// How it is drawn first: `flame` or `treemap`.
    pub picture: &'static str,
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
    /// The type, or what else it is.
    pub name: String,
    /// The name of the object, and by what it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The object, `@0x...`, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Bytes that would be freed with it.
    pub bytes: i64,
    /// Objects that would be freed with it.
    pub objects: i64,
}

/// A node as it comes: its level, and what it says.
pub(super) struct LevelledNode {
    pub(super) depth: usize,
    pub(super) node: ReportNode,
}

/// Nodes in depth first order with their levels become a tree. Of each level's nodes only the `max` largest by bytes stay in
/// all, with whatever is above them; returns how many were left out.
pub(super) fn linked(levelled: Vec<LevelledNode>, max: usize) -> (Vec<ReportNode>, usize) {
    let mut open: Vec<usize> = Vec::new();
    let mut nodes: Vec<ReportNode> = Vec::with_capacity(levelled.len());
    for LevelledNode { depth, mut node } in levelled {
        open.truncate(depth);
        node.above = open.last().copied();
        open.push(nodes.len());
        nodes.push(node);
    }
    if nodes.len() <= max {
        return (nodes, 0);
    }
    // A node retains no less than what is below it, so that what is above a large node is as large.
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(nodes[*i].bytes), *i));
    let mut position = vec![None; nodes.len()];
    order.iter().take(max).for_each(|i| position[*i] = Some(0));
    let n_left_out = nodes.len() - max;
    let mut kept: Vec<ReportNode> = Vec::with_capacity(max);
    for (i, mut node) in nodes.into_iter().enumerate() {
        let above = node.above.map(|above| position[above]);
        if position[i].is_none() || above == Some(None) {
            position[i] = None;
            continue;
        }
        node.above = above.flatten();
        position[i] = Some(kept.len());
        kept.push(node);
    }
    (kept, n_left_out)
}
