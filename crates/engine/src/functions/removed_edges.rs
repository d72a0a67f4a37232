//! `removed_edges`: the references that a layer is without.

use heaplake_graph::Id;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, addresses, counts},
};

pub(super) static REMOVED_EDGES: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "removed_edges",
        group: FunctionGroup::Graph,
        usage: "removed_edges([dump])",
        purpose: "The references that a what-if layer is without: `edge` of a layer is made of it. A dump itself has no such \
                  rows.",
        arguments: &[DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column("parent", ColumnType::UInt64, "address of the object that held the reference"),
            column("idx", ColumnType::UInt32, "position among the parent's references, from 0"),
        ]])]),
        cost: "O(objects + removed references); 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let (forward, all) = (question.index.graph().forward, question.index.addresses());
    // Ascending, so the next parent is never before this one.
    let mut node = 0;
    let edges = question.index.removed_edges().iter().map(|edge| {
        while forward.range(node).end <= edge {
            node += 1;
        }
        (all[node], (edge - forward.range(node).start) as u32)
    });
    Ok(ListRows::boxed(edges.collect(), |name, rows: &[(u64, u32)], _, _| match name {
        "parent" => addresses(rows.iter().map(|(parent, _)| Some(*parent))),
        "idx" => counts(rows.iter().map(|(_, idx)| *idx)),
        _ => None,
    }))
}
