//! What every other crate agrees on: dump names, the issues an import may meet, and the Arrow schema of every
//! table of the lake with a description per column.
//!
//! Nothing here reads or writes anything.

mod dump_id;
mod issue;
pub mod schema;

pub use dump_id::{DumpId, InvalidDumpId};
pub use issue::{Issue, IssueKind};
