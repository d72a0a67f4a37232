//! A picture alone, as data for a page.

use serde::Serialize;

use super::ReportPart;

/// The version of the data.
const PICTURE_FORMAT: &str = "heaplake-picture/1";

/// A picture alone. It has no time, so that the same lake gives the same.
#[derive(Debug, Clone, Serialize)]
pub struct ReportPicture {
    format: &'static str,
    /// What it is of.
    pub title: String,
    /// The version of heaplake.
    pub heaplake: &'static str,
    /// What the whole is, in a sentence.
    pub about: String,
    /// What must be known to read it.
    pub notes: Vec<String>,
    /// The picture.
    pub part: ReportPart,
}

/// What changed between two dumps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportBars {
    /// What is measured: `bytes` or `number`.
    pub unit: &'static str,
    /// A bar for each that changed, what grew most first.
    pub bars: Vec<ReportBar>,
}

/// How much one changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportBar {
    /// What it is.
    pub name: String,
    /// In the earlier dump; `None` if it was not there.
    pub before: Option<i64>,
    /// In the later dump; `None` if it is not there.
    pub after: Option<i64>,
    /// By how much it grew.
    pub change: i64,
    /// New, gone, or what became of it.
    pub status: String,
}

impl ReportPicture {
    /// A picture with its title and what is said of it.
    pub fn new(title: String, about: String, notes: Vec<String>, part: ReportPart) -> Self {
        Self { format: PICTURE_FORMAT, title, heaplake: env!("CARGO_PKG_VERSION"), about, notes, part }
    }

    /// The data as JSON, one object.
    pub fn json(&self) -> crate::Result<String> {
        super::json(self)
    }
}
