//! How much of what a holder had is still in it. A program that leaks keeps its objects. One that lets them go has new ones in
//! their place, and for a while there may be more of these.
//!
//! Where the dumps name the keys of a map, these tell, and texts and numbers in or below the objects do. What stays under another key, or in another
//! object under its key, has stayed. Where there are neither, addresses tell, in a process whose objects stay where they are.

use std::collections::{HashMap, HashSet};

use heaplake_model::TypeRole;

use super::{
    candidate::How,
    case::{Case, CountRule},
    growth::Growth,
    heap::{Facts, Heap},
    moments::Moments,
};
use crate::Result;

/// Objects that a holder has at most, keys and values counted each for itself.
const MAX_ENTRIES: usize = 100_000;
/// Objects of all holders together, in both dumps, that are compared.
pub(super) const MAX_COMPARED: usize = 200_000;
/// Objects that it had at least; of fewer the share says little.
const MIN_ENTRIES: usize = 5;
/// Of these, those that have texts or numbers of their own, at least; of fewer, all must.
const MIN_MARKED: usize = 8;
/// The label of a reference to a key.
const KEY: &str = "<key>";
/// Objects of a holder with the same text or number, at one time, from which on it tells nothing of them.
const TOO_MANY: usize = 3;

/// A question about a case: what its holder had in an earlier dump, and has now.
pub(super) struct Question {
    /// The position of the earlier dump.
    pub(super) moment: usize,
    then: Content,
    now: Content,
    /// How many of what the holder had are, by their addresses, in it; `None` where addresses do not tell.
    by_address: Option<usize>,
    /// Objects in both dumps.
    n_compared: usize,
}

/// Texts and numbers of an object.
#[derive(Default)]
struct NearScalars {
    texts: Vec<usize>,
    numbers: Vec<usize>,
}

/// What a holder has.
#[derive(Default)]
struct Content {
    /// References whose labels may be keys.
    edges: Vec<usize>,
    /// Objects whose values are keys.
    keys: Vec<usize>,
    /// By object that it has, texts and numbers that may tell it from others: itself, what it refers to, and what is below it.
    objects: Vec<NearScalars>,
}

impl Question {
    /// The question, if the case is about what a holder contains, and an earlier dump had it. `left` is how many objects may still be
    /// compared, which the question lessens; `None` if it is about more.
    pub(super) fn of(case: &Case, moments: &Moments, left: &mut usize) -> Option<Self> {
        let is_content = matches!(case.how, How::Refs | How::Mass | How::Siblings) && case.slots.is_empty();
        if !is_content || case.rule == CountRule::Members {
            return None;
        }
        // The first dump in which it had enough.
        let of = |(moment, growth): &(usize, Growth)| Self::at(case, moments, (*moment, growth), *left);
        let question = moments.growths().iter().filter_map(of).find(|asked| asked.n_had() >= MIN_ENTRIES)?;
        *left -= question.n_compared;
        Some(question)
    }

    /// The question about an earlier dump; `None` if more than `left` objects would be compared.
    fn at(case: &Case, moments: &Moments, (moment, growth): (usize, &Growth), left: usize) -> Option<Self> {
        let (newest, earlier) = (moments.newest(), moments.heap(moment));
        let (mut then, mut now) = (Content::default(), Content::default());
        let mut by_address = growth.partners.by_address.then_some(0);
        let mut n_compared = 0;
        for holder in case.places() {
            let Some(there) = moments.in_place_of(moment, holder) else { continue };
            let (had, has) = (earlier.content(there), newest.content(holder));
            n_compared += had.len() + has.len();
            if had.len().max(has.len()) > MAX_ENTRIES || n_compared > left {
                return None;
            }
            if let Some(n) = &mut by_address {
                let had: HashSet<usize> = had.iter().copied().collect();
                let is_of_it = |kid: &&usize| growth.partner(**kid).is_some_and(|kid| had.contains(&kid));
                *n += has.iter().filter(is_of_it).count();
            }
            then.add(Content::of(earlier, there, had));
            now.add(Content::of(newest, holder, has));
        }
        Some(Self { moment, then, now, by_address, n_compared })
    }

    /// How many objects it had.
    fn n_had(&self) -> usize {
        self.then.objects.len()
    }

