//! What Tab offers: words that may stand where the cursor is, and no others.
//!
//! The command that a text begins with says what its arguments are, its options come from the command line's own
//! declaration. In SQL the pieces before the cursor say whether a table, a column or a keyword is next; elsewhere a path
//! pattern is being written. There are hundreds of functions: they are offered once a letter is typed.

use std::borrow::Cow;

use clap::ValueEnum as _;
use heaplake_engine::{Piece, PieceKind, begins_as_sql, pieces};
use rustyline::completion::{FilenameCompleter, Pair};

use super::commands::{self, By, Command};
use crate::{
    args::{self, OptionValue},
    escape, library,
    output::Format,
};

/// Candidates that are offered at once.
const MAX_CANDIDATES: usize = 1_000;

/// What can be completed.
#[derive(Debug, Default)]
pub struct Words {
    /// Ids of the dumps.
    pub dumps: Vec<String>,
    /// Tables of a dump.
    pub tables: Vec<String>,
    /// Tables over all dumps, in the schema `history`.
    pub history_tables: Vec<String>,
    /// Columns of the tables of a dump.
    pub columns: Vec<String>,
    /// Functions that give rows.
    pub table_functions: Vec<String>,
    /// Functions of values.
    pub functions: Vec<String>,
    /// Types of the dump.
    pub types: Vec<String>,
    /// `$name`s.
    pub references: Vec<String>,
}

/// What stands before the cursor.
struct Typed<'t> {
    /// The command or statement up to the word.
    before: &'t str,
    /// The word that the cursor is behind.
    word: &'t str,
    /// The word before it, in lower case.
    previous: String,
    /// Within `'...'`.
    in_text: bool,
    /// Within `"..."`.
    in_quotes: bool,
}

/// A word that is offered, and what takes the place of the one that was typed.
struct Offer {
    shown: String,
    replacement: String,
}

/// What may stand where the cursor is: where the word begins, and words that it may become.
pub fn candidates(words: &Words, line: &str, pos: usize) -> (usize, Vec<Pair>) {
    let (start, typed) = Typed::new(&line[..pos]);
    let is_first = typed.before.trim().is_empty() && !typed.in_text && !typed.in_quotes;
    let mut offers = Offers { words, typed: &typed, found: Vec::new() };
    match commands::find(typed.before).filter(|_| !is_first) {
        _ if is_first => offers.first_word(),
        _ if typed.is_format() => offers.formats(),
        _ if typed.is_file() => return files(line, pos),
        Some((command, _)) => match offers.of_command(command) {
            Argument::Offered => {}
            Argument::File => return files(line, pos),
        },
        None if begins_as_sql(typed.before) => offers.sql(),
        None => offers.pattern(),
    }
    (start, offers.pairs())
}

/// Names of files and folders.
fn files(line: &str, pos: usize) -> (usize, Vec<Pair>) {
    let (start, mut found) = FilenameCompleter::new().complete_path(line, pos).unwrap_or((pos, Vec::new()));
    found.retain(|pair| !pair.display.chars().any(escape::is_unsafe));
    found.truncate(MAX_CANDIDATES);
    (start, found)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#' | '-' | '.')
}

impl<'t> Typed<'t> {
    /// Where the word begins, and what stands before the cursor.
    fn new(text: &'t str) -> (usize, Self) {
        let begin = begin_of_last(text);
        let before = &text[begin..];
        // A command may take a file, whose folders are a part of its name.
        let has_folders = commands::find(before).is_some() || before.contains('|');
        let start = before
            .rfind(|c| !(is_part(c) || has_folders && matches!(c, '/' | '~')))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        // Behind an arrow, only what follows it.
        let start = start + before[start..].rfind("->").map_or(0, |at| at + 2);
        let (before, word) = before.split_at(start);
        let previous = before.split_whitespace().next_back().unwrap_or_default();
        let in_text = before.matches('\'').count() % 2 == 1;
        let in_quotes = !in_text && before.matches('"').count() % 2 == 1;
        let previous = previous.trim_end_matches('=').to_ascii_lowercase();
        (begin + start, Self { before, word, previous, in_text, in_quotes })
    }

    /// Whether the word is a format behind `|`.
    fn is_format(&self) -> bool {
        let bar = self.before.trim_end().strip_suffix('|');
        !self.in_text && !self.in_quotes && bar.is_some_and(|before| !before.trim().is_empty())
    }

