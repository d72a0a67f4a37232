//! The references of records in memory, as the graph index takes them: without reading back what was just written.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use heaplake_graph::Id;
use heaplake_model::{LabelSays, Runtime};
use heaplake_readers::{Labels, Record, Records};

use super::order::{self, RowRef};
use crate::{
    Error, Result, StoredFile,
    addresses::Positions,
    index::{EdgePiece, EdgeSource, TakeLabel},
};

/// Objects of a piece.
const PIECE_OBJECTS: usize = 1 << 14;
/// Children whose addresses are looked up together.
const MAX_CHILDREN: usize = 4096;

/// The references of some records, by the address of their parents.
pub(super) struct RecordEdges<'m> {
    blocks: &'m [Records],
    /// By address: the position of an object is its node.
    rows: &'m [RowRef],
    n_edges: usize,
    /// `edge`, with the same references.
    table: StoredFile,
    /// Whether references of such objects are weak, by type id.
    weak_types: &'m [bool],
    /// By block, the numbers of the labels that lead to a namespace; a few at most.
    namespaces: Vec<Vec<u32>>,
}

impl<'m> RecordEdges<'m> {
    /// The references of `rows`, which are by address. `table` is `edge`, where as many were written.
    pub(super) fn new(
        blocks: &'m [Records],
        rows: &'m [RowRef],
        (n_edges, table): (u64, StoredFile),
        weak_types: &'m [bool],
        runtime: &Runtime,
    ) -> Self {
        let is_namespace =
            |label: &[u8]| text(label).is_some_and(|text| runtime.label_says(text) == LabelSays::Namespace);
        let namespaces = blocks.iter().map(|block| {
            let labels = block.labels().distinct_labels().zip(0..);
            labels.filter(|(label, _)| is_namespace(label)).map(|(_, number)| number).collect()
        });
        Self { blocks, rows, n_edges: n_edges as usize, table, weak_types, namespaces: namespaces.collect() }
    }

    fn has_labels(&self) -> bool {
        self.blocks.iter().any(|block| !block.labels().is_empty())
    }

    /// Adds what the labels and kinds of a record say of its references, which begin at `start` of a piece.
    fn add_marks<I: Id>(&self, piece: &mut EdgePiece<I>, start: usize, row: RowRef, record: &Record<'_>) {
        let n = record.refs.len();
        if self.weak_types[record.type_id as usize] {
            piece.weak.extend(start..start + n);
        } else {
            let weak = record.kinds().filter(|(_, kind)| !kind.keeps_alive());
            piece
                .weak
                .extend(weak.map(|(idx, _)| idx as usize).filter(|idx| *idx < n).map(|idx| start + idx));
        }
        let namespaces = &self.namespaces[row.block()];
        if record.has_labels() && !namespaces.is_empty() {
            let is_namespace =
                |idx: &usize| record.label_number(*idx).is_some_and(|number| namespaces.contains(&number));
            piece.namespaces.extend((0..n).filter(is_namespace).map(|idx| start + idx));
        }
    }
}

impl EdgeSource for RecordEdges<'_> {
    fn n_edges(&self) -> usize {
        self.n_edges
    }

    fn n_pieces(&self) -> usize {
        self.rows.len().div_ceil(PIECE_OBJECTS)
    }

    fn piece<I: Id>(&self, number: usize, positions: &Positions<'_, I>) -> Result<EdgePiece<I>> {
        let first = number * PIECE_OBJECTS;
        let rows = &self.rows[first..self.rows.len().min(first + PIECE_OBJECTS)];
        let mut piece = EdgePiece::default();
        let mut children = Vec::with_capacity(MAX_CHILDREN);
        order::fetch(self.blocks, 0, rows, |i, record| {
            let n = record.refs.len();
            if n == 0 {
                return;
            }
            // The text of an object is at most 1 GiB, so it has fewer references than a u32 counts.
            piece.parents.push((I::new(first + i), n as u32));
            let start = piece.targets.len() + children.len();
            self.add_marks(&mut piece, start, rows[i], &record);
            record.refs.append_to(&mut children);
            if children.len() >= MAX_CHILDREN {
                positions.append_of(&children, &mut piece.targets);
                children.clear();
            }
        });
        positions.append_of(&children, &mut piece.targets);
        Ok(piece)
    }

    fn damaged(&self, _number: usize, what: &str) -> Error {
        self.table.damaged(what)
    }

    fn for_each_label(&self, cancel: &AtomicBool, mut take: impl TakeLabel) -> Result<()> {
        if !self.has_labels() {
            return Ok(());
        }
        let mut first = 0;
        for rows in self.rows.chunks(PIECE_OBJECTS) {
            if cancel.load(Relaxed) {
                return Err(Error::Cancelled);
            }
            order::fetch(self.blocks, 0, rows, |_, record| {
                let n = record.refs.len();
                if record.has_labels() {
                    for idx in (0..n).filter(|idx| record.label_number(*idx) != Some(Labels::NONE)) {
                        take(first + idx, &|| record.label(idx).and_then(text));
                    }
                }
                first += n;
            });
        }
        Ok(())
    }
}

/// A label as text; readers give nothing else.
fn text(label: &[u8]) -> Option<&str> {
    std::str::from_utf8(label).ok()
}
