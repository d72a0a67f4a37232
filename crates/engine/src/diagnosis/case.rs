//! A case: a candidate with everything that is known of it, about which signals and idioms decide.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::AtomicBool,
};

use heaplake_graph::{BitSet, Cut};
use heaplake_model::short_type_name;
use heaplake_store::with_index;

use super::{
    bound::{ItemBound, LRU_WRAPPER, bound_said, class_numbers, lru_bound, numbers_of, ring_bound},
    candidate::{Candidate, How},
    freed,
    heap::{Facts, Heap},
    moments::Moments,
    proof::{ThreadParts, is_weak_map, parts_of_threads},
    sort::{Sort, known_name},
    standing::{MIN_KIDS, descend, main_kids},
    way::{self, WayStep},
    words,
};
use crate::Result;

/// What is known of a candidate.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) node: usize,
    anchor: usize,
    pub(super) how: How,
    /// What part of the objects that have come has also gone again; `None` where it is not known.
    pub(super) turnover: Option<f64>,
    /// What part of what the holder had in an earlier dump is still in it; `None` where it is not known.
    pub(super) stayed: Option<f64>,
    /// Whether nearly all that it has are new objects, and half of it has stayed all the same: copies have come in its place.
    pub(super) is_made_anew: bool,
    pub(super) holder_type: String,
    /// Type of what the holder refers to, without its module.
    pub(super) kid_type: String,
    /// The same as the dump names it.
    pub(super) full_kid_type: String,
    /// What a programmer would say accumulates.
    pub(super) type_name: String,
    pub(super) rule: CountRule,
    /// By moment, how many there are; `None` where the holder was not there.
    pub(super) counts: Vec<Option<i64>>,
    /// By moment, bytes that go with the content.
    pub(super) bytes: Vec<Option<i64>>,
    /// Growth since the first moment that is not another candidate's.
    pub(super) own: i64,
    /// Some of what is new in it; of one dump, of what is in it.
    pub(super) samples: Vec<usize>,
    pub(super) members: Vec<usize>,
    pub(super) slots: Vec<usize>,
    /// Other objects that hold the same.
    pub(super) also: Vec<usize>,
    /// Holders that have the same place in other threads, each with the name of its thread. What is counted is in all of them.
    pub(super) likewise: Vec<(usize, String)>,
    /// Whether something else holds part of the content.
    pub(super) is_shared: bool,
    /// From a module, or another root, down to the holder.
    pub(super) way: Vec<WayStep>,
    /// The holder's path in the dominator tree.
    pub(super) holder_path: String,
    pub(super) held_by: Option<String>,
    /// The holder's attributes and those of the object whose attribute it is, with values where they are numbers.
    pub(super) beside: Vec<(String, Option<i64>)>,
    /// How many items the interpreter itself lets the holder have; `None` where the dump does not say.
    pub(super) bound: Option<ItemBound>,
    /// Types of objects below the samples.
    pub(super) below: HashSet<String>,
    /// Labels of what some of the samples refer to.
    pub(super) fields: HashSet<String>,
    /// Whether the way begins at a module, a class or a thread, and not at what a running function has; or an object of a Java program has
    /// the holder.
    pub(super) is_kept: bool,
    /// Whether the holder is a map of Java with weak keys.
    pub(super) has_weak_keys: bool,
    /// Whether soft references keep what is in it.
    pub(super) is_soft: bool,
    /// Whether the samples are threads that run; `None` where the dump does not tell.
    pub(super) are_running: Option<bool>,
    /// What proves that it leaks.
    pub(super) proof: Option<String>,
}

/// Objects and references around a holder, whose names and labels are read from the tables.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The shortest way to the holder.
    way: Vec<usize>,
    /// Its dominators, itself last.
    pub(super) dominators: Vec<usize>,
    pub(super) nodes: Vec<usize>,
    /// Positions of references.
    pub(super) edges: Vec<usize>,
    /// References to attributes beside the holder, and the attributes.
    beside: Vec<(usize, usize)>,
    /// The same of the globals of its module, which may be about anything.
    globals: Vec<(usize, usize)>,
    /// References from samples.
    fields: Vec<usize>,
    /// By sample, references around it that may be soft.
    around_samples: Vec<Vec<usize>>,
}

