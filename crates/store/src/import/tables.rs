//! CollectedDump rows to the Parquet files of the four tables.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
};

use heaplake_model::{Issue, IssueKind, Runtime, schema, schema::Table};
use heaplake_readers::{Record, Records, TypeTable};

use super::{
    ImportProgress, Limits, Phase,
    collect::{CollectedDump, CollectedRows},
    columns::{EdgeColumns, ObjColumns, ReferenceMarks, Stretch, TypeTotals},
    edges::RecordEdges,
    order::{self, RowRef},
    runs::{Merge, Run, RunOrder},
};
use crate::{
    AnyIndex, Counts, Error, FileEntry, IndexOptions, Result, StoredFile, TypeStat,
    addresses::{AddressSet, Marks},
    file_names::FileNames,
    index::{
        self, ArraysIn, EdgeFiles, EdgeSource, GraphCounts, GraphSize, Nodes, ObjIndex, ProgramNames,
        Summaries,
    },
    lake::{WorkFile, index_name},
    parquet_file::{self, FileSum},
    properties, summary, with_index,
};

/// What was written.
pub(super) struct WrittenTables {
    pub(super) counts: Counts,
    pub(super) roots: BTreeMap<String, u64>,
    pub(super) indexed: bool,
    pub(super) issues: BTreeMap<String, u64>,
    pub(super) files: Vec<FileEntry>,
}

/// Objects of a piece of work for `edge`: they have about as many references as a row group has rows.
const EDGE_OBJECTS: usize = 1 << 16;
/// CollectedRows of a row group of `root`.
const ROOT_ROWS: usize = 1 << 18;

/// What is known of a dump besides its rows.
pub(super) struct DumpTraits {
    pub(super) runtime: &'static Runtime,
    /// How to build the graph index; `None` if it is not wanted.
    pub(super) index: Option<IndexOptions>,
}

/// Writes all tables, and the graph index, and syncs them.
pub(super) fn write(
    collected: CollectedDump<'_>,
    names: &FileNames<'_>,
    types: &TypeTable,
    about: &DumpTraits,
    limits: &Limits,
    progress: &ImportProgress,
) -> Result<WrittenTables> {
    let CollectedDump { rows, streamed, starts, recorded_roots, size } = collected;
    let super::StreamedTables { mut issues, fields, threads } = streamed;
    progress.rows_total.store(size.nodes + size.edges, Relaxed);
    let type_names = types.names();
    let writer = TableWriter {
        names,
        about,
        type_names: &type_names,
        ranks: order::type_ranks(&type_names),
        weak_types: type_names.iter().map(|name| about.runtime.holds_weakly(name)).collect(),
        recorded_roots: &recorded_roots,
        limits,
        progress,
    };
    let tables = match rows {
        CollectedRows::Memory(blocks) => writer.write_memory(&blocks, &starts, size, &mut issues)?,
        CollectedRows::Runs(runs, addresses) => {
            writer.write_runs(&runs, addresses, &starts, size, &mut issues)?
        }
    };
    let (issue_sum, n_issues, issue_counts) = issues.finish()?;
    let mut streamed = vec![writer.finished(Table::Issue, issue_sum, n_issues)];
    if let Some(fields) = fields {
        let (sum, n_rows) = fields.finish()?;
        streamed.push(writer.finished(Table::Field, sum, n_rows));
    }
    if let Some((sum, n_rows)) = threads.finish()? {
        streamed.push(writer.finished(Table::Thread, sum, n_rows));
    }
    writer.summarize(tables, streamed, issue_counts)
}

/// Writes the tables of one dump. It does not change: each step returns its results.
struct TableWriter<'t> {
    names: &'t FileNames<'t>,
    about: &'t DumpTraits,
    type_names: &'t [Box<str>],
    /// Rank of the name, by type id.
    ranks: Vec<u32>,
    /// Whether references of such objects are weak, by type id.
    weak_types: Vec<bool>,
    /// What the dump calls roots.
    recorded_roots: &'t [(u64, Arc<str>)],
    limits: &'t Limits,
    progress: &'t ImportProgress,
}

/// A complete file, which is synced while others are still being written.
struct FinishedFile {
    entry: FileEntry,
    syncing: FileSync,
}

/// The syncing of a file.
struct FileSync {
    file: WorkFile,
    thread: JoinHandle<io::Result<()>>,
}

