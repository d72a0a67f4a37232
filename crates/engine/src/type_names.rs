//! Names of types that a statement or pattern asks for, so that a name that no dump has is said and not taken for an answer.

use std::ops::ControlFlow;

use datafusion::sql::{
    parser::{DFParserBuilder, Statement},
    sqlparser::{
        ast::{BinaryOperator, Expr, Value, Visit as _, Visitor},
        dialect::GenericDialect,
        parser::Parser,
    },
};
use heaplake_model::{asked_part, is_type_meant, short_type_name};
use heaplake_pathql::glob_matches;
use heaplake_store::Dump;

use crate::mistake;

/// Columns whose values are names of types.
const TYPE_COLUMNS: [&str; 8] = [
    "type",
    "parent_type",
    "child_type",
    "idom_type",
    "dominator_type",
    "held_by_type",
    "head_type",
    "holder_type",
];
/// A predicate may stand in a text, and a pattern in that, but no deeper.
const MAX_DEPTH: usize = 2;

/// A type that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskedType {
    /// Its name as it is written.
    pub(crate) name: String,
    /// Whether it must be the whole name; otherwise a name without a dot is the part after the last dot, as in patterns.
    pub(crate) is_exact: bool,
}

impl AskedType {
    /// Whether a type of a dump is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.is_exact { name == self.name } else { is_type_meant(&self.name, name) }
    }
}

/// Whether the values of a column of this name are names of types.
pub fn is_type_column(name: &str) -> bool {
    TYPE_COLUMNS.contains(&name)
}

/// The names that a statement compares a column of types with, or that patterns and sets in its texts ask for; each once,
/// in order. A statement that cannot be parsed asks for none.
pub(crate) fn in_statement(statement: &str) -> Vec<AskedType> {
    let mut names = TypeNames::default();
    let parsed = DFParserBuilder::new(statement).build().and_then(|mut parser| parser.parse_statements());
    for statement in parsed.into_iter().flatten() {
        names.visit_statement(&statement);
    }
    names.found
}

/// The names that a set asks for: a predicate over objects or references, or a pattern.
pub(crate) fn in_set(set: &str) -> Vec<AskedType> {
    let mut names = TypeNames::default();
    names.visit_text(set);
    names.found
}

/// Whether a glob is for a type: one without a dot for the part of its name after the last dot.
pub(crate) fn is_glob_for(glob: &str, name: &str) -> bool {
    glob_matches(glob, asked_part(glob, name))
}

/// The types that were probably meant. A type in quotes must have its whole name, as must one with a dot.
pub(crate) fn nearest_types<'m>(wanted: &str, is_exact: bool, manifest: &'m Dump) -> Vec<&'m str> {
    let names = || manifest.types.iter().map(|stat| stat.name.as_str());
    let is_whole = is_exact || wanted.contains('.');
    let is_longer = |name: &str| name.strip_suffix(wanted).is_some_and(|rest| rest.ends_with('.'));
    let longer: Vec<&str> = names().filter(|name| is_whole && is_longer(name)).collect();
    match (longer.is_empty(), is_whole) {
        (false, _) => longer,
        (true, true) => mistake::nearest_few(wanted, names()),
        (true, false) => {
            let mut all: Vec<&str> = names().chain(names().map(short_type_name)).collect();
            all.sort_unstable();
            all.dedup();
            mistake::nearest_few(wanted, all)
        }
    }
}

#[derive(Default)]
struct TypeNames {
    found: Vec<AskedType>,
    depth: usize,
}

impl TypeNames {
    fn visit_statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Statement(sql) => {
                let _ = sql.visit(self);
            }
            Statement::Explain(explain) => self.visit_statement(&explain.statement),
            _ => {}
        }
    }

    fn visit_text(&mut self, text: &str) {
        if self.depth == MAX_DEPTH {
            return;
        }
        if let Ok(query) = heaplake_pathql::parse(text) {
            query.required_types().into_iter().for_each(|(name, is_exact)| self.add(name, is_exact));
            return;
        }
        let parsed =
            Parser::new(&GenericDialect {}).try_with_sql(text).and_then(|mut parser| parser.parse_expr());
        if let Ok(predicate) = parsed {
            self.depth += 1;
            let _ = predicate.visit(self);
            self.depth -= 1;
        }
    }

    fn add(&mut self, name: &str, is_exact: bool) {
        let asked = AskedType { name: name.to_owned(), is_exact };
        if !self.found.contains(&asked) {
            self.found.push(asked);
        }
    }
}

impl Visitor for TypeNames {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                for (column, value) in [(left, right), (right, left)] {
                    if let (true, Some(name)) = (is_of_type_column(column), text_of(value)) {
                        self.add(name, true);
                    }
                }
            }
            Expr::InList { expr, list, negated: false } if is_of_type_column(expr) => {
                list.iter().filter_map(text_of).for_each(|name| self.add(name, true));
            }
            // A set or a pattern of a table function.
            other => {
                if let Some(text) = text_of(other).filter(|text| text.contains(['=', '>', '<'])) {
                    self.visit_text(text);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_of_type_column(expr: &Expr) -> bool {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    };
    name.is_some_and(|name| is_type_column(&name.value.to_lowercase()))
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[AskedType]) -> Vec<&str> {
        asked.iter().map(|asked| asked.name.as_str()).collect()
    }

    #[test]
    fn finds_the_types_that_are_asked_for() {
        for (statement, expected) in [
            ("select * from obj where type = 'A' or 'B' = o.type and size > 1", &["A", "B"][..]),
            ("select 1 from edge where child_type in ('A', 'B', 'A')", &["A", "B"]),
            ("select * from parents('type = ''A'' and size > 3', 2)", &["A"]),
            (
                "select * from path('root ..> (A -> dict? ->)+ (x: B|\"c.D\" WHERE size > 1)')",
                &["A", "B", "c.D"],
            ),
            ("select * from whatif_cut('parent_type = ''A''', '@12')", &["A"]),
            ("explain select * from obj where type = 'A'", &["A"]),
            (
                "select * from obj where type <> 'A' and name = 'B' and type like 'C%' and type not in ('D')",
                &[],
            ),
            ("select 'type = ''A'' or (' from", &[]),
        ] {
            assert_eq!(names(&in_statement(statement)), expected, "{statement}");
        }
        assert_eq!(names(&in_set("type = 'A'")), ["A"]);
        assert_eq!(names(&in_set("REACH root ..> A")), ["A"]);
        assert!(in_set("@12, @13").is_empty());
    }

    #[test]
    fn a_glob_without_a_dot_is_for_the_last_part() {
        for (glob, name, fits) in [
            ("web.*", "web.Session", true),
            ("web.*", "billing.Session", false),
            ("Ses*", "web.Session", true),
            ("*", "web.Session", true),
            ("web*", "web.Session", false),
            ("*.Session", "Session", false),
            ("Session", "web.Session", true),
        ] {
            assert_eq!(is_glob_for(glob, name), fits, "{glob} {name}");
        }
    }

    #[test]
    fn a_pattern_means_the_part_after_the_last_dot() {
        let asked = |name: &str, is_exact| AskedType { name: name.to_owned(), is_exact };
        assert!(asked("A", false).matches("web.A") && !asked("A", true).matches("web.A"));
        assert!(!asked("A", false).matches("webA") && asked("web.A", true).matches("web.A"));
        assert!(asked("web.A", false).matches("web.A") && !asked("web.A", false).matches("my.web.A"));
    }
}