/// How the content of a holder is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CountRule {
    /// References of the holder to objects of the type.
    Direct,
    /// Objects of the type that the holder retains.
    Below,
    /// Objects that stand for themselves.
    Members,
}

/// Objects that are looked into.
const N_SAMPLES: usize = 24;
/// Objects below a holder that are counted.
const MAX_COUNTED: usize = 4_000_000;

impl Case {
    /// What the graph says of a candidate.
    pub(super) fn new(candidate: &Candidate, moments: &Moments, cancel: &AtomicBool) -> Result<Option<Self>> {
        let heap = moments.newest();
        let runtime = heap.manifest().runtime();
        let node = candidate.node;
        let holders: Vec<usize> = match candidate.how {
            How::Siblings => candidate.members.clone(),
            _ => vec![node],
        };
        let mut kids: Vec<usize> = match candidate.how {
            How::Garbage | How::External | How::Unfinalized | How::Stuck => candidate.members.clone(),
            How::Chain => heap.subtree(node, 2000).into_iter().skip(1).collect(),
            _ if !candidate.slots.is_empty() => candidate.slots.clone(),
            _ => holders.iter().flat_map(|holder| heap.content(*holder)).collect(),
        };
        let below = match candidate.how {
            How::Mass if candidate.slots.is_empty() => ring(heap, node, kids.len()),
            _ => None,
        };
        let is_ring = below.is_some();
        kids = below.unwrap_or(kids);
        let mut seen = HashSet::new();
        kids.retain(|kid| seen.insert(*kid) && *kid != node);
        let basis = moments.basis(node).map(|(_, growth)| growth);
        let is_new = |kid: usize| basis.is_none_or(|growth| growth.partner(kid).is_none());
        let new: Vec<usize> = kids.iter().copied().filter(|kid| is_new(*kid)).collect();
        let new = if new.is_empty() { kids.clone() } else { new };
        let is_huge = candidate.how == How::Huge;
        let link = if candidate.how == How::Chain { link_rank(heap, node, &new) } else { None };
        let kid_rank = match (main_kids(heap, &new), link) {
            // What hangs from each link counts where it is much more.
            (Some((_, n)), Some((link, n_links))) if n_links * 4 >= n => link,
            (Some((rank, _)), _) => rank,
            (None, _) if is_huge => heap.type_rank(node),
            (None, _) => return Ok(None),
        };
        let kid_type = heap.open.type_name(kid_rank).to_owned();
        let mut samples: Vec<usize> =
            new.iter().copied().filter(|kid| heap.type_rank(*kid) == kid_rank).collect();
        let step = samples.len().div_ceil(N_SAMPLES).max(1);
        samples = samples.into_iter().step_by(step).collect();
        let (type_name, depth) = named_type(heap, &samples, &is_new).unwrap_or((kid_type.clone(), 0));
        let rule = match candidate.how {
            How::Garbage | How::External | How::Unfinalized | How::Stuck => CountRule::Members,
            How::Chain | How::Siblings => CountRule::Below,
            _ if is_ring => CountRule::Below,
            _ if depth == 0 && candidate.slots.is_empty() => CountRule::Direct,
            _ if heap.retained(node) - heap.size(node) > 0 => CountRule::Below,
            _ => CountRule::Direct,
        };
        let counted = if rule == CountRule::Direct { &kid_type } else { &type_name };
        let counted = counted.clone();
        let is_shared = rule == CountRule::Direct
            && candidate.slots.is_empty()
            && samples.iter().filter(|kid| !heap.dominates(node, **kid)).count() * 2 > samples.len();
        let mut case = Self {
            node,
            anchor: candidate.anchor,
            how: candidate.how,
            turnover: None,
            stayed: None,
            is_made_anew: false,
            holder_type: heap.type_name(node).to_owned(),
            kid_type: short_type_name(&kid_type).to_owned(),
            full_kid_type: kid_type,
            type_name: if rule == CountRule::Direct && depth > 0 { type_name } else { counted.clone() },
            rule,
            counts: Vec::new(),
            bytes: Vec::new(),
            own: candidate.own,
            below: types_below(heap, &samples),
            fields: HashSet::new(),
            is_kept: false,
            has_weak_keys: is_weak_map(heap, node),
            is_soft: false,
            are_running: runtime.roots_have_frames().then(|| {
                samples.iter().filter(|sample| heap.is_thread(**sample)).count() * 2 > samples.len()
            }),
            samples,
            members: candidate.members.clone(),
            slots: candidate.slots.clone(),
            also: Vec::new(),
            likewise: Vec::new(),
            is_shared,
            way: Vec::new(),
            holder_path: String::new(),
            held_by: None,
            beside: Vec::new(),
            bound: None,
            proof: candidate.proof.clone(),
        };
        for moment in 0..moments.len() {
            let found = match case.rule {
                _ if case.how == How::Stuck => Some(case.stuck_at(moments, moment, cancel)?),
                CountRule::Members => Some(case.members_at(moments, moment)),
                _ => {
                    let there = moments.in_place_of(moment, case.anchor);
                    there.map(|at| case.measure(moments.heap(moment), at, &counted))
                }
            };
            case.counts.push(found.map(|(count, _)| count));
            case.bytes.push(found.map(|(_, bytes)| bytes));
        }
        if case.rule == CountRule::Members {
            case.type_name = heap.telling_type(node).to_owned();
        }
        case.measure_slot(moments);
        if is_huge {
            case.counts = case.bytes.iter().map(|bytes| bytes.map(|_| 1)).collect();
            case.type_name = case.slots.first().map_or(&case.holder_type, |_| &case.full_kid_type).clone();
        }
        let is_content = matches!(case.how, How::Refs | How::Mass) && case.slots.is_empty() && !is_ring;
        if is_content && heap.sort_of_rank(kid_rank) != Sort::Scalar {
            case.turnover = turnover(&case, moments, &kids);
        }
        Ok(Some(case))
    }

