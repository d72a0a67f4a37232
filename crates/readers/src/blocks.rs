//! Help for formats whose objects follow each other: the input is cut between two of them, and the blocks are parsed on
//! several threads.
//!
//! ```text
//! reading thread --blocks--> parsing threads --records--> the caller's thread, in order
//! ```
//!
//! A fixed number of block buffers goes round, so that memory does not grow with the input or with one slow block: about
//! `3 * threads + 2` blocks and the records of as many. The reading thread is not waited for: it may hang in a read of
//! standard input when the work is cancelled.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use heaplake_model::{Issue, IssueKind};

use crate::{
    Consume, Error, Provenance, ReadOptions, Records, SourceReader, TypeTable, batch::Batch,
    source::CANCEL_POLL, types::TypeCache,
};

/// A format that can be cut into blocks between two objects, and its state while they come in.
///
/// A block is parsed without knowing those before it; [`follow`](Self::follow) sees all of them, in order.
pub(crate) trait BlockFormat: 'static {
    /// Finds where to cut.
    type Cutter: Cutter;
    /// What a parser finds in a block beside records.
    type Notes: Send + 'static;

    /// Prepares the first bytes of the input; their number stays.
    fn begin(block: &mut [u8]);

    /// Parses a block. `batch` is empty and keeps the memory of an earlier block; positions in it count from the start of
    /// the block.
    fn parse(types: &mut TypeCache<'_>, block: &[u8], end: BlockEnd, batch: Batch) -> (Batch, Self::Notes);

    /// Looks at the next block in the order of the input, before its records are handed over.
    fn follow(&mut self, notes: Self::Notes, block: &mut OrderedBlock<'_>) -> Result<(), Error>;
}

/// Finds the end of a block that is being filled.
pub(crate) trait Cutter: Default {
    /// The length of the block that `bytes` begin with; `None` when more must be read first.
    ///
    /// `bytes` start at an object and only grow until a cut was found.
    fn cut(&mut self, bytes: &[u8]) -> Option<usize>;
}

/// How the input goes on after a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlockEnd {
    /// Another block follows.
    More,
    /// The input ends here and is complete.
    Complete,
    /// The input ends here because it was cut or damaged, for this reason.
    Cut(String),
}

/// A parsed block at its position in the input.
pub(crate) struct OrderedBlock<'b> {
    /// Its records; lines and offsets of their issues are those of the input.
    pub(crate) records: &'b mut Records,
    /// How the input goes on.
    pub(crate) end: &'b BlockEnd,
    /// Objects of the blocks before it.
    pub(crate) n_objects_before: u64,
    first_line: u64,
    /// The line and the byte after it.
    end_line: u64,
    end_offset: u64,
    /// A block before it has a lossy issue.
    was_damaged: bool,
}

impl OrderedBlock<'_> {
    /// Adds an issue at a line and byte of the block.
    pub(crate) fn issue(&mut self, kind: IssueKind, line: u64, offset: u64, what: String) {
        let (line, offset) = self.position(line, offset);
        self.records.issues.push(Issue { kind, line: Some(line), offset, what });
    }

    /// The line and byte of the input at a line and byte of the block.
    pub(crate) fn position(&self, line: u64, offset: u64) -> (u64, u64) {
        (self.first_line + line, self.records.first_offset + offset)
    }

    /// Adds an issue at a line and byte of the input before the block.
    pub(crate) fn issue_before(&mut self, kind: IssueKind, (line, offset): (u64, u64), what: String) {
        self.records.issues.insert(0, Issue { kind, line: Some(line), offset, what });
    }

    /// Adds an issue at the end of the block.
    pub(crate) fn issue_at_end(&mut self, kind: IssueKind, what: String) {
        let (line, offset) = (Some(self.end_line), self.end_offset);
        self.records.issues.push(Issue { kind, line, offset, what });
    }

    /// Whether something of the input was lost, up to and with this block.
    pub(crate) fn is_damaged(&self) -> bool {
        self.was_damaged || self.records.issues.iter().any(|issue| issue.kind.is_lossy())
    }
}

/// Positions within a block are 32 bits, and its text may become three times as long.
const MAX_BLOCK_BYTES: usize = 1 << 30;

