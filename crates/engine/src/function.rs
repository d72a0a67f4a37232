//! What a function of ours is: its documentation, and how SQL comes to know it.
//!
//! Usage messages, schemas with a description of every column, help and docs/functions.md are made from a
//! [`FunctionDoc`], so that none of them can say something else. The functions themselves are in [`crate::functions`], a
//! file each.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    logical_expr::Expr,
    prelude::SessionContext,
    scalar::ScalarValue,
};
use heaplake_model::schema::DESCRIPTION;

use crate::{Error, Result, mistake, snapshot::Snapshot};

/// A function that SQL can be taught.
pub(crate) trait Function: Sync {
    /// Its documentation.
    fn doc(&'static self) -> &'static FunctionDoc;

    /// Makes it known to the statements of a session.
    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>);
}

/// The documentation of a function.
#[derive(Debug)]
pub struct FunctionDoc {
    /// Its name in SQL.
    pub name: &'static str,
    /// What it is about.
    pub group: FunctionGroup,
    /// How it is called.
    pub usage: &'static str,
    /// What it is for: a paragraph.
    pub purpose: &'static str,
    /// Its arguments, in their order.
    pub arguments: &'static [ArgumentDoc],
    /// What it gives.
    pub result: ResultDoc,
    /// What a call costs in time and memory: a paragraph.
    pub cost: &'static str,
    /// Where the method is from, if it has a name in the literature.
    pub source: Option<&'static str>,
}

/// What a function is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionGroup {
    /// Values of a row.
    Value,
    /// The object graph of a dump.
    Graph,
    /// Paths in the object graph of a dump.
    Path,
    /// Totals of several dumps.
    History,
    /// Which object of one dump is which of another.
    Identity,
}

/// One argument.
#[derive(Debug, Clone, Copy)]
pub struct ArgumentDoc {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: ArgumentKind,
    /// What it is where it is left out.
    pub default: ArgumentDefault,
    /// Whether it may be given several times.
    pub repeats: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Objects: a predicate over `obj`, a `REACH` pattern, or addresses.
    Set,
    /// The same, or references: a predicate over `edge`.
    Cut,
    /// A whole number from 0.
    Number,
    /// A path pattern.
    Pattern,
    /// A selector of one dump.
    Dump,
    /// A selector of any number of dumps.
    Dumps,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text of any row.
    Text,
    /// Text of any row, or a map of texts.
    TextOrMap,
}

/// What an argument is where it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentDefault {
    /// It must be given.
    Required,
    /// This number.
    Number(u32),
    /// What these words say.
    Words(&'static str),
}

/// What a function gives.
#[derive(Debug)]
pub enum ResultDoc {
    /// A value for each row.
    Value(ColumnDoc),
    /// A table: one set of columns, or one of several.
    Rows(&'static [RowsDoc]),
}

/// The columns of a table.
#[derive(Debug)]
pub struct RowsDoc {
    /// With which arguments it has these columns; empty where there are no others.
    pub when: &'static str,
    /// The columns, in parts that several functions share.
    pub parts: &'static [&'static [ColumnDoc]],
}

/// One column, or a value.
#[derive(Debug, Clone, Copy)]
pub struct ColumnDoc {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub data_type: ColumnType,
    /// What its numbers count, such as bytes; `None` where it is no measure.
    pub unit: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
    /// When it is null; `None` if never.
    pub null: Option<&'static str>,
    /// With which arguments the column is there; `None` for always.
    pub only: Option<&'static str>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// A whole number, possibly negative.
    Int64,
    /// A small count.
    UInt32,
    /// An address.
    UInt64,
    /// A number.
    Float64,
    /// Text.
    Text,
    /// An instant in UTC.
    Time,
    /// A list of whole numbers.
    Int64List,
    /// A list of texts.
    TextList,
}

impl FunctionGroup {
    /// Every group, in the order of their presentation.
    pub const ALL: [Self; 5] = [Self::Value, Self::Graph, Self::Path, Self::History, Self::Identity];

    /// What its functions are about, as a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Value => "Values",
            Self::Graph => "The object graph",
            Self::Path => "Paths",
            Self::History => "Totals of several dumps",
            Self::Identity => "Objects of several dumps",
        }
    }
}

impl ArgumentDoc {
    /// An argument that must be given.
    pub(crate) const fn required(name: &'static str, kind: ArgumentKind, meaning: &'static str) -> Self {
        Self { name, kind, default: ArgumentDefault::Required, repeats: false, meaning }
    }

    /// An argument that may be left out.
    pub(crate) const fn optional(
        name: &'static str,
        kind: ArgumentKind,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, kind, default: ArgumentDefault::Words(default), repeats: false, meaning }
    }

    /// A number that may be left out.
    pub(crate) const fn number(name: &'static str, default: u32, meaning: &'static str) -> Self {
        let default = ArgumentDefault::Number(default);
        Self { name, kind: ArgumentKind::Number, default, repeats: false, meaning }
    }

    /// The same, given several times.
    pub(crate) const fn repeated(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// The dump that a function is about.
    pub(crate) const DUMP: Self =
        Self::optional("dump", ArgumentKind::Dump, "the chosen dump", "the dump that is asked");
}

