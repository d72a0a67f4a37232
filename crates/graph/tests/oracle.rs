//! Random graphs against the slow but obvious version of every question. A failure prints the graph in the fixture
//! language, edges that are skipped and all.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use heaplake_fixture::Heap;
use heaplake_graph::*;

static NEVER: AtomicBool = AtomicBool::new(false);

/// A graph in its obvious form.
struct Obvious {
    heap: Heap,
    sizes: Vec<u64>,
    /// (source, target, followed), by source; no target where it dangles.
    edges: Vec<(usize, Option<usize>, bool)>,
    roots: BTreeSet<usize>,
    /// The roots of garbage, which no other root reaches.
    garbage: BTreeSet<usize>,
}

impl Obvious {
    fn random(seed: u64) -> Self {
        Self::of(Heap::random(seed, 1 + (seed % 30) as usize), seed)
    }

    /// Objects of few types that take turns, nearly, most of which refer to the next ones and few back.
    fn chained(seed: u64) -> Self {
        let mut heap = Heap::random(seed, 1 + (seed % 30) as usize);
        let addresses: Vec<u64> = heap.objects.iter().map(|object| object.address).collect();
        let n_types = 1 + seed as usize % 4;
        for (i, object) in heap.objects.iter_mut().enumerate() {
            let chance = (i as u64 + 3) * (seed + 5);
            let turn = if chance.is_multiple_of(11) { i + 1 } else { i };
            object.type_name = format!("T{}", turn % n_types);
            object.refs.retain(|address| *address >= object.address || address % 7 == seed % 7);
            let next = |k: usize| addresses.get(i + k).copied();
            object.refs.extend(next(1).filter(|_| chance % 13 != 1));
            object.refs.extend(next(n_types + 1).filter(|_| chance % 5 == 1));
        }
        Self::of(heap, seed).all_reachable()
    }

    fn of(heap: Heap, seed: u64) -> Self {
        let n = heap.objects.len();
        let node = |address| heap.objects.iter().position(|object| object.address == address);
        let edges: Vec<_> = heap
            .objects
            .iter()
            .enumerate()
            .flat_map(|(i, object)| object.refs.iter().map(move |address| (i, *address)))
            .enumerate()
            .map(|(k, (i, address))| (i, node(address), k as u64 % 11 != seed % 13))
            .collect();
        let roots = (0..n).filter(|i| (*i as u64 * 7 + seed).is_multiple_of(9)).collect();
        // A size names its object.
        let sizes = (0..n).map(|i| 1 << i).collect();
        Self { heap, sizes, edges, roots, garbage: BTreeSet::new() }
    }

    /// With more roots, until they reach every node.
    fn all_reachable(mut self) -> Self {
        for node in 0..self.n() {
            if !self.reached(&Cut::default())[node] {
                self.roots.insert(node);
            }
        }
        self
    }

    /// The same, where these further roots are those of garbage.
    fn with_garbage(seed: u64) -> Self {
        let mut found = Self::random(seed);
        let roots = found.roots.clone();
        found = found.all_reachable();
        found.garbage = found.roots.difference(&roots).copied().collect();
        found
    }

    fn n(&self) -> usize {
        self.sizes.len()
    }

    /// By node, whether only roots of garbage reach it.
    fn is_garbage(&self) -> Vec<bool> {
        let alive = self.reached_from(&self.roots - &self.garbage, &Cut::default(), |_| true);
        alive.into_iter().map(|alive| !alive).collect()
    }

    /// The followed edges without those that a cut takes away.
    fn followed(&self, cut: &Cut) -> impl Iterator<Item = (usize, usize)> {
        self.edges.iter().enumerate().filter_map(|(k, (source, target, followed))| {
            let target = target.filter(|target| !cut.nodes.view().contains(*target))?;
            let kept = *followed && !cut.edges.view().contains(k) && !cut.nodes.view().contains(*source);
            kept.then_some((*source, target))
        })
    }

