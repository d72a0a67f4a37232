//! `heaplake diff --by object`: what became of the objects, by type, and the objects that grew most.

use std::io::Write as _;

use anyhow::Result;
use arrow::array::RecordBatch;

use super::diff::{N_SHOWN, heading};
use crate::{
    args::{DiffArgs, IdentityArg, MetricArg},
    console::Console,
    human,
    output::{Columns, Format, Plan, Sink},
    query::Querier,
    rows::{Rows, quoted},
};

/// Prints the differences.
pub fn print(
    args: &DiffArgs,
    querier: &Querier,
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    if plan.format != Format::Table {
        querier.run(&flat(args), plan, sink)?;
        return Ok(());
    }
    heading(args, querier, sink)?;
    let n = args.n.map_or(N_SHOWN, |n| n as usize);
    let types = Rows::new(&querier.collect(&by_type(args))?)?;
    let n_changed = types.numbers("changed")?.into_iter().flatten().sum::<i64>().unsigned_abs() as usize;
    let n_types = if args.all { types.len() } else { n_changed };
    if n_types == 0 {
        writeln!(sink, "\nNo object is new or gone, and none has grown or shrunk.")?;
    } else {
        writeln!(sink, "\nWhat became of the objects, by type; what grew most comes first")?;
        plan.print_to(&types_table(&types.first(n.min(n_types)))?, sink)?;
    }
    let sum = |name: &str| -> Result<u64> {
        Ok(types.numbers(name)?.into_iter().flatten().sum::<i64>().unsigned_abs())
    };
    let n_grown = sum("grown")?;
    if n_grown > 0 {
        let grown = Rows::new(&querier.collect(&grown(args, n))?)?;
        writeln!(sink, "\nThe objects that grew most, of {} that grew", human::count(n_grown))?;
        plan.print_to(&objects_table(&grown)?, sink)?;
    }
    sink.flush()?;
    let more = n_types.saturating_sub(n);
    console.note(&format!(
        "({} of {} changed: {} new, {} gone, {} survived{}; {})",
        human::count(n_changed as u64),
        human::counted(types.len() as u64, "type"),
        human::counted(sum("new")?, "object"),
        human::count(sum("gone")?),
        human::count(sum("survived")?),
        if more > 0 { format!("; {more} more types with -n {n_types}") } else { String::new() },
        recognised(&types)?
    ));
    Ok(())
}

fn call(args: &DiffArgs) -> String {
    let identity = match args.identity {
        IdentityArg::Auto => "auto",
        IdentityArg::Address => "address",
        IdentityArg::Path => "path",
    };
    format!("diff_objects({}, {}, '{identity}')", quoted(&args.before), quoted(&args.after))
}

/// All rows, for a program.
fn flat(args: &DiffArgs) -> String {
    let changed = if args.all { "" } else { " WHERE status <> 'same'" };
    let limit = args.n.map(|n| format!(" LIMIT {n}")).unwrap_or_default();
    let order = match args.metric {
        None => String::new(),
        Some(metric) => format!("{} DESC NULLS LAST, ", growth(metric)),
    };
    format!(
        "SELECT * FROM {}{changed} ORDER BY {order}type, coalesce(address_before, address_after), status{limit}",
        call(args)
    )
}

/// By how much an object grew.
fn growth(metric: MetricArg) -> &'static str {
    match metric {
        MetricArg::Count => "coalesce(len_after, refs_after, 0) - coalesce(len_before, refs_before, 0)",
        MetricArg::Size => "size_delta",
        MetricArg::Retained => "coalesce(retained_after, 0) - coalesce(retained_before, 0)",
    }
}

