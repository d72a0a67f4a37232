//! Paths beyond the shortest: the first k by hops, and all that pass no node twice.
//!
//! A search backward from the ends tells how many hops each pair needs at least, so that beginnings of paths that cannot be
//! completed within the limit are never extended. The k shortest paths are found as by A*: beginnings are extended in the
//! order of the fewest hops of a path that begins so, then in that of paths. Every beginning that is extended is part of a path
//! that is returned.

use std::{cmp::Ordering, collections::BTreeMap, sync::atomic::AtomicBool};

use super::{
    PathSearch, Visited,
    fronts::{Levels, PairHops},
    order::NextNode,
};
use crate::{Cancelled, Id, Poll};

/// The fewest hops to an end.
#[derive(Debug)]
struct FewestHops<I> {
    hops: PairHops<I>,
    visited: Visited,
}

impl<I: Id> PathSearch<'_, I> {
    fn left(&self, within: u64, poll: &mut Poll<'_>) -> Result<FewestHops<I>, Cancelled> {
        let n_states = self.accept() as usize + 1;
        let mut levels = Levels::default();
        let mut seen = self.seen();
        let mut level = self.level();
        if self.is_possible() {
            for node in self.ends() {
                if seen.add(node, self.accept()) {
                    level.add(node, self.accept());
                }
            }
        }
        while level.len() > 0 {
            levels.push(level);
            level = self.level();
            if levels.len() as u64 > within {
                break;
            }
            for (node, state) in levels.iter(levels.len() - 1) {
                poll.step()?;
                self.behind(node, state, &mut |node, state| {
                    if seen.add(node, state) {
                        level.add(node, state);
                    }
                });
            }
        }
        let visited = Visited { pairs: levels.pairs(), levels: levels.len().saturating_sub(1) as u64 };
        Ok(FewestHops { hops: PairHops::of(&levels, self.n_nodes(), n_states), visited })
    }

    /// Paths in order, of at most `within` hops.
    pub fn ranked<'s>(&'s self, within: u64, cancel: &'s AtomicBool) -> Result<Ranked<'s, I>, Cancelled> {
        let mut poll = Poll::new(cancel);
        let left = self.left(within, &mut poll)?;
        let mut ranked = Ranked {
            search: self,
            left: left.hops,
            visited: left.visited,
            within,
            beginnings: Vec::new(),
            states: Vec::new(),
            waiting: BTreeMap::new(),
            n_hops: 0,
            current: Vec::new(),
            poll,
        };
        for first in self.first_nodes(self.starts()) {
            ranked.add(&first, None);
        }
        Ok(ranked)
    }

    /// All paths of at most `within` hops that pass no node twice, in order.
    pub fn acyclic<'s>(&'s self, within: u64, cancel: &'s AtomicBool) -> Result<Acyclic<'s, I>, Cancelled> {
        let mut poll = Poll::new(cancel);
        let left = self.left(within, &mut poll)?;
        let mut starts = self.first_nodes(self.starts());
        starts.reverse();
        Ok(Acyclic {
            search: self,
            left: left.hops,
            visited: left.visited,
            within,
            n_hops: 0,
            starts,
            path: Vec::new(),
            choices: Vec::new(),
            may_go_on: true,
            poll,
        })
    }
}

/// The first paths by hops.
#[derive(Debug)]
pub struct Ranked<'s, I> {
    search: &'s PathSearch<'s, I>,
    left: PairHops<I>,
    /// How much the search backward visited.
    pub visited: Visited,
    within: u64,
    /// All beginnings of paths that were made, as a tree.
    beginnings: Vec<Beginning<I>>,
    /// The states of all beginnings.
    states: Vec<u32>,
    /// Beginnings by the fewest hops of a path that begins so.
    waiting: BTreeMap<u32, Vec<usize>>,
    n_hops: u32,
    /// The beginnings of paths of `n_hops` hops, in reverse order.
    current: Vec<usize>,
    poll: Poll<'s>,
}

#[derive(Debug)]
struct Beginning<I> {
    node: I,
    /// What its last node is compared by.
    edge: usize,
    before: Option<usize>,
    hops: u32,
    /// The range of its states.
    states: (usize, usize),
}

