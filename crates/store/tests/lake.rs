//! Imports into lakes on disk: what is in the files, what survives a crash, what verification finds.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use heaplake_model::{Remedy, schema::Table};
use heaplake_store::{
    Access, Error, ImportOptions, ImportProgress, Input, Lake, Layer, Manifest, Named, OnError, import,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

struct Place {
    _folder: tempfile::TempDir,
    lake: Lake,
    dump: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_or_create(&folder.path().join("lake"), Access::Private).unwrap();
        let dump = folder.path().join("heap.dump");
        Self { _folder: folder, lake, dump }
    }

    fn import(&self, text: impl AsRef<[u8]>, options: ImportOptions) -> Result<Manifest, Error> {
        fs::write(&self.dump, text).unwrap();
        import(&self.lake, &Input::File(self.dump.clone()), &options, &ImportProgress::default())
    }

    /// The rows of a table as text.
    fn rows(&self, manifest: &Manifest, table: Table) -> String {
        let mut batches: Vec<RecordBatch> = Vec::new();
        for file in manifest.files_of(table) {
            let file = File::open(self.lake.path().join(&file.path)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            batches.extend(reader.map(Result::unwrap));
        }
        pretty_format_batches(&batches).unwrap().to_string()
    }

    fn findings(&self, manifest: &Manifest) -> Vec<String> {
        let findings = self.lake.verify(manifest, &AtomicBool::new(false)).unwrap();
        findings.into_iter().map(|finding| format!("{}: {}", finding.path, finding.what)).collect()
    }

    /// Every file of the lake but the lock, from its folder.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        walk(self.lake.path(), &mut files);
        let relative =
            |path: &PathBuf| path.strip_prefix(self.lake.path()).unwrap().to_string_lossy().into_owned();
        let mut names: Vec<String> = files.iter().map(relative).filter(|name| name != "tmp/lock").collect();
        names.sort();
        names
    }
}

fn line(address: u64, type_name: &str, size: u64, refs: &[u64]) -> String {
    format!("{{\"address\": {address}, \"type\": \"{type_name}\", \"size\": {size}, \"refs\": {refs:?}}}\n")
}

fn skip() -> ImportOptions {
    ImportOptions { on_error: OnError::Skip, ..ImportOptions::default() }
}

const MIB: u64 = 1 << 20;

/// Objects in random order, some of them twice, with texts, references to each other and to nothing.
fn random_heap(objects: u64, seed: u64) -> String {
    let mut state = seed;
    let mut random = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut text = String::new();
    for _ in 0..objects {
        let (address, kind) = (random(objects) * 24, random(40));
        let refs: Vec<u64> = (0..random(7)).map(|_| random(objects) * 24).collect();
        let value = "x".repeat(random(60) as usize);
        text += &format!(
            "{{\"address\": {address}, \"type\": \"T{kind}\", \"size\": {}, \"value\": \"{value}\", \"refs\": {refs:?}}}\n",
            random(500)
        );
    }
    text
}

#[test]
fn tables_hold_what_the_dump_says() {
    let place = Place::new();
    let text = [line(32, "b", 4, &[16, 999]), line(16, "a", 2, &[32, 16]), line(48, "a", 8, &[])].concat();
    let manifest = place.import(text, ImportOptions::default()).unwrap();
    assert_eq!(
        place.rows(&manifest, Table::Obj),
        "+---------+------+------+-------+------+-----+----------+--------------+----------+------+----------+----------------+----------+\n\
         | address | type | name | value | size | len | refcount | root_kind    | distance | idom | retained | retained_count | external |\n\
         +---------+------+------+-------+------+-----+----------+--------------+----------+------+----------+----------------+----------+\n\
         | 16      | a    |      |       | 2    |     |          | cycle        |          |      | 6        | 2              |          |\n\
         | 48      | a    |      |       | 8    |     |          | unreferenced | 0        |      | 8        | 1              |          |\n\
         | 32      | b    |      |       | 4    |     |          |              |          | 16   | 4        | 1              |          |\n\
         +---------+------+------+-------+------+-----+----------+--------------+----------+------+----------+----------------+----------+"
    );
    assert_eq!(
        place.rows(&manifest, Table::Edge),
        "+--------+-------+-----+-------+--------+\n\
         | parent | child | idx | label | kind   |\n\
         +--------+-------+-----+-------+--------+\n\
         | 16     | 32    | 0   |       | strong |\n\
         | 16     | 16    | 1   |       | strong |\n\
         | 32     | 16    | 0   |       | strong |\n\
         | 32     | 999   | 1   |       | strong |\n\
         +--------+-------+-----+-------+--------+"
    );
    assert_eq!(
        place.rows(&manifest, Table::Root),
        "+---------+--------------+\n\
         | address | kind         |\n\
         +---------+--------------+\n\
         | 16      | cycle        |\n\
         | 48      | unreferenced |\n\
         +---------+--------------+"
    );
    let counts = &manifest.counts;
    assert_eq!((counts.objects, counts.edges, counts.dangling, counts.bytes), (3, 4, 1, 14));
    let stats = place.lake.types(&manifest).unwrap();
    let types: Vec<_> =
        stats.iter().map(|t| (t.name.as_str(), t.count, t.size, t.max_size, t.retained)).collect();
    assert_eq!(types, [("a", 2, 10, Some(8), Some(14)), ("b", 1, 4, Some(4), Some(4))]);
    assert_eq!((manifest.id.as_str(), place.findings(&manifest)), ("heap", vec![]));
    assert_eq!(place.lake.manifests().unwrap(), [Arc::new(manifest)]);
}

