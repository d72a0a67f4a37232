//! The rows of answers, made into columns some thousands at a time.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray, UInt32Array, UInt64Array,
        },
        datatypes::SchemaRef,
    },
    error::Result,
};
use heaplake_graph::{Walk, search::Step};
use heaplake_store::Dump;

use super::{
    clusters::ClusterRow,
    compile::Compiled,
    fold,
    ground::Ground,
    tree::{TreeMerge, TreeRow},
    ways::WayRow,
};
use crate::{
    function::{ColumnDoc, ColumnType, RowsDoc, column},
    summary::saturating,
};

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    /// A hop of a path, or an object.
    Hops,
    /// A path.
    Paths,
    /// A way that paths take; none where the shortest paths have more different steps.
    Ways { max_steps: u64 },
    /// A branch of the tree of paths.
    Tree(TreeMerge),
    /// A cluster of paths.
    Clusters,
    /// The objects of one type, as many hops away.
    Types,
}

pub(crate) const PATH_ID: ColumnDoc = column(
    "path_id",
    ColumnType::Int64,
    "number of the path, from 0; of objects their number, with `DOMINATED` that of the holder",
);
pub(crate) const HOP: ColumnDoc = column(
    "hop",
    ColumnType::UInt32,
    "position in the path, from 0; of objects the fewest hops to them, with `DOMINATED` the depth below the holder",
);
pub(crate) const ADDRESS: ColumnDoc = column("address", ColumnType::UInt64, "address of the object");
pub(crate) const TYPE: ColumnDoc = column("type", ColumnType::Text, "its type");
pub(crate) const SIZE: ColumnDoc =
    column("size", ColumnType::Int64, "its shallow size, 0 where the dump gives none").unit("bytes");
pub(crate) const RETAINED: ColumnDoc =
    column("retained", ColumnType::Int64, "what would be freed with it, itself included")
        .unit("bytes")
        .null("without a graph index");
pub(crate) const ROOT_KIND: ColumnDoc =
    column("root_kind", ColumnType::Text, "why it is a root").null("where it is none");
pub(crate) const ARROW: ColumnDoc =
    column("arrow", ColumnType::Text, "how it is reached from the object before: `->` or `<-`")
        .null(AT_START);
pub(crate) const IDX: ColumnDoc =
    column("idx", ColumnType::UInt32, "position of that reference among those of its parent, from 0")
        .null(AT_START);
pub(crate) const STATE: ColumnDoc =
    column("state", ColumnType::UInt32, "state of the automaton that the pattern is").null("of objects");
pub(crate) const VARIABLE: ColumnDoc =
    column("variable", ColumnType::Text, "name of the object in the pattern").null("where it has none");
const EDGE_PARENT: ColumnDoc = column(
    "edge_parent",
    ColumnType::UInt64,
    "address of the object that has the reference; with `idx` it names a row of `edge`",
)
.null(AT_START);

/// When there is no reference.
pub(super) const AT_START: &str = "at the start of a path, and of objects";

/// Hops of paths, or objects, as the graph index has them.
pub(crate) const HOP_COLUMNS: &[ColumnDoc] =
    &[PATH_ID, HOP, ADDRESS, TYPE, SIZE, RETAINED, ROOT_KIND, ARROW, EDGE_PARENT, IDX, STATE, VARIABLE];

/// Paths.
pub(crate) const PATH_COLUMNS: &[ColumnDoc] = &[
    column("path_id", ColumnType::Int64, "number of the path, from 0"),
    column("hops", ColumnType::Int64, "number of its references"),
    column(
        "signature",
        ColumnType::Text,
        "its types and arrows, what repeats folded without a number, so that it can be compared between dumps",
    ),
    column("bytes", ColumnType::Int64, "shallow sizes of its objects, each once").unit("bytes"),
    column("repeats", ColumnType::Int64, "how often its most repeated unit comes; 1 if nothing repeats"),
    column("start", ColumnType::UInt64, "address of its first object"),
    column("end", ColumnType::UInt64, "address of its last object"),
];

