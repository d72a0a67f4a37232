//! Objects to Arrow arrays, in a given order.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{
        ArrayRef, DictionaryArray, Int32Array, Int64Array, LargeStringArray, NullBufferBuilder, UInt32Array,
        UInt64Array, new_null_array,
    },
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Int32Type},
    error::ArrowError,
};
use heaplake_model::EdgeKind;
use heaplake_readers::{Labels, Record, Records, Refs, TypeId};

use super::order::{self, RowRef};
use crate::{
    TypeStat,
    addresses::{AddressSet, Marks},
    index::{ObjIndex, null_columns},
    parquet_file::Column,
    text_runs::TextRuns,
};

/// Consecutive objects of the final order.
pub(super) struct Stretch<'s> {
    pub(super) blocks: &'s [Records],
    pub(super) rows: &'s [RowRef],
}

/// The columns of `obj`, of one row group.
#[derive(Default)]
pub(super) struct ObjColumns {
    address: Vec<u64>,
    types: Vec<(TypeId, usize)>,
    name: Texts,
    value: Texts,
    size: Numbers,
    len: Numbers,
    refcount: Numbers,
}

/// A row group ends when its texts reach this many bytes.
const MAX_TEXT: usize = 64 << 20;

impl ObjColumns {
    /// The row groups of a stretch, usually one, and the totals of its types.
    pub(super) fn of(stretch: &Stretch<'_>) -> (Vec<Self>, Vec<(TypeId, TypeTotals)>) {
        let mut groups = Vec::new();
        let mut totals: Vec<(TypeId, TypeTotals)> = Vec::new();
        let mut group = Self::default();
        order::fetch(stretch.blocks, 0, stretch.rows, |_, record| {
            match totals.last_mut() {
                Some((type_id, total)) if *type_id == record.type_id => total.add(&record),
                _ => totals.push((record.type_id, TypeTotals::of(&record))),
            }
            group.push(&record);
            if group.value.bytes.len() + group.name.bytes.len() > MAX_TEXT {
                groups.push(std::mem::take(&mut group));
            }
        });
        if !group.address.is_empty() {
            groups.push(group);
        }
        (groups, totals)
    }

    #[inline]
    fn push(&mut self, record: &Record<'_>) {
        self.address.push(record.address);
        match self.types.last_mut() {
            Some((type_id, n)) if *type_id == record.type_id => *n += 1,
            _ => self.types.push((record.type_id, 1)),
        }
        self.name.push(record.name);
        self.value.push(record.value);
        self.size.push(record.size);
        self.len.push(record.len);
        self.refcount.push(record.refcount.map(i64::from));
    }

    /// The columns, in the order of the schema.
    pub(super) fn columns(
        self,
        names: &[Box<str>],
        index: Option<&ObjIndex<'_>>,
    ) -> Result<Vec<Column>, ArrowError> {
        let refcount = self.refcount.array();
        let from_index = match index {
            Some(index) => index.columns(&self.address, &refcount),
            None => null_columns(self.address.len()),
        };
        let types = self.types.iter().map(|(id, _)| names[*id as usize].clone()).collect();
        let runs = self.types.iter().zip(0..).map(|((_, n), text)| (text, *n)).collect();
        let address: ArrayRef = Arc::new(UInt64Array::from(self.address));
        let mut columns = vec![address.into(), Column::Runs(TextRuns::new(types, runs))];
        let texts = [self.name.array()?, self.value.array()?];
        let numbers = [self.size.array(), self.len.array(), refcount];
        let arrays = texts.into_iter().chain(numbers.map(|numbers| Arc::new(numbers) as ArrayRef));
        columns.extend(arrays.chain(from_index).map(Column::from));
        Ok(columns)
    }
}

/// Totals of one type.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TypeTotals {
    count: u64,
    size: i64,
    max_size: Option<i64>,
}

impl TypeTotals {
    fn of(record: &Record<'_>) -> Self {
        let mut totals = Self::default();
        totals.add(record);
        totals
    }

    fn add(&mut self, record: &Record<'_>) {
        self.merge(Self { count: 1, size: record.size.unwrap_or(0), max_size: record.size });
    }

    /// Adds other totals. A sum that does not fit becomes the largest number.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.size = self.size.saturating_add(other.size);
        self.max_size = self.max_size.max(other.max_size);
    }

    pub(super) fn stat(self, name: &str) -> TypeStat {
        TypeStat {
            name: name.to_owned(),
            count: self.count,
            size: self.size,
            max_size: self.max_size,
            retained: None,
        }
    }
}

