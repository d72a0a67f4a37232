//! The comments at the top of a query: its question, parameters and columns.
//!
//! ```text
//! -- <the question, one sentence>
//! -- <notes, any number of lines>
//! -- param <name> <kind> = <default>: <description>
//! -- column <name>: <meaning>
//! ```
//!
//! Kinds are integer, number, text, boolean, size, percent, time, duration, dump, or words with `|` between them, of which
//! one is meant. A parameter of that name is `$name` in the query. The header ends at the first line that is no comment, or
//! that names the result of the first statement: `-- result NAME`.

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use heaplake_engine::Value;

/// What a header says.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// The question that the query answers.
    pub question: String,
    /// What can be set, in the order of the header.
    pub parameters: Vec<Parameter>,
    /// Names and meanings of the columns, in their order.
    pub columns: Vec<(String, String)>,
}

/// A value of the query that can be set.
#[derive(Debug, PartialEq)]
pub struct Parameter {
    /// Its name, without the `$`.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Its value where none is given.
    pub default: Value,
    /// The same as it is written.
    pub default_text: String,
    /// What it means.
    pub description: String,
}

/// What the values of a parameter are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Finite numbers.
    Number,
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A number of bytes, `10MiB`; an integer in the query.
    Size,
    /// `5%` or `0.05`; the number 0.05 in the query.
    Percent,
    /// A time with its zone, or a day in UTC; a timestamp in the query.
    Time,
    /// A length of time, `90d`; an interval in the query.
    Duration,
    /// A selector of one dump, `latest~1`; the id of that dump in the query.
    Dump,
    /// One of some words, `count|size`.
    Choice(Vec<String>),
}

/// The kinds that have a name.
const NAMED: [(&str, Kind); 9] = [
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("text", Kind::Text),
    ("boolean", Kind::Boolean),
    ("size", Kind::Size),
    ("percent", Kind::Percent),
    ("time", Kind::Time),
    ("duration", Kind::Duration),
    ("dump", Kind::Dump),
];

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        if name.contains('|') {
            let words: Vec<String> = name.split('|').map(str::to_owned).collect();
            return words.iter().all(|word| !word.is_empty()).then_some(Kind::Choice(words));
        }
        NAMED.into_iter().find(|(named, _)| *named == name).map(|(_, kind)| kind)
    }

    /// The value that a text stands for.
    pub fn value(&self, text: &str) -> Result<Value> {
        let trimmed = text.trim();
        let finite = |text: &str| text.trim().parse().ok().filter(|x: &f64| x.is_finite());
        let value = match self {
            Kind::Integer => trimmed.parse().ok().map(Value::Integer),
            Kind::Number => finite(trimmed).map(Value::Number),
            Kind::Text => Some(Value::Text(text.to_owned())),
            Kind::Boolean => trimmed.parse().ok().map(Value::Boolean),
            Kind::Size => {
                let size = trimmed.parse::<bytesize::ByteSize>().ok();
                size.and_then(|size| i64::try_from(size.as_u64()).ok()).map(Value::Integer)
            }
            Kind::Percent => match trimmed.strip_suffix('%') {
                Some(percent) => finite(percent).map(|percent| Value::Number(percent / 100.0)),
                None => finite(trimmed).map(Value::Number),
            },
            Kind::Time => time(trimmed).map(|time| Value::Time(time.timestamp_micros())),
            Kind::Duration => {
                heaplake_engine::age(trimmed).and_then(|age| age.num_nanoseconds()).map(Value::Duration)
            }
            Kind::Dump => (!trimmed.is_empty()).then(|| Value::Dump(trimmed.to_owned())),
            Kind::Choice(words) => {
                words.iter().any(|word| word == trimmed).then(|| Value::Text(trimmed.to_owned()))
            }
        };
        value.with_context(|| match self {
            Kind::Integer => format!("{text:?} is no integer"),
            Kind::Number | Kind::Text => format!("{text:?} is no number"),
            Kind::Boolean => format!("{text:?} is neither true nor false"),
            Kind::Size => format!("{text:?} is no size; write for example 512KB, 10MiB or 1.5G"),
            Kind::Percent => format!("{text:?} is no percentage; write for example 5% or 0.05"),
            Kind::Time => format!("{text:?} is no time; write 2015-11-22 or 2015-11-22T14:30:00Z"),
            Kind::Duration => format!("{text:?} is no length of time; write for example 90d, 12h, 30m or 8w"),
            Kind::Dump => "a dump has a name, or is selected as in latest~1 or build=4711".to_owned(),
            Kind::Choice(words) => format!("{text:?} is none of {}", words.join(", ")),
        })
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()).or_else(day)
}

