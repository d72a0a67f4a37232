//! The rows of `growing_containers`: what has grown from each dump to the next.

use std::{cmp::Reverse, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, StringViewArray, UInt64Array},
        datatypes::SchemaRef,
    },
    error::{DataFusionError, Result},
};

use super::{
    facts::Facts,
    pair::{Confidence, Pairs},
};

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
pub(super) struct Grown {
    found: Option<Vec<Growing>>,
}

impl Grown {
    /// Looks at the next two dumps, of which the first is the second of the call before.
    pub(super) fn follow(&mut self, pairs: &Pairs) {
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
    pub(super) fn columns(self, last: &Facts, schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
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

/// A column that every answer about objects of one dump has.
pub(super) fn of_object(name: &str, facts: &Facts, nodes: impl Iterator<Item = usize>) -> Result<ArrayRef> {
    Ok(match name {
        "address" => Arc::new(UInt64Array::from_iter_values(nodes.map(|node| facts.address(node)))),
        "type" => Arc::new(StringViewArray::from_iter_values(nodes.map(|node| facts.type_name(node)))),
        "name" => Arc::new(StringViewArray::from_iter(nodes.map(|node| facts.name(node)))),
        "size" => Arc::new(nodes.map(|node| facts.size(node)).collect::<Int64Array>()),
        "len" => Arc::new(nodes.map(|node| facts.len(node)).collect::<Int64Array>()),
        "refs" => Arc::new(nodes.map(|node| Some(facts.refs(node))).collect::<Int64Array>()),
        "retained" => Arc::new(nodes.map(|node| Some(facts.retained(node))).collect::<Int64Array>()),
        "held_by" => Arc::new(
            nodes
                .map(|node| facts.held_by(node).map(|holder| facts.address(holder)))
                .collect::<UInt64Array>(),
        ),
        "held_by_type" => Arc::new(StringViewArray::from_iter(
            nodes.map(|node| facts.held_by(node).map(|holder| facts.type_name(holder))),
        )),
        other => return Err(DataFusionError::Internal(format!("there is no column {other}"))),
    })
}
