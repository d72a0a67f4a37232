//! Strongly connected components of a part of a graph.
//!
//! Pearce, "A space-efficient algorithm for finding strongly connected components" (2016): one number per node and a
//! stack; as a loop instead of a recursion. O(nodes + edges).

use std::sync::atomic::AtomicBool;

use crate::{BitSet, Bits, Cancelled, Csr, Id, Poll};

/// The components of the nodes of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components<I> {
    /// The component of every node (length n), [`Id::NONE`] for those outside the set. An edge between two components
    /// goes from the larger number to the smaller.
    pub of: Vec<I>,
    /// Number of components.
    pub count: usize,
}

/// The strongly connected components of the subgraph that `nodes` induces.
pub fn components<I: Id>(
    forward: Csr<'_, I>,
    skip: Bits<'_>,
    nodes: &BitSet,
    cancel: &AtomicBool,
) -> Result<Components<I>, Cancelled> {
    let mut search = ComponentSearch {
        forward,
        skip,
        nodes,
        // 0 if not visited; otherwise the number of the visit, or, counted down from the top, of the finished component.
        rindex: vec![I::new(0); forward.n_nodes()],
        index: 1,
        count: 0,
        waiting: Vec::new(),
        calls: Vec::new(),
    };
    let mut poll = Poll::new(cancel);
    for node in nodes.iter() {
        if search.rindex[node].index() == 0 {
            search.visit(node, &mut poll)?;
        }
    }
    let count = search.count;
    let mut of = search.rindex;
    for (node, component) in of.iter_mut().enumerate() {
        *component = if nodes.contains(node) { I::new(I::MAX_INDEX - component.index()) } else { I::NONE };
    }
    Ok(Components { of, count })
}

struct ComponentSearch<'s, I> {
    forward: Csr<'s, I>,
    skip: Bits<'s>,
    nodes: &'s BitSet,
    rindex: Vec<I>,
    index: usize,
    count: usize,
    /// Visited nodes whose component is not finished.
    waiting: Vec<I>,
    /// The nodes that are being visited, each with its next edge, and whether it reaches no node further up the stack.
    calls: Vec<(I, I, bool)>,
}

impl<I: Id> ComponentSearch<'_, I> {
    fn visit(&mut self, start: usize, poll: &mut Poll<'_>) -> Result<(), Cancelled> {
        self.enter(start);
        while let Some((node, edge, is_root)) = self.calls.last_mut() {
            poll.step()?;
            let v = node.index();
            if edge.index() < self.forward.range(v).end {
                let at = edge.index();
                let target = self.forward.target(at);
                if target == I::NONE || self.skip.contains(at) || !self.nodes.contains(target.index()) {
                    *edge = I::new(at + 1);
                    continue;
                }
                let w = target.index();
                let rindex = self.rindex[w];
                if rindex.index() == 0 {
                    // The edge is processed again when `w` is finished.
                    self.enter(w);
                    continue;
                }
                *edge = I::new(at + 1);
                if rindex < self.rindex[v] {
                    self.rindex[v] = rindex;
                    *is_root = false;
                }
            } else {
                let (v, is_root) = (*node, *is_root);
                self.calls.pop();
                self.leave(v, is_root);
            }
        }
        Ok(())
    }

    fn enter(&mut self, node: usize) {
        self.rindex[node] = I::new(self.index);
        self.index += 1;
        self.calls.push((I::new(node), I::new(self.forward.range(node).start), true));
    }

    fn leave(&mut self, node: I, is_root: bool) {
        if !is_root {
            self.waiting.push(node);
            return;
        }
        let rindex = self.rindex[node.index()];
        // Finished components have the largest numbers, so that no edge to them counts.
        let component = I::new(I::MAX_INDEX - self.count);
        self.index -= 1;
        while let Some(w) = self.waiting.pop_if(|w| rindex <= self.rindex[w.index()]) {
            self.rindex[w.index()] = component;
            self.index -= 1;
        }
        self.rindex[node.index()] = component;
        self.count += 1;
    }
}
