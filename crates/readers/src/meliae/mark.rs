//! Lines of a capture that are about the dump: its first and its last.

use heaplake_model::{Collector, ProcessMemory};
use serde::Deserialize;

/// What the first line of a capture says. docs/formats/capture.md has the units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Header {
    /// Version of the format.
    pub(crate) format: u32,
    /// When the dump was taken, RFC 3339.
    #[serde(default)]
    pub(crate) time: Option<String>,
    /// Process id.
    #[serde(default)]
    pub(crate) pid: Option<u64>,
    /// Name of the machine.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// Version of Python.
    #[serde(default)]
    pub(crate) python: Option<String>,
    /// The command line.
    #[serde(default)]
    pub(crate) command: Option<Vec<String>>,
    /// Bytes of memory that the process had.
    #[serde(default)]
    pub(crate) rss: Option<u64>,
    /// What else is known of its memory.
    #[serde(default)]
    pub(crate) memory: ProcessMemory,
    /// Interpreters of the process.
    #[serde(default)]
    pub(crate) interpreters: Option<u64>,
    /// When the collector of cycles runs.
    #[serde(default)]
    pub(crate) collector: Option<Collector>,
    /// Why there is a dump.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// What the last line of a capture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct End {
    /// Objects of the dump.
    pub(crate) objects: u64,
}

/// A line that is about the dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Objects of the block that come before it.
    pub(crate) n_before: usize,
    /// Line of the block, from 0.
    pub(crate) line: u32,
    /// Byte of the block.
    pub(crate) offset: u32,
    /// What it says.
    pub(crate) kind: MarkKind,
}

/// What a line says of the dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// The dump begins.
    Header(Box<Header>),
    /// The dump ends.
    End(End),
}

/// The type that these lines have, for tools that take them for objects.
pub(crate) const TYPE: &[u8] = b"heaplake capture";
