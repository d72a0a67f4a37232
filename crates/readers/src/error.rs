//! Errors of a reader, by what the caller can do about them.

use std::io;

use heaplake_model::{Issue, Remedy};

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Strict reading met damage. `issue` says where.
    #[error("{}: {}", .0.place(), .0.what)]
    Damaged(Issue),
    /// The input is something else altogether.
    #[error("this is no heap dump: {0}")]
    NotADump(String),
    /// Nothing to read; the text says why, where something was there.
    #[error("there is no object in it{0}")]
    Empty(String),
    /// One object is larger than allowed.
    #[error("byte {offset}: an object of more than {limit} bytes, the most that the memory limit lets in")]
    ObjectTooLarge {
        /// Where it begins in the decompressed input.
        offset: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// The format asked for is not known.
    #[error("there is no format {0:?}; the formats are auto, meliae and capture")]
    UnknownFormat(String),
    /// The dump is of a newer capture script.
    #[error(
        "the dump has version {found} of its format, this heaplake reads up to {known}; a newer heaplake is needed"
    )]
    TooNew {
        /// The dump's.
        found: u32,
        /// The newest that is read.
        known: u32,
    },
    /// The caller stopped the work.
    #[error("stopped")]
    Cancelled,
    /// The input could not be read.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Damaged(_) => Some(Remedy::SkipDamage),
            Error::ObjectTooLarge { .. } => Some(Remedy::RaiseMemoryLimit),
            _ => None,
        }
    }
}