    /// Whether the word is a file behind `| csv >`.
    fn is_file(&self) -> bool {
        let target = self.before.rsplit_once('|').and_then(|(_, target)| target.trim().strip_suffix('>'));
        target.is_some_and(|format| format.trim().is_empty() || Format::from_str(format.trim(), true).is_ok())
    }

    /// The name before a dot, where the word is behind one, and the word from its last dot on.
    fn qualifier(&self) -> Option<(&str, usize)> {
        let dot = self.word.rfind('.')?;
        if dot > 0 {
            return Some((&self.word[..dot], dot));
        }
        let quoted = self.before.strip_suffix('"')?;
        Some((&quoted[quoted.rfind('"')? + 1..], dot))
    }
}

/// Where the last command or statement of a text begins: behind a `;`, or a line that is a command.
fn begin_of_last(text: &str) -> usize {
    let mut quote = None;
    let mut begin = 0;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == ';' => begin = at + 1,
            None => {}
        }
    }
    begin
}

/// What an argument of a command is.
enum Argument {
    /// The words are among the offers.
    Offered,
    /// A file.
    File,
}

struct Offers<'w> {
    words: &'w Words,
    typed: &'w Typed<'w>,
    found: Vec<Offer>,
}

impl Offers<'_> {
    /// Adds the names that begin as the word does.
    fn add<T: AsRef<str>>(&mut self, names: impl IntoIterator<Item = T>) {
        self.add_with(names, |name| Cow::Borrowed(name));
    }

    /// The same, each as `replace` writes it.
    fn add_with<T: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = T>,
        replace: impl for<'n> Fn(&'n str) -> Cow<'n, str>,
    ) {
        for name in names {
            let name = name.as_ref();
            // Names come from dumps, and go to the terminal and into a statement.
            let is_safe = !name.chars().any(|c| escape::is_unsafe(c) || c == '\'');
            if is_safe && starts_with(name, self.typed.word) {
                let replacement = replace(name).into_owned();
                self.found.push(Offer { shown: name.to_owned(), replacement });
            }
        }
    }

    fn pairs(mut self) -> Vec<Pair> {
        self.found.sort_by(|a, b| a.shown.cmp(&b.shown));
        self.found.dedup_by(|a, b| a.shown == b.shown);
        self.found.truncate(MAX_CANDIDATES);
        let pair = |offer: Offer| Pair { display: offer.shown, replacement: offer.replacement };
        self.found.into_iter().map(pair).collect()
    }

    fn has_letter(&self) -> bool {
        !self.typed.word.is_empty()
    }

    fn first_word(&mut self) {
        if self.typed.word.starts_with('$') {
            return self.add(&self.words.references);
        }
        self.add(commands::names());
        self.add(["select", "with", "explain", "describe"].map(|word| self.cased(word)));
        self.add(FIRST_OF_PATTERNS.map(|word| self.cased(word)));
        if self.has_letter() {
            self.types();
        }
    }

    /// A keyword as the word is written: in capitals where it begins with one.
    fn cased(&self, keyword: &'static str) -> String {
        match self.typed.word.starts_with(char::is_uppercase) {
            true => keyword.to_ascii_uppercase(),
            false => keyword.to_owned(),
        }
    }

    fn formats(&mut self) {
        self.add(
            Format::value_variants()
                .iter()
                .filter_map(|format| format.to_possible_value().map(|value| value.get_name().to_owned())),
        );
        if self.has_letter() && !begins_as_sql(self.typed.before) {
            self.types();
        }
    }

    /// Types, in quotes where a pattern needs them.
    fn types(&mut self) {
        let in_quotes = self.typed.in_text || self.typed.in_quotes;
        let words = self.words;
        self.add_with(&words.types, |name| match in_quotes || name.chars().all(is_part) {
            true => Cow::Borrowed(name),
            false => Cow::Owned(format!("\"{}\"", name.replace('"', "\"\""))),
        });
    }

    fn of_command(&mut self, command: &Command) -> Argument {
        let typed = self.typed;
        let is_ours = command.by == By::Heaplake;
        let path: Vec<&str> = typed.before.split_whitespace().collect();
        if is_ours {
            let options = args::options_of(&path);
            if let Some(option) = options.iter().find(|option| option.names.contains(&typed.previous)) {
                match &option.value {
                    OptionValue::None => {}
                    OptionValue::File => return Argument::File,
                    OptionValue::Dump => {
                        self.add(&self.words.dumps);
                        return Argument::Offered;
                    }
                    OptionValue::Words(words) => {
                        self.add(words);
                        return Argument::Offered;
                    }
                    // A condition, for instance.
                    OptionValue::Other => {
                        self.condition();
                        return Argument::Offered;
                    }
                }
            }
            if typed.word.starts_with('-') {
                self.add(options.iter().filter_map(|option| option.names.first()));
                return Argument::Offered;
            }
        }
        if let Argument::File = self.positional(command.name, path.len()) {
            return Argument::File;
        }
        if is_ours && self.found.is_empty() && !self.has_letter() {
            self.add(args::options_of(&path).iter().filter_map(|option| option.names.first()));
        }
        Argument::Offered
    }

    /// The arguments of a command that are not options; `n` words stand before this one.
    fn positional(&mut self, command: &str, n: usize) -> Argument {
        let words = self.words;
        match command {
            "use" | "rm" | "verify" | "diff" | "dumps" | "trend" | "top" => self.add(&words.dumps),
            "tag" if n == 1 => self.add(&words.dumps),
            "import" | "load" | "save" => return Argument::File,
            "capture" => self.add(args::subcommands_of("capture")),
            "run" if n == 1 => self.add(library::names()),
            "run" => self.parameters(library::all().unwrap_or_default()),
            "check" => {
                self.add(library::check_names());
                if n > 1 {
                    self.parameters(library::checks().unwrap_or_default());
                }
            }
            "help" => self.add(commands::names()),
            "set" | "unset" if n == 1 => {
                self.add(words.references.iter().map(|name| name.trim_start_matches('$')));
            }
            "echo" => self.add(&words.references),
            "undo" => self.add(["all"]),
            "pager" | "timing" | "debug" => self.add(["on", "off"]),
            "width" => self.add(["auto"]),
            "info" | "tree" => {
                self.add(&words.dumps);
                if self.has_letter() || self.typed.in_text {
                    self.condition();
                }
            }
            "path" | "graph" => self.pattern(),
            "parents" | "children" | "kids" | "ancestor_types" | "cut" | "pin" | "set" => self.condition(),
            _ => {}
        }
        Argument::Offered
    }

    /// `NAME=` of the parameters of the query that was named last.
    fn parameters(&mut self, queries: Vec<library::Query>) {
        let named =
            |query: &&library::Query| self.typed.before.split_whitespace().any(|word| word == query.name);
        let last = queries.iter().filter(named).max_by_key(|query| self.typed.before.rfind(&query.name));
        let parameters = last.map(|query| query.header.parameters.as_slice()).unwrap_or_default();
        self.add(parameters.iter().map(|parameter| format!("{}=", parameter.name)));
    }

    /// A condition over objects, a pattern, or references.
    fn condition(&mut self) {
        if self.typed.in_text {
            return self.types();
        }
        let words = self.words;
        if self.typed.word.starts_with('$') {
            return self.add(&words.references);
        }
        if begins_as_sql(argument(self.typed.before)) {
            return self.sql();
        }
        self.add(&words.columns);
        if self.has_letter() {
            self.add(["and", "between", "in", "is", "like", "not", "null", "or"]);
            self.types();
        } else {
            self.add(&words.references);
        }
    }

    fn pattern(&mut self) {
        let words = self.words;
        if self.typed.in_text || self.typed.in_quotes {
            return self.types();
        }
        if self.typed.word.starts_with('$') {
            return self.add(&words.references);
        }
        if is_in_where(self.typed.before) {
            return self.condition();
        }
        self.add(OF_PATTERNS.map(|word| self.cased(word)));
        self.types();
    }

    fn sql(&mut self) {
        let (typed, words) = (self.typed, self.words);
        if typed.in_text {
            return self.types();
        }
        if typed.word.starts_with('$') {
            return self.add(&words.references);
        }
        let quote = typed.before.rfind('"').filter(|_| typed.in_quotes);
        let text = &typed.before[..quote.unwrap_or(typed.before.len())];
        let next = Next::of(text, &pieces(text));
        if let Some((qualifier, dot)) = typed.qualifier() {
            let names = match qualifier {
                "history" => &words.history_tables,
                _ if words.dumps.iter().any(|dump| dump == qualifier) => &words.tables,
                _ => &words.columns,
            };
            let head = &typed.word[..=dot];
            return self.add(names.iter().map(|name| format!("{head}{name}")));
        }
        if typed.in_quotes {
            return match next {
                Next::Table => self.add_with(&words.dumps, |name| Cow::Owned(format!("{name}\"."))),
                _ => self.add(&words.columns),
            };
        }
        match next {
            Next::Table => {
                self.add(&words.tables);
                self.add_with(&words.dumps, |name| Cow::Owned(format!("{}.", sql_name(name))));
                self.add(["history."]);
                if self.has_letter() {
                    self.add(&words.table_functions);
                }
            }
            Next::Value => {
                self.add(&words.columns);
                if self.has_letter() {
                    self.add(SQL_WORDS.map(|word| self.cased(word)));
                    self.add(&words.functions);
                }
            }
            Next::Keyword => self.add(SQL_WORDS.map(|word| self.cased(word))),
        }
    }
}

