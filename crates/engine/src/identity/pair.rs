//! Pairs: the objects of one dump and what they are in another, with how sure that is.

use std::{
    panic::resume_unwind,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use heaplake_graph::{
    Agreement, BitSet, Cancelled, Id, Key, Numbers, PathSide, Shared, agreements, same_addresses, same_paths,
};
use heaplake_model::Nature;
use heaplake_store::{GraphIndex, with_index};

use super::{
    Rule,
    facts::{Facts, Nodes, Sizes},
    nature::Types,
};

/// How sure it is that two objects are one, or that one is gone or new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    Low,
    Medium,
    High,
}

impl Confidence {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Address,
    Name,
    Value,
    References,
    /// References, of two objects that cannot be the same because of them.
    Refusal,
    Path,
}

impl Why {
    pub(super) fn name(self) -> &'static str {
        match self {
            Why::Address => "address",
            Why::Name => "name",
            Why::Value => "value",
            Why::References | Why::Refusal => "references",
            Why::Path => "path",
        }
    }
}

/// What is thought of an object and its partner, or of there being none.
pub(crate) type Judgement = (Confidence, Why);

/// Nothing of the type is at the address.
const NO_PARTNER: Judgement = (Confidence::High, Why::Address);
/// What is at the address refers to something else, which the object cannot.
const OTHER_REFERENCES: Judgement = (Confidence::High, Why::Refusal);

/// The objects of two dumps, paired.
pub(crate) struct Pairs {
    pub(crate) before: Arc<Facts>,
    pub(crate) after: Arc<Facts>,
    pub(super) types: Types,
    /// By what they are paired: address or path.
    pub(super) rule: Rule,
    /// By object of the first dump, what it is in the second.
    partners: Nodes,
    /// By object of the first dump.
    judgements: Vec<Judgement>,
    /// The objects of the second dump that are somebody's partner.
    taken: BitSet,
    /// By type, whether both dumps have objects of it without partner. Only by path.
    left_over: Vec<bool>,
}

/// Bytes that pairs by address take for every object of the first dump, about, at their making.
pub(super) const BYTES_PER_OBJECT: usize = 16;
/// What pairs by path take on top, for every object of either dump.
pub(super) const BYTES_PER_OBJECT_BY_PATH: usize = 24;

/// Two dumps, before it is known what is what.
pub(super) struct Unpaired {
    before: Arc<Facts>,
    after: Arc<Facts>,
    types: Types,
    rule: Rule,
    /// Objects of one type at one address, by object of the first dump.
    places: Nodes,
}

impl Unpaired {
    /// Looks at the addresses, and decides by what to pair.
    pub(super) fn new(
        before: Arc<Facts>,
        after: Arc<Facts>,
        rule: Rule,
        cancel: &AtomicBool,
    ) -> Result<Self, Cancelled> {
        let types = Types::new(&before.open.manifest, &after.open.manifest);
        let places = with_index!(&*before.open.index, |first| with_index!(&*after.open.index, |second| {
            places(first, second, &types, cancel)
        }))?;
        let mut unpaired = Self { before, after, types, rule, places };
        if rule == Rule::Auto {
            unpaired.rule = if unpaired.is_one_process() { Rule::Address } else { Rule::Path };
        }
        Ok(unpaired)
    }

    /// By what objects will be paired.
    pub(super) fn rule(&self) -> Rule {
        self.rule
    }

    /// Whether the dumps are of one process whose objects stay where they are: as the dumps themselves say, else if at
    /// least half of what has a name is where it was.
    fn is_one_process(&self) -> bool {
        let (before, after) = (&self.before.open.manifest, &self.after.open.manifest);
        if !before.runtime().addresses_survive || !after.runtime().addresses_survive {
            return false;
        }
        if let Some((before, after)) = before.process.identity().zip(after.process.identity()) {
            return before == after;
        }
        let is_there = |node: usize| {
            let other = self.places.get(node);
            other.is_some_and(|other| self.before.keys[node] == self.after.keys[other])
        };
        let named = &self.before.named;
        let (n_named, n_others) = (named.count(), self.after.named.count());
        let (found, fewer) = match n_named.min(n_others) {
            0 => {
                let n_nodes = self.before.n_nodes();
                ((0..n_nodes).filter(|node| is_there(*node)).count(), n_nodes.min(self.after.n_nodes()))
            }
            fewer => (named.iter().filter(|node| is_there(*node)).count(), fewer),
        };
        2 * found >= fewer
    }

