//! The dominator tree of a graph below a super-root, and what every node retains.
//!
//! `d` dominates `n` if every path from the super-root to `n` passes through `d`; the nearest such `d` is the immediate
//! dominator. A collector would free with a node what it dominates, so its retained size is the sum over its subtree.
//!
//! Garbage, which no other root reaches, is gone before: what is alive is dominated as if garbage did not refer to it.
//!
//! Semi-NCA (Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", 2005) for the nodes that have
//! edges. The others, half of a heap, dominate nothing: their immediate dominator is the nearest common ancestor, in the
//! finished tree, of the nodes that refer to them, and several threads find it. Where semi-NCA climbs the tree step by step,
//! and is quadratic at worst, jump pointers (Myers, "An applicative random-access stack", 1983) make it O(edges * log nodes). Seven ids
//! per node while it runs, and a stack as deep as the graph.

use std::{sync::atomic::AtomicBool, thread};

use crate::{BitSet, Cancelled, Graph, Id, Poll, csr::joined};

/// A dominator tree. Its root is the super-root, whose number is the number of nodes (n).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DominatorTree<I> {
    /// The immediate dominator of every node (length n): a node, n for the super-root, or [`Id::NONE`] if no
    /// root reaches the node.
    pub idom: Vec<I>,
    /// The reachable nodes, every one after its dominators (length: number of reachable nodes).
    order: Vec<I>,
    /// The nodes that only roots of garbage reach; of length 0 if there are none.
    pub garbage: BitSet,
}

/// What every node retains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained<I> {
    /// Sum of the sizes in the subtree of every node, itself included (length n); 0 for unreachable nodes. The
    /// largest number if the sum does not fit.
    pub size: Vec<u64>,
    /// Number of nodes in the subtree of every node (length n), 0 for unreachable nodes.
    pub count: Vec<I>,
}

/// The preorder of a dominator tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preorder<I> {
    /// The reachable nodes in preorder: the subtree of a node is as many nodes as it retains, from its own position on.
    pub nodes: Vec<I>,
    /// The position of every node in `nodes` (length n), [`Id::NONE`] for unreachable nodes.
    pub position: Vec<I>,
}

/// The immediate dominators of all nodes, of paths from a super-root that has an edge to each of `roots`.
///
/// Edges of `graph.skip` and edges that lead nowhere are not followed.
pub fn dominator_tree<I: Id>(
    graph: Graph<'_, I>,
    roots: impl IntoIterator<Item = usize>,
    cancel: &AtomicBool,
) -> Result<DominatorTree<I>, Cancelled> {
    let mut search = DepthFirstSearch::new(graph, cancel);
    search.add_roots(roots)?;
    search.without_leaves()?.with_leaves(1)
}

/// The first half of the work: a depth-first search from the super-root. It tells which nodes the roots do not reach before
/// the dominators are computed.
pub struct DepthFirstSearch<'g, I> {
    graph: Graph<'g, I>,
    poll: Poll<'g>,
    is_root: BitSet,
    /// Number of nodes that were visited before the first root of garbage; none while there is none.
    alive: Option<usize>,
    /// Roots of garbage.
    garbage_roots: BitSet,
    /// Nodes that need not be visited: those that were, and those without edges. One set for both, because its lookup for every
    /// edge takes most of the time of the search.
    done: BitSet,
    /// Visited nodes in the order of their discovery. The number of a node is its position here plus 1; the super-root has 0.
    order: Vec<I>,
    /// By node, its number; [`Id::NONE`] if it was not visited.
    number: Vec<I>,
    /// By number, the number of its parent in the search tree; 0 for the super-root itself.
    parent: Vec<I>,
    /// The nodes that are being visited: number, next edge, end of the edges.
    stack: Vec<(I, I, I)>,
}

impl<'g, I: Id> DepthFirstSearch<'g, I> {
    /// A search that has not visited any node.
    pub fn new(graph: Graph<'g, I>, cancel: &'g AtomicBool) -> Self {
        let n_nodes = graph.n_nodes();
        Self {
            graph,
            poll: Poll::new(cancel),
            is_root: BitSet::new(n_nodes),
            alive: None,
            garbage_roots: BitSet::default(),
            done: BitSet::of(n_nodes, (0..n_nodes).filter(|node| is_leaf(graph, *node))),
            order: Vec::new(),
            number: vec![I::NONE; n_nodes],
            parent: vec![I::new(0)],
            stack: Vec::new(),
        }
    }

