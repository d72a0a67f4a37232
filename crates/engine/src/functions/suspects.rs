//! `suspects`: what leaks, what holds it, and how sure that is.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        ArrayRef, Float64Array, Int64Array, ListBuilder, RecordBatch, StringViewArray, StringViewBuilder,
        UInt64Array,
    },
    datatypes::SchemaRef,
};
use heaplake_pathql::glob_matches;
use heaplake_store::{AcceptedSuspects, Manifest};

use crate::{
    Error, Result,
    diagnosis::{MAX_DUMPS, Suspect, choose_dumps, diagnose},
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column,
    },
    history::{HistoryFunction, HistoryQuestion},
    snapshot::Snapshot,
};

const ONE_DUMP: &str = "where one dump was asked";

pub(super) static SUSPECTS: HistoryFunction = HistoryFunction {
    doc: FunctionDoc {
        name: "suspects",
        group: FunctionGroup::History,
        usage: "suspects(['dumps' [, 'more']...])",
        purpose: "What leaks, the likeliest first: what accumulates, which object must let go, how sure that is and why, and what \
                  to do. One dump or many, in the order in which they were taken; docs/suspects.md says how it decides.",
        arguments: &[ArgumentDoc::optional(
            "dumps",
            ArgumentKind::Dumps,
            "the newest with the earlier ones of its process, else of its service, else alone",
            "the dumps",
        )
        .repeated()],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column("rank", ColumnType::Int64, "from 1, the likeliest"),
            column("confidence", ColumnType::Float64, "how sure it is that this is a leak, 0 to 1"),
            column("idiom", ColumnType::Text, "the name of the pattern, see docs/suspects.md"),
            column("holder", ColumnType::UInt64, "address in the newest dump of the object that must let go")
                .null("where no object is to blame"),
            column("holder_type", ColumnType::Text, "its type"),
            column("holder_path", ColumnType::Text, "its path in the dominator tree, as holders are written"),
            column("held_by", ColumnType::Text, "the expression by which the program reaches it")
                .null("where the dump has no labels on the way"),
            column("type", ColumnType::Text, "what accumulates, as a programmer would name it"),
            column("count", ColumnType::Int64, "how many there are"),
            column("count_growth", ColumnType::Int64, "how many more than in the first dump").null(ONE_DUMP),
            column("retained", ColumnType::Int64, "what would be freed with the content of the holder")
                .unit("bytes"),
            column("retained_growth", ColumnType::Int64, "how much more than in the first dump")
                .unit("bytes")
                .null(ONE_DUMP),
            column("per_hour", ColumnType::Float64, "slope of the retained bytes")
                .unit("bytes an hour")
                .null("where all dumps were taken at one time, and where one dump was asked"),
            column("shape", ColumnType::Text, "how the number goes over the dumps, as in `trend`")
                .null(ONE_DUMP),
            column("dumps", ColumnType::Int64, "how many dumps were asked"),
            column("evidence", ColumnType::TextList, "facts that speak for it or against it"),
            column("advice", ColumnType::Text, "what to do"),
            column("queries", ColumnType::TextList, "statements that show it"),
            column("path", ColumnType::Text, "a short way to the holder from a module or another root"),
            column(
                "cut",
                ColumnType::Text,
                "the references that keep the content, as a condition over `edge`",
            )
            .null("where no object holds it, and where the holder itself is the content"),
            column(
                "basis",
                ColumnType::Text,
                "proved, where the graph alone shows that it leaks, else judged",
            ),
            column("accepted", ColumnType::Text, "why people live with it, when and who says so")
                .null("where it is not among the accepted suspects"),
        ]])]),
        cost: "One pass over the graph index of the newest dump, and of the first and the last but one; of dumps of different \
               processes over all of them, with names and labels. 24 bytes of memory for every object of the newest dump and 8 of \
               an earlier one, for two pairs.",
        source: Some(
            "accumulation points and retained sizes as in Eclipse Memory Analyzer, \"The Leak Hunter\"",
        ),
    },
    call,
};

