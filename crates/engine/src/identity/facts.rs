//! What of the objects of a dump is compared, by node of the graph index.

use std::{ops::Range, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array as _, AsArray as _, RecordBatch, StringViewArray, StringViewBuilder},
        datatypes::{Int64Type, UInt64Type},
    },
    error::{DataFusionError, Result},
};
use futures::TryStreamExt as _;
use heaplake_graph::{BitSet, Id, Key, Numbers};
use heaplake_store::{GraphIndex, Manifest, with_index};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{Error, catalog::CATALOG, operator::OperatorRows, snapshot::OpenIndex};

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

/// Lengths by node, in half the memory where they are small.
#[derive(Debug)]
enum Lens {
    /// One more than the length; 0 where there is none.
    Narrow(Vec<u32>),
    Wide(Vec<Option<i64>>),
}

impl Lens {
    fn get(&self, node: usize) -> Option<i64> {
        match self {
            Lens::Narrow(lens) => lens[node].checked_sub(1).map(i64::from),
            Lens::Wide(lens) => lens[node],
        }
    }

    fn set(&mut self, node: usize, len: i64) {
        let narrow = u32::try_from(len).ok().and_then(|len| len.checked_add(1));
        match (&mut *self, narrow) {
            (Lens::Narrow(lens), Some(len)) => lens[node] = len,
            (Lens::Narrow(lens), None) => {
                let wide = lens.iter().map(|len| len.checked_sub(1).map(i64::from));
                *self = Lens::Wide(wide.collect());
                self.set(node, len);
            }
            (Lens::Wide(lens), _) => lens[node] = Some(len),
        }
    }
}

/// Bytes that the facts take for every object, about: key, length, place in the order of `obj`, two bits.
pub(super) const BYTES_PER_OBJECT: usize = 18;

