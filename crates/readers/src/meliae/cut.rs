//! Where to cut an input into blocks: between two objects.
//!
//! In the usual form an object is a line, so the cut is the last `\n{` of what was read. Inputs without one (an
//! array on one line, indented JSON) are cut after the last closing brace of the top level, found by following
//! strings and braces from the start of the block.

use crate::blocks::Cutter;

/// Finds the cut in the bytes of a block that is being filled; remembers how far it has looked.
#[derive(Debug, Default)]
pub(crate) struct LineCutter {
    braces: Braces,
}

impl Cutter for LineCutter {
    fn cut(&mut self, bytes: &[u8]) -> Option<usize> {
        let cut = last_object_line(bytes).or_else(|| self.braces.last_end(bytes)).or_else(|| {
            // White space and damage without any brace need not be kept together.
            let cut = (!self.braces.any).then(|| no_object(bytes)).flatten();
            cut.or_else(|| before_zeros(bytes))
        });
        if cut.is_some() {
            self.braces = Braces::default();
        }
        cut
    }
}

/// The byte after the last newline that an opening brace follows.
fn last_object_line(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(bytes, b"\n{").map(|newline| newline + 1)
}

/// Where the zeros begin of bytes that end with many: an object that lost its end there does not go on after them.
fn before_zeros(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.last_chunk::<MIN_ZEROS>()?;
    if tail.iter().any(|byte| *byte != 0) {
        return None;
    }
    bytes.iter().rposition(|byte| *byte != 0).map(|last| last + 1)
}

/// Zeros that are no part of an object.
const MIN_ZEROS: usize = 4096;

/// Where to cut bytes that hold no object.
fn no_object(bytes: &[u8]) -> Option<usize> {
    let is_blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    if bytes.len() >= MAX_DAMAGE || bytes.iter().all(is_blank) {
        return Some(bytes.len()).filter(|len| *len > 0);
    }
    memchr::memrchr(b'\n', bytes).map(|newline| newline + 1)
}

/// Bytes without newline and brace that are kept together.
const MAX_DAMAGE: usize = 16 << 20;

/// Follows strings and braces through the bytes of a block.
#[derive(Debug, Default)]
struct Braces {
    seen: usize,
    any: bool,
    depth: u64,
    in_string: bool,
    last_end: Option<usize>,
}

impl Braces {
    fn last_end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(&byte) = bytes.get(self.seen) {
            match byte {
                b'\\' if self.in_string => self.seen += 1,
                b'"' => self.in_string = !self.in_string,
                b'{' => {
                    self.any = true;
                    self.depth += u64::from(!self.in_string);
                }
                b'}' if !self.in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.last_end = Some(self.seen + 1);
                    }
                }
                _ => {}
            }
            self.seen += 1;
        }
        self.last_end.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_before_the_last_line_that_begins_an_object() {
        assert_eq!(LineCutter::default().cut(b"{1}\n{2}\n{3"), Some(8));
        assert_eq!(LineCutter::default().cut(b"{1},\r\n{2"), Some(6));
    }

    #[test]
    fn cuts_after_the_last_object_of_one_line() {
        assert_eq!(LineCutter::default().cut(br#"{"a":"}"}, {"b"#), Some(9));
        assert_eq!(LineCutter::default().cut(br#"{"a": {}, "b\"}": "#), None);
    }

    #[test]
    fn white_space_and_damage_are_not_gathered() {
        assert_eq!(LineCutter::default().cut(b" \n  \n "), Some(6));
        assert_eq!(LineCutter::default().cut(b"dam\nage"), Some(4));
        assert_eq!(LineCutter::default().cut(b"damage"), None);
        assert_eq!(LineCutter::default().cut(&vec![b'x'; MAX_DAMAGE]), Some(MAX_DAMAGE));
        assert_eq!(LineCutter::default().cut(b"\n\n{\"a\": [\n"), Some(2));
        assert_eq!(LineCutter::default().cut(b"\0\0\n\0"), Some(4));
        let cut_and_padded = [&b"{\"a\": [1, "[..], &[0; MIN_ZEROS]].concat();
        assert_eq!(LineCutter::default().cut(&cut_and_padded), Some(10));
        assert_eq!(LineCutter::default().cut(&cut_and_padded[..MIN_ZEROS]), None);
    }

    #[test]
    fn goes_on_where_it_stopped() {
        let text = br#"[{"a": {"b": "\\"}}, {"#;
        let mut cutter = LineCutter::default();
        for end in 0..19 {
            assert_eq!(cutter.cut(&text[..end]), None, "{end}");
        }
        assert_eq!(cutter.cut(&text[..19]), Some(19));
    }
}
