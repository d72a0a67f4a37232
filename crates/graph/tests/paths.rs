//! Paths by an automaton against all walks of a small graph, tried one after the other.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use heaplake_graph::{
    BitSet, Bits, Csr, CsrBuf, Graph, Id, Walk,
    search::{Follow, HopEdges, NodeTypes, PathSearch, Pattern, Test, Transition, TypeGraph, type_edges},
};

static GO_ON: AtomicBool = AtomicBool::new(false);
const N_TYPES: usize = 3;
const MAX_HOPS: usize = 6;

/// A source of numbers that needs no crate; xorshift64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

type Set = Vec<usize>;

#[derive(Debug)]
struct Case {
    types: Vec<u32>,
    /// Edges by source; a target of none leads nowhere.
    edges: Vec<(usize, Option<usize>)>,
    weak: Vec<usize>,
    /// Types, nodes of any type, and the only nodes.
    tests: Vec<(Set, Option<Set>, Option<Set>)>,
    except: Option<(Vec<usize>, Option<Vec<usize>>)>,
    /// Edges of each set, and whether it is of all others.
    follow: Vec<(Vec<usize>, bool)>,
    hops: Vec<(bool, usize)>,
    starts: Vec<(Vec<u32>, u32)>,
    next: Vec<Vec<(Vec<u32>, u32)>>,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let n = 1 + chance.below(6);
        let types = (0..n).map(|_| chance.below(N_TYPES) as u32).collect();
        let mut edges: Vec<(usize, Option<usize>)> = (0..chance.below(12))
            .map(|_| (chance.below(n), Some(chance.below(n + 1)).filter(|target| *target < n)))
            .collect();
        edges.sort_by_key(|(source, _)| *source);
        let some = |chance: &mut Chance, of: usize, part: usize| -> Vec<usize> {
            (0..of).filter(|_| chance.below(part) == 0).collect()
        };
        let weak = some(&mut chance, edges.len(), 8);
        let tests: Vec<_> = (0..3)
            .map(|_| {
                let types = some(&mut chance, N_TYPES, 2);
                let nodes = (chance.below(4) == 0).then(|| some(&mut chance, n, 3));
                let filter = (chance.below(3) == 0).then(|| some(&mut chance, n, 2));
                (types, nodes, filter)
            })
            .collect();
        let except = (chance.below(4) == 0).then(|| {
            let filter = (chance.below(2) == 0).then(|| some(&mut chance, n, 2));
            (some(&mut chance, N_TYPES, 3), filter)
        });
        let follow =
            (0..3).map(|i| (some(&mut chance, edges.len(), 2), i == 1 && chance.below(2) == 0)).collect();
        let n_states = chance.below(4);
        let hops = (0..n_states).map(|_| (chance.below(4) > 0, chance.below(3))).collect();
        let transitions = |chance: &mut Chance, least: usize| -> Vec<(Vec<u32>, u32)> {
            let transition = |chance: &mut Chance| {
                let tests = some(chance, tests.len(), 3).into_iter().map(|test| test as u32).collect();
                (tests, chance.below(n_states + 1) as u32)
            };
            (0..least + chance.below(3)).map(|_| transition(chance)).collect()
        };
        let starts = transitions(&mut chance, 1);
        let next = (0..n_states).map(|_| transitions(&mut chance, 0)).collect();
        Self { types, edges, weak, tests, except, follow, hops, starts, next }
    }

    fn passes(&self, tests: &[u32], node: usize) -> bool {
        let of = |types: &[usize], filter: &Option<Vec<usize>>, nodes: &Option<Vec<usize>>| {
            (types.contains(&(self.types[node] as usize))
                || nodes.as_ref().is_some_and(|n| n.contains(&node)))
                && filter.as_ref().is_none_or(|filter| filter.contains(&node))
        };
        let excepted = self.except.as_ref().is_some_and(|(types, filter)| of(types, filter, &None));
        let pass = |test: &u32| {
            let (types, nodes, filter) = &self.tests[*test as usize];
            of(types, filter, nodes)
        };
        !excepted && tests.iter().all(pass)
    }

    fn takes(&self, follow: usize, edge: usize) -> bool {
        let (edges, all_but) = &self.follow[follow];
        follow == 0 || edges.contains(&edge) != *all_but
    }

    /// All walks that match, by hops, then by their nodes.
    fn walks(&self) -> BTreeSet<(usize, Vec<usize>)> {
        let accept = self.hops.len();
        let mut found = BTreeSet::new();
        let mut waiting: BTreeSet<(Vec<usize>, usize)> = BTreeSet::new();
        for (tests, to) in &self.starts {
            let nodes = (0..self.types.len()).filter(|node| self.passes(tests, *node));
            waiting.extend(nodes.map(|node| (vec![node], *to as usize)));
        }
        while let Some((walk, state)) = waiting.pop_first() {
            if state == accept {
                found.insert((walk.len() - 1, walk));
                continue;
            }
            if walk.len() > MAX_HOPS {
                continue;
            }
            let (down, follow) = self.hops[state];
            for (edge, (source, target)) in self.edges.iter().enumerate() {
                let Some(target) = target else { continue };
                let (from, to) = if down { (source, target) } else { (target, source) };
                if walk.last() != Some(from) || self.weak.contains(&edge) || !self.takes(follow, edge) {
                    continue;
                }
                for (tests, next) in &self.next[state] {
                    if self.passes(tests, *to) {
                        waiting.insert(([walk.as_slice(), &[*to]].concat(), *next as usize));
                    }
                }
            }
        }
        found
    }

    fn check<I: Id>(&self, seed: u64) {
        let n = self.types.len();
        let targets = self.edges.iter().map(|(source, target)| (*source, target.map_or(I::NONE, I::new)));
        let forward = CsrBuf::<I>::from_edges(n, targets);
        let weak = BitSet::of(self.edges.len(), self.weak.iter().copied());
        let reverse = CsrBuf::reversed(forward.view(), weak.view(), 1, &GO_ON).expect("goes on");
        let graph = Graph { forward: forward.view(), skip: weak.view(), reverse: reverse.view() };
        let pairs = type_edges(graph, &self.types, N_TYPES);
        let type_graph = TypeGraph::new(N_TYPES, pairs.iter().map(|(parent, child, _)| (*parent, *child)));
        let set = |of: usize, members: &[usize]| BitSet::of(of, members.iter().copied());
        let test = |types: &[usize], nodes: &Option<Vec<usize>>, filter: &Option<Vec<usize>>| Test {
            types: set(N_TYPES, types),
            nodes: nodes.as_ref().map(|nodes| set(n, nodes)),
            filter: filter.as_ref().map(|filter| set(n, filter)),
        };
        let transitions = |transitions: &[(Vec<u32>, u32)]| -> Vec<Transition> {
            transitions.iter().map(|(tests, to)| Transition { tests: tests.clone(), to: *to }).collect()
        };
        let follow = self.follow.iter().enumerate().map(|(i, (edges, all_but))| {
            let edges = set(self.edges.len(), edges);
            match (i, all_but) {
                (0, _) => Follow::All,
                (_, true) => Follow::all_but(graph, edges.view()),
                (_, false) => Follow::only(graph, edges.view()),
            }
        });
        let way = |down: bool| if down { Walk::Down } else { Walk::Up };
        let pattern = Pattern {
            tests: self.tests.iter().map(|(types, nodes, filter)| test(types, nodes, filter)).collect(),
            except: self.except.iter().map(|(types, filter)| test(types, &None, filter)).collect(),
            follow: follow.collect(),
            hops: self
                .hops
                .iter()
                .map(|(down, follow)| HopEdges { way: way(*down), follow: *follow })
                .collect(),
            starts: transitions(&self.starts),
            next: self.next.iter().map(|next| transitions(next)).collect(),
        };
        let mut counts = vec![0; N_TYPES];
        self.types.iter().for_each(|rank| counts[*rank as usize] += 1);
        let types = NodeTypes { of: &self.types, graph: &type_graph, counts: &counts };
        let search = PathSearch::new(graph, types, &pattern);
        let walks: Vec<Vec<usize>> = self.walks().into_iter().map(|(_, walk)| walk).collect();
        let of = |path: &[I]| -> Vec<usize> { path.iter().map(|node| node.index()).collect() };
        let fits = |walk: &&Vec<usize>| walk.len() <= MAX_HOPS + 1;
        let what = || format!("seed {seed}: {self:?}");

        let mut shortest = Vec::new();
        if let Some(mut paths) = search.shortest(MAX_HOPS as u64, &GO_ON).expect("goes on").paths {
            while let Some(path) = paths.next_path() {
                assert_eq!(path.len(), paths_len(&shortest, path.len()), "{}", what());
                shortest.push(of(path));
            }
        }
        let fewest = walks.first().map_or(0, Vec::len);
        let expected: Vec<_> = walks.iter().filter(|walk| walk.len() == fewest).cloned().collect();
        assert_eq!(shortest, expected, "shortest, {}", what());

        let mut ranked = search.ranked(MAX_HOPS as u64, &GO_ON).expect("goes on");
        let mut first = Vec::new();
        while first.len() < 40 {
            let Some(path) = ranked.next_path().expect("goes on") else { break };
            first.push(of(&path));
        }
        let expected: Vec<_> = walks.iter().filter(fits).take(40).cloned().collect();
        assert_eq!(first, expected, "ranked, {}", what());

        let mut acyclic = search.acyclic(MAX_HOPS as u64, &GO_ON).expect("goes on");
        let mut all = Vec::new();
        while let Some(path) = acyclic.next_path().expect("goes on") {
            all.push(of(&path));
        }
        let passes_once = |walk: &&Vec<usize>| walk.iter().collect::<BTreeSet<_>>().len() == walk.len();
        let expected: Vec<_> = walks.iter().filter(passes_once).cloned().collect();
        assert_eq!(all, expected, "acyclic, {}", what());

        let mut ends = Vec::new();
        let reached = search.reach(MAX_HOPS as u64, &GO_ON, |node, hops| {
            ends.push((hops as usize, node));
            true
        });
        reached.expect("goes on");
        let mut expected: Vec<(usize, usize)> = Vec::new();
        for walk in &walks {
            let end = walk.last().copied().expect("a walk has a node");
            if !expected.iter().any(|(_, node)| *node == end) {
                expected.push((walk.len() - 1, end));
            }
        }
        expected.sort_unstable();
        assert_eq!(ends, expected, "reach, {}", what());

        // Every step is one that the automaton makes.
        for walk in first.iter().take(10) {
            let nodes: Vec<I> = walk.iter().map(|node| I::new(*node)).collect();
            let steps = search.steps(&nodes);
            assert_eq!(steps.iter().map(|step| step.node).collect::<Vec<_>>(), *walk, "steps, {}", what());
            assert_eq!(steps.last().map(|step| step.state), Some(self.hops.len()), "steps, {}", what());
            let mut transitions = &self.starts;
            let mut from = None;
            for step in steps {
                let (tests, to) = &transitions[step.transition];
                assert!(*to as usize == step.state && self.passes(tests, step.node), "steps, {}", what());
                if let (Some((state, before)), Some((way, edge))) = (from, step.hop) {
                    let (down, follow): (bool, usize) = self.hops[state];
                    let (source, target) = self.edges[edge];
                    let ends =
                        if down { (Some(before), Some(step.node)) } else { (Some(step.node), Some(before)) };
                    assert_eq!((Some(source), target), ends, "steps, {}", what());
                    assert!(self.takes(follow, edge) && (way == Walk::Down) == down, "steps, {}", what());
                }
                from = Some((step.state, step.node));
                transitions = self.next.get(step.state).unwrap_or(&self.starts);
            }
        }
    }
}

