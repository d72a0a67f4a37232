//! The longest chain of a motif.
//!
//! A *stage* is an object at a step of the motif, and an edge between stages is a reference to an object of the next step's
//! type. So a reference back (`prev` beside `next`) counts only if the motif takes it. Stages that reach each other are
//! condensed to one. O(references that the motif takes).

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::AtomicBool,
};

use super::{Motif, MotifStep, RepeatingChain, TypedGraph, links::Links};
use crate::{
    BitSet, Bits, Cancelled, Components, Csr, CsrBuf, Id, Poll, components::components, csr::follow,
};

/// The longest chain, if the motif repeats at least so many times along it.
///
/// It begins with an object that is not a container, if the motif has one; of several chains of this length, with the
/// smallest such object. `numbers` has a number for every node, [`Id::NONE`] before and after.
pub(super) fn longest<I: Id>(
    typed: TypedGraph<'_, I>,
    motif: &Motif,
    links: &Links<I>,
    repeats: usize,
    numbers: &mut [I],
    cancel: &AtomicBool,
) -> Result<Option<RepeatingChain<I>>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let stages = Stages::of(motif, links, numbers, &mut poll)?;
    let n_required = motif.n_required();
    let is_container = |step: MotifStep| typed.is_container[step.type_rank as usize];
    let only_containers = motif.0.iter().all(|step| is_container(*step));
    let may_begin = |stage: usize| only_containers || !is_container(motif.0[stages.step(stage)]);
    let edges = stages.edges.view();
    let all = BitSet::of(edges.n_nodes(), 0..edges.n_nodes());
    let components = components(edges, Bits::default(), &all, cancel)?;
    let members = Members::of(&components.of, components.count);
    let leaving = |component: usize| {
        members
            .get(component)
            .iter()
            .flat_map(move |stage| edges.targets(stage.index()).iter().map(move |to| (*stage, *to)))
    };

    // By component: the number of components of the longest path from it, without those of optional steps, and the edge to
    // the next of them. Edges go from larger numbers to smaller ones.
    let mut ways: Vec<(usize, Option<(I, I)>)> = vec![(0, None); components.count];
    for component in 0..components.count {
        let is_required = |stage: &I| !motif.0[stages.step(stage.index())].is_optional;
        let own = usize::from(members.get(component).iter().any(is_required));
        ways[component].0 = own;
        for (from, to) in leaving(component) {
            poll.step()?;
            let next = components.of[to.index()].index();
            if next != component && ways[next].0 + own > ways[component].0 {
                ways[component] = (ways[next].0 + own, Some((from, to)));
            }
        }
    }

    // Whether another component that may begin a chain leads to a component.
    let mut is_led_to = BitSet::new(components.count);
    let (mut heads, mut best) = (0, None);
    for component in (0..components.count).rev() {
        let mut own = members.get(component).iter().filter(|stage| may_begin(stage.index()));
        let first = own.clone().map(|stage| stages.nodes[stage.index()]).min();
        let entry = own.find(|stage| Some(stages.nodes[stage.index()]) == first).copied();
        if entry.is_some() || is_led_to.contains(component) {
            for (_, to) in leaving(component) {
                poll.step()?;
                let next = components.of[to.index()].index();
                if next != component {
                    is_led_to.insert(next);
                }
            }
        }
        let length = ways[component].0;
        if let (Some(entry), Some(first)) = (entry, first)
            && !is_led_to.contains(component)
            && length / n_required >= repeats
        {
            heads += 1;
            let key = (length, std::cmp::Reverse(first));
            if best.is_none_or(|(best, _)| key > best) {
                best = Some((key, entry));
            }
        }
    }
    let Some(((length, _), entry)) = best else { return Ok(None) };

    let mut chain = Vec::new();
    let mut next = Some(entry);
    while let Some(at) = next {
        let exit = ways[components.of[at.index()].index()].1;
        let until = exit.map_or(at, |(from, _)| from);
        way_within(edges, Bits::default(), &components, at, until, &mut chain, &mut poll)?;
        next = exit.map(|(_, to)| to);
    }
    let mut steps = motif.0.clone();
    steps.rotate_left(stages.step(entry.index()));
    let nodes: Vec<I> = chain.into_iter().map(|stage| stages.nodes[stage.index()]).collect();
    let held = typed.dominated(stages.nodes[entry.index()], &nodes);
    Ok(Some(RepeatingChain { motif: steps, nodes, repeats: length / n_required, heads, held }))
}

