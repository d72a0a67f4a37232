//! The objects of one block, packed: what an import keeps of them until they are written.
//!
//! A record has everything of its object in one place and is as long as it must be, about 50 bytes on a real heap: it is
//! fetched from memory once, in whatever order records are wanted. Little-endian, nothing aligned:
//!
//! ```text
//! u16 flags, u32 type, u64 address, u32 line, u32 offset
//! size: nothing, u16, u32 or i64 | len: nothing, u8, u32 or i64
//! bytes of the name, if it has one | of the value, likewise | number of references to it, if it is known: u8, or 255 and u32
//! u32 number of references, if the flags have no room for it | u32 number of those not strong, if there are any
//! name | value | references | u32 number of the label x references, if one has a label
//! u32 position and u8 kind x references that are not strong
//! ```
//!
//! All references of a record are equally wide: 4 bytes where all are multiples of 8 away from the object and within
//! 16 GiB, else 6 where no address has more, else 8.

use heaplake_model::{EdgeKind, Issue};

use crate::{
    FieldRows, Labels, ThreadRecord, TypeId,
    batch::{Batch, Row},
};

/// From this number of references on, the number has a field of its own.
const MANY_REFS: usize = 31;

const HAS_NAME: u16 = 1 << 4;
const HAS_VALUE: u16 = 1 << 5;
const HAS_LABELS: u16 = 1 << 6;
const HAS_KINDS: u16 = 1 << 7;
const LEN_SHIFT: u32 = 2;
const WIDTH_SHIFT: u32 = 8;
const HAS_REFCOUNT: u16 = 1 << 10;
const N_REFS_SHIFT: u32 = 11;

/// The objects of one block, in the order of the input.
#[derive(Debug, Default)]
pub struct Records {
    /// Line of its first byte in the input, from 1; `None` where the format has no lines.
    pub first_line: Option<u64>,
    /// Offset of its first byte in the input.
    pub first_offset: u64,
    /// Lines that end in it.
    pub n_lines: u64,
    /// Addresses that the dump calls roots, and their kinds; empty where the format does not record roots.
    pub roots: Vec<(u64, String)>,
    /// What was repaired or left out, in the order of the input.
    pub issues: Vec<Issue>,
    /// Fields with values of their own; empty where they are not asked for, or objects have none.
    pub fields: FieldRows,
    /// Threads that the dump describes; empty where the format has no more than their roots.
    pub threads: Vec<ThreadRecord>,
    bytes: Vec<u8>,
    len: usize,
    n_refs: usize,
    /// Objects with references.
    n_parents: usize,
    /// The labels that records give numbers of.
    labels: Labels,
}

/// One object of [`Records`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// Address in the process.
    pub address: u64,
    /// The type, in the table of types that the reader was given.
    pub type_id: TypeId,
    /// Shallow size in bytes.
    pub size: Option<i64>,
    /// Number of items.
    pub len: Option<i64>,
    /// The name, UTF-8.
    pub name: Option<&'r [u8]>,
    /// The value, UTF-8.
    pub value: Option<&'r [u8]>,
    /// Line of the object, from 0, counted from the first line of its block.
    pub line: u32,
    /// Byte of the object, counted from the first byte of its block.
    pub offset: u32,
    /// References to the object, as the interpreter counted them; `None` if the dump does not say.
    pub refcount: Option<u32>,
    /// Addresses referred to.
    pub refs: Refs<'r>,
    label_ids: &'r [u8],
    labels: &'r Labels,
    kinds: &'r [u8],
    bytes: &'r [u8],
}

/// References of an object.
#[derive(Debug, Clone, Copy)]
pub struct Refs<'r> {
    bytes: &'r [u8],
    width: Width,
    address: u64,
}

/// Bytes of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// Distance from the object in units of 8 bytes.
    Near = 4,
    Six = 6,
    Eight = 8,
}

impl Width {
    fn of(refs: &[u64], address: u64) -> Self {
        let (mut is_near, mut all) = (true, 0);
        for reference in refs {
            let distance = reference.wrapping_sub(address) as i64;
            is_near &= distance & 7 == 0 && i32::try_from(distance >> 3).is_ok();
            all |= reference;
        }
        if is_near {
            Self::Near
        } else if all >> 48 == 0 {
            Self::Six
        } else {
            Self::Eight
        }
    }

