//! What a statement asked of an object store, as a row of EXPLAIN ANALYZE.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, StringArray},
    compute::cast,
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use futures::{StreamExt as _, stream};
use heaplake_store::{Lake, Traffic};

use crate::{Error, Result, bounds::AnswerStream};

/// The row after those of EXPLAIN ANALYZE, with the requests and the bytes since `before`. `schema` is that of the other rows.
///
/// The statement has run to its end when its last row is there. Requests of other statements on the same lake at that time are
/// counted, too.
pub(crate) fn row(schema: SchemaRef, lake: &Lake, before: Traffic) -> AnswerStream {
    let lake = lake.clone();
    let row = stream::once(async move {
        let now = lake.traffic().unwrap_or_default();
        let text = format!(
            "requests={}, received_bytes={}",
            now.n_requests.saturating_sub(before.n_requests),
            now.received_bytes.saturating_sub(before.received_bytes)
        );
        let columns = schema.fields().iter().zip(["Object store", &text]).map(|(field, value)| {
            let value: ArrayRef = Arc::new(StringArray::from(vec![value]));
            cast(&value, field.data_type())
        });
        let columns: Result<Vec<ArrayRef>, _> = columns.collect();
        let batch = columns.and_then(|columns| RecordBatch::try_new(schema, columns));
        batch.map_err(|error| Error::Internal(error.to_string()))
    });
    row.boxed()
}
