//! Roots, from which the collector would start, for dumps that do not record them; and the kind of each.
//!
//! Recorded roots first. Then modules; frames that run; objects with more references than the graph explains, where the dump
//! has their number, as the collector itself finds them; objects without referrers; and for whatever is still not reached, one
//! object of every strongly connected component that nothing outside refers to: a cycle that holds itself. If all references to
//! its objects are known, it is garbage. From these roots every object is reachable. Where the dump records all roots that there
//! are, objects without referrers are garbage as well.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use heaplake_graph::{BitSet, Cancelled, Graph, Id, Numbers, components};
use heaplake_model::{KeptAlive, Unreferenced, root_kind};

use super::{GraphIndex, NodeNames, Refcounts};

/// The kinds that are not recorded, by their position in [`Roots::names`].
const KINDS: [&str; 6] = [
    root_kind::MODULE,
    root_kind::FRAME,
    root_kind::UNREFERENCED,
    root_kind::CYCLE,
    root_kind::EXTERNAL,
    root_kind::GARBAGE,
];
const MODULE: u32 = 0;
const FRAME: u32 = 1;
const NO_REFERRER: u32 = 2;
const CYCLE: u32 = 3;
const EXTERNAL: u32 = 4;
const GARBAGE: u32 = 5;
/// The kind of an object that was made a root in a layer.
const PINNED: &str = "pinned";

/// The roots of a graph.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Roots<I> {
    /// Ascending.
    pub(super) nodes: Vec<I>,
    /// By root, the position of its kind among the names.
    pub(super) kinds: Vec<u32>,
    pub(super) names: Vec<String>,
}

/// What is known of objects that the other roots do not reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct CutOff<'a> {
    /// The numbers of references to the nodes.
    pub(super) refcounts: &'a Refcounts,
    /// What those are to which nothing refers.
    pub(super) unreferenced: Unreferenced,
}

/// Recorded roots by node, and the names of their kinds.
pub(super) struct RecordedRoots<I> {
    roots: Vec<(I, u32)>,
    names: Vec<String>,
}

/// The roots that the dump records, by node, without those of objects that are not in the dump.
pub(super) fn recorded<I: Id>(roots: &[(u64, Arc<str>)], node: impl Fn(u64) -> I) -> RecordedRoots<I> {
    let mut names: Vec<String> = KINDS.map(str::to_owned).to_vec();
    let mut positions: BTreeMap<&str, u32> = KINDS.into_iter().zip(0..).collect();
    let mut found = Vec::new();
    for (address, kind) in roots {
        let kind = *positions.entry(kind).or_insert_with(|| {
            names.push(kind.to_string());
            names.len() as u32 - 1
        });
        found.extend(Some((node(*address), kind)).filter(|(node, _)| *node != I::NONE));
    }
    RecordedRoots { roots: found, names }
}

impl<I: Id> Roots<I> {
    /// Finds the roots apart from those of cycles. `types` are the types of the nodes, `kept` says by type why its objects are
    /// kept alive, `cut_off` what is known of those to which the others do not lead.
    pub(super) fn find(
        graph: Graph<'_, I>,
        types: Numbers<'_, u32>,
        kept: &[KeptAlive],
        cut_off: CutOff<'_>,
        recorded: RecordedRoots<I>,
    ) -> Self {
        let mut builder = RootsBuilder::<I> { is_root: BitSet::new(graph.n_nodes()), roots: Vec::new() };
        for (node, kind) in recorded.roots {
            builder.add(node.index(), kind);
        }
        let kept_of = |node: usize| kept[types.at(node) as usize];
        let mut frames = BitSet::new(graph.n_nodes());
        for node in 0..graph.n_nodes() {
            match kept_of(node) {
                KeptAlive::AsModule => builder.add(node, MODULE),
                KeptAlive::AsFrameWhileItRuns => frames.insert(node),
                KeptAlive::ByReferences => {}
            }
        }
        running(graph, &frames).into_iter().for_each(|frame| builder.add(frame, FRAME));
        let is_external =
            |node: &usize| cut_off.refcounts.external(*node, graph.reverse.range(*node).len()) > Some(0);
        cut_off.refcounts.nodes().filter(is_external).for_each(|node| builder.add(node, EXTERNAL));
        let kind = if cut_off.unreferenced.is_garbage() { GARBAGE } else { NO_REFERRER };
        for node in (0..graph.n_nodes()).filter(|node| graph.reverse.range(*node).is_empty()) {
            builder.add(node, kind);
        }
        builder.roots.sort_unstable();
        let (nodes, kinds) = builder.roots.into_iter().unzip();
        Self { nodes, kinds, names: recorded.names }
    }

