//! `dominator_tree`: the upper part of the dominator tree, the largest first, the small folded into a line per type.

use std::{cmp::Reverse, collections::BTreeMap};

use datafusion::arrow::array::ArrayRef;
use heaplake_graph::Id;
use heaplake_store::{GraphIndex, with_index};

use crate::{
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc, column,
    },
    graph::{
        DUMP, GraphAnswer, GraphFunction, GraphQuestion, ListRows, addresses, counts, numbers, texts_or_null,
    },
    snapshot::OpenIndex,
    summary::saturating,
};

pub(super) static DOMINATOR_TREE: GraphFunction = GraphFunction {
    doc: FunctionDoc {
        name: "dominator_tree",
        group: FunctionGroup::Graph,
        usage: "dominator_tree([set] [, depth [, children]] [, dump])",
        purpose: "The dominator tree from the roots, or from the objects of the set, down: an object stands below its \
                  immediate dominator. Of every line the largest objects below it are shown; the others, and those that \
                  retain less than a thousandth of the whole, are folded into a line per type.",
        arguments: &[
            ArgumentDoc::optional("set", ArgumentKind::Set, "the roots", "the objects to begin with"),
            ArgumentDoc::number("depth", 3, "levels of the tree"),
            ArgumentDoc::number("children", 8, "objects, and types that are folded, below each line"),
            DUMP,
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[
            column(
                "line",
                ColumnType::Int64,
                "number of the line, from 0; each follows the one that it is below",
            ),
            column("depth", ColumnType::UInt32, "depth below where the tree begins, from 0"),
            column("held_by", ColumnType::UInt64, "address of the immediate dominator")
                .null("where no single object holds it"),
            column("address", ColumnType::UInt64, "address of the object").null("for several objects"),
            column("type", ColumnType::Text, "type of the object or objects").null("for several types"),
            column("root_kind", ColumnType::Text, "why it is a root")
                .null("where it is none, and for several objects"),
            column("objects", ColumnType::Int64, "objects of the line"),
            column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
            column("retained", ColumnType::Int64, "what would be freed with them").unit("bytes"),
            column("retained_count", ColumnType::Int64, "objects that would be freed with them"),
        ]])]),
        cost: "The objects that are held by those that it shows; the index has the tree.",
        source: None,
    },
    bytes_per_object: |_| 0,
    answer: (answer, answer),
};

fn answer<I: Id>(question: &GraphQuestion<'_, I>) -> GraphAnswer {
    let nodes = question.has_set().then(|| question.nodes());
    let extent = Extent { depth: question.number(0), children: question.number(1) as usize };
    Ok(ListRows::boxed(lines(question.index, nodes.as_deref(), extent), tree_column))
}

fn tree_column(name: &str, lines: &[TreeLine], first: usize, open: &OpenIndex) -> Option<ArrayRef> {
    let sums = |number: fn(&TreeLine) -> u64| numbers(lines.iter().map(|line| saturating(number(line))));
    with_index!(&*open.index, |index| {
        let of_nodes = |node: fn(&TreeLine) -> Option<u64>| {
            addresses(lines.iter().map(|line| node(line).map(|node| index.addresses()[node as usize])))
        };
        match name {
            "line" => numbers((first as i64..).take(lines.len())),
            "depth" => counts(lines.iter().map(|line| line.depth)),
            "held_by" => of_nodes(|line| line.holder),
            "address" => of_nodes(|line| line.node),
            "type" => texts_or_null(lines.iter().map(|line| line.type_rank.map(|rank| open.type_name(rank)))),
            "root_kind" => {
                let kind = |line: &TreeLine| line.node.map(|node| node as usize);
                texts_or_null(lines.iter().map(|line| kind(line).and_then(|node| index.root_kind_of(node))))
            }
            "objects" => sums(|line| line.objects),
            "size" => sums(|line| line.size),
            "retained" => sums(|line| line.retained),
            "retained_count" => sums(|line| line.retained_count),
            _ => None,
        }
    })
}

/// A line of the tree: an object, or several of one type, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct TreeLine {
    /// 0 where the tree begins.
    depth: u32,
    /// The node that holds it; `None` for the super-root.
    holder: Option<u64>,
    /// `None` for several objects.
    node: Option<u64>,
    /// `None` for several types.
    type_rank: Option<u32>,
    objects: u64,
    size: u64,
    retained: u64,
    retained_count: u64,
    /// Whether it is small, so that nothing is shown below it.
    is_small: bool,
}

