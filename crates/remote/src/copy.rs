//! A lake in a store as a folder that commands ask: a copy of what they open.
//!
//! The manifests are listed when the lake is opened, and again by [`LakeCopy::refresh`]. A table or an index comes as a whole when it is
//! first opened: into a folder of work, where its checksum is compared, and from there to its place by a rename. So a file that is in its
//! place is complete, and processes share the folder without knowing of each other. Which of several brings a file
//! is decided by a lock on its *stamp*, a small file that also says when the file was last used: see `eviction.rs`.
//!
//! The names of tables and indexes are of one import alone, so a copy stays right. Indexes of layers are the exception: what the store
//! says of them is asked for each time, and is part of the name of the copy.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use heaplake_model::DumpId;
use heaplake_store::{FORMAT_VERSION, FileEntry, Lake, LakeFolder, LakePath, Origin, SpillFolder};
use tempfile::{NamedTempFile, TempDir};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    Error, Location, RemoteLake, Result, cache,
    download::{PART_BYTES, Wanted},
    eviction::{self, LAKES, STAMPS},
    lake::{id_of_manifest, is_tombstone},
    requests::{Found, Put, Version, until_cancelled},
};

/// Small files that are received at the same time when many are wanted.
const FILES_AT_ONCE: usize = 8;
/// How often the lock of a file is tried that another process receives.
const TICK: Duration = Duration::from_millis(30);

/// How to keep a copy.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// Bytes of all copies of this user on this machine, beyond which those go that were not used for the longest time.
    pub max_bytes: u64,
    /// Use no earlier copy, and keep this one no longer than the process needs it.
    pub afresh: bool,
    /// Set when the user wants the work to stop.
    pub cancel: &'static AtomicBool,
}

/// A lake in a store, and the folder with what was opened of it.
#[derive(Debug)]
pub struct LakeCopy {
    inner: Arc<Inner>,
    lake: Lake,
}

#[derive(Debug)]
struct Inner {
    remote: RemoteLake,
    options: CopyOptions,
    /// The folder of all copies.
    copies: PathBuf,
    /// That of this one.
    folder: PathBuf,
    manifests: Mutex<BTreeMap<DumpId, Bytes>>,
    /// The indexes of all dumps with their bytes, if they were listed since the manifests were.
    indexes: Mutex<Option<Vec<(String, u64)>>>,
    /// Bytes of all copies, once they were counted.
    n_bytes: Mutex<Option<u64>>,
    work: OnceLock<SpillFolder>,
    _temporary: Option<TempDir>,
}

impl LakeCopy {
    /// Opens a lake, and lists its dumps.
    pub fn open(location: &Location, options: CopyOptions) -> Result<Self> {
        let remote = RemoteLake::open(location)?;
        let io_error = |folder: &Path, source| Error::Read { file: folder.display().to_string(), source };
        let kept = cache::folder().filter(|_| !options.afresh);
        let temporary = match &kept {
            Some(_) => None,
            None => {
                let folder = tempfile::Builder::new().prefix("heaplake-").tempdir();
                Some(folder.map_err(|source| io_error(&std::env::temp_dir(), source))?)
            }
        };
        let cache = kept.or_else(|| Some(temporary.as_ref()?.path().to_owned())).unwrap_or_default();
        let copies = cache.join(LAKES);
        let endpoint = remote.requests.endpoint.as_deref().unwrap_or_default();
        let name = xxh3_128(format!("{FORMAT_VERSION}\n{endpoint}\n{location}").as_bytes());
        let folder = copies.join(format!("{name:032x}"));
        let stamps = folder.join(STAMPS);
        cache::make_private(&stamps).map_err(|source| io_error(&stamps, source))?;
        let inner = Arc::new(Inner {
            remote,
            options,
            copies,
            folder,
            manifests: Mutex::default(),
            indexes: Mutex::default(),
            n_bytes: Mutex::default(),
            work: OnceLock::new(),
            _temporary: temporary,
        });
        let lake = Lake::open_copy(&inner.folder, Arc::clone(&inner) as Arc<dyn Origin>)?;
        let copy = Self { inner, lake };
        copy.refresh()?;
        Ok(copy)
    }

