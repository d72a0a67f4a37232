//! Labels, fields and names of some objects: what [`super::labels`] finds for all objects while a dump is imported, for a few
//! when they are asked for.
//!
//! The index knows which reference leads from an object to another, and the position of a reference is its row in `edge`, so
//! that only the labels of these rows are read.

use std::{collections::HashMap, ops::Range};

use arrow::{array::AsArray as _, datatypes::UInt64Type};
use heaplake_graph::Id;
use heaplake_model::{LabelSays, Runtime, TypeRole, schema::Table};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection},
};
use parquet::file::metadata::PageIndexPolicy;

use super::{EdgeLabels, GraphIndex, labels::name_in};
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
        let has_role = |node: usize, role: TypeRole| {
            let stat = dump.types.get(self.types()[node] as usize);
            stat.is_some_and(|stat| runtime.has_role(&stat.name, role))
        };
        let holder = |node: usize| Some(self.idoms()[node].index()).filter(|idom| *idom < self.n_nodes());
        // By which references a node is a namespace, if it is one.
        let referrers = |node: usize| {
            let of_namespace = has_role(node, TypeRole::Attributes);
            graph.parents(node).filter(move |_| of_namespace).map(move |parent| (parent, node))
        };
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for node in nodes {
            pairs.extend(referrers(*node).filter(|(parent, _)| has_role(*parent, TypeRole::Module)));
            if let Some(holder) = holder(*node) {
                pairs.push((holder, *node));
                pairs.extend(referrers(holder));
            }
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
        let mut namespaces: HashMap<usize, bool> = HashMap::new();
        let mut is_namespace =
            |node: usize| *namespaces.entry(node).or_insert_with(|| referrers(node).any(leads_to_namespace));
        let mut module_names: HashMap<u32, HashMap<u64, String>> = HashMap::new();
        let mut found = Vec::with_capacity(nodes.len());
        for node in nodes {
            let holder = holder(*node);
            let module = referrers(*node).find(|(parent, _)| {
                Some(*parent) != holder
                    && has_role(*parent, TypeRole::Module)
                    && leads_to_namespace((*parent, *node))
            });
            if let Some((module, _)) = module {
                let rank = self.types()[module];
                let names = match module_names.get(&rank) {
                    Some(names) => names,
                    None => module_names.entry(rank).or_insert(lake.names_of_type(dump, rank)?),
                };
                if let Some(name) = names.get(&self.addresses()[module]) {
                    found.push(Some(name.clone()));
                    continue;
                }
            }
            let name = holder.and_then(|holder| {
                let mut labels = labels_of((holder, *node));
                labels.find_map(|label| name_in(runtime, label, || is_namespace(holder)))
            });
            found.push(name.map(str::to_owned));
        }
        Ok(found)
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

impl Lake {
    /// The names of the objects of a type, by address. The rows of a type are together, and the types before it say where.
    fn names_of_type(&self, dump: &Dump, rank: u32) -> Result<HashMap<u64, String>> {
        let mut before: usize = 0;
        let mut wanted = 0..0;
        for (stat, at) in dump.types.iter().zip(0..) {
            let end = before.saturating_add(usize::try_from(stat.count).unwrap_or(usize::MAX));
            if at == rank {
                wanted = before..end;
            }
            before = end;
        }
        let mut names = HashMap::new();
        let mut first = 0;
        for file in dump.files_of(Table::Obj) {
            let stored = self.file(file);
            let parquet_error = |source| stored.parquet_error(source);
            let opened = stored.open().map_err(|source| stored.io_error(source));
            let opened = opened.map_err(|error| self.perhaps_replaced(dump, error))?;
            let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
            let metadata = ArrowReaderMetadata::load(&opened, options).map_err(parquet_error)?;
            let n_rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
            let rows = wanted.start.clamp(first, first + n_rows) - first
                ..wanted.end.clamp(first, first + n_rows) - first;
            first += n_rows;
            if rows.is_empty() {
                continue;
            }
            let mask = ProjectionMask::columns(metadata.parquet_schema(), ["address", "name"]);
            let selection = RowSelection::from_consecutive_ranges(std::iter::once(rows), n_rows);
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata)
                .with_projection(mask)
                .with_row_selection(selection)
                .build()
                .map_err(parquet_error)?;
            for batch in reader {
                let batch = batch.map_err(|error| parquet_error(error.into()))?;
                let (Some(addresses), Some(texts)) = (
                    batch.column(0).as_primitive_opt::<UInt64Type>(),
                    batch.column(1).as_string_opt::<i32>(),
                ) else {
                    return Err(stored.damaged("its columns are not those of obj"));
                };
                let rows = addresses.values().iter().zip(texts);
                names.extend(rows.filter_map(|(address, name)| Some((*address, name?.to_owned()))));
            }
        }
        Ok(names)
    }
}
