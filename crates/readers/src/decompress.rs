//! Compression, recognised by content.
//!
//! A compressed input has one member (frame, stream) or several, one after the other. Tapes and object stores pad what they
//! store with zero bytes: zeros after the last member are skipped, zeros before anything else are an error, because
//! they are where something was lost.

mod gzip_members;

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use self::gzip_members::GzipMembers;
use crate::zip::ZipMember;

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
    /// A zip file with one member.
    Zip,
}

const MAGICS: [(&[u8], Compression); 6] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    // A frame to be skipped, with which the files of pzstd begin.
    (&[0x50, 0x2a, 0x4d, 0x18], Compression::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
    (b"BZh", Compression::Bzip2),
    (crate::zip::MAGIC, Compression::Zip),
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
            Compression::Zip => "zip",
        }
    }

    fn of(head: &[u8]) -> Self {
        let found = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
        found.map_or(Compression::None, |(_, compression)| *compression)
    }
}

/// A source with the bytes that were read to recognise its compression put back.
pub(crate) type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// A compressed source.
type Buffered<R> = BufReader<Whole<R>>;

/// Reads the decompressed bytes of a source, and gives the source back.
pub(crate) struct Decoder<R: Read> {
    compression: Compression,
    /// What is being read; `None` only after a decompressor could not be made.
    member: Option<Member<R>>,
    has_ended: bool,
}

/// The decompressor of a member of the source. That of xz takes all of them, with the padding that its format has.
enum Member<R: Read> {
    None(Whole<R>),
    /// Several members, inflated at the same time.
    GzipMembers(GzipMembers<R>),
    /// Nothing, or further members.
    Rest(Buffered<R>),
    Gzip(flate2::bufread::GzDecoder<Buffered<R>>),
    Zstd(zstd::stream::read::Decoder<'static, Buffered<R>>),
    Xz(liblzma::bufread::XzDecoder<Buffered<R>>),
    Bzip2(bzip2::bufread::BzDecoder<Buffered<R>>),
    Zip(ZipMember<Buffered<R>>),
}

impl<R: Read> Decoder<R> {
    /// Recognises the compression by the first bytes. Uses up to so many threads where the input can be cut.
    pub(crate) fn new(mut source: R, threads: usize) -> io::Result<Self> {
        let mut head = Vec::with_capacity(MAGIC_LEN);
        source.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut head)?;
        let compression = Compression::of(&head);
        let whole = Cursor::new(head).chain(source);
        let member = match compression {
            Compression::None => Member::None(whole),
            Compression::Gzip if threads > 1 => match GzipMembers::new(whole, threads)? {
                Ok(members) => Member::GzipMembers(members),
                Err(whole) => Member::new(compression, BufReader::with_capacity(BUFFER, whole))?,
            },
            _ => Member::new(compression, BufReader::with_capacity(BUFFER, whole))?,
        };
        Ok(Self { compression, member: Some(member), has_ended: false })
    }

    /// How the source is compressed.
    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// The source, which may have been read further than the decompressed bytes.
    pub(crate) fn source(&self) -> Option<&R> {
        Some(self.member.as_ref()?.whole()?.get_ref().1)
    }

    /// The same, owned.
    pub(crate) fn into_source(self) -> Option<R> {
        Some(self.member?.into_whole()?.into_inner().1)
    }

