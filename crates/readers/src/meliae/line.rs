//! The fast path: a line exactly as meliae's scanner writes it.
//!
//! Anything else, even one more space, is left untouched for the general parser. About 1.5 GB/s
//! on one thread; most of it goes into the digits of references.

use heaplake_model::EdgeKind;
use memchr::memchr3;

use super::Parser;
use crate::{batch::Row, number::digits, text::unescape};

impl Parser<'_, '_> {
    /// Reads the object at `self.at` if it has the scanner's form; false leaves everything as it was.
    #[inline]
    pub(super) fn line_form(&mut self) -> bool {
        let (text, refs) = (self.batch.text.len(), self.batch.refs.len());
        let (kinds, roots) = (self.batch.kinds.len(), self.batch.roots.len());
        let mut row = self.empty_row(self.at);
        match self.try_line(&mut row) {
            Some(end) => {
                self.batch.rows.push(row);
                self.at = end;
                true
            }
            None => {
                self.batch.text.truncate(text);
                self.batch.refs.truncate(refs);
                self.batch.labels.truncate(refs);
                self.batch.kinds.truncate(kinds);
                self.batch.roots.truncate(roots);
                false
            }
        }
    }

    /// Fills the row; returns where the object ends.
    #[inline]
    fn try_line(&mut self, row: &mut Row) -> Option<usize> {
        let bytes = self.bytes;
        let mut at = expect(bytes, self.at, b"{\"address\": ")?;
        row.address = number(bytes, &mut at)?;
        at = expect(bytes, at, b", \"type\": \"")?;
        let (name, after) = plain_string(bytes, at)?;
        row.type_id = match self.types.get(name) {
            Some(id) => id,
            None => self.types.intern(std::str::from_utf8(name).ok()?),
        };
        at = expect(bytes, after, b", \"size\": ")?;
        row.size = i64::try_from(number(bytes, &mut at)?).ok()?;
        loop {
            at = expect(bytes, at, b", \"")?;
            match bytes.get(at)? {
                b'r' => {
                    at = expect(bytes, at, b"refs\": [")?;
                    return self.references(row, at);
                }
                b'v' if row.value_len == Row::NO_TEXT => {
                    at = self.value(row, expect(bytes, at, b"value\": ")?)?;
                }
                b'l' if row.len == Row::NO_NUMBER => {
                    at = expect(bytes, at, b"len\": ")?;
                    row.len = i64::try_from(number(bytes, &mut at)?).ok()?;
                }
                // The name must lie before the value in the batch's text.
                b'n' if row.name_len == Row::NO_TEXT && row.value_len == Row::NO_TEXT => {
                    at = expect(bytes, at, b"name\": \"")?;
                    (row.name_len, at) = self.string(at)?;
                }
                _ => return None,
            }
        }
    }

    /// The value, a string or a bare whole number.
    #[inline]
    fn value(&mut self, row: &mut Row, at: usize) -> Option<usize> {
        let bytes = self.bytes;
        if *bytes.get(at)? == b'"' {
            let end;
            (row.value_len, end) = self.string(at + 1)?;
            return Some(end);
        }
        let sign = usize::from(bytes[at] == b'-');
        let first = bytes.get(at + sign)?;
        let n_digits = bytes[at + sign..].iter().take_while(|b| b.is_ascii_digit()).count();
        if n_digits == 0 || (*first == b'0' && n_digits > 1) {
            return None;
        }
        let end = at + sign + n_digits;
        self.batch.text.extend(&bytes[at..end]);
        row.value_len = u32::try_from(end - at).ok()?;
        Some(end)
    }

    /// Appends the string whose text begins at `at`, after its quote; returns the bytes of its text and where it ends.
    #[inline]
    fn string(&mut self, at: usize) -> Option<(u32, usize)> {
        let rest = &self.bytes[at..];
        let stop = memchr3(b'"', b'\\', b'\n', rest)?;
        let before = self.batch.text.len();
        let end = match rest[stop] {
            b'"' => {
                let text = &rest[..stop];
                std::str::from_utf8(text).ok()?;
                self.batch.text.extend(text);
                stop
            }
            b'\\' => {
                let end = escaped_string_end(rest, stop)?;
                let mut sound = true;
                unescape(&rest[..end], &mut self.batch.text, |_| sound = false);
                sound.then_some(end)?
            }
            _ => return None,
        };
        let len = u32::try_from(self.batch.text.len() - before).ok()?;
        Some((len, at + end + 1))
    }

