//! A dump from tables: files with the columns of `obj`, `edge` and `root`, which any program can write in any order.
//!
//! ```text
//! objects --by address--+
//!                       +-- merged --> ObjectPacker --> import
//! edges --by parent-----+
//! ```
//!
//! DataFusion reads and sorts, on disk where memory is short. Numbers are read by [`Number`], so that a CSV file, whose
//! fields are texts, and a Parquet file, whose columns have types, mean the same.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float64Array, StringArray, UInt64Array},
        compute::{CastOptions, cast, cast_with_options},
        datatypes::{DataType, Float64Type, UInt64Type},
        record_batch::RecordBatch,
    },
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
    prelude::{SessionConfig, SessionContext, cast as cast_expression, col, lit},
};
use futures::StreamExt as _;
use heaplake_model::{DumpId, EdgeKind, IssueKind, Process, Runtime, TABLES, root_kind};
use heaplake_store::{
    Consume, DumpContent, ImportOptions, ImportProgress, Lake, Manifest, ObjectPacker, ObjectSource,
    PlainObject, Provenance, ReadError, ReadOptions, TypeTable, default_memory,
};
use tokio::runtime::Handle;

use crate::{Error, Result, attach::open_file, explain::ErrorContext, mistake};

/// How often a cancellation is looked at while rows are waited for.
const CANCEL_POLL: Duration = Duration::from_millis(50);
/// With less memory to sort in, one thread sorts, and batches have fewer rows.
const SHORT_BYTES: usize = 256 << 20;
/// Rows of a batch where memory is short.
const SMALL_BATCH: usize = 1024;
/// The type of objects whose table says none.
const NO_TYPE: &str = "object";
/// The kind of roots whose table says none.
const NO_KIND: &str = "root";

/// The files of a dump in tables. docs/formats/tables.md has their columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectTables {
    /// The objects: `address`, and `type`, `size`, `len`, `name`, `value` where there are any.
    pub objects: PathBuf,
    /// The references: `parent` and `child`, and `idx`, `label`, `kind`.
    pub edges: Option<PathBuf>,
    /// The roots: `address`, and `kind`. Without it roots are the objects that nothing refers to.
    pub roots: Option<PathBuf>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    Number,
    Text,
}

