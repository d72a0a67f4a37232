//! Graph indexes that are open in this process.
//!
//! Opening one checks its header and maps the file, and where nobody has checked it yet reads all of it. Sessions come and
//! go, one for each request of a server or command of a shell, so what one of them has opened the next one uses. The
//! last few are kept; a file that is replaced or removed meanwhile stays readable as long as it is mapped, but is not
//! given to a session that begins after that.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use heaplake_model::{DumpId, schema::Table};
use heaplake_store::{AnyIndex, IndexStamp, Lake, Manifest};

/// Indexes that are kept open when no session uses them.
const MAX_OPEN: usize = 16;

/// The one that was used last comes last.
static OPEN: Mutex<Vec<CachedIndex>> = Mutex::new(Vec::new());

struct CachedIndex {
    key: IndexKey,
    stamp: IndexStamp,
    index: Arc<AnyIndex>,
}

/// Which index it is, whatever file it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct IndexKey {
    /// Absolute, without links.
    lake: PathBuf,
    dump: DumpId,
    /// Paths and checksums of the tables that it was built from.
    edges: Vec<(String, String)>,
}

impl IndexKey {
    /// `None` for a lake that is not there.
    fn new(lake: &Path, manifest: &Manifest) -> Option<Self> {
        let edges = manifest.files_of(Table::Edge).map(|file| (file.path.clone(), file.xxh3.clone()));
        Some(Self { lake: lake.canonicalize().ok()?, dump: manifest.id.clone(), edges: edges.collect() })
    }
}

/// The index of a dump: one that is open already if its file is still the same, else what `open` gives.
pub(crate) fn open<E>(
    lake: &Lake,
    manifest: &Manifest,
    open: impl FnOnce() -> Result<AnyIndex, E>,
) -> Result<Arc<AnyIndex>, E> {
    let Some(key) = IndexKey::new(lake.path(), manifest) else { return open().map(Arc::new) };
    let before = IndexStamp::of(lake, manifest);
    if let Some(found) = find(&key, before) {
        return Ok(found);
    }
    // Not under the lock: this may build an index.
    let index = Arc::new(open()?);
    let stamp = IndexStamp::of(lake, manifest);
    // A file that came meanwhile may be another one than the one that was opened, but for the one that was built.
    if let Some(stamp) = stamp.filter(|stamp| before.is_none_or(|before| before == *stamp)) {
        let mut all = lock();
        all.retain(|cached| cached.key.lake != key.lake || cached.key.dump != key.dump);
        if all.len() >= MAX_OPEN {
            all.remove(0);
        }
        all.push(CachedIndex { key, stamp, index: index.clone() });
    }
    Ok(index)
}

fn find(key: &IndexKey, stamp: Option<IndexStamp>) -> Option<Arc<AnyIndex>> {
    let mut all = lock();
    let at = all.iter().position(|cached| cached.key == *key)?;
    let cached = all.remove(at);
    // One whose file is gone or another one is of no use any more.
    if Some(cached.stamp) != stamp {
        return None;
    }
    let index = cached.index.clone();
    all.push(cached);
    Some(index)
}

fn lock() -> MutexGuard<'static, Vec<CachedIndex>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use heaplake_store::{Access, ImportOptions, ImportProgress, Input, import};

    use super::*;

    #[test]
    fn an_index_is_opened_once_as_long_as_its_file_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = Lake::open_or_create(&folder.path().join("lake"), Access::Private).expect("a lake");
        let dump = folder.path().join("heap.dump");
        let line = "{\"address\": 16, \"type\": \"a\", \"size\": 1, \"refs\": []}\n";
        fs::write(&dump, line).expect("a dump");
        let imported =
            import(&lake, &Input::File(dump), &ImportOptions::default(), &ImportProgress::default());
        let manifest = imported.expect("a manifest");
        let mut n_opened = 0;
        let mut get = || {
            let opened = open(&lake, &manifest, || {
                n_opened += 1;
                AnyIndex::open(&lake, &manifest).map(|found| found.expect("an index"))
            });
            opened.expect("an index")
        };
        let first = get();
        assert!(Arc::ptr_eq(&first, &get()));

        let files = fs::read_dir(lake.path().join("index/dump=heap")).expect("a folder of the index");
        let paths = files.map(|file| file.expect("a file").path());
        let path = paths.into_iter().find(|path| path.extension().is_some_and(|end| end == "graph"));
        let path = path.expect("an index file");
        let copy = folder.path().join("copy");
        fs::copy(&path, &copy)
            .and_then(|_| fs::rename(&copy, &path))
            .expect("another file of the same bytes");
        let third = get();
        assert!(!Arc::ptr_eq(&first, &third));
        assert!(Arc::ptr_eq(&third, &get()));
        assert_eq!(n_opened, 2);

        fs::remove_file(&path).expect("the file goes");
        assert_eq!(open(&lake, &manifest, || Err("asked for")).map(drop), Err("asked for"));
        assert_eq!(first.n_nodes(), 1, "it stays readable");
    }
}
