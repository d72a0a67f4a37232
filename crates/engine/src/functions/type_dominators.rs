//! `type_dominators`: which types hold which.

use std::{cmp::Reverse, collections::HashMap};

use heaplake_graph::Id;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, numbers, texts, texts_or_null},
    summary::saturating,
};

pub(super) static TYPE_DOMINATORS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "type_dominators",
        group: FunctionGroup::Graph,
        usage: "type_dominators([dump])",
        purpose: "Which types hold which: totals of all objects by their type and that of their immediate dominator, what \
                  retains most first.",
        arguments: &[DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column("type", ColumnType::Text, "type of the objects"),
            column("dominator_type", ColumnType::Text, "type of what holds them")
                .null("where no single object does"),
            column("objects", ColumnType::Int64, "number of these objects"),
            column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            column("retained", ColumnType::Int64, "what they retain, of nested ones the outermost")
                .unit("bytes"),
        ]])]),
        cost: "O(objects), and memory for every pair of types.",
        source: None,
    },
    bytes_per_object: |_| 0,
    answer: (answer, answer),
};

/// Type, type of the dominator (`None` is the super-root), objects, size and retained size.
type Pair = (u32, Option<u32>, [i64; 3]);

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    let (types, idoms, counts) = (index.types(), index.idoms(), index.retained_counts());
    let (sizes, retained) = (index.sizes(), index.retained());
    let n_types = question.dump.types.len() as u64;
    // By pair of types; the super-root counts as one more. Of nested pairs only the outermost retains.
    let mut sums: HashMap<u64, ([u64; 3], usize)> = HashMap::new();
    for (position, node) in index.preorder().iter().enumerate() {
        let node = node.index();
        let dominator = types.get(idoms[node].index()).map_or(n_types, u64::from);
        let pair = u64::from(types.at(node)) * (n_types + 1) + dominator;
        let ([objects, size, held], held_until) = sums.entry(pair).or_default();
        *objects += 1;
        *size = size.saturating_add(sizes.at(node));
        if position >= *held_until {
            *held_until = position + counts.at(node).index();
            *held = held.saturating_add(retained.at(node));
        }
    }
    let mut rows: Vec<Pair> = sums
        .into_iter()
        .map(|(pair, (sums, _))| {
            let (rank, dominator) = (pair / (n_types + 1), pair % (n_types + 1));
            (rank as u32, (dominator < n_types).then_some(dominator as u32), sums.map(saturating))
        })
        .collect();
    rows.sort_unstable_by_key(|(rank, dominator, [_, _, held])| (Reverse(*held), *rank, *dominator));
    Ok(ListRows::boxed(rows, |name, rows: &[Pair], _, open| match name {
        "type" => texts(rows.iter().map(|(rank, ..)| open.type_name(*rank))),
        "dominator_type" => {
            texts_or_null(rows.iter().map(|(_, rank, _)| rank.map(|rank| open.type_name(rank))))
        }
        "objects" => numbers(rows.iter().map(|(.., sums)| sums[0])),
        "size" => numbers(rows.iter().map(|(.., sums)| sums[1])),
        "retained" => numbers(rows.iter().map(|(.., sums)| sums[2])),
        _ => None,
    }))
}
