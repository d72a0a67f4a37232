//! `heaplake suspects`: what leaks, what holds it, how sure that is, and what to do.

use std::{io::Write as _, process::ExitCode, sync::Arc};

use anyhow::{Result, bail};
use chrono::Utc;
use heaplake_answers::{Session, SessionOptions, Suspect, Suspects};
use heaplake_engine::{ChoiceReason, DumpChoice};
use heaplake_store::{AcceptedSuspect, Manifest, Manifests, accept_in};

use super::{diff::broken, report};
use crate::{
    args::SuspectsArgs,
    console::Console,
    escape, human, interrupt,
    output::{Format, Plan, Sink, wrapped},
    query, selection,
};

/// Suspects shown to a person.
const N_SHOWN: usize = 3;
/// What is less sure than this is not said to a person to be a leak.
const MIN_CONFIDENCE: f64 = 0.5;
/// From this confidence on more dumps are not asked for.
const SURE: f64 = 0.8;
/// What grew but is not believed, as it is listed.
const N_OTHERS: usize = 5;
/// Columns before a text that has a word in front of it.
const INDENT: usize = 11;
const USUAL_WIDTH: usize = 100;

/// Prints the suspects, the likeliest first.
pub fn run(args: &SuspectsArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, args.output.as_deref())?;
    interrupt::install()?;
    let manifests = selection::open(console)?;
    if let Some(pattern) = &args.ignore {
        let entry = AcceptedSuspect { pattern: Some(pattern.clone()), ..AcceptedSuspect::default() };
        return accept(entry, args, &manifests, console);
    }
    if args.reason.is_some() && args.accept.is_none() {
        bail!("--reason says why something is accepted; give --accept RANK or --ignore HOLDER with it");
    }
    let is_table = plan.format == Format::Table;
    let question = Suspects {
        dumps: args.dumps.clone(),
        min_confidence: args.min_confidence.filter(|_| !is_table).unwrap_or(0.0),
        limit: args.n.filter(|_| !is_table).map(u64::from),
    };
    let newest = selection::one(&manifests, None, console)?;
    let (dumps, choice) = question.choice(&manifests, &newest)?;
    let question =
        Suspects { dumps: dumps.iter().map(|manifest| manifest.id.to_string()).collect(), ..question };
    let options = SessionOptions {
        notice: Some(console.notice()),
        accepted: args.accepted.clone(),
        ..SessionOptions::default()
    };
    let session = query::over(&manifests, &options)?;
    if let Some(rank) = args.accept {
        let all = Suspects { min_confidence: 0.0, limit: None, ..question }.found(&session)?;
        let found = all.iter().find(|suspect| suspect.rank == i64::from(rank));
        let Some(found) = found else {
            bail!("there is no suspect of rank {rank}; there are {}", all.len());
        };
        let entry = AcceptedSuspect {
            holder: Some(found.holder_name().to_owned()),
            idiom: Some(found.idiom.clone()),
            ..AcceptedSuspect::default()
        };
        return accept(entry, args, &manifests, console);
    }
    let mut sink = plan.open()?;
    if is_table {
        let plan = with_short_types(&plan, &session, &dumps)?;
        let report = Report { plan: &plan, console, dumps: &dumps };
        report.write(args, &question.found(&session)?, choice.as_ref(), &mut sink)?;
    } else {
        let batch = question.rows(&session, |suspect| commands(suspect, &dumps, console))?;
        plan.print_all_to(&[batch], &mut sink)?;
    }
    sink.commit()?;
    if let Some(file) = &args.report {
        report::write(&manifests, &args.dumps, file, console)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints for a person what is suspected in dumps that are named.
pub fn print(
    args: &SuspectsArgs,
    manifests: &Manifests,
    session: &Session,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let question = Suspects { dumps: args.dumps.clone(), ..Suspects::default() };
    let dumps = heaplake_engine::select_all(manifests, &args.dumps)?;
    let plan = &with_short_types(plan, session, &dumps)?;
    let report = Report { plan, console, dumps: &dumps };
    report.write(args, &question.found(session)?, None, sink)
}

fn with_short_types(plan: &Plan, session: &Session, dumps: &[Arc<Manifest>]) -> Result<Plan> {
    let ids: Vec<&str> = dumps.iter().map(|dump| dump.id.as_str()).collect();
    query::with_short_types(plan, session, &ids)
}

/// Adds to the suspects that are accepted.
fn accept(
    entry: AcceptedSuspect,
    args: &SuspectsArgs,
    manifests: &Manifests,
    console: &Console,
) -> Result<ExitCode> {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let entry = AcceptedSuspect {
        reason: args.reason.clone().unwrap_or_default(),
        date: Utc::now().format("%Y-%m-%d").to_string(),
        who: user.unwrap_or_default(),
        ..entry
    };
    let name = entry.holder.as_ref().or(entry.pattern.as_ref()).cloned().unwrap_or_default();
    let path = match &args.accepted {
        Some(path) => accept_in(path, entry).map(|()| path.clone())?,
        None => manifests.lake().accept(entry).map(|()| manifests.lake().accepted_path())?,
    };
    console.note(&format!("accepted {name}, in {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// The commands that show what a suspect is.
pub fn commands(suspect: &Suspect, dumps: &[std::sync::Arc<Manifest>], console: &Console) -> Vec<String> {
    let (Some(first), Some(newest)) = (dumps.first(), dumps.last()) else { return Vec::new() };
    let heaplake = console.command();
    let Some(holder) = suspect.holder else { return vec![format!("{heaplake} dumps")] };
    let mut commands = vec![format!("{heaplake} path 'root ..> @{holder:#x}' --dump {}", newest.id)];
    if let Some(cut) = &suspect.cut {
        commands.push(format!("{heaplake} whatif --cut '{cut}' --dump {}", newest.id));
    }
    if first.id != newest.id {
        commands.push(format!("{heaplake} diff {} {} --by holder", first.id, newest.id));
    }
    commands
}

/// Which dumps were asked, and why these.
pub fn asked(dumps: &[std::sync::Arc<Manifest>], choice: Option<&DumpChoice>) -> String {
    let ids: Vec<&str> = dumps.iter().map(|manifest| manifest.id.as_str()).collect();
    let listed = match ids.as_slice() {
        ids if ids.len() <= 5 => ids.join(", "),
        ids => format!("{}, {}, ..., {}", ids[0], ids[1], ids[ids.len() - 1]),
    };
    let why = match choice.map(|choice| &choice.reason) {
        Some(ChoiceReason::Process { host, pid }) => format!(" of process {pid} on {host}"),
        Some(ChoiceReason::Tag { key, value }) => format!(" with {key}={value}"),
        Some(ChoiceReason::OnlyNewest) => {
            ", the newest; nothing says which other dump is of its process, so it is looked at alone"
                .to_owned()
        }
        None => String::new(),
    };
    let span = match (dumps.first(), dumps.last()) {
        (Some(first), Some(last)) if first.taken < last.taken => {
            let time = (last.taken - first.taken).to_std().unwrap_or_default();
            format!(", over {}", human::duration(time))
        }
        _ => String::new(),
    };
    match choice.map(|choice| &choice.reason) {
        Some(ChoiceReason::OnlyNewest) => format!("Asked: {listed}{why}."),
        _ => format!("Asked: {}{why}{span}: {listed}.", human::counted(ids.len() as u64, "dump")),
    }
}

struct Report<'r> {
    plan: &'r Plan,
    console: &'r Console,
    dumps: &'r [Arc<Manifest>],
}

impl Report<'_> {
    fn write(
        &self,
        args: &SuspectsArgs,
        found: &[Suspect],
        choice: Option<&DumpChoice>,
        sink: &mut Sink,
    ) -> Result<()> {
        self.say(&asked(self.dumps, choice), 0, sink)?;
        let named = |suspect: &Suspect| Suspect {
            type_name: self.plan.types().name(&suspect.type_name).to_owned(),
            holder_type: self.plan.types().name(&suspect.holder_type).to_owned(),
            holder_path: self.plan.types().chain(&suspect.holder_path).into_owned(),
            ..suspect.clone()
        };
        let found: Vec<Suspect> = found.iter().map(named).collect();
        let least = args.min_confidence.unwrap_or(MIN_CONFIDENCE);
        let (accepted, found): (Vec<&Suspect>, Vec<&Suspect>) =
            found.iter().partition(|suspect| suspect.accepted.is_some());
        let is_said = |suspect: &&Suspect| suspect.confidence >= least;
        let said: Vec<&Suspect> = found.iter().copied().filter(is_said).collect();
        let n = args.n.map_or(N_SHOWN, |n| n as usize);
        for suspect in said.iter().take(n) {
            writeln!(sink)?;
            self.suspect(suspect, sink)?;
        }
        let others: Vec<&Suspect> = found.iter().copied().filter(|suspect| !is_said(suspect)).collect();
        if said.is_empty() {
            writeln!(sink)?;
            self.none(&others, sink)?;
        }
        if said.len() > n {
            writeln!(sink)?;
            self.say(&format!("{} more with -n {}.", said.len() - n, said.len()), 0, sink)?;
        }
        for (i, suspect) in accepted.iter().filter(|suspect| is_said(suspect)).enumerate() {
            if i == 0 {
                writeln!(sink)?;
            }
            let why = suspect.accepted.as_deref().unwrap_or_default();
            self.with_head("Accepted: ", &format!("{}: {why}", suspect.headline()), sink)?;
        }
        if let Some(advice) = self.surer(said.first().copied()) {
            writeln!(sink)?;
            self.say(&advice, 0, sink)?;
        }
        Ok(())
    }

    /// One suspect: headline, how sure and why, way, what would be freed, what to do, how to see it.
    fn suspect(&self, suspect: &Suspect, sink: &mut Sink) -> Result<()> {
        let number = format!("{:>2}  ", suspect.rank);
        self.with_head(&number, &suspect.headline(), sink)?;
        let basis = if suspect.is_proved { "proved" } else { "judged" };
        let sure = format!("{:.0} %, {basis}, {}", suspect.confidence * 100.0, suspect.idiom);
        self.with_head("    sure   ", &sure, sink)?;
        for (i, fact) in suspect.evidence.iter().enumerate() {
            self.with_head(if i == 0 { "    why    " } else { "           " }, fact, sink)?;
        }
        let width = self.width().saturating_sub(INDENT);
        let path = escape::line(&suspect.path);
        let lines = if path.is_empty() { Vec::new() } else { broken(&path, width) };
        for (i, line) in lines.into_iter().enumerate() {
            writeln!(sink, "{}{line}", if i == 0 { "    way    " } else { "           " })?;
        }
        if suspect.retained > 0 {
            let freed = format!("{} would be freed with its content", human::signed_bytes(suspect.retained));
            self.with_head("    frees  ", &freed, sink)?;
        }
        self.with_head("    do     ", &suspect.advice, sink)?;
        for (i, command) in commands(suspect, self.dumps, self.console).iter().enumerate() {
            let word = if i == 0 { "    see    " } else { "           " };
            writeln!(sink, "{word}{}", escape::line(command))?;
        }
        Ok(())
    }

    /// What is said where nothing is suspected.
    fn none(&self, others: &[&Suspect], sink: &mut Sink) -> Result<()> {
        let has_grown = |s: &&&Suspect| s.count_growth.is_none_or(|n| n != 0) || s.retained_growth > Some(0);
        let mut listed: Vec<&Suspect> = others.iter().filter(has_grown).copied().collect();
        listed.sort_by_key(|s| std::cmp::Reverse(s.retained_growth.unwrap_or(s.retained)));
        listed.truncate(N_OTHERS);
        let looked_at = human::counted(others.len() as u64, "candidate")
            + if others.len() == 1 { " was" } else { " were" };
        let why = "; what holds or has grown most is listed with why it is not believed to leak";
        let why = if listed.is_empty() { "" } else { why };
        self.say(&format!("No suspect. {looked_at} looked at{why}."), 0, sink)?;
        for suspect in listed {
            let against = suspect.evidence.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
            let text =
                format!("{} ({:.0} % sure): {against}", suspect.headline(), suspect.confidence * 100.0);
            self.with_head("  - ", &text, sink)?;
        }
        Ok(())
    }

    /// What would make it surer.
    fn surer(&self, best: Option<&Suspect>) -> Option<String> {
        if best.is_some_and(|best| best.confidence >= SURE) {
            return None;
        }
        let has_labels = best.is_none_or(|best| best.held_by.is_some());
        let mut wishes = Vec::new();
        match self.dumps.len() {
            1 => wishes.push("two more dumps of the same process, taken under the same load some time apart"),
            2 => wishes
                .push("a third dump of the same process: growth that goes on is told from a start that ends"),
            _ => wishes.push("dumps over a longer time"),
        }
        if !has_labels {
            wishes.push("a capture with labels (see the command capture)");
        }
        Some(format!("Surer with {}.", wishes.join("; ")))
    }

    fn width(&self) -> usize {
        self.plan.table_width().unwrap_or(USUAL_WIDTH)
    }

    fn say(&self, text: &str, indent: usize, sink: &mut Sink) -> Result<()> {
        self.with_head(&" ".repeat(indent), text, sink)
    }

    /// A text in lines, the first after a word.
    fn with_head(&self, head: &str, text: &str, sink: &mut Sink) -> Result<()> {
        let width = self.width().saturating_sub(head.len()).max(20);
        for (i, line) in wrapped(&escape::line(text), width).into_iter().enumerate() {
            let head = if i == 0 { head.to_owned() } else { " ".repeat(head.len()) };
            writeln!(sink, "{head}{line}")?;
        }
        Ok(())
    }
}
