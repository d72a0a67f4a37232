//! How a root reaches one object: the shortest path, as a signature.

use std::sync::atomic::AtomicBool;

use heaplake_graph::{
    BitSet, Cancelled, Id, Walk,
    search::{Follow, HopEdges, NodeTypes, PathSearch, Pattern, Test, Transition, TypeGraph},
};
use heaplake_store::{Dump, GraphIndex};

use super::{find::MAX_WAY_STEPS, fold, ground};

/// Answers for one object after the other.
pub(crate) struct RootPaths<'r, I> {
    index: &'r GraphIndex<I>,
    manifest: &'r Dump,
    type_graph: TypeGraph,
    counts: Vec<u64>,
    roots: BitSet,
}

impl<'r, I: Id> RootPaths<'r, I> {
    pub(crate) fn new(index: &'r GraphIndex<I>, manifest: &'r Dump) -> Self {
        let type_graph = ground::type_graph(index, manifest.types.len());
        let counts = manifest.types.iter().map(|stat| stat.count).collect();
        let roots = BitSet::of(index.n_nodes(), index.live_roots().map(|root| root.index()));
        Self { index, manifest, type_graph, counts, roots }
    }

    /// `root ..{0,}> @node`: types and arrows, repetitions folded; none where no root reaches it.
    pub(crate) fn signature(&self, node: usize, cancel: &AtomicBool) -> Result<Option<String>, Cancelled> {
        let n_nodes = self.index.n_nodes();
        let only = |nodes: BitSet| Test { nodes: Some(nodes), ..Test::default() };
        let pattern = Pattern {
            tests: vec![only(self.roots.clone()), only(BitSet::of(n_nodes, [node]))],
            follow: vec![Follow::All],
            hops: vec![HopEdges { way: Walk::Down, follow: 0 }],
            starts: vec![Transition { tests: vec![0], to: 0 }, Transition { tests: vec![0, 1], to: 1 }],
            next: vec![vec![Transition { tests: vec![], to: 0 }, Transition { tests: vec![1], to: 1 }]],
            ..Pattern::default()
        };
        let types = NodeTypes { of: self.index.types(), graph: &self.type_graph, counts: &self.counts };
        let search = PathSearch::new(self.index.graph(), types, &pattern).ordered(ground::ranks(self.index));
        let Some(mut paths) = search.shortest(u64::MAX, cancel)?.paths else { return Ok(None) };
        let Some(path) = paths.most_taken(MAX_WAY_STEPS, cancel)? else { return Ok(None) };
        let name = |node: &I| {
            let rank = self.index.types().at(node.index()) as usize;
            self.manifest.types.get(rank).map_or("", |stat| stat.name.as_str())
        };
        let types: Vec<&str> = path.iter().map(name).collect();
        Ok(Some(fold::signature(&types, &vec![false; types.len()]).0))
    }
}
