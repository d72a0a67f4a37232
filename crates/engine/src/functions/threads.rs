//! `threads`: what the threads of a program keep alive, frame by frame.

use std::collections::HashMap;

use datafusion::arrow::array::ArrayRef;
use heaplake_graph::Id;
use heaplake_model::ThreadOfRoot;
use heaplake_store::with_index;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{
        DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, OBJECT, numbers_or_null, object_column,
        texts_or_null,
    },
    snapshot::OpenIndex,
    threads::{ThreadRoots, thread_roots},
};

pub(super) static THREADS: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "threads",
        group: FunctionGroup::Graph,
        usage: "threads([dump])",
        purpose: "The roots of the threads of the program, thread by thread: its frames, the innermost first, and what else the \
                  thread itself holds. Each root holds what it does by itself, so that what the roots of a thread retain \
                  adds up; what several of them share is in none.",
        arguments: &[DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            &[
                column("thread", ColumnType::Text, "name of the thread, as in `thread`"),
                column("frame", ColumnType::Int64, "number of the frame, from 0, the one that runs")
                    .null("for a root that is not a frame"),
                column(
                    "function",
                    ColumnType::Text,
                    "the frame that has the object, as `com.shop.Cart.add(Cart.java:41)`",
                )
                .null("where frames are objects, and for what the thread itself holds"),
            ],
            OBJECT,
        ])]),
        cost: "The references of the frames.",
        source: None,
    },
    bytes_per_object: |_| 0,
    answer: (answer, answer),
};

/// A root of a thread.
struct ThreadRoot {
    node: u64,
    /// The position of its kind's name among the roots.
    root: usize,
    frame: Option<i64>,
}

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let index = question.index;
    let root_of: HashMap<usize, usize> =
        index.roots().iter().enumerate().map(|(root, node)| (node.index(), root)).collect();
    let mut rows = Vec::new();
    for ThreadRoots { frames, others, .. } in thread_roots(question.dump, index) {
        let numbered = frames.into_iter().zip(0..).map(|(node, number)| (node, Some(number)));
        let all = numbered.chain(others.into_iter().map(|node| (node, None)));
        rows.extend(all.map(|(node, frame)| ThreadRoot { node: node as u64, root: root_of[&node], frame }));
    }
    Ok(ListRows::boxed(rows, thread_column))
}

fn thread_column(name: &str, rows: &[ThreadRoot], _: usize, open: &OpenIndex) -> Option<ArrayRef> {
    let runtime = open.manifest.runtime();
    let column = |says: fn(ThreadOfRoot<'_>) -> Option<&str>| {
        with_index!(&*open.index, |index| {
            texts_or_null(
                rows.iter().map(|row| runtime.thread_of_root(index.root_kind(row.root)).and_then(says)),
            )
        })
    };
    match name {
        "thread" => column(|thread| Some(thread.name)),
        "function" => column(|thread| thread.frame),
        "frame" => numbers_or_null(rows.iter().map(|row| row.frame)),
        _ => object_column(name, &rows.iter().map(|row| row.node).collect::<Vec<_>>(), open),
    }
}