impl FileSync {
    fn start(file: WorkFile, written: File) -> Self {
        Self { file, thread: thread::spawn(move || written.sync_all()) }
    }

    /// Waits until the file is on the disk.
    fn wait(self) -> Result<()> {
        let synced = self.thread.join();
        let synced = synced.unwrap_or_else(|_| Err(io::Error::other("the syncing thread died")));
        synced.map_err(|source| self.file.io_error(source))
    }
}

/// `root`, and what was counted while the roots were searched.
struct RootTable {
    file: FinishedFile,
    counts: GraphCounts,
}

/// A built index.
struct BuiltIndex<'t, E> {
    index: AnyIndex,
    syncing: FileSync,
    /// In byte order.
    type_names: Vec<&'t str>,
    /// For the summaries.
    edges: E,
    names: ProgramNames,
}

/// `obj`, and what was summed up while it was written.
struct ObjectTable {
    file: FinishedFile,
    /// By type id.
    totals: Vec<TypeTotals>,
    /// `None` if no index was built.
    summaries: Option<Summaries>,
    /// The index file.
    index: Option<FileSync>,
}

/// The tables that are made of the rows.
struct RowTables {
    edge: FinishedFile,
    root: RootTable,
    obj: ObjectTable,
}

impl<'t> TableWriter<'t> {
    fn write_memory(
        &self,
        blocks: &[Records],
        starts: &[(Option<u64>, u64)],
        size: GraphSize,
        issues: &mut super::IssueFile,
    ) -> Result<RowTables> {
        let mut nodes = Nodes::default();
        let mut keys = order::by_address(blocks, 0);
        self.progress.check_cancel()?;
        // Memory that stays in use while the index is built: the records, and their order.
        let held = blocks.iter().map(Records::memory).sum::<usize>() + keys.len() * 2 * size_of::<RowRef>();
        let room = self.room_for_index(size, held as u64);
        let mut reported = Ok(());
        keys.dedup_by(|(address, row), (kept_address, kept)| {
            let is_second = address == kept_address;
            if is_second && reported.is_ok() {
                let pair = [*kept, *row].map(|row| (row, row.of(blocks, 0)));
                reported = issues.push(duplicate(pair[0], pair[1], starts));
            }
            is_second
        });
        reported?;
        // Without an index, the addresses of all objects.
        let arrays_in = room.ok_or_else(|| AddressSet::of_sorted(keys.iter().map(|(address, _)| *address)));
        let n_rows = keys.len();
        let mut orders: Vec<RowRef> = keys.into_iter().map(|(_, row)| row).collect();
        // The collected vector reuses the memory of the keys, so it has room for both orders.
        orders.resize(2 * n_rows, RowRef::new(0, 0));
        let (rows, by_type) = orders.split_at_mut(n_rows);
        let rows = &rows[..];
        self.progress.enter(Phase::Writing);
        let (edge_rows, ranks) = (self.limits.edge_rows, &self.ranks);
        let (edge, referred) = thread::scope(|scope| {
            // Sorts for `obj` meanwhile, because later all cores would wait for that.
            scope.spawn(|| {
                if arrays_in.is_ok() {
                    nodes = order::nodes(blocks, rows, ranks);
                    order::by_type(rows, &nodes.types, ranks.len(), by_type);
                } else {
                    order::by_type(rows, &order::row_ranks(blocks, 0, rows, ranks), ranks.len(), by_type);
                }
            });
            let mut pieces = rows.chunks(EDGE_OBJECTS);
            self.edges(
                arrays_in.as_ref().err(),
                || Ok(pieces.next()),
                |rows, referred| {
                    EdgeColumns::of(&Stretch { blocks, rows }, edge_rows, &self.weak_types, referred)
                },
            )
        })?;
        let (root, built) = match &arrays_in {
            Err(addresses) => (self.roots_without_index(addresses, referred)?, None),
            Ok(arrays_in) => {
                let table = (edge.entry.rows, StoredFile::clone(&self.names.file(Table::Edge)));
                let edges = RecordEdges::new(blocks, rows, table, &self.weak_types, self.about.runtime);
                let (root, built) = self.roots_with_index(nodes, &edge.entry, edges, *arrays_in)?;
                (root, Some(built))
            }
        };
        drop(arrays_in);
        let mut pieces = by_type.chunks(self.limits.obj_rows);
        let columns = |rows| ObjColumns::of(&Stretch { blocks, rows });
        let obj = self.objects_and_summaries(built, || Ok(pieces.next()), columns)?;
        Ok(RowTables { edge, root, obj })
    }