/// How much of the tree is wanted.
#[derive(Debug, Clone, Copy)]
struct Extent {
    depth: u32,
    /// Objects, and types that are folded, below each line.
    children: usize,
}

/// Objects that retain less than this part of the whole tree are small.
const SMALL_PART: u64 = 1000;

/// The lines below some nodes, or below the super-root; each node is followed by what it holds.
///
/// A stack instead of recursion: a dominator tree may be as deep as the heap is large.
fn lines<I: Id>(index: &GraphIndex<I>, starts: Option<&[I]>, extent: Extent) -> Vec<TreeLine> {
    let all = || index.dominated_by(index.n_nodes());
    let retained = |node: usize| index.retained().at(node);
    let whole = match starts {
        Some(starts) => starts.iter().fold(0, |sum: u64, node| sum.saturating_add(retained(node.index()))),
        None => all().fold(0, |sum: u64, node| sum.saturating_add(retained(node))),
    };
    let tree = Tree { index, extent, small: whole / SMALL_PART };
    let mut lines = Vec::new();
    let mut waiting = match starts {
        Some(starts) => starts.iter().rev().map(|node| tree.object(node.index(), 0)).collect(),
        None => tree.below(index.n_nodes(), 0),
    };
    while let Some(line) = waiting.pop() {
        if let Some(node) = line.node.filter(|_| line.depth < extent.depth && !line.is_small) {
            waiting.extend(tree.below(node as usize, line.depth + 1));
        }
        lines.push(line);
    }
    lines
}

struct Tree<'g, I> {
    index: &'g GraphIndex<I>,
    extent: Extent,
    /// Bytes; what retains less is small.
    small: u64,
}

impl<I: Id> Tree<'_, I> {
    /// What a node holds, last first.
    fn below(&self, node: usize, depth: u32) -> Vec<TreeLine> {
        let retained = self.index.retained();
        let key = |child: &usize| (Reverse(retained.at(*child)), *child);
        let n_lines = self.extent.children;
        let (mut large, mut small): (Vec<usize>, Vec<usize>) =
            self.index.dominated_by(node).partition(|child| retained.at(*child) >= self.small);
        large.sort_unstable_by_key(key);
        small.extend(large.drain(n_lines.min(large.len())..));
        let mut by_type: BTreeMap<u32, TreeLine> = BTreeMap::new();
        for child in small {
            let one = self.object(child, depth);
            by_type.entry(self.index.types().at(child)).or_default().add(&one);
        }
        let mut folded: Vec<TreeLine> = by_type.into_values().collect();
        folded.sort_by_key(|line| (Reverse(line.retained), line.type_rank));
        // One type alone needs no line that hides it.
        if folded.len() > n_lines + 1 {
            let mut others = TreeLine::default();
            folded.drain(n_lines..).for_each(|line| others.add(&line));
            folded.push(TreeLine { type_rank: None, ..others });
        }
        let large = large.into_iter().map(|child| self.object(child, depth));
        let mut lines: Vec<TreeLine> = large.chain(folded).collect();
        lines.reverse();
        lines
    }

    fn object(&self, node: usize, depth: u32) -> TreeLine {
        let holder = self.index.idoms()[node].index();
        TreeLine {
            depth,
            holder: (holder < self.index.n_nodes()).then_some(holder as u64),
            node: Some(node as u64),
            type_rank: Some(self.index.types().at(node)),
            objects: 1,
            size: self.index.sizes().at(node),
            retained: self.index.retained().at(node),
            retained_count: self.index.retained_counts().at(node).index() as u64,
            is_small: false,
        }
    }
}

impl TreeLine {
    /// Folds another line into this one.
    fn add(&mut self, other: &TreeLine) {
        if self.objects == 0 {
            *self = Self { is_small: true, ..other.clone() };
            return;
        }
        self.node = None;
        self.objects += other.objects;
        self.size = self.size.saturating_add(other.size);
        self.retained = self.retained.saturating_add(other.retained);
        self.retained_count += other.retained_count;
    }
}
