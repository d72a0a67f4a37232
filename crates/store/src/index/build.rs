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

use heaplake_graph::{BitSet, Graph, Id, Numbers};
use heaplake_model::Runtime;

use super::{
    AnyIndex, EdgeSource, GraphIndex, GraphSize, NodeNames, Nodes,
    analysis::Analysis,
    arrays::{ArraysIn, NodeNumbers},
    edges::Edges,
    file::Writer,
    holders::holder_stats,
    in_parallel,
    labels::labels,
    modules::module_stats,
    roots::{self, CutOff, Roots},
    sections::ADDRESS,
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
    pub(crate) arrays_in: ArraysIn,
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

/// Builds the index and writes it to `to`.
pub(crate) fn build<E: EdgeSource>(inputs: IndexInputs<'_, E>, to: &WorkFile) -> Result<NewIndex> {
    let nodes = inputs.nodes.addresses.len() as u64;
    let size = GraphSize { nodes, edges: inputs.n_edges, parents: nodes };
    if size.is_narrow() && !inputs.wide_ids {
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
    let IndexInputs { nodes, arrays_in, cancel, threads, .. } = inputs;
    let Nodes { mut addresses, types, sizes, names, refcounts } = nodes;
    let mut writer = Writer::<I>::create(to)?;
    let written_addresses;
    let (positions, nodes) = match arrays_in {
        ArraysIn::Memory => {
            let (written, positions) =
                in_parallel(threads, || writer.address(&addresses), || Positions::<I>::new(&addresses));
            written?;
            (positions, NodeNumbers::in_memory(types, sizes))
        }
        ArraysIn::File => {
            let nodes = NodeNumbers::in_file(&mut writer, types, sizes)?;
            writer.address(&addresses)?;
            written_addresses = writer.so_far()?;
            let range = written_addresses.range_of::<u64>(ADDRESS, addresses.len() as u64);
            let range = range.map_err(|refused| writer.refused(refused))?;
            addresses = Vec::new();
            (Positions::new(written_addresses.numbers(&range)), nodes)
        }
    };
    let mut edges = Edges::of(inputs.edges, &positions, (&mut writer, arrays_in), threads, cancel)?;
    let recorded = roots::recorded(inputs.recorded_roots, |address| positions.of(address));
    drop(positions);
    drop(addresses);
    let kept: Vec<_> = inputs.type_names.iter().map(|name| inputs.runtime.kept_alive(name)).collect();
    let dangling = edges.dangling;
    let names = ProgramNames { nodes: names, namespaces: std::mem::take(&mut edges.namespaces) };
    let analysis = Analysis {
        writer,
        nodes,
        edges,
        removed: BitSet::default(),
        edges_xxh3: inputs.edges_xxh3,
        threads,
        cancel,
    };
    let cut_off = CutOff { refcounts: &refcounts, unreferenced: inputs.runtime.unreferenced };
    let find_roots =
        |graph: Graph<'_, I>, types: Numbers<'_, u32>| Roots::find(graph, types, &kept, cut_off, recorded);
    let rank_roots = |roots: &Roots<I>| roots.ranks(&names.nodes);
    let (index, file, totals) = analysis.finish(find_roots, rank_roots, Some(cut_off), to)?;
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
