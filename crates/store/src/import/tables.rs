//! Collected rows to the Parquet files of the four tables.

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
    collect::{Collected, Rows},
    columns::{self, EdgeColumns, ObjColumns, Referred, Stretch, TypeTotals},
    names::FileNames,
    order::{self, RowRef},
    runs::{Merge, Run, Side},
};
use crate::{
    AnyIndex, Counts, Error, FileEntry, IndexOptions, Result, StoredFile, TypeStat,
    addresses::{AddressSet, Marks},
    index::{self, GraphCounts, NodeNames, Nodes, ObjIndex, Summaries},
    lake::{WorkFile, index_name},
    parquet_file::{self, FileSum},
    properties, summary, with_index,
};

/// What was written.
pub(super) struct Written {
    pub(super) counts: Counts,
    pub(super) roots: BTreeMap<String, u64>,
    pub(super) indexed: bool,
    pub(super) issues: BTreeMap<String, u64>,
    pub(super) files: Vec<FileEntry>,
}

/// Objects of a piece of `edge` work; about as many references as a row group has.
const EDGE_OBJECTS: usize = 1 << 16;
/// Rows of a row group of `root`.
const ROOT_ROWS: usize = 1 << 18;

/// What is known of a dump beside its rows.
pub(super) struct About {
    pub(super) runtime: &'static Runtime,
    /// How to build the graph index; none where none is wanted.
    pub(super) index: Option<IndexOptions>,
}

/// Writes all tables, and the graph index, and syncs them.
pub(super) fn write(
    collected: Collected,
    names: &FileNames<'_>,
    types: &TypeTable,
    about: &About,
    limits: &Limits,
    progress: &ImportProgress,
) -> Result<Written> {
    let Collected { rows, issues, starts, recorded_roots, n_rows, n_refs } = collected;
    progress.rows_total.store(n_rows + n_refs, Relaxed);
    let type_names = types.names();
    let mut tables = Tables {
        names,
        about,
        type_names: &type_names,
        ranks: order::type_ranks(&type_names),
        weak_types: type_names.iter().map(|name| about.runtime.holds_weakly(name)).collect(),
        recorded_roots,
        limits,
        progress,
        files: Vec::new(),
        syncing: Vec::new(),
        totals: Mutex::new(vec![TypeTotals::default(); type_names.len()]),
        graph: None,
        summaries: None,
        counts: GraphCounts::default(),
    };
    let mut issues = issues;
    match rows {
        Rows::Memory(blocks) => tables.write_memory(&blocks, &starts, n_refs, &mut issues)?,
        Rows::Runs(runs, addresses) => {
            tables.write_runs(&runs, addresses, &starts, (n_rows, n_refs), &mut issues)?;
        }
    }
    let (issue_sum, n_issues, issue_counts) = issues.finish()?;
    tables.finished(Table::Issue, issue_sum, n_issues);
    tables.written(issue_counts)
}

struct Tables<'t> {
    names: &'t FileNames<'t>,
    about: &'t About,
    type_names: &'t [Box<str>],
    /// Rank of the name, by type id.
    ranks: Vec<u32>,
    /// Whether references of such objects are weak, by type id.
    weak_types: Vec<bool>,
    /// What the dump calls roots.
    recorded_roots: Vec<(u64, Arc<str>)>,
    limits: &'t Limits,
    progress: &'t ImportProgress,
    files: Vec<FileEntry>,
    syncing: Vec<(WorkFile, JoinHandle<io::Result<()>>)>,
    /// By type id.
    totals: Mutex<Vec<TypeTotals>>,
    /// The index, once it is built.
    graph: Option<Graph<'t>>,
    summaries: Option<Summaries>,
    counts: GraphCounts,
}

/// A built index.
struct Graph<'t> {
    index: AnyIndex,
    /// In byte order.
    type_names: Vec<&'t str>,
    /// For the summaries.
    names: NodeNames,
}

