//! One dump as the diagnosis sees it: its graph index, with the sorts of its types and a few rows of its tables.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, OnceLock},
};

use datafusion::arrow::{
    array::{Array as _, AsArray as _},
    datatypes::Int64Type,
};
use heaplake_graph::{BitSet, Id, NO_DISTANCE};
use heaplake_model::{CollectionParts, EdgeKind, root_kind, schema::Table, short_type_name};
use heaplake_store::{GraphIndex, Lake, Manifest, with_index};

use super::sort::{Sort, sort_in};
use crate::{Result, snapshot::OpenIndex};

/// A dump.
#[derive(Debug, Clone)]
pub(super) struct Heap {
    pub(super) open: Arc<OpenIndex>,
    /// By type.
    sorts: Arc<[Sort]>,
    /// By type, when its objects are parts of a collection; empty where collections have none.
    parts: Arc<[Option<&'static CollectionParts>]>,
    lake: Lake,
    /// Whether garbage is what the collector has not come to, and never what leaks.
    has_passing_garbage: bool,
    /// Counted when it is first asked.
    undominated: Arc<OnceLock<UndominatedRoots>>,
}

/// By kind and telling type, how many roots no other node dominates, and the bytes that they retain.
type UndominatedRoots = HashMap<String, HashMap<u32, (i64, i64)>>;

/// What the tables say of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectFacts {
    pub(super) name: Option<String>,
    pub(super) value: Option<String>,
}

/// What the tables say of some objects and references.
#[derive(Debug, Default)]
pub(super) struct Facts {
    objects: HashMap<usize, ObjectFacts>,
    /// By position of the edge.
    labels: HashMap<usize, String>,
    /// Edges that are soft.
    soft: HashSet<usize>,
}

/// Steps upwards from one object at most.
const MAX_VISITED: usize = 20_000;
/// Referrers of an object that are looked at.
const MAX_PARENTS: usize = 256;
/// Objects of a collection from which on each object of the dump has a bit that says whether it was seen.
const MANY_SEEN: usize = 1 << 16;

impl Heap {
    pub(super) fn new(open: Arc<OpenIndex>, lake: Lake) -> Self {
        let runtime = open.manifest.manifest.runtime();
        let types = &open.manifest.types;
        let sorts = types.iter().map(|stat| sort_in(runtime, &stat.name)).collect();
        let parts = types.iter().map(|stat| runtime.collection_parts(&stat.name));
        let parts = if runtime.has_collection_parts() { parts.collect() } else { Arc::default() };
        let has_passing_garbage = runtime.unreferenced.is_garbage();
        Self { open, sorts, parts, lake, has_passing_garbage, undominated: Arc::default() }
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.open.manifest.manifest
    }

    pub(super) fn n_nodes(&self) -> usize {
        self.open.index.n_nodes()
    }

    pub(super) fn address(&self, node: usize) -> u64 {
        with_index!(&*self.open.index, |index| index.addresses()[node])
    }

    pub(super) fn node(&self, address: u64) -> Option<usize> {
        with_index!(&*self.open.index, |index| index.node(address))
    }

    pub(super) fn type_rank(&self, node: usize) -> u32 {
        with_index!(&*self.open.index, |index| index.types().at(node))
    }

    pub(super) fn type_name(&self, node: usize) -> &str {
        self.open.type_name(self.type_rank(node))
    }

    pub(super) fn sort(&self, node: usize) -> Sort {
        self.sorts.get(self.type_rank(node) as usize).copied().unwrap_or(Sort::Program)
    }

    pub(super) fn sort_of_rank(&self, rank: u32) -> Sort {
        self.sorts.get(rank as usize).copied().unwrap_or(Sort::Program)
    }

    pub(super) fn size(&self, node: usize) -> i64 {
        bytes(with_index!(&*self.open.index, |index| index.sizes().at(node)))
    }

    pub(super) fn retained(&self, node: usize) -> i64 {
        bytes(with_index!(&*self.open.index, |index| index.retained().at(node)))
    }

    /// The number of objects that a node retains, itself included.
    pub(super) fn retained_count(&self, node: usize) -> usize {
        with_index!(&*self.open.index, |index| index.retained_counts().at(node).index())
    }

    /// The immediate dominator; `None` below the super-root.
    pub(super) fn idom(&self, node: usize) -> Option<usize> {
        let idom = with_index!(&*self.open.index, |index| index.idoms()[node].index());
        (idom < self.n_nodes()).then_some(idom)
    }

