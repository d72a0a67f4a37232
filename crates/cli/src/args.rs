//! The command line: what can be typed, and its help texts.

use std::{env, ffi::OsString, net::SocketAddr, path::PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use clap::{
    ArgGroup, ArgMatches, Args, ColorChoice, Command, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum, ValueHint, error::ErrorKind, parser::ValueSource,
};
use heaplake_engine::Attached;
use heaplake_model::LayoutOverride;

use crate::{
    allocator,
    cluster::NamedWorkers,
    console::{Console, LakeChoice},
    output::Shape,
    stores::OpenStores,
    values,
};

/// A lake of heap dumps: dumps in, Parquet tables, SQL out.
///
/// A dump (the object graph of a process) is imported once, becomes the tables obj and edge in open Parquet files,
/// and from then on answers SQL: alone, or beside every other dump of the lake.
#[derive(Debug, Parser)]
#[command(
    name = "heaplake",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "\
Examples:
  heaplake demo                                    see what it does, on three real dumps
  heaplake import before.json.gz after.json.gz     make two dumps part of ./lake
  heaplake dumps                                   what is in the lake
  heaplake sql \"select type, count, size from type_stat order by size desc limit 20\"

Exit codes: 0 done, 1 verify found damage or check a violation, 2 error, 130 stopped by Ctrl-C.
Data goes to standard output, everything else to standard error."
)]
pub struct CommandLine {
    /// The lake: a folder, or s3://BUCKET/PREFIX [default: ./lake] [env: HEAPLAKE_LAKE]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    lake: Option<PathBuf>,
    /// Workers that run parts of statements: HOST:PORT, or several with commas; lake for those that the lake names [env:
    /// HEAPLAKE_CLUSTER]
    #[arg(long, global = true, value_name = "WORKERS")]
    cluster: Option<String>,
    /// No notes and no progress; errors only
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say how many requests a lake in an object store took, and how many bytes came
    #[arg(long, global = true)]
    stats: bool,
    /// When to use colours; auto respects NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    #[command(subcommand)]
    invocation: Invocation,
}

/// One command with its arguments.
#[derive(Debug, Subcommand)]
pub enum Invocation {
    /// Dump a Python process, or print the script that does
    Capture(CaptureArgs),
    /// Import dumps into the lake
    Import(ImportArgs),
    /// List the dumps of the lake
    Dumps(DumpsArgs),
    /// Show what one dump holds: counts, bytes, types, import issues
    Info(InfoArgs),
    /// Build the graph index of dumps anew: roots, dominators, retained sizes
    Index(IndexArgs),
    /// Ask the lake in SQL
    Sql(SqlArgs),
    /// Find who holds an object: paths by a pattern of types
    Path(PathArgs),
    /// Show the biggest objects and types, and what holds them
    Top(TopArgs),
    /// Show what holds what: the dominator tree, the largest first
    Tree(TreeArgs),
    /// Draw objects with what refers to them, or paths: DOT, SVG, PNG
    Graph(GraphQueryArgs),
    /// Draw what holds the memory, or what grew, as a flame graph; also for speedscope, pprof and others
    Flamegraph(FlamegraphArgs),
    /// Draw what holds the memory, or what grew, as a treemap
    Treemap(TreemapArgs),
    /// Find cycles of types that repeat along chains of objects, as in many leaks
    Chains(ChainsArgs),
    /// Say what leaks, what holds it, how sure that is, and what to do
    Suspects(SuspectsArgs),
    /// Write what is found out as one file to send: HTML, JSON, Markdown
    Report(ReportArgs),
    /// Compare two dumps: what grew, and in which container
    Diff(DiffArgs),
    /// Show how types or containers grow over many dumps
    Trend(TrendArgs),
    /// Say exactly what would be freed if some objects or references were gone
    Whatif(WhatifArgs),
    /// List or remove what-if layers
    Layers(LayersArgs),
    /// Run a query that comes with heaplake, or list them
    Run(RunArgs),
    /// Fail when a dump is not as it should be: for CI
    Check(CheckArgs),
    /// Set or remove tags of dumps, such as host=web3, and when they were taken
    Tag(TagArgs),
    /// Remove dumps from the lake
    Rm(RmArgs),
    /// Remove old dumps, or all of them but their summaries
    Prune(PruneArgs),
    /// Check the files of dumps against checksums and row counts
    Verify(VerifyArgs),
    /// Copy dumps to a lake in an object store
    Push(PushArgs),
    /// Copy dumps from a lake in an object store
    Pull(PullArgs),
    /// Delete what removed and unfinished dumps left in an object store
    Sweep(SweepArgs),
    /// Run parts of the statements of others: a machine of a cluster
    Worker(WorkerArgs),
    /// Ask in a shell: SQL, path patterns and commands, one after the other
    Shell(ShellArgs),
    /// Walk through a real leak, on three dumps that come with heaplake
    Demo,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
#[command(after_help = "\
A worker has the lake, a folder or an object store, and runs parts of the statements that others ask with --cluster. It runs until
it is stopped. Its users have a secret, in HEAPLAKE_CLUSTER_SECRET or a file that HEAPLAKE_CLUSTER_SECRET_FILE names, or
certificates; docs/cluster.md says how.

Examples:
  heaplake worker --lake /srv/lake
  heaplake worker --lake s3://dumps/lake --listen 0.0.0.0:4711 --memory-limit 8GB --import-from s3://raw
  heaplake --cluster 10.0.0.1:4711,10.0.0.2:4711 sql \"select type, sum(size) from history.obj group by type\"")]
