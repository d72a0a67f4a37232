//! The door of a lake that is a folder: opens, lists, reads, puts, moves and removes files.
//!
//! Everything else in this crate names a file by its [`LakePath`] and leaves paths of the file system to this module.
//! Whatever changes the lake takes the [`Lock`] as an argument, so that nobody changes it without.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::errors::ParquetError;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    FileParts, Lake, Origin,
    access::Permissions,
    layout::{LakeFolder, LakePath},
    work::{Lock, NEW_PREFIX, WorkFolder},
};
use crate::{Error, FileEntry, JsonFault, Manifest, Result};

/// A file of a lake, or of the work on one. It can be opened any number of times.
#[derive(Debug, Clone)]
pub struct StoredFile {
    path: PathBuf,
    elsewhere: Option<FileElsewhere>,
}

/// The file of a lake elsewhere that a file is a copy of.
#[derive(Debug, Clone)]
struct FileElsewhere {
    origin: Arc<dyn Origin>,
    path: LakePath,
    entry: Option<FileEntry>,
    /// Where it is there, for messages.
    shown: PathBuf,
}

impl PartialEq for StoredFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for StoredFile {}

impl StoredFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, elsewhere: None }
    }

    /// Opens the file to read it.
    pub fn open(&self) -> io::Result<File> {
        match &self.elsewhere {
            Some(file) => file.origin.open(&file.path, file.entry.as_ref()),
            None => File::open(&self.path),
        }
    }

    /// The table to be read in parts; `None` if it is better opened, as all files of a folder are.
    pub fn parts(&self) -> io::Result<Option<Arc<dyn FileParts>>> {
        let elsewhere = self.elsewhere.as_ref().and_then(|file| Some((&file.origin, file.entry.as_ref()?)));
        elsewhere.map_or(Ok(None), |(origin, entry)| origin.parts(entry))
    }

    /// Where the file is, for messages.
    pub fn path(&self) -> &Path {
        self.elsewhere.as_ref().map_or(&self.path, |file| &file.shown)
    }

    /// The error of reading or writing the file.
    pub fn io_error(&self, source: io::Error) -> Error {
        if self.elsewhere.is_some() && source.kind() == io::ErrorKind::Interrupted {
            return Error::Cancelled;
        }
        if self.elsewhere.is_some() && source.get_ref().is_some() {
            return Error::Origin(source);
        }
        Error::Io { path: self.path().to_owned(), source }
    }

    /// The error of reading or writing the file as Parquet.
    pub(crate) fn parquet_error(&self, source: ParquetError) -> Error {
        Error::Parquet { path: self.path().to_owned(), source }
    }

    /// The error for a file of the lake whose text is not what it should be.
    pub(crate) fn faulty(&self, fault: JsonFault) -> Error {
        match fault {
            JsonFault::OtherFormat(found) => Error::OtherFormat { path: self.path().to_owned(), found },
            JsonFault::Damaged(what) => self.damaged(what),
        }
    }

    /// The error for content that is not what it should be.
    pub(crate) fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged { path: self.path().to_owned(), what: what.into() }
    }
}

impl Lake {
    /// A file that the manifest of a dump names.
    pub fn file(&self, entry: &FileEntry) -> StoredFile {
        let mut stored = self.at(&LakePath::of_entry(entry));
        if let Some(file) = &mut stored.elsewhere {
            file.entry = Some(entry.clone());
        }
        stored
    }

    /// A file of the lake.
    pub(crate) fn at(&self, path: &LakePath) -> StoredFile {
        let elsewhere = self.origin.as_ref().filter(|_| path.is_of_origin()).map(|origin| FileElsewhere {
            origin: Arc::clone(origin),
            path: path.clone(),
            entry: None,
            shown: PathBuf::from(format!("{}/{path}", origin.name())),
        });
        StoredFile { path: self.path().join(path.as_str()), elsewhere }
    }