    pub(super) fn is_root(&self, node: usize) -> bool {
        self.root_kind(node).is_some()
    }

    pub(super) fn root_kind(&self, node: usize) -> Option<&str> {
        with_index!(&*self.open.index, |index| index.root_kind_of(node))
    }

    /// Whether nothing but garbage holds a node.
    pub(super) fn is_garbage(&self, node: usize) -> bool {
        with_index!(&*self.open.index, |index| index.garbage().contains(node))
    }

    /// Whether the next collection frees a node: garbage of a runtime whose programs have none but for a while.
    pub(super) fn is_collected(&self, node: usize) -> bool {
        self.has_passing_garbage && self.is_garbage(node)
    }

    /// Bytes of all objects but those that the next collection frees.
    pub(super) fn bytes(&self) -> i64 {
        if !self.has_passing_garbage {
            return self.manifest().counts.bytes;
        }
        let alive = (0..self.n_nodes()).filter(|node| !self.is_garbage(*node));
        alive.map(|node| self.size(node)).fold(0, i64::saturating_add)
    }

    /// Whether ways to `below` begin at a node: a module, a class or a thread.
    pub(super) fn is_top(&self, node: usize, below: usize) -> bool {
        self.sort(node) == Sort::Module || self.is_class_above(node, below) || self.is_thread(node)
    }

    /// Whether a node is a thread that is kept because it runs.
    pub(super) fn is_thread(&self, node: usize) -> bool {
        let runtime = self.manifest().runtime();
        let Some(kind) = self.root_kind(node).filter(|_| runtime.roots_have_frames()) else { return false };
        ["thread ", "virtual thread "].iter().any(|before| kind.starts_with(before))
            && runtime.thread_of_root(kind).is_some_and(|of| of.frame.is_none())
    }

    /// Whether a node is a class by whose statics a program reaches what `below` is or holds. The class of objects that `below` alone
    /// keeps, such as one of a class loader, is not.
    fn is_class_above(&self, node: usize, below: usize) -> bool {
        self.manifest().runtime().is_class(self.type_name(node)) && !self.dominates(below, node)
    }

    /// Whether the dump says what running code and C hold, so that what nothing reaches is not reached.
    pub(super) fn is_whole(&self) -> bool {
        let manifest = self.manifest();
        manifest.source.format == "capture" && manifest.runtime().addresses_survive
    }

    /// Whether anything but a cycle that only holds itself leads to a node.
    pub(super) fn is_held(&self, node: usize) -> bool {
        with_index!(&*self.open.index, |index| index.distances().at(node)) != NO_DISTANCE
    }

    /// Takes the nodes that no other node dominates, ascending. This reads arrays in order; to follow the dominator tree from
    /// the super-root takes many times as long.
    pub(super) fn each_undominated(&self, mut take: impl FnMut(usize)) {
        let n_nodes = self.n_nodes();
        with_index!(&*self.open.index, |index| {
            let nodes = index.idoms().iter().enumerate();
            nodes.filter(|(_, idom)| idom.index() == n_nodes).for_each(|(node, _)| take(node));
        });
    }

    /// The roots of some kinds that no other node dominates, ascending, each with its kind.
    pub(super) fn undominated_roots(&self, is_meant: impl Fn(&str) -> bool) -> Vec<(usize, &str)> {
        let n_nodes = self.n_nodes();
        with_index!(&*self.open.index, |index| {
            let roots = index.roots().iter().enumerate().map(|(i, root)| (root.index(), index.root_kind(i)));
            roots.filter(|(root, kind)| is_meant(kind) && index.idoms()[*root].index() == n_nodes).collect()
        })
    }

    /// The roots of some kinds, ascending.
    pub(super) fn roots_with(&self, is_meant: impl Fn(&str) -> bool) -> Vec<usize> {
        with_index!(&*self.open.index, |index| {
            let roots = index.roots().iter().enumerate();
            roots.filter(|(i, _)| is_meant(index.root_kind(*i))).map(|(_, root)| root.index()).collect()
        })
    }

    /// The nodes of some types, ascending.
    pub(super) fn nodes_of(&self, is_meant: impl Fn(&str) -> bool) -> Vec<usize> {
        let types = &self.open.manifest.types;
        let meant: Vec<bool> = types.iter().map(|stat| is_meant(&stat.name)).collect();
        if !meant.contains(&true) {
            return Vec::new();
        }
        with_index!(&*self.open.index, |index| {
            let types = index.types().iter().enumerate();
            let is_it = |rank: u32| meant.get(rank as usize) == Some(&true);
            types.filter(|(node, rank)| is_it(*rank) && index.is_there(*node)).map(|(node, _)| node).collect()
        })
    }

