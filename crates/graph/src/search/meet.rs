//! Shortest paths, by a search from both ends.
//!
//! The side with the smaller frontier advances by a level, until the frontiers meet: then the number of hops is the sum of
//! both levels. If a side has no further level, there is no path. Afterwards the pairs on shortest paths are known with
//! their remaining hops, and paths are made in order.

use std::{collections::HashSet, sync::atomic::AtomicBool};

use super::{
    PathSearch, Visited,
    fronts::{Levels, OpenLevel, VisitedPairs},
    order::NextNode,
};
use crate::{Cancelled, Id, Poll};

/// The result of a search for shortest paths.
#[derive(Debug)]
pub struct ShortestPaths<'s, I> {
    /// The paths, if there are any.
    pub paths: Option<Shortest<'s, I>>,
    /// How much was searched.
    pub visited: Visited,
}

/// All shortest paths, in order.
#[derive(Debug)]
pub struct Shortest<'s, I> {
    pub(super) search: &'s PathSearch<'s, I>,
    /// The pairs on shortest paths, by their remaining hops.
    pub(super) left: Layers<I>,
    pub(super) n_hops: usize,
    /// The nodes of the current path.
    path: Vec<I>,
    /// The nodes that may come next at each of its positions, the last first, all in one list.
    choices: Vec<(I, u32)>,
    /// Where the choices of each position begin.
    places: Vec<usize>,
    is_started: bool,
}

/// Pairs by remaining hops. The half nearer to the end are the levels of the search from there.
#[derive(Debug)]
pub(super) struct Layers<I> {
    from_end: Levels<I>,
    /// The levels from the meeting on.
    further: Levels<I>,
    meeting: usize,
}

impl<I: Id> Layers<I> {
    pub(super) fn contains(&self, left: usize, node: usize, state: u32) -> bool {
        match left.checked_sub(self.meeting) {
            Some(level) => self.further.contains(level, node, state),
            None => self.from_end.contains(left, node, state),
        }
    }
}

/// The end from which a search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Start,
    Finish,
}

impl<I: Id> PathSearch<'_, I> {
    /// The shortest paths of at most `within` hops.
    pub fn shortest<'s>(
        &'s self,
        within: u64,
        cancel: &AtomicBool,
    ) -> Result<ShortestPaths<'s, I>, Cancelled> {
        if !self.is_possible() {
            return Ok(ShortestPaths { paths: None, visited: Visited::default() });
        }
        let mut poll = Poll::new(cancel);
        let (n_starts, n_ends) = self.n_starts_and_ends();
        let mut forward = Side::new(self, End::Start, n_starts);
        let mut backward = Side::new(self, End::Finish, n_ends);
        // At least one first level must be a list, so that there is something to compare with.
        match n_starts <= n_ends {
            true => forward.begin(),
            false => backward.begin(),
        }
        let met = loop {
            let visited = Visited {
                pairs: forward.levels.pairs() + backward.levels.pairs(),
                levels: (forward.levels.len() + backward.levels.len()) as u64 - 2,
            };
            if forward.meets(&backward) {
                break Ok(visited);
            }
            if visited.levels >= within || forward.front() == 0 || backward.front() == 0 {
                break Err(visited);
            }
            match forward.front() <= backward.front() {
                true => forward.step(&mut poll)?,
                false => backward.step(&mut poll)?,
            }
        };
        let visited = match met {
            Ok(visited) => visited,
            Err(visited) => return Ok(ShortestPaths { paths: None, visited }),
        };
        let n_hops = visited.levels as usize;
        let left = self.layers(&forward, backward, &mut poll)?;
        let paths = Shortest {
            search: self,
            left,
            n_hops,
            path: Vec::new(),
            choices: Vec::new(),
            places: Vec::new(),
            is_started: false,
        };
        Ok(ShortestPaths { paths: Some(paths), visited })
    }

    /// The pairs that one hop leads to.
    #[inline]
    pub(super) fn ahead(&self, node: usize, state: u32, add: &mut impl FnMut(usize, u32)) {
        if state == self.accept() {
            return;
        }
        let transitions = &self.pattern.next[state as usize];
        self.hop(state, true, node, |to| {
            for transition in transitions {
                if self.may_lead(to, transition.to) && self.passes(transition, to) {
                    add(to, transition.to);
                }
            }
        });
    }

    /// Visits the pairs that one hop leads to and adds those that are new to a level.
    ///
    /// Like [`Self::ahead`], but looks first whether a pair was visited, which is nearer in memory than its type.
    #[inline]
    pub(super) fn visit_ahead(
        &self,
        node: usize,
        state: u32,
        seen: &mut VisitedPairs<I>,
        level: &mut OpenLevel<I>,
    ) {
        if state == self.accept() {
            return;
        }
        let transitions = &self.pattern.next[state as usize];
        self.hop(state, true, node, |to| {
            if self.was_ahead(to, state, seen) {
                return;
            }
            for transition in transitions {
                if seen.has(to, transition.to) {
                    continue;
                }
                // A pair that leads nowhere is marked as visited, so that it is tested once.
                let leads = self.may_lead(to, transition.to);
                if !leads || self.passes(transition, to) {
                    seen.add(to, transition.to);
                    if leads {
                        level.add(to, transition.to);
                    }
                }
            }
        });
    }

    /// The pairs that one hop leads from. Their own tests are applied when the search goes on from them.
    #[inline]
    pub(super) fn behind(&self, node: usize, state: u32, add: &mut impl FnMut(usize, u32)) {
        for (from, position) in &self.previous[state as usize] {
            if self.passes(&self.pattern.next[*from as usize][*position as usize], node) {
                self.hop(*from, false, node, |before| {
                    if self.may_come(before, *from) {
                        add(before, *from);
                    }
                });
            }
        }
    }

    /// Finds the pairs on shortest paths, from those of the meeting back to the starts.
    fn layers(
        &self,
        forward: &Side<'_, '_, I>,
        backward: Side<'_, '_, I>,
        poll: &mut Poll<'_>,
    ) -> Result<Layers<I>, Cancelled> {
        let mut further = Levels::default();
        let mut both = self.level();
        forward.common(&backward).for_each(|(node, state)| both.add(node, state));
        further.push(both);
        for level in (0..forward.levels.len() - 1).rev() {
            let mut before = self.level();
            // A new set each time: to clear one takes as long as the largest level was wide.
            let mut seen = HashSet::new();
            for (node, state) in further.iter(further.len() - 1) {
                poll.step()?;
                self.behind(node, state, &mut |node, state| {
                    if forward.contains(level, node, state) && seen.insert((I::new(node), state)) {
                        before.add(node, state);
                    }
                });
            }
            further.push(before);
        }
        // A first level that never became a list is the meeting itself, which is not needed below.
        Ok(Layers { meeting: backward.levels.len() - 1, from_end: backward.levels, further })
    }
}

