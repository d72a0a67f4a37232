//! Values for the `$name` of a statement. They are bound to its plan as literals of their type; no text is pasted.

use std::collections::BTreeMap;

use datafusion::{
    common::{ParamValues, ScalarValue},
    logical_expr::LogicalPlan,
};

use crate::{Error, Result, error::Context};

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
}

/// The plan with values instead of placeholders. Values that it has no placeholder for are left out.
pub(crate) fn bind(plan: LogicalPlan, parameters: &Parameters, context: &Context) -> Result<LogicalPlan> {
    let explained = |error| context.explain(&error);
    let used = plan.get_parameter_names().map_err(explained)?;
    // PREPARE has placeholders that get their values later.
    if used.is_empty() || matches!(plan, LogicalPlan::Statement(_)) {
        return Ok(plan);
    }
    let is_unknown = |name: &&String| !parameters.contains_key(name.trim_start_matches('$'));
    if let Some(name) = used.iter().filter(is_unknown).min() {
        return Err(Error::Query(format!(
            "there is no value for {name}; `heaplake run FILE.sql` gives values to the parameters that the first \
             lines of the file declare"
        )));
    }
    let values: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), scalar(value))).collect();
    plan.with_param_values(ParamValues::from(values)).map_err(explained)
}

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Integer(n) => ScalarValue::Int64(Some(*n)),
        Value::Number(x) => ScalarValue::Float64(Some(*x)),
        Value::Text(text) => ScalarValue::Utf8(Some(text.clone())),
    }
}
