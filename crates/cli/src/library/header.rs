//! The comments at the top of a query: its question, parameters and columns.
//!
//! ```text
//! -- <the question, one sentence>
//! -- <notes, any number of lines>
//! -- param <name> <integer|number|text> = <default>: <description>
//! -- column <name>: <meaning>
//! ```
//!
//! A parameter of that name is `$name` in the query. The header ends at the first line that is no comment.

use anyhow::{Context as _, Result, bail, ensure};
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
    /// What it means.
    pub description: String,
}

/// What the values of a parameter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Finite numbers.
    Number,
    /// Any text.
    Text,
}

impl Kind {
    /// The word that stands for it in a header.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Text => "text",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Kind::Integer, Kind::Number, Kind::Text].into_iter().find(|kind| kind.name() == name)
    }

    /// The value that a text stands for.
    pub fn value(self, text: &str) -> Result<Value> {
        let value = match self {
            Kind::Integer => text.trim().parse().ok().map(Value::Integer),
            Kind::Number => text.trim().parse().ok().filter(|x: &f64| x.is_finite()).map(Value::Number),
            Kind::Text => Some(Value::Text(text.to_owned())),
        };
        value.with_context(|| match self {
            Kind::Integer => format!("{text:?} is no integer"),
            Kind::Number | Kind::Text => format!("{text:?} is no {}", self.name()),
        })
    }
}

impl Header {
    /// Reads the header of a query.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map_while(|line| line.trim_end().strip_prefix("--")).map(str::trim);
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
    let kind = Kind::parse(kind)
        .with_context(|| format!("{kind:?} is no type; there are integer, number and text"))?;
    let default = kind.value(default.trim())?;
    Ok(Parameter { name: (*name).to_owned(), kind, default, description: description.trim().to_owned() })
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
        ] {
            assert!(kind.value(text).is_err(), "{} {text}", kind.name());
        }
        assert_eq!(Kind::Number.value("2").expect("a number"), Value::Number(2.0));
        assert_eq!(Kind::Text.value(" 2 ").expect("text"), Value::Text(" 2 ".to_owned()));
    }
}
