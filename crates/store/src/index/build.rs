//! From the objects and the `edge` files of a dump to its index file.
//!
//! ```text
//! edge files --resolve--> forward CSR --turn--> reverse CSR --> roots --> distances | dominators --> retained sizes
//! ```
//!
//! Every array is written as soon as it is done. At the peak, while dominators are found, an object takes 48 bytes and
//! an edge 8 with narrow ids.

use std::{
    collections::BTreeMap,
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, UInt64Type},
};
use heaplake_graph::{
    BitSet, Cancelled, CsrBuf, Cut, Graph, Id, Search, distances, search::type_edges, unreachable_after,
};
use heaplake_model::{DumpId, EdgeKind, Runtime, schema};
use heaplake_readers::Record;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    file::statistics::Statistics,
};

use super::{
    AnyIndex, BuildLimits, Content, GraphIndex, INDEX_VERSION,
    file::{Refused, Sections, Writer},
    holders::{NodeNames, holder_stats},
    labels::labels,
    roots::{self, Roots},
};
use crate::{
    Error, HolderStat, Lake, Manifest, Result, StoredFile,
    addresses::Positions,
    commit,
    lake::{LakePath, WorkFile, WorkFolder},
    with_index,
};

/// The objects, by ascending address.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) addresses: Vec<u64>,
    /// Positions in the list of types.
    pub(crate) types: Vec<u32>,
    /// Shallow sizes in bytes, 0 where there is none.
    pub(crate) sizes: Vec<u64>,
    /// Names of those that have one.
    pub(crate) names: NodeNames,
}

impl Nodes {
    /// Bytes of one, at most.
    pub(crate) const BYTES: u64 = 36;

    /// Adds an object.
    pub(crate) fn push(&mut self, record: &Record<'_>, ranks: &[u32]) {
        if let Some(name) = record.name {
            self.names.push(self.addresses.len(), &String::from_utf8_lossy(name));
        }
        self.addresses.push(record.address);
        self.types.push(ranks[record.type_id as usize]);
        self.sizes.push(Self::size(record));
    }

    /// The size of an object as sums take it.
    pub(crate) fn size(record: &Record<'_>) -> u64 {
        record.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
    }

    /// Renumbers the types to those that some object has, and returns their names in order.
    pub(crate) fn forget_unused_types<'n>(&mut self, names: &[&'n str]) -> Vec<&'n str> {
        let mut used = BitSet::new(names.len());
        self.types.iter().for_each(|rank| used.insert(*rank as usize));
        if used.count() < names.len() {
            let mut dense = vec![0; names.len()];
            used.iter().zip(0..).for_each(|(rank, number)| dense[rank] = number);
            self.types.iter_mut().for_each(|rank| *rank = dense[*rank as usize]);
        }
        used.iter().map(|rank| names[rank]).collect()
    }
}

/// What an index is built of.
pub(crate) struct Inputs<'b> {
    pub(crate) nodes: Nodes,
    /// In the order of the manifest.
    pub(crate) type_names: &'b [&'b str],
    pub(crate) runtime: &'static Runtime,
    /// Addresses that the dump calls roots, and of which kind.
    pub(crate) recorded_roots: &'b [(u64, Arc<str>)],
    /// Files of `edge`, in order, and their checksums.
    pub(crate) edges: Vec<StoredFile>,
    pub(crate) edges_xxh3: String,
    pub(crate) n_edges: u64,
    pub(crate) wide_ids: bool,
    pub(crate) threads: usize,
    pub(crate) cancel: &'b AtomicBool,
}

/// What came of it.
pub(crate) struct Built {
    pub(crate) index: AnyIndex,
    /// The index file, still to be synced.
    pub(crate) file: File,
    pub(crate) counts: GraphCounts,
    /// Names of objects, for [`summaries`].
    pub(crate) names: NodeNames,
}

