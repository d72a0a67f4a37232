//! A session: a snapshot of the lake that answers statements.

use std::{collections::HashMap, panic::AssertUnwindSafe, path::PathBuf, sync::Arc, thread, time::Instant};

use datafusion::{
    arrow::{datatypes::SchemaRef, record_batch::RecordBatch},
    catalog::TableProvider,
    common::tree_node::{TreeNode, TreeNodeRecursion},
    datasource::{MemTable, physical_plan::FileScanConfig, source::DataSourceExec},
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream, SessionState, SessionStateBuilder,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::LogicalPlan,
    physical_optimizer::{PhysicalOptimizerRule, optimizer::PhysicalOptimizer},
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::{SessionConfig, SessionContext},
    sql::parser::{DFParserBuilder, Statement},
};
use futures::{StreamExt as _, stream};
use heaplake_model::{DumpId, ShortTypeNames};
use heaplake_store::{BuildLimits, Lake, Layer, Manifest, Manifests, SpillFolder};
use tokio::sync::OnceCell;

use crate::{
    Attached, Error, Result,
    address::with_plain_addresses,
    bounds::{AnswerStream, Bounds, CancelToken},
    catalog::{CATALOG, LakeCatalog, LakeSchema},
    cluster::{Cluster, NamedDumps},
    error::{Limit, Missing, Thing},
    explain::ErrorContext,
    functions,
    graph::{self, Edited},
    grouping::GroupUnsorted,
    guard, headings,
    history::{are_types_named_differently, dumps_with_old_names},
    mistake,
    parameters::{self, Parameters, Value},
    path,
    signature::{self, StatementSignature},
    snapshot::{BASELINE, CURRENT, Notice, PathPlan, Snapshot, SnapshotOptions},
    statements, traffic,
    type_names::{self, AskedType},
    yielding::JoinsYield,
};

/// How a session is to work.
#[derive(Clone, Default)]
pub struct SessionOptions {
    /// Selects the dump of bare table names; default the newest.
    pub dump: Option<String>,
    /// Selects the dump that the schema `baseline` means; default none.
    pub baseline: Option<String>,
    /// Bytes that the operators of all queries may hold together, what is more goes to the lake's `tmp`; default no limit, and
    /// then nothing spills.
    pub memory_limit: Option<u64>,
    /// Whether statements may read and write files outside the lake and change settings.
    pub allow_files: bool,
    /// Threads of a query; default one per core.
    pub threads: Option<usize>,
    /// A what-if layer of the chosen dump, which bare names then mean.
    pub layer: Option<String>,
    /// The chosen dump as it is after some edits, which bare names then mean.
    pub edited: Option<Edited>,
    /// Files that names stand for.
    pub attached: Vec<Attached>,
    /// How path patterns are searched for.
    pub path_plan: PathPlan,
    /// The file of suspects that are accepted; default the lake's own.
    pub accepted: Option<PathBuf>,
    /// Is told what makes a statement take longer, such as a graph index that has to be built first.
    pub notice: Option<Notice>,
    /// Workers that run parts of statements; default none. With a layer or an edited dump nothing is sent to them.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Stops the session's statements; default nothing does.
    pub cancel: Option<CancelToken>,
    /// When the session's statements have to be done; default never. It needs a runtime with timers.
    pub deadline: Option<Instant>,
    /// Rows that a statement may give; default any number. One that has more ends with an error after these.
    pub max_rows: Option<u64>,
    /// Bytes that the values of a statement's rows may take; default any number.
    pub max_bytes: Option<u64>,
}

/// The answer to a statement.
pub struct Answer {
    /// The columns; none for a statement such as SET.
    pub schema: SchemaRef,
    /// The rows. Dropping it cancels the query and closes its files.
    pub stream: AnswerStream,
}

/// A lake as it was when the session began.
pub struct Session {
    context: SessionContext,
    lake: PathBuf,
    options: SessionOptions,
    bounds: Bounds,
    snapshot: Arc<Snapshot>,
    /// The schema of bare names.
    names: Arc<LakeSchema>,
    /// The layer that bare names mean.
    layer: Option<Layer>,
    layer_is_chosen: OnceCell<()>,
    files_are_attached: OnceCell<()>,
    workers_are_checked: OnceCell<()>,
    // After the context, whose temporary files are in it.
    _spill: Option<SpillFolder>,
}

