//! The physical operator: finds paths and gives them out as they come.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use datafusion::{
    arrow::array::RecordBatch,
    error::{DataFusionError, Result},
    execution::{SessionState, TaskContext},
    physical_plan::{ExecutionPlan, execution_plan::EmissionType, metrics::Count},
};
use heaplake_graph::{
    Cancelled, CsrBuf, Graph, Id,
    search::{NodeTypes, PathSearch, Visited},
};
use heaplake_pathql::Selector;
use heaplake_store::{Dump, GraphIndex, with_index};
use tokio::sync::mpsc::Sender;

use super::{
    clusters,
    compile::Compiled,
    find::{self, PathHit, find},
    gather,
    ground::{self, Ground, Subgraph},
    rows::{RowBuilder, RowKind},
    tree::{self, TreeMerge},
    ways,
};
use crate::{
    Error,
    graph::{Set, exec::rows},
    memo::{MAX_ENDS, MemoKey, SetRows},
    mistake,
    operator::{Operator, OperatorExec, OperatorInputs, OperatorRows, OperatorTask, describe_limit},
    snapshot::Snapshot,
};

/// What paths are searched in.
#[derive(Debug, Clone)]
pub(super) enum PathForm {
    /// The graph index; inputs answer what the pattern asks of the tables, which are these sets.
    Index { sets: Vec<Set> },
    /// The tables of a schema, level by level.
    Join { state: Arc<SessionState>, tables: String },
}

/// The operator of path functions: what is to be found and given out.
#[derive(Debug)]
pub(super) struct PathOperator {
    pub(super) compiled: Arc<Compiled>,
    pub(super) manifest: Arc<Dump>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) form: PathForm,
    pub(super) kind: RowKind,
    /// The columns that are wanted, of the kind's.
    pub(super) projection: Vec<usize>,
    /// Most rows.
    pub(super) limit: Option<usize>,
}

/// What EXPLAIN says of a search.
pub(super) fn describe(compiled: &Compiled, manifest: &Dump, form: &PathForm) -> String {
    let plan = match form {
        PathForm::Index { .. } => "index",
        PathForm::Join { .. } => "join",
    };
    let n_states = compiled.hops.len() + 1;
    let pattern = mistake::escape(&compiled.text);
    format!(
        "plan={plan}, dump={}, select={}, states={n_states}, pattern=[{pattern}]",
        manifest.id, compiled.selector
    )
}

impl PathOperator {
    /// The operator in a plan.
    pub(super) fn plan(self, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(self.kind.schema().project(&self.projection)?);
        Ok(OperatorExec::plan(self, inputs, schema))
    }
}

impl Operator for PathOperator {
    const NAME: &'static str = "PathExec";
    const INPUTS: OperatorInputs = OperatorInputs::AnyOrder;
    const EMISSION: EmissionType = EmissionType::Incremental;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.compiled, &self.manifest, &self.form))?;
        describe_limit(f, self.limit)
    }

    fn run(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows> {
        let counts = SearchCounts {
            visited: task.counter("objects_in_states_visited"),
            levels: task.counter("levels"),
        };
        Ok(task.sent(|sender| {
            let task = task.clone();
            async move { self.search(inputs, task, counts, sender).await }
        }))
    }
}

/// Bytes that a search takes, about: for each object a bit in each state that it may be in, and as much for the levels;
/// for paths beyond the shortest the number of hops to an end. Of many states most hold few objects.
fn bytes_of_search(compiled: &Compiled, n_objects: usize) -> usize {
    const MANY_STATES: usize = 8;
    let n_states = (compiled.hops.len() + 1).min(MANY_STATES);
    let bytes_per_state = match compiled.selector {
        Selector::Shortest(_) | Selector::AllAcyclic => n_objects.saturating_mul(4),
        _ => n_objects / 4,
    };
    n_states.saturating_mul(bytes_per_state)
}

/// What a search looked at, for EXPLAIN ANALYZE.
struct SearchCounts {
    visited: Count,
    levels: Count,
}

impl SearchCounts {
    fn note(&self, visited: Visited) {
        self.visited.add(usize::try_from(visited.pairs).unwrap_or(usize::MAX));
        self.levels.add(usize::try_from(visited.levels).unwrap_or(usize::MAX));
    }
}

