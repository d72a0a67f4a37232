//! What a user is told about a mistake: where it is, and what may have been meant.

use std::ops::Range;

use datafusion::sql::sqlparser::parser::ParserError;
pub use heaplake_model::nearest;

/// Characters of a line that a message shows at most.
const MAX_SHOWN: usize = 100;

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

/// The parser's words without the place.
pub(crate) fn syntax_message(error: &ParserError) -> String {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply",
    };
    escape(split_location(message).map_or(message, |(message, ..)| message))
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

/// A message of the parser, and the line and column that it names.
pub(crate) fn split_location(message: &str) -> Option<(&str, u64, u64)> {
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
        let place = 18..19;
        assert_eq!(
            marked(statement, &place),
            "\n  line 2, column 12\n  |  x \u{fffd}[31m from\n  |            ^"
        );
    }

    #[test]
    fn quotes_names_that_need_it() {
        assert_eq!(
            [quoted("obj"), quoted("lms-1"), quoted("LMS"), quoted("1a")],
            ["obj", "\"lms-1\"", "\"LMS\"", "\"1a\""]
        );
    }
}
