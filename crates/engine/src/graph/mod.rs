//! Questions to the graph index as table functions: `parents`, `retained`, `whatif_cut`, ...
//!
//! ```text
//! call --table.rs--> provider --exec.rs--> GraphExec over a plan per set --answer.rs--> rows of nodes
//! ```
//!
//! A set of objects is a predicate over `obj` or a list of addresses (`set.rs`). A predicate becomes an ordinary plan
//! below the operator, so that it prunes and shows in EXPLAIN.

mod answer;
mod chains;
pub(crate) mod exec;
pub(crate) mod layer;
mod set;
mod table;
mod tree;

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    prelude::SessionContext,
};

pub(crate) use answer::SetRows;
pub use layer::Edited;
pub use set::address;
pub(crate) use set::{Set, check_is_one_expression};
use table::GraphFunction;

use crate::snapshot::Snapshot;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who refers to the set, up to some hops.
    Parents,
    /// What the set refers to, up to some hops.
    Children,
    /// What the set refers to and nobody else does, and so on.
    Kids,
    /// What can be reached from the set, itself included.
    Reachable,
    /// What the set retains together: one row.
    Retained,
    /// What only the objects of the set hold, each for itself.
    Dominated,
    /// Which objects hold those of the set.
    ImmediateDominators,
    /// The types above the set, level by level.
    AncestorTypes,
    /// Cycles of references.
    Sccs,
    /// The largest objects that no other holds.
    TopDominators,
    /// What would go with the set.
    WhatifCut,
    /// The largest objects.
    TopRetained,
    /// Which types hold which.
    TypeDominators,
    /// Totals per type.
    Types,
    /// The references that a layer is without.
    RemovedEdges,
    /// The dominator tree from the top.
    Tree,
    /// Chains along which types repeat.
    Chains,
    /// All objects, with what the index says.
    Nodes,
}

/// Every table function, with how it is called.
pub(crate) const FUNCTIONS: [(&str, Kind); 18] = [
    ("parents", Kind::Parents),
    ("children", Kind::Children),
    ("kids", Kind::Kids),
    ("reachable", Kind::Reachable),
    ("retained", Kind::Retained),
    ("dominated", Kind::Dominated),
    ("immediate_dominators", Kind::ImmediateDominators),
    ("ancestor_types", Kind::AncestorTypes),
    ("sccs", Kind::Sccs),
    ("top_dominators", Kind::TopDominators),
    ("whatif_cut", Kind::WhatifCut),
    ("top_retained", Kind::TopRetained),
    ("type_dominators", Kind::TypeDominators),
    ("dominator_tree", Kind::Tree),
    ("chains", Kind::Chains),
    ("graph_nodes", Kind::Nodes),
    ("graph_types", Kind::Types),
    ("removed_edges", Kind::RemovedEdges),
];

/// Makes the functions known.
pub(crate) fn register(context: &SessionContext, snapshot: &Arc<Snapshot>) {
    for (name, kind) in FUNCTIONS {
        context.register_udtf(name, Arc::new(GraphFunction::new(name, kind, snapshot.clone())));
    }
}

/// What a number that a function takes says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    name: &'static str,
    default: u32,
}

impl Kind {
    /// How many sets are to be given: at least and at most.
    fn n_sets(self) -> (usize, usize) {
        match self {
            Kind::Sccs
            | Kind::TopDominators
            | Kind::TopRetained
            | Kind::TypeDominators
            | Kind::Types
            | Kind::RemovedEdges
            | Kind::Chains
            | Kind::Nodes => (0, 0),
            Kind::Tree => (0, 1),
            Kind::WhatifCut => (1, usize::MAX),
            _ => (1, 1),
        }
    }

