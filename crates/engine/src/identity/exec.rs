//! The physical operator: takes facts of each dump from the scans below it, pairs the dumps, and gives out rows.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions},
        datatypes::SchemaRef,
    },
    common::runtime::SpawnedTask,
    error::{DataFusionError, Result},
    execution::{TaskContext, memory_pool::MemoryReservation},
    physical_plan::{ExecutionPlan, execution_plan::EmissionType},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_graph::Cancelled;
use heaplake_store::{ImportProgress, Manifest};

use super::{
    IdentityFunction, Rule,
    facts::{self, Facts},
    pair::{self, Pairs, Unpaired},
    rows::{DiffRows, STATUSES, Wanted, pieces},
};
use crate::{
    Error,
    operator::{Operator, OperatorInputs, OperatorRows, OperatorTask, describe_limit, joined},
    snapshot::Snapshot,
};

/// The diff that a session made last. The next question is often about the same dumps.
#[derive(Clone)]
pub(super) struct LastDiff {
    dumps: [String; 2],
    asked: Rule,
    pairs: Arc<Pairs>,
}

impl fmt::Debug for LastDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastDiff").field("dumps", &self.dumps).finish_non_exhaustive()
    }
}

/// Where it is kept.
pub(super) type Last = Arc<Mutex<Option<LastDiff>>>;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct IdentityCall {
    pub(super) function: &'static IdentityFunction,
    /// In order of time.
    pub(super) manifests: Vec<Arc<Manifest>>,
    pub(super) rule: Rule,
    /// Of a diff, which rows.
    pub(super) wanted: Wanted,
}

/// The operator. It has one scan of `obj` per dump, and then one of the labels of `edge` per dump, or no more.
#[derive(Debug)]
pub(super) struct IdentityOperator {
    pub(super) call: IdentityCall,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) last: Last,
    pub(super) limit: Option<usize>,
}

impl Operator for IdentityOperator {
    const NAME: &'static str = "IdentityExec";
    const INPUTS: OperatorInputs = OperatorInputs::AsTheyAre;
    const EMISSION: EmissionType = EmissionType::Final;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dumps: Vec<&str> = self.call.manifests.iter().map(|manifest| manifest.id.as_str()).collect();
        write!(f, "{}, dumps=[{}]", self.call.function.doc.name, dumps.join(", "))?;
        write!(f, ", identity={}", self.call.rule.name())?;
        if self.call.wanted.contains(&false) {
            let wanted = STATUSES.iter().zip(self.call.wanted).filter(|(_, wanted)| *wanted);
            let wanted: Vec<&str> = wanted.map(|(status, _)| *status).collect();
            write!(f, ", status=[{}]", wanted.join(", "))?;
        }
        describe_limit(f, self.limit)
    }

    fn run(self: Arc<Self>, scans: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows> {
        let work = IdentityWork {
            call: self.call.clone(),
            snapshot: self.snapshot.clone(),
            last: self.last.clone(),
            scans,
            limit: self.limit.unwrap_or(usize::MAX),
            task,
            seed: RandomState::new().hash_one(0),
        };
        let answered = async move {
            let answer = work.call.function.answer;
            let IdentityAnswer { rows, held } = answer(work).await?;
            Ok::<_, DataFusionError>(rows.inspect_ok(move |_| {
                // Kept until the last batch is made.
                let _ = &held;
            }))
        };
        Ok(stream::once(answered).try_flatten().boxed())
    }
}

/// Facts and the memory that is set aside for them.
pub(crate) struct HeldFacts {
    pub(crate) facts: Arc<Facts>,
    pub(crate) held: Arc<MemoryReservation>,
}

/// Pairs and the memory that is set aside for them.
pub(crate) struct HeldPairs {
    pub(crate) pairs: Pairs,
    held: Arc<MemoryReservation>,
}

/// Rows, and the memory that is set aside as long as they come.
pub(crate) struct IdentityAnswer {
    rows: OperatorRows,
    held: Vec<Arc<MemoryReservation>>,
}

