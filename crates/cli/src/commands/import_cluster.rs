//! `heaplake --cluster ... import`: imports by workers, one dump at a time on each of them.
//!
//! A dump whose worker is lost is given to another. It may be in the lake all the same, since what the worker had begun may have come to
//! its end. So a dump that the next worker finds in the lake, and that was not there before the first, is imported.

use std::{
    collections::VecDeque,
    process::ExitCode,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use chrono::{DateTime, Utc};
use heaplake_answers::Lake;
use heaplake_store::Manifest;

use super::import::{jobs_of, report_import};
use crate::{
    ERROR,
    args::{ImportArgs, OnError},
    cluster::{ClusterParts, ImportReply, ImportRequest, Importer, NamedWorkers},
    console::Console,
    human,
    interrupt::{self, Interrupted},
    values,
};

/// How often Ctrl-C is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Imports the files.
pub fn run(
    args: &ImportArgs,
    parts: &ClusterParts,
    workers: &NamedWorkers,
    console: &Console,
) -> Result<ExitCode> {
    if args.objects.is_some() {
        bail!("workers import dumps of a format, not tables; leave --cluster out");
    }
    if args.layout.is_some() {
        bail!("workers find the layout of objects themselves; leave --layout or --cluster out");
    }
    let requests = requests(args)?;
    let n_requests = requests.len();
    let importers = (parts.importers)(workers)?;
    interrupt::install()?;
    let queue = Queue::new(requests, console);
    let (done, finished) = mpsc::channel();
    let mut n_failed = 0;
    thread::scope(|scope| {
        for importer in &importers {
            let (done, queue) = (done.clone(), &queue);
            scope.spawn(move || work(&**importer, queue, &done, console));
        }
        drop(done);
        loop {
            match finished.recv_timeout(TICK) {
                Ok(outcome) => n_failed += usize::from(!tell(outcome, args, console)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if interrupt::requested() {
                queue.clear();
            }
        }
    });
    if interrupt::requested() {
        return Err(Interrupted { outcome: "the dumps imported so far stay" }.into());
    }
    let left = queue.lock().waiting.len();
    if left > 0 {
        bail!("no worker is left; {} not imported", human::counted(left as u64, "dump"));
    }
    if n_failed > 0 && n_requests > 1 {
        console.note(&format!(
            "{} of {} imported",
            n_requests - n_failed,
            human::counted(n_requests as u64, "file")
        ));
    }
    Ok(if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(ERROR) })
}

fn requests(args: &ImportArgs) -> Result<Vec<ImportRequest>> {
    let requests = jobs_of(args)?.into_iter().map(|(source, dump)| ImportRequest {
        source,
        dump: dump.to_string(),
        taken: args.taken,
        tags: args.tags.clone(),
        format: Some(args.format.clone()).filter(|name| name != values::ANY_FORMAT),
        skip: args.on_error == OnError::Skip,
        replace: args.replace,
        fields: args.fields,
        part: args.part,
        no_index: args.no_index,
        memory_limit: args.memory_limit,
    });
    Ok(requests.collect())
}

/// A dump to import.
struct Job {
    request: ImportRequest,
    /// When the dump of this name was imported that was in the lake before, if there was one.
    before: Option<DateTime<Utc>>,
    /// Whether a worker was lost that had it.
    is_retry: bool,
}

impl Job {
    /// The dump, where it is in the lake now and was not before.
    fn new_dump(&self, console: &Console) -> Option<(Lake, Manifest)> {
        let lake = console.open_lake().ok()?;
        let manifest = lake.manifest(&self.request.dump).ok()?;
        (self.before != Some(manifest.imported)).then_some((lake, manifest))
    }
}

/// What is to be imported, for workers that take one dump after the other.
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

struct QueueState {
    waiting: VecDeque<Job>,
    /// Dumps that workers have at the moment, and may give back.
    n_taken: usize,
}

impl Queue {
    fn new(requests: Vec<ImportRequest>, console: &Console) -> Self {
        let lake = console.open_lake().ok();
        let before = |dump: &str| Some(lake.as_ref()?.manifest(dump).ok()?.imported);
        let jobs = requests.into_iter().map(|request| Job {
            before: before(&request.dump),
            is_retry: false,
            request,
        });
        let state = QueueState { waiting: jobs.collect(), n_taken: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next dump; waits while another worker may give one back. `None` when all are done.
    fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                state.n_taken += 1;
                return Some(job);
            }
            if state.n_taken == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self) {
        self.lock().n_taken -= 1;
        self.changed.notify_all();
    }

    /// A worker is lost, and its dump is for another.
    fn give_back(&self, job: Job) {
        let mut state = self.lock();
        state.waiting.push_front(Job { is_retry: true, ..job });
        state.n_taken -= 1;
        drop(state);
        self.changed.notify_all();
    }

    fn clear(&self) {
        self.lock().waiting.clear();
        self.changed.notify_all();
    }
}

/// What became of a dump.
enum Outcome {
    Imported {
        manifest: Box<Manifest>,
        lake: Lake,
        time: Duration,
    },
    Failed(anyhow::Error),
    /// A worker is lost.
    Lost(String),
}

fn work(importer: &dyn Importer, queue: &Queue, done: &mpsc::Sender<Outcome>, console: &Console) {
    while let Some(job) = queue.take() {
        let start = Instant::now();
        let outcome = match importer.import(&job.request, interrupt::token()) {
            Ok(reply) => outcome(&job, reply, start, console),
            Err(_) if interrupt::requested() => return queue.done(),
            Err(error) => {
                let (address, dump) = (importer.address(), &job.request.dump);
                let lost = format!("worker {address}: {error:#}; {dump} is for another");
                // The receiver exists until all outcomes have come.
                let _ = done.send(Outcome::Lost(lost));
                return queue.give_back(job);
            }
        };
        let _ = done.send(outcome);
        queue.done();
    }
}

fn outcome(job: &Job, reply: ImportReply, start: Instant, console: &Console) -> Outcome {
    let is_done = reply.succeeded || job.is_retry;
    match job.new_dump(console).filter(|_| is_done) {
        Some((lake, manifest)) => {
            Outcome::Imported { manifest: Box::new(manifest), lake, time: start.elapsed() }
        }
        None if reply.succeeded => {
            Outcome::Failed(anyhow!("{} was imported, and is not in this lake", job.request.dump))
        }
        None => {
            let said = reply.said.trim();
            Outcome::Failed(anyhow!("{}", said.strip_prefix("error: ").unwrap_or(said)))
        }
    }
}

/// Says what became of a dump; whether nothing is wrong.
fn tell(outcome: Outcome, args: &ImportArgs, console: &Console) -> bool {
    match outcome {
        Outcome::Imported { manifest, lake, time } => {
            report_import(&manifest, &lake, time, args, console);
            true
        }
        Outcome::Failed(error) => {
            console.error(&error);
            false
        }
        Outcome::Lost(what) => {
            console.warn(&what);
            true
        }
    }
}
