//! Paths that an automaton accepts: regular path queries over the graph.
//!
//! The search is over pairs of a node and a state of the automaton (the product graph), breadth first with a visited
//! set, so that cycles cannot hang it: O((nodes + edges) * states). Before a node is looked at, the same search over
//! types alone says which types can be where ([`TypeGraph`]); what cannot lead to an end is never visited, and a pattern
//! whose types cannot follow each other costs nothing.
//!
//! ```text
//! Pattern --prepare.rs--> PathSearch --meet.rs------> shortest paths (from both ends)
//!                                    --ranked.rs----> k shortest paths, acyclic paths
//!                                    --bindings.rs--> the shortest path for each object of a kind
//!                                    --reach.rs-----> the ends of all paths
//! ```
//!
//! Paths are ordered by their number of hops, then by their nodes from the first on, so that every answer is the same
//! whatever found it. Memory is that of the visited pairs: a few bytes for each, and a bit where there are many.

mod bindings;
mod fronts;
mod meet;
mod prepare;
mod ranked;
mod reach;

use crate::{BitSet, Graph, Id, Walk};

pub use bindings::Bindings;
pub use meet::{Outcome, Shortest};
pub use prepare::{EdgeSet, Follow, PathSearch, Types};
pub use ranked::{Acyclic, Ranked};

/// An automaton, with tests that are sets.
#[derive(Debug, Clone, Default)]
pub struct Pattern<I> {
    /// The tests of nodes, by the number that arcs call them.
    pub tests: Vec<Test>,
    /// Nodes that pass one of these are on no path.
    pub except: Vec<Test>,
    /// The sets of edges, by the number that hops call them.
    pub follow: Vec<Follow<I>>,
    /// The hop of each state; one more state accepts.
    pub hops: Vec<Hop>,
    /// Where a path may begin.
    pub starts: Vec<Arc>,
    /// By state, where its hop leads.
    pub next: Vec<Vec<Arc>>,
}

/// A test of nodes: of one of the types, or one of the nodes, and in the filter where there is one.
#[derive(Debug, Clone, Default)]
pub struct Test {
    /// Types that pass.
    pub types: BitSet,
    /// Nodes that pass whatever their type.
    pub nodes: Option<BitSet>,
    /// The only nodes that pass.
    pub filter: Option<BitSet>,
}

/// One hop.
#[derive(Debug, Clone, Copy)]
pub struct Hop {
    /// Which way.
    pub way: Walk,
    /// Number of the set of edges.
    pub follow: usize,
}

/// To a state, for a node that passes all of the tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arc {
    /// Numbers of tests.
    pub tests: Vec<u32>,
    /// The state.
    pub to: u32,
}

/// Which types refer to which, by the edges that are followed.
#[derive(Debug, Clone)]
pub struct TypeGraph {
    children: Vec<BitSet>,
    parents: Vec<BitSet>,
}

impl TypeGraph {
    /// Takes pairs of parent and child.
    pub fn new(n_types: usize, pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut children = vec![BitSet::new(n_types); n_types];
        let mut parents = children.clone();
        for (parent, child) in pairs {
            let (parent, child) = (parent as usize, child as usize);
            if parent < n_types && child < n_types {
                children[parent].insert(child);
                parents[child].insert(parent);
            }
        }
        Self { children, parents }
    }

    /// Number of types.
    pub fn n_types(&self) -> usize {
        self.children.len()
    }

    /// The types that objects of a type lead to.
    fn rows(&self, way: Walk) -> &[BitSet] {
        match way {
            Walk::Down => &self.children,
            Walk::Up => &self.parents,
        }
    }
}

/// The pairs of types of parent and child with the number of their edges, by parent and child. Left out are edges that
/// are skipped or lead nowhere. O(edges), and a count for each pair of types, or each pair that occurs.
pub fn type_edges<I: Id>(graph: Graph<'_, I>, types: &[u32], n_types: usize) -> Vec<(u32, u32, u64)> {
    const MAX_DENSE_TYPES: usize = 2048;
    let counted = |add: &mut dyn FnMut(u32, u32)| {
        for (node, parent) in types.iter().enumerate() {
            for child in graph.children(node) {
                add(*parent, types[child]);
            }
        }
    };
    if n_types <= MAX_DENSE_TYPES {
        let mut counts = vec![0_u64; n_types * n_types];
        counted(&mut |parent, child| counts[parent as usize * n_types + child as usize] += 1);
        let pairs = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        return pairs.map(|(i, count)| ((i / n_types) as u32, (i % n_types) as u32, *count)).collect();
    }
    let mut counts = std::collections::BTreeMap::new();
    counted(&mut |parent, child| *counts.entry((parent, child)).or_insert(0_u64) += 1);
    counts.into_iter().map(|((parent, child), count)| (parent, child, count)).collect()
}

/// What a search looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visited {
    /// Pairs of node and state.
    pub pairs: u64,
    /// Levels of the breadth-first search.
    pub levels: u64,
}

/// One step of a path: the node, what state of the automaton it is in, and how it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The node.
    pub node: usize,
    /// The state that it is in; the last one accepts.
    pub state: usize,
    /// The arc that led there: its position among those of the state before, or among the starts.
    pub arc: usize,
    /// Way and edge (position in the forward CSR) of the hop that led there; none for the first node.
    pub hop: Option<(Walk, usize)>,
}

impl Test {
    /// Whether a node of a type passes.
    #[inline]
    pub fn passes(&self, node: usize, type_rank: usize) -> bool {
        (self.types.contains(type_rank) || self.nodes.as_ref().is_some_and(|nodes| nodes.contains(node)))
            && self.filter.as_ref().is_none_or(|filter| filter.contains(node))
    }
}
