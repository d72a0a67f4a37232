//! What paths are searched in: the graph index of a dump, or what a join loop gathered of its tables.

use std::collections::HashMap;

use heaplake_graph::{
    BitSet, CsrBuf, Id,
    search::{Follow, HopEdges, NodeRanks, Pattern, Test, TypeGraph},
};
use heaplake_store::GraphIndex;

use super::compile::{Compiled, EdgeRule, NodeTest};
use crate::{memo::SetRows, summary::saturating};

/// What rows say of nodes and edges.
pub(super) trait Ground {
    fn address(&self, node: usize) -> u64;
    fn type_rank(&self, node: usize) -> u32;
    /// Bytes.
    fn size(&self, node: usize) -> i64;
    /// Bytes; none where there is no index.
    fn retained(&self, node: usize) -> Option<i64>;
    fn root_kind(&self, node: usize) -> Option<&str>;
    /// Address of the parent and position among its references.
    fn edge(&self, edge: usize) -> (u64, u32);
}

impl<I: Id> Ground for GraphIndex<I> {
    fn address(&self, node: usize) -> u64 {
        self.addresses()[node]
    }

    fn type_rank(&self, node: usize) -> u32 {
        self.types().at(node)
    }

    fn size(&self, node: usize) -> i64 {
        saturating(self.sizes().at(node))
    }

    fn retained(&self, node: usize) -> Option<i64> {
        Some(saturating(GraphIndex::retained(self).at(node)))
    }

    fn root_kind(&self, node: usize) -> Option<&str> {
        self.root_kind_of(node)
    }

    fn edge(&self, edge: usize) -> (u64, u32) {
        let forward = self.graph().forward;
        let source = forward.source(edge);
        (self.addresses()[source], (edge - forward.range(source).start) as u32)
    }
}

/// The types of an index and which of them refer to which.
pub(super) fn type_graph<I: Id>(index: &GraphIndex<I>, n_types: usize) -> TypeGraph {
    TypeGraph::new(n_types, index.type_edges().map(|(parent, child, _)| (parent, child)))
}

/// What the objects of one type are told apart by.
pub(super) fn ranks<I: Id>(index: &GraphIndex<I>) -> NodeRanks<'_, I> {
    NodeRanks { roots: index.roots(), root_ranks: index.root_ranks(), retained: index.retained() }
}

/// The pattern over the nodes of an index. `rows` answers [`super::needs::needs`], in its order.
pub(super) fn pattern<I: Id>(compiled: &Compiled, index: &GraphIndex<I>, rows: &[SetRows]) -> Pattern<I> {
    let mut resolving = Resolving { index, rows: rows.iter() };
    let tests = compiled.tests.iter().map(|test| resolving.test(test)).collect();
    let mut except: Vec<Test> = compiled.except.iter().map(|test| resolving.test(test)).collect();
    let labels: Vec<BitSet> = compiled.labels.iter().map(|_| resolving.edges()).collect();
    let mut banned = BitSet::default();
    for rule in &compiled.except_edges {
        let more = resolving.rule(rule);
        match banned.words().is_empty() {
            true => banned = more,
            false => _ = banned.unite(more.view()),
        }
    }
    let (n_nodes, n_left) = (index.n_nodes(), index.preorder().len());
    if n_left < n_nodes {
        // A layer: what it is without is on no path.
        let gone = BitSet::of(n_nodes, (0..n_nodes).filter(|node| !index.is_there(*node)));
        except.push(Test { nodes: Some(gone), ..Test::default() });
    }
    let graph = index.graph();
    // The first set is for hops without a label, then one by label.
    let mut follow = vec![match banned.words().is_empty() {
        true => Follow::All,
        false => Follow::all_but(graph, banned.view()),
    }];
    follow.extend(labels.into_iter().map(|mut edges| {
        edges.subtract(banned.view());
        Follow::only(graph, edges.view())
    }));
    let (starts, next) = (compiled.starts.clone(), compiled.next.clone());
    Pattern { tests, except, follow, hops: hops(compiled), starts, next }
}

/// The hops of an automaton; the set of edges of label `i` is number `i + 1`.
fn hops(compiled: &Compiled) -> Vec<HopEdges> {
    let follow = |label: Option<usize>| label.map_or(0, |label| label + 1);
    compiled.hops.iter().map(|hop| HopEdges { way: hop.way, follow: follow(hop.label) }).collect()
}

struct Resolving<'r, I> {
    index: &'r GraphIndex<I>,
    rows: std::slice::Iter<'r, SetRows>,
}

