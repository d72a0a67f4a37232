//! The graph index is the same whether it is built of records in memory, of what an import has just written, or of tables in
//! the lake.

use std::{collections::BTreeMap, fmt::Write as _, fs, ops::Range, path::PathBuf};

use arrow::util::pretty::pretty_format_batches;
use heaplake_model::schema::Table;
use heaplake_store::{
    Access, AnyIndex, BuildLimits, ImportOptions, ImportProgress, IndexOptions, Input, Lake, Manifest,
    import, index_dump, open_or_build,
};

struct Fixture {
    folder: tempfile::TempDir,
    dump: PathBuf,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("heap.dump");
        fs::write(&dump, text).unwrap();
        Self { folder, dump }
    }

    /// Imports into a lake of this name.
    fn import(&self, lake: &str, options: ImportOptions) -> (Lake, Manifest) {
        let lake = Lake::open_or_create(&self.folder.path().join(lake), Access::Private).unwrap();
        let input = Input::File(self.dump.clone());
        let manifest = import(&lake, &input, &options, &ImportProgress::default()).unwrap();
        (lake, manifest)
    }
}

fn index_file(lake: &Lake) -> PathBuf {
    let folder = fs::read_dir(lake.path().join("index/dump=heap")).unwrap();
    let mut paths = folder.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "graph")).expect("an index")
}

/// The bytes of the sections of the index file, without the header.
fn sections(lake: &Lake) -> Vec<u8> {
    let bytes = fs::read(index_file(lake)).unwrap();
    let header = b"{\"sections\":";
    let end = bytes.windows(header.len()).rposition(|window| window == header).expect("a header");
    bytes[..end].to_vec()
}

/// The sections of an index file by name, and their names in the order of the file.
fn named_sections(lake: &Lake) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (bytes, end) = (fs::read(index_file(lake)).unwrap(), sections(lake).len());
    let header = serde_json::Deserializer::from_slice(&bytes[end..]).into_iter::<serde_json::Value>();
    let header = header.into_iter().next().unwrap().unwrap();
    let mut places: Vec<(usize, usize, String)> = header["sections"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, section)| {
            let at = |field: &str| section[field].as_u64().unwrap() as usize;
            (at("start"), at("bytes"), name.clone())
        })
        .collect();
    places.sort();
    let content = places.iter().map(|(start, n, name)| (name.clone(), bytes[*start..start + n].to_vec()));
    (content.collect(), places.iter().map(|(.., name)| name.clone()).collect())
}

fn summaries(lake: &Lake, manifest: &Manifest) -> [String; 3] {
    [Table::TypeStat, Table::HolderStat, Table::ModuleStat]
        .map(|table| pretty_format_batches(&lake.summary(manifest, table).unwrap()).unwrap().to_string())
}

/// A capture with every kind of label, weak references, roots, duplicates and references to nothing.
fn capture(objects: u64, mut state: u64) -> String {
    let mut random = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let types = ["module", "dict", "Order", "function", "list", "ReferenceType", "frame"];
    let mut text = "{\"address\": 0, \"type\": \"heaplake capture\", \"size\": 0, \"capture\": {\"format\": 1}, \"refs\": []}\n".to_owned();
    for number in 0..objects {
        let address = 16 * (1 + random(objects));
        let kind = types[(address / 16 % 7) as usize];
        let refs: Vec<u64> = (0..random(6)).map(|_| 16 * (1 + random(objects + 5))).collect();
        let labels = refs.iter().enumerate().map(|(idx, child)| {
            let to_dict = types[(child / 16 % 7) as usize] == "dict";
            match (kind, random(8)) {
                (_, 0) => "null".to_owned(),
                ("function", _) if to_dict => "\".__globals__\"".to_owned(),
                ("module" | "Order", _) if to_dict => "\".__dict__\"".to_owned(),
                ("dict", n) => format!("\"['key{}']\"", n + random(20)),
                ("list", _) => format!("\"[{idx}]\""),
                ("frame", n) => format!("\"local{n}\""),
                (_, n) => format!("\".field{n}\""),
            }
        });
        let labels = labels.collect::<Vec<_>>().join(", ");
        let name =
            if random(3) == 0 { format!(", \"name\": \"name{}\"", number % 50) } else { String::new() };
        let weak = if kind == "ReferenceType" && !refs.is_empty() { ", \"weak\": [0]" } else { "" };
        let root = if random(500) == 0 { ", \"root\": \"thread 1\"" } else { "" };
        text += &format!(
            "{{\"address\": {address}, \"type\": \"{kind}\", \"size\": {}{name}, \"refs\": {refs:?}, \"labels\": [{labels}]{weak}{root}}}\n",
            random(500)
        );
    }
    let end = format!("\"end\": {{\"objects\": {objects}}}");
    text + &format!("{{\"address\": 1, \"type\": \"heaplake capture\", \"size\": 0, {end}, \"refs\": []}}\n")
}

