//! The objects of a dump, from which an index is built.

use heaplake_graph::BitSet;
use heaplake_readers::Record;

use super::NodeNames;

/// The objects, by ascending address.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) addresses: Vec<u64>,
    /// By node, the position of its type in the list of types.
    pub(crate) types: Vec<u32>,
    /// By node, its shallow size in bytes; 0 if it has none.
    pub(crate) sizes: Vec<u64>,
    /// The names of nodes.
    pub(crate) names: NodeNames,
    /// How many references there are to the nodes.
    pub(crate) refcounts: Refcounts,
}

/// By node, how many references there are to it, as the interpreter counted them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refcounts {
    /// 0 where it is not known; nodes beyond the end are not known either.
    counts: Vec<u32>,
}

impl Refcounts {
    /// Room for the counts of `n_nodes`, none of which is known.
    pub(crate) fn unknown(n_nodes: usize) -> Self {
        // Zeroed memory that is never written to costs nothing.
        Self { counts: vec![0; n_nodes] }
    }

    /// Sets the count of a node; nodes come in order.
    pub(crate) fn push(&mut self, node: usize, count: u32) {
        self.counts.resize(node, 0);
        self.counts.push(count);
    }

    /// All counts, to be set.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u32] {
        &mut self.counts
    }

    /// The count of a node; `None` if it is not known.
    pub(crate) fn of(&self, node: usize) -> Option<u32> {
        self.counts.get(node).copied().filter(|count| *count > 0)
    }

    /// The nodes whose counts are known, ascending.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.counts.len()).filter(|node| self.counts[*node] > 0)
    }

    /// References to a node that are not among the `n_referrers` of the graph; `None` if it is not known.
    pub(crate) fn external(&self, node: usize, n_referrers: usize) -> Option<u32> {
        let explained = u32::try_from(n_referrers).unwrap_or(u32::MAX);
        self.of(node).map(|count| count.saturating_sub(explained))
    }
}

impl Nodes {
    /// Number of bytes of one object without a name.
    pub(crate) const BYTES: u64 = 24;

    /// None yet, with room for `n_nodes`.
    pub(crate) fn with_room(n_nodes: usize) -> Self {
        Self {
            addresses: Vec::with_capacity(n_nodes),
            types: Vec::with_capacity(n_nodes),
            sizes: Vec::with_capacity(n_nodes),
            ..Self::default()
        }
    }

    /// Adds an object.
    pub(crate) fn push(&mut self, record: &Record<'_>, ranks: &[u32]) {
        if let Some(name) = record.name {
            self.names.push(self.addresses.len(), &String::from_utf8_lossy(name));
        }
        if let Some(count) = record.refcount {
            self.refcounts.push(self.addresses.len(), count);
        }
        self.addresses.push(record.address);
        self.types.push(ranks[record.type_id as usize]);
        self.sizes.push(Self::size(record));
    }

    /// The size of an object as it is summed up.
    pub(crate) fn size(record: &Record<'_>) -> u64 {
        record.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
    }

    /// Removes types without objects from the numbering, and returns the names of the others in order.
    pub(crate) fn forget_unused_types<'n>(&mut self, names: &[&'n str]) -> Vec<&'n str> {
        let mut used = BitSet::new(names.len());
        self.types.iter().for_each(|rank| used.insert(*rank as usize));
        if used.count() < names.len() {
            let mut dense = vec![0; names.len()];
            used.iter().zip(0..).for_each(|(rank, number)| dense[rank] = number);
            self.types.iter_mut().for_each(|rank| *rank = dense[*rank as usize]);
        }
        used.iter().map(|rank| names[rank]).collect()
    }
}
