//! `module`: the module of a type: what stands before the last dot of its name.
//!
//! ```sql
//! SELECT module(type), sum(size) FROM type_stat GROUP BY 1
//! ```

use super::{ValueFunction, type_part::TypePart};
use crate::function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column};

pub(super) static MODULE: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "module",
        group: FunctionGroup::Value,
        usage: "module(type)",
        purpose: "The module of a type: what stands before the last dot of its name. Of a class inside another the class around it is a part of it, and of a class that a function made, the function is not.",
        arguments: &[ArgumentDoc::required("type", ArgumentKind::Text, "the name of a type")],
        result: ResultDoc::Value(
            column("module", ColumnType::Text, "the module")
                .null("where the type is null or has no module in its name"),
        ),
        cost: "O(characters of the name).",
        source: None,
    },
    implementation: |_| TypePart::module(),
};
