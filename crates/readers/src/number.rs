//! Whole numbers out of text: the digits of the fast path, and every other way in which dumps write them.

/// Reads the decimal digits at the start of `bytes`: the value and how many there are.
///
/// `None` when there is no digit, when the value does not fit, or when a zero leads others. Eight digits a step
/// (Lemire, "Quickly parsing eight digits", 2022), because references are most of a dump.
#[inline]
pub(crate) fn digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let (value, mut n_digits) = eight_digits(bytes)?;
    if n_digits < 8 {
        return (n_digits > 0 && (bytes[0] != b'0' || n_digits == 1)).then_some((value, n_digits));
    }
    if bytes[0] == b'0' {
        return None;
    }
    let mut value = value;
    loop {
        let (next, n_next) = eight_digits(&bytes[n_digits..])?;
        value = value.checked_mul(POWERS[n_next])?.checked_add(next)?;
        n_digits += n_next;
        if n_next < 8 {
            return Some((value, n_digits));
        }
    }
}

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Up to eight digits at the start of `bytes`.
#[inline]
fn eight_digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let Some(chunk) = bytes.first_chunk::<8>() else {
        let n_digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let value = bytes[..n_digits].iter().fold(0, |value, b| value * 10 + u64::from(b - b'0'));
        return Some((value, n_digits));
    };
    let nibbles = u64::from_le_bytes(*chunk) ^ 0x3030_3030_3030_3030;
    let low = nibbles & 0x7f7f_7f7f_7f7f_7f7f;
    let not_digit = (low.wrapping_add(0x7676_7676_7676_7676) | nibbles) & 0x8080_8080_8080_8080;
    let n_digits = (not_digit.trailing_zeros() / 8) as usize;
    if n_digits == 0 {
        return Some((0, 0));
    }
    let aligned = nibbles << (8 * (8 - n_digits));
    let pairs = (aligned.wrapping_mul(10).wrapping_add(aligned >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff;
    Some((eight, n_digits))
}

/// The exact whole number that a text writes: decimal, `0x` hexadecimal, or a decimal fraction or exponent that comes
/// out whole. None for everything else, and for what 128 bits do not hold.
pub(crate) fn whole(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let magnitude = match hex {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => i128::from_str_radix(hex, 16).ok()?,
        Some(_) => return None,
        None => decimal(text)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn decimal(text: &str) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let shift = i64::from(exponent) - fraction.len() as i64;
    if shift >= 0 {
        let scale = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
        return digits.parse::<i128>().ok()?.checked_mul(scale);
    }
    let cut = digits.len().checked_sub(usize::try_from(-shift).ok()?)?;
    let (kept, dropped) = digits.split_at(cut);
    if dropped.bytes().any(|b| b != b'0') { None } else { kept.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_agree_with_the_standard_library() {
        let mut numbers = vec![0, 1, 9, 10, 99_999_999, 100_000_000, u64::MAX, 1 << 63, 140_280_050_481_424];
        numbers.extend((0..20).map(|power| 10_u64.pow(power) - 1));
        numbers.extend((0..20).map(|power| 10_u64.pow(power)));
        for number in numbers {
            for tail in ["", ",", "]}", ", 12345678901", "\u{80}\u{80}"] {
                let text = format!("{number}{tail}");
                assert_eq!(digits(text.as_bytes()), Some((number, number.to_string().len())), "{text}");
            }
        }
    }

    #[test]
    fn digits_refuse_what_is_no_number_of_64_bits() {
        for text in [
            "",
            "-1",
            "x",
            "18446744073709551616",
            "99999999999999999999999",
            "007",
            "0123456789",
            "\u{ff11}",
        ] {
            assert_eq!(digits(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn whole_takes_every_exact_form_and_no_other() {
        for (text, value) in [
            ("12", Some(12)),
            ("-12", Some(-12)),
            ("0x7f", Some(127)),
            ("12.0", Some(12)),
            ("1.25e2", Some(125)),
            ("1250e-1", Some(125)),
            ("0e5", Some(0)),
            ("1.4028005048142400e14", Some(140_280_050_481_424)),
            ("18446744073709551615", Some(u64::MAX.into())),
            ("12.5", None),
            ("1e-1", None),
            ("1e999999999", None),
            ("1e-999999999", None),
            ("", None),
            (".", None),
            ("0x", None),
            ("0x+1", None),
            ("NaN", None),
            ("1 2", None),
        ] {
            let expected = if text == "0x" { None } else { value };
            assert_eq!(whole(text), expected, "{text}");
        }
    }
}
