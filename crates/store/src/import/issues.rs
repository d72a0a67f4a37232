//! The table `issue` while an import runs. Issues are written as they come, so that a file full of damage needs no memory.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use heaplake_model::{Issue, schema};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    Result,
    lake::WorkFile,
    parquet_file::{FileSum, HashedFile},
};

pub(super) struct IssueFile {
    stored: WorkFile,
    writer: ArrowWriter<HashedFile>,
    buffer: Vec<Issue>,
    counts: BTreeMap<String, u64>,
    n_rows: u64,
}

const BUFFER: usize = 4096;
const ROW_GROUP: usize = 1 << 16;

impl IssueFile {
    pub(super) fn create(stored: WorkFile) -> Result<Self> {
        let file = HashedFile::create(&stored)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties);
        let writer = ArrowWriter::try_new_with_options(file, schema::issue(), options)
            .map_err(|source| stored.parquet_error(source))?;
        Ok(Self { stored, writer, buffer: Vec::new(), counts: BTreeMap::new(), n_rows: 0 })
    }

    pub(super) fn push(&mut self, issue: Issue) -> Result<()> {
        *self.counts.entry(issue.kind.name().to_owned()).or_default() += 1;
        self.n_rows += 1;
        self.buffer.push(issue);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes the remaining issues. Returns the file's sum, its rows, and the number of issues by kind.
    pub(super) fn finish(mut self) -> Result<(FileSum, u64, BTreeMap<String, u64>)> {
        self.flush()?;
        let file = self.writer.into_inner().map_err(|source| self.stored.parquet_error(source))?;
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
        written.map_err(|source| self.stored.parquet_error(source))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use heaplake_model::IssueKind;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::lake::WorkFolder;

    #[test]
    fn an_issue_of_a_format_without_lines_has_a_null_line() {
        let folder = WorkFolder::outside().unwrap();
        let stored = folder.file("issue");
        let mut file = IssueFile::create(stored.clone()).unwrap();
        for line in [None, Some(7)] {
            let what = "cut".to_owned();
            file.push(Issue { kind: IssueKind::Truncated, line, offset: 120, what }).unwrap();
        }
        let (_, n_rows, counts) = file.finish().unwrap();
        assert_eq!((n_rows, counts["truncated"]), (2, 2));
        let rows = ParquetRecordBatchReaderBuilder::try_new(stored.open().unwrap())
            .unwrap()
            .build()
            .unwrap()
            .next()
            .unwrap();
        let lines = rows.unwrap().column(0).clone();
        assert!(lines.is_null(0) && lines.is_valid(1));
    }
}
