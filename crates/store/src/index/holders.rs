//! The holders of a dump: its dominator tree folded to paths of types and names, see [`heaplake_graph::holders`].

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, atomic::AtomicBool},
};

use heaplake_graph::{
    BitSet, Cancelled, HeldTree, Holder, Id, PART, REST, holders, largest_holders, path_of,
};
use heaplake_model::{Runtime, root_kind, shortened};

use super::{GraphIndex, bytes};
use crate::HolderStat;

/// Maximum number of holders that are kept of a dump.
const MAX_KEPT: usize = 1 << 14;
/// Maximum number of distinct names.
const MAX_NAMES: usize = 1 << 20;
/// Maximum number of characters of a type, and of a name; longer ones are cut.
const MAX_CHARS: usize = 100;

/// The element above objects that several holders share.
const SEVERAL: &str = "(several)";
/// The element above objects that only hold each other.
const CYCLE: &str = "(cycle)";
/// The same where all references to them are known.
const GARBAGE: &str = "(garbage)";
/// The element that stands for many small or deep holders.
const OTHERS: &str = "...";

/// The names of some objects, by node.
#[derive(Debug, Default)]
pub(crate) struct NodeNames {
    /// Node and position of its name; nodes ascend.
    of: Vec<(u64, u32)>,
    texts: Vec<Arc<str>>,
    positions: HashMap<Arc<str>, u32>,
}

impl NodeNames {
    /// Gives a node a name. Nodes come in ascending order.
    pub(crate) fn push(&mut self, node: usize, name: &str) {
        if let Some(position) = self.position(name) {
            self.of.push((node as u64, position));
        }
    }

    /// The position of the name of a node.
    pub(super) fn of(&self, node: usize) -> Option<u32> {
        let found = self.of.binary_search_by_key(&(node as u64), |(node, _)| *node).ok()?;
        Some(self.of[found].1)
    }

    /// The nodes that have a name, ascending.
    pub(super) fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        self.of.iter().map(|(node, _)| *node as usize)
    }

    /// The name at a position.
    pub(super) fn text(&self, position: u32) -> &str {
        &self.texts[position as usize]
    }

    /// The position of a name; a new one if it is new, `None` if there are too many.
    pub(super) fn position(&mut self, name: &str) -> Option<u32> {
        let name = Self::clipped(name);
        if let Some(position) = self.positions.get(&*name) {
            return Some(*position);
        }
        let position = u32::try_from(self.texts.len()).ok().filter(|_| self.texts.len() < MAX_NAMES)?;
        let text: Arc<str> = name.into();
        self.texts.push(text.clone());
        self.positions.insert(text, position);
        Some(position)
    }

    /// A name as it is kept.
    pub(crate) fn clipped(name: &str) -> Cow<'_, str> {
        shortened(name, MAX_CHARS)
    }
}

