//! A lake in a store: what is in it, and removing dumps.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_model::DumpId;
use heaplake_store::{
    FORMAT_VERSION, LakeFolder, LakePath, Manifest, check_marker, dump_of, id_in_name, marker_text,
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
    pub(crate) runtime: Runtime,
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
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        Ok(Self {
            requests: Requests::open(location)?,
            cache: ManifestCache::of_environment(),
            runtime: runtime.map_err(Error::Threads)?,
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

    /// Requests that were made so far, without what the client repeated by itself.
    pub fn n_requests(&self) -> u64 {
        self.requests.count()
    }

    /// The dumps, oldest first: by time taken, time imported, id. One request lists them, and one more reads each manifest that this
    /// machine does not have in its cache.
    pub fn dumps(&self) -> Result<Vec<RemoteDump>> {
        let states = self.runtime.block_on(async {
            let listed = self.requests.list(&LakeFolder::manifests()).await?;
            let states = stream::iter(listed).map(|object| self.listed_state(object));
            states.buffer_unordered(MANIFESTS_AT_ONCE).try_collect::<Vec<State>>().await
        })?;
        self.cache.shrink();
        let of_dump = |state| match state {
            State::Dump(dump) => Some(dump),
            // Removed, perhaps after it was listed.
            State::Absent | State::Removed(_) => None,
        };
        let mut dumps: Vec<RemoteDump> = states.into_iter().filter_map(of_dump).collect();
        dumps.sort_by(|a, b| a.manifest.by_age(&b.manifest));
        Ok(dumps)
    }

    /// What is in the place of a manifest that was listed.
    async fn listed_state(&self, listed: ObjectFacts) -> Result<State> {
        let Some(id) = id_of_manifest(&listed.path) else { return Ok(State::Absent) };
        let object = self.requests.name(&listed.path);
        let kept = listed.e_tag.as_deref().and_then(|e_tag| self.cache.get(&object, e_tag));
        if let Some(content) = kept {
            return self.state_of(&id, Found { content, version: Version(listed.e_tag) });
        }
        let Some(found) = self.requests.get(&LakePath::manifest(&id)).await? else {
            return Ok(State::Absent);
        };
        if let Version(Some(e_tag)) = &found.version {
            self.cache.put(&object, e_tag, &found.content);
        }
        self.state_of(&id, found)
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
        let path = LakePath::manifest(id);
        let removed = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default();
        let tombstone = Tombstone { format_version: FORMAT_VERSION, id: id.clone(), removed };
        let text =
            serde_json::to_vec_pretty(&tombstone).map_err(|error| self.damaged(&path, error.to_string()))?;
        let put = self.requests.put_if(&path, text.into(), Some(&dump.version));
        match self.runtime.block_on(put)? {
            Put::Done => Ok(()),
            Put::Refused(_) => Err(Error::DumpChanged(id.clone())),
        }
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
        if let Ok(tombstone) = serde_json::from_slice::<Tombstone>(&content)
            && tombstone.id == *id
        {
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

/// The dump whose manifest has this path.
pub(crate) fn id_of_manifest(path: &str) -> Option<DumpId> {
    let name = path.strip_prefix(LakeFolder::manifests().as_str())?.strip_prefix('/')?;
    id_in_name(name)
}
