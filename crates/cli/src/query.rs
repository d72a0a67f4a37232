//! Runs SQL: the bridge from the synchronous commands to the asynchronous engine.
//!
//! The engine works on threads of its own and hands over batches through a short queue; the calling thread encodes
//! and writes them, and stops at once when the user wants to.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use futures::StreamExt as _;
use heaplake_engine::{Answer, Edited, Parameters, Session, SessionOptions};
use heaplake_model::DumpId;
use heaplake_store::{Lake, Layer, Manifest, Manifests};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};

use crate::{
    args::GraphArgs,
    console::Console,
    interrupt::{self, Interrupted},
    output::{Plan, Sink, Written, distinct_names},
};

/// Batches that may wait to be written.
const QUEUE: usize = 4;
/// Plans of long queries are deep, and so is the code that walks them.
const STACK_BYTES: usize = 16 << 20;
/// How long work that was given up may take to tidy up after itself.
const GRACE: Duration = Duration::from_secs(1);

/// A lake that answers SQL.
pub struct Querier {
    session: Session,
    runtime: Option<Runtime>,
}

/// What came out of one statement.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Number of rows.
    pub n_rows: u64,
    /// What the encoder told; none for a statement without rows, such as SET.
    pub written: Option<Written>,
}

impl Querier {
    /// Opens a session on the lake.
    pub fn open(lake: &Lake, options: &SessionOptions) -> Result<Self> {
        Self::over(&lake.snapshot(), options)
    }

    /// Opens a session on a lake whose manifests may have been read already.
    pub fn over(manifests: &Arc<Manifests>, options: &SessionOptions) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
        let runtime = runtime.context("cannot start threads")?;
        let context = runtime.enter();
        let session = Session::open(manifests, options)?;
        drop(context);
        Ok(Self { session, runtime: Some(runtime) })
    }

    /// Opens a session for questions about one dump, which is the newest where none is named.
    pub fn of_dump(dump: Option<&str>, args: &GraphArgs, console: &Console) -> Result<(Self, Arc<Manifest>)> {
        let lake = Lake::open(console.lake.path())?;
        let options = SessionOptions {
            memory_limit: args.memory_limit,
            ..console.session(dump, args.layer.as_deref())
        };
        let querier = Self::open(&lake, &options)?;
        let Some(manifest) = querier.session.dump()? else {
            bail!("the lake has no dumps yet; import one: {} import FILE", console.command());
        };
        Ok((querier, manifest))
    }

    /// Opens a session for questions about any number of dumps.
    pub fn of_lake(manifests: &Arc<Manifests>, memory_limit: Option<u64>, console: &Console) -> Result<Self> {
        let notice = Some(console.notice());
        Self::over(manifests, &SessionOptions { memory_limit, notice, ..SessionOptions::default() })
    }

    /// Totals of the chosen dump, or of the chosen layer of it.
    pub fn totals(&self) -> Result<Totals> {
        let batches = self
            .collect("SELECT sum(count) AS objects, sum(size) AS bytes, count(*) AS types FROM type_stat")?;
        let sum = |name| sum(&batches, name);
        Ok(Totals { objects: sum("objects")?, bytes: sum("bytes")?, types: sum("types")? })
    }

    /// Keeps what cuts would leave as a named layer.
    pub fn save_layer(&self, name: &DumpId, cuts: &[String]) -> Result<Layer> {
        let runtime = self.runtime.as_ref().context("the query threads are gone")?;
        Ok(runtime.block_on(interruptible(self.session.save_layer(name, cuts)))??)
    }

    /// What is left of the chosen dump, as it is here, after an edit: without some objects or references, with others pinned.
    pub fn edit(&self, cuts: &[String], pins: &[String]) -> Result<Edited> {
        let runtime = self.runtime.as_ref().context("the query threads are gone")?;
        Ok(runtime.block_on(interruptible(self.session.edit(cuts, pins)))??)
    }

    /// Lets a table name mean some rows.
    pub fn show(&self, name: &str, batches: &[RecordBatch]) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let schema = distinct_names(first.schema_ref());
        let renamed =
            batches.iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()));
        Ok(self.session.show(name, renamed.collect::<Result<_, _>>()?)?)
    }

    /// The names of all functions.
    pub fn functions(&self) -> Vec<String> {
        self.session.functions()
    }

    /// The name of the chosen dump; an error where the lake has none.
    pub fn dump_name(&self) -> Result<String> {
        Ok(self.session.dump()?.ok_or(heaplake_engine::Error::NoDumps)?.id.to_string())
    }

    /// A path pattern as SQL.
    pub fn path_sql(&self, pattern: &str) -> Result<String> {
        Ok(self.session.path_sql(pattern)?)
    }

    /// Runs one statement and returns its rows.
    pub fn collect(&self, statement: &str) -> Result<Vec<RecordBatch>> {
        let mut collected = Vec::new();
        self.for_each(statement, |batch| {
            collected.push(batch.clone());
            Ok(())
        })?;
        Ok(collected)
    }

    /// Runs one statement and calls `take` with its rows as they come, first with none for their columns.
    pub fn for_each(&self, statement: &str, take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        self.for_each_with(statement, &Parameters::new(), take)
    }

    /// The same, with values for the `$name` of the statement.
    pub fn for_each_with(
        &self,
        statement: &str,
        parameters: &Parameters,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let runtime = self.runtime.as_ref().context("the query threads are gone")?;
        runtime.block_on(async {
            let answer = interruptible(self.session.run_with(statement, parameters)).await??;
            let schema = answer.schema.clone();
            let (mut batches, producer) = produce(answer);
            take(&RecordBatch::new_empty(schema))?;
            while let Some(batch) = interruptible(batches.recv()).await? {
                take(&batch?)?;
            }
            producer.await.context("the query stopped unexpectedly; this is a bug of heaplake")
        })
    }

    /// The statements of a text, separated by `;`.
    pub fn statements(&self, text: &str) -> Result<Vec<String>> {
        Ok(self.session.statements(text)?)
    }

    /// Runs one statement and writes its rows to `sink` as they come.
    pub fn run(&self, statement: &str, plan: &Plan, sink: &mut Sink) -> Result<Outcome> {
        self.run_with(statement, &Parameters::new(), plan, sink)
    }

    /// The same, with values for the `$name` of the statement.
    pub fn run_with(
        &self,
        statement: &str,
        parameters: &Parameters,
        plan: &Plan,
        sink: &mut Sink,
    ) -> Result<Outcome> {
        let runtime = self.runtime.as_ref().context("the query threads are gone")?;
        runtime.block_on(async {
            let answer = interruptible(self.session.run_with(statement, parameters)).await??;
            write_rows(answer, plan, sink).await
        })
    }
}

