//! `heaplake check`: queries whose rows are violations, for jobs that must fail when memory grows.

use std::{env, fs::OpenOptions, io::Write as _, path::Path, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use heaplake_answers::{
    Check, Lake, SessionOptions, Verdict,
    encode::row_in_words,
    library::{self, Query},
};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::run::{list, show as show_text};
use crate::{
    ERROR, NO,
    args::CheckArgs,
    console::{self, Console},
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink},
    query, selection,
};

/// Violations of a check that are shown to a person, or stand in a report.
const N_SHOWN: usize = 20;

/// What came of a check.
struct CheckOutcome {
    title: String,
    seconds: f64,
    /// What it says, or why it could not be run.
    verdict: Result<Verdict, String>,
    /// What may be wrong with the question.
    warnings: Vec<String>,
    /// What would violate it, if it were not accepted.
    accepted: Vec<String>,
}

/// Runs the checks, all of them, and says whether all hold.
pub fn run(args: &CheckArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    if let Some(name) = &args.show {
        return show_text(&Query::find_check(name)?);
    }
    let checks = checks(args)?;
    if checks.is_empty() {
        plan.print(&list(&library::checks()?)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    interrupt::install()?;
    let lake = console.open_lake()?;
    let options = SessionOptions {
        baseline: args.baseline.clone(),
        memory_limit: args.memory_limit,
        attached: args.attached.clone(),
        accepted: args.accepted.clone(),
        ..console.session(args.dump.as_deref(), None)
    };
    let session = query::open(&lake, &options)?;
    let dump = session.dump()?.id.to_string();
    let mut outcomes = Vec::new();
    for check in checks {
        let start = Instant::now();
        let (verdict, warnings, accepted) = match check.answer(N_SHOWN, args.allow_missing, &session) {
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(error) => (Err(console::describe(&error.into())), Vec::new(), Vec::new()),
            Ok(answer) if args.strict && !answer.warnings.is_empty() => {
                (Err(answer.warnings.join("; ")), Vec::new(), Vec::new())
            }
            Ok(answer) => (Ok(answer.verdict), answer.warnings, answer.accepted),
        };
        let (title, seconds) = (check.title, start.elapsed().as_secs_f64());
        outcomes.push(CheckOutcome { title, seconds, verdict, warnings, accepted });
    }
    report(args, &plan, &dump, &outcomes)?;
    let count = |status: &str| outcomes.iter().filter(|outcome| outcome.status() == status).count();
    let (held, violated, failed) = (count("ok"), count("violated"), count("error"));
    let n_warnings: usize = outcomes.iter().map(|outcome| outcome.warnings.len()).sum();
    let failures = if failed > 0 { format!(", {failed} could not be run") } else { String::new() };
    let warned = match n_warnings {
        0 => String::new(),
        n => format!(", {}", human::counted(n as u64, "warning")),
    };
    let summary = format!(
        "{dump}: {} {}, {violated} violated{failures}{warned}",
        human::counted(held as u64, "check"),
        if held == 1 { "holds" } else { "hold" }
    );
    let mut sink = Sink::stdout();
    console.remark(&summary, &plan, &mut sink)?;
    sink.commit()?;
    if let Some(file) = args.report.as_deref().filter(|_| violated + failed > 0) {
        write_report(args, &lake, &dump, file, console)?;
    }
    Ok(match (failed, violated) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(NO),
        _ => ExitCode::from(ERROR),
    })
}

/// Writes the report of a failure: on the dump that was checked, with the baseline where there is one.
fn write_report(args: &CheckArgs, lake: &Lake, dump: &str, file: &Path, console: &Console) -> Result<()> {
    let manifests = lake.snapshot();
    let mut dumps = vec![dump.to_owned()];
    if let Some(baseline) = &args.baseline {
        dumps.push(selection::one(&manifests, Some(baseline), console)?.id.to_string());
    }
    super::report::write(&manifests, &dumps, file, console)
}

/// The checks of the command line: names and files with the `KEY=VALUE` after them, then those of `-e`.
fn checks(args: &CheckArgs) -> Result<Vec<Check>> {
    let mut named: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    for word in &args.checks {
        match (word.split_once('='), named.last_mut()) {
            (None, _) => named.push((word, Vec::new())),
            (Some((key, value)), Some((_, parameters))) => {
                parameters.push((key.to_owned(), value.to_owned()))
            }
            (Some(_), None) => {
                bail!("{word} is a parameter; put a check's name before it: max_total limit=1GiB")
            }
        }
    }
    let mut checks = Vec::new();
    for (name, given) in named {
        checks.push(Check::named(name, &given)?);
    }
    checks.extend(args.statements.iter().map(|text| Check::of_text(text)));
    Ok(checks)
}

/// Says what came of the checks, wherever it is wanted.
fn report(args: &CheckArgs, plan: &Plan, dump: &str, outcomes: &[CheckOutcome]) -> Result<()> {
    let is_action = env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let mut sink = plan.open()?;
    match args.shape.format {
        Some(format) if format != Format::Table => plan.print_to(&rows(outcomes)?, &mut sink).map(drop)?,
        // What can be read goes to pipes, too: jobs log it.
        _ => {
            let plan = plan.clone().with_format(Format::Table);
            show(outcomes, &plan, &mut sink)?;
        }
    }
    if args.github || (is_action && args.shape.format.is_none()) {
        annotate(dump, outcomes, &mut sink)?;
        if let Some(path) = env::var_os("GITHUB_STEP_SUMMARY") {
            summarize(dump, outcomes, Path::new(&path))?;
        }
    }
    sink.commit()?;
    match &args.junit {
        Some(path) => junit(dump, outcomes, path),
        None => Ok(()),
    }
}

impl CheckOutcome {
    fn status(&self) -> &'static str {
        match self.verdict {
            Ok(Verdict::Holds) => "ok",
            Ok(Verdict::Violated { .. }) => "violated",
            Err(_) => "error",
        }
    }

    fn n_violations(&self) -> u64 {
        match self.verdict {
            Ok(Verdict::Violated { n_rows, .. }) => n_rows,
            Ok(Verdict::Holds) | Err(_) => 0,
        }
    }

    /// What is wrong, one line each; nothing in it is unsafe to show.
    fn lines(&self) -> Result<Vec<String>> {
        match &self.verdict {
            Ok(Verdict::Holds) => Ok(self.remarks()),
            Err(why) => Ok(why.lines().map(|line| escape::line(line).into_owned()).collect()),
            Ok(Verdict::Violated { n_rows, first }) => {
                let mut lines = (0..first.num_rows())
                    .map(|row| Ok(escape::line(&row_in_words(first, row)?).into_owned()))
                    .collect::<Result<Vec<_>>>()?;
                let more = n_rows - first.num_rows() as u64;
                if more > 0 {
                    lines.push(format!("and {} more", human::count(more)));
                }
                lines.extend(self.accepted());
                Ok(lines)
            }
        }
    }
}

