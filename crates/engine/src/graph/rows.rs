//! The rows of an answer, made into columns when they are taken: an answer may have as many rows as the dump has objects.

use std::{ops::Range, sync::Arc};

use datafusion::arrow::array::{ArrayRef, Int64Array, StringViewArray, UInt32Array, UInt64Array};
use heaplake_graph::{Id, NO_DISTANCE};
use heaplake_store::with_index;

use crate::{
    function::{ArgumentDoc, ArgumentKind, ColumnDoc, ColumnType, column},
    snapshot::OpenIndex,
    summary::saturating,
};

/// The rows of an answer.
pub(crate) trait GraphRows: Send + Sync {
    /// How many there are.
    fn n_rows(&self) -> usize;

    /// A column of some of them; `None` where there is no column of this name.
    fn column(&self, name: &str, rows: Range<usize>, open: &OpenIndex) -> Option<ArrayRef>;
}

/// The set of objects that a function is about.
pub(crate) const SET: ArgumentDoc = ArgumentDoc::required(
    "set",
    ArgumentKind::Set,
    "the objects: a predicate over `obj` in quotes, a `REACH` pattern, or addresses",
);
/// The dump whose index is asked.
pub(crate) const DUMP: ArgumentDoc = ArgumentDoc::DUMP;

/// How far an object is.
pub(crate) const HOPS: &[ColumnDoc] =
    &[column("hops", ColumnType::UInt32, "fewest references between the set and the object")];

/// What every function that gives objects says of one.
pub(crate) const OBJECT: &[ColumnDoc] = &[
    column("address", ColumnType::UInt64, "address of the object"),
    column("type", ColumnType::Text, "its type"),
    column("size", ColumnType::Int64, "its shallow size, 0 where the dump gives none").unit("bytes"),
    column("root_kind", ColumnType::Text, "why it is a root").null("where it is none"),
    column("distance", ColumnType::UInt32, "references from the nearest root")
        .null("where only garbage or a cycle holds it"),
    column("idom", ColumnType::UInt64, "address of its immediate dominator, without which it would be freed")
        .null("where no single object holds it"),
    column("idom_type", ColumnType::Text, "type of the immediate dominator")
        .null("where no single object holds it"),
    column("retained", ColumnType::Int64, "what would be freed with it, itself included").unit("bytes"),
    column("retained_count", ColumnType::Int64, "objects that would be freed with it, itself included"),
];

/// Objects as rows, with columns of their own before those of [`OBJECT`].
pub(crate) struct ObjectRows {
    /// Nodes as 64-bit numbers, whatever the width of the index.
    nodes: Vec<u64>,
    own: Vec<(&'static str, OwnColumn)>,
}

/// A column that an answer has besides those of its objects, by row.
pub(crate) enum OwnColumn {
    /// Numbers of 32 bits.
    Hops(Vec<u32>),
    /// Numbers.
    Numbers(Vec<i64>),
    /// Addresses of nodes.
    Nodes(Vec<u64>),
}

impl ObjectRows {
    /// Objects alone.
    pub(crate) fn of<I: Id>(nodes: &[I]) -> Box<dyn GraphRows> {
        Self::boxed(nodes.iter().map(|node| node.index() as u64).collect())
    }

    /// The same of numbers of nodes.
    pub(crate) fn boxed(nodes: Vec<u64>) -> Box<dyn GraphRows> {
        Self::with(nodes, Vec::new())
    }

    /// Objects with columns before theirs.
    pub(crate) fn with(nodes: Vec<u64>, own: Vec<(&'static str, OwnColumn)>) -> Box<dyn GraphRows> {
        Box::new(Self { nodes, own })
    }

    /// Objects, and how far they are.
    pub(crate) fn with_hops<I: Id>(found: Vec<(I, u32)>) -> Box<dyn GraphRows> {
        let (nodes, hops) = found.into_iter().map(|(node, hops)| (node.index() as u64, hops)).unzip();
        Self::with(nodes, vec![("hops", OwnColumn::Hops(hops))])
    }
}

impl GraphRows for ObjectRows {
    fn n_rows(&self) -> usize {
        self.nodes.len()
    }

