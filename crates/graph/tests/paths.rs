//! Paths by an automaton against all walks of a small graph, tried one after the other.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use heaplake_graph::{
    BitSet, Bits, Csr, CsrBuf, Graph, Id, Numbers, Walk,
    search::{
        Follow, HopEdges, KnownEdges, NodeRanks, NodeTypes, PathSearch, Pattern, Test, Transition, TypeGraph,
        Way, Ways, type_edges,
    },
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
    /// Roots, ascending, with their ranks.
    roots: Vec<(usize, u32)>,
    /// By node.
    retained: Vec<u64>,
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
        let roots = some(&mut chance, n, 2).into_iter().map(|root| (root, chance.below(2) as u32)).collect();
        let retained = (0..n).map(|_| chance.below(3) as u64).collect();
        Self { types, edges, weak, roots, retained, tests, except, follow, hops, starts, next }
    }

    /// A pattern with a middle: from a start by one or more hops to a node that is bound, from there on to an end.
    fn with_binding(seed: u64) -> Self {
        let mut case = Self::random(seed);
        let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        case.hops = (0..2).map(|_| (chance.below(4) > 0, chance.below(3))).collect();
        case.starts = vec![(vec![0], 0)];
        case.next = vec![vec![(vec![], 0), (vec![1], 1)], vec![(vec![], 1), (vec![2], 2)]];
        match chance.below(4) {
            // The bound node is also the first, or the last.
            0 => case.starts = vec![(vec![0, 1], 1)],
            1 => {
                case.hops.truncate(1);
                case.next = vec![vec![(vec![], 0), (vec![1], 1)]];
            }
            _ => {}
        }
        case
    }

    /// What a step of a walk is compared by.
    fn key(&self, before: Option<usize>, node: usize) -> (u32, usize, u32, Reverse<u64>, usize) {
        let goes_down = self.hops.iter().any(|(down, _)| *down);
        let edge = before.filter(|_| goes_down).and_then(|before| {
            let edges = (0..self.edges.len()).filter(|edge| !self.weak.contains(edge));
            edges.into_iter().find(|edge| self.edges[*edge] == (before, Some(node)))
        });
        let root = self.roots.iter().find(|(root, _)| *root == node).map_or(u32::MAX, |(_, rank)| *rank);
        match edge {
            Some(edge) => (self.types[node], edge, 0, Reverse(0), node),
            None => (self.types[node], usize::MAX, root, Reverse(self.retained[node]), node),
        }
    }

    /// Walks by hops, then in the order of paths.
    fn sorted<T>(&self, mut walks: Vec<T>, nodes: impl Fn(&T) -> &Vec<usize>) -> Vec<T> {
        walks.sort_by_cached_key(|walk| {
            let nodes = nodes(walk);
            let before = std::iter::once(None).chain(nodes.iter().copied().map(Some));
            let keys: Vec<_> = before.zip(nodes).map(|(before, node)| self.key(before, *node)).collect();
            (nodes.len(), keys)
        });
        walks
    }

    /// The types of a walk.
    fn way(&self, walk: &[usize]) -> Vec<u32> {
        walk.iter().map(|node| self.types[*node]).collect()
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

    /// All walks that match, by hops, then in the order of paths.
    fn walks(&self) -> Vec<Vec<usize>> {
        let walks: BTreeSet<Vec<usize>> = self.bound_walks().into_iter().map(|(walk, _)| walk).collect();
        self.sorted(walks.into_iter().collect(), |walk| walk)
    }

    /// All walks that match, each with the node that test 1 bound last.
    fn bound_walks(&self) -> Vec<(Vec<usize>, Option<usize>)> {
        let accept = self.hops.len();
        let mut found = BTreeSet::new();
        let mut waiting: BTreeSet<(Vec<usize>, usize, Option<usize>)> = BTreeSet::new();
        let bound = |tests: &[u32], node: usize, before: Option<usize>| {
            Some(node).filter(|_| tests.contains(&1)).or(before)
        };
        for (tests, to) in &self.starts {
            let nodes = (0..self.types.len()).filter(|node| self.passes(tests, *node));
            waiting.extend(nodes.map(|node| (vec![node], *to as usize, bound(tests, node, None))));
        }
        while let Some((walk, state, x)) = waiting.pop_first() {
            if state == accept {
                found.insert((walk, x));
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
                        let longer = [walk.as_slice(), &[*to]].concat();
                        waiting.insert((longer, *next as usize, bound(tests, *to, x)));
                    }
                }
            }
        }
        self.sorted(found.into_iter().collect(), |(walk, _)| walk)
    }

    /// Calls `ask` with the case as a search.
    fn search<I: Id>(&self, ask: impl FnOnce(PathSearch<'_, I>)) {
        let n = self.types.len();
        let targets = self.edges.iter().map(|(source, target)| (*source, target.map_or(I::NONE, I::new)));
        let forward = CsrBuf::<I>::from_edges(n, targets);
        let weak = BitSet::of(self.edges.len(), self.weak.iter().copied());
        let reverse = CsrBuf::reversed(forward.view(), weak.view(), 1, &GO_ON).expect("goes on");
        let graph = Graph { forward: forward.view(), skip: weak.view(), reverse: reverse.view() };
        let pairs = type_edges(graph, (&self.types).into(), N_TYPES);
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
        let types = NodeTypes { of: (&self.types).into(), graph: &type_graph, counts: &counts };
        let (roots, root_ranks): (Vec<I>, Vec<u32>) =
            self.roots.iter().map(|(root, rank)| (I::new(*root), *rank)).unzip();
        let ranks = NodeRanks { roots: &roots, root_ranks: &root_ranks, retained: (&self.retained).into() };
        ask(PathSearch::new(graph, types, &pattern).ordered(ranks));
    }

    fn check<I: Id>(&self, seed: u64) {
        self.search(|search| self.check_paths::<I>(&search, seed));
    }

    fn check_paths<I: Id>(&self, search: &PathSearch<'_, I>, seed: u64) {
        let walks = self.walks();
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

        // By each way, the ends of the shortest paths.
        let mut by_way: BTreeMap<Vec<u32>, BTreeSet<usize>> = BTreeMap::new();
        for walk in &expected {
            by_way.entry(self.way(walk)).or_default().extend(walk.last());
        }
        let paths = search.shortest(MAX_HOPS as u64, &GO_ON).expect("goes on").paths;
        if let Some(mut paths) = paths {
            let ways = paths.ways(u64::MAX, &GO_ON).expect("goes on").expect("no limit");
            // Hops in both directions are different ways between the same types.
            if self.hops.iter().all(|(down, _)| *down == self.hops[0].0) {
                let n: BTreeMap<_, _> =
                    by_way.iter().map(|(way, ends)| (way.clone(), ends.len() as u64)).collect();
                assert_eq!(totals(&ways), n, "ways, {}", what());
                let most = n.values().max();
                let way = n.iter().find(|(_, n)| Some(*n) == most).map(|(way, _)| way);
                let first = expected.iter().find(|walk| Some(&self.way(walk)) == way).cloned();
                let found = paths.most_taken(u64::MAX, &GO_ON).expect("goes on");
                assert_eq!(found.map(|path| of(&path)), first, "most taken, {}", what());
            }
            assert!(ways.is_complete);
        }

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
            let steps = search.steps(&nodes, &mut KnownEdges::default());
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

/// By way, how many nodes have it.
fn totals<I: Id>(ways: &Ways<I>) -> BTreeMap<Vec<u32>, u64> {
    let mut totals = BTreeMap::new();
    for group in &ways.groups {
        let types = |way: &Way| ways.steps(*way).iter().map(|step| step.type_rank).collect::<Vec<u32>>();
        let distinct: BTreeSet<Vec<u32>> = group.ways.iter().map(types).collect();
        distinct.into_iter().for_each(|way| *totals.entry(way).or_insert(0) += group.n_nodes);
    }
    totals
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

#[test]
fn each_bound_node_has_its_first_path_and_all_of_its_ways() {
    let (mut n_bound, mut n_several, mut n_merged) = (0, 0, 0);
    for seed in 1..6000 {
        let case = Case::with_binding(seed);
        let what = || format!("seed {seed}: {case:?}");
        let mut of_node: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
        for (walk, x) in case.bound_walks() {
            let walks = of_node.entry(x.expect("every walk binds")).or_default();
            if walks.first().is_none_or(|first| first.len() == walk.len()) {
                walks.push(walk);
            }
        }
        let mut ways: BTreeMap<Vec<u32>, u64> = BTreeMap::new();
        for walks in of_node.values() {
            let distinct: BTreeSet<Vec<u32>> = walks.iter().map(|walk| case.way(walk)).collect();
            n_several += usize::from(distinct.len() > 1);
            distinct.into_iter().for_each(|way| *ways.entry(way).or_insert(0) += 1);
        }
        n_bound += of_node.len();
        case.search::<u32>(|search| {
            let found = search.bindings(1, MAX_HOPS as u64, &GO_ON).expect("goes on");
            assert_eq!(
                found.nodes().collect::<Vec<_>>(),
                of_node.keys().copied().collect::<Vec<_>>(),
                "{}",
                what()
            );
            for (node, walks) in &of_node {
                let path: Vec<usize> = found.path(*node).into_iter().map(|node| node.index()).collect();
                assert!(walks.contains(&path), "node {node}: {path:?}, {}", what());
                // The first part and the second are first, each for itself.
                if case.next.len() < 2 || case.starts[0].1 == 1 {
                    assert_eq!(path, walks[0], "node {node}, {}", what());
                }
            }
            let common = found.common();
            for node in found.nodes() {
                let (Some(common), Some(own)) = (&common, found.own_steps(node)) else { continue };
                let mut merged = own.steps;
                let mut at = own.before;
                while let Some(step) = at.map(|at| common[at]) {
                    merged.insert(0, (step.node, step.hop));
                    at = step.before;
                }
                let path: Vec<usize> = merged.iter().map(|(node, _)| *node).collect();
                assert_eq!(
                    path,
                    found.path(node).iter().map(|node| node.index()).collect::<Vec<_>>(),
                    "node {node}, {}",
                    what()
                );
                assert_eq!(merged[0].1, None);
                for pair in merged.windows(2) {
                    let (source, target) = match pair[1].1.expect("a later step has a hop") {
                        Walk::Down => (pair[0].0, pair[1].0),
                        Walk::Up => (pair[1].0, pair[0].0),
                    };
                    assert!(case.edges.contains(&(source, Some(target))), "{pair:?}, {}", what());
                }
                n_merged += 1;
            }
            let n_steps = found.nodes().map(|node| found.path(node).len() - 1).max();
            let limited = found.ways(0, &GO_ON).expect("goes on");
            assert_eq!(limited.is_none(), n_steps.is_some_and(|n_steps| n_steps > 0), "{}", what());
            let found = found.ways(u64::MAX, &GO_ON).expect("goes on").expect("no limit");
            assert!(found.is_complete);
            assert_eq!(totals(&found), ways, "ways, {}", what());
        });
    }
    assert!(n_merged > 1000, "only {n_merged} merged paths");
    assert!(n_bound > 1000 && n_several > 100, "only {n_bound} bound nodes, {n_several} with several ways");
}

#[test]
fn addresses_do_not_decide() {
    // Two processes with the same objects in other places: a root of each of two names holds a list, which holds two items
    // by the other's type, one of them twice.
    let numbers = [[0, 1, 2, 3, 4, 5], [5, 3, 4, 1, 2, 0]];
    let of_all = numbers.map(|place| {
        let types = [0, 0, 1, 1, 2, 2];
        let edges = [(0, 2), (1, 3), (2, 4), (2, 5), (3, 5), (3, 4)];
        let mut placed: Vec<(usize, u32)> =
            edges.iter().map(|(from, to)| (place[*from], place[*to] as u32)).collect();
        placed.sort_by_key(|(from, _)| *from);
        let forward = CsrBuf::from_edges(6, placed);
        let reverse = CsrBuf::reversed(forward.view(), Bits::default(), 1, &GO_ON).expect("goes on");
        let graph = Graph { forward: forward.view(), skip: Bits::default(), reverse: reverse.view() };
        let mut of = [0; 6];
        types.iter().enumerate().for_each(|(node, rank)| of[place[node]] = *rank);
        let type_graph = TypeGraph::new(3, [(0, 1), (1, 2)]);
        let node_types = NodeTypes { of: (&of[..]).into(), graph: &type_graph, counts: &[2, 2, 2] };
        let test = |rank: usize| Test { types: BitSet::of(3, [rank]), ..Test::default() };
        let hop = HopEdges { way: Walk::Down, follow: 0 };
        let pattern = Pattern {
            tests: vec![test(0), test(2)],
            follow: vec![Follow::All],
            hops: vec![hop],
            starts: vec![Transition { tests: vec![0], to: 0 }],
            next: vec![vec![Transition { tests: vec![], to: 0 }, Transition { tests: vec![1], to: 1 }]],
            ..Pattern::default()
        };
        let mut named = vec![(place[0] as u32, 1), (place[1] as u32, 0)];
        named.sort_unstable();
        let (roots, root_ranks): (Vec<u32>, Vec<u32>) = named.into_iter().unzip();
        let ranks = NodeRanks { roots: &roots, root_ranks: &root_ranks, retained: Numbers::default() };
        let search = PathSearch::new(graph, node_types, &pattern).ordered(ranks);
        let back = |path: &[u32]| -> Vec<usize> {
            path.iter().map(|node| place.iter().position(|other| *other == *node as usize).unwrap()).collect()
        };
        let mut paths = search.shortest(9, &GO_ON).expect("goes on").paths.expect("a path");
        let mut all = Vec::new();
        while let Some(path) = paths.next_path() {
            all.push(back(path));
        }
        let bindings = search.bindings(1, 9, &GO_ON).expect("goes on");
        let mut bound: Vec<Vec<usize>> = bindings.nodes().map(|node| back(&bindings.path(node))).collect();
        bound.sort();
        (all, bound)
    });
    assert_eq!(of_all[0], of_all[1]);
    assert_eq!(of_all[0].0, [[1, 3, 5], [1, 3, 4], [0, 2, 4], [0, 2, 5]]);
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
        PathSearch::new(graph, NodeTypes { of: types.into(), graph: &type_graph, counts: &counts }, pattern);
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
        (paths.n_hops(), search.steps(&path, &mut KnownEdges::default()).len())
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
