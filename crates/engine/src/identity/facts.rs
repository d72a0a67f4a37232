//! What of the objects of a dump is compared, by node of the graph index.

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::Range,
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array as _, AsArray as _, RecordBatch, StringViewArray, StringViewBuilder},
        datatypes::{Int64Type, UInt64Type},
    },
    error::{DataFusionError, Result},
    execution::SendableRecordBatchStream,
};
use futures::TryStreamExt as _;
use heaplake_graph::{BitSet, Id, Key};
use heaplake_store::{GraphIndex, Manifest, with_index};

use crate::{Error, catalog::CATALOG, graph::OpenIndex};

/// Numbers of nodes, in half the memory where they are small.
#[derive(Debug, Clone)]
pub(super) enum Nodes {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

impl Nodes {
    /// The number at a place; none for [`Id::NONE`].
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<usize> {
        match self {
            Nodes::Narrow(nodes) => Some(nodes[place]).filter(|node| *node != u32::NONE).map(Id::index),
            Nodes::Wide(nodes) => Some(nodes[place]).filter(|node| *node != u64::NONE).map(Id::index),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Nodes::Narrow(nodes) => nodes.len(),
            Nodes::Wide(nodes) => nodes.len(),
        }
    }
}

impl From<Vec<u32>> for Nodes {
    fn from(nodes: Vec<u32>) -> Self {
        Nodes::Narrow(nodes)
    }
}

impl From<Vec<u64>> for Nodes {
    fn from(nodes: Vec<u64>) -> Self {
        Nodes::Wide(nodes)
    }
}

/// A length that a dump does not give. None has this one: readers use it in the same way.
pub(super) const NO_LEN: i64 = i64::MIN;

/// Bytes that the facts take for every object, about: key, length, place in the order of `obj`, three bits.
pub(super) const BYTES_PER_OBJECT: usize = 21;

/// The facts of one dump.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) open: Arc<OpenIndex>,
    /// By row of `obj`, its node.
    order: Nodes,
    /// By place in the manifest's list of types, the rows of its objects.
    stretches: Vec<Range<usize>>,
    /// By node, a fingerprint of the name, or where there is none of the value.
    pub(super) keys: Vec<Key>,
    /// By node.
    pub(super) lens: Vec<i64>,
    /// The nodes that have a size.
    has_size: BitSet,
    /// The nodes that have a name.
    pub(super) named: BitSet,
    /// The rows of `obj` that have a name, and these names.
    named_rows: Vec<usize>,
    names: StringViewArray,
}

/// The query for what [`Facts::load`] takes, in the order of `obj`.
pub(super) fn query(manifest: &Manifest) -> String {
    format!("SELECT address, name, value, size, len FROM {CATALOG}.\"{}\".obj", manifest.id)
}

impl Facts {
    /// What the index alone says.
    pub(super) fn new(open: Arc<OpenIndex>) -> Result<Self> {
        let n_types = open.manifest.types.len();
        let (order, stretches) = with_index!(&open.index, |index| order(index, n_types))?;
        let n_nodes = open.index.n_nodes();
        Ok(Self {
            open,
            order,
            stretches,
            keys: vec![Key::NONE; n_nodes],
            lens: vec![NO_LEN; n_nodes],
            has_size: BitSet::new(n_nodes),
            named: BitSet::new(n_nodes),
            named_rows: Vec::new(),
            names: StringViewBuilder::new().finish(),
        })
    }

    /// Adds what `obj` says. Hashes of both dumps to compare are to be made by the same state.
    pub(super) async fn load(
        mut self,
        mut rows: SendableRecordBatchStream,
        hash: RandomState,
    ) -> Result<Self> {
        let mut row = 0;
        let mut names = StringViewBuilder::new();
        while let Some(batch) = rows.try_next().await? {
            self.add(row, &batch, &hash, &mut names)?;
            row += batch.num_rows();
        }
        if row != self.order.len() {
            return Err(self.out_of_step());
        }
        self.names = names.finish();
        Ok(self)
    }