pub struct WorkerArgs {
    /// Where to listen; port 0 takes any that is free, and says which
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4711")]
    pub listen: SocketAddr,
    /// Import for others what is in this folder, or below s3://BUCKET/PREFIX; may be given several times. Without it nothing
    /// is imported
    #[arg(long = "import-from", value_name = "PLACE")]
    pub import_from: Vec<String>,
    /// How much memory all statements together may use, such as 512MB or 2GiB; those that need more use temporary files or fail
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
    /// How many seconds a statement may take here; one that takes longer ends with an error [default: any number]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub time_limit: Option<u64>,
    /// How many threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// Arguments of `shell`.
#[derive(Debug, Args)]
#[command(after_help = "\
In the shell, `help` lists its commands. Commands and statements are also read from standard input; a mistake is told, the
rest goes on, and the exit code is 2.

Examples:
  heaplake shell
  heaplake shell --dump latest~1
  heaplake shell < questions.txt > answers.txt")]
pub struct ShellArgs {
    /// Which dump to ask first: an id, or a selector such as latest~1 or build=4711 [default: the newest]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
}

/// Arguments of `capture`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heaplake capture script > heaplake_dump.py           then, in the program: heaplake_dump.install(signal=SIGUSR1)
  heaplake capture python --pid 4711 -o web.dump.gz    dump a running process
  heaplake capture python --pid 4711 -o web.dump.gz --import-to ./lake")]
pub struct CaptureArgs {
    #[command(subcommand)]
    pub how: CaptureHow,
}

/// Ways to capture.
#[derive(Debug, Subcommand)]
pub enum CaptureHow {
    /// Print heaplake_dump.py: one file for CPython 3.8 to 3.14, without dependencies
    Script,
    /// Dump a running CPython process from outside
    Python(CapturePythonArgs),
}

/// Arguments of `capture python`.
#[derive(Debug, Args)]
#[command(after_help = "\
The process forks, and its child writes: it stands still for the fork only. The permission to look into the
process is needed, and nothing else to install. What the dump holds is as secret as the process: only its user may read
the file. Values whose key, attribute or variable is called after a secret (password, token, cookie and others) are
left out, and --redact leaves all texts out.

Examples:
  heaplake capture python --pid 4711 -o web.dump.gz
  heaplake capture python --pid 4711 -o web.dump.gz --redact --import-to ./lake")]
pub struct CapturePythonArgs {
    /// The process
    #[arg(long, value_name = "PID", value_parser = values::at_least::<0>)]
    pub pid: u32,
    /// Where the dump goes; .gz compresses it, .zst as well with Python 3.14
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Import the dump into a lake as well
    #[arg(long, value_name = "LAKE", value_hint = ValueHint::DirPath)]
    pub import_to: Option<PathBuf>,
    /// Name of the dump in that lake [default: the file's name without endings, as SQL takes it]
    #[arg(long, value_name = "ID", requires = "import_to")]
    pub dump: Option<String>,
    /// Say something about the dump in that lake, such as host=web3; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = values::tag, requires = "import_to")]
    pub tags: Vec<(String, String)>,
    /// Overwrite a dump of the same name in that lake
    #[arg(long, requires = "import_to")]
    pub replace: bool,
    /// Let others read that lake if it is new, as the umask allows; without this it is private
    #[arg(long, requires = "import_to")]
    pub shared: bool,
    /// Values of texts and numbers
    #[arg(long, value_name = "WHICH", default_value = "short")]
    pub values: CaptureValues,
    /// A word that names of secrets contain, besides password, token, cookie and others; their values are left out; may be
    /// given several times
    #[arg(long = "mask", value_name = "WORD", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub masks: Vec<String>,
    /// Write the values of secrets as those of all else
    #[arg(long, conflicts_with = "masks")]
    pub no_masks: bool,
    /// Put lengths and salted hashes in the place of texts
    #[arg(long)]
    pub redact: bool,
    /// Let the process itself write, and stand still as long as it takes
    #[arg(long)]
    pub no_fork: bool,
    /// How many seconds to wait for the dump
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub timeout: u64,
    /// How the process is called [default: as Python 3.14 offers (sys.remote_exec), before that attach]
    #[arg(long, value_name = "WAY")]
    pub via: Option<CaptureVia>,
}

/// Ways to call into a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptureVia {
    /// Stop a thread for less than a millisecond (ptrace)
    Attach,
    /// gdb, which stops the process for some hundred milliseconds
    Gdb,
}

/// Which values a capture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptureValues {
    /// None
    None,
    /// The first 100 characters
    Short,
    /// All of them
    Full,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
An import is a transaction: stopped at any moment, it leaves the lake as it was.

Examples:
  heaplake import dump.json.gz                     the dump is named \"dump\"
  heaplake import --dump monday --tag host=web3 --taken 2015-11-22T14:30:00Z /tmp/heap.json
  zcat heap.json.gz | heaplake import --dump monday -
  heaplake import 's3://raw/*.dump.gz'             one dump for each object
  heaplake import --on-error skip cut-off.json     keep what can be kept, see the table issue")]
pub struct ImportArgs {
    /// Files to import, one dump each; - is standard input, s3://BUCKET/FOLDER/*.gz are objects in a store. Compression is recognised
    /// (gzip, zstd, xz, bzip2, zip)
    #[arg(required_unless_present = "objects", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Objects of one dump as a table (Parquet, Arrow, CSV, NDJSON) with the columns of obj; docs/formats/tables.md
    #[arg(long, value_name = "FILE", conflicts_with = "files", value_hint = ValueHint::FilePath)]
    pub objects: Option<PathBuf>,
    /// With --objects: its references as a table with the columns of edge
    #[arg(long, value_name = "FILE", requires = "objects", value_hint = ValueHint::FilePath)]
    pub edges: Option<PathBuf>,
    /// With --objects: its roots as a table with the columns of root
    #[arg(long, value_name = "FILE", requires = "objects", value_hint = ValueHint::FilePath)]
    pub roots: Option<PathBuf>,
    /// Name of the dump [default: the file's name without endings, as SQL takes it]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    /// When the process was dumped [default: the time of the file]
    #[arg(long, value_name = "RFC3339", value_parser = values::time)]
    pub taken: Option<DateTime<Utc>>,
    /// Say something about the dump, such as host=web3; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = values::tag)]
    pub tags: Vec<(String, String)>,
    /// Format of the files; with --objects, whose rules hold for the objects
    #[arg(long, value_name = "FORMAT", default_value = values::ANY_FORMAT, value_parser = values::dump_format())]
    pub format: String,
    /// What to do with what cannot be read: fail = import nothing; skip = leave it out, report it in the table issue
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub on_error: OnError,
    /// Overwrite a dump of the same name
    #[arg(long)]
    pub replace: bool,
    /// Let others read a new lake, as the umask allows; without this it is private
    #[arg(long)]
    pub shared: bool,
    /// How many files are imported at the same time; each gets its share of memory and cores
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Keep fields with values of their own (numbers, truth values, characters), where the format has any, in the table field
    #[arg(long, conflicts_with = "objects")]
    pub fields: bool,
    /// Which heap dump of a file that holds several, from 1; the name of a later one ends with its number, as in app_2
    #[arg(long, value_name = "N", conflicts_with = "objects", value_parser = values::at_least::<1>)]
    pub part: Option<u32>,
    /// Layout of objects in bytes where heaplake finds another (see info): header=, arrays=, references=, alignment=, fields=gaps|after
    #[arg(long, value_name = "KEY=VALUE,...", conflicts_with = "objects", value_parser = str::parse::<LayoutOverride>)]
    pub layout: Option<LayoutOverride>,
    /// Leave the graph index out; `heaplake index` builds it later
    #[arg(long)]
    pub no_index: bool,
    /// Number objects with 64 bits in the index, as dumps beyond 4,294,967,294 references need; for tests
    #[arg(long, hide = true)]
    pub wide_ids: bool,
    /// How much memory to use, such as 512MB or 2GiB; an import that needs more uses temporary files
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
    /// Stop when standard input ends; for a worker, whose imports must not outlive it
    #[arg(long, hide = true)]
    pub while_stdin: bool,
}

impl ImportArgs {
    /// To import one file, everything else as it is by default.
    pub fn of(file: PathBuf) -> Self {
        Self {
            files: vec![file],
            objects: None,
            edges: None,
            roots: None,
            dump: None,
            taken: None,
            tags: Vec::new(),
            format: values::ANY_FORMAT.to_owned(),
            on_error: OnError::Fail,
            replace: false,
            shared: false,
            jobs: 1,
            fields: false,
            part: None,
            layout: None,
            no_index: false,
            wide_ids: false,
            memory_limit: None,
            while_stdin: false,
        }
    }
}

/// Arguments of `dumps`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heaplake dumps
  heaplake dumps 'service=lms,taken>=2015-11-22'    see docs/warehouse.md for all selectors
  heaplake dumps --format json | jq -r '.[].id'")]
