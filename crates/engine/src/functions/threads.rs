//! `threads`: what the threads of a program keep alive, frame by frame.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::ArrayRef;
use heaplake_graph::{Graph, Id};
use heaplake_model::{TypeRole, thread_of_root};
use heaplake_store::with_index;

use crate::{
    function::{ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column},
    graph::{
        DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, OBJECT, numbers_or_null, object_column,
        texts,
    },
    snapshot::OpenIndex,
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
                column("thread", ColumnType::Text, "name of the thread, as the kind of root says it"),
                column("frame", ColumnType::Int64, "number of the frame, from 0, the one that runs")
                    .null("for a root that is no frame"),
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
    let (index, runtime) = (question.index, question.dump.runtime());
    let mut by_thread: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    let mut root_of: HashMap<usize, usize> = HashMap::new();
    for (root, node) in index.roots().iter().enumerate() {
        let Some(thread) = thread_of_root(index.root_kind(root)) else { continue };
        let node = node.index();
        root_of.insert(node, root);
        let stat = question.dump.types.get(index.types()[node] as usize);
        let is_frame = stat.is_some_and(|stat| runtime.has_role(&stat.name, TypeRole::Frame));
        let (frames, others) = by_thread.entry(thread).or_default();
        if is_frame { frames.push(node) } else { others.push(node) }
    }
    let mut rows = Vec::new();
    for (frames, others) in by_thread.into_values() {
        let frames = innermost_first(index.graph(), frames);
        let numbered = frames.into_iter().zip(0..).map(|(node, number)| (node, Some(number)));
        let all = numbered.chain(others.into_iter().map(|node| (node, None)));
        rows.extend(all.map(|(node, frame)| ThreadRoot { node: node as u64, root: root_of[&node], frame }));
    }
    Ok(ListRows::boxed(rows, thread_column))
}

fn thread_column(name: &str, rows: &[ThreadRoot], _: usize, open: &OpenIndex) -> Option<ArrayRef> {
    match name {
        "thread" => with_index!(&*open.index, |index| {
            texts(rows.iter().map(|row| thread_of_root(index.root_kind(row.root)).unwrap_or_default()))
        }),
        "frame" => numbers_or_null(rows.iter().map(|row| row.frame)),
        _ => object_column(name, &rows.iter().map(|row| row.node).collect::<Vec<_>>(), open),
    }
}

/// The frames of a thread in the order of calls: each refers to the one that called it. A frame may refer to others besides,
/// so that this is an order in which a frame comes before all that it refers to; where that is a cycle, the order of
/// addresses decides.
fn innermost_first<I: Id>(graph: Graph<'_, I>, frames: Vec<usize>) -> Vec<usize> {
    let mut referrers: HashMap<usize, usize> = frames.iter().map(|frame| (*frame, 0)).collect();
    let callers = |frame: usize| graph.children(frame).filter(move |child| *child != frame);
    for frame in &frames {
        for caller in callers(*frame) {
            if let Some(n) = referrers.get_mut(&caller) {
                *n += 1;
            }
        }
    }
    let mut ready: Vec<usize> = frames.iter().copied().filter(|frame| referrers[frame] == 0).collect();
    ready.reverse();
    let mut order = Vec::with_capacity(frames.len());
    let mut rest = frames.iter();
    loop {
        let next = ready.pop().or_else(|| rest.find(|frame| referrers.contains_key(*frame)).copied());
        let Some(frame) = next else { return order };
        if referrers.remove(&frame).is_none() {
            continue;
        }
        order.push(frame);
        for caller in callers(frame) {
            if let Some(n) = referrers.get_mut(&caller) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    ready.push(caller);
                }
            }
        }
    }
}
