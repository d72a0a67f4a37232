//! The graph index of a dump: the references as flat arrays, and what is computed from them.
//!
//! A cache beside the tables, mapped into memory and never copied. Nodes are numbered by address; the position of an edge is
//! its row in `edge`. The index is rebuilt from the tables if it is absent, damaged, of an older version or of other tables.

mod analysis;
mod arrays;
mod build;
mod edges;
mod file;
mod holders;
mod labels;
mod layer;
mod module_table;
mod modules;
mod nodes;
mod obj_columns;
mod rebuild;
mod roots;
mod rows;
mod sections;
mod some_labels;

use std::{ops::Range, sync::OnceLock, thread};

use heaplake_graph::{Bits, Cancelled, Csr, Graph, Id, Numbers};
use heaplake_model::{DumpId, Remedy, root_kind, schema::Table};

use crate::{
    Error, FileEntry, FileProblem, Lake, Manifest, Result, StoredFile,
    lake::{LakePath, Lock},
};
pub(crate) use arrays::{ArraysIn, GraphSize};
pub(crate) use build::{GraphCounts, IndexInputs, NewIndex, ProgramNames, Summaries, build, summaries};
pub use edges::EdgeLabels;
pub(crate) use edges::{EdgeFiles, EdgePiece, EdgeSource, TakeLabel};
use file::{Refused, Sections};
pub(crate) use holders::NodeNames;
pub use layer::{LayerEdit, build_layer, build_unnamed_layer};
pub(crate) use nodes::{Nodes, Refcounts};
pub(crate) use obj_columns::{ObjIndex, bytes, null_columns, root_columns};
pub use rebuild::{BuildLimits, IndexOptions, index_dump, index_fits, open_or_build};
use rows::RowCheckpoints;
use sections::{IndexContent, SectionRanges};

/// Version of the layout. An index of a later one or of one before [`FIRST_VERSION`] is rebuilt.
const INDEX_VERSION: u32 = 5;
/// The first version whose files can be read. Version 5 is the first that says what is garbage.
const FIRST_VERSION: u32 = 5;

/// An open index with ids of either width.
#[derive(Debug)]
pub enum AnyIndex {
    /// Up to 2^31 objects and 2^32 - 2 references.
    Narrow(GraphIndex<u32>),
    /// More objects or references.
    Wide(GraphIndex<u64>),
}

/// The size, inode and times of the index file of a dump, which change if the file is replaced or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexStamp(file::Seal);

impl IndexStamp {
    /// The stamp of the present index file; `None` if there is none.
    pub fn of(lake: &Lake, manifest: &Manifest) -> Option<Self> {
        let file = lake.at(&LakePath::index(manifest)).open().ok()?;
        Some(Self(file::Seal::of(&file.metadata().ok()?)))
    }
}

/// Runs the same code for either width: `with_index!(any, |index| ...)`.
#[macro_export]
macro_rules! with_index {
    ($any:expr, |$index:ident| $body:expr) => {
        match $any {
            $crate::AnyIndex::Narrow($index) => $body,
            $crate::AnyIndex::Wide($index) => $body,
        }
    };
}

/// An index with ids of type `I`. Arrays are by node (ascending address) unless their documentation says otherwise.
#[derive(Debug)]
pub struct GraphIndex<I> {
    sections: Sections,
    content: IndexContent,
    ranges: SectionRanges,
    rows: OnceLock<RowCheckpoints>,
    ids: std::marker::PhantomData<I>,
}

/// Totals of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TypeSums {
    /// Objects.
    pub objects: u64,
    /// Bytes of their shallow sizes.
    pub size: u64,
    /// Bytes that they retain together, according to the dominator tree: of nested ones the outermost counts.
    pub retained: u64,
}

impl AnyIndex {
    /// Opens the index of a dump; `None` if there is no valid one of its present tables.
    pub fn open(lake: &Lake, manifest: &Manifest) -> Result<Option<Self>> {
        Self::open_sound(lake, &LakePath::index(manifest), manifest)
    }

    /// Opens the index of a layer; `None` if there is no valid one.
    pub fn open_layer(lake: &Lake, manifest: &Manifest, layer: &DumpId) -> Result<Option<Self>> {
        Self::open_sound(lake, &LakePath::layer_index(manifest, layer), manifest)
    }

