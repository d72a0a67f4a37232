//! The steps of a path: the states of the automaton and the edges that lead from node to node.

use std::collections::HashMap;

use super::{PathSearch, Step};
use crate::{Csr, Id, Walk};

/// A node with fewer edges is searched from its first edge on.
const MANY_EDGES: usize = 256;
/// Edges that are kept in order, at most: 8 bytes each, or 16.
const MAX_KEPT: usize = 1 << 24;

/// Edges of nodes with many, in the order of their targets, for searches that give out many paths through the same nodes: what one list
/// holds would be looked for in it from its first item on, each time. A node's edges are put in order when they are asked for again.
#[derive(Debug)]
pub struct KnownEdges<I> {
    /// By node that was asked for, its edges by target and position; `None` the first time.
    sorted: HashMap<usize, Option<Vec<(I, I)>>>,
    n_kept: usize,
}

impl<I> Default for KnownEdges<I> {
    fn default() -> Self {
        Self { sorted: HashMap::new(), n_kept: 0 }
    }
}

impl<I: Id> KnownEdges<I> {
    fn of(&mut self, forward: Csr<'_, I>, source: usize) -> Option<&[(I, I)]> {
        let range = forward.range(source);
        if range.len() < MANY_EDGES {
            return None;
        }
        let is_new = !self.sorted.contains_key(&source);
        let sorted = self.sorted.entry(source).or_default();
        if !is_new && sorted.is_none() && self.n_kept + range.len() <= MAX_KEPT {
            self.n_kept += range.len();
            let mut edges: Vec<(I, I)> = range.map(|edge| (forward.target(edge), I::new(edge))).collect();
            edges.sort_unstable();
            *sorted = Some(edges);
        }
        sorted.as_deref()
    }
}

impl<I: Id> PathSearch<'_, I> {
    /// The states and edges of a path, the first if several are possible. `nodes` must be a path. `known` is for all paths of a search
    /// in the same graph.
    pub fn steps(&self, nodes: &[I], known: &mut KnownEdges<I>) -> Vec<Step> {
        // By node, the states that it can be in: in one list, because a path may have a million hops.
        let mut states: Vec<(u32, u32)> = Vec::new();
        let mut ends = Vec::with_capacity(nodes.len());
        let Some((first, rest)) = nodes.split_first() else { return Vec::new() };
        let starts = self.pattern.starts.iter().enumerate();
        states.extend(
            starts
                .filter(|(_, transition)| self.passes(transition, first.index()))
                .map(|(position, transition)| (transition.to, position as u32)),
        );
        states.sort_unstable();
        states.dedup_by_key(|(state, _)| *state);
        ends.push(states.len());
        let mut before = first.index();
        for node in rest {
            let node = node.index();
            let from = ends.len().checked_sub(2).map_or(0, |i| ends[i])..states.len();
            let start = states.len();
            for i in from {
                let (state, _) = states[i];
                if state == self.accept() || self.edge(state, before, node, known).is_none() {
                    continue;
                }
                for (position, transition) in self.pattern.next[state as usize].iter().enumerate() {
                    if self.passes(transition, node) {
                        states.push((transition.to, position as u32));
                    }
                }
            }
            states[start..].sort_unstable();
            let mut kept = start;
            for i in start..states.len() {
                if i == start || states[i].0 != states[kept - 1].0 {
                    states[kept] = states[i];
                    kept += 1;
                }
            }
            states.truncate(kept);
            ends.push(states.len());
            before = node;
        }
        self.steps_back(nodes, &states, &ends, known)
    }

    /// From the accepting state back, the first state that leads on.
    fn steps_back(
        &self,
        nodes: &[I],
        states: &[(u32, u32)],
        ends: &[usize],
        known: &mut KnownEdges<I>,
    ) -> Vec<Step> {
        let of = |i: usize| &states[i.checked_sub(1).map_or(0, |before| ends[before])..ends[i]];
        let mut steps = Vec::with_capacity(nodes.len());
        let mut state = self.accept();
        for i in (0..nodes.len()).rev() {
            let node = nodes[i].index();
            let Some(before) = i.checked_sub(1) else {
                let transition = self
                    .pattern
                    .starts
                    .iter()
                    .position(|transition| transition.to == state && self.passes(transition, node));
                steps.push(Step {
                    node,
                    state: state as usize,
                    transition: transition.unwrap_or(0),
                    hop: None,
                });
                break;
            };
            let parent = nodes[before].index();
            let found = of(before).iter().filter(|(from, _)| *from != self.accept()).find_map(|(from, _)| {
                let transitions = &self.pattern.next[*from as usize];
                let transition = transitions
                    .iter()
                    .position(|transition| transition.to == state && self.passes(transition, node))?;
                let edge = self.edge(*from, parent, node, known)?;
                Some((*from, transition, edge))
            });
            // Every node of a path has such a state.
            let Some((from, transition, edge)) = found else { break };
            steps.push(Step {
                node,
                state: state as usize,
                transition,
                hop: Some((self.pattern.hops[from as usize].way, edge)),
            });
            state = from;
        }
        steps.reverse();
        steps
    }

    /// The first edge that a state's hop takes from one node to another.
    fn edge(&self, state: u32, from: usize, to: usize, known: &mut KnownEdges<I>) -> Option<usize> {
        let hop = self.pattern.hops[state as usize];
        let (source, target) = match hop.way {
            Walk::Down => (from, to),
            Walk::Up => (to, from),
        };
        let follow = &self.pattern.follow[hop.follow];
        let is_it = |edge: &usize| !self.graph.skip.contains(*edge) && follow.takes(*edge);
        let (forward, target) = (self.graph.forward, I::new(target));
        match known.of(forward, source) {
            Some(sorted) => {
                let first = sorted.partition_point(|(other, _)| *other < target);
                let edges = sorted[first..].iter().take_while(|(other, _)| *other == target);
                edges.map(|(_, edge)| edge.index()).find(is_it)
            }
            None => forward.range(source).filter(|edge| forward.target(*edge) == target).find(is_it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsrBuf;

    #[test]
    fn edges_of_a_node_with_many_are_found_by_their_targets() {
        // Node 0 refers to 1 to 300 and to 1 again, node 1 to 2.
        let targets: Vec<u32> = (1..=300).rev().chain([1, 2]).collect();
        let offsets = std::iter::once(0).chain([301, 302]).chain(std::iter::repeat_n(302, 299)).collect();
        let graph = CsrBuf { offsets, targets };
        let mut known = KnownEdges::default();
        assert!(known.of(graph.view(), 0).is_none(), "the first time");
        let sorted = known.of(graph.view(), 0).expect("the second time");
        assert_eq!(sorted[..3], [(1, 299), (1, 300), (2, 298)]);
        assert_eq!(sorted.len(), 301);
        for _ in 0..3 {
            assert!(known.of(graph.view(), 1).is_none(), "it has few");
        }
        known.n_kept = MAX_KEPT;
        known.sorted.clear();
        for _ in 0..3 {
            assert!(known.of(graph.view(), 0).is_none(), "so many are kept already");
        }
    }
}