/// What the tables say to the pattern's questions.
pub(super) async fn answers(
    sets: &[Set],
    plans: Vec<Arc<dyn ExecutionPlan>>,
    context: &Arc<TaskContext>,
) -> Result<Vec<SetRows>> {
    let mut answers = Vec::new();
    for (set, plan) in sets.iter().zip(plans) {
        answers.push(rows(set, Some(plan), context).await?);
    }
    Ok(answers)
}

impl PathOperator {
    async fn search(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        task: OperatorTask,
        counts: SearchCounts,
        sender: Sender<Result<RecordBatch>>,
    ) -> Result<()> {
        let batch_rows = task.batch_rows();
        match &self.form {
            PathForm::Index { sets } => {
                let key = self.memo_key();
                if let Some(ends) = key.as_ref().and_then(|key| self.snapshot.memo().ends(key)) {
                    let operator = self.clone();
                    let sending = task.blocking(move |progress| {
                        let open = operator.snapshot.open(&operator.manifest, progress)?;
                        let cancel = &progress.cancel;
                        let target = RowTarget { batch_rows, counts: None, sender: &sender, cancel };
                        with_index!(&*open.index, |index| operator.give_ends(&ends, index, &target))
                    });
                    return sending.await;
                }
                let answers = answers(sets, inputs, task.context()).await?;
                let n_objects = usize::try_from(self.manifest.counts.objects).unwrap_or(usize::MAX);
                let _held = task.reserve(bytes_of_search(&self.compiled, n_objects))?;
                let operator = self.clone();
                let searching = task.blocking(move |progress| {
                    let open = operator.snapshot.open(&operator.manifest, progress)?;
                    let cancel = &progress.cancel;
                    let target = RowTarget { batch_rows, counts: Some(&counts), sender: &sender, cancel };
                    with_index!(&*open.index, |index| operator.in_index(index, &answers, &target))
                });
                searching.await
            }
            PathForm::Join { state, tables } => {
                let held = task.reserve(0)?;
                let gathered = gather::gather(&self.compiled, &self.manifest, state, tables, &held).await?;
                let (gathered, gone) = gathered;
                counts.levels.add(gone.levels);
                counts.visited.add(gone.pairs);
                let operator = self.clone();
                let searching = task.blocking(move |progress| {
                    let subgraph = Subgraph::new(gathered, operator.manifest.types.len());
                    // The join loop has counted already.
                    let target =
                        RowTarget { batch_rows, counts: None, sender: &sender, cancel: &progress.cancel };
                    operator.in_subgraph(&subgraph, &target)
                });
                searching.await
            }
        }
    }

    /// What all ends of paths are kept under; `None` where the rows are something else, or memory is limited.
    fn memo_key(&self) -> Option<MemoKey> {
        let is_kept = self.kind == RowKind::Hops
            && self.compiled.selector == Selector::Reach
            && self.snapshot.limits().memory.is_none();
        is_kept.then(|| MemoKey::new(self.manifest.id.as_str(), &self.compiled.text)).flatten()
    }

    /// Sends objects that a search has found before.
    fn give_ends(&self, ends: &[(usize, u32)], ground: &dyn Ground, target: &RowTarget<'_>) -> Result<()> {
        let mut out = self.out(ground, target);
        for (number, (node, hops)) in (0..).zip(ends) {
            out.rows.object(number, *hops, *node);
            if !out.pass_on()? {
                return Ok(());
            }
        }
        out.finish()
    }

