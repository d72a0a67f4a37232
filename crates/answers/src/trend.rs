//! How types, holders or modules grow over any number of dumps.

use chrono::{DateTime, Utc};

use crate::{
    GroupBy, Metric, ProcessGrowth, Result, Session,
    groups::limit_clause,
    rows::{AnswerColumns, quoted},
};

/// The question.
#[derive(Debug, Clone)]
pub struct Trend {
    /// Selects the dumps.
    pub dumps: String,
    /// What totals are of.
    pub by: GroupBy,
    /// What is measured; default the retained size of holders, the shallow size of everything else.
    pub metric: Option<Metric>,
    /// Also what stays the same.
    pub all: bool,
    /// Of holders only those that grow or shrink themselves: what is inside or around them reports the same bytes again.
    pub own_growth: bool,
    /// Rows at most; default all.
    pub limit: Option<u64>,
}

/// The series of a type, holder or module.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendSeries {
    /// Its name.
    pub name: String,
    /// The shape of its growth, as the function `trend` has it: `growing`, `flat`, ...
    pub shape: String,
    /// How improbable it is that a series without trend rises, or falls, as much: 0 to 1; `None` if it was never measured.
    pub confidence: Option<f64>,
    /// A picture of the series in one line.
    pub spark: String,
    /// The value in the first dump; `None` if it was not there.
    pub first: Option<i64>,
    /// The value in the last dump.
    pub last: Option<i64>,
    /// The slope per hour, robust against outliers; `None` if the dumps are of one instant.
    pub per_hour: Option<f64>,
    /// The slope per dump.
    pub per_dump: Option<f64>,
    /// The dump in which the growth began; empty if it did not begin.
    pub began: String,
    /// The measurements by dump; `None` where it was not measured.
    pub values: Vec<Option<i64>>,
}

/// The series of a chart.
#[derive(Debug, Clone)]
pub struct TrendChart {
    /// The dumps, oldest first.
    pub dumps: Vec<ChartedDump>,
    /// The series that are drawn, what grows most first.
    pub series: Vec<TrendSeries>,
    /// The other series; `None` if all are drawn.
    pub rest: Option<RestOfSeries>,
}

/// A dump of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartedDump {
    /// Its id.
    pub id: String,
    /// When it was taken.
    pub taken: DateTime<Utc>,
}

/// The series that are not drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestOfSeries {
    /// How many they are.
    pub series: usize,
    /// Their sums by dump; `None` for retained sizes, which hold each other.
    pub values: Option<Vec<i64>>,
}

impl Trend {
    /// What is measured.
    pub fn measured(&self) -> Metric {
        self.metric.unwrap_or(match self.by {
            GroupBy::Holder => Metric::Retained,
            GroupBy::Type | GroupBy::Module => Metric::Size,
        })
    }

    /// The question as SQL over the function `trend`; its columns are those of the function.
    pub fn statement(&self) -> String {
        let changing = match (self.all, self.by) {
            (true, _) => "",
            (false, GroupBy::Holder) if self.own_growth => {
                " WHERE shape <> 'flat' AND role IN ('grows', 'shrinks')"
            }
            (false, _) => " WHERE shape <> 'flat'",
        };
        format!(
            "SELECT * FROM trend({}, '{}', '{}'){changing} ORDER BY rank{}",
            quoted(&self.dumps),
            self.by.name(),
            self.measured().name(),
            limit_clause(self.limit)
        )
    }

    /// How the process grew from the first of the dumps to the last, of those that say what it had.
    pub fn process(&self, session: &Session) -> Result<Option<ProcessGrowth>> {
        let dumps = session.select(&self.dumps)?;
        let mut known = dumps.iter().filter(|dump| crate::account(dump).is_some());
        let first = known.next();
        Ok(first.zip(known.next_back()).and_then(|(first, last)| ProcessGrowth::between(first, last)))
    }

    /// The series, what grows most first.
    pub fn series(&self, session: &Session) -> Result<Vec<TrendSeries>> {
        let rows = AnswerColumns::new(&session.collect(&self.statement())?)?;
        let (names, shapes, sparks) =
            (rows.texts(self.by.name())?, rows.texts("shape")?, rows.texts("spark")?);
        let (first, last) = (rows.optional_numbers("first")?, rows.optional_numbers("last")?);
        let (per_hour, per_dump) = (rows.optional_floats("per_hour")?, rows.optional_floats("per_dump")?);
        let (began, confidence) = (rows.texts("began")?, rows.optional_floats("confidence")?);
        let values = rows.lists_of_numbers("series")?;
        let series = |i: usize| TrendSeries {
            name: names[i].clone(),
            shape: shapes[i].clone(),
            confidence: confidence[i],
            spark: sparks[i].clone(),
            first: first[i],
            last: last[i],
            per_hour: per_hour[i],
            per_dump: per_dump[i],
            began: began[i].clone(),
            values: values[i].clone(),
        };
        Ok((0..rows.n_rows()).map(series).collect())
    }

    /// The series for a chart of at most `limit` of them.
    pub fn chart(&self, limit: usize, session: &Session) -> Result<TrendChart> {
        let dumps = session.select(&self.dumps)?;
        let dumps = dumps.iter().map(|dump| ChartedDump { id: dump.id.to_string(), taken: dump.taken });
        let mut series = self.series(session)?;
        let others = series.split_off(limit.min(series.len()));
        let sum = |dump: usize| {
            let values = others.iter().filter_map(|series| series.values.get(dump).copied().flatten());
            values.fold(0, i64::saturating_add)
        };
        let dumps: Vec<ChartedDump> = dumps.collect();
        let sums = || (0..dumps.len()).map(sum).collect();
        let values = (self.measured() != Metric::Retained).then(sums);
        let rest = (!others.is_empty()).then_some(RestOfSeries { series: others.len(), values });
        Ok(TrendChart { dumps, series, rest })
    }
}
