//! `path_explain`: why a pattern finds nothing.

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{LINE_COLUMNS, PATTERN, PathFunction, PathRows},
};

pub(super) static PATH_EXPLAIN: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path_explain",
        group: FunctionGroup::Path,
        usage: "path_explain('PATTERN' [, dump])",
        purpose: "Why a pattern finds nothing: how much was searched, whether what it leads to exists, whether roots reach \
                  it, and what EXCEPT and WITHIN took away.",
        arguments: &[PATTERN, ArgumentDoc::DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[LINE_COLUMNS])]),
        cost: "Up to four searches as `path` makes one.",
        source: None,
    },
    gives: PathRows::Explanation,
};
