//! The tables that are made from the manifests alone: `dump` and `process_memory`.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        ArrayRef, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder,
        TimestampMicrosecondArray,
    },
    datatypes::DataType,
    error::ArrowError,
    record_batch::RecordBatch,
};
use heaplake_model::{MemoryAccount, MemoryPart, Process, schema};
use heaplake_store::{Lake, Manifest};

/// One row per dump.
pub(crate) fn dumps(manifests: &[Arc<Manifest>], lake: &Lake) -> Result<RecordBatch, ArrowError> {
    let schema = schema::dump();
    let text = |f: fn(&Manifest) -> &str| -> ArrayRef {
        Arc::new(manifests.iter().map(|m| Some(f(m))).collect::<StringArray>())
    };
    let number = |f: fn(&Manifest) -> u64| -> ArrayRef {
        Arc::new(manifests.iter().map(|m| Some(saturating(f(m)))).collect::<Int64Array>())
    };
    let time = |f: fn(&Manifest) -> i64| -> ArrayRef {
        let times = manifests.iter().map(|m| Some(f(m))).collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_timezone("UTC"))
    };
    let index_bytes = manifests.iter().map(|m| Some(saturating(lake.index_bytes(m))));
    let index_bytes: ArrayRef = Arc::new(index_bytes.collect::<Int64Array>());
    let total: ArrayRef = Arc::new(manifests.iter().map(|m| Some(m.counts.bytes)).collect::<Int64Array>());
    let pruned: TimestampMicrosecondArray =
        manifests.iter().map(|m| m.pruned.map(|time| time.timestamp_micros())).collect();
    let tags = tags(manifests, schema.field_with_name("tags")?.data_type())?;
    let columns = vec![
        text(|m| m.id.as_str()),
        time(|m| m.taken.timestamp_micros()),
        time(|m| m.imported.timestamp_micros()),
        text(|m| &m.source.format),
        text(|m| &m.source.file),
        number(|m| m.source.bytes),
        text(|m| &m.source.sha256),
        tags,
        number(|m| m.counts.objects),
        number(|m| m.counts.edges),
        number(|m| m.counts.dangling),
        number(|m| m.counts.types),
        total,
        number(|m| m.issues.values().sum()),
        number(Manifest::stored_bytes),
        index_bytes,
        Arc::new(pruned.with_timezone("UTC")),
    ];
    RecordBatch::try_new(schema, columns)
}

/// One row per dump: what the memory of its process consists of.
pub(crate) fn process_memory(manifests: &[Arc<Manifest>]) -> Result<RecordBatch, ArrowError> {
    let account = |m: &Manifest| m.process.account(m.counts.bytes);
    let number = |f: &dyn Fn(&Manifest) -> Option<u64>| -> ArrayRef {
        Arc::new(manifests.iter().map(|m| f(m).map(saturating)).collect::<Int64Array>())
    };
    let said = |f: fn(&Process) -> Option<u64>| number(&|m| f(&m.process));
    let of_account = |f: &dyn Fn(&MemoryAccount) -> u64| number(&|m| account(m).as_ref().map(f));
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(manifests.iter().map(|m| Some(m.id.as_str())).collect::<StringArray>())];
    columns.push(of_account(&|account| account.total));
    columns.extend(MemoryPart::ALL.map(|part| of_account(&|account| account.part(part))));
    columns.push(of_account(&|account| account.absent));
    columns.extend([
        said(|process| process.resident_bytes),
        said(|process| process.memory.swap),
        said(|process| process.memory.private),
        said(|process| process.memory.anonymous),
        said(|process| process.memory.file),
        said(|process| process.memory.shared),
        said(|process| process.memory.pools),
        said(|process| process.memory.malloc),
        said(|process| process.memory.threads),
    ]);
    RecordBatch::try_new(schema::process_memory(), columns)
}

fn tags(manifests: &[Arc<Manifest>], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let names =
        MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut tags = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for manifest in manifests {
        for (key, value) in manifest.all_tags() {
            tags.keys().append_value(key);
            tags.values().append_value(value);
        }
        tags.append(true)?;
    }
    let tags: ArrayRef = Arc::new(tags.finish());
    if tags.data_type() == data_type { Ok(tags) } else { datafusion::arrow::compute::cast(&tags, data_type) }
}

pub(crate) fn saturating(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