    /// What the roots reach, where garbage leads to nothing that is alive.
    fn reached(&self, cut: &Cut) -> Vec<bool> {
        if self.garbage.is_empty() {
            return self.reached_from(self.roots.clone(), cut, |_| true);
        }
        let is_garbage = self.is_garbage();
        self.reached_from(self.roots.clone(), cut, |(source, target)| {
            !is_garbage[source] || is_garbage[target]
        })
    }

    fn reached_from(
        &self,
        roots: BTreeSet<usize>,
        cut: &Cut,
        keeps: impl Fn((usize, usize)) -> bool,
    ) -> Vec<bool> {
        let mut reached: Vec<bool> =
            (0..self.n()).map(|i| roots.contains(&i) && !cut.nodes.view().contains(i)).collect();
        for _ in 0..self.n() {
            for (source, target) in self.followed(cut).filter(|edge| keeps(*edge)) {
                reached[target] |= reached[source];
            }
        }
        reached
    }

    /// The tree, which two threads find.
    fn tree<I: Id>(&self, graph: Graph<'_, I>) -> DominatorTree<I> {
        let mut search = DepthFirstSearch::new(graph, &NEVER);
        search.add_roots(self.roots.difference(&self.garbage).copied()).unwrap();
        search.add_garbage(self.garbage.iter().copied()).unwrap();
        search.without_leaves().unwrap().with_leaves(2).unwrap()
    }

    /// The strict dominators of every reachable node.
    fn dominators(&self) -> Vec<Option<BTreeSet<usize>>> {
        let all = self.reached(&Cut::default());
        let mut dominators: Vec<_> = all.iter().map(|reached| reached.then(BTreeSet::new)).collect();
        for d in (0..self.n()).filter(|d| all[*d]) {
            let without = Cut { nodes: BitSet::of(self.n(), [d]), edges: BitSet::default() };
            let rest = self.reached(&without);
            for node in (0..self.n()).filter(|node| *node != d && !rest[*node]) {
                if let Some(dominators) = &mut dominators[node] {
                    dominators.insert(d);
                }
            }
        }
        dominators
    }

    fn forward<I: Id>(&self) -> CsrBuf<I> {
        let edges = self.edges.iter().map(|(source, target, _)| (*source, target.map_or(I::NONE, I::new)));
        CsrBuf::from_edges(self.n(), edges)
    }

    fn skip(&self) -> BitSet {
        let skipped = self.edges.iter().enumerate().filter(|(_, (_, _, followed))| !followed);
        BitSet::of(self.edges.len(), skipped.map(|(k, _)| k))
    }
}

