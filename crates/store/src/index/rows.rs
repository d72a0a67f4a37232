//! The rows of objects in `obj`, which is sorted by type, then by node; the index is by node.
//!
//! The row of a node is the number of objects whose type comes before its type, plus the number of nodes of its type before
//! it. Counting the latter from the first node costs time in proportion to the dump, so that the counts of all types are kept
//! for every [`BLOCK`]th node. They are computed at the first call; a later call counts only within the blocks of its nodes.

use heaplake_graph::{Id, Numbers};

use super::GraphIndex;

/// Nodes between two checkpoints, unless there are so many types that checkpoints would be large.
const BLOCK: usize = 1 << 13;
/// A checkpoint has no more than one number for so many nodes.
const NODES_PER_NUMBER: usize = 4;

/// By block of nodes, the row that the next object of each type has.
#[derive(Debug)]
pub(super) struct RowCheckpoints {
    n_types: usize,
    block: usize,
    /// `n_types` numbers a block.
    next_rows: Vec<u64>,
}

impl RowCheckpoints {
    /// The checkpoints of objects whose types are `ranks`. Time in proportion to the objects, and at most 2 bytes an object.
    fn new(ranks: Numbers<'_, u32>, n_types: usize) -> Self {
        let block = BLOCK.max(n_types.saturating_mul(NODES_PER_NUMBER));
        let mut counts = vec![0_u64; n_types];
        let mut next_rows = Vec::with_capacity(ranks.len().div_ceil(block) * n_types);
        for first in (0..ranks.len()).step_by(block) {
            next_rows.extend_from_slice(&counts);
            count(&mut counts, ranks.iter_in(first..ranks.len().min(first + block)));
        }
        let mut first = 0;
        for (rank, count) in counts.iter().enumerate() {
            next_rows.iter_mut().skip(rank).step_by(n_types).for_each(|next| *next += first);
            first += count;
        }
        Self { n_types, block, next_rows }
    }

    /// Calls `take(i, row)` for `nodes[i]`, in the order of the nodes; nodes of a type that the dump does not have are left out.
    fn each_row(&self, ranks: Numbers<'_, u32>, nodes: &[usize], mut take: impl FnMut(usize, u64)) {
        let mut order: Vec<usize> = (0..nodes.len()).filter(|i| nodes[*i] < ranks.len()).collect();
        order.sort_unstable_by_key(|i| nodes[*i]);
        for of_block in order.chunk_by(|a, b| nodes[*a] / self.block == nodes[*b] / self.block) {
            let block = nodes[of_block[0]] / self.block;
            let mut next_rows = self.next_rows[block * self.n_types..][..self.n_types].to_vec();
            let mut at = block * self.block;
            for i in of_block {
                let node = nodes[*i];
                count(&mut next_rows, ranks.iter_in(at..node));
                at = node;
                if let Some(row) = next_rows.get(ranks.at(node) as usize) {
                    take(*i, *row);
                }
            }
        }
    }
}

/// Adds the number of objects of each type. Types outside of `counts` are in no row of a sound dump.
fn count(counts: &mut [u64], ranks: impl Iterator<Item = u32>) {
    for rank in ranks {
        if let Some(count) = counts.get_mut(rank as usize) {
            *count += 1;
        }
    }
}

impl<I: Id> GraphIndex<I> {
    /// For each node, its row in `obj`; `n_types` is the number of the dump's types. A node that the tables do not have gets
    /// the number of nodes, which is the row after the last.
    pub fn obj_rows(&self, n_types: usize, nodes: &[usize]) -> Vec<u64> {
        let ranks = self.types();
        let checkpoints = self.rows.get_or_init(|| RowCheckpoints::new(ranks, n_types));
        let mut rows = vec![ranks.len() as u64; nodes.len()];
        checkpoints.each_row(ranks, nodes, |i, row| rows[i] = row);
        rows
    }

    /// The nodes in the order of the rows of `obj`.
    pub fn nodes_by_row(&self, n_types: usize) -> Vec<I> {
        let ranks = self.types();
        let checkpoints = self.rows.get_or_init(|| RowCheckpoints::new(ranks, n_types));
        let mut next_rows = checkpoints.next_rows.get(..n_types).unwrap_or_default().to_vec();
        let mut nodes = vec![I::NONE; ranks.len()];
        for (node, rank) in ranks.iter().enumerate() {
            if let Some(next) = next_rows.get_mut(rank as usize) {
                nodes[*next as usize] = I::new(node);
                *next += 1;
            }
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of all nodes, by sorting them.
    fn by_sorting(ranks: &[u32]) -> Vec<u64> {
        let mut order: Vec<usize> = (0..ranks.len()).collect();
        order.sort_by_key(|node| ranks[*node]);
        let mut rows = vec![0; ranks.len()];
        for (row, node) in order.into_iter().enumerate() {
            rows[node] = row as u64;
        }
        rows
    }

    #[test]
    fn rows_are_by_type_then_node() {
        // More objects than two blocks; the types are distributed unevenly.
        let ranks: Vec<u32> = (0..2 * BLOCK + 77).map(|node| (node * node % 1_009 % 13) as u32).collect();
        let checkpoints = RowCheckpoints::new((&ranks).into(), 13);
        let wanted = by_sorting(&ranks);
        // Out of order, and one twice.
        let nodes = [2 * BLOCK + 76, 0, BLOCK, BLOCK - 1, 5, 5, 2 * BLOCK];
        let mut found = vec![None; nodes.len()];
        checkpoints.each_row((&ranks).into(), &nodes, |i, row| found[i] = Some(row));
        assert_eq!(found, nodes.map(|node| Some(wanted[node])));
    }

    #[test]
    fn more_types_than_a_block_has_nodes() {
        let n_types = BLOCK + 5;
        let ranks: Vec<u32> = (0..5 * n_types as u32 + 9).map(|node| (node * 7) % n_types as u32).collect();
        let checkpoints = RowCheckpoints::new((&ranks).into(), n_types);
        let nodes: Vec<usize> = (0..ranks.len()).collect();
        let mut found = vec![0; nodes.len()];
        checkpoints.each_row((&ranks).into(), &nodes, |i, row| found[i] = row);
        assert_eq!(found, by_sorting(&ranks));
    }

    #[test]
    fn nodes_and_types_that_are_not_there_have_no_row() {
        let checkpoints = RowCheckpoints::new((&[0, 9, 1][..]).into(), 2);
        let mut found = Vec::new();
        checkpoints
            .each_row((&[0, 9, 1][..]).into(), &[0, 1, 2, 3, usize::MAX], |i, row| found.push((i, row)));
        assert_eq!(found, [(0, 0), (2, 1)]);
        RowCheckpoints::new(Numbers::default(), 0)
            .each_row(Numbers::default(), &[0], |_, _| unreachable!("there is no object"));
    }
}
