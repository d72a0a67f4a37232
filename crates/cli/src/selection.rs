//! Dumps as they are named on the command line: ids and other selectors.

use std::sync::Arc;

use anyhow::{Result, bail};
use heaplake_store::{Lake, Manifest, Manifests};

use crate::console::Console;

/// The dumps of the lake of a command, as they are now.
pub fn open(console: &Console) -> Result<Arc<Manifests>> {
    Ok(Lake::open(console.lake.path())?.snapshot())
}

/// The dumps that texts select, all together once, in the order in which they were taken; all dumps where there is no text.
pub fn several(manifests: &Manifests, texts: &[String]) -> Result<Vec<Arc<Manifest>>> {
    match texts {
        [] => Ok(manifests.all()?.to_vec()),
        texts => Ok(heaplake_engine::select_all(manifests, texts)?),
    }
}

/// The dump that a text selects; the newest where there is no text.
pub fn one(manifests: &Manifests, text: Option<&str>, console: &Console) -> Result<Arc<Manifest>> {
    let chosen = console.shell.as_ref().and_then(|shell| shell.dump.as_deref());
    if let Some(text) = text.or(chosen) {
        return Ok(heaplake_engine::select_one(manifests, text)?);
    }
    match manifests.all()?.last() {
        Some(newest) => Ok(newest.clone()),
        None => bail!("the lake has no dumps yet; import one: {} import FILE", console.command()),
    }
}
