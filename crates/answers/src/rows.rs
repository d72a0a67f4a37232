//! Reads the columns of an answer by name, and writes addresses and texts for statements.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch, UInt64Array},
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt64Type},
};

use crate::{Error, Result};

/// The columns of all rows of an answer.
#[derive(Debug)]
pub struct AnswerColumns {
    batch: RecordBatch,
}

impl AnswerColumns {
    /// The rows of batches of one schema, at least one of them.
    pub fn new(batches: &[RecordBatch]) -> Result<Self> {
        let first = batches.first().ok_or_else(|| Error::Internal("an answer has no columns".to_owned()))?;
        Ok(Self { batch: concat_batches(first.schema_ref(), batches)? })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&self, name: &str, data_type: &DataType) -> Result<ArrayRef> {
        let column = self.batch.column_by_name(name);
        let column = column.ok_or_else(|| Error::Internal(format!("the answer has no column {name}")))?;
        Ok(cast(column, data_type)?)
    }

    /// A column of text; nulls are empty.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.optional_texts(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// A column of text.
    pub fn optional_texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        let column = self.column(name, &DataType::Utf8)?;
        Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }

    /// A column of whole numbers.
    pub fn optional_numbers(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let column = self.column(name, &DataType::Int64)?;
        Ok(column.as_primitive::<Int64Type>().iter().collect())
    }

    /// A column of whole numbers; nulls are 0.
    pub fn numbers(&self, name: &str) -> Result<Vec<i64>> {
        Ok(self.optional_numbers(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// A column of numbers.
    pub fn optional_floats(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let column = self.column(name, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().iter().collect())
    }

    /// A column of lists of whole numbers; a null list is empty.
    pub fn lists_of_numbers(&self, name: &str) -> Result<Vec<Vec<Option<i64>>>> {
        let column = self.batch.column_by_name(name);
        let column = column.ok_or_else(|| Error::Internal(format!("the answer has no column {name}")))?;
        let Some(lists) = column.as_list_opt::<i32>() else {
            return Err(Error::Internal(format!("{name} is not a column of lists")));
        };
        let numbers = |list: Option<ArrayRef>| match list {
            Some(list) => Ok(cast(&list, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect()),
            None => Ok(Vec::new()),
        };
        lists.iter().map(numbers).collect()
    }

    /// A column of addresses.
    pub fn optional_addresses(&self, name: &str) -> Result<Vec<Option<u64>>> {
        let column = self.column(name, &DataType::UInt64)?;
        Ok(column.as_primitive::<UInt64Type>().iter().collect())
    }

    /// A column of addresses; nulls are 0.
    pub fn addresses(&self, name: &str) -> Result<Vec<u64>> {
        Ok(self.optional_addresses(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// A column of truth values; nulls are false.
    pub fn booleans(&self, name: &str) -> Result<Vec<bool>> {
        let column = self.column(name, &DataType::Boolean)?;
        Ok(column.as_boolean().iter().map(Option::unwrap_or_default).collect())
    }
}

/// The sum of a column of whole numbers; what does not fit becomes the largest or smallest number.
pub fn sum(batches: &[RecordBatch], name: &str) -> Result<i64> {
    let mut total = 0_i64;
    for batch in batches {
        let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let numbers = column.ok_or_else(|| Error::Internal(format!("{name} is not a column of numbers")))?;
        total = numbers.iter().flatten().fold(total, i64::saturating_add);
    }
    Ok(total)
}

/// The addresses in a column of an answer, without nulls.
pub fn addresses_of(batches: &[RecordBatch], name: &str) -> Result<Vec<u64>> {
    let mut addresses = Vec::new();
    for batch in batches {
        let column = batch.column_by_name(name);
        let column = column.ok_or_else(|| Error::Invalid(format!("there is no column {name}")))?;
        let Some(numbers) = column.as_primitive_opt::<UInt64Type>() else {
            return Err(Error::Invalid(format!("the column {name} has no addresses")));
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

/// Addresses as a set that graph functions take: `@0x8c,@0xa0`.
pub fn address_set(addresses: &[u64]) -> String {
    addresses.iter().map(|address| format!("@{address:#x}")).collect::<Vec<_>>().join(",")
}

/// A text as a literal of SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as an identifier of SQL.
pub fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A subquery of one column of a table, both as they are named there.
pub fn column_of_table(table: &str, column: &str) -> String {
    format!("SELECT {} FROM {}", quoted_name(column), quoted_name(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_within_its_quotes() {
        assert_eq!(quoted("'); drop"), "'''); drop'");
        assert_eq!(column_of_table("#2", "a\"b"), "SELECT \"a\"\"b\" FROM \"#2\"");
    }

    #[test]
    fn nulls_and_batches_are_kept_apart() {
        let batch = address_rows(&[7, 9]).expect("rows");
        let columns = AnswerColumns::new(&[batch.clone(), batch.clone()]).expect("columns");
        assert_eq!(columns.addresses("address").expect("addresses"), [7, 9, 7, 9]);
        assert!(columns.texts("name").expect_err("no such column").to_string().contains("name"));
        assert_eq!(address_set(&addresses_of(&[batch], "address").expect("addresses")), "@0x7,@0x9");
    }
}
