//! Splits a text into statements, with the tokenizer of the SQL parser, so that strings and comments keep their `;`.
//!
//! A statement may be a path pattern. Its quotes and regular expressions are no tokens of SQL; where it ends is for the
//! lexer of patterns to say. As SQL it is a call of `path`, with the pattern as a literal.

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};
use heaplake_pathql::TokenKind;

use crate::{Result, path};

/// Words that SQL begins with. What begins with one is a pattern only where it has an arrow and no mistake: `set ..> dict`.
const SQL: [&str; 46] = [
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "BEGIN",
    "CALL",
    "CLOSE",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DETACH",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "FROM",
    "GRANT",
    "INSERT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "MERGE",
    "PRAGMA",
    "PREPARE",
    "REFRESH",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UPDATE",
    "USE",
    "VALUES",
    "WITH",
];

/// The statements of a text as SQL, without the `;` and without those that hold nothing but comments.
pub(crate) fn split(text: &str) -> Result<Vec<String>> {
    let as_sql = |statement: Split| match statement.pattern {
        Some(pattern) => {
            format!("{}SELECT * FROM path('{}')", statement.text, pattern.replace('\'', "''"))
        }
        None => statement.text,
    };
    Ok(split_as_written(text)?.into_iter().map(as_sql).collect())
}

/// A statement as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// SQL; of a pattern the comments before it.
    pub text: String,
    /// A path pattern.
    pub pattern: Option<String>,
}

/// The statements of a text, without the `;` and without those that hold nothing but comments.
pub fn split_as_written(text: &str) -> Result<Vec<Split>> {
    let mut statements = Vec::new();
    let mut start = 0;
    while start < text.len() {
        start = split_from(text, start, &mut statements)?;
    }
    Ok(statements)
}

