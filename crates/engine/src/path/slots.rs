//! Where in the arrays of collections the value of a key or index is, where no label says it: the key is an element of the
//! array itself or of another one, or the array is a ring.
//!
//! Asked once for each such arrow of a pattern, before it becomes an automaton. Costs the labels of these arrays and the values of
//! their keys, of all such collections of the dump.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use datafusion::arrow::{
    array::{Array as _, AsArray as _},
    datatypes::Int64Type,
};
use heaplake_graph::Id as _;
use heaplake_model::{SlotRule, schema::Table};
use heaplake_store::{EdgeLabels, ImportProgress, Lake, with_index};

use super::{compile::Names, entries::Asked};
use crate::{Result, snapshot::OpenIndex};

/// Addresses of arrays by the position of their reference that is meant.
pub(super) type ArraySlots = BTreeMap<u64, Vec<u64>>;

/// The collections of a dump with an index and labels.
pub(super) struct SlotFinder<'n> {
    open: Arc<OpenIndex>,
    labels: Arc<EdgeLabels>,
    lake: &'n Lake,
}

impl<'n> SlotFinder<'n> {
    /// `None` where the dump has no index and no memory for one, or no labels.
    pub(super) fn new(names: &Names<'n>) -> Result<Option<Self>> {
        if !names.lake.fits(names.manifest) {
            return Ok(None);
        }
        let dump = names.lake.dump(Some(names.manifest.id.as_str()))?;
        let open = names.lake.open(&dump, &ImportProgress::default())?;
        let labels = open.labels(names.lake.lake())?;
        Ok(labels.exist().then_some(Self { open, labels, lake: names.lake.lake() }))
    }

    /// Which references of the arrays of these types of collections are meant.
    pub(super) fn find(&self, types: &[&str], rule: SlotRule, asked: Asked<'_>) -> Result<ArraySlots> {
        let owners = self.objects_of(types);
        let mut slots = ArraySlots::new();
        match (rule, asked) {
            (SlotRule::AfterKey { array }, Asked::Key(key)) => {
                for (array, position) in self.elements_with(&self.field(&owners, array)?, key)? {
                    slots.entry(position + 1).or_default().push(self.address(array));
                }
            }
            (SlotRule::AtKeyOf { array, keys }, Asked::Key(key)) => {
                let (arrays, universes) = (self.field(&owners, array)?, self.field(&owners, keys)?);
                let mut positions: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
                for (universe, position) in self.elements_with(&universes, key)? {
                    positions.entry(universe).or_default().push(position);
                }
                for (array, universe) in arrays.iter().zip(&universes) {
                    let (Some(array), Some(universe)) = (array, universe) else { continue };
                    for position in positions.get(universe).into_iter().flatten() {
                        slots.entry(*position).or_default().push(self.address(*array));
                    }
                }
            }
            (SlotRule::AfterFirst { array, first }, Asked::Index(index)) => {
                let arrays = self.field(&owners, array)?;
                let starts = self.numbers(&owners, types, first)?;
                let with_arrays: Vec<usize> = arrays.iter().copied().flatten().collect();
                let mut lens = self.lens(&with_arrays)?.into_iter();
                for (owner, array) in owners.iter().zip(&arrays) {
                    let Some(array) = array else { continue };
                    let (Some(len), Some(start)) = (lens.next().flatten(), starts.get(&self.address(*owner)))
                    else {
                        continue;
                    };
                    if u64::from(index) < len {
                        let position = start.wrapping_add(index.into()) % len;
                        slots.entry(position).or_default().push(self.address(*array));
                    }
                }
            }
            _ => {}
        }
        Ok(slots)
    }

    fn address(&self, node: usize) -> u64 {
        with_index!(&*self.open.index, |index| index.addresses()[node])
    }

    /// The objects of these types, ascending.
    fn objects_of(&self, types: &[&str]) -> Vec<usize> {
        let all = self.open.manifest.types.iter();
        let wanted: Vec<bool> = all.map(|stat| types.contains(&stat.name.as_str())).collect();
        with_index!(&*self.open.index, |index| {
            let is_wanted = |node: &usize| {
                let rank = index.types()[*node] as usize;
                wanted.get(rank).copied().unwrap_or(false) && index.is_there(*node)
            };
            (0..index.n_nodes()).filter(is_wanted).collect()
        })
    }

    fn field(&self, owners: &[usize], name: &str) -> Result<Vec<Option<usize>>> {
        let runtime = self.open.manifest.runtime();
        Ok(with_index!(&*self.open.index, |index| index.fields(&self.labels, runtime, owners, name))?)
    }

    /// The numbers in a field of some objects, by address; those that the import kept.
    fn numbers(&self, owners: &[usize], types: &[&str], name: &str) -> Result<BTreeMap<u64, u64>> {
        let addresses: Vec<u64> = owners.iter().map(|owner| self.address(*owner)).collect();
        let types: BTreeSet<&str> = types.iter().copied().collect();
        let values = self.lake.field_values(&self.open.manifest, name, &types, &addresses)?;
        Ok(values.into_iter().filter_map(|(address, value)| Some((address, value.parse().ok()?))).collect())
    }

    /// The lengths of some objects.
    fn lens(&self, nodes: &[usize]) -> Result<Vec<Option<u64>>> {
        let rows =
            self.lake.rows_at(&self.open.manifest, Table::Obj, &["len"], &self.open.obj_rows(nodes))?;
        let lens = rows.column(0).as_primitive::<Int64Type>();
        Ok((0..nodes.len())
            .map(|row| u64::try_from(lens.is_valid(row).then(|| lens.value(row))?).ok())
            .collect())
    }

    /// The arrays with an element whose value is this text, and its position.
    fn elements_with(&self, arrays: &[Option<usize>], value: &str) -> Result<Vec<(usize, u64)>> {
        let mut arrays: Vec<usize> = arrays.iter().copied().flatten().collect();
        arrays.sort_unstable();
        arrays.dedup();
        let mut elements: Vec<(usize, u64, usize)> = Vec::new();
        with_index!(&*self.open.index, |index| {
            let forward = index.graph().forward;
            let ranges: Vec<Range<usize>> = arrays.iter().map(|array| forward.range(*array)).collect();
            let mut at = 0;
            self.labels.for_each_in(&ranges, |edge, label| {
                while ranges[at].end <= edge {
                    at += 1;
                }
                let position = label.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')?.parse().ok());
                let child = forward.target(edge).index();
                if let Some(position) = position
                    && child < index.n_nodes()
                {
                    elements.push((arrays[at], position, child));
                }
            })
        })?;
        let children: Vec<usize> = elements.iter().map(|(.., child)| *child).collect();
        let rows =
            self.lake.rows_at(&self.open.manifest, Table::Obj, &["value"], &self.open.obj_rows(&children))?;
        let values = rows.column(0).as_string::<i32>();
        let is_meant = |row: usize| values.is_valid(row) && values.value(row) == value;
        let found = elements.into_iter().enumerate().filter(|(row, _)| is_meant(*row));
        Ok(found.map(|(_, (array, position, _))| (array, position)).collect())
    }
}
