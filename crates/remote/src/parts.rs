//! Copies of parts of a table: the blocks that questions have asked for so far.
//!
//! If a question needs a few columns of a table, the table is not brought as a whole. What is asked for is brought in blocks of 64 KiB, so that
//! the next question finds them, and blocks that are near each other come by one request. All processes of the user share the file:
//!
//! ```text
//! <table>.parquet.part     the blocks, each where it is in the table; the others are holes
//!                          then 8 bytes a block: XXH3-64 of its bytes with the lowest bit set; 0 if the block is not here
//! ```
//!
//! A checksum is written after its block, and compared whenever the block is read, so that a block which is half written, or which a
//! machine lost when it failed, counts as absent. It is a checksum of what was received: that these are the bytes of the import is
//! known of whole tables only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use heaplake_store::{FileParts, read_exact_at, write_all_at};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Result, download::PART_BYTES, error::into_io};

const BLOCK_BYTES: u64 = 64 << 10;
/// Blocks between two that are wanted which are brought, too, since a request takes as long as this many blocks.
const MAX_GAP: u64 = 4;
/// Bytes of a table that is brought as a whole by the first question: it comes by one request, as its footer would.
pub(crate) const WHOLE_BYTES: u64 = 1 << 20;
/// What the name of a copy of parts ends with.
pub(crate) const SUFFIX: &str = "part";

/// Where the copy of parts of a table is, beside that of the whole.
pub(crate) fn path_of(whole: &Path) -> PathBuf {
    let mut name = whole.as_os_str().to_owned();
    name.push(".");
    name.push(SUFFIX);
    name.into()
}

/// What brings ranges of a table from the store.
pub(crate) trait Source: std::fmt::Debug + Send + Sync {
    /// The bytes of each range, some of them at the same time.
    fn receive(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>>;

    /// Called after blocks were written.
    fn has_grown(&self, bytes: u64);
}

/// A table, and the copy of parts of it.
#[derive(Debug)]
pub(crate) struct PartialCopy<S> {
    source: S,
    file: File,
    n_bytes: u64,
    /// Blocks that a thread is bringing.
    under_way: Mutex<BTreeSet<u64>>,
    arrived: Condvar,
}

impl<S: Source> PartialCopy<S> {
    /// Opens the copy of a table of `n_bytes` bytes, which is made if there is none.
    pub(crate) fn open(path: &Path, n_bytes: u64, source: S) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        Ok(Self { source, file, n_bytes, under_way: Mutex::default(), arrived: Condvar::new() })
    }

    fn range_of(&self, block: u64) -> Range<u64> {
        let start = block * BLOCK_BYTES;
        start..self.n_bytes.min(start + BLOCK_BYTES)
    }

    fn sum_at(&self, block: u64) -> u64 {
        self.n_bytes + block * 8
    }

    /// A block that is here.
    fn kept(&self, block: u64) -> Option<Bytes> {
        let mut sum = [0; 8];
        // The file ends before it where no later block is here.
        read_exact_at(&self.file, &mut sum, self.sum_at(block)).ok()?;
        let sum = u64::from_le_bytes(sum);
        let range = self.range_of(block);
        let mut content = vec![0; (range.end - range.start) as usize];
        if sum == 0 || read_exact_at(&self.file, &mut content, range.start).is_err() {
            return None;
        }
        (checksum(&content) == sum).then(|| content.into())
    }

    fn keep(&self, block: u64, content: &[u8]) -> io::Result<()> {
        write_all_at(&self.file, content, self.range_of(block).start)?;
        write_all_at(&self.file, &checksum(content).to_le_bytes(), self.sum_at(block))
    }

