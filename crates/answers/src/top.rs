//! The largest objects or types of a dump by what they retain, and what holds them.

/// What is ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopBy {
    /// Objects.
    Object,
    /// Types.
    Type,
}

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Top {
    /// What is ranked.
    pub by: TopBy,
    /// Rows at most.
    pub n: u32,
}

impl Top {
    /// The question as SQL. Sizes are in bytes. Of objects: `address`, `type`, `name`, `size`, `retained`,
    /// `retained_count`, `held_by`, `held_by_type`; of types: `type`, `count`, `size`, `retained`, `held_by_type`.
    pub fn statement(&self) -> String {
        match self.by {
            TopBy::Object => format!(
                "SELECT t.address, t.type, o.name, t.size, t.retained, t.retained_count, \
                     t.idom AS held_by, t.idom_type AS held_by_type \
                 FROM top_retained({}) t LEFT JOIN obj o ON o.address = t.address \
                 ORDER BY t.retained DESC, t.address",
                self.n
            ),
            TopBy::Type => format!(
                "SELECT s.type, s.count, s.size, s.retained, d.dominator_type AS held_by_type \
                 FROM type_stat s LEFT JOIN ( \
                     SELECT *, row_number() OVER (PARTITION BY type ORDER BY size DESC, dominator_type) AS nth \
                     FROM type_dominators() \
                 ) d ON d.type = s.type AND d.nth = 1 \
                 ORDER BY s.retained DESC NULLS LAST, s.type LIMIT {}",
                self.n
            ),
        }
    }
}
