//! Entries of collections in patterns: a label `["key"]`, `[3]` or `[*]` also means what a collection of the runtime has at the
//! key or index, whatever tables and nodes are between.
//!
//! The pattern is rewritten before it becomes an automaton: the arrow becomes a group of alternatives, the arrow as it is written
//! among them, so that the answer has the objects in between as hops. Nothing is stored for it, and sizes and counts of
//! references are what they are. [`Runtime::entry_ways`] has the ways. docs/decisions/0008-entries.md says why.

use heaplake_model::{ChainRule, EntryStep, EntryWay, PartRule, Runtime, SlotRule};
use heaplake_pathql::{Edge, Filter, Group, Item, Label, LabelTerm, Node, Query, Span, Term, TermKind, Way};
use heaplake_store::Dump;

use super::{
    compile::{Names, literal},
    slots::SlotFinder,
};
use crate::Result;

/// What the label of an arrow asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'l> {
    Key(&'l str),
    Index(u32),
    Any,
}

/// Rewrites the arrows whose label asks for an entry.
pub(super) fn rewrite(query: &mut Query, names: &Names<'_>) -> Result<()> {
    if names.manifest.runtime().entry_ways().is_empty() {
        return Ok(());
    }
    let mut waiting: Vec<&mut Vec<Item>> = vec![&mut query.pattern];
    while let Some(items) = waiting.pop() {
        for item in items {
            match item {
                Item::Edge(edge) => {
                    if let Some(group) = entries(edge, names)? {
                        *item = Item::Group(group);
                    }
                }
                Item::Group(group) => waiting.extend(&mut group.alternatives),
                Item::Node(_) => {}
            }
        }
    }
    Ok(())
}

/// The alternatives that an arrow stands for; `None` if it asks for no entry.
fn entries(edge: &Edge, names: &Names<'_>) -> Result<Option<Group>> {
    let Some(label) = &edge.label else { return Ok(None) };
    let asked: Vec<Asked<'_>> = label.terms.iter().filter_map(asked).collect();
    if asked.is_empty() {
        return Ok(None);
    }
    let runtime = names.manifest.runtime();
    let mut alternatives = vec![vec![Item::Edge(edge.clone())]];
    for asked in asked {
        let maker = Maker { asked, span: &edge.span, names, dump: names.manifest, runtime };
        for way in runtime.entry_ways() {
            alternatives.extend(maker.way(way)?);
        }
    }
    if edge.way == Way::Up {
        alternatives.iter_mut().skip(1).for_each(|items| mirror(items));
    }
    Ok(Some(Group { alternatives, min: 1, max: Some(1), span: edge.span.clone() }))
}

fn asked(term: &LabelTerm) -> Option<Asked<'_>> {
    match term {
        LabelTerm::Exact(text) => {
            let inside = text.strip_prefix('[')?.strip_suffix(']')?;
            let key = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
            key.map(Asked::Key).or_else(|| Some(Asked::Index(inside.parse().ok()?)))
        }
        LabelTerm::Glob(text) => (text == "[*]").then_some(Asked::Any),
        LabelTerm::Regex(_) => None,
    }
}

/// Turns items round, and those of groups in them; groups of ways are not nested.
fn mirror(items: &mut [Item]) {
    items.reverse();
    for item in items {
        match item {
            Item::Edge(edge) => edge.way = Way::Up,
            Item::Group(group) => group.alternatives.iter_mut().for_each(|items| {
                items.reverse();
                for item in items {
                    if let Item::Edge(edge) = item {
                        edge.way = Way::Up;
                    }
                }
            }),
            Item::Node(_) => {}
        }
    }
}

/// Makes the items of ways for one label.
struct Maker<'m> {
    asked: Asked<'m>,
    span: &'m Span,
    names: &'m Names<'m>,
    dump: &'m Dump,
    runtime: &'m Runtime,
}

