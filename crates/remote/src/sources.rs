//! Dumps in an object store that are to be imported: `s3://bucket/folder/app.dump.gz`, or `s3://bucket/folder/*.dump.gz`.
//!
//! An object is read from its first byte to its last in parts, a few of them ahead of the reader, so that nothing of it is kept on
//! this machine. All parts are of one version of the object: one that is replaced meanwhile gives an error.

use std::{
    io::{self, Read},
    sync::{Arc, mpsc},
    thread,
};

use bytes::{Buf as _, Bytes};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};
use object_store::{GetOptions, GetRange, path::Path};
use tokio::runtime::Runtime;

use crate::{
    Error, Location, Result,
    requests::{Requests, retried},
};

/// Bytes of a part.
const PART_BYTES: u64 = 8 << 20;
/// Parts that are on their way at the same time.
const AHEAD: usize = 4;

/// An object that holds a dump.
#[derive(Debug, Clone)]
pub struct RemoteSource {
    requests: Arc<Requests>,
    key: Path,
    address: String,
    bytes: u64,
    modified: DateTime<Utc>,
    e_tag: Option<String>,
}

/// The objects that an address names, by name. A `*` in the last part of the address stands for any characters but `/`. At least one:
/// an error where there is none.
pub fn sources(address: &str) -> Result<Vec<RemoteSource>> {
    let wrong = |what: &str| Error::Location { text: address.to_owned(), what: what.to_owned() };
    let Some((folder, pattern)) = address.rsplit_once('/').filter(|(_, name)| !name.is_empty()) else {
        return Err(wrong("it names no object"));
    };
    let location = Location::parse(folder)?;
    let requests = Arc::new(Requests::open(&location)?);
    let folder_key = location.key("");
    let fixed = pattern.split('*').next().unwrap_or_default();
    let runtime = runtime()?;
    // Listing takes whole parts of names as prefixes, and the folder is one.
    let listed =
        runtime.block_on(retried(|| async { requests.store().list_with_delimiter(Some(&folder_key)).await }));
    let listed = listed.map_err(|error| Error::of_request(address.to_owned(), &error))?;
    let found = listed.objects.into_iter().filter_map(|object| {
        let name = object.location.filename()?;
        let is_meant = name.starts_with(fixed) && heaplake_pathql::glob_matches(pattern, name);
        is_meant.then(|| RemoteSource {
            requests: requests.clone(),
            address: format!("{folder}/{name}"),
            bytes: object.size,
            modified: object.last_modified,
            e_tag: object.e_tag.clone().map(|e_tag| requests.as_header(e_tag)),
            key: object.location.clone(),
        })
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    match found.is_empty() {
        true => Err(Error::Missing(address.to_owned())),
        false => Ok(found),
    }
}

impl RemoteSource {
    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When it was written, by the clock of the store.
    pub fn modified(&self) -> DateTime<Utc> {
        self.modified
    }

    /// Its bytes, from the first to the last.
    pub fn read(&self) -> io::Result<Box<dyn Read + Send>> {
        let runtime = runtime().map_err(io::Error::other)?;
        let (send, parts) = mpsc::sync_channel(0);
        let source = self.clone();
        thread::Builder::new().name("read object".to_owned()).spawn(move || {
            let ranges = (0..source.bytes.div_ceil(PART_BYTES)).map(|part| {
                let start = part * PART_BYTES;
                start..(start + PART_BYTES).min(source.bytes)
            });
            let source = &source;
            let mut coming = stream::iter(ranges).map(|range| source.part(range)).buffered(AHEAD);
            runtime.block_on(async {
                while let Some(part) = coming.next().await {
                    let is_last = part.is_err();
                    // The reader was dropped.
                    if send.send(part).is_err() || is_last {
                        return;
                    }
                }
            });
        })?;
        Ok(Box::new(PartsReader { parts, part: Bytes::new() }))
    }

    async fn part(&self, range: std::ops::Range<u64>) -> io::Result<Bytes> {
        let got = retried(|| async {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: self.e_tag.clone(),
                ..GetOptions::default()
            };
            self.requests.store().get_opts(&self.key, options).await?.bytes().await
        });
        got.await.map_err(|error| match error {
            object_store::Error::Precondition { .. } => {
                io::Error::other(format!("{} was replaced while it was read", self.address))
            }
            error => io::Error::other(Error::of_request(self.address.clone(), &error)),
        })
    }
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Threads)
}

/// Parts in their order.
struct PartsReader {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Read for PartsReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            match self.parts.recv() {
                Ok(part) => self.part = part?,
                Err(mpsc::RecvError) => return Ok(0),
            }
        }
        let n = self.part.len().min(into.len());
        self.part.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}
