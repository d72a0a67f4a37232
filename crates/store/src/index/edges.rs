//! The forward CSR of a dump, from wherever its references are: pieces are made on several threads, and put together in
//! order.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use arrow::{
    array::{Array as _, AsArray, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, UInt64Type},
};
use heaplake_graph::{BitSet, CsrBuf, Id};
use heaplake_model::{
    EdgeKind, LabelSays, Runtime,
    schema::{self, Table},
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
        },
    },
    file::{metadata::PageIndexPolicy, statistics::Statistics},
};

use super::{
    arrays::{ArraysIn, StoredCsr},
    file::{SectionWriter, Writer},
    sections::{OFFSETS, TARGETS},
};
use crate::{Error, Lake, Manifest, Result, StoredFile, addresses::Positions};

/// Where the references of a dump are: in memory, or in files of `edge` ([`EdgeFiles`]). Always in the order of `edge`.
pub(crate) trait EdgeSource: Sync {
    /// Number of references.
    fn n_edges(&self) -> usize;

    /// Number of pieces.
    fn n_pieces(&self) -> usize;

    /// The references of a piece, resolved to nodes.
    fn piece<I: Id>(&self, number: usize, positions: &Positions<'_, I>) -> Result<EdgePiece<I>>;

    /// The error for a piece that does not fit the others.
    fn damaged(&self, number: usize, what: &str) -> Error;

    /// Calls `take` with the position of each reference that has a label, and a function that fetches the label, which may
    /// be far away in memory.
    fn for_each_label(&self, cancel: &AtomicBool, take: impl TakeLabel) -> Result<()>;
}

/// What [`EdgeSource::for_each_label`] calls.
pub(crate) trait TakeLabel: for<'l> FnMut(usize, &(dyn Fn() -> Option<&'l str> + 'l)) {}

impl<F: for<'l> FnMut(usize, &(dyn Fn() -> Option<&'l str> + 'l))> TakeLabel for F {}

/// The edges of a dump by node.
pub(super) struct Edges<I> {
    pub(super) forward: StoredCsr<I>,
    /// Edges to objects that were never dumped.
    pub(super) dangling: u64,
    /// Empty, of length 0, if there are no weak edges.
    pub(super) weak: BitSet,
    /// Edges that lead to a namespace, as their labels say; empty, of length 0, if there are none.
    pub(super) namespaces: BitSet,
}

/// Some edges, in order.
pub(crate) struct EdgePiece<I> {
    /// Parents in order, and how many edges each has here.
    pub(crate) parents: Vec<(I, u32)>,
    pub(crate) targets: Vec<I>,
    /// Weak edges, by position in the piece.
    pub(crate) weak: Vec<usize>,
    /// Edges that lead to a namespace, by position in the piece.
    pub(crate) namespaces: Vec<usize>,
}

impl<I> Default for EdgePiece<I> {
    fn default() -> Self {
        Self { parents: Vec::new(), targets: Vec::new(), weak: Vec::new(), namespaces: Vec::new() }
    }
}

impl<I: Id> Edges<I> {
    /// Takes the pieces of a source on several threads, and puts them together in order: in memory, or as sections of the file.
    pub(super) fn of(
        source: &impl EdgeSource,
        positions: &Positions<'_, I>,
        (writer, arrays_in): (&mut Writer<I>, ArraysIn),
        threads: usize,
        cancel: &AtomicBool,
    ) -> Result<Self> {
        let next = AtomicUsize::new(0);
        let (sender, receiver) = crossbeam_channel::bounded(2 * threads);
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                let sender = sender.clone();
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= source.n_pieces() {
                            return;
                        }
                        let piece = if cancel.load(Ordering::Relaxed) {
                            Err(Error::Cancelled)
                        } else {
                            source.piece(number, positions)
                        };
                        let failed = piece.is_err();
                        if sender.send((number, piece)).is_err() || failed {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut edges = EdgesBuilder::new(positions.len(), source.n_edges());
            let mut targets = match arrays_in {
                ArraysIn::Memory => Targets::Memory(Vec::with_capacity(source.n_edges())),
                ArraysIn::File => Targets::File(writer.begin(TARGETS)),
            };
            let mut waiting = BTreeMap::new();
            let mut wanted = 0;
            for (number, piece) in receiver {
                waiting.insert(number, piece?);
                while let Some(piece) = waiting.remove(&wanted) {
                    targets.append(&piece.targets)?;
                    edges.append(piece).map_err(|what| source.damaged(wanted, what))?;
                    wanted += 1;
                }
            }
            let EdgesBuilder { offsets, n_edges, dangling, weak, namespaces, .. } = edges.finish();
            let forward = match targets {
                Targets::Memory(targets) => StoredCsr::Memory(CsrBuf { offsets, targets }),
                Targets::File(section) => {
                    section.finish()?;
                    writer.offsets(&offsets)?;
                    StoredCsr::written(writer, (OFFSETS, offsets.len()), (TARGETS, n_edges))?
                }
            };
            let [weak, namespaces] = [weak, namespaces].map(Option::unwrap_or_default);
            Ok(Self { forward, dangling, weak, namespaces })
        })
    }
}