    fn in_index<I: Id>(
        &self,
        index: &GraphIndex<I>,
        answers: &[SetRows],
        target: &RowTarget<'_>,
    ) -> Result<()> {
        let compiled = &self.compiled;
        let pattern = ground::pattern(compiled, index, answers);
        let type_graph = ground::type_graph(index, self.manifest.types.len());
        let counts: Vec<u64> = self.manifest.types.iter().map(|stat| stat.count).collect();
        let types = NodeTypes { of: index.types(), graph: &type_graph, counts: &counts };
        let mut search = PathSearch::new(index.graph(), types, &pattern).ordered(ground::ranks(index));
        if let RowKind::Ways { max_steps } = self.kind {
            let n_asked = ways::n_asked(compiled, &search);
            return self.give_ways(&mut search, index, max_steps, n_asked, target);
        }
        if let RowKind::Tree(merge) = self.kind {
            return self.give_tree(&mut search, index, merge, target);
        }
        if self.kind == RowKind::Clusters {
            return self.give_clusters(&mut search, index, target);
        }
        if compiled.selector != Selector::Dominated {
            return self.give(index, target, self.memo_key(), |take| {
                find(compiled, &mut search, target.cancel, take)
            });
        }
        let mut ends = Vec::new();
        let visited = find(compiled, &mut search, target.cancel, &mut |found| {
            if let PathHit::End(node, _) = found {
                ends.push(I::new(node));
            }
            true
        });
        target.note(visited.map_err(stopped)?);
        ends.sort_unstable();
        let mut out = self.out(index, target);
        let limit = compiled.limit.unwrap_or(u64::MAX);
        let mut n_rows = 0;
        for (holder, range) in (0..).zip(index.outermost(&ends)) {
            // Positions where the subtrees end that the next node may be in.
            let mut within: Vec<usize> = Vec::new();
            for position in range {
                while within.last().is_some_and(|end| position >= *end) {
                    within.pop();
                }
                let node = index.preorder()[position].index();
                n_rows += 1;
                if n_rows > limit {
                    return out.finish();
                }
                out.rows.object(holder, within.len() as u32, node);
                within.push(position + index.retained_counts().at(node).index());
                if !out.pass_on()? {
                    return Ok(());
                }
            }
        }
        out.finish()
    }

    fn in_subgraph(&self, subgraph: &Subgraph, target: &RowTarget<'_>) -> Result<()> {
        let compiled = &self.compiled;
        if let Selector::Reach | Selector::Types = compiled.selector {
            return self.give(subgraph, target, None, |take| {
                find::given(compiled, &subgraph.ends, take);
                Ok(Visited::default())
            });
        }
        let forward = subgraph.forward.view();
        let none = heaplake_graph::Bits::default();
        let reverse = CsrBuf::reversed(forward, none, 1, target.cancel).map_err(stopped)?;
        let graph = Graph { forward, skip: none, reverse: reverse.view() };
        let pattern = subgraph.pattern(compiled, graph);
        let types =
            NodeTypes { of: (&subgraph.types).into(), graph: &subgraph.type_graph, counts: &subgraph.counts };
        let mut search = PathSearch::new(graph, types, &pattern).ordered(subgraph.ranks());
        match self.kind {
            RowKind::Ways { max_steps } => self.give_ways(&mut search, subgraph, max_steps, None, target),
            RowKind::Tree(merge) => self.give_tree(&mut search, subgraph, merge, target),
            RowKind::Clusters => self.give_clusters(&mut search, subgraph, target),
            _ => self.give(subgraph, target, None, |take| find(compiled, &mut search, target.cancel, take)),
        }
    }

    /// Searches and sends the ways of the paths.
    fn give_ways<I: Id>(
        &self,
        search: &mut PathSearch<'_, I>,
        ground: &dyn Ground,
        max_steps: u64,
        n_asked: Option<u64>,
        target: &RowTarget<'_>,
    ) -> Result<()> {
        let type_name = |rank| self.type_name(rank);
        let found = ways::ways(&self.compiled, search, ground, &type_name, max_steps, target.cancel);
        let (rows, visited) = found.map_err(stopped)?;
        target.note(visited);
        let mut out = self.out(ground, target);
        for row in rows {
            out.rows.way(row, n_asked);
            if !out.pass_on()? {
                return Ok(());
            }
        }
        out.finish()
    }

    /// Searches and sends the branches of the tree of paths.
    fn give_tree<I: Id>(
        &self,
        search: &mut PathSearch<'_, I>,
        ground: &dyn Ground,
        merge: TreeMerge,
        target: &RowTarget<'_>,
    ) -> Result<()> {
        let found = tree::merged(merge, &self.compiled, search, ground, target.cancel);
        let (tree, visited) = found.map_err(stopped)?;
        target.note(visited);
        let mut out = self.out(ground, target);
        for branch in tree.into_rows() {
            out.rows.branch(branch);
            if !out.pass_on()? {
                return Ok(());
            }
        }
        out.finish()
    }

    /// Searches and sends the clusters of the paths.
    fn give_clusters<I: Id>(
        &self,
        search: &mut PathSearch<'_, I>,
        ground: &dyn Ground,
        target: &RowTarget<'_>,
    ) -> Result<()> {
        let found = tree::merged(TreeMerge::Object, &self.compiled, search, ground, target.cancel);
        let (tree, visited) = found.map_err(stopped)?;
        target.note(visited);
        let mut out = self.out(ground, target);
        let type_name = |node: usize| self.type_name(ground.type_rank(node));
        for (number, cluster) in (1..).zip(clusters::clusters(&tree.into_rows(), &type_name)) {
            out.rows.cluster(number, cluster);
            if !out.pass_on()? {
                return Ok(());
            }
        }
        out.finish()
    }

