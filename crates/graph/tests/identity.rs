//! Partners in random pairs of graphs, against the slow but obvious version of both rules. A failure prints both graphs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::atomic::AtomicBool,
};

use heaplake_fixture::Heap;
use heaplake_graph::{
    Agreement, BitSet, CsrBuf, Id, Key, PathSide, Shared, agreements, same_addresses, same_paths,
};

static NEVER: AtomicBool = AtomicBool::new(false);
const NONE: u32 = u32::NONE;

/// A graph of which everything is small: addresses, types, keys, labels, kinds of roots.
struct Small {
    text: String,
    addresses: Vec<u64>,
    csr: CsrBuf<u32>,
    types: Vec<u32>,
    keys: Vec<Key>,
    labels: Vec<u32>,
    roots: Vec<(u32, u32)>,
    skipped: BitSet,
    mute: BitSet,
}

/// Numbers that look random and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

impl Small {
    /// A heap whose objects lie at addresses of a small range, so that two of them share many.
    fn random(seed: u64) -> Self {
        let heap = Heap::random(seed, 1 + (seed % 20) as usize);
        let mut chance = Chance(seed);
        let n = heap.objects.len();
        let mut addresses = BTreeSet::new();
        while addresses.len() < n {
            addresses.insert(chance.below(2 * n as u64));
        }
        let node = |address| heap.objects.iter().position(|object| object.address == address);
        let mut edges: Vec<(usize, u32)> = Vec::new();
        for (i, object) in heap.objects.iter().enumerate() {
            edges.extend(object.refs.iter().map(|address| (i, node(*address).map_or(NONE, |n| n as u32))));
        }
        let n_edges = edges.len();
        let key = |chance: &mut Chance| match chance.below(4) {
            0 => Key::NONE,
            1 => Key::must(4 * chance.below(2)),
            _ => Key::may(4 * chance.below(3)),
        };
        let has_labels = seed.is_multiple_of(3);
        Self {
            text: heap.to_string(),
            addresses: addresses.into_iter().collect(),
            csr: CsrBuf::from_edges(n, edges),
            types: (0..n).map(|_| chance.below(3) as u32).collect(),
            keys: (0..n).map(|_| key(&mut chance)).collect(),
            labels: if has_labels {
                (0..n_edges).map(|_| chance.below(3) as u32).collect()
            } else {
                Vec::new()
            },
            roots: (0..n as u32).filter(|i| i % 4 == 0).map(|i| (i, chance.below(2) as u32)).collect(),
            skipped: BitSet::of(n_edges, (0..n_edges).filter(|_| chance.below(7) == 0)),
            mute: BitSet::of(n, (0..n).filter(|_| chance.below(4) == 0)),
        }
    }

    fn n(&self) -> usize {
        self.addresses.len()
    }

    fn side(&self) -> PathSide<'_, u32> {
        PathSide {
            forward: self.csr.view(),
            skip: self.skipped.view(),
            types: &self.types,
            keys: &self.keys,
            labels: &self.labels,
            roots: &self.roots,
        }
    }

    /// The children that a path goes to: group and node, in order.
    fn followed(&self, node: usize) -> Vec<(u32, usize)> {
        let edges = self.csr.view().range(node);
        let edges = edges.filter(|e| self.csr.targets[*e] != NONE && !self.skipped.contains(*e));
        edges.map(|e| (self.labels.get(e).copied().unwrap_or(0), self.csr.targets[e] as usize)).collect()
    }

    fn shown(&self) -> String {
        let Self { text, addresses, types, keys, labels, roots, .. } = self;
        format!(
            "{text}addresses {addresses:?}\ntypes {types:?}\nkeys {keys:?}\nlabels {labels:?}\nroots {roots:?}\n"
        )
    }
}