#[test]
fn an_index_of_records_is_that_of_the_tables_byte_by_byte() {
    let options = || ImportOptions { on_error: heaplake_store::OnError::Skip, ..ImportOptions::default() };
    // The last number is a limit of memory within which the edges have to stay in the file while the index is built.
    for (objects, seed, wide_ids, short) in
        [(40_000, 1, false, Some(2 << 20)), (3_000, 2, true, Some(300 << 10)), (1, 3, false, None)]
    {
        let fixture = Fixture::new(&capture(objects, seed));
        let index = IndexOptions { wide_ids, ..IndexOptions::default() };
        let (lake, manifest) = fixture.import("whole", ImportOptions { index, ..options() });
        assert!(manifest.indexed);
        let holders = summaries(&lake, &manifest);
        if objects > 10_000 {
            assert!(
                holders[1].contains("dict name1 ") && holders[1].contains("Order field"),
                "{}",
                holders[1]
            );
        }
        let built = sections(&lake);
        if !wide_ids {
            // Of the tables in the lake.
            let bytes = fs::read(index_file(&lake)).unwrap();
            fs::remove_dir_all(lake.path().join("index/dump=heap")).unwrap();
            let (limits, progress) = (BuildLimits::default(), ImportProgress::default());
            let mut absent = false;
            let again = open_or_build(&lake, &manifest, &limits, &progress, || absent = true).unwrap();
            assert!(absent && matches!(again, AnyIndex::Narrow(_)));
            assert!(bytes == fs::read(index_file(&lake)).unwrap(), "{objects} objects, seed {seed}");
        }
        // Of runs on disk, by what the import has written.
        let limit = Some(8 << 20);
        let index = IndexOptions { wide_ids, ..IndexOptions::default() };
        let (spilled, runs) =
            fixture.import("spilled", ImportOptions { memory_limit: limit, index, ..options() });
        assert!(runs.indexed);
        assert_eq!(holders, summaries(&spilled, &runs));
        assert!(built == sections(&spilled), "{objects} objects, seed {seed}");
        let (by_name, order) = named_sections(&spilled);
        assert_eq!(order[0], "address");
        if short.is_some() {
            let index = IndexOptions { wide_ids, ..IndexOptions::default() };
            let (in_file, manifest) =
                fixture.import("in-file", ImportOptions { memory_limit: short, index, ..options() });
            assert!(manifest.indexed);
            let (found, order) = named_sections(&in_file);
            assert_eq!(order[0], "type", "the order of this way");
            assert!(by_name == found, "{objects} objects, seed {seed}");
            assert_eq!(holders, summaries(&in_file, &manifest));
        }
        // After an import without an index.
        let skipped = IndexOptions { skip: true, ..IndexOptions::default() };
        let (later, manifest) = fixture.import("later", ImportOptions { index: skipped, ..options() });
        assert!(!manifest.indexed);
        let (index, limits) = (IndexOptions { wide_ids, ..IndexOptions::default() }, BuildLimits::default());
        let manifest = index_dump(&later, &manifest.id, &index, &limits, &ImportProgress::default()).unwrap();
        assert_eq!(holders, summaries(&later, &manifest));
        assert!(built == sections(&later), "{objects} objects, seed {seed}");
    }
}

