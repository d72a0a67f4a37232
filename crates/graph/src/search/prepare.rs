//! The preparation of a pattern for a graph: the transitions into each state, and which types can be in which state.

use std::collections::HashMap;

use super::{
    Pattern, Test, Transition, TypeGraph,
    fronts::{OpenLevel, VisitedPairs},
    order::NodeRanks,
};
use crate::{BitSet, Bits, Graph, Id, Numbers, Walk};

/// Which edges a hop may take.
#[derive(Debug, Clone, Default)]
pub enum Follow<I> {
    /// All edges.
    #[default]
    All,
    /// Only these.
    Only(EdgeSet<I>),
    /// All edges but these.
    AllBut(EdgeSet<I>),
}

/// A set of edges that can be looked up by source and by target.
#[derive(Debug, Clone, Default)]
pub struct EdgeSet<I> {
    /// By position in the forward CSR.
    edges: BitSet,
    /// Target and source of each, ascending.
    ends: Vec<(I, I)>,
}

impl<I: Id> EdgeSet<I> {
    /// The set of some edges; those that are skipped or lead nowhere are left out. O(edges log edges).
    fn new(graph: Graph<'_, I>, edges: Bits<'_>) -> Self {
        let mut set = Self { edges: BitSet::new(graph.forward.n_edges()), ends: Vec::new() };
        let mut source = 0;
        for edge in edges.iter().take_while(|edge| *edge < graph.forward.n_edges()) {
            let target = graph.forward.target(edge);
            if target == I::NONE || graph.skip.contains(edge) {
                continue;
            }
            // Edges ascend, so the next source is never before this one; `source` finds it by binary search.
            if graph.forward.range(source).end <= edge {
                source = graph.forward.source(edge);
            }
            set.edges.insert(edge);
            set.ends.push((target, I::new(source)));
        }
        set.ends.sort_unstable();
        set
    }

    /// The sources of the edges into a node.
    fn sources(&self, node: usize) -> &[(I, I)] {
        let node = I::new(node);
        let start = self.ends.partition_point(|(target, _)| *target < node);
        let n = self.ends[start..].partition_point(|(target, _)| *target == node);
        &self.ends[start..start + n]
    }

    fn count(&self, target: usize, source: usize) -> usize {
        let sources = self.sources(target);
        let source = I::new(source);
        let start = sources.partition_point(|(_, other)| *other < source);
        sources[start..].partition_point(|(_, other)| *other == source)
    }
}

impl<I: Id> Follow<I> {
    /// Only some edges, by position in the forward CSR.
    pub fn only(graph: Graph<'_, I>, edges: Bits<'_>) -> Self {
        Follow::Only(EdgeSet::new(graph, edges))
    }

    /// All edges but some.
    pub fn all_but(graph: Graph<'_, I>, edges: Bits<'_>) -> Self {
        Follow::AllBut(EdgeSet::new(graph, edges))
    }

    pub(super) fn takes(&self, edge: usize) -> bool {
        match self {
            Follow::All => true,
            Follow::Only(set) => set.edges.contains(edge),
            Follow::AllBut(set) => !set.edges.contains(edge),
        }
    }

    /// Calls `found` with the nodes that the edges of a node lead to, or come from.
    #[inline]
    fn neighbours(&self, graph: Graph<'_, I>, way: Walk, node: usize, mut found: impl FnMut(usize)) {
        match (self, way) {
            (Follow::All, Walk::Down) => graph.children(node).for_each(found),
            (Follow::All, Walk::Up) => graph.parents(node).for_each(found),
            (Follow::Only(set), Walk::Up) => {
                set.sources(node).iter().for_each(|(_, source)| found(source.index()));
            }
            (Follow::AllBut(set), Walk::Up) => {
                // Sources ascend, once per edge: a source counts if it has more edges to the node than the set has of them.
                let sources = graph.reverse.targets(node);
                for run in sources.chunk_by(|a, b| a == b) {
                    let source = run[0].index();
                    if run.len() > set.count(node, source) {
                        found(source);
                    }
                }
            }
            (Follow::Only(_) | Follow::AllBut(_), Walk::Down) => {
                for edge in graph.forward.range(node) {
                    let target = graph.forward.target(edge);
                    if target != I::NONE && !graph.skip.contains(edge) && self.takes(edge) {
                        found(target.index());
                    }
                }
            }
        }
    }
}

