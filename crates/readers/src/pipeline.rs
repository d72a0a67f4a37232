//! One input through decompression, cutting and parsing, on several threads.
//!
//! ```text
//! reading thread --blocks--> parsing threads --records--> the caller's thread, in order
//! ```
//!
//! A fixed number of block buffers goes round, so that memory does not grow with the input or with one slow block.
//! The reading thread is not waited for: it may hang in a read of standard input when the work is cancelled.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use heaplake_model::{Issue, IssueKind};
use sha2::{Digest, Sha256};

use crate::{
    Capture, Compression, Error, Records, TypeTable,
    batch::Batch,
    capture::{self, End, Mark, MarkKind},
    decompress::decompress,
    meliae::{Ending, Parsed, Parser, block::Cutter, sniff},
    types::TypeCache,
};

/// A dump format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON lines of Python's meliae.
    Meliae,
    /// The same lines with labels and roots, of heaplake's own capture.
    Capture,
}

impl Format {
    /// Its name on the command line and in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Format::Meliae => "meliae",
            Format::Capture => "capture",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "meliae" => Ok(Format::Meliae),
            "capture" => Ok(Format::Capture),
            _ => Err(Error::UnknownFormat(name.to_owned())),
        }
    }
}

/// How to read.
#[derive(Debug)]
pub struct ReadOptions<'o> {
    /// Go on after damage; otherwise the first lossy issue is an error.
    pub keep_going: bool,
    /// Parsing threads, at least 1.
    pub threads: usize,
    /// Bytes of a block; more are read where one object needs it.
    pub block_bytes: usize,
    /// The largest object to take, in bytes; at most [`MAX_OBJECT_BYTES`] counts.
    pub max_object_bytes: usize,
    /// Becomes true when the work should stop.
    pub cancel: &'o AtomicBool,
    /// Counts the bytes of the source as they are read.
    pub bytes_read: Arc<AtomicU64>,
}

/// Positions within a block are 32 bits, and its text may become three times as long.
pub const MAX_OBJECT_BYTES: usize = 1 << 30;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The format.
    pub format: Format,
    /// What the dump says of its process, where it says something.
    pub capture: Option<Capture>,
    /// How the source was compressed.
    pub compression: Compression,
    /// Bytes of the source.
    pub bytes: u64,
    /// SHA-256 of the source, in hexadecimal.
    pub sha256: String,
}

/// Reads a dump and hands its records to `consume`, block by block, in the order of the input.
///
/// Types are entered into `types`. Stops at the first error of the input, of `consume`, or at a cancellation; an
/// input without any object is an error as well. Memory: about `3 * threads + 2` blocks and the records of as many.
pub fn read<E: From<Error>>(
    source: impl Read + Send + 'static,
    options: &ReadOptions<'_>,
    types: &TypeTable,
    consume: impl FnMut(Records) -> Result<(), E>,
) -> Result<Summary, E> {
    let threads = options.threads.max(1);
    let n_buffers = 3 * threads + 2;
    let (free_sender, free) = bounded(n_buffers);
    let (work_sender, work) = bounded::<Work>(n_buffers);
    let (done_sender, done) = bounded::<Done>(n_buffers);
    for _ in 0..n_buffers {
        // Sized by the first block; the channel has room for all of them.
        let _ = free_sender.send(Vec::new());
    }
    // Nothing is ever sent: it closes when nobody wants records any more.
    let (wanted, unwanted) = bounded::<()>(0);
    let summary = Arc::new(Mutex::new(None));
    let reading = Reading {
        free,
        work: work_sender,
        done: done_sender.clone(),
        block_bytes: options.block_bytes.clamp(1, MAX_OBJECT_BYTES),
        max_object_bytes: options.max_object_bytes.clamp(1, MAX_OBJECT_BYTES),
        bytes_read: options.bytes_read.clone(),
        summary: summary.clone(),
    };
    thread::spawn(move || reading.run(source));
    let capture = thread::scope(|scope| {
        for _ in 0..threads {
            let (work, done, unwanted) = (work.clone(), done_sender.clone(), unwanted.clone());
            scope.spawn(move || parse_blocks(&work, &done, &unwanted, types));
        }
        drop((done_sender, work));
        let result = Collecting::new(consume, options, free_sender).run(done);
        drop(wanted);
        result
    })?;
    let summary = summary.lock().unwrap_or_else(PoisonError::into_inner).take();
    let summary = summary.ok_or_else(|| Error::Io(io::Error::other("the reading thread ended early")))?;
    let format = if capture.is_some() { Format::Capture } else { summary.format };
    Ok(Summary { format, capture, ..summary })
}

