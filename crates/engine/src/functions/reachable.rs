//! `reachable`: what can be reached from a set, itself included.

use heaplake_graph::{BitSet, Id, Walk, walk};

use crate::{
    function::{FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, HOPS, OBJECT, ObjectRows, SET},
};

pub(super) static REACHABLE: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "reachable",
        group: FunctionGroup::Graph,
        usage: "reachable(set [, dump])",
        purpose: "Everything that can be reached from the set over references, itself included with 0 hops, nearest first. \
                  Weak references are not followed.",
        arguments: &[SET, DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[HOPS, OBJECT])]),
        cost: "O(objects + references) of what it finds; 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let nodes = question.nodes();
    let own = BitSet::of(question.index.n_nodes(), nodes.iter().map(|node| node.index()));
    let walked = walk(question.index.graph(), Walk::Down, &nodes, u32::MAX, question.cancel)?;
    let others = walked.into_iter().filter(|(node, _)| !own.contains(node.index()));
    Ok(ObjectRows::with_hops(nodes.iter().map(|node| (*node, 0)).chain(others).collect()))
}
