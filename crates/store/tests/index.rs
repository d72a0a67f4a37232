//! The graph index is the same whether it is built of records in memory, of what an import has just written, or of tables in
//! the lake.

use std::{fs, path::PathBuf};

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
    for (objects, seed, wide_ids) in [(40_000, 1, false), (3_000, 2, true), (1, 3, false)] {
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
