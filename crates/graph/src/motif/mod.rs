//! Cycles of types that repeat along chains of objects, found without being told the types.
//!
//! A leak is often a chain: an object holds its predecessor through some others, and that one holds its own. Along the
//! chain the types repeat; the cycle of types is its *motif*. Candidates come from spanning trees (`trees.rs`) and from
//! the graph of types (`links.rs`). The answer for a candidate is exact (`longest.rs`): the longest chain that keeps to
//! the motif, in the graph of (object, place in the motif), condensed. O(nodes + edges) for the candidates and
//! O(references between the types of the motif) for each of them.

mod links;
mod longest;
mod trees;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{Cancelled, Graph, Id, csr::joined};
use links::{ByType, Links, TypeGraph};
use longest::longest;
use trees::Tree;

/// The most types that a motif has.
pub const MAX_PERIOD: usize = 6;

/// A motif that repeats so often along a tree is looked at.
const ENOUGH: usize = 5;

/// The most types of a motif that has only containers, and that trees have: among them nearly everything repeats
/// somewhere.
const CONTAINER_PERIOD: usize = 2;

/// A graph whose nodes have types, with its dominator tree.
#[derive(Debug, Clone, Copy)]
pub struct TypedGraph<'g, I> {
    /// Who refers to whom.
    pub graph: Graph<'g, I>,
    /// By node, its type.
    pub types: &'g [u32],
    /// By type, whether its objects are mere containers, which belong to whoever refers to them.
    pub is_container: &'g [bool],
    /// The nodes from which all are reached.
    pub roots: &'g [I],
    /// Immediate dominators, by node.
    pub idoms: &'g [I],
    /// Preorder of the dominator tree.
    pub preorder: &'g [I],
    /// By node, its position in the preorder.
    pub positions: &'g [I],
    /// By node, how many nodes it dominates, itself included.
    pub retained_counts: &'g [I],
}

impl<I: Id> TypedGraph<'_, I> {
    /// How many of some nodes a node dominates.
    fn dominated(self, node: I, nodes: &[I]) -> usize {
        let start = self.positions[node.index()].index();
        let subtree = start..start.saturating_add(self.retained_counts[node.index()].index());
        nodes.iter().filter(|node| subtree.contains(&self.positions[node.index()].index())).count()
    }
}

/// A step of a motif.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MotifStep {
    /// The type of its object.
    pub type_rank: u32,
    /// Whether the chain has no such object at some places: a container that is made when it is needed.
    pub is_optional: bool,
}

/// A chain of objects along which a cycle of types repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatingChain<I> {
    /// The types, beginning with that of the first object.
    pub motif: Vec<MotifStep>,
    /// The objects in their order.
    pub nodes: Vec<I>,
    /// How often the motif is in the chain as a whole. Objects that refer to each other along the motif, in a circle,
    /// count once.
    pub repeats: usize,
    /// Number of objects that begin such a chain, long enough, and are not themselves part of a longer one.
    pub heads: usize,
    /// How many of the objects the first one dominates, itself included: they go with it.
    pub held: usize,
}

/// The longest chain of every motif that repeats along it at least so many times (2 at least), the first in rank first.
///
/// Two threads.
pub fn repeating_chains<I: Id>(
    typed: TypedGraph<'_, I>,
    repeats: usize,
    cancel: &AtomicBool,
) -> Result<Vec<RepeatingChain<I>>, Cancelled> {
    let repeats = repeats.max(2);
    let Candidates { of_trees, by_type, types } = candidates(typed, repeats, cancel)?;
    let short = types.short_motifs(repeats);
    let short = short.difference(&of_trees).cloned().map(|motif| (motif, false));
    let found: Vec<(Motif, bool)> =
        short.chain(of_trees.iter().cloned().map(|motif| (motif, true))).collect();
    let is_container = |step: &MotifStep| typed.is_container[step.type_rank as usize];
    // A motif, and how it is with containers that may be missing.
    let mut motifs: Vec<(Motif, Option<Motif>)> = Vec::new();
    for (motif, is_of_tree) in found {
        let only_containers = motif.0.iter().all(is_container);
        if only_containers && (!is_of_tree || motif.0.len() > CONTAINER_PERIOD) {
            continue;
        }
        let loose = Some(&motif).filter(|_| is_of_tree && !only_containers);
        let loose = loose.and_then(|motif| types.with_optional(motif, typed.is_container));
        if types.allows(loose.as_ref().unwrap_or(&motif), repeats) {
            motifs.push((motif, loose));
        }
    }
    let all = motifs.iter().flat_map(|(motif, loose)| std::iter::once(motif).chain(loose));
    let links = links::links(typed, &by_type, all, cancel)?;
    // What takes long first, so that the threads end together.
    let weight = |(motif, _): &(Motif, Option<Motif>)| {
        motif.hops().map(|hop| links.get(&motif.link(hop)).map_or(0, Vec::len)).sum::<usize>()
    };
    motifs.sort_by_cached_key(|motif| Reverse(weight(motif)));
    let mut chains = evaluated(&motifs, &links, typed, repeats, cancel)?;
    chains.sort_by_cached_key(RepeatingChain::rank);
    Ok(own_chains(chains))
}

