//! Candidates: objects that may be what must let go, before anything is said about how likely that is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use heaplake_model::{Collector, Unreferenced, root_kind};

use super::{
    growth::Growth,
    heap::Heap,
    signals::SELDOM,
    sort::{Sort, sort_of},
    standing::{MIN_KIDS, descend, main_kids},
    words,
};

/// Why an object is a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It refers to more objects than before.
    Refs,
    /// More is below it than before, below few references.
    Mass,
    /// Objects below it that look the same have all grown.
    Siblings,
    /// Much accumulates in it.
    Standing,
    /// A chain hangs from it.
    Chain,
    /// It is huge itself.
    Huge,
    /// It stands for cycles that nothing else holds.
    Garbage,
    /// It stands for objects that no object refers to.
    External,
    /// It stands for objects that wait for their finalizers.
    Unfinalized,
    /// It stands for objects that wait for ever.
    Stuck,
}

/// A candidate.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) node: usize,
    /// The object that is compared over time: the candidate, or where that is new each time, what refers to it.
    pub(super) anchor: usize,
    pub(super) how: How,
    /// Bytes by which it is ranked before it is looked at closely.
    pub(super) own: i64,
    /// Objects that it stands for: siblings, cycles, objects without referrer.
    pub(super) members: Vec<usize>,
    /// What of the objects below it is meant; empty for all.
    pub(super) slots: Vec<usize>,
    /// What proves that it leaks; `None` where growth and size decide.
    pub(super) proof: Option<String>,
}

/// Siblings that have grown from which on what holds them is the candidate.
pub(super) const MIN_SIBLINGS: usize = 4;
/// Objects of one type that hold one another from which on they are a list whose end grows.
const MIN_LINKS: usize = 4;
/// Links that are looked at.
const MAX_LINKS: usize = 4096;
/// New objects in a collection from which on it is a candidate.
const MIN_CONTENT: usize = 3;
/// Hops that siblings are below what holds them.
const MAX_SIBLING_HOPS: usize = 4;

impl Candidate {
    pub(super) fn new(node: usize, how: How, own: i64) -> Self {
        Self { node, anchor: node, how, own, members: Vec::new(), slots: Vec::new(), proof: None }
    }

    fn with_members(self, members: Vec<usize>) -> Self {
        Self { members, ..self }
    }
}

/// The candidates of what has grown since an earlier dump.
pub(super) fn grown(newest: &Heap, earlier: &Heap, growth: &Growth) -> Vec<Candidate> {
    let is_new = |node: usize| growth.partner(node).is_none();
    let mut found: Vec<Candidate> = Vec::new();
    for grown in &growth.grown {
        let node = grown.node;
        match newest.sort(node) {
            Sort::Frame => continue,
            // Of texts and numbers only a buffer changes where it is, and is then the holder of its own bytes.
            Sort::Scalar => {
                if grown.own > 0 {
                    found.push(Candidate::new(node, How::Huge, grown.own));
                }
                continue;
            }
            _ => {}
        }
        if newest.is_part(node) {
            // Its growth is that of its collection.
            continue;
        }
        if newest.has_parts(node) {
            let content = newest.content(node);
            let n_new = content.iter().filter(|kid| is_new(**kid)).take(MIN_CONTENT).count();
            if n_new == MIN_CONTENT {
                let own = grown.own + shared(newest, growth, node, &content);
                found.push(Candidate::new(node, How::Refs, own));
                continue;
            }
        }
        if let Some(way) = links_to(newest, node) {
            found.push(chain(newest, way[0], &way, grown.own));
            continue;
        }
        let kids: Vec<usize> = newest.dominated(node).into_iter().filter(|kid| is_new(*kid)).collect();
        let heaviest = kids.iter().copied().max_by_key(|kid| growth.fresh_below(newest, *kid));
        let heavy = heaviest.map_or(0, |kid| growth.fresh_below(newest, kid));
        let is_one = heavy * 10 >= grown.own * 6 && grown.own > 0 && heavy > 0;
        match heaviest.filter(|_| is_one) {
            // One new object has it all: a chain, or something that was made since.
            Some(kid) => {
                let descent = descend(newest, kid);
                if descent.is_chain {
                    found.push(chain(newest, node, &descent.way, grown.own));
                    continue;
                }
                let point = descent.way.iter().rev().find(|at| accumulates(newest, **at));
                match point {
                    Some(point) => found.push(Candidate::new(*point, How::Mass, grown.own)),
                    None if newest.size(kid) * 2 >= heavy => {
                        let slots = vec![kid];
                        found.push(Candidate { slots, ..Candidate::new(node, How::Huge, grown.own) });
                    }
                    None => {
                        let slots = vec![kid];
                        found.push(Candidate { slots, ..Candidate::new(node, How::Mass, grown.own) });
                    }
                }
                if grown.refs >= 3 {
                    let own = grown.own - heavy + shared(newest, growth, node, &newest.content(node));
                    found.push(Candidate::new(node, How::Refs, own));
                }
            }
            None if grown.refs >= 3 => {
                let own = grown.own + shared(newest, growth, node, &newest.content(node));
                found.push(Candidate::new(node, How::Refs, own));
            }
            None if newest.size(node) * 2 >= newest.retained(node) => {
                found.push(Candidate::new(node, How::Huge, grown.own));
            }
            None => {
                let at = descend(newest, node);
                found.push(match at.is_chain {
                    true => chain(newest, node, &at.way, grown.own),
                    false => Candidate::new(node, How::Mass, grown.own),
                });
            }
        }
    }
    // An object of a cycle that nothing holds may be where one was that is gone.
    let is_cut_off = |node: usize| newest.root_kind(node).is_some_and(root_kind::is_cut_off);
    let was_held = |node: usize| growth.partner(node).is_some_and(|then| earlier.is_held(then));
    found.extend(outside(newest, &|node| is_new(node) || is_cut_off(node) && was_held(node)));
    let mut best: BTreeMap<usize, Candidate> = BTreeMap::new();
    for candidate in found {
        match best.get_mut(&candidate.node) {
            Some(other) if other.own >= candidate.own => {}
            Some(other) => *other = candidate,
            None => {
                best.insert(candidate.node, candidate);
            }
        }
    }
    siblings(newest, best.into_values().collect())
}

