//! A lake in a store as a folder that commands ask: a copy of what they open.
//!
//! The manifests are listed when the lake is opened, and again by [`LakeCopy::refresh`]. A table or an index comes as a whole when it is
//! first opened, or of large tables the parts that are asked for (`parts.rs`): into a folder of work, where its checksum is compared, and from there to its place by a rename. So a file that is in its
//! place is complete, and processes share the folder without knowing of each other. Which of several brings a file
//! is decided by a lock on its *stamp*, a small file that also says when the file was last used: see `eviction.rs`.
//!
//! The names of tables and indexes are of one import alone, so a copy stays right. Indexes of layers are the exception: what the store
//! says of them is asked for each time, and is part of the name of the copy.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_model::DumpId;
use heaplake_store::{
    FORMAT_VERSION, FileEntry, FileParts, Lake, LakeFolder, LakePath, Origin, SpillFolder, Traffic,
};
use tempfile::{NamedTempFile, TempDir};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    Error, Location, RemoteLake, Result, cache,
    download::{PART_BYTES, Wanted},
    error::into_io,
    eviction::{self, LAKES, STAMPS},
    lake::{id_of_manifest, is_tombstone},
    parts::{self, PartialCopy, WHOLE_BYTES, locked},
    requests::{Found, Put, Version, until_cancelled},
};

/// Small files that are received at the same time when many are wanted.
const FILES_AT_ONCE: usize = 8;
/// Requests for parts of a table that are under way at the same time, for one thread of a scan.
const REQUESTS_AT_ONCE: usize = 8;
/// How often the lock of a file is tried that another process receives.
const TICK: Duration = Duration::from_millis(30);

/// How much of what questions need is on its way, for a user who waits. Both numbers only grow; while they are equal nothing is.
#[derive(Debug, Default)]
pub struct ReceiveProgress {
    /// Bytes of what was asked for so far.
    pub asked_bytes: AtomicU64,
    /// Bytes of it that are here, or will not come.
    pub done_bytes: AtomicU64,
}

/// Bytes that were asked for. Those that have not arrived when it is dropped will not come.
struct Asked<'p> {
    progress: &'p ReceiveProgress,
    remaining: AtomicU64,
}

impl<'p> Asked<'p> {
    fn new(progress: &'p ReceiveProgress, bytes: u64) -> Self {
        progress.asked_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { progress, remaining: AtomicU64::new(bytes) }
    }

    fn arrived(&self, n_bytes: usize) {
        self.remaining.fetch_sub(n_bytes as u64, Ordering::Relaxed);
        self.progress.done_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.progress.done_bytes.fetch_add(self.remaining.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// How to keep a copy.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// Bytes of all copies of this user on this machine, beyond which those go that were not used for the longest time.
    pub max_bytes: u64,
    /// Use no earlier copy, and keep this one no longer than the process needs it.
    pub afresh: bool,
    /// Set when the user wants the work to stop.
    pub cancel: &'static AtomicBool,
    /// Counts what is asked for and what arrives.
    pub progress: Arc<ReceiveProgress>,
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
    this: Weak<Self>,
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
        let whose = &remote.requests.whose;
        let name = xxh3_128(format!("{FORMAT_VERSION}\n{whose}\n{location}").as_bytes());
        let folder = copies.join(format!("{name:032x}"));
        let stamps = folder.join(STAMPS);
        cache::make_private(&stamps).map_err(|source| io_error(&stamps, source))?;
        let inner = Arc::new_cyclic(|this| Inner {
            remote,
            options,
            copies,
            folder,
            manifests: Mutex::default(),
            indexes: Mutex::default(),
            n_bytes: Mutex::default(),
            work: OnceLock::new(),
            _temporary: temporary,
            this: Weak::clone(this),
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

    fn traffic(&self) -> Traffic {
        self.remote.traffic()
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

    fn parts(&self, entry: &FileEntry) -> io::Result<Option<Arc<dyn FileParts>>> {
        let path = LakePath::of_entry(entry);
        let whole = self.folder.join(path.as_str());
        if entry.bytes <= WHOLE_BYTES || whole.exists() {
            return Ok(None);
        }
        let here = parts::path_of(&whole);
        here.parent().map_or(Ok(()), cache::make_private)?;
        let copy = self.this.upgrade().ok_or(io::ErrorKind::Interrupted)?;
        let source = PartsSource { copy, path, n_bytes: entry.bytes, here: here.clone() };
        let parts = PartialCopy::open(&here, entry.bytes, source)?;
        if whole.exists() {
            // It came meanwhile, and its parts may have been deleted before these were made.
            let _ = fs::remove_file(&here);
            return Ok(None);
        }
        // So that it counts as used. An error only makes it go earlier.
        let _ = self.stamp(&here).map(|stamp| stamp.set_modified(SystemTime::now()));
        Ok(Some(Arc::new(parts)))
    }

    fn prefetch(&self, entries: &[&FileEntry], in_parts: bool) {
        let max_bytes = if in_parts { WHOLE_BYTES } else { PART_BYTES };
        let is_wanted = |entry: &&&FileEntry| {
            entry.bytes <= max_bytes && !self.folder.join(LakePath::of_entry(entry).as_str()).exists()
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

    fn delete(&self, path: &LakePath) -> io::Result<()> {
        self.wait(async || self.remote.requests.delete(path.as_str()).await).map_err(into_io)?;
        *locked(&self.indexes) = None;
        Ok(())
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

/// What brings parts of a table.
#[derive(Debug)]
struct PartsSource {
    copy: Arc<Inner>,
    path: LakePath,
    n_bytes: u64,
    here: PathBuf,
}

impl PartsSource {
    async fn part(&self, range: Range<u64>) -> Result<Bytes> {
        let remote = &self.copy.remote;
        let (part, n_bytes) = remote.requests.get_range(&self.path, range.clone(), None).await?;
        if n_bytes != self.n_bytes || part.len() as u64 != range.end - range.start {
            let wanted = range.end - range.start;
            let what = match n_bytes == self.n_bytes {
                true => format!("of {wanted} bytes that were asked for {} came", part.len()),
                false => format!("it has {n_bytes} bytes, not {}", self.n_bytes),
            };
            return Err(remote.damaged(&self.path, what));
        }
        Ok(part)
    }
}

impl parts::Source for PartsSource {
    fn receive(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let n_bytes = ranges.iter().map(|range| range.end - range.start).sum();
        let asked = &Asked::new(&self.copy.options.progress, n_bytes);
        let received = self.copy.wait(async || {
            let parts = stream::iter(ranges).map(|range| async {
                let part = self.part(range.clone()).await?;
                asked.arrived(part.len());
                Ok(part)
            });
            parts.buffered(REQUESTS_AT_ONCE).try_collect().await
        });
        if let Err(Error::Missing(_)) = &received {
            self.copy.look_again(&self.path)?;
        }
        received
    }

    fn has_grown(&self, bytes: u64) {
        self.copy.make_room(bytes, &self.here);
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
        let asked = Asked::new(&self.options.progress, wanted.bytes);
        let received = self.remote.download(wanted, self.options.cancel, |part| {
            asked.arrived(part.len());
            file.write_all(part).map_err(io_error)
        });
        received.await?;
        file.as_file().sync_data().map_err(io_error)?;
        if let Some(folder) = here.parent() {
            cache::make_private(folder).map_err(io_error)?;
        }
        let mut file = file.persist(here).map_err(|error| io_error(error.error))?;
        eviction::forget(&self.folder, &parts::path_of(here));
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
        let made = Lake::open(&self.folder)?.spill_folder().map_err(io_error)?;
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