    /// What a node refers to without keeping it alive.
    pub(super) fn weak_refs(&self, node: usize) -> Vec<usize> {
        fn of<I: Id>(graph: heaplake_graph::Graph<'_, I>, node: usize) -> Vec<usize> {
            let edges = graph.forward.range(node).filter(|edge| graph.skip.contains(*edge));
            edges
                .map(|edge| graph.forward.target(edge))
                .filter(|end| *end != I::NONE)
                .map(Id::index)
                .collect()
        }
        with_index!(&*self.open.index, |index| of(index.graph(), node))
    }

    /// The dominated children of a node.
    pub(super) fn dominated(&self, node: usize) -> Vec<usize> {
        with_index!(&*self.open.index, |index| index.dominated_by(node).collect())
    }

    /// The nodes that a node retains, itself first; at most `max`.
    pub(super) fn subtree(&self, node: usize, max: usize) -> Vec<usize> {
        with_index!(&*self.open.index, |index| {
            let (start, count) = (index.positions()[node].index(), index.retained_counts().at(node).index());
            let end = start.saturating_add(count.min(max)).min(index.preorder().len());
            index.preorder().get(start..end).unwrap_or_default().iter().map(|node| node.index()).collect()
        })
    }

    /// Whether a node dominates another, or is it.
    pub(super) fn dominates(&self, node: usize, other: usize) -> bool {
        with_index!(&*self.open.index, |index| {
            let (start, count) = (index.positions()[node].index(), index.retained_counts().at(node).index());
            let at = index.positions()[other].index();
            start <= at && at < start.saturating_add(count)
        })
    }

    /// The references of a node that keep something alive: position of the edge, and the child.
    pub(super) fn refs(&self, node: usize) -> Vec<(usize, usize)> {
        fn of<I: Id>(graph: heaplake_graph::Graph<'_, I>, node: usize) -> Vec<(usize, usize)> {
            let edges = graph.forward.range(node).filter(|edge| !graph.skip.contains(*edge));
            let ends = edges.map(|edge| (edge, graph.forward.target(edge)));
            ends.filter(|(_, child)| *child != I::NONE).map(|(edge, child)| (edge, child.index())).collect()
        }
        with_index!(&*self.open.index, |index| of(index.graph(), node))
    }

    /// The first edge from one node to another.
    pub(super) fn edge(&self, parent: usize, child: usize) -> Option<usize> {
        fn of<I: Id>(graph: heaplake_graph::Graph<'_, I>, parent: usize, child: usize) -> Option<usize> {
            let mut edges = graph.forward.range(parent).filter(|edge| !graph.skip.contains(*edge));
            edges.find(|edge| graph.forward.target(*edge) == I::new(child))
        }
        with_index!(&*self.open.index, |index| of(index.graph(), parent, child))
    }

    /// Whether a node is a table or node of a collection that refers to it.
    pub(super) fn is_part_of(&self, node: usize, owner: usize) -> bool {
        let rule = self.parts.get(self.type_rank(node) as usize).copied().flatten();
        rule.is_some_and(|rule| rule.are_in(self.type_name(owner)))
    }

    /// Whether a node is a table or node of a collection that holds it.
    pub(super) fn is_part(&self, node: usize) -> bool {
        !self.parts.is_empty() && self.idom(node).is_some_and(|owner| self.is_part_of(node, owner))
    }

    /// The collection that a node is a part of, or the node itself.
    pub(super) fn collection_of(&self, node: usize) -> usize {
        self.collection_known(node, &mut HashMap::new())
    }

    /// The same for many nodes: `known` has the collections of parts that were passed, so that no long list is walked twice.
    pub(super) fn collection_known(&self, node: usize, known: &mut HashMap<usize, usize>) -> usize {
        let mut passed = Vec::new();
        let mut at = node;
        while self.is_part(at) {
            if let Some(collection) = known.get(&at) {
                at = *collection;
                break;
            }
            passed.push(at);
            let Some(above) = self.idom(at) else { break };
            at = above;
        }
        known.extend(passed.into_iter().map(|part| (part, at)));
        at
    }

    /// Whether a node is a collection that has tables or nodes of its own.
    pub(super) fn has_parts(&self, node: usize) -> bool {
        !self.parts.is_empty() && self.refs(node).into_iter().any(|(_, kid)| self.is_part_of(kid, node))
    }