/// New objects below which most of the growth is, or a chain, and which no object alone holds. Nothing old that grows dominates
/// these: several objects refer to them, or they are roots. Of a chain that grows at its head, which no object refers to, any growth
/// counts; `was_there` says whether such a root was there.
pub(super) fn new_tops(newest: &Heap, growth: &Growth, was_there: &dyn Fn(usize) -> bool) -> Vec<Candidate> {
    /// Part of the growth that is much, one in so many.
    const MUCH: i64 = 20;
    const LEAST: i64 = 4096;
    let much = (growth.total / MUCH).max(LEAST);
    let is_inside = |kind: &str| !root_kind::is_cut_off(kind) && !NO_OBJECTS.contains(&kind);
    let mut tops = Vec::new();
    newest.each_undominated(|node| {
        let is_new = growth.partner(node).is_none() && newest.retained_count(node) > 1;
        if is_new && newest.root_kind(node).is_none_or(is_inside) && newest.sort(node) != Sort::Frame {
            tops.push(node);
        }
    });
    let mut found = Vec::new();
    for node in tops {
        let own = growth.fresh_below(newest, node);
        let is_much = own >= much;
        if own <= 0 || !is_much && newest.root_kind(node).is_none() {
            continue;
        }
        let descent = descend(newest, node);
        if descent.is_chain {
            if is_much || was_there(node) {
                found.push(chain(newest, node, &descent.way, own));
            }
        } else if is_much && let Some(point) = descent.way.iter().rev().find(|at| accumulates(newest, **at)) {
            found.push(Candidate::new(*point, How::Mass, own));
        }
    }
    found
}

/// The links of a list of objects that hold one another directly, from its first down to a node; `None` where there are few.
fn links_to(heap: &Heap, node: usize) -> Option<Vec<usize>> {
    let rank = heap.type_rank(node);
    if !matches!(heap.sort(node), Sort::Program | Sort::Wrapper) {
        return None;
    }
    let holds_one = |above: usize| {
        heap.dominated(above).into_iter().filter(|kid| heap.type_rank(*kid) == rank).take(2).count() == 1
    };
    let above =
        |at: &usize| heap.idom(*at).filter(|above| heap.type_rank(*above) == rank && holds_one(*above));
    let mut way: Vec<usize> = std::iter::successors(Some(node), above).take(MAX_LINKS).collect();
    way.reverse();
    (way.len() >= MIN_LINKS).then_some(way)
}

/// Bytes below the new objects that a node has and does not retain alone.
fn shared(newest: &Heap, growth: &Growth, node: usize, content: &[usize]) -> i64 {
    let mut seen = HashSet::new();
    let kids =
        content.iter().copied().filter(|kid| growth.partner(*kid).is_none() && !newest.dominates(node, *kid));
    kids.filter(|kid| seen.insert(*kid)).map(|kid| growth.fresh_below(newest, kid)).sum()
}

