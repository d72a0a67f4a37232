//! Standard error: notes, warnings and errors, made safe to show; and how to repeat a command.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anstyle::{AnsiColor, Style};

use heaplake_answers::{Lake, Session};
use heaplake_engine::{Cluster, Edited, SessionOptions};
use heaplake_remote::{LakeCopy, Location, RemoteLake, process_traffic};

use crate::{
    cluster::{ClusterParts, NamedWorkers},
    escape, human,
    output::{Plan, Screen, Shape, Sink, wrapped},
    receiving, remedy,
    stores::OpenStores,
};

/// What every command knows of its surroundings.
#[derive(Debug, Clone)]
pub struct Console {
    /// The lake to work on.
    pub lake: LakeChoice,
    /// No notes and no progress.
    pub quiet: bool,
    /// Say what was asked of object stores.
    pub stats: bool,
    /// What the shell has chosen that runs the command, if one does.
    pub shell: Option<InShell>,
    /// The lakes in object stores that are open.
    pub stores: OpenStores,
    /// The workers that statements are spread over.
    pub workers: Option<NamedWorkers>,
    /// These workers.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// What reaches them.
    pub parts: Option<ClusterParts>,
}

/// What a shell has chosen, for the commands that it runs.
#[derive(Debug, Clone)]
pub struct InShell {
    /// The dump that is asked where a command names none.
    pub dump: Option<String>,
    /// What the edits of the shell have left of that dump.
    pub edited: Option<Edited>,
    /// Where rows go.
    pub screen: Screen,
}

/// Where the lake is, and who said so.
#[derive(Debug, Clone)]
pub enum LakeChoice {
    /// `--lake`.
    Flag(PathBuf),
    /// The environment.
    Environment(PathBuf),
    /// Nobody said anything.
    Default,
}

impl LakeChoice {
    /// The text, where it names a lake in an object store and not a folder.
    pub fn in_store(&self) -> Option<&str> {
        self.path().to_str().filter(|text| Location::is_meant(text))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        match self {
            LakeChoice::Flag(path) | LakeChoice::Environment(path) => path,
            LakeChoice::Default => Path::new("./lake"),
        }
    }
}

impl Console {
    /// Opens the lake to ask it.
    pub fn open_lake(&self) -> anyhow::Result<Lake> {
        match self.lake.in_store() {
            Some(address) => {
                self.show_progress();
                let copy = self.stores.open(address)?;
                Ok(self.of_store(&copy))
            }
            None => Ok(Lake::open(self.lake.path())?),
        }
    }

    /// Opens the lake to change dumps that are in it.
    pub fn open_lake_to_write(&self) -> anyhow::Result<Lake> {
        match self.lake.in_store() {
            Some(_) => self.open_lake(),
            None => Ok(Lake::open_to_write(self.lake.path())?),
        }
    }

    /// The same as [`open_lake`](Self::open_lake), with nothing from a cache.
    pub fn open_lake_afresh(&self) -> anyhow::Result<Lake> {
        match self.lake.in_store() {
            Some(address) => {
                self.show_progress();
                let copy = self.stores.open_afresh(address)?;
                Ok(self.of_store(&copy))
            }
            None => Ok(Lake::open(self.lake.path())?),
        }
    }

    /// Shows what comes from stores, on a terminal.
    fn show_progress(&self) {
        if !self.quiet {
            receiving::watch(self.stores.progress());
        }
    }

    fn of_store(&self, copy: &LakeCopy) -> Lake {
        self.warn_of_foreign(copy.remote());
        copy.lake().clone()
    }

    /// Says it once where a lake in a store has objects that are not of a lake.
    pub fn warn_of_foreign(&self, remote: &RemoteLake) {
        let names = remote.new_foreign_objects();
        if let Some(first) = names.first() {
            let others = names.len() as u64 - 1;
            let others =
                if others > 0 { format!(" and {}", human::counted(others, "other")) } else { String::new() };
            let location = remote.location();
            self.warn(&format!("{location}: not of a lake, and left out: the object {first:?}{others}"));
        }
    }

    /// Says what was asked of object stores, where that is wanted.
    pub fn note_requests(&self) {
        let traffic = process_traffic();
        let (requests, received) = (traffic.n_requests, traffic.received_bytes);
        let mut text =
            format!("{}, {} received", human::counted(requests, "request"), human::bytes(received));
        if traffic.sent_bytes > 0 {
            text += &format!(", {} sent", human::bytes(traffic.sent_bytes));
        }
        receiving::hidden(|| {
            if self.stats {
                anstream::eprintln!("{}", escape::message(&text));
            }
        });
    }

