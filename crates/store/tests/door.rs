//! Nobody outside `store::lake` joins a path, or opens a file, of a lake.
//!
//! This reads the sources: a file that has no path can neither be joined nor opened. Tests are not looked at.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a crate's sources may not contain, and where the door is.
struct Rule {
    crate_name: &'static str,
    forbidden: &'static [&'static str],
    /// Folders and files within `src` that may: the door, and what has paths that are not of a lake.
    exempt: &'static [&'static str],
}

const ANY_LAKE_PATH: &[&str] =
    &["/dump={", "\"dump=\"", "lake.join(", ".path().join(", ".with_file_name(", "heaplake.json\""];

const RULES: &[Rule] = &[
    Rule {
        crate_name: "store",
        forbidden: &[
            "fs::{self",
            "    fs,",
            "fs::OpenOptions",
            "fs::DirBuilder",
            "fs::copy",
            "fs::create_dir",
            "fs::hard_link",
            "fs::metadata",
            "fs::read",
            "fs::remove",
            "fs::rename",
            "fs::write",
            "File::open",
            "File::create",
            "File::options",
            "std::path",
            "PathBuf",
            "tempfile::",
            ".path().join(",
            ".with_file_name(",
            ".with_extension(",
            "dump={",
            "\"dump=",
        ],
        exempt: &[
            "lake",
            // Which file an error is about.
            "error.rs",
            // The file that is imported.
            "import/mod.rs",
            // Suspects that are accepted, which a repository may keep.
            "accepted.rs",
        ],
    },
    Rule { crate_name: "engine", forbidden: ANY_LAKE_PATH, exempt: &[] },
    Rule { crate_name: "answers", forbidden: ANY_LAKE_PATH, exempt: &[] },
    Rule {
        crate_name: "remote",
        forbidden: ANY_LAKE_PATH,
        // Copies of files are put into a folder, and deleted when there are too many.
        exempt: &["copy.rs", "eviction.rs"],
    },
    Rule { crate_name: "cli", forbidden: ANY_LAKE_PATH, exempt: &[] },
    Rule { crate_name: "bench", forbidden: ANY_LAKE_PATH, exempt: &[] },
];

impl Rule {
    /// What is wrong with a source file, line by line. `name` is from `src`.
    fn violations(&self, name: &str, text: &str) -> Vec<String> {
        if self.exempt.iter().any(|exempt| Path::new(name).starts_with(exempt)) {
            return Vec::new();
        }
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = code.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//"));
        let wrong = lines.flat_map(|(line, number)| {
            let found = self.forbidden.iter().filter(|word| has_word(line, word));
            found.map(move |word| format!("{}/src/{name}:{number} has {word:?}", self.crate_name))
        });
        wrong.collect()
    }
}

/// Whether a line has a word that does not go on from another: `EdgeFile::open` is not `File::open`.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let goes_on = |at: usize| word.starts_with(is_name) && line[..at].ends_with(is_name);
    line.match_indices(word).any(|(at, _)| !goes_on(at))
}

/// The Rust files of a folder, with their paths from it.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut sources, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(folder).unwrap().to_owned(), text));
            }
        }
    }
    sources
}

#[test]
fn only_the_door_joins_paths_of_a_lake() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for rule in RULES {
        let sources = sources(&crates.join(rule.crate_name).join("src"));
        assert!(!sources.is_empty(), "{}", rule.crate_name);
        let found: Vec<String> = sources
            .iter()
            .flat_map(|(name, text)| rule.violations(&name.to_string_lossy().replace('\\', "/"), text))
            .collect();
        assert!(found.is_empty(), "{found:#?}");
        for exempt in rule.exempt {
            assert!(sources.iter().any(|(name, _)| name.starts_with(exempt)), "{exempt} does not exist");
        }
    }
}

#[test]
fn a_way_around_the_door_would_be_found() {
    let (store, engine) = (&RULES[0], &RULES[1]);
    for text in [
        "use std::path::Path;",
        "let file = File::open(stored.path())?;",
        "std::fs::remove_file(stored.path());",
        "    fs,\n",
        "let seal = stored.path().with_extension(\"seal\");",
        "format!(\"layers/dump={id}\")",
    ] {
        assert!(!store.violations("verify.rs", text).is_empty(), "{text}");
        assert_eq!(store.violations("lake/folder.rs", text), [""; 0], "{text}");
    }
    for text in ["let path = lake.join(&entry.path);", "lake.path().join(\"tmp\")"] {
        assert_eq!(engine.violations("files.rs", text).len(), 1, "{text}");
    }
    assert_eq!(store.violations("index/edges.rs", "use std::fs::File;\nEdgeFile::open(stored)"), [""; 0]);
    for text in ["// lake.join(x)", "words.join(\", \")", "#[cfg(test)]\nmod tests { folder.path().join(x) }"]
    {
        assert_eq!(engine.violations("files.rs", text), [""; 0], "{text}");
    }
    assert_eq!(engine.violations("files.rs", "\nlake.join(x)"), ["engine/src/files.rs:2 has \"lake.join(\""]);
}
