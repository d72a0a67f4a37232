//! Which object of an earlier dump is which of the newest, and where bytes have come since.
//!
//! Two moments of one process are paired by address and type, others by path ([`same_paths`]). An object without a partner is
//! new. The growth below a node is the sizes of the new objects that it dominates, and what old ones have grown, less what
//! the earlier dump had there and the newest has not: a difference of two prefix sums over the preorders of the dominator
//! trees. What merely moved counts nothing. O(nodes + edges) for a pair of dumps, one pass over each array.

use std::{
    collections::HashMap,
    hash::{Hash as _, Hasher as _},
    sync::atomic::AtomicBool,
};

use heaplake_graph::{BitSet, Cancelled, Id, Key, PathSide, same_addresses, same_paths};
use heaplake_store::{GraphIndex, with_index};

use super::heap::Heap;
use crate::Result;

/// The newest dump against an earlier one.
#[derive(Debug)]
pub(super) struct Growth {
    /// By node of the newest dump, its partner; [`u64::MAX`] for a new object.
    partners: Vec<u64>,
    /// Bytes of growth before each position of the preorder of the newest dump.
    fresh: Vec<i64>,
    /// Bytes gone before each position of the preorder of the earlier dump.
    gone: Vec<i64>,
    /// Whether partners were found by their addresses.
    pub(super) by_address: bool,
}

/// A node that has grown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grown {
    pub(super) node: usize,
    /// How many references more it has.
    pub(super) refs: i64,
    /// Growth below it that is not below another old object below it.
    pub(super) own: i64,
}

/// Part of an earlier dump's objects that must be where they were for the two to be of one process.
const SAME_PROCESS: f64 = 0.4;
/// Nodes that have grown and are looked at more closely, at most.
const MAX_GROWN: usize = 600;
/// References more from which on a node is looked at.
const MIN_REFS: i64 = 3;

impl Growth {
    pub(super) fn of(newest: &Heap, earlier: &Heap, cancel: &AtomicBool) -> Result<Self> {
        let types = common_types(newest, earlier);
        let mut partners = Vec::new();
        let may_be_one = {
            let (a, b) = (&newest.manifest().process, &earlier.manifest().process);
            let survive = newest.manifest().runtime().addresses_survive
                && earlier.manifest().runtime().addresses_survive;
            survive && a.identity().zip(b.identity()).is_none_or(|(a, b)| a == b)
        };
        let mut by_address = false;
        if may_be_one {
            partners = by_addresses(newest, earlier, &types, cancel)?;
            let found = partners.iter().filter(|partner| **partner != u64::NONE).count();
            by_address = found as f64 >= SAME_PROCESS * earlier.n_nodes().min(newest.n_nodes()) as f64;
        }
        if !by_address {
            partners = by_paths(newest, earlier, &types, cancel)?;
        }
        let (fresh, gone) =
            with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
                sums(new, old, &partners)
            }));
        Ok(Self { partners, fresh, gone, by_address })
    }

    /// What a node of the newest dump was in the earlier one.
    pub(super) fn partner(&self, node: usize) -> Option<usize> {
        self.partners.get(node).filter(|partner| **partner != u64::NONE).map(|partner| *partner as usize)
    }

    /// Bytes that have come below a node of the newest dump, itself included.
    pub(super) fn fresh_below(&self, newest: &Heap, node: usize) -> i64 {
        with_index!(&*newest.open.index, |index| below(index, &self.fresh, node))
    }

    /// All growth.
    pub(super) fn total(&self) -> i64 {
        self.fresh.last().copied().unwrap_or(0) - self.gone.last().copied().unwrap_or(0)
    }

    /// The old nodes that have grown, the most first.
    pub(super) fn grown(&self, newest: &Heap, earlier: &Heap, cancel: &AtomicBool) -> Result<Vec<Grown>> {
        let grown = with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
            self.grown_of(new, old, cancel)
        }));
        Ok(grown?)
    }

    fn grown_of<I: Id, J: Id>(
        &self,
        new: &GraphIndex<I>,
        old: &GraphIndex<J>,
        cancel: &AtomicBool,
    ) -> std::result::Result<Vec<Grown>, Cancelled> {
        let n_nodes = new.n_nodes();
        let mut own = vec![0_i64; n_nodes];
        // The old nodes that dominate the next one, with the ends of their subtrees.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let counts = new.retained_counts();
        for (position, node) in new.preorder().iter().enumerate() {
            if position % (1 << 16) == 0 && cancel.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Cancelled);
            }
            let node = node.index();
            while open.last().is_some_and(|(end, _)| *end <= position) {
                open.pop();
            }
            if let Some(partner) = self.partner(node) {
                let growth = below(new, &self.fresh, node) - below(old, &self.gone, partner);
                own[node] = own[node].saturating_add(growth);
                if let Some((_, above)) = open.last() {
                    own[*above] = own[*above].saturating_sub(growth);
                }
                if counts[node].index() > 1 {
                    open.push((position + counts[node].index(), node));
                }
            }
        }
        let (forward, earlier) = (new.graph().forward, old.graph().forward);
        let least = (self.total().max(0) / 200).max(256);
        let mut grown: Vec<Grown> = (0..n_nodes)
            .filter_map(|node| {
                let partner = self.partner(node)?;
                let refs = forward.range(node).len() as i64 - earlier.range(partner).len() as i64;
                (refs >= MIN_REFS || own[node] >= least).then_some(Grown { node, refs, own: own[node] })
            })
            .collect();
        let weight = |grown: &Grown| grown.own.max(grown.refs.max(0).saturating_mul(64));
        grown.sort_unstable_by_key(|grown| (std::cmp::Reverse(weight(grown)), grown.node));
        grown.truncate(MAX_GROWN);
        Ok(grown)
    }
}

