//! The first pass over a file: everything that is needed before an instance can be understood.
//!
//! Class dumps may follow the instances of the class, and roots may be in any segment, so that two passes are needed. This one
//! walks over all sub-records without reading the bodies of instances and arrays. It keeps where strings are, the classes,
//! frames and roots, an index of where objects are ([`Run`]), where the file can be cut ([`BlockSpan`]), and how far
//! apart neighbours are.
//!
//! The length of a heap dump record is not trusted: it wraps above 4 GiB, and may be 0 or anything where the writer was
//! killed. The sub-records say where the record ends.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::Hash,
    sync::atomic::{AtomicBool, Ordering},
};

use hashbrown::HashMap;
use heaplake_model::{Issue, IssueKind};

use super::{
    dialect::{BasicType, Bytes, Dialect, MAGIC, RECORD_HEAD, RootRecord, Sized, SubError, SubRecord},
    file::{Window, read_range},
    names,
    rules::{CLASS_REPOSITORY, REFLECTION_DATA, SOFT_REFERENCE},
    scanned::{ArraySample, BlockSpan, DumpedClass, Frame, ListedClass, Run, Scan, ScannedClass, Trace},
};
use crate::Error;

/// Objects of a run: what is looked for is found by walking from the first.
const RUN_OBJECTS: u32 = 16;
/// Neighbours within a run are not further apart, so that the objects of another thread's region are not between them.
const MAX_GAP: u64 = 1 << 16;
const MAX_SAMPLES: usize = 1 << 14;
/// The longest body of a primitive array that is read with its block.
const MAX_BODY_IN_BLOCK: u64 = 1 << 16;
/// Bytes of the largest class dump.
const MAX_CLASS_BYTES: usize = 3 << 20;
/// Bytes in which a sub-record is looked for, without the body of an instance or array: most need few, a class may need many.
const HEAD_BYTES: [usize; 4] = [32, 1 << 12, 1 << 16, MAX_CLASS_BYTES];
/// Records between two looks at a cancellation.
const POLL: u32 = 1 << 12;

/// How to scan.
pub(super) struct ScanOptions<'o> {
    pub(super) keep_going: bool,
    pub(super) block_bytes: usize,
    pub(super) max_object_bytes: usize,
    /// Which heap dump of the file to scan, from 1; `None` if it must hold one only.
    pub(super) part: Option<u32>,
    pub(super) cancel: &'o AtomicBool,
}

/// Scans the records of a file from `start` to `end`. `cut` says why the file ends early, if it does.
pub(super) fn scan(
    file: &File,
    dialect: Dialect,
    (start, end): (u64, u64),
    cut: Option<&str>,
    options: &ScanOptions<'_>,
) -> Result<Scan, Error> {
    let mut scanner = Scanner {
        scan: Scan::new(dialect),
        window: Window::new(file),
        position: start,
        end,
        options,
        last_class: (0, u32::MAX),
        run_objects: 0,
        previous: None,
        block_start: None,
        unknown: BTreeMap::new(),
        dump: DumpState::Before,
        n_dumps: 0,
        is_truncated: false,
    };
    scanner.records()?;
    scanner.check_part()?;
    scanner.finish(cut)?;
    Ok(scanner.scan)
}

struct Scanner<'s> {
    scan: Scan,
    window: Window<'s>,
    position: u64,
    /// Bytes of the file.
    end: u64,
    options: &'s ScanOptions<'s>,
    /// The class that was looked up last: id and position.
    last_class: (u64, u32),
    /// Objects of the last run.
    run_objects: u32,
    /// The object before, and what it is.
    previous: Option<(u64, Neighbour)>,
    block_start: Option<u64>,
    /// Records with unknown tags: how many, and where the first one is.
    unknown: BTreeMap<u8, (u64, u64)>,
    dump: DumpState,
    /// Heap dumps that have begun.
    n_dumps: u32,
    is_truncated: bool,
}

/// An object whose distance to the next one is measured.
#[derive(Debug, Clone, Copy)]
enum Neighbour {
    /// Of the class at a position.
    Instance(u32),
    Array {
        count: u32,
        element_bytes: u8,
    },
}

