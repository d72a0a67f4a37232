//! Collected rows to the Parquet files of the four tables.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
};

use heaplake_model::{DumpId, Issue, IssueKind, schema, schema::Table};
use heaplake_readers::{Batch, Row, TypeTable};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    },
    schema::types::ColumnPath,
};

use super::{
    ImportProgress, Limits, Phase,
    addresses::{AddressSet, Marks},
    collect::{Collected, Rows},
    columns::{self, EdgeColumns, ObjColumns, Referred, Stretch, TypeTotals},
    order::{self, RowRef},
    parquet_file::{self, FileSum},
    runs::{Merge, Run, Side, append},
};
use crate::{Counts, Error, FileEntry, Lake, Result, TypeStat};

/// Where the files of a dump are written, and where they will lie in the lake.
pub(super) struct FileNames {
    work: PathBuf,
    id: DumpId,
    /// Of this import alone, so that a replaced dump's files keep their names until they go.
    stem: String,
}

impl FileNames {
    pub(super) fn new(work: &Path, id: &DumpId) -> Self {
        let unique = work.file_name().unwrap_or_default().to_string_lossy();
        let unique = unique.trim_start_matches(crate::commit::WORK_PREFIX);
        let stem = format!("{}-{unique}", chrono::Utc::now().format("%Y%m%dT%H%M%S"));
        Self { work: work.to_owned(), id: id.clone(), stem }
    }

    fn name(&self, table: Table) -> String {
        format!("{}-{}.parquet", self.stem, table.name())
    }

    /// Where the import writes the file of a table.
    pub(super) fn path(&self, table: Table) -> PathBuf {
        self.work.join(self.name(table))
    }

    fn entry(&self, table: Table, sum: &FileSum, rows: u64) -> FileEntry {
        FileEntry {
            table,
            path: format!("{}/{}", Lake::table_folder(table, &self.id), self.name(table)),
            rows,
            bytes: sum.bytes,
            xxh3: sum.xxh3.clone(),
        }
    }
}

/// What was written.
pub(super) struct Written {
    pub(super) counts: Counts,
    pub(super) issues: BTreeMap<String, u64>,
    pub(super) files: Vec<FileEntry>,
    pub(super) types: Vec<TypeStat>,
}

/// Objects of a piece of `edge` work; about as many references as a row group has.
const EDGE_OBJECTS: usize = 1 << 16;
/// Rows of a row group of `root`.
const ROOT_ROWS: usize = 1 << 18;

/// Writes all tables and syncs them.
pub(super) fn write(
    collected: Collected,
    names: &FileNames,
    types: &TypeTable,
    limits: &Limits,
    progress: &ImportProgress,
) -> Result<Written> {
    let Collected { rows, issues, starts, n_rows, n_refs } = collected;
    progress.rows_total.store(n_rows + n_refs, Relaxed);
    let type_names = types.names();
    let ranks = order::type_ranks(&type_names);
    let mut tables = Tables {
        names,
        type_names: &type_names,
        limits,
        progress,
        files: Vec::new(),
        syncing: Vec::new(),
        totals: Mutex::new(vec![TypeTotals::default(); type_names.len()]),
        dangling: 0,
    };
    let mut issues = issues;
    let (addresses, marks) = match rows {
        Rows::Memory(batches) => tables.write_memory(&batches, &starts, &ranks, &mut issues)?,
        Rows::Runs(runs, addresses) => tables.write_runs(&runs, addresses, &starts, &ranks, &mut issues)?,
    };
    let n_roots = tables.roots(&addresses, &marks)?;
    let (issue_sum, n_issues, issue_counts) = issues.finish()?;
    tables.finished(Table::Issue, issue_sum, n_issues);
    tables.written(n_roots, issue_counts)
}

struct Tables<'t> {
    names: &'t FileNames,
    type_names: &'t [Box<str>],
    limits: &'t Limits,
    progress: &'t ImportProgress,
    files: Vec<FileEntry>,
    syncing: Vec<(PathBuf, JoinHandle<io::Result<()>>)>,
    /// By type id.
    totals: Mutex<Vec<TypeTotals>>,
    dangling: u64,
}

