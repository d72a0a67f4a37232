//! The table functions and the providers that their calls become.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    datasource::TableType,
    error::{DataFusionError, Result},
    execution::SessionState,
    logical_expr::Expr,
    physical_plan::{ExecutionPlan, collect},
    scalar::ScalarValue,
};
use heaplake_store::Dump;

use super::{
    Kind, PathShape,
    compile::{Compiled, EdgeRule, Names},
    exec::{Form, PathExec},
    explain::ExplainExec,
    named::{Lookup, NamedExec},
    needs::needs,
    rows::RowKind,
};
use crate::{
    Error,
    catalog::{CATALOG, CURRENT},
    mistake,
    snapshot::{PathPlan, Snapshot},
};

/// A table function.
#[derive(Debug)]
pub(crate) struct PathFunction {
    name: &'static str,
    kind: Kind,
    snapshot: Arc<Snapshot>,
}

impl PathFunction {
    pub(super) fn new(name: &'static str, kind: Kind, snapshot: Arc<Snapshot>) -> Self {
        Self { name, kind, snapshot }
    }

    fn misuse(&self, what: &str) -> DataFusionError {
        Error::query(format!("{name}: {what}; it is called as {name}('PATTERN' [, dump])", name = self.name))
            .into()
    }
}

/// A pattern, resolved against a dump.
pub(crate) fn compile(text: &str, manifest: &Dump, snapshot: &Snapshot) -> crate::Result<Compiled> {
    Compiled::new(text, &Names { manifest, lake: snapshot })
}

impl TableFunctionImpl for PathFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
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
                    return Err(
                        self.misuse(&format!("{} is no constant text", mistake::escape(&other.to_string())))
                    );
                }
            }
        }
        let (pattern, dump) = match texts.as_slice() {
            [pattern] => (*pattern, None),
            [pattern, dump] => (*pattern, Some(*dump)),
            _ => return Err(self.misuse("it takes a pattern, and perhaps the name of a dump")),
        };
        let manifest = self.snapshot.dump(dump)?;
        let compiled = compile(pattern, &manifest, &self.snapshot)?;
        if self.kind == Kind::Summary && compiled.shape() != PathShape::Paths {
            let what = format!("{} gives no paths to summarise; use path()", compiled.selector);
            return Err(self.misuse(&what));
        }
        let schema = match (self.kind, compiled.shape()) {
            (Kind::Explain, _) => Arc::new(Schema::new(vec![Field::new("line", DataType::Utf8View, false)])),
            (Kind::Summary, _) => RowKind::Paths.schema(),
            (_, PathShape::Types) => RowKind::Types.schema(),
            (Kind::Path, _) => Arc::new(path_schema()),
            (Kind::Nodes, _) => RowKind::Hops.schema(),
        };
        Ok(Arc::new(PathTable {
            kind: self.kind,
            compiled: Arc::new(compiled),
            manifest,
            snapshot: self.snapshot.clone(),
            schema,
        }))
    }
}

/// The columns of `path`.
fn path_schema() -> Schema {
    let nodes = RowKind::Hops.schema();
    let columns = COLUMNS.map(|name| match nodes.field_with_name(name) {
        Ok(field) => field.clone(),
        Err(_) => Field::new(name, DataType::Utf8View, true),
    });
    Schema::new(columns.to_vec())
}

/// The columns of `path`: those of `path_nodes`, of `obj`, and the label.
const COLUMNS: [&str; 14] = [
    "path_id",
    "hop",
    "address",
    "type",
    "name",
    "value",
    "size",
    "retained",
    "root_kind",
    "arrow",
    LABEL,
    "idx",
    "state",
    "variable",
];
const OF_OBJECTS: [&str; 2] = ["name", "value"];
const LABEL: &str = "label";

