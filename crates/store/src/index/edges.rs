//! The forward CSR of a dump, from its `edge` files: row groups are read and resolved on several threads, and put together
//! in order.

use std::{
    collections::BTreeMap,
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
use heaplake_graph::{BitSet, CsrBuf, Id};
use heaplake_model::{EdgeKind, schema};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    file::statistics::Statistics,
};

use crate::{Error, Result, StoredFile, addresses::Positions};

/// The edges of a dump by node.
pub(super) struct Edges<I> {
    pub(super) forward: CsrBuf<I>,
    /// Empty, of length 0, when there are no weak edges.
    pub(super) weak: BitSet,
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
    pub(super) fn dangling(&self) -> u64 {
        self.forward.targets.iter().filter(|target| **target == I::NONE).count() as u64
    }

    /// Reads row groups on several threads and puts them together in order.
    pub(super) fn read(
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