    /// What part of what the holder had is still in it; `None` where that is not known.
    fn answer(&self, then: &Facts, now: &Facts) -> Option<f64> {
        let keys = self.then.keys(then).zip(self.now.keys(now)).map(|(had, has)| {
            let has: HashSet<&str> = has.into_iter().collect();
            had.iter().filter(|key| has.contains(*key)).count() as f64 / had.len() as f64
        });
        let marked = marked_stayed(&self.then.marks(then), &self.now.marks(now));
        match (keys, marked) {
            (None, None) => Some(self.by_address? as f64 / self.n_had() as f64),
            (keys, marked) => Some(keys.unwrap_or(0.0).max(marked.unwrap_or(0.0))),
        }
    }
}

/// What a dump says of an object that a holder has.
#[derive(Debug, Default)]
struct Marks<'f> {
    texts: HashSet<&'f str>,
    numbers: HashSet<&'f str>,
}

impl Marks<'_> {
    fn all(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().chain(&self.numbers).copied()
    }
}

/// What part of the objects that a holder had are among those that it has now: with a text of theirs, or half of their numbers. What several
/// objects have tells nothing. `None` if too few have marks of their own.
fn marked_stayed(then: &[Marks<'_>], now: &[Marks<'_>]) -> Option<f64> {
    fn counts<'m>(objects: &'m [Marks<'_>]) -> HashMap<&'m str, usize> {
        let mut counts = HashMap::new();
        objects.iter().flat_map(Marks::all).for_each(|mark| *counts.entry(mark).or_default() += 1);
        counts
    }
    let (had, has) = (counts(then), counts(now));
    let is_there = |mark: &&str| has.contains_key(mark);
    // What several have, at either time, tells nothing of one.
    let is_rare = |counts: &HashMap<&str, usize>, mark: &str| counts.get(mark).is_none_or(|n| *n < TOO_MANY);
    let is_own = |mark: &&str| is_rare(&had, mark) && is_rare(&has, mark);
    let known: Vec<&Marks> = then.iter().filter(|marks| marks.all().any(|mark| is_own(&mark))).collect();
    let stays = |marks: &&&Marks| {
        let own: Vec<&str> = marks.numbers.iter().copied().filter(is_own).collect();
        let n_there = own.iter().filter(|number| is_there(number)).count();
        marks.texts.iter().filter(|text| is_own(text)).any(&is_there)
            || (n_there > 0 && n_there * 2 >= own.len())
    };
    let n_stayed = known.iter().filter(stays).count();
    (known.len() >= MIN_MARKED.min(then.len()).max(then.len() / 4))
        .then(|| n_stayed as f64 / known.len() as f64)
}

impl Content {
    /// What is said of `content`, which `node` has.
    fn of(heap: &Heap, node: usize, content: Vec<usize>) -> Self {
        const MAX_REFS: usize = 8;
        let (scalars, objects): (Vec<usize>, Vec<usize>) =
            content.into_iter().partition(|kid| is_scalar(heap, *kid));
        let (mut edges, mut keys) = (Vec::new(), Vec::new());
        if heap.has_parts(node) {
            let refs = heap.parts_and_content(node).0.into_iter().map(|part| heap.refs(part));
            let kids = refs.filter(|refs| refs.len() <= MAX_REFS).flatten().map(|(_, kid)| kid);
            // Of what the nodes of a map refer to, the keys have values.
            keys = kids.filter(|kid| is_scalar(heap, *kid)).collect();
        } else {
            edges = heap.refs(node).into_iter().map(|(edge, _)| edge).collect();
        }
        let entries = if objects.is_empty() { scalars } else { objects };
        Self { edges, keys, objects: entries.into_iter().map(|entry| NearScalars::of(heap, entry)).collect() }
    }

    /// The keys; `None` if the dump does not name those of most entries.
    fn keys<'f>(&self, facts: &'f Facts) -> Option<Vec<&'f str>> {
        // The references of a dictionary to its keys have no label of their own.
        let of_edges = self.edges.iter().filter_map(|edge| facts.label(*edge)).filter(|label| *label != KEY);
        let keys: Vec<&str> =
            of_edges.chain(self.keys.iter().filter_map(|node| facts.value(*node))).collect();
        let is_place = |(i, key): (usize, &&str)| {
            let number = key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
            number == Some(&i.to_string())
        };
        let are_places = keys.iter().take(MIN_ENTRIES).enumerate().all(is_place);
        (!are_places && keys.len() >= MIN_ENTRIES && keys.len() * 2 >= self.objects.len()).then_some(keys)
    }

    /// By object, what the dump says of it.
    fn marks<'f>(&self, facts: &'f Facts) -> Vec<Marks<'f>> {
        let of = |nodes: &[usize]| nodes.iter().filter_map(|node| facts.value(*node)).collect();
        self.objects.iter().map(|near| Marks { texts: of(&near.texts), numbers: of(&near.numbers) }).collect()
    }

    /// Adds what another holder has.
    fn add(&mut self, other: Self) {
        self.edges.extend(other.edges);
        self.keys.extend(other.keys);
        self.objects.extend(other.objects);
    }
}

