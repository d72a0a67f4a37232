//! Names that people give to objects and texts of a dump, as in a shell.

use std::collections::BTreeMap;

use heaplake_model::schema::Table;
use serde::{Deserialize, Serialize};

use crate::{
    Lake, Manifest, Result, index,
    lake::{LakePath, Lock},
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
struct NamesFile {
    /// Checksums of the dump's `edge` files: if the dump is replaced, addresses mean other objects.
    edges_xxh3: String,
    names: BTreeMap<String, Named>,
}

impl Lake {
    /// The names in a dump; empty if they belong to a dump that was replaced.
    pub fn names(&self, manifest: &Manifest) -> Result<BTreeMap<String, Named>> {
        let file = self.read_json::<NamesFile>(&LakePath::names(&manifest.id), "it has no names")?;
        let edges_xxh3 = index::edges_xxh3(manifest.files_of(Table::Edge));
        Ok(file.filter(|file| file.edges_xxh3 == edges_xxh3).map(|file| file.names).unwrap_or_default())
    }

    /// Changes the names in a dump, starting from those that are in the lake now, and returns the result.
    pub fn change_names(
        &self,
        manifest: &Manifest,
        change: impl FnOnce(&mut BTreeMap<String, Named>),
    ) -> Result<BTreeMap<String, Named>> {
        let lock = Lock::take(self)?;
        let mut names = self.names(manifest)?;
        change(&mut names);
        let file = NamesFile { edges_xxh3: index::edges_xxh3(manifest.files_of(Table::Edge)), names };
        self.replace(&lock, &LakePath::names(&manifest.id), &file)?;
        Ok(file.names)
    }
}
