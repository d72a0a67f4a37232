//! What a statement takes and gives, found out without running it.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    common::tree_node::{TreeNode, TreeNodeRecursion},
    logical_expr::{Expr as LogicalExpr, LogicalPlan, expr::Placeholder},
    sql::{
        parser::Statement,
        sqlparser::ast::{self, Expr, TableFactor, Visit as _, Visitor},
    },
};

/// The parameters and columns of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementSignature {
    /// The `$name` of the statement, in the order in which they first come.
    pub parameters: Vec<StatementParameter>,
    /// The columns of its rows; `None` where a table function takes a parameter that has no value yet, because its columns
    /// may depend on it.
    pub columns: Option<SchemaRef>,
}

/// A `$name` of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementParameter {
    /// Its name, without the `$`.
    pub name: String,
    /// The type that the statement expects; `None` where anything will do.
    pub data_type: Option<DataType>,
}

/// The types that a plan expects of its placeholders, by name with the `$`; `None` where it expects several. The method of
/// DataFusion compares the metadata of types as well, and columns differ in their descriptions.
pub(crate) fn parameter_types(plan: &LogicalPlan) -> HashMap<String, Option<DataType>> {
    let mut types: HashMap<String, Option<DataType>> = HashMap::new();
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let LogicalExpr::Placeholder(Placeholder { id, field: Some(field) }) = expr {
                    let expected = field.data_type().clone();
                    let known = types.entry(id.clone()).or_insert_with(|| Some(expected.clone()));
                    if known.as_ref().is_some_and(|known| *known != expected) {
                        *known = None;
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    debug_assert!(visited.is_ok(), "the walk itself never fails");
    types
}

/// The parameters of a statement, given the types that its plan says.
pub(crate) fn parameters(
    statement: &Statement,
    types: &HashMap<String, Option<DataType>>,
) -> Vec<StatementParameter> {
    let names = names(statement).into_iter();
    names
        .map(|name| {
            let data_type = types.get(&format!("${name}")).cloned().flatten();
            StatementParameter { name, data_type }
        })
        .collect()
}

/// The names of the placeholders of a statement, each once, without the `$`.
fn names(statement: &Statement) -> Vec<String> {
    let mut placeholders = Placeholders::default();
    match statement {
        Statement::Statement(sql) => {
            let _ = sql.visit(&mut placeholders);
        }
        Statement::Explain(explain) => return names(&explain.statement),
        _ => {}
    }
    placeholders.0
}

#[derive(Default)]
struct Placeholders(Vec<String>);

impl Visitor for Placeholders {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let ast::Value::Placeholder(name) = &value.value
        {
            let name = name.trim_start_matches('$');
            if !self.0.iter().any(|known| known == name) {
                self.0.push(name.to_owned());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Whether a table function is called with a placeholder, as one is that has no value.
pub(crate) fn has_calls_without_values(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(sql) => sql.visit(&mut CallsWithPlaceholders).is_break(),
        Statement::Explain(explain) => has_calls_without_values(&explain.statement),
        _ => false,
    }
}

struct CallsWithPlaceholders;

impl Visitor for CallsWithPlaceholders {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        match table {
            TableFactor::Table { args: Some(called), .. } => called.args.visit(&mut AnyPlaceholder),
            TableFactor::Function { args, .. } => args.visit(&mut AnyPlaceholder),
            _ => ControlFlow::Continue(()),
        }
    }
}

struct AnyPlaceholder;

impl Visitor for AnyPlaceholder {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Value(value) if matches!(value.value, ast::Value::Placeholder(_)) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}
