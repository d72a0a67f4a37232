//! Rows that are made where the statement was asked, for the workers that need them.
//!
//! What cannot be sent, such as a search over the graph index of this machine, becomes a [`LocalRowsExec`]. Where it is part of the
//! first stage it simply runs; where it is part of a stage that runs elsewhere, it runs here and its batches are sent to the worker
//! that has the stage, as the feed of `datafusion-distributed` sends work units.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        datatypes::SchemaRef,
        ipc::{reader::StreamReader, writer::StreamWriter},
        record_batch::RecordBatch,
    },
    common::tree_node::TreeNodeRecursion,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, displayable,
        execution_plan::Boundedness, metrics::MetricsSet, stream::RecordBatchStreamAdapter,
    },
};
use datafusion_distributed::{WorkUnitFeed, WorkUnitFeedProto, WorkUnitFeedProvider};
use datafusion_proto::{
    physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension},
    protobuf::{Schema as SchemaProto, proto_error},
};
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use prost::Message;

/// A plan that runs where the statement was asked.
#[derive(Debug, Clone)]
pub(crate) struct LocalRowsExec {
    feed: WorkUnitFeed<LocalRows>,
    properties: Arc<PlanProperties>,
}

impl LocalRowsExec {
    /// Keeps a plan on this machine.
    pub(crate) fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        // The order of the rows, and what else is known of them, is known here as well.
        let properties = plan.properties().clone();
        Self { feed: WorkUnitFeed::new(LocalRows { plan }), properties }
    }

    /// What a worker knows of it: where the batches come from.
    fn of_elsewhere(feed: WorkUnitFeedProto, schema: SchemaRef, n_partitions: usize) -> Result<Self> {
        let properties = PlanProperties::new(
            datafusion::physical_expr::EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(n_partitions),
            datafusion::physical_plan::execution_plan::EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { feed: WorkUnitFeed::from_proto(feed)?, properties: Arc::new(properties) })
    }

    /// What brings the batches to workers.
    pub(crate) fn feed(&self) -> Option<&WorkUnitFeed<LocalRows>> {
        Some(&self.feed)
    }
}

impl DisplayAs for LocalRowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.feed.inner() {
            Some(rows) => {
                write!(f, "LocalRowsExec: runs where the statement was asked: ")?;
                // One line: a leaf has no children that would be shown.
                let plan = displayable(&*rows.plan).indent(false).to_string();
                let lines: Vec<&str> = plan.lines().map(str::trim).collect();
                f.write_str(&lines.join(" <- "))
            }
            None => write!(f, "LocalRowsExec: rows of where the statement was asked"),
        }
    }
}

impl ExecutionPlan for LocalRowsExec {
    fn name(&self) -> &'static str {
        "LocalRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// A leaf: what it runs is not for the planner to cut.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.feed.inner().and_then(|rows| rows.plan.metrics())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if let Some(rows) = self.feed.inner() {
            return rows.plan.execute(partition, context);
        }
        let schema = self.schema();
        let units = self.feed.feed(partition, context)?;
        let batches = units.map(|unit| decoded(&unit?.batch));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// What a [`LocalRowsExec`] runs.
#[derive(Debug, Clone)]
pub(crate) struct LocalRows {
    plan: Arc<dyn ExecutionPlan>,
}

impl WorkUnitFeedProvider for LocalRows {
    type WorkUnit = SentBatch;

    fn feed(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<SentBatch>>> {
        let rows = self.plan.execute(partition, context)?;
        Ok(rows.and_then(|batch| async move { encoded(&batch) }).boxed())
    }
}

/// A batch on its way to a worker, as an Arrow stream.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SentBatch {
    #[prost(bytes = "vec", tag = "1")]
    batch: Vec<u8>,
}

fn encoded(batch: &RecordBatch) -> Result<SentBatch> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(SentBatch { batch: bytes })
}

fn decoded(bytes: &[u8]) -> Result<RecordBatch> {
    let mut batches = StreamReader::try_new(bytes, None)?;
    let batch = batches.next().transpose()?;
    batch.ok_or_else(|| DataFusionError::Internal("rows were sent without a batch".to_owned()))
}

/// How a [`LocalRowsExec`] is sent: without its plan.
#[derive(Debug)]
pub(crate) struct LocalRowsCodec;

#[derive(Clone, PartialEq, prost::Message)]
struct LocalRowsProto {
    #[prost(message, optional, tag = "1")]
    feed: Option<WorkUnitFeedProto>,
    #[prost(message, optional, tag = "2")]
    schema: Option<SchemaProto>,
    #[prost(uint64, tag = "3")]
    n_partitions: u64,
}

impl PhysicalExtensionCodec for LocalRowsCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        _context: &TaskContext,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let proto = LocalRowsProto::decode(bytes).map_err(|error| proto_error(error.to_string()))?;
        let (Some(feed), Some(schema)) = (proto.feed, proto.schema) else {
            return Err(proto_error("rows of elsewhere without columns"));
        };
        let n_partitions =
            usize::try_from(proto.n_partitions).map_err(|error| proto_error(error.to_string()))?;
        let schema = (&schema).try_into()?;
        Ok(Arc::new(LocalRowsExec::of_elsewhere(feed, Arc::new(schema), n_partitions)?))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(rows) = node.downcast_ref::<LocalRowsExec>() else {
            return Err(DataFusionError::Internal(format!("{} cannot be sent", node.name())));
        };
        let proto = LocalRowsProto {
            feed: Some(rows.feed.to_proto()),
            schema: Some(rows.schema().as_ref().try_into()?),
            n_partitions: rows.properties.output_partitioning().partition_count() as u64,
        };
        proto.encode(bytes).map_err(|error| proto_error(error.to_string()))
    }
}
