//! A pattern to an automaton over objects.
//!
//! The construction is Glushkov's (1961), with hops as the letters: a state is a hop that is about to be taken, so there
//! are no empty moves. Node tests belong to the transitions between states: an object in state `s` has passed all tests
//! before hop `s`. A repetition with bounds is written out; one without is a loop. States and transitions are counted, so
//! that `((A ->){1000}){1000}` is an error and does not use up the memory.

use std::{collections::BTreeSet, fmt};

use crate::{Edge, Error, Group, Item, Label, Node, Query, Span, TermKind, Way};

/// Limits of the numbers of states and transitions.
const MAX_STATES: usize = 50_000;
const MAX_TRANSITIONS: usize = 1_000_000;

/// A finite automaton that accepts the paths of a query's pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automaton<'q> {
    /// The tests of objects; transitions refer to them by position.
    pub tests: Vec<&'q Node>,
    /// The tests of labels; hops refer to them by position.
    pub labels: Vec<&'q Label>,
    /// By state, its hop. The accepting state has none; its number is the length of this list.
    pub hops: Vec<PatternHop>,
    /// The transitions into the states in which a path may begin.
    pub starts: Vec<Transition>,
    /// By state, the transitions after its hop.
    pub next: Vec<Vec<Transition>>,
}

/// A hop of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternHop {
    /// Which way.
    pub way: Way,
    /// Position of the label test; `None` for any reference.
    pub label: Option<usize>,
    /// Where it is written.
    pub span: Span,
}

/// A transition to a state, for an object that passes all of the tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transition {
    /// Positions of the tests, ascending.
    pub tests: Vec<usize>,
    /// The state.
    pub to: usize,
}

impl<'q> Automaton<'q> {
    /// Builds the automaton of a query's pattern. O(states + transitions).
    pub fn new(query: &'q Query) -> Result<Self, Error> {
        let mut builder = AutomatonBuilder::default();
        let whole = builder.sequence(&query.pattern)?;
        let accept = builder.hops.len();
        let AutomatonBuilder { tests, labels, hops, mut transitions, .. } = builder;
        let mut starts: BTreeSet<Transition> =
            whole.firsts.into_iter().map(|(tests, to)| Transition { tests, to }).collect();
        starts.extend(whole.empty.into_iter().map(|tests| Transition { tests, to: accept }));
        transitions
            .extend(whole.lasts.into_iter().map(|(from, tests)| (from, Transition { tests, to: accept })));
        transitions.sort_unstable();
        transitions.dedup();
        let mut next = vec![Vec::new(); accept];
        for (from, transition) in transitions {
            next[from].push(transition);
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
    /// The tests of the first object, and its hop.
    firsts: Vec<(Vec<usize>, usize)>,
    /// The last hop, and the tests of the object that it leads to.
    lasts: Vec<(usize, Vec<usize>)>,
    /// The tests of an object that matches the whole part without any hop.
    empty: BTreeSet<Vec<usize>>,
}

#[derive(Default)]
struct AutomatonBuilder<'q> {
    tests: Vec<&'q Node>,
    labels: Vec<&'q Label>,
    hops: Vec<PatternHop>,
    transitions: Vec<(usize, Transition)>,
}

impl<'q> AutomatonBuilder<'q> {
    /// The position of a test. A node of the pattern has the same position in every repetition.
    fn test(&mut self, node: &'q Node) -> usize {
        number_of(&mut self.tests, node)
    }

    fn hop(&mut self, edge: &'q Edge) -> Result<usize, Error> {
        if self.hops.len() >= MAX_STATES {
            return Err(too_large(&edge.span));
        }
        let label = edge.label.as_ref().map(|label| number_of(&mut self.labels, label));
        self.hops.push(PatternHop { way: edge.way, label, span: edge.span.clone() });
        Ok(self.hops.len() - 1)
    }

    fn connect(
        &mut self,
        lasts: &[(usize, Vec<usize>)],
        firsts: &[(Vec<usize>, usize)],
    ) -> Result<(), Error> {
        if self.transitions.len().saturating_add(lasts.len().saturating_mul(firsts.len())) > MAX_TRANSITIONS {
            let span = lasts.first().map_or(0..0, |(hop, _)| self.hops[*hop].span.clone());
            return Err(too_large(&span));
        }
        for (from, before) in lasts {
            for (after, to) in firsts {
                let tests = joined(before, after);
                self.transitions.push((*from, Transition { tests, to: *to }));
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
            Item::Edge(edge) => self.repeated(edge.min, edge.max, |builder| {
                let hop = builder.hop(edge)?;
                Ok(Fragment {
                    firsts: vec![(vec![], hop)],
                    lasts: vec![(hop, vec![])],
                    empty: BTreeSet::new(),
                })
            }),
            Item::Group(group) => self.repeated(group.min, group.max, |builder| builder.alternatives(group)),
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

    /// The sequence of two parts. Adds to the ends of the second part instead of copying them, because they may be many.
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
        if firsts.len().max(b.lasts.len()).max(empty.len()) > MAX_TRANSITIONS {
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
                // Tests of one object; repeating them changes nothing.
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
    /// Whether every object passes, and the node has no name.
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

/// The sets of tests without those that contain another one: whatever passes them passes that one, too.
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
    let what = format!(
        "written out, the pattern has more than {MAX_STATES} steps or {MAX_TRANSITIONS} ways between them"
    );
    Error::new(span.clone(), what).hint("use smaller numbers of repetitions, or none: + and {3,} are loops")
}

impl fmt::Display for Automaton<'_> {
    /// One line per state: its hop, and the transitions after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transitions = |transitions: &[Transition]| -> String {
            let texts = transitions.iter().map(|transition| {
                let tests: Vec<String> =
                    transition.tests.iter().map(|test| self.tests[*test].to_string()).collect();
                let to = if transition.to == self.accept() {
                    "accept".to_owned()
                } else {
                    transition.to.to_string()
                };
                match tests.is_empty() {
                    true => to,
                    false => format!("[{}] {to}", tests.join(" and ")),
                }
            });
            texts.collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "start: {}", transitions(&self.starts))?;
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
            writeln!(f, "{state}: {arrow} {}", transitions(next))?;
        }
        Ok(())
    }
}
