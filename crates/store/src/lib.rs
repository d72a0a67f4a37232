//! The lake on disk: a folder of Parquet files and manifests, and the import of a dump as one transaction.
//!
//! ```text
//! <lake>/heaplake.json                 format version
//! <lake>/dumps/<id>.json               manifest: the commit point of an import
//! <lake>/<table>/dump=<id>/*.parquet   tables obj, edge, root, issue, type_stat, holder_stat, module_stat, field, thread
//! <lake>/index/dump=<id>/*.graph       graph index, a cache: rebuilt when absent or damaged
//! <lake>/layers/dump=<id>/*.json       named what-if layers
//! <lake>/names/dump=<id>.json          names given to objects of a dump
//! <lake>/accepted.json                 suspects of a leak that people live with
//! <lake>/cluster.json                  workers of a cluster that asks the lake
//! <lake>/tmp/                          work in progress, journals, locks
//! ```
//!
//! Any Parquet reader reads the tables as a hive-partitioned data set. This crate itself never queries them.

mod accepted;
mod addresses;
mod commit;
mod error;
mod fields;
mod file_names;
mod import;
mod index;
mod lake;
mod layer;
mod manifest;
mod manifests;
mod memory;
mod names;
mod parquet_file;
mod positioned;
mod properties;
mod rows;
mod summary;
mod text_runs;
mod transfer;
mod verify;
mod workers;

pub use accepted::{AcceptedSuspect, AcceptedSuspects, accept_in};
pub use error::{Error, Result};
pub use fields::FieldOfType;
pub use heaplake_readers::{
    Consume, DumpContent, Error as ReadError, FORMATS, Format, ObjectPacker, PlainObject, Provenance,
    ReadOptions, TypeTable, format_named,
};
pub use import::{
    ImportOptions, ImportProgress, Input, ObjectInput, ObjectSource, OnError, Phase, import, import_objects,
};
pub use index::{
    AnyIndex, BuildLimits, EdgeLabels, GraphIndex, IndexOptions, IndexStamp, LayerEdit, TypeSums,
    build_layer, build_unnamed_layer, index_dump, index_fits, open_or_build,
};
pub use lake::{
    Access, FileParts, Lake, LakeFolder, LakePath, Origin, SpillFolder, StoredFile, Traffic, check_marker,
    dump_of, id_in_name, marker_text,
};
pub use layer::Layer;
pub use manifest::{Counts, DumpEdit, FileEntry, JsonFault, Manifest, Source, TakenFrom};
pub use manifests::Manifests;
pub use memory::default_memory;
pub use names::Named;
pub use positioned::{read_exact_at, write_all_at};
pub use summary::{Dump, HolderStat, ModuleStat, TypeStat};
pub use transfer::{IncomingDump, OutgoingDump, OutgoingFile, side_file};
pub use verify::FileProblem;

/// Version of the lake's layout. A lake of another version is refused.
pub const FORMAT_VERSION: u32 = 2;