    /// Pairs by address or by path. Labels are by edge, with the same numbers in both; none where one dump has none.
    pub(super) fn pair(self, labels: &[Vec<u32>; 2], cancel: &AtomicBool) -> Result<Pairs, Cancelled> {
        let (partners, judgements) = match self.rule {
            Rule::Path => self.by_path(labels, cancel)?,
            Rule::Auto | Rule::Address => self.by_address(cancel)?,
        };
        let Self { before, after, types, rule, .. } = self;
        let mut taken = BitSet::new(after.n_nodes());
        (0..before.n_nodes()).filter_map(|node| partners.get(node)).for_each(|node| taken.insert(node));
        let mut pairs =
            Pairs { before, after, types, rule, partners, judgements, taken, left_over: Vec::new() };
        if rule == Rule::Path {
            pairs.left_over = pairs.left_over();
        }
        Ok(pairs)
    }

    fn by_address(&self, cancel: &AtomicBool) -> Result<(Nodes, Vec<Judgement>), Cancelled> {
        with_index!(&*self.before.open.index, |first| with_index!(&*self.after.open.index, |second| {
            self.judged(first, second, cancel)
        }))
    }

    fn judged<I: Id, J: Id>(
        &self,
        first: &GraphIndex<I>,
        second: &GraphIndex<J>,
        cancel: &AtomicBool,
    ) -> Result<(Nodes, Vec<Judgement>), Cancelled>
    where
        Nodes: From<Vec<J>>,
    {
        let n_nodes = self.before.n_nodes();
        let mut judgements = vec![NO_PARTNER; n_nodes];
        let mut partners = vec![J::NONE; n_nodes];
        let comparison = Comparison::new(self);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let per_thread = n_nodes.div_ceil(threads).max(1);
        thread::scope(|scope| {
            let chunks = partners.chunks_mut(per_thread).zip(judgements.chunks_mut(per_thread));
            for (i, (partners, judgements)) in chunks.enumerate() {
                let comparison = &comparison;
                scope.spawn(move || {
                    let places = partners.iter_mut().zip(judgements).enumerate();
                    for (place, (partner, judgement)) in places {
                        let node = i * per_thread + place;
                        let Some(other) = self.places.get(node) else { continue };
                        match comparison.refusal(node, other) {
                            Some(refusal) => *judgement = refusal,
                            None => *partner = J::new(other),
                        }
                    }
                });
            }
        });
        let (before, after) = (first.graph().forward, second.graph().forward);
        let (before, after) = ((before, self.before.named.view()), (after, self.after.named.view()));
        let judged: Vec<_> = thread::scope(|scope| {
            let partners = partners.as_slice();
            let chunks = judgements.chunks_mut(per_thread).enumerate();
            let judging: Vec<_> = chunks
                .map(|(i, judgements)| {
                    let comparison = &comparison;
                    let first = i * per_thread;
                    let nodes = first..first + judgements.len();
                    let say = move |node: usize, agreement| {
                        judgements[node - first] =
                            comparison.judgement(node, partners[node].index(), agreement);
                    };
                    scope.spawn(move || agreements(before, after, partners, nodes, say, cancel))
                })
                .collect();
            judging
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        judged.into_iter().collect::<Result<Vec<()>, _>>()?;
        for (partner, judgement) in partners.iter_mut().zip(&judgements) {
            if *judgement == OTHER_REFERENCES {
                *partner = J::NONE;
            }
        }
        Ok((partners.into(), judgements))
    }

    fn by_path(
        &self,
        labels: &[Vec<u32>; 2],
        cancel: &AtomicBool,
    ) -> Result<(Nodes, Vec<Judgement>), Cancelled> {
        with_index!(&*self.before.open.index, |first| with_index!(&*self.after.open.index, |second| {
            self.along_paths(first, second, labels, cancel)
        }))
    }

    fn along_paths<I: Id, J: Id>(
        &self,
        first: &GraphIndex<I>,
        second: &GraphIndex<J>,
        labels: &[Vec<u32>; 2],
        cancel: &AtomicBool,
    ) -> Result<(Nodes, Vec<Judgement>), Cancelled>
    where
        Nodes: From<Vec<J>>,
    {
        let mut kinds: Vec<&str> = (0..first.roots().len()).map(|i| first.root_kind(i)).collect();
        kinds.extend((0..second.roots().len()).map(|i| second.root_kind(i)));
        kinds.sort_unstable();
        kinds.dedup();
        let (our_types, our_roots) = path_nodes(first, &self.types.before, &kinds);
        let (their_types, their_roots) = path_nodes(second, &self.types.after, &kinds);
        let graph = first.graph();
        let ours = PathSide {
            forward: graph.forward,
            skip: graph.skip,
            types: &our_types,
            keys: &self.before.keys,
            labels: &labels[0],
            roots: &our_roots,
        };
        let graph = second.graph();
        let theirs = PathSide {
            forward: graph.forward,
            skip: graph.skip,
            types: &their_types,
            keys: &self.after.keys,
            labels: &labels[1],
            roots: &their_roots,
        };
        let found = same_paths(&ours, &theirs, cancel)?;
        let sure = |node| if found.unambiguous.contains(node) { Confidence::Medium } else { Confidence::Low };
        let judgements = (0..self.before.n_nodes()).map(|node| (sure(node), Why::Path)).collect();
        Ok((found.partners.into(), judgements))
    }
}

/// What two objects of one type are compared by.
struct Comparison<'u> {
    before: &'u Facts,
    after: &'u Facts,
    sizes: (Sizes<'u>, Sizes<'u>),
    types: Numbers<'u, u32>,
    /// By place in the first dump's list of types.
    natures: Vec<Nature>,
}

impl<'u> Comparison<'u> {
    fn new(unpaired: &'u Unpaired) -> Self {
        let Unpaired { before, after, types, .. } = unpaired;
        let natures = types.before.iter().map(|common| types.natures[*common as usize]).collect();
        Self { before, after, sizes: (before.sizes(), after.sizes()), types: before.types(), natures }
    }

