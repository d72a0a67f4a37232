//! A pattern for one dump: types by name, tests as SQL where they need it, and the automaton over them.

use heaplake_graph::{BitSet, Walk, search::Transition};
use heaplake_model::is_type_meant;
use heaplake_pathql::{
    Automaton, EdgeTest, Filter, Item, Label, LabelTerm, Node, Query, Selector, Span, Term, TermKind, Way,
    parse,
};
use heaplake_store::Dump;
use regex::Regex;

use crate::{
    Error, Result,
    address::with_plain_addresses,
    error::Thing,
    graph::check_is_one_expression,
    mistake,
    type_names::{is_glob_for, nearest_types},
};

/// A query, resolved against the types of a dump.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) selector: Selector,
    pub(crate) tests: Vec<NodeTest>,
    pub(crate) except: Vec<NodeTest>,
    pub(crate) except_edges: Vec<EdgeRule>,
    /// Predicates in SQL over the column `label`.
    pub(crate) labels: Vec<String>,
    pub(crate) hops: Vec<Hop>,
    pub(crate) starts: Vec<Transition>,
    pub(crate) next: Vec<Vec<Transition>>,
    /// The test that PER names.
    pub(crate) per: Option<u32>,
    /// Most hops.
    pub(crate) within: Option<u32>,
    pub(crate) limit: Option<u64>,
    /// The tests that the last object of a path must pass: one of these.
    pub(crate) last: Vec<Vec<u32>>,
}

/// A test of objects.
#[derive(Debug, Clone)]
pub(crate) struct NodeTest {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) name: Option<String>,
    /// Types that pass, as positions in the manifest's list.
    pub(crate) types: BitSet,
    pub(crate) any: bool,
    pub(crate) roots: bool,
    pub(crate) addresses: Vec<u64>,
    /// The types that it names, each with whether it was written in quotes and so is the whole name; `None` if it asks for
    /// something else, too.
    pub(crate) names: Option<Vec<(String, bool)>>,
    /// A predicate in SQL over `obj`.
    pub(crate) filter: Option<String>,
}

/// References of EXCEPT EDGES.
#[derive(Debug, Clone)]
pub(crate) enum EdgeRule {
    Hop {
        parent: Option<Box<NodeTest>>,
        label: Option<String>,
        child: Option<Box<NodeTest>>,
    },
    /// A predicate in SQL over `edge`.
    Filter(String),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) way: Walk,
    pub(crate) label: Option<usize>,
}

/// What rows a query gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathShape {
    /// Paths, hop by hop.
    Paths,
    /// Objects.
    Objects,
    /// Totals of types.
    Types,
}

impl From<Selector> for PathShape {
    fn from(selector: Selector) -> Self {
        match selector {
            Selector::AnyShortest | Selector::Shortest(_) | Selector::AllShortest | Selector::AllAcyclic => {
                PathShape::Paths
            }
            Selector::Reach | Selector::Dominated => PathShape::Objects,
            Selector::Types => PathShape::Types,
        }
    }
}

/// What rows a pattern gives; an error where it is none.
pub fn path_shape(text: &str) -> Result<PathShape> {
    let query = parse(text).map_err(|error| of_pattern(text, &error))?;
    Ok(query.selector.into())
}

/// Of a pattern whose answer is one path to one of several objects: how to ask for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestOfPaths {
    /// What the paths lead to, as it is written.
    pub what: String,
    /// The pattern that gives a path to each.
    pub pattern: String,
}

/// How to ask for the paths to the other objects; `None` if the pattern asks for more than one path already, or does not end
/// with an object that can be named.
pub fn rest_of_paths(text: &str) -> Option<RestOfPaths> {
    let mut query = parse(text).ok()?;
    let is_one = query.selector == Selector::AnyShortest && query.per.is_none() && query.limit.is_none();
    let Some(Item::Node(node)) = query.pattern.last_mut().filter(|_| is_one) else { return None };
    let what = Node { name: None, filter: None, ..node.clone() }.to_string();
    let name = node.name.get_or_insert_with(|| "x".to_owned()).clone();
    query.per = Some((name, Span::default()));
    let pattern = query.to_string();
    let pattern = pattern.strip_prefix("ANY SHORTEST ").unwrap_or(&pattern).to_owned();
    parse(&pattern).ok().map(|_| RestOfPaths { what, pattern })
}

/// The parts of a dump that names are looked up in.
pub(crate) struct Names<'n> {
    pub(crate) manifest: &'n Dump,
    /// All dumps of the lake.
    pub(crate) lake: &'n crate::snapshot::Snapshot,
}

impl Compiled {
    /// Asks for the shortest path to each object that may be at the end, if it asks for one path alone.
    pub(super) fn for_each_end(&mut self) {
        if self.selector == Selector::AnyShortest && self.per.is_none() {
            self.per = self.end();
        }
    }

