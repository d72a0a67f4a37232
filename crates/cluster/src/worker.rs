//! A worker: a server for parts of statements over a lake.

use std::{net::SocketAddr, sync::Arc, thread};

use anyhow::{Context as _, Result, bail};
use arrow_flight::flight_service_server::FlightServiceServer;
use datafusion::{
    error::DataFusionError,
    execution::{
        SessionState,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry as _, ObjectStoreUrl},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};
use datafusion_distributed::{
    DistributedExt as _, Worker, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext,
};
use heaplake_cli::Work;
use heaplake_engine::WorkerSession;
use object_store::memory::InMemory;
use tonic::{
    Request, Status,
    service::interceptor::InterceptedService,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    connections::{Connections, VERSION},
    credentials::{self, Credentials},
    imports::Imports,
    local_rows::{LocalRowsCodec, LocalRowsExec},
    planning,
    time_limit::TimeLimited,
};

/// Plans of long queries are deep, and so is the code that walks them.
const STACK_BYTES: usize = 16 << 20;

/// Serves until it is told to stop.
pub(crate) fn run(work: Work, credentials: Credentials) -> Result<()> {
    if !work.listen.ip().is_loopback() && !credentials.keep_strangers_out() {
        bail!(
            "a worker that listens on {} can be reached by others, who could read the lake; {}",
            work.listen,
            credentials::remedy()
        );
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = work.threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().thread_stack_size(STACK_BYTES).build()?;
    let served = runtime.block_on(serve(work, credentials));
    // Parts that are still running have nobody to go to.
    runtime.shutdown_background();
    served
}

async fn serve(work: Work, credentials: Credentials) -> Result<()> {
    let environment = environment(work.memory_limit)?;
    let Work { open_lake, listen, memory_limit, time_limit, threads, stop, ready, import } = work;
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let n_threads = threads.unwrap_or_else(cores).max(1);
    let parts = Arc::new(Parts {
        open_lake,
        connections: Connections::new(&credentials),
        merge_bytes: memory_limit.map(|limit| in_memory(limit) / (4 * n_threads)),
    });
    let worker = Worker::from_session_builder(move |context| parts.clone().state(context))
        .with_runtime_env(environment)
        .with_version(VERSION);
    let admit = {
        let credentials = credentials.clone();
        move |request: Request<()>| match credentials.admit(request.metadata().as_ref()) {
            true => Ok(request),
            false => Err(Status::unauthenticated("the secret of the cluster is missing or another one")),
        }
    };
    let statements = TimeLimited::new(worker.into_worker_server(), time_limit);
    let statements = InterceptedService::new(statements, admit.clone());
    let imports = InterceptedService::new(FlightServiceServer::new(Imports::new(import)), admit);
    let mut server = Server::builder();
    if let Some(tls) = credentials.server_tls() {
        server = server.tls_config(tls).context("the certificates of the cluster cannot be used")?;
    }
    let incoming = TcpIncoming::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address: SocketAddr = incoming.local_addr()?;
    ready(address);
    let services = server.add_service(statements).add_service(imports);
    let serving = services.serve_with_incoming(incoming.with_nodelay(Some(true)));
    tokio::select! {
        served = serving => Ok(served?),
        () = stop.cancelled() => Ok(()),
    }
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What all parts on this worker share: memory, and temporary files. A part is given the files of its scans, so that it has no need of
/// the file system, and no way to it: a store that is empty has its place.
fn environment(memory_limit: Option<u64>) -> Result<Arc<RuntimeEnv>> {
    let stores = DefaultObjectStoreRegistry::new();
    stores.register_store(ObjectStoreUrl::local_filesystem().as_ref(), Arc::new(InMemory::new()));
    let mut builder = RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(stores));
    if let Some(limit) = memory_limit {
        let pool = FairSpillPool::new(in_memory(limit));
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
        builder = builder.with_memory_pool(Arc::new(pool)).with_disk_manager_builder(disk);
    }
    Ok(builder.build_arc()?)
}

/// What parts of statements are run with.
struct Parts {
    open_lake: heaplake_cli::OpenLake,
    connections: Connections,
    /// Bytes that each sort sets aside for its merge at most. What the client says fits the memory of the client.
    merge_bytes: Option<usize>,
}

impl Parts {
    /// The state for a part of a statement.
    async fn state(self: Arc<Self>, context: WorkerQueryContext) -> Result<SessionState, DataFusionError> {
        let names = planning::names(&context.headers);
        let parts = self.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let lake = (parts.open_lake)().map_err(|error| DataFusionError::External(error.into()))?;
            Ok::<_, DataFusionError>(WorkerSession::open(&lake, &names)?)
        });
        let opened = opened.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        let session = Arc::new(opened?);
        let files_of = session.clone();
        let open_files = move |event: WorkerPlanRewriteEvent<'_>| {
            Ok(WorkerPlanRewriteEventResponse::new(files_of.with_files(event.plan)?))
        };
        let mut builder = context.builder;
        if let Some(most) = self.merge_bytes {
            let execution = &mut builder.config().get_or_insert_default().options_mut().execution;
            execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(most);
        }
        let builder = builder
            .with_distributed_channel_resolver(self.connections.clone())
            .with_distributed_user_codec(LocalRowsCodec)
            .with_distributed_work_unit_feed(LocalRowsExec::feed)
            .with_distributed_worker_plan_rewrite_handler(open_files);
        Ok(session.state(builder))
    }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt as _, path::Path};

    use super::*;

    #[tokio::test]
    async fn parts_have_no_way_to_the_file_system() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Path::from_filesystem_path(file.path()).unwrap();
        let store = environment(None).unwrap().object_store(ObjectStoreUrl::local_filesystem()).unwrap();
        assert!(matches!(store.get(&path).await, Err(object_store::Error::NotFound { .. })));
        let usual = RuntimeEnv::default().object_store(ObjectStoreUrl::local_filesystem()).unwrap();
        assert!(usual.get(&path).await.is_ok());
    }
}
