//! Comparison of dumps by their summaries: `diff` of two, `trend` of many, by type, holder or module.
//!
//! Nothing but the tables `type_stat` and `holder_stat` is read, so that the size of the dumps does not matter. The work is
//! done when the rows are asked for.

mod diff;
mod series;
mod totals;
mod trend;

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{datatypes::SchemaRef, record_batch::RecordBatch},
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider, streaming::StreamingTable},
    common::runtime::SpawnedTask,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::Expr,
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::SessionContext,
    scalar::ScalarValue,
};
use futures::stream;

use crate::{Error, error::Thing, mistake, snapshot::Snapshot};
use totals::{By, Metric};

/// Makes the functions known.
pub(crate) fn register(context: &SessionContext, snapshot: &Arc<Snapshot>) {
    let functions: [(&str, &str, Call); 2] = [
        ("diff", "diff('before', 'after' [, 'type'|'holder'|'module'])", diff::call),
        ("trend", "trend(['dumps' [, 'type'|'holder'|'module' [, 'count'|'size'|'retained']]])", trend::call),
    ];
    for (name, usage, call) in functions {
        let function = HistoryFunction { name, usage, call, snapshot: snapshot.clone() };
        context.register_udtf(name, Arc::new(function));
    }
}

/// What makes a question of the texts that a function is called with.
type Call = fn(&[&str], &Arc<Snapshot>) -> crate::Result<Question>;

/// A question that is ready to be asked.
struct Question {
    schema: SchemaRef,
    answer: Answer,
}

type Answer = Arc<dyn Fn() -> crate::Result<RecordBatch> + Send + Sync>;

struct HistoryFunction {
    name: &'static str,
    usage: &'static str,
    call: Call,
    snapshot: Arc<Snapshot>,
}

impl fmt::Debug for HistoryFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TableFunctionImpl for HistoryFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let misuse = |error: Error| match error {
            error @ Error::Query { .. } => error
                .after_words(&format!("{}: ", self.name))
                .with_hint(&format!("it is called as {}", self.usage)),
            error @ Error::NotFound(_) => error.after_words(&format!("{}: ", self.name)),
            error => error,
        };
        let mut texts = Vec::new();
        for expr in args.exprs() {
            match expr {
                Expr::Literal(
                    ScalarValue::Utf8(Some(text))
                    | ScalarValue::Utf8View(Some(text))
                    | ScalarValue::LargeUtf8(Some(text)),
                    _,
                ) => texts.push(text.as_str()),
                other => {
                    let other = mistake::escape(&other.to_string());
                    return Err(misuse(Error::query(format!("{other} is no constant text"))).into());
                }
            }
        }
        let question = (self.call)(&texts, &self.snapshot).map_err(misuse)?;
        let schema = question.schema.clone();
        Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(question)])?))
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Question {
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

fn by(text: &str) -> crate::Result<By> {
    word(text, "way to group", &[("type", By::Type), ("holder", By::Holder), ("module", By::Module)])
}

fn metric(text: &str) -> crate::Result<Metric> {
    word(text, "metric", &[("count", Metric::Count), ("size", Metric::Size), ("retained", Metric::Retained)])
}
