//! Requests to a store, repeated where that helps.
//!
//! The client repeats what the store could not answer (5xx, slow down) and what can be repeated without harm. It does not repeat
//! a put on a condition whose answer was lost, nor one that the store refused because of another that was under way (409). Both are
//! decided here, by reading back what is there: whether a put succeeded is said by the object alone.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use heaplake_store::{LakeFolder, LakePath, Traffic};
use object_store::{
    Attribute, Attributes, Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};

use crate::{
    Error, Location, Result, counter::TrafficCounter, error::lacks_credentials, foreign::ForeignNames,
    location::Service, open,
};

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
    /// What tells the store from others: see [`OpenStore`](open::OpenStore).
    pub(crate) whose: String,
    pub(crate) foreign: Arc<ForeignNames>,
    counter: Arc<TrafficCounter>,
}

/// An object that was read whole.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) content: Bytes,
    pub(crate) version: Version,
}

/// What changes when an object is replaced.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) e_tag: Option<String>,
    /// Google's conditions are about this number. A listing does not have it.
    pub(crate) generation: Option<String>,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        match (&self.generation, &other.generation) {
            (Some(this), Some(other)) => this == other,
            _ => self.e_tag == other.e_tag,
        }
    }
}

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
        let (foreign, counter) = (Arc::default(), Arc::default());
        let open::OpenStore { store, whose } = open::store(location, &foreign, &counter)?;
        Ok(Self { location: location.clone(), store, whose, foreign, counter })
    }

    /// What was asked so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.counter.traffic()
    }

    /// The store, for requests that no function of this type makes.
    pub(crate) fn store(&self) -> &dyn ObjectStore {
        &*self.store
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
            let got = self.store.get(&key).await?;
            let version = self.version(&got.meta);
            Ok(Found { content: got.bytes().await?, version })
        });
        let found = absent_is_none(got.await).map_err(|error| self.error(path.as_str(), &error))?;
        Ok(found)
    }

    /// An ETag of a listing as the header has it: Azure lists them without quotes.
    pub(crate) fn as_header(&self, e_tag: String) -> String {
        let is_bare = self.location.service() == Service::Azure && !e_tag.starts_with('"');
        if is_bare { format!("\"{e_tag}\"") } else { e_tag }
    }

    fn version(&self, meta: &ObjectMeta) -> Version {
        let is_google = self.location.service() == Service::Google;
        Version { e_tag: meta.e_tag.clone(), generation: meta.version.clone().filter(|_| is_google) }
    }

    /// A range of an object, in which it has at least one byte, and the bytes of the whole object. `e_tag` is what the object has to
    /// have.
    pub(crate) async fn get_range(
        &self,
        path: &LakePath,
        range: std::ops::Range<u64>,
        e_tag: Option<&str>,
    ) -> Result<(Bytes, u64)> {
        let key = self.key(path.as_str());
        let got = retried(|| async {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: e_tag.map(str::to_owned),
                ..GetOptions::default()
            };
            let got = self.store.get_opts(&key, options).await?;
            let n_bytes = got.meta.size;
            Ok((got.bytes().await?, n_bytes))
        });
        got.await.map_err(|error| self.error(path.as_str(), &error))
    }

    /// What the store says of an object; `None` if it does not exist.
    pub(crate) async fn head(&self, path: &str) -> Result<Option<ObjectFacts>> {
        let key = self.key(path);
        let got = retried(|| async {
            let options = GetOptions { head: true, ..GetOptions::default() };
            self.store.get_opts(&key, options).await
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
        let listed = retried(|| async { self.store.list(Some(&key)).try_collect::<Vec<_>>().await });
        let listed = listed.await.map_err(|error| self.error(folder.as_str(), &error))?;
        let facts = listed.into_iter().filter_map(|meta| {
            Some(ObjectFacts {
                path: self.location.path_of(&meta.location)?.to_owned(),
                bytes: meta.size,
                modified: meta.last_modified,
                e_tag: meta.e_tag.map(|e_tag| self.as_header(e_tag)),
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
            self.store.put_opts(&key, PutPayload::from_bytes(content.clone()), options).await
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
        let mut expected = expected.cloned();
        if self.location.service() == Service::Google
            && let Some(Version { generation: None, .. }) = &expected
        {
            match self.get(path).await? {
                Some(found) if Some(&found.version) == expected.as_ref() => expected = Some(found.version),
                found => return Ok(Put::Refused(found)),
            }
        }
        let mut waits = Waits::new();
        loop {
            let mode = match expected.clone() {
                None => PutMode::Create,
                Some(Version { e_tag, generation }) => {
                    PutMode::Update(UpdateVersion { e_tag, version: generation })
                }
            };
            let options = PutOptions { mode, ..PutOptions::default() };
            let put = self.store.put_opts(&key, PutPayload::from_bytes(content.clone()), options).await;
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
            let holds = found.as_ref().map(|found| &found.version) == expected.as_ref();
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
        let deleted = retried(|| async { self.store.delete(&key).await });
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
            Err(StoreError::Generic { store: "", source })
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        got => got.map(Some),
    }
}

fn is_no_bucket(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let text = error.to_string();
    ["NoSuchBucket", "ContainerNotFound"].iter().any(|code| text.contains(code))
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
