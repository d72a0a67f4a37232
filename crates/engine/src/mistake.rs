//! What a user is told about a mistake: where it is, and what may have been meant.

use std::ops::Range;

use datafusion::{common::SchemaError, sql::sqlparser::parser::ParserError};

use crate::{Error, error::Thing};

/// Columns that a message lists at most.
const MAX_LISTED: usize = 20;
/// Characters of a line that a message shows at most.
const MAX_SHOWN: usize = 100;

/// The name that was probably meant: the nearest one, if a third of the characters or less are wrong.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    let distances = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&candidate.to_lowercase(), &name), candidate));
    let (_, candidate) = distances.filter(|(distance, _)| *distance <= allowed).min()?;
    Some(candidate)
}

/// The few names that were probably meant, nearest first.
pub(crate) fn nearest_few<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const FEW: usize = 3;
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    let distances = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&candidate.to_lowercase(), &name), candidate));
    let mut near: Vec<(usize, &str)> = distances.filter(|(distance, _)| *distance <= allowed).collect();
    near.sort_unstable();
    // What is much farther than the nearest was not meant.
    let least = near.first().map_or(0, |(distance, _)| *distance);
    near.into_iter().filter(|(distance, _)| *distance <= least + 1).map(|(_, name)| name).take(FEW).collect()
}

/// A name as it must be written in SQL.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match name.chars().all(is_plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("\"{}\"", escape(name).replace('"', "\"\"")),
    }
}

/// A syntax error: the parser's words, and the place.
pub(crate) fn syntax(statement: &str, error: &ParserError) -> Error {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => return Error::query("the statement is nested too deeply"),
    };
    match split_location(message) {
        Some((message, line, column)) => {
            let error = Error::query(escape(message));
            match span(statement, line, column) {
                Some(span) => error.at(statement, span),
                None => error,
            }
        }
        None => Error::query(escape(message)),
    }
}

/// The parser's words without the place.
pub(crate) fn syntax_message(error: &ParserError) -> String {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply",
    };
    escape(split_location(message).map_or(message, |(message, ..)| message))
}

/// The bytes of the character at a line and a column, both from 1; past the end of the line it is empty.
fn span(text: &str, line: u64, column: u64) -> Option<Range<usize>> {
    let line_idx = usize::try_from(line.checked_sub(1)?).ok()?;
    let column_idx = usize::try_from(column.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(line_idx).map(str::len).sum();
    let shown = text.lines().nth(line_idx)?;
    let mut rest = shown.char_indices().skip(column_idx);
    let at = rest.next().map_or(shown.len(), |(at, _)| at);
    let end = rest.next().map_or(shown.len(), |(at, _)| at);
    Some(start + at..start + end)
}

/// The line that a place begins in, with a mark below as much of the place as is in it.
pub(crate) fn marked(text: &str, place: &Range<usize>) -> String {
    let before = &text[..text.floor_char_boundary(place.start)];
    let line = before.matches('\n').count();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column_idx = before[line_start..].chars().count();
    let marked = text.get(place.clone()).unwrap_or_default().lines().next().unwrap_or_default();
    let width = marked.chars().count().max(1);
    let shown = text.lines().nth(line).unwrap_or_default();
    let first = column_idx.saturating_sub(MAX_SHOWN * 3 / 4);
    // One character on the screen for each, so that the mark stays below its place.
    let shown: String = shown.chars().skip(first).take(MAX_SHOWN).map(visible).collect();
    let indent = " ".repeat(column_idx.saturating_sub(first).min(MAX_SHOWN));
    let room = shown.chars().count().saturating_sub(indent.len()).max(1);
    format!(
        "\n  line {}, column {}\n  | {shown}\n  | {indent}{}",
        line + 1,
        column_idx + 1,
        "^".repeat(width.min(room))
    )
}

/// What is wrong with a column.
pub(crate) fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names = || valid_fields.iter().map(|column| column.name.as_str());
            // The columns in the order of the table; a join has some of them twice.
            let mut columns: Vec<&str> = Vec::new();
            for name in names() {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
            let listed =
                columns.iter().take(MAX_LISTED).map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
            let more = if columns.len() > MAX_LISTED { ", ..." } else { "" };
            let known =
                if listed.is_empty() { String::new() } else { format!("\n  columns: {listed}{more}") };
            let what = format!("there is no column {}", escape(&field.flat_name()));
            let near: Vec<&str> = nearest(&field.name, names()).into_iter().collect();
            Error::not_found(Thing::Column, &field.name, what, &near).with_note(known)
        }
        SchemaError::AmbiguousReference { field } => {
            let name = escape(&field.name);
            Error::query(format!("column {name} is in more than one table; write table.{name}"))
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => Error::query(format!(
            "column {} is there more than once; give one of them another name with AS",
            escape(name)
        )),
    }
}

/// The name of the function, where the engine's message is about one that is not there.
pub(crate) fn unknown_function(text: &str) -> Option<&str> {
    let name = text.strip_prefix("Invalid function '").or_else(|| text.strip_prefix("table function '"))?;
    name.split_once('\'').map(|(name, _)| name)
}

/// Text that cannot steer a terminal: control characters and those that turn the direction of text are escaped.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match is_dangerous(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
        escaped
    })
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_dangerous(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn split_location(message: &str) -> Option<(&str, u64, u64)> {
    let (text, place) = message.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits = column.trim_end_matches(|c: char| !c.is_ascii_digit());
    let text = text.trim_end().trim_end_matches("at").trim_end();
    Some((text, line.trim().parse().ok()?, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant() {
        assert_eq!(nearest("addres", ["type", "address"]), Some("address"));
        assert_eq!(nearest("ojb", ["obj", "edge"]), Some("obj"));
        assert_eq!(nearest("colour", ["type", "address"]), None);
    }

    #[test]
    fn marks_the_place_and_escapes_the_rest() {
        let statement = "select\n\tx \u{1b}[31m from";
        let place = span(statement, 2, 12).expect("a place");
        assert_eq!(
            marked(statement, &place),
            "\n  line 2, column 12\n  |  x \u{fffd}[31m from\n  |            ^"
        );
        assert_eq!(span(statement, 2, 99), Some(statement.len()..statement.len()));
        assert_eq!(span(statement, 9, 1), None);
    }

    #[test]
    fn quotes_names_that_need_it() {
        assert_eq!(
            [quoted("obj"), quoted("lms-1"), quoted("LMS"), quoted("1a")],
            ["obj", "\"lms-1\"", "\"LMS\"", "\"1a\""]
        );
    }
}
