//! Which cycles of types repeat along the paths of spanning trees.
//!
//! A tree has one path to every object, so a chain is a path of it, unless the tree is flat there: a reference to every
//! link flattens the dominator tree, and the order of references may flatten a depth-first one. Hence three trees: the
//! dominator tree, and two depth-first ones, which take the references of an object from the first and from the last on.
//! (On generated heaps of 1 and 10 million objects a breadth-first tree found nothing that these did not find, and took as
//! long as one of them.) O(nodes + edges) each, and 20 bytes for each step of the deepest path.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use super::{MAX_PERIOD, Motif, TypedGraph};
use crate::{BitSet, Cancelled, Graph, Id, Poll};

/// By period: how many objects in a row, up to this one, have the type of the object one period before. Counts only as far
/// as is needed.
type Runs = [u8; MAX_PERIOD];

/// A spanning tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// The dominator tree.
    Dominators,
    /// Depth first, the references of an object from the first on.
    DepthFirst,
    /// Depth first, the references of an object from the last on.
    DepthFirstBackwards,
}

/// The objects that refer to others, with the references among them, numbered anew in their order.
///
/// Objects without references are on no cycle of types, and they are most of the objects. Without them, and with type and
/// references of an object side by side, a search reads half as many places of memory. 8 bytes for each object that is left and
/// 4 for each reference among them, twice that where ids are wide.
pub(super) struct Inner<I> {
    /// By object, the position of its first reference, and its type; and one more at the end.
    objects: Vec<(I, u32)>,
    targets: Vec<I>,
    /// In the order of the graph's roots, those that refer to others.
    roots: Vec<I>,
    /// The objects of the graph that refer to others.
    is_inner: BitSet,
}

impl<I: Id> Inner<I> {
    pub(super) fn of(typed: TypedGraph<'_, I>, cancel: &AtomicBool) -> Result<Self, Cancelled> {
        let mut poll = Poll::new(cancel);
        let Graph { forward, .. } = typed.graph;
        let n_nodes = typed.graph.n_nodes();
        let inner = || (0..n_nodes).filter(|node| !forward.range(*node).is_empty());
        let is_inner = BitSet::of(n_nodes, inner());
        let ranks = Ranks::of(&is_inner);
        let mut objects = Vec::with_capacity(is_inner.count() + 1);
        let mut targets = Vec::new();
        for node in inner() {
            objects.push((I::new(targets.len()), typed.types[node]));
            poll.steps(forward.range(node).len())?;
            let children = typed.graph.children(node).filter(|child| is_inner.contains(*child));
            targets.extend(children.map(|child| ranks.get::<I>(child)));
        }
        objects.push((I::new(targets.len()), NO_TYPE));
        let roots = typed.roots.iter().filter(|root| is_inner.contains(root.index()));
        let roots = roots.map(|root| ranks.get(root.index())).collect();
        Ok(Self { objects, targets, roots, is_inner })
    }

    fn n_objects(&self) -> usize {
        self.objects.len() - 1
    }

    /// Positions of the references of an object.
    fn range(&self, object: usize) -> std::ops::Range<usize> {
        self.objects[object].0.index()..self.objects[object + 1].0.index()
    }
}

/// The rank of each index of a set among those that are in it.
struct Ranks<'s> {
    words: &'s [u64],
    /// By word, how many indexes come before it.
    before: Vec<usize>,
}

impl<'s> Ranks<'s> {
    fn of(set: &'s BitSet) -> Self {
        let mut sum = 0;
        let before = set.words().iter().map(|word| {
            let before = sum;
            sum += word.count_ones() as usize;
            before
        });
        Self { before: before.collect(), words: set.words() }
    }

    /// The rank of an index that is in the set.
    #[inline]
    fn get<I: Id>(&self, index: usize) -> I {
        let lower = self.words[index / 64] & ((1 << (index % 64)) - 1);
        I::new(self.before[index / 64] + lower.count_ones() as usize)
    }
}

