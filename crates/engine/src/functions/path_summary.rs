//! `path_summary`: the paths that a pattern finds, a row for each.

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{PATH_COLUMNS, PATTERN, PathFunction, PathRows},
};

pub(super) static PATH_SUMMARY: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path_summary",
        group: FunctionGroup::Path,
        usage: "path_summary('PATTERN' [, dump])",
        purpose: "The paths that a pattern finds, a row for each. A pattern that begins with `REACH`, `DOMINATED` or `TYPES` \
                  has none.",
        arguments: &[PATTERN, ArgumentDoc::DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[PATH_COLUMNS])]),
        cost: "As `path`, without looking anything up.",
        source: None,
    },
    gives: PathRows::Summary,
};
