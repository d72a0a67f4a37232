//! Files of other tools that people import, recognised by their first bytes: what each is, and what helps.
//!
//! Texts are only asked about where no format of ours recognises them. A format that heaplake learns to read leaves this table.

use std::ops::Range;

use heaplake_model::Remedy;

use crate::{Error, json::FirstFields, text::shown};

/// What sort of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A heap dump of another runtime.
    Dump,
    /// About a Python process, of which a dump could be taken instead.
    OfPython,
    /// A heap dump of a Python process by another tool.
    PythonDump,
    /// Something else.
    Unrelated,
}

/// First bytes, what the file is, and what to do with it.
const OTHERS: &[(&[u8], Sort, &str)] = &[
    // Python's.
    (b"memray\0", Sort::OfPython, MEMRAY),
    (b"\0\0\0\0\x07\x54\xd6\x01", Sort::PythonDump, "it is a PyHeap dump"),
    (b".loader: _load", Sort::OfPython, "it is a statistic of guppy (heapy): sizes by type, without objects"),
    (
        b"digraph ObjectGraph",
        Sort::OfPython,
        "it is a drawing by objgraph: a part of the objects, without sizes",
    ),
    (b"(dp0\n", Sort::OfPython, PICKLE),
    (b"(lp0\n", Sort::OfPython, PICKLE),
    (b"ccopy_reg\n", Sort::OfPython, PICKLE),
    // Memory of processes.
    (b"MDMP", Sort::OfPython, "it is a Windows minidump: memory without the process that explains it"),
    (b"PAGEDU", Sort::Unrelated, "it is a crash dump of Windows itself"),
    (b"\0\x12portable heap dump", Sort::Dump, "it is a Java heap dump (PHD of OpenJ9)"),
    (b"{\"snapshot\":", Sort::Dump, "it is a heap snapshot of V8 (Node.js, Chrome)"),
    (b"go1.", Sort::Dump, "it is a Go heap dump"),
    (b"dartheap", Sort::Dump, "it is a Dart heap snapshot"),
    (b"\x14\0\0\0!FastSerialization.1", Sort::Dump, "it is a .NET heap dump (gcdump) or trace"),
    (b"Nettrace", Sort::Unrelated, "it is a .NET trace (nettrace), without objects"),
    (b"heap profile: ", Sort::Unrelated, "it is a profile of gperftools: allocations, without objects"),
    (b"heap_v2/", Sort::Unrelated, "it is a profile of jemalloc: allocations, without objects"),
    (b"desc: ", Sort::Unrelated, "it is a profile of Valgrind's massif: allocations, without objects"),
    // Packed.
    (b"PK\x03\x04", Sort::Unrelated, "it is a zip archive in another one; unpack it first"),
    (b"7z\xbc\xaf", Sort::Unrelated, "it is a 7-Zip archive; unpack it first"),
    (b"Rar!\x1a\x07", Sort::Unrelated, "it is a RAR archive; unpack it first"),
    (b"\x1f\x8b", Sort::Unrelated, "it is compressed twice; decompress it once"),
    (LZ4, Sort::Unrelated, "it is compressed by LZ4; decompress it first: lz4 -d FILE"),
    (b"\x89LZO\0", Sort::Unrelated, "it is compressed by lzop; decompress it first: lzop -d FILE"),
    (b"LZIP", Sort::Unrelated, "it is compressed by lzip; decompress it first: lzip -d FILE"),
    (b"\x1f\x9d", Sort::Unrelated, "it is compressed by compress; decompress it first: uncompress FILE"),
    (b"\xff\x06\0\0sNaPpY", Sort::Unrelated, "it is compressed by Snappy; decompress it first"),
    // Texts.
    (b"\xff\xfe", Sort::Unrelated, UTF16),
    (b"\xfe\xff", Sort::Unrelated, UTF16),
    (b"{\0", Sort::Unrelated, UTF16),
    (b"<", Sort::Unrelated, "it is HTML or XML"),
    (b"#!", Sort::Unrelated, "it is a script"),
    (b"digraph ", Sort::Unrelated, "it is a graph in DOT (Graphviz)"),
    // Others.
    (b"SQLite format 3\0", Sort::Unrelated, "it is an SQLite database"),
    (b"PAR1", Sort::Unrelated, "it is a Parquet file; the files of a lake are read as parts of the lake"),
    (b"ARROW1", Sort::Unrelated, "it is an Arrow file"),
    (b"\x89PNG\r\n", Sort::Unrelated, "it is a PNG image"),
    (b"\xff\xd8\xff", Sort::Unrelated, "it is a JPEG image"),
    (b"GIF8", Sort::Unrelated, "it is a GIF image"),
    (b"%PDF", Sort::Unrelated, "it is a PDF document"),
    (b"MZ", Sort::Unrelated, "it is a program or library of Windows"),
];

