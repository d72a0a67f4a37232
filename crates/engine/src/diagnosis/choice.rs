//! Which dumps a diagnosis is of when nobody says it: the newest with the earlier ones of its process, else of its service.

use std::sync::Arc;

use heaplake_store::{Manifest, Manifests};

use crate::{Error, Result};

/// The dumps of a diagnosis, oldest first, and why these.
#[derive(Debug, Clone)]
pub struct DumpChoice {
    /// The dumps.
    pub dumps: Vec<Arc<Manifest>>,
    /// Why these.
    pub reason: ChoiceReason,
}

/// Why dumps belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChoiceReason {
    /// They are of one process: machine and process id.
    Process {
        /// Name of the machine.
        host: String,
        /// Process id.
        pid: u64,
    },
    /// They have the same value of a tag.
    Tag {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Nothing says what other dump belongs to the newest.
    OnlyNewest,
}

/// Tags that say which dumps are of one service.
const SERVICE_TAGS: [&str; 4] = ["service", "app", "job", "name"];

/// Chooses dumps of a lake that belong to one of it and were not taken after it; pruned ones have nothing to look at.
pub fn choose_dumps(manifests: &Manifests, newest: &Manifest) -> Result<DumpChoice> {
    let is_asked = |manifest: &Manifest| manifest.pruned.is_none() && manifest.by_age(newest).is_le();
    let all: Vec<&Arc<Manifest>> = manifests.all()?.iter().filter(|manifest| is_asked(manifest)).collect();
    let newest = *all.last().ok_or(Error::NoDumps)?;
    let with = |passes: &dyn Fn(&Manifest) -> bool| -> Vec<Arc<Manifest>> {
        all.iter().filter(|manifest| passes(manifest)).map(|manifest| (*manifest).clone()).collect()
    };
    if let Some((host, pid)) = newest.process.identity() {
        let dumps = with(&|manifest| manifest.process.identity() == Some((host, pid)));
        if dumps.len() > 1 {
            return Ok(DumpChoice { dumps, reason: ChoiceReason::Process { host: host.to_owned(), pid } });
        }
    }
    for key in SERVICE_TAGS {
        let Some(value) = newest.tag(key) else { continue };
        let dumps = with(&|manifest| manifest.tag(key).as_ref() == Some(&value));
        if dumps.len() > 1 {
            return Ok(DumpChoice { dumps, reason: ChoiceReason::Tag { key: key.to_owned(), value } });
        }
    }
    Ok(DumpChoice { dumps: vec![newest.clone()], reason: ChoiceReason::OnlyNewest })
}
