//! The join loop: what a pattern can come by, gathered from `obj` and `edge` without an index.
//!
//! Semi-naive: each level joins the front, the objects that were new in the last level, to `edge` and what that leads
//! to to `obj`; the rows move the automaton on, and pairs of object and state that are new are the next front. A level
//! is a plan of its own, made when its front is known, so that the join's dynamic filters skip row groups of `edge`,
//! and so that it can spill. Where a hash join does not fit, the session plans again with sort-merge joins.
//!
//! Kept in memory is what was come by, about 100 bytes an object and 60 a reference, and it counts against the query's
//! memory limit. Hops up cost a scan of `edge` a level, because it is sorted by parent.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array, AsArray, RecordBatch, UInt64Array},
        compute::cast,
        datatypes::{DataType, Field, Int64Type, Schema, UInt32Type, UInt64Type},
    },
    common::JoinType,
    datasource::MemTable,
    error::{DataFusionError, Result},
    execution::{SessionState, memory_pool::MemoryReservation},
    prelude::{DataFrame, SessionContext, col, lit},
};
use futures::TryStreamExt as _;
use heaplake_graph::{BitSet, Walk, search::Transition};
use heaplake_pathql::Selector;
use heaplake_store::Dump;

use super::{
    compile::{Compiled, EdgeRule, NodeTest},
    ground::{Gathered, Object, Reference},
};
use crate::{Error, graph::Set};

/// Bytes of an object and of a reference that were gathered, about.
const OBJECT_BYTES: usize = 100;
const REFERENCE_BYTES: usize = 60;

/// How far the loop went.
pub(super) struct Gone {
    pub(super) levels: usize,
    /// Pairs of object and state.
    pub(super) pairs: usize,
}

/// Everything that matches of the pattern may consist of.
pub(super) async fn gather(
    compiled: &Compiled,
    manifest: &Dump,
    state: &SessionState,
    tables: &str,
    reservation: &MemoryReservation,
) -> Result<(Gathered, Gone)> {
    if !manifest.indexed && compiled.tests.iter().chain(&compiled.except).any(|test| test.roots) {
        return Err(Error::NotIndexed {
            dump: manifest.id.to_string(),
            what: format!(
                "the roots of dump {} are not known yet; name an object to begin with",
                manifest.id
            ),
        }
        .into());
    }
    let context = SessionContext::new_with_state(state.clone());
    let mut gathering = Gathering {
        compiled,
        manifest,
        objects: objects(&context, compiled, manifest, tables).await?,
        edges: edges(&context, compiled, tables).await?,
        banned: banned(&context, compiled, manifest, tables).await?,
        context,
        gathered: Gathered::default(),
        seen: HashSet::new(),
        front: BTreeMap::new(),
        reservation,
    };
    gathering.start().await?;
    // Only the shortest paths are wanted: what lies behind the first end is not.
    let nearest =
        matches!(compiled.selector, Selector::AnyShortest | Selector::AllShortest) && compiled.per.is_none();
    let accept = compiled.accept();
    let within = compiled.within.unwrap_or(u32::MAX) as usize;
    let mut levels = 0;
    while !gathering.front.is_empty() && levels < within {
        if nearest && gathering.front.values().any(|states| states.contains(&accept)) {
            break;
        }
        gathering.level().await?;
        levels += 1;
    }
    if compiled.hops.iter().any(|hop| hop.way == Walk::Down) {
        gathering.first_references(tables).await?;
    }
    let pairs = gathering.seen.len();
    Ok((gathering.gathered, Gone { levels, pairs }))
}

/// `obj` with what rows need of it, and a column for each test.
async fn objects(
    context: &SessionContext,
    compiled: &Compiled,
    manifest: &Dump,
    tables: &str,
) -> Result<DataFrame> {
    // Those without a predicate need no name for the object, and so no select of their own.
    let plain: String = tests(compiled)
        .enumerate()
        .filter(|(_, test)| test.filter.is_none())
        .map(|(i, test)| format!(", coalesce({}, false) AS passes_{i}", test.sql(manifest)))
        .collect();
    let mut from = format!("(SELECT *{plain} FROM {tables}.obj)");
    let columns = "address AS object, type AS object_type, size AS object_size, \
                   retained AS object_retained, root_kind AS object_root_kind, \
                   CASE WHEN root_kind IS NOT NULL THEN name END AS object_root_name";
    let mut tested = String::new();
    for (i, test) in tests(compiled).enumerate() {
        tested += &format!(", passes_{i}");
        if test.filter.is_some() {
            // Each predicate calls the object by its own name.
            from = format!(
                "(SELECT *, coalesce({}, false) AS passes_{i} FROM {from} AS {})",
                test.sql(manifest),
                test.alias()
            );
        }
    }
    context.sql(&format!("SELECT {columns}{tested} FROM {from} AS tested")).await
}