#[test]
fn the_first_of_two_objects_with_one_address_counts() {
    let place = Place::new();
    let text =
        [line(8, "a", 1, &[8]), line(8, "a", 1, &[8]), line(8, "b", 1, &[]), line(7, "c", 1, &[])].concat();
    let manifest = place.import(text, ImportOptions::default()).unwrap();
    assert_eq!((manifest.counts.objects, manifest.counts.edges), (2, 1));
    let kinds = BTreeMap::from([("conflicting_duplicate".to_owned(), 1), ("duplicate".to_owned(), 1)]);
    assert_eq!(manifest.issues, kinds);
    let issues = place.rows(&manifest, Table::Issue);
    assert!(
        issues.contains("| 2    | 52     | duplicate") && issues.contains("in line 1, with other fields"),
        "{issues}"
    );
    assert!(place.lake.types(&manifest).unwrap().iter().all(|t| t.name != "b"));
}

#[test]
fn spilling_changes_nothing_in_the_tables() {
    let text = random_heap(60_000, 7);
    let place = Place::new();
    let whole = place.import(&text, ImportOptions::default()).unwrap();
    let spilled = Place::new();
    let small = ImportOptions { memory_limit: Some(8 * MIB), ..ImportOptions::default() };
    let runs = spilled.import(&text, small).unwrap();
    for table in Table::ALL {
        assert!(place.rows(&whole, table) == spilled.rows(&runs, table), "{table:?} differs");
    }
    assert_eq!((&whole.counts, &whole.issues), (&runs.counts, &runs.issues));
    assert!(whole.issues["conflicting_duplicate"] > 1_000);
    // It did spill: the rows of one file are in more row groups than memory would have needed.
    assert!(runs.files[0].bytes != whole.files[0].bytes);
    assert_eq!(spilled.findings(&runs), Vec::<String>::new());
}

#[test]
fn a_limit_that_is_too_small_is_an_error_and_not_a_wrong_answer() {
    let place = Place::new();
    // A type of its own for each object: names must be kept.
    let text: String = (0..60_000).map(|i| line(i * 8, &format!("Type{i:060}"), 1, &[])).collect();
    let options = ImportOptions { memory_limit: Some(4 * MIB), ..ImportOptions::default() };
    let error = place.import(text, options).unwrap_err();
    assert_eq!(error.remedy(), Some(Remedy::RaiseMemoryLimit), "{error}");
    assert_eq!(place.files(), ["heaplake.json"]);
}

#[test]
fn a_failed_import_leaves_nothing() {
    let place = Place::new();
    let error = place.import(line(1, "a", 1, &[]) + "oops", ImportOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("line 2, byte 51: "), "{error}");
    assert_eq!(place.files(), ["heaplake.json"]);
    let progress = ImportProgress::default();
    progress.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let cancelled = import(&place.lake, &Input::File(place.dump.clone()), &skip(), &progress);
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    assert_eq!(place.files(), ["heaplake.json"]);
}

