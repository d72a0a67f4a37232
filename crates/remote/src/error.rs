//! Errors of lakes in object stores, by what the caller can do about them. No text of theirs has credentials.

use std::{error::Error as _, io};

use heaplake_model::{DumpId, Remedy};
use heaplake_store::JsonFault;

/// What can go wrong with a lake in an object store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text does not say where a lake is.
    #[error("{text}: {what}")]
    Location {
        /// The text, without what may be secret.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// The settings of the environment or of a profile cannot be used.
    #[error("{0}")]
    Settings(String),
    /// There is no lake.
    #[error("{0} is not a lake (it has no heaplake.json)")]
    NotALake(String),
    /// The lake was written by a newer or an older heaplake.
    #[error("{object} has format version {found}, this heaplake reads {}", heaplake_store::FORMAT_VERSION)]
    OtherFormat {
        /// The lake or the manifest.
        object: String,
        /// Its version.
        found: u32,
    },
    /// The store does not let us.
    #[error("{object}: {why}")]
    Denied {
        /// What was asked for.
        object: String,
        /// Why.
        why: String,
    },
    /// A request failed, again and again.
    #[error("{object}: {why}")]
    Request {
        /// What was asked for.
        object: String,
        /// Why.
        why: String,
    },
    /// There is no such object.
    #[error("{0}: it is missing")]
    Missing(String),
    /// An object is not what it should be.
    #[error("{object}: {what}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// The name is in use.
    #[error("{lake} has another dump {dump} already")]
    DumpExists {
        /// The lake that has it.
        lake: String,
        /// The dump.
        dump: DumpId,
    },
    /// Another process changed the dump at the same time.
    #[error("the dump {0} was replaced or removed meanwhile; nothing was changed, try again")]
    DumpChanged(DumpId),
    /// The user stopped the work.
    #[error("stopped")]
    Cancelled,
    /// The folder lake is the trouble.
    #[error(transparent)]
    Local(#[from] heaplake_store::Error),
    /// A local file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The threads for requests cannot be had.
    #[error("cannot start threads for requests: {0}")]
    Threads(std::io::Error),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::DumpExists { .. } => Some(Remedy::ReplaceDump),
            Self::Denied { .. } => Some(Remedy::GiveCredentials),
            Self::NotALake(_) => Some(Remedy::PushDump),
            Self::Local(error) => error.remedy(),
            _ => None,
        }
    }

    /// Whether the user stopped the work.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Local(heaplake_store::Error::Cancelled))
    }

    pub(crate) fn faulty(object: String, fault: JsonFault) -> Self {
        match fault {
            JsonFault::OtherFormat(found) => Self::OtherFormat { object, found },
            JsonFault::Damaged(what) => Self::Damaged { object, what },
        }
    }

    /// The error of a request about an object.
    pub(crate) fn of_request(object: String, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        if lacks_credentials(error) {
            let why = "there are no credentials: none in the environment, in no profile, and this machine has no role";
            return Self::Denied { object, why: why.to_owned() };
        }
        let why = in_words(error);
        match error {
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::Denied { object, why },
            E::NotFound { .. } if why == ABSENT => Self::Missing(object),
            _ => Self::Request { object, why },
        }
    }
}

const ABSENT: &str = "it is missing";

/// What a store answered, or why there was no answer: the deepest cause, which alone says something to users.
fn in_words(error: &object_store::Error) -> String {
    let texts = texts(error);
    let part = |tag: &str| {
        let rest = texts.iter().find_map(|text| Some(text.split_once(&format!("<{tag}>"))?.1))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    match (part("Code"), error) {
        (Some(code), object_store::Error::NotFound { .. })
            if ["NoSuchKey", "BlobNotFound"].contains(&&*code) =>
        {
            ABSENT.to_owned()
        }
        // Azure has the number of the request and the time below its message.
        (Some(code), _) => match part("Message").as_deref().and_then(|message| message.lines().next()) {
            Some(message) => format!("{code}: {message}"),
            None => code,
        },
        // Without a body, as answers to HEAD are.
        (None, object_store::Error::NotFound { .. }) => ABSENT.to_owned(),
        (None, _) => {
            let why = redacted(texts.last().map_or("", String::as_str));
            match texts.iter().find_map(|text| host_in(text)) {
                Some(host) if !why.contains(host) => format!("{why} (asking {host})"),
                _ => why,
            }
        }
    }
}

/// An error and its causes, as far as they say anything.
fn texts(error: &object_store::Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(found) = cause {
        texts.push(found.to_string());
        cause = found.source();
    }
    texts.retain(|text| !text.is_empty());
    texts
}

/// What is asked of a machine for the credentials of its role: by S3, Google, Azure.
const METADATA: [&str; 4] =
    ["/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/oauth2/token"];

/// Whether no source has credentials: the machine is asked last, and it has no role or is not an instance.
pub(crate) fn lacks_credentials(error: &object_store::Error) -> bool {
    let is_of_machine = |text: &String| METADATA.iter().any(|path| text.contains(path));
    texts(error).iter().any(is_of_machine)
}

/// The host of the first address in a text.
fn host_in(text: &str) -> Option<&str> {
    let (_, address) = text.split_once("://")?;
    let address = address.split(char::is_whitespace).next()?;
    without_secrets(address).split('/').next().filter(|host| !host.is_empty())
}

/// A text with what may be secret left out of the addresses in it: users, passwords, query strings.
pub(crate) fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'`)>".contains(c)).unwrap_or(after.len());
        let (address, following) = after.split_at(end);
        out.push_str(without_secrets(address));
        rest = following;
    }
    out + rest
}

/// What follows `://` in an address, without user, password and query string. Any of them may have any character.
pub(crate) fn without_secrets(address: &str) -> &str {
    let after_user = address.rsplit('@').next().unwrap_or_default();
    after_user.split(['?', '#']).next().unwrap_or_default()
}

/// The error as one of a lake's folder.
pub(crate) fn into_io(error: Error) -> io::Error {
    match error {
        Error::Missing(_) => io::ErrorKind::NotFound.into(),
        error if error.is_cancelled() => io::Error::new(io::ErrorKind::Interrupted, error),
        Error::Damaged { .. } => io::Error::new(io::ErrorKind::InvalidData, error),
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_has_what_may_be_secret() {
        for (text, redacted_text) in [
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("s3://key:secret@bucket/a", "s3://bucket/a"),
            ("s3://key:sec/ret@bucket/a", "s3://bucket/a"),
            ("s3://key:sec?ret@bucket/a", "s3://bucket/a"),
            ("GET http://h:5/b?X-Amz-Signature=1#x failed", "GET http://h:5/b failed"),
            ("(https://u@h/?q) and \"https://v:w@h\"", "(https://h/) and \"https://h\""),
            ("nothing", "nothing"),
            ("://", "://"),
        ] {
            assert_eq!(redacted(text), redacted_text, "{text}");
        }
    }
}
