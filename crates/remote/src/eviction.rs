//! The room that copies of lakes in stores take: what was not used for the longest time goes.
//!
//! ```text
//! <cache>/lakes/<lake>/                          a lake folder with some of the files
//! <cache>/lakes/<lake>/<table>/dump=<id>/<file>
//! <cache>/lakes/<lake>/used/<hash of a path>     the stamp of a file: when it was last used
//! ```
//!
//! When a file was last used is not said by its own time, since an index whose time changes counts as another one. Deleting a file that
//! a process has open does it no harm on Unix; elsewhere it fails, and the file stays.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use xxhash_rust::xxh3::xxh3_128;

use crate::parts;

/// The folder of all copies in the cache.
pub(crate) const LAKES: &str = "lakes";
/// The folder of stamps in a copy.
pub(crate) const STAMPS: &str = "used";

/// Where the stamp of a file is.
pub(crate) fn stamp(lake: &Path, file: &Path) -> PathBuf {
    let path = file.strip_prefix(lake).unwrap_or(file);
    lake.join(STAMPS).join(format!("{:032x}", xxh3_128(path.as_os_str().as_encoded_bytes())))
}

/// Deletes a file that is not needed any more, and its stamp, if there is one.
pub(crate) fn forget(lake: &Path, file: &Path) {
    if fs::remove_file(file).is_ok() {
        let _ = fs::remove_file(stamp(lake, file));
    }
}

/// Deletes files of copies where they take more than `max_bytes` together, until a fifth of that is free. `newest` stays. Returns the
/// bytes of those that stay.
pub(crate) fn shrink(copies: &Path, max_bytes: u64, newest: &Path) -> io::Result<u64> {
    let mut files = Vec::new();
    for lake in folders(copies)? {
        for kind in folders(&lake)? {
            for dump in folders(&kind)? {
                for entry in fs::read_dir(dump)? {
                    let entry = entry?;
                    // Another process may have deleted it.
                    let Ok(metadata) = entry.metadata() else { continue };
                    if metadata.is_file() && !kind.ends_with(WORK) {
                        let path = entry.path();
                        let stamp = stamp(&lake, &path);
                        let used = fs::metadata(&stamp).and_then(|stamp| stamp.modified());
                        let used = used.or_else(|_| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                        files.push((used, bytes_on_disk(&path, &metadata), path, stamp));
                    }
                }
            }
        }
    }
    let mut total: u64 = files.iter().map(|(_, bytes, ..)| bytes).sum();
    if total <= max_bytes {
        return Ok(total);
    }
    files.sort();
    for (_, bytes, path, stamp) in files {
        if total <= max_bytes - max_bytes / 5 {
            break;
        }
        if path != newest && fs::remove_file(&path).is_ok() {
            let _ = fs::remove_file(stamp);
            total -= bytes;
        }
    }
    Ok(total)
}

/// What a file takes: of copies of parts less than their length.
fn bytes_on_disk(path: &Path, metadata: &fs::Metadata) -> u64 {
    #[cfg(unix)]
    if path.extension().is_some_and(|extension| extension == parts::SUFFIX) {
        return metadata.len().min(std::os::unix::fs::MetadataExt::blocks(metadata) * 512);
    }
    metadata.len()
}

/// The folder of work in a lake, whose owners tidy it up.
const WORK: &str = "tmp";

/// The folders in a folder; none if it does not exist.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Not links, which could lead out of the cache.
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let copies = tempfile::tempdir().unwrap();
        let lakes = ["a", "b"].map(|name| copies.path().join(name));
        let mut files = Vec::new();
        for (n, lake) in lakes.iter().cycle().take(10).enumerate() {
            let file = lake.join(format!("obj/dump=x/{n}.parquet"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::create_dir_all(lake.join(STAMPS)).unwrap();
            fs::write(&file, [0; 100]).unwrap();
            let stamp = fs::File::create(stamp(lake, &file)).unwrap();
            // Files were used in an order that is not that of their names.
            let used = Duration::from_secs((n as u64 * 7) % 10);
            stamp.set_modified(SystemTime::UNIX_EPOCH + used).unwrap();
            files.push(file);
        }
        let there = || files.iter().map(|file| file.exists()).collect::<Vec<_>>();
        assert_eq!(shrink(copies.path(), 1_000, &files[0]).unwrap(), 1_000);
        assert_eq!(there(), [true; 10]);
        // Used at 0, 7, 4, 1, 8, 5, 2, 9, 6, 3; the first is the newest all the same.
        assert_eq!(shrink(copies.path(), 500, &files[0]).unwrap(), 400);
        assert_eq!(there(), [true, true, false, false, true, false, false, true, false, false]);
        assert_eq!(fs::read_dir(lakes[1].join(STAMPS)).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let file = outside.path().join("dump=x/precious");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, [0; 100]).unwrap();
        let copies = tempfile::tempdir().unwrap();
        fs::create_dir_all(copies.path().join("a")).unwrap();
        std::os::unix::fs::symlink(outside.path(), copies.path().join("a/obj")).unwrap();
        assert_eq!(shrink(copies.path(), 0, Path::new("")).unwrap(), 0);
        assert!(file.exists());
    }
}