/// The rule in words: of two lists of children, one pair after the other is taken out.
fn obvious_pairs(
    (a, ours): (&Small, Vec<(u32, usize)>),
    (b, theirs): (&Small, Vec<(u32, usize)>),
) -> Vec<(usize, usize, bool)> {
    let mut pairs: Vec<(usize, usize, usize, bool)> = Vec::new();
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
        (ours.into_iter().enumerate().collect(), theirs.into_iter().enumerate().collect());
    for with_keys in [true, false] {
        let our_slot = |(_, (group, node)): &(usize, (u32, usize))| {
            let key = a.keys[*node];
            match with_keys {
                true => (key != Key::NONE).then_some((*group, a.types[*node], Some(key))),
                false => (!key.is_must()).then_some((*group, a.types[*node], None)),
            }
        };
        let their_slot = |(_, (group, node)): &(usize, (u32, usize))| {
            let key = b.keys[*node];
            match with_keys {
                true => (key != Key::NONE).then_some((*group, b.types[*node], Some(key))),
                false => (!key.is_must()).then_some((*group, b.types[*node], None)),
            }
        };
        let slots: BTreeSet<_> = ours.iter().filter_map(our_slot).collect();
        for slot in slots {
            let mine: Vec<_> = ours.iter().filter(|one| our_slot(one) == Some(slot)).copied().collect();
            let others: Vec<_> = theirs.iter().filter(|one| their_slot(one) == Some(slot)).copied().collect();
            for (x, y) in mine.iter().zip(&others) {
                pairs.push((x.0, x.1.1, y.1.1, mine.len() == 1 && others.len() == 1));
                ours.retain(|one| one != x);
                theirs.retain(|one| one != y);
            }
        }
    }
    pairs.sort();
    pairs.into_iter().map(|(_, x, y, only)| (x, y, only)).collect()
}

fn obvious_paths(a: &Small, b: &Small) -> (Vec<u32>, BTreeSet<usize>) {
    let mut partners: BTreeMap<usize, usize> = BTreeMap::new();
    let mut sure = BTreeSet::new();
    let mut queue = VecDeque::new();
    let roots =
        |side: &Small| side.roots.iter().map(|(node, kind)| (*kind, *node as usize)).collect::<Vec<_>>();
    let mut next = Some((roots(a), roots(b), true));
    while let Some((ours, theirs, parents_are_sure)) = next.take() {
        let unseen = |mut list: Vec<(u32, usize)>, done: BTreeSet<usize>| {
            let mut seen = done;
            list.retain(|(_, node)| seen.insert(*node));
            list
        };
        let ours = unseen(ours, partners.keys().copied().collect());
        let theirs = unseen(theirs, partners.values().copied().collect());
        for (x, y, only) in obvious_pairs((a, ours), (b, theirs)) {
            partners.insert(x, y);
            if only && parents_are_sure {
                sure.insert(x);
            }
            queue.push_back((x, y));
        }
        next = queue.pop_front().map(|(x, y)| (a.followed(x), b.followed(y), sure.contains(&x)));
    }
    ((0..a.n()).map(|i| partners.get(&i).map_or(NONE, |y| *y as u32)).collect(), sure)
}

/// Every pair of heaps, of which some have labels and some not.
fn pairs() -> impl Iterator<Item = (Small, Small)> {
    // A step of six: both have labels or none has.
    (0..1500).map(|seed| (Small::random(seed), Small::random(seed + 6)))
}

#[test]
fn paths_are_those_of_the_obvious_search() {
    let (mut n_sure, mut n_unsure) = (0, 0);
    for (a, b) in pairs() {
        let found = same_paths(&a.side(), &b.side(), &NEVER).unwrap();
        let (partners, sure) = obvious_paths(&a, &b);
        assert_eq!(found.partners, partners, "{}\n{}", a.shown(), b.shown());
        let unambiguous: BTreeSet<usize> = found.unambiguous.iter().collect();
        assert_eq!(unambiguous, sure, "{}\n{}", a.shown(), b.shown());
        n_sure += sure.len();
        n_unsure += partners.iter().filter(|partner| **partner != NONE).count() - sure.len();
    }
    assert!(n_sure > 500 && n_unsure > 100, "{n_sure} {n_unsure}");
}

#[test]
fn a_graph_is_itself_by_path() {
    for seed in 0..500 {
        let mut a = Small::random(seed);
        a.roots = (0..a.n() as u32).map(|node| (node, 0)).collect();
        let found = same_paths(&a.side(), &a.side(), &NEVER).unwrap();
        assert_eq!(found.partners, (0..a.n() as u32).collect::<Vec<_>>(), "{}", a.shown());
    }
}

