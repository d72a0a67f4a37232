//! Which old dumps are pruned, and what that frees.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use heaplake_store::{Lake, Manifest};

use crate::{Error, Result};

/// The question: which dumps are too old or too many. One of `older_than` and `keep_last` is given.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    /// Dumps taken longer ago than this are pruned.
    pub older_than: Option<TimeDelta>,
    /// All but the newest so many are pruned.
    pub keep_last: Option<u32>,
    /// With `keep_last`: so many of each value of this tag; dumps without the tag are a group of their own.
    pub per: Option<String>,
    /// Only objects and references go; the summaries stay, so that trends do.
    pub keep_summaries: bool,
}

/// A dump that is pruned.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// The dump as it is before.
    pub manifest: Arc<Manifest>,
    /// Bytes of tables that this frees.
    pub table_bytes: u64,
    /// Bytes of its graph index that this frees, those of its layers among them.
    pub index_bytes: u64,
}

impl Prune {
    /// The dumps of some that are to be pruned, oldest first; `dumps` is in the order in which they were taken.
    pub fn plan(&self, dumps: &[Arc<Manifest>], lake: &Lake, now: DateTime<Utc>) -> Result<Vec<Pruned>> {
        if let Some(key) = self.per.as_ref().filter(|key| dumps.iter().all(|dump| dump.tag(key).is_none())) {
            return Err(Error::Invalid(format!("none of these dumps has a tag {key:?}")));
        }
        // A dump that is pruned already has nothing more to give but its summaries.
        let selected = self.selected(dumps, now).into_iter();
        let selected = selected.filter(|manifest| !self.keep_summaries || manifest.pruned.is_none());
        Ok(selected
            .map(|manifest| {
                let kept = if self.keep_summaries { manifest.summary_bytes() } else { 0 };
                let table_bytes = manifest.stored_bytes().saturating_sub(kept);
                Pruned { table_bytes, index_bytes: lake.index_bytes(&manifest), manifest }
            })
            .collect())
    }

    /// Prunes a dump of the plan, unless it was replaced or removed meanwhile.
    pub fn apply(&self, pruned: &Pruned, lake: &Lake) -> Result<()> {
        match self.keep_summaries {
            true => drop(lake.prune(&pruned.manifest)?),
            false => lake.remove_unchanged(&pruned.manifest)?,
        }
        Ok(())
    }

    fn selected(&self, dumps: &[Arc<Manifest>], now: DateTime<Utc>) -> Vec<Arc<Manifest>> {
        if let Some(age) = self.older_than {
            return dumps.iter().filter(|manifest| now - manifest.taken > age).cloned().collect();
        }
        let keep = self.keep_last.unwrap_or(u32::MAX) as usize;
        let mut n_newer: BTreeMap<Option<String>, usize> = BTreeMap::new();
        let mut selected: Vec<Arc<Manifest>> = dumps
            .iter()
            .rev()
            .filter(|manifest| {
                let value = self.per.as_ref().and_then(|key| manifest.tag(key));
                let n_newer = n_newer.entry(value).or_default();
                *n_newer += 1;
                *n_newer > keep
            })
            .cloned()
            .collect();
        selected.reverse();
        selected
    }
}
