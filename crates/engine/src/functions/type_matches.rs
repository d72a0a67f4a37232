//! `type_matches`: whether a type is one of those that a name or a pattern asks for.
//!
//! ```sql
//! SELECT * FROM type_stat WHERE type_matches('web.*', type) OR type_matches('Order', type)
//! ```

use datafusion::logical_expr::ScalarUDF;

use super::{ValueFunction, glob::TextTest};
use crate::{
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    type_names::is_glob_for,
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
    implementation: |_| ScalarUDF::new_from_impl(TextTest::new("type_matches", is_glob_for)),
};
