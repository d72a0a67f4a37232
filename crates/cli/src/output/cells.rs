//! What stands in the cells of a table for people: addresses as SQL and patterns take them, sizes with a unit, thousands of a
//! count set apart, the rest as it is.
//!
//! Formats for programs keep numbers.

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, UInt64Type},
    util::display::FormatOptions,
};
use heaplake_answers::{
    Result,
    encode::{Quantity, flat},
};

use crate::human;

/// The cells of a flat batch, row by row; null is the empty text. Thousands of counts are set apart where a terminal shows them:
/// a log may be read by a program, too.
pub fn cells(batch: &RecordBatch, on_terminal: bool) -> Result<Vec<Vec<String>>> {
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
            Quantity::Count if !on_terminal => None,
            Quantity::Bytes if is_fraction => Some(cast(column, &DataType::Float64)?),
            Quantity::Bytes | Quantity::Count => Some(cast(column, &DataType::Int64)?),
        };
        for (row, cells) in rows.iter_mut().enumerate() {
            cells.push(match (&numbers, quantity) {
                _ if column.is_null(row) => String::new(),
                (_, Quantity::Address) => human::address(column.as_primitive::<UInt64Type>().value(row)),
                (Some(numbers), Quantity::Count) if numbers.is_valid(row) => {
                    human::signed_count(numbers.as_primitive::<Int64Type>().value(row))
                }
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
    fn people_see_one_notation() {
        let columns: [(&str, ArrayRef); 4] = [
            ("address", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
            ("size", Arc::new(Int64Array::from(vec![Some(-2048), Some(96)]))),
            ("avg(size)", Arc::new(Float64Array::from(vec![Some(1536.2), None]))),
            ("n", Arc::new(Int64Array::from(vec![Some(2048), Some(-1000)]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        assert_eq!(
            cells(&batch, true).expect("cells"),
            [vec!["@0xffffffffffffffff", "-2.0 KiB", "1.5 KiB", "2,048"], vec!["", "96 B", "", "-1,000"]]
        );
        assert_eq!(cells(&batch, false).expect("cells")[0][3], "2048");
    }
}
