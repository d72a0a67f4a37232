//! What may change about the objects of a type, and the types of two dumps under common numbers.

use heaplake_model::Nature;
use heaplake_store::Dump;

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
        let stats = before.types.iter().chain(&after.types);
        let mut all: Vec<String> = stats.map(|stat| stat.name.clone()).collect();
        all.sort_unstable();
        all.dedup();
        let place = |name: &String| all.binary_search(name).unwrap_or_default() as u32;
        let places = |manifest: &Dump| manifest.types.iter().map(|stat| place(&stat.name)).collect();
        let (first, second) = (before.manifest.runtime(), after.manifest.runtime());
        // What one of two runtimes may change may change.
        let nature = |name: &String| match (first.nature(name), second.nature(name)) {
            (nature, other) if nature == other => nature,
            _ => Nature::Other,
        };
        let natures = all.iter().map(nature).collect();
        let (before, after) = (places(before), places(after));
        Self { n_types: all.len(), natures, before, after }
    }
}
