//! `path`: the paths that a pattern finds, hop by hop, with names, values and labels.

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{NAMED_COLUMNS, PATTERN, PathFunction, PathRows, TYPE_COLUMNS},
};

pub(super) static PATH: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path",
        group: FunctionGroup::Path,
        usage: "path('PATTERN' [, dump])",
        purpose: "What a path pattern finds: a row per object of a path, or with `REACH` and `DOMINATED` per object, with its \
                  name and value and the label of the reference to it. A statement that is a pattern is a call of `path`.",
        arguments: &[PATTERN, ArgumentDoc::DUMP],
        result: ResultDoc::Rows(&[
            RowsDoc { when: "paths and objects", parts: &[NAMED_COLUMNS] },
            RowsDoc { when: "a pattern that begins with `TYPES`", parts: &[TYPE_COLUMNS] },
        ]),
        cost: "O((objects + references) * states of the pattern) at most: the shortest paths are searched for from both ends. \
               Memory: two bits for each object in each state. Names, values and labels are looked up for the rows that are \
               found.",
        source: Some(
            "regular path queries: a search over pairs of object and state of an automaton; semantics of ISO/IEC \
                      9075-16 (SQL/PGQ)",
        ),
    },
    gives: PathRows::Named,
};