    /// Takes what part of what the holder had at a moment is still in it. That tells better than addresses what has gone: what is made anew
    /// is elsewhere, and has stayed.
    pub(super) fn take_stayed(&mut self, moment: usize, stayed: f64) {
        self.stayed = Some(stayed);
        let (Some(then), now) = (self.counts[moment], self.count()) else { return };
        let Some(by_address) = self.turnover else { return };
        let net = (now - then) as f64;
        self.is_made_anew = stayed >= 0.5 && net > 0.0 && net >= 0.9 * now as f64 * (1.0 - by_address);
        // What is made anew has one size today and another tomorrow.
        let is_much = (now - then).saturating_mul(4) >= then;
        let come = now as f64 - stayed * then as f64;
        if come > 0.0 && (is_much || self.counts.len() > 2) {
            self.turnover = Some(by_address.min(1.0 - net / come));
        }
    }

    /// Whether another case is about what has the same place in another thread.
    pub(super) fn is_like(&self, other: &Case) -> bool {
        self.how == other.how
            && self.type_name == other.type_name
            && self.rule != CountRule::Members
            && way::are_of_threads(&self.way, &other.way)
    }

    /// Takes what such a case is about.
    pub(super) fn add_likewise(&mut self, other: &Case) {
        let add = |numbers: &mut [Option<i64>], more: &[Option<i64>]| {
            for (number, more) in numbers.iter_mut().zip(more) {
                *number = more.map_or(*number, |more| Some(number.unwrap_or(0).saturating_add(more)));
            }
        };
        add(&mut self.counts, &other.counts);
        add(&mut self.bytes, &other.bytes);
        self.own = self.own.saturating_add(other.own);
        let thread = other.way.first().and_then(|first| first.name.clone()).unwrap_or_default();
        self.likewise.push((other.node, thread));
    }

