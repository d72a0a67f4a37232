//! What the program itself calls objects: attributes, globals and local variables, as the labels of references say it.

use std::sync::atomic::AtomicBool;

use heaplake_graph::{BitSet, Graph, Id};
use heaplake_model::{LabelSays, Runtime, TypeRole};

use super::{EdgeSource, GraphIndex, NodeNames};
use crate::Result;

/// By node, the position of its name in `names` plus 1, or 0: the label of the first reference by which its immediate
/// dominator refers to it, if that is a name of the program. `namespaces` are the edges that lead to a namespace.
///
/// A key of a dictionary is such a name if the dictionary is a namespace, that of an object, a class or a module. The
/// functions of a module refer to its dictionary, too, so that the module is often not what holds it: then the dictionary
/// gets the module's name.
pub(super) fn labels<I: Id>(
    index: &GraphIndex<I>,
    runtime: &Runtime,
    type_names: &[&str],
    (edges, namespaces): (&impl EdgeSource, &BitSet),
    names: &mut NodeNames,
    cancel: &AtomicBool,
) -> Result<Vec<u32>> {
    let mut is_namespace = BitSet::new(index.n_nodes());
    let mut found = vec![0; index.n_nodes()];
    let mut parents = EdgeParents::new(index);
    for edge in namespaces.iter() {
        let Some((parent, child)) = parents.ends(edge) else { continue };
        is_namespace.insert(child);
        let is_module = type_names
            .get(index.types()[parent] as usize)
            .is_some_and(|name| runtime.has_role(name, TypeRole::Module));
        if is_module && found[child] == 0 && index.idoms()[child].index() != parent {
            found[child] = names.of(parent).map_or(0, |position| position + 1);
        }
    }
    let mut parents = EdgeParents::new(index);
    edges.for_each_label(cancel, |edge, label| {
        let Some((parent, child)) = parents.ends(edge) else { return };
        if found[child] != 0 || index.idoms()[child].index() != parent {
            return;
        }
        let name = label().and_then(|label| name_in(runtime, label, || is_namespace.contains(parent)));
        found[child] = name.and_then(|name| names.position(name)).map_or(0, |position| position + 1);
    })?;
    Ok(found)
}

/// The name of the program that a label gives its child. `is_namespace` says whether the parent is a namespace.
pub(super) fn name_in<'l>(
    runtime: &Runtime,
    label: &'l str,
    is_namespace: impl FnOnce() -> bool,
) -> Option<&'l str> {
    match runtime.label_says(label) {
        LabelSays::Name(name) => Some(name),
        LabelSays::Key(name) if is_namespace() => Some(name),
        LabelSays::Key(_) | LabelSays::Namespace | LabelSays::Nothing => None,
    }
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
