//! Which types refer to which, and the references between two types.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{Motif, MotifStep, TypedGraph};
use crate::{Cancelled, Id, Poll, csr::joined};

/// The nodes that refer to others, by type.
pub(super) struct NodesByType<I> {
    /// By type, the position of its first node; and one more at the end.
    starts: Vec<usize>,
    /// Ascending within a type.
    nodes: Vec<I>,
}

impl<I: Id> NodesByType<I> {
    pub(super) fn of(typed: TypedGraph<'_, I>) -> Self {
        let forward = typed.graph.forward;
        let referring = || (0..forward.n_nodes()).filter(|node| !forward.range(*node).is_empty());
        let mut starts = vec![0; typed.is_container.len() + 1];
        referring().for_each(|node| starts[typed.types[node] as usize + 1] += 1);
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut nodes = vec![I::new(0); starts[starts.len() - 1]];
        for node in referring() {
            let next = &mut next[typed.types[node] as usize];
            nodes[*next] = I::new(node);
            *next += 1;
        }
        Self { starts, nodes }
    }

    fn nodes(&self, type_rank: u32) -> &[I] {
        &self.nodes[self.starts[type_rank as usize]..self.starts[type_rank as usize + 1]]
    }

    fn types(&self) -> std::ops::Range<u32> {
        0..self.starts.len() as u32 - 1
    }
}

/// By pair of types: how many objects of the first refer to one of the second.
pub(super) struct TypePairs {
    referrers: HashMap<(u32, u32), usize>,
    /// The types that are containers.
    containers: Vec<u32>,
}

impl TypePairs {
    pub(super) fn of<I: Id>(
        typed: TypedGraph<'_, I>,
        by_type: &NodesByType<I>,
        cancel: &AtomicBool,
    ) -> Result<Self, Cancelled> {
        let mut poll = Poll::new(cancel);
        let mut referrers = HashMap::new();
        // By type: the number of its referrers of the current type, and the last of them.
        let mut counts = vec![(0_usize, I::NONE); typed.is_container.len()];
        let mut met = Vec::new();
        for source_type in by_type.types() {
            for node in by_type.nodes(source_type) {
                for child in typed.graph.children(node.index()) {
                    poll.step()?;
                    let target_type = typed.types[child];
                    let (count, last) = &mut counts[target_type as usize];
                    if *count == 0 {
                        met.push(target_type);
                    }
                    *count += usize::from(last != node);
                    *last = *node;
                }
            }
            for target_type in met.drain(..) {
                let (count, _) = std::mem::replace(&mut counts[target_type as usize], (0, I::NONE));
                referrers.insert((source_type, target_type), count);
            }
        }
        let is_container = |rank: &u32| typed.is_container[*rank as usize];
        Ok(Self { referrers, containers: by_type.types().filter(is_container).collect() })
    }

    fn referrers(&self, link: (u32, u32)) -> usize {
        self.referrers.get(&link).copied().unwrap_or(0)
    }

    /// Whether a motif can repeat so many times: every required step needs as many referrers, except one less where the chain
    /// ends.
    pub(super) fn allows(&self, motif: &Motif, repeats: usize) -> bool {
        let referrers = |step| {
            let hops = motif.hops().filter(|(from, _)| *from == step);
            hops.map(|hop| self.referrers(motif.link(hop))).sum()
        };
        let required = (0..motif.0.len()).filter(|step| !motif.0[*step].is_optional);
        required.map(|step| repeats.saturating_sub(referrers(step))).sum::<usize>() <= 1
    }

    /// The motif with optional containers: its own containers become optional if the objects before them also refer to those
    /// after them, and the likeliest container is inserted between two other objects. `None` if nothing changes.
    pub(super) fn with_optional(&self, motif: &Motif, is_container: &[bool]) -> Option<Motif> {
        let n = motif.0.len();
        let of = |step: usize| motif.0[step % n].type_rank;
        let is_container = |rank: u32| is_container[rank as usize];
        let mut steps = Vec::new();
        for (i, step) in motif.0.iter().enumerate() {
            let (before, next) = (of(i + n - 1), of(i + 1));
            let between = is_container(step.type_rank) && !is_container(before) && !is_container(next);
            steps.push(MotifStep { is_optional: between && self.referrers((before, next)) > 0, ..*step });
            if !is_container(step.type_rank) && !is_container(next) {
                let likely =
                    |rank: &u32| self.referrers((step.type_rank, *rank)).min(self.referrers((*rank, next)));
                let containers = self.containers.iter().copied().max_by_key(likely);
                let likeliest = containers.filter(|rank| likely(rank) > 0);
                steps.extend(likeliest.map(|type_rank| MotifStep { type_rank, is_optional: true }));
            }
        }
        Some(Motif(steps)).filter(|loose| loose != motif)
    }

    /// The cycles of one and two types that can repeat so many times.
    pub(super) fn short_motifs(&self, repeats: usize) -> BTreeSet<Motif> {
        let cycles = self
            .referrers
            .keys()
            .filter(|(source, target)| source <= target && self.referrers.contains_key(&(*target, *source)));
        let motifs = cycles.map(|(source, target)| Motif::new(vec![*source, *target]));
        motifs.filter(|motif| self.allows(motif, repeats)).collect()
    }
}

/// By pair of types, the references from one to the other: source and target, sources ascending.
pub(super) type Links<I> = HashMap<(u32, u32), Vec<(I, I)>>;

/// The references that some motifs take. Uses two threads.
pub(super) fn links<'m, I: Id>(
    typed: TypedGraph<'_, I>,
    by_type: &NodesByType<I>,
    motifs: impl Iterator<Item = &'m Motif>,
    cancel: &AtomicBool,
) -> Result<Links<I>, Cancelled> {
    let mut wanted: Vec<(u32, u32)> =
        motifs.flat_map(|motif| motif.hops().map(|hop| motif.link(hop))).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let by_source: Vec<&[(u32, u32)]> = wanted.chunk_by(|a, b| a.0 == b.0).collect();
    let taken = AtomicUsize::new(0);
    let work = || {
        let mut links = Links::new();
        let mut place = vec![usize::MAX; typed.is_container.len()];
        while let Some(of_source) = by_source.get(taken.fetch_add(1, Ordering::Relaxed)) {
            links_from(typed, by_type, of_source, &mut place, &mut links, cancel)?;
        }
        Ok(links)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let own = work();
        let mut links = joined(other)?;
        links.extend(own?);
        Ok(links)
    })
}

/// Adds the references of some pairs of types that have the first in common. `place` has a number for every type, which
/// is not in use before and after.
fn links_from<I: Id>(
    typed: TypedGraph<'_, I>,
    by_type: &NodesByType<I>,
    pairs: &[(u32, u32)],
    place: &mut [usize],
    links: &mut Links<I>,
    cancel: &AtomicBool,
) -> Result<(), Cancelled> {
    let mut poll = Poll::new(cancel);
    let Some((source_type, _)) = pairs.first() else { return Ok(()) };
    pairs.iter().enumerate().for_each(|(i, (_, target))| place[*target as usize] = i);
    let mut found: Vec<Vec<(I, I)>> = vec![Vec::new(); pairs.len()];
    for node in by_type.nodes(*source_type) {
        for child in typed.graph.children(node.index()) {
            poll.step()?;
            if let Some(found) = found.get_mut(place[typed.types[child] as usize]) {
                found.push((*node, I::new(child)));
            }
        }
    }
    pairs.iter().for_each(|(_, target)| place[*target as usize] = usize::MAX);
    links.extend(pairs.iter().copied().zip(found));
    Ok(())
}