/// What stands behind the word of a command, and of `set` behind its name.
fn argument(text: &str) -> &str {
    match commands::find(text) {
        Some((command, rest)) if command.name == "set" => {
            rest.split_once(char::is_whitespace).map_or("", |(_, value)| value.trim_start())
        }
        Some((_, rest)) => rest,
        None => text,
    }
}

/// Whether the end of a pattern is within the condition of a node.
fn is_in_where(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.rfind(" where ").is_some_and(|at| {
        let rest = &text[at..];
        rest.matches('(').count() >= rest.matches(')').count()
    })
}

/// What can come next in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A table.
    Table,
    /// A column, or another value.
    Value,
    /// Behind a whole value: a keyword.
    Keyword,
}

impl Next {
    fn of(text: &str, before: &[Piece]) -> Self {
        let word = |piece: &Piece| text[piece.span.clone()].to_ascii_lowercase();
        let Some(last) = before.last() else { return Next::Value };
        let last_word = word(last);
        match last.kind {
            PieceKind::Keyword if TABLES_FOLLOW.contains(&last_word.as_str()) => Next::Table,
            PieceKind::Keyword if ["end", "null", "asc", "desc"].contains(&last_word.as_str()) => {
                Next::Keyword
            }
            PieceKind::Keyword => Next::Value,
            PieceKind::Sign if last_word == "," => {
                // Of the list that it is in: brackets in between are skipped.
                let mut depth = 0_usize;
                for piece in before.iter().rev() {
                    match word(piece).as_str() {
                        ")" => depth += 1,
                        "(" if depth == 0 => return Next::Value,
                        "(" => depth -= 1,
                        "from" if depth == 0 => return Next::Table,
                        "select" | "by" | "where" | "on" if depth == 0 => return Next::Value,
                        _ => {}
                    }
                }
                Next::Value
            }
            PieceKind::Sign if [")", "]", ";"].contains(&last_word.as_str()) => Next::Keyword,
            // All columns, unless it multiplies.
            PieceKind::Sign if last_word == "*" => {
                let factor = before.iter().rev().nth(1).map(word);
                match factor.as_deref() {
                    Some("select" | "," | "." | "distinct") | None => Next::Keyword,
                    _ => Next::Value,
                }
            }
            PieceKind::Sign | PieceKind::Arrow => Next::Value,
            _ => Next::Keyword,
        }
    }
}