impl Session {
    /// Opens a session over a lake. Manifests are read when statements need them, those of dumps that the options name at
    /// once.
    pub fn open(manifests: &Arc<Manifests>, options: &SessionOptions) -> Result<Self> {
        let lake = manifests.lake();
        let snapshot_options = SnapshotOptions {
            limits: BuildLimits { memory: options.memory_limit, threads: options.threads },
            notice: options.notice.clone(),
            path_plan: options.path_plan,
            accepted: options.accepted.clone(),
        };
        let (dump, baseline) = (options.dump.as_deref(), options.baseline.as_deref());
        let snapshot = Arc::new(Snapshot::new(manifests.clone(), dump, baseline, snapshot_options)?);
        let (runtime, spill) = runtime(lake, options);
        let runtime = runtime.build_arc().map_err(|error| ErrorContext::default().explain(&error))?;
        let mut builder = SessionStateBuilder::new()
            .with_config(config(options))
            .with_runtime_env(runtime)
            .with_default_features()
            .with_physical_optimizer_rules(physical_rules());
        if let Some(cluster) = cluster(options) {
            let names = NamedDumps {
                current: snapshot.current()?.map(|dump| dump.id.to_string()),
                baseline: snapshot.baseline().map(|dump| dump.id.to_string()),
            };
            let extended = cluster.extend(builder, &names);
            builder = extended.map_err(|error| ErrorContext::default().explain(&error))?;
        }
        let mut context = SessionContext::new_with_state(builder.build());
        let catalog = LakeCatalog::new(&snapshot);
        let names = catalog.current();
        context.register_catalog(CATALOG, Arc::new(catalog));
        let layer = match &options.layer {
            Some(name) => snapshot.current()?.map(|manifest| lake.layer(&manifest, name)).transpose()?,
            None => None,
        };
        functions::register(&context, &snapshot);
        if options.allow_files {
            context = context.enable_url_table();
        }
        Ok(Self {
            context,
            lake: lake.path().to_owned(),
            options: options.clone(),
            bounds: Bounds {
                cancel: options.cancel.clone(),
                deadline: options.deadline,
                max_rows: options.max_rows,
                max_bytes: options.max_bytes,
            },
            snapshot,
            names,
            layer,
            layer_is_chosen: OnceCell::new(),
            files_are_attached: OnceCell::new(),
            workers_are_checked: OnceCell::new(),
            _spill: spill,
        })
    }

    /// The dump of bare names; none where the lake has no dumps.
    pub fn dump(&self) -> Result<Option<Arc<Manifest>>> {
        self.snapshot.current()
    }

    /// The dumps that a selector matches, oldest first.
    pub fn select(&self, selector: &str) -> Result<Vec<Arc<Manifest>>> {
        self.snapshot.select(selector)
    }

    /// Whether there is a dump that the schema `baseline` means.
    pub fn has_baseline(&self) -> bool {
        self.snapshot.baseline().is_some()
    }

    /// The statements of a text, separated by `;`, without those that hold nothing. Path patterns become SQL.
    pub fn statements(&self, text: &str) -> Result<Vec<String>> {
        let statements = statements::split(text)?;
        Ok(statements.into_iter().map(|sql| with_plain_addresses(&sql).into_owned()).collect())
    }

    /// Begins to run one statement that has no parameters.
    pub async fn run(&self, statement: &str) -> Result<Answer> {
        self.run_with(statement, &Parameters::new()).await
    }

    /// Begins to run one statement, with values for its `$name`.
    ///
    /// Where memory is limited this waits for the first rows: a query that does not fit is tried again with sort-merge
    /// joins, which spill, and with small batches.
    pub async fn run_with(&self, statement: &str, parameters: &Parameters) -> Result<Answer> {
        let answer = match cluster(&self.options) {
            None => self.bounds.wait(self.start(statement, parameters)).await??,
            Some(cluster) => {
                self.bounds.wait(self.start_on_cluster(&**cluster, statement, parameters)).await??
            }
        };
        Ok(Answer { stream: self.bounds.bounded(answer.stream), ..answer })
    }

