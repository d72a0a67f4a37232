//! Batches as the text formats need them: every column a plain one, every column with a name of its own.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    json::{EncoderOptions, writer::make_encoder},
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::{Error, Result};

/// Marks a text column whose cells a table does not cut, and on which side they stand.
const ALIGN: &str = "heaplake.align";
const RIGHT: &str = "right";
const LEFT: &str = "left";

/// The field, aligned to the right in tables and never cut, as sizes with units are.
pub fn align_right(field: Field) -> Field {
    field.with_metadata([(ALIGN.to_owned(), RIGHT.to_owned())].into())
}

/// The field, never cut in tables, as names are that one has to type.
pub fn keep_whole(field: Field) -> Field {
    field.with_metadata([(ALIGN.to_owned(), LEFT.to_owned())].into())
}

/// Whether the cells of a column are aligned to the right: numbers, and what was marked so.
pub fn is_right_aligned(field: &Field) -> bool {
    field.data_type().is_numeric() || field.metadata().get(ALIGN).is_some_and(|side| side == RIGHT)
}

/// Whether the cells of a column are never cut: numbers, and what was marked so.
pub fn is_whole(field: &Field) -> bool {
    field.data_type().is_numeric() || field.metadata().contains_key(ALIGN)
}

/// The schema of [`flatten`]ed batches.
pub fn flat_schema(schema: &Schema) -> SchemaRef {
    let flat = |field: &FieldRef| {
        if !field.data_type().is_nested() {
            return Arc::clone(field);
        }
        Arc::new(Field::new(field.name(), DataType::Utf8, true))
    };
    Arc::new(Schema::new(schema.fields().iter().map(flat).collect::<Vec<_>>()))
}

/// A row as `name=value, name=value`; what is null is left out.
pub fn row_in_words(batch: &RecordBatch, row: usize) -> Result<String> {
    let options = FormatOptions::default();
    let mut words = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if column.is_valid(row) {
            let value = ArrayFormatter::try_new(column, &options)?.value(row).try_to_string()?;
            words.push(format!("{}={value}", field.name()));
        }
    }
    Ok(words.join(", "))
}

/// The batch with lists, maps and structures as JSON text.
pub fn flatten(batch: &RecordBatch) -> Result<RecordBatch> {
    if !batch.schema_ref().fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let fields = batch.schema_ref().fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, column)| {
        if field.data_type().is_nested() { to_json(field, column) } else { Ok(Arc::clone(column)) }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(flat_schema(batch.schema_ref()), columns)?)
}

fn to_json(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column, &options)?;
    let mut texts = StringBuilder::new();
    let mut json = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        json.clear();
        encoder.encode(row, &mut json);
        texts.append_value(
            std::str::from_utf8(&json).map_err(|_| Error::Internal("JSON is not text".to_owned()))?,
        );
    }
    Ok(Arc::new(texts.finish()))
}

/// Formatters of the columns of a flat batch; null is the empty text.
pub fn formatters<'a>(
    batch: &'a RecordBatch,
    options: &'a FormatOptions<'a>,
) -> Result<Vec<ArrayFormatter<'a>>> {
    let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), options));
    Ok(formatters.collect::<Result<_, _>>()?)
}

/// The schema with a number after a name that another column has already: `type`, `type_2`.
///
/// SQL may give two columns one name; JSON and most readers of Parquet would lose one of them.
pub fn distinct_names(schema: &SchemaRef) -> SchemaRef {
    let mut seen: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if seen.len() == schema.fields().len() {
        return Arc::clone(schema);
    }
    let mut given = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        if given.insert(field.name().as_str()) {
            return Arc::clone(field);
        }
        let numbered = (2..).map(|n: u64| format!("{}_{n}", field.name()));
        let name = numbered.into_iter().find(|name| seen.insert(name.clone())).unwrap_or_default();
        Arc::new(field.as_ref().clone().with_name(name))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
