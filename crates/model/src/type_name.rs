//! Names of types: `module.Name`, or a bare `Name` where the runtime itself shows no module (`dict`, `function`).
//!
//! Whoever asks for a type may leave the module out. A name without a dot means every type whose last part it is, a name with
//! a dot the whole name, and patterns likewise.

/// The part after the last dot: the name without its module and the classes around it.
pub fn short_type_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// What stands before the last dot; `None` for a bare name. Of a class inside another it ends with the class around it; of
/// one that a function made, the function is left out.
pub fn module_of_type(name: &str) -> Option<&str> {
    let (before, _) = name.rsplit_once('.')?;
    match before.split_once(".<locals>") {
        None => Some(before),
        Some((function, _)) => function.rsplit_once('.').map(|(module, _)| module),
    }
}

/// The part of a type's name that is compared with a name or pattern that is asked for.
pub fn asked_part<'n>(asked: &str, name: &'n str) -> &'n str {
    if asked.contains('.') { name } else { short_type_name(name) }
}

/// Whether a type is meant by a name that is asked for.
pub fn is_type_meant(asked: &str, name: &str) -> bool {
    asked_part(asked, name) == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_dot_is_the_last_part_and_one_with_a_dot_the_whole() {
        for (asked, name, is_meant) in [
            ("Session", "web.Session", true),
            ("Session", "Session", true),
            ("Session", "web.WebSession", false),
            ("Session", "Session.Meta", false),
            ("web.Session", "web.Session", true),
            ("web.Session", "other.web.Session", false),
            ("web.Session", "Session", false),
            ("HashMap$Node", "java.util.HashMap$Node", true),
            ("Node", "java.util.HashMap$Node", false),
            ("Order[]", "com.shop.Order[]", true),
            ("Row", "app.make.<locals>.Row", true),
        ] {
            assert_eq!(is_type_meant(asked, name), is_meant, "{asked} {name}");
        }
    }

    #[test]
    fn names_have_two_parts() {
        for (name, module, short) in [
            ("dict", None, "dict"),
            ("web.Session", Some("web"), "Session"),
            ("shop.web.Session", Some("shop.web"), "Session"),
            ("web.Session.Meta", Some("web.Session"), "Meta"),
            ("app.make.<locals>.Row", Some("app"), "Row"),
            ("make.<locals>.Row", None, "Row"),
            ("java.util.HashMap$Node[]", Some("java.util"), "HashMap$Node[]"),
            ("", None, ""),
            (".", Some(""), ""),
        ] {
            assert_eq!((module_of_type(name), short_type_name(name)), (module, short), "{name}");
        }
    }
}
