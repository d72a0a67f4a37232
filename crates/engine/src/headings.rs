//! Names for the columns of a query that it does not name: what the user wrote, and no name twice.
//!
//! The planner names an expression by its own notation (`max(history.type_stat.count)`, `Int64(2)`), and refuses two of one
//! name, as any two subqueries are. So expressions without a name get their text as a name before the statement is planned;
//! a subquery gets the name of its column.

use std::collections::HashSet;

use datafusion::sql::{
    parser::Statement,
    sqlparser::ast::{self, Expr, Ident, Query, Select, SelectItem, SetExpr},
};

/// Characters of an expression that are its name; a longer one keeps the name that the planner gives it.
const MAX_CHARS: usize = 200;

/// Names the expressions of a query that have no name.
pub(crate) fn name_expressions(statement: &mut Statement) {
    if let Statement::Statement(sql) = statement
        && let ast::Statement::Query(query) = sql.as_mut()
        && let Some(select) = first_select(query)
    {
        name_items(select);
    }
}

/// The SELECT whose names a query has: of a union the first.
fn first_select(query: &mut Query) -> Option<&mut Select> {
    let mut body = query.body.as_mut();
    loop {
        body = match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => query.body.as_mut(),
            SetExpr::SetOperation { left, .. } => left.as_mut(),
            _ => return None,
        };
    }
}

fn name_items(select: &mut Select) {
    let mut taken: HashSet<String> = select.projection.iter().filter_map(written_name).collect();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if written_name_of(expr).is_some() {
            continue;
        }
        let text = match &*expr {
            Expr::Subquery(query) => name_of(query).unwrap_or_else(|| "subquery".to_owned()),
            other => other.to_string(),
        };
        if text.chars().count() > MAX_CHARS {
            continue;
        }
        let mut numbered = (1_u64..).map(|n| if n == 1 { text.clone() } else { format!("{text}_{n}") });
        let Some(name) = numbered.find(|name| !taken.contains(name)) else { continue };
        taken.insert(name.clone());
        let expr = std::mem::replace(expr, Expr::value(ast::Value::Null));
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
    }
}

/// The name that a column has without our help.
fn written_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expr) => written_name_of(expr),
        _ => None,
    }
}

fn written_name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

/// The name of the only column of a query, as it would have it alone.
fn name_of(query: &Query) -> Option<String> {
    let mut body = query.body.as_ref();
    let select = loop {
        body = match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => left.as_ref(),
            _ => return None,
        };
    };
    match select.projection.as_slice() {
        [item @ SelectItem::ExprWithAlias { .. }] => written_name(item),
        [SelectItem::UnnamedExpr(expr)] => Some(written_name_of(expr).unwrap_or_else(|| expr.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParserBuilder;

    use super::*;

    #[test]
    fn expressions_have_the_name_that_they_are_written_with() {
        for (sql, expected) in [
            ("SELECT type, max(count) FROM t", "SELECT type, max(count) AS \"max(count)\" FROM t"),
            ("SELECT o.type AS x, o.size FROM o", "SELECT o.type AS x, o.size FROM o"),
            ("SELECT 1, 1", "SELECT 1 AS \"1\", 1 AS \"1_2\""),
            (
                "SELECT (SELECT max(a) FROM t), (SELECT b AS c FROM t), (SELECT max(a) FROM t)",
                "SELECT (SELECT max(a) FROM t) AS \"max(a)\", (SELECT b AS c FROM t) AS \"c\", \
                 (SELECT max(a) FROM t) AS \"max(a)_2\"",
            ),
            ("SELECT size * 2, * FROM t", "SELECT size * 2 AS \"size * 2\", * FROM t"),
            ("SELECT 'a\"b'", "SELECT 'a\"b' AS \"'a\"\"b'\""),
            ("SELECT -1 UNION SELECT -2", "SELECT -1 AS \"-1\" UNION SELECT -2"),
            ("WITH t AS (SELECT 1) SELECT * FROM t", "WITH t AS (SELECT 1) SELECT * FROM t"),
        ] {
            let mut parsed =
                DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements());
            let statement = parsed.as_mut().expect(sql).front_mut().expect("a statement");
            name_expressions(statement);
            assert_eq!(statement.to_string(), expected);
        }
    }
}
