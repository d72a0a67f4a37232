//! Holders: paths of the dominator tree, folded to signatures that have the same meaning in another process.
//!
//! The path of an object consists of its immediate dominators, from the top of the tree down to the object itself. Each is
//! replaced by an element (a type, perhaps with a name), and all objects with the same path of elements are one [`Holder`].
//! Repetitions are folded: if the last elements of a path repeat the elements right before them, in the same order, they
//! count once. A single element is folded from its third occurrence on: a dict in a dict is not a chain. So a chain of a
//! thousand objects has as many signatures as its motif has elements. O(nodes), one pass in preorder.

use std::{cmp::Reverse, collections::HashMap, sync::atomic::AtomicBool};

use crate::{Cancelled, Id, Numbers, Poll};

/// All objects whose paths have the same signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The position of the holder above, which is smaller; `None` at the top.
    pub parent: Option<u32>,
    /// The last element of the path; [`REST`] if this stands for many small or deep holders.
    pub element: u32,
    /// Number of elements of the path.
    pub depth: u32,
    /// Number of elements at the end of the path that repeat.
    pub period: u32,
    /// Number of objects with this path.
    pub count: u64,
    /// Sum of their own sizes in bytes. Over all holders this is the size of all objects.
    pub size: u64,
    /// Bytes that they retain together; of nested ones the outermost counts.
    pub retained: u64,
    /// Number of objects that they retain together.
    pub retained_count: u64,
}

/// The element of a holder that stands for many holders.
pub const REST: u32 = u32::MAX;

/// The bit of an element whose node is a part of its immediate dominator, if it has one. The path goes on without it; its
/// size is that of the holder, and it counts for nothing.
pub const PART: u32 = 1 << 31;

/// The maximum depth; objects below it are added to a [`REST`] there.
const MAX_DEPTH: u32 = 48;
/// The maximum length of a sequence whose repetitions are folded.
const MAX_PERIOD: usize = 8;
/// The maximum number of holders. In a hostile dump with more, further paths are added to a [`REST`] where they branch off.
const MAX_HOLDERS: usize = 1 << 19;

/// A dominator tree, laid out as in [`crate::Retained`], with an element for each node.
#[derive(Debug, Clone, Copy)]
pub struct HeldTree<'t, I> {
    /// The nodes in preorder.
    pub preorder: &'t [I],
    /// By node, how many nodes it dominates, itself included.
    pub counts: Numbers<'t, I>,
    /// By node, the bytes that it retains.
    pub retained: Numbers<'t, u64>,
    /// By node, its own size in bytes.
    pub sizes: Numbers<'t, u64>,
    /// By node, its element; with [`PART`], that of a node that is a part of what holds it.
    pub elements: &'t [u32],
}

/// Nodes that are prefetched together, so that cache misses overlap.
const FETCH: usize = 1024;

/// The holders of a dominator tree, each after the one above it.
///
/// `above` gives an element to put before a node at the top, if there is one.
pub fn holders<I: Id>(
    tree: HeldTree<'_, I>,
    above: impl Fn(usize) -> Option<u32>,
    cancel: &AtomicBool,
) -> Result<Vec<Holder>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let mut trie = Trie::new(MAX_HOLDERS);
    // By holder, the position of the preorder where the subtree of its last outermost object ends.
    let mut held_until: Vec<usize> = Vec::new();
    // The dominators of the next node, with the ends of their subtrees. Of several with the same end only the last is kept:
    // the others dominate no further node.
    let mut open: Vec<(usize, u32)> = Vec::new();
    let mut fetched = [(0, 0, 0, 0); FETCH];
    for (position, node) in tree.preorder.iter().enumerate() {
        if position % FETCH == 0 {
            poll.steps(FETCH)?;
            for (node, fetched) in tree.preorder[position..].iter().zip(&mut fetched) {
                let node = node.index();
                let (count, element) = (tree.counts.at(node).index(), tree.elements[node]);
                *fetched = (count, element, tree.sizes.at(node), tree.retained.at(node));
            }
        }
        let (count, element, size, retained) = fetched[position % FETCH];
        while open.last().is_some_and(|(end, _)| *end <= position) {
            open.pop();
        }
        let (is_part, element) = (element & PART != 0, element & !PART);
        let end = position.saturating_add(count);
        if let (true, Some((other, holder))) = (is_part, open.last().copied()) {
            let sums = &mut trie.holders[holder as usize];
            sums.size = sums.size.saturating_add(size);
            if count > 1 && other != end {
                open.push((end, holder));
            }
            continue;
        }
        let parent = match open.last() {
            Some((_, holder)) => Some(*holder),
            None => above(node.index()).map(|element| trie.child(None, element)),
        };
        let holder = trie.child(parent, element);
        if held_until.len() < trie.holders.len() {
            held_until.resize(trie.holders.len(), 0);
        }
        let sums = &mut trie.holders[holder as usize];
        sums.count += 1;
        sums.size = sums.size.saturating_add(size);
        let held = &mut held_until[holder as usize];
        if position >= *held {
            *held = end;
            sums.retained = sums.retained.saturating_add(retained);
            sums.retained_count += count as u64;
        }
        if count > 1 {
            if open.last().is_some_and(|(other, _)| *other == end) {
                open.pop();
            }
            open.push((end, holder));
        }
    }
    trie.add_up_above();
    Ok(trie.holders)
}