impl Header {
    /// Reads the header of a query.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map_while(|line| line.trim_end().strip_prefix("--")).map(str::trim);
        let mut lines = lines.take_while(|line| !line.starts_with("result "));
        let question = lines.next().filter(|line| !line.is_empty() && !is_entry(line)).context(
            "the first line of a query is a comment with its question, such as `-- What is large?`; \
             `heaplake sql -f FILE` runs files without one",
        )?;
        let mut header = Self { question: question.to_owned(), parameters: Vec::new(), columns: Vec::new() };
        for (idx, line) in lines.enumerate() {
            header.add(line).with_context(|| format!("line {}", idx + 2))?;
        }
        Ok(header)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("param ") {
            let parameter = parameter(rest).with_context(|| {
                format!("{line:?} is no parameter; write `-- param limit integer = 20: description`")
            })?;
            let is_new = self.parameters.iter().all(|other| other.name != parameter.name);
            ensure!(is_new, "there are two parameters {}", parameter.name);
            self.parameters.push(parameter);
        } else if let Some(rest) = line.strip_prefix("column ") {
            let column = rest.split_once(": ").map(|(name, meaning)| (name.trim(), meaning.trim()));
            let (name, meaning) =
                column.with_context(|| format!("{line:?} is no column; write `-- column size: meaning`"))?;
            self.columns.push((name.to_owned(), meaning.to_owned()));
        } else if !self.parameters.is_empty() || !self.columns.is_empty() {
            bail!("{line:?} is no parameter and no column; notes stand directly below the question");
        }
        Ok(())
    }
}

fn is_entry(line: &str) -> bool {
    line.starts_with("param ") || line.starts_with("column ")
}

