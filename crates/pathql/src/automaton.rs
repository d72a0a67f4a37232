//! A pattern to an automaton over objects.
//!
//! The construction is Glushkov's (1961), with hops as the letters: a state is a hop that is about to be taken, so there
//! are no empty moves. Node tests lie on the arcs between states: an object in state `s` has passed all tests before
//! hop `s`. A repetition with bounds is written out; one without is a loop. States and arcs are counted, so that
//! `((A ->){1000}){1000}` is an error and not a machine without memory.

use std::{collections::BTreeSet, fmt};

use crate::{Edge, Error, Group, Item, Label, Node, Query, Span, TermKind, Way};

/// Most states and most arcs.
const MAX_STATES: usize = 50_000;
const MAX_ARCS: usize = 1_000_000;

/// What a query's pattern became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automaton<'q> {
    /// The tests of objects, by the number that arcs call them.
    pub tests: Vec<&'q Node>,
    /// The labels, by the number that hops call them.
    pub labels: Vec<&'q Label>,
    /// The hop of each state. One more state, numbered like their count, accepts.
    pub hops: Vec<Hop>,
    /// Where a path may begin.
    pub starts: Vec<Arc>,
    /// By state, where its hop leads.
    pub next: Vec<Vec<Arc>>,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Which way.
    pub way: Way,
    /// Number of the label test; none for any reference.
    pub label: Option<usize>,
    /// Where it is written.
    pub span: Span,
}

/// To a state, for an object that passes all of the tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arc {
    /// Numbers of tests, ascending.
    pub tests: Vec<usize>,
    /// The state.
    pub to: usize,
}

impl<'q> Automaton<'q> {
    /// Builds the automaton of a query's pattern. O(states + arcs).
    pub fn new(query: &'q Query) -> Result<Self, Error> {
        let mut building = Building::default();
        let whole = building.sequence(&query.pattern)?;
        let accept = building.hops.len();
        let Building { tests, labels, hops, mut arcs, .. } = building;
        let mut starts: BTreeSet<Arc> =
            whole.firsts.into_iter().map(|(tests, to)| Arc { tests, to }).collect();
        starts.extend(whole.empty.into_iter().map(|tests| Arc { tests, to: accept }));
        arcs.extend(whole.lasts.into_iter().map(|(from, tests)| (from, Arc { tests, to: accept })));
        arcs.sort_unstable();
        arcs.dedup();
        let mut next = vec![Vec::new(); accept];
        for (from, arc) in arcs {
            next[from].push(arc);
        }
        Ok(Self { tests, labels, hops, starts: starts.into_iter().collect(), next })
    }

    /// The state that accepts.
    pub fn accept(&self) -> usize {
        self.hops.len()
    }
}

/// A part of a pattern: how it begins, how it ends, and how it may match nothing but tests.
#[derive(Default)]
struct Fragment {
    /// Tests, then the hop.
    firsts: Vec<(Vec<usize>, usize)>,
    /// The hop, then tests.
    lasts: Vec<(usize, Vec<usize>)>,
    /// Tests without any hop.
    empty: BTreeSet<Vec<usize>>,
}

#[derive(Default)]
struct Building<'q> {
    tests: Vec<&'q Node>,
    labels: Vec<&'q Label>,
    hops: Vec<Hop>,
    arcs: Vec<(usize, Arc)>,
}

impl<'q> Building<'q> {
    /// The number of a test; the same place in the pattern has the same number in every repetition.
    fn test(&mut self, node: &'q Node) -> usize {
        number_of(&mut self.tests, node)
    }

    fn hop(&mut self, edge: &'q Edge) -> Result<usize, Error> {
        if self.hops.len() >= MAX_STATES {
            return Err(too_large(&edge.span));
        }
        let label = edge.label.as_ref().map(|label| number_of(&mut self.labels, label));
        self.hops.push(Hop { way: edge.way, label, span: edge.span.clone() });
        Ok(self.hops.len() - 1)
    }

