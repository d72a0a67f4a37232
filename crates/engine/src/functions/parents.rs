//! `parents`: who refers to a set.

use heaplake_graph::{Id, Walk};

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, HOPS, OBJECT, SET},
};

pub(super) static PARENTS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "parents",
        group: FunctionGroup::Graph,
        usage: "parents(set [, hops] [, dump])",
        purpose: "The objects that refer to those of the set, and what refers to these, up to some hops, each once, nearest \
                  first. Weak references are not followed.",
        arguments: &[SET, ArgumentDoc::number("hops", 1, "how many references to go up"), DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[HOPS, OBJECT])]),
        cost: "The references to what it finds; 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    question.walked(Walk::Up)
}
