//! The layout of a lake. Names of its files and folders are written down here and nowhere else.

use std::fmt;

use heaplake_model::{DumpId, schema::Table};

use crate::{FileEntry, Manifest};

/// The folder of a lake whose permissions all others follow.
const MANIFESTS: &str = "dumps";
const INDEXES: &str = "index";
const LAYERS: &str = "layers";
const NAMES: &str = "names";
const WORK: &str = "tmp";
const SOURCES: &str = "source";

const JSON: &str = ".json";
const PARQUET: &str = ".parquet";
const INDEX: &str = ".graph";
const SEAL: &str = ".seal";
/// Between the name of an index and that of its layer; no dump id has it.
const LAYER_MARK: char = '+';

/// A folder of a lake, by its path from the lake's folder, with `/`; in an object store, what the names of objects begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeFolder(String);

impl LakeFolder {
    /// The manifests of all dumps.
    pub fn manifests() -> Self {
        Self(MANIFESTS.to_owned())
    }

    /// The graph indexes of a dump and of its layers, with their seals.
    pub fn indexes(id: &DumpId) -> Self {
        Self::of_dump(INDEXES, id)
    }

    /// The graph indexes of all dumps.
    pub fn all_indexes() -> Self {
        Self(INDEXES.to_owned())
    }

    /// The layers of a dump.
    pub fn layers(id: &DumpId) -> Self {
        Self::of_dump(LAYERS, id)
    }

    /// The files of one table of a dump.
    pub(crate) fn table(table: Table, id: &DumpId) -> Self {
        Self::of_dump(table.name(), id)
    }

    /// Work in progress: what is in it may be swept away.
    pub fn work() -> Self {
        Self(WORK.to_owned())
    }

    /// Dump files that are kept beside the dumps.
    pub(crate) fn sources() -> Self {
        Self(SOURCES.to_owned())
    }

    /// The folders that every lake has from the start, besides [`manifests`](Self::manifests) and [`work`](Self::work).
    pub(crate) fn initial() -> impl Iterator<Item = Self> {
        [INDEXES].into_iter().chain(Table::ALL.map(Table::name)).map(|name| Self(name.to_owned()))
    }

    /// The folders that have a folder or a file for each dump, besides [`manifests`](Self::manifests).
    pub fn of_dumps() -> impl Iterator<Item = Self> {
        Self::initial().chain([LAYERS, NAMES].map(|name| Self(name.to_owned())))
    }

    /// Whether its files are of dumps, and so of the lake that a folder is a copy of.
    pub(super) fn is_of_dumps(&self) -> bool {
        let first = self.0.split('/').next().unwrap_or_default();
        [MANIFESTS, NAMES, LAYERS].contains(&first) || Self::initial().any(|folder| folder.0 == first)
    }

    /// The file of this name in the folder.
    pub fn file(&self, name: &str) -> LakePath {
        LakePath(format!("{}/{name}", self.0))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_dump(kind: &str, id: &DumpId) -> Self {
        Self(format!("{kind}/dump={id}"))
    }
}

impl fmt::Display for LakeFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file of a lake, by its path from the lake's folder, with `/`; in an object store, the name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakePath(String);

impl LakePath {
    /// What makes a folder a lake: its format version.
    pub fn marker() -> Self {
        Self("heaplake.json".to_owned())
    }

    /// The manifest of a dump.
    pub fn manifest(id: &DumpId) -> Self {
        LakeFolder::manifests().file(&format!("{id}{JSON}"))
    }

    /// A file that a manifest names. Manifests are checked by [`is_file_of`] when they are read.
    pub fn of_entry(entry: &FileEntry) -> Self {
        Self(entry.path.clone())
    }

    /// The graph index of a dump.
    pub(crate) fn index(manifest: &Manifest) -> Self {
        LakeFolder::indexes(&manifest.id).file(&index_name(manifest.files_of(Table::Edge)))
    }

    /// The graph index of a layer.
    pub(crate) fn layer_index(manifest: &Manifest, layer: &DumpId) -> Self {
        let stem = index_stem(manifest.files_of(Table::Edge));
        LakeFolder::indexes(&manifest.id).file(&format!("{stem}{LAYER_MARK}{layer}{INDEX}"))
    }

    /// The seal of an index file.
    pub(crate) fn seal(index: &Self) -> Self {
        Self(format!("{}{SEAL}", index.0.strip_suffix(INDEX).unwrap_or(&index.0)))
    }

    /// The description of a layer.
    pub(crate) fn layer(dump: &DumpId, name: &DumpId) -> Self {
        LakeFolder::layers(dump).file(&format!("{name}{JSON}"))
    }

    /// The names given to objects of a dump.
    pub fn names(dump: &DumpId) -> Self {
        Self(format!("{NAMES}/dump={dump}{JSON}"))
    }

    /// The suspects that are accepted.
    pub(crate) fn accepted() -> Self {
        Self("accepted.json".to_owned())
    }