/// Reads dumps and pairs them, for one call.
pub(crate) struct IdentityWork {
    call: IdentityCall,
    snapshot: Arc<Snapshot>,
    last: Last,
    scans: Vec<Arc<dyn ExecutionPlan>>,
    limit: usize,
    task: OperatorTask,
    seed: u64,
}

impl IdentityWork {
    /// The columns that are asked for.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.task.schema()
    }

    /// How many dumps there are.
    pub(crate) fn n_dumps(&self) -> usize {
        self.call.manifests.len()
    }

    /// What became of every object of the first dump and the second: rows as they are made. Pairs are kept for the next
    /// question about these dumps.
    pub(crate) async fn diff(self) -> Result<IdentityAnswer> {
        let dumps = [0, 1].map(|dump| self.call.manifests[dump].id.to_string());
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = known.filter(|known| known.dumps == dumps && known.asked == self.call.rule);
        if let Some(kept) = kept {
            return Ok(self.diff_rows(kept.pairs, Vec::new()));
        }
        let (before, after) = self.first_two().await?;
        let HeldPairs { pairs, held } = self.pair(0, &before, &after).await?;
        let pairs = Arc::new(pairs);
        // Where memory is limited it is not for what may never be asked for again.
        if self.snapshot.limits().memory.is_none() {
            let last = LastDiff { dumps, asked: self.call.rule, pairs: pairs.clone() };
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        }
        Ok(self.diff_rows(pairs, vec![before.held, after.held, held]))
    }

    fn diff_rows(&self, pairs: Arc<Pairs>, held: Vec<Arc<MemoryReservation>>) -> IdentityAnswer {
        let rows = diff_rows(pairs, self.task.schema().clone(), self.call.wanted, self.task.batch_rows());
        IdentityAnswer { rows: limited(rows, self.limit), held }
    }

    /// The facts of the first two dumps, both at once.
    pub(crate) async fn first_two(&self) -> Result<(HeldFacts, HeldFacts)> {
        futures::future::try_join(self.facts(0), self.facts(1)).await
    }

    /// No rows.
    pub(crate) fn nothing(self) -> IdentityAnswer {
        IdentityAnswer { rows: stream::empty().boxed(), held: Vec::new() }
    }

    /// Rows that are columns already, made of what one dump says.
    pub(crate) fn columns(self, columns: Vec<ArrayRef>, of: HeldFacts) -> Result<IdentityAnswer> {
        let n_rows = columns.first().map_or(0, |column| column.len());
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        let all = RecordBatch::try_new_with_options(self.task.schema().clone(), columns, &options)?;
        let batch_rows = self.task.batch_rows();
        let part = move |start| Ok(all.slice(start, batch_rows.min(n_rows - start)));
        let parts = stream::iter((0..n_rows).step_by(batch_rows).map(part)).boxed();
        Ok(IdentityAnswer { rows: limited(parts, self.limit), held: vec![of.held] })
    }

    /// The facts of a dump, each on a thread of its own.
    pub(crate) async fn facts(&self, dump: usize) -> Result<HeldFacts> {
        let manifest = self.call.manifests[dump].clone();
        let n_objects = usize::try_from(manifest.counts.objects).unwrap_or(usize::MAX);
        let held = self.task.reserve(n_objects.saturating_mul(facts::BYTES_PER_OBJECT))?;
        let snapshot = self.snapshot.clone();
        let facts = self.task.blocking(move |progress| {
            let dump = snapshot.with_types(&manifest)?;
            Facts::new(snapshot.open_base(&dump, progress)?)
        });
        let facts = facts.await?;
        let rows = in_order(&self.scans[dump], self.task.context());
        let facts = joined(SpawnedTask::spawn(facts.load(rows, self.seed))).await??;
        Ok(HeldFacts { facts: Arc::new(facts), held })
    }

    /// Pairs a dump with the next one.
    pub(crate) async fn pair(&self, dump: usize, before: &HeldFacts, after: &HeldFacts) -> Result<HeldPairs> {
        let n_objects = before.facts.n_nodes();
        let held = self.task.reserve(n_objects.saturating_mul(pair::BYTES_PER_OBJECT))?;
        let (first, second, rule) = (before.facts.clone(), after.facts.clone(), self.call.rule);
        let unpaired = self
            .task
            .blocking(move |progress| Ok(stopped(Unpaired::new(first, second, rule, &progress.cancel))?));
        let unpaired = unpaired.await?;
        let mut labels = [Vec::new(), Vec::new()];
        let mut more = Vec::new();
        if unpaired.rule() == Rule::Path {
            let n_both = n_objects.saturating_add(after.facts.n_nodes());
            more.push(self.task.reserve(n_both.saturating_mul(pair::BYTES_PER_OBJECT_BY_PATH))?);
            // What a label is called is forgotten; equal ones have equal numbers.
            let mut numbers = HashMap::new();
            for (labels, dump) in labels.iter_mut().zip([dump, dump + 1]) {
                if let Some(scan) = self.scans.get(self.call.manifests.len() + dump) {
                    let n_edges = self.call.manifests[dump].counts.edges;
                    let n_edges = usize::try_from(n_edges).unwrap_or(usize::MAX);
                    more.push(self.task.reserve(n_edges.saturating_mul(size_of::<u32>()))?);
                    *labels = self.labels(scan, &mut numbers).await?;
                }
            }
        }
        let paired = move |progress: &ImportProgress| Ok(stopped(unpaired.pair(&labels, &progress.cancel))?);
        let pairs = self.task.blocking(paired).await?;
        Ok(HeldPairs { pairs, held })
    }

    /// By reference, the number of its label; 0 for none.
    async fn labels(
        &self,
        scan: &Arc<dyn ExecutionPlan>,
        numbers: &mut HashMap<String, u32>,
    ) -> Result<Vec<u32>> {
        let mut rows = in_order(scan, self.task.context());
        let mut labels = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            let texts = batch.column(0).as_string_view();
            for i in 0..texts.len() {
                if texts.is_null(i) {
                    labels.push(0);
                    continue;
                }
                let text = texts.value(i);
                let next = u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX);
                labels.push(match numbers.get(text) {
                    Some(number) => *number,
                    None => *numbers.entry(text.to_owned()).or_insert(next),
                });
            }
        }
        Ok(labels)
    }
}