/// A block on its way to a parser.
struct Work {
    index: u64,
    offset: u64,
    bytes: Vec<u8>,
    ending: Ending,
}

/// What comes of it.
struct Done {
    index: u64,
    result: Result<Block, Error>,
}

struct Block {
    records: Records,
    /// `[` minus `]` between objects.
    open_brackets: i64,
    offset: u64,
    bytes: Vec<u8>,
    ending: Ending,
}

fn parse_blocks(work: &Receiver<Work>, done: &Sender<Done>, unwanted: &Receiver<()>, types: &TypeTable) {
    let mut types = TypeCache::new(types);
    // Columns and records grow here, again and again in the same memory.
    let (mut scratch, mut packed) = (Batch::default(), Vec::new());
    loop {
        let received = select! {
            recv(work) -> work => work,
            recv(unwanted) -> _ => return,
        };
        let Ok(Work { index, offset, bytes, ending }) = received else { return };
        let parsed = Parser::new(&mut types, &bytes, ending.clone(), scratch).run();
        let Parsed { mut batch, open_brackets } = parsed;
        let records = Records::pack(&mut batch, &mut packed);
        batch.clear();
        scratch = batch;
        let result = Ok(Block { records, open_brackets, offset, bytes, ending });
        if done.send(Done { index, result }).is_err() {
            return;
        }
    }
}

/// The reading thread.
struct Reading {
    free: Receiver<Vec<u8>>,
    work: Sender<Work>,
    done: Sender<Done>,
    block_bytes: usize,
    max_object_bytes: usize,
    bytes_read: Arc<AtomicU64>,
    summary: Arc<Mutex<Option<Summary>>>,
}

impl Reading {
    fn run(self, source: impl Read) {
        let mut next_index = 0;
        let mut source = Hashing { source, sha256: Sha256::new(), bytes: self.bytes_read.clone() };
        let result = self.blocks(&mut source, &mut next_index).and_then(|compression| {
            if let Some(compression) = compression {
                // Whatever a decompressor left is part of the file's checksum.
                io::copy(&mut source, &mut io::sink())?;
                let summary = Summary {
                    format: Format::Meliae,
                    capture: None,
                    compression,
                    bytes: self.bytes_read.load(Ordering::Relaxed),
                    sha256: source.sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
                };
                *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
            }
            Ok(())
        });
        if let Err(error) = result {
            let _ = self.done.send(Done { index: next_index, result: Err(error) });
        }
    }

    /// Sends every block of the source. None when nobody wants them any more.
    fn blocks(
        &self,
        source: &mut Hashing<impl Read>,
        next_index: &mut u64,
    ) -> Result<Option<Compression>, Error> {
        let failed = Arc::new(AtomicBool::new(false));
        let (compression, mut reader) = decompress(FlagErrors { source, failed: failed.clone() })?;
        let (mut rest, mut offset) = (Vec::new(), 0);
        let mut cutter = Cutter::default();
        loop {
            let Ok(mut bytes) = self.free.recv() else { return Ok(None) };
            std::mem::swap(&mut bytes, &mut rest);
            let (ending, end) = match self.fill(&mut reader, &mut bytes, &mut cutter, offset) {
                Ok(filled) => filled,
                Err(Filling::TooLarge) => {
                    return Err(Error::ObjectTooLarge { offset, limit: self.max_object_bytes });
                }
                Err(Filling::Failed(error))
                    if failed.load(Ordering::Relaxed) || compression == Compression::None =>
                {
                    return Err(error.into());
                }
                Err(Filling::Failed(error)) => (
                    Ending::Cut(format!("the {} stream is cut or damaged ({error})", compression.name())),
                    bytes.len(),
                ),
            };
            rest.clear();
            rest.extend_from_slice(&bytes[end..]);
            bytes.truncate(end);
            if *next_index == 0 {
                if let Some(what) = sniff::other(&bytes) {
                    return Err(Error::NotADump(what.to_owned()));
                }
                if bytes.starts_with(sniff::BOM) {
                    // White space, so that offsets stay those of the file.
                    bytes[..sniff::BOM.len()].fill(b' ');
                }
            }
            let last = ending != Ending::More;
            let work = Work { index: *next_index, offset, bytes, ending };
            *next_index += 1;
            offset += end as u64;
            if self.work.send(work).is_err() {
                return Ok(None);
            }
            if last {
                return Ok(Some(compression));
            }
        }
    }

