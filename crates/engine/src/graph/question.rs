//! A function over the graph index, and what it is asked.

use std::sync::{Arc, atomic::AtomicBool};

use datafusion::prelude::SessionContext;
use heaplake_graph::{BitSet, Cancelled, Cut, Id, Walk, walk};
use heaplake_store::{AnyIndex, Dump, GraphIndex};

use super::{
    rows::{GraphRows, ObjectRows},
    table::GraphTableFunction,
};
use crate::{
    Error,
    function::{Function, FunctionDoc},
    memo::SetRows,
    snapshot::{OpenIndex, Snapshot},
};

/// A table function over the graph index.
#[derive(Debug)]
pub(crate) struct GraphFunction {
    pub(crate) doc: FunctionDoc,
    /// Bytes of memory that an answer takes for every object of the dump, about, given the number of members of its sets.
    pub(crate) bytes_per_object: fn(usize) -> usize,
    /// The answer, from an index with ids of 32 bits and of 64.
    pub(crate) answer: (AnswerOf<u32>, AnswerOf<u64>),
}

type AnswerOf<I> = fn(&GraphQuestion<'_, I>) -> GraphAnswer;

/// Rows that are not columns yet.
pub(crate) type GraphAnswer = Result<Box<dyn GraphRows>, Cancelled>;

impl Function for GraphFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        let function = GraphTableFunction::new(self, snapshot.clone());
        context.register_udtf(self.doc.name, Arc::new(function));
    }
}

impl GraphFunction {
    /// Answers a call.
    pub(super) fn rows(
        &self,
        sets: &[SetRows],
        numbers: &[u32],
        open: &OpenIndex,
        cancel: &AtomicBool,
    ) -> Result<Box<dyn GraphRows>, Error> {
        let dump = &*open.manifest;
        let rows = match &*open.index {
            AnyIndex::Narrow(index) => (self.answer.0)(&GraphQuestion { sets, numbers, dump, index, cancel }),
            AnyIndex::Wide(index) => (self.answer.1)(&GraphQuestion { sets, numbers, dump, index, cancel }),
        };
        Ok(rows?)
    }
}

/// What a call asks: its arguments, and the index that knows.
pub(crate) struct GraphQuestion<'q, I> {
    sets: &'q [SetRows],
    numbers: &'q [u32],
    pub(crate) dump: &'q Dump,
    pub(crate) index: &'q GraphIndex<I>,
    pub(crate) cancel: &'q AtomicBool,
}

impl<I: Id> GraphQuestion<'_, I> {
    /// Whether a set was given.
    pub(crate) fn has_set(&self) -> bool {
        !self.sets.is_empty()
    }

    /// The nodes of the sets of objects, ascending, each once. An address that no object has is in no set.
    pub(crate) fn nodes(&self) -> Vec<I> {
        let addresses = self.sets.iter().flat_map(|set| match set {
            SetRows::Objects(addresses) => addresses.as_slice(),
            SetRows::Edges(_) => &[],
        });
        let nodes = addresses.filter_map(|address| self.index.node(*address));
        let mut nodes: Vec<I> = nodes.filter(|node| self.index.is_there(*node)).map(I::new).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The positions of the references of the sets of references.
    pub(crate) fn edges(&self) -> BitSet {
        let edges = self.sets.iter().flat_map(|set| match set {
            SetRows::Edges(edges) => edges.as_slice(),
            SetRows::Objects(_) => &[],
        });
        self.index.edges_at(&edges.copied().collect::<Vec<_>>())
    }

    /// A number of the call, by its position among the numbers of the documentation.
    pub(crate) fn number(&self, i: usize) -> u32 {
        self.numbers.get(i).copied().unwrap_or_default()
    }

    /// The objects around the set, up to as many hops as the first number says.
    pub(crate) fn walked(&self, way: Walk) -> GraphAnswer {
        let found = walk(self.index.graph(), way, &self.nodes(), self.number(0), self.cancel)?;
        Ok(ObjectRows::with_hops(found))
    }

    /// What becomes unreachable without some nodes and edges.
    pub(crate) fn gone(
        &self,
        nodes: impl Iterator<Item = usize>,
        edges: BitSet,
    ) -> Result<Vec<I>, Cancelled> {
        let cut = Cut { nodes: BitSet::of(self.index.n_nodes(), nodes), edges };
        self.index.gone_without(&cut, self.cancel)
    }

    /// Some nodes, those that retain most first: as many as the first number says.
    pub(crate) fn largest(&self, mut nodes: Vec<usize>) -> Vec<u64> {
        let retained = self.index.retained();
        let key = |node: &usize| (std::cmp::Reverse(retained.at(*node)), *node);
        let n = (self.number(0) as usize).min(nodes.len());
        if n > 0 && n < nodes.len() {
            nodes.select_nth_unstable_by_key(n - 1, key);
        }
        nodes.truncate(n);
        nodes.sort_unstable_by_key(key);
        nodes.into_iter().map(|node| node as u64).collect()
    }
}
