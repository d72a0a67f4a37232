//! Dumps of a folder to a store: all files, then the manifest.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    sync::atomic::Ordering,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::FuturesUnordered};
use heaplake_store::{ImportProgress, LakeFolder, LakePath, OutgoingDump, OutgoingFile, Phase};
use object_store::{MultipartUpload, PutMultipartOptions, PutPayload, UploadPart};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Error, RemoteDump, RemoteLake, Result,
    lake::State,
    requests::{ObjectFacts, Put, Waits, attributes, until_cancelled},
};

/// Bytes of a part of a large file, and of the largest file that is sent in one piece.
const PART_BYTES: u64 = 8 << 20;
/// Parts that a store accepts for one object, with some room.
const MAX_PARTS: u64 = 9_000;
/// Files that are sent at the same time, and parts of each.
const FILES_AT_ONCE: usize = 3;
const PARTS_AT_ONCE: usize = 3;

/// The result of sending a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// The lake had the same dump already.
    pub was_there: bool,
    /// Files that were sent, and their bytes.
    pub n_sent: u64,
    /// Bytes of these.
    pub sent_bytes: u64,
    /// Files that were there already: of a push that did not end, or because the dump was.
    pub n_kept: u64,
    /// Side files that the lake has in another version, which stayed.
    pub n_other: u64,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileOutcome {
    Sent,
    Kept,
    /// The store has another one, which stays.
    Other,
}

impl RemoteLake {
    /// Sends a dump. Stopped at any moment, it leaves the dump there whole, or not at all; files that it has sent are found again by
    /// the next attempt. `replace` allows it to take the place of another dump of the same name.
    pub fn push(&self, dump: &OutgoingDump, replace: bool, progress: &ImportProgress) -> Result<Pushed> {
        let bytes = dump.files.iter().chain(&dump.side_files).map(|file| file.bytes).sum();
        progress.total_bytes.store(bytes, Ordering::Relaxed);
        progress.enter(Phase::Copying);
        self.runtime.block_on(until_cancelled(self.send(dump, replace, progress), &progress.cancel))
    }

    /// Sends what has changed in a dump since it was received: `before` is what it was then. An error if the lake has another one by
    /// now.
    pub fn push_change(
        &self,
        dump: &OutgoingDump,
        before: &RemoteDump,
        progress: &ImportProgress,
    ) -> Result<Pushed> {
        progress.enter(Phase::Copying);
        let sending = async {
            let id = &dump.manifest.id;
            match self.state(id).await? {
                State::Dump(there) if there.text == before.text => {
                    self.send_over(dump, &State::Dump(there), true, progress).await
                }
                _ => Err(Error::DumpChanged(id.clone())),
            }
        };
        self.runtime.block_on(until_cancelled(sending, &progress.cancel))
    }

    async fn send(&self, dump: &OutgoingDump, replace: bool, progress: &ImportProgress) -> Result<Pushed> {
        let state = self.state(&dump.manifest.id).await?;
        self.send_over(dump, &state, replace, progress).await
    }

