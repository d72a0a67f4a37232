//! Crates depend downwards only, DataFusion has one home, and there is one Arrow.
//!
//! What is declared is asked of `cargo metadata`; what is in the tree, of Cargo.lock.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// Which of our crates each may use. A new crate gets its line here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("heaplake-model", &[]),
    ("heaplake-graph", &[]),
    ("heaplake-pathql", &[]),
    ("heaplake-capture", &[]),
    ("heaplake-fixture", &["heaplake-model"]),
    ("heaplake-readers", &["heaplake-model"]),
    ("heaplake-store", &["heaplake-model", "heaplake-readers", "heaplake-graph"]),
    ("heaplake-engine", &["heaplake-model", "heaplake-store", "heaplake-graph", "heaplake-pathql"]),
    ("heaplake-answers", &["heaplake-model", "heaplake-store", "heaplake-engine"]),
    (
        "heaplake-cli",
        &["heaplake-answers", "heaplake-capture", "heaplake-model", "heaplake-store", "heaplake-engine"],
    ),
    ("heaplake-bench", &["heaplake-model", "heaplake-store", "heaplake-graph"]),
];
/// Test and measure only, so it may be used by the tests of every crate.
const FOR_TESTS: &str = "heaplake-fixture";
const ONLY_ENGINE: &str = "datafusion";
const ONE_OF_EACH: &[&str] = &["arrow", "parquet", "datafusion"];

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
            || (used.starts_with(ONLY_ENGINE) && name != "heaplake-engine")
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
