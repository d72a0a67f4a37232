//! Receiving a file: in parts, some of them at the same time, compared with its checksum.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_store::{FileEntry, LakePath};
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, RemoteLake, Result, push::hex};

/// Bytes of one request for a part of a file, and how many of them are under way: what is held in memory.
pub(crate) const PART_BYTES: u64 = 8 << 20;
const PARTS_AT_ONCE: usize = 4;

/// A file to be received.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) path: LakePath,
    pub(crate) bytes: u64,
    pub(crate) xxh3: Option<String>,
    /// What the object has to have, where that is known.
    pub(crate) e_tag: Option<String>,
}

impl Wanted {
    /// A file that a manifest names.
    pub(crate) fn of_entry(entry: &FileEntry) -> Self {
        let xxh3 = Some(entry.xxh3.clone());
        Self { path: LakePath::of_entry(entry), bytes: entry.bytes, xxh3, e_tag: None }
    }
}

impl RemoteLake {
    /// Receives a file, and hands its parts on in order. Bytes whose checksum is not the one that they should have are an error,
    /// after the last part.
    pub(crate) async fn download(
        &self,
        wanted: &Wanted,
        cancel: &AtomicBool,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let starts = (0..wanted.bytes).step_by(PART_BYTES as usize);
        let parts = stream::iter(starts).map(|start| async move {
            let end = wanted.bytes.min(start + PART_BYTES);
            let (part, _) =
                self.requests.get_range(&wanted.path, start..end, wanted.e_tag.as_deref()).await?;
            match part.len() as u64 {
                n_bytes if n_bytes == end - start => Ok(part),
                n_bytes => {
                    let what = format!("it ends at byte {}, not at {}", start + n_bytes, wanted.bytes);
                    Err(self.damaged(&wanted.path, what))
                }
            }
        });
        let mut parts = parts.buffered(PARTS_AT_ONCE);
        let mut hash = Xxh3::new();
        while let Some(part) = parts.try_next().await? {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            hash.update(&part);
            write(&part)?;
        }
        if wanted.xxh3.as_deref().is_some_and(|xxh3| xxh3 != hex(&hash)) {
            let what = "its bytes do not have the checksum that they should have".to_owned();
            return Err(self.damaged(&wanted.path, what));
        }
        Ok(())
    }
}
