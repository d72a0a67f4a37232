//! Cycles of types that repeat along chains of objects, found without knowing the types.
//!
//! A leak is often a chain: an object holds its predecessor through some others, and that one holds its own. Along the
//! chain the types repeat; the cycle of types is its *motif*. Candidates come from spanning trees (`trees.rs`) and from
//! the graph of types (`links.rs`). The answer for a candidate is exact (`longest.rs`): the longest chain of
//! the motif, in the condensed graph of (object, step of the motif). O(nodes + edges) for the candidates and
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
use links::{Links, NodesByType, TypePairs};
use longest::longest;
use trees::{Inner, Tree};

/// The most types that a motif has.
pub const MAX_PERIOD: usize = 6;

/// A motif that repeats so often along a path of a tree becomes a candidate.
const ENOUGH: usize = 5;

/// The most types of a motif of containers alone, which must come from a tree: nearly every sequence of containers repeats
/// somewhere.
const CONTAINER_PERIOD: usize = 2;

/// A graph whose nodes have types, with its dominator tree.
#[derive(Debug, Clone, Copy)]
pub struct TypedGraph<'g, I> {
    /// Who refers to whom.
    pub graph: Graph<'g, I>,
    /// By node, its type.
    pub types: &'g [u32],
    /// By type, whether its objects are containers, which are part of the object that refers to them.
    pub is_container: &'g [bool],
    /// The nodes from which all others are reachable.
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
    /// The number of `nodes` that a node dominates.
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
    /// Whether the chain lacks such an object in some repetitions: a container that is made when it is needed.
    pub is_optional: bool,
}

/// A chain of objects along which a cycle of types repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatingChain<I> {
    /// The types, beginning with that of the first object.
    pub motif: Vec<MotifStep>,
    /// The objects in their order.
    pub nodes: Vec<I>,
    /// How often the whole motif is in the chain. Objects that refer to each other along the motif, in a circle, count once.
    pub repeats: usize,
    /// Number of objects that begin a chain of this motif that is long enough, and are not part of a longer one.
    pub heads: usize,
    /// Number of the objects that the first one dominates, itself included: they would be freed with it.
    pub held: usize,
}

/// The longest chain of every motif that repeats along it at least `repeats` times (at least 2), in the order of their rank.
/// Uses two threads.
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
    // A motif, and the same with containers that may be missing.
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
    // The longest work first, so that the threads finish at about the same time.
    let weight = |(motif, _): &(Motif, Option<Motif>)| {
        motif.hops().map(|hop| links.get(&motif.link(hop)).map_or(0, Vec::len)).sum::<usize>()
    };
    motifs.sort_by_cached_key(|motif| Reverse(weight(motif)));
    let mut chains = evaluated(&motifs, &links, typed, repeats, cancel)?;
    chains.sort_by_cached_key(RepeatingChain::rank);
    Ok(own_chains(chains))
}

/// Removes chains that are another view of one before: with the same types in another order, or with at least half of their
/// objects on it.
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

    /// The order of chains: first those whose head dominates most of the chain, then the longest, then those with most heads.
    fn rank(&self) -> (bool, Reverse<usize>, Reverse<usize>, Vec<MotifStep>) {
        let is_held = 2 * self.held >= self.nodes.len();
        (!is_held, Reverse(self.nodes.len()), Reverse(self.heads), self.motif.clone())
    }
}

/// Candidates for motifs, and what they were found with.
struct Candidates<I> {
    of_trees: BTreeSet<Motif>,
    by_type: NodesByType<I>,
    types: TypePairs,
}

/// Finds motifs that may repeat so many times.
fn candidates<I: Id>(
    typed: TypedGraph<'_, I>,
    repeats: usize,
    cancel: &AtomicBool,
) -> Result<Candidates<I>, Cancelled> {
    // Shortcuts may cut the chain of a tree into pieces.
    let enough = (repeats / 2).clamp(2, ENOUGH);
    let inner = Inner::of(typed, cancel)?;
    let inner = &inner;
    let of_tree = |tree| trees::motifs(typed, inner, tree, enough, cancel);
    std::thread::scope(|scope| {
        let others = scope.spawn(move || {
            let of_trees = of_tree(Tree::DepthFirstBackwards)?;
            let by_type = NodesByType::of(typed);
            let types = TypePairs::of(typed, &by_type, cancel)?;
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

/// The longest chains of some motifs. An idle thread takes the next motif.
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
            // A step is optional only if the chain sometimes takes it and sometimes does not.
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

/// A cycle of types. Those that are found are primitive (not a repetition of a shorter one) and in their smallest rotation.
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

    /// The pairs of steps that may follow each other: each and the next, and the one after that if the next is optional.
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

    /// The least number of steps of a repetition.
    fn n_required(&self) -> usize {
        self.0.iter().filter(|step| !step.is_optional).count()
    }
}
