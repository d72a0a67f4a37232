//! What became of the objects between two dumps: one by one, by type, and those that grew most.

use crate::{
    DiffTotals, Metric, Result, Session, diff,
    groups::limit_clause,
    rows::{AnswerColumns, quoted},
};

/// How an object is recognised in another dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identity {
    /// By address if the dumps are of one process, else by path.
    #[default]
    Auto,
    /// The object at the same address, if it may be the same.
    Address,
    /// The object at the end of the same path from the roots.
    Path,
}

impl Identity {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Address => "address",
            Self::Path => "path",
        }
    }
}

/// The question. Two dumps are compared, the earlier one first.
#[derive(Debug, Clone)]
pub struct ObjectDiff {
    /// Selects the earlier dump.
    pub before: String,
    /// Selects the later dump.
    pub after: String,
    /// How objects are recognised.
    pub identity: Identity,
    /// What decides the order.
    pub metric: Option<Metric>,
    /// Also what did not change; for [`ObjectDiff::statement`].
    pub all: bool,
    /// Rows at most; default all; for [`ObjectDiff::statement`].
    pub limit: Option<u64>,
}

/// What became of the objects of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDifference {
    /// The type.
    pub type_name: String,
    /// Objects that only the later dump contains, and their bytes.
    pub new: i64,
    /// Bytes of these.
    pub new_size: i64,
    /// Objects that only the earlier dump contains.
    pub gone: i64,
    /// Bytes of these.
    pub gone_size: i64,
    /// Objects that both contain.
    pub survived: i64,
    /// How many of these grew.
    pub grown: i64,
    /// By how many bytes the survivors grew.
    pub survived_delta: i64,
    /// By how many bytes the type grew.
    pub delta: i64,
    /// Whether anything of this changed.
    pub is_changed: bool,
    /// By what its objects were recognised: `address` or `path`.
    pub identity: String,
    /// Survivors by confidence: high, medium, low.
    pub confidence: [i64; 3],
}

/// An object that grew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrownObject {
    /// Its address in the later dump.
    pub address: u64,
    /// Its type.
    pub type_name: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Shallow size in the later dump, in bytes.
    pub size: Option<i64>,
    /// By how many bytes it grew.
    pub size_delta: Option<i64>,
    /// By how many items it grew; `None` unless it is a container in both dumps.
    pub len_delta: Option<i64>,
    /// Retained bytes in the later dump.
    pub retained: Option<i64>,
    /// By how many retained bytes it grew.
    pub retained_delta: Option<i64>,
    /// How sure it is that both are the same object.
    pub confidence: String,
}

impl ObjectDiff {
    fn call(&self) -> String {
        let identity = self.identity.name();
        format!("diff_objects({}, {}, '{identity}')", quoted(&self.before), quoted(&self.after))
    }

    /// All objects as SQL over the function `diff_objects`; its columns are those of the function. The rows can be as many as
    /// both dumps have objects.
    pub fn statement(&self) -> String {
        let changed = if self.all { "" } else { " WHERE status <> 'same'" };
        let order = match self.metric {
            None => String::new(),
            Some(metric) => format!("{} DESC NULLS LAST, ", growth(metric)),
        };
        format!(
            "SELECT * FROM {}{changed} ORDER BY {order}type, coalesce(address_before, address_after), status{}",
            self.call(),
            limit_clause(self.limit)
        )
    }

    /// Totals of both dumps.
    pub fn totals(&self, session: &Session) -> Result<DiffTotals> {
        diff::totals(&self.before, &self.after, session)
    }

