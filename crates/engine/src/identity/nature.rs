//! What may change about the objects of a type, and the types of two dumps under common numbers.

use heaplake_store::Dump;

/// What of an object stays as it is as long as the object lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Value, length and size. Equal ones are the same for all that anybody can tell.
    Value,
    /// Value and length. The size may rise: CPython keeps the UTF-8 form of a text with it once it was asked for.
    Text,
    /// Length, size and references.
    Tuple,
    /// Value (which code it runs) and size.
    Frame,
    /// The name, if it has one.
    Other,
}

impl Nature {
    /// The nature of a type by its name; a type that is not known may change in everything but its name.
    fn of(type_name: &str) -> Self {
        match type_name {
            "bytes" | "int" | "long" | "float" | "complex" | "bool" | "NoneType" | "range" | "xrange" => {
                Nature::Value
            }
            "str" | "unicode" => Nature::Text,
            "tuple" | "frozenset" => Nature::Tuple,
            "frame" => Nature::Frame,
            _ => Nature::Other,
        }
    }
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
        let stats = before.types.iter().chain(&after.types);
        let mut all: Vec<String> = stats.map(|stat| stat.name.clone()).collect();
        all.sort_unstable();
        all.dedup();
        let place = |name: &String| all.binary_search(name).unwrap_or_default() as u32;
        let places = |manifest: &Dump| manifest.types.iter().map(|stat| place(&stat.name)).collect();
        let (before, after) = (places(before), places(after));
        let natures = all.iter().map(|name| Nature::of(name)).collect();
        Self { n_types: all.len(), natures, before, after }
    }
}
