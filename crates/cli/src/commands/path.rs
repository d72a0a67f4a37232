//! `heaplake path`: who holds it, and how a root reaches it.

use std::{io::Write as _, process::ExitCode, sync::Arc};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use heaplake_answers::{
    ObjectFound, ObjectsFound, PathHop, PathShape, Session, SessionOptions, objects_found, path_hops,
    path_shape, path_statement, path_ways, rest_of_paths, why_not,
};
use heaplake_engine::{PathPlan, fold};
use heaplake_model::{Runtime, ShortTypeNames};
use heaplake_store::Manifests;
use unicode_width::UnicodeWidthStr as _;

use super::{
    path_compare::compare,
    path_tree::{TreeOfPaths, print_clusters},
};
use crate::{
    args::{EmitKind, PathArgs},
    console::Console,
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink, wrapped},
    query, selection,
};

/// Steps on shortest paths up to which the objects that take the way of the path are counted: counting more takes longer than
/// the search.
const MAX_WAY_STEPS: u32 = 1 << 17;
/// Columns of a line of a path beside its number, object and address: sizes, and the gaps.
const NUMBERS_WIDTH: usize = 2 + 2 + 2 + 9 + 2 + 9;
/// Columns of an object in a path, however narrow the terminal.
const MIN_WHAT: usize = 20;
/// Hops of a repetition's first round are shown, the others folded, from so many rounds on.
const MIN_FOLDED_ROUNDS: usize = 3;
/// Objects that are listed one by one on a terminal; of more the types are.
const MAX_LISTED: usize = 40;

/// Characters of a value that are shown; --format csv has it whole.
const MAX_VALUE_CHARS: usize = 40;

