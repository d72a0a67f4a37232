//! The physical operator: finds paths and gives them out as they come.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    common::{runtime::SpawnedTask, tree_node::TreeNodeRecursion},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, SessionState, TaskContext, memory_pool::MemoryConsumer},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
        execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time},
        stream::RecordBatchReceiverStream,
    },
};
use heaplake_graph::{
    Cancelled, CsrBuf, Graph, Id,
    search::{NodeTypes, PathSearch, Visited},
};
use heaplake_pathql::Selector;
use heaplake_store::{Dump, GraphIndex, with_index};
use tokio::sync::mpsc::Sender;

use super::{
    compile::Compiled,
    find::{self, Found, find},
    gather,
    ground::{self, Ground, Subgraph},
    rows::{RowKind, Rows},
};
use crate::{
    Error,
    graph::{Set, SetRows, exec::rows},
    mistake,
    snapshot::{Snapshot, StopOnDrop},
};

/// What paths are searched in.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// The graph index; the plans answer what the pattern asks of the tables.
    Index { plans: Vec<(Set, Arc<dyn ExecutionPlan>)> },
    /// The tables of a schema, level by level.
    Join { state: Arc<SessionState>, tables: String },
}

/// The operator of path functions.
#[derive(Debug)]
pub(super) struct PathExec {
    work: Arc<Work>,
    form: Form,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What is to be found and given out.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) compiled: Arc<Compiled>,
    pub(super) manifest: Arc<Dump>,
    pub(super) snapshot: Arc<Snapshot>,
    kind: RowKind,
    projection: Vec<usize>,
    /// Most rows.
    limit: usize,
}

