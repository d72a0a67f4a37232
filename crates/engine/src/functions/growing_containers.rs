//! `growing_containers`: what has grown from each dump to the next.

use std::{cmp::Reverse, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, StringViewArray},
        datatypes::SchemaRef,
    },
    error::Result,
};
use futures::FutureExt as _;

use crate::{
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column,
    },
    identity::{
        CONFIDENCE, Confidence, Facts, HOLDER, IdentityAnswer, IdentityFunction, IdentityWork, NO_LEN,
        NO_SIZE, Pairs, WHICH, of_object,
    },
};

pub(super) static GROWING_CONTAINERS: IdentityFunction = IdentityFunction {
    doc: FunctionDoc {
        name: "growing_containers",
        group: FunctionGroup::Identity,
        usage: "growing_containers('first', 'second' [, 'third']...) or growing_containers('*')",
        purpose: "The objects whose length, or whose number of references, is higher in each dump than in the one before, \
                  what grew most first. The dumps are given in order of time.",
        arguments: &[
            ArgumentDoc::required(
                "first",
                ArgumentKind::Dumps,
                "the first dump, or several: `'*'` is all of the lake",
            ),
            ArgumentDoc::optional(
                "second",
                ArgumentKind::Dumps,
                "none, if the first are several",
                "the next dumps",
            ),
            ArgumentDoc::optional("third", ArgumentKind::Dumps, "none", "more dumps").repeated(),
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            WHICH,
            &[
                CONFIDENCE,
                column(
                    "growth",
                    ColumnType::Int64,
                    "of the length if that has risen each time, else of the number of references",
                ),
                column("len_first", ColumnType::Int64, "items in the first dump").null(NO_LEN),
                column("len_last", ColumnType::Int64, "items in the last dump").null(NO_LEN),
                column("refs_first", ColumnType::Int64, "references in the first dump"),
                column("refs_last", ColumnType::Int64, "references in the last dump"),
                column("size_first", ColumnType::Int64, "shallow size in the first dump")
                    .unit("bytes")
                    .null(NO_SIZE),
                column("size_last", ColumnType::Int64, "shallow size in the last dump")
                    .unit("bytes")
                    .null(NO_SIZE),
                column("retained_first", ColumnType::Int64, "what would have gone with it in the first dump")
                    .unit("bytes"),
                column("retained_last", ColumnType::Int64, "what would be freed with it in the last dump")
                    .unit("bytes"),
            ],
            HOLDER,
        ])]),
        cost: "Every dump is read once, and compared with the next as `diff_objects` does; two of them are in memory at a time, \
               18 bytes for every object, and 16 for every one of the earlier of the two.",
        source: None,
    },
    n_dumps: (2, usize::MAX),
    dumps: "two dumps or more",
    answer: |work| answer(work).boxed(),
};

async fn answer(work: IdentityWork) -> Result<IdentityAnswer> {
    if work.n_dumps() < 2 {
        return Ok(work.nothing());
    }
    let (before, mut after) = work.first_two().await?;
    let mut grown = Grown::default();
    let first = work.pair(0, &before, &after).await?;
    drop(before);
    grown.follow(&first.pairs);
    drop(first);
    for dump in 2..work.n_dumps() {
        let next = work.facts(dump).await?;
        grown.follow(&work.pair(dump - 1, &after, &next).await?.pairs);
        after = next;
    }
    let columns = grown.columns(&after.facts, work.schema())?;
    work.columns(columns, after)
}

/// An object that has grown so far.
#[derive(Debug, Clone, Copy)]
struct Growing {
    /// Its node in the last dump that was looked at.
    node: usize,
    len_first: Option<i64>,
    refs_first: i64,
    size_first: Option<i64>,
    retained_first: i64,
    /// Whether the length has risen from each dump to the next.
    by_len: bool,
    /// Whether the number of references has.
    by_refs: bool,
    confidence: Confidence,
}

/// What has grown from each dump to the next, as far as the dumps were looked at.
#[derive(Debug, Default)]
struct Grown {
    found: Option<Vec<Growing>>,
}

impl Grown {
    /// Compares the next dump with the one before it. Call it for each pair of dumps in order.
    fn follow(&mut self, pairs: &Pairs) {
        let (before, after) = (&*pairs.before, &*pairs.after);
        let all = (0..before.n_nodes()).map(|node| Growing {
            node,
            len_first: before.len(node),
            refs_first: before.refs(node),
            size_first: before.size(node),
            retained_first: before.retained(node),
            by_len: true,
            by_refs: true,
            confidence: Confidence::High,
        });
        let next = |was: Growing| {
            let node = pairs.partner(was.node)?;
            let lens = before.len(was.node).zip(after.len(node));
            let by_len = was.by_len && lens.is_some_and(|(len, next)| len < next);
            let by_refs = was.by_refs && before.refs(was.node) < after.refs(node);
            let confidence = was.confidence.min(pairs.judgement_of_partner(was.node).0);
            (by_len || by_refs).then_some(Growing { node, by_len, by_refs, confidence, ..was })
        };
        self.found = Some(match self.found.take() {
            None => all.filter_map(next).collect(),
            Some(found) => found.into_iter().filter_map(next).collect(),
        });
    }

    /// The columns of what has grown, the most first, given the last dump that was looked at.
    fn columns(self, last: &Facts, schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
        let growth = |row: &Growing| match row.by_len {
            true => last.len(row.node).unwrap_or_default().saturating_sub(row.len_first.unwrap_or_default()),
            false => last.refs(row.node).saturating_sub(row.refs_first),
        };
        let mut rows = self.found.unwrap_or_default();
        rows.sort_by_key(|row| (Reverse(growth(row)), last.row(row.node)));
        let numbers = |number: &dyn Fn(&Growing) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(number).collect::<Int64Array>())
        };
        let columns = schema.fields().iter().map(|field| {
            let column: ArrayRef = match field.name().as_str() {
                "confidence" => {
                    Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.confidence.name())))
                }
                "growth" => numbers(&|row| Some(growth(row))),
                "len_first" => numbers(&|row| row.len_first),
                "len_last" => numbers(&|row| last.len(row.node)),
                "refs_first" => numbers(&|row| Some(row.refs_first)),
                "refs_last" => numbers(&|row| Some(last.refs(row.node))),
                "size_first" => numbers(&|row| row.size_first),
                "size_last" => numbers(&|row| last.size(row.node)),
                "retained_first" => numbers(&|row| Some(row.retained_first)),
                "retained_last" => numbers(&|row| Some(last.retained(row.node))),
                other => return of_object(other, last, rows.iter().map(|row| row.node)),
            };
            Ok(column)
        });
        columns.collect()
    }
}
