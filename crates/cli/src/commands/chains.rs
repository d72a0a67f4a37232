//! `heaplake chains`: cycles of types that repeat along chains of objects, without being told the types.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use crate::{
    args::ChainsArgs,
    console::Console,
    human, interrupt,
    output::{Format, Plan},
    query::Querier,
};

/// Prints the longest chain of every motif.
pub fn run(args: &ChainsArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, None)?;
    interrupt::install()?;
    let (querier, manifest) = Querier::of_dump(args.dump.as_deref(), &args.graph, console)?;
    let mut sink = plan.open()?;
    let is_table = plan.format == Format::Table;
    let batches = querier.collect(&query(args.min, is_table))?;
    let n_motifs: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    let of = args.graph.layer.as_deref().map(|layer| format!(" ({layer})")).unwrap_or_default();
    let objects = human::counted(querier.totals()?.objects.unsigned_abs(), "object");
    let summary = match n_motifs {
        0 => format!(
            "{}{of}: along no chain do types repeat {} times; searched {objects}, up to 6 types in turn; a smaller \
             --min finds shorter chains, sccs() finds circles",
            manifest.id, args.min
        ),
        n => format!(
            "{}{of}: {} at least {} times along a chain, in {objects}",
            manifest.id,
            if n == 1 {
                "1 motif repeats".to_owned()
            } else {
                format!("{} motifs repeat", human::count(n as u64))
            },
            args.min
        ),
    };
    match (is_table, n_motifs) {
        (true, _) => writeln!(sink, "{summary}")?,
        (false, 0) => console.note(&summary),
        (false, _) => {}
    }
    if !is_table || n_motifs > 0 {
        plan.print_all_to(&batches, &mut sink)?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// In a table the motif says the type of the head, and the order of the rows their rank.
fn query(min: u32, is_table: bool) -> String {
    let columns = if is_table {
        "motif, repeats, chains, objects, size, retained, head, head_root_distance AS distance"
    } else {
        "*"
    };
    format!("SELECT {columns} FROM chains({min}) ORDER BY rank")
}
