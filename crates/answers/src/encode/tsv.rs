//! Tab-separated values: a header, then exactly one line per row. Tab, line breaks and backslash are `\t`, `\n`,
//! `\r` and `\\`, so that `cut` and `awk` never meet a cell of two lines; null is nothing.

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef, util::display::FormatOptions};

use super::{Encoder, Written, flat};
use crate::{Result, escape};

/// Writes tsv.
pub struct Tsv<W: Write> {
    out: W,
}

impl<W: Write> Tsv<W> {
    /// Writes the header of `schema`.
    pub fn new(schema: &SchemaRef, mut out: W) -> Result<Self> {
        let names: Vec<_> = schema.fields().iter().map(|field| escape::tsv(field.name())).collect();
        writeln!(out, "{}", names.join("\t"))?;
        Ok(Self { out })
    }
}

impl<W: Write> Encoder for Tsv<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = flat::flatten(batch)?;
        let options = FormatOptions::default();
        let columns = flat::formatters(&batch, &options)?;
        let mut cell = String::new();
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            for (idx, column) in columns.iter().enumerate() {
                if idx > 0 {
                    line.push('\t');
                }
                cell.clear();
                column.value(row).write(&mut cell)?;
                line.push_str(&escape::tsv(&cell));
            }
            line.push('\n');
            self.out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        Ok(Written::default())
    }
}
