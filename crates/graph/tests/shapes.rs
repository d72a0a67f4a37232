//! Shapes that break what recurses or what is quadratic, and what is asked of every long function: to stop when told.

use std::sync::atomic::AtomicBool;

use heaplake_graph::*;

static NEVER: AtomicBool = AtomicBool::new(false);
static AT_ONCE: AtomicBool = AtomicBool::new(true);

struct Shape {
    forward: CsrBuf<u32>,
    reverse: CsrBuf<u32>,
}

impl Shape {
    fn of(n_nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Self {
        let forward = CsrBuf::from_edges(n_nodes, edges.map(|(source, target)| (source, target as u32)));
        let reverse = CsrBuf::reversed(forward.view(), Bits::default(), 2, &NEVER).unwrap();
        Self { forward, reverse }
    }

    fn graph(&self) -> Graph<'_, u32> {
        Graph { forward: self.forward.view(), skip: Bits::default(), reverse: self.reverse.view() }
    }

    /// The chains of types that repeat at least ten times; node 0 is the root, and type 0 that of containers.
    fn chains(&self, types: &[u32]) -> Vec<RepeatingChain<u32>> {
        self.chains_until(types, &NEVER).unwrap()
    }

    fn chains_until(
        &self,
        types: &[u32],
        cancel: &AtomicBool,
    ) -> Result<Vec<RepeatingChain<u32>>, Cancelled> {
        let (tree, retained) = self.retained();
        let preorder = tree.preorder(&retained.count);
        let typed = TypedGraph {
            graph: self.graph(),
            types,
            is_container: &[true, false, false, false],
            roots: &[0],
            idoms: &tree.idom,
            preorder: &preorder.nodes,
            positions: &preorder.position,
            retained_counts: &retained.count,
        };
        repeating_chains(typed, 10, cancel)
    }

    fn retained(&self) -> (DominatorTree<u32>, Retained<u32>) {
        let tree = dominator_tree(self.graph(), [0], &NEVER).unwrap();
        let retained = tree.retained(|_| 1);
        (tree, retained)
    }
}

/// The types of a motif, those of optional steps with a question mark.
fn motif(chain: &RepeatingChain<u32>) -> String {
    let step = |step: &MotifStep| format!("{}{}", step.type_rank, if step.is_optional { "?" } else { "" });
    chain.motif.iter().map(step).collect()
}

#[test]
fn a_list_of_five_million() {
    const N: usize = 5_000_000;
    let list = Shape::of(N, (0..N - 1).map(|i| (i, i + 1)));
    let (tree, retained) = list.retained();
    assert!((1..N).all(|i| tree.idom[i] as usize == i - 1));
    assert!((0..N).all(|i| retained.size[i] == (N - i) as u64));
    let graph = list.graph();
    assert_eq!(distances(graph.forward, graph.skip, [0], &NEVER).unwrap()[N - 1], N as u32 - 1);
    let all = BitSet::of(N, 0..N);
    assert_eq!(components(graph.forward, graph.skip, &all, &NEVER).unwrap().count, N);
    let cut = Cut { nodes: BitSet::default(), edges: BitSet::of(N, [N / 2]) };
    let gone = unreachable_after(graph, &BitSet::of(N, [0]), Bits::default(), &cut, &NEVER).unwrap();
    assert_eq!(gone.len(), N - N / 2 - 1);
    assert_eq!(walk(graph, Walk::Up, &[N as u32 - 1], u32::MAX, &NEVER).unwrap().len(), N - 1);
}

#[test]
fn a_ring_of_five_million() {
    const N: usize = 5_000_000;
    let ring = Shape::of(N, (0..N).map(|i| (i, (i + 1) % N)));
    let graph = ring.graph();
    let all = BitSet::of(N, 0..N);
    assert_eq!(components(graph.forward, graph.skip, &all, &NEVER).unwrap().count, 1);
    assert_eq!(ring.retained().1.size[0], N as u64);
}

