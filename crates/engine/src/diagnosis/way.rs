//! The way to a holder: its steps, how a program reaches it by names, keys and places, and its path in the dominator tree.

use std::collections::HashMap;

use heaplake_model::{LabelSays, Runtime, TypeRole, root_kind, short_type_name, shortened};

use super::{
    heap::{Facts, Heap},
    sort::Sort,
};

/// An object on the way to a holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WayStep {
    pub(super) type_name: String,
    /// Whether it is a class, by whose name a program reaches what is static.
    pub(super) is_class: bool,
    pub(super) name: Option<String>,
    /// By what the object before refers to it.
    pub(super) label: Option<String>,
    /// Whether it is a thread that is kept because it runs.
    pub(super) is_thread: bool,
    /// Whether the object before refers to it softly.
    pub(super) is_soft: bool,
    pub(super) root_kind: Option<String>,
    /// How it stands in the expression by which the program reaches it.
    said: Said,
}

impl WayStep {
    /// Whether it is a table or node of the collection before it.
    pub(super) fn is_part(&self) -> bool {
        self.said == Said::Part
    }
}

/// How a step is written in an expression of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// By its label.
    Label,
    /// Not at all: it is a table or node of the collection before it.
    Part,
    /// By the key of the collection under which it is, in quotes; `None` where the dump does not say it.
    Key(Option<String>),
}

/// The steps of a way. What they are read from has been loaded.
pub(super) fn steps(heap: &Heap, facts: &Facts, way: &[usize]) -> Vec<WayStep> {
    let runtime = heap.manifest().runtime();
    let step = |i: usize, node: usize| {
        let before = i.checked_sub(1).map(|before| way[before]);
        let edge = before.and_then(|before| heap.edge(before, node));
        let type_name = heap.type_name(node);
        WayStep {
            type_name: short_type_name(type_name).to_owned(),
            is_class: runtime.is_class(type_name),
            name: facts.name(node).map(str::to_owned),
            label: edge.and_then(|edge| facts.label(edge)).map(str::to_owned),
            is_thread: heap.is_thread(node),
            is_soft: edge.is_some_and(|edge| facts.is_soft(edge)),
            root_kind: heap.root_kind(node).map(str::to_owned),
            said: before.map_or(Said::Label, |before| said(heap, facts, before, node)),
        }
    };
    way.iter().enumerate().map(|(i, node)| step(i, *node)).collect()
}

/// Whether a node is in a map under the key that an object before it has: a node of the map, which has few references.
pub(super) fn is_entry(heap: &Heap, before: usize, node: usize) -> bool {
    const MAX_REFS: usize = 8;
    heap.is_part(before) && !heap.is_part_of(node, before) && heap.refs(before).len() <= MAX_REFS
}

/// How a step is written after the one before it. What it is read from has been loaded.
fn said(heap: &Heap, facts: &Facts, before: usize, node: usize) -> Said {
    const MAX_KEY: usize = 60;
    if heap.is_part_of(node, before) {
        return Said::Part;
    }
    if !is_entry(heap, before, node) {
        return Said::Label;
    }
    let mut refs = heap.refs(before).into_iter();
    let key = refs.find(|(edge, kid)| facts.label(*edge) == Some(".key") && *kid != node).map(|(_, kid)| kid);
    let Some(key) = key else { return Said::Label };
    let is_number = heap.manifest().runtime().has_role(heap.type_name(key), TypeRole::Number);
    let text = facts.value(key).filter(|_| heap.sort(key) == Sort::Scalar);
    Said::Key(text.map(|text| match is_number {
        true => format!("[{text}]"),
        false => format!("[{:?}]", shortened(text, MAX_KEY)),
    }))
}

/// Whether two ways lead from two threads to the same place: by the same labels, but for the places in tables.
pub(super) fn are_of_threads(one: &[WayStep], other: &[WayStep]) -> bool {
    let is_alike = |(a, b): (&WayStep, &WayStep)| {
        let is_place = |step: &WayStep| step.label.as_deref().is_some_and(|label| label.starts_with('['));
        a.type_name == b.type_name && (a.label == b.label || is_place(a) && is_place(b))
    };
    let starts_at_thread = |way: &[WayStep]| way.len() > 1 && way[0].is_thread;
    starts_at_thread(one)
        && starts_at_thread(other)
        && one.len() == other.len()
        && one.iter().zip(other).all(is_alike)
}

