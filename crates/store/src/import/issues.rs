//! The table `issue` while an import runs: written as issues come, so that a file full of damage needs no memory.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use heaplake_model::{Issue, schema};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    Error, Result,
    parquet_file::{FileSum, HashedFile},
};

pub(super) struct IssueFile {
    path: PathBuf,
    writer: ArrowWriter<HashedFile>,
    buffer: Vec<Issue>,
    counts: BTreeMap<String, u64>,
    n_rows: u64,
}

const BUFFER: usize = 4096;
const ROW_GROUP: usize = 1 << 16;

impl IssueFile {
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = HashedFile::create(&path)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties);
        let writer = ArrowWriter::try_new_with_options(file, schema::issue(), options)
            .map_err(|source| Error::Parquet { path: path.clone(), source })?;
        Ok(Self { path, writer, buffer: Vec::new(), counts: BTreeMap::new(), n_rows: 0 })
    }

    pub(super) fn push(&mut self, issue: Issue) -> Result<()> {
        *self.counts.entry(issue.kind.name().to_owned()).or_default() += 1;
        self.n_rows += 1;
        self.buffer.push(issue);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes the rest; the file's sum, its rows and the number of issues by kind.
    pub(super) fn finish(mut self) -> Result<(FileSum, u64, BTreeMap<String, u64>)> {
        self.flush()?;
        let file =
            self.writer.into_inner().map_err(|source| Error::Parquet { path: self.path.clone(), source })?;
        Ok((file.finish()?, self.n_rows, self.counts))
    }

    fn flush(&mut self) -> Result<()> {
        let issues = std::mem::take(&mut self.buffer);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter(issues.iter().map(|issue| issue.line))),
            Arc::new(UInt64Array::from_iter_values(issues.iter().map(|issue| issue.offset))),
            Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| issue.kind.name()))),
            Arc::new(StringArray::from_iter_values(issues.iter().map(|issue| &issue.what))),
        ];
        let batch =
            RecordBatch::try_new(schema::issue(), columns).map_err(parquet::errors::ParquetError::from);
        let written = batch.and_then(|batch| self.writer.write(&batch));
        written.map_err(|source| Error::Parquet { path: self.path.clone(), source })
    }
}