    /// Adds edges from the super-root to these nodes, and searches from them.
    pub fn add_roots(&mut self, roots: impl IntoIterator<Item = usize>) -> Result<(), Cancelled> {
        for root in roots {
            self.is_root.insert(root);
            if self.done.set(root) {
                self.enter(root, I::new(0));
                self.run()?;
            }
        }
        Ok(())
    }

    /// The same for roots of garbage. It comes last: what it reaches, and no root before it, is garbage.
    pub fn add_garbage(&mut self, roots: impl IntoIterator<Item = usize>) -> Result<(), Cancelled> {
        for root in roots {
            if self.alive.is_none() {
                self.alive = Some(self.order.len());
                self.garbage_roots = BitSet::new(self.graph.n_nodes());
            }
            if self.number[root] == I::NONE && !self.is_root.contains(root) {
                self.garbage_roots.insert(root);
                self.add_roots([root])?;
            }
        }
        Ok(())
    }

    /// The nodes with edges that no root reaches.
    pub fn unreached(&self) -> BitSet {
        let n_nodes = self.graph.n_nodes();
        BitSet::of(n_nodes, (0..n_nodes).filter(|node| !self.done.contains(*node)))
    }

    fn run(&mut self) -> Result<(), Cancelled> {
        let (forward, skip) = (self.graph.forward, self.graph.skip);
        while let Some((number, next, end)) = self.stack.last_mut() {
            self.poll.step()?;
            let mut entered = None;
            while *next < *end {
                let edge = next.index();
                *next = I::new(edge + 1);
                let target = forward.target(edge);
                if target != I::NONE && !skip.contains(edge) && self.done.set(target.index()) {
                    entered = Some((target.index(), *number));
                    break;
                }
            }
            // A node leaves the stack before its last child enters it, so that a linked list needs a stack of one.
            if *next == *end {
                self.stack.pop();
            }
            if let Some((node, parent)) = entered {
                self.enter(node, parent);
            }
        }
        Ok(())
    }

    fn enter(&mut self, node: usize, parent: I) {
        self.order.push(I::new(node));
        let number = I::new(self.order.len());
        self.number[node] = number;
        self.parent.push(parent);
        let edges = self.graph.forward.range(node);
        self.stack.push((number, I::new(edges.start), I::new(edges.end)));
    }

    /// The second half: computes the immediate dominators of the reached nodes that have edges. Goes from place to place in the
    /// graph.
    pub fn without_leaves(mut self) -> Result<TreeWithoutLeaves<'g, I>, Cancelled> {
        let alive = self.alive.unwrap_or(self.order.len());
        let tree = self.semi_nca(alive)?;
        let Self { graph, poll, is_root, garbage_roots, order, number, .. } = self;
        Ok(TreeWithoutLeaves { graph, poll, is_root, garbage_roots, order, alive, number, tree })
    }

    /// The tree of the visited nodes, by number; the first `alive` of them are no garbage.
    fn semi_nca(&mut self, alive: usize) -> Result<Vec<Link<I>>, Cancelled> {
        let Self { graph, poll, is_root, order, number, parent, .. } = self;
        let n = parent.len();
        let mut semi = vec![I::new(0); n];
        // By number: the nearest ancestor after path compression, and the least semidominator on the path to it.
        let mut forest: Vec<(I, I)> = parent.iter().map(|parent| (*parent, I::NONE)).collect();
        let (mut path, mut fetched, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = n;
        while last > 1 {
            let first = last.saturating_sub(FETCH).max(1);
            fetched.clear();
            ends.clear();
            for i in first..last {
                let predecessors = graph.reverse.targets(order[i - 1].index());
                fetched.extend(predecessors.iter().map(|node| number[node.index()]));
                ends.push(fetched.len());
            }
            // Prefetches them, so that cache misses overlap.
            let ancestors =
                fetched.iter().map(|number| forest.get(number.index()).map_or(0, |f| f.0.index()));
            std::hint::black_box(ancestors.fold(0, |sum, ancestor| sum ^ ancestor));
            for i in (first..last).rev() {
                poll.step()?;
                let start = if i == first { 0 } else { ends[i - first - 1] };
                let mut least = if is_root.contains(order[i - 1].index()) { I::new(0) } else { parent[i] };
                let most = if i <= alive { alive } else { n };
                for &predecessor in &fetched[start..ends[i - first]] {
                    // A node that no root reaches does not count as a predecessor, nor garbage of what is alive.
                    if predecessor != I::NONE && predecessor.index() <= most {
                        least = least.min(least_semi(&mut forest, predecessor, i, &mut path));
                    }
                }
                semi[i] = least;
                forest[i].1 = least;
            }
            last = first;
        }
        drop(forest);
        // Parent and semidominator wait where the link of their node will be.
        let waiting = |(parent, semi): (&I, &I)| Link { idom: *parent, depth: *semi, jump: I::new(0) };
        let mut tree: Vec<_> = parent.iter().zip(&semi).map(waiting).collect();
        *parent = Vec::new();
        drop(semi);
        for i in 1..n {
            poll.step()?;
            let Link { idom: parent, depth: semi, .. } = tree[i];
            let idom = nearest_not_above(&tree, parent, semi);
            tree[i] = link_below(&tree, idom);
        }
        Ok(tree)
    }
}

