//! What the program itself calls objects: attributes, globals and local variables, as the labels of `edge` say it.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int32Type},
};
use heaplake_graph::{BitSet, Id};
use heaplake_model::{LabelSays, Runtime, TypeRole};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};

use super::{GraphIndex, NodeNames};
use crate::{Error, Result, StoredFile};

const LABEL: &str = "label";
/// Rows that are read together.
const ROWS: usize = 1 << 17;
/// By node, the place of its name among `names` and 1, or 0: the label of the first reference by which its immediate
/// dominator refers to it, if that is a name of the program. Empty where the dump has no labels.
///
/// A key of a dictionary is such a name where the dictionary is a namespace, that of an object, a class or a module. The
/// functions of a module refer to its dictionary, too, so that the module is often not what holds it: the dictionary has
/// the module's name then.
pub(super) fn labels<I: Id>(
    index: &GraphIndex<I>,
    runtime: &Runtime,
    type_names: &[&str],
    edges: &[StoredFile],
    names: &mut NodeNames,
    cancel: &AtomicBool,
) -> Result<Vec<u32>> {
    if !edges.iter().map(has_labels).collect::<Result<Vec<_>>>()?.contains(&true) {
        return Ok(Vec::new());
    }
    let mut namespaces = BitSet::new(index.n_nodes());
    let mut found = vec![0; index.n_nodes()];
    for_each_label(index, runtime, edges, cancel, |parent, child, says| {
        if says != LabelSays::Namespace {
            return;
        }
        namespaces.insert(child);
        let is_module = type_names
            .get(index.types()[parent] as usize)
            .is_some_and(|name| runtime.has_role(name, TypeRole::Module));
        if is_module && found[child] == 0 && index.idoms()[child].index() != parent {
            found[child] = names.of(parent).map_or(0, |place| place + 1);
        }
    })?;
    for_each_label(index, runtime, edges, cancel, |parent, child, says| {
        if found[child] != 0 || index.idoms()[child].index() != parent {
            return;
        }
        let name = match says {
            LabelSays::Name(name) => name,
            LabelSays::Key(name) if namespaces.contains(parent) => name,
            _ => return,
        };
        found[child] = names.place(name).map_or(0, |place| place + 1);
    })?;
    Ok(found)
}

/// Whether some reference of a file has a label; the file's statistics say it.
fn has_labels(stored: &StoredFile) -> Result<bool> {
    let reader = open(stored)?;
    let metadata = reader.metadata();
    let column =
        metadata.file_metadata().schema_descr().columns().iter().position(|column| column.name() == LABEL);
    let Some(column) = column else { return Ok(false) };
    Ok(metadata.row_groups().iter().any(|group| {
        let nulls = group.column(column).statistics().and_then(|statistics| statistics.null_count_opt());
        nulls != Some(group.num_rows().unsigned_abs())
    }))
}

fn open(stored: &StoredFile) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = stored.open().map_err(|source| stored.io_error(source))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|source| stored.parquet_error(source))
}

/// Calls `take` with parent, child and what the label says, for every reference that keeps an object alive, in order.
fn for_each_label<I: Id>(
    index: &GraphIndex<I>,
    runtime: &Runtime,
    edges: &[StoredFile],
    cancel: &AtomicBool,
    mut take: impl FnMut(usize, usize, LabelSays<'_>),
) -> Result<()> {
    let graph = index.graph();
    let (mut edge, mut parent) = (0, 0);
    for stored in edges {
        let parquet_error = |source| stored.parquet_error(source);
        let builder = open(stored)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), [LABEL]);
        let reader: ParquetRecordBatchReader =
            builder.with_projection(mask).with_batch_size(ROWS).build().map_err(parquet_error)?;
        for batch in reader {
            if cancel.load(Relaxed) {
                return Err(Error::Cancelled);
            }
            let batch = batch.map_err(|error| parquet_error(error.into()))?;
            let column = dictionary(batch.column(0)).map_err(|error| parquet_error(error.into()))?;
            let labels = column.as_dictionary::<Int32Type>();
            let values = labels.values().as_string::<i32>();
            let says: Vec<LabelSays<'_>> =
                (0..values.len()).map(|at| runtime.label_says(values.value(at))).collect();
            for row in 0..labels.len() {
                let at = edge + row;
                let Some(says) = labels.key(row).and_then(|key| says.get(key)) else { continue };
                if *says == LabelSays::Nothing || at >= graph.forward.n_edges() || graph.skip.contains(at) {
                    continue;
                }
                while graph.forward.range(parent).end <= at {
                    parent += 1;
                }
                let child = graph.forward.target(at);
                if child != I::NONE {
                    take(parent, child.index(), *says);
                }
            }
            edge += labels.len();
        }
    }
    Ok(())
}

/// The labels as the file has them, each text once.
fn dictionary(column: &ArrayRef) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
    let wanted = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    if *column.data_type() == wanted { Ok(column.clone()) } else { cast(column, &wanted) }
}
