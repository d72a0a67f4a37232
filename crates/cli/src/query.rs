//! Sessions for commands: opened as the command line and the shell say, their rows written as a plan says.

use std::sync::Arc;

use anyhow::{Result, bail};
use heaplake_answers::{Lake, Outcome, Parameters, Session, SessionOptions};
use heaplake_store::{Manifest, Manifests};

use crate::{
    args::GraphArgs,
    console::Console,
    interrupt,
    output::{Plan, Sink},
};

/// Opens a session on a lake, which Ctrl-C stops.
pub fn open(lake: &Lake, options: &SessionOptions) -> Result<Session> {
    over(&lake.snapshot(), options)
}

/// Opens a session on a lake whose manifests may have been read already.
pub fn over(manifests: &Arc<Manifests>, options: &SessionOptions) -> Result<Session> {
    let options = SessionOptions { cancel: Some(interrupt::token().clone()), ..options.clone() };
    Ok(Session::over(manifests, &options)?)
}

/// Opens a session for questions about one dump, which is the newest where none is named.
pub fn of_dump(dump: Option<&str>, args: &GraphArgs, console: &Console) -> Result<(Session, Arc<Manifest>)> {
    let lake = console.open_lake()?;
    let options =
        SessionOptions { memory_limit: args.memory_limit, ..console.session(dump, args.layer.as_deref()) };
    let session = open(&lake, &options)?;
    let manifest = match session.dump() {
        Err(heaplake_answers::Error::Engine(heaplake_engine::Error::NoDumps)) => {
            bail!("the lake has no dumps yet; import one: {} import FILE", console.command())
        }
        manifest => manifest?,
    };
    Ok((session, manifest))
}

/// Opens a session for questions about any number of dumps.
pub fn of_lake(manifests: &Arc<Manifests>, memory_limit: Option<u64>, console: &Console) -> Result<Session> {
    over(manifests, &SessionOptions { memory_limit, ..console.session(None, None) })
}

/// The plan, with types under their short names where these tell them from all others in the dumps that are shown, and people
/// read them on a terminal.
pub fn with_short_types(plan: &Plan, session: &Session, dumps: &[&str]) -> Result<Plan> {
    let plan = plan.clone();
    match plan.shortens_types() {
        true => Ok(plan.with_types(session.short_type_names(dumps)?)),
        false => Ok(plan),
    }
}

/// Says which type a statement asks for that no dump has. For statements without rows.
pub fn note_unknown_type(session: &Session, statement: &str, console: &Console) {
    // The answer stands without the note.
    if let Err(missing) = session.check_types(statement) {
        console.note(&missing.to_string());
    }
}

/// Runs one statement and writes its rows to `sink` as they come.
pub fn run(session: &Session, statement: &str, plan: &Plan, sink: &mut Sink) -> Result<Outcome> {
    run_with(session, statement, &Parameters::new(), plan, sink)
}

/// The same, with values for the `$name` of the statement.
pub fn run_with(
    session: &Session,
    statement: &str,
    parameters: &Parameters,
    plan: &Plan,
    sink: &mut Sink,
) -> Result<Outcome> {
    let distinct = plan.format.needs_distinct_names();
    session.encode(statement, parameters, distinct, |schema| plan.encoder(schema, sink))
}
