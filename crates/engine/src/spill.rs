//! Where queries put what does not fit into their memory.
//!
//! A folder in the lake's `tmp`, named and locked as the folders of imports are, so that the next import sweeps it
//! away when this process was killed. Where the lake cannot be written to, the system's temporary folder.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};

/// A folder for spilled rows; deleted when dropped.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    path: PathBuf,
    _lock: File,
}

impl SpillFolder {
    /// Makes a folder within `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("query-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Only a folder that is locked already gets a name that is swept.
        let unlocked = parent.join(format!("new-{name}"));
        let path = parent.join(format!("import-{name}"));
        if path.exists() {
            // Of a process that died and had the same number.
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&unlocked)?;
        let made = || -> io::Result<File> {
            let lock = File::create(unlocked.join("lock"))?;
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

    /// Tells DataFusion to spill here.
    pub(crate) fn disk_manager(&self) -> DiskManagerBuilder {
        DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![self.path.clone()]))
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // What is left is swept by the next import.
        let _ = fs::remove_dir_all(&self.path);
    }
}
