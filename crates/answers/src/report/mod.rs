//! A report on dumps, as data: what leaks, what is in it, what grew, who holds it, what is wasted, and how it was made.
//!
//! Every part of it is the answer of a question that a command asks as well, with the SQL that gives it; the caller words the
//! commands ([`ReportWords`]). A part without rows says why. Lists and trees have a bound, and say how much there is beyond it.
//! Texts of dumps are in it as they are, cut at [`MAX_CHARS`], or masked ([`ReportOptions::redact`]).
//!
//! docs/report.md describes the data, docs/report.schema.json is its schema.

mod chart;
mod paths;
mod picture;
mod redact;
mod sections;
mod table;
mod tree;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use heaplake_store::Manifest;
use serde::Serialize;

use self::sections::Builder;
pub use self::{
    chart::{ChartLine, ReportChart},
    paths::{ReportBranch, ReportPathLine, ReportPaths},
    picture::{ReportBar, ReportBars, ReportPicture},
    table::{ReportColumn, ReportTable},
    tree::{ReportNode, ReportTree, TreePicture},
};
use crate::{FrameQuestion, GroupBy, Metric, PathMerge, Result, Session, Suspect, TopBy};

/// The version of the data; it changes when a program that reads it would have to.
pub const REPORT_FORMAT: &str = "heaplake-report/1";
/// Characters of a text; what is longer is cut.
pub const MAX_CHARS: usize = 240;

/// What a report is of.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Its title; default one with the name of the newest dump.
    pub title: Option<String>,
    /// Selects the dumps; without one, the newest and the earlier ones that belong to it.
    pub dumps: Vec<String>,
    /// Whether values, names and keys are masked.
    pub redact: bool,
    /// When it is made.
    pub made: DateTime<Utc>,
}

/// How the caller words the commands that give the same as a part.
pub struct ReportWords<'w> {
    /// A command.
    pub command: &'w CommandWords<'w>,
    /// The commands that show a suspect.
    pub suspect: &'w SuspectWords<'w>,
}

/// Words the commands that show a suspect found in these dumps.
type SuspectWords<'w> = dyn Fn(&Suspect, &[Arc<Manifest>]) -> Vec<String> + Sync + 'w;
/// Words a command.
type CommandWords<'w> = dyn Fn(&ReportCommand<'_>) -> String + Sync + 'w;

