//! The kinds of roots in words: why, and for what a thread holds, by which thread and where. And the threads themselves.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering},
};

use hashbrown::HashMap;

use super::{
    classes,
    dialect::{RootKind, RootRecord},
    names,
    objects::{Model, ObjectReader},
};
use crate::{Error, ThreadRecord};

/// The kind of classes that the VM keeps.
const SYSTEM_CLASS: &str = "system class";
/// Roots between two looks at a cancellation.
const POLL: usize = 1 << 12;
/// Threads that are handed over at a time.
const THREADS: usize = 1 << 10;

/// Puts roots and threads into words.
pub(super) struct RootNamer<'m> {
    model: &'m Model,
    file: &'m File,
    reader: ObjectReader<'m>,
    /// What is known of each thread, by serial number.
    threads: HashMap<u32, Thread>,
    /// Frames in words, by id.
    frames: HashMap<u64, String>,
}

struct Thread {
    address: Option<u64>,
    /// `main`
    name: String,
    is_virtual: bool,
    /// The serial number of its stack.
    stack: u32,
}

impl Thread {
    /// `thread main`
    fn words(&self) -> String {
        let kind = if self.is_virtual { "virtual thread" } else { "thread" };
        format!("{kind} {}", self.name)
    }
}

impl<'m> RootNamer<'m> {
    /// Reads the names of all threads.
    pub(super) fn new(model: &'m Model, file: &'m File) -> Self {
        let reader = ObjectReader::new(model, file);
        let mut namer = Self { model, file, reader, threads: HashMap::new(), frames: HashMap::new() };
        for root in model.scan.roots.iter().filter(|root| root.kind == RootKind::Thread) {
            namer.thread_object(root);
        }
        namer.recorded_threads();
        namer
    }

    /// The roots of the dump: each address once, with the kind that says most. The VM keeps classes of arrays as long as those of
    /// their elements, which no record says: those that are never unloaded are roots as other classes of the system.
    pub(super) fn roots(&mut self, cancel: &AtomicBool) -> Result<Vec<(u64, String)>, Error> {
        let mut roots: Vec<&RootRecord> =
            self.model.scan.roots.iter().filter(|root| root.address != 0).collect();
        // A thread is a root because it runs, also where one of its frames refers to it.
        let order = |root: &RootRecord| (root.kind != RootKind::Thread, root.kind, root.thread, root.frame);
        roots.sort_by_key(|root| (root.address, order(root)));
        roots.dedup_by_key(|root| root.address);
        let mut named = Vec::with_capacity(roots.len());
        for (i, root) in roots.into_iter().enumerate() {
            if i.is_multiple_of(POLL) && cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            named.push((root.address, self.kind(root)?));
        }
        let classes = self.model.scan.classes.iter().zip(&self.model.classes.list);
        let of_arrays = classes.filter(|(scanned, class)| {
            scanned.dump.is_some() && class.name.ends_with("[]") && !class.is_kept_by_instances
        });
        named.extend(of_arrays.map(|(scanned, _)| (scanned.address, SYSTEM_CLASS.to_owned())));
        // A stable sort: what the file says comes first.
        named.sort_by_key(|(address, _)| *address);
        named.dedup_by_key(|(address, _)| *address);
        Ok(named)
    }

    /// Hands over the threads with their stacks, some at a time: a program may have a million virtual ones.
    pub(super) fn each_threads(
        &mut self,
        mut take: impl FnMut(Vec<ThreadRecord>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut serials: Vec<u32> = self.threads.keys().copied().collect();
        serials.sort_unstable();
        for some in serials.chunks(THREADS) {
            let mut threads = Vec::with_capacity(some.len());
            for serial in some {
                let Some(Thread { address, name, is_virtual, stack }) = self.threads.get(serial) else {
                    continue;
                };
                let (address, name, is_virtual, stack) = (*address, name.clone(), *is_virtual, *stack);
                let state = address.and_then(|address| self.reader.thread_state(address));
                let trace = self.model.scan.traces.get(&stack).filter(|trace| trace.thread == *serial);
                let mut lines = String::new();
                for frame in trace.map_or(&[][..], |trace| &trace.frames) {
                    if !lines.is_empty() {
                        lines.push('\n');
                    }
                    lines += &self.frame(*frame)?;
                }
                threads.push(ThreadRecord { address, name, is_virtual, state, stack: lines });
            }
            take(threads)?;
        }
        Ok(())
    }

    fn thread_object(&mut self, root: &RootRecord) {
        let name = self.reader.name_of(root.address).or_else(|| self.recorded_name(root.thread));
        let name = name.filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| root.thread.to_string());
        let (address, is_virtual) = (Some(root.address), self.reader.is_virtual_thread(root.address));
        self.threads.entry(root.thread).or_insert(Thread { address, name, is_virtual, stack: root.frame });
    }

