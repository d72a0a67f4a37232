//! The join loop: what a pattern can come by, gathered from `obj` and `edge` without an index.
//!
//! Semi-naive: each level joins the front, the pairs of object and state that were new in the last level, to `edge` and what
//! that leads to to `obj`; the rows move the automaton on, and pairs that are new are the next front. A level is a plan of its
//! own, made when its front is known, so that the join's dynamic filters skip row groups of `edge`, and so that it can spill.
//! Where a hash join does not fit, the session plans again with sort-merge joins.
//!
//! Fronts and the moves from pair to pair are in temporary files, and what was visited in sets of bits. When the loop has come to
//! its end, the moves are read backwards for the pairs from which an end can be reached, and only these become the objects and
//! references in which paths are searched: in memory are those of the answer, about 100 bytes an object and 60 a reference, and they
//! count against the query's memory limit, as the sets do. Hops up cost a scan of `edge` a level, because it is sorted by parent.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytemuck::{Pod, Zeroable};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array},
        compute::cast,
        datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt32Type, UInt64Type},
    },
    catalog::streaming::StreamingTable,
    common::JoinType,
    datasource::{MemTable, TableProvider},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, SessionState, TaskContext, memory_pool::MemoryReservation},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::{DataFrame, SessionContext, col, lit},
};
use futures::{TryStreamExt as _, stream};
use heaplake_graph::{BitSet, Walk, search::Transition};
use heaplake_pathql::Selector;
use heaplake_store::Dump;

use super::{
    compile::{Compiled, EdgeRule, NodeTest},
    ground::{Gathered, Object, Reference},
    spool::{CHUNK_RECORDS, Pairs, Spool},
};
use crate::{Error, graph::Set};

/// Bytes of an object and of a reference that were gathered, about.
const OBJECT_BYTES: usize = 100;
const REFERENCE_BYTES: usize = 60;
/// How often the moves are read backwards. Each time finds what leads to an end over one more move to an earlier level; where this
/// does not suffice, all that was visited is kept.
const MAX_SWEEPS: usize = 16;

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
    let disk = &state.runtime_env().disk_manager;
    let mut gathering = Gathering {
        compiled,
        manifest,
        objects: objects(&context, compiled, manifest, tables).await?,
        edges: edges(&context, compiled, tables).await?,
        banned: banned(&context, compiled, manifest, tables).await?,
        context,
        moves_needed: NeededMoves::of(compiled),
        visited: Pairs::default(),
        next: Pairs::default(),
        front: Spool::new(disk),
        moves: Spool::new(disk),
        gathered: Gathered::default(),
        reservation,
    };
    gathering.start().await?;
    let accept = compiled.accept();
    let within = compiled.within.unwrap_or(u32::MAX) as usize;
    let mut levels = 0;
    loop {
        let front = gathering.next_front(levels)?;
        // Only the shortest paths are wanted: what lies behind the first end is not.
        let is_found = gathering.moves_needed == NeededMoves::Nearest && gathering.visited.has_state(accept);
        if front.len() == 0 || levels == within || is_found {
            break;
        }
        gathering.level(&Arc::new(front)).await?;
        levels += 1;
    }
    let pairs = usize::try_from(gathering.visited.len()).unwrap_or(usize::MAX);
    gathering.keep(tables).await?;
    Ok((gathering.gathered, Gone { levels, pairs }))
}

/// What must be known of the moves from pair to pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NeededMoves {
    /// Nothing: only the ends count, and the level of each.
    Ends,
    /// Those to the next level, up to the first that has an end.
    Nearest,
    /// Those to the next level.
    Shortest,
    /// All of them.
    All,
}

impl NeededMoves {
    fn of(compiled: &Compiled) -> Self {
        match (compiled.selector, compiled.per) {
            (Selector::Reach | Selector::Types, _) => Self::Ends,
            (Selector::AnyShortest | Selector::AllShortest, None) => Self::Nearest,
            (Selector::AnyShortest | Selector::AllShortest, Some(test)) if names_the_ends(compiled, test) => {
                Self::Shortest
            }
            _ => Self::All,
        }
    }
}

