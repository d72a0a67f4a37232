//! Numbers in the sentences of a verdict.

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
}
