//! Files of the lake as a scan reads them: opened once, read by position, gone when the plan is.
//!
//! A file is opened when its table is planned. On Unix an open file outlives its name, so `heaplake rm` or
//! `import --replace` in another process do not disturb the query. Only files that a manifest names come here;
//! nothing in SQL can name another one.
//!
//! This stands in for an object store: the reader asks for byte ranges and gets them with `pread`, on the thread that
//! decodes them; files of a lake are mostly in the page cache.

use std::{
    fs::File,
    io,
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use datafusion::{
    datasource::{
        listing::PartitionedFile,
        physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory},
    },
    error::DataFusionError,
    parquet::{
        arrow::{
            arrow_reader::ArrowReaderOptions,
            async_reader::{AsyncFileReader, MetadataFetch},
        },
        errors::ParquetError,
        file::metadata::{ParquetMetaData, ParquetMetaDataReader},
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt as _, future::BoxFuture};
use heaplake_store::{FileEntry, Lake, StoredFile};

use crate::Error;

/// Files that one scan holds open. A scan of more opens the others when it comes to them.
pub(crate) const MAX_HELD: usize = 200;

/// One file of a scan.
#[derive(Debug)]
pub(crate) struct LakeFile {
    lake: Lake,
    stored: StoredFile,
    dump: String,
    n_bytes: u64,
    held: Option<File>,
    metadata: OnceLock<Arc<ParquetMetaData>>,
}

impl LakeFile {
    /// Opens a file of a dump, or makes ready to when `hold` is false.
    pub(crate) fn new(lake: &Lake, dump: &str, entry: &FileEntry, hold: bool) -> Result<Self, Error> {
        let mut file = Self {
            lake: lake.clone(),
            stored: lake.file(entry),
            dump: dump.to_owned(),
            n_bytes: entry.bytes,
            held: None,
            metadata: OnceLock::new(),
        };
        if hold {
            file.held = Some(file.open()?);
        }
        Ok(file)
    }

    fn open(&self) -> Result<File, Error> {
        let file = self.stored.open().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if self.is_still_named() => self.damaged("it is missing".to_owned()),
            io::ErrorKind::NotFound => Error::Removed(self.dump.clone()),
            _ => self.stored.io_error(error).into(),
        })?;
        let n_bytes = file.metadata().map_err(|error| self.failed(&error))?.len();
        match n_bytes == self.n_bytes {
            true => Ok(file),
            false => Err(self.damaged(format!("it has {n_bytes} bytes instead of {}", self.n_bytes))),
        }
    }

    /// Whether the manifest of now names the file: then it is not a replacement that took it away.
    fn is_still_named(&self) -> bool {
        let manifest = self.lake.manifest(&self.dump);
        manifest.is_ok_and(|manifest| manifest.files.iter().any(|file| self.lake.file(file) == self.stored))
    }

    fn read(&self, file: &File, range: Range<u64>) -> Result<Bytes, Error> {
        if range.start > range.end || range.end > self.n_bytes {
            return Err(self.damaged("it refers to bytes beyond its end".to_owned()));
        }
        let n = usize::try_from(range.end - range.start).map_err(|error| self.damaged(error.to_string()))?;
        let mut bytes = vec![0; n];
        read_exact_at(file, &mut bytes, range.start).map_err(|error| self.failed(&error))?;
        Ok(bytes.into())
    }

    fn damaged(&self, what: String) -> Error {
        Error::Damaged { file: self.stored.path().display().to_string(), what }
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::Failed(format!("{}: {error}", self.stored.path().display()))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (bytes, offset) = (&mut bytes[n..], offset + n as u64),
        }
    }
    Ok(())
}

/// Makes readers of the [`LakeFile`] that a [`PartitionedFile`] carries.
#[derive(Debug)]
pub(crate) struct LakeFiles;

impl ParquetFileReaderFactory for LakeFiles {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>, DataFusionError> {
        let Some(lake_file) = file.extension::<Arc<LakeFile>>().cloned() else {
            return Err(DataFusionError::Internal(format!("{} is no file of the lake", file.path())));
        };
        let own = if lake_file.held.is_none() { Some(lake_file.open()?) } else { None };
        let metrics = ParquetFileMetrics::new(partition, file.path().as_ref(), metrics);
        Ok(Box::new(Reader { file: lake_file, own, metrics }))
    }
}

struct Reader {
    file: Arc<LakeFile>,
    /// The file where the scan does not hold it.
    own: Option<File>,
    metrics: ParquetFileMetrics,
}

impl Reader {
    fn read(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let Some(file) = self.own.as_ref().or(self.file.held.as_ref()) else {
            return Err(Error::Removed(self.file.dump.clone()).into());
        };
        let n_bytes = range.end.saturating_sub(range.start);
        self.metrics.bytes_scanned.add(usize::try_from(n_bytes).unwrap_or(usize::MAX));
        Ok(self.file.read(file, range)?)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let bytes = self.read(range);
        async move { bytes }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let bytes = ranges.into_iter().map(|range| self.read(range)).collect();
        async move { bytes }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            if let Some(metadata) = self.file.metadata.get() {
                return Ok(metadata.clone());
            }
            let file = self.file.clone();
            let loaded = ParquetMetaDataReader::new().load_and_finish(Fetch(self), file.n_bytes).await;
            let metadata = loaded.map_err(|error| match error {
                ParquetError::External(_) => error,
                error => file.damaged(format!("its footer cannot be read ({error})")).into(),
            })?;
            Ok(file.metadata.get_or_init(|| Arc::new(metadata)).clone())
        }
        .boxed()
    }
}

struct Fetch<'a>(&'a mut Reader);

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.0.get_bytes(range)
    }
}