    /// The roots of an index without the nodes `gone`, which were removed or are not roots any more, and `pinned` as further roots.
    pub(super) fn kept(index: &GraphIndex<I>, gone: &BitSet, pinned: &BitSet) -> Self {
        let mut names = index.content.root_kinds.clone();
        let roots = index.roots().iter().copied().zip(index.root_kinds().iter().copied());
        let mut roots: Vec<(I, u32)> = roots.filter(|(node, _)| !pinned.contains(node.index())).collect();
        if pinned.count() > 0 {
            let kind = names.iter().position(|name| name == PINNED).unwrap_or(names.len());
            if kind == names.len() {
                names.push(PINNED.to_owned());
            }
            roots.extend(pinned.iter().map(|node| (I::new(node), kind as u32)));
            roots.sort_unstable();
        }
        let (nodes, kinds) = roots.into_iter().filter(|(node, _)| !gone.contains(node.index())).unzip();
        Self { nodes, kinds, names }
    }

    /// The roots apart from those of cycles and garbage.
    pub(super) fn no_cycles(&self) -> impl Iterator<Item = usize> + '_ {
        self.with(|kind| ![CYCLE, GARBAGE].contains(&kind))
    }

    /// The roots of what is alive, or may be.
    pub(super) fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        self.with(|kind| kind != GARBAGE)
    }

    /// The roots of garbage.
    pub(super) fn garbage(&self) -> impl Iterator<Item = usize> + '_ {
        self.with(|kind| kind == GARBAGE)
    }

    fn with(&self, is_meant: impl Fn(u32) -> bool) -> impl Iterator<Item = usize> {
        let roots = self.nodes.iter().zip(&self.kinds);
        roots.filter(move |(_, kind)| is_meant(**kind)).map(|(node, _)| node.index())
    }

    /// Adds a root for every cycle that nothing else holds. `rest` are the nodes that the other roots do not reach; nodes
    /// without edges, which are not on a cycle, may be missing.
    pub(super) fn add_cycles(
        &mut self,
        graph: Graph<'_, I>,
        rest: &BitSet,
        cut_off: CutOff<'_>,
        cancel: &AtomicBool,
    ) -> Result<(), Cancelled> {
        if rest.is_empty() {
            return Ok(());
        }
        let cycles = sources(graph, rest, cut_off, cancel)?;
        let mut roots: Vec<(I, u32)> = self.nodes.iter().copied().zip(self.kinds.iter().copied()).collect();
        roots.extend(cycles.iter().map(|(node, kind)| (I::new(*node), *kind)));
        roots.sort_unstable();
        (self.nodes, self.kinds) = roots.into_iter().unzip();
        Ok(())
    }

    /// By root, its position in the order of kinds, then names, roots without a name last; equal for roots that are equal in
    /// both. Addresses play no part, so that the order means the same in dumps of other processes.
    pub(super) fn ranks(&self, names: &NodeNames) -> Vec<u32> {
        let name_of = |root: &I| names.of(root.index()).map(|position| names.text(position));
        let mut named: Vec<&str> = self.nodes.iter().filter_map(name_of).collect();
        named.sort_unstable();
        named.dedup();
        let mut kinds: Vec<&str> = self.names.iter().map(String::as_str).collect();
        kinds.sort_unstable();
        let position = |list: &[&str], text: &str| list.partition_point(|other| *other < text) as u32;
        let key = |(root, kind): (&I, &u32)| {
            let name = name_of(root).map_or(u32::MAX, |name| position(&named, name));
            (position(&kinds, &self.names[*kind as usize]), name)
        };
        let keys: Vec<(u32, u32)> = self.nodes.iter().zip(&self.kinds).map(key).collect();
        let mut order = keys.clone();
        order.sort_unstable();
        order.dedup();
        keys.iter().map(|key| order.partition_point(|other| other < key) as u32).collect()
    }

    /// By root, its rank in the index that a layer is made from; the last of all where it is not a root there.
    pub(super) fn ranks_in(&self, index: &GraphIndex<I>) -> Vec<u32> {
        let rank = |root: &I| {
            let found = index.roots().binary_search(root).ok();
            found.and_then(|root| index.root_ranks().get(root)).copied().unwrap_or(u32::MAX)
        };
        self.nodes.iter().map(rank).collect()
    }

    /// Number of roots by kind.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for kind in &self.kinds {
            *counts.entry(self.names[*kind as usize].clone()).or_default() += 1;
        }
        counts
    }
}

