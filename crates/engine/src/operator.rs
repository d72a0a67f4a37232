//! What the physical operators of ours share: an [`Operator`] says what it does and makes rows, and [`OperatorExec`] is
//! everything else that DataFusion asks of an `ExecutionPlan`.
//!
//! Work that takes long runs on a thread of its own ([`OperatorTask::blocking`]). It looks at a flag, which is set when
//! nobody wants the rows any more.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    common::{runtime::SpawnedTask, tree_node::TreeNodeRecursion},
    error::{DataFusionError, Result},
    execution::{
        SendableRecordBatchStream, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
        ReplaceChildrenOptions,
        execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType},
        metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time},
        stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter},
    },
};
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use heaplake_store::ImportProgress;
use tokio::sync::mpsc::Sender;

/// Rows as they come.
pub(crate) type OperatorRows = BoxStream<'static, Result<RecordBatch>>;

/// What an operator does.
pub(crate) trait Operator: fmt::Debug + Send + Sync + 'static {
    /// Its name in EXPLAIN.
    const NAME: &'static str;
    /// What it needs of its inputs.
    const INPUTS: OperatorInputs;
    /// Whether rows come while it works, or when it is done.
    const EMISSION: EmissionType;

    /// What EXPLAIN says after the name.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Makes the rows, all of them in one partition.
    fn run(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows>;
}

/// What an operator needs of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperatorInputs {
    /// Their rows, in any order.
    AnyOrder,
    /// The partitions that they have by themselves: those of a scan are in the order of its rows, put together they lose it.
    AsTheyAre,
    /// One partition, whose order the rows keep.
    OneInOrder,
}

/// An operator in a plan.
#[derive(Debug)]
pub(crate) struct OperatorExec<O> {
    operator: Arc<O>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl<O: Operator> OperatorExec<O> {
    /// An operator over some inputs, whose rows have these columns.
    pub(crate) fn plan(
        operator: O,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        schema: SchemaRef,
    ) -> Arc<dyn ExecutionPlan> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            O::EMISSION,
            Boundedness::Bounded,
        );
        Arc::new(Self {
            operator: Arc::new(operator),
            inputs,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl<O: Operator> DisplayAs for OperatorExec<O> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", O::NAME)?;
        self.operator.describe(f)
    }
}

impl<O: Operator> ExecutionPlan for OperatorExec<O> {
    fn name(&self) -> &str {
        O::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        let distribution = match O::INPUTS {
            OperatorInputs::OneInOrder => Distribution::SinglePartition,
            OperatorInputs::AnyOrder | OperatorInputs::AsTheyAre => Distribution::UnspecifiedDistribution,
        };
        vec![distribution; self.inputs.len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![O::INPUTS == OperatorInputs::AnyOrder; self.inputs.len()]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![O::INPUTS == OperatorInputs::OneInOrder; self.inputs.len()]
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
            operator: self.operator.clone(),
            inputs: children,
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
        let metrics = BaselineMetrics::new(&self.metrics, 0);
        let stop = StopOnDrop::default();
        let task = OperatorTask {
            name: O::NAME,
            context,
            schema: self.schema.clone(),
            progress: stop.0.clone(),
            timer: metrics.elapsed_compute().clone(),
            metrics: self.metrics.clone(),
        };
        let rows = self.operator.clone().run(self.inputs.clone(), task)?;
        let counted = rows.inspect_ok(move |batch| {
            // Work is stopped when the rows are dropped.
            let _ = &stop;
            metrics.record_output(batch.num_rows());
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), counted.boxed())))
    }
}

/// One run of an operator.
#[derive(Debug, Clone)]
pub(crate) struct OperatorTask {
    name: &'static str,
    context: Arc<TaskContext>,
    schema: SchemaRef,
    progress: Arc<ImportProgress>,
    timer: Time,
    metrics: ExecutionPlanMetricsSet,
}

impl OperatorTask {
    /// What the inputs are executed in.
    pub(crate) fn context(&self) -> &Arc<TaskContext> {
        &self.context
    }

    /// The columns of the rows.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows that a batch should have at most.
    pub(crate) fn batch_rows(&self) -> usize {
        self.context.session_config().batch_size().max(1)
    }

    /// A number that EXPLAIN ANALYZE shows.
    pub(crate) fn counter(&self, name: &'static str) -> Count {
        MetricBuilder::new(&self.metrics).counter(name, 0)
    }

    /// Sets memory aside; an error where the session's limit does not allow it.
    pub(crate) fn reserve(&self, n_bytes: usize) -> Result<Arc<MemoryReservation>> {
        let reservation = MemoryConsumer::new(self.name).register(self.context.memory_pool());
        reservation.try_grow(n_bytes)?;
        Ok(Arc::new(reservation))
    }

    /// Does what takes long on a thread of its own.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ImportProgress) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (timer, progress) = (self.timer.clone(), self.progress.clone());
        let task = SpawnedTask::spawn_blocking(move || {
            let _timer = timer.timer();
            work(&progress)
        });
        joined(task).await?
    }

    /// Rows that work sends when it has them, some batches ahead of whoever takes them.
    pub(crate) fn sent<F>(&self, work: impl FnOnce(Sender<Result<RecordBatch>>) -> F) -> OperatorRows
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        /// Batches that may wait to be taken.
        const QUEUE: usize = 2;
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), QUEUE);
        let work = work(builder.tx());
        builder.spawn(work);
        builder.build().boxed()
    }
}

/// Stops work when nobody waits for it any more.
#[derive(Debug, Default)]
pub(crate) struct StopOnDrop(pub(crate) Arc<ImportProgress>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel.store(true, Ordering::Relaxed);
    }
}

/// What a task gives, where it did not panic.
pub(crate) async fn joined<T: 'static>(task: SpawnedTask<T>) -> Result<T> {
    task.join().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))
}

/// `, limit=N` in EXPLAIN, where there is a limit.
pub(crate) fn describe_limit(f: &mut fmt::Formatter<'_>, limit: Option<usize>) -> fmt::Result {
    match limit {
        Some(limit) => write!(f, ", limit={limit}"),
        None => Ok(()),
    }
}
