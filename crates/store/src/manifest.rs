//! The manifest of a dump: `<lake>/dumps/<id>.json`, the commit point of an import.
//!
//! A dump exists if and only if its manifest does. The manifest names every file of the dump. A file that no manifest names
//! remains from an import that was interrupted.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::{DateTime, Utc};
use heaplake_model::{DumpId, Process, Runtime, schema::Table};
use serde::{Deserialize, Serialize};

use crate::{Error, FORMAT_VERSION, Result};

/// No file of a dump is larger: positions are reckoned with such numbers, and a manifest may say anything.
const MAX_FILE_BYTES: u64 = 1 << 50;

/// The number of the rules by which holders name objects of a runtime. Since 1 an object that several refer to is named by the
/// best way to it, and small global tables name their items by their keys. Since 2 the tables and nodes of collections are left out,
/// where a runtime has such. Raise it when names change: dumps with other rules are not comparable by holder.
pub(crate) fn naming(runtime: &Runtime) -> u32 {
    if runtime.has_collection_parts() { 2 } else { 1 }
}

/// Everything the lake knows of one dump without opening its tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout; see [`crate::FORMAT_VERSION`].
    pub format_version: u32,
    /// The dump's name.
    pub id: DumpId,
    /// When the process was dumped.
    pub taken: DateTime<Utc>,
    /// Where `taken` comes from.
    pub taken_from: TakenFrom,
    /// When the import was committed.
    pub imported: DateTime<Utc>,
    /// What was read.
    pub source: Source,
    /// The process that was dumped, as the dump describes it.
    #[serde(default, skip_serializing_if = "Process::is_empty")]
    pub process: Process,
    /// The tags that the user gave.
    pub tags: BTreeMap<String, String>,
    /// Totals.
    pub counts: Counts,
    /// Number of roots by kind.
    pub roots: BTreeMap<String, u64>,
    /// Whether `obj`, `root` and the types have the columns that come from the graph index.
    pub indexed: bool,
    /// By which rules `holder_stat` names objects, see [`naming`]; 0 in manifests of older versions and without an index.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub naming: u32,
    /// Number of issues by kind (the names of `IssueKind`); the issues themselves are in the table `issue`.
    pub issues: BTreeMap<String, u64>,
    /// When objects and references were pruned; only the summaries of such a dump remain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<DateTime<Utc>>,
    /// The dump's files.
    pub files: Vec<FileEntry>,
}

/// Changes to what the user says about a dump in the lake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpEdit {
    /// Tags to set; others stay.
    pub tags: BTreeMap<String, String>,
    /// Keys of tags to remove.
    pub unset: Vec<String>,
    /// A new time at which the process was dumped.
    pub taken: Option<DateTime<Utc>>,
}

/// Where the time of a dump comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TakenFrom {
    /// The user.
    User,
    /// The dump itself.
    Dump,
    /// The time of the source file.
    File,
    /// The time of the import, because nothing else was known.
    Import,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the file as given, `-` for standard input.
    pub file: String,
    /// Bytes read, before decompression.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hexadecimal.
    pub sha256: String,
    /// The dump format.
    pub format: String,
    /// How it was compressed: `none`, `gzip`, `zstd`, `xz` or `bzip2`.
    pub compression: String,
    /// Which of the heap dumps of the file it is, from 1, where one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
}

/// Totals of a dump.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects.
    pub objects: u64,
    /// References.
    pub edges: u64,
    /// References to objects that were never dumped.
    pub dangling: u64,
    /// Objects that no object of the dump refers to; weak references do not count.
    pub unreferenced: u64,
    /// Sum of shallow sizes in bytes.
    pub bytes: i64,
    /// Types.
    pub types: u64,
}

/// One Parquet file of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The table it is part of.
    pub table: Table,
    /// Path from the lake's folder, with `/`.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// XXH3-128 of the bytes, in hexadecimal.
    pub xxh3: String,
    /// Bytes at the end that are the footer, with its length and the mark; `None` if an older heaplake wrote the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer_bytes: Option<u64>,
}

