//! The one member of a zip file, read from the first byte to the last.
//!
//! ```text
//! { "PK" 3 4, u16 version, u16 flags, u16 method, u32 time, u32 crc, u32 packed, u32 size, u16 name length, u16 extra length,
//!   name, extra, data, perhaps "PK" 7 8 and crc and sizes }  "PK" 1 2 ...
//! ```
//!
//! The directory at the end is not needed, so that a pipe can be read. Folders before the member are passed; a second member is an
//! error, because nothing says which of them is the dump.

use std::io::{self, BufRead, Read};

use flate2::{Crc, bufread::DeflateDecoder};

pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";
const DIRECTORY: &[u8] = b"PK\x01\x02";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const HEAD_BYTES: usize = 30;

const IS_ENCRYPTED: u16 = 1;
const HAS_DESCRIPTOR: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// What stands for a size that is in the extra field.
const IN_EXTRA: u32 = u32::MAX;
const ZIP64: u16 = 1;

/// Reads the member of a zip file.
pub(crate) struct ZipMember<B: BufRead> {
    /// `None` only inside a call.
    body: Option<Body<B>>,
    header: Header,
    crc: Crc,
}

enum Body<B: BufRead> {
    Before(B),
    Stored(io::Take<B>),
    Deflated(DeflateDecoder<B>),
    After(B),
}

/// What is known of the member before its data.
#[derive(Debug, Clone, Copy, Default)]
struct Header {
    flags: u16,
    crc: u32,
    packed: u64,
    size: u64,
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl<B: BufRead> ZipMember<B> {
    pub(crate) fn new(source: B) -> Self {
        Self { body: Some(Body::Before(source)), header: Header::default(), crc: Crc::new() }
    }

    pub(crate) fn get_ref(&self) -> Option<&B> {
        Some(match self.body.as_ref()? {
            Body::Before(source) | Body::After(source) => source,
            Body::Stored(take) => take.get_ref(),
            Body::Deflated(decoder) => decoder.get_ref(),
        })
    }

    pub(crate) fn into_inner(self) -> Option<B> {
        Some(match self.body? {
            Body::Before(source) | Body::After(source) => source,
            Body::Stored(take) => take.into_inner(),
            Body::Deflated(decoder) => decoder.into_inner(),
        })
    }

    /// Reads up to the data of the member.
    fn begin(&mut self, source: &mut B) -> io::Result<u16> {
        loop {
            let head: [u8; HEAD_BYTES] = bytes(source)?;
            if !head.starts_with(MAGIC) {
                return Err(wrong("it has no member"));
            }
            let (flags, method) = (u16_at(&head, 6), u16_at(&head, 8));
            let (n_name, n_extra) = (u16_at(&head, 26).into(), usize::from(u16_at(&head, 28)));
            let (mut name, mut extra) = (vec![0; n_name], vec![0; n_extra]);
            source.read_exact(&mut name)?;
            source.read_exact(&mut extra)?;
            let [crc, packed, size] = [14, 18, 22].map(|at| u32_at(&head, at));
            self.header = Header { flags, crc, packed: packed.into(), size: size.into() };
            if packed == IN_EXTRA || size == IN_EXTRA {
                self.header.long_sizes(&extra, (size == IN_EXTRA, packed == IN_EXTRA));
            }
            if flags & IS_ENCRYPTED != 0 {
                return Err(wrong("its member is encrypted"));
            }
            if !name.ends_with(b"/") || size > 0 || flags & HAS_DESCRIPTOR != 0 {
                return Ok(method);
            }
        }
    }

    /// Checks what follows the data.
    fn end(&mut self, source: &mut B, packed: u64) -> io::Result<()> {
        let size = self.crc.amount();
        let mut crc = self.header.crc;
        let mut next: [u8; 4];
        if self.header.flags & HAS_DESCRIPTOR != 0 {
            next = bytes(source)?;
            if next.starts_with(DESCRIPTOR) {
                next = bytes(source)?;
            }
            crc = u32::from_le_bytes(next);
            // The sizes, of which only the length is in doubt: 4 bytes each, or 8.
            let _: [u8; 8] = bytes(source)?;
            next = bytes(source)?;
            if !is_mark(&next) {
                let _: [u8; 4] = bytes(source)?;
                next = bytes(source)?;
            }
        } else if (packed, u64::from(size)) != (self.header.packed, self.header.size & u64::from(u32::MAX)) {
            return Err(wrong("its member has another size than its header says"));
        } else {
            next = bytes(source)?;
        }
        if crc != self.crc.sum() {
            return Err(wrong("the checksum of its member is another one"));
        }
        match next.starts_with(DIRECTORY) {
            true => Ok(()),
            false if next.starts_with(MAGIC) => {
                Err(wrong("it has more than one member, and nothing says which is the dump; unpack it"))
            }
            false => Err(wrong("its directory is missing")),
        }
    }
}

fn is_mark(bytes: &[u8; 4]) -> bool {
    bytes.starts_with(DIRECTORY) || bytes.starts_with(MAGIC)
}

impl Header {
    /// Takes sizes from the extra field, where one or both are there.
    fn long_sizes(&mut self, mut extra: &[u8], (has_size, has_packed): (bool, bool)) {
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let Some((data, rest)) = rest.split_at_checked(u16_at(head, 2).into()) else { return };
            if u16_at(head, 0) == ZIP64 {
                let mut numbers = data.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
                if has_size {
                    self.size = numbers.next().unwrap_or(self.size);
                }
                if has_packed {
                    self.packed = numbers.next().unwrap_or(self.packed);
                }
            }
            extra = rest;
        }
    }
}

