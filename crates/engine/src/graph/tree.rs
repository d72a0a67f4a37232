//! The upper part of the dominator tree: the largest first, the small folded into a line per type.

use std::{cmp::Reverse, collections::BTreeMap};

use heaplake_graph::Id;
use heaplake_store::GraphIndex;

/// A line of the tree: an object, or several of one type, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// 0 where the tree begins.
    pub(super) depth: u32,
    /// The node that holds it; none for the super-root.
    pub(super) holder: Option<u64>,
    /// None for several objects.
    pub(super) node: Option<u64>,
    /// None for several types.
    pub(super) type_rank: Option<u32>,
    pub(super) objects: u64,
    pub(super) size: u64,
    pub(super) retained: u64,
    pub(super) retained_count: u64,
    /// Whether it is small, so that nothing is shown below it.
    is_small: bool,
}

/// How much of the tree is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) depth: u32,
    /// Objects, and types that are folded, below each line.
    pub(super) children: usize,
}

/// Objects that retain less than this part of the whole tree are small.
const SMALL_PART: u64 = 1000;

/// The lines below some nodes, or below the super-root; each node is followed by what it holds.
///
/// A stack instead of recursion: a dominator tree may be as deep as the heap is large.
pub(super) fn lines<I: Id>(index: &GraphIndex<I>, starts: Option<&[I]>, extent: Extent) -> Vec<Line> {
    let all = || index.dominated_by(index.n_nodes());
    let retained = |node: usize| index.retained()[node];
    let whole = match starts {
        Some(starts) => starts.iter().fold(0, |sum: u64, node| sum.saturating_add(retained(node.index()))),
        None => all().fold(0, |sum: u64, node| sum.saturating_add(retained(node))),
    };
    let growing = Growing { index, extent, small: whole / SMALL_PART };
    let mut lines = Vec::new();
    let mut waiting = match starts {
        Some(starts) => starts.iter().rev().map(|node| growing.object(node.index(), 0)).collect(),
        None => growing.below(index.n_nodes(), 0),
    };
    while let Some(line) = waiting.pop() {
        if let Some(node) = line.node.filter(|_| line.depth < extent.depth && !line.is_small) {
            waiting.extend(growing.below(node as usize, line.depth + 1));
        }
        lines.push(line);
    }
    lines
}

struct Growing<'g, I> {
    index: &'g GraphIndex<I>,
    extent: Extent,
    /// Bytes; what retains less is small.
    small: u64,
}

impl<I: Id> Growing<'_, I> {
    /// What a node holds, last first.
    fn below(&self, node: usize, depth: u32) -> Vec<Line> {
        let retained = self.index.retained();
        let key = |child: &usize| (Reverse(retained[*child]), *child);
        let n_lines = self.extent.children;
        let (mut large, mut small): (Vec<usize>, Vec<usize>) =
            self.index.dominated_by(node).partition(|child| retained[*child] >= self.small);
        large.sort_unstable_by_key(key);
        small.extend(large.drain(n_lines.min(large.len())..));
        let mut by_type: BTreeMap<u32, Line> = BTreeMap::new();
        for child in small {
            let one = self.object(child, depth);
            by_type.entry(self.index.types()[child]).or_default().add(&one);
        }
        let mut folded: Vec<Line> = by_type.into_values().collect();
        folded.sort_by_key(|line| (Reverse(line.retained), line.type_rank));
        // One type alone needs no line that hides it.
        if folded.len() > n_lines + 1 {
            let mut others = Line::default();
            folded.drain(n_lines..).for_each(|line| others.add(&line));
            folded.push(Line { type_rank: None, ..others });
        }
        let large = large.into_iter().map(|child| self.object(child, depth));
        let mut lines: Vec<Line> = large.chain(folded).collect();
        lines.reverse();
        lines
    }

    fn object(&self, node: usize, depth: u32) -> Line {
        let holder = self.index.idoms()[node].index();
        Line {
            depth,
            holder: (holder < self.index.n_nodes()).then_some(holder as u64),
            node: Some(node as u64),
            type_rank: Some(self.index.types()[node]),
            objects: 1,
            size: self.index.sizes()[node],
            retained: self.index.retained()[node],
            retained_count: self.index.retained_counts()[node].index() as u64,
            is_small: false,
        }
    }
}

impl Line {
    /// Folds another line into this one.
    fn add(&mut self, other: &Line) {
        if self.objects == 0 {
            *self = Self { is_small: true, ..other.clone() };
            return;
        }
        self.node = None;
        self.objects += other.objects;
        self.size = self.size.saturating_add(other.size);
        self.retained = self.retained.saturating_add(other.retained);
        self.retained_count += other.retained_count;
    }
}
