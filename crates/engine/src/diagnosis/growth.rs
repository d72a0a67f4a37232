//! Which object of an earlier dump is which of the newest, and where bytes have come since.
//!
//! Two moments of one process are paired by address and type, others by path ([`same_paths`]). An object without a partner is
//! new. The growth below a node is the sizes of the new objects that it dominates, and what old ones have grown, less what
//! the earlier dump had there and the newest has not: a difference of two prefix sums over the preorders of the dominator
//! trees. What merely moved counts nothing. O(nodes + edges) for a pair of dumps, one pass over each array.

use std::{
    collections::HashMap,
    hash::{Hash as _, Hasher as _},
    sync::atomic::{AtomicBool, Ordering},
};

use heaplake_graph::{BitSet, Cancelled, Id, Key, PathSide, same_addresses, same_paths};
use heaplake_store::{GraphIndex, with_index};

use super::{candidate::MIN_SIBLINGS, heap::Heap};
use crate::Result;

/// Which object of an earlier dump each of the newest was.
#[derive(Debug)]
pub(super) struct Partners {
    /// By node of the newest dump.
    of: PartnerNumbers,
    /// Whether they were found by their addresses.
    pub(super) by_address: bool,
}

/// Numbers of nodes of an earlier dump, [`Id::NONE`] for a new object, in the width that they need.
#[derive(Debug)]
enum PartnerNumbers {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

/// The newest dump against an earlier one.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) partners: Partners,
    /// Bytes of growth before each position of the preorder of the newest dump.
    fresh: Vec<i64>,
    /// All growth.
    pub(super) total: i64,
    /// The old nodes that have grown, the most first.
    pub(super) grown: Vec<Grown>,
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
/// Nodes that have grown little, with others in the same collection, that are looked at more closely, at most.
const MAX_GROWN_TOGETHER: usize = 4096;
/// References more from which on a node is looked at.
const MIN_REFS: i64 = 3;

impl Partners {
    pub(super) fn of(newest: &Heap, earlier: &Heap, cancel: &AtomicBool) -> Result<Self> {
        let types = common_types(newest, earlier);
        let may_be_one = {
            let (a, b) = (&newest.manifest().process, &earlier.manifest().process);
            let survive = newest.manifest().runtime().addresses_survive
                && earlier.manifest().runtime().addresses_survive;
            survive && a.identity().zip(b.identity()).is_none_or(|(a, b)| a == b)
        };
        if may_be_one {
            let of = by_addresses(newest, earlier, &types, cancel)?.of_alive(newest, earlier);
            let least = SAME_PROCESS * earlier.n_nodes().min(newest.n_nodes()) as f64;
            if of.n_found() as f64 >= least {
                return Ok(Self { of, by_address: true });
            }
        }
        let of = by_paths(newest, earlier, &types, cancel)?.of_alive(newest, earlier);
        Ok(Self { of, by_address: false })
    }

    /// What a node of the newest dump was in the earlier one.
    pub(super) fn get(&self, node: usize) -> Option<usize> {
        self.of.get(node)
    }
}

impl PartnerNumbers {
    fn get(&self, node: usize) -> Option<usize> {
        fn of<I: Id>(numbers: &[I], node: usize) -> Option<usize> {
            numbers.get(node).filter(|number| **number != I::NONE).map(|number| number.index())
        }
        match self {
            Self::Narrow(numbers) => of(numbers, node),
            Self::Wide(numbers) => of(numbers, node),
        }
    }

    /// The same without what the next collection frees, in either dump: it has gone.
    fn of_alive(self, newest: &Heap, earlier: &Heap) -> Self {
        fn of<I: Id>(mut numbers: Vec<I>, newest: &Heap, earlier: &Heap) -> Vec<I> {
            let is_gone = |node: usize, partner: I| {
                partner != I::NONE && (newest.is_collected(node) || earlier.is_collected(partner.index()))
            };
            let gone: Vec<usize> = (0..numbers.len()).filter(|node| is_gone(*node, numbers[*node])).collect();
            gone.into_iter().for_each(|node| numbers[node] = I::NONE);
            numbers
        }
        match self {
            Self::Narrow(numbers) => Self::Narrow(of(numbers, newest, earlier)),
            Self::Wide(numbers) => Self::Wide(of(numbers, newest, earlier)),
        }
    }

