//! The interpreter's table of modules, `sys.modules`, and what a cut in it means for roots.
//!
//! A module is a root only because that table has it: captures record this as the kind `sys.modules`, and in dumps without recorded
//! roots modules are taken for roots for the same reason. Without the entry there is no such reason.
//!
//! A table is found by structure, not by name: an object that refers to more than half of all modules that are roots. A copy of the
//! table is one as well, and keeps what is in it as the table does, so that a module stops being a root only when both entries are cut.

use std::collections::{BTreeSet, HashSet};

use heaplake_graph::{BitSet, Cut, Id};

use super::GraphIndex;

/// The kinds of roots that modules are because of the table.
const KINDS: [&str; 2] = ["sys.modules", "module"];
/// Modules that a table has at least; every interpreter has more.
const MIN_MODULES: usize = 8;

impl<I: Id> GraphIndex<I> {
    /// The roots that are still roots after a cut: all but modules whose every entry in a table of modules is cut. To cut the table as
    /// an object removes no entry.
    ///
    /// O(roots + cut references), and where references to modules are cut, also once the references of each object that refers to these.
    pub fn roots_after(&self, cut: &Cut) -> BitSet {
        let mut roots = BitSet::of(self.n_nodes(), self.roots().iter().map(|root| root.index()));
        self.modules_without_entry(cut).into_iter().for_each(|module| roots.remove(module));
        roots
    }

    /// Modules that are roots and whose entries in the tables of modules are all cut, ascending.
    pub(super) fn modules_without_entry(&self, cut: &Cut) -> Vec<usize> {
        let graph = self.graph();
        let is_module = |kind: u32| {
            self.content.root_kinds.get(kind as usize).is_some_and(|kind| KINDS.contains(&kind.as_str()))
        };
        let roots = self.roots().iter().zip(self.root_kinds());
        let modules: Vec<usize> =
            roots.filter(|(_, kind)| is_module(**kind)).map(|(root, _)| root.index()).collect();
        let is_module_root = |node: &usize| modules.binary_search(node).is_ok();
        let ends = cut.edges.iter().filter(|edge| !graph.skip.contains(*edge));
        let ends = ends.map(|edge| graph.forward.target(edge)).filter(|end| *end != I::NONE);
        let mut ends: Vec<usize> = ends.map(Id::index).filter(is_module_root).collect();
        ends.sort_unstable();
        ends.dedup();
        let parents: BTreeSet<usize> = ends.iter().flat_map(|module| graph.parents(*module)).collect();
        let is_table = |node: &usize| {
            let kids: BTreeSet<usize> = graph.children(*node).filter(is_module_root).collect();
            kids.len() >= MIN_MODULES && kids.len() * 2 > modules.len()
        };
        let (mut entered, mut remaining) = (HashSet::new(), HashSet::new());
        for table in parents.into_iter().filter(is_table) {
            for edge in graph.forward.range(table).filter(|edge| !graph.skip.contains(*edge)) {
                let target = graph.forward.target(edge);
                if target != I::NONE {
                    entered.insert(target.index());
                    if !cut.edges.contains(edge) {
                        remaining.insert(target.index());
                    }
                }
            }
        }
        ends.retain(|module| entered.contains(module) && !remaining.contains(module));
        ends
    }
}