/// Where the targets of edges go.
enum Targets<'w, I> {
    Memory(Vec<I>),
    File(SectionWriter<'w, I>),
}

impl<I: Id> Targets<'_, I> {
    fn append(&mut self, targets: &[I]) -> Result<()> {
        match self {
            Self::Memory(all) => all.extend_from_slice(targets),
            Self::File(section) => section.append(targets)?,
        }
        Ok(())
    }
}

/// Puts pieces together, apart from the targets of the edges.
struct EdgesBuilder<I> {
    offsets: Vec<I>,
    weak: Option<BitSet>,
    namespaces: Option<BitSet>,
    /// How many edges there will be.
    expected: usize,
    /// How many there are.
    n_edges: usize,
    /// How many of them lead nowhere.
    dangling: u64,
    /// The node whose edges came last, plus 1.
    next_node: usize,
}

impl<I: Id> EdgesBuilder<I> {
    fn new(n_nodes: usize, expected: usize) -> Self {
        Self {
            offsets: vec![I::new(0); n_nodes + 1],
            weak: None,
            namespaces: None,
            expected,
            n_edges: 0,
            dangling: 0,
            next_node: 0,
        }
    }

    fn append(&mut self, piece: EdgePiece<I>) -> Result<(), &'static str> {
        let mut at = self.n_edges;
        for (set, edges) in [(&mut self.weak, piece.weak), (&mut self.namespaces, piece.namespaces)] {
            if !edges.is_empty() {
                let set = set.get_or_insert_with(|| BitSet::new(self.expected));
                edges.into_iter().for_each(|edge| set.insert(at + edge));
            }
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
        self.n_edges += piece.targets.len();
        self.dangling += piece.targets.iter().filter(|target| **target == I::NONE).count() as u64;
        Ok(())
    }

    fn finish(mut self) -> Self {
        self.offsets[self.next_node..].fill(I::new(self.n_edges));
        self
    }
}

/// The references of a dump in its files of `edge`, by row group.
pub(crate) struct EdgeFiles {
    files: Vec<EdgeFile>,
    /// File and row group of each piece.
    groups: Vec<(usize, usize)>,
    /// What the labels say; `None` if nobody wants to know.
    runtime: Option<&'static Runtime>,
}

impl EdgeFiles {
    /// Opens the files, which are given in order, and reads their footers. With a runtime, labels are read, too.
    pub(crate) fn open(stored: Vec<StoredFile>, runtime: Option<&'static Runtime>) -> Result<Self> {
        let files = stored.into_iter().map(|stored| EdgeFile::open(stored, PageIndexPolicy::Skip));
        let files = files.collect::<Result<Vec<_>>>()?;
        let groups = files.iter().enumerate().flat_map(|(number, file)| {
            (0..file.metadata.metadata().num_row_groups()).map(move |group| (number, group))
        });
        let groups = groups.collect();
        let runtime = runtime.filter(|_| files.iter().any(EdgeFile::has_labels));
        Ok(Self { files, groups, runtime })
    }
}

impl EdgeSource for EdgeFiles {
    fn n_edges(&self) -> usize {
        self.files.iter().map(EdgeFile::n_rows).sum()
    }

    fn n_pieces(&self) -> usize {
        self.groups.len()
    }

    fn piece<I: Id>(&self, number: usize, positions: &Positions<'_, I>) -> Result<EdgePiece<I>> {
        let (file, group) = self.groups[number];
        self.files[file].piece(group, positions, self.runtime)
    }

    fn damaged(&self, number: usize, what: &str) -> Error {
        let (file, _) = self.groups[number];
        self.files[file].stored.damaged(what)
    }