/// The search from one end.
struct Side<'s, 'p, I> {
    search: &'s PathSearch<'p, I>,
    end: End,
    levels: Levels<I>,
    seen: VisitedPairs<I>,
    /// The approximate number of pairs of the first level while it is not a list: a test says what is in it.
    unwritten: Option<u64>,
}

impl<'s, 'p, I: Id> Side<'s, 'p, I> {
    fn new(search: &'s PathSearch<'p, I>, end: End, about: u64) -> Self {
        let mut levels = Levels::default();
        levels.push(search.level());
        let seen = search.seen();
        Self { search, end, levels, seen, unwritten: Some(about) }
    }

    /// Makes a list of the first level.
    fn begin(&mut self) {
        if self.unwritten.take().is_none() {
            return;
        }
        let search = self.search;
        let mut level = search.level();
        let mut add = |node: usize, state: u32| {
            if self.seen.add(node, state) {
                level.add(node, state);
            }
        };
        match self.end {
            End::Start => search.starts().for_each(|(node, state)| add(node, state)),
            End::Finish => search.ends().for_each(|node| add(node, search.accept())),
        }
        self.levels = Levels::default();
        self.levels.push(level);
    }

    /// Number of pairs in the last level.
    fn front(&self) -> u64 {
        self.unwritten.unwrap_or_else(|| self.levels.count(self.levels.len() - 1) as u64)
    }

    /// Whether a pair is in a level.
    fn contains(&self, level: usize, node: usize, state: u32) -> bool {
        match (self.unwritten, self.end) {
            (None, _) => self.levels.contains(level, node, state),
            (Some(_), End::Start) => self.search.is_start(node, state),
            (Some(_), End::Finish) => state == self.search.accept(),
        }
    }

    /// Makes the next level.
    fn step(&mut self, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        self.begin();
        let mut level = self.search.level();
        let seen = &mut self.seen;
        self.levels.iter(self.levels.len() - 1).try_for_each(|(node, state)| {
            match self.end {
                End::Start => self.search.visit_ahead(node, state, seen, &mut level),
                End::Finish => self.search.behind(node, state, &mut |node, state| {
                    if seen.add(node, state) {
                        level.add(node, state);
                    }
                }),
            }
            poll.step()
        })?;
        self.levels.push(level);
        Ok(())
    }

    /// The pairs that are in both last levels.
    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (usize, u32)> + 'a {
        let (a, b) = match (self.unwritten, other.unwritten) {
            (None, Some(_)) => (self, other),
            (Some(_), _) => (other, self),
            (None, None) if self.front() <= other.front() => (self, other),
            (None, None) => (other, self),
        };
        let (of_a, of_b) = (a.levels.len() - 1, b.levels.len() - 1);
        a.levels.iter(of_a).filter(move |(node, state)| b.contains(of_b, *node, *state))
    }

    fn meets(&self, other: &Self) -> bool {
        self.common(other).next().is_some()
    }
}

impl<I: Id> Shortest<'_, I> {
    /// Number of hops of each of the paths.
    pub fn n_hops(&self) -> usize {
        self.n_hops
    }

    /// The pairs with which shortest paths begin.
    pub(super) fn starts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        // The pairs with the most remaining hops.
        self.left.further.iter(self.left.further.len() - 1)
    }

    /// Adds nodes, which are in the order of paths, to the choices.
    fn choose(&mut self, nodes: Vec<NextNode>) {
        for NextNode { key, states } in nodes.into_iter().rev() {
            self.choices.extend(states.into_iter().map(|state| (I::new(key.node), state)));
        }
    }

    /// The next path.
    pub fn next_path(&mut self) -> Option<&[I]> {
        if self.is_started {
            self.path.pop();
        } else {
            self.is_started = true;
            let nodes = self.search.first_nodes(self.starts());
            self.choose(nodes);
            self.places.push(0);
        }
        let mut states = Vec::new();
        while let Some(&first) = self.places.last() {
            let Some(&(node, _)) = self.choices[first..].last() else {
                self.places.pop();
                self.path.pop();
                continue;
            };
            states.clear();
            while let Some((_, state)) = self.choices[first..].last().filter(|(other, _)| *other == node) {
                states.push(*state);
                self.choices.pop();
            }
            self.path.push(node);
            if self.path.len() > self.n_hops {
                return Some(&self.path);
            }
            let (left, layers) = (self.n_hops - self.path.len(), &self.left);
            let nodes = self
                .search
                .next_nodes(node.index(), &states, |node, state| layers.contains(left, node, state));
            let start = self.choices.len();
            self.choose(nodes);
            self.places.push(start);
        }
        None
    }
}
