//! Collects blocks of records within the memory limit, and sorts them into runs on disk when it is reached.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use heaplake_model::{root_kind, shortened};
use heaplake_readers::{Records, TypeTable};

use super::{ImportProgress, Limits, StreamedTables, order::RowRef, runs::Run};
use crate::{Result, addresses::AddressSet, index::GraphSize, lake::WorkFolder};

pub(super) struct Collector<'c> {
    types: &'c TypeTable,
    work: &'c WorkFolder,
    limits: &'c Limits,
    progress: &'c ImportProgress,
    streamed: StreamedTables<'c>,
    blocks: Vec<Records>,
    /// Number of the first of `blocks`.
    first_block: usize,
    /// Where each block begins in the input: line, if the format has lines, and byte.
    starts: Vec<(Option<u64>, u64)>,
    memory: usize,
    runs: Vec<Run>,
    /// The addresses of all spilled rows.
    addresses: AddressSet,
    recorded_roots: Vec<(u64, Arc<str>)>,
    /// The kinds of roots so far.
    root_kinds: HashSet<Arc<str>>,
    size: GraphSize,
}

/// Everything that was read.
pub(super) struct CollectedDump<'c> {
    pub(super) rows: CollectedRows,
    pub(super) streamed: StreamedTables<'c>,
    /// Where each block begins in the input: line, if the format has lines, and byte.
    pub(super) starts: Vec<(Option<u64>, u64)>,
    /// What the dump calls roots: address and kind.
    pub(super) recorded_roots: Vec<(u64, Arc<str>)>,
    /// Objects that are in the dump twice count twice.
    pub(super) size: GraphSize,
}

pub(super) enum CollectedRows {
    /// All rows, which fit into memory.
    Memory(Vec<Records>),
    /// Sorted runs, and the addresses of all rows.
    Runs(Vec<Run>, AddressSet),
}

/// Bytes per row that sorting needs besides the row itself.
const SORT_BYTES: usize = size_of::<(u64, RowRef)>() + 2 * size_of::<RowRef>();

/// Maximum number of characters of the kind of a root; longer ones are cut.
const MAX_KIND_CHARS: usize = 200;
/// Maximum number of kinds of roots of one dump.
const MAX_KINDS: usize = 10_000;
/// The kind that replaces all further ones.
const OTHER_KIND: &str = "other";

impl<'c> Collector<'c> {
    pub(super) fn new(
        types: &'c TypeTable,
        work: &'c WorkFolder,
        limits: &'c Limits,
        streamed: StreamedTables<'c>,
        progress: &'c ImportProgress,
    ) -> Self {
        Self {
            types,
            work,
            limits,
            progress,
            streamed,
            blocks: Vec::new(),
            first_block: 0,
            starts: Vec::new(),
            memory: 0,
            runs: Vec::new(),
            addresses: AddressSet::default(),
            recorded_roots: Vec::new(),
            root_kinds: HashSet::new(),
            size: GraphSize::default(),
        }
    }

    pub(super) fn add(&mut self, mut records: Records) -> Result<()> {
        for issue in records.issues.drain(..) {
            self.streamed.issues.push(issue)?;
        }
        self.streamed.threads.push(&std::mem::take(&mut records.threads))?;
        let fields = std::mem::take(&mut records.fields);
        let mut field_keys = 0;
        if let Some(file) = &mut self.streamed.fields {
            file.push(fields)?;
            field_keys = file.memory();
        }
        for (address, kind) in records.roots.drain(..) {
            let kind = self.kind_of_root(kind);
            self.recorded_roots.push((address, kind));
        }
        self.starts.push((records.first_line, records.first_offset));
        self.memory += records.memory() + records.len() * SORT_BYTES;
        self.size.nodes += records.len() as u64;
        self.size.edges += records.n_refs() as u64;
        self.size.parents += records.n_parents() as u64;
        self.progress.objects.fetch_add(records.len() as u64, Relaxed);
        self.blocks.push(records);
        let roots = self.recorded_roots.capacity() * size_of::<(u64, Arc<str>)>();
        let fixed = self.types.memory() + self.addresses.memory() + roots + field_keys;
        if fixed as u64 > self.limits.total / 2 {
            return Err(self.limits.exceeded("the dump's types, fields, roots and addresses", fixed));
        }
        if self.memory > self.limits.collected { self.spill() } else { Ok(()) }
    }

    /// The kind of a recorded root in the lake: different from the kinds of roots that the index finds, and neither too long
    /// nor one of too many, because the manifest counts the roots of each kind.
    fn kind_of_root(&mut self, kind: String) -> Arc<str> {
        let kind = shortened(&kind, MAX_KIND_CHARS);
        let kind = if root_kind::is_found(&kind) { format!("recorded {kind}").into() } else { kind };
        if let Some(known) = self.root_kinds.get(&*kind) {
            return known.clone();
        }
        let kind: Arc<str> = if self.root_kinds.len() < MAX_KINDS { kind.into() } else { OTHER_KIND.into() };
        self.root_kinds.insert(kind.clone());
        kind
    }

    pub(super) fn finish(mut self) -> Result<CollectedDump<'c>> {
        if !self.runs.is_empty() && !self.blocks.is_empty() {
            self.spill()?;
        }
        let rows = if self.runs.is_empty() {
            CollectedRows::Memory(self.blocks)
        } else {
            self.addresses.seal();
            CollectedRows::Runs(self.runs, self.addresses)
        };
        Ok(CollectedDump {
            rows,
            streamed: self.streamed,
            starts: self.starts,
            recorded_roots: self.recorded_roots,
            size: self.size,
        })
    }

    fn spill(&mut self) -> Result<()> {
        let blocks = std::mem::take(&mut self.blocks);
        for (_, record) in blocks.iter().flat_map(Records::iter) {
            self.addresses.insert(record.address);
        }
        let names = self.types.names();
        self.runs.push(Run::write(self.work, self.runs.len(), &blocks, self.first_block, &names)?);
        self.first_block += blocks.len();
        self.memory = 0;
        self.progress.check_cancel()
    }
}
