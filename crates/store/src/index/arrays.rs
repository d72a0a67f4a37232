//! Where the largest arrays are while an index is built: in memory, or, where there is too little of it, in the index file as far
//! as it is written. There the system keeps as much of them in memory as it has room for.

use std::ops::Range;

use heaplake_graph::{Csr, CsrBuf, Id, Numbers, NumbersBuf};

use super::{
    file::{NumbersRange, OffsetsRange, Sections, Writer},
    sections::{SIZE, TYPE},
};
use crate::{Counts, Result};

/// Where edges, types and sizes are while an index is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArraysIn {
    /// In memory.
    Memory,
    /// In the index file. The edges are turned round in parts, and less is done at the same time.
    File,
}

/// How large a graph is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GraphSize {
    pub(crate) nodes: u64,
    pub(crate) edges: u64,
    /// Nodes with edges.
    pub(crate) parents: u64,
}

/// The maximum number of objects with narrow ids: the search for components numbers from both ends.
const MAX_NARROW_NODES: u64 = 1 << 31;

impl GraphSize {
    /// At most the size of a dump.
    pub(crate) fn of(counts: &Counts) -> Self {
        Self { nodes: counts.objects, edges: counts.edges, parents: counts.objects }
    }

    /// Whether ids of 32 bits are enough.
    pub(super) fn is_narrow(self) -> bool {
        self.nodes <= MAX_NARROW_NODES && self.edges < u64::from(u32::MAX)
    }

    /// The approximate number of bytes of memory that building an index needs at its peak, besides what the index file has.
    pub(crate) fn bytes_needed(self, wide_ids: bool, arrays_in: ArraysIn) -> u64 {
        let id = if self.is_narrow() && !wide_ids { 4 } else { 8 };
        // So many need more memory than there is; without this, the sums could overflow.
        let [nodes, edges, parents] = [self.nodes, self.edges, self.parents].map(|n| n.min(1 << 56));
        // Numbers of references, and some sets.
        let kept = 5 * nodes;
        // The number of each node, or its dominator as well; and by node with edges: number, parent, semidominator, link.
        let dominators = nodes * id + (parents * 6 * id).max(nodes * id + parents * 4 * id);
        match arrays_in {
            // Two CSRs, types and sizes of two bytes each, distances.
            ArraysIn::Memory => kept + dominators + 2 * (nodes + edges) * id + 8 * nodes,
            // Retained bytes and number, dominator, order.
            ArraysIn::File => kept + dominators.max(nodes * (8 + 3 * id)),
        }
    }

    /// Where the arrays can be while an index is built within `limit` bytes, or the number of bytes that would do. The nodes take
    /// `node_bytes` each before, and the arrays in memory are made beside them.
    pub(crate) fn room(self, wide_ids: bool, node_bytes: u64, limit: u64) -> Result<ArraysIn, u64> {
        let nodes = self.nodes.min(1 << 56) * node_bytes;
        let in_memory = self.bytes_needed(wide_ids, ArraysIn::Memory) + nodes;
        let in_file = self.bytes_needed(wide_ids, ArraysIn::File).max(nodes);
        if in_memory <= limit {
            Ok(ArraysIn::Memory)
        } else if in_file <= limit {
            Ok(ArraysIn::File)
        } else {
            Err(in_file)
        }
    }
}

/// How many edges, as a multiple of the nodes, are turned round together where memory is short: as many as need no more memory
/// than other steps do.
pub(super) const EDGES_PER_NODE: usize = 3;

/// A CSR that is in memory or in the index file.
pub(super) enum StoredCsr<I> {
    Memory(CsrBuf<I>),
    File { sections: Sections, offsets: OffsetsRange, targets: Range<usize> },
}

impl<I: Id> StoredCsr<I> {
    /// The CSR of two sections that are complete.
    pub(super) fn written(
        writer: &Writer<I>,
        (offsets, n_offsets): (&str, usize),
        (targets, n_targets): (&str, usize),
    ) -> Result<Self> {
        let sections = writer.so_far()?;
        let refused = |refused| writer.refused(refused);
        let offsets = sections.offsets_range::<I>(offsets, n_offsets as u64).map_err(refused)?;
        let targets = sections.range_of::<I>(targets, n_targets as u64).map_err(refused)?;
        Ok(Self::File { sections, offsets, targets })
    }

    /// Says whether searches will follow the edges from now on, or all be read in their order.
    pub(super) fn will_be_read_at_random(&self, at_random: bool) {
        if let Self::File { sections, .. } = self {
            sections.will_be_read_at_random(at_random);
        }
    }

    pub(super) fn view(&self) -> Csr<'_, I> {
        match self {
            Self::Memory(csr) => csr.view(),
            Self::File { sections, offsets, targets } => {
                Csr::with_offsets(sections.offsets(offsets), sections.numbers(targets))
                    .unwrap_or_else(|| unreachable!("this process has just written it"))
            }
        }
    }
}

/// The types and sizes of the nodes.
pub(super) enum NodeNumbers {
    Memory { types: NumbersBuf<u32>, sizes: NumbersBuf<u64> },
    File { sections: Sections, types: NumbersRange, sizes: NumbersRange },
}

impl NodeNumbers {
    pub(super) fn in_memory(types: Vec<u32>, sizes: Vec<u64>) -> Self {
        Self::Memory { types: NumbersBuf::of(types), sizes: NumbersBuf::of(sizes) }
    }

