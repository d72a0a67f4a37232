//! Meliae's lines as blocks: how each is cut and parsed, and what must be true of all of them together.
//!
//! Brackets must balance over the whole input, and a capture says in its last line how many objects it has.

use heaplake_model::IssueKind;

use super::{
    BOM, Parser, ZEROS_BEFORE_DATA,
    cut::LineCutter,
    mark::{End, Header, Mark, MarkKind},
};
use crate::{
    Error,
    batch::Batch,
    blocks::{BlockEnd, BlockFormat, OrderedBlock},
    types::TypeCache,
};

/// A dump in meliae's lines while its blocks come in.
pub(crate) struct LineBlocks {
    expected: Expected,
    /// `[` minus `]` between the objects so far.
    open_brackets: i64,
    header: Option<Header>,
    end: Option<End>,
    /// Line and byte of the input where zero bytes begin that nothing has followed so far.
    padding: Option<(u64, u64)>,
}

/// Which lines there should be.
pub(crate) enum Expected {
    /// Objects alone.
    Objects,
    /// The first and the last line of a capture around the objects.
    Capture {
        /// The newest version of the format that is read.
        version: u32,
    },
}

/// What a parser found in a block beside records.
pub(crate) struct LineNotes {
    /// `[` minus `]` between objects.
    pub(super) open_brackets: i64,
    /// Lines that are about the dump.
    pub(super) marks: Vec<Mark>,
    /// Zero bytes between objects.
    pub(super) zeros: ZeroBytes,
}

/// Zero bytes at the ends of a block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ZeroBytes {
    /// The first issue of the block is about zero bytes before its first object.
    pub(super) at_start: bool,
    /// Line and byte where those begin that nothing follows.
    pub(super) at_end: Option<(u32, u32)>,
}

impl LineBlocks {
    pub(crate) fn new(expected: Expected) -> Self {
        Self { expected, open_brackets: 0, header: None, end: None, padding: None }
    }

    /// What the dump says of itself, if it is a capture.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }
}

impl BlockFormat for LineBlocks {
    type Cutter = LineCutter;
    type Notes = LineNotes;

    fn begin(block: &mut [u8]) {
        if block.starts_with(BOM) {
            // White space, so that offsets stay those of the file.
            block[..BOM.len()].fill(b' ');
        }
    }

    fn parse(types: &mut TypeCache<'_>, block: &[u8], end: BlockEnd, batch: Batch) -> (Batch, LineNotes) {
        Parser::new(types, block, end, batch).run()
    }

    fn follow(&mut self, notes: LineNotes, block: &mut OrderedBlock<'_>) -> Result<(), Error> {
        self.open_brackets += notes.open_brackets;
        self.padding(&notes, block);
        let is_last = *block.end == BlockEnd::Complete;
        let last_issue = block.records.issues.last().map(|issue| issue.kind);
        if is_last && self.open_brackets > 0 && last_issue != Some(IssueKind::Truncated) {
            let what = "the input ends inside the array that it begins with";
            block.issue_at_end(IssueKind::Truncated, what.to_owned());
        }
        for mark in notes.marks {
            self.mark(mark, block)?;
        }
        if is_last && let Some(what) = self.missing(block) {
            block.issue_at_end(IssueKind::Truncated, what);
        }
        Ok(())
    }
}

impl LineBlocks {
    /// Zero bytes at the end are padding. Followed by anything they are where something was lost.
    fn padding(&mut self, notes: &LineNotes, block: &mut OrderedBlock<'_>) {
        let has_content = !block.records.is_empty()
            || !block.records.issues.is_empty()
            || !notes.marks.is_empty()
            || notes.open_brackets != 0;
        if has_content && let Some((line, offset)) = self.padding.take() {
            match block.records.issues.first_mut() {
                // They began in a block before.
                Some(issue) if notes.zeros.at_start => (issue.line, issue.offset) = (Some(line), offset),
                _ => block.issue_before(IssueKind::Malformed, (line, offset), ZEROS_BEFORE_DATA.to_owned()),
            }
        }
        if let (None, Some((line, offset))) = (self.padding, notes.zeros.at_end) {
            self.padding = Some(block.position(line.into(), offset.into()));
        }
    }

    /// Takes what a line says of the dump, where such a line may be.
    fn mark(&mut self, mark: Mark, block: &mut OrderedBlock<'_>) -> Result<(), Error> {
        let Mark { n_before, line, offset, kind } = mark;
        let is_first = block.n_objects_before + n_before as u64 == 0 && self.header.is_none();
        match (kind, &self.expected) {
            (MarkKind::Header(header), Expected::Capture { version }) if is_first => {
                if header.format > *version {
                    return Err(Error::TooNew { found: header.format, known: *version });
                }
                self.header = Some(*header);
            }
            (MarkKind::End(end), _) if self.header.is_some() && self.end.is_none() => self.end = Some(end),
            _ => {
                let what = "another dump begins or ends here; a file is to hold one";
                block.issue(IssueKind::Malformed, line.into(), offset.into(), what.to_owned());
            }
        }
        Ok(())
    }

    /// Why a capture whose last block is `block` is not whole. `None` where damage explains what is missing.
    fn missing(&self, block: &OrderedBlock<'_>) -> Option<String> {
        self.header.as_ref()?;
        if block.is_damaged() {
            return None;
        }
        let n_objects = block.n_objects_before + block.records.len() as u64;
        match self.end {
            None => Some("the last line of the capture is missing: its writer was stopped".to_owned()),
            Some(End { objects }) if objects != n_objects => {
                Some(format!("the last line of the capture says {objects} objects; {n_objects} are there"))
            }
            Some(_) => None,
        }
    }
}
