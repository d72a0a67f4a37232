//! Addresses as they are written: in SQL `@0x7f00`, as tables show it and patterns take it, is the number 32512.

use std::borrow::Cow;

/// An address: decimal, or hexadecimal after 0x, with or without an @ before it.
pub fn address(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('@').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => digits.parse().ok(),
    }
}

/// SQL with addresses as the numbers that they are. A number takes the space of what it replaces, so that a message about
/// the text points where it should. Texts, names in quotes and comments stay.
pub(crate) fn with_plain_addresses(sql: &str) -> Cow<'_, str> {
    if !sql.contains('@') {
        return Cow::Borrowed(sql);
    }
    let mut plain = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '\'' | '"' | '`' => rest[1..].find(c).map(|at| at + 2),
            '-' if rest.starts_with("--") => rest.find('\n'),
            '/' if rest.starts_with("/*") => rest.find("*/").map(|at| at + 2),
            '@' if !before.is_some_and(is_part) => {
                let end = 1 + rest[1..].find(|c| !is_part(c)).unwrap_or(rest.len() - 1);
                if let Some(number) = address(&rest[..end]) {
                    plain += &format!("{number:<end$}");
                    before = Some('0');
                    rest = &rest[end..];
                    continue;
                }
                Some(end)
            }
            _ => Some(c.len_utf8()),
        };
        let (done, next) = rest.split_at(skipped.unwrap_or(rest.len()));
        plain += done;
        before = done.chars().next_back();
        rest = next;
    }
    Cow::Owned(plain)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_sql_are_numbers() {
        for (text, plain) in [
            ("select * from obj where address = @0x7f00", "select * from obj where address = 32512  "),
            ("select @140, '@140' -- @140", "select 140 , '@140' -- @140"),
            ("address in (@0x10,@0x20)", "address in (16   ,32   )"),
            ("select a.x@7", "select a.x@7"),
            ("select '@7", "select '@7"),
            ("select 'é@7' || \"@7\" /* @7 */, @7é, @7", "select 'é@7' || \"@7\" /* @7 */, @7é, 7 "),
            ("select @99999999999999999999", "select @99999999999999999999"),
            ("select @nobody, @", "select @nobody, @"),
            ("select 1", "select 1"),
        ] {
            assert_eq!(with_plain_addresses(text), plain, "{text}");
        }
    }
}
