//! Partners by path: breadth first through both graphs at once, from the roots.
//!
//! The children of two partners become partners if they have the same *group* (attribute, key or kind of root; those without
//! one are a group as well), the same type, and the same position among the children that have these: first, in order,
//! those with equal keys, then the others. A node gets at most one partner, from the first pair of parents that offers one.
//!
//! This is a heuristic. If only the position tells the children of a group apart, one that is inserted shifts all others.

use std::{collections::VecDeque, sync::atomic::AtomicBool};

use crate::{BitSet, Bits, Cancelled, Csr, Id, Poll};

/// What identifies a node besides its type: a fingerprint of its name or its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Key(u64);

impl Key {
    /// The key of a node without name and value.
    pub const NONE: Self = Self(0);

    /// The key of a name: partners must have the same.
    pub fn must(hash: u64) -> Self {
        Self(hash | 1)
    }

    /// The key of a value: nodes with the same become partners first.
    pub fn may(hash: u64) -> Self {
        Self((hash | 2) & !1)
    }

    /// `n` times [`Key::NONE`].
    pub fn nones(n: usize) -> Vec<Self> {
        bytemuck::zeroed_vec(n)
    }

    /// Whether partners must have the same key.
    pub fn is_must(self) -> bool {
        self.0 & 1 != 0
    }
}

/// One of the two graphs. Numbers of types, labels and kinds mean the same in both.
#[derive(Debug, Clone, Copy)]
pub struct PathSide<'g, I> {
    /// Who refers to whom.
    pub forward: Csr<'g, I>,
    /// Edges that are not followed.
    pub skip: Bits<'g>,
    /// By node, its type.
    pub types: &'g [u32],
    /// By node, its key.
    pub keys: &'g [Key],
    /// By edge, its label, 0 if it has none. Empty if no edge has one.
    pub labels: &'g [u32],
    /// The roots and their kinds, in order.
    pub roots: &'g [(I, u32)],
}

/// Partners, by node of the first graph.
#[derive(Debug, Clone)]
pub struct PathPartners<J> {
    /// The partner; [`Id::NONE`] for a node without one.
    pub partners: Vec<J>,
    /// The nodes whose partner was the only candidate, and so were those of all nodes before it on the path from a root.
    pub unambiguous: BitSet,
}

/// A child without a partner so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<I> {
    group: u32,
    type_rank: u32,
    key: Key,
    position: usize,
    node: I,
}

impl<I> Candidate<I> {
    fn slot(&self) -> (u32, u32) {
        (self.group, self.type_rank)
    }
}

/// A new pair of partners: the position, both nodes, and whether they were the only candidates for each other.
type NewPair<I, J> = (usize, I, J, bool);

/// The partner of every node of `before` by path.
///
/// O(nodes + edges), and a sort of the children of each pair. Memory: per node a bit, an id of the other graph, and an entry
/// of the queue.
pub fn same_paths<I: Id, J: Id>(
    before: &PathSide<'_, I>,
    after: &PathSide<'_, J>,
    cancel: &AtomicBool,
) -> Result<PathPartners<J>, Cancelled> {
    let mut search = PartnerSearch {
        poll: Poll::new(cancel),
        partners: vec![J::NONE; before.forward.n_nodes()],
        unambiguous: BitSet::new(before.forward.n_nodes()),
        taken: (BitSet::new(before.forward.n_nodes()), BitSet::new(after.forward.n_nodes())),
        queue: VecDeque::new(),
        ours: Vec::new(),
        theirs: Vec::new(),
        found: Vec::new(),
    };
    for (position, (node, kind)) in before.roots.iter().enumerate() {
        collect(&mut search.ours, &mut search.taken.0, before, *kind, position, *node);
    }
    for (position, (node, kind)) in after.roots.iter().enumerate() {
        collect(&mut search.theirs, &mut search.taken.1, after, *kind, position, *node);
    }
    search.pair_up(true)?;
    while let Some(node) = search.queue.pop_front() {
        let partner = search.partners[node.index()];
        children(&mut search.ours, &mut search.taken.0, before, node.index());
        children(&mut search.theirs, &mut search.taken.1, after, partner.index());
        let is_sure = search.unambiguous.contains(node.index());
        search.pair_up(is_sure)?;
    }
    Ok(PathPartners { partners: search.partners, unambiguous: search.unambiguous })
}

struct PartnerSearch<'p, I, J> {
    poll: Poll<'p>,
    partners: Vec<J>,
    unambiguous: BitSet,
    /// The nodes of both graphs that have a partner, or are candidates.
    taken: (BitSet, BitSet),
    /// Nodes whose children are still to be paired.
    queue: VecDeque<I>,
    ours: Vec<Candidate<I>>,
    theirs: Vec<Candidate<J>>,
    found: Vec<NewPair<I, J>>,
}