/// A column that is read.
type Column = (&'static str, ColumnKind);

const OBJECT_COLUMNS: [Column; 7] = [
    ("address", ColumnKind::Number),
    ("size", ColumnKind::Number),
    ("len", ColumnKind::Number),
    ("refcount", ColumnKind::Number),
    ("type", ColumnKind::Text),
    ("name", ColumnKind::Text),
    ("value", ColumnKind::Text),
];
const EDGE_COLUMNS: [Column; 5] = [
    ("parent", ColumnKind::Number),
    ("child", ColumnKind::Number),
    ("idx", ColumnKind::Number),
    ("label", ColumnKind::Text),
    ("kind", ColumnKind::Text),
];
const ROOT_COLUMNS: [Column; 2] = [("address", ColumnKind::Number), ("kind", ColumnKind::Text)];

/// Imports a dump from tables. `handle` is of the runtime whose threads read and sort; the caller's thread must not be one
/// of them. [`ImportOptions::format`] says whose runtime's rules hold for the objects, by default nobody's.
pub fn import_tables(
    lake: &Lake,
    id: DumpId,
    tables: &ObjectTables,
    handle: &Handle,
    options: &ImportOptions,
    progress: &ImportProgress,
) -> Result<Manifest> {
    let format = match &options.format {
        Some(name) => heaplake_store::format_named(name).map_err(heaplake_store::Error::from)?.name(),
        None => TABLES,
    };
    // The import does not know the errors of an engine: one waits here.
    let mut failed = None;
    let memory = options.memory_limit.unwrap_or_else(default_memory);
    // A quarter of the memory is for sorting, the remainder for what comes of it.
    let sorting = usize::try_from(memory / 4).unwrap_or(usize::MAX);
    let source = ObjectSource {
        name: tables.objects.to_string_lossy().into_owned(),
        format,
        modified: modified(&tables.objects),
        read: |options: &ReadOptions<'_>, types: &TypeTable, consume: Consume<'_>| {
            read(tables, format, sorting, handle, options, types, consume).map_err(|error| match error {
                ReadFailure::Reader(error) => error,
                ReadFailure::Engine(error) => {
                    failed = Some(error);
                    ReadError::Cancelled
                }
            })
        },
    };
    let options = ImportOptions { memory_limit: Some(memory - memory / 4), ..options.clone() };
    let imported = heaplake_store::import_objects(lake, id, source, &options, progress);
    match failed {
        Some(error) => Err(error),
        None => Ok(imported?),
    }
}

fn modified(path: &Path) -> Option<chrono::DateTime<chrono::Utc>> {
    let time: chrono::DateTime<chrono::Utc> = path.metadata().ok()?.modified().ok()?.into();
    chrono::DateTime::from_timestamp_micros(time.timestamp_micros())
}

/// Why tables cannot be read.
enum ReadFailure {
    /// For a reason that any dump may have.
    Reader(ReadError),
    /// The files could not be opened or sorted.
    Engine(Error),
}

impl From<ReadError> for ReadFailure {
    fn from(error: ReadError) -> Self {
        Self::Reader(error)
    }
}

impl From<Error> for ReadFailure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

fn read(
    tables: &ObjectTables,
    format: &'static str,
    sorting: usize,
    handle: &Handle,
    options: &ReadOptions<'_>,
    types: &TypeTable,
    consume: Consume<'_>,
) -> std::result::Result<DumpContent, ReadFailure> {
    let context = context(sorting, options)?;
    let open = |path: &PathBuf, columns: &'static [Column], order: &'static [&'static str]| {
        handle.block_on(SortedTable::open(&context, path, columns, order))
    };
    let objects = open(&tables.objects, &OBJECT_COLUMNS, &["address"])?;
    let edges =
        tables.edges.as_ref().map(|path| open(path, &EDGE_COLUMNS, &["parent", "idx"])).transpose()?;
    let roots = tables.roots.as_ref().map(|path| open(path, &ROOT_COLUMNS, &["address"])).transpose()?;
    let finds_roots = Runtime::of_any_format(format).finds_roots_by_type();
    let mut merge = Merge { packer: ObjectPacker::new(types, options), handle, options, consume };
    let edges = Edges { rows: Beside::new(edges, &EDGE_COLUMNS) };
    let roots = Roots { rows: Beside::new(roots, &ROOT_COLUMNS), finds_roots, upcoming: 0 };
    merge.objects(objects, edges, roots)?;
    merge.finish()?;
    Ok(DumpContent { provenance: provenance(tables, options)?, process: Process::default(), taken: None })
}

/// What is known of the files: bytes of all of them, the checksum of the one with the objects.
fn provenance(
    tables: &ObjectTables,
    options: &ReadOptions<'_>,
) -> std::result::Result<Provenance, ReadError> {
    let mut provenance = Provenance::of_file(std::fs::File::open(&tables.objects)?, options.cancel)?;
    for path in [&tables.edges, &tables.roots].into_iter().flatten() {
        provenance.bytes += path.metadata()?.len();
    }
    Ok(provenance)
}

/// A session of DataFusion that sorts within some memory and spills into the work folder.
fn context(sorting: usize, options: &ReadOptions<'_>) -> Result<SessionContext> {
    let mode = DiskManagerMode::Directories(vec![options.work_folder.to_owned()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(sorting)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
        .build_arc()
        .map_err(|error| ErrorContext::default().explain(&error))?;
    let is_short = sorting < SHORT_BYTES;
    // Each thread that sorts needs memory of its own, and so does each batch that is merged.
    let n_threads = if is_short { 1 } else { options.threads };
    let mut config = SessionConfig::new().with_target_partitions(n_threads);
    if is_short {
        config = config.with_batch_size(SMALL_BATCH);
    }
    config.options_mut().execution.sort_spill_reservation_bytes = (sorting / 16).clamp(1 << 16, 10 << 20);
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// The rows of a file in order.
struct SortedTable {
    file: String,
    rows: SendableRecordBatchStream,
    columns: &'static [Column],
}

impl SortedTable {
    async fn open(
        context: &SessionContext,
        path: &Path,
        columns: &'static [Column],
        order: &'static [&'static str],
    ) -> Result<Self> {
        let file = mistake::escape(&path.display().to_string());
        let failed = |what: String| Error::Failed(format!("cannot read {file}: {what}"));
        let numbers = |name: &str| columns.contains(&(name, ColumnKind::Number));
        let frame = open_file(context, path, &numbers).await.map_err(failed)?;
        let schema = frame.schema().clone();
        let has = |name: &str| schema.fields().iter().any(|field| field.name() == name);
        let needed = columns[0].0;
        let missing = [needed].into_iter().chain((needed == "parent").then_some("child"));
        if let Some(name) = missing.into_iter().find(|name| !has(name)) {
            let names: Vec<_> = schema.fields().iter().map(|field| mistake::escape(field.name())).collect();
            return Err(failed(format!("it has no column {name}; its columns are {}", names.join(", "))));
        }
        let number = ScalarUDF::from(Number::new());
        let mut selected: Vec<Expr> = Vec::new();
        for (name, kind) in columns {
            let field = schema.fields().iter().find(|field| field.name() == name);
            let is_fit = field.is_none_or(|field| kind.fits(field.data_type()));
            if let (Some(field), false) = (field, is_fit) {
                let wanted = match kind {
                    ColumnKind::Number => "whole numbers",
                    ColumnKind::Text => "texts",
                };
                return Err(failed(format!(
                    "its column {name} is of the type {}, where {wanted} are needed",
                    field.data_type()
                )));
            }
            let column = || match field {
                Some(_) => col(format!("\"{name}\"")),
                None => lit(datafusion::scalar::ScalarValue::Utf8(None)),
            };
            let text = cast_expression(column(), DataType::Utf8);
            if *kind == ColumnKind::Number {
                selected.push(number.call(vec![column()]).alias(*name));
                selected.push(text.alias(format!("{name} as it is")));
            } else {
                selected.push(text.alias(*name));
            }
        }
        let sorted = |frame: DataFrame| {
            frame.select(selected)?.sort(order.iter().map(|name| col(*name).sort(true, true)).collect())
        };
        let rows = match sorted(frame) {
            Ok(frame) => frame.execute_stream().await,
            Err(error) => Err(error),
        };
        let rows = rows.map_err(|error| ErrorContext::default().explain(&error))?;
        Ok(Self { file, rows, columns })
    }
}

impl ColumnKind {
    fn fits(self, kind: &DataType) -> bool {
        let kind = match kind {
            DataType::Dictionary(_, values) => values,
            kind => kind,
        };
        let is_text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        is_text
            || *kind == DataType::Null
            || kind.is_numeric()
            || (self == Self::Text && *kind == DataType::Boolean)
    }
}

/// A batch of a [`SortedTable`], by column.
struct Rows<'t> {
    file: &'t str,
    batch: RecordBatch,
    columns: &'static [Column],
}

/// A number of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// There is none.
    Null,
    /// Something else is there.
    Bad,
    Value(u64),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Where a column is among the selected ones; a number has its text after it.
    fn at(&self, name: &str) -> usize {
        let before = self.columns.iter().take_while(|(column, _)| *column != name);
        before.map(|(_, kind)| 1 + usize::from(*kind == ColumnKind::Number)).sum()
    }

    fn numbers(&self, name: &str) -> (&UInt64Array, &StringArray) {
        let at = self.at(name);
        (self.batch.column(at).as_primitive::<UInt64Type>(), self.batch.column(at + 1).as_string())
    }

    fn texts(&self, name: &str) -> &StringArray {
        self.batch.column(self.at(name)).as_string()
    }
}

fn cell((numbers, texts): (&UInt64Array, &StringArray), row: usize) -> Cell {
    match (numbers.is_valid(row), texts.is_valid(row)) {
        (true, _) => Cell::Value(numbers.value(row)),
        (false, true) => Cell::Bad,
        (false, false) => Cell::Null,
    }
}

fn text(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// A value of a file in a message.
fn shown(texts: &StringArray, row: usize) -> String {
    text(texts, row).map_or_else(|| "nothing".to_owned(), |text| format!("{:?}", mistake::escape(text)))
}

/// Brings objects and their references together.
struct Merge<'m, 't> {
    packer: ObjectPacker<'t>,
    handle: &'m Handle,
    options: &'m ReadOptions<'m>,
    consume: Consume<'m>,
}

type Merged = std::result::Result<(), ReadFailure>;

impl Merge<'_, '_> {
    /// The next rows; `None` after the last one. Stops at a cancellation.
    fn next<'t>(&self, table: &'t mut SortedTable) -> std::result::Result<Option<Rows<'t>>, ReadFailure> {
        loop {
            if self.options.cancel.load(Ordering::Relaxed) {
                return Err(ReadError::Cancelled.into());
            }
            let next =
                self.handle.block_on(async { tokio::time::timeout(CANCEL_POLL, table.rows.next()).await });
            let Ok(next) = next else { continue };
            let batch = next.transpose().map_err(|error| self.unreadable(&table.file, &error))?;
            return Ok(batch.map(|batch| Rows { file: &table.file, batch, columns: table.columns }));
        }
    }

    fn unreadable(&self, file: &str, error: &DataFusionError) -> Error {
        match ErrorContext::default().explain(error) {
            // No file of the lake is.
            Error::Damaged { what, .. } => Error::Failed(format!("cannot read {file}: {what}")),
            Error::Failed(what) => Error::Failed(format!("cannot read {file}: {what}")),
            error => error,
        }
    }

    fn objects(&mut self, mut objects: SortedTable, mut edges: Edges, mut roots: Roots) -> Merged {
        let mut before: Option<PlainOwned> = None;
        while let Some(rows) = self.next(&mut objects)? {
            let (address, size, len) = (rows.numbers("address"), rows.numbers("size"), rows.numbers("len"));
            let refcount = rows.numbers("refcount");
            let (types, names, values) = (rows.texts("type"), rows.texts("name"), rows.texts("value"));
            for row in 0..rows.len() {
                let Cell::Value(at) = cell(address, row) else {
                    let found = shown(address.1, row);
                    let what = format!("{}: an object whose address is {found} was left out", rows.file);
                    self.packer.issue(IssueKind::BadAddress, what)?;
                    continue;
                };
                let object = PlainObject {
                    address: at,
                    type_name: text(types, row).filter(|name| !name.is_empty()).unwrap_or(NO_TYPE),
                    size: self.count(&rows, IssueKind::BadSize, "size", at, size, row)?,
                    len: self.count(&rows, IssueKind::BadLen, "len", at, len, row)?,
                    name: text(names, row),
                    value: text(values, row),
                    refcount: self.count(&rows, IssueKind::BadLen, "refcount", at, refcount, row)?,
                };
                if let Some(before) = before.as_ref().filter(|before| before.address == at) {
                    let kind = match before.is(&object) {
                        true => IssueKind::Duplicate,
                        false => IssueKind::ConflictingDuplicate,
                    };
                    let what =
                        format!("{}: {at:#x} for the second time; the first object was kept", rows.file);
                    self.packer.issue(kind, what)?;
                    continue;
                }
                edges.skip_to(self, Some(at))?;
                self.packer.object(&object)?;
                edges.take(self, at)?;
                roots.take(self, Some(at))?;
                PlainOwned::keep(&mut before, &object);
                self.flush(false)?;
            }
        }
        edges.skip_to(self, None)?;
        roots.take(self, None)
    }

    /// A number that is not negative and fits the lake, or none.
    fn count(
        &mut self,
        rows: &Rows<'_>,
        kind: IssueKind,
        name: &str,
        address: u64,
        column: (&UInt64Array, &StringArray),
        row: usize,
    ) -> std::result::Result<Option<i64>, ReadFailure> {
        let number = match cell(column, row) {
            Cell::Null => return Ok(None),
            Cell::Value(number) => i64::try_from(number).ok(),
            Cell::Bad => None,
        };
        if number.is_none() {
            let found = shown(column.1, row);
            let what = format!("{}: the {name} of {address:#x} is {found}; it was left out", rows.file);
            self.packer.issue(kind, what)?;
        }
        Ok(number)
    }

    fn finish(mut self) -> Merged {
        self.flush(true)?;
        match self.packer.n_objects() {
            0 => Err(ReadError::Empty(String::new()).into()),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, all: bool) -> Merged {
        match all || self.packer.is_full() {
            true => Ok((self.consume)(self.packer.take())?),
            false => Ok(()),
        }
    }
}

/// An object that is kept beyond its batch, to compare the next one with it.
struct PlainOwned {
    address: u64,
    numbers: [Option<i64>; 3],
    texts: [Option<String>; 3],
}

impl PlainOwned {
    fn texts<'o>(object: &PlainObject<'o>) -> [Option<&'o str>; 3] {
        [Some(object.type_name), object.name, object.value]
    }

    /// Keeps an object in the memory of the one before.
    fn keep(kept: &mut Option<Self>, object: &PlainObject<'_>) {
        let kept =
            kept.get_or_insert_with(|| Self { address: 0, numbers: [None; 3], texts: [None, None, None] });
        kept.address = object.address;
        kept.numbers = [object.size, object.len, object.refcount];
        for (text, new) in kept.texts.iter_mut().zip(Self::texts(object)) {
            match (text.as_mut(), new) {
                (Some(text), Some(new)) => new.clone_into(text),
                (_, new) => *text = new.map(str::to_owned),
            }
        }
    }

    fn is(&self, object: &PlainObject<'_>) -> bool {
        self.address == object.address
            && self.numbers == [object.size, object.len, object.refcount]
            && self.texts.iter().map(Option::as_deref).eq(Self::texts(object))
    }
}

