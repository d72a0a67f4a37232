//! The answers: nodes of the index, and the columns made of them.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, atomic::AtomicBool},
};

use datafusion::{
    arrow::{
        array::{
            ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray, UInt32Array, UInt64Array,
        },
        error::ArrowError,
    },
    error::Result,
};
use heaplake_graph::{BitSet, Cancelled, Cut, Id, NO_DISTANCE, Walk, components, walk, walk_only_children};
use heaplake_store::{GraphIndex, TypeSums, with_index};

use super::{
    Kind,
    chains::{self, Chain},
    table::Call,
    tree::{self, Extent, Line},
};
use crate::{Error, snapshot::OpenIndex, summary::saturating};

/// The members of a set.
#[derive(Debug, Clone)]
pub(crate) enum SetRows {
    /// Addresses of objects.
    Objects(Vec<u64>),
    /// References: address of the parent and position.
    Edges(Vec<(u64, u32)>),
}

impl SetRows {
    pub(crate) fn len(&self) -> usize {
        match self {
            SetRows::Objects(addresses) => addresses.len(),
            SetRows::Edges(edges) => edges.len(),
        }
    }
}

/// The rows of an answer, made into columns when they are taken.
pub(super) struct Answer {
    kind: Kind,
    index: Arc<OpenIndex>,
    rows: Rows,
}

/// Nodes as 64-bit numbers, whatever the width of the index.
enum Rows {
    /// Nodes, with numbers that come before their own columns.
    Nodes(Vec<u64>, Numbers),
    /// One row of numbers, or a few: by column.
    Sums(Vec<Vec<i64>>),
    /// Dominators (none is the super-root), number of objects, size, retained.
    Dominators(Vec<(Option<u64>, [i64; 3])>),
    /// Type, type of the dominator (none is the super-root), number of objects, size, retained.
    TypeDominators(Vec<(u32, Option<u32>, [i64; 3])>),
    /// Type, objects, size, retained.
    TypeSums(Vec<(u32, [i64; 3])>),
    /// References: address of the parent and position.
    Edges(Vec<(u64, u32)>),
    /// Lines of the dominator tree.
    Tree(Vec<Line>),
    /// Chains along which types repeat, the first in rank first.
    Chains(Vec<Chain>),
    /// Hops, type, objects, size.
    Types(Vec<(u32, u32, [i64; 2])>),
}

enum Numbers {
    None,
    Hops(Vec<u32>),
    /// The node that dominates.
    Dominator(Vec<u64>),
    /// Component and its number of objects.
    Component(Vec<(i64, i64)>),
}

/// Answers a call.
pub(super) fn answer(
    call: &Call,
    sets: &[SetRows],
    index: Arc<OpenIndex>,
    cancel: &AtomicBool,
) -> Result<Answer> {
    let rows = with_index!(&index.index, |graph| Asking { call, sets, index: graph, cancel }.rows())?;
    Ok(Answer { kind: call.kind, index, rows })
}

struct Asking<'a, I> {
    call: &'a Call,
    sets: &'a [SetRows],
    index: &'a GraphIndex<I>,
    cancel: &'a AtomicBool,
}

