//! Numbers in the sentences of a verdict, and the words in names.

/// Bytes as people read them: `1.5 MiB`.
pub(super) fn bytes(n: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = n.unsigned_abs() as f64 / 1024.0;
    if value < 1.0 {
        return format!("{n} B");
    }
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{}{value:.1} {}", if n < 0 { "-" } else { "" }, UNITS[unit])
}

/// A number with commas between thousands.
pub(super) fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{}{text}", if n < 0 { "-" } else { "" })
}

/// The words of a name, in lower case: `max`, `line` and `length` of `maxLineLength`, `MAX_LINE_LENGTH` or `['max_line_length']`.
pub(super) fn of_name(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let is_new = !c.is_alphanumeric() || (was_lower && c.is_uppercase());
        if is_new {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether two names have a word in common that says what they are about: `quotes` and `MAX_QUOTES`.
pub(super) fn have_one_in_common(name: &str, other: &str) -> bool {
    const LEAST_LETTERS: usize = 3;
    let stem = |word: &String| word.trim_end_matches('s').to_owned();
    let says_something =
        |word: &String| word.len() >= LEAST_LETTERS && !["max", "min", "limit"].contains(&word.as_str());
    let words: Vec<String> = of_name(name).iter().map(stem).collect();
    of_name(other).iter().map(stem).any(|word| says_something(&word) && words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(-3 << 20), "-3.0 MiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(i64::MAX), "8192.0 PiB");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(-999), "-999");
    }

    #[test]
    fn names_have_words() {
        for name in ["maxLineLength", "MAX_LINE_LENGTH", "['max_line_length']", ".max-line.length"] {
            assert_eq!(of_name(name), ["max", "line", "length"], "{name}");
        }
        assert_eq!(of_name("_x2Y__"), ["x2y"]);
        assert!(of_name("__").is_empty());
        assert!(
            have_one_in_common("['quotes']", "['MAX_QUOTES']")
                && have_one_in_common("entry_cache", "cacheLimit")
        );
        assert!(
            !have_one_in_common("['quotes']", "['MAX_LINES']") && !have_one_in_common("['max']", "['max_x']")
        );
    }
}
