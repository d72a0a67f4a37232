//! `kids`: what a set refers to and nobody else does.

use heaplake_graph::{Id, walk_only_children};

use crate::{
    function::{FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, HOPS, OBJECT, ObjectRows, SET},
};

pub(super) static KIDS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "kids",
        group: FunctionGroup::Graph,
        usage: "kids(set [, dump])",
        purpose: "The objects that one object of the set refers to and no other object does, what only these refer to, and \
                  so on down, nearest first.",
        arguments: &[SET, DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[HOPS, OBJECT])]),
        cost: "The references of what it finds and of what is beside it; 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let found = walk_only_children(question.index.graph(), &question.nodes(), question.cancel)?;
    Ok(ObjectRows::with_hops(found))
}
