//! One Parquet file, its row groups encoded by several threads and appended in order.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use parquet::{
    arrow::{
        ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata,
        arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves},
    },
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
};
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// A file that is hashed as it is written.
pub(crate) struct HashedFile {
    path: PathBuf,
    file: File,
    hash: Xxh3,
    bytes: u64,
}

/// Size and checksum of a finished file, and the file, still to be synced.
pub(crate) struct FileSum {
    pub(crate) bytes: u64,
    pub(crate) xxh3: String,
    pub(crate) file: File,
}

impl HashedFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, hash: Xxh3::new(), bytes: 0 })
    }

    pub(crate) fn finish(mut self) -> Result<FileSum> {
        self.file.flush().map_err(|source| Error::Io { path: self.path.clone(), source })?;
        Ok(FileSum { bytes: self.bytes, xxh3: format!("{:032x}", self.hash.digest128()), file: self.file })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Row groups that wait for an earlier one, at most, before their encoder waits as well.
const MAX_WAITING: usize = 4;

/// Writes a file on `threads` threads: each takes the next piece of work from `produce` (one thread at a time), makes
/// the arrays of its row groups with `arrays`, and encodes them. `written` is told the rows of each, in order.
pub(crate) fn write<W>(
    path: &Path,
    schema: SchemaRef,
    properties: WriterProperties,
    threads: usize,
    produce: impl FnMut() -> Result<Option<W>> + Send,
    arrays: impl Fn(W) -> Result<Vec<Vec<ArrayRef>>> + Sync,
    written: impl Fn(u64) + Sync,
) -> Result<(FileSum, u64)> {
    let parquet_error = |source: ParquetError| Error::Parquet { path: path.to_owned(), source };
    let mut properties = properties;
    add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
    let descriptor = ArrowSchemaConverter::new().convert(&schema).map_err(parquet_error)?;
    let file =
        SerializedFileWriter::new(HashedFile::create(path)?, descriptor.root_schema_ptr(), properties.into())
            .map_err(parquet_error)?;
    let encoder = Encoder { factory: ArrowRowGroupWriterFactory::new(&file, schema.clone()), schema };
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
            for arrays in arrays(piece)? {
                groups.push(encoder.encode(&arrays).map_err(parquet_error)?);
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
}

/// An encoded row group.
struct RowGroup {
    columns: Vec<ArrowColumnChunk>,
    n_rows: u64,
}

impl Encoder {
    fn encode(&self, arrays: &[ArrayRef]) -> Result<RowGroup, ParquetError> {
        let mut columns = Vec::with_capacity(arrays.len());
        let writers = self.factory.create_column_writers(0)?;
        for ((mut writer, array), field) in writers.into_iter().zip(arrays).zip(self.schema.fields()) {
            for leaf in compute_leaves(field, array)? {
                writer.write(&leaf)?;
            }
            columns.push(writer.close()?);
        }
        Ok(RowGroup { columns, n_rows: arrays.first().map_or(0, |array| array.len() as u64) })
    }
}

/// Where row groups come into order.
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

    /// Keeps the first error and lets nobody wait.
    fn fail(&self, error: Error) {
        lock(&self.state).error.get_or_insert(error);
        self.moved.notify_all();
    }
}

impl SinkState {
    fn append(&mut self, group: RowGroup, written: &impl Fn(u64)) -> Result<(), ParquetError> {
        let mut writer = self.file.next_row_group()?;
        for column in group.columns {
            column.append_to_row_group(&mut writer)?;
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
