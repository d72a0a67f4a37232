//! `dominated`: what only the objects of a set hold, each for itself.

use heaplake_graph::Id;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, OBJECT, ObjectRows, OwnColumn, SET},
};

pub(super) static DOMINATED: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "dominated",
        group: FunctionGroup::Graph,
        usage: "dominated(set [, dump])",
        purpose: "What each object of the set dominates, itself included: it would be freed with that object alone. Of nested ones \
                  the outermost counts, so that no object comes twice.",
        arguments: &[SET, DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            &[column(
                "dominator",
                ColumnType::UInt64,
                "address of the outermost object of the set that dominates it",
            )],
            OBJECT,
        ])]),
        cost: "What it finds, which is a range of the index for each object of the set.",
        source: None,
    },
    bytes_per_object: |_| 0,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let preorder = question.index.preorder();
    let (mut nodes, mut dominators) = (Vec::new(), Vec::new());
    for range in question.index.outermost(&question.nodes()) {
        let Some(subtree) = preorder.get(range) else { continue };
        let Some(top) = subtree.first() else { continue };
        nodes.extend(subtree.iter().map(|node| node.index() as u64));
        dominators.resize(nodes.len(), top.index() as u64);
    }
    Ok(ObjectRows::with(nodes, vec![("dominator", OwnColumn::Nodes(dominators))]))
}
