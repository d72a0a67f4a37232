//! How the entries of collections are found where a collection does not refer to them itself.

/// Objects inside a collection, as its table and nodes: holders of its values are named without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionParts {
    /// Their types.
    pub types: &'static [&'static str],
    /// Types of what holds such an object if it is a part; any if there are none.
    pub owners: &'static [&'static str],
    /// Whether a class of the program may be the owner, which extends a collection.
    pub in_subclasses: bool,
}

impl CollectionParts {
    /// Whether such an object is a part of what holds it.
    pub fn are_in(&self, owner: &str) -> bool {
        self.owners.is_empty()
            || self.owners.contains(&owner)
            || self.in_subclasses && !owner.starts_with("java.") && !owner.ends_with("[]")
    }
}

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