/// The types of a graph's nodes, and which of them refer to which.
#[derive(Debug, Clone, Copy)]
pub struct NodeTypes<'t> {
    /// By node, its type.
    pub of: Numbers<'t, u32>,
    /// Which types refer to which.
    pub graph: &'t TypeGraph,
    /// By type, its approximate number of nodes.
    pub counts: &'t [u64],
}

/// A pattern, prepared for the graph that is searched for it.
#[derive(Debug)]
pub struct PathSearch<'s, I> {
    pub(super) graph: Graph<'s, I>,
    pub(super) types: Numbers<'s, u32>,
    type_graph: &'s TypeGraph,
    counts: &'s [u64],
    pub(super) pattern: &'s Pattern<I>,
    /// By state: the states before it, each with the position of the transition that leads from there.
    pub(super) previous: Vec<Vec<(u32, u32)>>,
    /// By state: a *leader*, if the states after it are all entered from here alone and by the same tests. A node visited in
    /// the leader state was visited in all of these states, so one lookup suffices.
    leaders: Vec<Option<u32>>,
    /// By state: the types that a start leads to; `None` for any type.
    from_start: Vec<Option<BitSet>>,
    /// By state: the types that lead to an end; `None` for any type.
    to_end: Vec<Option<BitSet>>,
    /// Types that may be at the ends; empty if no path is possible.
    pub(super) end_types: BitSet,
    /// Tests of EXCEPT for single nodes.
    except: Vec<&'s Test>,
    /// Types whose nodes are on no path.
    except_types: Option<BitSet>,
    /// A test, and the only node that passes it: changed for each binding in turn.
    pub(super) bound: Option<(u32, usize)>,
    /// Whether some hop goes to children.
    pub(super) goes_down: bool,
    /// What nodes of one type are told apart by.
    pub(super) ranks: NodeRanks<'s, I>,
}

impl<'s, I: Id> PathSearch<'s, I> {
    /// Prepares a search. O(states * types * types / 64) at worst, typically much less.
    pub fn new(graph: Graph<'s, I>, types: NodeTypes<'s>, pattern: &'s Pattern<I>) -> Self {
        let accept = pattern.hops.len();
        let mut previous = vec![Vec::new(); accept + 1];
        for (state, transitions) in pattern.next.iter().enumerate() {
            for (position, transition) in transitions.iter().enumerate() {
                previous[transition.to as usize].push((state as u32, position as u32));
            }
        }
        let type_search = TypeSearch::new(types, pattern);
        let from_start = type_search.reached_types();
        let to_end = type_search.leading_types(&from_start[accept], &previous);
        let end_types = from_start[accept].clone();
        // Reading the type of a node is a cache miss. It pays only if it rules out most nodes: half of a heap are nodes
        // without references, and visiting those is faster than looking up their types.
        let counts = types.counts;
        let n_objects: u64 = counts.iter().sum();
        let of_types = |types: &BitSet| types.iter().filter_map(|rank| counts.get(rank)).sum::<u64>();
        let prunes = |types: &BitSet| of_types(types) < n_objects / 4;
        let pruning =
            |types: Vec<BitSet>| types.into_iter().map(|types| Some(types).filter(prunes)).collect();
        let is_of_nodes = |test: &&Test| test.filter.is_some() || test.nodes.is_some();
        let except = pattern.except.iter().filter(is_of_nodes).collect();
        let except_types = Some(type_search.except).filter(|types| !types.is_empty());
        Self {
            graph,
            types: types.of,
            type_graph: types.graph,
            counts: types.counts,
            pattern,
            leaders: leaders(pattern, &previous),
            from_start: pruning(from_start),
            to_end: pruning(to_end),
            previous,
            end_types,
            except,
            except_types,
            bound: None,
            goes_down: pattern.hops.iter().any(|hop| hop.way == Walk::Down),
            ranks: NodeRanks::default(),
        }
    }

    /// Whether the types can follow each other as the pattern demands. If not, there is no path.
    pub fn is_possible(&self) -> bool {
        !self.end_types.is_empty()
    }

    /// The first test that no chain of types reaches, if types alone rule out every path.
    pub fn first_unreached_test(&self) -> Option<u32> {
        let types = NodeTypes { of: self.types, graph: self.type_graph, counts: self.counts };
        let type_search = TypeSearch::new(types, self.pattern);
        let from_start = type_search.reached_types();
        let mut reached = BitSet::new(self.pattern.tests.len());
        for transition in
            self.pattern.starts.iter().filter(|transition| !type_search.of_transition(transition).is_empty())
        {
            transition.tests.iter().for_each(|test| reached.insert(*test as usize));
        }
        for (state, transitions) in self.pattern.next.iter().enumerate() {
            let types = type_search.neighbours(&from_start[state], state, true);
            for transition in transitions {
                let mut passing = type_search.of_transition(transition);
                passing.intersect(types.view());
                if !passing.is_empty() {
                    transition.tests.iter().for_each(|test| reached.insert(*test as usize));
                }
            }
        }
        (0..self.pattern.tests.len()).find(|test| !reached.contains(*test)).map(|test| test as u32)
    }

