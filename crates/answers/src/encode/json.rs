//! JSON, as one array or one object a line. Null is written out, so that every row has every key; 64-bit numbers
//! are exact.

use std::io::Write;

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    json::{
        WriterBuilder,
        writer::{JsonFormat, LineDelimited, Writer},
    },
};

use super::{Encoder, Written};
use crate::Result;

/// An array with one row a line.
#[derive(Debug, Default)]
pub struct ArrayOfLines;

impl JsonFormat for ArrayOfLines {
    fn start_stream<W: Write>(&self, out: &mut W) -> Result<(), ArrowError> {
        Ok(out.write_all(b"[")?)
    }

    fn start_row<W: Write>(&self, out: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        Ok(out.write_all(if is_first_row { b"" } else { b",\n" })?)
    }

    fn end_stream<W: Write>(&self, out: &mut W) -> Result<(), ArrowError> {
        Ok(out.write_all(b"]\n")?)
    }
}

/// Writes one array.
pub type Json<W> = Objects<W, ArrayOfLines>;

/// Writes one object a line.
pub type Ndjson<W> = Objects<W, LineDelimited>;

/// Writes objects, framed as `F` says.
pub struct Objects<W: Write, F: JsonFormat> {
    writer: Writer<W, F>,
}

impl<W: Write, F: JsonFormat> Objects<W, F> {
    /// Starts writing to `out`.
    pub fn new(out: W) -> Self {
        Self { writer: WriterBuilder::new().with_explicit_nulls(true).build(out) }
    }
}

impl<W: Write, F: JsonFormat> Encoder for Objects<W, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.writer.finish()?;
        Ok(Written::default())
    }
}