    /// Lists the dumps again. One request, and one more for each manifest that this machine does not have.
    pub fn refresh(&self) -> Result<()> {
        let inner = &*self.inner;
        let found = inner.wait(async || inner.remote.found_manifests().await)?;
        let dumps = found.into_iter().filter(|(id, found)| !is_tombstone(&found.content, id));
        *locked(&inner.manifests) = dumps.map(|(id, found)| (id, found.content)).collect();
        *locked(&inner.indexes) = None;
        Ok(())
    }

    /// The lake, to be asked like any other.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The lake in the store.
    pub fn remote(&self) -> &RemoteLake {
        &self.inner.remote
    }
}

impl Origin for Inner {
    fn name(&self) -> String {
        self.remote.location().to_string()
    }

    fn open(&self, path: &LakePath, entry: Option<&FileEntry>) -> io::Result<File> {
        let opened = match entry {
            Some(entry) => {
                self.opened(path, &self.folder.join(path.as_str()), || Ok(Wanted::of_entry(entry)))
            }
            None => self.open_index(path),
        };
        opened.map_err(into_io)
    }

    fn prefetch(&self, entries: &[&FileEntry]) {
        let is_wanted = |entry: &&&FileEntry| {
            entry.bytes <= PART_BYTES && !self.folder.join(LakePath::of_entry(entry).as_str()).exists()
        };
        let mut room = self.options.max_bytes / 2;
        let mut wanted: Vec<Wanted> = Vec::new();
        for entry in entries.iter().filter(is_wanted) {
            let Some(remaining) = room.checked_sub(entry.bytes) else { break };
            room = remaining;
            wanted.push(Wanted::of_entry(entry));
        }
        // A single file is received when it is opened.
        if wanted.len() < 2 {
            return;
        }
        let received = self.wait(async || {
            let received = stream::iter(&wanted).map(|wanted| async move {
                let to = self.folder.join(wanted.path.as_str());
                // What fails, fails again when the file is opened, and is reported then.
                self.receive(wanted, &to).await.is_ok()
            });
            received.buffer_unordered(FILES_AT_ONCE).for_each(async |_| {}).await;
            Ok(())
        });
        // So does this.
        let _ = received;
    }

    fn read(&self, path: &LakePath) -> io::Result<Option<Vec<u8>>> {
        if let Some(id) = id_of_manifest(path.as_str()) {
            return Ok(locked(&self.manifests).get(&id).map(|text| text.to_vec()));
        }
        let found = self.wait(async || self.remote.requests.get(path).await).map_err(into_io)?;
        Ok(found.map(|found| found.content.to_vec()))
    }

    fn list(&self, folder: &LakeFolder) -> io::Result<Vec<(String, u64)>> {
        if *folder == LakeFolder::manifests() {
            let manifests = locked(&self.manifests);
            let name = |id| LakePath::manifest(id).as_str().rsplit('/').next().unwrap_or_default().to_owned();
            return Ok(manifests.iter().map(|(id, text)| (name(id), text.len() as u64)).collect());
        }
        let indexes = LakeFolder::all_indexes();
        if !folder.as_str().starts_with(&format!("{indexes}/")) {
            return Ok(in_folder(&self.listed(folder).map_err(into_io)?, folder));
        }
        // Those of all dumps in one request, since a question about a lake is one about many dumps.
        let mut listed = locked(&self.indexes);
        if let Some(listed) = &*listed {
            return Ok(in_folder(listed, folder));
        }
        Ok(in_folder(listed.insert(self.listed(&indexes).map_err(into_io)?), folder))
    }

