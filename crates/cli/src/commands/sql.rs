//! `heaplake sql`: statements from an argument, a file or standard input; rows to standard output or a file.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use heaplake_answers::{Lake, Outcome, Parameters, Session, SessionOptions};

use crate::{
    args::{QueryOptions, SqlArgs},
    console::Console,
    human, interrupt,
    output::{Format, Plan, Shape, Sink},
    query,
};

/// Runs the statements in order.
pub fn run(args: &SqlArgs, console: &Console) -> Result<ExitCode> {
    let plan = plan(&args.options, console)?;
    let lake = console.open_lake()?;
    let text = text(args, console)?;
    let file = args.file.as_deref().filter(|path| *path != Path::new("-"));
    let script = file.map(|path| path.to_string_lossy().into_owned());
    answer(&text, script.as_deref(), &Parameters::new(), &lake, &args.options, &plan, console)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the statements of a text in order, with values for their `$name`; returns how many rows they have. `script` is its name or
/// its file, if it has one.
pub fn answer(
    text: &str,
    script: Option<&str>,
    parameters: &Parameters,
    lake: &Lake,
    options: &QueryOptions,
    plan: &Plan,
    console: &Console,
) -> Result<u64> {
    interrupt::install()?;
    let session = query::open(lake, &session_options(options, console))?;
    let statements = named(session.statements(text.trim_start_matches('\u{feff}'))?, script)?;
    check_count(statements.len(), plan, console)?;
    if let Some(folder) = folder(options) {
        return to_folder(&session, &statements, parameters, folder, plan, console);
    }
    let mut sink = plan.open()?;
    let n_rows = run_each(&session, &statements, parameters, plan, console, &mut sink)?;
    sink.commit()?;
    Ok(n_rows)
}

/// The plan of the rows of all statements; of a file for each where a folder is asked for.
pub fn plan(options: &QueryOptions, console: &Console) -> Result<Plan> {
    match folder(options) {
        Some(folder) => {
            let format = options.shape.format.unwrap_or(Format::Csv);
            console.plan(Shape { format: Some(format), ..options.shape }, Some(folder))
        }
        None => console.plan(options.shape, options.output.as_deref()),
    }
}

/// The folder that the rows of every statement get a file in, if that is asked for.
fn folder(options: &QueryOptions) -> Option<&Path> {
    options.output.as_deref().filter(|path| is_folder(path))
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with('/')
}

/// Writes the rows of every statement to a file of their own, each as soon as it is complete.
fn to_folder(
    session: &Session,
    statements: &[Statement],
    parameters: &Parameters,
    folder: &Path,
    plan: &Plan,
    console: &Console,
) -> Result<u64> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut n_rows = 0;
    for Statement { name, text, .. } in statements {
        let path = folder.join(format!("{name}.{}", plan.format.ending()));
        let mut sink = Sink::file(&path)?;
        let outcome = query::run_with(session, text, parameters, plan, &mut sink);
        let outcome = outcome.with_context(|| format!("result {name}"))?;
        n_rows += outcome.n_rows;
        if outcome.written.is_some() {
            sink.commit()?;
            console.note(&format!("{}: {}", path.display(), human::counted(outcome.n_rows, "row")));
            if outcome.n_rows == 0 {
                query::note_unknown_type(session, text, console);
            }
        }
    }
    Ok(n_rows)
}

/// A statement and what its rows are called.
struct Statement {
    text: String,
    /// Given in the text, else made of the name of the script and a number.
    name: String,
    /// Whether people see the name: where it is given, or the statement stands in a script.
    has_title: bool,
}

/// Gives every statement its name. No two are the same, not even on a disk where `A.csv` and `a.csv` are one file.
fn named(texts: Vec<String>, script: Option<&str>) -> Result<Vec<Statement>> {
    let n_statements = texts.len();
    let mut statements: Vec<Statement> = Vec::new();
    for (idx, text) in texts.into_iter().enumerate() {
        let given = result_name(&text)?;
        let has_title = given.is_some() || script.is_some();
        let name = given.unwrap_or_else(|| match script {
            Some(script) if n_statements == 1 => stem(script),
            Some(script) => format!("{}-{}", stem(script), idx + 1),
            None => (idx + 1).to_string(),
        });
        if statements.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            bail!("two results are named {name}; each needs a name of its own, as in `-- result NAME`");
        }
        statements.push(Statement { text, name, has_title });
    }
    Ok(statements)
}

/// The name of a script without folder and ending, with `-` for what cannot be in the name of a result.
fn stem(script: &str) -> String {
    let stem = Path::new(script).file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem.chars().map(|c| if is_part_of_name(c) { c } else { '-' }).collect();
    if is_result_name(&name) { name } else { "result".to_owned() }
}