    /// The workers that the lake names.
    pub fn workers() -> Self {
        Self("cluster.json".to_owned())
    }

    /// What the change that is under way may add and delete.
    pub(crate) fn journal() -> Self {
        LakeFolder::work().file("journal.json")
    }

    /// Locked by the process that changes the lake.
    pub(super) fn lock() -> Self {
        LakeFolder::work().file("lock")
    }

    /// Whether the file is of a dump. Seals are about one folder.
    pub(super) fn is_of_dump(&self) -> bool {
        self.folder().is_some_and(|folder| folder.is_of_dumps()) && !self.0.ends_with(SEAL)
    }

    /// Whether the file is of the lake that a folder is a copy of.
    pub(super) fn is_of_origin(&self) -> bool {
        self.is_of_dump() || *self == Self::workers()
    }

    /// Whether a command that asks a copy may change the file in the lake that it is a copy of.
    pub(super) fn is_changed_elsewhere(&self) -> bool {
        self.is_of_dump() && self.0.ends_with(JSON) && !self.0.starts_with(LAYERS)
    }

    /// Whether the file is the index of a layer.
    pub fn is_of_layer(&self) -> bool {
        self.name().contains(LAYER_MARK)
    }

    /// Whether a folder that is a copy does not have the file, so that the lake is asked for it.
    pub(super) fn is_asked_for(&self) -> bool {
        self.is_of_origin() && self.0.ends_with(JSON)
    }

    /// The folder that the file is in; `None` for a file right in the lake's folder.
    pub(crate) fn folder(&self) -> Option<LakeFolder> {
        self.0.rsplit_once('/').map(|(folder, _)| LakeFolder(folder.to_owned()))
    }

    /// The file's own name.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LakePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The dump that a file of a lake belongs to, by the file's path; `None` for manifests and for what belongs to no dump.
pub fn dump_of(path: &str) -> Option<DumpId> {
    let (_, below) = path.split_once('/')?;
    let name = below.strip_prefix("dump=")?;
    let name = name.split_once('/').map_or_else(|| name.strip_suffix(JSON), |(folder, _)| Some(folder));
    name?.parse().ok()
}

/// Whether a path names a file of one of a dump's folders that no manifest names: an index, a layer, or names.
pub(crate) fn is_side_file_of(path: &str, manifest: &Manifest) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    let is_plain = !name.starts_with('.') && !name.contains(['\\', '\0']);
    let id = &manifest.id;
    let is_index = folder == LakeFolder::indexes(id).as_str()
        && name.ends_with(INDEX)
        && is_index_file_of(name, manifest);
    let is_layer = folder == LakeFolder::layers(id).as_str() && id_in_name(name).is_some();
    is_plain && (is_index || is_layer || path == LakePath::names(id).as_str())
}

/// The id in the file name of a manifest, or the name in that of a layer; `None` for any other file.
pub fn id_in_name(file_name: &str) -> Option<DumpId> {
    file_name.strip_suffix(JSON)?.parse().ok()
}

/// The name of the file of a table. `stem` is of one import alone.
pub(crate) fn table_file_name(stem: &str, table: Table) -> String {
    format!("{stem}-{}{PARQUET}", table.name())
}

/// The name of the index file: that of the `edge` file, which is never written twice under one name.
pub(crate) fn index_name<'f>(edges: impl Iterator<Item = &'f FileEntry>) -> String {
    format!("{}{INDEX}", index_stem(edges))
}

fn index_stem<'f>(mut edges: impl Iterator<Item = &'f FileEntry>) -> &'f str {
    let path = edges.next().map_or("", |file| file.path.as_str());
    let name = path.rsplit('/').next().unwrap_or_default();
    name.trim_end_matches(PARQUET).trim_end_matches("-edge")
}

/// Whether a file in the folder of a dump's indexes belongs to the dump as its manifest describes it: the index, that of
/// a layer, or a seal.
pub(crate) fn is_index_file_of(file_name: &str, manifest: &Manifest) -> bool {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    stem.split(LAYER_MARK).next() == Some(index_stem(manifest.files_of(Table::Edge)))
}

/// Whether a path names a file right in the folder of a dump and table, and nothing else.
pub(crate) fn is_file_of(path: &str, table: Table, id: &DumpId) -> bool {
    let folder = LakeFolder::table(table, id);
    let name = path.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_by_its_path_whose_it_is() {
        for (path, id) in [
            ("obj/dump=a/x.parquet", Some("a")),
            ("index/dump=a.b/x.graph", Some("a.b")),
            ("layers/dump=a/cut.json", Some("a")),
            ("names/dump=a.json", Some("a")),
            ("dumps/a.json", None),
            ("heaplake.json", None),
            ("obj/dump=", None),
            ("obj/dump=../x", None),
            ("tmp/lock", None),
        ] {
            assert_eq!(dump_of(path).as_ref().map(DumpId::as_str), id, "{path}");
        }
    }
}
