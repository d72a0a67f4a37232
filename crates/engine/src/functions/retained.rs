//! `retained`: what would be freed with a set.

use heaplake_graph::{BitSet, Id};

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, SET, numbers},
    summary::saturating,
};

pub(super) static RETAINED: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "retained",
        group: FunctionGroup::Graph,
        usage: "retained(set [, dump])",
        purpose: "How much would be freed with all objects of the set together: one row. It is exact for any set: what several of \
                  them hold only together counts, and nothing counts twice.",
        arguments: &[SET, DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column("objects", ColumnType::Int64, "objects of the set"),
            column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            column(
                "retained_count",
                ColumnType::Int64,
                "objects that would be freed with them, themselves included",
            ),
            column("retained", ColumnType::Int64, "what would be freed with them, themselves included")
                .unit("bytes"),
        ]])]),
        cost: "One object: nothing, the index knows it. Several: O(objects + references) of what can be reached from them, \
               and 16 bytes of memory for every object of the dump.",
        source: None,
    },
    bytes_per_object: |n_members| if n_members <= 1 { 0 } else { 16 },
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let (nodes, index) = (question.nodes(), question.index);
    let size = index.size_of(&nodes);
    let (count, bytes) = match nodes.as_slice() {
        [node] => (index.retained_counts().at(node.index()).index(), index.retained().at(node.index())),
        nodes => {
            let gone = question.gone(nodes.iter().map(|node| node.index()), BitSet::default())?;
            (gone.len(), index.size_of(&gone))
        }
    };
    let row = [nodes.len() as i64, saturating(size), count as i64, saturating(bytes)];
    Ok(ListRows::boxed(vec![row], |name, rows, _, _| match name {
        "objects" => numbers(rows.iter().map(|row| row[0])),
        "size" => numbers(rows.iter().map(|row| row[1])),
        "retained_count" => numbers(rows.iter().map(|row| row[2])),
        "retained" => numbers(rows.iter().map(|row| row[3])),
        _ => None,
    }))
}
