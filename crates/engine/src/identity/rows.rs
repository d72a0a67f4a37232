//! The rows of `diff_objects`, some at a time.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray, UInt64Array},
        datatypes::SchemaRef,
    },
    error::{DataFusionError, Result},
};

use super::pair::{Judgement, Pairs, values_differ};

/// One object: as it was, as it is, or both.
#[derive(Debug, Clone, Copy)]
struct Row {
    before: Option<usize>,
    after: Option<usize>,
    judgement: Judgement,
}

/// The rows that remain, by type and then address.
pub(super) struct DiffRows {
    pairs: Pairs,
    schema: SchemaRef,
    remaining: usize,
    batch_rows: usize,
    /// The types that remain: place in the list of the first and of the second dump, common number.
    types: std::vec::IntoIter<(Option<usize>, Option<usize>, usize)>,
    /// The rows that remain of the current type.
    ours: Range<usize>,
    theirs: Range<usize>,
    type_rank: usize,
    /// An object of the first dump that was just given out without partner: its address and what was thought of it.
    refused: Option<(u64, Judgement)>,
}

impl DiffRows {
    /// At most `limit` rows with the columns of `schema`.
    pub(super) fn new(pairs: Pairs, schema: SchemaRef, limit: usize, batch_rows: usize) -> Self {
        let mut types = vec![(None, None, 0); pairs.types.n_types];
        types.iter_mut().enumerate().for_each(|(common, entry)| entry.2 = common);
        for (type_rank, common) in pairs.types.before.iter().enumerate() {
            types[*common as usize].0 = Some(type_rank);
        }
        for (type_rank, common) in pairs.types.after.iter().enumerate() {
            types[*common as usize].1 = Some(type_rank);
        }
        Self {
            pairs,
            schema,
            remaining: limit,
            batch_rows: batch_rows.max(1),
            types: types.into_iter(),
            ours: 0..0,
            theirs: 0..0,
            type_rank: 0,
            refused: None,
        }
    }

    fn next_row(&mut self) -> Option<Row> {
        let (before, after) = (&*self.pairs.before, &*self.pairs.after);
        loop {
            // What has a partner comes with it.
            while self.theirs.start < self.theirs.end && self.pairs.is_taken(after.node(self.theirs.start)) {
                self.theirs.start += 1;
            }
            let ours = (!self.ours.is_empty()).then(|| before.node(self.ours.start));
            let theirs = (!self.theirs.is_empty()).then(|| after.node(self.theirs.start));
            let order = match (ours, theirs) {
                (None, None) => {
                    let (first, second, type_rank) = self.types.next()?;
                    self.ours = first.map_or(0..0, |rank| before.stretch(rank));
                    self.theirs = second.map_or(0..0, |rank| after.stretch(rank));
                    (self.type_rank, self.refused) = (type_rank, None);
                    continue;
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(ours), Some(theirs)) => before.address(ours).cmp(&after.address(theirs)),
            };
            return match (ours, theirs) {
                (Some(node), _) if order.is_le() => {
                    self.ours.start += 1;
                    let partner = self.pairs.partner(node);
                    let judgement = self.pairs.judgement(node, self.type_rank);
                    self.refused = partner.is_none().then(|| (before.address(node), judgement));
                    Some(Row { before: Some(node), after: partner, judgement })
                }
                (_, Some(node)) => {
                    self.theirs.start += 1;
                    let address = after.address(node);
                    let refused = self.refused.filter(|(refused, _)| *refused == address);
                    let judgement = refused.map(|(_, judgement)| judgement);
                    let judgement = judgement.unwrap_or_else(|| self.pairs.without_partner(self.type_rank));
                    Some(Row { before: None, after: Some(node), judgement })
                }
                _ => None,
            };
        }
    }

