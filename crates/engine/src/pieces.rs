//! Statements as an editor sees them: which piece is a keyword, a text, a reference, and whether more is to come.

use std::ops::Range;

use datafusion::sql::{
    parser::DFParserBuilder,
    sqlparser::{
        dialect::GenericDialect,
        keywords::Keyword,
        tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace},
    },
};
use heaplake_pathql::{Token as PathToken, TokenKind};

use crate::statements::{self, Offsets};

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: PieceKind,
}

/// What a piece of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// A word of SQL or of the path language.
    Keyword,
    /// A name of a table, column, function or type.
    Name,
    /// A number or an address.
    Number,
    /// A text in quotes, or a regular expression.
    Text,
    /// A comment.
    Comment,
    /// An arrow.
    Arrow,
    /// Punctuation.
    Sign,
    /// A reference of the shell in SQL: `#2`, `#2.5`, `#2.type`, `$name`, and with `^` or `&` behind also a number.
    Reference,
    /// The same as an object of a path pattern.
    Object,
}

/// Words of the path language that are no types.
const PATH_WORDS: [&str; 21] = [
    "root",
    "any",
    "shortest",
    "all",
    "acyclic",
    "reach",
    "dominated",
    "types",
    "except",
    "edges",
    "per",
    "within",
    "limit",
    "where",
    "and",
    "or",
    "not",
    "in",
    "is",
    "like",
    "null",
];

/// The pieces of one statement, SQL or a path pattern, in their order. White space is in none, nor is what follows a
/// mistake that no lexer gets over.
pub fn pieces(text: &str) -> Vec<Piece> {
    match pattern_span(text) {
        Some(span) => {
            let mut found = sql(&text[..span.start], 0);
            found.extend(path(&text[span.clone()], span.start));
            found
        }
        None => sql(text, 0),
    }
}

/// Whether a statement is a path pattern and not SQL.
pub fn is_pattern(text: &str) -> bool {
    pattern_span(text).is_some()
}

/// Whether a statement may end where the text does. What is wrong in the middle does not get right by more text, so it
/// is complete; a query of columns without FROM is not.
pub fn is_complete(text: &str) -> bool {
    let text = text.trim_end();
    if text.ends_with(';') || text.is_empty() {
        return true;
    }
    if let Some(span) = pattern_span(text) {
        let pattern = &text[span];
        return match heaplake_pathql::parse(pattern) {
            Ok(_) => true,
            Err(error) => error.span.end < pattern.len(),
        };
    }
    match statements::pattern(text) {
        // A pattern that is not closed.
        Err(_) => false,
        Ok(_) => is_complete_sql(text),
    }
}

fn pattern_span(text: &str) -> Option<Range<usize>> {
    statements::pattern(text).ok().flatten()
}

fn is_complete_sql(text: &str) -> bool {
    let pieces = sql(text, 0);
    // A reference may stand where a value or a name does; a number is either.
    let mut plain = text.to_owned();
    for piece in pieces.iter().rev().filter(|piece| piece.kind == PieceKind::Reference) {
        plain.replace_range(piece.span.clone(), "0");
    }
    if Tokenizer::new(&GenericDialect {}, &plain).tokenize().is_err() {
        return false;
    }
    let parsed =
        DFParserBuilder::new(plain.as_str()).build().and_then(|mut parser| parser.parse_statements());
    match parsed {
        Ok(_) => !lacks_from(text, &pieces),
        Err(error) => !error.to_string().contains("found: EOF"),
    }
}

/// Whether it is a query that names columns but not yet of what.
fn lacks_from(text: &str, pieces: &[Piece]) -> bool {
    let word = |piece: &Piece| text[piece.span.clone()].to_ascii_lowercase();
    let visible: Vec<&Piece> = pieces.iter().filter(|piece| piece.kind != PieceKind::Comment).collect();
    let is_select = visible.first().is_some_and(|piece| word(piece) == "select");
    if !is_select || visible.iter().any(|piece| piece.kind == PieceKind::Keyword && word(piece) == "from") {
        return false;
    }
    visible.windows(2).enumerate().any(|(at, pair)| {
        let follows = visible.get(at + 2).map(|piece| word(piece));
        let is_call = follows.as_deref() == Some("(");
        let names = pair[1].kind == PieceKind::Name && !is_call && word(pair[0]) != "as";
        let all = word(pair[1]) == "*" && matches!(word(pair[0]).as_str(), "select" | "(" | "," | ".");
        names || all
    })
}