/// The rows of a sorted table that go with the objects, as far as they have been handed over.
struct Beside {
    table: Option<SortedTable>,
    file: String,
    columns: &'static [Column],
    batch: Option<RecordBatch>,
    row: usize,
}

impl Beside {
    fn new(table: Option<SortedTable>, columns: &'static [Column]) -> Self {
        let file = table.as_ref().map_or_else(String::new, |table| table.file.clone());
        Self { table, file, columns, batch: None, row: 0 }
    }

    /// The rows that the next is among, and its place; `None` after the last.
    fn next(&mut self, merge: &Merge<'_, '_>) -> std::result::Result<Option<(Rows<'_>, usize)>, ReadFailure> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.num_rows()) {
            let Some(table) = &mut self.table else { return Ok(None) };
            match merge.next(table)? {
                Some(rows) => (self.batch, self.row) = (Some(rows.batch), 0),
                None => (self.table, self.batch) = (None, None),
            }
        }
        let batch = self.batch.clone();
        Ok(batch.map(|batch| (Rows { file: &self.file, batch, columns: self.columns }, self.row)))
    }
}

/// The roots, by address.
struct Roots {
    rows: Beside,
    /// Whether roots of the kinds that are found by type are found again.
    finds_roots: bool,
    /// The least address that the next may have.
    upcoming: u64,
}