/// `<name> <kind> = <default>: <description>`; the default ends at the first `: `.
fn parameter(text: &str) -> Result<Parameter> {
    let (declared, rest) = text.split_once('=').context("there is no =")?;
    let (default, description) = rest.split_once(": ").context("there is no description")?;
    let words: Vec<_> = declared.split_whitespace().collect();
    let [name, kind] = words.as_slice() else { bail!("a name and a type stand before the =") };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    ensure!(is_name && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{name:?} is no name");
    let kind = Kind::parse(kind).with_context(|| {
        let names = NAMED.map(|(name, _)| name).join(", ");
        format!("{kind:?} is no type; there are {names}, and words with | between them")
    })?;
    let default_text = default.trim().to_owned();
    let default = kind.value(&default_text)?;
    let description = description.trim().to_owned();
    Ok(Parameter { name: (*name).to_owned(), kind, default, default_text, description })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        format!("{:#}", Header::parse(text).expect_err(text))
    }

    #[test]
    fn reads_all_that_a_header_has() {
        let text = "\
-- What is it?
-- A note: with a colon, and = a sign.
--
-- param limit integer = -20: rows
-- param share number = 0.5: of all: more
--param pattern text = a = b: what to look for\r
-- param nothing text = : empty
-- column type: type
-- column size: bytes; null: unknown
-- result first
-- what the first statement is about
select 1 -- column x: is none
-- column y: nor is this
";
        let header = Header::parse(text).expect("a header");
        assert_eq!(header.question, "What is it?");
        let parameters: Vec<_> =
            header.parameters.iter().map(|p| (p.name.as_str(), &p.default, p.description.as_str())).collect();
        assert_eq!(
            parameters,
            [
                ("limit", &Value::Integer(-20), "rows"),
                ("share", &Value::Number(0.5), "of all: more"),
                ("pattern", &Value::Text("a = b".to_owned()), "what to look for"),
                ("nothing", &Value::Text(String::new()), "empty"),
            ]
        );
        let column = |name: &str, meaning: &str| (name.to_owned(), meaning.to_owned());
        assert_eq!(header.columns, [column("type", "type"), column("size", "bytes; null: unknown")]);
    }

    #[test]
    fn says_where_a_header_is_wrong() {
        for (text, part) in [
            ("", "the first line"),
            ("select 1", "heaplake sql -f"),
            ("--\nselect 1", "the first line"),
            ("-- column x: y\nselect 1", "the first line"),
            ("-- What?\n-- param limit = 20: rows", "line 2: "),
            ("-- What?\n-- param limit integer: rows", "there is no ="),
            ("-- What?\n-- param limit integer = 20", "there is no description"),
            ("-- What?\n-- param limit int = 20: rows", "\"int\" is no type"),
            ("-- What?\n-- param limit integer = many: rows", "\"many\" is no integer"),
            ("-- What?\n-- param a-b integer = 1: rows", "\"a-b\" is no name"),
            ("-- What?\n-- param a text = : b\n-- param a text = : c", "line 3: there are two parameters a"),
            ("-- What?\n-- column x", "write `-- column"),
            (
                "-- What?\n-- column x: y\n-- colum z: y",
                "line 3: \"colum z: y\" is no parameter and no column",
            ),
        ] {
            let message = failure(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn values_are_of_their_type() {
        for (kind, text) in [
            (Kind::Integer, "1.5"),
            (Kind::Integer, ""),
            (Kind::Integer, "9223372036854775808"),
            (Kind::Number, "x"),
            (Kind::Number, "inf"),
            (Kind::Number, "NaN"),
            (Kind::Boolean, "yes"),
            (Kind::Size, "10 parsecs"),
            (Kind::Size, "-1MB"),
            (Kind::Percent, "5 percent"),
            (Kind::Percent, "%"),
            (Kind::Time, "today"),
            (Kind::Duration, "90"),
            (Kind::Duration, "4294967295w"),
            (Kind::Dump, " "),
            (Kind::Choice(vec!["a".to_owned()]), "b"),
        ] {
            assert!(kind.value(text).is_err(), "{kind:?} {text}");
        }
        for (kind, text, wanted) in [
            (Kind::Boolean, "true", Value::Boolean(true)),
            (Kind::Size, "10MiB", Value::Integer(10 << 20)),
            (Kind::Size, "12", Value::Integer(12)),
            (Kind::Percent, "5%", Value::Number(0.05)),
            (Kind::Percent, "0.5", Value::Number(0.5)),
            (Kind::Time, "1970-01-02", Value::Time(86_400_000_000)),
            (Kind::Time, "1970-01-01T01:00:00+01:00", Value::Time(0)),
            (Kind::Duration, "12h", Value::Duration(12 * 3_600_000_000_000)),
            (Kind::Dump, "latest~1", Value::Dump("latest~1".to_owned())),
            (Kind::Choice(vec!["a".to_owned(), "b".to_owned()]), "b", Value::Text("b".to_owned())),
        ] {
            assert_eq!(kind.value(text).expect(text), wanted);
        }
        assert_eq!(Kind::Number.value("2").expect("a number"), Value::Number(2.0));
        assert_eq!(Kind::Text.value(" 2 ").expect("text"), Value::Text(" 2 ".to_owned()));
    }
}