/// Totals of the objects of a dump.
pub(crate) struct Summaries {
    /// Bytes that each type retains, nothing counted twice.
    pub(crate) type_retained: Vec<u64>,
    pub(crate) holders: Vec<HolderStat>,
}

/// What an index says of a dump as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GraphCounts {
    pub(crate) dangling: u64,
    pub(crate) unreferenced: u64,
    /// Roots by kind.
    pub(crate) roots: BTreeMap<String, u64>,
}

/// Most objects that narrow ids are taken for: the search for components counts from both ends.
const MAX_NARROW_NODES: u64 = 1 << 31;

fn is_narrow(n_nodes: u64, n_edges: u64) -> bool {
    n_nodes <= MAX_NARROW_NODES && n_edges < u64::from(u32::MAX)
}

/// Bytes of memory that building takes at its peak, about.
pub(crate) fn bytes_needed(n_nodes: u64, n_edges: u64, wide_ids: bool) -> u64 {
    let id_bytes = if is_narrow(n_nodes, n_edges) && !wide_ids { 4 } else { 8 };
    // Sizes and types; two CSRs; six arrays of dominators, distances, and some sets.
    n_nodes * (12 + 9 * id_bytes + 5) + n_edges * 2 * id_bytes
}

/// Builds the index and writes it to `to`.
pub(crate) fn build(inputs: Inputs<'_>, to: &WorkFile) -> Result<Built> {
    if is_narrow(inputs.nodes.addresses.len() as u64, inputs.n_edges) && !inputs.wide_ids {
        build_with::<u32>(inputs, to, AnyIndex::Narrow)
    } else {
        build_with::<u64>(inputs, to, AnyIndex::Wide)
    }
}

fn build_with<I: Id>(
    inputs: Inputs<'_>,
    to: &WorkFile,
    any: impl Fn(GraphIndex<I>) -> AnyIndex,
) -> Result<Built> {
    let Inputs { nodes: Nodes { addresses, types, sizes, names }, cancel, threads, .. } = inputs;
    let mut writer = Writer::create(to)?;
    let (written, positions) =
        in_parallel(threads, || writer.section("address", &addresses), || Positions::<I>::new(&addresses));
    written?;
    let edges = Edges::read(&inputs.edges, &positions, threads, cancel)?;
    let recorded = roots::recorded(inputs.recorded_roots, |address| positions.of(address));
    drop(positions);
    drop(addresses);
    let kept: Vec<_> = inputs.type_names.iter().map(|name| inputs.runtime.kept_alive(name)).collect();
    let dangling = edges.dangling();
    let analysing = Analysing {
        writer,
        edges,
        removed: BitSet::default(),
        edges_xxh3: inputs.edges_xxh3,
        threads,
        cancel,
    };
    let find_roots = |graph: Graph<'_, I>, types: &[u32]| Roots::find(graph, types, &kept, recorded);
    let (index, file, analysed) = analysing.finish(types, sizes, find_roots, true, to)?;
    let counts = GraphCounts { dangling, unreferenced: analysed.unreferenced, roots: analysed.roots };
    Ok(Built { index: any(index), file, counts, names })
}

/// Sums up an index over types and holders. `edges` are the files of `edge`, `names` comes from [`build`]. On one thread;
/// the columns of `obj` may be written meanwhile.
pub(crate) fn summaries(
    index: &AnyIndex,
    runtime: &Runtime,
    type_names: &[&str],
    edges: &[StoredFile],
    mut names: NodeNames,
    cancel: &AtomicBool,
) -> Result<Summaries> {
    with_index!(index, |index| {
        let sums = index.type_sums(type_names.len());
        let labels = labels(index, runtime, type_names, edges, &mut names, cancel)?;
        let holders = holder_stats(index, type_names, (&names, &labels), cancel)?;
        Ok(Summaries { type_retained: sums.into_iter().map(|sums| sums.retained).collect(), holders })
    })
}

