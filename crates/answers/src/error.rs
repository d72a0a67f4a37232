//! What can go wrong with a question, by what the caller can do about it.

use std::{io, path::PathBuf};

use arrow::error::ArrowError;
use heaplake_model::Remedy;
use parquet::errors::ParquetError;

/// An error of this crate. Messages contain text of dumps unescaped; the caller must escape them before showing them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement or pattern is wrong, ran into a limit, or was refused.
    #[error(transparent)]
    Engine(#[from] heaplake_engine::Error),
    /// The lake cannot be read or written.
    #[error(transparent)]
    Store(#[from] heaplake_store::Error),
    /// The caller stopped the work.
    #[error("cancelled; the answer is not complete")]
    Cancelled,
    /// There is no query, check or parameter of this name.
    #[error("{what} {name:?}{}", meant(.nearest.as_deref(), .known))]
    NotFound {
        /// That it is not there: `there is no query`, `biggest has no parameter`.
        what: String,
        /// The name asked for.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The names that there are; empty if they are too many to list.
        known: Vec<String>,
    },
    /// An option, parameter or header is wrong: what, and what to write instead.
    #[error("{0}")]
    Invalid(String),
    /// The first line of a query is not a comment with its question.
    #[error("the first line of a query is a comment with its question, such as `-- What is large?`")]
    NoHeader,
    /// An error, and what it is about.
    #[error("{what}: {source}")]
    About {
        /// The query, line or parameter.
        what: String,
        /// The error.
        source: Box<Error>,
    },
    /// The dump does not contain this object.
    #[error("{dump} has no {what}")]
    NoSuchObject {
        /// The dump.
        dump: String,
        /// What was asked for.
        what: String,
    },
    /// A file of the user cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system gave no thread or timer.
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
    /// Rows cannot be written to where the caller wanted them.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// Rows cannot be encoded.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// Rows cannot be encoded as Parquet.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// A bug of heaplake.
    #[error("{0}; this is a bug of heaplake")]
    Internal(String),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What helps, for the caller to word.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Engine(error) => error.remedy(),
            Self::Store(error) => error.remedy(),
            Self::NoHeader => Some(Remedy::RunWithoutHeader),
            Self::About { source, .. } => source.remedy(),
            _ => None,
        }
    }

    /// Whether the caller stopped the work.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled
                | Self::Engine(heaplake_engine::Error::Cancelled)
                | Self::Store(heaplake_store::Error::Cancelled)
        )
    }

    /// The same error, with words that say what it is about.
    pub(crate) fn about(self, what: &str) -> Self {
        Self::About { what: what.to_owned(), source: Box::new(self) }
    }
}

fn meant(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(near) => format!("; did you mean {near}?"),
        None if known.is_empty() => String::new(),
        None => format!("\n  there are: {}", known.join(", ")),
    }
}
