//! The longest chain that keeps to a motif.
//!
//! A place is an object at a step of the motif; an edge of places is a reference to an object of the next step's type.
//! So a reference back (`prev` beside `next`) counts only where the motif takes it. Places that reach each other are
//! condensed to one. O(references that the motif takes).

use std::sync::atomic::AtomicBool;

use super::{Motif, RepeatingChain, TypedGraph, links::Links};
use crate::{BitSet, Bits, Cancelled, CsrBuf, Id, Poll, chain::way_within, components::components};

/// The longest chain, if the motif repeats at least so many times along it.
///
/// It begins with an object that is no container where the motif has one, and with the smallest such object of several
/// chains that are as long. `numbers` has a number for every node, none of them in use before and after.
pub(super) fn longest<I: Id>(
    typed: TypedGraph<'_, I>,
    motif: &Motif,
    links: &Links<I>,
    repeats: usize,
    numbers: &mut [I],
    cancel: &AtomicBool,
) -> Result<Option<RepeatingChain<I>>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let places = Places::of(motif, links, numbers, &mut poll)?;
    let period = motif.0.len();
    let is_container = |rank: u32| typed.is_container[rank as usize];
    let only_containers = motif.0.iter().all(|rank| is_container(*rank));
    let may_begin = |place: usize| only_containers || !is_container(motif.0[places.step(place)]);
    let edges = places.edges.view();
    let all = BitSet::of(edges.n_nodes(), 0..edges.n_nodes());
    let components = components(edges, Bits::default(), &all, cancel)?;
    let members = Members::of(&components.of, components.count);
    let leaving = |component: usize| {
        members
            .get(component)
            .iter()
            .flat_map(move |place| edges.targets(place.index()).iter().map(move |to| (*place, *to)))
    };

    // By component: how many components its longest way has, and the edge to the next of them. Edges go from larger
    // numbers to smaller ones.
    let mut ways: Vec<(usize, Option<(I, I)>)> = vec![(1, None); components.count];
    for component in 0..components.count {
        for (from, to) in leaving(component) {
            poll.step()?;
            let next = components.of[to.index()].index();
            if next != component && ways[next].0 >= ways[component].0 {
                ways[component] = (ways[next].0 + 1, Some((from, to)));
            }
        }
    }

    // Whether something else that may begin a chain leads to a component.
    let mut is_led_to = BitSet::new(components.count);
    let (mut heads, mut best) = (0, None);
    for component in (0..components.count).rev() {
        let mut own = members.get(component).iter().filter(|place| may_begin(place.index()));
        let first = own.clone().map(|place| places.nodes[place.index()]).min();
        let entry = own.find(|place| Some(places.nodes[place.index()]) == first).copied();
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
            && length / period >= repeats
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
    let mut types = motif.0.clone();
    types.rotate_left(places.step(entry.index()));
    let nodes: Vec<I> = chain.into_iter().map(|place| places.nodes[place.index()]).collect();
    let held = typed.dominated(places.nodes[entry.index()], &nodes);
    Ok(Some(RepeatingChain { motif: types, nodes, repeats: length / period, heads, held }))
}

/// Objects at steps of a motif.
struct Places<I> {
    /// By place, its node.
    nodes: Vec<I>,
    /// By step, its first place.
    first: Vec<usize>,
    edges: CsrBuf<I>,
}

impl<I: Id> Places<I> {
    fn of(
        motif: &Motif,
        links: &Links<I>,
        numbers: &mut [I],
        poll: &mut Poll<'_>,
    ) -> Result<Self, Cancelled> {
        let period = motif.0.len();
        let links: Vec<&[(I, I)]> =
            motif.links().map(|link| links.get(&link).map_or(&[][..], Vec::as_slice)).collect();
        let mut nodes: Vec<I> = Vec::new();
        let mut first = Vec::with_capacity(period);
        // By step, the places that its links lead to.
        let mut targets: Vec<Vec<I>> = vec![Vec::new(); period];
        for step in 0..period {
            let before = (step + period - 1) % period;
            first.push(nodes.len());
            let sources = links[step].iter().map(|(source, _)| source);
            // Sources come first, in their order, so that their edges are in order.
            for node in sources.chain(links[before].iter().map(|(_, target)| target)) {
                poll.step()?;
                if numbers[node.index()] == I::NONE {
                    numbers[node.index()] = I::new(nodes.len());
                    nodes.push(*node);
                }
            }
            targets[before] = links[before].iter().map(|(_, target)| numbers[target.index()]).collect();
            nodes[first[step]..].iter().for_each(|node| numbers[node.index()] = I::NONE);
        }
        let mut edges = CsrBuf { offsets: vec![I::new(0)], targets: targets.concat() };
        edges.offsets.reserve_exact(nodes.len());
        let mut n_edges = 0;
        for step in 0..period {
            let end = first.get(step + 1).copied().unwrap_or(nodes.len());
            let mut left = links[step].iter().map(|(source, _)| source).peekable();
            for node in &nodes[first[step]..end] {
                while left.next_if_eq(&node).is_some() {
                    n_edges += 1;
                }
                edges.offsets.push(I::new(n_edges));
            }
        }
        Ok(Self { nodes, first, edges })
    }

    /// The step of a place.
    fn step(&self, place: usize) -> usize {
        self.first.partition_point(|first| *first <= place) - 1
    }
}

/// The places of every component.
struct Members<I> {
    starts: Vec<usize>,
    places: Vec<I>,
}

impl<I: Id> Members<I> {
    fn of(component_of: &[I], count: usize) -> Self {
        let mut starts = vec![0; count + 2];
        component_of.iter().for_each(|component| starts[component.index() + 2] += 1);
        for i in 2..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut places = vec![I::new(0); component_of.len()];
        for (place, component) in component_of.iter().enumerate() {
            let next = &mut starts[component.index() + 1];
            places[*next] = I::new(place);
            *next += 1;
        }
        Self { starts, places }
    }

    fn get(&self, component: usize) -> &[I] {
        &self.places[self.starts[component]..self.starts[component + 1]]
    }
}
