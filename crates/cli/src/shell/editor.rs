//! Lines from a terminal: editing, history, colours, completion, and whether a statement is complete.

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
    hint::{Hinter, HistoryHinter},
    history::DefaultHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{commands, lines::is_whole};
use crate::escape;

/// Lines that are remembered across sessions.
const HISTORY_LINES: usize = 10_000;
/// Candidates that are offered at once.
const MAX_CANDIDATES: usize = 1_000;

/// What can be completed.
#[derive(Debug, Default)]
pub struct Words {
    /// Ids of the dumps.
    pub dumps: Vec<String>,
    /// Tables, columns and functions.
    pub names: Vec<String>,
    /// Types of the dump.
    pub types: Vec<String>,
    /// `$name`s.
    pub references: Vec<String>,
}

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
    text.ends_with("\n") || commands::find(text).is_some() || is_whole(text)
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        self.hints.hint(line, pos, context).filter(|hint| !hint.contains('\n'))
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

/// What may stand where the cursor is: where the word begins, and words that it may become.
fn candidates(words: &Words, line: &str, pos: usize) -> (usize, Vec<Pair>) {
    let before = &line[..pos];
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '#' | '-' | '.');
    let start = before
        .rfind(|c| !is_part(c))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    // Behind an arrow or a table's schema, only what follows them.
    let start = start + before[start..].rfind("->").map_or(0, |at| at + 2);
    let word = &before[start..];
    let first = before[..start].trim().is_empty();
    let previous = before[..start].split_whitespace().next_back().unwrap_or_default().to_ascii_lowercase();
    let in_text = before[..start].matches('\'').count() % 2 == 1;
    let of_dump = ["use", "--dump", "diff", "rm", "verify"].contains(&previous.as_str());
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    let plain = |list: &mut Vec<Cow<'_, str>>, from: &[String]| {
        list.extend(from.iter().filter(|name| starts_with(name, word)).map(|name| Cow::Owned(name.clone())));
    };
    if in_text {
        plain(&mut found, &words.types);
    } else if of_dump {
        plain(&mut found, &words.dumps);
    } else if word.starts_with('$') {
        plain(&mut found, &words.references);
    } else {
        if first || previous == "help" {
            found.extend(commands::names().filter(|name| starts_with(name, word)).map(Cow::Borrowed));
        }
        let keywords = SQL_WORDS.iter().filter(|name| starts_with(name, word));
        found.extend(keywords.map(|name| match word.starts_with(char::is_uppercase) {
            true => Cow::Owned(name.to_ascii_uppercase()),
            false => Cow::Borrowed(*name),
        }));
        plain(&mut found, &words.names);
        plain(&mut found, &words.dumps);
        if !word.is_empty() {
            plain(&mut found, &words.types);
        }
    }
    found.sort();
    found.dedup();
    found.truncate(MAX_CANDIDATES);
    // Names come from dumps, and go to the terminal and into a statement.
    let shown = found.into_iter().filter(|name| !name.chars().any(|c| escape::is_unsafe(c) || c == '\''));
    let quoted = |name: &str| match in_text || name.chars().all(is_part) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    (start, shown.map(|name| Pair { display: name.to_string(), replacement: quoted(&name) }).collect())
}

fn starts_with(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        // Types are known by what stands behind the last dot as well.
        || (!word.is_empty() && name.rsplit('.').next().is_some_and(|end| end.len() < name.len() && end.starts_with(word)))
}

/// Words of SQL and of the path language that are worth completing.
const SQL_WORDS: [&str; 40] = [
    "acyclic",
    "all",
    "and",
    "as",
    "between",
    "by",
    "count",
    "desc",
    "describe",
    "distinct",
    "dominated",
    "edges",
    "except",
    "exists",
    "explain",
    "from",
    "group",
    "having",
    "in",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "on",
    "or",
    "order",
    "per",
    "reach",
    "root",
    "select",
    "shortest",
    "sum",
    "types",
    "union",
    "using",
    "where",
    "within",
];

#[cfg(test)]
mod tests {
    use super::{super::random::Random, *};

    fn words() -> Words {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Words {
            dumps: list(&["before", "later"]),
            names: list(&["obj", "type_stat", "address", "parents"]),
            types: list(&["dict", "shop.Catalog", "odd type", "\u{1b}[1m", "Combined"]),
            references: list(&["$leak"]),
        }
    }

    fn found(line: &str) -> Vec<String> {
        candidates(&words(), line, line.len()).1.into_iter().map(|pair| pair.replacement).collect()
    }

    #[test]
    fn completes_what_may_stand_there() {
        for (line, expected) in [
            ("use l", &["later"] as &[&str]),
            ("select addr", &["address"]),
            ("root ..> Comb", &["Combined"]),
            ("root ->Comb", &["Combined"]),
            ("root ..> Cata", &["shop.Catalog"]),
            ("select * from obj where type = 'di", &["dict"]),
            ("select * from obj where type = 'odd", &["odd type"]),
            ("root ..> odd", &["\"odd type\""]),
            ("info $l", &["$leak"]),
            ("parents $l", &["$leak"]),
            ("pare", &["parents"]),
            ("SEL", &["SELECT"]),
        ] {
            assert_eq!(found(line), expected, "{line}");
        }
        assert!(found("he").contains(&"help".to_owned()));
        // A name that would do something to the terminal is not offered.
        assert_eq!(found("select '"), ["Combined", "dict", "odd type", "shop.Catalog"]);
    }

    #[test]
    fn lines_end_where_nothing_is_open() {
        for (text, ends) in [
            ("stats", true),
            ("select *", false),
            ("select *\n", true),
            ("select * from obj", true),
            ("select * from obj\\", false),
            ("root ..>", false),
            ("parents 'a", true),
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
        let words = Rc::new(RefCell::new(words()));
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

    #[test]
    fn words_are_in_order() {
        assert!(SQL_WORDS.is_sorted());
    }
}