/// A name as SQL takes it: in quotes where it is not in lower case, or has other signs.
fn sql_name(name: &str) -> Cow<'_, str> {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { Cow::Borrowed(name) } else { Cow::Owned(format!("\"{}\"", name.replace('"', "\"\""))) }
}

fn starts_with(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        // Types are known by what stands behind the last dot as well.
        || (!word.is_empty() && name.rsplit('.').next().is_some_and(|end| end.len() < name.len() && end.starts_with(word)))
}

/// Words that a table follows.
const TABLES_FOLLOW: [&str; 3] = ["describe", "from", "join"];

/// Words that a pattern may begin with.
const FIRST_OF_PATTERNS: [&str; 7] = ["acyclic", "all", "any", "dominated", "reach", "root", "shortest"];

/// Words of the path language.
const OF_PATTERNS: [&str; 7] = ["edges", "except", "limit", "per", "root", "where", "within"];

/// Words of SQL that are worth completing.
const SQL_WORDS: [&str; 32] = [
    "all", "and", "as", "asc", "between", "by", "case", "desc", "distinct", "else", "end", "exists", "from",
    "group", "having", "in", "is", "join", "left", "like", "limit", "not", "null", "on", "or", "order",
    "select", "then", "union", "using", "when", "where",
];

#[cfg(test)]
mod tests {
    use super::*;