impl<I: Id> Resolving<'_, I> {
    fn test(&mut self, test: &NodeTest) -> Test {
        let n_nodes = self.index.n_nodes();
        let mut nodes = None;
        if !test.any && (test.roots || !test.addresses.is_empty()) {
            // What nothing holds is garbage; a path from it would explain nothing.
            let roots = self.index.live_roots().filter(|_| test.roots).map(|root| root.index());
            let named = test.addresses.iter().filter_map(|address| self.index.node(*address));
            nodes = Some(BitSet::of(n_nodes, roots.chain(named)));
        }
        let filter = test.filter.as_ref().map(|_| self.objects());
        Test { types: test.types.clone(), nodes, filter }
    }

    /// The objects of the next answer.
    fn objects(&mut self) -> BitSet {
        let addresses = match self.rows.next() {
            Some(SetRows::Objects(addresses)) => addresses.as_slice(),
            _ => &[],
        };
        let nodes = addresses.iter().filter_map(|address| self.index.node(*address));
        BitSet::of(self.index.n_nodes(), nodes)
    }

    /// The edges of the next answer.
    fn edges(&mut self) -> BitSet {
        match self.rows.next() {
            Some(SetRows::Edges(edges)) => self.index.edges_at(edges),
            _ => BitSet::new(self.index.graph().forward.n_edges()),
        }
    }

    fn rule(&mut self, rule: &EdgeRule) -> BitSet {
        let EdgeRule::Hop { parent, label, child } = rule else { return self.edges() };
        let parent = parent.as_ref().map(|test| self.test(test));
        let label = label.as_ref().map(|_| self.edges());
        let child = child.as_ref().map(|test| self.test(test));
        let (graph, types) = (self.index.graph(), self.index.types());
        let passes = |test: &Option<Test>, node: usize| {
            test.as_ref().is_none_or(|test| test.passes(node, types.at(node) as usize))
        };
        let mut edges = BitSet::new(graph.forward.n_edges());
        for source in (0..self.index.n_nodes()).filter(|source| passes(&parent, *source)) {
            for edge in graph.forward.range(source) {
                let target = graph.forward.target(edge);
                if target != I::NONE
                    && label.as_ref().is_none_or(|label| label.contains(edge))
                    && passes(&child, target.index())
                {
                    edges.insert(edge);
                }
            }
        }
        edges
    }
}

/// Objects and references that a join loop came by.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By address.
    pub(super) objects: HashMap<u64, Object>,
    /// By parent and position.
    pub(super) edges: HashMap<(u64, u32), Reference>,
    /// References that are not followed, the first from one of the objects to another: position and child by parent. Paths
    /// are ordered by them.
    pub(super) not_followed: HashMap<(u64, u32), u64>,
    /// Where only the ends are asked for: these, with the fewest hops to each. There are no references then.
    pub(super) ends: Vec<(u64, u32)>,
    /// The kinds and names of the roots among the objects.
    pub(super) roots: Vec<(String, Option<String>)>,
    /// The sets of tests that objects and labels pass; there are few of them.
    pub(super) sets: Vec<BitSet>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) type_rank: u32,
    pub(super) size: i64,
    pub(super) retained: Option<i64>,
    /// Its place in [`Gathered::roots`].
    pub(super) root: Option<u32>,
    /// The tests that it passes: a place in [`Gathered::sets`].
    pub(super) passes: u32,
}

#[derive(Debug)]
pub(super) struct Reference {
    pub(super) child: u64,
    /// The label tests that it passes: a place in [`Gathered::sets`].
    pub(super) labels: u32,
}

