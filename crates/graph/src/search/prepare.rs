//! A pattern made ready for a graph: arcs by where they lead, and which types can be in which state.

use std::collections::HashMap;

use super::{
    Arc, Pattern, Step, Test, TypeGraph,
    fronts::{Growing, Seen},
};
use crate::{BitSet, Bits, Csr, Graph, Id, Walk};

/// Which edges a hop may take.
#[derive(Debug, Clone, Default)]
pub enum Follow<I> {
    /// All of them.
    #[default]
    All,
    /// These.
    Only(EdgeSet<I>),
    /// All but these.
    AllBut(EdgeSet<I>),
}

/// A set of edges that can be asked from both ends.
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
            // Ascending, so the next source is never before this one; far away it is found by halves.
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

    fn takes(&self, edge: usize) -> bool {
        match self {
            Follow::All => true,
            Follow::Only(set) => set.edges.contains(edge),
            Follow::AllBut(set) => !set.edges.contains(edge),
        }
    }

    /// Where the edges of a node lead, or come from.
    #[inline]
    fn neighbours(&self, graph: Graph<'_, I>, way: Walk, node: usize, mut found: impl FnMut(usize)) {
        match (self, way) {
            (Follow::All, Walk::Down) => graph.children(node).for_each(found),
            (Follow::All, Walk::Up) => graph.parents(node).for_each(found),
            (Follow::Only(set), Walk::Up) => {
                set.sources(node).iter().for_each(|(_, source)| found(source.index()));
            }
            (Follow::AllBut(set), Walk::Up) => {
                // Sources are ascending, once per edge: one is left when it refers more often than it may not.
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
pub struct Types<'t> {
    /// By node.
    pub of: &'t [u32],
    /// By type.
    pub graph: &'t TypeGraph,
    /// By type, the number of nodes, about.
    pub counts: &'t [u64],
}

/// A pattern and the graph that it is looked for in.
#[derive(Debug)]
pub struct PathSearch<'s, I> {
    pub(super) graph: Graph<'s, I>,
    pub(super) types: &'s [u32],
    type_graph: &'s TypeGraph,
    counts: &'s [u64],
    pub(super) pattern: &'s Pattern<I>,
    /// By state: the states before it, each with the position of the arc that leads here.
    pub(super) previous: Vec<Vec<(u32, u32)>>,
    /// By state: a state that is entered from here alone, together with all that follow. Who is in it has been in all of
    /// them, so that one look is enough.
    leaders: Vec<Option<u32>>,
    /// By state: types that a start leads to; none for any type.
    from_start: Vec<Option<BitSet>>,
    /// By state: types that lead to an end; none for any type.
    to_end: Vec<Option<BitSet>>,
    /// Types that may be at the ends; empty where no path is possible.
    pub(super) end_types: BitSet,
    /// Tests of EXCEPT that are about single nodes.
    except: Vec<&'s Test>,
    /// Types of which no node is on a path.
    except_types: Option<BitSet>,
    /// The only node that passes a test, for one binding after the other.
    pub(super) bound: Option<(u32, usize)>,
}

impl<'s, I: Id> PathSearch<'s, I> {
    /// Prepares a search. O(states * types * types / 64) at worst, typically much less.
    pub fn new(graph: Graph<'s, I>, types: Types<'s>, pattern: &'s Pattern<I>) -> Self {
        let accept = pattern.hops.len();
        let mut previous = vec![Vec::new(); accept + 1];
        for (state, arcs) in pattern.next.iter().enumerate() {
            for (position, arc) in arcs.iter().enumerate() {
                previous[arc.to as usize].push((state as u32, position as u32));
            }
        }
        let by_type = ByType::new(types, pattern);
        let from_start = by_type.reached_types();
        let to_end = by_type.leading_types(&from_start[accept], &previous);
        let end_types = from_start[accept].clone();
        // To look at a type is an access to far memory. It pays only where it spares most of the objects: those that lead
        // nowhere because they refer to nothing are half of a heap, and are gone over faster than looked up.
        let counts = types.counts;
        let n_objects: u64 = counts.iter().sum();
        let of_types = |types: &BitSet| types.iter().filter_map(|rank| counts.get(rank)).sum::<u64>();
        let prunes = |types: &BitSet| of_types(types) < n_objects / 4;
        let pruning =
            |types: Vec<BitSet>| types.into_iter().map(|types| Some(types).filter(prunes)).collect();
        let is_of_nodes = |test: &&Test| test.filter.is_some() || test.nodes.is_some();
        let except = pattern.except.iter().filter(is_of_nodes).collect();
        let except_types = Some(by_type.except).filter(|types| !types.is_empty());
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
        }
    }

    /// Whether the types can follow each other as the pattern says. When not, there is no path.
    pub fn is_possible(&self) -> bool {
        !self.end_types.is_empty()
    }

    /// The first test that no chain of types leads to, where types are why there is no path.
    pub fn first_unreached_test(&self) -> Option<u32> {
        let types = Types { of: self.types, graph: self.type_graph, counts: self.counts };
        let by_type = ByType::new(types, self.pattern);
        let from_start = by_type.reached_types();
        let mut reached = BitSet::new(self.pattern.tests.len());
        for arc in self.pattern.starts.iter().filter(|arc| !by_type.of_arc(arc).is_empty()) {
            arc.tests.iter().for_each(|test| reached.insert(*test as usize));
        }
        for (state, arcs) in self.pattern.next.iter().enumerate() {
            let types = by_type.neighbours(&from_start[state], state, true);
            for arc in arcs {
                let mut passing = by_type.of_arc(arc);
                passing.intersect(types.view());
                if !passing.is_empty() {
                    arc.tests.iter().for_each(|test| reached.insert(*test as usize));
                }
            }
        }
        (0..self.pattern.tests.len()).find(|test| !reached.contains(*test)).map(|test| test as u32)
    }

    /// The nodes that may pass a test of the pattern, ascending.
    pub fn passing(&self, test: u32) -> impl Iterator<Item = usize> + '_ {
        let arc = Arc { tests: vec![test], to: self.accept() };
        let candidates = self.narrow(&arc);
        self.nodes_of(candidates).filter(move |node| self.passes_tests(&arc, *node))
    }

    /// From now on only this node passes this test.
    pub fn bind(&mut self, test: u32, node: usize) {
        self.bound = Some((test, node));
    }

    /// The state that accepts.
    pub fn accept(&self) -> u32 {
        self.pattern.hops.len() as u32
    }

    /// A level without pairs.
    pub(super) fn level(&self) -> Growing<I> {
        Growing::new(self.n_nodes(), self.pattern.hops.len() + 1)
    }

    /// No pair visited yet.
    pub(super) fn seen(&self) -> Seen<I> {
        Seen::new(self.n_nodes(), self.pattern.hops.len() + 1)
    }

    /// Number of nodes.
    pub(super) fn n_nodes(&self) -> usize {
        self.types.len()
    }

    /// Whether a node is known to have been in every state that a hop from a state can bring it to.
    #[inline]
    pub(super) fn was_ahead(&self, node: usize, state: u32, seen: &Seen<I>) -> bool {
        self.leaders[state as usize].is_some_and(|leader| seen.has(node, leader))
    }

    /// Whether a node in a state may lead to an end, as far as its type says.
    #[inline]
    pub(super) fn may_lead(&self, node: usize, state: u32) -> bool {
        self.to_end[state as usize].as_ref().is_none_or(|types| types.contains(self.types[node] as usize))
    }

    /// Whether a start may lead to a node in a state, as far as its type says.
    #[inline]
    pub(super) fn may_come(&self, node: usize, state: u32) -> bool {
        self.from_start[state as usize].as_ref().is_none_or(|types| types.contains(self.types[node] as usize))
    }

    /// Whether a node passes an arc.
    #[inline]
    pub(super) fn passes(&self, arc: &Arc, node: usize) -> bool {
        let is_free = arc.tests.is_empty() && self.except.is_empty() && self.except_types.is_none();
        is_free || self.passes_tests(arc, node)
    }

    fn passes_tests(&self, arc: &Arc, node: usize) -> bool {
        let type_rank = self.types[node] as usize;
        let pass = |test: &u32| {
            self.pattern.tests[*test as usize].passes(node, type_rank)
                && self.bound.is_none_or(|(bound, only)| bound != *test || only == node)
        };
        self.except_types.as_ref().is_none_or(|types| !types.contains(type_rank))
            && arc.tests.iter().all(pass)
            && !self.except.iter().any(|test| test.passes(node, type_rank))
    }

    /// Calls `found` with the nodes that a state's hop leads to, or, against its way, comes from.
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

    /// All arcs.
    pub(super) fn arcs(&self) -> impl Iterator<Item = &'s Arc> {
        self.pattern.next.iter().flatten().chain(&self.pattern.starts)
    }

    /// About how many nodes there may be at starts, and at ends.
    pub(super) fn n_starts_and_ends(&self) -> (u64, u64) {
        let of = |candidates: Candidates<'_>, types: &BitSet| match candidates {
            Candidates::One(_) => 1,
            Candidates::Set(set) => set.count() as u64,
            Candidates::All => {
                types.iter().fold(0, |sum, rank| sum + self.counts.get(rank).copied().unwrap_or(0))
            }
        };
        let all = BitSet::of(self.counts.len(), 0..self.counts.len());
        let starts = self.pattern.starts.iter().map(|arc| {
            let possible = self.to_end[arc.to as usize].as_ref().unwrap_or(&all);
            // Types that may be in the state, of those that the arc's own tests let through.
            let types = arc.tests.iter().fold(possible.clone(), |mut types, test| {
                let test = &self.pattern.tests[*test as usize];
                if test.nodes.is_none() {
                    types.intersect(test.types.view());
                }
                types
            });
            of(self.narrow(arc), &types)
        });
        (starts.sum(), of(self.end_candidates(), &self.end_types))
    }

    /// Whether a path may begin with a pair.
    pub(super) fn is_start(&self, node: usize, state: u32) -> bool {
        self.pattern.starts.iter().any(|arc| arc.to == state && self.passes(arc, node))
    }

    /// The nodes that pass an arc of those where a path may begin.
    pub(super) fn starting<'a>(&'a self, arc: &'a Arc) -> impl Iterator<Item = usize> + 'a {
        let leads = move |node: &usize| self.may_lead(*node, arc.to) && self.passes(arc, *node);
        self.nodes_of(self.narrow(arc)).filter(leads)
    }

    /// The pairs of node and state where a path may begin.
    pub(super) fn starts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let arcs = self.pattern.starts.iter();
        arcs.flat_map(move |arc| self.starting(arc).map(move |node| (node, arc.to)))
    }

    /// The nodes where a path may end, as far as their types say: what arcs ask of them is still to be tested.
    pub(super) fn ends(&self) -> impl Iterator<Item = usize> + '_ {
        let candidates = self.nodes_of(self.end_candidates());
        candidates.filter(|node| self.end_types.contains(self.types[*node] as usize))
    }

    fn end_candidates(&self) -> Candidates<'_> {
        let mut narrow: Option<Candidates<'_>> = None;
        for arc in self.arcs().filter(|arc| arc.to == self.accept()) {
            let candidates = self.narrow(arc);
            narrow = match narrow {
                None => Some(candidates),
                Some(same) if same == candidates => Some(same),
                Some(_) => Some(Candidates::All),
            };
        }
        narrow.unwrap_or(Candidates::All)
    }

    /// A small set that holds all nodes that can pass an arc, where there is one.
    fn narrow(&self, arc: &Arc) -> Candidates<'_> {
        if let Some((bound, node)) = self.bound
            && arc.tests.contains(&bound)
        {
            return Candidates::One(node);
        }
        let set = arc.tests.iter().find_map(|test| {
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

    /// By which states a path went, of several the first, and by which edges. `nodes` must be a path.
    pub fn steps(&self, nodes: &[I]) -> Vec<Step> {
        // By node: the states that it can be in. All of them in one list, for paths of a million hops.
        let mut states: Vec<(u32, u32)> = Vec::new();
        let mut ends = Vec::with_capacity(nodes.len());
        let Some((first, rest)) = nodes.split_first() else { return Vec::new() };
        let starts = self.pattern.starts.iter().enumerate();
        states.extend(
            starts
                .filter(|(_, arc)| self.passes(arc, first.index()))
                .map(|(position, arc)| (arc.to, position as u32)),
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
                if state == self.accept() || self.edge(state, before, node).is_none() {
                    continue;
                }
                for (position, arc) in self.pattern.next[state as usize].iter().enumerate() {
                    if self.passes(arc, node) {
                        states.push((arc.to, position as u32));
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
        self.steps_back(nodes, &states, &ends)
    }

    /// From the accepting state back, the first state that leads on.
    fn steps_back(&self, nodes: &[I], states: &[(u32, u32)], ends: &[usize]) -> Vec<Step> {
        let of = |i: usize| &states[i.checked_sub(1).map_or(0, |before| ends[before])..ends[i]];
        let mut steps = Vec::with_capacity(nodes.len());
        let mut state = self.accept();
        for i in (0..nodes.len()).rev() {
            let node = nodes[i].index();
            let Some(before) = i.checked_sub(1) else {
                let arc =
                    self.pattern.starts.iter().position(|arc| arc.to == state && self.passes(arc, node));
                steps.push(Step { node, state: state as usize, arc: arc.unwrap_or(0), hop: None });
                break;
            };
            let parent = nodes[before].index();
            let found = of(before).iter().filter(|(from, _)| *from != self.accept()).find_map(|(from, _)| {
                let arcs = &self.pattern.next[*from as usize];
                let arc = arcs.iter().position(|arc| arc.to == state && self.passes(arc, node))?;
                let edge = self.edge(*from, parent, node)?;
                Some((*from, arc, edge))
            });
            // Every node of a path has one.
            let Some((from, arc, edge)) = found else { break };
            steps.push(Step {
                node,
                state: state as usize,
                arc,
                hop: Some((self.pattern.hops[from as usize].way, edge)),
            });
            state = from;
        }
        steps.reverse();
        steps
    }

    /// The first edge that a state's hop takes from one node to another.
    fn edge(&self, state: u32, from: usize, to: usize) -> Option<usize> {
        let hop = self.pattern.hops[state as usize];
        let (source, target) = match hop.way {
            Walk::Down => (from, to),
            Walk::Up => (to, from),
        };
        let forward: Csr<'_, I> = self.graph.forward;
        let follow = &self.pattern.follow[hop.follow];
        forward.range(source).find(|edge| {
            forward.target(*edge) == I::new(target) && !self.graph.skip.contains(*edge) && follow.takes(*edge)
        })
    }
}

/// By state: of the states that follow, all by arcs of the same tests, one that is entered from here alone.
fn leaders<I>(pattern: &Pattern<I>, previous: &[Vec<(u32, u32)>]) -> Vec<Option<u32>> {
    let is_start = |state: u32| pattern.starts.iter().any(|arc| arc.to == state);
    let leader = |arcs: &Vec<Arc>| {
        let alike = arcs.windows(2).all(|pair| pair[0].tests == pair[1].tests);
        let mut entered = arcs.iter().map(|arc| arc.to);
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
    /// Sets are the same when they are one and the same.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Candidates::All, Candidates::All) => true,
            (Candidates::Set(a), Candidates::Set(b)) => std::ptr::eq(*a, *b),
            (Candidates::One(a), Candidates::One(b)) => a == b,
            _ => false,
        }
    }
}

/// The pattern over types instead of nodes.
struct ByType<'s, I> {
    types: Types<'s>,
    pattern: &'s Pattern<I>,
    /// By test: types of which a node may pass.
    tests: Vec<BitSet>,
    /// Types of which no node is on a path.
    except: BitSet,
    arcs: std::cell::RefCell<HashMap<&'s [u32], BitSet>>,
}

impl<'s, I: Id> ByType<'s, I> {
    fn new(types: Types<'s>, pattern: &'s Pattern<I>) -> Self {
        let n_types = types.graph.n_types();
        let tests = pattern.tests.iter().map(|test| {
            let mut possible = BitSet::new(n_types);
            possible.unite(test.types.view());
            let nodes = test.nodes.iter().flat_map(BitSet::iter);
            nodes.filter_map(|node| types.of.get(node)).for_each(|rank| possible.insert(*rank as usize));
            possible
        });
        let mut except = BitSet::new(n_types);
        for test in pattern.except.iter().filter(|test| test.filter.is_none()) {
            except.unite(test.types.view());
        }
        Self { types, pattern, tests: tests.collect(), except, arcs: Default::default() }
    }

    /// The types that may pass an arc.
    fn of_arc(&self, arc: &'s Arc) -> BitSet {
        let mut arcs = self.arcs.borrow_mut();
        let types = arcs.entry(&arc.tests).or_insert_with(|| {
            let n_types = self.types.graph.n_types();
            let mut types = BitSet::of(n_types, 0..n_types);
            types.subtract(self.except.view());
            arc.tests.iter().for_each(|test| types.intersect(self.tests[*test as usize].view()));
            types
        });
        types.clone()
    }

    /// The types that those of a set lead to.
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

    /// By state, the types that some start leads to. A search to a fixed point.
    fn reached_types(&self) -> Vec<BitSet> {
        let n_types = self.types.graph.n_types();
        let accept = self.pattern.hops.len();
        let mut from_start = vec![BitSet::new(n_types); accept + 1];
        let mut waiting = Waiting::new(accept + 1);
        for arc in &self.pattern.starts {
            if from_start[arc.to as usize].unite(self.of_arc(arc).view()) {
                waiting.push(arc.to as usize);
            }
        }
        while let Some(state) = waiting.pop() {
            if state == accept {
                continue;
            }
            let reached = self.neighbours(&from_start[state], state, true);
            for arc in &self.pattern.next[state] {
                let mut passing = self.of_arc(arc);
                passing.intersect(reached.view());
                if from_start[arc.to as usize].unite(passing.view()) {
                    waiting.push(arc.to as usize);
                }
            }
        }
        from_start
    }

    /// By state, the types that lead to some end, of which `ends` are the types.
    fn leading_types(&self, ends: &BitSet, previous: &[Vec<(u32, u32)>]) -> Vec<BitSet> {
        let n_types = self.types.graph.n_types();
        let accept = self.pattern.hops.len();
        let mut waiting = Waiting::new(accept + 1);
        let mut to_end = vec![BitSet::new(n_types); accept + 1];
        to_end[accept].unite(ends.view());
        waiting.push(accept);
        while let Some(state) = waiting.pop() {
            for (from, position) in &previous[state] {
                let from = *from as usize;
                let mut passing = self.of_arc(&self.pattern.next[from][*position as usize]);
                passing.intersect(to_end[state].view());
                if to_end[from].unite(self.neighbours(&passing, from, false).view()) {
                    waiting.push(from);
                }
            }
        }
        to_end
    }
}

/// States to look at, each once at a time.
struct Waiting {
    states: Vec<usize>,
    is_waiting: BitSet,
}

impl Waiting {
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
