//! Names of the files of a dump.

use std::path::{Path, PathBuf};

use heaplake_model::{DumpId, schema::Table};

use crate::{Error, FileEntry, Lake, Result, parquet_file::FileSum};

/// Where the files of a dump are written, and where they will lie in the lake.
pub(crate) struct FileNames {
    work: PathBuf,
    id: DumpId,
    /// Of this import alone, so that a replaced dump's files keep their names until they go.
    stem: String,
}

impl FileNames {
    pub(crate) fn new(work: &Path, id: &DumpId) -> Self {
        let unique = work.file_name().unwrap_or_default().to_string_lossy();
        let unique = unique.trim_start_matches(crate::commit::WORK_PREFIX);
        let stem = format!("{}-{unique}", chrono::Utc::now().format("%Y%m%dT%H%M%S"));
        Self { work: work.to_owned(), id: id.clone(), stem }
    }

    fn name(&self, table: Table) -> String {
        format!("{}-{}.parquet", self.stem, table.name())
    }

    /// Where the import writes the file of a table.
    pub(crate) fn path(&self, table: Table) -> PathBuf {
        self.work.join(self.name(table))
    }

    /// What the manifest says of a finished file.
    pub(crate) fn entry(&self, table: Table, sum: &FileSum, rows: u64) -> FileEntry {
        FileEntry {
            table,
            path: format!("{}/{}", Lake::table_folder(table, &self.id), self.name(table)),
            rows,
            bytes: sum.bytes,
            xxh3: sum.xxh3.clone(),
        }
    }

    /// The same, after the file is on the disk.
    pub(crate) fn synced(&self, table: Table, sum: FileSum, rows: u64) -> Result<FileEntry> {
        sum.file.sync_all().map_err(|source| Error::Io { path: self.path(table), source })?;
        Ok(self.entry(table, &sum, rows))
    }
}
