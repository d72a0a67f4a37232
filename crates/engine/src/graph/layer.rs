//! Named layers: a dump without what was cut, under the names of its tables.

use std::sync::Arc;

use datafusion::{
    catalog::TableProvider, common::runtime::SpawnedTask, error::Result, execution::SessionState,
    prelude::SessionContext,
};
use heaplake_model::DumpId;
use heaplake_store::{AnyIndex, Dump, ImportProgress, Layer, LayerEdit, build_layer, build_unnamed_layer};

use super::{exec, set::Set};
use crate::{
    Error,
    catalog::CATALOG,
    memo::SetRows,
    operator::{StopOnDrop, joined},
    snapshot::{OpenIndex, Snapshot},
};

/// The tables that a layer changes, by what each becomes; `{dump}` is the dump's name.
///
/// The tables of the dump are asked by its schema, so that these names do not mean themselves.
const VIEWS: [(&str, &str); 5] = [
    (
        "obj",
        "SELECT o.dump, o.address, o.type, o.name, o.value, o.size, o.len, o.refcount, g.root_kind, g.distance, \
         g.idom, g.retained, g.retained_count, o.external FROM {dump}.obj o JOIN graph_nodes() g ON g.address = o.address",
    ),
    (
        "edge",
        "SELECT e.* FROM {dump}.edge e LEFT ANTI JOIN removed_edges() r ON r.parent = e.parent AND r.idx = e.idx",
    ),
    (
        "ref",
        "SELECT e.dump, e.parent, e.child FROM {dump}.edge e \
         LEFT ANTI JOIN removed_edges() r ON r.parent = e.parent AND r.idx = e.idx",
    ),
    (
        "root",
        "SELECT arrow_cast('{id}', 'Utf8View') AS dump, address, root_kind AS kind FROM graph_nodes() \
         WHERE root_kind IS NOT NULL",
    ),
    (
        "type_stat",
        "SELECT '{id}' AS dump, t.type, t.objects AS count, t.size, s.max_size, t.retained \
         FROM graph_types() t LEFT JOIN {dump}.type_stat s ON s.type = t.type",
    ),
];

/// The views of a layer, for the schema of bare names.
pub(crate) async fn views(
    context: &SessionContext,
    manifest: &Dump,
) -> Result<Vec<(&'static str, Arc<dyn TableProvider>)>> {
    let id = manifest.id.as_str();
    let mut views = Vec::new();
    for (name, query) in VIEWS {
        let query = query.replace("{dump}", &format!("{CATALOG}.\"{id}\"")).replace("{id}", id);
        views.push((name, context.sql(&query).await?.into_view()));
    }
    Ok(views)
}

impl Snapshot {
    /// Opens the index of a layer; where there is none, makes the cuts again.
    pub(crate) async fn open_layer(
        self: &Arc<Self>,
        state: &SessionState,
        manifest: &Arc<Dump>,
        layer: &Layer,
    ) -> Result<Arc<OpenIndex>> {
        let found = AnyIndex::open_layer(self.lake(), manifest, &layer.name).map_err(Error::from)?;
        let index = match found {
            Some(index) => index,
            None => self.cut(state, manifest, &layer.name, &layer.cuts).await?.0,
        };
        Ok(Arc::new(OpenIndex::new(manifest.clone(), Arc::new(index))))
    }

    /// Makes cuts, keeps what is left as a layer's index, and says what went: objects and bytes.
    pub(crate) async fn cut(
        self: &Arc<Self>,
        state: &SessionState,
        manifest: &Arc<Dump>,
        name: &DumpId,
        cuts: &[String],
    ) -> Result<(AnyIndex, u64, i64)> {
        let edit = edit(self, state, manifest, cuts, &[]).await?;
        let name = name.clone();
        self.build(manifest, move |snapshot, manifest, progress| {
            let base = snapshot.open_base(manifest, progress)?;
            let limits = snapshot.limits();
            Ok(build_layer(snapshot.lake(), manifest, &name, &base.index, &edit, limits, &progress.cancel)?)
        })
        .await
    }

    /// Makes cuts and roots on what the dump means here, a layer or itself, and keeps what is left in memory.
    pub(crate) async fn edit(
        self: &Arc<Self>,
        state: &SessionState,
        manifest: &Arc<Dump>,
        (cuts, pins): (&[String], &[String]),
    ) -> Result<Edited> {
        let edit = edit(self, state, manifest, cuts, pins).await?;
        let (index, objects, bytes) = self
            .build(manifest, move |snapshot, manifest, progress| {
                let base = snapshot.open(manifest, progress)?;
                let limits = snapshot.limits();
                Ok(build_unnamed_layer(
                    snapshot.lake(),
                    manifest,
                    &base.index,
                    &edit,
                    limits,
                    &progress.cancel,
                )?)
            })
            .await?;
        Ok(Edited { index: Arc::new(OpenIndex::new(manifest.clone(), Arc::new(index))), objects, bytes })
    }

    /// Builds on a thread that may be busy for long, and stops when nobody waits for it any more.
    async fn build<T: Send + 'static>(
        self: &Arc<Self>,
        manifest: &Arc<Dump>,
        work: impl FnOnce(&Self, &Arc<Dump>, &ImportProgress) -> Result<T, Error> + Send + 'static,
    ) -> Result<T> {
        let (snapshot, manifest) = (self.clone(), manifest.clone());
        let stop = StopOnDrop::default();
        let progress: Arc<ImportProgress> = stop.0.clone();
        let built = SpawnedTask::spawn_blocking(move || work(&snapshot, &manifest, &progress));
        let built = joined(built).await?;
        drop(stop);
        Ok(built?)
    }
}

/// A dump as it would be after some edits; it is nowhere but in this process.
#[derive(Debug, Clone)]
pub struct Edited {
    pub(crate) index: Arc<OpenIndex>,
    /// Objects that went with the last edit.
    pub objects: u64,
    /// Their bytes.
    pub bytes: i64,
}

/// What cuts and pins mean: sets over the tables of the dump.
async fn edit(
    snapshot: &Snapshot,
    state: &SessionState,
    manifest: &Dump,
    cuts: &[String],
    pins: &[String],
) -> Result<LayerEdit> {
    let mut edit = LayerEdit::default();
    for (texts, is_cut) in [(cuts, true), (pins, false)] {
        for text in texts {
            let set = Set::parse(text, is_cut)?;
            set.check(manifest)?;
            let known = exec::key(&set, manifest.id.as_str()).and_then(|key| snapshot.memo().cut(&key));
            let rows = match known {
                Some(rows) => rows,
                None => {
                    let plan = set.plan(state, manifest.id.as_str()).await?;
                    exec::rows(&set, plan, &state.task_ctx()).await?
                }
            };
            match rows {
                SetRows::Objects(found) if is_cut => edit.objects.extend(found),
                SetRows::Objects(found) => edit.pinned.extend(found),
                SetRows::Edges(found) => edit.edges.extend(found),
            }
        }
    }
    Ok(edit)
}
