//! The text of a set: addresses, a type, a path pattern that gives objects, a predicate over `obj`, or, where edges may be meant,
//! a predicate over `edge`.

use std::sync::Arc;

use datafusion::{
    error::{DataFusionError, Result},
    execution::SessionState,
    physical_plan::ExecutionPlan,
    sql::sqlparser::{
        dialect::GenericDialect,
        parser::{Parser, ParserError},
        tokenizer::{Token, Tokenizer},
    },
};
use heaplake_store::Dump;

use crate::{
    Error,
    address::{address, with_plain_addresses},
    catalog::CATALOG,
    error::Thing,
    explain, mistake,
    type_names::{AskedType, nearest_types},
};

/// A set as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Set {
    /// Objects by address.
    Addresses(Vec<u64>),
    /// Objects by a predicate over `obj`.
    Objects(String),
    /// References by a predicate over `edge`.
    Edges(String),
    /// The ends of a path pattern.
    Ends(String),
    /// The objects of a type, by its name or by the part of it after the last dot.
    Type(String),
}

/// Columns that only `edge` has. The types of both ends are looked up when they are asked for.
const EDGE_COLUMNS: [&str; 7] = ["parent", "child", "idx", "label", "kind", PARENT_TYPE, CHILD_TYPE];
const PARENT_TYPE: &str = "parent_type";
const CHILD_TYPE: &str = "child_type";

impl Set {
    /// Reads a set; predicates over `edge` are taken only where `edges` says so.
    pub(crate) fn parse(text: &str, edges: bool) -> Result<Self> {
        if let Some(addresses) = addresses(text) {
            return Ok(Set::Addresses(addresses));
        }
        if is_pattern(text) {
            return Ok(Set::Ends(text.to_owned()));
        }
        if is_type_name(text.trim()) {
            return Ok(Set::Type(text.trim().to_owned()));
        }
        let text = with_plain_addresses(text);
        let text = text.as_ref();
        check_is_one_expression(text).map_err(|error| -> DataFusionError {
            explain::syntax(text, &error).after_words("a set is a predicate over obj, or addresses: ").into()
        })?;
        if edges && words(text).iter().any(|word| EDGE_COLUMNS.contains(&word.as_str())) {
            return Ok(Set::Edges(text.to_owned()));
        }
        Ok(Set::Objects(text.to_owned()))
    }

    /// An error if it is a type that the dump does not have.
    pub(crate) fn check(&self, dump: &Dump) -> crate::Result<()> {
        let Set::Type(name) = self else { return Ok(()) };
        let asked = AskedType { name: name.clone(), is_exact: false };
        if dump.types.iter().any(|stat| asked.matches(&stat.name)) {
            return Ok(());
        }
        let what = format!("dump {} has no type {}", dump.id, mistake::escape(name));
        Err(Error::not_found(Thing::Type, name, what, &nearest_types(name, false, dump)))
    }

    /// A query for the references (parent and idx) that a predicate is true of.
    pub(crate) fn edges_query(predicate: &str, dump: &str) -> String {
        let schema = format!("{CATALOG}.\"{dump}\"");
        let words = words(predicate);
        let mut from = format!("{schema}.edge");
        let mut columns = String::new();
        for (column, end) in [(PARENT_TYPE, "parent"), (CHILD_TYPE, "child")] {
            if words.iter().any(|word| word == column) {
                from += &format!(
                    " JOIN (SELECT address AS {end}_address, type AS {column} FROM {schema}.obj) \
                     ON {end}_address = {end}"
                );
                columns += &format!(", {column}");
            }
        }
        format!(
            "SELECT parent, idx FROM (SELECT parent, child, idx, label, kind{columns} FROM {from}) WHERE {predicate}"
        )
    }

    /// Whether it is found out by a plan.
    pub(super) fn is_planned(&self) -> bool {
        !matches!(self, Set::Addresses(_))
    }