#[test]
fn a_star_with_three_million_children() {
    const N: usize = 3_000_001;
    let star = Shape::of(N, (1..N).map(|i| (0, i)));
    let (tree, retained) = star.retained();
    assert!(tree.idom[1..].iter().all(|dominator| *dominator == 0));
    assert_eq!((retained.size[0], retained.size[1]), (N as u64, 1));
    // And everything back to the centre.
    let star = Shape::of(N, (0..N).flat_map(|i| if i == 0 { 1..N } else { 0..1 }.map(move |j| (i, j))));
    assert!(star.retained().0.idom[1..].iter().all(|dominator| *dominator == 0));
}

#[test]
fn a_complete_graph_of_two_thousand() {
    const N: usize = 2_000;
    let complete = Shape::of(N, (0..N).flat_map(|i| (0..N).map(move |j| (i, j))));
    let (tree, retained) = complete.retained();
    assert!(tree.idom[1..].iter().all(|dominator| *dominator == 0));
    assert_eq!(retained.size[..2], [N as u64, 1]);
    let graph = complete.graph();
    assert_eq!(components(graph.forward, graph.skip, &BitSet::of(N, 0..N), &NEVER).unwrap().count, 1);
}

/// A chain whose head refers to every item, and every link to its own: climbing from each item takes as long as the
/// chain, step by step.
#[test]
fn a_chain_with_an_index_of_its_items() {
    const N: usize = 1_000_000;
    let link = |i| i;
    let item = |i| N + i;
    let edges = (0..N).flat_map(|i| {
        let next = (i + 1 < N).then_some((link(i), link(i + 1)));
        let items = if i == 0 { 1..N } else { i..i + 1 };
        next.into_iter().chain(items.map(move |k| (link(i), item(k))))
    });
    let mut chain = Shape::of(2 * N, edges);
    let (tree, retained) = chain.retained();
    assert!((1..N).all(|i| tree.idom[item(i)] as usize == link(0)));
    assert!((1..N).all(|i| tree.idom[link(i)] as usize == link(i - 1)));
    assert_eq!(retained.count[link(0)] as usize, 2 * N - 1);
    // The same where the items have edges themselves.
    let edges = (0..2 * N).flat_map(|node| {
        let targets = chain.forward.view().targets(node).to_vec();
        let own = (node > N).then_some(node as u32);
        targets.into_iter().chain(own).map(move |target| (node, target as usize))
    });
    chain = Shape::of(2 * N, edges.collect::<Vec<_>>().into_iter());
    assert_eq!(chain.retained().0.idom, tree.idom);
}

#[test]
fn a_list_of_a_million_repeats() {
    const N: usize = 1_000_000;
    let list = Shape::of(N, (0..N - 1).map(|i| (i, i + 1)));
    let types: Vec<u32> = (0..N as u32).map(|i| 1 + i % 2).collect();
    let found = list.chains(&types);
    let [chain] = &found[..] else { panic!("{} chains", found.len()) };
    assert_eq!((motif(chain), chain.repeats, chain.heads, chain.held), ("12".to_owned(), N / 2, 1, N));
    assert!(chain.nodes.iter().copied().eq(0..N as u32));
}

/// Whatever the order of the references of a container to each link, which leave no chain in the dominator tree.
#[test]
fn an_index_of_its_links_hides_no_chain() {
    const N: usize = 1_000;
    let orders: [fn(usize) -> usize; 5] = [
        |i| i,
        |i| N - 1 - i,
        // Random, nearly; and few at a time that are in a row, from either end.
        |i| i * 619 % N,
        |i| if i < N / 2 { 2 * i } else { 2 * (i - N / 2) + 1 },
        |i| if i < N / 2 { N - 2 - 2 * i } else { 2 * (i - N / 2) + 1 },
    ];
    for (k, order) in orders.into_iter().enumerate() {
        // One type, and several in turn. Those of three must be found in a tree, and the last order leaves none.
        for period in if k == 4 { 1..3 } else { 1..4 } {
            let index = (0..N).map(|i| (0, 1 + order(i)));
            let list = Shape::of(N + 1, index.chain((1..N).map(|i| (i, i + 1))));
            let types: Vec<u32> = (0..=N).map(|i| if i == 0 { 0 } else { 1 + (i % period) as u32 }).collect();
            let found = list.chains(&types);
            let [chain] = &found[..] else { panic!("order {k}, period {period}: {found:?}") };
            assert_eq!(
                (chain.repeats, chain.nodes.len(), chain.held),
                (N / period, N, 1),
                "order {k}, period {period}"
            );
        }
    }
}

