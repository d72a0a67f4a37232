//! Rows of an answer as cells, for a report.

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::{DateTime, SecondsFormat};
use heaplake_model::{schema::DESCRIPTION, shortened};
use serde::Serialize;
use serde_json::Value;

use super::MAX_CHARS;
use crate::{Result, encode::Quantity};

/// Rows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReportTable {
    /// The columns.
    pub columns: Vec<ReportColumn>,
    /// The rows: a cell per column. An address is a text, `@0x...`; a time is a text as RFC 3339 has it.
    pub rows: Vec<Vec<Value>>,
    /// How many rows there are; more than are here if the table is cut.
    pub total: u64,
    /// Why there are no rows; `None` if there are.
    pub missing: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportColumn {
    /// Its name, as in SQL.
    pub name: String,
    /// What its cells are: `text`, `address`, `bytes`, `percent`, `number`, `time`, `boolean`, `series` or `list`.
    pub kind: &'static str,
    /// What it means.
    pub about: String,
}

impl ReportTable {
    /// A table without rows, with the columns of a batch. `about` has meanings of columns that the fields do not have.
    pub(super) fn of(batch: &RecordBatch, about: &[(String, String)]) -> Self {
        let column = |field: &Field| {
            let known = about.iter().find(|(name, _)| name == field.name()).map(|(_, text)| text.clone());
            let about = known.or_else(|| field.metadata().get(DESCRIPTION).cloned()).unwrap_or_default();
            let is_address = *field.data_type() == DataType::UInt64 && about.contains("address");
            let kind = if is_address { "address" } else { kind(field) };
            ReportColumn { name: field.name().clone(), kind, about }
        };
        let columns = batch.schema_ref().fields().iter().map(|field| column(field)).collect();
        Self { columns, ..Self::default() }
    }

    /// Says of the measurements of a trend that they are bytes: their columns are named alike whatever is measured.
    pub(super) fn measured_in_bytes(&mut self) {
        const MEASURED: [&str; 7] = ["first", "last", "delta", "min", "max", "per_hour", "per_dump"];
        let measured = self.columns.iter_mut().filter(|column| MEASURED.contains(&column.name.as_str()));
        measured.for_each(|column| column.kind = "bytes");
    }

    /// Adds the rows of a batch, as long as there are fewer than `max`; the others are counted.
    pub(super) fn push(&mut self, batch: &RecordBatch, max: usize) -> Result<()> {
        self.total += batch.num_rows() as u64;
        let room = max.saturating_sub(self.rows.len()).min(batch.num_rows());
        let head = batch.slice(0, room);
        let mut rows = vec![Vec::with_capacity(head.num_columns()); room];
        for (idx, column) in self.columns.iter().enumerate() {
            for (row, cell) in rows.iter_mut().zip(cells(head.column(idx), column.kind)?) {
                row.push(cell);
            }
        }
        self.rows.append(&mut rows);
        Ok(())
    }

    /// The position of a column.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

fn kind(field: &Field) -> &'static str {
    let name = field.name();
    match (Quantity::of(field), field.data_type()) {
        (Quantity::Address, _) => "address",
        (Quantity::Bytes, _) => "bytes",
        _ if name == "percent" || name.ends_with("_percent") || name == "fill" => "percent",
        // What is wasted or free is a size, whatever its column is called.
        (_, DataType::Int64) if name == "unused" => "bytes",
        (_, DataType::Timestamp(..)) => "time",
        (_, DataType::Boolean) => "boolean",
        (_, DataType::List(item)) if item.data_type().is_integer() => "series",
        (_, DataType::List(_)) => "list",
        (_, data_type) if data_type.is_numeric() => "number",
        _ => "text",
    }
}

fn cells(column: &dyn arrow::array::Array, kind: &str) -> Result<Vec<Value>> {
    let at = |i: usize, make: &dyn Fn(usize) -> Value| if column.is_null(i) { Value::Null } else { make(i) };
    let each = |make: &dyn Fn(usize) -> Value| (0..column.len()).map(|i| at(i, make)).collect::<Vec<Value>>();
    Ok(match (kind, column.data_type()) {
        ("address", _) => {
            let numbers = cast(column, &DataType::UInt64)?;
            let numbers = numbers.as_primitive::<UInt64Type>();
            each(&|i| Value::from(crate::words::address(numbers.value(i))))
        }
        ("time", _) => {
            let times = cast(column, &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None))?;
            let times = times.as_primitive::<TimestampMicrosecondType>();
            each(&|i| {
                let time = DateTime::from_timestamp_micros(times.value(i));
                time.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)).into()
            })
        }
        ("boolean", DataType::Boolean) => {
            let values = column.as_boolean();
            each(&|i| values.value(i).into())
        }
        ("series", DataType::List(_)) => {
            let lists = column.as_list::<i32>();
            let mut made = Vec::with_capacity(lists.len());
            for i in 0..lists.len() {
                let numbers = cast(&lists.value(i), &DataType::Int64)?;
                let numbers = numbers.as_primitive::<Int64Type>();
                made.push(Value::Array(numbers.iter().map(Value::from).collect()));
            }
            each(&|i| made[i].clone())
        }
        (_, data_type) if data_type.is_integer() => {
            let numbers = cast(column, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            each(&|i| numbers.value(i).into())
        }
        (_, data_type) if data_type.is_numeric() => {
            let numbers = cast(column, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            each(&|i| numbers.value(i).into())
        }
        _ => {
            let options = FormatOptions::default();
            let texts = ArrayFormatter::try_new(column, &options)?;
            let mut made = Vec::with_capacity(column.len());
            for i in 0..column.len() {
                made.push(shortened(&texts.value(i).try_to_string()?, MAX_CHARS).into_owned());
            }
            each(&|i| made[i].clone().into())
        }
    })
}
