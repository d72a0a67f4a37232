//! The sections of a report, in the order in which they are read. A question that cannot be answered becomes a sentence that
//! says why; only being stopped ends the report.

mod content;
mod growth;
mod holders;
mod made;
mod paths;
mod verdict;
mod waste;

use std::{
    cmp::Reverse,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use heaplake_engine::{Parameters, Value};
use heaplake_model::shortened;
use heaplake_store::Manifest;

use super::{
    MAX_CHARS, REPORT_FORMAT, Report, ReportCommand, ReportContent, ReportDump, ReportOptions, ReportPart,
    ReportSection, ReportSource, ReportWords, table::ReportTable,
};
use crate::{Error, Result, Session, library::Query, rows::quoted, session::STACK_BYTES};

/// Rows of a table.
const N_ROWS: usize = 200;
/// Rows of lists that grow with the dump and whose first rows matter.
const N_TOP: u32 = 50;

/// The sections, in the order in which they are read.
const ORDER: [&str; 13] = [
    "verdict", "content", "memory", "growth", "holders", "biggest", "paths", "chains", "waste", "threads",
    "garbage", "issues", "made",
];
/// Sections that are made at a time, at most: each needs memory of its own.
const MAX_THREADS: usize = 4;

/// Makes sections.
type Job<'j> = dyn Fn() -> Result<Vec<ReportSection>> + Sync + 'j;

/// What each statement of the report asks with.
pub(super) struct Builder<'b> {
    session: &'b Session,
    dumps: &'b [Arc<Manifest>],
    newest: Arc<Manifest>,
    /// Selects exactly the dumps; `None` if no selector does.
    selector: Option<String>,
    options: &'b ReportOptions,
    words: &'b ReportWords<'b>,
}

/// A table that is asked for.
struct Asked<'a> {
    id: &'a str,
    title: &'a str,
    /// The command that gives it; `None` if it is the statement.
    command: Option<ReportCommand<'a>>,
    statement: String,
    parameters: Parameters,
    /// Meanings of columns.
    about: Vec<(String, String)>,
    max: usize,
    /// Why it may have no rows.
    missing: &'a str,
}

impl<'a> Asked<'a> {
    /// What a command gives.
    fn new(id: &'a str, title: &'a str, command: ReportCommand<'a>, statement: String) -> Self {
        Self { command: Some(command), ..Self::sql(id, title, statement) }
    }

    /// What a statement gives.
    fn sql(id: &'a str, title: &'a str, statement: String) -> Self {
        let (parameters, about) = (Parameters::new(), Vec::new());
        Self { id, title, command: None, statement, parameters, about, max: N_ROWS, missing: "" }
    }

    /// What a query of the library gives.
    fn query(id: &'a str, title: &'a str, name: &'a str, given: &'a [(String, String)]) -> Result<Self> {
        let query = Query::find(name)?;
        let parameters = query.values(given)?;
        let command = ReportCommand::Query(name, given);
        let about = query.header.columns;
        Ok(Self { parameters, about, ..Self::new(id, title, command, query.text) })
    }

    /// Says why it may have no rows.
    fn missing(self, missing: &'a str) -> Self {
        Self { missing, ..self }
    }

    /// Sets how many rows it has at most.
    fn rows(self, max: usize) -> Self {
        Self { max, ..self }
    }
}

impl<'b> Builder<'b> {
    pub(super) fn new(
        session: &'b Session,
        dumps: &'b [Arc<Manifest>],
        options: &'b ReportOptions,
        words: &'b ReportWords<'b>,
    ) -> Result<Self> {
        let newest = dumps.last().cloned().ok_or(heaplake_engine::Error::NoDumps)?;
        let selector = selector(session, dumps, options);
        Ok(Self { session, dumps, newest, selector, options, words })
    }

    pub(super) fn report(&self, asked: &str) -> Result<Report> {
        let sections = self.sections(asked)?;
        let title = self.options.title.clone();
        let dump = |dump: &Arc<Manifest>| ReportDump {
            id: dump.id.to_string(),
            taken: dump.taken,
            objects: dump.counts.objects,
            bytes: dump.counts.bytes,
        };
        Ok(Report {
            format: REPORT_FORMAT,
            title: title.unwrap_or_else(|| format!("Memory of {}", self.newest.id)),
            heaplake: env!("CARGO_PKG_VERSION"),
            made: self.options.made,
            redacted: None,
            verdict: sections.first().map(|verdict| verdict.summary.clone()).unwrap_or_default(),
            newest: self.newest.id.to_string(),
            dumps: self.dumps.iter().map(dump).collect(),
            sections,
        })
    }

