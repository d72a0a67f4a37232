//! Questions about directed graphs: what reaches what, what dominates what, what a cut would make unreachable.
//!
//! Functions on slices. Nodes have dense ids from 0, edges are a CSR ([`Csr`]), sets are bits ([`Bits`]), sums are 64
//! bits wide. No Arrow, no files, no async. Nothing recurses: a list of ten million objects is a normal heap. Ids are
//! `u32` or `u64` ([`Id`]), at the caller's choice. Functions that may take long poll a flag and end with [`Cancelled`].

mod attribution;
mod bits;
mod components;
mod csr;
mod cut;
mod dominators;
mod holders;
mod id;
mod identity;
mod motif;
mod numbers;
mod reach;
pub mod search;

use std::sync::atomic::{AtomicBool, Ordering};

pub use attribution::{Attributed, AttributionRule, NO_GROUP, attributions};
pub use bits::{BitSet, Bits};
pub use components::{Components, components};
pub use csr::{Csr, CsrBuf, Graph, Offsets, narrow_offsets, referrers, reversed_offsets};
pub use cut::{Cut, unreachable_after, unreachable_within};
pub use dominators::{
    DepthFirstSearch, DominatorTree, Preorder, Retained, TreeWithoutLeaves, dominator_tree,
};
pub use holders::{HeldTree, Holder, PART, REST, holders, largest_holders, path_of};
pub use id::Id;
pub use identity::{Agreement, Key, PathPartners, PathSide, Shared, agreements, same_addresses, same_paths};
pub use motif::{MAX_PERIOD, MotifStep, RepeatingChain, TypedGraph, repeating_chains};
pub use numbers::{NarrowNumbers, NarrowStored, Number, Numbers, NumbersBuf, Stored};
pub use reach::{NO_DISTANCE, Walk, distances, walk, walk_only_children};

/// The flag was set, and the work was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// Polls a cancel flag, once in so many steps.
#[derive(Debug)]
struct Poll<'p> {
    cancel: &'p AtomicBool,
    steps: u32,
}

const STEPS_PER_POLL: u32 = 1 << 16;

impl<'p> Poll<'p> {
    fn new(cancel: &'p AtomicBool) -> Self {
        Self { cancel, steps: 0 }
    }

    /// Counts several steps.
    fn steps(&mut self, n: usize) -> Result<(), Cancelled> {
        self.steps += n.min(STEPS_PER_POLL as usize) as u32;
        self.step()
    }

    #[inline]
    fn step(&mut self) -> Result<(), Cancelled> {
        self.steps += 1;
        if self.steps < STEPS_PER_POLL {
            return Ok(());
        }
        self.steps = 0;
        if self.cancel.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }
}
