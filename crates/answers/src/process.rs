//! What the memory of a process consists of, and by what it grew between two dumps.

use heaplake_model::{MemoryAccount, MemoryPart};
use heaplake_store::Manifest;

/// Growth below this is not worth a word: a process of the same program varies by as much.
const LEAST_BYTES: i64 = 4 << 20;

/// How a process grew between two dumps that describe its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessGrowth {
    /// What its memory consisted of.
    pub before: MemoryAccount,
    /// What its memory consists of.
    pub after: MemoryAccount,
}

impl ProcessGrowth {
    /// How the process grew; `None` if a dump does not say what it had.
    pub fn between(before: &Manifest, after: &Manifest) -> Option<Self> {
        Some(Self { before: account(before)?, after: account(after)? })
    }

    /// By how many bytes, resident and swapped out.
    pub fn total(&self) -> i64 {
        delta(self.before.total, self.after.total)
    }

    /// By how many bytes a part of it.
    pub fn of(&self, part: MemoryPart) -> i64 {
        delta(self.before.part(part), self.after.part(part))
    }

    /// By how many bytes its objects, wherever they are.
    pub fn objects(&self) -> i64 {
        let all = |account: &MemoryAccount| account.part(MemoryPart::Objects).saturating_add(account.absent);
        delta(all(&self.before), all(&self.after))
    }

    /// The part that grew most, if objects explain less than half of what the process grew by.
    pub fn not_of_objects(&self) -> Option<MemoryPart> {
        let total = self.total();
        if total < LEAST_BYTES || self.objects().max(0) >= total / 2 {
            return None;
        }
        MemoryPart::ALL
            .into_iter()
            .filter(|part| *part != MemoryPart::Objects)
            .max_by_key(|part| self.of(*part))
    }
}

/// What the memory of a dump's process consists of; `None` if the dump does not say.
pub fn account(manifest: &Manifest) -> Option<MemoryAccount> {
    manifest.process.account(manifest.counts.bytes)
}

fn delta(before: u64, after: u64) -> i64 {
    let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    signed(after).saturating_sub(signed(before))
}
