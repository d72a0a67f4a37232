//! A session for callers that do not wait for futures: statements in, batches out.
//!
//! The engine works on threads of its own and hands over batches through a short queue; the calling thread takes them, and
//! stops at once when the token says so.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::StreamExt as _;
use heaplake_engine::{Answer, CancelToken, Edited, Missing, Parameters, SessionOptions};
use heaplake_model::{DumpId, ShortTypeNames};
use heaplake_store::{Lake, Layer, Manifest, Manifests};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinSet};

use crate::{
    Error, Result,
    encode::{Encoder, Written, distinct_names},
    rows::sum,
};

/// Batches that may wait to be taken.
const QUEUE: usize = 4;
/// Plans of long queries are deep, and so is the code that walks them.
pub(crate) const STACK_BYTES: usize = 16 << 20;
/// How long cancelled work may take to tidy up after itself.
const GRACE: Duration = Duration::from_secs(1);

const TYPES_BY_SHORT_NAME: &str = "an older dump names types without their modules: types of the same short name are compared, and added up where there \
     are several";

/// The threads of all sessions that exist at the moment.
static RUNTIME: Mutex<Weak<Runtime>> = Mutex::new(Weak::new());

pub(crate) fn shared_runtime() -> Result<Arc<Runtime>> {
    let mut shared = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = shared.upgrade() {
        return Ok(runtime);
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().thread_stack_size(STACK_BYTES).build().map_err(Error::Threads)?;
    let runtime = Arc::new(runtime);
    *shared = Arc::downgrade(&runtime);
    Ok(runtime)
}

/// A lake as it was when the session began, with a dump that bare table names mean. The token of its options stops whatever it
/// does, at once.
pub struct Session {
    engine: heaplake_engine::Session,
    /// `None` while it is dropped.
    runtime: Option<Arc<Runtime>>,
    cancel: CancelToken,
}

/// What a statement came to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Number of rows.
    pub n_rows: u64,
    /// What the encoder reported; `None` for a statement without columns, such as SET.
    pub written: Option<Written>,
}

/// Totals of a dump or a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Objects.
    pub objects: i64,
    /// Sum of shallow sizes in bytes.
    pub bytes: i64,
    /// Types.
    pub types: i64,
}

impl Session {
    /// Opens a session on a lake.
    pub fn open(lake: &Lake, options: &SessionOptions) -> Result<Self> {
        Self::over(&lake.snapshot(), options)
    }

    /// Opens a session on a lake whose manifests may have been read already.
    pub fn over(manifests: &Arc<Manifests>, options: &SessionOptions) -> Result<Self> {
        let runtime = shared_runtime()?;
        let context = runtime.enter();
        let engine = heaplake_engine::Session::open(manifests, options)?;
        drop(context);
        Ok(Self { engine, runtime: Some(runtime), cancel: options.cancel.clone().unwrap_or_default() })
    }

    /// The dump of bare table names; an error where the lake has no dumps.
    pub fn dump(&self) -> Result<Arc<Manifest>> {
        Ok(self.engine.dump()?.ok_or(heaplake_engine::Error::NoDumps)?)
    }

    /// The dumps that a selector matches, oldest first.
    pub fn select(&self, selector: &str) -> Result<Vec<Arc<Manifest>>> {
        Ok(self.engine.select(selector)?)
    }

    /// Totals of that dump, or of the chosen layer of it.
    pub fn totals(&self) -> Result<Totals> {
        let batches = self
            .collect("SELECT sum(count) AS objects, sum(size) AS bytes, count(*) AS types FROM type_stat")?;
        let sum = |name| sum(&batches, name);
        Ok(Totals { objects: sum("objects")?, bytes: sum("bytes")?, types: sum("types")? })
    }

    /// Makes cuts and keeps the remaining objects as a named layer.
    pub fn save_layer(&self, name: &DumpId, cuts: &[String]) -> Result<Layer> {
        Ok(self.block_on(self.engine.save_layer(name, cuts))??)
    }

