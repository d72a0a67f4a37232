//! The shortest path for each node that a test of the pattern binds.
//!
//! The part of a path before the node and the part after it are independent. A search forward from the starts, in the order
//! of paths, finds the first shortest beginning for every node; a search backward from the ends counts the remaining hops.
//! O((nodes + edges) * states) for all nodes together, instead of a search for each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::AtomicBool,
};

use super::{PathSearch, Transition, Visited, fronts::Levels};
use crate::{Cancelled, Id, Poll};

/// The nodes that a test binds, and what their paths are made of.
#[derive(Debug)]
pub struct Bindings<'s, I> {
    search: &'s PathSearch<'s, I>,
    /// The test that binds.
    test: u32,
    within: u64,
    /// The search forward: node, state and what it was reached from.
    trail: Vec<Trail<I>>,
    /// By entry: the entry that it was reached from (`None` for a start) and the number of hops up to it.
    bound: BTreeMap<I, (Option<usize>, u64)>,
    /// The levels of the search backward, by remaining hops.
    from_end: Levels<I>,
    /// By bound node, the fewest remaining hops.
    left: HashMap<I, u64>,
    /// How much was searched.
    pub visited: Visited,
}

#[derive(Debug)]
struct Trail<I> {
    node: I,
    state: u32,
    before: usize,
}

const NOTHING_BEFORE: usize = usize::MAX;

impl<I: Id> PathSearch<'_, I> {
    /// Searches once for all nodes that pass test `test`, which every path binds exactly once.
    pub fn bindings<'s>(
        &'s self,
        test: u32,
        within: u64,
        cancel: &AtomicBool,
    ) -> Result<Bindings<'s, I>, Cancelled> {
        let mut found = Bindings {
            search: self,
            test,
            within,
            trail: Vec::new(),
            bound: BTreeMap::new(),
            from_end: Levels::default(),
            left: HashMap::new(),
            visited: Visited::default(),
        };
        if self.is_possible() {
            let mut poll = Poll::new(cancel);
            found.forward(&mut poll)?;
            found.backward(&mut poll)?;
        }
        Ok(found)
    }
}

