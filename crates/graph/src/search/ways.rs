//! The ways of shortest paths: the types that they pass, and how many nodes are reached by each way.
//!
//! Nodes of different graphs cannot be compared, their types can. Of a node that has several shortest paths every way is
//! found, not only that of the path that happens to be first.
//!
//! A way is a node of a tree, whose parent is the way without its last step. The search goes level by level over the pairs on
//! shortest paths; each pair has the set of ways that lead to it. There are few different sets, so a set is a number, and what
//! comes of two sets, or of a set and one more step, is computed once a level. O(references between such pairs), a few dozen
//! bytes for each pair of two levels.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::atomic::AtomicBool,
};

use super::{Bindings, PathSearch, Shortest, order::NextNode};
use crate::{Cancelled, Id, Poll, Walk};

/// The maximum number of ways of one node: the first in the order of their types.
const MAX_WAYS: usize = 64;
/// In a tree of more ways each further set has only one.
const MANY_WAYS: usize = 1 << 22;

/// One step of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayStep {
    /// The type.
    pub type_rank: u32,
    /// Direction of the hop that led there; `None` for the first.
    pub hop: Option<Walk>,
}

/// A way, by its position in [`Ways`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Way {
    before: u32,
    after: Option<u32>,
}

/// Nodes that have the same ways.
#[derive(Debug)]
pub struct WayGroup<I> {
    /// The ways, each once.
    pub ways: Vec<Way>,
    /// How many nodes.
    pub n_nodes: u64,
    /// The one that retains most.
    pub example: I,
}

/// The ways of the shortest paths to some nodes, or through them.
#[derive(Debug)]
pub struct Ways<I> {
    /// The ways up to a node.
    before: WayTree,
    /// The ways after a node, from the end back.
    after: WayTree,
    /// The nodes by the ways that they have.
    pub groups: Vec<WayGroup<I>>,
    /// Whether no node has more ways than are kept.
    pub is_complete: bool,
}

impl<I: Id> Ways<I> {
    /// The steps of a way, from the first on.
    pub fn steps(&self, way: Way) -> Vec<WayStep> {
        let mut steps = Vec::new();
        let mut at = Some(way.before);
        while let Some(node) = at.and_then(|way| self.before.nodes.get(way as usize)) {
            let hop = node.before.is_some().then_some(node.hop);
            steps.push(WayStep { type_rank: node.type_rank, hop });
            at = node.before;
        }
        steps.reverse();
        // The first node of the way after is the last of the way before.
        let mut at = way.after.and_then(|way| self.after.nodes.get(way as usize));
        while let Some((node, next)) =
            at.and_then(|node| Some((node, self.after.nodes.get(node.before? as usize)?)))
        {
            steps.push(WayStep { type_rank: next.type_rank, hop: Some(node.hop) });
            at = Some(next);
        }
        steps
    }

    /// The way that most nodes have; of several the first in the order of their types. For ways of equally many hops.
    fn most_taken(&self) -> Option<Way> {
        let mut n_nodes: BTreeMap<Way, u64> = BTreeMap::new();
        for group in &self.groups {
            group.ways.iter().for_each(|way| *n_nodes.entry(*way).or_default() += group.n_nodes);
        }
        let rank = |way: Way| self.before.nodes[way.before as usize].rank;
        n_nodes.into_iter().max_by_key(|(way, n)| (*n, Reverse(rank(*way)))).map(|(way, _)| way)
    }
}

/// A tree of ways.
#[derive(Debug, Default)]
struct WayTree {
    nodes: Vec<WayNode>,
}

#[derive(Debug, Clone, Copy)]
struct WayNode {
    /// The way without its last step.
    before: Option<u32>,
    type_rank: u32,
    hop: Walk,
    /// Its position among the ways of equally many steps, in the order of their types.
    rank: u32,
}

/// The sets of ways of one level after the other.
#[derive(Debug, Default)]
struct WaySets {
    tree: WayTree,
    /// The first way of the level.
    first: usize,
    /// The sets of the level before. A set is in the order of types.
    last: Vec<Box<[u32]>>,
    sets: Vec<Box<[u32]>>,
    of_ways: HashMap<Box<[u32]>, u32>,
    longer: HashMap<StepToSet, u32>,
    /// The last answer of these, because most references of a node lead to one type.
    last_longer: Option<(StepToSet, u32)>,
    unions: HashMap<(u32, u32), u32>,
    of_step: HashMap<StepToSet, u32>,
    is_cut: bool,
}

