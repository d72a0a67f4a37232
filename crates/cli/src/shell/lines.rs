//! Where commands and statements begin and end in what was typed, and what stands behind `|`.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum as _;
use heaplake_engine::{Piece, PieceKind, has_from, is_complete, is_open, is_pattern, pieces};

use super::commands;
use crate::output::Format;

/// A command before a `;`, and what follows it; none where nothing does.
pub(super) fn first_command(text: &str) -> Option<(&str, &str)> {
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
pub(super) fn slip(text: &str) -> Option<String> {
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

/// Lines of a statement after which only a `;` or an empty line ends it.
const MAX_ASKED: usize = 1000;

/// The lines that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// How many, at least one.
    pub(super) n_lines: usize,
    /// Whether it ends there. If not, the lines were all that there are.
    pub(super) is_finished: bool,
}

/// The first command or statement of some lines, up to where it is complete: what was typed, pasted or written in a file.
pub(super) fn unit(lines: &[String]) -> Unit {
    let is_command = commands::find(&lines[0]).is_some();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        text += line;
        text.push('\n');
        let end = line.trim_end();
        let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
        let is_finished = if at > 0 && end.is_empty() {
            true
        } else if end.ends_with('\\') {
            false
        } else if is_command {
            command_is_whole(&text)
        } else if end.ends_with(';') {
            is_whole(&text)
        } else {
            // The parser is asked last: it reads all lines again.
            let goes_on = next.is_some_and(|next| continues(&text, next));
            !goes_on && at < MAX_ASKED && is_whole(&text)
        };
        if is_finished {
            return Unit { n_lines: at + 1, is_finished };
        }
    }
    Unit { n_lines: lines.len(), is_finished: false }
}

/// Whether a command with what it takes ends where the text does. Only conditions, patterns and queries can go on.
fn command_is_whole(text: &str) -> bool {
    let takes_objects = ["info", "parents", "children", "kids", "ancestor_types", "path", "cut", "pin"];
    match (commands::find(text), redirection(text)) {
        (Some((command, rest)), Ok((_, None))) if takes_objects.contains(&command.name) => !is_open(rest),
        (Some((command, rest)), Ok((_, None))) if command.name == "set" => {
            let value = rest.split_once(char::is_whitespace).map_or("", |(_, value)| value);
            !is_open(value.trim_start().trim_start_matches('='))
        }
        _ => true,
    }
}

/// Whether a line goes on with a statement that could also end before it: it begins with what no statement begins with.
pub(super) fn continues(text: &str, line: &str) -> bool {
    let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with("--");
    let line = line.trim_start();
    let word = line.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
    if text.lines().all(is_comment)
        || ["->", "..", "<-", "-.", "-["].iter().any(|arrow| line.starts_with(arrow))
    {
        return true;
    }
    let begins_so = line.starts_with([',', ')', '|', '=', '+', '*'])
        || (word == "FROM" && !has_from(text))
        || CONTINUATIONS.contains(&word.as_str());
    // A pattern may begin with any object, and with a type that is named like one of the words.
    begins_so && !is_pattern(line)
}

/// Words that a line may begin with, but no statement.
const CONTINUATIONS: [&str; 30] = [
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "CROSS",
    "DESC",
    "ELSE",
    "END",
    "EXCEPT",
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
pub(super) fn is_whole(text: &str) -> bool {
    match redirection(text) {
        Ok((_, None)) => is_complete(text),
        // Where the rows go is said last, also when it is said wrongly.
        Ok((_, Some(_))) | Err(_) => true,
    }
}

/// What stands before `| FORMAT`, `| FORMAT > FILE` or `| > FILE` at the end of a text, and that.
type Redirection<'t> = (&'t str, Option<(Format, Option<PathBuf>)>);

pub(super) fn redirection(text: &str) -> Result<Redirection<'_>> {
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
pub(super) fn words_of(text: &str) -> Option<Vec<String>> {
    const MARK: &str = "\u{e000}";
    let words = shlex::split(&text.replace('#', MARK))?;
    Some(words.into_iter().map(|word| word.replace(MARK, "#")).collect())
}