/// Totals of a dump.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// Objects.
    pub objects: i64,
    /// Sum of shallow sizes.
    pub bytes: i64,
    /// Types.
    pub types: i64,
}

/// The sum of a column of whole numbers.
pub fn sum(batches: &[RecordBatch], name: &str) -> Result<i64> {
    let mut total = 0_i64;
    for batch in batches {
        let column =
            batch.column_by_name(name).context("the query lost a column; this is a bug of heaplake")?;
        let numbers = column.as_primitive_opt::<Int64Type>();
        let numbers = numbers.context("a sum is no number; this is a bug of heaplake")?;
        total = numbers.iter().flatten().fold(total, i64::saturating_add);
    }
    Ok(total)
}

impl Drop for Querier {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(GRACE);
        }
    }
}

async fn write_rows(answer: Answer, plan: &Plan, sink: &mut Sink) -> Result<Outcome> {
    let has_columns = !answer.schema.fields().is_empty();
    let schema = match plan.format.needs_distinct_names() {
        true => distinct_names(&answer.schema),
        false => answer.schema.clone(),
    };
    let is_renamed = schema != answer.schema;
    let mut encoder = if has_columns { Some(plan.encoder(&schema, sink)?) } else { None };
    let (mut batches, producer) = produce(answer);
    let mut n_rows = 0;
    while let Some(batch) = interruptible(batches.recv()).await? {
        let mut batch = batch?;
        n_rows += batch.num_rows() as u64;
        if is_renamed {
            batch = RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?;
        }
        if let Some(encoder) = &mut encoder {
            encoder.write(&batch).context("cannot write the rows")?;
        }
    }
    // A queue that ends without this would be a result that only looks complete.
    producer.await.context("the query stopped unexpectedly; this is a bug of heaplake")?;
    Ok(Outcome { n_rows, written: encoder.map(|encoder| encoder.finish()).transpose()? })
}

fn produce(answer: Answer) -> (mpsc::Receiver<Result<RecordBatch>>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let producer = tokio::spawn(async move {
        let mut stream = answer.stream;
        while let Some(batch) = stream.next().await {
            if sender.send(batch.map_err(anyhow::Error::from)).await.is_err() {
                // Nobody listens any more.
                return;
            }
        }
    });
    (receiver, producer)
}

async fn interruptible<F: Future>(work: F) -> Result<F::Output> {
    tokio::select! {
        biased;
        () = interrupt::wait() => Err(Interrupted { outcome: "the query is not complete" }.into()),
        output = work => Ok(output),
    }
}
