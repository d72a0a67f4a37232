//! `heaplake rm`: removes dumps. All names are looked up before the first dump goes.

use std::process::ExitCode;

use anyhow::Result;
use heaplake_model::DumpId;
use heaplake_store::{Error, Lake};

use crate::{args::RmArgs, console::Console, selection};

/// Removes the dumps.
pub fn run(args: &RmArgs, console: &Console) -> Result<ExitCode> {
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