/// The tests of a pattern, then those of EXCEPT.
fn tests(compiled: &Compiled) -> impl Iterator<Item = &NodeTest> {
    compiled.tests.iter().chain(&compiled.except)
}

/// `edge` without what keeps nothing alive, and a column for each label.
async fn edges(context: &SessionContext, compiled: &Compiled, tables: &str) -> Result<DataFrame> {
    let labels: String = compiled
        .labels
        .iter()
        .enumerate()
        .map(|(i, label)| format!(", coalesce({label}, false) AS labelled_{i}"))
        .collect();
    let keeping = super::keeping_alive("kind");
    context.sql(&format!("SELECT parent, child, idx{labels} FROM {tables}.edge WHERE {keeping}")).await
}

/// The references of EXCEPT EDGES.
async fn banned(
    context: &SessionContext,
    compiled: &Compiled,
    manifest: &Dump,
    tables: &str,
) -> Result<HashSet<(u64, u32)>> {
    let mut banned = HashSet::new();
    for rule in &compiled.except_edges {
        let query = match rule {
            EdgeRule::Filter(predicate) => Set::edges_query(predicate, manifest.id.as_str()),
            EdgeRule::Hop { parent, label, child } => {
                let mut query = format!("SELECT e.parent, e.idx FROM {tables}.edge e");
                for (end, test) in [("parent", parent), ("child", child)] {
                    if let Some(test) = test {
                        query += &format!(
                            " JOIN (SELECT address FROM {tables}.obj AS {} WHERE {}) {end}_end \
                             ON {end}_end.address = e.{end}",
                            test.alias(),
                            test.sql(manifest)
                        );
                    }
                }
                if let Some(label) = label {
                    query += &format!(" WHERE {label}");
                }
                query
            }
        };
        for batch in context.sql(&query).await?.collect().await? {
            let parents = batch.column(0).as_primitive::<UInt64Type>().values();
            let places = batch.column(1).as_primitive::<UInt32Type>().values();
            banned.extend(parents.iter().copied().zip(places.iter().copied()));
        }
    }
    Ok(banned)
}

struct Gathering<'g> {
    compiled: &'g Compiled,
    manifest: &'g Dump,
    context: SessionContext,
    objects: DataFrame,
    edges: DataFrame,
    banned: HashSet<(u64, u32)>,
    gathered: Gathered,
    seen: HashSet<(u64, u32)>,
    /// New objects and the states that they are new in.
    front: BTreeMap<u64, Vec<u32>>,
    reservation: &'g MemoryReservation,
}

