//! The index of a layer: of the graph that remains without some objects and references.

use std::{fs::File, sync::atomic::AtomicBool, thread};

use heaplake_graph::{BitSet, Cancelled, CsrBuf, Cut, Id, unreachable_after};
use heaplake_model::DumpId;

use super::{
    AnyIndex, ArraysIn, BuildLimits, GraphIndex, GraphSize,
    analysis::Analysis,
    arrays::{NodeNumbers, StoredCsr},
    edges::Edges,
    file::Writer,
    roots::Roots,
};
use crate::{
    Lake, Manifest, Result, commit,
    lake::{LakePath, WorkFile, WorkFolder},
};

/// Builds the index of a layer, which is the graph of `base` with an edit, and moves it into the lake. Returns it with the
/// number and the bytes of the objects that became unreachable.
pub fn build_layer(
    lake: &Lake,
    manifest: &Manifest,
    name: &DumpId,
    base: &AnyIndex,
    edit: &LayerEdit,
    limits: &BuildLimits,
    cancel: &AtomicBool,
) -> Result<(AnyIndex, u64, i64)> {
    limits.check(bytes_of_layer(manifest, base))?;
    let work = lake.work_folder()?;
    let to = LakePath::layer_index(manifest, name);
    let from = work.file(to.name());
    let (index, file, (objects, bytes)) = base.edited(edit, &from, cancel)?;
    file.sync_all().map_err(|source| from.io_error(source))?;
    commit::install(lake, manifest, &work, &to)?;
    super::file::seal(lake, &to);
    Ok((index, objects, bytes))
}

/// The same for a temporary layer: its index has no name in the lake, and its disk space is freed when the index is dropped.
pub fn build_unnamed_layer(
    lake: &Lake,
    manifest: &Manifest,
    base: &AnyIndex,
    edit: &LayerEdit,
    limits: &BuildLimits,
    cancel: &AtomicBool,
) -> Result<(AnyIndex, u64, i64)> {
    limits.check(bytes_of_layer(manifest, base))?;
    // Works for a lake that is read-only as well.
    let work = lake.work_folder().or_else(|_| WorkFolder::outside())?;
    let (index, _, (objects, bytes)) = base.edited(edit, &work.file("layer"), cancel)?;
    Ok((index, objects, bytes))
}

fn bytes_of_layer(manifest: &Manifest, base: &AnyIndex) -> u64 {
    GraphSize::of(&manifest.counts).bytes_needed(matches!(base, AnyIndex::Wide(_)), ArraysIn::Memory)
}

/// The difference between a layer and its dump. Objects and edges that do not exist are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerEdit {
    /// Addresses of objects that are removed.
    pub objects: Vec<u64>,
    /// Edges that are removed: address of the parent, position among its references.
    pub edges: Vec<(u64, u32)>,
    /// Addresses of objects that become roots of the kind `pinned`, unless they are removed.
    pub pinned: Vec<u64>,
}

impl AnyIndex {
    fn edited(
        &self,
        edit: &LayerEdit,
        to: &WorkFile,
        cancel: &AtomicBool,
    ) -> Result<(Self, File, (u64, i64))> {
        Ok(match self {
            AnyIndex::Narrow(base) => {
                let (index, file, gone) = base.edited(edit, to, cancel)?;
                (AnyIndex::Narrow(index), file, gone)
            }
            AnyIndex::Wide(base) => {
                let (index, file, gone) = base.edited(edit, to, cancel)?;
                (AnyIndex::Wide(index), file, gone)
            }
        })
    }
}

impl<I: Id> GraphIndex<I> {
    /// The positions of some edges, given by the address of the parent and idx. Edges that do not exist are ignored.
    pub fn edges_at(&self, edges: &[(u64, u32)]) -> BitSet {
        let forward = self.graph().forward;
        let mut found = BitSet::new(forward.n_edges());
        for (parent, idx) in edges {
            let range = self.node(*parent).map(|node| forward.range(node)).unwrap_or_default();
            let edge = range.start.saturating_add(*idx as usize);
            if range.contains(&edge) {
                found.insert(edge);
            }
        }
        found
    }

    /// What becomes unreachable without some nodes and edges.
    pub fn gone_without(&self, cut: &Cut, cancel: &AtomicBool) -> Result<Vec<I>, Cancelled> {
        self.gone(cut, &BitSet::new(self.n_nodes()), cancel)
    }

    fn gone(&self, cut: &Cut, pinned: &BitSet, cancel: &AtomicBool) -> Result<Vec<I>, Cancelled> {
        let mut roots = self.roots_after(cut);
        roots.unite(pinned.view());
        unreachable_after(self.graph(), &roots, self.garbage(), cut, cancel)
    }

    /// The nodes of addresses, without those that do not exist.
    fn nodes_there(&self, addresses: &[u64]) -> BitSet {
        let nodes = addresses.iter().filter_map(|address| self.node(*address));
        BitSet::of(self.n_nodes(), nodes.filter(|node| self.is_there(*node)))
    }

    fn edited(
        &self,
        edit: &LayerEdit,
        to: &WorkFile,
        cancel: &AtomicBool,
    ) -> Result<(Self, File, (u64, i64))> {
        let (n_nodes, graph) = (self.n_nodes(), self.graph());
        let cut = Cut { nodes: self.nodes_there(&edit.objects), edges: self.edges_at(&edit.edges) };
        let pinned = self.nodes_there(&edit.pinned);
        let gone = self.gone(&cut, &pinned, cancel)?;
        let gone_nodes = BitSet::of(n_nodes, gone.iter().map(|node| node.index()));
        let bytes = self.size_of(&gone);
        let mut no_roots = gone_nodes.clone();
        let without_entry = self.modules_without_entry(&cut).into_iter();
        without_entry.filter(|module| !pinned.contains(*module)).for_each(|module| no_roots.insert(module));
        let mut removed = cut.edges;
        self.removed_edges().iter().for_each(|edge| removed.insert(edge));
        let mut forward = CsrBuf { offsets: Vec::with_capacity(n_nodes + 1), targets: Vec::new() };
        forward.targets.reserve_exact(graph.forward.n_edges());
        for node in 0..n_nodes {
            let edges = graph.forward.range(node);
            forward.offsets.push(I::new(edges.start));
            for edge in edges {
                let target = graph.forward.target(edge);
                let to_gone = target != I::NONE && gone_nodes.contains(target.index());
                if gone_nodes.contains(node) || to_gone {
                    removed.insert(edge);
                }
                forward.targets.push(if removed.contains(edge) { I::NONE } else { target });
            }
        }
        forward.offsets.push(I::new(graph.forward.n_edges()));
        let weak = BitSet::of(graph.forward.n_edges(), graph.skip.iter());
        let mut writer = Writer::<I>::create(to)?;
        writer.address(self.addresses())?;
        let analysis = Analysis {
            writer,
            nodes: NodeNumbers::in_memory(self.types().to_vec(), self.sizes().to_vec()),
            edges: Edges {
                forward: StoredCsr::Memory(forward),
                // Nobody asks a layer.
                dangling: 0,
                weak,
                namespaces: BitSet::default(),
            },
            removed,
            edges_xxh3: self.content.edges_xxh3.clone(),
            threads: thread::available_parallelism().map_or(1, usize::from),
            cancel,
        };
        let roots = Roots::kept(self, &no_roots, &pinned);
        let rank_roots = |roots: &Roots<I>| roots.ranks_in(self);
        let (index, file, _) = analysis.finish(|_, _| roots, rank_roots, None, to)?;
        Ok((index, file, (gone.len() as u64, super::bytes(bytes))))
    }
}