    /// Begins to run one statement on workers. If one of them is lost before the statement is done, it is run again without that
    /// worker: rows are held back until all are there, or until they are too many to hold.
    async fn start_on_cluster(
        &self,
        cluster: &dyn Cluster,
        statement: &str,
        parameters: &Parameters,
    ) -> Result<Answer> {
        let check = || async {
            let lost = cluster.lost_workers().await?;
            self.note_lost(&lost, "the others are asked");
            Ok::<_, Error>(())
        };
        self.workers_are_checked.get_or_try_init(check).await?;
        loop {
            let held = async { held_back(self.start(statement, parameters).await?).await };
            let error = match held.await {
                Err(error @ (Error::Failed(_) | Error::Internal(_))) => error,
                answer => return answer,
            };
            let lost = cluster.lost_workers().await?;
            // A statement that may write is not run twice.
            if lost.is_empty() || self.options.allow_files {
                return Err(error);
            }
            self.note_lost(&lost, "the statement is run again without it");
        }
    }

    fn note_lost(&self, lost: &[String], consequence: &str) {
        if let Some(notice) = self.options.notice.as_ref().filter(|_| !lost.is_empty()) {
            notice(&format!("no answer of worker {}; {consequence}", lost.join(", ")));
        }
    }

    async fn start(&self, statement: &str, parameters: &Parameters) -> Result<Answer> {
        let before = self.snapshot.lake().traffic();
        let (parsed, parameters, mut context) = self.checked(statement, parameters).await?;
        let state = self.context.state();
        let logical = state.statement_to_plan(parsed).await;
        let logical = logical.map_err(|error| self.explain_planning(&context, &error))?;
        let logical = parameters::bind(logical, &parameters, &context)?;
        match self.options.allow_files {
            true => guard::check_spares_lake(&logical, &self.lake)?,
            false => guard::check_reads(&logical, statement)?,
        }
        let reads = guard::check_reads(&logical, statement).is_ok();
        let is_analyzed = matches!(logical, LogicalPlan::Analyze(_));
        let frame = self.context.execute_logical_plan(logical).await;
        let (state, logical) = frame.map_err(|error| context.explain(&error))?.into_parts();
        let plan = state.create_physical_plan(&logical).await.map_err(|error| context.explain(&error))?;
        context.files = files(&plan);
        let retry = self.options.memory_limit.is_some() && reads;
        let first = start(&state, plan, &context, self.options.memory_limit.is_some()).await;
        let answer = match first {
            Err(Error::Limit(Limit::Memory { .. })) if retry => {
                let state = with_less_memory(&state);
                let plan = state.create_physical_plan(&logical).await;
                let plan = plan.map_err(|error| context.explain(&error))?;
                start(&state, plan, &context, true).await
            }
            first => first,
        }?;
        Ok(match before.filter(|_| is_analyzed) {
            Some(before) => {
                let row = traffic::row(answer.schema.clone(), self.snapshot.lake(), before);
                Answer { stream: answer.stream.chain(row).boxed(), ..answer }
            }
            None => answer,
        })
    }

    /// The parameters that a statement has and the columns that it gives, without running it.
    ///
    /// `parameters` may have values for some of the `$name`. What a table function is called with decides about its columns,
    /// so that they are known only with values for those.
    pub async fn describe(&self, statement: &str, parameters: &Parameters) -> Result<StatementSignature> {
        self.bounds.wait(self.signature(statement, parameters)).await?
    }

    async fn signature(&self, statement: &str, parameters: &Parameters) -> Result<StatementSignature> {
        let whole = self.parse(statement)?;
        let (parsed, _, context) = self.checked(statement, parameters).await?;
        if signature::has_calls_without_values(&parsed) {
            let parameters = signature::parameters(&whole, &HashMap::new());
            return Ok(StatementSignature { parameters, columns: None });
        }
        let plan = self.context.state().statement_to_plan(parsed).await;
        let plan = plan.map_err(|error| self.explain_planning(&context, &error))?;
        let types = signature::parameter_types(&plan);
        let parameters = signature::parameters(&whole, &types);
        let columns = Arc::new(plan.schema().as_arrow().clone());
        Ok(StatementSignature { parameters, columns: Some(columns) })
    }