/// Objects at steps of a motif.
struct Stages<I> {
    /// By stage, its node.
    nodes: Vec<I>,
    /// By stage, its step.
    steps: Vec<u8>,
    edges: CsrBuf<I>,
}

impl<I: Id> Stages<I> {
    fn of(
        motif: &Motif,
        links: &Links<I>,
        numbers: &mut [I],
        poll: &mut Poll<'_>,
    ) -> Result<Self, Cancelled> {
        let hops: Vec<_> = motif
            .hops()
            .map(|hop| (hop, links.get(&motif.link(hop)).map_or(&[][..], Vec::as_slice)))
            .collect();
        let mut nodes: Vec<I> = Vec::new();
        let mut steps = Vec::new();
        // By hop, the stages that its references come from and lead to.
        let mut ends: Vec<(Vec<I>, Vec<I>)> = vec![Default::default(); hops.len()];
        for step in 0..motif.0.len() {
            let first = nodes.len();
            let mut stage = |node: I| {
                let number = &mut numbers[node.index()];
                if *number == I::NONE {
                    *number = I::new(nodes.len());
                    nodes.push(node);
                }
                *number
            };
            for (((from, to), links), (sources, targets)) in hops.iter().zip(&mut ends) {
                poll.steps(links.len())?;
                if *from == step {
                    *sources = links.iter().map(|(source, _)| stage(*source)).collect();
                }
                if *to == step {
                    *targets = links.iter().map(|(_, target)| stage(*target)).collect();
                }
            }
            nodes[first..].iter().for_each(|node| numbers[node.index()] = I::NONE);
            steps.resize(nodes.len(), step as u8);
        }
        let mut offsets = vec![0; nodes.len() + 2];
        ends.iter().flat_map(|(sources, _)| sources).for_each(|source| offsets[source.index() + 2] += 1);
        for i in 2..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let mut edges = CsrBuf { offsets: Vec::new(), targets: vec![I::NONE; offsets[nodes.len() + 1]] };
        for (source, target) in ends.iter().flat_map(|(sources, targets)| sources.iter().zip(targets)) {
            let next = &mut offsets[source.index() + 1];
            edges.targets[*next] = *target;
            *next += 1;
        }
        edges.offsets = offsets[..=nodes.len()].iter().map(|offset| I::new(*offset)).collect();
        Ok(Self { nodes, steps, edges })
    }

    /// The step of a stage.
    fn step(&self, stage: usize) -> usize {
        self.steps[stage].into()
    }
}

/// The stages of every component.
struct Members<I> {
    starts: Vec<usize>,
    stages: Vec<I>,
}

impl<I: Id> Members<I> {
    fn of(component_of: &[I], count: usize) -> Self {
        let mut starts = vec![0; count + 2];
        component_of.iter().for_each(|component| starts[component.index() + 2] += 1);
        for i in 2..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut stages = vec![I::new(0); component_of.len()];
        for (stage, component) in component_of.iter().enumerate() {
            let next = &mut starts[component.index() + 1];
            stages[*next] = I::new(stage);
            *next += 1;
        }
        Self { starts, stages }
    }

    fn get(&self, component: usize) -> &[I] {
        &self.stages[self.starts[component]..self.starts[component + 1]]
    }
}

/// Appends a shortest path between two nodes of one component.
fn way_within<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    components: &Components<I>,
    from: I,
    to: I,
    chain: &mut Vec<I>,
    poll: &mut Poll<'_>,
) -> Result<(), Cancelled> {
    let component = components.of[from.index()];
    let mut came_from = HashMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front().filter(|node| *node != to) {
        for child in follow(forward, skip, node.index()) {
            poll.step()?;
            if components.of[child] == component && !came_from.contains_key(&I::new(child)) {
                came_from.insert(I::new(child), node);
                queue.push_back(I::new(child));
            }
        }
    }
    let start = chain.len();
    let mut node = to;
    chain.push(node);
    while node != from {
        // Every node of a component reaches every other.
        let Some(previous) = came_from.get(&node) else { break };
        node = *previous;
        chain.push(node);
    }
    chain[start..].reverse();
    Ok(())
}
