//! Repeated units of a path, folded: `A -> B -> A -> B -> A -> B -> C` is `(A -> B ->)+ C`.

use std::ops::Range;

/// Longest unit that is looked for.
const MAX_UNIT: usize = 12;
/// Fewest repetitions that are folded.
const MIN_TIMES: usize = 2;

/// A part of a sequence: a unit, and how often it comes one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The first unit's place in the sequence.
    pub unit: Range<usize>,
    /// 1 for what is not repeated.
    pub times: usize,
}

impl Segment {
    /// The place of all repetitions in the sequence.
    pub fn whole(&self) -> Range<usize> {
        self.unit.start..self.unit.start + self.unit.len() * self.times
    }
}

/// Folds a sequence from left to right: at each place the unit that covers most, of several the shortest. O(length).
pub fn fold<T: PartialEq>(sequence: &[T]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut at = 0;
    while at < sequence.len() {
        let rest = &sequence[at..];
        let mut best = (1, 1);
        for unit in 1..=MAX_UNIT.min(rest.len() / MIN_TIMES) {
            let times = rest.chunks_exact(unit).take_while(|chunk| *chunk == &rest[..unit]).count();
            if times >= MIN_TIMES && times * unit > best.0 * best.1 {
                best = (unit, times);
            }
        }
        let (unit, times) = best;
        match segments.last_mut() {
            Some(last) if times == 1 && last.times == 1 => last.unit.end += 1,
            _ => segments.push(Segment { unit: at..at + unit, times }),
        }
        at += unit * times;
    }
    segments
}

/// A path in one line, for comparison: types with the arrows that follow them, repetitions folded without their number.
/// Also how often the most repeated unit comes; 1 where none is.
///
/// `ups[i]` says whether the hop after object `i` goes up; the last one has none.
pub(super) fn signature(types: &[&str], ups: &[bool]) -> (String, usize) {
    let last = types.len().saturating_sub(1);
    // The last object has no arrow after it, so it is in no unit.
    let units: Vec<(&str, bool)> = types.iter().zip(ups).take(last).map(|(name, up)| (*name, *up)).collect();
    let mut text = String::new();
    let mut repeats = 1;
    for segment in fold(&units) {
        repeats = repeats.max(segment.times);
        let parts: Vec<String> = units[segment.unit.clone()]
            .iter()
            .map(|(name, up)| format!("{} {}", type_term(name), if *up { "<-" } else { "->" }))
            .collect();
        match segment.times {
            1 => text += &format!("{} ", parts.join(" ")),
            _ => text += &format!("({})+ ", parts.join(" ")),
        }
    }
    text += &types.last().map(|name| type_term(name)).unwrap_or_default();
    (text, repeats)
}

/// A type as it is written in a pattern.
pub fn type_term(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_keyword =
        ["root", "where", "except", "per", "within", "limit"].contains(&name.to_lowercase().as_str());
    match begins && name.chars().all(is_plain) && !name.contains("..") && !is_keyword {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_folded() {
        let segments = |text: &str| -> Vec<(Range<usize>, usize)> {
            let letters: Vec<char> = text.chars().collect();
            fold(&letters).into_iter().map(|segment| (segment.unit, segment.times)).collect()
        };
        assert_eq!(segments(""), []);
        assert_eq!(segments("abc"), [(0..3, 1)]);
        assert_eq!(segments("xababab"), [(0..1, 1), (1..3, 3)]);
        assert_eq!(
            segments("aaaabab"),
            [(0..1, 4), (4..5, 1), (5..6, 1), (6..7, 1)][..1]
                .to_vec()
                .into_iter()
                .chain([(4..7, 1)])
                .collect::<Vec<_>>()
        );
        assert_eq!(segments("abcabcz"), [(0..3, 2), (6..7, 1)]);
    }

    #[test]
    fn a_signature_has_no_numbers() {
        let down = [false; 8];
        let (a, n) = signature(&["m", "L", "d", "L", "d", "L"], &down);
        assert_eq!((a.as_str(), n), ("m -> (L -> d ->)+ L", 2));
        let (b, n) = signature(&["m", "L", "d", "L", "d", "L", "d", "L"], &down);
        assert_eq!((b.as_str(), n), ("m -> (L -> d ->)+ L", 3));
        assert_eq!(signature(&["a b", "root"], &[true]).0, "\"a b\" <- \"root\"");
        assert_eq!(signature(&["x"], &[]).0, "x");
    }
}