/// Builds the index of a layer: of the graph of `base` without some nodes (addresses) and edges (address of the parent
/// and idx). Puts it into the lake, and returns it with the objects and bytes that went.
pub fn build_layer(
    lake: &Lake,
    manifest: &Manifest,
    name: &DumpId,
    base: &AnyIndex,
    edit: &Edit,
    limits: &BuildLimits,
    cancel: &AtomicBool,
) -> Result<(AnyIndex, u64, i64)> {
    limits.check(bytes_of_layer(manifest, base))?;
    let work = lake.work_folder()?;
    let to = LakePath::layer_index(manifest, name);
    let from = work.file(to.name());
    let (index, file, (objects, bytes)) = base.edited(edit, &from, cancel)?;
    file.sync_all().map_err(|source| from.io_error(source))?;
    commit::install(lake, manifest, &work, &to)?;
    super::file::seal(lake, &to);
    Ok((index, objects, bytes))
}

/// The same for a layer that nobody else is to see: its index has no name in the lake, and its room on the disk is free
/// again when the index is dropped.
pub fn build_unnamed_layer(
    lake: &Lake,
    manifest: &Manifest,
    base: &AnyIndex,
    edit: &Edit,
    limits: &BuildLimits,
    cancel: &AtomicBool,
) -> Result<(AnyIndex, u64, i64)> {
    limits.check(bytes_of_layer(manifest, base))?;
    // A lake that cannot be written to can be asked all the same.
    let work = lake.work_folder().or_else(|_| WorkFolder::outside())?;
    let (index, _, (objects, bytes)) = base.edited(edit, &work.file("layer"), cancel)?;
    Ok((index, objects, bytes))
}

fn bytes_of_layer(manifest: &Manifest, base: &AnyIndex) -> u64 {
    let counts = &manifest.counts;
    bytes_needed(counts.objects, counts.edges, matches!(base, AnyIndex::Wide(_)))
}

/// What makes a layer of a graph. What is not there is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Addresses of objects that are taken away.
    pub objects: Vec<u64>,
    /// Edges that are taken away: address of the parent, position among its references.
    pub edges: Vec<(u64, u32)>,
    /// Addresses of objects that become roots of the kind `pinned`; one that is taken away is none.
    pub pinned: Vec<u64>,
}

impl AnyIndex {
    fn edited(&self, edit: &Edit, to: &WorkFile, cancel: &AtomicBool) -> Result<(Self, File, (u64, i64))> {
        Ok(match self {
            AnyIndex::Narrow(base) => {
                let (index, file, gone) = base.edited(edit, to, cancel)?;
                (AnyIndex::Narrow(index), file, gone)
            }
            AnyIndex::Wide(base) => {
                let (index, file, gone) = base.edited(edit, to, cancel)?;
                (AnyIndex::Wide(index), file, gone)
            }
        })
    }
}

impl<I: Id> GraphIndex<I> {
    /// The positions of some edges, given by the address of the parent and idx; those that are not there are left out.
    pub fn edges_at(&self, edges: &[(u64, u32)]) -> BitSet {
        let forward = self.graph().forward;
        let mut found = BitSet::new(forward.n_edges());
        for (parent, idx) in edges {
            let range = self.node(*parent).map(|node| forward.range(node)).unwrap_or_default();
            let edge = range.start.saturating_add(*idx as usize);
            if range.contains(&edge) {
                found.insert(edge);
            }
        }
        found
    }

    /// What becomes unreachable without some nodes and edges.
    pub fn gone_without(&self, cut: &Cut, cancel: &AtomicBool) -> Result<Vec<I>, Cancelled> {
        self.gone(cut, &BitSet::new(self.n_nodes()), cancel)
    }

    fn gone(&self, cut: &Cut, pinned: &BitSet, cancel: &AtomicBool) -> Result<Vec<I>, Cancelled> {
        let roots = self.roots().iter().map(|root| root.index()).chain(pinned.iter());
        unreachable_after(self.graph(), &BitSet::of(self.n_nodes(), roots), cut, cancel)
    }