    impl Words {
        /// A lake of three dumps.
        pub fn example() -> Self {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Self {
                dumps: list(&["before", "later", "web-1"]),
                tables: list(&["obj", "type_stat"]),
                history_tables: list(&["obj", "trend_of"]),
                columns: list(&["address", "size"]),
                table_functions: list(&["parents", "path"]),
                functions: list(&["abs", "signum"]),
                types: list(&["dict", "shop.Catalog", "odd type", "\u{1b}[1m", "Combined"]),
                references: list(&["$leak"]),
            }
        }
    }

    fn found(line: &str) -> Vec<String> {
        candidates(&Words::example(), line, line.len()).1.into_iter().map(|pair| pair.replacement).collect()
    }

    #[test]
    fn completes_what_may_stand_there() {
        for (line, expected) in [
            ("use l", &["later"] as &[&str]),
            ("use ", &["before", "later", "web-1"]),
            ("stats; use l", &["later"]),
            ("tag ", &["before", "later", "web-1"]),
            ("top --dump l", &["later"]),
            ("select addr", &["address"]),
            ("select ", &["address", "size"]),
            ("select si", &["signum", "size"]),
            ("select size, ", &["address", "size"]),
            ("select * from obj where si", &["signum", "size"]),
            ("select * from obj where size > ", &["address", "size"]),
            ("select * from ", &["before.", "history.", "later.", "obj", "type_stat", "\"web-1\"."]),
            ("select * from obj, t", &["type_stat"]),
            ("select * from obj join p", &["parents", "path"]),
            ("select * from web", &["\"web-1\"."]),
            ("select * from \"we", &["web-1\"."]),
            ("select * from \"web-1\".o", &[".obj"]),
            ("select * from history.", &["history.obj", "history.trend_of"]),
            ("select * from later.ty", &["later.type_stat"]),
            ("select o.si", &["o.size"]),
            ("select * from obj wh", &["when", "where"]),
            ("select * from obj order by size d", &["desc", "distinct"]),
            ("root ..> Comb", &["Combined"]),
            ("root ->Comb", &["Combined"]),
            ("root ..> Cata", &["shop.Catalog"]),
            ("root ..> (x: Combined WHERE si", &["size"]),
            ("select * from obj where type = 'di", &["dict"]),
            ("select * from obj where type = 'odd", &["odd type"]),
            ("root ..> odd", &["\"odd type\""]),
            ("info $l", &["$leak"]),
            ("parents $l", &["$leak"]),
            ("parents si", &["size"]),
            ("cut type = 'Co", &["Combined"]),
            ("set le", &["leak"]),
            ("set x select * from t", &["type_stat"]),
            ("run histo", &["histogram"]),
            ("run biggest l", &["limit="]),
            ("check max_t", &["max_total"]),
            ("check max_total li", &["limit="]),
            ("help timi", &["timing"]),
            ("timing ", &["off", "on"]),
            ("diff --by ho", &["holder"]),
            ("diff --by=ho", &["holder"]),
            ("top --b", &["--by"]),
            ("top --by ", &["module", "object", "type"]),
            ("diff --format nd", &["ndjson"]),
            ("select 1 | nd", &["ndjson"]),
            ("root ..> A | Comb", &["Combined"]),
            ("capture scr", &["script"]),
            ("pare", &["parents"]),
            ("SEL", &["SELECT"]),
            ("stats ", &[]),
            ("gc ", &[]),
        ] {
            assert_eq!(found(line), expected, "{line}");
        }
        assert!(found("he").contains(&"help".to_owned()));
        // A name that would do something to the terminal is not offered.
        assert_eq!(found("select '"), ["Combined", "dict", "odd type", "shop.Catalog"]);
    }

    #[test]
    fn files_are_completed_where_a_command_takes_one() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a one.json", "b.json", "\u{1b}[1m"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let path = folder.path().display();
        for command in ["import", "load", "save", "diff -o", "graph --output", "select 1 | csv >"] {
            let names = found(&format!("{command} {path}/"));
            assert_eq!(names, [format!("{path}/a\\ one.json"), format!("{path}/b.json")], "{command}");
        }
    }

    #[test]
    fn words_are_in_order() {
        assert!(SQL_WORDS.is_sorted() && OF_PATTERNS.is_sorted() && FIRST_OF_PATTERNS.is_sorted());
    }
}
