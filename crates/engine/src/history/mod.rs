//! What functions over the summaries of several dumps share: `diff` of two, `trend` of many, by type, holder or module.
//!
//! Nothing but the tables `type_stat` and `holder_stat` is read, so that the size of the dumps does not matter. The work is
//! done when the rows are asked for.

mod series;
mod totals;

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{datatypes::SchemaRef, record_batch::RecordBatch},
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider, streaming::StreamingTable},
    common::runtime::SpawnedTask,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::SessionContext,
};
use futures::stream;

use crate::{
    Error,
    error::Thing,
    function::{ArgumentDoc, ArgumentKind, Function, FunctionDoc},
    mistake,
    snapshot::Snapshot,
};
pub(crate) use series::{SeriesShape, Verdict, judge, slope, spark};
pub(crate) use totals::{By, Metric, Total};

/// A table function over summaries.
#[derive(Debug)]
pub(crate) struct HistoryFunction {
    pub(crate) doc: FunctionDoc,
    /// Makes a question of the texts that the function is called with.
    pub(crate) call: fn(&[&str], &Arc<Snapshot>) -> crate::Result<HistoryQuestion>,
}

impl Function for HistoryFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        let function = HistoryTableFunction { function: self, snapshot: snapshot.clone() };
        context.register_udtf(self.doc.name, Arc::new(function));
    }
}

/// A question that is ready to be asked.
pub(crate) struct HistoryQuestion {
    pub(crate) schema: SchemaRef,
    pub(crate) answer: HistoryAnswer,
}

type HistoryAnswer = Arc<dyn Fn() -> crate::Result<RecordBatch> + Send + Sync>;

/// A function, over the dumps of a session.
#[derive(Debug)]
struct HistoryTableFunction {
    function: &'static HistoryFunction,
    snapshot: Arc<Snapshot>,
}

impl TableFunctionImpl for HistoryTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let doc = &self.function.doc;
        let texts = doc.texts(args.exprs())?;
        let question = (self.function.call)(&texts, &self.snapshot).map_err(|error| doc.with_usage(error))?;
        let schema = question.schema.clone();
        Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(question)])?))
    }
}

impl fmt::Debug for HistoryQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryQuestion").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for HistoryQuestion {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let answer = self.answer.clone();
        let rows = async move {
            let answered = SpawnedTask::spawn_blocking(move || answer()).join().await;
            let answered = answered.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
            Ok(answered?)
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::once(rows)))
    }
}

/// A word among some.
fn word<T: Copy>(text: &str, what: &'static str, words: &[(&str, T)]) -> crate::Result<T> {
    let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names = || words.iter().map(|(name, _)| *name);
        let near: Vec<&str> = mistake::nearest(text, names()).into_iter().collect();
        let known = format!("; there are {}", names().collect::<Vec<_>>().join(", "));
        let error = Error::not_found(
            Thing::Word(what),
            text,
            format!("{} is no {what}", mistake::quoted(text)),
            &near,
        );
        if near.is_empty() { error.with_note(known) } else { error }
    })
}

/// What totals are of, as an argument.
pub(crate) const BY: ArgumentDoc = ArgumentDoc::optional(
    "by",
    ArgumentKind::Word(&["type", "holder", "module"]),
    "'type'",
    "what a row is of: a type; a holder, which is a path of the dominator tree by types and names; or the module at its top",
);

/// Reads [`BY`].
pub(crate) fn by(text: &str) -> crate::Result<By> {
    word(text, "way to group", &[("type", By::Type), ("holder", By::Holder), ("module", By::Module)])
}

/// Reads the name of a metric.
pub(crate) fn metric(text: &str) -> crate::Result<Metric> {
    word(text, "metric", &[("count", Metric::Count), ("size", Metric::Size), ("retained", Metric::Retained)])
}
