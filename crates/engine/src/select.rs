//! Selectors: how dumps are named where a dump may be named.
//!
//! | selector | dumps |
//! |---|---|
//! | `ID` | that one, before all else |
//! | `latest` | the newest |
//! | `SELECTOR~N` | of those the N-th before the newest; `~0` is the newest |
//! | `web-*` | whose id fits; `*` is any number of characters |
//! | `KEY=VALUE`, `!=`, `<`, `<=`, `>`, `>=` | whose tag or fact is so |
//! | `A,B` | that both select |
//! | `A..B`, `A..`, `..B` | from A to B, both included, in the order in which they were taken |
//!
//! Whole numbers compare as numbers, other values part by part, runs of digits by their number, so that `1.9 < 1.10`; `=` and `!=` take
//! a glob. Facts are `id`, `taken`, `imported`, `age`, `format`, `objects`, `edges` and `bytes`.

use std::{cmp::Ordering, sync::Arc};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use heaplake_pathql::glob_matches;
use heaplake_store::{Manifest, Manifests};

use crate::{Error, Result, mistake};

/// Facts that conditions can be about; tags cannot have these names.
pub const FACTS: [&str; 8] = ["age", "bytes", "edges", "format", "id", "imported", "objects", "taken"];

const LATEST: &str = "latest";

/// The dumps that a text selects, oldest first. Selecting none is an error. A text that is an id reads the manifest of
/// that dump only.
pub fn select(manifests: &Manifests, text: &str) -> Result<Vec<Arc<Manifest>>> {
    if let Some(found) = manifests.find(text)? {
        return Ok(vec![found]);
    }
    let dumps = manifests.all()?;
    Ok(positions(dumps, text)?.into_iter().map(|at| dumps[at].clone()).collect())
}

/// The dumps that texts select, all together once, oldest first.
pub fn select_all(manifests: &Manifests, texts: &[String]) -> Result<Vec<Arc<Manifest>>> {
    let selected = texts.iter().map(|text| select(manifests, text)).collect::<Result<Vec<_>>>()?;
    Ok(each_once(selected))
}

/// The same among `dumps`, which are in the order in which they were taken.
pub fn select_among(dumps: &[Arc<Manifest>], texts: &[String]) -> Result<Vec<Arc<Manifest>>> {
    let of_text = |text: &String| {
        let positions = positions(dumps, text)?;
        Ok(positions.into_iter().map(|at| dumps[at].clone()).collect())
    };
    Ok(each_once(texts.iter().map(of_text).collect::<Result<Vec<_>>>()?))
}

fn each_once(selected: Vec<Vec<Arc<Manifest>>>) -> Vec<Arc<Manifest>> {
    let mut selected: Vec<_> = selected.into_iter().flatten().collect();
    selected.sort_by(|a, b| a.by_age(b));
    selected.dedup_by(|a, b| a.id == b.id);
    selected
}

/// The positions of the dumps that a text selects, ascending. `dumps` are in the order in which they were taken.
fn positions(dumps: &[Arc<Manifest>], text: &str) -> Result<Vec<usize>> {
    let selected = Selecting { dumps, now: Utc::now() }.any(text)?;
    if selected.is_empty() { Err(none(dumps, text)) } else { Ok(selected) }
}

/// The one dump that a text selects. Selecting several is an error.
pub fn select_one(manifests: &Manifests, text: &str) -> Result<Arc<Manifest>> {
    one_of(select(manifests, text)?, text)
}

/// The dump of a selection of one.
pub(crate) fn one_of(mut selected: Vec<Arc<Manifest>>, text: &str) -> Result<Arc<Manifest>> {
    if selected.len() == 1 {
        return Ok(selected.swap_remove(0));
    }
    const SHOWN: usize = 4;
    let names: Vec<&str> = selected.iter().take(SHOWN).map(|manifest| manifest.id.as_str()).collect();
    let more = if selected.len() > SHOWN { ", ..." } else { "" };
    Err(Error::query(format!(
        "{} selects {} dumps ({}{more}) where one is needed; add ~0 for the newest of them",
        mistake::escape(text),
        selected.len(),
        names.join(", ")
    )))
}

