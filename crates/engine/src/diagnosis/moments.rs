//! The dumps of a diagnosis in order of time, and which object of one is which of another.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    panic::resume_unwind,
    sync::atomic::AtomicBool,
    thread,
};

use chrono::{DateTime, Utc};

use super::{
    growth::{Growth, Partners},
    heap::Heap,
    sort::Sort,
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

    /// The same, or where a node is a container that is made anew whenever something is added to it, the one that was in its place:
    /// below the same object, of the same type, gone since, and half of what it had is in the new one; or where its content is made anew
    /// as well, the one that stands for it in order. Of a root that no object holds, the root that it has come before: one of its kind
    /// and type that it holds now. Of what several objects hold, what these had in its place.
    pub(super) fn in_place_of(&self, moment: usize, node: usize) -> Option<usize> {
        const MAX_REMADE: usize = 4;
        self.in_place_within(moment, node, MAX_REMADE)
    }

    /// The same where at most so many objects, one below the other, are made anew.
    fn in_place_within(&self, moment: usize, node: usize, n_remade: usize) -> Option<usize> {
        let same = self.at(moment, node);
        if same.is_none() && self.newest().idom(node).is_none() {
            return self.root_behind_it(moment, node).or_else(|| self.shared_before_it(moment, node));
        }
        // Another object may have been where this one is.
        let is_there = |then: usize| {
            let above = self.newest().idom(node).and_then(|above| self.at(moment, above));
            self.heaps[moment].idom(then) == above
        };
        if same.is_some_and(is_there) {
            return same;
        }
        self.before_it(moment, node).or_else(|| self.remade(moment, node, n_remade)).or(same)
    }

    /// What was in the place of a node, if what dominates it makes objects of the node's type anew: as many of them are new as have
    /// gone, and the references to them are in the same order.
    fn remade(&self, moment: usize, node: usize, n_remade: usize) -> Option<usize> {
        const MAX_ALIKE: usize = 8;
        let (newest, earlier) = (self.newest(), &self.heaps[moment]);
        if n_remade == 0 || !self.is_by_address() || newest.sort(node) == Sort::Scalar {
            return None;
        }
        let holder = newest.idom(node)?;
        let holder_then = self.in_place_within(moment, holder, n_remade - 1)?;
        let type_name = newest.type_name(node);
        let of_type = |heap: &Heap, holder: usize| {
            let mut kids: Vec<usize> = Vec::new();
            for (_, kid) in heap.refs(holder) {
                if heap.type_name(kid) == type_name && heap.idom(kid) == Some(holder) && !kids.contains(&kid)
                {
                    kids.push(kid);
                }
                if kids.len() > MAX_ALIKE {
                    return None;
                }
            }
            Some(kids)
        };
        let (mut has, mut had) = (of_type(newest, holder)?, of_type(earlier, holder_then)?);
        let stayed: Vec<(usize, usize)> = has
            .iter()
            .filter_map(|kid| Some((*kid, self.at(moment, *kid)?)))
            .filter(|(_, then)| had.contains(then))
            .collect();
        has.retain(|kid| stayed.iter().all(|(now, _)| now != kid));
        had.retain(|kid| stayed.iter().all(|(_, then)| then != kid));
        let place = has.iter().position(|kid| *kid == node)?;
        let found = had.get(place).copied().filter(|_| has.len() == had.len())?;
        // What was there later, as it is now, is not made anew: it was not there before.
        let content: HashSet<usize> = newest.content(node).into_iter().collect();
        let mut later = moment + 1..self.heaps.len() - 1;
        let is_lasting = later
            .any(|later| self.at(later, node).is_some_and(|then| self.keeps_content(later, then, &content)));
        if is_lasting { None } else { Some(found) }
    }

    fn root_behind_it(&self, moment: usize, node: usize) -> Option<usize> {
        let (newest, earlier) = (self.newest(), &self.heaps[moment]);
        let kind = newest.root_kind(node).filter(|_| self.is_by_address())?;
        let roots = earlier.undominated_roots(|then| then == kind).into_iter().map(|(then, _)| then);
        let is_it = |then: &usize| {
            earlier.type_name(*then) == newest.type_name(node)
                && self.now(moment, *then).is_some_and(|now| newest.dominates(node, now))
        };
        roots.filter(is_it).max_by_key(|then| (earlier.retained(*then), Reverse(*then)))
    }

    fn shared_before_it(&self, moment: usize, node: usize) -> Option<usize> {
        const MAX_PARENTS: usize = 8;
        let (newest, earlier) = (self.newest(), &self.heaps[moment]);
        if !self.is_by_address() {
            return None;
        }
        let mut found: Vec<usize> = Vec::new();
        for parent in newest.parents(node).into_iter().take(MAX_PARENTS) {
            let Some(above) = self.at(moment, parent) else { continue };
            let has: HashSet<usize> = newest.refs(parent).into_iter().map(|(_, kid)| kid).collect();
            let is_gone = |then: usize| self.now(moment, then).is_none_or(|now| !has.contains(&now));
            let had = earlier.refs(above).into_iter().map(|(_, then)| then);
            found.extend(had.filter(|then| {
                let is_like =
                    earlier.type_name(*then) == newest.type_name(node) && earlier.idom(*then).is_none();
                is_like && is_gone(*then)
            }));
        }
        found.into_iter().max_by_key(|then| (earlier.retained(*then), Reverse(*then)))
    }

    /// Whether addresses tell which object is which.
    fn is_by_address(&self) -> bool {
        self.growths.first().is_some_and(|(_, growth)| growth.partners.by_address)
    }

    fn before_it(&self, moment: usize, node: usize) -> Option<usize> {
        const MAX_ALIKE: usize = 8;
        let (newest, earlier) = (self.newest(), &self.heaps[moment]);
        if !self.is_by_address() {
            return None;
        }
        let above = self.at(moment, newest.idom(node)?)?;
        let mut alike = earlier.dominated(above);
        alike.retain(|then| earlier.type_name(*then) == newest.type_name(node));
        alike.sort_unstable_by_key(|then| (Reverse(earlier.retained(*then)), *then));
        alike.truncate(MAX_ALIKE);
        let content: HashSet<usize> = newest.content(node).into_iter().collect();
        alike.into_iter().find(|then| {
            // Where it was, something else may be now.
            let now = self.now(moment, *then).filter(|now| *now != node);
            let is_kept = now.is_some_and(|now| {
                self.keeps_content(moment, *then, &newest.content(now).into_iter().collect())
            });
            self.keeps_content(moment, *then, &content) && !is_kept
        })
    }

    /// What is in the newest dump where a node of another moment was, if it is of its type.
    fn now(&self, moment: usize, then: usize) -> Option<usize> {
        let (newest, earlier) = (self.newest(), &self.heaps[moment]);
        let now = newest.node(earlier.address(then))?;
        (newest.type_name(now) == earlier.type_name(then)).then_some(now)
    }

    /// Whether half of what a node had at a moment is in some content of the newest dump.
    fn keeps_content(&self, moment: usize, then: usize, content: &HashSet<usize>) -> bool {
        const MAX_LOOKED_AT: usize = 4096;
        let had: Vec<usize> = self.heaps[moment].content(then).into_iter().take(MAX_LOOKED_AT).collect();
        let is_kept = |kid: &&usize| self.now(moment, **kid).is_some_and(|now| content.contains(&now));
        let n_kept = had.iter().filter(is_kept).count();
        n_kept > 0 && n_kept * 2 >= had.len()
    }

    /// The comparison with the first dump, or, where a holder was not there, with the one before the newest; `None` where it was in neither.
    pub(super) fn basis(&self, holder: usize) -> Option<&(usize, Growth)> {
        self.growths.iter().find(|(at, _)| self.in_place_of(*at, holder).is_some())
    }
}