impl Maker<'_> {
    /// The items of a way, from the collection to the arrow to the value; `None` if it has nothing of the kind.
    fn way(&self, way: &EntryWay) -> Result<Option<Vec<Item>>> {
        let fits = match self.asked {
            Asked::Key(_) => way.keys,
            Asked::Index(_) => way.indexes,
            Asked::Any => true,
        };
        if !fits {
            return Ok(None);
        }
        let wrappers = self.runtime.entry_wrappers().iter().filter(|(types, _)| self.has_one_of(types));
        let wrapped: Vec<_> =
            wrappers.map(|(types, labels)| vec![self.object(types, None), self.hop(labels)]).collect();
        let mut items = Vec::new();
        if !wrapped.is_empty() {
            items.push(self.group(wrapped, 0, None));
        }
        let Some(steps) = self.steps(way.steps)? else { return Ok(None) };
        items.extend(steps);
        Ok(Some(items))
    }

    fn has_one_of(&self, types: &[&str]) -> bool {
        self.dump.types.iter().any(|stat| types.contains(&stat.name.as_str()))
    }

    /// The items of some steps; `None` where the dump has no such objects.
    fn steps(&self, steps: &[EntryStep]) -> Result<Option<Vec<Item>>> {
        let mut items = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            items.push(match step {
                EntryStep::Object(types) if !self.has_one_of(types) => return Ok(None),
                EntryStep::Object(types) => {
                    let keys = match (steps.get(i + 1), self.asked) {
                        (Some(EntryStep::Keyed(labels)), Asked::Key(key)) => Some((*labels, key)),
                        _ => None,
                    };
                    self.object(types, keys)
                }
                EntryStep::Keyed(_) => continue,
                EntryStep::Hop(labels) => self.hop(labels),
                EntryStep::Index => match self.asked {
                    Asked::Index(index) => self.hop(&[&format!("[{index}]")]),
                    Asked::Key(_) | Asked::Any => self.hop(&["[*]"]),
                },
                EntryStep::Field(labels) => match self.asked {
                    Asked::Index(index) => match labels.get(index as usize) {
                        Some(label) => self.hop(&[label]),
                        None => return Ok(None),
                    },
                    Asked::Key(_) | Asked::Any => self.hop(labels),
                },
                EntryStep::Slot(rule) => match self.slots(steps, *rule)? {
                    Some(group) => group,
                    None => return Ok(None),
                },
                EntryStep::Repeated(steps) => match self.steps(steps)? {
                    Some(items) => self.group(vec![items], 0, None),
                    None => continue,
                },
                EntryStep::Nth(rule) => match self.nth(rule)? {
                    Some(node) => node,
                    None => return Ok(None),
                },
                EntryStep::Part(rule) => match self.part(rule)? {
                    Some(group) => group,
                    None => return Ok(None),
                },
                EntryStep::Times { steps, max } => {
                    let (min, max) = match self.asked {
                        Asked::Index(index) if index > *max => return Ok(None),
                        Asked::Index(0) => continue,
                        Asked::Index(index) => (index, Some(index)),
                        Asked::Key(_) | Asked::Any => (0, None),
                    };
                    let Some(items) = self.steps(steps)? else { return Ok(None) };
                    self.group(vec![items], min, max)
                }
            });
        }
        Ok(Some(items))
    }

    /// The references of certain arrays of the collections with which the steps begin; `None` where there are no such.
    fn slots(&self, steps: &[EntryStep], rule: SlotRule) -> Result<Option<Item>> {
        let Some(EntryStep::Object(types)) = steps.first() else { return Ok(None) };
        let Some(finder) = SlotFinder::new(self.names)? else { return Ok(None) };
        let slots = finder.find(types, rule, self.asked)?;
        let alternatives: Vec<_> = slots
            .into_iter()
            .map(|(position, arrays)| vec![self.objects(&arrays), self.hop(&[&format!("[{position}]")])])
            .collect();
        Ok((!alternatives.is_empty()).then(|| self.group(alternatives, 1, Some(1))))
    }

    /// The nodes of chains that have the value at the index; `None` where there are no such.
    fn nth(&self, rule: &ChainRule) -> Result<Option<Item>> {
        let Asked::Index(index) = self.asked else { return Ok(None) };
        if index < rule.from || !self.has_one_of(rule.nodes) {
            return Ok(None);
        }
        let Some(finder) = SlotFinder::new(self.names)? else { return Ok(None) };
        let nodes = finder.nth(rule, index)?;
        Ok((!nodes.is_empty()).then(|| self.objects(&nodes)))
    }

    /// From parts of lists to the elements at the index; `None` where there are no such.
    fn part(&self, rule: &PartRule) -> Result<Option<Item>> {
        let Asked::Index(index) = self.asked else { return Ok(None) };
        if !self.has_one_of(rule.types) {
            return Ok(None);
        }
        let Some(finder) = SlotFinder::new(self.names)? else { return Ok(None) };
        let alternatives: Vec<_> = finder
            .parts(rule, index)?
            .into_iter()
            .map(|(position, parts)| {
                let element = format!("[{position}]");
                vec![
                    self.objects(&parts),
                    self.hop(&[rule.list]),
                    self.hop(rule.arrays),
                    self.hop(&[&element]),
                ]
            })
            .collect();
        Ok((!alternatives.is_empty()).then(|| self.group(alternatives, 1, Some(1))))
    }

    /// One of some objects.
    fn objects(&self, addresses: &[u64]) -> Item {
        let term = |address: &u64| Term { kind: TermKind::Address(*address), span: self.span.clone() };
        let terms = addresses.iter().map(term).collect();
        Item::Node(Node { name: None, terms, filter: None, span: self.span.clone() })
    }

    /// An object of one of these types, whose reference by one of these labels is to an object with this value.
    fn object(&self, types: &[&str], key: Option<(&[&str], &str)>) -> Item {
        let names: Vec<String> = types.iter().map(|name| regex::escape(name)).collect();
        // A regular expression: a type of the JDK that the dump does not have is not a slip of the user's.
        let kind = TermKind::Regex(format!("^(?:{})$", names.join("|")));
        let filter = key.map(|(labels, key)| {
            let is_key = labels.iter().map(|label| {
                let field = literal(label.trim_start_matches('.'));
                format!("field_value(address, {field}, dump) = {}", literal(key))
            });
            let text = is_key.collect::<Vec<_>>().join(" OR ");
            Filter { text, span: self.span.clone() }
        });
        let term = Term { kind, span: self.span.clone() };
        Item::Node(Node { name: None, terms: vec![term], filter, span: self.span.clone() })
    }

    fn hop(&self, labels: &[&str]) -> Item {
        let terms: Vec<LabelTerm> = labels
            .iter()
            .map(|label| match label.contains('*') {
                true => LabelTerm::Glob((*label).to_owned()),
                false => LabelTerm::Exact((*label).to_owned()),
            })
            .collect();
        let label = (!terms.is_empty()).then(|| Label { terms, span: self.span.clone() });
        Item::Edge(Edge { way: Way::Down, min: 1, max: Some(1), label, span: self.span.clone() })
    }

    fn group(&self, alternatives: Vec<Vec<Item>>, min: u32, max: Option<u32>) -> Item {
        Item::Group(Group { alternatives, min, max, span: self.span.clone() })
    }
}