#[test]
fn every_truncation_of_a_small_dump_is_imported_under_skip() {
    let text = [line(16, "a", 2, &[32]), line(32, "b", 4, &[]), line(48, "c", 8, &[16])].concat();
    let place = Place::new();
    for end in 1..text.len() {
        let options = ImportOptions { replace: true, ..skip() };
        let complete = text[..end].matches("}").count() as u64;
        match place.import(&text[..end], options) {
            Ok(manifest) => {
                let cut = !(text[..end].ends_with('}') || text[..end].ends_with('\n'));
                assert_eq!(manifest.counts.objects, complete, "{end}");
                assert_eq!(manifest.issues.get("truncated").copied().unwrap_or(0), u64::from(cut), "{end}");
                assert_eq!(place.findings(&manifest), Vec::<String>::new());
            }
            Err(error) => assert!(complete == 0, "{end}: {error}"),
        }
    }
}

#[test]
fn an_id_in_use_is_refused_and_replaced_on_request() {
    let place = Place::new();
    place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    let before = place.files();
    let error = place.import(line(2, "b", 2, &[]), ImportOptions::default()).unwrap_err();
    assert_eq!(error.remedy(), Some(Remedy::RenameOrReplace), "{error}");
    assert_eq!(place.files(), before);
    let options = ImportOptions { replace: true, ..ImportOptions::default() };
    let replaced = place.import(line(2, "b", 2, &[]), options).unwrap();
    assert_eq!(place.lake.manifests().unwrap(), [Arc::new(replaced)]);
    assert_eq!(place.files().len(), before.len(), "old files are gone");
}

#[test]
fn removing_leaves_only_the_marker() {
    let place = Place::new();
    let manifest = place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    place.lake.remove(&manifest.id).unwrap();
    assert_eq!(place.files(), ["heaplake.json"]);
    assert!(!place.lake.path().join("obj/dump=heap").exists());
    let again = place.lake.remove(&manifest.id).unwrap_err();
    assert!(matches!(again, Error::NoSuchDump { .. }), "{again}");
}

#[test]
fn a_misspelt_dump_gets_a_suggestion() {
    let place = Place::new();
    place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    for name in ["haep", "heap2", "../heap"] {
        let error = place.lake.manifest(name).unwrap_err().to_string();
        assert!(error.contains("did you mean heap?"), "{error}");
    }
}

/// A process that died during a commit leaves a journal; the next writer cleans up, whatever the instant was.
#[test]
fn a_journal_of_a_dead_process_is_settled() {
    let place = Place::new();
    let manifest = place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    let files = place.files();
    let orphan = "obj/dump=heap/orphan.parquet";
    let mut entries = manifest.files.clone();
    entries.push(heaplake_store::FileEntry {
        path: orphan.to_owned(),
        ..manifest.files_of(Table::Obj).next().unwrap().clone()
    });
    let journal = serde_json::json!({ "dump": "heap", "files": entries });
    fs::write(place.lake.path().join(orphan), "half").unwrap();
    fs::write(place.lake.path().join("tmp/journal.json"), journal.to_string()).unwrap();
    // Readers never see it.
    assert_eq!(Lake::open(place.lake.path()).unwrap().manifests().unwrap(), [Arc::new(manifest.clone())]);
    Lake::open_to_write(place.lake.path()).unwrap();
    assert_eq!(place.files(), files);
    // The same with the manifest gone: everything of the dump goes.
    fs::write(place.lake.path().join("tmp/journal.json"), journal.to_string()).unwrap();
    fs::remove_file(place.lake.path().join("dumps/heap.json")).unwrap();
    Lake::open_to_write(place.lake.path()).unwrap();
    assert_eq!(place.files(), ["heaplake.json"]);
}

#[test]
fn a_journal_cannot_name_files_outside_the_dump() {
    let place = Place::new();
    let manifest = place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    let victim = place.lake.path().join("heaplake.json");
    for path in
        ["heaplake.json", "obj/dump=gone/../../heaplake.json", "obj/dump=goner/x.parquet", "obj/dump=gone/"]
    {
        let obj = manifest.files_of(Table::Obj).next().unwrap();
        let entry = heaplake_store::FileEntry { path: path.to_owned(), ..obj.clone() };
        let journal = serde_json::json!({ "dump": "gone", "files": [entry] });
        fs::write(place.lake.path().join("tmp/journal.json"), journal.to_string()).unwrap();
        assert!(matches!(Lake::open_to_write(place.lake.path()), Err(Error::Damaged { .. })), "{path}");
        assert!(victim.exists());
    }
}

