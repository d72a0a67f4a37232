//! `heaplake import`: dumps into the lake, one file after the other or some at a time. A file that fails does not undo the
//! others.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use heaplake_answers::{self as answers, ObjectTables};
use heaplake_model::{DumpId, schema::Table};
use heaplake_remote::{Location, sources};
use heaplake_store::{
    self as store, Access, ImportOptions, ImportProgress, IndexOptions, Input, Lake, Manifest, ObjectInput,
};

use crate::{
    ERROR,
    args::{ImportArgs, OnError},
    console::{Console, shell_quoted},
    human,
    interrupt::{self, Interrupted},
    progress::{Bar, Bars},
    values::{self, SMALLEST_LIMIT},
};

/// How often progress is shown and Ctrl-C looked at.
const TICK: Duration = Duration::from_millis(60);
/// How long an import that was told to stop may wait for standard input, which cannot be interrupted.
const STDIN_GRACE: Duration = Duration::from_secs(2);

/// One input and the name its dump gets.
#[derive(Debug)]
struct Job {
    input: Input,
    id: DumpId,
}

impl Job {
    /// The input's name for messages.
    fn name(&self) -> String {
        match &self.input {
            Input::Stdin => "standard input".to_owned(),
            Input::File(path) => path.display().to_string(),
            Input::Object(object) => object.address.clone(),
        }
    }
}

/// What an argument names: a file, standard input, or objects in a store.
fn inputs(path: &Path) -> Result<Vec<Input>> {
    if path == Path::new("-") {
        return Ok(vec![Input::Stdin]);
    }
    let Some(address) = path.to_str().filter(|text| Location::is_meant(text)) else {
        return Ok(vec![Input::File(path.to_owned())]);
    };
    let sources = sources(address).with_context(|| format!("cannot import {address}"))?;
    let objects = sources.into_iter().map(|source| {
        Input::Object(ObjectInput {
            address: source.address().to_owned(),
            bytes: source.bytes(),
            modified: source.modified(),
            open: Arc::new(move || source.read()),
        })
    });
    Ok(objects.collect())
}

/// Imports the files.
pub fn run(args: ImportArgs, console: &Console) -> Result<ExitCode> {
    if args.while_stdin {
        thread::spawn(|| {
            // An error is an end as well.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            interrupt::token().cancel();
        });
    }
    let options = options(&args)?;
    if let Some(objects) = &args.objects {
        return run_tables(objects, &args, &options, console);
    }
    let jobs = jobs(&args)?;
    let n_jobs = jobs.len();
    let (jobs, missing): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| check_readable(job, console));
    let mut n_failed = missing.len();
    if jobs.is_empty() {
        // A mistyped name is no reason to make a lake.
        return Ok(ExitCode::from(ERROR));
    }
    interrupt::install()?;
    let lake = open_lake(&args, console)?;
    n_failed += import_all(&lake, &jobs, &options, &args, console)?;
    if n_failed > 0 && n_jobs > 1 {
        console.note(&format!("{} of {} imported", n_jobs - n_failed, human::counted(n_jobs as u64, "file")));
    }
    Ok(if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(ERROR) })
}

/// Imports one dump from tables.
fn run_tables(
    objects: &Path,
    args: &ImportArgs,
    options: &ImportOptions,
    console: &Console,
) -> Result<ExitCode> {
    let tables =
        ObjectTables { objects: objects.to_owned(), edges: args.edges.clone(), roots: args.roots.clone() };
    for path in [Some(&tables.objects), tables.edges.as_ref(), tables.roots.as_ref()].into_iter().flatten() {
        // A mistyped name is no reason to make a lake.
        fs::File::open(path).with_context(|| format!("cannot import {}", path.display()))?;
    }
    let id = match &args.dump {
        Some(id) => id.parse()?,
        None => Input::File(without_endings(objects)).default_id(),
    };
    interrupt::install()?;
    let lake = open_lake(args, console)?;
    let start = Instant::now();
    let name = objects.display().to_string();
    let imported = watched(&name, false, &Bars::new(console), |progress| {
        answers::import_tables(&lake, id, &tables, options, progress)
    })?;
    let manifest = imported.with_context(|| format!("cannot import {name}"))?;
    report_import(&manifest, &lake, start.elapsed(), args, console);
    Ok(ExitCode::SUCCESS)
}

