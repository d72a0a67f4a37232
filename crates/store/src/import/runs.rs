//! Sorted runs on disk, for imports that do not fit into their memory, and their merge.
//!
//! A run is two files of the same rows: one by (address, position), with references, and one by (type name, address,
//! position), without. Both are sequences of frames, in native byte order:
//!
//! ```text
//! u64 n_rows, u64 text bytes, u64 n_refs, u64 labelled references, u64 bytes of labels, u64 n_labels, u64 n_weak
//! Row x n_rows | RowRef x n_rows | text | u64 x n_refs | u32 x labelled | labels | u32 x n_labels | u32 x n_weak
//! ```

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use heaplake_readers::{Batch, Labels, Row};

use super::order::{self, RowRef};
use crate::{Error, Result};

/// One run.
pub(super) struct Run {
    by_address: PathBuf,
    by_type: PathBuf,
}

/// Bytes of a frame, about; larger where one object is.
const FRAME_BYTES: usize = 1 << 18;

impl Run {
    /// Sorts `batches`, numbered from `first`, and writes them as run number `index`.
    pub(super) fn write(
        work: &Path,
        index: usize,
        batches: &[Batch],
        first: usize,
        names: &[Box<str>],
    ) -> Result<Self> {
        let run = Self {
            by_address: work.join(format!("run-{index}-address")),
            by_type: work.join(format!("run-{index}-type")),
        };
        let rows: Vec<RowRef> = order::by_address(batches, first).into_iter().map(|(_, row)| row).collect();
        write_frames(&run.by_address, batches, first, &rows, true)?;
        let rows = order::by_type(batches, first, &rows, &order::type_ranks(names));
        write_frames(&run.by_type, batches, first, &rows, false)?;
        Ok(run)
    }
}

fn write_frames(
    path: &Path,
    batches: &[Batch],
    first: usize,
    rows: &[RowRef],
    with_refs: bool,
) -> Result<()> {
    let io_error = |source| Error::Io { path: path.to_owned(), source };
    let mut file = BufWriter::new(File::create(path).map_err(io_error)?);
    let mut frame = Frame::default();
    for &row_ref in rows {
        let (batch, row) = row_ref.of(batches, first);
        frame.push(batch, row, row_ref, with_refs);
        if frame.batch.memory() >= FRAME_BYTES {
            frame.write(&mut file).map_err(io_error)?;
        }
    }
    frame.write(&mut file).and_then(|()| file.flush()).map_err(io_error)
}

/// Rows that are moved together.
#[derive(Default)]
struct Frame {
    batch: Batch,
    row_refs: Vec<RowRef>,
}

impl Frame {
    fn push(&mut self, batch: &Batch, row: &Row, row_ref: RowRef, with_refs: bool) {
        append(&mut self.batch, batch, row, with_refs);
        self.row_refs.push(row_ref);
    }

    /// Writes the frame and empties it.
    fn write(&mut self, file: &mut impl Write) -> io::Result<()> {
        let Self { batch, row_refs } = self;
        let (label_ids, label_text, label_ends) = batch.labels.parts();
        let lens = [
            batch.rows.len(),
            batch.text.len(),
            batch.refs.len(),
            label_ids.len(),
            label_text.len(),
            label_ends.len(),
            batch.weak.len(),
        ]
        .map(|len| len as u64);
        file.write_all(bytemuck::cast_slice(&lens))?;
        file.write_all(bytemuck::cast_slice(&batch.rows))?;
        file.write_all(bytemuck::cast_slice(row_refs))?;
        file.write_all(&batch.text)?;
        file.write_all(bytemuck::cast_slice(&batch.refs))?;
        file.write_all(bytemuck::cast_slice(label_ids))?;
        file.write_all(label_text)?;
        file.write_all(bytemuck::cast_slice(label_ends))?;
        file.write_all(bytemuck::cast_slice(&batch.weak))?;
        *self = Self::default();
        Ok(())
    }

