//! The commit of an import, the removal of a dump, and what is done about those that were interrupted.
//!
//! Whoever changes what is in the lake holds the lock `tmp/lock` and first writes a journal, `tmp/journal.json`: the
//! dump and every file that may come or go. Then files move in, the manifest is renamed into place (this is the
//! instant at which the dump exists), files that went out are deleted, and the journal goes. A journal that is there
//! when the lock is free is of a process that died: of its files, those that the manifest does not name are deleted.

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

use heaplake_model::{DumpId, schema::Table};
use serde::{Deserialize, Serialize};

use crate::{Error, Facts, FileEntry, Lake, Manifest, Result, TakenFrom, access::Permissions, index};

#[derive(Serialize, Deserialize)]
struct Journal {
    dump: DumpId,
    files: Vec<FileEntry>,
}

/// The prefix of the folders in which imports work.
pub(crate) const WORK_PREFIX: &str = "import-";
/// The file in such a folder that its import holds locked.
pub(crate) const WORK_LOCK: &str = "lock";

/// Moves the files of `work` (each named as the last part of its entry's path) into the lake and writes the manifest.
pub(crate) fn commit(lake: &Lake, manifest: &Manifest, work: &Path, replace: bool) -> Result<()> {
    let _lock = Lock::take(lake)?;
    recover_journal(lake)?;
    let old = lake.find_manifest(&manifest.id)?;
    if old.is_some() && !replace {
        return Err(Error::DumpExists(manifest.id.clone()));
    }
    exchange(lake, old, manifest, work)
}

/// Puts a new manifest in the place of an old one; files that it does not share with the old one are in `work`. What was
/// said of the dump meanwhile stays. Returns the manifest that is there now.
pub(crate) fn replace(lake: &Lake, old: &Manifest, new: Manifest, work: &Path) -> Result<Manifest> {
    let _lock = Lock::take(lake)?;
    recover_journal(lake)?;
    match lake.find_manifest(&old.id)? {
        Some(found) if found.files == old.files => {
            let new = Manifest {
                tags: found.tags.clone(),
                process: found.process.clone(),
                taken: found.taken,
                taken_from: found.taken_from,
                ..new
            };
            exchange(lake, Some(found), &new, work)?;
            Ok(new)
        }
        _ => Err(Error::DumpChanged(old.id.clone())),
    }
}

/// Removes objects, references and index of a dump, and leaves its summaries. Returns the manifest that is there now.
pub(crate) fn prune(lake: &Lake, manifest: &Manifest) -> Result<Manifest> {
    let _lock = Lock::take(lake)?;
    recover_journal(lake)?;
    let found = match lake.find_manifest(&manifest.id)? {
        Some(found) if found.files == manifest.files => found,
        _ => return Err(Error::DumpChanged(manifest.id.clone())),
    };
    let mut new = found.clone();
    new.files.retain(|file| file.table.is_summary());
    new.pruned = Some(crate::import::now());
    // Nothing moves in.
    exchange(lake, Some(found), &new, &lake.tmp())?;
    Ok(new)
}

/// Says more of a dump. Returns the manifest that is there now.
pub(crate) fn state(lake: &Lake, id: &DumpId, facts: &Facts) -> Result<Manifest> {
    let _lock = Lock::take(lake)?;
    recover_journal(lake)?;
    let Some(mut manifest) = lake.find_manifest(id)? else { return Err(lake.unknown(id)?) };
    manifest.tags.retain(|key, _| !facts.unset.contains(key));
    facts.unset.iter().for_each(|key| manifest.process.forget(key));
    manifest.tags.extend(facts.tags.clone());
    if let Some(taken) = facts.taken {
        (manifest.taken, manifest.taken_from) = (taken, TakenFrom::User);
    }
    write_synced(lake, &lake.manifest_path(id), &manifest)?;
    Ok(manifest)
}

/// Moves a cache file of a dump into the lake, if the dump is still the same.
pub(crate) fn install(lake: &Lake, manifest: &Manifest, from: &Path, to: &Path) -> Result<()> {
    let _lock = Lock::take(lake)?;
    match lake.find_manifest(&manifest.id)? {
        Some(found) if found.files == manifest.files => move_file(lake, from, to),
        _ => Err(Error::DumpChanged(manifest.id.clone())),
    }
}