    /// How to open a session: on a dump, or else on the one that a shell has chosen, with its edits.
    pub fn session(&self, dump: Option<&str>, layer: Option<&str>) -> SessionOptions {
        let shell =
            self.shell.as_ref().filter(|shell| dump.is_none_or(|dump| shell.dump.as_deref() == Some(dump)));
        let edited = shell.filter(|_| layer.is_none()).and_then(|shell| shell.edited.clone());
        SessionOptions {
            dump: dump.map(str::to_owned).or_else(|| shell.and_then(|shell| shell.dump.clone())),
            layer: layer.map(str::to_owned),
            edited,
            notice: Some(self.notice()),
            cluster: self.cluster.clone(),
            ..SessionOptions::default()
        }
    }

    /// Where the rows of a command go, and what they look like there; `file` is the argument of `-o`.
    pub fn plan(&self, shape: Shape, file: Option<&Path>) -> anyhow::Result<Plan> {
        Plan::new(shape, file, self.shell.as_ref().map(|shell| &shell.screen))
    }

    /// Says something that is good to know.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let text = fitted(&escape::message(text));
            receiving::hidden(|| anstream::eprintln!("{text}"));
        }
    }

    /// Says what belongs below a table. In a log it stands behind the table in the same stream, so that they stay in order.
    pub fn remark(&self, text: &str, plan: &Plan, sink: &mut Sink) -> anyhow::Result<()> {
        if !plan.is_logged() {
            sink.flush()?;
            self.note(text);
        } else if !self.quiet {
            writeln!(sink, "{}", escape::message(text))?;
        }
        Ok(())
    }

    /// Says which columns of a table were left out.
    pub fn note_left_out(&self, columns: &[String]) {
        if !columns.is_empty() {
            let text = format!(
                "(left out, for the width of the terminal: {}; --full shows them)",
                columns.join(", ")
            );
            self.note(&text);
        }
    }

    /// Says it where dumps are compared that name types in different ways.
    pub fn note_on_type_names(&self, session: &Session, dumps: &[&str]) -> anyhow::Result<()> {
        if let Some(note) = session.note_on_type_names(dumps)? {
            self.note(&format!("({note})"));
        }
        Ok(())
    }

    /// Says it where holders are compared that older versions named by other rules.
    pub fn note_on_holder_names(&self, session: &Session, dumps: &[&str]) -> anyhow::Result<()> {
        let old = session.dumps_with_old_names(dumps)?;
        if let Some(first) = old.first() {
            let others = if old.len() > 1 { " and others" } else { "" };
            self.note(&format!(
                "(the holders of {first}{others} have names by older rules, so that some differ in name alone: \
                 `heaplake index {}` names them anew)",
                old.join(" ")
            ));
        }
        Ok(())
    }

    /// What says notes for others.
    pub fn notice(&self) -> heaplake_engine::Notice {
        let console = self.clone();
        Arc::new(move |text| console.note(text))
    }

    /// Says something that went wrong but does not stop the command.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            labelled("warning", AnsiColor::Yellow, text);
        }
    }

    /// Says why the command, or a part of it, failed. Not silenced by `--quiet`.
    pub fn error(&self, error: &anyhow::Error) {
        labelled("error", AnsiColor::Red, &describe(error));
    }

    /// `heaplake`, with `--lake` where it is needed to repeat a command on this lake.
    pub fn command(&self) -> String {
        match &self.lake {
            LakeChoice::Flag(path) => format!("heaplake --lake {}", shell_quoted(&path.to_string_lossy())),
            LakeChoice::Environment(_) | LakeChoice::Default => "heaplake".to_owned(),
        }
    }
}

fn labelled(label: &str, color: AnsiColor, text: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    let text = fitted(&format!("{label}: {}", escape::message(text)));
    let text = text.strip_prefix(&format!("{label}:")).unwrap_or(&text);
    receiving::hidden(|| anstream::eprintln!("{style}{label}:{style:#}{text}"));
}

/// The text as standard error shows it: on a terminal, lines that are too long for it end between two words; in a pipe, a log
/// and the like they stay as they are.
fn fitted(text: &str) -> String {
    match terminal_size::terminal_size_of(std::io::stderr()) {
        None => text.to_owned(),
        Some((width, _)) => {
            let lines = text.lines().flat_map(|line| wrapped(line, width.0.into()));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

/// The error and its causes in one line, and what helps. A cause that the text before it tells already is not repeated.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    match remedy::of(error) {
        Some(remedy) => format!("{text}; {remedy}"),
        None => text,
    }
}

/// The text as one word of a POSIX shell.
pub fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_names_each_cause_once() {
        let cause = anyhow!("no such file");
        assert_eq!(
            describe(&cause.context("a.json: no such file").context("cannot import")),
            "cannot import: a.json: no such file"
        );
        assert_eq!(describe(&anyhow!("disk full").context("lake/x")), "lake/x: disk full");
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_needs_it() {
        assert_eq!(shell_quoted("demo-lake"), "demo-lake");
        assert_eq!(shell_quoted("my lake"), "'my lake'");
        assert_eq!(shell_quoted("it's"), "'it'\\''s'");
        assert_eq!(shell_quoted(""), "''");
    }
}
