//! The general parser: one JSON object in any order and spacing, and what can be saved of a damaged one.
//!
//! JSON is RFC 8259. Values of unknown fields are skipped by following strings and brackets, without recursion.

use super::{
    ObjectDamage, Parser,
    mark::{self, Mark, MarkKind},
};
use crate::{
    batch::Row,
    number,
    text::{shown, unescape},
};
use heaplake_model::{EdgeKind, IssueKind};

/// How many ways to close a broken value are tried before the line is given up, so that hostile lines take linear time.
const MAX_REPAIRS: usize = 16;

/// Where the parts of an object lie in the block. A field that the object does not have is `None`.
#[derive(Default)]
struct Fields {
    address: Option<Token>,
    type_name: Option<Token>,
    size: Option<Token>,
    len: Option<Token>,
    name: Option<Token>,
    value: Option<Token>,
    refs: Option<Token>,
    labels: Option<Token>,
    weak: Option<Token>,
    root: Option<Token>,
    refcount: Option<Token>,
    capture: Option<Token>,
    end: Option<Token>,
    repeated: Option<&'static str>,
    unescaped_quote: Option<usize>,
    /// Take references whose brackets or quotes do not match.
    takes_broken_refs: bool,
}

/// A JSON value of the block, not yet looked into.
#[derive(Debug, Clone, Copy)]
struct Token {
    kind: TokenKind,
    /// For a string without its quotes.
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    String,
    /// A number, true or false; or something like one.
    Bare,
    Null,
    Array,
    /// Of references: from the opening bracket to the first closing one, because quotes or brackets in it do not match.
    BrokenArray,
    Object,
}

/// What became of the references of an object.
#[derive(Debug, Default)]
struct References {
    /// References in the batch.
    n_kept: u32,
    /// Positions of those that were left out, ascending.
    left_out: Vec<u32>,
    /// The field is something else: labels have nothing to refer to.
    is_other: bool,
}

impl References {
    /// How many the dump has, with those that were left out.
    fn n_written(&self) -> u64 {
        u64::from(self.n_kept) + self.left_out.len() as u64
    }

    /// The position among the kept references of the one at `position` of the dump; `None` if it was left out.
    fn kept(&self, position: u32) -> Option<u32> {
        let n_before = self.left_out.partition_point(|left_out| *left_out < position);
        (self.left_out.get(n_before) != Some(&position)).then(|| position - n_before as u32)
    }
}

type Parse<T> = Result<T, ObjectDamage>;

impl Parser<'_, '_> {
    /// Reads the object at `self.at` and moves past it.
    pub(super) fn object(&mut self) -> Parse<()> {
        let start = self.at;
        if self.bytes[start] != b'{' {
            return Err(self.damage(start, "this is not an object"));
        }
        let (fields, end) = self.fields(start)?;
        if !self.mark(start, &fields) {
            self.row(start, &fields)?;
        }
        self.count_lines(start, end);
        self.at = end;
        Ok(())
    }

    /// Whether the object at `self.at`, which the bytes do not hold to its end, is a first or last line of a capture.
    pub(super) fn begins_a_header(&self) -> bool {
        let mut fields = Fields::default();
        // The fields before the cut are found.
        let _ = self.rest_of_fields(&mut fields, self.at + 1, true);
        fields.type_name.is_some_and(|token| self.bytes[token.start..token.end] == *mark::TYPE)
    }

    /// Finds the fields of the object at `start`, and its end.
    fn fields(&mut self, start: usize) -> Parse<(Fields, usize)> {
        let mut fields = Fields::default();
        match self.rest_of_fields(&mut fields, start + 1, true) {
            Ok(end) => Ok((fields, end)),
            Err(damage) if self.wasteful() => Err(damage),
            Err(damage) => {
                let line_end = self.line_end(start);
                self.wasted += line_end - start;
                let repaired = self.with_repaired_value(fields.value, start, line_end);
                repaired.or_else(|| self.with_broken_refs(start)).ok_or(damage)
            }
        }
    }

