//! Comma-separated values: a header, `\n` at the end of lines, quotes where needed, null as nothing.
//!
//! Cells are exact, also those that a spreadsheet would take for a formula (`=1+1`): a program that reads the data
//! must get what the dump holds.

use std::io::Write;

use arrow::{array::RecordBatch, csv::Writer, datatypes::SchemaRef};

use super::{Encoder, Written, flat};
use crate::Result;

/// Writes csv.
pub struct Csv<W: Write> {
    writer: Writer<W>,
    schema: SchemaRef,
    started: bool,
}

impl<W: Write> Csv<W> {
    /// Starts a header and rows of `schema`.
    pub fn new(schema: &SchemaRef, out: W) -> Self {
        Self { writer: Writer::new(out), schema: flat::flat_schema(schema), started: false }
    }
}

impl<W: Write> Encoder for Csv<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.started = true;
        Ok(self.writer.write(&flat::flatten(batch)?)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        if !self.started {
            // The header comes with the first batch.
            self.writer.write(&RecordBatch::new_empty(self.schema))?;
        }
        Ok(Written::default())
    }
}
