//! What totals are of, and what is measured: words that several questions share.

/// What totals are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Types.
    Type,
    /// Holders: paths of types and names in the dominator tree.
    Holder,
    /// Modules that hold the objects.
    Module,
}

impl GroupBy {
    /// The word for it in SQL, which is also the name of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Holder => "holder",
            Self::Module => "module",
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Number of objects.
    Count,
    /// Bytes of their shallow sizes.
    Size,
    /// Bytes that would be freed with them.
    Retained,
}

impl Metric {
    /// The word for it in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Size => "size",
            Self::Retained => "retained",
        }
    }
}

/// A `LIMIT` clause, or nothing.
pub(crate) fn limit_clause(limit: Option<u64>) -> String {
    limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default()
}
