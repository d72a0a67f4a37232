//! JSON string bodies to UTF-8.

use heaplake_model::IssueKind;

/// Appends the text of a string body (between its quotes) to `out`; reports every repair to `repaired`.
pub(crate) fn unescape(body: &[u8], out: &mut Vec<u8>, mut repaired: impl FnMut(IssueKind)) {
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        push_utf8(&rest[..at], out, &mut repaired);
        rest = &rest[at + 1..];
        rest = escape(rest, out, &mut repaired);
    }
    push_utf8(rest, out, &mut repaired);
}

/// One escape, `rest` being what follows the backslash; returns what follows the escape.
fn escape<'b>(rest: &'b [u8], out: &mut Vec<u8>, repaired: &mut impl FnMut(IssueKind)) -> &'b [u8] {
    let Some((&first, tail)) = rest.split_first() else {
        repaired(IssueKind::BadEscape);
        out.push(b'\\');
        return rest;
    };
    let simple = match first {
        b'"' | b'\\' | b'/' => first,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode_escape(tail, out, repaired),
        _ => {
            repaired(IssueKind::BadEscape);
            out.push(b'\\');
            return rest;
        }
    };
    out.push(simple);
    tail
}

/// `rest` follows `\u`.
fn unicode_escape<'b>(rest: &'b [u8], out: &mut Vec<u8>, repaired: &mut impl FnMut(IssueKind)) -> &'b [u8] {
    let Some(unit) = four_hex(rest) else {
        repaired(IssueKind::BadEscape);
        out.extend(b"\\u");
        return rest;
    };
    let tail = &rest[4..];
    if let Some(c) = char::from_u32(unit) {
        push_char(c, out);
        return tail;
    }
    let low = tail.strip_prefix(b"\\u").and_then(four_hex).filter(|low| (0xdc00..0xe000).contains(low));
    if let (0xd800..0xdc00, Some(low)) = (unit, low)
        && let Some(c) = char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
    {
        push_char(c, out);
        return &tail[6..];
    }
    repaired(IssueKind::LoneSurrogate);
    push_char(char::REPLACEMENT_CHARACTER, out);
    tail
}

fn four_hex(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, &b| Some(value * 16 + char::from(b).to_digit(16)?))
}

fn push_char(c: char, out: &mut Vec<u8>) {
    out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_utf8(bytes: &[u8], out: &mut Vec<u8>, repaired: &mut impl FnMut(IssueKind)) {
    for chunk in bytes.utf8_chunks() {
        out.extend(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            repaired(IssueKind::InvalidUtf8);
            push_char(char::REPLACEMENT_CHARACTER, out);
        }
    }
}

/// Text of a dump for a message: at most 40 characters, everything that a terminal could act on escaped, in backticks.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(160)];
    let text = String::from_utf8_lossy(head);
    let mut shown = String::from("`");
    for c in text.chars().take(40) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(40).is_some() || head.len() < bytes.len() {
        shown.push('…');
    }
    shown.push('`');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], text: &str, issues: &[IssueKind]) {
        let (mut out, mut met) = (Vec::new(), Vec::new());
        unescape(body, &mut out, |kind| met.push(kind));
        assert_eq!((String::from_utf8(out).as_deref(), met.as_slice()), (Ok(text), issues));
    }

    #[test]
    fn every_escape() {
        check(br#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t", &[]);
        check(br"\u00e9\u0000\u20AC", "é\0€", &[]);
        check(br"\ud83d\ude00", "😀", &[]);
        check("gr\u{fc}n".as_bytes(), "grün", &[]);
    }

    #[test]
    fn repairs_are_reported() {
        use IssueKind::{BadEscape, InvalidUtf8, LoneSurrogate};
        check(br"\ud83d", "\u{fffd}", &[LoneSurrogate]);
        check(br"\ude00x", "\u{fffd}x", &[LoneSurrogate]);
        check(br"\ud83d\ud83d\ude00", "\u{fffd}😀", &[LoneSurrogate]);
        check(br"\ud83d\u0041", "\u{fffd}A", &[LoneSurrogate]);
        check(br"\x41", "\\x41", &[BadEscape]);
        check(br"\u12", "\\u12", &[BadEscape]);
        check(br"\", "\\", &[BadEscape]);
        check(b"a\xff\xfeb", "a\u{fffd}\u{fffd}b", &[InvalidUtf8, InvalidUtf8]);
        check(b"\xe2\x82", "\u{fffd}", &[InvalidUtf8]);
    }

    #[test]
    fn shown_text_is_short_and_escaped() {
        assert_eq!(shown(b"a\x1b[31m\"\n\xe2\x80\xae"), r#"`a\u{1b}[31m"\n\u{202e}`"#);
        assert_eq!(shown(&[b'x'; 100]).chars().count(), 43);
    }
}
