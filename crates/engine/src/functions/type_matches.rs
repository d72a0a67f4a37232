//! `type_matches`: whether a type is one of those that a name or a pattern asks for.
//!
//! ```sql
//! SELECT * FROM type_stat WHERE type_matches('web.*', type) OR type_matches('Order', type)
//! ```

use std::sync::Arc;

use super::ValueFunction;
use crate::{
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    type_names::is_glob_for,
};
use datafusion::{
    arrow::{
        array::{AsArray as _, BooleanArray},
        compute::cast,
        datatypes::DataType,
    },
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

pub(super) static TYPE_MATCHES: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "type_matches",
        group: FunctionGroup::Value,
        usage: "type_matches('pattern', type)",
        purpose: "Whether a type is one of those that a name asks for, as in path patterns: a name without a dot is compared with \
                  the part of the type after its last dot, a name with a dot with the whole. `*` is any number of characters.",
        arguments: &[
            ArgumentDoc::required("pattern", ArgumentKind::Text, "the name or pattern"),
            ArgumentDoc::required("type", ArgumentKind::Text, "the name of a type"),
        ],
        result: ResultDoc::Value(
            column("fits", ColumnType::Boolean, "whether it fits")
                .null("where the pattern or the type is null"),
        ),
        cost: "O(characters of pattern and name) at best, their product at worst.",
        source: None,
    },
    implementation: |_| {
        ScalarUDF::new_from_impl(TypeMatches { signature: Signature::any(2, Volatility::Immutable) })
    },
};

/// `type_matches('pattern', type)`: whether a type fits.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeMatches {
    signature: Signature,
}

impl ScalarUDFImpl for TypeMatches {
    fn name(&self) -> &str {
        "type_matches"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = |of: &ColumnarValue| cast(&of.to_array(args.number_rows)?, &DataType::Utf8View);
        let [patterns, names] = [texts(&args.args[0])?, texts(&args.args[1])?];
        let rows = patterns.as_string_view().iter().zip(names.as_string_view());
        let fits: BooleanArray = rows.map(|(pattern, name)| Some(is_glob_for(pattern?, name?))).collect();
        Ok(ColumnarValue::Array(Arc::new(fits)))
    }
}
