//! `ancestor_types`: the types above a set, level by level.

use std::{cmp::Reverse, collections::HashMap};

use heaplake_graph::{Id, Walk, walk};

use crate::{
    function::{ArgumentDoc, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, HOPS, ListRows, SET, counts, numbers, texts},
    summary::saturating,
};

pub(super) static ANCESTOR_TYPES: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "ancestor_types",
        group: FunctionGroup::Graph,
        usage: "ancestor_types(set [, depth] [, dump])",
        purpose: "The types of the objects that refer to the set, level by level: who refers to it, who refers to those, and \
                  so on. Every object counts once, at its nearest level.",
        arguments: &[SET, ArgumentDoc::number("depth", 10, "how many levels to go up"), DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            HOPS,
            &[
                column("type", ColumnType::Text, "type of the objects"),
                column("objects", ColumnType::Int64, "objects of this type as many hops away"),
                column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            ],
        ])]),
        cost: "The references to what it finds; 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

/// Hops, type, objects and bytes.
type Level = (u32, u32, [i64; 2]);

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    let found = walk(index.graph(), Walk::Up, &question.nodes(), question.number(0), question.cancel)?;
    let (types, sizes) = (index.types(), index.sizes());
    let mut sums: HashMap<(u32, u32), [u64; 2]> = HashMap::new();
    for (node, hops) in found {
        let [objects, size] = sums.entry((hops, types.at(node.index()))).or_default();
        *objects += 1;
        *size = size.saturating_add(sizes.at(node.index()));
    }
    let mut rows: Vec<Level> =
        sums.into_iter().map(|((hops, rank), sums)| (hops, rank, sums.map(saturating))).collect();
    rows.sort_unstable_by_key(|(hops, rank, [objects, _])| (*hops, Reverse(*objects), *rank));
    Ok(ListRows::boxed(rows, |name, rows: &[Level], _, open| match name {
        "hops" => counts(rows.iter().map(|(hops, ..)| *hops)),
        "type" => texts(rows.iter().map(|(_, rank, _)| open.type_name(*rank))),
        "objects" => numbers(rows.iter().map(|(.., sums)| sums[0])),
        "size" => numbers(rows.iter().map(|(.., sums)| sums[1])),
        _ => None,
    }))
}
