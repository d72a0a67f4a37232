//! One Parquet file, its row groups encoded by several threads and appended in order.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata,
        arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves},
    },
    column::writer::ColumnCloseResult,
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::ColumnDescPtr,
};
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result, lake::WorkFile, text_runs::TextRuns};

/// A file that is hashed as it is written.
pub(crate) struct HashedFile {
    stored: WorkFile,
    file: File,
    hash: Xxh3,
    bytes: u64,
    /// The last bytes so far.
    end: [u8; 8],
}

/// Sizes and checksum of a complete file, and the file, which is not synced yet.
pub(crate) struct FileSum {
    pub(crate) bytes: u64,
    pub(crate) xxh3: String,
    /// Bytes of the footer, if the end is that of a Parquet file.
    pub(crate) footer_bytes: Option<u64>,
    pub(crate) file: File,
}

impl HashedFile {
    pub(crate) fn create(stored: &WorkFile) -> Result<Self> {
        let file = stored.create()?;
        Ok(Self { file, stored: stored.clone(), hash: Xxh3::new(), bytes: 0, end: [0; 8] })
    }

    pub(crate) fn finish(mut self) -> Result<FileSum> {
        self.file.flush().map_err(|source| self.stored.io_error(source))?;
        let xxh3 = format!("{:032x}", self.hash.digest128());
        Ok(FileSum { bytes: self.bytes, xxh3, footer_bytes: footer_bytes(self.end), file: self.file })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        let last = &bytes[n.saturating_sub(self.end.len())..n];
        self.end.rotate_left(last.len());
        let start = self.end.len() - last.len();
        self.end[start..].copy_from_slice(last);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Bytes of the footer of a Parquet file by its last bytes: the length of what precedes them, and a mark.
fn footer_bytes(end: [u8; 8]) -> Option<u64> {
    let [a, b, c, d, mark @ ..] = end;
    (mark == *b"PAR1").then(|| u64::from(u32::from_le_bytes([a, b, c, d])) + end.len() as u64)
}

/// Maximum number of pieces that wait for an earlier one; beyond it their encoders wait, too.
const MAX_WAITING: usize = 4;

/// A column of a row group.
pub(crate) enum Column {
    Array(ArrayRef),
    Runs(TextRuns),
}

impl From<ArrayRef> for Column {
    fn from(array: ArrayRef) -> Self {
        Self::Array(array)
    }
}

/// Writes a file on `threads` threads. Each takes the next piece of work from `produce` (one thread at a time), makes the
/// columns of its row groups with `columns`, and encodes them. Calls `written` with the rows of each row group, in order.
pub(crate) fn write<W, C: Into<Column>>(
    to: &WorkFile,
    schema: SchemaRef,
    properties: WriterProperties,
    threads: usize,
    produce: impl FnMut() -> Result<Option<W>> + Send,
    columns: impl Fn(W) -> Result<Vec<Vec<C>>> + Sync,
    written: impl Fn(u64) + Sync,
) -> Result<(FileSum, u64)> {
    let parquet_error = |source: ParquetError| to.parquet_error(source);
    let mut properties = properties;
    add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
    let descriptor = ArrowSchemaConverter::new().convert(&schema).map_err(parquet_error)?;
    let file =
        SerializedFileWriter::new(HashedFile::create(to)?, descriptor.root_schema_ptr(), properties.into())
            .map_err(parquet_error)?;
    let factory = ArrowRowGroupWriterFactory::new(&file, schema.clone());
    let encoder = Encoder { factory, schema, columns: descriptor.columns().to_vec() };
    let source = Mutex::new((produce, 0));
    let sink = Sink {
        state: Mutex::new(SinkState { file, next: 0, waiting: BTreeMap::new(), error: None, n_rows: 0 }),
        moved: Condvar::new(),
    };
    let work = || -> Result<()> {
        while !sink.failed() {
            let (piece, index) = {
                let mut source = lock(&source);
                let Some(piece) = source.0()? else { return Ok(()) };
                source.1 += 1;
                (piece, source.1 - 1)
            };
            let mut groups = Vec::new();
            for columns in columns(piece)? {
                groups.push(encoder.encode(columns).map_err(parquet_error)?);
            }
            sink.append(index, groups, &written).map_err(parquet_error)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                if let Err(error) = work() {
                    sink.fail(error);
                }
            });
        }
    });
    let state = sink.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.error {
        return Err(error);
    }
    let file = state.file.into_inner().map_err(parquet_error)?;
    Ok((file.finish()?, state.n_rows))
}

struct Encoder {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    columns: Vec<ColumnDescPtr>,
}

/// An encoded row group.
struct RowGroup {
    columns: Vec<EncodedColumn>,
    n_rows: u64,
}

/// An encoded column of a row group.
enum EncodedColumn {
    Array(Box<ArrowColumnChunk>),
    Runs(Bytes, Box<ColumnCloseResult>),
}

impl Encoder {
    fn encode(&self, columns: Vec<impl Into<Column>>) -> Result<RowGroup, ParquetError> {
        let mut group = RowGroup { columns: Vec::with_capacity(columns.len()), n_rows: 0 };
        let writers = self.factory.create_column_writers(0)?;
        let fields = self.schema.fields().iter().zip(&self.columns);
        for ((mut writer, column), (field, descriptor)) in writers.into_iter().zip(columns).zip(fields) {
            let array = match column.into() {
                Column::Runs(runs) if runs.is_small() => {
                    group.n_rows = runs.len() as u64;
                    let (bytes, close) = runs.encode(descriptor)?;
                    group.columns.push(EncodedColumn::Runs(bytes, close.into()));
                    continue;
                }
                Column::Runs(runs) => runs.array()?,
                Column::Array(array) => array,
            };
            group.n_rows = array.len() as u64;
            for leaf in compute_leaves(field, &array)? {
                writer.write(&leaf)?;
            }
            group.columns.push(EncodedColumn::Array(writer.close()?.into()));
        }
        Ok(group)
    }
}

/// Appends row groups in order.
struct Sink {
    state: Mutex<SinkState>,
    moved: Condvar,
}

struct SinkState {
    file: SerializedFileWriter<HashedFile>,
    next: usize,
    waiting: BTreeMap<usize, Vec<RowGroup>>,
    error: Option<Error>,
    n_rows: u64,
}

impl Sink {
    fn append(
        &self,
        index: usize,
        groups: Vec<RowGroup>,
        written: &impl Fn(u64),
    ) -> Result<(), ParquetError> {
        let mut state = lock(&self.state);
        state.waiting.insert(index, groups);
        while let Some(groups) = {
            let next = state.next;
            state.waiting.remove(&next)
        } {
            for group in groups {
                state.append(group, written)?;
            }
            state.next += 1;
        }
        self.moved.notify_all();
        while index >= state.next + MAX_WAITING && state.error.is_none() {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn failed(&self) -> bool {
        lock(&self.state).error.is_some()
    }

    /// Keeps the first error, and wakes all threads that wait.
    fn fail(&self, error: Error) {
        lock(&self.state).error.get_or_insert(error);
        self.moved.notify_all();
    }
}

impl SinkState {
    fn append(&mut self, group: RowGroup, written: &impl Fn(u64)) -> Result<(), ParquetError> {
        let mut writer = self.file.next_row_group()?;
        for column in group.columns {
            match column {
                EncodedColumn::Array(chunk) => chunk.append_to_row_group(&mut writer)?,
                EncodedColumn::Runs(bytes, close) => writer.append_column(&bytes, *close)?,
            }
        }
        writer.close()?;
        self.n_rows += group.n_rows;
        written(group.n_rows);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
