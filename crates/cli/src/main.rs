//! The command `heaplake`: reads the command line, runs one command, and turns its outcome into an exit code.
//!
//! The only crate that prints. Rows and answers go to standard output, everything else to standard error; nothing
//! that a dump contains reaches a terminal unescaped (see [`escape`]).

mod args;
mod commands;
mod console;
mod interrupt;
mod output;
mod progress;
mod query;
mod remedy;
mod selection;
mod shell;
mod stores;
mod values;

use std::process::ExitCode;

use heaplake_answers::{escape, library, words as human};

use crate::args::Invocation;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of a question answered with no: `verify` found damage, `check` a violation.
const NO: u8 = 1;
/// Exit code of an error; clap uses it too.
const ERROR: u8 = 2;
/// Exit code after Ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let (invocation, console) = args::parse();
    let outcome = commands::check_lake(&invocation, &console).and_then(|()| match invocation {
        Invocation::Shell(args) => shell::start(&args, &console),
        invocation => commands::run(invocation, &console),
    });
    console.note_requests();
    match outcome {
        Ok(code) => code,
        // Whoever reads our output, `head` for example, has seen enough.
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
