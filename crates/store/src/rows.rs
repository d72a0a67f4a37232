//! Some rows of a table of a dump, by their positions: for questions about a few objects or references of millions.
//!
//! Only the pages that contain the rows are read. The position of a node's edge is its row in `edge`; an object's row in `obj`
//! is given by type, then address.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{RecordBatch, new_null_array},
    compute::{cast, concat_batches, take_record_batch},
    datatypes::{Fields, Schema},
    error::ArrowError,
};
use heaplake_model::schema::Table;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
        },
    },
    file::metadata::PageIndexPolicy,
};

use crate::{FileEntry, Lake, Manifest, Result};

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 15;

impl Lake {
    /// The rows of a table at some positions, in the order of `positions`, with the columns of these names in the order of
    /// the table. A position twice is a row twice; one that the table does not have is an error.
    pub fn rows_at(
        &self,
        manifest: &Manifest,
        table: Table,
        columns: &[&str],
        positions: &[u64],
    ) -> Result<RecordBatch> {
        let mut wanted = positions.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let fields = table.schema();
        let names = |name: &str| columns.contains(&name);
        let indices: Vec<usize> =
            (0..fields.fields().len()).filter(|i| names(fields.field(*i).name())).collect();
        let schema = Arc::new(fields.project(&indices).map_err(|error| {
            self.folder_damaged(
                &crate::lake::LakeFolder::table(table, &manifest.id),
                &format!("it cannot be read: {error}"),
            )
        })?);
        let mut batches = Vec::new();
        let mut first = 0;
        for entry in manifest.files_of(table) {
            let end = first + entry.rows;
            let (from, to) =
                (wanted.partition_point(|row| *row < first), wanted.partition_point(|row| *row < end));
            if from < to {
                let rows = wanted[from..to].iter().map(|row| (row - first) as usize);
                let ranges = rows.map(|row| row..row + 1);
                self.read_rows(manifest, entry, columns, Some(ranges.collect()), |batch| {
                    batches.push(batch);
                    Ok(())
                })?;
            }
            first = end;
        }
        let damaged =
            |what: String| self.folder_damaged(&crate::lake::LakeFolder::table(table, &manifest.id), &what);
        let found = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        if found != wanted.len() {
            return Err(damaged(format!("it has {found} of {} rows that are asked for", wanted.len())));
        }
        let all = concat_batches(&schema, &batches).map_err(|error| damaged(error.to_string()))?;
        let order = positions.iter().map(|row| wanted.partition_point(|other| other < row) as u64);
        let order = arrow::array::UInt64Array::from_iter_values(order);
        take_record_batch(&all, &order).map_err(|error| damaged(error.to_string()))
    }

    /// Calls `take` with the batches of some columns of a table, in order.
    pub fn each_batch(
        &self,
        manifest: &Manifest,
        table: Table,
        columns: &[&str],
        mut take: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        manifest
            .files_of(table)
            .try_for_each(|entry| self.read_rows(manifest, entry, columns, None, &mut take))
    }

    fn read_rows(
        &self,
        manifest: &Manifest,
        entry: &FileEntry,
        columns: &[&str],
        rows: Option<Vec<Range<usize>>>,
        mut take: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let stored = self.file(entry);
        let parquet_error = |source| stored.parquet_error(source);
        let file =
            stored.open().map_err(|source| self.perhaps_replaced(manifest, stored.io_error(source)))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(parquet_error)?;
        let mask = ProjectionMask::columns(metadata.parquet_schema(), columns.iter().copied());
        let n_rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        if let Some(ranges) = rows {
            if ranges.last().is_some_and(|range| range.end > n_rows) {
                return Err(stored.damaged(format!("it has {n_rows} rows and not {}", entry.rows)));
            }
            let selection = RowSelection::from_consecutive_ranges(ranges.into_iter(), n_rows);
            builder = builder.with_row_selection(selection);
        }
        for batch in builder.build().map_err(parquet_error)? {
            let batch = batch.and_then(|batch| with_all_columns(&batch, entry.table, columns));
            take(batch.map_err(|error| parquet_error(error.into()))?)?;
        }
        Ok(())
    }
}

/// Rows with the columns of these names in the order and of the types of the table; one that an older heaplake did not write
/// is null.
fn with_all_columns(batch: &RecordBatch, table: Table, columns: &[&str]) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let fields: Fields =
        schema.fields().iter().filter(|field| columns.contains(&field.name().as_str())).cloned().collect();
    let arrays = fields.iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), arrays.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, UInt64Array};

    use super::*;

    #[test]
    fn a_column_that_an_older_version_did_not_write_is_null() {
        let address = ("address", Arc::new(UInt64Array::from(vec![16, 32])) as _);
        let size = ("size", Arc::new(Int32Array::from(vec![1, 2])) as _);
        let old = RecordBatch::try_from_iter([size, address]).expect("columns");
        let rows = with_all_columns(&old, Table::Obj, &["address", "size", "external"]).expect("columns");
        let schema = Table::Obj.schema();
        for (name, field) in ["address", "size", "external"].iter().zip(rows.schema().fields()) {
            assert_eq!(field.as_ref(), schema.field_with_name(name).expect("a column"));
        }
        assert_eq!(rows.column(2).null_count(), 2);
        // An address has no substitute.
        assert!(with_all_columns(&old.project(&[0]).expect("a column"), Table::Obj, &["address"]).is_err());
    }
}
