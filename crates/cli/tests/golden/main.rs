//! Golden scripts: Markdown files with commands and what they must print.
//!
//! Every `tests/golden/*.md` is run from top to bottom in a fresh folder; so are README.md and docs/**/*.md, whose
//! examples must therefore be true. docs/tutorial.md needs a running program: tests/test_tutorial.py follows it. What counts in a file is its fenced blocks, see [`script`].
//!
//! `HEAPLAKE_BLESS=1 cargo test --release -p heaplake-cli --test golden` writes what the commands printed into the
//! files. A person reads the diff.

mod run;
mod script;
mod volatile;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use script::Script;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

#[test]
fn golden_scripts() {
    let files = markdown_files(&repository().join("tests/golden"));
    assert!(files.len() > 3, "where are the golden scripts?");
    check(&files);
}

#[test]
fn examples_in_the_documentation() {
    let mut files = markdown_files(&repository().join("docs"));
    files.retain(|file| !file.ends_with("docs/tutorial.md"));
    files.extend(
        ["README.md", "ARCHITECTURE.md"]
            .map(|name| repository().join(name))
            .into_iter()
            .filter(|file| file.exists()),
    );
    check(&files);
}

/// Every Markdown file of a folder and the folders in it, in order of the paths.
fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
    paths.sort();
    let is_markdown = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    paths
        .into_iter()
        .flat_map(|path| if path.is_dir() { markdown_files(&path) } else { vec![path] })
        .filter(is_markdown)
        .collect()
}

/// Runs the scripts; all of them, so that one run shows every difference.
fn check(files: &[PathBuf]) {
    let bless = env::var_os("HEAPLAKE_BLESS").is_some();
    let mut failures = String::new();
    for file in files {
        let text = fs::read_to_string(file).expect("a script");
        let script = Script::parse(&text).unwrap_or_else(|what| panic!("{}: {what}", file.display()));
        if script.n_commands() == 0 {
            continue;
        }
        let actual = run::run(&script, &repository());
        if actual == text {
            continue;
        }
        if bless {
            fs::write(file, actual).expect("the script can be written");
        } else {
            failures += &diff(file, &actual);
        }
    }
    assert!(failures.is_empty(), "\n{failures}\nIf this is as it should be, bless it: HEAPLAKE_BLESS=1");
}

/// The difference between the file and what it should be, as diff(1) shows it.
fn diff(file: &Path, actual: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("actual.md");
    fs::write(&other, actual).expect("written");
    let name = file.strip_prefix(repository()).unwrap_or(file).display().to_string();
    let labels = ["--label", &name, "--label", "what came out"];
    let output = Command::new("diff").arg("-u").args(labels).arg(file).arg(&other).output();
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(_) => format!("{name} is not what came out:\n{actual}"),
    }
}