    fn n_found(&self) -> usize {
        fn of<I: Id>(numbers: &[I]) -> usize {
            numbers.iter().filter(|number| **number != I::NONE).count()
        }
        match self {
            Self::Narrow(numbers) => of(numbers),
            Self::Wide(numbers) => of(numbers),
        }
    }
}

impl Growth {
    pub(super) fn of(newest: &Heap, earlier: &Heap, cancel: &AtomicBool) -> Result<Self> {
        let partners = Partners::of(newest, earlier, cancel)?;
        let (fresh, total, grown) =
            with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
                let fresh = fresh((newest, new), old, &partners, cancel)?;
                let mut is_there = BitSet::new(old.n_nodes());
                let found = (0..new.n_nodes()).filter_map(|node| partners.get(node));
                found.for_each(|partner| is_there.insert(partner));
                let gone = gone((earlier, old), &is_there, cancel)?;
                let total = last(&fresh) - last(&gone);
                let paired = (&partners, &is_there);
                let grown = grown((newest, earlier), new, old, paired, (&fresh, &gone), cancel)?;
                (fresh, total, grown)
            }));
        Ok(Self { partners, fresh, total, grown })
    }

    /// What a node of the newest dump was in the earlier one.
    pub(super) fn partner(&self, node: usize) -> Option<usize> {
        self.partners.get(node)
    }

    /// Bytes that have come below a node of the newest dump, itself included.
    pub(super) fn fresh_below(&self, newest: &Heap, node: usize) -> i64 {
        with_index!(&*newest.open.index, |index| below(index, &self.fresh, node))
    }
}

/// The old nodes that have grown, the most first. `fresh` and `gone` are the sums that the functions of these names give.
///
/// The nodes are taken in their order, in which nearly all arrays are read in order, too. Most nodes dominate nothing in both
/// dumps; these need no sums. What the tables and nodes of a collection have grown is the growth of the collection: that of a
/// tree is spread over all of its nodes.
fn grown<I: Id, J: Id>(
    (newest, earlier): (&Heap, &Heap),
    new: &GraphIndex<I>,
    old: &GraphIndex<J>,
    (partners, is_there): (&Partners, &BitSet),
    (fresh, gone): (&[i64], &[i64]),
    cancel: &AtomicBool,
) -> std::result::Result<Vec<Grown>, Cancelled> {
    let n_nodes = new.n_nodes();
    let mut own = vec![0_i64; n_nodes];
    let is_like = |node: usize, then: usize| newest.type_name(node) == earlier.type_name(then);
    let mut places = Places {
        idoms: new.idoms(),
        old_idoms: old.idoms(),
        partners,
        is_there,
        is_like: &is_like,
        decided: BitSet::new(n_nodes),
        in_place: BitSet::new(n_nodes),
        known: HashMap::new(),
    };
    let (counts, old_counts) = (new.retained_counts(), old.retained_counts());
    for node in 0..n_nodes {
        check(node, cancel)?;
        let Some(partner) = partners.get(node) else { continue };
        if new.positions()[node] == I::NONE {
            continue;
        }
        let growth = if counts.at(node).index() == 1 && old_counts.at(partner).index() == 1 {
            signed(new.sizes().at(node)).saturating_sub(signed(old.sizes().at(partner)))
        } else {
            below(new, fresh, node).saturating_sub(below(old, gone, partner))
        };
        if growth != 0 && places.is_in_place(node) {
            own[node] = own[node].saturating_add(growth);
            if let Some(above) = places.above(node) {
                own[above] = own[above].saturating_sub(growth);
            }
        }
    }
    let mut collections: HashMap<usize, usize> = HashMap::new();
    for node in 0..n_nodes {
        check(node, cancel)?;
        if own[node] != 0 && newest.is_part(node) {
            let growth = std::mem::take(&mut own[node]);
            let collection = newest.collection_known(node, &mut collections);
            own[collection] = own[collection].saturating_add(growth);
        }
    }
    let (forward, forward_then) = (new.graph().forward, old.graph().forward);
    let least = (last(fresh).saturating_sub(last(gone)).max(0) / 200).max(256);
    let (mut grown, mut small) = (Vec::new(), Vec::new());
    for (node, own) in own.into_iter().enumerate() {
        let Some(partner) = partners.get(node) else { continue };
        let refs = forward.range(node).len() as i64 - forward_then.range(partner).len() as i64;
        let found = Grown { node, refs, own };
        if refs >= MIN_REFS && places.is_in_place(node) || own >= least {
            grown.push(found);
        } else if own > 0 {
            small.push(found);
        }
    }
    let weight = |grown: &Grown| grown.own.max(grown.refs.max(0).saturating_mul(64));
    let order = |grown: &Grown| (std::cmp::Reverse(weight(grown)), grown.node);
    grown.sort_unstable_by_key(order);
    small.extend(grown.split_off(grown.len().min(MAX_GROWN)));
    // Many that have grown a little each, in one collection, are as good as one that has grown much.
    let mut groups: HashMap<(usize, u32), Vec<Grown>> = HashMap::new();
    for found in small {
        let Some(above) = newest.idom(found.node) else { continue };
        let collection = newest.collection_known(above, &mut collections);
        groups.entry((collection, newest.type_rank(found.node))).or_default().push(found);
    }
    let is_much = |group: &Vec<Grown>| {
        group.len() >= MIN_SIBLINGS && group.iter().map(|found| found.own).sum::<i64>() >= least
    };
    let mut together: Vec<Grown> = groups.into_values().filter(is_much).flatten().collect();
    together.sort_unstable_by_key(order);
    together.truncate(MAX_GROWN_TOGETHER);
    grown.extend(together);
    Ok(grown)
}

