//! From a forward CSR to a finished index file.
//!
//! ```text
//! forward CSR --turn--> reverse CSR --> roots --> distances | dominators --> retained sizes
//! ```
//!
//! Every array is written as soon as it is done. [`GraphSize::bytes_needed`](super::GraphSize::bytes_needed) says how much memory that takes.

use std::{collections::BTreeMap, fs::File, sync::atomic::AtomicBool};

use heaplake_graph::{
    BitSet, CsrBuf, DepthFirstSearch, Graph, Id, Numbers, NumbersBuf, Retained, distances, referrers,
    reversed_offsets, search::type_edges,
};

use super::{
    GraphIndex, INDEX_VERSION,
    arrays::{EDGES_PER_NODE, NodeNumbers, StoredCsr},
    edges::Edges,
    file::{Sections, Writer},
    in_parallel,
    roots::{CutOff, Roots},
    sections::{IndexContent, REVERSE_OFFSETS, SOURCES},
};
use crate::{Result, lake::WorkFile};

/// The analysis of a graph whose index is being written.
pub(super) struct Analysis<'a, I> {
    /// The addresses are written already.
    pub(super) writer: Writer<I>,
    pub(super) nodes: NodeNumbers,
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
    /// Computes and writes the other sections. `rank_roots` gives the ranks of all roots. With `cut_off`, nodes that the roots do not
    /// reach get roots of their own.
    pub(super) fn finish(
        self,
        find_roots: impl FnOnce(Graph<'_, I>, Numbers<'_, u32>) -> Roots<I>,
        rank_roots: impl FnOnce(&Roots<I>) -> Vec<u32>,
        cut_off: Option<CutOff<'_>>,
        to: &WorkFile,
    ) -> Result<(GraphIndex<I>, File, GraphTotals)> {
        let Self { mut writer, nodes, edges, removed, edges_xxh3, threads, cancel } = self;
        let reverse = reversed(&edges, &mut writer, threads, cancel)?;
        let at_random = |at_random| {
            edges.forward.will_be_read_at_random(at_random);
            reverse.will_be_read_at_random(at_random);
        };
        // Memory for one of two steps alone, where it is short.
        let at_once = if matches!(edges.forward, StoredCsr::Memory(_)) { threads } else { 1 };
        let graph = Graph { forward: edges.forward.view(), skip: edges.weak.view(), reverse: reverse.view() };
        let n_nodes = graph.n_nodes();
        let mut roots = find_roots(graph, nodes.types());
        let near_roots: Vec<usize> = roots.no_cycles().collect();
        let (written, tree) = in_parallel(
            at_once,
            || -> Result<usize> {
                at_random(true);
                let distances = distances(graph.forward, graph.skip, near_roots.iter().copied(), cancel)?;
                writer.distance(&NumbersBuf::of(distances))?;
                if let NodeNumbers::Memory { types, sizes } = &nodes {
                    writer.type_rank(types)?;
                    writer.size(sizes)?;
                }
                if let StoredCsr::Memory(forward) = &edges.forward {
                    writer.offsets(&forward.offsets)?;
                    writer.targets(&forward.targets)?;
                }
                writer.weak(edges.weak.words())?;
                writer.removed(removed.words())?;
                if let StoredCsr::Memory(reverse) = &reverse {
                    writer.reverse_offsets(&reverse.offsets)?;
                    writer.sources(&reverse.targets)?;
                }
                at_random(false);
                let types = nodes.types();
                let n_types = types.iter().max().map_or(0, |rank| rank as usize + 1);
                let pairs = type_edges(graph, types, n_types);
                writer.type_parent(&pairs.iter().map(|(parent, ..)| *parent).collect::<Vec<_>>())?;
                writer.type_child(&pairs.iter().map(|(_, child, _)| *child).collect::<Vec<_>>())?;
                writer.type_edges(&pairs.iter().map(|(.., edges)| *edges).collect::<Vec<_>>())?;
                Ok(pairs.len())
            },
            || -> Result<_> {
                at_random(true);
                let mut search = DepthFirstSearch::new(graph, cancel);
                search.add_roots(roots.alive())?;
                search.add_garbage(roots.garbage())?;
                if let Some(cut_off) = cut_off {
                    // Where there was garbage before, these are garbage, too.
                    roots.add_cycles(graph, &search.unreached(), cut_off, cancel)?;
                    search.add_roots(roots.alive())?;
                    search.add_garbage(roots.garbage())?;
                }
                let tree = search.without_leaves()?;
                at_random(false);
                Ok(tree.with_leaves(threads)?)
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
            n_garbage_words: tree.garbage.words().len() as u64,
            n_reached: tree.n_reached() as u64,
            n_removed_words: removed.words().len() as u64,
            n_type_pairs: n_type_pairs as u64,
            root_kinds: roots.names,
        };
        drop((reverse, edges));
        let sizes = nodes.sizes();
        let (written, retained) = in_parallel(
            threads,
            || -> Result<()> {
                writer.root(&roots.nodes)?;
                writer.root_kind(&roots.kinds)?;
                writer.root_rank(&root_ranks)?;
                writer.garbage(tree.garbage.words())?;
                writer.idom(&tree.idom)
            },
            || tree.retained(|node| sizes.at(node)),
        );
        written?;
        let Retained { size, count } = retained;
        writer.retained(&NumbersBuf::of(size))?;
        let preorder = tree.preorder(&count);
        drop((tree, nodes));
        writer.retained_count(&NumbersBuf::of(count))?;
        writer.preorder(&preorder.nodes)?;
        writer.position(&preorder.position)?;
        drop(preorder);
        let file = writer.finish(&content)?;
        let sections = Sections::just_written(&file).map_err(|source| to.io_error(source))?;
        let index = GraphIndex::new(sections, content).map_err(|refused| refused.into_error(to))?;
        Ok((index, file, GraphTotals { unreferenced, roots: root_counts }))
    }
}

/// The reversed edges, where the edges themselves are. In the file, they are turned round in parts, which each go through all edges.
fn reversed<I: Id>(
    edges: &Edges<I>,
    writer: &mut Writer<I>,
    threads: usize,
    cancel: &AtomicBool,
) -> Result<StoredCsr<I>> {
    let (forward, skip) = (edges.forward.view(), edges.weak.view());
    if let StoredCsr::Memory(_) = edges.forward {
        return Ok(StoredCsr::Memory(CsrBuf::reversed(forward, skip, threads, cancel)?));
    }
    let n_nodes = forward.n_nodes();
    let offsets = reversed_offsets(forward, skip, threads, cancel)?;
    writer.reverse_offsets(&offsets)?;
    let mut sources = writer.begin(SOURCES);
    let mut first = 0;
    while first < n_nodes {
        let most = offsets[first].index() + EDGES_PER_NODE * n_nodes;
        // At least one node, even if it has more.
        let end = offsets.partition_point(|offset| offset.index() <= most).saturating_sub(1).max(first + 1);
        sources.append(&referrers(forward, skip, &offsets, first..end, threads, cancel)?)?;
        first = end;
    }
    sources.finish()?;
    let n_sources = offsets[n_nodes].index();
    StoredCsr::written(writer, (REVERSE_OFFSETS, offsets.len()), (SOURCES, n_sources))
}
