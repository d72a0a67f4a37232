//! `heaplake chains`: cycles of types that repeat along chains of objects, without being told the types.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result};
use arrow::{
    array::{AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use heaplake_answers::Chains;

use super::diff::broken;
use crate::{
    args::ChainsArgs,
    console::Console,
    escape, human, interrupt,
    output::{Format, Plan, Sink},
    query,
};

/// Prints the longest chain of every motif.
pub fn run(args: &ChainsArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    interrupt::install()?;
    let (session, manifest) = query::of_dump(args.dump.selector(), &args.graph, console)?;
    let mut sink = plan.open()?;
    let is_table = plan.format == Format::Table;
    let batches = session.collect(&Chains { min_repeats: args.min }.statement())?;
    let n_motifs: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    let of = args.graph.layer.as_deref().map(|layer| format!(" ({layer})")).unwrap_or_default();
    let objects = human::counted(session.totals()?.objects.unsigned_abs(), "object");
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
        let plan = query::with_short_types(&plan, &session, &["current"])?;
        print_table(&batches, &plan, &mut sink)?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Columns that the number of a path and the gap after it take.
const RANK_WIDTH: usize = 5;

/// Columns of the table and what they are called in it. The motif says the type of the head, and the order of the rows
/// their rank.
const SHOWN: [(&str, &str); 8] = [
    ("motif", "motif"),
    ("repeats", "repeats"),
    ("chains", "chains"),
    ("objects", "objects"),
    ("size", "size"),
    ("retained", "retained"),
    ("head", "head"),
    ("head_root_distance", "distance"),
];

/// The table without the paths, which are long, and then those.
fn print_table(batches: &[RecordBatch], plan: &Plan, sink: &mut Sink) -> Result<()> {
    let mut tables = Vec::new();
    let mut paths = Vec::new();
    for batch in batches {
        let schema = batch.schema_ref();
        let mut columns = Vec::new();
        for (name, shown) in SHOWN {
            let (idx, field) =
                schema.column_with_name(name).with_context(|| format!("chains without {name}"))?;
            columns.push((Field::new(shown, field.data_type().clone(), true), batch.column(idx).clone()));
        }
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        tables.push(RecordBatch::try_new(Schema::new(fields).into(), arrays)?);
        let path = batch.column_by_name("root_path").context("chains without root_path")?;
        let texts = cast(path, &DataType::Utf8)?;
        paths.extend(texts.as_string::<i32>().iter().map(|path| path.map(str::to_owned)));
    }
    plan.print_all_to(&tables, sink)?;
    writeln!(sink, "from a root to each head:")?;
    for (rank, path) in (1_u64..).zip(paths) {
        let path = path.unwrap_or_else(|| "no root reaches it".to_owned());
        let path = escape::line(&path);
        let width = plan.table_width().unwrap_or(usize::MAX).saturating_sub(RANK_WIDTH);
        for (i, line) in broken(&path, width).into_iter().enumerate() {
            let rank = if i == 0 { rank.to_string() } else { String::new() };
            writeln!(sink, "{rank:>3}  {line}")?;
        }
    }
    Ok(())
}