    fn flags(self) -> u16 {
        (self as u16 / 2 - 2) << WIDTH_SHIFT
    }
}

impl Records {
    /// Packs all objects of a batch, using the memory of `scratch`, and takes the roots and issues of the batch.
    pub(crate) fn pack(batch: &mut Batch, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        let (label_ids, ..) = batch.labels.parts();
        let mut kinds = &batch.kinds[..];
        let mut kinds_here = Vec::new();
        for row in &batch.rows {
            let refs = row.refs as usize..row.refs as usize + row.n_refs as usize;
            kinds_here.clear();
            while let Some(((position, kind), after)) =
                kinds.split_first().filter(|((position, _), _)| *position < refs.end as u32)
            {
                kinds_here.extend(position.checked_sub(row.refs).map(|position| (position, *kind)));
                kinds = after;
            }
            // Labels may be shorter than the references; the remaining ones have none.
            let labelled = refs.start.min(label_ids.len())..refs.end.min(label_ids.len());
            let object = Object {
                address: row.address,
                type_id: row.type_id,
                size: (row.size != Row::NO_NUMBER).then_some(row.size),
                len: (row.len != Row::NO_NUMBER).then_some(row.len),
                line: row.line,
                offset: row.offset,
                name: batch.name(row),
                value: batch.value(row),
                refcount: (row.refcount > 0).then_some(row.refcount),
                refs: &batch.refs[refs],
                label_ids: &label_ids[labelled],
                kinds: &kinds_here,
            };
            object.write(scratch);
        }
        Self {
            first_line: None,
            first_offset: 0,
            n_lines: batch.n_lines,
            roots: std::mem::take(&mut batch.roots),
            issues: std::mem::take(&mut batch.issues),
            fields: std::mem::take(&mut batch.fields),
            threads: Vec::new(),
            // A copy has exactly the memory that it needs.
            bytes: scratch.clone(),
            len: batch.rows.len(),
            n_refs: batch.rows.iter().map(|row| row.n_refs as usize).sum(),
            n_parents: batch.rows.iter().filter(|row| row.n_refs > 0).count(),
            labels: batch.labels.distinct_only(),
        }
    }

    /// The objects with these [`bytes`](Self::bytes) and [`labels`](Self::labels); `None` if they are not those of `len`
    /// objects.
    pub fn from_parts(bytes: Vec<u8>, labels: Labels, len: usize) -> Option<Self> {
        let mut records = Self { bytes, len, labels, ..Self::default() };
        let mut at = 0;
        for _ in 0..len {
            let record = records.decode(at)?;
            let (n_refs, n_bytes) = (record.refs.len(), record.bytes.len());
            records.n_refs += n_refs;
            records.n_parents += usize::from(n_refs > 0);
            at += n_bytes;
        }
        (at == records.bytes.len()).then_some(records)
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of references.
    pub fn n_refs(&self) -> usize {
        self.n_refs
    }

    /// Number of objects with references.
    pub fn n_parents(&self) -> usize {
        self.n_parents
    }

    /// The records, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Nothing; the memory of its bytes and labels stays for the next use.
    pub fn emptied(self) -> Self {
        let Self { mut bytes, mut labels, .. } = self;
        bytes.clear();
        labels.clear();
        Self { bytes, labels, ..Self::default() }
    }

    /// The [`bytes`](Self::bytes), without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The distinct labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.labels.memory()
    }

