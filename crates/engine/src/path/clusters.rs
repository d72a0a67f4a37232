//! Clusters of paths: those that have their beginning in common, named by the last object of it.

use std::cmp::Reverse;

use heaplake_graph::Walk;

use super::{fold, tree::TreeRow};

/// A cluster has at least this part of all paths, one in so many.
const LEAST_PART: u64 = 20;
/// Paths of a cluster at least.
const LEAST: u64 = 2;

/// Paths that have their beginning in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClusterRow {
    /// The last object that they have in common; `None` for all paths that are in no cluster.
    pub(super) node: Option<usize>,
    /// References from the start of the paths to it.
    pub(super) hops: Option<u32>,
    /// The types on the way to it, what repeats folded.
    pub(super) signature: Option<String>,
    pub(super) paths: u64,
    /// The paths of all clusters.
    pub(super) of: u64,
    /// Shallow sizes of what the paths are asked for, in bytes.
    pub(super) size: i64,
    /// An object that is asked for.
    pub(super) example: usize,
}

/// Paths that are not in a cluster yet.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    paths: u64,
    size: i64,
    example: Option<usize>,
}

impl Left {
    fn add(&mut self, other: Self) {
        self.paths += other.paths;
        self.size = self.size.saturating_add(other.size);
        self.example = self.example.or(other.example);
    }
}

/// The clusters of a tree whose branches are objects, depth first; those of most paths first, and in the end what is in none.
///
/// From the ends up, an object is the last in common of the paths through it that no cluster below it has, if there are enough. What is
/// asked for holds no cluster: the links of a chain are all held by what holds the first of them. O(branches).
pub(super) fn clusters(rows: &[TreeRow], type_name: &dyn Fn(usize) -> String) -> Vec<ClusterRow> {
    let above = |row: &TreeRow| row.above.and_then(|above| usize::try_from(above).ok());
    let of = rows.iter().filter(|row| row.above.is_none()).map(|row| row.paths).sum::<u64>();
    let least = of.div_ceil(LEAST_PART).max(LEAST);
    // Whether nothing above a branch is asked for.
    let mut is_open = vec![true; rows.len()];
    for (i, row) in rows.iter().enumerate() {
        is_open[i] = above(row).is_none_or(|above| is_open[above] && rows[above].ends == 0);
    }
    let mut left = vec![Left::default(); rows.len()];
    let (mut found, mut others) = (Vec::new(), Left::default());
    for (i, row) in rows.iter().enumerate().rev().filter(|(i, _)| is_open[*i]) {
        let mine = match row.ends {
            0 => left[i],
            _ => Left { paths: row.paths, size: row.size, example: Some(row.node) },
        };
        if row.ends == 0 && mine.paths >= least {
            found.push((i, mine));
        } else {
            above(row).map_or(&mut others, |above| &mut left[above]).add(mine);
        }
    }
    found.sort_by_key(|(i, mine)| (Reverse(mine.paths), *i));
    let signature = |i: usize| {
        let mut way: Vec<&TreeRow> =
            std::iter::successors(Some(&rows[i]), |row| above(row).map(|i| &rows[i])).collect();
        way.reverse();
        let names: Vec<String> = way.iter().map(|row| type_name(row.node)).collect();
        let types: Vec<&str> = names.iter().map(String::as_str).collect();
        let ups: Vec<bool> = way.iter().skip(1).map(|row| row.hop == Some(Walk::Up)).collect();
        fold::signature(&types, &ups).0
    };
    let row = |i: Option<usize>, Left { paths, size, example }: Left| ClusterRow {
        node: i.map(|i| rows[i].node),
        hops: i.map(|i| rows[i].depth),
        signature: i.map(signature),
        paths,
        of,
        size,
        example: example.unwrap_or_default(),
    };
    let mut clusters: Vec<ClusterRow> = found.into_iter().map(|(i, mine)| row(Some(i), mine)).collect();
    clusters.extend((others.paths > 0).then(|| row(None, others)));
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of the position of the branch above each branch, and the paths that end at each.
    fn tree(branches: &[(Option<i64>, u64)]) -> Vec<TreeRow> {
        let mut rows: Vec<TreeRow> = Vec::new();
        for (i, (above, ends)) in branches.iter().enumerate() {
            let depth = above.map_or(0, |above| rows[above as usize].depth + 1);
            let (line, hop) = (i as i64, above.map(|_| Walk::Down));
            let (paths, size) = (*ends, *ends as i64 * 8);
            rows.push(TreeRow {
                line,
                above: *above,
                depth,
                node: i,
                hop,
                objects: 1,
                paths,
                ends: *ends,
                size,
            });
        }
        for i in (1..rows.len()).rev() {
            let (above, paths, size) = (rows[i].above, rows[i].paths, rows[i].size);
            if let Some(above) = above {
                rows[above as usize].paths += paths;
                rows[above as usize].size += size;
            }
        }
        rows
    }

    /// The last object in common, paths and hops of each cluster.
    fn found(rows: &[TreeRow]) -> Vec<(Option<usize>, u64, Option<u32>)> {
        let clusters = clusters(rows, &|node| format!("T{node}"));
        let n_paths: u64 = clusters.iter().map(|cluster| cluster.paths).sum();
        assert!(clusters.iter().all(|cluster| cluster.of == n_paths), "every path is in one");
        clusters.into_iter().map(|cluster| (cluster.node, cluster.paths, cluster.hops)).collect()
    }

    #[test]
    fn paths_are_together_that_begin_alike() {
        // 0 holds two lists, 1 and 2, with 60 and 39 items, and one item itself; 3 begins a path of its own.
        let mut branches = vec![(None, 0), (Some(0), 0), (Some(0), 0), (None, 1), (Some(0), 1)];
        branches.extend((0..60).map(|_| (Some(1), 1)));
        branches.extend((0..39).map(|_| (Some(2), 1)));
        let rows = tree(&branches);
        assert_eq!(found(&rows), [(Some(1), 60, Some(1)), (Some(2), 39, Some(1)), (None, 2, None)]);
        assert_eq!(clusters(&rows, &|node| format!("T{node}"))[0].signature.as_deref(), Some("T0 -> T1"));
        assert_eq!(clusters(&rows, &|_| String::new())[0].size, 480);
    }

    #[test]
    fn what_holds_many_that_hold_few_is_in_common() {
        // 0 holds 50 objects with an item each.
        let mut branches = vec![(None, 0)];
        for i in 0..50 {
            branches.push((Some(0), 0));
            branches.push((Some(2 * i + 1), 1));
        }
        assert_eq!(found(&tree(&branches)), [(Some(0), 50, Some(0))]);
    }

    #[test]
    fn the_links_of_a_chain_are_held_by_what_holds_the_first() {
        let mut branches = vec![(None, 0), (Some(0), 0)];
        for i in 0..10_000 {
            branches.push((Some(2 * i + 1), 1));
            branches.push((Some(2 * i + 2), 0));
        }
        assert_eq!(found(&tree(&branches)), [(Some(1), 10_000, Some(1))]);
    }

    #[test]
    fn what_is_asked_for_at_the_start_is_in_no_cluster() {
        assert_eq!(found(&tree(&[(None, 1), (Some(0), 1)])), [(None, 2, None)]);
        assert_eq!(found(&[]), []);
    }
}
