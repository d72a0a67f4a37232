//! `path_nodes`: the paths that a pattern finds, hop by hop, as the graph index has them.

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{HOP_COLUMNS, PATTERN, PathFunction, PathRows, TYPE_COLUMNS},
};

pub(super) static PATH_NODES: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path_nodes",
        group: FunctionGroup::Path,
        usage: "path_nodes('PATTERN' [, dump])",
        purpose: "The same as `path` without names, values and labels, which have to be looked up in the tables; with \
                  `edge_parent`, which together with `idx` names a reference.",
        arguments: &[PATTERN, ArgumentDoc::DUMP],
        result: ResultDoc::Rows(&[
            RowsDoc { when: "paths and objects", parts: &[HOP_COLUMNS] },
            RowsDoc { when: "a pattern that begins with `TYPES`", parts: &[TYPE_COLUMNS] },
        ]),
        cost: "As `path`, without looking anything up.",
        source: None,
    },
    gives: PathRows::Nodes,
};