    /// Every object and the position that [`get`](Self::get) takes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Record<'_>)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let record = (at < self.bytes.len()).then(|| self.get(at))?;
            at += record.bytes.len();
            Some((at - record.bytes.len(), record))
        })
    }

    /// The object at a position.
    ///
    /// # Panics
    ///
    /// May panic where no object begins.
    #[inline]
    pub fn get(&self, position: usize) -> Record<'_> {
        self.decode(position).expect("an object begins here")
    }

    /// Prefetches the object at `position`. Call it for many positions before [`get`](Self::get), so that cache misses
    /// overlap; what it returns means nothing.
    #[inline]
    pub fn touch(&self, position: usize) -> u8 {
        // Most have their references after the first 64 bytes.
        self.bytes[position] ^ self.bytes[(position + 64).min(self.bytes.len() - 1)]
    }

    /// The type of the object at a position, and nothing else of it.
    ///
    /// # Panics
    ///
    /// May panic where no object begins.
    #[inline]
    pub fn type_id(&self, position: usize) -> TypeId {
        let bytes = self.bytes[position + TYPE_AT..].first_chunk();
        TypeId::from_le_bytes(*bytes.expect("an object begins here"))
    }

    /// Copies an object to the end.
    pub fn push(&mut self, record: &Record<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record.bytes);
        self.len += 1;
        self.n_refs += record.refs.len();
        self.n_parents += usize::from(!record.refs.is_empty());
        // Labels have other numbers here.
        let ids = start + record.bytes.len() - record.kinds.len() - record.label_ids.len();
        for position in 0..record.label_ids.len() / 4 {
            let id = record.label(position).map_or(Labels::NONE, |label| self.labels.intern(label));
            self.bytes[ids + 4 * position..][..4].copy_from_slice(&id.to_le_bytes());
        }
    }

    /// Copies an object to the end, but for its references.
    pub fn push_without_refs(&mut self, record: &Record<'_>) {
        let Record { address, type_id, size, len, line, offset, name, value, refcount, .. } = *record;
        let (refs, label_ids, kinds) = (&[][..], &[][..], &[][..]);
        let object = Object {
            address,
            type_id,
            size,
            len,
            line,
            offset,
            name,
            value,
            refcount,
            refs,
            label_ids,
            kinds,
        };
        object.write(&mut self.bytes);
        self.len += 1;
    }

    /// Hardly any branch depends on which fields the object has: the processor could not predict it.
    #[inline]
    fn decode(&self, position: usize) -> Option<Record<'_>> {
        let bytes = self.bytes.get(position..)?;
        let copy;
        let head = match bytes.first_chunk() {
            Some(head) => head,
            None => {
                copy = head_of(bytes);
                &copy
            }
        };
        let flags = word(head, 0) as u16;
        let (size_code, len_code) = (usize::from(flags & 3), usize::from(flags >> LEN_SHIFT & 3));
        let mut at = SIZE_AT;
        let size = word(head, at) & [0, 0xffff, 0xffff_ffff, u64::MAX][size_code];
        at += [0, 2, 4, 8][size_code];
        let len = word(head, at) & [0, 0xff, 0xffff_ffff, u64::MAX][len_code];
        at += [0, 1, 4, 8][len_code];
        let mut short = |flag: u16| {
            let is_there = flags & flag != 0;
            let number = if is_there { head[at] } else { 0 };
            at += usize::from(is_there);
            if number != LONG {
                return number.into();
            }
            at += 4;
            word(head, at - 4) as u32 as usize
        };
        let (name_len, value_len) = (short(HAS_NAME), short(HAS_VALUE));
        let refcount = short(HAS_REFCOUNT) as u32;
        let mut n_refs = usize::from(flags >> N_REFS_SHIFT);
        if n_refs == MANY_REFS {
            n_refs = word(head, at) as u32 as usize;
            at += 4;
        }
        let mut n_kinds = 0;
        if flags & HAS_KINDS != 0 {
            n_kinds = word(head, at) as u32 as usize;
            at += 4;
        }
        let width = usize::from(flags >> WIDTH_SHIFT & 3);
        let width = [Width::Near, Width::Six, Width::Eight, Width::Eight][width];
        let mut rest = bytes.get(at..)?;
        let name = part(&mut rest, name_len)?;
        let value = part(&mut rest, value_len)?;
        let refs = part(&mut rest, n_refs * width as usize)?;
        let label_ids = part(&mut rest, if flags & HAS_LABELS == 0 { 0 } else { 4 * n_refs })?;
        let kinds = part(&mut rest, KIND_BYTES * n_kinds)?;
        let address = word(head, ADDRESS_AT);
        Some(Record {
            address,
            type_id: word(head, TYPE_AT) as u32,
            size: (size_code > 0).then_some(size as i64),
            len: (len_code > 0).then_some(len as i64),
            name: (flags & HAS_NAME != 0).then_some(name),
            value: (flags & HAS_VALUE != 0).then_some(value),
            refcount: (refcount > 0).then_some(refcount),
            line: word(head, LINE_AT) as u32,
            offset: word(head, OFFSET_AT) as u32,
            refs: Refs { bytes: refs, width, address },
            label_ids,
            labels: &self.labels,
            kinds,
            bytes: &bytes[..bytes.len() - rest.len()],
        })
    }
}

