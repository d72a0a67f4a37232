//! Paths merged to a tree: what many paths have in common, and where they part.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
};

use heaplake_graph::{
    BitSet, Cancelled, Id, Walk,
    search::{Bindings, OwnSteps, PathSearch, Step, Visited},
};
use heaplake_pathql::Selector;

use super::{
    compile::Compiled,
    find::{PathHit, find},
    ground::Ground,
    ways::asked_for,
};

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
pub(super) struct PathTree<'g> {
    merge: TreeMerge,
    ground: &'g dyn Ground,
    /// Each after the one above it. Paths and sizes are of what ends here, until the rows are made.
    branches: Vec<TreeRow>,
    known: HashMap<(Option<u32>, bool, u64), u32>,
    passed: HashSet<(u32, usize)>,
}

/// The tree of the paths that are searched, and what was looked at.
pub(super) fn merged<'g, I: Id>(
    merge: TreeMerge,
    compiled: &Compiled,
    search: &mut PathSearch<'_, I>,
    ground: &'g dyn Ground,
    cancel: &AtomicBool,
) -> Result<(PathTree<'g>, Visited), Cancelled> {
    let mut tree = PathTree::new(merge, ground);
    if let (Selector::AnyShortest, Some(test)) = (compiled.selector, compiled.per) {
        let within = compiled.within.map_or(u64::MAX, u64::from);
        let most = compiled.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let bindings = search.bindings(test, within, cancel)?;
        if tree.add_bound(&bindings, most, cancel)? {
            return Ok((tree, bindings.visited));
        }
    }
    let visited = find(compiled, search, cancel, &mut |found| {
        if let PathHit::Path(steps) = found {
            tree.add(steps, asked_for(compiled, steps));
        }
        true
    })?;
    Ok((tree, visited))
}

impl<'g> PathTree<'g> {
    fn new(merge: TreeMerge, ground: &'g dyn Ground) -> Self {
        Self { merge, ground, branches: Vec::new(), known: HashMap::new(), passed: HashSet::new() }
    }

    /// Adds a path that is asked for an object.
    fn add(&mut self, steps: &[Step], asked: usize) {
        let steps = steps.iter().map(|step| (step.node, step.hop.map(|(walk, _)| walk)));
        let last = steps.fold(None, |above, (node, hop)| Some(self.branch(above, node, hop)));
        self.end(last, asked);
    }

    /// Adds the first path of each bound node, `most` at most. What paths have in common is passed once: a chain has as many steps in all
    /// of its paths together as the square of its length. False, with nothing added, if it is not known which way their hops go.
    fn add_bound<I: Id>(
        &mut self,
        bindings: &Bindings<'_, I>,
        most: usize,
        cancel: &AtomicBool,
    ) -> Result<bool, Cancelled> {
        let Some(common) = bindings.common() else { return Ok(false) };
        let mut own: Vec<OwnSteps> = Vec::new();
        for node in bindings.nodes().take(most) {
            if cancel.load(Ordering::Relaxed) {
                return Err(Cancelled);
            }
            let Some(steps) = bindings.own_steps(node) else { return Ok(false) };
            own.push(steps);
        }
        let mut is_taken = BitSet::new(common.len());
        for path in &own {
            let mut at = path.before;
            while let Some(step) = at.filter(|at| is_taken.set(*at)) {
                at = common[step].before;
            }
        }
        let mut branch_of = vec![None; common.len()];
        for i in is_taken.iter() {
            let step = common[i];
            branch_of[i] = Some(self.branch(step.before.and_then(|i| branch_of[i]), step.node, step.hop));
        }
        for path in own {
            let before = path.before.and_then(|i| branch_of[i]);
            let asked = path.steps.first().map_or(0, |(node, _)| *node);
            let steps = path.steps.into_iter();
            let last = steps.fold(before, |above, (node, hop)| Some(self.branch(above, node, hop)));
            self.end(last, asked);
        }
        Ok(true)
    }

    /// The branch of an object that is reached from the branch above, or that paths begin with.
    fn branch(&mut self, above: Option<u32>, node: usize, hop: Option<Walk>) -> u32 {
        let what = match self.merge {
            TreeMerge::Type => u64::from(self.ground.type_rank(node)),
            TreeMerge::Object => node as u64,
        };
        let branches = &mut self.branches;
        let branch = *self.known.entry((above, hop == Some(Walk::Up), what)).or_insert_with(|| {
            let depth = above.map_or(0, |above| branches[above as usize].depth + 1);
            let above = above.map(i64::from);
            branches.push(TreeRow {
                line: 0,
                above,
                depth,
                node,
                hop,
                objects: 0,
                paths: 0,
                ends: 0,
                size: 0,
            });
            branches.len() as u32 - 1
        });
        self.branches[branch as usize].objects += u64::from(self.passed.insert((branch, node)));
        branch
    }

    /// Ends a path that is asked for an object.
    fn end(&mut self, last: Option<u32>, asked: usize) {
        let size = self.ground.size(asked);
        if let Some(last) = last {
            let row = &mut self.branches[last as usize];
            row.paths += 1;
            row.ends += 1;
            row.size = row.size.saturating_add(size);
        }
    }

    /// The branches depth first, of siblings first that of most paths. A stack instead of recursion: paths may be long.
    pub(super) fn into_rows(mut self) -> Vec<TreeRow> {
        for i in (0..self.branches.len()).rev() {
            let TreeRow { above, paths, size, .. } = self.branches[i];
            if let Some(above) = above {
                let above = &mut self.branches[above as usize];
                above.paths += paths;
                above.size = above.size.saturating_add(size);
            }
        }
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
