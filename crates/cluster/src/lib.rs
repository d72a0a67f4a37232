//! Statements on many machines.
//!
//! A worker is a process with the lake, a folder or an object store, that runs parts of statements ([`worker`]). The client plans a
//! statement as it does without workers, and the planner of `datafusion-distributed` cuts the plan into stages, between which rows go
//! from machine to machine ([`planning`]). Scans, joins, groups and sorts are sent. What cannot be sent, such as functions over a graph
//! index and attached files, runs on the client, and its rows are sent to the workers that need them ([`local_rows`]). Connections carry a
//! secret, or are TLS with certificates on both ends ([`credentials`]). A worker also imports dumps ([`imports`]).
//!
//! Not here: how tables are read and which functions there are (`engine`), the command line (`cli`).

mod connections;
mod credentials;
mod imports;
mod local_rows;
mod planning;
mod time_limit;
mod worker;

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use heaplake_cli::{ClusterParts, Importers, NamedWorkers, Work};
use heaplake_engine::Cluster;
use url::Url;

use crate::{connections::Connections, credentials::Credentials, imports::RemoteImporter, planning::Workers};

/// What this crate adds to the command line.
pub const PARTS: ClusterParts = ClusterParts { connect, work, importers };

/// Workers that somebody names; each thread of theirs gets some bytes of tables.
fn connect(workers: &NamedWorkers, share: usize) -> Result<Arc<dyn Cluster>> {
    let (addresses, connections) = reach(workers)?;
    Ok(Arc::new(Workers::new(addresses, connections, share, &workers.origin)))
}

/// The same workers, for imports.
fn importers(workers: &NamedWorkers) -> Result<Importers> {
    let (addresses, connections) = reach(workers)?;
    RemoteImporter::all(addresses, &connections)
}

/// Where workers are, and what connects to them. Nothing is sent yet.
fn reach(workers: &NamedWorkers) -> Result<(Vec<Url>, Connections)> {
    let credentials = Credentials::of_environment()?;
    let is_tls = credentials.is_tls();
    if workers.must_prove && !is_tls {
        bail!(
            "{} names workers, which have to prove that they are yours: {}, or name them with --cluster HOST:PORT",
            workers.origin,
            credentials::tls_remedy()
        );
    }
    let addresses = connections::addresses(&workers.addresses, is_tls).context(workers.origin.clone())?;
    Ok((addresses, Connections::new(&credentials)))
}

/// Runs a worker until it is stopped.
fn work(work: Work) -> Result<()> {
    worker::run(work, Credentials::of_environment()?)
}