impl<'t> Tables<'t> {
    fn write_memory(
        &mut self,
        blocks: &[Records],
        starts: &[(Option<u64>, u64)],
        n_refs: u64,
        issues: &mut super::IssueFile,
    ) -> Result<()> {
        let mut nodes = Nodes::default();
        let mut keys = order::by_address(blocks, 0);
        self.progress.check_cancel()?;
        // What stays while the index is built: the records, and their order.
        let held = blocks.iter().map(Records::memory).sum::<usize>() + keys.len() * 2 * size_of::<RowRef>();
        let wants_index = self.wants_index(keys.len() as u64, n_refs, held as u64);
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
        let addresses =
            (!wants_index).then(|| AddressSet::of_sorted(keys.iter().map(|(address, _)| *address)));
        let n_rows = keys.len();
        let mut orders: Vec<RowRef> = keys.into_iter().map(|(_, row)| row).collect();
        // There is room for both orders where the keys were, because a collected vector stays in its place.
        orders.resize(2 * n_rows, RowRef::new(0, 0));
        let (rows, by_type) = orders.split_at_mut(n_rows);
        let rows = &rows[..];
        self.progress.enter(Phase::Writing);
        let edge_rows = self.limits.edge_rows;
        let (ranks, weak_types) = (self.ranks.clone(), self.weak_types.clone());
        thread::scope(|scope| {
            // One core finds the order of `obj` while both would otherwise wait for it.
            scope.spawn(|| {
                if wants_index {
                    nodes = order::nodes(blocks, rows, &ranks);
                    order::by_type(rows, &nodes.types, ranks.len(), by_type);
                } else {
                    order::by_type(rows, &order::row_ranks(blocks, 0, rows, &ranks), ranks.len(), by_type);
                }
            });
            let mut pieces = rows.chunks(EDGE_OBJECTS);
            self.edges(
                addresses,
                || Ok(pieces.next()),
                |rows, referred| EdgeColumns::of(&Stretch { blocks, rows }, edge_rows, &weak_types, referred),
            )
        })?;
        if wants_index {
            self.build_index(nodes)?;
        }
        let mut pieces = by_type.chunks(self.limits.obj_rows);
        self.objects_and_summaries(|| Ok(pieces.next()), |rows| ObjColumns::of(&Stretch { blocks, rows }))
    }

    fn write_runs(
        &mut self,
        runs: &[Run],
        addresses: AddressSet,
        starts: &[(Option<u64>, u64)],
        (n_rows, n_refs): (u64, u64),
        issues: &mut super::IssueFile,
    ) -> Result<()> {
        self.progress.enter(Phase::Writing);
        let wants_index = self.wants_index(n_rows, n_refs, 0);
        let addresses = (!wants_index).then_some(addresses);
        let mut nodes = Nodes::default();
        let mut dropped = HashSet::new();
        let (ranks, weak_types) = (self.ranks.clone(), self.weak_types.clone());
        let mut merge = Merge::open(runs, Side::Address, &ranks)?;
        let limits = self.limits;
        let most_dropped = limits.total as usize / 8 / size_of::<(RowRef, u64)>();
        let edge_rows = limits.edge_rows;
        self.edges(
            addresses,
            || {
                let piece = unique_rows(&mut merge, edge_rows, starts, &mut dropped, issues)?;
                if dropped.len() > most_dropped {
                    return Err(
                        limits.exceeded("the list of duplicates", dropped.len() * size_of::<(RowRef, u64)>())
                    );
                }
                if wants_index && let Some(piece) = &piece {
                    piece.iter().for_each(|(_, record)| nodes.push(&record, &ranks));
                }
                Ok(piece)
            },
            |piece, referred| {
                let rows = in_order(&piece);
                let stretch = Stretch { blocks: std::slice::from_ref(&piece), rows: &rows };
                EdgeColumns::of(&stretch, edge_rows, &weak_types, referred)
            },
        )?;
        drop(merge);
        if wants_index {
            self.build_index(nodes)?;
        }
        let mut merge = Merge::open(runs, Side::Type, &ranks)?;
        self.objects_and_summaries(
            || kept_rows(&mut merge, limits.obj_rows, &dropped),
            |piece| {
                let rows = in_order(&piece);
                ObjColumns::of(&Stretch { blocks: std::slice::from_ref(&piece), rows: &rows })
            },
        )
    }

    /// Whether an index is asked for, and fits beside what is held.
    fn wants_index(&self, n_rows: u64, n_refs: u64, held: u64) -> bool {
        self.about.index.as_ref().is_some_and(|options| {
            let needed = index::bytes_needed(n_rows, n_refs, options.wide_ids);
            held.saturating_add(needed).saturating_add(n_rows * Nodes::BYTES) <= self.limits.total
        })
    }

    /// Builds the index of the objects and the written `edge`, and writes `root`.
    fn build_index(&mut self, mut nodes: Nodes) -> Result<()> {
        self.progress.enter(Phase::Indexing);
        let mut by_rank: Vec<&'t str> = self.type_names.iter().map(|name| &**name).collect();
        by_rank.sort_unstable();
        let type_names = nodes.forget_unused_types(&by_rank);
        let edges: Vec<&FileEntry> = self.files.iter().filter(|file| file.table == Table::Edge).collect();
        let inputs = index::Inputs {
            nodes,
            type_names: &type_names,
            runtime: self.about.runtime,
            recorded_roots: &self.recorded_roots,
            edges: vec![StoredFile::clone(&self.names.file(Table::Edge))],
            edges_xxh3: index::edges_xxh3(edges.iter().copied()),
            n_edges: edges.iter().map(|file| file.rows).sum(),
            wide_ids: self.about.index.as_ref().is_some_and(|options| options.wide_ids),
            threads: self.limits.threads,
            cancel: &self.progress.cancel,
        };
        let to = self.names.work().file(&index_name(edges.iter().copied()));
        let built = index::build(inputs, &to)?;
        self.syncing.push((to, thread::spawn(move || built.file.sync_all())));
        self.counts = built.counts;
        with_index!(&built.index, |index| self.roots(index.named_roots()))?;
        self.graph = Some(Graph { index: built.index, type_names, names: built.names });
        self.progress.enter(Phase::Writing);
        Ok(())
    }