pub struct DumpsArgs {
    /// Which dumps [default: all]
    #[arg(value_name = "DUMPS")]
    pub dumps: Vec<String>,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `info`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heaplake info                                    the newest dump
  heaplake info before --format json               with every type
  heaplake info 0x7f95a1b0c8d0                     an object, its parents and children")]
pub struct InfoArgs {
    /// Which dump: an id, or a selector such as latest~1 or build=4711 [default: the newest]; or the address of an object
    #[arg(value_name = "DUMP|ADDRESS")]
    pub what: Option<String>,
    /// Which dump
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `index`.
#[derive(Debug, Args)]
#[command(after_help = "\
Imports build the index, unless --no-index or a memory limit says otherwise, and a query that needs one that is
missing builds it. This command also fills in the columns root_kind, distance, idom, retained and retained_count
of obj, and the table root.")]
pub struct IndexArgs {
    /// Which dumps: ids, or selectors such as 'web-*'
    #[arg(required = true, value_name = "DUMP")]
    pub dumps: Vec<String>,
    /// How much memory to use, such as 2GiB; an index that needs more is not built
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
}

/// Arguments of `sql`.
#[derive(Debug, Args)]
#[command(after_help = sql_help())]
pub struct SqlArgs {
    /// What to ask; several statements are separated by ; [default: read from standard input]
    #[arg(value_name = "QUERY", conflicts_with = "file")]
    pub query: Option<String>,
    /// Read the statements from a file; - is standard input
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub options: QueryOptions,
}

/// What follows the options of `sql`.
fn sql_help() -> String {
    let mut functions = String::new();
    let mut line = "Functions of heaplake:".to_owned();
    for (i, doc) in heaplake_engine::functions().enumerate() {
        line += if i == 0 { "" } else { "," };
        if line.len() + 2 + doc.name.len() > HELP_WIDTH {
            functions += &line;
            functions.push('\n');
            line.clear();
        } else {
            line.push(' ');
        }
        line += doc.name;
    }
    functions += &line;
    SQL_HELP.replace("{functions}", &functions)
}

/// Columns of help.
const HELP_WIDTH: usize = 100;

/// The variable for `--cluster`.
const CLUSTER: &str = "HEAPLAKE_CLUSTER";

const SQL_HELP: &str = "\
Tables: obj, edge, root, type_stat, issue of the chosen dump; before.obj, ... of the dump \"before\";
history.obj, ... of all dumps; dump, one row per dump. ref is edge. Read-only.
{functions}

Examples:
  heaplake sql \"select type, count, size from type_stat order by size desc limit 20\"
  heaplake sql \"select l.type, l.count - b.count as grown
                from later.type_stat l join before.type_stat b using (type) order by 2 desc limit 9\"
  heaplake sql --dump before -o big.parquet \"select * from obj where size > 1000000\"
  heaplake sql -f report.sql --format markdown
  echo \"describe obj\" | heaplake sql

csv, tsv and json are exact data: a cell that a spreadsheet takes for a formula is not changed.";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Parameters are typed values, not text that is pasted into the query. docs/queries.md says how to write a query.

Examples:
  heaplake run                                     the queries and their parameters
  heaplake run histogram --dump before
  heaplake run duplicate_strings limit=100 -o strings.csv
  heaplake run --show instances > mine.sql
  heaplake run mine.sql
  heaplake run weekly.sql --param since=2015-11-22 -o answers/    a file for every statement")]
pub struct RunArgs {
    /// A query, or a file that ends in .sql [default: list the queries]
    #[arg(value_name = "NAME", value_parser = values::QueryName, hide_possible_values = true)]
    pub name: Option<String>,
    /// Set a parameter of the query, such as limit=100; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = values::parameter, requires = "name")]
    pub parameters: Vec<(String, String)>,
    /// The same without the option
    #[arg(value_name = "NAME=VALUE", value_parser = values::parameter)]
    pub words: Vec<(String, String)>,
    /// Print the text of the query instead of running it
    #[arg(long, requires = "name", conflicts_with_all = ["parameters", "words", "output", "format"])]
    pub show: bool,
    #[command(flatten)]
    pub options: QueryOptions,
}

/// What queries run on, and where their rows go.
#[derive(Debug, Args)]
pub struct QueryOptions {
    /// The dump that obj, edge, ... without a schema mean [default: the newest]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    /// A what-if layer of that dump, which obj, edge, ... without a schema then mean; see `heaplake layers`
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// How the patterns of path() are searched for
    #[arg(long, value_name = "PLAN", default_value = "auto")]
    pub plan: PlanKind,
    /// Write the rows to a file; its ending (.csv .tsv .json .ndjson .md .parquet .arrow .txt) gives the format. Into a folder,
    /// which is there or ends with a /: a file for each statement, DIR/NAME.csv
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub shape: Shape,
    /// How much memory to use, such as 512MB or 2GiB; a query that needs more uses temporary files or fails
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
    /// A file as a table, such as deploys=deploys.csv (.csv .tsv .ndjson .json .parquet .arrow); may be given several times
    #[arg(long = "attach", value_name = "NAME=FILE", value_parser = values::attached)]
    pub attached: Vec<Attached>,
    /// Let statements read other files: select * from 'other.parquet'
    #[arg(long)]
    pub allow_files: bool,
}

/// Arguments of `path`.
#[derive(Debug, Args)]
#[command(after_help = "\
A pattern is a chain of types: -> is one reference, ..> one or more, <- and <.. go up; root is any root, * any object,
(A -> B ->)+ a repetition, dict? may be there or not. docs/paths.md has the whole language.

Examples:
  heaplake path 'root ..> CombinedSystem'                     one shortest path
  heaplake path 'root ..> (LmsModuleSystem -> dict? -> CombinedSystem ->)+ LmsModuleSystem'
  heaplake path 'SHORTEST 5 root ..> (x: Payload WHERE size > 100000) EXCEPT weakref'
  heaplake path 'root ..> (x: Session) PER x' --format csv    one path for each Session
  heaplake path 'TYPES CombinedSystem <.. * WITHIN 4'         which types are above it
  heaplake path 'root ..> (x: Session) PER x' --dump before --dump after --compare
  heaplake path 'REACH @0x7f95a1b0c8d0 ..> *'                 everything that one object reaches")]
pub struct PathArgs {
    /// What to look for
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    /// Which dumps: ids, or selectors such as 'build>=4700'; may be given several times [default: the newest]
    #[arg(long = "dump", value_name = "ID")]
    pub dumps: Vec<String>,
    /// Put the answers of the dumps side by side: what is new, gone, more or less
    #[arg(long, requires = "dumps", conflicts_with_all = ["layer", "plan", "emit"])]
    pub compare: bool,
    /// Merge the paths to a tree: what they have in common, and how many go where
    #[arg(long, value_name = "BY", conflicts_with_all = ["compare", "emit"])]
    pub merge: Option<PathMergeArg>,
    /// Group the paths by what they have in common, named by the last object that they all go through
    #[arg(long, conflicts_with_all = ["compare", "emit", "merge"])]
    pub clusters: bool,
    /// Also draw the tree of --merge into a file; the ending .svg or .html gives the format
    #[arg(long, value_name = "FILE", requires = "merge", value_hint = ValueHint::FilePath)]
    pub chart: Option<PathBuf>,
    /// Ask a what-if layer of the dump instead, see `heaplake layers`
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// How to search: over the graph index, or by joins over the tables
    #[arg(long, value_name = "PLAN", default_value = "auto")]
    pub plan: PlanKind,
    /// Print the query in another language instead of running it
    #[arg(long, value_name = "LANGUAGE", conflicts_with = "format")]
    pub emit: Option<EmitKind>,
    /// Write the rows to a file; its ending (.csv .tsv .json .ndjson .md .parquet .arrow .txt) gives the format
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub shape: Shape,
    /// How much memory to use, such as 512MB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
}

/// What is one branch of merged paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PathMergeArg {
    /// Objects of a type that are reached by the same types
    Type,
    /// An object
    Object,
}

impl From<PathMergeArg> for heaplake_answers::PathMerge {
    fn from(merge: PathMergeArg) -> Self {
        match merge {
            PathMergeArg::Type => Self::Type,
            PathMergeArg::Object => Self::Object,
        }
    }
}

/// How paths are searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanKind {
    /// Over the graph index; by joins where it is missing and does not fit into memory
    Auto,
    /// Over the graph index
    Index,
    /// By joins over obj and edge, level by level; needs no index
    Join,
}

