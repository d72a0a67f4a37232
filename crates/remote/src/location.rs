//! Where a lake in an object store is: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

use std::fmt;

use object_store::path::Path;

use crate::{Error, Result, error::without_secrets};

/// The services whose stores can have lakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage. What others call a bucket is a container of an account there.
    Azure,
}

impl Service {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    /// What an address begins with.
    fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3://",
            Self::Google => "gs://",
            Self::Azure => "az://",
        }
    }
}

/// Where a lake is: a bucket and a prefix. It has no credentials, so it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    service: Service,
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
        let rest_of = |service: Service| Some((service, text.strip_prefix(service.scheme())?));
        let Some((service, rest)) = Service::ALL.into_iter().find_map(rest_of) else {
            return Err(wrong(
                "an address of a lake in an object store is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
            ));
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
        Ok(Self { service, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
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

    pub(crate) fn service(&self) -> Service {
        self.service
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{}{}{slash}{}", self.service.scheme(), self.bucket, self.prefix)
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
            ("gs://heaps.example.com/a", "gs://heaps.example.com/a"),
            ("az://heaps/a/", "az://heaps/a"),
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
            "gcs://heaps/a",
            "az://key:hunter2@heaps/a",
            "az://heaps/a?sig=hunter2",
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
}