    /// The nodes that may pass a test of the pattern, ascending.
    pub fn passing(&self, test: u32) -> impl Iterator<Item = usize> + '_ {
        let transition = Transition { tests: vec![test], to: self.accept() };
        let candidates = self.narrow(&transition);
        self.nodes_of(candidates).filter(move |node| self.passes_tests(&transition, *node))
    }

    /// Lets only this node pass this test from now on.
    pub fn bind(&mut self, test: u32, node: usize) {
        self.bound = Some((test, node));
    }

    /// The state that accepts.
    pub fn accept(&self) -> u32 {
        self.pattern.hops.len() as u32
    }

    /// A level without pairs.
    pub(super) fn level(&self) -> OpenLevel<I> {
        OpenLevel::new(self.n_nodes(), self.pattern.hops.len() + 1)
    }

    /// An empty set of visited pairs.
    pub(super) fn seen(&self) -> VisitedPairs<I> {
        VisitedPairs::new(self.n_nodes(), self.pattern.hops.len() + 1)
    }

    /// Number of nodes.
    pub(super) fn n_nodes(&self) -> usize {
        self.types.len()
    }

    /// Whether a node is known to have been visited in every state that a hop from a state leads to.
    #[inline]
    pub(super) fn was_ahead(&self, node: usize, state: u32, seen: &VisitedPairs<I>) -> bool {
        self.leaders[state as usize].is_some_and(|leader| seen.has(node, leader))
    }

    /// Whether a node in a state may lead to an end, as far as its type says.
    #[inline]
    pub(super) fn may_lead(&self, node: usize, state: u32) -> bool {
        self.to_end[state as usize].as_ref().is_none_or(|types| types.contains(self.types.at(node) as usize))
    }

    /// Whether a start may lead to a node in a state, as far as its type says.
    #[inline]
    pub(super) fn may_come(&self, node: usize, state: u32) -> bool {
        self.from_start[state as usize]
            .as_ref()
            .is_none_or(|types| types.contains(self.types.at(node) as usize))
    }

    /// Whether a node passes the tests of a transition.
    #[inline]
    pub(super) fn passes(&self, transition: &Transition, node: usize) -> bool {
        let is_free = transition.tests.is_empty() && self.except.is_empty() && self.except_types.is_none();
        is_free || self.passes_tests(transition, node)
    }

    fn passes_tests(&self, transition: &Transition, node: usize) -> bool {
        let type_rank = self.types.at(node) as usize;
        let pass = |test: &u32| {
            self.pattern.tests[*test as usize].passes(node, type_rank)
                && self.bound.is_none_or(|(bound, only)| bound != *test || only == node)
        };
        self.except_types.as_ref().is_none_or(|types| !types.contains(type_rank))
            && transition.tests.iter().all(pass)
            && !self.except.iter().any(|test| test.passes(node, type_rank))
    }

    /// Calls `found` with the nodes that a state's hop leads to, or, if not `forward`, comes from.
    #[inline]
    pub(super) fn hop(&self, state: u32, forward: bool, node: usize, found: impl FnMut(usize)) {
        let hop = self.pattern.hops[state as usize];
        let way = match (hop.way, forward) {
            (way, true) => way,
            (Walk::Down, false) => Walk::Up,
            (Walk::Up, false) => Walk::Down,
        };
        self.pattern.follow[hop.follow].neighbours(self.graph, way, node, found);
    }

    /// All transitions.
    pub(super) fn transitions(&self) -> impl Iterator<Item = &'s Transition> {
        self.pattern.next.iter().flatten().chain(&self.pattern.starts)
    }

    /// The approximate numbers of nodes that may be starts, and ends.
    pub(super) fn n_starts_and_ends(&self) -> (u64, u64) {
        let of = |candidates: Candidates<'_>, types: &BitSet| match candidates {
            Candidates::One(_) => 1,
            Candidates::Set(set) => set.count() as u64,
            Candidates::All => {
                types.iter().fold(0, |sum, rank| sum + self.counts.get(rank).copied().unwrap_or(0))
            }
        };
        let all = BitSet::of(self.counts.len(), 0..self.counts.len());
        let starts = self.pattern.starts.iter().map(|transition| {
            let possible = self.to_end[transition.to as usize].as_ref().unwrap_or(&all);
            // The types that pass the transition's own tests and may be in the state.
            let types = transition.tests.iter().fold(possible.clone(), |mut types, test| {
                let test = &self.pattern.tests[*test as usize];
                if test.nodes.is_none() {
                    types.intersect(test.types.view());
                }
                types
            });
            of(self.narrow(transition), &types)
        });
        (starts.sum(), of(self.end_candidates(), &self.end_types))
    }

    /// Whether a path may begin with this node in this state.
    pub(super) fn is_start(&self, node: usize, state: u32) -> bool {
        self.pattern.starts.iter().any(|transition| transition.to == state && self.passes(transition, node))
    }

    /// The nodes that a path may begin with by one of the first transitions.
    pub(super) fn starting<'a>(&'a self, transition: &'a Transition) -> impl Iterator<Item = usize> + 'a {
        let leads = move |node: &usize| self.may_lead(*node, transition.to) && self.passes(transition, *node);
        self.nodes_of(self.narrow(transition)).filter(leads)
    }

    /// The pairs of node and state where a path may begin.
    pub(super) fn starts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let transitions = self.pattern.starts.iter();
        transitions
            .flat_map(move |transition| self.starting(transition).map(move |node| (node, transition.to)))
    }

    /// The nodes where a path may end, as far as their types say; the tests of transitions are still to be applied.
    pub(super) fn ends(&self) -> impl Iterator<Item = usize> + '_ {
        let candidates = self.nodes_of(self.end_candidates());
        candidates.filter(|node| self.end_types.contains(self.types.at(*node) as usize))
    }

    fn end_candidates(&self) -> Candidates<'_> {
        let mut narrow: Option<Candidates<'_>> = None;
        for transition in self.transitions().filter(|transition| transition.to == self.accept()) {
            let candidates = self.narrow(transition);
            narrow = match narrow {
                None => Some(candidates),
                Some(same) if same == candidates => Some(same),
                Some(_) => Some(Candidates::All),
            };
        }
        narrow.unwrap_or(Candidates::All)
    }

    /// A small set of nodes that contains all that can pass a transition, if there is one.
    fn narrow(&self, transition: &Transition) -> Candidates<'_> {
        if let Some((bound, node)) = self.bound
            && transition.tests.contains(&bound)
        {
            return Candidates::One(node);
        }
        let set = transition.tests.iter().find_map(|test| {
            let test = &self.pattern.tests[*test as usize];
            test.filter.as_ref().or(test.nodes.as_ref().filter(|_| test.types.is_empty()))
        });
        set.map_or(Candidates::All, Candidates::Set)
    }

    fn nodes_of<'a>(&'a self, candidates: Candidates<'a>) -> impl Iterator<Item = usize> + 'a {
        let (one, set, n_all) = match candidates {
            Candidates::One(node) => (Some(node), None, 0),
            Candidates::Set(set) => (None, Some(set), 0),
            Candidates::All => (None, None, self.n_nodes()),
        };
        let set = set.into_iter().flat_map(BitSet::iter).filter(|node| *node < self.n_nodes());
        one.into_iter().chain(set).chain(0..n_all)
    }
}