    /// Reads the next frame; false at the end of the file.
    fn read(&mut self, file: &mut impl Read) -> io::Result<bool> {
        let mut lens = [0_u64; 7];
        match file.read_exact(bytemuck::cast_slice_mut(&mut lens)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        let [n_rows, n_text, n_refs, n_labelled, n_label_text, n_labels, n_weak] =
            lens.map(|len| len as usize);
        self.batch.rows.resize(n_rows, bytemuck::Zeroable::zeroed());
        self.row_refs.resize(n_rows, bytemuck::Zeroable::zeroed());
        self.batch.text.resize(n_text, 0);
        self.batch.refs.resize(n_refs, 0);
        file.read_exact(bytemuck::cast_slice_mut(&mut self.batch.rows))?;
        file.read_exact(bytemuck::cast_slice_mut(&mut self.row_refs))?;
        file.read_exact(&mut self.batch.text)?;
        file.read_exact(bytemuck::cast_slice_mut(&mut self.batch.refs))?;
        let (mut ids, mut text, mut ends) =
            (vec![0_u32; n_labelled], vec![0; n_label_text], vec![0_u32; n_labels]);
        file.read_exact(bytemuck::cast_slice_mut(&mut ids))?;
        file.read_exact(&mut text)?;
        file.read_exact(bytemuck::cast_slice_mut(&mut ends))?;
        let labels = Labels::from_parts(ids, text, ends);
        self.batch.labels =
            labels.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the labels do not fit"))?;
        self.batch.weak.resize(n_weak, 0);
        file.read_exact(bytemuck::cast_slice_mut(&mut self.batch.weak))?;
        Ok(true)
    }
}

/// Copies a row with its text, and its references if asked for, to the end of another batch.
pub(super) fn append(to: &mut Batch, from: &Batch, row: &Row, with_refs: bool) {
    let refs: &[u64] = if with_refs { from.refs(row) } else { &[] };
    let text = &from.text[row.text as usize..][..row.text_len()];
    to.rows.push(Row {
        text: to.text.len() as u32,
        refs: to.refs.len() as u32,
        n_refs: refs.len() as u32,
        ..*row
    });
    to.text.extend_from_slice(text);
    let start = to.refs.len();
    to.refs.extend_from_slice(refs);
    if !with_refs {
        return;
    }
    if !from.labels.is_empty() {
        for (place, label) in from.labels(row).enumerate() {
            if let Some(label) = label {
                to.labels.set(start + place, label);
            }
        }
    }
    to.weak.extend(from.weak(row).map(|place| start as u32 + place));
}

/// Which of a run's files to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Address,
    Type,
}

/// All runs as one sorted sequence.
pub(super) struct Merge<'m> {
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Reverse<(Key, usize)>>,
    /// Ranks of the types by id; empty when types do not matter.
    ranks: &'m [u32],
}

/// Rank of the type, address, position in the input.
type Key = (u32, u64, RowRef);

struct Cursor {
    path: PathBuf,
    file: BufReader<File>,
    frame: Frame,
    at: usize,
}

impl<'m> Merge<'m> {
    pub(super) fn open(runs: &[Run], side: Side, ranks: &'m [u32]) -> Result<Self> {
        let ranks = if side == Side::Type { ranks } else { &[] };
        let mut merge = Self { cursors: Vec::new(), heap: BinaryHeap::new(), ranks };
        for run in runs {
            let path = if side == Side::Type { &run.by_type } else { &run.by_address };
            let file = File::open(path).map_err(|source| Error::Io { path: path.clone(), source })?;
            let file = BufReader::with_capacity(FRAME_BYTES, file);
            let mut cursor = Cursor { path: path.clone(), file, frame: Frame::default(), at: 0 };
            if cursor.read()? {
                merge.heap.push(Reverse((merge.key(&cursor), merge.cursors.len())));
            }
            merge.cursors.push(cursor);
        }
        Ok(merge)
    }

    /// The next row, if there is one: its batch, itself, and where it was in the input.
    pub(super) fn peek(&self) -> Option<(&Batch, &Row, RowRef)> {
        let Reverse((_, i)) = self.heap.peek()?;
        let Cursor { frame, at, .. } = &self.cursors[*i];
        Some((&frame.batch, &frame.batch.rows[*at], frame.row_refs[*at]))
    }

    /// Moves on.
    pub(super) fn advance(&mut self) -> Result<()> {
        let Some(Reverse((_, i))) = self.heap.pop() else { return Ok(()) };
        if self.cursors[i].advance()? {
            self.heap.push(Reverse((self.key(&self.cursors[i]), i)));
        }
        Ok(())
    }

    fn key(&self, cursor: &Cursor) -> Key {
        let row = &cursor.frame.batch.rows[cursor.at];
        let rank = self.ranks.get(row.type_id as usize).copied().unwrap_or(0);
        (rank, row.address, cursor.frame.row_refs[cursor.at])
    }
}

impl Cursor {
    fn advance(&mut self) -> Result<bool> {
        self.at += 1;
        if self.at < self.frame.row_refs.len() { Ok(true) } else { self.read() }
    }

    /// Reads the next frame that is not empty.
    fn read(&mut self) -> Result<bool> {
        self.at = 0;
        loop {
            let read = self.frame.read(&mut self.file);
            let more = read.map_err(|source| Error::Io { path: self.path.clone(), source })?;
            if !more || !self.frame.row_refs.is_empty() {
                return Ok(more);
            }
        }
    }
}