/// Which old nodes are where they were, and the nearest of these that dominates a node.
///
/// Memory that was freed is used again, so that a new object may lie where one of its type was, and seem to be old. Of such objects below
/// a new one, those are taken for new that another object dominated then, unless that was the new one's predecessor: of its type, and
/// gone. Otherwise the growth of a chain would be shared out among those of its links that lie where something of their type was.
struct Places<'a, I, J> {
    idoms: &'a [I],
    old_idoms: &'a [J],
    partners: &'a Partners,
    /// The nodes of the earlier dump that are in the newest.
    is_there: &'a BitSet,
    /// Whether a node, and one of the earlier dump, are of one type.
    is_like: &'a dyn Fn(usize, usize) -> bool,
    /// The nodes for which it has been decided whether they are where they were. What dominates one of them is decided, too.
    decided: BitSet,
    /// Those of them that are where they were.
    in_place: BitSet,
    /// By node that is not where it was and was passed, the nearest above that is; `None` below the super-root. So no chain of new nodes
    /// is walked twice.
    known: HashMap<usize, Option<usize>>,
}

impl<I: Id, J: Id> Places<'_, I, J> {
    fn is_in_place(&mut self, node: usize) -> bool {
        let mut passed = Vec::new();
        let mut at = node;
        while at < self.idoms.len() && !self.decided.contains(at) {
            passed.push(at);
            at = self.idoms[at].index();
        }
        while let Some(node) = passed.pop() {
            let is_it = self.partners.get(node).is_some_and(|then| self.was_here(node, then));
            self.decided.insert(node);
            if is_it {
                self.in_place.insert(node);
            }
        }
        self.in_place.contains(node)
    }

    /// Whether a node is where its partner was; what dominates it is decided.
    fn was_here(&mut self, node: usize, then: usize) -> bool {
        let dominator = self.idoms[node].index();
        if dominator >= self.idoms.len() || self.in_place.contains(dominator) {
            return true;
        }
        let above = self.above(node).and_then(|above| self.partners.get(above));
        let above_then = Some(self.old_idoms[then].index()).filter(|at| *at < self.old_idoms.len());
        let is_replaced = |then: usize| !self.is_there.contains(then) && (self.is_like)(dominator, then);
        above == above_then || above_then.is_some_and(is_replaced)
    }

    /// The nearest node that is where it was and dominates a node.
    fn above(&mut self, node: usize) -> Option<usize> {
        let mut passed = Vec::new();
        let mut at = node;
        let found = loop {
            at = self.idoms[at].index();
            if at >= self.idoms.len() {
                break None;
            }
            if self.is_in_place(at) {
                break Some(at);
            }
            if let Some(known) = self.known.get(&at) {
                break *known;
            }
            passed.push(at);
        };
        self.known.extend(passed.into_iter().map(|node| (node, found)));
        found
    }
}