/// Ways that paths take.
pub(crate) const WAY_COLUMNS: &[ColumnDoc] = &[
    column(
        "signature",
        ColumnType::Text,
        "the types and arrows of its paths, what repeats folded without a number, so that it can be compared between dumps",
    ),
    column("hops", ColumnType::Int64, "fewest references of a path by it"),
    column("objects", ColumnType::Int64, "objects that it leads to"),
    column("asked", ColumnType::Int64, "all objects that `PER` names, or that may be at the ends")
        .null("where ends are of several kinds in the pattern, and without a graph index"),
    column("repeats", ColumnType::Int64, "how often its most repeated unit comes; 1 if nothing repeats"),
    column("example", ColumnType::UInt64, "address of one of the objects, that which retains most"),
];

/// Branches of a tree of paths.
pub(crate) const TREE_COLUMNS: &[ColumnDoc] = &[
    column("line", ColumnType::Int64, "number of the branch, from 0; each follows the one that it is below"),
    column("above", ColumnType::Int64, "number of the branch above").null(AT_START),
    column("depth", ColumnType::UInt32, "number of branches above"),
    column("arrow", ColumnType::Text, "how it is reached from the branch above: `->` or `<-`").null(AT_START),
    TYPE,
    column("address", ColumnType::UInt64, "address of its object").null("where it has several"),
    column("root_kind", ColumnType::Text, "why that object is a root")
        .null("where it is none, and where there are several"),
    column("objects", ColumnType::Int64, "objects of this branch, each once"),
    column("paths", ColumnType::Int64, "paths through it"),
    column("ends", ColumnType::Int64, "paths that end here"),
    column(
        "size",
        ColumnType::Int64,
        "shallow sizes of the objects that these paths are asked for, those that `PER` names or those at the ends, once \
         for each path",
    )
    .unit("bytes"),
    column("example", ColumnType::UInt64, "address of its first object"),
];

/// When paths have nothing in common.
const IN_NO_CLUSTER: &str = "for the paths that are in no cluster";

/// Clusters of paths.
pub(crate) const CLUSTER_COLUMNS: &[ColumnDoc] = &[
    column("cluster", ColumnType::Int64, "from 1, those of most paths first; the paths that are in none come last"),
    column("paths", ColumnType::Int64, "paths of the cluster"),
    column("asked", ColumnType::Int64, "paths of all clusters"),
    column(
        "size",
        ColumnType::Int64,
        "shallow sizes of the objects that the paths of the cluster are asked for, those that `PER` names or those at the \
         ends, once for each path",
    )
    .unit("bytes"),
    column("address", ColumnType::UInt64, "address of the last object that they have in common").null(IN_NO_CLUSTER),
    column("type", ColumnType::Text, "its type").null(IN_NO_CLUSTER),
    column("root_kind", ColumnType::Text, "why that object is a root").null("where it is none"),
    column("hops", ColumnType::UInt32, "references from the start of the paths to it").null(IN_NO_CLUSTER),
    column("signature", ColumnType::Text, "types and arrows on the way to it, what repeats folded without a number")
        .null(IN_NO_CLUSTER),
    column("example", ColumnType::UInt64, "address of an object that a path is asked for"),
];

/// Totals of objects by hops and type.
pub(crate) const TYPE_COLUMNS: &[ColumnDoc] = &[
    column("hop", ColumnType::UInt32, "fewest hops to the objects"),
    column("type", ColumnType::Text, "their type"),
    column("objects", ColumnType::Int64, "how many they are"),
    column("size", ColumnType::Int64, "their shallow sizes").unit("bytes"),
];

impl RowKind {
    pub(super) fn schema(self) -> SchemaRef {
        let parts: &'static [&'static [ColumnDoc]] = match self {
            RowKind::Hops => &[HOP_COLUMNS],
            RowKind::Paths => &[PATH_COLUMNS],
            RowKind::Ways { .. } => &[WAY_COLUMNS],
            RowKind::Tree(_) => &[TREE_COLUMNS],
            RowKind::Clusters => &[CLUSTER_COLUMNS],
            RowKind::Types => &[TYPE_COLUMNS],
        };
        RowsDoc::always(parts).schema()
    }
}