/// Runs a check on many graphs, with narrow and wide ids, and one and two threads.
fn check(
    what: &str,
    make: impl Fn(u64) -> Obvious,
    one: fn(&Obvious, Graph<'_, u32>),
    wide: fn(&Obvious, Graph<'_, u64>),
) {
    for seed in 0..400 {
        let obvious = make(seed);
        let skip = obvious.skip();
        let run = std::panic::catch_unwind(|| {
            let forward = obvious.forward::<u32>();
            let reverse = CsrBuf::reversed(forward.view(), skip.view(), 1, &NEVER).unwrap();
            one(&obvious, Graph { forward: forward.view(), skip: skip.view(), reverse: reverse.view() });
            let forward = obvious.forward::<u64>();
            let reverse = CsrBuf::reversed(forward.view(), skip.view(), 3, &NEVER).unwrap();
            wide(&obvious, Graph { forward: forward.view(), skip: skip.view(), reverse: reverse.view() });
        });
        assert!(
            run.is_ok(),
            "{what}, seed {seed}, roots {:?}, skipped edges {:?}:\n{}",
            obvious.roots,
            skip.iter().collect::<Vec<_>>(),
            obvious.heap
        );
    }
}

macro_rules! oracle {
    ($name:ident, $make:expr, $check:ident) => {
        #[test]
        fn $name() {
            check(stringify!($name), $make, $check::<u32>, $check::<u64>);
        }
    };
}

oracle!(reverse_has_every_followed_edge, Obvious::random, reverse);
oracle!(referrers_of_some_nodes_are_those_of_all, Obvious::random, referrers_by_node);
oracle!(distances_are_the_fewest_hops, Obvious::random, distance);
oracle!(walks_go_level_by_level, Obvious::random, walks);
oracle!(dominators_are_on_every_path, Obvious::random, dominator);
oracle!(retained_is_what_goes_with_a_node, Obvious::random, retained);
oracle!(garbage_dominates_nothing_alive, Obvious::with_garbage, dominator);
oracle!(what_is_alive_is_retained_by_what_is_alive, Obvious::with_garbage, retained);
oracle!(garbage_keeps_nothing_alive, Obvious::with_garbage, cuts);
oracle!(a_cut_frees_what_only_it_held, Obvious::all_random, cuts);
oracle!(components_are_mutually_reachable, Obvious::random, component);
oracle!(motifs_repeat_along_the_longest_chains, Obvious::chained, motifs);

impl Obvious {
    fn all_random(seed: u64) -> Self {
        Self::random(seed).all_reachable()
    }
}

fn reverse<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let mut edges: Vec<_> = obvious.followed(&Cut::default()).map(|(s, t)| (t, s)).collect();
    edges.sort_unstable();
    let found: Vec<_> = (0..obvious.n()).flat_map(|t| graph.parents(t).map(move |s| (t, s))).collect();
    assert_eq!(found, edges);
    for (edge, (source, ..)) in obvious.edges.iter().enumerate() {
        assert_eq!(graph.forward.source(edge), *source);
    }
}

fn distance<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let mut expected = vec![NO_DISTANCE; obvious.n()];
    obvious.roots.iter().for_each(|root| expected[*root] = 0);
    for _ in 0..obvious.n() {
        for (source, target) in obvious.followed(&Cut::default()) {
            expected[target] = expected[target].min(expected[source].saturating_add(1));
        }
    }
    let found = distances(graph.forward, graph.skip, obvious.roots.iter().copied(), &NEVER);
    assert_eq!(found, Ok(expected));
}

fn walks<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let starts: Vec<I> = obvious.roots.iter().map(|root| I::new(*root)).collect();
    for (way, max_hops) in [(Walk::Down, 2), (Walk::Down, 9), (Walk::Up, 1), (Walk::Up, 9), (Walk::Up, 0)] {
        let mut level: BTreeSet<usize> = obvious.roots.clone();
        let mut expected: Vec<(usize, u32)> = Vec::new();
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        for hops in 1..=max_hops {
            let nothing = Cut::default();
            let steps = obvious.followed(&nothing);
            let steps = steps.map(|(s, t)| if way == Walk::Down { (s, t) } else { (t, s) });
            level = steps
                .filter(|(from, to)| level.contains(from) && !seen.contains(to))
                .map(|(_, to)| to)
                .collect();
            seen.extend(&level);
            expected.extend(level.iter().map(|node| (*node, hops)));
        }
        let mut found: Vec<_> = walk(graph, way, &starts, max_hops, &NEVER)
            .unwrap()
            .into_iter()
            .map(|(node, hops)| (node.index(), hops))
            .collect();
        assert!(found.is_sorted_by_key(|(_, hops)| *hops));
        found.sort_unstable_by_key(|(node, hops)| (*hops, *node));
        assert_eq!(found, expected);
    }
}

