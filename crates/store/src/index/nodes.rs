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
}

impl Nodes {
    /// Maximum number of bytes of one object.
    pub(crate) const BYTES: u64 = 36;

    /// Adds an object.
    pub(crate) fn push(&mut self, record: &Record<'_>, ranks: &[u32]) {
        if let Some(name) = record.name {
            self.names.push(self.addresses.len(), &String::from_utf8_lossy(name));
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
