//! The diagnosis: from dumps to what leaks, what holds it, how sure that is, and what to do about it.
//!
//! In parts that can be read and tested each for itself: [`candidate`]s are found in what has [`growth`] since an earlier dump,
//! or in what is [`standing`] out in one; a [`case`] is a candidate with everything that is known of it; [`signals`] speak for
//! and against it; an idiom of the catalogue in [`idioms`] names the pattern and the remedy; then cases that are one are
//! merged, and what is left is ranked.
//!
//! Only the graph indexes are walked, and only of the newest dump in full; names, labels and values are read for the few objects
//! that are spoken about.

mod account;
mod bound;
mod candidate;
mod case;
mod choice;
mod growth;
mod heap;
mod idioms;
mod moments;
mod proof;
mod signals;
mod sort;
mod standing;
mod survival;
mod way;
mod words;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicBool},
};

use chrono::{DateTime, Utc};
use heaplake_graph::{BitSet, Cut, Id, unreachable_within};
use heaplake_model::{Runtime, Unreferenced};
use heaplake_store::{GraphIndex, Lake, with_index};

use crate::{Result, history::slope, snapshot::OpenIndex};
use candidate::{Candidate, How};
use case::{Case, CountRule, Surroundings};
pub use choice::{ChoiceReason, DumpChoice, choose_dumps};
use heap::{Facts, Heap};
use moments::Moments;
use signals::Whole;
use survival::Question;

/// Dumps that are looked at; of more, these many evenly over time, the first and the newest among them.
pub(crate) const MAX_DUMPS: usize = 48;
/// Candidates that are looked at closely.
const MAX_CASES: usize = 60;
/// Suspects that are reported.
const MAX_SUSPECTS: usize = 40;
/// Log odds of what is proved: more than signals come to.
const PROVED: f64 = 20.0;
/// Cases whose retained size is found by a cut.
const MAX_CUTS: usize = 12;
/// A suspect is believed from this confidence on.
const LIKELY: f64 = 0.5;
/// Objects that all these cuts together may lead to, in the newest dump and in all earlier ones.
const MAX_TOUCHED: usize = 1 << 21;

/// A suspect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suspect {
    pub(crate) confidence: f64,
    pub(crate) idiom: &'static str,
    /// `None` for memory that no object is.
    pub(crate) holder: Option<u64>,
    pub(crate) holder_type: String,
    pub(crate) holder_path: String,
    pub(crate) held_by: Option<String>,
    pub(crate) type_name: String,
    pub(crate) count: i64,
    pub(crate) count_growth: Option<i64>,
    pub(crate) retained: i64,
    pub(crate) retained_growth: Option<i64>,
    pub(crate) per_hour: Option<f64>,
    pub(crate) shape: Option<&'static str>,
    pub(crate) dumps: i64,
    pub(crate) evidence: Vec<String>,
    pub(crate) advice: String,
    pub(crate) queries: Vec<String>,
    /// The shortest way to the holder, in words.
    pub(crate) path: String,
    /// The references to cut, as a condition over `edge`.
    pub(crate) cut: Option<String>,
    /// `proved` where the graph alone shows that it leaks, else `judged`.
    pub(crate) basis: &'static str,
}

