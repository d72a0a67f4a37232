//! `heaplake demo`: the leak of "A Tale of Two Leaks", on three real dumps that come with the program.
//!
//! Everything that is shown comes from the engine; the commands are printed so that they can be repeated. The dumps
//! go into a lake of their own: the one of `--lake`, else `./demo-lake`, never the one of the environment.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use heaplake_answers::{Session, SessionOptions, path_shape};
use heaplake_model::DumpId;
use heaplake_store::{Access, Error, ImportOptions, Input, Lake, Manifest};

use super::{diff, import::import_one, path, suspects, trend, whatif};
use crate::{
    args::{
        DiffArgs, DiffBy, DumpChoice, GraphArgs, GroupBy, IdentityArg, MetricArg, SuspectsArgs, TrendArgs,
        WhatifArgs,
    },
    console::{Console, LakeChoice, shell_quoted},
    interrupt,
    output::{Format, Plan, Shape, Sink},
    progress::Bars,
    query,
};

/// The dumps, oldest first: name, time it is said to be taken, content.
const DUMPS: [(&str, &str, &[u8]); 3] = [
    ("before", "2015-11-22T10:00:00Z", include_bytes!("../../../../datasets/edx/py38/1.dump.gz")),
    ("after", "2015-11-22T11:00:00Z", include_bytes!("../../../../datasets/edx/py38/2.dump.gz")),
    ("later", "2015-11-22T12:00:00Z", include_bytes!("../../../../datasets/edx/py38/3.dump.gz")),
];
/// How the answers are written.
const TABLE: Shape = Shape { format: Some(Format::Table), full: false };
/// A tag that tells the demo's dumps from others of the same names.
const TAG: (&str, &str) = ("demo", "edx");

const DUMPS_IN_SHORT: &str = include_str!("../../../../queries/demo/dumps.sql");

const HISTOGRAM: &str = include_str!("../../../../queries/demo/histogram.sql");

const REFERRERS: &str = include_str!("../../../../queries/demo/referrers.sql");