    fn nature(&self, node: usize) -> Nature {
        self.natures[self.types.at(node) as usize]
    }

    /// Why two objects of one type at one address cannot be the same. What is not known of one of them refuses nothing.
    fn refusal(&self, node: usize, other: usize) -> Option<Judgement> {
        let (key, other_key) = (self.before.keys[node], self.after.keys[other]);
        if key.is_must() && other_key.is_must() && key != other_key {
            return Some((Confidence::Medium, Why::Name));
        }
        let values = || values_differ(key, other_key);
        let lens =
            || self.before.len(node).zip(self.after.len(other)).is_some_and(|(len, other)| len != other);
        let sizes = || self.sizes.0.get(node).zip(self.sizes.1.get(other));
        let size_differs = || sizes().is_some_and(|(size, other)| size != other);
        let is_smaller = || sizes().is_some_and(|(size, other)| other < size);
        let is_refused = match self.nature(node) {
            Nature::Value => values() || lens() || size_differs(),
            Nature::Text => values() || lens() || is_smaller(),
            Nature::Tuple => lens() || size_differs(),
            Nature::Frame => values() || size_differs(),
            Nature::Other => false,
        };
        is_refused.then_some((Confidence::High, Why::Value))
    }

    /// How sure it is that two objects that may be the same are.
    fn judgement(&self, node: usize, other: usize, agreement: Agreement) -> Judgement {
        let (key, other_key) = (self.before.keys[node], self.after.keys[other]);
        let is_known = key != Key::NONE && other_key != Key::NONE;
        if is_known && key.is_must() && key == other_key {
            return (Confidence::High, Why::Name);
        }
        match self.nature(node) {
            Nature::Tuple if !agreement.is_equal => return OTHER_REFERENCES,
            Nature::Value if is_known => return (Confidence::High, Why::Value),
            Nature::Text if is_known => {
                let is_grown = self.sizes.0.get(node) != self.sizes.1.get(other);
                return (if is_grown { Confidence::Medium } else { Confidence::High }, Why::Value);
            }
            Nature::Other if values_differ(key, other_key) => return (Confidence::Low, Why::Value),
            _ => {}
        }
        match agreement.shared {
            Shared::Most => (Confidence::High, Why::References),
            Shared::Some => (Confidence::Medium, Why::References),
            Shared::Nothing => (Confidence::Low, Why::References),
            Shared::Unknown => (Confidence::Medium, Why::Address),
        }
    }
}

/// Whether both have values, and not the same.
pub(super) fn values_differ(key: Key, other: Key) -> bool {
    let is_value = |key: Key| key != Key::NONE && !key.is_must();
    is_value(key) && is_value(other) && key != other
}

/// Objects of one type at one address.
fn places<I: Id, J: Id>(
    first: &GraphIndex<I>,
    second: &GraphIndex<J>,
    types: &Types,
    cancel: &AtomicBool,
) -> Result<Nodes, Cancelled>
where
    Nodes: From<Vec<J>>,
{
    let (ours, theirs) = (first.types(), second.types());
    let is_one_type = |node: usize, other: usize| {
        types.before[ours.at(node) as usize] == types.after[theirs.at(other) as usize]
    };
    Ok(same_addresses::<J>(first.addresses(), second.addresses(), is_one_type, cancel)?.into())
}

/// By node the common number of its type, and the roots with the common numbers of their kinds.
fn path_nodes<I: Id>(index: &GraphIndex<I>, types: &[u32], kinds: &[&str]) -> (Vec<u32>, Vec<(I, u32)>) {
    let kind = |i| kinds.binary_search(&index.root_kind(i)).unwrap_or_default() as u32;
    let roots = index.roots().iter().enumerate().map(|(i, root)| (*root, kind(i))).collect();
    (index.types().iter().map(|type_rank| types[type_rank as usize]).collect(), roots)
}

impl Pairs {
    /// What an object of the first dump is in the second.
    pub(crate) fn partner(&self, node: usize) -> Option<usize> {
        self.partners.get(node)
    }