/// The pieces of SQL, `base` bytes into the statement.
fn sql(text: &str, base: usize) -> Vec<Piece> {
    let mut tokens = Vec::new();
    let outcome = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location_into_buf(&mut tokens);
    let mut offsets = Offsets::new(text);
    let starts: Vec<usize> = tokens.iter().map(|token| offsets.of(token.span.start)).collect();
    let end_of = |at: usize| match starts.get(at + 1) {
        Some(start) => *start,
        None if outcome.is_ok() => text.len(),
        None => starts[at] + tokens[at].token.to_string().len().min(text.len() - starts[at]),
    };
    let mut found: Vec<Piece> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start = starts[at];
        if let Some(end) = reference_end(text, start, &tokens[at]) {
            found.push(Piece { span: base + start..base + end, kind: PieceKind::Reference });
            while at < tokens.len() && starts[at] < end {
                at += 1;
            }
            continue;
        }
        if let Some(kind) = kind_of(&tokens[at].token) {
            let end = start + text[start..end_of(at)].trim_end().len();
            found.push(Piece { span: base + start..base + end, kind });
        }
        at += 1;
    }
    if outcome.is_err() {
        // A text or a comment that is not closed.
        let from = found.last().map_or(0, |piece| piece.span.end - base);
        let rest = &text[from..];
        let start = from + (rest.len() - rest.trim_start().len());
        if start < text.len() {
            found.push(Piece { span: base + start..base + text.len(), kind: PieceKind::Text });
        }
    }
    found
}

fn kind_of(token: &Token) -> Option<PieceKind> {
    Some(match token {
        Token::EOF => return None,
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
            PieceKind::Comment
        }
        Token::Whitespace(_) => return None,
        Token::Word(word) if word.quote_style.is_some() => PieceKind::Name,
        Token::Word(word) if word.keyword != Keyword::NoKeyword && !is_column(&word.value) => {
            PieceKind::Keyword
        }
        Token::Word(_) => PieceKind::Name,
        Token::Number(..) => PieceKind::Number,
        Token::Char(_) | Token::Placeholder(_) => PieceKind::Sign,
        token if token.to_string().contains('\'') || token.to_string().starts_with('$') => PieceKind::Text,
        _ => PieceKind::Sign,
    })
}

/// Whether a word that SQL has a use for is the name of a column here.
fn is_column(word: &str) -> bool {
    ["type", "name", "value", "size", "kind", "label", "count", "address", "dump", "len", "parent", "taken"]
        .contains(&word.to_ascii_lowercase().as_str())
}

/// Where the reference ends that begins at `start`, which is where `token` does; none where it is none.
fn reference_end(text: &str, start: usize, token: &TokenWithSpan) -> Option<usize> {
    let rest = &text[start..];
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let length =
        |text: &str, is_part: &dyn Fn(char) -> bool| text.find(|c| !is_part(c)).unwrap_or(text.len());
    let mut end = match rest.as_bytes().first()? {
        b'#' => {
            let result = 1 + length(&rest[1..], &|c| c.is_ascii_digit());
            if result == 1 {
                return None;
            }
            match rest[result..].strip_prefix('.') {
                Some(item) if item.starts_with(is_part) => result + 1 + length(item, &is_part),
                _ => result,
            }
        }
        b'$' if matches!(token.token, Token::Placeholder(_))
            && rest[1..].starts_with(|c: char| c.is_alphabetic() || c == '_') =>
        {
            1 + length(&rest[1..], &is_part)
        }
        b'@' | b'0'..=b'9'
            if matches!(
                token.token,
                Token::Number(..) | Token::Word(_) | Token::HexStringLiteral(_) | Token::AtSign
            ) =>
        {
            let sign = usize::from(rest.starts_with('@'));
            sign + length(&rest[sign..], &|c| c.is_ascii_alphanumeric())
        }
        _ => return None,
    };
    let steps = length(&rest[end..], &|c| matches!(c, '^' | '&'));
    let is_address = rest.starts_with(|c: char| c == '@' || c.is_ascii_digit());
    if is_address && (steps == 0 || !ends_operand(&rest[end + steps..])) {
        // An address alone is one where objects are meant; in SQL, @ has no other meaning.
        return (rest.starts_with('@') && end > 1).then_some(start + end);
    }
    end += steps;
    // A column of a table with such a name is none.
    let goes_on = rest[end..].strip_prefix('.').is_some_and(|rest| rest.starts_with(is_part));
    (!goes_on).then_some(start + end)
}

/// Words of SQL that an operand cannot begin with.
const NO_OPERANDS: [&str; 24] = [
    "and", "as", "asc", "between", "cross", "desc", "else", "end", "from", "full", "group", "having", "in",
    "inner", "is", "join", "left", "limit", "on", "or", "order", "then", "union", "where",
];