    fn open_sound(lake: &Lake, path: &LakePath, manifest: &Manifest) -> Result<Option<Self>> {
        match Self::open_file(lake, path, manifest) {
            Ok(index) => Ok(Some(index)),
            Err(Refused::Absent | Refused::OtherVersion | Refused::Damaged(_)) => Ok(None),
            Err(Refused::Failed(source)) => Err(lake.at(path).io_error(source)),
        }
    }

    fn open_file(lake: &Lake, path: &LakePath, manifest: &Manifest) -> Result<Self, Refused> {
        if cfg!(target_endian = "big") {
            return Err(Refused::Damaged("its numbers are little-endian, this machine's are not".to_owned()));
        }
        let (sections, header) = Sections::open::<serde_json::Value>(lake, path)?;
        let version = header.get("version").and_then(serde_json::Value::as_u64);
        if !version.is_some_and(|version| (FIRST_VERSION.into()..=INDEX_VERSION.into()).contains(&version)) {
            return Err(Refused::OtherVersion);
        }
        let content: IndexContent = serde_json::from_value(header)
            .map_err(|error| Refused::Damaged(format!("its header cannot be read ({error})")))?;
        if content.edges_xxh3 != edges_xxh3(manifest.files_of(Table::Edge))
            || content.n_nodes != manifest.counts.objects
        {
            return Err(Refused::Damaged("it is of other tables".to_owned()));
        }
        match content.id_bytes {
            4 => GraphIndex::new(sections, content).map(AnyIndex::Narrow),
            8 => GraphIndex::new(sections, content).map(AnyIndex::Wide),
            other => Err(Refused::Damaged(format!("its ids have {other} bytes"))),
        }
    }

    /// Number of objects.
    pub fn n_nodes(&self) -> usize {
        with_index!(self, |index| index.n_nodes())
    }
}

impl<I: Id> GraphIndex<I> {
    fn new(sections: Sections, content: IndexContent) -> Result<Self, Refused> {
        let ranges = SectionRanges::of::<I>(&sections, &content)?;
        let index = Self { sections, content, ranges, rows: OnceLock::new(), ids: std::marker::PhantomData };
        let csr = |offsets, targets| {
            Csr::<I>::with_offsets(index.sections.offsets(offsets), index.sections.numbers(targets))
        };
        if csr(&index.ranges.offsets, &index.ranges.targets).is_none()
            || csr(&index.ranges.reverse_offsets, &index.ranges.sources).is_none()
        {
            return Err(Refused::Damaged("its offsets do not fit its edges".to_owned()));
        }
        Ok(index)
    }

    /// Number of objects.
    pub fn n_nodes(&self) -> usize {
        self.addresses().len()
    }

