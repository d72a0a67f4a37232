//! `heaplake index`: the graph index of dumps that are in the lake already.

use std::{process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use heaplake_remote::{Location, RemoteLake};
use heaplake_store::{BuildLimits, IndexOptions, Lake, index_dump};

use crate::{
    args::IndexArgs,
    commands::{import::watched, in_folder, pull},
    console::Console,
    human, interrupt,
    progress::Bars,
    selection,
};

/// Builds the indexes, one after the other; stops at the first that cannot be built.
pub fn run(args: &IndexArgs, console: &Console) -> Result<ExitCode> {
    let Some(address) = console.lake.in_store().filter(|_| console.shell.is_none()) else {
        return run_in_folder(&args.dumps, args.memory_limit, console);
    };
    let remote = RemoteLake::open(&Location::parse(address)?)?;
    for dump in pull::select(&remote, &args.dumps, console)? {
        let id = [dump.manifest.id.to_string()];
        in_folder::change(&remote, &dump, console, |here| run_in_folder(&id, args.memory_limit, here))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_in_folder(dumps: &[String], memory_limit: Option<u64>, console: &Console) -> Result<ExitCode> {
    interrupt::install()?;
    let lake = Lake::open_to_write(console.lake.path())?;
    let limits = BuildLimits { memory: memory_limit, threads: None };
    for manifest in selection::several(&lake.snapshot(), dumps)? {
        let id = manifest.id.clone();
        let start = Instant::now();
        let built = watched(id.as_str(), false, &Bars::new(console), |progress| {
            index_dump(&lake, &id, &IndexOptions::default(), &limits, progress)
        })?;
        let manifest = built.with_context(|| format!("cannot index {id}"))?;
        let n_roots: u64 = manifest.roots.values().sum();
        console.note(&format!(
            "{id}: {}, {}, {}; indexed in {}",
            human::counted(manifest.counts.objects, "object"),
            human::counted(manifest.counts.edges, "edge"),
            human::counted(n_roots, "root"),
            human::duration(start.elapsed()),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
