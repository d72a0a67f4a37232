//! `heaplake shell`: SQL, path patterns and commands, one after the other, with references to results before.
//!
//! ```text
//! line --editor.rs--> text --commands.rs--> command, or statement --references.rs--> SQL --Session--> numbered rows
//! ```

mod commands;
mod completion;
mod editor;
mod edits;
mod lines;
mod names;
mod objects;
#[cfg(test)]
mod random;
mod references;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    io::{self, IsTerminal as _, Read as _},
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use heaplake_answers::{
    Direction, PathShape, Session, address_set, browse, path_shape, path_statement, short_path_statement,
};
use heaplake_engine::{Edited, ResultDoc, functions, split_as_written};
use heaplake_store::{Manifest, Named};

use self::{
    commands::{By, Command},
    completion::Words,
    editor::{Line, Terminal},
    lines::{continues, first_command, redirection, slip, switch, unit, words_of},
    references::{Reference, Value, rewrite, rewrite_for_good},
};
use crate::{
    ERROR,
    args::{self, ShellArgs},
    commands::{check_lake, path, run, sql},
    console::{Console, InShell},
    human,
    interrupt::{self, Interrupted},
    output::{Format, Screen, Shape, Sink, reopen_stdout, stdout_is_closed},
    query, selection,
};

/// Reads commands and statements until there are no more.
pub fn start(args: &ShellArgs, console: &Console) -> Result<ExitCode> {
    let is_interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let shell = Shell::new(args, console, is_interactive)?;
    if is_interactive { shell.converse() } else { shell.run_input() }
}

/// What is going on.
struct Shell {
    console: Console,
    is_interactive: bool,
    /// Answers for the chosen dump and its edits; made anew when these change.
    session: Option<Session>,
    /// By dump, so that they are there when it is chosen again.
    edits: HashMap<String, Vec<Edit>>,
    /// Of the chosen dump.
    names: BTreeMap<String, Named>,
    words: Rc<RefCell<Words>>,
    has_timing: bool,
    has_debug: bool,
    has_failed: bool,
    /// Files that are being loaded, the outermost first.
    loading: Vec<PathBuf>,
    history: Vec<String>,
    /// What was typed last, where the next line may go on with it.
    last: Option<String>,
}

/// Whether a line goes on with what was typed before it: a statement, for commands have done already what they do.
fn is_continued(last: &str, line: &str) -> bool {
    !last.trim_end().ends_with(';')
        && !line.trim().is_empty()
        && commands::find(line).is_none()
        && last.lines().all(|line| commands::find(line).is_none() && !line.trim().is_empty())
        && continues(last, line)
}

/// A cut or a pin.
struct Edit {
    /// As a command that does it again.
    command: String,
    edited: Edited,
}

/// Whether there is more to come.
enum Flow {
    Go,
    Quit,
}

impl Shell {
    fn new(args: &ShellArgs, console: &Console, is_interactive: bool) -> Result<Self> {
        let chosen = InShell {
            dump: None,
            edited: None,
            screen: Screen { paged: is_interactive, ..Screen::default() },
        };
        let mut shell = Self {
            console: Console { shell: Some(chosen), ..console.clone() },
            is_interactive,
            session: None,
            edits: HashMap::new(),
            names: BTreeMap::new(),
            words: Rc::default(),
            has_timing: is_interactive,
            has_debug: false,
            has_failed: false,
            loading: Vec::new(),
            history: Vec::new(),
            last: None,
        };
        let lake = &shell.console.lake;
        if args.dump.is_some() || lake.in_store().is_some() || lake.path().exists() {
            let manifests = selection::open(console)?;
            if args.dump.is_some() || !manifests.all()?.is_empty() {
                let manifest = selection::one(&manifests, args.dump.as_deref(), &shell.console)?;
                shell.choose(&manifest)?;
            }
        }
        Ok(shell)
    }

    fn chosen(&self) -> &InShell {
        self.console.shell.as_ref().unwrap_or_else(|| unreachable!("a shell runs in a shell"))
    }

