//! Imports by workers. A worker runs an import as a process of its own: one that fails, or takes too much memory, ends alone, and one
//! whose client is gone is stopped.
//!
//! The protocol is an action of Arrow Flight, named `import`, whose body and answer are JSON.

use std::{pin::Pin, process::Stdio, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket, flight_service_client::FlightServiceClient,
    flight_service_server::FlightService,
};
use futures::{Stream, StreamExt as _, stream};
use heaplake_cli::{ImportCommand, ImportReply, ImportRequest, Importer, Importers};
use heaplake_engine::CancelToken;
use tokio::{io::AsyncReadExt as _, runtime::Runtime, sync::Semaphore};
use tonic::{Request, Response, Status, Streaming};
use url::Url;

use crate::connections::{self, Connections};

/// The name of the action.
const IMPORT: &str = "import";
/// What an import says at most; more is cut off.
const MAX_SAID_BYTES: u64 = 64 << 10;
/// Imports that a worker does at the same time, for all clients.
const IMPORTS_AT_ONCE: usize = 1;

/// The part of a worker that imports.
pub(crate) struct Imports {
    command: ImportCommand,
    free: Semaphore,
}

impl Imports {
    /// Imports by a command.
    pub(crate) fn new(command: ImportCommand) -> Self {
        Self { command, free: Semaphore::new(IMPORTS_AT_ONCE) }
    }

    async fn import(&self, request: &ImportRequest) -> Result<ImportReply> {
        let _permit = self.free.acquire().await?;
        let mut command = match (self.command)(request) {
            Ok(command) => tokio::process::Command::from(command),
            Err(error) => return Ok(ImportReply { succeeded: false, said: format!("{error:#}") }),
        };
        // The process ends with us: it reads standard input, which ends when we are gone.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("cannot start an import")?;
        let stdin = process.stdin.take();
        let mut said = Vec::new();
        if let Some(stderr) = process.stderr.take() {
            let mut beginning = stderr.take(MAX_SAID_BYTES);
            beginning.read_to_end(&mut said).await?;
            // The process must not wait until somebody reads the rest.
            tokio::io::copy(&mut beginning.into_inner(), &mut tokio::io::sink()).await?;
        }
        let status = process.wait().await?;
        drop(stdin);
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(ImportReply { succeeded: status.success(), said })
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn nothing<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("a worker of heaplake imports; it has nothing else by this protocol"))
}

#[tonic::async_trait]
impl FlightService for Imports {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let action = request.into_inner();
        if action.r#type != IMPORT {
            return nothing();
        }
        let request: ImportRequest = serde_json::from_slice(&action.body)
            .map_err(|error| Status::invalid_argument(format!("this is not an import: {error}")))?;
        let failed = |error: anyhow::Error| Status::internal(format!("{error:#}"));
        let reply = self.import(&request).await.map_err(failed)?;
        let body = serde_json::to_vec(&reply).map_err(|error| failed(error.into()))?;
        let answer = arrow_flight::Result { body: body.into() };
        Ok(Response::new(stream::once(async { Ok(answer) }).boxed()))
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        let import = ActionType { r#type: IMPORT.to_owned(), description: "imports one dump".to_owned() };
        Ok(Response::new(stream::once(async { Ok(import) }).boxed()))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        nothing()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        nothing()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        nothing()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        nothing()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        nothing()
    }

    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        nothing()
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        nothing()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        nothing()
    }
}

/// A worker, as a client knows it.
pub(crate) struct RemoteImporter {
    address: String,
    url: Url,
    connections: Connections,
    runtime: Arc<Runtime>,
}

impl RemoteImporter {
    /// The workers at some addresses.
    pub(crate) fn all(workers: Vec<Url>, connections: &Connections) -> Result<Importers> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let runtime = Arc::new(runtime);
        let importers = workers.into_iter().map(|url| {
            let (connections, runtime) = (connections.clone(), runtime.clone());
            let address = connections::address(&url);
            Box::new(Self { address, url, connections, runtime }) as Box<dyn Importer>
        });
        Ok(importers.collect())
    }

    async fn ask(&self, request: &ImportRequest) -> Result<ImportReply> {
        let channel = self.connections.channel(&self.url)?;
        let action = Action { r#type: IMPORT.to_owned(), body: serde_json::to_vec(request)?.into() };
        let said = |status: Status| anyhow!("{}", status.message());
        let mut answers =
            FlightServiceClient::new(channel).do_action(action).await.map_err(said)?.into_inner();
        let answer = answers.message().await.map_err(said)?.ok_or_else(|| anyhow!("no answer"))?;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

impl Importer for RemoteImporter {
    fn address(&self) -> &str {
        &self.address
    }

    fn import(&self, request: &ImportRequest, stop: &CancelToken) -> Result<ImportReply> {
        self.runtime.block_on(async {
            self.connections.check(&self.url).await.map_err(anyhow::Error::msg)?;
            tokio::select! {
                reply = self.ask(request) => reply,
                // The worker notices that the request is gone, and stops the import.
                () = stop.cancelled() => bail!("stopped"),
            }
        })
    }
}
