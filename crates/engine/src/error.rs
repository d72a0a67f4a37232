//! Errors of a session, by what the caller can do about them.

use std::{ops::Range, sync::Arc};

use datafusion::{error::DataFusionError, parquet::errors::ParquetError};
use heaplake_model::Remedy;

use crate::mistake;

/// What can go wrong with a statement. Text of dumps and statements in the messages is escaped.
///
/// A message says what is wrong and where; what helps is [`Error::remedy`], for the caller to word.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The lake cannot be read, or has no such dump.
    #[error("{0}")]
    Store(Arc<heaplake_store::Error>),
    /// The statement is not right.
    #[error("{what}{}{}", after(.hint.as_deref()), shown(.place.as_deref()))]
    Query {
        /// What is wrong.
        what: String,
        /// Where, if that is known.
        place: Option<Box<Place>>,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A name in the statement is not known.
    #[error("{0}")]
    NotFound(Box<Missing>),
    /// The statement would do more than read the lake.
    #[error("{what}")]
    Refused {
        /// What is refused, and why.
        what: String,
        /// What would permit it.
        remedy: Option<Remedy>,
    },
    /// The statement ran into a limit of the session.
    #[error("{0}")]
    Limit(Limit),
    /// The caller stopped the statement.
    #[error("stopped")]
    Cancelled,
    /// There is nothing to ask.
    #[error("the lake has no dumps yet")]
    NoDumps,
    /// The question compares with another dump, and the session has none.
    #[error("this compares with another dump, and none is chosen")]
    NoBaseline,
    /// The dump has no graph index, or was imported without what comes from it.
    #[error("{what}")]
    NotIndexed {
        /// The dump.
        dump: String,
        /// What is missing.
        what: String,
    },
    /// The statement has a parameter without a value.
    #[error("there is no value for {0}")]
    NoValue(String),
    /// Another process took the files away before they were opened.
    #[error("dump {0} was removed or replaced meanwhile; run the query again")]
    Removed(String),
    /// A file of the lake is not what it should be.
    #[error("{file}: {what}")]
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

/// What a name in a statement may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A function.
    Function,
    /// A table.
    Table,
    /// A column.
    Column,
    /// A dump, or another schema.
    Schema,
    /// A type of objects.
    Type,
    /// One of a few words that an argument may be, such as a metric.
    Word(&'static str),
}

/// A name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}{note}{}", meant(*.thing, .nearest), shown(.place.as_deref()))]
pub struct Missing {
    /// What was looked for.
    pub thing: Thing,
    /// Its name as it was written.
    pub name: String,
    /// That it is not there, as a sentence.
    pub what: String,
    /// The names that were probably meant, nearest first, as they are.
    pub nearest: Vec<String>,
    /// What follows the sentence, such as the names that there are.
    pub note: String,
    /// Where, if that is known.
    pub place: Option<Box<Place>>,
}

/// A place in a text: a statement, or a pattern in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub text: String,
    /// Bytes of it.
    pub span: Range<usize>,
}

/// A limit of a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Memory.
    #[error("the query needs more memory than its limit{} allows ({what})", .bytes.map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default())]
    Memory {
        /// The limit in bytes.
        bytes: Option<u64>,
        /// What asked for memory.
        what: String,
    },
    /// Time.
    #[error("the query was stopped at its deadline, before its last row")]
    Time,
    /// Rows. So many came before the error.
    #[error("the query gives more rows than its limit of {max}")]
    Rows {
        /// The limit.
        max: u64,
    },
    /// Bytes of rows.
    #[error("the rows of the query are larger than its limit of {max} bytes")]
    Bytes {
        /// The limit.
        max: u64,
    },
}

impl Error {
    /// A mistake in a statement, whose place is not known.
    pub(crate) fn query(what: impl Into<String>) -> Self {
        Error::Query { what: what.into(), place: None, hint: None }
    }

    /// The same, with what to write instead.
    pub(crate) fn with_hint(mut self, text: &str) -> Self {
        if let Error::Query { hint, .. } = &mut self {
            *hint = Some(text.to_owned());
        }
        self
    }

    /// A name that is not known, with the names that were probably meant; `what` says so in a sentence.
    pub(crate) fn not_found(thing: Thing, name: &str, what: String, nearest: &[&str]) -> Self {
        let nearest = nearest.iter().map(|name| (*name).to_owned()).collect();
        Error::NotFound(Box::new(Missing {
            thing,
            name: name.to_owned(),
            what,
            nearest,
            note: String::new(),
            place: None,
        }))
    }

    /// The same with a few words before it.
    pub(crate) fn after_words(mut self, words: &str) -> Self {
        match &mut self {
            Error::Query { what, .. } => *what = format!("{words}{what}"),
            Error::NotFound(missing) => missing.what = format!("{words}{}", missing.what),
            _ => {}
        }
        self
    }

    /// The same with what follows the sentence.
    pub(crate) fn with_note(mut self, text: String) -> Self {
        if let Error::NotFound(missing) = &mut self {
            missing.note = text;
        }
        self
    }

    /// The same with the place of the mistake.
    pub(crate) fn at(mut self, text: &str, span: Range<usize>) -> Self {
        let found = Some(Box::new(Place { text: text.to_owned(), span }));
        match &mut self {
            Error::Query { place, .. } => *place = found,
            Error::NotFound(missing) => missing.place = found,
            _ => {}
        }
        self
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Store(error) => error.remedy(),
            Error::Refused { remedy, .. } => remedy.clone(),
            Error::Limit(Limit::Memory { .. }) => Some(Remedy::RaiseMemoryLimit),
            Error::Limit(Limit::Time) => Some(Remedy::RaiseTimeLimit),
            Error::Limit(Limit::Rows { .. }) => Some(Remedy::RaiseRowLimit),
            Error::Limit(Limit::Bytes { .. }) => Some(Remedy::RaiseByteLimit),
            Error::NoDumps => Some(Remedy::ImportDump),
            Error::NoBaseline => Some(Remedy::ChooseBaseline),
            Error::NotIndexed { dump, .. } => Some(Remedy::BuildIndex { dump: dump.clone() }),
            Error::NoValue(_) => Some(Remedy::DeclareParameters),
            Error::Damaged { .. } => Some(Remedy::VerifyLake),
            _ => None,
        }
    }

    /// Where the mistake is, if that is known.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Error::Query { place, .. } => place.as_deref(),
            Error::NotFound(missing) => missing.place.as_deref(),
            _ => None,
        }
    }
}

fn after(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// `; did you mean X?`, or nothing.
fn meant(thing: Thing, nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    let names = nearest.iter().map(|name| match thing {
        Thing::Type => mistake::escape(name),
        _ => mistake::quoted(name),
    });
    format!("; did you mean {}?", names.collect::<Vec<_>>().join(" or "))
}

/// The line with a mark below the place.
fn shown(place: Option<&Place>) -> String {
    place.map(|place| mistake::marked(&place.text, &place.span)).unwrap_or_default()
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<heaplake_store::Error> for Error {
    fn from(error: heaplake_store::Error) -> Self {
        match error {
            heaplake_store::Error::Cancelled => Error::Cancelled,
            error => Error::Store(Arc::new(error)),
        }
    }
}

impl From<heaplake_graph::Cancelled> for Error {
    fn from(_: heaplake_graph::Cancelled) -> Self {
        Error::Cancelled
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