    fn type_name(&self, rank: u32) -> String {
        self.manifest.types.get(rank as usize).map_or(String::new(), |stat| stat.name.clone())
    }

    fn out<'a>(&'a self, ground: &'a dyn Ground, target: &'a RowTarget<'a>) -> RowSender<'a> {
        let rows = RowBuilder::new(ground, &self.compiled, &self.manifest, self.kind, &self.projection);
        RowSender { rows, target, left: self.limit.unwrap_or(usize::MAX) }
    }

    /// Sends rows of what `search` finds; keeps all ends of paths where there is a key for them.
    fn give(
        &self,
        ground: &dyn Ground,
        target: &RowTarget<'_>,
        key: Option<MemoKey>,
        search: impl FnOnce(&mut dyn FnMut(PathHit<'_>) -> bool) -> Result<Visited, Cancelled>,
    ) -> Result<()> {
        let mut kept = key.map(|key| (key, Vec::new()));
        let mut out = self.out(ground, target);
        let mut ends = Vec::new();
        let mut number = 0;
        let mut failed = None;
        let visited = search(&mut |found| {
            match found {
                PathHit::End(node, hops) if self.kind == RowKind::Types => {
                    ends.push((node, hops));
                    return true;
                }
                PathHit::End(node, hops) => {
                    out.rows.object(number, hops, node);
                    if let Some((_, ends)) = &mut kept {
                        ends.push((node, hops));
                    }
                }
                PathHit::Path(steps) => out.rows.path(number, steps),
            }
            number += 1;
            let goes_on = out.pass_on().unwrap_or_else(|error| {
                failed = Some(error);
                false
            });
            // Some of the ends are of no use, and too many not worth their memory.
            kept.take_if(|(_, ends)| !goes_on || ends.len() > MAX_ENDS);
            goes_on
        });
        let visited = visited.map_err(stopped)?;
        target.note(visited);
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some((key, ends)) = kept {
            self.snapshot.memo().keep_ends(key, ends);
        }
        let limit = usize::try_from(self.compiled.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let totals = find::by_type(&ends, |node| ground.type_rank(node), |node| ground.size(node));
        for (hop, rank, objects, size) in totals.into_iter().take(limit) {
            out.rows.of_type(hop, rank, objects, size);
            if !out.pass_on()? {
                return Ok(());
            }
        }
        out.finish()
    }
}

/// Where rows go.
struct RowTarget<'g> {
    batch_rows: usize,
    /// Where the search counts what it looks at.
    counts: Option<&'g SearchCounts>,
    sender: &'g Sender<Result<RecordBatch>>,
    cancel: &'g AtomicBool,
}

impl RowTarget<'_> {
    fn note(&self, visited: Visited) {
        if let Some(counts) = self.counts {
            counts.note(visited);
        }
    }
}

struct RowSender<'o> {
    rows: RowBuilder<'o>,
    target: &'o RowTarget<'o>,
    /// Rows that are still wanted.
    left: usize,
}

impl RowSender<'_> {
    /// Sends the rows when they are enough for a batch; false when nobody wants more.
    fn pass_on(&mut self) -> Result<bool> {
        let enough = self.rows.len() >= self.target.batch_rows.min(self.left);
        if enough { self.send() } else { Ok(true) }
    }

    fn send(&mut self) -> Result<bool> {
        let batch = self.rows.take()?;
        // A path may be longer than a batch.
        for start in (0..batch.num_rows()).step_by(self.target.batch_rows) {
            let n_rows = self.target.batch_rows.min(batch.num_rows() - start).min(self.left);
            if n_rows == 0 {
                return Ok(false);
            }
            let part = batch.slice(start, n_rows);
            self.left -= n_rows;
            if self.target.sender.blocking_send(Ok(part)).is_err() {
                return Ok(false);
            }
        }
        Ok(self.left > 0)
    }

    fn finish(&mut self) -> Result<()> {
        if self.rows.len() > 0 {
            self.send()?;
        }
        Ok(())
    }
}

pub(super) fn stopped(error: Cancelled) -> DataFusionError {
    Error::from(error).into()
}
