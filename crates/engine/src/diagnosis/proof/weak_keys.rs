//! WeakKeyDictionaries and WeakHashMaps whose values lead to their keys.
//!
//! The map refers to its keys weakly. A key that it dominates all the same is alive only because of a value in it, and stays
//! as long as that value does, which is as long as the key lives.

use super::super::{
    candidate::{Candidate, How},
    heap::Heap,
    words,
};
use heaplake_model::short_type_name;

/// Keys that are kept in this way from which on they are reported.
const MIN_KEYS: usize = 8;
/// The tables of Java's maps with weak keys, subclasses included.
const WEAK_TABLE: &str = "java.util.WeakHashMap$Entry[]";

pub(super) fn candidates(heap: &Heap) -> Vec<Candidate> {
    let dictionaries = heap.nodes_of(|name| short_type_name(name) == "WeakKeyDictionary");
    let of_dictionaries = dictionaries.into_iter().filter_map(|node| of_dictionary(heap, node));
    let tables = heap.nodes_of(|name| name == WEAK_TABLE).into_iter();
    let maps = tables.filter_map(|table| heap.idom(table).filter(|map| heap.is_part_of(table, *map)));
    of_dictionaries.chain(maps.filter_map(|map| of_map(heap, map))).collect()
}

/// Whether a node is a map of Java with weak keys.
pub(in crate::diagnosis) fn is_weak_map(heap: &Heap, node: usize) -> bool {
    if !heap.manifest().runtime().has_collection_parts() {
        return false;
    }
    let mut kids = heap.refs(node).into_iter().map(|(_, kid)| kid);
    kids.any(|kid| heap.type_name(kid) == WEAK_TABLE && heap.is_part_of(kid, node))
}

/// The JDK's map, whose entries are weak references to their keys.
fn of_map(heap: &Heap, map: usize) -> Option<Candidate> {
    let (parts, _) = heap.parts_and_content(map);
    let keys: Vec<usize> = parts.into_iter().flat_map(|part| heap.weak_refs(part)).collect();
    proved(heap, map, &keys)
}

fn of_dictionary(heap: &Heap, dictionary: usize) -> Option<Candidate> {
    let dicts = |node: usize| {
        heap.refs(node).into_iter().map(|(_, kid)| kid).filter(|kid| heap.type_name(*kid) == "dict")
    };
    // The entries are in an attribute, which before CPython 3.11 is in a dictionary of attributes.
    let near = dicts(dictionary).flat_map(|dict| std::iter::once(dict).chain(dicts(dict)));
    let data = near.max_by_key(|dict| heap.refs(*dict).len())?;
    let references = heap.refs(data).into_iter().map(|(_, kid)| kid);
    let keys: Vec<usize> = references.flat_map(|kid| heap.weak_refs(kid)).collect();
    proved(heap, data, &keys)
}

/// The candidate of a map that keeps most of its keys by its values.
fn proved(heap: &Heap, data: usize, keys: &[usize]) -> Option<Candidate> {
    let n_kept = keys.iter().filter(|key| heap.dominates(data, **key)).count();
    if n_kept < MIN_KEYS || n_kept * 2 < keys.len() {
        return None;
    }
    let fact = format!(
        "proved: {} of the {} weak keys are alive only because values of the same map lead to them",
        words::count(n_kept as i64),
        words::count(keys.len() as i64)
    );
    let own = heap.retained(data) - heap.size(data);
    Some(Candidate { proof: Some(fact), ..Candidate::new(data, How::Standing, own) })
}