impl Roots {
    /// Hands over the roots of an object, after which there are none before it; at the end those that remain. Roots that are no
    /// objects are reported.
    fn take(&mut self, merge: &mut Merge<'_, '_>, object: Option<u64>) -> Merged {
        if object.is_some_and(|object| object < self.upcoming) {
            return Ok(());
        }
        while let Some((rows, row)) = self.rows.next(merge)? {
            let (address, kinds) = (rows.numbers("address"), rows.texts("kind"));
            let what = match (cell(address, row), object) {
                (Cell::Value(at), Some(object)) if at > object => {
                    self.upcoming = at;
                    return Ok(());
                }
                (Cell::Value(at), Some(object)) if at == object => {
                    let kind = text(kinds, row).unwrap_or(NO_KIND);
                    // A table of a lake has them; they are found again.
                    let is_found = root_kind::is_found(kind)
                        && (self.finds_roots
                            || matches!(
                                kind,
                                root_kind::UNREFERENCED | root_kind::CYCLE | root_kind::GARBAGE
                            ));
                    if !is_found {
                        merge.packer.root(at, kind.to_owned());
                    }
                    None
                }
                (Cell::Value(at), _) => {
                    Some(format!("{}: the root {at:#x} was left out: there is no such object", rows.file))
                }
                _ => {
                    let found = shown(address.1, row);
                    Some(format!("{}: a root whose address is {found} was left out", rows.file))
                }
            };
            if let Some(what) = what {
                merge.packer.issue(IssueKind::BadAddress, what)?;
            }
            self.rows.row += 1;
            merge.flush(false)?;
        }
        Ok(())
    }
}