/// By state, its leader: see [`PathSearch`].
fn leaders<I>(pattern: &Pattern<I>, previous: &[Vec<(u32, u32)>]) -> Vec<Option<u32>> {
    let is_start = |state: u32| pattern.starts.iter().any(|transition| transition.to == state);
    let leader = |transitions: &Vec<Transition>| {
        let alike = transitions.windows(2).all(|pair| pair[0].tests == pair[1].tests);
        let mut entered = transitions.iter().map(|transition| transition.to);
        entered.find(|to| alike && previous[*to as usize].len() == 1 && !is_start(*to))
    };
    pattern.next.iter().map(leader).collect()
}

/// Where to look for nodes that pass a test.
#[derive(Clone, Copy)]
enum Candidates<'c> {
    All,
    Set(&'c BitSet),
    One(usize),
}

impl PartialEq for Candidates<'_> {
    /// Two sets are equal only if they are the same one in memory.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Candidates::All, Candidates::All) => true,
            (Candidates::Set(a), Candidates::Set(b)) => std::ptr::eq(*a, *b),
            (Candidates::One(a), Candidates::One(b)) => a == b,
            _ => false,
        }
    }
}

/// The search over types instead of nodes.
struct TypeSearch<'s, I> {
    types: NodeTypes<'s>,
    pattern: &'s Pattern<I>,
    /// By test, the types with nodes that may pass.
    tests: Vec<BitSet>,
    /// Types whose nodes are on no path.
    except: BitSet,
    transitions: std::cell::RefCell<HashMap<&'s [u32], BitSet>>,
}

