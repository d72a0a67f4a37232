//! The shortest path for each node that a test of the pattern binds.
//!
//! The part of a path before the node and the part after it are independent. A search forward from the starts finds the
//! bound nodes and their hops, a search backward from the ends the remaining hops of each. Going back from the bound nodes
//! marks the pairs on shortest paths to them; going forward through these alone, in the order of paths, finds the first
//! shortest beginning for every node. O((nodes + edges) * states) for all nodes together, instead of a search for each.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::atomic::AtomicBool,
};

use super::{PathSearch, Transition, Visited, fronts::Levels, order::NextNode};
use crate::{BitSet, Cancelled, Id, Poll, Walk};

/// The nodes that a test binds, and what their paths are made of.
#[derive(Debug)]
pub struct Bindings<'s, I> {
    pub(super) search: &'s PathSearch<'s, I>,
    /// The test that binds.
    test: u32,
    within: u64,
    /// The transitions that bind, each with the state that it leads from; `None` for a start.
    binding: Vec<(Option<u32>, &'s Transition)>,
    /// The states after the binding.
    after: BitSet,
    bound: BTreeMap<I, BoundNode>,
    /// The pairs on shortest paths to bound nodes, level by level, those with the most hops first.
    wanted: Levels<I>,
    /// The first paths through these pairs, as a tree.
    trail: Vec<Trail<I>>,
    /// The levels of the search backward, by remaining hops.
    from_end: Levels<I>,
    /// By bound node, the fewest remaining hops.
    left: HashMap<I, u64>,
    /// How much was searched.
    pub visited: Visited,
}

#[derive(Debug, Clone, Copy)]
struct BoundNode {
    /// The fewest hops from a start.
    hops: u64,
    /// The entry of the trail that the first path comes from; [`NOTHING_BEFORE`] if it starts here.
    before: usize,
}

#[derive(Debug)]
struct Trail<I> {
    node: I,
    states: Vec<u32>,
    before: usize,
}

const NOTHING_BEFORE: usize = usize::MAX;

/// A step that the first paths of some bound nodes have in common, before these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommonStep {
    /// The node.
    pub node: usize,
    /// The position of the step before it, which is smaller; `None` where paths start.
    pub before: Option<usize>,
    /// How it is reached from there.
    pub hop: Option<Walk>,
}

/// What a path has after the steps in common with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSteps {
    /// The position of the common step before them; `None` where the path starts with them.
    pub before: Option<usize>,
    /// Nodes from the bound one on, and how each is reached.
    pub steps: Vec<(usize, Option<Walk>)>,
}

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
            binding: self.binding(test),
            after: self.states_after_binding(test),
            bound: BTreeMap::new(),
            wanted: Levels::default(),
            trail: Vec::new(),
            from_end: Levels::default(),
            left: HashMap::new(),
            visited: Visited::default(),
        };
        if self.is_possible() {
            let mut poll = Poll::new(cancel);
            let levels = found.forward(&mut poll)?;
            found.backward(&mut poll)?;
            found.mark(&levels, &mut poll)?;
            drop(levels);
            found.follow(&mut poll)?;
        }
        Ok(found)
    }

    /// The transitions with a test, each with the state that it leads from.
    fn binding(&self, test: u32) -> Vec<(Option<u32>, &Transition)> {
        let starts = self.pattern.starts.iter().map(|transition| (None, transition));
        let next = (0..).zip(&self.pattern.next).flat_map(|(from, transitions)| {
            transitions.iter().map(move |transition| (Some(from), transition))
        });
        starts.chain(next).filter(|(_, transition)| transition.tests.contains(&test)).collect()
    }

    /// The states that a transition with this test leads to, and those after them.
    fn states_after_binding(&self, test: u32) -> BitSet {
        let mut after = BitSet::new(self.accept() as usize + 1);
        let mut waiting: Vec<u32> =
            self.binding(test).into_iter().map(|(_, transition)| transition.to).collect();
        while let Some(state) = waiting.pop() {
            if after.set(state as usize) {
                let next = self.pattern.next.get(state as usize).into_iter().flatten();
                waiting.extend(next.map(|transition| transition.to));
            }
        }
        after
    }
}

