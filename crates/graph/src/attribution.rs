//! Which group each node belongs to, where some nodes are known to be of a group: objects and the modules of a program.
//!
//! 1. A node that is known, and what it dominates; of several known dominators the nearest counts.
//! 2. Else the group of its kind, or of the kind of the nearest dominator that has one.
//! 3. Else the group that most of its shortest paths from the roots come through: every referrer that is one hop nearer to a root
//!    votes for its own group with the number of its shortest paths; of equal groups the first one wins.
//!
//! O(nodes + edges), 17 bytes a node. The third rule decides for one group at each node and does not carry shares on, so that what
//! comes through two groups by many steps is not divided exactly.

use std::sync::atomic::AtomicBool;

use crate::{Cancelled, Graph, Id, NO_DISTANCE, Numbers, Poll};

/// Stands for no group.
pub const NO_GROUP: u32 = u32::MAX;

/// Why a node is of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributionRule {
    /// It is known, or a known node dominates it.
    Dominator,
    /// Its kind says so, or that of a node which dominates it.
    Kind,
    /// Most of its shortest paths come through the group.
    Paths,
}

/// What is known before nodes are attributed.
#[derive(Debug, Clone, Copy)]
pub struct Attributed<'a, I> {
    /// The graph.
    pub graph: Graph<'a, I>,
    /// The nodes in preorder of the dominator tree.
    pub preorder: &'a [I],
    /// By node, how many nodes it dominates, itself included.
    pub counts: Numbers<'a, I>,
    /// By node, hops from the nearest root; [`NO_DISTANCE`] where there is none.
    pub distances: Numbers<'a, u32>,
    /// By node, the group that it is known to be of, or [`NO_GROUP`].
    pub known: &'a [u32],
    /// By node, its kind.
    pub kinds: Numbers<'a, u32>,
    /// By kind, the group that its nodes are of, or [`NO_GROUP`].
    pub group_of_kind: &'a [u32],
}

/// By node, its group, or [`NO_GROUP`], and the rule that gave it.
pub fn attributions<I: Id>(
    of: Attributed<'_, I>,
    cancel: &AtomicBool,
) -> Result<(Vec<u32>, Vec<AttributionRule>), Cancelled> {
    let n_nodes = of.known.len();
    let mut poll = Poll::new(cancel);
    let mut groups = vec![NO_GROUP; n_nodes];
    let mut rules = vec![AttributionRule::Paths; n_nodes];
    // Dominators of the next node: where their subtrees end, their group and rule.
    let mut open: Vec<(usize, u32, AttributionRule)> = Vec::new();
    for (position, node) in of.preorder.iter().enumerate() {
        poll.step()?;
        let node = node.index();
        while open.last().is_some_and(|(end, ..)| *end <= position) {
            open.pop();
        }
        let above =
            open.last().map_or((NO_GROUP, AttributionRule::Paths), |(_, group, rule)| (*group, *rule));
        let of_kind = of.group_of_kind.get(of.kinds.at(node) as usize).copied().unwrap_or(NO_GROUP);
        let (group, rule) = match (of.known[node], above) {
            (NO_GROUP, (_, AttributionRule::Dominator)) => above,
            (NO_GROUP, _) if of_kind != NO_GROUP => (of_kind, AttributionRule::Kind),
            (NO_GROUP, _) => above,
            (known, _) => (known, AttributionRule::Dominator),
        };
        (groups[node], rules[node]) = (group, rule);
        let count = of.counts.at(node).index();
        if count > 1 {
            open.push((position.saturating_add(count), group, rule));
        }
    }
    if groups.iter().all(|group| *group == NO_GROUP) {
        return Ok((groups, rules));
    }
    by_paths(of, &mut groups, &mut poll)?;
    Ok((groups, rules))
}

/// Gives groups to the nodes that have none, nearest to the roots first.
fn by_paths<I: Id>(of: Attributed<'_, I>, groups: &mut [u32], poll: &mut Poll<'_>) -> Result<(), Cancelled> {
    // Nodes by distance: counting sort.
    let reached = |distance: u32| (distance != NO_DISTANCE).then_some(distance as usize);
    let most = of.distances.iter().filter_map(reached).max();
    let mut starts = vec![0_usize; most.map_or(0, |most| most + 2)];
    of.distances.iter().filter_map(reached).for_each(|distance| starts[distance + 1] += 1);
    (1..starts.len()).for_each(|i| starts[i] += starts[i - 1]);
    let mut order = vec![I::new(0); starts.last().copied().unwrap_or(0)];
    for (node, distance) in of.distances.iter().enumerate() {
        let Some(distance) = reached(distance) else { continue };
        order[starts[distance]] = I::new(node);
        starts[distance] += 1;
    }
    // Numbers of shortest paths. Only their proportions matter.
    let mut paths = vec![0_f32; groups.len()];
    let mut votes: Vec<(u32, f32)> = Vec::new();
    for node in order {
        let node = node.index();
        poll.step()?;
        votes.clear();
        let distance = of.distances.at(node);
        let mut n_paths = 0.0;
        if distance > 0 {
            for parent in of.graph.parents(node) {
                if of.distances.at(parent) != distance - 1 {
                    continue;
                }
                n_paths += paths[parent];
                let group = groups[parent];
                if group == NO_GROUP {
                    continue;
                }
                match votes.iter().position(|(voted, _)| *voted == group) {
                    Some(i) => votes[i].1 += paths[parent],
                    // Of a node with very many referrers the first groups decide.
                    None if votes.len() < MAX_VOTED => votes.push((group, paths[parent])),
                    None => {}
                }
            }
        }
        paths[node] = if distance == 0 { 1.0 } else { n_paths.min(f32::MAX) };
        if groups[node] == NO_GROUP {
            let best = votes.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            groups[node] = best.map_or(NO_GROUP, |(group, _)| *group);
        }
    }
    Ok(())
}