/// Asks each of the dumps.
pub fn run(args: &PathArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, args.output.as_deref())?;
    let shape = path_shape(&args.pattern)?;
    interrupt::install()?;
    let manifests = selection::open(console)?;
    let dumps: Vec<String> = match args.dumps.as_slice() {
        [] => Vec::new(),
        texts => {
            let selected = selection::several(&manifests, texts)?;
            selected.into_iter().map(|manifest| manifest.id.to_string()).collect()
        }
    };
    if args.compare {
        let session = query::of_lake(&manifests, args.memory_limit, console)?;
        let mut sink = plan.open()?;
        compare(&args.pattern, shape, &dumps, &session, &plan, &mut sink)?;
        return sink.commit().map(|()| ExitCode::SUCCESS);
    }
    let dumps: Vec<Option<&str>> = match dumps.as_slice() {
        [] => vec![None],
        dumps => dumps.iter().map(|dump| Some(dump.as_str())).collect(),
    };
    let mut sessions = Vec::new();
    for dump in &dumps {
        sessions.push(open(&manifests, *dump, args, console)?);
    }
    let mut sink = plan.open()?;
    if args.emit == Some(EmitKind::Sql) {
        for session in &sessions {
            writeln!(sink, "{};", session.path_sql(&args.pattern)?)?;
        }
        sink.commit()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(merge) = args.merge {
        if sessions.len() > 1 && (args.chart.is_some() || plan.format != Format::Table) {
            bail!("a tree of paths is of one dump; name one with --dump");
        }
        let tree = TreeOfPaths { pattern: &args.pattern, merge: merge.into(), chart: args.chart.as_deref() };
        for (i, session) in sessions.iter().enumerate() {
            if sessions.len() > 1 {
                writeln!(sink, "{}{}", if i > 0 { "\n" } else { "" }, session.dump()?.id)?;
            }
            tree.print(shape, session, &plan, &mut sink, console)?;
        }
        sink.commit()?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.clusters {
        if sessions.len() > 1 && plan.format != Format::Table {
            bail!("clusters of paths are of one dump; name one with --dump");
        }
        for (i, session) in sessions.iter().enumerate() {
            if sessions.len() > 1 {
                writeln!(sink, "{}{}", if i > 0 { "\n" } else { "" }, session.dump()?.id)?;
            }
            print_clusters(&args.pattern, shape, session, &plan, &mut sink)?;
        }
        sink.commit()?;
        return Ok(ExitCode::SUCCESS);
    }
    if plan.format != Format::Table {
        rows(args, &sessions, &plan, &mut sink, console)?;
        sink.commit()?;
        return Ok(ExitCode::SUCCESS);
    }
    for (i, session) in sessions.iter().enumerate() {
        if sessions.len() > 1 {
            writeln!(sink, "{}{}", if i > 0 { "\n" } else { "" }, session.dump()?.id)?;
        }
        print(&args.pattern, shape, session, &plan, &mut sink)?;
        sink.flush()?;
    }
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

fn open(
    manifests: &Arc<Manifests>,
    dump: Option<&str>,
    args: &PathArgs,
    console: &Console,
) -> Result<Session> {
    let options = SessionOptions {
        memory_limit: args.memory_limit,
        path_plan: args.plan.into(),
        ..console.session(dump, args.layer.as_deref())
    };
    let session = query::over(manifests, &options)?;
    session.dump()?;
    Ok(session)
}

/// The rows of `path`; of several dumps with the dump's name before them.
fn rows(
    args: &PathArgs,
    sessions: &[Session],
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    if let [session] = sessions {
        let outcome = query::run(session, &path_statement(&args.pattern, None), plan, sink)?;
        if outcome.n_rows == 0 {
            for line in why_not(&args.pattern, session)? {
                console.note(&line);
            }
        }
        return Ok(());
    }
    let mut all = Vec::new();
    for session in sessions {
        let dump = session.dump()?;
        let batches = session.collect(&path_statement(&args.pattern, Some(dump.id.as_str())))?;
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            for line in why_not(&args.pattern, session)? {
                console.note(&format!("{}: {line}", dump.id));
            }
        }
        all.extend(batches);
    }
    plan.print_all_to(&all, sink)
}

/// Prints the answer of one dump for people.
pub fn print(pattern: &str, shape: PathShape, session: &Session, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let plan = &query::with_short_types(plan, session, &["current"])?;
    let found = match shape {
        PathShape::Paths => paths(pattern, session, plan, sink)?,
        PathShape::Objects => objects(&objects_found(pattern, MAX_LISTED, session)?, plan, sink)?,
        PathShape::Types => {
            let batches = session.collect(&path_statement(pattern, None))?;
            let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            if n_rows > 0 {
                plan.print_all_to(&batches, sink)?;
            }
            n_rows > 0
        }
    };
    if !found {
        writeln!(sink, "no path")?;
        for line in why_not(pattern, session)? {
            let width = plan.table_width().map_or(usize::MAX, |width| width.saturating_sub(2));
            for line in wrapped(&escape::line(&line), width) {
                writeln!(sink, "  {line}")?;
            }
        }
    }
    Ok(())
}

/// Objects: how many, and which, or of which types.
fn objects(found: &ObjectsFound, plan: &Plan, sink: &mut Sink) -> Result<bool> {
    if found.objects == 0 {
        return Ok(false);
    }
    writeln!(sink, "{}, {}", human::counted(found.objects, "object"), human::signed_bytes(found.bytes))?;
    if !found.listed.is_empty() {
        plan.print_to(&listed(&found.listed)?, sink)?;
        return Ok(true);
    }
    let shown = &found.types[..found.types.len().min(MAX_LISTED)];
    let table = Columns::default()
        .text("type", shown.iter().map(|found| found.type_name.clone()))
        .count("objects", shown.iter().map(|found| found.objects))
        .number("size", shown.iter().map(|found| Some(found.size)))
        .count("nearest_hop", shown.iter().map(|found| found.nearest_hop.into()))
        .count("farthest_hop", shown.iter().map(|found| found.farthest_hop.into()))
        .batch()?;
    plan.print_to(&table, sink)?;
    let more = found.types.len() - shown.len();
    if more > 0 {
        writeln!(sink, "and {} more", human::counted(more as u64, "type"))?;
    }
    writeln!(sink, "every object: --format csv")?;
    Ok(true)
}

fn listed(objects: &[ObjectFound]) -> Result<RecordBatch> {
    let each = || objects.iter();
    Ok(Columns::default()
        .count("hop", each().map(|object| object.hop.into()))
        .address("address", each().map(|object| Some(object.address)))
        .text("type", each().map(|object| object.type_name.clone()))
        .optional_text("name", each().map(|object| object.name.clone()))
        .number("size", each().map(|object| Some(object.size)))
        .number("retained", each().map(|object| object.retained))
        .optional_text("root_kind", each().map(|object| object.root_kind.clone()))
        .batch()?)
}

/// Paths, a block for each, as they come. A shell keeps their rows.
fn paths(pattern: &str, session: &Session, plan: &Plan, sink: &mut Sink) -> Result<bool> {
    let runtime = Runtime::of_any_format(&session.dump()?.source.format);
    let mut path: Vec<ShownHop> = Vec::new();
    let mut n_paths = 0_u64;
    let mut result: Option<usize> = None;
    session.for_each(&path_statement(pattern, None), |batch| {
        let mut first_row = 0;
        if let Some(results) = plan.results().filter(|_| batch.num_rows() > 0) {
            let number = *result.get_or_insert_with(|| results.begin(batch.schema_ref()));
            first_row = results.keep(number, batch);
        }
        for (row, mut hop) in path_hops(batch)?.into_iter().enumerate() {
            if let Some(note) = root_note(&hop, runtime) {
                hop.root_kind = Some(note.to_owned());
            }
            let row_label = result.map(|number| format!("#{number}.{}", first_row + row));
            let hop = ShownHop { hop, row_label };
            if path.first().is_some_and(|first| first.hop.path_id != hop.hop.path_id) {
                block(&std::mem::take(&mut path), n_paths, plan, sink)?;
                n_paths += 1;
            }
            path.push(hop);
        }
        anyhow::Ok(())
    })?;
    if let (Some(results), Some(number)) = (plan.results(), result) {
        results.end(number);
    }
    if path.is_empty() {
        return Ok(false);
    }
    block(&path, n_paths, plan, sink)?;
    if n_paths > 0 {
        writeln!(sink, "\n{}", human::counted(n_paths + 1, "path"))?;
    } else {
        takers(pattern, session, plan, sink)?;
    }
    Ok(true)
}

/// What a root is, where its kind alone does not say it.
fn root_note(hop: &PathHop, runtime: &Runtime) -> Option<&'static str> {
    runtime.root_note(&hop.type_name, hop.name.as_deref(), hop.root_kind.as_deref()?)
}