fn by_type(args: &DiffArgs) -> String {
    let order = match args.metric {
        Some(MetricArg::Count) => "new - gone",
        _ => "delta",
    };
    format!(
        "SELECT *, CASE WHEN new + gone + grown = 0 AND delta = 0 THEN 0 ELSE 1 END AS changed FROM ( \
             SELECT type, \
                 count(*) FILTER (WHERE status = 'new') AS new, \
                 count(*) FILTER (WHERE status = 'gone') AS gone, \
                 count(*) FILTER (WHERE status NOT IN ('new', 'gone')) AS survived, \
                 count(*) FILTER (WHERE status = 'grown') AS grown, \
                 coalesce(sum(size_after) FILTER (WHERE status = 'new'), 0) AS new_size, \
                 coalesce(sum(size_before) FILTER (WHERE status = 'gone'), 0) AS gone_size, \
                 coalesce(sum(size_delta) FILTER (WHERE status NOT IN ('new', 'gone')), 0) AS survived_delta, \
                 coalesce(sum(size_delta), 0) AS delta, \
                 min(identity) AS identity, \
                 count(*) FILTER (WHERE status NOT IN ('new', 'gone') AND confidence = 'high') AS high, \
                 count(*) FILTER (WHERE status NOT IN ('new', 'gone') AND confidence = 'medium') AS medium, \
                 count(*) FILTER (WHERE status NOT IN ('new', 'gone') AND confidence = 'low') AS low \
             FROM {} GROUP BY type \
         ) ORDER BY changed DESC, {order} DESC, type",
        call(args)
    )
}

fn grown(args: &DiffArgs, n: usize) -> String {
    let growth = growth(args.metric.unwrap_or(MetricArg::Size));
    format!(
        "SELECT address_after, type, name, size_after, size_delta, len_before, len_after, \
             retained_after, retained_after - retained_before AS retained_delta, confidence \
         FROM {} WHERE status = 'grown' \
         ORDER BY {growth} DESC NULLS LAST, type, address_after LIMIT {n}",
        call(args)
    )
}

/// By what objects were recognised, and how sure that is.
fn recognised(types: &Rows) -> Result<String> {
    let mut shares = Vec::new();
    for name in ["high", "medium", "low"] {
        let n: i64 = types.numbers(name)?.into_iter().flatten().sum();
        shares.push((name, n));
    }
    let all: i64 = shares.iter().map(|(_, n)| n).sum();
    let identities = types.texts("identity")?;
    let Some(identity) = identities.first().filter(|_| all > 0) else {
        return Ok("no object is in both".to_owned());
    };
    let percent = |n: i64| match n as f64 * 100.0 / all as f64 {
        percent if percent < 0.1 => "less than 0.1".to_owned(),
        percent => format!("{percent:.1}"),
    };
    let shares = shares.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} % {name}", percent(*n)));
    Ok(format!("recognised by {identity}, confidence {}", shares.collect::<Vec<_>>().join(", ")))
}

fn types_table(rows: &Rows) -> Result<RecordBatch> {
    let number = |name: &str, worded: fn(i64) -> String| -> Result<Vec<String>> {
        Ok(rows.numbers(name)?.into_iter().map(|n| n.map(worded).unwrap_or_default()).collect())
    };
    let count = |n: i64| human::count(n.unsigned_abs());
    Columns::default()
        .text("type", rows.texts("type")?)
        .quantity("new", number("new", count)?)
        .quantity("size", number("new_size", human::signed_bytes)?)
        .quantity("gone", number("gone", count)?)
        .quantity("size", number("gone_size", human::signed_bytes)?)
        .quantity("survived", number("survived", count)?)
        .quantity("grew", number("grown", count)?)
        .quantity("by", number("survived_delta", human::delta_bytes)?)
        .quantity("in all", number("delta", human::delta_bytes)?)
        .batch()
}

fn objects_table(rows: &Rows) -> Result<RecordBatch> {
    let number = |name: &str, worded: fn(i64) -> String| -> Result<Vec<String>> {
        Ok(rows.numbers(name)?.into_iter().map(|n| n.map(worded).unwrap_or_default()).collect())
    };
    let lens = rows.numbers("len_before")?.into_iter().zip(rows.numbers("len_after")?);
    let items =
        lens.map(|(before, after)| before.zip(after).map(|(before, after)| human::delta(after - before)));
    Columns::default()
        .number("address", rows.numbers("address_after")?)
        .text("type", rows.texts("type")?)
        .text("name", rows.texts("name")?)
        .quantity("size", number("size_after", human::signed_bytes)?)
        .quantity("grew by", number("size_delta", human::delta_bytes)?)
        .quantity("items", items.map(Option::unwrap_or_default))
        .quantity("retained", number("retained_after", human::signed_bytes)?)
        .quantity("grew by", number("retained_delta", human::delta_bytes)?)
        .text("confidence", rows.texts("confidence")?)
        .batch()
}