/// Whether a text that names no dump may select some.
pub(crate) fn is_selector(text: &str) -> bool {
    text == LATEST || text.contains(['~', '*', '=', '<', '>', ',']) || text.contains("..")
}

struct Selecting<'s> {
    dumps: &'s [Arc<Manifest>],
    now: DateTime<Utc>,
}

impl Selecting<'_> {
    fn manifests(&self) -> impl Iterator<Item = (usize, &Manifest)> {
        self.dumps.iter().map(Arc::as_ref).enumerate()
    }

    fn id(&self, text: &str) -> Option<usize> {
        self.manifests().find(|(_, manifest)| manifest.id.as_str() == text).map(|(at, _)| at)
    }

    /// Any selector.
    fn any(&self, text: &str) -> Result<Vec<usize>> {
        if let Some(at) = self.id(text) {
            return Ok(vec![at]);
        }
        match text.split_once("..") {
            Some((from, to)) => self.range(text, from, to),
            None => self.nth(text),
        }
    }

    fn range(&self, text: &str, from: &str, to: &str) -> Result<Vec<usize>> {
        if from.is_empty() && to.is_empty() {
            return Err(mistaken(text, "a range has an end at least; * selects all dumps"));
        }
        if to.contains("..") && self.id(to).is_none() {
            return Err(mistaken(text, "a range has two ends at most"));
        }
        let end = |end: &str| match end {
            "" => Ok(None),
            end => {
                let selected = self.nth(end)?;
                match selected.as_slice() {
                    [one] => Ok(Some(*one)),
                    [] => Err(none(self.dumps, end)),
                    _ => Err(mistaken(
                        text,
                        &format!("{end} selects several dumps; add ~0 for the newest of them"),
                    )),
                }
            }
        };
        let (first, last) = (end(from)?, end(to)?);
        if first.zip(last).is_some_and(|(first, last)| first > last) {
            return Err(mistaken(text, &format!("{from} was taken after {to}")));
        }
        let n_dumps = self.dumps.len();
        Ok((first.unwrap_or(0)..last.map_or(n_dumps, |last| last + 1)).collect())
    }

    /// A selector that is no range, perhaps with `~N`.
    fn nth(&self, text: &str) -> Result<Vec<usize>> {
        if let Some(at) = self.id(text) {
            return Ok(vec![at]);
        }
        let Some((of, n)) = text.rsplit_once('~') else { return self.all(text) };
        let n: usize = n.parse().map_err(|_| mistaken(text, "a number stands after ~"))?;
        let of = match of {
            LATEST => self.manifests().map(|(at, _)| at).collect(),
            of => match self.id(of) {
                // Before that one, whatever they are.
                Some(at) => (0..=at).collect(),
                None => self.all(of)?,
            },
        };
        Ok(of.iter().rev().nth(n).copied().into_iter().collect())
    }

    /// Conditions and globs that must all hold.
    fn all(&self, text: &str) -> Result<Vec<usize>> {
        let mut selected: Vec<usize> = (0..self.dumps.len()).collect();
        for part in text.split(',') {
            let passing = self.part(part, text)?;
            selected.retain(|at| passing.contains(at));
        }
        Ok(selected)
    }

    fn part(&self, part: &str, text: &str) -> Result<Vec<usize>> {
        if let Some(at) = self.id(part) {
            return Ok(vec![at]);
        }
        let passing = |passes: &dyn Fn(&Manifest) -> bool| {
            self.manifests().filter(|(_, manifest)| passes(manifest)).map(|(at, _)| at).collect()
        };
        if part == LATEST {
            return Ok(self.dumps.len().checked_sub(1).into_iter().collect());
        }
        if let Some(condition) = Condition::parse(part, text, self.now)? {
            return Ok(passing(&|manifest| condition.holds(manifest, self.now)));
        }
        match part.contains('*') {
            true => Ok(passing(&|manifest| glob_matches(part, manifest.id.as_str()))),
            false => Err(none(self.dumps, part)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    fn passes(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::Unequal => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::More => ordering.is_gt(),
            Comparison::AtLeast => ordering.is_ge(),
        }
    }
}

/// What a fact or tag is compared with.
enum Operand<'t> {
    Text(&'t str),
    /// An instant, or a day from its beginning to its end.
    Time(DateTime<Utc>, DateTime<Utc>),
    Age(TimeDelta),
}

struct Condition<'t> {
    key: &'t str,
    comparison: Comparison,
    operand: Operand<'t>,
}