/// The references, by parent.
struct Edges {
    rows: Beside,
}

impl Edges {
    /// Reports the references of parents before `address`, or of all that remain: they are no objects.
    fn skip_to(&mut self, merge: &mut Merge<'_, '_>, address: Option<u64>) -> Merged {
        while let Some((rows, row)) = self.rows.next(merge)? {
            let (parents, children) = (rows.numbers("parent"), rows.numbers("child"));
            let parent = cell(parents, row);
            if let (Cell::Value(parent), Some(address)) = (parent, address)
                && parent >= address
            {
                return Ok(());
            }
            let child = shown(children.1, row);
            let what = match parent {
                Cell::Value(parent) => format!(
                    "{}: the reference from {parent:#x} to {child} was left out: there is no such object",
                    rows.file
                ),
                _ => format!(
                    "{}: a reference to {child} was left out: its parent is {}",
                    rows.file,
                    shown(parents.1, row)
                ),
            };
            merge.packer.issue(IssueKind::BadReference, what)?;
            self.rows.row += 1;
            merge.flush(false)?;
        }
        Ok(())
    }

    /// Hands over the references of the object that was begun last.
    fn take(&mut self, merge: &mut Merge<'_, '_>, address: u64) -> Merged {
        while let Some((rows, start)) = self.rows.next(merge)? {
            let (parents, children) = (rows.numbers("parent"), rows.numbers("child"));
            let (labels, kinds) = (rows.texts("label"), rows.texts("kind"));
            for row in start..rows.len() {
                if cell(parents, row) != Cell::Value(address) {
                    self.rows.row = row;
                    return Ok(());
                }
                let Cell::Value(child) = cell(children, row) else {
                    let found = shown(children.1, row);
                    let what = format!("{}: {address:#x} refers to {found}, which was left out", rows.file);
                    merge.packer.issue(IssueKind::BadReference, what)?;
                    continue;
                };
                let kind = match text(kinds, row) {
                    None => EdgeKind::Strong,
                    Some(name) => match EdgeKind::of_name(name) {
                        Some(kind) => kind,
                        None => {
                            let found = shown(kinds, row);
                            let names = EdgeKind::ALL.map(EdgeKind::name).join(", ");
                            let what = format!(
                                "{}: a reference of {address:#x} is of the kind {found}, which is none of {names}; it \
                                 was taken as strong",
                                rows.file
                            );
                            merge.packer.issue(IssueKind::BadLabel, what)?;
                            EdgeKind::Strong
                        }
                    },
                };
                merge.packer.reference(child, text(labels, row), kind)?;
            }
            let end = rows.len();
            self.rows.row = end;
        }
        Ok(())
    }
}

