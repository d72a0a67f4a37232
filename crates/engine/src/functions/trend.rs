//! `trend`: how totals go over many dumps, in the order in which they were taken.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use datafusion::arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, Int64Builder, ListBuilder, RecordBatch,
        StringViewArray, TimestampMicrosecondArray,
    },
    datatypes::SchemaRef,
};
use heaplake_store::{ImportProgress, Lake, Manifest};
use rayon::prelude::*;

use super::diff::{ROLE, Role, WHAT, roles, schema};
use crate::{
    Error, Result,
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column,
    },
    history::{
        BY, By, HistoryFunction, HistoryQuestion, Metric, SeriesShape, TypeNaming, Verdict, by, judge,
        metric, slope, spark,
    },
    snapshot::Snapshot,
};

const NEVER: &str = "where it was never measured";
const NOT_FOR_GOOD: &str = "where it did not grow for good";

pub(super) static TREND: HistoryFunction = HistoryFunction {
    doc: FunctionDoc {
        name: "trend",
        group: FunctionGroup::History,
        usage: "trend(['dumps' [, 'type'|'holder'|'module' [, 'count'|'size'|'retained']]])",
        purpose: "How totals go over any number of dumps, in the order in which they were taken: a row per type, holder or \
                  module, what grows most first. A single outlier of five measurements or more is ignored. If one of the dumps \
                  names types without their modules, types of the same short name are compared.",
        arguments: &[
            ArgumentDoc::optional("dumps", ArgumentKind::Dumps, "'*', all", "the dumps"),
            BY,
            ArgumentDoc::optional(
                "metric",
                ArgumentKind::Word(&["count", "size", "retained"]),
                "'size'; 'retained' by holder",
                "what is measured: objects, their shallow sizes, or what would be freed with them",
            ),
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            WHAT,
            &[
                column(
                    "shape",
                    ColumnType::Text,
                    "`growing`: from some dump on higher than ever before, and still rising in the last third; `stopped`: \
                     grew, then levelled off; `falling`; `unsteady`: up and down; `flat`; `unknown`: never measured",
                ),
                ROLE,
                column(
                    "spark",
                    ColumnType::Text,
                    "the series as bars; a stretch of a long one by its highest",
                ),
                column("dumps", ColumnType::Int64, "in how many dumps it is not 0"),
                column("first", ColumnType::Int64, "the first measurement").null(NEVER),
                column("last", ColumnType::Int64, "the last measurement").null(NEVER),
                column("delta", ColumnType::Int64, "how much more the last is than the first").null(NEVER),
                column("percent", ColumnType::Float64, "the same, in percent of the first")
                    .null("where that is 0 or it was never measured"),
                column("min", ColumnType::Int64, "the least measurement").null(NEVER),
                column("max", ColumnType::Int64, "the highest measurement").null(NEVER),
                column("per_hour", ColumnType::Float64, "slope: how much more in an hour")
                    .null("where all dumps were taken at one time, and where fewer than two were measured"),
                column("per_dump", ColumnType::Float64, "slope: how much more from one dump to the next")
                    .null("where fewer than two dumps were measured"),
                column("monotone", ColumnType::Boolean, "whether it never falls"),
                column(
                    "began",
                    ColumnType::Text,
                    "the first dump from which on it is higher than ever before",
                )
                .null(NOT_FOR_GOOD),
                column("began_at", ColumnType::Time, "when that dump was taken").null(NOT_FOR_GOOD),
                column(
                    "confidence",
                    ColumnType::Float64,
                    "how improbable it is that a series without trend rises, or falls, as much: 0 to 1; two dumps give \
                     at most 0.5, three 0.83, four 0.96",
                )
                .null(NEVER),
                column(
                    "series",
                    ColumnType::Int64List,
                    "the measurements by dump; 0 where the dump has none of it, null in the list where it was not measured",
                ),
            ],
        ])]),
        cost: "The rows of `type_stat`, `holder_stat` or `module_stat` of every dump, whatever its size; memory for a number per row and dump.",
        source: Some(
            "Theil, \"A rank-invariant method of linear and polynomial regression analysis\", 1950, and Sen, \
                      \"Estimates of the regression coefficient based on Kendall's tau\", 1968 (slope); Tukey, \"Exploratory \
                      Data Analysis\", 1977 (outlier); Mann, \"Nonparametric tests against trend\", 1945, and Kendall, \"Rank \
                      correlation methods\", 1975 (confidence)",
        ),
    },
    call,
};

