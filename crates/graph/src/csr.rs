//! Edges as compressed sparse rows: `offsets` into `targets`, one per node and one more.

use std::{ops::Range, sync::atomic::AtomicBool, thread};

use crate::{Bits, Cancelled, Id, NarrowNumbers, Numbers, Poll};

/// The edges out of every node. A target of [`Id::NONE`] is an edge that leads nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Csr<'c, I> {
    offsets: Offsets<'c, I>,
    targets: &'c [I],
}

/// Where the edges of each node begin, and where the last ones end.
#[derive(Debug, Clone, Copy)]
pub enum Offsets<'c, I> {
    /// As they are.
    Full(&'c [I]),
    /// Relative to the offset of every 16th node.
    Blocks {
        /// The offset of every 16th node.
        bases: &'c [I],
        /// By node, the difference to the base.
        within: Numbers<'c, I>,
    },
}

/// Nodes with the same base.
const BLOCK: usize = 16;

impl<I: Id> Offsets<'_, I> {
    /// Number of bases of `n_offsets`.
    pub fn n_bases(n_offsets: u64) -> u64 {
        n_offsets.div_ceil(BLOCK as u64)
    }

    fn len(self) -> usize {
        match self {
            Offsets::Full(offsets) => offsets.len(),
            Offsets::Blocks { within, .. } => within.len(),
        }
    }

    #[inline]
    fn at(self, i: usize) -> usize {
        match self {
            Offsets::Full(offsets) => offsets[i].index(),
            Offsets::Blocks { bases, within } => bases[i / BLOCK].index() + within.at(i).index(),
        }
    }
}

/// The bases and differences of [`Offsets::Blocks`]; `None` if the differences are too large to be narrow.
pub fn narrow_offsets<I: Id>(offsets: &[I]) -> Option<(Vec<I>, NarrowNumbers<I>)> {
    let within = offsets.iter().enumerate().map(|(i, offset)| {
        let base = offsets[i - i % BLOCK];
        I::new(offset.index() - base.index())
    });
    let within = NarrowNumbers::of(within)?;
    Some((offsets.iter().step_by(BLOCK).copied().collect(), within))
}

impl<'c, I: Id> Csr<'c, I> {
    /// Takes `offsets` (ascending, from 0 to the number of edges, one more than nodes) and `targets` (nodes or
    /// [`Id::NONE`]). `None` if the first or the last offset does not fit the targets.
    pub fn new(offsets: &'c [I], targets: &'c [I]) -> Option<Self> {
        Self::with_offsets(Offsets::Full(offsets), targets)
    }

    /// The same with offsets of any form.
    pub fn with_offsets(offsets: Offsets<'c, I>, targets: &'c [I]) -> Option<Self> {
        let last = offsets.len().checked_sub(1)?;
        let fits = offsets.at(0) == 0 && offsets.at(last) == targets.len();
        fits.then_some(Self { offsets, targets })
    }

    /// Number of nodes.
    pub fn n_nodes(self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of edges, including those that lead nowhere.
    pub fn n_edges(self) -> usize {
        self.targets.len()
    }

    /// The positions of the edges out of a node.
    #[inline]
    pub fn range(self, node: usize) -> Range<usize> {
        self.offsets.at(node)..self.offsets.at(node + 1)
    }

    /// The targets of the edges out of a node.
    #[inline]
    pub fn targets(self, node: usize) -> &'c [I] {
        &self.targets[self.range(node)]
    }

    /// The target of an edge.
    #[inline]
    pub fn target(self, edge: usize) -> I {
        self.targets[edge]
    }

    /// The source of an edge.
    pub fn source(self, edge: usize) -> usize {
        let (mut low, mut high) = (0, self.n_nodes());
        // The last node whose edges begin at this one or before it.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.offsets.at(middle) <= edge { low = middle } else { high = middle }
        }
        low
    }
}

/// A CSR that owns its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsrBuf<I> {
    /// One per node, and one more.
    pub offsets: Vec<I>,
    /// One per edge.
    pub targets: Vec<I>,
}