/// The lock is held.
fn exchange(lake: &Lake, old: Option<Manifest>, manifest: &Manifest, work: &Path) -> Result<()> {
    let old_files = old.map(|old| old.files).unwrap_or_default();
    let files = manifest.files.iter().chain(&old_files).cloned().collect();
    let journal = Journal { dump: manifest.id.clone(), files };
    let result = write_journal(lake, &journal).and_then(|()| move_in(lake, manifest, work));
    // Deletes the old files after a success, the new ones after a failure.
    recover_journal(lake)?;
    result
}

/// Removes a dump: the manifest first, then its files. Where its files are known, only if they are still the same.
pub(crate) fn remove(lake: &Lake, id: &DumpId, files: Option<&[FileEntry]>) -> Result<()> {
    let _lock = Lock::take(lake)?;
    recover_journal(lake)?;
    let manifest = match lake.find_manifest(id) {
        Ok(found) if files.is_some_and(|files| found.as_ref().is_none_or(|found| found.files != files)) => {
            return Err(Error::DumpChanged(id.clone()));
        }
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(lake.unknown(id)?),
        Err(Error::Damaged { .. }) => return remove_damaged(lake, id),
        Err(error) => return Err(error),
    };
    write_journal(lake, &Journal { dump: id.clone(), files: manifest.files })?;
    let path = lake.manifest_path(id);
    fs::remove_file(&path).map_err(|source| Error::Io { path, source })?;
    sync_folder(&lake.path().join("dumps"))?;
    recover_journal(lake)
}

/// Removes a dump whose manifest cannot be read: whatever lies in its folders.
fn remove_damaged(lake: &Lake, id: &DumpId) -> Result<()> {
    remove_file(&lake.manifest_path(id))?;
    for table in Table::ALL {
        let path = lake.path().join(Lake::table_folder(table, id));
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Io { path, source });
            }
            _ => {}
        }
    }
    index::prune(lake, id, None);
    sync_folder(&lake.path().join("dumps"))
}

/// Clears away what processes that died left behind.
pub(crate) fn recover(lake: &Lake) -> Result<()> {
    let _lock = Lock::take(lake)?;
    recover_journal(lake)?;
    sweep_work(lake)
}

