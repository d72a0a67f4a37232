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
use heaplake_store::Manifest;

use super::{
    Kind, PathPlan, PathShape,
    compile::{Compiled, Names, literal},
    exec::{Form, PathExec},
    explain::ExplainExec,
    needs::needs,
    rows::RowKind,
};
use crate::{
    Error,
    catalog::{CATALOG, CURRENT},
    graph::Indexes,
    mistake,
};

/// A table function.
#[derive(Debug)]
pub(crate) struct PathFunction {
    name: &'static str,
    kind: Kind,
    indexes: Arc<Indexes>,
}

impl PathFunction {
    pub(super) fn new(name: &'static str, kind: Kind, indexes: Arc<Indexes>) -> Self {
        Self { name, kind, indexes }
    }

    fn misuse(&self, what: &str) -> DataFusionError {
        Error::Query(format!("{name}: {what}; it is called as {name}('PATTERN' [, dump])", name = self.name))
            .into()
    }
}

/// A pattern, resolved against a dump.
pub(crate) fn compile(text: &str, manifest: &Manifest, indexes: &Indexes) -> crate::Result<Compiled> {
    let known_elsewhere = |passes: &dyn Fn(&str) -> bool| {
        indexes.manifests().iter().any(|other| other.types.iter().any(|stat| passes(&stat.name)))
    };
    Compiled::new(text, &Names { manifest, known_elsewhere: &known_elsewhere })
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
        let manifest = self.indexes.manifest(dump)?.clone();
        let compiled = compile(pattern, &manifest, &self.indexes)?;
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
            indexes: self.indexes.clone(),
            schema,
        }))
    }
}

/// The columns of `path`.
fn path_schema() -> Schema {
    let columns = COLUMNS.map(|(name, _)| match RowKind::Hops.schema().field_with_name(name) {
        Ok(field) => field.clone(),
        Err(_) => Field::new(name, DataType::Utf8View, true),
    });
    Schema::new(columns.to_vec())
}

/// The columns of `path` and the table that each is of: `p` is `path_nodes`, `o` is `obj`, `e` is `edge`.
const COLUMNS: [(&str, &str); 14] = [
    ("path_id", "p"),
    ("hop", "p"),
    ("address", "p"),
    ("type", "p"),
    ("name", "o"),
    ("value", "o"),
    ("size", "p"),
    ("retained", "p"),
    ("root_kind", "p"),
    ("arrow", "p"),
    ("label", "e"),
    ("idx", "p"),
    ("state", "p"),
    ("variable", "p"),
];

/// The rows of a call.
#[derive(Debug)]
struct PathTable {
    kind: Kind,
    compiled: Arc<Compiled>,
    manifest: Arc<Manifest>,
    indexes: Arc<Indexes>,
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
        if !self.compiled.labels.is_empty() && !self.has_labels(state).await? {
            return Err(Error::Query(format!(
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
                let indexes = self.indexes.clone();
                return Ok(Arc::new(ExplainExec::new(
                    compiled,
                    manifest,
                    indexes,
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
            self.indexes.clone(),
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
        match self.indexes.is_layer(&self.manifest) {
            true => format!("{CATALOG}.{CURRENT}"),
            false => self.own_tables(),
        }
    }

    fn own_tables(&self) -> String {
        format!("{CATALOG}.\"{}\"", self.manifest.id)
    }

    async fn form(&self, state: &SessionState) -> Result<Form> {
        let joins = match self.indexes.path_plan() {
            PathPlan::Auto => !self.indexes.fits(&self.manifest),
            PathPlan::Index => false,
            PathPlan::Join => true,
        };
        if joins && self.compiled.selector == heaplake_pathql::Selector::Dominated {
            let what = "DOMINATED needs the graph index, which a plan of joins has not";
            return Err(Error::Query(what.to_owned()).into());
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
        let has = |table: &str| projection.iter().any(|column| COLUMNS[*column].1 == table);
        let labels = has("e") && self.has_labels(state).await?;
        let columns: Vec<String> = projection
            .iter()
            .map(|column| match COLUMNS[*column] {
                (name, "e") if !labels => format!("arrow_cast(NULL, 'Utf8View') AS {name}"),
                (name, table) => format!("{table}.{name}"),
            })
            .collect();
        let nodes =
            format!("path_nodes({}, {})", literal(&self.compiled.text), literal(self.manifest.id.as_str()));
        let tables = self.own_tables();
        let mut query = format!("SELECT {} FROM {nodes} p", columns.join(", "));
        if columns.is_empty() {
            query = format!("SELECT 1 FROM {nodes} p");
        }
        if has("o") {
            query +=
                &format!(" JOIN (SELECT address, name, value FROM {tables}.obj) o ON o.address = p.address");
        }
        if labels {
            query += &format!(
                " LEFT JOIN (SELECT parent, idx AS place, label FROM {tables}.edge) e \
                 ON e.parent = p.edge_parent AND e.place = p.idx"
            );
        }
        if has("o") || labels {
            query += " ORDER BY p.path_id, p.hop, p.address";
        }
        if let Some(limit) = limit {
            query += &format!(" LIMIT {limit}");
        }
        let logical = state.create_logical_plan(&query).await?;
        let plan = state.create_physical_plan(&logical).await?;
        match columns.is_empty() {
            true => Ok(Arc::new(datafusion::physical_plan::projection::ProjectionExec::try_new(
                Vec::<(Arc<dyn datafusion::physical_expr::PhysicalExpr>, String)>::new(),
                plan,
            )?)),
            false => Ok(plan),
        }
    }
}