/// What a set, or a way, comes from: one of the level before, the type of one more step, and whether that goes up.
type StepToSet = (Option<u32>, u32, bool);

/// By node its set among those that are kept, and the ways that these are of.
type NodeWays = (HashMap<usize, u32>, WaySets);

/// Node, state and set of each pair of a level, by node and state.
type SetLevel<I> = Vec<(I, u32, u32)>;

impl WaySets {
    /// The set of the ways of a set of the level before, with one more step; without a set, the way of one step.
    fn longer(&mut self, before: Option<u32>, type_rank: u32, hop: Walk) -> u32 {
        let is_up = hop == Walk::Up;
        let from = (before, type_rank, is_up);
        if let Some((_, set)) = self.last_longer.filter(|(last, _)| *last == from) {
            return set;
        }
        if let Some(set) = self.longer.get(&from) {
            self.last_longer = Some((from, *set));
            return *set;
        }
        let mut way = |before: Option<u32>| {
            let nodes = &mut self.tree.nodes;
            *self.of_step.entry((before, type_rank, is_up)).or_insert_with(|| {
                nodes.push(WayNode { before, type_rank, hop, rank: 0 });
                nodes.len() as u32 - 1
            })
        };
        let ways: Box<[u32]> = match before {
            None => [way(None)].into(),
            Some(set) => self.last[set as usize].iter().map(|before| way(Some(*before))).collect(),
        };
        let set = self.number(ways);
        self.longer.insert(from, set);
        self.last_longer = Some((from, set));
        set
    }

    fn number(&mut self, ways: Box<[u32]>) -> u32 {
        if let Some(set) = self.of_ways.get(&ways) {
            return *set;
        }
        self.sets.push(ways.clone());
        let set = self.sets.len() as u32 - 1;
        self.of_ways.insert(ways, set);
        set
    }

    /// What ways of the level are compared by.
    fn key(&self, way: u32) -> (u32, u32, bool) {
        let node = self.tree.nodes[way as usize];
        let rank = node.before.map_or(0, |before| self.tree.nodes[before as usize].rank);
        (rank, node.type_rank, node.hop == Walk::Up)
    }

    /// The set of the ways of two sets of the level.
    fn union(&mut self, a: u32, b: u32) -> u32 {
        if a == b {
            return a;
        }
        let pair = (a.min(b), a.max(b));
        if let Some(set) = self.unions.get(&pair) {
            return *set;
        }
        let mut ways = [&*self.sets[a as usize], &*self.sets[b as usize]].concat();
        ways.sort_unstable_by_key(|way| self.key(*way));
        ways.dedup();
        let most = if self.tree.nodes.len() > MANY_WAYS { 1 } else { MAX_WAYS };
        self.is_cut |= ways.len() > most;
        ways.truncate(most);
        let set = self.number(ways.into());
        self.unions.insert(pair, set);
        set
    }

    /// The level of some pairs, whose sets are united where a pair comes several times.
    fn level<I: Id>(&mut self, mut pairs: SetLevel<I>) -> SetLevel<I> {
        pairs.sort_unstable();
        let mut kept = 0_usize;
        for i in 0..pairs.len() {
            let (node, state, set) = pairs[i];
            match kept.checked_sub(1).map(|last| pairs[last]) {
                Some((last_node, last_state, before)) if (last_node, last_state) == (node, state) => {
                    pairs[kept - 1].2 = self.union(before, set);
                }
                _ => {
                    pairs[kept] = pairs[i];
                    kept += 1;
                }
            }
        }
        pairs.truncate(kept);
        pairs
    }

    /// Ends a level: its sets are now those of the level before.
    fn end_level(&mut self) {
        let mut ways: Vec<u32> = (self.first as u32..self.tree.nodes.len() as u32).collect();
        ways.sort_unstable_by_key(|way| self.key(*way));
        ways.iter().zip(0..).for_each(|(way, rank)| self.tree.nodes[*way as usize].rank = rank);
        self.first = self.tree.nodes.len();
        self.last = std::mem::take(&mut self.sets);
        // To clear them takes as long as the largest level was wide.
        self.of_ways = HashMap::new();
        self.longer = HashMap::new();
        self.last_longer = None;
        self.unions = HashMap::new();
        self.of_step = HashMap::new();
    }
}

/// Sets of ways that are kept beyond their level.
#[derive(Debug, Default)]
struct KeptSets {
    sets: Vec<Box<[u32]>>,
    of_ways: HashMap<Box<[u32]>, u32>,
}

