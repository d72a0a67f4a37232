//! Signals: what speaks for a case being a leak and what against it, each with a weight in log odds and, where a person
//! should know, a fact.
//!
//! The confidence is the logistic function of the sum. Weights were set by hand, then checked against the open half of
//! the benchmark in datasets/leaks, see docs/suspects.md; none is fitted to a single program.

use std::{collections::HashSet, ops::Add};

use chrono::{DateTime, Utc};
use heaplake_model::short_type_name;

use super::{
    bound::{ItemBound, LRU_WRAPPER},
    candidate::How,
    case::{Case, CountRule},
    idioms::keeps_itself,
    moments::Moments,
    sort::{Sort, is_library, sort_of},
    words,
};
use crate::history::{SeriesShape, judge};

/// One signal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signal {
    /// Log odds that it adds.
    pub(super) weight: f64,
    /// What is said of it; `None` for what explains itself.
    pub(super) fact: Option<String>,
}

/// Bytes by which single objects differ that take each other's place.
const SMALL_GROWTH: i64 = 4096;

/// A growth of the heap by less than this part of it (one in so many) counts as this part.
const LEAST_GROWTH: i64 = 200;

/// A heap must have grown by this many bytes before a share of its growth means anything.
const MUCH_GROWTH: i64 = 16 << 10;

/// Minutes between dumps from which on their times say something about pace.
const LEAST_MINUTES: f64 = 1.0;

/// Log odds of what has a bound that it has not passed, or for which the collector comes.
const BOUNDED: f64 = -5.0;
/// Log odds of what most probably has one: an OrderedDict beside a number that it comes near and has not passed. If it is none, a later
/// dump has passed it. And of a holder in which nothing stays.
const PROBABLY_BOUNDED: f64 = -4.2;

/// What all cases of a diagnosis share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// Bytes that the newest dump has more than the first.
    pub(super) growth: i64,
    /// Bytes of the newest dump.
    pub(super) bytes: i64,
}

/// The shape of a case over the dumps that have its holder; of one dump there is none.
pub(super) fn shape(case: &Case) -> Option<SeriesShape> {
    let series = case.lifetime();
    (series.len() > 1).then(|| judge(&series).shape)
}

/// Every signal of a case.
pub(super) fn signals(case: &Case, moments: &Moments, whole: Whole) -> Vec<Signal> {
    let (bound, collector) = (bound(case), collector(case, moments));
    let (soft, survival, weak_keys) = (soft(case), survival(case), weak_keys(case));
    let mut growth = [time(case), pace(case, moments)];
    if [&bound, &collector, &soft, &survival, &weak_keys]
        .into_iter()
        .flatten()
        .any(|signal| signal.weight <= PROBABLY_BOUNDED)
    {
        // What fills up to a bound, or until the collector comes, grows like a leak until then; what does not stay does not accumulate.
        growth.iter_mut().flatten().for_each(|signal| signal.weight = signal.weight.min(0.0));
    }
    let others = [
        turnover(case),
        survival,
        amount(case),
        share(case, whole),
        kind(case),
        bound,
        place(case),
        source(case, moments),
        new_holder(case),
        collector,
        line(case, moments),
        running(case, moments),
        soft,
        weak_keys,
        on_stacks(case),
        followers(case, moments),
        own_table(case, moments),
        spares(case),
        copies(case, moments),
    ];
    growth.into_iter().chain(others).flatten().collect()
}

/// What proves that a case leaks. What the collector or C code may still let go must also grow, where there are several dumps, as
/// must what listens.
pub(super) fn proof(case: &Case) -> Option<String> {
    let may_end = case.how == How::Garbage || case.how == How::External;
    let is_growing = shape(case).is_none_or(|shape| shape == SeriesShape::Growing);
    case.proof.clone().filter(|_| is_growing || !may_end)
}

/// Whether anything would be freed without it. It is known only of cases that are ranked, so that it comes last.
pub(super) fn freed(case: &Case, freed: i64) -> Option<Signal> {
    if freed > 0 || keeps_itself(case) {
        return None;
    }
    told(-2.5, "nothing would be freed without it: others hold what it has".to_owned())
}