impl Gathered {
    /// The place of a set among the sets.
    pub(super) fn place_of(&mut self, set: BitSet) -> u32 {
        let place = self.sets.iter().position(|other| *other == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        place as u32
    }

    /// The place of another root.
    pub(super) fn place_of_root(&mut self, kind: &str, name: Option<&str>) -> u32 {
        self.roots.push((kind.to_owned(), name.map(str::to_owned)));
        self.roots.len() as u32 - 1
    }
}

/// What was gathered, as a graph.
pub(super) struct Subgraph {
    addresses: Vec<u64>,
    /// Where only the ends are asked for: their nodes, with the fewest hops to each, in this order.
    pub(super) ends: Vec<(usize, u32)>,
    objects: Vec<Object>,
    /// Parent and position of every edge.
    edges: Vec<(u64, u32)>,
    /// By edge, its place among the sets; `None` if it is not followed.
    labels: Vec<Option<u32>>,
    roots: Vec<(String, Option<String>)>,
    root_nodes: Vec<u32>,
    root_ranks: Vec<u32>,
    retained: Vec<u64>,
    sets: Vec<BitSet>,
    pub(super) types: Vec<u32>,
    pub(super) counts: Vec<u64>,
    pub(super) type_graph: TypeGraph,
    pub(super) forward: CsrBuf<u32>,
}

impl Subgraph {
    pub(super) fn new(gathered: Gathered, n_types: usize) -> Self {
        let Gathered { objects, edges: references, not_followed, ends, roots, sets } = gathered;
        let mut objects: Vec<(u64, Object)> = objects.into_iter().collect();
        objects.sort_unstable_by_key(|(address, _)| *address);
        let (addresses, objects): (Vec<u64>, Vec<Object>) = objects.into_iter().unzip();
        let followed = references.into_iter().map(|(place, edge)| (place, edge.child, Some(edge.labels)));
        let others = not_followed.into_iter().map(|(place, child)| (place, child, None));
        let mut references: Vec<((u64, u32), u64, Option<u32>)> = followed.chain(others).collect();
        references.sort_unstable();
        let node = |address: u64| addresses.binary_search(&address).ok();
        let types: Vec<u32> = objects.iter().map(|object| object.type_rank).collect();
        let mut counts = vec![0; n_types];
        types.iter().for_each(|rank| counts[*rank as usize] += 1);
        let (mut edges, mut labels, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        for ((parent, idx), child, of_edge) in references {
            let (Some(source), Some(target)) = (node(parent), node(child)) else { continue };
            nodes.push((source, target as u32));
            edges.push((parent, idx));
            labels.push(of_edge);
        }
        let pairs = nodes.iter().map(|(source, target)| (types[*source], types[*target as usize]));
        let type_graph = TypeGraph::new(n_types, pairs);
        let forward = CsrBuf::from_edges(addresses.len(), nodes);
        let bytes =
            |object: &Object| object.retained.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        let retained = objects.iter().map(bytes).collect();
        let (root_nodes, root_ranks) = ranks_of_roots(&objects, &roots);
        let mut ends: Vec<(usize, u32)> =
            ends.into_iter().filter_map(|(address, hops)| Some((node(address)?, hops))).collect();
        ends.sort_unstable_by_key(|(node, hops)| (*hops, *node));
        Self {
            ends,
            addresses,
            objects,
            edges,
            labels,
            roots,
            root_nodes,
            root_ranks,
            retained,
            sets,
            types,
            counts,
            type_graph,
            forward,
        }
    }

    /// What the objects of one type are told apart by.
    pub(super) fn ranks(&self) -> NodeRanks<'_, u32> {
        NodeRanks { roots: &self.root_nodes, root_ranks: &self.root_ranks, retained: (&self.retained).into() }
    }

    /// The pattern over these nodes: the tests were made when they were gathered.
    pub(super) fn pattern(&self, compiled: &Compiled, graph: heaplake_graph::Graph<'_, u32>) -> Pattern<u32> {
        let n_nodes = self.addresses.len();
        let tests = (0..compiled.tests.len()).map(|test| {
            let passes = |node: &usize| self.sets[self.objects[*node].passes as usize].contains(test);
            let passing = (0..n_nodes).filter(passes);
            Test { nodes: Some(BitSet::of(n_nodes, passing)), ..Test::default() }
        });
        let not_followed = (0..self.edges.len()).filter(|edge| self.labels[*edge].is_none());
        let not_followed = BitSet::of(self.edges.len(), not_followed);
        let mut follow = vec![match not_followed.is_empty() {
            true => Follow::All,
            false => Follow::all_but(graph, not_followed.view()),
        }];
        follow.extend((0..compiled.labels.len()).map(|label| {
            let passes =
                |edge: &usize| self.labels[*edge].is_some_and(|set| self.sets[set as usize].contains(label));
            let passing = (0..self.edges.len()).filter(passes);
            Follow::only(graph, BitSet::of(self.edges.len(), passing).view())
        }));
        let (starts, next) = (compiled.starts.clone(), compiled.next.clone());
        let (tests, hops) = (tests.collect(), hops(compiled));
        Pattern { tests, except: Vec::new(), follow, hops, starts, next }
    }
}

/// The roots among objects, ascending, and their positions in the order of kinds, then names, those without a name last: as
/// an index ranks all roots of a dump.
fn ranks_of_roots(objects: &[Object], roots: &[(String, Option<String>)]) -> (Vec<u32>, Vec<u32>) {
    let key = |root: u32| {
        let (kind, name) = &roots[root as usize];
        (kind, name.is_none(), name)
    };
    let nodes = objects.iter().zip(0..).filter_map(|(object, node)| Some((node, object.root?)));
    let nodes: Vec<(u32, u32)> = nodes.collect();
    let mut order: Vec<_> = nodes.iter().map(|(_, root)| key(*root)).collect();
    order.sort_unstable();
    order.dedup();
    let rank = |root: u32| order.partition_point(|other| *other < key(root)) as u32;
    nodes.iter().map(|(node, root)| (*node, rank(*root))).unzip()
}

impl Ground for Subgraph {
    fn address(&self, node: usize) -> u64 {
        self.addresses[node]
    }

    fn type_rank(&self, node: usize) -> u32 {
        self.types[node]
    }

    fn size(&self, node: usize) -> i64 {
        self.objects[node].size
    }

    fn retained(&self, node: usize) -> Option<i64> {
        self.objects[node].retained
    }

    fn root_kind(&self, node: usize) -> Option<&str> {
        self.objects[node].root.and_then(|root| self.roots.get(root as usize)).map(|(kind, _)| kind.as_str())
    }

    fn edge(&self, edge: usize) -> (u64, u32) {
        self.edges[edge]
    }
}
