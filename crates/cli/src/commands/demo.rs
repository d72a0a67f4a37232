//! `heaplake demo`: the leak of "A Tale of Two Leaks", on three real dumps that come with the program.
//!
//! Everything that is shown comes from the engine; the commands are printed so that they can be repeated. The dumps
//! go into a lake of their own: the one of `--lake`, else `./demo-lake`, never the one of the environment.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use heaplake_engine::{SessionOptions, path_shape};
use heaplake_model::DumpId;
use heaplake_store::{Error, ImportOptions, Input, Lake, Manifest};

use super::{dumps, import::import_one, path, tree, whatif};
use crate::{
    args::{GraphArgs, Shape, TreeArgs, WhatifArgs},
    console::{Console, LakeChoice, shell_quoted},
    interrupt,
    output::{Format, Plan, Sink},
    progress::Bars,
    query::Querier,
};

/// The dumps, oldest first: name, time it is said to be taken, content.
const DUMPS: [(&str, &str, &[u8]); 3] = [
    ("before", "2015-11-22T10:00:00Z", include_bytes!("../../../../datasets/edx/py38/1.dump.gz")),
    ("after", "2015-11-22T11:00:00Z", include_bytes!("../../../../datasets/edx/py38/2.dump.gz")),
    ("later", "2015-11-22T12:00:00Z", include_bytes!("../../../../datasets/edx/py38/3.dump.gz")),
];
/// The folder in the demo's lake where the dump files are put, so that importing can be tried as well.
const SOURCE: &str = "source";
/// A tag that tells the demo's dumps from others of the same names.
const TAG: (&str, &str) = ("demo", "edx");

const HISTOGRAM: &str = "\
select type, count, size
from type_stat
order by size desc, type limit 10";

const GROWTH: &str = "\
select later.type, coalesce(before.count, 0) as before, later.count as later,
       later.count - coalesce(before.count, 0) as grown
from later.type_stat as later
left join before.type_stat as before on before.type = later.type
order by grown desc, later.type limit 8";

const ROUNDS: &str = "\
select dump, type, count
from history.type_stat
where type in ('CombinedSystem', 'LmsModuleSystem')
order by type, count";

const REFERRERS: &str = "\
select p.type as parent, c.type as child, count(*) as refs
from ref
join obj as p on p.address = ref.parent
join obj as c on c.address = ref.child
where c.type = 'CombinedSystem'
group by p.type, c.type
order by refs desc, parent, child";

const HOLDERS: &str = "\
select g.type as grandparent, p.type as parent, c.type as child, count(*) as refs
from ref as up
join ref as down on down.parent = up.child
join obj as g on g.address = up.parent
join obj as p on p.address = down.parent
join obj as c on c.address = down.child
where c.type in ('CombinedSystem', 'LmsModuleSystem') and p.type = 'dict'
group by g.type, p.type, c.type
order by refs desc, grandparent, child";

const BACK: &str = "\
select p.type as parent, c.type as child, count(*) as refs
from ref
join obj as p on p.address = ref.parent
join obj as c on c.address = ref.child
where p.type = 'CombinedSystem'
group by p.type, c.type
order by refs desc, parent, child";

