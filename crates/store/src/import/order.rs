//! The two orders of the rows of one set of batches: by address for `edge`, by type and address for `obj`.
//!
//! Nothing is moved: an order is a list of [`RowRef`]s.

use heaplake_readers::{Batch, Row, TypeId};
use rayon::prelude::*;

use crate::index::Nodes;

/// Which row of which batch; ordered as the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(super) struct RowRef(u64);

impl RowRef {
    pub(super) fn new(batch: usize, row: usize) -> Self {
        Self((batch as u64) << 32 | row as u64)
    }

    #[inline]
    pub(super) fn batch(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline]
    pub(super) fn row(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    /// The row it refers to; `batches` are numbered from `first`.
    #[inline]
    pub(super) fn of(self, batches: &[Batch], first: usize) -> (&Batch, &Row) {
        let batch = &batches[self.batch() - first];
        (batch, &batch.rows[self.row()])
    }
}

/// Every row of `batches`, numbered from `first`, by (address, position in the input).
pub(super) fn by_address(batches: &[Batch], first: usize) -> Vec<(u64, RowRef)> {
    let n_rows = batches.iter().map(|batch| batch.rows.len()).sum();
    let mut keys = Vec::with_capacity(n_rows);
    for (i, batch) in batches.iter().enumerate() {
        keys.extend(batch.rows.iter().enumerate().map(|(j, row)| (row.address, RowRef::new(first + i, j))));
    }
    keys.par_sort_unstable();
    keys
}

/// The rows of an order by address, by (rank of the type, address): a counting sort.
pub(super) fn by_type(batches: &[Batch], first: usize, rows: &[RowRef], ranks: &[u32]) -> Vec<RowRef> {
    let rank_of = |row: &RowRef| ranks[row.of(batches, first).1.type_id as usize];
    let row_ranks: Vec<u32> = rows.par_iter().with_min_len(1 << 14).map(rank_of).collect();
    let mut next = vec![0_usize; ranks.len() + 1];
    row_ranks.iter().for_each(|&rank| next[rank as usize + 1] += 1);
    (1..next.len()).for_each(|rank| next[rank] += next[rank - 1]);
    let mut sorted = vec![RowRef(0); rows.len()];
    for (row, rank) in rows.iter().zip(row_ranks) {
        let slot = &mut next[rank as usize];
        sorted[*slot] = *row;
        *slot += 1;
    }
    sorted
}

/// The objects of an order by address, as the graph index wants them.
pub(super) fn nodes(batches: &[Batch], first: usize, rows: &[RowRef], ranks: &[u32]) -> Nodes {
    const PIECE: usize = 1 << 14;
    let mut nodes = Nodes {
        addresses: vec![0; rows.len()],
        types: vec![0; rows.len()],
        sizes: vec![0; rows.len()],
        ..Nodes::default()
    };
    let (addresses, types) = (nodes.addresses.par_chunks_mut(PIECE), nodes.types.par_chunks_mut(PIECE));
    let columns = addresses.zip(types).zip(nodes.sizes.par_chunks_mut(PIECE));
    let pieces = rows.par_chunks(PIECE).zip(columns).enumerate().map(|(piece, (rows, columns))| {
        let ((addresses, types), sizes) = columns;
        let mut named = Vec::new();
        for (i, row_ref) in rows.iter().enumerate() {
            let row = row_ref.of(batches, first).1;
            addresses[i] = row.address;
            types[i] = ranks[row.type_id as usize];
            sizes[i] = Nodes::size(row);
            if row.name_len != Row::NO_TEXT {
                named.push((piece * PIECE + i, *row_ref));
            }
        }
        named
    });
    let named: Vec<Vec<(usize, RowRef)>> = pieces.collect();
    for (node, row) in named.into_iter().flatten() {
        let (batch, row) = row.of(batches, first);
        if let Some(name) = batch.name(row) {
            nodes.names.push(node, &String::from_utf8_lossy(name));
        }
    }
    nodes
}

/// The rank of every type in byte order of the names, by type id.
pub(super) fn type_ranks(names: &[Box<str>]) -> Vec<u32> {
    let mut ids: Vec<TypeId> = (0..names.len() as TypeId).collect();
    ids.sort_unstable_by_key(|&id| &names[id as usize]);
    let mut ranks = vec![0; names.len()];
    for (rank, id) in ids.into_iter().enumerate() {
        ranks[id as usize] = rank as u32;
    }
    ranks
}