    /// The nodes of addresses that are there.
    fn nodes_there(&self, addresses: &[u64]) -> BitSet {
        let nodes = addresses.iter().filter_map(|address| self.node(*address));
        BitSet::of(self.n_nodes(), nodes.filter(|node| self.is_there(*node)))
    }

    fn edited(&self, edit: &Edit, to: &WorkFile, cancel: &AtomicBool) -> Result<(Self, File, (u64, i64))> {
        let (n_nodes, graph) = (self.n_nodes(), self.graph());
        let cut = Cut { nodes: self.nodes_there(&edit.objects), edges: self.edges_at(&edit.edges) };
        let pinned = self.nodes_there(&edit.pinned);
        let gone = self.gone(&cut, &pinned, cancel)?;
        let gone_nodes = BitSet::of(n_nodes, gone.iter().map(|node| node.index()));
        let bytes = self.size_of(&gone);
        let mut removed = cut.edges;
        self.removed_edges().iter().for_each(|edge| removed.insert(edge));
        let mut forward = CsrBuf { offsets: Vec::with_capacity(n_nodes + 1), targets: Vec::new() };
        forward.targets.reserve_exact(graph.forward.n_edges());
        for node in 0..n_nodes {
            let edges = graph.forward.range(node);
            forward.offsets.push(I::new(edges.start));
            for edge in edges {
                let target = graph.forward.target(edge);
                let to_gone = target != I::NONE && gone_nodes.contains(target.index());
                if gone_nodes.contains(node) || to_gone {
                    removed.insert(edge);
                }
                forward.targets.push(if removed.contains(edge) { I::NONE } else { target });
            }
        }
        forward.offsets.push(I::new(graph.forward.n_edges()));
        let weak = BitSet::of(graph.forward.n_edges(), graph.skip.iter());
        let mut writer = Writer::create(to)?;
        writer.section("address", self.addresses())?;
        let analysing = Analysing {
            writer,
            edges: Edges { forward, weak },
            removed,
            edges_xxh3: self.content.edges_xxh3.clone(),
            threads: thread::available_parallelism().map_or(1, usize::from),
            cancel,
        };
        let roots = Roots::kept(self, &gone_nodes, &pinned);
        let (types, sizes) = (self.types().to_vec(), self.sizes().to_vec());
        let (index, file, _) = analysing.finish(types, sizes, |_, _| roots, false, to)?;
        Ok((index, file, (gone.len() as u64, super::bytes(bytes))))
    }
}

/// A graph on its way to an index.
struct Analysing<'a, I> {
    /// Has the addresses.
    writer: Writer,
    edges: Edges<I>,
    /// Edges that a layer is without.
    removed: BitSet,
    edges_xxh3: String,
    threads: usize,
    cancel: &'a AtomicBool,
}

/// What the analysis says of the graph as a whole.
struct Analysed {
    unreferenced: u64,
    roots: BTreeMap<String, u64>,
}

