//! Labels, fields and names of some objects: what [`super::labels`] finds for all objects while a dump is imported, for a few
//! when they are asked for.
//!
//! The index knows which reference leads from an object to another, and the position of a reference is its row in `edge`, so
//! that only the labels of these rows are read.

use std::{collections::HashMap, ops::Range};

use arrow::array::AsArray as _;
use heaplake_graph::Id;
use heaplake_model::{LabelSays, Runtime, schema::Table, short_type_name};

use super::{
    EdgeLabels, GraphIndex, NodeNames,
    labels::{LabelUse, Way, WayRank, has_names, is_small_table, name_in},
};
use crate::{Dump, Lake, Result};

impl<I: Id> GraphIndex<I> {
    /// The positions of the references from a parent to a child, for each pair of nodes. A layer does not have those that it
    /// removed.
    fn edges_between(&self, pairs: &[(usize, usize)]) -> Vec<Vec<usize>> {
        let forward = self.graph().forward;
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_unstable_by_key(|i| pairs[*i]);
        let mut found = vec![Vec::new(); pairs.len()];
        // All pairs of a parent together: it may have many references.
        for of_parent in order.chunk_by(|a, b| pairs[*a].0 == pairs[*b].0) {
            for edge in forward.range(pairs[of_parent[0]].0) {
                let target = forward.target(edge);
                if target == I::NONE {
                    continue;
                }
                let first = of_parent.partition_point(|i| pairs[*i].1 < target.index());
                let same = of_parent[first..].iter().take_while(|i| pairs[**i].1 == target.index());
                same.for_each(|i| found[*i].push(edge));
            }
        }
        found
    }

    /// For each pair of a parent and a child, the label of the first reference that has one; `None` where none has.
    pub fn labels_between(
        &self,
        labels: &EdgeLabels,
        pairs: &[(usize, usize)],
    ) -> Result<Vec<Option<String>>> {
        let edges = self.edges_between(pairs);
        let labels = at(labels, edges.iter().flatten().copied())?;
        let first = |edges: &Vec<usize>| edges.iter().find_map(|edge| labels.get(edge).cloned());
        Ok(edges.iter().map(first).collect())
    }

    /// For each node, the node that its field of this name refers to: a reference with the label of the field, or an entry
    /// of its namespace. `None` where it has no such field, and where the field refers to nothing that was dumped.
    pub fn fields(
        &self,
        labels: &EdgeLabels,
        runtime: &Runtime,
        nodes: &[usize],
        field: &str,
    ) -> Result<Vec<Option<usize>>> {
        let Some(field) = runtime.field_labels(field) else { return Ok(vec![None; nodes.len()]) };
        let forward = self.graph().forward;
        let child = |edge: usize| forward.target(edge);
        // By parent: what a reference with one of two labels leads to.
        let find = |parents: &[usize], wanted: &str, other: &str| -> Result<HashMap<usize, [Option<I>; 2]>> {
            let mut parents = parents.to_vec();
            parents.sort_unstable();
            parents.dedup();
            let ranges: Vec<Range<usize>> = parents.iter().map(|parent| forward.range(*parent)).collect();
            let mut found: HashMap<usize, [Option<I>; 2]> = HashMap::new();
            let mut at = 0;
            labels.for_each_in(&ranges, |edge, label| {
                let which = match label {
                    label if label == wanted => 0,
                    label if label == other => 1,
                    _ => return,
                };
                while ranges[at].end <= edge {
                    at += 1;
                }
                if child(edge) != I::NONE {
                    found.entry(parents[at]).or_default()[which].get_or_insert(child(edge));
                }
            })?;
            Ok(found)
        };
        let own = find(nodes, &field.own, field.namespace)?;
        let namespaces: Vec<usize> = own
            .values()
            .filter(|found| found[0].is_none())
            .filter_map(|found| Some(found[1]?.index()))
            .collect();
        let entries = match namespaces.is_empty() {
            true => HashMap::new(),
            false => find(&namespaces, &field.key, &field.key)?,
        };
        let value = |node: &usize| {
            let found = own.get(node)?;
            found[0].or_else(|| entries.get(&found[1]?.index())?[0]).map(|value| value.index())
        };
        Ok(nodes.iter().map(value).collect())
    }

