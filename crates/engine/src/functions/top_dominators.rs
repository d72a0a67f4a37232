//! `top_dominators`: the largest objects that no other holds.

use heaplake_graph::Id;

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, OBJECT, ObjectRows},
};

pub(super) static TOP_DOMINATORS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "top_dominators",
        group: FunctionGroup::Graph,
        usage: "top_dominators([n] [, dump])",
        purpose: "The objects that no single other object holds, the top of the dominator tree, those that retain most \
                  first. What they retain does not overlap.",
        arguments: &[ArgumentDoc::number("n", 20, "how many objects"), DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[OBJECT])]),
        cost: "O(objects that no single one holds); 16 bytes of memory for every object of the dump at most.",
        source: Some(
            "Georgiadis, \"Linear-Time Algorithms for Dominators and Related Problems\", 2005 (Semi-NCA), when \
                      the index is built",
        ),
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    Ok(ObjectRows::boxed(question.largest(index.dominated_by(index.n_nodes()).collect())))
}