struct RootsBuilder<I> {
    is_root: BitSet,
    roots: Vec<(I, u32)>,
}

impl<I: Id> RootsBuilder<I> {
    /// Adds a root. If it is one already, its first kind stays.
    fn add(&mut self, node: usize, kind: u32) {
        if self.is_root.set(node) {
            self.roots.push((I::new(node), kind));
        }
    }
}

/// The running frames: only other running frames refer to them, if anything does. A generator or a traceback refers to a
/// frame that is not running.
fn running<I: Id>(graph: Graph<'_, I>, frames: &BitSet) -> Vec<usize> {
    let mut running = BitSet::new(graph.n_nodes());
    let mut found: Vec<usize> =
        frames.iter().filter(|frame| graph.reverse.range(*frame).is_empty()).collect();
    found.iter().for_each(|frame| running.insert(*frame));
    let mut at = 0;
    while let Some(&frame) = found.get(at) {
        at += 1;
        for called_by in graph.children(frame).filter(|child| frames.contains(*child)) {
            if !running.contains(called_by) && graph.parents(called_by).all(|parent| running.contains(parent))
            {
                running.insert(called_by);
                found.push(called_by);
            }
        }
    }
    found
}

/// The first node of each strongly connected component of `rest` that no other component of it refers to, and its kind.
fn sources<I: Id>(
    graph: Graph<'_, I>,
    rest: &BitSet,
    cut_off: CutOff<'_>,
    cancel: &AtomicBool,
) -> Result<Vec<(usize, u32)>, Cancelled> {
    let components = components(graph.forward, graph.skip, rest, cancel)?;
    let (mut is_held, mut is_unknown) = (BitSet::new(components.count), BitSet::new(components.count));
    for node in rest.iter() {
        let own = components.of[node];
        // Reached nodes do not refer to any of the rest.
        if graph.parents(node).any(|parent| components.of[parent] != own) {
            is_held.insert(own.index());
        }
        if !cut_off.unreferenced.is_garbage() && cut_off.refcounts.of(node).is_none() {
            is_unknown.insert(own.index());
        }
    }
    let kind = |node: usize| if is_unknown.contains(components.of[node].index()) { CYCLE } else { GARBAGE };
    let first = rest.iter().filter(|node| is_held.set(components.of[*node].index()));
    Ok(first.map(|node| (node, kind(node))).collect())
}

#[cfg(test)]
mod tests {
    use heaplake_graph::{Bits, CsrBuf};

    use super::*;

    #[test]
    fn ranks_are_by_kind_and_name() {
        let mut names = NodeNames::default();
        for (node, name) in [(0, "zebra"), (1, "main"), (3, "app"), (4, "zebra")] {
            names.push(node, name);
        }
        let names_of_kinds = ["module", "frame"].map(str::to_owned).to_vec();
        let roots =
            Roots::<u32> { nodes: vec![0, 1, 2, 3, 4], kinds: vec![0, 1, 0, 0, 0], names: names_of_kinds };
        assert_eq!(roots.ranks(&names), [2, 0, 3, 1, 2]);
    }