impl<I: Id> Asking<'_, I> {
    fn rows(&self) -> Result<Rows> {
        let rows = match self.call.kind {
            Kind::Parents => self.walked(Walk::Up),
            Kind::Children => self.walked(Walk::Down),
            Kind::Kids => walk_only_children(self.index.graph(), &self.nodes(), self.cancel).map(hops),
            Kind::Reachable => self.reachable(),
            Kind::Retained => self.retained(),
            Kind::Dominated => Ok(self.dominated()),
            Kind::ImmediateDominators => Ok(self.immediate_dominators()),
            Kind::AncestorTypes => self.ancestor_types(),
            Kind::Sccs => self.sccs(),
            Kind::TopDominators => Ok(self.top(self.index.dominated_by(self.index.n_nodes()).collect())),
            Kind::TopRetained => {
                Ok(self.top((0..self.index.n_nodes()).filter(|node| self.index.is_there(*node)).collect()))
            }
            Kind::TypeDominators => Ok(self.type_dominators()),
            Kind::Tree => {
                let nodes = (!self.sets.is_empty()).then(|| self.nodes());
                let [depth, children] = [0, 1].map(|i| self.call.numbers[i]);
                let extent = Extent { depth, children: children as usize };
                Ok(Rows::Tree(tree::lines(self.index, nodes.as_deref(), extent)))
            }
            Kind::Chains => {
                let min = self.call.numbers[0] as usize;
                chains::chains(self.index, &self.call.manifest, min, self.cancel).map(Rows::Chains)
            }
            Kind::WhatifCut => self.whatif_cut(),
            Kind::Types => Ok(self.types()),
            Kind::RemovedEdges => Ok(self.removed_edges()),
            Kind::Nodes => {
                let there = (0..self.index.n_nodes()).filter(|node| self.index.is_there(*node));
                Ok(Rows::Nodes(there.map(|node| node as u64).collect(), Numbers::None))
            }
        };
        rows.map_err(|error| Error::from(error).into())
    }

    /// The nodes of the sets of objects, ascending, each once. An address that no object has is in no set.
    fn nodes(&self) -> Vec<I> {
        let addresses = self.sets.iter().flat_map(|set| match set {
            SetRows::Objects(addresses) => addresses.as_slice(),
            SetRows::Edges(_) => &[],
        });
        let nodes = addresses.filter_map(|address| self.index.node(*address));
        let mut nodes: Vec<I> = nodes.filter(|node| self.index.is_there(*node)).map(I::new).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn walked(&self, way: Walk) -> Result<Rows, Cancelled> {
        Ok(hops(walk(self.index.graph(), way, &self.nodes(), self.call.numbers[0], self.cancel)?))
    }

    fn reachable(&self) -> Result<Rows, Cancelled> {
        let nodes = self.nodes();
        let own = BitSet::of(self.index.n_nodes(), nodes.iter().map(|node| node.index()));
        let walked = walk(self.index.graph(), Walk::Down, &nodes, u32::MAX, self.cancel)?;
        let others = walked.into_iter().filter(|(node, _)| !own.contains(node.index()));
        Ok(hops(nodes.iter().map(|node| (*node, 0)).chain(others).collect()))
    }

    fn retained(&self) -> Result<Rows, Cancelled> {
        let nodes = self.nodes();
        let size = self.index.size_of(&nodes);
        let (count, bytes) = match nodes.as_slice() {
            [node] => {
                let node = node.index();
                (self.index.retained_counts()[node].index(), self.index.retained()[node])
            }
            nodes => {
                let gone = self.gone(nodes.iter().map(|node| node.index()), BitSet::default())?;
                (gone.len(), self.index.size_of(&gone))
            }
        };
        let row = [nodes.len() as i64, saturating(size), count as i64, saturating(bytes)];
        Ok(Rows::Sums(row.map(|number| vec![number]).to_vec()))
    }

    /// What becomes unreachable without some nodes and edges.
    fn gone(&self, nodes: impl Iterator<Item = usize>, edges: BitSet) -> Result<Vec<I>, Cancelled> {
        let cut = Cut { nodes: BitSet::of(self.index.n_nodes(), nodes), edges };
        self.index.gone_without(&cut, self.cancel)
    }

    fn whatif_cut(&self) -> Result<Rows, Cancelled> {
        let edges = self.sets.iter().flat_map(|set| match set {
            SetRows::Edges(edges) => edges.as_slice(),
            SetRows::Objects(_) => &[],
        });
        let edges = self.index.edges_at(&edges.copied().collect::<Vec<_>>());
        let gone = self.gone(self.nodes().into_iter().map(Id::index), edges)?;
        Ok(Rows::Nodes(numbers(&gone), Numbers::None))
    }

    fn types(&self) -> Rows {
        let sums = (0..).zip(self.index.type_sums(self.call.manifest.types.len()));
        let there = sums.filter(|(_, sums)| sums.objects > 0);
        let numbers = |sums: TypeSums| [sums.objects, sums.size, sums.retained].map(saturating);
        Rows::TypeSums(there.map(|(rank, sums)| (rank, numbers(sums))).collect())
    }

    fn removed_edges(&self) -> Rows {
        let (forward, addresses) = (self.index.graph().forward, self.index.addresses());
        // Ascending, so the next parent is never before this one.
        let mut node = 0;
        let edges = self.index.removed_edges().iter().map(|edge| {
            while forward.range(node).end <= edge {
                node += 1;
            }
            (addresses[node], (edge - forward.range(node).start) as u32)
        });
        Rows::Edges(edges.collect())
    }

    fn dominated(&self) -> Rows {
        let preorder = self.index.preorder();
        let (mut nodes, mut dominators) = (Vec::new(), Vec::new());
        for range in self.index.outermost(&self.nodes()) {
            let Some(subtree) = preorder.get(range) else { continue };
            let Some(top) = subtree.first() else { continue };
            nodes.extend(numbers(subtree));
            dominators.resize(nodes.len(), top.index() as u64);
        }
        Rows::Nodes(nodes, Numbers::Dominator(dominators))
    }

    fn immediate_dominators(&self) -> Rows {
        let (sizes, retained, idoms) = (self.index.sizes(), self.index.retained(), self.index.idoms());
        let mut sums: BTreeMap<usize, [u64; 3]> = BTreeMap::new();
        for node in self.nodes() {
            let node = node.index();
            let [objects, size, held] = sums.entry(idoms[node].index()).or_default();
            *objects += 1;
            *size = size.saturating_add(sizes[node]);
            *held = held.saturating_add(retained[node]);
        }
        let mut rows: Vec<_> = sums
            .into_iter()
            .map(|(node, sums)| ((node < self.index.n_nodes()).then_some(node as u64), sums.map(saturating)))
            .collect();
        rows.sort_by_key(|(_, [_, _, retained])| std::cmp::Reverse(*retained));
        Rows::Dominators(rows)
    }

    fn ancestor_types(&self) -> Result<Rows, Cancelled> {
        let found = walk(self.index.graph(), Walk::Up, &self.nodes(), self.call.numbers[0], self.cancel)?;
        let (types, sizes) = (self.index.types(), self.index.sizes());
        let mut sums: HashMap<(u32, u32), [u64; 2]> = HashMap::new();
        for (node, hops) in found {
            let [objects, size] = sums.entry((hops, types[node.index()])).or_default();
            *objects += 1;
            *size = size.saturating_add(sizes[node.index()]);
        }
        let mut rows: Vec<_> =
            sums.into_iter().map(|((hops, rank), sums)| (hops, rank, sums.map(saturating))).collect();
        rows.sort_unstable_by_key(|(hops, rank, [objects, _])| (*hops, std::cmp::Reverse(*objects), *rank));
        Ok(Rows::Types(rows))
    }

    /// Components of more than one node, or of one that refers to itself; the largest first.
    fn sccs(&self) -> Result<Rows, Cancelled> {
        let graph = self.index.graph();
        let n_nodes = self.index.n_nodes();
        let components =
            components(graph.forward, graph.skip, &BitSet::of(n_nodes, 0..n_nodes), self.cancel)?;
        let mut counts = vec![0_u32; components.count];
        components.of.iter().for_each(|component| counts[component.index()] += 1);
        let is_cycle = |node: usize| {
            counts[components.of[node].index()] > 1 || graph.children(node).any(|child| child == node)
        };
        let there = (0..n_nodes).filter(|node| self.index.is_there(*node));
        let mut members: Vec<usize> = there.filter(|node| is_cycle(*node)).collect();
        let count = |node: usize| counts[components.of[node].index()];
        // The number of a component is the place of its first member among the first members.
        members.sort_by_key(|node| (std::cmp::Reverse(count(*node)), components.of[*node]));
        let mut of_rows: Vec<(i64, i64)> = Vec::with_capacity(members.len());
        let mut last = None;
        for node in &members {
            let component = components.of[*node];
            let number = of_rows.last().map_or(0, |(number, _)| *number) + i64::from(last != Some(component));
            last = Some(component);
            of_rows.push((number, i64::from(count(*node))));
        }
        Ok(Rows::Nodes(members.into_iter().map(|node| node as u64).collect(), Numbers::Component(of_rows)))
    }

    /// By type and type of the immediate dominator; the largest first.
    fn type_dominators(&self) -> Rows {
        let (types, idoms, counts) = (self.index.types(), self.index.idoms(), self.index.retained_counts());
        let (sizes, retained) = (self.index.sizes(), self.index.retained());
        let n_types = self.call.manifest.types.len() as u64;
        // By pair of types; the super-root counts as one more. Of nested pairs only the outermost retains.
        let mut sums: HashMap<u64, ([u64; 3], usize)> = HashMap::new();
        for (position, node) in self.index.preorder().iter().enumerate() {
            let node = node.index();
            let dominator = types.get(idoms[node].index()).map_or(n_types, |rank| u64::from(*rank));
            let pair = u64::from(types[node]) * (n_types + 1) + dominator;
            let ([objects, size, held], held_until) = sums.entry(pair).or_default();
            *objects += 1;
            *size = size.saturating_add(sizes[node]);
            if position >= *held_until {
                *held_until = position + counts[node].index();
                *held = held.saturating_add(retained[node]);
            }
        }
        let mut rows: Vec<_> = sums
            .into_iter()
            .map(|(pair, (sums, _))| {
                let (rank, dominator) = (pair / (n_types + 1), pair % (n_types + 1));
                (rank as u32, (dominator < n_types).then_some(dominator as u32), sums.map(saturating))
            })
            .collect();
        rows.sort_unstable_by_key(|(rank, dominator, [_, _, held])| {
            (std::cmp::Reverse(*held), *rank, *dominator)
        });
        Rows::TypeDominators(rows)
    }

    /// The largest of some nodes.
    fn top(&self, mut top: Vec<usize>) -> Rows {
        let retained = self.index.retained();
        let key = |node: &usize| (std::cmp::Reverse(retained[*node]), *node);
        let n = (self.call.numbers[0] as usize).min(top.len());
        if n > 0 && n < top.len() {
            top.select_nth_unstable_by_key(n - 1, key);
        }
        top.truncate(n);
        top.sort_unstable_by_key(key);
        Rows::Nodes(top.into_iter().map(|node| node as u64).collect(), Numbers::None)
    }
}

