//! `top_retained`: the objects that retain most.

use heaplake_graph::Id;

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, OBJECT, ObjectRows},
};

pub(super) static TOP_RETAINED: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "top_retained",
        group: FunctionGroup::Graph,
        usage: "top_retained([n] [, dump])",
        purpose: "The objects that retain most, the first of them first. One may hold another, so that what they retain \
                  overlaps.",
        arguments: &[ArgumentDoc::number("n", 20, "how many objects"), DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[OBJECT])]),
        cost: "O(objects); 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    let there = (0..index.n_nodes()).filter(|node| index.is_there(*node));
    Ok(ObjectRows::boxed(question.largest(there.collect())))
}