/// The logistic function.
pub(super) fn confidence(log_odds: f64) -> f64 {
    let confidence = 1.0 / (1.0 + (-log_odds).exp());
    (confidence * 100.0).round() / 100.0
}

fn silent(weight: f64) -> Option<Signal> {
    Some(Signal { weight, fact: None })
}

fn told(weight: f64, fact: String) -> Option<Signal> {
    Some(Signal { weight, fact: Some(fact) })
}

/// How many dumps spoke, and what the series looks like.
fn time(case: &Case) -> Option<Signal> {
    let Some(shape) = shape(case) else {
        return told(-2.0, "there is one dump: it shows what is held, not whether it grows".to_owned());
    };
    let series = case.lifetime();
    let n = series.len();
    let steps: Vec<String> = match case.how {
        How::Huge => series.iter().map(|bytes| words::bytes(*bytes)).collect(),
        _ => series.iter().map(|n| words::count(*n)).collect(),
    };
    let listed = if steps.len() <= 8 {
        steps.join(", ")
    } else {
        format!("{}, …, {}", steps[..3].join(", "), steps[steps.len() - 3..].join(", "))
    };
    let said = |what: &str| format!("{what} from dump to dump: {listed}");
    match (shape, n) {
        (SeriesShape::Growing, 2) if series[0] == 0 => {
            let which = if case.counts.len() > n { " that have it" } else { "" };
            told(
                -1.4,
                format!(
                    "there were none in the first of the two dumps{which}, and {} in the second",
                    steps[1]
                ),
            )
        }
        (SeriesShape::Growing, 2) => {
            told(0.6, format!("it grew between the two dumps, from {} to {}", steps[0], steps[1]))
        }
        (SeriesShape::Growing, 3) => told(1.6, said("it grows")),
        (SeriesShape::Growing, _) => told(2.2, said("it grows")),
        (SeriesShape::Stopped, _) => told(-3.0, said("it grew, then stopped")),
        (SeriesShape::Unsteady, _) => told(-2.5, said("it goes up and down")),
        (SeriesShape::Falling, _) => told(-5.0, said("it shrinks")),
        (SeriesShape::Flat, _) => told(-4.0, said("it stays the same")),
    }
}

/// Whether it grows as fast as before: by the hour, or where dumps lie so close together that to take them takes a good part of the
/// time between them, by the dump.
fn pace(case: &Case, moments: &Moments) -> Option<Signal> {
    let series = case.lifetime();
    if series.len() < 3 || case.how == How::Huge {
        return None;
    }
    let steps = steps_of(&series);
    if steps.iter().any(|step| *step < 0) {
        return told(-1.0, "it also shrank at times".to_owned());
    }
    let n_rising = steps.iter().filter(|step| **step > 0).count();
    if n_rising * 10 < steps.len() * 7 {
        let fact = format!("it grew in {n_rising} of {} steps", steps.len());
        return told(if n_rising == 1 { -5.0 } else { -1.5 }, fact);
    }
    let taken = moments.taken();
    let (paces, per) = match hours_between(&taken[taken.len() - series.len()..]) {
        Some(hours) => {
            (steps.iter().zip(hours).map(|(step, hours)| *step as f64 / hours).collect(), " an hour")
        }
        None => (steps.iter().map(|step| *step as f64).collect::<Vec<_>>(), ""),
    };
    // Of many dumps the halves tell more than the ends.
    let mean = |paces: &[f64]| paces.iter().sum::<f64>() / paces.len() as f64;
    let n_half = paces.len() / 2;
    let (first, last) = (mean(&paces[..n_half]), mean(&paces[paces.len() - n_half..]));
    let slower = || {
        let [first, last] = [first, last].map(|pace| words::count(pace.round() as i64));
        format!("it slows down: {first} more{per}, in the end {last}")
    };
    match () {
        // What fills up to what there is, as a cache of a finite number of things, does so ever more slowly.
        () if last <= first * 0.6 => told(-4.4, slower()),
        () if last <= first * 0.75 => told(-1.2, slower()),
        () if is_even(&paces) => told(0.6, "it grows at an even pace".to_owned()),
        () => None,
    }
}

