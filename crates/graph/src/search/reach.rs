//! The ends of all paths: the nodes that the last node of a path can be, with the fewest hops.

use std::sync::atomic::AtomicBool;

use super::{PathSearch, Visited, fronts::Levels};
use crate::{Cancelled, Id, Poll};

/// Where paths end.
#[derive(Debug, Default)]
pub struct Ends<I> {
    /// Nodes with the fewest hops of a path that ends there, by hops, then by node.
    pub nodes: Vec<(I, u32)>,
    /// What was looked at.
    pub visited: Visited,
}

impl<I: Id> PathSearch<'_, I> {
    /// The ends of all paths of at most `within` hops, and no more than `limit` of them. O((nodes + edges) * states).
    pub fn reach(&self, within: u64, limit: usize, cancel: &AtomicBool) -> Result<Ends<I>, Cancelled> {
        let mut ends = Ends { nodes: Vec::new(), visited: Visited::default() };
        if !self.is_possible() || limit == 0 {
            return Ok(ends);
        }
        let mut poll = Poll::new(cancel);
        let mut seen = self.seen();
        let mut level = self.level();
        for (node, state) in self.starts() {
            if seen.add(node, state) {
                level.add(node, state);
            }
        }
        loop {
            // Only the last level is kept.
            let mut levels = Levels::default();
            levels.push(level);
            ends.visited.pairs += levels.pairs();
            let hops = ends.visited.levels;
            let room = limit - ends.nodes.len();
            let found = levels.in_state(0, self.accept()).take(room);
            ends.nodes.extend(found.map(|node| (I::new(node), u32::try_from(hops).unwrap_or(u32::MAX))));
            if hops >= within || levels.count(0) == 0 || ends.nodes.len() >= limit {
                return Ok(ends);
            }
            ends.visited.levels += 1;
            level = self.level();
            for (node, state) in levels.iter(0) {
                poll.step()?;
                self.visit_ahead(node, state, &mut seen, &mut level);
            }
        }
    }
}
