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
/// is complete; a query of columns without FROM, and what ends in a comma, an operator or a word that something has to
/// follow, is not. A `;` ends it, unless it stands in a text.
pub fn is_complete(text: &str) -> bool {
    let text = text.trim_end();
    if text.is_empty() || (text.ends_with(';') && !ends_in_text(&pieces(text))) {
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

/// Whether the argument of a command goes on after the text: a condition, a list of objects, a pattern or a query, in which
/// a text or a bracket is open, or whose end asks for more.
pub fn is_open(text: &str) -> bool {
    let is_query = first_word(text).is_some_and(|word| ["select", "with"].contains(&word.as_str()));
    if is_query || !matches!(statements::pattern(text), Ok(None)) {
        return !is_complete(text);
    }
    if Tokenizer::new(&GenericDialect {}, text).tokenize().is_err() {
        return true;
    }
    let pieces = visible(sql(text, 0));
    depths(text, &pieces).last().is_some_and(|depth| *depth > 0) || asks_for_more(text, &pieces)
}

/// Whether a query says, outside of its brackets, where its rows are from.
pub fn has_from(text: &str) -> bool {
    let pieces = visible(sql(text, 0));
    let depths = depths(text, &pieces);
    pieces.iter().zip(depths).any(|(piece, depth)| depth == 0 && is_keyword(text, piece, &["from"]))
}

/// Whether a statement begins with a word of SQL that can be asked.
pub fn begins_as_sql(text: &str) -> bool {
    let words = ["select", "with", "explain", "describe", "show", "from", "values"];
    first_word(text).is_some_and(|word| words.contains(&word.as_str()))
}

fn first_word(text: &str) -> Option<String> {
    Some(text.split_whitespace().next()?.to_ascii_lowercase())
}

/// Whether the last piece is a text or a comment, so that a sign at the end of a statement is not one.
fn ends_in_text(pieces: &[Piece]) -> bool {
    pieces.last().is_some_and(|piece| matches!(piece.kind, PieceKind::Text | PieceKind::Comment))
}

fn visible(pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.into_iter().filter(|piece| piece.kind != PieceKind::Comment).collect()
}

fn is_keyword(text: &str, piece: &Piece, words: &[&str]) -> bool {
    piece.kind == PieceKind::Keyword
        && words.contains(&text[piece.span.clone()].to_ascii_lowercase().as_str())
}

/// How many brackets are open after each piece.
fn depths(text: &str, pieces: &[Piece]) -> Vec<usize> {
    let mut depth = 0_usize;
    let step = |piece: &Piece| {
        match &text[piece.span.clone()] {
            "(" | "[" | "{" if piece.kind == PieceKind::Sign => depth += 1,
            ")" | "]" | "}" if piece.kind == PieceKind::Sign => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth
    };
    pieces.iter().map(step).collect()
}

/// Words of SQL after which something has to come.
const UNFINISHED: [&str; 34] = [
    "and",
    "as",
    "between",
    "by",
    "case",
    "cross",
    "distinct",
    "else",
    "except",
    "exists",
    "from",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "is",
    "join",
    "left",
    "like",
    "natural",
    "not",
    "on",
    "or",
    "order",
    "over",
    "right",
    "select",
    "then",
    "union",
    "using",
    "when",
    "where",
];

/// Whether a CASE is without its END.
fn has_open_case(text: &str, pieces: &[Piece]) -> bool {
    let count = |word: &str| pieces.iter().filter(|piece| is_keyword(text, piece, &[word])).count();
    count("case") > count("end")
}

/// Whether the last piece is one that something has to follow: a comma, an operator, or a word such as `where`.
fn asks_for_more(text: &str, pieces: &[Piece]) -> bool {
    let Some(last) = pieces.last() else { return false };
    match last.kind {
        PieceKind::Keyword => is_keyword(text, last, &UNFINISHED),
        PieceKind::Sign => {
            let sign = &text[last.span.clone()];
            [",", "=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "/", "%", "||", ".", "::", "&", "^", "~"]
                .contains(&sign)
        }
        _ => false,
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
    let pieces = visible(pieces);
    // The parser overlooks a comma at the end of a list, and takes an `order` at the end for the mistake.
    if asks_for_more(text, &pieces) || has_open_case(text, &pieces) {
        return false;
    }
    match parsed {
        Ok(_) => !lacks_from(text, &pieces),
        Err(error) => !error.to_string().contains("found: EOF"),
    }
}

/// Whether it is a query that names columns but not yet of what. Subqueries have columns and a FROM of their own.
fn lacks_from(text: &str, pieces: &[Piece]) -> bool {
    let word = |piece: &Piece| text[piece.span.clone()].to_ascii_lowercase();
    let explained =
        pieces.iter().take_while(|piece| is_keyword(text, piece, &["explain", "analyze", "verbose"]));
    let outer = without_subqueries(text, &pieces[explained.count()..]);
    let is_select = outer.first().is_some_and(|piece| word(piece) == "select");
    if !is_select || outer.iter().any(|piece| is_keyword(text, piece, &["from"])) {
        return false;
    }
    outer.windows(2).enumerate().any(|(at, pair)| {
        let follows = outer.get(at + 2).map(|piece| word(piece));
        let is_call = follows.as_deref() == Some("(");
        let names = pair[1].kind == PieceKind::Name && !is_call && word(pair[0]) != "as";
        let all = word(pair[1]) == "*" && matches!(word(pair[0]).as_str(), "select" | "(" | "," | ".");
        names || all
    })
}

/// The pieces that stand in no subquery. A FROM in brackets that is of none, as in `extract(day from taken)`, is left out.
fn without_subqueries<'p>(text: &str, pieces: &'p [Piece]) -> Vec<&'p Piece> {
    let depths = depths(text, pieces);
    let mut outer = Vec::new();
    // How deep the brackets around the subquery are.
    let mut subquery = None;
    for (at, piece) in pieces.iter().enumerate() {
        if subquery.is_none() && depths[at] > 0 && is_keyword(text, piece, &["select", "with"]) {
            subquery = Some(depths[at]);
        }
        if subquery.is_some_and(|depth| depths[at] < depth) {
            subquery = None;
        }
        if subquery.is_none() && !(depths[at] > 0 && is_keyword(text, piece, &["from"])) {
            outer.push(piece);
        }
    }
    outer
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
            ("select type,", false),
            ("select 1,", false),
            ("select 1 -- why;", true),
            ("select type -- why;", false),
            ("select 'a;", false),
            ("select (1;", true),
            ("select type, (select count(*) from type_stat)", false),
            ("select (select max(size) from type_stat)", true),
            ("select extract(day from taken)", false),
            ("explain select type", false),
            ("select case when 1 = 1 then 2", false),
            ("select case when 1 = 1 then 2 end", true),
            ("select * from obj order", false),
            ("select 1 union", false),
            ("select 1 +", false),
            ("select 2 *", false),
            ("select * from obj where type =", false),
            ("select * from obj where type = 'a' and", false),
            ("select * from obj order by size desc,", false),
            ("select * from obj o left", false),
            ("select * from", false),
        ] {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }

    #[test]
    fn arguments_go_on_where_something_is_open() {
        for (text, open) in [
            ("", false),
            ("type = 'a'", false),
            ("type = 'a", true),
            ("type in ('a',", true),
            ("type in ('a')", false),
            ("size >", true),
            ("type = 'a' and", true),
            ("#2.5", false),
            ("0x7f00^", false),
            ("$leak&", false),
            ("'a text'", false),
            ("select address", true),
            ("select address from obj", false),
            ("root ..>", true),
            ("root ..> A", false),
            ("from \"type = 'A'\" to \"type", true),
        ] {
            assert_eq!(is_open(text), open, "{text}");
        }
    }

    #[test]
    fn a_query_says_where_its_rows_are_from_outside_of_brackets() {
        for (text, found) in [
            ("select 1", false),
            ("select type from obj", true),
            ("select (select 1 from obj)", false),
            ("select extract(day from taken)", false),
            ("select 'from'", false),
        ] {
            assert_eq!(has_from(text), found, "{text}");
        }
    }
}