const MEMRAY: &str = "it is a recording of memray: allocations, without objects and their references";
const PICKLE: &str = "it is a Python pickle";
const TRACEMALLOC: &str =
    "it is a snapshot of tracemalloc: allocations, without objects and their references";
const CORE: &str = "it is a core dump: memory without the process that explains it";
const UTF16: &str = "it is UTF-16 text; meliae dumps are UTF-8";
const LZ4: &[u8] = b"\x04\x22\x4d\x18";

/// Where most tar archives say what they are.
const TAR: Range<usize> = 257..262;
/// Where the header of a file in a tar archive has the sum of its bytes, in octal.
const TAR_SUM: Range<usize> = 148..156;
/// Bytes of such a header.
const TAR_HEADER: usize = 512;
/// Bytes in which the name of a tool is looked for.
const NEAR: usize = 200;
/// Fields that are named where JSON is something else.
const MAX_FIELDS: usize = 6;

/// The error of the input that begins with `head`; `None` where nothing here knows it.
pub(crate) fn recognise(head: &[u8]) -> Option<Error> {
    let (sort, what) = by_content(head)
        .or_else(|| {
            let found = OTHERS.iter().find(|(magic, ..)| head.starts_with(magic));
            found.map(|(_, sort, what)| (*sort, (*what).to_owned()))
        })
        .or_else(|| Some((Sort::Unrelated, other_json(head)?)))?;
    let is_heap_dump = matches!(sort, Sort::Dump | Sort::PythonDump);
    let remedy = matches!(sort, Sort::OfPython | Sort::PythonDump).then_some(Remedy::CaptureProcess);
    Some(Error::OtherFile { what, is_heap_dump, remedy })
}

/// The same for binary files, which may hold the lines of a dump without being one: an archive does.
pub(crate) fn recognise_binary(head: &[u8]) -> Option<Error> {
    memchr::memchr(0, &head[..head.len().min(TAR_HEADER)])?;
    recognise(head)
}

/// Files that the first bytes alone do not tell.
fn by_content(head: &[u8]) -> Option<(Sort, String)> {
    let near = &head[..head.len().min(NEAR)];
    let has = |text: &[u8]| memchr::memmem::find(near, text).is_some();
    let found = match head {
        // memray compresses what it has written; the first bytes stay readable.
        _ if head.starts_with(LZ4) && has(b"memray\0") => (Sort::OfPython, MEMRAY),
        [0x80, 2..=5, ..] if has(b"tracemalloc") => (Sort::OfPython, TRACEMALLOC),
        [0x80, 2..=5, ..] => (Sort::OfPython, PICKLE),
        [0x7f, b'E', b'L', b'F', ..] => elf(head),
        // Mach-O of 64 bits, whose fourth number is what it is of.
        [0xcf, 0xfa, 0xed, 0xfe, ..] if head.get(12) == Some(&4) => (Sort::OfPython, CORE),
        [0xcf, 0xfa, 0xed, 0xfe, ..] => (Sort::Unrelated, "it is a program or library of macOS"),
        _ if is_tar(head) => (Sort::Unrelated, "it is a tar archive; unpack it first"),
        _ if is_ruby(head) => (Sort::Dump, "it is a Ruby heap dump (ObjectSpace)"),
        [0, ..] if head.iter().all(|byte| *byte == 0) => {
            (Sort::Unrelated, "it begins with zero bytes alone: it was not written or not copied")
        }
        _ => return None,
    };
    Some((found.0, found.1.to_owned()))
}

/// Whether this is a tar archive; old ones have only their sum.
fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..TAR_HEADER) else { return false };
    let written = header[TAR_SUM].iter().filter(|byte| byte.is_ascii_digit());
    let written = written.fold(0, |sum, byte| 8 * sum + u32::from(byte - b'0'));
    // The sum itself counts as spaces.
    let counted = |(at, byte): (usize, &u8)| u32::from(if TAR_SUM.contains(&at) { b' ' } else { *byte });
    header[TAR] == *b"ustar"
        || (header[0] != 0 && written == header.iter().enumerate().map(counted).sum::<u32>())
}

