//! `heaplake diff --by object`: what became of the objects, by type, and the objects that grew most.

use std::io::Write as _;

use anyhow::Result;
use arrow::array::RecordBatch;
use heaplake_answers::{GrownObject, Metric, ObjectDiff, Session, TypeDifference};

use super::diff::{N_SHOWN, write_heading};
use crate::{
    args::DiffArgs,
    console::Console,
    human,
    output::{Columns, Format, Plan, Sink},
    query,
};

/// Prints the differences.
pub fn print(
    args: &DiffArgs,
    session: &Session,
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    let diff = ObjectDiff {
        before: args.before.clone(),
        after: args.after.clone(),
        identity: args.identity.into(),
        metric: args.metric.map(Metric::from),
        all: args.all,
        limit: args.n.map(u64::from),
    };
    if plan.format != Format::Table {
        query::run(session, &diff.statement(), plan, sink)?;
        return Ok(());
    }
    let plan = &query::with_short_types(plan, session, &[&args.before, &args.after])?;
    write_heading(args, &diff.totals(session)?, sink)?;
    let n = args.n.map_or(N_SHOWN, |n| n as usize);
    let types = diff.by_type(session)?;
    let n_changed = types.iter().filter(|of_type| of_type.is_changed).count();
    let n_types = if args.all { types.len() } else { n_changed };
    if n_types == 0 {
        writeln!(sink, "\nNo object is new or gone, and none has grown or shrunk.")?;
    } else {
        writeln!(sink, "\nWhat became of the objects, by type; what grew most comes first")?;
        plan.print_to(&types_table(&types[..n.min(n_types)])?, sink)?;
    }
    let sum = |part: fn(&TypeDifference) -> i64| types.iter().map(part).sum::<i64>().unsigned_abs();
    let n_grown = sum(|of_type| of_type.grown);
    if n_grown > 0 {
        let grown = diff.grown(n as u64, session)?;
        writeln!(sink, "\nThe objects that grew most, of {} that grew", human::count(n_grown))?;
        plan.print_to(&objects_table(&grown)?, sink)?;
    }
    let more = n_types.saturating_sub(n);
    let summary = format!(
        "({} of {} changed: {} new, {} gone, {} survived{}; {})",
        human::count(n_changed as u64),
        human::counted(types.len() as u64, "type"),
        human::counted(sum(|of_type| of_type.new), "object"),
        human::count(sum(|of_type| of_type.gone)),
        human::count(sum(|of_type| of_type.survived)),
        if more > 0 { format!("; {more} more types with -n {n_types}") } else { String::new() },
        recognised(&types)
    );
    console.remark(&summary, plan, sink)?;
    console.note_on_type_names(session, &[&args.before, &args.after])
}

/// By what objects were recognised, and how sure that is.
fn recognised(types: &[TypeDifference]) -> String {
    let shares = ["high", "medium", "low"].into_iter().enumerate();
    let shares: Vec<(&str, i64)> =
        shares.map(|(i, name)| (name, types.iter().map(|of_type| of_type.confidence[i]).sum())).collect();
    let all: i64 = shares.iter().map(|(_, n)| n).sum();
    let Some(first) = types.first().filter(|_| all > 0) else {
        return "no object is in both".to_owned();
    };
    let percent = |n: i64| match n as f64 * 100.0 / all as f64 {
        percent if percent < 0.1 => "less than 0.1".to_owned(),
        percent => format!("{percent:.1}"),
    };
    let shares = shares.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} % {name}", percent(*n)));
    format!("recognised by {}, confidence {}", first.identity, shares.collect::<Vec<_>>().join(", "))
}

fn types_table(types: &[TypeDifference]) -> Result<RecordBatch> {
    let number = |part: fn(&TypeDifference) -> i64, worded: fn(i64) -> String| {
        types.iter().map(move |of_type| worded(part(of_type)))
    };
    let count = |n: i64| human::count(n.unsigned_abs());
    Ok(Columns::default()
        .text("type", types.iter().map(|of_type| of_type.type_name.clone()))
        .quantity("new", number(|of_type| of_type.new, count))
        .quantity("size", number(|of_type| of_type.new_size, human::signed_bytes))
        .quantity("gone", number(|of_type| of_type.gone, count))
        .quantity("size", number(|of_type| of_type.gone_size, human::signed_bytes))
        .quantity("survived", number(|of_type| of_type.survived, count))
        .quantity("grew", number(|of_type| of_type.grown, count))
        .quantity("by", number(|of_type| of_type.survived_delta, human::delta_bytes))
        .quantity("in all", number(|of_type| of_type.delta, human::delta_bytes))
        .batch()?)
}

fn objects_table(objects: &[GrownObject]) -> Result<RecordBatch> {
    type Part = fn(&GrownObject) -> Option<i64>;
    let number = |part: Part, worded: fn(i64) -> String| {
        objects.iter().map(move |object| part(object).map(worded).unwrap_or_default())
    };
    Ok(Columns::default()
        .address("address", objects.iter().map(|object| Some(object.address)))
        .text("type", objects.iter().map(|object| object.type_name.clone()))
        .text("name", objects.iter().map(|object| object.name.clone()))
        .quantity("size", number(|object| object.size, human::signed_bytes))
        .quantity("grew by", number(|object| object.size_delta, human::delta_bytes))
        .quantity("items", number(|object| object.len_delta, human::delta))
        .quantity("retained", number(|object| object.retained, human::signed_bytes))
        .quantity("grew by", number(|object| object.retained_delta, human::delta_bytes))
        .text("confidence", objects.iter().map(|object| object.confidence.clone()))
        .batch()?)
}
