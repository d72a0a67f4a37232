//! Crates depend downwards only, modules not in circles, DataFusion has one home, and there is one Arrow; questions are
//! asked in `answers` and worded in `cli`.
//!
//! What is declared is asked of `cargo metadata`; what is in the tree, of Cargo.lock; the rest, of the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which of our crates each may use. A new crate gets its line here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("heaplake-model", &[]),
    ("heaplake-graph", &[]),
    ("heaplake-pathql", &[]),
    ("heaplake-capture", &[]),
    ("heaplake-draw", &[]),
    ("heaplake-fixture", &[]),
    ("heaplake-readers", &["heaplake-model"]),
    ("heaplake-store", &["heaplake-model", "heaplake-readers", "heaplake-graph"]),
    ("heaplake-remote", &["heaplake-model", "heaplake-pathql", "heaplake-store"]),
    ("heaplake-engine", &["heaplake-model", "heaplake-store", "heaplake-graph", "heaplake-pathql"]),
    ("heaplake-answers", &["heaplake-model", "heaplake-store", "heaplake-engine"]),
    ("heaplake-report", &["heaplake-answers"]),
    (
        "heaplake-cli",
        &[
            "heaplake-answers",
            "heaplake-capture",
            "heaplake-draw",
            "heaplake-model",
            "heaplake-remote",
            "heaplake-report",
            "heaplake-store",
            "heaplake-engine",
        ],
    ),
    ("heaplake-cluster", &["heaplake-cli", "heaplake-engine", "heaplake-store"]),
    ("heaplake-bench", &["heaplake-store", "heaplake-graph"]),
];
/// Test and measure only, so it may be used by the tests of every crate.
const FOR_TESTS: &str = "heaplake-fixture";
const ONLY_ENGINE: &str = "datafusion";
/// It sends the plans of the engine to other machines.
const CLUSTER: &str = "heaplake-cluster";
const ONE_OF_EACH: &[&str] = &["arrow", "parquet", "datafusion", "object_store"];

fn metadata() -> Value {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"];
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn lock_file() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock")).expect("Cargo.lock")
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// Every dependency that should not be.
fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().flat_map(violations_of).collect()
}

fn violations_of(package: &Value) -> Vec<String> {
    let name = text(package, "name");
    let Some((_, allowed)) = MAY_USE.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![format!("{name} has no line in the list of what may use what")];
    };
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    let wrong = dependencies.iter().filter(|dependency| {
        let used = text(dependency, "name");
        let is_ours = used.starts_with("heaplake-");
        let for_tests = dependency["kind"] == "dev" && used == FOR_TESTS;
        (is_ours && !for_tests && !allowed.contains(&used))
            || (used.starts_with(ONLY_ENGINE) && name != "heaplake-engine" && name != CLUSTER)
    });
    wrong.map(|dependency| format!("{name} uses {}", text(dependency, "name"))).collect()
}

/// The versions of a package in Cargo.lock.
fn versions<'l>(lock: &'l str, name: &str) -> Vec<&'l str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    lock.split(&entry).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn crates_depend_downwards() {
    let found = violations(&metadata());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_allowed_arrow_is_needed() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    for (name, allowed) in MAY_USE {
        let package = packages.iter().find(|package| text(package, "name") == *name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {name}"));
        for used in *allowed {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            assert!(dependencies.iter().any(|d| text(d, "name") == *used), "{name} does not use {used}");
        }
    }
}

#[test]
fn the_engine_uses_datafusion_and_the_command_uses_the_engine() {
    let metadata = metadata();
    let uses = |user: &str, used: &str| {
        let packages = metadata["packages"].as_array().expect("packages");
        let package = packages.iter().find(|package| text(package, "name") == user).expect("a crate");
        package["dependencies"].as_array().expect("dependencies").iter().any(|d| text(d, "name") == used)
    };
    assert!(uses("heaplake-engine", "datafusion"));
    assert!(uses("heaplake-cli", "heaplake-engine"));
}

#[test]
fn there_is_one_version_of_what_tables_are_made_of() {
    let lock = lock_file();
    for name in ONE_OF_EACH {
        assert_eq!(versions(&lock, name).len(), 1, "versions of {name}: {:?}", versions(&lock, name));
    }
}

#[test]
fn a_wrong_dependency_would_be_found() {
    let package = |name: &str, used: &str, kind: Value| serde_json::json!({ "packages": [{ "name": name, "dependencies": [{ "name": used, "kind": kind }] }] });
    for (name, used, kind, is_wrong) in [
        ("heaplake-model", "heaplake-store", Value::Null, true),
        ("heaplake-model", "heaplake-store", "build".into(), true),
        ("heaplake-readers", "heaplake-cli", "dev".into(), true),
        ("heaplake-store", "heaplake-engine", "dev".into(), true),
        ("heaplake-store", "datafusion", Value::Null, true),
        ("heaplake-cli", "datafusion-common", Value::Null, true),
        ("heaplake-engine", "heaplake-fixture", Value::Null, true),
        ("heaplake-unheard-of", "serde", Value::Null, true),
        ("heaplake-engine", "heaplake-fixture", "dev".into(), false),
        ("heaplake-store", "heaplake-readers", Value::Null, false),
        ("heaplake-engine", "datafusion", Value::Null, false),
    ] {
        assert_eq!(!violations(&package(name, used, kind)).is_empty(), is_wrong, "{name} uses {used}");
    }
}

