//! `heaplake trend`: how types or holders grow over many dumps.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use super::diff;
use crate::{
    args::{GroupBy, MetricArg, TrendArgs},
    console::Console,
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink},
    query::Querier,
    rows::{Rows, quoted},
    selection,
};

/// Rows shown to a person.
const N_SHOWN: usize = 20;

/// Prints the series, what grows most first.
pub fn run(args: &TrendArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, args.output.as_deref(), console)?;
    interrupt::install()?;
    // What is wrong with the selection is said in the words of the command, not in those of the function in SQL.
    let manifests = selection::open(console)?;
    let dumps = selection::several(&manifests, std::slice::from_ref(&args.dumps))?;
    if let [only] = dumps.as_slice() {
        console.note(&format!("{} is the only dump here; it takes two or more to show what grows", only.id));
    }
    let querier = Querier::of_lake(&manifests, None, console)?;
    let mut sink = plan.open()?;
    print(args, &querier, &plan, &mut sink, console)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the series to an open sink.
pub fn print(
    args: &TrendArgs,
    querier: &Querier,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let metric = args.metric.unwrap_or(match args.by {
        GroupBy::Holder => MetricArg::Retained,
        GroupBy::Type | GroupBy::Module => MetricArg::Size,
    });
    let statement = statement(args, metric, plan.format == Format::Table);
    if plan.format == Format::Table {
        let rows = Rows::new(&querier.collect(&statement)?)?;
        show(args, metric, &rows, plan, console, sink)?;
    } else {
        querier.run(&statement, plan, sink)?;
    }
    Ok(())
}

/// What is the same all the time is left out unless it is asked for.
fn statement(args: &TrendArgs, metric: MetricArg, is_table: bool) -> String {
    let changing = match (args.all, args.by) {
        (true, _) => "",
        // To a person only where it grows: what is inside or around says the same again.
        (false, GroupBy::Holder) if is_table => " WHERE shape <> 'flat' AND role IN ('grows', 'shrinks')",
        (false, _) => " WHERE shape <> 'flat'",
    };
    let limit = match args.n {
        Some(n) if !is_table => format!(" LIMIT {n}"),
        _ => String::new(),
    };
    format!(
        "SELECT * FROM trend({}, '{}', '{}'){changing} ORDER BY rank{limit}",
        quoted(&args.dumps),
        args.by.name(),
        metric.name()
    )
}

fn show(
    args: &TrendArgs,
    metric: MetricArg,
    rows: &Rows,
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    let what = args.by.name();
    if rows.len() == 0 {
        writeln!(sink, "The {} of every {what} is the same in all of these dumps.", metric.name())?;
        return Ok(());
    }
    let unit = if metric == MetricArg::Count { "objects" } else { "bytes" };
    writeln!(sink, "{} by {what} ({unit}), oldest dump first; what grows most comes first", metric.name())?;
    let shown = rows.first(args.n.map_or(N_SHOWN, |n| n as usize));
    match args.by {
        GroupBy::Holder => show_holders(metric, &shown, plan, sink)?,
        GroupBy::Type | GroupBy::Module => {
            plan.print_to(&table(args.by, metric, &shown)?, sink)?;
        }
    }
    sink.flush()?;
    let shapes = rows.texts("shape")?;
    let growing = shapes.iter().filter(|shape| *shape == "growing").count();
    let more = rows.len().saturating_sub(shown.len());
    console.note(&format!(
        "({} changed, {growing} of them growing{})",
        human::counted(rows.len() as u64, what),
        if more > 0 { format!("; {more} more with -n {}", rows.len()) } else { String::new() }
    ));
    Ok(())
}

fn worded(metric: MetricArg, n: Option<i64>) -> String {
    match (n, metric) {
        (None, _) => String::new(),
        (Some(n), MetricArg::Count) => human::count(n.unsigned_abs()),
        (Some(n), _) => human::signed_bytes(n),
    }
}

/// A slope as people read it.
fn pace(metric: MetricArg, per_hour: Option<f64>, per_dump: Option<f64>) -> String {
    let (slope, unit) = match (per_hour, per_dump) {
        (Some(slope), _) => (slope, "h"),
        (None, Some(slope)) => (slope, "dump"),
        (None, None) => return String::new(),
    };
    match metric {
        MetricArg::Count if slope.abs() < 10.0 => format!("{slope:+.2}/{unit}"),
        MetricArg::Count => format!("{}/{unit}", human::delta(slope.round() as i64)),
        _ => format!("{}/{unit}", human::delta_bytes(slope as i64)),
    }
}

fn table(by: GroupBy, metric: MetricArg, rows: &Rows) -> Result<arrow::array::RecordBatch> {
    let number = |name: &str| -> Result<Vec<String>> {
        Ok(rows.numbers(name)?.into_iter().map(|n| worded(metric, n)).collect())
    };
    let slopes = rows.floats("per_hour")?.into_iter().zip(rows.floats("per_dump")?);
    Columns::default()
        .text(by.name(), rows.texts(by.name())?)
        .text("shape", rows.texts("shape")?)
        .quantity("", rows.texts("spark")?)
        .quantity("first", number("first")?)
        .quantity("last", number("last")?)
        .quantity("pace", slopes.map(|(per_hour, per_dump)| pace(metric, per_hour, per_dump)))
        .text("began", rows.texts("began")?)
        .batch()
}

/// Holders are long: a block for each.
fn show_holders(metric: MetricArg, rows: &Rows, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let text = |name: &str| rows.texts(name);
    let (holders, shapes, sparks, began) = (text("holder")?, text("shape")?, text("spark")?, text("began")?);
    let (first, last) = (rows.numbers("first")?, rows.numbers("last")?);
    let (per_hour, per_dump) = (rows.floats("per_hour")?, rows.floats("per_dump")?);
    for i in 0..rows.len() {
        let since = if began[i].is_empty() { String::new() } else { format!(", began in {}", began[i]) };
        writeln!(
            sink,
            "{:>3}  {}  {}, {} to {}, {}{}",
            i + 1,
            sparks[i],
            shapes[i],
            worded(metric, first[i]),
            worded(metric, last[i]),
            pace(metric, per_hour[i], per_dump[i]),
            escape::line(&since)
        )?;
        diff::write_holder(&holders[i], plan, sink)?;
    }
    Ok(())
}
