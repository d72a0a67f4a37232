//! Errors of a session, by what the caller can do about them, and how those of DataFusion become them.

use std::sync::Arc;

use datafusion::{
    arrow::error::ArrowError, common::SchemaError, error::DataFusionError, parquet::errors::ParquetError,
    sql::sqlparser::parser::ParserError,
};

use crate::mistake;

/// What can go wrong with a statement. Text of dumps and statements in the messages is escaped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The lake cannot be read, or has no such dump.
    #[error("{0}")]
    Store(Arc<heaplake_store::Error>),
    /// The statement is not right; the message says what is, where it can.
    #[error("{0}")]
    Query(String),
    /// The statement would do more than read the lake.
    #[error("{0}")]
    Refused(String),
    /// The statement needs more memory than it may have.
    #[error("the query needs more memory than --memory-limit allows{}; raise --memory-limit, or ask for less at once ({what})",
        .limit.map(|limit| format!(" ({limit} bytes)")).unwrap_or_default())]
    MemoryLimit {
        /// The limit in bytes.
        limit: Option<u64>,
        /// What asked for memory.
        what: String,
    },
    /// There is nothing to ask.
    #[error("the lake has no dumps yet; `heaplake import FILE` puts one in")]
    NoDumps,
    /// Another process took the files away before they were opened.
    #[error("dump {0} was removed or replaced meanwhile; run the query again")]
    Removed(String),
    /// A file of the lake is not what it should be.
    #[error("{file}: {what}; `heaplake verify` looks at every file")]
    Damaged {
        /// The file, or the files that it may be.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The statement was right, but could not be carried out: a number too large, a disk that is full.
    #[error("{0}")]
    Failed(String),
    /// A bug of heaplake or of its query engine.
    #[error("{0}; this is a bug of heaplake or of its query engine")]
    Internal(String),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<heaplake_store::Error> for Error {
    fn from(error: heaplake_store::Error) -> Self {
        Error::Store(Arc::new(error))
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<Error> for ParquetError {
    fn from(error: Error) -> Self {
        ParquetError::External(Box::new(error))
    }
}

/// What is known of the statement that an error is of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    /// The statement.
    pub(crate) statement: String,
    /// The lake's files that it reads.
    pub(crate) files: Vec<String>,
    /// The memory limit in bytes.
    pub(crate) memory_limit: Option<u64>,
}

impl Context {
    /// The error as the user should see it.
    pub(crate) fn explain(&self, error: &DataFusionError) -> Error {
        if let Some(own) = find::<Error>(error) {
            return own.clone();
        }
        let root = innermost(error);
        if let DataFusionError::ResourcesExhausted(what) = root {
            // The engine lists its consumers below the first sentence.
            let what = clean(what).split(['\n', ':']).next().unwrap_or_default().trim().to_owned();
            return Error::MemoryLimit { limit: self.memory_limit, what };
        }
        if let Some(parser) = find::<ParserError>(error) {
            return Error::Query(mistake::syntax(&self.statement, parser));
        }
        if let Some(schema) = find::<SchemaError>(error) {
            return Error::Query(mistake::schema(schema));
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
            | DataFusionError::SchemaError(..) => Error::Query(text),
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
    text.trim_end_matches(['.', '\n']).lines().map(mistake::escape).collect::<Vec<_>>().join("\n")
}
