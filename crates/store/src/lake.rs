//! A lake: where its parts lie, and what is in it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use heaplake_model::{DumpId, schema::Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Access, Error, FORMAT_VERSION, Facts, Manifest, Manifests, Result,
    commit::{self, Lock, write_synced},
};

/// A lake folder whose format version was checked.
#[derive(Debug, Clone)]
pub struct Lake {
    path: PathBuf,
}

const MARKER: &str = "heaplake.json";
/// Manifests below this number are read by one thread.
const MANIFESTS_PER_TASK: usize = 32;

#[derive(Serialize, Deserialize)]
struct Marker {
    format_version: u32,
}

impl Lake {
    /// Opens a lake to read it. Nothing in it is changed.
    pub fn open(path: &Path) -> Result<Self> {
        let marker = path.join(MARKER);
        let text = fs::read(&marker).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NotALake(path.to_owned()),
            _ => Error::Io { path: marker.clone(), source },
        })?;
        let Marker { format_version } = serde_json::from_slice(&text).map_err(|error| Error::Damaged {
            path: marker,
            what: format!("it is no lake marker ({error})"),
        })?;
        if format_version != FORMAT_VERSION {
            return Err(Error::OtherFormat { path: path.to_owned(), found: format_version });
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Opens a lake to write to it, and makes it where there is none.
    pub fn open_or_create(path: &Path, access: Access) -> Result<Self> {
        if let Err(Error::NotALake(_)) = Self::open(path) {
            create(path, access)?;
        }
        Self::open_to_write(path)
    }

    /// Opens a lake to write to it, and clears away what dead imports left.
    pub fn open_to_write(path: &Path) -> Result<Self> {
        let lake = Self::open(path)?;
        commit::recover(&lake)?;
        Ok(lake)
    }

    /// The lake's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifests as one command or session sees them; reads none yet.
    pub fn snapshot(&self) -> Arc<Manifests> {
        Arc::new(Manifests::new(self.clone()))
    }

    /// The folder for work in progress; what lies in it may be swept away.
    pub fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// The folder of one dump's files of one table, from the lake's folder.
    pub(crate) fn table_folder(table: Table, id: &DumpId) -> String {
        format!("{}/dump={id}", table.name())
    }

    /// Whether a path names a file right in the folder of a dump and table, and nothing else.
    pub(crate) fn is_file_of(path: &str, table: Table, id: &DumpId) -> bool {
        let name = path.strip_prefix(&Self::table_folder(table, id)).and_then(|rest| rest.strip_prefix('/'));
        name.is_some_and(|name| {
            !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
        })
    }

    pub(crate) fn manifest_path(&self, id: &DumpId) -> PathBuf {
        self.path.join("dumps").join(format!("{id}.json"))
    }

    /// The manifests of all dumps, oldest first: by time taken, time imported, id.
    pub fn manifests(&self) -> Result<Vec<Arc<Manifest>>> {
        Ok(self.snapshot().all()?.to_vec())
    }

    /// The manifests of all dumps, in no order, without reading again those that are known. Many are read by several
    /// threads: most of the time goes into opening files.
    pub(crate) fn read_manifests(
        &self,
        known: &BTreeMap<DumpId, Arc<Manifest>>,
    ) -> Result<Vec<Arc<Manifest>>> {
        let read = |id: &DumpId| match known.get(id) {
            Some(manifest) => Ok(Some(manifest.clone())),
            // None: removed since the folder was listed.
            None => Ok(self.find_manifest(id)?.map(Arc::new)),
        };
        let ids = self.ids()?;
        let found = ids.par_iter().with_min_len(MANIFESTS_PER_TASK).map(read);
        let found: Vec<Option<Arc<Manifest>>> = found.collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The ids of all dumps, in no order. Reads the folder only.
    fn ids(&self) -> Result<Vec<DumpId>> {
        let folder = self.path.join("dumps");
        let io_error = |source| Error::Io { path: folder.clone(), source };
        let mut ids = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io_error)? {
            let name = entry.map_err(io_error)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            ids.extend(id.and_then(|id| id.parse::<DumpId>().ok()));
        }
        Ok(ids)
    }

    /// The manifest of one dump.
    pub fn manifest(&self, id: &str) -> Result<Manifest> {
        let found = id.parse::<DumpId>().ok().map(|id| self.find_manifest(&id)).transpose()?;
        match found.flatten() {
            Some(manifest) => Ok(manifest),
            None => Err(self.no_such_dump(id)?),
        }
    }

    /// The manifest of one dump, if there is such a dump.
    pub(crate) fn find_manifest(&self, id: &DumpId) -> Result<Option<Manifest>> {
        let path = self.manifest_path(id);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { path, source }),
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| Error::Damaged {
            path: path.clone(),
            what: format!("it is no manifest ({error})"),
        })?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(Error::OtherFormat { path, found: manifest.format_version });
        }
        if let Some(what) = manifest.inconsistency(id) {
            return Err(Error::Damaged { path, what });
        }
        Ok(Some(manifest.with_process()))
    }

    fn no_such_dump(&self, id: &str) -> Result<Error> {
        let near = self.ids()?.into_iter().map(|name| (strsim::damerau_levenshtein(name.as_str(), id), name));
        let suggestion =
            near.filter(|(distance, _)| *distance <= 2 + id.len() / 4).min().map(|(_, name)| name);
        Ok(Error::NoSuchDump { id: id.to_owned(), suggestion })
    }

    /// Removes a dump. Queries that already read it go on.
    pub fn remove(&self, id: &DumpId) -> Result<()> {
        commit::remove(self, id, None)
    }

    /// Removes objects, references and index of a dump in one transaction, if it is still the one of the manifest; its
    /// summaries stay. Queries that already read it go on. Returns its manifest as it is now.
    pub fn prune(&self, manifest: &Manifest) -> Result<Manifest> {
        commit::prune(self, manifest)
    }

    /// Removes a dump if it is still the one of the manifest.
    pub fn remove_unchanged(&self, manifest: &Manifest) -> Result<()> {
        commit::remove(self, &manifest.id, Some(&manifest.files))
    }

    /// Says more of a dump: its tags, and when it was taken. Returns its manifest as it is now.
    pub fn state(&self, id: &DumpId, facts: &Facts) -> Result<Manifest> {
        commit::state(self, id, facts)
    }

    pub(crate) fn unknown(&self, id: &DumpId) -> Result<Error> {
        self.no_such_dump(id.as_str())
    }
}

/// Makes the folders, the marker last, so that a lake is whole or none. Of several processes at once, one makes it.
fn create(path: &Path, access: Access) -> Result<()> {
    let lake = Lake { path: path.to_owned() };
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).map_err(|source| Error::Io { path: above.to_owned(), source })?;
    }
    // What was there before, such as a mounted folder, stays as it is.
    access.make_folder(path)?;
    access.make_folder(&path.join("dumps"))?;
    let _lock = Lock::take(&lake)?;
    for folder in ["index"].into_iter().chain(Table::ALL.map(Table::name)) {
        access.make_folder(&path.join(folder))?;
    }
    let marker = path.join(MARKER);
    if marker.exists() {
        return Ok(());
    }
    write_synced(&lake, &marker, &Marker { format_version: FORMAT_VERSION })
}