/// `on` or `off`; without a word the other of what it is.
pub(super) fn switch(word: &str, is_on: bool) -> Result<bool> {
    match word {
        "" => Ok(!is_on),
        "on" => Ok(true),
        "off" => Ok(false),
        other => bail!("on or off is expected, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::random::Random, *};

    /// The statements and commands of a script.
    fn units(text: &str) -> Vec<String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (mut at, mut found) = (0, Vec::new());
        while at < lines.len() {
            let n = unit(&lines[at..]).n_lines;
            found.extend(Some(lines[at..at + n].join(" ").trim().to_owned()).filter(|unit| !unit.is_empty()));
            at += n;
        }
        found
    }

    #[test]
    fn scripts_are_cut_between_statements() {
        for (text, expected) in [
            ("stats\nselect 1\nstats", &["stats", "select 1", "stats"] as &[&str]),
            (
                "select type\nfrom obj\nwhere size > 1\nselect 2",
                &["select type from obj where size > 1", "select 2"],
            ),
            ("select 1\nas a;\nroot ..> A\n-> B\nA -> B", &["select 1 as a;", "root ..> A -> B", "A -> B"]),
            ("-- why\nselect 1\n\nselect (\n\nstats", &["-- why select 1", "select (", "stats"]),
            ("root ..> A | json > x.json\nselect 1 | csv", &["root ..> A | json > x.json", "select 1 | csv"]),
            ("select 'a\n;b'\nfrom obj", &["select 'a ;b' from obj"]),
            ("select 'a;\nb'\nselect 2", &["select 'a; b'", "select 2"]),
            ("select type,\ncount\nfrom obj\norder by size", &["select type, count from obj order by size"]),
            ("select 1,\n2\nselect 3", &["select 1, 2", "select 3"]),
            ("from obj\nfrom type_stat", &["from obj", "from type_stat"]),
            ("select 1\n* ..> A\nleft -> A", &["select 1", "* ..> A", "left -> A"]),
            ("cut type in (\n'a'\n)\nstats", &["cut type in ( 'a' )", "stats"]),
            (
                "set x select address,\ntype from obj\nstats",
                &["set x select address, type from obj", "stats"],
            ),
            ("parents size >\n\nstats", &["parents size >", "stats"]),
            ("echo it's (\nstats", &["echo it's (", "stats"]),
        ] {
            assert_eq!(units(text), expected, "{text}");
        }
    }

    #[test]
    fn rows_go_where_the_end_of_a_text_says() {
        for (text, before, target) in [
            ("select 1 | csv", "select 1", Some((Format::Csv, None))),
            ("top --by type | csv > 'a b.csv';", "top --by type", Some((Format::Csv, Some("a b.csv")))),
            ("root ..> A | > x.parquet", "root ..> A", Some((Format::Parquet, Some("x.parquet")))),
            ("root ..> A|B", "root ..> A|B", None),
            ("select '| csv'", "select '| csv'", None),
            ("select 1 -- | csv > x", "select 1 -- | csv > x", None),
            ("echo 'a | csv'", "echo 'a | csv'", None),
            ("select 1 || 2", "select 1 || 2", None),
        ] {
            let target = target.map(|(format, file): (_, Option<&str>)| (format, file.map(PathBuf::from)));
            assert_eq!(redirection(text).expect(text), (before, target), "{text}");
        }
        assert!(redirection("select 1 | > x.nothing").is_err());
        assert!(redirection("select 1 | csv > a b").is_err());
    }

    /// Whatever a script contains, it is cut into statements, and nothing is lost.
    #[test]
    fn no_text_panics() {
        let mut random = Random::new(2);
        for _ in 0..5_000 {
            let text = random.text(12);
            let _ = (redirection(&text), words_of(&text), slip(&text));
            if let Some((first, rest)) = first_command(&text) {
                assert!(text.starts_with(first) && text.trim_end().ends_with(rest), "{text:?}");
            }
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let mut at = 0;
            while at < lines.len() {
                let n = unit(&lines[at..]).n_lines;
                assert!(n > 0 && at + n <= lines.len(), "{text:?}");
                at += n;
            }
        }
    }

    #[test]
    fn words_keep_their_references() {
        assert_eq!(words_of("#1.1 -o 'a b' $x^").expect("words"), ["#1.1", "-o", "a b", "$x^"]);
        assert_eq!(words_of("'a"), None);
    }
}
