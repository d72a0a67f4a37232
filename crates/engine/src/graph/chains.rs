//! Chains along which a cycle of types repeats, and the cycle as a pattern of the path language.

use std::sync::{Arc, atomic::AtomicBool};

use datafusion::arrow::array::{ArrayRef, Int64Array, StringViewArray, UInt32Array, UInt64Array};
use heaplake_graph::{Cancelled, Id, NO_DISTANCE, TypedGraph, repeating_chains};
use heaplake_model::TypeRole;
use heaplake_store::{Dump, GraphIndex};

use crate::{
    path::{RootPaths, type_term},
    summary::saturating,
};

/// The longest chain of a motif.
pub(super) struct Chain {
    motif: String,
    repeats: u64,
    chains: u64,
    objects: u64,
    size: u64,
    retained: u64,
    head: u64,
    head_type: String,
    head_root_distance: Option<u32>,
    root_path: Option<String>,
}

/// The chains along which types repeat at least so many times, the first in rank first.
pub(super) fn chains<I: Id>(
    index: &GraphIndex<I>,
    manifest: &Dump,
    min: usize,
    cancel: &AtomicBool,
) -> Result<Vec<Chain>, Cancelled> {
    let names: Vec<&str> = manifest.types.iter().map(|stat| stat.name.as_str()).collect();
    // A container at the start of a chain is part of whatever refers to it.
    let runtime = manifest.manifest.runtime();
    let is_container: Vec<bool> =
        names.iter().map(|name| runtime.has_role(name, TypeRole::Container)).collect();
    let typed = TypedGraph {
        graph: index.graph(),
        types: index.types(),
        is_container: &is_container,
        roots: index.roots(),
        idoms: index.idoms(),
        preorder: index.preorder(),
        positions: index.positions(),
        retained_counts: index.retained_counts(),
    };
    let found = repeating_chains(typed, min, cancel)?;
    let root_paths = RootPaths::new(index, manifest);
    let row = |found: heaplake_graph::RepeatingChain<I>| {
        let Some(head) = found.nodes.first().map(|head| head.index()) else { return Ok(None) };
        let motif = found.motif.iter().map(|step| (names[step.type_rank as usize], step.is_optional));
        let motif: Vec<(&str, bool)> = motif.collect();
        // With several steps of one type an object may come twice.
        let mut nodes = found.nodes;
        nodes.sort_unstable();
        nodes.dedup();
        let distance = index.distances()[head];
        Ok(Some(Chain {
            motif: pattern(&motif),
            repeats: found.repeats as u64,
            chains: found.heads as u64,
            objects: nodes.len() as u64,
            size: index.size_of(&nodes),
            retained: index.retained()[head],
            head: index.addresses()[head],
            head_type: motif.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
            head_root_distance: (distance != NO_DISTANCE).then_some(distance),
            root_path: root_paths.signature(head, cancel)?,
        }))
    };
    found.into_iter().map(row).filter_map(Result::transpose).collect()
}

/// A column of some chains, the first of which is in that place.
pub(super) fn column(column: usize, first: usize, chains: &[Chain]) -> ArrayRef {
    let numbers = |number: fn(&Chain) -> u64| -> ArrayRef {
        Arc::new(chains.iter().map(|chain| saturating(number(chain))).collect::<Int64Array>())
    };
    let texts = |text: fn(&Chain) -> &str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(chains.iter().map(text)))
    };
    match column {
        0 => Arc::new((first as i64 + 1..).take(chains.len()).collect::<Int64Array>()),
        1 => texts(|chain| &chain.motif),
        2 => numbers(|chain| chain.repeats),
        3 => numbers(|chain| chain.chains),
        4 => numbers(|chain| chain.objects),
        5 => numbers(|chain| chain.size),
        6 => numbers(|chain| chain.retained),
        7 => Arc::new(chains.iter().map(|chain| chain.head).collect::<UInt64Array>()),
        8 => texts(|chain| &chain.head_type),
        9 => Arc::new(chains.iter().map(|chain| chain.head_root_distance).collect::<UInt32Array>()),
        _ => Arc::new(chains.iter().map(|chain| chain.root_path.as_deref()).collect::<StringViewArray>()),
    }
}

/// `(LmsModuleSystem -> dict? -> CombinedSystem ->)+`.
fn pattern(steps: &[(&str, bool)]) -> String {
    let step = |(name, is_optional): &(&str, bool)| {
        format!("{}{} ->", type_term(name), if *is_optional { "?" } else { "" })
    };
    format!("({})+", steps.iter().map(step).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motifs_are_patterns() {
        for (steps, expected) in [
            (&[("Node", false)][..], "(Node ->)+"),
            (&[("a.B$C", false), ("dict", true)], "(a.B$C -> dict? ->)+"),
            (
                &[("class \"x\"", false), ("root", false), ("", false)],
                r#"("class ""x""" -> "root" -> "" ->)+"#,
            ),
        ] {
            assert_eq!(pattern(steps), expected);
        }
    }
}
