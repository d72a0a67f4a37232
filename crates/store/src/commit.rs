//! Changes of the lake as transactions: the commit of an import, the removal of a dump, and the recovery of those that were
//! interrupted.
//!
//! A process that changes the lake holds the lock, and first writes a journal: the dump, and every file that may be added or
//! deleted. Then files are moved in, the manifest is renamed into place (from this instant on the dump exists), replaced files
//! are deleted, and so is the journal. A journal that exists while nobody holds the lock is of a process that died: those of
//! its files that the manifest does not name are deleted.

use std::{collections::HashSet, io, path::Path};

use heaplake_model::{DumpId, schema::Table};
use serde::{Deserialize, Serialize};

use crate::{
    Access, DumpEdit, Error, FileEntry, Lake, Manifest, Result, TakenFrom,
    lake::{self, LakeFolder, LakePath, Lock, WorkFolder, is_file_of, is_index_file_of, json_text},
    manifest::now,
};

/// What changes a lake as a whole.
impl Lake {
    /// Opens a lake to write to it, and makes one if there is none.
    pub fn open_or_create(path: &Path, access: Access) -> Result<Self> {
        if let Err(Error::NotALake(_)) = Self::open(path) {
            lake::create(path, access)?;
        }
        Self::open_to_write(path)
    }

    /// Opens a lake to write to it, and removes what dead imports have left.
    pub fn open_to_write(path: &Path) -> Result<Self> {
        let lake = Self::open(path)?;
        recover(&lake)?;
        Ok(lake)
    }

    /// Removes a dump. Queries that already read it go on.
    pub fn remove(&self, id: &DumpId) -> Result<()> {
        remove(self, id, None)
    }

    /// Removes objects, references and index of a dump in one transaction, if it is still the one of the manifest; its
    /// summaries stay. Queries that already read it go on. Returns its manifest as it is now.
    pub fn prune(&self, manifest: &Manifest) -> Result<Manifest> {
        prune(self, manifest)
    }

    /// Removes a dump if it is still the one of the manifest.
    pub fn remove_unchanged(&self, manifest: &Manifest) -> Result<()> {
        remove(self, &manifest.id, Some(&manifest.files))
    }

    /// Changes the tags of a dump, and when it was taken. Returns its manifest as it is now.
    pub fn state(&self, id: &DumpId, edit: &DumpEdit) -> Result<Manifest> {
        state(self, id, edit)
    }
}

/// How often a change is made anew because another process has changed the dump.
const RIVALS: u32 = 20;

#[derive(Serialize, Deserialize)]
struct Journal {
    dump: DumpId,
    files: Vec<FileEntry>,
}

/// Moves the files of `work` (each named as the last part of its entry's path) into the lake and writes the manifest.
///
/// This is the commit of a lake that is a folder. One in an object store needs neither lock nor journal: see the crate
/// `remote`.
pub(crate) fn commit(lake: &Lake, manifest: &Manifest, work: &WorkFolder, replace: bool) -> Result<()> {
    commit_change(lake, &with_index(lake, manifest, work)?, replace)
}

/// The change to a manifest whose new files are in `work`, perhaps with a graph index.
fn with_index<'c>(lake: &Lake, manifest: &'c Manifest, work: &'c WorkFolder) -> Result<Change<'c>> {
    // The index is a cache: it may be missing, and need not be synced.
    let index = LakePath::index(manifest);
    let caches = if work.has(index.name()) { vec![index] } else { Vec::new() };
    Ok(Change { caches, ..Change::new(lake, manifest, Some(work))? })
}

/// Moves the files of a change into the lake and writes its manifest.
pub(crate) fn commit_change(lake: &Lake, change: &Change<'_>, replace: bool) -> Result<()> {
    let lock = Lock::take(lake)?;
    recover_journal(lake, &lock)?;
    let id = &change.manifest.id;
    let old = lake.find_manifest(id)?;
    if old.is_some() && !replace {
        return Err(Error::DumpExists(id.clone()));
    }
    exchange(lake, &lock, old, change)
}

/// A manifest that is to be written, with what comes into the lake with it.
pub(crate) struct Change<'c> {
    pub(crate) manifest: &'c Manifest,
    /// The text of its file.
    pub(crate) text: Vec<u8>,
    /// Where the files are that are not in the lake yet.
    pub(crate) work: Option<&'c WorkFolder>,
    /// Files of `work` that the manifest does not name.
    pub(crate) caches: Vec<LakePath>,
}

impl<'c> Change<'c> {
    fn new(lake: &Lake, manifest: &'c Manifest, work: Option<&'c WorkFolder>) -> Result<Self> {
        let to = lake.at(&LakePath::manifest(&manifest.id));
        let text = json_text(manifest).map_err(|error| to.io_error(error.into()))?;
        Ok(Self { manifest, text, work, caches: Vec::new() })
    }
}