fn hops<I: Id>(found: Vec<(I, u32)>) -> Rows {
    let (nodes, hops) = found.into_iter().map(|(node, hops)| (node.index() as u64, hops)).unzip();
    Rows::Nodes(nodes, Numbers::Hops(hops))
}

fn numbers<I: Id>(nodes: &[I]) -> Vec<u64> {
    nodes.iter().map(|node| node.index() as u64).collect()
}

impl Answer {
    pub(super) fn n_rows(&self) -> usize {
        match &self.rows {
            Rows::Nodes(nodes, _) => nodes.len(),
            Rows::Sums(columns) => columns.first().map_or(0, Vec::len),
            Rows::Dominators(rows) => rows.len(),
            Rows::TypeDominators(rows) => rows.len(),
            Rows::TypeSums(rows) => rows.len(),
            Rows::Edges(rows) => rows.len(),
            Rows::Tree(rows) => rows.len(),
            Rows::Chains(rows) => rows.len(),
            Rows::Types(rows) => rows.len(),
        }
    }

    /// Some of the rows, with some of the columns.
    pub(super) fn batch(
        &self,
        rows: Range<usize>,
        projection: Option<&[usize]>,
    ) -> Result<RecordBatch, ArrowError> {
        let schema = self.kind.schema();
        let n_rows = rows.len();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let arrays = columns.iter().map(|column| self.column(*column, rows.clone())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        RecordBatch::try_new_with_options(Arc::new(schema.project(columns)?), arrays, &options)
    }

    fn column(&self, column: usize, rows: Range<usize>) -> ArrayRef {
        match &self.rows {
            Rows::Nodes(nodes, numbers) => {
                let own = match numbers {
                    Numbers::None => 0,
                    Numbers::Hops(_) | Numbers::Dominator(_) => 1,
                    Numbers::Component(_) => 2,
                };
                match (column.checked_sub(own), numbers) {
                    (Some(column), _) => self.node_column(column, &nodes[rows]),
                    (None, Numbers::Hops(hops)) => Arc::new(UInt32Array::from(hops[rows].to_vec())),
                    (None, Numbers::Dominator(nodes)) => self.node_column(0, &nodes[rows]),
                    (None, Numbers::Component(of)) => {
                        let part = |pair: &(i64, i64)| if column == 0 { pair.0 } else { pair.1 };
                        Arc::new(of[rows].iter().map(part).collect::<Int64Array>())
                    }
                    (None, Numbers::None) => unreachable!("it has no columns of its own"),
                }
            }
            Rows::Sums(columns) => Arc::new(Int64Array::from(columns[column][rows].to_vec())),
            Rows::Dominators(of) => with_index!(&self.index.index, |index| match column {
                0 => {
                    let address = |node: &Option<u64>| node.map(|node| index.addresses()[node as usize]);
                    Arc::new(of[rows].iter().map(|(node, _)| address(node)).collect::<UInt64Array>())
                        as ArrayRef
                }
                1 => {
                    let name =
                        |node: &Option<u64>| node.map(|node| self.type_name(index.types()[node as usize]));
                    Arc::new(of[rows].iter().map(|(node, _)| name(node)).collect::<StringViewArray>())
                }
                _ => Arc::new(of[rows].iter().map(|(_, sums)| sums[column - 2]).collect::<Int64Array>()),
            }),
            Rows::TypeDominators(of) => match column {
                0 => {
                    let names = of[rows].iter().map(|(rank, ..)| self.type_name(*rank));
                    Arc::new(StringViewArray::from_iter_values(names))
                }
                1 => {
                    let names = of[rows].iter().map(|(_, rank, _)| rank.map(|rank| self.type_name(rank)));
                    Arc::new(names.collect::<StringViewArray>())
                }
                _ => Arc::new(of[rows].iter().map(|(.., sums)| sums[column - 2]).collect::<Int64Array>()),
            },
            Rows::TypeSums(of) => match column {
                0 => {
                    let names = of[rows].iter().map(|(rank, _)| self.type_name(*rank));
                    Arc::new(StringViewArray::from_iter_values(names))
                }
                _ => Arc::new(of[rows].iter().map(|(_, sums)| sums[column - 1]).collect::<Int64Array>()),
            },
            Rows::Edges(of) => match column {
                0 => Arc::new(of[rows].iter().map(|(parent, _)| *parent).collect::<UInt64Array>()),
                _ => Arc::new(of[rows].iter().map(|(_, idx)| *idx).collect::<UInt32Array>()),
            },
            Rows::Tree(lines) => self.tree_column(column, rows.start, &lines[rows]),
            Rows::Chains(of) => chains::column(column, rows.start, &of[rows]),
            Rows::Types(of) => match column {
                0 => Arc::new(of[rows].iter().map(|(hops, ..)| *hops).collect::<UInt32Array>()),
                1 => {
                    let names = of[rows].iter().map(|(_, rank, _)| self.type_name(*rank));
                    Arc::new(StringViewArray::from_iter_values(names))
                }
                _ => Arc::new(of[rows].iter().map(|(.., sums)| sums[column - 2]).collect::<Int64Array>()),
            },
        }
    }

    fn tree_column(&self, column: usize, first: usize, lines: &[Line]) -> ArrayRef {
        let numbers = |number: fn(&Line) -> u64| -> ArrayRef {
            Arc::new(lines.iter().map(|line| saturating(number(line))).collect::<Int64Array>())
        };
        with_index!(&self.index.index, |index| {
            let addresses = |node: fn(&Line) -> Option<u64>| -> ArrayRef {
                let address = |line| node(line).map(|node| index.addresses()[node as usize]);
                Arc::new(lines.iter().map(address).collect::<UInt64Array>())
            };
            match column {
                0 => Arc::new((first as i64..).take(lines.len()).collect::<Int64Array>()),
                1 => Arc::new(lines.iter().map(|line| line.depth).collect::<UInt32Array>()),
                2 => addresses(|line| line.holder),
                3 => addresses(|line| line.node),
                4 => {
                    let names = lines.iter().map(|line| line.type_rank.map(|rank| self.type_name(rank)));
                    Arc::new(names.collect::<StringViewArray>())
                }
                5 => {
                    let kind = |line: &Line| line.node.and_then(|node| index.root_kind_of(node as usize));
                    Arc::new(lines.iter().map(kind).collect::<StringViewArray>())
                }
                6 => numbers(|line| line.objects),
                7 => numbers(|line| line.size),
                8 => numbers(|line| line.retained),
                _ => numbers(|line| line.retained_count),
            }
        })
    }

    fn type_name(&self, rank: u32) -> &str {
        self.index.manifest.types.get(rank as usize).map_or("", |stat| stat.name.as_str())
    }

    /// A column of the objects themselves, in the order of `node_columns`.
    fn node_column(&self, column: usize, nodes: &[u64]) -> ArrayRef {
        let nodes = nodes.iter().map(|node| *node as usize);
        with_index!(&self.index.index, |index| match column {
            0 => Arc::new(nodes.map(|node| index.addresses()[node]).collect::<UInt64Array>()) as ArrayRef,
            1 => {
                let names = nodes.map(|node| self.type_name(index.types()[node]));
                Arc::new(StringViewArray::from_iter_values(names))
            }
            2 => Arc::new(nodes.map(|node| saturating(index.sizes()[node])).collect::<Int64Array>()),
            3 => Arc::new(nodes.map(|node| index.root_kind_of(node)).collect::<StringViewArray>()),
            4 => {
                let distances = nodes.map(|node| index.distances()[node]);
                let known = distances.map(|distance| (distance != NO_DISTANCE).then_some(distance));
                Arc::new(known.collect::<UInt32Array>())
            }
            5 => {
                let all = index.addresses();
                let idoms = nodes.map(|node| all.get(index.idoms()[node].index()).copied());
                Arc::new(idoms.collect::<UInt64Array>())
            }
            6 => {
                let types = nodes.map(|node| index.types().get(index.idoms()[node].index()).copied());
                let names = types.map(|rank| rank.map(|rank| self.type_name(rank)));
                Arc::new(names.collect::<StringViewArray>())
            }
            7 => Arc::new(nodes.map(|node| saturating(index.retained()[node])).collect::<Int64Array>()),
            _ => {
                let counts = nodes.map(|node| index.retained_counts()[node].index() as i64);
                Arc::new(counts.collect::<Int64Array>())
            }
        })
    }
}
