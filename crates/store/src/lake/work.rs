//! Work in progress: the lake's lock, the folders in which imports and queries work, and sweeping those of the dead.
//!
//! Each work folder has a file that its process holds locked. A folder whose file is not locked is of a process that
//! died; opening the lake to write deletes it.

use std::{
    fs::{self, File, TryLockError},
    io,
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tempfile::TempDir;

use super::{
    Lake,
    access::Permissions,
    folder::StoredFile,
    layout::{LakeFolder, LakePath},
};
use crate::{Error, Result};

/// The prefix of work folders.
const WORK_PREFIX: &str = "import-";
/// The file in a work folder that its process holds locked.
const WORK_LOCK: &str = "lock";
/// The prefix of files that are not complete.
pub(super) const NEW_PREFIX: &str = "new-";

/// The lake's lock: only its owner changes the lake. Released when dropped or when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else has the lock.
    pub(crate) fn take(lake: &Lake) -> Result<Self> {
        let lock = lake.at(&LakePath::lock());
        let io_error = |source| lock.io_error(source);
        let permissions = Permissions::of(lake)?;
        permissions.make_folder(&lake.folder(&LakeFolder::work())).map_err(io_error)?;
        let is_new = !lock.path().exists();
        let file = File::options().create(true).append(true).open(lock.path()).map_err(io_error)?;
        if is_new {
            // Another process may have made it; then it does the same.
            let _ = permissions.apply(lock.path());
        }
        file.lock().map_err(io_error)?;
        Ok(Self { _file: file })
    }
}

/// A folder for the files of one import or index until they are moved into the lake. Deleted when dropped.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    // Closed before the folder is deleted, because not every system deletes open files.
    _lock: Option<File>,
    folder: TempDir,
}

/// A file in a [`WorkFolder`].
#[derive(Debug, Clone)]
pub(crate) struct WorkFile(StoredFile);

impl WorkFile {
    /// Makes the file, empty, to write to it and read it.
    pub(crate) fn create(&self) -> Result<File> {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(self.path());
        file.map_err(|source| self.io_error(source))
    }

    /// Gives its room on the disk back before the folder is removed. Where that fails, it is removed with the folder.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(self.path());
    }
}

impl Deref for WorkFile {
    type Target = StoredFile;

    fn deref(&self) -> &StoredFile {
        &self.0
    }
}

impl WorkFolder {
    /// A folder in the system's temporary folder, for lakes that cannot be written to.
    pub(crate) fn outside() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("heaplake-").tempdir();
        let folder = folder.map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        Ok(Self { folder, _lock: None })
    }

    /// Where the folder is: for readers, which keep a copy of a source here if they need one.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &str) -> WorkFile {
        WorkFile(StoredFile::new(self.folder.path().join(name)))
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).path().exists()
    }

    /// A part of names that no other work folder of the lake has at this time.
    pub(crate) fn unique(&self) -> String {
        let name = self.folder.path().file_name().unwrap_or_default().to_string_lossy();
        name.trim_start_matches(WORK_PREFIX).to_owned()
    }
}

impl Lake {
    /// Makes and locks a work folder.
    pub(crate) fn work_folder(&self) -> Result<WorkFolder> {
        let _lock = Lock::take(self)?;
        let path = self.folder(&LakeFolder::work());
        let io_error = |source| Error::Io { path: path.clone(), source };
        let folder = tempfile::Builder::new().prefix(WORK_PREFIX).tempdir_in(&path).map_err(io_error)?;
        let lock = File::create(folder.path().join(WORK_LOCK)).map_err(io_error)?;
        match lock.try_lock() {
            Ok(()) => Ok(WorkFolder { folder, _lock: Some(lock) }),
            Err(TryLockError::Error(source)) => Err(io_error(source)),
            Err(TryLockError::WouldBlock) => Err(io_error(io::ErrorKind::ResourceBusy.into())),
        }
    }

    /// Deletes what processes that died left in the folder of work.
    pub(crate) fn sweep_work(&self, _lock: &Lock) -> Result<()> {
        let path = self.folder(&LakeFolder::work());
        for name in self.list(&LakeFolder::work())?.unwrap_or_default() {
            let entry = path.join(&name);
            if name.starts_with(WORK_PREFIX) {
                let is_dead = match File::open(entry.join(WORK_LOCK)) {
                    Ok(lock) => lock.try_lock().is_ok(),
                    // Made and locked under the lake's lock, so a folder without one is of no running import.
                    Err(_) => true,
                };
                if is_dead {
                    // Another process may be at it, too.
                    let _ = fs::remove_dir_all(entry);
                }
            } else if name.starts_with(NEW_PREFIX) {
                let _ = fs::remove_file(entry);
            }
        }
        Ok(())
    }

    /// Makes a folder for rows that a query spills: in the lake, so that the next import sweeps it away if this process
    /// is killed. Does not take the lake's lock.
    pub fn spill_folder(&self) -> io::Result<SpillFolder> {
        SpillFolder::create(&self.folder(&LakeFolder::work()))
    }
}

/// A folder for spilled rows; deleted when dropped.
#[derive(Debug)]
pub struct SpillFolder {
    path: PathBuf,
    _lock: File,
}

impl SpillFolder {
    fn create(parent: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("query-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // A folder gets the name of those that are swept only after it is locked.
        let unlocked = parent.join(format!("{NEW_PREFIX}{name}"));
        let path = parent.join(format!("{WORK_PREFIX}{name}"));
        if path.exists() {
            // Of a process that died and had the same number.
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&unlocked)?;
        let made = || -> io::Result<File> {
            let lock = File::create(unlocked.join(WORK_LOCK))?;
            lock.try_lock()?;
            fs::rename(&unlocked, &path)?;
            Ok(lock)
        };
        match made() {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                let _ = fs::remove_dir_all(&unlocked);
                Err(error)
            }
        }
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // What remains is swept by the next import.
        let _ = fs::remove_dir_all(&self.path);
    }
}