/// Adds the statements after `base`, up to the first pattern or the end, and returns where that ends.
fn split_from(text: &str, base: usize, statements: &mut Vec<Split>) -> Result<usize> {
    let sql = |text: &str| Split { text: text.trim().to_owned(), pattern: None };
    let mut tokens = Vec::new();
    // What is no SQL may be a pattern, whose `'` is none of SQL's: a mistake counts only if it is not in one.
    let outcome =
        Tokenizer::new(&GenericDialect {}, &text[base..]).tokenize_with_location_into_buf(&mut tokens);
    let mut offsets = Offsets::new(&text[base..]);
    let (mut start, mut is_empty) = (base, true);
    for (idx, token) in tokens.iter().enumerate() {
        match token.token {
            Token::SemiColon => {
                let end = base + offsets.of(token.span.start);
                if !is_empty {
                    statements.push(sql(&text[start..end]));
                }
                (start, is_empty) = (end + 1, true);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ if is_empty => {
                let first = base + offsets.of(token.span.start);
                if let Some(end) = pattern_end(text, first, begins_as_sql(&tokens[idx..]))? {
                    let comments = text[start..first].trim_start();
                    let pattern = Some(text[first..end].trim_end().to_owned());
                    statements.push(Split { text: comments.to_owned(), pattern });
                    return Ok(end + 1);
                }
                is_empty = false;
            }
            _ => {}
        }
    }
    if let Err(error) = outcome {
        let at = base + offsets.of(error.location);
        return Err(path::spanned(text, &(at..at + 1), &error.message));
    }
    if !is_empty {
        statements.push(sql(&text[start..]));
    }
    Ok(text.len())
}

/// Where the pattern ends that begins at `start`; none where what begins there is no pattern.
fn pattern_end(text: &str, start: usize, begins_as_sql: bool) -> Result<Option<usize>> {
    let rest = &text[start..];
    let (tokens, end) = heaplake_pathql::tokens_of_statement(rest);
    let has_arrow = tokens.iter().any(|token| matches!(token.kind, TokenKind::Arrow { .. }));
    Ok(match end {
        Ok(end) => {
            let is_whole = heaplake_pathql::parse(&rest[..end]).is_ok();
            // With an arrow, but wrong, it is a pattern with a mistake, which is told when it runs.
            // A word alone would be a pattern, too, but it is rather a mistake.
            let is_pattern = if begins_as_sql {
                has_arrow && is_whole
            } else {
                has_arrow || (is_whole && tokens.len() > 1)
            };
            is_pattern.then_some(start + end)
        }
        Err(error) if has_arrow && !begins_as_sql => {
            let span = start + error.span.start..start + error.span.end;
            return Err(path::of_pattern(text, &heaplake_pathql::Error { span, ..error }));
        }
        Err(_) => None,
    })
}

/// Whether the first word is one that SQL begins with, perhaps after parentheses.
fn begins_as_sql(tokens: &[TokenWithSpan]) -> bool {
    let mut tokens = tokens.iter().map(|token| &token.token);
    let first = tokens.find(|token| !matches!(token, Token::Whitespace(_) | Token::LParen));
    matches!(first, Some(Token::Word(word)) if word.quote_style.is_none()
        && SQL.binary_search(&word.value.to_uppercase().as_str()).is_ok())
}

/// The words at the beginning of a statement, at most two, in capitals: what kind of statement it is.
pub(crate) fn kind(statement: &str) -> String {
    let tokens = Tokenizer::new(&GenericDialect {}, statement).tokenize().unwrap_or_default();
    let mut tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    let mut words = Vec::new();
    while let (true, Some(Token::Word(word))) = (words.len() < 2, tokens.next()) {
        // The second word belongs to it only where it is a keyword: CREATE TABLE, but SET without its variable.
        let is_keyword = word.keyword != datafusion::sql::sqlparser::keywords::Keyword::NoKeyword;
        if !words.is_empty() && !is_keyword {
            break;
        }
        words.push(word.value.to_uppercase());
    }
    words.join(" ")
}

/// Where the pattern ends that a text begins with, after comments; none where it begins with something else.
pub(crate) fn pattern(text: &str) -> Result<Option<std::ops::Range<usize>>> {
    let mut tokens = Vec::new();
    let _ = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location_into_buf(&mut tokens);
    let visible = tokens.iter().position(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let first = match visible {
        Some(at) => at,
        // What is not even a token of SQL may begin a pattern.
        None => tokens.len(),
    };
    let start = match tokens.get(first) {
        Some(token) => Offsets::new(text).of(token.span.start),
        None => text.len() - text.trim_start().len(),
    };
    let end = pattern_end(text, start, begins_as_sql(&tokens[first..]))?;
    Ok(end.map(|end| start..end))
}

/// Turns lines and columns, in increasing order, into byte offsets.
pub(crate) struct Offsets<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    line: u64,
    column: u64,
    n_bytes: usize,
}

impl<'a> Offsets<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { chars: text.char_indices().peekable(), line: 1, column: 1, n_bytes: text.len() }
    }

    pub(crate) fn of(&mut self, location: Location) -> usize {
        while let Some(&(offset, c)) = self.chars.peek() {
            if (self.line, self.column) >= (location.line, location.column) {
                return offset;
            }
            self.chars.next();
            match c {
                '\n' => (self.line, self.column) = (self.line + 1, 1),
                _ => self.column += 1,
            }
        }
        self.n_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_semicolons_that_end_statements() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            (" ; -- nothing\n;/* ; */", &[]),
            ("select 1", &["select 1"]),
            ("select 1;select 2;", &["select 1", "select 2"]),
            ("select ';' ; select \";\"", &["select ';'", "select \";\""]),
            ("select 1 -- a; b\n; select 2", &["select 1 -- a; b", "select 2"]),
            ("select 1 /* ; /* ; */ ; */; select 2", &["select 1 /* ; /* ; */ ; */", "select 2"]),
            ("select 'ä€😀'; select\r\n'é';\r\nselect 3", &["select 'ä€😀'", "select\r\n'é'", "select 3"]),
            ("select '\t;\n' ;\tselect 2", &["select '\t;\n'", "select 2"]),
        ];
        for (text, statements) in cases {
            assert_eq!(split(text).unwrap(), statements, "{text:?}");
        }
    }

    #[test]
    fn says_where_a_string_is_not_closed() {
        let error = split("select 1;\nselect 'a").unwrap_err().to_string();
        assert!(error.contains("line 2, column 8"), "{error}");
    }

    #[test]
    fn patterns_become_sql() {
        for (text, statements) in [
            ("root ..> A", &["SELECT * FROM path('root ..> A')"] as &[_]),
            ("A", &["A"]),
            ("(A)", &["SELECT * FROM path('(A)')"]),
            (
                "select 1; -- c\nroot ..> (x: A WHERE name = 'b;');\n(select 2)",
                &[
                    "select 1",
                    "-- c\nSELECT * FROM path('root ..> (x: A WHERE name = ''b;'')')",
                    "(select 2)",
                ],
            ),
            (
                "root ..> /it's;/; select ';' as a; root ..> \"x;'\" ;",
                &[
                    "SELECT * FROM path('root ..> /it''s;/')",
                    "select ';' as a",
                    "SELECT * FROM path('root ..> \"x;''\"')",
                ],
            ),
            ("set ..> dict; set a = 1", &["SELECT * FROM path('set ..> dict')", "set a = 1"]),
            ("\"select\" -> (A)", &["SELECT * FROM path('\"select\" -> (A)')"]),
            ("root ->", &["SELECT * FROM path('root ->')"]),
            ("ä -> ö;\r\nselect 'é'", &["SELECT * FROM path('ä -> ö')", "select 'é'"]),
            ("-- c\nwith a as (select 1) select * from a", &["-- c\nwith a as (select 1) select * from a"]),
            ("select a -> b from c", &["select a -> b from c"]),
            ("selct a from b where a < 3; select 2", &["selct a from b where a < 3", "select 2"]),
        ] {
            assert_eq!(split(text).unwrap(), statements, "{text:?}");
        }
    }

    #[test]
    fn says_where_a_pattern_is_not_closed() {
        let error = split("select 1;\nroot ..> (A WHERE size > 1; select 2").unwrap_err().to_string();
        assert!(
            error.contains("the predicate is not closed") && error.contains("line 2, column 13"),
            "{error}"
        );
    }

    #[test]
    fn the_words_of_sql_are_in_order() {
        assert!(SQL.is_sorted());
    }

    #[test]
    fn names_the_kind() {
        for (statement, name) in [
            ("drop table x", "DROP TABLE"),
            ("-- c\nset datafusion.x = 1", "SET"),
            ("copy obj to 'x'", "COPY"),
            ("insert into obj values (1)", "INSERT INTO"),
        ] {
            assert_eq!(kind(statement), name);
        }
    }
}
