//! Questions about single objects and their neighbours, as somebody asks who walks through a dump.
//!
//! A set of objects is what graph functions take: a predicate over `obj`, addresses, or a path pattern.

use heaplake_engine::{RecordBatch, address};

use crate::{
    Direction, Result, Session,
    rows::{AnswerColumns, address_set, addresses_of, quoted, sum},
};

/// Totals of a dump, a row each: `what`, `number`.
pub const STATISTICS: &str = "SELECT what, number FROM ( \
    SELECT 1 AS nth, 'objects' AS what, coalesce(sum(count), 0) AS number FROM type_stat \
    UNION ALL SELECT 2, 'bytes', coalesce(sum(size), 0) FROM type_stat \
    UNION ALL SELECT 3, 'types', count(*) FROM type_stat \
    UNION ALL SELECT 4, 'references', count(*) FROM edge \
    UNION ALL SELECT 5, 'roots', count(*) FROM root \
    UNION ALL SELECT 6, 'objects that only cycles hold', count(*) FROM obj WHERE distance IS NULL \
    ) ORDER BY nth";

/// The same rows as values.
pub fn statistics(session: &Session) -> Result<Vec<(String, i64)>> {
    let rows = AnswerColumns::new(&session.collect(STATISTICS)?)?;
    Ok(rows.texts("what")?.into_iter().zip(rows.numbers("number")?).collect())
}

/// The roots, what retains most first.
pub const ROOTS: &str = "SELECT address, type, name, value, size, retained, root_kind FROM obj \
                         WHERE root_kind IS NOT NULL ORDER BY retained DESC, address";

impl Direction {
    /// The function that goes this way, the column of `edge` that it arrives at, and the one that it starts from.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Parents => ("parents", "parent", "child"),
            Self::Children => ("children", "child", "parent"),
        }
    }
}

/// The neighbours of a set as SQL, what retains most first: with the labels of the references where one object is asked and
/// the dump has labels.
pub fn neighbours_statement(set: &str, direction: Direction, session: &Session) -> Result<String> {
    let (function, other, this) = direction.names();
    let single = set.strip_prefix('@').and_then(address);
    let (mut label, mut join) = (String::new(), String::new());
    if let Some(at) = single.filter(|_| has_labels(session).unwrap_or(false)) {
        label = "e.label, ".to_owned();
        join = format!(
            "LEFT JOIN (SELECT {other} AS other, min(label) AS label FROM edge WHERE {this} = {at} GROUP BY {other}) e \
             ON e.other = n.address "
        );
    }
    Ok(format!(
        "SELECT {label}n.address, n.type, o.name, o.value, n.size, n.retained, n.root_kind \
         FROM {function}({}) n LEFT JOIN obj o ON o.address = n.address {join}\
         ORDER BY n.retained DESC, n.address",
        quoted(set)
    ))
}

/// Everything that is known of the objects of a set, as SQL.
pub fn objects_statement(set: &str) -> String {
    format!(
        "SELECT o.address, o.type, o.name, o.value, o.size, o.len, o.root_kind, o.distance, o.retained, \
         o.retained_count, o.idom AS held_by, h.type AS held_by_type \
         FROM (SELECT address FROM reachable({}) WHERE hops = 0) s JOIN obj o ON o.address = s.address \
         LEFT JOIN obj h ON h.address = o.idom ORDER BY o.address",
        quoted(set)
    )
}

/// What the set refers to and nobody else does, and so on, as SQL.
pub fn kids_statement(set: &str) -> String {
    format!(
        "SELECT k.hops, k.address, k.type, o.name, o.value, k.size, k.retained FROM kids({}) k \
         LEFT JOIN obj o ON o.address = k.address ORDER BY k.hops, k.retained DESC, k.address",
        quoted(set)
    )
}

/// The types above a set, level by level, as SQL.
pub fn ancestor_types_statement(set: &str, levels: u32) -> String {
    format!("SELECT * FROM ancestor_types({}, {levels}) ORDER BY hops, size DESC, type", quoted(set))
}

/// Whether the types above a set go on after so many levels, or end there.
pub fn has_ancestors_at(set: &str, levels: u32, session: &Session) -> Result<bool> {
    let statement =
        format!("SELECT count(*) AS n FROM ancestor_types({}, {levels}) WHERE hops = {levels}", quoted(set));
    Ok(sum(&session.collect(&statement)?, "n")? > 0)
}

/// How many of some addresses are of objects that the dump, or what edits have left of it, contains.
pub fn count_objects(addresses: &[u64], session: &Session) -> Result<i64> {
    if addresses.is_empty() {
        return Ok(0);
    }
    let set = quoted(&address_set(addresses));
    sum(&session.collect(&format!("SELECT count(*) AS n FROM reachable({set}) WHERE hops = 0"))?, "n")
}

/// The objects of a set, in order of the addresses: so many at most and one more, to show that there are others.
pub fn objects(set: &str, limit: usize, session: &Session) -> Result<Vec<u64>> {
    let limit = limit.saturating_add(1);
    let set = quoted(set);
    let statement =
        format!("SELECT address FROM reachable({set}) WHERE hops = 0 ORDER BY address LIMIT {limit}");
    addresses_of(&session.collect(&statement)?, "address")
}

/// Whether a text is a query and not a condition.
pub fn is_query(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["select", "with", "from", "values"].iter().any(|first| word.eq_ignore_ascii_case(first))
}

/// The first rows of a query.
pub fn first_rows(query: &str, limit: usize, session: &Session) -> Result<Vec<RecordBatch>> {
    session.collect(&format!("SELECT * FROM (\n{query}\n) LIMIT {limit}"))
}

/// The neighbours of objects, in order of the addresses.
pub fn neighbours(addresses: &[u64], direction: Direction, session: &Session) -> Result<Vec<u64>> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let (function, ..) = direction.names();
    let set = quoted(&address_set(addresses));
    addresses_of(
        &session.collect(&format!("SELECT address FROM {function}({set}) ORDER BY address"))?,
        "address",
    )
}

/// The roots, in order of the addresses.
pub fn roots(session: &Session) -> Result<Vec<u64>> {
    addresses_of(&session.collect("SELECT address FROM root ORDER BY address")?, "address")
}

/// One object of each group of garbage: of objects that only a cycle holds, which no root reaches.
pub fn garbage(session: &Session) -> Result<Vec<u64>> {
    addresses_of(&session.collect("SELECT address FROM root WHERE kind IN ('cycle', 'garbage')")?, "address")
}

/// The names of the tables of a schema; those of the chosen dump are in `current`.
pub fn table_names(schema: &str, session: &Session) -> Result<Vec<String>> {
    let statement = format!(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = {} ORDER BY name",
        quoted(schema)
    );
    AnswerColumns::new(&session.collect(&statement)?)?.texts("name")
}

/// The names of the columns of the tables of the chosen dump.
pub fn column_names(session: &Session) -> Result<Vec<String>> {
    let statement = "SELECT DISTINCT column_name AS name FROM information_schema.columns \
                     WHERE table_schema = 'current' ORDER BY name";
    AnswerColumns::new(&session.collect(statement)?)?.texts("name")
}

/// Whether references of the chosen dump have labels; the answer is in the statistics of its files.
fn has_labels(session: &Session) -> Result<bool> {
    Ok(sum(&session.collect("SELECT count(label) AS labels FROM edge")?, "labels")? > 0)
}