    /// Whether an object of the second dump is somebody's partner.
    pub(crate) fn is_taken(&self, node: usize) -> bool {
        self.taken.contains(node)
    }

    /// What is thought of an object of the first dump and its partner, or of there being none.
    pub(super) fn judgement(&self, node: usize, type_rank: usize) -> Judgement {
        match self.rule {
            Rule::Path if self.partner(node).is_none() => self.without_partner(type_rank),
            _ => self.judgements[node],
        }
    }

    /// What is thought of an object of the first dump that has a partner.
    pub(crate) fn judgement_of_partner(&self, node: usize) -> Judgement {
        self.judgements[node]
    }

    /// What is thought of an object that has no partner and nothing else at its address.
    pub(super) fn without_partner(&self, type_rank: usize) -> Judgement {
        match self.rule {
            Rule::Path if self.left_over[type_rank] => (Confidence::Low, Why::Path),
            Rule::Path => (Confidence::Medium, Why::Path),
            Rule::Auto | Rule::Address => NO_PARTNER,
        }
    }

    fn left_over(&self) -> Vec<bool> {
        let mut ours = vec![false; self.types.n_types];
        let mut theirs = ours.clone();
        let (before, after) = (&*self.before, &*self.after);
        for (type_rank, common) in self.types.before.iter().enumerate() {
            let mut nodes = before.stretch(type_rank).map(|row| before.node(row));
            ours[*common as usize] = nodes.any(|node| self.partner(node).is_none());
        }
        for (type_rank, common) in self.types.after.iter().enumerate() {
            let mut nodes = after.stretch(type_rank).map(|row| after.node(row));
            theirs[*common as usize] = nodes.any(|node| !self.is_taken(node));
        }
        ours.into_iter().zip(theirs).map(|(ours, theirs)| ours && theirs).collect()
    }
}