fn move_in(lake: &Lake, manifest: &Manifest, work: &Path) -> Result<()> {
    let permissions = Permissions::of(lake)?;
    for file in &manifest.files {
        let to = lake.path().join(&file.path);
        let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else { continue };
        let io_error = |source| Error::Io { path: to.clone(), source };
        if !work.join(name).exists() && to.exists() {
            // Shared with the manifest that is replaced.
            continue;
        }
        permissions.make_folder(folder).map_err(io_error)?;
        let from = work.join(name);
        permissions.apply(&from).and_then(|()| fs::rename(&from, &to)).map_err(io_error)?;
        sync_folder(folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    move_index(lake, manifest, work)?;
    write_synced(lake, &lake.manifest_path(&manifest.id), manifest)
}

/// Moves the index file, if there is one; it is a cache, so nothing has to be synced.
fn move_index(lake: &Lake, manifest: &Manifest, work: &Path) -> Result<()> {
    let to = index::index_path(lake, manifest);
    let from = work.join(to.file_name().unwrap_or_default());
    if from.exists() { move_file(lake, &from, &to) } else { Ok(()) }
}

fn move_file(lake: &Lake, from: &Path, to: &Path) -> Result<()> {
    let io_error = |source| Error::Io { path: to.to_owned(), source };
    let permissions = Permissions::of(lake)?;
    to.parent().map_or(Ok(()), |folder| permissions.make_folder(folder)).map_err(io_error)?;
    permissions.apply(from).and_then(|()| fs::rename(from, to)).map_err(io_error)
}

fn write_journal(lake: &Lake, journal: &Journal) -> Result<()> {
    write_synced(lake, &lake.tmp().join("journal.json"), journal)
}

/// Deletes the files of the journal that no manifest names, then the journal. The lock is held.
fn recover_journal(lake: &Lake) -> Result<()> {
    let path = lake.tmp().join("journal.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { path, source }),
    };
    let Journal { dump, files } = serde_json::from_slice(&text).map_err(|error| Error::Damaged {
        path: path.clone(),
        what: format!("it is no journal ({error})"),
    })?;
    if let Some(stray) = files.iter().find(|file| !Lake::is_file_of(&file.path, file.table, &dump)) {
        let what = format!("it names a file that is not of the dump: {:?}", stray.path);
        return Err(Error::Damaged { path, what });
    }
    let manifest = lake.find_manifest(&dump)?;
    let kept: HashSet<&str> = manifest.iter().flat_map(|m| &m.files).map(|file| file.path.as_str()).collect();
    for file in files.iter().filter(|file| !kept.contains(file.path.as_str())) {
        remove_file(&lake.path().join(&file.path))?;
        // Stays when other files are in it.
        let _ = fs::remove_dir(lake.path().join(Lake::table_folder(file.table, &dump)));
    }
    index::prune(lake, &dump, manifest.as_ref());
    remove_file(&path)
}

/// Deletes the work folders whose import no longer runs. The lock is held.
fn sweep_work(lake: &Lake) -> Result<()> {
    let tmp = lake.tmp();
    let io_error = |source| Error::Io { path: tmp.clone(), source };
    for entry in fs::read_dir(&tmp).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(WORK_PREFIX) {
            let dead = match File::open(entry.path().join(WORK_LOCK)) {
                Ok(lock) => lock.try_lock().is_ok(),
                // Made and locked under the lake's lock, so a folder without one is of no running import.
                Err(_) => true,
            };
            if dead {
                // Another process may be at it too.
                let _ = fs::remove_dir_all(entry.path());
            }
        } else if name.starts_with(NEW_PREFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Makes and locks a folder for an import. It is deleted when dropped.
pub(crate) fn work_folder(lake: &Lake) -> Result<(tempfile::TempDir, File)> {
    let _lock = Lock::take(lake)?;
    let tmp = lake.tmp();
    let io_error = |source| Error::Io { path: tmp.clone(), source };
    let folder = tempfile::Builder::new().prefix(WORK_PREFIX).tempdir_in(&tmp).map_err(io_error)?;
    let lock = File::create(folder.path().join(WORK_LOCK)).map_err(io_error)?;
    match lock.try_lock() {
        Ok(()) => Ok((folder, lock)),
        Err(TryLockError::Error(source)) => Err(io_error(source)),
        Err(TryLockError::WouldBlock) => Err(io_error(io::ErrorKind::ResourceBusy.into())),
    }
}

/// The lake's lock; given back when dropped or when the process dies.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(lake: &Lake) -> Result<Self> {
        let tmp = lake.tmp();
        let path = tmp.join("lock");
        let io_error = |source| Error::Io { path: path.clone(), source };
        let permissions = Permissions::of(lake)?;
        permissions.make_folder(&tmp).map_err(io_error)?;
        let is_new = !path.exists();
        let file = File::options().create(true).append(true).open(&path).map_err(io_error)?;
        if is_new {
            // Another process may have made it; then it does the same.
            let _ = permissions.apply(&path);
        }
        file.lock().map_err(io_error)?;
        Ok(Self { _file: file })
    }
}

const NEW_PREFIX: &str = "new-";

/// Writes JSON to a temporary name, syncs it and renames it to `path`: there whole, or not at all. The lock is held:
/// whoever has it may sweep temporary names away.
pub(crate) fn write_synced(lake: &Lake, path: &Path, content: &impl Serialize) -> Result<()> {
    let io_error = |source| Error::Io { path: path.to_owned(), source };
    let mut file = tempfile::Builder::new().prefix(NEW_PREFIX).tempfile_in(lake.tmp()).map_err(io_error)?;
    let text = serde_json::to_vec_pretty(content).map_err(|error| io_error(error.into()))?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(io_error)?;
    Permissions::of(lake)?.apply(file.path()).map_err(io_error)?;
    file.persist(path).map_err(|error| io_error(error.error))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> Result<()> {
    let result = File::open(folder).and_then(|folder| folder.sync_all());
    result.map_err(|source| Error::Io { path: folder.to_owned(), source })
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