fn below<I: Id>(index: &GraphIndex<I>, before: &[i64], node: usize) -> i64 {
    let position = index.positions()[node];
    if position == I::NONE {
        return 0;
    }
    let end = (position.index() + index.retained_counts()[node].index()).min(before.len() - 1);
    before[end] - before[position.index().min(end)]
}

/// By type of the newest dump, the same type of the earlier one.
fn common_types(newest: &Heap, earlier: &Heap) -> Vec<u32> {
    let types = &earlier.open.manifest.types;
    let position = |name: &str| types.binary_search_by(|stat| stat.name.as_str().cmp(name));
    let newest = newest.open.manifest.types.iter();
    newest.map(|stat| position(&stat.name).map_or(u32::MAX, |position| position as u32)).collect()
}

fn by_addresses(
    newest: &Heap,
    earlier: &Heap,
    types: &[u32],
    cancel: &AtomicBool,
) -> std::result::Result<Vec<u64>, Cancelled> {
    with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
        let (ours, theirs) = (new.types(), old.types());
        let is_one_type = |node: usize, other: usize| types[ours[node] as usize] == theirs[other];
        same_addresses::<u64>(new.addresses(), old.addresses(), is_one_type, cancel)
    }))
}

/// What of a dump is compared with another by path.
struct Paths {
    keys: Vec<Key>,
    labels: Vec<u32>,
    types: Vec<u32>,
}

fn by_paths(newest: &Heap, earlier: &Heap, types: &[u32], cancel: &AtomicBool) -> Result<Vec<u64>> {
    let n_theirs = earlier.open.manifest.types.len() as u32;
    // Types that only the newest dump has get numbers of their own.
    let ours = (0_u32..)
        .zip(types)
        .map(|(rank, common)| if *common == u32::MAX { n_theirs + rank } else { *common });
    let ours: Vec<u32> = ours.collect();
    let theirs: Vec<u32> = (0..n_theirs).collect();
    let mut names: HashMap<String, u32> = HashMap::new();
    let mut first = paths(newest, &ours, &mut names)?;
    let mut second = paths(earlier, &theirs, &mut names)?;
    if first.labels.is_empty() || second.labels.is_empty() {
        (first.labels, second.labels) = (Vec::new(), Vec::new());
    }
    let found: Vec<u64> = with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
        let (our_roots, their_roots) = (roots(new, &mut names), roots(old, &mut names));
        let ours = side(new, &first, &our_roots);
        same_paths(&ours, &side(old, &second, &their_roots), cancel)?
            .partners
            .into_iter()
            .map(widened)
            .collect()
    }));
    Ok(found)
}

fn widened<J: Id>(partner: J) -> u64 {
    if partner == J::NONE { u64::NONE } else { partner.index() as u64 }
}

fn side<'g, I: Id>(index: &'g GraphIndex<I>, paths: &'g Paths, roots: &'g [(I, u32)]) -> PathSide<'g, I> {
    let graph = index.graph();
    PathSide {
        forward: graph.forward,
        skip: graph.skip,
        types: &paths.types,
        keys: &paths.keys,
        labels: &paths.labels,
        roots,
    }
}

fn roots<I: Id>(index: &GraphIndex<I>, names: &mut HashMap<String, u32>) -> Vec<(I, u32)> {
    let mut number = |i| number_of(names, index.root_kind(i));
    index.roots().iter().enumerate().map(|(i, root)| (*root, number(i))).collect()
}

/// A number of a text, from 1.
fn number_of(names: &mut HashMap<String, u32>, text: &str) -> u32 {
    let next = names.len() as u32 + 1;
    match names.get(text) {
        Some(number) => *number,
        None => *names.entry(text.to_owned()).or_insert(next),
    }
}

fn paths(heap: &Heap, common: &[u32], names: &mut HashMap<String, u32>) -> Result<Paths> {
    let mut keys = Key::nones(heap.n_nodes());
    heap.each_name(|node, name| {
        let mut hasher = std::hash::DefaultHasher::new();
        name.hash(&mut hasher);
        keys[node] = Key::must(hasher.finish());
    })?;
    let n_edges = with_index!(&*heap.open.index, |index| index.graph().forward.n_edges());
    let mut labels = Vec::new();
    heap.each_label(|edge, label| {
        if labels.is_empty() {
            labels = vec![0; n_edges];
        }
        if let Some(place) = labels.get_mut(edge) {
            *place = number_of(names, label);
        }
    })?;
    let types = with_index!(&*heap.open.index, |index| index.types().to_vec());
    Ok(Paths { keys, labels, types: types.into_iter().map(|rank| common[rank as usize]).collect() })
}

/// The prefix sums of what has come and what has gone.
fn sums<I: Id, J: Id>(new: &GraphIndex<I>, old: &GraphIndex<J>, partners: &[u64]) -> (Vec<i64>, Vec<i64>) {
    let mut is_there = BitSet::new(old.n_nodes());
    partners.iter().filter(|partner| **partner != u64::NONE).for_each(|p| is_there.insert(*p as usize));
    let size = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let fresh = prefix(new.preorder().iter().map(|node| {
        let own = size(new.sizes()[node.index()]);
        match partners[node.index()] {
            u64::NONE => own,
            partner => own.saturating_sub(size(old.sizes()[partner as usize])),
        }
    }));
    let gone = prefix(
        old.preorder()
            .iter()
            .map(|node| if is_there.contains(node.index()) { 0 } else { size(old.sizes()[node.index()]) }),
    );
    (fresh, gone)
}

fn prefix(numbers: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut sum = 0_i64;
    std::iter::once(0)
        .chain(numbers.map(|number| {
            sum = sum.saturating_add(number);
            sum
        }))
        .collect()
}