#[test]
fn addresses_and_what_references_say() {
    let mut seen = BTreeMap::new();
    for (a, b) in pairs() {
        let may_be = |x: usize, y: usize| a.types[x] == b.types[y];
        let partners: Vec<u32> = same_addresses(&a.addresses, &b.addresses, may_be, &NEVER).unwrap();
        for (x, partner) in partners.iter().enumerate() {
            let y = b.addresses.iter().position(|address| *address == a.addresses[x]);
            let y = y.filter(|y| may_be(x, *y)).map_or(NONE, |y| y as u32);
            assert_eq!(*partner, y, "{}\n{}", a.shown(), b.shown());
        }
        let mut found = vec![None; a.n()];
        let (ours, theirs) = ((a.csr.view(), a.mute.view()), (b.csr.view(), b.mute.view()));
        for nodes in [0..a.n() / 2, a.n() / 2..a.n()] {
            let say = |node: usize, agreement| found[node] = Some(agreement);
            agreements(ours, theirs, &partners, nodes, say, &NEVER).unwrap();
        }
        for (x, agreement) in found.into_iter().enumerate() {
            assert_eq!(
                agreement,
                obvious_agreement(&a, &b, &partners, x),
                "{x}\n{}\n{}",
                a.shown(),
                b.shown()
            );
            if let Some(agreement) = agreement {
                *seen.entry((format!("{:?}", agreement.shared), agreement.is_equal)).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.len() >= 6, "{seen:?}");
}

fn obvious_agreement(a: &Small, b: &Small, partners: &[u32], x: usize) -> Option<Agreement> {
    let y = partners[x];
    if y == NONE {
        return None;
    }
    let ours = a.csr.view().targets(x);
    let theirs = b.csr.view().targets(y as usize);
    let is_equal = ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(x, y)| *x == NONE || partners[*x as usize] == *y);
    let mine: BTreeSet<u32> =
        ours.iter().filter(|x| **x != NONE && !a.mute.contains(**x as usize)).copied().collect();
    let others: BTreeSet<u32> =
        theirs.iter().filter(|y| **y != NONE && !b.mute.contains(**y as usize)).copied().collect();
    let common = mine.iter().filter(|x| others.contains(&partners[**x as usize])).count();
    let fewer = mine.len().min(others.len());
    let shared = match (fewer, common) {
        (0, _) => Shared::Unknown,
        (_, 0) => Shared::Nothing,
        (fewer, common) if 2 * common >= fewer => Shared::Most,
        _ => Shared::Some,
    };
    Some(Agreement { is_equal, shared })
}

#[test]
fn a_chain_of_a_million_is_no_recursion() {
    let n = 1_000_000;
    let csr = CsrBuf::from_edges(n, (0..n - 1).map(|i| (i, i as u32 + 1)));
    let (types, keys) = (vec![0; n], vec![Key::NONE; n]);
    let roots = [(0, 0)];
    let side = PathSide {
        forward: csr.view(),
        skip: Default::default(),
        types: &types,
        keys: &keys,
        labels: &[],
        roots: &roots,
    };
    let found = same_paths(&side, &side, &NEVER).unwrap();
    assert_eq!(found.partners, (0..n as u32).collect::<Vec<_>>());
    assert_eq!(found.unambiguous.count(), n);
}

#[test]
fn a_flag_ends_it() {
    let n = 1 << 18;
    let csr = CsrBuf::from_edges(n, (0..n - 1).map(|i| (i, i as u32 + 1)));
    let (types, keys, roots) = (vec![0; n], vec![Key::NONE; n], [(0, 0)]);
    let side = PathSide {
        forward: csr.view(),
        skip: Default::default(),
        types: &types,
        keys: &keys,
        labels: &[],
        roots: &roots,
    };
    let stop = AtomicBool::new(true);
    assert!(same_paths(&side, &side, &stop).is_err());
    let addresses: Vec<u64> = (0..n as u64).collect();
    assert!(same_addresses::<u32>(&addresses, &addresses, |_, _| true, &stop).is_err());
}