/// `trend(['dumps' [, by [, metric]]])`.
fn call(texts: &[&str], snapshot: &Arc<Snapshot>) -> Result<HistoryQuestion> {
    let [selector, kind, measured] = match texts {
        [] => [None, None, None],
        [selector] => [Some(selector), None, None],
        [selector, kind] => [Some(selector), Some(kind), None],
        [selector, kind, metric] => [Some(selector), Some(kind), Some(metric)],
        _ => return Err(Error::query("it takes three texts at most".to_owned())),
    };
    let kind = kind.map_or(Ok(By::Type), |kind| by(kind))?;
    let usual = if kind == By::Holder { Metric::Retained } else { Metric::Size };
    let measured = measured.map_or(Ok(usual), |name| metric(name))?;
    let dumps = snapshot.select(selector.map_or("*", |selector| selector))?;
    let kind = kind.known_of(dumps.iter().map(|manifest| &**manifest));
    dumps.iter().try_for_each(|manifest| kind.check(manifest))?;
    let lake = snapshot.lake().clone();
    let schema = schema(TREND.doc.rows(0)?, kind);
    let answered = schema.clone();
    let answer = move |_: &ImportProgress| {
        let naming = TypeNaming::of(&dumps, &lake)?;
        let series = series(&lake, &dumps, &naming, kind, measured)?;
        let roles = match (kind, dumps.first(), dumps.last()) {
            (By::Holder, Some(first), Some(last)) => {
                Some(roles(kind.totals(&lake, first, &naming)?, kind.totals(&lake, last, &naming)?))
            }
            _ => None,
        };
        batch(series, &dumps, roles.as_ref(), answered.clone())
    };
    Ok(HistoryQuestion { schema, answer: Arc::new(answer) })
}

/// By name, a value per dump; 0 where the dump has none of it, none where it was not measured.
type Series = HashMap<String, Vec<Option<i64>>>;

/// Dumps whose summaries are in memory at once.
const AT_ONCE: usize = 64;

fn series(
    lake: &Lake,
    dumps: &[Arc<Manifest>],
    naming: &TypeNaming,
    by: By,
    metric: Metric,
) -> Result<Series> {
    let mut all = Series::new();
    for (piece, manifests) in dumps.chunks(AT_ONCE).enumerate() {
        let summaries: Vec<_> =
            manifests.par_iter().map(|manifest| by.summary(lake, manifest)).collect::<Result<_>>()?;
        for (i, (summary, manifest)) in summaries.iter().zip(manifests).enumerate() {
            let at = piece * AT_ONCE + i;
            by.each(manifest.runtime(), summary, |name, total, _| {
                let value = total.get(metric);
                let add = |values: &mut Vec<Option<i64>>| {
                    values[at] = values[at].zip(value).map(|(sum, value)| sum.saturating_add(value));
                };
                let name = naming.name(by, name);
                match all.get_mut(&*name) {
                    Some(values) => add(values),
                    None => add(all.entry(name.into_owned()).or_insert_with(|| vec![Some(0); dumps.len()])),
                }
            });
        }
    }
    if metric == Metric::Retained {
        for (at, _) in dumps.iter().enumerate().filter(|(_, manifest)| !manifest.indexed) {
            all.values_mut().for_each(|values| values[at] = None);
        }
    }
    Ok(all)
}

/// A series with what is said of it.
struct Judged {
    name: String,
    values: Vec<Option<i64>>,
    /// Where a holder stands in the last dump against the first.
    role: Role,
    /// None where nothing was measured.
    verdict: Option<Verdict>,
    per_hour: Option<f64>,
    per_dump: Option<f64>,
    /// Position of the dump in which it began to grow.
    began: Option<usize>,
}

