//! `diff`: what is more and what is less in the second of two dumps.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datafusion::arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray},
    datatypes::SchemaRef,
};

use crate::{
    Error, Result,
    function::{
        ArgumentDoc, ArgumentKind, ColumnDoc, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc,
        column,
    },
    history::{BY, By, HistoryFunction, HistoryQuestion, Metric, Total, TypeNaming, by},
    snapshot::Snapshot,
};

const NO_INDEX: &str = "where a dump has no graph index";
const FROM_NOTHING: &str = "where that is 0";

pub(super) static DIFF: HistoryFunction = HistoryFunction {
    doc: FunctionDoc {
        name: "diff",
        group: FunctionGroup::History,
        usage: "diff('before', 'after' [, 'type'|'holder'|'module'])",
        purpose: "What is more and what is less in the second of two dumps: a row per type, holder or module, those included \
                  that did not change; what grew most first. What is not in a dump counts 0. If one of the dumps names types \
                  without their modules, types of the same short name are compared.",
        arguments: &[
            ArgumentDoc::required("before", ArgumentKind::Dump, "the dump to compare with"),
            ArgumentDoc::required("after", ArgumentKind::Dump, "the dump that is compared"),
            BY,
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            WHAT,
            &[
                column(
                    "status",
                    ColumnType::Text,
                    "`new`, `gone`, `grown`, `shrunk` or `same`: by number, then by bytes",
                ),
                ROLE,
                column("count_before", ColumnType::Int64, "objects before"),
                column("count_after", ColumnType::Int64, "objects after"),
                column("count_delta", ColumnType::Int64, "how many more"),
                column("count_percent", ColumnType::Float64, "the same, in percent of before")
                    .null(FROM_NOTHING),
                column("size_before", ColumnType::Int64, "shallow sizes before").unit("bytes"),
                column("size_after", ColumnType::Int64, "shallow sizes after").unit("bytes"),
                column("size_delta", ColumnType::Int64, "how much more").unit("bytes"),
                column("size_percent", ColumnType::Float64, "the same, in percent of before")
                    .null(FROM_NOTHING),
                column("retained_before", ColumnType::Int64, "what would have gone with them")
                    .unit("bytes")
                    .null(NO_INDEX),
                column("retained_after", ColumnType::Int64, "what would be freed with them")
                    .unit("bytes")
                    .null(NO_INDEX),
                column("retained_delta", ColumnType::Int64, "how much more").unit("bytes").null(NO_INDEX),
                column("retained_percent", ColumnType::Float64, "the same, in percent of before")
                    .null("where that is 0 or a dump has no graph index"),
                column("held_by", ColumnType::Text, "the holder above").only("by holder").null("at the top"),
                column(
                    "element",
                    ColumnType::Text,
                    "last element of its path: type of the objects, with their name",
                )
                .only("by holder"),
            ],
        ])]),
        cost: "The rows of `type_stat`, `holder_stat` or `module_stat` of both dumps, whatever their size.",
        source: None,
    },
    call,
};

/// What a row of `diff` or `trend` is of.
pub(super) const WHAT: &[ColumnDoc] = &[
    column("rank", ColumnType::Int64, "from 1: what grew most first"),
    column("type", ColumnType::Text, "the type").only("by type"),
    column("holder", ColumnType::Text, "the holder: types and names from the top of the dominator tree down")
        .only("by holder"),
    column("module", ColumnType::Text, "the module that the objects belong to, see `module_stat`")
        .only("by module"),
];

/// Where a holder stands to what grew.
pub(super) const ROLE: ColumnDoc = column(
    "role",
    ColumnType::Text,
    "`grows`: more objects or bytes, and what holds it has no more objects; `inside`: what holds it has more, too; `holds`: \
     no more itself, but it retains more; `same`; `shrinks`",
)
.only("by holder");

/// What is compared, in the order of the columns.
const METRICS: [Metric; 3] = [Metric::Count, Metric::Size, Metric::Retained];

