//! Sweeping: deleting the files that no manifest names.
//!
//! Such files are of pushes that did not end, and of dumps that were replaced or removed. A push may still be under way, and a
//! query may still read what was removed. So a file goes only when it, and the manifest or tombstone in whose time it became
//! useless, are older than a day, by the clock of the store: that of this machine may be wrong.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_model::DumpId;
use heaplake_store::{LakeFolder, Manifest, dump_of, side_file};

use crate::{
    Error, RemoteLake, Result,
    lake::{State, id_of_manifest},
    requests::ObjectFacts,
};

/// How old everything is that is deleted.
const AGE: TimeDelta = TimeDelta::days(1);
const REQUESTS_AT_ONCE: usize = 16;

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that were deleted, or would be.
    pub n_files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that no manifest names but that are too young to be deleted.
    pub n_young: u64,
    /// Dumps whose manifest cannot be read; none of their files was looked at.
    pub unreadable: Vec<DumpId>,
}

impl RemoteLake {
    /// Deletes files that no manifest names and that are older than a day; with `dry_run` it only counts them.
    pub fn sweep(&self, dry_run: bool) -> Result<Swept> {
        self.runtime.block_on(self.swept(dry_run))
    }

    async fn swept(&self, dry_run: bool) -> Result<Swept> {
        let now = self.time().await?;
        // Files first: what is committed after they are listed is not looked at, or is named by the manifest that is read later.
        let mut of_dumps: BTreeMap<DumpId, Vec<ObjectFacts>> = BTreeMap::new();
        for folder in LakeFolder::of_dumps() {
            for object in self.requests.list(&folder).await? {
                match dump_of(&object.path) {
                    Some(id) => of_dumps.entry(id).or_default().push(object),
                    None => self.requests.foreign.add(self.requests.key(&object.path).as_ref()),
                }
            }
        }
        let manifests = self.requests.list(&LakeFolder::manifests()).await?;
        let changed: BTreeMap<DumpId, DateTime<Utc>> = manifests
            .into_iter()
            .filter_map(|object| Some((id_of_manifest(&object.path)?, object.modified)))
            .collect();
        let mut swept = Swept::default();
        for (id, files) in of_dumps {
            let state = match self.state(&id).await {
                Err(Error::Damaged { .. } | Error::OtherFormat { .. }) => {
                    swept.unreadable.push(id);
                    continue;
                }
                state => state?,
            };
            let useless = useless(files, &state);
            let is_old = |object: &ObjectFacts| now - object.modified > AGE;
            let is_settled = changed.get(&id).is_none_or(|changed| now - *changed > AGE);
            let (old, young): (Vec<_>, Vec<_>) =
                useless.into_iter().partition(|object| is_settled && is_old(object));
            swept.n_young += young.len() as u64;
            let deleted = if dry_run { old } else { self.delete_old(old, now).await? };
            swept.n_files += deleted.len() as u64;
            swept.bytes += deleted.iter().map(|object| object.bytes).sum::<u64>();
        }
        if !dry_run {
            self.delete_old(self.requests.list(&LakeFolder::work()).await?, now).await?;
        }
        Ok(swept)
    }

    /// Deletes those of `objects` that are still old: a push may have sent one again.
    async fn delete_old(&self, objects: Vec<ObjectFacts>, now: DateTime<Utc>) -> Result<Vec<ObjectFacts>> {
        let deleted = stream::iter(objects).map(|object| async move {
            match self.requests.head(&object.path).await? {
                Some(facts) if now - facts.modified > AGE => {
                    self.requests.delete(&object.path).await?;
                    Ok::<_, Error>(Some(object))
                }
                _ => Ok(None),
            }
        });
        let deleted: Vec<_> = deleted.buffer_unordered(REQUESTS_AT_ONCE).try_collect().await?;
        Ok(deleted.into_iter().flatten().collect())
    }

    /// The time by the store's clock: that of an object which is written now.
    async fn time(&self) -> Result<DateTime<Utc>> {
        let unique = format!("clock-{}-{}", std::process::id(), Utc::now().timestamp_micros());
        let path = LakeFolder::work().file(&unique);
        self.requests.put(path.as_str(), Bytes::new(), None).await?;
        let facts = self.requests.head(path.as_str()).await?;
        self.requests.delete(path.as_str()).await?;
        match facts {
            Some(facts) => Ok(facts.modified),
            None => Err(self.damaged(&path, "it was deleted meanwhile; try again".to_owned())),
        }
    }
}

/// The files of a dump that its manifest does not name, and that are no index, layer or names of it.
fn useless(files: Vec<ObjectFacts>, state: &State) -> Vec<ObjectFacts> {
    let manifest: Option<&Manifest> = match state {
        State::Dump(dump) => Some(&dump.manifest),
        State::Absent | State::Removed(_) => None,
    };
    let named: HashSet<&str> =
        manifest.iter().flat_map(|manifest| &manifest.files).map(|entry| entry.path.as_str()).collect();
    let is_used = |path: &str| {
        named.contains(path) || manifest.is_some_and(|manifest| side_file(path, manifest).is_some())
    };
    files.into_iter().filter(|object| !is_used(&object.path)).collect()
}
