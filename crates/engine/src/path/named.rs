//! Adds what the index does not have to the rows of a search: names and values of `obj`, labels of `edge`.
//!
//! Rows are looked up some at a time, few at first and then more and more, so that the first paths are there soon, the
//! order stays, and memory does not grow with the answer. Each lookup is a plan of its own, a join of the addresses to
//! the table, so that dynamic filters skip what they can.

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array, new_null_array,
        },
        compute::{cast, concat_batches, take},
        datatypes::{ArrowPrimitiveType, Field, Schema, SchemaRef, UInt32Type, UInt64Type},
    },
    common::JoinType,
    datasource::MemTable,
    error::{DataFusionError, Result},
    execution::SessionState,
    physical_plan::{ExecutionPlan, execution_plan::EmissionType},
    prelude::{DataFrame, SessionContext},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::operator::{Operator, OperatorInputs, OperatorRows, OperatorTask};

/// Rows of the first lookup, and of the largest.
const FIRST_ROWS: usize = 8192;
const MOST_ROWS: usize = 1 << 19;

/// The operator: what is looked up where. Its rows have columns of the input, of `obj`, and `label`; the input has
/// `address`, for labels also `edge_parent` and `idx`.
#[derive(Debug, Clone)]
pub(super) struct NamedOperator {
    pub(super) state: Arc<SessionState>,
    /// The schema of `obj` and `edge`.
    pub(super) tables: String,
    /// Columns of `obj`, without repetition.
    pub(super) of_objects: Vec<&'static str>,
    /// Whether labels of `edge` are.
    pub(super) labels: bool,
}

impl Operator for NamedOperator {
    const NAME: &'static str = "PathNamedExec";
    const INPUTS: OperatorInputs = OperatorInputs::OneInOrder;
    const EMISSION: EmissionType = EmissionType::Incremental;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns: Vec<String> =
            self.of_objects.iter().map(|name| format!("{}.obj.{name}", self.tables)).collect();
        columns.extend(self.labels.then(|| format!("{}.edge.label", self.tables)));
        write!(f, "looks up [{}]", columns.join(", "))
    }

    fn run(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows> {
        let Some(input) = inputs.first() else {
            return Err(DataFusionError::Internal("a lookup has no input".to_owned()));
        };
        let rows = input.execute(0, task.context().clone())?;
        let batch_rows = task.batch_rows();
        let chunks = stream::try_unfold((rows, FIRST_ROWS), move |(mut rows, wanted)| {
            let (operator, task) = (self.clone(), task.clone());
            async move {
                let mut chunk: Vec<RecordBatch> = Vec::new();
                let mut n_rows = 0;
                while n_rows < wanted {
                    let Some(batch) = rows.try_next().await? else { break };
                    n_rows += batch.num_rows();
                    chunk.push(batch);
                }
                let Some(first) = chunk.first() else { return Ok::<_, DataFusionError>(None) };
                let chunk = concat_batches(&first.schema(), &chunk)?;
                let named = operator.named(&chunk, task.schema()).await?;
                Ok(Some((named, (rows, (wanted * 8).min(MOST_ROWS)))))
            }
        });
        let parts = chunks.map_ok(move |chunk| {
            let n_rows = chunk.num_rows();
            let part = move |start: usize| Ok(chunk.slice(start, batch_rows.min(n_rows - start)));
            stream::iter((0..n_rows).step_by(batch_rows).map(part).collect::<Vec<_>>())
        });
        Ok(parts.try_flatten().boxed())
    }
}

impl NamedOperator {
    /// The rows with all columns of `schema`.
    async fn named(&self, rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let context = SessionContext::new_with_state((*self.state).clone());
        let mut found: HashMap<&str, ArrayRef> = HashMap::new();
        if !self.of_objects.is_empty() {
            let addresses =
                rows.column_by_name("address").map(|column| column.as_primitive::<UInt64Type>().values());
            let addresses = addresses.map_or(&[][..], |addresses| addresses);
            let columns = self.of_objects.join(", ");
            let objects = context.sql(&format!("SELECT address, {columns} FROM {}.obj", self.tables)).await?;
            let wanted = distinct(addresses.iter().copied());
            let keys = table(&context, &[("wanted", Arc::new(UInt64Array::from(wanted)))])?;
            let batch =
                collect(keys.join(objects, JoinType::Inner, &["wanted"], &["address"], None)?).await?;
            let places = numbered(values::<UInt64Type>(&batch, "address")?.iter().copied());
            let places = UInt32Array::from_iter(addresses.iter().map(|address| places.get(address).copied()));
            for column in &self.of_objects {
                found.insert(column, take(column_of(&batch, column)?, &places, None)?);
            }
        }
        if self.labels {
            let parents = column_of(rows, "edge_parent")?.as_primitive::<UInt64Type>();
            let idx = column_of(rows, "idx")?.as_primitive::<UInt32Type>();
            let edges: Vec<Option<(u64, u32)>> =
                parents.iter().zip(idx).map(|(parent, idx)| Some((parent?, idx?))).collect();
            let wanted = distinct(edges.iter().copied().flatten());
            let (parents, idx): (Vec<u64>, Vec<u32>) = wanted.into_iter().unzip();
            let references = format!("SELECT parent, idx, label FROM {}.edge", self.tables);
            let references = context.sql(&references).await?;
            let keys = table(
                &context,
                &[
                    ("wanted", Arc::new(UInt64Array::from(parents))),
                    ("place", Arc::new(UInt32Array::from(idx))),
                ],
            )?;
            let joined =
                keys.join(references, JoinType::Inner, &["wanted", "place"], &["parent", "idx"], None)?;
            let batch = collect(joined).await?;
            let parents = values::<UInt64Type>(&batch, "parent")?.iter().copied();
            let places = numbered(parents.zip(values::<UInt32Type>(&batch, "idx")?.iter().copied()));
            let places = edges.iter().map(|edge| edge.and_then(|edge| places.get(&edge).copied()));
            found.insert("label", take(column_of(&batch, "label")?, &UInt32Array::from_iter(places), None)?);
        }
        let columns = schema.fields().iter().map(|field| {
            let name = field.name().as_str();
            match found.get(name).or_else(|| rows.column_by_name(name)) {
                Some(column) => Ok(cast(column, field.data_type())?),
                None => Ok(new_null_array(field.data_type(), rows.num_rows())),
            }
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }
}

fn distinct<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The place of each.
fn numbered<T: Eq + Hash>(all: impl Iterator<Item = T>) -> HashMap<T, u32> {
    all.zip(0..).collect()
}

fn table(context: &SessionContext, columns: &[(&str, ArrayRef)]) -> Result<DataFrame> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), false);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.iter().map(|(_, column)| column.clone()).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    context.read_table(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

async fn collect(frame: DataFrame) -> Result<RecordBatch> {
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await?;
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    Ok(concat_batches(&schema, &batches)?)
}

fn column_of<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    let found = batch.column_by_name(name);
    found.ok_or_else(|| DataFusionError::Internal(format!("a lookup has no column {name}")))
}

fn values<'b, T: ArrowPrimitiveType>(batch: &'b RecordBatch, name: &str) -> Result<&'b [T::Native]> {
    Ok(column_of(batch, name)?.as_primitive::<T>().values())
}
