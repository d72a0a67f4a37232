//! What the first line of a dump of heaplake's own capture says of the process.

use serde::Deserialize;

/// The process that a dump is of. docs/formats/capture.md has the units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Capture {
    /// Version of the format.
    pub format: u32,
    /// When the dump was taken, RFC 3339.
    #[serde(default)]
    pub time: Option<String>,
    /// Process id.
    #[serde(default)]
    pub pid: Option<u64>,
    /// Name of the machine.
    #[serde(default)]
    pub host: Option<String>,
    /// Version of Python.
    #[serde(default)]
    pub python: Option<String>,
    /// The command line.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// Bytes of memory that the process had.
    #[serde(default)]
    pub rss: Option<u64>,
}

/// The newest version of the format that is read.
pub(crate) const FORMAT: u32 = 1;

/// The last line of such a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct End {
    /// Objects of the dump.
    pub(crate) objects: u64,
}

/// A line of a dump that is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Objects of the batch that come before it.
    pub(crate) n_before: usize,
    /// Where it is: line and byte of the batch.
    pub(crate) line: u32,
    pub(crate) offset: u32,
    pub(crate) what: MarkKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MarkKind {
    Capture(Box<Capture>),
    End(End),
}

/// The type that these lines have, for tools that take them for objects.
pub(crate) const TYPE: &[u8] = b"heaplake capture";
