//! Compression, recognised by content.

use std::io::{self, BufReader, Chain, Cursor, Read};

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), one or several members.
    Gzip,
    /// Zstandard (RFC 8878), one or several frames.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

const MAGICS: [(&[u8], Compression); 4] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
    (b"BZh", Compression::Bzip2),
];

const MAGIC_LEN: usize = 6;
const BUFFER: usize = 1 << 18;

impl Compression {
    /// Its name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
            Compression::Bzip2 => "bzip2",
        }
    }

    fn of(head: &[u8]) -> Self {
        let found = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
        found.map_or(Compression::None, |(_, compression)| *compression)
    }
}

/// A source with the bytes that were read to recognise its compression put back.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// Reads the decompressed bytes of a source, and gives the source back.
pub(crate) enum Decoder<R: Read> {
    None(Whole<R>),
    Gzip(flate2::bufread::MultiGzDecoder<BufReader<Whole<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Whole<R>>>),
    Xz(liblzma::bufread::XzDecoder<BufReader<Whole<R>>>),
    Bzip2(bzip2::bufread::MultiBzDecoder<BufReader<Whole<R>>>),
}

impl<R: Read> Decoder<R> {
    /// Recognises the compression by the first bytes.
    pub(crate) fn new(mut source: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(MAGIC_LEN);
        source.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut head)?;
        let compression = Compression::of(&head);
        let whole = Cursor::new(head).chain(source);
        let buffered = |whole| BufReader::with_capacity(BUFFER, whole);
        Ok(match compression {
            Compression::None => Self::None(whole),
            Compression::Gzip => Self::Gzip(flate2::bufread::MultiGzDecoder::new(buffered(whole))),
            Compression::Zstd => Self::Zstd(zstd::stream::read::Decoder::with_buffer(buffered(whole))?),
            Compression::Xz => Self::Xz(liblzma::bufread::XzDecoder::new_multi_decoder(buffered(whole))),
            Compression::Bzip2 => Self::Bzip2(bzip2::bufread::MultiBzDecoder::new(buffered(whole))),
        })
    }

    /// How the source is compressed.
    pub(crate) fn compression(&self) -> Compression {
        match self {
            Self::None(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
            Self::Xz(_) => Compression::Xz,
            Self::Bzip2(_) => Compression::Bzip2,
        }
    }

    /// The source, which may have been read further than the decompressed bytes.
    pub(crate) fn source(&self) -> &R {
        let whole = match self {
            Self::None(whole) => whole,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
            Self::Xz(decoder) => decoder.get_ref().get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref().get_ref(),
        };
        whole.get_ref().1
    }

    /// The same, owned.
    pub(crate) fn into_source(self) -> R {
        let whole = match self {
            Self::None(whole) => whole,
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
            Self::Zstd(decoder) => decoder.finish().into_inner(),
            Self::Xz(decoder) => decoder.into_inner().into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner().into_inner(),
        };
        whole.into_inner().1
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(whole) => whole.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
        }
    }
}
