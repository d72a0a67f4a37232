//! A lake: what is in it, and the one door to its files.
//!
//! `layout.rs` says where everything is, `folder.rs` is the door, `work.rs` the lock and the folders of work in progress,
//! `access.rs` who may read, `origin.rs` where files come from that a folder lacks because it is a copy. Nobody outside this module
//! joins a path or opens a file of a lake by one.

mod access;
mod folder;
mod layout;
mod origin;
mod work;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use heaplake_model::DumpId;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use access::Access;
pub use folder::StoredFile;
pub(crate) use folder::json_text;
pub use layout::{LakeFolder, LakePath, dump_of, id_in_name};
pub(crate) use layout::{index_name, is_file_of, is_index_file_of, is_side_file_of, table_file_name};
pub use origin::{FileParts, Origin, Traffic};
pub use work::SpillFolder;
pub(crate) use work::{Lock, WorkFile, WorkFolder};

use crate::{Error, FORMAT_VERSION, JsonFault, Manifest, Manifests, Result};

/// A lake folder whose format version was checked.
#[derive(Debug, Clone)]
pub struct Lake {
    path: PathBuf,
    /// What the folder is a copy of, if it is one.
    origin: Option<Arc<dyn Origin>>,
}

/// Manifests that one thread reads before a second thread is used.
const MANIFESTS_PER_TASK: usize = 32;

#[derive(Serialize, Deserialize)]
struct Marker {
    format_version: u32,
}

/// The text of the file that makes a folder, or a prefix of an object store, a lake.
pub fn marker_text() -> serde_json::Result<Vec<u8>> {
    json_text(&Marker { format_version: FORMAT_VERSION })
}

/// Whether the text of such a file is of a lake that this version reads.
pub fn check_marker(text: &[u8]) -> Result<(), JsonFault> {
    let marker = serde_json::from_slice(text);
    match marker.map_err(|error| JsonFault::Damaged(format!("it is not a lake marker ({error})")))? {
        Marker { format_version } if format_version != FORMAT_VERSION => {
            Err(JsonFault::OtherFormat(format_version))
        }
        Marker { .. } => Ok(()),
    }
}

impl Lake {
    /// Opens a lake to read it. Nothing in it is changed.
    pub fn open(path: &Path) -> Result<Self> {
        let lake = Self { path: path.to_owned(), origin: None };
        if path.is_file() {
            return Err(Error::NotALake(path.to_owned()));
        }
        let marker = lake.read(&LakePath::marker())?.ok_or_else(|| Error::NotALake(path.to_owned()))?;
        match check_marker(&marker) {
            Ok(()) => Ok(lake),
            Err(JsonFault::OtherFormat(found)) => Err(Error::OtherFormat { path: path.to_owned(), found }),
            Err(JsonFault::Damaged(what)) => Err(lake.at(&LakePath::marker()).damaged(what)),
        }
    }

    /// Opens a folder as a copy of a lake elsewhere, and makes it if there is none.
    pub fn open_copy(path: &Path, origin: Arc<dyn Origin>) -> Result<Self> {
        Ok(Self { origin: Some(origin), ..Self::open_or_create(path, Access::Private)? })
    }

    /// The lake's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifests as one command or session sees them; reads none yet.
    pub fn snapshot(&self) -> Arc<Manifests> {
        Arc::new(Manifests::new(self.clone()))
    }

    /// The manifests of all dumps, oldest first: by time taken, time imported, id.
    pub fn manifests(&self) -> Result<Vec<Arc<Manifest>>> {
        Ok(self.snapshot().all()?.to_vec())
    }

    /// The manifests of all dumps, in no order, without reading those that are known. Reads many manifests on several threads,
    /// because most of the time is for opening files.
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
        let folder = LakeFolder::manifests();
        let absent = || Error::Io { path: self.folder(&folder), source: io::ErrorKind::NotFound.into() };
        let names = self.list(&folder)?.ok_or_else(absent)?;
        Ok(names.iter().filter_map(|name| id_in_name(name)).collect())
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
        let path = LakePath::manifest(id);
        let Some(text) = self.read(&path)? else { return Ok(None) };
        Manifest::parse(&text, id).map(Some).map_err(|fault| self.at(&path).faulty(fault))
    }

    fn no_such_dump(&self, id: &str) -> Result<Error> {
        let near = self.ids()?.into_iter().map(|name| (strsim::damerau_levenshtein(name.as_str(), id), name));
        let suggestion =
            near.filter(|(distance, _)| *distance <= 2 + id.len() / 4).min().map(|(_, name)| name);
        Ok(Error::NoSuchDump { id: id.to_owned(), suggestion })
    }

    pub(crate) fn unknown(&self, id: &DumpId) -> Result<Error> {
        self.no_such_dump(id.as_str())
    }
}

/// Makes the folders, and the marker last, so that a folder is a whole lake or not a lake. If several processes do so at the
/// same time, one of them makes it.
pub(crate) fn create(path: &Path, access: Access) -> Result<()> {
    let lake = Lake { path: path.to_owned(), origin: None };
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above).map_err(|source| Error::Io { path: above.to_owned(), source })?;
    }
    // A folder that exists, such as a mounted one, stays as it is.
    access.make_folder(path)?;
    access.make_folder(&lake.folder(&LakeFolder::manifests()))?;
    let lock = Lock::take(&lake)?;
    for folder in LakeFolder::initial() {
        access.make_folder(&lake.folder(&folder))?;
    }
    lake.put_if_absent(&lock, &LakePath::marker(), &Marker { format_version: FORMAT_VERSION }).map(drop)
}