/// A question that a command asks.
#[derive(Debug, Clone, Copy)]
pub enum ReportCommand<'c> {
    /// The report itself.
    Report,
    /// What leaks.
    Suspects,
    /// The largest by what they retain, with rows at most.
    Top(TopBy, u32),
    /// Chains of types.
    Chains(u32),
    /// How types or holders grow over the dumps of a selector, with rows at most.
    Trend(&'c str, GroupBy, Metric, u32),
    /// The difference of the first and the newest dump, with rows at most.
    Diff(GroupBy, u32),
    /// A query of the library with its arguments.
    Query(&'c str, &'c [(String, String)]),
    /// The paths of a pattern.
    Path(&'c str),
    /// The paths of a pattern, merged to a tree.
    PathTree(&'c str, PathMerge),
    /// The paths of a pattern by what they have in common.
    PathClusters(&'c str),
    /// A flame graph or treemap.
    Frames(&'c FrameQuestion, TreePicture),
    /// A statement.
    Sql(&'c str),
}

/// A report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: &'static str,
    /// Its title.
    pub title: String,
    /// The version of heaplake.
    pub heaplake: &'static str,
    /// When it was made.
    pub made: DateTime<Utc>,
    /// What was masked; `None` if nothing was.
    pub redacted: Option<String>,
    /// The answer in a sentence or two.
    pub verdict: String,
    /// The dump that questions about one dump ask.
    pub newest: String,
    /// The dumps, oldest first.
    pub dumps: Vec<ReportDump>,
    /// What it says, in the order in which it is read.
    pub sections: Vec<ReportSection>,
}

/// A dump of the report.
#[derive(Debug, Clone, Serialize)]
pub struct ReportDump {
    /// Its name.
    pub id: String,
    /// When it was taken.
    pub taken: DateTime<Utc>,
    /// Objects.
    pub objects: u64,
    /// Bytes of their shallow sizes.
    pub bytes: i64,
}

/// A section.
#[derive(Debug, Clone, Serialize)]
pub struct ReportSection {
    /// Names it in links.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it says, in sentences.
    pub summary: String,
    /// Why it has no data; `None` if it has.
    pub missing: Option<String>,
    /// What must be known to read it: bounds, what is not known.
    pub notes: Vec<String>,
    /// Its parts.
    pub parts: Vec<ReportPart>,
}

/// A part of a section.
#[derive(Debug, Clone, Serialize)]
pub struct ReportPart {
    /// Names it in links; unique in the report.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What gives the same.
    pub source: ReportSource,
    /// What it shows.
    pub content: ReportContent,
}

/// What gives the figures of a part.
#[derive(Debug, Clone, Serialize)]
pub struct ReportSource {
    /// The command.
    pub command: String,
    /// The statement.
    pub sql: String,
    /// The dump that its bare table names mean.
    pub dump: String,
}

/// What a part shows.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ReportContent {
    /// Suspects.
    Suspects(ReportSuspects),
    /// Rows.
    Table(ReportTable),
    /// Series over the dumps.
    Chart(ReportChart),
    /// A tree, as flame graph or as treemap.
    Tree(ReportTree),
    /// Merged paths.
    Paths(ReportPaths),
    /// What changed; of pictures alone.
    Bars(ReportBars),
}

/// Suspects.
#[derive(Debug, Clone, Serialize)]
pub struct ReportSuspects {
    /// Those that are believed to leak, the likeliest first.
    pub suspects: Vec<ReportSuspect>,
    /// The likeliest of those that are not.
    pub others: Vec<ReportSuspect>,
    /// How many were looked at.
    pub candidates: u64,
}

/// A suspect.
#[derive(Debug, Clone, Serialize)]
pub struct ReportSuspect {
    /// From 1, the likeliest.
    pub rank: i64,
    /// What it is, in a sentence.
    pub headline: String,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
    /// `proved` by the dump itself, or `judged`.
    pub basis: &'static str,
    /// Why people live with it, when and who says so; `None` if it is not accepted.
    pub accepted: Option<String>,
    /// The name of the pattern.
    pub idiom: String,
    /// The object that must let go, `@0x...`; `None` if no object is to blame.
    pub holder: Option<String>,
    /// Its type.
    pub holder_type: String,
    /// The expression by which the program reaches it.
    pub held_by: Option<String>,
    /// Its path in the dominator tree.
    pub holder_path: String,
    /// What accumulates.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many there are.
    pub count: i64,
    /// How many more than in the first dump.
    pub count_growth: Option<i64>,
    /// Bytes that would be freed with the content of the holder.
    pub retained: i64,
    /// How much more than in the first dump.
    pub retained_growth: Option<i64>,
    /// Bytes an hour; `None` where the dumps are less than a minute apart.
    pub per_hour: Option<f64>,
    /// The shape of the growth.
    pub shape: Option<String>,
    /// Facts that speak for it or against it.
    pub evidence: Vec<String>,
    /// What to do.
    pub advice: String,
    /// A short way to the holder from a module or another root.
    pub path: String,
    /// The commands that show it.
    pub commands: Vec<String>,
}

impl Report {
    /// Makes a report. `session` is of all dumps, and its bare table names mean the newest of `dumps`, which are oldest first;
    /// `asked` says why these.
    pub fn new(
        session: &Session,
        dumps: &[Arc<Manifest>],
        asked: &str,
        options: &ReportOptions,
        words: &ReportWords<'_>,
    ) -> Result<Self> {
        let mut report = Builder::new(session, dumps, options, words)?.report(asked)?;
        if options.redact {
            redact::mask(&mut report, session, dumps)?;
        }
        Ok(report)
    }

    /// The data as JSON, one object.
    pub fn json(&self) -> Result<String> {
        json(self)
    }
}

fn json(data: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(data);
    text.map_err(|error| crate::Error::Internal(format!("a report cannot be written as JSON: {error}")))
}
