//! Text to tokens.
//!
//! An arrow with its bounds and label is one token, and so is the predicate after WHERE, which is SQL and is kept as it is
//! written, up to the parenthesis that closes the node.

use std::{fmt, iter::Peekable, str::CharIndices};

use crate::{Error, Label, LabelTerm, Span, Way};

/// A token and its span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A type, glob, name or keyword.
    Word(String),
    /// `"..."`.
    Quoted(String),
    /// `/.../`.
    Regex(String),
    /// `@140` or `@0x7f`.
    Address(u64),
    /// A reference of the shell: `$name`, `#2.5`, or an address followed by `^` or `&`.
    Shell(String),
    /// A whole number.
    Number(u64),
    /// An arrow.
    Arrow {
        /// Which way.
        way: Way,
        /// The minimum number of hops.
        min: u32,
        /// The maximum number of hops; `None` if there is none.
        max: Option<u32>,
        /// The label of the references.
        label: Option<Label>,
    },
    /// The predicate after WHERE.
    Where(String),
    /// `{m}`, `{m,}` or `{m,n}` after a group.
    Repeat(u32, Option<u32>),
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `|`.
    Or,
    /// `,`.
    Comma,
    /// `:`.
    Colon,
    /// `?`.
    Question,
    /// `+`.
    Plus,
    /// `*`.
    Star,
}

impl fmt::Display for TokenKind {
    /// Its name in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenKind::Word(word) => f.write_str(word),
            TokenKind::Quoted(text) => write!(f, "\"{text}\""),
            TokenKind::Regex(text) => write!(f, "/{text}/"),
            TokenKind::Address(address) => write!(f, "@{address:#x}"),
            TokenKind::Shell(name) => f.write_str(name),
            TokenKind::Number(n) => write!(f, "{n}"),
            TokenKind::Arrow { .. } => f.write_str("an arrow"),
            TokenKind::Where(_) => f.write_str("WHERE"),
            TokenKind::Repeat(..) => f.write_str("a number of repetitions"),
            TokenKind::Open => f.write_str("("),
            TokenKind::Close => f.write_str(")"),
            TokenKind::Or => f.write_str("|"),
            TokenKind::Comma => f.write_str(","),
            TokenKind::Colon => f.write_str(":"),
            TokenKind::Question => f.write_str("?"),
            TokenKind::Plus => f.write_str("+"),
            TokenKind::Star => f.write_str("*"),
        }
    }
}

/// The tokens of a pattern.
pub fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer::new(text);
    while let Some((start, c)) = lexer.next_visible() {
        lexer.push(start, c)?;
    }
    Ok(lexer.tokens)
}

/// The tokens of a pattern that ends at a `;` or at the end of the text, and the position of that end. After a mistake, the
/// tokens are those before it.
pub fn tokens_of_statement(text: &str) -> (Vec<Token>, Result<usize, Error>) {
    let mut lexer = Lexer::new(text);
    while let Some((start, c)) = lexer.next_visible() {
        if c == ';' {
            return (lexer.tokens, Ok(start));
        }
        if let Err(error) = lexer.push(start, c) {
            return (lexer.tokens, Err(error));
        }
    }
    (lexer.tokens, Ok(text.len()))
}

struct Lexer<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    /// Number of open parentheses.
    depth: usize,
    tokens: Vec<Token>,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '*')
}

