//! The two orders of the objects of some blocks: by address for `edge`, by type and address for `obj`.
//!
//! Nothing is moved: an order is a list of [`RowRef`]s.

use heaplake_readers::{Record, Records, TypeId};
use rayon::prelude::*;

use crate::index::{Nodes, Refcounts};

/// A reference to an object: its block, and its position among the records of the block. Ordered like the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(super) struct RowRef(u64);

/// A block is at most 1 GiB of input, which makes at most some GiB of records; the other bits are enough for 64 TiB of the
/// smallest blocks.
const POSITION_BITS: u32 = 36;

impl RowRef {
    pub(super) fn new(block: usize, position: usize) -> Self {
        Self((block as u64) << POSITION_BITS | position as u64)
    }

    #[inline]
    pub(super) fn block(self) -> usize {
        (self.0 >> POSITION_BITS) as usize
    }

    #[inline]
    fn position(self) -> usize {
        (self.0 & ((1 << POSITION_BITS) - 1)) as usize
    }

    /// The object it refers to; `blocks` are numbered from `first`.
    #[inline]
    pub(super) fn of(self, blocks: &[Records], first: usize) -> Record<'_> {
        blocks[self.block() - first].get(self.position())
    }

    /// See [`Records::touch`].
    #[inline]
    fn touch(self, blocks: &[Records], first: usize) -> u8 {
        blocks[self.block() - first].touch(self.position())
    }

    /// The type of the object.
    #[inline]
    fn type_id(self, blocks: &[Records], first: usize) -> TypeId {
        blocks[self.block() - first].type_id(self.position())
    }
}

/// Objects that are prefetched together.
const FETCH: usize = 512;

/// Calls `each` with the objects and their positions in `rows`; `blocks` are numbered from `first`. Prefetches records in
/// groups, because they are all over the memory, so that cache misses overlap.
pub(super) fn fetch<'b>(
    blocks: &'b [Records],
    first: usize,
    rows: &[RowRef],
    mut each: impl FnMut(usize, Record<'b>),
) {
    for (piece, rows) in rows.chunks(FETCH).enumerate() {
        std::hint::black_box(rows.iter().fold(0, |sum, row| sum ^ row.touch(blocks, first)));
        rows.iter().enumerate().for_each(|(i, row)| each(piece * FETCH + i, row.of(blocks, first)));
    }
}

/// Every object of `blocks`, numbered from `first`, by (address, position in the input).
pub(super) fn by_address(blocks: &[Records], first: usize) -> Vec<(u64, RowRef)> {
    let n_rows = blocks.iter().map(Records::len).sum();
    // Arrays of numbers, because these are allocated zeroed without being written.
    let mut keys = vec![[0_u64; 2]; n_rows];
    let (mut pieces, mut rest) = (Vec::with_capacity(blocks.len()), &mut keys[..]);
    for (records, number) in blocks.iter().zip(first..) {
        let piece;
        (piece, rest) = rest.split_at_mut(records.len());
        pieces.push((records, number, piece));
    }
    pieces.into_par_iter().for_each(|(records, number, piece)| {
        for (key, (position, record)) in piece.iter_mut().zip(records.iter()) {
            *key = [record.address, RowRef::new(number, position).0];
        }
    });
    keys.par_sort_unstable();
    keys.into_iter().map(|[address, row]| (address, RowRef(row))).collect()
}

/// The rank of the type of every object of an order.
pub(super) fn row_ranks(blocks: &[Records], first: usize, rows: &[RowRef], ranks: &[u32]) -> Vec<u32> {
    let rank_of = |row: &RowRef| ranks[row.type_id(blocks, first) as usize];
    rows.par_iter().with_min_len(1 << 14).map(rank_of).collect()
}

/// Sorts objects, which are in the order of their addresses, by (rank of the type, address) into `sorted`. `row_ranks` are
/// the ranks of their types, below `n_ranks`. A counting sort.
pub(super) fn by_type(rows: &[RowRef], row_ranks: &[u32], n_ranks: usize, sorted: &mut [RowRef]) {
    let mut next = vec![0_usize; n_ranks + 1];
    row_ranks.iter().for_each(|&rank| next[rank as usize + 1] += 1);
    (1..next.len()).for_each(|rank| next[rank] += next[rank - 1]);
    for (row, rank) in rows.iter().zip(row_ranks) {
        let slot = &mut next[*rank as usize];
        sorted[*slot] = *row;
        *slot += 1;
    }
}

/// The nodes of the graph index: the objects of an order by address.
pub(super) fn nodes(blocks: &[Records], rows: &[RowRef], ranks: &[u32]) -> Nodes {
    const PIECE: usize = 1 << 14;
    let mut nodes = Nodes {
        addresses: vec![0; rows.len()],
        types: vec![0; rows.len()],
        sizes: vec![0; rows.len()],
        refcounts: Refcounts::unknown(rows.len()),
        ..Nodes::default()
    };
    let (addresses, types) = (nodes.addresses.par_chunks_mut(PIECE), nodes.types.par_chunks_mut(PIECE));
    let columns = addresses.zip(types).zip(nodes.sizes.par_chunks_mut(PIECE));
    let columns = columns.zip(nodes.refcounts.as_mut_slice().par_chunks_mut(PIECE));
    let pieces = rows.par_chunks(PIECE).zip(columns).enumerate().map(|(piece, (rows, columns))| {
        let (((addresses, types), sizes), refcounts) = columns;
        let mut named = Vec::new();
        fetch(blocks, 0, rows, |i, record| {
            addresses[i] = record.address;
            types[i] = ranks[record.type_id as usize];
            sizes[i] = Nodes::size(&record);
            if let Some(count) = record.refcount {
                refcounts[i] = count;
            }
            if record.name.is_some() {
                named.push((piece * PIECE + i, rows[i]));
            }
        });
        named
    });
    let named: Vec<Vec<(usize, RowRef)>> = pieces.collect();
    for (node, row) in named.into_iter().flatten() {
        if let Some(name) = row.of(blocks, 0).name {
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
