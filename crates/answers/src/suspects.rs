//! What leaks, what holds it, and how sure that is.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, ListBuilder, RecordBatch, StringBuilder},
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Schema},
};
use heaplake_engine::{DumpChoice, choose_dumps};
use heaplake_store::{Manifest, Manifests};

use crate::{
    Error, Result, Session,
    groups::limit_clause,
    rows::{AnswerColumns, quoted},
    words,
};

/// The question.
#[derive(Debug, Clone, Default)]
pub struct Suspects {
    /// Selects the dumps; without one, the newest and the earlier ones that belong to it.
    pub dumps: Vec<String>,
    /// Suspects with less confidence are left out; 0 to 1.
    pub min_confidence: f64,
    /// Suspects at most; default all.
    pub limit: Option<u64>,
}

/// A suspect.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    /// From 1, the likeliest.
    pub rank: i64,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
    /// The name of the pattern.
    pub idiom: String,
    /// Address in the newest dump of the object that must let go; `None` if no object is to blame.
    pub holder: Option<u64>,
    /// Its type.
    pub holder_type: String,
    /// Its path in the dominator tree.
    pub holder_path: String,
    /// The expression by which the program reaches it; `None` if the dump does not say.
    pub held_by: Option<String>,
    /// What accumulates.
    pub type_name: String,
    /// How many there are.
    pub count: i64,
    /// How many more than in the first dump; `None` for one dump.
    pub count_growth: Option<i64>,
    /// Bytes that would be freed with the content of the holder.
    pub retained: i64,
    /// How much more than in the first dump; `None` for one dump.
    pub retained_growth: Option<i64>,
    /// Slope of the retained bytes per hour.
    pub per_hour: Option<f64>,
    /// The shape of the growth, as the function `trend` has it; `None` for one dump.
    pub shape: Option<String>,
    /// How many dumps were asked.
    pub dumps: i64,
    /// Facts that speak for it or against it.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: String,
    /// A short way to the holder from a module or another root.
    pub path: String,
    /// The references that keep the content, as a condition over `edge`.
    pub cut: Option<String>,
    /// Whether the graph alone shows that it leaks; otherwise it is judged from growth or size.
    pub is_proved: bool,
    /// Why people live with it, when and who says so; `None` if it is not accepted.
    pub accepted: Option<String>,
}

impl Suspect {
    /// By what it is known in other dumps: the expression by which the program reaches the holder, else its path.
    pub fn holder_name(&self) -> &str {
        self.held_by.as_deref().unwrap_or(&self.holder_path)
    }
}

impl Suspect {
    /// What is suspected, in one sentence.
    pub fn headline(&self) -> String {
        let alone = match self.idiom.as_str() {
            "garbage_cycle" => Some("are held only by each other"),
            "external_reference" => Some("are held only by C code"),
            "finalizer_queue" => Some("wait for their finalizers"),
            _ => None,
        };
        let holder = match (&self.held_by, self.holder) {
            (Some(held_by), _) => held_by.clone(),
            (None, Some(holder)) => format!("a {} at @{holder:#x}", self.holder_type),
            (None, None) => {
                let growth =
                    self.retained_growth.map_or_else(String::new, |n| format!(": {}", words::delta_bytes(n)));
                return format!("memory outside of all objects{growth} since the first dump");
            }
        };
        let is_itself = self.type_name == self.holder_type && self.count <= 1;
        let objects = format!("{} {}", words::count(self.count.unsigned_abs()), self.type_name);
        let growth = match (self.count_growth, self.retained_growth) {
            (Some(count), Some(bytes)) => {
                let objects =
                    if is_itself { String::new() } else { format!("{} objects, ", words::delta(count)) };
                format!(": {objects}{} since the first dump", words::delta_bytes(bytes))
            }
            _ => format!(", {}", words::signed_bytes(self.retained)),
        };
        match alone {
            Some(alone) => format!("{objects} {alone}{growth}"),
            None if is_itself => format!("{holder} is one {}{growth}", self.type_name),
            None => format!("{holder} holds {objects}{growth}"),
        }
    }
}

impl Suspects {
    /// The dumps that are asked, oldest first, and why these; `None` for a reason if they were named.
    pub fn choice(
        &self,
        manifests: &Manifests,
        newest: &Manifest,
    ) -> Result<(Vec<Arc<Manifest>>, Option<DumpChoice>)> {
        match self.dumps.as_slice() {
            [] => {
                let choice = choose_dumps(manifests, newest)?;
                Ok((choice.dumps.clone(), Some(choice)))
            }
            dumps => Ok((heaplake_engine::select_all(manifests, dumps)?, None)),
        }
    }