impl Gathering<'_> {
    /// The objects where a path may begin.
    async fn start(&mut self) -> Result<()> {
        // An object is of interest when it passes all tests of some arc.
        let passes = |arc: &Transition| {
            let tests = arc.tests.iter().map(|test| col(format!("passes_{test}")));
            tests.reduce(|all, test| all.and(test)).unwrap_or_else(|| lit(true))
        };
        let any = self.compiled.starts.iter().map(passes).reduce(|any, arc| any.or(arc));
        let starting = self.objects.clone().filter(any.unwrap_or_else(|| lit(false)))?;
        let mut batches = starting.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            let objects = Objects::new(&batch, self.compiled)?;
            for row in 0..batch.num_rows() {
                let passes = objects.passes(row);
                let Some(passes) = passes else { continue };
                let starts = self.compiled.starts.iter().filter(|arc| Self::may(arc, &passes));
                let states: Vec<u32> = starts.map(|arc| arc.to).collect();
                self.visit(&objects, row, passes, &states)?;
            }
        }
        Ok(())
    }

    fn may(arc: &Transition, passes: &BitSet) -> bool {
        arc.tests.iter().all(|test| passes.contains(*test as usize))
    }

    /// One hop from every object of the front.
    async fn level(&mut self) -> Result<()> {
        let front = std::mem::take(&mut self.front);
        for (way, from, to) in [(Walk::Down, "parent", "child"), (Walk::Up, "child", "parent")] {
            let goes = |state: &u32| {
                *state != self.compiled.accept() && self.compiled.hops[*state as usize].way == way
            };
            let addresses =
                front.iter().filter(|(_, states)| states.iter().any(goes)).map(|(address, _)| *address);
            let addresses = UInt64Array::from_iter_values(addresses);
            if addresses.is_empty() {
                continue;
            }
            let schema = Arc::new(Schema::new(vec![Field::new("front", DataType::UInt64, false)]));
            let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(addresses)])?;
            let table = MemTable::try_new(schema, vec![vec![batch]])?;
            let joined = self
                .context
                .read_table(Arc::new(table))?
                .join(self.edges.clone(), JoinType::Inner, &["front"], &[from], None)?
                .join(self.objects.clone(), JoinType::Inner, &[to], &["object"], None)?;
            let mut batches = joined.execute_stream().await?;
            while let Some(batch) = batches.try_next().await? {
                self.hops(&batch, &front, way)?;
            }
        }
        Ok(())
    }

    /// Moves the automaton on over some references.
    fn hops(&mut self, batch: &RecordBatch, front: &BTreeMap<u64, Vec<u32>>, way: Walk) -> Result<()> {
        let from = column(batch, "front")?.as_primitive::<UInt64Type>().values();
        let parents = column(batch, "parent")?.as_primitive::<UInt64Type>().values();
        let children = column(batch, "child")?.as_primitive::<UInt64Type>().values();
        let places = column(batch, "idx")?.as_primitive::<UInt32Type>().values();
        let labelled: Vec<_> = (0..self.compiled.labels.len())
            .map(|i| Ok(column(batch, &format!("labelled_{i}"))?.as_boolean()))
            .collect::<Result<_>>()?;
        let objects = Objects::new(batch, self.compiled)?;
        for row in 0..batch.num_rows() {
            let place = (parents[row], places[row]);
            let (Some(states), Some(passes)) = (front.get(&from[row]), objects.passes(row)) else { continue };
            if self.banned.contains(&place) {
                continue;
            }
            let mut next = Vec::new();
            for state in states.iter().filter(|state| **state != self.compiled.accept()) {
                let hop = self.compiled.hops[*state as usize];
                if hop.way == way && hop.label.is_none_or(|label| labelled[label].value(row)) {
                    let arcs = self.compiled.next[*state as usize].iter();
                    next.extend(arcs.filter(|arc| Self::may(arc, &passes)).map(|arc| arc.to));
                }
            }
            if next.is_empty() {
                continue;
            }
            if !self.gathered.edges.contains_key(&place) {
                self.reservation.try_grow(REFERENCE_BYTES)?;
                let labels = (0..labelled.len()).filter(|label| labelled[*label].value(row));
                let labels = self.gathered.place_of(BitSet::of(labelled.len(), labels));
                self.gathered.edges.insert(place, Reference { child: children[row], labels });
            }
            self.visit(&objects, row, passes, &next)?;
        }
        Ok(())
    }

    /// Adds the first reference from each of the objects to each other, where it is not one that is followed.
    async fn first_references(&mut self, tables: &str) -> Result<()> {
        let objects = UInt64Array::from_iter_values(self.gathered.objects.keys().copied());
        if objects.is_empty() {
            return Ok(());
        }
        let schema = Arc::new(Schema::new(vec![Field::new("source", DataType::UInt64, false)]));
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(objects)])?;
        let sources = self.context.read_table(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))?;
        let edges = format!("SELECT parent, child, idx FROM {tables}.edge WHERE kind <> 'weak'");
        let edges = self.context.sql(&edges).await?;
        let joined = sources.join(edges, JoinType::Inner, &["source"], &["parent"], None)?;
        let mut first: BTreeMap<(u64, u64), u32> = BTreeMap::new();
        let mut batches = joined.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            let parents = column(&batch, "parent")?.as_primitive::<UInt64Type>().values();
            let children = column(&batch, "child")?.as_primitive::<UInt64Type>().values();
            let places = column(&batch, "idx")?.as_primitive::<UInt32Type>().values();
            for ((parent, child), idx) in parents.iter().zip(children.iter()).zip(places.iter()) {
                if !self.gathered.objects.contains_key(child) {
                    continue;
                }
                let first = first.entry((*parent, *child)).or_insert(u32::MAX);
                *first = (*first).min(*idx);
            }
        }
        for ((parent, child), idx) in first {
            if !self.gathered.edges.contains_key(&(parent, idx)) {
                self.reservation.try_grow(REFERENCE_BYTES)?;
                self.gathered.not_followed.insert((parent, idx), child);
            }
        }
        Ok(())
    }

    /// Notes an object in some states; those that are new are in the next front.
    fn visit(&mut self, objects: &Objects<'_>, row: usize, passes: BitSet, states: &[u32]) -> Result<()> {
        let address = objects.addresses[row];
        for state in states {
            if self.seen.insert((address, *state)) {
                self.front.entry(address).or_default().push(*state);
            }
        }
        if !states.is_empty() && !self.gathered.objects.contains_key(&address) {
            self.reservation.try_grow(OBJECT_BYTES)?;
            let object = objects.object(row, passes, self.manifest, &mut self.gathered)?;
            self.gathered.objects.insert(address, object);
        }
        Ok(())
    }
}