    /// Reads the object again, with references whose brackets or quotes do not match.
    fn with_broken_refs(&self, start: usize) -> Option<(Fields, usize)> {
        let mut fields = Fields { takes_broken_refs: true, ..Fields::default() };
        let end = self.rest_of_fields(&mut fields, start + 1, true).ok()?;
        Some((fields, end))
    }

    /// Fields from `at` up to the closing brace.
    fn rest_of_fields(&self, fields: &mut Fields, at: usize, mut first: bool) -> Parse<usize> {
        let mut at = self.skip_space(at);
        if first && self.bytes.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        loop {
            if !first {
                match self.bytes.get(at) {
                    Some(b'}') => return Ok(at + 1),
                    Some(b',') => at = self.skip_space(at + 1),
                    _ => return Err(self.damage(at, "a comma or a closing brace is missing")),
                }
            }
            first = false;
            at = self.field(fields, at)?;
        }
    }

    /// One `"key": value`; returns the first byte after it that is not white space.
    fn field(&self, fields: &mut Fields, at: usize) -> Parse<usize> {
        if self.bytes.get(at) != Some(&b'"') {
            return Err(self.damage(at, "a field name is missing"));
        }
        let key = self.token(at)?;
        let colon = self.skip_space(key.end + 1);
        if self.bytes.get(colon) != Some(&b':') {
            return Err(self.damage(colon, "a colon is missing"));
        }
        let value = self.skip_space(colon + 1);
        let key = &self.bytes[key.start..key.end];
        let token = match self.token(value) {
            Err(damage) if fields.takes_broken_refs && key == b"refs" => {
                self.broken_array(value).ok_or(damage)?
            }
            token => token?,
        };
        fields.put(key, token);
        Ok(self.skip_space(token.after()))
    }

    /// The references at `at` up to the first closing bracket of the line, whatever is between.
    fn broken_array(&self, at: usize) -> Option<Token> {
        let rest = self.bytes.get(at..).filter(|rest| rest.first() == Some(&b'['))?;
        let stop = memchr::memchr2(b']', b'\n', rest)?;
        (rest[stop] == b']').then_some(Token { kind: TokenKind::BrokenArray, start: at, end: at + stop + 1 })
    }

    /// Reads the line again with the value closed at a later quote (meliae bug 876810).
    fn with_repaired_value(
        &self,
        value: Option<Token>,
        start: usize,
        line_end: usize,
    ) -> Option<(Fields, usize)> {
        let line_end = line_end.min(self.bytes.len());
        let value_start = match value {
            Some(value) if value.kind == TokenKind::String => value.start,
            _ => self.value_start(start, line_end)?,
        };
        // A value on another line is not what was broken.
        let text = self.bytes.get(value_start..line_end)?;
        let quotes = memchr::memchr_iter(b'"', text).map(|at| value_start + at);
        let closing = quotes.filter(|&quote| self.next_field_follows(quote + 1));
        closing.take(MAX_REPAIRS).find_map(|quote| self.fields_with_value(start, value_start, quote))
    }

    /// Where the text of the value begins, found without parsing.
    fn value_start(&self, start: usize, line_end: usize) -> Option<usize> {
        let key = memchr::memmem::find(&self.bytes[start..line_end], b"\"value\"")?;
        let colon = self.skip_space(start + key + b"\"value\"".len());
        let quote = self.skip_space(colon + 1);
        (self.bytes.get(colon) == Some(&b':') && self.bytes.get(quote) == Some(&b'"')).then_some(quote + 1)
    }

