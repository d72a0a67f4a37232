//! Tokens to a query, by recursive descent. Parentheses nest to a fixed depth, so the stack is bounded.

use std::collections::HashSet;

use crate::{
    Edge, EdgeTest, Error, Filter, Group, Item, Node, Query, Selector, Span, Term, TermKind, Token,
    TokenKind, ast::CLAUSES, tokens,
};

/// Maximum depth of nested parentheses.
const MAX_DEPTH: usize = 64;

/// Reads a query.
pub fn parse(text: &str) -> Result<Query, Error> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, end: text.len(), depth: 0 };
    let selector = parser.selector()?;
    let pattern = parser.pattern()?;
    let mut query = Query {
        selector,
        pattern,
        except: Vec::new(),
        except_edges: Vec::new(),
        per: None,
        within: None,
        limit: None,
    };
    let mut seen = HashSet::new();
    while let Some(token) = parser.next() {
        let keyword = match &token.kind {
            TokenKind::Word(word) => word.to_lowercase(),
            _ => String::new(),
        };
        if keyword != "except" && !seen.insert(keyword.clone()) {
            return Err(Error::new(token.span, format!("{} is there twice", keyword.to_uppercase())));
        }
        match keyword.as_str() {
            "except" => parser.except(&mut query)?,
            "per" => query.per = Some(parser.name("PER needs the name of a node, as in (x: Type) PER x")?),
            "within" => {
                query.within =
                    Some(parser.number("WITHIN needs a number of hops")?.try_into().unwrap_or(u32::MAX));
            }
            "limit" => query.limit = Some(parser.number("LIMIT needs a number")?),
            _ => return Err(parser.unexpected(&token, "the end, EXCEPT, PER, WITHIN or LIMIT is expected")),
        }
    }
    check(&query)?;
    Ok(query)
}

