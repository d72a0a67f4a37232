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
    /// Steps as often as the index says, up to `max` times.
    Times {
        /// The steps.
        steps: &'static [EntryStep],
        /// The largest index.
        max: u32,
    },
    /// The reference of an array at a position that follows from the key or index.
    Slot(SlotRule),
    /// The node of a chain that has the value at the index.
    Nth(ChainRule),
    /// From a part of a list to the element of the array of that list.
    Part(PartRule),
}

/// Nodes that refer to the next one. Fields are named as in labels, without the dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRule {
    /// Types of the nodes.
    pub nodes: &'static [&'static str],
    /// The fields of the collection that may be its first node.
    pub first: &'static [&'static str],
    /// The field that is the next node.
    pub next: &'static str,
    /// The field that is the value.
    pub item: &'static str,
    /// Whether a node without value counts.
    pub counts_empty: bool,
    /// Smaller indexes are found by another way.
    pub from: u32,
}

/// A view of a range of a list, which knows the list and the range. The range is numbers, which are known where fields were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRule {
    /// Types of the views.
    pub types: &'static [&'static str],
    /// The label of the list.
    pub list: &'static str,
    /// The labels that the array of a list may have.
    pub arrays: &'static [&'static str],
    /// The field that is the index of the first element.
    pub offset: &'static str,
    /// The field that is the number of elements.
    pub size: &'static str,
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
        /// The field that says where the first one is; a number, which is known where fields were kept. Without it the place is
        /// known unless the array is full, because what is occupied has one beginning.
        first: &'static str,
    },
}