    /// The question as SQL over the function `suspects`; its columns are those of the function.
    pub fn statement(&self) -> String {
        let dumps: Vec<String> = self.dumps.iter().map(|dump| quoted(dump)).collect();
        format!(
            "SELECT * FROM suspects({}) WHERE confidence >= {} ORDER BY rank{}",
            dumps.join(", "),
            self.min_confidence.clamp(0.0, 1.0),
            limit_clause(self.limit)
        )
    }

    /// The rows, with queries that `worded` makes of each suspect in the place of statements.
    pub fn rows(&self, session: &Session, worded: impl Fn(&Suspect) -> Vec<String>) -> Result<RecordBatch> {
        let batches = session.collect(&self.statement())?;
        let first = batches.first().ok_or_else(|| Error::Internal("an answer has no columns".to_owned()))?;
        let all = concat_batches(first.schema_ref(), &batches)?;
        let suspects = suspects(&all)?;
        let mut queries = ListBuilder::new(StringBuilder::new());
        for suspect in &suspects {
            worded(suspect).iter().for_each(|query| queries.values().append_value(query));
            queries.append(true);
        }
        let queries: ArrayRef = Arc::new(queries.finish());
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in all.schema_ref().fields().iter().zip(all.columns()) {
            if field.name() == "queries" {
                let field = Field::new("queries", queries.data_type().clone(), false);
                fields.push(Arc::new(
                    field.with_metadata(all.schema_ref().field_with_name("queries")?.metadata().clone()),
                ));
                columns.push(queries.clone());
            } else {
                fields.push(field.clone());
                columns.push(column.clone());
            }
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// The suspects, the likeliest first.
    pub fn found(&self, session: &Session) -> Result<Vec<Suspect>> {
        let batches = session.collect(&self.statement())?;
        let first = batches.first().ok_or_else(|| Error::Internal("an answer has no columns".to_owned()))?;
        suspects(&concat_batches(first.schema_ref(), &batches)?)
    }
}

fn suspects(batch: &RecordBatch) -> Result<Vec<Suspect>> {
    let rows = AnswerColumns::new(std::slice::from_ref(batch))?;
    let (ranks, confidence) = (rows.numbers("rank")?, rows.optional_floats("confidence")?);
    let (idioms, holders) = (rows.texts("idiom")?, rows.optional_addresses("holder")?);
    let (holder_types, paths) = (rows.texts("holder_type")?, rows.texts("holder_path")?);
    let (held_by, types) = (rows.optional_texts("held_by")?, rows.texts("type")?);
    let (counts, count_growth) = (rows.numbers("count")?, rows.optional_numbers("count_growth")?);
    let (retained, retained_growth) = (rows.numbers("retained")?, rows.optional_numbers("retained_growth")?);
    let (per_hour, shapes) = (rows.optional_floats("per_hour")?, rows.optional_texts("shape")?);
    let (dumps, advice) = (rows.numbers("dumps")?, rows.texts("advice")?);
    let (ways, cuts) = (rows.texts("path")?, rows.optional_texts("cut")?);
    let (basis, accepted) = (rows.texts("basis")?, rows.optional_texts("accepted")?);
    let evidence = lists(batch, "evidence")?;
    let suspect = |i: usize| Suspect {
        rank: ranks[i],
        confidence: confidence[i].unwrap_or(0.0),
        idiom: idioms[i].clone(),
        holder: holders[i],
        holder_type: holder_types[i].clone(),
        holder_path: paths[i].clone(),
        held_by: held_by[i].clone(),
        type_name: types[i].clone(),
        count: counts[i],
        count_growth: count_growth[i],
        retained: retained[i],
        retained_growth: retained_growth[i],
        per_hour: per_hour[i],
        shape: shapes[i].clone(),
        dumps: dumps[i],
        evidence: evidence[i].clone(),
        advice: advice[i].clone(),
        path: ways[i].clone(),
        cut: cuts[i].clone(),
        is_proved: basis[i] == "proved",
        accepted: accepted[i].clone(),
    };
    Ok((0..rows.n_rows()).map(suspect).collect())
}

/// A column of lists of texts.
fn lists(batch: &RecordBatch, name: &str) -> Result<Vec<Vec<String>>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
    let lists = column.ok_or_else(|| Error::Internal(format!("the answer has no lists {name}")))?;
    let texts = |i: usize| -> Result<Vec<String>> {
        let texts = cast(&lists.value(i), &DataType::Utf8)?;
        Ok(texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
    };
    (0..lists.len()).map(texts).collect()
}
