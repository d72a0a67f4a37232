//! The modules of a dump: which module each object belongs to, see [`heaplake_graph::attributions`].
//!
//! What is known: a module; its namespace; and what refers to that namespace as its own, a function for example. A type that
//! names its module (`shop.cart.Item`) says of its objects where they are from, unless it is one of the runtime's containers.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use heaplake_graph::{Attributed, AttributionRule, BitSet, Cancelled, Id, NO_GROUP, attributions};
use heaplake_model::{Runtime, TypeRole};

use super::{GraphIndex, NodeNames, bytes, labels::EdgeParents};
use crate::ModuleStat;

/// What no module holds.
pub(crate) const NO_MODULE: &str = "(no module)";
/// The modules that are too many to be listed.
const OTHERS: &str = "...";
/// Maximum number of modules that are kept of a dump.
const MAX_KEPT: usize = 1 << 13;

/// The totals per module, the largest first.
pub(super) fn module_stats<I: Id>(
    index: &GraphIndex<I>,
    runtime: &Runtime,
    type_names: &[&str],
    (names, namespaces): (&NodeNames, &BitSet),
    cancel: &AtomicBool,
) -> Result<Vec<ModuleStat>, Cancelled> {
    let groups = Groups::new(index, runtime, type_names, names, namespaces);
    let (of, rules) = attributions(
        Attributed {
            graph: index.graph(),
            preorder: index.preorder(),
            counts: index.retained_counts(),
            distances: index.distances(),
            known: &groups.known,
            kinds: index.types(),
            group_of_kind: &groups.of_type,
        },
        cancel,
    )?;
    let mut sums = vec![ModuleSums::default(); groups.names.len() + 1];
    let (sizes, counts, retained) = (index.sizes(), index.retained_counts(), index.retained());
    let of_module = |node: usize| match of[node] {
        NO_GROUP => groups.names.len(),
        group => group as usize,
    };
    // What every object has a share in goes by address, as it is in memory; the preorder jumps.
    for node in (0..index.n_nodes()).filter(|node| index.is_there(*node)) {
        let sums = &mut sums[of_module(node)];
        sums.count += 1;
        sums.size = sums.size.saturating_add(sizes.at(node));
        let by_rule = &mut sums.by_rule[rules[node] as usize];
        *by_rule = by_rule.saturating_add(sizes.at(node));
    }
    for (position, node) in index.preorder().iter().enumerate() {
        let node = node.index();
        let sums = &mut sums[of_module(node)];
        if position >= sums.held_until {
            sums.held_until = position.saturating_add(counts.at(node).index());
            sums.retained = sums.retained.saturating_add(retained.at(node));
            sums.retained_count += counts.at(node).index() as u64;
        }
    }
    let names = groups.names.iter().map(String::as_str).chain([NO_MODULE]);
    let mut all: Vec<(&str, ModuleSums)> = names.zip(sums).filter(|(_, sums)| sums.count > 0).collect();
    all.sort_by_key(|(name, sums)| (Reverse(sums.size), *name));
    if all.len() > MAX_KEPT {
        let mut rest = ModuleSums::default();
        all.drain(MAX_KEPT - 1..).for_each(|(_, sums)| rest.add(&sums));
        all.push((OTHERS, rest));
    }
    Ok(all.into_iter().map(|(name, sums)| sums.stat(name)).collect())
}

/// The modules by their names, and which nodes and types are known to be of which.
struct Groups {
    /// Ascending.
    names: Vec<String>,
    known: Vec<u32>,
    of_type: Vec<u32>,
}