/// `diff('before', 'after' [, by])`.
fn call(texts: &[&str], snapshot: &Arc<Snapshot>) -> Result<HistoryQuestion> {
    let (before, after, kind) = match texts {
        [before, after] => (before, after, By::Type),
        [before, after, kind] => (before, after, by(kind)?),
        _ => return Err(Error::query("it takes two dumps, and perhaps what to group by".to_owned())),
    };
    let dumps = [snapshot.manifest(Some(before))?, snapshot.manifest(Some(after))?];
    let kind = kind.known_of(dumps.iter().map(|manifest| &**manifest));
    dumps.iter().try_for_each(|manifest| kind.check(manifest))?;
    let lake = snapshot.lake().clone();
    let schema = schema(DIFF.doc.rows(0)?, kind);
    let answered = schema.clone();
    let answer = move |_: &heaplake_store::ImportProgress| {
        let naming = TypeNaming::of(&dumps, &lake)?;
        let [before, after] = &dumps;
        let rows = rows(kind, kind.totals(&lake, before, &naming)?, kind.totals(&lake, after, &naming)?);
        batch(&rows, answered.clone())
    };
    Ok(HistoryQuestion { schema, answer: Arc::new(answer) })
}

/// The columns of one way to group.
pub(super) fn schema(rows: &RowsDoc, by: By) -> SchemaRef {
    let is_key = |name: &str| ["type", "holder", "module"].contains(&name);
    rows.schema_of(|column| match column.name {
        "role" | "held_by" | "element" => by == By::Holder,
        name => !is_key(name) || name == by.column(),
    })
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

struct Change {
    key: String,
    before: Option<Total>,
    after: Option<Total>,
    role: Role,
}

impl Change {
    /// The totals of the later dump, or of the earlier one if it is gone.
    fn any(&self) -> Option<&Total> {
        self.after.as_ref().or(self.before.as_ref())
    }

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
fn rows(by: By, before: HashMap<String, Total>, after: HashMap<String, Total>) -> Vec<Change> {
    let mut pairs: BTreeMap<String, [Option<Total>; 2]> = BTreeMap::new();
    for (key, total) in before {
        pairs.entry(key).or_default()[0] = Some(total);
    }
    for (key, total) in after {
        pairs.entry(key).or_default()[1] = Some(total);
    }
    let mut rows: Vec<Change> = pairs
        .into_iter()
        .map(|(key, [before, after])| Change { key, before, after, role: Role::Same })
        .collect();
    if by == By::Holder {
        let more: HashMap<String, bool> =
            rows.iter().map(|row| (row.key.clone(), row.delta(Metric::Count) > Some(0))).collect();
        rows.iter_mut().for_each(|row| row.role = role(row, &more));
    }
    let size = |row: &Change| row.delta(Metric::Size).unwrap_or(0);
    let held = |row: &Change| if by == By::Holder { row.delta(Metric::Retained).unwrap_or(0) } else { 0 };
    let count = |row: &Change| row.delta(Metric::Count).unwrap_or(0);
    // Stable: rows that are equal stay in the order of their names.
    rows.sort_by_key(|row| (row.role, Reverse(held(row)), Reverse(size(row)), Reverse(count(row))));
    rows
}

/// `more` says which holders have more objects than before.
fn role(row: &Change, more: &HashMap<String, bool>) -> Role {
    let (count, size) = (row.delta(Metric::Count).unwrap_or(0), row.delta(Metric::Size).unwrap_or(0));
    let held_by = row.any().and_then(|total| total.held_by.as_ref());
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

fn batch(rows: &[Change], schema: SchemaRef) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new((1..=rows.len() as i64).collect::<Int64Array>()),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.key))),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(Change::status))),
    ];
    if schema.column_with_name("role").is_some() {
        columns.push(Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.role.name()))));
    }
    for metric in METRICS {
        let side = |at: usize| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.get(metric)[at]).collect::<Int64Array>())
        };
        columns.extend([side(0), side(1)]);
        columns.push(Arc::new(rows.iter().map(|row| row.delta(metric)).collect::<Int64Array>()));
        let percent = |row: &Change| {
            let before = row.get(metric)[0].filter(|before| *before != 0)?;
            Some(row.delta(metric)? as f64 * 100.0 / before.abs() as f64)
        };
        columns.push(Arc::new(rows.iter().map(percent).collect::<Float64Array>()));
    }
    if schema.column_with_name("element").is_some() {
        let place = |part: fn(&Total) -> Option<&String>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.any().and_then(part)).collect::<StringViewArray>())
        };
        columns.extend([place(|total| total.held_by.as_ref()), place(|total| total.element.as_ref())]);
    }
    RecordBatch::try_new(schema, columns).map_err(|error| Error::Internal(error.to_string()))
}
