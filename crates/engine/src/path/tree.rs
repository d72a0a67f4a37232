//! Paths merged to a tree: what many paths have in common, and where they part.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use heaplake_graph::{Walk, search::Step};

use super::ground::Ground;

/// What is one branch in a tree of paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TreeMerge {
    /// Objects of a type that are reached by the same types.
    #[default]
    Type,
    /// An object.
    Object,
}

impl TreeMerge {
    /// The words for it, as the function takes them.
    pub(crate) const WORDS: &'static [&'static str] = &["type", "object"];

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "type" => Some(Self::Type),
            "object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// A branch of a tree, in its rows.
#[derive(Debug)]
pub(super) struct TreeRow {
    pub(super) line: i64,
    /// The line of the branch above.
    pub(super) above: Option<i64>,
    pub(super) depth: u32,
    /// The first of its objects.
    pub(super) node: usize,
    pub(super) hop: Option<Walk>,
    pub(super) objects: u64,
    pub(super) paths: u64,
    pub(super) ends: u64,
    /// Shallow sizes of what these paths are asked for, in bytes.
    pub(super) size: i64,
}

/// A tree that grows path by path. A few dozen bytes for each branch, and for each object in each branch.
pub(super) struct PathTree {
    merge: TreeMerge,
    branches: Vec<TreeRow>,
    known: HashMap<(Option<u32>, bool, u64), u32>,
    passed: HashSet<(u32, usize)>,
}

impl PathTree {
    pub(super) fn new(merge: TreeMerge) -> Self {
        Self { merge, branches: Vec::new(), known: HashMap::new(), passed: HashSet::new() }
    }

    /// Adds a path that is asked for an object.
    pub(super) fn add(&mut self, steps: &[Step], asked: usize, ground: &dyn Ground) {
        let size = ground.size(asked);
        let mut above: Option<u32> = None;
        for (depth, step) in (0..).zip(steps) {
            let hop = step.hop.map(|(walk, _)| walk);
            let what = match self.merge {
                TreeMerge::Type => u64::from(ground.type_rank(step.node)),
                TreeMerge::Object => step.node as u64,
            };
            let branches = &mut self.branches;
            let branch = *self.known.entry((above, hop == Some(Walk::Up), what)).or_insert_with(|| {
                branches.push(TreeRow {
                    line: 0,
                    above: above.map(i64::from),
                    depth,
                    node: step.node,
                    hop,
                    objects: 0,
                    paths: 0,
                    ends: 0,
                    size: 0,
                });
                branches.len() as u32 - 1
            });
            let row = &mut self.branches[branch as usize];
            row.objects += u64::from(self.passed.insert((branch, step.node)));
            row.paths += 1;
            row.size = row.size.saturating_add(size);
            above = Some(branch);
        }
        if let Some(last) = above {
            self.branches[last as usize].ends += 1;
        }
    }

    /// The branches depth first, of siblings first that of most paths. A stack instead of recursion: paths may be long.
    pub(super) fn into_rows(self) -> Vec<TreeRow> {
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); self.branches.len()];
        let mut waiting = Vec::new();
        for (i, branch) in self.branches.iter().enumerate() {
            match branch.above {
                Some(above) => below[above as usize].push(i),
                None => waiting.push(i),
            }
        }
        // The next one is the last; of equally many paths the one that was found first.
        let most_last =
            |branches: &mut Vec<usize>| branches.sort_by_key(|i| (self.branches[*i].paths, Reverse(*i)));
        most_last(&mut waiting);
        below.iter_mut().for_each(most_last);
        let mut lines: Vec<i64> = vec![0; self.branches.len()];
        let mut order = Vec::with_capacity(self.branches.len());
        while let Some(i) = waiting.pop() {
            lines[i] = order.len() as i64;
            order.push(i);
            waiting.append(&mut below[i]);
        }
        let mut branches: Vec<Option<TreeRow>> = self.branches.into_iter().map(Some).collect();
        let in_order = order.into_iter().filter_map(|i| branches[i].take().map(|branch| (i, branch)));
        in_order
            .map(|(i, branch)| {
                let above = branch.above.map(|above| lines[above as usize]);
                TreeRow { line: lines[i], above, ..branch }
            })
            .collect()
    }
}