    /// The graph. Edges to objects that were never dumped lead nowhere; weak edges are skipped.
    pub fn graph(&self) -> Graph<'_, I> {
        let csr = |offsets, targets| {
            let csr = Csr::with_offsets(self.sections.offsets(offsets), self.sections.numbers(targets));
            csr.unwrap_or_else(|| unreachable!("checked when the index was opened"))
        };
        Graph {
            forward: csr(&self.ranges.offsets, &self.ranges.targets),
            skip: Bits::new(self.sections.numbers(&self.ranges.weak)),
            reverse: csr(&self.ranges.reverse_offsets, &self.ranges.sources),
        }
    }

    /// Addresses, ascending.
    pub fn addresses(&self) -> &[u64] {
        self.sections.numbers(&self.ranges.address)
    }

    /// The node of an address.
    pub fn node(&self, address: u64) -> Option<usize> {
        self.addresses().binary_search(&address).ok()
    }

    /// Types, as positions in the manifest's list of types.
    pub fn types(&self) -> Numbers<'_, u32> {
        self.sections.narrow(&self.ranges.type_rank)
    }

    /// Shallow sizes in bytes; 0 if the dump gives none.
    pub fn sizes(&self) -> Numbers<'_, u64> {
        self.sections.narrow(&self.ranges.size)
    }

    /// Which types refer to which: type of the parent, of the child, and the number of such references that keep an
    /// object alive. By parent, then child.
    pub fn type_edges(&self) -> impl Iterator<Item = (u32, u32, u64)> + '_ {
        let parents = self.sections.numbers::<u32>(&self.ranges.type_parent);
        let children = self.sections.numbers::<u32>(&self.ranges.type_child);
        let edges = self.sections.numbers::<u64>(&self.ranges.type_edges);
        parents.iter().zip(children).zip(edges).map(|((parent, child), edges)| (*parent, *child, *edges))
    }

    /// The nodes that are roots, ascending.
    pub fn roots(&self) -> &[I] {
        self.sections.numbers(&self.ranges.root)
    }

    /// The roots without those of garbage, which nothing holds.
    pub fn live_roots(&self) -> impl Iterator<Item = I> + '_ {
        let is_live = |(i, _): &(usize, &I)| self.root_kind(*i) != root_kind::GARBAGE;
        self.roots().iter().enumerate().filter(is_live).map(|(_, root)| *root)
    }

    /// The nodes that only garbage holds: no other root reaches them. A node that is alive is dominated, and kept, as if they did not
    /// refer to it.
    pub fn garbage(&self) -> Bits<'_> {
        Bits::new(self.sections.numbers(&self.ranges.garbage))
    }

    /// The nodes that keep a node alive by a reference: for one that is no garbage those that are none either.
    pub fn keepers(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let garbage = self.garbage();
        let is_garbage = garbage.contains(node);
        self.graph().parents(node).filter(move |parent| is_garbage || !garbage.contains(*parent))
    }

    /// The addresses of the roots.
    pub fn root_addresses(&self) -> impl Iterator<Item = u64> + '_ {
        self.roots().iter().map(|root| self.addresses()[root.index()])
    }

    /// By root, the position of its kind in the list of kinds.
    fn root_kinds(&self) -> &[u32] {
        self.sections.numbers(&self.ranges.root_kind)
    }

    /// By root, its position in the order of kinds, then names, which means the same in dumps of other processes; equal for
    /// roots of one kind and name.
    pub fn root_ranks(&self) -> &[u32] {
        self.sections.numbers(&self.ranges.root_rank)
    }

    /// The addresses of the roots with the names of their kinds.
    pub(crate) fn named_roots(&self) -> impl Iterator<Item = (u64, &str)> {
        self.root_addresses().enumerate().map(|(i, address)| (address, self.root_kind(i)))
    }

    /// The name of the kind of the i-th root.
    pub fn root_kind(&self, i: usize) -> &str {
        self.root_kinds()
            .get(i)
            .and_then(|kind| self.content.root_kinds.get(*kind as usize))
            .map_or("", String::as_str)
    }

    /// The kind of a node that is a root.
    pub fn root_kind_of(&self, node: usize) -> Option<&str> {
        self.roots().binary_search(&I::new(node)).ok().map(|i| self.root_kind(i))
    }

    /// Hops from the nearest root that is not a garbage cycle; [`heaplake_graph::NO_DISTANCE`] if no such root reaches the node.
    pub fn distances(&self) -> Numbers<'_, u32> {
        self.sections.narrow(&self.ranges.distance)
    }

    /// Immediate dominators; the number of nodes stands for the super-root.
    pub fn idoms(&self) -> &[I] {
        self.sections.numbers(&self.ranges.idom)
    }

    /// Sum of the shallow sizes of some nodes, in bytes.
    pub fn size_of(&self, nodes: &[I]) -> u64 {
        nodes.iter().fold(0, |sum, node| sum.saturating_add(self.sizes().at(node.index())))
    }

    /// Totals of each of `n_types` types, without nodes that a layer does not have.
    pub fn type_sums(&self, n_types: usize) -> Vec<TypeSums> {
        let (types, sizes) = (self.types(), self.sizes());
        let (counts, retained) = (self.retained_counts(), self.retained());
        let mut all = vec![TypeSums::default(); n_types];
        // By type, the position of the preorder where the subtree of its last outermost object ends.
        let mut held_until = vec![0_usize; n_types];
        for (position, node) in self.preorder().iter().enumerate() {
            let node = node.index();
            let type_rank = types.at(node) as usize;
            let Some(sums) = all.get_mut(type_rank) else { continue };
            sums.objects += 1;
            sums.size = sums.size.saturating_add(sizes.at(node));
            if position >= held_until[type_rank] {
                held_until[type_rank] = position + counts.at(node).index();
                sums.retained = sums.retained.saturating_add(retained.at(node));
            }
        }
        all
    }

    /// Retained sizes in bytes.
    pub fn retained(&self) -> Numbers<'_, u64> {
        self.sections.narrow(&self.ranges.retained)
    }

    /// Numbers of retained objects, the object itself included.
    pub fn retained_counts(&self) -> Numbers<'_, I> {
        self.sections.narrow(&self.ranges.retained_count)
    }

    /// The nodes in preorder of the dominator tree: a node dominates the `retained_counts` nodes from its own position on.
    pub fn preorder(&self) -> &[I] {
        self.sections.numbers(&self.ranges.preorder)
    }

    /// By node, its position in [`Self::preorder`].
    pub fn positions(&self) -> &[I] {
        self.sections.numbers(&self.ranges.position)
    }

    /// The outermost of some nodes, which are those that no other of them dominates: the ranges of [`Self::preorder`] that
    /// they dominate, ascending.
    pub fn outermost(&self, nodes: &[I]) -> Vec<Range<usize>> {
        let (positions, counts) = (self.positions(), self.retained_counts());
        let mut ranges: Vec<Range<usize>> = nodes
            .iter()
            .map(|node| (positions[node.index()].index(), counts.at(node.index()).index()))
            .map(|(start, count)| start..start.saturating_add(count))
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut end = 0;
        ranges.retain(|range| {
            let is_outermost = range.start >= end && range.end <= self.preorder().len();
            end = end.max(range.end);
            is_outermost
        });
        ranges
    }

    /// Whether a node exists; in a layer some do not.
    pub fn is_there(&self, node: usize) -> bool {
        self.positions()[node] != I::NONE
    }

    /// The positions of the edges that a layer does not have.
    pub fn removed_edges(&self) -> Bits<'_> {
        Bits::new(self.sections.numbers(&self.ranges.removed))
    }

    /// The nodes that a node (or, for the number of nodes, the super-root) immediately dominates.
    pub fn dominated_by(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let (preorder, counts) = (self.preorder(), self.retained_counts());
        let (mut at, end) = match self.positions().get(node) {
            Some(position) => (position.index() + 1, position.index() + counts.at(node).index()),
            None => (0, preorder.len()),
        };
        std::iter::from_fn(move || {
            let child = preorder.get(at).filter(|_| at < end)?.index();
            // It is never 0, but the loop must end whatever the file contains.
            at += counts.at(child).index().max(1);
            Some(child)
        })
    }
}