    /// Writes `edge` from pieces of work; given the addresses of all objects, also `root`.
    fn edges<W>(
        &mut self,
        addresses: Option<AddressSet>,
        mut produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W, Option<&mut Referred<'_>>) -> Vec<EdgeColumns> + Sync,
    ) -> Result<()> {
        let to = self.names.file(Table::Edge);
        // What the threads have noted, while they are not at it.
        let idle: Mutex<Vec<Referred<'_>>> = Mutex::new(Vec::new());
        let arrays = |piece| {
            let noted = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut referred = noted.or_else(|| addresses.as_ref().map(Referred::new));
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
        self.finished(Table::Edge, sum, n_rows);
        let Some(addresses) = &addresses else { return Ok(()) };
        let mut marks = Marks::new(addresses);
        for referred in idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
            marks.merge(&referred.marks);
            self.counts.dangling += referred.dangling;
        }
        let recorded = std::mem::take(&mut self.recorded_roots);
        let recorded = sorted_roots(&recorded, addresses);
        let (mut n_unreferenced, mut counts) = (0, BTreeMap::<String, u64>::new());
        let unreferenced = addresses.unmarked(&marks).inspect(|_| n_unreferenced += 1);
        self.roots(merged_roots(recorded, unreferenced).inspect(|(_, kind)| match counts.get_mut(*kind) {
            Some(count) => *count += 1,
            None => drop(counts.insert((*kind).to_owned(), 1)),
        }))?;
        self.counts.unreferenced = n_unreferenced;
        self.counts.roots = counts;
        Ok(())
    }

    /// Writes `obj` from pieces of work, and sums the index up meanwhile.
    fn objects_and_summaries<W>(
        &mut self,
        produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W) -> (Vec<ObjColumns>, Vec<(u32, TypeTotals)>) + Sync,
    ) -> Result<()> {
        let names = self.graph.as_mut().map(|graph| std::mem::take(&mut graph.names));
        let summaries = || {
            let (graph, names) = self.graph.as_ref().zip(names)?;
            let (edges, cancel) = ([StoredFile::clone(&self.names.file(Table::Edge))], &self.progress.cancel);
            let runtime = self.about.runtime;
            Some(index::summaries(&graph.index, runtime, &graph.type_names, &edges, names, cancel))
        };
        let (summaries, objects) =
            index::in_parallel(self.limits.threads, summaries, || self.objects(produce, columns));
        let (sum, n_rows) = objects?;
        self.summaries = summaries.transpose()?;
        self.finished(Table::Obj, sum, n_rows);
        Ok(())
    }

    /// Writes `obj` from pieces of work.
    fn objects<W>(
        &self,
        mut produce: impl FnMut() -> Result<Option<W>> + Send,
        columns: impl Fn(W) -> (Vec<ObjColumns>, Vec<(u32, TypeTotals)>) + Sync,
    ) -> Result<(FileSum, u64)> {
        let to = self.names.file(Table::Obj);
        let index = self.graph.as_ref().map(|graph| ObjIndex::new(&graph.index));
        let arrays = |piece| {
            let (groups, totals) = columns(piece);
            let mut all = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.into_iter().for_each(|(type_id, totals)| all[type_id as usize].merge(totals));
            drop(all);
            let columns = groups.into_iter().map(|group| group.columns(self.type_names, index.as_ref()));
            columns.collect::<Result<_, _>>().map_err(arrow_error(&to))
        };
        let produce = || self.progress.check_cancel().and_then(|()| produce());
        parquet_file::write(
            &to,
            schema::obj(),
            properties::obj(),
            self.limits.threads,
            produce,
            arrays,
            self.count_rows(),
        )
    }

    /// Writes `root` of roots in the order of their addresses.
    fn roots<'k>(&mut self, mut roots: impl Iterator<Item = (u64, &'k str)> + Send) -> Result<u64> {
        let to = self.names.file(Table::Root);
        let produce = || {
            self.progress.check_cancel()?;
            let piece: Vec<_> = roots.by_ref().take(ROOT_ROWS).collect();
            Ok((!piece.is_empty()).then_some(piece))
        };
        let arrays = |piece: Vec<(u64, &str)>| Ok(vec![columns::roots(piece.into_iter())]);
        let (sum, n_rows) = parquet_file::write(
            &to,
            schema::root(),
            properties::root(),
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
        self.syncing.push((self.names.file(table), thread::spawn(move || file.sync_all())));
    }

    /// Waits until everything is on the disk, and adds up.
    fn written(mut self, issues: BTreeMap<String, u64>) -> Result<Written> {
        for (stored, syncing) in self.syncing {
            let synced = syncing.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread died")));
            synced.map_err(|source| stored.io_error(source))?;
        }
        let totals = self.totals.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stats = self.type_names.iter().zip(totals).map(|(name, totals)| totals.stat(name));
        // A type may have lost its only object to a duplicate.
        let mut types: Vec<TypeStat> = stats.filter(|stat| stat.count > 0).collect();
        types.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if let Some(summaries) = &self.summaries {
            types
                .iter_mut()
                .zip(&summaries.type_retained)
                .for_each(|(stat, sum)| stat.retained = Some(index::bytes(*sum)));
        }
        self.files.push(summary::write_types(self.names, &types)?);
        if let Some(summaries) = &self.summaries {
            self.files.push(summary::write_holders(self.names, &summaries.holders)?);
        }
        let rows = |table| self.files.iter().filter(|file| file.table == table).map(|file| file.rows).sum();
        let counts = Counts {
            objects: rows(Table::Obj),
            edges: rows(Table::Edge),
            dangling: self.counts.dangling,
            unreferenced: self.counts.unreferenced,
            bytes: types.iter().fold(0, |sum: i64, stat| sum.saturating_add(stat.size)),
            types: types.len() as u64,
        };
        let indexed = self.graph.is_some();
        Ok(Written { counts, roots: self.counts.roots, indexed, issues, files: self.files })
    }
}