    /// A statement that may run, with values in the place of the parameters of table functions; and the values for the others.
    async fn checked(
        &self,
        statement: &str,
        parameters: &Parameters,
    ) -> Result<(Statement, Parameters, ErrorContext)> {
        self.choose_layer().await?;
        self.attach_files().await?;
        let parameters = self.with_ids(parameters)?;
        let mut parsed = self.parse(statement)?;
        parameters::bind_calls(&mut parsed, &parameters);
        functions::add_column(&mut parsed);
        headings::name_expressions(&mut parsed);
        match guard::check_kind(&parsed, statement) {
            Ok(()) => {
                guard::check_tables(&self.context.state(), &parsed, self.options.allow_files)?;
            }
            Err(refused) if !self.options.allow_files => return Err(refused),
            // Such a statement may name a table that it makes.
            Err(_) => {}
        }
        let context = ErrorContext {
            statement: statement.to_owned(),
            files: Vec::new(),
            memory_limit: self.options.memory_limit,
        };
        Ok((parsed, parameters, context))
    }

    /// A path pattern as SQL over `obj` and `edge` of the chosen dump.
    pub fn path_sql(&self, pattern: &str) -> Result<String> {
        let dump = self.snapshot.dump(None)?;
        path::emit(&path::compile(pattern, &dump, &self.snapshot)?, &dump)
    }

    /// The types that a statement asks for and no dump of the lake has, with those that were probably meant. Reads the types of
    /// dumps until each is found, those of the chosen dump first.
    pub fn unknown_types(&self, statement: &str) -> Result<Vec<Missing>> {
        self.unknown(type_names::in_statement(statement))
    }

    /// The same of a set of objects or references, as graph functions take it, or of a path pattern.
    pub fn unknown_types_of_set(&self, set: &str) -> Result<Vec<Missing>> {
        self.unknown(type_names::in_set(set))
    }

    /// Whether some of the dumps that selectors mean name types with their modules and others do not, so that `diff` and
    /// `trend` compare types by their short names.
    pub fn are_types_named_differently(&self, selectors: &[&str]) -> Result<bool> {
        Ok(are_types_named_differently(&self.selected(selectors)?))
    }

    /// The dumps among those that selectors mean whose holders are named by older rules than those of the others; they cannot
    /// be compared by holder until their summaries are made anew.
    pub fn dumps_with_old_names(&self, selectors: &[&str]) -> Result<Vec<DumpId>> {
        let dumps = self.selected(selectors)?;
        Ok(dumps_with_old_names(&dumps).into_iter().map(|dump| dump.id.clone()).collect())
    }

    /// The types that are told by their short names in the dumps that selectors mean. Reads the list of types of each.
    pub fn short_type_names(&self, selectors: &[&str]) -> Result<ShortTypeNames> {
        let dumps = self.selected(selectors)?;
        let dumps: Vec<_> = dumps.iter().map(|dump| self.snapshot.with_types(dump)).collect::<Result<_>>()?;
        let names = dumps.iter().flat_map(|dump| &dump.types).map(|stat| stat.name.as_str());
        Ok(ShortTypeNames::of(names))
    }

    fn selected(&self, selectors: &[&str]) -> Result<Vec<Arc<Manifest>>> {
        let mut dumps = Vec::new();
        for selector in selectors {
            match *selector {
                CURRENT | BASELINE => dumps.push(self.snapshot.manifest(Some(selector))?),
                selector => dumps.extend(self.snapshot.select(selector)?),
            }
        }
        Ok(dumps)
    }

    fn unknown(&self, asked: Vec<AskedType>) -> Result<Vec<Missing>> {
        let mut unknown = Vec::new();
        if asked.is_empty() {
            return Ok(unknown);
        }
        let Some(chosen) = self.snapshot.current()? else { return Ok(unknown) };
        let chosen = self.snapshot.with_types(&chosen)?;
        for asked in asked {
            let is_meant = |name: &str| asked.matches(name);
            if chosen.types.iter().any(|stat| is_meant(&stat.name)) || self.snapshot.has_type(is_meant)? {
                continue;
            }
            let near = type_names::nearest_types(&asked.name, asked.is_exact, &chosen);
            unknown.push(Missing {
                thing: Thing::Type,
                what: format!("no dump has a type {}", mistake::escape(&asked.name)),
                nearest: near.into_iter().map(str::to_owned).collect(),
                name: asked.name,
                note: String::new(),
                place: None,
            });
        }
        Ok(unknown)
    }

