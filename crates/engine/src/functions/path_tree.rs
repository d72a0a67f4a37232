//! `path_tree`: the paths of a pattern merged to a tree, a row for each branch.

use crate::{
    function::{ArgumentDoc, ArgumentKind, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{PATTERN, PathFunction, PathRows, TREE_COLUMNS, TreeMerge},
};

pub(super) static PATH_TREE: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path_tree",
        group: FunctionGroup::Path,
        usage: "path_tree('PATTERN' [, 'type'|'object' [, dump]])",
        purpose: "The paths of a pattern merged to a tree, from their first objects on: a row for each branch, with the paths \
                  that go through it, depth first, of siblings first that of most paths. Without `PER` and another selector \
                  it is the shortest path to each object that may be at the end. A pattern that begins with `REACH`, \
                  `DOMINATED` or `TYPES` has none.",
        arguments: &[
            PATTERN,
            ArgumentDoc::optional(
                "merge",
                ArgumentKind::Word(TreeMerge::WORDS),
                "'type'",
                "what is one branch: objects of a type that are reached by the same types, or an object",
            ),
            ArgumentDoc::DUMP,
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[TREE_COLUMNS])]),
        cost: "As `path` with `PER`, and a few dozen bytes for each branch and each object in a branch.",
        source: None,
    },
    gives: PathRows::Tree,
};