/// One object of an answer.
#[derive(Debug, Clone, Copy)]
struct HopRow {
    path_id: i64,
    hop: u32,
    node: usize,
    hop_taken: Option<(Walk, usize)>,
    state: Option<u32>,
    /// Number of the test whose name the object has.
    variable: Option<u32>,
}

#[derive(Debug)]
struct PathRow {
    path_id: i64,
    hops: i64,
    signature: String,
    bytes: i64,
    repeats: i64,
    start: u64,
    end: u64,
}

/// Makes columns of rows, some thousands at a time.
pub(super) struct RowBuilder<'r> {
    pub(super) ground: &'r dyn Ground,
    pub(super) compiled: &'r Compiled,
    pub(super) manifest: &'r Dump,
    pub(super) kind: RowKind,
    /// The columns that are wanted, of the kind's.
    pub(super) projection: &'r [usize],
    hops: Vec<HopRow>,
    paths: Vec<PathRow>,
    ways: Vec<WayRow>,
    branches: Vec<TreeRow>,
    clusters: Vec<(i64, ClusterRow)>,
    /// The objects that are asked for, for ways.
    n_asked: Option<u64>,
    types: Vec<(u32, u32, [i64; 2])>,
}

impl<'r> RowBuilder<'r> {
    pub(super) fn new(
        ground: &'r dyn Ground,
        compiled: &'r Compiled,
        manifest: &'r Dump,
        kind: RowKind,
        projection: &'r [usize],
    ) -> Self {
        Self {
            ground,
            compiled,
            manifest,
            kind,
            projection,
            hops: Vec::new(),
            paths: Vec::new(),
            ways: Vec::new(),
            branches: Vec::new(),
            clusters: Vec::new(),
            n_asked: None,
            types: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        let of_paths = self.hops.len() + self.paths.len() + self.ways.len();
        of_paths + self.branches.len() + self.clusters.len() + self.types.len()
    }

    /// Adds a path: as its hops, or as one row.
    pub(super) fn path(&mut self, path_id: i64, steps: &[Step]) {
        if self.kind == RowKind::Hops {
            let mut arcs = &self.compiled.starts;
            for (hop, step) in (0..).zip(steps) {
                let variable = arcs.get(step.transition).and_then(|arc| {
                    arc.tests.iter().copied().find(|test| self.compiled.tests[*test as usize].name.is_some())
                });
                let state = Some(step.state as u32);
                self.hops.push(HopRow {
                    path_id,
                    hop,
                    node: step.node,
                    hop_taken: step.hop,
                    state,
                    variable,
                });
                arcs = self.compiled.next.get(step.state).unwrap_or(&self.compiled.starts);
            }
            return;
        }
        let types: Vec<&str> =
            steps.iter().map(|step| self.type_name(self.ground.type_rank(step.node))).collect();
        let ups: Vec<bool> =
            steps.iter().skip(1).map(|step| matches!(step.hop, Some((Walk::Up, _)))).collect();
        let (signature, repeats) = fold::signature(&types, &ups);
        let mut nodes: Vec<usize> = steps.iter().map(|step| step.node).collect();
        let address = |node: Option<&usize>| node.map_or(0, |node| self.ground.address(*node));
        let (start, end) = (address(nodes.first()), address(nodes.last()));
        nodes.sort_unstable();
        nodes.dedup();
        let bytes = nodes.iter().fold(0, |sum: i64, node| sum.saturating_add(self.ground.size(*node)));
        self.paths.push(PathRow {
            path_id,
            hops: steps.len() as i64 - 1,
            signature,
            bytes,
            repeats: repeats as i64,
            start,
            end,
        });
    }

    /// Adds a way to so many objects that are asked for.
    pub(super) fn way(&mut self, way: WayRow, n_asked: Option<u64>) {
        self.n_asked = n_asked;
        self.ways.push(way);
    }

    /// Adds a branch of a tree.
    pub(super) fn branch(&mut self, branch: TreeRow) {
        self.branches.push(branch);
    }

    /// Adds a cluster with its number.
    pub(super) fn cluster(&mut self, number: i64, cluster: ClusterRow) {
        self.clusters.push((number, cluster));
    }

    /// Adds an object.
    pub(super) fn object(&mut self, path_id: i64, hop: u32, node: usize) {
        self.hops.push(HopRow { path_id, hop, node, hop_taken: None, state: None, variable: None });
    }

    /// Adds the objects of a type.
    pub(super) fn of_type(&mut self, hop: u32, rank: u32, objects: u64, size: i64) {
        self.types.push((hop, rank, [saturating(objects), size]));
    }

    fn type_name(&self, rank: u32) -> &'r str {
        self.manifest.types.get(rank as usize).map_or("", |stat| stat.name.as_str())
    }

