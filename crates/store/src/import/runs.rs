//! Sorted runs on disk, for imports that do not fit into their memory, and their merge.
//!
//! A run is two files of the same rows: one by (address, position), with references, and one by (type name, address,
//! position), without. Both are sequences of frames, in native byte order:
//!
//! ```text
//! u64 objects, u64 bytes of records, u64 bytes of labels, u64 labels
//! RowRef x objects | records | labels | u32 x labels
//! ```

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    mem,
};

use heaplake_readers::{Labels, Record, Records};

use super::order::{self, RowRef};
use crate::{
    Result,
    lake::{WorkFile, WorkFolder},
};

/// One run.
pub(super) struct Run {
    by_address: WorkFile,
    by_type: WorkFile,
}

/// The approximate size of a frame in bytes; a single larger object makes a larger one.
const FRAME_BYTES: usize = 1 << 18;

impl Run {
    /// Sorts `blocks`, numbered from `first`, and writes them as run number `index`.
    pub(super) fn write(
        work: &WorkFolder,
        index: usize,
        blocks: &[Records],
        first: usize,
        names: &[Box<str>],
    ) -> Result<Self> {
        let run = Self {
            by_address: work.file(&format!("run-{index}-address")),
            by_type: work.file(&format!("run-{index}-type")),
        };
        let rows: Vec<RowRef> = order::by_address(blocks, first).into_iter().map(|(_, row)| row).collect();
        let mut by_type = vec![RowRef::new(0, 0); rows.len()];
        let ranks = order::type_ranks(names);
        order::by_type(&rows, &order::row_ranks(blocks, first, &rows, &ranks), ranks.len(), &mut by_type);
        let (one, other) = rayon::join(
            || write_frames(&run.by_address, blocks, first, &rows, Records::push),
            || write_frames(&run.by_type, blocks, first, &by_type, Records::push_without_refs),
        );
        one.and(other)?;
        Ok(run)
    }
}

fn write_frames(
    to: &WorkFile,
    blocks: &[Records],
    first: usize,
    rows: &[RowRef],
    push: impl Fn(&mut Records, &Record<'_>),
) -> Result<()> {
    let mut file = BufWriter::new(to.create()?);
    let mut frame = Frame::default();
    let mut written = Ok(());
    order::fetch(blocks, first, rows, |i, record| {
        if written.is_err() {
            return;
        }
        push(&mut frame.records, &record);
        frame.rows.push(rows[i]);
        if frame.records.bytes().len() + frame.records.labels().text_len() >= FRAME_BYTES {
            written = frame.write(&mut file);
        }
    });
    written
        .and_then(|()| frame.write(&mut file))
        .and_then(|()| file.flush())
        .map_err(|source| to.io_error(source))
}

/// Objects that are written and read together, with their positions in the input.
#[derive(Default)]
struct Frame {
    records: Records,
    rows: Vec<RowRef>,
}

impl Frame {
    /// Writes the frame and empties it; its memory stays for the next one.
    fn write(&mut self, file: &mut impl Write) -> io::Result<()> {
        let Self { records, rows } = self;
        let (_, label_text, label_ends) = records.labels().parts();
        let lens =
            [rows.len(), records.bytes().len(), label_text.len(), label_ends.len()].map(|len| len as u64);
        file.write_all(bytemuck::cast_slice(&lens))?;
        file.write_all(bytemuck::cast_slice(rows))?;
        file.write_all(records.bytes())?;
        file.write_all(label_text)?;
        file.write_all(bytemuck::cast_slice(label_ends))?;
        *records = mem::take(records).emptied();
        rows.clear();
        Ok(())
    }

    /// Reads the next frame into the memory of this one; `None` at the end of the file.
    fn read(self, file: &mut impl Read) -> io::Result<Option<Self>> {
        let mut lens = [0_u64; 4];
        match file.read_exact(bytemuck::cast_slice_mut(&mut lens)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [n_rows, n_bytes, n_label_text, n_labels] = lens.map(|len| len as usize);
        let Self { records, mut rows } = self;
        let mut bytes = records.into_bytes();
        rows.resize(n_rows, RowRef::new(0, 0));
        bytes.resize(n_bytes, 0);
        let (mut text, mut ends) = (vec![0; n_label_text], vec![0_u32; n_labels]);
        file.read_exact(bytemuck::cast_slice_mut(&mut rows))?;
        file.read_exact(&mut bytes)?;
        file.read_exact(&mut text)?;
        file.read_exact(bytemuck::cast_slice_mut(&mut ends))?;
        let labels = Labels::from_parts(Vec::new(), text, ends);
        let records = labels.and_then(|labels| Records::from_parts(bytes, labels, n_rows));
        let records = records
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the records do not fit together"))?;
        Ok(Some(Self { records, rows }))
    }
}

/// The order of the objects in one of a run's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunOrder {
    Address,
    Type,
}

/// All runs as one sorted sequence.
pub(super) struct Merge<'m> {
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Reverse<(MergeKey, usize)>>,
    /// Ranks of the types by id; empty if the order does not depend on types.
    ranks: &'m [u32],
}