    fn add(
        &mut self,
        first: usize,
        batch: &RecordBatch,
        hash: &RandomState,
        all_names: &mut StringViewBuilder,
    ) -> Result<()> {
        let addresses = batch.column(0).as_primitive::<UInt64Type>().values();
        let (names, values) = (batch.column(1).as_string_view(), batch.column(2).as_string_view());
        let (sizes, lens) =
            (batch.column(3).as_primitive::<Int64Type>(), batch.column(4).as_primitive::<Int64Type>());
        let (no_names, no_values) = (names.null_count() == names.len(), values.null_count() == values.len());
        for (i, address) in addresses.iter().enumerate() {
            let row = first + i;
            let Some(node) = (row < self.order.len()).then(|| self.order.get(row)).flatten() else {
                return Err(self.out_of_step());
            };
            if with_index!(&self.open.index, |index| index.addresses()[node]) != *address {
                return Err(self.out_of_step());
            }
            if sizes.is_valid(i) {
                self.has_size.insert(node);
            }
            if lens.is_valid(i) {
                self.lens[node] = lens.value(i);
            }
            if !no_names && names.is_valid(i) {
                self.keys[node] = Key::must(hash.hash_one(names.value(i)));
                self.named.insert(node);
                self.named_rows.push(row);
                all_names.append_value(names.value(i));
            } else if !no_values && values.is_valid(i) {
                self.keys[node] = Key::may(hash.hash_one(values.value(i)));
            }
        }
        Ok(())
    }

    fn out_of_step(&self) -> DataFusionError {
        Error::Damaged {
            file: format!("obj of {}", self.open.manifest.id),
            what: "its rows are not those of the graph index in the order of type and address".to_owned(),
        }
        .into()
    }

    /// The rows of a type, given its place in the manifest's list of types.
    pub(super) fn stretch(&self, type_rank: usize) -> Range<usize> {
        self.stretches[type_rank].clone()
    }

    /// The node of a row.
    pub(super) fn node(&self, row: usize) -> usize {
        self.order.get(row).unwrap_or_default()
    }

    /// The row of a node.
    pub(super) fn row(&self, node: usize) -> usize {
        let type_rank = with_index!(&self.open.index, |index| index.types()[node]) as usize;
        let rows = self.stretch(type_rank);
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.node(middle) < node {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    pub(super) fn n_nodes(&self) -> usize {
        self.order.len()
    }

    pub(super) fn address(&self, node: usize) -> u64 {
        with_index!(&self.open.index, |index| index.addresses()[node])
    }

    pub(super) fn type_name(&self, node: usize) -> &str {
        let type_rank = with_index!(&self.open.index, |index| index.types()[node]) as usize;
        self.open.manifest.types.get(type_rank).map_or("", |stat| &stat.name)
    }

    /// Shallow size in bytes.
    pub(super) fn size(&self, node: usize) -> Option<i64> {
        let size = with_index!(&self.open.index, |index| index.sizes()[node]);
        self.has_size.contains(node).then(|| i64::try_from(size).unwrap_or(i64::MAX))
    }

    pub(super) fn len(&self, node: usize) -> Option<i64> {
        Some(self.lens[node]).filter(|len| *len != NO_LEN)
    }

    /// Number of references, weak and dangling ones too.
    pub(super) fn refs(&self, node: usize) -> i64 {
        with_index!(&self.open.index, |index| index.graph().forward.range(node).len() as i64)
    }

    /// Bytes that would go with the object.
    pub(super) fn retained(&self, node: usize) -> i64 {
        let retained = with_index!(&self.open.index, |index| index.retained()[node]);
        i64::try_from(retained).unwrap_or(i64::MAX)
    }

    /// The node that holds another; none where no single one does.
    pub(super) fn held_by(&self, node: usize) -> Option<usize> {
        let idom = with_index!(&self.open.index, |index| index.idoms()[node].index());
        (idom < self.n_nodes()).then_some(idom)
    }

    pub(super) fn name(&self, node: usize) -> Option<&str> {
        if !self.named.contains(node) {
            return None;
        }
        let place = self.named_rows.binary_search(&self.row(node)).ok()?;
        Some(self.names.value(place))
    }
}

/// The nodes in the order of `obj`: by type, then by number; and which rows are of each type.
fn order<I: Id>(index: &GraphIndex<I>, n_types: usize) -> Result<(Nodes, Vec<Range<usize>>)>
where
    Nodes: From<Vec<I>>,
{
    let mut starts = vec![0_usize; n_types + 1];
    for type_rank in index.types() {
        let Some(count) = starts.get_mut(*type_rank as usize + 1) else {
            let what = "the graph index names a type that the dump does not have";
            return Err(DataFusionError::Internal(what.to_owned()));
        };
        *count += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let stretches = starts.windows(2).map(|ends| ends[0]..ends[1]).collect();
    let mut order = vec![I::NONE; index.n_nodes()];
    for (node, type_rank) in index.types().iter().enumerate() {
        let next = &mut starts[*type_rank as usize];
        order[*next] = I::new(node);
        *next += 1;
    }
    Ok((order.into(), stretches))
}
