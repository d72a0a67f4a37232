//! Builds the index of a dump that is in the lake from its tables.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array},
    datatypes::{FieldRef, Int64Type, UInt64Type},
};
use heaplake_model::{
    DumpId, root_kind,
    schema::{self, REFCOUNT, Table},
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};
use rayon::prelude::*;

use super::{
    AnyIndex, ArraysIn, EdgeFiles, GraphSize, IndexInputs, NewIndex, NodeNames, Nodes, ObjIndex,
    ProgramNames, Refcounts, Summaries, build, bytes, edges_xxh3, in_parallel,
    obj_columns::{n_plain_columns, root_columns},
    summaries,
};
use crate::{
    Counts, Error, FileEntry, ImportProgress, Lake, Manifest, Phase, Result, StoredFile, TypeStat, commit,
    file_names::FileNames,
    lake::{LakeFolder, LakePath, WorkFolder, index_name},
    manifest::{naming, runtime_of},
    memory::default_memory,
    parquet_file, properties, summary, with_index,
};

/// How to build an index.
#[derive(Debug, Clone, Default)]
pub struct IndexOptions {
    /// Do not build one at import.
    pub skip: bool,
    /// Use 64-bit ids even if 32 bits suffice.
    pub wide_ids: bool,
}

/// Limits of building an index: bytes of memory (by default half of the machine's) and threads (by default one per core).
#[derive(Debug, Clone, Default)]
pub struct BuildLimits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Threads.
    pub threads: Option<usize>,
}

impl BuildLimits {
    /// An error if the work needs more memory than allowed.
    pub(super) fn check(&self, needed: u64) -> Result<()> {
        let limit = self.memory.unwrap_or_else(default_memory);
        if needed > limit { Err(Self::exceeded(needed, limit)) } else { Ok(()) }
    }

    /// Where the arrays can be while the index of a dump is built from its tables; an error if there is too little memory.
    fn room(&self, counts: &Counts, wide_ids: bool) -> Result<ArraysIn> {
        let limit = self.memory.unwrap_or_else(default_memory);
        // The objects are sorted in a separate array.
        let node_bytes = Nodes::BYTES + size_of::<(u64, u64, u32)>() as u64;
        let room = GraphSize::of(counts).room(wide_ids, node_bytes, limit);
        room.map_err(|needed| Self::exceeded(needed, limit))
    }

    fn exceeded(needed: u64, limit: u64) -> Error {
        Error::MemoryLimit { what: "the graph index", needed, limit }
    }
}

/// Whether a dump has an index, or there is enough memory to build one.
pub fn index_fits(lake: &Lake, manifest: &Manifest, limits: &BuildLimits) -> bool {
    lake.has(&LakePath::index(manifest)) || limits.room(&manifest.counts, false).is_ok()
}

