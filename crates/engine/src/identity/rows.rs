//! The rows of answers: those of `diff_objects` some at a time, and the columns of objects of one dump.

use std::{cmp::Ordering, mem, ops::Range, sync::Arc, vec};

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray, UInt64Array},
        datatypes::SchemaRef,
    },
    error::{DataFusionError, Result},
};

use super::{
    facts::{Facts, Sizes},
    pair::{Judgement, Pairs, values_differ},
};

/// What can have become of an object.
pub(super) const STATUSES: [&str; 6] = ["new", "gone", "same", "grown", "shrunk", "changed"];

const NEW: usize = 0;
const GONE: usize = 1;
const SAME: usize = 2;
const GROWN: usize = 3;
const SHRUNK: usize = 4;
const CHANGED: usize = 5;

/// By status, whether rows with it are asked for.
pub(super) type Wanted = [bool; STATUSES.len()];

/// One object: as it was, as it is, or both.
#[derive(Debug, Clone, Copy)]
struct Row {
    before: Option<usize>,
    after: Option<usize>,
    judgement: Judgement,
    /// Place among the statuses.
    status: usize,
}

/// Some of the rows, all of one type: which of `obj` of both dumps they are made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    type_rank: usize,
    ours: Range<usize>,
    theirs: Range<usize>,
}

/// Rows of a piece, about.
const PIECE_ROWS: usize = 1 << 16;

/// All rows, by type and then address, in pieces.
pub(super) fn pieces(pairs: &Pairs) -> Vec<Vec<Segment>> {
    let (before, after) = (&*pairs.before, &*pairs.after);
    let mut types = vec![(0..0, 0..0); pairs.types.n_types];
    for (type_rank, common) in pairs.types.before.iter().enumerate() {
        types[*common as usize].0 = before.stretch(type_rank);
    }
    for (type_rank, common) in pairs.types.after.iter().enumerate() {
        types[*common as usize].1 = after.stretch(type_rank);
    }
    let mut pieces = Vec::new();
    let (mut piece, mut n_rows) = (Vec::new(), 0);
    for (type_rank, (mut ours, mut theirs)) in types.into_iter().enumerate() {
        // Cut by address, so that what lies at one address stays together.
        while ours.len().max(theirs.len()) > PIECE_ROWS {
            pieces.extend((!piece.is_empty()).then(|| mem::take(&mut piece)));
            n_rows = 0;
            let address = match ours.len() > theirs.len() {
                true => before.address(before.node(ours.start + PIECE_ROWS)),
                false => after.address(after.node(theirs.start + PIECE_ROWS)),
            };
            let our_end = before.first_from(ours.clone(), address);
            let their_end = after.first_from(theirs.clone(), address);
            pieces.push(vec![Segment {
                type_rank,
                ours: ours.start..our_end,
                theirs: theirs.start..their_end,
            }]);
            (ours.start, theirs.start) = (our_end, their_end);
        }
        n_rows += ours.len().max(theirs.len());
        piece.push(Segment { type_rank, ours, theirs });
        if n_rows >= PIECE_ROWS {
            pieces.push(mem::take(&mut piece));
            n_rows = 0;
        }
    }
    pieces.push(piece);
    pieces
}

/// The rows that remain of a piece.
pub(super) struct DiffRows<'p> {
    pairs: &'p Pairs,
    schema: &'p SchemaRef,
    wanted: Wanted,
    batch_rows: usize,
    segments: vec::IntoIter<Segment>,
    /// What remains of the current one.
    segment: Segment,
    /// An object of the first dump that was just given out without partner: its address and what was thought of it.
    refused: Option<(u64, Judgement)>,
    addresses: (&'p [u64], &'p [u64]),
    sizes: (Sizes<'p>, Sizes<'p>),
}

impl<'p> DiffRows<'p> {
    /// The rows of a piece that are wanted, with the columns of `schema`.
    pub(super) fn new(
        pairs: &'p Pairs,
        schema: &'p SchemaRef,
        wanted: Wanted,
        piece: Vec<Segment>,
        batch_rows: usize,
    ) -> Self {
        let (before, after) = (&*pairs.before, &*pairs.after);
        Self {
            pairs,
            schema,
            wanted,
            batch_rows,
            segments: piece.into_iter(),
            segment: Segment::default(),
            refused: None,
            addresses: (before.addresses(), after.addresses()),
            sizes: (before.sizes(), after.sizes()),
        }
    }

