//! `graph_types`: totals per type, of a layer too.

use heaplake_graph::Id;
use heaplake_store::TypeSums;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, numbers, texts},
    summary::saturating,
};

pub(super) static GRAPH_TYPES: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "graph_types",
        group: FunctionGroup::Graph,
        usage: "graph_types([dump])",
        purpose: "Totals per type as the index has them: `type_stat` of a what-if layer is made of it.",
        arguments: &[DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column("type", ColumnType::Text, "the type"),
            column("objects", ColumnType::Int64, "objects of the type"),
            column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            column("retained", ColumnType::Int64, "what they retain together, at least").unit("bytes"),
        ]])]),
        cost: "O(objects).",
        source: None,
    },
    bytes_per_object: |_| 0,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let sums = (0..).zip(question.index.type_sums(question.dump.types.len()));
    let there = sums.filter(|(_, sums): &(u32, TypeSums)| sums.objects > 0);
    let rows = there.map(|(rank, sums)| (rank, [sums.objects, sums.size, sums.retained].map(saturating)));
    Ok(ListRows::boxed(rows.collect(), |name, rows: &[(u32, [i64; 3])], _, open| match name {
        "type" => texts(rows.iter().map(|(rank, _)| open.type_name(*rank))),
        "objects" => numbers(rows.iter().map(|(_, sums)| sums[0])),
        "size" => numbers(rows.iter().map(|(_, sums)| sums[1])),
        "retained" => numbers(rows.iter().map(|(_, sums)| sums[2])),
        _ => None,
    }))
}