impl<I: Id> CsrBuf<I> {
    /// The CSR of some edges between `n_nodes` nodes. The edges of one source stay in order.
    pub fn from_edges(n_nodes: usize, edges: impl IntoIterator<Item = (usize, I)>) -> Self {
        let mut buf = Self { offsets: vec![I::new(0); n_nodes + 1], targets: Vec::new() };
        let mut last = 0;
        for (source, target) in edges {
            buf.offsets[last + 1..=source].fill(I::new(buf.targets.len()));
            last = last.max(source);
            buf.targets.push(target);
        }
        buf.offsets[(last + 1).min(n_nodes)..].fill(I::new(buf.targets.len()));
        buf
    }

    /// The reversed edges, by target, sources ascending, without those of `skip` and those that lead nowhere.
    ///
    /// O(nodes + edges).
    pub fn reversed(
        forward: Csr<'_, I>,
        skip: Bits<'_>,
        threads: usize,
        cancel: &AtomicBool,
    ) -> Result<Self, Cancelled> {
        let offsets = reversed_offsets(forward, skip, threads, cancel)?;
        let targets = referrers(forward, skip, &offsets, 0..forward.n_nodes(), threads, cancel)?;
        Ok(Self { offsets, targets })
    }

    /// The CSR, borrowed.
    pub fn view(&self) -> Csr<'_, I> {
        debug_assert!(Csr::new(&self.offsets, &self.targets).is_some());
        Csr { offsets: Offsets::Full(&self.offsets), targets: &self.targets }
    }
}

/// The offsets of the reversed edges without those of `skip` and those that lead nowhere: where the referrers of each node begin.
///
/// O(nodes + edges). Each thread counts the edges into a range of nodes of its own, so that its random writes stay within a
/// small part of memory.
pub fn reversed_offsets<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    threads: usize,
    cancel: &AtomicBool,
) -> Result<Vec<I>, Cancelled> {
    let n_nodes = forward.n_nodes();
    let per_thread = n_nodes.div_ceil(threads.max(1)).max(1);
    let mut offsets = vec![I::new(0); n_nodes + 1];
    let counted: Vec<_> = thread::scope(|scope| {
        let pieces = offsets[1..].chunks_mut(per_thread).enumerate();
        let counting: Vec<_> = pieces
            .map(|(i, counts)| scope.spawn(move || count(forward, skip, i * per_thread, counts, cancel)))
            .collect();
        counting.into_iter().map(joined).collect()
    });
    counted.into_iter().collect::<Result<Vec<()>, _>>()?;
    let mut total = 0;
    for offset in &mut offsets[1..] {
        total += offset.index();
        *offset = I::new(total);
    }
    Ok(offsets)
}

/// The targets of the reversed edges of some nodes: their referrers, by node, ascending. `offsets` are those of all nodes, from
/// [`reversed_offsets`].
///
/// O(nodes + edges), of the whole graph. Each thread writes the referrers of a range of nodes of its own.
pub fn referrers<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    offsets: &[I],
    nodes: Range<usize>,
    threads: usize,
    cancel: &AtomicBool,
) -> Result<Vec<I>, Cancelled> {
    let per_thread = nodes.len().div_ceil(threads.max(1)).max(1);
    let mut referrers = vec![I::new(0); offsets[nodes.end].index() - offsets[nodes.start].index()];
    let placed: Vec<_> = thread::scope(|scope| {
        let mut rest = referrers.as_mut_slice();
        let mut placing = Vec::new();
        for first in nodes.clone().step_by(per_thread) {
            let nodes = first..nodes.end.min(first + per_thread);
            let (start, end) = (offsets[nodes.start].index(), offsets[nodes.end].index());
            let (mine, others) = rest.split_at_mut(end - start);
            rest = others;
            let next = offsets[nodes.clone()].iter().map(|offset| I::new(offset.index() - start)).collect();
            placing.push(scope.spawn(move || place(forward, skip, nodes, next, mine, cancel)));
        }
        placing.into_iter().map(joined).collect()
    });
    placed.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(referrers)
}

pub(crate) fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Counts the edges into the nodes from `first` on.
fn count<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    first: usize,
    counts: &mut [I],
    cancel: &AtomicBool,
) -> Result<(), Cancelled> {
    let mut poll = Poll::new(cancel);
    for (edge, target) in forward.targets.iter().enumerate() {
        poll.step()?;
        if let Some(count) = counts.get_mut(target.index().wrapping_sub(first))
            && !skip.contains(edge)
        {
            *count = I::new(count.index() + 1);
        }
    }
    Ok(())
}

