//! `heaplake path --compare`: the answers of one pattern in several dumps, side by side.
//!
//! Of paths the ways are compared, by the types that they pass, what repeats folded; objects by their type; types by hop and
//! name. So the answers of dumps of different processes can be compared.

use std::io::Write as _;

use anyhow::Result;
use arrow::array::RecordBatch;
use heaplake_answers::{AnswerAmount, ComparedAnswer, PathShape, Session, compare_paths};

use crate::{
    human,
    output::{Columns, Format, Plan, Sink},
    query,
};

/// Asks every dump and prints what each has of which answer.
pub fn compare(
    pattern: &str,
    shape: PathShape,
    dumps: &[String],
    session: &Session,
    plan: &Plan,
    sink: &mut Sink,
) -> Result<()> {
    let mut answers = compare_paths(pattern, shape, dumps, session)?;
    if plan.format != Format::Table {
        plan.print_to(&rows(&answers, dumps)?, sink)?;
        return Ok(());
    }
    if answers.is_empty() {
        writeln!(sink, "no path in any of these dumps")?;
        return Ok(());
    }
    let n_answers = answers.len();
    answers.retain(|answer| !answer.is_same());
    let same = human::counted((n_answers - answers.len()) as u64, "answer");
    if answers.is_empty() {
        writeln!(sink, "{same}, the same in all of these dumps")?;
        return Ok(());
    }
    let what = match shape {
        PathShape::Paths => "objects by the way that leads to them",
        PathShape::Objects => "objects by type",
        PathShape::Types => "objects by hop and type",
    };
    writeln!(sink, "{what}; what is most more in {} than in {} comes first", last(dumps), first(dumps))?;
    let selectors: Vec<&str> = dumps.iter().map(String::as_str).collect();
    let plan = query::with_short_types(plan, session, &selectors)?;
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

/// A row per answer and dump.
fn rows(answers: &[ComparedAnswer], dumps: &[String]) -> Result<RecordBatch> {
    let all: Vec<(&str, &str, AnswerAmount)> = answers
        .iter()
        .flat_map(|answer| {
            let by_dump = dumps.iter().zip(&answer.by_dump);
            by_dump.map(move |(dump, amount)| (answer.name.as_str(), dump.as_str(), *amount))
        })
        .collect();
    Ok(Columns::default()
        .text("answer", all.iter().map(|(name, ..)| (*name).to_owned()))
        .text("dump", all.iter().map(|(_, dump, _)| (*dump).to_owned()))
        .number("found", all.iter().map(|(.., amount)| Some(amount.n)))
        .number("bytes", all.iter().map(|(.., amount)| amount.bytes))
        .number("repeats", all.iter().map(|(.., amount)| amount.repeats))
        .batch()?)
}

/// A column per dump.
fn table(answers: &[ComparedAnswer], dumps: &[String]) -> Result<RecordBatch> {
    let mut columns = Columns::default();
    for (position, dump) in dumps.iter().enumerate() {
        let cell = |amount: &AnswerAmount| match (amount.n, amount.repeats) {
            (n, Some(repeats)) if repeats > 1 => {
                format!("{} (to {repeats}x)", human::count(n.unsigned_abs()))
            }
            (n, _) => human::count(n.unsigned_abs()),
        };
        columns = columns.quantity(dump, answers.iter().map(|answer| cell(&answer.by_dump[position])));
    }
    let change = |answer: &ComparedAnswer| {
        let n = |amount: Option<&AnswerAmount>| amount.map_or(0, |amount| amount.n);
        match (n(answer.by_dump.first()), n(answer.by_dump.last())) {
            (0, 1..) => "new".to_owned(),
            (1.., 0) => "gone".to_owned(),
            (before, after) => human::delta(after - before),
        }
    };
    columns = columns.quantity("change", answers.iter().map(change));
    if answers.iter().any(|answer| answer.by_dump.iter().any(|amount| amount.bytes.is_some())) {
        let bytes =
            |answer: &ComparedAnswer| human::delta_bytes(answer.delta(|amount| amount.bytes.unwrap_or(0)));
        columns = columns.quantity("bytes", answers.iter().map(bytes));
    }
    Ok(columns.text("answer", answers.iter().map(|answer| answer.name.clone())).batch()?)
}
