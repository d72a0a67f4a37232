//! How the statements of a session are spread over workers.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{
        config::{ConfigNonZeroUsize, ConfigOptions},
        display::ToStringifiedPlan as _,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    datasource::source::DataSourceExec,
    error::DataFusionError,
    execution::{SessionStateBuilder, context::QueryPlanner},
    logical_expr::{LogicalPlan, PlanType, StringifiedPlan},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties as _, ReplaceChildrenOptions,
        aggregates::AggregateExec,
        analyze::AnalyzeExec,
        coalesce_partitions::CoalescePartitionsExec,
        coop::CooperativeExec,
        empty::EmptyExec,
        explain::ExplainExec,
        filter::FilterExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec},
        limit::{GlobalLimitExec, LocalLimitExec},
        placeholder_row::PlaceholderRowExec,
        projection::ProjectionExec,
        repartition::RepartitionExec,
        sorts::{sort::SortExec, sort_preserving_merge::SortPreservingMergeExec},
        union::{InterleaveExec, UnionExec},
        unnest::UnnestExec,
        windows::{BoundedWindowAggExec, WindowAggExec},
    },
    physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _},
};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt as _, SessionStateBuilderExt as _,
    WorkerResolver, display_plan_ascii,
};
use futures::{FutureExt as _, future::BoxFuture, future::join_all};
use heaplake_engine::{Cluster, NamedDumps, is_scan_of_lake};
use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::{
    connections::{Connections, address},
    local_rows::{LocalRowsCodec, LocalRowsExec},
};

/// The header that says which dump `current` means.
const CURRENT: &str = "x-heaplake-current";
/// The header that says which dump `baseline` means.
const BASELINE: &str = "x-heaplake-baseline";

/// The workers of a cluster, as a client knows them. Copies share what is known of them.
#[derive(Clone)]
pub(crate) struct Workers {
    connections: Connections,
    /// Those that have answered so far, or were not asked yet.
    answering: Arc<Mutex<Vec<Url>>>,
    /// Bytes of tables for each thread of a worker; a statement over fewer takes fewer workers.
    share: usize,
    /// What names them.
    origin: String,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("answering", &*self.answering()).finish_non_exhaustive()
    }
}

impl Workers {
    /// Workers at some addresses.
    pub(crate) fn new(addresses: Vec<Url>, connections: Connections, share: usize, origin: &str) -> Self {
        Self { connections, answering: Arc::new(Mutex::new(addresses)), share, origin: origin.to_owned() }
    }

    fn answering(&self) -> MutexGuard<'_, Vec<Url>> {
        self.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all of them, and keeps those that answer. What is wrong with the others.
    async fn check(&self) -> Vec<String> {
        let workers = self.answering().clone();
        let answers = join_all(workers.iter().map(|worker| self.connections.check(worker))).await;
        let mut lost = Vec::new();
        for (worker, answer) in workers.iter().zip(answers) {
            if let Err(what) = answer {
                self.answering().retain(|other| other != worker);
                lost.push(format!("{}: {what}", address(worker)));
            }
        }
        lost
    }
}

impl WorkerResolver for Workers {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(self.answering().clone())
    }
}

impl Cluster for Workers {
    fn extend(
        &self,
        builder: SessionStateBuilder,
        names: &NamedDumps,
    ) -> Result<SessionStateBuilder, DataFusionError> {
        let mut builder =
            builder.with_physical_optimizer_rule(Arc::new(KeepLocal)).with_distributed_planner();
        if let Some(planner) = builder.query_planner().take() {
            builder = builder.with_query_planner(Arc::new(SpreadPlanner { planner }));
        }
        let config = builder.config().get_or_insert_default();
        // What has one partition stays on one worker, see `desired_task_count`.
        let settings = config.options_mut();
        settings.execution.target_partitions = settings.execution.target_partitions.max(2);
        let least = settings.optimizer.repartition_file_min_size.min(self.share);
        settings.optimizer.repartition_file_min_size = least;
        // Tables with fewer rows than a batch are not divided either.
        let batch_rows = usize::from(settings.execution.batch_size).min(self.share);
        settings.execution.batch_size = ConfigNonZeroUsize::try_new(batch_rows)?;
        builder
            .with_distributed_desired_task_count_handler(desired_task_count)
            .with_distributed_worker_resolver(self.clone())
            .with_distributed_channel_resolver(self.connections.clone())
            .with_distributed_user_codec(LocalRowsCodec)
            .with_distributed_work_unit_feed(LocalRowsExec::feed)
            .with_distributed_passthrough_headers(headers(names)?)?
            .with_distributed_broadcast_joins(true)?
            .with_distributed_file_scan_config_bytes_per_partition(self.share)
    }

    fn lost_workers(&self) -> BoxFuture<'_, heaplake_engine::Result<Vec<String>>> {
        async {
            let lost = self.check().await;
            match self.answering().is_empty() {
                true => Err(heaplake_engine::Error::Failed(format!(
                    "no worker of the cluster answers ({}); {} names them",
                    lost.join("; "),
                    self.origin
                ))),
                false => Ok(lost),
            }
        }
        .boxed()
    }
}

/// What a worker must know of a session.
fn headers(names: &NamedDumps) -> Result<HeaderMap, DataFusionError> {
    let mut headers = HeaderMap::new();
    for (name, dump) in [(CURRENT, &names.current), (BASELINE, &names.baseline)] {
        if let Some(dump) = dump {
            let dump =
                HeaderValue::from_str(dump).map_err(|error| DataFusionError::External(error.into()))?;
            headers.insert(name, dump);
        }
    }
    Ok(headers)
}