/// The facts of one dump.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(super) open: Arc<OpenIndex>,
    /// By row of `obj`, its node.
    order: Nodes,
    /// By place in the manifest's list of types, the rows of its objects.
    stretches: Vec<Range<usize>>,
    /// By node, a fingerprint of the name, or where there is none of the value.
    pub(super) keys: Vec<Key>,
    /// By node.
    lens: Lens,
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
    pub(crate) fn new(open: Arc<OpenIndex>) -> Result<Self> {
        let n_types = open.manifest.types.len();
        let (order, stretches) = with_index!(&*open.index, |index| order(index, n_types))?;
        let n_nodes = open.index.n_nodes();
        Ok(Self {
            open,
            order,
            stretches,
            keys: Key::nones(n_nodes),
            lens: Lens::Narrow(vec![0; n_nodes]),
            has_size: BitSet::new(n_nodes),
            named: BitSet::new(n_nodes),
            named_rows: Vec::new(),
            names: StringViewBuilder::new().finish(),
        })
    }

    /// Adds what `obj` says. Fingerprints of dumps that are compared are made with one seed.
    pub(crate) async fn load(mut self, mut rows: OperatorRows, seed: u64) -> Result<Self> {
        let mut row = 0;
        let mut names = StringViewBuilder::new();
        while let Some(batch) = rows.try_next().await? {
            self.add(row, &batch, seed, &mut names)?;
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
        seed: u64,
        all_names: &mut StringViewBuilder,
    ) -> Result<()> {
        let addresses = batch.column(0).as_primitive::<UInt64Type>().values();
        let (names, values) = (batch.column(1).as_string_view(), batch.column(2).as_string_view());
        let (sizes, lens) =
            (batch.column(3).as_primitive::<Int64Type>(), batch.column(4).as_primitive::<Int64Type>());
        let (no_names, no_values) = (names.null_count() == names.len(), values.null_count() == values.len());
        let open = self.open.clone();
        let known = with_index!(&*open.index, |index| index.addresses());
        for (i, address) in addresses.iter().enumerate() {
            let row = first + i;
            let node = if row < self.order.len() { self.order.get(row) } else { None };
            let Some(node) = node.filter(|node| known[*node] == *address) else {
                return Err(self.out_of_step());
            };
            if sizes.is_valid(i) {
                self.has_size.insert(node);
            }
            if lens.is_valid(i) {
                self.lens.set(node, lens.value(i));
            }
            if !no_names && names.is_valid(i) {
                self.keys[node] = Key::must(xxh3_64_with_seed(names.value(i).as_bytes(), seed));
                self.named.insert(node);
                self.named_rows.push(row);
                all_names.append_value(names.value(i));
            } else if !no_values && values.is_valid(i) {
                self.keys[node] = Key::may(xxh3_64_with_seed(values.value(i).as_bytes(), seed));
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
    pub(crate) fn stretch(&self, type_rank: usize) -> Range<usize> {
        self.stretches[type_rank].clone()
    }

    /// The node of a row.
    pub(crate) fn node(&self, row: usize) -> usize {
        self.order.get(row).unwrap_or_default()
    }

    /// The row of a node.
    pub(crate) fn row(&self, node: usize) -> usize {
        self.first(self.stretch(self.types().at(node) as usize), |other| other >= node)
    }

    /// The first of some rows of a type whose address is at least this one.
    pub(crate) fn first_from(&self, rows: Range<usize>, address: u64) -> usize {
        let addresses = self.addresses();
        self.first(rows, |node| addresses[node] >= address)
    }

    /// The first of some rows of a type whose node passes, as all after it do.
    fn first(&self, rows: Range<usize>, passes: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match passes(self.node(middle)) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        low
    }

    pub(crate) fn n_nodes(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn address(&self, node: usize) -> u64 {
        self.addresses()[node]
    }

    pub(crate) fn type_name(&self, node: usize) -> &str {
        let type_rank = self.types().at(node) as usize;
        self.open.manifest.types.get(type_rank).map_or("", |stat| &stat.name)
    }

    /// Addresses by node.
    pub(crate) fn addresses(&self) -> &[u64] {
        with_index!(&*self.open.index, |index| index.addresses())
    }

    /// Places in the manifest's list of types, by node.
    pub(crate) fn types(&self) -> Numbers<'_, u32> {
        with_index!(&*self.open.index, |index| index.types())
    }

    /// Shallow sizes in bytes, by node.
    pub(super) fn sizes(&self) -> Sizes<'_> {
        Sizes { sizes: with_index!(&*self.open.index, |index| index.sizes()), has_size: &self.has_size }
    }

    /// Shallow size in bytes.
    pub(crate) fn size(&self, node: usize) -> Option<i64> {
        self.sizes().get(node)
    }

    pub(crate) fn len(&self, node: usize) -> Option<i64> {
        self.lens.get(node)
    }

    /// Number of references, weak and dangling ones too.
    pub(crate) fn refs(&self, node: usize) -> i64 {
        with_index!(&*self.open.index, |index| index.graph().forward.range(node).len() as i64)
    }

    /// Bytes that would be freed with the object.
    pub(crate) fn retained(&self, node: usize) -> i64 {
        let retained = with_index!(&*self.open.index, |index| index.retained().at(node));
        i64::try_from(retained).unwrap_or(i64::MAX)
    }

    /// The node that holds another; none where no single one does.
    pub(crate) fn held_by(&self, node: usize) -> Option<usize> {
        let idom = with_index!(&*self.open.index, |index| index.idoms()[node].index());
        (idom < self.n_nodes()).then_some(idom)
    }

    pub(crate) fn name(&self, node: usize) -> Option<&str> {
        if !self.named.contains(node) {
            return None;
        }
        let place = self.named_rows.binary_search(&self.row(node)).ok()?;
        Some(self.names.value(place))
    }
}

/// Shallow sizes.
#[derive(Clone, Copy)]
pub(super) struct Sizes<'f> {
    sizes: Numbers<'f, u64>,
    has_size: &'f BitSet,
}

impl Sizes<'_> {
    /// In bytes; none where the dump gives none.
    #[inline]
    pub(super) fn get(self, node: usize) -> Option<i64> {
        self.has_size.contains(node).then(|| i64::try_from(self.sizes.at(node)).unwrap_or(i64::MAX))
    }
}

/// The nodes in the order of `obj`: by type, then by number; and which rows are of each type.
fn order<I: Id>(index: &GraphIndex<I>, n_types: usize) -> Result<(Nodes, Vec<Range<usize>>)>
where
    Nodes: From<Vec<I>>,
{
    let mut starts = vec![0_usize; n_types + 1];
    for type_rank in index.types().iter() {
        let Some(count) = starts.get_mut(type_rank as usize + 1) else {
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
        let next = &mut starts[type_rank as usize];
        order[*next] = I::new(node);
        *next += 1;
    }
    Ok((order.into(), stretches))
}