    /// The sections in their order. They are independent and most of their work uses one thread, so several are made at a time.
    fn sections(&self, asked: &str) -> Result<Vec<ReportSection>> {
        // The verdict takes longest, and the paths are those to its suspects.
        let verdict = || {
            let (verdict, found) = self.verdict(asked)?;
            Ok(vec![verdict, self.paths(&found)?])
        };
        let one = |section: Result<ReportSection>| section.map(|section| vec![section]);
        let jobs: [&Job<'_>; 12] = [
            &verdict,
            &|| one(self.chains()),
            &|| one(self.waste()),
            &|| one(self.holders()),
            &|| one(self.biggest()),
            &|| one(self.growth()),
            &|| one(self.content()),
            &|| one(self.memory()),
            &|| one(self.threads()),
            &|| one(self.garbage()),
            &|| one(self.issues()),
            &|| one(self.made(asked)),
        ];
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<ReportSection>> {
            let mut made = Vec::new();
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                made.extend(job()?);
            }
            Ok(made)
        };
        let n_threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let mut sections: Vec<ReportSection> = Vec::new();
        std::thread::scope(|scope| {
            let thread = |_| {
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
                thread.spawn_scoped(scope, work).map_err(Error::Threads)
            };
            for thread in (0..n_threads).map(thread).collect::<Result<Vec<_>>>()? {
                let made = thread.join().map_err(|_| Error::Internal("a section was not made".to_owned()))?;
                sections.extend(made?);
            }
            Ok::<_, Error>(())
        })?;
        sections.sort_by_key(|section| ORDER.iter().position(|id| *id == section.id));
        Ok(sections)
    }

    /// Adds a table, or the sentence that says why there is none.
    fn table(&self, asked: Asked<'_>, section: &mut ReportSection) -> Result<()> {
        let mut table: Option<ReportTable> = None;
        let answered = self.session.for_each_with(&asked.statement, &asked.parameters, |batch| {
            let table = table.get_or_insert_with(|| ReportTable::of(batch, &asked.about));
            table.push(batch, asked.max)
        });
        let mut table = match self.known(answered)? {
            Ok(()) => table.unwrap_or_default(),
            Err(why) => ReportTable { missing: Some(why), ..ReportTable::default() },
        };
        if table.rows.is_empty() && table.missing.is_none() {
            table.missing = Some(asked.missing.to_owned());
        }
        let statement = with_values(&asked.statement, &asked.parameters);
        section.parts.push(ReportPart {
            id: asked.id.to_owned(),
            title: asked.title.to_owned(),
            source: self.source(asked.command.unwrap_or(ReportCommand::Sql(&asked.statement)), &statement),
            content: ReportContent::Table(table),
        });
        Ok(())
    }

    /// The names of these dumps, as a list of SQL.
    fn ids<'d>(dumps: impl IntoIterator<Item = &'d Arc<Manifest>>) -> String {
        let ids: Vec<String> = dumps.into_iter().map(|dump| quoted(dump.id.as_str())).collect();
        ids.join(", ")
    }

    fn source(&self, command: ReportCommand<'_>, statement: &str) -> ReportSource {
        ReportSource {
            command: (self.words.command)(&command),
            sql: statement.to_owned(),
            dump: self.newest.id.to_string(),
        }
    }

    /// An answer, or why there is none; an error only if the work was stopped.
    fn known<T>(&self, answer: Result<T>) -> Result<Result<T, String>> {
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if error.is_cancelled() => Err(error),
            Err(error) => Ok(Err(shortened(&error.to_string(), 2 * MAX_CHARS).into_owned())),
        }
    }
}

fn section(id: &'static str, title: &'static str) -> ReportSection {
    ReportSection { id, title, summary: String::new(), missing: None, notes: Vec::new(), parts: Vec::new() }
}

fn given(name: &str, value: u32) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_string())]
}

/// A selector of exactly these dumps, which are oldest first; `None` if there is none.
fn selector(session: &Session, dumps: &[Arc<Manifest>], options: &ReportOptions) -> Option<String> {
    let given = &options.dumps;
    let (first, last) = (dumps.first()?, dumps.last()?);
    let mut candidates: Vec<String> = given.iter().filter(|_| given.len() == 1).cloned().collect();
    candidates.push(format!("{}..{}", first.id, last.id));
    // A tag that all have: those with the most words tell most.
    let mut tags: Vec<(String, String)> = first.all_tags().into_iter().collect();
    if options.redact {
        tags.clear();
    }
    tags.retain(|tag| dumps.iter().all(|dump| dump.all_tags().get(&tag.0) == Some(&tag.1)));
    tags.sort_by_key(|(key, value)| (Reverse(key == "pid"), Reverse(value.len())));
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    tags.retain(|(key, value)| is_plain(key) && is_plain(value) && !value.is_empty());
    let conditions: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    candidates.extend(conditions.iter().cloned());
    candidates.push(conditions.join(","));
    candidates.push(format!("{}..{},{}", first.id, last.id, conditions.join(",")));
    candidates.into_iter().filter(|text| !text.is_empty()).find(|text| {
        session.select(text).is_ok_and(|selected| {
            selected.len() == dumps.len() && selected.iter().zip(dumps).all(|(a, b)| a.id == b.id)
        })
    })
}

/// A statement without its header, and with the values of its parameters in their place.
fn with_values(statement: &str, parameters: &Parameters) -> String {
    let body: Vec<&str> = statement
        .lines()
        .skip_while(|line| line.trim_start().starts_with("--") || line.trim().is_empty())
        .collect();
    let body = body.join("\n");
    let mut out = String::with_capacity(body.len());
    let mut rest = body.as_str();
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let name: String =
            after[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        match parameters.get(&name) {
            Some(Value::Integer(n)) => out.push_str(&n.to_string()),
            Some(Value::Number(n)) => out.push_str(&n.to_string()),
            Some(Value::Boolean(value)) => out.push_str(&value.to_string()),
            Some(Value::Text(text)) => out.push_str(&quoted(text)),
            _ => out.push_str(&after[..=name.len()]),
        }
        rest = &after[1 + name.len()..];
    }
    out.push_str(rest);
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_to_copy_has_its_values_and_no_header() {
        let text = "-- What?\n-- param limit integer = 3: n\n\nselect '$5', x from t\nwhere a = $what limit $limit\n";
        let parameters: Parameters =
            [("limit".to_owned(), Value::Integer(7)), ("what".to_owned(), Value::Text("it's".to_owned()))]
                .into();
        assert_eq!(with_values(text, &parameters), "select '$5', x from t\nwhere a = 'it''s' limit 7");
    }
}