impl<I: Id> Analysing<'_, I> {
    /// Finds and writes everything else. With `cycles`, what the roots do not reach gets roots of its own.
    fn finish(
        self,
        types: Vec<u32>,
        sizes: Vec<u64>,
        find_roots: impl FnOnce(Graph<'_, I>, &[u32]) -> Roots<I>,
        cycles: bool,
        to: &WorkFile,
    ) -> Result<(GraphIndex<I>, File, Analysed)> {
        let Self { mut writer, edges, removed, edges_xxh3, threads, cancel } = self;
        let n_nodes = types.len();
        let reverse = CsrBuf::reversed(edges.forward.view(), edges.weak.view(), threads, cancel)?;
        let graph = Graph { forward: edges.forward.view(), skip: edges.weak.view(), reverse: reverse.view() };
        let mut roots = find_roots(graph, &types);
        let first_roots: Vec<usize> = roots.nodes.iter().map(|root| root.index()).collect();
        let near_roots: Vec<usize> = roots.no_cycles().collect();
        let (written, tree) = in_parallel(
            threads,
            || -> Result<usize> {
                let distances = distances(graph.forward, graph.skip, near_roots.iter().copied(), cancel)?;
                writer.section("distance", &distances)?;
                drop(distances);
                writer.section("type", &types)?;
                writer.section("size", &sizes)?;
                writer.section("offsets", &edges.forward.offsets)?;
                writer.section("targets", &edges.forward.targets)?;
                writer.section("weak", edges.weak.words())?;
                writer.section("removed", removed.words())?;
                writer.section("reverse_offsets", &reverse.offsets)?;
                writer.section("sources", &reverse.targets)?;
                let n_types = types.iter().max().map_or(0, |rank| *rank as usize + 1);
                let pairs = type_edges(graph, &types, n_types);
                writer
                    .section("type_parent", &pairs.iter().map(|(parent, ..)| *parent).collect::<Vec<_>>())?;
                writer
                    .section("type_child", &pairs.iter().map(|(_, child, _)| *child).collect::<Vec<_>>())?;
                writer.section("type_edges", &pairs.iter().map(|(.., edges)| *edges).collect::<Vec<_>>())?;
                Ok(pairs.len())
            },
            || -> Result<_> {
                let mut search = Search::new(graph, cancel);
                search.add_roots(first_roots.iter().copied())?;
                if cycles {
                    let found = roots.add_cycles(graph, &search.unreached(), cancel)?;
                    search.add_roots(found)?;
                }
                Ok(search.dominators(threads)?)
            },
        );
        let n_type_pairs = written?;
        let tree = tree?;
        let unreferenced = (0..n_nodes).filter(|node| graph.reverse.range(*node).is_empty()).count() as u64;
        let root_counts = roots.counts();
        let content = Content {
            version: INDEX_VERSION,
            edges_xxh3,
            id_bytes: size_of::<I>(),
            n_nodes: n_nodes as u64,
            n_edges: graph.forward.n_edges() as u64,
            n_reverse: graph.reverse.n_edges() as u64,
            n_roots: roots.nodes.len() as u64,
            n_weak_words: edges.weak.words().len() as u64,
            n_reached: tree.n_reached() as u64,
            n_removed_words: removed.words().len() as u64,
            n_type_pairs: n_type_pairs as u64,
            root_kinds: roots.names,
        };
        drop((reverse, edges));
        let (written, retained) = in_parallel(
            threads,
            || -> Result<()> {
                writer.section("root", &roots.nodes)?;
                writer.section("root_kind", &roots.kinds)?;
                writer.section("idom", &tree.idom)
            },
            || tree.retained(|node| sizes[node]),
        );
        written?;
        drop((tree, sizes));
        writer.section("retained", &retained.size)?;
        writer.section("retained_count", &retained.count)?;
        writer.section("preorder", &retained.preorder)?;
        writer.section("position", &retained.position)?;
        drop((retained, types));
        let file = writer.finish(&content)?;
        let sections = Sections::just_written(&file).map_err(|source| to.io_error(source))?;
        let index = GraphIndex::new(sections, content).map_err(|refused| refused.into_error(to))?;
        Ok((index, file, Analysed { unreferenced, roots: root_counts }))
    }
}

impl Refused {
    fn into_error(self, stored: &StoredFile) -> Error {
        match self {
            Refused::OtherVersion => stored.damaged("it has another version"),
            Refused::Absent => stored.io_error(std::io::ErrorKind::NotFound.into()),
            Refused::Damaged(what) => stored.damaged(what),
            Refused::Failed(source) => stored.io_error(source),
        }
    }
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Error::Cancelled
    }
}

/// Both, at the same time where there are two threads.
pub(crate) fn in_parallel<A: Send, B>(
    threads: usize,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B,
) -> (A, B) {
    if threads < 2 {
        return (a(), b());
    }
    thread::scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        (a.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), b)
    })
}