/// Reads a dump in blocks; returns the state after the last one. An input without any object is an error.
pub(crate) fn read<F: BlockFormat>(
    format: F,
    source: SourceReader,
    options: &ReadOptions<'_>,
    types: &TypeTable,
    consume: Consume<'_>,
) -> Result<(F, Provenance), Error> {
    let threads = options.threads.max(1);
    let n_buffers = 3 * threads + 2;
    let (free_sender, free) = bounded(n_buffers);
    let (raw_sender, raw) = bounded::<RawBlock>(n_buffers);
    let (parsed_sender, parsed) = bounded::<ParsedBlock<F::Notes>>(n_buffers);
    let (provenance_sender, provenance) = bounded(1);
    for _ in 0..n_buffers {
        // Sized by the first block; the channel has room for all of them.
        let _ = free_sender.send(Vec::new());
    }
    // Nothing is ever sent: the channel closes when records are no longer wanted.
    let (wanted, unwanted) = bounded::<()>(0);
    let reader = BlockReader {
        source,
        free,
        raw: raw_sender,
        block_bytes: options.block_bytes.clamp(1, MAX_BLOCK_BYTES),
        max_object_bytes: options.max_object_bytes.clamp(1, MAX_BLOCK_BYTES),
        next_index: 0,
    };
    let failures = parsed_sender.clone();
    thread::spawn(move || match reader.run::<F>() {
        Ok(None) => {}
        Ok(Some(found)) => drop(provenance_sender.send(found)),
        Err((index, error)) => drop(failures.send(ParsedBlock { index, result: Err(error) })),
    });
    let format = thread::scope(|scope| {
        for _ in 0..threads {
            let (raw, parsed, unwanted) = (raw.clone(), parsed_sender.clone(), unwanted.clone());
            scope.spawn(move || parse_blocks::<F>(&raw, &parsed, &unwanted, types));
        }
        drop((parsed_sender, raw));
        let result = BlockCollector::new(format, consume, options, free_sender).run(&parsed);
        drop(wanted);
        result
    })?;
    // The reading thread has sent it, or nothing, before it let go of the last sender of blocks.
    Ok((format, provenance.try_recv().map_err(|_| Error::ReaderLost)?))
}

/// A block on its way to a parsing thread.
struct RawBlock {
    index: u64,
    offset: u64,
    bytes: Vec<u8>,
    end: BlockEnd,
}

/// A block on its way to the caller's thread, or the error in its stead.
struct ParsedBlock<N> {
    index: u64,
    result: Result<Block<N>, Error>,
}

struct Block<N> {
    records: Records,
    notes: N,
    offset: u64,
    /// The bytes that were parsed; their memory is used again.
    bytes: Vec<u8>,
    end: BlockEnd,
}

/// A parsing thread.
fn parse_blocks<F: BlockFormat>(
    raw: &Receiver<RawBlock>,
    parsed: &Sender<ParsedBlock<F::Notes>>,
    unwanted: &Receiver<()>,
    types: &TypeTable,
) {
    let mut types = TypeCache::new(types);
    // Columns and records grow here, again and again in the same memory.
    let (mut batch, mut packed) = (Batch::default(), Vec::new());
    loop {
        let received = select! {
            recv(raw) -> block => block,
            recv(unwanted) -> _ => return,
        };
        let Ok(RawBlock { index, offset, bytes, end }) = received else { return };
        let notes;
        (batch, notes) = F::parse(&mut types, &bytes, end.clone(), batch);
        let records = Records::pack(&mut batch, &mut packed);
        batch.clear();
        let result = Ok(Block { records, notes, offset, bytes, end });
        if parsed.send(ParsedBlock { index, result }).is_err() {
            return;
        }
    }
}

/// The reading thread: cuts the source into blocks.
struct BlockReader {
    source: SourceReader,
    free: Receiver<Vec<u8>>,
    raw: Sender<RawBlock>,
    block_bytes: usize,
    max_object_bytes: usize,
    next_index: u64,
}

impl BlockReader {
    /// Sends every block of the source. Returns what is known of the source; `None` if the blocks are no longer wanted. An
    /// error comes with the index of the block in whose stead it is.
    fn run<F: BlockFormat>(mut self) -> Result<Option<Provenance>, (u64, Error)> {
        let is_wanted = self.send_blocks::<F>().map_err(|error| (self.next_index, error))?;
        if !is_wanted {
            return Ok(None);
        }
        let finished = self.source.finish(&AtomicBool::new(false));
        finished.map(Some).map_err(|error| (self.next_index, error))
    }

    /// Returns whether all of them were sent.
    fn send_blocks<F: BlockFormat>(&mut self) -> Result<bool, Error> {
        // What was read after the end of a block begins the next one.
        let (mut rest, mut offset) = (Vec::new(), 0);
        let mut cutter = F::Cutter::default();
        loop {
            let Ok(mut bytes) = self.free.recv() else { return Ok(false) };
            std::mem::swap(&mut bytes, &mut rest);
            let (end, n_bytes) = self.fill(&mut bytes, &mut cutter, offset)?;
            rest.clear();
            rest.extend_from_slice(&bytes[n_bytes..]);
            bytes.truncate(n_bytes);
            if offset == 0 {
                F::begin(&mut bytes);
            }
            let is_last = end != BlockEnd::More;
            let block = RawBlock { index: self.next_index, offset, bytes, end };
            self.next_index += 1;
            offset += n_bytes as u64;
            if self.raw.send(block).is_err() {
                return Ok(false);
            }
            if is_last {
                return Ok(true);
            }
        }
    }

