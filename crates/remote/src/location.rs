//! Where a lake in an object store is: `s3://bucket/prefix`. The one place that opens a store.
//!
//! Credentials come from where users of the store keep them, and from nowhere else: the environment (`AWS_ACCESS_KEY_ID` and
//! the other variables of the SDKs), a profile in `~/.aws`, a web identity, the container, the instance.

use std::{env, fmt, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
};
use url::{Host, Url};

use crate::{
    Error, Result,
    error::{redacted, without_secrets},
    profile::{self, Profile},
};

/// The scheme of addresses that this crate understands.
const SCHEME: &str = "s3://";

/// How long one request may take: a part of a large file has to pass through a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(180);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a lake is: a bucket and a prefix. It has no credentials, so it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    bucket: String,
    /// Without `/` at either end; empty for the whole bucket.
    prefix: String,
}

impl Location {
    /// Whether a text names a place in a store, well or badly, and not a folder.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads an address such as `s3://bucket/prefix`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
            let text = format!("{scheme}://{}", without_secrets(rest));
            Error::Location { text, what: what.to_owned() }
        };
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err(wrong("an address of a lake in an object store is s3://BUCKET/PREFIX"));
        };
        if rest.contains(['@', '?', '#']) {
            return Err(wrong(
                "an address has no credentials and no parameters; they come from the environment",
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_of_bucket = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if bucket.is_empty() || !bucket.chars().all(is_of_bucket) {
            return Err(wrong("it has no name of a bucket"));
        }
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |part: &str| {
            !["", ".", ".."].contains(&part)
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-=+,".contains(c))
        };
        if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
            return Err(wrong("a prefix has letters, digits and ._-=+, between single slashes"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The name of an object in the bucket, by its path in the lake.
    pub(crate) fn key(&self, path: &str) -> Path {
        // Both are of characters that need no escapes.
        if self.prefix.is_empty() { Path::from(path) } else { Path::from(format!("{}/{path}", self.prefix)) }
    }

    /// The path in the lake of an object; `None` for one elsewhere in the bucket.
    pub(crate) fn path_of<'k>(&self, key: &'k Path) -> Option<&'k str> {
        match self.prefix.as_str() {
            "" => Some(key.as_ref()),
            prefix => key.as_ref().strip_prefix(prefix)?.strip_prefix('/'),
        }
    }

    /// Opens the store, and says at which address if not at Amazon's. Asks it nothing yet.
    pub(crate) fn open(&self) -> Result<(Arc<dyn ObjectStore>, Option<String>)> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&self.bucket);
        let profile = profile::chosen(&variable)?;
        builder = profile.into_iter().fold(builder, with_profile);
        // As the environment says, or else as suits files that are sent in large parts.
        for (name, key, limit) in [
            ("AWS_TIMEOUT", "timeout", REQUEST_TIMEOUT),
            ("AWS_CONNECT_TIMEOUT", "connect_timeout", CONNECT_TIMEOUT),
        ] {
            if variable(name).is_none() {
                builder = with_setting(builder, key, &format!("{} seconds", limit.as_secs()));
            }
        }
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        let endpoint = endpoint.iter().find_map(|key| builder.get_config_value(key));
        if let Some(endpoint) = &endpoint {
            builder = check_endpoint(builder, endpoint, variable("AWS_ALLOW_HTTP").as_deref())?;
        }
        let store = builder.with_retry(retries()).build();
        let store = store.map_err(|error| Error::Settings(redacted(&error.to_string())))?;
        Ok((Arc::new(store), endpoint))
    }
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

fn with_setting(builder: AmazonS3Builder, key: &str, value: &str) -> AmazonS3Builder {
    match key.parse::<AmazonS3ConfigKey>() {
        Ok(key) => builder.with_config(key, value),
        Err(_) => builder,
    }
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

/// Refuses an endpoint whose requests could be read on the way, unless it is this machine or the environment allows it.
fn check_endpoint(
    builder: AmazonS3Builder,
    endpoint: &str,
    allowed: Option<&str>,
) -> Result<AmazonS3Builder> {
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
        "https" => Ok(builder),
        "http" if is_here => Ok(builder.with_allow_http(true)),
        "http" if allowed.is_some() => Ok(builder),
        "http" => Err(wrong("is not encrypted; AWS_ALLOW_HTTP=true allows it")),
        _ => Err(wrong("is neither https nor http")),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{SCHEME}{}{slash}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        for (text, shown) in [
            ("s3://heaps", "s3://heaps"),
            ("s3://heaps/", "s3://heaps"),
            ("s3://heaps/a/b-c.d/", "s3://heaps/a/b-c.d"),
        ] {
            assert_eq!(Location::parse(text).unwrap().to_string(), shown);
        }
        let location = Location::parse("s3://heaps/a/b").unwrap();
        let key = location.key("dumps/x.json");
        assert_eq!(key.as_ref(), "a/b/dumps/x.json");
        assert_eq!(location.path_of(&key), Some("dumps/x.json"));
        assert_eq!(location.path_of(&Path::from("a/bc/dumps/x.json")), None);
        assert_eq!(Location::parse("s3://heaps").unwrap().key("dumps").as_ref(), "dumps");
    }

    #[test]
    fn refuses_other_texts_without_showing_secrets() {
        for text in [
            "gs://heaps/a",
            "https://key:hunter2@heaps/a",
            "s3://key:hunter2@heaps/a",
            "s3://key:hun ter2?@heaps/a",
            "hunter2:x@heaps/a",
            "s3://heaps/a?X-Amz-Security-Token=hunter2",
            "s3://heaps/a#hunter2",
            "s3://",
            "s3:///a",
            "s3://heaps//a",
            "s3://heaps/../a",
            "s3://heaps/a b",
            "heaps",
        ] {
            let error = Location::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("ter2"), "{error}");
        }
    }

    #[test]
    fn an_endpoint_is_encrypted_or_here() {
        let check = |endpoint, allowed| check_endpoint(AmazonS3Builder::new(), endpoint, allowed).map(drop);
        for endpoint in
            ["https://s3.example.com", "http://127.0.0.1:5000", "http://localhost", "http://[::1]:9"]
        {
            assert!(check(endpoint, None).is_ok(), "{endpoint}");
        }
        assert!(check("http://minio:9000", Some("true")).is_ok());
        for endpoint in ["http://minio:9000", "http://u:hunter2@localhost", "ftp://localhost", "nothing"] {
            let error = check(endpoint, None).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