/// How much of a heap dump was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DumpState {
    Before,
    /// Its segments come.
    Segments,
    /// It is complete.
    Ended,
}

/// Whether the walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    On,
    Stopped,
}

const UTF8: u8 = 0x01;
const LOAD_CLASS: u8 = 0x02;
const FRAME: u8 = 0x04;
const TRACE: u8 = 0x05;
const START_THREAD: u8 = 0x0a;
const HEAP_DUMP: u8 = 0x0c;
const HEAP_SEGMENT: u8 = 0x1c;
const HEAP_END: u8 = 0x2c;
/// Records of profiles and of classes and threads that end: nothing of them is of the heap.
const IGNORED: [u8; 6] = [0x03, 0x06, 0x07, 0x0b, 0x0d, 0x0e];

fn is_known(tag: u8) -> bool {
    matches!(tag, UTF8 | LOAD_CLASS | FRAME | TRACE | START_THREAD | HEAP_DUMP | HEAP_SEGMENT | HEAP_END)
        || IGNORED.contains(&tag)
}

impl Scanner<'_> {
    fn records(&mut self) -> Result<(), Error> {
        let mut n_records = 0_u32;
        while self.position < self.end {
            n_records = n_records.wrapping_add(1);
            if n_records.is_multiple_of(POLL) {
                self.check_cancel()?;
            }
            let head = self.window.at(self.position, MAGIC.len().max(RECORD_HEAD))?;
            if head.starts_with(MAGIC) {
                return self.joined();
            }
            let mut bytes = Bytes(head);
            let (Some(tag), Some(_), Some(len)) = (bytes.u1(), bytes.u4(), bytes.u4()) else {
                return self.truncated("the head of a record");
            };
            let body = self.position + RECORD_HEAD as u64;
            match tag {
                HEAP_DUMP | HEAP_SEGMENT => {
                    if self.dump != DumpState::Segments {
                        if self.options.part == Some(self.n_dumps) {
                            // The chosen heap dump is complete, and what follows is not looked at.
                            return Ok(());
                        }
                        self.begin_dump();
                    }
                    self.dump = if tag == HEAP_SEGMENT { DumpState::Segments } else { DumpState::Ended };
                    self.position = body;
                    let walk = self.heap(len)?;
                    self.close_block(self.position);
                    self.previous = None;
                    if walk == Walk::Stopped {
                        return Ok(());
                    }
                    continue;
                }
                HEAP_END => self.dump = DumpState::Ended,
                _ if !is_known(tag) => {
                    self.unknown.entry(tag).or_insert((0, self.position)).0 += 1;
                }
                _ => {}
            }
            if body + u64::from(len) > self.end {
                return self.truncated("a record");
            }
            if !self.record(tag, body, len)? {
                let what =
                    format!("a record with tag 0x{tag:02x} of {len} bytes is too short; it was left out");
                self.issue(IssueKind::Malformed, self.position, what)?;
            }
            self.position = body + u64::from(len);
        }
        Ok(())
    }

    /// Reports that another file follows, whose ids may mean other things.
    fn joined(&mut self) -> Result<(), Error> {
        if self.dump == DumpState::Ended && self.options.part == Some(self.n_dumps) {
            // The chosen heap dump is complete.
            return Ok(());
        }
        let what = "another HPROF file begins here: files were joined; it was left out";
        self.issue(IssueKind::Malformed, self.position, what.to_owned())
    }

    /// Begins with a heap dump. Nothing of the heap dump before it stays but names, stacks and threads: a writer that adds to a
    /// file does not write those again.
    fn begin_dump(&mut self) {
        self.n_dumps += 1;
        if self.n_dumps == 1 {
            return;
        }
        let scan = &mut self.scan;
        scan.classes.clear();
        scan.positions.clear();
        scan.roots.clear();
        scan.runs.clear();
        scan.blocks.clear();
        scan.arrays.clear();
        scan.soft_references.clear();
        scan.reflection_data.clear();
        scan.class_repositories.clear();
        scan.n_objects = 0;
        scan.n_arrays = [0; 12];
        self.last_class = (0, u32::MAX);
    }

    /// Takes a record that is not of the heap; returns whether it has all its fields.
    fn record(&mut self, tag: u8, body: u64, len: u32) -> Result<bool, Error> {
        let dialect = self.scan.dialect;
        let needed = match tag {
            UTF8 => dialect.id_bytes,
            TRACE => (len as usize).min(MAX_CLASS_BYTES),
            LOAD_CLASS | FRAME | START_THREAD => (len as usize).min(64),
            _ => return Ok(true),
        };
        let bytes = self.window.at(body, needed)?;
        let mut bytes = Bytes(&bytes[..bytes.len().min(len as usize)]);
        // What follows the chosen heap dump may be of the next one.
        let is_after = self.dump == DumpState::Ended && self.options.part == Some(self.n_dumps);
        let scan = &mut self.scan;
        let taken = match tag {
            UTF8 => bytes.id(dialect).map(|id| {
                let text = (body + dialect.id_bytes as u64, len - dialect.id_bytes as u32);
                keep(&mut scan.strings, id, text, is_after);
            }),
            LOAD_CLASS => (|| {
                let (serial, class) = (bytes.u4()?, bytes.id(dialect)?);
                bytes.u4()?;
                keep(&mut scan.class_names, class, bytes.id(dialect)?, is_after);
                keep(&mut scan.class_of_serial, serial, class, is_after);
                Some(())
            })(),
            FRAME => (|| {
                let (id, method) = (bytes.id(dialect)?, bytes.id(dialect)?);
                bytes.id(dialect)?;
                let (source, class_serial) = (bytes.id(dialect)?, bytes.u4()?);
                let line = bytes.u4()? as i32;
                keep(&mut scan.frames, id, Frame { method, source, class_serial, line }, is_after);
                Some(())
            })(),
            TRACE => (|| {
                let (serial, thread, n) = (bytes.u4()?, bytes.u4()?, bytes.u4()?);
                let mut ids = Bytes(bytes.take((n as usize).checked_mul(dialect.id_bytes)?)?);
                let frames = std::iter::from_fn(|| ids.id(dialect)).collect();
                keep(&mut scan.traces, serial, Trace { thread, frames }, is_after);
                Some(())
            })(),
            _ => (|| {
                let serial = bytes.u4()?;
                bytes.id(dialect)?;
                bytes.u4()?;
                keep(&mut scan.thread_names, serial, bytes.id(dialect)?, is_after);
                Some(())
            })(),
        };
        Ok(taken.is_some())
    }

    /// Walks over the sub-records of a heap dump record whose body begins at the position and is said to have `len` bytes.
    fn heap(&mut self, len: u32) -> Result<Walk, Error> {
        let mut end = self.position + u64::from(len);
        // What is between two records does not belong to a run.
        self.run_objects = RUN_OBJECTS;
        // Ends where it is said to, or an unknown number of times 4 GiB later.
        let mut is_trusted = len > 0 && end <= self.end;
        let mut n_polled = 0_u32;
        loop {
            n_polled = n_polled.wrapping_add(1);
            if n_polled.is_multiple_of(POLL) {
                self.check_cancel()?;
            }
            if self.position == end && self.ends_here()? {
                return Ok(Walk::On);
            }
            if self.position > end || (self.position == end && is_trusted) {
                is_trusted = false;
                while self.position > end {
                    end += 1 << 32;
                }
            }
            if self.position >= self.end {
                if len == 0 {
                    return Ok(Walk::On);
                }
                self.truncated("a heap dump record")?;
                return Ok(Walk::Stopped);
            }
            let dialect = self.scan.dialect;
            let mut found = Err(SubError::Short);
            for n_bytes in HEAD_BYTES {
                let sized = dialect.sub_record(self.window.at(self.position, n_bytes)?);
                found = sized.map(|sized| (ScannedObject::of(&sized), sized.head as u64, sized.body));
                if !matches!(found, Err(SubError::Short)) {
                    break;
                }
            }
            match found {
                Ok((object, head, body)) => {
                    let next = self.position + head + body;
                    if is_trusted && next > end && self.is_record(end)? {
                        let what =
                            format!("an object of {} bytes does not fit its heap dump record", head + body);
                        self.lost(what, end)?;
                        return Ok(Walk::On);
                    }
                    if next > self.end {
                        self.truncated("an object")?;
                        return Ok(Walk::Stopped);
                    }
                    self.object(object, head, body)?;
                    self.position = next;
                }
                Err(SubError::Short) => {
                    self.truncated("an object")?;
                    return Ok(Walk::Stopped);
                }
                Err(SubError::Tag(tag))
                    if !is_trusted && is_known(tag) && self.is_record(self.position)? =>
                {
                    return Ok(Walk::On);
                }
                Err(error) => {
                    let what = match error {
                        SubError::Type(number) => format!("{number} is not a type of a value"),
                        SubError::Tag(tag) => format!("no part of a heap dump has the tag 0x{tag:02x}"),
                        SubError::Short => String::new(),
                    };
                    if is_trusted {
                        self.lost(what, end)?;
                        return Ok(Walk::On);
                    }
                    let end = self.end;
                    self.lost(what, end)?;
                    self.is_truncated = true;
                    return Ok(Walk::Stopped);
                }
            }
        }
    }

    /// Reports that everything up to `end` is lost, and goes there.
    fn lost(&mut self, what: String, end: u64) -> Result<(), Error> {
        let n_bytes = end - self.position;
        let what = format!("{what}; {n_bytes} bytes from here on were left out");
        let position = self.position;
        self.close_block(position);
        self.previous = None;
        self.issue(IssueKind::Malformed, position, what)?;
        self.position = end;
        Ok(())
    }

    /// Whether a heap dump record whose length says so ends at the position: another record follows, or nothing that
    /// would be a sub-record.
    fn ends_here(&mut self) -> Result<bool, Error> {
        let tag = self.window.at(self.position, 1)?.first().copied();
        Ok(match tag {
            None => true,
            Some(tag) if is_known(tag) => self.is_record(self.position)?,
            // The length is wrong, or this is a record that only its writer knows.
            Some(0x20..=0x23) => false,
            Some(_) => true,
        })
    }

    /// Whether a known record, or the end of the file, is at a position.
    fn is_record(&mut self, position: u64) -> Result<bool, Error> {
        if position == self.end {
            return Ok(true);
        }
        let mut bytes = Bytes(self.window.at(position, RECORD_HEAD)?);
        let Some(tag) = bytes.u1() else { return Ok(false) };
        // The file may be cut inside the head of a record.
        let (Some(_), Some(len)) = (bytes.u4(), bytes.u4()) else { return Ok(is_known(tag)) };
        let fits = position + RECORD_HEAD as u64 + u64::from(len) <= self.end;
        // A segment may be cut.
        Ok(is_known(tag) && (fits || tag == HEAP_SEGMENT))
    }

    fn object(&mut self, object: ScannedObject, head: u64, body: u64) -> Result<(), Error> {
        match object {
            ScannedObject::Root(root) => self.scan.roots.push(root),
            ScannedObject::Nothing => {}
            ScannedObject::Class { address, dump } => {
                self.note(address, None);
                let (position, offset) = (self.class_position(address)?, self.position);
                let scanned = &mut self.scan.classes[position as usize];
                // The first of two classes with one id counts, as with objects.
                if scanned.dump.is_none() {
                    scanned.dump = Some(DumpedClass { offset, ..*dump });
                } else {
                    scanned.is_repeated = true;
                }
                self.extend_block(self.position, None);
            }
            ScannedObject::Instance { address, class } => {
                let position = self.class_position(class)?;
                let scanned = &mut self.scan.classes[position as usize];
                scanned.n_objects += 1;
                scanned.max_bytes = scanned.max_bytes.max(body as u32);
                match scanned.listed {
                    Some(ListedClass::SoftReference) => self.scan.soft_references.push(address),
                    Some(ListedClass::ReflectionData) => self.scan.reflection_data.push(address),
                    Some(ListedClass::ClassRepository) => self.scan.class_repositories.push(address),
                    None => {}
                }
                self.note(address, Some(Neighbour::Instance(position)));
                self.check_size(body)?;
                self.extend_block(self.position, None);
            }
            ScannedObject::ObjectArray { address, class, count } => {
                let position = self.class_position(class)?;
                self.scan.classes[position as usize].n_objects += 1;
                self.note(address, Some(Neighbour::Array { count, element_bytes: 0 }));
                self.check_size(body)?;
                self.extend_block(self.position, None);
            }
            ScannedObject::PrimitiveArray { address, count, element } => {
                self.scan.n_arrays[element as usize] += 1;
                let element_bytes = element.bytes(0) as u8;
                self.note(address, Some(Neighbour::Array { count, element_bytes }));
                self.extend_block(self.position, (body > MAX_BODY_IN_BLOCK).then_some(self.position + head));
            }
        }
        Ok(())
    }

    /// Refuses an object whose body does not fit into memory.
    fn check_size(&self, body: u64) -> Result<(), Error> {
        let limit = self.options.max_object_bytes;
        if body > limit as u64 { Err(Error::ObjectTooLarge { offset: self.position, limit }) } else { Ok(()) }
    }

    /// Puts the object at `position` into a block. The block ends at `cut`, if there is one.
    #[inline]
    fn extend_block(&mut self, position: u64, cut: Option<u64>) {
        let start = *self.block_start.get_or_insert(position);
        if position - start >= self.options.block_bytes as u64 {
            self.close_block(position);
            self.block_start = Some(position);
        }
        if let Some(cut) = cut {
            self.close_block(cut);
        }
    }

    fn close_block(&mut self, end: u64) {
        if let Some(offset) = self.block_start.take() {
            self.scan.blocks.push(BlockSpan { offset, len: (end - offset) as usize });
        }
    }

    /// Notes where an object is, and how far it is from the one before. Classes are not neighbours of what follows.
    #[inline]
    fn note(&mut self, address: u64, neighbour: Option<Neighbour>) {
        self.scan.n_objects += 1;
        if let Some((before, of)) = self.previous {
            self.note_distance(of, address.wrapping_sub(before));
        }
        self.previous = neighbour.map(|neighbour| (address, neighbour));
        if neighbour.is_none() {
            // Nobody looks for a class by its address, and class dumps are not in the order of memory.
            return;
        }
        match self.scan.runs.last_mut() {
            Some(run)
                if self.run_objects < RUN_OBJECTS && address > run.last && address - run.last <= MAX_GAP =>
            {
                run.last = address;
                self.run_objects += 1;
            }
            _ => {
                self.scan.runs.push(Run { first: address, last: address, offset: self.position });
                self.run_objects = 1;
            }
        }
    }

    #[inline]
    fn note_distance(&mut self, of: Neighbour, distance: u64) {
        let Ok(distance) = u32::try_from(distance) else { return };
        if distance == 0 {
            return;
        }
        match of {
            Neighbour::Instance(position) => {
                let known = &mut self.scan.classes[position as usize].distance;
                match known {
                    Some((least, n)) if *least == distance => *n = n.saturating_add(1),
                    Some((least, _)) if *least < distance => {}
                    _ => *known = Some((distance, 1)),
                }
            }
            Neighbour::Array { count, element_bytes } => {
                if self.scan.arrays.len() < MAX_SAMPLES {
                    self.scan.arrays.push(ArraySample { count, element_bytes, distance });
                }
            }
        }
    }

    /// The position of a class, a new one if it was not met before.
    #[inline]
    fn class_position(&mut self, address: u64) -> Result<u32, Error> {
        if self.last_class.0 == address && self.last_class.1 != u32::MAX {
            return Ok(self.last_class.1);
        }
        let position = match self.scan.positions.get(&address) {
            Some(position) => *position,
            None => self.add_class(address)?,
        };
        self.last_class = (address, position);
        Ok(position)
    }

    #[cold]
    fn add_class(&mut self, address: u64) -> Result<u32, Error> {
        let (listed, offset) = (self.listed(address)?, self.position);
        let Scan { classes, positions, .. } = &mut self.scan;
        let position = classes.len() as u32;
        positions.insert(address, position);
        classes.push(ScannedClass {
            address,
            dump: None,
            n_objects: 0,
            max_bytes: 0,
            distance: None,
            offset,
            listed,
            is_repeated: false,
        });
        Ok(position)
    }

    /// Which list is for instances of a class. The VM writes the names of all classes before the heap; without its name a class
    /// has no list.
    fn listed(&mut self, class: u64) -> Result<Option<ListedClass>, Error> {
        let lists = [
            (SOFT_REFERENCE, ListedClass::SoftReference),
            (REFLECTION_DATA, ListedClass::ReflectionData),
            (CLASS_REPOSITORY, ListedClass::ClassRepository),
        ];
        let name = self.scan.class_names.get(&class);
        let Some((at, len)) = name.and_then(|name| self.scan.strings.get(name).copied()) else {
            return Ok(None);
        };
        // Few names are as long as one of these, so that few are read.
        if !lists.iter().any(|(name, _)| name.len() == len as usize) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        read_range(self.window.file(), &mut bytes, at, len as usize)?;
        let written = names::class_name(&String::from_utf8_lossy(&bytes));
        Ok(lists.iter().find(|(name, _)| *name == written).map(|(_, listed)| *listed))
    }

    fn truncated(&mut self, inside: &str) -> Result<(), Error> {
        self.is_truncated = true;
        self.issue(IssueKind::Truncated, self.position, format!("the file ends inside {inside}"))
    }

    fn issue(&mut self, kind: IssueKind, offset: u64, what: String) -> Result<(), Error> {
        let issue = Issue { kind, line: None, offset, what };
        if kind.is_lossy() && !self.options.keep_going {
            return Err(Error::Damaged(issue));
        }
        self.scan.issues.push(issue);
        Ok(())
    }

    fn finish(&mut self, cut: Option<&str>) -> Result<(), Error> {
        for (tag, (n, offset)) in std::mem::take(&mut self.unknown) {
            let what = format!("{n} records have the unknown tag 0x{tag:02x}; they were left out");
            self.issue(IssueKind::UnknownRecord, offset, what)?;
        }
        if let Some(why) = cut {
            self.issue(IssueKind::Truncated, self.end, why.to_owned())?;
        } else if self.dump == DumpState::Segments && !self.is_truncated {
            let what = "the record that ends the heap dump is missing: its writer was stopped";
            self.issue(IssueKind::Truncated, self.end, what.to_owned())?;
        }
        Ok(())
    }

    /// An error unless the file holds the chosen heap dump, or one only.
    fn check_part(&self) -> Result<(), Error> {
        match self.options.part {
            None if self.n_dumps > 1 => Err(Error::SeveralDumps { parts: self.n_dumps }),
            Some(part) if part > self.n_dumps.max(1) => {
                Err(Error::NoPart { part, parts: self.n_dumps.max(1) })
            }
            _ => Ok(()),
        }
    }

    fn check_cancel(&self) -> Result<(), Error> {
        if self.options.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Keeps what a record says of an id, unless it is known and the record is one `after` what is read.
fn keep<K: Eq + Hash, V>(map: &mut HashMap<K, V>, id: K, value: V, is_after: bool) {
    if is_after {
        map.entry(id).or_insert(value);
    } else {
        map.insert(id, value);
    }
}

/// A sub-record, without what it borrows.
enum ScannedObject {
    Root(RootRecord),
    Class { address: u64, dump: Box<DumpedClass> },
    Instance { address: u64, class: u64 },
    ObjectArray { address: u64, class: u64, count: u32 },
    PrimitiveArray { address: u64, count: u32, element: BasicType },
    Nothing,
}

impl ScannedObject {
    #[inline]
    fn of(sized: &Sized<'_>) -> Self {
        match sized.record {
            SubRecord::Root(root) => Self::Root(root),
            SubRecord::Instance { address, class } => Self::Instance { address, class },
            SubRecord::ObjectArray { address, class, count } => Self::ObjectArray { address, class, count },
            SubRecord::PrimitiveArray { address, element, count } => {
                Self::PrimitiveArray { address, count, element }
            }
            SubRecord::Class(class) => {
                Self::Class { address: class.address, dump: Box::new(DumpedClass::of(&class)) }
            }
            SubRecord::HeapInfo => Self::Nothing,
        }
    }
}