impl<I: Id> Ranked<'_, I> {
    /// Adds a beginning if a path begins so.
    fn add(&mut self, next: &NextNode, before: Option<usize>) -> Option<(u32, usize)> {
        let node = next.key.node;
        let hops = before.map_or(0, |before| self.beginnings[before].hops + 1);
        let first = self.states.len();
        let mut fewest: Option<u32> = None;
        for state in &next.states {
            if let Some(left) = self.left.get(node, *state) {
                self.states.push(*state);
                fewest = Some(fewest.map_or(left, |fewest| fewest.min(left)));
            }
        }
        let n_hops = hops.saturating_add(fewest?);
        if u64::from(n_hops) > self.within {
            self.states.truncate(first);
            return None;
        }
        self.beginnings.push(Beginning {
            node: I::new(node),
            edge: next.key.edge,
            before,
            hops,
            states: (first, self.states.len()),
        });
        let number = self.beginnings.len() - 1;
        if before.is_none() {
            self.waiting.entry(n_hops).or_default().push(number);
        }
        Some((n_hops, number))
    }

    /// The next path.
    pub fn next_path(&mut self) -> Result<Option<Vec<I>>, Cancelled> {
        loop {
            self.poll.step()?;
            let Some(number) = self.current.pop() else {
                let Some((n_hops, mut beginnings)) = self.waiting.pop_first() else { return Ok(None) };
                beginnings.sort_unstable_by(|a, b| self.compare(*b, *a));
                self.n_hops = n_hops;
                self.current = beginnings;
                continue;
            };
            let (first, end) = self.beginnings[number].states;
            let (node, hops) = (self.beginnings[number].node.index(), self.beginnings[number].hops);
            let accept = self.search.accept();
            let next = self.search.next_nodes(node, &self.states[first..end], |_, _| true);
            let mut soon = Vec::new();
            for next in &next {
                match self.add(next, Some(number)) {
                    Some((n_hops, next)) if n_hops == self.n_hops => soon.push(next),
                    Some((n_hops, next)) => self.waiting.entry(n_hops).or_default().push(next),
                    None => {}
                }
            }
            // A path that ends here comes before its continuations, which have more hops and are not due yet.
            self.current.extend(soon.into_iter().rev());
            if hops == self.n_hops && self.states[first..end].contains(&accept) {
                return Ok(Some(self.path(number)));
            }
        }
    }

    fn path(&self, number: usize) -> Vec<I> {
        let mut path = Vec::with_capacity(self.beginnings[number].hops as usize + 1);
        let mut at = Some(number);
        while let Some(number) = at {
            path.push(self.beginnings[number].node);
            at = self.beginnings[number].before;
        }
        path.reverse();
        path
    }

    /// Compares two beginnings step by step from the first on. O(hops).
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let hops = |number: usize| self.beginnings[number].hops;
        let back = |number: usize| self.beginnings[number].before.unwrap_or(number);
        let key = |number: usize| {
            let beginning = &self.beginnings[number];
            self.search.step_key(beginning.node.index(), beginning.edge)
        };
        let (mut x, mut y) = (a, b);
        while hops(x) > hops(y) {
            x = back(x);
        }
        while hops(y) > hops(x) {
            y = back(y);
        }
        let mut order = hops(a).cmp(&hops(b));
        while x != y {
            match key(x).cmp(&key(y)) {
                Ordering::Equal => {}
                different => order = different,
            }
            if hops(x) == 0 {
                break;
            }
            (x, y) = (back(x), back(y));
        }
        order
    }
}

/// All paths that pass no node twice.
#[derive(Debug)]
pub struct Acyclic<'s, I> {
    search: &'s PathSearch<'s, I>,
    left: PairHops<I>,
    /// How much the search backward visited.
    pub visited: Visited,
    within: u64,
    /// The number of hops of the current paths.
    n_hops: u64,
    /// The last first.
    starts: Vec<NextNode>,
    path: Vec<usize>,
    /// The nodes that may come next at each position of the path, the last first.
    choices: Vec<Vec<NextNode>>,
    /// Whether a path with more hops is possible.
    may_go_on: bool,
    poll: Poll<'s>,
}

impl<I: Id> Acyclic<'_, I> {
    /// The next path.
    pub fn next_path(&mut self) -> Result<Option<Vec<I>>, Cancelled> {
        loop {
            self.poll.step()?;
            let Some(choices) = self.choices.last_mut() else {
                if !self.may_go_on || self.n_hops > self.within {
                    return Ok(None);
                }
                // All paths of one length, then all of the next.
                self.may_go_on = false;
                self.choices.push(self.starts.clone());
                self.path.clear();
                continue;
            };
            let Some(NextNode { key, states }) = choices.pop() else {
                self.choices.pop();
                self.path.pop();
                if self.choices.is_empty() {
                    self.n_hops += 1;
                }
                continue;
            };
            let node = key.node;
            let room = self.n_hops - self.path.len() as u64;
            let fits = states
                .iter()
                .filter_map(|state| self.left.get(node, *state))
                .any(|left| u64::from(left) <= room);
            if !fits {
                self.may_go_on |= states.iter().any(|state| self.left.get(node, *state).is_some());
                continue;
            }
            if room == 0 {
                // A path ends here; longer ones may continue.
                self.may_go_on = true;
                let mut path: Vec<I> = self.path.iter().map(|node| I::new(*node)).collect();
                path.push(I::new(node));
                return Ok(Some(path));
            }
            self.path.push(node);
            let mut next = self.search.next_nodes(node, &states, |node, _| !self.path.contains(&node));
            next.reverse();
            self.choices.push(next);
        }
    }
}
