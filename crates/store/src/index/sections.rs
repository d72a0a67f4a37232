//! The sections of an index file: the one list that its writer and its reader share.

use std::ops::Range;

use heaplake_graph::{Id, NumbersBuf};
use serde::{Deserialize, Serialize};

use super::file::{NumbersRange, OffsetsRange, Refused, Sections, Writer};
use crate::Result;

/// What the header says of the sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexContent {
    pub(super) version: u32,
    /// Checksums of the `edge` files that it was built from.
    pub(super) edges_xxh3: String,
    /// Bytes of an id: 4 or 8.
    pub(super) id_bytes: usize,
    pub(super) n_nodes: u64,
    pub(super) n_edges: u64,
    /// Edges that lead to an object and keep it alive.
    pub(super) n_reverse: u64,
    pub(super) n_roots: u64,
    /// Words of the set of weak edges; 0 if there are none.
    pub(super) n_weak_words: u64,
    /// Words of the set of garbage; 0 if there is none.
    pub(super) n_garbage_words: u64,
    /// Nodes that are reached; in a layer, those that remain.
    pub(super) n_reached: u64,
    /// Words of the set of edges that a layer is without; 0 if it is not a layer.
    pub(super) n_removed_words: u64,
    /// Pairs of types with references from one to the other.
    pub(super) n_type_pairs: u64,
    /// Names of the kinds of root.
    pub(super) root_kinds: Vec<String>,
}

impl IndexContent {
    /// Offsets of a CSR. For a number of nodes that no file has, a number of offsets that no file has.
    fn n_offsets(&self) -> u64 {
        self.n_nodes.saturating_add(1)
    }
}

/// The names of sections that are read while others are still being written.
pub(super) const ADDRESS: &str = "address";
pub(super) const TARGETS: &str = "targets";
pub(super) const SOURCES: &str = "sources";
pub(super) const TYPE: &str = "type";
pub(super) const SIZE: &str = "size";
pub(super) const OFFSETS: &str = "offsets";
pub(super) const REVERSE_OFFSETS: &str = "reverse_offsets";

/// For each section the name of its field and method, its name in the file, the type of its numbers (`I` is that of the
/// ids), and how many there are. Those of `narrow`, one for each
/// node, and the differences of `offsets` to bases have one or two bytes for each number where few are larger.
macro_rules! sections {
    (
        full { $($(#[$doc:meta])* $field:ident, $name:expr, $number:ty, $content:ident => $len:expr;)* }
        narrow { $($(#[$narrow_doc:meta])* $narrow_field:ident, $narrow_name:expr, $narrow_number:ty;)* }
        offsets { $($(#[$offsets_doc:meta])* $offsets_field:ident, $offsets_name:expr;)* }
    ) => {
        /// Where the numbers of each section are in the file.
        #[derive(Debug)]
        pub(super) struct SectionRanges {
            $($(#[$doc])* pub(super) $field: Range<usize>,)*
            $($(#[$narrow_doc])* pub(super) $narrow_field: NumbersRange,)*
            $($(#[$offsets_doc])* pub(super) $offsets_field: OffsetsRange,)*
        }

        impl SectionRanges {
            /// Finds all sections; an error if one does not have the length that the header says.
            pub(super) fn of<I: Id>(sections: &Sections, header: &IndexContent) -> Result<Self, Refused> {
                Ok(Self {
                    $($field: sections.range_of::<$number>($name, { let $content = header; $len })?,)*
                    $($narrow_field: sections.numbers_range::<$narrow_number>($narrow_name, header.n_nodes)?,)*
                    $($offsets_field: sections.offsets_range::<I>($offsets_name, header.n_offsets())?,)*
                })
            }
        }

        /// One method for each section. The order of the calls is that of the sections in the file.
        impl<I: Id> Writer<I> {
            $($(#[$doc])* pub(super) fn $field(&mut self, numbers: &[$number]) -> Result<()> {
                self.section($name, numbers)
            })*
            $($(#[$narrow_doc])* pub(super) fn $narrow_field(&mut self, numbers: &NumbersBuf<$narrow_number>) -> Result<()> {
                self.numbers_section($narrow_name, numbers)
            })*
            $($(#[$offsets_doc])* pub(super) fn $offsets_field(&mut self, offsets: &[I]) -> Result<()> {
                self.offsets_section($offsets_name, offsets)
            })*
        }
    };
}

sections! {
    full {
        /// By node, its address; ascending.
        address, ADDRESS, u64, content => content.n_nodes;
        /// The forward CSR: where each edge leads.
        targets, TARGETS, I, content => content.n_edges;
        /// The set of edges that keep nothing alive.
        weak, "weak", u64, content => content.n_weak_words;
        /// The reverse CSR: the referrers.
        sources, SOURCES, I, content => content.n_reverse;
        /// The roots, ascending.
        root, "root", I, content => content.n_roots;
        /// By root, the position of its kind in the list of kinds.
        root_kind, "root_kind", u32, content => content.n_roots;
        /// By root, its position in the order of kinds and names; equal for roots of one kind and name.
        root_rank, "root_rank", u32, content => content.n_roots;
        /// The set of nodes that only roots of garbage reach.
        garbage, "garbage", u64, content => content.n_garbage_words;
        /// By node, its immediate dominator.
        idom, "idom", I, content => content.n_nodes;
        /// The nodes in preorder of the dominator tree.
        preorder, "preorder", I, content => content.n_reached;
        /// By node, its position in the preorder.
        position, "position", I, content => content.n_nodes;
        /// The set of edges that a layer is without.
        removed, "removed", u64, content => content.n_removed_words;
        /// By pair of types, the type of the parents.
        type_parent, "type_parent", u32, content => content.n_type_pairs;
        /// By pair of types, the type of the children.
        type_child, "type_child", u32, content => content.n_type_pairs;
        /// By pair of types, the number of edges.
        type_edges, "type_edges", u64, content => content.n_type_pairs;
    }
    narrow {
        /// By node, the position of its type in the list of types.
        type_rank, TYPE, u32;
        /// By node, its shallow size in bytes.
        size, SIZE, u64;
        /// By node, hops from the nearest root that is not a cycle.
        distance, "distance", u32;
        /// By node, the bytes that it retains.
        retained, "retained", u64;
        /// By node, the number of nodes that it retains.
        retained_count, "retained_count", I;
    }
    offsets {
        /// The forward CSR: where the edges of each node begin.
        offsets, OFFSETS;
        /// The reverse CSR: where the referrers of each node begin.
        reverse_offsets, REVERSE_OFFSETS;
    }
}
