//! Errors of a reader, by what the caller can do about them.

use std::{io, path::PathBuf};

use heaplake_model::{Issue, Remedy};

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Strict reading met damage. `issue` says where.
    #[error("{}: {}", .0.place(), .0.what)]
    Damaged(Issue),
    /// Strict reading met damage in a table, whose rows have no line and byte.
    #[error("{0}")]
    DamagedTable(String),
    /// The input is something else altogether.
    #[error("this is not a heap dump: {0}")]
    NotADump(String),
    /// The input is a file of another tool.
    #[error("{}: {what}", kept_out(*.is_heap_dump))]
    OtherFile {
        /// What it is, and what to do with it.
        what: String,
        /// It is a heap dump, of a kind that is not read.
        is_heap_dump: bool,
        /// What the user can do instead.
        remedy: Option<Remedy>,
    },
    /// The input is a dump that went through a log.
    #[error("this is a dump in a log: {what}; this command takes it out: {command}")]
    Logged {
        /// What the log did to its lines.
        what: String,
        /// A command that undoes it.
        command: String,
    },
    /// The input is not of the format that was asked for.
    #[error("this is not in the format {format}: {what}")]
    WrongFormat {
        /// The format that was asked for.
        format: &'static str,
        /// What the input is.
        what: String,
    },
    /// The input holds several heap dumps, and none was chosen.
    #[error("the file holds {parts} heap dumps, and one import takes one")]
    SeveralDumps {
        /// How many.
        parts: u32,
    },
    /// The heap dump that was chosen is not in the input.
    #[error("there is no heap dump {part} in the file; it holds {parts}")]
    NoPart {
        /// The one that was chosen, from 1.
        part: u32,
        /// How many there are.
        parts: u32,
    },
    /// Objects of the format have their sizes in the dump, so that nothing follows from a layout.
    #[error("a layout was given, but dumps of the format {format} have the sizes of their objects")]
    SizesAreKnown {
        /// The format of the input.
        format: &'static str,
    },
    /// A layout that the input cannot have.
    #[error("the layout does not fit the dump: {0}")]
    WrongLayout(String),
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
    /// No format has this name.
    #[error("there is no format {name:?}; {}", known_formats(.nearest, .names))]
    UnknownFormat {
        /// The name asked for.
        name: String,
        /// The format that was probably meant.
        nearest: Option<&'static str>,
        /// The formats that can be read.
        names: Vec<&'static str>,
    },
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
    /// The thread that reads the source ended without an answer: a bug.
    #[error("cannot read: the reading thread ended early")]
    ReaderLost,
    /// The input could not be read.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    /// The input could not be copied to where it can be read in any order.
    #[error("cannot copy the input into {}: {source}", .folder.display())]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Damaged(_) | Error::DamagedTable(_) => Some(Remedy::SkipDamage),
            Error::ObjectTooLarge { .. } => Some(Remedy::RaiseMemoryLimit),
            Error::SeveralDumps { parts } => Some(Remedy::ChoosePart { parts: *parts }),
            Error::WrongFormat { .. } => Some(Remedy::RecogniseFormat),
            Error::OtherFile { remedy, .. } => remedy.clone(),
            _ => None,
        }
    }
}

fn kept_out(is_heap_dump: bool) -> &'static str {
    if is_heap_dump { "heaplake does not read heap dumps of this kind" } else { "this is not a heap dump" }
}

fn known_formats(nearest: &Option<&'static str>, names: &[&'static str]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("the formats are {}", names.join(", ")),
    }
}
