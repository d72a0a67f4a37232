//! The charts of `heaplake trend` and `heaplake diff`.

use std::path::Path;

use anyhow::{Result, bail};
use heaplake_answers::{
    Diff, GroupBy, GroupDifference, Metric, Session, Trend,
    report::{ReportBar, ReportBars, ReportChart, ReportContent, ReportSource},
};
use heaplake_draw::{Bar, Chart, ChartKind, ChartSeries, Heading, TickUnit, WIDTH, bars, chart};

use super::pages::{self, ChartFormat};
use crate::{
    console::{Console, shell_quoted},
    escape, human,
};

/// Series of a chart, as many as have a colour of their own, and bars, where nobody asks for another number.
const SERIES: usize = 8;
const BARS: usize = 20;
/// Characters of a name.
const MAX_CHARS: usize = 300;

/// Draws the series of a trend.
pub fn trend(
    trend: &Trend,
    n: Option<u32>,
    is_stacked: bool,
    path: &Path,
    session: &Session,
    console: &Console,
) -> Result<()> {
    let format = chart_format(path)?;
    let metric = trend.measured();
    if is_stacked && metric == Metric::Retained {
        bail!(
            "retained sizes do not add up, so that areas of them cannot stand on each other; take --metric size or count"
        );
    }
    // What stays the same is a part of the whole, too.
    let asked = Trend { all: trend.all || is_stacked, limit: None, ..trend.clone() };
    // The other series together are one area more.
    let n_series = if is_stacked { SERIES - 1 } else { SERIES };
    let found = asked.chart(n.map_or(n_series, |n| n as usize), session)?;
    let words = if metric == Metric::Count { counted } else { human::signed_bytes };
    let mut series: Vec<ChartSeries> = found
        .series
        .iter()
        .map(|series| ChartSeries {
            label: shown(&series.name),
            title: format!("{}: {}", shown(&series.name), escape::line(&series.shape)),
            values: series.values.clone(),
        })
        .collect();
    let what = trend.by.name();
    let mut notes = Vec::new();
    if let Some(rest) = &found.rest {
        let more = format!("{} more", human::counted(rest.series as u64, what));
        match &rest.values {
            Some(values) if is_stacked => series.push(ChartSeries {
                label: more.clone(),
                title: more,
                values: values.iter().copied().map(Some).collect(),
            }),
            _ => notes.push(format!("Not drawn: {more}, see -n.")),
        }
    }
    let first = found.dumps.first().map(|dump| dump.taken);
    let seconds =
        |taken: chrono::DateTime<chrono::Utc>| first.map_or(0.0, |first| (taken - first).as_seconds_f64());
    let moments: Vec<(String, f64)> =
        found.dumps.iter().map(|dump| (shown(&dump.id), seconds(dump.taken))).collect();
    let unit = if metric == Metric::Count { TickUnit::Decimal } else { TickUnit::Binary };
    let kind = if is_stacked { ChartKind::Stacked } else { ChartKind::Lines };
    let time = |taken: chrono::DateTime<chrono::Utc>| taken.format("%Y-%m-%d %H:%M").to_string();
    let range = match (found.dumps.first(), found.dumps.last()) {
        (Some(first), Some(last)) => {
            let dumps = human::counted(found.dumps.len() as u64, "dump");
            format!("{dumps}, {} to {} UTC", time(first.taken), time(last.taken))
        }
        _ => "no dumps".to_owned(),
    };
    let heading = Heading {
        title: format!("{} by {what}, what grows most first", of_metric(metric)),
        subtitle: range,
        notes,
    };
    let drawn = match format {
        ChartFormat::Svg => {
            chart(&heading, &Chart { kind, moments: &moments, series: &series, unit, words }, WIDTH)
        }
        ChartFormat::Html => {
            let unit = if metric == Metric::Count { "number" } else { "bytes" };
            let stacked = if is_stacked { " --stacked" } else { "" };
            let command = format!(
                "trend {} --by {what} --metric {} -n {}{}{stacked} --chart trend.html",
                shell_quoted(&trend.dumps),
                metric.name(),
                found.series.len(),
                all(trend.all)
            );
            let dump = found.dumps.last().map(|dump| dump.id.clone()).unwrap_or_default();
            let content = ReportContent::Chart(ReportChart::of_trend(&found, unit, is_stacked));
            let title = format!("{} over time", of_metric(metric));
            pages::page(heading, &title, source(&command, asked.statement(), dump, console), content)?
        }
    };
    pages::write(&drawn, path, "the chart", console)
}

