//! `heaplake report`: what is found out about dumps, as a file that can be sent: HTML, JSON, Markdown.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Result, bail};
use chrono::Utc;
use heaplake_answers::{
    Suspects, TopBy,
    report::{Report, ReportCommand, ReportOptions, ReportWords},
};
use heaplake_store::{Manifest, Manifests};

use super::{pages, suspects};
use crate::{
    args::{ReportArgs, ReportFormat},
    console::{Console, shell_quoted},
    escape::Style,
    human, interrupt,
    output::Sink,
    query, selection,
};

/// Where a report is written if nobody says it.
const DEFAULT_FILE: &str = "report.html";

/// Writes the report.
pub fn run(args: &ReportArgs, console: &Console) -> Result<ExitCode> {
    interrupt::install()?;
    let manifests = selection::open(console)?;
    let file = args.output.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let format = match (args.format, &args.output) {
        (Some(format), _) => format,
        (None, None) => ReportFormat::Html,
        (None, Some(file)) => of_path(file)?,
    };
    // Data goes to standard output where no file is named; nobody reads HTML there.
    let to_stdout = args.output.is_none() && format != ReportFormat::Html;
    let text = text(&manifests, &args.dumps, args.title.as_deref(), args.redact, format, console)?;
    let mut sink = match to_stdout {
        // Markdown is escaped already.
        true if format == ReportFormat::Json && io::stdout().is_terminal() => Sink::terminal(Style::Json),
        true => Sink::stdout(),
        false => Sink::file(&file)?,
    };
    sink.write_all(text.as_bytes())?;
    sink.commit()?;
    if !to_stdout {
        console.note(&format!("{}: {}", file.display(), human::bytes(text.len() as u64)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a report on these dumps to a file, whose ending says in which format.
pub fn write(manifests: &Arc<Manifests>, dumps: &[String], file: &Path, console: &Console) -> Result<()> {
    let text = text(manifests, dumps, None, false, of_path(file)?, console)?;
    let mut sink = Sink::file(file)?;
    sink.write_all(text.as_bytes())?;
    sink.commit()?;
    console.note(&format!("{}: {}", file.display(), human::bytes(text.len() as u64)));
    Ok(())
}

fn of_path(file: &Path) -> Result<ReportFormat> {
    match file.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" | "htm" => Ok(ReportFormat::Html),
        "json" => Ok(ReportFormat::Json),
        "md" | "markdown" => Ok(ReportFormat::Markdown),
        _ => bail!("the ending of {} says no format; .html, .json and .md do", file.display()),
    }
}

fn text(
    manifests: &Arc<Manifests>,
    selectors: &[String],
    title: Option<&str>,
    redact: bool,
    format: ReportFormat,
    console: &Console,
) -> Result<String> {
    let newest = selection::one(manifests, None, console)?;
    let question = Suspects { dumps: selectors.to_vec(), ..Suspects::default() };
    let (dumps, choice) = question.choice(manifests, &newest)?;
    // Why dumps belong together is told by a host or a tag.
    let asked = suspects::asked(&dumps, choice.as_ref().filter(|_| !redact));
    let Some(newest) = dumps.last() else { bail!("no dump is selected") };
    let options = heaplake_answers::SessionOptions {
        notice: Some(console.notice()),
        ..console.session(Some(newest.id.as_str()), None)
    };
    let session = query::over(manifests, &options)?;
    let options = ReportOptions {
        title: title.map(str::to_owned),
        dumps: selectors.to_vec(),
        redact,
        made: Utc::now(),
    };
    let worded = Worded { console, dumps: &dumps, selectors, redact };
    let words = ReportWords {
        command: &|command| worded.command(command),
        suspect: &|suspect, dumps| suspects::commands(suspect, dumps, console),
    };
    let report = Report::new(&session, &dumps, &asked, &options, &words)?;
    Ok(match format {
        ReportFormat::Html => heaplake_report::html(&report)?,
        ReportFormat::Json => report.json()? + "\n",
        ReportFormat::Markdown => heaplake_report::markdown(&report),
    })
}

/// The commands that give what a report has.
struct Worded<'w> {
    console: &'w Console,
    dumps: &'w [Arc<Manifest>],
    selectors: &'w [String],
    redact: bool,
}

impl Worded<'_> {
    fn command(&self, command: &ReportCommand<'_>) -> String {
        let heaplake = self.console.command();
        let newest = self.dumps.last().map(|dump| dump.id.to_string()).unwrap_or_default();
        let first = self.dumps.first().map(|dump| dump.id.to_string()).unwrap_or_default();
        let ids: Vec<&str> = self.dumps.iter().map(|dump| dump.id.as_str()).collect();
        let rest = match *command {
            ReportCommand::Report => {
                let selectors: Vec<String> = self.selectors.iter().map(|text| shell_quoted(text)).collect();
                let redact = if self.redact { " --redact" } else { "" };
                format!("report {}{redact}", selectors.join(" ")).replace("  ", " ").trim_end().to_owned()
            }
            ReportCommand::Suspects => format!("suspects {}", ids.join(" ")),
            ReportCommand::Top(by, n) => {
                let by = match by {
                    TopBy::Object => "object",
                    TopBy::Type => "type",
                    TopBy::Module => "module",
                };
                format!("top --by {by} -n {n} --dump {newest}")
            }
            ReportCommand::Chains(min) => format!("chains --min {min} --dump {newest}"),
            ReportCommand::Trend(selector, by, metric, n) => {
                format!(
                    "trend {} --by {} --metric {} -n {n}",
                    shell_quoted(selector),
                    by.name(),
                    metric.name()
                )
            }
            ReportCommand::Diff(by, n) => format!("diff {first} {newest} --by {} -n {n}", by.name()),
            ReportCommand::Query(name, given) => {
                let given: String =
                    given.iter().map(|(name, value)| format!(" {name}={}", shell_quoted(value))).collect();
                format!("run {name}{given} --dump {newest}")
            }
            ReportCommand::Path(pattern) => format!("path {} --dump {newest}", shell_quoted(pattern)),
            ReportCommand::PathTree(pattern, merge) => {
                format!("path {} --merge {} --dump {newest}", shell_quoted(pattern), merge.name())
            }
            ReportCommand::PathClusters(pattern) => {
                format!("path {} --clusters --dump {newest}", shell_quoted(pattern))
            }
            ReportCommand::Frames(question, picture) => {
                return pages::frames_command(question, picture, &newest, None, self.console);
            }
            ReportCommand::Sql(statement) => format!("sql --dump {newest} {}", shell_quoted(statement)),
        };
        format!("{heaplake} {rest}")
    }
}
