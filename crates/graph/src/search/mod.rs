//! Paths that an automaton accepts: regular path queries over the graph.
//!
//! The search is over pairs of a node and a state of the automaton (the product graph), breadth first with a visited
//! set, so that cycles cannot hang it: O((nodes + edges) * states). Before that, the same search over types alone finds
//! which types can be in which state ([`TypeGraph`]). Nodes that cannot lead to an end are never visited, and a pattern whose
//! types cannot follow each other costs nothing.
//!
//! ```text
//! Pattern --prepare.rs--> PathSearch --meet.rs------> shortest paths (from both ends)
//!                                    --ranked.rs----> k shortest paths, acyclic paths
//!                                    --bindings.rs--> the shortest path for each object of a kind
//!                                    --reach.rs-----> the ends of all paths
//!                                    --steps.rs-----> states and edges of a path
//!                                    --ways.rs------> the types that shortest paths pass, and how many objects take each way
//! ```
//!
//! Paths are ordered by their number of hops, then step by step as `order.rs` says, so that the answer depends neither on
//! the kind of search nor, as far as types and positions tell objects apart, on addresses. Memory is that of the visited
//! pairs: a few bytes for each, or a bit if there are many.

mod bindings;
mod fronts;
mod meet;
mod order;
mod prepare;
mod ranked;
mod reach;
mod steps;
mod ways;

use crate::{BitSet, Graph, Id, Numbers, Walk};

pub use bindings::{Bindings, CommonStep, OwnSteps};
pub use meet::{Shortest, ShortestPaths};
pub use order::NodeRanks;
pub use prepare::{EdgeSet, Follow, NodeTypes, PathSearch};
pub use ranked::{Acyclic, Ranked};
pub use steps::KnownEdges;
pub use ways::{Way, WayGroup, WayStep, Ways};

/// An automaton whose tests are sets.
#[derive(Debug, Clone, Default)]
pub struct Pattern<I> {
    /// The tests of nodes; transitions refer to them by position.
    pub tests: Vec<Test>,
    /// Nodes that pass one of these are on no path.
    pub except: Vec<Test>,
    /// The sets of edges; hops refer to them by position.
    pub follow: Vec<Follow<I>>,
    /// By state, its hop. The accepting state has none; its number is the length of this list.
    pub hops: Vec<HopEdges>,
    /// The transitions into the states in which a path may begin.
    pub starts: Vec<Transition>,
    /// By state, the transitions after its hop.
    pub next: Vec<Vec<Transition>>,
}

/// A test of nodes. A node passes if it has one of the types or is one of the nodes, and is in the filter if there is one.
#[derive(Debug, Clone, Default)]
pub struct Test {
    /// Types that pass.
    pub types: BitSet,
    /// Nodes that pass whatever their type.
    pub nodes: Option<BitSet>,
    /// The only nodes that can pass.
    pub filter: Option<BitSet>,
}

/// Which edges a hop takes, and in which direction.
#[derive(Debug, Clone, Copy)]
pub struct HopEdges {
    /// Which way.
    pub way: Walk,
    /// Position of the set of edges.
    pub follow: usize,
}

/// A transition to a state, for a node that passes all of the tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Positions of the tests.
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
    /// The graph of pairs of parent and child.
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

/// The pairs of types of parent and child with the number of their edges, by parent, then child. Edges that are skipped or
/// lead nowhere do not count. O(edges); memory is a count for each pair of types, or for each pair that occurs.
pub fn type_edges<I: Id>(
    graph: Graph<'_, I>,
    types: Numbers<'_, u32>,
    n_types: usize,
) -> Vec<(u32, u32, u64)> {
    const MAX_DENSE_TYPES: usize = 2048;
    let counted = |add: &mut dyn FnMut(u32, u32)| {
        for (node, parent) in types.iter().enumerate() {
            for child in graph.children(node) {
                add(parent, types.at(child));
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

/// How much a search has visited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visited {
    /// Pairs of node and state.
    pub pairs: u64,
    /// Levels of the breadth-first search.
    pub levels: u64,
}

/// One step of a path: the node, its state in the automaton, and how it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The node.
    pub node: usize,
    /// Its state; the last step is in the accepting one.
    pub state: usize,
    /// The transition that led there, by its position among those of the state before or among the starts.
    pub transition: usize,
    /// Direction and edge (position in the forward CSR) of the hop that led there; `None` for the first node.
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
