//! Arrow IPC, as a file and as a stream. Text is written in the plain layout, which every reader of Arrow knows; the engine
//! uses the newer view layout in memory.

use std::{io::Write, sync::Arc};

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, FieldRef, Schema, SchemaRef},
    ipc::writer::{FileWriter, StreamWriter},
};

use super::{Encoder, Written};
use crate::Result;

/// Writes an Arrow IPC file.
pub struct ArrowFile<W: Write> {
    writer: FileWriter<W>,
    schema: SchemaRef,
}

impl<W: Write> ArrowFile<W> {
    /// Starts a file of `schema`.
    pub fn new(schema: &SchemaRef, out: W) -> Result<Self> {
        let schema = plain(schema);
        Ok(Self { writer: FileWriter::try_new(out, &schema)?, schema })
    }
}

impl<W: Write> Encoder for ArrowFile<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.writer.write(&plain_batch(batch, &self.schema)?)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.writer.finish()?;
        Ok(Written::default())
    }
}

/// Writes an Arrow IPC stream; each batch is passed on at once.
pub struct ArrowStream<W: Write> {
    writer: StreamWriter<W>,
    schema: SchemaRef,
}

impl<W: Write> ArrowStream<W> {
    /// Starts a stream of `schema`.
    pub fn new(schema: &SchemaRef, out: W) -> Result<Self> {
        let schema = plain(schema);
        Ok(Self { writer: StreamWriter::try_new(out, &schema)?, schema })
    }
}

impl<W: Write> Encoder for ArrowStream<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(&plain_batch(batch, &self.schema)?)?;
        Ok(self.writer.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.writer.finish()?;
        Ok(Written::default())
    }
}

fn plain_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let fields = schema.fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, column)| cast(column, field.data_type()));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<Vec<_>, _>>()?)?)
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
