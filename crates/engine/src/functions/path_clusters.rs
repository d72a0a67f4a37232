//! `path_clusters`: the paths of a pattern by the beginning that they have in common.

use crate::{
    function::{ArgumentDoc, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc},
    path::{CLUSTER_COLUMNS, PATTERN, PathFunction, PathRows},
};

pub(super) static PATH_CLUSTERS: PathFunction = PathFunction {
    doc: FunctionDoc {
        name: "path_clusters",
        group: FunctionGroup::Path,
        usage: "path_clusters('PATTERN' [, dump])",
        purpose: "The paths of a pattern by what they have in common: a row for each object through which at least a \
                  twentieth of them go that go through no such object below it, those of most paths first, and one for all \
                  others. Objects that are asked for count for what holds them: all links of a chain are in the cluster of \
                  what holds the first. Without `PER` and another selector it is the shortest path to each object that may be \
                  at the end. A pattern that begins with `REACH`, `DOMINATED` or `TYPES` has none.",
        arguments: &[PATTERN, ArgumentDoc::DUMP],
        result: ResultDoc::Rows(&[RowsDoc::always(&[CLUSTER_COLUMNS])]),
        cost: "As `path_tree` with 'object'.",
        source: None,
    },
    gives: PathRows::Clusters,
};
