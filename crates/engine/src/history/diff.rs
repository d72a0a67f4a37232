//! `diff`: what is more and what is less in the second of two dumps.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datafusion::arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::{
    Question, by,
    totals::{By, Metric, Total},
};
use crate::{Error, Result, snapshot::Snapshot};

/// What is compared, and the prefix of its columns.
const METRICS: [(Metric, &str); 3] =
    [(Metric::Count, "count"), (Metric::Size, "size"), (Metric::Retained, "retained")];

/// `diff('before', 'after' [, by])`.
pub(super) fn call(texts: &[&str], snapshot: &Arc<Snapshot>) -> Result<Question> {
    let (before, after, kind) = match texts {
        [before, after] => (before, after, By::Type),
        [before, after, kind] => (before, after, by(kind)?),
        _ => return Err(Error::query("it takes two dumps, and perhaps what to group by".to_owned())),
    };
    let dumps = [snapshot.manifest(Some(before))?, snapshot.manifest(Some(after))?];
    dumps.iter().try_for_each(|manifest| kind.check(manifest))?;
    let lake = snapshot.lake().clone();
    let schema = schema(kind);
    let answered = schema.clone();
    let answer = move || {
        let [before, after] = &dumps;
        let rows = rows(kind, kind.totals(&lake, before)?, kind.totals(&lake, after)?);
        batch(&rows, answered.clone())
    };
    Ok(Question { schema, answer: Arc::new(answer) })
}

fn schema(by: By) -> SchemaRef {
    let mut fields = vec![
        Field::new("rank", DataType::Int64, false),
        Field::new(by.column(), DataType::Utf8View, false),
        Field::new("status", DataType::Utf8View, false),
    ];
    if by == By::Holder {
        fields.push(Field::new("role", DataType::Utf8View, false));
    }
    for (metric, name) in METRICS {
        let nullable = metric == Metric::Retained;
        for part in ["before", "after", "delta"] {
            fields.push(Field::new(format!("{name}_{part}"), DataType::Int64, nullable));
        }
        fields.push(Field::new(format!("{name}_percent"), DataType::Float64, true));
    }
    Arc::new(Schema::new(fields))
}

/// Where a holder stands to what grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It has more objects or bytes than before, and what holds it does not have more objects: here something grows.
    Grows,
    /// It has more, as has what holds it.
    Inside,
    /// It holds more, itself it has no more.
    Holds,
    /// It is the same.
    Same,
    /// It has less.
    Shrinks,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Grows => "grows",
            Role::Inside => "inside",
            Role::Holds => "holds",
            Role::Same => "same",
            Role::Shrinks => "shrinks",
        }
    }
}

struct Row {
    key: String,
    before: Option<Total>,
    after: Option<Total>,
    role: Role,
}

impl Row {
    fn get(&self, metric: Metric) -> [Option<i64>; 2] {
        // What is not there is 0, but what was not measured is not known.
        let of = |own: &Option<Total>, other: &Option<Total>| match (own, other) {
            (Some(total), _) => total.get(metric),
            (None, other) => other.as_ref().and_then(|other| other.get(metric)).map(|_| 0),
        };
        [of(&self.before, &self.after), of(&self.after, &self.before)]
    }

    fn delta(&self, metric: Metric) -> Option<i64> {
        let [before, after] = self.get(metric);
        Some(after?.saturating_sub(before?))
    }

    /// The bytes are compared where the counts are equal.
    fn status(&self) -> &'static str {
        let delta = |metric| self.delta(metric).unwrap_or(0);
        match (&self.before, &self.after) {
            (None, _) => "new",
            (_, None) => "gone",
            _ => match (delta(Metric::Count), delta(Metric::Size)) {
                (1.., _) | (0, 1..) => "grown",
                (0, 0) => "same",
                _ => "shrunk",
            },
        }
    }
}

/// Where the holders of two dumps stand.
pub(super) fn roles(before: HashMap<String, Total>, after: HashMap<String, Total>) -> HashMap<String, Role> {
    rows(By::Holder, before, after).into_iter().map(|row| (row.key, row.role)).collect()
}

/// What grew most comes first.
fn rows(by: By, before: HashMap<String, Total>, after: HashMap<String, Total>) -> Vec<Row> {
    let mut pairs: BTreeMap<String, [Option<Total>; 2]> = BTreeMap::new();
    for (key, total) in before {
        pairs.entry(key).or_default()[0] = Some(total);
    }
    for (key, total) in after {
        pairs.entry(key).or_default()[1] = Some(total);
    }
    let mut rows: Vec<Row> = pairs
        .into_iter()
        .map(|(key, [before, after])| Row { key, before, after, role: Role::Same })
        .collect();
    if by == By::Holder {
        let more: HashMap<String, bool> =
            rows.iter().map(|row| (row.key.clone(), row.delta(Metric::Count) > Some(0))).collect();
        rows.iter_mut().for_each(|row| row.role = role(row, &more));
    }
    let size = |row: &Row| row.delta(Metric::Size).unwrap_or(0);
    let held = |row: &Row| if by == By::Holder { row.delta(Metric::Retained).unwrap_or(0) } else { 0 };
    let count = |row: &Row| row.delta(Metric::Count).unwrap_or(0);
    // Stable: rows that are equal stay in the order of their names.
    rows.sort_by_key(|row| (row.role, Reverse(held(row)), Reverse(size(row)), Reverse(count(row))));
    rows
}

/// `more` says which holders have more objects than before.
fn role(row: &Row, more: &HashMap<String, bool>) -> Role {
    let (count, size) = (row.delta(Metric::Count).unwrap_or(0), row.delta(Metric::Size).unwrap_or(0));
    let held_by = row.after.as_ref().or(row.before.as_ref()).and_then(|total| total.held_by.as_ref());
    if count > 0 || size > 0 {
        let is_inside = held_by.is_some_and(|above| more.get(above) == Some(&true));
        return if is_inside { Role::Inside } else { Role::Grows };
    }
    match row.delta(Metric::Retained).unwrap_or(0) {
        1.. => Role::Holds,
        0 if count == 0 && size == 0 => Role::Same,
        _ => Role::Shrinks,
    }
}

fn batch(rows: &[Row], schema: SchemaRef) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new((1..=rows.len() as i64).collect::<Int64Array>()),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.key))),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(Row::status))),
    ];
    if schema.column_with_name("role").is_some() {
        columns.push(Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.role.name()))));
    }
    for (metric, _) in METRICS {
        let side = |at: usize| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.get(metric)[at]).collect::<Int64Array>())
        };
        columns.extend([side(0), side(1)]);
        columns.push(Arc::new(rows.iter().map(|row| row.delta(metric)).collect::<Int64Array>()));
        let percent = |row: &Row| {
            let before = row.get(metric)[0].filter(|before| *before != 0)?;
            Some(row.delta(metric)? as f64 * 100.0 / before.abs() as f64)
        };
        columns.push(Arc::new(rows.iter().map(percent).collect::<Float64Array>()));
    }
    RecordBatch::try_new(schema, columns).map_err(|error| Error::Internal(error.to_string()))
}