    fn for_each_label(&self, cancel: &AtomicBool, mut take: impl TakeLabel) -> Result<()> {
        let mut first = 0;
        if self.runtime.is_some() {
            for file in &self.files {
                file.for_each_label(cancel, first, &mut take)?;
                first += file.n_rows();
            }
        }
        Ok(())
    }
}

/// The labels of a dump's references, for those who want some of them: only the pages that have these are read.
pub struct EdgeLabels {
    files: Vec<EdgeFile>,
}

impl std::fmt::Debug for EdgeLabels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeLabels").field("files", &self.files.len()).finish()
    }
}

impl EdgeLabels {
    /// Reads the footers of the files of `edge`.
    pub fn open(lake: &Lake, manifest: &Manifest) -> Result<Self> {
        let files = manifest.files_of(Table::Edge).map(|file| lake.file(file));
        let files = files.map(|stored| EdgeFile::open(stored, PageIndexPolicy::Optional));
        let files = files.collect::<Result<_>>().map_err(|error| lake.perhaps_replaced(manifest, error))?;
        Ok(Self { files })
    }

    /// Whether some reference has a label.
    pub fn exist(&self) -> bool {
        self.files.iter().any(EdgeFile::has_labels)
    }

    /// Calls `take` with the position and the label of each reference in some ranges of positions that has a label. The
    /// ranges ascend and do not overlap.
    pub fn for_each_in(&self, ranges: &[Range<usize>], mut take: impl FnMut(usize, &str)) -> Result<()> {
        let mut first = 0;
        for file in &self.files {
            let end = first + file.n_rows();
            let within = ranges.iter().map(|range| range.start.max(first)..range.end.min(end));
            let rows: Vec<Range<usize>> = within
                .filter(|range| range.start < range.end)
                .map(|range| range.start - first..range.end - first)
                .collect();
            if !rows.is_empty() && file.has_labels() {
                file.for_each_label_in(rows, |row, label| take(first + row, label))?;
            }
            first = end;
        }
        Ok(())
    }
}

/// A Parquet file of `edge`.
struct EdgeFile {
    stored: StoredFile,
    metadata: ArrowReaderMetadata,
}

/// Rows that are resolved together.
const BATCH_ROWS: usize = 1 << 15;
const LABEL: &str = "label";
const KIND: &str = "kind";

impl EdgeFile {
    /// Opens a file; `pages` says whether the positions of its pages are read, so that some can be left out.
    fn open(stored: StoredFile, pages: PageIndexPolicy) -> Result<Self> {
        let file = stored.open().map_err(|source| stored.io_error(source))?;
        let options = ArrowReaderOptions::new().with_schema(edge_schema()).with_offset_index_policy(pages);
        let metadata =
            ArrowReaderMetadata::load(&file, options).map_err(|source| stored.parquet_error(source))?;
        Ok(Self { stored, metadata })
    }

    fn n_rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    fn read(
        &self,
        groups: Option<usize>,
        rows: Option<RowSelection>,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + '_> {
        let file = self.stored.open().map_err(|source| self.stored.io_error(source))?;
        let mask = ProjectionMask::columns(self.metadata.parquet_schema(), columns.iter().copied());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        if let Some(group) = groups {
            builder = builder.with_row_groups(vec![group]);
        }
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows);
        }
        let reader = builder.build().map_err(|source| self.stored.parquet_error(source))?;
        Ok(reader.map(|batch| batch.map_err(|error| self.stored.parquet_error(error.into()))))
    }

    /// Reads one row group and looks its addresses up.
    fn piece<I: Id>(
        &self,
        group: usize,
        positions: &Positions<'_, I>,
        runtime: Option<&Runtime>,
    ) -> Result<EdgePiece<I>> {
        let runtime = runtime.filter(|_| self.group_has_labels(group));
        let labels = runtime.map(|_| LABEL);
        let kinds = if self.all_strong(group) { None } else { Some(KIND) };
        let columns: Vec<&str> = ["parent", "child"].into_iter().chain(labels).chain(kinds).collect();
        let mut piece = EdgePiece::default();
        let mut last = None;
        for batch in self.read(Some(group), None, &columns)? {
            piece.add(&batch?, &mut last, positions, runtime);
        }
        Ok(piece)
    }

    /// Whether the statistics say that no edge of a row group is weak.
    fn all_strong(&self, group: usize) -> bool {
        let row_group = self.metadata.metadata().row_group(group);
        let column = row_group.columns().iter().find(|column| column.column_descr().name() == KIND);
        match column.and_then(|column| column.statistics()) {
            Some(Statistics::ByteArray(statistics)) => {
                let strong = |bytes: Option<&[u8]>| bytes == Some(EdgeKind::Strong.name().as_bytes());
                strong(statistics.min_bytes_opt()) && strong(statistics.max_bytes_opt())
            }
            _ => false,
        }
    }

    /// Whether some reference has a label.
    fn has_labels(&self) -> bool {
        (0..self.metadata.metadata().num_row_groups()).any(|group| self.group_has_labels(group))
    }

    /// Whether the statistics of a row group leave room for labels.
    fn group_has_labels(&self, group: usize) -> bool {
        let row_group = self.metadata.metadata().row_group(group);
        let column = row_group.columns().iter().find(|column| column.column_descr().name() == LABEL);
        column.is_some_and(|column| {
            let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt());
            nulls != Some(row_group.num_rows().unsigned_abs())
        })
    }

    /// Calls `take` for each label. `first` is the position of the first reference.
    fn for_each_label(&self, cancel: &AtomicBool, mut first: usize, take: &mut impl TakeLabel) -> Result<()> {
        for batch in self.read(None, None, &[LABEL])? {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let batch = batch?;
            if let Some((keys, texts)) = dictionary(&batch, LABEL) {
                for row in (0..keys.len()).filter(|row| keys.is_valid(*row)) {
                    take(first + row, &|| Some(texts.value(keys.value(row) as usize)));
                }
            }
            first += batch.num_rows();
        }
        Ok(())
    }
}