/// `suspects(['DUMPS'...])`.
fn call(texts: &[&str], snapshot: &Arc<Snapshot>) -> Result<HistoryQuestion> {
    let dumps = match texts {
        [] => {
            let newest = snapshot.current()?.ok_or(Error::NoDumps)?;
            newest.check_whole()?;
            choose_dumps(snapshot.manifests(), &newest)?.dumps
        }
        texts => {
            let mut dumps = Vec::new();
            for text in texts {
                dumps.extend(snapshot.select(text)?);
            }
            dumps.sort_by(|a, b| a.by_age(b));
            dumps.dedup_by(|a, b| a.id == b.id);
            dumps
        }
    };
    let newest = dumps.last().ok_or(Error::NoDumps)?;
    newest.check_whole()?;
    let dumps = some_of(dumps.into_iter().filter(|manifest| manifest.pruned.is_none()).collect());
    let schema = SUSPECTS.doc.rows(0)?.schema();
    let accepted = snapshot.accepted()?;
    let (snapshot, answered) = (snapshot.clone(), schema.clone());
    let answer = move |progress: &heaplake_store::ImportProgress| {
        let mut open = Vec::with_capacity(dumps.len());
        for manifest in &dumps {
            open.push(snapshot.open_base(&snapshot.with_types(manifest)?, progress)?);
        }
        batch(&diagnose(snapshot.lake(), open, &progress.cancel)?, &accepted, answered.clone())
    };
    Ok(HistoryQuestion { schema, answer: Arc::new(answer) })
}

/// As many dumps as are looked at, evenly over all.
fn some_of(dumps: Vec<Arc<Manifest>>) -> Vec<Arc<Manifest>> {
    let n = dumps.len();
    if n <= MAX_DUMPS {
        return dumps;
    }
    (0..MAX_DUMPS).map(|i| dumps[i * (n - 1) / (MAX_DUMPS - 1)].clone()).collect()
}

/// Why people live with a suspect; `None` where nobody says so.
fn acceptance(suspect: &Suspect, accepted: &AcceptedSuspects) -> Option<String> {
    let names = || suspect.held_by.as_deref().into_iter().chain([suspect.holder_path.as_str()]);
    let entry = accepted.accepted.iter().find(|entry| {
        let is_holder = |holder: &String| names().any(|name| name == holder);
        let fits = |pattern: &String| names().any(|name| glob_matches(pattern, name));
        entry.holder.as_ref().is_some_and(is_holder) || entry.pattern.as_ref().is_some_and(fits)
    })?;
    let reason = if entry.reason.is_empty() { "no reason given" } else { &entry.reason };
    let origin: Vec<&str> =
        [&entry.date, &entry.who].into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    Some(if origin.is_empty() { reason.to_owned() } else { format!("{reason} ({})", origin.join(", ")) })
}

fn batch(suspects: &[Suspect], accepted: &AcceptedSuspects, schema: SchemaRef) -> Result<RecordBatch> {
    let text = |f: fn(&Suspect) -> Option<&str>| -> ArrayRef {
        Arc::new(suspects.iter().map(f).collect::<StringViewArray>())
    };
    let number = |f: fn(&Suspect) -> Option<i64>| -> ArrayRef {
        Arc::new(suspects.iter().map(f).collect::<Int64Array>())
    };
    let float = |f: fn(&Suspect) -> Option<f64>| -> ArrayRef {
        Arc::new(suspects.iter().map(f).collect::<Float64Array>())
    };
    let texts = |f: fn(&Suspect) -> &[String]| -> ArrayRef {
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for suspect in suspects {
            f(suspect).iter().for_each(|text| lists.values().append_value(text));
            lists.append(true);
        }
        Arc::new(lists.finish())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new((1..=suspects.len() as i64).collect::<Int64Array>()),
        float(|suspect| Some(suspect.confidence)),
        text(|suspect| Some(suspect.idiom)),
        Arc::new(suspects.iter().map(|suspect| suspect.holder).collect::<UInt64Array>()),
        text(|suspect| Some(&suspect.holder_type)),
        text(|suspect| Some(&suspect.holder_path)),
        text(|suspect| suspect.held_by.as_deref()),
        text(|suspect| Some(&suspect.type_name)),
        number(|suspect| Some(suspect.count)),
        number(|suspect| suspect.count_growth),
        number(|suspect| Some(suspect.retained)),
        number(|suspect| suspect.retained_growth),
        float(|suspect| suspect.per_hour),
        text(|suspect| suspect.shape),
        number(|suspect| Some(suspect.dumps)),
        texts(|suspect| &suspect.evidence),
        text(|suspect| Some(&suspect.advice)),
        texts(|suspect| &suspect.queries),
        text(|suspect| Some(&suspect.path)),
        text(|suspect| suspect.cut.as_deref()),
        text(|suspect| Some(suspect.basis)),
        Arc::new(suspects.iter().map(|suspect| acceptance(suspect, accepted)).collect::<StringViewArray>()),
    ];
    RecordBatch::try_new(schema, columns).map_err(|error| Error::Internal(error.to_string()))
}