    /// Sends a dump to where `state` is.
    async fn send_over(
        &self,
        dump: &OutgoingDump,
        state: &State,
        replace: bool,
        progress: &ImportProgress,
    ) -> Result<Pushed> {
        let id = &dump.manifest.id;
        let was_there = matches!(state, State::Dump(there) if there.text == dump.text);
        if matches!(state, State::Dump(_)) && !was_there && !replace {
            return Err(self.exists(id));
        }
        let sending = Sending { lake: self, progress };
        // Layers and names follow the commit: unlike indexes, their paths are not of this import alone.
        let indexes = format!("{}/", LakeFolder::indexes(id));
        let (indexes, others): (Vec<_>, Vec<_>) =
            dump.side_files.iter().partition(|file| file.path.as_str().starts_with(&indexes));
        // Also of a dump that is there: what it has lost since is sent again.
        let mut outcomes = sending.all(&dump.files, Existing::Replace).await?;
        let existing = if was_there && !replace { Existing::Keep } else { Existing::Replace };
        outcomes.extend(sending.all(indexes, existing).await?);
        if !was_there {
            self.commit(dump, state, replace).await?;
            // A sweep may have deleted what an earlier push had sent, in the moment before the commit.
            if outcomes.iter().any(|(outcome, _)| *outcome == FileOutcome::Kept) {
                sending.all(&dump.files, Existing::Replace).await?;
            }
        }
        let existing = if replace { Existing::Replace } else { Existing::Keep };
        outcomes.extend(sending.all(others, existing).await?);
        let of = |wanted| outcomes.iter().filter(move |(outcome, _)| *outcome == wanted);
        Ok(Pushed {
            was_there,
            n_sent: of(FileOutcome::Sent).count() as u64,
            sent_bytes: of(FileOutcome::Sent).map(|(_, bytes)| bytes).sum(),
            n_kept: of(FileOutcome::Kept).count() as u64,
            n_other: of(FileOutcome::Other).count() as u64,
        })
    }

    async fn commit(&self, dump: &OutgoingDump, before: &State, replace: bool) -> Result<()> {
        let id = &dump.manifest.id;
        let text = Bytes::copy_from_slice(&dump.text);
        match self.requests.put_if(&LakePath::manifest(id), text, before.version()).await? {
            Put::Done => Ok(()),
            Put::Refused(Some(_)) if !replace && matches!(before, State::Absent) => Err(self.exists(id)),
            Put::Refused(_) => Err(Error::DumpChanged(id.clone())),
        }
    }
}

/// Sends the files of a dump.
struct Sending<'s> {
    lake: &'s RemoteLake,
    progress: &'s ImportProgress,
}

/// What to do with another file of the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Replace,
}