/// Languages that a pattern can be printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmitKind {
    /// SQL over obj and edge, for any engine
    Sql,
}

/// Arguments of `layers`.
#[derive(Debug, Args)]
#[command(after_help = "\
A layer is a dump without what was cut: `heaplake whatif --save NAME` keeps one, and `--layer NAME` lets sql, top,
tree, chains and whatif ask it. The dump itself stays as it is.")]
pub struct LayersArgs {
    /// Which dump: an id or a selector [default: all]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    /// Remove a layer of that dump, or of the newest; may be given several times
    #[arg(long = "rm", value_name = "NAME")]
    pub remove: Vec<String>,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
#[command(after_help = "\
retained: bytes that would be freed with an object, or at least with all objects of a type. held_by: the immediate
dominator, the nearest object without which it would be freed; none when the roots hold it in more than one way.

Examples:
  heaplake top                                     of the newest dump
  heaplake top before -n 50 --by type --format csv")]
pub struct TopArgs {
    #[command(flatten)]
    pub dump: DumpChoice,
    /// How many
    #[arg(short, value_name = "N", default_value_t = 15, value_parser = values::at_least::<0>)]
    pub n: u32,
    /// What to rank [default: both on a terminal, objects otherwise]
    #[arg(long, value_name = "WHAT")]
    pub by: Option<TopBy>,
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub shape: Shape,
}

/// What `top` ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TopBy {
    /// Objects by what each retains
    Object,
    /// Types by what their objects retain together
    Type,
    /// Modules by the size of the objects that belong to them
    Module,
}

/// Arguments of `tree`.
#[derive(Debug, Args)]
#[command(after_help = "\
An object stands below its immediate dominator: without that one it would be freed. The bytes and objects of a line are
those that would be freed with it.

Examples:
  heaplake tree                                    from the roots
  heaplake tree 0x7f95a1b0c8d0 --depth 6           from one object; addresses are in obj, top, ...")]
pub struct TreeArgs {
    /// Address of the object to begin with, decimal or after 0x [default: the roots], or a dump
    #[arg(value_name = "ADDRESS|DUMP")]
    pub start: Option<String>,
    /// Which dump: an id, or a selector such as latest~1 or build=4711 [default: the newest]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    /// How deep
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = values::at_least::<0>)]
    pub depth: u32,
    /// How many objects below each; the others are folded by type
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = values::at_least::<0>)]
    pub children: u32,
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `graph`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["objects", "path"]))]
#[command(after_help = "\
The objects are red, what is farther is darker, roots have a thick border, weak references are dotted; `n more` stands for
what is left out. SVG and PNG are drawn by Graphviz, which has to be installed.

Examples:
  heaplake graph 0x7f95a1b0c8d0 -o who.svg         who refers to it, three levels up
  heaplake graph --refs 0x7f95a1b0c8d0 --depth 2 -o what.svg
  heaplake graph \"type = 'Cache'\" | dot -Tpdf -o cache.pdf
  heaplake graph --path 'SHORTEST 5 root ..> CombinedSystem' -o paths.svg")]
pub struct GraphQueryArgs {
    /// Where the drawing begins: addresses, a condition in SQL over obj, or REACH and a path pattern
    #[arg(value_name = "OBJECTS")]
    pub objects: Option<String>,
    /// Draw the paths that a pattern finds
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["refs", "depth", "children"])]
    pub path: Option<String>,
    /// What they refer to, instead of who refers to them
    #[arg(long)]
    pub refs: bool,
    /// How many hops
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = values::at_least::<0>)]
    pub depth: u32,
    /// How many at each object; those that retain most come first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = values::at_least::<1>)]
    pub children: u32,
    /// Where the drawing goes; its ending (.dot .svg .png) gives the format [default: DOT to standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Format of the drawing
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<GraphFormat>,
    /// Which dump: an id, or a selector such as latest~1 or build=4711 [default: the newest]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    #[command(flatten)]
    pub graph: GraphArgs,
}

/// Formats of drawings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// The language of Graphviz
    Dot,
    /// A drawing that scales
    Svg,
    /// A picture of points
    Png,
}

/// Arguments of `flamegraph`.
#[derive(Debug, Args)]
#[command(after_help = "\
A frame is as wide as the bytes that it has with all below it, so that the first is the whole dump. Small frames are folded
into one, which says how many they are. Formats of other tools are complete unless -n or --min say otherwise: folded for
flamegraph.pl and inferno, speedscope for https://www.speedscope.app, pprof for `go tool pprof`.

Examples:
  heaplake flamegraph -o heap.svg                  who holds the memory of the newest dump
  heaplake flamegraph -o heap.html                 the same as a page, in which to zoom and to search
  heaplake flamegraph --diff before after -o grew.svg
  heaplake flamegraph --by dominator --dump before -o objects.svg
  heaplake flamegraph -o heap.pb.gz && go tool pprof -http : heap.pb.gz")]
pub struct FlamegraphArgs {
    #[command(flatten)]
    pub frames: FramesArgs,
    /// Compare two dumps: how much each holder or object grew, in colour
    #[arg(long, value_names = ["BEFORE", "AFTER"], num_args = 2, conflicts_with_all = ["dump", "layer"])]
    pub diff: Option<Vec<String>>,
    /// Format of the file [default: by the ending of its name; svg]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FramesFormat>,
}

/// Arguments of `treemap`.
#[derive(Debug, Args)]
#[command(after_help = "\
A tile is as large as the bytes that it has with all tiles in it. Small tiles are folded into one, which says how many they
are.

Examples:
  heaplake treemap -o heap.svg                     the holders of the newest dump
  heaplake treemap -o heap.html                    the same as a page, in which to zoom and to search
  heaplake treemap --by dominator --dump before -o objects.svg
  heaplake treemap --diff before after -o grew.svg")]
pub struct TreemapArgs {
    #[command(flatten)]
    pub frames: FramesArgs,
    /// Compare two dumps: how much each holder or object grew, in colour
    #[arg(long, value_names = ["BEFORE", "AFTER"], num_args = 2, conflicts_with_all = ["dump", "layer"])]
    pub diff: Option<Vec<String>>,
    /// Format of the file [default: by the ending of its name; svg]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<TreemapFormat>,
}