    /// Reads until the bytes hold a block; says how the input goes on and where the block ends.
    fn fill(
        &self,
        mut reader: &mut dyn Read,
        bytes: &mut Vec<u8>,
        cutter: &mut Cutter,
        offset: u64,
    ) -> Result<(Ending, usize), Filling> {
        let mut wanted = self.block_bytes;
        loop {
            let missing = wanted.saturating_sub(bytes.len());
            let before = bytes.len();
            bytes.reserve(missing);
            Read::take(&mut reader, missing as u64).read_to_end(bytes).map_err(Filling::Failed)?;
            if bytes.len() - before < missing {
                return Ok((Ending::Complete, bytes.len()));
            }
            if offset == 0 && sniff::other(bytes).is_some() {
                return Ok((Ending::More, bytes.len()));
            }
            if let Some(end) = cutter.cut(bytes) {
                return Ok((Ending::More, end));
            }
            if wanted >= self.max_object_bytes {
                return Err(Filling::TooLarge);
            }
            wanted = (2 * wanted).min(self.max_object_bytes);
        }
    }
}

enum Filling {
    TooLarge,
    Failed(io::Error),
}

/// Counts and hashes what is read.
struct Hashing<R> {
    source: R,
    sha256: Sha256,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.sha256.update(&buffer[..n]);
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Tells a failing disk from a damaged compressed stream.
struct FlagErrors<'s, R> {
    source: &'s mut R,
    failed: Arc<AtomicBool>,
}

impl<R: Read> Read for FlagErrors<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.source.read(buffer);
        if result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// The caller's thread: brings the blocks into order, gives them their position, stops at damage.
struct Collecting<'o, C> {
    consume: C,
    options: &'o ReadOptions<'o>,
    free: Sender<Vec<u8>>,
    waiting: BTreeMap<u64, Result<Block, Error>>,
    next_index: u64,
    next_line: u64,
    n_objects: u64,
    open_brackets: i64,
    first_issue: Option<Issue>,
    capture: Option<Capture>,
    end: Option<End>,
}

const CANCEL_POLL: Duration = Duration::from_millis(50);

impl<'o, C> Collecting<'o, C> {
    fn new(consume: C, options: &'o ReadOptions<'o>, free: Sender<Vec<u8>>) -> Self {
        Self {
            consume,
            options,
            free,
            waiting: BTreeMap::new(),
            next_index: 0,
            next_line: 1,
            n_objects: 0,
            open_brackets: 0,
            first_issue: None,
            capture: None,
            end: None,
        }
    }

