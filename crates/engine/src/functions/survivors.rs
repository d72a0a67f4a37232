//! `survivors`: what came with the second of three dumps and is still there in the third.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, StringViewArray},
        datatypes::SchemaRef,
    },
    error::Result,
};
use futures::FutureExt as _;
use heaplake_graph::BitSet;

use crate::{
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column,
    },
    identity::{
        CONFIDENCE, Confidence, HOLDER, IdentityAnswer, IdentityFunction, IdentityWork, NO_LEN, NO_SIZE,
        Pairs, WHICH, of_object,
    },
};

pub(super) static SURVIVORS: IdentityFunction = IdentityFunction {
    doc: FunctionDoc {
        name: "survivors",
        group: FunctionGroup::Identity,
        usage: "survivors('first', 'second', 'third')",
        purpose: "The objects that came with the second of three dumps and are still there in the third, by type and then \
                  address: what is suspected to leak was done between the first and the second.",
        arguments: &[
            ArgumentDoc::required("first", ArgumentKind::Dumps, "the first dump, or several of the three"),
            ArgumentDoc::required("second", ArgumentKind::Dumps, "the second"),
            ArgumentDoc::required("third", ArgumentKind::Dumps, "the third"),
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[
            WHICH,
            &[
                CONFIDENCE,
                column("size", ColumnType::Int64, "its shallow size").unit("bytes").null(NO_SIZE),
                column("len", ColumnType::Int64, "number of items or characters").null(NO_LEN),
                column("refs", ColumnType::Int64, "number of references to other objects"),
                column("retained", ColumnType::Int64, "what would be freed with it, itself included")
                    .unit("bytes"),
            ],
            HOLDER,
        ])]),
        cost: "Each dump is read once, and compared with the next as `diff_objects` does.",
        source: None,
    },
    n_dumps: (3, 3),
    dumps: "three dumps",
    answer: |work| answer(work).boxed(),
};

async fn answer(work: IdentityWork) -> Result<IdentityAnswer> {
    let (before, after) = work.first_two().await?;
    let first = work.pair(0, &before, &after).await?;
    drop(before);
    let new = new_objects(&first.pairs);
    drop(first);
    let third = work.facts(2).await?;
    let second = work.pair(1, &after, &third).await?;
    let columns = columns(&new, &second.pairs, work.schema())?;
    work.columns(columns, after)
}

/// The objects of the second of two dumps that are new in it.
fn new_objects(pairs: &Pairs) -> BitSet {
    let n_nodes = pairs.after.n_nodes();
    BitSet::of(n_nodes, (0..n_nodes).filter(|node| !pairs.is_taken(*node)))
}

/// Those of the first of two dumps that are in the second too, as columns of the second, by type and address.
fn columns(new: &BitSet, pairs: &Pairs, schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
    let last = &*pairs.after;
    let survived = |node: usize| Some((pairs.partner(node)?, pairs.judgement_of_partner(node).0));
    let mut rows: Vec<(usize, Confidence)> = new.iter().filter_map(survived).collect();
    rows.sort_by_key(|(node, _)| last.row(*node));
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "confidence" => {
            let names = rows.iter().map(|(_, confidence)| confidence.name());
            Ok(Arc::new(StringViewArray::from_iter_values(names)) as ArrayRef)
        }
        other => of_object(other, last, rows.iter().map(|(node, _)| *node)),
    });
    columns.collect()
}
