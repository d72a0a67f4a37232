//! The dumps of a diagnosis in order of time, and which object of one is which of another.

use std::{collections::HashMap, panic::resume_unwind, sync::atomic::AtomicBool, thread};

use chrono::{DateTime, Utc};

use super::{
    growth::{Growth, Partners},
    heap::Heap,
};
use crate::Result;

/// The dumps, oldest first; the last is the newest, about which everything is said.
#[derive(Debug)]
pub(super) struct Moments {
    heaps: Vec<Heap>,
    /// The newest against the first, and against the one before it where that is another, each with its place.
    growths: Vec<(usize, Growth)>,
    /// By place of a dump between these two, which object is which. Empty where addresses tell it.
    between: HashMap<usize, Partners>,
}

impl Moments {
    /// Compares the newest dump with the first, the one before it, and, where addresses do not tell who is who, with all.
    pub(super) fn new(heaps: Vec<Heap>, cancel: &AtomicBool) -> Result<Self> {
        let (newest, earlier) = match heaps.split_last() {
            Some((newest, earlier)) if !earlier.is_empty() => (newest, earlier),
            _ => return Ok(Self { heaps, growths: Vec::new(), between: HashMap::new() }),
        };
        let growth = |at: usize| Growth::of(newest, &earlier[at], cancel).map(|growth| (at, growth));
        let before = earlier.len() - 1;
        let growths = thread::scope(|scope| -> Result<Vec<(usize, Growth)>> {
            let other = (before > 0).then(|| scope.spawn(move || growth(before)));
            let mut growths = vec![growth(0)?];
            if let Some(other) = other {
                growths.push(other.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            Ok(growths)
        })?;
        let mut between = HashMap::new();
        if !growths[0].1.partners.by_address {
            for (at, heap) in earlier.iter().enumerate().take(before).skip(1) {
                between.insert(at, Partners::of(newest, heap, cancel)?);
            }
        }
        Ok(Self { heaps, growths, between })
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

    /// The comparisons with the first dump, and with the one before the newest where that is another, each with its place.
    pub(super) fn growths(&self) -> &[(usize, Growth)] {
        &self.growths
    }

    /// What a node of the newest dump is at another moment.
    pub(super) fn at(&self, moment: usize, node: usize) -> Option<usize> {
        if moment + 1 == self.heaps.len() {
            return Some(node);
        }
        if let Some((_, growth)) = self.growths.iter().find(|(at, _)| *at == moment) {
            return growth.partner(node);
        }
        if let Some(partners) = self.between.get(&moment) {
            return partners.get(node);
        }
        let (newest, earlier) = (self.newest(), &self.heaps[moment]);
        let found = earlier.node(newest.address(node))?;
        (earlier.type_name(found) == newest.type_name(node)).then_some(found)
    }

    /// Whether a node of the newest dump was not in the first, or, where `holder` was not there either, in the one before.
    pub(super) fn is_new(&self, node: usize, holder: usize) -> bool {
        let basis = self.growths.iter().find(|(at, _)| self.at(*at, holder).is_some());
        basis.is_none_or(|(_, growth)| growth.partner(node).is_none())
    }
}