impl fmt::Display for ArgumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => f.write_str("set"),
            Self::Cut => f.write_str("set, of objects or references"),
            Self::Number => f.write_str("number"),
            Self::Pattern => f.write_str("path pattern"),
            Self::Dump => f.write_str("selector of one dump"),
            Self::Dumps => f.write_str("selector of dumps"),
            Self::Word(words) => {
                for (i, word) in words.iter().enumerate() {
                    write!(f, "{}'{word}'", if i == 0 { "" } else { "|" })?;
                }
                Ok(())
            }
            Self::Text => f.write_str("text"),
            Self::TextOrMap => f.write_str("text or map"),
        }
    }
}

impl RowsDoc {
    /// The columns of a table that has no others.
    pub(crate) const fn always(parts: &'static [&'static [ColumnDoc]]) -> Self {
        Self { when: "", parts }
    }

    /// The columns, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &'static ColumnDoc> {
        self.parts.iter().copied().flatten()
    }

    /// The schema of all columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema_of(|_| true)
    }

    /// The schema of some columns.
    pub(crate) fn schema_of(&self, is_there: impl Fn(&ColumnDoc) -> bool) -> SchemaRef {
        let columns = self.columns().filter(|column| is_there(column));
        Arc::new(Schema::new(columns.map(ColumnDoc::field).collect::<Vec<_>>()))
    }
}

/// A column that is never null, always there, and no measure.
pub(crate) const fn column(name: &'static str, data_type: ColumnType, meaning: &'static str) -> ColumnDoc {
    ColumnDoc { name, data_type, unit: None, meaning, null: None, only: None }
}

impl ColumnDoc {
    /// The same, measured in something.
    pub(crate) const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// The same, null in some rows.
    pub(crate) const fn null(self, when: &'static str) -> Self {
        Self { null: Some(when), ..self }
    }

    /// The same, there with some arguments only.
    pub(crate) const fn only(self, when: &'static str) -> Self {
        Self { only: Some(when), ..self }
    }

    /// What it means, its unit, and when it is null, in a sentence.
    pub fn description(&self) -> String {
        let unit = self.unit.map(|unit| format!(", in {unit}")).unwrap_or_default();
        let null = self.null.map(|when| format!("; null {when}")).unwrap_or_default();
        format!("{}{unit}{null}", self.meaning)
    }

    fn field(&self) -> Field {
        let metadata = [(DESCRIPTION.to_owned(), self.description())].into();
        Field::new(self.name, self.data_type.data_type(), self.null.is_some()).with_metadata(metadata)
    }
}

impl ColumnType {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float64 => DataType::Float64,
            Self::Text => DataType::Utf8View,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Int64List => DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))),
            Self::TextList => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int64 => "int64",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Float64 => "float64",
            Self::Text => "string",
            Self::Time => "timestamp",
            Self::Int64List => "list of int64",
            Self::TextList => "list of string",
        })
    }
}

impl FunctionDoc {
    /// The columns of a table function; `i` is which of several sets of columns.
    pub(crate) fn rows(&self, i: usize) -> Result<&'static RowsDoc> {
        let found = match self.result {
            ResultDoc::Rows(rows) => rows.get(i),
            ResultDoc::Value(_) => None,
        };
        found.ok_or_else(|| Error::Internal(format!("{} has no columns of that kind", self.name)))
    }

    /// The error of a call that is not right.
    pub(crate) fn misuse(&self, what: &str) -> Error {
        self.with_usage(Error::query(what))
    }

    /// A mistake in a call, with the name of the function and how it is called.
    pub(crate) fn with_usage(&self, error: Error) -> Error {
        let words = format!("{}: ", self.name);
        match error {
            error @ Error::Query { .. } => {
                error.after_words(&words).with_hint(&format!("it is called as {}", self.usage))
            }
            error => error.after_words(&words),
        }
    }

    /// The arguments of a call as constant texts.
    pub(crate) fn texts<'e>(&self, exprs: &'e [Expr]) -> Result<Vec<&'e str>> {
        let texts = exprs.iter().map(|expr| {
            let text = match expr {
                Expr::Literal(value, _) => text(value),
                _ => None,
            };
            text.ok_or_else(|| {
                let shown = mistake::escape(&expr.to_string());
                self.misuse(&format!("{shown} is no constant text"))
            })
        });
        texts.collect()
    }
}

/// The text of a constant.
pub(crate) fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

/// The whole number of a constant.
pub(crate) fn integer(value: &ScalarValue) -> Option<u64> {
    match value {
        ScalarValue::Int64(Some(n)) => u64::try_from(*n).ok(),
        ScalarValue::UInt64(Some(n)) => Some(*n),
        _ => None,
    }
}