/// The roots that the dump records, by address, each once; those of objects that are not in the dump are left out.
fn sorted_roots<'r>(recorded: &'r [(u64, Arc<str>)], addresses: &AddressSet) -> Vec<(u64, &'r str)> {
    let known = recorded.iter().filter(|(address, _)| addresses.contains(*address));
    let mut roots: Vec<(u64, &str)> = known.map(|(address, kind)| (*address, &**kind)).collect();
    // Stable: the first kind of an address counts.
    roots.sort_by_key(|(address, _)| *address);
    roots.dedup_by_key(|(address, _)| *address);
    roots
}

/// Recorded roots and objects without referrers as one list by address. Both are in that order.
fn merged_roots(
    recorded: Vec<(u64, &str)>,
    unreferenced: impl Iterator<Item = u64> + Send,
) -> impl Iterator<Item = (u64, &str)> + Send {
    let (mut recorded, mut unreferenced) = (recorded.into_iter().peekable(), unreferenced.peekable());
    std::iter::from_fn(move || match (recorded.peek(), unreferenced.peek()) {
        (Some((root, _)), Some(address)) if root > address => {
            unreferenced.next().map(|address| (address, index::UNREFERENCED))
        }
        (Some((root, _)), Some(address)) if root == address => {
            unreferenced.next();
            recorded.next()
        }
        (Some(_), _) => recorded.next(),
        (None, _) => unreferenced.next().map(|address| (address, index::UNREFERENCED)),
    })
}

fn arrow_error(to: &WorkFile) -> impl Fn(arrow::error::ArrowError) -> Error + '_ {
    |error| to.parquet_error(error.into())
}

fn in_order(records: &Records) -> Vec<RowRef> {
    records.iter().map(|(position, _)| RowRef::new(0, position)).collect()
}

/// Bytes of the records of a merged piece, at most, but for one object.
const PIECE_BYTES: usize = 32 << 20;

/// The next objects by address without those whose address was there before.
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

type Placed<'p> = (RowRef, Record<'p>);

/// The issue of an address that is there a second time.
fn duplicate(first: Placed<'_>, second: Placed<'_>, starts: &[(Option<u64>, u64)]) -> Issue {
    let place = |(row, record): &Placed<'_>| {
        let (line, offset) = starts[row.block()];
        (line.map(|line| line + u64::from(record.line)), offset + u64::from(record.offset))
    };
    let first_place = match place(&first) {
        (Some(line), _) => format!("in line {line}"),
        (None, offset) => format!("at byte {offset}"),
    };
    let (line, offset) = place(&second);
    let (kind, how) = if first.1.same_object(&second.1) {
        (IssueKind::Duplicate, "with the same fields")
    } else {
        (IssueKind::ConflictingDuplicate, "with other fields")
    };
    let address = second.1.address;
    let what = format!("address {address} was there before, {first_place}, {how}; the first one counts");
    Issue { kind, line, offset, what }
}
