//! Tasks and threads that wait for something which nothing that can still run reaches.
//!
//! The rule is that of Go's profile of leaked goroutines. At first all that wait count as blocked. What the roots reach without
//! passing through them can still run. If that includes the future or the condition of a task or thread, this one can go on too, and
//! so can what it reaches; this is repeated until nothing is added. Those that are left wait for ever. A collection that only keeps
//! tasks (the set that saves them from being collected) and the interpreter's table of threads do not make them go on.
//! O(nodes + edges), where something waits.
//!
//! Suspended generators and greenlets are not decided: any code that has a reference to one can resume it.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
};

use heaplake_graph::{BitSet, Id};
use heaplake_model::short_type_name;
use heaplake_store::{GraphIndex, with_index};

use super::super::{
    heap::{Facts, Heap},
    sort::Sort,
};
use crate::{Error, Result};

/// What waits for ever.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    pub(super) tasks: Vec<usize>,
    pub(super) threads: Vec<usize>,
}

/// The frames of a thread.
#[derive(Debug)]
pub(super) struct Stack {
    /// Its object, where its frames tell.
    pub(super) thread: Option<usize>,
    /// The innermost first.
    pub(super) frames: Vec<usize>,
    /// The condition that it waits on without a timeout.
    waits_on: Option<usize>,
}

/// Tasks in a dictionary from which on it keeps tasks, and is not the attributes of an object.
const MIN_TASKS: usize = 4;
/// Steps from what wakes a task up to what calls that.
const MAX_WAKE_HOPS: usize = 3;
/// Frames of one thread.
const MAX_FRAMES: usize = 100_000;

pub(super) fn stuck(heap: &Heap, cancel: &AtomicBool) -> Result<Stuck> {
    let tasks: Vec<usize> = heap
        .nodes_of(|name| short_type_name(name) == "Task")
        .into_iter()
        .filter(|task| waits(heap, *task))
        .collect();
    let mut facts = Facts::default();
    let mut stacks = stacks(heap, &mut facts)?;
    stacks.retain(|stack| stack.waits_on.is_some() && stack.thread.is_some());
    if tasks.is_empty() && stacks.is_empty() {
        return Ok(Stuck::default());
    }
    let registry = if stacks.is_empty() { None } else { table_of_threads(heap, &mut facts)? };
    let mut leaving = if stacks.is_empty() { HashSet::new() } else { leaving(heap, &stacks, &mut facts)? };
    leaving.extend(only_on_stacks(heap, &stacks, &mut facts)?);
    let not_passed = (registry, &leaving);
    let reached =
        with_index!(&*heap.open.index, |index| reached(index, heap, &tasks, &stacks, not_passed, cancel))?;
    let is_stuck = |node: &usize| !reached.contains(*node) && heap.is_held(*node);
    let threads = stacks.iter().filter(|stack| stack.frames.iter().all(|frame| !reached.contains(*frame)));
    Ok(Stuck {
        tasks: tasks.into_iter().filter(is_stuck).collect(),
        threads: threads.filter_map(|stack| stack.thread).collect(),
    })
}

/// Whether something that a task refers to will call it when it is done.
fn waits(heap: &Heap, task: usize) -> bool {
    let refs: HashSet<usize> = heap
        .refs(task)
        .into_iter()
        .map(|(_, kid)| kid)
        .filter(|kid| *kid != task && heap.sort(*kid) == Sort::Program)
        .collect();
    let mut level: Vec<usize> =
        heap.parents(task).into_iter().filter(|parent| is_wakeup(heap, *parent)).collect();
    for _ in 0..MAX_WAKE_HOPS {
        level = level.into_iter().flat_map(|node| heap.parents(node)).collect();
        if level.iter().any(|node| refs.contains(node)) {
            return true;
        }
        level.retain(|node| heap.sort(*node) == Sort::Container);
    }
    false
}

fn is_wakeup(heap: &Heap, node: usize) -> bool {
    let name = heap.type_name(node);
    matches!(heap.sort(node), Sort::Function | Sort::Wrapper) || name.contains("Wakeup")
}