/// Whether a character may be in a label outside quotes.
fn is_label(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '-' | '<' | '>' | '|' | '/' | '"' | '(' | ')' | '{' | '}' | ',' | ':')
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, chars: text.char_indices().peekable(), depth: 0, tokens: Vec::new() }
    }

    /// Reads the token that begins with `c`.
    fn push(&mut self, start: usize, c: char) -> Result<(), Error> {
        let kind = self.token(start, c)?;
        let end = self.at();
        self.tokens.push(Token { kind, span: start..end });
        Ok(())
    }

    /// The position of the next character.
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn rest(&mut self) -> &str {
        let at = self.at();
        &self.text[at..]
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    /// Takes a text if it is next.
    fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            (0..expected.chars().count()).for_each(|_| _ = self.chars.next());
        }
        found
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &str {
        let start = self.at();
        while self.peek().is_some_and(&is_part) {
            self.chars.next();
        }
        let end = self.at();
        &self.text[start..end]
    }

    fn next_visible(&mut self) -> Option<(usize, char)> {
        self.take_while(char::is_whitespace);
        self.chars.peek().copied()
    }

    fn token(&mut self, start: usize, c: char) -> Result<TokenKind, Error> {
        // Right after a group a star repeats it; elsewhere it stands for any object, or is part of a glob.
        let after_group =
            self.tokens.last().is_some_and(|last| last.kind == TokenKind::Close && last.span.end == start);
        let simple = match c {
            '(' => Some(TokenKind::Open),
            ')' => Some(TokenKind::Close),
            '|' => Some(TokenKind::Or),
            ',' => Some(TokenKind::Comma),
            ':' => Some(TokenKind::Colon),
            '?' => Some(TokenKind::Question),
            '+' => Some(TokenKind::Plus),
            '*' if after_group => Some(TokenKind::Star),
            _ => None,
        };
        if let Some(simple) = simple {
            self.chars.next();
            match simple {
                TokenKind::Open => self.depth += 1,
                TokenKind::Close => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            return Ok(simple);
        }
        if let Some(arrow) = self.arrow(start)? {
            return Ok(arrow);
        }
        match c {
            '"' => self.quoted(start).map(TokenKind::Quoted),
            '/' => self.regex(start).map(TokenKind::Regex),
            '@' => {
                let kind = self.address(start)?;
                Ok(self.steps(start).unwrap_or(kind))
            }
            '$' | '#' => {
                self.chars.next();
                self.dotted_word();
                Ok(self
                    .steps(start)
                    .unwrap_or_else(|| TokenKind::Shell(self.text[start..self.at()].to_owned())))
            }
            '{' => {
                let (min, max) = self.braces(start)?;
                Ok(TokenKind::Repeat(min, max))
            }
            c if is_word(c) => self.word(start),
            c => {
                self.chars.next();
                Err(Error::new(start..start + c.len_utf8(), format!("{c:?} means nothing here")))
            }
        }
    }

    fn dotted_word(&mut self) {
        while let Some((at, c)) = self.chars.peek().copied().filter(|(_, c)| is_word(*c)) {
            // `A..>` is a word and an arrow.
            if c == '.' && self.text[at..].starts_with("..") {
                break;
            }
            self.chars.next();
        }
    }

    fn word(&mut self, start: usize) -> Result<TokenKind, Error> {
        self.dotted_word();
        // Arrays of Java: `byte[][]`.
        while self.rest().starts_with("[]") {
            self.chars.next();
            self.chars.next();
        }
        let end = self.at();
        let word = &self.text[start..end];
        if word.is_empty() {
            self.chars.next();
            let arrows = "an arrow of one or more hops is ..> or <..";
            return Err(Error::new(start..start + 2, "dots without an arrow head").hint(arrows));
        }
        if word.eq_ignore_ascii_case("where") {
            return self.predicate(start);
        }
        if word == "*" {
            return Ok(TokenKind::Star);
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            if let Some(reference) = self.steps(start) {
                return Ok(reference);
            }
            let digits: String = word.chars().filter(|c| *c != '_').collect();
            let number = digits.parse().map_err(|_| {
                Error::new(start..end, "neither a number nor a name")
                    .hint("a type that begins with a digit is written in double quotes")
            });
            return number.map(TokenKind::Number);
        }
        Ok(TokenKind::Word(word.to_owned()))
    }

    /// The predicate after WHERE, up to the first parenthesis that closes more than it opens.
    fn predicate(&mut self, start: usize) -> Result<TokenKind, Error> {
        if self.depth == 0 {
            let hint = "write (x: Type WHERE size > 100)";
            return Err(Error::new(start..start + 5, "WHERE belongs to a node in parentheses").hint(hint));
        }
        let first = self.at();
        let mut depth = 0_usize;
        let mut quote: Option<(usize, char)> = None;
        while let Some((at, c)) = self.chars.peek().copied() {
            match (quote, c) {
                (Some((_, open)), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some((at, c)),
                (None, '(') => depth += 1,
                (None, ')') if depth == 0 => {
                    let text = self.text[first..at].trim();
                    if text.is_empty() {
                        return Err(Error::new(start..at, "WHERE needs a predicate in SQL"));
                    }
                    return Ok(TokenKind::Where(text.to_owned()));
                }
                (None, ')') => depth -= 1,
                _ => {}
            }
            self.chars.next();
        }
        match quote {
            Some((at, _)) => Err(Error::new(at..self.text.len(), "the quote is not closed")),
            None => Err(Error::new(start..self.text.len(), "the predicate is not closed").hint("add )")),
        }
    }

    /// `"..."`, in which `""` is a quote.
    fn quoted(&mut self, start: usize) -> Result<String, Error> {
        self.chars.next();
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '"' if self.peek() == Some('"') => {
                    self.chars.next();
                    text.push('"');
                }
                '"' => return Ok(text),
                c => text.push(c),
            }
        }
        Err(Error::new(start..self.text.len(), "the quote is not closed").hint("add \""))
    }

    /// `/.../`, in which `\/` is a slash.
    fn regex(&mut self, start: usize) -> Result<String, Error> {
        self.chars.next();
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next() {
            match c {
                '/' => return Ok(text),
                '\\' => match self.chars.next() {
                    Some((_, '/')) => text.push('/'),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(Error::new(start..self.text.len(), "the regular expression is not closed").hint("add /"))
    }

    fn address(&mut self, start: usize) -> Result<TokenKind, Error> {
        self.chars.next();
        let text = self.take_while(char::is_alphanumeric);
        let address = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+')),
            None => text.parse().ok(),
        };
        let end = self.at();
        address.map(TokenKind::Address).ok_or_else(|| {
            Error::new(start..end, "not an address")
                .hint("an address is a number below 2^64, @140 or @0x7f00, as in the column address of obj")
        })
    }

    /// A reference of the shell, if `^` (parents) or `&` (children) follows the text that begins at `start`.
    fn steps(&mut self, start: usize) -> Option<TokenKind> {
        let steps = self.take_while(|c| matches!(c, '^' | '&'));
        let is_reference = !steps.is_empty();
        is_reference.then(|| TokenKind::Shell(self.text[start..self.at()].to_owned()))
    }

    fn arrow(&mut self, start: usize) -> Result<Option<TokenKind>, Error> {
        let one = |way, label| Some(TokenKind::Arrow { way, min: 1, max: Some(1), label });
        for (wrong, right) in
            [("=>", "->"), ("-->", "->"), ("~>", "->"), ("<=", "<-"), ("<--", "<-"), ("→", "->")]
        {
            if self.rest().starts_with(wrong) {
                return Err(Error::new(start..start + wrong.len(), format!("{wrong} is not an arrow"))
                    .hint(format!("did you mean {right}?")));
            }
        }
        if self.take("->") {
            return Ok(one(Way::Down, None));
        }
        if self.take("..") {
            let (min, max) = if self.peek() == Some('{') { self.braces(start)? } else { (1, None) };
            if !self.take(">") {
                let end = self.at();
                return Err(Error::new(start..end, "an arrow without a head")
                    .hint("one or more hops down are ..> and up <.."));
            }
            return Ok(Some(TokenKind::Arrow { way: Way::Down, min, max, label: None }));
        }
        if self.take("<..") {
            let (min, max) = if self.peek() == Some('{') { self.braces(start)? } else { (1, None) };
            return Ok(Some(TokenKind::Arrow { way: Way::Up, min, max, label: None }));
        }
        if self.take("<-") {
            let label = self.label_up()?;
            return Ok(one(Way::Up, label));
        }
        if self.peek() == Some('-') {
            self.chars.next();
            if self.peek() == Some('[')
                && !self.rest().starts_with("['")
                && !self.rest().starts_with("[\"")
                && !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit() || c == '*')
            {
                return Err(Error::new(start..start + 2, "this is not Cypher")
                    .hint("a reference with a label is -label->"));
            }
            let label = self.label(start)?;
            let closed = label.is_some() && self.take("->");
            let end = self.at();
            return match label {
                Some(label) if closed => Ok(one(Way::Down, Some(label))),
                _ => Err(Error::new(start..end, "an arrow without a head")
                    .hint("one hop is ->, or -label-> through a label")),
            };
        }
        if self.peek() == Some('<') {
            return Err(Error::new(start..start + 1, "< is not an arrow").hint("did you mean <- or <..?"));
        }
        Ok(None)
    }

    /// The label of `<-label-`; `None` if the arrow is followed by the next node instead.
    fn label_up(&mut self) -> Result<Option<Label>, Error> {
        let start = self.at();
        let before = self.chars.clone();
        if self.peek().is_none_or(|c| c.is_whitespace()) {
            return Ok(None);
        }
        let label = self.label(start);
        let is_label =
            matches!(label, Ok(Some(_))) && self.rest().starts_with('-') && !self.rest().starts_with("->");
        if is_label {
            self.chars.next();
            return label;
        }
        self.chars = before;
        Ok(None)
    }

    /// `.name|['key']|["key"]|[3]|"any text"|glob*|/regex/`; `None` if there is no label.
    fn label(&mut self, start: usize) -> Result<Option<Label>, Error> {
        let first = self.at();
        let mut terms = Vec::new();
        loop {
            match self.peek() {
                Some('"') => terms.push(LabelTerm::Exact(self.quoted(start)?)),
                Some('/') => terms.push(LabelTerm::Regex(self.regex(start)?)),
                _ => {
                    let text = self.bare_label(start)?;
                    if text.is_empty() {
                        return Ok(None);
                    }
                    let is_glob = text.contains('*');
                    terms.push(if is_glob { LabelTerm::Glob(text) } else { LabelTerm::Exact(text) });
                }
            }
            if !self.take("|") {
                let end = self.at();
                return Ok(Some(Label { terms, span: first..end }));
            }
        }
    }

    /// A label up to the first character that cannot be in one; a quoted part may contain anything.
    fn bare_label(&mut self, start: usize) -> Result<String, Error> {
        let mut text = String::new();
        // A quote in double quotes begins a label of its own, but in brackets it is that of a key.
        while let Some(c) = self.peek().filter(|c| is_label(*c) || (*c == '"' && text.ends_with('['))) {
            self.chars.next();
            text.push(c);
            if matches!(c, '\'' | '"') {
                let rest = self.take_while(|other| other != c).to_owned();
                text += &rest;
                let quote = c.to_string();
                if !self.take(&quote) {
                    let error = Error::new(start..self.text.len(), "the quote is not closed");
                    return Err(error.hint(format!("add {quote}")));
                }
                text.push(c);
            }
        }
        Ok(text)
    }

    /// `{m}`, `{m,}` or `{m,n}`.
    fn braces(&mut self, start: usize) -> Result<(u32, Option<u32>), Error> {
        let wrong = |what: &str, end| {
            Error::new(start..end, what.to_owned()).hint("write {3}, {3,} or {3,5}".to_owned())
        };
        self.chars.next();
        let inside = self.take_while(|c| c != '}' && c != '{').to_owned();
        if !self.take("}") {
            return Err(wrong("the brace is not closed", self.text.len()));
        }
        let end = self.at();
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("not a number of times", end));
        let (min, max) = match inside.split_once(',') {
            None => (number(&inside)?, Some(number(&inside)?)),
            Some((min, max)) if max.trim().is_empty() => (number(min)?, None),
            Some((min, max)) => (if min.trim().is_empty() { 0 } else { number(min)? }, Some(number(max)?)),
        };
        match max {
            Some(max) if max < min => Err(wrong("the largest number is below the smallest", end)),
            _ => Ok((min, max)),
        }
    }
}