/// Seals the index file of a dump, which this process has just written, synced and moved into the lake.
pub(crate) fn seal(lake: &Lake, manifest: &Manifest) {
    file::seal(lake, &LakePath::index(manifest));
}

/// Deletes the index of a layer.
pub(crate) fn remove_layer(lake: &Lake, lock: &Lock, manifest: &Manifest, layer: &DumpId) {
    let path = LakePath::layer_index(manifest, layer);
    // Remaining files of a cache do no harm.
    let _ = lake.remove_file(lock, &LakePath::seal(&path));
    let _ = lake.remove_file(lock, &path);
}

/// Reads the whole index of a dump, and returns what is wrong with it; `None` if nothing is, or if there is no index.
pub(crate) fn check(lake: &Lake, manifest: &Manifest) -> Result<Option<FileProblem>> {
    let path = LakePath::index(manifest);
    let checked = Sections::open::<serde_json::Value>(lake, &path).and_then(|(sections, _)| sections.check());
    let what = match checked.and_then(|()| AnyIndex::open_file(lake, &path, manifest).map(drop)) {
        Ok(()) | Err(Refused::Absent | Refused::OtherVersion) => return Ok(None),
        Err(Refused::Damaged(what)) => what,
        Err(Refused::Failed(source)) => return Err(lake.at(&path).io_error(source)),
    };
    let what = format!("{what}; it is built anew when it is needed");
    let remedy = Some(Remedy::BuildIndex { dump: manifest.id.to_string() });
    Ok(Some(FileProblem { path: path.to_string(), what, remedy }))
}

/// The checksums of the `edge` files of a dump, which tell to which tables an index belongs.
pub(crate) fn edges_xxh3<'f>(edges: impl Iterator<Item = &'f FileEntry>) -> String {
    edges.map(|file| file.xxh3.as_str()).collect::<Vec<_>>().join("+")
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

/// The results of both functions, which run at the same time if two threads are allowed.
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
