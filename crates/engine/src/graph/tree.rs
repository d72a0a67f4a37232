//! The upper part of the dominator tree: the largest first, the small folded into a line per type.

use std::{cmp::Reverse, collections::BTreeMap};

use heaplake_graph::Id;
use heaplake_store::GraphIndex;

/// A line of the tree: an object, or several of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// 0 where the tree begins.
    pub(super) depth: u32,
    /// The node that holds it; none for the super-root.
    pub(super) holder: Option<u64>,
    /// None for several objects.
    pub(super) node: Option<u64>,
    pub(super) type_rank: u32,
    pub(super) objects: u64,
    pub(super) size: u64,
    pub(super) retained: u64,
    pub(super) retained_count: u64,
}

/// The lines below some nodes, or below the super-root; each node is followed by what it holds.
///
/// A stack instead of recursion: a dominator tree may be as deep as the heap is large.
pub(super) fn lines<I: Id>(
    index: &GraphIndex<I>,
    starts: Option<&[I]>,
    max_depth: u32,
    n_children: usize,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut waiting = match starts {
        Some(starts) => {
            let mut starts: Vec<Line> = starts.iter().map(|node| object(index, node.index(), 0)).collect();
            starts.reverse();
            starts
        }
        None => below(index, index.n_nodes(), 0, n_children),
    };
    while let Some(line) = waiting.pop() {
        if let Some(node) = line.node.filter(|_| line.depth < max_depth) {
            waiting.extend(below(index, node as usize, line.depth + 1, n_children));
        }
        lines.push(line);
    }
    lines
}

/// What a node holds, last first.
fn below<I: Id>(index: &GraphIndex<I>, node: usize, depth: u32, n_children: usize) -> Vec<Line> {
    let retained = index.retained();
    let key = |child: &usize| (Reverse(retained[*child]), *child);
    let mut children: Vec<usize> = index.dominated_by(node).collect();
    let n_shown = n_children.min(children.len());
    if 0 < n_shown && n_shown < children.len() {
        children.select_nth_unstable_by_key(n_shown - 1, key);
    }
    let (shown, rest) = children.split_at_mut(n_shown);
    shown.sort_unstable_by_key(key);
    let mut folded: BTreeMap<u32, Line> = BTreeMap::new();
    for child in rest {
        let one = object(index, *child, depth);
        let line = folded.entry(one.type_rank).or_insert_with(|| Line {
            node: None,
            objects: 0,
            size: 0,
            retained: 0,
            retained_count: 0,
            ..one.clone()
        });
        line.objects += 1;
        line.size = line.size.saturating_add(one.size);
        line.retained = line.retained.saturating_add(one.retained);
        line.retained_count += one.retained_count;
        if line.objects == 1 {
            line.node = one.node;
        } else {
            line.node = None;
        }
    }
    let mut folded: Vec<Line> = folded.into_values().collect();
    folded.sort_by_key(|line| Reverse(line.retained));
    let lines = shown.iter().map(|child| object(index, *child, depth)).chain(folded);
    let mut lines: Vec<Line> = lines.collect();
    lines.reverse();
    lines
}

fn object<I: Id>(index: &GraphIndex<I>, node: usize, depth: u32) -> Line {
    let holder = index.idoms()[node].index();
    Line {
        depth,
        holder: (holder < index.n_nodes()).then_some(holder as u64),
        node: Some(node as u64),
        type_rank: index.types()[node],
        objects: 1,
        size: index.sizes()[node],
        retained: index.retained()[node],
        retained_count: index.retained_counts()[node].index() as u64,
    }
}
