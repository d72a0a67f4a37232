//! What one dump proves: objects that can never go on, or that live only because of what was meant to follow them.
//!
//! A proof is a property of the graph and needs neither growth nor names of the program. It holds as far as the graph is whole, so
//! that it is sought only in dumps that record roots and count references, as captures, or record all roots there are, as those of the
//! JVM: in others, what C code holds is not to be seen.

mod owners;
mod waiters;
mod weak_keys;

pub(super) use weak_keys::is_weak_map;

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::AtomicBool,
};

use super::{
    candidate::{Candidate, How},
    heap::{Facts, Heap},
    sort::Sort,
    words,
};
use crate::Result;

/// Tasks or threads that wait for ever from which on they are reported.
const MIN_STUCK: usize = 4;

/// The candidates that a dump proves.
pub(super) fn candidates(heap: &Heap, cancel: &AtomicBool) -> Result<Vec<Candidate>> {
    if !heap.is_whole() {
        let has_all_roots = heap.manifest().runtime().unreferenced.is_garbage();
        return Ok(if has_all_roots { weak_keys::candidates(heap) } else { Vec::new() });
    }
    let mut found = stuck(heap, cancel)?;
    found.extend(weak_keys::candidates(heap));
    found.extend(owners::candidates(heap));
    Ok(found)
}

/// What ends with some threads.
#[derive(Debug, Default)]
pub(super) struct ThreadParts {
    /// The frames that run in them, and the methods of their variables that only their stacks hold.
    pub(super) objects: Vec<usize>,
    /// Roots that are roots only because of what is on their stacks.
    pub(super) no_roots: Vec<usize>,
}

/// What ends with some threads of a dump.
pub(super) fn parts_of_threads(heap: &Heap, threads: &[usize]) -> Result<ThreadParts> {
    let mut facts = Facts::default();
    let stacks = waiters::stacks(heap, &mut facts)?;
    let mut bound: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for method in waiters::leaving(heap, &stacks, &mut facts)? {
        heap.refs(method).into_iter().for_each(|(_, kid)| bound.entry(kid).or_default().push(method));
    }
    let threads: HashSet<usize> = threads.iter().copied().collect();
    let is_of_them = |stack: &waiters::Stack| stack.thread.is_some_and(|thread| threads.contains(&thread));
    let stacks: Vec<waiters::Stack> = stacks.into_iter().filter(is_of_them).collect();
    let frames = stacks.iter().flat_map(|stack| &stack.frames).copied();
    let variables = frames.clone().flat_map(|frame| heap.refs(frame)).map(|(_, kid)| kid);
    let methods = variables.filter_map(|kid| bound.get(&kid)).flatten().copied();
    let objects = frames.chain(methods).collect();
    Ok(ThreadParts { objects, no_roots: waiters::only_on_stacks(heap, &stacks, &mut facts)? })
}

/// What waits for ever, by what keeps it; each group of threads for itself.
fn stuck(heap: &Heap, cancel: &AtomicBool) -> Result<Vec<Candidate>> {
    let waiters::Stuck { tasks, threads } = waiters::stuck(heap, cancel)?;
    let mut by_keeper: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for task in tasks {
        let keeper = heap.idom(task).filter(|keeper| heap.edge(*keeper, task).is_some());
        by_keeper
            .entry(keeper.filter(|keeper| heap.sort(*keeper) == Sort::Container))
            .or_default()
            .push(task);
    }
    let mut found = Vec::new();
    for (keeper, tasks) in by_keeper.into_iter().filter(|(_, tasks)| tasks.len() >= MIN_STUCK) {
        let fact = format!(
            "proved: {} tasks wait for something that only they themselves lead to; nothing that can still run can set it",
            words::count(tasks.len() as i64)
        );
        found.push(proved(heap, keeper, tasks, fact));
    }
    if threads.len() >= MIN_STUCK {
        let fact = format!(
            "proved: {} threads wait without a timeout on a condition that only their own variables lead to; no other thread \
             can notify it",
            words::count(threads.len() as i64)
        );
        found.push(proved(heap, None, threads, fact));
    }
    Ok(found)
}

/// A candidate that is what keeps some objects, or where nothing does, these themselves.
fn proved(heap: &Heap, keeper: Option<usize>, members: Vec<usize>, fact: String) -> Candidate {
    let own = members.iter().map(|node| heap.retained(*node)).sum();
    let candidate = match keeper {
        Some(keeper) => Candidate::new(keeper, How::Standing, own),
        None => Candidate {
            members: members.clone(),
            // The newest: what was there first may be what was meant to stay.
            ..Candidate::new(members[members.len() - 1], How::Stuck, own)
        },
    };
    Candidate { proof: Some(fact), ..candidate }
}
