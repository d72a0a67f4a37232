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
}

impl Obvious {
    fn random(seed: u64) -> Self {
        let heap = Heap::random(seed, 1 + (seed % 30) as usize);
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
        Self { heap, sizes, edges, roots }
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

    fn n(&self) -> usize {
        self.sizes.len()
    }

    /// The followed edges without those that a cut takes away.
    fn followed(&self, cut: &Cut) -> impl Iterator<Item = (usize, usize)> {
        self.edges.iter().enumerate().filter_map(|(k, (source, target, followed))| {
            let target = target.filter(|target| !cut.nodes.view().contains(*target))?;
            let kept = *followed && !cut.edges.view().contains(k) && !cut.nodes.view().contains(*source);
            kept.then_some((*source, target))
        })
    }

    fn reached(&self, cut: &Cut) -> Vec<bool> {
        let mut reached: Vec<bool> =
            (0..self.n()).map(|i| self.roots.contains(&i) && !cut.nodes.view().contains(i)).collect();
        for _ in 0..self.n() {
            for (source, target) in self.followed(cut) {
                reached[target] |= reached[source];
            }
        }
        reached
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
oracle!(distances_are_the_fewest_hops, Obvious::random, distance);
oracle!(walks_go_level_by_level, Obvious::random, walks);
oracle!(dominators_are_on_every_path, Obvious::random, dominator);
oracle!(retained_is_what_goes_with_a_node, Obvious::random, retained);
oracle!(a_cut_frees_what_only_it_held, Obvious::all_random, cuts);
oracle!(components_are_mutually_reachable, Obvious::random, component);
oracle!(chains_are_the_longest, Obvious::random, chain);

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
    let tree = dominator_tree(graph, obvious.roots.iter().copied(), &NEVER).unwrap();
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
}

fn retained<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let tree = dominator_tree(graph, obvious.roots.iter().copied(), &NEVER).unwrap();
    let retained = tree.retained(|node| obvious.sizes[node]);
    let all = obvious.reached(&Cut::default());
    assert_eq!(retained.preorder.len(), all.iter().filter(|reached| **reached).count());
    for node in 0..obvious.n() {
        let without =
            obvious.reached(&Cut { nodes: BitSet::of(obvious.n(), [node]), edges: BitSet::default() });
        let gone: BTreeSet<usize> =
            (0..obvious.n()).filter(|i| all[*i] && all[node] && !without[*i]).collect();
        assert_eq!(retained.size[node], gone.iter().map(|i| obvious.sizes[*i]).sum::<u64>(), "node {node}");
        assert_eq!(retained.count[node].index(), gone.len());
        let subtree: BTreeSet<usize> = match retained.position[node] {
            start if start == I::NONE => BTreeSet::new(),
            start => retained.preorder[start.index()..][..gone.len()].iter().map(|i| i.index()).collect(),
        };
        assert_eq!(subtree, gone, "node {node}");
    }
}

fn cuts<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let roots = BitSet::of(obvious.n(), obvious.roots.iter().copied());
    for k in 1..12 {
        let nodes = (0..obvious.n()).filter(|i| (i * 5 + k) % 7 < k % 3);
        let edges = (0..obvious.edges.len()).filter(|i| (i * 3 + k) % 8 < k % 4);
        let cut =
            Cut { nodes: BitSet::of(obvious.n(), nodes), edges: BitSet::of(obvious.edges.len(), edges) };
        let rest = obvious.reached(&cut);
        let expected: Vec<I> = (0..obvious.n()).filter(|i| !rest[*i]).map(I::new).collect();
        assert_eq!(unreachable_after(graph, &roots, &cut, &NEVER), Ok(expected), "{cut:?}");
    }
    assert_eq!(unreachable_after(graph, &roots, &Cut::default(), &NEVER), Ok(Vec::new()));
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

fn chain<I: Id>(obvious: &Obvious, graph: Graph<'_, I>) {
    let part = part(obvious);
    let found = longest_chain(graph.forward, graph.skip, &part, &NEVER).unwrap();
    let reaches = closure(obvious, &part);
    let edges: BTreeSet<_> = obvious.followed(&Cut::default()).collect();
    for pair in found.windows(2) {
        assert!(edges.contains(&(pair[0].index(), pair[1].index())), "{found:?} has no edge {pair:?}");
    }
    assert!(found.iter().all(|node| part.contains(node.index())));
    let same = |i: usize, j: usize| reaches[i][j] && reaches[j][i];
    let mut passed: Vec<usize> = found.iter().map(|node| node.index()).collect();
    passed.dedup_by(|a, b| same(*a, *b));
    // The longest way from each node, in components, by relaxation until nothing changes.
    let mut longest = vec![1; obvious.n()];
    for _ in 0..obvious.n() {
        for i in part.iter() {
            let onward = part.iter().filter(|j| reaches[i][*j] && !same(i, *j)).map(|j| longest[j] + 1);
            longest[i] = onward.max().unwrap_or(1).max(longest[i]);
        }
    }
    assert_eq!(passed.len(), part.iter().map(|i| longest[i]).max().unwrap_or(0));
}
