//! A folder that is a copy, in part, of a lake elsewhere.
//!
//! The folder has the tables and indexes that were opened so far, and what this machine has made of them, such as an index that the
//! lake does not have. Manifests, layers and names are small and change, so they are not kept here: the origin is asked.

use std::{fmt, fs::File, io};

use heaplake_model::DumpId;

use super::{Lake, LakeFolder, LakePath};
use crate::{FileEntry, Result};

/// The lake elsewhere that a folder copies.
///
/// An error of the kind `Interrupted` says that the user stopped the work, `NotFound` that the lake does not have the file, and
/// `InvalidData` that its bytes are not what was written.
pub trait Origin: fmt::Debug + Send + Sync {
    /// Where the lake is, as messages name it.
    fn name(&self) -> String;

    /// Opens a table or an index, which is brought into the folder first if it is not there. `entry` is what the manifest says of
    /// it; `None` for an index.
    fn open(&self, path: &LakePath, entry: Option<&FileEntry>) -> io::Result<File>;

    /// Brings files into the folder, several at the same time, that will be opened soon. What fails, fails again when it is opened.
    fn prefetch(&self, entries: &[&FileEntry]);

    /// The bytes of a manifest, a layer, or names; `None` if the lake does not have it.
    fn read(&self, path: &LakePath) -> io::Result<Option<Vec<u8>>>;

    /// The names of the files in a folder of manifests, indexes or layers, with their bytes, in no order.
    fn list(&self, folder: &LakeFolder) -> io::Result<Vec<(String, u64)>>;

    /// Writes a manifest or names, if what is there is still `before`; false, and nothing is written, if it is not.
    fn write(&self, path: &LakePath, before: Option<&[u8]>, after: &[u8]) -> io::Result<bool>;

    /// Removes a dump whose manifest is still `before`; false, and nothing is removed, if it is not.
    fn remove(&self, id: &DumpId, before: &[u8]) -> io::Result<bool>;
}

impl Lake {
    /// Brings files that will be opened soon into the folder, where it is a copy of a lake elsewhere.
    pub fn prefetch(&self, entries: &[&FileEntry]) {
        if let Some(origin) = &self.origin {
            origin.prefetch(entries);
        }
    }

    /// Whether the folder is a copy of a lake elsewhere.
    pub(crate) fn is_copy(&self) -> bool {
        self.origin.is_some()
    }

    /// Writes a manifest or names to the lake elsewhere, if what is there is still `before`; otherwise false. An error for any
    /// other file.
    pub(crate) fn write_elsewhere(
        &self,
        path: &LakePath,
        before: Option<&[u8]>,
        after: &[u8],
    ) -> Result<bool> {
        match &self.origin {
            Some(origin) if path.is_changed_elsewhere() => {
                origin.write(path, before, after).map_err(|source| self.at(path).io_error(source))
            }
            Some(origin) => Err(crate::Error::Copy(origin.name())),
            None => Ok(false),
        }
    }

    /// Removes a dump from the lake elsewhere, if its manifest is still `before`; otherwise false.
    pub(crate) fn remove_elsewhere(&self, id: &DumpId, before: &[u8]) -> Result<bool> {
        let Some(origin) = &self.origin else { return Ok(false) };
        origin.remove(id, before).map_err(|source| self.at(&LakePath::manifest(id)).io_error(source))
    }
}