    /// The test that alone decides what is at the end; `None` if several do.
    pub(super) fn end(&self) -> Option<u32> {
        match self.last.as_slice() {
            [tests] => tests.first().copied(),
            _ => None,
        }
    }

    /// Reads a pattern and resolves it.
    pub(crate) fn new(text: &str, names: &Names<'_>) -> Result<Self> {
        let explain = |error: heaplake_pathql::Error| of_pattern(text, &error);
        let mut query = parse(text).map_err(explain)?;
        super::entries::rewrite(&mut query, names)?;
        let automaton = Automaton::new(&query).map_err(explain)?;
        let resolving = Resolving { text, names };
        resolving.query(&query, &automaton)
    }

    /// The state that accepts.
    pub(crate) fn accept(&self) -> u32 {
        self.hops.len() as u32
    }

    pub(crate) fn shape(&self) -> PathShape {
        self.selector.into()
    }

    /// The same without EXCEPT and EXCEPT EDGES.
    pub(crate) fn without_except(&self) -> Self {
        Self { except: Vec::new(), except_edges: Vec::new(), ..self.clone() }
    }
}

impl NodeTest {
    /// The test as SQL over `obj`; `names` are those of the types.
    pub(crate) fn sql(&self, manifest: &Dump) -> String {
        let mut terms = Vec::new();
        if self.any {
            terms.push("true".to_owned());
        } else {
            let types: Vec<String> =
                self.types.iter().map(|rank| literal(&manifest.types[rank].name)).collect();
            if !types.is_empty() {
                terms.push(format!("type IN ({})", types.join(", ")));
            }
            if self.roots {
                // Null is not unequal either. A path from garbage would explain nothing.
                terms.push("root_kind <> 'garbage'".to_owned());
            }
            if !self.addresses.is_empty() {
                let addresses: Vec<String> = self.addresses.iter().map(u64::to_string).collect();
                terms.push(format!("address IN ({})", addresses.join(", ")));
            }
        }
        let terms = match terms.as_slice() {
            [] => "false".to_owned(),
            [one] => one.clone(),
            several => format!("({})", several.join(" OR ")),
        };
        match &self.filter {
            None => terms,
            Some(filter) if terms == "true" => format!("({filter})"),
            Some(filter) => format!("{terms} AND ({filter})"),
        }
    }

    /// What a predicate may call the object.
    pub(crate) fn alias(&self) -> String {
        mistake::quoted(self.name.as_deref().unwrap_or("object"))
    }
}

/// Text as a literal in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A mistake in a pattern, with its place.
pub(crate) fn of_pattern(text: &str, error: &heaplake_pathql::Error) -> Error {
    let mistake = spanned(text, &error.span, &error.what);
    match &error.hint {
        Some(hint) => mistake.with_hint(&mistake::escape(hint)),
        None => mistake,
    }
}

/// An error with the place in the pattern.
pub(crate) fn spanned(text: &str, span: &Span, message: &str) -> Error {
    Error::query(mistake::escape(message)).at(text, span.clone())
}

struct Resolving<'r> {
    text: &'r str,
    names: &'r Names<'r>,
}