/// How much more there is in each dump than in the one before.
fn steps_of(series: &[i64]) -> Vec<i64> {
    series.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Whether of several paces none is more than twice another.
fn is_even<N: Copy + PartialOrd + Default + Add<Output = N>>(paces: &[N]) -> bool {
    let is_at_least_half = |pace: &N, other: &N| *pace > N::default() && *pace + *pace >= *other;
    paces.len() > 1 && paces.iter().all(|pace| paces.iter().all(|other| is_at_least_half(pace, other)))
}

/// The hours between dumps; `None` where any two lie less than [`LEAST_MINUTES`] apart.
fn hours_between(taken: &[DateTime<Utc>]) -> Option<Vec<f64>> {
    let hours = taken.windows(2).map(|pair| (pair[1] - pair[0]).as_seconds_f64() / 3600.0);
    hours.map(|hours| (hours * 60.0 >= LEAST_MINUTES).then_some(hours)).collect()
}

/// Whether what comes also goes: a leak keeps what it gets, a cache, a ring or a crowd of sessions does not.
fn turnover(case: &Case) -> Option<Signal> {
    let turnover = case.turnover?;
    let percent = turnover * 100.0;
    match turnover {
        0.75.. => {
            told(-3.0, format!("for what came as much went: only {:.0} % of it stayed", 100.0 - percent))
        }
        0.4.. => told(-2.2, format!("{percent:.0} % of what came went again, or took the place of others")),
        0.15.. => told(-0.5, format!("{percent:.0} % of what came went again")),
        _ => None,
    }
}

/// How much of what it had has stayed: what leaks stays, however much comes. Of what stands in line all may go while the line grows.
fn survival(case: &Case) -> Option<Signal> {
    const LINES: [&str; 7] = ["backlog", "inbox", "jobs", "pending", "queue", "todo", "waiting"];
    let stayed = case.stayed?;
    let said = || format!("of what it had in an earlier dump {:.0} % is still there", stayed * 100.0);
    let is_in_line = || is_line(case) || case.is_called(&LINES);
    match stayed {
        // A line that is worked off within the time of two dumps is long for a while.
        ..0.1 if is_in_line() && !is_even(&steps_of(&case.series())) => told(-3.5, said()),
        ..0.1 if is_in_line() => told(-1.8, said()),
        ..0.35 if is_in_line() => told(-1.0, said()),
        ..0.1 => told(PROBABLY_BOUNDED, said()),
        0.1..0.35 => told(-3.0, said()),
        _ => None,
    }
}

/// How many more there are.
fn amount(case: &Case) -> Option<Signal> {
    let n = case.count_growth().unwrap_or_else(|| case.count());
    if case.how == How::Huge {
        let first = case.bytes.iter().flatten().next().copied().unwrap_or(0);
        let last = case.bytes.iter().flatten().next_back().copied().unwrap_or(0);
        // One object in the place of another is a few bytes larger or smaller.
        let is_small = case.bytes.len() > 1 && last - first < SMALL_GROWTH;
        // What leaks in a cache of results is their number.
        let is_small = is_small || case.way_has(&[LRU_WRAPPER]);
        return if is_small { silent(-3.8) } else { None };
    }
    let n_steps = case.counts.len() as i64 - 1;
    let grew_less_than = |bytes: i64| case.retained_growth().is_some_and(|growth| growth < bytes * n_steps);
    match n {
        ..=2 => silent(-3.8),
        _ if n <= n_steps && grew_less_than(SMALL_GROWTH) => {
            told(-4.5, "at most one more comes with each dump, perhaps of what is done to take it".to_owned())
        }
        3..=7 if grew_less_than(SMALL_GROWTH) => silent(-3.0),
        8..=19 if grew_less_than(SMALL_GROWTH) => silent(-2.4),
        3..=7 if grew_less_than(MUCH_GROWTH) => silent(-2.2),
        8..=19 if grew_less_than(MUCH_GROWTH) => silent(-1.6),
        20..=99 if grew_less_than(SMALL_GROWTH) => silent(-1.2),
        3..=7 => silent(-1.2),
        8..=19 => silent(-0.2),
        20..=99 => silent(0.4),
        _ => silent(0.8),
    }
}

/// What part of the growth it explains; of one dump, what part of all bytes.
fn share(case: &Case, whole: Whole) -> Option<Signal> {
    let (part, of) = match case.retained_growth() {
        // Where the heap hardly grew, a part of its growth says nothing.
        Some(growth) => {
            let least = (whole.bytes / LEAST_GROWTH).max(MUCH_GROWTH);
            (growth.max(case.own), whole.growth.max(least))
        }
        None => (case.retained(), whole.bytes),
    };
    if of <= 0 || part <= 0 {
        return silent(-0.5);
    }
    let percent_of = |of: i64| (part as f64 * 100.0 / of as f64).min(100.0);
    let percent = percent_of(of);
    let fact = match case.retained_growth() {
        Some(_) if whole.growth <= 0 => format!("{} more, while the heap did not grow", words::bytes(part)),
        Some(_) => format!("{} more, {:.0} % of all growth", words::bytes(part), percent_of(whole.growth)),
        None => format!("it retains {}, {percent:.0} % of the heap", words::bytes(part)),
    };
    let one = case.counts.len() == 1;
    match percent {
        // In its place something else has gone.
        _ if !one && whole.growth <= 0 => told(-0.3, fact),
        40.0.. => told(1.1, fact),
        15.0.. => told(if one { 0.6 } else { 0.7 }, fact),
        4.0.. => told(0.2, fact),
        1.0.. => told(if one { -0.8 } else { -0.5 }, fact),
        _ => told(if one { -1.8 } else { -2.0 }, fact),
    }
}

/// What accumulates.
fn kind(case: &Case) -> Option<Signal> {
    match sort_of(&case.type_name) {
        Sort::Program => silent(0.4),
        Sort::Module => told(-2.8, "what is new are modules, as when they are imported late".to_owned()),
        Sort::Code if case.counts.len() == 1 && is_namespace(case) => {
            told(-3.2, "they are the classes of a module or class, in its namespace".to_owned())
        }
        Sort::Code => told(-1.6, "what is new are parts of code, as when modules are imported".to_owned()),
        Sort::Function
            if case.way.last().is_some_and(|step| step.type_name == "dict") && is_namespace(case) =>
        {
            told(
                -1.6,
                "what is new are functions of a module or class, as when modules are imported".to_owned(),
            )
        }
        Sort::Scalar => silent(-0.3),
        _ => None,
    }
}

/// Whether the holder is the dictionary of a module or a class, of whatever metaclass.
fn is_namespace(case: &Case) -> bool {
    matches!(sort_of(case.above(1)), Sort::Module | Sort::Code)
}

/// Whether it says itself how large it may become.
fn bound(case: &Case) -> Option<Signal> {
    let count = case.count();
    if let Some(bound) = &case.bound {
        return enforced_bound(case, bound);
    }
    let is_lru = case.kid_type == "_lru_list_elem" || case.below.contains("_lru_list_elem");
    let unknown =
        || if is_lru { told(-3.5, "it is an lru_cache with a bound".to_owned()) } else { bare_bound(case) };
    let bounds = case.beside.iter().filter_map(|(label, number)| Some((label.as_str(), (*number)?)));
    let bound = bounds.filter(|(label, n)| *n > 1 && says_how_many(label));
    let Some((label, bound)) = bound.min_by_key(|(_, n)| n.abs_diff(count)) else { return unknown() };
    let label = label.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').to_owned();
    match () {
        () if is_no_bound(bound, count) => {
            told(0.2, format!("its {label}, {}, is so high that it is none", words::count(bound)))
        }
        () if reaches(bound, count) => told(
            BOUNDED,
            format!(
                "it has a bound: {label} is {}, of which {} are used",
                words::count(bound),
                words::count(count)
            ),
        ),
        () => None,
    }
}

/// Whether the name of a number says how many items something may have: `max_size`, `maxlen`, but not `max_line_length` or
/// `keep_alive_seconds`, which are of something else.
fn says_how_many(label: &str) -> bool {
    const BOUNDS: [&str; 5] = ["max", "limit", "capacity", "bound", "keep"];
    const OTHER_UNITS: [&str; 33] = [
        "age",
        "alive",
        "attempts",
        "backoff",
        "body",
        "bytes",
        "chunk",
        "delay",
        "depth",
        "duration",
        "height",
        "interval",
        "kb",
        "level",
        "line",
        "mb",
        "memory",
        "ms",
        "period",
        "rate",
        "recursion",
        "redirects",
        "retries",
        "retry",
        "seconds",
        "secs",
        "timeout",
        "threads",
        "time",
        "ttl",
        "upload",
        "width",
        "workers",
    ];
    let words = words::of_name(label);
    words.iter().any(|word| BOUNDS.iter().any(|bound| word.contains(bound)))
        && !words.iter().any(|word| OTHER_UNITS.contains(&word.as_str()))
}

/// A bound that the type of the holder enforces.
fn enforced_bound(case: &Case, bound: &ItemBound) -> Option<Signal> {
    let ItemBound { name, most, used } = *bound;
    let Some(most) = most else { return told(0.4, format!("its {name} is None: it has no bound")) };
    let said = words::count(most);
    match () {
        () if is_no_bound(most, used) => told(0.2, format!("its {name}, {said}, is so high that it is none")),
        () if case.how == How::Siblings => {
            told(BOUNDED, format!("each of them has a bound: {name} is at most {said}"))
        }
        // With two dumps it is not known whether it has ever been replaced.
        () if case.counts.len() == 2 && bound.may_be_raised(&case.holder_type) => told(
            -3.2,
            format!(
                "it is as long as before, {said}, of which {} are used: whether it is made longer when it is full, a third dump would tell",
                words::count(used)
            ),
        ),
        () if reaches(most, used) => told(
            BOUNDED,
            format!("it has a bound: {name} is {said}, of which {} are used", words::count(used)),
        ),
        // What grows is in what it keeps.
        () => None,
    }
}

/// Whether a bound holds so many. The container itself refers to a few objects more: its class, its function.
fn reaches(bound: i64, used: i64) -> bool {
    const OWN: i64 = 4;
    bound.saturating_add(bound / 10).saturating_add(OWN) >= used
}

/// Whether a bound is so far above what is used that nothing will ever come to it.
fn is_no_bound(bound: i64, used: i64) -> bool {
    bound >= used.saturating_mul(200).max(100_000)
}

/// A round number beside the holder that it has not reached, in a dump without labels. One that it has just reached counts along.
fn bare_bound(case: &Case) -> Option<Signal> {
    let count = case.count();
    let is_round = |n: i64| n % 10 == 0 || n.count_ones() == 1;
    let bare = case.beside.iter().filter(|(label, _)| label.is_empty()).filter_map(|(_, number)| *number);
    let mut bounds =
        bare.filter(|n| is_round(*n) && *n >= 16 && *n > count && *n <= count.saturating_mul(20));
    let bound = bounds.next()?;
    let is_near = bound <= count.saturating_mul(2);
    let is_ordered = case.above(0) == "OrderedDict";
    let weight = if is_near && is_ordered {
        PROBABLY_BOUNDED
    } else if is_near {
        -2.2
    } else {
        -1.2
    };
    told(weight, format!("beside it stands {}, perhaps its bound", words::count(bound)))
}

/// Library caches that fill and then stay as they are.
const BOUNDED_MODULES: [&str; 12] = [
    "re",
    "sre_compile",
    "linecache",
    "tokenize",
    "typing",
    "abc",
    "_abc",
    "enum",
    "copyreg",
    "_strptime",
    "struct",
    "encodings",
];

/// Where in the program it is.
fn place(case: &Case) -> Option<Signal> {
    if case.how == How::Siblings {
        return told(0.2, format!("{} objects below it that look the same have grown", case.members.len()));
    }
    let module = case.module()?;
    let package = module.split('.').next().unwrap_or(module);
    match () {
        () if BOUNDED_MODULES.contains(&package) => {
            told(-3.0, format!("it belongs to the library's {module}, which fills its caches and stops"))
        }
        () if is_library(module) && sort_of(&case.type_name) != Sort::Program => {
            told(-1.4, format!("it belongs to the library's {module}"))
        }
        () if is_library(module) => silent(-0.4),
        () => None,
    }
}

/// Whether it is what the interpreter's parser keeps of the source code of the main program while that runs: a list that no object
/// refers to, of texts, also as bytes, and other constants.
fn source(case: &Case, moments: &Moments) -> Option<Signal> {
    const CONSTANTS: [&str; 10] =
        ["str", "bytes", "int", "float", "complex", "tuple", "frozenset", "bool", "NoneType", "ellipsis"];
    const MAX_LOOKED_AT: usize = 100_000;
    let heap = moments.newest();
    if moments.len() > 1 || case.holder_type != "list" || !heap.parents(case.node).is_empty() {
        return None;
    }
    let kids = heap.refs(case.node);
    let types: HashSet<&str> = kids.iter().take(MAX_LOOKED_AT).map(|(_, kid)| heap.type_name(*kid)).collect();
    let is_source = types.contains("str") && types.contains("bytes");
    if !is_source || !types.iter().all(|name| CONSTANTS.contains(name)) {
        return None;
    }
    told(
        -3.0,
        "C code alone holds it, and it has constants as the parser keeps those of the main program"
            .to_owned(),
    )
}

/// Whether the holder itself is new.
fn new_holder(case: &Case) -> Option<Signal> {
    let n = case.counts.len();
    if n < 2 || case.rule == CountRule::Members {
        return None;
    }
    match case.counts.iter().filter(|count| count.is_none()).count() {
        0 => None,
        missing if missing + 1 == n => told(-1.5, "it was made since the last dump but one".to_owned()),
        _ => silent(-0.5),
    }
}

/// Whether it is something in which objects stand in line.
fn is_line(case: &Case) -> bool {
    let is_line = |name: &str| name.ends_with("deque") || name.ends_with("Queue");
    case.way.iter().rev().take(3).any(|step| is_line(&step.type_name))
}

/// Whether it is something in which objects stand in line: with two dumps, a long line is not told from one that never ends.
fn line(case: &Case, moments: &Moments) -> Option<Signal> {
    if moments.len() != 2 || !is_line(case) {
        return None;
    }
    told(-1.6, "a line may be long for a while: a third dump would tell".to_owned())
}

/// Whether they are bound methods and locks that keep nothing of their own, which what runs or waits has on its stack.
fn on_stacks(case: &Case) -> Option<Signal> {
    let is_lock = matches!(short_type_name(&case.type_name), "lock" | "RLock");
    if case.how != How::External || !(is_lock || sort_of(&case.type_name) == Sort::Wrapper) {
        return None;
    }
    told(
        -3.5,
        "they keep nothing of their own: functions that run or wait have such on their stacks".to_owned(),
    )
}

/// Whether they are weak references that only follow what others hold: in a collection that the library has for such, or in the
/// dictionary in which the interpreter keeps the subclasses of a class, to which no object refers.
fn followers(case: &Case, moments: &Moments) -> Option<Signal> {
    if !matches!(case.kid_type.as_str(), "ReferenceType" | "KeyedRef" | "weakref") {
        return None;
    }
    let heap = moments.newest();
    if case.way_has(&["WeakSet", "WeakValueDictionary"]) {
        return told(-3.2, "they are weak references, which follow what others hold".to_owned());
    }
    if !heap.is_table_of_subclasses(case.node) {
        return None;
    }
    told(-5.0, "the interpreter keeps it: the weak references of a class to its subclasses".to_owned())
}

/// Whether one object grows although the dump does not show that the program keeps it: a buffer of a function that ran.
fn running(case: &Case, moments: &Moments) -> Option<Signal> {
    let is_kept = case.is_kept || moments.newest().is_whole();
    if case.how != How::Huge || is_kept {
        return None;
    }
    told(
        -2.8,
        "nothing of the program leads to it: it may belong to what ran when the dump was taken".to_owned(),
    )
}

/// Whether soft references keep it, which the JVM clears before it runs out of memory.
fn soft(case: &Case) -> Option<Signal> {
    if !case.is_soft {
        return None;
    }
    told(BOUNDED, "soft references keep it: the JVM clears them before it runs out of memory".to_owned())
}

/// Whether its keys are weak. Where its values hold them, that is proved.
fn weak_keys(case: &Case) -> Option<Signal> {
    if case.proof.is_some() || !case.has_weak_keys {
        return None;
    }
    told(BOUNDED, "its keys are weak: what it has goes when they do".to_owned())
}

/// Whether there are copies of what it had: with two dumps, what was loaded once more, and is larger now, is not told from what is copied
/// whenever something is added.
fn copies(case: &Case, moments: &Moments) -> Option<Signal> {
    if moments.len() != 2 || !case.is_made_anew {
        return None;
    }
    told(
        -3.0,
        "all that it has was made anew: whether it grows each time, a third dump would tell".to_owned(),
    )
}

/// Whether what it has waits to be used again, by its name: as many as were in use at one time, and no more.
fn spares(case: &Case) -> Option<Signal> {
    const SPARES: [&str; 6] = ["free", "freelist", "idle", "recycled", "spare", "unused"];
    let name = case.way.last()?.label.as_deref()?;
    let is_of_spares = words::of_name(name).iter().any(|word| SPARES.contains(&word.as_str()));
    if !is_of_spares {
        return None;
    }
    told(-3.0, "by its name, what it has waits to be used again".to_owned())
}

/// What part of the retained bytes a container's own table must have to be mentioned: one in so many.
const WORTH_A_WORD: i64 = 20;

/// The table of a container, in which its entries are: the container keeps it whatever is cut, but not when it is emptied.
fn own_table(case: &Case, moments: &Moments) -> Option<Signal> {
    let heap = moments.newest();
    let is_emptied = heap.sort(case.node) == Sort::Container
        && matches!(case.how, How::Refs | How::Standing)
        && !is_namespace(case);
    let size = heap.size(case.node);
    if !is_emptied || size < SMALL_GROWTH || size < case.retained() / WORTH_A_WORD {
        return None;
    }
    told(
        0.0,
        format!("its own table has {} more, which are freed as well when it is cleared", words::bytes(size)),
    )
}

/// Objects that can be on cycles that the interpreter's usual settings leave until the collector looks, of any version.
const USUAL_THRESHOLD: i64 = 2000;
/// Objects more that the collector waits for from which on it comes seldom.
pub(super) const SELDOM: i64 = 10 * USUAL_THRESHOLD;

/// Whether the collector will come for garbage soon.
fn collector(case: &Case, moments: &Moments) -> Option<Signal> {
    if case.how != How::Garbage {
        return None;
    }
    let heap = moments.newest();
    let n_objects: i64 = case.members.iter().map(|node| heap.retained_count(*node) as i64).sum();
    let Some(collector) = heap.manifest().process.collector else {
        let is_usual = n_objects < 2 * USUAL_THRESHOLD;
        let fact = "it may be waiting for a collection that comes soon: the dump does not say whether the collector is on";
        let weight = if heap.is_whole() { -0.8 } else { -3.8 };
        return if is_usual { told(weight, fact.to_owned()) } else { None };
    };
    let threshold = collector.threshold;
    let said = words::count(threshold);
    // What has survived a collection waits for a full one, which comes when there are a quarter more objects.
    let may_wait = threshold.saturating_mul(2).max(heap.n_nodes() as i64 / 4);
    match () {
        () if collector.is_off() => told(2.0, "the collector is off".to_owned()),
        () if threshold > SELDOM => {
            told(0.8, format!("the collector comes only when there are {said} more objects"))
        }
        () if n_objects < may_wait => told(
            BOUNDED,
            format!(
                "the collector is on and comes when there are {said} more objects: it may free this soon"
            ),
        ),
        () => told(-0.5, format!("the collector is on and comes when there are {said} more objects")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_items_are_bounds() {
        for label in
            [".max_size", "['maxlen']", ".MAX_ENTRIES", ".itemLimit", ".capacity", ".keep", ".maxItems"]
        {
            assert!(says_how_many(label), "{label}");
        }
        for label in [
            ".max_line_length",
            ".max_age_seconds",
            ".maxAge",
            "['keep_alive_seconds']",
            ".MAX_RETRIES",
            ".size",
        ] {
            assert!(!says_how_many(label), "{label}");
        }
    }

    #[test]
    fn log_odds_become_confidence() {
        assert!((confidence(0.0) - 0.5).abs() < 1e-9);
        assert!(confidence(3.0) > 0.94 && confidence(-3.0) < 0.06);
    }
}
