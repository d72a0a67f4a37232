//! What may change about the objects of a type, and the types of two dumps under common numbers.

use heaplake_model::{Nature, ShortTypeNames};
use heaplake_store::Dump;

/// The names under which the types of a dump are compared: where one of two dumps names types without their modules, short
/// names, as far as only one type of the dump has them.
fn common_names(dump: &Dump, is_mixed: bool) -> Vec<&str> {
    let names = || dump.types.iter().map(|stat| stat.name.as_str());
    if !is_mixed {
        return names().collect();
    }
    let short = ShortTypeNames::of(names());
    names().map(|name| short.name(name)).collect()
}

/// The types of two dumps together, in byte order of their names.
#[derive(Debug)]
pub(super) struct Types {
    /// How many there are together.
    pub(super) n_types: usize,
    /// Natures by common number.
    pub(super) natures: Vec<Nature>,
    /// By place in the first dump's list of types, the common number.
    pub(super) before: Vec<u32>,
    /// The same of the second dump.
    pub(super) after: Vec<u32>,
}

impl Types {
    pub(super) fn new(before: &Dump, after: &Dump) -> Self {
        let is_mixed = before.manifest.types_have_modules() != after.manifest.types_have_modules();
        let (ours, theirs) = (common_names(before, is_mixed), common_names(after, is_mixed));
        let mut all: Vec<&str> = ours.iter().chain(&theirs).copied().collect();
        all.sort_unstable();
        all.dedup();
        let place = |name: &&str| all.binary_search(name).unwrap_or_default() as u32;
        let places = |names: &[&str]| names.iter().map(place).collect();
        let (first, second) = (before.manifest.runtime(), after.manifest.runtime());
        // What one of two runtimes may change may change.
        let nature = |name: &&str| match (first.nature(name), second.nature(name)) {
            (nature, other) if nature == other => nature,
            _ => Nature::Other,
        };
        let natures = all.iter().map(nature).collect();
        let (before, after) = (places(&ours), places(&theirs));
        Self { n_types: all.len(), natures, before, after }
    }
}
