//! Names of the files of a dump.

use heaplake_model::{DumpId, schema::Table};

use crate::{
    FileEntry, Result,
    lake::{LakeFolder, WorkFile, WorkFolder, table_file_name},
    parquet_file::FileSum,
};

/// Where the files of a dump are written, and where they will be in the lake.
pub(crate) struct FileNames<'w> {
    work: &'w WorkFolder,
    id: DumpId,
    /// Of this import alone, so that a replaced dump's files keep their names until they are deleted.
    stem: String,
}

impl<'w> FileNames<'w> {
    pub(crate) fn new(work: &'w WorkFolder, id: &DumpId) -> Self {
        let stem = format!("{}-{}", chrono::Utc::now().format("%Y%m%dT%H%M%S"), work.unique());
        Self { work, id: id.clone(), stem }
    }

    /// The folder that the files are written to.
    pub(crate) fn work(&self) -> &'w WorkFolder {
        self.work
    }

    /// The file of a table while the import writes it.
    pub(crate) fn file(&self, table: Table) -> WorkFile {
        self.work.file(&table_file_name(&self.stem, table))
    }

    /// What the manifest says of a finished file.
    pub(crate) fn entry(&self, table: Table, sum: &FileSum, rows: u64) -> FileEntry {
        let name = table_file_name(&self.stem, table);
        FileEntry {
            table,
            path: LakeFolder::table(table, &self.id).file(&name).to_string(),
            rows,
            bytes: sum.bytes,
            xxh3: sum.xxh3.clone(),
            footer_bytes: sum.footer_bytes,
        }
    }

    /// The same, after the file is on the disk.
    pub(crate) fn synced(&self, table: Table, sum: FileSum, rows: u64) -> Result<FileEntry> {
        sum.file.sync_all().map_err(|source| self.file(table).io_error(source))?;
        Ok(self.entry(table, &sum, rows))
    }
}
