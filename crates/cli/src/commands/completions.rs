//! `heaplake completions`: a completion script for a shell.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use crate::{
    args::{self, CompletionsArgs},
    output::Sink,
};

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<ExitCode> {
    // Made in memory: the generator panics when it cannot write, as into a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "heaplake", &mut script);
    let mut sink = Sink::stdout();
    sink.write_all(&script)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}