    /// What a node has: what it refers to, once for each reference; of a collection what it contains, each object once,
    /// whatever tables and nodes lie between.
    pub(super) fn content(&self, node: usize) -> Vec<usize> {
        let direct: Vec<usize> = self.refs(node).into_iter().map(|(_, kid)| kid).collect();
        if self.parts.is_empty() || !direct.iter().any(|kid| self.is_part_of(*kid, node)) {
            return direct;
        }
        self.parts_and_content(node).1
    }

    /// The tables and nodes of a collection, itself first, and what it contains, each object once.
    pub(super) fn parts_and_content(&self, node: usize) -> (Vec<usize>, Vec<usize>) {
        let mut few = HashSet::from([node]);
        let mut many: Option<BitSet> = None;
        let (mut parts, mut content) = (vec![node], Vec::new());
        let mut at = 0;
        while let Some(&part) = parts.get(at) {
            at += 1;
            for (_, kid) in self.refs(part) {
                let is_new = match &mut many {
                    Some(seen) => seen.set(kid),
                    None => few.insert(kid),
                };
                if !is_new {
                    continue;
                }
                if many.is_none() && few.len() > MANY_SEEN {
                    many = Some(BitSet::of(self.n_nodes(), few.drain()));
                }
                if self.is_part_of(kid, part) { parts.push(kid) } else { content.push(kid) }
            }
        }
        (parts, content)
    }

    /// Some of the nodes that keep a node alive.
    pub(super) fn parents(&self, node: usize) -> Vec<usize> {
        with_index!(&*self.open.index, |index| index.keepers(node).take(MAX_PARENTS).collect())
    }

    /// The same with the nearest to a root among many more of them first, and modules before these: the dictionary of a module has every
    /// function of it as a parent, and an owner all that refers back to it.
    fn nearest_parents(&self, node: usize) -> Vec<usize> {
        const MAX_LOOKED_AT: usize = 1 << 20;
        with_index!(&*self.open.index, |index| {
            let mut all: Vec<usize> = index.keepers(node).take(MAX_LOOKED_AT).collect();
            if all.len() > MAX_PARENTS {
                let place = |parent: &usize| {
                    (self.sort(*parent) != Sort::Module, index.distances().at(*parent), *parent)
                };
                all.select_nth_unstable_by_key(MAX_PARENTS, place);
                all.truncate(MAX_PARENTS);
                all.sort_unstable_by_key(place);
            }
            all
        })
    }

    /// Whether a node is the dictionary in which the interpreter keeps weak references to the subclasses of a class: at most the class
    /// refers to it.
    pub(super) fn is_table_of_subclasses(&self, node: usize) -> bool {
        const MAX_LOOKED_AT: usize = 64;
        let is_of_class = || self.parents(node).into_iter().all(|parent| self.sort(parent) == Sort::Code);
        if self.type_name(node) != "dict" || !is_of_class() {
            return false;
        }
        let kids: Vec<usize> = self.refs(node).into_iter().take(MAX_LOOKED_AT).map(|(_, kid)| kid).collect();
        let is_reference =
            |kid: &usize| matches!(short_type_name(self.type_name(*kid)), "ReferenceType" | "weakref");
        let (references, others): (Vec<usize>, Vec<usize>) = kids.into_iter().partition(is_reference);
        let targets: Vec<usize> =
            references.iter().flat_map(|reference| self.weak_refs(*reference)).collect();
        let n_classes = targets.iter().filter(|target| self.sort(**target) == Sort::Code).count();
        // Lines of meliae's do not say what weak references refer to.
        let is_of_classes = n_classes * 2 >= targets.len() && (n_classes > 0 || !self.is_whole());
        !references.is_empty() && others.iter().all(|kid| self.sort(*kid) == Sort::Scalar) && is_of_classes
    }

    /// A shortest way to a node from a module, a class or a thread, else from another root; the node itself comes last. What running
    /// functions refer to counts where nothing else does: it says less than what the program keeps.
    pub(super) fn way_to(&self, node: usize) -> Vec<usize> {
        let way = self.way_without_frames(node, true);
        if way.len() > 1 || self.is_root(node) { way } else { self.way_without_frames(node, false) }
    }