/// Leaves out chains that are another view of one before: of the same types in another order, or with at least half of
/// their objects on it.
fn own_chains<I: Id>(mut chains: Vec<RepeatingChain<I>>) -> Vec<RepeatingChain<I>> {
    let mut taken: HashSet<I> = HashSet::new();
    let mut types_of: HashSet<Vec<u32>> = HashSet::new();
    chains.retain(|chain| {
        let mut types: Vec<u32> = chain.motif.iter().map(|step| step.type_rank).collect();
        types.sort_unstable();
        types.dedup();
        let n_taken = chain.nodes.iter().filter(|node| taken.contains(node)).count();
        let is_own = !types_of.contains(&types) && 2 * n_taken < chain.nodes.len();
        if is_own {
            taken.extend(&chain.nodes);
            types_of.insert(types);
        }
        is_own
    });
    chains
}

impl<I: Id> RepeatingChain<I> {
    /// The motif without the optional steps that the chain never takes, and with those it always takes as required.
    fn without_unused(&self, types: &[u32]) -> Motif {
        let n = self.motif.len();
        let (mut taken, mut passed) = (vec![false; n], vec![false; n]);
        let mut step = n - 1;
        for node in &self.nodes {
            step = (step + 1) % n;
            if self.motif[step].type_rank != types[node.index()] {
                passed[step] = true;
                step = (step + 1) % n;
            }
            taken[step] = true;
        }
        let steps = self.motif.iter().zip(taken).zip(passed).filter(|((_, taken), _)| *taken);
        Motif(steps.map(|((step, _), is_optional)| MotifStep { is_optional, ..*step }).collect())
    }

    /// First those whose head holds most of the chain: without it they go. Then the longest; then the most heads.
    fn rank(&self) -> (bool, Reverse<usize>, Reverse<usize>, Vec<MotifStep>) {
        let is_held = 2 * self.held >= self.nodes.len();
        (!is_held, Reverse(self.nodes.len()), Reverse(self.heads), self.motif.clone())
    }
}

/// Where motifs may be found.
struct Candidates<I> {
    of_trees: BTreeSet<Motif>,
    by_type: ByType<I>,
    types: TypeGraph,
}

/// Looks for motifs that may repeat so many times.
fn candidates<I: Id>(
    typed: TypedGraph<'_, I>,
    repeats: usize,
    cancel: &AtomicBool,
) -> Result<Candidates<I>, Cancelled> {
    // Shortcuts may cut the chain of a tree into pieces.
    let enough = (repeats / 2).clamp(2, ENOUGH);
    let of_tree = |tree| trees::motifs(typed, tree, enough, cancel);
    std::thread::scope(|scope| {
        let others = scope.spawn(move || {
            let of_trees = of_tree(Tree::DepthFirstBackwards)?;
            let by_type = ByType::of(typed);
            let types = TypeGraph::of(typed, &by_type, cancel)?;
            Ok(Candidates { of_trees, by_type, types })
        });
        let own = of_tree(Tree::DepthFirst).and_then(|mut motifs| {
            motifs.append(&mut of_tree(Tree::Dominators)?);
            Ok(motifs)
        });
        let mut candidates = joined(others)?;
        candidates.of_trees.append(&mut own?);
        Ok(candidates)
    })
}

/// The longest chains of some motifs. Each is for the thread that has nothing else to do.
fn evaluated<I: Id>(
    motifs: &[(Motif, Option<Motif>)],
    links: &Links<I>,
    typed: TypedGraph<'_, I>,
    repeats: usize,
    cancel: &AtomicBool,
) -> Result<Vec<RepeatingChain<I>>, Cancelled> {
    let taken = AtomicUsize::new(0);
    let work = || {
        let mut numbers = vec![I::NONE; typed.graph.n_nodes()];
        let mut chains = Vec::new();
        let mut longest = |motif: &Motif| longest(typed, motif, links, repeats, &mut numbers, cancel);
        while let Some((motif, loose)) = motifs.get(taken.fetch_add(1, Ordering::Relaxed)) {
            let strict = longest(motif)?;
            let Some(loose) = loose else {
                chains.extend(strict);
                continue;
            };
            let found = longest(loose)?;
            let n_strict = strict.as_ref().map_or(0, |chain| chain.repeats);
            // Only what is sometimes there and sometimes not is optional.
            chains.extend(match found.filter(|chain| chain.repeats > n_strict) {
                Some(chain) => longest(&chain.without_unused(typed.types))?,
                None => strict,
            });
        }
        Ok(chains)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let own = work();
        let mut chains = joined(other)?;
        chains.append(&mut own?);
        Ok(chains)
    })
}

/// A cycle of types. As found, it is primitive (no shorter cycle repeated) and rotated so that it comes first in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Motif(Vec<MotifStep>);

impl Motif {
    fn new(mut types: Vec<u32>) -> Self {
        let n = types.len();
        let period = (1..n).find(|p| n.is_multiple_of(*p) && (*p..n).all(|i| types[i] == types[i - p]));
        types.truncate(period.unwrap_or(n));
        let first = (0..types.len()).min_by_key(|start| {
            let (before, after) = types.split_at(*start);
            [after, before].concat()
        });
        types.rotate_left(first.unwrap_or(0));
        Self(types.into_iter().map(|type_rank| MotifStep { type_rank, is_optional: false }).collect())
    }

    /// The steps that follow each other: from each to the next, and past the next one if it is optional.
    fn hops(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let n = self.0.len();
        (0..n).flat_map(move |from| {
            let next = (from + 1) % n;
            let past = self.0[next].is_optional.then_some((from, (from + 2) % n));
            std::iter::once((from, next)).chain(past)
        })
    }

    /// The types at both ends of a hop.
    fn link(&self, (from, to): (usize, usize)) -> (u32, u32) {
        (self.0[from].type_rank, self.0[to].type_rank)
    }

    /// How many steps there are at least in a repetition.
    fn n_required(&self) -> usize {
        self.0.iter().filter(|step| !step.is_optional).count()
    }
}