/// The suspects in dumps that are given oldest first, the likeliest first.
pub(crate) fn diagnose(lake: &Lake, dumps: Vec<Arc<OpenIndex>>, cancel: &AtomicBool) -> Result<Vec<Suspect>> {
    if dumps.is_empty() {
        return Ok(Vec::new());
    }
    let heaps: Vec<Heap> = dumps.into_iter().map(|open| Heap::new(open, lake.clone())).collect();
    let moments = Moments::new(heaps, cancel)?;
    let mut candidates = candidates(&moments, cancel)?;
    candidates.sort_by_key(|candidate| {
        (candidate.proof.is_none(), std::cmp::Reverse(candidate.own), candidate.node)
    });
    let is_cut_short = candidates.len() > MAX_CASES;
    candidates.truncate(MAX_CASES);
    let growth = moments.growths().first().map_or(0, |(_, growth)| growth.total);
    let whole = Whole { growth, bytes: moments.newest().bytes() };
    let mut cases = Vec::new();
    for candidate in &candidates {
        if cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(crate::Error::Cancelled);
        }
        if let Some(case) = Case::new(candidate, &moments, cancel)? {
            let surroundings = case.surroundings(moments.newest());
            cases.push((case, surroundings));
        }
    }
    bound::find_fixed_lengths(cases.iter_mut().map(|(case, _)| case), &moments)?;
    // The tables are asked once for all cases: a read of a few rows costs as much as one of many.
    let mut facts = Facts::default();
    let all = |part: fn(&Surroundings) -> &[usize]| -> Vec<usize> {
        cases.iter().flat_map(|(_, surroundings)| part(surroundings)).copied().collect()
    };
    moments.newest().load(&mut facts, &all(|of| &of.nodes), &all(|of| &of.edges))?;
    let names = moments.newest().names_of(all(|of| &of.dominators))?;
    let mut judged = Vec::new();
    for (mut case, surroundings) in cases {
        case.tell(moments.newest(), &mut facts, surroundings, &names)?;
        if !is_of_capture(&case)
            && !is_of_machine(&case, moments.newest().manifest().runtime())
            && !is_of_finalizers(&case, moments.newest())
        {
            judged.push(Judged::of(case, &moments, whole));
        }
    }
    let mut judged = merged(judged, &moments);
    for judged in judged.iter_mut().filter(|judged| !judged.case.likewise.is_empty()) {
        *judged = Judged::of(judged.case.clone(), &moments, whole);
    }
    sort(&mut judged);
    judged.truncate(MAX_SUSPECTS);
    look_closer(&mut judged, &moments, whole)?;
    let (mut most, mut most_earlier) = (MAX_TOUCHED, MAX_TOUCHED);
    for judged in judged.iter_mut().take(MAX_CUTS) {
        judged.measure_cut(&moments, &mut most, &mut most_earlier, cancel)?;
    }
    sort(&mut judged);
    let mut suspects: Vec<Suspect> =
        judged.into_iter().map(|judged| judged.suspect(&moments, is_cut_short)).collect();
    if let Some(outside) = account::outside_objects(&moments) {
        let rank = suspects.partition_point(|suspect| suspect.confidence >= outside.confidence);
        suspects.insert(rank, outside);
    }
    Ok(suspects)
}

fn candidates(moments: &Moments, cancel: &AtomicBool) -> Result<Vec<Candidate>> {
    let newest = moments.newest();
    let mut found: HashMap<usize, Candidate> = HashMap::new();
    if moments.len() == 1 {
        let standing = standing::candidates(newest).into_iter().chain(candidate::leaked_outside(newest));
        found.extend(standing.map(|candidate| (candidate.node, candidate)));
    }
    for (at, growth) in moments.growths() {
        let was_there = |node: usize| moments.in_place_of(*at, node).is_some();
        let tops = candidate::new_tops(newest, growth, &was_there);
        for candidate in candidate::grown(newest, moments.heap(*at), growth).into_iter().chain(tops) {
            found.entry(candidate.node).or_insert(candidate);
        }
    }
    // No program reaches garbage, so that nothing in it grows; how much there is of it is told by itself.
    let is_of_garbage = |how: How| matches!(how, How::Garbage | How::Unfinalized);
    found.retain(|node, candidate| is_of_garbage(candidate.how) || !newest.is_garbage(*node));
    for proved in proof::candidates(newest, cancel)? {
        let other = found.remove(&proved.node);
        let is_same =
            |other: &Candidate| matches!(other.how, How::Refs | How::Standing) && other.slots.is_empty();
        let candidate = match other {
            Some(other) if is_same(&other) => Candidate { proof: proved.proof, ..other },
            _ => proved,
        };
        found.insert(candidate.node, candidate);
    }
    Ok(found.into_values().collect())
}

/// Whether what accumulates are the finalizers themselves: there is one for each object that has one, however long it lives.
fn is_of_finalizers(case: &Case, heap: &Heap) -> bool {
    match heap.manifest().runtime().unreferenced {
        Unreferenced::Garbage { finalizers } => finalizers.contains(&case.kid_type.as_str()),
        Unreferenced::HeldOutside => false,
    }
}

/// Whether a case is there only because the dump is taken.
fn is_of_capture(case: &Case) -> bool {
    let names =
        case.way.iter().filter(|step| step.type_name == "module").filter_map(|step| step.name.as_deref());
    let mut names =
        names.chain(case.way.iter().filter(|s| s.type_name == "frame").filter_map(|s| s.name.as_deref()));
    names.any(sort::is_of_capture)
}

/// Whether a holder is a table that a virtual machine keeps for a class: constants of its code, as they are used for the first time.
fn is_of_machine(case: &Case, runtime: &Runtime) -> bool {
    let label = case.way.last().and_then(|step| step.label.as_deref());
    label.is_some_and(|label| runtime.is_of_machine(label))
}