    /// The holder, and what has the same place in other threads.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.node).chain(self.likewise.iter().map(|(node, _)| *node))
    }

    /// The holder, and what holds the same or has the same place in other threads.
    pub(super) fn holders(&self) -> Vec<usize> {
        self.places().chain(self.also.iter().copied()).collect()
    }

    /// Replaces the bytes of a case that is not about all content of its anchor.
    fn measure_slot(&mut self, moments: &Moments) {
        let heap = moments.newest();
        let of_slot = self.slots.first().copied().or_else(|| (self.node != self.anchor).then_some(self.node));
        let last = moments.len() - 1;
        if self.how == How::Huge && of_slot.is_none() {
            let was = |moment| moments.at(moment, self.node).map(|at| moments.heap(moment).retained(at));
            self.bytes = (0..=last).map(was).collect();
            return;
        }
        let Some(slot) = of_slot else { return };
        let type_name = heap.type_name(slot);
        for moment in 0..last {
            let earlier = moments.heap(moment);
            let largest = |at: usize| {
                let kids =
                    earlier.dominated(at).into_iter().filter(|kid| earlier.type_name(*kid) == type_name);
                kids.map(|kid| earlier.retained(kid)).max().unwrap_or(0)
            };
            self.bytes[moment] = moments.in_place_of(moment, self.anchor).map(largest);
        }
        self.bytes[last] = Some(match self.slots.as_slice() {
            [] => heap.retained(slot),
            slots => slots.iter().map(|slot| heap.retained(*slot)).sum(),
        });
    }

    /// Count and bytes of the content of a holder in one dump.
    fn measure(&self, heap: &Heap, at: usize, type_name: &str) -> (i64, i64) {
        let is_it = |node: usize| heap.type_name(node) == type_name;
        let mut bytes = heap.retained(at) - heap.size(at);
        let count = match self.rule {
            CountRule::Direct => {
                let kids = heap.content(at);
                if self.is_shared {
                    let mut seen = HashSet::new();
                    for kid in kids.iter().filter(|kid| is_it(**kid)) {
                        if seen.insert(*kid) && !heap.dominates(at, *kid) && !heap.dominates(*kid, at) {
                            bytes = bytes.saturating_add(heap.retained(*kid));
                        }
                    }
                }
                kids.into_iter().filter(|kid| is_it(*kid)).count()
            }
            _ => heap.subtree(at, MAX_COUNTED).into_iter().skip(1).filter(|node| is_it(*node)).count(),
        };
        (count as i64, bytes)
    }

    /// Count and bytes of roots of the type and kind of the members.
    fn members_at(&self, moments: &Moments, moment: usize) -> (i64, i64) {
        let newest = moments.newest();
        let kind = newest.root_kind(self.node).unwrap_or_default();
        moments.heap(moment).undominated_like(kind, newest.telling_type(self.node))
    }

    /// How many of the members were there, and the bytes that go with them and the frames that run in them.
    fn stuck_at(&self, moments: &Moments, moment: usize, cancel: &AtomicBool) -> Result<(i64, i64)> {
        let heap = moments.heap(moment);
        let there: Vec<usize> =
            self.members.iter().filter_map(|member| moments.at(moment, *member)).collect();
        let ThreadParts { objects, no_roots } = parts_of_threads(heap, &there)?;
        let nodes = BitSet::of(heap.n_nodes(), there.iter().chain(&objects).copied());
        let cut = Cut { nodes, edges: BitSet::default() };
        let mut most = usize::MAX;
        let bytes = with_index!(&*heap.open.index, |index| freed(index, &cut, &no_roots, &mut most, cancel))?;
        Ok((there.len() as i64, bytes.unwrap_or(0)))
    }

    /// Some of the objects for whose growth what holds them is the candidate.
    fn sampled_members(&self) -> impl Iterator<Item = usize> {
        let members = if self.how == How::Siblings { self.members.as_slice() } else { &[] };
        members.iter().copied().take(N_SAMPLES)
    }

    /// References of some of the samples that have few.
    fn fields_of_samples(&self, heap: &Heap) -> impl Iterator<Item = (usize, usize)> {
        const N_LOOKED_AT: usize = 8;
        const MAX_FIELDS: usize = 32;
        let refs = self.samples.iter().take(N_LOOKED_AT).map(|sample| heap.refs(*sample));
        refs.filter(|refs| refs.len() <= MAX_FIELDS).flatten()
    }

    /// By sample, references that may be soft: to it and from it, and from what it refers to, of objects that have few.
    fn edges_around_samples(&self, heap: &Heap) -> Vec<Vec<usize>> {
        const MAX_REFS: usize = 8;
        if !heap.manifest().runtime().has_collection_parts() {
            return Vec::new();
        }
        let few =
            |node: usize| Some(heap.refs(node)).filter(|refs| refs.len() <= MAX_REFS).unwrap_or_default();
        let around = |sample: &usize| {
            let parents = heap.parents(*sample).into_iter().take(MAX_REFS).flat_map(few);
            let to_it = parents.filter(|(_, kid)| kid == sample);
            let from_it = few(*sample);
            let below = from_it.clone().into_iter().flat_map(|(_, kid)| few(kid));
            to_it.chain(from_it).chain(below).map(|(edge, _)| edge).collect()
        };
        self.samples.iter().map(around).collect()
    }

    /// The bound that the type of the holder enforces, or that of each of the siblings.
    fn item_bound(&self, heap: &Heap, facts: &Facts) -> Option<ItemBound> {
        let of = |node: usize| {
            let (name, most) = bound_said(facts, node)?;
            Some(ItemBound { name, most, used: heap.refs(node).len() as i64 })
        };
        let members: Vec<usize> = self.sampled_members().collect();
        if members.is_empty() {
            return of(self.node);
        }
        let bounds: Vec<ItemBound> = members.into_iter().map(of).collect::<Option<_>>()?;
        bounds.into_iter().max_by_key(|bound| bound.most.unwrap_or(i64::MAX))
    }

    pub(super) fn count(&self) -> i64 {
        self.counts.last().copied().flatten().unwrap_or(0)
    }

    /// How many more than in the first dump; `None` for one dump.
    pub(super) fn count_growth(&self) -> Option<i64> {
        (self.counts.len() > 1).then(|| self.count() - self.counts[0].unwrap_or(0))
    }

    pub(super) fn retained(&self) -> i64 {
        self.bytes.last().copied().flatten().unwrap_or(0)
    }

    pub(super) fn retained_growth(&self) -> Option<i64> {
        (self.bytes.len() > 1).then(|| self.retained() - self.bytes[0].unwrap_or(0))
    }

    /// By moment, how many there are; 0 where the holder was not there.
    pub(super) fn series(&self) -> Vec<i64> {
        self.counts.iter().map(|count| count.unwrap_or(0)).collect()
    }

    /// The numbers whose shape is judged, by moment since the holder is there: how many there are, or of one huge object its bytes.
    pub(super) fn lifetime(&self) -> Vec<i64> {
        since_it_is_there(if self.how == How::Huge { &self.bytes } else { &self.counts })
    }

    /// The type of the object some steps before the holder; empty above the top.
    pub(super) fn above(&self, steps: usize) -> &str {
        let at = self.way.len().checked_sub(steps + 1);
        at.map_or("", |at| self.way[at].type_name.as_str())
    }

    /// Whether an object of one of these types is on the way to the holder, or the holder is one.
    pub(super) fn way_has(&self, types: &[&str]) -> bool {
        self.way.iter().any(|step| types.contains(&step.type_name.as_str()))
    }

    /// The name of the module that the way begins with.
    pub(super) fn module(&self) -> Option<&str> {
        self.way.first().filter(|step| step.type_name == "module").and_then(|step| step.name.as_deref())
    }

    /// Whether a name near the holder contains one of these words.
    pub(super) fn is_called(&self, words: &[&str]) -> bool {
        let near = self.way.iter().rev().filter(|step| !step.is_part()).take(3);
        let mut names =
            near.flat_map(|step| [step.label.as_deref(), Some(step.type_name.as_str())]).flatten();
        names.any(|name| {
            let name = name.to_lowercase();
            words.iter().any(|word| name.contains(word))
        })
    }

    /// What is read of the tables for a case.
    pub(super) fn surroundings(&self, heap: &Heap) -> Surroundings {
        let way = heap.way_to(self.node);
        let dominators = heap.dominators(self.node);
        let mut nodes: Vec<usize> = way.iter().chain(&dominators).chain(&self.samples).copied().collect();
        nodes.extend(self.sampled_members());
        let mut edges: Vec<usize> =
            way.windows(2).chain(dominators.windows(2)).filter_map(|hop| heap.edge(hop[0], hop[1])).collect();
        for hop in way.windows(2).filter(|hop| way::is_entry(heap, hop[0], hop[1])) {
            for (edge, kid) in heap.refs(hop[0]) {
                edges.push(edge);
                nodes.push(kid);
            }
        }
        let fields: Vec<usize> = self.fields_of_samples(heap).map(|(edge, _)| edge).collect();
        let around_samples = self.edges_around_samples(heap);
        edges.extend(fields.iter().chain(around_samples.iter().flatten()));
        // What dictionaries are namespaces say the labels that lead to them.
        for node in dominators.iter().filter(|node| heap.type_name(**node) == "dict") {
            for parent in heap.parents(*node).into_iter().take(8) {
                edges.extend(heap.edge(parent, *node));
                nodes.push(parent);
            }
        }
        // The attributes beside the holder. The dictionary of an object does not count as a step: newer versions have none.
        let mut beside = Vec::new();
        let mut n_steps = 0;
        for (i, step) in way.iter().enumerate().rev() {
            let is_dict = heap.type_name(*step) == "dict";
            let above = i.checked_sub(1).map(|above| heap.sort(way[above]));
            n_steps += usize::from(!(is_dict && above == Some(Sort::Program)));
            if n_steps > 3 {
                break;
            }
            let refs = heap.refs(*step);
            let is_small =
                refs.len() <= 64 && !matches!(heap.sort(*step), Sort::Module | Sort::Code | Sort::Function);
            if is_small && (*step == self.node || is_dict || heap.sort(*step) == Sort::Program) {
                beside.extend(refs);
            }
            if heap.sort(*step) == Sort::Program {
                beside.extend(class_numbers(heap, *step));
            }
        }
        let globals = match way.as_slice() {
            [module, namespace, ..] if heap.sort(*module) == Sort::Module => numbers_of(heap, *namespace),
            _ => Vec::new(),
        };
        for (edge, kid) in beside.iter().chain(&globals) {
            edges.push(*edge);
            nodes.push(*kid);
        }
        Surroundings { way, dominators, nodes, edges, beside, globals, fields, around_samples }
    }

    /// Takes the names and labels of what was read for the case.
    pub(super) fn tell(
        &mut self,
        heap: &Heap,
        facts: &mut Facts,
        of: Surroundings,
        names: &HashMap<usize, String>,
    ) -> Result<()> {
        let Surroundings { way, dominators, beside, globals, fields, around_samples, .. } = of;
        self.way = way::steps(heap, facts, &way);
        let fields = fields.into_iter().filter_map(|edge| facts.label(edge));
        self.fields = fields.map(str::to_owned).collect();
        let n_soft =
            around_samples.iter().filter(|edges| edges.iter().any(|edge| facts.is_soft(*edge))).count();
        self.is_soft = n_soft * 2 > self.samples.len() || self.way.iter().any(|step| step.is_soft);
        // What an object of a Java program has is kept, also where only a method that runs has the object.
        let is_java = heap.manifest().runtime().has_collection_parts();
        let is_of_object =
            || is_java && way.iter().any(|step| *step != self.node && heap.sort(*step) == Sort::Program);
        self.is_kept = way.first().is_some_and(|first| heap.is_top(*first, self.node)) || is_of_object();
        self.held_by = way::held_by(&self.way, heap.manifest().runtime());
        self.holder_path = way::holder_path(heap, facts, names, &dominators);
        self.bound = self.item_bound(heap, facts).or(self.bound.take());
        let is_wrapper = |node: &&usize| short_type_name(heap.type_name(**node)) == LRU_WRAPPER;
        if let Some((i, wrapper)) = way.iter().rev().enumerate().find(|(_, node)| is_wrapper(node)) {
            match bound_said(facts, *wrapper) {
                Some((name, most)) if i < 3 => {
                    self.bound = Some(ItemBound { name, most, used: self.count() });
                }
                Some(_) => {}
                None => {
                    let bound = lru_bound(heap, facts, *wrapper)?;
                    self.beside.extend(bound.map(|bound| (".maxsize".to_owned(), Some(bound))));
                }
            }
        }
        let number = |kid: usize| {
            let number = facts.value(kid).and_then(|value| value.parse::<i64>().ok());
            number.filter(|_| heap.type_name(kid) == "int")
        };
        let label = |edge: usize| facts.label(edge).unwrap_or_default();
        let beside = beside.iter().map(|(edge, kid)| (label(*edge).to_owned(), number(*kid)));
        self.beside.extend(beside);
        let names: Vec<&str> =
            self.way.iter().rev().take(3).filter_map(|step| step.label.as_deref()).collect();
        let is_about = |global: &str| names.iter().any(|name| words::have_one_in_common(name, global));
        let globals = globals.iter().filter(|(edge, _)| is_about(label(*edge)));
        self.beside.extend(globals.map(|(edge, kid)| (label(*edge).to_owned(), number(*kid))));
        self.bound = ring_bound(heap, self)?.or(self.bound.take());
        Ok(())
    }
}

