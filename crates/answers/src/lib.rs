//! What heaplake finds out, as data: the public Rust API.
//!
//! A question is a struct of plain options: [`Diff`], [`Trend`], [`Top`], [`Tree`], [`Whatif`], [`Chains`], [`Check`],
//! [`Prune`]. Its `statement()` is the question as SQL, for programs that want the rows as they are; its other methods return
//! typed rows and totals. A [`Session`] is a snapshot of a lake and runs statements; [`encode`] turns batches into bytes.
//!
//! This crate prints nothing and escapes nothing: texts of a dump are returned as they are, and the caller must escape them for
//! its own medium ([`escape`] does it for terminals). Sizes are in bytes. Work stops soon after [`CancelToken::cancel`], with
//! [`Error::Cancelled`].
//!
//! ```no_run
//! use heaplake_answers::{Diff, GroupBy, Lake, Session, SessionOptions};
//!
//! fn main() -> heaplake_answers::Result<()> {
//!     let lake = Lake::open("./lake".as_ref())?;
//!     let session = Session::open(&lake, &SessionOptions::default())?;
//!     let diff = Diff {
//!         before: "latest~1".to_owned(),
//!         after: "latest".to_owned(),
//!         by: GroupBy::Holder,
//!         metric: None,
//!         all: false,
//!         own_growth: true,
//!         limit: Some(10),
//!     };
//!     for holder in diff.groups(&session)? {
//!         println!("{} retains {:?} bytes more", holder.name, holder.retained_delta);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! docs/rust.md has a longer program, from an import to a what-if; it is compiled and run by a test.

pub mod browse;
mod chains;
mod check;
mod diff;
mod diff_objects;
mod drawing;
mod dumps;
pub mod encode;
mod error;
pub mod escape;
mod frames;
mod groups;
pub mod library;
mod path;
mod path_compare;
mod path_tree;
mod process;
mod prune;
pub mod report;
mod rows;
mod session;
pub mod stacks;
mod suspects;
mod tables;
mod top;
mod tree;
mod trend;
mod whatif;
pub mod words;

pub use chains::Chains;
pub use check::{Check, CheckAnswer, Verdict};
pub use diff::{Diff, DiffTotals, GroupDifference};
pub use diff_objects::{GrownObject, Identity, ObjectDiff, TypeDifference};
pub use drawing::{Direction, Drawing, DrawnEdge, DrawnNode, MAX_STARTS};
pub use dumps::{dump_facts, dump_rows, select_dump, select_dumps, types_by_size};
pub use error::{Error, Result};
pub use frames::{
    Frame, FrameAmount, FrameAmounts, FrameKind, FrameMeasure, FrameQuestion, FrameTree, FramesBy,
};
pub use groups::{GroupBy, Metric};
pub use heaplake_engine::{
    CancelToken, ObjectTables, Parameters, PathShape, RestOfPaths, SessionOptions, Value, path_shape,
    rest_of_paths,
};
pub use heaplake_store::{Access, ImportOptions, ImportProgress, Input, Lake, import};
pub use path::{
    ObjectFound, ObjectsFound, PathHop, PathWay, TypeFound, objects_found, path_hops, path_statement,
    path_ways, short_path_statement, why_not,
};
pub use path_compare::{AnswerAmount, ComparedAnswer, compare_paths};
pub use path_tree::{
    CommonObject, PathBranch, PathCluster, PathLine, PathMerge, path_clusters, path_clusters_statement,
    path_lines, path_tree, path_tree_statement, paths_of_tree, size_of_tree,
};
pub use process::{ProcessGrowth, account};
pub use prune::{Prune, Pruned};
pub use rows::{AnswerColumns, address_rows, address_set, addresses_of, column_of_table, quoted, sum};
pub use session::{Outcome, Session, Totals};
pub use suspects::{Suspect, Suspects};
pub use tables::import_tables;
pub use top::{Top, TopBy};
pub use tree::{Tree, TreeAnswer, TreeNode};
pub use trend::{ChartedDump, RestOfSeries, Trend, TrendChart, TrendSeries};
pub use whatif::{Whatif, WhatifAnswer};

/// docs/rust.md, whose program is compiled and run with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
struct RustPage;
