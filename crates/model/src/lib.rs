//! What every other crate agrees on: dump names, the issues an import may meet, what helps against an error,
//! and the Arrow schema of every table of the lake with a description per column.
//!
//! Nothing here reads or writes anything.

mod dump_id;
mod issue;
mod remedy;
pub mod schema;

pub use dump_id::{DumpId, InvalidDumpId};
pub use issue::{Issue, IssueKind};
pub use remedy::Remedy;