/// A case with what is said of it.
struct Judged {
    case: Case,
    confidence: f64,
    log_odds: f64,
    idiom: &'static idioms::Idiom,
    evidence: Vec<String>,
    is_proved: bool,
}

impl Judged {
    fn of(case: Case, moments: &Moments, whole: Whole) -> Self {
        let mut signals = signals::signals(&case, moments, whole);
        let (idiom, fits) = idioms::idiom_of(&case);
        let log_odds = fits + signals.iter().map(|signal| signal.weight).sum::<f64>();
        let proof = signals::proof(&case);
        let log_odds = if proof.is_some() { PROVED } else { log_odds };
        let confidence = if proof.is_some() { 1.0 } else { signals::confidence(log_odds) };
        let is_proved = proof.is_some();
        if confidence < LIKELY {
            // Why it is not believed comes first.
            signals.sort_by(|a, b| a.weight.total_cmp(&b.weight));
        }
        let facts = signals.into_iter().filter_map(|signal| signal.fact);
        let evidence = proof.into_iter().chain(facts).collect();
        Self { confidence, log_odds, case, idiom, evidence, is_proved }
    }

    /// The likeliest first, then what is larger.
    fn order(&self) -> (f64, i64) {
        (self.log_odds, self.case.own)
    }

    /// Whether this case is about the same objects as another, which it holds directly.
    fn holds_same(&self, other: &Judged, heap: &Heap, collections: &mut HashMap<usize, usize>) -> bool {
        let samples = &other.case.samples;
        let holders: HashSet<usize> =
            self.case.members.iter().copied().chain(std::iter::once(self.case.node)).collect();
        let mut is_holder = |node: &usize| {
            holders.contains(node) || holders.contains(&heap.collection_known(*node, collections))
        };
        let is_held = |sample: &&usize| heap.parents(**sample).iter().any(&mut is_holder);
        !samples.is_empty() && samples.iter().filter(is_held).count() * 5 >= samples.len() * 3
    }

    /// The condition over `edge` whose references keep the content.
    fn cut(&self, heap: &Heap) -> Option<String> {
        let case = &self.case;
        // Threads that run stay, whatever refers to them.
        if matches!(case.rule, CountRule::Members)
            || case.are_running == Some(true)
            || (case.how == How::Huge && case.slots.is_empty())
        {
            return None;
        }
        let addresses: Vec<String> = case.holders().iter().map(|node| shown(heap, *node)).collect();
        let parents = match addresses.as_slice() {
            [one] => format!("parent = {one}"),
            many => format!("parent IN ({})", many.join(", ")),
        };
        let slots: Vec<String> = case.slots.iter().map(|slot| shown(heap, *slot)).collect();
        Some(match slots.as_slice() {
            [] => parents,
            slots => format!("{parents} AND child IN ({})", slots.join(", ")),
        })
    }

    /// Replaces the retained size of content that several hold by what the cut would free, at every moment.
    /// Where the content leads to more than `most` objects it stays what the holder alone keeps, which is less, and that is said; where in
    /// earlier dumps to more than `most_earlier`, the size there is changed in proportion.
    fn measure_cut(
        &mut self,
        moments: &Moments,
        most: &mut usize,
        most_earlier: &mut usize,
        cancel: &AtomicBool,
    ) -> Result<()> {
        let case = &mut self.case;
        if !case.is_shared && case.also.is_empty() || case.are_running == Some(true) {
            return Ok(());
        }
        let holders = case.holders();
        let newest = moments.newest();
        let freed = with_index!(&*newest.open.index, |index| freed_by_cut(index, &holders, most, cancel))?;
        let (Some(freed), Some((Some(last), earlier))) = (freed, case.bytes.split_last_mut()) else {
            self.evidence.push(
                "it leads to so many objects that what would be freed was not measured; it is at least what is said here"
                    .to_owned(),
            );
            return Ok(());
        };
        let unshared = std::mem::replace(last, freed);
        // Growth is the difference of two measurements of one kind.
        for (moment, bytes) in earlier.iter_mut().enumerate() {
            let Some(bytes) = bytes else { continue };
            let there: Vec<usize> =
                holders.iter().filter_map(|holder| moments.in_place_of(moment, *holder)).collect();
            let heap = moments.heap(moment);
            let freed_then =
                with_index!(&*heap.open.index, |index| freed_by_cut(index, &there, most_earlier, cancel))?;
            *bytes = freed_then.unwrap_or_else(|| in_proportion(*bytes, freed, unshared));
        }
        if let Some(signal) = signals::freed(&self.case, freed).filter(|_| !self.is_proved) {
            self.evidence.extend(signal.fact);
            self.log_odds += signal.weight;
            self.confidence = signals::confidence(self.log_odds);
        }
        Ok(())
    }