/// The rows of a call.
#[derive(Debug)]
struct PathTable {
    kind: Kind,
    compiled: Arc<Compiled>,
    manifest: Arc<Dump>,
    snapshot: Arc<Snapshot>,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for PathTable {
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
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let is_labelled = |rule: &EdgeRule| matches!(rule, EdgeRule::Hop { label: Some(_), .. });
        let asks_labels =
            !self.compiled.labels.is_empty() || self.compiled.except_edges.iter().any(is_labelled);
        if asks_labels && !self.has_labels(state).await? {
            return Err(Error::query(format!(
                "dump {} has no labels: its format does not say by which attribute, key or index an object is \
                 referred to, so that no reference has the label of the pattern; write -> instead",
                self.manifest.id
            ))
            .into());
        }
        let kind = match (self.kind, self.compiled.shape()) {
            (Kind::Path, PathShape::Paths | PathShape::Objects) => {
                return self.with_tables(state, projection, limit).await;
            }
            (Kind::Explain, _) => {
                let form = self.form(state).await?;
                let (compiled, manifest) = (self.compiled.clone(), self.manifest.clone());
                let snapshot = self.snapshot.clone();
                return Ok(Arc::new(ExplainExec::new(
                    compiled,
                    manifest,
                    snapshot,
                    form,
                    &self.schema,
                    projection,
                )?));
            }
            (Kind::Summary, _) => RowKind::Paths,
            (_, PathShape::Types) => RowKind::Types,
            (Kind::Nodes, _) => RowKind::Hops,
        };
        let form = self.form(state).await?;
        Ok(Arc::new(PathExec::new(
            self.compiled.clone(),
            self.manifest.clone(),
            self.snapshot.clone(),
            form,
            kind,
            projection,
            limit,
        )?))
    }
}

impl PathTable {
    /// The schema whose `obj` is meant: a layer's where one is chosen.
    fn tables(&self) -> String {
        match self.snapshot.is_layer(&self.manifest) {
            true => format!("{CATALOG}.{CURRENT}"),
            false => self.own_tables(),
        }
    }

    fn own_tables(&self) -> String {
        format!("{CATALOG}.\"{}\"", self.manifest.id)
    }

    async fn form(&self, state: &SessionState) -> Result<Form> {
        let joins = match self.snapshot.path_plan() {
            PathPlan::Auto => !self.snapshot.fits(&self.manifest),
            PathPlan::Index => false,
            PathPlan::Join => true,
        };
        if joins && self.compiled.selector == heaplake_pathql::Selector::Dominated {
            let what = "DOMINATED needs the graph index, which a plan of joins has not";
            return Err(Error::query(what.to_owned()).into());
        }
        let type_name = |rank: usize| self.manifest.types[rank].name.clone();
        if joins {
            return Ok(Form::Join { state: Arc::new(state.clone()), tables: self.tables() });
        }
        let mut plans = Vec::new();
        for need in needs(&self.compiled, &self.tables(), &type_name) {
            let plan = need.plan(state, self.manifest.id.as_str()).await;
            plans.push((need.set(), plan.map_err(|error| self.of_predicate(error))?));
        }
        Ok(Form::Index { plans })
    }

    /// Says that an error is about a predicate of the pattern.
    fn of_predicate(&self, error: DataFusionError) -> DataFusionError {
        error.context("in the pattern")
    }

    async fn has_labels(&self, state: &SessionState) -> Result<bool> {
        // The statistics of the files answer it, so that nothing is read where there are none.
        let query = format!("SELECT 1 FROM {}.edge WHERE label IS NOT NULL LIMIT 1", self.own_tables());
        let logical = state.create_logical_plan(&query).await?;
        let plan = state.create_physical_plan(&logical).await?;
        let batches = collect(plan, state.task_ctx()).await?;
        Ok(batches.iter().any(|batch| batch.num_rows() > 0))
    }

    /// The rows of `path_nodes` with names and values of `obj` and labels of `edge`, as far as they are asked for.
    async fn with_tables(
        &self,
        state: &SessionState,
        projection: &[usize],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<&'static str> = projection.iter().map(|column| COLUMNS[*column]).collect();
        let nodes = RowKind::Hops.schema();
        let of_objects: Vec<&str> = OF_OBJECTS.into_iter().filter(|name| wanted.contains(name)).collect();
        let labels = wanted.contains(&LABEL) && self.has_labels(state).await?;
        // What is looked up, and what it is looked up by.
        let mut needed: Vec<&str> =
            wanted.iter().copied().filter(|name| nodes.index_of(name).is_ok()).collect();
        let keys = [("address", !of_objects.is_empty()), ("edge_parent", labels), ("idx", labels)];
        for (key, _) in keys.into_iter().filter(|(_, is_key)| *is_key) {
            if !needed.contains(&key) {
                needed.push(key);
            }
        }
        let columns = needed.iter().map(|name| nodes.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let form = self.form(state).await?;
        let input: Arc<dyn ExecutionPlan> = Arc::new(PathExec::new(
            self.compiled.clone(),
            self.manifest.clone(),
            self.snapshot.clone(),
            form,
            RowKind::Hops,
            &columns,
            limit,
        )?);
        if needed == wanted {
            return Ok(input);
        }
        let lookup = Lookup { state: Arc::new(state.clone()), tables: self.own_tables(), of_objects, labels };
        let schema = Arc::new(self.schema.project(projection)?);
        Ok(Arc::new(NamedExec::new(input, lookup, schema)))
    }
}
