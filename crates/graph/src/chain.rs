//! The longest chain through a part of a graph.
//!
//! Cycles make chains endless, so the part is condensed first: the longest path in the graph of its strongly connected
//! components, which has no cycles. O(nodes + edges).

use std::{collections::VecDeque, sync::atomic::AtomicBool};

use crate::{Bits, Cancelled, Components, Csr, Id, Poll, bits::BitSet, components::components, csr::follow};

/// A path within `nodes` that passes as many strongly connected components of the subgraph they induce as any: its
/// nodes in order. Within a component it takes a shortest way. Empty when `nodes` is.
pub fn longest_chain<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    nodes: &BitSet,
    cancel: &AtomicBool,
) -> Result<Vec<I>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let components = components(forward, skip, nodes, cancel)?;
    let mut members = vec![Vec::new(); components.count];
    for node in nodes.iter() {
        members[components.of[node].index()].push(I::new(node));
    }
    // By component: how many components follow on its longest way, and the edge to the next of them.
    let mut longest: Vec<(usize, Option<(I, I)>)> = vec![(0, None); components.count];
    // Edges go from larger numbers to smaller ones.
    for component in 0..components.count {
        for node in &members[component] {
            poll.step()?;
            for child in follow(forward, skip, node.index()).filter(|child| nodes.contains(*child)) {
                let to = components.of[child].index();
                if to != component && longest[to].0 + 1 > longest[component].0 {
                    longest[component] = (longest[to].0 + 1, Some((*node, I::new(child))));
                }
            }
        }
    }
    let best = longest.iter().map(|(hops, _)| *hops).max();
    let head = longest.iter().position(|(hops, _)| Some(*hops) == best);
    let mut chain = Vec::new();
    let Some(mut component) = head else { return Ok(chain) };
    let mut entry = members[component].first().copied();
    while let Some(at) = entry {
        let exit = longest[component].1;
        let until = exit.map_or(at, |(from, _)| from);
        way_within(forward, skip, &components, at, until, &mut chain, &mut poll)?;
        entry = exit.map(|(_, to)| to);
        component = entry.map_or(0, |to| components.of[to.index()].index());
    }
    Ok(chain)
}

/// Appends a shortest way between two nodes of one component.
pub(crate) fn way_within<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    components: &Components<I>,
    from: I,
    to: I,
    chain: &mut Vec<I>,
    poll: &mut Poll<'_>,
) -> Result<(), Cancelled> {
    let component = components.of[from.index()];
    let mut came_from = std::collections::HashMap::from([(from, from)]);
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