/// The motifs that a tree has at least `repeats` times in a row, 2 to 8.
pub(super) fn motifs<I: Id>(
    typed: TypedGraph<'_, I>,
    inner: &Inner<I>,
    tree: Tree,
    repeats: usize,
    cancel: &AtomicBool,
) -> Result<BTreeSet<Motif>, Cancelled> {
    let mut finding = MotifSearch { typed, inner, enough: repeats - 1, found: BTreeSet::new() };
    match tree {
        Tree::Dominators => finding.dominators(cancel),
        Tree::DepthFirst => finding.depth_first(false, cancel),
        Tree::DepthFirstBackwards => finding.depth_first(true, cancel),
    }?;
    Ok(finding.found)
}

struct MotifSearch<'f, I> {
    typed: TypedGraph<'f, I>,
    inner: &'f Inner<I>,
    /// How often the types must come again after the first time.
    enough: usize,
    found: BTreeSet<Motif>,
}

impl<I: Id> MotifSearch<'_, I> {
    /// The runs of an object, from those of its parent. `before` gives the types of the objects before it, the parent first.
    #[inline]
    fn extend(&mut self, runs: &Runs, type_rank: u32, before: &[u32; MAX_PERIOD]) -> Runs {
        let mut next = Runs::default();
        for (i, run) in next.iter_mut().enumerate() {
            if type_rank == before[i] {
                let period = i + 1;
                let enough = (self.enough * period) as u8;
                *run = runs[i].saturating_add(1).min(enough + 1);
                if *run == enough {
                    self.note(before, period);
                }
            }
        }
        next
    }

    /// Notes the motif that ends before an object.
    #[cold]
    fn note(&mut self, before: &[u32; MAX_PERIOD], period: usize) {
        let types: Vec<u32> = before[..period].iter().rev().copied().collect();
        self.found.insert(Motif::new(types));
    }

    fn dominators(&mut self, cancel: &AtomicBool) -> Result<(), Cancelled> {
        let mut poll = Poll::new(cancel);
        let mut way = TreePath::default();
        for node in self.typed.preorder {
            poll.step()?;
            if !self.inner.is_inner.contains(node.index()) {
                continue;
            }
            let dominator = self.typed.idoms[node.index()];
            while way.steps.pop_if(|step| step.node != dominator).is_some() {}
            let type_rank = self.typed.types[node.index()];
            let runs = self.extend(&way.runs(), type_rank, &way.types());
            way.steps.push(TreeStep { node: *node, edge: I::new(0), type_rank, runs });
        }
        Ok(())
    }

    fn depth_first(&mut self, backwards: bool, cancel: &AtomicBool) -> Result<(), Cancelled> {
        let mut poll = Poll::new(cancel);
        let inner = self.inner;
        let mut seen = BitSet::new(inner.n_objects());
        let mut way = TreePath::default();
        for root in &inner.roots {
            let mut next = Some(root.index()).filter(|root| seen.set(*root));
            loop {
                if let Some(node) = next {
                    let type_rank = inner.objects[node].1;
                    let runs = self.extend(&way.runs(), type_rank, &way.types());
                    way.steps.push(TreeStep { node: I::new(node), edge: I::new(0), type_rank, runs });
                }
                let Some(step) = way.steps.last_mut() else { break };
                poll.step()?;
                let edges = inner.range(step.node.index());
                let taken = step.edge.index();
                if taken == edges.len() {
                    way.steps.pop();
                    next = None;
                    continue;
                }
                step.edge = I::new(taken + 1);
                let edge = if backwards { edges.end - 1 - taken } else { edges.start + taken };
                next = Some(inner.targets[edge].index()).filter(|target| seen.set(*target));
            }
        }
        Ok(())
    }
}

/// The type of the super-root.
const NO_TYPE: u32 = u32::MAX;

/// The path from a root to an object.
struct TreePath<I> {
    steps: Vec<TreeStep<I>>,
}

struct TreeStep<I> {
    node: I,
    /// Number of its edges that were taken.
    edge: I,
    type_rank: u32,
    runs: Runs,
}

impl<I> Default for TreePath<I> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

impl<I: Id> TreePath<I> {
    fn runs(&self) -> Runs {
        self.steps.last().map_or(Runs::default(), |step| step.runs)
    }

    /// The types along the path, the last first.
    fn types(&self) -> [u32; MAX_PERIOD] {
        let mut types = [NO_TYPE; MAX_PERIOD];
        types.iter_mut().zip(self.steps.iter().rev()).for_each(|(to, step)| *to = step.type_rank);
        types
    }
}