    /// `is_cut_short`: whether there were more candidates than are looked at.
    fn suspect(self, moments: &Moments, is_cut_short: bool) -> Suspect {
        let heap = moments.newest();
        let cut = self.cut(heap);
        let Self { case, confidence, idiom, mut evidence, is_proved, .. } = self;
        if !case.also.is_empty() {
            let also: Vec<String> = case
                .also
                .iter()
                .map(|node| format!("a {} at {}", heap.type_name(*node), shown(heap, *node)))
                .collect();
            evidence.push(format!("the same objects are also held by {}", also.join(", ")));
        }
        evidence.extend(other_threads(&case, is_cut_short));
        let address = heap.address(case.node);
        let dump = &heap.manifest().id;
        let mut queries = Vec::new();
        // There is no path to a root itself.
        if !heap.is_root(case.node) {
            queries.push(format!("SELECT * FROM path('root ..> @{address}', '{dump}')"));
        }
        if let Some(cut) = &cut {
            queries.push(format!("SELECT * FROM whatif_cut('{cut}')"));
        }
        if moments.len() > 1 {
            let first = &moments.heap(0).manifest().id;
            queries.push(format!("SELECT * FROM diff('{first}', '{dump}', 'holder')"));
        }
        Suspect {
            confidence,
            idiom: idiom.name,
            holder: Some(address),
            holder_type: case.holder_type.clone(),
            holder_path: case.holder_path.clone(),
            held_by: case.held_by.clone(),
            type_name: case.type_name.clone(),
            count: case.count(),
            count_growth: case.count_growth(),
            retained: case.retained(),
            retained_growth: case.retained_growth(),
            per_hour: per_hour(&case, &moments.taken()),
            shape: signals::shape(&case).map(crate::history::SeriesShape::name),
            dumps: moments.len() as i64,
            advice: (idiom.advice)(&case),
            path: way_in_words(&case),
            evidence,
            queries,
            cut,
            basis: if is_proved { "proved" } else { "judged" },
        }
    }
}

/// The likeliest first.
fn sort(judged: &mut [Judged]) {
    judged.sort_by(|a, b| b.order().partial_cmp(&a.order()).unwrap_or(std::cmp::Ordering::Equal));
}

/// Asks of those that seem to be leaks how much of what they had has stayed, and judges them again.
fn look_closer(judged: &mut [Judged], moments: &Moments, whole: Whole) -> Result<()> {
    const ASKED_FROM: f64 = 0.4;
    let is_asked = |judged: &Judged| {
        // What is made anew seems to come and go, until it is known what has stayed.
        let without_turnover = || {
            let mut case = judged.case.clone();
            case.turnover = None;
            Judged::of(case, moments, whole)
        };
        !judged.is_proved && (judged.confidence >= ASKED_FROM || without_turnover().confidence >= ASKED_FROM)
    };
    let mut left = survival::MAX_COMPARED;
    let questions = judged.iter().map(|judged| match is_asked(judged) {
        true => Question::of(&judged.case, moments, &mut left),
        false => None,
    });
    let questions: Vec<Option<Question>> = questions.collect();
    let answers = survival::answers(&questions, moments)?;
    for ((judged, question), stayed) in judged.iter_mut().zip(&questions).zip(answers) {
        if let (Some(question), Some(stayed)) = (question, stayed) {
            let mut case = judged.case.clone();
            case.take_stayed(question.moment, stayed);
            *judged = Judged::of(case, moments, whole);
        }
    }
    sort(judged);
    Ok(())
}

