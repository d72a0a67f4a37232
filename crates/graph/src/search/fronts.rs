//! The levels of a breadth-first search over pairs of node and state, and the pairs it has visited.
//!
//! A small level is a sorted list of pairs. A large one is a set of nodes per state, as a list or as bits, whichever is
//! smaller. So a chain of a million levels takes 8 bytes per level, and a level of ten million nodes one bit per node.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use crate::{BitSet, Id};

/// A list of ids is larger than bits if it contains more than one in so many nodes.
const NODES_PER_ID: usize = 32;
/// The same for an entry of a hash set.
const NODES_PER_ENTRY: usize = 128;
/// The largest level that is a list of pairs.
const MAX_LISTED: usize = 4096;

/// A set of nodes.
#[derive(Debug)]
enum Nodes<I> {
    /// Ascending when it is finished.
    List(Vec<I>),
    Bits(BitSet, usize),
}

impl<I: Id> Nodes<I> {
    fn add(&mut self, node: usize, n_nodes: usize) {
        match self {
            Nodes::Bits(bits, count) => *count += usize::from(bits.set(node)),
            Nodes::List(list) => {
                list.push(I::new(node));
                if list.len() > n_nodes / NODES_PER_ID {
                    let bits = BitSet::of(n_nodes, list.iter().map(|node| node.index()));
                    *self = Nodes::Bits(bits, list.len());
                }
            }
        }
    }

    fn contains(&self, node: usize) -> bool {
        match self {
            Nodes::List(list) => list.binary_search(&I::new(node)).is_ok(),
            Nodes::Bits(bits, _) => bits.contains(node),
        }
    }

    fn len(&self) -> usize {
        match self {
            Nodes::List(list) => list.len(),
            Nodes::Bits(_, count) => *count,
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let (list, bits) = match self {
            Nodes::List(list) => (list.as_slice(), None),
            Nodes::Bits(bits, _) => (&[][..], Some(bits)),
        };
        list.iter().map(|node| node.index()).chain(bits.into_iter().flat_map(BitSet::iter))
    }
}

/// A level that is not complete. Each pair is added once.
#[derive(Debug)]
pub(super) struct OpenLevel<I> {
    n_nodes: usize,
    n_states: usize,
    /// The pairs, while they are few.
    listed: Vec<(u32, I)>,
    /// The nodes by state, when there are many.
    sets: Vec<Option<Nodes<I>>>,
    count: usize,
}

impl<I: Id> OpenLevel<I> {
    pub(super) fn new(n_nodes: usize, n_states: usize) -> Self {
        Self { n_nodes, n_states, listed: Vec::new(), sets: Vec::new(), count: 0 }
    }

