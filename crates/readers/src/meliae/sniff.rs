//! Is this a meliae dump at all? Says what else it is, where it can tell.

/// First bytes of things that people import by mistake.
const OTHERS: [(&[u8], &str); 17] = [
    (b"\x89PNG\r\n", "it is a PNG image"),
    (b"\xff\xd8\xff", "it is a JPEG image"),
    (b"GIF8", "it is a GIF image"),
    (b"%PDF", "it is a PDF document"),
    (b"\x7fELF", "it is an ELF file (a program or a core dump)"),
    (b"SQLite format 3\0", "it is an SQLite database"),
    (b"PAR1", "it is a Parquet file"),
    (b"ARROW1", "it is an Arrow file"),
    (b"PK\x03\x04", "it is a zip archive; unpack it first"),
    (b"7z\xbc\xaf", "it is a 7-Zip archive; unpack it first"),
    (b"JAVA PROFILE", "it is a Java heap dump (HPROF), a format that heaplake does not read"),
    (b"{\"snapshot\":", "it is a V8 heap snapshot, a format that heaplake does not read"),
    (b"\xff\xfe", "it is UTF-16 text; meliae dumps are UTF-8"),
    (b"\xfe\xff", "it is UTF-16 text; meliae dumps are UTF-8"),
    (b"{\0", "it is UTF-16 text; meliae dumps are UTF-8"),
    (b"<", "it is HTML or XML"),
    (b"\x1f\x8b", "it is compressed twice; decompress it once"),
];

/// The UTF-8 byte order mark.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// What the input is, if it certainly is no meliae dump.
pub(crate) fn other(head: &[u8]) -> Option<&'static str> {
    let tar = head.get(257..262) == Some(b"ustar");
    let found = OTHERS.iter().find(|(magic, _)| head.starts_with(magic));
    found.map(|(_, what)| *what).or(tar.then_some("it is a tar archive; unpack it first"))
}
