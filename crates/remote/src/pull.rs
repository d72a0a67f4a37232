//! Dumps of a store to a folder: everything goes into a work folder of the lake, is checked there, and is put into the lake in
//! one transaction.

use std::{io::Write as _, sync::atomic::Ordering};

use heaplake_store::{ImportProgress, IncomingDump, Lake, LakeFolder, LakePath, Manifest, Phase, side_file};

use crate::{
    Error, RemoteDump, RemoteLake, Result,
    download::Wanted,
    requests::{ObjectFacts, until_cancelled},
};

/// The result of receiving a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// The folder had the same dump already; nothing was received.
    pub was_there: bool,
    /// Files that were received.
    pub n_files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl RemoteLake {
    /// Receives a dump into a folder. Bytes whose checksum is not that of the manifest are an error, after which the folder is as it
    /// was. `replace` allows it to take the place of another dump of the same name.
    pub fn pull(
        &self,
        dump: &RemoteDump,
        lake: &Lake,
        replace: bool,
        progress: &ImportProgress,
    ) -> Result<Pulled> {
        let id = &dump.manifest.id;
        match lake.manifest_text(id)? {
            Some(text) if dump.text == text => return Ok(Pulled { was_there: true, n_files: 0, bytes: 0 }),
            Some(_) if !replace => return Err(exists(lake, dump)),
            _ => {}
        }
        let mut incoming = lake
            .incoming(id, dump.text.to_vec())?
            .map_err(|fault| Error::faulty(self.requests.name(LakePath::manifest(id).as_str()), fault))?;
        progress.enter(Phase::Copying);
        let receiving = self.receive(dump, &mut incoming, progress);
        let pulled = self.runtime.block_on(until_cancelled(receiving, &progress.cancel))?;
        progress.enter(Phase::Committing);
        match incoming.commit(replace) {
            Err(heaplake_store::Error::DumpExists(_)) => Err(exists(lake, dump)),
            committed => Ok(committed.map(|()| pulled)?),
        }
    }

    async fn receive(
        &self,
        dump: &RemoteDump,
        incoming: &mut IncomingDump,
        progress: &ImportProgress,
    ) -> Result<Pulled> {
        let manifest = &dump.manifest;
        let named: Vec<Wanted> = manifest.files.iter().map(Wanted::of_entry).collect();
        let side_files = self.side_files(manifest).await?;
        let bytes = named.iter().chain(&side_files).map(|wanted| wanted.bytes).sum();
        progress.total_bytes.store(bytes, Ordering::Relaxed);
        for wanted in named.iter().chain(&side_files) {
            self.receive_file(wanted, incoming, progress).await?;
        }
        let n_files = (named.len() + side_files.len()) as u64;
        side_files.into_iter().for_each(|wanted| incoming.add_side_file(wanted.path));
        Ok(Pulled { was_there: false, n_files, bytes })
    }

    /// Indexes, layers and names of a dump.
    async fn side_files(&self, manifest: &Manifest) -> Result<Vec<Wanted>> {
        let id = &manifest.id;
        let mut objects = self.requests.list(&LakeFolder::indexes(id)).await?;
        objects.extend(self.requests.list(&LakeFolder::layers(id)).await?);
        let names = LakePath::names(id);
        let paths = objects.iter().map(|object: &ObjectFacts| object.path.as_str());
        let mut wanted = Vec::new();
        for path in paths.chain([names.as_str()]) {
            let Some(path) = side_file(path, manifest) else { continue };
            // A listing does not have the checksum.
            if let Some(facts) = self.requests.head(path.as_str()).await? {
                wanted.push(Wanted { path, bytes: facts.bytes, xxh3: facts.xxh3, e_tag: facts.e_tag });
            }
        }
        Ok(wanted)
    }

    async fn receive_file(
        &self,
        wanted: &Wanted,
        incoming: &IncomingDump,
        progress: &ImportProgress,
    ) -> Result<()> {
        let mut file = incoming.create(&wanted.path)?;
        let received = self.download(wanted, &progress.cancel, |part| {
            progress.bytes_read.fetch_add(part.len() as u64, Ordering::Relaxed);
            Ok(file.write_all(part).map_err(|source| incoming.io_error(&wanted.path, source))?)
        });
        received.await?;
        Ok(file.sync_all().map_err(|source| incoming.io_error(&wanted.path, source))?)
    }
}

fn exists(lake: &Lake, dump: &RemoteDump) -> Error {
    Error::DumpExists { lake: lake.path().display().to_string(), dump: dump.manifest.id.clone() }
}