fn below<I: Id>(index: &GraphIndex<I>, before: &[i64], node: usize) -> i64 {
    let position = index.positions()[node];
    if position == I::NONE {
        return 0;
    }
    let end = (position.index() + index.retained_counts().at(node).index()).min(before.len() - 1);
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
) -> std::result::Result<PartnerNumbers, Cancelled> {
    with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
        let (ours, theirs) = (new.types(), old.types());
        let is_one_type = |node: usize, other: usize| types[ours.at(node) as usize] == theirs.at(other);
        let (new, old) = (new.addresses(), old.addresses());
        Ok(if is_narrow(earlier) {
            PartnerNumbers::Narrow(same_addresses(new, old, is_one_type, cancel)?)
        } else {
            PartnerNumbers::Wide(same_addresses(new, old, is_one_type, cancel)?)
        })
    }))
}

fn is_narrow(earlier: &Heap) -> bool {
    earlier.n_nodes() <= u32::MAX_INDEX
}

/// What of a dump is compared with another by path.
struct Paths {
    keys: Vec<Key>,
    labels: Vec<u32>,
    types: Vec<u32>,
}

fn by_paths(newest: &Heap, earlier: &Heap, types: &[u32], cancel: &AtomicBool) -> Result<PartnerNumbers> {
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
    with_index!(&*newest.open.index, |new| with_index!(&*earlier.open.index, |old| {
        let (our_roots, their_roots) = (roots(new, &mut names), roots(old, &mut names));
        let ours = side(new, &first, &our_roots);
        let partners = same_paths(&ours, &side(old, &second, &their_roots), cancel)?.partners.into_iter();
        Ok(if is_narrow(earlier) {
            PartnerNumbers::Narrow(partners.map(resized).collect())
        } else {
            PartnerNumbers::Wide(partners.map(resized).collect())
        })
    }))
}

