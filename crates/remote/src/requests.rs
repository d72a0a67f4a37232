//! Requests to a store, repeated where that helps, and counted.
//!
//! The client repeats what the store could not answer (5xx, slow down) and what can be repeated without harm. It does not repeat
//! a put on a condition whose answer was lost, nor one that the store refused because of another that was under way (409). Both are
//! decided here, by reading back what is there: whether a put succeeded is said by the object alone.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use heaplake_store::{LakeFolder, LakePath};
use object_store::{
    Attribute, Attributes, Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _,
    PutMode, PutOptions, PutPayload, UpdateVersion,
};

use crate::{Error, Location, Result, error::lacks_credentials};

/// How often a request is made that fails in ways that may pass, beyond what the client itself repeats.
const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How often the wish to stop is looked at while a request is under way.
const TICK: Duration = Duration::from_millis(50);
/// How long work may go on after that.
const GRACE: Duration = Duration::from_secs(2);
/// The checksum of an object, among what the store keeps for its owner.
const CHECKSUM: &str = "xxh3";

/// A lake's objects in a store.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) location: Location,
    store: Arc<dyn ObjectStore>,
    /// The address of the store, if it is not Amazon's.
    pub(crate) endpoint: Option<String>,
    n_requests: AtomicU64,
    received_bytes: AtomicU64,
}

/// An object that was read whole.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) content: Bytes,
    pub(crate) version: Version,
}

/// What changes when an object is replaced: its ETag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) Option<String>);

/// What a store says of an object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectFacts {
    /// The path in the lake.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// By the clock of the store.
    pub(crate) modified: DateTime<Utc>,
    pub(crate) e_tag: Option<String>,
    /// XXH3-128 as the sender said it; not in listings.
    pub(crate) xxh3: Option<String>,
}

/// The outcome of a put on a condition.
#[derive(Debug)]
pub(crate) enum Put {
    /// The object is what it should be.
    Done,
    /// The condition does not hold: this is there instead, or nothing.
    Refused(Option<Found>),
}

impl Requests {
    pub(crate) fn open(location: &Location) -> Result<Self> {
        let (store, endpoint) = location.open()?;
        let (n_requests, received_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { location: location.clone(), store, endpoint, n_requests, received_bytes })
    }

    /// Requests so far, without what the client repeats by itself.
    pub(crate) fn count(&self) -> u64 {
        self.n_requests.load(Ordering::Relaxed)
    }

    /// Bytes of objects that came so far.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// The store, for one request.
    pub(crate) fn counted(&self) -> &dyn ObjectStore {
        self.count_one();
        &*self.store
    }

    /// Counts a request that is made through something else.
    pub(crate) fn count_one(&self) {
        self.n_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn key(&self, path: &str) -> object_store::path::Path {
        self.location.key(path)
    }

    /// An object as messages name it.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.location)
    }

    pub(crate) fn error(&self, path: &str, error: &StoreError) -> Error {
        Error::of_request(self.name(path), error)
    }

    /// The content of an object; `None` if it does not exist.
    pub(crate) async fn get(&self, path: &LakePath) -> Result<Option<Found>> {
        let key = self.key(path.as_str());
        let got = retried(|| async {
            let got = self.counted().get(&key).await?;
            let version = Version(got.meta.e_tag.clone());
            Ok(Found { content: got.bytes().await?, version })
        });
        let found = absent_is_none(got.await).map_err(|error| self.error(path.as_str(), &error))?;
        self.count_bytes(found.as_ref().map_or(0, |found| found.content.len()));
        Ok(found)
    }

    fn count_bytes(&self, n_bytes: usize) {
        self.received_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
    }