    /// Makes cuts on the chosen dump, on top of the layer where one is chosen, and keeps what is left as a named layer.
    pub async fn save_layer(&self, name: &DumpId, cuts: &[String]) -> Result<Layer> {
        let dump = self.snapshot.dump(None)?;
        let below = self.layer.iter().flat_map(|layer| &layer.cuts);
        let cuts: Vec<String> = below.chain(cuts).cloned().collect();
        let state = self.context.state();
        let cut = self.bounds.wait(self.snapshot.cut(&state, &dump, name, &cuts)).await?;
        let (_, objects, bytes) = cut.map_err(|error| ErrorContext::default().explain(&error))?;
        let layer = Layer::new(name.clone(), &dump, cuts, objects, bytes);
        self.snapshot.lake().save_layer(&layer)?;
        Ok(layer)
    }

    /// The chosen dump, as it is here, without what is cut and with what is pinned as roots. Both are sets.
    pub async fn edit(&self, cuts: &[String], pins: &[String]) -> Result<Edited> {
        self.choose_layer().await?;
        let dump = self.snapshot.dump(None)?;
        let state = self.context.state();
        let edited = self.bounds.wait(self.snapshot.edit(&state, &dump, (cuts, pins))).await?;
        edited.map_err(|error| ErrorContext::default().explain(&error))
    }

    /// Lets a bare name mean these rows; their batches are of one schema, and there is at least one.
    pub fn show(&self, name: &str, batches: Vec<RecordBatch>) -> Result<()> {
        let schema = batches.first().map(RecordBatch::schema);
        let schema = schema.ok_or_else(|| Error::Internal("rows have no columns".to_owned()))?;
        let table = MemTable::try_new(schema, vec![batches]);
        let table = table.map_err(|error| ErrorContext::default().explain(&error))?;
        self.names.show_instead([(name.to_owned(), Arc::new(table) as Arc<dyn TableProvider>)]);
        Ok(())
    }