/// Draws what grew and what shrank.
pub fn diff(diff: &Diff, n: Option<u32>, path: &Path, session: &Session, console: &Console) -> Result<()> {
    let format = chart_format(path)?;
    let metric = diff.metric.unwrap_or(match diff.by {
        GroupBy::Holder => Metric::Retained,
        GroupBy::Type | GroupBy::Module => Metric::Size,
    });
    let groups = diff.groups(session)?;
    let mut drawn: Vec<ReportBar> = groups.iter().map(|group| bar_of(group, metric)).collect();
    drawn.retain(|bar| bar.change != 0);
    // What changed most, whichever way.
    drawn.sort_by_key(|bar| std::cmp::Reverse(bar.change.unsigned_abs()));
    let n_found = drawn.len();
    drawn.truncate(n.map_or(BARS, |n| n as usize));
    drawn.sort_by_key(|bar| std::cmp::Reverse(bar.change));
    let what = diff.by.name();
    let more = n_found - drawn.len();
    let heading = Heading {
        title: format!("What changed from {} to {}", shown(&diff.before), shown(&diff.after)),
        subtitle: format!("{} by {what}; those that changed most", of_metric(metric)),
        notes: match more {
            0 => Vec::new(),
            more => vec![format!("Not drawn: {} more, see -n.", human::counted(more as u64, what))],
        },
    };
    let picture = match format {
        ChartFormat::Svg => {
            bars(&heading, &drawn.iter().map(|bar| svg_bar(bar, metric)).collect::<Vec<_>>(), WIDTH)
        }
        ChartFormat::Html => {
            let command = format!(
                "diff {} {} --by {what} --metric {} -n {}{} --chart diff.html",
                shell_quoted(&diff.before),
                shell_quoted(&diff.after),
                metric.name(),
                drawn.len(),
                all(diff.all)
            );
            let unit = if metric == Metric::Count { "number" } else { "bytes" };
            let content = ReportContent::Bars(ReportBars { unit, bars: drawn });
            let title = format!("Change by {what}");
            pages::page(
                heading,
                &title,
                source(&command, diff.statement(), diff.after.clone(), console),
                content,
            )?
        }
    };
    pages::write(&picture, path, "the chart", console)
}

/// How much of a metric a group has more than before.
fn bar_of(group: &GroupDifference, metric: Metric) -> ReportBar {
    let (after, change) = match metric {
        Metric::Count => (group.count_after, group.count_delta),
        Metric::Size => (group.size_after, group.size_delta),
        Metric::Retained => (group.retained_after, group.retained_delta),
    };
    let change = change.unwrap_or(0);
    // What is new was not there before.
    let before = Some(after.unwrap_or(0).saturating_sub(change)).filter(|_| group.status != "new");
    let (name, status) = (heaplake_model::shortened(&group.name, MAX_CHARS), group.status.clone());
    ReportBar { name: name.into_owned(), before, after, change, status }
}

fn svg_bar(bar: &ReportBar, metric: Metric) -> Bar {
    let words = if metric == Metric::Count { human::growth } else { human::growth_bytes }(bar.change);
    let title = format!("{}\n{words}, {}", shown(&bar.name), escape::line(&bar.status));
    Bar { label: shown(&bar.name), title, value: bar.change, words }
}

fn all(is_all: bool) -> &'static str {
    if is_all { " --all" } else { "" }
}

fn source(command: &str, sql: String, dump: String, console: &Console) -> ReportSource {
    ReportSource { command: format!("{} {command}", console.command()), sql, dump }
}

fn chart_format(path: &Path) -> Result<ChartFormat> {
    if path == Path::new("-") {
        bail!("the chart goes to a file; standard output has the rows");
    }
    ChartFormat::of(path)
}

fn of_metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Count => "Number of objects",
        Metric::Size => "Shallow size",
        Metric::Retained => "Retained size",
    }
}

fn counted(n: i64) -> String {
    human::count(n.unsigned_abs())
}

fn shown(name: &str) -> String {
    escape::line(&heaplake_model::shortened(name, MAX_CHARS)).into_owned()
}
