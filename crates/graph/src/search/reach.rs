//! The ends of all paths: the nodes that the last node of a path can be, with the fewest hops.

use std::sync::atomic::AtomicBool;

use super::{PathSearch, Visited, fronts::Levels};
use crate::{Cancelled, Id, Poll};

impl<I: Id> PathSearch<'_, I> {
    /// Calls `found` with the ends of all paths of at most `within` hops, each with the fewest hops to it, by hops, then
    /// by node, until it returns that no more are wanted. O((nodes + edges) * states), a bit for each visited pair.
    pub fn reach(
        &self,
        within: u64,
        cancel: &AtomicBool,
        mut found: impl FnMut(usize, u32) -> bool,
    ) -> Result<Visited, Cancelled> {
        let mut visited = Visited::default();
        if !self.is_possible() {
            return Ok(visited);
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
            visited.pairs += levels.pairs();
            let hops = u32::try_from(visited.levels).unwrap_or(u32::MAX);
            for node in levels.in_state(0, self.accept()) {
                if !found(node, hops) {
                    return Ok(visited);
                }
            }
            if visited.levels >= within || levels.count(0) == 0 {
                return Ok(visited);
            }
            visited.levels += 1;
            level = self.level();
            levels.iter(0).try_for_each(|(node, state)| {
                self.visit_ahead(node, state, &mut seen, &mut level);
                poll.step()
            })?;
        }
    }
}