/// Writes the sources of the edges into `nodes` where `next` says.
fn place<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    nodes: Range<usize>,
    mut next: Vec<I>,
    sources: &mut [I],
    cancel: &AtomicBool,
) -> Result<(), Cancelled> {
    let mut poll = Poll::new(cancel);
    for source in 0..forward.n_nodes() {
        poll.step()?;
        for edge in forward.range(source) {
            if let Some(next) = next.get_mut(forward.target(edge).index().wrapping_sub(nodes.start))
                && !skip.contains(edge)
            {
                sources[next.index()] = I::new(source);
                *next = I::new(next.index() + 1);
            }
        }
    }
    Ok(())
}

/// Both directions of a graph.
///
/// `skip` are the edges of `forward` that are not followed (weak ones). `reverse` has neither them nor edges that lead
/// nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'g, I> {
    /// The edges out of every node.
    pub forward: Csr<'g, I>,
    /// Edges that are not followed, by their position in `forward`.
    pub skip: Bits<'g>,
    /// The edges into every node.
    pub reverse: Csr<'g, I>,
}

impl<'g, I: Id> Graph<'g, I> {
    /// Number of nodes.
    pub fn n_nodes(self) -> usize {
        self.forward.n_nodes()
    }

    /// The nodes that the edges out of a node lead to, in their order, once per edge.
    #[inline]
    pub fn children(self, node: usize) -> impl Iterator<Item = usize> + 'g {
        follow(self.forward, self.skip, node)
    }

    /// The nodes whose edges lead to a node, ascending, once per edge.
    #[inline]
    pub fn parents(self, node: usize) -> impl Iterator<Item = usize> + 'g {
        self.reverse.targets(node).iter().map(|source| source.index())
    }
}

/// The targets of the edges out of a node that are to be followed.
#[inline]
pub(crate) fn follow<'f, I: Id>(
    forward: Csr<'f, I>,
    skip: Bits<'f>,
    node: usize,
) -> impl Iterator<Item = usize> + 'f {
    let edges = forward.range(node);
    edges.filter_map(move |edge| {
        let target = forward.target(edge);
        (target != I::NONE && !skip.contains(edge)).then(|| target.index())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes with these numbers of edges, which all lead to the first node.
    #[track_caller]
    fn check(degrees: &[usize], is_narrow: bool) {
        let edges = degrees.iter().enumerate().flat_map(|(node, n)| std::iter::repeat_n((node, 0_u32), *n));
        let full = CsrBuf::from_edges(degrees.len(), edges);
        let narrow = narrow_offsets(&full.offsets);
        assert_eq!(narrow.is_some(), is_narrow);
        let Some((bases, within)) = narrow else { return };
        assert_eq!(bases.len() as u64, Offsets::<u32>::n_bases(full.offsets.len() as u64));
        let offsets = Offsets::Blocks { bases: &bases, within: within.view() };
        let csr = Csr::with_offsets(offsets, &full.targets).expect("fits");
        assert_eq!(csr.n_nodes(), degrees.len());
        for node in 0..degrees.len() {
            assert_eq!(csr.range(node), full.view().range(node));
        }
        for edge in 0..csr.n_edges() {
            assert_eq!(csr.source(edge), full.view().source(edge));
            assert!(csr.range(csr.source(edge)).contains(&edge));
        }
        assert!(
            Csr::with_offsets(offsets, &full.targets[..csr.n_edges().saturating_sub(1)]).is_none()
                || csr.n_edges() == 0
        );
    }

    #[test]
    fn offsets_relative_to_bases_are_the_same() {
        check(&[], true);
        check(&[0; 40], true);
        check(&[3; 100], true);
        // Differences of two bytes.
        check(&[100; 100], true);
        // One node with more edges than a number of two bytes: those after it in its block are in the list.
        let mut degrees = [1; 1000];
        degrees[17] = 70_000;
        check(&degrees, true);
        check(&[70_000, 1, 1, 1], false);
    }
}