    /// The chosen dump after an edit: without some objects or references, and with others pinned as roots.
    pub fn edit(&self, cuts: &[String], pins: &[String]) -> Result<Edited> {
        Ok(self.block_on(self.engine.edit(cuts, pins))??)
    }

    /// Lets a table name mean some rows.
    pub fn show(&self, name: &str, batches: &[RecordBatch]) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let schema = distinct_names(first.schema_ref());
        let renamed =
            batches.iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()));
        Ok(self.engine.show(name, renamed.collect::<Result<_, _>>()?)?)
    }

    /// An error if a statement asks for a type that no dump of the lake has.
    pub fn check_types(&self, statement: &str) -> Result<()> {
        self.engine
            .unknown_types(statement)?
            .into_iter()
            .next()
            .map_or(Ok(()), |missing| Err(not_found(missing)))
    }

    /// The same for a set of objects or references, or a path pattern.
    pub fn check_types_of_set(&self, set: &str) -> Result<()> {
        let unknown = self.engine.unknown_types_of_set(set)?;
        unknown.into_iter().next().map_or(Ok(()), |missing| Err(not_found(missing)))
    }

    /// Whether there is a dump that `baseline` means.
    pub fn has_baseline(&self) -> bool {
        self.engine.has_baseline()
    }

    /// What to say where some of the dumps that selectors mean name types with their modules and others do not.
    pub fn note_on_type_names(&self, selectors: &[&str]) -> Result<Option<&'static str>> {
        Ok(self.engine.are_types_named_differently(selectors)?.then_some(TYPES_BY_SHORT_NAME))
    }

    /// The types that are told by their short names in the dumps that selectors mean.
    pub fn short_type_names(&self, selectors: &[&str]) -> Result<ShortTypeNames> {
        Ok(self.engine.short_type_names(selectors)?)
    }

    /// The dumps among those that selectors mean whose holders are named by older rules than those of the others.
    pub fn dumps_with_old_names(&self, selectors: &[&str]) -> Result<Vec<String>> {
        let old = self.engine.dumps_with_old_names(selectors)?;
        Ok(old.iter().map(ToString::to_string).collect())
    }

    /// The names of all functions, of values and of tables, in order.
    pub fn functions(&self) -> Vec<String> {
        self.engine.functions()
    }

    /// A path pattern as SQL over `obj` and `edge`.
    pub fn path_sql(&self, pattern: &str) -> Result<String> {
        Ok(self.engine.path_sql(pattern)?)
    }

    /// The statements of a text, separated by `;`. Path patterns become SQL.
    pub fn statements(&self, text: &str) -> Result<Vec<String>> {
        Ok(self.engine.statements(text)?)
    }

    /// Runs one statement and returns its rows: at least one batch, which may be empty, if the statement has columns.
    pub fn collect(&self, statement: &str) -> Result<Vec<RecordBatch>> {
        let mut collected = Vec::new();
        self.for_each(statement, |batch| {
            collected.push(batch.clone());
            Ok::<_, Error>(())
        })?;
        Ok(collected)
    }

    /// Runs one statement and calls `take` with its rows as they come, first with an empty batch for their columns.
    pub fn for_each<E: From<Error>>(
        &self,
        statement: &str,
        take: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_with(statement, &Parameters::new(), take)
    }

    /// The same, with values for the `$name` of the statement.
    pub fn for_each_with<E: From<Error>>(
        &self,
        statement: &str,
        parameters: &Parameters,
        mut take: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.block_on(async {
            let answer = self.engine.run_with(statement, parameters).await.map_err(Error::from)?;
            take(&RecordBatch::new_empty(answer.schema.clone()))?;
            take_all(answer, |batch| take(&batch)).await
        })?
    }

    /// Runs one statement and encodes its rows as they come. `encoder` is called with the columns, unless there are none;
    /// with `distinct`, columns of one name are told apart by numbers.
    pub fn encode<'a, E: From<Error>>(
        &self,
        statement: &str,
        parameters: &Parameters,
        distinct: bool,
        encoder: impl FnOnce(&SchemaRef) -> Result<Box<dyn Encoder + 'a>, E>,
    ) -> Result<Outcome, E> {
        self.block_on(async {
            let answer = self.engine.run_with(statement, parameters).await.map_err(Error::from)?;
            let schema = if distinct { distinct_names(&answer.schema) } else { answer.schema.clone() };
            let is_renamed = schema != answer.schema;
            let mut encoder = if schema.fields().is_empty() { None } else { Some(encoder(&schema)?) };
            let mut n_rows = 0;
            take_all(answer, |mut batch| {
                n_rows += batch.num_rows() as u64;
                if is_renamed {
                    let columns = batch.columns().to_vec();
                    batch = RecordBatch::try_new(schema.clone(), columns).map_err(Error::from)?;
                }
                if let Some(encoder) = &mut encoder {
                    encoder.write(&batch)?;
                }
                Ok::<_, E>(())
            })
            .await?;
            Ok(Outcome { n_rows, written: encoder.map(|encoder| encoder.finish()).transpose()? })
        })?
    }

    fn block_on<F: Future>(&self, work: F) -> Result<F::Output> {
        let runtime = self.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| Error::Internal("the query threads are gone".to_owned()))?;
        runtime.block_on(self.unless_cancelled(work))
    }

    async fn unless_cancelled<F: Future>(&self, work: F) -> Result<F::Output> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Cancelled),
            output = work => Ok(output),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The last session of the process ends the threads, before its files are removed.
        if let Some(runtime) = self.runtime.take().and_then(Arc::into_inner) {
            runtime.shutdown_timeout(GRACE);
        }
    }
}

