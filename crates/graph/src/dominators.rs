//! The dominator tree of a graph below a super-root, and what every node retains.
//!
//! `d` dominates `n` when every path from the super-root to `n` passes `d`; the nearest such `d` is the immediate
//! dominator. What a node dominates is what a collector would free with it, so its retained size is a sum over its
//! subtree.
//!
//! Semi-NCA (Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", 2005): O(n^2) at worst,
//! near-linear on heaps. Six ids per node while it runs, and a stack as deep as the graph.

use std::sync::atomic::AtomicBool;

use crate::{BitSet, Cancelled, Graph, Id, Poll};

/// A dominator tree. Its root is the super-root, whose number is the number of nodes (n).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DominatorTree<I> {
    /// The immediate dominator of every node (length n): a node, n for the super-root, [`Id::NONE`] where no root
    /// reaches the node.
    pub idom: Vec<I>,
    /// The reachable nodes, every one after its dominators (length: number of reachable nodes).
    order: Vec<I>,
}

/// What every node retains, and the tree laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained<I> {
    /// Sum of the sizes in the subtree of every node, itself included (length n); 0 for unreachable nodes. Stays at
    /// the largest number where the sum does not fit.
    pub size: Vec<u64>,
    /// Number of nodes in the subtree of every node (length n), 0 for unreachable nodes.
    pub count: Vec<I>,
    /// The reachable nodes in preorder of the tree: the subtree of a node is `count` nodes from its own position on.
    pub preorder: Vec<I>,
    /// The position of every node in `preorder` (length n), [`Id::NONE`] for unreachable nodes.
    pub position: Vec<I>,
}

/// The immediate dominators of all nodes, of paths from a super-root that has an edge to each of `roots`.
///
/// Only the edges that `graph.skip` does not name are followed; those that lead nowhere are no edges.
pub fn dominator_tree<I: Id>(
    graph: Graph<'_, I>,
    roots: impl IntoIterator<Item = usize>,
    cancel: &AtomicBool,
) -> Result<DominatorTree<I>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let search = DepthFirst::run(graph, roots, &mut poll)?;
    let idom = semi_nca(graph, &search, &mut poll)?;
    let DepthFirst { order, mut number, .. } = search;
    let n_nodes = graph.n_nodes();
    // From numbers of the search to nodes; the memory of `number` is taken for the answer.
    for (i, node) in order.iter().enumerate() {
        let dominator = idom[i + 1].index();
        number[node.index()] = if dominator == 0 { I::new(n_nodes) } else { order[dominator - 1] };
    }
    Ok(DominatorTree { idom: number, order })
}

/// A depth-first search from the super-root, which has number 0; the nodes have numbers from 1 in the order of their
/// discovery.
struct DepthFirst<I> {
    /// Node by number minus 1.
    order: Vec<I>,
    /// Number by node, [`Id::NONE`] where it is not reached.
    number: Vec<I>,
    /// Number of the parent in the search, by number; 0 for the super-root itself.
    parent: Vec<I>,
    is_root: BitSet,
}

impl<I: Id> DepthFirst<I> {
    fn run(
        graph: Graph<'_, I>,
        roots: impl IntoIterator<Item = usize>,
        poll: &mut Poll<'_>,
    ) -> Result<Self, Cancelled> {
        let n_nodes = graph.n_nodes();
        let mut search = Self {
            order: Vec::with_capacity(n_nodes),
            number: vec![I::NONE; n_nodes],
            parent: Vec::with_capacity(n_nodes + 1),
            is_root: BitSet::new(n_nodes),
        };
        search.parent.push(I::new(0));
        for root in roots {
            search.is_root.insert(root);
            if search.number[root] == I::NONE {
                search.from(graph, root, poll)?;
            }
        }
        Ok(search)
    }

    fn from(&mut self, graph: Graph<'_, I>, root: usize, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        let forward = graph.forward;
        // The number of a node, the next of its edges and the end of them.
        let mut stack = vec![self.enter(graph, root, I::new(0))];
        while let Some((number, next, end)) = stack.last_mut() {
            poll.step()?;
            let mut entered = None;
            while *next < *end {
                let edge = next.index();
                *next = I::new(edge + 1);
                let target = forward.target(edge);
                if target != I::NONE && self.number[target.index()] == I::NONE && !graph.skip.contains(edge) {
                    entered = Some((target.index(), *number));
                    break;
                }
            }
            // A node without further edges leaves the stack before its last child enters it: a list needs no depth.
            if *next == *end {
                stack.pop();
            }
            if let Some((node, parent)) = entered {
                let frame = self.enter(graph, node, parent);
                stack.push(frame);
            }
        }
        Ok(())
    }

