//! The ways that the paths of a pattern take: their signatures, each with the objects that take it.
//!
//! Of shortest paths all are counted, not one for each object: which of several is found first may depend on addresses, the
//! ways do not.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
};

use heaplake_graph::{
    Cancelled, Id, Walk,
    search::{PathSearch, Step, Visited, Way, WayStep, Ways},
};
use heaplake_pathql::Selector;

use super::{
    compile::Compiled,
    find::{PathHit, find},
    fold,
    ground::Ground,
};

/// One way.
#[derive(Debug)]
pub(super) struct WayRow {
    pub(super) signature: String,
    /// The fewest hops of a path by it.
    pub(super) hops: i64,
    /// The objects that take it.
    pub(super) objects: u64,
    /// How often the most repeated unit of the longest path comes.
    pub(super) repeats: i64,
    /// The object that retains most of them.
    pub(super) example: usize,
}

/// Finds the ways; those that most objects take come first. None where all shortest paths together have more than `max_steps`
/// different steps.
pub(super) fn ways<I: Id>(
    compiled: &Compiled,
    search: &mut PathSearch<'_, I>,
    ground: &dyn Ground,
    type_name: &dyn Fn(u32) -> String,
    max_steps: u64,
    cancel: &AtomicBool,
) -> Result<(Vec<WayRow>, Visited), Cancelled> {
    let within = compiled.within.map_or(u64::MAX, u64::from);
    let mut rows = WayRows { ground, type_name, rows: BTreeMap::new() };
    let visited = match (compiled.selector, compiled.per) {
        (Selector::AnyShortest | Selector::AllShortest, None) => {
            let found = search.shortest(within, cancel)?;
            if let Some(paths) = found.paths
                && let Some(ways) = paths.ways(max_steps, cancel)?
            {
                rows.add_all(&ways, cancel)?;
            }
            found.visited
        }
        (Selector::AnyShortest | Selector::AllShortest, Some(test)) => {
            let found = search.bindings(test, within, cancel)?;
            if let Some(ways) = found.ways(max_steps, cancel)? {
                rows.add_all(&ways, cancel)?;
            }
            found.visited
        }
        _ => {
            let mut seen: HashMap<String, HashSet<usize>> = HashMap::new();
            find(compiled, search, cancel, &mut |hit| {
                if let PathHit::Path(steps) = hit {
                    let way = steps.iter().map(|step| WayStep {
                        type_rank: ground.type_rank(step.node),
                        hop: step.hop.map(|(way, _)| way),
                    });
                    let found = rows.found(&way.collect::<Vec<_>>());
                    let node = asked_for(compiled, steps);
                    if seen.entry(found.signature.clone()).or_default().insert(node) {
                        rows.add(found, 1, node);
                    }
                }
                true
            })?
        }
    };
    // LIMIT has counted paths where they were found one by one.
    let is_merged = matches!(compiled.selector, Selector::AnyShortest | Selector::AllShortest);
    let most = compiled.limit.filter(|_| is_merged).and_then(|limit| usize::try_from(limit).ok());
    let mut rows: Vec<WayRow> = rows.rows.into_values().collect();
    rows.sort_by(|a, b| {
        let key = |row: &WayRow| (std::cmp::Reverse(row.objects), row.hops);
        key(a).cmp(&key(b)).then_with(|| a.signature.cmp(&b.signature))
    });
    rows.truncate(most.unwrap_or(usize::MAX));
    Ok((rows, visited))
}

/// The number of objects that are asked for: those that PER names, or those at the ends; `None` if several tests are for
/// these.
pub(super) fn n_asked<I: Id>(compiled: &Compiled, search: &PathSearch<'_, I>) -> Option<u64> {
    let test = compiled.per.or_else(|| compiled.end())?;
    Some(search.passing(test).count() as u64)
}

/// The object of a path that PER names, or its last.
pub(super) fn asked_for(compiled: &Compiled, steps: &[Step]) -> usize {
    let mut transitions = &compiled.starts;
    for step in steps {
        let tests = transitions.get(step.transition).map(|transition| transition.tests.as_slice());
        if compiled.per.is_some_and(|per| tests.is_some_and(|tests| tests.contains(&per))) {
            return step.node;
        }
        transitions = compiled.next.get(step.state).unwrap_or(&compiled.starts);
    }
    steps.last().map_or(0, |step| step.node)
}

/// A way as it is compared.
#[derive(Debug, Clone)]
struct FoundWay {
    signature: String,
    hops: i64,
    repeats: i64,
}

struct WayRows<'r> {
    ground: &'r dyn Ground,
    type_name: &'r dyn Fn(u32) -> String,
    /// By signature.
    rows: BTreeMap<String, WayRow>,
}

impl WayRows<'_> {
    fn found(&self, steps: &[WayStep]) -> FoundWay {
        let names: Vec<String> = steps.iter().map(|step| (self.type_name)(step.type_rank)).collect();
        let types: Vec<&str> = names.iter().map(String::as_str).collect();
        let ups: Vec<bool> = steps.iter().skip(1).map(|step| step.hop == Some(Walk::Up)).collect();
        let (signature, repeats) = fold::signature(&types, &ups);
        FoundWay { signature, hops: steps.len() as i64 - 1, repeats: repeats as i64 }
    }

    fn add(&mut self, found: FoundWay, objects: u64, example: usize) {
        let FoundWay { signature, hops, repeats } = found;
        let of_way = |signature| WayRow { signature, hops, objects: 0, repeats, example };
        let row = self.rows.entry(signature).or_insert_with_key(|signature| of_way(signature.clone()));
        row.objects += objects;
        row.hops = row.hops.min(hops);
        row.repeats = row.repeats.max(repeats);
        let bytes = |node: usize| self.ground.retained(node).unwrap_or(0);
        if (bytes(example), std::cmp::Reverse(example)) > (bytes(row.example), std::cmp::Reverse(row.example))
        {
            row.example = example;
        }
    }

    fn add_all<I: Id>(&mut self, ways: &Ways<I>, cancel: &AtomicBool) -> Result<(), Cancelled> {
        let mut known: HashMap<Way, FoundWay> = HashMap::new();
        for group in &ways.groups {
            // Two ways may be the same when repetitions are folded.
            let mut found: BTreeMap<String, FoundWay> = BTreeMap::new();
            for way in &group.ways {
                if cancel.load(Ordering::Relaxed) {
                    return Err(Cancelled);
                }
                let way = known.entry(*way).or_insert_with(|| self.found(&ways.steps(*way))).clone();
                let same = found.entry(way.signature.clone()).or_insert_with(|| way.clone());
                same.repeats = same.repeats.max(way.repeats);
            }
            for way in found.into_values() {
                self.add(way, group.n_nodes, group.example.index());
            }
        }
        Ok(())
    }
}
