//! Rows of batches to Arrow arrays, in a given order.
//!
//! Rows lie all over the memory. They are fetched some thousands at a time, first the rows and then their texts or
//! references, so that the processor waits for many of them at once.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{
        ArrayRef, DictionaryArray, Int32Array, Int64Array, LargeStringArray, NullBufferBuilder, StringArray,
        UInt32Array, UInt64Array, new_null_array,
    },
    buffer::{OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Int32Type},
    error::ArrowError,
};
use heaplake_model::schema;
use heaplake_readers::{Batch, Labels, Row, TypeId};

use super::order::RowRef;
use crate::{
    TypeStat,
    addresses::{AddressSet, Marks},
    index::{ObjIndex, null_columns},
};

/// A stretch of rows in their final order.
pub(super) struct Stretch<'s> {
    pub(super) batches: &'s [Batch],
    pub(super) rows: &'s [RowRef],
}

const FETCH: usize = 2048;

impl<'s> Stretch<'s> {
    /// Calls `each` with the rows and their batches, some at a time.
    fn fetch(&self, mut each: impl FnMut(&[(&'s Batch, Row)])) {
        let mut fetched = Vec::with_capacity(FETCH);
        for rows in self.rows.chunks(FETCH) {
            fetched.clear();
            fetched.extend(rows.iter().map(|row| {
                let (batch, row) = row.of(self.batches, 0);
                (batch, *row)
            }));
            each(&fetched);
        }
    }
}

/// The columns of `obj`, of one row group.
#[derive(Default)]
pub(super) struct ObjColumns {
    address: Vec<u64>,
    types: TypeRuns,
    name: Texts,
    value: Texts,
    size: Numbers,
    len: Numbers,
}

/// Rows of one row group end where their text reaches this many bytes.
const MAX_TEXT: usize = 64 << 20;

impl ObjColumns {
    /// The row groups of a stretch, usually one, and the totals of its types.
    pub(super) fn of(stretch: &Stretch<'_>) -> (Vec<Self>, Vec<(TypeId, TypeTotals)>) {
        let mut groups = Vec::new();
        let mut totals: Vec<(TypeId, TypeTotals)> = Vec::new();
        let mut group = Self::default();
        stretch.fetch(|rows| {
            for (batch, row) in rows {
                match totals.last_mut() {
                    Some((type_id, total)) if *type_id == row.type_id => total.add(row),
                    _ => totals.push((row.type_id, TypeTotals::of(row))),
                }
                group.push(batch, row);
                if group.value.bytes.len() + group.name.bytes.len() > MAX_TEXT {
                    groups.push(std::mem::take(&mut group));
                }
            }
        });
        if !group.address.is_empty() {
            groups.push(group);
        }
        (groups, totals)
    }

    fn push(&mut self, batch: &Batch, row: &Row) {
        self.address.push(row.address);
        self.types.push(row.type_id);
        self.name.push(batch.name(row));
        self.value.push(batch.value(row));
        self.size.push(row.size);
        self.len.push(row.len);
    }

    /// The arrays, in the order of the schema.
    pub(super) fn arrays(
        self,
        names: &[Box<str>],
        index: Option<&ObjIndex<'_>>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let from_index = match index {
            Some(index) => index.columns(&self.address),
            None => null_columns(self.address.len()),
        };
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.address)),
            self.types.array(names)?,
            self.name.array()?,
            self.value.array()?,
            self.size.array(),
            self.len.array(),
        ];
        arrays.extend(from_index);
        Ok(arrays)
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
    fn of(row: &Row) -> Self {
        let mut totals = Self::default();
        totals.add(row);
        totals
    }

    fn add(&mut self, row: &Row) {
        let size = (row.size != Row::NO_NUMBER).then_some(row.size);
        self.merge(Self { count: 1, size: size.unwrap_or(0), max_size: size });
    }

    /// Adds other totals; a sum that does not fit stays at the largest number.
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

/// The column `type`: rows come clustered, so keys of a small dictionary.
#[derive(Default)]
struct TypeRuns {
    keys: Vec<i32>,
    types: Vec<TypeId>,
}

impl TypeRuns {
    #[inline]
    fn push(&mut self, type_id: TypeId) {
        if self.types.last() != Some(&type_id) {
            self.types.push(type_id);
        }
        self.keys.push(self.types.len() as i32 - 1);
    }

    fn array(self, names: &[Box<str>]) -> Result<ArrayRef, ArrowError> {
        let values = StringArray::from_iter_values(self.types.iter().map(|&id| &names[id as usize]));
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(self.keys.into(), Arc::new(values))?))
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

/// A column of numbers of which some are missing.
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
    fn push(&mut self, number: i64) {
        let known = number != Row::NO_NUMBER;
        self.values.push(if known { number } else { 0 });
        self.nulls.append(known);
    }

    fn array(mut self) -> ArrayRef {
        Arc::new(Int64Array::new(self.values.into(), self.nulls.finish()))
    }
}

/// Which objects the references that one thread has seen lead to.
pub(super) struct Referred<'r> {
    addresses: &'r AddressSet,
    /// The objects.
    pub(super) marks: Marks,
    /// References that lead to none.
    pub(super) dangling: u64,
}

