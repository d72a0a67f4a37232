//! What the program itself calls objects: attributes, globals and local variables, as the labels of references say it.
//!
//! An object that its immediate dominator refers to has the name that this one has for it. Where no single object holds it,
//! several refer to it, and the best [`Way`] says what it is called: with its owner, because the path above does not say whose
//! it is. Addresses play no part in the choice, so that the name is the same in every process.

use std::{cmp::Ordering, collections::HashMap, sync::atomic::AtomicBool};

use heaplake_graph::{BitSet, Graph, Id};
use heaplake_model::{LabelSays, Nature, Runtime, TypeRole, short_type_name};

use super::{EdgeSource, GraphIndex, NodeNames};
use crate::Result;

/// The maximum number of items of a global dictionary whose keys are names of the program, as those of a registry or of settings
/// are; keys of larger ones are data.
const MAX_NAMED_KEYS: usize = 16;

/// By node, the position of its name in `names` plus 1, or 0: the label of the first reference by which its immediate
/// dominator refers to it, if that is a name of the program; of an object that its immediate dominator does not refer to, the
/// best way to it. `namespaces` are the edges that lead to a namespace.
///
/// A key of a dictionary is such a name if the dictionary is a namespace, that of an object, a class or a module, or a small
/// global. The functions of a module refer to its dictionary, too, so that the module is often not what holds it: then the
/// dictionary gets the module's name.
pub(super) fn labels<I: Id>(
    index: &GraphIndex<I>,
    runtime: &Runtime,
    type_names: &[&str],
    (edges, namespaces): (&impl EdgeSource, &BitSet),
    names: &mut NodeNames,
    cancel: &AtomicBool,
) -> Result<Vec<u32>> {
    let (graph, types, idoms) = (index.graph(), index.types(), index.idoms());
    let uses: Vec<LabelUse> = type_names.iter().map(|name| LabelUse::of(runtime, name)).collect();
    let has_names: Vec<bool> = type_names.iter().map(|name| has_names(runtime, name)).collect();
    let use_of = |node: usize| uses.get(types.at(node) as usize).copied().unwrap_or(LabelUse::Nothing);
    let mut found = vec![0; index.n_nodes()];
    let mut owners = Owners::new(index.n_nodes(), namespaces);
    let mut parents = EdgeParents::new(index);
    for edge in namespaces.iter() {
        let Some((parent, child)) = parents.ends(edge) else { continue };
        let is_module = use_of(parent) == LabelUse::Globals;
        if is_module && found[child] == 0 && idoms[child].index() != parent {
            found[child] = names.of(parent).map_or(0, |position| position + 1);
        }
        owners.add(child, parent, |owner: I| {
            let owner = owner.index();
            let name = names.of(owner).map(|name| names.text(name));
            (use_of(owner) != LabelUse::Globals, name.is_none(), name, types.at(owner))
        });
    }
    owners.find_tables(graph, use_of);
    let mut is_unnamed = BitSet::new(index.n_nodes());
    (0..index.n_nodes())
        .filter(|node| has_names.get(types.at(*node) as usize) == Some(&true))
        .for_each(|node| is_unnamed.insert(node));
    names.nodes().for_each(|node| is_unnamed.remove(node));

    let mut ways: HashMap<usize, WayIds> = HashMap::new();
    let mut parents = EdgeParents::new(index);
    edges.for_each_label(cancel, |edge, label| {
        let Some((parent, child)) = parents.ends(edge) else { return };
        if found[child] != 0 {
            return;
        }
        if idoms[child].index() == parent {
            let name = label().and_then(|label| name_in(runtime, label, || owners.has_keys(parent)));
            found[child] = name.and_then(|name| names.position(name)).map_or(0, |position| position + 1);
            return;
        }
        if !is_unnamed.contains(child) {
            return;
        }
        let owner = owners.of(parent).unwrap_or(parent);
        let name = names.of(owner);
        let is_main = || name.is_some_and(|name| runtime.is_main_module(names.text(name)));
        let is_table = owners.tables.contains(parent);
        let Some(rank) = WayRank::of(use_of(parent), use_of(owner), is_table, name.is_some(), is_main) else {
            return;
        };
        let best = ways.get(&child);
        if best.is_some_and(|best| best.rank < rank) || rank.is_link(types.at(owner) == types.at(child)) {
            return;
        }
        let text = label().and_then(|label| rank.name_in(runtime, label, || owners.has_keys(parent)));
        let Some(position) = text.and_then(|text| names.position(text)) else { return };
        let owner = match name {
            _ if rank == WayRank::Key => WayOwner::None,
            Some(name) => WayOwner::Named(name),
            None => WayOwner::OfType(types.at(owner)),
        };
        let way = WayIds { rank, owner, name: position };
        if best.is_none_or(|best| {
            *best != way && way.spelled(names, type_names) < best.spelled(names, type_names)
        }) {
            ways.insert(child, way);
        }
    })?;
    let is_held = |node: usize| graph.parents(node).any(|parent| idoms[node].index() == parent);
    let mut ways: Vec<(usize, WayIds)> =
        ways.into_iter().filter(|(node, _)| found[*node] == 0 && !is_held(*node)).collect();
    ways.sort_unstable_by_key(|(node, _)| *node);
    let mut positions: HashMap<WayIds, u32> = HashMap::new();
    for (node, way) in ways {
        found[node] = *positions.entry(way).or_insert_with(|| {
            let text = way.spelled(names, type_names).text();
            names.position(&text).map_or(0, |position| position + 1)
        });
    }
    Ok(found)
}

