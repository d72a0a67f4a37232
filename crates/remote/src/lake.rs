//! A lake in a store: what is in it, and removing dumps.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_model::DumpId;
use heaplake_store::{
    FORMAT_VERSION, LakeFolder, LakePath, Manifest, Traffic, check_marker, dump_of, id_in_name, marker_text,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::{
    Error, Location, Result,
    cache::ManifestCache,
    requests::{Found, ObjectFacts, Put, Requests, Version},
};

/// Manifests that are read at the same time.
const MANIFESTS_AT_ONCE: usize = 32;
/// Threads for requests; they mostly wait.
const THREADS: usize = 2;

/// A lake in an object store whose format version was checked.
#[derive(Debug)]
pub struct RemoteLake {
    pub(crate) requests: Requests,
    cache: ManifestCache,
    pub(crate) runtime: RequestThreads,
}

/// The threads that make requests.
#[derive(Debug)]
pub(crate) struct RequestThreads(Option<Runtime>);

impl RequestThreads {
    fn start() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(Error::Threads)
    }

    /// Waits for work. Not on a thread of another runtime: see [`RemoteLake::wait`].
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.0 {
            Some(runtime) => runtime.block_on(work),
            None => Err(Error::Cancelled),
        }
    }
}

impl Drop for RequestThreads {
    fn drop(&mut self) {
        // The last owner may be on a thread of another runtime, where one must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A dump of such a lake.
#[derive(Debug, Clone)]
pub struct RemoteDump {
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// The manifest's file.
    pub(crate) text: Bytes,
    pub(crate) version: Version,
}

/// What is in the place of a manifest.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing; no dump ever had the name.
    Absent,
    /// A tombstone: the dump was removed.
    Removed(Version),
    /// A dump.
    Dump(RemoteDump),
}

/// What takes the place of the manifest of a dump that is removed. It stays: deleting it could delete a manifest that has just come.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tombstone {
    format_version: u32,
    id: DumpId,
    removed: DateTime<Utc>,
}

impl State {
    /// What a put has to replace; `None` if there is nothing.
    pub(crate) fn version(&self) -> Option<&Version> {
        match self {
            Self::Absent => None,
            Self::Removed(version) | Self::Dump(RemoteDump { version, .. }) => Some(version),
        }
    }
}

impl RemoteLake {
    /// Opens a lake to read it. Nothing in it is changed.
    pub fn open(location: &Location) -> Result<Self> {
        let lake = Self::connect(location)?;
        match lake.runtime.block_on(lake.requests.get(&LakePath::marker()))? {
            Some(marker) => lake.check_marker(&marker.content)?,
            None => return Err(Error::NotALake(location.to_string())),
        }
        Ok(lake)
    }

    /// Opens a lake to put dumps into it, and makes one if there is none.
    pub fn open_or_create(location: &Location) -> Result<Self> {
        let lake = Self::connect(location)?;
        if let Some(found) = lake.runtime.block_on(lake.make_marker())? {
            lake.check_marker(&found.content)?;
        }
        Ok(lake)
    }

    /// Makes the lake, unless there is one; its marker, if it is not of this process.
    async fn make_marker(&self) -> Result<Option<Found>> {
        let marker = LakePath::marker();
        if let Some(found) = self.requests.get(&marker).await? {
            return Ok(Some(found));
        }
        let text = marker_text().map_err(|error| self.damaged(&marker, error.to_string()))?;
        match self.requests.put_if(&marker, text.into(), None).await? {
            Put::Done => Ok(None),
            // Another process made it first.
            Put::Refused(found) => Ok(found),
        }
    }

    fn connect(location: &Location) -> Result<Self> {
        Ok(Self {
            requests: Requests::open(location)?,
            cache: ManifestCache::of_environment(),
            runtime: RequestThreads::start()?,
        })
    }

    fn check_marker(&self, text: &[u8]) -> Result<()> {
        let object = || self.requests.name(LakePath::marker().as_str());
        check_marker(text).map_err(|fault| Error::faulty(object(), fault))
    }

    /// Where the lake is.
    pub fn location(&self) -> &Location {
        &self.requests.location
    }

    /// What was asked of the store so far.
    pub fn traffic(&self) -> Traffic {
        self.requests.traffic()
    }

    /// Names of objects that are not of a lake, of those that were listed since this was asked before. They were left out.
    pub fn new_foreign_objects(&self) -> BTreeSet<String> {
        self.requests.foreign.take_new()
    }

    /// Waits for requests on a thread of its own, so that threads of any runtime may call it.
    pub(crate) fn wait<T: Send, W: Future<Output = Result<T>>>(
        &self,
        work: impl FnOnce() -> W + Send,
    ) -> Result<T> {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| self.runtime.block_on(work()));
            waiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The dumps, oldest first: by time taken, time imported, id. One request lists them, and one more reads each manifest that this
    /// machine does not have in its cache.
    pub fn dumps(&self) -> Result<Vec<RemoteDump>> {
        let found = self.runtime.block_on(self.found_manifests())?;
        let mut dumps = Vec::with_capacity(found.len());
        for (id, found) in found {
            if let State::Dump(dump) = self.state_of(&id, found)? {
                dumps.push(dump);
            }
        }
        dumps.sort_by(|a, b| a.manifest.by_age(&b.manifest));
        Ok(dumps)
    }

