//! Replaces what differs from run to run: times, rates, the version, folders, names of files in a lake; and sizes in
//! a lake where they are told in passing, because every change of the encoding changes them.

use std::path::Path;

/// The text with placeholders. Those of times of day have the width of what they stand for, so that tables stay
/// aligned.
pub fn replaced(text: &str, here: &Path) -> String {
    let text = text.replace(&here.display().to_string(), "[folder]");
    let text = text.replace(concat!("heaplake ", env!("CARGO_PKG_VERSION")), "heaplake [version]");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let at_word = !out
            .chars()
            .next_back()
            .is_some_and(|before| before.is_ascii_alphanumeric() || "._".contains(before));
        let found = if at_word && c.is_ascii_digit() { found_at(rest, &out) } else { None };
        match found {
            Some((len, placeholder)) => {
                out += placeholder;
                rest = &rest[len..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

fn found_at(rest: &str, before: &str) -> Option<(usize, &'static str)> {
    let is_stored = before.ends_with("stored ") || before.ends_with("graph index ");
    let stored = || if is_stored { size(rest) } else { None };
    time_of_day(rest).or_else(|| stamp(rest)).or_else(|| amount(rest)).or_else(stored)
}

/// A date and time of this run: scripts that give a time give one of long ago.
fn time_of_day(text: &str) -> Option<(usize, &'static str)> {
    let form = b"0000-00-00?00:00:00";
    let head = text.as_bytes().get(..form.len())?;
    let fits = head.iter().zip(form).all(|(c, form)| match form {
        b'0' => c.is_ascii_digit(),
        b'?' => matches!(c, b' ' | b'T'),
        _ => c == form,
    });
    if !fits || &text[..4] < "2020" {
        return None;
    }
    let rest = &text[form.len()..];
    let fraction =
        rest.strip_prefix('.').map_or(0, |rest| 1 + rest.bytes().take_while(u8::is_ascii_digit).count());
    let placeholder = if head[10] == b'T' { "YYYY-MM-DDThh:mm:ss" } else { "YYYY-MM-DD hh:mm:ss" };
    Some((form.len() + fraction, placeholder))
}

/// What the names of a lake's files begin with: `20261123T001847-MAHbg3`.
fn stamp(text: &str) -> Option<(usize, &'static str)> {
    let form = b"00000000T000000-";
    let len = form.len() + 6;
    let head = text.get(..len)?.as_bytes();
    let fits = |(c, form): (&u8, &u8)| if *form == b'0' { c.is_ascii_digit() } else { c == form };
    let (time, random) = head.split_at(form.len());
    (time.iter().zip(form).all(fits) && random.iter().all(u8::is_ascii_alphanumeric))
        .then_some((len, "[stamp]"))
}

/// `6.6 KiB`.
fn size(text: &str) -> Option<(usize, &'static str)> {
    let digits = text.bytes().take_while(|c| c.is_ascii_digit() || *c == b'.').count();
    let unit = [" B", " KiB", " MiB"].into_iter().find(|unit| text[digits..].starts_with(unit))?;
    Some((digits + unit.len(), "[size]"))
}

/// `12 ms`, `1.25 s`, `480 MB/s`.
fn amount(text: &str) -> Option<(usize, &'static str)> {
    let digits = text.bytes().take_while(|c| c.is_ascii_digit() || *c == b'.').count();
    let units = [(" ms", "[time]"), (" µs", "[time]"), (" s", "[time]"), (" MB/s", "[rate]")];
    units.into_iter().find_map(|(unit, placeholder)| {
        let rest = text[digits..].strip_prefix(unit)?;
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric());
        ends.then_some((digits + unit.len(), placeholder))
    })
}

#[test]
fn only_what_is_volatile_is_replaced() {
    let here = Path::new("/tmp/x");
    for (text, expected) in [
        ("taken 2026-11-22 10:00:00Z │", "taken YYYY-MM-DD hh:mm:ssZ │"),
        ("2026-11-22T10:00:00.123456Z", "YYYY-MM-DDThh:mm:ssZ"),
        ("2015-11-22T10:00:00Z", "2015-11-22T10:00:00Z"),
        ("read 4.1 KiB in 12 ms, 480 MB/s;", "read 4.1 KiB in [time], [rate];"),
        ("in 1.25 s", "in [time]"),
        ("a: 64 B; stored 6.6 KiB, graph index 1.0 MiB", "a: 64 B; stored [size], graph index [size]"),
        ("obj/dump=a/20261123T001847-MAHbg3-obj.parquet", "obj/dump=a/[stamp]-obj.parquet"),
        ("12 sizes, 3 strings, x12 s", "12 sizes, 3 strings, x12 s"),
        ("/tmp/x/lake: größe", "[folder]/lake: größe"),
    ] {
        assert_eq!(replaced(text, here), expected);
    }
}
