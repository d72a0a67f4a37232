//! Opening a store. The one place that knows the services apart, and where credentials come from.
//!
//! They come from where users of the service keep them, and from nowhere else. For S3 that is the environment (`AWS_ACCESS_KEY_ID`
//! and the other variables of the SDKs), a profile in `~/.aws`, a web identity, the container, the instance; for Google and Azure
//! what `object_store` takes from the environment and from the files that their command lines write.

use std::{env, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
};
use url::{Host, Url};

use crate::{
    Error, Location, Result,
    counter::TrafficCounter,
    error::redacted,
    foreign::{ForeignNames, Listings},
    location::Service,
    profile::{self, Profile},
};

/// How long one request may take, as settings of all services name it: a part of a large file has to pass through a slow line.
const LIMITS: [(&str, ClientConfigKey, Duration); 2] = [
    ("TIMEOUT", ClientConfigKey::Timeout, Duration::from_secs(180)),
    ("CONNECT_TIMEOUT", ClientConfigKey::ConnectTimeout, Duration::from_secs(10)),
];

/// What the emulator of Azure listens at, unless the environment says otherwise.
const AZURITE: &str = "http://127.0.0.1:10000";

/// A store that was opened. Nothing was asked of it yet.
pub(crate) struct OpenStore {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// What tells it from others in which the location may be, too: its address, if it is not the usual one, and the account.
    pub(crate) whose: String,
}

/// Opens the store of a location. `foreign` gets the names in its listings that no lake has, `counter` all that is asked.
pub(crate) fn store(
    location: &Location,
    foreign: &Arc<ForeignNames>,
    counter: &Arc<TrafficCounter>,
) -> Result<OpenStore> {
    let listings = Listings::new(foreign, counter);
    match location.service() {
        Service::S3 => s3(location.bucket(), listings),
        Service::Google => google(location.bucket(), listings),
        Service::Azure => azure(location.bucket(), listings),
    }
}

fn s3(bucket: &str, listings: Listings) -> Result<OpenStore> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let profile = profile::chosen(&variable)?;
    builder = profile.into_iter().fold(builder, with_profile);
    for (key, value) in limits("AWS") {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let endpoint = endpoint.iter().find_map(|key| builder.get_config_value(key));
    if let Some(endpoint) = &endpoint {
        builder = builder.with_allow_http(allows_http(endpoint, "AWS_ALLOW_HTTP")?);
    }
    let store = builder.with_retry(retries()).with_http_connector(listings).build();
    let store = store.map_err(|error| Error::Settings(redacted(&error.to_string())))?;
    Ok(OpenStore { store: Arc::new(store), whose: endpoint.unwrap_or_default() })
}

fn google(bucket: &str, listings: Listings) -> Result<OpenStore> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    for (key, value) in limits("GOOGLE") {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    let allows_http = endpoint.as_deref().map(|endpoint| allows_http(endpoint, "GOOGLE_ALLOW_HTTP"));
    // The client allows it unless it is told not to.
    let allows_http = allows_http.transpose()?.unwrap_or(false);
    builder = builder
        .with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), allows_http.to_string())
        .with_retry(retries())
        .with_http_connector(listings);
    let store = builder.build().map_err(|error| Error::Settings(of_google(&error)))?;
    Ok(OpenStore { store: Arc::new(store), whose: endpoint.unwrap_or_default() })
}

/// Why the client for Google cannot be made. What cannot be read as credentials may be quoted in the error, so that is not shown.
fn of_google(error: &object_store::Error) -> String {
    let text = redacted(&error.to_string());
    match text.find("Unable to open service account file") {
        Some(at) => text.split_at(at).1.to_owned(),
        None => "the credentials for Google Cloud cannot be used: GOOGLE_APPLICATION_CREDENTIALS or \
                 GOOGLE_SERVICE_ACCOUNT names a file with the key of a service account, and `gcloud auth \
                 application-default login` makes one for a user"
            .to_owned(),
    }
}

