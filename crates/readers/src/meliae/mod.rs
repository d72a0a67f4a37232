//! meliae dumps: one JSON object a line.
//!
//! ```text
//! {"address": N, "type": "T", "size": N[, "len": N][, "name": "..."][, "value": V], "refs": [N, N, ...]}
//! ```
//!
//! The scanner of meliae (Python 2.4 to 3.8) writes exactly this order and spacing. [`line`] reads that form at the
//! speed of memory and leaves everything else to [`object`]: other orders and white space, unknown fields, arrays of
//! objects, and damage. docs/formats/meliae.md says what is repaired and what is left out.

pub(crate) mod blocks;
mod cut;
mod line;
pub(crate) mod mark;
mod object;
pub(crate) mod recognise;

use heaplake_model::{Issue, IssueKind};
use memchr::memchr;

use crate::{
    Consume, DumpContent, Error, Format, ReadOptions, Recognition, Records, SourceNeed, SourceReader,
    batch::{Batch, Row},
    blocks::{self as pipeline, BlockEnd},
    others,
    text::{shown, unescape},
    types::{TypeCache, TypeTable},
};
use blocks::{Expected, LineBlocks, LineNotes, ZeroBytes};
use mark::Mark;
use recognise::{FirstObject, first_object};

/// The format of Python's meliae.
#[derive(Debug)]
pub(crate) struct Meliae;

impl Format for Meliae {
    fn name(&self) -> &'static str {
        "meliae"
    }

    fn description(&self) -> &'static str {
        "One JSON object a line, as Python's meliae writes it"
    }

    fn needs(&self) -> SourceNeed {
        SourceNeed::Stream
    }

    /// Anything that is not a capture may be damaged lines: then the error says where.
    fn recognise(&self, head: &[u8]) -> Recognition {
        match first_object(head) {
            FirstObject::Object if others::is_ruby(head) => Recognition::No,
            FirstObject::Object => Recognition::Yes,
            FirstObject::Header => Recognition::No,
            FirstObject::Unknown => Recognition::Maybe,
        }
    }

    fn read(
        &self,
        source: SourceReader,
        options: &ReadOptions<'_>,
        types: &TypeTable,
        consume: Consume<'_>,
    ) -> Result<DumpContent, Error> {
        let lines = LineBlocks::new(Expected::Objects);
        let (_, provenance) = pipeline::read(lines, source, options, types, consume)?;
        Ok(DumpContent { provenance, process: Default::default(), taken: None })
    }
}

/// The UTF-8 byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Parses a whole input at once, as one block; for tests and fuzzing.
pub fn parse(bytes: &[u8], types: &TypeTable) -> Records {
    Records::pack(&mut parse_columns(bytes, types), &mut Vec::new())
}

/// The same by column.
pub(crate) fn parse_columns(bytes: &[u8], types: &TypeTable) -> Batch {
    Parser::new(&mut TypeCache::new(types), bytes, BlockEnd::Complete, Batch::default()).run().0
}

/// Walks over one block and fills one batch.
pub(crate) struct Parser<'p, 't> {
    types: &'p mut TypeCache<'t>,
    block: &'p [u8],
    /// What an object may extend to: the block, or once too much was wasted on damage, the line.
    bytes: &'p [u8],
    at: usize,
    /// Lines that ended before `at`.
    line: u32,
    /// Bytes looked at for objects that turned out to be damaged.
    wasted: usize,
    end: BlockEnd,
    batch: Batch,
    open_brackets: i64,
    /// Lines that are about the dump.
    marks: Vec<Mark>,
    zeros: ZeroBytes,
    /// The label that was unescaped last.
    label: Vec<u8>,
}

/// Where and why an object could not be read.
struct ObjectDamage {
    at: usize,
    what: String,
    /// The bytes ended before the object did.
    at_end: bool,
}

/// What is wrong with zero bytes in the middle of an input.
const ZEROS_BEFORE_DATA: &str = "zero bytes are followed by other data";

/// Once damaged objects have cost this many times the block, only whole lines are looked at, so that no input takes
/// more than linear time.
const MAX_WASTE: usize = 8;

impl<'p, 't> Parser<'p, 't> {
    /// `batch` is empty; what it has of memory is used.
    pub(crate) fn new(types: &'p mut TypeCache<'t>, block: &'p [u8], end: BlockEnd, batch: Batch) -> Self {
        Self {
            types,
            block,
            bytes: block,
            at: 0,
            line: 0,
            wasted: 0,
            end,
            batch,
            open_brackets: 0,
            marks: Vec::new(),
            zeros: ZeroBytes::default(),
            label: Vec::new(),
        }
    }

    /// Parses the block: its objects, and what else was found in it.
    pub(crate) fn run(mut self) -> (Batch, LineNotes) {
        let mut cut_reported = false;
        while self.skip_separators() {
            if self.bytes[self.at] == b'{' && self.line_form() {
                continue;
            }
            if self.bytes[self.at] == 0 {
                self.zeros();
            } else if let Err(damage) = self.object() {
                cut_reported |= self.leave_out(damage);
            }
        }
        if let (BlockEnd::Cut(why), false) = (self.end.clone(), cut_reported) {
            self.issue(IssueKind::Truncated, self.block.len(), why);
        }
        self.batch.n_lines = u64::from(self.line);
        (self.batch, LineNotes { open_brackets: self.open_brackets, marks: self.marks, zeros: self.zeros })
    }