    fn write(&self, path: &LakePath, before: Option<&[u8]>, after: &[u8]) -> io::Result<bool> {
        let after = Bytes::copy_from_slice(after);
        let put = self.exchange(path, before, async |version| {
            self.remote.requests.put_if(path, after.clone(), version.as_ref()).await
        });
        let is_done = put.map_err(into_io)?;
        if let Some(id) = id_of_manifest(path.as_str()).filter(|_| is_done) {
            locked(&self.manifests).insert(id, after.clone());
        }
        Ok(is_done)
    }

    fn remove(&self, id: &DumpId, before: &[u8]) -> io::Result<bool> {
        let path = LakePath::manifest(id);
        let put = self.exchange(&path, Some(before), async |version| match version {
            Some(version) => self.remote.put_tombstone(id, &version).await,
            None => Ok(Put::Refused(None)),
        });
        let is_done = put.map_err(into_io)?;
        if is_done {
            locked(&self.manifests).remove(id);
        }
        Ok(is_done)
    }
}

impl Inner {
    /// Waits for requests, until the user wants them to stop.
    fn wait<T: Send>(&self, work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
        self.remote.wait(|| until_cancelled(work(), self.options.cancel))
    }

    fn listed(&self, folder: &LakeFolder) -> Result<Vec<(String, u64)>> {
        let listed = self.wait(async || self.remote.requests.list(folder).await)?;
        Ok(listed.into_iter().map(|object| (object.path, object.bytes)).collect())
    }

    fn open_index(&self, path: &LakePath) -> Result<File> {
        let here = self.folder.join(path.as_str());
        let find = || {
            let facts = self.wait(async || self.remote.requests.head(path.as_str()).await)?;
            let facts = facts.ok_or_else(|| Error::Missing(self.remote.requests.name(path.as_str())))?;
            Ok(Wanted { path: path.clone(), bytes: facts.bytes, xxh3: facts.xxh3, e_tag: facts.e_tag })
        };
        if !path.is_of_layer() {
            return self.opened(path, &here, find);
        }
        let wanted: Wanted = find()?;
        let version = xxh3_128(format!("{:?} {:?}", wanted.xxh3, wanted.e_tag).as_bytes());
        let here = PathBuf::from(format!("{}.{version:032x}", here.display()));
        self.opened(path, &here, || Ok(wanted))
    }

    /// Puts an object in the place of one whose content is still `before`; false if it is not. What is there instead is known from then
    /// on.
    fn exchange(
        &self,
        path: &LakePath,
        before: Option<&[u8]>,
        put: impl AsyncFnOnce(Option<Version>) -> Result<Put> + Send,
    ) -> Result<bool> {
        let put = self.wait(async || {
            let found = self.remote.requests.get(path).await?;
            if found.as_ref().map(|found| &*found.content) != before {
                return Ok(Put::Refused(found));
            }
            put(found.map(|found| found.version)).await
        });
        match put? {
            Put::Done => Ok(true),
            Put::Refused(found) => {
                if let Some(id) = id_of_manifest(path.as_str()) {
                    self.know(id, found);
                }
                Ok(false)
            }
        }
    }

    /// Takes what is in the place of a manifest for what the lake has.
    fn know(&self, id: DumpId, found: Option<Found>) {
        let mut manifests = locked(&self.manifests);
        match found.filter(|found| !is_tombstone(&found.content, &id)) {
            Some(found) => manifests.insert(id, found.content),
            None => manifests.remove(&id),
        };
    }

    /// Opens the copy of a file, which is made if it is not there.
    fn opened(&self, path: &LakePath, here: &Path, find: impl FnOnce() -> Result<Wanted>) -> Result<File> {
        let stamp = self.stamp(here)?;
        if let Some(file) = kept(here)? {
            // So that it counts as used. An error only makes it go earlier.
            let _ = stamp.set_modified(SystemTime::now());
            return Ok(file);
        }
        self.lock(&stamp, here)?;
        if let Some(file) = kept(here)? {
            return Ok(file);
        }
        let wanted = find()?;
        let received = self.wait(async || self.receive(&wanted, here).await);
        if let Err(Error::Missing(_)) = &received {
            self.look_again(path)?;
        }
        received
    }