/// Bytes of the position and the kind of a reference.
const KIND_BYTES: usize = 5;
/// Bytes that hold the fields of fixed size of any record, and what is read with the last of them.
const HEAD_BYTES: usize = 72;
/// Where fields of a record are.
const TYPE_AT: usize = 2;
const ADDRESS_AT: usize = 6;
const LINE_AT: usize = 14;
const OFFSET_AT: usize = 18;
const SIZE_AT: usize = 22;

/// The head of a record at the end of all bytes.
#[cold]
fn head_of(bytes: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..bytes.len()].copy_from_slice(bytes);
    head
}

/// Eight bytes of a head as a number.
#[inline]
fn word(head: &[u8; HEAD_BYTES], at: usize) -> u64 {
    head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl<'r> Record<'r> {
    /// Bytes of the record: the next one begins after them.
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether any of its references has a label.
    pub fn has_labels(&self) -> bool {
        !self.label_ids.is_empty()
    }

    /// The label of a reference.
    pub fn label(&self, position: usize) -> Option<&'r [u8]> {
        self.labels.distinct(self.label_number(position)?)
    }

    /// The number of a reference's label among the distinct labels of its block; [`Labels::NONE`] if it has none.
    pub fn label_number(&self, position: usize) -> Option<u32> {
        self.label_ids.get(4 * position..)?.first_chunk().map(|id| u32::from_le_bytes(*id))
    }

    /// The references that the dump says are not strong: their positions, ascending, and kinds.
    pub fn kinds(&self) -> impl Iterator<Item = (u32, EdgeKind)> + use<'r> {
        self.kinds.as_chunks::<KIND_BYTES>().0.iter().map(|[a, b, c, d, kind]| {
            (u32::from_le_bytes([*a, *b, *c, *d]), EdgeKind::of_number(*kind).unwrap_or_default())
        })
    }

    /// Whether both have the same fields, wherever they are.
    pub fn same_object(&self, other: &Self) -> bool {
        let labels = |record: &Self| (0..record.refs.len()).map(|i| record.label(i)).collect::<Vec<_>>();
        (self.address, self.type_id, self.size, self.len, self.refcount)
            == (other.address, other.type_id, other.size, other.len, other.refcount)
            && (self.name, self.value, self.kinds) == (other.name, other.value, other.kinds)
            && self.refs.iter().eq(other.refs.iter())
            && labels(self) == labels(other)
    }
}