impl Groups {
    fn new<I: Id>(
        index: &GraphIndex<I>,
        runtime: &Runtime,
        type_names: &[&str],
        names: &NodeNames,
        namespaces: &BitSet,
    ) -> Self {
        let has_role = |name: &str, role| runtime.has_role(name, role);
        let is_module: Vec<bool> = type_names.iter().map(|name| has_role(name, TypeRole::Module)).collect();
        let is_attributes: Vec<bool> =
            type_names.iter().map(|name| has_role(name, TypeRole::Attributes)).collect();
        let types = index.types();
        let mut modules: Vec<(usize, &str)> = Vec::new();
        for node in names.nodes().filter(|node| is_module[types.at(*node) as usize] && index.is_there(*node))
        {
            modules.extend(names.of(node).map(|name| (node, names.text(name))));
        }
        // The longest beginning of a type's name that is a module's name; a type of a function has `<locals>` in it.
        let known_names: BTreeSet<&str> = modules.iter().map(|(_, name)| *name).collect();
        let of_type: Vec<Option<&str>> = type_names
            .iter()
            .map(|name| {
                let is_runtime = TypeRole::ALL.into_iter().any(|role| has_role(name, role));
                let name = name.split(".<locals>").next().filter(|_| !is_runtime)?;
                let dots: Vec<usize> =
                    name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0).collect();
                let beginnings = dots.iter().rev().map(|at| &name[..*at]);
                let mut beginnings = beginnings.peekable();
                let longest = beginnings.peek().copied();
                beginnings.find(|beginning| known_names.contains(beginning)).or(longest)
            })
            .collect();
        let all: BTreeSet<&str> =
            known_names.iter().copied().chain(of_type.iter().copied().flatten()).collect();
        let positions: BTreeMap<&str, u32> = all.into_iter().zip(0..).collect();
        let mut known = vec![NO_GROUP; index.n_nodes()];
        modules.iter().for_each(|(node, name)| known[*node] = positions[name]);
        let graph = index.graph();
        let mut own_namespace = BitSet::new(index.n_nodes());
        if namespaces.count() == 0 {
            // Without labels: the first table of attributes that a module refers to.
            for (module, _) in &modules {
                let table = graph.children(*module).find(|child| is_attributes[types.at(*child) as usize]);
                if let Some(table) = table {
                    known[table] = known[*module];
                }
            }
        } else {
            let mut parents = EdgeParents::new(index);
            for edge in namespaces.iter() {
                let Some((parent, child)) = parents.ends(edge) else { continue };
                if is_module[types.at(parent) as usize] && known[parent] != NO_GROUP {
                    known[child] = known[parent];
                    own_namespace.insert(child);
                }
            }
            let mut parents = EdgeParents::new(index);
            for edge in namespaces.iter() {
                let Some((parent, child)) = parents.ends(edge) else { continue };
                if known[parent] == NO_GROUP && own_namespace.contains(child) {
                    known[parent] = known[child];
                }
            }
        }
        let of_type = of_type.iter().map(|name| name.map_or(NO_GROUP, |name| positions[name])).collect();
        let names = positions.into_keys().map(str::to_owned).collect();
        Self { names, known, of_type }
    }
}

/// Sums over the objects of a module.
#[derive(Debug, Clone, Default)]
struct ModuleSums {
    count: u64,
    size: u64,
    /// Bytes by [`AttributionRule`].
    by_rule: [u64; 3],
    retained: u64,
    retained_count: u64,
    /// The position of the preorder where the subtree of its last outermost object ends.
    held_until: usize,
}

impl ModuleSums {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.size = self.size.saturating_add(other.size);
        self.by_rule.iter_mut().zip(other.by_rule).for_each(|(sum, bytes)| *sum = sum.saturating_add(bytes));
        self.retained = self.retained.saturating_add(other.retained);
        self.retained_count += other.retained_count;
    }

    fn stat(&self, name: &str) -> ModuleStat {
        let by = |rule: AttributionRule| bytes(self.by_rule[rule as usize]);
        ModuleStat {
            module: name.to_owned(),
            count: self.count,
            size: bytes(self.size),
            dominated_size: by(AttributionRule::Dominator),
            typed_size: by(AttributionRule::Kind),
            path_size: by(AttributionRule::Paths),
            retained: bytes(self.retained),
            retained_count: self.retained_count,
        }
    }
}
