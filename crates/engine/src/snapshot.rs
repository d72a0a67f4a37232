//! What a session sees of a lake: its dumps, with their types, and their graph indexes, each read or opened when it is first
//! asked for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use heaplake_store::{
    AnyIndex, BuildLimits, Dump, ImportProgress, Lake, Manifest, Manifests, index_fits, open_or_build,
};

use crate::{Result, dumps::Dumps, select};

/// How paths are searched for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PathPlan {
    /// Over the graph index, or, where there is none and memory does not suffice to build it, by joins.
    #[default]
    Auto,
    /// Over the graph index.
    Index,
    /// By joins over the tables, level by level.
    Join,
}

/// Is told what takes long.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// An index and the dump it is of.
#[derive(Debug)]
pub(crate) struct OpenIndex {
    pub(crate) manifest: Arc<Dump>,
    pub(crate) index: AnyIndex,
}

impl OpenIndex {
    /// The name of a type, by its position in the dump's list of types.
    pub(crate) fn type_name(&self, rank: u32) -> &str {
        self.manifest.types.get(rank as usize).map_or("", |stat| stat.name.as_str())
    }
}

/// A lake as a session sees it.
pub(crate) struct Snapshot {
    of_session: Arc<Dumps>,
    limits: BuildLimits,
    notice: Option<Notice>,
    path_plan: PathPlan,
    /// The layer of the current dump, once it is chosen.
    layer: OnceLock<Arc<OpenIndex>>,
    /// Dumps whose types were asked for.
    dumps: Mutex<HashMap<String, Arc<Dump>>>,
    open: Mutex<HashMap<String, Arc<OpenIndex>>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("of_session", &self.of_session).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn new(
        of_session: Arc<Dumps>,
        limits: BuildLimits,
        notice: Option<Notice>,
        path_plan: PathPlan,
    ) -> Self {
        Self {
            of_session,
            limits,
            notice,
            path_plan,
            layer: OnceLock::new(),
            dumps: Mutex::default(),
            open: Mutex::default(),
        }
    }

    /// The dump that a text selects, or the chosen one.
    pub(crate) fn manifest(&self, dump: Option<&str>) -> Result<Arc<Manifest>> {
        self.of_session.one(dump)
    }

    /// The same with its types.
    pub(crate) fn dump(&self, dump: Option<&str>) -> Result<Arc<Dump>> {
        let manifest = self.manifest(dump)?;
        manifest.check_whole()?;
        self.with_types(&manifest)
    }

    /// A dump with its types, which are read once.
    pub(crate) fn with_types(&self, manifest: &Manifest) -> Result<Arc<Dump>> {
        let mut dumps = self.dumps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = dumps.get(manifest.id.as_str()) {
            return Ok(found.clone());
        }
        let dump = Arc::new(self.lake().dump(manifest.clone())?);
        dumps.insert(manifest.id.as_str().to_owned(), dump.clone());
        Ok(dump)
    }

    /// The dumps that a text selects, in the order in which they were taken.
    pub(crate) fn select(&self, dumps: &str) -> Result<Vec<Arc<Manifest>>> {
        select::select(self.of_session.manifests(), dumps)
    }

    /// Whether some dump has a type whose name passes.
    pub(crate) fn has_type(&self, passes: impl Fn(&str) -> bool) -> Result<bool> {
        for manifest in self.of_session.manifests().all()? {
            if self.with_types(manifest)?.types.iter().any(|stat| passes(&stat.name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How paths are searched for.
    pub(crate) fn path_plan(&self) -> PathPlan {
        self.path_plan
    }

    /// Whether there is an index of a dump, or memory to build it.
    pub(crate) fn fits(&self, manifest: &Manifest) -> bool {
        self.is_layer(manifest) || index_fits(self.lake(), manifest, &self.limits)
    }

    /// Whether a dump means a layer of it.
    pub(crate) fn is_layer(&self, manifest: &Manifest) -> bool {
        self.layer.get().is_some_and(|layer| layer.manifest.id == manifest.id)
    }

    /// All manifests of the lake.
    pub(crate) fn manifests(&self) -> &Arc<Manifests> {
        self.of_session.manifests()
    }

    pub(crate) fn lake(&self) -> &Lake {
        self.of_session.manifests().lake()
    }

    pub(crate) fn limits(&self) -> &BuildLimits {
        &self.limits
    }

    /// From now on the chosen dump means this layer of it.
    pub(crate) fn choose_layer(&self, layer: Arc<OpenIndex>) {
        let _ = self.layer.set(layer);
    }

    /// The index of a dump or its chosen layer; built and kept when there is none.
    pub(crate) fn open(&self, manifest: &Arc<Dump>, progress: &ImportProgress) -> Result<Arc<OpenIndex>> {
        match self.layer.get().filter(|layer| layer.manifest.id == manifest.id) {
            Some(layer) => Ok(layer.clone()),
            None => self.open_base(manifest, progress),
        }
    }

    /// The index of a dump itself.
    pub(crate) fn open_base(
        &self,
        manifest: &Arc<Dump>,
        progress: &ImportProgress,
    ) -> Result<Arc<OpenIndex>> {
        // Held while an index is built, so that it is built once.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(manifest.id.as_str()) {
            return Ok(found.clone());
        }
        let tell = || {
            if let Some(notice) = &self.notice {
                notice(&format!("building the graph index of {}, once", manifest.id));
            }
        };
        let index = open_or_build(self.lake(), manifest, &self.limits, progress, tell);
        let index = Arc::new(OpenIndex { manifest: manifest.clone(), index: index? });
        open.insert(manifest.id.as_str().to_owned(), index.clone());
        Ok(index)
    }
}
