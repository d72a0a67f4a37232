//! Dumps as they are named on the command line: ids and other selectors.

use anyhow::{Result, bail};
use heaplake_store::{Lake, Manifest};

use crate::console::Console;

/// The dumps that texts select, all together once, in the order in which they were taken; all dumps where there is no text.
pub fn several(lake: &Lake, texts: &[String]) -> Result<Vec<Manifest>> {
    let manifests = lake.manifests()?;
    if texts.is_empty() {
        return Ok(manifests);
    }
    let mut is_selected = vec![false; manifests.len()];
    for text in texts {
        heaplake_engine::select(&manifests, text)?.into_iter().for_each(|at| is_selected[at] = true);
    }
    Ok(manifests
        .into_iter()
        .zip(is_selected)
        .filter(|(_, selected)| *selected)
        .map(|(manifest, _)| manifest)
        .collect())
}

/// The dump that a text selects; the newest where there is no text.
pub fn one(lake: &Lake, text: Option<&str>, console: &Console) -> Result<Manifest> {
    let mut manifests = lake.manifests()?;
    let chosen = console.shell.as_ref().and_then(|shell| shell.dump.as_deref());
    let at = match text.or(chosen) {
        Some(text) => heaplake_engine::select_one(&manifests, text)?,
        None if manifests.is_empty() => {
            bail!("the lake has no dumps yet; import one: {} import FILE", console.command())
        }
        None => manifests.len() - 1,
    };
    Ok(manifests.swap_remove(at))
}
