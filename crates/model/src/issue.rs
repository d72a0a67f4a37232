//! What an import met and repaired or skipped. One row each in the table `issue`; nothing is dropped in silence.

/// One thing that was wrong, or unusual, at one place of a dump file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// What kind of issue it is.
    pub kind: IssueKind,
    /// Line of the (decompressed) input, from 1; `None` if the format has no lines.
    pub line: Option<u64>,
    /// Offset of the first byte concerned in the (decompressed) input, from 0.
    pub offset: u64,
    /// One sentence: what was met and what was done. Text of the dump in it is escaped and shortened.
    pub what: String,
}

impl Issue {
    /// `line 3, byte 120`, or `byte 120` if the format has no lines.
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("line {line}, byte {}", self.offset),
            None => format!("byte {}", self.offset),
        }
    }

    /// `line 3`, or `byte 120` if the format has no lines.
    pub fn short_place(&self) -> String {
        match self.line {
            Some(line) => format!("line {line}"),
            None => format!("byte {}", self.offset),
        }
    }
}

macro_rules! issue_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $lossy:literal;)+) => {
        /// The kinds of issue. `fail` (the default of `--on-error`) stops at the lossy ones only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum IssueKind { $($(#[doc = $doc])+ $variant),+ }

        impl IssueKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &[IssueKind] = &[$(IssueKind::$variant),+];

            /// The name in the column `kind` of the table `issue`.
            pub fn name(self) -> &'static str {
                match self { $(IssueKind::$variant => $name),+ }
            }

            /// Whether something of the dump is lost, so that a strict import must stop.
            pub fn is_lossy(self) -> bool {
                match self { $(IssueKind::$variant => $lossy),+ }
            }
        }
    };
}

issue_kinds! {
    /// The input ends inside an object or inside the compressed stream.
    Truncated = "truncated", true;
    /// A line that is not an object of the format; it was left out.
    Malformed = "malformed", true;
    /// An object without an address that fits 64 bits; it was left out.
    BadAddress = "bad_address", true;
    /// An object without a type; it was left out.
    BadType = "bad_type", true;
    /// A size that is missing, negative or not a whole number; the object is kept with `size` null.
    BadSize = "bad_size", true;
    /// A length that is negative or not a whole number; the object is kept with `len` null.
    BadLen = "bad_len", true;
    /// A reference that is not an address; the object is kept without it.
    BadReference = "bad_reference", true;
    /// Labels, weak references or a kind of root that do not fit the object; it is kept without them.
    BadLabel = "bad_label", true;
    /// A number written as a string, a float or hexadecimal; its exact value was taken.
    NumberForm = "number_form", false;
    /// A field that an object has twice; the first one was taken.
    RepeatedField = "repeated_field", false;
    /// An unescaped quote inside `value` (meliae bug 876810); the text up to the next field was taken.
    UnescapedQuote = "unescaped_quote", false;
    /// A `\u` escape of half a surrogate pair; it became U+FFFD.
    LoneSurrogate = "lone_surrogate", false;
    /// Bytes that are not UTF-8; they became U+FFFD.
    InvalidUtf8 = "invalid_utf8", false;
    /// An escape that JSON does not have; its characters were kept.
    BadEscape = "bad_escape", false;
    /// Records of a sort that the format does not have; they were skipped by their length.
    UnknownRecord = "unknown_record", false;
    /// A second object with the address and all fields of an earlier one; the first one was kept.
    Duplicate = "duplicate", false;
    /// A second object with the address of an earlier one and other fields; the first one was kept.
    ConflictingDuplicate = "conflicting_duplicate", false;
}

impl std::fmt::Display for IssueKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for IssueKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|kind| kind.name() == name);
        found.copied().ok_or_else(|| format!("{name:?} is not a kind of issue"))
    }
}
