//! What-if: what would become unreachable without some nodes and edges.
//!
//! Exact. Nodes that cannot be reached from a cut stay alive, so only those that can are searched: again without the cut,
//! from the roots among them and from those with a referrer outside.

use std::sync::atomic::AtomicBool;

use crate::{BitSet, Bits, Cancelled, Graph, Id, Poll};

/// Nodes and edges that are removed. A set without members may have length 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Nodes, with all their edges.
    pub nodes: BitSet,
    /// Edges, by their position in the forward CSR.
    pub edges: BitSet,
}

impl Cut {
    fn keeps<I: Id>(&self, graph: Graph<'_, I>, edge: usize) -> bool {
        !graph.skip.contains(edge) && !self.edges.contains(edge)
    }
}

/// The nodes that paths from `roots` reach in the graph but not in the graph without the cut, ascending; cut nodes are
/// among them. Every node of the graph must be reachable from a root. What is alive is not kept by a reference of `garbage`, the
/// nodes that only roots of garbage reach.
///
/// O(the part of the graph that is reachable from the cut).
pub fn unreachable_after<I: Id>(
    graph: Graph<'_, I>,
    roots: &BitSet,
    garbage: Bits<'_>,
    cut: &Cut,
    cancel: &AtomicBool,
) -> Result<Vec<I>, Cancelled> {
    let mut most = usize::MAX;
    let found = unreachable_within(graph, roots, garbage, cut, &mut most, cancel)?;
    Ok(found.unwrap_or_default())
}

/// The same where what can be reached from the cut has at most `most` nodes, else `None`; `most` is reduced by the nodes that
/// were looked at, so that several cuts can share it.
pub fn unreachable_within<I: Id>(
    graph: Graph<'_, I>,
    roots: &BitSet,
    garbage: Bits<'_>,
    cut: &Cut,
    most: &mut usize,
    cancel: &AtomicBool,
) -> Result<Option<Vec<I>>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let Some(touched) = touched(graph, cut, most, &mut poll)? else { return Ok(None) };
    // Parents with an edge that is cut: another edge to the same child may remain.
    let cut_sources = BitSet::of(graph.n_nodes(), cut.edges.iter().map(|edge| graph.forward.source(edge)));
    let keeps = |parent: usize, child: usize| garbage.contains(child) || !garbage.contains(parent);
    let refers = |parent: usize, child: usize| {
        !cut.nodes.contains(parent)
            && keeps(parent, child)
            && (!cut_sources.contains(parent)
                || graph
                    .forward
                    .range(parent)
                    .any(|edge| graph.forward.target(edge) == I::new(child) && cut.keeps(graph, edge)))
    };
    let mut alive = BitSet::new(graph.n_nodes());
    let mut stack = Vec::new();
    for node in touched.iter().filter(|node| !cut.nodes.contains(*node)) {
        poll.step()?;
        let held = roots.contains(node)
            || graph.parents(node).any(|parent| !touched.contains(parent) && refers(parent, node));
        if held && alive.set(node) {
            stack.push(I::new(node));
        }
        while let Some(node) = stack.pop() {
            poll.step()?;
            for edge in graph.forward.range(node.index()) {
                let target = graph.forward.target(edge);
                if target != I::NONE
                    && cut.keeps(graph, edge)
                    && touched.contains(target.index())
                    && !cut.nodes.contains(target.index())
                    && keeps(node.index(), target.index())
                    && alive.set(target.index())
                {
                    stack.push(target);
                }
            }
        }
    }
    Ok(Some(touched.iter().filter(|node| !alive.contains(*node)).map(I::new).collect()))
}

/// The cut nodes, the ends of cut edges, and whatever can be reached from there; `None` if these are more than `most`.
fn touched<I: Id>(
    graph: Graph<'_, I>,
    cut: &Cut,
    most: &mut usize,
    poll: &mut Poll<'_>,
) -> Result<Option<BitSet>, Cancelled> {
    let mut touched = BitSet::new(graph.n_nodes());
    let ends = cut.edges.iter().filter(|edge| !graph.skip.contains(*edge));
    let ends = ends.map(|edge| graph.forward.target(edge)).filter(|target| *target != I::NONE);
    let mut stack = Vec::new();
    for start in cut.nodes.iter().chain(ends.map(Id::index)) {
        if touched.set(start) {
            stack.push(I::new(start));
        }
        while let Some(node) = stack.pop() {
            poll.step()?;
            let Some(left) = most.checked_sub(1) else { return Ok(None) };
            *most = left;
            stack.extend(graph.children(node.index()).filter(|child| touched.set(*child)).map(I::new));
        }
    }
    Ok(Some(touched))
}
