//! Named layers: a dump without some of its objects and references, as `heaplake whatif --save` keeps them.
//!
//! A layer is a small file, `layers/dump=<id>/<name>.json`, that says what was cut; the dump's tables stay as they are.
//! Its graph index lies beside that of the dump and is, like that, a cache.

use std::{fs, io, path::PathBuf};

use chrono::{DateTime, Utc};
use heaplake_model::{DumpId, schema::Table};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Lake, Manifest, Result,
    access::Permissions,
    commit::{Lock, write_synced},
    index,
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
    /// Objects that went with the cut.
    pub objects: u64,
    /// Bytes that went with the cut.
    pub bytes: i64,
    /// Checksums of the `edge` files of the dump, so that a dump that was replaced is noticed.
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
    pub(crate) fn layer_folder(&self, dump: &DumpId) -> PathBuf {
        self.path().join("layers").join(format!("dump={dump}"))
    }

    fn layer_path(&self, dump: &DumpId, name: &DumpId) -> PathBuf {
        self.layer_folder(dump).join(format!("{name}.json"))
    }

    /// The layers of a dump, by name.
    pub fn layers(&self, dump: &DumpId) -> Result<Vec<Layer>> {
        let folder = self.layer_folder(dump);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| Error::Io { path: folder.clone(), source })?,
        };
        let mut layers = Vec::new();
        for entry in entries {
            let name = entry.map_err(|source| Error::Io { path: folder.clone(), source })?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if let Some(name) = name.and_then(|name| name.parse::<DumpId>().ok()) {
                layers.extend(self.find_layer(dump, &name)?);
            }
        }
        layers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(layers)
    }

    /// A layer of a dump, if it is of the dump's present tables.
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
        let path = self.layer_path(dump, name);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| Error::Io { path: path.clone(), source })?,
        };
        let layer: Layer = serde_json::from_slice(&text)
            .map_err(|error| Error::Damaged { path, what: format!("it is no layer ({error})") })?;
        Ok(Some(layer).filter(|layer| layer.name == *name && layer.dump == *dump))
    }

    /// Keeps a layer, in the place of one of the same name.
    pub fn save_layer(&self, layer: &Layer) -> Result<()> {
        let _lock = Lock::take(self)?;
        let folder = self.layer_folder(&layer.dump);
        let made = Permissions::of(self)?.make_folder(&folder);
        made.map_err(|source| Error::Io { path: folder, source })?;
        write_synced(self, &self.layer_path(&layer.dump, &layer.name), layer)
    }

    /// Removes a layer; false when there is none of that name.
    pub fn remove_layer(&self, manifest: &Manifest, name: &DumpId) -> Result<bool> {
        let _lock = Lock::take(self)?;
        index::remove_layer(self, manifest, name);
        let path = self.layer_path(&manifest.id, name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true).map_err(|source| Error::Io { path, source }),
        }
    }
}