    /// What became of the objects of each type, what changed and grew most first; all types.
    pub fn by_type(&self, session: &Session) -> Result<Vec<TypeDifference>> {
        let order = match self.metric {
            Some(Metric::Count) => "new - gone",
            _ => "delta",
        };
        let statement = format!(
            "SELECT *, new + gone + grown <> 0 OR delta <> 0 AS changed FROM ( \
                 SELECT type, \
                     count(*) FILTER (WHERE status = 'new') AS new, \
                     count(*) FILTER (WHERE status = 'gone') AS gone, \
                     count(*) FILTER (WHERE status NOT IN ('new', 'gone')) AS survived, \
                     count(*) FILTER (WHERE status = 'grown') AS grown, \
                     coalesce(sum(size_after) FILTER (WHERE status = 'new'), 0) AS new_size, \
                     coalesce(sum(size_before) FILTER (WHERE status = 'gone'), 0) AS gone_size, \
                     coalesce(sum(size_delta) FILTER (WHERE status NOT IN ('new', 'gone')), 0) AS survived_delta, \
                     coalesce(sum(size_delta), 0) AS delta, \
                     min(identity) AS identity, \
                     count(*) FILTER (WHERE status NOT IN ('new', 'gone') AND confidence = 'high') AS high, \
                     count(*) FILTER (WHERE status NOT IN ('new', 'gone') AND confidence = 'medium') AS medium, \
                     count(*) FILTER (WHERE status NOT IN ('new', 'gone') AND confidence = 'low') AS low \
                 FROM {} GROUP BY type \
             ) ORDER BY changed DESC, {order} DESC, type",
            self.call()
        );
        let rows = AnswerColumns::new(&session.collect(&statement)?)?;
        let numbers = |name| rows.numbers(name);
        let (new, gone, survived, grown) =
            (numbers("new")?, numbers("gone")?, numbers("survived")?, numbers("grown")?);
        let (new_size, gone_size) = (numbers("new_size")?, numbers("gone_size")?);
        let (survived_delta, delta) = (numbers("survived_delta")?, numbers("delta")?);
        let (high, medium, low) = (numbers("high")?, numbers("medium")?, numbers("low")?);
        let (changed, identities) = (rows.booleans("changed")?, rows.texts("identity")?);
        let named = rows.texts("type")?.into_iter().zip(identities).enumerate();
        let difference = |(i, (type_name, identity)): (usize, (String, String))| TypeDifference {
            type_name,
            new: new[i],
            new_size: new_size[i],
            gone: gone[i],
            gone_size: gone_size[i],
            survived: survived[i],
            grown: grown[i],
            survived_delta: survived_delta[i],
            delta: delta[i],
            is_changed: changed[i],
            identity,
            confidence: [high[i], medium[i], low[i]],
        };
        Ok(named.map(difference).collect())
    }

    /// The objects that grew most, `n` at most.
    pub fn grown(&self, n: u64, session: &Session) -> Result<Vec<GrownObject>> {
        let statement = format!(
            "SELECT address_after, type, name, size_after, size_delta, len_after - len_before AS len_delta, \
                 retained_after, retained_after - retained_before AS retained_delta, confidence \
             FROM {} WHERE status = 'grown' \
             ORDER BY {} DESC NULLS LAST, type, address_after LIMIT {n}",
            self.call(),
            growth(self.metric.unwrap_or(Metric::Size))
        );
        let rows = AnswerColumns::new(&session.collect(&statement)?)?;
        let numbers = |name| rows.optional_numbers(name);
        let (addresses, types, names) =
            (rows.addresses("address_after")?, rows.texts("type")?, rows.texts("name")?);
        let (size, size_delta, len_delta) =
            (numbers("size_after")?, numbers("size_delta")?, numbers("len_delta")?);
        let (retained, retained_delta) = (numbers("retained_after")?, numbers("retained_delta")?);
        let confidence = rows.texts("confidence")?;
        let object = |i: usize| GrownObject {
            address: addresses[i],
            type_name: types[i].clone(),
            name: names[i].clone(),
            size: size[i],
            size_delta: size_delta[i],
            len_delta: len_delta[i],
            retained: retained[i],
            retained_delta: retained_delta[i],
            confidence: confidence[i].clone(),
        };
        Ok((0..rows.n_rows()).map(object).collect())
    }
}

/// By how much an object grew, in SQL.
fn growth(metric: Metric) -> &'static str {
    match metric {
        Metric::Count => "coalesce(len_after, refs_after, 0) - coalesce(len_before, refs_before, 0)",
        Metric::Size => "size_delta",
        Metric::Retained => "coalesce(retained_after, 0) - coalesce(retained_before, 0)",
    }
}
