//! What a reader hands over: the objects of one block of input.

use heaplake_model::Issue;

use crate::{Labels, TypeId, capture::Mark};

/// One object, fixed width, as columns of a row; texts and references lie in the batch.
///
/// 56 bytes, so that a row is fetched by one or two cache lines when the rows are gathered in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Row {
    /// Address in the process.
    pub address: u64,
    /// Shallow size in bytes, or [`Row::NO_NUMBER`].
    pub size: i64,
    /// Number of items, or [`Row::NO_NUMBER`].
    pub len: i64,
    /// The type, in the table of types that the reader was given.
    pub type_id: TypeId,
    /// Where the name, then the value, begin in [`Batch::text`].
    pub text: u32,
    /// Bytes of the name, or [`Row::NO_TEXT`].
    pub name_len: u32,
    /// Bytes of the value, or [`Row::NO_TEXT`].
    pub value_len: u32,
    /// Where the references begin in [`Batch::refs`].
    pub refs: u32,
    /// How many references there are.
    pub n_refs: u32,
    /// Line of the object, from 0, counted from the first line of the batch.
    pub line: u32,
    /// Byte of the object, counted from the first byte of the batch.
    pub offset: u32,
}

impl Row {
    /// A size or length that the dump does not give.
    pub const NO_NUMBER: i64 = i64::MIN;
    /// A name or value that the dump does not give.
    pub const NO_TEXT: u32 = u32::MAX;

    /// The name's place in the batch's text.
    fn name_range(&self) -> Option<std::ops::Range<usize>> {
        let start = self.text as usize;
        (self.name_len != Self::NO_TEXT).then(|| start..start + self.name_len as usize)
    }

    /// The value's place in the batch's text.
    fn value_range(&self) -> Option<std::ops::Range<usize>> {
        let name_len = if self.name_len == Self::NO_TEXT { 0 } else { self.name_len as usize };
        let start = self.text as usize + name_len;
        (self.value_len != Self::NO_TEXT).then(|| start..start + self.value_len as usize)
    }

    /// Bytes of name and value together.
    pub fn text_len(&self) -> usize {
        let bytes = |len| if len == Self::NO_TEXT { 0 } else { len as usize };
        bytes(self.name_len) + bytes(self.value_len)
    }
}

/// The objects of one block, in the order of the input.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Batch {
    /// Line of its first byte in the input, from 1.
    pub first_line: u64,
    /// Offset of its first byte in the input.
    pub first_offset: u64,
    /// Lines that end in it.
    pub n_lines: u64,
    /// The objects.
    pub rows: Vec<Row>,
    /// Names and values, UTF-8.
    pub text: Vec<u8>,
    /// Addresses referred to.
    pub refs: Vec<u64>,
    /// Labels of the references, by position in `refs`.
    pub labels: Labels,
    /// Positions in `refs` of those that the dump calls weak, ascending.
    pub weak: Vec<u32>,
    /// Addresses that the dump calls roots, and of which kind; a format that does not record roots has none.
    pub roots: Vec<(u64, String)>,
    /// What was repaired or left out, in the order of the input.
    pub issues: Vec<Issue>,
    /// Lines that are no objects.
    pub(crate) marks: Vec<Mark>,
}

impl Batch {
    /// The name of a row of this batch.
    pub fn name(&self, row: &Row) -> Option<&[u8]> {
        row.name_range().map(|range| &self.text[range])
    }

    /// The value of a row of this batch.
    pub fn value(&self, row: &Row) -> Option<&[u8]> {
        row.value_range().map(|range| &self.text[range])
    }

    /// The references of a row of this batch.
    pub fn refs(&self, row: &Row) -> &[u64] {
        &self.refs[row.refs as usize..][..row.n_refs as usize]
    }

    /// The labels of a row's references, in their order.
    pub fn labels(&self, row: &Row) -> impl Iterator<Item = Option<&[u8]>> {
        (row.refs as usize..row.refs as usize + row.n_refs as usize)
            .map(|reference| self.labels.get(reference))
    }

    /// Which references of a row are weak, by their position among its references, ascending.
    pub fn weak(&self, row: &Row) -> impl Iterator<Item = u32> {
        let start = self.weak.partition_point(|place| *place < row.refs);
        let end = row.refs.saturating_add(row.n_refs);
        self.weak[start..].iter().take_while(move |place| **place < end).map(|place| place - row.refs)
    }

    /// The line of a row in the input, from 1.
    pub fn line(&self, row: &Row) -> u64 {
        self.first_line + u64::from(row.line)
    }

    /// The offset of a row in the input.
    pub fn offset(&self, row: &Row) -> u64 {
        self.first_offset + u64::from(row.offset)
    }

    /// Bytes of memory that the batch holds.
    pub fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.text.capacity()
            + self.refs.capacity() * size_of::<u64>()
            + self.labels.memory()
            + self.weak.capacity() * size_of::<u32>()
    }

    /// Gives the memory of the references back; no row may be asked for its references any more.
    pub fn drop_refs(&mut self) {
        self.refs = Vec::new();
        self.labels = Labels::default();
        self.weak = Vec::new();
    }

    /// Empties it; the memory stays for the next use.
    pub(crate) fn clear(&mut self) {
        let Self { first_line, first_offset, n_lines, rows, text, refs, labels, weak, roots, issues, marks } =
            self;
        (*first_line, *first_offset, *n_lines) = (0, 0, 0);
        rows.clear();
        text.clear();
        refs.clear();
        labels.clear();
        weak.clear();
        roots.clear();
        issues.clear();
        marks.clear();
    }
}