impl<'s, I: Id> TypeSearch<'s, I> {
    fn new(types: NodeTypes<'s>, pattern: &'s Pattern<I>) -> Self {
        let n_types = types.graph.n_types();
        let tests = pattern.tests.iter().map(|test| {
            let mut possible = BitSet::new(n_types);
            possible.unite(test.types.view());
            let nodes = test.nodes.iter().flat_map(BitSet::iter);
            nodes.filter_map(|node| types.of.get(node)).for_each(|rank| possible.insert(rank as usize));
            possible
        });
        let mut except = BitSet::new(n_types);
        for test in pattern.except.iter().filter(|test| test.filter.is_none()) {
            except.unite(test.types.view());
        }
        Self { types, pattern, tests: tests.collect(), except, transitions: Default::default() }
    }

    /// The types that may pass a transition.
    fn of_transition(&self, transition: &'s Transition) -> BitSet {
        let mut transitions = self.transitions.borrow_mut();
        let types = transitions.entry(&transition.tests).or_insert_with(|| {
            let n_types = self.types.graph.n_types();
            let mut types = BitSet::of(n_types, 0..n_types);
            types.subtract(self.except.view());
            transition.tests.iter().for_each(|test| types.intersect(self.tests[*test as usize].view()));
            types
        });
        types.clone()
    }

    /// The types that the types of a set lead to.
    fn neighbours(&self, types: &BitSet, state: usize, forward: bool) -> BitSet {
        let way = match (self.pattern.hops[state].way, forward) {
            (way, true) => way,
            (Walk::Down, false) => Walk::Up,
            (Walk::Up, false) => Walk::Down,
        };
        let rows = self.types.graph.rows(way);
        let mut all = BitSet::new(rows.len());
        types.iter().for_each(|rank| _ = all.unite(rows[rank].view()));
        all
    }

    /// By state, the types that some start leads to. Searches to a fixed point.
    fn reached_types(&self) -> Vec<BitSet> {
        let n_types = self.types.graph.n_types();
        let accept = self.pattern.hops.len();
        let mut from_start = vec![BitSet::new(n_types); accept + 1];
        let mut waiting = StateQueue::new(accept + 1);
        for transition in &self.pattern.starts {
            if from_start[transition.to as usize].unite(self.of_transition(transition).view()) {
                waiting.push(transition.to as usize);
            }
        }
        while let Some(state) = waiting.pop() {
            if state == accept {
                continue;
            }
            let reached = self.neighbours(&from_start[state], state, true);
            for transition in &self.pattern.next[state] {
                let mut passing = self.of_transition(transition);
                passing.intersect(reached.view());
                if from_start[transition.to as usize].unite(passing.view()) {
                    waiting.push(transition.to as usize);
                }
            }
        }
        from_start
    }

    /// By state, the types that lead to some end; `ends` are the types at the ends.
    fn leading_types(&self, ends: &BitSet, previous: &[Vec<(u32, u32)>]) -> Vec<BitSet> {
        let n_types = self.types.graph.n_types();
        let accept = self.pattern.hops.len();
        let mut waiting = StateQueue::new(accept + 1);
        let mut to_end = vec![BitSet::new(n_types); accept + 1];
        to_end[accept].unite(ends.view());
        waiting.push(accept);
        while let Some(state) = waiting.pop() {
            for (from, position) in &previous[state] {
                let from = *from as usize;
                let mut passing = self.of_transition(&self.pattern.next[from][*position as usize]);
                passing.intersect(to_end[state].view());
                if to_end[from].unite(self.neighbours(&passing, from, false).view()) {
                    waiting.push(from);
                }
            }
        }
        to_end
    }
}

/// States that are still to be processed, each at most once at a time.
struct StateQueue {
    states: Vec<usize>,
    is_waiting: BitSet,
}

impl StateQueue {
    fn new(n_states: usize) -> Self {
        Self { states: Vec::new(), is_waiting: BitSet::new(n_states) }
    }

    fn push(&mut self, state: usize) {
        if self.is_waiting.set(state) {
            self.states.push(state);
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let state = self.states.pop()?;
        self.is_waiting.remove(state);
        Some(state)
    }
}
