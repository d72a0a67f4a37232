//! The file of a graph index: flat arrays in native (little-endian) order, and what they are.
//!
//! ```text
//! section, padded to 64 bytes | ... | header (JSON) | u64 bytes of the header | u64 XXH3 of the header | magic
//! ```
//!
//! The header contains the position and the checksum of each section. It is at the end, so that a file that was cut off has
//! none. The first opening checks every section, and then writes size, inode and times of the file to a second file, the
//! *seal*. As long as these stay the same, nobody can have written to the file, and the sections are not read again.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, Read, Seek, SeekFrom, Write},
    marker::PhantomData,
    ops::Range,
};

use bytemuck::Pod;
use heaplake_graph::{
    Id, NarrowNumbers, NarrowStored, Number, Numbers, NumbersBuf, Offsets, Stored, narrow_offsets,
};
use memmap2::Mmap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{
    Error, Lake, Result,
    lake::{LakePath, WorkFile},
};

const MAGIC: [u8; 8] = *b"heapgrph";
/// Bytes after the header.
const TRAILER: usize = 24;
const MAX_HEADER: usize = 64 << 20;
/// A cache line, and a multiple of the alignment of every type of number.
const ALIGNMENT: u64 = 64;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Section {
    start: u64,
    bytes: u64,
    xxh3: u64,
}

#[derive(Serialize, Deserialize)]
struct Header<H> {
    sections: BTreeMap<String, Section>,
    content: H,
}

/// Writes the sections of a file with ids of type `I`, one after the other.
pub(super) struct Writer<I> {
    to: WorkFile,
    file: File,
    at: u64,
    sections: BTreeMap<String, Section>,
    ids: PhantomData<I>,
}

impl<I> Writer<I> {
    pub(super) fn create(to: &WorkFile) -> Result<Self> {
        Ok(Self { to: to.clone(), file: to.create()?, at: 0, sections: BTreeMap::new(), ids: PhantomData })
    }

    pub(super) fn section<T: Pod>(&mut self, name: &str, content: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(content);
        let section = Section { start: self.at, bytes: bytes.len() as u64, xxh3: xxh3_64(bytes) };
        self.write(bytes)?;
        self.add(name, section)
    }

    /// Ends a section whose content is written.
    fn add(&mut self, name: &str, section: Section) -> Result<()> {
        self.write(&[0; ALIGNMENT as usize][..(self.at.next_multiple_of(ALIGNMENT) - self.at) as usize])?;
        self.sections.insert(name.to_owned(), section);
        Ok(())
    }

    /// The sections that are complete, to be read while others are written.
    pub(super) fn so_far(&self) -> Result<Sections> {
        let map = map(&self.file).map_err(|source| self.to.io_error(source))?;
        Ok(Sections { map, sections: self.sections.clone() })
    }

    /// The error for a section that was written and cannot be read.
    pub(super) fn refused(&self, refused: Refused) -> Error {
        refused.into_error(&self.to)
    }

