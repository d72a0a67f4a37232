//! The physical operator: takes the addresses or edges of its sets from the plans below it and asks the index.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{AsArray, RecordBatch, RecordBatchOptions},
        datatypes::{SchemaRef, UInt32Type, UInt64Type},
    },
    error::{DataFusionError, Result},
    execution::TaskContext,
    physical_plan::{ExecutionPlan, execute_stream, execution_plan::EmissionType},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{rows::GraphRows, set::Set, table::GraphCall};
use crate::{
    function::ArgumentKind,
    memo::{MemoKey, SetRows},
    operator::{Operator, OperatorInputs, OperatorRows, OperatorTask, describe_limit},
    snapshot::{OpenIndex, Snapshot},
};

/// The operator of every graph function. It has an input for each set that is no list of addresses.
#[derive(Debug)]
pub(super) struct GraphOperator {
    pub(super) call: GraphCall,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) limit: Option<usize>,
}

impl Operator for GraphOperator {
    const NAME: &'static str = "GraphExec";
    const INPUTS: OperatorInputs = OperatorInputs::AnyOrder;
    const EMISSION: EmissionType = EmissionType::Final;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GraphCall { function, sets, numbers, manifest } = &self.call;
        write!(f, "{}, dump={}", function.doc.name, manifest.id)?;
        for set in sets {
            write!(f, ", set=[{set}]")?;
        }
        for (name, number) in numbers {
            write!(f, ", {name}={number}")?;
        }
        describe_limit(f, self.limit)
    }

    fn run(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows> {
        let members = task.counter("set_rows");
        let answered = async move {
            let mut inputs = inputs.into_iter();
            let mut sets = Vec::new();
            for set in &self.call.sets {
                let plan = if set.is_planned() { inputs.next() } else { None };
                sets.push(rows(set, plan, task.context()).await?);
            }
            sets.iter().for_each(|set| members.add(set.len()));
            self.keep(&sets);
            let n_members = sets.iter().map(SetRows::len).sum();
            let n_objects = usize::try_from(self.call.manifest.counts.objects).unwrap_or(usize::MAX);
            let per_object = (self.call.function.bytes_per_object)(n_members);
            let held = task.reserve(n_objects.saturating_mul(per_object))?;
            let operator = self.clone();
            let answer = task.blocking(move |progress| {
                let GraphOperator { call, snapshot, .. } = &*operator;
                let open = snapshot.open(&call.manifest, progress)?;
                let numbers: Vec<u32> = call.numbers.iter().map(|(_, number)| *number).collect();
                let rows = call.function.rows(&sets, &numbers, &open, &progress.cancel)?;
                Ok((rows, open))
            });
            let limit = self.limit.unwrap_or(usize::MAX);
            let batches = batches(answer.await?, task.schema().clone(), limit, task.batch_rows());
            Ok::<_, DataFusionError>(stream::iter(batches.inspect(move |_| {
                // Kept until the last batch is made.
                let _ = &held;
            })))
        };
        Ok(stream::once(answered).try_flatten().boxed())
    }
}

impl GraphOperator {
    /// Keeps the sets of a cut, which is often saved after it was looked at.
    fn keep(&self, sets: &[SetRows]) {
        let GraphCall { function, manifest, .. } = &self.call;
        let is_cut = function.doc.arguments.iter().any(|argument| argument.kind == ArgumentKind::Cut);
        if is_cut && self.snapshot.limits().memory.is_none() {
            let keys = self.call.sets.iter().map(|set| key(set, manifest.id.as_str()));
            let kept = keys.zip(sets).filter_map(|(key, rows)| Some((key?, rows.clone())));
            self.snapshot.memo().keep_cut(kept.collect());
        }
    }
}

/// What a set is kept under.
pub(super) fn key(set: &Set, dump: &str) -> Option<MemoKey> {
    MemoKey::new(dump, &format!("{set:?}"))
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
            Set::Objects(_) | Set::Type(_) | Set::Edges(_) | Set::Ends(_) => SetRows::Objects(Vec::new()),
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
    (0..n_rows).step_by(batch_rows).map(move |start| {
        let part = start..n_rows.min(start + batch_rows);
        let columns = schema.fields().iter().map(|field| {
            let column = rows.column(field.name(), part.clone(), &open);
            column.ok_or_else(|| DataFusionError::Internal(format!("rows have no column {}", field.name())))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(part.len()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
    })
}