fn dominator<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let tree = obvious.tree(graph);
    let dominators = obvious.dominators();
    let expected: Vec<I> = dominators
        .iter()
        .map(|strict| match strict {
            None => I::NONE,
            // The nearest one is dominated by all the others.
            Some(strict) => strict
                .iter()
                .max_by_key(|d| dominators[**d].as_ref().map(BTreeSet::len))
                .map_or(I::new(obvious.n()), |d| I::new(*d)),
        })
        .collect();
    assert_eq!(tree.idom, expected);
    let garbage = obvious.is_garbage().into_iter().enumerate().filter(|(_, is_garbage)| *is_garbage);
    let garbage = garbage.map(|(node, _)| node).filter(|_| !obvious.garbage.is_empty());
    assert!(tree.garbage.iter().eq(garbage));
}

/// The referrers of one node alone are those that all together have for it.
fn referrers_by_node<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let offsets = reversed_offsets(graph.forward, graph.skip, 2, &NEVER).unwrap();
    for node in 0..obvious.n() {
        assert_eq!(offsets[node].index()..offsets[node + 1].index(), graph.reverse.range(node));
        let nodes = node..node + 1;
        let found = referrers(graph.forward, graph.skip, &offsets, nodes, 2, &NEVER).unwrap();
        assert_eq!(found, graph.reverse.targets(node), "node {node}");
    }
}

fn retained<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let tree = obvious.tree(graph);
    let retained = tree.retained(|node| obvious.sizes[node]);
    let preorder = tree.preorder(&retained.count);
    let all = obvious.reached(&Cut::default());
    assert_eq!(preorder.nodes.len(), all.iter().filter(|reached| **reached).count());
    for node in 0..obvious.n() {
        let without =
            obvious.reached(&Cut { nodes: BitSet::of(obvious.n(), [node]), edges: BitSet::default() });
        let gone: BTreeSet<usize> =
            (0..obvious.n()).filter(|i| all[*i] && all[node] && !without[*i]).collect();
        assert_eq!(retained.size[node], gone.iter().map(|i| obvious.sizes[*i]).sum::<u64>(), "node {node}");
        assert_eq!(retained.count[node].index(), gone.len());
        let subtree: BTreeSet<usize> = match preorder.position[node] {
            start if start == I::NONE => BTreeSet::new(),
            start => preorder.nodes[start.index()..][..gone.len()].iter().map(|i| i.index()).collect(),
        };
        assert_eq!(subtree, gone, "node {node}");
    }
}

fn cuts<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let roots = BitSet::of(obvious.n(), obvious.roots.iter().copied());
    let garbage = obvious.tree(graph).garbage;
    for k in 1..12 {
        let nodes = (0..obvious.n()).filter(|i| (i * 5 + k) % 7 < k % 3);
        let edges = (0..obvious.edges.len()).filter(|i| (i * 3 + k) % 8 < k % 4);
        let cut =
            Cut { nodes: BitSet::of(obvious.n(), nodes), edges: BitSet::of(obvious.edges.len(), edges) };
        let rest = obvious.reached(&cut);
        let expected: Vec<I> = (0..obvious.n()).filter(|i| !rest[*i]).map(I::new).collect();
        let mut most = graph.n_nodes();
        assert_eq!(
            unreachable_within(graph, &roots, garbage.view(), &cut, &mut most, &NEVER),
            Ok(Some(expected.clone()))
        );
        let mut fewer = (graph.n_nodes() - most).saturating_sub(1);
        let is_enough = fewer == graph.n_nodes() - most;
        let found = unreachable_within(graph, &roots, garbage.view(), &cut, &mut fewer, &NEVER);
        assert_eq!((found.is_ok_and(|found| found.is_some()), fewer), (is_enough, 0), "{cut:?}");
        assert_eq!(unreachable_after(graph, &roots, garbage.view(), &cut, &NEVER), Ok(expected), "{cut:?}");
    }
    assert_eq!(unreachable_after(graph, &roots, garbage.view(), &Cut::default(), &NEVER), Ok(Vec::new()));
}

fn part(obvious: &Obvious) -> BitSet {
    BitSet::of(obvious.n(), (0..obvious.n()).filter(|i| i % 5 != 3))
}