impl Sending<'_> {
    async fn all(
        &self,
        files: impl IntoIterator<Item = &OutgoingFile>,
        existing: Existing,
    ) -> Result<Vec<(FileOutcome, u64)>> {
        let sent =
            stream::iter(files).map(|file| async move { Ok((self.file(file, existing).await?, file.bytes)) });
        sent.buffer_unordered(FILES_AT_ONCE).try_collect().await
    }

    async fn file(&self, file: &OutgoingFile, existing: Existing) -> Result<FileOutcome> {
        let xxh3 = match &file.xxh3 {
            Some(xxh3) => xxh3.clone(),
            None => checksum(file, self.progress)?,
        };
        let (mut waits, mut was_tried) = (Waits::new(), false);
        loop {
            if self.progress.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let found = self.lake.requests.head(file.path.as_str()).await?;
            match found {
                Some(found) if is_same(&found, file, &xxh3) => {
                    self.progress.bytes_read.fetch_add(file.bytes, Ordering::Relaxed);
                    return Ok(if was_tried { FileOutcome::Sent } else { FileOutcome::Kept });
                }
                Some(_) if existing == Existing::Keep && !was_tried => return Ok(FileOutcome::Other),
                _ => {}
            }
            was_tried = true;
            let sent = match file.bytes <= PART_BYTES {
                true => self.in_one_piece(file, &xxh3).await,
                false => self.in_parts(file, &xxh3).await,
            };
            match sent {
                Ok(()) => return Ok(FileOutcome::Sent),
                // Perhaps only the answer was lost: what is there says so.
                Err(Error::Request { .. } | Error::Missing(_) | Error::Damaged { .. })
                    if waits.pause().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn in_one_piece(&self, file: &OutgoingFile, xxh3: &str) -> Result<()> {
        let content = read_at(file, 0, file.bytes)?;
        let mut hash = Xxh3::new();
        hash.update(&content);
        check(file, &hash, xxh3)?;
        self.lake.requests.put(file.path.as_str(), content, Some(xxh3)).await?;
        self.progress.bytes_read.fetch_add(file.bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Sends a file in parts. The store makes an object of them when the upload is completed.
    async fn in_parts(&self, file: &OutgoingFile, xxh3: &str) -> Result<()> {
        let requests = &self.lake.requests;
        let options = PutMultipartOptions { attributes: attributes(Some(xxh3)), ..Default::default() };
        let key = requests.key(file.path.as_str());
        let upload = requests.store().put_multipart_opts(&key, options).await;
        let mut upload = upload.map_err(|error| requests.error(file.path.as_str(), &error))?;
        let mut at = 0;
        let sent = self.parts(file, xxh3, &mut *upload, &mut at).await;
        if sent.is_err() {
            self.progress.bytes_read.fetch_sub(at, Ordering::Relaxed);
            // The store deletes the parts, or else its rule for uploads that did not end does.
            let _ = upload.abort().await;
        }
        sent
    }

    /// `at` is how far the file is sent.
    async fn parts(
        &self,
        file: &OutgoingFile,
        xxh3: &str,
        upload: &mut dyn MultipartUpload,
        at: &mut u64,
    ) -> Result<()> {
        let requests = &self.lake.requests;
        let failed = |error| requests.error(file.path.as_str(), &error);
        let part_bytes = PART_BYTES.max(file.bytes.div_ceil(MAX_PARTS));
        let mut under_way: FuturesUnordered<UploadPart> = FuturesUnordered::new();
        let mut hash = Xxh3::new();
        while *at < file.bytes {
            if self.progress.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let part = read_at(file, *at, part_bytes.min(file.bytes - *at))?;
            hash.update(&part);
            *at += part.len() as u64;
            self.progress.bytes_read.fetch_add(part.len() as u64, Ordering::Relaxed);
            if under_way.len() >= PARTS_AT_ONCE {
                under_way.try_next().await.map_err(failed)?;
            }
            under_way.push(upload.put_part(PutPayload::from_bytes(part)));
        }
        while under_way.try_next().await.map_err(failed)?.is_some() {}
        check(file, &hash, xxh3)?;
        upload.complete().await.map(drop).map_err(failed)
    }
}

fn is_same(found: &ObjectFacts, file: &OutgoingFile, xxh3: &str) -> bool {
    found.bytes == file.bytes && found.xxh3.as_deref() == Some(xxh3)
}

/// Reads `n_bytes` bytes of a file; an error if it is shorter.
fn read_at(file: &OutgoingFile, at: u64, n_bytes: u64) -> Result<Bytes> {
    let mut content = Vec::new();
    let mut reader = &file.file;
    let read = reader.seek(SeekFrom::Start(at)).and_then(|_| reader.take(n_bytes).read_to_end(&mut content));
    match read {
        Ok(n_read) if n_read as u64 == n_bytes => Ok(content.into()),
        Ok(_) => Err(damaged(file, "it became shorter while it was read")),
        Err(source) => Err(Error::Read { file: file.stored.path().display().to_string(), source }),
    }
}

/// The checksum of a file whose manifest has none.
fn checksum(file: &OutgoingFile, progress: &ImportProgress) -> Result<String> {
    let (mut hash, mut at) = (Xxh3::new(), 0);
    while at < file.bytes {
        if progress.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let part = read_at(file, at, PART_BYTES.min(file.bytes - at))?;
        hash.update(&part);
        at += part.len() as u64;
    }
    Ok(hex(&hash))
}

/// Refuses bytes that are not those of the manifest, before the store makes an object of them.
fn check(file: &OutgoingFile, hash: &Xxh3, xxh3: &str) -> Result<()> {
    if hex(hash) == xxh3 { Ok(()) } else { Err(damaged(file, "its checksum is not that of the manifest")) }
}

fn damaged(file: &OutgoingFile, what: &str) -> Error {
    heaplake_store::Error::Damaged { path: file.stored.path().to_owned(), what: what.to_owned() }.into()
}

/// A checksum as manifests have it.
pub(crate) fn hex(hash: &Xxh3) -> String {
    format!("{:032x}", hash.digest128())
}