    /// Threads that only their stacks and records of their start tell.
    fn recorded_threads(&mut self) {
        for (stack, trace) in &self.model.scan.traces {
            let serial = trace.thread;
            if serial == 0 || self.threads.contains_key(&serial) {
                continue;
            }
            let name = self.recorded_name(serial).unwrap_or_else(|| serial.to_string());
            self.threads.insert(serial, Thread { address: None, name, is_virtual: false, stack: *stack });
        }
    }

    /// The name in the record of a thread's start.
    fn recorded_name(&self, serial: u32) -> Option<String> {
        let name = self.model.scan.thread_names.get(&serial)?;
        classes::text(&self.model.scan, self.file, *name).ok()?
    }

    fn thread(&self, serial: u32) -> String {
        self.threads.get(&serial).map_or_else(|| format!("thread {serial}"), Thread::words)
    }

    fn kind(&mut self, root: &RootRecord) -> Result<String, Error> {
        Ok(match root.kind {
            RootKind::Thread => self.thread(root.thread),
            RootKind::JavaFrame => self.with_frame(root, "frame")?,
            RootKind::JniLocal => format!("JNI local, {}", self.with_frame(root, "")?),
            RootKind::NativeStack => format!("native stack, {}", self.thread(root.thread)),
            RootKind::ThreadBlock => format!("thread block, {}", self.thread(root.thread)),
            RootKind::Monitor => "monitor".to_owned(),
            RootKind::JniMonitor => format!("JNI monitor, {}", self.thread(root.thread)),
            RootKind::JniGlobal => "JNI global".to_owned(),
            RootKind::SystemClass => SYSTEM_CLASS.to_owned(),
            RootKind::Interned => "interned string".to_owned(),
            RootKind::Finalizing => "finalizing".to_owned(),
            RootKind::Debugger => "debugger".to_owned(),
            RootKind::ReferenceCleanup => "reference cleanup".to_owned(),
            RootKind::VmInternal => "VM internal".to_owned(),
            RootKind::Unknown => "unknown".to_owned(),
            RootKind::Unreachable => "unreachable".to_owned(),
        })
    }

    /// `thread main, com.shop.Cart.add(Cart.java:41)`; `otherwise` stands for a frame that is not known.
    fn with_frame(&mut self, root: &RootRecord, otherwise: &str) -> Result<String, Error> {
        let thread = self.thread(root.thread);
        let stack = self.threads.get(&root.thread).map(|thread| thread.stack);
        let trace = stack.and_then(|stack| self.model.scan.traces.get(&stack));
        let frame = trace.and_then(|trace| trace.frames.get(root.frame as usize).copied());
        Ok(match frame {
            Some(frame) => format!("{thread}, {}", self.frame(frame)?),
            None if otherwise.is_empty() => thread,
            None => format!("{thread}, {otherwise}"),
        })
    }

    /// `com.shop.Cart.add(Cart.java:41)`
    fn frame(&mut self, id: u64) -> Result<String, Error> {
        if let Some(known) = self.frames.get(&id) {
            return Ok(known.clone());
        }
        let scan = &self.model.scan;
        let Some(frame) = scan.frames.get(&id) else { return Ok("frame".to_owned()) };
        let text = |id: u64| classes::text(scan, self.file, id);
        let method = text(frame.method)?.unwrap_or_else(|| "?".to_owned());
        let class = scan.class_of_serial.get(&frame.class_serial);
        let class = match class.and_then(|class| scan.class_names.get(class)) {
            Some(name) => text(*name)?.map(|name| names::class_name(&name)),
            None => None,
        };
        let source = text(frame.source)?.filter(|source| !source.is_empty());
        let position = match (source, frame.line) {
            (_, -3) => "native".to_owned(),
            (Some(source), line @ 1..) => format!("{source}:{line}"),
            (Some(source), _) => source,
            (None, _) => "unknown source".to_owned(),
        };
        let words = format!("{}.{method}({position})", class.as_deref().unwrap_or("?"));
        self.frames.insert(id, words.clone());
        Ok(words)
    }
}