/// By pair of nodes of a part: whether a path within the part leads from one to the other.
fn closure(obvious: &Obvious, part: &BitSet) -> Vec<Vec<bool>> {
    let n = obvious.n();
    let mut reaches: Vec<Vec<bool>> = (0..n).map(|i| (0..n).map(|j| i == j).collect()).collect();
    let edges: Vec<_> = obvious.followed(&Cut::default()).collect();
    for row in &mut reaches {
        for _ in 0..n {
            for (s, t) in edges.iter().filter(|(s, t)| part.contains(*s) && part.contains(*t)) {
                row[*t] |= row[*s];
            }
        }
    }
    reaches
}

fn component<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let part = part(obvious);
    let found = components(graph.forward, graph.skip, &part, &NEVER).unwrap();
    let reaches = closure(obvious, &part);
    let numbers: BTreeSet<usize> = part.iter().map(|i| found.of[i].index()).collect();
    assert_eq!(numbers, (0..found.count).collect());
    for (i, from_i) in reaches.iter().enumerate() {
        assert_eq!(found.of[i] == I::NONE, !part.contains(i));
        for j in part.iter().filter(|_| part.contains(i)) {
            assert_eq!(found.of[i] == found.of[j], from_i[j] && reaches[j][i], "{i} and {j}");
            assert!(!from_i[j] || found.of[i] >= found.of[j], "{i} before {j}");
        }
    }
}

/// Objects at steps of a motif: which of them each reaches along it, itself included.
struct Places<'m> {
    motif: &'m [MotifStep],
    of: Vec<(usize, usize)>,
    reaches: Vec<BTreeSet<usize>>,
}

impl<'m> Places<'m> {
    fn of(obvious: &Obvious, types: &[u32], motif: &'m [MotifStep]) -> Self {
        let steps = 0..motif.len();
        let of: Vec<(usize, usize)> = (0..obvious.n())
            .flat_map(|node| steps.clone().map(move |step| (node, step)))
            .filter(|(node, step)| types[*node] == motif[*step].type_rank)
            .collect();
        let edges: BTreeSet<_> = obvious.followed(&Cut::default()).collect();
        let leads = |from: usize, to: usize| {
            let next = (of[from].1 + 1) % motif.len();
            let past = motif[next].is_optional && (next + 1) % motif.len() == of[to].1;
            (next == of[to].1 || past) && edges.contains(&(of[from].0, of[to].0))
        };
        let mut reaches: Vec<BTreeSet<usize>> = (0..of.len()).map(|place| BTreeSet::from([place])).collect();
        loop {
            let before = reaches.clone();
            for (from, reached) in reaches.iter_mut().enumerate() {
                let next = (0..of.len()).filter(|to| leads(from, *to));
                next.for_each(|to| reached.extend(&before[to]));
            }
            if reaches == before {
                return Self { motif, of, reaches };
            }
        }
    }

    fn same(&self, a: usize, b: usize) -> bool {
        self.reaches[a].contains(&b) && self.reaches[b].contains(&a)
    }

