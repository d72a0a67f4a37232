//! Rows of an answer that a command words itself, by column and row.

use anyhow::{Context as _, Result};
use arrow::{
    array::{AsArray as _, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::{DataType, Float64Type, Int64Type},
};

/// All rows of an answer.
pub struct Rows {
    batch: RecordBatch,
}

impl Rows {
    /// The rows of batches of one schema, at least one of them.
    pub fn new(batches: &[RecordBatch]) -> Result<Self> {
        let first = batches.first().context("an answer has columns")?;
        Ok(Self { batch: concat_batches(first.schema_ref(), batches)? })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&self, name: &str, data_type: &DataType) -> Result<arrow::array::ArrayRef> {
        let column = self.batch.column_by_name(name);
        let column =
            column.with_context(|| format!("the answer has no column {name}; this is a bug of heaplake"))?;
        Ok(cast(column, data_type)?)
    }

    /// A column of text; nulls are empty.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let column = self.column(name, &DataType::Utf8)?;
        Ok(column.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
    }

    /// A column of whole numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let column = self.column(name, &DataType::Int64)?;
        Ok(column.as_primitive::<Int64Type>().iter().collect())
    }

    /// A column of numbers.
    pub fn floats(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let column = self.column(name, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().iter().collect())
    }

    /// Some of the rows, from the first on.
    pub fn first(&self, n: usize) -> Self {
        Self { batch: self.batch.slice(0, n.min(self.len())) }
    }
}

/// A text in SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
