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
    /// The one of these references at the index.
    Field(&'static [&'static str]),
    /// These steps any number of times.
    Repeated(&'static [EntryStep]),
    /// These steps as often as the index says.
    Times(&'static [EntryStep]),
    /// The reference of an array at a position that follows from the key or index.
    Slot(SlotRule),
}

/// Where in an array of a collection a value is. The array and other fields are named as in labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotRule {
    /// Keys and values take turns: after the key.
    AfterKey {
        /// The field that is the array.
        array: &'static str,
    },
    /// At the position of the key in another array.
    AtKeyOf {
        /// The field that is the array of the values.
        array: &'static str,
        /// The field that is the array of all keys that are possible.
        keys: &'static str,
    },
    /// So far after the first value as the index says, and round the end of the array to its beginning.
    AfterFirst {
        /// The field that is the array.
        array: &'static str,
        /// The field that says where the first one is; a number, which is known where fields were kept.
        first: &'static str,
    },
}
