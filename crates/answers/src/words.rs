//! Numbers as people read them, for messages, summaries and reports. Data columns keep plain numbers.

use std::time::Duration;

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `-1,234` of a number that may be negative.
pub fn signed_count(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", count(n.unsigned_abs()))
}

/// `1 object`, `2,000 objects`.
pub fn counted(n: u64, singular: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {singular}{ending}", count(n))
}

/// A text of so many characters at most, with `…` after it where it was longer.
pub fn shortened(text: &str, max_chars: usize) -> String {
    heaplake_model::shortened(text, max_chars).into_owned()
}

/// `@0x7f95a1b0c8d0`, as SQL and the path language take it.
pub fn address(address: u64) -> String {
    format!("@{address:#x}")
}

/// `58.3 MiB`.
pub fn bytes(n: u64) -> String {
    bytesize::ByteSize(n).display().iec().to_string()
}

/// `58.3 MiB` of a sum that may, in a damaged dump, be negative.
pub fn signed_bytes(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", bytes(n.unsigned_abs()))
}

/// `+1,234` or `-5`; `0` for no change.
pub fn delta(n: i64) -> String {
    let sign = match n {
        1.. => "+",
        0 => "",
        _ => "-",
    };
    format!("{sign}{}", count(n.unsigned_abs()))
}

/// `+58.3 MiB`; `0 B` for no change.
pub fn delta_bytes(n: i64) -> String {
    if n > 0 { format!("+{}", signed_bytes(n)) } else { signed_bytes(n) }
}

/// `+1,234`, `-5` or `+0`, beside the number that grew.
pub fn growth(n: i64) -> String {
    if n == 0 { "+0".to_owned() } else { delta(n) }
}

/// `+58.3 MiB`, `-1 B` or `+0 B`, beside the size that grew.
pub fn growth_bytes(n: i64) -> String {
    if n == 0 { "+0 B".to_owned() } else { delta_bytes(n) }
}

/// `3 ms`, `1.25 s`, `2 min 5 s`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{:.1} s", time.as_secs_f64()),
        60..7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Megabytes a second, or nothing for a time too short to tell.
pub fn rate(bytes: u64, time: Duration) -> Option<String> {
    let seconds = time.as_secs_f64();
    (seconds > 0.001).then(|| format!("{:.0} MB/s", bytes as f64 / 1e6 / seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        for (n, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(count(n), shown);
        }
        assert_eq!(counted(1, "object"), "1 object");
        assert_eq!(counted(0, "issue"), "0 issues");
    }

    #[test]
    fn bytes_have_binary_units() {
        for (n, shown) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (61_131_981, "58.3 MiB")] {
            assert_eq!(bytes(n), shown);
        }
        assert_eq!(signed_bytes(-2048), "-2.0 KiB");
        assert_eq!(signed_bytes(i64::MIN), "-8.0 EiB");
    }

    #[test]
    fn differences_have_signs() {
        assert_eq!([delta(1234), delta(0), delta(-5)], ["+1,234", "0", "-5"]);
        assert_eq!([growth(0), growth(7), growth_bytes(0), growth_bytes(-1)], ["+0", "+7", "+0 B", "-1 B"]);
        assert_eq!([delta_bytes(2048), delta_bytes(0), delta_bytes(-1)], ["+2.0 KiB", "0 B", "-1 B"]);
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (ms, shown) in [
            (0, "0 ms"),
            (340, "340 ms"),
            (1250, "1.25 s"),
            (42_000, "42.0 s"),
            (125_000, "2 min 5 s"),
            (7_260_000, "2 h 1 min"),
            (176_400_000, "2 days 1 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), shown);
        }
    }
}