/// The edges of a dump by node.
struct Edges<I> {
    forward: CsrBuf<I>,
    /// Empty, of length 0, when there are no weak edges.
    weak: BitSet,
}

/// The edges of one row group.
struct Piece<I> {
    /// Parents in order, and how many edges each has here.
    parents: Vec<(I, u32)>,
    targets: Vec<I>,
    /// Weak edges, by position in the piece.
    weak: Vec<u32>,
}

impl<I: Id> Edges<I> {
    /// References to objects that were never dumped.
    fn dangling(&self) -> u64 {
        self.forward.targets.iter().filter(|target| **target == I::NONE).count() as u64
    }

    /// Reads row groups on several threads and puts them together in order.
    fn read(
        stored: &[StoredFile],
        positions: &Positions<'_, I>,
        threads: usize,
        cancel: &AtomicBool,
    ) -> Result<Self> {
        let files = stored.iter().map(EdgeFile::open).collect::<Result<Vec<_>>>()?;
        let groups: Vec<(&EdgeFile, usize)> = files
            .iter()
            .flat_map(|file| (0..file.metadata.metadata().num_row_groups()).map(move |i| (file, i)))
            .collect();
        let next = AtomicUsize::new(0);
        let (sender, receiver) = crossbeam_channel::bounded(2 * threads);
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                let sender = sender.clone();
                let (groups, next) = (&groups, &next);
                scope.spawn(move || {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some((file, group)) = groups.get(i) else { return };
                        let piece = if cancel.load(Ordering::Relaxed) {
                            Err(Error::Cancelled)
                        } else {
                            file.piece(*group, positions)
                        };
                        let failed = piece.is_err();
                        if sender.send((i, piece)).is_err() || failed {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut edges = Gathering::new(positions.len(), files.iter().map(EdgeFile::n_rows).sum());
            let mut waiting = BTreeMap::new();
            let mut wanted = 0;
            for (i, piece) in receiver {
                waiting.insert(i, piece?);
                while let Some(piece) = waiting.remove(&wanted) {
                    let (file, _) = groups[wanted];
                    edges.append(piece).map_err(|what| file.stored.damaged(what))?;
                    wanted += 1;
                }
            }
            Ok(edges.finish())
        })
    }
}

/// Puts pieces together.
struct Gathering<I> {
    offsets: Vec<I>,
    targets: Vec<I>,
    weak: Option<BitSet>,
    n_edges: usize,
    /// The node whose edges came last, plus 1.
    next_node: usize,
}

impl<I: Id> Gathering<I> {
    fn new(n_nodes: usize, n_edges: usize) -> Self {
        Self {
            offsets: vec![I::new(0); n_nodes + 1],
            targets: Vec::with_capacity(n_edges),
            weak: None,
            n_edges,
            next_node: 0,
        }
    }

    fn append(&mut self, piece: Piece<I>) -> Result<(), &'static str> {
        let mut at = self.targets.len();
        for edge in piece.weak {
            let weak = self.weak.get_or_insert_with(|| BitSet::new(self.n_edges));
            weak.insert(at + edge as usize);
        }
        for (parent, n_edges) in piece.parents {
            if parent == I::NONE {
                return Err("a reference is of an object that is not in obj");
            }
            let node = parent.index();
            // The edges of one object may go on in the next row group.
            if node + 1 < self.next_node {
                return Err("its rows are not in the order of the parents' addresses");
            }
            if node + 1 > self.next_node {
                self.offsets[self.next_node..=node].fill(I::new(at));
                self.next_node = node + 1;
            }
            at += n_edges as usize;
        }
        self.targets.extend_from_slice(&piece.targets);
        Ok(())
    }

    fn finish(mut self) -> Edges<I> {
        self.offsets[self.next_node..].fill(I::new(self.targets.len()));
        Edges {
            forward: CsrBuf { offsets: self.offsets, targets: self.targets },
            weak: self.weak.unwrap_or_default(),
        }
    }
}

