//! The dumps of a diagnosis in order of time, and which object of one is which of another.

use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};

use super::{growth::Growth, heap::Heap};
use crate::Result;

/// The dumps, oldest first; the last is the newest, about which everything is said.
#[derive(Debug)]
pub(super) struct Moments {
    heaps: Vec<Heap>,
    /// By earlier dump, the newest against it. `None` where addresses tell who is who and no sums are needed.
    growths: Vec<Option<Growth>>,
}

impl Moments {
    /// Compares the newest dump with the first, the one before it, and, where addresses do not tell who is who, with all.
    pub(super) fn new(heaps: Vec<Heap>, cancel: &AtomicBool) -> Result<Self> {
        let mut growths: Vec<Option<Growth>> = Vec::new();
        if let Some((newest, earlier)) = heaps.split_last() {
            for (i, heap) in earlier.iter().enumerate() {
                let is_needed = i == 0 || i + 1 == earlier.len();
                let by_address = growths.first().is_some_and(|first: &Option<Growth>| {
                    first.as_ref().is_some_and(|first| first.by_address)
                });
                growths.push(match is_needed || !by_address {
                    true => Some(Growth::of(newest, heap, cancel)?),
                    false => None,
                });
            }
        }
        Ok(Self { heaps, growths })
    }

    pub(super) fn newest(&self) -> &Heap {
        &self.heaps[self.heaps.len() - 1]
    }

    pub(super) fn len(&self) -> usize {
        self.heaps.len()
    }

    pub(super) fn heap(&self, moment: usize) -> &Heap {
        &self.heaps[moment]
    }

    pub(super) fn taken(&self) -> Vec<DateTime<Utc>> {
        self.heaps.iter().map(|heap| heap.manifest().taken).collect()
    }

    /// The comparisons with an earlier dump that have sums: with the first, and with the one before the newest.
    pub(super) fn growths(&self) -> Vec<(usize, &Growth)> {
        let mut found = Vec::new();
        for at in [0, self.growths.len().wrapping_sub(1)] {
            if let Some(Some(growth)) = self.growths.get(at) {
                found.push((at, growth));
            }
        }
        found.dedup_by_key(|(at, _)| *at);
        found
    }

    /// What a node of the newest dump is at another moment.
    pub(super) fn at(&self, moment: usize, node: usize) -> Option<usize> {
        if moment + 1 == self.heaps.len() {
            return Some(node);
        }
        match self.growths.get(moment)? {
            Some(growth) => growth.partner(node),
            None => {
                let (newest, earlier) = (self.newest(), &self.heaps[moment]);
                let found = earlier.node(newest.address(node))?;
                (earlier.type_name(found) == newest.type_name(node)).then_some(found)
            }
        }
    }

    /// Whether a node of the newest dump was not in the first, or, where `holder` was not there either, in the one before.
    pub(super) fn is_new(&self, node: usize, holder: usize) -> bool {
        let growths = self.growths();
        let basis = growths.iter().find(|(at, _)| self.at(*at, holder).is_some());
        basis.is_none_or(|(_, growth)| growth.partner(node).is_none())
    }
}
