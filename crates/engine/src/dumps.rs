//! The dumps of a session: those of the lake, and which of them bare names and `baseline` mean.

use std::sync::Arc;

use heaplake_store::{Manifest, Manifests};

use crate::{
    Error, Result, SessionOptions,
    catalog::{BASELINE, CURRENT},
    select,
};

/// The dumps that a session sees. A manifest is read when a statement needs it.
#[derive(Debug)]
pub(crate) struct Dumps {
    manifests: Arc<Manifests>,
    /// The dump that was chosen by name; `None` means the newest.
    chosen: Option<Arc<Manifest>>,
    baseline: Option<Arc<Manifest>>,
}

impl Dumps {
    /// Resolves the dumps that the options name.
    pub(crate) fn new(manifests: Arc<Manifests>, options: &SessionOptions) -> Result<Self> {
        let one = |dump: &Option<String>| {
            dump.as_ref().map(|dump| select::select_one(&manifests, dump)).transpose()
        };
        let (chosen, baseline) = (one(&options.dump)?, one(&options.baseline)?);
        Ok(Self { manifests, chosen, baseline })
    }

    /// All manifests of the lake.
    pub(crate) fn manifests(&self) -> &Arc<Manifests> {
        &self.manifests
    }

    /// The dump of bare names; `None` where the lake has no dumps.
    pub(crate) fn current(&self) -> Result<Option<Arc<Manifest>>> {
        match &self.chosen {
            Some(chosen) => Ok(Some(chosen.clone())),
            None => Ok(self.manifests.all()?.last().cloned()),
        }
    }

    /// The dump of the schema `baseline`, if there is one.
    pub(crate) fn baseline(&self) -> Option<&Arc<Manifest>> {
        self.baseline.as_ref()
    }

    /// The dump that a text selects, or the one of bare names.
    pub(crate) fn one(&self, dump: Option<&str>) -> Result<Arc<Manifest>> {
        match dump {
            None | Some(CURRENT) => self.current()?.ok_or(Error::NoDumps),
            Some(BASELINE) => self.baseline.clone().ok_or(Error::NoBaseline),
            Some(name) => select::select_one(&self.manifests, name),
        }
    }
}
