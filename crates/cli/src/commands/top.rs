//! `heaplake top`: the biggest objects and types by what they retain, and what holds them.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use crate::{
    args::{TopArgs, TopBy},
    console::Console,
    human, interrupt,
    output::{Format, Plan},
    query::Querier,
};

/// Prints the biggest.
pub fn run(args: &TopArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, None, console)?;
    interrupt::install()?;
    let (querier, manifest) = Querier::of_dump(args.dump.as_deref(), &args.graph, console)?;
    let totals = querier.totals()?;
    let mut sink = plan.open()?;
    let is_table = plan.format == Format::Table;
    let parts = match (args.by, is_table) {
        (Some(by), _) => vec![by],
        (None, true) => vec![TopBy::Object, TopBy::Type],
        (None, false) => vec![TopBy::Object],
    };
    for (i, by) in parts.iter().enumerate() {
        if is_table {
            let gap = if i > 0 { "\n" } else { "" };
            let (what, whole) = match by {
                TopBy::Object => ("objects", human::counted(totals.objects.unsigned_abs(), "object")),
                TopBy::Type => ("types", human::counted(totals.types.unsigned_abs(), "type")),
            };
            let bytes = human::signed_bytes(totals.bytes);
            writeln!(sink, "{gap}The biggest {what} of {}: {whole}, {bytes}", manifest.id)?;
        }
        querier.run(&query(*by, args.n), &plan, &mut sink)?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Sizes and retained sizes are in bytes.
fn query(by: TopBy, n: u32) -> String {
    match by {
        TopBy::Object => format!(
            "SELECT t.address, t.type, o.name, t.size, t.retained, t.retained_count, \
                 t.idom AS held_by, t.idom_type AS held_by_type \
             FROM top_retained({n}) t LEFT JOIN obj o ON o.address = t.address \
             ORDER BY t.retained DESC, t.address"
        ),
        TopBy::Type => format!(
            "SELECT s.type, s.count, s.size, s.retained, d.dominator_type AS held_by_type \
             FROM type_stat s LEFT JOIN ( \
                 SELECT *, row_number() OVER (PARTITION BY type ORDER BY size DESC, dominator_type) AS place \
                 FROM type_dominators() \
             ) d ON d.type = s.type AND d.place = 1 \
             ORDER BY s.retained DESC NULLS LAST, s.type LIMIT {n}"
        ),
    }
}