impl PathExec {
    pub(super) fn new(
        compiled: Arc<Compiled>,
        manifest: Arc<Dump>,
        snapshot: Arc<Snapshot>,
        form: Form,
        kind: RowKind,
        projection: &[usize],
        limit: Option<usize>,
    ) -> Result<Self> {
        let schema = Arc::new(kind.schema().project(projection)?);
        let limit = limit.unwrap_or(usize::MAX);
        let work = Work { compiled, manifest, snapshot, kind, projection: projection.to_vec(), limit };
        Ok(Self {
            work: Arc::new(work),
            form,
            properties: Arc::new(properties(&schema)),
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// One partition of rows that come when they are found.
pub(super) fn properties(schema: &SchemaRef) -> PlanProperties {
    PlanProperties::new(
        EquivalenceProperties::new(schema.clone()),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
}

/// What EXPLAIN says of a search.
pub(super) fn describe(compiled: &Compiled, manifest: &Dump, form: &Form) -> String {
    let plan = match form {
        Form::Index { .. } => "index",
        Form::Join { .. } => "join",
    };
    let n_states = compiled.hops.len() + 1;
    let pattern = mistake::escape(&compiled.text);
    format!(
        "plan={plan}, dump={}, select={}, states={n_states}, pattern=[{pattern}]",
        manifest.id, compiled.selector
    )
}

impl DisplayAs for PathExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathExec: {}", describe(&self.work.compiled, &self.work.manifest, &self.form))?;
        match self.work.limit {
            usize::MAX => Ok(()),
            limit => write!(f, ", limit={limit}"),
        }
    }
}

impl Form {
    pub(super) fn plans(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        match self {
            Form::Index { plans } => plans.iter().map(|(_, plan)| plan).collect(),
            Form::Join { .. } => Vec::new(),
        }
    }

    pub(super) fn with_plans(&self, new: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        match self {
            Form::Index { plans } => {
                let sets = plans.iter().map(|(set, _)| set.clone());
                Form::Index { plans: sets.zip(new).collect() }
            }
            join => join.clone(),
        }
    }
}

impl ExecutionPlan for PathExec {
    fn name(&self) -> &str {
        "PathExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.form.plans()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            work: self.work.clone(),
            form: self.form.with_plans(children),
            schema: self.schema.clone(),
            properties: self.properties.clone(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), QUEUE);
        let (work, form, sender) = (self.work.clone(), self.form.clone(), builder.tx());
        let metrics = Metrics {
            baseline: BaselineMetrics::new(&self.metrics, 0),
            visited: MetricBuilder::new(&self.metrics).counter("objects_in_states_visited", 0),
            levels: MetricBuilder::new(&self.metrics).counter("levels", 0),
        };
        builder.spawn(async move { work.run(form, context, metrics, sender).await });
        Ok(builder.build())
    }
}

/// Batches that may wait to be taken.
const QUEUE: usize = 2;

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

struct Metrics {
    baseline: BaselineMetrics,
    visited: datafusion::physical_plan::metrics::Count,
    levels: datafusion::physical_plan::metrics::Count,
}

impl Metrics {
    fn note(&self, visited: Visited) {
        self.visited.add(usize::try_from(visited.pairs).unwrap_or(usize::MAX));
        self.levels.add(usize::try_from(visited.levels).unwrap_or(usize::MAX));
    }
}

/// What the tables say to the pattern's questions.
pub(super) async fn answers(
    plans: Vec<(Set, Arc<dyn ExecutionPlan>)>,
    context: &Arc<TaskContext>,
) -> Result<Vec<SetRows>> {
    let mut answers = Vec::new();
    for (set, plan) in plans {
        answers.push(rows(&set, Some(plan), context).await?);
    }
    Ok(answers)
}

impl Work {
    async fn run(
        self: Arc<Self>,
        form: Form,
        context: Arc<TaskContext>,
        metrics: Metrics,
        sender: Sender<Result<RecordBatch>>,
    ) -> Result<()> {
        let batch_rows = context.session_config().batch_size().max(1);
        let reservation = MemoryConsumer::new("PathExec").register(context.memory_pool());
        let stop = StopOnDrop::default();
        let progress = stop.0.clone();
        let timer: Time = metrics.baseline.elapsed_compute().clone();
        match form {
            Form::Index { plans } => {
                let answers = answers(plans, &context).await?;
                let n_objects = usize::try_from(self.manifest.counts.objects).unwrap_or(usize::MAX);
                reservation.try_grow(bytes_of_search(&self.compiled, n_objects))?;
                let searching = SpawnedTask::spawn_blocking(move || {
                    let _timer = timer.timer();
                    let open = self.snapshot.open(&self.manifest, &progress)?;
                    with_index!(&open.index, |index| self.in_index(
                        index,
                        &answers,
                        &Giving {
                            batch_rows,
                            metrics: &metrics,
                            counts: true,
                            sender: &sender,
                            cancel: &progress.cancel
                        }
                    ))
                });
                joined(searching).await?;
            }
            Form::Join { state, tables } => {
                let compiled = self.compiled.clone();
                let gathered =
                    gather::gather(&compiled, &self.manifest, &state, &tables, &reservation).await?;
                let (gathered, gone) = gathered;
                metrics.levels.add(gone.levels);
                metrics.visited.add(gone.pairs);
                let searching = SpawnedTask::spawn_blocking(move || {
                    let _timer = timer.timer();
                    let subgraph = Subgraph::new(gathered, self.manifest.types.len());
                    let giving = Giving {
                        batch_rows,
                        metrics: &metrics,
                        counts: false,
                        sender: &sender,
                        cancel: &progress.cancel,
                    };
                    self.in_subgraph(&subgraph, &giving)
                });
                joined(searching).await?;
            }
        }
        drop(stop);
        Ok(())
    }

    fn in_index<I: Id>(&self, index: &GraphIndex<I>, answers: &[SetRows], giving: &Giving<'_>) -> Result<()> {
        let compiled = &self.compiled;
        let pattern = ground::pattern(compiled, index, answers);
        let type_graph = ground::type_graph(index, self.manifest.types.len());
        let counts: Vec<u64> = self.manifest.types.iter().map(|stat| stat.count).collect();
        let types = NodeTypes { of: index.types(), graph: &type_graph, counts: &counts };
        let mut search = PathSearch::new(index.graph(), types, &pattern);
        if compiled.selector != Selector::Dominated {
            return self.give(&mut search, index, giving);
        }
        let mut ends = Vec::new();
        let visited = find(compiled, &mut search, giving.cancel, &mut |found| {
            if let Found::End(node, _) = found {
                ends.push(I::new(node));
            }
            true
        });
        giving.metrics.note(visited.map_err(stopped)?);
        ends.sort_unstable();
        let mut out = self.out(index, giving);
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
                within.push(position + index.retained_counts()[node].index());
                if !out.pass_on()? {
                    return Ok(());
                }
            }
        }
        out.finish()
    }