    /// For each node, what the program calls it: the rule is that of [`super::labels::labels`].
    pub fn program_names(
        &self,
        (lake, dump): (&Lake, &Dump),
        labels: &EdgeLabels,
        nodes: &[usize],
    ) -> Result<Vec<Option<String>>> {
        let (graph, runtime) = (self.graph(), dump.runtime());
        let rank_of = |node: usize| self.types().at(node) as usize;
        let type_of = |node: usize| dump.types.get(rank_of(node)).map_or("", |stat| stat.name.as_str());
        let use_of = |node: usize| LabelUse::of(runtime, type_of(node));
        let is_table = |node: &usize| use_of(*node) == LabelUse::Keys;
        let parents_of = |node: usize| {
            let mut parents: Vec<usize> = graph.parents(node).collect();
            parents.dedup();
            parents
        };
        // Who may have a name for a node: its immediate dominator, or else all that refer to it.
        let givers = |node: usize| {
            let parents = parents_of(node);
            let holder = self.idoms()[node].index();
            match parents.contains(&holder) {
                true => (true, vec![holder]),
                false if !has_names(runtime, type_of(node)) => (false, Vec::new()),
                false => {
                    let says = |parent: &usize| use_of(*parent) != LabelUse::Nothing;
                    (false, parents.into_iter().filter(says).collect())
                }
            }
        };
        let givers: Vec<(bool, Vec<usize>)> = nodes.iter().map(|node| givers(*node)).collect();
        // Tables whose owners have to be known, and those that refer to small ones.
        let mut tables: Vec<usize> =
            givers.iter().flat_map(|(_, givers)| givers).copied().filter(is_table).collect();
        let small = tables.iter().filter(|table| is_small_table(graph, **table));
        let outer: Vec<usize> = small.flat_map(|table| graph.parents(*table)).filter(is_table).collect();
        tables.extend(outer);
        tables.sort_unstable();
        tables.dedup();
        let modules_of = |node: &usize| {
            let parents = if is_table(node) { parents_of(*node) } else { Vec::new() };
            parents.into_iter().filter(|parent| use_of(*parent) == LabelUse::Globals)
        };
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (node, (_, givers)) in nodes.iter().zip(&givers) {
            pairs.extend(givers.iter().copied().chain(modules_of(node)).map(|parent| (parent, *node)));
        }
        for table in &tables {
            pairs.extend(parents_of(*table).into_iter().map(|parent| (parent, *table)));
        }
        pairs.sort_unstable();
        pairs.dedup();
        let edges = self.edges_between(&pairs);
        let labels = at(labels, edges.iter().flatten().copied().filter(|edge| !graph.skip.contains(*edge)))?;
        let labels_of = |pair: (usize, usize)| {
            let edges = pairs.binary_search(&pair).map_or(&[][..], |i| edges[i].as_slice());
            edges.iter().filter_map(|edge| labels.get(edge).map(String::as_str))
        };
        let leads_to_namespace =
            |pair| labels_of(pair).any(|label| runtime.label_says(label) == LabelSays::Namespace);
        let owners: Vec<Vec<usize>> = tables
            .iter()
            .map(|table| {
                let is_owner = |parent: &usize| leads_to_namespace((*parent, *table));
                parents_of(*table).into_iter().filter(is_owner).collect()
            })
            .collect();

        let mut named: Vec<usize> = owners.iter().flatten().copied().collect();
        named.extend(nodes.iter().flat_map(modules_of));
        for (node, (is_held, givers)) in nodes.iter().zip(&givers) {
            if !is_held && !givers.is_empty() {
                named.push(*node);
                named.extend(givers.iter().filter(|giver| !is_table(giver)));
            }
        }
        let names = self.own_names(lake, dump, named)?;
        let name_of = |node: usize| names.get(&node).map(String::as_str);
        let owner_of = |table: usize| {
            let owners = &owners[tables.binary_search(&table).ok()?];
            owners.iter().copied().min_by_key(|owner| {
                let name = name_of(*owner);
                (use_of(*owner) != LabelUse::Globals, name.is_none(), name, rank_of(*owner))
            })
        };
        let is_of_module =
            |table: usize| owner_of(table).is_some_and(|owner| use_of(owner) == LabelUse::Globals);
        let is_small_global = |table: usize| {
            is_table(&table) && is_small_table(graph, table) && graph.parents(table).any(is_of_module)
        };
        let has_keys = |table: usize| owner_of(table).is_some() || is_small_global(table);

        let mut found = Vec::with_capacity(nodes.len());
        for (node, (is_held, givers)) in nodes.iter().zip(&givers) {
            let of_module = modules_of(node)
                .find(|module| !(*is_held && givers[0] == *module) && leads_to_namespace((*module, *node)));
            if let Some(name) = of_module.and_then(name_of) {
                found.push(Some(name.to_owned()));
                continue;
            }
            if *is_held {
                let name = givers.iter().find_map(|holder| {
                    let mut labels = labels_of((*holder, *node));
                    labels.find_map(|label| name_in(runtime, label, || has_keys(*holder)))
                });
                found.push(name.map(str::to_owned));
                continue;
            }
            let ways = givers.iter().filter(|_| name_of(*node).is_none()).flat_map(|parent| {
                let owner = owner_of(*parent).unwrap_or(*parent);
                let name = name_of(owner);
                let is_main = || name.is_some_and(|name| runtime.is_main_module(name));
                let is_table = owner == *parent && is_small_global(*parent);
                let rank = WayRank::of(use_of(*parent), use_of(owner), is_table, name.is_some(), is_main);
                let rank = rank.filter(|rank| !rank.is_link(rank_of(owner) == rank_of(*node)));
                let owner = match rank {
                    Some(WayRank::Key) => "",
                    _ => name.unwrap_or(short_type_name(type_of(owner))),
                };
                let labels = labels_of((*parent, *node));
                labels.filter_map(move |label| {
                    let name = rank?.name_in(runtime, label, || has_keys(*parent))?;
                    Some(Way { rank: rank?, owner, name })
                })
            });
            found.push(ways.min().map(|way| NodeNames::clipped(&way.text()).into_owned()));
        }
        Ok(found)
    }

    /// The names that some nodes have themselves, as they are kept.
    fn own_names(&self, lake: &Lake, dump: &Dump, mut nodes: Vec<usize>) -> Result<HashMap<usize, String>> {
        nodes.sort_unstable();
        nodes.dedup();
        let rows = self.obj_rows(dump.types.len(), &nodes);
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let batch = lake.rows_at(dump, Table::Obj, &["name"], &rows)?;
        let names = nodes.into_iter().zip(batch.column(0).as_string::<i32>());
        Ok(names.filter_map(|(node, name)| Some((node, NodeNames::clipped(name?).into_owned()))).collect())
    }
}

/// The labels at some positions.
fn at(labels: &EdgeLabels, edges: impl Iterator<Item = usize>) -> Result<HashMap<usize, String>> {
    let mut edges: Vec<usize> = edges.collect();
    edges.sort_unstable();
    edges.dedup();
    let ranges: Vec<Range<usize>> =
        edges.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..run[0] + run.len()).collect();
    let mut found = HashMap::new();
    labels.for_each_in(&ranges, |edge, label| {
        found.insert(edge, label.to_owned());
    })?;
    Ok(found)
}