/// Whether a test is made of the last object of each path, and of no other. Then the shortest path to an object is the one to its
/// pair.
fn names_the_ends(compiled: &Compiled, test: u32) -> bool {
    let arcs = compiled.starts.iter().chain(compiled.next.iter().flatten());
    arcs.into_iter().all(|arc| arc.tests.contains(&test) == (arc.to == compiled.accept()))
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

/// An object in a state.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pair {
    address: u64,
    state: u32,
    unused: u32,
}

/// A hop from a pair to another over a reference.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Move {
    from: u64,
    to: u64,
    from_state: u32,
    to_state: u32,
    /// Position of the reference among those of its parent.
    idx: u32,
    /// The label tests that it passes: a place in [`Gathered::sets`].
    labels: u32,
}

struct Gathering<'g> {
    compiled: &'g Compiled,
    manifest: &'g Dump,
    context: SessionContext,
    objects: DataFrame,
    edges: DataFrame,
    banned: HashSet<(u64, u32)>,
    moves_needed: NeededMoves,
    /// Pairs of the levels so far.
    visited: Pairs,
    /// Those that are new in this level, twice: as a set, and as the front of the next.
    next: Pairs,
    front: Spool<Pair>,
    moves: Spool<Move>,
    gathered: Gathered,
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
        let starting = self.tested()?.filter(any.unwrap_or_else(|| lit(false)))?;
        let mut batches = starting.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            let objects = Passing::new(&batch, self.compiled)?;
            for row in 0..batch.num_rows() {
                let Some(passes) = objects.passes(row) else { continue };
                for arc in self.compiled.starts.iter().filter(|arc| Self::may(arc, &passes)) {
                    self.visit(objects.addresses[row], arc.to)?;
                }
            }
        }
        Ok(())
    }

    /// The objects with what they pass.
    fn tested(&self) -> Result<DataFrame> {
        let passes: Vec<String> =
            (0..tests(self.compiled).count()).map(|test| format!("passes_{test}")).collect();
        let columns: Vec<&str> = std::iter::once("object").chain(passes.iter().map(String::as_str)).collect();
        self.objects.clone().select_columns(&columns)
    }

    fn may(arc: &Transition, passes: &BitSet) -> bool {
        arc.tests.iter().all(|test| passes.contains(*test as usize))
    }

    /// Notes a pair; whether it is of the next front.
    fn visit(&mut self, address: u64, state: u32) -> Result<bool> {
        if self.visited.contains(address, state) {
            return Ok(false);
        }
        if self.next.insert(address, state) {
            self.front.push(Pair { address, state, unused: 0 })?;
        }
        Ok(true)
    }

    /// The pairs that are new in this level, which has ended.
    fn next_front(&mut self, level: usize) -> Result<Spool<Pair>> {
        let accept = self.compiled.accept();
        let next = std::mem::take(&mut self.next);
        if self.moves_needed == NeededMoves::Ends {
            for address in next.in_state(accept).objects() {
                self.reservation.try_grow(size_of::<(u64, u32)>())?;
                self.gathered.ends.push((address, u32::try_from(level).unwrap_or(u32::MAX)));
            }
        }
        self.reservation.try_grow(next.bytes())?;
        self.visited.unite(next);
        let empty = Spool::new(&self.context.runtime_env().disk_manager);
        Ok(std::mem::replace(&mut self.front, empty))
    }

    /// One hop from every pair of the front.
    async fn level(&mut self, front: &Arc<Spool<Pair>>) -> Result<()> {
        for (way, from, to) in [(Walk::Down, "parent", "child"), (Walk::Up, "child", "parent")] {
            let hops = &self.compiled.hops;
            // Nothing goes on from the last.
            let states = BitSet::of(hops.len() + 1, (0..hops.len()).filter(|state| hops[*state].way == way));
            let Some(table) = FrontTable::of(front, states)? else { continue };
            let joined = self
                .context
                .read_table(table)?
                .join(self.edges.clone(), JoinType::Inner, &["front"], &[from], None)?
                .join(self.tested()?, JoinType::Inner, &[to], &["object"], None)?;
            let mut batches = joined.execute_stream().await?;
            while let Some(batch) = batches.try_next().await? {
                self.hops(&batch)?;
            }
        }
        Ok(())
    }

    /// Moves the automaton on over some references.
    fn hops(&mut self, batch: &RecordBatch) -> Result<()> {
        let from = column(batch, "front")?.as_primitive::<UInt64Type>().values();
        let states = column(batch, "state")?.as_primitive::<UInt32Type>().values();
        let parents = column(batch, "parent")?.as_primitive::<UInt64Type>().values();
        let places = column(batch, "idx")?.as_primitive::<UInt32Type>().values();
        let labelled: Vec<_> = (0..self.compiled.labels.len())
            .map(|i| Ok(column(batch, &format!("labelled_{i}"))?.as_boolean()))
            .collect::<Result<_>>()?;
        let objects = Passing::new(batch, self.compiled)?;
        let compiled = self.compiled;
        for row in 0..batch.num_rows() {
            let hop = compiled.hops[states[row] as usize];
            if !hop.label.is_none_or(|label| labelled[label].value(row))
                || self.banned.contains(&(parents[row], places[row]))
            {
                continue;
            }
            let Some(passes) = objects.passes(row) else { continue };
            let to = objects.addresses[row];
            for arc in compiled.next[states[row] as usize].iter().filter(|arc| Self::may(arc, &passes)) {
                let is_next = self.visit(to, arc.to)?;
                let is_needed = match self.moves_needed {
                    NeededMoves::Ends => false,
                    NeededMoves::Nearest | NeededMoves::Shortest => is_next,
                    NeededMoves::All => true,
                };
                if is_needed {
                    let labels = (0..labelled.len()).filter(|label| labelled[*label].value(row));
                    let labels = self.gathered.place_of(BitSet::of(labelled.len(), labels));
                    let (from, from_state, to_state) = (from[row], states[row], arc.to);
                    self.moves.push(Move { from, to, from_state, to_state, idx: places[row], labels })?;
                }
            }
        }
        Ok(())
    }

    /// Gathers the objects and references of what leads to an end.
    async fn keep(&mut self, tables: &str) -> Result<()> {
        let kept = match self.moves_needed {
            NeededMoves::Ends => self.visited.in_state(self.compiled.accept()),
            _ => self.leading_to_an_end().await?,
        };
        self.reservation.try_grow(kept.bytes())?;
        let mut objects = Spool::new(&self.context.runtime_env().disk_manager);
        kept.objects().try_for_each(|address| objects.push(Pair { address, state: 0, unused: 0 }))?;
        if let Some(table) = FrontTable::of(&Arc::new(objects), BitSet::of(1, [0]))? {
            let all = self.objects.clone();
            let joined =
                self.context.read_table(table)?.join(all, JoinType::Inner, &["front"], &["object"], None)?;
            let mut batches = joined.execute_stream().await?;
            while let Some(batch) = batches.try_next().await? {
                self.describe(&batch)?;
            }
        }
        for chunk in self.moves.chunks() {
            for step in self.moves.read(chunk)? {
                let is_kept =
                    kept.contains(step.from, step.from_state) && kept.contains(step.to, step.to_state);
                let (parent, child) = match self.compiled.hops[step.from_state as usize].way {
                    Walk::Down => (step.from, step.to),
                    Walk::Up => (step.to, step.from),
                };
                if is_kept && !self.gathered.edges.contains_key(&(parent, step.idx)) {
                    self.reservation.try_grow(REFERENCE_BYTES)?;
                    self.gathered.edges.insert((parent, step.idx), Reference { child, labels: step.labels });
                }
            }
            // So that the query can be cancelled between chunks.
            tokio::task::yield_now().await;
        }
        if self.moves_needed != NeededMoves::Ends
            && self.compiled.hops.iter().any(|hop| hop.way == Walk::Down)
        {
            self.first_references(tables).await?;
        }
        Ok(())
    }

    /// The pairs from which a pair at an end can be reached, and maybe more.
    async fn leading_to_an_end(&self) -> Result<Pairs> {
        let mut kept = self.visited.in_state(self.compiled.accept());
        for _ in 0..MAX_SWEEPS {
            let mut is_more = false;
            for chunk in self.moves.chunks().rev() {
                for step in self.moves.read(chunk)?.iter().rev() {
                    if kept.contains(step.to, step.to_state) {
                        is_more |= kept.insert(step.from, step.from_state);
                    }
                }
                tokio::task::yield_now().await;
            }
            // Moves to the next level alone are all found by the first time.
            if !is_more || self.moves_needed != NeededMoves::All {
                return Ok(kept);
            }
        }
        Ok(self.visited.clone())
    }

    /// Notes some of the objects.
    fn describe(&mut self, batch: &RecordBatch) -> Result<()> {
        let objects = Objects::new(batch, self.compiled)?;
        for row in 0..batch.num_rows() {
            let Some(passes) = objects.passing.passes(row) else { continue };
            self.reservation.try_grow(OBJECT_BYTES)?;
            let object = objects.object(row, passes, self.manifest, &mut self.gathered)?;
            self.gathered.objects.insert(objects.passing.addresses[row], object);
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
}

/// A front as a table of some of its states. It is in memory where it is one chunk.
struct FrontTable {
    schema: SchemaRef,
    front: Arc<Spool<Pair>>,
    states: BitSet,
}

impl FrontTable {
    /// `None` if no pair is in one of the states.
    fn of(front: &Arc<Spool<Pair>>, states: BitSet) -> Result<Option<Arc<dyn TableProvider>>> {
        if states.is_empty() {
            return Ok(None);
        }
        let fields =
            vec![Field::new("front", DataType::UInt64, false), Field::new("state", DataType::UInt32, false)];
        let schema = Arc::new(Schema::new(fields));
        let table = Self { schema: schema.clone(), front: Arc::clone(front), states };
        if front.len() > CHUNK_RECORDS {
            return Ok(Some(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(table)])?)));
        }
        let batches = front.chunks().map(|chunk| table.batch(chunk)).collect::<Result<Vec<_>>>()?;
        let is_empty = batches.iter().all(|batch| batch.num_rows() == 0);
        Ok(if is_empty { None } else { Some(Arc::new(MemTable::try_new(schema, vec![batches])?)) })
    }

    fn batch(&self, chunk: std::ops::Range<u64>) -> Result<RecordBatch> {
        let mut pairs = self.front.read(chunk)?;
        pairs.retain(|pair| self.states.contains(pair.state as usize));
        let addresses: ArrayRef =
            Arc::new(UInt64Array::from_iter_values(pairs.iter().map(|pair| pair.address)));
        let states: ArrayRef = Arc::new(UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.state)));
        Ok(RecordBatch::try_new(self.schema.clone(), vec![addresses, states])?)
    }
}