    /// Whether `, "refs":` or the like, or the end of the object, comes at `at`.
    fn next_field_follows(&self, at: usize) -> bool {
        let at = self.skip_space(at);
        match self.bytes.get(at) {
            Some(b'}') => true,
            Some(b',') => {
                let rest = &self.bytes[self.skip_space(at + 1)..];
                ["\"refs\"", "\"len\"", "\"name\"", "\"size\"", "\"type\"", "\"address\"", "\"labels\""]
                    .iter()
                    .any(|key| rest.starts_with(key.as_bytes()))
            }
            _ => false,
        }
    }

    fn fields_with_value(&self, start: usize, value_start: usize, quote: usize) -> Option<(Fields, usize)> {
        let mut fields = Fields::default();
        // The fields before the value, which are sound, then those after it.
        let mut at = self.skip_space(start + 1);
        loop {
            if self.bytes.get(at) == Some(&b',') {
                at = self.skip_space(at + 1);
            }
            let key = self.token(at).ok()?;
            let colon = self.skip_space(key.end + 1);
            let value = self.skip_space(colon + 1);
            if value + 1 == value_start {
                break;
            }
            if value >= value_start {
                return None;
            }
            at = self.field(&mut fields, at).ok()?;
        }
        fields.value = Some(Token { kind: TokenKind::String, start: value_start, end: quote });
        fields.unescaped_quote = Some(value_start);
        let end = self.rest_of_fields(&mut fields, quote + 1, false).ok()?;
        Some((fields, end))
    }

    /// The value at `at`.
    fn token(&self, at: usize) -> Parse<Token> {
        let token = |kind, start, end| Ok(Token { kind, start, end });
        match self.bytes.get(at) {
            None => Err(self.damage(at, "a value is missing")),
            Some(b'"') => token(TokenKind::String, at + 1, self.string_end(at + 1)?),
            Some(b'[') => token(TokenKind::Array, at, self.nested_end(at)?),
            Some(b'{') => token(TokenKind::Object, at, self.nested_end(at)?),
            Some(_) => {
                let rest = &self.bytes[at..];
                let len = rest.iter().take_while(|b| !b", \t\r\n[]{}\":".contains(b)).count();
                match &rest[..len] {
                    b"" => Err(self.damage(at, "a value is missing")),
                    b"null" => token(TokenKind::Null, at, at + len),
                    _ if at + len == self.bytes.len() => Err(self.damage(at + len, "a value ends early")),
                    _ => token(TokenKind::Bare, at, at + len),
                }
            }
        }
    }

