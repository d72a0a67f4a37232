//! WeakKeyDictionaries whose values lead to their keys.
//!
//! The dictionary refers to its keys weakly. A key that it dominates all the same is alive only because of a value in it, and stays
//! as long as that value does, which is as long as the key lives.

use super::super::{
    candidate::{Candidate, How},
    heap::Heap,
    words,
};
use heaplake_model::short_type_name;

/// Keys that are kept in this way from which on they are reported.
const MIN_KEYS: usize = 8;

pub(super) fn candidates(heap: &Heap) -> Vec<Candidate> {
    let dictionaries = heap.nodes_of(|name| short_type_name(name) == "WeakKeyDictionary");
    dictionaries.into_iter().filter_map(|node| candidate(heap, node)).collect()
}

fn candidate(heap: &Heap, dictionary: usize) -> Option<Candidate> {
    let dicts = |node: usize| {
        heap.refs(node).into_iter().map(|(_, kid)| kid).filter(|kid| heap.type_name(*kid) == "dict")
    };
    // The entries are in an attribute, which before CPython 3.11 is in a dictionary of attributes.
    let near = dicts(dictionary).flat_map(|dict| std::iter::once(dict).chain(dicts(dict)));
    let data = near.max_by_key(|dict| heap.refs(*dict).len())?;
    let references = heap.refs(data).into_iter().map(|(_, kid)| kid);
    let keys: Vec<usize> = references.flat_map(|kid| heap.weak_refs(kid)).collect();
    let kept: Vec<usize> = keys.iter().copied().filter(|key| heap.dominates(data, *key)).collect();
    if kept.len() < MIN_KEYS || kept.len() * 2 < keys.len() {
        return None;
    }
    let fact = format!(
        "proved: {} of the {} keys of this WeakKeyDictionary are alive only because its own values lead to them",
        words::count(kept.len() as i64),
        words::count(keys.len() as i64)
    );
    let own = heap.retained(data) - heap.size(data);
    Some(Candidate { proof: Some(fact), ..Candidate::new(data, How::Standing, own) })
}