impl std::fmt::Debug for FrontTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pairs", self.front.len())
    }
}

impl PartitionStream for FrontTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.schema.clone();
        let (front, states) = (Arc::clone(&self.front), self.states.clone());
        let chunks = front.chunks();
        let table = Self { schema: schema.clone(), front, states };
        let batches = stream::iter(chunks.map(move |chunk| table.batch(chunk)));
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

/// Which tests the objects of a batch pass.
struct Passing<'b> {
    addresses: &'b [u64],
    passes: Vec<&'b datafusion::arrow::array::BooleanArray>,
    n_tests: usize,
}

impl<'b> Passing<'b> {
    fn new(batch: &'b RecordBatch, compiled: &Compiled) -> Result<Self> {
        let passes = (0..tests(compiled).count())
            .map(|i| Ok(column(batch, &format!("passes_{i}"))?.as_boolean()))
            .collect::<Result<_>>()?;
        let addresses = column(batch, "object")?.as_primitive::<UInt64Type>().values();
        Ok(Self { addresses, passes, n_tests: compiled.tests.len() })
    }

    /// The tests that an object passes; none where EXCEPT leaves it out.
    fn passes(&self, row: usize) -> Option<BitSet> {
        let (tests, except) = self.passes.split_at(self.n_tests);
        if except.iter().any(|passes| passes.value(row)) {
            return None;
        }
        Some(BitSet::of(self.n_tests, (0..self.n_tests).filter(|test| tests[*test].value(row))))
    }
}

/// The columns of objects in a batch.
struct Objects<'b> {
    passing: Passing<'b>,
    types: ArrayRef,
    sizes: &'b dyn Array,
    retained: &'b dyn Array,
    root_kinds: ArrayRef,
    root_names: ArrayRef,
}

impl<'b> Objects<'b> {
    fn new(batch: &'b RecordBatch, compiled: &Compiled) -> Result<Self> {
        let text = |name| Ok::<_, DataFusionError>(cast(column(batch, name)?, &DataType::Utf8)?);
        Ok(Self {
            passing: Passing::new(batch, compiled)?,
            types: text("object_type")?,
            sizes: column(batch, "object_size")?,
            retained: column(batch, "object_retained")?,
            root_kinds: text("object_root_kind")?,
            root_names: text("object_root_name")?,
        })
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
