//! What every other crate agrees on: dump names, the issues an import may meet, what is known of each runtime and of a
//! process, what helps against an error, and the Arrow schema of every table of the lake with a description per column.
//!
//! Nothing here reads or writes anything.

mod cpython_capacity;
mod dump_id;
mod edge_kind;
mod entries;
mod issue;
mod jvm_entries;
mod layout_override;
mod memory;
mod nearest;
mod process;
mod remedy;
pub mod root_kind;
mod runtime;
pub mod schema;
mod text;
mod type_name;

pub use dump_id::{DumpId, InvalidDumpId};
pub use edge_kind::EdgeKind;
pub use entries::{ChainRule, CollectionParts, EntryStep, EntryWay, PartRule, SlotRule};
pub use issue::{Issue, IssueKind};
pub use layout_override::{FieldPacking, InvalidLayout, LayoutOverride};
pub use memory::{MemoryAccount, MemoryPart, ProcessMemory};
pub use nearest::nearest;
pub use process::{Collector, Process};
pub use remedy::Remedy;
pub use runtime::{
    Capacity, FieldLabels, KeptAlive, LabelSays, Nature, Runtime, TABLES, ThreadOfRoot, TypeRole,
    Unreferenced,
};
pub use text::shortened;
pub use type_name::{
    ShortTypeNames, asked_part, is_type_meant, module_of_type, renamed_chain, short_type_name,
};
