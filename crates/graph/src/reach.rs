//! Breadth-first search: what is reachable, and in how many hops.

use std::sync::atomic::AtomicBool;

use crate::{BitSet, Bits, Cancelled, Csr, Graph, Id, Poll, csr::follow};

/// The distance of an unreachable node.
pub const NO_DISTANCE: u32 = u32::MAX;

/// Hops from the nearest of `starts` to every node (length n); [`NO_DISTANCE`] for unreachable nodes.
///
/// O(nodes + edges); memory is 4 bytes per node, and an id for each node of the two widest levels.
pub fn distances<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    starts: impl IntoIterator<Item = usize>,
    cancel: &AtomicBool,
) -> Result<Vec<u32>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let mut distances = vec![NO_DISTANCE; forward.n_nodes()];
    // Fits into a cache that is too small for the distances.
    let mut reached = BitSet::new(forward.n_nodes());
    let mut level = Vec::new();
    for start in starts {
        if reached.set(start) {
            distances[start] = 0;
            level.push(I::new(start));
        }
    }
    let (mut next, mut distance) = (Vec::new(), 0);
    while !level.is_empty() {
        distance += 1;
        for node in level.drain(..) {
            poll.step()?;
            for child in follow(forward, skip, node.index()) {
                if reached.set(child) {
                    distances[child] = distance;
                    next.push(I::new(child));
                }
            }
        }
        std::mem::swap(&mut level, &mut next);
    }
    Ok(distances)
}

/// The direction of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// From parents to children.
    Down,
    /// From children to parents.
    Up,
}

/// The nodes that are 1 to `max_hops` hops from `starts`, each with its fewest hops, nearest first. A start is among them if
/// an edge leads back to it.
pub fn walk<I: Id>(
    graph: Graph<'_, I>,
    way: Walk,
    starts: &[I],
    max_hops: u32,
    cancel: &AtomicBool,
) -> Result<Vec<(I, u32)>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let mut seen = BitSet::new(graph.n_nodes());
    let mut found: Vec<(I, u32)> = Vec::new();
    let mut visit = |node: usize, hops: u32, found: &mut Vec<(I, u32)>| {
        let mut add = |next: usize| {
            if seen.set(next) {
                found.push((I::new(next), hops));
            }
        };
        match way {
            Walk::Down => graph.children(node).for_each(&mut add),
            Walk::Up => graph.parents(node).for_each(&mut add),
        }
    };
    if max_hops > 0 {
        for start in starts {
            poll.step()?;
            visit(start.index(), 1, &mut found);
        }
    }
    let mut at = 0;
    while let Some(&(node, hops)) = found.get(at).filter(|(_, hops)| *hops < max_hops) {
        poll.step()?;
        at += 1;
        visit(node.index(), hops + 1, &mut found);
    }
    Ok(found)
}

/// The nodes that are reachable from `starts` through nodes with a single referrer, and have a single referrer themselves,
/// each with its hops, nearest first.
///
/// O(edges of these nodes and of their children).
pub fn walk_only_children<I: Id>(
    graph: Graph<'_, I>,
    starts: &[I],
    cancel: &AtomicBool,
) -> Result<Vec<(I, u32)>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let mut seen = BitSet::of(graph.n_nodes(), starts.iter().map(|start| start.index()));
    let mut found: Vec<(I, u32)> = starts.iter().map(|start| (*start, 0)).collect();
    let mut at = 0;
    while let Some(&(node, hops)) = found.get(at) {
        at += 1;
        poll.step()?;
        for child in graph.children(node.index()) {
            let has_no_other = graph.parents(child).all(|parent| parent == node.index());
            if has_no_other && seen.set(child) {
                found.push((I::new(child), hops + 1));
            }
        }
    }
    found.drain(..starts.len());
    Ok(found)
}