fn resized<J: Id, K: Id>(partner: J) -> K {
    if partner == J::NONE { K::NONE } else { K::new(partner.index()) }
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

/// By position of the preorder of the newest dump, and one more at the end: what has come before it.
fn fresh<I: Id, J: Id>(
    (newest, new): (&Heap, &GraphIndex<I>),
    old: &GraphIndex<J>,
    partners: &Partners,
    cancel: &AtomicBool,
) -> std::result::Result<Vec<i64>, Cancelled> {
    sums(new, cancel, |node| {
        if newest.is_collected(node) {
            return 0;
        }
        let own = signed(new.sizes().at(node));
        partners.get(node).map_or(own, |partner| own.saturating_sub(signed(old.sizes().at(partner))))
    })
}

/// By position of the preorder of the earlier dump, and one more at the end: what has gone before it.
fn gone<J: Id>(
    (earlier, old): (&Heap, &GraphIndex<J>),
    is_there: &BitSet,
    cancel: &AtomicBool,
) -> std::result::Result<Vec<i64>, Cancelled> {
    let is_gone = |node: usize| !is_there.contains(node) && !earlier.is_collected(node);
    sums(old, cancel, |node| if is_gone(node) { signed(old.sizes().at(node)) } else { 0 })
}

/// The sums of a number of each node before each position of the preorder. The nodes are taken in their order: their numbers are
/// in order, too, and only what is not zero is put elsewhere.
fn sums<I: Id>(
    index: &GraphIndex<I>,
    cancel: &AtomicBool,
    number: impl Fn(usize) -> i64,
) -> std::result::Result<Vec<i64>, Cancelled> {
    let mut sums = vec![0; index.preorder().len() + 1];
    for (node, position) in index.positions().iter().enumerate() {
        check(node, cancel)?;
        let number = if *position == I::NONE { 0 } else { number(node) };
        if number != 0
            && let Some(place) = sums.get_mut(position.index() + 1)
        {
            *place = number;
        }
    }
    let mut sum = 0_i64;
    for number in &mut sums {
        sum = sum.saturating_add(*number);
        *number = sum;
    }
    Ok(sums)
}

/// Looks now and then, by the number of a step, whether to stop.
fn check(step: usize, cancel: &AtomicBool) -> std::result::Result<(), Cancelled> {
    let is_time = step.is_multiple_of(1 << 16);
    if is_time && cancel.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
}

fn last(sums: &[i64]) -> i64 {
    sums.last().copied().unwrap_or(0)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: u32 = u32::MAX;

    /// Of each node, whether it is where it was, and the nearest above that is. `is_like`: whether all objects are of one type.
    fn places(idoms: &[u32], old_idoms: &[u32], of: Vec<u32>, is_like: bool) -> Vec<(bool, Option<usize>)> {
        let mut is_there = BitSet::new(old_idoms.len());
        of.iter().filter(|then| **then != NEW).for_each(|then| is_there.insert(*then as usize));
        let partners = Partners { of: PartnerNumbers::Narrow(of), by_address: true };
        let (decided, in_place) = (BitSet::new(idoms.len()), BitSet::new(idoms.len()));
        let mut places = Places {
            idoms,
            old_idoms,
            partners: &partners,
            is_there: &is_there,
            is_like: &|_, _| is_like,
            decided,
            in_place,
            known: HashMap::new(),
        };
        // The last first, so that what is above is found and not known.
        let mut found: Vec<_> =
            (0..idoms.len()).rev().map(|node| (places.is_in_place(node), places.above(node))).collect();
        assert!(places.known.len() <= idoms.len());
        found.reverse();
        found
    }

    #[test]
    fn the_nearest_old_object_above_is_found_through_new_ones() {
        // 0 is old; 1, 2 and 3 are a chain of new objects below it; 4 and 5 are old and below the chain, as they were below 0;
        // 6 is new, below nothing, and dominates 7, which is old. The super-root is 8, and was 4.
        let of = vec![0, NEW, NEW, NEW, 1, 2, NEW, 3];
        let found = places(&[8, 0, 1, 2, 3, 3, 8, 6], &[4, 0, 0, 4], of, false);
        let above: Vec<Option<usize>> = found.iter().map(|(_, above)| *above).collect();
        assert_eq!(above, [None, Some(0), Some(0), Some(0), Some(0), Some(0), None, None]);
        let in_place: Vec<usize> = (0..8).filter(|node| found[*node].0).collect();
        assert_eq!(in_place, [0, 4, 5, 7]);
    }

    #[test]
    fn what_lies_where_something_else_was_is_new() {
        // 0 holds a chain of 1 to 4; 2 and 4 lie where something was that 5 held, which is there still.
        let of = vec![0, NEW, 2, NEW, 3, 1];
        let found = places(&[6, 0, 1, 2, 3, 6], &[4, 4, 1, 1], of.clone(), false);
        assert_eq!(
            found.iter().map(|(is, _)| *is).collect::<Vec<_>>(),
            [true, false, false, false, false, true]
        );
        assert!(found[1..5].iter().all(|(_, above)| *above == Some(0)));
        // What held it is gone, and the object above is of its type: a container that was made anew has what the old one had.
        let of = vec![0, NEW, 2, NEW, 3, NEW];
        let found = |is_like| places(&[6, 0, 1, 1, 1, 6], &[4, 4, 1, 1], of.clone(), is_like);
        assert!(found(true)[2].0 && found(true)[4].0);
        assert!(!found(false)[2].0 && !found(false)[4].0);
    }

    #[test]
    fn new_objects_have_no_partner_in_either_width() {
        let narrow = PartnerNumbers::Narrow(vec![7, u32::MAX]);
        let wide = PartnerNumbers::Wide(vec![7, u64::MAX]);
        for numbers in [narrow, wide] {
            assert_eq!((numbers.get(0), numbers.get(1), numbers.get(2)), (Some(7), None, None));
            assert_eq!(numbers.n_found(), 1);
        }
    }
}