    /// Receives a file, and puts it in its place.
    async fn receive(&self, wanted: &Wanted, here: &Path) -> Result<File> {
        let io_error = |source| Error::Read { file: here.display().to_string(), source };
        let mut file = NamedTempFile::new_in(self.work()?.path()).map_err(io_error)?;
        let received =
            self.remote.download(wanted, self.options.cancel, |part| file.write_all(part).map_err(io_error));
        received.await?;
        file.as_file().sync_data().map_err(io_error)?;
        if let Some(folder) = here.parent() {
            cache::make_private(folder).map_err(io_error)?;
        }
        let mut file = file.persist(here).map_err(|error| io_error(error.error))?;
        file.seek(SeekFrom::Start(0)).map_err(io_error)?;
        self.make_room(wanted.bytes, here);
        Ok(file)
    }

    /// Where files are until they are complete.
    fn work(&self) -> Result<&SpillFolder> {
        if let Some(work) = self.work.get() {
            return Ok(work);
        }
        let io_error = |source| Error::Read { file: self.folder.display().to_string(), source };
        let made = Lake::open(&self.folder)?.spill_folder(None).map_err(io_error)?;
        Ok(self.work.get_or_init(|| made))
    }

    /// The stamp of a file, which does not have to exist.
    fn stamp(&self, here: &Path) -> Result<File> {
        let path = eviction::stamp(&self.folder, here);
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        opened.map_err(|source| Error::Read { file: path.display().to_string(), source })
    }

    /// Waits until nobody else receives a file.
    fn lock(&self, stamp: &File, here: &Path) -> Result<()> {
        loop {
            match stamp.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(Error::Read { file: here.display().to_string(), source });
                }
            }
            if self.options.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            thread::sleep(TICK);
        }
    }

    /// Counts a file that came, and deletes others where there is too much.
    fn make_room(&self, bytes: u64, newest: &Path) {
        let mut n_bytes = locked(&self.n_bytes);
        let known = n_bytes.map(|n_bytes| n_bytes.saturating_add(bytes));
        let total = known.map_or_else(|| eviction::shrink(&self.copies, self.options.max_bytes, newest), Ok);
        let total = match total {
            Ok(total) if total > self.options.max_bytes => {
                eviction::shrink(&self.copies, self.options.max_bytes, newest)
            }
            total => total,
        };
        // If they cannot be counted, the next file tries it again.
        *n_bytes = total.ok();
    }

    /// After a file was missing that a manifest names: what became of the dump?
    fn look_again(&self, path: &LakePath) -> Result<()> {
        let Some(id) = heaplake_store::dump_of(path.as_str()) else { return Ok(()) };
        let manifest = LakePath::manifest(&id);
        let found = self.wait(async || self.remote.requests.get(&manifest).await)?;
        self.know(id, found);
        Ok(())
    }
}

/// The copy of a file, if it is there.
fn kept(here: &Path) -> Result<Option<File>> {
    match File::open(here) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).map_err(|source| Error::Read { file: here.display().to_string(), source }),
    }
}

/// The files right in a folder, of those that were listed.
fn in_folder(listed: &[(String, u64)], folder: &LakeFolder) -> Vec<(String, u64)> {
    let name = |path: &str| Some(path.strip_prefix(folder.as_str())?.strip_prefix('/')?.to_owned());
    let files = listed.iter().filter_map(|(path, bytes)| Some((name(path)?, *bytes)));
    files.filter(|(name, _)| !name.contains('/')).collect()
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Missing(_) => io::ErrorKind::NotFound.into(),
        error if error.is_cancelled() => io::Error::new(io::ErrorKind::Interrupted, error),
        Error::Damaged { .. } => io::Error::new(io::ErrorKind::InvalidData, error),
        error => io::Error::other(error),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