/// The whole number that a value is: a number, or a text in decimal or, after `0x`, hexadecimal digits. Null where it is
/// none from 0 to 2^64 - 1.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Number {
    signature: Signature,
}

impl Number {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Number {
    fn name(&self) -> &str {
        "whole_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> std::result::Result<DataType, DataFusionError> {
        Ok(DataType::UInt64)
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> std::result::Result<ColumnarValue, DataFusionError> {
        let [values] = &args.args[..] else {
            return Err(DataFusionError::Internal("one argument".to_owned()));
        };
        let values = values.to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(whole_numbers(&values)?))
    }
}

/// Floats up to here are exact.
const MAX_EXACT: f64 = (1_u64 << 53) as f64;

fn whole_numbers(values: &ArrayRef) -> std::result::Result<ArrayRef, DataFusionError> {
    let kind = match values.data_type() {
        DataType::Dictionary(_, values) => values,
        kind => kind,
    };
    let numbers: UInt64Array = if kind.is_integer() || *kind == DataType::Null {
        let safe = CastOptions { safe: true, ..CastOptions::default() };
        return Ok(cast_with_options(values, &DataType::UInt64, &safe)?);
    } else if kind.is_numeric() {
        let floats = cast(values, &DataType::Float64)?;
        let floats: &Float64Array = floats.as_primitive::<Float64Type>();
        let whole =
            |float: f64| (float.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&float)).then_some(float as u64);
        floats.iter().map(|float| float.and_then(whole)).collect()
    } else {
        let texts = cast(values, &DataType::Utf8)?;
        let texts: &StringArray = texts.as_string();
        texts.iter().map(|text| text.and_then(whole_number)).collect()
    };
    Ok(Arc::new(numbers))
}