/// A Parquet file of `edge`.
struct EdgeFile {
    stored: StoredFile,
    metadata: ArrowReaderMetadata,
}

const BATCH_ROWS: usize = 1 << 15;

impl EdgeFile {
    fn open(stored: &StoredFile) -> Result<Self> {
        let file = stored.open().map_err(|source| stored.io_error(source))?;
        let options = ArrowReaderOptions::new().with_schema(edge_schema());
        let metadata =
            ArrowReaderMetadata::load(&file, options).map_err(|source| stored.parquet_error(source))?;
        Ok(Self { stored: stored.clone(), metadata })
    }

    fn n_rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Reads one row group and looks its addresses up.
    fn piece<I: Id>(&self, group: usize, positions: &Positions<'_, I>) -> Result<Piece<I>> {
        let parquet_error = |source| self.stored.parquet_error(source);
        let file = self.stored.open().map_err(|source| self.stored.io_error(source))?;
        let schema = self.metadata.parquet_schema();
        let kinds = if self.all_strong(group) { None } else { Some("kind") };
        let columns = ProjectionMask::columns(schema, ["parent", "child"].into_iter().chain(kinds));
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(columns)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(parquet_error)?;
        let mut piece = Piece { parents: Vec::new(), targets: Vec::new(), weak: Vec::new() };
        let mut last = None;
        for batch in reader {
            let batch = batch.map_err(|error| parquet_error(error.into()))?;
            piece.add(&batch, &mut last, positions);
        }
        Ok(piece)
    }

    /// Whether the statistics say that no edge of a row group is weak.
    fn all_strong(&self, group: usize) -> bool {
        let row_group = self.metadata.metadata().row_group(group);
        let column = row_group.columns().iter().find(|column| column.column_descr().name() == "kind");
        match column.and_then(|column| column.statistics()) {
            Some(Statistics::ByteArray(statistics)) => {
                let strong = |bytes: Option<&[u8]>| bytes == Some(EdgeKind::Strong.name().as_bytes());
                strong(statistics.min_bytes_opt()) && strong(statistics.max_bytes_opt())
            }
            _ => false,
        }
    }
}

impl<I: Id> Piece<I> {
    /// Adds the rows of a batch; `last` is the parent of the row before.
    fn add(&mut self, batch: &RecordBatch, last: &mut Option<u64>, positions: &Positions<'_, I>) {
        let (parents, children) =
            (batch.column(0).as_primitive::<UInt64Type>(), batch.column(1).as_primitive::<UInt64Type>());
        for parent in parents.values() {
            match self.parents.last_mut() {
                Some((_, n_edges)) if *last == Some(*parent) => *n_edges += 1,
                _ => self.parents.push((positions.of(*parent), 1)),
            }
            *last = Some(*parent);
        }
        let start = self.targets.len();
        positions.append_of(children.values(), &mut self.targets);
        let Some(kinds) = batch.columns().get(2).and_then(|kinds| kinds.as_dictionary_opt::<Int32Type>())
        else {
            return;
        };
        let names = kinds.values().as_string::<i32>();
        let keeps_nothing = |name: &str| EdgeKind::of_name(name).is_some_and(|kind| !kind.keeps_alive());
        let weak: Vec<bool> = names.iter().map(|name| name.is_some_and(keeps_nothing)).collect();
        let is_weak = |key: &i32| usize::try_from(*key).is_ok_and(|key| weak.get(key) == Some(&true));
        let keys = kinds.keys().values().iter().enumerate();
        self.weak.extend(keys.filter(|(_, key)| is_weak(key)).map(|(i, _)| (start + i) as u32));
    }
}

/// The schema of `edge`, with the kinds as a dictionary.
fn edge_schema() -> SchemaRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema = schema::edge();
    let fields = schema.fields().iter().map(|field| match field.name().as_str() {
        "kind" => Arc::new(Field::new("kind", dictionary.clone(), field.is_nullable())),
        _ => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
