//! One file per command.

mod capture;
mod chains;
mod charts;
mod check;
mod completions;
mod demo;
mod diff;
mod diff_objects;
mod dumps;
mod flamegraph;
mod graph;
mod import;
mod import_cluster;
mod import_store;
mod in_folder;
mod index;
pub mod info;
mod layers;
mod pages;
pub mod path;
mod path_compare;
mod path_tree;
mod prune;
mod pull;
mod push;
mod report;
mod rm;
mod run;
pub mod sql;
mod suspects;
mod sweep;
mod tag;
mod top;
mod tree;
mod trend;
mod verify;
mod whatif;
mod worker;

use std::process::ExitCode;

use anyhow::{Result, bail};
use heaplake_remote::Location;

use crate::{args::Invocation, console::Console};

pub use worker::serve;

/// Runs one command, but for `shell`. The exit code is that of an answer; an error has its own.
pub fn run(invocation: Invocation, console: &Console) -> Result<ExitCode> {
    match invocation {
        Invocation::Capture(args) => capture::run(args, console),
        Invocation::Import(args) => match (&console.parts, &console.workers, console.lake.in_store()) {
            (Some(parts), Some(workers), _) => import_cluster::run(&args, parts, workers, console),
            (_, _, Some(lake)) => import_store::run(args, lake, console),
            (_, _, None) => import::run(args, console),
        },
        Invocation::Dumps(args) => dumps::run(&args, console),
        Invocation::Info(args) => info::run(&args, console),
        Invocation::Index(args) => index::run(&args, console),
        Invocation::Sql(args) => sql::run(&args, console),
        Invocation::Path(args) => path::run(&args, console),
        Invocation::Top(args) => top::run(&args, console),
        Invocation::Tree(args) => tree::run(&args, console),
        Invocation::Graph(args) => graph::run(&args, console),
        Invocation::Flamegraph(args) => flamegraph::run(&args, console),
        Invocation::Treemap(args) => flamegraph::run_treemap(&args, console),
        Invocation::Chains(args) => chains::run(&args, console),
        Invocation::Report(args) => report::run(&args, console),
        Invocation::Diff(args) => diff::run(&args, console),
        Invocation::Suspects(args) => suspects::run(&args, console),
        Invocation::Trend(args) => trend::run(&args, console),
        Invocation::Whatif(args) => whatif::run(&args, console),
        Invocation::Layers(args) => layers::run(&args, console),
        Invocation::Run(args) => run::run(&args, console),
        Invocation::Tag(args) => tag::run(&args, console),
        Invocation::Check(args) => check::run(&args, console),
        Invocation::Prune(args) => prune::run(&args, console),
        Invocation::Rm(args) => rm::run(&args, console),
        Invocation::Verify(args) => verify::run(&args, console),
        Invocation::Push(args) => push::run(&args, console),
        Invocation::Pull(args) => pull::run(&args, console),
        Invocation::Sweep(args) => sweep::run(&args, console),
        Invocation::Worker(_) => bail!("a worker runs in no shell"),
        // Shells use commands, and not the reverse.
        Invocation::Shell(_) => bail!("a shell runs in no other"),
        Invocation::Demo => demo::run(console),
        Invocation::Completions(args) => completions::run(&args),
    }
}

/// Refuses a lake in an object store for commands that need a folder.
pub fn check_lake(invocation: &Invocation, console: &Console) -> Result<()> {
    use Invocation as I;
    let Some(lake) = console.lake.in_store() else { return Ok(()) };
    let changes_folder = match invocation {
        I::Push(_) | I::Pull(_) | I::Demo => true,
        // A shell has opened the dump that they would change.
        I::Index(_) => console.shell.is_some(),
        I::Whatif(args) => args.save.is_some() && console.shell.is_some(),
        I::Suspects(args) => args.accepted.is_none() && (args.accept.is_some() || args.ignore.is_some()),
        _ => false,
    };
    if changes_folder {
        let location = Location::parse(lake)?;
        bail!(
            "{location} is in an object store, and this needs a lake in a folder: pull copies dumps from there, push to there"
        );
    }
    Ok(())
}
