//! Bars of block characters, for terminals that can show them.

/// A bar for the share of `part` in `whole`, in `width` cells, each divided in eight; empty where there is nothing.
pub fn bar(part: i64, whole: i64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if part <= 0 || whole <= 0 {
        return String::new();
    }
    let share = (part as f64 / whole as f64).min(1.0);
    // What is there at all is seen.
    let eighths = ((share * width as f64 * 8.0).round() as usize).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Whether the environment says that a terminal shows more than ASCII: a locale of UTF-8, and no terminal without abilities.
pub fn are_shown(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
    let is_dumb = set("TERM").is_some_and(|terminal| terminal == "dumb");
    (locale.contains("utf-8") || locale.contains("utf8")) && !is_dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        for (part, whole, expected) in [
            (0, 10, ""),
            (1, 1_000_000, "▏"),
            (1, 2, "██"),
            (10, 10, "████"),
            (20, 10, "████"),
            (5, 16, "█▎"),
            (-1, 10, ""),
            (1, 0, ""),
            (i64::MAX, i64::MAX, "████"),
        ] {
            assert_eq!(bar(part, whole, 4), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn the_locale_decides() {
        let shown = |variables: &[(&str, &str)]| {
            let variables: Vec<(String, String)> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            are_shown(|name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })
        };
        assert!(shown(&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")]));
        assert!(shown(&[("LC_ALL", "C.utf8")]));
        assert!(!shown(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!shown(&[("LANG", "de_DE.UTF-8"), ("TERM", "dumb")]));
        assert!(!shown(&[]));
    }
}