/// The dominator tree of the nodes that have edges.
pub struct TreeWithoutLeaves<'g, I> {
    graph: Graph<'g, I>,
    poll: Poll<'g>,
    is_root: BitSet,
    /// As in the search.
    garbage_roots: BitSet,
    /// As in the search.
    order: Vec<I>,
    /// Number of visited nodes that are no garbage.
    alive: usize,
    /// As in the search.
    number: Vec<I>,
    /// By number.
    tree: Vec<Link<I>>,
}

impl<I: Id> TreeWithoutLeaves<'_, I> {
    /// Adds the nodes without edges. Goes through the graph in the order of the nodes.
    pub fn with_leaves(self, threads: usize) -> Result<DominatorTree<I>, Cancelled> {
        let Self { graph, poll, is_root, garbage_roots, order, alive, number, tree } = self;
        let n_nodes = graph.n_nodes();
        let has_garbage = !garbage_roots.is_empty();
        // Whether a leaf that some root reaches is garbage.
        let is_garbage_leaf = |node: usize| {
            let is_live_root = is_root.contains(node) && !garbage_roots.contains(node);
            !is_live_root && !graph.parents(node).any(|parent| number[parent].index() <= alive)
        };
        let node_of = |number: usize| if number == 0 { I::new(n_nodes) } else { order[number - 1] };
        let dominator = |node: usize| {
            if number[node] != I::NONE {
                return node_of(tree[number[node].index()].idom.index());
            }
            if !is_leaf(graph, node) {
                return I::NONE;
            }
            // A node that no root reaches does not count as a predecessor.
            let is_garbage = has_garbage && is_garbage_leaf(node);
            let most = if is_garbage { order.len() } else { alive };
            // Nor does garbage of what is alive.
            let holders = graph.parents(node).map(|parent| number[parent]);
            let holders = holders.filter(|number| *number != I::NONE && number.index() <= most);
            let is_top = is_root.contains(node) && (is_garbage || !garbage_roots.contains(node));
            let top = if is_top { Some(I::new(0)) } else { None };
            let common = top.into_iter().chain(holders).reduce(|a, b| nearest_common(&tree, a, b));
            common.map_or(I::NONE, |number| node_of(number.index()))
        };
        let mut idom = vec![I::NONE; n_nodes];
        let per_thread = n_nodes.div_ceil(threads.max(1)).max(1);
        let found: Vec<_> = thread::scope(|scope| {
            let pieces = idom.chunks_mut(per_thread).enumerate();
            let finding: Vec<_> = pieces
                .map(|(i, piece)| {
                    let (dominator, cancel) = (&dominator, poll.cancel);
                    scope.spawn(move || {
                        let mut poll = Poll::new(cancel);
                        for (idom, node) in piece.iter_mut().zip(i * per_thread..) {
                            poll.step()?;
                            *idom = dominator(node);
                        }
                        Ok(())
                    })
                })
                .collect();
            finding.into_iter().map(joined).collect()
        });
        found.into_iter().collect::<Result<Vec<()>, _>>()?;
        let mut order = order;
        let is_reached_leaf = |node: &usize| is_leaf(graph, *node) && idom[*node] != I::NONE;
        let mut garbage = BitSet::default();
        if has_garbage {
            let leaves = (0..n_nodes).filter(|node| is_reached_leaf(node) && is_garbage_leaf(*node));
            garbage = BitSet::of(n_nodes, order[alive..].iter().map(|node| node.index()).chain(leaves));
        }
        order.extend((0..n_nodes).filter(is_reached_leaf).map(I::new));
        Ok(DominatorTree { idom, order, garbage })
    }
}

