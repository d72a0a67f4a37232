//! Where a dump comes from: a stream or a file, counted, hashed and decompressed on the way.
//!
//! ```text
//! Source --open--> SourceReader: head, then all decompressed bytes --finish--> Provenance
//!                              --seekable--> SeekableSource: a file to read in any order
//! ```
//!
//! A format that reads from the first byte to the last uses a [`SourceReader`] as it is. One that must go back and
//! forth asks it to become a [`SeekableSource`].

use std::{
    fs::File,
    io::{self, Cursor, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use sha2::{Digest, Sha256};

use crate::{Compression, Error, decompress::Decoder};

/// Bytes of a decompressed source that are read to recognise its format.
pub(crate) const HEAD_BYTES: usize = 1 << 16;
/// How often a cancellation is looked at while something is waited for.
pub(crate) const CANCEL_POLL: Duration = Duration::from_millis(50);
/// Bytes that are copied at a time where a source is copied or hashed.
const COPY_BYTES: usize = 1 << 20;

/// Where a dump comes from; nothing of it has been read.
pub struct Source(Input);

enum Input {
    Stream(Box<dyn Read + Send>),
    /// A regular file.
    File(File),
}

impl Source {
    /// Bytes that can be read once, from the first to the last.
    pub fn stream(reader: impl Read + Send + 'static) -> Self {
        Self(Input::Stream(Box::new(reader)))
    }

    /// A file; one that is not regular (a pipe, a device) is a stream.
    pub fn file(file: File) -> Self {
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Self(Input::File(file)),
            _ => Self::stream(file),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(reader) => reader.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

/// What is known of a source once all of it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// How the source was compressed.
    pub compression: Compression,
    /// Bytes of the source, before decompression.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hexadecimal.
    pub sha256: String,
}

impl Provenance {
    /// That of a file that something else reads.
    pub fn of_file(file: File, cancel: &AtomicBool) -> Result<Self, Error> {
        SourceReader::open(Source::file(file), Arc::default(), 1)?.finish(cancel)
    }
}

/// The bytes of a source as they are stored, counted and hashed while they are read.
struct HashedSource {
    input: Input,
    sha256: Sha256,
    n_bytes: u64,
    bytes_read: Arc<AtomicU64>,
    /// Reading failed: an error that a decompressor reports is not one of the compressed stream.
    has_failed: bool,
}

impl Read for HashedSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.input.read(buffer);
        match &result {
            Ok(n) => {
                self.sha256.update(&buffer[..*n]);
                self.n_bytes += *n as u64;
                self.bytes_read.fetch_add(*n as u64, Ordering::Relaxed);
            }
            Err(error) => self.has_failed |= error.kind() != io::ErrorKind::Interrupted,
        }
        result
    }
}

impl HashedSource {
    /// Reads what remains.
    fn finish(mut self, compression: Compression, cancel: &AtomicBool) -> Result<Provenance, Error> {
        copy(&mut self, &mut io::sink(), cancel).map_err(CopyError::of_read)?;
        let sha256 = self.sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Provenance { compression, bytes: self.n_bytes, sha256 })
    }
}

/// An open source: reads its decompressed bytes from the first to the last.
pub struct SourceReader {
    /// The first bytes, already read.
    head: Cursor<Vec<u8>>,
    /// The error that ended the head.
    error: Option<io::Error>,
    decoder: Decoder<HashedSource>,
}