/// Imports the dumps and tells the story.
pub fn run(console: &Console) -> Result<ExitCode> {
    let console = Console { lake: lake_of_demo(console), ..console.clone() };
    interrupt::install()?;
    let lake = import_dumps(&console)?;
    let options = SessionOptions { dump: Some("later".to_owned()), ..SessionOptions::default() };
    let mut tour = Tour {
        session: query::open(&lake, &options)?,
        plan: console.plan(TABLE, None)?,
        sink: Sink::stdout(),
        manifest: lake.manifest("later")?,
        command: console.command(),
        // Notes go to another stream, and would come between the lines of the story.
        console: Console { quiet: true, ..console },
    };
    tell(&mut tour, &lake)?;
    tour.sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

fn lake_of_demo(console: &Console) -> LakeChoice {
    match &console.lake {
        LakeChoice::Flag(path) => LakeChoice::Flag(path.clone()),
        LakeChoice::Environment(_) | LakeChoice::Default => LakeChoice::Flag(PathBuf::from("demo-lake")),
    }
}

fn import_dumps(console: &Console) -> Result<Lake> {
    let lake = Lake::open_or_create(console.lake.path(), Access::Private)?;
    for (id, ..) in DUMPS {
        check_free(&lake, id)?;
    }
    for (id, taken, content) in DUMPS {
        lake.keep_source(&source_name(id), content)?;
        let path = source_file(&lake, id);
        let options = ImportOptions {
            dump: Some(id.parse::<DumpId>()?),
            taken: Some(taken.parse()?),
            tags: BTreeMap::from([(TAG.0.to_owned(), TAG.1.to_owned())]),
            replace: true,
            ..ImportOptions::default()
        };
        import_one(&lake, &Input::File(path), &options, id, &Bars::new(console))?;
    }
    Ok(lake)
}

fn source_file(lake: &Lake, id: &str) -> PathBuf {
    lake.source_file(&source_name(id)).path().to_owned()
}

/// The name of a dump file in the demo's lake, where it is kept so that importing can be tried as well.
fn source_name(id: &str) -> String {
    format!("{id}.dump.gz")
}

/// The demo replaces its own dumps and nobody else's.
fn check_free(lake: &Lake, id: &str) -> Result<()> {
    match lake.manifest(id) {
        Ok(manifest) if manifest.tags.get(TAG.0).map(String::as_str) == Some(TAG.1) => Ok(()),
        Err(Error::NoSuchDump { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => bail!(
            "the lake {} has a dump {id} that is not the demo's; give the demo a lake of its own with --lake",
            lake.path().display()
        ),
    }
}

/// Prints prose, commands and what they answer.
struct Tour {
    session: Session,
    plan: Plan,
    sink: Sink,
    /// The newest of the dumps, which is asked where no other is named.
    manifest: Manifest,
    console: Console,
    /// `heaplake --lake demo-lake`.
    command: String,
}

impl Tour {
    fn say(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.sink, "{text}\n")?)
    }

    fn show_command(&mut self, command: &str) -> Result<()> {
        Ok(writeln!(self.sink, "  $ {} {}\n", self.command, command.replace('\n', "\n      "))?)
    }

    fn ask(&mut self, statement: &str) -> Result<()> {
        let statement = statement.trim_end();
        self.show_command(&format!("sql \"{statement}\""))?;
        query::run(&self.session, statement, &self.plan, &mut self.sink)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }
}

impl Tour {
    /// What leaks, in all dumps.
    fn suspects(&mut self, lake: &Lake) -> Result<()> {
        let dumps: Vec<String> = DUMPS.iter().map(|(id, ..)| (*id).to_owned()).collect();
        self.show_command(&format!("suspects {} -n 1", dumps.join(" ")))?;
        let args = SuspectsArgs {
            dumps,
            n: Some(1),
            report: None,
            min_confidence: None,
            accept: None,
            ignore: None,
            reason: None,
            accepted: None,
            output: None,
            shape: TABLE,
        };
        suspects::print(&args, &lake.snapshot(), &self.session, &self.plan, &mut self.sink, &self.console)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }

    /// The first dump against the last.
    fn diff(&mut self, by: DiffBy, n: u32) -> Result<()> {
        let option = if by == DiffBy::Holder { " --by holder" } else { "" };
        self.show_command(&format!("diff before later{option} -n {n}"))?;
        let args = DiffArgs {
            before: "before".to_owned(),
            after: "later".to_owned(),
            by,
            identity: IdentityArg::Auto,
            metric: None,
            n: Some(n),
            all: false,
            chart: None,
            output: None,
            shape: TABLE,
        };
        diff::print(&args, &self.session, &self.plan, &mut self.sink, &self.console)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }

    fn trend(&mut self, n: u32) -> Result<()> {
        self.show_command(&format!("trend --metric count -n {n}"))?;
        let args = TrendArgs {
            dumps: "*".to_owned(),
            by: GroupBy::Type,
            metric: Some(MetricArg::Count),
            n: Some(n),
            all: false,
            chart: None,
            stacked: false,
            output: None,
            shape: TABLE,
        };
        trend::print(&args, &self.session, &self.plan, &mut self.sink, &self.console)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }

    fn path(&mut self, pattern: &str) -> Result<()> {
        self.show_command(&format!("path '{pattern}'"))?;
        path::print(pattern, path_shape(pattern)?, &self.session, &self.plan, &mut self.sink)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }

    fn whatif(&mut self, cut: &str) -> Result<()> {
        self.show_command(&format!("whatif --cut \"{cut}\""))?;
        let graph = GraphArgs { layer: None, memory_limit: None };
        let args = WhatifArgs {
            cuts: vec![cut.to_owned()],
            save: None,
            allow_missing: false,
            dump: DumpChoice::default(),
            graph,
            shape: TABLE,
        };
        whatif::print(&args, &self.session, &self.manifest, &self.plan, &mut self.sink, &self.console)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }
}

fn tell(tour: &mut Tour, lake: &Lake) -> Result<()> {
    let [(first, taken, _), ..] = DUMPS;
    let file = shell_quoted(&source_file(lake, first).to_string_lossy());
    tour.say(
        "A server keeps growing: the leak that edX had in 2015, rebuilt as a Python\n\
         program that grades students. Three dumps of one process, made with meliae, were\n\
         just imported:",
    )?;
    tour.show_command(&format!("import --replace --tag {}={} \\\n--taken {taken} {file}", TAG.0, TAG.1))?;
    tour.say("and so on for the other two. This is what the lake holds now:")?;
    tour.ask(DUMPS_IN_SHORT)?;
    tour.say("1. What leaks? The verdict first, then what it rests on:")?;
    tour.suspects(lake)?;
    tour.say(
        "That is the answer. The rest of the demo is the evidence: what an expert would\n\
         ask, and how.\n\n\
         2. What is in the newest one? Its types by size, in SQL:",
    )?;
    tour.ask(HISTOGRAM)?;
    tour.say(
        "Much of it is what every Python process has. The question is not what is large\n\
         but what grows.\n\n\
         3. What grew between the first dump and the last?",
    )?;
    tour.diff(DiffBy::Type, 6)?;
    tour.say(
        "Dicts and strings grow with anything. But classes of the application, such as\n\
         CombinedSystem and LmsModuleSystem, all by the same number, are a pattern.\n\n\
         4. Does it go on? All dumps, oldest first:",
    )?;
    tour.trend(4)?;
    tour.say(
        "In step, and by the same number each time: made together and never released.\n\n\
         5. Who holds them? A holder is the chain of objects without which they would be freed:",
    )?;
    tour.diff(DiffBy::Holder, 1)?;
    tour.say(
        "That is the leak in one line. The module store holds CapaDescriptors, each holds\n\
         an LmsModuleSystem, that holds a CombinedSystem, that an LmsModuleSystem, and so\n\
         on: what repeats is folded, (...)+.\n\n\
         6. Does anything else refer to a CombinedSystem? What is above them, by hops:",
    )?;
    tour.ask(REFERRERS)?;
    tour.say(
        "Nothing but dicts, which are the attributes of an LmsModuleSystem each.\n\n\
         7. How does the program get there? A path pattern is a chain of types: -> is one\n\
         reference, ..> one or more, (...)+ a repetition, and dict? may be there or not:",
    )?;
    tour.path("root ..>\n(LmsModuleSystem -> dict? -> CombinedSystem ->)+ LmsModuleSystem")?;
    tour.say("8. And how long is the chain? From a CapaDescriptor to the end of it:")?;
    tour.path("CapaDescriptor -> dict? ->\n(LmsModuleSystem -> dict? -> CombinedSystem ->)+ NoneType")?;
    tour.say(
        "82 times: every grading keeps the one before, back to the first. In the program\n\
         LmsModuleSystem.descriptor_runtime kept the CombinedSystem. meliae writes no\n\
         names of attributes, but the types of both ends say which references are meant.\n\n\
         9. What would be freed if .descriptor_runtime were cut? Exactly this:",
    )?;
    tour.whatif("parent_type = 'dict'\nand child_type = 'CombinedSystem'")?;
    farewell(tour, lake.path())
}

fn farewell(tour: &mut Tour, lake: &Path) -> Result<()> {
    let remove = shell_quoted(&lake.to_string_lossy());
    tour.say(&format!(
        "Now your own process. Dump it twice with some work in between, from outside:\n\n  \
           $ heaplake capture python --pid PID -o one.dump.gz\n\n\
         or from within, which needs no permissions:\n\n  \
           $ heaplake capture script > heaplake_dump.py\n\n    \
             import signal, heaplake_dump                   # in the program\n    \
             heaplake_dump.install(signal=signal.SIGUSR1)   # then: kill -USR1 PID\n\n\
         Such dumps have the names of attributes, too. Then ask:\n\n  \
           $ heaplake import one.dump.gz two.dump.gz\n  \
           $ heaplake suspects                         what leaks, and what to do\n  \
           $ heaplake diff                             what grew\n  \
           $ heaplake diff --by holder                 in which container\n  \
           $ heaplake chains                           types that repeat along chains\n  \
           $ heaplake path 'root ..> SomeType'         how a root reaches it\n  \
           $ heaplake whatif --cut \"label = '.cache'\"  what would be freed without it\n  \
           $ heaplake shell                            all of it, and SQL, at a prompt\n\n\
         docs/tutorial.md goes that way with a web shop that leaks, to the fix.\n\n\
         The lake is a folder of Parquet files; DuckDB, Polars and pandas read\n\
         {remove}/obj and {remove}/edge as they are. Remove {remove}\n\
         when you are done with the demo."
    ))
}
