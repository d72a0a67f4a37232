//! The table `thread` while an import runs. It is made when the first thread comes: most formats have none.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray, UInt64Array};
use heaplake_model::schema::Table;
use heaplake_readers::ThreadRecord;

use super::appended::AppendedTable;
use crate::{Result, file_names::FileNames, parquet_file::FileSum, properties};

pub(super) struct ThreadFile<'f> {
    names: &'f FileNames<'f>,
    table: Option<AppendedTable>,
}

impl<'f> ThreadFile<'f> {
    pub(super) fn new(names: &'f FileNames<'f>) -> Self {
        Self { names, table: None }
    }

    pub(super) fn push(&mut self, threads: &[ThreadRecord]) -> Result<()> {
        if threads.is_empty() {
            return Ok(());
        }
        let table = match &mut self.table {
            Some(table) => table,
            none => none.insert(AppendedTable::create(self.names, Table::Thread, properties::thread())?),
        };
        let stacks = threads.iter().map(|thread| Some(&thread.stack).filter(|stack| !stack.is_empty()));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(threads.iter().map(|thread| &thread.name))),
            Arc::new(UInt64Array::from_iter(threads.iter().map(|thread| thread.address))),
            Arc::new(threads.iter().map(|thread| Some(thread.is_virtual)).collect::<BooleanArray>()),
            Arc::new(threads.iter().map(|thread| thread.state).collect::<StringArray>()),
            Arc::new(stacks.collect::<StringArray>()),
        ];
        table.append(columns)
    }

    pub(super) fn finish(self) -> Result<Option<(FileSum, u64)>> {
        self.table.map(AppendedTable::finish).transpose()
    }
}
