//! The functions of ours, a file each, and the one list of them.
//!
//! A new function is a new file with its documentation, its answer and a static that has both, and a line in the list.
//! From the list they are registered, and docs/functions.md, help and completion are made.

mod ancestor_types;
mod capacity;
mod chains;
mod children;
mod diff;
mod diff_objects;
mod dominated;
mod dominator_tree;
mod field;
mod field_value;
mod fields;
mod glob;
mod graph_nodes;
mod graph_types;
mod growing_containers;
mod immediate_dominators;
mod kids;
mod label;
mod module;
mod parents;
mod path;
mod path_clusters;
mod path_explain;
mod path_nodes;
mod path_summary;
mod path_tree;
mod path_ways;
mod program_name;
mod reachable;
mod removed_edges;
mod retained;
mod sccs;
mod short;
mod survivors;
mod suspects;
mod tag;
mod threads;
mod top_dominators;
mod top_retained;
mod trend;
mod type_dominators;
mod type_is;
mod type_matches;
mod type_part;
mod whatif_cut;

use std::sync::Arc;

use datafusion::{logical_expr::ScalarUDF, prelude::SessionContext};
use heaplake_store::Manifests;

use crate::{
    function::{Function, FunctionDoc},
    snapshot::Snapshot,
};
pub(crate) use tag::add_column;

/// Every function of ours, in the order of their presentation.
static FUNCTIONS: [&dyn Function; 45] = [
    &tag::TAG_FUNCTION,
    &glob::GLOB,
    &type_is::TYPE_IS,
    &type_matches::TYPE_MATCHES,
    &short::SHORT,
    &module::MODULE,
    &field::FIELD,
    &field_value::FIELD_VALUE,
    &fields::FIELDS,
    &label::LABEL,
    &program_name::PROGRAM_NAME,
    &capacity::CAPACITY,
    &capacity::UNUSED_BYTES,
    &parents::PARENTS,
    &children::CHILDREN,
    &kids::KIDS,
    &reachable::REACHABLE,
    &retained::RETAINED,
    &dominated::DOMINATED,
    &immediate_dominators::IMMEDIATE_DOMINATORS,
    &ancestor_types::ANCESTOR_TYPES,
    &sccs::SCCS,
    &top_dominators::TOP_DOMINATORS,
    &top_retained::TOP_RETAINED,
    &type_dominators::TYPE_DOMINATORS,
    &dominator_tree::DOMINATOR_TREE,
    &threads::THREADS,
    &chains::CHAINS,
    &whatif_cut::WHATIF_CUT,
    &graph_nodes::GRAPH_NODES,
    &graph_types::GRAPH_TYPES,
    &removed_edges::REMOVED_EDGES,
    &path::PATH,
    &path_nodes::PATH_NODES,
    &path_summary::PATH_SUMMARY,
    &path_ways::PATH_WAYS,
    &path_tree::PATH_TREE,
    &path_clusters::PATH_CLUSTERS,
    &path_explain::PATH_EXPLAIN,
    &diff::DIFF,
    &trend::TREND,
    &suspects::SUSPECTS,
    &diff_objects::DIFF_OBJECTS,
    &growing_containers::GROWING_CONTAINERS,
    &survivors::SURVIVORS,
];

/// The documentation of every function of ours, by group and in the order of their presentation.
pub fn functions() -> impl Iterator<Item = &'static FunctionDoc> {
    FUNCTIONS.iter().map(|function| function.doc())
}

/// Makes all functions known to the statements of a session.
pub(crate) fn register(context: &SessionContext, snapshot: &Arc<Snapshot>) {
    FUNCTIONS.iter().for_each(|function| function.register(context, snapshot));
}

/// A function of values.
#[derive(Debug)]
struct ValueFunction {
    doc: FunctionDoc,
    /// Makes the function for the dumps of a session.
    implementation: fn(&Arc<Manifests>) -> ScalarUDF,
}

impl Function for ValueFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        context.register_udf((self.implementation)(snapshot.manifests()));
    }
}