impl<'t> Condition<'t> {
    fn parse(part: &'t str, text: &str, now: DateTime<Utc>) -> Result<Option<Self>> {
        let Some(at) = part.find(['=', '!', '<', '>']) else { return Ok(None) };
        let (key, rest) = part.split_at(at);
        let operators = [
            ("!=", Comparison::Unequal),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let found = operators
            .into_iter()
            .find_map(|(operator, comparison)| rest.strip_prefix(operator).map(|value| (comparison, value)));
        let Some((comparison, value)) = found.filter(|_| !key.is_empty()) else {
            return Err(mistaken(text, "a condition is KEY=VALUE, or with !=, <, <=, >, >="));
        };
        let operand = match key {
            "taken" | "imported" => {
                let (start, end) = time(value).ok_or_else(|| {
                    mistaken(
                        text,
                        &format!("{value:?} is not a time; write 2015-11-22 or 2015-11-22T14:30:00Z"),
                    )
                })?;
                Operand::Time(start, end)
            }
            "age" => {
                let age = age(value).filter(|age| now.checked_sub_signed(*age).is_some());
                Operand::Age(age.ok_or_else(|| {
                    mistaken(text, &format!("{value:?} is not an age; write for example 90d, 12h, 30m or 2w"))
                })?)
            }
            "objects" | "edges" | "bytes" if !value.contains('*') && value.parse::<i128>().is_err() => {
                return Err(mistaken(text, &format!("{value:?} is not a number, and {key} is one")));
            }
            _ => Operand::Text(value),
        };
        Ok(Some(Self { key, comparison, operand }))
    }

    fn holds(&self, manifest: &Manifest, now: DateTime<Utc>) -> bool {
        match &self.operand {
            Operand::Time(start, end) => {
                let of = if self.key == "taken" { manifest.taken } else { manifest.imported };
                self.comparison.passes(if of < *start {
                    Ordering::Less
                } else if of == *start || of < *end {
                    Ordering::Equal
                } else {
                    Ordering::Greater
                })
            }
            Operand::Age(age) => self.comparison.passes((now - manifest.taken).cmp(age)),
            Operand::Text(wanted) => {
                let counts = &manifest.counts;
                let of = match self.key {
                    "id" => manifest.id.to_string(),
                    "format" => manifest.source.format.clone(),
                    "objects" => counts.objects.to_string(),
                    "edges" => counts.edges.to_string(),
                    "bytes" => counts.bytes.to_string(),
                    tag => match manifest.tag(tag) {
                        Some(value) => value,
                        // Neither more nor less, and not equal to anything.
                        None => return self.comparison == Comparison::Unequal,
                    },
                };
                match self.comparison {
                    Comparison::Equal => glob_matches(wanted, &of),
                    Comparison::Unequal => !glob_matches(wanted, &of),
                    comparison => comparison.passes(compare(&of, wanted)),
                }
            }
        }
    }
}

/// An instant, or a day in UTC.
fn time(text: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some((time.to_utc(), time.to_utc()));
    }
    let day: NaiveDate = text.parse().ok()?;
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Some((start(day), start(day.checked_add_days(Days::new(1))?)))
}

/// A length of time: `90d`, `12h`; units are s, m, h, d and w.
pub fn age(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u32 = number.parse().ok()?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    TimeDelta::try_seconds(i64::from(number) * seconds)
}