/// Whether many objects of one type hang below a node.
fn accumulates(heap: &Heap, node: usize) -> bool {
    let kids = heap.dominated(node);
    kids.len() >= MIN_KIDS
        && main_kids(heap, &kids).is_some_and(|(_, n)| n >= MIN_KIDS && n * 4 >= kids.len())
}

/// The candidate of a chain that passes through `way`: the nearest object above the chain whose type is not one of the chain's. If
/// that object is a module or its dictionary, the first object of the chain itself.
pub(super) fn chain(heap: &Heap, from: usize, way: &[usize], own: i64) -> Candidate {
    // What comes once, or seldom, is before the chain or after it.
    let mut counts: HashMap<u32, usize> = HashMap::new();
    way.iter().for_each(|node| *counts.entry(heap.type_rank(*node)).or_default() += 1);
    let most = counts.values().copied().max().unwrap_or(0);
    let is_link = |n: usize| n > 1 && n * 4 > most;
    let types: HashSet<u32> = counts.into_iter().filter(|(_, n)| is_link(*n)).map(|(rank, _)| rank).collect();
    let begin = way.iter().position(|node| types.contains(&heap.type_rank(*node))).unwrap_or(0);
    // From the second link up to what is before the first.
    let mut line: Vec<usize> = way[begin..].iter().take(2).rev().copied().collect();
    let mut at = line.last().copied().unwrap_or(from);
    while types.contains(&heap.type_rank(at)) && heap.sort(at) != Sort::Module {
        let Some(above) = heap.idom(at) else { break };
        at = above;
        line.push(at);
    }
    let is_namespace = |node: usize| {
        heap.sort(node) == Sort::Module
            || heap.parents(node).into_iter().take(64).any(|parent| heap.sort(parent) == Sort::Module)
    };
    let node = line.iter().rev().copied().find(|node| !is_namespace(*node)).unwrap_or(at);
    Candidate { anchor: at, ..Candidate::new(node, How::Chain, own) }
}

/// New roots that are no part of the program's graph: cycles that only hold themselves, and what no object refers to.
fn outside(newest: &Heap, is_new: &dyn Fn(usize) -> bool) -> Vec<Candidate> {
    if let Unreferenced::Garbage { finalizers } = newest.manifest().runtime().unreferenced {
        return unfinalized(newest, finalizers, is_new);
    }
    let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let is_outside = |kind: &str| root_kind::is_cut_off(kind) || NO_OBJECTS.contains(&kind);
    for (node, kind) in newest.undominated_roots(is_outside) {
        if newest.sort(node) != Sort::Scalar && !newest.is_table_of_subclasses(node) {
            groups.entry((kind, newest.telling_type(node))).or_default().push(node);
        }
    }
    groups
        .into_iter()
        .filter_map(|((kind, _), nodes)| {
            let new: Vec<usize> = nodes.iter().copied().filter(|node| is_new(*node)).collect();
            if new.len() < MIN_SIBLINGS {
                return None;
            }
            let own = new.iter().map(|node| newest.retained(*node)).sum();
            let how = if root_kind::is_cut_off(kind) { How::Garbage } else { How::External };
            let proof = proof_outside(newest, kind, &nodes);
            Some(Candidate { proof, ..Candidate::new(new[0], how, own).with_members(nodes) })
        })
        .collect()
}

/// New objects that nothing but the queue of finalizers keeps. Others that nothing holds are garbage, or what the collector puts
/// into gaps, and no leak.
fn unfinalized(newest: &Heap, finalizers: &[&str], is_new: &dyn Fn(usize) -> bool) -> Vec<Candidate> {
    let mut groups: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for finalizer in newest.nodes_of(|name| finalizers.contains(&name)) {
        for node in newest.weak_refs(finalizer) {
            if newest.root_kind(node).is_some_and(|kind| kind == root_kind::GARBAGE) {
                groups.entry(newest.type_name(node)).or_default().insert(node);
            }
        }
    }
    groups
        .into_values()
        .filter_map(|nodes| {
            let new: Vec<usize> = nodes.iter().copied().filter(|node| is_new(*node)).collect();
            let own = new.iter().map(|node| newest.retained(*node)).sum();
            let members = nodes.into_iter().collect();
            (new.len() >= MIN_SIBLINGS)
                .then(|| Candidate::new(new[0], How::Unfinalized, own).with_members(members))
        })
        .collect()
}

/// What of a single dump is outside of the program's graph, where that alone speaks for a leak.
pub(super) fn leaked_outside(heap: &Heap) -> Vec<Candidate> {
    let is_told = |candidate: &Candidate| {
        candidate.proof.is_some() || candidate.how == How::Unfinalized || is_odd(heap, candidate)
    };
    outside(heap, &|_| true).into_iter().filter(is_told).collect()
}

