//! Makes text of unknown origin safe to show.
//!
//! A dump holds whatever the process held: escape sequences that repaint a terminal, characters that turn the
//! direction of a line around, or that cannot be seen. Shown to a person, each becomes visible: `\x1b`, `\u{202e}`.
//! What is written for programs (csv, tsv, json piped or to a file) is exact and does not pass here.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// Whether a character must not be shown as it is.
///
/// Controls (C0, DEL, C1), marks that change the direction of text, characters without width, line and paragraph
/// separators, and the tag characters, with which text can be hidden.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// One line of a table: every unsafe character is written out, `\n`, `\r` and `\t` in their short form.
pub fn line(text: &str) -> Cow<'_, str> {
    replace(text, is_unsafe, |c, out| match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ => backslash(c, out),
    })
}

/// A message of possibly several lines: like [`line`], but line breaks stay.
pub fn message(text: &str) -> Cow<'_, str> {
    replace(text, |c| c != '\n' && is_unsafe(c), backslash)
}

/// A cell of a Markdown table: [`line`], and nothing in it is markup.
///
/// A tilde, an underscore or a bracket can at worst change how the cell looks; they stay, so that names do.
pub fn markdown(text: &str) -> Cow<'_, str> {
    let special = |c| matches!(c, '|' | '`' | '*' | '\\' | '<' | '>' | '&' | '[' | ']' | '\n');
    replace(
        text,
        |c| special(c) || is_unsafe(c),
        |c, out| match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A backslash that we write must be escaped itself, or Markdown takes it away.
            '\n' => out.push_str("\\\\n"),
            '\r' => out.push_str("\\\\r"),
            '\t' => out.push_str("\\\\t"),
            c if is_unsafe(c) => {
                out.push('\\');
                backslash(c, out);
            }
            c => out.extend(['\\', c]),
        },
    )
}

/// A field of tab-separated values: tab, line breaks and backslash as `\t`, `\n`, `\r`, `\\`, all else as it is.
pub fn tsv(text: &str) -> Cow<'_, str> {
    replace(
        text,
        |c| matches!(c, '\t' | '\n' | '\r' | '\\'),
        |c, out| {
            out.push_str(match c {
                '\t' => "\\t",
                '\n' => "\\n",
                '\r' => "\\r",
                _ => "\\\\",
            });
        },
    )
}

fn replace(text: &str, special: impl Fn(char) -> bool, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let Some(first) = text.find(&special) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        if special(c) { write(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

fn backslash(c: char, out: &mut String) {
    let code = c as u32;
    // Writing to a String cannot fail.
    let _ = if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:x}}}") };
}

fn json(c: char, out: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// How a data format is made safe when it is shown on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `\x1b`, `\u{202e}`.
    Backslash,
    /// `\u001b`, `\u202e`: stays valid JSON with the same meaning.
    Json,
}

/// A writer that escapes what passes, for csv, tsv and JSON on a terminal. Line feeds and tabs pass.
#[derive(Debug)]
pub struct Escaping<W> {
    inner: W,
    style: Style,
    /// The beginning of a character whose end is still to come; at most three bytes.
    partial: Vec<u8>,
}

impl<W: Write> Escaping<W> {
    /// Escapes in `style` what is written to `inner`.
    pub fn new(inner: W, style: Style) -> Self {
        Self { inner, style, partial: Vec::new() }
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        let special = |c| !matches!(c, '\n' | '\t') && is_unsafe(c);
        let safe = match self.style {
            Style::Backslash => replace(text, special, backslash),
            Style::Json => replace(text, special, json),
        };
        self.inner.write_all(safe.as_bytes())
    }

    fn write_bytes(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let error = match std::str::from_utf8(bytes) {
                Ok(text) => return self.write_text(text),
                Err(error) => error,
            };
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            self.write_text(&String::from_utf8_lossy(valid))?;
            let Some(n_invalid) = error.error_len() else {
                self.partial = rest.to_vec();
                return Ok(());
            };
            let (invalid, rest) = rest.split_at(n_invalid);
            for byte in invalid {
                write!(self.inner, "\\x{byte:02x}")?;
            }
            bytes = rest;
        }
        Ok(())
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.partial.is_empty() {
            self.write_bytes(bytes)?;
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            self.write_bytes(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_would_act_on_a_terminal() {
        for (text, shown) in [
            ("plain äöü 漢字 🦀", "plain äöü 漢字 🦀"),
            ("\x1b[31mred", "\\x1b[31mred"),
            ("\u{9b}31m", "\\x9b31m"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\0\x07\x7f", "\\x00\\x07\\x7f"),
            ("evil\u{202e}txt.exe", "evil\\u{202e}txt.exe"),
            ("\u{2066}\u{2069}\u{200b}\u{feff}", "\\u{2066}\\u{2069}\\u{200b}\\u{feff}"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(line(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_message_keeps_its_lines() {
        assert_eq!(message("a\nb\x1b"), "a\nb\\x1b");
    }

    #[test]
    fn a_markdown_cell_holds_no_markup() {
        for (text, shown) in [
            ("a|b", "a\\|b"),
            ("`x` <script>", "\\`x\\` &lt;script&gt;"),
            ("&lt;", "&amp;lt;"),
            ("[a](http://b)", "\\[a\\](http://b)"),
            ("C:\\temp", "C:\\\\temp"),
            ("two\nlines", "two\\\\nlines"),
            ("\x1b", "\\\\x1b"),
        ] {
            assert_eq!(markdown(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_tsv_field_stays_on_its_line_and_in_its_column() {
        assert_eq!(tsv("a\tb\nc\\d\re"), "a\\tb\\nc\\\\d\\re");
        assert_eq!(tsv("\x1b exact"), "\x1b exact");
    }

    /// Written byte by byte, so that every character is split everywhere.
    fn escaped(bytes: &[u8], style: Style) -> String {
        let mut out = Vec::new();
        let mut writer = Escaping::new(&mut out, style);
        for byte in bytes {
            writer.write_all(&[*byte]).expect("a Vec takes everything");
        }
        String::from_utf8(out).expect("escaped output is text")
    }

    #[test]
    fn the_writer_escapes_characters_split_over_writes() {
        let text = "a,b\n\x1b[0m\u{9b}\u{202e}ä漢🦀\r\t";
        assert_eq!(escaped(text.as_bytes(), Style::Backslash), "a,b\n\\x1b[0m\\x9b\\u{202e}ä漢🦀\\x0d\t");
        assert_eq!(escaped(text.as_bytes(), Style::Json), "a,b\n\\u001b[0m\\u009b\\u202eä漢🦀\\u000d\t");
        assert_eq!(escaped("\u{e0041}".as_bytes(), Style::Json), "\\udb40\\udc41");
        assert_eq!(escaped(b"a\xffb\xc3(", Style::Backslash), "a\\xffb\\xc3(");
    }
}
