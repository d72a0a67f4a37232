//! `heaplake run`: the queries that come with heaplake, and files like them.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use arrow::array::RecordBatch;
use heaplake_answers::library::{self, Parameter, Query};

use super::sql;
use crate::{
    args::RunArgs,
    console::Console,
    output::{Columns, Sink},
    query,
};

/// Runs, prints or lists queries.
pub fn run(args: &RunArgs, console: &Console) -> Result<ExitCode> {
    let plan = || sql::plan(&args.options, console);
    let Some(name) = &args.name else {
        plan()?.print(&list(&library::all()?)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let query = Query::find(name)?;
    if args.show {
        return show(&query);
    }
    let given: Vec<_> = args.parameters.iter().chain(&args.words).cloned().collect();
    let values = query.values(&given)?;
    let lake = console.open_lake()?;
    let session = query::open(&lake, &sql::session_options(&args.options, console))?;
    // A lake may have no dump yet, and some queries do not need one.
    let plan = match session.dump() {
        Ok(_) => query::with_short_types(&plan()?, &session, &["current"])?,
        Err(_) => plan()?,
    };
    let n_rows = sql::answer(&query.text, Some(&query.name), &values, &lake, &args.options, &plan, console)?;
    if let (0, Some(meaning)) = (n_rows, &query.header.empty) {
        console.note(&format!("(no rows: {meaning})"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the text of a query, with which one of your own can begin.
pub fn show(query: &Query) -> Result<ExitCode> {
    let mut sink = Sink::stdout();
    sink.write_all(query.text.as_bytes())?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// One row per query.
pub fn list(queries: &[Query]) -> Result<RecordBatch> {
    let parameters =
        |query: &Query| query.header.parameters.iter().map(in_words).collect::<Vec<_>>().join(", ");
    Ok(Columns::default()
        .text("name", queries.iter().map(|query| query.name.clone()))
        .text("question", queries.iter().map(|query| query.header.question.clone()))
        .text("parameters", queries.iter().map(parameters))
        .batch()?)
}

/// A parameter with its default: `limit=20 (number of rows)`.
pub fn in_words(parameter: &Parameter) -> String {
    format!("{}={} ({})", parameter.name, parameter.default_text, parameter.description)
}