impl<'r> Referred<'r> {
    pub(super) fn new(addresses: &'r AddressSet) -> Self {
        Self { addresses, marks: Marks::new(addresses), dangling: 0 }
    }

    #[inline]
    fn note(&mut self, children: &[u64], is_weak: bool) {
        for &child in children {
            let found = if is_weak {
                self.addresses.contains(child)
            } else {
                self.addresses.mark(child, &mut self.marks)
            };
            self.dangling += u64::from(!found);
        }
    }

    /// The same where some references of an object are weak, `weak` saying which positions.
    fn note_some_weak(&mut self, children: &[u64], first_idx: usize, weak: &[u32]) {
        for (place, child) in children.iter().enumerate() {
            let is_weak = weak.binary_search(&((first_idx + place) as u32)).is_ok();
            self.note(std::slice::from_ref(child), is_weak);
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
    /// Rows of weak references.
    weak: Vec<Range<usize>>,
}

/// Names of the kinds, by key.
const KINDS: [&str; 2] = [schema::STRONG, schema::WEAK];
const WEAK_KEY: i32 = 1;

impl EdgeColumns {
    /// The row groups of a stretch, of at most `max_rows` rows. `is_weak` says by type id whose references are weak.
    /// Notes what is referred to, if somebody wants to know.
    pub(super) fn of(
        stretch: &Stretch<'_>,
        max_rows: usize,
        is_weak: &[bool],
        mut referred: Option<&mut Referred<'_>>,
    ) -> Vec<Self> {
        let mut groups = Vec::new();
        let mut group = Self::default();
        stretch.fetch(|rows| {
            for (batch, row) in rows {
                let mut done = 0;
                let refs = batch.refs(row);
                let is_weak = is_weak[row.type_id as usize];
                let weak: Vec<u32> =
                    if batch.weak.is_empty() { Vec::new() } else { batch.weak(row).collect() };
                while done < refs.len() {
                    let part = &refs[done..refs.len().min(done + max_rows - group.child.len())];
                    group.push(row.address, done, part, is_weak);
                    group.push_labels(batch, row, done, part.len());
                    group.push_weak(done, part.len(), &weak);
                    match &mut referred {
                        Some(referred) if weak.is_empty() => referred.note(part, is_weak),
                        Some(referred) => referred.note_some_weak(part, done, &weak),
                        None => {}
                    }
                    done += part.len();
                    if group.child.len() == max_rows || group.labels.text_len() > MAX_TEXT {
                        groups.push(std::mem::take(&mut group));
                    }
                }
            }
        });
        if !group.child.is_empty() {
            groups.push(group);
        }
        groups
    }

    #[inline]
    fn push(&mut self, parent: u64, first_idx: usize, children: &[u64], is_weak: bool) {
        if is_weak {
            self.weak.push(self.child.len()..self.child.len() + children.len());
        }
        self.parent.resize(self.parent.len() + children.len(), parent);
        self.child.extend_from_slice(children);
        self.idx.extend(first_idx as u32..(first_idx + children.len()) as u32);
    }

    /// Takes the labels of the last `n` references, which are those of a row from `first_idx` on.
    #[inline]
    fn push_labels(&mut self, batch: &Batch, row: &Row, first_idx: usize, n: usize) {
        if batch.labels.is_empty() {
            return;
        }
        let start = self.child.len() - n;
        for place in 0..n {
            if let Some(label) = batch.labels.get(row.refs as usize + first_idx + place) {
                self.labels.set(start + place, label);
            }
        }
    }

    /// Notes which of the last `n` references, those of a row from `first_idx` on, are weak by themselves.
    fn push_weak(&mut self, first_idx: usize, n: usize, weak: &[u32]) {
        let start = self.child.len() - n;
        let here = weak.iter().filter_map(|place| (*place as usize).checked_sub(first_idx));
        self.weak.extend(here.filter(|place| *place < n).map(|place| start + place..start + place + 1));
    }

    /// The arrays, in the order of the schema.
    pub(super) fn arrays(self) -> Result<Vec<ArrayRef>, ArrowError> {
        let n_rows = self.child.len();
        let labels = label_array(&self.labels, n_rows)?;
        let mut kinds = vec![0; n_rows];
        self.weak.into_iter().for_each(|rows| kinds[rows].fill(WEAK_KEY));
        Ok(vec![
            Arc::new(UInt64Array::from(self.parent)),
            Arc::new(UInt64Array::from(self.child)),
            Arc::new(UInt32Array::from(self.idx)),
            labels,
            Arc::new(DictionaryArray::<Int32Type>::try_new(
                kinds.into(),
                Arc::new(StringArray::from_iter_values(KINDS)),
            )?),
        ])
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

/// The columns of `root`.
pub(crate) fn roots<'k>(roots: impl Iterator<Item = (u64, &'k str)>) -> Vec<ArrayRef> {
    let (addresses, kinds): (Vec<u64>, Vec<&str>) = roots.unzip();
    vec![Arc::new(UInt64Array::from(addresses)), Arc::new(StringArray::from(kinds))]
}
