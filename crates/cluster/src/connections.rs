//! Connections to workers: opened once, checked, with the credentials of the cluster.

use std::{
    collections::HashMap,
    net::{IpAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion_distributed::{
    ChannelResolver, GetWorkerInfoRequest, WorkerChannel,
    grpc::{BoxCloneSyncChannel, create_worker_client},
};
use tonic::{body::Body, transport::Endpoint};
use tower::ServiceExt as _;
use url::{Host, Url};

use crate::credentials::Credentials;

/// How long a worker may take to answer that it is there.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a connection that waits for rows is asked whether the other end still exists.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Connections by the address of the worker. Copies share them.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    credentials: Credentials,
    open: Arc<Mutex<HashMap<Url, BoxCloneSyncChannel>>>,
}

impl Connections {
    /// No connections yet.
    pub(crate) fn new(credentials: &Credentials) -> Self {
        Self { credentials: credentials.clone(), open: Arc::default() }
    }

    /// Asks a worker whether it is there and fits. An error says what is wrong.
    pub(crate) async fn check(&self, worker: &Url) -> Result<(), String> {
        let asked = async {
            let mut client = self.get_worker_client_for_url(worker).await.map_err(|error| cause(&error))?;
            let info = client.get_worker_info(GetWorkerInfoRequest {}).await;
            info.map_err(|error| cause(&error))
        };
        let info = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(info) => info,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        match info {
            Ok(info) if info.version == VERSION => Ok(()),
            Ok(info) => Err(format!("it is of version {}, this is version {VERSION}", info.version)),
            Err(what) => {
                self.all().remove(worker);
                Err(what)
            }
        }
    }

    /// A channel to a worker, which connects when it is used.
    pub(crate) fn channel(&self, worker: &Url) -> Result<BoxCloneSyncChannel, DataFusionError> {
        if let Some(open) = self.all().get(worker) {
            return Ok(open.clone());
        }
        let failed = |error: tonic::transport::Error| DataFusionError::External(Box::new(error));
        let mut endpoint = Endpoint::from_shared(worker.to_string())
            .map_err(failed)?
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(PATIENCE)
            .tcp_nodelay(true);
        if let Some(tls) = self.credentials.client_tls() {
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        let credentials = self.credentials.clone();
        let with_secret = move |mut request: http::Request<Body>| {
            credentials.add_to(request.headers_mut());
            request
        };
        let channel = BoxCloneSyncChannel::new(endpoint.connect_lazy().map_request(with_secret));
        self.all().insert(worker.clone(), channel.clone());
        Ok(channel)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Url, BoxCloneSyncChannel>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ChannelResolver for Connections {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        Ok(create_worker_client(self.channel(url)?))
    }
}

/// What both ends must have in common.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The innermost error, which says most.
fn cause(error: &DataFusionError) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The addresses in a text: `HOST:PORT`, or several with commas. A name with several addresses, as a service that stands for many
/// machines has them, is a worker at each.
pub(crate) fn addresses(text: &str, is_tls: bool) -> Result<Vec<Url>> {
    let scheme = if is_tls { "https" } else { "http" };
    let mut addresses = Vec::new();
    for address in text.split(',').map(str::trim).filter(|address| !address.is_empty()) {
        let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let url = Url::parse(&format!("{scheme}://{address}")).ok().filter(|url| {
            has_port && url.path() == "/" && url.query().is_none() && url.username().is_empty()
        });
        let Some(url) = url else {
            bail!("{address:?} is not the address of a worker; such an address is HOST:PORT");
        };
        for url in machines(&url) {
            if !addresses.contains(&url) {
                addresses.push(url);
            }
        }
    }
    if addresses.is_empty() {
        bail!("no worker is named; a worker is HOST:PORT, and several are separated by commas");
    }
    Ok(addresses)
}

/// The address as people write it.
pub(crate) fn address(worker: &Url) -> String {
    let host = worker.host_str().unwrap_or_default();
    worker.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A worker for each address of a name; the name itself where it has one address, or none.
fn machines(worker: &Url) -> Vec<Url> {
    let Some(Host::Domain(name)) = worker.host() else { return vec![worker.clone()] };
    // A name that is not known now fails when the worker is asked, with an error that says so.
    let found = (name, worker.port_or_known_default().unwrap_or_default()).to_socket_addrs();
    let found: Vec<IpAddr> = found.into_iter().flatten().map(|address| address.ip()).collect();
    per_address(worker, &found)
}

fn per_address(worker: &Url, found: &[IpAddr]) -> Vec<Url> {
    // A machine may have an address of each kind.
    let is_kind = |address: &&IpAddr| address.is_ipv4() || !found.iter().any(IpAddr::is_ipv4);
    let machines: Vec<&IpAddr> = found.iter().filter(is_kind).collect();
    if machines.len() < 2 {
        return vec![worker.clone()];
    }
    let at = |address: &&IpAddr| {
        let mut url = worker.clone();
        url.set_ip_host(**address).ok().map(|()| url)
    };
    machines.iter().filter_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_stand_for_many_machines() {
        let worker = Url::parse("http://workers:4711").unwrap();
        let per_address = |found: &[&str]| -> Vec<String> {
            let found: Vec<IpAddr> = found.iter().map(|address| address.parse().unwrap()).collect();
            super::per_address(&worker, &found).iter().map(Url::to_string).collect()
        };
        assert_eq!(per_address(&[]), ["http://workers:4711/"]);
        assert_eq!(per_address(&["10.0.0.1", "fe80::1"]), ["http://workers:4711/"]);
        assert_eq!(
            per_address(&["10.0.0.1", "fe80::1", "10.0.0.2"]),
            ["http://10.0.0.1:4711/", "http://10.0.0.2:4711/"]
        );
        assert_eq!(
            per_address(&["fe80::1", "fe80::2"]),
            ["http://[fe80::1]:4711/", "http://[fe80::2]:4711/"]
        );
    }

    #[test]
    fn reads_addresses() {
        let read =
            |text| addresses(text, false).map(|found| found.iter().map(Url::to_string).collect::<Vec<_>>());
        assert_eq!(
            read("127.0.0.1:4711, worker-2:4711,127.0.0.1:4711").unwrap(),
            ["http://127.0.0.1:4711/", "http://worker-2:4711/"]
        );
        assert_eq!(read("[::1]:4711").unwrap(), ["http://[::1]:4711/"]);
        for wrong in ["", " , ", "worker", "http://worker:1", "worker:port", "worker:1/path", "me@worker:1"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(addresses("w:1", true).unwrap()[0].scheme(), "https");
    }
}