    /// Begins a section that is written piece by piece.
    pub(super) fn begin(&mut self, name: &'static str) -> SectionWriter<'_, I> {
        SectionWriter { start: self.at, hash: Box::default(), name, writer: self }
    }

    /// Writes numbers in the form that they have: the section of the name, and if they are narrow, two sections with the
    /// positions of the numbers that are too large, and these numbers.
    pub(super) fn numbers_section<T: Number + Pod>(
        &mut self,
        name: &str,
        content: &NumbersBuf<T>,
    ) -> Result<()> {
        match content {
            NumbersBuf::Narrow(narrow) => self.narrow(name, narrow),
            NumbersBuf::Full(numbers) => self.section(name, numbers),
        }
    }

    /// Writes the offsets of a CSR: if they can be narrow, relative to bases, which are a section of their own.
    pub(super) fn offsets_section<T: Id>(&mut self, name: &str, content: &[T]) -> Result<()> {
        match narrow_offsets(content) {
            Some((bases, within)) => {
                self.section(&base(name), &bases)?;
                self.narrow(name, &within)
            }
            None => self.section(name, content),
        }
    }

    fn narrow<T: Number + Pod>(&mut self, name: &str, narrow: &NarrowNumbers<T>) -> Result<()> {
        match &narrow.stored {
            NarrowStored::One(numbers) => self.section(name, numbers)?,
            NarrowStored::Two(numbers) => self.section(name, numbers)?,
        }
        self.section(&large_at(name), &narrow.large_at)?;
        self.section(&large(name), &narrow.large)
    }

    /// Writes the header; the file still has to be synced.
    pub(super) fn finish(mut self, content: impl Serialize) -> Result<File> {
        let header = Header { sections: std::mem::take(&mut self.sections), content };
        let header = serde_json::to_vec(&header).map_err(|error| self.to.io_error(error.into()))?;
        self.write(&header)?;
        self.write(&(header.len() as u64).to_le_bytes())?;
        self.write(&xxh3_64(&header).to_le_bytes())?;
        self.write(&MAGIC)?;
        Ok(self.file)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.at += bytes.len() as u64;
        let written = self.file.write_all(bytes);
        written.map_err(|source| self.to.io_error(source))
    }
}

/// Writes a section piece by piece.
pub(super) struct SectionWriter<'w, I> {
    writer: &'w mut Writer<I>,
    name: &'static str,
    start: u64,
    hash: Box<Xxh3>,
}

impl<I> SectionWriter<'_, I> {
    /// Writes the next numbers, which are all of one type.
    pub(super) fn append<T: Pod>(&mut self, numbers: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        self.hash.update(bytes);
        self.writer.write(bytes)
    }

    /// Ends the section.
    pub(super) fn finish(self) -> Result<()> {
        let Self { writer, name, start, hash } = self;
        writer.add(name, Section { start, bytes: writer.at - start, xxh3: hash.digest() })
    }
}

fn large_at(name: &str) -> String {
    format!("{name}_large_at")
}

fn large(name: &str) -> String {
    format!("{name}_large")
}

fn base(name: &str) -> String {
    format!("{name}_base")
}

/// Where numbers are that may be narrow.
#[derive(Debug)]
pub(super) struct NumbersRange {
    /// Bytes of a number.
    width: usize,
    numbers: Range<usize>,
    large_at: Range<usize>,
    large: Range<usize>,
}

/// Where the offsets of a CSR are.
#[derive(Debug)]
pub(super) struct OffsetsRange {
    /// `None` if the offsets are not relative to bases.
    bases: Option<Range<usize>>,
    numbers: NumbersRange,
}

/// A file that is mapped into memory and has correct checksums.
#[derive(Debug)]
pub(super) struct Sections {
    map: Mmap,
    sections: BTreeMap<String, Section>,
}

/// Why a file is not used.
pub(super) enum Refused {
    /// It does not exist.
    Absent,
    /// It has the layout of another version.
    OtherVersion,
    /// It is not what was written.
    Damaged(String),
    /// It cannot be read.
    Failed(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Refused::Absent,
            io::ErrorKind::InvalidData => Refused::Damaged(error.to_string()),
            _ => Refused::Failed(error),
        }
    }
}

impl Sections {
    /// Opens a file and returns it with its header. Checks the sections first unless the seal says that they were checked.
    pub(super) fn open<H: DeserializeOwned>(lake: &Lake, path: &LakePath) -> Result<(Self, H), Refused> {
        let mut file = lake.at(path).open()?;
        let metadata = file.metadata()?;
        let (header, header_start) = read_header::<H>(&mut file, metadata.len())?;
        for (name, section) in &header.sections {
            let end = section.start.checked_add(section.bytes).filter(|end| *end <= header_start);
            if end.is_none() || !section.start.is_multiple_of(ALIGNMENT) {
                return Err(Refused::Damaged(format!("the section {name} is not within the file")));
            }
        }
        let sections = Self { map: map(&file)?, sections: header.sections };
        let seal = Seal::of(&metadata);
        if Seal::read(lake, path) != Some(seal) {
            sections.check()?;
            // An error is ignored: the seal only makes the next opening faster, and the lake may be read-only.
            let _ = file.sync_all().and_then(|()| lake.put_cache(&LakePath::seal(path), &seal));
        }
        Ok((sections, header.content))
    }