    /// The closing quote of the string whose text begins at `at`.
    fn string_end(&self, mut at: usize) -> Parse<usize> {
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(stop) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
                return Err(self.damage(self.bytes.len(), "a string does not end"));
            };
            at += stop;
            match self.bytes[at] {
                b'"' => return Ok(at),
                b'\\' if self.bytes.get(at + 1) != Some(&b'\n') => at += 2,
                _ => return Err(self.damage(at, "the line ends inside a string")),
            }
        }
    }

    /// The byte after the array or object at `at`.
    fn nested_end(&self, mut at: usize) -> Parse<usize> {
        let mut closing = Vec::new();
        loop {
            match self.bytes.get(at) {
                None => return Err(self.damage(at, "a bracket is not closed")),
                Some(b'[') => closing.push(b']'),
                Some(b'{') => closing.push(b'}'),
                Some(b'"') => at = self.string_end(at + 1)?,
                Some(&byte @ (b']' | b'}')) => {
                    if closing.pop() != Some(byte) {
                        return Err(self.damage(at, "brackets do not match"));
                    }
                    if closing.is_empty() {
                        return Ok(at + 1);
                    }
                }
                Some(_) => {}
            }
            at += 1;
        }
    }

    fn skip_space(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|b| b" \t\r\n".contains(b)).count()
    }

    fn damage(&self, at: usize, what: &str) -> ObjectDamage {
        ObjectDamage { at, what: what.to_owned(), at_end: self.skip_space(at) >= self.bytes.len() }
    }

    /// Appends the object to the batch, or reports why it cannot be one.
    fn row(&mut self, start: usize, fields: &Fields) -> Parse<()> {
        let mut row = self.empty_row(start);
        if fields.is_empty() {
            return Err(self.damage(start, "an object without any field of a dump"));
        }
        let Some(address) = self.address(start, fields.address) else { return Ok(()) };
        let Some(type_name) = self.type_name(start, fields.type_name) else { return Ok(()) };
        row.address = address;
        row.type_id = type_name;
        row.size = self.size(start, fields.size);
        row.len = self.len(start, fields.len);
        row.name_len = self.text(start, fields.name);
        row.value_len = self.text(start, fields.value);
        let references = self.refs(start, fields.refs);
        row.n_refs = references.n_kept;
        if !references.is_other {
            self.labels(start, &row, &references, fields.labels);
            self.weak_references(start, &row, &references, fields.weak);
        }
        self.root(start, &row, fields.root);
        row.refcount = self.refcount(start, fields.refcount);
        if let Some(name) = fields.repeated {
            self.issue(
                IssueKind::RepeatedField,
                start,
                format!("the field {name:?} is there twice; the first one counts"),
            );
        }
        if let (Some(at), Some(value)) = (fields.unescaped_quote, fields.value) {
            let what = "a quote inside the value is not escaped; the text up to the next field was taken";
            self.issue(IssueKind::UnescapedQuote, at, format!("{what}, {}", self.shown(value)));
        }
        self.batch.rows.push(row);
        Ok(())
    }

    fn address(&mut self, start: usize, token: Option<Token>) -> Option<u64> {
        let number = token.and_then(|token| self.whole(start, "address", token));
        let address = number.and_then(|number| u64::try_from(number).ok());
        if address.is_none() {
            let what = match token {
                None => "the object has no address".to_owned(),
                Some(token) => format!("the address {} is not a 64-bit number", self.shown(token)),
            };
            self.issue(IssueKind::BadAddress, start, what);
        }
        address
    }

    fn type_name(&mut self, start: usize, token: Option<Token>) -> Option<u32> {
        let Some(token) = token.filter(|token| token.kind == TokenKind::String) else {
            let what = match token {
                None => "the object has no type".to_owned(),
                Some(token) => format!("the type {} is not a string", self.shown(token)),
            };
            self.issue(IssueKind::BadType, start, what);
            return None;
        };
        let mut name = Vec::new();
        self.unescape(start, token, &mut name);
        // Unescaping makes UTF-8 of anything.
        std::str::from_utf8(&name).ok().map(|name| self.types.intern(name))
    }

    fn size(&mut self, start: usize, token: Option<Token>) -> i64 {
        let number = token.and_then(|token| self.whole(start, "size", token));
        if let Some(size) = number.and_then(|size| i64::try_from(size).ok()).filter(|size| *size >= 0) {
            return size;
        }
        let what = match token {
            None => "the object has no size".to_owned(),
            Some(token) => format!("the size {} is not a number of bytes", self.shown(token)),
        };
        self.issue(IssueKind::BadSize, start, what);
        Row::NO_NUMBER
    }

    fn len(&mut self, start: usize, token: Option<Token>) -> i64 {
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return Row::NO_NUMBER };
        let number = self.whole(start, "len", token);
        if let Some(len) = number.and_then(|len| i64::try_from(len).ok()).filter(|len| *len >= 0) {
            return len;
        }
        let what = format!("the len {} is not a number of items", self.shown(token));
        self.issue(IssueKind::BadLen, start, what);
        Row::NO_NUMBER
    }

    /// Appends a name or value to the batch's text; returns its bytes.
    fn text(&mut self, start: usize, token: Option<Token>) -> u32 {
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return Row::NO_TEXT };
        let mut text = std::mem::take(&mut self.batch.text);
        let before = text.len();
        self.unescape(start, token, &mut text);
        let len = text.len() - before;
        self.batch.text = text;
        len as u32
    }

    /// Appends the references to the batch. Each that cannot be read is reported and left out; the others are kept.
    fn refs(&mut self, start: usize, token: Option<Token>) -> References {
        let mut found = References::default();
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return found };
        if !matches!(token.kind, TokenKind::Array | TokenKind::BrokenArray) {
            let what = format!("refs is {}, not an array", self.shown(token));
            self.issue(IssueKind::BadReference, start, what);
            found.is_other = true;
            return found;
        }
        // The closing bracket.
        let end = token.end - 1;
        let mut at = self.skip_space(token.start + 1);
        let mut comma_before = true;
        while at < end {
            if self.bytes[at] == b',' {
                at = self.missing_references(start, at, end);
                comma_before = true;
                continue;
            }
            let (element, address) = self.reference(start, at, end, token.kind);
            match address {
                Some(address) if found.n_kept < u32::MAX => {
                    self.batch.refs.push(address);
                    found.n_kept += 1;
                    if !comma_before {
                        let what = format!("a comma is missing before the reference {}", self.shown(element));
                        self.issue(IssueKind::BadReference, start, what);
                    }
                }
                _ => {
                    found.left_out.push(found.n_written() as u32);
                    let what = format!("the reference {} is not an address", self.shown(element));
                    self.issue(IssueKind::BadReference, start, what);
                }
            }
            at = self.skip_space(element.after());
            comma_before = self.bytes[at] == b',';
            if comma_before {
                at = self.skip_space(at + 1);
                if at == end {
                    let what = "a reference is missing after the last comma of refs".to_owned();
                    self.issue(IssueKind::BadReference, start, what);
                }
            }
        }
        found
    }

    /// Reports that the comma at `at` has no reference before it. Returns where the next reference or the end is.
    ///
    /// Several commas in a row are one issue, so that no input has more issues than a third of its bytes.
    fn missing_references(&mut self, start: usize, mut at: usize, end: usize) -> usize {
        let mut n_missing = 0;
        while at < end && self.bytes[at] == b',' {
            n_missing += 1;
            at = self.skip_space(at + 1);
        }
        let what = match n_missing {
            1 => "a reference is missing before a comma".to_owned(),
            _ => format!("{n_missing} references are missing, each before a comma"),
        };
        self.issue(IssueKind::BadReference, start, what);
        at
    }

    /// The reference at `at` of an array that ends at `end`, and its address. `None` for something else, which extends to
    /// the next comma.
    fn reference(&mut self, start: usize, at: usize, end: usize, array: TokenKind) -> (Token, Option<u64>) {
        // Brackets in a broken array say nothing of where a value ends.
        let is_nested = matches!(self.bytes[at], b'[' | b'{');
        let token = if array == TokenKind::BrokenArray && is_nested { None } else { self.token(at).ok() };
        let token = token.filter(|token| token.after() <= end);
        let is_delimited = |token: &Token| b",] \t\r\n".contains(&self.bytes[token.after()]);
        if let Some(token) = token.filter(is_delimited) {
            let number = self.whole(start, "refs", token);
            return (token, number.and_then(|number| u64::try_from(number).ok()));
        }
        let after = token.map_or(at, |token| token.after());
        let len = memchr::memchr(b',', &self.bytes[after..end]).unwrap_or(end - after);
        let text = self.bytes[at..after + len].trim_ascii_end();
        (Token { kind: TokenKind::Bare, start: at, end: at + text.len() }, None)
    }

    /// Whether the object is a line of a capture that is about the dump; then it is noted.
    fn mark(&mut self, start: usize, fields: &Fields) -> bool {
        let is_mark = fields.type_name.is_some_and(|token| self.bytes[token.start..token.end] == *mark::TYPE);
        let is_object = |token: &Token| token.kind == TokenKind::Object;
        let (capture, end) = (fields.capture.filter(is_object), fields.end.filter(is_object));
        let Some(token) = capture.or(end).filter(|_| is_mark) else { return false };
        let text = &self.bytes[token.start..token.end];
        let kind = if capture.is_some() {
            serde_json::from_slice(text).map(|header| MarkKind::Header(Box::new(header)))
        } else {
            serde_json::from_slice(text).map(MarkKind::End)
        };
        match kind {
            Ok(kind) => {
                let n_before = self.batch.rows.len();
                self.marks.push(Mark { n_before, line: self.line, offset: start as u32, kind });
            }
            Err(_) => {
                let what =
                    format!("what the dump says of itself cannot be understood: {}", self.shown(token));
                self.issue(IssueKind::Malformed, start, what);
            }
        }
        true
    }

    /// Gives the references of the row their labels: the dump has one for each reference, read or not.
    fn labels(&mut self, start: usize, row: &Row, references: &References, token: Option<Token>) {
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return };
        let mut n_labels = 0;
        let sound = self.elements(token, |parser, element| {
            if u64::from(n_labels) >= references.n_written() {
                return false;
            }
            match (element.kind, references.kept(n_labels)) {
                (TokenKind::Null, _) | (TokenKind::String, None) => {}
                (TokenKind::String, Some(position)) => {
                    let (bytes, reference) = (parser.bytes, row.refs + position);
                    let mut repaired = Vec::new();
                    parser.set_label(reference as usize, &bytes[element.start..element.end], |kind| {
                        repaired.push(kind);
                    });
                    parser.repaired(start, element, repaired);
                }
                _ => return false,
            }
            n_labels += 1;
            true
        });
        if !sound || u64::from(n_labels) != references.n_written() {
            self.batch.labels.truncate(row.refs as usize);
            let what = format!("labels is not a text or null for each reference: {}", self.shown(token));
            self.issue(IssueKind::BadLabel, start, what);
        }
    }

    /// Notes which references of the row are weak, by their positions in the dump.
    fn weak_references(&mut self, start: usize, row: &Row, references: &References, token: Option<Token>) {
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return };
        let before = self.batch.kinds.len();
        let mut next = 0;
        let sound = self.elements(token, |parser, element| {
            let text = &parser.bytes[element.start..element.end];
            let position = number::digits(text).filter(|(_, n_digits)| *n_digits == text.len());
            match position {
                Some((position, _)) if (next..references.n_written()).contains(&position) => {
                    next = position + 1;
                    if let Some(kept) = references.kept(position as u32) {
                        parser.batch.kinds.push((row.refs + kept, EdgeKind::Weak));
                    }
                    true
                }
                _ => false,
            }
        });
        if !sound {
            self.batch.kinds.truncate(before);
            let what =
                format!("weak is not a list of ascending positions of references: {}", self.shown(token));
            self.issue(IssueKind::BadLabel, start, what);
        }
    }

    /// Notes that the row is a root, and its kind.
    fn root(&mut self, start: usize, row: &Row, token: Option<Token>) {
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return };
        if token.kind != TokenKind::String {
            let what = format!("the kind of root {} is not a text", self.shown(token));
            self.issue(IssueKind::BadLabel, start, what);
            return;
        }
        let mut kind = Vec::new();
        self.unescape(start, token, &mut kind);
        self.batch.roots.push((row.address, String::from_utf8_lossy(&kind).into_owned()));
    }

    /// How many references there are to the object; 0 where the dump does not say.
    fn refcount(&mut self, start: usize, token: Option<Token>) -> u32 {
        let Some(token) = token.filter(|token| token.kind != TokenKind::Null) else { return 0 };
        let number = self.whole(start, "refcount", token);
        if let Some(count) = number.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0) {
            return count;
        }
        let what = format!("the refcount {} is not a number of references", self.shown(token));
        self.issue(IssueKind::BadLabel, start, what);
        0
    }

    /// Calls `each` with the elements of an array until it returns false. Returns whether all were sound and accepted.
    fn elements(&mut self, array: Token, mut each: impl FnMut(&mut Self, Token) -> bool) -> bool {
        if array.kind != TokenKind::Array {
            return false;
        }
        let mut at = self.skip_space(array.start + 1);
        while at + 1 < array.end {
            let Ok(element) = self.token(at) else { return false };
            if !each(self, element) {
                return false;
            }
            at = self.skip_space(element.after());
            if self.bytes[at] == b',' {
                at = self.skip_space(at + 1);
                if at + 1 >= array.end {
                    return false;
                }
            } else if at + 1 < array.end {
                return false;
            }
        }
        true
    }

    /// The whole number that a value writes; an unusual form is reported.
    fn whole(&mut self, start: usize, field: &str, token: Token) -> Option<i128> {
        let text = &self.bytes[token.start..token.end];
        if let (TokenKind::Bare, Some((number, n_digits))) = (token.kind, number::digits(text))
            && n_digits == text.len()
        {
            return Some(number.into());
        }
        if !matches!(token.kind, TokenKind::Bare | TokenKind::String) {
            return None;
        }
        let number = std::str::from_utf8(text).ok().and_then(number::whole)?;
        if u64::try_from(number).is_ok() {
            let what = format!("{field} is written {}; its value {number} was taken", self.shown(token));
            self.issue(IssueKind::NumberForm, start, what);
        }
        Some(number)
    }

    fn unescape(&mut self, start: usize, token: Token, out: &mut Vec<u8>) {
        let text = &self.bytes[token.start..token.end];
        if token.kind != TokenKind::String {
            // Numbers, true and false, arrays and objects keep their text.
            out.extend(String::from_utf8_lossy(text).as_bytes());
            return;
        }
        let mut repaired = Vec::new();
        unescape(text, out, |kind| repaired.push(kind));
        self.repaired(start, token, repaired);
    }

    /// Reports the repairs of a text, each kind once.
    fn repaired(&mut self, start: usize, token: Token, mut repaired: Vec<IssueKind>) {
        repaired.sort_unstable();
        repaired.dedup();
        for kind in repaired {
            let what = match kind {
                IssueKind::LoneSurrogate => "half a surrogate pair became U+FFFD",
                IssueKind::InvalidUtf8 => "bytes that are not UTF-8 became U+FFFD",
                _ => "an escape that JSON does not have was kept as it is",
            };
            self.issue(kind, start, format!("{what}, in {}", self.shown(token)));
        }
    }

    fn shown(&self, token: Token) -> String {
        shown(&self.bytes[token.start..token.end])
    }
}

impl Token {
    /// The byte after the value.
    fn after(&self) -> usize {
        self.end + usize::from(self.kind == TokenKind::String)
    }
}

impl Fields {
    fn put(&mut self, key: &[u8], token: Token) {
        let (slot, name) = match key {
            b"address" => (&mut self.address, "address"),
            b"type" => (&mut self.type_name, "type"),
            b"size" => (&mut self.size, "size"),
            b"len" => (&mut self.len, "len"),
            b"name" => (&mut self.name, "name"),
            b"value" => (&mut self.value, "value"),
            b"refs" => (&mut self.refs, "refs"),
            b"labels" => (&mut self.labels, "labels"),
            b"weak" => (&mut self.weak, "weak"),
            b"root" => (&mut self.root, "root"),
            b"refcount" => (&mut self.refcount, "refcount"),
            b"capture" => (&mut self.capture, "capture"),
            b"end" => (&mut self.end, "end"),
            _ => return,
        };
        if slot.is_some() {
            self.repeated = Some(name);
        } else {
            *slot = Some(token);
        }
    }

    fn is_empty(&self) -> bool {
        let fields = [self.address, self.type_name, self.size, self.len, self.name, self.value, self.refs];
        fields.iter().all(Option::is_none)
    }
}
