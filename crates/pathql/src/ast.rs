//! A query as it was written, with the span of each part.
//!
//! `Display` writes it in a normal form: optional nodes as groups, defaults spelled out.

use std::{fmt, ops::Range};

/// Bytes of the pattern's text.
pub type Span = Range<usize>;

/// The words that begin a clause after a pattern.
pub(crate) const CLAUSES: [&str; 4] = ["except", "per", "within", "limit"];

/// A whole query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is asked of the matches.
    pub selector: Selector,
    /// What is to match, from the first object to the last.
    pub pattern: Vec<Item>,
    /// Objects that are on no path.
    pub except: Vec<Node>,
    /// References that no path takes.
    pub except_edges: Vec<EdgeTest>,
    /// The name of a node: there is one answer for each object that it matches.
    pub per: Option<(String, Span)>,
    /// The maximum number of hops.
    pub within: Option<u32>,
    /// The maximum number of paths or rows.
    pub limit: Option<u64>,
}

/// What is asked of the matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// One path of the fewest hops.
    AnyShortest,
    /// The first k paths by hops.
    Shortest(u32),
    /// All paths of the fewest hops.
    AllShortest,
    /// All paths that pass no object twice.
    AllAcyclic,
    /// The objects at the ends of the paths.
    Reach,
    /// The objects that only the objects at the ends keep alive.
    Dominated,
    /// The objects at the ends by hops and type.
    Types,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A test of an object.
    Node(Node),
    /// Hops to other objects.
    Edge(Edge),
    /// Parts that belong together.
    Group(Group),
}

/// A test of an object: it passes one of the terms, and the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in rows and in PER.
    pub name: Option<String>,
    /// At least one.
    pub terms: Vec<Term>,
    /// A predicate in SQL.
    pub filter: Option<Filter>,
    /// Where it is written.
    pub span: Span,
}

/// One way to pass a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What passes.
    pub kind: TermKind,
    /// Where it is written.
    pub span: Span,
}

/// What passes a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermKind {
    /// A root of any kind.
    Root,
    /// Any object.
    Any,
    /// A type of this name, or one whose name ends in a dot and this.
    Type(String),
    /// The type of exactly this name.
    Exact(String),
    /// A type whose name, or the part after its last dot, matches a glob.
    Glob(String),
    /// A type in whose name a regular expression is found.
    Regex(String),
    /// The object at this address.
    Address(u64),
    /// A reference that only the shell can resolve: `$name`, `#2.5`.
    Shell(String),
}

/// The text of a predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// SQL, not checked here.
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

/// Which way a hop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From an object to one that it refers to.
    Down,
    /// From an object to one that refers to it.
    Up,
}

/// Hops from one object to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which way.
    pub way: Way,
    /// The minimum number of hops.
    pub min: u32,
    /// The maximum number of hops; `None` if there is none.
    pub max: Option<u32>,
    /// The label of the references; an edge with a label is one hop.
    pub label: Option<Label>,
    /// Where it is written.
    pub span: Span,
}

/// A test of a reference's label: it passes one of the terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// At least one.
    pub terms: Vec<LabelTerm>,
    /// Where it is written.
    pub span: Span,
}

/// One way to pass a label test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelTerm {
    /// This label.
    Exact(String),
    /// A label that matches a glob.
    Glob(String),
    /// A label in which a regular expression is found.
    Regex(String),
}

/// Alternatives, repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// At least one, and each of them has items.
    pub alternatives: Vec<Vec<Item>>,
    /// The minimum number of repetitions.
    pub min: u32,
    /// The maximum number of repetitions; `None` if there is none.
    pub max: Option<u32>,
    /// Where it is written.
    pub span: Span,
}

/// References of EXCEPT EDGES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeTest {
    /// From one object to another, through a label. A missing part matches everything.
    Hop {
        /// What refers.
        parent: Option<Box<Node>>,
        /// Which of its references.
        label: Option<Label>,
        /// What is referred to.
        child: Option<Box<Node>>,
        /// Where it is written.
        span: Span,
    },
    /// A predicate in SQL over `edge`.
    Filter(Filter),
}

impl Query {
    /// The node that PER names.
    pub fn per_node(&self) -> Option<&Node> {
        let (name, _) = self.per.as_ref()?;
        let mut waiting: Vec<&Item> = self.pattern.iter().collect();
        while let Some(item) = waiting.pop() {
            match item {
                Item::Node(node) if node.name.as_ref() == Some(name) => return Some(node),
                Item::Group(group) => waiting.extend(group.alternatives.iter().flatten()),
                Item::Node(_) | Item::Edge(_) => {}
            }
        }
        None
    }