impl Refs<'_> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Those from `start` on, at most `n`.
    #[inline]
    pub fn part(&self, start: usize, n: usize) -> Self {
        let width = self.width as usize;
        let end = self.len().min(start.saturating_add(n));
        Self { bytes: &self.bytes[start * width..end * width], ..*self }
    }

    /// Appends them to a list.
    #[inline]
    pub fn append_to(&self, to: &mut Vec<u64>) {
        match self.width {
            Width::Near => to.extend(self.bytes.as_chunks().0.iter().map(|bytes| near(self.address, *bytes))),
            Width::Six => to.extend(self.bytes.as_chunks().0.iter().map(|bytes| six(*bytes))),
            Width::Eight => {
                to.extend(self.bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let mut all = Vec::new();
        self.append_to(&mut all);
        all.into_iter()
    }
}

#[inline]
fn near(address: u64, bytes: [u8; 4]) -> u64 {
    let units = i64::from(i32::from_le_bytes(bytes));
    address.wrapping_add((units << 3) as u64)
}

#[inline]
fn six([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// The fields of a record that is about to be written.
struct Object<'o> {
    address: u64,
    type_id: TypeId,
    size: Option<i64>,
    len: Option<i64>,
    line: u32,
    offset: u32,
    name: Option<&'o [u8]>,
    value: Option<&'o [u8]>,
    refcount: Option<u32>,
    refs: &'o [u64],
    /// May be shorter than the references.
    label_ids: &'o [u32],
    /// Positions and kinds of those that are not strong.
    kinds: &'o [(u32, EdgeKind)],
}

impl Object<'_> {
    #[inline]
    fn write(&self, to: &mut Vec<u8>) {
        let width = Width::of(self.refs, self.address);
        let mut flags = width.flags();
        let mut head = Head::default();
        head.put(flags.to_le_bytes(), 0);
        head.put(self.type_id.to_le_bytes(), 0);
        head.put(self.address.to_le_bytes(), 0);
        head.put(self.line.to_le_bytes(), 0);
        head.put(self.offset.to_le_bytes(), 0);
        flags |= match self.size.map(|size| (u16::try_from(size), u32::try_from(size), size)) {
            None => 0,
            Some((Ok(size), ..)) => head.put(size.to_le_bytes(), 1),
            Some((_, Ok(size), _)) => head.put(size.to_le_bytes(), 2),
            Some((.., size)) => head.put(size.to_le_bytes(), 3),
        };
        flags |= match self.len.map(|len| (u8::try_from(len), u32::try_from(len), len)) {
            None => 0,
            Some((Ok(len), ..)) => head.put(len.to_le_bytes(), 1),
            Some((_, Ok(len), _)) => head.put(len.to_le_bytes(), 2),
            Some((.., len)) => head.put(len.to_le_bytes(), 3),
        } << LEN_SHIFT;
        flags |= self.name.map_or(0, |name| head.put_short(name.len(), HAS_NAME));
        flags |= self.value.map_or(0, |value| head.put_short(value.len(), HAS_VALUE));
        flags |= self.refcount.map_or(0, |count| head.put_short(count as usize, HAS_REFCOUNT));
        flags |= match self.refs.len() {
            few if few < MANY_REFS => (few as u16) << N_REFS_SHIFT,
            many => head.put((many as u32).to_le_bytes(), (MANY_REFS as u16) << N_REFS_SHIFT),
        };
        if !self.kinds.is_empty() {
            flags |= head.put((self.kinds.len() as u32).to_le_bytes(), HAS_KINDS);
        }
        let has_labels = self.label_ids.iter().any(|id| *id != Labels::NONE);
        flags |= if has_labels { HAS_LABELS } else { 0 };
        head.bytes[..2].copy_from_slice(&flags.to_le_bytes());
        to.extend_from_slice(&head.bytes[..head.len]);
        to.extend_from_slice(self.name.unwrap_or_default());
        to.extend_from_slice(self.value.unwrap_or_default());
        match width {
            Width::Near => self.refs.iter().for_each(|reference| {
                let units = (reference.wrapping_sub(self.address) as i64 >> 3) as i32;
                to.extend_from_slice(&units.to_le_bytes());
            }),
            Width::Six => {
                self.refs.iter().for_each(|reference| to.extend_from_slice(&reference.to_le_bytes()[..6]));
            }
            Width::Eight => {
                self.refs.iter().for_each(|reference| to.extend_from_slice(&reference.to_le_bytes()));
            }
        }
        if has_labels {
            let missing = self.refs.len() - self.label_ids.len();
            let ids = self.label_ids.iter().chain(std::iter::repeat_n(&Labels::NONE, missing));
            ids.for_each(|id| to.extend_from_slice(&id.to_le_bytes()));
        }
        for (position, kind) in self.kinds {
            to.extend_from_slice(&position.to_le_bytes());
            to.push(*kind as u8);
        }
    }
}

/// The fields of fixed size of a record that is being written.
struct Head {
    bytes: [u8; Self::MAX_BYTES],
    len: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX_BYTES], len: 0 }
    }
}

impl Head {
    const MAX_BYTES: usize = 2 + 4 + 8 + 4 + 4 + 8 + 8 + 5 + 5 + 5 + 4 + 4;