/// The name of the program that a label gives its child. `has_keys` says whether keys of the parent are such names.
pub(super) fn name_in<'l>(
    runtime: &Runtime,
    label: &'l str,
    has_keys: impl FnOnce() -> bool,
) -> Option<&'l str> {
    match runtime.label_says(label) {
        LabelSays::Name(name) => Some(name),
        LabelSays::Key(name) if has_keys() => Some(name),
        LabelSays::Key(_) | LabelSays::Namespace | LabelSays::Nothing => None,
    }
}

/// Whether objects of a type get the name of a way to them: all but texts and other plain values, which anyone may share.
pub(super) fn has_names(runtime: &Runtime, type_name: &str) -> bool {
    !matches!(runtime.nature(type_name), Nature::Value | Nature::Text)
}

/// What labels of the references of an object are, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelUse {
    /// Globals: it is a module.
    Globals,
    /// Keys: it is a table, that of a namespace or another one.
    Keys,
    /// Local variables, beside the fields of the runtime's own object.
    Variables,
    /// Attributes.
    Attributes,
    /// Nothing that says what the child is.
    Nothing,
}

impl LabelUse {
    pub(super) fn of(runtime: &Runtime, type_name: &str) -> Self {
        let has_role = |role| runtime.has_role(type_name, role);
        let is_plain = [TypeRole::Container, TypeRole::Text, TypeRole::Buffer, TypeRole::Number];
        match () {
            () if has_role(TypeRole::Module) => Self::Globals,
            () if has_role(TypeRole::Attributes) => Self::Keys,
            () if has_role(TypeRole::Internal) || has_role(TypeRole::Frame) => Self::Variables,
            () if is_plain.into_iter().any(has_role) => Self::Nothing,
            () => Self::Attributes,
        }
    }
}

/// How good a way to an object is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum WayRank {
    /// A global of a module.
    Global,
    /// A global of the module that is the program: others are where its imports come from.
    MainGlobal,
    /// An attribute of something with a name of its own, as a class.
    OfNamed,
    /// An attribute of an instance.
    OfInstance,
    /// A key of a small global table.
    Key,
    /// A local variable.
    Variable,
}

impl WayRank {
    /// The rank of the labels of an object; `None` where they say nothing. `of_owner` is what labels of the owner are, which is
    /// the object itself if it is not a namespace.
    pub(super) fn of(
        of_parent: LabelUse,
        of_owner: LabelUse,
        is_table: bool,
        is_named: bool,
        is_main: impl FnOnce() -> bool,
    ) -> Option<Self> {
        match (of_parent, of_owner) {
            (LabelUse::Nothing, _) => None,
            (LabelUse::Variables, _) => Some(Self::Variable),
            // A table that is not a namespace is its own owner.
            (LabelUse::Keys, LabelUse::Keys) => is_table.then_some(Self::Key),
            (_, LabelUse::Globals) if is_named && is_main() => Some(Self::MainGlobal),
            (_, LabelUse::Globals) if is_named => Some(Self::Global),
            _ if is_named => Some(Self::OfNamed),
            _ => Some(Self::OfInstance),
        }
    }

    /// Whether a way is a link between two objects, as in a list, if they are of one type: it does not say what the second is.
    pub(super) fn is_link(self, is_same_type: bool) -> bool {
        is_same_type && self != Self::Key
    }