impl SourceReader {
    /// Recognises the compression and reads the head. Counts the bytes of the source in `bytes_read`. Decompresses on several
    /// threads where that is possible.
    pub(crate) fn open(source: Source, bytes_read: Arc<AtomicU64>, threads: usize) -> io::Result<Self> {
        let source = HashedSource {
            input: source.0,
            sha256: Sha256::new(),
            n_bytes: 0,
            bytes_read,
            has_failed: false,
        };
        let mut decoder = Decoder::new(source, threads)?;
        let mut head = Vec::new();
        // The head has what was read before an error; the next read after the head returns the error.
        let error = decoder.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).err();
        Ok(Self { head: Cursor::new(head), error, decoder })
    }

    /// The first 64 KiB of the decompressed bytes, or all of them.
    pub fn head(&self) -> &[u8] {
        self.head.get_ref()
    }

    /// What an error of [`read`](Read::read) means: why the compressed stream ends here, or that the source cannot be
    /// read at all.
    pub fn damage(&self, error: io::Error) -> Result<String, Error> {
        match self.decoder.compression() {
            Compression::None => Err(error.into()),
            _ if self.decoder.source().is_none_or(|source| source.has_failed) => Err(error.into()),
            compression => Ok(format!("the {} stream is cut or damaged ({error})", compression.name())),
        }
    }

    /// Reads what remains of the source, which is part of its checksum: a decompressor may have left something.
    pub fn finish(self, cancel: &AtomicBool) -> Result<Provenance, Error> {
        let compression = self.decoder.compression();
        self.decoder.into_source().ok_or(Error::ReaderLost)?.finish(compression, cancel)
    }

    /// The decompressed bytes as a file: the source itself where it is a regular file without compression, else a
    /// nameless copy in `work_folder`. A file is hashed on a thread of its own while it is read.
    pub fn seekable(mut self, work_folder: &Path, cancel: &AtomicBool) -> Result<SeekableSource, Error> {
        let input = self.decoder.source().map(|source| &source.input);
        if let (Compression::None, Some(Input::File(_))) = (self.decoder.compression(), input) {
            let source = self.decoder.into_source().ok_or(Error::ReaderLost)?;
            let Input::File(file) = &source.input else { return Err(Error::ReaderLost) };
            let file = file.try_clone()?;
            return Ok(SeekableSource { file, cut: None, known: Known::Later(Hashing::start(source)) });
        }
        let failed = |source| Error::Spool { folder: work_folder.to_owned(), source };
        let mut file = tempfile::tempfile_in(work_folder).map_err(failed)?;
        let cut = match copy(&mut self, &mut file, cancel) {
            Ok(()) => None,
            Err(CopyError::Read(error)) => Some(self.damage(error)?),
            Err(CopyError::Write(error)) => return Err(failed(error)),
            Err(CopyError::Cancelled) => return Err(Error::Cancelled),
        };
        Ok(SeekableSource { file, cut, known: Known::Now(self.finish(cancel)?) })
    }
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.head.position() as usize) < self.head.get_ref().len() {
            return self.head.read(buffer);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.decoder.read(buffer),
        }
    }
}

/// The decompressed bytes of a source in a file, to be read at positions: where the file itself stands is not known.
pub struct SeekableSource {
    /// The bytes.
    pub file: File,
    /// Why the compressed stream ends early, if it does.
    pub cut: Option<String>,
    known: Known,
}

/// What is known of a source, or who will know it.
enum Known {
    Now(Provenance),
    Later(Hashing),
}

/// A thread that reads and hashes a source.
struct Hashing {
    result: Receiver<Result<Provenance, Error>>,
    is_unwanted: Arc<AtomicBool>,
}

impl Hashing {
    fn start(source: HashedSource) -> Self {
        let (sender, result) = bounded(1);
        let is_unwanted = Arc::<AtomicBool>::default();
        let cancel = is_unwanted.clone();
        thread::spawn(move || drop(sender.send(source.finish(Compression::None, &cancel))));
        Self { result, is_unwanted }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
    }
}

impl SeekableSource {
    /// What is known of the source; waits until all of it has been read.
    pub fn provenance(self, cancel: &AtomicBool) -> Result<Provenance, Error> {
        let hashing = match self.known {
            Known::Now(provenance) => return Ok(provenance),
            Known::Later(hashing) => hashing,
        };
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            match hashing.result.recv_timeout(CANCEL_POLL) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Error::ReaderLost),
            }
        }
    }
}

/// Why a copy did not come to its end.
enum CopyError {
    Read(io::Error),
    Write(io::Error),
    Cancelled,
}

