//! Named layers: a dump without some of its objects and references, which a what-if question has removed.
//!
//! A layer is a small file that says what was cut; the tables of the dump stay as they are. Its graph index is beside that of
//! the dump, and is a cache as well.

use chrono::{DateTime, Utc};
use heaplake_model::{DumpId, schema::Table};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Lake, Manifest, Result, index,
    lake::{LakeFolder, LakePath, Lock, id_in_name},
};

/// A dump without what was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name; the rules are those of dump ids.
    pub name: DumpId,
    /// The dump.
    pub dump: DumpId,
    /// When it was saved.
    pub saved: DateTime<Utc>,
    /// Predicates over `obj` or `edge`, or addresses; all are cut together.
    pub cuts: Vec<String>,
    /// Number of objects that the cut made unreachable, those of the cut included.
    pub objects: u64,
    /// Their size in bytes.
    pub bytes: i64,
    /// Checksums of the `edge` files of the dump, which change if the dump is replaced.
    edges_xxh3: String,
}

impl Layer {
    /// A layer of a dump as it is now.
    pub fn new(name: DumpId, manifest: &Manifest, cuts: Vec<String>, objects: u64, bytes: i64) -> Self {
        Self {
            name,
            dump: manifest.id.clone(),
            saved: Utc::now(),
            cuts,
            objects,
            bytes,
            edges_xxh3: index::edges_xxh3(manifest.files_of(Table::Edge)),
        }
    }
}

impl Lake {
    /// The layers of a dump, by name.
    pub fn layers(&self, dump: &DumpId) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        for path in self.layer_paths(dump)? {
            let is_there = |layer: &Layer| layer.dump == *dump && path == LakePath::layer(dump, &layer.name);
            layers.extend(self.layer_at(&path)?.filter(is_there));
        }
        layers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(layers)
    }

    /// Where the layers of a dump are, in no order.
    pub(crate) fn layer_paths(&self, dump: &DumpId) -> Result<Vec<LakePath>> {
        let names = self.list(&LakeFolder::layers(dump))?.unwrap_or_default();
        let names = names.iter().filter_map(|name| id_in_name(name));
        Ok(names.map(|name| LakePath::layer(dump, &name)).collect())
    }

    /// The layer that a file describes; `None` if there is no such file.
    pub(crate) fn layer_at(&self, path: &LakePath) -> Result<Option<Layer>> {
        self.read_json::<Layer>(path, "it is not a layer")
    }

    /// A layer of a dump; an error if it belongs to tables that were replaced.
    pub fn layer(&self, manifest: &Manifest, name: &str) -> Result<Layer> {
        let found = match name.parse::<DumpId>() {
            Ok(name) => self.find_layer(&manifest.id, &name)?,
            Err(_) => None,
        };
        let Some(layer) = found else {
            let names = self.layers(&manifest.id)?.into_iter().map(|layer| layer.name.to_string()).collect();
            return Err(Error::NoSuchLayer { dump: manifest.id.clone(), name: name.to_owned(), names });
        };
        if layer.edges_xxh3 != index::edges_xxh3(manifest.files_of(Table::Edge)) {
            return Err(Error::StaleLayer { dump: manifest.id.clone(), name: layer.name });
        }
        Ok(layer)
    }

    fn find_layer(&self, dump: &DumpId, name: &DumpId) -> Result<Option<Layer>> {
        let layer = self.layer_at(&LakePath::layer(dump, name))?;
        Ok(layer.filter(|layer| layer.name == *name && layer.dump == *dump))
    }

    /// Saves a layer, and replaces one of the same name.
    pub fn save_layer(&self, layer: &Layer) -> Result<()> {
        let lock = Lock::take(self)?;
        self.replace(&lock, &LakePath::layer(&layer.dump, &layer.name), layer)
    }

    /// Removes a layer; false if there is none of that name.
    pub fn remove_layer(&self, manifest: &Manifest, name: &DumpId) -> Result<bool> {
        let lock = Lock::take(self)?;
        // Its index goes first: a layer without one is still a layer.
        let (path, index) = (LakePath::layer(&manifest.id, name), LakePath::layer_index(manifest, name));
        if let Some(was_there) = self.delete_elsewhere(&path, &[&index, &path])? {
            return Ok(was_there);
        }
        index::remove_layer(self, &lock, manifest, name);
        self.remove_file(&lock, &path)
    }
}
