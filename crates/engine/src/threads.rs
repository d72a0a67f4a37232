//! The table `thread`: the threads of a program with their stacks.
//!
//! A format that describes threads has them in a file of the lake. Where frames are objects, as those of Python, they are
//! found by the graph index: the roots of a thread are its frames, and each frame refers to the one that called it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datafusion::arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, StringViewArray, UInt64Array},
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};
use heaplake_graph::{Graph, Id};
use heaplake_model::{TypeRole, schema, schema::Table};
use heaplake_store::{Dump, GraphIndex, ImportProgress, Manifest, with_index};

use crate::{
    Error, Result,
    history::{HistoryQuestion, HistoryTable},
    snapshot::Snapshot,
};

/// The table of some dumps. Over all dumps, those without objects have no rows; otherwise that is an error.
pub(crate) fn table(snapshot: &Arc<Snapshot>, dumps: Vec<Arc<Manifest>>, is_history: bool) -> HistoryTable {
    let schema = table_schema();
    let snapshot = snapshot.clone();
    let answer = {
        let schema = schema.clone();
        Arc::new(move |progress: &ImportProgress| {
            let mut rows = Vec::new();
            for dump in &dumps {
                rows.extend(threads_of(&snapshot, dump, is_history, progress)?);
            }
            concat_batches(&schema, &rows).map_err(internal)
        })
    };
    HistoryTable { name: Table::Thread.name(), question: HistoryQuestion { schema, answer } }
}

fn table_schema() -> SchemaRef {
    let schema = schema::with_dump(&schema::thread());
    let views = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::clone(field).with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    });
    Arc::new(Schema::new(views.collect::<Vec<_>>()))
}

fn internal(error: ArrowError) -> Error {
    Error::Internal(format!("threads do not fit their table: {error}"))
}

fn threads_of(
    snapshot: &Snapshot,
    dump: &Manifest,
    is_history: bool,
    progress: &ImportProgress,
) -> Result<Vec<RecordBatch>> {
    if dump.files_of(Table::Thread).next().is_some() {
        let stored = snapshot.lake().summary(dump, Table::Thread)?;
        return stored.into_iter().map(|rows| with_dump(dump, rows.columns())).collect();
    }
    let has_threads = dump.roots.keys().any(|kind| dump.runtime().thread_of_root(kind).is_some());
    if !has_threads || (is_history && dump.pruned.is_some()) {
        return Ok(Vec::new());
    }
    dump.check_whole()?;
    let dump = snapshot.with_types(dump)?;
    let open = snapshot.open(&dump, progress)?;
    let threads = with_index!(&*open.index, |index| thread_roots(&dump, index));
    let frames: Vec<usize> = threads.iter().flat_map(|thread| thread.frames.iter().copied()).collect();
    let rows = snapshot.lake().rows_at(&dump, Table::Obj, &["name", "value"], &open.obj_rows(&frames))?;
    let (names, values) = (rows.column(0).as_string::<i32>(), rows.column(1).as_string::<i32>());
    let mut row = 0;
    let stacks: Vec<Option<String>> = threads
        .iter()
        .map(|thread| {
            let lines = thread.frames.iter().map(|_| {
                let text = |texts: &datafusion::arrow::array::StringArray| {
                    if texts.is_valid(row) { texts.value(row).to_owned() } else { "?".to_owned() }
                };
                let line = format!("{}({})", text(names), text(values));
                row += 1;
                line
            });
            Some(lines.collect::<Vec<_>>().join("\n")).filter(|stack| !stack.is_empty())
        })
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(threads.iter().map(|thread| &thread.name))),
        Arc::new(UInt64Array::new_null(threads.len())),
        Arc::new(BooleanArray::from(vec![false; threads.len()])),
        Arc::new(StringViewArray::new_null(threads.len())),
        Arc::new(stacks.iter().map(Option::as_deref).collect::<StringViewArray>()),
    ];
    Ok(vec![with_dump(&dump, &columns)?])
}

/// Rows with the name of their dump in front.
fn with_dump(dump: &Manifest, columns: &[ArrayRef]) -> Result<RecordBatch> {
    let n_rows = columns.first().map_or(0, |column| column.len());
    let name: ArrayRef =
        Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(dump.id.as_str(), n_rows)));
    let schema = table_schema();
    let all = std::iter::once(&name).chain(columns).zip(schema.fields());
    let all = all.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>();
    RecordBatch::try_new(schema.clone(), all.map_err(internal)?).map_err(internal)
}

/// The roots of one thread.
pub(crate) struct ThreadRoots {
    pub(crate) name: String,
    /// Frames that are objects, the innermost first.
    pub(crate) frames: Vec<usize>,
    /// What else the thread holds.
    pub(crate) others: Vec<usize>,
}

/// The threads of a dump by their names, in order.
pub(crate) fn thread_roots<I: Id>(dump: &Dump, index: &GraphIndex<I>) -> Vec<ThreadRoots> {
    let runtime = dump.runtime();
    let mut by_thread: BTreeMap<&str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (root, node) in index.roots().iter().enumerate() {
        let Some(thread) = runtime.thread_of_root(index.root_kind(root)) else { continue };
        let node = node.index();
        let stat = dump.types.get(index.types().at(node) as usize);
        let is_frame = stat.is_some_and(|stat| runtime.has_role(&stat.name, TypeRole::Frame));
        let (frames, others) = by_thread.entry(thread.name).or_default();
        if is_frame { frames.push(node) } else { others.push(node) }
    }
    let threads = by_thread.into_iter().map(|(name, (frames, others))| ThreadRoots {
        name: name.to_owned(),
        frames: innermost_first(index.graph(), frames),
        others,
    });
    threads.collect()
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