impl CopyError {
    /// The error of a copy that cannot fail to write.
    fn of_read(self) -> Error {
        match self {
            Self::Read(error) | Self::Write(error) => error.into(),
            Self::Cancelled => Error::Cancelled,
        }
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write, cancel: &AtomicBool) -> Result<(), CopyError> {
    let mut buffer = Vec::new();
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(CopyError::Cancelled);
        }
        buffer.clear();
        let result = from.by_ref().take(COPY_BYTES as u64).read_to_end(&mut buffer);
        to.write_all(&buffer).map_err(CopyError::Write)?;
        if result.map_err(CopyError::Read)? == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    fn open(source: Source) -> SourceReader {
        SourceReader::open(source, Arc::default(), 1).unwrap()
    }

    fn content(mut source: SeekableSource) -> (Vec<u8>, Provenance, Option<String>) {
        let mut bytes = Vec::new();
        let cut = source.cut.take();
        let mut file = source.file.try_clone().unwrap();
        // Its position is known once it was hashed.
        let provenance = source.provenance(&AtomicBool::new(false)).unwrap();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        (bytes, provenance, cut)
    }

    /// More than a head, hardly compressible.
    fn some_bytes() -> Vec<u8> {
        (0..200_000_u32).flat_map(|i| (i.wrapping_mul(0x9e37_79b1) >> 8).to_le_bytes()).collect()
    }

    #[test]
    fn a_plain_file_is_its_own_seekable_source() {
        let (never, folder) = (AtomicBool::new(false), tempfile::tempdir().unwrap());
        let path = folder.path().join("dump");
        std::fs::write(&path, some_bytes()).unwrap();
        // A folder that does not exist: nothing is written to it.
        let source = open(Source::file(File::open(&path).unwrap()));
        let (bytes, provenance, cut) = content(source.seekable(&folder.path().join("none"), &never).unwrap());
        assert!(bytes == some_bytes() && cut.is_none());
        assert_eq!((provenance.compression, provenance.bytes), (Compression::None, 800_000));
        assert_eq!(open(Source::stream(Cursor::new(some_bytes()))).finish(&never).unwrap(), provenance);
    }

    #[test]
    fn anything_else_is_copied_into_the_work_folder() {
        let (never, folder) = (AtomicBool::new(false), tempfile::tempdir().unwrap());
        let packed = zstd::encode_all(&some_bytes()[..], 1).unwrap();
        let path = folder.path().join("packed");
        std::fs::write(&path, &packed).unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir(&work).unwrap();
        for (source, n_stored) in [
            (Source::stream(Cursor::new(some_bytes())), 800_000),
            (Source::stream(Cursor::new(packed.clone())), packed.len()),
            (Source::file(File::open(&path).unwrap()), packed.len()),
        ] {
            let (bytes, provenance, cut) = content(open(source).seekable(&work, &never).unwrap());
            assert!(bytes == some_bytes() && cut.is_none());
            assert_eq!(provenance.bytes, n_stored as u64);
        }
        assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0);
        let lost = open(Source::stream(io::empty())).seekable(&folder.path().join("none"), &never);
        assert!(matches!(lost, Err(Error::Spool { .. })));
    }

    #[test]
    fn a_cut_stream_says_so_and_keeps_what_came_before() {
        let (never, folder) = (AtomicBool::new(false), tempfile::tempdir().unwrap());
        let packed = zstd::encode_all(&some_bytes()[..], 1).unwrap();
        for end in [packed.len() / 2, packed.len() - 1] {
            let source = open(Source::stream(Cursor::new(packed[..end].to_vec())));
            let (bytes, provenance, cut) = content(source.seekable(folder.path(), &never).unwrap());
            assert!(some_bytes().starts_with(&bytes));
            assert_eq!(provenance.bytes, end as u64);
            assert!(cut.is_some_and(|why| why.contains("zstd")));
        }
    }

    #[test]
    fn a_copy_can_be_cancelled() {
        let source = open(Source::stream(io::repeat(7)));
        let result = source.seekable(&std::env::temp_dir(), &AtomicBool::new(true));
        assert!(matches!(result, Err(Error::Cancelled)));
    }
}
