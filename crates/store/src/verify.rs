//! Verification: are the files of a dump what its manifest says?

use std::{
    io::{self, Read},
    sync::atomic::{AtomicBool, Ordering},
};

use heaplake_model::{
    Remedy,
    schema::{ADDED_LATER, Table},
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use xxhash_rust::xxh3::Xxh3;

use crate::{AcceptedSuspects, Error, FileEntry, Lake, Manifest, Result, StoredFile, index, lake::LakePath};

/// Something that is wrong with a file of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file, from the lake's folder.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What the user can do about it.
    pub remedy: Option<Remedy>,
}

impl FileProblem {
    fn new(path: &str, what: String) -> Self {
        Self { path: path.to_owned(), what, remedy: None }
    }
}

impl Lake {
    /// Compares every file of a dump with its manifest: size, checksum, rows and columns; and the manifest with
    /// itself, and the graph index, if there is one, with its own checksums; and reads layers and names. Reads
    /// everything once. The result is empty if nothing is wrong.
    pub fn verify(&self, manifest: &Manifest, cancel: &AtomicBool) -> Result<Vec<FileProblem>> {
        let mut findings = Vec::new();
        for file in &manifest.files {
            let what = match check(&self.file(file), file, cancel) {
                Ok(what) => what,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => Some(error.to_string()),
            };
            findings.extend(what.map(|what| FileProblem::new(&file.path, what)));
        }
        findings.extend(index::check(self, manifest)?);
        for path in self.layer_paths(&manifest.id)? {
            findings.extend(finding(&path, self.layer_at(&path))?);
        }
        findings.extend(finding(&LakePath::names(&manifest.id), self.names(manifest))?);
        let path = LakePath::manifest(&manifest.id).to_string();
        // A file of types that cannot be read was reported already.
        let objects = self.types(manifest).ok().map(|types| types.iter().map(|stat| stat.count).sum());
        findings.extend(sums(manifest, objects).into_iter().map(|what| FileProblem::new(&path, what)));
        Ok(findings)
    }

    /// Reads the files of the lake that are of no dump and that a lake need not have: accepted suspects, and the addresses of workers.
    /// The result is empty if nothing is wrong.
    pub fn verify_lake(&self) -> Result<Vec<FileProblem>> {
        let accepted = finding(&LakePath::accepted(), AcceptedSuspects::read(&self.accepted_path()))?;
        let workers = finding(&LakePath::workers(), self.workers())?;
        Ok(accepted.into_iter().chain(workers).collect())
    }
}

/// What is wrong with a small file that could not be read.
fn finding<T>(path: &LakePath, read: Result<T>) -> Result<Option<FileProblem>> {
    let what = match read {
        Ok(_) => return Ok(None),
        Err(error @ (Error::Cancelled | Error::Io { .. })) => return Err(error),
        Err(Error::Damaged { what, .. }) => what,
        Err(error) => error.to_string(),
    };
    Ok(Some(FileProblem::new(path.as_str(), what)))
}

fn check(stored: &StoredFile, entry: &FileEntry, cancel: &AtomicBool) -> Result<Option<String>> {
    let io_error = |source| stored.io_error(source);
    let mut file = match stored.open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("it is missing".to_owned())),
        opened => opened.map_err(io_error)?,
    };
    let bytes = file.metadata().map_err(io_error)?.len();
    if bytes != entry.bytes {
        return Ok(Some(format!("it has {bytes} bytes, the manifest says {}", entry.bytes)));
    }
    let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        match file.read(&mut buffer).map_err(io_error)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    if format!("{:032x}", hash.digest128()) != entry.xxh3 {
        return Ok(Some("its checksum is not that of the manifest".to_owned()));
    }
    let reader = SerializedFileReader::new(file).map_err(|source| stored.parquet_error(source))?;
    let metadata = reader.metadata().file_metadata();
    if u64::try_from(metadata.num_rows()) != Ok(entry.rows) {
        return Ok(Some(format!("it has {} rows, the manifest says {}", metadata.num_rows(), entry.rows)));
    }
    Ok(missing_column(entry.table, metadata.schema_descr()))
}

fn missing_column(table: Table, found: &parquet::schema::types::SchemaDescriptor) -> Option<String> {
    let names: Vec<&str> = found.columns().iter().map(|column| column.name()).collect();
    let schema = table.schema();
    let is_missing = |name: &str| !names.contains(&name) && !ADDED_LATER.contains(&name);
    let missing = schema.fields().iter().find(|field| is_missing(field.name()));
    missing.map(|field| format!("it has no column {}", field.name()))
}

/// Numbers of a manifest that must agree.
fn sums(manifest: &Manifest, objects_of_types: Option<u64>) -> Vec<String> {
    let rows = |table| manifest.files_of(table).map(|file| file.rows).sum::<u64>();
    let counts = &manifest.counts;
    let pairs = [
        ("rows of obj", rows(Table::Obj), "objects", counts.objects),
        ("rows of edge", rows(Table::Edge), "edges", counts.edges),
        ("rows of root", rows(Table::Root), "roots", manifest.roots.values().sum()),
        ("rows of issue", rows(Table::Issue), "issues", manifest.issues.values().sum()),
        ("rows of type_stat", rows(Table::TypeStat), "types", counts.types),
        ("objects of all types", objects_of_types.unwrap_or(counts.objects), "objects", counts.objects),
    ];
    // Pruned tables cannot be counted.
    let pairs = pairs.into_iter().filter(|(name, ..)| {
        manifest.pruned.is_none() || !["rows of obj", "rows of edge", "rows of root"].contains(name)
    });
    let unequal = pairs.into_iter().filter(|(_, a, _, b)| a != b);
    unequal.map(|(a_name, a, b_name, b)| format!("{a_name}: {a}, but {b_name}: {b}")).collect()
}