    /// Writes them, and frees their memory.
    pub(super) fn in_file<I: Id>(writer: &mut Writer<I>, types: Vec<u32>, sizes: Vec<u64>) -> Result<Self> {
        let n_nodes = types.len() as u64;
        writer.type_rank(&NumbersBuf::of(types))?;
        writer.size(&NumbersBuf::of(sizes))?;
        let sections = writer.so_far()?;
        let refused = |refused| writer.refused(refused);
        let types = sections.numbers_range::<u32>(TYPE, n_nodes).map_err(refused)?;
        let sizes = sections.numbers_range::<u64>(SIZE, n_nodes).map_err(refused)?;
        Ok(Self::File { sections, types, sizes })
    }

    pub(super) fn types(&self) -> Numbers<'_, u32> {
        match self {
            Self::Memory { types, .. } => types.view(),
            Self::File { sections, types, .. } => sections.narrow(types),
        }
    }

    pub(super) fn sizes(&self) -> Numbers<'_, u64> {
        match self {
            Self::Memory { sizes, .. } => sizes.view(),
            Self::File { sections, sizes, .. } => sections.narrow(sizes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt as _, sync::atomic::AtomicBool};

    use heaplake_graph::{Bits, Graph, distances, dominator_tree};

    use super::*;

    /// The first node has so many edges, and each leads back to it.
    const MANY: u64 = (1 << 32) + 5;

    /// Writes the first and the last numbers of a section that begins at `start`; between them are zeros, which take no
    /// room on the disk. Returns where it ends.
    fn write(file: &File, start: u64, n: u64, last: &[u64]) -> Range<usize> {
        let end = start + 8 * n;
        file.set_len(end).unwrap();
        file.write_all_at(bytemuck::cast_slice(last), end - 8 * last.len() as u64).unwrap();
        start as usize..end as usize
    }

    #[test]
    fn edges_beyond_four_billion_are_followed() {
        // 1 -> 2, 1 -> 3, 2 -> 4, 3 -> 4, 4 -> 5; their positions do not fit into 32 bits.
        let file = tempfile::tempfile().unwrap();
        let forward_offsets = [0, MANY, MANY + 2, MANY + 3, MANY + 4, MANY + 5, MANY + 5];
        let reverse_offsets = [0, MANY, MANY, MANY + 1, MANY + 2, MANY + 4, MANY + 5];
        let mut at = 0;
        let mut section = |n: u64, last: &[u64]| {
            let range = write(&file, at, n, last);
            at = range.end as u64;
            range
        };
        let [offsets, targets] = [section(7, &forward_offsets), section(MANY + 5, &[2, 3, 4, 4, 5])];
        let [back, sources] = [section(7, &reverse_offsets), section(MANY + 5, &[1, 1, 2, 3, 4])];
        let csr = |offsets, targets| StoredCsr::<u64>::File {
            sections: Sections::of_test(&file),
            offsets: OffsetsRange::of_test(offsets),
            targets,
        };
        let (forward, reverse) = (csr(offsets, targets), csr(back, sources));
        let graph = Graph { forward: forward.view(), skip: Bits::default(), reverse: reverse.view() };
        assert_eq!((graph.n_nodes(), graph.forward.n_edges() as u64), (6, MANY + 5));
        let first = graph.forward.range(3).start;
        assert_eq!((first as u64, graph.forward.source(first)), (MANY + 3, 3));
        assert_eq!(graph.parents(4).collect::<Vec<_>>(), [2, 3]);
        let never = AtomicBool::new(false);
        let hops = distances(graph.forward, graph.skip, [1], &never).unwrap();
        assert_eq!(hops, [heaplake_graph::NO_DISTANCE, 0, 1, 1, 2, 3]);
        let tree = dominator_tree(graph, [1], &never).unwrap();
        assert_eq!(tree.idom, [u64::MAX, 6, 1, 1, 1, 4]);
        let retained = tree.retained(|node| 1 << (32 + node));
        assert_eq!((retained.size[1], retained.count[1]), (0b11_1110 << 32, 5));
        assert_eq!(tree.preorder(&retained.count).nodes.len(), 5);
        let size = GraphSize { nodes: 6, edges: MANY + 5, parents: 5 };
        assert!(!size.is_narrow() && GraphSize { edges: MANY - 7, ..size }.is_narrow());
    }

    #[test]
    fn what_is_needed_grows_with_all_that_there_is() {
        let size = |nodes, edges, parents| GraphSize { nodes, edges, parents };
        for arrays_in in [ArraysIn::Memory, ArraysIn::File] {
            let needed = |size: GraphSize| size.bytes_needed(false, arrays_in);
            assert!(needed(size(10, 20, 10)) <= needed(size(11, 20, 10)));
            assert!(needed(size(10, 20, 5)) <= needed(size(10, 20, 10)));
            assert!(needed(size(10, 20, 5)) < size(10, 20, 5).bytes_needed(true, arrays_in));
            // Numbers that no dump has.
            assert!(needed(size(u64::MAX, u64::MAX, u64::MAX)) > 1 << 60);
        }
        let [memory, file] =
            [ArraysIn::Memory, ArraysIn::File].map(|place| size(300, 870, 175).bytes_needed(false, place));
        assert!(file < memory / 2);
    }
}
