//! `heaplake --lake s3://... import`: imports into a folder of its own, which is copied to the store and deleted.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use heaplake_answers::Lake;
use heaplake_remote::{Error, Location, RemoteLake};

use crate::{
    args::ImportArgs,
    commands::{import, push},
    console::{Console, LakeChoice},
    selection,
};

/// Imports the files, and copies what was imported.
pub fn run(args: ImportArgs, lake: &str, console: &Console) -> Result<ExitCode> {
    let location = Location::parse(lake)?;
    let replace = args.replace;
    // Before the work is done.
    check_target(&location, args.dump.as_deref(), replace)?;
    let folder = tempfile::Builder::new().prefix("heaplake-").tempdir();
    let folder = folder.context("cannot make a folder to import into")?;
    let here = Console { lake: LakeChoice::Flag(folder.path().to_owned()), ..console.clone() };
    let code = import::run(args, &here)?;
    // A file that cannot be read makes no lake.
    if let Ok(imported) = Lake::open(folder.path()) {
        let manifests = selection::several(&imported.snapshot(), &[])?;
        push::copy(&imported, &manifests, &location, replace, console)?;
    }
    Ok(code)
}

/// May we ask the store, and is the name free?
pub fn check_target(location: &Location, dump: Option<&str>, replace: bool) -> Result<()> {
    match (RemoteLake::open(location), dump) {
        (Ok(remote), Some(id)) if !replace => Ok(remote.check_absent(&id.parse()?)?),
        (Ok(_) | Err(Error::NotALake(_)), _) => Ok(()),
        (Err(error), _) => Err(error.into()),
    }
}
