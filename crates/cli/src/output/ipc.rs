//! An Arrow IPC file. Text is written in the plain layout, which every reader of Arrow knows; the engine uses the
//! newer view layout in memory.

use std::{io::Write, sync::Arc};

use anyhow::Result;
use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, FieldRef, Schema, SchemaRef},
    ipc::writer::FileWriter,
};

use super::{Encoder, Written};

/// Writes an Arrow IPC file.
pub struct Ipc<W: Write> {
    writer: FileWriter<W>,
    schema: SchemaRef,
}

impl<W: Write> Ipc<W> {
    /// Starts a file of `schema`.
    pub fn new(schema: &SchemaRef, out: W) -> Result<Self> {
        let schema = plain(schema);
        Ok(Self { writer: FileWriter::try_new(out, &schema)?, schema })
    }
}

impl<W: Write> Encoder for Ipc<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let fields = self.schema.fields().iter();
        let columns = fields.zip(batch.columns()).map(|(field, column)| cast(column, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.writer.finish()?;
        Ok(Written::default())
    }
}

/// The schema with views as plain text and bytes.
fn plain(schema: &Schema) -> SchemaRef {
    let plain = |field: &FieldRef| {
        let data_type = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}