/// The numbers from the first moment that has one, if there are two of these, or from the first that is not 0, if there are three: a container
/// that is made anew may lie where another was. Else all; 0 where one is missing.
fn since_it_is_there(numbers: &[Option<i64>]) -> Vec<i64> {
    let missing = numbers.iter().take_while(|number| number.is_none()).count();
    let empty = numbers.iter().take_while(|number| number.unwrap_or(0) == 0).count();
    let from = match numbers.len() {
        n if empty + 3 <= n => empty,
        n if missing + 2 <= n => missing,
        _ => 0,
    };
    numbers[from..].iter().map(|number| number.unwrap_or(0)).collect()
}

/// The type of most objects of the program along the chain below a node, and how many of some objects are of it; `None` where few of
/// what is on the way are.
fn link_rank(heap: &Heap, node: usize, objects: &[usize]) -> Option<(u32, usize)> {
    let way = descend(heap, node).way;
    let links: Vec<usize> =
        way.iter().skip(1).copied().filter(|link| heap.sort(*link) == Sort::Program).collect();
    let (rank, _) = main_kids(heap, &links).filter(|_| links.len() * 4 >= way.len())?;
    Some((rank, objects.iter().filter(|node| heap.type_rank(**node) == rank).count()))
}

/// The objects of a ring that a node holds. It dominates all of them and refers to few; they refer to each other.
fn ring(heap: &Heap, node: usize, n_content: usize) -> Option<Vec<usize>> {
    const MAX_LOOKED_AT: usize = 64;
    let below = heap.dominated(node);
    if below.len() < MIN_KIDS || below.len() / 4 <= n_content || heap.has_parts(node) {
        return None;
    }
    let is_linked = |link: &&usize| {
        let rank = heap.type_rank(**link);
        heap.parents(**link).into_iter().any(|parent| heap.type_rank(parent) == rank)
    };
    let step = below.len().div_ceil(MAX_LOOKED_AT);
    let n_linked = below.iter().step_by(step).filter(is_linked).count();
    (n_linked * 2 > below.len().div_ceil(step)).then_some(below)
}

