//! `sccs`: cycles of references.

use std::cmp::Reverse;

use heaplake_graph::{BitSet, Id, components};

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, OBJECT, ObjectRows, OwnColumn},
};

pub(super) static SCCS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "sccs",
        group: FunctionGroup::Graph,
        usage: "sccs([dump])",
        purpose: "Cycles: the strongly connected components of more than one object, or of one that refers to itself, the \
                  largest first; a row for each of their objects.",
        arguments: &[DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            &[
                column("component", ColumnType::Int64, "number of the component, from 1, the largest"),
                column("objects", ColumnType::Int64, "objects of the component"),
            ],
            OBJECT,
        ])]),
        cost: "O(objects + references) of the dump; 16 bytes of memory for every object.",
        source: Some(
            "Pearce, \"A space-efficient algorithm for finding strongly connected components\", 2016",
        ),
    },
    bytes_per_object: |_| 16,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let graph = question.index.graph();
    let n_nodes = question.index.n_nodes();
    let components =
        components(graph.forward, graph.skip, &BitSet::of(n_nodes, 0..n_nodes), question.cancel)?;
    let mut counts = vec![0_u32; components.count];
    components.of.iter().for_each(|component| counts[component.index()] += 1);
    let is_cycle = |node: usize| {
        counts[components.of[node].index()] > 1 || graph.children(node).any(|child| child == node)
    };
    let there = (0..n_nodes).filter(|node| question.index.is_there(*node));
    let mut members: Vec<usize> = there.filter(|node| is_cycle(*node)).collect();
    let count = |node: usize| counts[components.of[node].index()];
    // The number of a component is the position of its first member among the first members.
    members.sort_by_key(|node| (Reverse(count(*node)), components.of[*node]));
    let (mut numbers, mut sizes) = (Vec::with_capacity(members.len()), Vec::with_capacity(members.len()));
    let (mut number, mut last) = (0_i64, None);
    for node in &members {
        let component = components.of[*node];
        number += i64::from(last != Some(component));
        last = Some(component);
        numbers.push(number);
        sizes.push(i64::from(count(*node)));
    }
    let own = vec![("component", OwnColumn::Numbers(numbers)), ("objects", OwnColumn::Numbers(sizes))];
    Ok(ObjectRows::with(members.into_iter().map(|node| node as u64).collect(), own))
}