    /// What the dump says of its process, once everything was consumed.
    fn run<E: From<Error>>(mut self, done: Receiver<Done>) -> Result<Option<Capture>, E>
    where
        C: FnMut(Records) -> Result<(), E>,
    {
        loop {
            match done.recv_timeout(CANCEL_POLL) {
                Ok(Done { index, result }) => self.waiting.insert(index, result),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if self.options.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled.into());
            }
            while let Some(result) = self.waiting.remove(&self.next_index) {
                self.next_index += 1;
                self.block(result?)?;
            }
        }
        match (self.n_objects, self.first_issue) {
            (0, Some(issue)) if issue.kind == IssueKind::Malformed => Err(Error::NotADump(issue.what).into()),
            (0, Some(issue)) => {
                Err(Error::Empty(format!(" ({}: {})", issue.short_place(), issue.what)).into())
            }
            (0, None) => Err(Error::Empty(String::new()).into()),
            _ => Ok(self.capture),
        }
    }

    fn block<E: From<Error>>(&mut self, block: Block) -> Result<(), E>
    where
        C: FnMut(Records) -> Result<(), E>,
    {
        let Block { mut records, open_brackets, offset, bytes, ending } = block;
        let first_line = self.next_line;
        records.first_line = Some(first_line);
        records.first_offset = offset;
        self.next_line += records.n_lines;
        self.open_brackets += open_brackets;
        for issue in &mut records.issues {
            issue.line = issue.line.map(|line| line + first_line);
            issue.offset += offset;
        }
        if ending == Ending::Complete
            && self.open_brackets > 0
            && records.issues.last().is_none_or(|i| i.kind != IssueKind::Truncated)
        {
            records.issues.push(Issue {
                kind: IssueKind::Truncated,
                line: Some(self.next_line),
                offset: offset + bytes.len() as u64,
                what: "the input ends inside the array that it begins with".to_owned(),
            });
        }
        self.marks(&mut records)?;
        if ending == Ending::Complete
            && let Some(what) = self.cut_capture(&records)
        {
            let offset = offset + bytes.len() as u64;
            records.issues.push(Issue {
                kind: IssueKind::Truncated,
                line: Some(self.next_line),
                offset,
                what,
            });
        }
        // Nobody waits for buffers once the input has ended.
        let _ = self.free.try_send(bytes);
        self.n_objects += records.len() as u64;
        self.check(&records, &ending)?;
        (self.consume)(records)
    }

    /// Takes what a capture says of itself: in its first line, and in its last.
    fn marks(&mut self, records: &mut Records) -> Result<(), Error> {
        for Mark { n_before, line, offset, what } in std::mem::take(&mut records.marks) {
            let is_first = self.n_objects + n_before as u64 == 0 && self.capture.is_none();
            match what {
                MarkKind::Capture(capture) if is_first => {
                    if capture.format > capture::FORMAT {
                        return Err(Error::TooNew { found: capture.format, known: capture::FORMAT });
                    }
                    self.capture = Some(*capture);
                }
                MarkKind::End(end) if self.capture.is_some() && self.end.is_none() => self.end = Some(end),
                _ => records.issues.push(Issue {
                    kind: IssueKind::Malformed,
                    line: records.first_line.map(|first| first + u64::from(line)),
                    offset: records.first_offset + u64::from(offset),
                    what: "another dump begins or ends here; a file is to hold one".to_owned(),
                }),
            }
        }
        Ok(())
    }

    /// Why a capture that has been read to its end, `records` being the last, is not whole.
    fn cut_capture(&self, records: &Records) -> Option<String> {
        self.capture.as_ref()?;
        if self.first_issue.is_some() || records.issues.iter().any(|issue| issue.kind.is_lossy()) {
            return None;
        }
        let n_objects = self.n_objects + records.len() as u64;
        match self.end {
            None => Some("the last line of the capture is missing: its writer was stopped".to_owned()),
            Some(End { objects }) if objects != n_objects => {
                Some(format!("the last line of the capture says {objects} objects; {n_objects} are there"))
            }
            Some(_) => None,
        }
    }

    /// Stops at damage: the first lossy issue in strict reading; a start without any object always.
    fn check(&mut self, records: &Records, ending: &Ending) -> Result<(), Error> {
        if self.first_issue.is_none() {
            self.first_issue = records.issues.iter().find(|issue| issue.kind.is_lossy()).cloned();
        }
        let Some(issue) = &self.first_issue else { return Ok(()) };
        if self.n_objects == 0
            && issue.kind == IssueKind::Malformed
            && (*ending == Ending::More || !self.options.keep_going)
        {
            return Err(Error::NotADump(format!("{}: {}", issue.short_place(), issue.what)));
        }
        if self.options.keep_going { Ok(()) } else { Err(Error::Damaged(issue.clone())) }
    }
}