    /// What is in the places of all manifests, in no order: texts of manifests, or of tombstones.
    pub(crate) async fn found_manifests(&self) -> Result<Vec<(DumpId, Found)>> {
        let listed = self.requests.list(&LakeFolder::manifests()).await?;
        let found = stream::iter(listed).map(|object| self.listed_manifest(object));
        let found: Vec<_> = found.buffer_unordered(MANIFESTS_AT_ONCE).try_collect().await?;
        self.cache.shrink();
        Ok(found.into_iter().flatten().collect())
    }

    /// What is in the place of a manifest that was listed; `None` if it is gone.
    async fn listed_manifest(&self, listed: ObjectFacts) -> Result<Option<(DumpId, Found)>> {
        let object = self.requests.name(&listed.path);
        let Some(id) = id_of_manifest(&listed.path) else {
            self.requests.foreign.add(self.requests.key(&listed.path).as_ref());
            return Ok(None);
        };
        let kept = listed.e_tag.as_deref().and_then(|e_tag| self.cache.get(&object, e_tag));
        if let Some(content) = kept {
            let version = Version { e_tag: listed.e_tag, generation: None };
            return Ok(Some((id, Found { content, version })));
        }
        let Some(found) = self.requests.get(&LakePath::manifest(&id)).await? else {
            return Ok(None);
        };
        if let Some(e_tag) = &found.version.e_tag {
            self.cache.put(&object, e_tag, &found.content);
        }
        Ok(Some((id, found)))
    }

    /// Bytes of the graph index of each dump, of those of its layers included. One request.
    pub fn index_bytes(&self) -> Result<BTreeMap<DumpId, u64>> {
        let mut sums = BTreeMap::new();
        for object in self.runtime.block_on(self.requests.list(&LakeFolder::all_indexes()))? {
            if let Some(id) = dump_of(&object.path) {
                *sums.entry(id).or_default() += object.bytes;
            }
        }
        Ok(sums)
    }

    /// Removes a dump, if it is still the one that was found. Its files stay until they are swept, for those who read them.
    pub fn remove(&self, dump: &RemoteDump) -> Result<()> {
        let id = &dump.manifest.id;
        match self.runtime.block_on(self.put_tombstone(id, &dump.version))? {
            Put::Done => Ok(()),
            Put::Refused(_) => Err(Error::DumpChanged(id.clone())),
        }
    }

    /// Puts a tombstone in the place of a manifest, if that is still the same.
    pub(crate) async fn put_tombstone(&self, id: &DumpId, version: &Version) -> Result<Put> {
        let path = LakePath::manifest(id);
        let removed = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default();
        let tombstone = Tombstone { format_version: FORMAT_VERSION, id: id.clone(), removed };
        let text =
            serde_json::to_vec_pretty(&tombstone).map_err(|error| self.damaged(&path, error.to_string()))?;
        self.requests.put_if(&path, text.into(), Some(version)).await
    }

    /// An error if there is a dump of this name.
    pub fn check_absent(&self, id: &DumpId) -> Result<()> {
        match self.runtime.block_on(self.state(id))? {
            State::Absent | State::Removed(_) => Ok(()),
            State::Dump(_) => Err(self.exists(id)),
        }
    }

    pub(crate) fn exists(&self, id: &DumpId) -> Error {
        Error::DumpExists { lake: self.location().to_string(), dump: id.clone() }
    }

    /// What is in the place of the manifest of a dump.
    pub(crate) async fn state(&self, id: &DumpId) -> Result<State> {
        let found = self.requests.get(&LakePath::manifest(id)).await?;
        found.map_or(Ok(State::Absent), |found| self.state_of(id, found))
    }

    pub(crate) fn state_of(&self, id: &DumpId, found: Found) -> Result<State> {
        let Found { content, version } = found;
        if is_tombstone(&content, id) {
            return Ok(State::Removed(version));
        }
        let object = || self.requests.name(LakePath::manifest(id).as_str());
        let manifest = Manifest::parse(&content, id).map_err(|fault| Error::faulty(object(), fault))?;
        Ok(State::Dump(RemoteDump { manifest: Arc::new(manifest), text: content, version }))
    }

    pub(crate) fn damaged(&self, path: &LakePath, what: String) -> Error {
        Error::Damaged { object: self.requests.name(path.as_str()), what }
    }
}

/// Whether a text is that of a dump which was removed.
pub(crate) fn is_tombstone(text: &[u8], id: &DumpId) -> bool {
    serde_json::from_slice::<Tombstone>(text).is_ok_and(|tombstone| tombstone.id == *id)
}

/// The dump whose manifest has this path.
pub(crate) fn id_of_manifest(path: &str) -> Option<DumpId> {
    let name = path.strip_prefix(LakeFolder::manifests().as_str())?.strip_prefix('/')?;
    id_in_name(name)
}