/// What can still run reaches: every node but those that only what waits for ever leads to.
fn reached<I: Id>(
    index: &GraphIndex<I>,
    heap: &Heap,
    tasks: &[usize],
    stacks: &[Stack],
    (registry, leaving): (Option<usize>, &HashSet<usize>),
    cancel: &AtomicBool,
) -> Result<BitSet> {
    let graph = index.graph();
    let n_nodes = index.n_nodes();
    let waiting = BitSet::of(n_nodes, tasks.iter().copied());
    let frames = BitSet::of(n_nodes, stacks.iter().flat_map(|stack| stack.frames.iter().copied()));
    let mut woken: HashMap<usize, Vec<&Stack>> = HashMap::new();
    for stack in stacks {
        stack.waits_on.into_iter().for_each(|on| woken.entry(on).or_default().push(stack));
    }
    let threads: HashSet<usize> = stacks.iter().filter_map(|stack| stack.thread).collect();
    let mut keeps_tasks: HashMap<usize, bool> = HashMap::new();
    let mut reached = BitSet::new(n_nodes);
    let roots = index
        .live_roots()
        .map(|root| root.index())
        .filter(|root| !frames.contains(*root) && !leaving.contains(root));
    let mut stack: Vec<usize> = roots.filter(|root| reached.set(*root)).collect();
    let mut steps = 0_u32;
    while let Some(node) = stack.pop() {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(1 << 16) && cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        for waiter in woken.remove(&node).unwrap_or_default() {
            stack.extend(waiter.frames.iter().copied().filter(|frame| reached.set(*frame)));
        }
        for kid in graph.children(node) {
            let is_kept = (waiting.contains(kid)
                && heap.sort(node) == Sort::Container
                && *keeps_tasks.entry(node).or_insert_with(|| {
                    let n_tasks = graph.children(node).filter(|kid| waiting.contains(*kid)).count();
                    heap.type_name(node) != "dict" || n_tasks >= MIN_TASKS
                }))
                || (Some(node) == registry && threads.contains(&kid));
            if !is_kept && reached.set(kid) {
                stack.push(kid);
            }
        }
    }
    Ok(reached)
}

/// The threads that run, as their frames tell.
pub(super) fn stacks(heap: &Heap, facts: &mut Facts) -> Result<Vec<Stack>> {
    let is_frame = |node: &usize| heap.sort(*node) == Sort::Frame;
    let roots = heap.roots_with(|kind| kind.starts_with("thread ")).into_iter().filter(is_frame);
    let frames: HashSet<usize> = roots.collect();
    let caller = |frame: usize| {
        let mut kids = heap.refs(frame).into_iter().map(|(_, kid)| kid);
        kids.find(|kid| *kid != frame && frames.contains(kid))
    };
    let called: HashSet<usize> = frames.iter().filter_map(|frame| caller(*frame)).collect();
    let mut innermost: Vec<usize> = frames.iter().copied().filter(|frame| !called.contains(frame)).collect();
    innermost.sort_unstable();
    let mut found = Vec::new();
    let mut seen: HashSet<usize> = HashSet::new();
    for top in innermost {
        let mut stack = Vec::new();
        let mut at = Some(top);
        while let Some(frame) = at.filter(|frame| stack.len() < MAX_FRAMES && seen.insert(*frame)) {
            stack.push(frame);
            at = caller(frame);
        }
        found.push(stack);
    }
    let ends: Vec<usize> =
        found.iter().flat_map(|stack| [stack.first(), stack.last()]).flatten().copied().collect();
    let edges: Vec<usize> = ends.iter().flat_map(|frame| heap.refs(*frame)).map(|(edge, _)| edge).collect();
    heap.load(facts, &ends, &edges)?;
    let local = |frame: usize, name: &str| {
        let mut refs = heap.refs(frame).into_iter();
        refs.find(|(edge, _)| facts.label(*edge) == Some(name)).map(|(_, kid)| kid)
    };
    let stacks = found.into_iter().filter_map(|frames| {
        let (top, bottom) = (*frames.first()?, *frames.last()?);
        let is_wait = facts.name(top) == Some("wait")
            && local(top, "timeout").is_some_and(|kid| heap.type_name(kid) == "NoneType");
        let condition = local(top, "self")
            .filter(|node| is_wait && short_type_name(heap.type_name(*node)) == "Condition");
        let thread = local(bottom, "self").filter(|_| facts.name(bottom) == Some("_bootstrap"));
        Some(Stack { thread, frames, waits_on: condition })
    });
    Ok(stacks.collect())
}

