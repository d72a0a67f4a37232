//! Dumps as they are named on the command line: ids and other selectors.

use std::sync::Arc;

use anyhow::{Result, bail};
use heaplake_answers::{Error, select_dump, select_dumps};
use heaplake_store::{Manifest, Manifests};

use crate::console::Console;

/// The dumps of the lake of a command, as they are now.
pub fn open(console: &Console) -> Result<Arc<Manifests>> {
    Ok(console.open_lake()?.snapshot())
}

/// The dumps that texts select, all together once, in the order in which they were taken; all dumps where there is no text.
pub fn several(manifests: &Manifests, texts: &[String]) -> Result<Vec<Arc<Manifest>>> {
    Ok(select_dumps(manifests, texts)?)
}

/// The same among `manifests`, which are in that order.
pub fn among(manifests: &[Arc<Manifest>], texts: &[String]) -> Result<Vec<Arc<Manifest>>> {
    Ok(heaplake_engine::select_among(manifests, texts)?)
}

/// The dump that a text selects; the newest where there is no text.
pub fn one(manifests: &Manifests, text: Option<&str>, console: &Console) -> Result<Arc<Manifest>> {
    let chosen = console.shell.as_ref().and_then(|shell| shell.dump.as_deref());
    match select_dump(manifests, text.or(chosen)) {
        Err(Error::Engine(heaplake_engine::Error::NoDumps)) if text.or(chosen).is_none() => {
            bail!("the lake has no dumps yet; import one: {} import FILE", console.command())
        }
        selected => Ok(selected?),
    }
}