    fn column(&self, name: &str, rows: &[Row]) -> Result<ArrayRef> {
        let (before, after) = (&*self.pairs.before, &*self.pairs.after);
        let texts = |text: &dyn Fn(&Row) -> &'static str| -> ArrayRef {
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(text)))
        };
        let ours = |number: &dyn Fn(usize) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.before.and_then(number)).collect::<Int64Array>())
        };
        let theirs = |number: &dyn Fn(usize) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.after.and_then(number)).collect::<Int64Array>())
        };
        Ok(match name {
            "status" => texts(&|row| self.status(row)),
            "confidence" => texts(&|row| row.judgement.0.name()),
            "why" => texts(&|row| row.judgement.1.name()),
            "identity" => texts(&|_| self.pairs.rule.name()),
            "type" => {
                let name = |row: &Row| match (row.before, row.after) {
                    (Some(node), _) => before.type_name(node),
                    (_, Some(node)) => after.type_name(node),
                    _ => "",
                };
                Arc::new(StringViewArray::from_iter_values(rows.iter().map(name)))
            }
            "name" => {
                let name = |row: &Row| match (row.before, row.after) {
                    (Some(node), other) => {
                        before.name(node).or_else(|| other.and_then(|other| after.name(other)))
                    }
                    (None, other) => other.and_then(|other| after.name(other)),
                };
                Arc::new(StringViewArray::from_iter(rows.iter().map(name)))
            }
            "address_before" => Arc::new(
                rows.iter().map(|row| row.before.map(|node| before.address(node))).collect::<UInt64Array>(),
            ),
            "address_after" => Arc::new(
                rows.iter().map(|row| row.after.map(|node| after.address(node))).collect::<UInt64Array>(),
            ),
            "size_before" => ours(&|node| before.size(node)),
            "size_after" => theirs(&|node| after.size(node)),
            "size_delta" => {
                // What is not there has no bytes.
                let delta = |row: &Row| {
                    let was = row.before.map_or(Some(0), |node| before.size(node))?;
                    let is = row.after.map_or(Some(0), |node| after.size(node))?;
                    Some(is.saturating_sub(was))
                };
                Arc::new(rows.iter().map(delta).collect::<Int64Array>())
            }
            "len_before" => ours(&|node| before.len(node)),
            "len_after" => theirs(&|node| after.len(node)),
            "refs_before" => ours(&|node| Some(before.refs(node))),
            "refs_after" => theirs(&|node| Some(after.refs(node))),
            "retained_before" => ours(&|node| Some(before.retained(node))),
            "retained_after" => theirs(&|node| Some(after.retained(node))),
            other => return Err(DataFusionError::Internal(format!("diff_objects has no column {other}"))),
        })
    }

    fn status(&self, row: &Row) -> &'static str {
        let (node, other) = match (row.before, row.after) {
            (Some(node), Some(other)) => (node, other),
            (Some(_), None) => return "gone",
            _ => return "new",
        };
        let (before, after) = (&*self.pairs.before, &*self.pairs.after);
        let by = |ours: Option<i64>, theirs: Option<i64>| {
            ours.zip(theirs).map_or(Ordering::Equal, |(ours, theirs)| theirs.cmp(&ours))
        };
        let sizes = by(before.size(node), after.size(other));
        match sizes.then_with(|| by(before.len(node), after.len(other))) {
            Ordering::Greater => "grown",
            Ordering::Less => "shrunk",
            Ordering::Equal if values_differ(before.keys[node], after.keys[other]) => "changed",
            Ordering::Equal => "same",
        }
    }
}

impl Iterator for DiffRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let wanted = self.batch_rows.min(self.remaining);
        let mut rows = Vec::with_capacity(wanted);
        while rows.len() < wanted {
            match self.next_row() {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        self.remaining -= rows.len();
        if rows.is_empty() {
            return None;
        }
        let columns = self.schema.fields().iter().map(|field| self.column(field.name(), &rows));
        let batch = columns.collect::<Result<Vec<_>>>().and_then(|columns| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
        });
        Some(batch)
    }
}