fn children<I: Id>(
    candidates: &mut Vec<Candidate<I>>,
    taken: &mut BitSet,
    side: &PathSide<'_, I>,
    node: usize,
) {
    for (position, edge) in side.forward.range(node).enumerate() {
        let child = side.forward.target(edge);
        if child != I::NONE && !side.skip.contains(edge) {
            let label = side.labels.get(edge).copied().unwrap_or_default();
            collect(candidates, taken, side, label, position, child);
        }
    }
}

fn collect<I: Id>(
    candidates: &mut Vec<Candidate<I>>,
    taken: &mut BitSet,
    side: &PathSide<'_, I>,
    group: u32,
    position: usize,
    node: I,
) {
    if taken.set(node.index()) {
        let (type_rank, key) = (side.types[node.index()], side.keys[node.index()]);
        candidates.push(Candidate { group, type_rank, key, position, node });
    }
}

impl<I: Id, J: Id> PartnerSearch<'_, I, J> {
    /// Pairs the candidates, and releases those that remain.
    fn pair_up(&mut self, parents_are_sure: bool) -> Result<(), Cancelled> {
        self.poll.steps(self.ours.len() + self.theirs.len())?;
        self.ours.sort_unstable();
        self.theirs.sort_unstable();
        let has_key = |key: Key| key != Key::NONE;
        merge(
            &mut self.ours,
            &mut self.theirs,
            |ours| has_key(ours.key).then_some((ours.slot(), ours.key)),
            |theirs| has_key(theirs.key).then_some((theirs.slot(), theirs.key)),
            &mut self.found,
        );
        if !self.ours.is_empty() && !self.theirs.is_empty() {
            self.ours.sort_unstable_by_key(|ours| (ours.slot(), ours.key.is_must(), ours.position));
            self.theirs.sort_unstable_by_key(|theirs| (theirs.slot(), theirs.key.is_must(), theirs.position));
            merge(
                &mut self.ours,
                &mut self.theirs,
                |ours| (!ours.key.is_must()).then_some(ours.slot()),
                |theirs| (!theirs.key.is_must()).then_some(theirs.slot()),
                &mut self.found,
            );
        }
        for ours in self.ours.drain(..) {
            self.taken.0.remove(ours.node.index());
        }
        for theirs in self.theirs.drain(..) {
            self.taken.1.remove(theirs.node.index());
        }
        // Breadth first in the order of the references.
        self.found.sort_unstable();
        for (_, ours, theirs, is_only) in self.found.drain(..) {
            self.partners[ours.index()] = theirs;
            if parents_are_sure && is_only {
                self.unambiguous.insert(ours.index());
            }
            self.queue.push_back(ours);
        }
        Ok(())
    }
}

/// Pairs candidates with the same slot, in order; the others stay in the lists. Both lists are ordered by slot, apart from
/// candidates without a slot, which stay.
fn merge<I: Id, J: Id, S: Ord + Copy>(
    ours: &mut Vec<Candidate<I>>,
    theirs: &mut Vec<Candidate<J>>,
    our_slot: impl Fn(&Candidate<I>) -> Option<S>,
    their_slot: impl Fn(&Candidate<J>) -> Option<S>,
    found: &mut Vec<NewPair<I, J>>,
) {
    let (mut i, mut j) = (0, 0);
    let (mut kept_i, mut kept_j) = (0, 0);
    loop {
        let slot = match (ours.get(i).map(&our_slot), theirs.get(j).map(&their_slot)) {
            (Some(None), _) => {
                ours.swap(kept_i, i);
                (i, kept_i) = (i + 1, kept_i + 1);
                continue;
            }
            (_, Some(None)) => {
                theirs.swap(kept_j, j);
                (j, kept_j) = (j + 1, kept_j + 1);
                continue;
            }
            (Some(Some(slot)), Some(Some(other))) if slot == other => slot,
            (Some(Some(slot)), other) if other.flatten().is_none_or(|other| slot < other) => {
                ours.swap(kept_i, i);
                (i, kept_i) = (i + 1, kept_i + 1);
                continue;
            }
            (_, Some(Some(_))) => {
                theirs.swap(kept_j, j);
                (j, kept_j) = (j + 1, kept_j + 1);
                continue;
            }
            _ => break,
        };
        let n_ours = ours[i..].iter().take_while(|ours| our_slot(ours) == Some(slot)).count();
        let n_theirs = theirs[j..].iter().take_while(|theirs| their_slot(theirs) == Some(slot)).count();
        let n_pairs = n_ours.min(n_theirs);
        let is_only = n_ours == 1 && n_theirs == 1;
        let pairs = ours[i..i + n_pairs].iter().zip(&theirs[j..j + n_pairs]);
        found.extend(pairs.map(|(ours, theirs)| (ours.position, ours.node, theirs.node, is_only)));
        for rest in i + n_pairs..i + n_ours {
            ours.swap(kept_i, rest);
            kept_i += 1;
        }
        for rest in j + n_pairs..j + n_theirs {
            theirs.swap(kept_j, rest);
            kept_j += 1;
        }
        (i, j) = (i + n_ours, j + n_theirs);
    }
    ours.truncate(kept_i);
    theirs.truncate(kept_j);
}