    /// Bytes of the graph index of a dump, of those of its layers, and of their seals; 0 where there are none.
    pub fn index_bytes(&self, dump: &Manifest) -> u64 {
        let folder = LakeFolder::indexes(&dump.id);
        if let Some(origin) = &self.origin {
            return origin.list(&folder).unwrap_or_default().iter().map(|(_, bytes)| bytes).sum();
        }
        let names = self.list(&folder).ok().flatten().unwrap_or_default();
        let sizes = names.iter().filter_map(|name| fs::metadata(&self.at(&folder.file(name)).path).ok());
        sizes.map(|metadata| metadata.len()).sum()
    }

    pub(super) fn folder(&self, folder: &LakeFolder) -> PathBuf {
        self.path().join(folder.as_str())
    }

    /// Whether the lake has a file.
    pub(crate) fn has(&self, path: &LakePath) -> bool {
        let is_here = self.at(path).path.exists();
        is_here || self.origin.is_some() && self.has_elsewhere(path)
    }

    fn has_elsewhere(&self, path: &LakePath) -> bool {
        let names = path.folder().map(|folder| self.list(&folder));
        names
            .and_then(|names| names.ok().flatten())
            .is_some_and(|names| names.iter().any(|name| name == path.name()))
    }

    /// The names of the files in a folder, in no order; `None` if the folder does not exist.
    pub(crate) fn list(&self, folder: &LakeFolder) -> Result<Option<Vec<String>>> {
        if let Some(origin) = self.origin.as_ref().filter(|_| folder.is_of_dumps()) {
            let files = origin.list(folder).map_err(|source| self.at(&folder.file("")).io_error(source))?;
            return Ok(Some(files.into_iter().map(|(name, _)| name).collect()));
        }
        let path = self.folder(folder);
        let io_error = |source| Error::Io { path: path.clone(), source };
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries.map_err(io_error)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // No file of the lake has a name that is not UTF-8.
            names.extend(entry.map_err(io_error)?.file_name().into_string());
        }
        Ok(Some(names))
    }

    /// The error for a folder whose files together are not what they should be.
    pub(crate) fn folder_damaged(&self, folder: &LakeFolder, what: &str) -> Error {
        Error::Damaged { path: self.folder(folder), what: what.to_owned() }
    }

    /// The bytes of a file; `None` if it does not exist.
    pub(crate) fn read(&self, path: &LakePath) -> Result<Option<Vec<u8>>> {
        let file = self.at(path);
        if let Some(origin) = self.origin.as_ref().filter(|_| path.is_asked_for()) {
            return origin.read(path).map_err(|source| file.io_error(source));
        }
        match fs::read(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(|source| file.io_error(source)),
        }
    }

    /// The value of a JSON file; `None` if it does not exist. `what` completes the message for a file that has no such
    /// value.
    pub(crate) fn read_json<T: DeserializeOwned>(&self, path: &LakePath, what: &str) -> Result<Option<T>> {
        let Some(text) = self.read(path)? else { return Ok(None) };
        let value = serde_json::from_slice(&text);
        value.map(Some).map_err(|error| self.at(path).damaged(format!("{what} ({error})")))
    }

    /// Writes a JSON file if it does not exist; false if it does.
    pub(crate) fn put_if_absent(
        &self,
        lock: &Lock,
        path: &LakePath,
        content: &impl Serialize,
    ) -> Result<bool> {
        let is_absent = !self.has(path);
        if is_absent {
            self.replace(lock, path, content)?;
        }
        Ok(is_absent)
    }

    /// Writes a JSON file under a temporary name, syncs it and renames it: it is there whole, or as it was. Makes the
    /// folder.
    pub(crate) fn replace(&self, lock: &Lock, path: &LakePath, content: &impl Serialize) -> Result<()> {
        let text = json_text(content).map_err(|error| self.at(path).io_error(error.into()))?;
        self.replace_text(lock, path, &text)
    }

    /// The same for a text.
    pub(crate) fn replace_text(&self, _lock: &Lock, path: &LakePath, text: &[u8]) -> Result<()> {
        if self.is_copy() {
            let before = self.read(path)?;
            return match self.write_elsewhere(path, before.as_deref(), text)? {
                true => Ok(()),
                false => Err(self.at(path).damaged("another process changed it at the same time; try again")),
            };
        }
        let to = self.at(path);
        let io_error = |source| to.io_error(source);
        let permissions = Permissions::of(self)?;
        if let Some(folder) = path.folder() {
            let folder = self.folder(&folder);
            permissions.make_folder(&folder).map_err(|source| Error::Io { path: folder, source })?;
        }
        let work = self.folder(&LakeFolder::work());
        let mut file = tempfile::Builder::new().prefix(NEW_PREFIX).tempfile_in(work).map_err(io_error)?;
        file.write_all(text).and_then(|()| file.as_file().sync_all()).map_err(io_error)?;
        permissions.apply(file.path()).map_err(io_error)?;
        file.persist(&to.path).map_err(|error| io_error(error.error))?;
        to.path.parent().map_or(Ok(()), sync_folder)
    }

    /// Writes a small file that can be lost or missing: without the lock, and not synced.
    pub(crate) fn put_cache(&self, path: &LakePath, content: &impl Serialize) -> io::Result<()> {
        let to = self.at(path);
        let folder = to.path.parent().unwrap_or(self.path());
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec(content)?)?;
        Permissions::of(self).map_err(io::Error::other)?.apply(file.path())?;
        file.persist(&to.path).map(drop).map_err(|error| error.error)
    }

    /// Moves the file of the same name from a work folder to its place in the lake, and makes the folder.
    pub(crate) fn move_in(&self, _lock: &Lock, work: &WorkFolder, path: &LakePath) -> Result<()> {
        let (from, to) = (work.file(path.name()), self.at(path));
        let permissions = Permissions::of(self)?;
        let folder = to.path.parent().unwrap_or(self.path());
        let moved = permissions
            .make_folder(folder)
            .and_then(|()| permissions.apply(from.path()))
            .and_then(|()| fs::rename(from.path(), &to.path));
        moved.map_err(|source| to.io_error(source))
    }

    /// Brings the entries of a folder, and of the folder that it is in, to the disk.
    pub(crate) fn sync(&self, folder: &LakeFolder) -> Result<()> {
        let folder = self.folder(folder);
        sync_folder(&folder)?;
        folder.parent().map_or(Ok(()), sync_folder)
    }

    /// Removes a file; false if it does not exist.
    pub(crate) fn remove_file(&self, _lock: &Lock, path: &LakePath) -> Result<bool> {
        let file = self.at(path);
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true).map_err(|source| file.io_error(source)),
        }
    }

    /// Removes a folder and everything in it, if it exists.
    pub(crate) fn remove_folder(&self, _lock: &Lock, folder: &LakeFolder) -> Result<()> {
        let path = self.folder(folder);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, source: error }),
            _ => Ok(()),
        }
    }

    /// Removes a folder if nothing is in it.
    pub(crate) fn remove_empty_folder(&self, _lock: &Lock, folder: &LakeFolder) {
        // An error is the usual case: other files are in it.
        let _ = fs::remove_dir(self.folder(folder));
    }

    /// Keeps a dump file beside the dumps, in the place of one of the same name.
    pub fn keep_source(&self, name: &str, content: &[u8]) -> Result<()> {
        let folder = self.folder(&LakeFolder::sources());
        fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder, source })?;
        let file = self.at(&LakeFolder::sources().file(name));
        fs::write(&file.path, content).map_err(|source| file.io_error(source))
    }

    /// A dump file that [`keep_source`](Self::keep_source) kept.
    pub fn source_file(&self, name: &str) -> StoredFile {
        self.at(&LakeFolder::sources().file(name))
    }
}

/// The text of a JSON file of a lake.
pub(crate) fn json_text(content: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec_pretty(content)
}

fn sync_folder(folder: &Path) -> Result<()> {
    let result = File::open(folder).and_then(|folder| folder.sync_all());
    result.map_err(|source| Error::Io { path: folder.to_owned(), source })
}
