//! Errors of the lake, by what the caller can do about them.

use std::{io, path::PathBuf};

use heaplake_model::{DumpId, Remedy};

/// What can go wrong with a lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is not a lake.
    #[error("{} is not a lake ({})", .0.display(), if .0.is_file() { "it is a file" } else { "it has no heaplake.json" })]
    NotALake(PathBuf),
    /// The lake was written by a newer or an older heaplake.
    #[error("{} has format version {found}, this heaplake reads {}; {}", .path.display(), crate::FORMAT_VERSION, what_to_use(*.found))]
    OtherFormat {
        /// The lake's folder.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// No dump has this name.
    #[error("the lake has no dump {id:?}{}", did_you_mean(.suggestion))]
    NoSuchDump {
        /// The name asked for.
        id: String,
        /// The nearest name in the lake.
        suggestion: Option<DumpId>,
    },
    /// The id is in use.
    #[error("the lake has a dump {0} already")]
    DumpExists(DumpId),
    /// The dump was replaced or removed meanwhile.
    #[error("the dump {0} was replaced or removed meanwhile; nothing was changed, try again")]
    DumpChanged(DumpId),
    /// Only the summaries of the dump remain.
    #[error(
        "the objects and references of {dump} were pruned on {}; its type_stat, holder_stat, module_stat and thread are left",
        .at.format("%Y-%m-%d")
    )]
    Pruned {
        /// The dump.
        dump: DumpId,
        /// When it was pruned.
        at: chrono::DateTime<chrono::Utc>,
    },
    /// The dump was imported without its fields.
    #[error("the dump {0} has no table of fields: they are kept on demand")]
    NoFields(DumpId),
    /// The dump has no such layer.
    #[error("{dump} has no layer {name:?}{}", layers_of(.names))]
    NoSuchLayer {
        /// The dump.
        dump: DumpId,
        /// The name asked for.
        name: String,
        /// The names that it has.
        names: Vec<String>,
    },
    /// The layer belongs to tables that were replaced.
    #[error("the layer {name} is of an earlier import of {dump}")]
    StaleLayer {
        /// The dump.
        dump: DumpId,
        /// The layer.
        name: DumpId,
    },
    /// A file of the lake is not what it should be.
    #[error("{}: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The source cannot be imported.
    #[error(transparent)]
    Read(#[from] heaplake_readers::Error),
    /// The memory limit is too small.
    #[error("{what} needs {needed} bytes, more than the memory limit of {limit} bytes leaves")]
    MemoryLimit {
        /// What needs the memory.
        what: &'static str,
        /// Bytes that it needs.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The folder is a copy of a lake elsewhere, which cannot be changed through it.
    #[error("{0} is in an object store, and this would change it")]
    Copy(String),
    /// Asking the lake elsewhere that the folder copies failed.
    #[error("{0}")]
    Origin(#[source] io::Error),
    /// The user stopped the work.
    #[error("stopped; the lake is as it was")]
    Cancelled,
    /// Reading or writing a file failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Parquet could not be written or read.
    #[error("{}: {source}", .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::NotALake(_) => Some(Remedy::MakeLake),
            Error::NoFields(dump) => Some(Remedy::KeepFields { dump: dump.to_string() }),
            Error::DumpExists(_) => Some(Remedy::RenameOrReplace),
            Error::NoSuchLayer { names, .. } if names.is_empty() => Some(Remedy::SaveLayer { name: None }),
            Error::StaleLayer { name, .. } => Some(Remedy::SaveLayer { name: Some(name.to_string()) }),
            Error::Damaged { .. } => Some(Remedy::VerifyLake),
            Error::MemoryLimit { .. } => Some(Remedy::RaiseMemoryLimit),
            Error::Copy(_) => Some(Remedy::PullDump),
            Error::Read(error) => error.remedy(),
            _ => None,
        }
    }
}

fn what_to_use(version: u32) -> &'static str {
    if version > crate::FORMAT_VERSION { "use a newer heaplake" } else { "import its dumps into a new lake" }
}

fn did_you_mean(id: &Option<DumpId>) -> String {
    id.as_ref().map(|id| format!("; did you mean {id}?")).unwrap_or_default()
}

fn layers_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; it has {}", names.join(", ")),
    }
}