    /// Adds a pair that is not in the level.
    #[inline]
    pub(super) fn add(&mut self, node: usize, state: u32) {
        self.count += 1;
        if !self.sets.is_empty() {
            let nodes = self.sets[state as usize].get_or_insert_with(|| Nodes::List(Vec::new()));
            nodes.add(node, self.n_nodes);
            return;
        }
        self.listed.push((state, I::new(node)));
        if self.listed.len() > MAX_LISTED {
            self.sets.resize_with(self.n_states, || None);
            for (state, node) in self.listed.drain(..) {
                let nodes = self.sets[state as usize].get_or_insert_with(|| Nodes::List(Vec::new()));
                nodes.add(node.index(), self.n_nodes);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

#[derive(Debug)]
enum Level<I> {
    /// A range of the list of all pairs.
    Listed(Range<usize>),
    /// The nodes by ascending state.
    Sets(Vec<(u32, Nodes<I>)>, usize),
}

/// Complete levels.
#[derive(Debug)]
pub(super) struct Levels<I> {
    listed: Vec<(u32, I)>,
    levels: Vec<Level<I>>,
    pairs: u64,
}

impl<I> Default for Levels<I> {
    fn default() -> Self {
        Self { listed: Vec::new(), levels: Vec::new(), pairs: 0 }
    }
}

impl<I: Id> Levels<I> {
    /// Adds a level after the last.
    pub(super) fn push(&mut self, mut growing: OpenLevel<I>) {
        self.pairs += growing.count as u64;
        if growing.sets.is_empty() {
            growing.listed.sort_unstable();
            let start = self.listed.len();
            self.listed.append(&mut growing.listed);
            self.levels.push(Level::Listed(start..self.listed.len()));
            return;
        }
        let sets = (0..).zip(growing.sets).filter_map(|(state, nodes)| Some((state, nodes?)));
        let mut sets: Vec<(u32, Nodes<I>)> = sets.collect();
        for (_, nodes) in &mut sets {
            if let Nodes::List(list) = nodes {
                list.sort_unstable();
            }
        }
        let count = sets.iter().map(|(_, nodes)| nodes.len()).sum();
        self.levels.push(Level::Sets(sets, count));
    }

    /// Number of levels.
    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Number of pairs in all levels.
    pub(super) fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Number of pairs in a level.
    pub(super) fn count(&self, level: usize) -> usize {
        match &self.levels[level] {
            Level::Listed(range) => range.len(),
            Level::Sets(_, count) => *count,
        }
    }

    /// The pairs of a level: node and state, by state, then node.
    pub(super) fn iter(&self, level: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let (range, sets) = match &self.levels[level] {
            Level::Listed(range) => (range.clone(), &[][..]),
            Level::Sets(sets, _) => (0..0, sets.as_slice()),
        };
        let listed = self.listed[range].iter().map(|(state, node)| (node.index(), *state));
        listed.chain(sets.iter().flat_map(|(state, nodes)| nodes.iter().map(|node| (node, *state))))
    }

    /// The nodes of a level in one state, ascending.
    pub(super) fn in_state(&self, level: usize, state: u32) -> impl Iterator<Item = usize> + '_ {
        let (range, nodes) = match &self.levels[level] {
            Level::Listed(range) => {
                let listed = &self.listed[range.clone()];
                let start = listed.partition_point(|(other, _)| *other < state);
                let n = listed[start..].partition_point(|(other, _)| *other == state);
                (range.start + start..range.start + start + n, None)
            }
            Level::Sets(sets, _) => {
                let found = sets.binary_search_by_key(&state, |(state, _)| *state).ok();
                (0..0, found.map(|i| &sets[i].1))
            }
        };
        let listed = self.listed[range].iter().map(|(_, node)| node.index());
        listed.chain(nodes.into_iter().flat_map(Nodes::iter))
    }

    /// Whether a pair is in a level.
    pub(super) fn contains(&self, level: usize, node: usize, state: u32) -> bool {
        match &self.levels[level] {
            Level::Listed(range) => self.listed[range.clone()].binary_search(&(state, I::new(node))).is_ok(),
            Level::Sets(sets, _) => {
                let found = sets.binary_search_by_key(&state, |(state, _)| *state);
                found.is_ok_and(|i| sets[i].1.contains(node))
            }
        }
    }
}

/// The set of visited pairs.
#[derive(Debug)]
pub(super) struct VisitedPairs<I> {
    n_nodes: usize,
    /// By state.
    states: Vec<VisitedInState<I>>,
}

#[derive(Debug)]
enum VisitedInState<I> {
    Few(HashSet<I>),
    Many(BitSet),
}

impl<I: Id> VisitedPairs<I> {
    pub(super) fn new(n_nodes: usize, n_states: usize) -> Self {
        let states = (0..n_states).map(|_| VisitedInState::Few(HashSet::new())).collect();
        Self { n_nodes, states }
    }

    /// Adds a pair; true if it is new.
    #[inline]
    pub(super) fn add(&mut self, node: usize, state: u32) -> bool {
        match &mut self.states[state as usize] {
            VisitedInState::Many(bits) => bits.set(node),
            VisitedInState::Few(_) => self.add_to_few(node, state),
        }
    }

    #[cold]
    fn add_to_few(&mut self, node: usize, state: u32) -> bool {
        let seen = &mut self.states[state as usize];
        let VisitedInState::Few(few) = seen else { return false };
        let new = few.insert(I::new(node));
        if few.len() > self.n_nodes / NODES_PER_ENTRY {
            *seen = VisitedInState::Many(BitSet::of(self.n_nodes, few.iter().map(|node| node.index())));
        }
        new
    }

    /// Whether a pair was visited.
    #[inline]
    pub(super) fn has(&self, node: usize, state: u32) -> bool {
        match &self.states[state as usize] {
            VisitedInState::Many(bits) => bits.contains(node),
            VisitedInState::Few(few) => few.contains(&I::new(node)),
        }
    }
}

/// A number for each visited pair.
#[derive(Debug)]
pub(super) struct PairHops<I> {
    n_nodes: usize,
    /// By state.
    states: Vec<PairHopsInState<I>>,
}

#[derive(Debug)]
enum PairHopsInState<I> {
    Few(HashMap<I, u32>),
    /// By node; [`u32::MAX`] for a node without a number.
    Many(Vec<u32>),
}

impl<I: Id> PairHops<I> {
    /// The level of every pair.
    pub(super) fn of(levels: &Levels<I>, n_nodes: usize, n_states: usize) -> Self {
        let states = (0..n_states).map(|_| PairHopsInState::Few(HashMap::new())).collect();
        let mut hops = Self { n_nodes, states };
        for level in 0..levels.len() {
            for (node, state) in levels.iter(level) {
                hops.set(node, state, level as u32);
            }
        }
        hops
    }

    fn set(&mut self, node: usize, state: u32, hops: u32) {
        let of_state = &mut self.states[state as usize];
        match of_state {
            PairHopsInState::Many(all) => all[node] = hops,
            PairHopsInState::Few(few) => {
                few.insert(I::new(node), hops);
                if few.len() > self.n_nodes / NODES_PER_ENTRY + 64 {
                    let mut all = vec![u32::MAX; self.n_nodes];
                    few.iter().for_each(|(node, hops)| all[node.index()] = *hops);
                    *of_state = PairHopsInState::Many(all);
                }
            }
        }
    }

    pub(super) fn get(&self, node: usize, state: u32) -> Option<u32> {
        match &self.states[state as usize] {
            PairHopsInState::Few(few) => few.get(&I::new(node)).copied(),
            PairHopsInState::Many(all) => Some(all[node]).filter(|hops| *hops != u32::MAX),
        }
    }
}
