//! A folder that is a copy, in part, of a lake elsewhere.
//!
//! The folder has the tables and indexes that were opened so far, and what this machine has made of them, such as an index that the
//! lake does not have. Manifests, layers and names are small and change, so they are not kept here: the origin is asked.

use std::{fmt, fs::File, io, ops::Range, sync::Arc};

use bytes::Bytes;
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

    /// What was asked of it so far.
    fn traffic(&self) -> Traffic;

    /// Opens a table or an index, which is brought into the folder first if it is not there. `entry` is what the manifest says of
    /// it; `None` for an index.
    fn open(&self, path: &LakePath, entry: Option<&FileEntry>) -> io::Result<File>;

    /// A table to be read in parts, for a question that needs a few of its columns or rows; `None` if it is better opened, because it is
    /// here or is small.
    fn parts(&self, entry: &FileEntry) -> io::Result<Option<Arc<dyn FileParts>>>;

    /// Brings small files into the folder, several at the same time, that will be opened soon; with `in_parts` none that
    /// [`parts`](Self::parts) would give. What fails, fails again when it is opened.
    fn prefetch(&self, entries: &[&FileEntry], in_parts: bool);

    /// The bytes of a manifest, a layer, or names; `None` if the lake does not have it.
    fn read(&self, path: &LakePath) -> io::Result<Option<Vec<u8>>>;

    /// The names of the files in a folder of manifests, indexes or layers, with their bytes, in no order.
    fn list(&self, folder: &LakeFolder) -> io::Result<Vec<(String, u64)>>;

    /// Writes a manifest or names, if what is there is still `before`; false, and nothing is written, if it is not.
    fn write(&self, path: &LakePath, before: Option<&[u8]>, after: &[u8]) -> io::Result<bool>;

    /// Deletes a layer, or the index of one; not an error if it does not exist.
    fn delete(&self, path: &LakePath) -> io::Result<()>;

    /// Removes a dump whose manifest is still `before`; false, and nothing is removed, if it is not.
    fn remove(&self, id: &DumpId, before: &[u8]) -> io::Result<bool>;
}

/// A table that is read in parts. Its bytes are not compared with the checksum of the manifest, which is one of the whole.
pub trait FileParts: fmt::Debug + Send + Sync {
    /// The bytes of ranges of the file, in their order. What is not here is asked for, so this may take long. Errors are those of
    /// [`Origin`]; of a range beyond the end of the file `UnexpectedEof`.
    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>>;
}

/// What was asked of a lake elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, those that were repeated among them.
    pub n_requests: u64,
    /// Bytes of answers, without their headers: of objects, and of lists.
    pub received_bytes: u64,
    /// Bytes of the contents of requests: of objects, and of what completes them.
    pub sent_bytes: u64,
}

impl Lake {
    /// What was asked so far of the lake elsewhere that the folder copies; `None` where it is no copy.
    pub fn traffic(&self) -> Option<Traffic> {
        Some(self.origin.as_ref()?.traffic())
    }

    /// Brings small files that will be opened soon into the folder, where it is a copy of a lake elsewhere; with `in_parts` only those that
    /// [`StoredFile::parts`](crate::StoredFile::parts) does not give.
    pub fn prefetch(&self, entries: &[&FileEntry], in_parts: bool) {
        if let Some(origin) = &self.origin {
            origin.prefetch(entries, in_parts);
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

    /// Deletes the files of a layer from the lake elsewhere, one after the other, if it has `layer`; whether it does. `None` where the
    /// folder is no copy.
    pub(crate) fn delete_elsewhere(&self, layer: &LakePath, files: &[&LakePath]) -> Result<Option<bool>> {
        let Some(origin) = &self.origin else { return Ok(None) };
        let is_there = self.has(layer);
        if is_there {
            for path in files {
                origin.delete(path).map_err(|source| self.at(path).io_error(source))?;
            }
        }
        Ok(Some(is_there))
    }

    /// Removes a dump from the lake elsewhere, if its manifest is still `before`; otherwise false.
    pub(crate) fn remove_elsewhere(&self, id: &DumpId, before: &[u8]) -> Result<bool> {
        let Some(origin) = &self.origin else { return Ok(false) };
        origin.remove(id, before).map_err(|source| self.at(&LakePath::manifest(id)).io_error(source))
    }
}