/// The length that all paths of an answer have.
fn paths_len(paths: &[Vec<usize>], of_this: usize) -> usize {
    paths.first().map_or(of_this, Vec::len)
}

#[test]
fn paths_are_the_walks_that_match() {
    let mut n_with_paths = 0;
    for seed in 1..6000 {
        let case = Case::random(seed);
        n_with_paths += usize::from(!case.walks().is_empty());
        case.check::<u32>(seed);
        if seed % 10 == 0 {
            case.check::<u64>(seed);
        }
    }
    assert!(n_with_paths > 1500, "only {n_with_paths} cases have a path");
}

/// A list of nodes of two types in turn, `n` of them.
fn list(n: usize) -> (CsrBuf<u32>, Vec<u32>) {
    let edges = (0..n - 1).map(|node| (node, node as u32 + 1));
    (CsrBuf::from_edges(n, edges), (0..n as u32).map(|node| node % 2).collect())
}

/// `(A -> B ->){times}` or, without end, `{times,}`, then A or B; from node 0.
fn chain_pattern(times: usize, n: usize, is_open: bool) -> Pattern<u32> {
    let test = |rank: usize| Test { types: BitSet::of(2, [rank]), ..Test::default() };
    let first = Test { nodes: Some(BitSet::of(n, [0])), types: BitSet::new(2), filter: None };
    let n_states = 2 * times;
    let hop = HopEdges { way: Walk::Down, follow: 0 };
    let mut next: Vec<Vec<Transition>> = (0..n_states)
        .map(|state| vec![Transition { tests: vec![(state as u32 + 1) % 2], to: state as u32 + 1 }])
        .collect();
    if is_open {
        let back = n_states as u32 - 2;
        next[n_states - 1].push(Transition { tests: vec![0], to: back });
    }
    Pattern {
        tests: vec![test(0), test(1), first],
        follow: vec![Follow::All],
        hops: vec![hop; n_states],
        starts: vec![Transition { tests: vec![0, 2], to: 0 }],
        next,
        ..Pattern::default()
    }
}

