//! Where in the arrays of collections the value of a key or index is, where no label says it: the key is an element of the
//! array itself or of another one, the array is a ring, the value is in a chain of nodes, or in a part of a list.
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
use heaplake_model::{ChainRule, PartRule, SlotRule, schema::Table};
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
                let mut occupied: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
                for (array, position, _) in self.elements(&arrays)? {
                    occupied.entry(array).or_default().push(position);
                }
                for (owner, array) in owners.iter().zip(&arrays) {
                    let Some(array) = array else { continue };
                    let Some(len) = lens.next().flatten() else { continue };
                    let found = || ring_start(occupied.get(array)?, len);
                    let start = starts.get(&self.address(*owner)).copied().or_else(found);
                    if let Some(start) = start
                        && u64::from(index) < len
                    {
                        let position = start.wrapping_add(index.into()) % len;
                        slots.entry(position).or_default().push(self.address(*array));
                    }
                }
            }
            _ => {}
        }
        Ok(slots)
    }

    /// The nodes of chains of the collections that have the value at the index.
    pub(super) fn nth(&self, rule: &ChainRule, index: u32) -> Result<Vec<u64>> {
        let nodes = self.objects_of(rule.nodes);
        if index as usize >= nodes.len() {
            return Ok(Vec::new());
        }
        let position_of = |node: usize| nodes.binary_search(&node).ok();
        let nexts = self.field(&nodes, rule.next)?;
        let counts = match rule.counts_empty {
            true => vec![true; nodes.len()],
            false => self.field(&nodes, rule.item)?.iter().map(Option::is_some).collect(),
        };
        let mut owners: Vec<usize> = with_index!(&*self.open.index, |index| {
            let graph = index.graph();
            let parents = nodes.iter().flat_map(|node| graph.parents(*node));
            parents.filter(|parent| *parent < index.n_nodes() && position_of(*parent).is_none()).collect()
        });
        owners.sort_unstable();
        owners.dedup();
        let mut heads = BTreeSet::new();
        for first in rule.first {
            heads.extend(self.field(&owners, first)?.into_iter().flatten().filter_map(position_of));
        }
        let mut found = Vec::new();
        // Chains have no node in common, unless the dump is damaged.
        let mut is_seen = vec![false; nodes.len()];
        for head in heads {
            let (mut at, mut left) = (Some(head), index);
            while let Some(position) = at.filter(|position| !is_seen[*position]) {
                is_seen[position] = true;
                if counts[position] {
                    if left == 0 {
                        found.push(self.address(nodes[position]));
                        break;
                    }
                    left -= 1;
                }
                at = nexts[position].and_then(position_of);
            }
        }
        Ok(found)
    }

    /// The parts of lists that have an element at the index, by its position in the list.
    pub(super) fn parts(&self, rule: &PartRule, index: u32) -> Result<BTreeMap<u64, Vec<u64>>> {
        let owners = self.objects_of(rule.types);
        let offsets = self.numbers(&owners, rule.types, rule.offset)?;
        let sizes = self.numbers(&owners, rule.types, rule.size)?;
        let mut parts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (address, offset) in offsets {
            if sizes.get(&address).is_some_and(|size| u64::from(index) < *size)
                && let Some(position) = offset.checked_add(index.into())
            {
                parts.entry(position).or_default().push(address);
            }
        }
        Ok(parts)
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
                let rank = index.types().at(*node) as usize;
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

    /// The elements of arrays: the array, the position and the object. By array, in the order of references.
    fn elements(&self, arrays: &[Option<usize>]) -> Result<Vec<(usize, u64, usize)>> {
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
        Ok(elements)
    }

    /// The arrays with an element whose value is this text, and its position.
    fn elements_with(&self, arrays: &[Option<usize>], value: &str) -> Result<Vec<(usize, u64)>> {
        let elements = self.elements(arrays)?;
        let children: Vec<usize> = elements.iter().map(|(.., child)| *child).collect();
        let rows =
            self.lake.rows_at(&self.open.manifest, Table::Obj, &["value"], &self.open.obj_rows(&children))?;
        let values = rows.column(0).as_string::<i32>();
        let is_meant = |row: usize| values.is_valid(row) && values.value(row) == value;
        let found = elements.into_iter().enumerate().filter(|(row, _)| is_meant(*row));
        Ok(found.map(|(_, (array, position, _))| (array, position)).collect())
    }
}

/// Where what is occupied of a ring begins, by the occupied positions in ascending order; `None` where it is full or has gaps.
fn ring_start(occupied: &[u64], len: u64) -> Option<u64> {
    if occupied.len() as u64 >= len {
        return None;
    }
    let before = occupied.iter().cycle().skip(occupied.len().checked_sub(1)?);
    let mut starts =
        occupied.iter().zip(before).filter(|(position, before)| before.wrapping_add(1) % len != **position);
    let (start, _) = starts.next()?;
    starts.next().is_none().then_some(*start)
}

#[cfg(test)]
mod tests {
    use super::ring_start;

    #[test]
    fn a_ring_begins_after_its_gap() {
        for (occupied, len, start) in [
            (&[][..], 0, None),
            (&[], 4, None),
            (&[2], 4, Some(2)),
            (&[0, 1], 4, Some(0)),
            (&[0, 1, 3], 4, Some(3)),
            (&[0, 1, 2, 3], 4, None),
            (&[0, 2], 4, None),
            (&[u64::MAX], 4, Some(u64::MAX)),
        ] {
            assert_eq!(ring_start(occupied, len), start, "{occupied:?} of {len}");
        }
    }
}
