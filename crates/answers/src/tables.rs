//! Imports of dumps that are tables already.

use heaplake_engine::ObjectTables;
use heaplake_model::DumpId;
use heaplake_store::{ImportOptions, ImportProgress, Lake, Manifest};

use crate::{Result, session::shared_runtime};

/// Imports a dump from files with the columns of the tables `obj`, `edge` and `root`, with the same promises as
/// [`import`](crate::import). The name of the dump is `id`; [`ImportOptions::dump`] is not looked at.
pub fn import_tables(
    lake: &Lake,
    id: DumpId,
    tables: &ObjectTables,
    options: &ImportOptions,
    progress: &ImportProgress,
) -> Result<Manifest> {
    let runtime = shared_runtime()?;
    Ok(heaplake_engine::import_tables(lake, id, tables, runtime.handle(), options, progress)?)
}
