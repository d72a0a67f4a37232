//! How much of what a holder had is still in it. A program that leaks keeps it; one that lets its objects go, after a while or
//! when there are others, has new ones in their place, of which there may be more for a while.
//!
//! Where the dumps name the keys of a map, these tell. Else, in a process whose objects stay where they are, addresses do; one
//! that is used again has another text in or below the object.

use std::collections::{HashMap, HashSet};

use heaplake_model::TypeRole;

use super::{
    candidate::How,
    case::{Case, CountRule},
    heap::{Facts, Heap},
    moments::Moments,
};
use crate::Result;

/// Objects that a holder has at most.
const MAX_ENTRIES: usize = 50_000;
/// Objects that it had at least; of fewer the share says little.
const MIN_ENTRIES: usize = 8;

/// A question about a case: what its holder had in an earlier dump, and has now.
pub(super) struct Question {
    /// The position of the earlier dump.
    pub(super) moment: usize,
    pub(super) then: Content,
    pub(super) now: Content,
    /// Objects that are where others were: what is below them, then and now.
    pairs: Vec<(Vec<usize>, Vec<usize>)>,
    /// How many of what the holder had are, by their addresses, in it; `None` where addresses do not tell.
    by_address: Option<usize>,
}

/// What a holder has.
pub(super) struct Content {
    n: usize,
    /// References whose labels may be keys.
    pub(super) edges: Vec<usize>,
    /// Objects whose values may be keys or texts.
    pub(super) texts: Vec<usize>,
    /// How many of these are of the entries.
    n_keys: usize,
}

impl Question {
    /// The question, if the case is about what a holder contains, and an earlier dump had it.
    pub(super) fn of(case: &Case, moments: &Moments) -> Option<Self> {
        const MAX_PAIRS: usize = 64;
        let is_content = matches!(case.how, How::Refs | How::Mass) && case.slots.is_empty();
        if !is_content || case.rule == CountRule::Members {
            return None;
        }
        let (moment, growth) = moments.basis(case.node)?;
        let (newest, earlier) = (moments.newest(), moments.heap(*moment));
        let there = moments.in_place_of(*moment, case.node)?;
        let (mut then, mut now) = (Content::of(earlier, there)?, Content::of(newest, case.node)?);
        let mut pairs = Vec::new();
        let mut by_address = None;
        if growth.partners.by_address {
            let had: HashSet<usize> = earlier.content(there).into_iter().collect();
            let both = newest.content(case.node).into_iter();
            let both =
                both.filter_map(|kid| Some((growth.partner(kid).filter(|kid| had.contains(kid))?, kid)));
            let both: Vec<(usize, usize)> = both.collect();
            by_address = Some(both.len());
            for (kid_then, kid_now) in both.iter().step_by(both.len().div_ceil(MAX_PAIRS).max(1)) {
                let pair = (texts_below(earlier, *kid_then), texts_below(newest, *kid_now));
                then.texts.extend(&pair.0);
                now.texts.extend(&pair.1);
                pairs.push(pair);
            }
        }
        Some(Self { moment: *moment, then, now, pairs, by_address })
    }

    /// What part of what the holder had is still in it; `None` where that is not known.
    pub(super) fn answer(&self, then: &Facts, now: &Facts) -> Option<f64> {
        if self.then.n < MIN_ENTRIES {
            return None;
        }
        if let (Some(had), Some(has)) = (self.then.keys(then), self.now.keys(now)) {
            let has: HashSet<&str> = has.into_iter().collect();
            let n_stayed = had.iter().filter(|key| has.contains(*key)).count();
            return Some(n_stayed as f64 / had.len() as f64);
        }
        let by_address = self.by_address? as f64 / self.then.n as f64;
        let (mut n_known, mut n_same) = (0, 0);
        for (below_then, below_now) in &self.pairs {
            let had: HashSet<&str> = below_then.iter().filter_map(|node| then.value(*node)).collect();
            let has: Vec<&str> = below_now.iter().filter_map(|node| now.value(*node)).collect();
            if !had.is_empty() && !has.is_empty() {
                n_known += 1;
                n_same += usize::from(has.iter().any(|text| had.contains(text)));
            }
        }
        let is_known = n_known >= MIN_ENTRIES;
        Some(if is_known {
            by_address * f64::from(n_same as u32) / f64::from(n_known as u32)
        } else {
            by_address
        })
    }
}

impl Content {
    fn of(heap: &Heap, node: usize) -> Option<Self> {
        let refs = heap.refs(node);
        if heap.has_parts(node) {
            let (parts, content) = heap.parts_and_content(node);
            if content.len() > 2 * MAX_ENTRIES {
                return None;
            }
            // Of what the nodes of a map refer to, the keys have values.
            const MAX_REFS: usize = 8;
            let of_parts =
                parts.into_iter().map(|part| heap.refs(part)).filter(|refs| refs.len() <= MAX_REFS);
            let kids = of_parts.flatten().map(|(_, kid)| kid);
            let texts: Vec<usize> = kids.filter(|kid| is_text(heap, *kid)).collect();
            let n = content.iter().filter(|kid| !is_text(heap, **kid)).count().max(content.len() / 2);
            return Some(Self { n, edges: Vec::new(), n_keys: texts.len(), texts });
        }
        if refs.len() > MAX_ENTRIES {
            return None;
        }
        let edges = refs.iter().map(|(edge, _)| *edge).collect();
        Some(Self { n: refs.len(), edges, texts: Vec::new(), n_keys: 0 })
    }

    /// The keys; `None` if the dump does not name those of most entries.
    fn keys<'f>(&self, facts: &'f Facts) -> Option<Vec<&'f str>> {
        let of_edges = self.edges.iter().filter_map(|edge| facts.label(*edge));
        let of_texts = self.texts[..self.n_keys].iter().filter_map(|node| facts.value(*node));
        let keys: Vec<&str> = of_edges.chain(of_texts).collect();
        let is_place = |(i, key): (usize, &&str)| {
            key.strip_prefix('[').and_then(|key| key.strip_suffix(']')) == Some(&i.to_string())
        };
        let are_places = keys.iter().take(MIN_ENTRIES).enumerate().all(is_place);
        (!are_places && keys.len() >= MIN_ENTRIES && keys.len() * 2 >= self.n).then_some(keys)
    }
}

fn is_text(heap: &Heap, node: usize) -> bool {
    let runtime = heap.manifest().runtime();
    runtime.has_role(heap.type_name(node), TypeRole::Text)
        || runtime.has_role(heap.type_name(node), TypeRole::Number)
}

/// Texts that an object alone holds, some of them, itself if it is one.
fn texts_below(heap: &Heap, node: usize) -> Vec<usize> {
    const MAX_LOOKED_AT: usize = 40;
    const MAX_TEXTS: usize = 8;
    let runtime = heap.manifest().runtime();
    let below = heap.subtree(node, MAX_LOOKED_AT).into_iter();
    below.filter(|node| runtime.has_role(heap.type_name(*node), TypeRole::Text)).take(MAX_TEXTS).collect()
}

/// The answers to some questions, each `None` where it is not known. Every dump is asked once.
pub(super) fn answers(questions: &[Option<Question>], moments: &Moments) -> Result<Vec<Option<f64>>> {
    let mut asked: HashMap<usize, (Vec<usize>, Vec<usize>)> = HashMap::new();
    let newest = moments.len() - 1;
    for question in questions.iter().flatten() {
        for (moment, content) in [(question.moment, &question.then), (newest, &question.now)] {
            let (nodes, edges) = asked.entry(moment).or_default();
            nodes.extend(&content.texts);
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