/// The totals per holder, each after the one above it. `labels` are names of objects without a name of their own, see
/// [`super::labels::labels`].
pub(super) fn holder_stats<I: Id>(
    index: &GraphIndex<I>,
    (runtime, type_names): (&Runtime, &[&str]),
    (names, labels): (&NodeNames, &[u32]),
    cancel: &AtomicBool,
) -> Result<Vec<HolderStat>, Cancelled> {
    // Elements are first the types, then what may be at the top, then pairs of type and name in the order of the nodes.
    let n_types = type_names.len() as u32;
    let (several, cycle, garbage) = (n_types, n_types + 1, n_types + 2);
    let n_fixed = n_types + 3;
    let mut elements = index.types().to_vec();
    let mut pairs: HashMap<(u32, u32), u32> = HashMap::new();
    let mut give = |node: usize, name: u32| {
        let next = n_fixed + pairs.len() as u32;
        let element = &mut elements[node];
        // An object's own name takes precedence.
        if *element < n_types {
            *element = *pairs.entry((*element, name)).or_insert(next);
        }
    };
    names.of.iter().for_each(|(node, name)| give(*node as usize, *name));
    labels.iter().enumerate().filter(|(_, name)| **name != 0).for_each(|(node, name)| give(node, *name - 1));
    mark_parts(index, runtime, type_names, &mut elements);
    let mut is_root = BitSet::new(index.n_nodes());
    // What is above the roots of cycles, by node; a few.
    let mut above_cycles: HashMap<usize, u32> = HashMap::new();
    for (i, root) in index.roots().iter().enumerate() {
        is_root.insert(root.index());
        let kind = index.root_kind(i);
        if root_kind::is_cut_off(kind) {
            above_cycles.insert(root.index(), if kind == root_kind::GARBAGE { garbage } else { cycle });
        }
    }
    let above = |node: usize| match is_root.contains(node) {
        true => above_cycles.get(&node).copied(),
        false => Some(several),
    };
    let tree = HeldTree {
        preorder: index.preorder(),
        counts: index.retained_counts(),
        retained: index.retained(),
        sizes: index.sizes(),
        elements: &elements,
    };
    let found = largest_holders(holders(tree, above, cancel)?, MAX_KEPT);
    let mut words = vec![String::new(); pairs.len()];
    for ((rank, name), element) in pairs {
        let word = &mut words[(element - n_fixed) as usize];
        *word = format!("{} {}", NodeNames::clipped(type_names[rank as usize]), names.text(name));
    }
    let word = |element: u32| match element {
        REST => OTHERS.to_owned(),
        rank if rank < n_types => NodeNames::clipped(type_names[rank as usize]).into_owned(),
        element if element == several => SEVERAL.to_owned(),
        element if element == cycle => CYCLE.to_owned(),
        element if element == garbage => GARBAGE.to_owned(),
        element => words[(element - n_fixed) as usize].clone(),
    };
    Ok((0..found.len()).map(|i| stat(&found, i, &word)).collect())
}

/// Marks the objects that are parts of a collection that holds them.
fn mark_parts<I: Id>(index: &GraphIndex<I>, runtime: &Runtime, type_names: &[&str], elements: &mut [u32]) {
    let rules: Vec<_> = type_names.iter().map(|name| runtime.collection_parts(name)).collect();
    if rules.iter().all(Option::is_none) {
        return;
    }
    // Of which types the objects of a type are parts, once for each pair.
    let mut known: HashMap<(u32, u32), bool> = HashMap::new();
    let (types, idoms) = (index.types(), index.idoms());
    for (node, element) in elements.iter_mut().enumerate() {
        let Some(rule) = rules.get(types.at(node) as usize).copied().flatten() else { continue };
        let Some(owner) = types.get(idoms[node].index()) else { continue };
        let is_part = || type_names.get(owner as usize).is_some_and(|owner| rule.are_in(owner));
        if *known.entry((types.at(node), owner)).or_insert_with(is_part) {
            *element |= PART;
        }
    }
}

fn stat(holders: &[Holder], i: usize, word: &impl Fn(u32) -> String) -> HolderStat {
    let holder = &holders[i];
    HolderStat {
        holder: in_words(holders, i, word),
        held_by: holder.parent.map(|parent| in_words(holders, parent as usize, word)),
        last: word(holder.element),
        depth: holder.depth,
        count: holder.count,
        size: bytes(holder.size),
        retained: bytes(holder.retained),
        retained_count: holder.retained_count,
    }
}

/// A path, written as a pattern: `A -> (B -> C ->)+ D`.
fn in_words(holders: &[Holder], i: usize, word: &impl Fn(u32) -> String) -> String {
    let mut text = String::new();
    let groups = path_of(holders, i);
    for (at, (elements, repeats)) in groups.iter().enumerate() {
        let elements = elements.iter().map(|element| word(*element)).collect::<Vec<_>>().join(" -> ");
        let is_last = at + 1 == groups.len();
        let written = match (repeats, is_last) {
            (true, true) => write!(text, "({elements} ->)+"),
            (true, false) => write!(text, "({elements} ->)+ "),
            (false, true) => write!(text, "{elements}"),
            (false, false) => write!(text, "{elements} -> "),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text
}
