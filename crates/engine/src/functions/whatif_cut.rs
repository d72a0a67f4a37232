//! `whatif_cut`: what would be freed without some objects and references.

use heaplake_graph::Id;

use crate::{
    function::{ArgumentDoc, ArgumentKind, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    graph::{GraphAnswer, GraphFunction, GraphQuestion, OBJECT, ObjectRows},
};

pub(super) static WHATIF_CUT: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "whatif_cut",
        group: FunctionGroup::Graph,
        usage: "whatif_cut(set [, set]...)",
        purpose: "The objects that could not be reached any more without those of the sets, and without the references of \
                  the sets: exactly what would be freed with all of it.",
        arguments: &[ArgumentDoc::required(
            "set",
            ArgumentKind::Cut,
            "what is cut: objects as everywhere, or references by a predicate that names a column of `edge`, `parent_type` \
             or `child_type`",
        )
        .repeated()],
        result: ResultDoc::Rows(&[RowsDoc::always(&[OBJECT])]),
        cost: "O(objects + references) of what can be reached from the cut; 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let nodes = question.nodes().into_iter().map(Id::index);
    Ok(ObjectRows::of(&question.gone(nodes, question.edges())?))
}