/// The name of a file of a table without `.csv`, `.csv.gz` and the like.
fn without_endings(path: &Path) -> PathBuf {
    let path = if path.extension().is_some_and(|ending| ending == "gz") {
        path.with_extension("")
    } else {
        path.into()
    };
    path.with_extension("")
}

/// The lake, which is made where it is not there.
fn open_lake(args: &ImportArgs, console: &Console) -> Result<Lake> {
    let access = if args.shared { Access::Shared } else { Access::Private };
    Ok(Lake::open_or_create(console.lake.path(), access)?)
}

/// Imports files, some at the same time, and reports them in their order. Returns how many failed.
fn import_all(
    lake: &Lake,
    jobs: &[Job],
    options: &ImportOptions,
    args: &ImportArgs,
    console: &Console,
) -> Result<usize> {
    let n_workers = usize::from(args.jobs).min(jobs.len()).max(1);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut options = options.clone();
    if n_workers > 1 {
        options.threads = Some((cores / n_workers).max(1));
        let share = options.memory_limit.unwrap_or_else(store::default_memory) / n_workers as u64;
        if share < SMALLEST_LIMIT {
            bail!(
                "{n_workers} imports at a time have {share} bytes of memory each; the smallest limit is 16MB"
            );
        }
        options.memory_limit = Some(share);
    }
    let bars = Bars::new(console);
    let next = AtomicUsize::new(0);
    let (done, finished) = mpsc::channel();
    let mut n_failed = 0;
    thread::scope(|scope| {
        for _ in 0..n_workers {
            let (done, next, bars, options) = (done.clone(), &next, &bars, &options);
            scope.spawn(move || {
                while let Some((at, job)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(at).map(|job| (at, job))
                } {
                    let options = ImportOptions { dump: Some(job.id.clone()), ..options.clone() };
                    let start = Instant::now();
                    let imported = match interrupt::requested() {
                        true => Err(Interrupted { outcome: "the dumps imported so far stay" }.into()),
                        false => import_one(lake, &job.input, &options, &job.name(), bars),
                    };
                    if done.send((at, imported, start.elapsed())).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let mut wanted = 0;
        let mut interrupted = None;
        for (at, imported, time) in finished {
            waiting.insert(at, (imported, time));
            while let Some((imported, time)) = waiting.remove(&wanted) {
                wanted += 1;
                bars.suspend(|| match imported {
                    Ok(manifest) => report_import(&manifest, lake, time, args, console),
                    Err(error) if interrupt::is_cause(&error) => {
                        interrupted = interrupted.take().or(Some(error))
                    }
                    Err(error) => {
                        n_failed += 1;
                        console.error(&error);
                    }
                });
            }
        }
        interrupted.map_or(Ok(n_failed), Err)
    })
}

/// Says what was imported, and what is odd about it.
pub(super) fn report_import(
    manifest: &Manifest,
    lake: &Lake,
    time: Duration,
    args: &ImportArgs,
    console: &Console,
) {
    report(manifest, lake.index_bytes(manifest), time, console);
    if args.fields && manifest.files_of(Table::Field).all(|file| file.rows == 0) {
        console.warn(&format!(
            "{}: the table field is empty: dumps of the format {} have no fields besides their objects",
            manifest.id, manifest.source.format,
        ));
    }
    if !manifest.indexed && !args.no_index {
        console.warn(&format!(
            "{0}: the graph index does not fit into the memory limit; {1} index {0} builds it",
            manifest.id,
            console.command(),
        ));
    }
}

fn options(args: &ImportArgs) -> Result<ImportOptions> {
    let mut options = ImportOptions {
        taken: args.taken,
        on_error: match args.on_error {
            OnError::Fail => store::OnError::Fail,
            OnError::Skip => store::OnError::Skip,
        },
        format: Some(args.format.clone()).filter(|name| name != values::ANY_FORMAT),
        replace: args.replace,
        memory_limit: args.memory_limit,
        fields: args.fields,
        part: args.part,
        layout: args.layout.unwrap_or_default(),
        index: IndexOptions { skip: args.no_index, wide_ids: args.wide_ids },
        ..ImportOptions::default()
    };
    for (key, value) in &args.tags {
        if options.tags.insert(key.clone(), value.clone()).is_some() {
            bail!("the tag {key} is given twice");
        }
    }
    Ok(options)
}

/// The name of a dump that the user does not name. Heap dumps of one file get different ones.
fn default_id(input: &Input, part: Option<u32>) -> Result<DumpId> {
    let id = input.default_id();
    match part {
        Some(part) if part > 1 => Ok(format!("{id}_{part}").parse()?),
        _ => Ok(id),
    }
}

/// Which file becomes which dump; no name may be given to two.
fn jobs(args: &ImportArgs) -> Result<Vec<Job>> {
    let inputs = args.files.iter().map(|path| inputs(path)).collect::<Result<Vec<_>>>()?.concat();
    if args.dump.is_some() && inputs.len() > 1 {
        bail!(
            "--dump names one dump, but there are {} files; import them one by one, or without --dump",
            inputs.len()
        );
    }
    let mut jobs: Vec<Job> = Vec::with_capacity(inputs.len());
    for input in inputs {
        let id = match &args.dump {
            Some(id) => id.parse()?,
            None => default_id(&input, args.part)?,
        };
        let job = Job { input, id };
        if let Some(other) = jobs.iter().find(|other| other.id == job.id) {
            if matches!(other.input, Input::Stdin) {
                bail!("- is given twice, but there is one standard input");
            }
            let (first, second, id) = (other.name(), job.name(), job.id);
            bail!("{first} and {second} would both be named {id}; import them one by one, with --dump NAME");
        }
        jobs.push(job);
    }
    Ok(jobs)
}

/// What is to be imported elsewhere, by the names that it has there, and what the dumps are named.
pub(super) fn jobs_of(args: &ImportArgs) -> Result<Vec<(String, DumpId)>> {
    let named = jobs(args)?.into_iter().map(|job| {
        let source = match &job.input {
            Input::Stdin => bail!("standard input is on this machine, and workers are not"),
            Input::Object(object) => object.address.clone(),
            Input::File(path) => {
                let path = std::path::absolute(path)?;
                let path = path.to_str().with_context(|| format!("{} is not a text", path.display()))?;
                path.to_owned()
            }
        };
        Ok((source, job.id))
    });
    named.collect()
}

/// Whether the file can be opened; says why not.
fn check_readable(job: &Job, console: &Console) -> bool {
    let Input::File(path) = &job.input else { return true };
    let checked = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(anyhow!("it is a folder")),
        // Opening a named pipe would wait for its writer, or take away what it writes.
        Ok(metadata) if !metadata.is_file() => Ok(()),
        Ok(_) => fs::File::open(path).map(drop).map_err(Into::into),
        Err(error) => Err(error.into()),
    };
    let checked = checked.with_context(|| format!("cannot import {}", job.name()));
    if let Err(error) = &checked {
        console.error(error);
    }
    checked.is_ok()
}

/// Imports one input while showing progress and watching for Ctrl-C.
pub fn import_one(
    lake: &Lake,
    input: &Input,
    options: &ImportOptions,
    name: &str,
    bars: &Bars,
) -> Result<Manifest> {
    let is_stdin = matches!(input, Input::Stdin);
    let imported = watched(name, is_stdin, bars, |progress| store::import(lake, input, options, progress))?;
    imported.with_context(|| format!("cannot import {name}"))
}

/// Does long work while showing its progress and watching for Ctrl-C.
pub fn watched<T: Send, E: Send>(
    name: &str,
    is_stdin: bool,
    bars: &Bars,
    work: impl FnOnce(&ImportProgress) -> Result<T, E> + Send,
) -> Result<Result<T, E>> {
    let progress = ImportProgress::default();
    let result = thread::scope(|scope| {
        let (done, wait) = mpsc::sync_channel(1);
        let progress = &progress;
        let worker = scope.spawn(move || {
            // The receiver is there until this thread has ended.
            let _ = done.send(work(progress));
        });
        let result = watch(&wait, progress, bars.add(name), is_stdin);
        worker.join().map_err(|_| anyhow!("the work stopped unexpectedly; this is a bug of heaplake"))?;
        result.context("the work gave no answer; this is a bug of heaplake")
    })?;
    if result.is_err() && interrupt::requested() {
        return Err(Interrupted { outcome: "the lake is as it was" }.into());
    }
    Ok(result)
}

/// Waits for the import; none when it ended without an answer.
fn watch<T>(wait: &mpsc::Receiver<T>, progress: &ImportProgress, mut bar: Bar, is_stdin: bool) -> Option<T> {
    let mut cancelled: Option<Instant> = None;
    loop {
        match wait.recv_timeout(TICK) {
            Ok(result) => return Some(result),
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => bar.update(progress),
        }
        if interrupt::requested() {
            progress.cancel.store(true, Ordering::SeqCst);
            let since = cancelled.get_or_insert_with(Instant::now);
            if is_stdin && since.elapsed() > STDIN_GRACE {
                // A read that waits for its writer would hold us forever. What an import leaves when it is ended
                // like this is no part of the lake; the next import sweeps it away.
                drop(bar);
                std::process::exit(crate::INTERRUPTED.into());
            }
        }
    }
}

/// Says in one line what was imported, and in another what was met on the way.
fn report(manifest: &Manifest, index_bytes: u64, time: Duration, console: &Console) {
    let (source, counts) = (&manifest.source, &manifest.counts);
    let compression = match source.compression.as_str() {
        "none" => String::new(),
        name => format!(" of {name}"),
    };
    let index = match index_bytes {
        0 => String::new(),
        bytes => format!(", graph index {}", human::bytes(bytes)),
    };
    let rate = human::rate(source.bytes, time).map(|rate| format!(", {rate}")).unwrap_or_default();
    console.note(&format!(
        "{}: {}, {}, {}; read {}{compression} in {}{rate}; stored {}{index}",
        manifest.id,
        human::counted(counts.objects, "object"),
        human::counted(counts.edges, "edge"),
        human::signed_bytes(counts.bytes),
        human::bytes(source.bytes),
        human::duration(time),
        human::bytes(manifest.stored_bytes()),
    ));
    if !manifest.issues.is_empty() {
        console.warn(&issues_in_words(manifest, console));
    }
}

fn issues_in_words(manifest: &Manifest, console: &Console) -> String {
    let kinds: Vec<_> =
        manifest.issues.iter().map(|(kind, n)| format!("{} {kind}", human::count(*n))).collect();
    format!(
        "{}: {} ({}); see {} sql --dump {} \"select * from issue\"",
        manifest.id,
        human::counted(manifest.issues.values().sum(), "issue"),
        kinds.join(", "),
        console.command(),
        shell_quoted(manifest.id.as_str()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> ImportArgs {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ImportArgs,
        }
        Line::parse_from(std::iter::once(&"import").chain(words)).args
    }

    #[test]
    fn files_give_their_names() {
        let jobs = jobs(&args(&["a/before.dump.gz", "after.json", "-"])).expect("three names");
        let ids: Vec<_> = jobs.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(ids, ["before", "after", "stdin"]);
        let second = super::jobs(&args(&["--part", "2", "app.hprof"])).expect("a name");
        assert_eq!(second[0].id.as_str(), "app_2");
    }

    #[test]
    fn no_two_dumps_get_one_name() {
        for words in [&["a/1.json", "b/1.json.gz"][..], &["-", "-"], &["--dump", "x", "1.json", "2.json"]] {
            assert!(jobs(&args(words)).is_err(), "{words:?}");
        }
        let clash = jobs(&args(&["a/1.json", "b/1.json"])).expect_err("both are 1").to_string();
        assert!(clash.contains("--dump"), "{clash}");
        assert!(jobs(&args(&["--dump", "../x", "1.json"])).is_err());
    }

    #[test]
    fn every_format_can_be_asked_for() {
        for format in store::FORMATS {
            let options = options(&args(&["--format", format.name(), "x"])).expect("options");
            assert_eq!(options.format.as_deref(), Some(format.name()));
        }
    }

    #[test]
    fn options_carry_over() {
        let options =
            options(&args(&["--tag", "a=b", "--replace", "--on-error", "skip", "x"])).expect("options");
        assert_eq!(options.tags["a"], "b");
        assert!(options.replace);
        assert!(matches!(options.on_error, store::OnError::Skip));
        assert_eq!(options.format, None);
        assert!(super::options(&args(&["--tag", "a=b", "--tag", "a=c", "x"])).is_err());
    }
}
