//! The columns of `obj` that come from the index, and those of `root`.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, Int64Array, StringArray, StringBuilder, UInt32Array, UInt64Array, new_null_array,
    },
    buffer::NullBuffer,
};
use heaplake_graph::{BitSet, Id, NO_DISTANCE};
use heaplake_model::schema;

use super::{AnyIndex, GraphIndex};
use crate::addresses::Positions;

/// The first of these columns; all columns from it on come from the index.
const FIRST_COLUMN: &str = "root_kind";

/// Number of columns of `obj` that do not need the index.
pub(crate) fn n_plain_columns() -> usize {
    schema::obj().index_of(FIRST_COLUMN).unwrap_or_default()
}

/// The columns of `root`.
pub(crate) fn root_columns<'k>(roots: impl Iterator<Item = (u64, &'k str)>) -> Vec<ArrayRef> {
    let (addresses, kinds): (Vec<u64>, Vec<&str>) = roots.unzip();
    vec![Arc::new(UInt64Array::from(addresses)), Arc::new(StringArray::from(kinds))]
}

/// An index with a lookup by address.
pub(crate) enum ObjIndex<'i> {
    Narrow(AddressedIndex<'i, u32>),
    Wide(AddressedIndex<'i, u64>),
}

pub(crate) struct AddressedIndex<'i, I> {
    index: &'i GraphIndex<I>,
    positions: Positions<'i, I>,
    is_root: BitSet,
}

impl<'i> ObjIndex<'i> {
    pub(crate) fn new(index: &'i AnyIndex) -> Self {
        match index {
            AnyIndex::Narrow(index) => Self::Narrow(AddressedIndex::new(index)),
            AnyIndex::Wide(index) => Self::Wide(AddressedIndex::new(index)),
        }
    }

    /// The columns of some objects: `root_kind`, `distance`, `idom`, `retained`, `retained_count`, `external`. `refcounts` are
    /// the numbers of references to them.
    pub(crate) fn columns(&self, addresses: &[u64], refcounts: &Int64Array) -> Vec<ArrayRef> {
        match self {
            Self::Narrow(index) => index.columns(addresses, refcounts),
            Self::Wide(index) => index.columns(addresses, refcounts),
        }
    }
}

/// The same columns without an index: nothing but nulls.
pub(crate) fn null_columns(n_rows: usize) -> Vec<ArrayRef> {
    let schema = schema::obj();
    let fields = &schema.fields()[n_plain_columns()..];
    fields.iter().map(|field| new_null_array(field.data_type(), n_rows)).collect()
}

impl<'i, I: Id> AddressedIndex<'i, I> {
    fn new(index: &'i GraphIndex<I>) -> Self {
        Self {
            index,
            positions: Positions::new(index.addresses()),
            is_root: BitSet::of(index.n_nodes(), index.roots().iter().map(|root| root.index())),
        }
    }

    /// Makes one array after the other, so that cache misses of many nodes overlap.
    fn columns(&self, addresses: &[u64], refcounts: &Int64Array) -> Vec<ArrayRef> {
        let mut nodes = Vec::with_capacity(addresses.len());
        self.positions.append_of(addresses, &mut nodes);
        let nodes: Vec<usize> = nodes.into_iter().map(Id::index).collect();
        let mut root_kind = StringBuilder::new();
        for &node in &nodes {
            root_kind
                .append_option(self.is_root.contains(node).then(|| self.index.root_kind_of(node)).flatten());
        }
        let distances: Vec<u32> = nodes.iter().map(|node| self.index.distances().at(*node)).collect();
        let known = distances.iter().map(|distance| *distance != NO_DISTANCE).collect::<NullBuffer>();
        let idoms: Vec<usize> = nodes.iter().map(|node| self.index.idoms()[*node].index()).collect();
        let all = self.index.addresses();
        let held = idoms.iter().map(|idom| *idom < all.len()).collect::<NullBuffer>();
        let idom: Vec<u64> = idoms.iter().map(|idom| all.get(*idom).copied().unwrap_or_default()).collect();
        let retained = nodes.iter().map(|node| bytes(self.index.retained().at(*node)));
        let counts = nodes.iter().map(|node| self.index.retained_counts().at(*node).index() as i64);
        vec![
            Arc::new(root_kind.finish()),
            Arc::new(UInt32Array::new(distances.into(), Some(known))),
            Arc::new(UInt64Array::new(idom.into(), Some(held))),
            Arc::new(Int64Array::from_iter_values(retained)),
            Arc::new(Int64Array::from_iter_values(counts)),
            self.external(&nodes, refcounts),
        ]
    }
}

impl<I: Id> AddressedIndex<'_, I> {
    /// References to nodes that the graph does not explain.
    fn external(&self, nodes: &[usize], refcounts: &Int64Array) -> ArrayRef {
        if refcounts.null_count() == nodes.len() {
            return new_null_array(refcounts.data_type(), nodes.len());
        }
        let reverse = self.index.graph().reverse;
        let explained = |node: usize| i64::try_from(reverse.range(node).len()).unwrap_or(i64::MAX);
        let external = nodes
            .iter()
            .zip(refcounts)
            .map(|(node, count)| Some(count?.saturating_sub(explained(*node)).max(0)));
        Arc::new(external.collect::<Int64Array>())
    }
}

/// A sum of bytes as a number of SQL; the largest one if it does not fit.
pub(crate) fn bytes(sum: u64) -> i64 {
    i64::try_from(sum).unwrap_or(i64::MAX)
}
