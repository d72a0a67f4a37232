//! `heaplake rm`: removes dumps. All names are looked up before the first dump goes.

use std::process::ExitCode;

use anyhow::Result;
use heaplake_model::DumpId;
use heaplake_remote::{Location, RemoteLake};
use heaplake_store::{Error, Lake};

use crate::{args::RmArgs, commands::pull, console::Console, selection};

/// Removes the dumps.
pub fn run(args: &RmArgs, console: &Console) -> Result<ExitCode> {
    if let Some(lake) = console.lake.in_store() {
        return remove_in_store(args, &RemoteLake::open(&Location::parse(lake)?)?, console);
    }
    let lake = Lake::open(console.lake.path())?;
    let mut ids = Vec::new();
    for name in &args.dumps {
        ids.extend(find(&lake, name)?);
    }
    ids.sort();
    ids.dedup();
    for id in ids {
        if args.dry_run {
            console.note(&format!("would remove {id}"));
        } else {
            lake.remove(&id)?;
            console.note(&format!("removed {id}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn remove_in_store(args: &RmArgs, remote: &RemoteLake, console: &Console) -> Result<ExitCode> {
    for dump in pull::select(remote, &args.dumps, console)? {
        let id = &dump.manifest.id;
        if args.dry_run {
            console.note(&format!("would remove {id}"));
        } else {
            remote.remove(&dump)?;
            console.note(&format!("removed {id}"));
        }
    }
    if !args.dry_run {
        console.note(&format!("`heaplake sweep {}` deletes the files after a day", remote.location()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The dump of this name, be its manifest readable or not; else those that it selects.
fn find(lake: &Lake, name: &str) -> Result<Vec<DumpId>> {
    match lake.manifest(name) {
        Ok(manifest) => Ok(vec![manifest.id]),
        Err(Error::Damaged { .. }) => Ok(vec![name.parse()?]),
        Err(Error::NoSuchDump { .. }) => {
            let selected = selection::several(&lake.snapshot(), &[name.to_owned()])?;
            Ok(selected.iter().map(|manifest| manifest.id.clone()).collect())
        }
        Err(error) => Err(error.into()),
    }
}
