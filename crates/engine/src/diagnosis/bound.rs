//! How many items a holder may have: what its type enforces, what the dump says of it, and numbers near it that may say so.

use std::collections::{HashMap, HashSet};

use super::{
    candidate::How,
    case::{Case, CountRule},
    heap::{Facts, Heap},
    moments::Moments,
};
use crate::Result;

/// How many items a container may have, which its type enforces: `maxlen` of a deque, `maxsize` of an lru_cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ItemBound {
    pub(super) name: &'static str,
    /// `None` for a container that says that it has no bound.
    pub(super) most: Option<i64>,
    pub(super) used: i64,
}

/// The name of the bound of what has a fixed number of places.
const LENGTH: &str = "length";

impl ItemBound {
    /// Whether it is the length of an array with places left, which a program may replace by a longer one when it is full.
    pub(super) fn may_be_raised(&self, holder_type: &str) -> bool {
        self.name == LENGTH && holder_type.ends_with("[]") && self.most > Some(self.used)
    }
}

/// Whether a case is about the objects that its holder itself refers to.
fn is_of_content(case: &Case) -> bool {
    case.slots.is_empty() && case.rule == CountRule::Direct && case.how != How::Siblings
}

/// Whether a node is an array that a class of the JDK makes anew when it is full.
fn is_made_larger(heap: &Heap, node: usize) -> bool {
    const JDK: [&str; 4] = ["java.", "javax.", "jdk.", "sun."];
    let is_of_jdk = |parent: usize| {
        let name = heap.type_name(parent);
        // The class of a static field is not.
        !name.ends_with("[]")
            && name != "java.lang.Class"
            && JDK.iter().any(|package| name.starts_with(package))
    };
    heap.type_name(node).ends_with("[]")
        && (heap.is_part(node) || heap.parents(node).into_iter().any(is_of_jdk))
}

/// Finds the holders that have as many places as in every dump before, and so cannot grow: arrays of the JVM, and containers whose places are
/// filled one by one. That bounds what they have themselves, not what grows below it. Every dump is asked once.
pub(super) fn find_fixed_lengths<'c>(
    cases: impl Iterator<Item = &'c mut Case>,
    moments: &Moments,
) -> Result<()> {
    let heap = moments.newest();
    let newest = moments.len() - 1;
    let may_be_fixed = |case: &Case| is_of_content(case) && !is_made_larger(heap, case.node);
    let mut asked: HashMap<usize, HashSet<usize>> = HashMap::new();
    let mut found = Vec::new();
    for case in cases.filter(|case| may_be_fixed(case)) {
        let before = (0..newest).filter_map(|at| Some((at, moments.in_place_of(at, case.node)?)));
        let mut places: Vec<(usize, usize)> = before.collect();
        if places.is_empty() {
            continue;
        }
        places.push((newest, case.node));
        for (at, node) in &places {
            asked.entry(*at).or_default().insert(*node);
        }
        found.push((case, places));
    }
    let mut lengths: HashMap<usize, HashMap<usize, i64>> = HashMap::new();
    for (at, nodes) in asked {
        let mut nodes: Vec<usize> = nodes.into_iter().collect();
        nodes.sort_unstable();
        lengths.insert(at, moments.heap(at).lengths(&nodes)?);
    }
    for (case, places) in found {
        let lengths: Vec<Option<i64>> =
            places.iter().map(|(at, node)| lengths.get(at)?.get(node).copied()).collect();
        if let [Some(length), others @ ..] = lengths.as_slice()
            && others.iter().all(|other| *other == Some(*length))
        {
            let used = (heap.refs(case.node).len() as i64).min(*length);
            case.bound = Some(ItemBound { name: LENGTH, most: Some(*length), used });
        }
    }
    Ok(())
}

/// References to numbers from a node, which has not too many.
pub(super) fn numbers_of(heap: &Heap, node: usize) -> Vec<(usize, usize)> {
    const MAX_NUMBERS: usize = 256;
    let mut numbers = heap.refs(node);
    numbers.retain(|(_, kid)| heap.type_name(*kid) == "int");
    if numbers.len() > MAX_NUMBERS { Vec::new() } else { numbers }
}

/// Those from the namespace of the class of an object.
pub(super) fn class_numbers(heap: &Heap, node: usize) -> Vec<(usize, usize)> {
    let below = |node: usize, is_meant: &dyn Fn(usize) -> bool| {
        heap.refs(node).into_iter().map(|(_, kid)| kid).find(|kid| is_meant(*kid))
    };
    let class = below(node, &|kid| matches!(heap.type_name(kid), "type" | "ABCMeta" | "abc.ABCMeta"));
    let namespace = class.and_then(|class| below(class, &|kid| heap.type_name(kid) == "dict"));
    namespace.map_or(Vec::new(), |namespace| numbers_of(heap, namespace))
}

/// Queues of the JDK that never have more items than their array has places.
const RINGS: [&str; 1] = ["java.util.concurrent.ArrayBlockingQueue"];

/// The bound of such a queue, if a case is about what is in it.
pub(super) fn ring_bound(heap: &Heap, case: &Case) -> Result<Option<ItemBound>> {
    let node = case.node;
    if !RINGS.contains(&heap.type_name(node)) || !is_of_content(case) {
        return Ok(None);
    }
    let mut kids = heap.refs(node).into_iter().map(|(_, kid)| kid);
    let Some(array) = kids.find(|kid| heap.type_name(*kid).ends_with("[]")) else { return Ok(None) };
    let length = heap.lengths(&[array])?.remove(&array);
    Ok(length.map(|most| ItemBound { name: "capacity", most: Some(most), used: case.count() }))
}

/// The type of what functools.lru_cache makes.
pub(super) const LRU_WRAPPER: &str = "_lru_cache_wrapper";

/// The bound that the value of a container says: its name, and the number or that there is none.
pub(super) fn bound_said(facts: &Facts, node: usize) -> Option<(&'static str, Option<i64>)> {
    let (name, number) = facts.value(node)?.split_once('=')?;
    let name = *["maxlen", "maxsize"].iter().find(|known| **known == name)?;
    if number == "None" { Some((name, None)) } else { Some((name, Some(number.parse().ok()?))) }
}

/// The bound of an lru_cache in a dump that does not say it: its function `cache_parameters` has it in a cell since CPython 3.9, beside
/// whether it tells types apart. Results of the function may be dictionaries with functions, too, so that the closure must look like this one.
pub(super) fn lru_bound(heap: &Heap, facts: &mut Facts, wrapper: usize) -> Result<Option<i64>> {
    const MAX_FUNCTIONS: usize = 64;
    let below = |node: usize, type_name: &'static str| {
        let kids = heap.refs(node).into_iter().map(|(_, kid)| kid);
        kids.filter(move |kid| heap.type_name(*kid) == type_name)
    };
    let functions = below(wrapper, "dict").flat_map(|namespace| below(namespace, "function"));
    let functions: Vec<usize> = functions.take(MAX_FUNCTIONS).collect();
    heap.load(facts, &functions, &[])?;
    for function in functions.into_iter().filter(|node| facts.name(*node) == Some("<lambda>")) {
        let cells: Vec<usize> =
            below(function, "tuple").flat_map(|closure| below(closure, "cell")).take(MAX_FUNCTIONS).collect();
        let numbers: Vec<usize> = cells.iter().flat_map(|cell| below(*cell, "int")).collect();
        if let ([_, _], [number]) = (cells.as_slice(), numbers.as_slice()) {
            heap.load(facts, &[*number], &[])?;
            return Ok(facts.value(*number).and_then(|value| value.parse().ok()));
        }
    }
    Ok(None)
}
