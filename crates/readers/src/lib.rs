//! Dump files to packed records.
//!
//! [`read`] takes bytes in any of the compressions of [`Compression`], cuts them into blocks at object boundaries,
//! parses the blocks on several threads and hands over the [`Records`] of each, in the order of the input. A parser appends
//! to columns, which are packed while they are in the processor's caches: there is no object in between.
//!
//! Input is hostile. A reader never panics, never recurses on data and never sizes an allocation by a number that it
//! read. What it repairs or leaves out is an [`Issue`](heaplake_model::Issue) of the block.
//!
//! One folder per format, the same file names in each: `mod.rs` (what the format is), `block.rs` (where to cut),
//! `line.rs` (the fast path), `object.rs` (everything else), `sniff.rs` (is it this format at all?).

mod batch;
mod capture;
mod decompress;
mod error;
mod labels;
pub mod meliae;
mod number;
mod pipeline;
mod records;
mod text;
mod types;

pub use capture::Capture;
pub use decompress::Compression;
pub use error::Error;
pub use labels::Labels;
pub use pipeline::{Format, ReadOptions, Summary, read};
pub use records::{Record, Records, Refs};
pub use types::{TypeId, TypeTable};