/// The columns of objects in a batch.
struct Objects<'b> {
    addresses: &'b [u64],
    types: datafusion::arrow::array::ArrayRef,
    sizes: &'b dyn Array,
    retained: &'b dyn Array,
    root_kinds: datafusion::arrow::array::ArrayRef,
    root_names: datafusion::arrow::array::ArrayRef,
    passes: Vec<&'b datafusion::arrow::array::BooleanArray>,
    n_tests: usize,
}

impl<'b> Objects<'b> {
    fn new(batch: &'b RecordBatch, compiled: &Compiled) -> Result<Self> {
        let text = |name| Ok::<_, DataFusionError>(cast(column(batch, name)?, &DataType::Utf8)?);
        let passes = (0..tests(compiled).count())
            .map(|i| Ok(column(batch, &format!("passes_{i}"))?.as_boolean()))
            .collect::<Result<_>>()?;
        Ok(Self {
            addresses: column(batch, "object")?.as_primitive::<UInt64Type>().values(),
            types: text("object_type")?,
            sizes: column(batch, "object_size")?,
            retained: column(batch, "object_retained")?,
            root_kinds: text("object_root_kind")?,
            root_names: text("object_root_name")?,
            passes,
            n_tests: compiled.tests.len(),
        })
    }

    /// The tests that an object passes; none where EXCEPT leaves it out.
    fn passes(&self, row: usize) -> Option<BitSet> {
        let (tests, except) = self.passes.split_at(self.n_tests);
        if except.iter().any(|passes| passes.value(row)) {
            return None;
        }
        Some(BitSet::of(self.n_tests, (0..self.n_tests).filter(|test| tests[*test].value(row))))
    }

    fn object(&self, row: usize, passes: BitSet, manifest: &Dump, gathered: &mut Gathered) -> Result<Object> {
        let name = self.types.as_string::<i32>().value(row);
        let rank = manifest
            .types
            .binary_search_by(|stat| stat.name.as_str().cmp(name))
            .map_err(|_| DataFusionError::Internal("obj has a type that the manifest has not".to_owned()))?;
        let number = |array: &dyn Array| {
            let numbers = array.as_primitive::<Int64Type>();
            numbers.is_valid(row).then(|| numbers.value(row))
        };
        let kinds = self.root_kinds.as_string::<i32>();
        let names = self.root_names.as_string::<i32>();
        let name = names.is_valid(row).then(|| names.value(row));
        Ok(Object {
            type_rank: rank as u32,
            // As sums take it: a size that the dump does not give counts nothing.
            size: number(self.sizes).unwrap_or(0).max(0),
            retained: number(self.retained),
            root: kinds.is_valid(row).then(|| gathered.place_of_root(kinds.value(row), name)),
            passes: gathered.place_of(passes),
        })
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b dyn Array> {
    let found = batch.column_by_name(name);
    Ok(found.ok_or_else(|| DataFusionError::Internal(format!("a level has no column {name}")))?.as_ref())
}
