//! What is asked of object stores, counted where requests leave this machine, so that none is forgotten: reads and writes, parts of
//! large files, what the client repeats, and what it asks for credentials.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use heaplake_store::Traffic;
use http_body_util::BodyExt as _;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
        ReqwestConnector,
    },
};

/// Everything that this process has asked.
static PROCESS: TrafficCounter = TrafficCounter::new();

/// What this process has asked of all object stores so far.
pub fn process_traffic() -> Traffic {
    PROCESS.traffic()
}

/// Requests, and the bytes of their contents and of those of the answers, without headers.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounter {
    n_requests: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl TrafficCounter {
    const fn new() -> Self {
        Self {
            n_requests: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            n_requests: self.n_requests.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
        }
    }

    fn add(&self, requests: u64, received: u64, sent: u64) {
        for counter in [self, &PROCESS] {
            counter.n_requests.fetch_add(requests, Ordering::Relaxed);
            counter.received_bytes.fetch_add(received, Ordering::Relaxed);
            counter.sent_bytes.fetch_add(sent, Ordering::Relaxed);
        }
    }
}

/// Makes clients whose requests are counted.
#[derive(Debug, Clone)]
pub(crate) struct CountedConnector(pub(crate) Arc<TrafficCounter>);

impl HttpConnector for CountedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CountedClient { client, counter: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct CountedClient {
    client: HttpClient,
    counter: Arc<TrafficCounter>,
}

#[async_trait]
impl HttpService for CountedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.counter.add(1, 0, request.body().content_length() as u64);
        let (parts, body) = self.client.execute(request).await?.into_parts();
        let counter = Arc::clone(&self.counter);
        let body = body.inspect_frame(move |frame| {
            counter.add(0, frame.data_ref().map_or(0, |data| data.len() as u64), 0);
        });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}
