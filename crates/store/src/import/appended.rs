//! Tables that are written while a dump is read: rows come as they are met, and need no memory until the end.

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};
use heaplake_model::schema::Table;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    errors::ParquetError,
    file::properties::WriterProperties,
};

use crate::{
    Result,
    file_names::FileNames,
    lake::WorkFile,
    parquet_file::{FileSum, HashedFile},
};

/// The file of a table that rows are appended to.
pub(super) struct AppendedTable {
    stored: WorkFile,
    schema: SchemaRef,
    writer: ArrowWriter<HashedFile>,
    n_rows: u64,
}

impl AppendedTable {
    pub(super) fn create(names: &FileNames<'_>, table: Table, properties: WriterProperties) -> Result<Self> {
        let stored = names.file(table);
        let (file, schema) = (HashedFile::create(&stored)?, table.schema());
        let options = ArrowWriterOptions::new().with_properties(properties);
        let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options)
            .map_err(|source| stored.parquet_error(source))?;
        Ok(Self { stored, schema, writer, n_rows: 0 })
    }

    /// Appends a row group.
    pub(super) fn append(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let rows = RecordBatch::try_new(self.schema.clone(), columns).map_err(ParquetError::from);
        let written = rows.and_then(|rows| {
            self.n_rows += rows.num_rows() as u64;
            self.writer.write(&rows)?;
            self.writer.flush()
        });
        written.map_err(|source| self.stored.parquet_error(source))
    }

    /// Ends the file. Returns its sum and its number of rows.
    pub(super) fn finish(self) -> Result<(FileSum, u64)> {
        let file = self.writer.into_inner().map_err(|source| self.stored.parquet_error(source))?;
        Ok((file.finish()?, self.n_rows))
    }
}
