//! A call of a table function, and the provider that it becomes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider},
    datasource::TableType,
    error::{DataFusionError, Result},
    execution::SessionState,
    logical_expr::Expr,
    physical_plan::{ExecutionPlan, collect},
};
use heaplake_store::Dump;

use super::{
    PathFunction, PathRows, PathShape, TreeMerge,
    compile::{Compiled, EdgeRule, Names},
    exec::{PathForm, PathOperator},
    explain::ExplainOperator,
    named::NamedOperator,
    needs::needs,
    rows::{ADDRESS, ARROW, HOP, IDX, PATH_ID, RETAINED, ROOT_KIND, RowKind, SIZE, STATE, TYPE, VARIABLE},
};
use crate::{
    Error,
    catalog::CATALOG,
    function::{ColumnDoc, ColumnType, column, integer},
    operator::OperatorExec,
    snapshot::{CURRENT, PathPlan, Snapshot},
};

/// A function, over the dumps of a session.
#[derive(Debug)]
pub(super) struct PathTableFunction {
    function: &'static PathFunction,
    snapshot: Arc<Snapshot>,
}

impl PathTableFunction {
    pub(super) fn new(function: &'static PathFunction, snapshot: Arc<Snapshot>) -> Self {
        Self { function, snapshot }
    }
}

/// A pattern, resolved against a dump.
pub(crate) fn compile(text: &str, manifest: &Dump, snapshot: &Snapshot) -> crate::Result<Compiled> {
    Compiled::new(text, &Names { manifest, lake: snapshot })
}

impl TableFunctionImpl for PathTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let PathFunction { doc, gives } = self.function;
        let (exprs, max_steps) = match (gives, args.exprs()) {
            (PathRows::Ways, [exprs @ .., Expr::Literal(value, _)]) if let Some(n) = integer(value) => {
                (exprs, n)
            }
            (_, exprs) => (exprs, u64::MAX),
        };
        let texts = doc.texts(exprs)?;
        let (pattern, merge, dump) = match (gives, texts.as_slice()) {
            (_, [pattern]) => (*pattern, TreeMerge::default(), None),
            (PathRows::Tree, [pattern, word, dump @ ..]) if dump.len() < 2 => {
                let merge = TreeMerge::of_word(word);
                let merge = merge.ok_or_else(|| doc.misuse("paths are merged by 'type' or by 'object'"))?;
                (*pattern, merge, dump.first().copied())
            }
            (_, [pattern, dump]) => (*pattern, TreeMerge::default(), Some(*dump)),
            _ => return Err(doc.misuse("it takes a pattern, and perhaps the name of a dump").into()),
        };
        let manifest = self.snapshot.dump(dump)?;
        let mut compiled = compile(pattern, &manifest, &self.snapshot)?;
        if matches!(gives, PathRows::Tree | PathRows::Clusters) {
            compiled.for_each_end();
        }
        if matches!(gives, PathRows::Summary | PathRows::Ways | PathRows::Tree | PathRows::Clusters)
            && compiled.shape() != PathShape::Paths
        {
            let what = format!("{} gives no paths to summarise; use path()", compiled.selector);
            return Err(doc.misuse(&what).into());
        }
        // What gives hops gives totals of types where those are asked for.
        let has_totals = matches!(gives, PathRows::Named | PathRows::Nodes);
        let schema = doc.rows(usize::from(has_totals && compiled.shape() == PathShape::Types))?.schema();
        Ok(Arc::new(PathTable {
            gives: *gives,
            max_steps,
            merge,
            compiled: Arc::new(compiled),
            manifest,
            snapshot: self.snapshot.clone(),
            schema,
        }))
    }
}

/// The columns of `path`: those of `path_nodes`, of `obj`, and the label.
pub(crate) const NAMED_COLUMNS: &[ColumnDoc] = &[
    PATH_ID,
    HOP,
    ADDRESS,
    TYPE,
    column("name", ColumnType::Text, "its name").null("where it has none"),
    column("value", ColumnType::Text, "text of a string or number").null("where it has none"),
    SIZE,
    RETAINED,
    ROOT_KIND,
    ARROW,
    column(LABEL, ColumnType::Text, "attribute, key or index of that reference")
        .null("where the dump does not say, at the start of a path, and of objects"),
    IDX,
    STATE,
    VARIABLE,
];
/// The columns of `path_explain`.
pub(crate) const LINE_COLUMNS: &[ColumnDoc] =
    &[column("line", ColumnType::Text, "a sentence; the lines are in their order")];