/// What an ELF file is: its byte 5 is the order of bytes, 16 and 17 are its type.
fn elf(head: &[u8]) -> (Sort, &'static str) {
    let kind = match (head.get(5), head.get(16..18)) {
        (Some(1), Some(&[low, high])) => u16::from_le_bytes([low, high]),
        (Some(2), Some(&[high, low])) => u16::from_be_bytes([high, low]),
        _ => return (Sort::Unrelated, "it is an ELF file (a program or a core dump)"),
    };
    match kind {
        4 => (Sort::OfPython, CORE),
        _ => (Sort::Unrelated, "it is a program or library (ELF)"),
    }
}

/// Whether the lines are those of Ruby's `ObjectSpace.dump_all`, which have addresses and types, too.
pub(crate) fn is_ruby(head: &[u8]) -> bool {
    let Some(first) = FirstFields::of(head) else { return false };
    let begins = |name: &str, text: &[u8]| {
        first.fields.iter().any(|(other, value)| *other == name.as_bytes() && value.starts_with(text))
    };
    (begins("type", b"\"ROOT\"") && first.has("references"))
        || (begins("address", b"\"0x") && (first.has("memsize") || first.has("slot_size")))
}

/// What JSON is whose first object cannot be one of a dump.
fn other_json(head: &[u8]) -> Option<String> {
    let first = FirstFields::of(head)?;
    let is_other = match first.rest {
        // A damaged dump has other objects.
        Some(rest) => !first.has("address") && memchr::memmem::find(rest, b"\"address\"").is_none(),
        None => {
            let ours = ["address", "type", "size", "len", "name", "value", "refs", "labels", "weak", "root"];
            !ours.iter().any(|name| first.has(name))
        }
    };
    if !is_other {
        return None;
    }
    let mut names: Vec<String> = first.fields.iter().map(|(name, _)| shown(name)).collect();
    if names.len() > MAX_FIELDS {
        names.truncate(MAX_FIELDS);
        names.push("…".to_owned());
    }
    Some(format!("it is other JSON, whose first object has {} and no address", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn text(head: &[u8]) -> (String, bool) {
        let error = recognise(head).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(head)));
        (error.to_string(), error.remedy() == Some(Remedy::CaptureProcess))
    }

    fn tar() -> Vec<u8> {
        let mut tar = vec![b'x'; TAR_HEADER];
        tar[100..148].fill(0);
        tar[TAR].copy_from_slice(b"ustar");
        tar
    }

    /// One without a magic number.
    fn old_tar() -> Vec<u8> {
        let mut tar = vec![0; TAR_HEADER];
        tar[..6].copy_from_slice(b"x.dump");
        tar[TAR_SUM].fill(b' ');
        let sum: u32 = tar.iter().map(|byte| u32::from(*byte)).sum();
        tar[TAR_SUM][..8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar
    }

    /// An ELF file of a type.
    fn elf_of(kind: u8) -> Vec<u8> {
        let mut head = vec![0; 64];
        head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        head[16] = kind;
        head
    }

    /// Files of tools, as they begin.
    fn samples() -> Vec<(Vec<u8>, &'static str, bool)> {
        let pickle = b"\x80\x04\x95\x12\0\0\0\0\0\0\0}\x94\x8c\x01a".to_vec();
        let tracemalloc = b"\x80\x05\x95\x86\x2b\0\0\0\0\0\0\x8c\x0btracemalloc\x94\x8c\x08Snapshot".to_vec();
        let memray = b"\x04\x22\x4d\x18\x40\x40\xc0\xa6\x03\0\0\xfa\x04memray\0\x0d\0\0\0".to_vec();
        let big_endian = b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x04\0\x16".to_vec();
        let ruby =
            br#"{"address":"0x7f01", "type":"STRING", "slot_size":40, "class":"0x7f02", "memsize":40}"#;
        let mut unaligned = tar();
        unaligned[0] = 0;
        vec![
            (memray, "memray", true),
            (b"memray\0\x0d\0\0\0".to_vec(), "memray", true),
            (b"\0\0\0\0\x07\x54\xd6\x01\0\0\0\x01\0\x20".to_vec(), "PyHeap", true),
            (pickle, "a Python pickle", true),
            (b"\x80\x02}q\0.".to_vec(), "a Python pickle", true),
            (b"(dp0\nVa\n".to_vec(), "a Python pickle", true),
            (tracemalloc, "tracemalloc", true),
            (b".loader: _load_stat\n.format: SetFormat\n".to_vec(), "guppy", true),
            (b"digraph ObjectGraph {\n  node[shape=box".to_vec(), "objgraph", true),
            (elf_of(4), "a core dump", true),
            (big_endian, "a core dump", true),
            (b"MDMP\x93\xa7".to_vec(), "minidump", true),
            (elf_of(3), "a program or library", false),
            (b"\x7fELF\x02".to_vec(), "ELF file (a program or a core dump)", false),
            (b"\0\x12portable heap dump".to_vec(), "Java heap dump", false),
            (b"{\"snapshot\":{\"meta\":{\"node_fields\"".to_vec(), "V8", false),
            (b"go1.7 heap dump\n".to_vec(), "Go heap dump", false),
            (ruby.to_vec(), "Ruby", false),
            (br#"{"type":"ROOT", "root":"vm", "references":["0x7f01"]}"#.to_vec(), "Ruby", false),
            (b"\x14\0\0\0!FastSerialization.1".to_vec(), ".NET", false),
            (b"SQLite format 3\0".to_vec(), "SQLite", false),
            (b"PAR1".to_vec(), "Parquet", false),
            (b"\x04\x22\x4d\x18\x40".to_vec(), "LZ4", false),
            (tar(), "tar archive; unpack it first", false),
            (unaligned, "tar archive", false),
            (old_tar(), "tar archive", false),
            (vec![0; 5000], "zero bytes", false),
            (b"\x89PNG\r\n\x1a\n".to_vec(), "PNG", false),
        ]
    }

    #[test]
    fn a_file_is_recognised_by_its_first_bytes() {
        for (head, words, helps) in samples() {
            let (message, has_remedy) = text(&head);
            assert!(message.contains(words) && has_remedy == helps, "{message}");
        }
        assert_eq!(text(b"GIF89a").0, "this is not a heap dump: it is a GIF image");
        let dump = "heaplake does not read heap dumps of this kind: it is a Go heap dump";
        assert_eq!(text(b"go1.7 heap dump\n").0, dump);
        for head in [&b"{\"address\": 1"[..], b"", b"hello", b"[1, 2]", b"{}", b"{\"size\": 1, "] {
            assert!(recognise(head).is_none(), "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn an_archive_is_not_the_dump_in_it() {
        let dump = b"{\"address\": 1, \"type\": \"a\", \"size\": 16, \"refs\": []}\n";
        for archive in [tar(), old_tar()] {
            let text = recognise_binary(&[&archive[..], dump].concat()).expect("an archive").to_string();
            assert!(text.ends_with("it is a tar archive; unpack it first"), "{text}");
        }
        for dump in [&dump[..], &[&[0; 700][..], dump].concat(), b"<x>\n{\"address\": 1}"] {
            assert!(recognise_binary(dump).is_none());
        }
    }

    #[test]
    fn other_json_is_known_by_its_fields() {
        let (message, _) =
            text(br#" [ {"name": "a", "version": 2, "d": 3, "e": {}, "f": [], "g": 1, "h": 2}]"#);
        let fields = "`name`, `version`, `d`, `e`, `f`, `g`, … and no address";
        assert_eq!(
            message,
            format!("this is not a heap dump: it is other JSON, whose first object has {fields}")
        );
        assert!(text(b"{\"head\": {\"x\": 1}, \"nodes\": [").0.contains("`head`, `nodes`"));
        // Perhaps a dump: cut, damaged, or with a first object that is longer than the head.
        for head in [
            "{\"refs\": [1, 2",
            "{\"x\": 1, \"type\": \"a\", \"y\": [",
            "{\"type\": \"a\", \"size\": 1}\n{\"address\": 1",
        ] {
            assert!(recognise(head.as_bytes()).is_none(), "{head}");
        }
    }

    #[test]
    fn no_head_panics() {
        for (head, ..) in samples() {
            for end in 0..head.len() {
                recognise(&head[..end]);
            }
        }
    }
}