    fn enter(&mut self, graph: Graph<'_, I>, node: usize, parent: I) -> (I, I, I) {
        self.order.push(I::new(node));
        let number = I::new(self.order.len());
        self.number[node] = number;
        self.parent.push(parent);
        let edges = graph.forward.range(node);
        (number, I::new(edges.start), I::new(edges.end))
    }
}

/// Nodes whose predecessors are fetched together, so that the processor waits for many of them at once.
const FETCH: usize = 256;

/// The immediate dominators, all by number.
fn semi_nca<I: Id>(
    graph: Graph<'_, I>,
    search: &DepthFirst<I>,
    poll: &mut Poll<'_>,
) -> Result<Vec<I>, Cancelled> {
    let n = search.parent.len();
    let mut idom = search.parent.clone();
    let mut semi = vec![I::new(0); n];
    // By number: the nearest ancestor that is not compressed away, and the least semidominator on the way to it.
    let mut forest: Vec<(I, I)> = search.parent.iter().map(|parent| (*parent, I::NONE)).collect();
    let (mut path, mut fetched, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = n;
    while last > 1 {
        let first = last.saturating_sub(FETCH).max(1);
        fetched.clear();
        ends.clear();
        for number in first..last {
            let node = search.order[number - 1].index();
            fetched.extend(graph.reverse.targets(node).iter().map(|parent| search.number[parent.index()]));
            ends.push(fetched.len());
        }
        for number in (first..last).rev() {
            poll.step()?;
            let at = number - first;
            let start = if at == 0 { 0 } else { ends[at - 1] };
            let is_root = search.is_root.contains(search.order[number - 1].index());
            let mut least = if is_root { I::new(0) } else { search.parent[number] };
            for &predecessor in &fetched[start..ends[at]] {
                // Unreached nodes are no predecessors; smaller numbers are not in the forest, and their own semidominator.
                if predecessor != I::NONE {
                    least = least.min(least_semi(&mut forest, predecessor, number, &mut path));
                }
            }
            semi[number] = least;
            forest[number].1 = least;
        }
        last = first;
    }
    for number in 1..n {
        let mut candidate = idom[number];
        while candidate > semi[number] {
            candidate = idom[candidate.index()];
        }
        idom[number] = candidate;
    }
    Ok(idom)
}

/// The least semidominator on the way from `start` up to the root of its tree in the forest of the numbers above
/// `linked`; `start` itself when it is not among them. Shortens the way.
fn least_semi<I: Id>(forest: &mut [(I, I)], start: I, linked: usize, path: &mut Vec<I>) -> I {
    if start.index() <= linked {
        return start;
    }
    let mut v = start;
    while forest[v.index()].0.index() > linked {
        path.push(v);
        v = forest[v.index()].0;
    }
    let (top, mut least) = forest[v.index()];
    while let Some(v) = path.pop() {
        let (ancestor, own) = &mut forest[v.index()];
        *ancestor = top;
        least = least.min(*own);
        *own = least;
    }
    least
}

impl<I: Id> DominatorTree<I> {
    /// What every node retains, when node i has size `sizes[i]`. O(n).
    pub fn retained(&self, sizes: impl Fn(usize) -> u64) -> Retained<I> {
        let n_nodes = self.idom.len();
        let mut size = vec![0_u64; n_nodes];
        let mut count = vec![I::new(0); n_nodes];
        for &node in self.order.iter().rev() {
            let node = node.index();
            size[node] = size[node].saturating_add(sizes(node));
            count[node] = I::new(count[node].index() + 1);
            let dominator = self.idom[node].index();
            if dominator < n_nodes {
                size[dominator] = size[dominator].saturating_add(size[node]);
                count[dominator] = I::new(count[dominator].index() + count[node].index());
            }
        }
        // Dominators come first in `order`, so each node takes its place behind its dominator's earlier children.
        let mut position = vec![I::NONE; n_nodes];
        let mut next = vec![I::new(0); n_nodes + 1];
        let mut preorder = vec![I::new(0); self.order.len()];
        for &node in &self.order {
            let v = node.index();
            let dominator = self.idom[v].index();
            let place = next[dominator];
            next[dominator] = I::new(place.index() + count[v].index());
            position[v] = place;
            next[v] = I::new(place.index() + 1);
            preorder[place.index()] = node;
        }
        Retained { size, count, preorder, position }
    }
}
