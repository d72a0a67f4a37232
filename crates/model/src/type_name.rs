//! Names of types: `module.Name`, or a bare `Name` where the runtime itself shows no module (`dict`, `function`).
//!
//! Whoever asks for a type may leave the module out. A name without a dot means every type whose last part it is, a name with
//! a dot the whole name, and patterns likewise.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

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

/// Which types of some dumps are told from all others by their short names, so that people need not read the module.
#[derive(Debug, Clone, Default)]
pub struct ShortTypeNames {
    unique: HashSet<Box<str>>,
}

impl ShortTypeNames {
    /// The types among `names` that are the only ones with their short name; a name may occur more than once.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        // By short name, the whole one; `None` where there are several.
        let mut whole: HashMap<&str, Option<&str>> = HashMap::new();
        for name in names {
            let known = whole.entry(short_type_name(name)).or_insert(Some(name));
            *known = known.filter(|known| *known == name);
        }
        Self { unique: whole.into_values().flatten().map(Box::from).collect() }
    }

    /// The short name of a type where no other type has it, otherwise the whole name.
    pub fn name<'n>(&self, name: &'n str) -> &'n str {
        if self.unique.contains(name) { short_type_name(name) } else { name }
    }

    /// A chain of types, such as the path of a holder, with the short names of its types. An element is a type, perhaps
    /// followed by a blank and a name, or a remark in parentheses.
    pub fn chain<'n>(&self, chain: &'n str) -> Cow<'n, str> {
        if self.unique.is_empty() {
            return Cow::Borrowed(chain);
        }
        Cow::Owned(renamed_chain(chain, |name| self.name(name)))
    }
}

/// Between the elements of a chain of types.
const ARROW: &str = " -> ";

/// A chain of types in which each type has the name that `rename` gives it; names after a type and remarks stay.
pub fn renamed_chain<'n>(chain: &'n str, rename: impl Fn(&'n str) -> &'n str) -> String {
    let mut renamed = String::with_capacity(chain.len());
    for (i, element) in chain.split(ARROW).enumerate() {
        let end = if element.starts_with('(') { 0 } else { element.find(' ').unwrap_or(element.len()) };
        let (type_name, rest) = element.split_at(end);
        renamed.push_str(if i > 0 { ARROW } else { "" });
        renamed.push_str(rename(type_name));
        renamed.push_str(rest);
    }
    renamed
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

    #[test]
    fn a_short_name_tells_a_type_that_no_other_has() {
        let types = ["dict", "web.Session", "web.Session", "billing.Session", "shop.Order", "shop.dict"];
        let names = ShortTypeNames::of(types);
        for (name, short) in [
            ("shop.Order", "Order"),
            ("web.Session", "web.Session"),
            ("dict", "dict"),
            ("shop.dict", "shop.dict"),
            ("other.Order", "other.Order"),
        ] {
            assert_eq!(names.name(name), short);
        }
        let chain = "module shop.Order -> dict ORDERS -> shop.Order items -> (shop.Order) -> web.Session";
        assert_eq!(
            names.chain(chain),
            "module shop.Order -> dict ORDERS -> Order items -> (shop.Order) -> web.Session"
        );
        assert_eq!(ShortTypeNames::default().chain(chain), chain);
    }
}