/// Whether a node has no edges, so that it is on no path to another node.
fn is_leaf<I: Id>(graph: Graph<'_, I>, node: usize) -> bool {
    graph.forward.range(node).is_empty()
}

/// A node of the finished tree, by number.
#[derive(Debug, Clone, Copy)]
struct Link<I> {
    idom: I,
    depth: I,
    /// An ancestor further up; the depth alone decides which one.
    jump: I,
}

/// The link of a new child of `idom`.
fn link_below<I: Id>(tree: &[Link<I>], idom: I) -> Link<I> {
    let parent = tree[idom.index()];
    let jump = tree[parent.jump.index()];
    let further = tree[jump.jump.index()];
    let is_even = parent.depth.index() - jump.depth.index() == jump.depth.index() - further.depth.index();
    Link { idom, depth: I::new(parent.depth.index() + 1), jump: if is_even { jump.jump } else { idom } }
}

/// The nearest of a node and its ancestors whose number is at most `limit`.
fn nearest_not_above<I: Id>(tree: &[Link<I>], mut node: I, limit: I) -> I {
    while node > limit {
        let link = &tree[node.index()];
        node = if link.jump > limit { link.jump } else { link.idom };
    }
    node
}

/// The nearest common ancestor of two nodes.
fn nearest_common<I: Id>(tree: &[Link<I>], mut a: I, mut b: I) -> I {
    if a == b {
        return a;
    }
    if tree[a.index()].depth < tree[b.index()].depth {
        std::mem::swap(&mut a, &mut b);
    }
    let depth = tree[b.index()].depth;
    while tree[a.index()].depth > depth {
        let link = &tree[a.index()];
        a = if tree[link.jump.index()].depth >= depth { link.jump } else { link.idom };
    }
    while a != b {
        let (above_a, above_b) = (&tree[a.index()], &tree[b.index()]);
        // From equal depths the jumps lead to equal depths.
        (a, b) = match above_a.jump == above_b.jump {
            true => (above_a.idom, above_b.idom),
            false => (above_a.jump, above_b.jump),
        };
    }
    a
}

/// Nodes whose predecessors are prefetched together, so that cache misses overlap.
const FETCH: usize = 256;

/// The least semidominator on the path from `start` up to the root of its tree, in the forest of the numbers above `linked`;
/// `start` itself if it is not in the forest. Compresses the path.
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
    /// Number of nodes that some root reaches.
    pub fn n_reached(&self) -> usize {
        self.order.len()
    }

    /// What every node retains; `size` gives the size of a node. O(n).
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
        Retained { size, count }
    }

    /// The preorder of the tree; `count` is what every node retains. O(n).
    pub fn preorder(&self, count: &[I]) -> Preorder<I> {
        let n_nodes = self.idom.len();
        // Dominators come first in `order`, so that each node is placed after the earlier children of its dominator.
        let mut position = vec![I::NONE; n_nodes];
        let mut next = vec![I::new(0); n_nodes + 1];
        let mut nodes = vec![I::new(0); self.order.len()];
        for &node in &self.order {
            let v = node.index();
            let dominator = self.idom[v].index();
            let place = next[dominator];
            next[dominator] = I::new(place.index() + count[v].index());
            position[v] = place;
            next[v] = I::new(place.index() + 1);
            nodes[place.index()] = node;
        }
        Preorder { nodes, position }
    }
}
