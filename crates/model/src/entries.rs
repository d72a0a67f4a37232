//! How the entries of collections are found where a collection does not refer to them itself.

/// A way from a collection to its values, through tables and nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryWay {
    /// Whether it finds the value of a key.
    pub keys: bool,
    /// Whether it finds the value at an index.
    pub indexes: bool,
    /// The steps; the last one is a reference to the value.
    pub steps: &'static [EntryStep],
}

/// A step of such a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStep {
    /// The object is of one of these types.
    Object(&'static [&'static str]),
    /// It refers to the key by one of these labels.
    Keyed(&'static [&'static str]),
    /// A reference with one of these labels, any where there are none.
    Hop(&'static [&'static str]),
    /// The reference at the index.
    Index,
    /// These steps any number of times.
    Repeated(&'static [EntryStep]),
    /// These steps as often as the index says.
    Times(&'static [EntryStep]),
}
