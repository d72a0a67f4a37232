//! The import of one dump, from its file to the commit.
//!
//! ```text
//! records --collect--> in memory, or sorted runs on disk --order--> row groups --encode--> edge --index--> obj --commit--> lake
//! ```
//!
//! `collect.rs` collects records from the reader within the memory limit, and writes sorted runs (`runs.rs`) when the
//! limit is reached; `order.rs` finds both orders of the rows; `tables.rs` drives the encoding; `columns.rs` makes arrays of
//! rows; `edges.rs` gives the index the references that are in memory.

mod appended;
mod collect;
mod columns;
mod edges;
mod fields;
mod issues;
mod order;
mod runs;
mod tables;
mod threads;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use heaplake_model::{DumpId, LayoutOverride, Process};
use heaplake_readers::{Consume, DumpContent, ReadOptions, TypeTable, format_named};

use crate::{
    Counts, Error, FORMAT_VERSION, FileEntry, IndexOptions, Lake, Manifest, Result, Source, TakenFrom,
    commit,
    file_names::FileNames,
    index,
    lake::WorkFolder,
    manifest::{naming, now, runtime_of},
    memory::default_memory,
};
use collect::Collector;
use fields::FieldFile;
use issues::IssueFile;
use threads::ThreadFile;

/// What to import.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// An object in a store.
    Object(ObjectInput),
}

/// Bytes that come from elsewhere.
#[derive(Clone)]
pub struct ObjectInput {
    /// Its address, which ends with its name.
    pub address: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// Begins to read it.
    pub open: Arc<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>,
}

impl fmt::Debug for ObjectInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectInput").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Input {
    /// The default name of its dump: that of the file, without endings.
    pub fn default_id(&self) -> DumpId {
        match self {
            Self::File(path) => {
                DumpId::from_file_name(&path.file_name().unwrap_or_default().to_string_lossy())
            }
            Self::Stdin => DumpId::from_file_name("stdin"),
            Self::Object(object) => {
                DumpId::from_file_name(object.address.rsplit('/').next().unwrap_or_default())
            }
        }
    }
}

/// What to do about damage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// Stop; nothing is imported.
    #[default]
    Fail,
    /// Keep what can be kept and report the rest as issues.
    Skip,
}

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The dump's name; by default [`Input::default_id`].
    pub dump: Option<DumpId>,
    /// When the process was dumped; by default what the dump says, or the time of the file's last change.
    pub taken: Option<DateTime<Utc>>,
    /// Tags of the dump.
    pub tags: BTreeMap<String, String>,
    /// Name of the format that the input must be of, one of [`FORMATS`](crate::FORMATS); by default recognised.
    pub format: Option<String>,
    /// What to do about damage.
    pub on_error: OnError,
    /// Replace a dump of the same name.
    pub replace: bool,
    /// Bytes of memory to use at most; rows beyond it are spilled to the lake's `tmp`. By default half of the machine's.
    pub memory_limit: Option<u64>,
    /// Worker threads; by default one per core.
    pub threads: Option<usize>,
    /// Keep the fields of objects that have values of their own, where the format has any, in the table `field`.
    pub fields: bool,
    /// Which heap dump of the input to import, from 1; `None` where it must hold one only.
    pub part: Option<u32>,
    /// What is known of the layout of objects, for formats without their sizes.
    pub layout: LayoutOverride,
    /// How to build the graph index; by default it is built if it fits into the memory.
    pub index: IndexOptions,
}

/// The progress of an import: the import updates it, another thread may read it at any time.
#[derive(Debug, Default)]
pub struct ImportProgress {
    /// Set it to stop the import.
    pub cancel: AtomicBool,
    /// Bytes of the source; 0 if not known.
    pub total_bytes: AtomicU64,
    /// Bytes of the source read.
    pub bytes_read: Arc<AtomicU64>,
    /// Objects read.
    pub objects: AtomicU64,
    /// The [`Phase`], as a number.
    pub phase: AtomicU8,
    /// Rows to write, over all tables.
    pub rows_total: AtomicU64,
    /// Rows written.
    pub rows_written: AtomicU64,
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Reading and parsing.
    Reading = 0,
    /// Bringing rows into order.
    Sorting = 1,
    /// Encoding and writing.
    Writing = 2,
    /// Building the graph index.
    Indexing = 3,
    /// Moving files into the lake.
    Committing = 4,
    /// Copying a dump from another lake, or to one; `bytes_read` of `total_bytes` are copied.
    Copying = 5,
}