    /// The blocks, which are brought if they are not here. Of those that another thread is bringing it waits for the end.
    fn blocks(&self, wanted: &BTreeSet<u64>) -> Result<BTreeMap<u64, Bytes>> {
        let mut found = BTreeMap::new();
        loop {
            for block in wanted {
                if !found.contains_key(block)
                    && let Some(content) = self.kept(*block)
                {
                    found.insert(*block, content);
                }
            }
            let absent = wanted.iter().filter(|block| !found.contains_key(block)).copied();
            let absent: BTreeSet<u64> = absent.collect();
            if absent.is_empty() {
                return Ok(found);
            }
            let mut under_way = locked(&self.under_way);
            let ours: BTreeSet<u64> = absent.difference(&under_way).copied().collect();
            if ours.is_empty() {
                drop(self.arrived.wait(under_way).unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            let runs = runs(&ours);
            let blocks = runs.iter().cloned().flatten().filter(|block| !under_way.contains(block)).collect();
            under_way.extend(&blocks);
            drop(under_way);
            let _marked = Marked { copy: self, blocks };
            // Another thread may have brought some since they were looked for.
            if ours.iter().all(|block| self.kept(*block).is_none()) {
                found.extend(self.bring(runs)?);
            }
        }
    }

    /// Brings runs of blocks.
    fn bring(&self, runs: Vec<Range<u64>>) -> Result<BTreeMap<u64, Bytes>> {
        let ranges: Vec<Range<u64>> =
            runs.iter().map(|run| self.range_of(run.start).start..self.range_of(run.end - 1).end).collect();
        let received = self.source.receive(&ranges)?;
        let mut blocks = BTreeMap::new();
        let mut n_bytes = 0;
        for ((run, range), content) in runs.into_iter().zip(ranges).zip(received) {
            for block in run {
                let within = self.range_of(block);
                let content =
                    content.slice((within.start - range.start) as usize..(within.end - range.start) as usize);
                // Without room on the disk the question is answered all the same.
                if self.keep(block, &content).is_ok() {
                    n_bytes += content.len() as u64;
                }
                blocks.insert(block, content);
            }
        }
        self.source.has_grown(n_bytes);
        Ok(blocks)
    }
}

impl<S: Source> FileParts for PartialCopy<S> {
    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        if ranges.iter().any(|range| range.start > range.end || range.end > self.n_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_blocks = |range: &Range<u64>| match range.is_empty() {
            true => 0..0,
            false => range.start / BLOCK_BYTES..(range.end - 1) / BLOCK_BYTES + 1,
        };
        let wanted = ranges.iter().flat_map(in_blocks).collect();
        let blocks = self.blocks(&wanted).map_err(into_io)?;
        let bytes = ranges.iter().map(|range| {
            let mut pieces = in_blocks(range).filter_map(|block| {
                let whole = self.range_of(block);
                let (start, end) = (range.start.max(whole.start), range.end.min(whole.end));
                let content = blocks.get(&block)?;
                Some(content.slice((start - whole.start) as usize..(end - whole.start) as usize))
            });
            match (pieces.next(), pieces.next()) {
                (None, _) => Bytes::new(),
                (Some(piece), None) => piece,
                (Some(first), Some(second)) => {
                    let mut all = Vec::with_capacity((range.end - range.start) as usize);
                    [first, second].into_iter().chain(pieces).for_each(|piece| all.extend_from_slice(&piece));
                    all.into()
                }
            }
        });
        Ok(bytes.collect())
    }
}

/// Blocks that a thread is bringing, until it is dropped.
struct Marked<'c, S> {
    copy: &'c PartialCopy<S>,
    blocks: BTreeSet<u64>,
}

impl<S> Drop for Marked<'_, S> {
    fn drop(&mut self) {
        locked(&self.copy.under_way).retain(|block| !self.blocks.contains(block));
        self.copy.arrived.notify_all();
    }
}

/// Runs of blocks to be brought by one request each, with those between them where these are few.
fn runs(wanted: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for &block in wanted {
        match runs.last_mut() {
            Some(run) if block <= run.end + MAX_GAP && block - run.start < PART_BYTES / BLOCK_BYTES => {
                run.end = block + 1;
            }
            _ => runs.push(block..block + 1),
        }
    }
    runs
}

