//! A Markdown table (GitHub's), numbers aligned to the right. Nothing in a cell is markup, HTML or a control.

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef, util::display::FormatOptions};

use super::{Encoder, Written, flat};
use crate::{Result, escape};

/// Writes Markdown.
pub struct Markdown<W: Write> {
    out: W,
}

impl<W: Write> Markdown<W> {
    /// Writes the header of `schema`.
    pub fn new(schema: &SchemaRef, mut out: W) -> Result<Self> {
        let names: Vec<_> = schema.fields().iter().map(|field| escape::markdown(field.name())).collect();
        let rules: Vec<_> = flat::flat_schema(schema)
            .fields()
            .iter()
            .map(|field| if flat::is_right_aligned(field) { "---:" } else { ":---" })
            .collect();
        writeln!(out, "| {} |\n|{}|", names.join(" | "), rules.join("|"))?;
        Ok(Self { out })
    }
}

impl<W: Write> Encoder for Markdown<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = flat::flatten(batch)?;
        let options = FormatOptions::default();
        let columns = flat::formatters(&batch, &options)?;
        let mut cell = String::new();
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            for column in &columns {
                cell.clear();
                column.value(row).write(&mut cell)?;
                line.push_str("| ");
                line.push_str(&escape::markdown(&cell));
                line.push(' ');
            }
            line.push_str("|\n");
            self.out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        Ok(Written::default())
    }
}
