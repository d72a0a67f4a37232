//! What grew between two dumps, by type, holder or module.

use crate::{
    GroupBy, Metric, ProcessGrowth, Result, Session,
    groups::limit_clause,
    rows::{AnswerColumns, quoted},
};

/// The question. Two dumps are compared, the earlier one first.
#[derive(Debug, Clone)]
pub struct Diff {
    /// Selects the earlier dump.
    pub before: String,
    /// Selects the later dump.
    pub after: String,
    /// What totals are of.
    pub by: GroupBy,
    /// What decides the order, largest growth first; by default retained size where the dumps have it.
    pub metric: Option<Metric>,
    /// Also what did not change.
    pub all: bool,
    /// Of holders only those that grow or shrink themselves: what is inside or around them reports the same bytes again.
    pub own_growth: bool,
    /// Rows at most; default all.
    pub limit: Option<u64>,
}

/// Totals of both dumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffTotals {
    /// Objects of the earlier dump.
    pub count_before: i64,
    /// Objects of the later dump.
    pub count_after: i64,
    /// Bytes of shallow sizes in the earlier dump.
    pub size_before: i64,
    /// Bytes of shallow sizes in the later dump.
    pub size_after: i64,
}

/// A type, holder or module in both dumps.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDifference {
    /// Its name.
    pub name: String,
    /// `grown`, `shrunk`, `changed`, `same`, `new` or `gone`, as the function `diff` has it.
    pub status: String,
    /// Objects in the later dump; `None` if it is gone.
    pub count_after: Option<i64>,
    /// By how many objects it grew.
    pub count_delta: Option<i64>,
    /// Bytes of shallow sizes in the later dump.
    pub size_after: Option<i64>,
    /// By how many bytes it grew.
    pub size_delta: Option<i64>,
    /// The same in percent of the earlier size; `None` if there was none.
    pub size_percent: Option<f64>,
    /// Retained bytes in the later dump; `None` without a graph index.
    pub retained_after: Option<i64>,
    /// By how many retained bytes it grew.
    pub retained_delta: Option<i64>,
}

impl Diff {
    /// The question as SQL over the function `diff`; its columns are those of the function.
    pub fn statement(&self) -> String {
        let changed = match (self.all, self.by) {
            (true, _) => "",
            (false, GroupBy::Holder) if self.own_growth => " WHERE role IN ('grows', 'shrinks')",
            (false, _) => {
                " WHERE status <> 'same' OR coalesce(size_delta, 0) <> 0 OR coalesce(retained_delta, 0) <> 0"
            }
        };
        let order = match self.metric {
            Some(metric) => format!("{}_delta DESC NULLS LAST, rank", metric.name()),
            None => "rank".to_owned(),
        };
        format!(
            "SELECT * FROM diff({}, {}, '{}'){changed} ORDER BY {order}{}",
            quoted(&self.before),
            quoted(&self.after),
            self.by.name(),
            limit_clause(self.limit)
        )
    }

    /// The groups, what grew most first.
    pub fn groups(&self, session: &Session) -> Result<Vec<GroupDifference>> {
        let rows = AnswerColumns::new(&session.collect(&self.statement())?)?;
        let (names, statuses) = (rows.texts(self.by.name())?, rows.texts("status")?);
        let numbers = |name| rows.optional_numbers(name);
        let (count_after, count_delta) = (numbers("count_after")?, numbers("count_delta")?);
        let (size_after, size_delta) = (numbers("size_after")?, numbers("size_delta")?);
        let (retained_after, retained_delta) = (numbers("retained_after")?, numbers("retained_delta")?);
        let size_percent = rows.optional_floats("size_percent")?;
        let named = names.into_iter().zip(statuses).enumerate();
        let group = |(i, (name, status)): (usize, (String, String))| GroupDifference {
            name,
            status,
            count_after: count_after[i],
            count_delta: count_delta[i],
            size_after: size_after[i],
            size_delta: size_delta[i],
            size_percent: size_percent[i],
            retained_after: retained_after[i],
            retained_delta: retained_delta[i],
        };
        Ok(named.map(group).collect())
    }

    /// How the process grew; `None` if a dump does not say what it had.
    pub fn process(&self, session: &Session) -> Result<Option<ProcessGrowth>> {
        let (before, after) = (session.select(&self.before)?, session.select(&self.after)?);
        Ok(before.last().zip(after.last()).and_then(|(before, after)| ProcessGrowth::between(before, after)))
    }

    /// Totals of both dumps.
    pub fn totals(&self, session: &Session) -> Result<DiffTotals> {
        totals(&self.before, &self.after, session)
    }
}

/// Totals of two dumps.
pub(crate) fn totals(before: &str, after: &str, session: &Session) -> Result<DiffTotals> {
    let totals = session.collect(&format!(
        "SELECT sum(count_before) AS count_before, sum(count_after) AS count_after, \
             sum(size_before) AS size_before, sum(size_after) AS size_after \
         FROM diff({}, {})",
        quoted(before),
        quoted(after)
    ))?;
    let totals = AnswerColumns::new(&totals)?;
    let sum = |name: &str| Ok::<_, crate::Error>(totals.numbers(name)?.first().copied().unwrap_or(0));
    Ok(DiffTotals {
        count_before: sum("count_before")?,
        count_after: sum("count_after")?,
        size_before: sum("size_before")?,
        size_after: sum("size_after")?,
    })
}