    fn next_row(&mut self) -> Option<Row> {
        let (before, after) = (&*self.pairs.before, &*self.pairs.after);
        loop {
            let Segment { type_rank, ours, theirs } = &mut self.segment;
            // What has a partner comes with it.
            while theirs.start < theirs.end && self.pairs.is_taken(after.node(theirs.start)) {
                theirs.start += 1;
            }
            let our_node = (ours.start < ours.end).then(|| before.node(ours.start));
            let their_node = (theirs.start < theirs.end).then(|| after.node(theirs.start));
            let our_address = our_node.map(|node| self.addresses.0[node]);
            let their_address = their_node.map(|node| self.addresses.1[node]);
            let ours_first = match (our_address, their_address) {
                (None, None) => {
                    self.segment = self.segments.next()?;
                    self.refused = None;
                    continue;
                }
                (Some(ours), Some(theirs)) => ours <= theirs,
                (ours, _) => ours.is_some(),
            };
            return if let (Some(node), true) = (our_node, ours_first) {
                ours.start += 1;
                let partner = self.pairs.partner(node);
                let judgement = self.pairs.judgement(node, *type_rank);
                self.refused = our_address.filter(|_| partner.is_none()).map(|address| (address, judgement));
                let status = partner.map_or(GONE, |other| self.status(node, other));
                Some(Row { before: Some(node), after: partner, judgement, status })
            } else {
                theirs.start += 1;
                let refused = self.refused.filter(|(refused, _)| Some(*refused) == their_address);
                let judgement = refused.map(|(_, judgement)| judgement);
                let judgement = judgement.unwrap_or_else(|| self.pairs.without_partner(*type_rank));
                Some(Row { before: None, after: their_node, judgement, status: NEW })
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
            "status" => texts(&|row| STATUSES[row.status]),
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
                rows.iter().map(|row| row.before.map(|node| self.addresses.0[node])).collect::<UInt64Array>(),
            ),
            "address_after" => Arc::new(
                rows.iter().map(|row| row.after.map(|node| self.addresses.1[node])).collect::<UInt64Array>(),
            ),
            "size_before" => ours(&|node| self.sizes.0.get(node)),
            "size_after" => theirs(&|node| self.sizes.1.get(node)),
            "size_delta" => {
                // What is not there has no bytes.
                let delta = |row: &Row| {
                    let was = row.before.map_or(Some(0), |node| self.sizes.0.get(node))?;
                    let is = row.after.map_or(Some(0), |node| self.sizes.1.get(node))?;
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

    /// What became of an object that is in both dumps.
    fn status(&self, node: usize, other: usize) -> usize {
        let (before, after) = (&*self.pairs.before, &*self.pairs.after);
        let by = |ours: Option<i64>, theirs: Option<i64>| {
            ours.zip(theirs).map_or(Ordering::Equal, |(ours, theirs)| theirs.cmp(&ours))
        };
        let sizes = by(self.sizes.0.get(node), self.sizes.1.get(other));
        match sizes.then_with(|| by(before.len(node), after.len(other))) {
            Ordering::Greater => GROWN,
            Ordering::Less => SHRUNK,
            Ordering::Equal if values_differ(before.keys[node], after.keys[other]) => CHANGED,
            Ordering::Equal => SAME,
        }
    }
}

impl Iterator for DiffRows<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = Vec::new();
        while rows.len() < self.batch_rows {
            match self.next_row() {
                Some(row) if self.wanted[row.status] => rows.push(row),
                Some(_) => {}
                None => break,
            }
        }
        if rows.is_empty() {
            return None;
        }
        let columns = self.schema.fields().iter().map(|field| self.column(field.name(), &rows));
        let batch = columns.collect::<Result<Vec<_>>>().and_then(|columns| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            Ok(RecordBatch::try_new_with_options(SchemaRef::clone(self.schema), columns, &options)?)
        });
        Some(batch)
    }
}

/// A column that every answer about objects of one dump has.
pub(crate) fn of_object(name: &str, facts: &Facts, nodes: impl Iterator<Item = usize>) -> Result<ArrayRef> {
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