/// A column of texts.
struct Texts {
    bytes: Vec<u8>,
    offsets: Vec<i64>,
    nulls: NullBufferBuilder,
}

impl Default for Texts {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }
}

impl Texts {
    #[inline]
    fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.offsets.push(self.bytes.len() as i64);
        self.nulls.append(text.is_some());
    }

    fn array(mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let nulls = self.nulls.finish();
        Ok(Arc::new(LargeStringArray::try_new(offsets, self.bytes.into(), nulls)?))
    }
}

/// A column of numbers with nulls.
struct Numbers {
    values: Vec<i64>,
    nulls: NullBufferBuilder,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl Numbers {
    #[inline]
    fn push(&mut self, number: Option<i64>) {
        self.values.push(number.unwrap_or(0));
        self.nulls.append(number.is_some());
    }

    fn array(mut self) -> Int64Array {
        Int64Array::new(self.values.into(), self.nulls.finish())
    }
}

/// The objects that the references seen by one thread lead to.
pub(super) struct ReferenceMarks<'r> {
    addresses: &'r AddressSet,
    /// A mark for each of these objects.
    pub(super) marks: Marks,
    /// Number of references to objects that were never dumped.
    pub(super) dangling: u64,
}

impl<'r> ReferenceMarks<'r> {
    pub(super) fn new(addresses: &'r AddressSet) -> Self {
        Self { addresses, marks: Marks::new(addresses), dangling: 0 }
    }

    /// Marks the children of strong references.
    fn note(&mut self, children: &[u64]) {
        let known = self.addresses.mark_all(children, &mut self.marks);
        self.dangling += (children.len() - known) as u64;
    }

    /// Marks the children of an object, from the reference at `first_idx` on, except those of weak references.
    fn note_some_weak(&mut self, children: &[u64], first_idx: usize, is_weak: impl Fn(usize) -> bool) {
        for (child, position) in children.iter().zip(first_idx..) {
            let found = if is_weak(position) {
                self.addresses.contains(*child)
            } else {
                self.addresses.mark(*child, &mut self.marks)
            };
            self.dangling += u64::from(!found);
        }
    }
}

/// The columns of `edge`, of one row group.
#[derive(Default)]
pub(super) struct EdgeColumns {
    parent: Vec<u64>,
    child: Vec<u64>,
    idx: Vec<u32>,
    labels: Labels,
    /// Ranges of rows of references that are not strong, ascending and disjoint, and their kinds.
    kinds: Vec<(Range<usize>, EdgeKind)>,
}

/// References whose children are marked together.
const NOTED: usize = 4096;

/// Whether the reference at a position is of a kind that keeps nothing alive.
fn keeps_nothing_alive(kinds: &[(u32, EdgeKind)], position: usize) -> bool {
    let found = kinds.binary_search_by_key(&(position as u32), |(position, _)| *position);
    found.is_ok_and(|at| !kinds[at].1.keeps_alive())
}

impl EdgeColumns {
    /// The row groups of a stretch, of at most `max_rows` rows. `is_weak` says by type id whose references are weak.
    /// Marks the children in `referred`, if it is given.
    pub(super) fn of(
        stretch: &Stretch<'_>,
        max_rows: usize,
        is_weak: &[bool],
        mut referred: Option<&mut ReferenceMarks<'_>>,
    ) -> Vec<Self> {
        let empty = || Self::with_capacity(max_rows.min(4 * stretch.rows.len()));
        let (mut groups, mut group) = (Vec::new(), empty());
        // The children of references before this one are marked.
        let mut noted = 0;
        order::fetch(stretch.blocks, 0, stretch.rows, |_, record| {
            let is_weak = is_weak[record.type_id as usize];
            let kinds: Vec<(u32, EdgeKind)> = record.kinds().collect();
            let mut done = 0;
            while done < record.refs.len() {
                let part = record.refs.part(done, max_rows - group.child.len());
                let start = group.child.len();
                group.push(record.address, done, &part, is_weak);
                group.push_labels(&record, done, part.len());
                if !is_weak {
                    group.push_kinds(done, part.len(), &kinds);
                }
                done += part.len();
                let is_full = group.child.len() == max_rows || group.labels.text_len() > MAX_TEXT;
                if let Some(referred) = &mut referred {
                    let is_any_weak = is_weak || !kinds.is_empty();
                    if is_any_weak {
                        referred.note(&group.child[noted..start]);
                        let is_weak = |position: usize| is_weak || keeps_nothing_alive(&kinds, position);
                        referred.note_some_weak(&group.child[start..], done - part.len(), is_weak);
                        noted = group.child.len();
                    } else if is_full || group.child.len() - noted > NOTED {
                        referred.note(&group.child[noted..]);
                        noted = group.child.len();
                    }
                }
                if is_full {
                    groups.push(std::mem::replace(&mut group, empty()));
                    noted = 0;
                }
            }
        });
        if let Some(referred) = referred {
            referred.note(&group.child[noted..]);
        }
        if !group.child.is_empty() {
            groups.push(group);
        }
        groups
    }

