//! Values for the `$name` of a statement. They are bound to its plan as literals of their type; no text is pasted.
//!
//! What a table function is called with is needed before there is a plan; there the syntax tree gets the literals.

use std::{collections::BTreeMap, ops::ControlFlow};

use datafusion::{
    arrow::datatypes::IntervalMonthDayNano,
    common::{ParamValues, ScalarValue},
    logical_expr::LogicalPlan,
    sql::{
        parser::Statement,
        sqlparser::ast::{self, Expr, TableFactor, VisitMut as _, VisitorMut},
    },
};

use crate::{Error, Result, explain::ErrorContext};

/// The values of parameters by name, without the `$`.
pub type Parameters = BTreeMap<String, Value>;

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A time, in microseconds since 1970 in UTC.
    Time(i64),
    /// A length of time, in nanoseconds.
    Duration(i64),
    /// A selector of one dump; what is bound is the id of the dump that it selects.
    Dump(String),
}

/// Puts values in the place of the placeholders among the arguments of table functions.
pub(crate) fn bind_calls(statement: &mut Statement, parameters: &Parameters) {
    match statement {
        Statement::Statement(sql) => {
            let _ = sql.visit(&mut Calls { parameters });
        }
        Statement::Explain(explain) => bind_calls(&mut explain.statement, parameters),
        _ => {}
    }
}

struct Calls<'p> {
    parameters: &'p Parameters,
}

impl VisitorMut for Calls<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let mut literals = Literals { parameters: self.parameters };
        match table {
            TableFactor::Table { args: Some(called), .. } => called.args.visit(&mut literals),
            TableFactor::Function { args, .. } => args.visit(&mut literals),
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Literals<'p> {
    parameters: &'p Parameters,
}

impl VisitorMut for Literals<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let ast::Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        if let Some(given) = self.parameters.get(name.trim_start_matches('$')) {
            value.value = match given {
                Value::Integer(n) => ast::Value::Number(n.to_string(), false),
                Value::Number(x) => ast::Value::Number(x.to_string(), false),
                Value::Text(text) | Value::Dump(text) => ast::Value::SingleQuotedString(text.clone()),
                Value::Boolean(is_so) => ast::Value::Boolean(*is_so),
                // No table function takes these.
                Value::Time(_) | Value::Duration(_) => return ControlFlow::Continue(()),
            };
        }
        ControlFlow::Continue(())
    }
}

/// The plan with values instead of placeholders. Values that it has no placeholder for are left out.
pub(crate) fn bind(
    plan: LogicalPlan,
    parameters: &Parameters,
    context: &ErrorContext,
) -> Result<LogicalPlan> {
    let explained = |error| context.explain(&error);
    let used = plan.get_parameter_names().map_err(explained)?;
    // PREPARE has placeholders that get their values later.
    if used.is_empty() || matches!(plan, LogicalPlan::Statement(_)) {
        return Ok(plan);
    }
    let is_unknown = |name: &&String| !parameters.contains_key(name.trim_start_matches('$'));
    if let Some(name) = used.iter().filter(is_unknown).min() {
        return Err(Error::NoValue(name.clone()));
    }
    let values: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), scalar(value))).collect();
    plan.with_param_values(ParamValues::from(values)).map_err(explained)
}

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Integer(n) => ScalarValue::Int64(Some(*n)),
        Value::Number(x) => ScalarValue::Float64(Some(*x)),
        Value::Text(text) | Value::Dump(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Boolean(is_so) => ScalarValue::Boolean(Some(*is_so)),
        Value::Time(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into())),
        // Nanoseconds alone, as differences of times have them: intervals compare field by field.
        Value::Duration(nanos) => {
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, *nanos)))
        }
    }
}
