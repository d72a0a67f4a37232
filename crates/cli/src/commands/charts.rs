//! The charts of `heaplake trend` and `heaplake diff`.

use std::{io::Write as _, path::Path};

use anyhow::{Result, bail};
use heaplake_answers::{Diff, GroupBy, Metric, Session, Trend};
use heaplake_draw::{Bar, Chart, ChartKind, ChartSeries, Heading, TickUnit, WIDTH, bars, chart};

use crate::{console::Console, escape, human, output::Sink};

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
    let drawn = Chart { kind, moments: &moments, series: &series, unit, words };
    write(&chart(&heading, &drawn, WIDTH), path, console)
}

/// Draws what grew and what shrank.
pub fn diff(diff: &Diff, n: Option<u32>, path: &Path, session: &Session, console: &Console) -> Result<()> {
    let metric = diff.metric.unwrap_or(match diff.by {
        GroupBy::Holder => Metric::Retained,
        GroupBy::Type | GroupBy::Module => Metric::Size,
    });
    let groups = diff.groups(session)?;
    let words = if metric == Metric::Count { human::growth } else { human::growth_bytes };
    let mut drawn: Vec<Bar> = groups
        .iter()
        .map(|group| {
            let value = match metric {
                Metric::Count => group.count_delta,
                Metric::Size => group.size_delta,
                Metric::Retained => group.retained_delta,
            };
            let value = value.unwrap_or(0);
            let title = format!("{}\n{}, {}", shown(&group.name), words(value), escape::line(&group.status));
            Bar { label: shown(&group.name), title, value, words: words(value) }
        })
        .filter(|bar| bar.value != 0)
        .collect();
    // What changed most, whichever way.
    drawn.sort_by_key(|bar| std::cmp::Reverse(bar.value.unsigned_abs()));
    let n_found = drawn.len();
    drawn.truncate(n.map_or(BARS, |n| n as usize));
    drawn.sort_by_key(|bar| std::cmp::Reverse(bar.value));
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
    write(&bars(&heading, &drawn, WIDTH), path, console)
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

fn write(picture: &str, path: &Path, console: &Console) -> Result<()> {
    if path == Path::new("-") {
        bail!("the chart goes to a file; standard output has the rows");
    }
    let mut sink = Sink::file(path)?;
    sink.write_all(picture.as_bytes())?;
    sink.commit()?;
    console.note(&format!("{}: the chart", path.display()));
    Ok(())
}
