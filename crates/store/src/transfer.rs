//! Dumps on their way from one lake to another, byte for byte.
//!
//! A dump consists of its manifest, the files that the manifest names, and side files: graph indexes, layers, and names given in
//! the shell. Seals stay where they are, because they are about one folder.

use std::fs::File;

use heaplake_model::DumpId;

use crate::{
    Error, JsonFault, Lake, Manifest, Result,
    commit::{Change, commit_change},
    lake::{LakeFolder, LakePath, StoredFile, WorkFolder, is_side_file_of},
};

/// A dump of a lake, with its files open: it may be replaced or removed while it is copied.
#[derive(Debug)]
pub struct OutgoingDump {
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest's file.
    pub text: Vec<u8>,
    /// The files that the manifest names.
    pub files: Vec<OutgoingFile>,
    /// Indexes, layers and names.
    pub side_files: Vec<OutgoingFile>,
}

/// A file to be copied.
#[derive(Debug)]
pub struct OutgoingFile {
    /// Its path in every lake.
    pub path: LakePath,
    /// Where it is, for messages.
    pub stored: StoredFile,
    /// The file, open for reading.
    pub file: File,
    /// Bytes.
    pub bytes: u64,
    /// XXH3-128 of the bytes, in hexadecimal; `None` where the manifest does not name the file.
    pub xxh3: Option<String>,
}

/// A dump of another lake on its way into this one. What was received of it is deleted when this is dropped.
#[derive(Debug)]
pub struct IncomingDump {
    lake: Lake,
    manifest: Manifest,
    text: Vec<u8>,
    work: WorkFolder,
    side_files: Vec<LakePath>,
}

impl Lake {
    /// The files of a dump, to copy them to another lake.
    pub fn outgoing(&self, id: &DumpId) -> Result<OutgoingDump> {
        let path = LakePath::manifest(id);
        let Some(text) = self.read(&path)? else { return Err(self.unknown(id)?) };
        let manifest = Manifest::parse(&text, id).map_err(|fault| self.at(&path).faulty(fault))?;
        let named = manifest.files.iter().map(|entry| {
            let file = self.open_outgoing(LakePath::of_entry(entry))?;
            if file.bytes != entry.bytes {
                let what = format!("it has {} bytes, the manifest says {}", file.bytes, entry.bytes);
                return Err(file.stored.damaged(what));
            }
            Ok(OutgoingFile { xxh3: Some(entry.xxh3.clone()), ..file })
        });
        let files = named.collect::<Result<_>>()?;
        let mut side_files = Vec::new();
        for folder in [LakeFolder::indexes(id), LakeFolder::layers(id)] {
            let mut names = self.list(&folder)?.unwrap_or_default();
            names.sort();
            let paths = names.iter().map(|name| folder.file(name));
            side_files.extend(paths.filter(|path| is_side_file_of(path.as_str(), &manifest)));
        }
        side_files.extend([LakePath::names(id)].into_iter().filter(|names| self.has(names)));
        let side_files =
            side_files.into_iter().map(|path| self.open_outgoing(path)).collect::<Result<_>>()?;
        Ok(OutgoingDump { manifest, text, files, side_files })
    }

    fn open_outgoing(&self, path: LakePath) -> Result<OutgoingFile> {
        let stored = self.at(&path);
        let file = stored.open().map_err(|source| stored.io_error(source))?;
        let bytes = file.metadata().map_err(|source| stored.io_error(source))?.len();
        Ok(OutgoingFile { path, stored, file, bytes, xxh3: None })
    }

    /// The file of a dump's manifest; `None` if there is no such dump.
    pub fn manifest_text(&self, id: &DumpId) -> Result<Option<Vec<u8>>> {
        self.read(&LakePath::manifest(id))
    }

    /// Begins to receive a dump from another lake; `text` is the file of its manifest.
    pub fn incoming(&self, id: &DumpId, text: Vec<u8>) -> Result<Result<IncomingDump, JsonFault>> {
        let manifest = match Manifest::parse(&text, id) {
            Ok(manifest) => manifest,
            Err(fault) => return Ok(Err(fault)),
        };
        let work = self.work_folder()?;
        Ok(Ok(IncomingDump { lake: self.clone(), manifest, text, work, side_files: Vec::new() }))
    }
}

impl IncomingDump {
    /// The manifest of the dump.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Makes a file of the dump, empty, in the work folder of the lake.
    pub fn create(&self, path: &LakePath) -> Result<File> {
        self.work.file(path.name()).create()
    }

    /// The error of writing such a file.
    pub fn io_error(&self, path: &LakePath, source: std::io::Error) -> Error {
        self.work.file(path.name()).io_error(source)
    }

    /// Says that a file was received that the manifest does not name; see [`OutgoingDump::side_files`].
    pub fn add_side_file(&mut self, path: LakePath) {
        self.side_files.push(path);
    }

    /// Puts the dump into the lake, in one transaction. All files that the manifest names are received and synced.
    pub fn commit(self, replace: bool) -> Result<()> {
        let Self { lake, manifest, text, work, side_files } = self;
        commit_change(
            &lake,
            &Change { manifest: &manifest, text, work: Some(&work), caches: side_files },
            replace,
        )
    }
}

/// The path of a side file, if a path from outside is one of this dump.
pub fn side_file(path: &str, manifest: &Manifest) -> Option<LakePath> {
    let (folder, name) = is_side_file_of(path, manifest).then(|| path.rsplit_once('/'))??;
    let folders = [LakeFolder::indexes(&manifest.id), LakeFolder::layers(&manifest.id)];
    let found = folders.into_iter().find(|known| known.as_str() == folder);
    Some(found.map_or_else(|| LakePath::names(&manifest.id), |folder| folder.file(name)))
}