impl Tables<'_> {
    fn write_memory(
        &mut self,
        batches: &[Batch],
        starts: &[(u64, u64)],
        ranks: &[u32],
        issues: &mut super::IssueFile,
    ) -> Result<(AddressSet, Marks)> {
        let mut rows = Vec::new();
        let addresses = {
            let keys = order::by_address(batches, 0);
            self.progress.check_cancel()?;
            rows.reserve_exact(keys.len());
            let addresses = AddressSet::of_sorted(keys.iter().map(|(address, _)| *address));
            let mut kept: Option<(u64, RowRef)> = None;
            for (address, row) in keys {
                if let Some((_, first)) = kept.filter(|(kept, _)| *kept == address) {
                    let pair = [first, row].map(|row| (row, row.of(batches, 0)));
                    issues.push(duplicate(pair[0], pair[1], starts))?;
                    continue;
                }
                kept = Some((address, row));
                rows.push(row);
            }
            addresses
        };
        self.progress.enter(Phase::Writing);
        let edge_rows = self.limits.edge_rows;
        let mut marks = Marks::default();
        let by_type = thread::scope(|scope| -> Result<Vec<RowRef>> {
            // One core finds the order of `obj` while both would otherwise wait for it.
            let by_type = scope.spawn(|| order::by_type(batches, 0, &rows, ranks));
            let mut pieces = rows.chunks(EDGE_OBJECTS);
            marks = self.edges(
                &addresses,
                || Ok(pieces.next()),
                |rows, referred| EdgeColumns::of(&Stretch { batches, rows }, edge_rows, referred),
            )?;
            Ok(by_type.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        let mut pieces = by_type.chunks(self.limits.obj_rows);
        let (sum, n_rows) =
            self.objects(|| Ok(pieces.next()), |rows| ObjColumns::of(&Stretch { batches, rows }))?;
        self.finished(Table::Obj, sum, n_rows);
        Ok((addresses, marks))
    }

    fn write_runs(
        &mut self,
        runs: &[Run],
        addresses: AddressSet,
        starts: &[(u64, u64)],
        ranks: &[u32],
        issues: &mut super::IssueFile,
    ) -> Result<(AddressSet, Marks)> {
        self.progress.enter(Phase::Writing);
        let mut dropped = HashSet::new();
        let mut merge = Merge::open(runs, Side::Address, ranks)?;
        let most_dropped = self.limits.total as usize / 8 / size_of::<(RowRef, u64)>();
        let edge_rows = self.limits.edge_rows;
        let marks = self.edges(
            &addresses,
            || {
                let batch = unique_rows(&mut merge, edge_rows, starts, &mut dropped, issues)?;
                if dropped.len() > most_dropped {
                    return Err(self
                        .limits
                        .exceeded("the list of duplicates", dropped.len() * size_of::<(RowRef, u64)>()));
                }
                Ok(batch)
            },
            |batch, referred| {
                let rows = in_order(&batch);
                let stretch = Stretch { batches: std::slice::from_ref(&batch), rows: &rows };
                EdgeColumns::of(&stretch, edge_rows, referred)
            },
        )?;
        let mut merge = Merge::open(runs, Side::Type, ranks)?;
        let written = self.objects(
            || kept_rows(&mut merge, self.limits.obj_rows, &dropped),
            |batch| {
                let rows = in_order(&batch);
                ObjColumns::of(&Stretch { batches: std::slice::from_ref(&batch), rows: &rows })
            },
        )?;
        self.finished(Table::Obj, written.0, written.1);
        Ok((addresses, marks))
    }

    /// Writes `edge` from pieces of work; returns which objects are referred to.
    fn edges<W>(
        &mut self,
        addresses: &AddressSet,
        mut produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W, &mut Referred<'_>) -> Vec<EdgeColumns> + Sync,
    ) -> Result<Marks> {
        let path = self.names.path(Table::Edge);
        // What the threads have noted, while they are not at it.
        let idle: Mutex<Vec<Referred<'_>>> = Mutex::new(Vec::new());
        let arrays = |piece| {
            let noted = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut referred = noted.unwrap_or_else(|| Referred::new(addresses));
            let groups = columns(piece, &mut referred);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(referred);
            groups.into_iter().map(EdgeColumns::arrays).collect::<Result<_, _>>().map_err(arrow_error(&path))
        };
        let progress = self.progress;
        let produce = || progress.check_cancel().and_then(|()| produce());
        let (sum, n_rows) = parquet_file::write(
            &path,
            schema::edge(),
            edge_properties(),
            self.limits.threads,
            produce,
            arrays,
            self.count_rows(),
        )?;
        self.finished(Table::Edge, sum, n_rows);
        let mut marks = Marks::new(addresses);
        for referred in idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
            marks.merge(&referred.marks);
            self.dangling += referred.dangling;
        }
        Ok(marks)
    }

    /// Writes `obj` from pieces of work.
    fn objects<W>(
        &self,
        mut produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W) -> (Vec<ObjColumns>, Vec<(u32, TypeTotals)>) + Sync,
    ) -> Result<(FileSum, u64)> {
        let path = self.names.path(Table::Obj);
        let arrays = |piece| {
            let (groups, totals) = columns(piece);
            let mut all = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.into_iter().for_each(|(type_id, totals)| all[type_id as usize].merge(totals));
            drop(all);
            let arrays = groups.into_iter().map(|group| group.arrays(self.type_names));
            arrays.collect::<Result<_, _>>().map_err(arrow_error(&path))
        };
        let produce = || self.progress.check_cancel().and_then(|()| produce());
        parquet_file::write(
            &path,
            schema::obj(),
            obj_properties(),
            self.limits.threads,
            produce,
            arrays,
            self.count_rows(),
        )
    }

    fn roots(&mut self, addresses: &AddressSet, marks: &Marks) -> Result<u64> {
        let path = self.names.path(Table::Root);
        let mut unmarked = addresses.unmarked(marks);
        let produce = || {
            self.progress.check_cancel()?;
            let piece: Vec<u64> = unmarked.by_ref().take(ROOT_ROWS).collect();
            Ok((!piece.is_empty()).then_some(piece))
        };
        let arrays = |piece| Ok(vec![columns::roots(piece)]);
        let properties = properties().set_sorting_columns(Some(sorted_by(&[0]))).build();
        let (sum, n_rows) = parquet_file::write(
            &path,
            schema::root(),
            properties,
            self.limits.threads,
            produce,
            arrays,
            |_| {},
        )?;
        self.finished(Table::Root, sum, n_rows);
        Ok(n_rows)
    }

    fn count_rows(&self) -> impl Fn(u64) + Sync + use<'_> {
        |rows| {
            self.progress.rows_written.fetch_add(rows, Relaxed);
        }
    }

    /// Notes a file and starts to sync it, while others are still being written.
    fn finished(&mut self, table: Table, sum: FileSum, n_rows: u64) {
        self.files.push(self.names.entry(table, &sum, n_rows));
        let file: File = sum.file;
        self.syncing.push((self.names.path(table), thread::spawn(move || file.sync_all())));
    }

    /// Waits until everything is on the disk, and adds up.
    fn written(self, n_roots: u64, issues: BTreeMap<String, u64>) -> Result<Written> {
        for (path, syncing) in self.syncing {
            let synced = syncing.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread died")));
            synced.map_err(|source| Error::Io { path, source })?;
        }
        let totals = self.totals.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stats = self.type_names.iter().zip(totals).map(|(name, totals)| totals.stat(name));
        // A type may have lost its only object to a duplicate.
        let mut types: Vec<TypeStat> = stats.filter(|stat| stat.count > 0).collect();
        types.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let rows = |table| self.files.iter().filter(|file| file.table == table).map(|file| file.rows).sum();
        let counts = Counts {
            objects: rows(Table::Obj),
            edges: rows(Table::Edge),
            dangling: self.dangling,
            unreferenced: n_roots,
            bytes: types.iter().fold(0, |sum: i64, stat| sum.saturating_add(stat.size)),
        };
        Ok(Written { counts, issues, files: self.files, types })
    }
}