const OF_OBJECTS: [&str; 2] = ["name", "value"];
const LABEL: &str = "label";

/// The rows of a call.
#[derive(Debug)]
struct PathTable {
    gives: PathRows,
    /// Most steps of the shortest paths whose ways are asked for.
    max_steps: u64,
    /// What is one branch, for a tree.
    merge: TreeMerge,
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
        let kind = match (self.gives, self.compiled.shape()) {
            (PathRows::Named, PathShape::Paths | PathShape::Objects) => {
                return self.with_tables(state, projection, limit).await;
            }
            (PathRows::Explanation, _) => {
                let (form, inputs) = self.form(state).await?;
                let (compiled, manifest) = (self.compiled.clone(), self.manifest.clone());
                let snapshot = self.snapshot.clone();
                let schema = Arc::new(self.schema.project(projection)?);
                let operator = ExplainOperator { compiled, manifest, snapshot, form };
                return Ok(OperatorExec::plan(operator, inputs, schema));
            }
            (PathRows::Summary, _) => RowKind::Paths,
            (PathRows::Ways, _) => RowKind::Ways { max_steps: self.max_steps },
            (PathRows::Tree, _) => RowKind::Tree(self.merge),
            (PathRows::Clusters, _) => RowKind::Clusters,
            (_, PathShape::Types) => RowKind::Types,
            (PathRows::Nodes, _) => RowKind::Hops,
        };
        self.search(state, kind, projection.to_vec(), limit).await
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

    /// The search for rows of a kind.
    async fn search(
        &self,
        state: &SessionState,
        kind: RowKind,
        projection: Vec<usize>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (form, inputs) = self.form(state).await?;
        let (compiled, manifest) = (self.compiled.clone(), self.manifest.clone());
        let snapshot = self.snapshot.clone();
        PathOperator { compiled, manifest, snapshot, form, kind, projection, limit }.plan(inputs)
    }

    /// What is searched, with the plans that answer what the pattern asks of the tables.
    async fn form(&self, state: &SessionState) -> Result<(PathForm, Vec<Arc<dyn ExecutionPlan>>)> {
        let joins = match self.snapshot.path_plan() {
            PathPlan::Auto => !self.snapshot.fits(&self.manifest),
            PathPlan::Index => false,
            PathPlan::Join => true,
        };
        if joins && self.compiled.selector == heaplake_pathql::Selector::Dominated {
            let what = "DOMINATED needs the graph index, which a plan of joins does not use";
            return Err(Error::query(what.to_owned()).into());
        }
        let type_name = |rank: usize| self.manifest.types[rank].name.clone();
        if joins {
            let form = PathForm::Join { state: Arc::new(state.clone()), tables: self.tables() };
            return Ok((form, Vec::new()));
        }
        let (mut sets, mut plans) = (Vec::new(), Vec::new());
        for need in needs(&self.compiled, &self.tables(), &type_name) {
            let plan = need.plan(state, self.manifest.id.as_str()).await;
            sets.push(need.set());
            plans.push(plan.map_err(|error| self.of_predicate(error))?);
        }
        Ok((PathForm::Index { sets }, plans))
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
        let wanted: Vec<&'static str> = projection.iter().map(|column| NAMED_COLUMNS[*column].name).collect();
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
        let input = self.search(state, RowKind::Hops, columns, limit).await?;
        if needed == wanted {
            return Ok(input);
        }
        let (state, tables) = (Arc::new(state.clone()), self.own_tables());
        let operator = NamedOperator { state, tables, of_objects, labels };
        let schema = Arc::new(self.schema.project(projection)?);
        Ok(OperatorExec::plan(operator, vec![input], schema))
    }
}