/// Bound methods that C holds and that make nobody go on: those that the functions of some threads are running, on the stack of
/// who called them; what a `with` statement will call in the end, likewise; and what a thread began with.
pub(super) fn leaving(heap: &Heap, stacks: &[Stack], facts: &mut Facts) -> Result<HashSet<usize>> {
    let external = heap.roots_with(|kind| kind == "external").into_iter();
    let methods: Vec<usize> =
        external.filter(|node| short_type_name(heap.type_name(*node)) == "method").collect();
    let function = |method: usize| {
        let mut kids = heap.refs(method).into_iter().map(|(_, kid)| kid);
        kids.find(|kid| heap.sort(*kid) == Sort::Function)
    };
    let frames: Vec<usize> = stacks.iter().flat_map(|stack| stack.frames.iter().copied()).collect();
    let functions = methods.iter().filter_map(|method| function(*method));
    let nodes: Vec<usize> = functions.chain(frames.iter().copied()).collect();
    heap.load(facts, &nodes, &variables(heap, &frames))?;
    let facts = &*facts;
    let runs = frames.iter().filter_map(|frame| {
        let mut refs = heap.refs(*frame).into_iter();
        let (_, of) = refs.find(|(edge, _)| facts.label(*edge) == Some("self"))?;
        Some((facts.name(*frame)?, of))
    });
    let runs: HashSet<(&str, usize)> = runs.collect();
    let is_last = |method: &usize| {
        let Some(name) = function(*method).and_then(|function| facts.name(function)) else { return false };
        matches!(name, "__exit__" | "_bootstrap")
            || heap.refs(*method).into_iter().any(|(_, kid)| runs.contains(&(name, kid)))
    };
    Ok(methods.into_iter().filter(is_last).collect())
}

/// Roots to which C refers only because methods of them run: before CPython 3.11 what a method is called on is on the stack of the
/// function that calls it until the method ends, and no object shows what is there. A thread began with a bound method, so that its
/// outermost function has none.
pub(super) fn only_on_stacks(heap: &Heap, stacks: &[Stack], facts: &mut Facts) -> Result<Vec<usize>> {
    let version = heap.manifest().process.version.as_deref().and_then(minor_version);
    let has_such_stacks = version.is_some_and(|version| version < (3, 11));
    if !has_such_stacks {
        return Ok(Vec::new());
    }
    let frames = stacks.iter().filter_map(|stack| stack.frames.split_last()).flat_map(|(_, inner)| inner);
    let frames: Vec<usize> = frames.copied().collect();
    heap.load(facts, &[], &variables(heap, &frames))?;
    let mut calls: HashMap<usize, i64> = HashMap::new();
    for frame in &frames {
        let mut refs = heap.refs(*frame).into_iter();
        if let Some((_, of)) = refs.find(|(edge, _)| facts.label(*edge) == Some("self")) {
            *calls.entry(of).or_default() += 1;
        }
    }
    calls.retain(|node, _| heap.root_kind(*node) == Some("external"));
    let nodes: Vec<usize> = calls.keys().copied().collect();
    let external = heap.external(&nodes)?;
    let is_explained =
        |node: &usize| external.get(node).is_some_and(|n| calls.get(node).is_some_and(|calls| n <= calls));
    Ok(nodes.into_iter().filter(is_explained).collect())
}

/// References from frames to the values of their variables.
fn variables(heap: &Heap, frames: &[usize]) -> Vec<usize> {
    frames.iter().flat_map(|frame| heap.refs(*frame)).map(|(edge, _)| edge).collect()
}

/// The first two numbers of a version.
fn minor_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// The table in which the interpreter's library keeps the threads that run.
fn table_of_threads(heap: &Heap, facts: &mut Facts) -> Result<Option<usize>> {
    let modules = heap.nodes_of(|name| name == "module");
    heap.load(facts, &modules, &[])?;
    let threading = modules.into_iter().find(|module| facts.name(*module) == Some("threading"));
    let Some(threading) = threading else { return Ok(None) };
    let mut near = heap.refs(threading);
    let dicts = near.clone().into_iter().filter(|(_, kid)| heap.type_name(*kid) == "dict");
    near.extend(dicts.flat_map(|(_, kid)| heap.refs(kid)));
    let edges: Vec<usize> = near.iter().map(|(edge, _)| *edge).collect();
    heap.load(facts, &[], &edges)?;
    let table = near.into_iter().find(|(edge, kid)| {
        heap.type_name(*kid) == "dict" && facts.label(*edge).is_some_and(|label| label == "['_active']")
    });
    Ok(table.map(|(_, kid)| kid))
}