fn arrow_error(path: &Path) -> impl Fn(arrow::error::ArrowError) -> Error + '_ {
    |error| Error::Parquet { path: path.to_owned(), source: error.into() }
}

fn in_order(batch: &Batch) -> Vec<RowRef> {
    (0..batch.rows.len()).map(|row| RowRef::new(0, row)).collect()
}

/// Bytes of text and references of a merged piece, at most, but for one object.
const PIECE_BYTES: usize = 32 << 20;

/// The next rows by address without those whose address was there before.
fn unique_rows(
    merge: &mut Merge<'_>,
    max_refs: usize,
    starts: &[(u64, u64)],
    dropped: &mut HashSet<RowRef>,
    issues: &mut super::IssueFile,
) -> Result<Option<Batch>> {
    let mut piece = Batch::default();
    let mut last: Option<RowRef> = None;
    while let Some((batch, row, row_ref)) = merge.peek() {
        match (last, piece.rows.last()) {
            (Some(first), Some(kept)) if kept.address == row.address => {
                issues.push(duplicate((first, (&piece, kept)), (row_ref, (batch, row)), starts))?;
                dropped.insert(row_ref);
            }
            _ if piece.refs.len() >= max_refs
                || piece.rows.len() >= EDGE_OBJECTS
                || piece.text.len() >= PIECE_BYTES =>
            {
                break;
            }
            _ => {
                append(&mut piece, batch, row, true);
                last = Some(row_ref);
            }
        }
        merge.advance()?;
    }
    Ok((!piece.rows.is_empty()).then_some(piece))
}

