//! `heaplake sweep`: deletes what removed and unfinished dumps left in an object store.

use std::process::ExitCode;

use anyhow::Result;
use heaplake_remote::{Location, RemoteLake};

use crate::{args::SweepArgs, console::Console, human};

/// Sweeps, and says what it found.
pub fn run(args: &SweepArgs, console: &Console) -> Result<ExitCode> {
    let remote = RemoteLake::open(&Location::parse(&args.location)?)?;
    let swept = remote.sweep(args.dry_run)?;
    console.warn_of_foreign(&remote);
    let verb = if args.dry_run { "would be deleted" } else { "deleted" };
    console.note(&format!("{} {verb}, {}", human::counted(swept.n_files, "file"), human::bytes(swept.bytes)));
    if swept.n_young > 0 {
        console.note(&format!(
            "{} of no dump stay until they, and what removed them, are a day old",
            human::counted(swept.n_young, "file")
        ));
    }
    for id in swept.unreadable {
        console.warn(&format!("{id}: its manifest cannot be read, so its files were not looked at"));
    }
    Ok(ExitCode::SUCCESS)
}