impl CheckOutcome {
    /// The warnings and what is accepted, safe to show.
    fn remarks(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(|text| format!("warning: {}", escape::line(text)));
        warnings.chain(self.accepted()).collect()
    }

    fn accepted(&self) -> impl Iterator<Item = String> + '_ {
        self.accepted.iter().map(|text| format!("accepted: {}", escape::line(text)))
    }
}

/// For programs: a row per check.
fn rows(outcomes: &[CheckOutcome]) -> Result<RecordBatch> {
    let lines = outcomes.iter().map(CheckOutcome::lines).collect::<Result<Vec<_>>>()?;
    Ok(Columns::default()
        .text("check", outcomes.iter().map(|outcome| outcome.title.clone()))
        .text("status", outcomes.iter().map(|outcome| outcome.status().to_owned()))
        .count("violations", outcomes.iter().map(CheckOutcome::n_violations))
        .text("what", lines.into_iter().map(|lines| lines.join("\n")))
        .batch()?)
}

/// For people: a line per check, below it what violates it.
fn show(outcomes: &[CheckOutcome], plan: &Plan, sink: &mut Sink) -> Result<()> {
    for outcome in outcomes {
        let title = escape::line(&outcome.title);
        match &outcome.verdict {
            Ok(Verdict::Holds) => {
                writeln!(sink, "ok        {title}")?;
                for remark in outcome.remarks() {
                    writeln!(sink, "          {remark}")?;
                }
            }
            Err(why) => writeln!(sink, "ERROR     {title}: {}", escape::message(why))?,
            Ok(Verdict::Violated { n_rows, first }) => {
                writeln!(sink, "VIOLATED  {title}: {}", human::counted(*n_rows, "row"))?;
                plan.print_to(first, sink)?;
                let more = n_rows - first.num_rows() as u64;
                if more > 0 {
                    writeln!(sink, "and {} more", human::count(more))?;
                }
                for accepted in outcome.accepted() {
                    writeln!(sink, "          {accepted}")?;
                }
            }
        }
    }
    Ok(())
}