/// Replaces a manifest. Files that the new one does not share with the old one are in `work`. Tags and the time that were
/// changed meanwhile stay. Returns the manifest that is now in the lake.
pub(crate) fn replace(lake: &Lake, old: &Manifest, new: Manifest, work: &WorkFolder) -> Result<Manifest> {
    let lock = Lock::take(lake)?;
    recover_journal(lake, &lock)?;
    match lake.find_manifest(&old.id)? {
        Some(found) if found.files == old.files => {
            let new = Manifest {
                tags: found.tags.clone(),
                process: found.process.clone(),
                taken: found.taken,
                taken_from: found.taken_from,
                ..new
            };
            exchange(lake, &lock, Some(found), &with_index(lake, &new, work)?)?;
            Ok(new)
        }
        _ => Err(Error::DumpChanged(old.id.clone())),
    }
}

/// Removes objects, references and index of a dump, and keeps its summaries. Returns the manifest that is now in the lake.
pub(crate) fn prune(lake: &Lake, manifest: &Manifest) -> Result<Manifest> {
    let pruned = |found: &Manifest| {
        let mut new = found.clone();
        new.files.retain(|file| file.table.is_summary());
        new.pruned = Some(now());
        new
    };
    if lake.is_copy() {
        return change_elsewhere(lake, &manifest.id, |found| match found.files == manifest.files {
            true => Ok(pruned(&found)),
            false => Err(Error::DumpChanged(manifest.id.clone())),
        });
    }
    let lock = Lock::take(lake)?;
    recover_journal(lake, &lock)?;
    let found = match lake.find_manifest(&manifest.id)? {
        Some(found) if found.files == manifest.files => found,
        _ => return Err(Error::DumpChanged(manifest.id.clone())),
    };
    let new = pruned(&found);
    exchange(lake, &lock, Some(found), &Change::new(lake, &new, None)?)?;
    Ok(new)
}

/// Changes what the user says about a dump. Returns the manifest that is now in the lake.
pub(crate) fn state(lake: &Lake, id: &DumpId, edit: &DumpEdit) -> Result<Manifest> {
    if lake.is_copy() {
        return change_elsewhere(lake, id, |manifest| Ok(edited(manifest, edit)));
    }
    let lock = Lock::take(lake)?;
    recover_journal(lake, &lock)?;
    let Some(manifest) = lake.find_manifest(id)? else { return Err(lake.unknown(id)?) };
    let manifest = edited(manifest, edit);
    lake.replace(&lock, &LakePath::manifest(id), &manifest)?;
    Ok(manifest)
}

fn edited(mut manifest: Manifest, edit: &DumpEdit) -> Manifest {
    manifest.tags.retain(|key, _| !edit.unset.contains(key));
    edit.unset.iter().for_each(|key| manifest.process.forget(key));
    manifest.tags.extend(edit.tags.clone());
    if let Some(taken) = edit.taken {
        (manifest.taken, manifest.taken_from) = (taken, TakenFrom::User);
    }
    manifest
}

/// Changes a manifest of the lake elsewhere that this folder copies: there is no lock, but a manifest that is replaced only if it
/// is still the one that was read. If it is not, the change is made to the one that is there now.
fn change_elsewhere(
    lake: &Lake,
    id: &DumpId,
    change: impl Fn(Manifest) -> Result<Manifest>,
) -> Result<Manifest> {
    let path = LakePath::manifest(id);
    for _ in 0..RIVALS {
        let Some(before) = lake.read(&path)? else { return Err(lake.unknown(id)?) };
        let found = Manifest::parse(&before, id).map_err(|fault| lake.at(&path).faulty(fault))?;
        let new = change(found)?;
        let after = json_text(&new).map_err(|error| lake.at(&path).io_error(error.into()))?;
        if lake.write_elsewhere(&path, Some(&before), &after)? {
            return Ok(new);
        }
    }
    Err(Error::DumpChanged(id.clone()))
}

/// Moves a cache file of a dump into the lake, if the dump is still the same. It need not be synced.
pub(crate) fn install(lake: &Lake, manifest: &Manifest, work: &WorkFolder, to: &LakePath) -> Result<()> {
    let lock = Lock::take(lake)?;
    match lake.find_manifest(&manifest.id)? {
        Some(found) if found.files == manifest.files => lake.move_in(&lock, work, to),
        _ => Err(Error::DumpChanged(manifest.id.clone())),
    }
}

/// Replaces a manifest by another.
fn exchange(lake: &Lake, lock: &Lock, old: Option<Manifest>, change: &Change<'_>) -> Result<()> {
    let old_files = old.map(|old| old.files).unwrap_or_default();
    let files = change.manifest.files.iter().chain(&old_files).cloned().collect();
    let journal = Journal { dump: change.manifest.id.clone(), files };
    let result = write_journal(lake, lock, &journal).and_then(|()| move_in(lake, lock, change));
    // Deletes the old files after a success, the new ones after a failure.
    recover_journal(lake, lock)?;
    result
}