/// What is drawn, and where it goes.
#[derive(Debug, Args)]
pub struct FramesArgs {
    /// Which dump: an id, or a selector such as latest~1 or build=4711 [default: the newest]
    #[arg(value_name = "DUMP")]
    pub dump: Option<String>,
    /// What holds: paths of types and names, or objects
    #[arg(long, value_name = "WHAT", default_value = "holder")]
    pub by: FramesBy,
    /// Let sizes be numbers of objects, not bytes
    #[arg(long)]
    pub count: bool,
    /// How many levels [default: all; of objects 12]
    #[arg(long, value_name = "N", value_parser = values::at_least::<1>)]
    pub depth: Option<u32>,
    /// How many at most, the largest; the others are folded [default: 2000 in a picture, all otherwise]
    #[arg(short, value_name = "N", value_parser = values::at_least::<1>)]
    pub n: Option<u32>,
    /// Fold what is a smaller part of the whole [default: 0.05 in a picture, 0 otherwise]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    pub min: Option<f64>,
    /// Where it goes; the ending gives the format [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub graph: GraphArgs,
}

/// What frames and tiles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FramesBy {
    /// Paths of types and names in the dominator tree
    Holder,
    /// Objects of the dominator tree
    Dominator,
}

/// Formats of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FramesFormat {
    /// A picture that scales
    Svg,
    /// A page: one file in which to zoom and to search
    Html,
    /// Stacks in lines, for flamegraph.pl and inferno
    Folded,
    /// For https://www.speedscope.app
    Speedscope,
    /// For go tool pprof and others; protocol buffers, compressed
    Pprof,
    /// The frames as rows
    Json,
}

/// Formats of treemaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TreemapFormat {
    /// A picture that scales
    Svg,
    /// A page: one file in which to zoom and to search
    Html,
    /// The tiles as rows
    Json,
}

impl From<FramesBy> for heaplake_answers::FramesBy {
    fn from(by: FramesBy) -> Self {
        match by {
            FramesBy::Holder => Self::Holder,
            FramesBy::Dominator => Self::Dominator,
        }
    }
}

/// Arguments of `chains`.
#[derive(Debug, Args)]
#[command(after_help = "\
A motif is a cycle of up to 6 types, written as a path pattern. The numbers are of its longest chain: how often the motif
repeats, its objects and their bytes; head is the first of them, retained what would be freed with it. chains: how many
objects begin such a chain. First come motifs whose head alone holds most of its chain, the longest first.

Examples:
  heaplake chains                                  of the newest dump
  heaplake chains --dump before --min 3            shorter ones, too
  heaplake chains --format json | jq -r '.[0].motif'")]
pub struct ChainsArgs {
    #[command(flatten)]
    pub dump: DumpChoice,
    /// How often the types must repeat at least
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = values::at_least::<2>)]
    pub min: u32,
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `suspects`.
#[derive(Debug, Args)]
#[command(after_help = "\
A suspect is an object that must let go of what it holds, with the pattern that it looks like (its idiom), how sure that is,
why, and what to do. Three dumps of one process, taken under the same load, are best; two tell growth from what stays, one
only what is large. Without DUMPS the newest dump is asked together with the earlier ones of its process, else of its service
(tags service, app, job, name), else alone.

Examples:
  heaplake suspects                                the newest dump and those before it
  heaplake suspects before after                   these two
  heaplake suspects 'service=shop' --format json")]
pub struct SuspectsArgs {
    /// Which dumps: ids, or selectors such as 'service=shop'
    #[arg(value_name = "DUMPS")]
    pub dumps: Vec<String>,
    /// How many suspects at most [default: 3 for a person, all otherwise]
    #[arg(short, value_name = "N", value_parser = values::at_least::<0>)]
    pub n: Option<u32>,
    /// Leave out what is less sure, 0 to 1 [default: 0.5 for a person, 0 otherwise]
    #[arg(long, value_name = "P", value_parser = values::probability)]
    pub min_confidence: Option<f64>,
    /// Live with the suspect of this rank: later runs and the check no_suspects report it as accepted
    #[arg(long, value_name = "RANK", value_parser = values::at_least::<1>, conflicts_with = "ignore")]
    pub accept: Option<u32>,
    /// Live with holders that fit a glob, compared with what reaches them (shop.*) and with their paths
    #[arg(long, value_name = "HOLDER")]
    pub ignore: Option<String>,
    /// Why, for --accept and --ignore
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The file of accepted suspects, such as one in a repository [default: accepted.json in the lake]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub accepted: Option<PathBuf>,
    /// Also write a report; the ending .html, .json or .md gives the format
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Write the rows to a file; its ending (.csv .tsv .json .ndjson .md .parquet .arrow .txt) gives the format
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without DUMPS the newest is reported on, with the earlier ones of its process. The HTML file asks nobody for anything: it
opens from a mail attachment, offline. Every figure has the command and the SQL that give it.

Examples:
  heaplake report                                  report.html
  heaplake report before after -o leak.html --title \"Leak of orders\"
  heaplake report 'service=shop' --redact          without values, names and keys of the program
  heaplake report -o ticket.md                     Markdown for a ticket, under 60,000 characters
  heaplake report --format json | jq .verdict")]
pub struct ReportArgs {
    /// Which dumps: ids, or selectors such as 'service=shop'
    #[arg(value_name = "DUMPS")]
    pub dumps: Vec<String>,
    /// Where to write it; the ending .html, .json or .md gives the format [default: report.html; other formats: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Its title
    #[arg(long, value_name = "TITLE")]
    pub title: Option<String>,
    /// Mask what the program kept in its objects: values, names, keys
    #[arg(long)]
    pub redact: bool,
    /// The format [default: by the ending of the file]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One file with everything
    Html,
    /// The data, see docs/report.md
    Json,
    /// For a ticket
    Markdown,
}

/// Arguments of `diff`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
By holder: a holder is the path of types and names from the top of the dominator tree down to objects, such as
`module shop -> dict -> list -> Payload`; what repeats is folded, (A -> B ->)+. It means the same in another process or
build. First come the holders where something grows: those with more objects or bytes, whose own holder has no more
objects. Retained bytes are those that would be freed with the objects. What did not change is left out.

By object: which object of one dump is which of the other, and what became of it. Objects of one process are recognised by
their addresses, those of two by their paths from the roots; how sure that is stands in every row.

Examples:
  heaplake diff                                    the newest dump against the one before
  heaplake diff before after --by holder           which container grew
  heaplake diff before after --by object           which objects are new, gone, grown
  heaplake diff before after --metric retained     types by what they retain
  heaplake diff before after --format json --all")]
pub struct DiffArgs {
    /// The earlier dump
    #[arg(value_name = "BEFORE", default_value = "latest~1")]
    pub before: String,
    /// The later dump
    #[arg(value_name = "AFTER", default_value = "latest")]
    pub after: String,
    /// What to compare
    #[arg(long, value_name = "WHAT", default_value = "type")]
    pub by: DiffBy,
    /// How objects are recognised
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub identity: IdentityArg,
    /// What to sort by [default: size; retained for holders]
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<MetricArg>,
    /// How many rows at most [default: 20 in a table, all otherwise]
    #[arg(short, value_name = "N", value_parser = values::at_least::<0>)]
    pub n: Option<u32>,
    /// Also what did not change
    #[arg(long)]
    pub all: bool,
    /// Also draw a chart into a file; the ending .svg or .html gives the format
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub chart: Option<PathBuf>,
    /// Write the rows to a file; its ending (.csv .tsv .json .ndjson .md .parquet .arrow .txt) gives the format
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub shape: Shape,
}

/// Arguments of `trend`.
#[derive(Debug, Args)]
#[command(after_help = "\
shape: growing = higher after some dump than ever before, and still rising in the last third; stopped = grew, then
levelled off; unsteady = up and down; falling; flat. began: the dump from which on it is higher than ever before. pace:
median of the slopes between all pairs of dumps. A single outlier of
five dumps or more is ignored. Flat ones are left out.

Examples:
  heaplake trend                                   all dumps, types by size
  heaplake trend --by holder                       which containers grow
  heaplake trend 'service=lms' --metric count --format csv")]
pub struct TrendArgs {
    /// Which dumps
    #[arg(value_name = "DUMPS", default_value = "*")]
    pub dumps: String,
    /// What to follow
    #[arg(long, value_name = "WHAT", default_value = "type")]
    pub by: GroupBy,
    /// What to measure [default: size; retained for holders]
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<MetricArg>,
    /// How many rows at most [default: 20 in a table, all otherwise]
    #[arg(short, value_name = "N", value_parser = values::at_least::<0>)]
    pub n: Option<u32>,
    /// Also what is the same all the time
    #[arg(long)]
    pub all: bool,
    /// Also draw a chart into a file; the ending .svg or .html gives the format
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub chart: Option<PathBuf>,
    /// In the chart, stack areas that add up to the whole, instead of lines
    #[arg(long, requires = "chart")]
    pub stacked: bool,
    /// Write the rows to a file; its ending (.csv .tsv .json .ndjson .md .parquet .arrow .txt) gives the format
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub shape: Shape,
}

/// What totals are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    /// Types
    Type,
    /// Paths of types and names in the dominator tree
    Holder,
    /// Modules that hold the objects
    Module,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffBy {
    /// Types
    Type,
    /// Paths of types and names in the dominator tree
    Holder,
    /// Modules that hold the objects
    Module,
    /// The objects themselves
    Object,
}

/// How objects are recognised in another dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdentityArg {
    /// By address if the dumps are of one process, else by path
    Auto,
    /// The object at the same address, if it may be the same
    Address,
    /// The object at the end of the same path from the roots
    Path,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricArg {
    /// Number of objects
    Count,
    /// Bytes of their shallow sizes
    Size,
    /// Bytes that would be freed with them
    Retained,
}

impl From<GroupBy> for heaplake_answers::GroupBy {
    fn from(by: GroupBy) -> Self {
        match by {
            GroupBy::Type => Self::Type,
            GroupBy::Holder => Self::Holder,
            GroupBy::Module => Self::Module,
        }
    }
}

impl From<MetricArg> for heaplake_answers::Metric {
    fn from(metric: MetricArg) -> Self {
        match metric {
            MetricArg::Count => Self::Count,
            MetricArg::Size => Self::Size,
            MetricArg::Retained => Self::Retained,
        }
    }
}

impl From<IdentityArg> for heaplake_answers::Identity {
    fn from(identity: IdentityArg) -> Self {
        match identity {
            IdentityArg::Auto => Self::Auto,
            IdentityArg::Address => Self::Address,
            IdentityArg::Path => Self::Path,
        }
    }
}

impl From<TopBy> for heaplake_answers::TopBy {
    fn from(by: TopBy) -> Self {
        match by {
            TopBy::Object => Self::Object,
            TopBy::Type => Self::Type,
            TopBy::Module => Self::Module,
        }
    }
}

/// Arguments of `whatif`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A cut is a predicate in SQL over obj, or over edge (parent, child, idx, label, kind, and parent_type, child_type), or
a list of addresses. All cuts are made together. What goes is exact: whatever no root reaches any more. The dump stays
as it is.

Examples:
  heaplake whatif --cut \"type = 'CombinedSystem'\"
  heaplake whatif --cut \"parent_type = 'dict' and child_type = 'CombinedSystem'\"
  heaplake whatif --dump before --cut @140280053449680 --cut \"type = 'Cache'\" --format json")]
