//! What is known of a process's memory, and the account of it: what the memory consists of.

use serde::{Deserialize, Serialize};

/// Memory of a process beside its objects, in bytes. A field is `None` if the dump does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessMemory {
    /// Resident pages of no file: heaps and stacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<u64>,
    /// Resident pages of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    /// Resident pages of shared memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// Bytes that were swapped out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<u64>,
    /// Resident pages that no other process has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<u64>,
    /// Resident pages of the program and its libraries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u64>,
    /// Resident pages of other files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped: Option<u64>,
    /// Resident pages of the stacks of threads that the runtime knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacks: Option<u64>,
    /// Threads, those among them that the runtime does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// What the runtime's own allocator has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pools: Option<u64>,
    /// What is in use of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pools_used: Option<u64>,
    /// What the allocator of the C library has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malloc: Option<u64>,
    /// What is free of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malloc_free: Option<u64>,
}

impl ProcessMemory {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The memory that the kernel counts as resident or swapped out.
    pub(crate) fn account(&self, resident_bytes: u64, object_bytes: i64) -> Option<MemoryAccount> {
        // A dump that says nothing but the resident size does not say what it consists of.
        self.anonymous?;
        let total = resident_bytes.saturating_add(self.swap.unwrap_or(0));
        let mut rest = total;
        // The figures are of slightly different moments, and what is free need not be resident: the sum is never exceeded.
        let mut take = |bytes: u64| {
            let taken = bytes.min(rest);
            rest -= taken;
            taken
        };
        let objects = u64::try_from(object_bytes).unwrap_or(0);
        let mut parts = [0; MemoryPart::ALL.len()];
        let shared = self.shared.unwrap_or(0);
        for (part, bytes) in [
            (MemoryPart::Stacks, self.stacks.unwrap_or(0)),
            (MemoryPart::Code, self.code.or(self.file).unwrap_or(0)),
            (MemoryPart::Mapped, self.mapped.unwrap_or(0).saturating_add(shared)),
            (MemoryPart::Objects, objects),
            (MemoryPart::PoolsFree, difference(self.pools, self.pools_used)),
            (MemoryPart::MallocFree, self.malloc_free.unwrap_or(0)),
        ] {
            parts[part as usize] = take(bytes);
        }
        let absent = objects - parts[MemoryPart::Objects as usize];
        parts[MemoryPart::Native as usize] = rest;
        Some(MemoryAccount { total, parts, absent })
    }
}

/// How much of `all` is not `used`; 0 where either is unknown.
fn difference(all: Option<u64>, used: Option<u64>) -> u64 {
    all.zip(used).map_or(0, |(all, used)| all.saturating_sub(used))
}

/// A part of a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryPart {
    /// Shallow sizes of the objects of the dump.
    Objects,
    /// Free in the runtime's own allocator.
    PoolsFree,
    /// Free in the allocator of the C library.
    MallocFree,
    /// The program and its libraries.
    Code,
    /// Other files, and shared memory.
    Mapped,
    /// Stacks of threads.
    Stacks,
    /// The remainder.
    Native,
}

impl MemoryPart {
    /// All parts, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Objects,
        Self::PoolsFree,
        Self::MallocFree,
        Self::Code,
        Self::Mapped,
        Self::Stacks,
        Self::Native,
    ];

    /// The name of its column in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::PoolsFree => "pools_free",
            Self::MallocFree => "malloc_free",
            Self::Code => "code",
            Self::Mapped => "mapped",
            Self::Stacks => "stacks",
            Self::Native => "native",
        }
    }

    /// What follows a number of bytes: `114 MiB allocated by C code and seen by no object`.
    pub fn description(self) -> &'static str {
        match self {
            Self::Objects => "in objects",
            Self::PoolsFree => "free inside pools",
            Self::MallocFree => "free inside malloc",
            Self::Code => "code and libraries",
            Self::Mapped => "mapped files and shared memory",
            Self::Stacks => "stacks of threads",
            Self::Native => "allocated by C code and seen by no object",
        }
    }
}

/// What the memory of a process consists of: parts that add up to the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryAccount {
    /// Bytes that are resident or swapped out.
    pub total: u64,
    /// Bytes by [`MemoryPart`].
    parts: [u64; MemoryPart::ALL.len()],
    /// Bytes of objects beyond the total: never touched, or counted twice.
    pub absent: u64,
}

impl MemoryAccount {
    /// Bytes of a part.
    pub fn part(&self, part: MemoryPart) -> u64 {
        self.parts[part as usize]
    }

    /// The parts and their bytes, in the order of [`MemoryPart::ALL`].
    pub fn parts(&self) -> impl Iterator<Item = (MemoryPart, u64)> + '_ {
        MemoryPart::ALL.into_iter().zip(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: ProcessMemory = ProcessMemory {
        anonymous: Some(140),
        file: Some(12),
        shared: Some(1),
        swap: Some(7),
        private: None,
        code: Some(9),
        mapped: Some(3),
        stacks: Some(2),
        threads: Some(1),
        pools: Some(26),
        pools_used: Some(20),
        malloc: Some(120),
        malloc_free: Some(4),
    };

    #[test]
    fn the_parts_add_up() {
        let account = MEMORY.account(153, 24).expect("an account");
        let parts: Vec<_> = account.parts().map(|(part, bytes)| (part.name(), bytes)).collect();
        let expected = [
            ("objects", 24),
            ("pools_free", 6),
            ("malloc_free", 4),
            ("code", 9),
            ("mapped", 4),
            ("stacks", 2),
        ];
        assert_eq!(parts[..6], expected);
        assert_eq!(parts[6], ("native", 160 - 24 - 6 - 4 - 9 - 4 - 2));
        assert_eq!((account.total, account.absent), (160, 0));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        // Larger than all that is resident: an array whose pages were never touched.
        let account = MEMORY.account(153, 1000).expect("an account");
        assert_eq!(account.parts().map(|(_, bytes)| bytes).sum::<u64>(), 160);
        assert_eq!((account.part(MemoryPart::Objects), account.absent), (145, 855));
        for hostile in [u64::MAX, 0] {
            let memory =
                ProcessMemory { code: Some(hostile), swap: Some(hostile), shared: Some(hostile), ..MEMORY };
            let account = memory.account(hostile, i64::MIN).expect("an account");
            assert_eq!(
                account.parts().map(|(_, bytes)| u128::from(bytes)).sum::<u128>(),
                account.total.into()
            );
        }
        assert_eq!(ProcessMemory::default().account(153, 24), None);
    }
}