/// The type that a programmer would name for some objects, and how far below them it is: their own, or where they are
/// containers, what each of them has.
fn named_type(heap: &Heap, samples: &[usize], is_new: &dyn Fn(usize) -> bool) -> Option<(String, usize)> {
    const MAX_WIDTH: usize = 16;
    const MAX_DEPTH: usize = 4;
    let mut level: Vec<Vec<usize>> = samples.iter().map(|sample| vec![*sample]).collect();
    for depth in 0..=MAX_DEPTH {
        let mut votes: HashMap<u32, usize> = HashMap::new();
        for nodes in &level {
            let ranks: HashSet<u32> = nodes
                .iter()
                .filter(|node| match heap.sort(**node) {
                    Sort::Program => true,
                    Sort::Function | Sort::Frame | Sort::Scalar | Sort::Code => depth == 0,
                    _ => false,
                })
                .map(|node| heap.type_rank(*node))
                .collect();
            ranks.into_iter().for_each(|rank| *votes.entry(rank).or_default() += 1);
        }
        let best = votes.into_iter().max_by_key(|(rank, n)| (*n, std::cmp::Reverse(*rank)));
        if let Some((rank, n)) = best
            && n * 5 >= samples.len() * 3
        {
            return Some((heap.open.type_name(rank).to_owned(), depth));
        }
        for nodes in &mut level {
            let below: Vec<usize> = nodes
                .iter()
                .filter(|node| matches!(heap.sort(**node), Sort::Container | Sort::Wrapper | Sort::Frame))
                .flat_map(|node| heap.refs(*node).into_iter().take(MAX_WIDTH))
                .map(|(_, kid)| kid)
                .filter(|kid| is_new(*kid))
                .take(MAX_WIDTH)
                .collect();
            *nodes = below;
        }
    }
    None
}

