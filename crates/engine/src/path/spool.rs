//! What a join loop remembers: pairs of object and state in sets of bits, and records in temporary files.

use std::{collections::BTreeMap, fs::File, ops::Range, sync::Arc};

use bytemuck::Pod;
use datafusion::{
    error::{DataFusionError, Result},
    execution::{SpillFile, disk_manager::DiskManager},
};
use heaplake_store::{read_exact_at, write_all_at};
use roaring::RoaringTreemap;

/// Records in memory before they go to the file, and records that are read at a time.
pub(super) const CHUNK_RECORDS: u64 = 1 << 16;

/// Records in the order in which they were added. What is more than a chunk is in a temporary file of the session.
pub(super) struct Spool<T> {
    disk: Arc<DiskManager>,
    file: Option<SpoolFile>,
    n_in_file: u64,
    tail: Vec<T>,
}

struct SpoolFile {
    file: File,
    /// Deletes it.
    _spill: Arc<dyn SpillFile>,
}

impl<T: Pod> Spool<T> {
    pub(super) fn new(disk: &Arc<DiskManager>) -> Self {
        Self { disk: Arc::clone(disk), file: None, n_in_file: 0, tail: Vec::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.n_in_file + self.tail.len() as u64
    }

    pub(super) fn push(&mut self, record: T) -> Result<()> {
        self.tail.push(record);
        if self.tail.len() as u64 == CHUNK_RECORDS {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(SpoolFile::create(&self.disk)?),
        };
        let offset = self.n_in_file * size_of::<T>() as u64;
        write_all_at(&file.file, bytemuck::cast_slice(&self.tail), offset)?;
        self.n_in_file += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// The ranges that are read at a time, which together are all records.
    pub(super) fn chunks(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + use<T> {
        let len = self.len();
        (0..len.div_ceil(CHUNK_RECORDS)).map(move |chunk| {
            let start = chunk * CHUNK_RECORDS;
            start..len.min(start + CHUNK_RECORDS)
        })
    }

    /// The records of a chunk.
    pub(super) fn read(&self, chunk: Range<u64>) -> Result<Vec<T>> {
        let Some(file) = self.file.as_ref().filter(|_| chunk.start < self.n_in_file) else {
            return Ok(self.tail.clone());
        };
        let mut records = vec![T::zeroed(); (chunk.end - chunk.start) as usize];
        let bytes = bytemuck::cast_slice_mut(&mut records);
        read_exact_at(&file.file, bytes, chunk.start * size_of::<T>() as u64)?;
        Ok(records)
    }
}

impl SpoolFile {
    fn create(disk: &Arc<DiskManager>) -> Result<Self> {
        let spill = disk.create_tmp_file("searching paths by joins")?;
        let path = spill.path().ok_or_else(|| {
            DataFusionError::Execution("paths by joins need a folder for temporary files".to_owned())
        })?;
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self { file, _spill: spill })
    }
}

/// A set of pairs of object and state: about a byte for each where objects are many, since their addresses are near each other.
#[derive(Default, Clone)]
pub(super) struct Pairs {
    by_state: BTreeMap<u32, RoaringTreemap>,
}

/// Addresses are multiples of 8 or 16, so that the highest bits are free for the lowest.
const ALIGNMENT_BITS: u32 = 4;

impl Pairs {
    /// Adds a pair; whether it is new.
    pub(super) fn insert(&mut self, address: u64, state: u32) -> bool {
        self.by_state.entry(state).or_default().insert(address.rotate_right(ALIGNMENT_BITS))
    }

    pub(super) fn contains(&self, address: u64, state: u32) -> bool {
        let objects = self.by_state.get(&state);
        objects.is_some_and(|objects| objects.contains(address.rotate_right(ALIGNMENT_BITS)))
    }

    pub(super) fn has_state(&self, state: u32) -> bool {
        self.by_state.contains_key(&state)
    }

    pub(super) fn len(&self) -> u64 {
        self.by_state.values().map(RoaringTreemap::len).sum()
    }

    /// Adds the pairs of another set.
    pub(super) fn unite(&mut self, other: Pairs) {
        for (state, objects) in other.by_state {
            *self.by_state.entry(state).or_default() |= objects;
        }
    }

    /// Those in one state.
    pub(super) fn in_state(&self, state: u32) -> Pairs {
        let objects = self.by_state.get_key_value(&state);
        Self { by_state: objects.into_iter().map(|(state, objects)| (*state, objects.clone())).collect() }
    }

    /// The objects that are in any state.
    pub(super) fn objects(&self) -> impl Iterator<Item = u64> {
        let all = self.by_state.values().fold(RoaringTreemap::new(), |all, objects| all | objects);
        all.into_iter().map(|object| object.rotate_left(ALIGNMENT_BITS))
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.by_state.values().map(RoaringTreemap::serialized_size).sum()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::disk_manager::DiskManagerBuilder;

    use super::*;

    #[test]
    fn records_come_back_from_the_file_and_from_memory() {
        let disk = Arc::new(DiskManagerBuilder::default().build().unwrap());
        for n in [0, 1, CHUNK_RECORDS - 1, CHUNK_RECORDS, CHUNK_RECORDS + 1, 3 * CHUNK_RECORDS + 17] {
            let mut spool = Spool::new(&disk);
            for record in 0..n {
                spool.push(record * 3).unwrap();
            }
            assert_eq!(spool.len(), n);
            let records: Vec<u64> = spool.chunks().flat_map(|chunk| spool.read(chunk).unwrap()).collect();
            assert_eq!(records, (0..n).map(|record| record * 3).collect::<Vec<_>>());
            let back: Vec<u64> = spool.chunks().rev().map(|chunk| spool.read(chunk).unwrap()[0]).collect();
            assert!(back.is_sorted_by(|a, b| a > b), "{back:?}");
            assert_eq!(disk.spilling_progress().active_files_count, usize::from(n >= CHUNK_RECORDS));
        }
        assert_eq!(disk.spilling_progress().active_files_count, 0);
    }

    #[test]
    fn pairs_keep_every_address() {
        let addresses = [0, 1, 15, 16, 4096, 1 << 47, u64::MAX, u64::MAX - 15];
        let mut pairs = Pairs::default();
        for address in addresses {
            assert!(pairs.insert(address, 2) && !pairs.insert(address, 2));
            assert!(pairs.contains(address, 2) && !pairs.contains(address, 1));
        }
        let mut more = Pairs::default();
        more.insert(16, 1);
        more.insert(32, 1);
        pairs.unite(more);
        assert_eq!((pairs.len(), pairs.in_state(1).len(), pairs.in_state(7).len()), (10, 2, 0));
        let mut objects: Vec<u64> = pairs.objects().collect();
        objects.sort_unstable();
        assert_eq!(objects, [0, 1, 15, 16, 32, 4096, 1 << 47, u64::MAX - 15, u64::MAX]);
    }
}
