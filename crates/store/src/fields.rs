//! The table `field` of a dump: which fields the objects of a type have, and the values of some.
//!
//! Most row groups are of one field of one type, so that their statistics say which of them are not needed.

use std::collections::{BTreeSet, HashMap};

use arrow::{
    array::{Array as _, AsArray, RecordBatch},
    datatypes::{Float64Type, Int64Type, UInt64Type},
};
use heaplake_model::schema::Table;
use parquet::{
    arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::{
        metadata::{ParquetMetaData, RowGroupMetaData},
        statistics::Statistics,
    },
};

use crate::{Error, FileEntry, Lake, Manifest, Result};

/// A field of the objects of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldOfType {
    /// Its name.
    pub name: String,
    /// What its values are, as in the column `kind`.
    pub kind: String,
}

impl Lake {
    /// The fields of the objects of a type, in byte order; several of one name where classes of one name differ.
    pub fn fields_of_type(&self, manifest: &Manifest, type_name: &str) -> Result<BTreeSet<FieldOfType>> {
        manifest.check_fields()?;
        let mut fields = BTreeSet::new();
        for entry in manifest.files_of(Table::Field) {
            let wants = |group: &Bounds<'_>| group.may_have("type", type_name);
            self.field_rows(manifest, entry, &["type", "name", "kind"], wants, |rows| {
                let [types, names, kinds] = [texts(rows, 0)?, texts(rows, 1)?, texts(rows, 2)?];
                let mut last = None;
                for row in (0..rows.num_rows()).filter(|row| types.value(*row) == type_name) {
                    let field = (names.value(row), kinds.value(row));
                    if last.replace(field) != Some(field) {
                        fields.insert(FieldOfType { name: field.0.to_owned(), kind: field.1.to_owned() });
                    }
                }
                Some(())
            })?;
        }
        Ok(fields)
    }

    /// The values of a field as texts, by address: of those of `addresses` (ascending) whose objects are of one of the types
    /// and have such a field with a value of its own.
    pub fn field_values(
        &self,
        manifest: &Manifest,
        field: &str,
        types: &BTreeSet<&str>,
        addresses: &[u64],
    ) -> Result<HashMap<u64, String>> {
        let mut values = HashMap::new();
        let (Some(first), Some(last)) = (addresses.first(), addresses.last()) else { return Ok(values) };
        for entry in manifest.files_of(Table::Field) {
            let wants = |group: &Bounds<'_>| {
                group.may_have("name", field)
                    && group.may_be_within("address", *first, *last)
                    && types.iter().any(|name| group.may_have("type", name))
            };
            let columns = ["address", "name", "kind", "integer", "float", "text"];
            self.field_rows(manifest, entry, &columns, wants, |rows| {
                let of = rows.column(0).as_primitive_opt::<UInt64Type>()?;
                let [names, kinds, chars] = [texts(rows, 1)?, texts(rows, 2)?, texts(rows, 5)?];
                let integers = rows.column(3).as_primitive_opt::<Int64Type>()?;
                let floats = rows.column(4).as_primitive_opt::<Float64Type>()?;
                for row in (0..rows.num_rows()).filter(|row| names.value(*row) == field) {
                    if addresses.binary_search(&of.value(row)).is_err() {
                        continue;
                    }
                    let value = if integers.is_valid(row) {
                        match (kinds.value(row), integers.value(row)) {
                            ("boolean", 0) => "false".to_owned(),
                            ("boolean", _) => "true".to_owned(),
                            (_, number) => number.to_string(),
                        }
                    } else if floats.is_valid(row) {
                        format!("{:?}", floats.value(row))
                    } else {
                        chars.value(row).to_owned()
                    };
                    values.entry(of.value(row)).or_insert(value);
                }
                Some(())
            })?;
        }
        Ok(values)
    }

    /// Calls `take` with the rows of the row groups that are wanted; it returns `None` where columns are not of the table.
    fn field_rows(
        &self,
        manifest: &Manifest,
        entry: &FileEntry,
        columns: &[&str],
        wants: impl Fn(&Bounds<'_>) -> bool,
        mut take: impl FnMut(&RecordBatch) -> Option<()>,
    ) -> Result<()> {
        let stored = self.file(entry);
        let parquet_error = |source| stored.parquet_error(source);
        let file =
            stored.open().map_err(|source| self.perhaps_replaced(manifest, stored.io_error(source)))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_error)?;
        let groups = builder.metadata().row_groups().iter().enumerate();
        let wanted = groups.filter(|(_, group)| wants(&Bounds { file: builder.metadata(), group }));
        let wanted: Vec<usize> = wanted.map(|(position, _)| position).collect();
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let reader = builder.with_row_groups(wanted).with_projection(mask).build().map_err(parquet_error)?;
        for rows in reader {
            let rows = rows.map_err(|error| parquet_error(error.into()))?;
            let taken = if rows.num_columns() == columns.len() { take(&rows) } else { None };
            taken.ok_or_else(|| -> Error { stored.damaged("its columns are not those of field") })?;
        }
        Ok(())
    }
}

fn texts(rows: &RecordBatch, column: usize) -> Option<&arrow::array::StringArray> {
    rows.column(column).as_string_opt::<i32>()
}

/// What the statistics of a row group say. Where there are none, it may have anything.
struct Bounds<'m> {
    file: &'m ParquetMetaData,
    group: &'m RowGroupMetaData,
}

impl Bounds<'_> {
    fn statistics(&self, column: &str) -> Option<&Statistics> {
        let columns = self.file.file_metadata().schema_descr().columns();
        let position = columns.iter().position(|descriptor| descriptor.name() == column)?;
        self.group.column(position).statistics()
    }

    fn may_have(&self, column: &str, text: &str) -> bool {
        let Some(statistics) = self.statistics(column) else { return true };
        let is_below = statistics.min_bytes_opt().is_some_and(|least| text.as_bytes() < least);
        let is_above = statistics.max_bytes_opt().is_some_and(|most| text.as_bytes() > most);
        !is_below && !is_above
    }

    fn may_be_within(&self, column: &str, first: u64, last: u64) -> bool {
        let Some(Statistics::Int64(statistics)) = self.statistics(column) else { return true };
        // The file has unsigned numbers as signed ones of the same bits, in the order of the unsigned.
        let is_below = statistics.max_opt().is_some_and(|most| (*most as u64) < first);
        let is_above = statistics.min_opt().is_some_and(|least| (*least as u64) > last);
        !is_below && !is_above
    }
}
