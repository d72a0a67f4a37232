//! Lines from a terminal: editing, history, colours, and whether a statement is complete.

use std::{
    borrow::Cow,
    cell::RefCell,
    env, fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use heaplake_engine::{PieceKind, pieces};
use rustyline::{
    ColorMode, CompletionType, Config, Context, EditMode, Editor, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::{CmdKind, Highlighter},
    hint::{Hint, Hinter, HistoryHinter},
    history::DefaultHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{
    commands,
    completion::{Words, candidates},
    lines::unit,
};

/// Lines that are remembered across sessions.
const HISTORY_LINES: usize = 10_000;

/// A line, or why there is none.
pub enum Line {
    /// A command or statement.
    Text(String),
    /// Ctrl-C: what was typed is forgotten.
    Cancelled,
    /// Ctrl-D, or the end of the input.
    End,
}

/// Reads lines from the terminal.
pub struct Terminal {
    editor: Editor<Assistant, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// A terminal with the history of sessions before.
    pub fn new(words: Rc<RefCell<Words>>, has_colors: bool) -> Result<Self> {
        let config = Config::builder()
            .history_ignore_space(true)
            .history_ignore_dups(true)
            .and_then(|config| config.max_history_size(HISTORY_LINES))
            .context("cannot set up the history")?
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .edit_mode(EditMode::Emacs)
            .color_mode(if has_colors { ColorMode::Forced } else { ColorMode::Disabled })
            .build();
        let mut editor = Editor::with_config(config).context("cannot read from the terminal")?;
        editor.set_helper(Some(Assistant { words, hints: HistoryHinter {}, has_colors }));
        let history = history_file();
        if let Some(path) = &history {
            // No history is no reason not to begin.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    /// Reads a statement.
    pub fn read(&mut self, prompt: &str) -> Result<Line> {
        match self.editor.readline(prompt) {
            Ok(text) => {
                if !text.trim().is_empty() {
                    let _ = self.editor.add_history_entry(text.as_str());
                    self.save();
                }
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Cancelled),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error).context("cannot read from the terminal"),
        }
    }

    /// After every line, so that a session that is killed loses none.
    fn save(&mut self) {
        if let Some(path) = &self.history
            && path.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok())
            && self.editor.append_history(path).is_err()
        {
            // A disk that is full must not keep anybody from asking.
            self.history = None;
        }
    }

    /// The lines so far, the oldest first.
    pub fn history(&self) -> Vec<String> {
        self.editor.history().iter().map(ToString::to_string).collect()
    }
}

/// Where the history is: in the folder for such things of the user.
fn history_file() -> Option<PathBuf> {
    if let Some(path) = env::var_os("HEAPLAKE_HISTORY") {
        return Some(PathBuf::from(path)).filter(|path| path != Path::new(""));
    }
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    Some(state.or_else(home)?.join("heaplake/history"))
}

/// Helps while a line is edited.
struct Assistant {
    words: Rc<RefCell<Words>>,
    hints: HistoryHinter,
    has_colors: bool,
}

impl Helper for Assistant {}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let complete = ends_here(context.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether a command or statement ends where the text does. An empty line ends whatever came before it.
pub fn ends_here(text: &str) -> bool {
    if let Some(text) = text.trim_end_matches([' ', '\t']).strip_suffix('\\') {
        return text.is_empty();
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut rest = lines.as_slice();
    let mut is_finished = true;
    while !rest.is_empty() {
        let unit = unit(rest);
        is_finished = unit.is_finished;
        rest = &rest[unit.n_lines..];
    }
    is_finished || text.ends_with('\n')
}

/// Shown after the cursor.
#[derive(Debug)]
pub struct EditHint {
    text: String,
    /// Whether it can be taken over into the line.
    is_completion: bool,
}

impl Hint for EditHint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.is_completion.then_some(self.text.as_str())
    }
}

/// Where a statement goes on: what a second prompt is elsewhere.
const GOES_ON: &str = "... goes on; an empty line ends it";

impl Hinter for Assistant {
    type Hint = EditHint;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<EditHint> {
        if pos == line.len() && line.ends_with('\n') {
            return Some(EditHint { text: GOES_ON.to_owned(), is_completion: false });
        }
        let text = self.hints.hint(line, pos, context).filter(|hint| !hint.contains('\n'))?;
        Some(EditHint { text, is_completion: true })
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        if !self.has_colors {
            return Cow::Borrowed(line);
        }
        Cow::Owned(colored(line))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        if !self.has_colors {
            return Cow::Borrowed(prompt);
        }
        let style = AnsiColor::Cyan.on_default().bold();
        Cow::Owned(format!("{style}{prompt}{style:#}"))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if !self.has_colors {
            return Cow::Borrowed(hint);
        }
        let style = Style::new().dimmed();
        Cow::Owned(format!("{style}{hint}{style:#}"))
    }

    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        self.has_colors
    }
}

fn colored(line: &str) -> String {
    let mut text = String::with_capacity(line.len() * 2);
    let mut end = 0;
    if commands::find(line).is_some() {
        let start = line.len() - line.trim_start().len();
        let style = AnsiColor::Green.on_default().bold();
        end = start + commands::first_word(&line[start..]).0.len();
        text += &format!("{}{style}{}{style:#}", &line[..start], &line[start..end]);
    }
    let offset = end;
    for piece in pieces(&line[offset..]) {
        let (from, to) = (offset + piece.span.start, offset + piece.span.end);
        text += &line[end..from];
        end = to;
        let style = match piece.kind {
            PieceKind::Keyword => AnsiColor::Blue.on_default().bold(),
            PieceKind::Text => AnsiColor::Green.on_default(),
            PieceKind::Number => AnsiColor::Cyan.on_default(),
            PieceKind::Comment => Style::new().dimmed(),
            PieceKind::Arrow => AnsiColor::Yellow.on_default().bold(),
            PieceKind::Reference | PieceKind::Object => AnsiColor::Magenta.on_default(),
            PieceKind::Name | PieceKind::Sign => {
                text += &line[from..to];
                continue;
            }
        };
        text += &format!("{style}{}{style:#}", &line[from..to]);
    }
    text + &line[end..]
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(candidates(&self.words.borrow(), line, pos))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::random::Random, *};
    use crate::escape;

    #[test]
    fn lines_end_where_nothing_is_open() {
        for (text, ends) in [
            ("stats", true),
            ("select *", false),
            ("select *\n", true),
            ("select * from obj", true),
            ("select * from obj\\", false),
            ("root ..>", false),
            ("parents 'a", false),
            ("parents 'a\n", true),
            ("echo 'a", true),
            ("cut type in (", false),
            ("set x select address", false),
            ("set x select address from obj", true),
            ("select type,", false),
            ("select 'a;", false),
            ("stats\nselect type,", false),
            ("select 1\nstats", true),
            ("select 1\nstats\nroot ..>", false),
            ("root ..> A | json > x.json", true),
            ("select 1 | csv", true),
        ] {
            assert_eq!(ends_here(text), ends, "{text:?}");
        }
    }

    /// A line without its colours.
    fn without_colors(line: &str) -> String {
        let mut plain = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('\u{1b}') {
            plain += &rest[..at];
            let end = rest[at..].find('m').expect("an end");
            rest = &rest[at + end + 1..];
        }
        plain + rest
    }

    #[test]
    fn colours_change_nothing_else() {
        for line in [
            "select 'é' from #2 -- x",
            "  stats x",
            "root ..> (A WHERE x = 1)",
            "help\u{301} x",
            "use é",
            "?",
            " ?",
            "\\q",
            "? cut",
            "exit;",
            "EXIT",
        ] {
            assert_eq!(without_colors(&colored(line)), line);
        }
    }

    /// Whatever is typed, wherever the cursor is, nothing panics, and what is offered replaces what is there.
    #[test]
    fn no_text_panics() {
        let mut random = Random::new(1);
        let history = DefaultHistory::new();
        let context = Context::new(&history);
        let words = Rc::new(RefCell::new(Words::example()));
        let assistant = Assistant { words, hints: HistoryHinter {}, has_colors: true };
        for _ in 0..3_000 {
            let line = random.text(8);
            ends_here(&line);
            let has_escapes = line.contains('\u{1b}');
            let shown = assistant.highlight(&line, 0);
            assert!(has_escapes || without_colors(&shown) == line, "{line:?} is shown as {shown:?}");
            for pos in (0..=line.len()).filter(|pos| line.is_char_boundary(*pos)) {
                let (start, found) = assistant.complete(&line, pos, &context).expect("candidates");
                assert!(start <= pos && line.is_char_boundary(start), "{line:?} at {pos}");
                assert!(found.iter().all(|pair| !pair.display.chars().any(escape::is_unsafe)));
                assistant.hint(&line, pos, &context);
            }
        }
    }
}