/// Checks the rules that the grammar does not express.
fn check(query: &Query) -> Result<(), Error> {
    let ends = [
        (query.pattern.first(), "a path begins with an object", "* is any object, root any root"),
        (query.pattern.last(), "a path ends with an object", "* is any object"),
    ];
    for (item, what, hint) in ends {
        if let Some(Item::Edge(edge)) = item {
            return Err(Error::new(edge.span.clone(), what).hint(hint));
        }
    }
    let mut names = HashSet::new();
    let mut waiting: Vec<(&Item, bool)> = query.pattern.iter().map(|item| (item, true)).collect();
    let mut top = HashSet::new();
    while let Some((item, is_top)) = waiting.pop() {
        match item {
            Item::Node(Node { name: Some(name), span, .. }) => {
                if !names.insert(name.as_str()) {
                    return Err(Error::new(span.clone(), format!("{name} is the name of two nodes")));
                }
                if is_top {
                    top.insert(name.as_str());
                }
            }
            Item::Node(_) | Item::Edge(_) => {}
            Item::Group(group) => {
                let is_once =
                    is_top && (group.min, group.max) == (1, Some(1)) && group.alternatives.len() == 1;
                waiting.extend(group.alternatives.iter().flatten().map(|item| (item, is_once)));
            }
        }
    }
    if let Some((name, span)) = &query.per {
        if !names.contains(name.as_str()) {
            let hint = format!("name one: ({name}: Type)");
            return Err(Error::new(span.clone(), format!("no node is called {name}")).hint(hint));
        }
        if !top.contains(name.as_str()) {
            let what = format!("{name} may occur more than once in a path, or not at all");
            return Err(
                Error::new(span.clone(), what).hint("PER needs a node outside repetitions and alternatives")
            );
        }
        if matches!(query.selector, Selector::Reach | Selector::Dominated | Selector::Types) {
            let what = format!("{} gives objects, not paths", query.selector);
            return Err(Error::new(span.clone(), what).hint("leave PER out"));
        }
    }
    if query.selector == Selector::AllAcyclic && query.within.is_none() {
        let what = "ALL ACYCLIC needs WITHIN, because the number of paths may double with every hop";
        return Err(Error::new(0..3, what).hint("add WITHIN 8"));
    }
    Ok(())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Length of the text.
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&TokenKind> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&TokenKind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn take(&mut self, kind: &TokenKind) -> bool {
        let found = self.peek() == Some(kind);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(TokenKind::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// The position of the next token.
    fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end..self.end, |token| token.span.clone())
    }

    /// The span from a position to the end of the last token that was taken.
    fn since(&self, start: usize) -> Span {
        let end =
            self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(start, |token| token.span.end);
        start..end.max(start)
    }

    fn expected(&self, what: &str) -> Error {
        match self.peek() {
            Some(found) => Error::new(self.span(), format!("{what}, not {found}")),
            None => Error::new(self.span(), format!("{what}, but the pattern ends")),
        }
    }

    fn unexpected(&self, token: &Token, what: &str) -> Error {
        let error = Error::new(token.span.clone(), format!("{what}, not {}", token.kind));
        match token.kind {
            TokenKind::Close => error.hint("this parenthesis was not opened"),
            TokenKind::Repeat(..) | TokenKind::Plus | TokenKind::Star => error.hint(
                "only groups repeat: (Type ->)+, (Type ->){3}; a type that begins with a word is Word*",
            ),
            _ => error,
        }
    }

    fn number(&mut self, what: &str) -> Result<u64, Error> {
        match self.peek() {
            Some(TokenKind::Number(n)) => {
                let n = *n;
                self.at += 1;
                Ok(n)
            }
            _ => Err(self.expected(what)),
        }
    }

    fn name(&mut self, what: &str) -> Result<(String, Span), Error> {
        let span = self.span();
        match self.peek() {
            Some(TokenKind::Word(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok((name, span))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// The selector, if there is one. Its word is a keyword only if no arrow follows, so that a type may have that name.
    fn selector(&mut self) -> Result<Selector, Error> {
        let Some(TokenKind::Word(word)) = self.peek() else { return Ok(Selector::AnyShortest) };
        let word = word.to_lowercase();
        let second = match self.peek_at(1) {
            Some(TokenKind::Word(word)) => word.to_lowercase(),
            _ => String::new(),
        };
        let starts_node = self.peek_at(1).is_some_and(|kind| is_node(kind) || *kind == TokenKind::Open);
        let (selector, n_words) = match (word.as_str(), second.as_str()) {
            ("any", "shortest") => (Selector::AnyShortest, 2),
            ("all", "shortest") => (Selector::AllShortest, 2),
            ("all", "acyclic") => (Selector::AllAcyclic, 2),
            ("any" | "all", _) if starts_node => {
                let selectors = "the selectors are ANY SHORTEST, SHORTEST 5, ALL SHORTEST, ALL ACYCLIC, REACH, \
                                 DOMINATED and TYPES";
                return Err(Error::new(
                    self.span(),
                    format!("{} alone selects nothing", word.to_uppercase()),
                )
                .hint(selectors));
            }
            ("shortest", _) if matches!(self.peek_at(1), Some(TokenKind::Number(_))) => {
                self.at += 1;
                let span = self.span();
                let k = self.number("a number")?;
                let k = u32::try_from(k).ok().filter(|k| *k > 0);
                let k = k.ok_or_else(|| Error::new(span, "SHORTEST needs a number from 1 to 4294967295"))?;
                return Ok(Selector::Shortest(k));
            }
            ("shortest", _) if starts_node => {
                self.at += 1;
                return Err(self
                    .expected("SHORTEST needs a number of paths")
                    .hint("SHORTEST 5, ANY SHORTEST or ALL SHORTEST"));
            }
            ("reach", _) if starts_node => (Selector::Reach, 1),
            ("dominated", _) if starts_node => (Selector::Dominated, 1),
            ("types", _) if starts_node => (Selector::Types, 1),
            _ => (Selector::AnyShortest, 0),
        };
        self.at += n_words;
        Ok(selector)
    }

    /// The whole pattern; alternatives at the top level become a group.
    fn pattern(&mut self) -> Result<Vec<Item>, Error> {
        let start = self.span().start;
        let mut alternatives = self.alternatives()?;
        Ok(match alternatives.len() {
            1 => alternatives.remove(0),
            _ => {
                vec![Item::Group(Group { alternatives, min: 1, max: Some(1), span: self.since(start) })]
            }
        })
    }

    fn alternatives(&mut self) -> Result<Vec<Vec<Item>>, Error> {
        let mut alternatives = vec![self.items()?];
        while self.take(&TokenKind::Or) {
            alternatives.push(self.items()?);
        }
        Ok(alternatives)
    }

    fn items(&mut self) -> Result<Vec<Item>, Error> {
        // Each item, and whether it is an optional node.
        let mut items: Vec<(Item, bool)> = Vec::new();
        let mut last_is_bare = false;
        loop {
            let after_object = !matches!(items.last(), None | Some((Item::Edge(_), _)));
            let kind = self.peek().cloned();
            match kind {
                Some(TokenKind::Word(word))
                    if after_object && CLAUSES.iter().any(|clause| word.eq_ignore_ascii_case(clause)) =>
                {
                    break;
                }
                Some(kind) if is_node(&kind) => {
                    if after_object && last_is_bare {
                        return Err(Error::new(self.span(), format!("an arrow is missing before {kind}"))
                            .hint("-> is one hop, ..> one or more"));
                    }
                    let node = self.node()?;
                    let is_optional = self.take(&TokenKind::Question);
                    items.push((Item::Node(node), is_optional));
                    last_is_bare = true;
                }
                Some(TokenKind::Open) => {
                    items.push(self.group()?);
                    last_is_bare = false;
                }
                Some(TokenKind::Arrow { way, min, max, label }) => {
                    items.push((Item::Edge(Edge { way, min, max, label, span: self.span() }), false));
                    self.at += 1;
                }
                _ => break,
            }
        }
        match items.is_empty() {
            true => Err(self.expected("an object is expected: a type, *, root, @address or (")),
            false => with_arrows(items),
        }
    }

    /// The content of parentheses, and whether it is an optional node.
    fn group(&mut self) -> Result<(Item, bool), Error> {
        let start = self.span().start;
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(
                start..start + 1,
                format!("more than {MAX_DEPTH} parentheses in each other"),
            ));
        }
        let is_named =
            matches!(self.peek(), Some(TokenKind::Word(_))) && self.peek_at(1) == Some(&TokenKind::Colon);
        let mut alternatives = match is_named {
            true => {
                let (name, _) = self.name("a name")?;
                self.at += 1;
                if !self.peek().is_some_and(is_node) {
                    return Err(self.expected("a type or * is expected after the name"));
                }
                let node = self.node()?;
                vec![vec![Item::Node(Node { name: Some(name), ..node })]]
            }
            false => self.alternatives()?,
        };
        if let Some(TokenKind::Where(text)) = self.peek().cloned() {
            let span = self.span();
            match alternatives.as_mut_slice() {
                [items] if matches!(items.as_slice(), [Item::Node(_)]) => {
                    if let Some(Item::Node(node)) = items.first_mut() {
                        node.filter = Some(Filter { text, span });
                    }
                }
                _ => {
                    return Err(Error::new(span, "WHERE is about one object, and this is a group")
                        .hint("give the object parentheses of its own: (x: Type WHERE size > 100)"));
                }
            }
            self.at += 1;
        }
        if !self.take(&TokenKind::Close) {
            let error = self.expected(") is expected");
            return Err(match is_named {
                true => error.hint("a name is for one object: (x: Type) -> ..."),
                false => error,
            });
        }
        self.depth -= 1;
        let span = self.since(start);
        let (min, max) = match self.peek() {
            Some(TokenKind::Question) => (0, Some(1)),
            Some(TokenKind::Star) => (0, None),
            Some(TokenKind::Plus) => (1, None),
            Some(TokenKind::Repeat(min, max)) => (*min, *max),
            _ => (1, Some(1)),
        };
        let repeats = (min, max) != (1, Some(1)) || matches!(self.peek(), Some(TokenKind::Repeat(..)));
        self.at += usize::from(repeats);
        // A single node needs no group; an optional one is grouped with its arrow later.
        if let ([items], Some(1)) = (alternatives.as_slice(), max)
            && let [Item::Node(node)] = items.as_slice()
        {
            return Ok((Item::Node(Node { span, ..node.clone() }), min == 0));
        }
        let span = self.since(start);
        Ok((Item::Group(Group { alternatives, min, max, span }), false))
    }

    /// `A|B|/re/`, without parentheses.
    fn node(&mut self) -> Result<Node, Error> {
        let start = self.span().start;
        let mut terms = vec![self.term()?];
        while self.peek() == Some(&TokenKind::Or) && self.peek_at(1).is_some_and(is_node) {
            self.at += 1;
            terms.push(self.term()?);
        }
        Ok(Node { name: None, terms, filter: None, span: self.since(start) })
    }

    fn term(&mut self) -> Result<Term, Error> {
        let span = self.span();
        let kind = match self.peek().cloned() {
            Some(TokenKind::Star) => TermKind::Any,
            Some(TokenKind::Quoted(name)) => TermKind::Exact(name),
            Some(TokenKind::Regex(regex)) => TermKind::Regex(regex),
            Some(TokenKind::Address(address)) => TermKind::Address(address),
            Some(TokenKind::Shell(name)) => TermKind::Shell(name),
            Some(TokenKind::Word(word)) if word == "root" => TermKind::Root,
            Some(TokenKind::Word(word)) if word.contains('*') => TermKind::Glob(word),
            Some(TokenKind::Word(word)) => TermKind::Type(word),
            _ => return Err(self.expected("a type is expected")),
        };
        self.at += 1;
        Ok(Term { kind, span })
    }

    fn except(&mut self, query: &mut Query) -> Result<(), Error> {
        if self.take_word("edges") {
            query.except_edges.push(self.edge_test()?);
            while self.take(&TokenKind::Comma) {
                query.except_edges.push(self.edge_test()?);
            }
            return Ok(());
        }
        query.except.push(self.excluded()?);
        while self.take(&TokenKind::Comma) {
            query.except.push(self.excluded()?);
        }
        Ok(())
    }

    /// A node, bare or in parentheses.
    fn excluded(&mut self) -> Result<Node, Error> {
        if self.peek() != Some(&TokenKind::Open) {
            if !self.peek().is_some_and(is_node) {
                return Err(self.expected("EXCEPT needs an object: a type, @address or (Type WHERE ...)"));
            }
            return self.node();
        }
        let start = self.span().start;
        match self.group()? {
            (Item::Node(node), false) => Ok(node),
            _ => Err(Error::new(self.since(start), "EXCEPT is about single objects")
                .hint("references are left out with EXCEPT EDGES A -> B")),
        }
    }

    fn edge_test(&mut self) -> Result<EdgeTest, Error> {
        let start = self.span().start;
        if self.peek() == Some(&TokenKind::Open)
            && let Some(TokenKind::Where(text)) = self.peek_at(1).cloned()
        {
            self.at += 1;
            let span = self.span();
            self.at += 1;
            return match self.take(&TokenKind::Close) {
                true => Ok(EdgeTest::Filter(Filter { text, span })),
                false => Err(self.expected(") is expected")),
            };
        }
        let is_object =
            |kind: Option<&TokenKind>| kind.is_some_and(|kind| is_node(kind) || *kind == TokenKind::Open);
        let first = if is_object(self.peek()) { Some(self.excluded()?) } else { None };
        let (way, label) = match self.peek().cloned() {
            Some(TokenKind::Arrow { way, min: 1, max: Some(1), label }) => (way, label),
            _ => {
                let what = "EXCEPT EDGES needs a reference: A -> B, -label-> or (WHERE ...)";
                return Err(self.expected(what));
            }
        };
        self.at += 1;
        let is_clause = matches!(self.peek(), Some(TokenKind::Word(word))
            if CLAUSES.iter().any(|clause| word.eq_ignore_ascii_case(clause)));
        let second = if !is_clause && is_object(self.peek()) { Some(self.excluded()?) } else { None };
        let span = self.since(start);
        let (parent, child) = match way {
            crate::Way::Down => (first, second),
            crate::Way::Up => (second, first),
        };
        Ok(EdgeTest::Hop { parent: parent.map(Box::new), label, child: child.map(Box::new), span })
    }
}

fn is_node(kind: &TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Word(_)
            | TokenKind::Quoted(_)
            | TokenKind::Regex(_)
            | TokenKind::Address(_)
            | TokenKind::Shell(_)
            | TokenKind::Star
    )
}

/// Puts each optional node into a group with its arrow: the arrow after the node, or the one before it if only optional
/// nodes follow, or none.
fn with_arrows(items: Vec<(Item, bool)>) -> Result<Vec<Item>, Error> {
    // From here to the end, arrows and optional nodes alternate.
    let mut end = items.len();
    while end >= 2 && items[end - 1].1 && matches!(items[end - 2], (Item::Edge(_), _)) {
        end -= 2;
    }
    let mut grouped: Vec<Item> = Vec::new();
    let mut items = items.into_iter().enumerate().peekable();
    while let Some((place, (item, is_optional))) = items.next() {
        let node = match item {
            Item::Node(node) if is_optional => node,
            item => {
                grouped.push(item);
                continue;
            }
        };
        let after = items.next_if(|(_, (next, _))| place < end && matches!(next, Item::Edge(_)));
        let parts = match (after, grouped.last()) {
            (Some((_, (edge, _))), _) => vec![Item::Node(node), edge],
            (None, Some(Item::Edge(_))) => grouped.pop().into_iter().chain([Item::Node(node)]).collect(),
            (None, _) => {
                return Err(Error::new(
                    node.span,
                    "an optional object goes with an arrow, and there is none",
                )
                .hint("A -> B? -> C is A -> C or A -> B -> C"));
            }
        };
        let span = span_of(&parts);
        grouped.push(Item::Group(Group { alternatives: vec![parts], min: 0, max: Some(1), span }));
    }
    Ok(grouped)
}

fn span_of(items: &[Item]) -> Span {
    let of = |item: &Item| match item {
        Item::Node(node) => node.span.clone(),
        Item::Edge(edge) => edge.span.clone(),
        Item::Group(group) => group.span.clone(),
    };
    let start = items.first().map_or(0, |item| of(item).start);
    start..items.last().map_or(start, |item| of(item).end)
}
