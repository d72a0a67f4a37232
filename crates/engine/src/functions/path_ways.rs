//! `path_ways`: the ways that the paths of a pattern take, a row for each.

use crate::{
    function::{ArgumentDefault, ArgumentDoc, ArgumentKind, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{PATTERN, PathFunction, PathRows, WAY_COLUMNS},
};

pub(super) static PATH_WAYS: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path_ways",
        group: FunctionGroup::Path,
        usage: "path_ways('PATTERN' [, dump] [, max_steps])",
        purpose: "The ways that the paths of a pattern take, merged: a row for each sequence of types, with the objects that \
                  are reached by it, those of most objects first. The objects are those that `PER` names, or those at the \
                  ends. All shortest paths of an object count, not only the one that `path` shows, so that the ways of dumps \
                  of different processes can be compared; an object that several ways lead to is in each of their rows, but \
                  in no more than 64. A pattern that begins with `REACH`, `DOMINATED` or `TYPES` has none.",
        arguments: &[PATTERN, ArgumentDoc::DUMP, MAX_STEPS],
        result: ResultDoc::Rows(&[RowsDoc::always(&[WAY_COLUMNS])]),
        cost: "As `path` with `PER`: one search for all objects, and a few dozen bytes for each object on a shortest path.",
        source: None,
    },
    gives: PathRows::Ways,
};

const MAX_STEPS: ArgumentDoc = ArgumentDoc {
    name: "max_steps",
    kind: ArgumentKind::Number,
    default: ArgumentDefault::Words("no limit"),
    repeats: false,
    meaning: "for who would rather have no answer than wait: where the shortest paths have more different steps than that, there are \
              no rows",
};
