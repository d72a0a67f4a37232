//! A call of a table function, and the provider that it becomes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::project_schema,
    datasource::TableType,
    error::{DataFusionError, Result},
    execution::SessionState,
    logical_expr::Expr,
    physical_plan::ExecutionPlan,
};
use heaplake_store::Dump;

use super::{exec::GraphOperator, question::GraphFunction, set::Set};
use crate::{
    function::{ArgumentDefault, ArgumentDoc, ArgumentKind, integer, text},
    mistake,
    operator::OperatorExec,
    snapshot::Snapshot,
};

/// A function, over the dumps of a session.
#[derive(Debug)]
pub(super) struct GraphTableFunction {
    function: &'static GraphFunction,
    snapshot: Arc<Snapshot>,
}

impl GraphTableFunction {
    pub(super) fn new(function: &'static GraphFunction, snapshot: Arc<Snapshot>) -> Self {
        Self { function, snapshot }
    }

    fn misuse(&self, what: &str) -> DataFusionError {
        self.function.doc.misuse(what).into()
    }
}

/// One call: what is asked of which dump.
#[derive(Debug, Clone)]
pub(super) struct GraphCall {
    pub(super) function: &'static GraphFunction,
    pub(super) sets: Vec<Set>,
    /// The numbers that the function takes, each with its name.
    pub(super) numbers: Vec<(&'static str, u32)>,
    pub(super) manifest: Arc<Dump>,
}

/// How many sets a function takes, at least and at most, and whether they may be of references.
fn sets(arguments: &[ArgumentDoc]) -> (usize, usize, bool) {
    let is_set = |argument: &&ArgumentDoc| matches!(argument.kind, ArgumentKind::Set | ArgumentKind::Cut);
    let (mut least, mut most, mut cuts) = (0, 0_usize, false);
    for set in arguments.iter().filter(is_set) {
        least += usize::from(set.default == ArgumentDefault::Required);
        most = if set.repeats { usize::MAX } else { most.saturating_add(1) };
        cuts |= set.kind == ArgumentKind::Cut;
    }
    (least, most, cuts)
}

impl TableFunctionImpl for GraphTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let doc = &self.function.doc;
        let (least, most, cuts) = sets(doc.arguments);
        let mut numbers: Vec<(&'static str, u32)> = Vec::new();
        for argument in doc.arguments {
            if let ArgumentDefault::Number(default) = argument.default {
                numbers.push((argument.name, default));
            }
        }
        let mut sets = Vec::new();
        let mut n_numbers = 0;
        let mut dump = None;
        for expr in args.exprs() {
            let Expr::Literal(value, _) = expr else {
                let shown = mistake::escape(&expr.to_string());
                return Err(self.misuse(&format!("{shown} is no constant")));
            };
            match (text(value), integer(value)) {
                (Some(text), _) if sets.len() < most => sets.push(Set::parse(text, cuts)?),
                (Some(text), _) if dump.is_none() => dump = Some(text.to_owned()),
                (_, Some(address)) if sets.len() < least => sets.push(Set::Addresses(vec![address])),
                (_, Some(n)) if n_numbers < numbers.len() => {
                    let n = u32::try_from(n).map_err(|_| self.misuse(&format!("{n} is too large")))?;
                    numbers[n_numbers].1 = n;
                    n_numbers += 1;
                }
                _ => {
                    let shown = mistake::escape(&value.to_string());
                    return Err(self.misuse(&format!("{shown} is one argument too many")));
                }
            }
        }
        if sets.len() < least {
            return Err(self.misuse("it needs a set: a predicate over obj in quotes, or addresses"));
        }
        let manifest = self.snapshot.dump(dump.as_deref())?;
        sets.iter().try_for_each(|set| set.check(&manifest))?;
        let call = GraphCall { function: self.function, sets, numbers, manifest };
        let schema = doc.rows(0)?.schema();
        Ok(Arc::new(GraphTable { call, snapshot: self.snapshot.clone(), schema }))
    }
}

/// The rows of a call.
#[derive(Debug)]
struct GraphTable {
    call: GraphCall,
    snapshot: Arc<Snapshot>,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for GraphTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = state.as_any().downcast_ref::<SessionState>();
        let state = state.ok_or_else(|| DataFusionError::Internal("the session has no state".to_owned()))?;
        let mut plans = Vec::new();
        for set in &self.call.sets {
            plans.extend(set.plan(state, self.call.manifest.id.as_str()).await?);
        }
        let schema = project_schema(&self.schema, projection)?;
        let operator = GraphOperator { call: self.call.clone(), snapshot: self.snapshot.clone(), limit };
        Ok(OperatorExec::plan(operator, plans, schema))
    }
}