fn whole_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    let is_number = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    is_number.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{BooleanArray, Int64Array};

    use super::*;

    #[test]
    fn whole_numbers_of_all_sorts_are_read() {
        let of = |values: ArrayRef| -> Vec<Option<u64>> {
            whole_numbers(&values).expect("numbers").as_primitive::<UInt64Type>().iter().collect()
        };
        assert_eq!(of(Arc::new(Int64Array::from(vec![Some(7), Some(-1), None]))), [Some(7), None, None]);
        let floats =
            vec![Some(140_737_488_355_328.0), Some(0.5), Some(-1.0), Some(1e300), Some(f64::NAN), None];
        assert_eq!(of(Arc::new(Float64Array::from(floats)))[0], Some(1 << 47));
        let floats = vec![Some(0.5), Some(-1.0), Some(1e300), Some(f64::NAN), None];
        assert_eq!(of(Arc::new(Float64Array::from(floats))), [None; 5]);
        let texts =
            ["12", "0xC000", " 0x10 ", "18446744073709551615", "18446744073709551616", "-1", "+1", "", "0x"];
        let read = [Some(12), Some(0xc000), Some(16), Some(u64::MAX), None, None, None, None, None];
        assert_eq!(of(Arc::new(StringArray::from(texts.to_vec()))), read);
    }

    #[test]
    fn columns_of_a_wrong_sort_are_refused() {
        assert!(!ColumnKind::Number.fits(BooleanArray::from(vec![true]).data_type()));
        assert!(ColumnKind::Text.fits(&DataType::Boolean) && !ColumnKind::Text.fits(&DataType::Binary));
        assert!(ColumnKind::Number.fits(&DataType::Utf8View) && ColumnKind::Number.fits(&DataType::Null));
    }
}
