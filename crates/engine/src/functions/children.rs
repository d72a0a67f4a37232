//! `children`: what a set refers to.

use heaplake_graph::{Id, Walk};

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, HOPS, OBJECT, SET},
};

pub(super) static CHILDREN: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "children",
        group: FunctionGroup::Graph,
        usage: "children(set [, hops] [, dump])",
        purpose: "The objects that those of the set refer to, and what these refer to, up to some hops, each once, nearest \
                  first. Weak references are not followed.",
        arguments: &[SET, ArgumentDoc::number("hops", 1, "how many references to go down"), DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[HOPS, OBJECT])]),
        cost: "The references of what it finds; 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    question.walked(Walk::Down)
}
