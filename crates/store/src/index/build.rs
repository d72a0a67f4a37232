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
    path::{Path, PathBuf},
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
use heaplake_graph::{BitSet, Cancelled, CsrBuf, Graph, Id, Search, distances};
use heaplake_model::schema;
use heaplake_readers::{Format, Row};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    file::statistics::Statistics,
};

use super::{
    AnyIndex, Content, GraphIndex, INDEX_VERSION,
    file::{Refused, Sections, Writer},
    roots::{self, Roots},
};
use crate::{Error, Result, addresses::Positions};

/// The objects, by ascending address.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) addresses: Vec<u64>,
    /// Positions in the list of types.
    pub(crate) types: Vec<u32>,
    /// Shallow sizes in bytes, 0 where there is none.
    pub(crate) sizes: Vec<u64>,
}

impl Nodes {
    /// Bytes of one.
    pub(crate) const BYTES: u64 = 20;

    /// Adds an object.
    pub(crate) fn push(&mut self, row: &Row, ranks: &[u32]) {
        self.addresses.push(row.address);
        self.types.push(ranks[row.type_id as usize]);
        self.sizes.push(Self::size(row));
    }

    /// The size of an object as sums take it.
    pub(crate) fn size(row: &Row) -> u64 {
        // Also what `Row::NO_NUMBER` becomes.
        u64::try_from(row.size).unwrap_or(0)
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
    pub(crate) format: Format,
    /// Addresses that the dump calls roots, and of which kind.
    pub(crate) recorded_roots: &'b [(u64, String)],
    /// Files of `edge`, in order, and their checksums.
    pub(crate) edges: Vec<PathBuf>,
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
    /// Bytes that each type retains, nothing counted twice.
    pub(crate) type_retained: Vec<u64>,
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

/// Builds the index and writes it to `path`.
pub(crate) fn build(inputs: Inputs<'_>, path: &Path) -> Result<Built> {
    if is_narrow(inputs.nodes.addresses.len() as u64, inputs.n_edges) && !inputs.wide_ids {
        build_with::<u32>(inputs, path, AnyIndex::Narrow)
    } else {
        build_with::<u64>(inputs, path, AnyIndex::Wide)
    }
}

fn build_with<I: Id>(
    inputs: Inputs<'_>,
    path: &Path,
    any: impl Fn(GraphIndex<I>) -> AnyIndex,
) -> Result<Built> {
    let Inputs { nodes: Nodes { addresses, types, sizes }, cancel, threads, .. } = inputs;
    let mut writer = Writer::create(path)?;
    writer.section("address", &addresses)?;
    let positions = Positions::<I>::new(&addresses);
    let edges = Edges::read(&inputs.edges, &positions, threads, cancel)?;
    let recorded = roots::recorded(inputs.recorded_roots, |address| positions.of(address));
    drop(positions);
    drop(addresses);
    let n_nodes = types.len();
    let reverse = CsrBuf::reversed(edges.forward.view(), edges.weak.view(), threads, cancel)?;
    let graph = Graph { forward: edges.forward.view(), skip: edges.weak.view(), reverse: reverse.view() };
    let kept: Vec<_> = inputs.type_names.iter().map(|name| inputs.format.kept_alive(name)).collect();
    let mut roots = Roots::find(graph, &types, &kept, recorded);
    let no_cycles: Vec<usize> = roots.nodes.iter().map(|root| root.index()).collect();
    let (written, tree) = in_parallel(
        threads,
        || -> Result<()> {
            writer.section(
                "distance",
                &distances(graph.forward, graph.skip, no_cycles.iter().copied(), cancel)?,
            )?;
            writer.section("type", &types)?;
            writer.section("size", &sizes)?;
            writer.section("offsets", &edges.forward.offsets)?;
            writer.section("targets", &edges.forward.targets)?;
            writer.section("weak", edges.weak.words())?;
            writer.section("reverse_offsets", &reverse.offsets)?;
            writer.section("sources", &reverse.targets)
        },
        || -> Result<_> {
            let mut search = Search::new(graph, cancel);
            search.add_roots(no_cycles.iter().copied())?;
            let cycles = roots.add_cycles(graph, search.reached(), cancel)?;
            search.add_roots(cycles)?;
            Ok(search.dominators()?)
        },
    );
    written?;
    let tree = tree?;
    writer.section("root", &roots.nodes)?;
    writer.section("root_kind", &roots.kinds)?;
    writer.section("idom", &tree.idom)?;
    let counts = GraphCounts {
        dangling: edges.dangling,
        unreferenced: (0..n_nodes).filter(|node| graph.reverse.range(*node).is_empty()).count() as u64,
        roots: roots.counts(),
    };
    let content = Content {
        version: INDEX_VERSION,
        edges_xxh3: inputs.edges_xxh3,
        id_bytes: size_of::<I>(),
        n_nodes: n_nodes as u64,
        n_edges: graph.forward.n_edges() as u64,
        n_reverse: graph.reverse.n_edges() as u64,
        n_roots: roots.nodes.len() as u64,
        n_weak_words: edges.weak.words().len() as u64,
        root_kinds: roots.names,
    };
    drop((reverse, edges));
    let retained = tree.retained(|node| sizes[node]);
    drop((tree, sizes));
    writer.section("retained", &retained.size)?;
    writer.section("retained_count", &retained.count)?;
    writer.section("preorder", &retained.preorder)?;
    writer.section("position", &retained.position)?;
    let type_retained = type_retained(&retained, &types, inputs.type_names.len());
    drop(retained);
    let file = writer.finish(&content)?;
    let sections =
        Sections::just_written(&file).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let index = GraphIndex::new(sections, content).map_err(|refused| refused.into_error(path))?;
    Ok(Built { index: any(index), file, counts, type_retained })
}

impl Refused {
    pub(super) fn into_error(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Refused::Absent => Error::Io { path, source: std::io::ErrorKind::NotFound.into() },
            Refused::Damaged(what) => Error::Damaged { path, what },
            Refused::Failed(source) => Error::Io { path, source },
        }
    }
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Error::Cancelled
    }
}

