//! Path patterns as table functions: `path`, `path_nodes`, `path_summary`, `path_explain`.
//!
//! ```text
//! text --compile.rs--> Compiled --table.rs--> plan --exec.rs--> rows
//!                                             index form: needs.rs, then a search over the graph index
//!                                             join form:  gather.rs, then the same search over what it gathered
//! ```
//!
//! The index form asks the tables only for what a predicate or label says, and runs the automaton over the mapped graph.
//! The join form needs no index: it goes level by level, each level an ordinary plan that joins the front to `edge` and
//! `obj`, and remembers what it came by. Which of several answers is first is decided by the same code, so both forms
//! give the same rows.

mod compile;
mod emit;
mod exec;
mod explain;
mod find;
mod fold;
mod gather;
mod ground;
mod named;
mod needs;
mod root;
mod rows;
mod table;

use std::sync::Arc;

use datafusion::prelude::SessionContext;

use crate::snapshot::Snapshot;
pub use compile::{PathShape, path_shape};
pub(crate) use compile::{nearest_types, of_pattern, spanned};
pub(crate) use emit::emit;
pub(crate) use fold::type_term;
pub use fold::{Segment, fold};
pub(crate) use root::RootPaths;
pub(crate) use table::{PathFunction, compile};

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hops with what `obj` and `edge` say of them.
    Path,
    /// Hops without names, values and labels.
    Nodes,
    /// A row per path.
    Summary,
    /// Why there is no path, or what was found.
    Explain,
}

/// Every table function of this module.
pub(crate) const FUNCTIONS: [(&str, Kind); 4] = [
    ("path", Kind::Path),
    ("path_nodes", Kind::Nodes),
    ("path_summary", Kind::Summary),
    ("path_explain", Kind::Explain),
];

/// Makes the functions known.
pub(crate) fn register(context: &SessionContext, snapshot: &Arc<Snapshot>) {
    for (name, kind) in FUNCTIONS {
        context.register_udtf(name, Arc::new(PathFunction::new(name, kind, snapshot.clone())));
    }
}
