//! What functions over the summaries of several dumps share: `diff` of two, `trend` of many, by type, holder or module.
//!
//! Nothing but the tables `type_stat`, `holder_stat` and `module_stat` is read, so that the size of the dumps does not matter. The work is
//! done when the rows are asked for.

mod naming;
mod series;
mod totals;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{datatypes::SchemaRef, record_batch::RecordBatch},
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::project_schema,
    datasource::TableType,
    error::{DataFusionError, Result},
    logical_expr::Expr,
    physical_plan::{ExecutionPlan, execution_plan::EmissionType},
    prelude::SessionContext,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use heaplake_store::ImportProgress;

use crate::{
    Error,
    error::Thing,
    function::{ArgumentDoc, ArgumentKind, Function, FunctionDoc},
    mistake,
    operator::{Operator, OperatorExec, OperatorInputs, OperatorRows, OperatorTask, describe_limit},
    snapshot::Snapshot,
};
pub(crate) use naming::{TypeNaming, are_types_named_differently, dumps_with_old_names};
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
#[derive(Clone)]
pub(crate) struct HistoryQuestion {
    pub(crate) schema: SchemaRef,
    pub(crate) answer: HistoryAnswer,
}

type HistoryAnswer = Arc<dyn Fn(&ImportProgress) -> crate::Result<RecordBatch> + Send + Sync>;

impl fmt::Debug for HistoryQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryQuestion").field("schema", &self.schema).finish_non_exhaustive()
    }
}

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
        Ok(Arc::new(HistoryTable { name: doc.name, question }))
    }
}

/// The rows of a call, or of a table that is computed when it is asked for.
#[derive(Debug)]
pub(crate) struct HistoryTable {
    pub(crate) name: &'static str,
    pub(crate) question: HistoryQuestion,
}

#[async_trait]
impl TableProvider for HistoryTable {
    fn schema(&self) -> SchemaRef {
        self.question.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.question.schema, projection)?;
        let (name, question) = (self.name, self.question.clone());
        let operator = HistoryOperator { name, question, projection: projection.cloned(), limit };
        Ok(OperatorExec::plan(operator, Vec::new(), schema))
    }
}

/// The operator of every function over summaries.
#[derive(Debug)]
struct HistoryOperator {
    name: &'static str,
    question: HistoryQuestion,
    projection: Option<Vec<usize>>,
    limit: Option<usize>,
}

impl Operator for HistoryOperator {
    const NAME: &'static str = "HistoryExec";
    const INPUTS: OperatorInputs = OperatorInputs::AnyOrder;
    const EMISSION: EmissionType = EmissionType::Final;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        describe_limit(f, self.limit)
    }

    fn run(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows> {
        let answered = async move {
            let question = self.question.clone();
            let all = task.blocking(move |progress| Ok((question.answer)(progress)?)).await?;
            let n_rows = all.num_rows().min(self.limit.unwrap_or(usize::MAX));
            let rows = match &self.projection {
                Some(columns) => all.project(columns)?,
                None => all,
            };
            let batch_rows = task.batch_rows();
            let part = move |start| Ok(rows.slice(start, batch_rows.min(n_rows - start)));
            Ok::<_, DataFusionError>(stream::iter((0..n_rows).step_by(batch_rows).map(part)))
        };
        Ok(stream::once(answered).try_flatten().boxed())
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
    "what a row is of: a type; a holder, which is a path of the dominator tree by types and names; or \
     the module that the objects belong to, see `module_stat`",
);

/// Reads [`BY`].
pub(crate) fn by(text: &str) -> crate::Result<By> {
    word(text, "way to group", &[("type", By::Type), ("holder", By::Holder), ("module", By::Module)])
}

/// Reads the name of a metric.
pub(crate) fn metric(text: &str) -> crate::Result<Metric> {
    word(text, "metric", &[("count", Metric::Count), ("size", Metric::Size), ("retained", Metric::Retained)])
}
