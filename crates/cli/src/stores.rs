//! Lakes in object stores that the process has opened: a shell asks one again and again.

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use heaplake_remote::{CopyOptions, LakeCopy, Location, ReceiveProgress};

use crate::{interrupt, values};

/// How much the copies of what was opened take.
const VARIABLE: &str = "HEAPLAKE_CACHE_SIZE";
const USUAL_BYTES: u64 = 20_000_000_000;

/// The lakes by their addresses.
#[derive(Debug, Clone, Default)]
pub struct OpenStores {
    open: Arc<Mutex<BTreeMap<String, Arc<LakeCopy>>>>,
    progress: Arc<ReceiveProgress>,
}

impl OpenStores {
    /// How much of what was asked for is here.
    pub fn progress(&self) -> &Arc<ReceiveProgress> {
        &self.progress
    }

    /// The lake at an address as it is now.
    pub fn open(&self, address: &str) -> Result<Arc<LakeCopy>> {
        let found = self.all().get(address).cloned();
        if let Some(copy) = found {
            copy.refresh()?;
            return Ok(copy);
        }
        self.insert(address, false)
    }

    /// The same without what earlier processes have received.
    pub fn open_afresh(&self, address: &str) -> Result<Arc<LakeCopy>> {
        self.insert(address, true)
    }

    fn insert(&self, address: &str, afresh: bool) -> Result<Arc<LakeCopy>> {
        let options = CopyOptions {
            max_bytes: max_bytes()?,
            afresh,
            cancel: interrupt::flag(),
            progress: Arc::clone(&self.progress),
        };
        let copy = Arc::new(LakeCopy::open(&Location::parse(address)?, options)?);
        self.all().insert(address.to_owned(), Arc::clone(&copy));
        Ok(copy)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<LakeCopy>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn max_bytes() -> Result<u64> {
    match env::var(VARIABLE).ok().filter(|size| !size.is_empty()) {
        Some(size) => values::size(&size).map_err(anyhow::Error::msg).context(VARIABLE),
        None => Ok(USUAL_BYTES),
    }
}