/// Whole numbers by their value, everything else part by part: runs of digits by their number, the rest by its characters.
fn compare(a: &str, b: &str) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return a.cmp(&b);
    }
    let (mut a, mut b) = (a, b);
    loop {
        let (part_a, part_b) = (run(&mut a), run(&mut b));
        let ordering = match (part_a, part_b) {
            ("", "") => return Ordering::Equal,
            (a, b) if starts_with_digit(a) && starts_with_digit(b) => {
                let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            }
            (a, b) => a.cmp(b),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes the longest run of digits, or of other characters, off the front.
fn run<'t>(text: &mut &'t str) -> &'t str {
    let is_digits = starts_with_digit(text);
    let end = text.find(|c: char| c.is_ascii_digit() != is_digits).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    run
}

fn mistaken(text: &str, what: &str) -> Error {
    Error::query(format!("{} selects no dumps: {}", mistake::escape(text), mistake::escape(what)))
}

/// That nothing is selected, with what was probably meant.
fn none(dumps: &[Arc<Manifest>], text: &str) -> Error {
    let manifests = || dumps.iter().map(Arc::as_ref);
    if dumps.is_empty() {
        return Error::NoDumps;
    }
    if !is_selector(text) {
        let ids = manifests().map(|manifest| manifest.id.as_str());
        let suggestion = mistake::nearest(text, ids).and_then(|near| near.parse().ok());
        return heaplake_store::Error::NoSuchDump { id: text.to_owned(), suggestion }.into();
    }
    let mut hint = String::new();
    if let Some((key, _)) = text.split_once(['=', '<', '>', '!']) {
        let tags: Vec<_> = manifests().map(|manifest| manifest.all_tags()).collect();
        let mut keys: Vec<&str> = tags.iter().flat_map(|tags| tags.keys()).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        if !FACTS.contains(&key) && !keys.contains(&key) {
            hint = match mistake::nearest(key, keys.into_iter().chain(FACTS)) {
                Some(near) => format!("; did you mean {}?", mistake::escape(near)),
                None => format!("; no dump has a tag {}", mistake::escape(key)),
            };
        } else if let Some(near) = tags.iter().filter_map(|tags| tags.get(key)).next_back() {
            hint = format!("; the newest has {}={}", mistake::escape(key), mistake::escape(near));
        }
    }
    Error::query(format!("no dump is selected by {}{hint}", mistake::escape(text)))
}

#[cfg(test)]
mod tests {
    use heaplake_store::{Counts, Source, TakenFrom};

    use super::*;

