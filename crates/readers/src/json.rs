//! The fields of the first JSON object of an input, as far as its first bytes show them: what a file that is not a dump
//! says of itself.
//!
//! Strings and brackets are followed, nothing is checked.

/// The first object of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstFields<'h> {
    /// The names of its first fields, with their escapes, and what their values begin with.
    pub(crate) fields: Vec<(&'h [u8], &'h [u8])>,
    /// What follows the object; `None` where the head does not hold all of it.
    pub(crate) rest: Option<&'h [u8]>,
}

/// As many fields are noted.
const MAX_FIELDS: usize = 64;

impl<'h> FirstFields<'h> {
    /// The fields of the first object of the input that begins with `head`: an object, or one of an array. `None` if it is
    /// not JSON or the object is empty.
    pub(crate) fn of(head: &'h [u8]) -> Option<Self> {
        let mut rest = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        while let [b' ' | b'\t' | b'\r' | b'\n' | b'[', after @ ..] = rest {
            rest = after;
        }
        let mut found = Self::default();
        rest = rest.strip_prefix(b"{")?;
        while let Some(text) = rest.trim_ascii_start().strip_prefix(b"\"") {
            let Some(end) = string_end(text) else { break };
            let (name, after) = (&text[..end], text[end + 1..].trim_ascii_start());
            let Some(value) = after.strip_prefix(b":") else { break };
            let value = value.trim_ascii_start();
            if found.fields.len() < MAX_FIELDS {
                found.fields.push((name, value));
            }
            let Some(end) = value_end(value) else { break };
            rest = match value[end..].trim_ascii_start() {
                [b',', after @ ..] => after,
                [b'}', after @ ..] => {
                    found.rest = Some(after);
                    break;
                }
                _ => break,
            };
        }
        (!found.fields.is_empty()).then_some(found)
    }

    /// Whether the object has a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| *other == name.as_bytes())
    }
}

/// The index of the closing quote of the string whose text `bytes` begin with.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The length of the value that `bytes` begin with.
fn value_end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at += 1 + string_end(&bytes[at + 1..])?,
            b'[' | b'{' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(head: &str) -> Option<(Vec<String>, bool)> {
        let found = FirstFields::of(head.as_bytes())?;
        let name = |(name, _): &(&[u8], &[u8])| String::from_utf8_lossy(name).into_owned();
        Some((found.fields.iter().map(name).collect(), found.rest.is_some()))
    }

    #[test]
    fn the_names_of_the_first_object() {
        let nested = r#" [[{"a" : {"x": ["}", 1]}, "b\"": "\\", "c": 1e5}, {"d": 1}]"#;
        for (head, fields, is_whole) in [
            (r#"{"a": 1}"#, vec!["a"], true),
            (nested, vec!["a", "b\\\"", "c"], true),
            (r#"{"a": 1, "b": [1, 2, "#, vec!["a", "b"], false),
            (r#"{"a": 1, "b"#, vec!["a"], false),
            (r#"{"a": 1, "#, vec!["a"], false),
            (r#"{"a" 1}"#, vec![], false),
        ] {
            let expected = (!fields.is_empty())
                .then(|| (fields.into_iter().map(str::to_owned).collect::<Vec<_>>(), is_whole));
            assert_eq!(names(head), expected, "{head}");
        }
        for head in ["", "{}", "[1, 2]", "hello", "{a: 1}", "[[["] {
            assert_eq!(names(head), None, "{head}");
        }
    }

    #[test]
    fn no_head_panics() {
        let whole = r#"[{"a" : {"x": ["}", 1]}, "b\"": "\\", "c": 1e5}, {"d": 1}]"#;
        for at in 0..whole.len() {
            FirstFields::of(&whole.as_bytes()[..at]);
            for byte in *b"\"\\[]{},: \xff" {
                let mut changed = whole.as_bytes().to_vec();
                changed[at] = byte;
                FirstFields::of(&changed);
            }
        }
        FirstFields::of("{\"a\":".repeat(20_000).as_bytes());
    }
}
