//! Splits a text into statements with the tokenizer of the SQL parser, so that strings and comments keep their `;`.

use std::borrow::Cow;

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    tokenizer::{Location, Token, Tokenizer},
};

use crate::{Error, Result, mistake};

/// The statements of a text, without the `;` and without those that hold nothing but comments.
pub(crate) fn split(text: &str) -> Result<Vec<String>> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| {
        Error::Query(mistake::located(text, &error.message, error.location.line, error.location.column))
    })?;
    let mut offsets = Offsets::new(text);
    let mut statements = Vec::new();
    let (mut start, mut is_empty) = (0, true);
    for token in &tokens {
        match token.token {
            Token::SemiColon => {
                let end = offsets.of(token.span.start);
                if !is_empty {
                    statements.push(text[start..end].trim().to_owned());
                }
                (start, is_empty) = (end + 1, true);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => is_empty = false,
        }
    }
    if !is_empty {
        statements.push(text[start..].trim().to_owned());
    }
    Ok(statements)
}

/// A path pattern as SQL; what is SQL stays as it is. A pattern has an arrow: a word alone is rather a mistake.
pub(crate) fn with_patterns_as_sql(statement: &str) -> Cow<'_, str> {
    const SQL: [&str; 24] = [
        "ALTER", "ANALYZE", "BEGIN", "COMMIT", "COPY", "CREATE", "DELETE", "DESC", "DESCRIBE", "DROP",
        "EXECUTE", "EXPLAIN", "INSERT", "MERGE", "PREPARE", "RESET", "SELECT", "SET", "SHOW", "TABLE",
        "TRUNCATE", "UPDATE", "VALUES", "WITH",
    ];
    let first = kind(statement);
    if first.split(' ').next().is_some_and(|word| SQL.contains(&word)) {
        return statement.into();
    }
    let is_comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with("--");
    let pattern = statement.lines().skip_while(is_comment).collect::<Vec<_>>().join("\n");
    let has_arrow = ["->", ".>", "}>", "<-", "<."].iter().any(|arrow| pattern.contains(arrow));
    match heaplake_pathql::parse(&pattern) {
        Ok(_) if has_arrow => format!("SELECT * FROM path('{}')", pattern.replace('\'', "''")).into(),
        _ => statement.into(),
    }
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

/// Turns lines and columns, in increasing order, into byte offsets.
struct Offsets<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    line: u64,
    column: u64,
    n_bytes: usize,
}

impl<'a> Offsets<'a> {
    fn new(text: &'a str) -> Self {
        Self { chars: text.char_indices().peekable(), line: 1, column: 1, n_bytes: text.len() }
    }

    fn of(&mut self, location: Location) -> usize {
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
        for (statement, sql) in [
            ("select 1", "select 1"),
            ("-- c\nwith a as (select 1) select * from a", "-- c\nwith a as (select 1) select * from a"),
            ("root ..> A", "SELECT * FROM path('root ..> A')"),
            (
                "-- result x\n\nroot ..> (x: A WHERE name = 'b')",
                "SELECT * FROM path('root ..> (x: A WHERE name = ''b'')')",
            ),
            ("selct 1", "selct 1"),
            ("selec", "selec"),
        ] {
            assert_eq!(with_patterns_as_sql(statement), sql);
        }
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
