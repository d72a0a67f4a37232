//! Dump files to packed records.
//!
//! [`read`] takes a [`Source`], recognises its compression and its [`Format`], and hands over the [`Records`] of the dump in
//! blocks, in the order of the input. A parser appends to columns, which are packed while they are in the processor's
//! caches; no object exists in between.
//!
//! Input is hostile. A reader never panics, never recurses on data and never sizes an allocation by a number that it
//! read. What it repairs or leaves out is an [`Issue`](heaplake_model::Issue) of the block.
//!
//! `format.rs` has the trait that a format implements, `formats.rs` the list of them, `source.rs` what each gets for
//! nothing: decompression, checksum, progress, a copy that can be read in any order. A format is a module or folder of its
//! own; `blocks.rs` serves those that can be cut into blocks between two objects. `objects.rs` packs objects that come from
//! something else than a file of a format.

mod batch;
mod blocks;
mod capture;
mod decompress;
mod error;
mod fields;
mod format;
mod formats;
mod hprof;
mod json;
mod labels;
mod log;
pub mod meliae;
mod number;
mod objects;
mod others;
mod records;
mod source;
mod text;
mod threads;
mod types;
mod zip;

pub use decompress::Compression;
pub use error::Error;
pub use fields::{FieldKey, FieldKind, FieldRows, FieldValue};
pub use format::{Consume, DumpContent, Format, ReadOptions, Recognition, SourceNeed};
pub use formats::{FORMATS, Summary, format_named, read, unknown_format};
pub use labels::Labels;
pub use objects::{ObjectPacker, PlainObject};
pub use records::{Record, Records, Refs};
pub use source::{Provenance, SeekableSource, Source, SourceReader};
pub use threads::ThreadRecord;
pub use types::{TypeId, TypeTable};
