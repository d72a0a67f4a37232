//! How errors of the query engine become errors of ours: in its words where it says what the user did wrong, with the place.

use std::ops::Range;

use datafusion::{
    arrow::error::ArrowError, common::SchemaError, error::DataFusionError, parquet::errors::ParquetError,
    sql::sqlparser::parser::ParserError,
};

use crate::{
    Error,
    error::{Limit, Thing},
    mistake::{escape, nearest, quoted, split_location},
};

/// Columns that a message lists at most.
const MAX_LISTED: usize = 20;

/// What is known of the statement that an error is of.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorContext {
    /// The statement.
    pub(crate) statement: String,
    /// The lake's files that it reads.
    pub(crate) files: Vec<String>,
    /// The memory limit in bytes.
    pub(crate) memory_limit: Option<u64>,
}

impl ErrorContext {
    /// The error as the user should see it.
    pub(crate) fn explain(&self, error: &DataFusionError) -> Error {
        if let Some(own) = find::<Error>(error) {
            return own.clone();
        }
        let root = innermost(error);
        if let DataFusionError::ResourcesExhausted(what) = root {
            // The engine lists its consumers below the first sentence.
            let what = clean(what).split(['\n', ':']).next().unwrap_or_default().trim().to_owned();
            return Error::Limit(Limit::Memory { bytes: self.memory_limit, what });
        }
        if let Some(parser) = find::<ParserError>(error) {
            return syntax(&self.statement, parser);
        }
        if let Some(schema) = find::<SchemaError>(error) {
            return of_schema(schema);
        }
        if let Some(what) = damage(error) {
            return Error::Damaged { file: self.file_names(), what };
        }
        let text = clean(&root.message());
        if let Some(file) = find::<ArrowError>(error).filter(is_of_text).and_then(|_| self.text_file()) {
            return Error::Failed(format!("{file}: {text}; types are guessed from the first 1,000 rows"));
        }
        match root {
            DataFusionError::Plan(_)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::SchemaError(..) => Error::query(text),
            DataFusionError::Internal(_) => Error::Internal(text),
            _ => Error::Failed(text),
        }
    }

    /// The files of text that it reads, which are attached; none where it reads none.
    fn text_file(&self) -> Option<String> {
        const OTHERS: [&str; 4] = [".parquet", ".arrow", ".feather", ".ipc"];
        let is_text = |name: &&str| !OTHERS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        let names = self.files.iter().filter_map(|file| file.rsplit('/').next()).filter(is_text);
        Some(names.collect::<Vec<_>>().join(" or ")).filter(|names| !names.is_empty())
    }

    fn file_names(&self) -> String {
        match self.files.as_slice() {
            [] => "a Parquet file".to_owned(),
            [file] => file.clone(),
            [file, others @ ..] => format!("{file} or one of {} others", others.len()),
        }
    }
}

/// Whether a row of a file of text is not as the rows before.
fn is_of_text(error: &&ArrowError) -> bool {
    match error {
        ArrowError::CsvError(_) | ArrowError::JsonError(_) => true,
        ArrowError::ParseError(what) => what.starts_with("Error while parsing value"),
        _ => false,
    }
}

/// What is wrong with a Parquet file, where that is the cause.
fn damage(error: &DataFusionError) -> Option<String> {
    let parquet = find::<ParquetError>(error).map(ToString::to_string);
    let arrow = || match find::<ArrowError>(error)? {
        ArrowError::ParquetError(what) => Some(what.clone()),
        _ => None,
    };
    parquet.or_else(arrow).map(|what| clean(&what))
}

/// The first error of a type in the chain of causes.
fn find<E: std::error::Error + 'static>(error: &DataFusionError) -> Option<&E> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // What holds a Box gives the Box itself as its source.
        if let Some(found) = error.downcast_ref::<Box<E>>() {
            return Some(found);
        }
        next = match (error.downcast_ref::<ArrowError>(), error.downcast_ref::<ParquetError>()) {
            (Some(ArrowError::ExternalError(inner)), _) => Some(inner.as_ref()),
            (_, Some(ParquetError::External(inner))) => Some(inner.as_ref()),
            _ => error.source(),
        };
    }
    None
}

/// The error without what DataFusion wraps around it.
fn innermost(error: &DataFusionError) -> &DataFusionError {
    let mut root = error;
    loop {
        root = match root.find_root() {
            DataFusionError::Collection(errors) if !errors.is_empty() => &errors[0],
            found => return found,
        };
    }
}

/// The text without DataFusion's prefixes and backtraces, and with control characters escaped.
fn clean(text: &str) -> String {
    const NOISE: [&str; 10] = [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Schema error: ",
        "Resources exhausted: ",
        "Invalid or Unsupported Configuration: ",
        "External error: ",
        "Arrow error: ",
        "Parquet error: ",
        "Internal error: ",
    ];
    let mut text = text.split("\n\nbacktrace:").next().unwrap_or_default().trim();
    if let Some((_, cause)) = text.rsplit_once("caused by\n") {
        text = cause;
    }
    while let Some(rest) = NOISE.iter().find_map(|noise| text.strip_prefix(noise)) {
        text = rest;
    }
    let text = text.split("\nThis issue was likely caused by a bug").next().unwrap_or_default();
    let text = text.trim_end_matches(['.', '\n']);
    if let Some(plain) = cast(text) {
        return plain;
    }
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// What is wrong with a text that should be a value of another type, if the engine's words are about that.
fn cast(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Cannot cast string '")?;
    let (value, rest) = rest.rsplit_once("' to value of ")?;
    let data_type = rest.strip_suffix(" type")?;
    let wanted = match data_type {
        name if name.starts_with("Int") || name.starts_with("UInt") => "a whole number",
        name if name.starts_with("Float") || name.starts_with("Decimal") => "a number",
        name if name.starts_with("Timestamp") || name.starts_with("Date") => "a time",
        "Boolean" => "true or false",
        _ => return None,
    };
    Some(format!("'{}' is not {wanted}", escape(value)))
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

/// What is wrong with a column.
fn of_schema(error: &SchemaError) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_characters() {
        let statement = "select\n\tx \u{1b}[31m from";
        assert_eq!(span(statement, 2, 12), Some(18..19));
        assert_eq!(span(statement, 2, 99), Some(statement.len()..statement.len()));
        assert_eq!(span(statement, 9, 1), None);
    }
}
