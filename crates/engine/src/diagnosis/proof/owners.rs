//! Listeners whose owner is otherwise dead: bound methods in a container that alone keeps the objects that they are bound to.
//!
//! Few of a kind are a program's own wiring, and what a queue holds will be called and leave; many with one function are objects
//! that should have left the registry when everybody else let go of them.

use std::collections::BTreeMap;

use heaplake_model::short_type_name;

use super::super::{
    candidate::{Candidate, How},
    heap::Heap,
    sort::Sort,
    words,
};

/// Owners of one type, with one function, from which on they are reported.
const MIN_OWNERS: usize = 32;
/// Containers that hand on what they hold.
const LINES: [&str; 2] = ["deque", "Queue"];

pub(super) fn candidates(heap: &Heap) -> Vec<Candidate> {
    let mut groups: BTreeMap<(usize, u32, usize), Vec<usize>> = BTreeMap::new();
    for method in heap.nodes_of(|name| matches!(short_type_name(name), "method" | "instancemethod")) {
        let Some(registry) = heap.idom(method).filter(|registry| is_registry(heap, *registry, method)) else {
            continue;
        };
        let refs: Vec<usize> = heap.refs(method).into_iter().map(|(_, kid)| kid).collect();
        let function = refs.iter().find(|kid| heap.sort(**kid) == Sort::Function);
        let owner = refs.iter().find(|kid| heap.sort(**kid) == Sort::Program);
        if let (Some(function), Some(owner)) = (function, owner)
            && heap.dominates(registry, *owner)
        {
            groups.entry((registry, heap.type_rank(*owner), *function)).or_default().push(*owner);
        }
    }
    let mut found = Vec::new();
    for ((registry, owner_type, _), mut owners) in groups {
        owners.sort_unstable();
        owners.dedup();
        if owners.len() < MIN_OWNERS {
            continue;
        }
        let fact = format!(
            "proved: nothing but their listeners in it keeps {} `{}` alive",
            words::count(owners.len() as i64),
            short_type_name(heap.open.type_name(owner_type))
        );
        let own = owners.iter().map(|owner| heap.retained(*owner)).sum();
        found.push(Candidate { proof: Some(fact), ..Candidate::new(registry, How::Standing, own) });
    }
    found
}

/// Whether an object is a container that holds a method for good.
fn is_registry(heap: &Heap, node: usize, method: usize) -> bool {
    let is_line = |node: usize| LINES.iter().any(|word| heap.type_name(node).ends_with(word));
    let kind = short_type_name(heap.type_name(node));
    matches!(kind, "list" | "set" | "dict" | "OrderedDict" | "defaultdict")
        && heap.edge(node, method).is_some()
        && !heap.parents(node).into_iter().take(8).any(is_line)
}