    /// The names of all functions, of values and of tables, in order.
    pub fn functions(&self) -> Vec<String> {
        let state = self.context.state();
        let scalar = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
        let others = state.window_functions().keys().chain(state.table_functions().keys());
        let mut names: Vec<String> = scalar.chain(others).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Gives bare names the meaning of the layer, before the first statement.
    async fn choose_layer(&self) -> Result<()> {
        if self.layer.is_none() && self.options.edited.is_none() {
            return Ok(());
        }
        let Some(manifest) = self.snapshot.current()? else { return Ok(()) };
        let choose = || async {
            let dump = self.snapshot.with_types(&manifest)?;
            let index = match (&self.options.edited, &self.layer) {
                (Some(edited), _) => edited.index.clone(),
                (None, Some(layer)) => self.snapshot.open_layer(&self.context.state(), &dump, layer).await?,
                (None, None) => return Ok(()),
            };
            self.snapshot.choose_layer(index);
            let views = graph::layer::views(&self.context, &dump).await?;
            self.names.show_instead(views.into_iter().map(|(name, view)| (name.to_owned(), view)));
            Ok(())
        };
        let chosen: Result<&(), DataFusionError> = self.layer_is_chosen.get_or_try_init(choose).await;
        chosen.copied().map_err(|error| ErrorContext::default().explain(&error))
    }

    /// Makes the attached files known, before the first statement.
    async fn attach_files(&self) -> Result<()> {
        let attach = || async {
            let mut tables = Vec::new();
            for attached in &self.options.attached {
                if tables.iter().any(|(name, _)| name == attached.name()) {
                    return Err(Error::query(format!("{} is attached twice", attached.name())));
                }
                tables.push((attached.name().to_owned(), attached.open(&self.context).await?));
            }
            self.names.show_instead(tables);
            Ok(())
        };
        self.files_are_attached.get_or_try_init(attach).await.copied()
    }

    /// The parameters with ids in the place of selectors of dumps.
    fn with_ids(&self, parameters: &Parameters) -> Result<Parameters> {
        let resolved = parameters.iter().map(|(name, value)| {
            let value = match value {
                Value::Dump(selector) => {
                    let manifest = self.snapshot.manifest(Some(selector));
                    let manifest = manifest.map_err(|error| match error {
                        error @ (Error::Query { .. } | Error::NotFound(_) | Error::NoBaseline) => {
                            error.after_words(&format!("parameter {name}: "))
                        }
                        error => Error::query(format!("parameter {name}: {error}")),
                    })?;
                    Value::Text(manifest.id.to_string())
                }
                value => value.clone(),
            };
            Ok((name.clone(), value))
        });
        resolved.collect()
    }

    fn parse(&self, statement: &str) -> Result<Statement> {
        let context = ErrorContext { statement: statement.to_owned(), ..ErrorContext::default() };
        let parsed = DFParserBuilder::new(statement).build().and_then(|mut parser| parser.parse_statements());
        let mut parsed = parsed.map_err(|error| context.explain(&error))?;
        match (parsed.pop_front(), parsed.is_empty()) {
            (Some(parsed), true) => Ok(parsed),
            (None, _) => Err(Error::query("there is no statement".to_owned())),
            _ => Err(Error::query("there is more than one statement".to_owned())),
        }
    }

    /// The type of the chosen dump with this name, whatever its case: SQL folds names without quotes.
    fn type_named(&self, name: &str) -> Option<String> {
        let current = self.snapshot.current().ok()??;
        let dump = self.snapshot.with_types(&current).ok()?;
        let found = dump.types.iter().find(|stat| stat.name.eq_ignore_ascii_case(name));
        found.map(|stat| stat.name.clone())
    }

    /// Adds what the planner does not say about functions and about texts without quotes.
    fn explain_planning(&self, context: &ErrorContext, error: &DataFusionError) -> Error {
        let explained = context.explain(error);
        if let Error::NotFound(missing) = &explained
            && missing.thing == Thing::Column
            && let Some(name) = self.type_named(&missing.name)
        {
            let what = format!("there is no column {}", mistake::escape(&missing.name));
            let quoted = mistake::escape(&name).replace('\'', "''");
            return Error::not_found(Thing::Column, &missing.name, what, &[])
                .with_note(format!("; a text stands in single quotes: type = '{quoted}'"));
        }
        let Error::Query { what, .. } = &explained else { return explained };
        let Some(name) = mistake::unknown_function(what) else { return explained };
        let state = self.context.state();
        if state.table_functions().contains_key(name) {
            return Error::query(format!(
                "{name} gives rows: write it after FROM, as in SELECT * FROM {name}(...)"
            ));
        }
        if state.scalar_functions().contains_key(name) || state.aggregate_functions().contains_key(name) {
            return Error::query(format!("{name} gives a value and no rows: it cannot stand after FROM"));
        }
        let names = self.functions();
        let near: Vec<&str> = mistake::nearest(name, names.iter().map(String::as_str)).into_iter().collect();
        Error::not_found(Thing::Function, name, format!("there is no function {name}"), &near)
    }
}

/// Rows of a batch where memory was short before.
const FALLBACK_BATCH_ROWS: usize = 1024;

/// Bytes of rows that are held back while workers may be lost.
const HELD_BYTES: usize = 64 << 20;

/// The workers that a session may use. The indexes of layers are on this machine alone.
fn cluster(options: &SessionOptions) -> Option<&Arc<dyn Cluster>> {
    options.cluster.as_ref().filter(|_| options.layer.is_none() && options.edited.is_none())
}

/// The answer once all of its rows are there, or as many as are held back. An error among them comes at once.
async fn held_back(answer: Answer) -> Result<Answer> {
    let Answer { schema, mut stream } = answer;
    let (mut held, mut n_bytes) = (Vec::new(), 0);
    while n_bytes < HELD_BYTES
        && let Some(batch) = stream.next().await.transpose()?
    {
        n_bytes += batch.get_array_memory_size();
        held.push(Ok(batch));
    }
    Ok(Answer { schema, stream: stream::iter(held).chain(stream).boxed() })
}

/// Executes a plan; when `wait` is set, until its first rows are there.
async fn start(
    state: &SessionState,
    plan: Arc<dyn ExecutionPlan>,
    context: &ErrorContext,
    wait: bool,
) -> Result<Answer> {
    let schema = plan.schema();
    let stream = execute_stream(plan, state.task_ctx()).map_err(|error| context.explain(&error))?;
    let mut stream = explained(stream, context.clone());
    if !wait {
        return Ok(Answer { schema, stream });
    }
    let first = stream.next().await.transpose()?;
    Ok(Answer { schema, stream: stream::iter(first.map(Ok)).chain(stream).boxed() })
}

/// The rows with errors in our words; a panic, which only a bug can cause, ends them with an error.
fn explained(rows: SendableRecordBatchStream, context: ErrorContext) -> AnswerStream {
    let rows = AssertUnwindSafe(rows.fuse()).catch_unwind();
    rows.map(move |row| match row {
        Ok(row) => row.map_err(|error| context.explain(&error)),
        Err(_) => Err(Error::Internal("the query stopped unexpectedly".to_owned())),
    })
    .boxed()
}

fn config(options: &SessionOptions) -> SessionConfig {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let n_threads = options.threads.unwrap_or_else(cores).max(1);
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, CURRENT)
        .with_information_schema(true)
        .with_target_partitions(n_threads);
    let settings = config.options_mut();
    // Filters skip row groups and pages, which clustering by type and address makes most of the work. As row filters
    // inside the scan they must not run: those of hash joins lose rows of joins of five tables (DataFusion 55.2).
    settings.execution.parquet.pushdown_filters = false;
    // Small files are worth two threads, too: a million objects are two megabytes.
    settings.optimizer.repartition_file_min_size = 1 << 20;
    if let Some(limit) = options.memory_limit {
        // Each sort sets this aside for its merge; the default of 10 MB times threads leaves small limits nothing.
        let share = usize::try_from(limit).unwrap_or(usize::MAX) / (4 * n_threads);
        let reserved = settings.execution.sort_spill_reservation_bytes.min(share);
        settings.execution.sort_spill_reservation_bytes = reserved;
    }
    config
}