    fn write_runs(
        &self,
        runs: &[Run],
        addresses: AddressSet,
        starts: &[(Option<u64>, u64)],
        size: GraphSize,
        issues: &mut super::IssueFile,
    ) -> Result<RowTables> {
        self.progress.enter(Phase::Writing);
        // Without an index, the addresses of all objects.
        let arrays_in = self.room_for_index(size, 0).ok_or(addresses);
        let mut nodes =
            if arrays_in.is_ok() { Nodes::with_room(size.nodes as usize) } else { Nodes::default() };
        let mut dropped = HashSet::new();
        let mut merge = Merge::open(runs, RunOrder::Address, &self.ranks)?;
        let limits = self.limits;
        let most_dropped = limits.total as usize / 8 / size_of::<(RowRef, u64)>();
        let edge_rows = limits.edge_rows;
        let (edge, referred) = self.edges(
            arrays_in.as_ref().err(),
            || {
                let piece = unique_rows(&mut merge, edge_rows, starts, &mut dropped, issues)?;
                if dropped.len() > most_dropped {
                    return Err(
                        limits.exceeded("the list of duplicates", dropped.len() * size_of::<(RowRef, u64)>())
                    );
                }
                if arrays_in.is_ok()
                    && let Some(piece) = &piece
                {
                    piece.iter().for_each(|(_, record)| nodes.push(&record, &self.ranks));
                }
                Ok(piece)
            },
            |piece, referred| {
                let rows = in_order(&piece);
                let stretch = Stretch { blocks: std::slice::from_ref(&piece), rows: &rows };
                EdgeColumns::of(&stretch, edge_rows, &self.weak_types, referred)
            },
        )?;
        drop(merge);
        let (root, built) = match &arrays_in {
            Err(addresses) => (self.roots_without_index(addresses, referred)?, None),
            Ok(arrays_in) => {
                let table = StoredFile::clone(&self.names.file(Table::Edge));
                let edges = EdgeFiles::open(vec![table], Some(self.about.runtime))?;
                let (root, built) = self.roots_with_index(nodes, &edge.entry, edges, *arrays_in)?;
                (root, Some(built))
            }
        };
        drop(arrays_in);
        let mut merge = Merge::open(runs, RunOrder::Type, &self.ranks)?;
        let obj = self.objects_and_summaries(
            built,
            || kept_rows(&mut merge, limits.obj_rows, &dropped),
            |piece| {
                let rows = in_order(&piece);
                ObjColumns::of(&Stretch { blocks: std::slice::from_ref(&piece), rows: &rows })
            },
        )?;
        Ok(RowTables { edge, root, obj })
    }

    /// How an index can be built within memory beside the `held` bytes; `None` if it cannot, or none is wanted.
    fn room_for_index(&self, size: GraphSize, held: u64) -> Option<ArraysIn> {
        let options = self.about.index.as_ref()?;
        size.room(options.wide_ids, Nodes::BYTES, self.limits.total.saturating_sub(held)).ok()
    }