    /// How many times the motif repeats along the longest chain, and how many of its objects begin one that is long
    /// enough.
    fn longest(&self, is_container: &[bool], repeats: usize) -> (usize, usize) {
        let n = self.of.len();
        let step = |place: usize| self.motif[self.of[place].1];
        let n_required = self.motif.iter().filter(|step| !step.is_optional).count();
        let circle = |place: usize| (0..n).filter(move |other| self.same(place, *other));
        let own = |place: usize| usize::from(circle(place).any(|place| !step(place).is_optional));
        let mut longest: Vec<usize> = (0..n).map(own).collect();
        for _ in 0..n {
            for place in 0..n {
                let onward = self.reaches[place].iter().filter(|to| !self.same(place, **to));
                longest[place] = own(place) + onward.map(|to| longest[*to]).max().unwrap_or(0);
            }
        }
        let is_container = |step: &MotifStep| is_container[step.type_rank as usize];
        let only_containers = self.motif.iter().all(is_container);
        let begins = |place: usize| only_containers || !is_container(&step(place));
        let led = |to: usize| {
            (0..n).any(|place| begins(place) && self.reaches[place].contains(&to) && !self.same(place, to))
        };
        let heads: Vec<usize> = (0..n).filter(|place| begins(*place) && !led(*place)).collect();
        // Those in one circle are one.
        let first = |place: usize| heads.iter().all(|other| *other >= place || !self.same(*other, place));
        let long = |place: &&usize| longest[**place] / n_required >= repeats;
        let n_heads = heads.iter().filter(|place| first(**place)).filter(long).count();
        (heads.iter().map(|place| longest[*place] / n_required).max().unwrap_or(0), n_heads)
    }
}

fn motifs<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let tree = obvious.tree(graph);
    let retained = tree.retained(|node| obvious.sizes[node]);
    let preorder = tree.preorder(&retained.count);
    let roots: Vec<I> = obvious.roots.iter().map(|root| I::new(*root)).collect();
    let types: Vec<u32> =
        obvious.heap.objects.iter().map(|object| object.type_name[1..].parse().unwrap()).collect();
    let is_container = [false, true, false, true];
    let typed = TypedGraph {
        graph,
        types: &types,
        is_container: &is_container,
        roots: &roots,
        idoms: &tree.idom,
        preorder: &preorder.nodes,
        positions: &preorder.position,
        retained_counts: &retained.count,
    };
    let dominators = obvious.dominators();
    let edges: BTreeSet<_> = obvious.followed(&Cut::default()).collect();
    for repeats in [2, 4] {
        let found = repeating_chains(typed, repeats, &NEVER).unwrap();
        for chain in &found {
            let nodes: Vec<usize> = chain.nodes.iter().map(|node| node.index()).collect();
            assert!(nodes.windows(2).all(|pair| edges.contains(&(pair[0], pair[1]))), "{chain:?}");
            let mut steps = chain.motif.iter().cycle();
            for node in &nodes {
                let step = steps.find(|step| step.type_rank == types[*node] || !step.is_optional);
                assert_eq!(step.map(|step| step.type_rank), Some(types[*node]), "{chain:?}");
            }
            let longest = Places::of(obvious, &types, &chain.motif).longest(&is_container, repeats);
            assert_eq!((chain.repeats, chain.heads), longest, "{chain:?}");
            let n_required = chain.motif.iter().filter(|step| !step.is_optional).count();
            assert!(chain.repeats >= repeats && nodes.len() >= chain.repeats * n_required);
            let holds = |node: &&usize| {
                **node == nodes[0] || dominators[**node].as_ref().is_some_and(|d| d.contains(&nodes[0]))
            };
            assert_eq!(chain.held, nodes.iter().filter(holds).count(), "{chain:?}");
        }
        // What is not there is a part of what is, unless it has only containers.
        let pairs = (0..4).flat_map(|a| (a..4).map(move |b| [a, b]));
        for pair in pairs.filter(|pair| pair.iter().any(|rank: &u32| !is_container[*rank as usize])) {
            let n_types = if pair[0] == pair[1] { 1 } else { 2 };
            let motif = pair.map(|type_rank| MotifStep { type_rank, is_optional: false });
            let motif = &motif[..n_types];
            let (longest, _) = Places::of(obvious, &types, motif).longest(&is_container, repeats);
            let is_there = |step: &MotifStep| {
                found.iter().any(|chain| chain.motif.iter().any(|other| other.type_rank == step.type_rank))
            };
            let is_covered = motif.iter().any(is_there);
            assert!(longest < repeats || is_covered, "{motif:?} repeats {longest} times, {found:?}");
        }
    }
}