pub struct WhatifArgs {
    /// What to take away; may be given several times
    #[arg(long = "cut", value_name = "PREDICATE", required = true)]
    pub cuts: Vec<String>,
    /// Cuts may ask for types that no dump has; without it that is an error
    #[arg(long)]
    pub allow_missing: bool,
    /// Keep what would remain as a layer of this name, for `--layer`
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    #[command(flatten)]
    pub dump: DumpChoice,
    #[command(flatten)]
    pub graph: GraphArgs,
    #[command(flatten)]
    pub shape: Shape,
}

/// Which dump a command is about: a name alone, or as everywhere else an option.
#[derive(Debug, Clone, Default, Args)]
pub struct DumpChoice {
    /// Which dump: an id, or a selector such as latest~1 or build=4711 [default: the newest]
    #[arg(value_name = "DUMP", conflicts_with = "dump_option")]
    pub dump: Option<String>,
    /// The same
    #[arg(long = "dump", value_name = "ID")]
    pub dump_option: Option<String>,
}

impl DumpChoice {
    /// The selector, if one was given.
    pub fn selector(&self) -> Option<&str> {
        self.dump.as_deref().or(self.dump_option.as_deref())
    }
}

/// What commands about one dump's graph share.
#[derive(Debug, Clone, Args)]
pub struct GraphArgs {
    /// Ask a what-if layer of the dump instead, see `heaplake layers`
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// How much memory to use, such as 512MB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
A check is a query whose rows are violations. Without arguments the ready-made checks are listed; KEY=VALUE after a check
are its parameters. In a check `baseline` is the schema of the dump of --baseline, bare names are of that of --dump.

Examples:
  heaplake check no_chain min=20 max_total limit=2GiB
  heaplake check --baseline build=4710 no_growth type=Session slack=5% no_new_type 'type=app.*'
  heaplake check -e \"select * from type_stat where type = 'Leaked'\" --junit report.xml

Exit codes: 0 all hold, 1 some are violated, 2 some could not be run.")]
pub struct CheckArgs {
    /// A ready-made check or a file that ends in .sql, then its parameters [default: list the checks]
    #[arg(value_name = "CHECK [KEY=VALUE]...")]
    pub checks: Vec<String>,
    /// A check in SQL; may be given several times
    #[arg(short = 'e', value_name = "SQL")]
    pub statements: Vec<String>,
    /// Which dump is checked: an id or a selector [default: the newest]
    #[arg(long, value_name = "ID")]
    pub dump: Option<String>,
    /// Which dump it is compared with: an id, or a selector such as latest~1 or build=4711
    #[arg(long, value_name = "ID")]
    pub baseline: Option<String>,
    /// A file as a table, such as deploys=deploys.csv (.csv .tsv .ndjson .json .parquet .arrow); may be given several times
    #[arg(long = "attach", value_name = "NAME=FILE", value_parser = values::attached)]
    pub attached: Vec<Attached>,
    /// The file of accepted suspects, for no_suspects [default: accepted.json in the lake]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub accepted: Option<PathBuf>,
    /// Parameters and statements may name types and holders that no dump has; without it that is an error
    #[arg(long)]
    pub allow_missing: bool,
    /// A warning, such as that a pattern matches nothing, fails a check as an error does
    #[arg(long)]
    pub strict: bool,
    /// Print the text of a check instead of running it
    #[arg(long, value_name = "CHECK", conflicts_with_all = ["checks", "statements"])]
    pub show: Option<String>,
    /// Where a check fails, write a report; the ending .html, .json or .md gives the format
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Also write a JUnit report
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Also print annotations for GitHub; without --format on by itself in GitHub Actions
    #[arg(long)]
    pub github: bool,
    #[command(flatten)]
    pub shape: Shape,
    /// How much memory to use, such as 512MB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = values::memory_limit)]
    pub memory_limit: Option<u64>,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["keep_last", "older_than"]))]
