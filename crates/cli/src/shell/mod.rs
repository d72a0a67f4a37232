//! `heaplake shell`: SQL, path patterns and commands, one after the other, with references to results before.
//!
//! ```text
//! line --editor.rs--> text --commands.rs--> command, or statement --references.rs--> SQL --Querier--> numbered rows
//! ```

mod commands;
mod editor;
mod references;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, bail};
use arrow::array::RecordBatch;
use clap::ValueEnum as _;
use heaplake_engine::{
    Edited, PathShape, Piece, PieceKind, address, is_complete, is_pattern, path_shape, pieces,
    split_as_written,
};
use heaplake_store::{Lake, Manifest, Named};

use self::{
    commands::{By, Command},
    editor::{Line, Terminal, Words},
    references::{Known, Reference, Step, Value, is_name, rewrite, rewrite_for_good},
};
use crate::{
    ERROR,
    args::{self, Shape, ShellArgs},
    commands::{path, run, sql},
    console::{Console, InShell},
    escape, human,
    interrupt::{self, Interrupted},
    output::{Columns, Format, Plan, Results, reopen_stdout, stdout_is_closed},
    query::{Querier, sum},
    rows::{Rows, quoted},
    selection,
};

/// Rows of parents and of children that `info` shows.
const INFO_ROWS: usize = 15;

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
    querier: Option<Querier>,
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
            results: Results::default(),
            redirected: None,
            width: None,
            paged: is_interactive,
        };
        let mut shell = Self {
            console: Console { shell: Some(chosen), ..console.clone() },
            is_interactive,
            querier: None,
            edits: HashMap::new(),
            names: BTreeMap::new(),
            words: Rc::default(),
            has_timing: is_interactive,
            has_debug: false,
            has_failed: false,
            loading: Vec::new(),
            history: Vec::new(),
        };
        if args.dump.is_some() || shell.console.lake.path().exists() {
            let lake = Lake::open(console.lake.path())?;
            if args.dump.is_some() || !lake.manifests()?.is_empty() {
                let manifest = selection::one(&lake, args.dump.as_deref(), &shell.console)?;
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
        let has_colors = Plan::new(Shape::default(), None, &self.console)?.has_colors();
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
                    if let Flow::Quit = self.execute_and_tell(&text) {
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
            "heaplake {}, {what}. SQL, path patterns, or help; Ctrl-D leaves.",
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

    /// Runs lines of a script. What fails is told, and the next command follows.
    fn run_lines(&mut self, lines: &[String]) -> Result<Flow> {
        let mut at = 0;
        while at < lines.len() {
            let n = unit(&lines[at..]);
            let text = lines[at..at + n].join("\n");
            at += n;
            if text.trim().is_empty() || text.trim_start().starts_with("#!") {
                continue;
            }
            let flow = self.execute_and_tell(&text);
            if interrupt::requested() {
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
        self.chosen_mut().redirected = None;
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
                match error.is::<Interrupted>() {
                    true => {
                        self.console.note(&error.to_string());
                        // A join may not look up for long; the next query gets threads of its own.
                        self.querier = None;
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

    fn execute(&mut self, text: &str) -> Result<Flow> {
        if let Some((first, rest)) = first_command(text) {
            return match self.execute(first)? {
                Flow::Quit => Ok(Flow::Quit),
                Flow::Go => self.execute(rest),
            };
        }
        let (text, redirected) = redirection(text)?;
        if self.chosen().dump.is_some() {
            // References ask it.
            self.querier()?;
        }
        self.chosen_mut().redirected = redirected;
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
        let plan = Plan::new(Shape::default(), None, &self.console)?;
        let start = Instant::now();
        let mut sink = plan.open()?;
        let outcome = self.querier()?.run(sql, &plan, &mut sink)?;
        let time = start.elapsed();
        sink.commit()?;
        match plan.file() {
            Some(file) => {
                let rows = human::counted(outcome.n_rows, "row");
                self.console.note(&format!("{}: {rows}", file.display()));
            }
            None if plan.format == Format::Table => {
                let time = Some(time).filter(|_| self.has_timing);
                sql::remark(&outcome, time, &self.console);
            }
            None => {}
        }
        Ok(())
    }

    /// Answers a path pattern.
    fn pattern(&mut self, pattern: &str) -> Result<()> {
        self.debug(pattern);
        let shape = path_shape(pattern)?;
        let plan = Plan::new(Shape::default(), None, &self.console)?;
        if plan.format != Format::Table || shape != PathShape::Paths {
            let columns = match shape {
                PathShape::Objects => "hop, address, type, name, size, retained, root_kind",
                PathShape::Paths | PathShape::Types => "*",
            };
            let columns = if plan.format == Format::Table { columns } else { "*" };
            return self.sql(&format!("SELECT {columns} FROM path({})", quoted(pattern)));
        }
        let start = Instant::now();
        let mut sink = plan.open()?;
        path::print(pattern, shape, self.querier()?, &plan, &mut sink)?;
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
            "stats" => self.sql(STATS)?,
            "info" => self.info(rest)?,
            "parents" => self.neighbours(rest, Step::Parents)?,
            "children" => self.neighbours(rest, Step::Children)?,
            "kids" => {
                let set = quoted(&self.set_of(rest)?);
                self.sql(&format!(
                    "SELECT k.hops, k.address, k.type, o.name, o.value, k.size, k.retained FROM kids({set}) k \
                     LEFT JOIN obj o ON o.address = k.address ORDER BY k.hops, k.retained DESC, k.address"
                ))?;
            }
            "ancestor_types" => {
                let (objects, levels) = match rest.rsplit_once(" levels ") {
                    Some((objects, n)) if n.parse::<u32>().is_ok() => (objects, n),
                    _ => (rest, ANCESTOR_LEVELS),
                };
                let set = quoted(&self.set_of(objects)?);
                let query = format!("FROM ancestor_types({set}, {levels})");
                self.sql(&format!("SELECT * {query} ORDER BY hops, size DESC, type"))?;
                let last = self
                    .querier()?
                    .collect(&format!("SELECT count(*) AS n {query} WHERE hops = {levels}"))?;
                if sum(&last, "n")? > 0 {
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
                let paged = switch(rest, self.chosen().paged)?;
                self.chosen_mut().paged = paged;
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
                        line.push(addresses.iter().map(|at| format!("@{at}")).collect::<Vec<_>>().join(","));
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
        let code = run(invocation, &self.console)?;
        if ["diff", "info", "trend"].contains(&name) {
            self.note_as_taken();
        }
        self.has_failed |= code != ExitCode::SUCCESS;
        if ["import", "tag"].contains(&name) {
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
        self.querier = None;
        let lake = Lake::open(self.console.lake.path())?;
        let found = self.chosen().dump.clone().and_then(|dump| lake.manifest(&dump).ok());
        match found.or_else(|| lake.manifests().ok()?.pop()) {
            Some(manifest) => self.choose(&manifest),
            None => Ok(()),
        }
    }

    fn use_dump(&mut self, text: &str) -> Result<()> {
        let lake = Lake::open(self.console.lake.path())?;
        let text = Some(text).filter(|text| !text.is_empty());
        let manifest = selection::one(&lake, text, &self.console)?;
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
        self.querier = None;
        let lake = Lake::open(self.console.lake.path())?;
        self.names = lake.names(manifest)?;
        self.chosen().results.set_dump(&id);
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
        self.chosen().results.set_names(single.collect());
        self.words.borrow_mut().references = self.names.keys().map(|name| format!("${name}")).collect();
    }

    /// Finds out what can be completed. That something cannot be is no mistake.
    fn learn_words(&mut self) {
        if !self.is_interactive {
            return;
        }
        let mut words = Words::default();
        if let Ok(lake) = Lake::open(self.console.lake.path()) {
            let manifests = lake.manifests().unwrap_or_default();
            words.dumps = manifests.iter().map(|manifest| manifest.id.to_string()).collect();
            let chosen = manifests.into_iter().find(|m| Some(m.id.as_str()) == self.chosen().dump.as_deref());
            let dump = chosen.and_then(|manifest| lake.dump(manifest).ok());
            words.types = dump
                .map(|dump| dump.types.iter().map(|stat| stat.name.clone()).collect())
                .unwrap_or_default();
        }
        if let Ok(querier) = self.querier() {
            words.names = querier.functions();
            let columns = "SELECT table_name AS name FROM information_schema.tables UNION \
                           SELECT column_name FROM information_schema.columns WHERE table_schema = 'current'";
            if let Ok(rows) = querier.collect(columns).and_then(|batches| Rows::new(&batches)) {
                words.names.extend(rows.texts("name").unwrap_or_default());
            }
        }
        words.references = self.names.keys().map(|name| format!("${name}")).collect();
        *self.words.borrow_mut() = words;
    }

    fn querier(&mut self) -> Result<&Querier> {
        if self.querier.is_none() {
            let lake = Lake::open(self.console.lake.path())?;
            self.querier = Some(Querier::open(&lake, &self.console.session(None, None))?);
        }
        self.querier.as_ref().context("it was just opened")
    }
}

/// A command before a `;`, and what follows it; none where nothing does.
fn first_command(text: &str) -> Option<(&str, &str)> {
    commands::find(text)?;
    let at = unquoted_places(text, ';').next()?;
    let rest = text[at + 1..].trim();
    (!rest.is_empty()).then(|| (&text[..at], rest))
}

/// Where a sign stands in a command that is in no quotes.
fn unquoted_places(text: &str, sign: char) -> impl Iterator<Item = usize> + '_ {
    let mut quote = None;
    text.char_indices().filter_map(move |(at, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None => return (c == sign).then_some(at),
        }
        None
    })
}

/// What is probably meant, where a text begins with a word that begins nothing.
fn slip(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let known = ["select", "with", "explain", "describe", "show", "values"];
    let is_known =
        commands::by_name(word).is_some() || known.iter().any(|known| known.eq_ignore_ascii_case(word));
    let is_keyword = pieces(word).first().is_some_and(|piece| piece.kind == PieceKind::Keyword);
    if is_known || is_keyword || is_pattern(text) {
        return None;
    }
    let near = heaplake_engine::nearest(word, commands::names().chain(known));
    Some(match near {
        Some(near) => format!("  did you mean {near}?"),
        None => "  help lists the commands".to_owned(),
    })
}

/// How many lines belong together: a command, or a statement up to where it is complete.
fn unit(lines: &[String]) -> usize {
    if commands::find(&lines[0]).is_some() && !lines[0].trim_end().ends_with('\\') {
        return 1;
    }
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        text += line;
        text.push('\n');
        let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
        let is_over = at > 0 && line.trim().is_empty();
        if line.trim_end().ends_with(';') && is_whole(&text) || is_over {
            return at + 1;
        }
        let open = line.trim_end().ends_with('\\') || !is_whole(&text);
        if !open && next.is_none_or(|next| !goes_on(&text, next)) {
            return at + 1;
        }
    }
    lines.len()
}

/// Whether a line goes on with a statement that could also end before it: it begins with what no statement begins with.
fn goes_on(text: &str, line: &str) -> bool {
    let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with("--");
    let line = line.trim_start();
    let word = line.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    text.lines().all(is_comment)
        || line.starts_with([',', ')', '|', '=', '+', '*'])
        || ["->", "..", "<-", "-.", "-["].iter().any(|arrow| line.starts_with(arrow))
        || CONTINUATIONS.contains(&word.to_ascii_uppercase().as_str())
}

/// Words that a line may begin with, but no statement.
const CONTINUATIONS: [&str; 31] = [
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "CROSS",
    "DESC",
    "ELSE",
    "END",
    "EXCEPT",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "PER",
    "RIGHT",
    "UNION",
    "USING",
    "WHERE",
    "WITHIN",
];

/// Whether statements may end where the text does, whatever becomes of their rows.
fn is_whole(text: &str) -> bool {
    match redirection(text) {
        Ok((_, None)) => is_complete(text),
        // Where the rows go is said last, also when it is said wrongly.
        Ok((_, Some(_))) | Err(_) => true,
    }
}

/// What stands before `| FORMAT`, `| FORMAT > FILE` or `| > FILE` at the end of a text, and that.
type Redirection<'t> = (&'t str, Option<(Format, Option<PathBuf>)>);

fn redirection(text: &str) -> Result<Redirection<'_>> {
    let bar = match commands::find(text) {
        Some(_) => unquoted_places(text, '|').last(),
        // A sign that is not within a text or a comment.
        None => {
            let is_bar = |piece: &&Piece| piece.kind == PieceKind::Sign && &text[piece.span.clone()] == "|";
            pieces(text).iter().rev().find(is_bar).map(|piece| piece.span.start)
        }
    };
    let (before, target) = match bar {
        Some(at) => (&text[..at], text[at + 1..].trim().trim_end_matches(';').trim_end()),
        None => return Ok((text, None)),
    };
    let (format, file) = match target.split_once('>') {
        Some((format, file)) => (format.trim(), Some(file.trim())),
        None => (target, None),
    };
    let named = Format::from_str(format, true).ok();
    if (named.is_none() && !format.is_empty()) || (format.is_empty() && file.is_none()) {
        return Ok((text, None));
    }
    let file = match file {
        Some(file) => {
            let words = words_of(file).unwrap_or_default();
            let [file] = words.as_slice() else {
                bail!("one file is expected behind >; write '...' around a name with blanks");
            };
            Some(PathBuf::from(file))
        }
        None => None,
    };
    let format = match (named, &file) {
        (Some(format), _) => format,
        (None, Some(file)) => Format::of_path(file)
            .ok_or_else(|| anyhow!("the ending of {} names no format; write | csv > FILE", file.display()))?,
        (None, None) => return Ok((text, None)),
    };
    Ok((before.trim_end(), Some((format, file))))
}

/// The words of a command, as a POSIX shell takes them; but `#` begins a reference and no comment.
fn words_of(text: &str) -> Option<Vec<String>> {
    const MARK: &str = "\u{e000}";
    let words = shlex::split(&text.replace('#', MARK))?;
    Some(words.into_iter().map(|word| word.replace(MARK, "#")).collect())
}

/// `on` or `off`; without a word the other of what it is.
fn switch(word: &str, is_on: bool) -> Result<bool> {
    match word {
        "" => Ok(!is_on),
        "on" => Ok(true),
        "off" => Ok(false),
        other => bail!("on or off is expected, not {other}"),
    }
}

/// Levels of `ancestor_types` where nobody says how many.
const ANCESTOR_LEVELS: &str = "10";

const STATS: &str = "SELECT what, number FROM ( \
    SELECT 1 AS place, 'objects' AS what, coalesce(sum(count), 0) AS number FROM type_stat \
    UNION ALL SELECT 2, 'bytes', coalesce(sum(size), 0) FROM type_stat \
    UNION ALL SELECT 3, 'types', count(*) FROM type_stat \
    UNION ALL SELECT 4, 'references', count(*) FROM edge \
    UNION ALL SELECT 5, 'roots', count(*) FROM root \
    UNION ALL SELECT 6, 'objects that only cycles hold', count(*) FROM obj WHERE distance IS NULL \
    ) ORDER BY place";

// Objects ----------------------------------------------------------------------------------------------------------

impl Shell {
    /// Objects as graph functions take them: addresses, a condition, or a path pattern.
    fn set_of(&self, text: &str) -> Result<String> {
        let text = unquoted(text.trim());
        if text.is_empty() {
            bail!(
                "which objects? An address, a reference such as #2.5, a condition over obj, or a path pattern"
            );
        }
        let items: Vec<&str> = text.split([',', ' ', '\n', '\t']).filter(|item| !item.is_empty()).collect();
        let references: Option<Vec<Reference>> = items.iter().map(|item| Reference::parse(item)).collect();
        if let Some(references) = references {
            let mut addresses = Vec::new();
            for reference in references {
                addresses.extend(reference.addresses(self)?);
            }
            if self.known_objects(&addresses)? == 0 {
                bail!("{text} is no object of {}", self.chosen().dump.as_deref().unwrap_or("any dump"));
            }
            return Ok(addresses.iter().map(|at| format!("@{at}")).collect::<Vec<_>>().join(" "));
        }
        let rewritten = rewrite_for_good(text, self)?;
        if !is_pattern(&rewritten) {
            return Ok(rewritten);
        }
        Ok(match path_shape(&rewritten)? {
            PathShape::Objects => rewritten,
            PathShape::Paths => format!("REACH {rewritten}"),
            PathShape::Types => bail!("TYPES gives types and no objects; write REACH"),
        })
    }

    /// How many of some addresses are of objects that are left.
    fn known_objects(&self, addresses: &[u64]) -> Result<i64> {
        let Some(querier) = &self.querier else { return Ok(0) };
        if addresses.is_empty() {
            return Ok(0);
        }
        let list = addresses.iter().map(|at| format!("@{at}")).collect::<Vec<_>>().join(" ");
        let query = format!("SELECT count(*) AS n FROM reachable({}) WHERE hops = 0", quoted(&list));
        sum(&querier.collect(&query)?, "n")
    }

    fn neighbours(&mut self, rest: &str, step: Step) -> Result<()> {
        if rest == "0" && step == Step::Children {
            // As in memsee, where 0 refers to the roots.
            return self.sql(
                "SELECT address, type, name, value, size, retained, root_kind FROM obj WHERE root_kind IS NOT NULL \
                 ORDER BY retained DESC, address",
            );
        }
        let set = self.set_of(rest)?;
        let query = self.neighbours_query(&set, step)?;
        self.sql(&query)
    }

    /// With labels where one object is asked and the dump has some.
    fn neighbours_query(&mut self, set: &str, step: Step) -> Result<String> {
        let (function, other, this) = match step {
            Step::Parents => ("parents", "parent", "child"),
            Step::Children => ("children", "child", "parent"),
        };
        let single = set.strip_prefix('@').and_then(address);
        let (mut label, mut join) = (String::new(), String::new());
        if let Some(at) = single.filter(|_| self.has_labels().unwrap_or(false)) {
            label = "e.label, ".to_owned();
            join = format!(
                "LEFT JOIN (SELECT {other} AS other, min(label) AS label FROM edge WHERE {this} = {at} GROUP BY {other}) e \
                 ON e.other = n.address "
            );
        }
        Ok(format!(
            "SELECT {label}n.address, n.type, o.name, o.value, n.size, n.retained, n.root_kind \
             FROM {function}({}) n LEFT JOIN obj o ON o.address = n.address {join}\
             ORDER BY n.retained DESC, n.address",
            quoted(set)
        ))
    }

    /// Whether references of the chosen dump have labels; the answer is in the statistics of its files.
    fn has_labels(&mut self) -> Result<bool> {
        let batches = self.querier()?.collect("SELECT count(label) AS labels FROM edge")?;
        Ok(sum(&batches, "labels")? > 0)
    }

    fn info(&mut self, rest: &str) -> Result<()> {
        // One word that is neither an address nor a reference is a dump.
        let is_dump = !rest.contains([' ', '\'', '(']) && Reference::parse(unquoted(rest)).is_none();
        if is_dump || rest.contains("--") {
            return self.heaplake("info", rest);
        }
        let set = self.set_of(rest)?;
        let plan = Plan::new(Shape::default(), None, &self.console)?;
        let query = format!(
            "SELECT o.address, o.type, o.name, o.value, o.size, o.len, o.root_kind, o.distance, o.retained, \
             o.retained_count, o.idom AS held_by, h.type AS held_by_type \
             FROM (SELECT address FROM reachable({set}) WHERE hops = 0) s JOIN obj o ON o.address = s.address \
             LEFT JOIN obj h ON h.address = o.idom ORDER BY o.address",
            set = quoted(&set)
        );
        let batches = self.querier()?.collect(&query)?;
        let n_objects: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if n_objects == 0 {
            bail!("{} has no such object", self.querier()?.dump_name()?);
        }
        let mut sink = plan.open()?;
        plan.print_all_to(&batches, &mut sink)?;
        if n_objects == 1 && plan.format == Format::Table {
            for (step, what) in [(Step::Parents, "parents"), (Step::Children, "children")] {
                let query = self.neighbours_query(&set, step)?;
                let batches = self.querier()?.collect(&query)?;
                let rows = arrow::compute::concat_batches(batches[0].schema_ref(), &batches)?;
                let n_rows = rows.num_rows();
                let shown = n_rows.min(INFO_ROWS);
                let how_many =
                    if n_rows > shown { format!("the largest {shown} of ") } else { String::new() };
                writeln!(sink, "{what}: {how_many}{}", human::count(n_rows as u64))?;
                if n_rows > 0 {
                    plan.print_to(&rows.slice(0, shown), &mut sink)?;
                }
            }
        }
        sink.commit()
    }

    /// `from "COND" to "COND" [reversed]`, or a pattern.
    fn path(&mut self, rest: &str) -> Result<()> {
        let pattern = match from_to(rest)? {
            Some((from, to, reversed)) => {
                let (first, arrow, last) = if reversed { (to, "<..", from) } else { (from, "..>", to) };
                let pattern = format!("(* WHERE {first}) {arrow} (* WHERE {last})");
                let pattern = rewrite(&pattern, self)?;
                self.console.note(&pattern);
                pattern
            }
            None => rewrite(rest, self)?,
        };
        self.pattern(&pattern)
    }
}

/// The text without quotes around the whole of it.
fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(text)
}

/// The conditions of `from "COND" to "COND" [reversed]`; none where it does not begin so.
fn from_to(text: &str) -> Result<Option<(&str, &str, bool)>> {
    let Some(rest) = behind_word(text, "from").filter(|rest| rest.starts_with(['"', '\''])) else {
        return Ok(None);
    };
    let usage = "write path from \"COND\" to \"COND\", and reversed behind it to begin at the other end";
    let (from, rest) = in_quotes(rest).context(usage)?;
    let rest = behind_word(rest, "to").context(usage)?;
    let (to, rest) = in_quotes(rest).context(usage)?;
    match rest.trim().to_ascii_lowercase().as_str() {
        "" => Ok(Some((from, to, false))),
        "reversed" => Ok(Some((from, to, true))),
        _ => bail!(usage),
    }
}

/// What stands behind a word, if the text begins with it.
fn behind_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (first, rest) = text.trim_start().split_at_checked(word.len())?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

/// What stands between quotes, and what follows.
fn in_quotes(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split_once(quote)
}

// Edits ------------------------------------------------------------------------------------------------------------

impl Shell {
    fn cut(&mut self, rest: &str) -> Result<()> {
        let set = self.set_of(rest)?;
        self.edit(std::slice::from_ref(&set), &[], format!("cut {set}"), "cut")
    }

    fn pin(&mut self, rest: &str) -> Result<()> {
        let set = self.set_of(rest)?;
        self.edit(&[], std::slice::from_ref(&set), format!("pin {set}"), "pinned")
    }

    fn gc(&mut self) -> Result<()> {
        let batches = self.querier()?.collect("SELECT address FROM root WHERE kind = 'cycle'")?;
        let addresses = addresses(&batches)?;
        if addresses.is_empty() {
            self.console.note("nothing is held by cycles alone");
            return Ok(());
        }
        let set = addresses.iter().map(|at| format!("@{at}")).collect::<Vec<_>>().join(" ");
        self.edit(&[set], &[], "gc".to_owned(), "collected")
    }

    fn edit(&mut self, cuts: &[String], pins: &[String], command: String, what: &str) -> Result<()> {
        let before = self.querier()?.totals()?;
        let edited = self.querier()?.edit(cuts, pins)?;
        let left = human::signed_bytes(before.bytes.saturating_sub(edited.bytes));
        self.console.note(&format!(
            "{what}: {} of {} gone, {} of {}; {left} left (undo takes it back)",
            human::count(edited.objects),
            human::counted(before.objects.unsigned_abs(), "object"),
            human::signed_bytes(edited.bytes),
            human::signed_bytes(before.bytes),
        ));
        let dump = self.querier()?.dump_name()?;
        self.chosen_mut().edited = Some(edited.clone());
        self.edits.entry(dump).or_default().push(Edit { command, edited });
        self.querier = None;
        Ok(())
    }

    fn undo(&mut self, rest: &str) -> Result<()> {
        let dump = self.querier()?.dump_name()?;
        let edits = self.edits.entry(dump).or_default();
        let n_undone = match rest {
            "all" => edits.len(),
            "" => 1.min(edits.len()),
            other => bail!("undo, or undo all; not undo {other}"),
        };
        if n_undone == 0 {
            bail!("there is nothing to undo");
        }
        let undone: Vec<Edit> = edits.drain(edits.len() - n_undone..).collect();
        let edited = edits.last().map(|edit| edit.edited.clone());
        for edit in undone.iter().rev() {
            self.console.note(&format!("undone: {}", shortened(&edit.command)));
        }
        self.chosen_mut().edited = edited;
        self.querier = None;
        Ok(())
    }

    fn list_edits(&self) -> Result<RecordBatch> {
        let dump = self.chosen().dump.as_deref().unwrap_or_default();
        let edits = self.edits.get(dump).map(Vec::as_slice).unwrap_or_default();
        Columns::default()
            .text("edit", edits.iter().map(|edit| shortened(&edit.command)))
            .count("objects", edits.iter().map(|edit| edit.edited.objects))
            .number("size", edits.iter().map(|edit| Some(edit.edited.bytes)))
            .batch()
    }

    fn print(&self, batch: &RecordBatch) -> Result<()> {
        Plan::new(Shape::default(), None, &self.console)?.print(batch)
    }
}

fn addresses(batches: &[RecordBatch]) -> Result<Vec<u64>> {
    use arrow::{array::AsArray as _, datatypes::UInt64Type};
    let mut addresses = Vec::new();
    for batch in batches {
        let column = batch.column_by_name("address").context("the answer has no address")?;
        addresses.extend(column.as_primitive::<UInt64Type>().iter().flatten());
    }
    Ok(addresses)
}

fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

// Names and the shell itself -----------------------------------------------------------------------------------------

impl Shell {
    fn set(&mut self, rest: &str) -> Result<()> {
        if rest.is_empty() {
            let value = |named: &Named| match named {
                Named::Addresses(addresses) => match addresses.as_slice() {
                    [address] => format!("@{address:#x}"),
                    addresses => human::counted(addresses.len() as u64, "object"),
                },
                Named::Number(number) => number.to_string(),
                Named::Text(text) => quoted(text),
            };
            let batch = Columns::default()
                .text("name", self.names.keys().map(|name| format!("${name}")))
                .text("value", self.names.values().map(value))
                .batch()?;
            return self.print(&batch);
        }
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let (name, value) = (name.trim_start_matches('$'), value.trim().trim_start_matches('=').trim_start());
        if !is_name(name) {
            bail!("{name:?} is no name; a name is a letter or _, then letters, digits and _");
        }
        if value.is_empty() {
            bail!("set {name} to what? An address, a reference such as #2.5 or #2.address, or a text");
        }
        let named = self.value_of(value)?;
        self.change_names(|names| {
            names.insert(name.to_owned(), named);
        })
    }

    /// What a name is to stand for: a number, objects, or a text.
    fn value_of(&self, value: &str) -> Result<Named> {
        if let Ok(number) = value.parse() {
            return Ok(Named::Number(number));
        }
        let items: Vec<&str> = value.split([',', ' ']).filter(|item| !item.is_empty()).collect();
        let references: Option<Vec<Reference>> = items.iter().map(|item| Reference::parse(item)).collect();
        let Some(references) = references else {
            let inner = value.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            let text = inner.map_or_else(|| unquoted(value).to_owned(), |text| text.replace("''", "'"));
            return Ok(Named::Text(text));
        };
        let mut addresses = Vec::new();
        for reference in &references {
            match reference.value(self)? {
                Value::Text(text) if references.len() == 1 => return Ok(Named::Text(text)),
                _ => addresses.extend(reference.addresses(self)?),
            }
        }
        Ok(Named::Addresses(addresses))
    }

    fn unset(&mut self, rest: &str) -> Result<()> {
        let name = rest.trim_start_matches('$').to_owned();
        if !self.names.contains_key(&name) {
            return Err(self.no_name(&name));
        }
        self.change_names(|names| {
            names.remove(&name);
        })
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<String, Named>)) -> Result<()> {
        let lake = Lake::open(self.console.lake.path())?;
        let manifest = selection::one(&lake, None, &self.console)?;
        self.names = lake.change_names(&manifest, change)?;
        self.show_names();
        Ok(())
    }

    fn no_name(&self, name: &str) -> anyhow::Error {
        let names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        let hint = heaplake_engine::nearest(name, names.iter().copied());
        let hint = hint.map(|near| format!("; did you mean ${near}?")).unwrap_or_default();
        anyhow!("there is no name ${name}{hint}")
    }

    fn echo(&mut self, rest: &str) -> Result<()> {
        let mut text = String::new();
        for (at, word) in rest.split(' ').enumerate() {
            if at > 0 {
                text.push(' ');
            }
            match Reference::parse(word)
                .filter(|_| word.starts_with(['#', '$']) || word.ends_with(['^', '&']))
            {
                Some(reference) => match reference.value(self)? {
                    Value::Text(value) => text += &value,
                    Value::Column(rows, name) => {
                        let rows = Rows::new(&rows)?.texts(&name)?;
                        text += &rows.join(", ");
                    }
                    _ => {
                        let addresses = reference.addresses(self)?;
                        text += &addresses.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                    }
                },
                None => text += word,
            }
        }
        let mut sink = Plan::new(Shape::default(), None, &self.console)?.open()?;
        writeln!(sink, "{}", escape::line(&text))?;
        sink.commit()
    }

    /// Writes commands that make the names and edits again.
    fn save(&mut self, rest: &str) -> Result<()> {
        let path = file_argument(rest)?;
        let dump = self.querier()?.dump_name()?;
        let mut text = format!("use {dump}\n");
        for (name, named) in &self.names {
            match named {
                Named::Addresses(addresses) => {
                    let list = addresses.iter().map(|at| format!("@{at}")).collect::<Vec<_>>().join(",");
                    writeln!(text, "set {name} {list}")?;
                }
                Named::Number(number) => writeln!(text, "set {name} {number}")?,
                Named::Text(value) if value.contains(['\n', '\r']) => {
                    self.console.warn(&format!("${name} has line breaks and was not saved"));
                }
                Named::Text(value) => writeln!(text, "set {name} {}", quoted(value))?,
            }
        }
        for edit in self.edits.get(&dump).into_iter().flatten() {
            writeln!(text, "{}", edit.command.replace(['\n', '\r'], " "))?;
        }
        let mut sink = crate::output::Sink::file(&path)?;
        sink.write_all(text.as_bytes())?;
        sink.commit()
    }

    fn load(&mut self, rest: &str) -> Result<Flow> {
        let path = file_argument(rest)?;
        let path = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        if self.loading.contains(&path) {
            bail!("{} loads itself", path.display());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.loading.push(path);
        let flow = self.run_lines(&lines);
        self.loading.pop();
        flow
    }

    fn width(&mut self, rest: &str) -> Result<()> {
        match rest {
            "" => {
                let width = self.chosen().width.map_or_else(|| "auto".to_owned(), |width| width.to_string());
                self.console.note(&format!("width {width}"));
            }
            "auto" => self.chosen_mut().width = None,
            number => {
                let width = number.parse().ok().filter(|width| (20..=10_000).contains(width));
                let width = width
                    .with_context(|| format!("a number of columns from 20 on is expected, not {number}"))?;
                self.chosen_mut().width = Some(width);
            }
        }
        Ok(())
    }

    fn show_history(&self, rest: &str) -> Result<()> {
        let n = match rest {
            "" => usize::MAX,
            number => {
                number.parse().with_context(|| format!("a number of lines is expected, not {number}"))?
            }
        };
        let mut sink = Plan::new(Shape::default(), None, &self.console)?.open()?;
        for line in self.history.iter().skip(self.history.len().saturating_sub(n)) {
            writeln!(sink, "{}", escape::message(line))?;
        }
        sink.commit()
    }

    fn help(&self, rest: &str) -> Result<()> {
        let mut sink = Plan::new(Shape::default(), None, &self.console)?.open()?;
        if rest.is_empty() {
            for (group, commands) in commands::GROUPS {
                writeln!(sink, "{group}")?;
                for command in commands {
                    let usage = format!("{} {}", command.name, command.usage);
                    let usage = usage.trim_end();
                    // A long one has the line for itself.
                    let gap = if usage.len() > USAGE_WIDTH {
                        format!("\n  {:USAGE_WIDTH$}", "")
                    } else {
                        String::new()
                    };
                    writeln!(sink, "  {usage:USAGE_WIDTH$}{gap} {}", command.summary)?;
                }
            }
            writeln!(sink, "\n{STATEMENTS}")?;
            return sink.commit();
        }
        let Some(command) = commands::by_name(rest) else {
            let near = heaplake_engine::nearest(rest, commands::names());
            let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            bail!("there is no command {rest}{hint}");
        };
        if command.by == By::Heaplake {
            let help = args::parse_in_shell(&[command.name.to_owned(), "--help".to_owned()]);
            if let Err(help) = help {
                write!(sink, "{help}")?;
            }
            return sink.commit();
        }
        writeln!(sink, "{} {}\n{}", command.name, command.usage, command.summary)?;
        if !command.more.is_empty() {
            writeln!(sink, "\n{}", command.more)?;
        }
        sink.commit()
    }
}

/// Columns that a command has in the list of all.
const USAGE_WIDTH: usize = 34;

const STATEMENTS: &str = "\
Anything else is SQL or a path pattern. A statement ends with its line when it is complete, or with ;
  select type, count, size from type_stat order by size desc limit 20
  root ..> (x: Session WHERE size > 1000)
  select * from later.obj | csv > big.csv      also tsv, json, ndjson, markdown, parquet, arrow

Results are numbered, their rows labelled. #2.5 is the object of a row, #2.address a column, #2 the table;
$name is what set has named; ^ behind one of them are its parents, & its children, and again: $leak^^, 0& are the roots.
  select * from obj where address in (#2.address)
  #2.5 <.. root

help COMMAND says more.";

fn file_argument(rest: &str) -> Result<PathBuf> {
    match words_of(rest).unwrap_or_default().as_slice() {
        [file] => Ok(Path::new(file).to_owned()),
        _ => bail!("one file is expected; write '...' around a name with blanks"),
    }
}

impl Shell {
    /// An address means another object in another dump.
    fn note_other_dump(&self, number: usize) {
        if let (Some(other), Some(dump)) = (self.chosen().results.other_dump(number), &self.chosen().dump) {
            self.console.note(&format!("result {number} is of {other}, and {dump} is asked"));
        }
    }
}

impl Known for Shell {
    fn rows(&self, number: usize) -> Result<Vec<RecordBatch>> {
        self.note_other_dump(number);
        self.chosen().results.rows(number)
    }

    fn addresses(&self, number: usize) -> Result<Vec<u64>> {
        self.note_other_dump(number);
        self.chosen().results.addresses(number)
    }

    fn address(&self, number: usize, row: usize) -> Result<u64> {
        self.note_other_dump(number);
        self.chosen().results.address(number, row)
    }

    fn named(&self, name: &str) -> Result<Named> {
        self.names.get(name).cloned().ok_or_else(|| self.no_name(name))
    }

    fn step(&self, from: &[u64], step: Step) -> Result<Vec<u64>> {
        let querier = self.querier.as_ref().context("the lake has no dumps yet")?;
        let mut found = Vec::new();
        if from.contains(&0) && step == Step::Children {
            found = addresses(&querier.collect("SELECT address FROM root ORDER BY address")?)?;
        }
        let function = if step == Step::Parents { "parents" } else { "children" };
        let set = from.iter().filter(|at| **at != 0).map(|at| format!("@{at}")).collect::<Vec<_>>().join(" ");
        if !set.is_empty() {
            let query = format!("SELECT address FROM {function}({}) ORDER BY address", quoted(&set));
            found.extend(addresses(&querier.collect(&query)?)?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn show(&self, name: &str, rows: &[RecordBatch]) -> Result<()> {
        self.querier.as_ref().context("the lake has no dumps yet")?.show(name, rows)
    }
}