    fn way_without_frames(&self, node: usize, without_frames: bool) -> Vec<usize> {
        let mut next: HashMap<usize, usize> = HashMap::new();
        let mut seen: HashSet<usize> = HashSet::from([node]);
        let mut queue = VecDeque::from([node]);
        let mut root = None;
        let mut module = None;
        while let Some(at) = queue.pop_front() {
            if self.is_top(at, node) {
                module = Some(at);
                break;
            }
            if root.is_none() && self.is_root(at) {
                root = Some(at);
            }
            if seen.len() > MAX_VISITED {
                break;
            }
            for parent in self.nearest_parents(at) {
                let is_frame = without_frames && self.sort(parent) == Sort::Frame;
                if !is_frame && seen.insert(parent) {
                    next.insert(parent, at);
                    queue.push_back(parent);
                }
            }
        }
        let mut at = module.or(root).unwrap_or(node);
        let mut way = vec![at];
        while let Some(after) = next.get(&at) {
            at = *after;
            way.push(at);
        }
        way
    }

    /// The type that says most about a node: its own, or where that is one of the language, that of the first object of the
    /// program that it retains. Of a cycle any object may be the root, so that there a function says more than what it consists of.
    pub(super) fn telling_type(&self, node: usize) -> &str {
        self.open.type_name(self.telling_rank(node))
    }

    fn telling_rank(&self, node: usize) -> u32 {
        const MAX_LOOKED_AT: usize = 32;
        let own = self.type_rank(node);
        if self.sort_of_rank(own) == Sort::Program {
            return own;
        }
        with_index!(&*self.open.index, |index| {
            let (start, count) = (index.positions()[node].index(), index.retained_counts().at(node).index());
            let below = index.preorder().iter().skip(start).take(count.min(MAX_LOOKED_AT));
            let ranks: Vec<u32> = below.map(|node| index.types().at(node.index())).collect();
            let first = |sort: Sort| ranks.iter().copied().find(|rank| self.sort_of_rank(*rank) == sort);
            let is_cycle = index.root_kind_of(node).is_some_and(root_kind::is_cut_off);
            let function = || first(Sort::Function).filter(|_| is_cycle);
            first(Sort::Program).or_else(function).unwrap_or(own)
        })
    }

    /// How many roots of a kind and telling type no other node dominates, and the bytes that they retain.
    pub(super) fn undominated_like(&self, kind: &str, telling_type: &str) -> (i64, i64) {
        let by_kind = self.undominated.get_or_init(|| {
            let mut by_kind = UndominatedRoots::new();
            for (node, kind) in self.undominated_roots(|_| true) {
                if self.is_table_of_subclasses(node) {
                    continue;
                }
                if !by_kind.contains_key(kind) {
                    by_kind.insert(kind.to_owned(), HashMap::new());
                }
                if let Some(by_type) = by_kind.get_mut(kind) {
                    let (count, bytes) = by_type.entry(self.telling_rank(node)).or_default();
                    *count += 1;
                    *bytes = bytes.saturating_add(self.retained(node));
                }
            }
            by_kind
        });
        let Some(by_type) = by_kind.get(kind) else { return (0, 0) };
        let of_type = by_type.iter().filter(|(rank, _)| self.open.type_name(**rank) == telling_type);
        of_type.map(|(_, sums)| *sums).next().unwrap_or((0, 0))
    }

    /// The dominators of a node from the top down, itself last; at most the lowest 48.
    pub(super) fn dominators(&self, node: usize) -> Vec<usize> {
        let mut above: Vec<usize> = std::iter::successors(Some(node), |at| self.idom(*at)).take(48).collect();
        above.reverse();
        above
    }