impl Judged {
    fn new(name: String, values: Vec<Option<i64>>, role: Role, taken: &[DateTime<Utc>]) -> Self {
        let known: Vec<(usize, i64)> =
            values.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))).collect();
        let numbers: Vec<i64> = known.iter().map(|(_, value)| *value).collect();
        let verdict = (!numbers.is_empty()).then(|| judge(&numbers));
        let is_flat = numbers.iter().all(|value| Some(value) == numbers.first());
        let slope_over = |time: &dyn Fn(usize) -> f64| {
            let times: Vec<f64> = known.iter().map(|(at, _)| time(*at)).collect();
            match is_flat {
                // As most are.
                true => (times.first() != times.last()).then_some(0.0),
                false => slope(&times, &numbers.iter().map(|value| *value as f64).collect::<Vec<_>>()),
            }
        };
        let hours = |at: usize| (taken[at] - taken[0]).as_seconds_f64() / 3600.0;
        let began = verdict.as_ref().and_then(|verdict| verdict.began).map(|i| known[i].0);
        Self {
            per_hour: slope_over(&hours),
            per_dump: slope_over(&|at| at as f64),
            began,
            role,
            verdict,
            values,
            name,
        }
    }

    /// What grows comes first, the most of it at the top.
    fn order(&self) -> (Role, bool, Reverse<i64>) {
        let verdict = self.verdict.as_ref();
        let is_growing = verdict.is_some_and(|verdict| verdict.shape == SeriesShape::Growing);
        (self.role, !is_growing, Reverse(verdict.map_or(i64::MIN, |verdict| verdict.rise)))
    }

    fn known(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        self.values.iter().flatten().copied()
    }

    fn delta(&self) -> Option<i64> {
        Some(self.known().next_back()?.saturating_sub(self.known().next()?))
    }
}

fn batch(
    series: Series,
    dumps: &[Arc<Manifest>],
    roles: Option<&HashMap<String, Role>>,
    schema: SchemaRef,
) -> Result<RecordBatch> {
    let taken: Vec<DateTime<Utc>> = dumps.iter().map(|manifest| manifest.taken).collect();
    let role_of = |name: &str| roles.and_then(|roles| roles.get(name)).copied().unwrap_or(Role::Same);
    let mut rows: Vec<Judged> = series
        .into_par_iter()
        .map(|(name, values)| {
            let role = role_of(&name);
            Judged::new(name, values, role, &taken)
        })
        .collect();
    rows.par_sort_by(|a, b| (a.order(), &a.name).cmp(&(b.order(), &b.name)));
    let number =
        |f: fn(&Judged) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(f).collect::<Int64Array>()) };
    let float = |f: fn(&Judged) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(f).collect::<Float64Array>())
    };
    let shape = |row: &Judged| row.verdict.as_ref().map_or("unknown", |verdict| verdict.shape.name());
    let percent = |row: &Judged| {
        let first = row.known().next().filter(|first| *first != 0)?;
        Some(row.delta()? as f64 * 100.0 / first.abs() as f64)
    };
    let began = rows.iter().map(|row| row.began.map(|at| dumps[at].id.as_str()));
    let began_at = rows.iter().map(|row| row.began.map(|at| taken[at].timestamp_micros()));
    let mut values = ListBuilder::new(Int64Builder::new());
    for row in &rows {
        row.values.iter().for_each(|value| values.values().append_option(*value));
        values.append(true);
    }
    let monotone = rows.iter().map(|row| Some(row.verdict.as_ref().is_some_and(|v| v.is_monotone)));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new((1..=rows.len() as i64).collect::<Int64Array>()),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.name))),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(shape))),
    ];
    if roles.is_some() {
        columns.push(Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.role.name()))));
    }
    let others: [ArrayRef; 15] = [
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| spark(&row.values)))),
        number(|row| Some(row.known().filter(|value| *value != 0).count() as i64)),
        number(|row| row.known().next()),
        number(|row| row.known().next_back()),
        number(Judged::delta),
        float(percent),
        number(|row| row.known().min()),
        number(|row| row.known().max()),
        float(|row| row.per_hour),
        float(|row| row.per_dump),
        Arc::new(monotone.collect::<BooleanArray>()),
        Arc::new(began.collect::<StringViewArray>()),
        Arc::new(began_at.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        float(|row| row.verdict.as_ref().map(|verdict| verdict.confidence)),
        Arc::new(values.finish()),
    ];
    columns.extend(others);
    RecordBatch::try_new(schema, columns).map_err(|error| Error::Internal(error.to_string()))
}