    fn chosen_mut(&mut self) -> &mut InShell {
        self.console.shell.as_mut().unwrap_or_else(|| unreachable!("a shell runs in a shell"))
    }

    /// Asks a person.
    fn converse(mut self) -> Result<ExitCode> {
        interrupt::enter_shell()?;
        let has_colors = self.console.plan(Shape::default(), None)?.has_colors();
        let mut terminal = Terminal::new(self.words.clone(), has_colors)?;
        self.greet();
        self.learn_words();
        loop {
            interrupt::set_at_prompt(true);
            let line = terminal.read(&self.prompt());
            interrupt::set_at_prompt(false);
            interrupt::reset();
            match line? {
                Line::Text(text) => {
                    self.history = terminal.history();
                    if let Flow::Quit = self.typed(&text) {
                        break;
                    }
                }
                Line::Cancelled => {}
                Line::End => break,
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn greet(&self) {
        let what = match &self.chosen().dump {
            Some(dump) => format!("asking {dump}"),
            None => "the lake has no dumps yet: import FILE".to_owned(),
        };
        self.console.note(&format!(
            "heaplake {}, {what}. suspects says what leaks; then SQL, path patterns, or help; Ctrl-D leaves.",
            env!("CARGO_PKG_VERSION")
        ));
    }

    fn prompt(&self) -> String {
        let dump = self.chosen().dump.as_deref().unwrap_or("heaplake");
        let mark = if self.chosen().edited.is_some() { "*" } else { "" };
        format!("{dump}{mark}> ")
    }

    /// Runs what stands in standard input.
    fn run_input(mut self) -> Result<ExitCode> {
        interrupt::install()?;
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).context("cannot read commands from standard input")?;
        let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        self.run_lines(&lines)?;
        Ok(if self.has_failed { ExitCode::from(ERROR) } else { ExitCode::SUCCESS })
    }

    /// Runs what a person has typed, or pasted: the commands and statements that a script of these lines would have.
    fn typed(&mut self, text: &str) -> Flow {
        let text = match self.last.take() {
            // A line that begins no statement goes on with the last one, which ran because it could end there.
            Some(last) if text.lines().next().is_some_and(|line| is_continued(&last, line)) => {
                format!("{last}\n{text}")
            }
            _ => text.to_owned(),
        };
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.run_lines(&lines).unwrap_or_else(|error| {
            self.console.note(&interrupt::outcome(&error));
            Flow::Go
        })
    }

    /// Runs lines of a script. What fails is told, and the next command follows.
    fn run_lines(&mut self, lines: &[String]) -> Result<Flow> {
        let mut at = 0;
        while at < lines.len() {
            let n_lines = unit(&lines[at..]).n_lines;
            let text = lines[at..at + n_lines].join("\n");
            at += n_lines;
            if text.trim().is_empty() || text.trim_start().starts_with("#!") {
                continue;
            }
            if self.loading.is_empty() {
                self.last = Some(text.clone());
            }
            let flow = self.execute_and_tell(&text);
            let is_last = at == lines.len();
            if interrupt::requested() && !(is_last && self.is_interactive && self.loading.is_empty()) {
                return Err(Interrupted { outcome: "the rest of the commands was not run" }.into());
            }
            if stdout_is_closed() && !self.is_interactive {
                return Ok(Flow::Quit);
            }
            if let Flow::Quit = flow {
                return Ok(flow);
            }
        }
        Ok(Flow::Go)
    }

    /// Runs a command or statements. No mistake ends the shell.
    fn execute_and_tell(&mut self, text: &str) -> Flow {
        let text = text.replace("\\\n", "\n");
        let outcome = self.execute(text.trim().trim_end_matches('\\'));
        self.chosen_mut().screen.redirected = None;
        let is_closed = stdout_is_closed();
        if self.is_interactive {
            // Of a pager, which the user has left.
            reopen_stdout();
        }
        match outcome {
            Ok(flow) => flow,
            Err(_) if is_closed => Flow::Go,
            Err(error) => {
                self.has_failed = true;
                match interrupt::is_cause(&error) {
                    true => {
                        self.console.note(&interrupt::outcome(&error));
                        // A join may not look up for long; the next query gets threads of its own.
                        self.session = None;
                    }
                    false => {
                        self.console.error(&error);
                        if let Some(hint) = slip(&text) {
                            self.console.note(&hint);
                        }
                    }
                }
                Flow::Go
            }
        }
    }

    fn execute(&mut self, mut text: &str) -> Result<Flow> {
        while let Some((first, rest)) = first_command(text) {
            if let Flow::Quit = self.execute_one(first)? {
                return Ok(Flow::Quit);
            }
            text = rest;
        }
        self.execute_one(text)
    }

    fn execute_one(&mut self, text: &str) -> Result<Flow> {
        let (text, redirected) = redirection(text)?;
        if self.chosen().dump.is_some() {
            // References ask it.
            self.session()?;
        }
        self.chosen_mut().screen.redirected = redirected;
        match commands::find(text) {
            Some((command, rest)) => self.command(command, rest),
            None => self.statements(text).map(|()| Flow::Go),
        }
    }

    /// Runs SQL and path patterns.
    fn statements(&mut self, text: &str) -> Result<()> {
        let is_alone = |text: &str| text.starts_with(['#', '$']) && Reference::parse(text).is_some();
        for statement in split_as_written(text)? {
            if is_alone(&statement.text) {
                self.info(&statement.text)?;
                continue;
            }
            if let Some((command, rest)) = commands::find(&statement.text) {
                self.command(command, rest)?;
                continue;
            }
            match statement.pattern {
                Some(pattern) => self.pattern(&rewrite(&pattern, self)?)?,
                None => {
                    let sql = rewrite(&statement.text, self)?;
                    self.debug(&sql);
                    self.sql(&sql)?;
                }
            }
        }
        Ok(())
    }

    fn debug(&self, text: &str) {
        if self.has_debug {
            self.console.note(text);
        }
    }

    /// Runs a query and shows its rows.
    fn sql(&mut self, sql: &str) -> Result<()> {
        let plan = self.console.plan(Shape::default(), None)?;
        let start = Instant::now();
        let mut sink = plan.open()?;
        let outcome = query::run(self.session()?, sql, &plan, &mut sink)?;
        let time = Some(start.elapsed()).filter(|_| self.has_timing);
        if plan.is_on_terminal() {
            // Below what a pager shows.
            sink.commit()?;
            sink = Sink::stdout();
        }
        if plan.file().is_none() && plan.format == Format::Table {
            sql::remark(&outcome, time, &plan, &mut sink, &self.console)?;
        }
        sink.commit()?;
        if let Some(file) = plan.file() {
            let rows = human::counted(outcome.n_rows, "row");
            self.console.note(&format!("{}: {rows}", file.display()));
        }
        if outcome.n_rows == 0 && outcome.written.is_some() {
            let console = self.console.clone();
            query::note_unknown_type(self.session()?, sql, &console);
        }
        Ok(())
    }

    /// Answers a path pattern.
    fn pattern(&mut self, pattern: &str) -> Result<()> {
        self.debug(pattern);
        let shape = path_shape(pattern)?;
        let plan = self.console.plan(Shape::default(), None)?;
        if plan.format != Format::Table || shape != PathShape::Paths {
            let statement = match plan.format {
                Format::Table => short_path_statement(pattern, shape),
                _ => path_statement(pattern, None),
            };
            return self.sql(&statement);
        }
        let start = Instant::now();
        let mut sink = plan.open()?;
        path::print(pattern, shape, self.session()?, &plan, &mut sink)?;
        let time = start.elapsed();
        sink.commit()?;
        if self.has_timing {
            self.console.note(&format!("({})", human::duration(time)));
        }
        Ok(())
    }

    fn command(&mut self, command: &Command, rest: &str) -> Result<Flow> {
        if command.by == By::Heaplake {
            return self.heaplake(command.name, rest).map(|()| Flow::Go);
        }
        if command.usage.is_empty() && !rest.is_empty() {
            bail!("{} takes nothing behind it, not {rest}", command.name);
        }
        match command.name {
            "quit" => return Ok(Flow::Quit),
            "help" => self.help(rest)?,
            "use" => self.use_dump(rest)?,
            "stats" => self.stats()?,
            "info" => self.info(rest)?,
            "parents" => self.neighbours(rest, Direction::Parents)?,
            "children" => self.neighbours(rest, Direction::Children)?,
            "kids" => {
                let statement = browse::kids_statement(&self.set_of(rest)?);
                self.sql(&statement)?;
            }
            "ancestor_types" => {
                let levels = rest.rsplit_once(" levels ");
                let levels = levels.and_then(|(objects, n)| Some((objects, n.parse::<u32>().ok()?)));
                let (objects, levels) = levels.unwrap_or((rest, ANCESTOR_LEVELS));
                let set = self.set_of(objects)?;
                self.sql(&browse::ancestor_types_statement(&set, levels))?;
                if browse::has_ancestors_at(&set, levels, self.session()?)? {
                    self.console.note(&format!("up to {levels} levels; for more write: levels N behind it"));
                }
            }
            "path" => self.path(rest)?,
            "cut" => self.cut(rest)?,
            "pin" => self.pin(rest)?,
            "gc" => self.gc()?,
            "undo" => self.undo(rest)?,
            "edits" => self.print(&self.list_edits()?)?,
            "set" => self.set(rest)?,
            "unset" => self.unset(rest)?,
            "echo" => self.echo(rest)?,
            "save" => self.save(rest)?,
            "load" => return self.load(rest),
            "width" => self.width(rest)?,
            "pager" => {
                let paged = switch(rest, self.chosen().screen.paged)?;
                self.chosen_mut().screen.paged = paged;
                self.note_switch("pager", paged);
            }
            "timing" => {
                self.has_timing = switch(rest, self.has_timing)?;
                self.note_switch("timing", self.has_timing);
            }
            "debug" => {
                self.has_debug = switch(rest, self.has_debug)?;
                self.note_switch("debug", self.has_debug);
            }
            "history" => self.show_history(rest)?,
            other => bail!("{other} is not known; this is a bug of heaplake"),
        }
        Ok(Flow::Go)
    }

    fn note_switch(&self, what: &str, is_on: bool) {
        self.console.note(&format!("{what} is {}", if is_on { "on" } else { "off" }));
    }

    /// Runs a command of heaplake, with references in the place of whole words.
    fn heaplake(&mut self, name: &str, rest: &str) -> Result<()> {
        let words = words_of(rest).context("a quote is not closed")?;
        let mut line = vec![name.to_owned()];
        for word in words {
            if word.contains(char::is_whitespace) {
                line.push(rewrite_for_good(&word, self)?);
                continue;
            }
            match Reference::parse(&word)
                .filter(|_| word.starts_with(['#', '$']) || word.ends_with(['^', '&']))
            {
                Some(reference) => match reference.value(self)? {
                    Value::Text(text) => line.push(text),
                    _ => {
                        let addresses = reference.addresses(self)?;
                        line.push(address_set(&addresses));
                    }
                },
                None => line.push(word),
            }
        }
        let invocation = match args::parse_in_shell(&line) {
            Ok(invocation) => invocation,
            Err(error) => {
                // Help is an answer, too.
                if !error.use_stderr() {
                    return Ok(error.print()?);
                }
                bail!("{}", error.render().to_string().trim_start_matches("error: ").trim_end());
            }
        };
        self.debug(&format!("{} {}", self.console.command(), line.join(" ")));
        check_lake(&invocation, &self.console)?;
        let code = run(invocation, &self.console)?;
        if ["diff", "info", "trend"].contains(&name) {
            self.note_as_taken();
        }
        self.has_failed |= code != ExitCode::SUCCESS;
        if ["capture", "import", "rm", "tag"].contains(&name) {
            self.look_again()?;
        }
        Ok(())
    }

    /// Says that an answer is not of what the edits have left.
    fn note_as_taken(&self) {
        if self.chosen().edited.is_some() {
            self.console.note("of the dumps as they were taken, without the edits");
        }
    }

    /// After the lake has changed.
    fn look_again(&mut self) -> Result<()> {
        self.session = None;
        // A capture alone makes no lake.
        let Ok(lake) = self.console.open_lake() else { return Ok(()) };
        let found = self.chosen().dump.clone().and_then(|dump| lake.manifest(&dump).ok());
        match found.map(Arc::new).or_else(|| lake.manifests().ok()?.pop()) {
            Some(manifest) => self.choose(&manifest),
            None => {
                let chosen = self.chosen_mut();
                (chosen.dump, chosen.edited) = (None, None);
                Ok(())
            }
        }
    }

    fn use_dump(&mut self, text: &str) -> Result<()> {
        let text = Some(text).filter(|text| !text.is_empty());
        let manifest = selection::one(selection::open(&self.console)?.as_ref(), text, &self.console)?;
        self.choose(&manifest)?;
        let taken = manifest.taken.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let objects = human::counted(manifest.counts.objects, "object");
        let bytes = human::signed_bytes(manifest.counts.bytes);
        self.console.note(&format!("asking {}, taken {taken}: {objects}, {bytes}", manifest.id));
        self.note_as_taken();
        Ok(())
    }

    fn choose(&mut self, manifest: &Manifest) -> Result<()> {
        let id = manifest.id.to_string();
        let edited = self.edits.get(&id).and_then(|edits| edits.last()).map(|edit| edit.edited.clone());
        self.session = None;
        let lake = self.console.open_lake()?;
        self.names = lake.names(manifest)?;
        self.chosen().screen.results.set_dump(&id);
        let chosen = self.chosen_mut();
        chosen.dump = Some(id);
        chosen.edited = edited;
        self.show_names();
        self.learn_words();
        Ok(())
    }

    /// The names of single objects take the place of their addresses.
    fn show_names(&self) {
        let single = self.names.iter().filter_map(|(name, named)| match named {
            Named::Addresses(addresses) => match addresses.as_slice() {
                [address] => Some((*address, name.clone())),
                _ => None,
            },
            Named::Number(_) | Named::Text(_) => None,
        });
        self.chosen().screen.results.set_names(single.collect());
        self.words.borrow_mut().references = self.names.keys().map(|name| format!("${name}")).collect();
    }

    /// Finds out what can be completed. That something cannot be is no mistake.
    fn learn_words(&mut self) {
        if !self.is_interactive {
            return;
        }
        let mut words = Words::default();
        if let Ok(lake) = self.console.open_lake() {
            let manifests = lake.manifests().unwrap_or_default();
            words.dumps = manifests.iter().map(|manifest| manifest.id.to_string()).collect();
            let chosen = manifests.into_iter().find(|m| Some(m.id.as_str()) == self.chosen().dump.as_deref());
            let dump = chosen.and_then(|manifest| lake.dump(manifest.as_ref().clone()).ok());
            words.types = dump
                .map(|dump| dump.types.iter().map(|stat| stat.name.clone()).collect())
                .unwrap_or_default();
        }
        if let Ok(session) = self.session() {
            let tables = functions().filter(|function| matches!(function.result, ResultDoc::Rows(_)));
            words.table_functions = tables.map(|function| function.name.to_owned()).collect();
            words.functions = session.functions();
            words.functions.retain(|name| !words.table_functions.contains(name));
            words.tables = browse::table_names("current", session).unwrap_or_default();
            words.history_tables = browse::table_names("history", session).unwrap_or_default();
            words.columns = browse::column_names(session).unwrap_or_default();
        }
        words.references = self.names.keys().map(|name| format!("${name}")).collect();
        *self.words.borrow_mut() = words;
    }

    fn session(&mut self) -> Result<&Session> {
        if self.session.is_none() {
            let lake = self.console.open_lake()?;
            self.session = Some(query::open(&lake, &self.console.session(None, None))?);
        }
        self.session.as_ref().context("it was just opened")
    }
}

/// Levels of `ancestor_types` where nobody says how many.
const ANCESTOR_LEVELS: u32 = 10;
