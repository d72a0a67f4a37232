//! Checks: queries whose rows are violations, for jobs that must fail when memory grows.

use arrow::{
    array::RecordBatch,
    compute::{concat_batches, filter_record_batch, is_not_null, is_null},
};
use heaplake_engine::{Parameters, nearest};

use crate::{
    Error, Result, Session,
    encode::row_in_words,
    library::{ParameterKind, Query},
    rows::{AnswerColumns, quoted},
};

/// A check with what it is asked with.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name with its arguments, or its statement in one line.
    pub title: String,
    /// Its statements; every row of each is a violation.
    pub text: String,
    /// Values for their `$name`.
    pub parameters: Parameters,
    /// The names that were given: of parameter and what it names.
    names: Vec<(String, ParameterKind, String)>,
    /// Whether its header has the column `accepted`.
    may_accept: bool,
}

/// What came of a check.
#[derive(Debug, Clone)]
pub struct CheckAnswer {
    /// Whether it holds.
    pub verdict: Verdict,
    /// What may be wrong with the question, a sentence each: a pattern that matches nothing.
    pub warnings: Vec<String>,
    /// Rows that would be violations if their column `accepted` did not say why they are not, in words.
    pub accepted: Vec<String>,
}

/// The column that says of a row why it is accepted.
const ACCEPTED: &str = "accepted";

/// Whether a check holds.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// No row.
    Holds,
    /// How many rows there are, and the first of them.
    Violated {
        /// Rows.
        n_rows: u64,
        /// The first of them, of the first statement that has some.
        first: RecordBatch,
    },
}

impl Check {
    /// A check of the library, or of a file that ends in `.sql`, with values for some of its parameters.
    pub fn named(name: &str, given: &[(String, String)]) -> Result<Self> {
        let query = Query::find_check(name)?;
        let arguments: String = given.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        let parameters = query.values(given).map_err(|error| error.about(name))?;
        let kind_of =
            |key: &str| query.header.parameters.iter().find(|p| p.name == key).map(|p| p.kind.clone());
        let names = given.iter().filter_map(|(key, value)| Some((key.clone(), kind_of(key)?, value.clone())));
        let names = names.collect();
        let may_accept = query.header.columns.iter().any(|(column, _)| column == ACCEPTED);
        Ok(Self { title: format!("{name}{arguments}"), text: query.text, parameters, names, may_accept })
    }

    /// A check that is written out.
    pub fn of_text(text: &str) -> Self {
        let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            title,
            text: text.to_owned(),
            parameters: Parameters::new(),
            names: Vec::new(),
            may_accept: false,
        }
    }

    /// Runs the check; of a text with several statements the rows of all count. Keeps `max_shown` rows.
    ///
    /// A type, holder or pattern that no dump of the lake has is an error, so that a slip of the pen does not pass as a check
    /// that holds; with `allow_missing` it is meant.
    pub fn answer(&self, max_shown: usize, allow_missing: bool, session: &Session) -> Result<CheckAnswer> {
        let statements = session.statements(&self.text)?;
        if statements.is_empty() {
            return Err(Error::Invalid("there is no statement in it".to_owned()));
        }
        let mut warnings = Vec::new();
        if !allow_missing {
            for (key, kind, name) in &self.names {
                warnings.extend(check_name(key, kind, name, session)?);
            }
        }
        if session.has_baseline() {
            let note = session.note_on_type_names(&["baseline", "current"])?;
            warnings.extend(note.map(str::to_owned));
        }
        let (verdict, accepted) = self.verdict(&statements, max_shown, session)?;
        // Only what finds nothing may have asked for nothing.
        if !allow_missing && matches!(verdict, Verdict::Holds) && self.names.is_empty() {
            statements.iter().try_for_each(|statement| session.check_types(statement))?;
        }
        Ok(CheckAnswer { verdict, warnings, accepted })
    }

    fn verdict(
        &self,
        statements: &[String],
        max_shown: usize,
        session: &Session,
    ) -> Result<(Verdict, Vec<String>)> {
        let mut n_rows = 0;
        let mut first: Option<RecordBatch> = None;
        let mut accepted = Vec::new();
        for statement in statements {
            session.for_each_with(statement, &self.parameters, |batch| {
                let (batch, rest) = if self.may_accept {
                    without_accepted(batch)?
                } else {
                    (batch.clone(), batch.slice(0, 0))
                };
                let room = max_shown.saturating_sub(accepted.len()).min(rest.num_rows());
                for row in 0..room {
                    accepted.push(row_in_words(&rest, row)?);
                }
                n_rows += batch.num_rows() as u64;
                let room = max_shown.saturating_sub(first.as_ref().map_or(0, RecordBatch::num_rows));
                let head = batch.slice(0, room.min(batch.num_rows()));
                first = match first.take() {
                    // Rows of a later statement may have other columns; those of the first are shown.
                    Some(shown) if shown.num_rows() > 0 && shown.schema() != head.schema() => Some(shown),
                    Some(shown) if shown.num_rows() > 0 => {
                        Some(concat_batches(&shown.schema(), [&shown, &head])?)
                    }
                    _ => Some(head),
                };
                Ok::<_, Error>(())
            })?;
        }
        let verdict = match first {
            Some(first) if n_rows > 0 => Verdict::Violated { n_rows, first },
            _ => Verdict::Holds,
        };
        Ok((verdict, accepted))
    }
}

/// The rows that nobody accepts, without the column that would say so, and the others.
fn without_accepted(batch: &RecordBatch) -> Result<(RecordBatch, RecordBatch)> {
    let Ok(at) = batch.schema_ref().index_of(ACCEPTED) else {
        return Ok((batch.clone(), batch.slice(0, 0)));
    };
    let column = batch.column(at);
    let violates = filter_record_batch(batch, &is_null(column)?)?;
    let accepted = filter_record_batch(batch, &is_not_null(column)?)?;
    let columns: Vec<usize> = (0..batch.num_columns()).filter(|column| *column != at).collect();
    Ok((violates.project(&columns)?, accepted))
}

/// An error if a name is of nothing in any dump, a warning if a pattern matches nothing.
fn check_name(key: &str, kind: &ParameterKind, name: &str, session: &Session) -> Result<Option<String>> {
    let (what, column, table, fits) = match kind {
        ParameterKind::Type => ("type", "type", "type_stat", "type_matches"),
        ParameterKind::Holder => ("holder", "holder", "holder_stat", "glob"),
        ParameterKind::Pattern => return session.check_types_of_set(name).map(|()| None),
        _ => return Ok(None),
    };
    let found = session.collect(&format!(
        "SELECT {column} FROM history.{table} WHERE {fits}({}, {column}) LIMIT 1",
        quoted(name)
    ))?;
    if found.iter().any(|batch| batch.num_rows() > 0) {
        return Ok(None);
    }
    if name.contains('*') {
        return Ok(Some(format!("{key}={name} matches no {what} of any dump")));
    }
    let known = session.collect(&format!("SELECT DISTINCT {column} FROM {table}"))?;
    let known = AnswerColumns::new(&known)?.texts(column)?;
    Err(Error::NotFound {
        what: format!("no dump has a {what}"),
        name: name.to_owned(),
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
        known: Vec::new(),
    })
}
