//! `heaplake path --compare`: the answers of one pattern in several dumps, side by side.
//!
//! Paths are told apart by their types, what repeats folded; objects by their type; types by hop and name. So the answers of
//! dumps of different processes can be compared.

use std::{collections::BTreeMap, io::Write as _};

use anyhow::Result;
use arrow::array::RecordBatch;
use heaplake_engine::PathShape;

use crate::{
    human,
    output::{Columns, Format, Plan, Sink},
    query::Querier,
    rows::{Rows, quoted},
};

/// How much of an answer a dump has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    n: i64,
    /// Of objects; paths have objects in common.
    bytes: Option<i64>,
    repeats: Option<i64>,
}

/// Asks every dump and prints what each has of which answer.
pub fn compare(
    pattern: &str,
    shape: PathShape,
    dumps: &[String],
    querier: &Querier,
    plan: &Plan,
    sink: &mut Sink,
) -> Result<()> {
    let mut answers: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for (at, dump) in dumps.iter().enumerate() {
        let rows = Rows::new(&querier.collect(&statement(pattern, shape, dump))?)?;
        let (names, n, bytes) = (rows.texts("answer")?, rows.numbers("n")?, rows.numbers("bytes")?);
        let repeats = rows.numbers("repeats")?;
        for (i, name) in names.into_iter().enumerate() {
            let found = Found { n: n[i].unwrap_or(0), bytes: bytes[i], repeats: repeats[i] };
            answers.entry(name).or_insert_with(|| vec![Found::default(); dumps.len()])[at] = found;
        }
    }
    // What is most more in the last dump than in the first comes first.
    let mut answers: Vec<(String, Vec<Found>)> = answers.into_iter().collect();
    answers.sort_by_key(|(_, found)| {
        std::cmp::Reverse((delta(found, |found| found.n), delta(found, |found| found.bytes.unwrap_or(0))))
    });
    if plan.format != Format::Table {
        plan.print_to(&rows(&answers, dumps)?, sink)?;
        return Ok(());
    }
    if answers.is_empty() {
        writeln!(sink, "no path in any of these dumps")?;
        return Ok(());
    }
    let n_answers = answers.len();
    answers.retain(|(_, found)| found.windows(2).any(|pair| pair[0] != pair[1]));
    let same = human::counted((n_answers - answers.len()) as u64, "answer");
    if answers.is_empty() {
        writeln!(sink, "{same}, the same in all of these dumps")?;
        return Ok(());
    }
    let what = match shape {
        PathShape::Paths => "paths by their types",
        PathShape::Objects => "objects by type",
        PathShape::Types => "objects by hop and type",
    };
    writeln!(sink, "{what}; what is most more in {} than in {} comes first", last(dumps), first(dumps))?;
    plan.print_to(&table(&answers, dumps)?, sink)?;
    if answers.len() < n_answers {
        writeln!(sink, "and {same}, the same in all of them")?;
    }
    Ok(())
}

fn first(dumps: &[String]) -> &str {
    dumps.first().map_or("", String::as_str)
}

fn last(dumps: &[String]) -> &str {
    dumps.last().map_or("", String::as_str)
}

fn delta(found: &[Found], part: fn(&Found) -> i64) -> i64 {
    let at = |found: Option<&Found>| found.map_or(0, part);
    at(found.last()).saturating_sub(at(found.first()))
}

fn statement(pattern: &str, shape: PathShape, dump: &str) -> String {
    let arguments = format!("{}, {}", quoted(pattern), quoted(dump));
    match shape {
        PathShape::Paths => format!(
            "SELECT signature AS answer, count(*) AS n, NULL AS bytes, max(repeats) AS repeats \
             FROM path_summary({arguments}) GROUP BY signature"
        ),
        PathShape::Objects => format!(
            "SELECT type AS answer, count(*) AS n, sum(size) AS bytes, NULL AS repeats \
             FROM path_nodes({arguments}) GROUP BY type"
        ),
        PathShape::Types => format!(
            "SELECT concat('hop ', hop, ': ', type) AS answer, sum(objects) AS n, sum(size) AS bytes, NULL AS repeats \
             FROM path({arguments}) GROUP BY 1"
        ),
    }
}

/// A row per answer and dump.
fn rows(answers: &[(String, Vec<Found>)], dumps: &[String]) -> Result<RecordBatch> {
    let all: Vec<(&str, &str, Found)> = answers
        .iter()
        .flat_map(|(name, found)| {
            dumps.iter().zip(found).map(move |(dump, found)| (name.as_str(), dump.as_str(), *found))
        })
        .collect();
    Columns::default()
        .text("answer", all.iter().map(|(name, ..)| (*name).to_owned()))
        .text("dump", all.iter().map(|(_, dump, _)| (*dump).to_owned()))
        .number("found", all.iter().map(|(.., found)| Some(found.n)))
        .number("bytes", all.iter().map(|(.., found)| found.bytes))
        .number("repeats", all.iter().map(|(.., found)| found.repeats))
        .batch()
}

/// A column per dump.
fn table(answers: &[(String, Vec<Found>)], dumps: &[String]) -> Result<RecordBatch> {
    let mut columns = Columns::default();
    for (at, dump) in dumps.iter().enumerate() {
        let cell = |found: &Found| match (found.n, found.repeats) {
            (n, Some(repeats)) if repeats > 1 => {
                format!("{} (to {repeats}x)", human::count(n.unsigned_abs()))
            }
            (n, _) => human::count(n.unsigned_abs()),
        };
        columns = columns.quantity(dump, answers.iter().map(|(_, found)| cell(&found[at])));
    }
    let change = |found: &[Found]| {
        let at = |found: Option<&Found>| found.map_or(0, |found| found.n);
        match (at(found.first()), at(found.last())) {
            (0, 1..) => "new".to_owned(),
            (1.., 0) => "gone".to_owned(),
            (before, after) => human::delta(after - before),
        }
    };
    columns = columns.quantity("change", answers.iter().map(|(_, found)| change(found)));
    if answers.iter().any(|(_, found)| found.iter().any(|found| found.bytes.is_some())) {
        let bytes = |found: &[Found]| human::delta_bytes(delta(found, |found| found.bytes.unwrap_or(0)));
        columns = columns.quantity("bytes", answers.iter().map(|(_, found)| bytes(found)));
    }
    columns.text("answer", answers.iter().map(|(name, _)| name.clone())).batch()
}