#[test]
fn two_versions_would_be_found() {
    let lock = "[[package]]\nname = \"arrow\"\nversion = \"59.2.0\"\n\n[[package]]\nname = \"arrow\"\nversion = \"58.0.0\"\n\n\
                [[package]]\nname = \"arrow-array\"\nversion = \"59.2.0\"\n";
    assert_eq!(versions(lock, "arrow"), ["59.2.0", "58.0.0"]);
    assert_eq!(versions(lock, "arrow-array"), ["59.2.0"]);
    assert!(versions(lock, "parquet").is_empty());
}

/// The folder of the crates.
fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The source files below a folder, without files of tests.
fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The lines of a source file before its tests, without comments. A module of tests in a file of its own ends nothing.
fn code(source: &str) -> impl Iterator<Item = &str> {
    let end = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    source[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The modules at the top of a crate that a file names, as `crate::x::...` or in `use crate::{x, y::{...}}`.
fn named_modules(source: &str) -> BTreeSet<String> {
    let text: String = code(source).flat_map(|line| [line.trim(), " "]).collect();
    let mut names = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            names.insert(first_name(after));
            continue;
        };
        let (mut depth, mut is_start) = (0, true);
        for (idx, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => is_start = true,
                ' ' => {}
                _ if is_start && depth == 0 => {
                    names.insert(first_name(&list[idx..]));
                    is_start = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// What is left when modules that use no other are taken away, again and again: circles, and what uses them.
fn circles(mut uses: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    loop {
        let done: Vec<String> =
            uses.iter().filter(|(_, used)| used.is_empty()).map(|(name, _)| name.clone()).collect();
        if done.is_empty() {
            break;
        }
        for name in done {
            uses.remove(&name);
            for used in uses.values_mut() {
                used.remove(&name);
            }
        }
    }
    uses.into_iter().map(|(name, used)| format!("{name} -> {used:?}")).collect()
}

#[test]
fn modules_do_not_use_each_other_in_circles() {
    for entry in fs::read_dir(crates()).expect("a folder") {
        let folder = entry.expect("an entry").path().join("src");
        let module = |file: &Path| {
            let first = file.strip_prefix(&folder).expect("a file of it").components().next();
            let name = first.expect("a name").as_os_str().to_string_lossy().into_owned();
            name.trim_end_matches(".rs").to_owned()
        };
        let files = source_files(&folder);
        let mut uses: BTreeMap<String, BTreeSet<String>> =
            files.iter().map(|file| (module(file), BTreeSet::new())).collect();
        uses.remove("lib");
        uses.remove("main");
        let known: BTreeSet<String> = uses.keys().cloned().collect();
        for file in &files {
            let name = module(file);
            if let Some(used) = uses.get_mut(&name) {
                let source = fs::read_to_string(file).expect("a source");
                used.extend(
                    named_modules(&source).into_iter().filter(|used| known.contains(used) && *used != name),
                );
            }
        }
        let found = circles(uses);
        assert!(found.is_empty(), "{}: {found:#?}", folder.display());
    }
}

/// Lines of a crate, with texts in them, that a rule forbids.
fn lines_where(name: &str, is_forbidden: fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in source_files(&crates().join(name).join("src")) {
        let source = fs::read_to_string(&file).expect("a source");
        let lines = code(&source).filter(|line| line.contains('"') || line.trim_end().ends_with('\\'));
        let wrong = lines.filter(|line| is_forbidden(line));
        found.extend(wrong.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    found
}

fn asks_in_sql(line: &str) -> bool {
    ["SELECT ", " FROM ", "collect(\"", "run(\""].iter().any(|word| line.contains(word))
}

/// `--flag`, or a command of the command line.
fn names_a_flag(line: &str) -> bool {
    let is_flag = |after: &str| after.starts_with(|c: char| c.is_ascii_lowercase());
    line.split("--").skip(1).any(is_flag) || line.contains("`heaplake ")
}

#[test]
fn the_command_line_asks_no_questions_in_sql() {
    let found = lines_where("cli", asks_in_sql);
    assert!(found.is_empty(), "these belong into answers: {found:#?}");
    assert!(!lines_where("answers", asks_in_sql).is_empty());
}

#[test]
fn libraries_name_no_flags_and_no_commands() {
    for name in ["model", "graph", "pathql", "readers", "store", "remote", "engine", "answers", "report"] {
        let found = lines_where(name, names_a_flag);
        assert!(found.is_empty(), "these are worded by the command line: {found:#?}");
    }
    assert!(!lines_where("cli", names_a_flag).is_empty());
}

#[test]
fn circles_would_be_found() {
    let named = named_modules("use crate::{a, b::{c, d::e}, F};\nfn f() { crate::g::h() }\n// crate::x\n");
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["F", "a", "b", "g"]);
    let uses = |edges: &[(&str, &str)]| {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (user, used) in edges {
            uses.entry((*user).to_owned()).or_default().insert((*used).to_owned());
            uses.entry((*used).to_owned()).or_default();
        }
        uses
    };
    assert!(circles(uses(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    assert_eq!(circles(uses(&[("a", "b"), ("b", "c"), ("c", "b")])).len(), 3);
}