/// Removes a dump: the manifest first, then its files. If `files` are given, only if the dump still has these.
pub(crate) fn remove(lake: &Lake, id: &DumpId, files: Option<&[FileEntry]>) -> Result<()> {
    if lake.is_copy() {
        return remove_elsewhere(lake, id, files);
    }
    let lock = Lock::take(lake)?;
    recover_journal(lake, &lock)?;
    let manifest = match lake.find_manifest(id) {
        Ok(found) if files.is_some_and(|files| found.as_ref().is_none_or(|found| found.files != files)) => {
            return Err(Error::DumpChanged(id.clone()));
        }
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(lake.unknown(id)?),
        Err(Error::Damaged { .. }) => return remove_damaged(lake, &lock, id),
        Err(error) => return Err(error),
    };
    write_journal(lake, &lock, &Journal { dump: id.clone(), files: manifest.files })?;
    lake.remove_file(&lock, &LakePath::manifest(id))?;
    lake.sync(&LakeFolder::manifests())?;
    recover_journal(lake, &lock)
}

/// Removes a dump of the lake elsewhere that this folder copies. Its files are swept there.
fn remove_elsewhere(lake: &Lake, id: &DumpId, files: Option<&[FileEntry]>) -> Result<()> {
    let path = LakePath::manifest(id);
    let Some(before) = lake.read(&path)? else { return Err(lake.unknown(id)?) };
    let found = Manifest::parse(&before, id).map_err(|fault| lake.at(&path).faulty(fault))?;
    let is_same = files.is_none_or(|files| found.files == files);
    match is_same && lake.remove_elsewhere(id, &before)? {
        true => Ok(()),
        false => Err(Error::DumpChanged(id.clone())),
    }
}

/// Removes a dump whose manifest cannot be read, with everything in its folders.
fn remove_damaged(lake: &Lake, lock: &Lock, id: &DumpId) -> Result<()> {
    lake.remove_file(lock, &LakePath::manifest(id))?;
    for table in Table::ALL {
        lake.remove_folder(lock, &LakeFolder::table(table, id))?;
    }
    remove_stale_indexes(lake, lock, id, None);
    lake.sync(&LakeFolder::manifests())
}

/// Removes what processes that died have left.
pub(crate) fn recover(lake: &Lake) -> Result<()> {
    let lock = Lock::take(lake)?;
    recover_journal(lake, &lock)?;
    lake.sweep_work(&lock)
}

fn move_in(lake: &Lake, lock: &Lock, change: &Change<'_>) -> Result<()> {
    for file in &change.manifest.files {
        let to = LakePath::of_entry(file);
        match change.work.filter(|work| work.has(to.name())) {
            Some(work) => lake.move_in(lock, work, &to)?,
            // Shared with the manifest that is replaced.
            None if lake.has(&to) => continue,
            None => return Err(lake.at(&to).io_error(io::ErrorKind::NotFound.into())),
        }
        to.folder().map_or(Ok(()), |folder| lake.sync(&folder))?;
    }
    if let Some(work) = change.work {
        change.caches.iter().try_for_each(|cache| lake.move_in(lock, work, cache))?;
    }
    lake.replace_text(lock, &LakePath::manifest(&change.manifest.id), &change.text)
}

fn write_journal(lake: &Lake, lock: &Lock, journal: &Journal) -> Result<()> {
    lake.replace(lock, &LakePath::journal(), journal)
}

/// Deletes the files of the journal that no manifest names, then the journal.
fn recover_journal(lake: &Lake, lock: &Lock) -> Result<()> {
    let path = LakePath::journal();
    let journal = lake.read_json(&path, "it is not a journal")?;
    let Some(Journal { dump, files }) = journal else { return Ok(()) };
    if let Some(stray) = files.iter().find(|file| !is_file_of(&file.path, file.table, &dump)) {
        let what = format!("it names a file that is not of the dump: {:?}", stray.path);
        return Err(lake.at(&path).damaged(what));
    }
    let manifest = lake.find_manifest(&dump)?;
    let kept: HashSet<&str> = manifest.iter().flat_map(|m| &m.files).map(|file| file.path.as_str()).collect();
    for file in files.iter().filter(|file| !kept.contains(file.path.as_str())) {
        lake.remove_file(lock, &LakePath::of_entry(file))?;
        lake.remove_empty_folder(lock, &LakeFolder::table(file.table, &dump));
    }
    remove_stale_indexes(lake, lock, &dump, manifest.as_ref());
    lake.remove_file(lock, &path).map(drop)
}

/// Deletes the files in the index folder of a dump that do not belong to its present tables.
fn remove_stale_indexes(lake: &Lake, lock: &Lock, id: &DumpId, manifest: Option<&Manifest>) {
    let manifest = manifest.filter(|manifest| manifest.pruned.is_none());
    let folder = LakeFolder::indexes(id);
    // Remaining files of a cache do no harm.
    for name in lake.list(&folder).ok().flatten().unwrap_or_default() {
        if !manifest.is_some_and(|manifest| is_index_file_of(&name, manifest)) {
            let _ = lake.remove_file(lock, &folder.file(&name));
        }
    }
    lake.remove_empty_folder(lock, &folder);
    if manifest.is_none() {
        let _ = lake.remove_folder(lock, &LakeFolder::layers(id));
        let _ = lake.remove_file(lock, &LakePath::names(id));
    }
}