/// What part of the objects of the counted type that have come since the first dump that has the holder has gone again.
fn turnover(case: &Case, moments: &Moments, kids: &[usize]) -> Option<f64> {
    let (at, growth) = moments.basis(case.anchor)?;
    if !growth.partners.by_address && moments.newest().has_parts(case.anchor) {
        // A table that has grown has another order, in which paths do not tell who is who.
        return None;
    }
    let n_of = |heap: &Heap, node: usize| {
        heap.content(node).into_iter().filter(|kid| heap.type_name(*kid) == case.full_kid_type).count() as i64
    };
    let heap = moments.newest();
    let net = n_of(heap, case.anchor) - n_of(moments.heap(*at), moments.in_place_of(*at, case.anchor)?);
    let is_counted =
        |kid: &&usize| heap.type_name(**kid) == case.full_kid_type && growth.partner(**kid).is_none();
    let new = kids.iter().filter(is_counted).count();
    (new >= 4).then(|| 1.0 - net as f64 / new as f64)
}

/// The types of what is near below some objects, by the names that idioms know.
fn types_below(heap: &Heap, samples: &[usize]) -> HashSet<String> {
    const MAX_EACH: usize = 40;
    let is_java = heap.manifest().runtime().has_collection_parts();
    let name = |type_name| if is_java { short_type_name(type_name) } else { known_name(type_name) };
    let below = samples.iter().take(8).flat_map(|sample| heap.subtree(*sample, MAX_EACH));
    below.map(|node| name(heap.type_name(node)).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_begins_with_the_holder() {
        assert_eq!(since_it_is_there(&[None, None, Some(20), Some(80), Some(80)]), [20, 80, 80]);
        assert_eq!(since_it_is_there(&[None, None, Some(80)]), [0, 0, 80]);
        assert_eq!(since_it_is_there(&[Some(1), None, Some(3)]), [1, 0, 3]);
        assert_eq!(since_it_is_there(&[Some(0), None, Some(20), Some(80), Some(80)]), [20, 80, 80]);
        assert_eq!(since_it_is_there(&[Some(0), Some(60), Some(120)]), [0, 60, 120]);
        assert_eq!(since_it_is_there(&[None]), [0]);
    }
}