    fn column(&self, name: &str, rows: Range<usize>, open: &OpenIndex) -> Option<ArrayRef> {
        match self.own.iter().find(|(own, _)| *own == name) {
            Some((_, OwnColumn::Hops(hops))) => Some(Arc::new(UInt32Array::from(hops[rows].to_vec()))),
            Some((_, OwnColumn::Numbers(of))) => Some(Arc::new(Int64Array::from(of[rows].to_vec()))),
            Some((_, OwnColumn::Nodes(nodes))) => object_column("address", &nodes[rows], open),
            None => object_column(name, &self.nodes[rows], open),
        }
    }
}

/// A column of [`OBJECT`].
pub(crate) fn object_column(name: &str, nodes: &[u64], open: &OpenIndex) -> Option<ArrayRef> {
    let nodes = nodes.iter().map(|node| *node as usize);
    with_index!(&*open.index, |index| Some(match name {
        "address" => Arc::new(nodes.map(|node| index.addresses()[node]).collect::<UInt64Array>()) as ArrayRef,
        "type" => {
            let names = nodes.map(|node| open.type_name(index.types().at(node)));
            Arc::new(StringViewArray::from_iter_values(names))
        }
        "size" => Arc::new(nodes.map(|node| saturating(index.sizes().at(node))).collect::<Int64Array>()),
        "root_kind" => Arc::new(nodes.map(|node| index.root_kind_of(node)).collect::<StringViewArray>()),
        "distance" => {
            let distances = nodes.map(|node| index.distances().at(node));
            let known = distances.map(|distance| (distance != NO_DISTANCE).then_some(distance));
            Arc::new(known.collect::<UInt32Array>())
        }
        "idom" => {
            let all = index.addresses();
            let idoms = nodes.map(|node| all.get(index.idoms()[node].index()).copied());
            Arc::new(idoms.collect::<UInt64Array>())
        }
        "idom_type" => {
            let types = nodes.map(|node| index.types().get(index.idoms()[node].index()));
            let names = types.map(|rank| rank.map(|rank| open.type_name(rank)));
            Arc::new(names.collect::<StringViewArray>())
        }
        "retained" =>
            Arc::new(nodes.map(|node| saturating(index.retained().at(node))).collect::<Int64Array>()),
        "retained_count" => {
            let counts = nodes.map(|node| index.retained_counts().at(node).index() as i64);
            Arc::new(counts.collect::<Int64Array>())
        }
        _ => return None,
    }))
}

/// Rows of a kind of their own.
pub(crate) struct ListRows<R> {
    rows: Vec<R>,
    column: ColumnOf<R>,
}

/// Makes the column of a name of some rows, given how many are before them.
type ColumnOf<R> = fn(&str, &[R], usize, &OpenIndex) -> Option<ArrayRef>;

impl<R: Send + Sync + 'static> ListRows<R> {
    /// Rows, and what makes their columns.
    pub(crate) fn boxed(rows: Vec<R>, column: ColumnOf<R>) -> Box<dyn GraphRows> {
        Box::new(Self { rows, column })
    }
}

impl<R: Send + Sync> GraphRows for ListRows<R> {
    fn n_rows(&self) -> usize {
        self.rows.len()
    }

    fn column(&self, name: &str, rows: Range<usize>, open: &OpenIndex) -> Option<ArrayRef> {
        (self.column)(name, &self.rows[rows.clone()], rows.start, open)
    }
}

/// A column of texts.
pub(crate) fn texts<'t>(texts: impl Iterator<Item = &'t str>) -> Option<ArrayRef> {
    Some(Arc::new(StringViewArray::from_iter_values(texts)))
}

/// A nullable column of texts.
pub(crate) fn texts_or_null<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> Option<ArrayRef> {
    Some(Arc::new(texts.collect::<StringViewArray>()))
}

/// A column of numbers.
pub(crate) fn numbers(numbers: impl Iterator<Item = i64>) -> Option<ArrayRef> {
    Some(Arc::new(numbers.collect::<Int64Array>()))
}

/// A nullable column of numbers.
pub(crate) fn numbers_or_null(numbers: impl Iterator<Item = Option<i64>>) -> Option<ArrayRef> {
    Some(Arc::new(numbers.collect::<Int64Array>()))
}

/// A column of counts.
pub(crate) fn counts(counts: impl Iterator<Item = u32>) -> Option<ArrayRef> {
    Some(Arc::new(counts.collect::<UInt32Array>()))
}

/// A nullable column of addresses.
pub(crate) fn addresses(addresses: impl Iterator<Item = Option<u64>>) -> Option<ArrayRef> {
    Some(Arc::new(addresses.collect::<UInt64Array>()))
}
