//! Small lakes that are written by hand: Parquet files of 100-row groups, and manifests that name them.

// Every test file uses some of it.
#![allow(dead_code)]

use std::{fs, path::Path, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, StringArray, UInt32Array, UInt64Array},
        util::pretty::pretty_format_batches,
    },
    parquet::{arrow::ArrowWriter, file::properties::WriterProperties},
};
use futures::TryStreamExt as _;
use heaplake_engine::{Error, RecordBatch, Session, SessionOptions};
use heaplake_model::schema::Table;
use heaplake_store::{
    Access, Counts, FileEntry, ImportOptions, ImportProgress, Input, Lake, Manifest, Source, TakenFrom,
    import,
};
use tempfile::TempDir;

/// The first address.
pub const BIG: u64 = 1 << 63;

/// Objects: 1000 of type `a`, 1000 of `b`, addresses 0, 16, ... above 2^63; edges from each to the next two.
fn add_dump(lake: &Path, id: &str, hour: i64) {
    let n = 2000_u64;
    let address = |i: u64| BIG + 16 * i;
    let types = (0..n).map(|i| if i < 1000 { "a" } else { "b" });
    let none = || Arc::new(StringArray::new_null(n as usize));
    // Without the columns of the graph index, as a file may be: they are null then.
    let plain: Vec<usize> = (0..6).collect();
    let obj = RecordBatch::try_new(
        Arc::new(Table::Obj.schema().project(&plain).unwrap()),
        vec![
            Arc::new(UInt64Array::from_iter_values((0..n).map(address))),
            Arc::new(StringArray::from_iter_values(types)),
            none(),
            none(),
            Arc::new(Int64Array::from_iter_values((0..n).map(|i| i as i64))),
            Arc::new(Int64Array::new_null(n as usize)),
        ],
    );
    let m = n as usize * 2;
    let edge = RecordBatch::try_new(
        Table::Edge.schema(),
        vec![
            Arc::new(UInt64Array::from_iter_values((0..2 * n).map(|i| address(i / 2)))),
            Arc::new(UInt64Array::from_iter_values((0..2 * n).map(|i| address(i / 2 + 1 + i % 2)))),
            Arc::new(UInt32Array::from_iter_values((0..2 * n).map(|i| (i % 2) as u32))),
            Arc::new(StringArray::new_null(m)),
            Arc::new(StringArray::from_iter_values((0..m).map(|_| "strong"))),
        ],
    );
    let root = RecordBatch::try_new(
        Table::Root.schema(),
        vec![
            Arc::new(UInt64Array::from_iter_values([address(0)])),
            Arc::new(StringArray::from_iter_values(["unreferenced"])),
        ],
    );
    let numbers = |of: [Option<i64>; 2]| -> ArrayRef { Arc::new(Int64Array::from_iter(of)) };
    let type_stat = RecordBatch::try_new(
        Table::TypeStat.schema(),
        vec![
            Arc::new(StringArray::from_iter_values(["a", "b"])),
            numbers([Some(1000); 2]),
            numbers([Some(499_500), Some(1_499_500)]),
            numbers([Some(999); 2]),
            numbers([None; 2]),
        ],
    );
    let tables = [(Table::Obj, obj), (Table::Edge, edge), (Table::Root, root), (Table::TypeStat, type_stat)];
    let files = tables.into_iter().map(|(table, rows)| write(lake, id, table, &rows.unwrap())).collect();
    let manifest = Manifest {
        format_version: heaplake_store::FORMAT_VERSION,
        id: id.parse().unwrap(),
        taken: chrono::DateTime::from_timestamp(3600 * hour, 0).unwrap(),
        taken_from: TakenFrom::User,
        imported: chrono::DateTime::from_timestamp(3600 * hour, 0).unwrap(),
        source: Source {
            file: "x.dump".into(),
            bytes: 1,
            sha256: String::new(),
            format: "meliae".into(),
            compression: "none".into(),
            part: None,
        },
        process: Default::default(),
        tags: [("build".to_owned(), "7".to_owned())].into(),
        counts: Counts { objects: n, edges: 2 * n, dangling: 3, unreferenced: 1, bytes: 1_999_000, types: 2 },
        roots: [("unreferenced".to_owned(), 1)].into(),
        indexed: false,
        naming: 0,
        issues: Default::default(),
        pruned: None,
        files,
    };
    fs::create_dir_all(lake.join("dumps")).unwrap();
    fs::write(lake.join(format!("dumps/{id}.json")), serde_json::to_vec(&manifest).unwrap()).unwrap();
}

fn write(lake: &Path, id: &str, table: Table, rows: &RecordBatch) -> FileEntry {
    let path = format!("{0}/dump={id}/1-{0}.parquet", table.name());
    fs::create_dir_all(lake.join(&path).parent().unwrap()).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_data_page_row_count_limit(20)
        .set_write_batch_size(20)
        .build();
    let file = fs::File::create(lake.join(&path)).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    let bytes = fs::metadata(lake.join(&path)).unwrap().len();
    FileEntry { table, path, rows: rows.num_rows() as u64, bytes, xxh3: String::new(), footer_bytes: None }
}

/// A lake of dumps, an hour apart.
pub fn lake(dumps: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("heaplake.json"), r#"{"format_version":2}"#).unwrap();
    fs::create_dir_all(folder.path().join("dumps")).unwrap();
    for (hour, dump) in dumps.iter().enumerate() {
        add_dump(folder.path(), dump, hour as i64);
    }
    folder
}

/// An object: address, type, size and references.
pub type ObjectLine<'o> = (u64, &'o str, u64, &'o [u64]);

/// A lake with a dump `heap` of some objects, and its graph index.
pub fn imported(objects: &[ObjectLine<'_>]) -> TempDir {
    let (folder, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut lines = String::new();
    for (address, type_name, size, refs) in objects {
        lines += &format!(
            "{{\"address\": {address}, \"type\": \"{type_name}\", \"size\": {size}, \"refs\": {refs:?}}}\n"
        );
    }
    let dump = source.path().join("heap.dump");
    fs::write(&dump, lines).unwrap();
    let lake = Lake::open_or_create(folder.path(), Access::Private).unwrap();
    import(&lake, &Input::File(dump), &ImportOptions::default(), &ImportProgress::default()).unwrap();
    folder
}

/// A session on a lake.
pub fn session(folder: &TempDir, options: SessionOptions) -> Session {
    Session::open(&Lake::open(folder.path()).unwrap().snapshot(), &options).unwrap()
}

/// The rows of a statement as a table.
pub async fn rows(session: &Session, sql: &str) -> String {
    let answer = session.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let batches: Vec<RecordBatch> = answer.stream.try_collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// The first value of a statement's rows.
pub async fn cell(session: &Session, sql: &str) -> String {
    let text = rows(session, sql).await;
    text.lines().nth(3).unwrap_or_default().trim_matches(['|', ' ']).to_owned()
}

/// The error of a statement.
pub async fn error(session: &Session, sql: &str) -> Error {
    match session.run(sql).await {
        Err(error) => error,
        Ok(answer) => match answer.stream.try_collect::<Vec<_>>().await {
            Err(error) => error,
            Ok(_) => panic!("{sql} succeeded"),
        },
    }
}