impl<B: BufRead> Read for ZipMember<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.body.take() {
                None => return Err(wrong("it was damaged before")),
                Some(Body::After(source)) => {
                    self.body = Some(Body::After(source));
                    return Ok(0);
                }
                Some(Body::Before(mut source)) => {
                    let begun = self.begin(&mut source);
                    self.body = Some(match begun {
                        Ok(DEFLATED) => Body::Deflated(DeflateDecoder::new(source)),
                        Ok(STORED) if self.header.flags & HAS_DESCRIPTOR == 0 => {
                            Body::Stored(source.take(self.header.packed))
                        }
                        Ok(method) => {
                            self.body = Some(Body::Before(source));
                            return Err(wrong(format!(
                                "its member is packed by the method {method}, not deflate"
                            )));
                        }
                        Err(error) => {
                            self.body = Some(Body::Before(source));
                            return Err(error);
                        }
                    });
                }
                Some(Body::Stored(mut take)) => {
                    let n_read = take.read(buffer);
                    let is_cut = matches!(n_read, Ok(0)) && take.limit() > 0;
                    if !matches!(n_read, Ok(0)) || is_cut || buffer.is_empty() {
                        self.body = Some(Body::Stored(take));
                        let n_read = n_read?;
                        if is_cut && !buffer.is_empty() {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        self.crc.update(&buffer[..n_read]);
                        return Ok(n_read);
                    }
                    let mut source = take.into_inner();
                    let ended = self.end(&mut source, self.header.packed);
                    self.body = Some(Body::After(source));
                    return ended.map(|()| 0);
                }
                Some(Body::Deflated(mut decoder)) => {
                    let n_read = decoder.read(buffer);
                    if !matches!(n_read, Ok(0)) || buffer.is_empty() {
                        self.body = Some(Body::Deflated(decoder));
                        let n_read = n_read?;
                        self.crc.update(&buffer[..n_read]);
                        return Ok(n_read);
                    }
                    let packed = decoder.total_in();
                    let mut source = decoder.into_inner();
                    let ended = self.end(&mut source, packed);
                    self.body = Some(Body::After(source));
                    return ended.map(|()| 0);
                }
            }
        }
    }
}

fn bytes<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}
