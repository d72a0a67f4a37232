//! `diff_objects`: what became of every object of two dumps.

use futures::FutureExt as _;

use crate::{
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column,
    },
    identity::{IdentityFunction, NO_NAME, RULES},
};

const NOT_BEFORE: &str = "where it was not there, or the dump does not say";
const NOT_AFTER: &str = "where it is not there, or the dump does not say";

pub(super) static DIFF_OBJECTS: IdentityFunction = IdentityFunction {
    doc: FunctionDoc {
        name: "diff_objects",
        group: FunctionGroup::Identity,
        usage: "diff_objects('before', 'after' [, 'auto' | 'address' | 'path'])",
        purpose: "Every object of two dumps, once, by type and then address: which of one dump is which of the other, what \
                  became of it, and how sure that is. docs/identity.md has the rules and their known errors.",
        arguments: &[
            ArgumentDoc::required("before", ArgumentKind::Dumps, "the first dump, or both"),
            ArgumentDoc::required("after", ArgumentKind::Dumps, "the second dump"),
            ArgumentDoc::optional(
                "identity",
                ArgumentKind::Word(RULES),
                "'auto'",
                "by what objects are recognised: their address, their path from the roots, or whichever fits the dumps",
            ),
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column(
                "status",
                ColumnType::Text,
                "`new`, `gone`, `grown`, `shrunk`, `changed` (the value) or `same`",
            ),
            column("confidence", ColumnType::Text, "how sure that is: `high`, `medium` or `low`"),
            column(
                "why",
                ColumnType::Text,
                "what decided: `name`, `value`, `references`, `address` or `path`",
            ),
            column("identity", ColumnType::Text, "the rule that was followed: `address` or `path`"),
            column("type", ColumnType::Text, "type of the object"),
            column("name", ColumnType::Text, "its name").null(NO_NAME),
            column("address_before", ColumnType::UInt64, "its address in the first dump")
                .null("where it was not there"),
            column("address_after", ColumnType::UInt64, "its address in the second dump")
                .null("where it is not there"),
            column("size_before", ColumnType::Int64, "its shallow size in the first dump")
                .unit("bytes")
                .null(NOT_BEFORE),
            column("size_after", ColumnType::Int64, "its shallow size in the second dump")
                .unit("bytes")
                .null(NOT_AFTER),
            column("size_delta", ColumnType::Int64, "how much larger it is; what is not there counts 0")
                .unit("bytes")
                .null("where a dump does not say"),
            column("len_before", ColumnType::Int64, "items or characters in the first dump").null(NOT_BEFORE),
            column("len_after", ColumnType::Int64, "items or characters in the second dump").null(NOT_AFTER),
            column("refs_before", ColumnType::Int64, "references to other objects in the first dump")
                .null("where it was not there"),
            column("refs_after", ColumnType::Int64, "references to other objects in the second dump")
                .null("where it is not there"),
            column("retained_before", ColumnType::Int64, "what would have gone with it")
                .unit("bytes")
                .null("where it was not there"),
            column("retained_after", ColumnType::Int64, "what would be freed with it")
                .unit("bytes")
                .null("where it is not there"),
        ]])]),
        cost: "Both dumps are read once, and both indexes looked at object by object. Memory: 18 bytes for every object of \
               either dump and 16 for every one of the first; by path up to 24 more, and 4 for every reference of dumps that \
               have labels.",
        source: None,
    },
    n_dumps: (2, 2),
    dumps: "two dumps",
    answer: |work| work.diff().boxed(),
};
