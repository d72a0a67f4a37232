//! What a session sees of a lake: its dumps, which of them names mean, their types, and their graph indexes. Each is read,
//! resolved or opened when it is first asked for, and then stays as it was.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use heaplake_store::{
    AcceptedSuspects, AnyIndex, BuildLimits, Dump, EdgeLabels, ImportProgress, Lake, Manifest, Manifests,
    index_fits, open_or_build, with_index,
};

use crate::{Error, Result, index_cache, memo::Memo, select};

/// The schema of bare names, and as a dump the one that they mean.
pub(crate) const CURRENT: &str = "current";
/// The schema of the dump to compare with, and that dump.
pub(crate) const BASELINE: &str = "baseline";

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
    pub(crate) index: Arc<AnyIndex>,
    labels: OnceLock<Arc<EdgeLabels>>,
}

impl OpenIndex {
    /// An index that was opened.
    pub(crate) fn new(manifest: Arc<Dump>, index: Arc<AnyIndex>) -> Self {
        Self { manifest, index, labels: OnceLock::new() }
    }

    /// The labels of the dump's references; the files are opened at the first call.
    pub(crate) fn labels(&self, lake: &Lake) -> Result<Arc<EdgeLabels>> {
        if let Some(labels) = self.labels.get() {
            return Ok(labels.clone());
        }
        let labels = Arc::new(EdgeLabels::open(lake, &self.manifest)?);
        Ok(self.labels.get_or_init(|| labels).clone())
    }

    /// The rows of `obj` of some nodes.
    pub(crate) fn obj_rows(&self, nodes: &[usize]) -> Vec<u64> {
        with_index!(&*self.index, |index| index.obj_rows(self.manifest.types.len(), nodes))
    }

    /// The name of a type, by its position in the dump's list of types.
    pub(crate) fn type_name(&self, rank: u32) -> &str {
        self.manifest.types.get(rank as usize).map_or("", |stat| stat.name.as_str())
    }
}

/// How a snapshot opens indexes and searches for paths.
#[derive(Clone, Default)]
pub(crate) struct SnapshotOptions {
    pub(crate) limits: BuildLimits,
    pub(crate) notice: Option<Notice>,
    pub(crate) path_plan: PathPlan,
    /// The file of accepted suspects; `None` for the lake's own.
    pub(crate) accepted: Option<PathBuf>,
}

/// A lake as a session sees it.
pub(crate) struct Snapshot {
    manifests: Arc<Manifests>,
    /// The dump that was chosen by name; `None` means the newest.
    chosen: Option<Arc<Manifest>>,
    baseline: Option<Arc<Manifest>>,
    options: SnapshotOptions,
    /// What selectors came to.
    selected: Mutex<HashMap<String, Vec<Arc<Manifest>>>>,
    /// The layer of the chosen dump, once one is chosen.
    layer: OnceLock<Arc<OpenIndex>>,
    /// Dumps whose types were asked for.
    dumps: Mutex<HashMap<String, Arc<Dump>>>,
    open: Mutex<HashMap<String, Arc<OpenIndex>>>,
    memo: Memo,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("manifests", &self.manifests).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// A snapshot in which bare names mean the dump that `chosen` selects, or the newest.
    pub(crate) fn new(
        manifests: Arc<Manifests>,
        chosen: Option<&str>,
        baseline: Option<&str>,
        options: SnapshotOptions,
    ) -> Result<Self> {
        let one = |dump: Option<&str>| dump.map(|dump| select::select_one(&manifests, dump)).transpose();
        let (chosen, baseline) = (one(chosen)?, one(baseline)?);
        Ok(Self {
            manifests,
            chosen,
            baseline,
            options,
            selected: Mutex::default(),
            layer: OnceLock::new(),
            dumps: Mutex::default(),
            open: Mutex::default(),
            memo: Memo::default(),
        })
    }

    /// All manifests of the lake.
    pub(crate) fn manifests(&self) -> &Arc<Manifests> {
        &self.manifests
    }

    /// The lake.
    pub(crate) fn lake(&self) -> &Lake {
        self.manifests.lake()
    }

    /// The suspects that people live with.
    pub(crate) fn accepted(&self) -> Result<AcceptedSuspects> {
        let of_lake = || self.lake().accepted_path();
        Ok(AcceptedSuspects::read(&self.options.accepted.clone().unwrap_or_else(of_lake))?)
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

    /// The dumps that a text selects, in the order in which they were taken. A text selects the same ones all the time.
    pub(crate) fn select(&self, text: &str) -> Result<Vec<Arc<Manifest>>> {
        if let Some(selected) = locked(&self.selected).get(text) {
            return Ok(selected.clone());
        }
        let selected = select::select(&self.manifests, text)?;
        Ok(locked(&self.selected).entry(text.to_owned()).or_insert(selected).clone())
    }

    /// The dump that a text selects, or the one of bare names.
    pub(crate) fn manifest(&self, dump: Option<&str>) -> Result<Arc<Manifest>> {
        match dump {
            None | Some(CURRENT) => self.current()?.ok_or(Error::NoDumps),
            Some(BASELINE) => self.baseline.clone().ok_or(Error::NoBaseline),
            Some(text) => select::one_of(self.select(text)?, text),
        }
    }

    /// The same with its types.
    pub(crate) fn dump(&self, dump: Option<&str>) -> Result<Arc<Dump>> {
        let manifest = self.manifest(dump)?;
        manifest.check_whole()?;
        self.with_types(&manifest)
    }

    /// A dump with its types, which are read once.
    pub(crate) fn with_types(&self, manifest: &Manifest) -> Result<Arc<Dump>> {
        let mut dumps = locked(&self.dumps);
        if let Some(found) = dumps.get(manifest.id.as_str()) {
            return Ok(found.clone());
        }
        let dump = Arc::new(self.lake().dump(manifest.clone())?);
        dumps.insert(manifest.id.as_str().to_owned(), dump.clone());
        Ok(dump)
    }

    /// Whether some dump has a type whose name passes.
    pub(crate) fn has_type(&self, passes: impl Fn(&str) -> bool) -> Result<bool> {
        for manifest in self.manifests.all()? {
            if self.with_types(manifest)?.types.iter().any(|stat| passes(&stat.name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How paths are searched for.
    pub(crate) fn path_plan(&self) -> PathPlan {
        self.options.path_plan
    }

    /// What the last questions found out.
    pub(crate) fn memo(&self) -> &Memo {
        &self.memo
    }

    /// What building an index may take.
    pub(crate) fn limits(&self) -> &BuildLimits {
        &self.options.limits
    }

    /// Whether there is an index of a dump, or memory to build it.
    pub(crate) fn fits(&self, manifest: &Manifest) -> bool {
        self.is_layer(manifest) || index_fits(self.lake(), manifest, self.limits())
    }

    /// Whether a dump means a layer of it.
    pub(crate) fn is_layer(&self, manifest: &Manifest) -> bool {
        self.layer.get().is_some_and(|layer| layer.manifest.id == manifest.id)
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
        let mut open = locked(&self.open);
        if let Some(found) = open.get(manifest.id.as_str()) {
            return Ok(found.clone());
        }
        let tell = || {
            if let Some(notice) = &self.options.notice {
                notice(&format!("building the graph index of {}, once", manifest.id));
            }
        };
        let index = index_cache::open(self.lake(), manifest, || {
            open_or_build(self.lake(), manifest, self.limits(), progress, tell)
        });
        let index = Arc::new(OpenIndex::new(manifest.clone(), index?));
        open.insert(manifest.id.as_str().to_owned(), index.clone());
        Ok(index)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
