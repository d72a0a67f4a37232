//! Files of the lake as a scan reads them: opened once, read by position, gone when the plan is.
//!
//! A file is opened when its table is planned. On Unix an open file outlives its name, so `heaplake rm` or
//! `import --replace` in another process do not disturb the query. Only files that a manifest names come here;
//! nothing in SQL can name another one.
//!
//! This stands in for an object store: the reader asks for byte ranges and gets them with `pread`, on the thread that
//! decodes them; files of a lake are mostly in the page cache. A large table of a lake elsewhere can be read in parts: then the ranges
//! that are not here are received, on a thread that may wait.

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
use heaplake_store::{FileEntry, FileParts, Lake, StoredFile, read_exact_at};

use crate::Error;

/// Files that one scan holds open. A scan of more opens the others when it comes to them.
pub(crate) const MAX_HELD: usize = 200;

/// Footers that are longer come by a second request: what a manifest says of them is not known to be true.
const MAX_HINT: u64 = 16 << 20;

/// How a scan reads the files of a lake elsewhere that are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadingMode {
    /// Each comes as a whole before it is read.
    Whole,
    /// Large ones are read in parts.
    Parts,
}

/// The bytes of a file.
#[derive(Debug, Clone)]
enum Content {
    File(Arc<File>),
    Parts(Arc<dyn FileParts>),
}

/// One file of a scan.
#[derive(Debug)]
pub(crate) struct LakeFile {
    lake: Lake,
    stored: StoredFile,
    dump: String,
    n_bytes: u64,
    footer_bytes: Option<u64>,
    mode: ReadingMode,
    held: Option<Content>,
    metadata: OnceLock<Arc<ParquetMetaData>>,
}

impl LakeFile {
    /// Opens a file of a dump, or makes ready to when `hold` is false.
    pub(crate) fn new(
        lake: &Lake,
        dump: &str,
        entry: &FileEntry,
        mode: ReadingMode,
        hold: bool,
    ) -> Result<Self, Error> {
        let mut file = Self {
            lake: lake.clone(),
            stored: lake.file(entry),
            dump: dump.to_owned(),
            n_bytes: entry.bytes,
            footer_bytes: entry.footer_bytes,
            mode,
            held: None,
            metadata: OnceLock::new(),
        };
        if hold {
            file.held = Some(file.open()?);
        }
        Ok(file)
    }

    fn open(&self) -> Result<Content, Error> {
        if self.mode == ReadingMode::Parts {
            let parts = self.stored.parts().map_err(|error| self.not_read(error))?;
            if let Some(parts) = parts {
                return Ok(Content::Parts(parts));
            }
        }
        let file = self.stored.open().map_err(|error| self.not_read(error))?;
        let n_bytes = file.metadata().map_err(|error| self.failed(&error))?.len();
        match n_bytes == self.n_bytes {
            true => Ok(Content::File(Arc::new(file))),
            false => Err(self.damaged(format!("it has {n_bytes} bytes instead of {}", self.n_bytes))),
        }
    }

    /// Why the lake does not give the file, or parts of it.
    fn not_read(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound if self.is_still_named() => self.damaged("it is missing".to_owned()),
            io::ErrorKind::NotFound => Error::Removed(self.dump.clone()),
            _ => self.stored.io_error(error).into(),
        }
    }

    /// Whether the manifest of now names the file: then it is not a replacement that took it away.
    fn is_still_named(&self) -> bool {
        let manifest = self.lake.manifest(&self.dump);
        manifest.is_ok_and(|manifest| manifest.files.iter().any(|file| self.lake.file(file) == self.stored))
    }

    fn check(&self, range: &Range<u64>) -> Result<(), Error> {
        match range.start > range.end || range.end > self.n_bytes {
            true => Err(self.damaged("it refers to bytes beyond its end".to_owned())),
            false => Ok(()),
        }
    }

    fn read(&self, file: &File, range: Range<u64>) -> Result<Bytes, Error> {
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
        let content = match &lake_file.held {
            Some(content) => content.clone(),
            None => lake_file.open()?,
        };
        let metrics = ParquetFileMetrics::new(partition, file.path().as_ref(), metrics);
        Ok(Box::new(Reader { file: lake_file, content, metrics }))
    }
}

struct Reader {
    file: Arc<LakeFile>,
    content: Content,
    metrics: ParquetFileMetrics,
}

impl Reader {
    fn read(&self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        for range in &ranges {
            if let Err(error) = self.file.check(range) {
                return async { Err(error.into()) }.boxed();
            }
            let n_bytes = range.end - range.start;
            self.metrics.bytes_scanned.add(usize::try_from(n_bytes).unwrap_or(usize::MAX));
        }
        match &self.content {
            Content::File(file) => {
                let read = |range| Ok(self.file.read(file, range)?);
                let bytes = ranges.into_iter().map(read).collect();
                async move { bytes }.boxed()
            }
            Content::Parts(parts) => {
                let (file, parts) = (Arc::clone(&self.file), Arc::clone(parts));
                let read = move || parts.read(&ranges).map_err(|error| file.not_read(error));
                let reading = tokio::task::spawn_blocking(read);
                async move {
                    let bytes = reading.await.map_err(|error| Error::Internal(error.to_string()))?;
                    Ok(bytes?)
                }
                .boxed()
            }
        }
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let bytes = self.read(vec![range]);
        async move { Ok(bytes.await?.pop().unwrap_or_default()) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        self.read(ranges)
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
            // One request for all of the footer.
            let hint = file.footer_bytes.filter(|bytes| *bytes <= file.n_bytes.min(MAX_HINT));
            let hint = hint.and_then(|bytes| usize::try_from(bytes).ok());
            let loading = ParquetMetaDataReader::new().with_prefetch_hint(hint);
            let loaded = loading.load_and_finish(Fetch(self), file.n_bytes).await;
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