impl EdgeFile {
    /// Calls `take` with the row and the label of each labelled row in some ranges, which ascend.
    fn for_each_label_in(&self, ranges: Vec<Range<usize>>, mut take: impl FnMut(usize, &str)) -> Result<()> {
        let selection = RowSelection::from_consecutive_ranges(ranges.iter().cloned(), self.n_rows());
        let mut rows = ranges.into_iter().flatten();
        for batch in self.read(None, Some(selection), &[LABEL])? {
            let batch = batch?;
            let Some((keys, texts)) = dictionary(&batch, LABEL) else { break };
            for (key, row) in keys.iter().zip(&mut rows) {
                if let Some(key) = key {
                    take(row, texts.value(key as usize));
                }
            }
        }
        Ok(())
    }
}

impl<I: Id> EdgePiece<I> {
    /// Adds the rows of a batch; `last` is the parent of the row before.
    fn add(
        &mut self,
        batch: &RecordBatch,
        last: &mut Option<u64>,
        positions: &Positions<'_, I>,
        runtime: Option<&Runtime>,
    ) {
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
        let keeps_nothing = |name: &str| EdgeKind::of_name(name).is_some_and(|kind| !kind.keeps_alive());
        self.weak.extend(rows_with(batch, KIND, keeps_nothing).map(|row| start + row));
        if let Some(runtime) = runtime {
            let is_namespace = |label: &str| runtime.label_says(label) == LabelSays::Namespace;
            self.namespaces.extend(rows_with(batch, LABEL, is_namespace).map(|row| start + row));
        }
    }
}

/// The rows of a batch whose text in a column passes a test; each text is tested once.
fn rows_with(
    batch: &RecordBatch,
    column: &str,
    passes: impl Fn(&str) -> bool,
) -> impl Iterator<Item = usize> {
    let rows = dictionary(batch, column).map(|(keys, texts)| {
        let passing: Vec<bool> = texts.iter().map(|text| text.is_some_and(&passes)).collect();
        let is_passing = move |row: usize| keys.is_valid(row) && passing[keys.value(row) as usize];
        (0..keys.len()).filter(move |row| is_passing(*row))
    });
    rows.into_iter().flatten()
}

/// The keys and the texts of a column that is a dictionary.
fn dictionary<'b>(batch: &'b RecordBatch, column: &str) -> Option<(&'b Int32Array, &'b StringArray)> {
    let column = batch.column_by_name(column)?.as_dictionary_opt::<Int32Type>()?;
    Some((column.keys(), column.values().as_string_opt()?))
}

/// The schema of `edge`, with kinds and labels as dictionaries.
fn edge_schema() -> SchemaRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema = schema::edge();
    let fields = schema.fields().iter().map(|field| match field.name().as_str() {
        name @ (KIND | LABEL) => Arc::new(Field::new(name, dictionary.clone(), field.is_nullable())),
        _ => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