    /// Moves past the zero bytes at `self.at` and white space between them: padding where nothing follows in the block, and
    /// damage otherwise.
    fn zeros(&mut self) {
        let rest = &self.block[self.at..];
        let len = rest.iter().position(|byte| !b"\0 \t\r\n".contains(byte)).unwrap_or(rest.len());
        if len == rest.len() {
            self.zeros.at_end = Some((self.line, self.at as u32));
        } else {
            self.zeros.at_start |= self.batch.rows.is_empty() && self.batch.issues.is_empty();
            self.issue(IssueKind::Malformed, self.at, ZEROS_BEFORE_DATA.to_owned());
        }
        self.count_lines(self.at, self.at + len);
        self.at += len;
    }

    /// Moves to the next byte that is not white space, a comma or a bracket between objects; false at the end.
    fn skip_separators(&mut self) -> bool {
        while let Some(&byte) = self.block.get(self.at) {
            match byte {
                b'\n' => self.line += 1,
                b'[' => self.open_brackets += 1,
                b']' => self.open_brackets -= 1,
                b' ' | b'\t' | b'\r' | b',' => {}
                _ => {
                    if self.wasteful() {
                        self.bytes = &self.block[..self.line_end(self.at)];
                    }
                    return true;
                }
            }
            self.at += 1;
        }
        false
    }

    fn wasteful(&self) -> bool {
        self.wasted > MAX_WASTE * self.block.len()
    }

    fn line_end(&self, at: usize) -> usize {
        memchr(b'\n', &self.block[at..]).map_or(self.block.len(), |newline| at + newline)
    }

    /// Reports an object that could not be read and moves past it. Returns whether the end of the input cut it.
    fn leave_out(&mut self, damage: ObjectDamage) -> bool {
        let ObjectDamage { at, what, at_end } = damage;
        let truncated = at_end && self.end != BlockEnd::More && self.bytes.len() == self.block.len();
        let start = self.at;
        self.wasted += at.saturating_sub(start);
        let next = self.resync(start);
        let text = shown(&self.block[start..next]);
        let (kind, what) = match (&self.end, truncated && next == self.block.len()) {
            (BlockEnd::Cut(why), true) => (IssueKind::Truncated, format!("{why}, inside the object {text}")),
            (_, true) => (IssueKind::Truncated, format!("the input ends inside the object {text}")),
            _ => (IssueKind::Malformed, format!("{what}, in {text}")),
        };
        self.issue(kind, start, what);
        self.count_lines(start, next);
        self.at = next;
        kind == IssueKind::Truncated
    }

    /// Where reading goes on after damage: the end of the line, or what looks like the start of an object before it.
    fn resync(&self, start: usize) -> usize {
        if self.wasteful() {
            return self.line_end(start);
        }
        let candidates = memchr::memchr2_iter(b'\n', b'{', &self.block[start + 1..]).map(|at| start + 1 + at);
        let mut stops =
            candidates.filter(|&at| self.block[at] == b'\n' || self.block[at..].starts_with(b"{\"address\""));
        stops.next().unwrap_or(self.block.len())
    }

    fn count_lines(&mut self, from: usize, to: usize) {
        self.line += memchr::memchr_iter(b'\n', &self.block[from..to]).count() as u32;
    }

    /// Reports something at a byte of the block.
    fn issue(&mut self, kind: IssueKind, at: usize, what: String) {
        let line = if at >= self.at {
            self.line as usize + memchr::memchr_iter(b'\n', &self.block[self.at..at]).count()
        } else {
            self.line as usize
        };
        self.batch.issues.push(Issue { kind, line: Some(line as u64), offset: at as u64, what });
    }

    /// Gives a reference of the batch its label, whose JSON is `body`. `None` after a repair, which is reported.
    #[inline]
    fn set_label(
        &mut self,
        reference: usize,
        body: &[u8],
        mut repaired: impl FnMut(IssueKind),
    ) -> Option<()> {
        if memchr(b'\\', body).is_none() && std::str::from_utf8(body).is_ok() {
            self.batch.labels.set(reference, body);
            return Some(());
        }
        let mut sound = true;
        self.label.clear();
        unescape(body, &mut self.label, |kind| {
            sound = false;
            repaired(kind);
        });
        self.batch.labels.set(reference, &self.label);
        sound.then_some(())
    }

    /// A row with the position of the object at `start` and no other field.
    fn empty_row(&self, start: usize) -> Row {
        Row {
            address: 0,
            size: Row::NO_NUMBER,
            len: Row::NO_NUMBER,
            type_id: 0,
            text: self.batch.text.len() as u32,
            name_len: Row::NO_TEXT,
            value_len: Row::NO_TEXT,
            refcount: 0,
            refs: self.batch.refs.len() as u32,
            n_refs: 0,
            line: self.line,
            offset: start as u32,
        }
    }
}

#[cfg(test)]
mod tests;