    /// Reads until the bytes hold a block; returns how the input goes on and the length of the block.
    fn fill(
        &mut self,
        bytes: &mut Vec<u8>,
        cutter: &mut impl Cutter,
        offset: u64,
    ) -> Result<(BlockEnd, usize), Error> {
        let mut wanted = self.block_bytes;
        loop {
            let missing = wanted.saturating_sub(bytes.len());
            let before = bytes.len();
            bytes.reserve(missing);
            if let Err(error) = self.source.by_ref().take(missing as u64).read_to_end(bytes) {
                return Ok((BlockEnd::Cut(self.source.damage(error)?), bytes.len()));
            }
            if bytes.len() - before < missing {
                return Ok((BlockEnd::Complete, bytes.len()));
            }
            if let Some(n_bytes) = cutter.cut(bytes) {
                return Ok((BlockEnd::More, n_bytes));
            }
            if wanted >= self.max_object_bytes {
                return Err(Error::ObjectTooLarge { offset, limit: self.max_object_bytes });
            }
            wanted = (2 * wanted).min(self.max_object_bytes);
        }
    }
}

/// The caller's thread: brings the blocks into order, gives them their position, stops at damage.
struct BlockCollector<'o, F: BlockFormat> {
    format: F,
    consume: Consume<'o>,
    options: &'o ReadOptions<'o>,
    free: Sender<Vec<u8>>,
    /// Blocks that came before their turn, by index.
    waiting: BTreeMap<u64, Result<Block<F::Notes>, Error>>,
    next_index: u64,
    next_line: u64,
    n_objects: u64,
    /// The first issue that loses something.
    first_loss: Option<Issue>,
}

impl<'o, F: BlockFormat> BlockCollector<'o, F> {
    fn new(format: F, consume: Consume<'o>, options: &'o ReadOptions<'o>, free: Sender<Vec<u8>>) -> Self {
        Self {
            format,
            consume,
            options,
            free,
            waiting: BTreeMap::new(),
            next_index: 0,
            next_line: 1,
            n_objects: 0,
            first_loss: None,
        }
    }

    /// Returns the state of the format once everything was consumed.
    fn run(mut self, parsed: &Receiver<ParsedBlock<F::Notes>>) -> Result<F, Error> {
        loop {
            match parsed.recv_timeout(CANCEL_POLL) {
                Ok(ParsedBlock { index, result }) => drop(self.waiting.insert(index, result)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.options.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            while let Some(result) = self.waiting.remove(&self.next_index) {
                self.next_index += 1;
                self.take(result?)?;
            }
        }
        match (self.n_objects, self.first_loss) {
            (0, Some(issue)) if issue.kind == IssueKind::Malformed => Err(Error::NotADump(issue.what)),
            (0, Some(issue)) => Err(Error::Empty(format!(" ({}: {})", issue.short_place(), issue.what))),
            (0, None) => Err(Error::Empty(String::new())),
            _ => Ok(self.format),
        }
    }

    /// Hands on the next block in order.
    fn take(&mut self, block: Block<F::Notes>) -> Result<(), Error> {
        let Block { mut records, notes, offset, bytes, end } = block;
        let first_line = self.next_line;
        records.first_line = Some(first_line);
        records.first_offset = offset;
        self.next_line += records.n_lines;
        for issue in &mut records.issues {
            issue.line = issue.line.map(|line| line + first_line);
            issue.offset += offset;
        }
        let mut ordered = OrderedBlock {
            records: &mut records,
            end: &end,
            n_objects_before: self.n_objects,
            first_line,
            end_line: self.next_line,
            end_offset: offset + bytes.len() as u64,
            was_damaged: self.first_loss.is_some(),
        };
        self.format.follow(notes, &mut ordered)?;
        // The reading thread waits for no buffers once the input has ended.
        let _ = self.free.try_send(bytes);
        self.n_objects += records.len() as u64;
        self.check_damage(&records, &end)?;
        (self.consume)(records)
    }

    /// Stops at damage: in strict reading at the first issue that loses something, and always where an input begins with
    /// a block without any object.
    fn check_damage(&mut self, records: &Records, end: &BlockEnd) -> Result<(), Error> {
        if self.first_loss.is_none() {
            self.first_loss = records.issues.iter().find(|issue| issue.kind.is_lossy()).cloned();
        }
        let Some(issue) = &self.first_loss else { return Ok(()) };
        if self.n_objects == 0
            && issue.kind == IssueKind::Malformed
            && (*end == BlockEnd::More || !self.options.keep_going)
        {
            return Err(Error::NotADump(format!("{}: {}", issue.short_place(), issue.what)));
        }
        if self.options.keep_going { Ok(()) } else { Err(Error::Damaged(issue.clone())) }
    }
}