impl Resolving<'_> {
    fn query(&self, query: &Query, automaton: &Automaton<'_>) -> Result<Compiled> {
        let mut tests = Vec::new();
        for node in &automaton.tests {
            tests.push(self.node(node)?);
        }
        let mut labels = Vec::new();
        for label in &automaton.labels {
            labels.push(self.label(label)?);
        }
        let mut except = Vec::new();
        for node in &query.except {
            except.push(self.node(node)?);
        }
        let mut except_edges = Vec::new();
        for edge in &query.except_edges {
            except_edges.push(self.edge(edge)?);
        }
        let transitions = |transitions: &[heaplake_pathql::Transition]| -> Vec<Transition> {
            let tests = |tests: &[usize]| tests.iter().map(|test| *test as u32).collect();
            let resolved =
                transitions.iter().map(|one| Transition { tests: tests(&one.tests), to: one.to as u32 });
            resolved.collect()
        };
        let hops = automaton.hops.iter().map(|hop| Hop {
            way: match hop.way {
                Way::Down => Walk::Down,
                Way::Up => Walk::Up,
            },
            label: hop.label,
        });
        let per = query
            .per_node()
            .and_then(|node| automaton.tests.iter().position(|test| std::ptr::eq(*test, node)));
        let starts = transitions(&automaton.starts);
        let next: Vec<Vec<Transition>> = automaton.next.iter().map(|next| transitions(next)).collect();
        let accept = automaton.accept() as u32;
        let mut last: Vec<Vec<u32>> = next
            .iter()
            .flatten()
            .chain(&starts)
            .filter(|transition| transition.to == accept)
            .map(|transition| transition.tests.clone())
            .collect();
        last.sort_unstable();
        last.dedup();
        Ok(Compiled {
            text: self.text.to_owned(),
            selector: query.selector,
            tests,
            except,
            except_edges,
            labels,
            hops: hops.collect(),
            starts,
            next,
            per: per.map(|test| test as u32),
            within: query.within,
            limit: query.limit,
            last,
        })
    }

    fn error(&self, span: &Span, message: &str) -> Error {
        spanned(self.text, span, message)
    }

    fn node(&self, node: &Node) -> Result<NodeTest> {
        let n_types = self.names.manifest.types.len();
        let mut test = NodeTest {
            text: node.to_string(),
            name: node.name.clone(),
            types: BitSet::new(n_types),
            any: false,
            roots: false,
            addresses: Vec::new(),
            names: Some(Vec::new()),
            filter: None,
        };
        for term in &node.terms {
            match (&term.kind, &mut test.names) {
                (TermKind::Type(name), Some(names)) => names.push((name.clone(), false)),
                (TermKind::Exact(name), Some(names)) => names.push((name.clone(), true)),
                _ => test.names = None,
            }
            match &term.kind {
                TermKind::Any => {
                    test.any = true;
                    test.types = BitSet::of(n_types, 0..n_types);
                }
                TermKind::Root => test.roots = true,
                TermKind::Address(address) => test.addresses.push(*address),
                TermKind::Shell(name) => {
                    let message =
                        format!("{name} is a name of the shell, and there is none here; write @ADDRESS");
                    return Err(self.error(&term.span, &message));
                }
                _ => {
                    test.types.unite(self.types(term)?.view());
                }
            }
        }
        if let Some(filter) = &node.filter {
            test.filter = Some(self.predicate(filter)?);
        }
        Ok(test)
    }

    fn predicate(&self, filter: &Filter) -> Result<String> {
        let predicate = with_plain_addresses(&filter.text);
        check_is_one_expression(&predicate).map_err(|error| {
            let what = mistake::syntax_message(&error);
            self.error(&filter.span, &format!("the predicate is not valid SQL: {what}"))
        })?;
        Ok(predicate.into_owned())
    }

    /// The types that a term is for. None is an error where it looks like a slip of the pen.
    fn types(&self, term: &Term) -> Result<BitSet> {
        let regex = match &term.kind {
            TermKind::Regex(regex) => Some(self.regex(regex, &term.span)?),
            _ => None,
        };
        let passes = |name: &str| match &term.kind {
            TermKind::Type(wanted) => is_type_meant(wanted, name),
            TermKind::Exact(wanted) => name == wanted,
            TermKind::Glob(glob) => is_glob_for(glob, name),
            TermKind::Regex(_) => regex.as_ref().is_some_and(|regex| regex.is_match(name)),
            _ => false,
        };
        let types = &self.names.manifest.types;
        let ranks = types.iter().enumerate().filter(|(_, stat)| passes(&stat.name)).map(|(rank, _)| rank);
        let found = BitSet::of(types.len(), ranks);
        let (TermKind::Type(wanted) | TermKind::Exact(wanted)) = &term.kind else { return Ok(found) };
        if found.is_empty() && !self.names.lake.has_type(passes)? {
            let near = nearest_types(wanted, matches!(term.kind, TermKind::Exact(_)), self.names.manifest);
            if !near.is_empty() {
                let what = format!("dump {} has no type {}", self.names.manifest.id, mistake::escape(wanted));
                return Err(
                    Error::not_found(Thing::Type, wanted, what, &near).at(self.text, term.span.clone())
                );
            }
        }
        Ok(found)
    }

    fn regex(&self, text: &str, span: &Span) -> Result<Regex> {
        Regex::new(text).map_err(|error| {
            let what = error.to_string();
            let what = what.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            self.error(span, &format!("the regular expression is wrong: {what}"))
        })
    }

    fn label(&self, label: &Label) -> Result<String> {
        let mut terms = Vec::new();
        for term in &label.terms {
            terms.push(match term {
                LabelTerm::Exact(text) => format!("label = {}", literal(text)),
                LabelTerm::Glob(glob) => {
                    let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
                    format!("regexp_like(label, {})", literal(&format!("^(?s:{})$", parts.join(".*"))))
                }
                LabelTerm::Regex(text) => {
                    self.regex(text, &label.span)?;
                    format!("regexp_like(label, {})", literal(text))
                }
            });
        }
        Ok(format!("({})", terms.join(" OR ")))
    }

    fn edge(&self, edge: &EdgeTest) -> Result<EdgeRule> {
        match edge {
            EdgeTest::Filter(filter) => Ok(EdgeRule::Filter(self.predicate(filter)?)),
            EdgeTest::Hop { parent, label, child, .. } => Ok(EdgeRule::Hop {
                parent: parent.as_ref().map(|node| self.node(node).map(Box::new)).transpose()?,
                label: label.as_ref().map(|label| self.label(label)).transpose()?,
                child: child.as_ref().map(|node| self.node(node).map(Box::new)).transpose()?,
            }),
        }
    }
}