fn runtime(lake: &Lake, options: &SessionOptions) -> (RuntimeEnvBuilder, Option<SpillFolder>) {
    let runtime = RuntimeEnvBuilder::new();
    let Some(limit) = options.memory_limit else { return (runtime, None) };
    let pool = FairSpillPool::new(usize::try_from(limit).unwrap_or(usize::MAX));
    let runtime = runtime.with_memory_pool(Arc::new(pool));
    match lake.spill_folder() {
        Ok(folder) => {
            let mode = DiskManagerMode::Directories(vec![folder.path().to_owned()]);
            let manager = DiskManagerBuilder::default().with_mode(mode);
            (runtime.with_disk_manager_builder(manager), Some(folder))
        }
        // A lake that cannot be written to: DataFusion then uses the system's temporary folder.
        Err(_) => (runtime, None),
    }
}

/// A state that plans for little memory: joins that spill, and small batches.
fn with_less_memory(state: &SessionState) -> SessionState {
    let mut config = state.config().clone();
    let settings = config.options_mut();
    settings.optimizer.prefer_hash_join = false;
    // DataFusion plans sort-merge joins for more than one partition only.
    settings.execution.target_partitions = settings.execution.target_partitions.max(2);
    // Sorts and their merges hold some batches each, whatever they spill.
    let config = config.with_batch_size(FALLBACK_BATCH_ROWS);
    SessionStateBuilder::new_from_existing(state.clone()).with_config(config).build()
}

/// The rules of DataFusion, and ours before and after them.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(GroupUnsorted));
    rules.push(Arc::new(JoinsYield));
    rules
}

/// The names of the files that a plan reads.
fn files(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let mut files = Vec::new();
    let visited = plan.apply(|node| {
        if let Some(source) = node.downcast_ref::<DataSourceExec>()
            && let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>()
        {
            let named = scan.file_groups.iter().flat_map(|group| group.iter());
            files.extend(named.map(|file| mistake::escape(file.path().as_ref())));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(visited.is_ok(), "the walk itself never fails");
    files.sort();
    files.dedup();
    files
}
