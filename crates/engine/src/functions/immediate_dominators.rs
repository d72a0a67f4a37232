//! `immediate_dominators`: which objects hold those of a set.

use std::{cmp::Reverse, collections::BTreeMap};

use heaplake_graph::Id;
use heaplake_store::with_index;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{
        DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, SET, addresses, numbers, texts_or_null,
    },
    summary::saturating,
};

pub(super) static IMMEDIATE_DOMINATORS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "immediate_dominators",
        group: FunctionGroup::Graph,
        usage: "immediate_dominators(set [, dump])",
        purpose: "Which objects hold those of the set: their immediate dominators, with totals of what each of them holds, \
                  those that hold most first. The objects that no single one holds are in one row.",
        arguments: &[SET, DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column("address", ColumnType::UInt64, "address of the dominator")
                .null("for the objects that no single object holds"),
            column("type", ColumnType::Text, "its type").null("for the objects that no single object holds"),
            column("objects", ColumnType::Int64, "objects of the set that it dominates immediately"),
            column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            column("retained", ColumnType::Int64, "what would be freed with them").unit("bytes"),
        ]])]),
        cost: "O(objects of the set), of which there is a list in memory.",
        source: None,
    },
    bytes_per_object: |_| 0,
    answer: (answer, answer),
};

/// A dominator (`None` is the super-root), and the objects, size and retained size of what it holds.
type Held = (Option<u64>, [i64; 3]);

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    let (sizes, retained, idoms) = (index.sizes(), index.retained(), index.idoms());
    let mut sums: BTreeMap<usize, [u64; 3]> = BTreeMap::new();
    for node in question.nodes() {
        let node = node.index();
        let [objects, size, held] = sums.entry(idoms[node].index()).or_default();
        *objects += 1;
        *size = size.saturating_add(sizes.at(node));
        *held = held.saturating_add(retained.at(node));
    }
    let mut rows: Vec<Held> = sums
        .into_iter()
        .map(|(node, sums)| ((node < index.n_nodes()).then_some(node as u64), sums.map(saturating)))
        .collect();
    rows.sort_by_key(|(_, [_, _, retained])| Reverse(*retained));
    Ok(ListRows::boxed(rows, |name, rows: &[Held], _, open| match name {
        "address" => with_index!(&*open.index, |index| {
            addresses(rows.iter().map(|(node, _)| node.map(|node| index.addresses()[node as usize])))
        }),
        "type" => with_index!(&*open.index, |index| {
            let name = |node: u64| open.type_name(index.types().at(node as usize));
            texts_or_null(rows.iter().map(|(node, _)| node.map(name)))
        }),
        "objects" => numbers(rows.iter().map(|(_, sums)| sums[0])),
        "size" => numbers(rows.iter().map(|(_, sums)| sums[1])),
        "retained" => numbers(rows.iter().map(|(_, sums)| sums[2])),
        _ => None,
    }))
}
