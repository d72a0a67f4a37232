//! Series over the dumps, for a report.

use heaplake_model::shortened;
use serde::Serialize;

use super::{MAX_CHARS, table::ReportTable};
use crate::{TrendChart, words};

/// Series over the dumps.
#[derive(Debug, Clone, Serialize)]
pub struct ReportChart {
    /// What is measured: `bytes` or `number`.
    pub unit: &'static str,
    /// Whether the series add up, so that they are drawn on top of each other.
    pub stacked: bool,
    /// The dumps, oldest first.
    pub dumps: Vec<String>,
    /// When they were taken, in seconds since 1970.
    pub times: Vec<i64>,
    /// The series.
    pub lines: Vec<ChartLine>,
}

/// A series.
#[derive(Debug, Clone, Serialize)]
pub struct ChartLine {
    /// What it is of.
    pub name: String,
    /// A value for every dump; `None` where it was not measured.
    pub values: Vec<Option<i64>>,
}

impl ReportChart {
    /// The series of a trend; the others together are one more where they add up and `stacked` asks for it.
    pub fn of_trend(found: &TrendChart, unit: &'static str, stacked: bool) -> Self {
        let line = |series: &crate::TrendSeries| ChartLine {
            name: shortened(&series.name, MAX_CHARS).into_owned(),
            values: series.values.clone(),
        };
        let rest = found.rest.as_ref().filter(|_| stacked);
        let rest = rest.and_then(|rest| {
            let values = rest.values.as_ref()?.iter().copied().map(Some).collect();
            Some(ChartLine { name: format!("{} more", words::count(rest.series as u64)), values })
        });
        Self {
            unit,
            stacked,
            dumps: found.dumps.iter().map(|dump| dump.id.clone()).collect(),
            times: found.dumps.iter().map(|dump| dump.taken.timestamp()).collect(),
            lines: found.series.iter().map(line).chain(rest).collect(),
        }
    }

    /// The first series of a table whose column `series` has them.
    pub(super) fn of_series(
        table: &ReportTable,
        name: &str,
        max: usize,
        dumps: Vec<String>,
        times: Vec<i64>,
        unit: &'static str,
    ) -> Option<Self> {
        let (names, series) = (table.position(name)?, table.position("series")?);
        let lines: Vec<ChartLine> = table
            .rows
            .iter()
            .take(max)
            .map(|row| ChartLine {
                name: row[names].as_str().unwrap_or_default().to_owned(),
                values: row[series].as_array().into_iter().flatten().map(|value| value.as_i64()).collect(),
            })
            .filter(|line| line.values.len() == dumps.len())
            .collect();
        (!lines.is_empty()).then_some(Self { unit, stacked: false, dumps, times, lines })
    }
}
