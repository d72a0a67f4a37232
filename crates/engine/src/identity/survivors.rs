//! The rows of `survivors`: what came with the second of three dumps and is still there in the third.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{ArrayRef, StringViewArray},
        datatypes::SchemaRef,
    },
    error::Result,
};
use heaplake_graph::BitSet;

use super::{
    growing::of_object,
    pair::{Confidence, Pairs},
};

/// The objects of the second of two dumps that are new in it.
pub(super) fn new_objects(pairs: &Pairs) -> BitSet {
    let n_nodes = pairs.after.n_nodes();
    BitSet::of(n_nodes, (0..n_nodes).filter(|node| !pairs.is_taken(*node)))
}

/// Those of the first of two dumps that are in the second too, as columns of the second, by type and address.
pub(super) fn columns(new: &BitSet, pairs: &Pairs, schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
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
