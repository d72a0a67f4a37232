//! The command `heaplake`: reads the command line, runs one command, and turns its outcome into an exit code.
//!
//! A library of one function, so that `heaplake-cluster` is the same command with workers.
//!
//! The only crate that prints. Rows and answers go to standard output, everything else to standard error; nothing
//! that a dump contains reaches a terminal unescaped (see [`escape`]).

mod allocator;
mod args;
mod cluster;
mod commands;
mod console;
mod interrupt;
mod output;
mod progress;
mod query;
mod receiving;
mod remedy;
mod selection;
mod shell;
mod stores;
mod values;
mod workers;

use std::process::ExitCode;

use heaplake_answers::{escape, library, words as human};

use crate::args::Invocation;

pub use crate::cluster::{
    ClusterParts, ImportCommand, ImportReply, ImportRequest, Importer, Importers, NamedWorkers, OpenLake,
    Work,
};

/// Exit code of a question answered with no: `verify` found damage, `check` a violation.
const NO: u8 = 1;
/// Exit code of an error; clap uses it too.
const ERROR: u8 = 2;
/// Exit code after Ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the command line of the process. `cluster` has what is needed for workers; without it, what needs them is left to
/// `heaplake-cluster`.
pub fn run(cluster: Option<ClusterParts>) -> ExitCode {
    let (invocation, mut console) = args::parse();
    let outcome = workers::enter(cluster.as_ref(), &invocation, &mut console).and_then(|()| {
        commands::check_lake(&invocation, &console)?;
        match invocation {
            Invocation::Shell(args) => shell::start(&args, &console),
            Invocation::Worker(args) => commands::serve(&args, cluster.as_ref(), &console),
            invocation => commands::run(invocation, &console),
        }
    });
    console.note_requests();
    match outcome {
        Ok(code) => code,
        // The reader of our output, `head` for example, has seen enough.
        Err(_) if output::stdout_is_closed() => ExitCode::SUCCESS,
        Err(error) if interrupt::is_cause(&error) => {
            console.note(&interrupt::outcome(&error));
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            console.error(&error);
            ExitCode::from(ERROR)
        }
    }
}
