//! Rows of an answer that a command words itself, by column and row.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch, UInt64Array},
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt64Type},
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

/// The addresses in a column of an answer, without nulls.
pub fn addresses_of(batches: &[RecordBatch], name: &str) -> Result<Vec<u64>> {
    let mut addresses = Vec::new();
    for batch in batches {
        let column = batch.column_by_name(name).with_context(|| format!("there is no column {name}"))?;
        let Some(numbers) = column.as_primitive_opt::<UInt64Type>() else {
            bail!("the column {name} has no addresses");
        };
        addresses.extend(numbers.iter().flatten());
    }
    Ok(addresses)
}

/// Addresses as rows of one column, `address`.
pub fn address_rows(addresses: &[u64]) -> Result<RecordBatch> {
    let schema = Schema::new(vec![Field::new("address", DataType::UInt64, false)]);
    let column: ArrayRef = Arc::new(UInt64Array::from_iter_values(addresses.iter().copied()));
    Ok(RecordBatch::try_new(schema.into(), vec![column])?)
}

/// Addresses as a set that graph functions and commands take: `@140,@160`.
pub fn address_set(addresses: &[u64]) -> String {
    addresses.iter().map(|address| format!("@{address}")).collect::<Vec<_>>().join(",")
}
