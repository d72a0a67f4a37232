//! `short`: the name of a type without its module: the part after the last dot.
//!
//! ```sql
//! SELECT short(type), sum(size) FROM type_stat GROUP BY 1
//! ```

use super::{ValueFunction, type_part::TypePart};
use crate::function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column};

pub(super) static SHORT: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "short",
        group: FunctionGroup::Value,
        usage: "short(type)",
        purpose: "The name of a type without its module: the part after the last dot. `Session` of `web.Session`.",
        arguments: &[ArgumentDoc::required("type", ArgumentKind::Text, "the name of a type")],
        result: ResultDoc::Value(
            column("short", ColumnType::Text, "the name").null("where the type is null"),
        ),
        cost: "O(characters of the name).",
        source: None,
    },
    implementation: |_| TypePart::short(),
};