#[test]
fn a_motif_goes_one_way() {
    const N: usize = 1_000;
    let sorted = |edges: Vec<[(usize, usize); 3]>| {
        let mut edges = edges.concat();
        edges.sort_unstable();
        Shape::of(2 * N, edges.into_iter())
    };
    let types: Vec<u32> = (0..2 * N as u32).map(|i| 1 + i % 2).collect();
    let (node, link) = (|i| 2 * i, |i| 2 * i + 1);
    // A node has a link to the next node, which refers to the one before: forth the types take turns, back they do not.
    let doubly = (0..N - 1).map(|i| [(node(i), link(i)), (link(i), node(i + 1)), (node(i + 1), node(i))]);
    let found = sorted(doubly.collect()).chains(&types);
    let [chain] = &found[..] else { panic!("{found:?}") };
    assert_eq!((motif(chain), chain.repeats, chain.heads), ("12".to_owned(), N - 1, 1));
    // Where the types are the same back and forth, nothing tells the ways apart: a circle.
    let doubly = (0..2 * N)
        .flat_map(|i| [i.checked_sub(1), Some(i + 1)].into_iter().flatten().map(move |to| (i, to)))
        .filter(|(_, to)| *to < 2 * N);
    let doubly = Shape::of(2 * N, doubly);
    assert_eq!(doubly.chains(&types), []);
    assert_eq!(doubly.chains(&vec![1; 2 * N]), []);
    let ring = Shape::of(N, (0..N).map(|i| (i, (i + 1) % N)));
    assert_eq!(ring.chains(&vec![1; N]), []);
}

/// One link that refers back to an earlier one makes a circle of a part, and leaves the rest of the chain.
#[test]
fn a_chain_survives_a_circle() {
    const N: usize = 1_000;
    let edges = (0..N).flat_map(|i| {
        [(i + 1 < N).then_some(i + 1), (i == 500).then_some(497)].into_iter().flatten().map(move |to| (i, to))
    });
    let found = Shape::of(N, edges).chains(&vec![1; N]);
    let [chain] = &found[..] else { panic!("{found:?}") };
    // The circle counts once, and its objects are passed.
    assert_eq!((chain.repeats, chain.nodes.len(), chain.heads), (N - 3, N, 1));
}

#[test]
fn a_chain_begins_with_an_object_not_with_its_container() {
    const N: usize = 20;
    // holder (3) -> dict (0) -> (A (1) -> dict (0) -> B (2) ->)+, twice, and a dict that refers to the second B.
    let chain = |first: usize| (0..3 * N).map(move |i| (first + i, first + i + 1));
    let (a, b) = (3, 3 + 3 * N + 1);
    let edges = [(0, 1), (1, a), (1, b), (0, 2), (2, a + 2)].into_iter().chain(chain(a)).chain(chain(b));
    let mut edges: Vec<_> = edges.collect();
    edges.sort_unstable();
    let types: Vec<u32> =
        [3, 0, 0].into_iter().chain((0..2 * (3 * N + 1)).map(|i| [1, 0, 2][i % (3 * N + 1) % 3])).collect();
    let found = Shape::of(types.len(), edges.into_iter()).chains(&types);
    let [chain] = &found[..] else { panic!("{found:?}") };
    assert_eq!((motif(chain), chain.nodes[0] as usize), ("102".to_owned(), a));
    assert_eq!((chain.repeats, chain.nodes.len(), chain.heads), (N, 3 * N + 1, 2));
}

