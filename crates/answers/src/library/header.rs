//! The comments at the top of a query: its question, parameters and columns.
//!
//! ```text
//! -- <the question, one sentence>
//! -- <notes, any number of lines>
//! -- empty: <what it means that there are no rows>
//! -- param <name> <kind> = <default>: <description>
//! -- column <name>: <meaning>
//! ```
//!
//! Kinds are integer, number, text, boolean, size, percent, time, duration, dump, type, holder and pattern; or several words
//! separated by `|`, one of which must be given. A parameter of that name is `$name` in the query. The header ends at the first
//! line that is not a comment, or that names the result of the first statement: `-- result NAME`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use heaplake_engine::Value;

use crate::{Error, Result};

/// What a header says.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// The question that the query answers.
    pub question: String,
    /// What it means that there are no rows, where that is not plain.
    pub empty: Option<String>,
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
    pub kind: ParameterKind,
    /// Its value where none is given.
    pub default: Value,
    /// The same as it is written.
    pub default_text: String,
    /// What it means.
    pub description: String,
}

/// What the values of a parameter are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterKind {
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
    /// A type or a pattern of types, in which `*` is any number of characters; a text in the query.
    Type,
    /// A holder or a pattern of holders, likewise.
    Holder,
    /// A path pattern; a text in the query.
    Pattern,
    /// One of some words, `count|size`.
    Choice(Vec<String>),
}

/// The kinds that have a name.
const NAMED: [(&str, ParameterKind); 12] = [
    ("integer", ParameterKind::Integer),
    ("number", ParameterKind::Number),
    ("text", ParameterKind::Text),
    ("boolean", ParameterKind::Boolean),
    ("size", ParameterKind::Size),
    ("percent", ParameterKind::Percent),
    ("time", ParameterKind::Time),
    ("duration", ParameterKind::Duration),
    ("dump", ParameterKind::Dump),
    ("type", ParameterKind::Type),
    ("holder", ParameterKind::Holder),
    ("pattern", ParameterKind::Pattern),
];

impl ParameterKind {
    fn parse(name: &str) -> Option<Self> {
        if name.contains('|') {
            let words: Vec<String> = name.split('|').map(str::to_owned).collect();
            return words.iter().all(|word| !word.is_empty()).then_some(ParameterKind::Choice(words));
        }
        NAMED.into_iter().find(|(named, _)| *named == name).map(|(_, kind)| kind)
    }