    /// The name that a label gives its child.
    pub(super) fn name_in<'l>(
        self,
        runtime: &Runtime,
        label: &'l str,
        has_keys: impl FnOnce() -> bool,
    ) -> Option<&'l str> {
        // The label of a variable is its name and nothing else.
        name_in(runtime, label, has_keys).filter(|name| self != Self::Variable || *name == label)
    }
}

/// A way to an object: who refers to it, and by which name. The best is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way<'n> {
    pub(super) rank: WayRank,
    /// The name of the owner, or its type if it has none; nothing for a key.
    pub(super) owner: &'n str,
    pub(super) name: &'n str,
}

impl Way<'_> {
    /// How it is written: `shop.cache.SESSIONS`, `Server.queue`.
    pub(super) fn text(&self) -> String {
        if self.owner.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.owner, self.name) }
    }
}

/// A way by the positions of its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct WayIds {
    rank: WayRank,
    owner: WayOwner,
    name: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WayOwner {
    None,
    /// The position of its name.
    Named(u32),
    /// The position of its type.
    OfType(u32),
}

impl WayIds {
    fn spelled<'n>(&self, names: &'n NodeNames, type_names: &[&'n str]) -> Way<'n> {
        let owner = match self.owner {
            WayOwner::None => "",
            WayOwner::Named(name) => names.text(name),
            WayOwner::OfType(rank) => short_type_name(type_names.get(rank as usize).copied().unwrap_or("")),
        };
        Way { rank: self.rank, owner, name: names.text(self.name) }
    }
}

/// Whose namespaces there are, and which other tables have names for keys.
struct Owners<I> {
    /// By node, whose namespace it is; empty if there are none.
    of: Vec<I>,
    /// Small tables that are globals.
    tables: BitSet,
}

impl<I: Id> Owners<I> {
    fn new(n_nodes: usize, namespaces: &BitSet) -> Self {
        let of = if namespaces.count() == 0 { Vec::new() } else { vec![I::NONE; n_nodes] };
        Self { of, tables: BitSet::new(n_nodes) }
    }

    /// Adds an owner. Of several, as functions are beside their module, the least by `key` counts.
    fn add<K: Ord>(&mut self, namespace: usize, owner: usize, key: impl Fn(I) -> K) {
        let (known, owner) = (self.of[namespace], I::new(owner));
        let is_better = || key(owner).cmp(&key(known)) == Ordering::Less;
        if known == I::NONE || known != owner && is_better() {
            self.of[namespace] = owner;
        }
    }

    /// Finds the tables whose keys are names.
    fn find_tables(&mut self, graph: Graph<'_, I>, use_of: impl Fn(usize) -> LabelUse) {
        for namespace in 0..self.of.len() {
            if self.of(namespace).is_some_and(|owner| use_of(owner) == LabelUse::Globals) {
                graph
                    .children(namespace)
                    .filter(|child| use_of(*child) == LabelUse::Keys && is_small_table(graph, *child))
                    .filter(|child| self.of[*child] == I::NONE)
                    .for_each(|child| self.tables.insert(child));
            }
        }
    }

    /// Whose namespace a node is, if it is one.
    fn of(&self, node: usize) -> Option<usize> {
        self.of.get(node).filter(|owner| **owner != I::NONE).map(|owner| owner.index())
    }

    /// Whether the keys of a node are names of the program.
    fn has_keys(&self, node: usize) -> bool {
        self.of(node).is_some() || self.tables.contains(node)
    }
}

/// Whether a table is so small that its keys are names if it is a global.
pub(super) fn is_small_table<I: Id>(graph: Graph<'_, I>, node: usize) -> bool {
    // It refers to the key and to the value of each item.
    graph.forward.range(node).len() <= 2 * MAX_NAMED_KEYS
}

/// Finds the ends of edges that come in order.
pub(super) struct EdgeParents<'i, I> {
    graph: Graph<'i, I>,
    parent: usize,
}

impl<'i, I: Id> EdgeParents<'i, I> {
    pub(super) fn new(index: &'i GraphIndex<I>) -> Self {
        Self { graph: index.graph(), parent: 0 }
    }

    /// Parent and child of an edge, which is not before the last one; `None` if it keeps nothing alive or leads nowhere.
    pub(super) fn ends(&mut self, edge: usize) -> Option<(usize, usize)> {
        let graph = self.graph;
        if edge >= graph.forward.n_edges() || graph.skip.contains(edge) {
            return None;
        }
        while graph.forward.range(self.parent).end <= edge {
            self.parent += 1;
        }
        let child = graph.forward.target(edge);
        (child != I::NONE).then(|| (self.parent, child.index()))
    }
}