/// The next rows by type without the dropped ones.
fn kept_rows(merge: &mut Merge<'_>, max_rows: usize, dropped: &HashSet<RowRef>) -> Result<Option<Batch>> {
    let mut piece = Batch::default();
    while let Some((batch, row, row_ref)) = merge.peek() {
        if piece.rows.len() >= max_rows || piece.text.len() >= PIECE_BYTES {
            break;
        }
        if !dropped.contains(&row_ref) {
            append(&mut piece, batch, row, false);
        }
        merge.advance()?;
    }
    Ok((!piece.rows.is_empty()).then_some(piece))
}

type Placed<'p> = (RowRef, (&'p Batch, &'p Row));

/// The issue of an address that is there a second time.
fn duplicate(first: Placed<'_>, second: Placed<'_>, starts: &[(u64, u64)]) -> Issue {
    let place = |(row_ref, (_, row)): Placed<'_>| {
        let (line, offset) = starts[row_ref.batch()];
        (line + u64::from(row.line), offset + u64::from(row.offset))
    };
    let (first_line, _) = place(first);
    let (line, offset) = place(second);
    let (kind, how) = if same_object(first.1, second.1) {
        (IssueKind::Duplicate, "with the same fields")
    } else {
        (IssueKind::ConflictingDuplicate, "with other fields")
    };
    let address = second.1.1.address;
    let what =
        format!("address {address} was there before, in line {first_line}, {how}; the first one counts");
    Issue { kind, line, offset, what }
}

fn same_object((a_batch, a): (&Batch, &Row), (b_batch, b): (&Batch, &Row)) -> bool {
    (a.type_id, a.size, a.len) == (b.type_id, b.size, b.len)
        && a_batch.name(a) == b_batch.name(b)
        && a_batch.value(a) == b_batch.value(b)
        && a_batch.refs(a) == b_batch.refs(b)
}

fn properties() -> WriterPropertiesBuilder {
    // Level 1: 3 takes a third more time for some percent of size.
    let zstd = ZstdLevel::try_new(1).unwrap_or_default();
    WriterProperties::builder().set_compression(Compression::ZSTD(zstd)).set_dictionary_enabled(false)
}

fn sorted_by(columns: &[i32]) -> Vec<SortingColumn> {
    columns
        .iter()
        .map(|&column_idx| SortingColumn { column_idx, descending: false, nulls_first: false })
        .collect()
}

fn obj_properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let dictionaries = ["type", "name", "size", "len"];
    let properties = dictionaries
        .into_iter()
        .fold(properties(), |properties, name| properties.set_column_dictionary_enabled(column(name), true));
    properties
        .set_column_encoding(column("address"), Encoding::DELTA_BINARY_PACKED)
        .set_column_statistics_enabled(column("value"), EnabledStatistics::None)
        .set_sorting_columns(Some(sorted_by(&[1, 0])))
        .build()
}

fn edge_properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    properties()
        .set_column_encoding(column("parent"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(column("child"), Encoding::BYTE_STREAM_SPLIT)
        .set_column_encoding(column("idx"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column("label"), true)
        .set_column_dictionary_enabled(column("kind"), true)
        .set_column_statistics_enabled(column("child"), EnabledStatistics::Chunk)
        .set_sorting_columns(Some(sorted_by(&[0, 2])))
        .build()
}