/// Of a pattern that asks for one path only: how many of the objects take the way that was shown, and how to see the others.
fn takers(pattern: &str, session: &Session, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let Some(rest) = rest_of_paths(pattern) else { return Ok(()) };
    let ways = path_ways(pattern, MAX_WAY_STEPS, session)?;
    let Some((shown, others)) = ways.split_first() else {
        writeln!(sink, "one of many paths as short; {} shows the others", escape::line(&rest.pattern))?;
        return Ok(());
    };
    let Some(asked) = shown.asked.filter(|asked| *asked > 1) else { return Ok(()) };
    let what = escape::line(&rest.what);
    let taken = format!("{} of {} {what} by this way", human::count(shown.objects), human::count(asked));
    let alike = match others.len() {
        0 => String::new(),
        n => format!(", {} as short", human::counted(n as u64, "other way")),
    };
    let line = match shown.objects < asked || !others.is_empty() {
        true => format!("{taken}{alike}; {} shows the others", escape::line(&rest.pattern)),
        false => taken,
    };
    for line in wrapped(&line, plan.table_width().unwrap_or(usize::MAX)) {
        writeln!(sink, "{line}")?;
    }
    Ok(())
}

/// One hop of a path, as it is shown.
#[derive(Debug, Clone)]
struct ShownHop {
    hop: PathHop,
    /// What a shell calls its row.
    row_label: Option<String>,
}

/// What one sees of an object before its numbers.
fn what(hop: &PathHop, types: &ShortTypeNames) -> String {
    let shown = |text: &Option<String>| text.as_deref().map(|text| escape::line(text).into_owned());
    let arrow = match (hop.arrow.as_deref(), shown(&hop.label)) {
        (None, _) => String::new(),
        (Some("<-"), Some(label)) => format!("<-{label}- "),
        (Some("<-"), None) => "<- ".to_owned(),
        (Some(_), Some(label)) => format!("-{label}-> "),
        (Some(_), None) => "-> ".to_owned(),
    };
    let mut text = format!("{arrow}{}", escape::line(types.name(&hop.type_name)));
    if let Some(name) = shown(&hop.name) {
        text += &format!(" {name}");
    }
    if let Some(value) = shown(&hop.value) {
        text += &format!(" = {}", human::shortened(&value, MAX_VALUE_CHARS));
    }
    if let Some(kind) = shown(&hop.root_kind) {
        text += &format!(" ({kind})");
    }
    text
}

/// A line of a block: hop, object, address, sizes; or a note in the place of folded hops.
enum Line {
    Hop { number: String, what: String, address: String, size: String, retained: String },
    Folded(String),
}