/// Whether no operand follows, so that `^` or `&` before it is no operator between two.
fn ends_operand(rest: &str) -> bool {
    let next = rest.trim_start();
    let word: String = next.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if !word.is_empty() {
        return next.len() < rest.len() && NO_OPERANDS.contains(&word.to_ascii_lowercase().as_str());
    }
    !next.starts_with(['(', '\'', '"', '#', '$', '@', '-', '+', '~'])
}

/// The pieces of a pattern, `base` bytes into the statement.
fn path(text: &str, base: usize) -> Vec<Piece> {
    let (tokens, _) = heaplake_pathql::tokens_of_statement(text);
    let mut found = Vec::new();
    for PathToken { kind, span } in tokens {
        let kind = match kind {
            TokenKind::Where(predicate) => {
                let at = span.start + text[span.clone()].rfind(&predicate).unwrap_or_default();
                found
                    .push(Piece { span: base + span.start..base + span.start + 5, kind: PieceKind::Keyword });
                found.extend(sql(&text[at..at + predicate.len()], base + at));
                continue;
            }
            TokenKind::Word(word) if PATH_WORDS.contains(&word.to_ascii_lowercase().as_str()) => {
                PieceKind::Keyword
            }
            TokenKind::Word(_) | TokenKind::Quoted(_) => PieceKind::Name,
            TokenKind::Regex(_) => PieceKind::Text,
            TokenKind::Shell(_) => PieceKind::Object,
            TokenKind::Address(_) | TokenKind::Number(_) => PieceKind::Number,
            TokenKind::Arrow { .. } => PieceKind::Arrow,
            _ => PieceKind::Sign,
        };
        found.push(Piece { span: base + span.start..base + span.end, kind });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(text: &str) -> Vec<&str> {
        let is_reference = |piece: &Piece| matches!(piece.kind, PieceKind::Reference | PieceKind::Object);
        pieces(text).into_iter().filter(is_reference).map(|piece| &text[piece.span]).collect()
    }

    #[test]
    fn finds_references_and_no_others() {
        for (text, found) in [
            ("select * from #2", &["#2"] as &[&str]),
            (
                "select #2.5, #12.address, $leak, $x^^, #2.5& from t",
                &["#2.5", "#12.address", "$leak", "$x^^", "#2.5&"],
            ),
            ("select * from obj where address in (0&)", &["0&"]),
            ("select * from obj where address in (0x7f00^^) and 5 & 3 > 2 ^ 4", &["0x7f00^^"]),
            ("select * from obj where address = @140", &["@140"]),
            ("select '#2.5 $x', \"#2.5\" -- $x\n, /* #1.1 */ $y", &["$y"]),
            ("select 'it''s $x', $z", &["$z"]),
            ("#2.5 ..> A", &["#2.5"]),
            ("root ..> $x^&..> (A WHERE address in (#3.address) and name = '$no')", &["$x^&", "#3.address"]),
            ("0& ..> \"$no\" -> /$no/ EXCEPT #2", &["0&", "#2"]),
            ("select 2^3, 6&3, 2& size, 64 &size, 64& (1)", &[]),
            ("select $a$hi$a$, $x$ $leak $x$, $b", &["$b"]),
            ("select #1.1.size", &[]),
            ("select 0& from t", &["0&"]),
            ("select a#2 from t", &[]),
        ] {
            assert_eq!(references(text), found, "{text}");
        }
    }

    #[test]
    fn pieces_are_in_order_and_within_the_text() {
        for text in [
            "select 'é",
            "root ..> (A WHERE 'ö",
            "select \"a",
            "/* x",
            "é -> $",
            "#",
            "$",
            "select 1 #x",
            "@",
        ] {
            let mut end = 0;
            for piece in pieces(text) {
                assert!(piece.span.start >= end && piece.span.end > piece.span.start, "{text}: {piece:?}");
                assert!(text.get(piece.span.clone()).is_some(), "{text}: {piece:?}");
                end = piece.span.end;
            }
        }
    }

    #[test]
    fn a_statement_ends_when_nothing_is_open() {
        for (text, complete) in [
            ("select 1", true),
            ("select *", false),
            ("select type, count(*)", false),
            ("select count(*) from obj", true),
            ("select count(*) from obj where", false),
            ("select count(*) from obj where (", false),
            ("select 'a", false),
            ("select 'a\nb'", true),
            ("select 1 as a", true),
            ("select max(1)", true),
            ("with a as (select 1 as x)", false),
            ("with a as (select 1 as x) select x from a", true),
            ("selct x;", true),
            ("select x from t wher", true),
            ("selec 1", true),
            ("root ..>", false),
            ("root ..> A", true),
            ("root ..> (A", false),
            ("root ..> (A WHERE x", false),
            ("root => A", true),
            ("select * from #2 where address = #2.5", true),
            ("select * from obj where address in (#2.5^^", false),
            ("/* a", false),
            ("", true),
        ] {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }
}
