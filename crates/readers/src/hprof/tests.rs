//! Files of the fixture's writer: what comes of them whole, cut and wrong.

use std::{
    collections::BTreeSet,
    io::{Cursor, Write as _},
    sync::atomic::AtomicBool,
};

use heaplake_fixture::{Heap, HprofOptions};
use heaplake_model::IssueKind;

use super::*;
use crate::{Source, Summary, read};

/// What was read of a file.
struct ReadDump {
    /// `address type size len name value [child label kind, ...]` by object, without size where it is not asked for.
    rows: Vec<String>,
    roots: Vec<(u64, String)>,
    issues: Vec<(IssueKind, u64, String)>,
    summary: Summary,
}

fn read_file(bytes: &[u8], keep_going: bool, threads: usize, block_bytes: usize) -> Result<ReadDump, Error> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    read_source(Source::file(file), keep_going, threads, block_bytes)
}

fn read_source(
    source: Source,
    keep_going: bool,
    threads: usize,
    block_bytes: usize,
) -> Result<ReadDump, Error> {
    read_changed(source, &|options| {
        (options.keep_going, options.threads, options.block_bytes) = (keep_going, threads, block_bytes)
    })
}

/// Reads with other options than those of an ordinary import.
fn read_with(bytes: &[u8], change: impl Fn(&mut ReadOptions<'_>)) -> Result<ReadDump, Error> {
    read_changed(Source::stream(Cursor::new(bytes.to_vec())), &change)
}

fn read_changed(source: Source, change: &dyn Fn(&mut ReadOptions<'_>)) -> Result<ReadDump, Error> {
    let (folder, cancel) = (std::env::temp_dir(), AtomicBool::new(false));
    let mut options = ReadOptions {
        keep_going: false,
        threads: 1,
        block_bytes: 1 << 20,
        max_object_bytes: 1 << 20,
        fields: true,
        part: None,
        layout: Default::default(),
        work_folder: &folder,
        cancel: &cancel,
        bytes_read: Default::default(),
    };
    change(&mut options);
    let types = TypeTable::default();
    let (mut all, mut roots, mut issues) = (Vec::new(), Vec::new(), Vec::new());
    let summary = read(source, None, &options, &types, &mut |mut records: Records| {
        roots.append(&mut records.roots);
        issues.extend(records.issues.drain(..).map(|issue| (issue.kind, issue.offset, issue.what)));
        all.push(records);
        Ok(())
    })?;
    let names = types.names();
    let text = |text: Option<&[u8]>| {
        text.map_or("-".to_owned(), |text| format!("{:?}", std::str::from_utf8(text).unwrap()))
    };
    let rows = all.iter().flat_map(Records::iter).map(|(_, record)| {
        let kinds: Vec<_> = record.kinds().collect();
        let refs: Vec<String> = record
            .refs
            .iter()
            .enumerate()
            .map(|(i, child)| {
                let label = record.label(i).map_or("-".into(), String::from_utf8_lossy);
                let kind =
                    kinds.iter().find(|(position, _)| *position == i as u32).map(|(_, kind)| kind.name());
                format!("{child:x} {label}{}", kind.map_or(String::new(), |kind| format!(" {kind}")))
            })
            .collect();
        format!(
            "{:x} {} {} {} {} {} [{}]",
            record.address,
            names[record.type_id as usize],
            record.size.unwrap(),
            record.len.map_or("-".to_owned(), |len| len.to_string()),
            text(record.name),
            text(record.value),
            refs.join(", ")
        )
    });
    Ok(ReadDump { rows: rows.collect(), roots, issues, summary })
}

fn written(heap: &str, options: &HprofOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    Heap::parse(heap).unwrap().write_hprof(options, &mut bytes).unwrap();
    bytes
}

fn whole(bytes: &[u8]) -> ReadDump {
    let dump = read_file(bytes, false, 2, 1 << 20).unwrap();
    assert_eq!(dump.issues, []);
    dump
}

/// The row of an object, without its address.
#[track_caller]
fn row(dump: &ReadDump, address: u64) -> &str {
    let start = format!("{address:x} ");
    let found: Vec<&String> = dump.rows.iter().filter(|row| row.starts_with(&start)).collect();
    assert_eq!(found.len(), 1, "{address:x} in {:#?}", dump.rows);
    &found[0][start.len()..]
}

/// A shop with everything that a JVM's heap has.
const SHOP: &str = r#"
object @0x1000 : java.lang.Class name="java.lang.Object"
cart @0x1010 : java.lang.Class name="com.shop.Cart" -.<super>-> object -.<loader>-> loader -.CACHE-> map
status @0x1020 : java.lang.Class name="com.shop.Status" -.<super>-> enum
enum @0x1030 : java.lang.Class name="java.lang.Enum" -.<super>-> object
loader @0x2000 : com.shop.Loader -.parent-> gone
map @0x2020 : java.util.HashMap len=2 -.table-> table
table @0x2040 : java.util.HashMap$Node[] -[0]-> node -[2]-> node2
node @0x2060 : java.util.HashMap$Node -.key-> text -.value-> order -.next-> node2
node2 @0x2080 : java.util.HashMap$Node -.value-> five
order @0x20a0 : com.shop.Cart -.status-> new -.self-> order
new @0x20c0 : com.shop.Status -.name-> newname
newname @0x20e0 : java.lang.String = "NEW" -.value-> newbytes
newbytes @0x2100 : byte[]
text @0x2120 : java.lang.String = "gr\u{fc}n" -.value-> bytes
bytes @0x2140 : byte[]
wide @0x2160 : java.lang.String = "\u{4f8b}\u{1f600}" -.value-> widebytes
widebytes @0x2180 : byte[]
old @0x21a0 : java.lang.String = "old" -.value-> chars
chars @0x21c0 : char[]
five @0x21e0 : java.lang.Integer = "-5"
weak @0x2200 : com.shop.Entry -.key-> text ~.referent~> order
soft @0x2220 : java.lang.ref.SoftReference ~.referent~> order
phantom @0x2240 : java.lang.ref.PhantomReference ~.referent~> order
final @0x2260 : java.lang.ref.FinalReference ~.referent~> order
longs @0x2280 : long[] len=3
grid @0x22a0 : int[][] -[0]-> ints
ints @0x22c0 : int[] len=2
main @0x22e0 : java.lang.Thread -.name-> mainname
mainname @0x2300 : java.lang.String = "main" -.value-> mainbytes
mainbytes @0x2320 : byte[]
root(thread main) main
root("thread main, com.shop.Cart.add(Cart.java:41)") order
root("thread worker, com.shop.Cart.run(native)") grid
root(system class) object
root(JNI global) weak
root(monitor) soft
root(debug) old
"#;

fn dialects() -> Vec<HprofOptions> {
    let mut all = Vec::new();
    for version in ["1.0.1", "1.0.2", "1.0.3"] {
        for id_bytes in [4, 8] {
            for segment_bytes in [None, Some(100), Some(1 << 20)] {
                for classes_last in [false, true] {
                    all.push(HprofOptions { version, id_bytes, segment_bytes, classes_last });
                }
            }
        }
    }
    all
}

/// A row without one of its words, from 0.
fn without_word(row: &str, word: usize) -> String {
    let mut words: Vec<&str> = row.split(' ').collect();
    words.remove(word);
    words.join(" ")
}

#[test]
fn a_heap_comes_back_in_every_dialect() {
    for options in dialects() {
        let dump = whole(&written(SHOP, &options));
        for (address, expected) in [
            (0x1010, r#"java.lang.Class - "com.shop.Cart" - [1000 .<super>, 2000 .<loader>, 2020 .CACHE]"#),
            (0x2020, "java.util.HashMap 2 - - [2040 .table]"),
            (0x2040, "java.util.HashMap$Node[] 3 - - [2060 [0], 2080 [2]]"),
            (0x2060, "java.util.HashMap$Node - - - [2120 .key, 20a0 .value, 2080 .next]"),
            // Its loader can be collected, so that it keeps its class.
            (0x20a0, "com.shop.Cart - - - [20c0 .status, 20a0 .self, 1010 .<class>]"),
            (0x20c0, r#"com.shop.Status - - "NEW" [20e0 .name]"#),
            (0x2120, r#"java.lang.String 4 - "grün" [2140 .value]"#),
            (0x2140, "byte[] 4 - - []"),
            (0x2160, r#"java.lang.String 3 - "例😀" [2180 .value]"#),
            (0x2180, "byte[] 6 - - []"),
            (0x21a0, r#"java.lang.String 3 - "old" [21c0 .value]"#),
            (0x21e0, r#"java.lang.Integer - - "-5" []"#),
            (0x2200, "com.shop.Entry - - - [2120 .key, 20a0 .referent weak]"),
            (0x2220, "java.lang.ref.SoftReference - - - [20a0 .referent soft]"),
            (0x2240, "java.lang.ref.PhantomReference - - - [20a0 .referent phantom]"),
            (0x2260, "java.lang.ref.FinalReference - - - [20a0 .referent final]"),
            (0x2280, "long[] 3 - - []"),
            (0x22a0, "int[][] 1 - - [22c0 [0]]"),
            (0x22e0, r#"java.lang.Thread - "main" - [2300 .name]"#),
        ] {
            assert_eq!(without_word(row(&dump, address), 1), expected, "{options:?}");
        }
        let roots = dump.roots.iter().map(|(address, kind)| (*address, &**kind));
        // The VM keeps the classes of arrays, which have no root in the file.
        let (of_arrays, roots): (Vec<_>, Vec<_>) =
            roots.partition(|(address, _)| row(&dump, *address).contains("[]\" - "));
        assert_eq!(of_arrays.len(), 2, "{of_arrays:?}");
        assert!(of_arrays.iter().all(|(_, kind)| *kind == "system class"), "{of_arrays:?}");
        let expected = [
            (0x1000, "system class"),
            (0x20a0, "thread main, com.shop.Cart.add(Cart.java:41)"),
            (0x21a0, "unknown"),
            (0x2200, "JNI global"),
            (0x2220, "monitor"),
            (0x22a0, "thread worker, com.shop.Cart.run(native)"),
            (0x22e0, "thread main"),
        ];
        assert_eq!(roots, expected, "{options:?}");
        assert_eq!(dump.summary.format.name(), "hprof");
        assert_eq!(dump.summary.content.taken.unwrap().to_rfc3339(), "2026-03-01T12:00:00+00:00");
    }
}

#[test]
fn a_text_is_not_cut_inside_a_character() {
    for (before, kept) in [(999, 999), (998, 1000), (1000, 1000)] {
        let text = format!("{}\u{1f600}\u{1f600}\u{1f600}", "\u{4f8b}".repeat(before));
        let heap =
            format!("text @0x2000 : java.lang.String = {text:?} -.value-> bytes\nbytes @0x2020 : byte[]\n");
        let dump = whole(&written(&heap, &HprofOptions::default()));
        let row = row(&dump, 0x2000);
        assert!(row.contains('…') && !row.contains('\u{fffd}'), "{before}: {row}");
        let units = row.chars().filter(|c| matches!(c, '\u{4f8b}' | '\u{1f600}')).map(char::len_utf16);
        assert_eq!(units.sum::<usize>(), kept, "{before}");
    }
}

#[test]
fn of_joined_files_it_is_said_where_the_next_one_begins() {
    for options in dialects() {
        let one = written(SHOP, &options);
        let joined = [&one[..], &one[..]].concat();
        match read_file(&joined, false, 1, 1 << 20) {
            Err(Error::Damaged(issue)) => {
                assert_eq!(
                    (issue.kind, issue.offset),
                    (IssueKind::Malformed, one.len() as u64),
                    "{options:?}"
                );
                assert!(issue.what.starts_with("another HPROF file begins here"), "{}", issue.what);
            }
            other => panic!("{:?}", other.map(|dump| dump.rows)),
        }
        assert_eq!(read_file(&joined, true, 1, 1 << 20).unwrap().rows, whole(&one).rows, "{options:?}");
        let first = read_with(&joined, |options| options.part = Some(1)).unwrap();
        assert_eq!((first.issues.len(), first.rows), (0, whole(&one).rows), "{options:?}");
    }
}

#[test]
fn the_reflection_of_a_class_belongs_to_it() {
    // What is called gone is nowhere; its address is 0x1000.
    let heap = r#"
object @0x1008 : java.lang.Class name="java.lang.Object"
plugin @0x1010 : java.lang.Class name="plug.Plugin" -.<super>-> object -.<loader>-> loader
other @0x1020 : java.lang.Class name="plug.Other" -.<super>-> object -.<loader>-> loader
loader @0x2000 : com.shop.Loader
first @0x2020 : java.lang.ref.SoftReference ~.referent~> of_first
of_first @0x2040 : java.lang.Class$ReflectionData -.publicMethods-> inherited -.declaredConstructors-> constructors
inherited @0x2060 : java.lang.reflect.Method[] -[0]-> of_object
of_object @0x2080 : java.lang.reflect.Method -.clazz-> object
constructors @0x20a0 : java.lang.reflect.Constructor[] -[0]-> constructor
constructor @0x20c0 : java.lang.reflect.Constructor -.clazz-> plugin
second @0x20e0 : java.lang.ref.SoftReference ~.referent~> of_second
of_second @0x2100 : java.lang.Class$ReflectionData -.declaredMethods-> nothing -.declaredFields-> fields
nothing @0x2120 : java.lang.reflect.Method[]
fields @0x2140 : java.lang.reflect.Field[] -[0]-> gone -[1]-> text -[2]-> lost -[3]-> field
text @0x2160 : java.lang.String = "x" -.value-> bytes
bytes @0x2180 : byte[]
lost @0x21a0 : java.lang.reflect.Field -.clazz-> gone
field @0x21c0 : java.lang.reflect.Field -.clazz-> other
again @0x21e0 : java.lang.ref.SoftReference ~.referent~> of_first
cache @0x2200 : java.lang.ref.SoftReference ~.referent~> constructors
none @0x2220 : java.lang.ref.SoftReference ~.referent~> of_none
of_none @0x2240 : java.lang.Class$ReflectionData -.publicMethods-> inherited -.declaredMethods-> text -.declaredFields-> gone
weak @0x2260 : java.lang.ref.WeakReference ~.referent~> of_first
generic @0x2280 : sun.reflect.generics.repository.ClassRepository -.factory-> factory
factory @0x22a0 : sun.reflect.generics.factory.CoreReflectionFactory -.decl-> other
wrong @0x22c0 : sun.reflect.generics.repository.ClassRepository -.factory-> second
of_method @0x22e0 : sun.reflect.generics.repository.ClassRepository -.factory-> factory2
factory2 @0x2300 : sun.reflect.generics.factory.CoreReflectionFactory -.decl-> constructor
"#;
    for options in dialects() {
        let dump = whole(&written(heap, &options));
        let references = |address| row(&dump, address).split_once('[').unwrap().1.to_owned();
        assert_eq!(
            references(0x1010),
            "1008 .<super>, 2000 .<loader>, 2020 .reflectionData, 21e0 .reflectionData]",
            "{options:?}"
        );
        assert_eq!(
            references(0x1020),
            "1008 .<super>, 2000 .<loader>, 2280 .genericInfo, 20e0 .reflectionData]"
        );
        // What it inherits says nothing, and what has no member either.
        assert_eq!(references(0x1008), "]");
        let n_of = |label| dump.rows.iter().map(|row| row.matches(label).count()).sum::<usize>();
        assert_eq!((n_of(".reflectionData"), n_of(".genericInfo")), (3, 1), "{options:?}");
    }
}

#[test]
fn a_class_that_is_dumped_twice_has_no_reflection() {
    // Each dump of it would have all references of the class, and a small file may have very many.
    let heap = r#"
object @0x1008 : java.lang.Class name="java.lang.Object"
plugin @0x1010 : java.lang.Class name="plug.Plugin" -.<super>-> object
soft @0x2020 : java.lang.ref.SoftReference ~.referent~> data
data @0x2040 : java.lang.Class$ReflectionData -.declaredConstructors-> constructors
constructors @0x20a0 : java.lang.reflect.Constructor[] -[0]-> constructor
constructor @0x20c0 : java.lang.reflect.Constructor -.clazz-> plugin
"#;
    let is_meant = |options: &&HprofOptions| options.version == "1.0.2" && options.segment_bytes == Some(100);
    let all = dialects();
    let options = all.iter().find(is_meant).unwrap();
    let once = written(heap, options);
    // The segment with the dump of the class comes a second time.
    let mut dump_of_class = vec![0x20];
    dump_of_class.extend_from_slice(&0x1010_u64.to_be_bytes()[8 - options.id_bytes..]);
    let mut twice = once.clone();
    let mut at = once.iter().position(|byte| *byte == 0).unwrap() + 1 + 4 + 8;
    while at < once.len() {
        let n_bytes = u32::from_be_bytes(once[at + 5..at + 9].try_into().unwrap()) as usize;
        let record = &once[at..at + 9 + n_bytes];
        at += record.len();
        if record[0] == 0x1c && record.windows(dump_of_class.len()).any(|bytes| bytes == dump_of_class) {
            twice.splice(at..at, record.iter().copied());
        }
    }
    assert!(twice.len() > once.len());
    for (bytes, n_expected) in [(once, 1), (twice, 0)] {
        let dump = read_file(&bytes, true, 1, 1 << 20).unwrap();
        let n_found = dump.rows.iter().filter(|row| row.contains(".reflectionData")).count();
        assert_eq!(n_found, n_expected, "{:?}", dump.rows);
    }
}

#[test]
fn roots_of_android_native_code_and_virtual_threads_are_told() {
    let kinds = [
        "interned string",
        "finalizing",
        "debugger",
        "reference cleanup",
        "VM internal",
        "unreachable",
        "JNI monitor, thread main",
        "JNI local, thread main",
        "native stack, thread main",
        "thread block, thread main",
        "virtual thread mover, com.shop.Cart.move(Cart.java:9)",
    ];
    let mut heap = String::from(
        r#"
base @0x1000 : java.lang.Class name="java.lang.BaseVirtualThread"
virtual @0x1010 : java.lang.Class name="java.lang.VirtualThread" -.<super>-> base
main @0x2000 : java.lang.Thread -.name-> mainname
mainname @0x2020 : java.lang.String = "main" -.value-> mainbytes
mainbytes @0x2040 : byte[]
mover @0x2060 : java.lang.VirtualThread -.name-> movername
movername @0x2080 : java.lang.String = "mover" -.value-> moverbytes
moverbytes @0x20a0 : byte[]
root(thread main) main
root("virtual thread mover") mover
"#,
    );
    for (i, kind) in kinds.iter().enumerate() {
        heap += &format!("o{i} @{}: com.shop.Cart\nroot(\"{kind}\") o{i}\n", 0x3000 + 0x20 * i);
    }
    for (version, n_of_android) in [("1.0.3", 0), ("1.0.2", 7)] {
        let dump = whole(&written(&heap, &HprofOptions { version, ..HprofOptions::default() }));
        let found: Vec<&str> = dump.roots.iter().map(|(_, kind)| &**kind).collect();
        let mut expected = vec!["thread main", "virtual thread mover"];
        expected.extend((0..kinds.len()).map(|i| if i < n_of_android { "unknown" } else { kinds[i] }));
        assert_eq!(found, expected, "{version}");
    }
}

#[test]
fn threads_and_blocks_change_nothing() {
    let bytes = written(SHOP, &HprofOptions::default());
    let expected = whole(&bytes);
    for (threads, block_bytes) in [(1, 1), (2, 1), (3, 100), (2, 1 << 20)] {
        let dump = read_file(&bytes, false, threads, block_bytes).unwrap();
        assert_eq!((dump.rows, dump.roots), (expected.rows.clone(), expected.roots.clone()));
    }
    let stream = read_source(Source::stream(Cursor::new(bytes.clone())), false, 2, 1 << 20).unwrap();
    assert_eq!(stream.rows, expected.rows);
    assert_eq!(stream.summary.content.provenance, expected.summary.content.provenance);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let gzip = gzip.finish().unwrap();
    let packed = read_file(&gzip, false, 2, 1 << 20).unwrap();
    assert_eq!(packed.rows, expected.rows);
    // What a cut stream has is read.
    assert!(read_file(&gzip[..gzip.len() - 3], false, 2, 1 << 20).is_err());
    let cut = read_file(&gzip[..gzip.len() - 3], true, 2, 1 << 20).unwrap();
    assert_eq!(cut.rows, expected.rows);
    assert!(cut.issues.iter().any(|(kind, _, what)| *kind == IssueKind::Truncated && what.contains("gzip")));
}

#[test]
fn a_file_cut_at_any_byte_is_refused_or_kept_up_to_there() {
    for options in [
        HprofOptions { segment_bytes: Some(300), ..HprofOptions::default() },
        HprofOptions { classes_last: true, id_bytes: 4, ..HprofOptions::default() },
    ] {
        let bytes = written(SHOP, &options);
        let addresses = |dump: &ReadDump| -> Vec<String> {
            dump.rows.iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect()
        };
        let all = addresses(&whole(&bytes));
        for end in 0..bytes.len() {
            assert!(read_file(&bytes[..end], false, 1, 1 << 20).is_err(), "{end} {options:?}");
            match read_file(&bytes[..end], true, 1, 1 << 20) {
                Ok(dump) => {
                    assert!(all.starts_with(&addresses(&dump)), "{end}");
                    let is_told = |(kind, offset, _): &(IssueKind, u64, String)| {
                        *kind == IssueKind::Truncated && *offset <= end as u64
                    };
                    assert!(dump.issues.iter().any(is_told), "{end} {:?}", dump.issues);
                }
                Err(Error::Empty(_) | Error::NotADump(_) | Error::OtherFile { .. } | Error::Damaged(_)) => {}
                Err(other) => panic!("{end}: {other:?}"),
            }
        }
    }
}

#[test]
fn no_byte_makes_it_panic() {
    let bytes = written(SHOP, &HprofOptions { segment_bytes: Some(1000), ..HprofOptions::default() });
    for at in (17..bytes.len()).step_by(5) {
        for value in [[0, 0x21, 0xff][at % 3], bytes[at] ^ 0x80] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            if let Ok(dump) = read_file(&wrong, at % 5 > 0, 1, 1 << 20) {
                assert!(dump.rows.len() < 100, "{at} {value}");
            }
        }
    }
}

/// Where the first record with a tag begins.
fn record_at(bytes: &[u8], wanted: u8) -> usize {
    let mut at = 31;
    loop {
        if bytes[at] == wanted {
            return at;
        }
        at += 9 + u32::from_be_bytes(bytes[at + 5..at + 9].try_into().unwrap()) as usize;
    }
}

#[test]
fn the_length_of_a_heap_record_is_not_trusted() {
    for segment_bytes in [Some(1 << 20), None] {
        let bytes = written(SHOP, &HprofOptions { segment_bytes, ..HprofOptions::default() });
        let expected = whole(&bytes);
        let at = record_at(&bytes, if segment_bytes.is_some() { 0x1c } else { 0x0c });
        let with_len = |len: u32| {
            let mut wrong = bytes.clone();
            wrong[at + 5..at + 9].copy_from_slice(&len.to_be_bytes());
            wrong
        };
        // As a writer leaves it that was not able to go back.
        let dump = read_file(&with_len(0), false, 1, 1 << 20).unwrap();
        assert_eq!(dump.rows, expected.rows);
        // Without a record that ends the dump, more may have followed.
        let strict = read_file(&with_len(u32::MAX), false, 1, 1 << 20).map(|dump| dump.rows);
        match segment_bytes {
            Some(_) => assert_eq!(strict.unwrap(), expected.rows),
            None => assert!(matches!(strict, Err(Error::Damaged(_))), "{strict:?}"),
        }
        let dump = read_file(&with_len(u32::MAX), true, 1, 1 << 20).unwrap();
        assert_eq!(dump.rows, expected.rows);
    }
}

#[test]
fn an_object_that_claims_too_much_is_left_out_with_what_follows() {
    let options = HprofOptions { segment_bytes: Some(120), ..HprofOptions::default() };
    let bytes =
        written("a: byte[] len=3\nb: long[] len=2\nc: int[] len=1\nd: X -.a-> a\nroot(monitor) d", &options);
    let expected = whole(&bytes);
    let array = bytes.windows(9).position(|window| window == [0x23, 0, 0, 0, 0, 0, 0, 0x10, 0x10]).unwrap();
    for count in [u32::MAX, 1 << 31, 1000] {
        let mut wrong = bytes.clone();
        wrong[array + 13..array + 17].copy_from_slice(&count.to_be_bytes());
        let Err(Error::Damaged(issue)) = read_file(&wrong, false, 1, 1 << 20).map(drop) else {
            panic!("{count}")
        };
        assert_eq!(issue.offset, array as u64);
        let dump = read_file(&wrong, true, 1, 1 << 20).unwrap();
        // Sizes depend on neighbours.
        let without_sizes =
            |dump: &ReadDump| dump.rows.iter().map(|row| without_word(row, 2)).collect::<Vec<_>>();
        let (found, all) = (without_sizes(&dump), without_sizes(&expected));
        assert!(found.len() < all.len() && found.iter().all(|row| all.contains(row)), "{found:#?} {all:#?}");
    }
}

#[test]
fn unknown_records_are_skipped_and_counted() {
    let bytes = written(SHOP, &HprofOptions::default());
    let expected = whole(&bytes);
    let at = record_at(&bytes, 0x1c);
    let unknown = [&[0xde, 0, 0, 0, 0, 0, 0, 0, 3][..], b"abc"].concat();
    let with = [&bytes[..at], &unknown, &unknown, &bytes[at..], &unknown].concat();
    let dump = read_file(&with, false, 1, 1 << 20).unwrap();
    assert_eq!(dump.rows, expected.rows);
    let what = "3 records have the unknown tag 0xde; they were left out".to_owned();
    assert_eq!(dump.issues, [(IssueKind::UnknownRecord, at as u64, what)]);
}

/// A file with three heaps that have the same ids for other things.
fn three_dumps(options: &HprofOptions) -> Vec<u8> {
    let heaps = [
        "a: com.shop.Cart -.lines-> b; b: byte[] len=3; root(\"thread main, com.shop.Cart.add(Cart.java:41)\") a",
        "a: com.shop.Order -.next-> a; root(\"thread worker, com.shop.Order.pay(Order.java:7)\") a",
        "a: int[] len=1; c: com.shop.Item -.of-> a; root(monitor) c",
    ];
    let heaps = heaps.map(|heap| Heap::parse(heap).unwrap());
    let mut bytes = Vec::new();
    Heap::write_hprofs(&heaps.each_ref(), options, &mut bytes).unwrap();
    bytes
}

#[test]
fn each_of_several_dumps_in_a_file_can_be_read() {
    for options in dialects() {
        let bytes = three_dumps(&options);
        let read = |part| read_with(&bytes, |options| options.part = part);
        let (first, second, third) = (read(Some(1)).unwrap(), read(Some(2)).unwrap(), read(Some(3)).unwrap());
        assert_eq!(without_word(row(&first, 0x1000), 1), "com.shop.Cart - - - [1010 .lines]", "{options:?}");
        assert_eq!(without_word(row(&second, 0x1000), 1), "com.shop.Order - - - [1000 .next]");
        assert_eq!(without_word(row(&third, 0x1010), 1), "com.shop.Item - - - [1000 .of]");
        let roots = |dump: &ReadDump| dump.roots.iter().map(|(_, kind)| kind.to_string()).collect::<Vec<_>>();
        assert_eq!(roots(&first), ["thread main, com.shop.Cart.add(Cart.java:41)"]);
        assert_eq!(roots(&second), ["thread worker, com.shop.Order.pay(Order.java:7)"]);
        assert_eq!(roots(&third), ["monitor"]);
        let all = [first, second, third];
        assert!(all.iter().all(|dump| dump.issues.is_empty()));
        assert!(!all[1].rows.iter().any(|row| row.contains("Cart") || row.contains("Item")));
        assert!(matches!(read(None), Err(Error::SeveralDumps { parts: 3 })));
        assert!(matches!(read(Some(4)), Err(Error::NoPart { part: 4, parts: 3 })));
    }
    let one = written("a: X; root(monitor) a", &HprofOptions::default());
    assert_eq!(read_with(&one, |options| options.part = Some(1)).unwrap().rows, whole(&one).rows);
    assert!(matches!(
        read_with(&one, |options| options.part = Some(2)),
        Err(Error::NoPart { part: 2, parts: 1 })
    ));
}

#[test]
fn several_dumps_are_refused_even_when_damage_is_skipped() {
    let bytes = three_dumps(&HprofOptions::default());
    assert!(matches!(read_file(&bytes, true, 1, 1 << 20), Err(Error::SeveralDumps { parts: 3 })));
    // What follows the chosen dump may be cut.
    let cut = &bytes[..bytes.len() - 20];
    assert!(read_with(cut, |options| options.part = Some(2)).unwrap().issues.is_empty());
    assert!(matches!(read_with(cut, |options| options.part = Some(3)), Err(Error::Damaged(_))));
}

#[test]
fn a_layout_that_is_given_is_that_of_the_sizes() {
    let bytes = written(SHOP, &HprofOptions::default());
    let read = |layout: &str| {
        let dump = read_with(&bytes, |options| options.layout = layout.parse().unwrap()).unwrap();
        let size = |address| row(&dump, address).split(' ').nth(1).unwrap().parse::<u32>().unwrap();
        let sizes = [size(0x2060), size(0x2280), size(0x2040)];
        (sizes, dump.summary.content.process.layout.unwrap())
    };
    // A node with three references, three longs, three references.
    for (layout, sizes) in [
        ("header=12,arrays=16,references=4,alignment=8", [24, 40, 32]),
        ("header=8,arrays=12,references=4,alignment=8", [24, 40, 24]),
        ("header=16,references=8", [40, 48, 48]),
        ("header=16,arrays=20,references=8,alignment=8", [40, 48, 48]),
        ("header=12,arrays=16,references=4,alignment=32", [32, 64, 32]),
    ] {
        let (found, evidence) = read(layout);
        assert_eq!(found, sizes, "{layout}");
        assert!(evidence.contains(" as given)"), "{evidence}");
    }
    assert!(read("references=8").1.contains("8-byte references, sizes in units of 8 (references as given)"));
    let narrow = written(SHOP, &HprofOptions { id_bytes: 4, ..HprofOptions::default() });
    let wide = read_with(&narrow, |options| options.layout = "references=8".parse().unwrap());
    assert!(matches!(wide, Err(Error::WrongLayout(_))));
}

/// Replaces the only occurrence of some bytes.
#[track_caller]
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let found: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    [&bytes[..found[0]], to, &bytes[found[0] + from.len()..]].concat()
}

#[test]
fn missing_and_invalid_names_are_told() {
    let bytes = written("a: com.shop.Order -.lines-> a; root(monitor) a", &HprofOptions::default());
    let utf8 = |text: &str| {
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        let start = at - 8 - 9;
        bytes[start..at + text.len()].to_vec()
    };
    let kinds = |bytes: &[u8]| {
        let dump = read_file(bytes, true, 1, 1 << 20).unwrap();
        let kinds: BTreeSet<IssueKind> = dump.issues.iter().map(|(kind, ..)| *kind).collect();
        (row(&dump, 0x1000).to_owned(), kinds.into_iter().collect::<Vec<_>>())
    };
    let (row_of_label, found) = kinds(&replaced(&bytes, &utf8("lines"), b""));
    assert_eq!((row_of_label.ends_with("[1000 -]"), found), (true, vec![IssueKind::BadLabel]));
    let (row_of_type, found) = kinds(&replaced(&bytes, &utf8("com/shop/Order"), b""));
    assert_eq!((row_of_type.starts_with("(unknown class) "), found), (true, vec![IssueKind::BadType]));
    let (row_of_text, found) = kinds(&replaced(&bytes, b"com/shop/Order", b"com/\xffhop/Order"));
    assert_eq!(
        (row_of_text.starts_with("com.\u{fffd}hop.Order "), found),
        (true, vec![IssueKind::InvalidUtf8])
    );
}

#[test]
fn a_class_that_is_missing_or_its_own_superclass_is_told() {
    let heap = "a: com.shop.Order -.lines-> a; root(monitor) a";
    let bytes = written(heap, &HprofOptions { classes_last: true, ..HprofOptions::default() });
    let class = 0x7000_0100_u64.to_be_bytes();
    let dump_of_class = [&[0x20][..], &class, &[0; 4]].concat();
    let other = [&[0x20][..], &0x9999_u64.to_be_bytes(), &[0; 4]].concat();
    let dump = read_file(&replaced(&bytes, &dump_of_class, &other), true, 1, 1 << 20).unwrap();
    assert!(row(&dump, 0x1000).starts_with("com.shop.Order ") && row(&dump, 0x1000).ends_with("[]"));
    assert!(dump.issues.iter().any(|(kind, ..)| *kind == IssueKind::BadReference), "{:?}", dump.issues);
    let base = 0x7000_0000_u64.to_be_bytes();
    let cycle = [&dump_of_class[..], &class].concat();
    let bytes = replaced(&bytes, &[&dump_of_class[..], &base].concat(), &cycle);
    let dump = read_file(&bytes, true, 1, 1 << 20).unwrap();
    assert!(row(&dump, 0x1000).ends_with("[1000 .lines]"));
    assert!(dump.issues.iter().any(|(_, _, what)| what.contains("its own superclass")), "{:?}", dump.issues);
    assert!(matches!(read_file(&bytes, false, 1, 1 << 20), Err(Error::Damaged(_))));
}

#[test]
fn an_instance_that_is_shorter_than_its_fields_keeps_what_is_there() {
    let heap = "a: com.shop.Order -.first-> a -.second-> a; b: byte[] len=2; root(monitor) a";
    let bytes = written(heap, &HprofOptions::default());
    let class = 0x7000_0100_u64.to_be_bytes();
    let long =
        [&class[..], &16_u32.to_be_bytes(), &0x1000_u64.to_be_bytes(), &0x1000_u64.to_be_bytes()].concat();
    let short = [&class[..], &8_u32.to_be_bytes(), &0x1000_u64.to_be_bytes()].concat();
    let mut wrong = replaced(&bytes, &long, &short);
    let at = record_at(&wrong, 0x1c);
    let len = u32::from_be_bytes(wrong[at + 5..at + 9].try_into().unwrap()) - 8;
    wrong[at + 5..at + 9].copy_from_slice(&len.to_be_bytes());
    assert!(matches!(read_file(&wrong, false, 1, 1 << 20), Err(Error::Damaged(_))));
    let dump = read_file(&wrong, true, 1, 1 << 20).unwrap();
    assert!(row(&dump, 0x1000).ends_with("[1000 .first]"), "{}", row(&dump, 0x1000));
    assert_eq!(dump.issues[0].0, IssueKind::BadReference);
    assert!(row(&dump, 0x1010).starts_with("byte[] "));
}

#[test]
fn sizes_are_those_of_the_vm_that_neighbours_tell() {
    // References and headers as in HotSpot with compressed references, then without, then with compact headers.
    for (node, bytes_of_3, expected) in
        [(24, 24, [24, 24, 16]), (32, 32, [32, 32, 16]), (16, 16, [16, 16, 8])]
    {
        let mut heap = String::new();
        let mut at = 0x10000_u64;
        for i in 0..40 {
            heap += &format!("n{i} @{at}: Node -.next-> n{i} -.other-> n{i}\n");
            at += node;
            heap += &format!("b{i} @{at}: byte[] len=3\n");
            at += bytes_of_3;
            heap += &format!("e{i} @{at}: Empty\n");
            at += expected[2];
            heap += &format!("o{i} @{at}: java.lang.Object[] -> n{i}\n");
            at += node;
        }
        let dump = whole(&written(&heap, &HprofOptions::default()));
        let sizes: BTreeSet<String> = dump
            .rows
            .iter()
            .filter(|row| !row.contains("java.lang."))
            .map(|row| row.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" "))
            .collect();
        let [node, bytes, empty] = expected;
        let expected = [format!("Empty {empty}"), format!("Node {node}"), format!("byte[] {bytes}")];
        assert_eq!(
            sizes.into_iter().collect::<Vec<_>>(),
            expected,
            "{:?}",
            dump.summary.content.process.layout
        );
    }
}

#[test]
fn objects_are_found_wherever_they_are() {
    // Strings and their arrays far apart, in descending order and interleaved.
    let mut heap = String::new();
    for i in 0..200_u64 {
        heap += &format!("s{i} @{}: java.lang.String = \"text {i}\" -.value-> b{i}\n", 0x9_0000 - 32 * i);
    }
    for i in (0..200_u64).step_by(2).chain((1..200).step_by(2)) {
        heap += &format!("b{i} @{}: byte[]\n", 0x2_0000 + 32 * (i * 7 % 200));
    }
    let dump = whole(&written(&heap, &HprofOptions { segment_bytes: Some(500), ..HprofOptions::default() }));
    for i in 0..200_u64 {
        assert!(row(&dump, 0x9_0000 - 32 * i).contains(&format!("\"text {i}\"")), "{i}");
    }
}

#[test]
fn other_versions_are_refused_by_name() {
    let mut bytes = written("a: X", &HprofOptions::default());
    bytes[17] = b'9';
    let message = read_file(&bytes, true, 1, 1 << 20).map(drop).unwrap_err().to_string();
    assert!(
        message.ends_with("it is an HPROF file, and its version is not 1.0.1, 1.0.2 or 1.0.3"),
        "{message}"
    );
}

#[test]
fn real_files_have_what_another_tool_counts() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/hprof");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    for file in manifest.as_array().unwrap() {
        let path = folder.join(file["path"].as_str().unwrap());
        let dump = read_source(Source::file(File::open(&path).unwrap()), false, 2, 1 << 16).unwrap();
        assert_eq!(dump.issues, []);
        let type_of = |row: &String| row.split(' ').nth(1).unwrap().to_owned();
        let types: Vec<String> = dump.rows.iter().map(type_of).collect();
        let is_primitive = |name: &String| {
            name.strip_suffix("[]").is_some_and(|element| {
                ["boolean", "char", "float", "double", "byte", "short", "int", "long"].contains(&element)
            })
        };
        let n_primitive = types.iter().filter(|name| is_primitive(name)).count();
        let n_arrays = types.iter().filter(|name| name.ends_with("[]")).count();
        let count = |field: &str| file[field].as_u64().unwrap() as usize;
        assert_eq!(n_primitive, count("primitive_arrays"));
        assert_eq!(n_arrays - n_primitive, count("object_arrays"));
        assert_eq!(types.len() - n_arrays, count("classes") + count("instances"));
        assert!(dump.roots.iter().any(|(_, kind)| kind.starts_with("thread ") && kind.contains(".java:")));
        // One of them numbers its objects.
        let layout = dump.summary.content.process.layout.unwrap();
        assert!(
            layout.contains("assumed") || layout.contains("end where the next object begins"),
            "{layout}"
        );
    }
}