/// Writes one path.
fn block(path: &[ShownHop], number: u64, plan: &Plan, sink: &mut Sink) -> Result<()> {
    if number > 0 {
        writeln!(sink)?;
    }
    let line = |number: usize| {
        let ShownHop { hop, row_label } = &path[number];
        Line::Hop {
            number: row_label.clone().unwrap_or_else(|| number.to_string()),
            what: match &hop.variable {
                Some(variable) => format!("{}  [{}]", what(hop, plan.types()), escape::line(variable)),
                None => what(hop, plan.types()),
            },
            address: human::address(hop.address),
            size: human::signed_bytes(hop.size),
            retained: hop.retained.map(human::signed_bytes).unwrap_or_default(),
        }
    };
    let mut lines: Vec<Line> = Vec::new();
    let units: Vec<(&str, Option<&str>)> =
        path.iter().enumerate().map(|(i, hop)| (hop.hop.type_name.as_str(), next_arrow(path, i))).collect();
    for segment in fold(&units) {
        let (unit, whole) = (segment.unit.clone(), segment.whole());
        let is_folded = segment.times >= MIN_FOLDED_ROUNDS && !plan.is_full();
        let shown = if is_folded { unit.clone() } else { whole };
        lines.extend(shown.map(line));
        if is_folded {
            let parts: Vec<String> = unit
                .map(|i| {
                    format!(
                        "{} {}",
                        escape::line(plan.types().name(&path[i].hop.type_name)),
                        next_arrow(path, i).unwrap_or_default()
                    )
                })
                .collect();
            let more = human::count(segment.times as u64 - 1);
            lines.push(Line::Folded(format!("... x {more} more of ({})", parts.join(" ").trim_end())));
        }
    }
    let width = |cell: fn(&Line) -> usize| lines.iter().map(cell).max().unwrap_or_default();
    let number_width = width(|line| match line {
        Line::Hop { number, .. } => number.len(),
        Line::Folded(_) => 0,
    });
    let number_width = number_width.max(path.len().saturating_sub(1).to_string().len()).max(3);
    let first_column = if path.iter().any(|hop| hop.row_label.is_some()) { "#" } else { "hop" };
    let address_width = width(|line| match line {
        Line::Hop { address, .. } => address.len(),
        Line::Folded(_) => 0,
    });
    // A long text goes on in the next line, so that the numbers stay beside it on a terminal.
    let room = plan.table_width().map_or(usize::MAX, |width| {
        width.saturating_sub(number_width + address_width + NUMBERS_WIDTH).max(MIN_WHAT)
    });
    let lines: Vec<(Line, Vec<String>)> = lines
        .into_iter()
        .map(|line| {
            let text = match &line {
                Line::Hop { what, .. } => wrapped(what, room),
                Line::Folded(_) => Vec::new(),
            };
            (line, text)
        })
        .collect();
    let texts = lines.iter().flat_map(|(_, text)| text);
    let what_width = texts.map(|text| text.width()).max().unwrap_or_default();
    let (dim, fold_style) = match plan.has_colors() {
        true => (Style::new().dimmed(), AnsiColor::Yellow.on_default()),
        false => (Style::new(), Style::new()),
    };
    writeln!(
        sink,
        "{dim}{:>number_width$}  {:what_width$}  {:address_width$}  {:>9}  {:>9}{dim:#}",
        first_column, "object", "address", "size", "retained"
    )?;
    for (line, texts) in &lines {
        match line {
            Line::Hop { number, address, size, retained, .. } => {
                let (what, more) = texts.split_first().map_or(("", &[][..]), |(first, more)| (first, more));
                let gap = " ".repeat(what_width - what.width());
                let text = format!(
                    "{number:>number_width$}  {what}{gap}  {dim}{address:address_width$}{dim:#}  {size:>9}  {retained:>9}"
                );
                writeln!(sink, "{}", text.trim_end())?;
                for text in more {
                    writeln!(sink, "{:number_width$}    {text}", "")?;
                }
            }
            Line::Folded(text) => {
                writeln!(sink, "{:number_width$}  {fold_style}{text}{fold_style:#}", "")?;
            }
        }
    }
    let hops = human::counted(path.len() as u64 - 1, "hop");
    let mut addresses: Vec<(u64, i64)> = path.iter().map(|hop| (hop.hop.address, hop.hop.size)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let bytes = addresses.iter().fold(0_i64, |sum, (_, size)| sum.saturating_add(*size));
    writeln!(sink, "{hops}, {} in its objects", human::signed_bytes(bytes))?;
    Ok(())
}

/// The arrow after an object.
fn next_arrow(path: &[ShownHop], i: usize) -> Option<&str> {
    path.get(i + 1).and_then(|next| next.hop.arrow.as_deref())
}

impl From<crate::args::PlanKind> for PathPlan {
    fn from(plan: crate::args::PlanKind) -> Self {
        match plan {
            crate::args::PlanKind::Auto => PathPlan::Auto,
            crate::args::PlanKind::Index => PathPlan::Index,
            crate::args::PlanKind::Join => PathPlan::Join,
        }
    }
}
