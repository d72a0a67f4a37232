//! Where much accumulates in one dump: points of the dominator tree below which many small things of one type hang, as in
//! Eclipse MAT; chains; single huge objects; and containers whose content others hold as well.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use heaplake_store::with_index;

use super::{
    candidate::{Candidate, How},
    heap::Heap,
    sort::Sort,
};

/// A subtree is looked at if it retains this part of all bytes.
const MIN_PART: i64 = 2000;
/// Objects below the same one from which on it accumulates.
pub(super) const MIN_KIDS: usize = 8;
/// Containers whose content may be shared that are looked at.
const MAX_SHARED: usize = 200;
/// Objects along a heavy path that make a chain.
const MIN_CHAIN: usize = 16;
/// Objects looked at on the way down.
const MAX_LOOKED_AT: usize = 200_000;

/// What a walk down the heaviest objects ends at.
#[derive(Debug)]
pub(super) struct Descent {
    /// The nodes on the way, the first one included.
    pub(super) way: Vec<usize>,
    /// Whether few types take turns along it.
    pub(super) is_chain: bool,
}

/// Goes down from a node as long as one object below holds most of what is there.
pub(super) fn descend(heap: &Heap, from: usize) -> Descent {
    const MAX_STEPS: usize = 4096;
    let mut way = vec![from];
    let mut at = from;
    while way.len() < MAX_STEPS {
        let inside = heap.retained(at) - heap.size(at);
        let Some(next) = heaviest(heap, at).filter(|next| heap.retained(*next) * 10 >= inside * 6) else {
            break;
        };
        if heap.retained_count(next) < 2 {
            break;
        }
        way.push(next);
        at = next;
    }
    let is_chain = is_chain(heap, &way);
    Descent { way, is_chain }
}

/// Whether few types take turns along a path. The nodes of one collection, such as a tree, are not a chain.
pub(super) fn is_chain(heap: &Heap, way: &[usize]) -> bool {
    let way = way.iter().filter(|node| !heap.is_part(**node));
    let types: Vec<u32> = way.map(|node| heap.type_rank(*node)).collect();
    let n_types = types.iter().collect::<HashSet<_>>().len();
    types.len() >= MIN_CHAIN && n_types * 4 <= types.len()
}

fn heaviest(heap: &Heap, node: usize) -> Option<usize> {
    with_index!(&*heap.open.index, |index| {
        index.dominated_by(node).max_by_key(|kid| (index.retained().at(*kid), Reverse(*kid)))
    })
}

/// The type of most of what a node refers to, and how many there are, without texts and numbers where there is anything else.
pub(super) fn main_kids(heap: &Heap, kids: &[usize]) -> Option<(u32, usize)> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    kids.iter().for_each(|kid| *counts.entry(heap.type_rank(*kid)).or_default() += 1);
    let is_scalar = |rank: &u32| heap.sort_of_rank(*rank) == Sort::Scalar;
    let most = |scalars: bool| {
        let counts =
            || counts.iter().filter(|(rank, _)| is_scalar(rank) == scalars).map(|(rank, n)| (*rank, *n));
        let most = counts().map(|(_, n)| n).max()?;
        // Among those that are about as many, the one with most below it.
        let mut as_many: Vec<(u32, usize)> = counts().filter(|(_, n)| n * 10 >= most * 9).collect();
        as_many.sort_unstable();
        match as_many.as_slice() {
            [one] => Some(*one),
            several => {
                let mut bytes: HashMap<u32, i64> = several.iter().map(|(rank, _)| (*rank, 0)).collect();
                for kid in kids {
                    if let Some(sum) = bytes.get_mut(&heap.type_rank(*kid)) {
                        *sum = sum.saturating_add(heap.retained(*kid));
                    }
                }
                several.iter().copied().max_by_key(|(rank, n)| (bytes.get(rank).copied(), *n, Reverse(*rank)))
            }
        }
    };
    match (most(false), most(true)) {
        (Some(object), Some(scalar)) if object.1 * 5 < scalar.1 * 2 => Some(scalar),
        (Some(object), _) => Some(object),
        (None, scalar) => scalar,
    }
}

/// The candidates of a dump.
pub(super) fn candidates(heap: &Heap) -> Vec<Candidate> {
    let n_nodes = heap.n_nodes();
    let mut total = 0_i64;
    heap.each_undominated(|node| total = total.saturating_add(heap.retained(node)));
    let least = (total / MIN_PART).max(1024);
    let is_big = |node: &usize| heap.retained(*node) >= least;
    let mut stack: Vec<usize> = Vec::new();
    heap.each_undominated(|node| stack.extend(Some(node).filter(is_big)));
    let mut in_chain: HashSet<usize> = HashSet::new();
    let mut found = Vec::new();
    let mut looked_at = 0;
    while let Some(node) = stack.pop() {
        looked_at += 1;
        if looked_at > MAX_LOOKED_AT {
            break;
        }
        let kids = heap.dominated(node);
        let inside = heap.retained(node) - heap.size(node);
        stack.extend(kids.iter().copied().filter(is_big));
        if heap.size(node) * 2 >= heap.retained(node)
            && heap.size(node) >= least * 10
            && kids.len() < MIN_KIDS
        {
            found.push(Candidate::new(node, How::Huge, heap.size(node)));
            continue;
        }
        if !in_chain.contains(&node) {
            let descent = descend(heap, node);
            if descent.is_chain {
                in_chain.extend(&descent.way);
                found.push(super::candidate::chain(heap, node, &descent.way, inside));
                continue;
            }
        }
        if matches!(heap.sort(node), Sort::Code | Sort::Module | Sort::Function) || heap.is_part(node) {
            continue;
        }
        let kids = if heap.has_parts(node) { heap.content(node) } else { kids };
        let heaviest = kids.iter().map(|kid| heap.retained(*kid)).max().unwrap_or(0);
        let same = main_kids(heap, &kids);
        if kids.len() >= MIN_KIDS
            && heaviest * 2 < inside
            && same.is_some_and(|(_, n)| n >= MIN_KIDS && n * 4 >= kids.len())
        {
            found.push(Candidate::new(node, How::Standing, inside));
        }
    }
    let known: HashSet<usize> = found.iter().map(|candidate| candidate.node).collect();
    let mut by_refs: Vec<(Reverse<usize>, usize)> = with_index!(&*heap.open.index, |index| {
        let forward = index.graph().forward;
        let many = (0..n_nodes).map(|node| (Reverse(forward.range(node).len()), node));
        many.filter(|(Reverse(n), _)| *n >= 2 * MIN_KIDS).collect()
    });
    by_refs.sort_unstable();
    let is_container = |node: usize| !matches!(heap.sort(node), Sort::Code | Sort::Module | Sort::Function);
    let (mut shared, mut collections) = (HashSet::new(), HashMap::new());
    for (Reverse(n), node) in by_refs.into_iter().filter(|(_, node)| is_container(*node)) {
        let collection = heap.collection_known(node, &mut collections);
        if !known.contains(&collection) && shared.insert(collection) {
            found.push(Candidate::new(collection, How::Standing, n as i64));
            if shared.len() == MAX_SHARED {
                break;
            }
        }
    }
    found
}
