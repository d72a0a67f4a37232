//! Files that people import by mistake, recognised by their first bytes.
//!
//! Only asked about inputs that no format of ours recognises. A format that heaplake learns to read leaves this table.

/// First bytes, and what the file is.
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

/// Where a tar archive says what it is.
const TAR: std::ops::Range<usize> = 257..262;

/// What the input that begins with `head` is; `None` where the table does not know it.
pub(crate) fn recognise(head: &[u8]) -> Option<&'static str> {
    let is_tar = head.get(TAR) == Some(b"ustar");
    let found = OTHERS.iter().find(|(magic, _)| head.starts_with(magic));
    found.map(|(_, what)| *what).or(is_tar.then_some("it is a tar archive; unpack it first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_recognised_by_its_first_bytes() {
        assert!(recognise(b"\x89PNG\r\n\x1a\n").is_some_and(|what| what.contains("PNG")));
        let mut tar = [0; 512];
        tar[TAR].copy_from_slice(b"ustar");
        assert!(recognise(&tar).is_some_and(|what| what.contains("tar")));
        assert_eq!(recognise(b"{\"address\": 1"), None);
        assert_eq!(recognise(b""), None);
    }
}
