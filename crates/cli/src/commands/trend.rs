//! `heaplake trend`: how types or holders grow over many dumps.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;

use heaplake_answers::{GroupBy, Metric, Session, Trend, TrendSeries};

use super::{charts, diff};
use crate::{
    args::TrendArgs,
    console::Console,
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink},
    query, selection,
};

/// Rows shown to a person.
const N_SHOWN: usize = 20;
/// From this confidence on nothing more is said of it.
const SURE: f64 = 0.95;

/// Prints the series, what grows most first.
pub fn run(args: &TrendArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, args.output.as_deref())?;
    interrupt::install()?;
    // What is wrong with the selection is said in the words of the command, not in those of the function in SQL.
    let manifests = selection::open(console)?;
    let dumps = selection::several(&manifests, std::slice::from_ref(&args.dumps))?;
    if let [only] = dumps.as_slice() {
        console.note(&format!("{} is the only dump here; it takes two or more to show what grows", only.id));
    }
    let session = query::of_lake(&manifests, None, console)?;
    let mut sink = plan.open()?;
    print(args, &session, &plan, &mut sink, console)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the series to an open sink.
pub fn print(
    args: &TrendArgs,
    session: &Session,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let is_table = plan.format == Format::Table;
    let trend = Trend {
        dumps: args.dumps.clone(),
        by: args.by.into(),
        metric: args.metric.map(Metric::from),
        all: args.all,
        own_growth: is_table,
        limit: args.n.filter(|_| !is_table).map(u64::from),
    };
    if let Some(path) = &args.chart {
        charts::trend(&trend, args.n, args.stacked, path, session, console)?;
    }
    if is_table {
        let plan = &query::with_short_types(plan, session, &[&trend.dumps])?;
        if let Some(growth) = trend.process(session)?.filter(|growth| growth.not_of_objects().is_some()) {
            diff::write_process(&growth, sink)?;
            writeln!(sink)?;
        }
        show(&trend, args.n, &trend.series(session)?, plan, console, sink)?;
        console.note_on_type_names(session, &[&trend.dumps])?;
        if trend.by == GroupBy::Holder {
            console.note_on_holder_names(session, &[&trend.dumps])?;
        }
    } else {
        query::run(session, &trend.statement(), plan, sink)?;
    }
    Ok(())
}

fn show(
    trend: &Trend,
    n: Option<u32>,
    series: &[TrendSeries],
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    let (what, metric) = (trend.by.name(), trend.measured());
    if series.is_empty() {
        writeln!(sink, "The {} of every {what} is the same in all of these dumps.", metric.name())?;
        return Ok(());
    }
    let unit = if metric == Metric::Count { "objects" } else { "bytes" };
    writeln!(sink, "{} by {what} ({unit}), oldest dump first; what grows most comes first", metric.name())?;
    let shown = &series[..series.len().min(n.map_or(N_SHOWN, |n| n as usize))];
    match trend.by {
        GroupBy::Holder => show_holders(metric, shown, plan, sink)?,
        GroupBy::Type | GroupBy::Module => {
            plan.print_to(&table(trend.by, metric, shown, plan.has_sparks())?, sink)?;
        }
    }
    let is_growing = |series: &&TrendSeries| series.shape == "growing";
    let growing = series.iter().filter(is_growing).count();
    let confidence = series.iter().filter(is_growing).filter_map(|series| series.confidence);
    let sure = match confidence.fold(0.0, f64::max) {
        confidence if growing > 0 && confidence < SURE => {
            format!("; {:.0} % sure at most, more dumps make it surer", confidence * 100.0)
        }
        _ => String::new(),
    };
    let more = series.len() - shown.len();
    let summary = format!(
        "({} changed, {growing} of them growing{sure}{})",
        human::counted(series.len() as u64, what),
        if more > 0 { format!("; {more} more with -n {}", series.len()) } else { String::new() }
    );
    console.remark(&summary, plan, sink)
}

fn worded(metric: Metric, n: Option<i64>) -> String {
    match (n, metric) {
        (None, _) => String::new(),
        (Some(n), Metric::Count) => human::count(n.unsigned_abs()),
        (Some(n), _) => human::signed_bytes(n),
    }
}

/// A slope as people read it.
fn pace(metric: Metric, per_hour: Option<f64>, per_dump: Option<f64>) -> String {
    let (slope, unit) = match (per_hour, per_dump) {
        (Some(slope), _) => (slope, "h"),
        (None, Some(slope)) => (slope, "dump"),
        (None, None) => return String::new(),
    };
    match metric {
        Metric::Count if slope.abs() < 10.0 => format!("{slope:+.2}/{unit}"),
        Metric::Count => format!("{}/{unit}", human::delta(slope.round() as i64)),
        _ => format!("{}/{unit}", human::delta_bytes(slope as i64)),
    }
}

fn table(
    by: GroupBy,
    metric: Metric,
    series: &[TrendSeries],
    has_sparks: bool,
) -> Result<arrow::array::RecordBatch> {
    let each = || series.iter();
    let mut columns = Columns::default()
        .text(by.name(), each().map(|series| series.name.clone()))
        .text("shape", each().map(|series| series.shape.clone()));
    if has_sparks {
        columns = columns.quantity("", each().map(|series| series.spark.clone()));
    }
    Ok(columns
        .quantity("first", each().map(|series| worded(metric, series.first)))
        .quantity("last", each().map(|series| worded(metric, series.last)))
        .quantity("pace", each().map(|series| pace(metric, series.per_hour, series.per_dump)))
        .text("began", each().map(|series| series.began.clone()))
        .batch()?)
}

/// Holders are long: a block for each.
fn show_holders(metric: Metric, series: &[TrendSeries], plan: &Plan, sink: &mut Sink) -> Result<()> {
    for (i, holder) in series.iter().enumerate() {
        let since = match holder.began.as_str() {
            "" => String::new(),
            began => format!(", began in {began}"),
        };
        writeln!(
            sink,
            "{:>3}  {}{}, {} to {}, {}{}",
            i + 1,
            if plan.has_sparks() { format!("{}  ", holder.spark) } else { String::new() },
            holder.shape,
            worded(metric, holder.first),
            worded(metric, holder.last),
            pace(metric, holder.per_hour, holder.per_dump),
            escape::line(&since)
        )?;
        diff::write_holder(&holder.name, plan, sink)?;
    }
    Ok(())
}