/// Leaves one of several cases about the same objects: the likelier, which remembers the other holders.
fn merged(mut judged: Vec<Judged>, moments: &Moments) -> Vec<Judged> {
    let heap = moments.newest();
    let mut collections = HashMap::new();
    sort(&mut judged);
    let mut kept: Vec<Judged> = Vec::new();
    for next in judged {
        let same = kept.iter_mut().find(|other| {
            let holds_both = next.holds_same(other, heap, &mut collections)
                || other.holds_same(&next, heap, &mut collections);
            let is_inside = moments.len() == 1
                && other.case.how == How::Standing
                && other.case.samples.iter().any(|sample| heap.dominates(*sample, next.case.node));
            let is_one_group = next.case.rule == CountRule::Members
                && other.case.how == next.case.how
                && other.case.type_name == next.case.type_name;
            let is_like = || next.case.is_like(&other.case) && next.case.node != other.case.node;
            holds_both || is_inside || is_one_group || next.case.node == other.case.node || is_like()
        });
        match same {
            Some(other) if other.case.is_like(&next.case) => other.case.add_likewise(&next.case),
            Some(other) => {
                let holds_it =
                    next.holds_same(other, heap, &mut collections) && other.case.rule == CountRule::Direct;
                let is_other = next.case.node != other.case.node && next.case.rule == CountRule::Direct;
                if holds_it
                    && is_other
                    && other.case.is_shared
                    && other.case.slots.is_empty()
                    && other.case.also.len() < 4
                {
                    other.case.also.push(next.case.node);
                }
            }
            None => kept.push(next),
        }
    }
    kept
}

/// Bytes that would be freed without the references of some objects; `None` if they lead to more than `most` objects.
fn freed_by_cut<I: Id>(
    index: &GraphIndex<I>,
    holders: &[usize],
    most: &mut usize,
    cancel: &AtomicBool,
) -> Result<Option<i64>> {
    let graph = index.graph();
    let edges = holders.iter().flat_map(|holder| graph.forward.range(*holder));
    let cut = Cut { nodes: BitSet::default(), edges: BitSet::of(graph.forward.n_edges(), edges) };
    freed(index, &cut, &[], most, cancel)
}

/// Bytes of what nothing reaches after a cut, what is cut included, if `no_roots` are not roots any more; `None` if it leads to more
/// than `most` objects.
fn freed<I: Id>(
    index: &GraphIndex<I>,
    cut: &Cut,
    no_roots: &[usize],
    most: &mut usize,
    cancel: &AtomicBool,
) -> Result<Option<i64>> {
    let mut roots = index.roots_after(cut);
    no_roots.iter().for_each(|node| roots.remove(*node));
    let gone = unreachable_within(index.graph(), &roots, index.garbage(), cut, most, cancel)?;
    Ok(gone.map(|gone| i64::try_from(index.size_of(&gone)).unwrap_or(i64::MAX)))
}

/// `bytes` times `now / was`.
fn in_proportion(bytes: i64, now: i64, was: i64) -> i64 {
    let product = i128::from(bytes) * i128::from(now);
    product.checked_div(i128::from(was)).and_then(|n| i64::try_from(n).ok()).unwrap_or(bytes)
}

fn per_hour(case: &Case, taken: &[DateTime<Utc>]) -> Option<f64> {
    let points: Vec<(f64, f64)> = case
        .bytes
        .iter()
        .zip(taken)
        .map(|(bytes, at)| ((*at - taken[0]).as_seconds_f64() / 3600.0, bytes.unwrap_or(0) as f64))
        .collect();
    let (times, values): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    slope(&times, &values)
}

/// The address of an object as commands and patterns take it.
fn shown(heap: &Heap, node: usize) -> String {
    format!("@{:#x}", heap.address(node))
}

/// In which other threads the same was found; not in all of them if candidates were left out.
fn other_threads(case: &Case, is_cut_short: bool) -> Option<String> {
    const MAX_NAMED: usize = 4;
    let n = case.likewise.len();
    let mut names: Vec<&str> =
        case.likewise.iter().take(MAX_NAMED).map(|(_, thread)| thread.as_str()).collect();
    if n > MAX_NAMED {
        names.push("…");
    }
    let threads = if n == 1 { "thread" } else { "threads" };
    let more = if is_cut_short { "; there may be more, which were not looked at" } else { "" };
    let said = || {
        let n = words::count(n as i64);
        format!("likewise in {n} other {threads}, counted along: {}{more}", names.join(", "))
    };
    (n > 0).then(said)
}

/// The way to a holder: `module shop -.orders-> list`.
fn way_in_words(case: &Case) -> String {
    let mut text = String::new();
    for (i, step) in case.way.iter().enumerate() {
        if i > 0 {
            match &step.label {
                Some(label) => text.push_str(&format!(" -{label}-> ")),
                None => text.push_str(" -> "),
            }
        }
        text.push_str(&step.type_name);
        if let Some(name) = &step.name {
            text.push(' ');
            text.push_str(name);
        }
    }
    text
}