fn ask<T>(
    pattern: &Pattern<u32>,
    (forward, types): &(CsrBuf<u32>, Vec<u32>),
    ask: impl FnOnce(&PathSearch<'_, u32>) -> T,
) -> T {
    let none = Bits::default();
    let reverse = CsrBuf::reversed(forward.view(), none, 1, &GO_ON).expect("goes on");
    let graph = Graph { forward: forward.view(), skip: none, reverse: reverse.view() };
    let type_graph = TypeGraph::new(2, [(0, 1), (1, 0)]);
    let counts = [types.len() as u64 / 2; 2];
    let search =
        PathSearch::new(graph, NodeTypes { of: types, graph: &type_graph, counts: &counts }, pattern);
    ask(&search)
}

#[test]
fn a_path_of_a_million_hops_is_found_and_followed() {
    let n = 1_000_001;
    let list = list(n);
    let last = Test { nodes: Some(BitSet::of(n, [n - 1])), types: BitSet::new(2), filter: None };
    let mut pattern = chain_pattern(1, n, true);
    pattern.tests.push(last);
    pattern.next[1][0].tests.push(3);
    let (n_hops, steps) = ask(&pattern, &list, |search| {
        let mut paths = search.shortest(u64::MAX, &GO_ON).expect("goes on").paths.expect("a path");
        let path = paths.next_path().expect("a path").to_vec();
        assert!(paths.next_path().is_none());
        (paths.n_hops(), search.steps(&path).len())
    });
    assert_eq!((n_hops, steps), (n - 1, n));
}

#[test]
fn many_repetitions_blow_nothing_up() {
    let n = 200_000;
    let list = list(n);
    for (times, is_open) in [(50, true), (5000, false), (5000, true)] {
        let pattern = chain_pattern(times, n, is_open);
        let (n_hops, visited) = ask(&pattern, &list, |search| {
            let outcome = search.shortest(u64::MAX, &GO_ON).expect("goes on");
            (outcome.paths.expect("a path").n_hops(), outcome.visited)
        });
        assert_eq!(n_hops, 2 * times);
        assert!(visited.pairs <= 2 * n as u64, "{visited:?}");
    }
}

#[test]
fn a_search_stops_when_told() {
    let list = list(1_000_001);
    let pattern = chain_pattern(1, 1_000_001, true);
    let stop = AtomicBool::new(true);
    ask(&pattern, &list, |search| assert!(search.reach(u64::MAX, &stop, |_, _| true).is_err()));
}

#[test]
fn a_csr_says_where_an_edge_comes_from() {
    let forward = CsrBuf::<u32>::from_edges(4, [(0, 1), (2, 3), (2, 1)]);
    let view: Csr<'_, u32> = forward.view();
    assert_eq!([0, 1, 2].map(|edge| view.source(edge)), [0, 2, 2]);
}
