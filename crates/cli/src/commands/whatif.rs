//! `heaplake whatif`: exactly what would go if some objects or references were gone.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result};
use arrow::{
    array::{Array as _, RecordBatch},
    datatypes::Int64Type,
};

use crate::{
    args::WhatifArgs,
    console::Console,
    human, interrupt,
    output::{Format, Plan},
    query::Querier,
};

/// Prints what would go, by type, and what would be left.
pub fn run(args: &WhatifArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, None)?;
    interrupt::install()?;
    let (querier, manifest) = Querier::of_dump(args.dump.as_deref(), args.memory_limit, console)?;
    let batches = querier.collect(&query(&args.cuts))?;
    let (objects, bytes) = (sum(&batches, "objects")?, sum(&batches, "size")?);
    let mut sink = plan.open()?;
    let (all, whole) = (i64::try_from(manifest.counts.objects).unwrap_or(i64::MAX), manifest.counts.bytes);
    let summary = format!(
        "{}: {} of {} would go, {} of {}; {} would be left",
        manifest.id,
        human::count(objects.unsigned_abs()),
        human::counted(all.unsigned_abs(), "object"),
        human::signed_bytes(bytes),
        human::signed_bytes(whole),
        human::signed_bytes(whole.saturating_sub(bytes)),
    );
    match plan.format {
        Format::Table => writeln!(sink, "{summary}")?,
        _ => console.note(&summary),
    }
    if plan.format != Format::Table || objects > 0 {
        plan.print_all_to(&batches, &mut sink)?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// By type: what would go and what would be left of it.
fn query(cuts: &[String]) -> String {
    let sets: Vec<String> = cuts.iter().map(|cut| format!("'{}'", cut.replace('\'', "''"))).collect();
    format!(
        "SELECT s.type, w.objects, w.size, s.count - w.objects AS objects_left, s.size - w.size AS size_left \
         FROM (SELECT type, count(*) AS objects, sum(size) AS size FROM whatif_cut({}) GROUP BY type) w \
         JOIN type_stat s ON s.type = w.type ORDER BY w.size DESC, s.type",
        sets.join(", ")
    )
}

fn sum(batches: &[RecordBatch], name: &str) -> Result<i64> {
    let mut total = 0_i64;
    for batch in batches {
        let column =
            batch.column_by_name(name).context("the query lost a column; this is a bug of heaplake")?;
        let numbers = column.as_any().downcast_ref::<arrow::array::PrimitiveArray<Int64Type>>();
        let numbers = numbers.context("a sum is no number; this is a bug of heaplake")?;
        total = numbers.iter().flatten().fold(total, i64::saturating_add);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_stays_within_its_quotes() {
        let query = query(&["type = 'a'".to_owned(), "'); drop".to_owned()]);
        assert!(query.contains("whatif_cut('type = ''a''', '''); drop')"), "{query}");
    }
}