    /// Columns without rows, and with room for `n_rows`.
    fn with_capacity(n_rows: usize) -> Self {
        Self {
            parent: Vec::with_capacity(n_rows),
            child: Vec::with_capacity(n_rows),
            idx: Vec::with_capacity(n_rows),
            ..Self::default()
        }
    }

    /// Adds references of an object, from the one at `first_idx` on.
    #[inline]
    fn push(&mut self, parent: u64, first_idx: usize, children: &Refs<'_>, is_weak: bool) {
        let start = self.child.len();
        children.append_to(&mut self.child);
        if is_weak {
            self.kinds.push((start..self.child.len(), EdgeKind::Weak));
        }
        self.parent.resize(self.child.len(), parent);
        self.idx.extend(first_idx as u32..(first_idx + children.len()) as u32);
    }

    /// Adds the labels of the last `n` references, which are those of an object from `first_idx` on.
    #[inline]
    fn push_labels(&mut self, record: &Record<'_>, first_idx: usize, n: usize) {
        if !record.has_labels() {
            return;
        }
        let start = self.child.len() - n;
        for position in 0..n {
            if let Some(label) = record.label(first_idx + position) {
                self.labels.set(start + position, label);
            }
        }
    }

    /// Adds the kinds of the last `n` references, which are those of an object from `first_idx` on.
    fn push_kinds(&mut self, first_idx: usize, n: usize, kinds: &[(u32, EdgeKind)]) {
        let start = self.child.len() - n;
        let before = |end: usize| kinds.partition_point(|(position, _)| (*position as usize) < end);
        for (position, kind) in &kinds[before(first_idx)..before(first_idx + n)] {
            let row = start + *position as usize - first_idx;
            self.kinds.push((row..row + 1, *kind));
        }
    }

    /// The columns, in the order of the schema.
    pub(super) fn columns(self) -> Result<Vec<Column>, ArrowError> {
        let n_rows = self.child.len();
        let labels = label_array(&self.labels, n_rows)?;
        let mut kinds = Vec::new();
        let mut done = 0;
        for (rows, kind) in self.kinds {
            kinds.extend([(EdgeKind::Strong as u32, rows.start - done), (kind as u32, rows.len())]);
            done = rows.end;
        }
        kinds.push((EdgeKind::Strong as u32, n_rows - done));
        kinds.retain(|(_, n)| *n > 0);
        let parent: ArrayRef = Arc::new(UInt64Array::from(self.parent));
        let child: ArrayRef = Arc::new(UInt64Array::from(self.child));
        let idx: ArrayRef = Arc::new(UInt32Array::from(self.idx));
        // The dictionary of a row group contains the kinds up to the last one that it needs.
        let n_kinds = kinds.iter().map(|(kind, _)| *kind as usize + 1).max().unwrap_or(0).max(2);
        let names = EdgeKind::ALL[..n_kinds].iter().map(|kind| kind.name().into()).collect();
        let kinds = TextRuns::new(names, kinds);
        Ok(vec![parent.into(), child.into(), idx.into(), labels.into(), Column::Runs(kinds)])
    }
}

/// The column `label`. Offsets of 64 bits, because one object may have gigabytes of labels.
fn label_array(labels: &Labels, n_rows: usize) -> Result<ArrayRef, ArrowError> {
    if labels.is_empty() {
        return Ok(new_null_array(&DataType::Utf8, n_rows));
    }
    let (ids, text, ends) = labels.parts();
    let known = ids.iter().map(|id| (*id != Labels::NONE).then_some(*id as i32));
    let keys: Int32Array = known.chain(std::iter::repeat(None)).take(n_rows).collect();
    let offsets = std::iter::once(0).chain(ends.iter().map(|end| i64::from(*end))).collect::<Vec<_>>();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let distinct = LargeStringArray::try_new(offsets, text.to_vec().into(), None)?;
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(distinct))?))
}