    /// The value that a text stands for.
    pub fn value(&self, text: &str) -> Result<Value> {
        let trimmed = text.trim();
        let finite = |text: &str| text.trim().parse().ok().filter(|x: &f64| x.is_finite());
        let value = match self {
            ParameterKind::Integer => trimmed.parse().ok().map(Value::Integer),
            ParameterKind::Number => finite(trimmed).map(Value::Number),
            ParameterKind::Text | ParameterKind::Type | ParameterKind::Holder | ParameterKind::Pattern => {
                Some(Value::Text(text.to_owned()))
            }
            ParameterKind::Boolean => trimmed.parse().ok().map(Value::Boolean),
            ParameterKind::Size => {
                let size = trimmed.parse::<bytesize::ByteSize>().ok();
                size.and_then(|size| i64::try_from(size.as_u64()).ok()).map(Value::Integer)
            }
            ParameterKind::Percent => match trimmed.strip_suffix('%') {
                Some(percent) => finite(percent).map(|percent| Value::Number(percent / 100.0)),
                None => finite(trimmed).map(Value::Number),
            },
            ParameterKind::Time => time(trimmed).map(|time| Value::Time(time.timestamp_micros())),
            ParameterKind::Duration => {
                heaplake_engine::age(trimmed).and_then(|age| age.num_nanoseconds()).map(Value::Duration)
            }
            ParameterKind::Dump => (!trimmed.is_empty()).then(|| Value::Dump(trimmed.to_owned())),
            ParameterKind::Choice(words) => {
                words.iter().any(|word| word == trimmed).then(|| Value::Text(trimmed.to_owned()))
            }
        };
        value.ok_or_else(|| {
            Error::Invalid(match self {
                ParameterKind::Integer => format!("{text:?} is not an integer"),
                ParameterKind::Number
                | ParameterKind::Text
                | ParameterKind::Type
                | ParameterKind::Holder
                | ParameterKind::Pattern => format!("{text:?} is not a number"),
                ParameterKind::Boolean => format!("{text:?} is neither true nor false"),
                ParameterKind::Size => {
                    format!("{text:?} is not a size; write for example 512KB, 10MiB or 1.5G")
                }
                ParameterKind::Percent => {
                    format!("{text:?} is not a percentage; write for example 5% or 0.05")
                }
                ParameterKind::Time => {
                    format!("{text:?} is not a time; write 2015-11-22 or 2015-11-22T14:30:00Z")
                }
                ParameterKind::Duration => {
                    format!("{text:?} is not a length of time; write for example 90d, 12h, 30m or 8w")
                }
                ParameterKind::Dump => {
                    "a dump has a name, or is selected as in latest~1 or build=4711".to_owned()
                }
                ParameterKind::Choice(words) => format!("{text:?} is none of {}", words.join(", ")),
            })
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
        let question = lines.next().filter(|line| !line.is_empty() && !is_entry(line));
        let question = question.ok_or(Error::NoHeader)?;
        let mut header =
            Self { question: question.to_owned(), empty: None, parameters: Vec::new(), columns: Vec::new() };
        for (idx, line) in lines.enumerate() {
            header.add(line).map_err(|error| error.about(&format!("line {}", idx + 2)))?;
        }
        Ok(header)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("param ") {
            let parameter = parameter(rest).map_err(|error| {
                let example = "write `-- param limit integer = 20: description`";
                error.about(&format!("{line:?} is not a parameter; {example}"))
            })?;
            if self.parameters.iter().any(|other| other.name == parameter.name) {
                return Err(Error::Invalid(format!("there are two parameters {}", parameter.name)));
            }
            self.parameters.push(parameter);
        } else if let Some(rest) = line.strip_prefix("column ") {
            let column = rest.split_once(": ").map(|(name, meaning)| (name.trim(), meaning.trim()));
            let wrong = || format!("{line:?} is not a column; write `-- column size: meaning`");
            let (name, meaning) = column.ok_or_else(|| Error::Invalid(wrong()))?;
            self.columns.push((name.to_owned(), meaning.to_owned()));
        } else if let Some(meaning) = line.strip_prefix("empty: ") {
            self.empty = Some(meaning.trim().to_owned());
        } else if !self.parameters.is_empty() || !self.columns.is_empty() {
            return Err(Error::Invalid(format!(
                "{line:?} is neither a parameter nor a column; notes stand directly below the question"
            )));
        }
        Ok(())
    }
}

fn is_entry(line: &str) -> bool {
    ["param ", "column ", "empty: "].iter().any(|start| line.starts_with(start))
}

/// `<name> <kind> = <default>: <description>`; the default ends at the first `: `.
fn parameter(text: &str) -> Result<Parameter> {
    let wrong = |what: &str| Error::Invalid(what.to_owned());
    let (declared, rest) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
    let (default, description) = rest.split_once(": ").ok_or_else(|| wrong("there is no description"))?;
    let words: Vec<_> = declared.split_whitespace().collect();
    let [name, kind] = words.as_slice() else {
        return Err(wrong("a name and a type stand before the ="));
    };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(Error::Invalid(format!("{name:?} is not a name")));
    }
    let kind = ParameterKind::parse(kind).ok_or_else(|| {
        let names = NAMED.map(|(name, _)| name).join(", ");
        Error::Invalid(format!("{kind:?} is not a type; there are {names}, and words with | between them"))
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
        Header::parse(text).expect_err(text).to_string()
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
            ("select 1", "What is large?"),
            ("--\nselect 1", "the first line"),
            ("-- column x: y\nselect 1", "the first line"),
            ("-- What?\n-- param limit = 20: rows", "line 2: "),
            ("-- What?\n-- param limit integer: rows", "there is no ="),
            ("-- What?\n-- param limit integer = 20", "there is no description"),
            ("-- What?\n-- param limit int = 20: rows", "\"int\" is not a type"),
            ("-- What?\n-- param limit integer = many: rows", "\"many\" is not an integer"),
            ("-- What?\n-- param a-b integer = 1: rows", "\"a-b\" is not a name"),
            ("-- What?\n-- param a text = : b\n-- param a text = : c", "line 3: there are two parameters a"),
            ("-- What?\n-- column x", "write `-- column"),
            (
                "-- What?\n-- column x: y\n-- colum z: y",
                "line 3: \"colum z: y\" is neither a parameter nor a column",
            ),
        ] {
            let message = failure(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn values_are_of_their_type() {
        for (kind, text) in [
            (ParameterKind::Integer, "1.5"),
            (ParameterKind::Integer, ""),
            (ParameterKind::Integer, "9223372036854775808"),
            (ParameterKind::Number, "x"),
            (ParameterKind::Number, "inf"),
            (ParameterKind::Number, "NaN"),
            (ParameterKind::Boolean, "yes"),
            (ParameterKind::Size, "10 parsecs"),
            (ParameterKind::Size, "-1MB"),
            (ParameterKind::Percent, "5 percent"),
            (ParameterKind::Percent, "%"),
            (ParameterKind::Time, "today"),
            (ParameterKind::Duration, "90"),
            (ParameterKind::Duration, "4294967295w"),
            (ParameterKind::Dump, " "),
            (ParameterKind::Choice(vec!["a".to_owned()]), "b"),
        ] {
            assert!(kind.value(text).is_err(), "{kind:?} {text}");
        }
        for (kind, text, wanted) in [
            (ParameterKind::Boolean, "true", Value::Boolean(true)),
            (ParameterKind::Size, "10MiB", Value::Integer(10 << 20)),
            (ParameterKind::Size, "12", Value::Integer(12)),
            (ParameterKind::Percent, "5%", Value::Number(0.05)),
            (ParameterKind::Percent, "0.5", Value::Number(0.5)),
            (ParameterKind::Time, "1970-01-02", Value::Time(86_400_000_000)),
            (ParameterKind::Time, "1970-01-01T01:00:00+01:00", Value::Time(0)),
            (ParameterKind::Duration, "12h", Value::Duration(12 * 3_600_000_000_000)),
            (ParameterKind::Dump, "latest~1", Value::Dump("latest~1".to_owned())),
            (ParameterKind::Choice(vec!["a".to_owned(), "b".to_owned()]), "b", Value::Text("b".to_owned())),
        ] {
            assert_eq!(kind.value(text).expect(text), wanted);
        }
        assert_eq!(ParameterKind::Number.value("2").expect("a number"), Value::Number(2.0));
        assert_eq!(ParameterKind::Text.value(" 2 ").expect("text"), Value::Text(" 2 ".to_owned()));
    }
}
