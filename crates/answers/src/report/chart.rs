//! Series over the dumps, for a report.

use serde::Serialize;

use super::table::ReportTable;

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