/// 20,000 objects, most of them small. A chain of 300 is deep, its first object retains it, some objects are large, and one
/// has many references.
fn few_large() -> (String, Vec<u64>) {
    let (mut text, mut sizes) = (String::new(), Vec::new());
    for number in 0..20_000_u64 {
        let refs: Vec<u64> = match number {
            0..300 => vec![number + 1],
            1_000 => (2_000..2_700).collect(),
            _ => (number % 3..2).map(|step| 3_000 + (number * 7 + step) % 17_000).collect(),
        };
        let refs: Vec<u64> = refs.iter().map(|number| 16 * (number + 1)).collect();
        let size = match number % 2_000 {
            77 => 1 << 40,
            78 => 70_000 + number,
            79 => 255,
            _ => number % 200,
        };
        sizes.push(size);
        let (address, kind) = (16 * (number + 1), number % 5);
        writeln!(text, r#"{{"address": {address}, "type": "T{kind}", "size": {size}, "refs": {refs:?}}}"#)
            .unwrap();
    }
    (text, sizes)
}

/// What an index says of each node: type, size, distance, retained size and count, edges, referrers.
type NodeFacts = (u32, u64, u32, u64, u32, Range<usize>, Range<usize>);

fn facts(lake: &Lake, manifest: &Manifest) -> Vec<NodeFacts> {
    let Some(AnyIndex::Narrow(index)) = AnyIndex::open(lake, manifest).unwrap() else { panic!("no index") };
    let graph = index.graph();
    let of = |node: usize| {
        (
            index.types().at(node),
            index.sizes().at(node),
            index.distances().at(node),
            index.retained().at(node),
            index.retained_counts().at(node),
            graph.forward.range(node),
            graph.reverse.range(node),
        )
    };
    (0..index.n_nodes()).map(of).collect()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The same index with all numbers in full, as if most of them were large, and with this version.
fn in_full(file: &[u8], version: u32) -> Vec<u8> {
    let (rest, trailer) = file.split_at(file.len() - 24);
    let (_, header) = rest.split_at(rest.len() - number(&trailer[..8]) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let n_nodes = header["content"]["n_nodes"].as_u64().unwrap() as usize;
    let found = header["sections"].as_object().unwrap().clone();
    let section = |name: &str| {
        let section = found.get(name)?;
        let of = |field: &str| section[field].as_u64().unwrap() as usize;
        Some(&file[of("start")..][..of("bytes")])
    };
    let (mut written, mut sections) = (Vec::new(), BTreeMap::new());
    for name in found.keys().filter(|name| !name.contains("_large") && !name.ends_with("_base")) {
        let mut bytes = section(name).unwrap().to_vec();
        let full_size = match name.as_str() {
            "type" | "distance" | "retained_count" => Some((n_nodes, 4)),
            "size" | "retained" => Some((n_nodes, 8)),
            "offsets" | "reverse_offsets" => Some((n_nodes + 1, 4)),
            _ => None,
        };
        if let Some((n, full)) = full_size {
            let mut numbers: Vec<u64> = bytes.chunks(bytes.len() / n).map(number).collect();
            let large = |end: &str| section(&format!("{name}{end}")).unwrap_or_default();
            for (at, large) in large("_large_at").chunks(8).zip(large("_large").chunks(full)) {
                numbers[number(at) as usize] = number(large);
            }
            for (numbers, base) in numbers.chunks_mut(16).zip(large("_base").chunks(full)) {
                numbers.iter_mut().for_each(|number_within| *number_within += number(base));
            }
            bytes = numbers.iter().flat_map(|number| number.to_le_bytes()[..full].to_vec()).collect();
        }
        let xxh3 = xxhash_rust::xxh3::xxh3_64(&bytes);
        sections
            .insert(name, serde_json::json!({"start": written.len(), "bytes": bytes.len(), "xxh3": xxh3}));
        written.extend(bytes);
        written.resize(written.len().next_multiple_of(64), 0);
    }
    header["content"]["version"] = version.into();
    header["sections"] = serde_json::to_value(sections).unwrap();
    let header = header.to_string();
    written.extend(header.as_bytes());
    written.extend((header.len() as u64).to_le_bytes());
    written.extend(xxhash_rust::xxh3::xxh3_64(header.as_bytes()).to_le_bytes());
    written.extend(&trailer[16..]);
    written
}

#[test]
fn narrow_numbers_are_those_of_an_index_that_has_them_in_full() {
    let (text, sizes) = few_large();
    let fixture = Fixture::new(&text);
    let (lake, manifest) = fixture.import("narrow", ImportOptions::default());
    let narrow = facts(&lake, &manifest);
    assert!(narrow.iter().map(|(_, size, ..)| *size).eq(sizes));
    let count = |is_large: &dyn Fn(&NodeFacts) -> bool| narrow.iter().filter(|facts| is_large(facts)).count();
    // There is something large of each kind.
    assert!(count(&|facts| facts.2 > 255) > 0 && count(&|facts| facts.3 > 1 << 40) > 0);
    assert!(count(&|facts| facts.4 > 255) > 0 && count(&|facts| facts.5.len() > 255) == 1);
    let path = index_file(&lake);
    let file = fs::read(&path).unwrap();
    let full = in_full(&file, 5);
    assert!(file.len() * 10 < full.len() * 7, "{} bytes of {}", file.len(), full.len());
    fs::write(&path, &full).unwrap();
    assert!(narrow == facts(&lake, &manifest));
    assert_eq!(fs::read(&path).unwrap().len(), full.len(), "it was read, not built anew");
    // One from before garbage was told apart is none: it is built anew when it is needed.
    fs::write(&path, in_full(&file, 4)).unwrap();
    assert!(AnyIndex::open(&lake, &manifest).unwrap().is_none());
}
