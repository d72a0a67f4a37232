//! Manifests that this machine has read from stores, so that listing a lake again asks for new ones alone.
//!
//! A file per manifest, named by a hash of its object and ETag, so that processes share them without a lock: a file has one
//! content forever, appears whole by a rename, and may be deleted at any time. Its first line is a checksum of the rest. Manifests
//! say what ran where, so the folder is for its owner alone.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

/// Where the cache is; empty for none.
const VARIABLE: &str = "HEAPLAKE_CACHE";
/// Bytes of all files beyond which those go that were not used for the longest time, until half of it is left.
const MAX_BYTES: u64 = 64 << 20;
const CHECKSUM_CHARS: usize = 32;

/// The manifests that this machine keeps.
#[derive(Debug)]
pub(crate) struct ManifestCache {
    /// `None` where nothing is kept.
    folder: Option<PathBuf>,
}

impl ManifestCache {
    /// As the environment says; else in the user's folder of caches.
    pub(crate) fn of_environment() -> Self {
        Self { folder: folder().map(|folder| folder.join("manifests")) }
    }

    /// The content of an object that has this ETag, if it is kept.
    pub(crate) fn get(&self, object: &str, e_tag: &str) -> Option<Bytes> {
        let path = self.file(object, e_tag)?;
        let text = fs::read(&path).ok()?;
        let (checksum, content) = text.split_at_checked(CHECKSUM_CHARS + 1)?;
        if checksum != checksum_line(content).as_bytes() {
            return None;
        }
        // So that it counts as used. An error only makes it go earlier.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(Bytes::copy_from_slice(content))
    }

    /// Keeps the content of an object. A cache that cannot be written only makes the next listing slower.
    pub(crate) fn put(&self, object: &str, e_tag: &str, content: &[u8]) {
        if let (Some(folder), Some(path)) = (&self.folder, self.file(object, e_tag)) {
            let _ = write(folder, &path, content);
        }
    }

    /// Deletes what was not used for the longest time, where there is too much.
    pub(crate) fn shrink(&self) {
        if let Some(folder) = &self.folder {
            let _ = shrink(folder, MAX_BYTES);
        }
    }

    fn file(&self, object: &str, e_tag: &str) -> Option<PathBuf> {
        let name = xxh3_128(format!("{object}\n{e_tag}").as_bytes());
        Some(self.folder.as_ref()?.join(format!("{name:032x}")))
    }
}

/// Where the caches are, as the environment says; else in the user's folder of caches. `None` where nothing is to be kept.
pub(crate) fn folder() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    match env::var_os(VARIABLE) {
        Some(folder) => Some(PathBuf::from(folder)).filter(|folder| !folder.as_os_str().is_empty()),
        None => caches().map(|caches| caches.join("heaplake")),
    }
}

fn checksum_line(content: &[u8]) -> String {
    format!("{:032x}\n", xxh3_128(content))
}

fn write(folder: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    make_private(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(checksum_line(content).as_bytes())?;
    file.write_all(content)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(unix)]
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn shrink(folder: &Path, max_bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, metadata.len(), entry.path()));
    }
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    if total <= max_bytes {
        return Ok(());
    }
    files.sort();
    for (_, bytes, path) in files {
        if total <= max_bytes / 2 {
            break;
        }
        fs::remove_file(path)?;
        total -= bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_each_version_of_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ManifestCache { folder: Some(folder.path().join("a/b")) };
        assert_eq!(cache.get("s3://a/x", "1"), None);
        cache.put("s3://a/x", "1", b"one");
        cache.put("s3://a/x", "2", b"");
        assert_eq!(cache.get("s3://a/x", "1").as_deref(), Some(&b"one"[..]));
        assert_eq!(cache.get("s3://a/x", "2").as_deref(), Some(&b""[..]));
        assert_eq!(cache.get("s3://b/x", "1"), None);
        let file = cache.file("s3://a/x", "1").unwrap();
        for damaged in ["", "one", "0123\none", &"0".repeat(80)] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(cache.get("s3://a/x", "1"), None, "{damaged}");
        }
    }

    #[test]
    fn what_was_used_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ManifestCache { folder: Some(folder.path().to_owned()) };
        for n in 0..10_u64 {
            cache.put("x", &n.to_string(), &[0; 67]);
            let file = fs::File::open(cache.file("x", &n.to_string()).unwrap()).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n)).unwrap();
        }
        cache.get("x", "0").unwrap();
        shrink(folder.path(), 1_000).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 10);
        shrink(folder.path(), 800).unwrap();
        let kept: Vec<bool> = (0..10_u64).map(|n| cache.get("x", &n.to_string()).is_some()).collect();
        assert_eq!(kept, [true, false, false, false, false, false, false, true, true, true]);
    }

    #[test]
    fn no_folder_no_cache() {
        let cache = ManifestCache { folder: None };
        cache.put("x", "1", b"one");
        assert_eq!(cache.get("x", "1"), None);
        cache.shrink();
    }
}
