//! `heaplake top`: the biggest objects and types by what they retain, and what holds them.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use heaplake_answers::{Top, TopBy};

use crate::{args::TopArgs, console::Console, human, interrupt, output::Format, query};

/// Prints the biggest.
pub fn run(args: &TopArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    interrupt::install()?;
    let (session, manifest) = query::of_dump(args.dump.selector(), &args.graph, console)?;
    let plan = query::with_short_types(&plan, &session, &["current"])?;
    let totals = session.totals()?;
    let mut sink = plan.open()?;
    let is_table = plan.format == Format::Table;
    let parts = match (args.by, is_table) {
        (Some(by), _) => vec![by.into()],
        (None, true) => vec![TopBy::Object, TopBy::Type],
        (None, false) => vec![TopBy::Object],
    };
    for (i, by) in parts.iter().enumerate() {
        if is_table {
            let gap = if i > 0 { "\n" } else { "" };
            let (what, whole) = match by {
                TopBy::Object => ("objects", human::counted(totals.objects.unsigned_abs(), "object")),
                TopBy::Module => ("modules", human::counted(totals.objects.unsigned_abs(), "object")),
                TopBy::Type => ("types", human::counted(totals.types.unsigned_abs(), "type")),
            };
            let bytes = human::signed_bytes(totals.bytes);
            writeln!(sink, "{gap}The biggest {what} of {}: {whole}, {bytes}", manifest.id)?;
        }
        let top = Top { by: *by, n: args.n };
        query::run(&session, &top.statement(), &plan, &mut sink)?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}