    /// The references, from after their bracket to the end of the object.
    #[inline]
    fn references(&mut self, row: &mut Row, mut at: usize) -> Option<usize> {
        let bytes = self.bytes;
        let before = self.batch.refs.len();
        if *bytes.get(at)? == b']' {
            at += 1;
        } else {
            loop {
                let (address, n_digits) = digits(&bytes[at..])?;
                self.batch.refs.push(address);
                at += n_digits;
                match bytes.get(at..at + 2)? {
                    b", " => at += 2,
                    [b']', _] => break at += 1,
                    _ => return None,
                }
            }
        }
        row.n_refs = u32::try_from(self.batch.refs.len() - before).ok()?;
        if *bytes.get(at)? == b'}' {
            return Some(at + 1);
        }
        self.of_capture(row, at)
    }

    /// What heaplake's own capture writes after the references.
    #[inline]
    fn of_capture(&mut self, row: &mut Row, mut at: usize) -> Option<usize> {
        let bytes = self.bytes;
        if let Some(list) = expect(bytes, at, b", \"labels\": [") {
            at = self.label_list(row, list)?;
        }
        if let Some(list) = expect(bytes, at, b", \"weak\": [") {
            at = self.weak_list(row, list)?;
        }
        if let Some(kind) = expect(bytes, at, b", \"root\": \"") {
            let (kind, after) = plain_string(bytes, kind)?;
            self.batch.roots.push((row.address, std::str::from_utf8(kind).ok()?.to_owned()));
            at = after;
        }
        if let Some(mut digits) = expect(bytes, at, b", \"refcount\": ") {
            row.refcount = u32::try_from(number(bytes, &mut digits)?).ok().filter(|count| *count > 0)?;
            at = digits;
        }
        expect(bytes, at, b"}")
    }

    /// The labels, from after their bracket, one for each reference.
    #[inline]
    fn label_list(&mut self, row: &Row, mut at: usize) -> Option<usize> {
        let bytes = self.bytes;
        for position in 0..row.n_refs {
            if position > 0 {
                at = expect(bytes, at, b", ")?;
            }
            if let Some(after) = expect(bytes, at, b"null") {
                at = after;
                continue;
            }
            let start = expect(bytes, at, b"\"")?;
            let stop = memchr3(b'"', b'\\', b'\n', bytes.get(start..)?)?;
            let end = match bytes[start + stop] {
                b'"' => start + stop,
                b'\\' => start + escaped_string_end(&bytes[start..], stop)?,
                _ => return None,
            };
            self.set_label(row.refs as usize + position as usize, &bytes[start..end], |_| ())?;
            at = end + 1;
        }
        expect(bytes, at, b"]")
    }

    /// The positions of weak references, from after their bracket, ascending.
    fn weak_list(&mut self, row: &Row, mut at: usize) -> Option<usize> {
        let bytes = self.bytes;
        let mut next = 0;
        loop {
            let position = number(bytes, &mut at)?;
            if position < next || position >= u64::from(row.n_refs) {
                return None;
            }
            next = position + 1;
            self.batch.kinds.push((row.refs + position as u32, EdgeKind::Weak));
            match bytes.get(at..at + 2)? {
                b", " => at += 2,
                [b']', _] => return Some(at + 1),
                _ => return None,
            }
        }
    }
}

#[inline]
fn expect<const N: usize>(bytes: &[u8], at: usize, text: &[u8; N]) -> Option<usize> {
    // Arrays, so that the comparison becomes an instruction or two instead of a call.
    (bytes.get(at..)?.first_chunk::<N>()? == text).then_some(at + N)
}

#[inline]
fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let (value, n_digits) = digits(bytes.get(*at..)?)?;
    *at += n_digits;
    Some(value)
}

/// A string without escapes: its bytes and where it ends.
#[inline]
fn plain_string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let end = memchr3(b'"', b'\\', b'\n', rest)?;
    (rest[end] == b'"').then(|| (&rest[..end], at + end + 1))
}

/// The index of the closing quote, `from` being that of the first backslash; `None` when the line ends first.
fn escaped_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr3(b'"', b'\\', b'\n', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}