/// Rank of the type, address, position in the input.
type MergeKey = (u32, u64, RowRef);

struct Cursor {
    stored: WorkFile,
    file: BufReader<File>,
    frame: Frame,
    /// The next object of the frame: its number, its position, and the position of the object after it.
    at: usize,
    position: usize,
    after: usize,
}

impl<'m> Merge<'m> {
    pub(super) fn open(runs: &[Run], side: RunOrder, ranks: &'m [u32]) -> Result<Self> {
        let ranks = if side == RunOrder::Type { ranks } else { &[] };
        let mut merge = Self { cursors: Vec::new(), heap: BinaryHeap::new(), ranks };
        for run in runs {
            let stored = if side == RunOrder::Type { &run.by_type } else { &run.by_address };
            let file = stored.open().map_err(|source| stored.io_error(source))?;
            let file = BufReader::with_capacity(FRAME_BYTES, file);
            let mut cursor = Cursor {
                stored: stored.clone(),
                file,
                frame: Frame::default(),
                at: 0,
                position: 0,
                after: 0,
            };
            if cursor.read()? {
                merge.heap.push(Reverse((cursor.enter(merge.ranks), merge.cursors.len())));
            }
            merge.cursors.push(cursor);
        }
        Ok(merge)
    }

    /// The next object and its position in the input; `None` at the end.
    pub(super) fn peek(&self) -> Option<(Record<'_>, RowRef)> {
        let Reverse((_, i)) = self.heap.peek()?;
        let Cursor { frame, at, position, .. } = &self.cursors[*i];
        Some((frame.records.get(*position), frame.rows[*at]))
    }

    /// Goes on to the next object.
    pub(super) fn advance(&mut self) -> Result<()> {
        let Some(mut first) = self.heap.peek_mut() else { return Ok(()) };
        let Reverse((key, i)) = &mut *first;
        let cursor = &mut self.cursors[*i];
        if cursor.advance()? {
            *key = cursor.enter(self.ranks);
        } else {
            PeekMut::pop(first);
        }
        Ok(())
    }
}

impl Cursor {
    /// Reads the next object for the first time, and returns its key.
    fn enter(&mut self, ranks: &[u32]) -> MergeKey {
        let record = self.frame.records.get(self.position);
        self.after = self.position + record.n_bytes();
        let rank = ranks.get(record.type_id as usize).copied().unwrap_or(0);
        (rank, record.address, self.frame.rows[self.at])
    }

    fn advance(&mut self) -> Result<bool> {
        self.position = self.after;
        self.at += 1;
        if self.at < self.frame.rows.len() { Ok(true) } else { self.read() }
    }

    /// Reads the next frame that is not empty.
    fn read(&mut self) -> Result<bool> {
        (self.at, self.position) = (0, 0);
        loop {
            let read = mem::take(&mut self.frame).read(&mut self.file);
            let read = read.map_err(|source| self.stored.io_error(source))?;
            let Some(frame) = read else {
                // Runs are as large as the dump, and nobody reads them twice.
                self.stored.remove();
                return Ok(false);
            };
            self.frame = frame;
            if !self.frame.rows.is_empty() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicBool};

    use heaplake_model::LayoutOverride;
    use heaplake_readers::{ReadOptions, Source, TypeTable};

    use super::*;
    use crate::{Access, Lake};

    #[test]
    fn a_run_that_was_read_to_its_end_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_or_create(folder.path(), Access::Private).unwrap();
        let work = lake.work_folder().unwrap();
        let text: String = (0..1000)
            .map(|n| {
                format!(
                    "{{\"address\": {}, \"type\": \"T{}\", \"size\": 8, \"refs\": []}}\n",
                    8000 - 8 * n,
                    n % 3
                )
            })
            .collect();
        let (types, cancel) = (TypeTable::default(), AtomicBool::new(false));
        let options = ReadOptions {
            keep_going: false,
            threads: 1,
            block_bytes: 1 << 16,
            max_object_bytes: 1 << 20,
            fields: false,
            part: None,
            layout: LayoutOverride::default(),
            work_folder: work.path(),
            cancel: &cancel,
            bytes_read: Arc::default(),
        };
        let mut blocks = Vec::new();
        let source = Source::stream(io::Cursor::new(text.into_bytes()));
        heaplake_readers::read(source, None, &options, &types, &mut |records| {
            blocks.push(records);
            Ok(())
        })
        .unwrap();
        let run = Run::write(&work, 0, &blocks, 0, &types.names()).unwrap();
        let ranks = order::type_ranks(&types.names());
        for (side, name) in [(RunOrder::Address, "run-0-address"), (RunOrder::Type, "run-0-type")] {
            let mut merge = Merge::open(std::slice::from_ref(&run), side, &ranks).unwrap();
            let mut last = (0, 0);
            for _ in 0..1000 {
                assert!(work.has(name));
                let (record, _) = merge.peek().unwrap();
                let rank = if side == RunOrder::Type { ranks[record.type_id as usize] } else { 0 };
                assert!(last < (rank, record.address));
                last = (rank, record.address);
                merge.advance().unwrap();
            }
            assert!(merge.peek().is_none() && !work.has(name));
        }
    }
}