#[test]
fn work_of_a_dead_import_is_swept_and_that_of_a_living_one_is_not() {
    let place = Place::new();
    let tmp = place.lake.path().join("tmp");
    for name in ["import-dead", "import-alive"] {
        fs::create_dir(tmp.join(name)).unwrap();
        fs::write(tmp.join(name).join("lock"), "").unwrap();
    }
    let alive = File::open(tmp.join("import-alive/lock")).unwrap();
    alive.lock().unwrap();
    Lake::open_to_write(place.lake.path()).unwrap();
    assert!(!tmp.join("import-dead").exists());
    assert!(tmp.join("import-alive").exists());
}

#[test]
fn verification_finds_every_kind_of_damage() {
    let place = Place::new();
    let manifest = place.import(random_heap(2_000, 3), ImportOptions::default()).unwrap();
    let edge = place.lake.path().join(&manifest.files_of(Table::Edge).next().unwrap().path);
    let whole = fs::read(&edge).unwrap();
    let check = |what: &str| {
        let findings = place.findings(&manifest);
        assert!(findings.len() == 1 && findings[0].contains(what), "{findings:?}");
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&edge, flipped).unwrap();
    check("checksum");
    fs::write(&edge, &whole[..whole.len() - 1]).unwrap();
    check("bytes, the manifest says");
    fs::remove_file(&edge).unwrap();
    check("missing");
    fs::write(&edge, &whole).unwrap();
    assert_eq!(place.findings(&manifest), Vec::<String>::new());
    let mut lying = manifest.clone();
    lying.counts.objects += 1;
    // Rows of `obj`, objects of all types, and an index that is of other tables.
    assert_eq!(place.findings(&lying).len(), 3);
}

#[test]
fn damaged_and_hostile_manifests_are_errors() {
    let place = Place::new();
    let manifest = place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    let path = place.lake.path().join("dumps/heap.json");
    let good = fs::read_to_string(&path).unwrap();
    let entry = manifest.files_of(Table::Obj).next().unwrap();
    let (obj, n_bytes) = (&entry.path, format!("\"bytes\": {}", entry.bytes));
    assert!(good.contains(&n_bytes));
    for (bad, what) in [
        ("{".to_owned(), "it is not a manifest"),
        (good.replace("\"id\": \"heap\"", "\"id\": \"../x\""), "it is not a manifest"),
        (good.replace("\"id\": \"heap\"", "\"id\": \"other\""), "it is the manifest of other"),
        (good.replace(obj, "obj/dump=heap/../../../secret"), "not of the dump"),
        (good.replace(obj, "/etc/passwd"), "not of the dump"),
        (good.replace(&n_bytes, "\"bytes\": 18446744073709551615"), "18446744073709551615 bytes"),
        (good.replace("\"format_version\": 2", "\"format_version\": 99"), "use a newer heaplake"),
        (good.replace("\"format_version\": 2", "\"format_version\": 1"), "import its dumps into a new lake"),
    ] {
        fs::write(&path, &bad).unwrap();
        let error = place.lake.manifest("heap").unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    fs::write(&path, "{").unwrap();
    place.lake.remove(&manifest.id).unwrap();
    assert_eq!(place.files(), ["heaplake.json"]);
}

#[test]
fn a_snapshot_reads_a_manifest_once_and_no_other() {
    let place = Place::new();
    let import = |id: &str| {
        let options = ImportOptions { dump: Some(id.parse().unwrap()), ..ImportOptions::default() };
        place.import(line(1, "a", 1, &[]), options).unwrap()
    };
    let (one, two) = (import("one"), import("two"));
    let broken = place.lake.path().join("dumps/broken.json");
    fs::write(&broken, "{").unwrap();

    let snapshot = place.lake.snapshot();
    let found = snapshot.find("one").unwrap().unwrap();
    assert_eq!(*found, one);
    assert_eq!(snapshot.find("three").unwrap(), None);
    assert_eq!(snapshot.find("../one").unwrap(), None);
    assert!(matches!(snapshot.find("broken"), Err(Error::Damaged { .. })));
    assert!(matches!(snapshot.all(), Err(Error::Damaged { .. })));

    // What was read stays as it was; what was not is as it is now.
    fs::remove_file(broken).unwrap();
    place.lake.remove(&one.id).unwrap();
    assert!(Arc::ptr_eq(&found, &snapshot.find("one").unwrap().unwrap()));
    let all = snapshot.all().unwrap();
    assert_eq!(all, [Arc::new(two)]);
    // All that there are: a dump of later is none of them.
    import("three");
    assert_eq!(snapshot.find("three").unwrap(), None);
    assert!(Arc::ptr_eq(&all[0], &snapshot.find("two").unwrap().unwrap()));
}

/// The permissions of everything in a folder, itself included.
#[cfg(unix)]
fn modes(folder: &Path) -> BTreeMap<PathBuf, u32> {
    use std::os::unix::fs::PermissionsExt;
    let mut modes = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        modes.insert(path, metadata.permissions().mode() & 0o777);
    }
    modes
}

