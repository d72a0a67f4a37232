//! SQL over a lake: the only crate that names DataFusion.
//!
//! A [`Session`] is a snapshot of the lake. Every dump is a schema (`before.obj`), `history` spans all dumps, and bare
//! names are of the chosen dump. The manifests say which files are read, nothing is listed; files are opened when a
//! query is planned and stay readable until it ends, whatever other processes remove meanwhile.
//!
//! A session only reads. `SessionOptions::allow_files` lets statements read and write files outside the lake; the
//! lake's own tables and folders stay as they are either way.

mod address;
mod attach;
mod bounds;
mod catalog;
mod cluster;
mod diagnosis;
mod error;
mod explain;
mod files;
mod function;
mod functions;
mod graph;
mod grouping;
mod guard;
mod headings;
mod history;
mod identity;
mod index_cache;
mod memo;
mod mistake;
mod object_function;
mod object_tables;
mod operator;
mod parameters;
mod path;
mod pieces;
mod select;
mod session;
mod signature;
mod snapshot;
mod statements;
mod summary;
mod table;
mod threads;
mod traffic;
mod type_names;
mod yielding;

pub use address::address;
pub use attach::Attached;
pub use bounds::{AnswerStream, CancelToken};
pub use cluster::{Cluster, NamedDumps, WorkerSession, is_scan_of_lake};
pub use datafusion::arrow::{
    datatypes::{DataType, SchemaRef},
    record_batch::RecordBatch,
};
pub use diagnosis::{ChoiceReason, DumpChoice, choose_dumps};
pub use error::{Error, Limit, Missing, Place, Result, Thing};
pub use function::{
    ArgumentDefault, ArgumentDoc, ArgumentKind, ColumnDoc, ColumnType, FunctionDoc, FunctionGroup, ResultDoc,
    RowsDoc,
};
pub use functions::functions;
pub use graph::{Edited, is_type_name};
pub use heaplake_model::Remedy;
pub use mistake::nearest;
pub use object_tables::{ObjectTables, import_tables};
pub use parameters::{Parameters, Value};
pub use path::{PathShape, RestOfPaths, Segment, fold, keeping_alive, path_shape, rest_of_paths, type_term};
pub use pieces::{Piece, PieceKind, begins_as_sql, has_from, is_complete, is_open, is_pattern, pieces};
pub use select::{FACTS, age, select, select_all, select_among, select_one};
pub use session::{Answer, Session, SessionOptions};
pub use signature::{StatementParameter, StatementSignature};
pub use snapshot::{Notice, PathPlan};
pub use statements::{Split, split_as_written};
pub use type_names::is_type_column;