fn checksum(content: &[u8]) -> u64 {
    xxh3_64(content) | 1
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init)]

    use std::{
        sync::{Arc, Barrier},
        thread,
        time::Duration,
    };

    use tempfile::TempDir;

    use super::*;

    /// A table whose bytes are known, and what was asked of it.
    #[derive(Debug)]
    struct Table {
        content: Vec<u8>,
        asked: Mutex<Vec<Range<u64>>>,
    }

    impl Table {
        fn new(n_bytes: usize) -> Arc<Self> {
            let content = (0..n_bytes).map(|i| (i / 7 % 251) as u8).collect();
            Arc::new(Self { content, asked: Mutex::default() })
        }

        fn asked(&self) -> Vec<Range<u64>> {
            std::mem::take(&mut *self.asked.lock().unwrap())
        }
    }

    impl Source for Arc<Table> {
        fn receive(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
            self.asked.lock().unwrap().extend_from_slice(ranges);
            thread::sleep(Duration::from_millis(20));
            let part = |range: &Range<u64>| self.content[range.start as usize..range.end as usize].to_vec();
            Ok(ranges.iter().map(|range| part(range).into()).collect())
        }

        fn has_grown(&self, _bytes: u64) {}
    }

    const N_BYTES: usize = 40 * BLOCK_BYTES as usize + 100;

    fn copy_in(folder: &TempDir, table: &Arc<Table>) -> PartialCopy<Arc<Table>> {
        PartialCopy::open(&folder.path().join("t.part"), N_BYTES as u64, Arc::clone(table)).unwrap()
    }

    fn checked(copy: &PartialCopy<Arc<Table>>, ranges: &[Range<u64>]) {
        let expected = ranges.iter().map(|r| &copy.source.content[r.start as usize..r.end as usize]);
        let expected: Vec<&[u8]> = expected.collect();
        assert_eq!(copy.read(ranges).unwrap(), expected);
    }

    #[test]
    fn what_was_brought_is_not_asked_for_again() {
        let (folder, table) = (tempfile::tempdir().unwrap(), Table::new(N_BYTES));
        let copy = copy_in(&folder, &table);
        let end = N_BYTES as u64;
        // The last block is not whole, and the first two ranges are near each other.
        checked(&copy, &[10..20, 200_000..200_001, end - 8..end, 5..5]);
        assert_eq!(table.asked(), [0..4 * BLOCK_BYTES, 40 * BLOCK_BYTES..end]);
        checked(&copy, &[0..4 * BLOCK_BYTES, end - 100..end]);
        assert_eq!(table.asked(), []);
        // Another process.
        let other = copy_in(&folder, &table);
        checked(&other, &[1..250_000]);
        assert_eq!(table.asked(), []);
        checked(&other, &[0..end]);
        assert_eq!(table.asked(), [4 * BLOCK_BYTES..40 * BLOCK_BYTES]);
        // What one has brought, the other finds.
        checked(&copy, &[0..end]);
        assert_eq!(table.asked(), []);
        assert!(copy.read(&[end..end + 1]).is_err());
        #[expect(clippy::reversed_empty_ranges)]
        let reversed = 2..1;
        assert!(copy.read(&[reversed]).is_err());
    }

    #[test]
    fn a_spoilt_block_is_brought_again() {
        let (folder, table) = (tempfile::tempdir().unwrap(), Table::new(N_BYTES));
        let copy = copy_in(&folder, &table);
        checked(&copy, &[0..10 * BLOCK_BYTES]);
        table.asked();
        write_all_at(&copy.file, &[99], 3 * BLOCK_BYTES + 17).unwrap();
        checked(&copy, &[0..10 * BLOCK_BYTES]);
        assert_eq!(table.asked(), [3 * BLOCK_BYTES..4 * BLOCK_BYTES]);
        checked(&copy, &[0..10 * BLOCK_BYTES]);
        assert_eq!(table.asked(), []);
    }

    #[test]
    fn threads_do_not_bring_a_block_twice() {
        let (folder, table) = (tempfile::tempdir().unwrap(), Table::new(N_BYTES));
        let copy = copy_in(&folder, &table);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for n in 0..8 {
                let (copy, start) = (&copy, &start);
                scope.spawn(move || {
                    start.wait();
                    checked(copy, &[0..BLOCK_BYTES, n * 4 * BLOCK_BYTES..(n + 1) * 4 * BLOCK_BYTES]);
                });
            }
        });
        let asked = table.asked();
        assert_eq!(asked.iter().map(|range| range.end - range.start).sum::<u64>(), 32 * BLOCK_BYTES);
    }

    #[test]
    fn runs_are_as_long_as_a_part_at_most() {
        let blocks = |range: Range<u64>| range.collect::<BTreeSet<u64>>();
        assert_eq!(runs(&blocks(0..300)), [0..128, 128..256, 256..300]);
        assert_eq!(runs(&BTreeSet::from([1, 6, 12])), [1..7, 12..13]);
    }
}