    fn in_subgraph(&self, subgraph: &Subgraph, giving: &Giving<'_>) -> Result<()> {
        let forward = subgraph.forward.view();
        let none = heaplake_graph::Bits::default();
        let reverse = CsrBuf::reversed(forward, none, 1, giving.cancel).map_err(stopped)?;
        let graph = Graph { forward, skip: none, reverse: reverse.view() };
        let pattern = subgraph.pattern(&self.compiled, graph);
        let types = NodeTypes { of: &subgraph.types, graph: &subgraph.type_graph, counts: &subgraph.counts };
        let mut search = PathSearch::new(graph, types, &pattern);
        self.give(&mut search, subgraph, giving)
    }

    fn out<'a>(&'a self, ground: &'a dyn Ground, giving: &'a Giving<'a>) -> Out<'a> {
        let rows = Rows::new(ground, &self.compiled, &self.manifest, self.kind, &self.projection);
        Out { rows, giving, left: self.limit }
    }

    /// Searches and sends rows.
    fn give<I: Id>(
        &self,
        search: &mut PathSearch<'_, I>,
        ground: &dyn Ground,
        giving: &Giving<'_>,
    ) -> Result<()> {
        let mut out = self.out(ground, giving);
        let mut ends = Vec::new();
        let mut number = 0;
        let mut failed = None;
        let visited = find(&self.compiled, search, giving.cancel, &mut |found| {
            match found {
                Found::End(node, hops) if self.kind == RowKind::Types => {
                    ends.push((node, hops));
                    return true;
                }
                Found::End(node, hops) => out.rows.object(number, hops, node),
                Found::Path(steps) => out.rows.path(number, steps),
            }
            number += 1;
            out.pass_on().unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        let visited = visited.map_err(stopped)?;
        if giving.counts {
            giving.metrics.note(visited);
        }
        if let Some(error) = failed {
            return Err(error);
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
struct Giving<'g> {
    batch_rows: usize,
    metrics: &'g Metrics,
    /// Whether the search counts what it looks at; the join loop has counted already.
    counts: bool,
    sender: &'g Sender<Result<RecordBatch>>,
    cancel: &'g AtomicBool,
}

struct Out<'o> {
    rows: Rows<'o>,
    giving: &'o Giving<'o>,
    /// Rows that are still wanted.
    left: usize,
}

impl Out<'_> {
    /// Sends the rows when they are enough for a batch; false when nobody wants more.
    fn pass_on(&mut self) -> Result<bool> {
        let enough = self.rows.len() >= self.giving.batch_rows.min(self.left);
        if enough { self.send() } else { Ok(true) }
    }

    fn send(&mut self) -> Result<bool> {
        let batch = self.rows.take()?;
        // A path may be longer than a batch.
        for start in (0..batch.num_rows()).step_by(self.giving.batch_rows) {
            let n_rows = self.giving.batch_rows.min(batch.num_rows() - start).min(self.left);
            if n_rows == 0 {
                return Ok(false);
            }
            let part = batch.slice(start, n_rows);
            self.left -= n_rows;
            self.giving.metrics.baseline.record_output(n_rows);
            if self.giving.sender.blocking_send(Ok(part)).is_err() {
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

pub(super) async fn joined<T: Send + 'static>(task: SpawnedTask<Result<T>>) -> Result<T> {
    task.join().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
}