/// Puts a dump with an index, a layer and names into the lake: every kind of file that a lake can have.
#[cfg(unix)]
fn fill(place: &Place) {
    let manifest = place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    let layer = Layer::new("cut".parse().unwrap(), &manifest, Vec::new(), 0, 0);
    place.lake.save_layer(&layer).unwrap();
    place.lake.change_names(&manifest, |names| drop(names.insert("x".into(), Named::Number(1)))).unwrap();
}

#[cfg(unix)]
#[test]
fn a_new_lake_is_private() {
    let place = Place::new();
    fill(&place);
    let found = modes(place.lake.path());
    assert!(found.len() > 20, "{found:?}");
    for (path, mode) in found {
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    assert!(!place.lake.is_readable_by_others());
}

#[cfg(unix)]
#[test]
fn what_comes_later_has_the_permissions_of_the_lake() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    for path in modes(place.lake.path()).into_keys() {
        let mode = if path.is_dir() { 0o750 } else { 0o640 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    assert!(place.lake.is_readable_by_others());
    fill(&place);
    for (path, mode) in modes(place.lake.path()) {
        assert_eq!(mode, if path.is_dir() { 0o750 } else { 0o640 }, "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_shared_lake_is_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("usual")).unwrap();
    let usual = fs::metadata(folder.path().join("usual")).unwrap().permissions().mode() & 0o777;
    let lake = Lake::open_or_create(&folder.path().join("lake"), Access::Shared).unwrap();
    for (path, mode) in modes(lake.path()) {
        assert_eq!(mode, if path.is_dir() { usual } else { usual & 0o666 }, "{}", path.display());
    }
}

#[test]
fn many_manifests_come_oldest_first() {
    let place = Place::new();
    let manifest = place.import(line(1, "a", 1, &[]), ImportOptions::default()).unwrap();
    let folder = place.lake.path().join("dumps");
    fs::remove_file(folder.join("heap.json")).unwrap();
    for i in 0..200_i64 {
        // Later ids are of older dumps.
        let id = format!("d{i:03}");
        let taken = chrono::DateTime::from_timestamp(1_000_000 - i / 2, 0).unwrap();
        let manifest = Manifest { id: id.parse().unwrap(), taken, files: Vec::new(), ..manifest.clone() };
        fs::write(folder.join(format!("{id}.json")), serde_json::to_vec(&manifest).unwrap()).unwrap();
    }
    let all = place.lake.manifests().unwrap();
    assert_eq!(all.len(), 200);
    assert!(all.is_sorted_by(|a, b| (a.taken, &a.id) < (b.taken, &b.id)));
}

#[test]
fn a_lake_of_a_newer_version_is_refused() {
    let place = Place::new();
    let mut marker = File::create(place.lake.path().join("heaplake.json")).unwrap();
    marker.write_all(b"{\"format_version\": 3}").unwrap();
    for opened in [Lake::open(place.lake.path()), Lake::open_to_write(place.lake.path())] {
        assert!(matches!(opened, Err(Error::OtherFormat { found: 3, .. })));
    }
}

#[test]
fn a_format_that_is_asked_for_must_be_the_one_of_the_file() {
    let place = Place::new();
    let wants = |format: &str| ImportOptions { format: Some(format.to_owned()), ..ImportOptions::default() };
    let error = place.import(line(1, "a", 1, &[]), wants("capture")).unwrap_err();
    assert!(error.to_string().ends_with("it is in the format meliae"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::RecogniseFormat));
    let error = place.import(line(1, "a", 1, &[]), wants("meliea")).unwrap_err();
    assert!(error.to_string().ends_with("did you mean meliae?"), "{error}");
    let manifest = place.import(line(1, "a", 1, &[]), wants("meliae")).unwrap();
    assert_eq!(manifest.source.format, "meliae");
}