    /// Begins with the next member, if there is one.
    fn next_member(&mut self) -> io::Result<bool> {
        if let Some(Member::GzipMembers(members)) =
            self.member.take_if(|member| matches!(member, Member::GzipMembers(_)))
        {
            self.member = Some(Member::Rest(BufReader::with_capacity(BUFFER, members.into_rest())));
        }
        let buffer = match &mut self.member {
            Some(Member::Rest(buffer)) => buffer,
            Some(Member::Gzip(decoder)) => decoder.get_mut(),
            Some(Member::Zstd(decoder)) => decoder.get_mut(),
            Some(Member::Bzip2(decoder)) => decoder.get_mut(),
            Some(Member::None(_) | Member::GzipMembers(_) | Member::Xz(_) | Member::Zip(_)) | None => {
                return Ok(false);
            }
        };
        let n_zeros = skip_zeros(buffer)?;
        if buffer.fill_buf()?.is_empty() {
            self.has_ended = true;
            return Ok(false);
        }
        if n_zeros > 0 {
            let what = format!("{n_zeros} zero bytes are followed by other data");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let buffer = match self.member.take() {
            Some(Member::Rest(buffer)) => buffer,
            Some(Member::Gzip(decoder)) => decoder.into_inner(),
            Some(Member::Zstd(decoder)) => decoder.finish(),
            Some(Member::Bzip2(decoder)) => decoder.into_inner(),
            member => {
                self.member = member;
                return Ok(false);
            }
        };
        self.member = Some(Member::new(self.compression, buffer)?);
        Ok(true)
    }
}

impl<R: Read> Member<R> {
    fn new(compression: Compression, buffer: Buffered<R>) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(buffer.into_inner()),
            Compression::Gzip => Self::Gzip(flate2::bufread::GzDecoder::new(buffer)),
            Compression::Zstd => Self::Zstd(zstd::stream::read::Decoder::with_buffer(buffer)?.single_frame()),
            Compression::Xz => Self::Xz(liblzma::bufread::XzDecoder::new_multi_decoder(buffer)),
            Compression::Bzip2 => Self::Bzip2(bzip2::bufread::BzDecoder::new(buffer)),
            Compression::Zip => Self::Zip(ZipMember::new(buffer)),
        })
    }

    fn whole(&self) -> Option<&Whole<R>> {
        Some(match self {
            Self::None(whole) => whole,
            Self::GzipMembers(members) => members.whole(),
            Self::Rest(buffer) => buffer.get_ref(),
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
            Self::Xz(decoder) => decoder.get_ref().get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref().get_ref(),
            Self::Zip(member) => member.get_ref()?.get_ref(),
        })
    }

    fn into_whole(self) -> Option<Whole<R>> {
        Some(match self {
            Self::None(whole) => whole,
            Self::GzipMembers(members) => members.into_rest(),
            Self::Rest(buffer) => buffer.into_inner(),
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
            Self::Zstd(decoder) => decoder.finish().into_inner(),
            Self::Xz(decoder) => decoder.into_inner().into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner().into_inner(),
            Self::Zip(member) => member.into_inner()?.into_inner(),
        })
    }
}

impl<R: Read> Read for Member<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(whole) => whole.read(buffer),
            Self::GzipMembers(members) => members.read(buffer),
            Self::Rest(_) => Ok(0),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Zip(member) => member.read(buffer),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.has_ended {
            let Some(member) = &mut self.member else {
                return Err(io::Error::other("the decompressor could not be made"));
            };
            let n_read = member.read(buffer)?;
            if n_read > 0 || buffer.is_empty() || !self.next_member()? {
                return Ok(n_read);
            }
        }
        Ok(0)
    }
}