impl<I: Id> Bindings<'_, I> {
    fn binds(&self, transition: &Transition) -> bool {
        transition.tests.contains(&self.test)
    }

    /// The transitions that bind.
    fn binding(&self) -> impl Iterator<Item = &Transition> {
        self.search.transitions().filter(|transition| self.binds(transition))
    }

    /// Searches breadth first, each level in the order of the paths that lead to it, so that the first path to a node is the
    /// first of its shortest ones.
    fn forward(&mut self, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        let search = self.search;
        let mut seen = search.seen();
        let mut starts: Vec<(usize, u32, bool)> = Vec::new();
        for transition in &search.pattern.starts {
            let binds = self.binds(transition);
            starts.extend(search.starting(transition).map(|node| (node, transition.to, binds)));
        }
        starts.sort_unstable();
        for (node, state, binds) in starts {
            if binds {
                self.bound.entry(I::new(node)).or_insert((None, 0));
            } else if seen.add(node, state) {
                self.trail.push(Trail { node: I::new(node), state, before: NOTHING_BEFORE });
            }
        }
        let (mut start, mut hops) = (0, 0_u64);
        let mut next: Vec<(usize, u32, bool)> = Vec::new();
        while start < self.trail.len() && hops < self.within {
            hops += 1;
            let end = self.trail.len();
            let mut at = start;
            while at < end {
                poll.step()?;
                // A node in several states has one path so far: the nodes after it are collected from all of them, in order.
                let (node, before) = (self.trail[at].node, self.trail[at].before);
                let same =
                    self.trail[at..end].iter().take_while(|t| t.node == node && t.before == before).count();
                next.clear();
                for i in at..at + same {
                    let state = self.trail[i].state;
                    let transitions = &search.pattern.next[state as usize];
                    search.hop(state, true, node.index(), |to| {
                        for transition in transitions {
                            if search.may_lead(to, transition.to) && search.passes(transition, to) {
                                next.push((to, transition.to, transition.tests.contains(&self.test)));
                            }
                        }
                    });
                }
                next.sort_unstable();
                for (to, state, binds) in &next {
                    if *binds {
                        self.bound.entry(I::new(*to)).or_insert((Some(at), hops));
                    } else if seen.add(*to, *state) {
                        self.trail.push(Trail { node: I::new(*to), state: *state, before: at });
                    }
                }
                at += same;
            }
            start = end;
        }
        self.visited.pairs += self.trail.len() as u64;
        self.visited.levels += hops;
        Ok(())
    }

    /// Searches backward from the ends until every bound node is found or nothing remains.
    fn backward(&mut self, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        let search = self.search;
        let accept = search.accept();
        if self.binding().all(|transition| transition.to == accept) {
            self.left = self.bound.keys().map(|node| (*node, 0)).collect();
            return Ok(());
        }
        let mut seen = search.seen();
        // By state, the binding transitions that lead to it.
        let mut after: HashMap<u32, Vec<&Transition>> = HashMap::new();
        search.transitions().filter(|transition| transition.tests.contains(&self.test)).for_each(
            |transition| {
                after.entry(transition.to).or_default().push(transition);
            },
        );
        let mut level = search.level();
        for node in search.ends() {
            if seen.add(node, accept) {
                level.add(node, accept);
            }
        }
        let mut hops = 0_u64;
        while level.len() > 0 {
            self.from_end.push(level);
            let last = self.from_end.len() - 1;
            for (node, state) in self.from_end.iter(last).filter(|(_, state)| after.contains_key(state)) {
                let follows = || after[&state].iter().any(|transition| search.passes(transition, node));
                if self.bound.contains_key(&I::new(node)) && follows() {
                    self.left.entry(I::new(node)).or_insert(hops);
                }
            }
            level = search.level();
            if self.left.len() == self.bound.len() || hops >= self.within {
                break;
            }
            hops += 1;
            for (node, state) in self.from_end.iter(last) {
                poll.step()?;
                search.behind(node, state, &mut |node, state| {
                    if seen.add(node, state) {
                        level.add(node, state);
                    }
                });
            }
        }
        self.visited.pairs += self.from_end.pairs();
        self.visited.levels += hops;
        Ok(())
    }

    /// The bound nodes that have a path, ascending.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        let fits =
            |node: &I, before: u64| self.left.get(node).is_some_and(|left| before + left <= self.within);
        self.bound.iter().filter(move |(node, (_, hops))| fits(node, *hops)).map(|(node, _)| node.index())
    }

    /// The first path that binds a node of [`Self::nodes`].
    pub fn path(&self, node: usize) -> Vec<I> {
        let search = self.search;
        let Some((before, _)) = self.bound.get(&I::new(node)) else { return Vec::new() };
        let mut path = vec![I::new(node)];
        let mut at = before.unwrap_or(NOTHING_BEFORE);
        while let Some(trail) = self.trail.get(at) {
            path.push(trail.node);
            at = trail.before;
        }
        path.reverse();
        let mut left = self.left.get(&I::new(node)).copied().unwrap_or(0) as usize;
        if left == 0 {
            return path;
        }
        // The transition that binds the node may lead to any of these states.
        let transitions = self.binding().filter(|transition| search.passes(transition, node));
        let mut states: Vec<u32> = transitions
            .map(|transition| transition.to)
            .filter(|state| self.from_end.contains(left, node, *state))
            .collect();
        states.sort_unstable();
        states.dedup();
        let mut at = node;
        while left > 0 {
            left -= 1;
            let mut smallest: Option<usize> = None;
            let mut next = Vec::new();
            for state in &states {
                search.ahead(at, *state, &mut |node, state| {
                    if smallest.is_none_or(|smallest| node <= smallest)
                        && self.from_end.contains(left, node, state)
                    {
                        if smallest != Some(node) {
                            next.clear();
                        }
                        smallest = Some(node);
                        next.push(state);
                    }
                });
            }
            // A pair with remaining hops has a successor.
            let Some(node) = smallest else { break };
            next.sort_unstable();
            next.dedup();
            path.push(I::new(node));
            (at, states) = (node, next);
        }
        path
    }
}
