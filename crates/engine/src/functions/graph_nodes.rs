//! `graph_nodes`: all objects, with what the index says.

use heaplake_graph::Id;

use crate::{
    function::{FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, OBJECT, ObjectRows},
};

pub(super) static GRAPH_NODES: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "graph_nodes",
        group: FunctionGroup::Graph,
        usage: "graph_nodes([dump])",
        purpose: "All objects as the index has them, by address: `obj` of a what-if layer is made of it.",
        arguments: &[DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[OBJECT])]),
        cost: "O(objects); 16 bytes of memory for each.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    let there = (0..index.n_nodes()).filter(|node| index.is_there(*node));
    Ok(ObjectRows::boxed(there.map(|node| node as u64).collect()))
}
