//! Names as a programmer writes them: modified UTF-8, names of classes and arrays, and what is left of a name that the VM made.

use std::borrow::Cow;

use super::dialect::BasicType;

/// The text of modified UTF-8: no byte is zero, and characters beyond 16 bits are two surrogates. Returns whether it was valid.
pub(super) fn modified_utf8(bytes: &[u8]) -> (String, bool) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (text.to_owned(), true);
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut is_valid = true;
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let continued =
            |at: usize| rest.get(at).filter(|byte| **byte & 0xc0 == 0x80).map(|byte| u16::from(byte & 0x3f));
        let (unit, len) = match (first, continued(1), continued(2)) {
            (0..0x80, ..) => (first.into(), 1),
            (0xc0..0xe0, Some(low), _) => ((u16::from(first & 0x1f) << 6) | low, 2),
            (0xe0..0xf0, Some(middle), Some(low)) => {
                ((u16::from(first & 0x0f) << 12) | (middle << 6) | low, 3)
            }
            _ => {
                is_valid = false;
                (0xfffd, 1)
            }
        };
        units.push(unit);
        rest = &rest[len..];
    }
    let text: String = char::decode_utf16(units)
        .map(|unit| {
            unit.unwrap_or_else(|_| {
                is_valid = false;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    (text, is_valid)
}

/// The name of a class as a programmer writes it, without what is different in every process. `java/lang/String` becomes
/// `java.lang.String`, `[[I` becomes `int[][]`.
pub(super) fn class_name(written: &str) -> String {
    let mut element = written.trim_start_matches('[');
    let n_dimensions = written.len() - element.len();
    let primitive = match (n_dimensions, element) {
        (0, _) => None,
        (_, "Z") => Some(BasicType::Boolean),
        (_, "C") => Some(BasicType::Char),
        (_, "F") => Some(BasicType::Float),
        (_, "D") => Some(BasicType::Double),
        (_, "B") => Some(BasicType::Byte),
        (_, "S") => Some(BasicType::Short),
        (_, "I") => Some(BasicType::Int),
        (_, "J") => Some(BasicType::Long),
        _ => None,
    };
    if n_dimensions > 0 && primitive.is_none() {
        element = element.strip_prefix('L').and_then(|name| name.strip_suffix(';')).unwrap_or(element);
    }
    let mut name = match primitive {
        Some(primitive) => primitive.array_name().trim_end_matches("[]").to_owned(),
        None => stable(element).replace('/', "."),
    };
    name.extend(std::iter::repeat_n("[]", n_dimensions));
    name
}

/// Whether the VM made the name of a class, which has a number of its own in every process.
pub(super) fn is_hidden(written: &str) -> bool {
    hidden_suffix(written).is_some()
}

/// Where `+0x...` or `/0x...` begins.
fn hidden_suffix(name: &str) -> Option<usize> {
    let at = name.rfind(['+', '/'])?;
    let digits = name[at + 1..].strip_prefix("0x")?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(at)
}

/// What numbers or hashes follow that are different in every process.
const NUMBERED: &[&str] = &[
    "$$Lambda$",
    "$$Lambda",
    "$Proxy",
    "GeneratedConstructorAccessor",
    "GeneratedMethodAccessor",
    "GeneratedSerializationConstructorAccessor",
    "LambdaForm$DMH",
    "LambdaForm$MH",
    "LambdaForm$BMH",
    "LambdaForm$VH",
    "$$EnhancerBySpringCGLIB$$",
    "$$FastClassBySpringCGLIB$$",
    "$$SpringCGLIB$$",
    "$$EnhancerByCGLIB$$",
    "$$FastClassByCGLIB$$",
    "$HibernateProxy$",
    "$ByteBuddy$",
    "$MockitoMock$",
];

/// A name without the numbers that the VM or a library gives to the classes that it makes.
fn stable(name: &str) -> Cow<'_, str> {
    let name = hidden_suffix(name).map_or(name, |at| &name[..at]);
    for marker in NUMBERED {
        let Some(at) = name.find(marker) else { continue };
        let after = &name[at + marker.len()..];
        if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return name[..at + marker.len()].trim_end_matches('$').into();
        }
        if after.is_empty() {
            return name.trim_end_matches('$').into();
        }
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_called_as_in_a_program() {
        for (written, name) in [
            ("java/util/HashMap$Node", "java.util.HashMap$Node"),
            ("[Lcom/shop/Order;", "com.shop.Order[]"),
            ("[[I", "int[][]"),
            ("[B", "byte[]"),
            ("java.lang.String[]", "java.lang.String[]"),
            ("I", "I"),
            ("shop/Maker$$Lambda$14+0x0000000800c03000", "shop.Maker$$Lambda"),
            ("shop/Maker$$Lambda$14/0x0000000800c03000", "shop.Maker$$Lambda"),
            ("shop/Maker$$Lambda+0x00007f1234001000", "shop.Maker$$Lambda"),
            ("java/lang/invoke/LambdaForm$MH+0x0000000800c00400", "java.lang.invoke.LambdaForm$MH"),
            ("[Lshop/Maker$$Lambda$14+0x0800c0;", "shop.Maker$$Lambda[]"),
            ("com/sun/proxy/$Proxy12", "com.sun.proxy.$Proxy"),
            ("jdk/internal/reflect/GeneratedMethodAccessor7", "jdk.internal.reflect.GeneratedMethodAccessor"),
            ("app/Cart$$EnhancerBySpringCGLIB$$1a2b3c4d", "app.Cart$$EnhancerBySpringCGLIB"),
            ("app/$ProxyFactory", "app.$ProxyFactory"),
            ("app/a+b", "app.a+b"),
            ("", ""),
            ("[", "[]"),
        ] {
            assert_eq!(class_name(written), name, "{written}");
        }
        assert!(is_hidden("shop/Maker$$Lambda$14+0x0000000800c03000") && !is_hidden("shop/Maker+Other"));
    }

    #[test]
    fn modified_utf8_is_read_and_damage_told() {
        let valid = |text: &str| (text.to_owned(), true);
        assert_eq!(modified_utf8("größe".as_bytes()), valid("größe"));
        assert_eq!(modified_utf8(b"a\xc0\x80b"), valid("a\0b"));
        assert_eq!(modified_utf8(b"\xed\xa0\xbd\xed\xb8\x80"), valid("\u{1f600}"));
        for (bytes, text) in [
            (&b"a\xff"[..], "a\u{fffd}"),
            (b"\xed\xa0\xbd", "\u{fffd}"),
            (b"\xc3", "\u{fffd}"),
            (b"\xe2\x82x", "\u{fffd}\u{fffd}x"),
        ] {
            assert_eq!(modified_utf8(bytes), (text.to_owned(), false), "{bytes:?}");
        }
    }
}