fn azure(container: &str, listings: Listings) -> Result<OpenStore> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(container);
    for (key, value) in limits("AZURE") {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    let is_emulator = builder.get_config_value(&AzureConfigKey::UseEmulator).is_some_and(|set| is_true(&set));
    let account = builder.get_config_value(&AzureConfigKey::AccountName).filter(|name| !name.is_empty());
    if account.is_none() && !is_emulator {
        let what = "AZURE_STORAGE_ACCOUNT_NAME has to say which account has the container";
        return Err(Error::Settings(what.to_owned()));
    }
    let endpoint = match is_emulator {
        true => Some(variable("AZURITE_BLOB_STORAGE_URL").unwrap_or_else(|| AZURITE.to_owned())),
        false => builder.get_config_value(&AzureConfigKey::Endpoint),
    };
    if let Some(endpoint) = &endpoint {
        builder = builder.with_allow_http(allows_http(endpoint, "AZURE_ALLOW_HTTP")?);
    }
    let store = builder.with_retry(retries()).with_http_connector(listings).build();
    // An error may quote a key in parts.
    let what =
        "the settings for Azure cannot be used: is the key or the token in AZURE_STORAGE_... complete?";
    let store = store.map_err(|_| Error::Settings(what.to_owned()))?;
    let whose = format!("{}/{}", endpoint.unwrap_or_default(), account.unwrap_or_default());
    Ok(OpenStore { store: Arc::new(store), whose })
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// As the client reads a setting that is true or not.
fn is_true(setting: &str) -> bool {
    ["1", "true", "on", "yes", "y"].contains(&setting.to_ascii_lowercase().as_str())
}

/// Limits that the environment does not set, as suits files that are sent in large parts.
fn limits(service: &str) -> impl Iterator<Item = (ClientConfigKey, String)> {
    LIMITS.into_iter().filter_map(move |(name, key, limit)| {
        let is_set = variable(&format!("{service}_{name}")).is_some();
        (!is_set).then(|| (key, format!("{} seconds", limit.as_secs())))
    })
}

/// How the client repeats requests that a store could not answer; `requests` does so a few times more, for all that may pass.
fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(8),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 6, retry_timeout: Duration::from_secs(120) }
}

fn with_profile(mut builder: AmazonS3Builder, profile: Profile) -> AmazonS3Builder {
    for (key, value) in profile.settings {
        let is_known = key.parse::<AmazonS3ConfigKey>();
        // What the environment says takes precedence.
        if let Ok(known) = is_known
            && builder.get_config_value(&known).is_none()
        {
            builder = builder.with_config(known, value);
        }
    }
    builder
}

/// Whether requests need no encryption: of an endpoint on this machine, or if the environment allows it. Others are refused, since
/// they could be read on the way.
fn allows_http(endpoint: &str, permission: &str) -> Result<bool> {
    let shown = redacted(endpoint);
    let wrong = |what: &str| Error::Settings(format!("the endpoint {shown} {what}"));
    let url = Url::parse(endpoint).map_err(|_| wrong("is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("has credentials or parameters; they do not belong there"));
    }
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(false),
        "http" if is_here || variable(permission).is_some_and(|set| is_true(&set)) => Ok(true),
        "http" => Err(wrong(&format!("is not encrypted; {permission}=true allows it"))),
        _ => Err(wrong("is neither https nor http")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_encrypted_or_here() {
        let check = |endpoint| allows_http(endpoint, "NO_SUCH_ALLOW_HTTP");
        assert!(!check("https://s3.example.com").unwrap());
        for endpoint in ["http://127.0.0.1:5000", "http://localhost", "http://[::1]:9"] {
            assert!(check(endpoint).unwrap(), "{endpoint}");
        }
        for endpoint in ["http://minio:9000", "http://u:hunter2@localhost", "ftp://localhost", "nothing"] {
            let error = check(endpoint).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