fn not_found(missing: Missing) -> Error {
    heaplake_engine::Error::NotFound(Box::new(missing)).into()
}

/// Calls `take` with the rows of an answer, which a task of its own makes. The task has ended before this returns, and with it
/// what the answer runs on: the threads of the process may be ended next, and a task that then waits for others would see them
/// vanish.
async fn take_all<E: From<Error>>(
    answer: Answer,
    mut take: impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), E> {
    let (sender, mut batches) = mpsc::channel(QUEUE);
    let mut producer = JoinSet::new();
    producer.spawn(async move {
        let mut stream = answer.stream;
        while let Some(batch) = stream.next().await {
            if sender.send(batch.map_err(Error::from)).await.is_err() {
                // Nobody listens any more.
                return;
            }
        }
    });
    while let Some(batch) = batches.recv().await {
        if let Err(error) = batch.map_err(E::from).and_then(&mut take) {
            // Work that cannot be stopped within this time is left to the end of the threads.
            let _ = tokio::time::timeout(GRACE, producer.shutdown()).await;
            return Err(error);
        }
    }
    // A queue that ends without this would be a result that only looks complete.
    match producer.join_next().await {
        Some(Ok(())) => Ok(()),
        _ => Err(Error::Internal("the query stopped unexpectedly".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use arrow::datatypes::Schema;

    use super::*;

    /// Says when it is gone.
    struct Guard(Arc<AtomicBool>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// What runs after the first batch never ends; it is gone when the error of the taker comes back.
    #[test]
    fn an_answer_that_is_not_taken_to_its_end_has_ended() {
        let runtime = shared_runtime().unwrap();
        let schema = Arc::new(Schema::empty());
        for _ in 0..100 {
            let gone = Arc::new(AtomicBool::new(false));
            let guard = Guard(gone.clone());
            let batch = RecordBatch::new_empty(schema.clone());
            let stream =
                futures::stream::once(async { Ok(batch) }).chain(futures::stream::once(async move {
                    let _guard = guard;
                    std::future::pending().await
                }));
            let answer = Answer { schema: schema.clone(), stream: Box::pin(stream) };
            let taken =
                runtime.block_on(take_all(answer, |_| Err::<(), _>(Error::Internal("enough".to_owned()))));
            assert!(taken.is_err() && gone.load(Ordering::SeqCst));
        }
    }
}