impl ImportProgress {
    /// Says what is being done from now on.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn check_cancel(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Imports one dump. Afterwards either the whole dump is in the lake, or the lake is as it was before.
pub fn import(
    lake: &Lake,
    input: &Input,
    options: &ImportOptions,
    progress: &ImportProgress,
) -> Result<Manifest> {
    let format = options.format.as_deref().map(format_named).transpose()?;
    let id = options.dump.clone().unwrap_or_else(|| input.default_id());
    refuse_existing(lake, &id, options)?;
    let Opened { name, source, modified } = Opened::open(input, progress)?;
    let source = DumpSource {
        name,
        modified,
        read: |options: &ReadOptions<'_>, types: &TypeTable, consume: Consume<'_>| {
            let summary = heaplake_readers::read(source, format, options, types, consume)?;
            Ok((summary.format.name(), summary.content))
        },
    };
    import_source(lake, id, source, options, progress)
}

/// Where objects come from that are in no file of a format: tables, for instance.
pub struct ObjectSource<R> {
    /// What the manifest says of where they came from.
    pub name: String,
    /// Whose runtime's rules hold for them, as the name of a format.
    pub format: &'static str,
    /// When they were written.
    pub modified: Option<DateTime<Utc>>,
    /// Hands them over, as [`Format::read`](crate::Format::read) does.
    pub read: R,
}

/// Imports the objects of a dump from something that hands them over, with the same promises as [`import`].
/// [`ImportOptions::format`] is not looked at.
pub fn import_objects<R>(
    lake: &Lake,
    id: DumpId,
    source: ObjectSource<R>,
    options: &ImportOptions,
    progress: &ImportProgress,
) -> Result<Manifest>
where
    R: FnOnce(&ReadOptions<'_>, &TypeTable, Consume<'_>) -> Result<DumpContent, heaplake_readers::Error>,
{
    refuse_existing(lake, &id, options)?;
    let ObjectSource { name, format, modified, read } = source;
    let read = |options: &ReadOptions<'_>, types: &TypeTable, consume: Consume<'_>| {
        Ok((format, read(options, types, consume)?))
    };
    import_source(lake, id, DumpSource { name, modified, read }, options, progress)
}

fn refuse_existing(lake: &Lake, id: &DumpId, options: &ImportOptions) -> Result<()> {
    match !options.replace && lake.find_manifest(id)?.is_some() {
        true => Err(Error::DumpExists(id.clone())),
        false => Ok(()),
    }
}

/// Imports what a source hands over.
fn import_source(
    lake: &Lake,
    id: DumpId,
    source: DumpSource<impl ReadSource>,
    options: &ImportOptions,
    progress: &ImportProgress,
) -> Result<Manifest> {
    let DumpSource { name, modified, read } = source;
    let work = lake.work_folder()?;
    let limits = Limits::new(options);
    let content = write_tables(read, &work, &id, options, &limits, progress)?;

    progress.check_cancel()?;
    progress.enter(Phase::Committing);
    let imported = now();
    let (taken, taken_from) = match (options.taken, content.taken, modified) {
        (Some(taken), _, _) => (taken, TakenFrom::User),
        (None, Some(taken), _) => (taken, TakenFrom::Dump),
        (None, None, Some(modified)) => (modified, TakenFrom::File),
        (None, None, None) => (imported, TakenFrom::Import),
    };
    let naming = if content.indexed { naming(runtime_of(&content.source.format)?) } else { 0 };
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        id,
        taken,
        taken_from,
        imported,
        source: Source { file: name, ..content.source },
        process: content.process,
        tags: options.tags.clone(),
        counts: content.counts,
        roots: content.roots,
        indexed: content.indexed,
        naming,
        issues: content.issues,
        pruned: None,
        files: content.files,
    };
    commit::commit(lake, &manifest, &work, options.replace)?;
    if manifest.indexed {
        index::seal(lake, &manifest);
    }
    Ok(manifest)
}

/// What is to be read.
struct DumpSource<R> {
    /// Its name in the manifest.
    name: String,
    /// When it was written, if that is known.
    modified: Option<DateTime<Utc>>,
    read: R,
}