    /// A plan for its addresses (one column), or its edges (parent and idx); none for what needs no plan.
    pub(crate) async fn plan(
        &self,
        state: &SessionState,
        dump: &str,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let schema = format!("{CATALOG}.\"{dump}\"");
        let query = match self {
            Set::Addresses(_) => return Ok(None),
            Set::Objects(predicate) => format!("SELECT address FROM {schema}.obj WHERE {predicate}"),
            Set::Edges(predicate) => Self::edges_query(predicate, dump),
            Set::Type(name) => {
                let or_last = if name.contains('.') {
                    String::new()
                } else {
                    format!(" OR ends_with(type, '.{name}')")
                };
                format!("SELECT address FROM {schema}.obj WHERE type = '{name}'{or_last}")
            }
            Set::Ends(pattern) => {
                let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
                format!("SELECT address FROM path_nodes({}, {})", literal(pattern), literal(dump))
            }
        };
        let logical = state.create_logical_plan(&query).await?;
        Ok(Some(state.create_physical_plan(&logical).await?))
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Set::Addresses(addresses) => match addresses.as_slice() {
                [address] => write!(f, "@{address:#x}"),
                addresses => write!(f, "{} addresses", addresses.len()),
            },
            Set::Objects(predicate) => write!(f, "obj where {}", mistake::escape(predicate)),
            Set::Edges(predicate) => write!(f, "edge where {}", mistake::escape(predicate)),
            Set::Type(name) => write!(f, "obj of type {}", mistake::escape(name)),
            Set::Ends(pattern) => write!(f, "{}", mistake::escape(pattern)),
        }
    }
}

/// Whether it is a path pattern that gives objects and no predicate.
fn is_pattern(text: &str) -> bool {
    let words = text.trim_start().split_once(char::is_whitespace);
    words.is_some_and(|(first, _)| first.eq_ignore_ascii_case("reach"))
}

/// Whether it can only be the name of a type: no column of `obj` is a truth value, so that a name alone is no predicate.
pub fn is_type_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    let is_word = ["true", "false", "null"].iter().any(|word| text.eq_ignore_ascii_case(word));
    !is_word && text.split('.').all(is_part)
}

/// The addresses of a list such as `140, 0x7f00 @12`, if it is nothing but that.
fn addresses(text: &str) -> Option<Vec<u64>> {
    let items = text.split([',', ' ', '\n', '\t']).filter(|item| !item.is_empty());
    let addresses: Option<Vec<u64>> = items.map(address).collect();
    addresses.filter(|addresses| !addresses.is_empty())
}

/// The text goes into a query, so it must be a predicate and nothing else.
pub(crate) fn check_is_one_expression(text: &str) -> Result<(), ParserError> {
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text)?;
    parser.parse_expr()?;
    match parser.peek_token().token {
        Token::EOF => Ok(()),
        _ => parser.expected("the end of the predicate", parser.peek_token()),
    }
}

/// The names in an expression, as SQL folds them.
fn words(text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize().unwrap_or_default();
    let words = tokens.into_iter().filter_map(|token| match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value),
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_predicates_and_edges() {
        for (text, edges, expected) in [
            ("140", false, Set::Addresses(vec![140])),
            ("@140, 0x7F\n@0xff", false, Set::Addresses(vec![140, 127, 255])),
            ("type = 'parent'", true, Set::Objects("type = 'parent'".to_owned())),
            ("parent = 1", false, Set::Objects("parent = 1".to_owned())),
            ("Parent = 1", true, Set::Edges("Parent = 1".to_owned())),
            ("child_type = 'dict'", true, Set::Edges("child_type = 'dict'".to_owned())),
            ("REACH root ..> A", true, Set::Ends("REACH root ..> A".to_owned())),
            (" Basket", true, Set::Type("Basket".to_owned())),
            ("web.Basket", false, Set::Type("web.Basket".to_owned())),
            ("true", false, Set::Objects("true".to_owned())),
        ] {
            assert_eq!(Set::parse(text, edges).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_predicate() {
        for text in ["", "type = ", "true) or (true", "true; drop table obj", "true union select 1"] {
            assert!(Set::parse(text, true).is_err(), "{text}");
        }
    }
}
