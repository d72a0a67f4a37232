//! From the objects and references of a dump to its index file, and to the summaries over it.
//!
//! ```text
//! records or edge files --edges.rs--> forward CSR --analysis.rs--> index file
//! ```

use std::{
    collections::BTreeMap,
    fs::File,
    sync::{Arc, atomic::AtomicBool},
};

use heaplake_graph::{BitSet, Graph, Id};
use heaplake_model::Runtime;

use super::{
    AnyIndex, EdgeSource, GraphIndex, NodeNames, Nodes,
    analysis::Analysis,
    edges::Edges,
    file::Writer,
    holders::holder_stats,
    in_parallel,
    labels::labels,
    modules::module_stats,
    roots::{self, Roots},
};
use crate::{HolderStat, ModuleStat, Result, addresses::Positions, lake::WorkFile, with_index};

/// What an index is built from.
pub(crate) struct IndexInputs<'b, E> {
    pub(crate) nodes: Nodes,
    /// The names of the types, in the order of the list of types.
    pub(crate) type_names: &'b [&'b str],
    pub(crate) runtime: &'static Runtime,
    /// Addresses of the roots that the dump records, and their kinds.
    pub(crate) recorded_roots: &'b [(u64, Arc<str>)],
    pub(crate) edges: &'b E,
    /// Checksums of the files of `edge`.
    pub(crate) edges_xxh3: String,
    pub(crate) n_edges: u64,
    pub(crate) wide_ids: bool,
    pub(crate) threads: usize,
    pub(crate) cancel: &'b AtomicBool,
}

/// An index that was just built.
pub(crate) struct NewIndex {
    pub(crate) index: AnyIndex,
    /// The index file, which is not synced yet.
    pub(crate) file: File,
    pub(crate) counts: GraphCounts,
    pub(crate) names: ProgramNames,
}

/// Where the names of objects come from, for [`summaries`].
#[derive(Debug, Default)]
pub(crate) struct ProgramNames {
    /// The names that objects have themselves.
    nodes: NodeNames,
    /// Edges that lead to a namespace; the labels of its references are names of objects.
    namespaces: BitSet,
}

/// Totals of the objects of a dump.
pub(crate) struct Summaries {
    /// By type, the bytes that its objects retain together, none counted twice.
    pub(crate) type_retained: Vec<u64>,
    pub(crate) holders: Vec<HolderStat>,
    pub(crate) modules: Vec<ModuleStat>,
}

/// What an index says about a dump as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GraphCounts {
    pub(crate) dangling: u64,
    pub(crate) unreferenced: u64,
    /// Roots by kind.
    pub(crate) roots: BTreeMap<String, u64>,
}

/// The maximum number of objects with narrow ids: the search for components numbers from both ends.
const MAX_NARROW_NODES: u64 = 1 << 31;

fn is_narrow(n_nodes: u64, n_edges: u64) -> bool {
    n_nodes <= MAX_NARROW_NODES && n_edges < u64::from(u32::MAX)
}

/// The approximate number of bytes of memory that building needs at its peak.
pub(crate) fn bytes_needed(n_nodes: u64, n_edges: u64, wide_ids: bool) -> u64 {
    let id_bytes = if is_narrow(n_nodes, n_edges) && !wide_ids { 4 } else { 8 };
    // Sizes and types; two CSRs; six arrays of dominators, distances, and some sets.
    n_nodes * (12 + 9 * id_bytes + 5) + n_edges * 2 * id_bytes
}

/// Builds the index and writes it to `to`.
pub(crate) fn build<E: EdgeSource>(inputs: IndexInputs<'_, E>, to: &WorkFile) -> Result<NewIndex> {
    if is_narrow(inputs.nodes.addresses.len() as u64, inputs.n_edges) && !inputs.wide_ids {
        build_with::<u32, E>(inputs, to, AnyIndex::Narrow)
    } else {
        build_with::<u64, E>(inputs, to, AnyIndex::Wide)
    }
}

fn build_with<I: Id, E: EdgeSource>(
    inputs: IndexInputs<'_, E>,
    to: &WorkFile,
    any: impl Fn(GraphIndex<I>) -> AnyIndex,
) -> Result<NewIndex> {
    let IndexInputs { nodes: Nodes { addresses, types, sizes, names, refcounts }, cancel, threads, .. } =
        inputs;
    let mut writer = Writer::<I>::create(to)?;
    let (written, positions) =
        in_parallel(threads, || writer.address(&addresses), || Positions::<I>::new(&addresses));
    written?;
    let mut edges = Edges::of(inputs.edges, &positions, threads, cancel)?;
    let recorded = roots::recorded(inputs.recorded_roots, |address| positions.of(address));
    drop(positions);
    drop(addresses);
    let kept: Vec<_> = inputs.type_names.iter().map(|name| inputs.runtime.kept_alive(name)).collect();
    let dangling = edges.dangling();
    let names = ProgramNames { nodes: names, namespaces: std::mem::take(&mut edges.namespaces) };
    let analysis = Analysis {
        writer,
        edges,
        removed: BitSet::default(),
        edges_xxh3: inputs.edges_xxh3,
        threads,
        cancel,
    };
    let find_roots =
        |graph: Graph<'_, I>, types: &[u32]| Roots::find(graph, types, &kept, &refcounts, recorded);
    let rank_roots = |roots: &Roots<I>| roots.ranks(&names.nodes);
    let (index, file, totals) =
        analysis.finish(types, sizes, find_roots, rank_roots, Some(&refcounts), to)?;
    let counts = GraphCounts { dangling, unreferenced: totals.unreferenced, roots: totals.roots };
    Ok(NewIndex { index: any(index), file, counts, names })
}

/// Sums up an index by types, holders and modules. `edges` and `names` are those of [`build`]. Uses one thread, so that `obj` can be
/// written meanwhile.
pub(crate) fn summaries(
    index: &AnyIndex,
    runtime: &Runtime,
    type_names: &[&str],
    edges: &impl EdgeSource,
    names: ProgramNames,
    cancel: &AtomicBool,
) -> Result<Summaries> {
    with_index!(index, |index| {
        let sums = index.type_sums(type_names.len());
        let ProgramNames { mut nodes, namespaces } = names;
        let labels = labels(index, runtime, type_names, (edges, &namespaces), &mut nodes, cancel)?;
        let holders = holder_stats(index, (runtime, type_names), (&nodes, &labels), cancel)?;
        let modules = module_stats(index, runtime, type_names, (&nodes, &namespaces), cancel)?;
        let type_retained = sums.into_iter().map(|sums| sums.retained).collect();
        Ok(Summaries { type_retained, holders, modules })
    })
}