    /// Appends bytes; returns the flags that say so.
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N], flags: u16) -> u16 {
        self.bytes[self.len..][..N].copy_from_slice(&bytes);
        self.len += N;
        flags
    }

    /// A number that mostly is small.
    #[inline]
    fn put_short(&mut self, number: usize, flags: u16) -> u16 {
        match u8::try_from(number) {
            Ok(short) if short != LONG => self.put([short], flags),
            _ => {
                self.put([LONG], 0);
                self.put((number as u32).to_le_bytes(), flags)
            }
        }
    }
}

/// What stands before a number that is not short.
const LONG: u8 = u8::MAX;

#[inline]
fn part<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (first, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TypeTable, meliae::parse_columns};

    /// An object as text, from the columns that the parser filled.
    fn of_row(batch: &Batch, row: &Row) -> String {
        let positions = row.refs as usize..row.refs as usize + row.n_refs as usize;
        let labels: Vec<_> = positions.clone().map(|position| batch.labels.get(position)).collect();
        let kinds = batch.kinds.iter().map(|(position, kind)| (*position as usize, *kind));
        let kinds = kinds.filter(|(position, _)| positions.contains(position));
        let kinds: Vec<_> = kinds.map(|(position, kind)| (position - positions.start, kind)).collect();
        let (name, value, refs) = (batch.name(row), batch.value(row), &batch.refs[positions]);
        let Row { address, type_id, line, offset, refcount, .. } = row;
        let [size, len] = [row.size, row.len].map(|n| (n != Row::NO_NUMBER).then_some(n));
        format!(
            "{address} {size:?} {len:?} {type_id} {line} {offset} {name:?} {value:?} {refs:?} {labels:?} {kinds:?} {refcount}"
        )
    }

    /// The same of a record.
    fn of_record(record: &Record<'_>) -> String {
        let labels: Vec<_> = (0..record.refs.len()).map(|position| record.label(position)).collect();
        let (kinds, refs): (Vec<_>, Vec<u64>) = (record.kinds().collect(), record.refs.iter().collect());
        let Record { address, size, len, type_id, line, offset, name, value, .. } = record;
        let refcount = record.refcount.unwrap_or(0);
        format!(
            "{address} {size:?} {len:?} {type_id} {line} {offset} {name:?} {value:?} {refs:?} {labels:?} {kinds:?} {refcount}"
        )
    }

    /// Objects with every width of every field.
    fn lines() -> String {
        let mut lines = String::new();
        let numbers =
            ["0", "255", "256", "65535", "65536", "4294967295", "4294967296", "9223372036854775807"];
        for (i, number) in numbers.iter().enumerate() {
            for base in [0, 0x7f00_0000_0000, u64::MAX - 7] {
                let address = base + i as u64 % 7;
                let near: Vec<u64> = (0..60 + i as u64).map(|k| address.wrapping_add(8 * k)).collect();
                for (k, refs) in [
                    vec![],
                    vec![address],
                    vec![address.wrapping_add(4)],
                    vec![address.wrapping_add(8 * i32::MAX as u64), address.wrapping_sub(8 << 31)],
                    vec![address.wrapping_add(8 << 31)],
                    vec![0, (1 << 48) - 1],
                    vec![1 << 48, u64::MAX],
                    near,
                ]
                .into_iter()
                .enumerate()
                {
                    let size = if k == 1 { "-1" } else { number };
                    let mut line = format!(r#"{{"address": {address}, "type": "t{i}", "size": {size}"#);
                    if k != 2 {
                        line += &format!(r#", "len": {number}"#);
                    }
                    let text = "x".repeat([0, 1, 254, 255, 256, 70_000][(i + k) % 6]);
                    if k % 3 > 0 {
                        line += &format!(r#", "name": "{text}""#);
                    }
                    if k % 4 > 1 {
                        line += &format!(r#", "value": "{text}""#);
                    }
                    line += &format!(r#", "refs": {refs:?}"#);
                    if i % 3 == 1 {
                        let labels: Vec<_> = (0..refs.len()).map(|r| format!("\".{}\"", r % 5)).collect();
                        line += &format!(r#", "labels": [{}]"#, labels.join(", ").replace("\".4\"", "null"));
                    }
                    if i % 3 > 0 && !refs.is_empty() {
                        line += &format!(r#", "weak": [{}]"#, refs.len() - 1);
                    }
                    if let Some(count) =
                        [0, 1, 254, 255, 256, u32::MAX].get((2 * i + k) % 9).filter(|n| **n > 0)
                    {
                        line += &format!(r#", "refcount": {count}"#);
                    }
                    lines += &format!("{line}}}\n");
                }
            }
        }
        lines
    }

    #[test]
    fn records_have_what_the_columns_have() {
        let mut batch = parse_columns(lines().as_bytes(), &TypeTable::default());
        assert_eq!(batch.rows.len(), 192);
        let expected: Vec<String> = batch.rows.iter().map(|row| of_row(&batch, row)).collect();
        let records = Records::pack(&mut batch, &mut vec![1, 2, 3]);
        let found: Vec<String> = records.iter().map(|(_, record)| of_record(&record)).collect();
        assert_eq!(found, expected);
        let n_refs: usize = records.iter().map(|(_, record)| record.refs.len()).sum();
        assert_eq!((records.len(), records.n_refs()), (192, n_refs));
        let n_parents = records.iter().filter(|(_, record)| !record.refs.is_empty()).count();
        assert_eq!(records.n_parents(), n_parents);
        for (position, record) in records.iter() {
            assert_eq!(of_record(&records.get(position)), of_record(&record));
            let refs: Vec<u64> = record.refs.iter().collect();
            let parts = [record.refs.part(0, 3), record.refs.part(3.min(refs.len()), usize::MAX)];
            assert_eq!(parts.iter().flat_map(Refs::iter).collect::<Vec<_>>(), refs);
        }
    }

    #[test]
    fn copies_are_the_same_objects() {
        let mut batch = parse_columns(lines().as_bytes(), &TypeTable::default());
        let records = Records::pack(&mut batch, &mut Vec::new());
        let (mut copies, mut bare) = (Records::default(), Records::default());
        let mut backwards: Vec<_> = records.iter().map(|(_, record)| record).collect();
        backwards.reverse();
        for record in &backwards {
            copies.push(record);
            bare.push_without_refs(record);
        }
        let read =
            Records::from_parts(copies.bytes().to_vec(), copies.labels().distinct_only(), copies.len());
        for copies in [copies, read.expect("these are whole")] {
            assert_eq!((copies.len(), copies.n_refs()), (records.len(), records.n_refs()));
            for ((_, copy), record) in copies.iter().zip(&backwards) {
                assert_eq!(of_record(&copy), of_record(record));
                assert!(copy.same_object(record));
            }
        }
        for ((_, copy), record) in bare.iter().zip(&backwards) {
            let with = |record: &Record<'_>| {
                (record.address, record.size, record.len, record.name.map(<[u8]>::to_vec), record.line)
            };
            assert_eq!(with(&copy), with(record));
            assert!(copy.refs.is_empty() && copy.kinds().next().is_none() && !copy.has_labels());
        }
        assert_eq!(bare.n_refs(), 0);
    }

    #[test]
    fn bytes_that_are_no_records_are_refused() {
        let mut batch = parse_columns(lines().as_bytes(), &TypeTable::default());
        let records = Records::pack(&mut batch, &mut Vec::new());
        let (bytes, labels) = (records.bytes(), records.labels());
        let whole =
            |bytes: &[u8], len| Records::from_parts(bytes.to_vec(), labels.distinct_only(), len).is_some();
        assert!(whole(bytes, records.len()));
        assert!(!whole(bytes, records.len() - 1) && !whole(bytes, records.len() + 1));
        let starts: Vec<usize> = records.iter().map(|(position, _)| position).collect();
        for cut in (0..bytes.len()).step_by(997) {
            let n = starts.partition_point(|start| *start < cut);
            assert_eq!(whole(&bytes[..cut], n), starts.contains(&cut) || cut == 0, "{cut}");
        }
    }
}
