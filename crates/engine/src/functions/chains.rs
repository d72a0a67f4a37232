//! `chains`: chains along which a cycle of types repeats, and the cycle as a pattern of the path language.

use std::sync::{Arc, atomic::AtomicBool};

use datafusion::arrow::array::{ArrayRef, UInt32Array};
use heaplake_graph::{Cancelled, Id, NO_DISTANCE, TypedGraph, repeating_chains};
use heaplake_model::TypeRole;
use heaplake_store::{Dump, GraphIndex};

use crate::{
    function::{ArgumentDoc, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{
        DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, addresses, numbers, texts, texts_or_null,
    },
    path::{RootPaths, type_term},
    snapshot::OpenIndex,
    summary::saturating,
};

pub(super) static CHAINS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "chains",
        group: FunctionGroup::Graph,
        usage: "chains([min] [, dump])",
        purpose: "Cycles of types that repeat along chains of objects, as in lists and in many leaks, found without being told \
                  the types; for each of them the longest chain. docs/graph.md says what counts as one.",
        arguments: &[ArgumentDoc::number("min", 10, "how often a cycle of types has to repeat"), DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column(
                "rank",
                ColumnType::Int64,
                "from 1: first the motifs whose head dominates at least half of its chain; among them the longest chain, \
                 then the most chains",
            ),
            column("motif", ColumnType::Text, "the cycle of types, as a pattern for paths"),
            column(
                "repeats",
                ColumnType::Int64,
                "how often the motif is in the chain as a whole, containers that may be missing left out",
            ),
            column("chains", ColumnType::Int64, "how many objects begin such a chain"),
            column("objects", ColumnType::Int64, "objects of the longest chain"),
            column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            column("retained", ColumnType::Int64, "what would be freed with the head").unit("bytes"),
            column("head", ColumnType::UInt64, "address of the first object of the chain"),
            column("head_type", ColumnType::Text, "its type"),
            column("head_root_distance", ColumnType::UInt32, "references from the nearest root to the head")
                .null("where only garbage or a cycle holds it"),
            column(
                "root_path",
                ColumnType::Text,
                "shortest path from a root to the head, as `path_summary` writes it",
            )
            .null("where no root reaches it"),
        ]])]),
        cost: "O(objects + references), four times; 112 bytes of memory for every object of the dump.",
        source: None,
    },
    // Measured on a list, in which every object is a step of the deepest way and then a place of the chain, with its
    // references, component and number.
    bytes_per_object: |_| 112,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let min = question.number(0) as usize;
    let chains = chains(question.index, question.dump, min, question.cancel)?;
    Ok(ListRows::boxed(chains, chain_column))
}

/// The longest chain of a motif.
struct Chain {
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
fn chains<I: Id>(
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
    let (types, retained_counts) = (index.types().to_vec(), index.retained_counts().to_vec());
    let typed = TypedGraph {
        graph: index.graph(),
        types: &types,
        is_container: &is_container,
        roots: index.roots(),
        idoms: index.idoms(),
        preorder: index.preorder(),
        positions: index.positions(),
        retained_counts: &retained_counts,
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
        let distance = index.distances().at(head);
        Ok(Some(Chain {
            motif: pattern(&motif),
            repeats: found.repeats as u64,
            chains: found.heads as u64,
            objects: nodes.len() as u64,
            size: index.size_of(&nodes),
            retained: index.retained().at(head),
            head: index.addresses()[head],
            head_type: motif.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
            head_root_distance: (distance != NO_DISTANCE).then_some(distance),
            root_path: root_paths.signature(head, cancel)?,
        }))
    };
    found.into_iter().map(row).filter_map(Result::transpose).collect()
}

fn chain_column(name: &str, chains: &[Chain], first: usize, _: &OpenIndex) -> Option<ArrayRef> {
    let sums = |number: fn(&Chain) -> u64| numbers(chains.iter().map(|chain| saturating(number(chain))));
    match name {
        "rank" => numbers((first as i64 + 1..).take(chains.len())),
        "motif" => texts(chains.iter().map(|chain| chain.motif.as_str())),
        "repeats" => sums(|chain| chain.repeats),
        "chains" => sums(|chain| chain.chains),
        "objects" => sums(|chain| chain.objects),
        "size" => sums(|chain| chain.size),
        "retained" => sums(|chain| chain.retained),
        "head" => addresses(chains.iter().map(|chain| Some(chain.head))),
        "head_type" => texts(chains.iter().map(|chain| chain.head_type.as_str())),
        "head_root_distance" => {
            let distances = chains.iter().map(|chain| chain.head_root_distance);
            Some(Arc::new(distances.collect::<UInt32Array>()))
        }
        "root_path" => texts_or_null(chains.iter().map(|chain| chain.root_path.as_deref())),
        _ => None,
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
