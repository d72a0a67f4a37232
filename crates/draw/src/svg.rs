//! The text of an SVG document: elements, escaped text, numbers, and texts that fit a width.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::UnicodeWidthChar as _;

use crate::palette;

/// What stands above and below a picture.
#[derive(Debug, Clone, Default)]
pub struct Heading {
    /// The first line.
    pub title: String,
    /// The second line; may be empty.
    pub subtitle: String,
    /// Lines below the picture.
    pub notes: Vec<String>,
}

/// Width of a character in a monospaced font, as a part of its size. Fonts differ; the widest common one decides.
const CHARACTER_WIDTH: f64 = 0.61;
/// Size of the font in pixels.
pub(crate) const FONT: f64 = 11.0;
/// Between the border and what is drawn.
pub(crate) const MARGIN: f64 = 10.0;
const LINE: f64 = 16.0;
/// Height of title and subtitle.
const HEAD: f64 = 46.0;

/// A document that grows.
pub(crate) struct Svg {
    out: String,
    width: f64,
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Svg {
    /// Begins a document with room for a picture of `height` between head and notes; returns where the picture begins.
    pub(crate) fn new(width: u32, height: f64, heading: &Heading, n_more_notes: usize) -> (Self, f64) {
        let width = f64::from(width);
        let n_notes = heading.notes.len() + n_more_notes;
        let whole = HEAD + height + MARGIN + n_notes as f64 * LINE;
        let mut svg = Self { out: String::new(), width };
        svg.write(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
             aria-labelledby=\"title description\">\n<title id=\"title\">{}</title>\n<desc id=\"description\">{}</desc>\n",
            escaped(&heading.title),
            escaped(&described(heading)),
            w = number(width),
            h = number(whole),
        ));
        svg.write(format_args!("<style>{}</style>\n", palette::STYLE));
        svg.write(format_args!(
            "<rect class=\"page\" width=\"{}\" height=\"{}\"/>\n",
            number(width),
            number(whole)
        ));
        svg.words("title", MARGIN, 20.0, &heading.title);
        svg.words("", MARGIN, 37.0, &heading.subtitle);
        (svg, HEAD)
    }

    /// Ends the document with the notes below a picture that ends at `y`.
    pub(crate) fn finish<'n>(mut self, y: f64, notes: impl IntoIterator<Item = &'n String>) -> String {
        for (i, note) in notes.into_iter().enumerate() {
            self.words("note", MARGIN, y + LINE * (i as f64 + 1.0), note);
        }
        self.out.push_str("</svg>\n");
        self.out
    }

    fn words(&mut self, class: &str, x: f64, y: f64, text: &str) {
        // Titles are larger than other texts.
        let font = if class == "title" { 15.0 } else { FONT };
        if !text.is_empty() {
            let fitted = fitted(text, self.width - 2.0 * MARGIN, font).into_owned();
            self.text(class, x, y, &fitted);
        }
    }

    pub(crate) fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let written = self.out.write_fmt(text);
        debug_assert!(written.is_ok(), "a String takes everything");
    }

    /// A text on one line, its left end at `x`.
    pub(crate) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.write(format_args!(
            "<text{class} x=\"{}\" y=\"{}\">{}</text>\n",
            number(x),
            number(y),
            escaped(text)
        ));
    }

    /// A rectangle with a title, and a label in it if it fits.
    pub(crate) fn labelled(&mut self, class: &str, rect: Rect, title: &str, label: Option<&str>) {
        self.write(format_args!(
            "<g class=\"{class}\"><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            escaped(title),
            number(rect.x),
            number(rect.y),
            number(rect.width),
            number(rect.height),
        ));
        if let Some(label) =
            label.map(|label| fitted(label, rect.width - 6.0, FONT)).filter(|label| !label.is_empty())
        {
            self.write(format_args!(
                "<text x=\"{}\" y=\"{}\">{}</text>",
                number(rect.x + 3.0),
                number(rect.y + 13.0),
                escaped(&label),
            ));
        }
        self.out.push_str("</g>\n");
    }
}

fn described(heading: &Heading) -> String {
    let lines = std::iter::once(&heading.subtitle).chain(&heading.notes).filter(|line| !line.is_empty());
    lines.map(String::as_str).collect::<Vec<_>>().join(". ")
}

/// A number with two digits after the point at most, none that say nothing.
pub(crate) fn number(n: f64) -> String {
    let text = format!("{n:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Pixels that a text takes.
pub(crate) fn text_width(text: &str, font: f64) -> f64 {
    text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>() as f64 * font * CHARACTER_WIDTH
}

/// The beginning of a text, followed by `…` if it does not fit; empty if not even three characters fit.
pub(crate) fn fitted(text: &str, width: f64, font: f64) -> Cow<'_, str> {
    let room = (width / (font * CHARACTER_WIDTH)).floor();
    if room < 1.0 {
        return "".into();
    }
    let room = room as usize;
    let mut used = 0;
    // Where the text is cut if it does not fit.
    let mut cut = 0;
    for (at, c) in text.char_indices() {
        let after = used + c.width().unwrap_or(0);
        if after > room {
            return if room < 3 { "".into() } else { format!("{}…", &text[..cut]).into() };
        }
        used = after;
        if used < room {
            cut = at + c.len_utf8();
        }
    }
    text.into()
}

/// The end of a text, after `…` if it does not fit: of a path the end says most.
pub(crate) fn fitted_end(text: &str, width: f64, font: f64) -> Cow<'_, str> {
    if text_width(text, font) <= width {
        return text.into();
    }
    let backwards: String = text.chars().rev().collect();
    fitted(&backwards, width, font).chars().rev().collect::<String>().into()
}

/// Text as the content of an element or of an attribute in quotes. XML 1.0 has no way to write most controls.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\'') || !is_allowed(c);
    if !text.contains(special) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_allowed(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out.into()
}

/// Whether XML 1.0 allows a character, and recommends it.
fn is_allowed(c: char) -> bool {
    let is_control = c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    !is_control && (c as u32) & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_text() {
        for (text, expected) in [
            ("a", "a"),
            ("</text><script>", "&lt;/text&gt;&lt;script&gt;"),
            ("\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;"),
            ("]]>", "]]&gt;"),
            ("\0\u{1b}[31m\u{fffe}\u{9b}", "\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn texts_are_cut_to_their_room() {
        let room = |n: usize| n as f64 * FONT * CHARACTER_WIDTH + 0.1;
        for (text, n, expected) in [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("abcdef", 3, "ab…"),
            ("abcdef", 2, ""),
            ("ab", 2, "ab"),
            ("漢字漢字", 8, "漢字漢字"),
            ("漢字漢字", 7, "漢字漢…"),
            ("漢字漢字", 6, "漢字…"),
            ("", 0, ""),
        ] {
            assert_eq!(fitted(text, room(n), FONT), expected, "{text} in {n}");
        }
        assert_eq!(fitted_end("abcdef", room(4), FONT), "…def");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, -0.001, 1.5, 2.256, 100.0].map(number), ["0", "0", "1.5", "2.26", "100"]);
    }
}
