//! Builds the batches that the program makes itself, column by column.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Int64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
        TimestampMicrosecondArray, UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Schema},
};
use chrono::{DateTime, Utc};

use super::flat::{align_right, keep_whole};
use crate::Result;

/// Columns of equal length, in the order they were added.
#[derive(Debug, Default)]
pub struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn add(mut self, field: Field, array: ArrayRef) -> Self {
        self.fields.push(field);
        self.arrays.push(array);
        self
    }

    /// A column of text.
    pub fn text(self, name: &str, cells: impl IntoIterator<Item = String>) -> Self {
        let array = StringArray::from_iter_values(cells);
        self.add(Field::new(name, DataType::Utf8, true), Arc::new(array))
    }

    /// A column of text that is never cut in tables, such as an id.
    pub fn name(self, name: &str, cells: impl IntoIterator<Item = String>) -> Self {
        let array = StringArray::from_iter_values(cells);
        self.add(keep_whole(Field::new(name, DataType::Utf8, true)), Arc::new(array))
    }

    /// A column of text that stands to the right in tables and is never cut, such as a size with its unit.
    pub fn quantity(self, name: &str, cells: impl IntoIterator<Item = String>) -> Self {
        let array = StringArray::from_iter_values(cells);
        self.add(align_right(Field::new(name, DataType::Utf8, true)), Arc::new(array))
    }

    /// A column of counts; what does not fit 63 bits becomes the largest number.
    pub fn count(self, name: &str, cells: impl IntoIterator<Item = u64>) -> Self {
        self.number(name, cells.into_iter().map(|n| Some(i64::try_from(n).unwrap_or(i64::MAX))))
    }

    /// A column of numbers.
    pub fn number(self, name: &str, cells: impl IntoIterator<Item = Option<i64>>) -> Self {
        let array: Int64Array = cells.into_iter().collect();
        self.add(Field::new(name, DataType::Int64, true), Arc::new(array))
    }

    /// A column of addresses.
    pub fn address(self, name: &str, cells: impl IntoIterator<Item = Option<u64>>) -> Self {
        let array: UInt64Array = cells.into_iter().collect();
        self.add(Field::new(name, DataType::UInt64, true), Arc::new(array))
    }

    /// A column of text, some of it null.
    pub fn optional_text(self, name: &str, cells: impl IntoIterator<Item = Option<String>>) -> Self {
        let array: StringArray = cells.into_iter().collect();
        self.add(Field::new(name, DataType::Utf8, true), Arc::new(array))
    }

    /// A column of times.
    pub fn time(self, name: &str, cells: impl IntoIterator<Item = DateTime<Utc>>) -> Self {
        let micros = cells.into_iter().map(|time| time.timestamp_micros());
        let array = TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC");
        let data_type = arrow::array::Array::data_type(&array).clone();
        self.add(Field::new(name, data_type, true), Arc::new(array))
    }

    /// A column of times, some of them null.
    pub fn times(self, name: &str, cells: impl IntoIterator<Item = Option<DateTime<Utc>>>) -> Self {
        let micros = cells.into_iter().map(|time| time.map(|time| time.timestamp_micros()));
        let array = micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC");
        let data_type = arrow::array::Array::data_type(&array).clone();
        self.add(Field::new(name, data_type, true), Arc::new(array))
    }

    /// A column of maps from text to text.
    pub fn map<'a>(
        self,
        name: &str,
        cells: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
    ) -> Result<Self> {
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for cell in cells {
            for (key, value) in cell {
                maps.keys().append_value(key);
                maps.values().append_value(value);
            }
            maps.append(true)?;
        }
        let array = maps.finish();
        let data_type = arrow::array::Array::data_type(&array).clone();
        Ok(self.add(Field::new(name, data_type, true), Arc::new(array)))
    }

    /// A column of one cell that holds a whole batch as a list of structures.
    pub fn nested(self, name: &str, rows: RecordBatch) -> Self {
        let item = Arc::new(Field::new_struct("item", rows.schema_ref().fields().clone(), false));
        let offsets = OffsetBuffer::from_lengths([rows.num_rows()]);
        let list = ListArray::new(Arc::clone(&item), offsets, Arc::new(StructArray::from(rows)), None);
        self.add(Field::new(name, DataType::List(item), false), Arc::new(list))
    }

    /// The batch.
    pub fn batch(self) -> Result<RecordBatch> {
        Ok(RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.arrays)?)
    }
}