    #[test]
    fn recorded_roots_come_first_and_keep_their_kind() {
        // 0 is a module, 1 and 2 hold each other, 3 is alone, 4 is held by 3; there is no node 9.
        let forward = CsrBuf::<u32>::from_edges(5, [(1, 2), (2, 1), (3, 4)]);
        let types = Numbers::from(&[1, 0, 0, 0, 0][..]);
        let cancel = AtomicBool::new(false);
        let reverse = CsrBuf::reversed(forward.view(), Bits::default(), 1, &cancel).unwrap();
        let graph = Graph { forward: forward.view(), skip: Bits::default(), reverse: reverse.view() };
        let roots_of = |recorded: &[(u64, &str)], counts: &[u32], unreferenced: Unreferenced| {
            let recorded: Vec<_> =
                recorded.iter().map(|(address, kind)| (*address, Arc::from(*kind))).collect();
            let node = |address: u64| if address < 5 { address as u32 } else { u32::NONE };
            let kept = [KeptAlive::ByReferences, KeptAlive::AsModule];
            let mut refcounts = Refcounts::default();
            counts.iter().enumerate().for_each(|(node, count)| refcounts.push(node, *count));
            let recorded = super::recorded(&recorded, node);
            let cut_off = CutOff { refcounts: &refcounts, unreferenced };
            let mut roots = Roots::find(graph, types, &kept, cut_off, recorded);
            let mut search = heaplake_graph::DepthFirstSearch::new(graph, &cancel);
            search.add_roots(roots.nodes.iter().map(|root| root.index())).unwrap();
            roots.add_cycles(graph, &search.unreached(), cut_off, &cancel).unwrap();
            let kinds = roots.kinds.iter().map(|kind| roots.names[*kind as usize].clone());
            roots.nodes.iter().copied().zip(kinds).collect::<Vec<_>>()
        };
        let roots_with =
            |recorded: &[(u64, &str)], counts: &[u32]| roots_of(recorded, counts, Unreferenced::HeldOutside);
        let roots = |recorded: &[(u64, &str)]| roots_with(recorded, &[]);
        let named = |expected: &[(u32, &str)]| {
            expected.iter().map(|(node, kind)| (*node, (*kind).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(roots(&[]), named(&[(0, "module"), (1, "cycle"), (3, "unreferenced")]));
        assert_eq!(
            roots(&[(4, "thread 7"), (2, "thread 7"), (9, "gone"), (0, "atexit"), (4, "second")]),
            named(&[(0, "atexit"), (2, "thread 7"), (3, "unreferenced"), (4, "thread 7")])
        );
        // All references to 1 and 2 are known; then one to 1 is not explained; then nothing is known of 2.
        assert_eq!(
            roots_with(&[], &[1, 1, 1, 1, 1]),
            named(&[(0, "module"), (1, "garbage"), (3, "external")])
        );
        assert_eq!(
            roots_with(&[], &[1, 1, 2]),
            named(&[(0, "module"), (2, "external"), (3, "unreferenced")])
        );
        assert_eq!(
            roots_with(&[], &[1, 1, 0, 0, 7]),
            named(&[(0, "module"), (1, "cycle"), (3, "unreferenced"), (4, "external")])
        );
        // All roots are known: the rest is garbage.
        assert_eq!(
            roots_of(&[(4, "thread 7")], &[], Unreferenced::Garbage { finalizers: &[] }),
            named(&[(0, "module"), (1, "garbage"), (3, "garbage"), (4, "thread 7")])
        );
        // Fewer references than the graph has: a dump that is inconsistent, and no reason to doubt the graph.
        assert_eq!(roots_with(&[(1, "x")], &[0, 1, 1, 1, 0])[0], (0, "module".to_owned()));
    }
}