impl KeptSets {
    fn number(&mut self, ways: &[u32]) -> u32 {
        if let Some(set) = self.of_ways.get(ways) {
            return *set;
        }
        let set = self.sets.len() as u32;
        self.sets.push(ways.into());
        self.of_ways.insert(ways.into(), set);
        set
    }
}

/// Nodes by their sets of ways, the one before and the one after.
struct Groups<'s, 'p, I> {
    search: &'s PathSearch<'p, I>,
    /// Number of nodes, and the one that retains most.
    groups: HashMap<(u32, Option<u32>), (u64, usize)>,
}

impl<'s, 'p, I: Id> Groups<'s, 'p, I> {
    fn new(search: &'s PathSearch<'p, I>) -> Self {
        Self { search, groups: HashMap::new() }
    }

    fn add(&mut self, node: usize, before: u32, after: Option<u32>) {
        let retained = self.search.ranks.retained;
        let key = |node: usize| (Reverse(retained.get(node)), node);
        let group = self.groups.entry((before, after)).or_insert((0, node));
        group.0 += 1;
        if key(node) < key(group.1) {
            group.1 = node;
        }
    }

    /// The ways; the trees with the sets that the groups are of.
    fn ways(
        self,
        (before, sets_before): (WaySets, &[Box<[u32]>]),
        (after, sets_after): (WaySets, &[Box<[u32]>]),
    ) -> Ways<I> {
        let mut is_complete = !before.is_cut && !after.is_cut;
        let mut groups = Vec::new();
        for ((of_before, of_after), (n_nodes, example)) in self.groups {
            let mut ways: Vec<Way> = Vec::new();
            for before in &*sets_before[of_before as usize] {
                match of_after {
                    None => ways.push(Way { before: *before, after: None }),
                    Some(after) => {
                        let after = sets_after[after as usize].iter();
                        ways.extend(after.map(|after| Way { before: *before, after: Some(*after) }));
                    }
                }
            }
            is_complete &= ways.len() <= MAX_WAYS;
            ways.truncate(MAX_WAYS);
            groups.push(WayGroup { ways, n_nodes, example: I::new(example) });
        }
        groups.sort_unstable_by_key(|group: &WayGroup<I>| group.example);
        Ways { before: before.tree, after: after.tree, groups, is_complete }
    }
}

