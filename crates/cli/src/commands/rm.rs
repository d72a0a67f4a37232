//! `heaplake rm`: removes dumps. All names are looked up before the first dump goes.

use std::process::ExitCode;

use anyhow::Result;
use heaplake_model::DumpId;
use heaplake_store::Lake;

use crate::{args::RmArgs, console::Console};

/// Removes the dumps.
pub fn run(args: &RmArgs, console: &Console) -> Result<ExitCode> {
    let lake = Lake::open(console.lake.path())?;
    let mut ids = args.dumps.iter().map(|name| find(&lake, name)).collect::<Result<Vec<_>>>()?;
    ids.sort();
    ids.dedup();
    for id in ids {
        lake.remove(&id)?;
        console.note(&format!("removed {id}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The dump of this name, be its manifest readable or not.
fn find(lake: &Lake, name: &str) -> Result<DumpId> {
    match lake.manifest(name) {
        Err(heaplake_store::Error::Damaged { .. }) => Ok(name.parse()?),
        manifest => Ok(manifest?.id),
    }
}
