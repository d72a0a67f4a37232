//! The table functions and the providers that their calls become.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{AsArray as _, RecordBatch, StringViewArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::DFSchema,
    datasource::TableType,
    error::{DataFusionError, Result},
    execution::{SessionState, SessionStateBuilder},
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{ExecutionPlan, collect},
    scalar::ScalarValue,
};
use heaplake_store::Manifest;

use super::{
    Kind, Rule,
    exec::{Call, IdentityExec, Last},
    facts,
    rows::{STATUSES, Wanted},
};
use crate::{Error, catalog::CATALOG, mistake, snapshot::Snapshot};

/// The column that filters are decided on before rows are made.
const STATUS: &str = "status";

/// A table function.
#[derive(Debug)]
pub(super) struct IdentityFunction {
    name: &'static str,
    kind: Kind,
    snapshot: Arc<Snapshot>,
    last: Last,
}

impl IdentityFunction {
    pub(super) fn new(name: &'static str, kind: Kind, snapshot: Arc<Snapshot>) -> Self {
        Self { name, kind, snapshot, last: Last::default() }
    }

    fn misuse(&self, what: &str) -> DataFusionError {
        Error::query(format!("{}: {what}; it is called as {}", self.name, self.kind.usage())).into()
    }

    fn texts<'e>(&self, exprs: &'e [Expr]) -> Result<Vec<&'e str>> {
        let texts = exprs.iter().map(|expr| match expr {
            Expr::Literal(
                ScalarValue::Utf8(Some(text))
                | ScalarValue::Utf8View(Some(text))
                | ScalarValue::LargeUtf8(Some(text)),
                _,
            ) => Ok(text.as_str()),
            other => {
                let shown = mistake::escape(&other.to_string());
                Err(self.misuse(&format!("{shown} is no constant text")))
            }
        });
        texts.collect()
    }
}

impl TableFunctionImpl for IdentityFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut texts = self.texts(args.exprs())?;
        let mut rule = Rule::Auto;
        if self.kind == Kind::Diff && texts.len() == 3 {
            let text = texts.pop().unwrap_or_default();
            rule = Rule::parse(text).ok_or_else(|| {
                let what = format!(
                    "objects are recognised by 'address' or 'path', or 'auto' chooses, not {}",
                    mistake::quoted(text)
                );
                self.misuse(&what)
            })?;
        }
        let mut manifests = Vec::new();
        for dump in &texts {
            manifests.extend(self.snapshot.select(dump)?);
        }
        let n = manifests.len();
        let (fits, wanted) = match self.kind {
            Kind::Diff => (n == 2, "two dumps"),
            Kind::Survivors => (n == 3, "three dumps"),
            // Of all dumps of a lake there may be one.
            Kind::Growing => (n >= 2 || texts.contains(&"*"), "two dumps or more"),
        };
        if !fits {
            return Err(self.misuse(&format!("it takes {wanted}, in order of time, not {n}")));
        }
        let wanted = [true; STATUSES.len()];
        let call = Call { name: self.name, kind: self.kind, manifests, rule, wanted };
        let (snapshot, last) = (self.snapshot.clone(), self.last.clone());
        Ok(Arc::new(IdentityTable { call, snapshot, last, schema: self.kind.schema() }))
    }
}

/// The rows of a call.
#[derive(Debug)]
struct IdentityTable {
    call: Call,
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
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let asked = (self.snapshot.clone(), self.last.clone());
        let call = Call { wanted: wanted(&state, filters)?, ..self.call.clone() };
        Ok(Arc::new(IdentityExec::new(call, asked, scans, schema, limit)))
    }
}

impl IdentityTable {
    /// Whether nothing but the status decides a filter.
    fn is_on_status(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        self.call.kind == Kind::Diff
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
