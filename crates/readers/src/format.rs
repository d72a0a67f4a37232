//! The seam between dump formats and everything else: what a format must say and do.
//!
//! A format is a unit struct in a module of its own that implements [`Format`], and one line in
//! [`FORMATS`](crate::FORMATS). It reads its source as a stream of decompressed bytes, or asks it to become a file
//! ([`SourceReader::seekable`]), and hands over [`Records`] in blocks. Compression, the checksum of the source, progress
//! and cancellation while a source is opened are not its business. `blocks.rs` helps formats whose objects follow each
//! other, so that the input can be cut between two of them and parsed on several threads.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use chrono::{DateTime, Utc};
use heaplake_model::{LayoutOverride, Process};

use crate::{Error, Provenance, Records, SourceReader, TypeTable};

/// A dump format that can be read.
pub trait Format: fmt::Debug + Sync {
    /// Its name on a command line and in a manifest; [`Runtime::of_format`](heaplake_model::Runtime::of_format) knows it.
    fn name(&self) -> &'static str;

    /// One line that says what it is, without a full stop.
    fn description(&self) -> &'static str;

    /// Which source [`read`](Self::read) needs.
    fn needs(&self) -> SourceNeed;

    /// Whether the input that begins with `head` is of this format. `head` is the first 64 KiB of the decompressed input, or
    /// all of it.
    fn recognise(&self, head: &[u8]) -> Recognition;

    /// Whether the sizes of objects follow from a layout ([`ReadOptions::layout`]), because the format does not have them.
    fn infers_sizes(&self) -> bool {
        false
    }

    /// Whether an input can hold several heap dumps ([`ReadOptions::part`]).
    fn has_parts(&self) -> bool {
        false
    }

    /// Reads a dump and hands its records to `consume` in the order of the input, from the thread of the caller.
    ///
    /// Enters types into `types`. Stops at the first error of the input, at a lossy issue unless
    /// [`keep_going`](ReadOptions::keep_going), when `consume` returns an error, and soon after a cancellation. A dump
    /// without any object is an error.
    fn read(
        &self,
        source: SourceReader,
        options: &ReadOptions<'_>,
        types: &TypeTable,
        consume: Consume<'_>,
    ) -> Result<DumpContent, Error>;
}

/// Takes the records of a block; an error ends the reading and is handed through.
pub type Consume<'c> = &'c mut dyn FnMut(Records) -> Result<(), Error>;

/// In which order a format reads its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceNeed {
    /// From the first byte to the last.
    Stream,
    /// In any order: a stream or a compressed file is copied into the work folder first.
    Seekable,
}

/// Whether an input is of a format, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// It is.
    Yes,
    /// Nothing speaks against it, but nothing in the head is particular to the format.
    Maybe,
    /// It is not.
    No,
}

/// How to read.
#[derive(Debug)]
pub struct ReadOptions<'o> {
    /// Go on after damage; otherwise the first lossy issue is an error.
    pub keep_going: bool,
    /// Parsing threads, at least 1.
    pub threads: usize,
    /// Bytes of a block; more are read where one object needs it.
    pub block_bytes: usize,
    /// The largest object to take, in bytes; at most 1 GiB counts.
    pub max_object_bytes: usize,
    /// Hand over the fields of objects that have values of their own, too.
    pub fields: bool,
    /// Which heap dump of the input to read, from 1; `None` where it must hold one only.
    pub part: Option<u32>,
    /// What is known of the layout of objects.
    pub layout: LayoutOverride,
    /// A folder for a copy of the source, where the format needs one.
    pub work_folder: &'o Path,
    /// Becomes true when the work should stop.
    pub cancel: &'o AtomicBool,
    /// Counts the bytes of the source as they are read.
    pub bytes_read: Arc<AtomicU64>,
}

/// What a dump says of itself as a whole, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpContent {
    /// What is known of its source.
    pub provenance: Provenance,
    /// What it says of its process.
    pub process: Process,
    /// When it says that it was taken, in microseconds.
    pub taken: Option<DateTime<Utc>>,
}