    /// The types that an answer must contain, as they are written: those of nodes that are not optional, each with whether it
    /// was written in quotes and so must have exactly this name.
    pub fn required_types(&self) -> Vec<(&str, bool)> {
        let mut types = Vec::new();
        let mut waiting: Vec<&Item> = self.pattern.iter().rev().collect();
        while let Some(item) = waiting.pop() {
            match item {
                Item::Node(node) => types.extend(node.terms.iter().filter_map(|term| match &term.kind {
                    TermKind::Type(name) => Some((name.as_str(), false)),
                    TermKind::Exact(name) => Some((name.as_str(), true)),
                    _ => None,
                })),
                Item::Group(group) if group.min > 0 => {
                    waiting.extend(group.alternatives.iter().rev().flat_map(|items| items.iter().rev()));
                }
                Item::Group(_) | Item::Edge(_) => {}
            }
        }
        types
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.selector, Items(&self.pattern))?;
        for (i, node) in self.except.iter().enumerate() {
            write!(f, "{}{node}", if i == 0 { " EXCEPT " } else { ", " })?;
        }
        for (i, edge) in self.except_edges.iter().enumerate() {
            write!(f, "{}{edge}", if i == 0 { " EXCEPT EDGES " } else { ", " })?;
        }
        if let Some((name, _)) = &self.per {
            write!(f, " PER {name}")?;
        }
        if let Some(n) = self.within {
            write!(f, " WITHIN {n}")?;
        }
        if let Some(n) = self.limit {
            write!(f, " LIMIT {n}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::AnyShortest => f.write_str("ANY SHORTEST"),
            Selector::Shortest(k) => write!(f, "SHORTEST {k}"),
            Selector::AllShortest => f.write_str("ALL SHORTEST"),
            Selector::AllAcyclic => f.write_str("ALL ACYCLIC"),
            Selector::Reach => f.write_str("REACH"),
            Selector::Dominated => f.write_str("DOMINATED"),
            Selector::Types => f.write_str("TYPES"),
        }
    }
}

struct Items<'i>(&'i [Item]);

impl fmt::Display for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let after_node = i > 0 && matches!(self.0[i - 1], Item::Node(_));
            let after_group = i > 0 && matches!(self.0[i - 1], Item::Group(_));
            match item {
                // Two adjacent nodes would be read as one without an arrow, and a type named like a clause as the clause.
                Item::Node(node)
                    if node.is_bare() && (after_node || after_group && node.is_like_clause()) =>
                {
                    write!(f, "{space}({node})")?;
                }
                Item::Node(node) => write!(f, "{space}{node}")?,
                Item::Edge(edge) => write!(f, "{space}{edge}")?,
                Item::Group(group) => write!(f, "{space}{group}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, items) in self.alternatives.iter().enumerate() {
            f.write_str(if i == 0 { "(" } else { " | " })?;
            match items.as_slice() {
                // `A | B` would be read as one object of either type.
                [before @ .., Item::Node(node)] if node.is_bare() && self.alternatives.len() > 1 => {
                    let space = if before.is_empty() { "" } else { " " };
                    write!(f, "{}{space}({node})", Items(before))?;
                }
                items => write!(f, "{}", Items(items))?,
            }
        }
        match (self.min, self.max) {
            (1, Some(1)) => f.write_str(")"),
            (0, Some(1)) => f.write_str(")?"),
            (0, None) => f.write_str(")*"),
            (1, None) => f.write_str(")+"),
            (min, max) => write!(f, "){}", Braces(min, max)),
        }
    }
}

impl Node {
    /// Whether it begins with a word that begins a clause.
    fn is_like_clause(&self) -> bool {
        let like = |name: &str| CLAUSES.iter().any(|clause| name.eq_ignore_ascii_case(clause));
        matches!(self.terms.first(), Some(Term { kind: TermKind::Type(name), .. }) if like(name))
    }

    /// Whether it is written without parentheses.
    fn is_bare(&self) -> bool {
        self.name.is_none() && self.filter.is_none()
    }
}

struct Braces(u32, Option<u32>);

impl fmt::Display for Braces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (min, Some(max)) if min == max => write!(f, "{{{min}}}"),
            (min, Some(max)) => write!(f, "{{{min},{max}}}"),
            (min, None) => write!(f, "{{{min},}}"),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parens = !self.is_bare();
        if parens {
            f.write_str("(")?;
        }
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        for (i, term) in self.terms.iter().enumerate() {
            write!(f, "{}{term}", if i == 0 { "" } else { "|" })?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {}", filter.text)?;
        }
        if parens { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TermKind::Root => f.write_str("root"),
            TermKind::Any => f.write_str("*"),
            TermKind::Type(name) | TermKind::Glob(name) | TermKind::Shell(name) => f.write_str(name),
            TermKind::Exact(name) => write!(f, "\"{}\"", name.replace('"', "\"\"")),
            TermKind::Regex(regex) => write!(f, "/{}/", regex.replace('/', "\\/")),
            TermKind::Address(address) => write!(f, "@{address:#x}"),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tail, head) = match self.way {
            Way::Down => ("", ">"),
            Way::Up => ("<", ""),
        };
        match (&self.label, self.min, self.max) {
            (Some(label), ..) => write!(f, "{tail}-{label}-{head}"),
            (None, 1, Some(1)) => write!(f, "{tail}-{head}"),
            (None, 1, None) => write!(f, "{tail}..{head}"),
            (None, min, max) => write!(f, "{tail}..{}{head}", Braces(min, max)),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let or = if i == 0 { "" } else { "|" };
            match term {
                LabelTerm::Exact(label) => write!(f, "{or}\"{}\"", label.replace('"', "\"\""))?,
                LabelTerm::Glob(glob) => write!(f, "{or}{glob}")?,
                LabelTerm::Regex(regex) => write!(f, "{or}/{}/", regex.replace('/', "\\/"))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for EdgeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EdgeTest::Hop { parent, label, child, .. } => {
                if let Some(parent) = parent {
                    write!(f, "{parent} ")?;
                }
                match label {
                    Some(label) => write!(f, "-{label}->")?,
                    None => f.write_str("->")?,
                }
                match child {
                    Some(child) => write!(f, " {child}"),
                    None => Ok(()),
                }
            }
            EdgeTest::Filter(filter) => write!(f, "(WHERE {})", filter.text),
        }
    }
}