/// Imports the dumps and tells the story.
pub fn run(console: &Console) -> Result<ExitCode> {
    let console = Console { lake: lake_of_demo(console), ..console.clone() };
    interrupt::install()?;
    let lake = import_dumps(&console)?;
    let options = SessionOptions { dump: Some("later".to_owned()), ..SessionOptions::default() };
    let shape = Shape { format: Some(Format::Table), full: false };
    let mut tour = Tour {
        querier: Querier::open(&lake, &options)?,
        plan: Plan::new(shape, None, &console)?,
        sink: Sink::stdout(),
        manifest: lake.manifest("later")?,
        command: console.command(),
        console,
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
    let lake = Lake::open_or_create(console.lake.path())?;
    for (id, ..) in DUMPS {
        check_free(&lake, id)?;
    }
    let folder = lake.path().join(SOURCE);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (id, taken, content) in DUMPS {
        let path = source_file(&lake, id);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
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
    lake.path().join(SOURCE).join(format!("{id}.dump.gz"))
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
    querier: Querier,
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
        self.show_command(&format!("sql \"{statement}\""))?;
        self.querier.run(statement, &self.plan, &mut self.sink)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }
}

impl Tour {
    fn tree(&mut self, depth: u32, children: u32) -> Result<()> {
        let shape = Shape { format: Some(Format::Table), full: false };
        let graph = GraphArgs { layer: None, memory_limit: None };
        let args = TreeArgs { address: None, dump: None, depth, children, graph, shape };
        tree::print(&args, &self.querier, &self.manifest, &self.plan, &mut self.sink)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }

    fn path(&mut self, pattern: &str) -> Result<()> {
        self.show_command(&format!("path '{pattern}'"))?;
        path::print(pattern, path_shape(pattern)?, &self.querier, &self.plan, &mut self.sink)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }

    fn whatif(&mut self, cut: &str) -> Result<()> {
        self.show_command(&format!("whatif --cut \"{cut}\""))?;
        let shape = Shape { format: Some(Format::Table), full: false };
        let graph = GraphArgs { layer: None, memory_limit: None };
        let args = WhatifArgs { cuts: vec![cut.to_owned()], save: None, dump: None, graph, shape };
        whatif::print(&args, &self.querier, &self.manifest, &self.plan, &mut self.sink, &self.console)?;
        writeln!(self.sink)?;
        Ok(self.sink.flush()?)
    }
}

fn tell(tour: &mut Tour, lake: &Lake) -> Result<()> {
    let [(first, taken, _), ..] = DUMPS;
    let file = shell_quoted(&source_file(lake, first).to_string_lossy());
    tour.say(
        "A server keeps growing: the leak that edX had in 2015, rebuilt as a Python program that\n\
         grades students. Three dumps of one process, made with meliae, were just imported:",
    )?;
    tour.show_command(&format!("import --replace --tag {}={} --taken {taken} {file}", TAG.0, TAG.1))?;
    tour.say("and so on for the other two. This is what the lake holds now:")?;
    tour.show_command("dumps")?;
    tour.plan.print_to(&dumps::rows(&lake.manifests()?, Format::Table)?, &mut tour.sink)?;
    writeln!(tour.sink)?;
    tour.say("1. What is in the newest one? Its types by size:")?;
    tour.ask(HISTOGRAM)?;
    tour.say(
        "Much of it is what every Python process has. The question is not what is large but what\n\
         grows. Every dump is a schema, so two of them are compared with an ordinary join.\n\n\
         2. What grew between the first dump and the last?",
    )?;
    tour.ask(GROWTH)?;
    tour.say(
        "Dicts, strings and numbers grow with anything. But classes of the application at the top,\n\
         several of them by exactly the same number, are a pattern.\n\n\
         3. Does it go on? history spans all dumps:",
    )?;
    tour.ask(ROUNDS)?;
    tour.say(
        "In step, and by the same number each time: they are made in pairs and never released.\n\n\
         4. Who refers to a CombinedSystem? ref holds every reference, as in memsee:",
    )?;
    tour.ask(REFERRERS)?;
    tour.say("Dicts: those are the attributes of instances. 5. Whose dicts are they?")?;
    tour.ask(HOLDERS)?;
    tour.say("An LmsModuleSystem holds a CombinedSystem. 6. And what does a CombinedSystem hold?")?;
    tour.ask(BACK)?;
    tour.say(
        "There it is: an LmsModuleSystem keeps, through its dict, a CombinedSystem, and that keeps the\n\
         LmsModuleSystem of the grading before, and so on back to the first. The CombinedSystems\n\
         with a NoneType instead are the ends of these chains.\n\n\
         7. How does the program get there? A path pattern is a chain of types: -> is one reference,\n\
         ..> one or more, (...)+ a repetition, and dict? may be there or not:",
    )?;
    tour.path("root ..> (LmsModuleSystem -> dict? -> CombinedSystem ->)+ LmsModuleSystem")?;
    tour.say("8. And how long is the chain? From a CapaDescriptor to the end of it:")?;
    tour.path("CapaDescriptor -> dict? -> (LmsModuleSystem -> dict? -> CombinedSystem ->)+ NoneType")?;
    tour.say(
        "9. Who holds all that? Every import also finds the dominators: what stands below an object\n\
         would go with it.",
    )?;
    tour.show_command("tree --depth 7 --children 1")?;
    tour.tree(7, 1)?;
    tour.say(
        "The module store holds the CapaDescriptors, and each of them the head of a chain.\n\n\
         10. If nothing kept the CombinedSystems, what would that give back? Exactly this:",
    )?;
    tour.whatif("type = 'CombinedSystem'")?;
    farewell(tour, lake.path())
}

fn farewell(tour: &mut Tour, lake: &Path) -> Result<()> {
    let remove = shell_quoted(&lake.to_string_lossy());
    tour.say(&format!(
        "Now your own:\n\n  \
           $ heaplake import heap.json.gz            a dump of meliae, compressed or not\n  \
           $ heaplake info                           what it holds\n  \
           $ heaplake top                            the biggest objects and types, and what holds them\n  \
           $ heaplake path 'root ..> SomeType'       how a root reaches an object of that type\n  \
           $ heaplake run                            the questions that come with heaplake\n  \
           $ heaplake sql \"select * from obj order by size desc limit 20\"\n  \
           $ heaplake sql \"describe obj\"             the columns\n\n\
         The lake is a folder of Parquet files; DuckDB, Polars and pandas read {remove}/obj and\n\
         {remove}/edge as they are. Remove {remove} when you are done with the demo."
    ))
}