/// Whether no process has so many such roots unless it leaks them: objects of the program that C code holds, and garbage that the
/// collector is configured to leave. A dump without counts of references shows objects to which nothing refers in the same way.
fn is_odd(heap: &Heap, candidate: &Candidate) -> bool {
    let is_code =
        matches!(heap.sort(candidate.node), Sort::Code | Sort::Module | Sort::Function | Sort::Frame);
    candidate.members.len() >= MIN_PROVED
        && match candidate.how {
            How::External => !is_code && sort_of(heap.telling_type(candidate.node)) == Sort::Program,
            How::Garbage if heap.is_whole() => {
                heap.manifest().process.collector.is_some_and(|collector| collector.threshold > SELDOM)
            }
            _ => false,
        }
}

/// Why some roots of one kind and type will not be freed, if the dump proves it.
fn proof_outside(heap: &Heap, kind: &str, nodes: &[usize]) -> Option<String> {
    if nodes.len() < MIN_PROVED {
        return None;
    }
    let n = words::count(nodes.len() as i64);
    match kind {
        root_kind::GARBAGE if heap.manifest().process.collector.is_some_and(Collector::is_off) => {
            Some(format!(
                "proved: only the {n} cycles themselves refer to their objects, and the collector is off"
            ))
        }
        root_kind::EXTERNAL if nodes.iter().all(|node| is_only_external(heap, *node)) => Some(format!(
            "proved: C code holds each of the {n}: more refers to it than objects do, and no object outside of it does"
        )),
        _ => None,
    }
}

/// Whether an object of the program is held by C code alone.
fn is_only_external(heap: &Heap, node: usize) -> bool {
    heap.sort(node) == Sort::Program
        && heap.parents(node).into_iter().all(|parent| heap.dominates(node, parent))
}

/// Objects of one type outside of the program's graph from which on that alone is a proof.
const MIN_PROVED: usize = 32;
/// The kinds of roots that no object keeps alive.
const NO_OBJECTS: [&str; 3] = [root_kind::UNREFERENCED, root_kind::EXTERNAL, "atexit"];

/// Puts what holds them in the place of candidates that look the same.
fn siblings(newest: &Heap, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut groups: BTreeMap<(usize, Vec<u32>), Vec<usize>> = BTreeMap::new();
    for (i, candidate) in candidates.iter().enumerate() {
        let mut types = vec![newest.type_rank(candidate.node)];
        let mut at = candidate.node;
        for _ in 0..MAX_SIBLING_HOPS {
            let Some(above) = newest.idom(at) else { break };
            groups.entry((above, types.clone())).or_default().push(i);
            types.push(newest.type_rank(above));
            at = above;
        }
    }
    let mut groups: Vec<_> = groups.into_iter().filter(|(_, of)| of.len() >= MIN_SIBLINGS).collect();
    // The nearest first.
    groups.sort_by_key(|((_, types), of)| (types.len(), std::cmp::Reverse(of.len())));
    let mut gone: HashSet<usize> = HashSet::new();
    let mut lifted = Vec::new();
    for ((above, types), of) in groups {
        let of: Vec<usize> = of.into_iter().filter(|i| !gone.contains(i)).collect();
        let sum: i64 = of.iter().map(|i| candidates[*i].own.max(0)).sum();
        let most = of.iter().map(|i| candidates[*i].own).max().unwrap_or(0);
        let kids = newest.dominated(above);
        let alike = kids.iter().filter(|kid| Some(&newest.type_rank(**kid)) == types.last()).count();
        let others = kids.iter().filter(|kid| newest.sort(**kid) != Sort::Scalar).count();
        let is_namespace = matches!(newest.sort(above), Sort::Module | Sort::Code | Sort::Function);
        if of.len() >= MIN_SIBLINGS && most * 2 <= sum && alike * 10 >= others * 6 && !is_namespace {
            gone.extend(&of);
            let members = of.iter().map(|i| candidates[*i].node).collect();
            let above = newest.collection_of(above);
            lifted.push(Candidate::new(above, How::Siblings, sum).with_members(members));
        }
    }
    let mut kept: Vec<Candidate> =
        candidates.into_iter().enumerate().filter(|(i, _)| !gone.contains(i)).map(|(_, c)| c).collect();
    for candidate in lifted {
        match kept.iter_mut().find(|other| other.node == candidate.node) {
            Some(other) => other.own = other.own.saturating_add(candidate.own),
            None => kept.push(candidate),
        }
    }
    kept
}