impl Manifest {
    /// Orders dumps oldest first: by time taken, time imported, id.
    pub fn by_age(&self, other: &Self) -> Ordering {
        let key = |manifest: &Self| (manifest.taken, manifest.imported);
        key(self).cmp(&key(other)).then_with(|| self.id.cmp(&other.id))
    }

    /// The runtime of the process.
    pub fn runtime(&self) -> &'static Runtime {
        Runtime::of_any_format(&self.source.format)
    }

    /// Whether the dump names types with their module, as far as they have one.
    pub fn types_have_modules(&self) -> bool {
        self.runtime().types_have_modules(self.process.format)
    }

    /// The tags as they are shown: what the dump says about its process, and what the user says, which takes precedence.
    pub fn all_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.process.tags();
        tags.extend(self.tags.clone());
        tags
    }

    /// A tag as it is shown, see [`all_tags`](Self::all_tags).
    pub fn tag(&self, key: &str) -> Option<String> {
        self.tags.get(key).cloned().or_else(|| self.process.tag(key))
    }

    /// Takes what older manifests of captures have among their tags.
    pub(crate) fn with_process(mut self) -> Self {
        if self.process.is_empty() {
            self.process = Process::of_old_manifest(&self.source.format, &self.tags);
        }
        self
    }

    /// The files of one table.
    pub fn files_of(&self, table: Table) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(move |file| file.table == table)
    }

    /// An error if the dump was imported without its fields.
    pub fn check_fields(&self) -> Result<(), Error> {
        self.check_whole()?;
        let has_fields = self.files_of(Table::Field).next().is_some();
        if has_fields { Ok(()) } else { Err(Error::NoFields(self.id.clone())) }
    }

    /// Bytes of the files that stay when the dump is pruned.
    pub fn summary_bytes(&self) -> u64 {
        self.files.iter().filter(|file| file.table.is_summary()).map(|file| file.bytes).sum()
    }

    /// An error if objects and references were pruned.
    pub fn check_whole(&self) -> Result<(), Error> {
        match self.pruned {
            Some(at) => Err(Error::Pruned { dump: self.id.clone(), at }),
            None => Ok(()),
        }
    }

    /// Bytes of all files.
    pub fn stored_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Why the text of a file of a lake cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonFault {
    /// It is of another version of the format: this one.
    OtherFormat(u32),
    /// It is not what it should be.
    Damaged(String),
}

impl Manifest {
    /// Reads the text of a manifest, and checks that it is of this dump and names no file of others.
    pub fn parse(text: &[u8], id: &DumpId) -> Result<Self, JsonFault> {
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|error| JsonFault::Damaged(format!("it is not a manifest ({error})")))?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(JsonFault::OtherFormat(manifest.format_version));
        }
        match manifest.inconsistency(id) {
            Some(what) => Err(JsonFault::Damaged(what)),
            None => Ok(manifest.with_process()),
        }
    }

    /// What is inconsistent in the manifest, if anything. A manifest that passes names no file outside the dump's folders.
    pub(crate) fn inconsistency(&self, id: &DumpId) -> Option<String> {
        if self.id != *id {
            return Some(format!("it is the manifest of {}", self.id));
        }
        if let Some(file) = self.files.iter().find(|file| file.bytes > MAX_FILE_BYTES) {
            return Some(format!("it names a file of {} bytes: {:?}", file.bytes, file.path));
        }
        let stray = self.files.iter().find(|file| !crate::lake::is_file_of(&file.path, file.table, id));
        stray.map(|file| format!("it names a file that is not of the dump: {:?}", file.path))
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The present, as precisely as manifests have it.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default()
}

/// What is known of the runtime whose dumps have a format.
pub(crate) fn runtime_of(format: &str) -> Result<&'static Runtime> {
    Runtime::of_format(format).ok_or_else(|| heaplake_readers::unknown_format(format).into())
}