#[command(after_help = "\
With --keep-summaries the objects, references and index of a dump go, but not what diff and trend need.

Examples:
  heaplake prune --keep-last 30
  heaplake prune --older-than 90d --keep-summaries
  heaplake prune 'service=lms' --keep-last 10 --per host --dry-run")]
pub struct PruneArgs {
    /// Among which dumps: ids or selectors [default: all]
    #[arg(value_name = "DUMPS")]
    pub dumps: Vec<String>,
    /// Keep so many of the newest
    #[arg(long, value_name = "N", value_parser = values::at_least::<0>)]
    pub keep_last: Option<u32>,
    /// Prune what was taken longer ago, such as 90d, 12h or 8w
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub older_than: Option<TimeDelta>,
    /// With --keep-last: of each value of this tag so many
    #[arg(long, value_name = "TAG", requires = "keep_last")]
    pub per: Option<String>,
    /// Leave the totals per type and holder, so that trends stay
    #[arg(long)]
    pub keep_summaries: bool,
    /// Only say what would be freed
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `tag`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heaplake tag monday host=web3 build=4711
  heaplake tag 'web-*' service=lms                 every dump that the pattern selects
  heaplake tag latest --unset build --taken 2015-11-22T14:30:00Z")]
pub struct TagArgs {
    /// Which dump, or dumps: an id, latest, latest~2, build=4711, before..after, a glob
    #[arg(value_name = "DUMPS")]
    pub dump: String,
    /// What to say; a key that is there already gets the new value
    #[arg(value_name = "KEY=VALUE", value_parser = values::tag)]
    pub tags: Vec<(String, String)>,
    /// Take a tag away; may be given several times
    #[arg(long, value_name = "KEY", value_parser = values::tag_key)]
    pub unset: Vec<String>,
    /// When the process was dumped
    #[arg(long, value_name = "RFC3339", value_parser = values::time)]
    pub taken: Option<DateTime<Utc>>,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Which dumps: ids, or selectors such as 'web-*'
    #[arg(required = true, value_name = "DUMP")]
    pub dumps: Vec<String>,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 0: everything is as it was imported; 1: damage was found; 2: an error.")]
pub struct VerifyArgs {
    /// Which dumps: ids or selectors [default: all]
    #[arg(value_name = "DUMP")]
    pub dumps: Vec<String>,
}

/// Arguments of `push`.
#[derive(Debug, Args)]
#[command(after_help = "\
A dump exists there at once and whole, or not at all, whenever this is stopped; the next push sends only what is missing.
Credentials come from the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, ...) or from the machine's role.

Examples:
  heaplake push --to s3://heaps/production
  heaplake push monday 'web-*' --to s3://heaps/production")]
pub struct PushArgs {
    /// Which dumps: ids or selectors [default: all]
    #[arg(value_name = "DUMP")]
    pub dumps: Vec<String>,
    /// The lake in an object store; it is made if there is none
    #[arg(long, value_name = "s3://BUCKET/PREFIX")]
    pub to: String,
    /// Overwrite dumps of the same name there
    #[arg(long)]
    pub replace: bool,
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every file is checked against its checksum before the dump becomes part of the lake.

Examples:
  heaplake --lake s3://heaps/production dumps
  heaplake pull s3://heaps/production latest
  heaplake --lake ./copy pull s3://heaps/production 'host=web3,taken>=2026-11-01'")]
pub struct PullArgs {
    /// The lake in an object store
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub from: String,
    /// Which dumps: ids or selectors [default: all]
    #[arg(value_name = "DUMP")]
    pub dumps: Vec<String>,
    /// Overwrite dumps of the same name here
    #[arg(long)]
    pub replace: bool,
    /// Let others read a new lake, as the umask allows; without this it is private
    #[arg(long)]
    pub shared: bool,
}

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
Deletes files that no dump names and that are older than a day by the clock of the store, so that what is being sent or read
stays. A folder needs no sweep.

Example:
  heaplake sweep s3://heaps/production --dry-run")]
pub struct SweepArgs {
    /// The lake in an object store
    // Not `lake`, which is the name of the option that all commands have.
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub location: String,
    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  heaplake completions bash > ~/.local/share/bash-completion/completions/heaplake
  heaplake completions zsh  > ~/.zfunc/_heaplake
  heaplake completions fish > ~/.config/fish/completions/heaplake.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// What to do with what cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Import nothing and say where the trouble is
    Fail,
    /// Leave it out and report it in the table issue
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Reads the command line of the process. Help, version and mistakes end the process here.
pub fn parse() -> (Invocation, Console) {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = command().color(color_of_help(&arguments));
    let matches = command.try_get_matches_from_mut(arguments).unwrap_or_else(|error| error.exit());
    let line =
        CommandLine::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
    use_color(line.color);
    if has_memory_limit(&matches) {
        allocator::give_back_at_once();
    }
    // Not by clap, whose usage would then demand the option of everybody who has set the variable.
    let environment = env::var_os("HEAPLAKE_LAKE").filter(|path| !path.is_empty());
    let lake = match (line.lake, environment) {
        (Some(path), _) => LakeChoice::Flag(path),
        (None, Some(path)) => LakeChoice::Environment(path.into()),
        (None, None) => LakeChoice::Default,
    };
    let variable = env::var(CLUSTER).ok().filter(|text| !text.is_empty());
    let workers = match (line.cluster, variable) {
        (Some(addresses), _) => Some((addresses, "--cluster")),
        (None, Some(addresses)) => Some((addresses, CLUSTER)),
        (None, None) => None,
    };
    let workers = workers.map(|(addresses, origin)| NamedWorkers {
        addresses,
        origin: origin.to_owned(),
        must_prove: false,
    });
    let console = Console {
        lake,
        quiet: line.quiet,
        stats: line.stats,
        shell: None,
        stores: OpenStores::default(),
        workers,
        cluster: None,
        parts: None,
    };
    (line.invocation, console)
}

/// Whether the command line bounds the memory of the process.
fn has_memory_limit(matches: &ArgMatches) -> bool {
    let Some((_, of_command)) = matches.subcommand() else { return false };
    let limit = of_command.try_get_one::<u64>("memory_limit").ok().flatten();
    limit.is_some() || has_memory_limit(of_command)
}

/// The command line with its help texts, whose paragraphs clap breaks for the terminal: they are not broken before.
pub fn command() -> Command {
    reflowed(CommandLine::command())
}

fn reflowed(command: Command) -> Command {
    let text = command.get_after_help().map(|text| joined(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(reflowed)
}

/// The text with the lines of each paragraph joined; what is indented, and what ends in a colon before it, stays as it is.
fn joined(text: &str) -> String {
    let mut out = String::new();
    let mut may_go_on = false;
    for line in text.lines() {
        let is_prose = !line.is_empty() && !line.starts_with(' ');
        if !out.is_empty() {
            out.push(if may_go_on && is_prose { ' ' } else { '\n' });
        }
        out.push_str(line);
        may_go_on = is_prose && !line.ends_with(':');
    }
    out
}

/// Reads a command that was typed into a shell. The lake is that of the shell.
pub fn parse_in_shell(words: &[String]) -> Result<Invocation, clap::Error> {
    let mut command = command();
    let arguments = std::iter::once("heaplake").chain(words.iter().map(String::as_str));
    let matches = command.try_get_matches_from_mut(arguments)?;
    if matches.value_source("lake") == Some(ValueSource::CommandLine) {
        let message = "a shell asks one lake; leave it and begin again with --lake";
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    let line = CommandLine::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok(line.invocation)
}

/// An option of a command, for completion.
#[derive(Debug)]
pub struct OptionWord {
    /// As it is typed, the long form first.
    pub names: Vec<String>,
    /// What follows it.
    pub value: OptionValue,
}

/// What follows an option.
#[derive(Debug)]
pub enum OptionValue {
    /// Nothing.
    None,
    /// One of these words.
    Words(Vec<String>),
    /// A file or folder.
    File,
    /// A dump.
    Dump,
    /// Something else.
    Other,
}

/// The options of a command, whose words those of its subcommand may follow. Options of every command are left out.
pub fn options_of(words: &[&str]) -> Vec<OptionWord> {
    let commands = CommandLine::command();
    let mut command = words.first().and_then(|name| commands.find_subcommand(name.to_ascii_lowercase()));
    if let Some(inner) = command.and_then(|command| command.find_subcommand(words.get(1)?)) {
        command = Some(inner);
    }
    let arguments = command.into_iter().flat_map(Command::get_arguments);
    arguments.filter(|arg| !arg.is_positional() && !arg.is_hide_set()).map(option_word).collect()
}

fn option_word(arg: &clap::Arg) -> OptionWord {
    let long = arg.get_long().map(|name| format!("--{name}"));
    let short = arg.get_short().map(|name| format!("-{name}"));
    let names = long.into_iter().chain(short).collect();
    let words: Vec<String> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let of_dump = |name: &clap::builder::Str| ["ID", "DUMP", "DUMPS"].contains(&name.as_str());
    let value = if !arg.get_action().takes_values() {
        OptionValue::None
    } else if !words.is_empty() {
        OptionValue::Words(words)
    } else if matches!(arg.get_value_hint(), ValueHint::FilePath | ValueHint::DirPath) {
        OptionValue::File
    } else if arg.get_value_names().is_some_and(|names| names.iter().any(of_dump)) {
        OptionValue::Dump
    } else {
        OptionValue::Other
    };
    OptionWord { names, value }
}

/// The names of the subcommands of a command.
pub fn subcommands_of(name: &str) -> Vec<String> {
    let commands = CommandLine::command();
    let command = commands.find_subcommand(name);
    let inner = command.into_iter().flat_map(Command::get_subcommands);
    inner.map(|command| command.get_name().to_owned()).collect()
}

/// The colour of clap's own texts has to be known before it has read `--color`.
fn color_of_help(arguments: &[OsString]) -> ColorChoice {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    let separate = words.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1].as_ref());
    match joined.or(separate) {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

fn use_color(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn reads_the_contract() {
        for line in [
            "heaplake import --dump a --taken 2015-11-22T14:30:00Z --tag a=b --tag c=d --format meliae \
             --on-error skip --replace --memory-limit 512MB x.json -",
            "heaplake capture script",
            "heaplake capture python --pid 4711 -o x.dump.gz --import-to y --values full --redact --no-fork \
             --timeout 60",
            "heaplake capture python --pid 4711 -o x.dump.gz --mask pin --mask ssn",
            "heaplake capture python --pid 4711 -o x.dump.gz --no-masks",
            "heaplake --lake x dumps --format ndjson",
            "heaplake info --lake x --quiet",
            "heaplake sql --dump a --format csv -o x.csv --memory-limit 1GiB --allow-files select",
            "heaplake sql -f -",
            "heaplake import --no-index x.json",
            "heaplake index a b --memory-limit 2GiB",
            "heaplake path root..>A --dump a --dump b --layer c --plan join --full --memory-limit 1GiB",
            "heaplake path A --emit sql -o x.sql",
            "heaplake path A --dump a --dump b --compare --format csv",
            "heaplake sql --plan index select",
            "heaplake top a -n 3 --by type",
            "heaplake tree 0x7f00 --depth 2 --children 3 --dump a",
            "heaplake whatif --cut a --cut b --dump c --format json",
            "heaplake graph 0x7f00 --refs --depth 2 --children 3 --dump a -o x.svg --format dot",
            "heaplake graph --path root..>A -o -",
            "heaplake chains --dump a --layer b --min 2 --memory-limit 1GiB --format json",
            "heaplake diff",
            "heaplake diff a b --by holder --metric count -n 3 --all --format json -o x.json",
            "heaplake diff a b --by object --identity path",
            "heaplake trend",
            "heaplake trend a..b --by module --metric retained -n 3 --all --format csv",
            "heaplake shell",
            "heaplake shell --dump latest~1",
            "heaplake sql --dump a --layer b select",
            "heaplake whatif --cut a --save b --layer c",
            "heaplake layers",
            "heaplake layers --dump a --rm b --rm c",
            "heaplake run",
            "heaplake sql --attach a=x.csv --attach b=y.parquet select",
            "heaplake run --show histogram",
            "heaplake run x.sql --dump a --param limit=3 --param x= --format csv -o x.csv --memory-limit 1GiB",
            "heaplake rm a b",
            "heaplake prune --keep-last 3 --per host --keep-summaries --dry-run",
            "heaplake prune a b --older-than 90d",
            "heaplake import --jobs 4 a b",
            "heaplake check",
            "heaplake check --show no_chain",
            "heaplake check no_chain min=3 x.sql -e select -e select --dump a --baseline b --junit x.xml --github",
            "heaplake dumps a b",
            "heaplake tag a b=c d=e --unset f --taken 2015-11-22T14:30:00Z",
            "heaplake verify",
            "heaplake push --to s3://a/b",
            "heaplake push a b --to s3://a/b --replace",
            "heaplake pull s3://a/b a b --replace --shared",
            "heaplake sweep s3://a/b --dry-run",
            "heaplake demo --color never",
            "heaplake completions zsh",
        ] {
            let parsed = CommandLine::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("just checked"));
        }
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        for line in [
            "heaplake",
            "heaplake import",
            "heaplake sql -f x y",
            "heaplake run --show",
            "heaplake run --param limit=3",
            "heaplake run histogram --param limit",
            "heaplake rm",
            "heaplake push a",
            "heaplake pull",
            "heaplake sweep",
            "heaplake prune",
            "heaplake prune --keep-last 1 --older-than 2d",
            "heaplake import --jobs 0 a",
            "heaplake dumps --format xml",
            "heaplake path",
            "heaplake path A --emit cypher",
            "heaplake chains --min 1",
            "heaplake graph",
            "heaplake graph 1 --path A",
        ] {
            assert!(CommandLine::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }

    #[test]
    fn the_colour_of_help_is_that_of_the_command_line() {
        let choice = |words: &[&str]| color_of_help(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(choice(&["heaplake", "--color", "never"]), ColorChoice::Never);
        assert_eq!(choice(&["heaplake", "--color=always", "dumps"]), ColorChoice::Always);
        assert_eq!(choice(&["heaplake"]), ColorChoice::Auto);
    }
}