impl<I: Id> Shortest<'_, I> {
    /// The ways of the paths, each with the nodes at the ends of its paths; `None` if the paths have more than `max_steps`
    /// different steps.
    pub fn ways(&self, max_steps: u64, cancel: &AtomicBool) -> Result<Option<Ways<I>>, Cancelled> {
        let search = self.search;
        let mut poll = Poll::new(cancel);
        let mut sets = WaySets::default();
        let mut n_steps = 0_u64;
        let mut level = SetLevel::new();
        for (node, state) in self.starts() {
            n_steps += 1;
            if n_steps > max_steps {
                return Ok(None);
            }
            level.push((I::new(node), state, sets.longer(None, search.types.at(node), Walk::Down)));
        }
        level = sets.level(level);
        let mut next = SetLevel::new();
        for left in (0..self.n_hops).rev() {
            sets.end_level();
            for (node, state, set) in level.drain(..) {
                poll.step()?;
                let hop = search.pattern.hops[state as usize].way;
                search.ahead(node.index(), state, &mut |to, state| {
                    if self.left.contains(left, to, state) {
                        n_steps += 1;
                        next.push((I::new(to), state, sets.longer(Some(set), search.types.at(to), hop)));
                    }
                });
                if n_steps > max_steps {
                    return Ok(None);
                }
            }
            (level, next) = (sets.level(next), level);
        }
        let mut groups = Groups::new(search);
        level.iter().for_each(|(node, _, set)| groups.add(node.index(), *set, None));
        sets.end_level();
        let of_ends = std::mem::take(&mut sets.last);
        Ok(Some(groups.ways((sets, of_ends.as_slice()), (WaySets::default(), &[]))))
    }

    /// The first path by the way that leads to most nodes; the first of all paths where they have more than `max_steps`
    /// different steps.
    pub fn most_taken(&mut self, max_steps: u64, cancel: &AtomicBool) -> Result<Option<Vec<I>>, Cancelled> {
        let ways = self.ways(max_steps, cancel)?;
        let way = ways.and_then(|ways| ways.most_taken().map(|way| ways.steps(way)));
        match way {
            Some(steps) => Ok(self.path_by(&steps, &mut Poll::new(cancel))?),
            None => Ok(self.next_path().map(<[I]>::to_vec)),
        }
    }

    /// The first path by a way.
    fn path_by(&self, steps: &[WayStep], poll: &mut Poll<'_>) -> Result<Option<Vec<I>>, Cancelled> {
        let search = self.search;
        // The pairs of each level by this way, ascending, all in one list.
        let mut pairs: Vec<(usize, u32)> = Vec::new();
        let mut levels = vec![0];
        for (hops, step) in steps.iter().enumerate() {
            let start = pairs.len();
            match step.hop {
                None => {
                    pairs.extend(self.starts().filter(|(node, _)| search.types.at(*node) == step.type_rank));
                }
                Some(way) => {
                    for i in levels[hops - 1]..start {
                        poll.step()?;
                        let (node, state) = pairs[i];
                        if search.pattern.hops[state as usize].way == way {
                            search.ahead(node, state, &mut |to, state| {
                                let is_next = search.types.at(to) == step.type_rank;
                                if is_next && self.left.contains(self.n_hops - hops, to, state) {
                                    pairs.push((to, state));
                                }
                            });
                        }
                    }
                }
            }
            pairs[start..].sort_unstable();
            let mut kept = start;
            for i in start..pairs.len() {
                if i == start || pairs[i] != pairs[kept - 1] {
                    pairs[kept] = pairs[i];
                    kept += 1;
                }
            }
            pairs.truncate(kept);
            levels.push(kept);
        }
        // Whether the way leads from a pair to its end.
        let mut leads = vec![true; pairs.len()];
        let found = |level: usize, pair: (usize, u32)| {
            let range = levels[level]..levels[level + 1];
            pairs[range.clone()].binary_search(&pair).ok().map(|i| range.start + i)
        };
        for hops in (1..steps.len()).rev() {
            for i in levels[hops - 1]..levels[hops] {
                poll.step()?;
                let (node, state) = pairs[i];
                let mut any = false;
                if Some(search.pattern.hops[state as usize].way) == steps[hops].hop {
                    search.ahead(node, state, &mut |to, state| {
                        any |= found(hops, (to, state)).is_some_and(|i| leads[i]);
                    });
                }
                leads[i] = any;
            }
        }
        let first = levels[0]..levels[1];
        let starts = first.filter(|i| leads[*i]).map(|i| pairs[i]);
        let mut at = search.first_nodes(starts).into_iter().next();
        let mut path = Vec::with_capacity(steps.len());
        while let Some(NextNode { key, mut states }) = at {
            poll.step()?;
            path.push(I::new(key.node));
            let Some(step) = steps.get(path.len()) else { return Ok(Some(path)) };
            states.retain(|state| {
                *state != search.accept() && Some(search.pattern.hops[*state as usize].way) == step.hop
            });
            let takes = |to, state| found(path.len(), (to, state)).is_some_and(|i| leads[i]);
            at = search.next_nodes(key.node, &states, takes).into_iter().next();
        }
        Ok(None)
    }
}