/// As in a program some of whose objects have a dict and others do not.
#[test]
fn containers_may_be_missing_here_and_there() {
    const N: usize = 1_000;
    // 1 -> 2 -> 1 -> 2 ...; behind every 1 there is a container where a pattern says so.
    for (what, expected, has_container) in [
        ("never", "12", (|_| false) as fn(usize) -> bool),
        ("always", "102", |_| true),
        ("rarely", "10?2", |i| i % 20 == 7),
        ("nearly always", "10?2", |i| i % 20 != 7),
        ("at random", "10?2", |i| i * i * 7 % 61 < 30),
    ] {
        let mut types = Vec::new();
        for i in 0..N {
            types.extend([1, 0, 2].into_iter().filter(|type_rank| *type_rank > 0 || has_container(i)));
        }
        let list = Shape::of(types.len(), (1..types.len()).map(|i| (i - 1, i)));
        let found = list.chains(&types);
        let [chain] = &found[..] else { panic!("{what}: {found:?}") };
        assert_eq!(
            (motif(chain).as_str(), chain.repeats, chain.nodes.len()),
            (expected, N, types.len()),
            "{what}"
        );
    }
}

#[test]
fn a_star_has_no_chain() {
    const N: usize = 100_000;
    let star = Shape::of(N, (0..N).flat_map(|i| if i == 0 { 1..N } else { 0..1 }.map(move |j| (i, j))));
    assert_eq!(star.chains(&vec![1; N]), []);
}

#[test]
fn nothing_at_all() {
    let empty = Shape::of(0, std::iter::empty());
    let graph = empty.graph();
    let tree = dominator_tree(graph, [], &NEVER).unwrap();
    assert_eq!(tree.retained(|_| 1), Retained { size: vec![], count: vec![] });
    assert_eq!(tree.preorder(&[]), Preorder { nodes: vec![], position: vec![] });
    let typed = TypedGraph {
        graph,
        types: &[],
        is_container: &[],
        roots: &[],
        idoms: &[],
        preorder: &[],
        positions: &[],
        retained_counts: &[],
    };
    assert_eq!(repeating_chains(typed, 0, &NEVER), Ok(vec![]));
    assert_eq!(components(graph.forward, graph.skip, &BitSet::new(0), &NEVER).unwrap().count, 0);
}

#[test]
fn offsets_must_fit_targets() {
    assert!(Csr::new(&[0_u32, 1], &[0]).is_some());
    assert!(Csr::new(&[0_u32, 2], &[0]).is_none());
    assert!(Csr::new(&[1_u32, 1], &[0]).is_none());
    assert!(Csr::<u32>::new(&[], &[]).is_none());
}

#[test]
fn everything_stops_when_told() {
    const N: usize = 200_000;
    let list = Shape::of(N, (0..N - 1).map(|i| (i, i + 1)));
    let graph = list.graph();
    let (forward, skip) = (graph.forward, graph.skip);
    let all = BitSet::of(N, 0..N);
    let cut = Cut { nodes: BitSet::of(N, [1]), edges: BitSet::default() };
    assert_eq!(CsrBuf::reversed(forward, skip, 2, &AT_ONCE), Err(Cancelled));
    assert_eq!(distances(forward, skip, [0], &AT_ONCE), Err(Cancelled));
    assert_eq!(walk(graph, Walk::Down, &[0], u32::MAX, &AT_ONCE), Err(Cancelled));
    assert_eq!(dominator_tree(graph, [0], &AT_ONCE), Err(Cancelled));
    assert_eq!(components(forward, skip, &all, &AT_ONCE), Err(Cancelled));
    assert_eq!(list.chains_until(&vec![1; N], &AT_ONCE), Err(Cancelled));
    assert_eq!(
        unreachable_after(graph, &BitSet::of(N, [0]), Bits::default(), &cut, &AT_ONCE),
        Err(Cancelled)
    );
}