/// The maximum number of groups that are voted on for a node: votes are looked for one by one.
const MAX_VOTED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bits, CsrBuf, distances, dominator_tree};

    /// Groups and rules of a graph whose node 0 is the root.
    fn found(edges: &[(u32, u32)], n: usize, known: &[(usize, u32)], kinds: &[(usize, u32)]) -> String {
        let cancel = AtomicBool::new(false);
        let mut edges: Vec<(usize, u32)> = edges.iter().map(|(from, to)| (*from as usize, *to)).collect();
        edges.sort();
        let forward = CsrBuf::<u32>::from_edges(n, edges);
        let reverse = CsrBuf::reversed(forward.view(), Bits::default(), 1, &cancel).expect("not cancelled");
        let graph = Graph { forward: forward.view(), skip: Bits::default(), reverse: reverse.view() };
        let tree = dominator_tree(graph, [0], &cancel).expect("not cancelled");
        let retained = tree.retained(|_| 1);
        let preorder = tree.preorder(&retained.count);
        let distances = distances(graph.forward, graph.skip, [0], &cancel).expect("not cancelled");
        let mut of = vec![NO_GROUP; n];
        known.iter().for_each(|(node, group)| of[*node] = *group);
        let mut of_kind = vec![0; n];
        kinds.iter().for_each(|(node, kind)| of_kind[*node] = *kind);
        let (groups, rules) = attributions(
            Attributed {
                graph,
                preorder: &preorder.nodes,
                counts: (&retained.count).into(),
                distances: (&distances).into(),
                known: &of,
                kinds: (&of_kind).into(),
                group_of_kind: &[NO_GROUP, 7, 8],
            },
            &cancel,
        )
        .expect("not cancelled");
        let one = |(group, rule): (&u32, &AttributionRule)| match (*group, rule) {
            (NO_GROUP, _) => "-".to_owned(),
            (group, AttributionRule::Dominator) => format!("{group}d"),
            (group, AttributionRule::Kind) => format!("{group}k"),
            (group, AttributionRule::Paths) => format!("{group}p"),
        };
        groups.iter().zip(&rules).map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_dominated_belongs_to_the_nearest() {
        // 0 -> 1 -> 2 -> 3, and 1 and 2 are known.
        assert_eq!(found(&[(0, 1), (1, 2), (2, 3)], 4, &[(1, 5), (2, 6)], &[]), "- 5d 6d 6d");
        // A kind does not count where a dominator is known, and does where none is; what it dominates follows.
        assert_eq!(
            found(&[(0, 1), (1, 2), (0, 3), (3, 4)], 5, &[(1, 5)], &[(2, 1), (3, 1)]),
            "- 5d 5d 7k 7k"
        );
    }

    #[test]
    fn what_several_hold_goes_where_most_shortest_paths_come_from() {
        // 4 is held by 1 (group 5), 2 and 3 (group 6); 5 by 4; 6 by 1 and 2, one path each.
        let edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (4, 5), (1, 6), (2, 6)];
        assert_eq!(found(&edges, 7, &[(1, 5), (2, 6), (3, 6)], &[]), "- 5d 6d 6d 6p 6p 5p");
        // A long way round through group 6 does not count: 3 is two hops from the root by group 5.
        let edges = [(0, 1), (1, 3), (0, 2), (2, 4), (4, 3), (2, 5), (5, 3)];
        assert_eq!(found(&edges, 6, &[(1, 5), (2, 6)], &[]), "- 5d 6d 5p 6d 6d");
    }

    #[test]
    fn a_deep_list_needs_no_stack() {
        let n = 300_000_u32;
        let edges: Vec<(u32, u32)> = (1..n).map(|i| (i - 1, i)).collect();
        let text = found(&edges, n as usize, &[(1, 5)], &[]);
        assert_eq!(text.matches("5d").count(), n as usize - 1);
    }
}