impl<I: Id> Bindings<'_, I> {
    /// The ways of the shortest paths that bind each node of [`Self::nodes`]; `None` if the paths to these nodes, or those
    /// from them, have more than `max_steps` different steps.
    pub fn ways(&self, max_steps: u64, cancel: &AtomicBool) -> Result<Option<Ways<I>>, Cancelled> {
        let mut poll = Poll::new(cancel);
        let (mut kept_before, mut kept_after) = (KeptSets::default(), KeptSets::default());
        let Some((before, tree_before)) = self.ways_before(max_steps, &mut kept_before, &mut poll)? else {
            return Ok(None);
        };
        let Some((after, tree_after)) = self.ways_after(max_steps, &mut kept_after, &mut poll)? else {
            return Ok(None);
        };
        let mut groups = Groups::new(self.search);
        for node in self.nodes() {
            poll.step()?;
            if let Some(before) = before.get(&node) {
                groups.add(node, *before, after.get(&node).copied());
            }
        }
        let before = (tree_before, kept_before.sets.as_slice());
        Ok(Some(groups.ways(before, (tree_after, kept_after.sets.as_slice()))))
    }

    /// By bound node, the set of the ways that lead to it.
    fn ways_before(
        &self,
        max_steps: u64,
        kept: &mut KeptSets,
        poll: &mut Poll<'_>,
    ) -> Result<Option<NodeWays>, Cancelled> {
        let search = self.search;
        let mut sets = WaySets::default();
        let mut n_steps = 0_u64;
        let mut found = HashMap::new();
        let mut bound: SetLevel<I> = Vec::new();
        for node in self.nodes().filter(|node| self.hops_to(*node) == Some(0)) {
            bound.push((I::new(node), 0, sets.longer(None, search.types.at(node), Walk::Down)));
        }
        let mut level: SetLevel<I> = Vec::new();
        for (node, state) in self.wanted_at(0) {
            level.push((I::new(node), state, sets.longer(None, search.types.at(node), Walk::Down)));
        }
        level = sets.level(level);
        let mut hops = 0;
        loop {
            for (node, _, set) in sets.level(std::mem::take(&mut bound)) {
                found.insert(node.index(), kept.number(&sets.sets[set as usize]));
            }
            sets.end_level();
            if hops == self.n_levels() {
                return Ok(Some((found, sets)));
            }
            hops += 1;
            let mut next: SetLevel<I> = Vec::new();
            for (node, state, set) in level {
                poll.step()?;
                let hop = search.pattern.hops[state as usize].way;
                search.ahead(node.index(), state, &mut |to, state| {
                    if self.is_after(state) {
                        if self.hops_to(to) == Some(hops) && self.left_of(to).is_some() {
                            n_steps += 1;
                            bound.push((I::new(to), 0, sets.longer(Some(set), search.types.at(to), hop)));
                        }
                    } else if self.is_wanted(hops, to, state) {
                        n_steps += 1;
                        next.push((I::new(to), state, sets.longer(Some(set), search.types.at(to), hop)));
                    }
                });
                if n_steps > max_steps {
                    return Ok(None);
                }
            }
            level = sets.level(next);
        }
    }

    /// By bound node that is not an end, the set of the ways from it.
    fn ways_after(
        &self,
        max_steps: u64,
        kept: &mut KeptSets,
        poll: &mut Poll<'_>,
    ) -> Result<Option<NodeWays>, Cancelled> {
        let search = self.search;
        let mut sets = WaySets::default();
        let mut n_steps = 0_u64;
        let mut found = HashMap::new();
        // The pairs on shortest paths from bound nodes to an end, by remaining hops.
        let mut levels: Vec<Vec<(usize, u32)>> = Vec::new();
        for node in self.nodes() {
            let Some(left) = self.left_of(node).filter(|left| *left > 0) else { continue };
            levels.resize_with(levels.len().max(left as usize + 1), Vec::new);
            levels[left as usize].extend(self.states_after(node, left).map(|state| (node, state)));
        }
        for left in (1..levels.len()).rev() {
            let [.., fewer, these] = &mut levels[..=left] else { continue };
            these.sort_unstable();
            these.dedup();
            for (node, state) in these.iter() {
                poll.step()?;
                search.ahead(*node, *state, &mut |to, state| {
                    if self.leads(left as u64 - 1, to, state) {
                        n_steps += 1;
                        fewer.push((to, state));
                    }
                });
                if n_steps > max_steps {
                    return Ok(None);
                }
            }
        }
        if let Some(ends) = levels.first_mut() {
            ends.sort_unstable();
            ends.dedup();
        }
        let mut level: SetLevel<I> = Vec::new();
        for (left, pairs) in levels.iter().enumerate() {
            let mut here: SetLevel<I> = Vec::new();
            for (node, state) in pairs {
                poll.step()?;
                let type_rank = search.types.at(*node);
                if left == 0 {
                    here.push((I::new(*node), *state, sets.longer(None, type_rank, Walk::Down)));
                    continue;
                }
                let hop = search.pattern.hops[*state as usize].way;
                search.ahead(*node, *state, &mut |to, next| {
                    let next = (I::new(to), next);
                    if let Ok(i) = level.binary_search_by_key(&next, |(node, state, _)| (*node, *state)) {
                        here.push((I::new(*node), *state, sets.longer(Some(level[i].2), type_rank, hop)));
                    }
                });
            }
            level = sets.level(here);
            let is_bound = |node: usize, state: u32| {
                left > 0
                    && self.left_of(node) == Some(left as u64)
                    && self.states_after(node, left as u64).any(|of_node| of_node == state)
            };
            let bound = level.iter().filter(|(node, state, _)| is_bound(node.index(), *state));
            let bound: SetLevel<I> = bound.map(|(node, _, set)| (*node, 0, *set)).collect();
            for (node, _, set) in sets.level(bound) {
                found.insert(node.index(), kept.number(&sets.sets[set as usize]));
            }
            sets.end_level();
        }
        Ok(Some((found, sets)))
    }
}
