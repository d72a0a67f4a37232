//! Path patterns, and what the table functions over them share: `path`, `path_nodes`, `path_summary`,
//! `path_ways`, `path_tree`, `path_clusters`, `path_explain`.
//!
//! ```text
//! text --compile.rs--> Compiled --table.rs--> plan --exec.rs--> rows
//!                                             index form: needs.rs, then a search over the graph index
//!                                             join form:  gather.rs, then the same search over what it gathered
//! ```
//!
//! The index form asks the tables only for what a predicate or label says, and runs the automaton over the mapped graph.
//! The join form needs no index: it goes level by level, each level an ordinary plan that joins the front to `edge` and
//! `obj`, and remembers what it came by (spool.rs). Which of several answers is first is decided by the same code, so both forms
//! give the same rows.

mod clusters;
mod compile;
mod emit;
mod entries;
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
mod slots;
mod spool;
mod table;
mod tree;
mod ways;

use std::sync::Arc;

use datafusion::prelude::SessionContext;

use crate::{
    function::{ArgumentDoc, ArgumentKind, Function, FunctionDoc},
    snapshot::Snapshot,
};
pub use compile::{PathShape, RestOfPaths, path_shape, rest_of_paths};
pub(crate) use compile::{of_pattern, spanned};
pub(crate) use emit::emit;
pub use emit::keeping_alive;
pub use fold::{Segment, fold, type_term};
pub(crate) use root::RootPaths;
pub(crate) use rows::{CLUSTER_COLUMNS, HOP_COLUMNS, PATH_COLUMNS, TREE_COLUMNS, TYPE_COLUMNS, WAY_COLUMNS};
use table::PathTableFunction;
pub(crate) use table::{LINE_COLUMNS, NAMED_COLUMNS, compile};
pub(crate) use tree::TreeMerge;

/// A table function over paths.
#[derive(Debug)]
pub(crate) struct PathFunction {
    pub(crate) doc: FunctionDoc,
    pub(crate) gives: PathRows,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathRows {
    /// Hops with what `obj` and `edge` say of them.
    Named,
    /// Hops without names, values and labels.
    Nodes,
    /// A row per path.
    Summary,
    /// A row per way.
    Ways,
    /// A row per branch of the tree of paths.
    Tree,
    /// A row per cluster of paths.
    Clusters,
    /// Why there is no path, or what was found.
    Explanation,
}

impl Function for PathFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        let function = PathTableFunction::new(self, snapshot.clone());
        context.register_udtf(self.doc.name, Arc::new(function));
    }
}

/// The pattern that a function is about.
pub(crate) const PATTERN: ArgumentDoc = ArgumentDoc::required(
    "PATTERN",
    ArgumentKind::Pattern,
    "what is looked for; docs/paths.md has the language",
);