/// The `n` holders that retain most. The others are added to a [`REST`] below the nearest one that is kept.
pub fn largest_holders(holders: Vec<Holder>, n: usize) -> Vec<Holder> {
    if holders.len() <= n {
        return holders;
    }
    // A holder retains no less than those below it, and comes before them, so that all holders above a kept one are kept.
    let mut order: Vec<usize> = (0..holders.len()).collect();
    order.sort_by_key(|i| (Reverse(holders[*i].retained), *i));
    let mut is_kept = vec![false; holders.len()];
    order[..n].iter().for_each(|i| is_kept[*i] = true);
    let mut kept: Vec<Holder> = Vec::with_capacity(n);
    // The new position of each holder, or of the rest that it was added to.
    let mut place: Vec<u32> = Vec::with_capacity(holders.len());
    let mut rests: HashMap<Option<u32>, u32> = HashMap::new();
    for (i, holder) in holders.into_iter().enumerate() {
        let parent = holder.parent.map(|parent| place[parent as usize]);
        let (below, is_top_of_rest) = match parent {
            Some(at) if kept[at as usize].element == REST => (Some(at), false),
            _ => (rests.get(&parent).copied(), true),
        };
        if is_kept[i] && holder.element != REST {
            place.push(kept.len() as u32);
            kept.push(Holder { parent, ..holder });
            continue;
        }
        match below {
            Some(at) => {
                place.push(at);
                let most = kept[at as usize].parent.map(|parent| kept[parent as usize].retained);
                let rest = &mut kept[at as usize];
                rest.count += holder.count;
                rest.size = rest.size.saturating_add(holder.size);
                if is_top_of_rest {
                    let sum = rest.retained.saturating_add(holder.retained);
                    rest.retained = most.map_or(sum, |most| sum.min(most));
                    rest.retained_count += holder.retained_count;
                }
            }
            None => {
                rests.insert(parent, kept.len() as u32);
                place.push(kept.len() as u32);
                kept.push(Holder { parent, element: REST, period: 0, ..holder });
            }
        }
    }
    kept
}

/// The elements of a holder's path from the top on, in groups. The elements of a group repeat if its flag is set.
pub fn path_of(holders: &[Holder], holder: usize) -> Vec<(Vec<u32>, bool)> {
    let mut groups: Vec<(Vec<u32>, bool)> = Vec::new();
    let mut at = Some(holder);
    while let Some(end) = at {
        let period = holders[end].period.max(1);
        let mut group = Vec::with_capacity(period as usize);
        for _ in 0..period {
            let Some(i) = at else { break };
            group.push(holders[i].element);
            at = holders[i].parent.map(|parent| parent as usize);
        }
        group.reverse();
        groups.push((group, holders[end].period > 0));
    }
    groups.reverse();
    groups
}

/// Paths of elements, folded as they grow.
struct Trie {
    holders: Vec<Holder>,
    /// By holder, the last element that was looked up and its holder: neighbours in the tree are mostly alike.
    last: Vec<(u32, u32)>,
    next: HashMap<(u32, u32), u32>,
    max: usize,
}

