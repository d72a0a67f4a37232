//! The queries that come with heaplake: `queries/*.sql`, each one question with its parameters and columns.

mod header;

use std::{fs, path::Path};

use heaplake_engine::{Parameters, nearest};

pub use self::header::{Header, Parameter, ParameterKind};
use crate::{Error, Result};

/// Name and text of every query, in order of the names.
const SHIPPED: [(&str, &str); 18] = [
    ("biggest", include_str!("../../../../queries/biggest.sql")),
    ("biggest_collections", include_str!("../../../../queries/biggest_collections.sql")),
    ("chains", include_str!("../../../../queries/chains.sql")),
    ("duplicate_strings", include_str!("../../../../queries/duplicate_strings.sql")),
    ("empty_containers", include_str!("../../../../queries/empty_containers.sql")),
    ("growing_containers", include_str!("../../../../queries/growing_containers.sql")),
    ("growth", include_str!("../../../../queries/growth.sql")),
    ("histogram", include_str!("../../../../queries/histogram.sql")),
    ("holders", include_str!("../../../../queries/holders.sql")),
    ("in_degree", include_str!("../../../../queries/in_degree.sql")),
    ("instances", include_str!("../../../../queries/instances.sql")),
    ("suspects", include_str!("../../../../queries/suspects.sql")),
    ("threads", include_str!("../../../../queries/threads.sql")),
    ("trend", include_str!("../../../../queries/trend.sql")),
    ("unreachable", include_str!("../../../../queries/unreachable.sql")),
    ("unreferenced", include_str!("../../../../queries/unreferenced.sql")),
    ("unused_capacity", include_str!("../../../../queries/unused_capacity.sql")),
    ("waste", include_str!("../../../../queries/waste.sql")),
];

/// Name and text of every check, in order of the names: a query whose rows are violations.
const CHECKS: [(&str, &str); 13] = [
    ("max_count", include_str!("../../../../queries/checks/max_count.sql")),
    ("max_object", include_str!("../../../../queries/checks/max_object.sql")),
    ("max_retained", include_str!("../../../../queries/checks/max_retained.sql")),
    ("max_size", include_str!("../../../../queries/checks/max_size.sql")),
    ("max_total", include_str!("../../../../queries/checks/max_total.sql")),
    ("no_chain", include_str!("../../../../queries/checks/no_chain.sql")),
    ("no_duplicate_strings", include_str!("../../../../queries/checks/no_duplicate_strings.sql")),
    ("no_garbage", include_str!("../../../../queries/checks/no_garbage.sql")),
    ("no_growth", include_str!("../../../../queries/checks/no_growth.sql")),
    ("no_holder_growth", include_str!("../../../../queries/checks/no_holder_growth.sql")),
    ("no_new_type", include_str!("../../../../queries/checks/no_new_type.sql")),
    ("no_path", include_str!("../../../../queries/checks/no_path.sql")),
    ("no_suspects", include_str!("../../../../queries/checks/no_suspects.sql")),
];

/// A query with what its header says.
#[derive(Debug)]
pub struct Query {
    /// The name by which it was asked for.
    pub name: String,
    /// SQL with the header.
    pub text: String,
    /// What the header says.
    pub header: Header,
}

/// The names of the queries.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The names of the checks.
pub fn check_names() -> impl Iterator<Item = &'static str> + Clone {
    CHECKS.iter().map(|(name, _)| *name)
}

/// All checks.
pub fn checks() -> Result<Vec<Query>> {
    CHECKS.iter().map(|(name, text)| Query::parse(name, text)).collect()
}

/// All queries.
pub fn all() -> Result<Vec<Query>> {
    SHIPPED.iter().map(|(name, text)| Query::parse(name, text)).collect()
}

impl Query {
    /// The query of that name; what ends in `.sql` is a file.
    pub fn find(name: &str) -> Result<Self> {
        Self::among(&SHIPPED, "query", name)
    }

    /// The check of that name; what ends in `.sql` is a file.
    pub fn find_check(name: &str) -> Result<Self> {
        Self::among(&CHECKS, "check", name)
    }

    fn among(shipped: &'static [(&str, &str)], what: &str, name: &str) -> Result<Self> {
        if name.ends_with(".sql") {
            let path = Path::new(name);
            let text =
                fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
            return Self::parse(name, &text);
        }
        match shipped.iter().find(|(shipped, _)| *shipped == name) {
            Some((name, text)) => Self::parse(name, text),
            None => {
                let names = shipped.iter().map(|(name, _)| *name);
                Err(not_found(format!("there is no {what}"), name, names))
            }
        }
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let header = Header::parse(&text).map_err(|error| error.about(name))?;
        Ok(Self { name: name.to_owned(), text, header })
    }

    /// The values of all parameters: the given ones, and the defaults of the others.
    pub fn values(&self, given: &[(String, String)]) -> Result<Parameters> {
        let parameters = &self.header.parameters;
        let defaults = parameters.iter().map(|p| (p.name.clone(), p.default.clone()));
        let mut values: Parameters = defaults.collect();
        for (idx, (name, value)) in given.iter().enumerate() {
            let Some(parameter) = parameters.iter().find(|p| p.name == *name) else {
                return Err(self.unknown_parameter(name));
            };
            if given[..idx].iter().any(|(other, _)| other == name) {
                let what = format!("parameter {name} is given twice; which value is meant?");
                return Err(Error::Invalid(what));
            }
            let value = parameter.kind.value(value);
            values.insert(name.clone(), value.map_err(|error| error.about(&format!("parameter {name}")))?);
        }
        Ok(values)
    }

    fn unknown_parameter(&self, name: &str) -> Error {
        if self.header.parameters.is_empty() {
            return Error::Invalid(format!("{} takes no parameters; it was given {name:?}", self.name));
        }
        let names = self.header.parameters.iter().map(|p| p.name.as_str());
        not_found(format!("{} has no parameter", self.name), name, names)
    }
}

fn not_found<'a>(what: String, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    Error::NotFound {
        what,
        name: name.to_owned(),
        nearest: nearest(name, known.clone()).map(str::to_owned),
        known: known.map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use heaplake_engine::Value;

    use super::*;

    const TEXT: &str = "\
-- What is it?
-- param limit integer = 20: rows
-- param pattern text = : what to look for
select 1
";

    fn query() -> Query {
        Query::parse("q", TEXT).expect("a query")
    }

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn shipped_queries_have_headers() {
        for query in all().expect("headers").into_iter().chain(checks().expect("headers")) {
            assert!(query.header.question.ends_with('?'), "{}", query.name);
            assert!(!query.header.columns.is_empty(), "{}", query.name);
        }
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let values = query().values(&given(&[("pattern", "a=b")])).expect("values");
        assert_eq!(values["limit"], Value::Integer(20));
        assert_eq!(values["pattern"], Value::Text("a=b".to_owned()));
    }

    #[test]
    fn mistakes_say_what_there_is() {
        let failure = |pairs| query().values(&given(pairs)).expect_err("a mistake").to_string();
        assert_eq!(failure(&[("limt", "1")]), "q has no parameter \"limt\"; did you mean limit?");
        assert_eq!(failure(&[("x", "1")]), "q has no parameter \"x\"\n  there are: limit, pattern");
        assert_eq!(failure(&[("limit", "many")]), "parameter limit: \"many\" is not an integer");
        let twice = failure(&[("limit", "1"), ("limit", "2")]);
        assert_eq!(twice, "parameter limit is given twice; which value is meant?");
        let unknown = Query::find("histgram").expect_err("no query").to_string();
        assert_eq!(unknown, "there is no query \"histgram\"; did you mean histogram?");
    }
}