    /// Writes `edge` from pieces of work. Given the addresses of all objects, also returns which of them the references
    /// lead to, in parts.
    fn edges<'r, W>(
        &self,
        addresses: Option<&'r AddressSet>,
        mut produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W, Option<&mut ReferenceMarks<'_>>) -> Vec<EdgeColumns> + Sync,
    ) -> Result<(FinishedFile, Vec<ReferenceMarks<'r>>)> {
        let to = self.names.file(Table::Edge);
        // The marks of the threads that are not using them at the moment.
        let idle: Mutex<Vec<ReferenceMarks<'r>>> = Mutex::new(Vec::new());
        let arrays = |piece| {
            let noted = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut referred = noted.or_else(|| addresses.map(ReferenceMarks::new));
            let groups = columns(piece, referred.as_mut());
            idle.lock().unwrap_or_else(PoisonError::into_inner).extend(referred);
            groups.into_iter().map(EdgeColumns::columns).collect::<Result<_, _>>().map_err(arrow_error(&to))
        };
        let progress = self.progress;
        let produce = || progress.check_cancel().and_then(|()| produce());
        let (sum, n_rows) = parquet_file::write(
            &to,
            schema::edge(),
            properties::edge(),
            self.limits.threads,
            produce,
            arrays,
            self.count_rows(),
        )?;
        let referred = idle.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((self.finished(Table::Edge, sum, n_rows), referred))
    }

    /// Writes `root` of the recorded roots and the objects that nothing refers to.
    fn roots_without_index(
        &self,
        addresses: &AddressSet,
        referred: Vec<ReferenceMarks<'_>>,
    ) -> Result<RootTable> {
        let (mut marks, mut dangling) = (Marks::new(addresses), 0);
        for referred in referred {
            marks.merge(&referred.marks);
            dangling += referred.dangling;
        }
        let recorded = sorted_roots(self.recorded_roots, addresses);
        let (mut unreferenced, mut roots) = (0, BTreeMap::<String, u64>::new());
        let unmarked = addresses.unmarked(&marks).inspect(|_| unreferenced += 1);
        let merged = merged_roots(recorded, unmarked, self.about.runtime.unreferenced.root_kind());
        let file = self.roots(merged.inspect(|(_, kind)| match roots.get_mut(*kind) {
            Some(count) => *count += 1,
            None => drop(roots.insert((*kind).to_owned(), 1)),
        }))?;
        Ok(RootTable { file, counts: GraphCounts { dangling, unreferenced, roots } })
    }

    /// Builds the index of the objects and their references, which are those of `edge`, and writes `root`.
    fn roots_with_index<E: EdgeSource>(
        &self,
        mut nodes: Nodes,
        edge: &FileEntry,
        edges: E,
        arrays_in: ArraysIn,
    ) -> Result<(RootTable, BuiltIndex<'t, E>)> {
        self.progress.enter(Phase::Indexing);
        let mut by_rank: Vec<&'t str> = self.type_names.iter().map(|name| &**name).collect();
        by_rank.sort_unstable();
        let type_names = nodes.forget_unused_types(&by_rank);
        let inputs = index::IndexInputs {
            nodes,
            type_names: &type_names,
            runtime: self.about.runtime,
            recorded_roots: self.recorded_roots,
            edges: &edges,
            edges_xxh3: index::edges_xxh3([edge].into_iter()),
            n_edges: edge.rows,
            wide_ids: self.about.index.as_ref().is_some_and(|options| options.wide_ids),
            arrays_in,
            threads: self.limits.threads,
            cancel: &self.progress.cancel,
        };
        let to = self.names.work().file(&index_name([edge].into_iter()));
        let index::NewIndex { index, file, counts, names } = index::build(inputs, &to)?;
        let syncing = FileSync::start(to, file);
        let file = with_index!(&index, |index| self.roots(index.named_roots()))?;
        self.progress.enter(Phase::Writing);
        Ok((RootTable { file, counts }, BuiltIndex { index, syncing, type_names, edges, names }))
    }

    /// Writes `root` of roots in the order of their addresses.
    fn roots<'k>(&self, mut roots: impl Iterator<Item = (u64, &'k str)> + Send) -> Result<FinishedFile> {
        let produce = || {
            self.progress.check_cancel()?;
            let piece: Vec<_> = roots.by_ref().take(ROOT_ROWS).collect();
            Ok((!piece.is_empty()).then_some(piece))
        };
        let arrays = |piece: Vec<(u64, &str)>| Ok(vec![index::root_columns(piece.into_iter())]);
        let (sum, n_rows) = parquet_file::write(
            &self.names.file(Table::Root),
            schema::root(),
            properties::root(),
            self.limits.threads,
            produce,
            arrays,
            |_| {},
        )?;
        Ok(self.finished(Table::Root, sum, n_rows))
    }

    /// Writes `obj` from pieces of work, and sums the index up meanwhile, if there is one.
    fn objects_and_summaries<W, E: EdgeSource>(
        &self,
        built: Option<BuiltIndex<'t, E>>,
        produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W) -> (Vec<ObjColumns>, Vec<(u32, TypeTotals)>) + Sync,
    ) -> Result<ObjectTable> {
        let Some(BuiltIndex { index, syncing, type_names, edges, names }) = built else {
            let (file, totals) = self.objects(None, produce, columns)?;
            return Ok(ObjectTable { file, totals, summaries: None, index: None });
        };
        let (summaries, objects) = index::in_parallel(
            self.limits.threads,
            || {
                let cancel = &self.progress.cancel;
                index::summaries(&index, self.about.runtime, &type_names, &edges, names, cancel)
            },
            || self.objects(Some(ObjIndex::new(&index)), produce, columns),
        );
        let (file, totals) = objects?;
        Ok(ObjectTable { file, totals, summaries: Some(summaries?), index: Some(syncing) })
    }

    /// Writes `obj` from pieces of work. Returns the totals by type id, too.
    fn objects<W>(
        &self,
        index: Option<ObjIndex<'_>>,
        mut produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W) -> (Vec<ObjColumns>, Vec<(u32, TypeTotals)>) + Sync,
    ) -> Result<(FinishedFile, Vec<TypeTotals>)> {
        let to = self.names.file(Table::Obj);
        let all = Mutex::new(vec![TypeTotals::default(); self.type_names.len()]);
        let arrays = |piece| {
            let (groups, totals) = columns(piece);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            totals.into_iter().for_each(|(type_id, totals)| all[type_id as usize].merge(totals));
            drop(all);
            let columns = groups.into_iter().map(|group| group.columns(self.type_names, index.as_ref()));
            columns.collect::<Result<_, _>>().map_err(arrow_error(&to))
        };
        let produce = || self.progress.check_cancel().and_then(|()| produce());
        let (sum, n_rows) = parquet_file::write(
            &to,
            schema::obj(),
            properties::obj(),
            self.limits.threads,
            produce,
            arrays,
            self.count_rows(),
        )?;
        let totals = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((self.finished(Table::Obj, sum, n_rows), totals))
    }

    fn count_rows(&self) -> impl Fn(u64) + Sync + use<'_> {
        |rows| {
            self.progress.rows_written.fetch_add(rows, Relaxed);
        }
    }

    /// Starts to sync a complete file.
    fn finished(&self, table: Table, sum: FileSum, n_rows: u64) -> FinishedFile {
        let entry = self.names.entry(table, &sum, n_rows);
        FinishedFile { entry, syncing: FileSync::start(self.names.file(table), sum.file) }
    }

    /// Waits until everything is on the disk, and writes the summaries.
    fn summarize(
        &self,
        tables: RowTables,
        streamed: Vec<FinishedFile>,
        issues: BTreeMap<String, u64>,
    ) -> Result<WrittenTables> {
        let RowTables { edge, root, obj } = tables;
        let indexed = obj.index.is_some();
        obj.index.map_or(Ok(()), FileSync::wait)?;
        let mut files = Vec::new();
        for FinishedFile { entry, syncing } in [edge, root.file, obj.file].into_iter().chain(streamed) {
            syncing.wait()?;
            files.push(entry);
        }
        let stats = self.type_names.iter().zip(obj.totals).map(|(name, totals)| totals.stat(name));
        // A type may have lost its only object to a duplicate.
        let mut types: Vec<TypeStat> = stats.filter(|stat| stat.count > 0).collect();
        types.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if let Some(summaries) = &obj.summaries {
            types
                .iter_mut()
                .zip(&summaries.type_retained)
                .for_each(|(stat, sum)| stat.retained = Some(index::bytes(*sum)));
        }
        files.push(summary::write_types(self.names, &types)?);
        if let Some(summaries) = &obj.summaries {
            files.push(summary::write_holders(self.names, &summaries.holders)?);
            files.push(summary::write_modules(self.names, &summaries.modules)?);
        }
        let rows = |table| files.iter().filter(|file| file.table == table).map(|file| file.rows).sum();
        let counts = Counts {
            objects: rows(Table::Obj),
            edges: rows(Table::Edge),
            dangling: root.counts.dangling,
            unreferenced: root.counts.unreferenced,
            bytes: types.iter().fold(0, |sum: i64, stat| sum.saturating_add(stat.size)),
            types: types.len() as u64,
        };
        Ok(WrittenTables { counts, roots: root.counts.roots, indexed, issues, files })
    }
}