impl NearScalars {
    fn of(heap: &Heap, node: usize) -> Self {
        const MAX_LOOKED_AT: usize = 16;
        const MAX_EACH: usize = 4;
        let refs = heap.refs(node).into_iter().take(MAX_LOOKED_AT).map(|(_, kid)| kid);
        let mut near = Self::default();
        for node in std::iter::once(node).chain(refs).chain(heap.subtree(node, MAX_LOOKED_AT)) {
            let found = match () {
                () if has_role(heap, node, TypeRole::Text) => &mut near.texts,
                () if has_role(heap, node, TypeRole::Number) => &mut near.numbers,
                () => continue,
            };
            if found.len() < MAX_EACH && !found.contains(&node) {
                found.push(node);
            }
        }
        near
    }
}

/// Whether an object is a text or a number.
fn is_scalar(heap: &Heap, node: usize) -> bool {
    has_role(heap, node, TypeRole::Text) || has_role(heap, node, TypeRole::Number)
}

fn has_role(heap: &Heap, node: usize, role: TypeRole) -> bool {
    heap.manifest().runtime().has_role(heap.type_name(node), role)
}

/// The answers to some questions, each `None` where it is not known. Every dump is asked once.
pub(super) fn answers(questions: &[Option<Question>], moments: &Moments) -> Result<Vec<Option<f64>>> {
    let mut asked: HashMap<usize, (Vec<usize>, Vec<usize>)> = HashMap::new();
    let newest = moments.len() - 1;
    for question in questions.iter().flatten() {
        for (moment, content) in [(question.moment, &question.then), (newest, &question.now)] {
            let (nodes, edges) = asked.entry(moment).or_default();
            let near = content.objects.iter().flat_map(|near| near.texts.iter().chain(&near.numbers));
            nodes.extend(near.chain(&content.keys));
            edges.extend(&content.edges);
        }
    }
    let mut known: HashMap<usize, Facts> = HashMap::new();
    for (moment, (nodes, edges)) in asked {
        moments.heap(moment).load(known.entry(moment).or_default(), &nodes, &edges)?;
    }
    let answer = |question: &Question| question.answer(known.get(&question.moment)?, known.get(&newest)?);
    Ok(questions.iter().map(|question| question.as_ref().and_then(answer)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One object for each text: words that begin with a digit are its numbers, the others its texts.
    fn objects(texts: &[String]) -> Vec<Marks<'_>> {
        let marks = texts.iter().map(|text| {
            let (texts, numbers): (Vec<&str>, Vec<&str>) =
                text.split(' ').partition(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
            Marks { texts: texts.into_iter().collect(), numbers: numbers.into_iter().collect() }
        });
        marks.collect()
    }

    #[test]
    fn marks_of_their_own_tell_what_has_stayed() {
        let stayed = |then: &[String], now: &[String]| marked_stayed(&objects(then), &objects(now));
        let all: Vec<String> = (0..20).map(|i| format!("order-{i} open")).collect();
        assert_eq!(stayed(&all[..10], &all), Some(1.0));
        assert_eq!(stayed(&all[..10], &all[5..]), Some(0.5));
        // What all of them have in common tells nothing.
        assert_eq!(stayed(&all[..10], &all[10..]), Some(0.0));
        assert_eq!(stayed(&vec!["open".to_owned(); 10], &vec!["open".to_owned(); 10]), None);
        let one_without = [&all[..6], &["open".to_owned(), "open".to_owned(), "open".to_owned()]].concat();
        assert_eq!(stayed(&one_without, &all), None, "too few have marks of their own");
        // Of numbers, one in common may be chance.
        let numbers = |first: usize| -> Vec<String> {
            (0..10).map(|i| format!("{i} {} {}", first + i, first + 50 + i)).collect()
        };
        assert_eq!(stayed(&numbers(100), &numbers(100)), Some(1.0));
        assert_eq!(stayed(&numbers(100), &numbers(1000)), Some(0.0));
        // What was of one object may be of many later.
        let later: Vec<String> = (0..50).map(|i| format!("paid {}", i % 10)).collect();
        assert_eq!(stayed(&later[..10], &later), None);
        let changed: Vec<String> = (0..10).map(|i| format!("{i} changed-{i}")).collect();
        let before: Vec<String> = (0..10).map(|i| format!("{i} made-{i}")).collect();
        assert_eq!(stayed(&before, &changed), Some(1.0));
    }
}
