//! `heaplake pull`: copies dumps from a lake in an object store.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use heaplake_answers::Lake;
use heaplake_remote::{Location, RemoteDump, RemoteLake};
use heaplake_store::Access;

use crate::{
    args::PullArgs,
    commands::import::watched,
    console::Console,
    human,
    interrupt::{self, Interrupted},
    progress::Bars,
    selection,
};

/// Copies the dumps, the oldest first. An error ends it; what was copied before stays.
pub fn run(args: &PullArgs, console: &Console) -> Result<ExitCode> {
    let remote = RemoteLake::open(&Location::parse(&args.from)?)?;
    let dumps = select(&remote, &args.dumps, console)?;
    if dumps.is_empty() {
        console.note(&format!("{} has no dumps", remote.location()));
        return Ok(ExitCode::SUCCESS);
    }
    let access = if args.shared { Access::Shared } else { Access::Private };
    let lake = Lake::open_or_create(console.lake.path(), access)?;
    interrupt::install()?;
    for dump in dumps {
        let id = &dump.manifest.id;
        let pulled = watched(id.as_str(), false, &Bars::new(console), |progress| {
            remote.pull(&dump, &lake, args.replace, progress)
        });
        let pulled = match pulled {
            Err(error) if error.is::<Interrupted>() => return Err(error),
            pulled => pulled?.with_context(|| format!("cannot copy {id}"))?,
        };
        let what = match pulled.was_there {
            true => "here already".to_owned(),
            false => {
                format!("copied, {}, {}", human::counted(pulled.n_files, "file"), human::bytes(pulled.bytes))
            }
        };
        console.note(&format!("{id}: {what}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The dumps of a lake in a store that texts select, all together once, in the order in which they were taken; all dumps where
/// there is no text.
pub fn select(remote: &RemoteLake, texts: &[String], console: &Console) -> Result<Vec<RemoteDump>> {
    let mut dumps = remote.dumps()?;
    console.warn_of_foreign(remote);
    if !texts.is_empty() {
        let manifests: Vec<_> = dumps.iter().map(|dump| Arc::clone(&dump.manifest)).collect();
        let selected = selection::among(&manifests, texts)?;
        dumps.retain(|dump| selected.iter().any(|manifest| manifest.id == dump.manifest.id));
    }
    Ok(dumps)
}