/// Builds the index of a dump anew, and, if the dump was imported without one or its holders are named by older rules, the
/// columns and tables that come from it. The dump is replaced as a whole; queries that already read it are not disturbed.
pub fn index_dump(
    lake: &Lake,
    id: &DumpId,
    options: &IndexOptions,
    limits: &BuildLimits,
    progress: &ImportProgress,
) -> Result<Manifest> {
    let manifest = lake.manifest(id.as_str())?;
    let work = lake.work_folder()?;
    let builder = IndexBuilder::new(lake, &manifest, options, limits, progress)?;
    let has_summaries = manifest.indexed && manifest.naming == naming(manifest.runtime());
    let (built, edges) = builder.graph(&work, !has_summaries)?;
    built.file.sync_all().map_err(|source| lake.at(&LakePath::index(&manifest)).io_error(source))?;
    if has_summaries {
        builder.install(&work)?;
        super::seal(lake, &manifest);
        return Ok(manifest);
    }
    progress.enter(Phase::Writing);
    let names = FileNames::new(&work, id);
    let mut new = manifest.clone();
    new.files.retain(|file| matches!(file.table, Table::Edge | Table::Issue));
    let (summaries, obj) = in_parallel(
        builder.threads,
        || builder.summaries(&built.index, &edges, built.names),
        || builder.obj(&names, &built.index),
    );
    let Summaries { type_retained, holders, modules } = summaries?;
    new.files.extend([obj?, builder.root(&names, &built.index)?]);
    let mut types = builder.types;
    for (stat, retained) in types.iter_mut().zip(type_retained) {
        stat.retained = Some(bytes(retained));
    }
    new.files.push(summary::write_types(&names, &types)?);
    new.files.push(summary::write_holders(&names, &holders)?);
    new.files.push(summary::write_modules(&names, &modules)?);
    new.counts.dangling = built.counts.dangling;
    new.counts.unreferenced = built.counts.unreferenced;
    new.roots = built.counts.roots;
    new.indexed = true;
    new.naming = naming(manifest.runtime());
    progress.check_cancel()?;
    progress.enter(Phase::Committing);
    let new = commit::replace(lake, &manifest, new, &work)?;
    super::seal(lake, &new);
    Ok(new)
}

/// Opens the index of a dump. If there is no valid one, calls `absent`, builds it from the tables, and keeps it in the lake.
pub fn open_or_build(
    lake: &Lake,
    manifest: &Manifest,
    limits: &BuildLimits,
    progress: &ImportProgress,
    absent: impl FnOnce(),
) -> Result<AnyIndex> {
    if let Some(index) = AnyIndex::open(lake, manifest)? {
        return Ok(index);
    }
    absent();
    let work = lake.work_folder()?;
    let options = IndexOptions::default();
    let builder = IndexBuilder::new(lake, manifest, &options, limits, progress)?;
    let built = builder.graph(&work, false);
    let (built, _) = built.map_err(|error| lake.perhaps_replaced(manifest, error))?;
    built.file.sync_all().map_err(|source| lake.at(&LakePath::index(manifest)).io_error(source))?;
    builder.install(&work)?;
    super::seal(lake, manifest);
    Ok(built.index)
}

struct IndexBuilder<'b> {
    lake: &'b Lake,
    manifest: &'b Manifest,
    options: &'b IndexOptions,
    limits: &'b BuildLimits,
    progress: &'b ImportProgress,
    threads: usize,
    types: Vec<TypeStat>,
}

/// Rows of `obj` that are rewritten together.
const OBJ_ROWS: usize = 1 << 17;