    fn numbers(self) -> &'static [Number] {
        match self {
            Kind::Parents | Kind::Children => &[Number { name: "hops", default: 1 }],
            Kind::AncestorTypes => &[Number { name: "depth", default: 10 }],
            Kind::TopDominators | Kind::TopRetained => &[Number { name: "n", default: 20 }],
            Kind::Chains => &[Number { name: "min", default: 10 }],
            Kind::Tree => &[Number { name: "depth", default: 3 }, Number { name: "children", default: 8 }],
            _ => &[],
        }
    }

    /// Bytes of memory that an answer takes for every object of the dump, about.
    fn bytes_per_object(self, n_members: usize) -> usize {
        match self {
            // They look at the objects that they name, or at one after the other.
            Kind::Dominated | Kind::ImmediateDominators | Kind::Tree | Kind::Types | Kind::TypeDominators => {
                0
            }
            Kind::Retained if n_members <= 1 => 0,
            // Measured on a list, in which every object is a step of the deepest way and then a place of the chain, with
            // its references, component and number.
            Kind::Chains => 112,
            // Sets of bits, a list of nodes and their hops.
            _ => 16,
        }
    }

    /// How it is called, for messages.
    fn usage(self) -> &'static str {
        match self {
            Kind::Parents => "parents(set [, hops] [, dump])",
            Kind::Children => "children(set [, hops] [, dump])",
            Kind::Kids => "kids(set [, dump])",
            Kind::Reachable => "reachable(set [, dump])",
            Kind::Retained => "retained(set [, dump])",
            Kind::Dominated => "dominated(set [, dump])",
            Kind::ImmediateDominators => "immediate_dominators(set [, dump])",
            Kind::AncestorTypes => "ancestor_types(set [, depth] [, dump])",
            Kind::Sccs => "sccs([dump])",
            Kind::TopDominators => "top_dominators([n] [, dump])",
            Kind::WhatifCut => "whatif_cut(set [, set]...)",
            Kind::TopRetained => "top_retained([n] [, dump])",
            Kind::TypeDominators => "type_dominators([dump])",
            Kind::Tree => "dominator_tree([set] [, depth [, children]] [, dump])",
            Kind::Chains => "chains([min] [, dump])",
            Kind::Nodes => "graph_nodes([dump])",
            Kind::Types => "graph_types([dump])",
            Kind::RemovedEdges => "removed_edges([dump])",
        }
    }

    /// The columns of the answer.
    fn schema(self) -> SchemaRef {
        let own = match self {
            Kind::Parents | Kind::Children => vec![column("hops", DataType::UInt32, false)],
            Kind::Reachable | Kind::Kids => vec![column("hops", DataType::UInt32, false)],
            Kind::Dominated => vec![column("dominator", DataType::UInt64, false)],
            Kind::Sccs => {
                vec![column("component", DataType::Int64, false), column("objects", DataType::Int64, false)]
            }
            Kind::TopDominators | Kind::TopRetained | Kind::WhatifCut | Kind::Nodes => Vec::new(),
            Kind::Retained => {
                let names = ["objects", "size", "retained_count", "retained"];
                let columns = names.map(|name| column(name, DataType::Int64, false));
                return Arc::new(Schema::new(columns.to_vec()));
            }
            Kind::ImmediateDominators => {
                return Arc::new(Schema::new(vec![
                    column("address", DataType::UInt64, true),
                    column("type", DataType::Utf8View, true),
                    column("objects", DataType::Int64, false),
                    column("size", DataType::Int64, false),
                    column("retained", DataType::Int64, false),
                ]));
            }
            Kind::Tree => {
                return Arc::new(Schema::new(vec![
                    column("line", DataType::Int64, false),
                    column("depth", DataType::UInt32, false),
                    column("held_by", DataType::UInt64, true),
                    column("address", DataType::UInt64, true),
                    column("type", DataType::Utf8View, true),
                    column("root_kind", DataType::Utf8View, true),
                    column("objects", DataType::Int64, false),
                    column("size", DataType::Int64, false),
                    column("retained", DataType::Int64, false),
                    column("retained_count", DataType::Int64, false),
                ]));
            }
            Kind::Chains => {
                return Arc::new(Schema::new(vec![
                    column("rank", DataType::Int64, false),
                    column("motif", DataType::Utf8View, false),
                    column("repeats", DataType::Int64, false),
                    column("chains", DataType::Int64, false),
                    column("objects", DataType::Int64, false),
                    column("size", DataType::Int64, false),
                    column("retained", DataType::Int64, false),
                    column("head", DataType::UInt64, false),
                    column("head_type", DataType::Utf8View, false),
                    column("head_root_distance", DataType::UInt32, true),
                    column("root_path", DataType::Utf8View, true),
                ]));
            }
            Kind::Types => {
                return Arc::new(Schema::new(vec![
                    column("type", DataType::Utf8View, false),
                    column("objects", DataType::Int64, false),
                    column("size", DataType::Int64, false),
                    column("retained", DataType::Int64, false),
                ]));
            }
            Kind::RemovedEdges => {
                return Arc::new(Schema::new(vec![
                    column("parent", DataType::UInt64, false),
                    column("idx", DataType::UInt32, false),
                ]));
            }
            Kind::TypeDominators => {
                return Arc::new(Schema::new(vec![
                    column("type", DataType::Utf8View, false),
                    column("dominator_type", DataType::Utf8View, true),
                    column("objects", DataType::Int64, false),
                    column("size", DataType::Int64, false),
                    column("retained", DataType::Int64, false),
                ]));
            }
            Kind::AncestorTypes => {
                return Arc::new(Schema::new(vec![
                    column("hops", DataType::UInt32, false),
                    column("type", DataType::Utf8View, false),
                    column("objects", DataType::Int64, false),
                    column("size", DataType::Int64, false),
                ]));
            }
        };
        Arc::new(Schema::new(own.into_iter().chain(node_columns()).collect::<Vec<_>>()))
    }
}

/// The columns of an object.
fn node_columns() -> [Field; 9] {
    [
        column("address", DataType::UInt64, false),
        column("type", DataType::Utf8View, false),
        column("size", DataType::Int64, false),
        column("root_kind", DataType::Utf8View, true),
        column("distance", DataType::UInt32, true),
        column("idom", DataType::UInt64, true),
        column("idom_type", DataType::Utf8View, true),
        column("retained", DataType::Int64, false),
        column("retained_count", DataType::Int64, false),
    ]
}

fn column(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field::new(name, data_type, nullable)
}