    /// Maps a file that this process has just written.
    pub(super) fn just_written(file: &File) -> io::Result<Self> {
        let mut file = file.try_clone()?;
        let bytes = file.metadata()?.len();
        let (header, _) =
            read_header::<serde::de::IgnoredAny>(&mut file, bytes).map_err(|refused| match refused {
                Refused::Failed(error) => error,
                _ => io::ErrorKind::InvalidData.into(),
            })?;
        Ok(Self { map: map(&file)?, sections: header.sections })
    }

    /// Says whether reading will go from place to place. The system does not read then what is beside it, which would push out
    /// of memory what is needed again.
    pub(super) fn will_be_read_at_random(&self, at_random: bool) {
        // Only advice: without it, reading takes longer.
        #[cfg(unix)]
        let _ = self.map.advise(if at_random { memmap2::Advice::Random } else { memmap2::Advice::Normal });
    }

    /// Compares every section with its checksum.
    pub(super) fn check(&self) -> Result<(), Refused> {
        for (name, section) in &self.sections {
            let mut hash = Xxh3::new();
            hash.update(&self.map[range(section)]);
            if hash.digest() != section.xxh3 {
                return Err(Refused::Damaged(format!("the section {name} is not what was written")));
            }
        }
        Ok(())
    }

    /// The range of the numbers of a section; an error if there are not `len` of them.
    pub(super) fn range_of<T: Pod>(&self, name: &str, len: u64) -> Result<Range<usize>, Refused> {
        let section = self.sections.get(name);
        let range = section
            .filter(|section| Some(section.bytes) == len.checked_mul(size_of::<T>() as u64))
            .map(range)
            .filter(|range| bytemuck::try_cast_slice::<u8, T>(&self.map[range.clone()]).is_ok());
        range.ok_or_else(|| Refused::Damaged(format!("the section {name} does not have {len} numbers")))
    }

    /// The range of the numbers of a section that may be narrow; an error if there are not `len` of them.
    pub(super) fn numbers_range<T: Pod>(&self, name: &str, len: u64) -> Result<NumbersRange, Refused> {
        let bytes = self.sections.get(name).map_or(0, |section| section.bytes);
        let full = size_of::<T>() as u64;
        let (width, numbers) = match bytes.checked_div(len) {
            Some(1) => (1, self.range_of::<u8>(name, len)?),
            Some(2) => (2, self.range_of::<u16>(name, len)?),
            _ => {
                return Ok(NumbersRange {
                    width: full as usize,
                    numbers: self.range_of::<T>(name, len)?,
                    large_at: 0..0,
                    large: 0..0,
                });
            }
        };
        let n_large = self.sections.get(&large(name)).map_or(0, |section| section.bytes) / full;
        Ok(NumbersRange {
            width,
            numbers,
            large_at: self.range_of::<u64>(&large_at(name), n_large)?,
            large: self.range_of::<T>(&large(name), n_large)?,
        })
    }

    /// The numbers in a range from [`Self::numbers_range`] for the same type.
    pub(super) fn narrow<T: Pod + Number>(&self, range: &NumbersRange) -> Numbers<'_, T> {
        let stored = match range.width {
            1 => Stored::One(self.numbers(&range.numbers)),
            2 => Stored::Two(self.numbers(&range.numbers)),
            _ => Stored::Full(self.numbers(&range.numbers)),
        };
        Numbers::new(stored, self.numbers(&range.large_at), self.numbers(&range.large))
    }

    /// The range of the offsets of a section; an error if there are not `len` of them.
    pub(super) fn offsets_range<T: Id>(&self, name: &str, len: u64) -> Result<OffsetsRange, Refused> {
        let base = base(name);
        let bases = self.sections.contains_key(&base);
        let bases = bases.then(|| self.range_of::<T>(&base, Offsets::<T>::n_bases(len))).transpose()?;
        let numbers = self.numbers_range::<T>(name, len)?;
        if bases.is_none() && numbers.width != size_of::<T>() {
            return Err(Refused::Damaged(format!("the section {base} does not exist")));
        }
        Ok(OffsetsRange { bases, numbers })
    }

    /// The offsets in a range from [`Self::offsets_range`] for the same type.
    pub(super) fn offsets<T: Id>(&self, range: &OffsetsRange) -> Offsets<'_, T> {
        match &range.bases {
            Some(bases) => {
                Offsets::Blocks { bases: self.numbers(bases), within: self.narrow(&range.numbers) }
            }
            None => Offsets::Full(self.numbers(&range.numbers.numbers)),
        }
    }

    /// The numbers in a range from [`Self::range_of`] for the same type.
    pub(super) fn numbers<T: Pod>(&self, range: &Range<usize>) -> &[T] {
        bytemuck::try_cast_slice(&self.map[range.clone()]).unwrap_or_default()
    }
}