    /// Reads what the tables say of objects and references that `facts` does not have yet.
    pub(super) fn load(&self, facts: &mut Facts, nodes: &[usize], edges: &[usize]) -> Result<()> {
        let mut nodes: Vec<usize> =
            nodes.iter().copied().filter(|node| !facts.objects.contains_key(node)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        if !nodes.is_empty() {
            let rows = self.open.obj_rows(&nodes);
            let columns = ["name", "value"];
            let batch = self.lake.rows_at(self.manifest(), Table::Obj, &columns, &rows)?;
            let (names, values) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            for (i, node) in nodes.iter().enumerate() {
                let text = |texts: &datafusion::arrow::array::StringArray| {
                    texts.is_valid(i).then(|| texts.value(i).to_owned())
                };
                facts.objects.insert(*node, ObjectFacts { name: text(names), value: text(values) });
            }
        }
        let mut edges: Vec<usize> =
            edges.iter().copied().filter(|edge| !facts.labels.contains_key(edge)).collect();
        edges.sort_unstable();
        edges.dedup();
        if !edges.is_empty() {
            let rows: Vec<u64> = edges.iter().map(|edge| *edge as u64).collect();
            let batch = self.lake.rows_at(self.manifest(), Table::Edge, &["label", "kind"], &rows)?;
            let (labels, kinds) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            for (i, edge) in edges.iter().enumerate() {
                let label = if labels.is_valid(i) { labels.value(i) } else { "" };
                facts.labels.insert(*edge, label.to_owned());
                if kinds.value(i) == EdgeKind::Soft.name() {
                    facts.soft.insert(*edge);
                }
            }
        }
        Ok(())
    }

    /// By node, how many references to it no object explains; nodes for which this is not known are missing.
    pub(super) fn external(&self, nodes: &[usize]) -> Result<HashMap<usize, i64>> {
        self.numbers("external", nodes)
    }

    /// How many items or characters nodes have, by node; where the dump does not say they are missing.
    pub(super) fn lengths(&self, nodes: &[usize]) -> Result<HashMap<usize, i64>> {
        self.numbers("len", nodes)
    }

    /// A column of numbers of `obj`, by node; nodes that have none are missing.
    fn numbers(&self, column: &str, nodes: &[usize]) -> Result<HashMap<usize, i64>> {
        if nodes.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.open.obj_rows(nodes);
        let batch = self.lake.rows_at(self.manifest(), Table::Obj, &[column], &rows)?;
        let counts = batch.column(0).as_primitive::<Int64Type>();
        Ok(nodes.iter().copied().zip(counts).filter_map(|(node, count)| Some((node, count?))).collect())
    }

    /// What the program calls some nodes, as in summaries by holder, by node.
    pub(super) fn names_of(&self, mut nodes: Vec<usize>) -> Result<HashMap<usize, String>> {
        nodes.sort_unstable();
        nodes.dedup();
        let labels = self.open.labels(&self.lake)?;
        let of = (&self.lake, &*self.open.manifest);
        let names = with_index!(&*self.open.index, |index| index.program_names(of, &labels, &nodes))?;
        Ok(nodes.into_iter().zip(names).filter_map(|(node, name)| Some((node, name?))).collect())
    }

    /// The names of all objects that have one, by node.
    pub(super) fn each_name(&self, take: impl FnMut(usize, &str)) -> Result<()> {
        fn each<I: Id>(heap: &Heap, index: &GraphIndex<I>, mut take: impl FnMut(usize, &str)) -> Result<()> {
            let nodes = index.nodes_by_row(heap.open.manifest.types.len());
            let mut row = 0;
            heap.lake.each_batch(heap.manifest(), Table::Obj, &["name"], |batch| {
                let names = batch.column(0).as_string::<i32>();
                for i in (0..batch.num_rows()).filter(|i| names.is_valid(*i)) {
                    if let Some(node) = nodes.get(row + i).filter(|node| **node != I::NONE) {
                        take(node.index(), names.value(i));
                    }
                }
                row += batch.num_rows();
                Ok(())
            })?;
            Ok(())
        }
        with_index!(&*self.open.index, |index| each(self, index, take))
    }

    /// The labels of all references that have one, by position.
    pub(super) fn each_label(&self, mut take: impl FnMut(usize, &str)) -> Result<()> {
        let mut row = 0;
        self.lake.each_batch(self.manifest(), Table::Edge, &["label"], |batch| {
            let labels = batch.column(0).as_string::<i32>();
            if labels.null_count() < labels.len() {
                (0..labels.len())
                    .filter(|i| labels.is_valid(*i))
                    .for_each(|i| take(row + i, labels.value(i)));
            }
            row += batch.num_rows();
            Ok(())
        })?;
        Ok(())
    }
}

impl Facts {
    pub(super) fn name(&self, node: usize) -> Option<&str> {
        self.objects.get(&node)?.name.as_deref()
    }

    pub(super) fn value(&self, node: usize) -> Option<&str> {
        self.objects.get(&node)?.value.as_deref()
    }

    /// Whether an edge that was loaded is soft.
    pub(super) fn is_soft(&self, edge: usize) -> bool {
        self.soft.contains(&edge)
    }

    /// The label of an edge that was loaded.
    pub(super) fn label(&self, edge: usize) -> Option<&str> {
        self.labels.get(&edge).map(String::as_str).filter(|label| !label.is_empty())
    }
}

fn bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