/// Reads a dump: hands its records over, and returns the name of its format and what it says of itself.
trait ReadSource:
    FnOnce(
    &ReadOptions<'_>,
    &TypeTable,
    Consume<'_>,
) -> Result<(&'static str, DumpContent), heaplake_readers::Error>
{
}

impl<R> ReadSource for R where
    R: FnOnce(
        &ReadOptions<'_>,
        &TypeTable,
        Consume<'_>,
    ) -> Result<(&'static str, DumpContent), heaplake_readers::Error>
{
}

/// What reading a dump and writing its tables resulted in.
struct ImportedDump {
    source: Source,
    process: Process,
    taken: Option<DateTime<Utc>>,
    counts: Counts,
    roots: BTreeMap<String, u64>,
    indexed: bool,
    issues: BTreeMap<String, u64>,
    files: Vec<FileEntry>,
}

fn write_tables(
    read: impl ReadSource,
    work: &WorkFolder,
    id: &DumpId,
    options: &ImportOptions,
    limits: &Limits,
    progress: &ImportProgress,
) -> Result<ImportedDump> {
    let types = TypeTable::default();
    let names = FileNames::new(work, id);
    let issues = IssueFile::create(names.file(heaplake_model::schema::Table::Issue))?;
    let fields = options.fields.then(|| FieldFile::create(&names, &types, limits.field_bytes)).transpose()?;
    let streamed = StreamedTables { issues, fields, threads: ThreadFile::new(&names) };
    let mut collector = Collector::new(&types, work, limits, streamed, progress);
    let read_options = ReadOptions {
        keep_going: options.on_error == OnError::Skip,
        threads: limits.threads,
        block_bytes: limits.block_bytes,
        max_object_bytes: limits.max_object_bytes,
        fields: options.fields,
        part: options.part,
        layout: options.layout,
        work_folder: work.path(),
        cancel: &progress.cancel,
        bytes_read: progress.bytes_read.clone(),
    };
    // Readers do not know the errors of the lake: one waits here.
    let mut refused = None;
    let read = read(&read_options, &types, &mut |records| {
        collector.add(records).map_err(|error| {
            refused = Some(error);
            heaplake_readers::Error::Cancelled
        })
    });
    let (format, content) = match (refused, read) {
        (Some(error), _) => return Err(error),
        (None, Err(heaplake_readers::Error::Cancelled)) => return Err(Error::Cancelled),
        (None, read) => read?,
    };
    progress.enter(Phase::Sorting);
    let collected = collector.finish()?;
    let index = (!options.index.skip).then(|| options.index.clone());
    let about = tables::DumpTraits { runtime: runtime_of(format)?, index };
    let written = tables::write(collected, &names, &types, &about, limits, progress)?;
    let DumpContent { provenance, process, taken } = content;
    Ok(ImportedDump {
        source: Source {
            file: String::new(),
            bytes: provenance.bytes,
            sha256: provenance.sha256,
            format: format.to_owned(),
            compression: provenance.compression.name().to_owned(),
            part: options.part,
        },
        process,
        taken,
        counts: written.counts,
        roots: written.roots,
        indexed: written.indexed,
        issues: written.issues,
        files: written.files,
    })
}

/// Tables that are written while the dump is read.
struct StreamedTables<'t> {
    issues: IssueFile,
    /// `None` where they are not asked for.
    fields: Option<FieldFile<'t>>,
    threads: ThreadFile<'t>,
}

/// How the memory of an import is divided.
#[derive(Debug, Clone)]
struct Limits {
    /// What the user allows, in bytes.
    total: u64,
    /// Bytes of rows to collect before a run is spilled.
    collected: usize,
    threads: usize,
    block_bytes: usize,
    max_object_bytes: usize,
    /// Bytes of rows of `field` to collect before they are written.
    field_bytes: usize,
    /// Rows of an `obj` row group.
    obj_rows: usize,
    /// Rows of an `edge` row group.
    edge_rows: usize,
}

const MIB: u64 = 1 << 20;

impl Limits {
    /// A third of the memory is for collected rows, including what is needed to sort them. The rest is for blocks that are
    /// being parsed and row groups that are being encoded; both are smaller if memory is short.
    fn new(options: &ImportOptions) -> Self {
        let total = options.memory_limit.unwrap_or_else(default_memory);
        let threads = options.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
        let short = total < 256 * MIB;
        let as_usize = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            total,
            collected: as_usize(total / 3),
            threads: threads.unwrap_or(1).max(1),
            block_bytes: as_usize((total / 128).clamp(MIB / 4, 4 * MIB)),
            max_object_bytes: as_usize(total / 4),
            field_bytes: as_usize((total / 16).min(64 * MIB)),
            obj_rows: if short { 1 << 15 } else { 1 << 17 },
            edge_rows: if short { 1 << 16 } else { 1 << 18 },
        }
    }

    fn exceeded(&self, what: &'static str, needed: usize) -> Error {
        Error::MemoryLimit { what, needed: needed as u64, limit: self.total }
    }
}

struct Opened {
    name: String,
    source: heaplake_readers::Source,
    modified: Option<DateTime<Utc>>,
}

impl Opened {
    fn open(input: &Input, progress: &ImportProgress) -> Result<Self> {
        let path = match input {
            Input::File(path) => path,
            Input::Stdin => {
                let source = heaplake_readers::Source::stream(io::stdin());
                return Ok(Self { name: "-".to_owned(), source, modified: None });
            }
            Input::Object(object) => {
                let io_error = |source| Error::Io { path: object.address.clone().into(), source };
                progress.total_bytes.store(object.bytes, Ordering::Relaxed);
                return Ok(Self {
                    name: object.address.clone(),
                    source: heaplake_readers::Source::stream((object.open)().map_err(io_error)?),
                    modified: DateTime::from_timestamp_micros(object.modified.timestamp_micros()),
                });
            }
        };
        let io_error = |source| Error::Io { path: path.clone(), source };
        let file = File::open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if metadata.is_dir() {
            return Err(io_error(io::ErrorKind::IsADirectory.into()));
        }
        progress.total_bytes.store(metadata.len(), Ordering::Relaxed);
        let modified = metadata.modified().ok().map(DateTime::<Utc>::from);
        let modified = modified.and_then(|time| DateTime::from_timestamp_micros(time.timestamp_micros()));
        let source = heaplake_readers::Source::file(file);
        Ok(Self { name: path.to_string_lossy().into_owned(), source, modified })
    }
}
