//! Runs a search and gives out its answers in order.

use std::{cmp::Reverse, collections::BTreeMap, sync::atomic::AtomicBool};

use heaplake_graph::{
    Cancelled, Id,
    search::{KnownEdges, PathSearch, Step, Visited},
};
use heaplake_pathql::Selector;

use super::compile::Compiled;

/// The maximum number of steps on shortest paths that are looked at to tell which way most objects take. In a wider graph
/// the first path is taken.
pub(super) const MAX_WAY_STEPS: u64 = 1 << 17;

/// One answer.
pub(super) enum PathHit<'f> {
    /// A path.
    Path(&'f [Step]),
    /// An object at the end of a path, and the fewest hops to it.
    End(usize, u32),
}

/// Calls `take` with every answer until it says that it is enough, and says what was looked at.
pub(super) fn find<I: Id>(
    compiled: &Compiled,
    search: &mut PathSearch<'_, I>,
    cancel: &AtomicBool,
    take: &mut dyn FnMut(PathHit<'_>) -> bool,
) -> Result<Visited, Cancelled> {
    let within = compiled.within.map_or(u64::MAX, u64::from);
    let limit = compiled.limit.unwrap_or(u64::MAX);
    let mut hits = HitLimit { left: limit, known: KnownEdges::default(), take };
    if limit == 0 {
        return Ok(Visited::default());
    }
    match (compiled.selector, compiled.per) {
        (Selector::Reach | Selector::Dominated | Selector::Types, _) => {
            // LIMIT of the others counts rows that are made of these.
            let mut left = if compiled.selector == Selector::Reach { limit } else { u64::MAX };
            search.reach(within, cancel, |node, hops| {
                left -= 1;
                (hits.take)(PathHit::End(node, hops)) && left > 0
            })
        }
        (Selector::AnyShortest, Some(test)) => {
            let bindings = search.bindings(test, within, cancel)?;
            for node in bindings.nodes() {
                if !hits.path(search, &bindings.path(node)) {
                    break;
                }
            }
            Ok(bindings.visited)
        }
        (selector, None) => hits.some(selector, search, within, cancel).map(|(visited, _)| visited),
        (selector, Some(test)) => {
            let mut visited = Visited::default();
            let nodes: Vec<usize> = search.passing(test).collect();
            for node in nodes {
                search.bind(test, node);
                let (more, goes_on) = hits.some(selector, search, within, cancel)?;
                visited.pairs += more.pairs;
                visited.levels += more.levels;
                if !goes_on {
                    break;
                }
            }
            Ok(visited)
        }
    }
}

/// Calls `take` with ends that are known already, as [`find`] does for `REACH` and `TYPES`.
pub(super) fn given(compiled: &Compiled, ends: &[(usize, u32)], take: &mut dyn FnMut(PathHit<'_>) -> bool) {
    // LIMIT of types counts rows that are made of these.
    let n_wanted = match (compiled.selector, compiled.limit) {
        (_, Some(0)) => 0,
        (Selector::Reach, Some(limit)) => usize::try_from(limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    for (node, hops) in ends.iter().take(n_wanted) {
        if !take(PathHit::End(*node, *hops)) {
            break;
        }
    }
}

struct HitLimit<'t, I> {
    /// Paths that may still be given out.
    left: u64,
    known: KnownEdges<I>,
    take: &'t mut dyn FnMut(PathHit<'_>) -> bool,
}

impl<I: Id> HitLimit<'_, I> {
    /// Gives a path out; false when it was the last that is wanted.
    fn path(&mut self, search: &PathSearch<'_, I>, path: &[I]) -> bool {
        self.left -= 1;
        (self.take)(PathHit::Path(&search.steps(path, &mut self.known))) && self.left > 0
    }

    /// The paths of one selector; also whether more are wanted.
    fn some(
        &mut self,
        selector: Selector,
        search: &PathSearch<'_, I>,
        within: u64,
        cancel: &AtomicBool,
    ) -> Result<(Visited, bool), Cancelled> {
        match selector {
            Selector::Shortest(k) => {
                let mut ranked = search.ranked(within, cancel)?;
                for _ in 0..k {
                    let Some(path) = ranked.next_path()? else { break };
                    if !self.path(search, &path) {
                        return Ok((ranked.visited, false));
                    }
                }
                Ok((ranked.visited, true))
            }
            Selector::AllAcyclic => {
                let mut acyclic = search.acyclic(within, cancel)?;
                while let Some(path) = acyclic.next_path()? {
                    if !self.path(search, &path) {
                        return Ok((acyclic.visited, false));
                    }
                }
                Ok((acyclic.visited, true))
            }
            _ => {
                let outcome = search.shortest(within, cancel)?;
                let Some(mut paths) = outcome.paths else { return Ok((outcome.visited, true)) };
                if selector == Selector::AnyShortest {
                    let path = paths.most_taken(MAX_WAY_STEPS, cancel)?;
                    let goes_on = path.is_none_or(|path| self.path(search, &path));
                    return Ok((outcome.visited, goes_on));
                }
                while let Some(path) = paths.next_path() {
                    let path = path.to_vec();
                    if !self.path(search, &path) {
                        return Ok((outcome.visited, false));
                    }
                }
                Ok((outcome.visited, true))
            }
        }
    }
}

/// Totals of ends by hops and type: hops, type, objects, bytes; by hops, then most objects first.
pub(super) fn by_type(
    ends: &[(usize, u32)],
    type_of: impl Fn(usize) -> u32,
    size_of: impl Fn(usize) -> i64,
) -> Vec<(u32, u32, u64, i64)> {
    let mut sums: BTreeMap<(u32, u32), (u64, i64)> = BTreeMap::new();
    for (node, hops) in ends {
        let (objects, bytes) = sums.entry((*hops, type_of(*node))).or_default();
        *objects += 1;
        *bytes = bytes.saturating_add(size_of(*node));
    }
    let mut rows: Vec<_> =
        sums.into_iter().map(|((hops, rank), (objects, bytes))| (hops, rank, objects, bytes)).collect();
    rows.sort_unstable_by_key(|(hops, rank, objects, _)| (*hops, Reverse(*objects), *rank));
    rows
}
