//! The physical operator: takes the addresses or edges of its sets from the plans below it and asks the index.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{AsArray, RecordBatch, RecordBatchOptions},
        datatypes::{SchemaRef, UInt32Type, UInt64Type},
    },
    common::{runtime::SpawnedTask, tree_node::TreeNodeRecursion},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext, memory_pool::MemoryConsumer},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
        execute_stream,
        execution_plan::{Boundedness, EmissionType},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    rows::GraphRows,
    set::{Set, SetRows},
    table::GraphCall,
};
use crate::snapshot::{OpenIndex, Snapshot, StopOnDrop};

/// The operator of every graph function.
#[derive(Debug)]
pub(super) struct GraphExec {
    call: GraphCall,
    snapshot: Arc<Snapshot>,
    /// One per set; none for a list of addresses.
    plans: Vec<Option<Arc<dyn ExecutionPlan>>>,
    schema: SchemaRef,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GraphExec {
    pub(super) fn new(
        call: GraphCall,
        snapshot: Arc<Snapshot>,
        plans: Vec<Option<Arc<dyn ExecutionPlan>>>,
        schema: &SchemaRef,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let schema = match projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => schema.clone(),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            call,
            snapshot,
            plans,
            schema,
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for GraphExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GraphCall { function, sets, numbers, manifest } = &self.call;
        write!(f, "GraphExec: {}, dump={}", function.doc.name, manifest.id)?;
        for set in sets {
            write!(f, ", set=[{set}]")?;
        }
        for (name, number) in numbers {
            write!(f, ", {name}={number}")?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for GraphExec {
    fn name(&self) -> &str {
        "GraphExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.plans.iter().flatten().collect()
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
        let mut children = children.into_iter();
        let plans = self.plans.iter().map(|plan| plan.as_ref().and_then(|_| children.next())).collect();
        Ok(Arc::new(Self {
            call: self.call.clone(),
            snapshot: self.snapshot.clone(),
            plans,
            schema: self.schema.clone(),
            limit: self.limit,
            properties: self.properties.clone(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(
            datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute,
        );
        self.replace_children(children, options)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (call, snapshot) = (self.call.clone(), self.snapshot.clone());
        let plans = self.plans.clone();
        let limit = self.limit.unwrap_or(usize::MAX);
        let metrics = BaselineMetrics::new(&self.metrics, 0);
        let members = MetricBuilder::new(&self.metrics).counter("set_rows", 0);
        let batch_rows = context.session_config().batch_size();
        let answered = async move {
            let mut sets = Vec::new();
            for (set, plan) in call.sets.iter().zip(plans) {
                sets.push(rows(set, plan, &context).await?);
            }
            sets.iter().for_each(|set| members.add(set.len()));
            let n_members = sets.iter().map(SetRows::len).sum();
            let reservation = MemoryConsumer::new("GraphExec").register(context.memory_pool());
            let n_objects = usize::try_from(call.manifest.counts.objects).unwrap_or(usize::MAX);
            reservation.try_grow(n_objects.saturating_mul((call.function.bytes_per_object)(n_members)))?;
            let stop = StopOnDrop::default();
            let progress = stop.0.clone();
            let timer = metrics.elapsed_compute().clone();
            let answer = SpawnedTask::spawn_blocking(move || {
                let _timer = timer.timer();
                let open = snapshot.open(&call.manifest, &progress)?;
                let numbers: Vec<u32> = call.numbers.iter().map(|(_, number)| *number).collect();
                let rows = call.function.rows(&sets, &numbers, &open, &progress.cancel)?;
                Ok::<_, DataFusionError>((rows, open))
            });
            let answer =
                answer.join().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
            Ok::<_, DataFusionError>((answer, stop, metrics, reservation))
        };
        let schema = self.schema.clone();
        let columns = schema.clone();
        let batches = stream::once(answered).map_ok(move |(answer, stop, metrics, reservation)| {
            let batches = batches(answer, columns.clone(), limit, batch_rows);
            stream::iter(batches.inspect(move |batch| {
                // Kept until the last batch is made.
                let _ = (&stop, &reservation);
                if let Ok(batch) = batch {
                    metrics.record_output(batch.num_rows());
                }
            }))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches.try_flatten().boxed())))
    }
}

/// The members of a set.
pub(crate) async fn rows(
    set: &Set,
    plan: Option<Arc<dyn ExecutionPlan>>,
    context: &Arc<TaskContext>,
) -> Result<SetRows> {
    let Some(plan) = plan else {
        return Ok(match set {
            Set::Addresses(addresses) => SetRows::Objects(addresses.clone()),
            Set::Objects(_) | Set::Edges(_) | Set::Ends(_) => SetRows::Objects(Vec::new()),
        });
    };
    let mut stream = execute_stream(plan, context.clone())?;
    let (mut addresses, mut edges) = (Vec::new(), Vec::new());
    let is_edges = matches!(set, Set::Edges(_));
    while let Some(batch) = stream.try_next().await? {
        let first = batch.column(0).as_primitive::<UInt64Type>().values();
        if is_edges {
            let idx = batch.column(1).as_primitive::<UInt32Type>().values();
            edges.extend(first.iter().copied().zip(idx.iter().copied()));
        } else {
            addresses.extend_from_slice(first);
        }
    }
    Ok(if is_edges { SetRows::Edges(edges) } else { SetRows::Objects(addresses) })
}

/// The rows of an answer, some at a time.
fn batches(
    (rows, open): (Box<dyn GraphRows>, Arc<OpenIndex>),
    schema: SchemaRef,
    limit: usize,
    batch_rows: usize,
) -> impl Iterator<Item = Result<RecordBatch>> {
    let n_rows = rows.n_rows().min(limit);
    (0..n_rows).step_by(batch_rows.max(1)).map(move |start| {
        let part = start..n_rows.min(start + batch_rows);
        let columns = schema.fields().iter().map(|field| {
            let column = rows.column(field.name(), part.clone(), &open);
            column.ok_or_else(|| DataFusionError::Internal(format!("rows have no column {}", field.name())))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(part.len()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
    })
}