/// The roots that the dump records, by address, each once, without those of objects that are not in the dump.
fn sorted_roots<'r>(recorded: &'r [(u64, Arc<str>)], addresses: &AddressSet) -> Vec<(u64, &'r str)> {
    let known = recorded.iter().filter(|(address, _)| addresses.contains(*address));
    let mut roots: Vec<(u64, &str)> = known.map(|(address, kind)| (*address, &**kind)).collect();
    // A stable sort: the first kind of an address counts.
    roots.sort_by_key(|(address, _)| *address);
    roots.dedup_by_key(|(address, _)| *address);
    roots
}

/// Recorded roots and objects without referrers as one list by address. Both are in that order; `kind` is that of the second.
fn merged_roots<'r>(
    recorded: Vec<(u64, &'r str)>,
    unreferenced: impl Iterator<Item = u64> + Send,
    kind: &'static str,
) -> impl Iterator<Item = (u64, &'r str)> + Send {
    let (mut recorded, mut unreferenced) = (recorded.into_iter().peekable(), unreferenced.peekable());
    std::iter::from_fn(move || match (recorded.peek(), unreferenced.peek()) {
        (Some((root, _)), Some(address)) if root > address => {
            unreferenced.next().map(|address| (address, kind))
        }
        (Some((root, _)), Some(address)) if root == address => {
            unreferenced.next();
            recorded.next()
        }
        (Some(_), _) => recorded.next(),
        (None, _) => unreferenced.next().map(|address| (address, kind)),
    })
}

