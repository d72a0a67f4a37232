//! Exactly what would be freed if some objects or references were gone.

use arrow::array::RecordBatch;

use crate::{
    Result, Session, Totals,
    rows::{quoted, sum},
};

/// The question: sets of objects or references that are cut, all together.
#[derive(Debug, Clone)]
pub struct Whatif {
    /// Predicates over `obj` or `edge`, lists of addresses, or path patterns; at least one.
    pub cuts: Vec<String>,
    /// Whether cuts may ask for types that no dump of the lake has; otherwise that is an error.
    pub allow_missing: bool,
}

/// What would be freed.
#[derive(Debug, Clone)]
pub struct WhatifAnswer {
    /// By type, the largest first: `type`, `objects`, `size` (bytes), `objects_left`, `size_left`.
    pub batches: Vec<RecordBatch>,
    /// Objects.
    pub objects: i64,
    /// Bytes of their shallow sizes.
    pub bytes: i64,
    /// Totals of the dump or layer before the cuts.
    pub totals: Totals,
}

impl Whatif {
    /// The question as SQL.
    pub fn statement(&self) -> String {
        let sets: Vec<String> = self.cuts.iter().map(|cut| quoted(cut)).collect();
        format!(
            "SELECT s.type, w.objects, w.size, s.count - w.objects AS objects_left, s.size - w.size AS size_left \
             FROM (SELECT type, count(*) AS objects, sum(size) AS size FROM whatif_cut({}) GROUP BY type) w \
             JOIN type_stat s ON s.type = w.type ORDER BY w.size DESC, s.type",
            sets.join(", ")
        )
    }

    /// What would be freed.
    pub fn answer(&self, session: &Session) -> Result<WhatifAnswer> {
        if !self.allow_missing {
            self.cuts.iter().try_for_each(|cut| session.check_types_of_set(cut))?;
        }
        let batches = session.collect(&self.statement())?;
        let (objects, bytes) = (sum(&batches, "objects")?, sum(&batches, "size")?);
        Ok(WhatifAnswer { batches, objects, bytes, totals: session.totals()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_stays_within_its_quotes() {
        let cuts = vec!["type = 'a'".to_owned(), "'); drop".to_owned()];
        let statement = Whatif { cuts, allow_missing: false }.statement();
        assert!(statement.contains("whatif_cut('type = ''a''', '''); drop')"), "{statement}");
    }
}
