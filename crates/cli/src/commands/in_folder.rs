//! Changes of a dump in an object store that need a folder: the dump is copied into one of its own, changed there, and what is new
//! is copied back, if the dump in the store is still the same.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use heaplake_answers::Lake;
use heaplake_model::DumpId;
use heaplake_remote::{RemoteDump, RemoteLake};
use heaplake_store::{Access, ImportProgress};

use crate::{
    commands::import::watched,
    console::{Console, LakeChoice},
    interrupt,
    progress::Bars,
};

/// Changes a dump; `change` is a command on the lake of its console, which has only this dump.
pub fn change(
    remote: &RemoteLake,
    dump: &RemoteDump,
    console: &Console,
    change: impl FnOnce(&Console) -> Result<ExitCode>,
) -> Result<ExitCode> {
    interrupt::install()?;
    let folder = tempfile::Builder::new().prefix("heaplake-").tempdir();
    let folder = folder.context("cannot make a folder to copy the dump into")?;
    let id = &dump.manifest.id;
    let lake = Lake::open_or_create(folder.path(), Access::Private)?;
    copied(id, console, |progress| remote.pull(dump, &lake, false, progress).map(drop))?;
    let code = change(&on_folder(console, folder.path()))?;
    let changed = Lake::open(folder.path())?.outgoing(id)?;
    copied(id, console, |progress| remote.push_change(&changed, dump, progress).map(drop))?;
    Ok(code)
}

fn copied(
    id: &DumpId,
    console: &Console,
    work: impl FnOnce(&ImportProgress) -> heaplake_remote::Result<()> + Send,
) -> Result<()> {
    watched(id.as_str(), false, &Bars::new(console), work)?.with_context(|| format!("cannot copy {id}"))
}

fn on_folder(console: &Console, folder: &Path) -> Console {
    // Workers do not have the folder.
    Console { lake: LakeChoice::Flag(folder.to_owned()), workers: None, cluster: None, ..console.clone() }
}