/// By what the program reaches an object: names, keys and places from a module, a class or another root on.
pub(super) fn held_by(way: &[WayStep], runtime: &Runtime) -> Option<String> {
    let first = way.first()?;
    if way.len() > 1 && way.iter().all(|step| step.label.is_none()) {
        return None;
    }
    let mut text = match (first.type_name.as_str(), &first.root_kind) {
        _ if first.is_class => first.name.clone()?,
        ("module", _) => first.name.clone()?,
        ("frame", Some(kind)) => format!("{kind}: {}()", first.name.as_deref().unwrap_or("?")),
        // The kind of the root of a thread names it.
        (_, Some(kind)) if first.is_thread => format!("({kind})"),
        (_, Some(kind)) => format!("({kind}) {}", first.name.as_deref().unwrap_or(&first.type_name)),
        (other, None) => other.to_owned(),
    };
    let mut is_namespace = false;
    for step in &way[1..] {
        let label = match &step.said {
            Said::Part => continue,
            Said::Key(Some(key)) => key,
            Said::Key(None) => "",
            Said::Label => step.label.as_deref().unwrap_or(""),
        };
        match runtime.label_says(label) {
            LabelSays::Namespace => {
                is_namespace = true;
                continue;
            }
            LabelSays::Key(name) if is_namespace => text = format!("{text}.{name}"),
            LabelSays::Name(name) => text = format!("{text}.{name}"),
            _ if label.is_empty() => text.push_str("[…]"),
            _ => text.push_str(label),
        }
        is_namespace = false;
    }
    Some(shortened(&text, 200).into_owned())
}

/// A path of the dominator tree as summaries by holder write it. `names` are what the program calls its objects.
pub(super) fn holder_path(
    heap: &Heap,
    facts: &Facts,
    names: &HashMap<usize, String>,
    dominators: &[usize],
) -> String {
    const MAX_CHARS: usize = 100;
    let mut words: Vec<String> = Vec::new();
    if let Some(top) = dominators.first() {
        match heap.root_kind(*top) {
            Some(kind) if root_kind::is_cut_off(kind) => words.push(format!("({kind})")),
            None if heap.idom(*top).is_none() => words.push("(several)".to_owned()),
            _ => {}
        }
    }
    let runtime = heap.manifest().runtime();
    for (i, node) in dominators.iter().enumerate() {
        let parts = runtime.collection_parts(heap.type_name(*node));
        let owner = i.checked_sub(1).and_then(|above| dominators.get(above));
        if parts.zip(owner).is_some_and(|(parts, owner)| parts.are_in(heap.type_name(*owner))) {
            continue;
        }
        let type_name = shortened(heap.type_name(*node), MAX_CHARS);
        words.push(match facts.name(*node).or(names.get(node).map(String::as_str)) {
            Some(name) => format!("{type_name} {}", shortened(name, MAX_CHARS)),
            None => type_name.into_owned(),
        });
    }
    folded(&words)
}

/// A path with what repeats in it written once, as `(A -> B ->)+`.
fn folded(words: &[String]) -> String {
    const MAX_PERIOD: usize = 8;
    let mut groups: Vec<(Vec<&str>, bool)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let repeats = |period: &usize| {
            let least = if *period == 1 { 3 } else { 2 };
            let end = at + least * period;
            end <= words.len() && (at + period..end).all(|i| words[i] == words[i - period])
        };
        match (1..=MAX_PERIOD).find(repeats) {
            Some(period) => {
                let mut end = at + period;
                while end < words.len() && words[end] == words[end - period] {
                    end += 1;
                }
                let whole = (end - at) / period * period;
                groups.push((words[at..at + period].iter().map(String::as_str).collect(), true));
                at += whole;
            }
            None => {
                groups.push((vec![&words[at]], false));
                at += 1;
            }
        }
    }
    let n_groups = groups.len();
    let mut text = String::new();
    for (i, (group, repeats)) in groups.into_iter().enumerate() {
        let group = group.join(" -> ");
        let is_last = i + 1 == n_groups;
        text.push_str(&match (repeats, is_last) {
            (true, true) => format!("({group} ->)+"),
            (true, false) => format!("({group} ->)+ "),
            (false, true) => group,
            (false, false) => format!("{group} -> "),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_written_once() {
        let of = |text: &str| folded(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("m d A B A B A B"), "m -> d -> (A -> B ->)+");
        assert_eq!(of("m n n n p"), "m -> (n ->)+ p");
        assert_eq!(of("m d d p"), "m -> d -> d -> p");
    }
}
