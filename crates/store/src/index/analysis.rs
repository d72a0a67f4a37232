//! From a forward CSR to a finished index file.
//!
//! ```text
//! forward CSR --turn--> reverse CSR --> roots --> distances | dominators --> retained sizes
//! ```
//!
//! Every array is written as soon as it is done. At the peak, while dominators are found, an object takes 48 bytes and
//! an edge 8 with narrow ids.

use std::{collections::BTreeMap, fs::File, sync::atomic::AtomicBool};

use heaplake_graph::{BitSet, CsrBuf, DepthFirstSearch, Graph, Id, distances, search::type_edges};

use super::{
    GraphIndex, INDEX_VERSION, Refcounts,
    edges::Edges,
    file::{Sections, Writer},
    in_parallel,
    roots::Roots,
    sections::IndexContent,
};
use crate::{Result, lake::WorkFile};

/// The analysis of a graph whose index is being written.
pub(super) struct Analysis<'a, I> {
    /// The addresses are written already.
    pub(super) writer: Writer<I>,
    pub(super) edges: Edges<I>,
    /// Edges that are removed in a layer.
    pub(super) removed: BitSet,
    pub(super) edges_xxh3: String,
    pub(super) threads: usize,
    pub(super) cancel: &'a AtomicBool,
}

/// What the analysis says about the graph as a whole.
pub(super) struct GraphTotals {
    /// Objects without referrers.
    pub(super) unreferenced: u64,
    /// Roots by kind.
    pub(super) roots: BTreeMap<String, u64>,
}

impl<I: Id> Analysis<'_, I> {
    /// Computes and writes the other sections. `rank_roots` gives the ranks of all roots. With the numbers of references to the
    /// nodes, nodes that the roots do not reach get roots of their own.
    pub(super) fn finish(
        self,
        types: Vec<u32>,
        sizes: Vec<u64>,
        find_roots: impl FnOnce(Graph<'_, I>, &[u32]) -> Roots<I>,
        rank_roots: impl FnOnce(&Roots<I>) -> Vec<u32>,
        cycles: Option<&Refcounts>,
        to: &WorkFile,
    ) -> Result<(GraphIndex<I>, File, GraphTotals)> {
        let Self { mut writer, edges, removed, edges_xxh3, threads, cancel } = self;
        let n_nodes = types.len();
        let reverse = CsrBuf::reversed(edges.forward.view(), edges.weak.view(), threads, cancel)?;
        let graph = Graph { forward: edges.forward.view(), skip: edges.weak.view(), reverse: reverse.view() };
        let mut roots = find_roots(graph, &types);
        let first_roots: Vec<usize> = roots.nodes.iter().map(|root| root.index()).collect();
        let near_roots: Vec<usize> = roots.no_cycles().collect();
        let (written, tree) = in_parallel(
            threads,
            || -> Result<usize> {
                let distances = distances(graph.forward, graph.skip, near_roots.iter().copied(), cancel)?;
                writer.distance(&distances)?;
                drop(distances);
                writer.type_rank(&types)?;
                writer.size(&sizes)?;
                writer.offsets(&edges.forward.offsets)?;
                writer.targets(&edges.forward.targets)?;
                writer.weak(edges.weak.words())?;
                writer.removed(removed.words())?;
                writer.reverse_offsets(&reverse.offsets)?;
                writer.sources(&reverse.targets)?;
                let n_types = types.iter().max().map_or(0, |rank| *rank as usize + 1);
                let pairs = type_edges(graph, &types, n_types);
                writer.type_parent(&pairs.iter().map(|(parent, ..)| *parent).collect::<Vec<_>>())?;
                writer.type_child(&pairs.iter().map(|(_, child, _)| *child).collect::<Vec<_>>())?;
                writer.type_edges(&pairs.iter().map(|(.., edges)| *edges).collect::<Vec<_>>())?;
                Ok(pairs.len())
            },
            || -> Result<_> {
                let mut search = DepthFirstSearch::new(graph, cancel);
                search.add_roots(first_roots.iter().copied())?;
                if let Some(refcounts) = cycles {
                    let found = roots.add_cycles(graph, &search.unreached(), refcounts, cancel)?;
                    search.add_roots(found)?;
                }
                Ok(search.dominators(threads)?)
            },
        );
        let n_type_pairs = written?;
        let tree = tree?;
        let unreferenced = (0..n_nodes).filter(|node| graph.reverse.range(*node).is_empty()).count() as u64;
        let root_counts = roots.counts();
        let root_ranks = rank_roots(&roots);
        let content = IndexContent {
            version: INDEX_VERSION,
            edges_xxh3,
            id_bytes: size_of::<I>(),
            n_nodes: n_nodes as u64,
            n_edges: graph.forward.n_edges() as u64,
            n_reverse: graph.reverse.n_edges() as u64,
            n_roots: roots.nodes.len() as u64,
            n_weak_words: edges.weak.words().len() as u64,
            n_reached: tree.n_reached() as u64,
            n_removed_words: removed.words().len() as u64,
            n_type_pairs: n_type_pairs as u64,
            root_kinds: roots.names,
        };
        drop((reverse, edges));
        let (written, retained) = in_parallel(
            threads,
            || -> Result<()> {
                writer.root(&roots.nodes)?;
                writer.root_kind(&roots.kinds)?;
                writer.root_rank(&root_ranks)?;
                writer.idom(&tree.idom)
            },
            || tree.retained(|node| sizes[node]),
        );
        written?;
        drop((tree, sizes));
        writer.retained(&retained.size)?;
        writer.retained_count(&retained.count)?;
        writer.preorder(&retained.preorder)?;
        writer.position(&retained.position)?;
        drop((retained, types));
        let file = writer.finish(&content)?;
        let sections = Sections::just_written(&file).map_err(|source| to.io_error(source))?;
        let index = GraphIndex::new(sections, content).map_err(|refused| refused.into_error(to))?;
        Ok((index, file, GraphTotals { unreferenced, roots: root_counts }))
    }
}