/// The reverse of [`headers`]. A name that is not the id of a dump is refused later.
pub(crate) fn names(headers: &HeaderMap) -> NamedDumps {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    NamedDumps { current: text(CURRENT), baseline: text(BASELINE) }
}

/// On how many workers a scan may run. Operators that need all rows in one partition find that a scan of one partition has them
/// there, and nothing would bring together what several workers scan of it.
fn desired_task_count(event: DesiredTaskCountEvent<'_>) -> Option<TaskCount> {
    let is_whole =
        event.plan.is::<DataSourceExec>() && event.plan.output_partitioning().partition_count() == 1;
    is_whole.then(|| Ok(DesiredTaskCountEventResponse::maximum(1)))
}

type TaskCount = Result<DesiredTaskCountEventResponse, DataFusionError>;

tokio::task_local! {
    /// A statement is being planned.
    static IN_STATEMENT: ();
}

/// Spreads statements, and explains them as they are spread: DataFusion explains plans of its own alone. What functions plan while a
/// statement is planned, such as the predicate of a set, belongs to them and stays on this machine.
#[derive(Debug)]
struct SpreadPlanner {
    planner: Arc<dyn QueryPlanner + Send + Sync>,
}

#[async_trait]
impl QueryPlanner for SpreadPlanner {
    async fn create_physical_plan(
        &self,
        logical: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if IN_STATEMENT.try_with(|()| ()).is_ok() {
            return DefaultPhysicalPlanner::default().create_physical_plan(logical, session).await;
        }
        let spread = |logical| IN_STATEMENT.scope((), self.planner.create_physical_plan(logical, session));
        let LogicalPlan::Explain(explain) = logical else { return spread(logical).await };
        let plan = spread(&explain.plan).await?;
        let plans = vec![
            explain.plan.to_stringified(PlanType::FinalLogicalPlan),
            StringifiedPlan::new(PlanType::FinalPhysicalPlan, display_plan_ascii(&*plan, false)),
        ];
        Ok(Arc::new(ExplainExec::new(explain.schema.inner().clone(), plans, explain.verbose)))
    }
}

/// Operators that can be sent to a worker.
const TRAVELS: [fn(&dyn ExecutionPlan) -> bool; 22] = [
    |plan| plan.is::<AggregateExec>(),
    |plan| plan.is::<BoundedWindowAggExec>(),
    |plan| plan.is::<CoalescePartitionsExec>(),
    |plan| plan.is::<CooperativeExec>(),
    |plan| plan.is::<CrossJoinExec>(),
    |plan| plan.is::<EmptyExec>(),
    |plan| plan.is::<FilterExec>(),
    |plan| plan.is::<GlobalLimitExec>(),
    |plan| plan.is::<HashJoinExec>(),
    |plan| plan.is::<InterleaveExec>(),
    |plan| plan.is::<LocalLimitExec>(),
    |plan| plan.is::<NestedLoopJoinExec>(),
    |plan| plan.is::<PlaceholderRowExec>(),
    |plan| plan.is::<ProjectionExec>(),
    |plan| plan.is::<RepartitionExec>(),
    |plan| plan.is::<SortExec>(),
    |plan| plan.is::<SortMergeJoinExec>(),
    |plan| plan.is::<SortPreservingMergeExec>(),
    |plan| plan.is::<UnionExec>(),
    |plan| plan.is::<UnnestExec>(),
    |plan| plan.is::<WindowAggExec>(),
    is_scan_of_lake,
];

/// Keeps what cannot be sent on this machine, and sorts what a shuffle puts out of order. It comes after all other rules: they know
/// nothing of a [`LocalRowsExec`].
#[derive(Debug)]
struct KeepLocal;

impl PhysicalOptimizerRule for KeepLocal {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if plan.is::<AnalyzeExec>() {
            let inputs = plan.children().into_iter().map(|input| kept(input.clone()));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            return plan
                .replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute));
        }
        kept(plan)
    }

    fn name(&self) -> &str {
        "keep_local"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same rows in the same order, where rows change partitions and keep their order. On one machine that is a merge. Between workers
/// rows come as they come, so that they have to be sorted again: what is above relies on their order, and says nothing if it is another.
/// `datafusion-distributed` after version 4.0 merges them itself (its pull request 735).
fn sorted_after_shuffle(node: &dyn ExecutionPlan) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
    let Some(repartition) = node.downcast_ref::<RepartitionExec>().filter(|node| node.preserve_order())
    else {
        return Ok(None);
    };
    let Some(order) = node.output_ordering() else { return Ok(None) };
    let shuffled = RepartitionExec::try_new(repartition.input().clone(), repartition.partitioning().clone())?;
    let sorted = SortExec::new(order.clone(), Arc::new(shuffled)).with_preserve_partitioning(true);
    Ok(Some(Arc::new(sorted)))
}

fn kept(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let kept = plan.transform_down(|node| {
        if let Some(sorted) = sorted_after_shuffle(&*node)? {
            return Ok(Transformed::yes(sorted));
        }
        if TRAVELS.iter().any(|travels| travels(&*node)) {
            return Ok(Transformed::no(node));
        }
        let kept: Arc<dyn ExecutionPlan> = Arc::new(LocalRowsExec::new(node));
        Ok(Transformed::new(kept, true, TreeNodeRecursion::Jump))
    });
    Ok(kept?.data)
}
