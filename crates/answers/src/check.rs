//! Checks: queries whose rows are violations, for jobs that must fail when memory grows.

use arrow::{array::RecordBatch, compute::concat_batches};
use heaplake_engine::Parameters;

use crate::{Error, Result, Session, library::Query};

/// A check with what it is asked with.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name with its arguments, or its statement in one line.
    pub title: String,
    /// Its statements; every row of each is a violation.
    pub text: String,
    /// Values for their `$name`.
    pub parameters: Parameters,
}

/// What came of a check.
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
        Ok(Self { title: format!("{name}{arguments}"), text: query.text, parameters })
    }

    /// A check that is written out.
    pub fn of_text(text: &str) -> Self {
        let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { title, text: text.to_owned(), parameters: Parameters::new() }
    }

    /// Runs the check; of a text with several statements the rows of all count. Keeps `max_shown` rows.
    pub fn verdict(&self, max_shown: usize, session: &Session) -> Result<Verdict> {
        let statements = session.statements(&self.text)?;
        if statements.is_empty() {
            return Err(Error::Invalid("there is no statement in it".to_owned()));
        }
        let mut n_rows = 0;
        let mut first: Option<RecordBatch> = None;
        for statement in &statements {
            session.for_each_with(statement, &self.parameters, |batch| {
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
        Ok(match first {
            Some(first) if n_rows > 0 => Verdict::Violated { n_rows, first },
            _ => Verdict::Holds,
        })
    }
}