/// What a comment `-- result NAME` at the beginning of a statement calls its rows.
fn result_name(statement: &str) -> Result<Option<String>> {
    let comments =
        statement.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
    let mut names = comments.filter_map(|line| line.trim_start_matches('-').trim().strip_prefix("result "));
    let Some(name) = names.next().map(str::trim) else { return Ok(None) };
    if let Some(other) = names.next() {
        bail!("a statement has two names, {name:?} and {other:?}; which is meant?");
    }
    if !is_result_name(name) {
        bail!(
            "{name:?} cannot name a result; a name is a letter or digit followed by up to 62 letters, digits, '.', \
             '_' or '-'"
        );
    }
    Ok(Some(name.to_owned()))
}

fn is_result_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() < 64
        && name.chars().all(is_part_of_name)
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

pub(super) fn session_options(options: &QueryOptions, console: &Console) -> SessionOptions {
    SessionOptions {
        memory_limit: options.memory_limit,
        allow_files: options.allow_files,
        attached: options.attached.clone(),
        path_plan: options.plan.into(),
        ..console.session(options.dump.as_deref(), options.layer.as_deref())
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
        (_, Some(path)) if is_folder(path) => Ok(()),
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
    session: &Session,
    statements: &[Statement],
    parameters: &Parameters,
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<u64> {
    let are_several = statements.len() > 1;
    // Several arrays are no JSON: a program gets an object with an array for every result.
    let is_object = are_several && plan.format == Format::Json;
    let mut is_first = true;
    let mut n_rows = 0;
    for (idx, Statement { text, name, has_title }) in statements.iter().enumerate() {
        if is_object {
            write!(sink, "{}\"{name}\":", if idx == 0 { '{' } else { ',' })?;
        } else if !is_first {
            plan.write_gap(sink)?;
        }
        if are_several && *has_title {
            plan.write_title(name, sink)?;
        }
        let start = Instant::now();
        let outcome = query::run_with(session, text, parameters, plan, sink);
        let outcome = match outcome {
            // The rows of the statements before stay on the screen; say which one failed.
            Err(error) if are_several && !interrupt::is_cause(&error) => {
                sink.flush()?;
                let which =
                    if *has_title { format!("result {name}") } else { format!("statement {}", idx + 1) };
                return Err(error.context(which));
            }
            outcome => outcome?,
        };
        n_rows += outcome.n_rows;
        if is_object && outcome.written.is_none() {
            sink.write_all(b"null\n")?;
        }
        if outcome.n_rows == 0 && outcome.written.is_some() {
            sink.flush()?;
            query::note_unknown_type(session, text, console);
        }
        is_first &= outcome.written.is_none();
        if plan.format == Format::Table {
            remark(&outcome, Some(start.elapsed()).filter(|_| plan.is_on_terminal()), plan, sink, console)?;
        }
    }
    if is_object {
        sink.write_all(b"}\n")?;
    }
    Ok(n_rows)
}

/// Says how many rows there were, below a table, and how long it took.
pub fn remark(
    outcome: &Outcome,
    time: Option<Duration>,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let Some(written) = outcome.written else { return Ok(()) };
    let rows = human::counted(outcome.n_rows, "row");
    let time = time.map(|time| format!(" in {}", human::duration(time))).unwrap_or_default();
    console.remark(&format!("({rows}{time})"), plan, sink)?;
    if written.cut_cells > 0 {
        let cells = human::counted(written.cut_cells, "cell");
        let way = if console.shell.is_some() { "| csv" } else { "--full or --format csv" };
        console.remark(&format!("{cells} cut to fit; see all with {way}"), plan, sink)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str], script: Option<&str>) -> Result<Vec<String>> {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(named(texts, script)?.into_iter().map(|statement| statement.name).collect())
    }

    #[test]
    fn results_have_names() {
        for (texts, script, wanted) in [
            (&["select 1"] as &[&str], None, &["1"] as &[&str]),
            (&["select 1", "select 2"], None, &["1", "2"]),
            (&["select 1"], Some("a b/lea k.sql"), &["lea-k"]),
            (&["select 1", "--  result x.y\n-- and\nselect 2"], Some("growth"), &["growth-1", "x.y"]),
            (&["select 1\n-- result x"], Some("./.sql"), &["result"]),
            (&["-- the result is this\nselect 1"], None, &["1"]),
        ] {
            assert_eq!(names(texts, script).expect("names"), wanted, "{texts:?}");
        }
    }

    #[test]
    fn names_of_results_are_file_names_of_their_own() {
        for (texts, part) in [
            (&["-- result ../x\nselect 1"] as &[&str], "\"../x\" cannot name a result"),
            (&["-- result .x\nselect 1"], "cannot name a result"),
            (&["-- result x\u{1b}\nselect 1"], "\"x\\u{1b}\""),
            (&["-- result x\nselect 1", "-- result X\nselect 2"], "two results are named X"),
            (&["select 1", "-- result 1\nselect 2"], "two results are named 1"),
            (&["-- result x\n-- result y\nselect 1"], "two names"),
        ] {
            let message = names(texts, None).expect_err("no names").to_string();
            assert!(message.contains(part), "{texts:?}: {message}");
        }
    }
}