/// The rows of a diff. Pieces of them are made on threads of their own, and come in their order.
fn diff_rows(pairs: Arc<Pairs>, schema: SchemaRef, wanted: Wanted, batch_rows: usize) -> OperatorRows {
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let made = stream::iter(pieces(&pairs)).map(move |piece| {
        let (pairs, schema) = (pairs.clone(), schema.clone());
        let task = SpawnedTask::spawn_blocking(move || {
            DiffRows::new(&pairs, &schema, wanted, piece, batch_rows).collect::<Result<Vec<_>>>()
        });
        async move { Ok::<_, DataFusionError>(stream::iter(joined(task).await??.into_iter().map(Ok))) }
    });
    made.buffered(n_threads).try_flatten().boxed()
}

/// The first rows.
fn limited(rows: OperatorRows, limit: usize) -> OperatorRows {
    let batches = stream::try_unfold((rows, limit), |(mut rows, remaining)| async move {
        if remaining == 0 {
            return Ok(None);
        }
        let Some(batch) = rows.try_next().await? else { return Ok(None) };
        let batch = batch.slice(0, remaining.min(batch.num_rows()));
        let remaining = remaining - batch.num_rows();
        Ok(Some((batch, (rows, remaining))))
    });
    batches.boxed()
}

/// The rows of a scan, one partition after the other.
fn in_order(scan: &Arc<dyn ExecutionPlan>, context: &Arc<TaskContext>) -> OperatorRows {
    let n_partitions = scan.properties().output_partitioning().partition_count();
    let (scan, context) = (scan.clone(), context.clone());
    let partition = move |i| std::future::ready(scan.execute(i, context.clone()));
    stream::iter(0..n_partitions).then(partition).try_flatten().boxed()
}

fn stopped<T>(result: Result<T, Cancelled>) -> Result<T, Error> {
    result.map_err(Error::from)
}
