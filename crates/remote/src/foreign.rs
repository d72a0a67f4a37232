//! Objects below the prefix of a lake that no lake has: of other programs, or with names that cannot be paths.
//!
//! A store takes any text for a name: `a//b`, `../a`, one with a line break. The client refuses a whole listing for one such name, so
//! [`Listings`] takes these objects out of what a store answers, before the client reads it. What is taken out, and what has a name
//! that no file of a lake has, is kept here to be reported.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService},
    path::Path,
};

use crate::counter::{CountedConnector, TrafficCounter};

/// The names of foreign objects, each of them once.
#[derive(Debug, Default)]
pub(crate) struct ForeignNames(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    /// Not reported yet.
    new: BTreeSet<String>,
    reported: BTreeSet<String>,
}

impl ForeignNames {
    pub(crate) fn add(&self, name: &str) {
        let mut names = self.lock();
        if !names.reported.contains(name) {
            names.new.insert(name.to_owned());
        }
    }

    /// Those that came since this was asked before.
    pub(crate) fn take_new(&self) -> BTreeSet<String> {
        let mut names = self.lock();
        let new = mem::take(&mut names.new);
        names.reported.extend(new.iter().cloned());
        new
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes clients whose requests are counted, and whose listings have only names that can be paths.
#[derive(Debug, Clone)]
pub(crate) struct Listings {
    foreign: Arc<ForeignNames>,
    connector: CountedConnector,
}

impl Listings {
    pub(crate) fn new(foreign: &Arc<ForeignNames>, counter: &Arc<TrafficCounter>) -> Self {
        Self { foreign: Arc::clone(foreign), connector: CountedConnector(Arc::clone(counter)) }
    }
}

impl HttpConnector for Listings {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.connector.connect(options)?;
        Ok(HttpClient::new(ListingClient { client, foreign: Arc::clone(&self.foreign) }))
    }
}

#[derive(Debug)]
struct ListingClient {
    client: HttpClient,
    foreign: Arc<ForeignNames>,
}

#[async_trait]
impl HttpService for ListingClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let format = ListFormat::of_request(&request);
        let response = self.client.execute(request).await?;
        let Some(format) = format.filter(|_| response.status().is_success()) else { return Ok(response) };
        let (parts, body) = response.into_parts();
        let body = format.without_foreign(body.bytes().await?, &self.foreign);
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

/// How a listing has its objects and folders: an element for each, and in that one with the name. None of them is nested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ListFormat {
    object: (&'static str, &'static str),
    folder: (&'static str, &'static str),
}

impl ListFormat {
    /// S3, and Google as it speaks that protocol.
    const S3: Self = Self { object: ("Contents", "Key"), folder: ("CommonPrefixes", "Prefix") };
    const AZURE: Self = Self { object: ("Blob", "Name"), folder: ("BlobPrefix", "Name") };

    /// That of the answer to a request; `None` if this is not a listing.
    fn of_request(request: &HttpRequest) -> Option<Self> {
        let parameters = request.uri().query()?.split('&');
        let is_get = request.method().as_str() == "GET";
        let mut parameters = parameters.filter(|_| is_get);
        parameters.find_map(|parameter| match parameter {
            "list-type=2" => Some(Self::S3),
            "comp=list" => Some(Self::AZURE),
            _ => None,
        })
    }

    /// A listing without the objects and folders whose names cannot be paths. One that is not understood stays as it is, for the
    /// client to refuse it.
    fn without_foreign(self, listing: Bytes, foreign: &ForeignNames) -> Bytes {
        let Ok(text) = str::from_utf8(&listing) else { return listing };
        let objects = without(text, self.object, |name| match name {
            name if is_path(name) => true,
            // What consoles show as a folder.
            name if name.strip_suffix('/').is_some_and(is_path) => false,
            name => {
                foreign.add(name);
                false
            }
        });
        let is_folder = |name: &str| is_path(name.strip_suffix('/').unwrap_or(name));
        without(&objects, self.folder, is_folder).into()
    }
}

/// A text without the elements whose names are not wanted.
fn without(text: &str, (outer, inner): (&str, &str), is_wanted: impl Fn(&str) -> bool) -> String {
    let (start, end) = (format!("<{outer}>"), format!("</{outer}>"));
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, content, after)) = element(rest, &start, &end) {
        kept.push_str(before);
        if is_wanted(&name_in(content, inner)) {
            kept.push_str(&rest[before.len()..rest.len() - after.len()]);
        }
        rest = after;
    }
    kept + rest
}

/// The name in an element; what cannot be read begins with a `/`, so that it is no path.
fn name_in(content: &str, inner: &str) -> String {
    let found = element(content, &format!("<{inner}"), &format!("</{inner}>"));
    match found.and_then(|(_, name, _)| name.split_once('>')) {
        Some(("", name)) => {
            quick_xml::escape::unescape(name).map_or_else(|_| format!("/{name}"), String::from)
        }
        // Azure says in an attribute that a name is encoded, because it has characters that XML has not.
        Some((_, name)) => format!("/{name}"),
        None => "/".to_owned(),
    }
}

/// The text before the first element, what is in it, and the text after it.
fn element<'t>(text: &'t str, start: &str, end: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let (before, rest) = text.split_once(start)?;
    let (content, after) = rest.split_once(end)?;
    Some((before, content, after))
}

/// Whether the client takes a name for a path, and for no other one.
fn is_path(name: &str) -> bool {
    Path::parse(name).is_ok_and(|path| path.as_ref() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(format: ListFormat, names: &[&str]) -> String {
        let (object, name) = format.object;
        let objects =
            names.iter().map(|text| format!("<{object}><{name}>{text}</{name}><Size>1</Size></{object}>"));
        format!("<?xml?><List><Name>heaps</Name><Blobs>{}</Blobs></List>", objects.collect::<String>())
    }

    #[test]
    fn a_listing_keeps_what_can_be_a_path() {
        for format in [ListFormat::S3, ListFormat::AZURE] {
            let good = ["a/dumps/x.json", "a/dumps/a b.txt", "a/dumps/a&amp;b", "a/dumps/ä"];
            let bad = ["a/../b", "a//b", "a/./b", "/a", "a/\u{1}", "a/&#10;b", "a/&nonsense;"];
            let foreign = ForeignNames::default();
            let mixed: Vec<&str> = bad.iter().chain(&good).chain(&["a/dumps/"]).copied().collect();
            let kept = format.without_foreign(listing(format, &mixed).into(), &foreign);
            assert_eq!(kept, listing(format, &good));
            assert_eq!(foreign.take_new().len(), bad.len());
            // Each is reported once.
            format.without_foreign(listing(format, &mixed).into(), &foreign);
            assert_eq!(foreign.take_new(), BTreeSet::new());
        }
    }

    #[test]
    fn folders_are_kept_if_they_can_be_paths() {
        for (format, folder) in [(ListFormat::S3, "Prefix"), (ListFormat::AZURE, "Name")] {
            let outer = format.folder.0;
            let element = |name: &str| format!("<{outer}><{folder}>{name}</{folder}></{outer}>");
            let listing = format!("<List>{}{}</List>", element("a/b/"), element("a//"));
            let kept = format.without_foreign(listing.into(), &ForeignNames::default());
            assert_eq!(kept, format!("<List>{}</List>", element("a/b/")));
        }
    }

    #[test]
    fn what_is_not_understood_stays() {
        for text in ["", "<Contents>", "<Contents><Key>", "</Contents>", "\u{0}"] {
            let kept = ListFormat::S3.without_foreign(text.into(), &ForeignNames::default());
            assert_eq!(kept, text);
        }
    }
}
