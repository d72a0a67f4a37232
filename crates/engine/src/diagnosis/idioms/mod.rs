//! The catalogue of idioms: how programs come to hold what they no longer need.
//!
//! An idiom is an entry: how it is recognised, structure first and names second, and what to do about it. They are asked in
//! the order of the catalogue, the special before the general; the last fits everything. A new one is an entry in a file
//! here, and a program in datasets/leaks.

mod caches;
mod callables;
mod code;
mod errors;
mod general;
mod jvm;
mod outside;
mod scheduling;
mod threads;

use super::case::Case;
pub(super) use threads::keeps_itself;

/// An idiom.
#[derive(Debug)]
pub(super) struct Idiom {
    /// Its stable name.
    pub(super) name: &'static str,
    /// Whether a case is of it, and how much that says, in log odds.
    pub(super) fits: fn(&Case) -> Option<f64>,
    /// What to do, with the program's own names in it.
    pub(super) advice: fn(&Case) -> String,
}

/// Every idiom, the special before the general.
static CATALOGUE: [&[Idiom]; 9] = [
    &jvm::IDIOMS,
    &outside::IDIOMS,
    &errors::IDIOMS,
    &scheduling::IDIOMS,
    &threads::IDIOMS,
    &callables::IDIOMS,
    &caches::IDIOMS,
    &code::IDIOMS,
    &general::IDIOMS,
];

/// The idiom of a case, and how much it adds to the confidence.
pub(super) fn idiom_of(case: &Case) -> (&'static Idiom, f64) {
    let all = CATALOGUE.iter().flat_map(|idioms| idioms.iter());
    let mut fitting = all.filter_map(|idiom| Some((idiom, (idiom.fits)(case)?)));
    fitting.next().unwrap_or((general::growing_container(), 0.0))
}

/// By what the program reaches the holder, else its type.
fn holder_name(case: &Case) -> String {
    case.held_by.clone().unwrap_or_else(|| case.holder_type.clone())
}

/// Whether a type name ends with one of these words.
fn ends_with(type_name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| type_name.ends_with(word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_stable_words_and_unique() {
        let names: Vec<&str> =
            CATALOGUE.iter().flat_map(|idioms| idioms.iter()).map(|idiom| idiom.name).collect();
        let unique: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
        assert!(
            names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')),
            "{names:?}"
        );
    }
}