fn arrow_error(to: &WorkFile) -> impl Fn(arrow::error::ArrowError) -> Error + '_ {
    |error| to.parquet_error(error.into())
}

fn in_order(records: &Records) -> Vec<RowRef> {
    records.iter().map(|(position, _)| RowRef::new(0, position)).collect()
}

/// Maximum size of the records of a merged piece in bytes; a single object may be larger.
const PIECE_BYTES: usize = 32 << 20;

/// The next objects by address, without those whose address came before.
fn unique_rows(
    merge: &mut Merge<'_>,
    max_refs: usize,
    starts: &[(Option<u64>, u64)],
    dropped: &mut HashSet<RowRef>,
    issues: &mut super::IssueFile,
) -> Result<Option<Records>> {
    let mut piece = Records::default();
    // The last one that was kept, its address, and its position in the piece.
    let mut last: Option<(RowRef, u64, usize)> = None;
    while let Some((record, row)) = merge.peek() {
        match last {
            Some((kept, address, position)) if address == record.address => {
                issues.push(duplicate((kept, piece.get(position)), (row, record), starts))?;
                dropped.insert(row);
            }
            _ if piece.n_refs() >= max_refs
                || piece.len() >= EDGE_OBJECTS
                || piece.bytes().len() >= PIECE_BYTES =>
            {
                break;
            }
            _ => {
                last = Some((row, record.address, piece.bytes().len()));
                piece.push(&record);
            }
        }
        merge.advance()?;
    }
    Ok((!piece.is_empty()).then_some(piece))
}

/// The next objects by type without the dropped ones.
fn kept_rows(merge: &mut Merge<'_>, max_rows: usize, dropped: &HashSet<RowRef>) -> Result<Option<Records>> {
    let mut piece = Records::default();
    while let Some((record, row)) = merge.peek() {
        if piece.len() >= max_rows || piece.bytes().len() >= PIECE_BYTES {
            break;
        }
        if !dropped.contains(&row) {
            piece.push(&record);
        }
        merge.advance()?;
    }
    Ok((!piece.is_empty()).then_some(piece))
}

type PlacedRecord<'p> = (RowRef, Record<'p>);

/// The issue for the second object with an address.
fn duplicate(first: PlacedRecord<'_>, second: PlacedRecord<'_>, starts: &[(Option<u64>, u64)]) -> Issue {
    let position = |(row, record): &PlacedRecord<'_>| {
        let (line, offset) = starts[row.block()];
        (line.map(|line| line + u64::from(record.line)), offset + u64::from(record.offset))
    };
    let first_position = match position(&first) {
        (Some(line), _) => format!("in line {line}"),
        (None, offset) => format!("at byte {offset}"),
    };
    let (line, offset) = position(&second);
    let (kind, how) = if first.1.same_object(&second.1) {
        (IssueKind::Duplicate, "with the same fields")
    } else {
        (IssueKind::ConflictingDuplicate, "with other fields")
    };
    let address = second.1.address;
    let what = format!("address {address} was there before, {first_position}, {how}; the first one counts");
    Issue { kind, line, offset, what }
}
