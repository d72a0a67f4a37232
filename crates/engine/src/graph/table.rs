//! A table function and the provider that a call of it becomes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    datasource::TableType,
    error::{DataFusionError, Result},
    execution::SessionState,
    logical_expr::Expr,
    physical_plan::ExecutionPlan,
    scalar::ScalarValue,
};
use heaplake_store::Dump;

use super::{Kind, exec::GraphExec, set::Set};
use crate::{Error, snapshot::Snapshot};

/// A table function.
#[derive(Debug)]
pub(super) struct GraphFunction {
    name: &'static str,
    kind: Kind,
    snapshot: Arc<Snapshot>,
}

impl GraphFunction {
    pub(super) fn new(name: &'static str, kind: Kind, snapshot: Arc<Snapshot>) -> Self {
        Self { name, kind, snapshot }
    }

    fn misuse(&self, what: &str) -> DataFusionError {
        Error::query(format!("{}: {what}; it is called as {}", self.name, self.kind.usage())).into()
    }
}

/// One call: what is asked of which dump.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) sets: Vec<Set>,
    /// One for each that the kind takes.
    pub(super) numbers: Vec<u32>,
    pub(super) manifest: Arc<Dump>,
}

impl TableFunctionImpl for GraphFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut sets = Vec::new();
        let mut numbers = Vec::new();
        let known = self.kind.numbers();
        let mut dump = None;
        let (least, most) = self.kind.n_sets();
        for expr in args.exprs() {
            let Expr::Literal(value, _) = expr else {
                return Err(self.misuse(&format!("{expr} is no constant")));
            };
            match (text(value), integer(value)) {
                (Some(text), _) if sets.len() < most => {
                    sets.push(Set::parse(text, self.kind == Kind::WhatifCut)?);
                }
                (Some(text), _) if dump.is_none() => dump = Some(text.to_owned()),
                (_, Some(address)) if sets.len() < least => sets.push(Set::Addresses(vec![address])),
                (_, Some(n)) if numbers.len() < known.len() => {
                    let n = u32::try_from(n).map_err(|_| self.misuse(&format!("{n} is too large")))?;
                    numbers.push(n);
                }
                _ => return Err(self.misuse(&format!("{value} is one argument too many"))),
            }
        }
        if sets.len() < least {
            return Err(self.misuse("it needs a set: a predicate over obj in quotes, or addresses"));
        }
        numbers.extend(known[numbers.len()..].iter().map(|number| number.default));
        let call = Call {
            name: self.name,
            kind: self.kind,
            sets,
            numbers,
            manifest: self.snapshot.dump(dump.as_deref())?,
        };
        Ok(Arc::new(GraphTable { call, snapshot: self.snapshot.clone(), schema: self.kind.schema() }))
    }
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

fn integer(value: &ScalarValue) -> Option<u64> {
    match value {
        ScalarValue::Int64(Some(n)) => u64::try_from(*n).ok(),
        ScalarValue::UInt64(Some(n)) => Some(*n),
        _ => None,
    }
}

/// The rows of a call.
#[derive(Debug)]
struct GraphTable {
    call: Call,
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
            plans.push(set.plan(state, self.call.manifest.id.as_str()).await?);
        }
        let exec =
            GraphExec::new(self.call.clone(), self.snapshot.clone(), plans, &self.schema, projection, limit)?;
        Ok(Arc::new(exec))
    }
}