    /// A range of an object, in which it has at least one byte. `e_tag` is what the object has to have.
    pub(crate) async fn get_range(
        &self,
        path: &LakePath,
        range: std::ops::Range<u64>,
        e_tag: Option<&str>,
    ) -> Result<Bytes> {
        let key = self.key(path.as_str());
        let got = retried(|| async {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: e_tag.map(str::to_owned),
                ..GetOptions::default()
            };
            self.counted().get_opts(&key, options).await?.bytes().await
        });
        let part = got.await.map_err(|error| self.error(path.as_str(), &error))?;
        self.count_bytes(part.len());
        Ok(part)
    }

    /// What the store says of an object; `None` if it does not exist.
    pub(crate) async fn head(&self, path: &str) -> Result<Option<ObjectFacts>> {
        let key = self.key(path);
        let got = retried(|| async {
            let options = GetOptions { head: true, ..GetOptions::default() };
            self.counted().get_opts(&key, options).await
        });
        let got = absent_is_none(got.await).map_err(|error| self.error(path, &error))?;
        Ok(got.map(|got| {
            let checksum = got.attributes.get(&Attribute::Metadata(CHECKSUM.into()));
            ObjectFacts {
                path: path.to_owned(),
                bytes: got.meta.size,
                modified: got.meta.last_modified,
                e_tag: got.meta.e_tag.clone(),
                xxh3: checksum.map(|value| value.to_string()),
            }
        }))
    }

    /// Everything in a folder of the lake, and below it.
    pub(crate) async fn list(&self, folder: &LakeFolder) -> Result<Vec<ObjectFacts>> {
        let key = self.key(folder.as_str());
        let listed = retried(|| async { self.counted().list(Some(&key)).try_collect::<Vec<_>>().await });
        let listed = listed.await.map_err(|error| self.error(folder.as_str(), &error))?;
        let facts = listed.into_iter().filter_map(|meta| {
            Some(ObjectFacts {
                path: self.location.path_of(&meta.location)?.to_owned(),
                bytes: meta.size,
                modified: meta.last_modified,
                e_tag: meta.e_tag,
                xxh3: None,
            })
        });
        Ok(facts.collect())
    }

    /// Puts an object in the place of one that may be there.
    pub(crate) async fn put(&self, path: &str, content: Bytes, xxh3: Option<&str>) -> Result<()> {
        let key = self.key(path);
        let put = retried(|| async {
            let options = PutOptions { attributes: attributes(xxh3), ..PutOptions::default() };
            self.counted().put_opts(&key, PutPayload::from_bytes(content.clone()), options).await
        });
        put.await.map(drop).map_err(|error| self.error(path, &error))
    }

    /// Puts an object if there is none, or if there is `expected`. This is a commit: nothing else decides who wins a race.
    pub(crate) async fn put_if(
        &self,
        path: &LakePath,
        content: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put> {
        let key = self.key(path.as_str());
        let mut waits = Waits::new();
        loop {
            let mode = match expected {
                None => PutMode::Create,
                Some(Version(e_tag)) => {
                    PutMode::Update(UpdateVersion { e_tag: e_tag.clone(), version: None })
                }
            };
            let options = PutOptions { mode, ..PutOptions::default() };
            let put = self.counted().put_opts(&key, PutPayload::from_bytes(content.clone()), options).await;
            let error = match put {
                Ok(_) => return Ok(Put::Done),
                Err(error @ (StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. })) => {
                    return Err(self.error(path.as_str(), &error));
                }
                Err(error) => error,
            };
            // The answer of an earlier attempt may be lost, and 409 looks like an object that is there.
            let found = self.get(path).await?;
            if found.as_ref().is_some_and(|found| found.content == content) {
                return Ok(Put::Done);
            }
            let holds = found.as_ref().map(|found| &found.version) == expected;
            if !holds {
                return Ok(Put::Refused(found));
            }
            if !waits.pause().await {
                return Err(self.error(path.as_str(), &error));
            }
        }
    }

    /// Removes objects; those that do not exist are removed already.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let key = self.key(path);
        let deleted = retried(|| async { self.counted().delete(&key).await });
        absent_is_none(deleted.await).map(drop).map_err(|error| self.error(path, &error))
    }
}

/// What is kept with an object.
pub(crate) fn attributes(xxh3: Option<&str>) -> Attributes {
    let checksum = xxh3.map(|xxh3| (Attribute::Metadata(CHECKSUM.into()), xxh3.to_owned()));
    checksum.into_iter().collect()
}

fn absent_is_none<T>(got: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match got {
        Err(StoreError::NotFound { source, .. }) if is_no_bucket(&*source) => {
            Err(StoreError::Generic { store: "S3", source })
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        got => got.map(Some),
    }
}

fn is_no_bucket(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.to_string().contains("NoSuchBucket")
}

/// Makes a request again while it fails in a way that may pass.
pub(crate) async fn retried<T, F>(request: impl Fn() -> F) -> object_store::Result<T>
where
    F: Future<Output = object_store::Result<T>>,
{
    let mut waits = Waits::new();
    loop {
        match request().await {
            // No answer, half an answer, or one that the client gave up on.
            Err(error @ StoreError::Generic { .. }) if !lacks_credentials(&error) => {
                if !waits.pause().await {
                    return Err(error);
                }
            }
            outcome => return outcome,
        }
    }
}

/// Waits between attempts, each about twice as long as the one before.
pub(crate) struct Waits {
    n_left: u32,
    wait: Duration,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self { n_left: ATTEMPTS - 1, wait: FIRST_WAIT }
    }

    /// Waits; false if there were enough attempts.
    pub(crate) async fn pause(&mut self) -> bool {
        let Some(n_left) = self.n_left.checked_sub(1) else { return false };
        self.n_left = n_left;
        tokio::time::sleep(self.wait.mul_f64(jitter())).await;
        self.wait *= 2;
        true
    }
}

/// Between 0.5 and 1.5, so that those who collided do not collide again.
fn jitter() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    0.5 + f64::from(nanos.map_or(0, |elapsed| elapsed.subsec_nanos()) % 1_000) / 1_000.0
}

/// Ends work when the user wants it to stop: it looks at the flag itself where something is to be tidied up, and has a moment for that.
pub(crate) async fn until_cancelled<T>(
    work: impl Future<Output = Result<T>>,
    cancel: &AtomicBool,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let mut since: Option<Instant> = None;
    loop {
        if let Ok(outcome) = tokio::time::timeout(TICK, &mut work).await {
            return outcome;
        }
        if cancel.load(Ordering::Relaxed) && since.get_or_insert_with(Instant::now).elapsed() > GRACE {
            return Err(Error::Cancelled);
        }
    }
}
