//! Edges as compressed sparse rows: `offsets` into `targets`, one per node and one more.

use std::{ops::Range, sync::atomic::AtomicBool, thread};

use crate::{Bits, Cancelled, Id, Poll};

/// The edges out of every node. A target of [`Id::NONE`] is an edge that leads nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Csr<'c, I> {
    offsets: &'c [I],
    targets: &'c [I],
}

impl<'c, I: Id> Csr<'c, I> {
    /// Takes `offsets` (ascending, from 0 to the number of edges, one more than nodes) and `targets` (nodes or
    /// [`Id::NONE`]). `None` if the first or the last offset does not fit the targets.
    pub fn new(offsets: &'c [I], targets: &'c [I]) -> Option<Self> {
        let fits = offsets.first()?.index() == 0 && offsets.last()?.index() == targets.len();
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
        self.offsets[node].index()..self.offsets[node + 1].index()
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
        self.offsets.partition_point(|offset| offset.index() <= edge) - 1
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
    /// O(nodes + edges). Each thread counts and writes the edges into a range of nodes of its own, so that its random writes
    /// stay within a small part of memory.
    pub fn reversed(
        forward: Csr<'_, I>,
        skip: Bits<'_>,
        threads: usize,
        cancel: &AtomicBool,
    ) -> Result<Self, Cancelled> {
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
        let mut targets = vec![I::new(0); total];
        let placed: Vec<_> = thread::scope(|scope| {
            let mut rest = targets.as_mut_slice();
            let mut placing = Vec::new();
            for first in (0..n_nodes).step_by(per_thread) {
                let nodes = first..n_nodes.min(first + per_thread);
                let (start, end) = (offsets[nodes.start].index(), offsets[nodes.end].index());
                let (mine, others) = rest.split_at_mut(end - start);
                rest = others;
                let next =
                    offsets[nodes.clone()].iter().map(|offset| I::new(offset.index() - start)).collect();
                placing.push(scope.spawn(move || place(forward, skip, nodes, next, mine, cancel)));
            }
            placing.into_iter().map(joined).collect()
        });
        placed.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(Self { offsets, targets })
    }

    /// The CSR, borrowed.
    pub fn view(&self) -> Csr<'_, I> {
        debug_assert!(Csr::new(&self.offsets, &self.targets).is_some());
        Csr { offsets: &self.offsets, targets: &self.targets }
    }
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
