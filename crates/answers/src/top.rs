//! The largest objects or types of a dump by what they retain, and what holds them.

/// What is ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopBy {
    /// Objects.
    Object,
    /// Types.
    Type,
    /// Modules that the objects belong to.
    Module,
}

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Top {
    /// What is ranked.
    pub by: TopBy,
    /// Rows at most.
    pub n: u32,
}

/// The size of the dump, and the part of it that a row retains.
const WHOLE: &str = "(SELECT sum(size) AS bytes FROM type_stat) AS whole";
const PERCENT: &str = "round(100.0 * t.retained / nullif(whole.bytes, 0), 1) AS percent";

impl Top {
    /// The question as SQL. Sizes are in bytes, `percent` is the retained part of the size of the dump. Of objects: `address`,
    /// `type`, `name` (its own, or what the program calls it), `size`, `retained`, `percent`, `retained_count`, `held_by`,
    /// `held_by_type`, `held_by_name`, `label` (by which the holder refers to it); of types: `type`, `count`, `size`,
    /// `retained`, `percent`, `held_by_type`; of modules: `module`, `count`, `size`, `percent` of the size, `retained`, and
    /// how much of the size is attributed by which rule: `dominated_size`, `typed_size`, `path_size`.
    pub fn statement(&self) -> String {
        match self.by {
            TopBy::Object => format!(
                "SELECT t.address, t.type, coalesce(o.name, program_name(t.address)) AS name, t.size, t.retained, {PERCENT}, \
                     t.retained_count, t.idom AS held_by, t.idom_type AS held_by_type, \
                     coalesce(h.name, program_name(t.idom)) AS held_by_name, label(t.idom, t.address) AS label \
                 FROM top_retained({}) t LEFT JOIN obj o ON o.address = t.address \
                 LEFT JOIN obj h ON h.address = t.idom CROSS JOIN {WHOLE} \
                 ORDER BY t.retained DESC, t.address",
                self.n
            ),
            TopBy::Module => format!(
                "SELECT m.module, m.count, m.size, round(100.0 * m.size / nullif(whole.bytes, 0), 1) AS percent, \
                     m.retained, m.dominated_size, m.typed_size, m.path_size \
                 FROM module_stat m CROSS JOIN {WHOLE} ORDER BY m.size DESC, m.module LIMIT {}",
                self.n
            ),
            TopBy::Type => format!(
                "SELECT t.type, t.count, t.size, t.retained, {PERCENT}, d.dominator_type AS held_by_type \
                 FROM type_stat t CROSS JOIN {WHOLE} LEFT JOIN ( \
                     SELECT *, row_number() OVER (PARTITION BY type ORDER BY size DESC, dominator_type) AS nth \
                     FROM type_dominators() \
                 ) d ON d.type = t.type AND d.nth = 1 \
                 ORDER BY t.retained DESC NULLS LAST, t.type LIMIT {}",
                self.n
            ),
        }
    }
}