/// Workflow commands of GitHub Actions, which become annotations.
fn annotate(dump: &str, outcomes: &[CheckOutcome], sink: &mut Sink) -> Result<()> {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let is_silent = |outcome: &&CheckOutcome| {
        matches!(outcome.verdict, Ok(Verdict::Holds)) && outcome.warnings.is_empty()
    };
    for outcome in outcomes.iter().filter(|outcome| !is_silent(outcome)) {
        let level = if outcome.status() == "ok" { "warning" } else { "error" };
        let title = format!("heaplake check {}", escape::line(&outcome.title));
        let text = format!("{dump}: {}\n{}", outcome.status(), outcome.lines()?.join("\n"));
        writeln!(sink, "::{level} title={}::{}", property(&title), data(&text))?;
    }
    Ok(())
}

/// Adds a table to the summary of a job.
fn summarize(dump: &str, outcomes: &[CheckOutcome], path: &Path) -> Result<()> {
    let mut text =
        format!("### heaplake check: {dump}\n\n| check | result | violations |\n|:---|:---|---:|\n");
    for outcome in outcomes {
        let title = escape::markdown(&outcome.title);
        text += &format!("| {title} | {} | {} |\n", outcome.status(), outcome.n_violations());
    }
    let cannot = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().append(true).create(true).open(path).with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)
}

/// The report that CI servers read.
fn junit(dump: &str, outcomes: &[CheckOutcome], path: &Path) -> Result<()> {
    let mut suite = TestSuite::new(format!("heaplake check {dump}"));
    for outcome in outcomes {
        let lines = outcome.lines()?;
        let mut status = match outcome.verdict {
            Ok(Verdict::Holds) => TestCaseStatus::success(),
            Ok(Verdict::Violated { .. }) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Err(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        let is_warning = outcome.status() == "ok";
        if !lines.is_empty() && !is_warning {
            status.set_message(match outcome.n_violations() {
                0 => lines[0].clone(),
                n => human::counted(n, "violation"),
            });
            status.set_description(lines.join("\n"));
        }
        let mut case = TestCase::new(escape::line(&outcome.title).into_owned(), status);
        case.set_classname("heaplake.check");
        if is_warning && !lines.is_empty() {
            case.set_system_out(lines.join("\n"));
        }
        case.set_time(std::time::Duration::from_secs_f64(outcome.seconds));
        suite.add_test_case(case);
    }
    let mut report = Report::new("heaplake");
    report.add_test_suite(suite);
    let mut sink = Sink::file(path)?;
    report.serialize(&mut sink).with_context(|| format!("cannot write {}", path.display()))?;
    sink.commit()
}