/// Writes the seal of a file that this process has written and synced.
pub(super) fn seal(lake: &Lake, path: &LakePath) {
    // Without a seal the file is checked when it is opened.
    if let Ok(metadata) = lake.at(path).open().and_then(|file| file.metadata()) {
        let _ = lake.put_cache(&LakePath::seal(path), &Seal::of(&metadata));
    }
}

fn range(section: &Section) -> Range<usize> {
    section.start as usize..(section.start + section.bytes) as usize
}

fn read_header<H: DeserializeOwned>(file: &mut File, bytes: u64) -> Result<(Header<H>, u64), Refused> {
    let cut = || Refused::Damaged("it is cut off".to_owned());
    let trailer_start = bytes.checked_sub(TRAILER as u64).ok_or_else(cut)?;
    let mut trailer = [0_u64; TRAILER / 8];
    file.seek(SeekFrom::Start(trailer_start))?;
    file.read_exact(bytemuck::bytes_of_mut(&mut trailer))?;
    let [len, xxh3, magic] = trailer;
    if magic != u64::from_ne_bytes(MAGIC) {
        return Err(cut());
    }
    let start = trailer_start.checked_sub(len).filter(|_| len <= MAX_HEADER as u64).ok_or_else(cut)?;
    let mut text = vec![0; len as usize];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut text)?;
    if xxh3_64(&text) != xxh3 {
        return Err(Refused::Damaged("its header is not what was written".to_owned()));
    }
    let header = serde_json::from_slice(&text);
    let header = header.map_err(|error| Refused::Damaged(format!("its header cannot be read ({error})")))?;
    Ok((header, start))
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: a map is sound as long as the bytes under it stay the same. heaplake writes an index under a temporary name,
    // front to back, maps what is complete read-only, and never writes to that again: a new one is a new file that takes the name by
    // a rename, and the old one lives on until its maps are gone. Should another program overwrite the file in place, its
    // bytes are only ever read as plain integers, for which every bit pattern is a value, and every one of them that is
    // used as a position is checked by the slice it goes into. Should it cut the file off, the process ends by a signal.
    unsafe { Mmap::map(file) }
}

/// The metadata of a file that change when somebody writes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    bytes: u64,
    inode: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Seal {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            bytes: metadata.len(),
            inode: metadata.ino(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Only the time of the last change is known: a file that changed within the clock's last tick is not trusted.
    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let modified_ns = since.map_or(-1, |since| since.as_nanos() as i128);
        Self { bytes: metadata.len(), inode: 0, modified_ns, changed_ns: modified_ns }
    }

    fn read(lake: &Lake, index: &LakePath) -> Option<Self> {
        serde_json::from_slice(&lake.read(&LakePath::seal(index)).ok()??).ok()
    }
}

#[cfg(test)]
impl Sections {
    /// Any file.
    pub(super) fn of_test(file: &File) -> Self {
        Self { map: map(file).unwrap(), sections: BTreeMap::new() }
    }
}

#[cfg(test)]
impl OffsetsRange {
    /// Offsets of eight bytes that are not relative to bases.
    pub(super) fn of_test(numbers: Range<usize>) -> Self {
        let numbers = NumbersRange { width: 8, numbers, large_at: 0..0, large: 0..0 };
        Self { bases: None, numbers }
    }
}
