//! `heaplake sql`: statements from an argument, a file or standard input; rows to standard output or a file.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use heaplake_engine::{Parameters, SessionOptions};
use heaplake_store::Lake;

use crate::{
    args::{QueryOptions, Shape, SqlArgs},
    console::Console,
    human, interrupt,
    output::{Format, Plan, Sink},
    query::{Outcome, Querier},
};

/// Runs the statements in order.
pub fn run(args: &SqlArgs, console: &Console) -> Result<ExitCode> {
    let plan = plan(&args.options)?;
    let lake = Lake::open(console.lake.path())?;
    let text = text(args, console)?;
    answer(&text, &Parameters::new(), &lake, &args.options, &plan, console)
}

/// Runs the statements of a text in order, with values for their `$name`.
pub fn answer(
    text: &str,
    parameters: &Parameters,
    lake: &Lake,
    options: &QueryOptions,
    plan: &Plan,
    console: &Console,
) -> Result<ExitCode> {
    interrupt::install()?;
    let querier = Querier::open(lake, &session_options(options, console))?;
    let statements = querier.statements(text.trim_start_matches('\u{feff}'))?;
    if let Some(folder) = folder(options) {
        return to_folder(&querier, &statements, parameters, folder, options, console);
    }
    check_count(statements.len(), plan, console)?;
    let mut sink = plan.open()?;
    run_each(&querier, &statements, parameters, plan, console, &mut sink)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// The plan of the rows of a statement.
pub fn plan(options: &QueryOptions) -> Result<Plan> {
    let file = options.output.as_deref().filter(|_| folder(options).is_none());
    Plan::new(options.shape, file)
}

/// The folder that the rows of every statement get a file in, if that is asked for.
fn folder(options: &QueryOptions) -> Option<&Path> {
    let path = options.output.as_deref()?;
    (path.is_dir() || path.to_string_lossy().ends_with('/')).then_some(path)
}

/// Writes the rows of every statement to a file of their own, each as soon as it is complete.
fn to_folder(
    querier: &Querier,
    statements: &[String],
    parameters: &Parameters,
    folder: &Path,
    options: &QueryOptions,
    console: &Console,
) -> Result<ExitCode> {
    if statements.is_empty() {
        bail!("there is no statement in it");
    }
    let mut names: Vec<String> = Vec::new();
    for (idx, statement) in statements.iter().enumerate() {
        let name = result_name(statement)?.unwrap_or_else(|| (idx + 1).to_string());
        if names.contains(&name) {
            bail!("two results are named {name}");
        }
        names.push(name);
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let format = options.shape.format.unwrap_or(Format::Csv);
    let shape = Shape { format: Some(format), ..options.shape };
    for (statement, name) in statements.iter().zip(names) {
        let path = folder.join(format!("{name}.{}", format.ending()));
        let plan = Plan::new(shape, Some(&path))?;
        let mut sink = plan.open()?;
        let outcome = querier.run_with(statement, parameters, &plan, &mut sink);
        let outcome = outcome.with_context(|| format!("result {name}"))?;
        sink.commit()?;
        console.note(&format!("{}: {}", path.display(), human::counted(outcome.n_rows, "row")));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a comment `-- result NAME` at the beginning of a statement calls its rows.
fn result_name(statement: &str) -> Result<Option<String>> {
    let comments =
        statement.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
    let Some(name) = comments.filter_map(|line| line.strip_prefix("-- result ")).last() else {
        return Ok(None);
    };
    let name = name.trim();
    let is_valid = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() < 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !is_valid {
        bail!(
            "{name:?} cannot name a result; a name is a letter or digit, then letters, digits, '.', '_' or '-'"
        );
    }
    Ok(Some(name.to_owned()))
}

fn session_options(options: &QueryOptions, console: &Console) -> SessionOptions {
    SessionOptions {
        dump: options.dump.clone(),
        layer: options.layer.clone(),
        memory_limit: options.memory_limit,
        allow_files: options.allow_files,
        attached: options.attached.clone(),
        path_plan: options.plan.into(),
        notice: Some(console.notice()),
        ..SessionOptions::default()
    }
}

fn text(args: &SqlArgs, console: &Console) -> Result<String> {
    match (&args.query, &args.file) {
        (Some(query), _) if query != "-" => Ok(query.clone()),
        (None, Some(path)) if path != Path::new("-") => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        }
        (None, None) if io::stdin().is_terminal() => bail!(
            "what to ask? For example: {} sql \"select type, count, size from type_stat order by size desc limit 20\"",
            console.command()
        ),
        _ => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("cannot read statements from standard input")?;
            Ok(text)
        }
    }
}

fn check_count(n_statements: usize, plan: &Plan, console: &Console) -> Result<()> {
    match (n_statements, plan.file()) {
        (0, _) => bail!(
            "there is no statement in it; for example: {} sql \"select * from dump\"",
            console.command()
        ),
        (1, _) => Ok(()),
        (n, Some(path)) => bail!(
            "{n} statements, but one file: {} can hold the rows of one; -o FOLDER/ writes a file for each",
            path.display()
        ),
        (n, None) if plan.format.is_binary() => {
            bail!("{n} statements, but this format can hold the rows of one")
        }
        _ => Ok(()),
    }
}

fn run_each(
    querier: &Querier,
    statements: &[String],
    parameters: &Parameters,
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    let mut is_first = true;
    for (idx, statement) in statements.iter().enumerate() {
        if !is_first {
            plan.write_gap(sink)?;
        }
        let start = Instant::now();
        let outcome = querier.run_with(statement, parameters, plan, sink);
        let outcome = match outcome {
            // The rows of the statements before stay on the screen; say which one failed.
            Err(error) if statements.len() > 1 && !error.is::<interrupt::Interrupted>() => {
                io::Write::flush(sink)?;
                return Err(error.context(format!("statement {}", idx + 1)));
            }
            outcome => outcome?,
        };
        is_first &= outcome.written.is_none();
        if plan.format == Format::Table {
            io::Write::flush(sink)?;
            remark(&outcome, start.elapsed(), plan, console);
        }
    }
    Ok(())
}

/// Says how many rows there were, below a table.
fn remark(outcome: &Outcome, time: Duration, plan: &Plan, console: &Console) {
    let Some(written) = outcome.written else { return };
    let rows = human::counted(outcome.n_rows, "row");
    if plan.is_on_terminal() {
        console.note(&format!("({rows} in {})", human::duration(time)));
    } else {
        console.note(&format!("({rows})"));
    }
    if written.cut_cells > 0 {
        let cells = human::counted(written.cut_cells, "cell");
        console.note(&format!("{cells} cut to fit; see all with --full or --format csv"));
    }
}