/// Skips zero bytes; returns their number.
fn skip_zeros(buffer: &mut impl BufRead) -> io::Result<u64> {
    let mut n_zeros = 0;
    loop {
        let bytes = buffer.fill_buf()?;
        let n_here = bytes.iter().take_while(|byte| **byte == 0).count();
        let is_end = n_here < bytes.len() || bytes.is_empty();
        buffer.consume(n_here);
        n_zeros += n_here as u64;
        if is_end {
            return Ok(n_zeros);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// One byte at a time, as from a slow pipe.
    struct ByteByByte(Cursor<Vec<u8>>);

    impl Read for ByteByByte {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = buffer.len().min(1);
            self.0.read(&mut buffer[..end])
        }
    }

    fn decompressed(input: &[u8]) -> (Vec<u8>, Option<String>) {
        let read = |source: &mut dyn Read| {
            let mut bytes = Vec::new();
            let error = source.read_to_end(&mut bytes).err().map(|error| error.to_string());
            (bytes, error)
        };
        let at_once = read(&mut Decoder::new(Cursor::new(input.to_vec()), 1).unwrap());
        let slow = read(&mut Decoder::new(ByteByByte(Cursor::new(input.to_vec())), 1).unwrap());
        let on_threads = read(&mut Decoder::new(Cursor::new(input.to_vec()), 3).unwrap());
        for other in [slow, on_threads] {
            // Damage is noticed at one time or another.
            assert_eq!(at_once.1.is_some(), other.1.is_some());
            assert!(at_once == other || at_once.1.is_some());
        }
        at_once
    }

    fn members(text: &[u8]) -> [Vec<u8>; 4] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(text).unwrap();
        let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
        zstd.include_checksum(true).unwrap();
        zstd.write_all(text).unwrap();
        [gzip.finish().unwrap(), zstd.finish().unwrap(), xz.finish().unwrap(), bzip2.finish().unwrap()]
    }

    /// A zip file as Python's zipfile writes it: its members and the beginning of the directory.
    fn zip_file(members: &[(&str, &[u8], bool, bool)]) -> Vec<u8> {
        let mut file = Vec::new();
        for (name, text, deflate, descriptor) in members {
            let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text).unwrap();
            let data = if *deflate { packed.finish().unwrap() } else { text.to_vec() };
            let mut crc = flate2::Crc::new();
            crc.update(text);
            let sizes = [crc.sum(), data.len() as u32, text.len() as u32].map(u32::to_le_bytes).concat();
            let flags: u16 = if *descriptor { 8 } else { 0 };
            let method: u16 = if *deflate { 8 } else { 0 };
            file.extend(b"PK\x03\x04\x14\0");
            file.extend([flags, method, 0, 0].map(u16::to_le_bytes).concat());
            file.extend(if *descriptor { vec![0; 12] } else { sizes.clone() });
            file.extend([name.len() as u16, 4].map(u16::to_le_bytes).concat());
            file.extend(name.as_bytes());
            file.extend([7, 7, 0, 0]);
            file.extend(data);
            if *descriptor {
                file.extend(b"PK\x07\x08");
                file.extend(sizes);
            }
        }
        file.extend(b"PK\x01\x02 and so on");
        file
    }

    #[test]
    fn the_member_of_a_zip_file_is_read_and_another_one_refused() {
        for text in [&b"abc"[..], b""] {
            for (deflate, descriptor) in [(true, false), (true, true), (false, false)] {
                let file = zip_file(&[("dump/", b"", false, false), ("dump/a", text, deflate, descriptor)]);
                assert_eq!(decompressed(&file), (text.to_vec(), None), "{deflate} {descriptor}");
            }
        }
        let two = zip_file(&[("a", b"abc", true, true), ("b", b"de", true, true)]);
        let (text, error) = decompressed(&two);
        assert_eq!(text, b"abc");
        assert!(error.is_some_and(|error| error.contains("more than one member")));
        let whole = zip_file(&[("a", b"abcabc", true, false)]);
        for end in 6..whole.len() - 13 {
            assert!(decompressed(&whole[..end]).1.is_some(), "{end}");
        }
        let mut other = whole.clone();
        other[14] ^= 1;
        assert!(decompressed(&other).1.is_some_and(|error| error.contains("checksum")));
        let mut secret = whole;
        secret[6] = 1;
        assert!(decompressed(&secret).1.is_some_and(|error| error.contains("encrypted")));
    }

    #[test]
    fn members_follow_each_other() {
        for texts in [vec![&b""[..]], vec![b"abc"], vec![b"abc", b"", b"de"], vec![b"", b"", b"f"]] {
            for format in 0..4 {
                let input: Vec<u8> = texts.iter().flat_map(|text| members(text)[format].clone()).collect();
                assert_eq!(decompressed(&input), (texts.concat(), None), "{format} {texts:?}");
            }
        }
    }

    #[test]
    fn frames_of_zstd_that_are_to_be_skipped_are() {
        let frame = |number: u8| [&[0x50 + number, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
        let [_, text, ..] = members(b"abc");
        let input = [frame(0), text.clone(), frame(1), text, frame(14)].concat();
        assert_eq!(decompressed(&input), (b"abcabc".to_vec(), None));
    }

    #[test]
    fn zeros_after_the_last_member_are_padding() {
        for member in members(b"abc") {
            // xz has padding of its own, in units of four bytes.
            for n_zeros in [4, 512, 300_000] {
                let padded = [&member[..], &vec![0; n_zeros]].concat();
                assert_eq!(decompressed(&padded), (b"abc".to_vec(), None));
            }
        }
        for member in [0, 1, 3].map(|format| members(b"abc")[format].clone()) {
            let padded = [&member[..], &[0]].concat();
            assert_eq!(decompressed(&padded), (b"abc".to_vec(), None));
        }
    }

    #[test]
    fn zeros_before_anything_else_are_an_error() {
        for member in [0, 1, 3].map(|format| members(b"abc")[format].clone()) {
            for rest in [&b"x"[..], b"\n", &member] {
                let (text, error) = decompressed(&[&member[..], &[0; 700], rest].concat());
                assert_eq!(text, b"abc");
                assert!(error.is_some_and(|error| error == "700 zero bytes are followed by other data"));
            }
            assert!(decompressed(&[&member[..], b"other data"].concat()).1.is_some());
        }
    }

    #[test]
    fn a_member_cut_anywhere_and_padded_is_an_error() {
        for member in members(b"abc") {
            for end in 6..member.len() {
                let cut = &member[..end];
                // Zeros may be what was cut off.
                if member[end..].iter().any(|byte| *byte != 0) {
                    assert!(decompressed(&[cut, &[0; 512]].concat()).1.is_some(), "{end} {member:?}");
                }
                assert!(decompressed(cut).1.is_some(), "{end} {member:?}");
            }
        }
    }
}