    /// The columns of what was added since the last time.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        let n_rows = self.len();
        let schema = Arc::new(self.kind.schema().project(self.projection)?);
        let columns = self.projection.iter().map(|column| match self.kind {
            RowKind::Hops => self.hop_column(*column),
            RowKind::Paths => self.path_column(*column),
            RowKind::Ways { .. } => self.way_column(*column),
            RowKind::Tree(_) => self.tree_column(*column),
            RowKind::Clusters => self.cluster_column(*column),
            RowKind::Types => self.type_column(*column),
        });
        let columns: Vec<ArrayRef> = columns.collect();
        self.hops.clear();
        self.paths.clear();
        self.ways.clear();
        self.branches.clear();
        self.clusters.clear();
        self.types.clear();
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    fn hop_column(&self, column: usize) -> ArrayRef {
        let rows = self.hops.iter();
        let ground = self.ground;
        match column {
            0 => Arc::new(rows.map(|row| row.path_id).collect::<Int64Array>()),
            1 => Arc::new(rows.map(|row| row.hop).collect::<UInt32Array>()),
            2 => Arc::new(rows.map(|row| ground.address(row.node)).collect::<UInt64Array>()),
            3 => {
                let names = rows.map(|row| self.type_name(ground.type_rank(row.node)));
                Arc::new(StringViewArray::from_iter_values(names))
            }
            4 => Arc::new(rows.map(|row| ground.size(row.node)).collect::<Int64Array>()),
            5 => Arc::new(rows.map(|row| ground.retained(row.node)).collect::<Int64Array>()),
            6 => Arc::new(rows.map(|row| ground.root_kind(row.node)).collect::<StringViewArray>()),
            7 => {
                let arrow = |way| if way == Walk::Down { "->" } else { "<-" };
                let arrows = rows.map(|row| row.hop_taken.map(|(way, _)| arrow(way)));
                Arc::new(arrows.collect::<StringViewArray>())
            }
            8 | 9 => {
                let edges = rows.map(|row| row.hop_taken.map(|(_, edge)| ground.edge(edge)));
                match column {
                    8 => Arc::new(edges.map(|edge| edge.map(|(parent, _)| parent)).collect::<UInt64Array>()),
                    _ => Arc::new(edges.map(|edge| edge.map(|(_, idx)| idx)).collect::<UInt32Array>()),
                }
            }
            10 => Arc::new(rows.map(|row| row.state).collect::<UInt32Array>()),
            _ => {
                let name = |test: u32| self.compiled.tests[test as usize].name.as_deref();
                Arc::new(rows.map(|row| row.variable.and_then(name)).collect::<StringViewArray>())
            }
        }
    }

    fn path_column(&self, column: usize) -> ArrayRef {
        let rows = self.paths.iter();
        let number = |number: fn(&PathRow) -> i64| -> ArrayRef {
            Arc::new(self.paths.iter().map(number).collect::<Int64Array>())
        };
        match column {
            0 => number(|row| row.path_id),
            1 => number(|row| row.hops),
            2 => Arc::new(StringViewArray::from_iter_values(rows.map(|row| row.signature.as_str()))),
            3 => number(|row| row.bytes),
            4 => number(|row| row.repeats),
            5 => Arc::new(rows.map(|row| row.start).collect::<UInt64Array>()),
            _ => Arc::new(rows.map(|row| row.end).collect::<UInt64Array>()),
        }
    }

