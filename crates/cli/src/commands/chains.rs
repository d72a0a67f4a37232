//! `heaplake chains`: cycles of types that repeat along chains of objects, without being told the types.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use arrow::{
    array::{AsArray as _, RecordBatch},
    compute::cast,
    datatypes::DataType,
};

use crate::{
    args::ChainsArgs,
    console::Console,
    escape, human, interrupt,
    output::{Format, Plan, Sink},
    query::Querier,
};

/// Prints the longest chain of every motif.
pub fn run(args: &ChainsArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, None, console)?;
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
    if !is_table {
        plan.print_all_to(&batches, &mut sink)?;
    } else if n_motifs > 0 {
        print_table(&batches, &plan, &mut sink)?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// The table without the paths, which are long, and then those.
fn print_table(batches: &[RecordBatch], plan: &Plan, sink: &mut Sink) -> Result<()> {
    let mut tables = Vec::new();
    let mut paths = Vec::new();
    for batch in batches {
        let last = batch.num_columns() - 1;
        tables.push(batch.project(&(0..last).collect::<Vec<_>>())?);
        let texts = cast(batch.column(last), &DataType::Utf8)?;
        paths.extend(texts.as_string::<i32>().iter().map(|path| path.map(str::to_owned)));
    }
    plan.print_all_to(&tables, sink)?;
    writeln!(sink, "from a root to each head:")?;
    for (rank, path) in (1..).zip(paths) {
        let path = path.unwrap_or_else(|| "no root reaches it".to_owned());
        writeln!(sink, "{rank:>3}  {}", escape::line(&path))?;
    }
    Ok(())
}

/// In a table the motif says the type of the head, and the order of the rows their rank.
fn query(min: u32, is_table: bool) -> String {
    let columns = if is_table {
        "motif, repeats, chains, objects, size, retained, head, head_root_distance AS distance, root_path"
    } else {
        "*"
    };
    format!("SELECT {columns} FROM chains({min}) ORDER BY rank")
}