    fn connect(
        &mut self,
        lasts: &[(usize, Vec<usize>)],
        firsts: &[(Vec<usize>, usize)],
    ) -> Result<(), Error> {
        if self.arcs.len().saturating_add(lasts.len().saturating_mul(firsts.len())) > MAX_ARCS {
            let span = lasts.first().map_or(0..0, |(hop, _)| self.hops[*hop].span.clone());
            return Err(too_large(&span));
        }
        for (from, before) in lasts {
            for (after, to) in firsts {
                let tests = joined(before, after);
                self.arcs.push((*from, Arc { tests, to: *to }));
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &'q Item) -> Result<Fragment, Error> {
        match item {
            Item::Node(node) => {
                let tests = if node.tests_nothing() { Vec::new() } else { vec![self.test(node)] };
                Ok(Fragment { empty: BTreeSet::from([tests]), ..Fragment::default() })
            }
            Item::Edge(edge) => self.repeated(edge.min, edge.max, |building| {
                let hop = building.hop(edge)?;
                Ok(Fragment {
                    firsts: vec![(vec![], hop)],
                    lasts: vec![(hop, vec![])],
                    empty: BTreeSet::new(),
                })
            }),
            Item::Group(group) => {
                self.repeated(group.min, group.max, |building| building.alternatives(group))
            }
        }
    }

    fn alternatives(&mut self, group: &'q Group) -> Result<Fragment, Error> {
        let mut either = Fragment::default();
        for items in &group.alternatives {
            let one = self.sequence(items)?;
            either.firsts.extend(one.firsts);
            either.lasts.extend(one.lasts);
            either.empty.extend(one.empty);
        }
        Ok(either)
    }

    fn sequence(&mut self, items: &'q [Item]) -> Result<Fragment, Error> {
        let mut whole = nothing();
        for item in items {
            let part = self.item(item)?;
            whole = self.then(whole, part)?;
        }
        Ok(whole)
    }

    /// One after the other. The second part's ends are added to, not copied: it may have grown long.
    fn then(&mut self, a: Fragment, mut b: Fragment) -> Result<Fragment, Error> {
        self.connect(&a.lasts, &b.firsts)?;
        let mut firsts = a.firsts;
        for empty in &a.empty {
            firsts.extend(b.firsts.iter().map(|(tests, hop)| (joined(empty, tests), *hop)));
        }
        for empty in &b.empty {
            b.lasts.extend(a.lasts.iter().map(|(hop, tests)| (*hop, joined(tests, empty))));
        }
        let empty = a.empty.iter().flat_map(|a| b.empty.iter().map(move |b| joined(a, b))).collect();
        let empty = weakest(empty);
        if firsts.len().max(b.lasts.len()).max(empty.len()) > MAX_ARCS {
            let span = b.lasts.first().map_or(0..0, |(hop, _)| self.hops[*hop].span.clone());
            return Err(too_large(&span));
        }
        Ok(Fragment { firsts, lasts: b.lasts, empty })
    }

    /// `min` times, then up to `max` times: `X{2,4}` is `X X (X (X)?)?`, `X{2,}` is `X X+`.
    fn repeated(
        &mut self,
        min: u32,
        max: Option<u32>,
        mut body: impl FnMut(&mut Self) -> Result<Fragment, Error>,
    ) -> Result<Fragment, Error> {
        let mut whole = nothing();
        for i in 0..min {
            let one = body(self)?;
            if one.lasts.is_empty() {
                // Tests of one object: to repeat them changes nothing.
                return Ok(one);
            }
            if max.is_none() && i + 1 == min {
                self.connect(&one.lasts, &one.firsts)?;
            }
            whole = self.then(whole, one)?;
        }
        match max {
            None if min == 0 => {
                let one = body(self)?;
                self.connect(&one.lasts, &one.firsts)?;
                Ok(Fragment { empty: BTreeSet::from([vec![]]), ..one })
            }
            None => Ok(whole),
            Some(max) => {
                let mut tail = nothing();
                for _ in 0..max - min {
                    let one = body(self)?;
                    if one.lasts.is_empty() {
                        break;
                    }
                    tail = self.then(one, tail)?;
                    tail.empty = BTreeSet::from([vec![]]);
                }
                self.then(whole, tail)
            }
        }
    }
}

impl Node {
    /// Whether any object passes, and nobody asks which it was.
    pub fn tests_nothing(&self) -> bool {
        let any = self.terms.iter().any(|term| term.kind == TermKind::Any);
        any && self.filter.is_none() && self.name.is_none()
    }
}

fn nothing() -> Fragment {
    Fragment { empty: BTreeSet::from([vec![]]), ..Fragment::default() }
}

fn number_of<'q, T>(known: &mut Vec<&'q T>, one: &'q T) -> usize {
    match known.iter().position(|other| std::ptr::eq(*other, one)) {
        Some(number) => number,
        None => {
            known.push(one);
            known.len() - 1
        }
    }
}

/// The tests of both, ascending.
fn joined(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut both = [a, b].concat();
    both.sort_unstable();
    both.dedup();
    both
}

/// Without those that ask for more than another: what passes them passes that one too.
fn weakest(all: BTreeSet<Vec<usize>>) -> BTreeSet<Vec<usize>> {
    if all.len() < 2 {
        return all;
    }
    let asks_more = |tests: &Vec<usize>| {
        all.iter().any(|other| other.len() < tests.len() && other.iter().all(|test| tests.contains(test)))
    };
    all.iter().filter(|tests| !asks_more(tests)).cloned().collect()
}

fn too_large(span: &Span) -> Error {
    let what =
        format!("written out, the pattern has more than {MAX_STATES} steps or {MAX_ARCS} ways between them");
    Error::new(span.clone(), what).hint("use smaller numbers of repetitions, or none: + and {3,} are loops")
}

impl fmt::Display for Automaton<'_> {
    /// A line per state: its hop, and where that leads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arcs = |arcs: &[Arc]| -> String {
            let texts = arcs.iter().map(|arc| {
                let tests: Vec<String> = arc.tests.iter().map(|test| self.tests[*test].to_string()).collect();
                let to = if arc.to == self.accept() { "accept".to_owned() } else { arc.to.to_string() };
                match tests.is_empty() {
                    true => to,
                    false => format!("[{}] {to}", tests.join(" and ")),
                }
            });
            texts.collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "start: {}", arcs(&self.starts))?;
        for (state, (hop, next)) in self.hops.iter().zip(&self.next).enumerate() {
            let (tail, head) = match hop.way {
                Way::Down => ("-", "->"),
                Way::Up => ("<-", "-"),
            };
            let arrow = match hop.label.map(|label| self.labels[label]) {
                Some(label) => format!("{tail}{label}{head}"),
                None if hop.way == Way::Down => "->".to_owned(),
                None => "<-".to_owned(),
            };
            writeln!(f, "{state}: {arrow} {}", arcs(next))?;
        }
        Ok(())
    }
}
