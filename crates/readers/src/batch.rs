//! The objects of one block of input, by column: what a parser fills.

use heaplake_model::{EdgeKind, Issue};

use crate::{FieldRows, Labels, TypeId};

/// One object; texts and references lie in the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Address in the process.
    pub(crate) address: u64,
    /// Shallow size in bytes, or [`Row::NO_NUMBER`].
    pub(crate) size: i64,
    /// Number of items, or [`Row::NO_NUMBER`].
    pub(crate) len: i64,
    /// The type, in the table of types that the reader was given.
    pub(crate) type_id: TypeId,
    /// Where the name, then the value, begin in [`Batch::text`].
    pub(crate) text: u32,
    /// Bytes of the name, or [`Row::NO_TEXT`].
    pub(crate) name_len: u32,
    /// Bytes of the value, or [`Row::NO_TEXT`].
    pub(crate) value_len: u32,
    /// References to the object, as the interpreter counted them; 0 if the dump does not say.
    pub(crate) refcount: u32,
    /// Where the references begin in [`Batch::refs`].
    pub(crate) refs: u32,
    /// How many references there are.
    pub(crate) n_refs: u32,
    /// Line of the object, from 0, counted from the first line of the batch.
    pub(crate) line: u32,
    /// Byte of the object, counted from the first byte of the batch.
    pub(crate) offset: u32,
}

impl Row {
    /// A size or length that the dump does not give.
    pub(crate) const NO_NUMBER: i64 = i64::MIN;
    /// A name or value that the dump does not give.
    pub(crate) const NO_TEXT: u32 = u32::MAX;

    /// The range of the name in the batch's text.
    fn name_range(&self) -> Option<std::ops::Range<usize>> {
        let start = self.text as usize;
        (self.name_len != Self::NO_TEXT).then(|| start..start + self.name_len as usize)
    }

    /// The range of the value in the batch's text.
    fn value_range(&self) -> Option<std::ops::Range<usize>> {
        let name_len = if self.name_len == Self::NO_TEXT { 0 } else { self.name_len as usize };
        let start = self.text as usize + name_len;
        (self.value_len != Self::NO_TEXT).then(|| start..start + self.value_len as usize)
    }
}

/// The objects of one block, in the order of the input.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Lines that end in it.
    pub(crate) n_lines: u64,
    /// The objects.
    pub(crate) rows: Vec<Row>,
    /// Names and values, UTF-8.
    pub(crate) text: Vec<u8>,
    /// Addresses referred to.
    pub(crate) refs: Vec<u64>,
    /// Labels of the references, by position in `refs`.
    pub(crate) labels: Labels,
    /// Positions in `refs` of those that the dump says are not strong, ascending, and their kinds.
    pub(crate) kinds: Vec<(u32, EdgeKind)>,
    /// Addresses that the dump calls roots, and their kinds; empty where the format does not record roots.
    pub(crate) roots: Vec<(u64, String)>,
    /// What was repaired or left out, in the order of the input.
    pub(crate) issues: Vec<Issue>,
    /// Fields with values of their own, where they are asked for.
    pub(crate) fields: FieldRows,
}

impl Batch {
    /// The name of a row of this batch.
    pub(crate) fn name(&self, row: &Row) -> Option<&[u8]> {
        row.name_range().map(|range| &self.text[range])
    }

    /// The value of a row of this batch.
    pub(crate) fn value(&self, row: &Row) -> Option<&[u8]> {
        row.value_range().map(|range| &self.text[range])
    }

    /// Empties it; the memory stays for the next use.
    pub(crate) fn clear(&mut self) {
        let Self { n_lines, rows, text, refs, labels, kinds, roots, issues, fields } = self;
        *n_lines = 0;
        rows.clear();
        text.clear();
        refs.clear();
        labels.clear();
        kinds.clear();
        roots.clear();
        issues.clear();
        *fields = FieldRows::default();
    }
}