/// Both, at the same time where there are two threads.
fn in_parallel<A: Send, B>(threads: usize, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B) -> (A, B) {
    if threads < 2 {
        return (a(), b());
    }
    thread::scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        (a.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), b)
    })
}

/// Bytes that the objects of each type retain together, as far as the dominator tree says: of nested objects of one
/// type only the outermost counts.
fn type_retained<I: Id>(retained: &heaplake_graph::Retained<I>, types: &[u32], n_types: usize) -> Vec<u64> {
    let mut sums = vec![0_u64; n_types];
    // By type: up to which position of the preorder an object of the type holds everything.
    let mut held_until = vec![0_usize; n_types];
    for (position, node) in retained.preorder.iter().enumerate() {
        let node = node.index();
        let type_rank = types[node] as usize;
        if position >= held_until[type_rank] {
            held_until[type_rank] = position + retained.count[node].index();
            sums[type_rank] = sums[type_rank].saturating_add(retained.size[node]);
        }
    }
    sums
}

/// The edges of a dump by node.
struct Edges<I> {
    forward: CsrBuf<I>,
    /// Empty, of length 0, when there are no weak edges.
    weak: BitSet,
    dangling: u64,
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
    /// Reads row groups on several threads and puts them together in order.
    fn read(
        paths: &[PathBuf],
        positions: &Positions<'_, I>,
        threads: usize,
        cancel: &AtomicBool,
    ) -> Result<Self> {
        let files = paths.iter().map(|path| EdgeFile::open(path)).collect::<Result<Vec<_>>>()?;
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
                    edges.append(piece).map_err(|what| file.damaged(what))?;
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
        let dangling = self.targets.iter().filter(|target| **target == I::NONE).count() as u64;
        Edges {
            forward: CsrBuf { offsets: self.offsets, targets: self.targets },
            weak: self.weak.unwrap_or_default(),
            dangling,
        }
    }
}

/// A Parquet file of `edge`.
struct EdgeFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

const BATCH_ROWS: usize = 1 << 15;

impl EdgeFile {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let options = ArrowReaderOptions::new().with_schema(edge_schema());
        let metadata = ArrowReaderMetadata::load(&file, options)
            .map_err(|source| Error::Parquet { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), metadata })
    }

    fn n_rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged { path: self.path.clone(), what: what.to_owned() }
    }

    /// Reads one row group and looks its addresses up.
    fn piece<I: Id>(&self, group: usize, positions: &Positions<'_, I>) -> Result<Piece<I>> {
        let parquet_error = |source| Error::Parquet { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(|source| Error::Io { path: self.path.clone(), source })?;
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
                let strong = |bytes: Option<&[u8]>| bytes == Some(schema::STRONG.as_bytes());
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
        self.targets.extend(children.values().iter().map(|child| positions.of(*child)));
        let Some(kinds) = batch.columns().get(2).and_then(|kinds| kinds.as_dictionary_opt::<Int32Type>())
        else {
            return;
        };
        let names = kinds.values().as_string::<i32>();
        let weak: Vec<bool> = names.iter().map(|name| name == Some(schema::WEAK)).collect();
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