/// Stands for no holder in a key.
const TOP: u32 = u32::MAX;

impl Trie {
    fn new(max: usize) -> Self {
        Self { holders: Vec::new(), last: Vec::new(), next: HashMap::new(), max }
    }

    /// The holder of a path with one more element.
    fn child(&mut self, parent: Option<u32>, element: u32) -> u32 {
        if let Some(parent) = parent {
            match self.last[parent as usize] {
                (last, holder) if last == element && holder != TOP => return holder,
                _ => {}
            }
        }
        let key = (parent.unwrap_or(TOP), element);
        let holder = match self.next.get(&key) {
            Some(holder) => *holder,
            None => {
                let holder = self.grow(parent, element);
                self.next.insert(key, holder);
                holder
            }
        };
        if let Some(parent) = parent {
            self.last[parent as usize] = (element, holder);
        }
        holder
    }

    fn grow(&mut self, parent: Option<u32>, element: u32) -> u32 {
        let depth = parent.map_or(0, |parent| self.holders[parent as usize].depth);
        if let Some(parent) = parent {
            if self.holders[parent as usize].element == REST {
                return parent;
            }
            if let Some(folded) = self.folded(parent, element) {
                return folded;
            }
        }
        let is_too_much = depth + 1 >= MAX_DEPTH || self.holders.len() >= self.max;
        if is_too_much && element != REST {
            return self.child(parent, REST);
        }
        self.holders.push(Holder {
            parent,
            element,
            depth: depth + 1,
            period: 0,
            count: 0,
            size: 0,
            retained: 0,
            retained_count: 0,
        });
        self.last.push((0, TOP));
        self.holders.len() as u32 - 1
    }

    /// The holder that a path is folded to if its last elements, with the new one, repeat those right before them.
    fn folded(&mut self, parent: u32, element: u32) -> Option<u32> {
        let mut path = vec![element];
        let mut above = vec![parent];
        while let (true, Some(holder)) = (path.len() < 2 * MAX_PERIOD, above.last()) {
            let holder = &self.holders[*holder as usize];
            path.push(holder.element);
            match holder.parent {
                Some(parent) => above.push(parent),
                None => break,
            }
        }
        let repeats = |period: &usize| {
            let before = if *period == 1 { 2 } else { 1 };
            path.len() > before * *period
                && (1..=before).all(|times| path[..*period] == path[times * *period..(times + 1) * *period])
        };
        let period = (1..=path.len() / 2).find(repeats)?;
        // Without the repeated elements the path ends that many holders further up; the new element has none yet.
        let folded = above[period - 1];
        let holder = &mut self.holders[folded as usize];
        if holder.period == 0 {
            holder.period = period as u32;
        }
        Some(folded)
    }

