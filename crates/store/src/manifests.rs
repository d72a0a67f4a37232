//! The manifests of a lake as one command or session sees them.
//!
//! A lake may have thousands of dumps, and most questions are about one or two of them. So a manifest is read when it
//! is first needed, all of them only for a question about all, and each at most once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use heaplake_model::DumpId;

use crate::{Lake, Manifest, Result};

/// A snapshot of the manifests of a lake: a manifest that was read stays as it was, whatever happens to the lake.
#[derive(Debug)]
pub struct Manifests {
    lake: Lake,
    by_id: Mutex<BTreeMap<DumpId, Arc<Manifest>>>,
    all: OnceLock<Vec<Arc<Manifest>>>,
}

impl Manifests {
    /// The manifests of a lake; reads none yet.
    pub fn new(lake: Lake) -> Self {
        Self { lake, by_id: Mutex::default(), all: OnceLock::new() }
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DumpId, Arc<Manifest>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifest of the dump with exactly this id, if there is one. Reads no other.
    pub fn find(&self, id: &str) -> Result<Option<Arc<Manifest>>> {
        let Ok(id) = id.parse::<DumpId>() else { return Ok(None) };
        let mut by_id = self.lock();
        if let Some(found) = by_id.get(&id) {
            return Ok(Some(found.clone()));
        }
        if self.all.get().is_some() {
            return Ok(None);
        }
        let found = self.lake.find_manifest(&id)?.map(Arc::new);
        if let Some(found) = &found {
            by_id.insert(id, found.clone());
        }
        Ok(found)
    }

    /// The manifests of all dumps, oldest first: by time taken, time imported, id.
    pub fn all(&self) -> Result<&[Arc<Manifest>]> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        // Without the lock: otherwise threads that read could wait for a thread that waits for them.
        let known = self.lock().clone();
        let mut all = self.lake.read_manifests(&known)?;
        let mut by_id = self.lock();
        for manifest in &mut all {
            *manifest = by_id.entry(manifest.id.clone()).or_insert_with(|| manifest.clone()).clone();
        }
        all.sort_by(|a, b| a.by_age(b));
        Ok(self.all.get_or_init(|| all))
    }
}
