//! What stands in the cells of a table for people: addresses as SQL and patterns take them, sizes with a unit, the rest as it is.
//!
//! What a column means is known by its name and, where it is one of the lake's own, by its description: a query may rename a
//! column, and an aggregate loses the description. Formats for programs keep numbers.

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Int64Type, UInt64Type},
    util::display::FormatOptions,
};
use heaplake_answers::{Result, encode::flat};
use heaplake_model::schema::DESCRIPTION;

use crate::human;

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Addresses of objects.
    Address,
    /// Bytes.
    Bytes,
    /// Something else.
    Other,
}

/// Names of columns that have addresses, and words of such names.
const ADDRESSES: [&str; 7] = ["parent", "child", "idom", "held_by", "head", "start", "end"];
/// Words in the name of a column of bytes.
const BYTES: [&str; 3] = ["bytes", "retained", "size"];
/// Words that make it something else: objects that are retained, a quotient.
const NO_BYTES: [&str; 4] = ["count", "kind", "objects", "percent"];

impl Quantity {
    /// What a column has.
    pub fn of(field: &Field) -> Self {
        let name = field.name().to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let is_described =
            || field.metadata().get(DESCRIPTION).is_some_and(|text| text.starts_with("address"));
        match field.data_type() {
            DataType::UInt64 if has(&["address"]) || ADDRESSES.contains(&name.as_str()) || is_described() => {
                Self::Address
            }
            data_type if data_type.is_numeric() && has(&BYTES) && !has(&NO_BYTES) && !name.contains('/') => {
                Self::Bytes
            }
            _ => Self::Other,
        }
    }
}

/// The cells of a flat batch, row by row; null is the empty text.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default();
    let formatters = flat::formatters(batch, &options)?;
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for (idx, field) in batch.schema_ref().fields().iter().enumerate() {
        let column = batch.column(idx);
        let quantity = Quantity::of(field);
        let is_fraction =
            field.data_type().is_floating() || matches!(field.data_type(), DataType::Decimal128(..));
        let numbers = match quantity {
            Quantity::Address | Quantity::Other => None,
            Quantity::Bytes if is_fraction => Some(cast(column, &DataType::Float64)?),
            Quantity::Bytes => Some(cast(column, &DataType::Int64)?),
        };
        for (row, cells) in rows.iter_mut().enumerate() {
            cells.push(match (&numbers, quantity) {
                _ if column.is_null(row) => String::new(),
                (_, Quantity::Address) => human::address(column.as_primitive::<UInt64Type>().value(row)),
                // A sum that 64 bits do not hold stays a number.
                (Some(numbers), _) if numbers.is_valid(row) => human::signed_bytes(match is_fraction {
                    true => numbers.as_primitive::<Float64Type>().value(row).round() as i64,
                    false => numbers.as_primitive::<Int64Type>().value(row),
                }),
                _ => formatters[idx].value(row).try_to_string()?,
            });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, UInt64Array};

    use super::*;

    #[test]
    fn a_column_is_known_by_its_name_or_its_description() {
        for (name, data_type, quantity) in [
            ("address", DataType::UInt64, Quantity::Address),
            ("address_before", DataType::UInt64, Quantity::Address),
            ("min(address)", DataType::UInt64, Quantity::Address),
            ("held_by", DataType::UInt64, Quantity::Address),
            ("line", DataType::UInt64, Quantity::Other),
            ("row_number", DataType::UInt64, Quantity::Other),
            ("size", DataType::Int64, Quantity::Bytes),
            ("sum(size)", DataType::Int64, Quantity::Bytes),
            ("retained_delta", DataType::Int64, Quantity::Bytes),
            ("wasted_bytes", DataType::Int64, Quantity::Bytes),
            ("retained_count", DataType::Int64, Quantity::Other),
            ("count(size)", DataType::Int64, Quantity::Other),
            ("size / len", DataType::Int64, Quantity::Other),
            ("resized", DataType::Int64, Quantity::Other),
            ("size", DataType::Utf8, Quantity::Other),
            ("held_by", DataType::Utf8, Quantity::Other),
        ] {
            assert_eq!(Quantity::of(&Field::new(name, data_type, true)), quantity, "{name}");
        }
        let described = Field::new("x", DataType::UInt64, true)
            .with_metadata([(DESCRIPTION.to_owned(), "address of the object".to_owned())].into());
        assert_eq!(Quantity::of(&described), Quantity::Address);
    }

    #[test]
    fn people_see_one_notation() {
        let columns: [(&str, ArrayRef); 4] = [
            ("address", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
            ("size", Arc::new(Int64Array::from(vec![Some(-2048), Some(96)]))),
            ("avg(size)", Arc::new(Float64Array::from(vec![Some(1536.2), None]))),
            ("n", Arc::new(Int64Array::from(vec![Some(2048), Some(1)]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        assert_eq!(
            cells(&batch).expect("cells"),
            [vec!["@0xffffffffffffffff", "-2.0 KiB", "1.5 KiB", "2048"], vec!["", "96 B", "", "1"]]
        );
    }
}
