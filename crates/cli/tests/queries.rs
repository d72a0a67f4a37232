//! The shipped queries: every file is shipped, runs on real dumps, and gives the columns that its header names.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Name and text of every file, in order of the names.
fn files() -> Vec<(String, String)> {
    let entries = fs::read_dir(repository().join("queries")).expect("the queries");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("text"))
        })
        .collect();
    files.sort();
    files
}

fn heaplake(lake: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_heaplake"))
        .args(["--quiet", "--lake"])
        .arg(lake)
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("heaplake runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {message}");
    String::from_utf8(output.stdout).expect("text")
}

/// Words after `-- <entry> ` up to the end of the name, in order.
fn named<'a>(text: &'a str, entry: &str) -> Vec<&'a str> {
    let entry = format!("-- {entry} ");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&entry));
    lines.filter_map(|line| line.split([':', ' ']).next()).collect()
}

#[test]
fn every_file_is_shipped_as_it_is() {
    let nowhere = Path::new("nowhere");
    let list = heaplake(nowhere, &["run", "--format", "tsv"]);
    let shipped: Vec<_> = list.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let files = files();
    assert_eq!(shipped, files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    for (name, text) in &files {
        assert_eq!(heaplake(nowhere, &["run", "--show", name]), *text, "{name}");
    }
}

/// What meliae's dumps do not have: a thread's frame, and the version of Python, which tells how much room a list has.
const CAPTURED: &str = r#"{"address": 0, "type": "heaplake capture", "size": 0, "capture": {"format": 2, "python": "3.11.7"}, "refs": []}
{"address": 16, "type": "frame", "size": 400, "name": "serve", "value": "app.py:7", "refs": [32], "labels": ["orders"], "root": "thread MainThread"}
{"address": 32, "type": "list", "size": 80056, "len": 10, "refs": []}
{"address": 1, "type": "heaplake capture", "size": 0, "end": {"objects": 2}, "refs": []}
"#;

#[test]
fn every_query_gives_the_columns_of_its_header() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let mut silent: BTreeSet<String> = files().into_iter().map(|(name, _)| name).collect();
    heaplake(
        &lake,
        &["import", "--dump", "first", "--taken", "2015-11-22T10:00:00Z", "datasets/edx/py27/1.dump.gz"],
    );
    let captured = folder.path().join("captured.json");
    fs::write(&captured, CAPTURED).expect("a file");
    let of = |python: &str, n: u32| (format!("{python}-{n}"), format!("datasets/edx/{python}/{n}.dump.gz"));
    let captured = ("captured".to_owned(), captured.display().to_string());
    for (dump, file) in [of("py27", 3), of("py38", 1), of("py38", 3), captured] {
        heaplake(&lake, &["import", "--dump", &dump, &file]);
        for (name, text) in files() {
            let mut arguments = vec!["run", &name, "--dump", &dump, "--format", "csv"];
            if name == "suspects" {
                // One dump alone makes nothing sure.
                arguments.push("confidence=0");
            }
            let rows = heaplake(&lake, &arguments);
            let mut lines = rows.lines();
            let columns: Vec<_> = lines.next().expect("a header").split(',').collect();
            assert_eq!(columns, named(&text, "column"), "{name}");
            if lines.next().is_some() {
                silent.remove(&name);
            }
        }
    }
    assert_eq!(silent, BTreeSet::new(), "these find nothing in any dump");
}

#[test]
fn every_query_can_do_with_next_to_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, dump) = (folder.path().join("lake"), folder.path().join("one.json"));
    fs::write(&dump, "{\"address\": 1, \"type\": \"x\", \"size\": 0, \"refs\": [1]}\n").expect("written");
    heaplake(&lake, &["import", dump.to_str().expect("a path")]);
    // One dump is too few for what compares two.
    for (name, text) in files().into_iter().filter(|(name, _)| name != "growth") {
        let rows = heaplake(&lake, &["run", &name, "--format", "csv"]);
        let columns = rows.lines().next().expect("a header");
        assert_eq!(columns, named(&text, "column").join(","), "{name}");
    }
    assert_eq!(heaplake(&lake, &["run", "histogram", "--format", "csv"]).lines().nth(1), Some("x,1,0,,,0,0"));
}

#[test]
fn every_parameter_is_used() {
    for (name, text) in files() {
        for parameter in named(&text, "param") {
            assert!(text.contains(&format!("${parameter}")), "{name}: {parameter}");
        }
        let n_used = text.matches('$').count();
        assert_eq!(n_used, named(&text, "param").len(), "{name}: every $ is a parameter, used once");
    }
}
