//! What `heaplake-cluster` adds to the commands: the types that it and they have in common.

use std::{fmt, net::SocketAddr, process::Command, sync::Arc, time::Duration};

use anyhow::Result;
use chrono::{DateTime, Utc};
use heaplake_answers::{CancelToken, Lake};
use heaplake_engine::Cluster;
use serde::{Deserialize, Serialize};

/// What `heaplake-cluster` can do.
#[derive(Debug, Clone, Copy)]
pub struct ClusterParts {
    /// Some workers, and the bytes of tables that each of their threads gets.
    pub connect: fn(&NamedWorkers, usize) -> Result<Arc<dyn Cluster>>,
    /// Runs a worker until it is stopped.
    pub work: fn(Work) -> Result<()>,
    /// The same workers, for imports.
    pub importers: fn(&NamedWorkers) -> Result<Importers>,
}

/// Workers as somebody names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedWorkers {
    /// `HOST:PORT`, or several with commas.
    pub addresses: String,
    /// What names them: an option, a variable, or a file of a lake.
    pub origin: String,
    /// Whether they have to prove by certificates that they are of the cluster. What names them is not to be trusted then.
    pub must_prove: bool,
}

/// Workers that import for others.
pub type Importers = Vec<Box<dyn Importer>>;

/// A worker that imports for others.
pub trait Importer: Send + Sync {
    /// Its address.
    fn address(&self) -> &str;

    /// Imports one dump, and waits for it unless it is to stop. An error where the worker was lost, or refuses to work for us.
    fn import(&self, request: &ImportRequest, stop: &CancelToken) -> Result<ImportReply>;
}

/// What a worker is asked to import. What is named is named as the worker sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// A file, or an object in a store.
    pub source: String,
    /// The name of the dump.
    pub dump: String,
    /// When the process was dumped, where that is given.
    pub taken: Option<DateTime<Utc>>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// The format, where it is given.
    pub format: Option<String>,
    /// Leave out what cannot be read.
    pub skip: bool,
    /// Overwrite a dump of the same name.
    pub replace: bool,
    /// Keep fields.
    pub fields: bool,
    /// Which heap dump of the file.
    pub part: Option<u32>,
    /// Leave the graph index out.
    pub no_index: bool,
    /// Bytes to use.
    pub memory_limit: Option<u64>,
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReply {
    /// Whether the dump is in the lake.
    pub succeeded: bool,
    /// What the import said, without what it says of a success.
    pub said: String,
}

/// Opens the lake as it is now.
pub type OpenLake = Box<dyn Fn() -> Result<Lake> + Send + Sync>;

/// Makes the command that does an import.
pub type ImportCommand = Box<dyn Fn(&ImportRequest) -> Result<Command> + Send + Sync>;

/// What a worker is to do.
pub struct Work {
    /// Opens the lake for each part of a statement.
    pub open_lake: OpenLake,
    /// Where to listen; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Bytes that all parts together may hold; `None` for any number.
    pub memory_limit: Option<u64>,
    /// Time that a part of a statement may take; `None` for any.
    pub time_limit: Option<Duration>,
    /// Threads; `None` for one per core.
    pub threads: Option<usize>,
    /// Ends it.
    pub stop: CancelToken,
    /// The program that does an import; an error where the request is not to be answered.
    pub import: ImportCommand,
    /// Is told the address once requests are taken.
    pub ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("listen", &self.listen).finish_non_exhaustive()
    }
}
