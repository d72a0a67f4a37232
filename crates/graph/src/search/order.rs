//! The order of paths of equally many hops, by what means the same in another process.
//!
//! Paths are compared step by step from the first on: by type; of two children of one object by the position of the
//! reference; of other objects by their order among the roots, then by what they retain, the largest first. Addresses, which
//! differ between processes, decide last.

use std::cmp::Reverse;

use super::PathSearch;
use crate::{Id, Numbers};

/// What tells nodes of one type apart, apart from their addresses. Empty slices tell nothing apart.
#[derive(Debug, Clone, Copy)]
pub struct NodeRanks<'t, I> {
    /// The roots, ascending.
    pub roots: &'t [I],
    /// By root, its position in an order that does not depend on addresses; equal for roots that it does not tell apart.
    pub root_ranks: &'t [u32],
    /// By node, what it retains.
    pub retained: Numbers<'t, u64>,
}

impl<I> Default for NodeRanks<'_, I> {
    fn default() -> Self {
        Self { roots: &[], root_ranks: &[], retained: Numbers::default() }
    }
}

/// What a step of a path is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepKey {
    type_rank: u32,
    /// Position of the edge from the node before; [`usize::MAX`] for a first node and for a referrer.
    pub(super) edge: usize,
    root_rank: u32,
    retained: Reverse<u64>,
    pub(super) node: usize,
}

/// A node that may be the next of a path.
#[derive(Debug, Clone)]
pub(super) struct NextNode {
    pub(super) key: StepKey,
    /// The states that it may be in, ascending.
    pub(super) states: Vec<u32>,
}

/// No edge: a first node or a referrer.
const NO_EDGE: usize = usize::MAX;

impl<'s, I: Id> PathSearch<'s, I> {
    /// The same search, with paths in the order of these ranks.
    pub fn ordered(mut self, ranks: NodeRanks<'s, I>) -> Self {
        self.ranks = ranks;
        self
    }

    /// The key of a node that was reached by an edge.
    #[inline]
    pub(super) fn step_key(&self, node: usize, edge: usize) -> StepKey {
        let type_rank = self.types.at(node);
        if edge != NO_EDGE {
            // The edge decides before the others are compared.
            return StepKey { type_rank, edge, root_rank: 0, retained: Reverse(0), node };
        }
        let root = self.ranks.roots.binary_search(&I::new(node)).ok();
        let root_rank = root.and_then(|root| self.ranks.root_ranks.get(root)).copied().unwrap_or(u32::MAX);
        let retained = Reverse(self.ranks.retained.get(node).unwrap_or(0));
        StepKey { type_rank, edge, root_rank, retained, node }
    }

    /// Some pairs of first node and state, by node in the order of paths.
    pub(super) fn first_nodes(&self, pairs: impl Iterator<Item = (usize, u32)>) -> Vec<NextNode> {
        self.by_node(pairs.collect(), |_| {})
    }

    /// The nodes that one hop leads to from a node in some states, in the order of paths. `takes` says which pairs count.
    pub(super) fn next_nodes(
        &self,
        node: usize,
        states: &[u32],
        mut takes: impl FnMut(usize, u32) -> bool,
    ) -> Vec<NextNode> {
        let mut found: Vec<(usize, u32)> = Vec::new();
        for state in states {
            self.ahead(node, *state, &mut |to, state| {
                if takes(to, state) {
                    found.push((to, state));
                }
            });
        }
        self.by_node(found, |nodes| self.find_edges(node, nodes))
    }

    /// Pairs by node, in the order of paths. `edges` finds the edges to the nodes, which are ascending.
    fn by_node(
        &self,
        mut pairs: Vec<(usize, u32)>,
        edges: impl FnOnce(&mut [(usize, usize)]),
    ) -> Vec<NextNode> {
        pairs.sort_unstable();
        pairs.dedup();
        let of_nodes: Vec<&[(usize, u32)]> = pairs.chunk_by(|a, b| a.0 == b.0).collect();
        let mut nodes: Vec<(usize, usize)> = of_nodes.iter().map(|pairs| (pairs[0].0, NO_EDGE)).collect();
        if nodes.len() > 1 {
            edges(&mut nodes);
        }
        let next = nodes.iter().zip(of_nodes).map(|((node, edge), pairs)| NextNode {
            key: self.step_key(*node, *edge),
            states: pairs.iter().map(|(_, state)| *state).collect(),
        });
        let mut next: Vec<NextNode> = next.collect();
        next.sort_unstable_by_key(|next| next.key);
        next
    }

    /// Finds the first edge to each of some nodes. What a hop may take plays no part, so that the order of two paths does not
    /// depend on the states that they were found in.
    fn find_edges(&self, parent: usize, nodes: &mut [(usize, usize)]) {
        if !self.goes_down {
            return;
        }
        let mut missing = nodes.len();
        for edge in self.graph.forward.range(parent) {
            let target = self.graph.forward.target(edge);
            if target == I::NONE || self.graph.skip.contains(edge) {
                continue;
            }
            let Ok(found) = nodes.binary_search_by_key(&target.index(), |(node, _)| *node) else { continue };
            if nodes[found].1 == NO_EDGE {
                nodes[found].1 = edge;
                missing -= 1;
                if missing == 0 {
                    return;
                }
            }
        }
    }
}
