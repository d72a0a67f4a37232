//! Text of a dump, cut to a length.

use std::borrow::Cow;

/// The first `max_chars` characters of a text, followed by `…` if it is longer.
pub fn shortened(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_longer_texts_are_cut() {
        for (text, expected) in [("", ""), ("äbc", "äbc"), ("äbcd", "äbc…"), ("äbcde", "äbc…")] {
            assert_eq!(shortened(text, 3), expected);
        }
    }
}
