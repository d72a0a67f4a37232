//! Names that people give to objects and texts of a dump, as in a shell: `names/dump=<id>.json`.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use heaplake_model::{DumpId, schema::Table};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Lake, Manifest, Result,
    access::Permissions,
    commit::{Lock, write_synced},
    index,
};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// Objects, by address.
    Addresses(Vec<u64>),
    /// A number, which may be an address.
    Number(u64),
    /// A text.
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct File {
    /// Checksums of the dump's `edge` files: in a dump that was replaced by another, addresses mean other objects.
    edges_xxh3: String,
    names: BTreeMap<String, Named>,
}

impl Lake {
    pub(crate) fn names_path(&self, dump: &DumpId) -> PathBuf {
        self.path().join("names").join(format!("dump={dump}.json"))
    }

    /// The names in a dump; none where the names are of what it was before it was replaced.
    pub fn names(&self, manifest: &Manifest) -> Result<BTreeMap<String, Named>> {
        let path = self.names_path(&manifest.id);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            text => text.map_err(|source| Error::Io { path: path.clone(), source })?,
        };
        let file: File = serde_json::from_slice(&text)
            .map_err(|error| Error::Damaged { path, what: format!("it has no names ({error})") })?;
        let is_same = file.edges_xxh3 == index::edges_xxh3(manifest.files_of(Table::Edge));
        Ok(if is_same { file.names } else { BTreeMap::new() })
    }

    /// Changes the names in a dump, with those that are in the lake now, whoever put them there.
    pub fn change_names(
        &self,
        manifest: &Manifest,
        change: impl FnOnce(&mut BTreeMap<String, Named>),
    ) -> Result<BTreeMap<String, Named>> {
        let _lock = Lock::take(self)?;
        let mut names = self.names(manifest)?;
        change(&mut names);
        let path = self.names_path(&manifest.id);
        let folder = path.parent().unwrap_or(self.path()).to_owned();
        let made = Permissions::of(self)?.make_folder(&folder);
        made.map_err(|source| Error::Io { path: folder, source })?;
        let file = File { edges_xxh3: index::edges_xxh3(manifest.files_of(Table::Edge)), names };
        write_synced(self, &path, &file)?;
        Ok(file.names)
    }
}