    fn way_column(&self, column: usize) -> ArrayRef {
        let rows = self.ways.iter();
        match column {
            0 => Arc::new(StringViewArray::from_iter_values(rows.map(|row| row.signature.as_str()))),
            1 => Arc::new(rows.map(|row| row.hops).collect::<Int64Array>()),
            2 => Arc::new(rows.map(|row| saturating(row.objects)).collect::<Int64Array>()),
            3 => Arc::new(rows.map(|_| self.n_asked.map(saturating)).collect::<Int64Array>()),
            4 => Arc::new(rows.map(|row| row.repeats).collect::<Int64Array>()),
            _ => Arc::new(rows.map(|row| self.ground.address(row.example)).collect::<UInt64Array>()),
        }
    }

    fn tree_column(&self, column: usize) -> ArrayRef {
        let rows = self.branches.iter();
        let ground = self.ground;
        let number = |number: fn(&TreeRow) -> i64| -> ArrayRef {
            Arc::new(self.branches.iter().map(number).collect::<Int64Array>())
        };
        let only = |row: &TreeRow| (row.objects == 1).then_some(row.node);
        match column {
            0 => number(|row| row.line),
            1 => Arc::new(rows.map(|row| row.above).collect::<Int64Array>()),
            2 => Arc::new(rows.map(|row| row.depth).collect::<UInt32Array>()),
            3 => {
                let arrow = |way| if way == Walk::Down { "->" } else { "<-" };
                Arc::new(rows.map(|row| row.hop.map(arrow)).collect::<StringViewArray>())
            }
            4 => {
                let names = rows.map(|row| self.type_name(ground.type_rank(row.node)));
                Arc::new(StringViewArray::from_iter_values(names))
            }
            5 => {
                Arc::new(rows.map(|row| only(row).map(|node| ground.address(node))).collect::<UInt64Array>())
            }
            6 => {
                let kinds = rows.map(|row| only(row).and_then(|node| ground.root_kind(node)));
                Arc::new(kinds.collect::<StringViewArray>())
            }
            7 => number(|row| saturating(row.objects)),
            8 => number(|row| saturating(row.paths)),
            9 => number(|row| saturating(row.ends)),
            10 => number(|row| row.size),
            _ => Arc::new(rows.map(|row| ground.address(row.node)).collect::<UInt64Array>()),
        }
    }

    fn cluster_column(&self, column: usize) -> ArrayRef {
        let rows = self.clusters.iter().map(|(_, row)| row);
        let ground = self.ground;
        match column {
            0 => Arc::new(self.clusters.iter().map(|(number, _)| *number).collect::<Int64Array>()),
            1 => Arc::new(rows.map(|row| saturating(row.paths)).collect::<Int64Array>()),
            2 => Arc::new(rows.map(|row| saturating(row.of)).collect::<Int64Array>()),
            3 => Arc::new(rows.map(|row| row.size).collect::<Int64Array>()),
            4 => Arc::new(rows.map(|row| row.node.map(|node| ground.address(node))).collect::<UInt64Array>()),
            5 => {
                let names = rows.map(|row| row.node.map(|node| self.type_name(ground.type_rank(node))));
                Arc::new(names.collect::<StringViewArray>())
            }
            6 => {
                let kinds = rows.map(|row| row.node.and_then(|node| ground.root_kind(node)));
                Arc::new(kinds.collect::<StringViewArray>())
            }
            7 => Arc::new(rows.map(|row| row.hops).collect::<UInt32Array>()),
            8 => Arc::new(rows.map(|row| row.signature.as_deref()).collect::<StringViewArray>()),
            _ => Arc::new(rows.map(|row| ground.address(row.example)).collect::<UInt64Array>()),
        }
    }

    fn type_column(&self, column: usize) -> ArrayRef {
        let rows = self.types.iter();
        match column {
            0 => Arc::new(rows.map(|(hop, ..)| *hop).collect::<UInt32Array>()),
            1 => {
                let names = rows.map(|(_, rank, _)| self.type_name(*rank));
                Arc::new(StringViewArray::from_iter_values(names))
            }
            _ => Arc::new(rows.map(|(.., sums)| sums[column - 2]).collect::<Int64Array>()),
        }
    }
}