impl<'b> IndexBuilder<'b> {
    fn new(
        lake: &'b Lake,
        manifest: &'b Manifest,
        options: &'b IndexOptions,
        limits: &'b BuildLimits,
        progress: &'b ImportProgress,
    ) -> Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = limits.threads.unwrap_or_else(cores).max(1);
        manifest.check_whole()?;
        let types = lake.types(manifest)?;
        Ok(Self { lake, manifest, options, limits, progress, threads, types })
    }

    /// Moves a complete index file into the lake.
    fn install(&self, work: &WorkFolder) -> Result<()> {
        commit::install(self.lake, self.manifest, work, &LakePath::index(self.manifest))
    }

    fn stored(&self, table: Table) -> Vec<StoredFile> {
        self.manifest.files_of(table).map(|file| self.lake.file(file)).collect()
    }

    /// Builds the index file in `work`. Returns the files of `edge`, too, which the summaries need.
    fn graph(&self, work: &WorkFolder, for_summaries: bool) -> Result<(NewIndex, EdgeFiles)> {
        self.progress.enter(Phase::Indexing);
        let counts = &self.manifest.counts;
        let arrays_in = self.limits.room(counts, self.options.wide_ids)?;
        let type_names: Vec<&str> = self.types.iter().map(|stat| stat.name.as_str()).collect();
        let runtime = runtime_of(&self.manifest.source.format)?;
        let edges = EdgeFiles::open(self.stored(Table::Edge), for_summaries.then_some(runtime))?;
        let inputs = IndexInputs {
            nodes: self.nodes(&type_names)?,
            type_names: &type_names,
            runtime,
            recorded_roots: &self.recorded_roots()?,
            edges: &edges,
            edges_xxh3: edges_xxh3(self.manifest.files_of(Table::Edge)),
            n_edges: counts.edges,
            wide_ids: self.options.wide_ids,
            arrays_in,
            threads: self.threads,
            cancel: &self.progress.cancel,
        };
        let built = build(inputs, &work.file(&index_name(self.manifest.files_of(Table::Edge))))?;
        Ok((built, edges))
    }

    fn summaries(&self, index: &AnyIndex, edges: &EdgeFiles, names: ProgramNames) -> Result<Summaries> {
        let type_names: Vec<&str> = self.types.iter().map(|stat| stat.name.as_str()).collect();
        let runtime = runtime_of(&self.manifest.source.format)?;
        summaries(index, runtime, &type_names, edges, names, &self.progress.cancel)
    }

    /// The objects of `obj`, by address.
    fn nodes(&self, type_names: &[&str]) -> Result<Nodes> {
        let mut objects: Vec<(u64, u64, u32)> = Vec::new();
        let mut counted: Vec<(u64, u32)> = Vec::new();
        let mut named: Vec<(u64, Box<str>)> = Vec::new();
        for stored in self.stored(Table::Obj) {
            let damaged = |what: &str| stored.damaged(what);
            let rank = |name: &str| {
                let found = type_names.binary_search(&name).ok();
                found
                    .map(|rank| rank as u32)
                    .ok_or_else(|| damaged("it has a type that the manifest does not name"))
            };
            let mut last: Option<(String, u32)> = None;
            for batch in self.read(&stored, &["address", "type", "name", "size", REFCOUNT], OBJ_ROWS)? {
                let batch = batch?;
                let (addresses, types, names, sizes) = (
                    batch.column(0).as_primitive::<UInt64Type>(),
                    batch.column(1).as_string::<i32>(),
                    batch.column(2).as_string::<i32>(),
                    batch.column(3).as_primitive::<Int64Type>(),
                );
                if let Some(counts) = batch.column_by_name(REFCOUNT) {
                    let counts = addresses.values().iter().zip(counts.as_primitive::<Int64Type>());
                    counted
                        .extend(counts.filter_map(|(address, n)| Some((*address, u32::try_from(n?).ok()?))));
                }
                for i in 0..batch.num_rows() {
                    let name = types.value(i);
                    let rank = match &last {
                        Some((last, rank)) if last == name => *rank,
                        _ => last.insert((name.to_owned(), rank(name)?)).1,
                    };
                    let size = if sizes.is_null(i) { 0 } else { u64::try_from(sizes.value(i)).unwrap_or(0) };
                    objects.push((addresses.value(i), size, rank));
                    if names.is_valid(i) {
                        named.push((addresses.value(i), NodeNames::clipped(names.value(i)).into()));
                    }
                }
            }
        }
        objects.par_sort_unstable();
        if objects.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let folder = LakeFolder::table(Table::Obj, &self.manifest.id);
            return Err(self.lake.folder_damaged(&folder, "an address occurs twice"));
        }
        named.sort_unstable();
        let mut names = NodeNames::default();
        for (address, name) in named {
            if let Ok(node) = objects.binary_search_by_key(&address, |(address, ..)| *address) {
                names.push(node, &name);
            }
        }
        counted.sort_unstable();
        let mut refcounts = Refcounts::default();
        let mut node = 0;
        for (address, count) in counted {
            // Both are in the order of the addresses, and every address is that of an object.
            node += objects[node..].partition_point(|(other, ..)| *other < address);
            refcounts.push(node, count);
        }
        Ok(Nodes {
            refcounts,
            addresses: objects.iter().map(|(address, ..)| *address).collect(),
            types: objects.iter().map(|(_, _, rank)| *rank).collect(),
            sizes: objects.iter().map(|(_, size, _)| *size).collect(),
            names,
        })
    }

    /// The roots that the dump records; the others are found again.
    fn recorded_roots(&self) -> Result<Vec<(u64, Arc<str>)>> {
        let mut roots = Vec::new();
        for stored in self.stored(Table::Root) {
            for batch in self.read(&stored, &["address", "kind"], OBJ_ROWS)? {
                let batch = batch?;
                let (addresses, kinds) =
                    (batch.column(0).as_primitive::<UInt64Type>(), batch.column(1).as_string::<i32>());
                let found = addresses
                    .values()
                    .iter()
                    .zip(kinds)
                    .filter_map(|(address, kind)| Some((*address, kind?)));
                let recorded = found.filter(|(_, kind)| !root_kind::is_found(kind));
                roots.extend(recorded.map(|(address, kind)| (address, kind.into())));
            }
        }
        Ok(roots)
    }

    fn read(
        &self,
        stored: &StoredFile,
        columns: &[&str],
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let parquet_error = {
            let stored = stored.clone();
            move |source| stored.parquet_error(source)
        };
        let file = stored.open().map_err(|source| stored.io_error(source))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(&parquet_error)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let reader: ParquetRecordBatchReader =
            builder.with_projection(mask).with_batch_size(batch_rows).build().map_err(&parquet_error)?;
        let cancel: &AtomicBool = &self.progress.cancel;
        Ok(reader.map(move |batch| {
            if cancel.load(Relaxed) {
                return Err(Error::Cancelled);
            }
            batch.map_err(|error| parquet_error(error.into()))
        }))
    }

    /// Writes `obj` again, with the columns of the index.
    fn obj(&self, names: &FileNames<'_>, index: &AnyIndex) -> Result<FileEntry> {
        let schema = schema::obj();
        let plain: Vec<&str> =
            schema.fields()[..n_plain_columns()].iter().map(|field| field.name().as_str()).collect();
        let paths = self.stored(Table::Obj);
        let mut batches = Vec::new();
        for path in &paths {
            batches.push(self.read(path, &plain, OBJ_ROWS)?);
        }
        let mut batches = batches.into_iter().flatten();
        let index = ObjIndex::new(index);
        let arrays = |batch: RecordBatch| {
            // Files of older versions do not have all of them.
            let column = |field: &FieldRef| {
                let found = batch.column_by_name(field.name()).cloned();
                found.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
            };
            let mut arrays: Vec<ArrayRef> = schema.fields()[..n_plain_columns()].iter().map(column).collect();
            let refcounts = column(&schema.fields()[schema.index_of(REFCOUNT).unwrap_or_default()]);
            let addresses = batch.column(0).as_primitive::<UInt64Type>().values();
            arrays.extend(index.columns(addresses, refcounts.as_primitive()));
            Ok(vec![arrays])
        };
        let (sum, n_rows) = parquet_file::write(
            &names.file(Table::Obj),
            schema.clone(),
            properties::obj(),
            self.threads,
            || batches.next().transpose(),
            arrays,
            |_| {},
        )?;
        names.synced(Table::Obj, sum, n_rows)
    }

    /// Writes `root` again.
    fn root(&self, names: &FileNames<'_>, index: &AnyIndex) -> Result<FileEntry> {
        let roots: Vec<(u64, &str)> = with_index!(index, |index| index.named_roots().collect());
        let mut rest = Some(roots);
        let (sum, n_rows) = parquet_file::write(
            &names.file(Table::Root),
            schema::root(),
            properties::root(),
            self.threads,
            || Ok(rest.take().filter(|roots| !roots.is_empty())),
            |roots| Ok(vec![root_columns(roots.into_iter())]),
            |_| {},
        )?;
        names.synced(Table::Root, sum, n_rows)
    }
}
