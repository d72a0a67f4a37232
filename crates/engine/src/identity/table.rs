//! A call of a table function, and the provider that it becomes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{AsArray as _, RecordBatch, StringViewArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{DFSchema, project_schema},
    datasource::TableType,
    error::{DataFusionError, Result},
    execution::{SessionState, SessionStateBuilder},
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{ExecutionPlan, collect},
};
use heaplake_store::Manifest;

use super::{
    IdentityFunction, RULES, Rule,
    exec::{IdentityCall, IdentityOperator, Last},
    facts,
    rows::{STATUSES, Wanted},
};
use crate::{catalog::CATALOG, function::ArgumentKind, mistake, operator::OperatorExec, snapshot::Snapshot};

/// The column that filters are decided on before rows are made.
const STATUS: &str = "status";

/// A function, over the dumps of a session.
#[derive(Debug)]
pub(super) struct IdentityTableFunction {
    function: &'static IdentityFunction,
    snapshot: Arc<Snapshot>,
    last: Last,
}

impl IdentityTableFunction {
    pub(super) fn new(function: &'static IdentityFunction, snapshot: Arc<Snapshot>) -> Self {
        Self { function, snapshot, last: Last::default() }
    }
}

impl TableFunctionImpl for IdentityTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let doc = &self.function.doc;
        let mut texts = doc.texts(args.exprs())?;
        let mut rule = Rule::Auto;
        let takes_rule = doc.arguments.iter().any(|argument| argument.kind == ArgumentKind::Word(RULES));
        if takes_rule && texts.len() == doc.arguments.len() {
            let text = texts.pop().unwrap_or_default();
            rule = Rule::parse(text).ok_or_else(|| {
                let what = format!(
                    "objects are recognised by 'address' or 'path', or 'auto' chooses, not {}",
                    mistake::quoted(text)
                );
                doc.misuse(&what)
            })?;
        }
        let mut manifests = Vec::new();
        for dump in &texts {
            manifests.extend(self.snapshot.select(dump)?);
        }
        let n = manifests.len();
        let (least, most) = self.function.n_dumps;
        // Of all dumps of a lake there may be one.
        let fits = (least..=most).contains(&n) || (most == usize::MAX && texts.contains(&"*"));
        if !fits {
            let what = format!("it takes {}, in order of time, not {n}", self.function.dumps);
            return Err(doc.misuse(&what).into());
        }
        let wanted = [true; STATUSES.len()];
        let call = IdentityCall { function: self.function, manifests, rule, wanted };
        let (snapshot, last) = (self.snapshot.clone(), self.last.clone());
        Ok(Arc::new(IdentityTable { call, snapshot, last, schema: doc.rows(0)?.schema() }))
    }
}

/// The rows of a call.
#[derive(Debug)]
struct IdentityTable {
    call: IdentityCall,
    snapshot: Arc<Snapshot>,
    last: Last,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for IdentityTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let kinds = filters.iter().map(|filter| match self.is_on_status(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        });
        Ok(kinds.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = state.as_any().downcast_ref::<SessionState>();
        let state = state.ok_or_else(|| DataFusionError::Internal("the session has no state".to_owned()))?;
        // Rows are known by their place, so that nothing may be planned that mixes partitions.
        let config = state.config().clone().with_target_partitions(1);
        let state = SessionStateBuilder::new_from_existing(state.clone()).with_config(config).build();
        let mut scans = Vec::new();
        for manifest in &self.call.manifests {
            scans.push(plan(&state, &facts::query(manifest)).await?);
        }
        if self.call.rule != Rule::Address && self.have_labels(&state).await? {
            for manifest in &self.call.manifests {
                let query = format!("SELECT label FROM {}", edges(manifest));
                scans.push(plan(&state, &query).await?);
            }
        }
        let schema = project_schema(&self.schema, projection)?;
        let call = IdentityCall { wanted: wanted(&state, filters)?, ..self.call.clone() };
        let (snapshot, last) = (self.snapshot.clone(), self.last.clone());
        let operator = IdentityOperator { call, snapshot, last, limit };
        Ok(OperatorExec::plan(operator, scans, schema))
    }
}

impl IdentityTable {
    /// Whether nothing but the status decides a filter.
    fn is_on_status(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        self.schema.index_of(STATUS).is_ok()
            && !columns.is_empty()
            && columns.iter().all(|column| column.name == STATUS)
            && !filter.is_volatile()
    }

    /// Whether all dumps have labels: where one has none, those of the others are no help.
    async fn have_labels(&self, state: &SessionState) -> Result<bool> {
        for manifest in &self.call.manifests {
            // The statistics of the files answer it, so that nothing is read where there are none.
            let query = format!("SELECT 1 FROM {} WHERE label IS NOT NULL LIMIT 1", edges(manifest));
            let batches = collect(plan(state, &query).await?, state.task_ctx()).await?;
            if batches.iter().all(|batch| batch.num_rows() == 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The statuses that filters on them leave, so that no other rows are made.
fn wanted(state: &SessionState, filters: &[Expr]) -> Result<Wanted> {
    let schema = Arc::new(Schema::new(vec![Field::new(STATUS, DataType::Utf8View, false)]));
    let statuses = StringViewArray::from_iter_values(STATUSES);
    let statuses = RecordBatch::try_new(schema.clone(), vec![Arc::new(statuses)])?;
    let df_schema = DFSchema::try_from(schema)?;
    let mut wanted = [true; STATUSES.len()];
    for filter in filters {
        let expr = state.create_physical_expr(filter.clone(), &df_schema)?;
        let matches = expr.evaluate(&statuses)?.into_array(STATUSES.len())?;
        let matches = matches.as_boolean_opt().ok_or_else(|| {
            DataFusionError::Plan(format!("{filter} is no condition, it is neither true nor false"))
        })?;
        for (wanted, matches) in wanted.iter_mut().zip(matches) {
            *wanted &= matches == Some(true);
        }
    }
    Ok(wanted)
}

fn edges(manifest: &Manifest) -> String {
    format!("{CATALOG}.\"{}\".edge", manifest.id)
}

async fn plan(state: &SessionState, query: &str) -> Result<Arc<dyn ExecutionPlan>> {
    let logical = state.create_logical_plan(query).await?;
    state.create_physical_plan(&logical).await
}
