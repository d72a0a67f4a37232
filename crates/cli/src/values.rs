//! Values of options: sizes, times, tags, parameters and names of queries as they are typed.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};

use heaplake_engine::Attached;

use crate::library;

/// Less than this cannot hold the buffers of one import or query.
pub const SMALLEST_LIMIT: u64 = 16_000_000;

/// A size in bytes: `512MB`, `2GiB`, `1.5G`. KB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let size = text.trim().parse::<bytesize::ByteSize>();
    let size = size.map_err(|_| format!("{text:?} is not a size; write for example 512MB, 2GiB or 1.5G"));
    size.map(|size| size.as_u64())
}

/// A memory limit in bytes, written as a [`size`].
pub fn memory_limit(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < SMALLEST_LIMIT {
        return Err(format!("{bytes} bytes are too few to work with; the smallest limit is 16MB"));
    }
    Ok(bytes)
}

/// Any dump format, recognised by content.
pub const ANY_FORMAT: &str = "auto";

/// The name of a dump format, or [`ANY_FORMAT`].
pub fn dump_format() -> PossibleValuesParser {
    let any = PossibleValue::new(ANY_FORMAT).help("Recognised by content");
    let formats = heaplake_store::FORMATS.iter();
    let formats = formats.map(|format| PossibleValue::new(format.name()).help(format.description()));
    std::iter::once(any).chain(formats).collect::<Vec<_>>().into()
}

/// An address: `140280053449680`, `0x7f95a1b0c8d0`, either after an `@`.
pub fn address(text: &str) -> Result<u64, String> {
    heaplake_engine::address(text)
        .ok_or_else(|| format!("{text:?} is not an address; write for example @0x7f95a1b0c8d0"))
}

/// A whole number that is not too small.
pub fn at_least<const MIN: u32>(text: &str) -> Result<u32, String> {
    let digits = text.trim();
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("{text:?} is not a number; write for example 10"));
    }
    match digits.parse() {
        Ok(number) if number >= MIN => Ok(number),
        Ok(_) => Err(format!("{digits} is too small; the smallest is {MIN}")),
        Err(_) => Err(format!("{digits} is too large; the largest is {}", u32::MAX)),
    }
}

/// A number from 0 to 100.
pub fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from 0 to 100")),
    }
}

/// A number from 0 to 1.
pub fn probability(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from 0 to 1; write for example 0.5")),
    }
}

/// A time with its zone, as RFC 3339 has it, or a day in UTC.
pub fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()).or_else(day);
    time.ok_or_else(|| {
        format!("{text:?} is not a time; write for example 2015-11-22 or 2015-11-22T14:30:00Z")
    })
}

/// A length of time, `90d`.
pub fn age(text: &str) -> Result<TimeDelta, String> {
    heaplake_engine::age(text)
        .ok_or_else(|| format!("{text:?} is not an age; write for example 90d, 12h, 30m or 8w"))
}

/// A tag, `KEY=VALUE`; the value may be empty and may hold more `=`.
pub fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((tag_key(key)?, value.to_owned())),
        _ => Err("a tag is KEY=VALUE, for example host=web3".to_owned()),
    }
}

/// The key of a tag: letters, digits, `_`, `.` and `-`, and no fact that every dump has.
pub fn tag_key(text: &str) -> Result<String, String> {
    let is_valid = text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !is_valid {
        return Err(format!(
            "{text:?} is not a key; a key is a letter or _, then letters, digits, '_', '.' or '-'"
        ));
    }
    if heaplake_engine::FACTS.contains(&text) {
        return Err(format!("{text} is a fact that every dump has; a tag needs another name"));
    }
    Ok(text.to_owned())
}

/// A file that a name stands for, `NAME=FILE`.
pub fn attached(text: &str) -> Result<Attached, String> {
    match text.split_once('=') {
        Some((name, file)) if !file.is_empty() => {
            Attached::new(name, Path::new(file)).map_err(|error| error.to_string())
        }
        _ => Err("what is attached is NAME=FILE, for example deploys=deploys.csv".to_owned()),
    }
}

/// A parameter of a query, `NAME=VALUE`; the value may be empty and may hold more `=`.
pub fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is NAME=VALUE, for example limit=100".to_owned()),
    }
}

/// The name of a query or a file. Any text is taken; shells complete the names of queries.
#[derive(Debug, Clone, Copy)]
pub struct QueryName;

impl TypedValueParser for QueryName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(library::names().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("16MB", 16_000_000),
            ("512MB", 512_000_000),
            ("512mb", 512_000_000),
            ("2GiB", 2 << 30),
            ("1.5G", 1_500_000_000),
            ("64 MiB", 64 << 20),
            ("17000000", 17_000_000),
        ] {
            assert_eq!(memory_limit(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_usable_size() {
        for text in ["", "MB", "-1GB", "1.2.3GB", "12XB", "nan", "1e9", "0", "64", "15.9MB"] {
            assert!(memory_limit(text).is_err(), "{text}");
        }
        let too_small = memory_limit("64").expect_err("64 bytes");
        assert!(too_small.contains("16MB"), "{too_small}");
    }

    #[test]
    fn reads_counts_and_says_what_is_none() {
        assert_eq!(at_least::<1>("10"), Ok(10));
        for (text, part) in [
            ("x", "not a number"),
            ("-1", "not a number"),
            ("", "not a number"),
            ("0", "smallest is 1"),
            ("4294967296", "too large"),
        ] {
            let error = at_least::<1>(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn reads_times_with_a_zone() {
        let utc = time("2015-11-22T14:30:00+02:00").map(|time| time.to_rfc3339());
        assert_eq!(utc, Ok("2015-11-22T12:30:00+00:00".to_owned()));
        assert_eq!(
            time("2015-11-22").map(|time| time.to_rfc3339()),
            Ok("2015-11-22T00:00:00+00:00".to_owned())
        );
        assert!(time("yesterday").expect_err("no time").contains("2015-11-22T14:30:00Z"));
    }

    #[test]
    fn splits_tags_at_the_first_equals_sign() {
        assert_eq!(tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(tag("a="), Ok(("a".to_owned(), String::new())));
        assert!(tag("a").is_err());
        assert!(tag("=b").is_err());
        assert!(tag("a b=c").is_err());
        assert!(tag("taken=now").is_err());
    }
}