impl<I: Id> Bindings<'_, I> {
    fn binds(&self, transition: &Transition) -> bool {
        transition.tests.contains(&self.test)
    }

    /// Searches breadth first up to the bound nodes. Returns the levels.
    fn forward(&mut self, poll: &mut Poll<'_>) -> Result<Levels<I>, Cancelled> {
        let search = self.search;
        let mut seen = search.seen();
        let mut levels = Levels::default();
        let mut level = search.level();
        let bound = |hops| BoundNode { hops, before: NOTHING_BEFORE };
        for transition in &search.pattern.starts {
            let binds = self.binds(transition);
            for node in search.starting(transition) {
                if binds {
                    self.bound.entry(I::new(node)).or_insert(bound(0));
                } else if seen.add(node, transition.to) {
                    level.add(node, transition.to);
                }
            }
        }
        levels.push(level);
        let mut hops = 0_u64;
        while hops < self.within && levels.count(levels.len() - 1) > 0 {
            hops += 1;
            let mut level = search.level();
            for (node, state) in levels.iter(levels.len() - 1) {
                poll.step()?;
                let Some(transitions) = search.pattern.next.get(state as usize) else { continue };
                search.hop(state, true, node, |to| {
                    for transition in transitions {
                        let binds = self.after.contains(transition.to as usize);
                        if (binds || !seen.has(to, transition.to))
                            && search.may_lead(to, transition.to)
                            && search.passes(transition, to)
                        {
                            if binds {
                                self.bound.entry(I::new(to)).or_insert(bound(hops));
                            } else if seen.add(to, transition.to) {
                                level.add(to, transition.to);
                            }
                        }
                    }
                });
            }
            levels.push(level);
        }
        self.visited.pairs += levels.pairs();
        self.visited.levels += hops;
        Ok(levels)
    }

    /// Marks the pairs on shortest paths to bound nodes, from the farthest nodes back to the starts.
    fn mark(&mut self, levels: &Levels<I>, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        let search = self.search;
        let mut by_hops: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for node in self.nodes() {
            by_hops.entry(self.bound[&I::new(node)].hops).or_default().push(node);
        }
        let n_levels = by_hops.last_key_value().map_or(0, |(hops, _)| *hops as usize);
        for hops in (0..n_levels).rev() {
            // A new set each time: to clear one takes as long as the largest level was wide.
            let mut seen = HashSet::new();
            let mut level = search.level();
            let mut add = |before: usize, state: u32| {
                if levels.contains(hops, before, state) && seen.insert((I::new(before), state)) {
                    level.add(before, state);
                }
            };
            if let Some(last) = self.wanted.len().checked_sub(1) {
                for (node, state) in self.wanted.iter(last) {
                    poll.step()?;
                    search.behind(node, state, &mut add);
                }
            }
            for node in by_hops.get(&(hops as u64 + 1)).into_iter().flatten() {
                poll.step()?;
                for (from, transition) in &self.binding {
                    let Some(from) = *from else { continue };
                    if search.may_lead(*node, transition.to) && search.passes(transition, *node) {
                        search.hop(from, false, *node, |before| add(before, from));
                    }
                }
            }
            self.wanted.push(level);
        }
        Ok(())
    }

    /// Goes forward through the marked pairs, each level in the order of the paths that lead to it, so that the first path
    /// to a node is the first of its shortest ones.
    fn follow(&mut self, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        let search = self.search;
        let mut claimed = search.seen();
        let mut next = search.first_nodes(self.wanted_at(0));
        let (mut before, mut at, mut level_end, mut hops) = (NOTHING_BEFORE, 0, 0, 0_u64);
        loop {
            for NextNode { key, mut states } in next {
                let node = I::new(key.node);
                let bound = self.bound.get_mut(&node).filter(|bound| bound.hops == hops);
                if let Some(bound) = bound
                    && bound.before == NOTHING_BEFORE
                    && states.iter().any(|state| self.after.contains(*state as usize))
                {
                    bound.before = before;
                }
                states.retain(|state| !self.after.contains(*state as usize) && claimed.add(key.node, *state));
                if !states.is_empty() {
                    self.trail.push(Trail { node, states, before });
                }
            }
            if at == level_end {
                (level_end, hops) = (self.trail.len(), hops + 1);
            }
            let Some(trail) = self.trail.get(at) else { return Ok(()) };
            poll.step()?;
            let is_next = |to: usize, state: u32| match self.is_after(state) {
                true => self.hops_to(to) == Some(hops),
                false => self.is_wanted(hops, to, state),
            };
            next = search.next_nodes(trail.node.index(), &trail.states, is_next);
            (before, at) = (at, at + 1);
        }
    }

    /// The greatest number of hops to a bound node that has a path.
    pub(super) fn n_levels(&self) -> u64 {
        self.wanted.len() as u64
    }

    /// The pairs on shortest paths to bound nodes after so many hops.
    pub(super) fn wanted_at(&self, hops: u64) -> impl Iterator<Item = (usize, u32)> + '_ {
        let level = self.n_levels().checked_sub(hops + 1);
        level.into_iter().flat_map(|level| self.wanted.iter(level as usize))
    }

    /// Whether a pair is on a shortest path to a bound node, after so many hops.
    pub(super) fn is_wanted(&self, hops: u64, node: usize, state: u32) -> bool {
        let level = self.n_levels().checked_sub(hops + 1);
        level.is_some_and(|level| self.wanted.contains(level as usize, node, state))
    }

    /// Whether a state is one after the binding.
    pub(super) fn is_after(&self, state: u32) -> bool {
        self.after.contains(state as usize)
    }

    /// The fewest hops from a start to a bound node.
    pub(super) fn hops_to(&self, node: usize) -> Option<u64> {
        self.bound.get(&I::new(node)).map(|bound| bound.hops)
    }

    /// The fewest hops from a bound node to an end, if a path of both is short enough.
    pub(super) fn left_of(&self, node: usize) -> Option<u64> {
        let left = self.left.get(&I::new(node)).copied()?;
        self.hops_to(node).filter(|hops| hops.saturating_add(left) <= self.within).map(|_| left)
    }

    /// Whether a pair is `left` hops before an end.
    pub(super) fn leads(&self, left: u64, node: usize, state: u32) -> bool {
        usize::try_from(left)
            .is_ok_and(|left| left < self.from_end.len() && self.from_end.contains(left, node, state))
    }

    /// The states in which a bound node is `left` hops before an end, ascending.
    pub(super) fn states_after(&self, node: usize, left: u64) -> impl Iterator<Item = u32> + '_ {
        // The transition that binds the node may lead to any of these states.
        let passing = self.binding.iter().filter(|(_, transition)| self.search.passes(transition, node));
        let states: BTreeSet<u32> = passing
            .map(|(_, transition)| transition.to)
            .filter(|state| self.leads(left, node, *state))
            .collect();
        states.into_iter()
    }

    /// Searches backward from the ends until every bound node is found or nothing remains.
    fn backward(&mut self, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        let search = self.search;
        let accept = search.accept();
        if self.binding.iter().all(|(_, transition)| transition.to == accept) {
            self.left = self.bound.keys().map(|node| (*node, 0)).collect();
            return Ok(());
        }
        let mut seen = search.seen();
        // By state, the binding transitions that lead to it.
        let mut after: HashMap<u32, Vec<&Transition>> = HashMap::new();
        for (_, transition) in &self.binding {
            after.entry(transition.to).or_default().push(transition);
        }
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
        self.bound.keys().map(|node| node.index()).filter(|node| self.left_of(*node).is_some())
    }

    /// The first path that binds a node of [`Self::nodes`].
    pub fn path(&self, node: usize) -> Vec<I> {
        let Some(bound) = self.bound.get(&I::new(node)) else { return Vec::new() };
        let mut path = Vec::new();
        let mut at = bound.before;
        while let Some(trail) = self.trail.get(at) {
            path.push(trail.node);
            at = trail.before;
        }
        path.reverse();
        path.extend(self.end_of_path(node).into_iter().map(|(node, _)| I::new(node)));
        path
    }

    /// The nodes of the first path from a bound node on, each with the states that it may be in.
    fn end_of_path(&self, node: usize) -> Vec<(usize, Vec<u32>)> {
        let mut left = self.left.get(&I::new(node)).copied().unwrap_or(0);
        let states = match left {
            0 => vec![self.search.accept()],
            _ => self.states_after(node, left).collect(),
        };
        let mut path = vec![(node, states)];
        while let Some((at, states)) = path.last().filter(|_| left > 0) {
            left -= 1;
            let next = self.search.next_nodes(*at, states, |node, state| self.leads(left, node, state));
            // A pair with remaining hops has a successor.
            let Some(next) = next.into_iter().next() else { break };
            path.push((next.key.node, next.states));
        }
        path
    }

    /// What the first paths have in common, as a tree: each step after the one before it. O(steps), where the paths themselves may
    /// have as many steps as its square. `None` if the states do not tell which way a hop goes.
    pub fn common(&self) -> Option<Vec<CommonStep>> {
        let step = |trail: &Trail<I>| {
            let before = self.trail.get(trail.before);
            let hop = match before {
                Some(before) => Some(self.way_between(&before.states, &trail.states)?),
                None => None,
            };
            let before = before.map(|_| trail.before);
            Some(CommonStep { node: trail.node.index(), before, hop })
        };
        self.trail.iter().map(step).collect()
    }

    /// What the first path of a node of [`Self::nodes`] has after the steps of [`Self::common`]; `None` as there.
    pub fn own_steps(&self, node: usize) -> Option<OwnSteps> {
        let before = self.bound.get(&I::new(node)).map(|bound| bound.before);
        let before = before.filter(|before| *before != NOTHING_BEFORE);
        let mut states =
            before.and_then(|before| self.trail.get(before)).map(|trail| trail.states.as_slice());
        let path = self.end_of_path(node);
        let mut steps = Vec::with_capacity(path.len());
        for (node, next) in &path {
            let hop = match states {
                Some(states) => Some(self.way_between(states, next)?),
                None => None,
            };
            steps.push((*node, hop));
            states = Some(next);
        }
        Some(OwnSteps { before, steps })
    }

    /// Which way the hops go that lead from one of some states to one of others; `None` if both.
    fn way_between(&self, from: &[u32], to: &[u32]) -> Option<Walk> {
        let pattern = self.search.pattern;
        let leads = |state: u32| {
            let next = pattern.next.get(state as usize).into_iter().flatten();
            next.into_iter().any(|transition| to.contains(&transition.to))
        };
        let mut ways =
            from.iter().filter(|state| leads(**state)).map(|state| pattern.hops[*state as usize].way);
        let first = ways.next()?;
        ways.all(|way| way == first).then_some(first)
    }
}
