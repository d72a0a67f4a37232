//! `heaplake push`: copies dumps to a lake in an object store.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};
use heaplake_answers::Lake;
use heaplake_remote::{Location, Pushed, RemoteLake};
use heaplake_store::Manifest;

use crate::{
    args::PushArgs,
    commands::import::watched,
    console::Console,
    human,
    interrupt::{self, Interrupted},
    progress::Bars,
    selection,
};

/// Copies the dumps, the oldest first. An error ends it; what was copied before stays.
pub fn run(args: &PushArgs, console: &Console) -> Result<ExitCode> {
    let location = Location::parse(&args.to)?;
    let lake = Lake::open(console.lake.path())?;
    let manifests = selection::several(&lake.snapshot(), &args.dumps)?;
    if manifests.is_empty() {
        bail!("the lake has no dumps to copy");
    }
    copy(&lake, &manifests, &location, args.replace, console)?;
    Ok(ExitCode::SUCCESS)
}

/// Copies dumps of a folder to a lake in a store, which is made if there is none.
pub fn copy(
    lake: &Lake,
    manifests: &[Arc<Manifest>],
    location: &Location,
    replace: bool,
    console: &Console,
) -> Result<()> {
    interrupt::install()?;
    let remote = RemoteLake::open_or_create(location)?;
    for manifest in manifests {
        let id = &manifest.id;
        let dump = lake.outgoing(id)?;
        let pushed = watched(id.as_str(), false, &Bars::new(console), |progress| {
            remote.push(&dump, replace, progress)
        });
        let pushed = match pushed {
            Err(error) if error.is::<Interrupted>() => {
                return Err(Interrupted { outcome: STOPPED }.into());
            }
            pushed => pushed?.with_context(|| format!("cannot copy {id}"))?,
        };
        console.note(&format!("{id}: {}", in_words(&pushed)));
        if pushed.n_other > 0 {
            console.note(&format!(
                "{id}: {} of index, layers or names stay there, and differ from those here; --replace overwrites them",
                human::counted(pushed.n_other, "file")
            ));
        }
    }
    Ok(())
}

const STOPPED: &str = "every dump is there whole or not at all, and the next push sends what is missing";

fn in_words(pushed: &Pushed) -> String {
    let sent = format!("{}, {}", human::counted(pushed.n_sent, "file"), human::bytes(pushed.sent_bytes));
    match (pushed.was_there, pushed.n_sent, pushed.n_kept) {
        (true, 0, _) => "there already".to_owned(),
        (true, ..) => format!("there already; copied {sent} that it lacked"),
        (false, _, 0) => format!("copied, {sent}"),
        (false, _, n_kept) => {
            format!("copied, {sent}; {} were there of an earlier push", human::counted(n_kept, "file"))
        }
    }
}
