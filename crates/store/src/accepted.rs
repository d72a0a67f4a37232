//! Suspects of a leak that people have decided to live with: a file in the lake, or one that a repository keeps.
//!
//! It is meant to be read and edited by people, and to be reviewed: JSON with one entry for each holder. Whoever adds an entry holds a
//! lock on the file from reading it to replacing it, so that of two that are added at once none is lost, and readers see one file or
//! the other. Fields that are not known stay.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Lake, Result,
    lake::{LakePath, Lock},
};

/// Version of the file.
const VERSION: u32 = 1;
/// Bytes of such a file that are read; it is written by hand.
const MAX_BYTES: u64 = 16 << 20;

/// A suspect that is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedSuspect {
    /// The holder: the expression by which the program reaches it, or its path in the dominator tree. It is compared as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Holders, as a glob, in the place of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The pattern that it was found to be; it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idiom: Option<String>,
    /// Why it is accepted.
    #[serde(default)]
    pub reason: String,
    /// The day, as in 2026-03-01.
    #[serde(default)]
    pub date: String,
    /// Who says so.
    #[serde(default)]
    pub who: String,
    /// What people have added.
    #[serde(flatten)]
    pub others: serde_json::Map<String, serde_json::Value>,
}

/// All suspects that are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedSuspects {
    format: u32,
    /// In the order in which they were added.
    pub accepted: Vec<AcceptedSuspect>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

impl Default for AcceptedSuspects {
    fn default() -> Self {
        Self { format: VERSION, accepted: Vec::new(), others: serde_json::Map::new() }
    }
}

impl AcceptedSuspects {
    /// Reads a file; if it does not exist, or is empty, nothing is accepted.
    pub fn read(path: &Path) -> Result<Self> {
        let io_error = |source| Error::Io { path: path.to_owned(), source };
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            file => Self::read_from(&file.map_err(io_error)?, path),
        }
    }

    fn read_from(file: &File, path: &Path) -> Result<Self> {
        use io::Read as _;
        let damaged = |what: String| Error::Damaged { path: path.to_owned(), what };
        let mut text = Vec::new();
        let read = file.take(MAX_BYTES + 1).read_to_end(&mut text);
        read.map_err(|source| Error::Io { path: path.to_owned(), source })?;
        if text.len() as u64 > MAX_BYTES {
            return Err(damaged("it is too large for a list of accepted suspects".to_owned()));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let found: Self = serde_json::from_slice(&text)
            .map_err(|error| damaged(format!("it is not a list of accepted suspects ({error})")))?;
        if found.format > VERSION {
            return Err(damaged(format!("it has version {}; this heaplake reads {VERSION}", found.format)));
        }
        let names_nothing = |entry: &AcceptedSuspect| entry.holder.is_none() && entry.pattern.is_none();
        match found.accepted.iter().position(names_nothing) {
            Some(i) => Err(damaged(format!("entry {} has neither a holder nor a pattern", i + 1))),
            None => Ok(found),
        }
    }

    /// Adds an entry in the place of one for the same holder or pattern.
    fn put(&mut self, entry: AcceptedSuspect) {
        let is_same =
            |other: &AcceptedSuspect| (&other.holder, &other.pattern) == (&entry.holder, &entry.pattern);
        match self.accepted.iter_mut().find(|other| is_same(other)) {
            Some(other) => *other = AcceptedSuspect { others: std::mem::take(&mut other.others), ..entry },
            None => self.accepted.push(entry),
        }
    }
}

impl Lake {
    /// Where the lake keeps the suspects that are accepted.
    pub fn accepted_path(&self) -> PathBuf {
        self.at(&LakePath::accepted()).path().to_owned()
    }

    /// Adds a suspect to those that are accepted in the lake.
    pub fn accept(&self, entry: AcceptedSuspect) -> Result<()> {
        let lock = Lock::take(self)?;
        let mut all = AcceptedSuspects::read(&self.accepted_path())?;
        all.put(entry);
        self.replace(&lock, &LakePath::accepted(), &all)
    }
}

/// Adds a suspect to a file outside of a lake, which is made if it does not exist.
pub fn accept_in(path: &Path, entry: AcceptedSuspect) -> Result<()> {
    let io_error = |source| Error::Io { path: path.to_owned(), source };
    // What a link points to is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let file = locked(&target).map_err(io_error)?;
    let mut all = AcceptedSuspects::read_from(&file, path)?;
    all.put(entry);
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".accepted-").tempfile_in(folder).map_err(io_error)?;
    let permissions = file.metadata().map_err(io_error)?.permissions();
    let text = serde_json::to_vec_pretty(&all).map_err(|error| io_error(error.into()))?;
    new.write_all(&text)
        .and_then(|()| new.write_all(b"\n"))
        .and_then(|()| new.as_file().set_permissions(permissions))
        .and_then(|()| new.as_file().sync_all())
        .map_err(io_error)?;
    new.persist(&target).map(drop).map_err(|error| io_error(error.error))
}

/// Opens a file and locks it: the one that has the name, not one that somebody replaced while we waited.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.lock()?;
        if is_still_named(&file, path)? {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_still_named(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let own = file.metadata()?;
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        named => named.map(|named| (named.dev(), named.ino()) == (own.dev(), own.ino())),
    }
}

#[cfg(not(unix))]
fn is_still_named(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(holder: &str, reason: &str) -> AcceptedSuspect {
        AcceptedSuspect { holder: Some(holder.to_owned()), reason: reason.to_owned(), ..Default::default() }
    }

    #[test]
    fn of_many_that_are_added_at_once_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accepted.json");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    (0..10).for_each(|i| accept_in(path, entry(&format!("{writer}.{i}"), "x")).unwrap());
                });
            }
        });
        assert_eq!(AcceptedSuspects::read(&path).unwrap().accepted.len(), 80);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_entry_replaces_its_older_self_and_keeps_what_people_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accepted.json");
        assert_eq!(AcceptedSuspects::read(&path).unwrap(), AcceptedSuspects::default());
        fs::write(&path, r#"{"format": 1, "team": "web", "accepted": [{"holder": "a.b", "ticket": 7}]}"#)
            .unwrap();
        accept_in(&path, entry("a.b", "known")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""ticket": 7"#) && text.contains(r#""team": "web""#), "{text}");
        assert_eq!(AcceptedSuspects::read(&path).unwrap().accepted.len(), 1);
    }

    #[test]
    fn what_is_no_such_file_is_said_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accepted.json");
        for (text, what) in [
            ("[]", "not a list of accepted"),
            (r#"{"format": 2, "accepted": []}"#, "version 2"),
            (r#"{"format": 1, "accepted": [{"reason": "x"}]}"#, "entry 1"),
            ("{", "not a list of accepted"),
        ] {
            fs::write(&path, text).unwrap();
            let error = accept_in(&path, entry("a", "b")).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
