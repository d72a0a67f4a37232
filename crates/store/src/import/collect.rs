//! Gathers batches within the memory limit; beyond it, sorts what is there into runs on disk.

use std::{path::Path, sync::atomic::Ordering::Relaxed};

use heaplake_readers::{Batch, TypeTable};

use super::{ImportProgress, Limits, issues::IssueFile, order::RowRef, runs::Run};
use crate::{Result, addresses::AddressSet};

pub(super) struct Collector<'c> {
    types: &'c TypeTable,
    work: &'c Path,
    limits: &'c Limits,
    progress: &'c ImportProgress,
    issues: IssueFile,
    batches: Vec<Batch>,
    /// Number of the first of `batches`.
    first_batch: usize,
    /// Where each batch begins in the input: line and byte.
    starts: Vec<(u64, u64)>,
    memory: usize,
    runs: Vec<Run>,
    /// Filled as rows are spilled; empty as long as nothing was.
    addresses: AddressSet,
    recorded_roots: Vec<(u64, String)>,
    n_rows: u64,
    n_refs: u64,
}

/// Everything that was read.
pub(super) struct Collected {
    pub(super) rows: Rows,
    pub(super) issues: IssueFile,
    /// Where each batch begins in the input: line and byte.
    pub(super) starts: Vec<(u64, u64)>,
    /// What the dump calls roots: address and kind.
    pub(super) recorded_roots: Vec<(u64, String)>,
    pub(super) n_rows: u64,
    pub(super) n_refs: u64,
}

pub(super) enum Rows {
    /// All fitted.
    Memory(Vec<Batch>),
    /// Sorted runs, and the addresses of all rows.
    Runs(Vec<Run>, AddressSet),
}

/// Bytes per row that sorting takes beside the row itself.
const SORT_BYTES: usize = size_of::<(u64, RowRef)>() + 2 * size_of::<RowRef>();

impl<'c> Collector<'c> {
    pub(super) fn new(
        types: &'c TypeTable,
        work: &'c Path,
        limits: &'c Limits,
        issues: IssueFile,
        progress: &'c ImportProgress,
    ) -> Self {
        Self {
            types,
            work,
            limits,
            progress,
            issues,
            batches: Vec::new(),
            first_batch: 0,
            starts: Vec::new(),
            memory: 0,
            runs: Vec::new(),
            addresses: AddressSet::default(),
            recorded_roots: Vec::new(),
            n_rows: 0,
            n_refs: 0,
        }
    }

    pub(super) fn add(&mut self, mut batch: Batch) -> Result<()> {
        for issue in batch.issues.drain(..) {
            self.issues.push(issue)?;
        }
        self.recorded_roots.append(&mut batch.roots);
        self.starts.push((batch.first_line, batch.first_offset));
        self.memory += batch.memory() + batch.rows.len() * SORT_BYTES;
        self.n_rows += batch.rows.len() as u64;
        self.n_refs += batch.refs.len() as u64;
        self.progress.objects.fetch_add(batch.rows.len() as u64, Relaxed);
        self.batches.push(batch);
        let roots = self.recorded_roots.capacity() * size_of::<(u64, String)>();
        let fixed = self.types.memory() + self.addresses.memory() + roots;
        if fixed as u64 > self.limits.total / 2 {
            return Err(self.limits.exceeded("the dump's types, roots and addresses", fixed));
        }
        if self.memory > self.limits.collected { self.spill() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<Collected> {
        if !self.runs.is_empty() && !self.batches.is_empty() {
            self.spill()?;
        }
        let rows = if self.runs.is_empty() {
            Rows::Memory(self.batches)
        } else {
            self.addresses.seal();
            Rows::Runs(self.runs, self.addresses)
        };
        Ok(Collected {
            rows,
            issues: self.issues,
            starts: self.starts,
            recorded_roots: self.recorded_roots,
            n_rows: self.n_rows,
            n_refs: self.n_refs,
        })
    }

    fn spill(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.batches);
        for row in batches.iter().flat_map(|batch| &batch.rows) {
            self.addresses.insert(row.address);
        }
        let names = self.types.names();
        self.runs.push(Run::write(self.work, self.runs.len(), &batches, self.first_batch, &names)?);
        self.first_batch += batches.len();
        self.memory = 0;
        self.progress.check_cancel()
    }
}