    fn manifest(id: &str, taken: &str, tags: &[(&str, &str)]) -> Arc<Manifest> {
        Arc::new(Manifest {
            format_version: heaplake_store::FORMAT_VERSION,
            id: id.parse().expect("an id"),
            taken: taken.parse().expect("a time"),
            taken_from: TakenFrom::User,
            imported: DateTime::UNIX_EPOCH,
            source: Source {
                file: String::new(),
                bytes: 0,
                sha256: String::new(),
                format: "meliae".to_owned(),
                compression: "none".to_owned(),
                part: None,
            },
            process: Default::default(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            counts: Counts { objects: 10, ..Counts::default() },
            roots: [].into(),
            indexed: true,
            naming: 0,
            issues: [].into(),
            pruned: None,
            files: Vec::new(),
        })
    }

    fn dumps() -> Vec<Arc<Manifest>> {
        vec![
            manifest("web-1", "2015-11-20T10:00:00Z", &[("build", "99"), ("service", "lms")]),
            manifest("web-2", "2015-11-21T10:00:00Z", &[("build", "100"), ("service", "lms")]),
            manifest("a..b", "2015-11-22T10:00:00Z", &[("version", "1.9")]),
            manifest("db-1", "2015-11-23T10:00:00Z", &[("version", "1.10"), ("service", "cms")]),
        ]
    }

    #[test]
    fn selectors_select() {
        let dumps = dumps();
        for (text, wanted) in [
            ("web-2", &[1][..]),
            ("a..b", &[2]),
            ("latest", &[3]),
            ("latest~0", &[3]),
            ("latest~3", &[0]),
            ("db-1~1", &[2]),
            ("web-2~1", &[0]),
            ("web-*", &[0, 1]),
            ("*", &[0, 1, 2, 3]),
            ("web-*~1", &[0]),
            ("web-*~0", &[1]),
            ("build=99", &[0]),
            ("build>=99", &[0, 1]),
            ("build>99", &[1]),
            ("build<100", &[0]),
            ("build!=99", &[1, 2, 3]),
            ("service=*ms", &[0, 1, 3]),
            ("service=lms,build=100", &[1]),
            ("web-*,build<100", &[0]),
            ("version>1.9", &[3]),
            ("version<=1.9", &[2]),
            ("taken=2015-11-21", &[1]),
            ("taken>2015-11-21", &[2, 3]),
            ("taken>=2015-11-21,taken<2015-11-23", &[1, 2]),
            ("taken<=2015-11-21T10:00:00Z", &[0, 1]),
            ("age>1w", &[0, 1, 2, 3]),
            ("objects>=10", &[0, 1, 2, 3]),
            ("id=*b*", &[0, 1, 2, 3]),
            ("web-1..web-2", &[0, 1]),
            ("web-2..", &[1, 2, 3]),
            ("..web-2", &[0, 1]),
            ("build=99..build=100", &[0, 1]),
            ("latest~2..latest", &[1, 2, 3]),
        ] {
            assert_eq!(
                positions(&dumps, text).unwrap_or_else(|error| panic!("{text}: {error}")),
                wanted,
                "{text}"
            );
        }
        assert_eq!(positions(&dumps, "build>=99~0").expect("one"), [1]);
    }

    #[test]
    fn mistakes_say_what_was_meant() {
        let mut dumps = dumps();
        dumps.pop();
        for (text, part) in [
            ("web-3", "the lake has no dump \"web-3\"; did you mean"),
            ("biuld=99", "no dump is selected by biuld=99; did you mean build?"),
            ("build=7", "the newest has build=100"),
            ("colour=red", "no dump has a tag colour"),
            ("latest~9", "no dump is selected by latest~9"),
            ("latest~x", "a number stands after ~"),
            ("=x", "a condition is KEY=VALUE"),
            ("a!b", "a condition is KEY=VALUE"),
            ("taken>yesterday", "\"yesterday\" is not a time"),
            ("objects>abc", "\"abc\" is not a number"),
            ("age>7", "\"7\" is not an age"),
            ("web-2..web-1", "web-2 was taken after web-1"),
            ("web-1..web-2..latest", "a range has two ends at most"),
            ("..", "a range has an end at least"),
            ("web-*..latest", "web-* selects several dumps"),
            ("\x1b[2J=1", "\\u{1b}[2J"),
        ] {
            let message = positions(&dumps, text).expect_err(text).to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        }
        let several = one_of(dumps[..2].to_vec(), "web-*").expect_err("several").to_string();
        assert_eq!(
            several,
            "web-* selects 2 dumps (web-1, web-2) where one is needed; add ~0 for the newest of them"
        );
    }

    #[test]
    fn no_text_is_too_odd() {
        let dumps = &dumps()[..3];
        let pieces =
            ["latest", "~", "..", "*", "=", "!", "<", ",", "1", "é", "taken", "age", "9d", "\0", "web-1"];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..seed % 6 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text += pieces[(seed >> 33) as usize % pieces.len()];
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if let Ok(selected) = positions(dumps, &text) {
                assert!(selected.is_sorted() && selected.iter().all(|at| *at < dumps.len()), "{text:?}");
            }
        }
    }

    #[test]
    fn values_compare_by_their_numbers() {
        for (a, b) in [
            ("99", "100"),
            ("1.9", "1.10.1"),
            ("v9", "v10"),
            ("a", "b"),
            ("2", "2a"),
            ("007", "8"),
            ("-2", "1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{a} {b}");
        }
        assert_eq!(compare("v01", "v1"), Ordering::Equal);
    }
}