    /// Gives holders without objects the sums of the holders below them.
    fn add_up_above(&mut self) {
        for i in 0..self.holders.len() {
            let Holder { retained, retained_count, parent, .. } = self.holders[i];
            let Some(parent) = parent else { continue };
            let above = &mut self.holders[parent as usize];
            if above.count == 0 {
                above.retained = above.retained.saturating_add(retained);
                above.retained_count += retained_count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A tree given by parents (each before its children), with its arrays.
    struct Given {
        preorder: Vec<u32>,
        counts: Vec<u32>,
        retained: Vec<u64>,
        sizes: Vec<u64>,
    }

    impl Given {
        fn new(parents: &[Option<usize>]) -> Self {
            let n = parents.len();
            let mut children = vec![Vec::new(); n];
            let mut counts = vec![1; n];
            let sizes: Vec<u64> = (0..n as u64).map(|i| 16 + i % 7).collect();
            let mut retained = sizes.clone();
            for i in (0..n).rev() {
                if let Some(parent) = parents[i] {
                    children[parent].push(i);
                    counts[parent] += counts[i];
                    retained[parent] += retained[i];
                }
            }
            let mut stack: Vec<usize> = (0..n).filter(|i| parents[*i].is_none()).collect();
            let mut preorder = Vec::new();
            while let Some(i) = stack.pop() {
                preorder.push(i as u32);
                stack.extend(&children[i]);
            }
            Self { preorder, counts, retained, sizes }
        }

        fn holders(&self, elements: &[u32]) -> Vec<Holder> {
            let tree = HeldTree {
                preorder: &self.preorder,
                counts: (&self.counts).into(),
                retained: (&self.retained).into(),
                sizes: (&self.sizes).into(),
                elements,
            };
            holders(tree, |_| None, &AtomicBool::new(false)).expect("not cancelled")
        }
    }

    /// The signature by its definition, and whether its end was folded.
    fn signature(path: &[u32]) -> Vec<u32> {
        let mut folded: Vec<u32> = Vec::new();
        for element in path {
            folded.push(*element);
            let n = folded.len();
            let block = |w: usize, times: usize| &folded[n - (times + 1) * w..n - times * w];
            let period = (1..=MAX_PERIOD).find(|w| match w {
                1 => n >= 3 && folded[n - 3..].iter().all(|element| element == &folded[n - 1]),
                w => 2 * w <= n && block(*w, 0) == block(*w, 1),
            });
            folded.truncate(n - period.unwrap_or(0));
        }
        folded
    }

    fn flat(holders: &[Holder], i: usize) -> Vec<u32> {
        path_of(holders, i).into_iter().flat_map(|(group, _)| group).collect()
    }

    #[test]
    fn sums_are_those_of_the_definition() {
        let mut seed = 1_u64;
        let mut random = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for round in 0..2000 {
            let n = 1 + random(40) as usize;
            // Half of the trees are deep, so that something repeats.
            let near = if round % 2 == 0 { 2 } else { 40 };
            let parents: Vec<Option<usize>> = (0..n)
                .map(|i| (i > 0 && random(12) > 0).then(|| i - 1 - random((i as u64).min(near)) as usize))
                .collect();
            let elements: Vec<u32> = (0..n).map(|_| random(2 + round % 3) as u32).collect();
            let given = Given::new(&parents);
            let paths: Vec<Vec<usize>> = (0..n)
                .map(|i| {
                    let mut path: Vec<usize> = std::iter::successors(Some(i), |at| parents[*at]).collect();
                    path.reverse();
                    path
                })
                .collect();
            let signatures: Vec<Vec<u32>> = paths
                .iter()
                .map(|path| signature(&path.iter().map(|i| elements[*i]).collect::<Vec<_>>()))
                .collect();
            let mut wanted: BTreeMap<&[u32], [u64; 4]> = BTreeMap::new();
            for i in 0..n {
                let sums = wanted.entry(&signatures[i]).or_default();
                sums[0] += 1;
                sums[1] += given.sizes[i];
                let (_, above) = paths[i].split_last().expect("a path has its object");
                if above.iter().all(|holder| signatures[*holder] != signatures[i]) {
                    sums[2] += given.retained[i];
                    sums[3] += u64::from(given.counts[i]);
                }
            }
            let found = given.holders(&elements);
            let found: BTreeMap<Vec<u32>, [u64; 4]> = found
                .iter()
                .enumerate()
                .filter(|(_, holder)| holder.count > 0)
                .map(|(i, holder)| {
                    (flat(&found, i), [holder.count, holder.size, holder.retained, holder.retained_count])
                })
                .collect();
            let wanted: BTreeMap<Vec<u32>, [u64; 4]> =
                wanted.into_iter().map(|(path, sums)| (path.to_vec(), sums)).collect();
            assert_eq!(found, wanted, "{parents:?} {elements:?}");
        }
    }

    #[test]
    fn a_long_chain_has_few_holders() {
        // root, then (1 2 3) a hundred thousand times, with a leaf 4 at each 3.
        let (mut parents, mut elements) = (vec![None], vec![0]);
        let mut at = 0;
        for i in 0..300_000_u32 {
            parents.push(Some(at));
            at = parents.len() - 1;
            elements.push(1 + i % 3);
            if i % 3 == 2 {
                parents.push(Some(at));
                elements.push(4);
            }
        }
        let given = Given::new(&parents);
        let found = given.holders(&elements);
        let chain = found.iter().position(|holder| holder.period > 0).expect("a chain");
        assert_eq!(path_of(&found, chain), [(vec![0], false), (vec![1, 2, 3], true)]);
        assert_eq!(found[chain].count, 100_000);
        assert!(found.len() < 10, "{found:?}");
    }

    #[test]
    fn what_is_deep_is_one() {
        let n = 200_usize;
        let parents: Vec<Option<usize>> = (0..n).map(|i| i.checked_sub(1)).collect();
        // No sequence repeats right after itself.
        let elements: Vec<u32> = (0..n as u32).collect();
        let given = Given::new(&parents);
        let found = given.holders(&elements);
        assert_eq!(found.len(), MAX_DEPTH as usize);
        let deepest = found.last().expect("holders");
        assert_eq!((deepest.element, deepest.count), (REST, n as u64 - u64::from(MAX_DEPTH) + 1));
        let sizes: u64 = found.iter().map(|holder| holder.size).sum();
        assert_eq!(sizes, given.sizes.iter().sum::<u64>());
    }

    #[test]
    fn the_largest_are_kept_and_nothing_is_lost() {
        let parents: Vec<Option<usize>> = (0..400_usize).map(|i| i.checked_sub(1).map(|i| i / 3)).collect();
        let elements: Vec<u32> = (0..400).map(|i| i % 5 + i / 100 * 10).collect();
        let given = Given::new(&parents);
        let all = given.holders(&elements);
        for n in [1, 2, 5, 17, all.len(), all.len() + 1] {
            let kept = largest_holders(all.clone(), n);
            assert_eq!(kept.iter().filter(|holder| holder.element != REST).count(), n.min(all.len()));
            let sum = |holders: &[Holder], part: fn(&Holder) -> u64| holders.iter().map(part).sum::<u64>();
            assert_eq!(sum(&kept, |holder| holder.count), sum(&all, |holder| holder.count));
            assert_eq!(sum(&kept, |holder| holder.size), sum(&all, |holder| holder.size));
            for holder in &kept {
                let Some(parent) = holder.parent else { continue };
                assert!(kept[parent as usize].retained >= holder.retained, "{holder:?}");
                assert!(kept[parent as usize].element != REST);
            }
        }
    }

    #[test]
    fn what_comes_above_has_the_sums() {
        let given = Given::new(&[None, Some(0), None]);
        let tree = HeldTree {
            preorder: &given.preorder,
            counts: (&given.counts).into(),
            retained: (&given.retained).into(),
            sizes: (&given.sizes).into(),
            elements: &[1; 3],
        };
        let found = holders(tree, |node| (node == 2).then_some(9), &AtomicBool::new(false));
        let found = found.expect("not cancelled");
        let above = found.iter().find(|holder| holder.element == 9).expect("what is above");
        assert_eq!((above.count, above.size, above.retained, above.retained_count), (0, 0, 18, 1));
    }

    #[test]
    fn parts_are_of_what_holds_them() {
        // 0 -> 1 -> 2 -> 3, 0 -> 1 -> 4; 1 and 2 are parts, and so is 5, which nothing holds.
        let given = Given::new(&[None, Some(0), Some(1), Some(2), Some(1), None]);
        let found = given.holders(&[10, 11 | PART, 12 | PART, 13, 13, 15 | PART]);
        let shown: Vec<_> =
            (0..found.len()).map(|i| (flat(&found, i), found[i].count, found[i].size)).collect();
        let size = |nodes: &[usize]| nodes.iter().map(|node| given.sizes[*node]).sum::<u64>();
        assert_eq!(
            shown,
            [(vec![15], 1, size(&[5])), (vec![10], 1, size(&[0, 1, 2])), (vec![10, 13], 2, size(&[3, 4])),]
        );
        assert_eq!(found[2].retained, given.retained[3] + given.retained[4]);
    }

    #[test]
    fn stops_when_it_is_told() {
        let given = Given::new(&(0..200_000).map(|i: usize| i.checked_sub(1)).collect::<Vec<_>>());
        let tree = HeldTree {
            preorder: &given.preorder,
            counts: (&given.counts).into(),
            retained: (&given.retained).into(),
            sizes: (&given.sizes).into(),
            elements: &[1; 200_000],
        };
        assert_eq!(holders(tree, |_| None, &AtomicBool::new(true)), Err(Cancelled));
    }
}
