//! `heaplake path`: who holds it, and how a root reaches it.

use std::{io::Write as _, process::ExitCode, sync::Arc};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type, UInt32Type, UInt64Type},
};
use heaplake_engine::{PathPlan, PathShape, SessionOptions, fold, path_shape};
use heaplake_store::Manifests;

use super::path_compare::compare;
use crate::{
    args::{EmitKind, PathArgs},
    console::Console,
    escape, human, interrupt,
    output::{Format, Plan, Sink},
    query::{Querier, sum},
    rows::quoted,
    selection,
};

/// Hops of a repetition's first round are shown, the others folded, from so many rounds on.
const MIN_FOLDED_ROUNDS: usize = 3;
/// Objects that are listed one by one on a terminal; of more the types are.
const MAX_LISTED: i64 = 40;

/// Characters of a value that are shown; --format csv has it whole.
const MAX_VALUE_CHARS: usize = 40;

/// Asks each of the dumps.
pub fn run(args: &PathArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, args.output.as_deref(), console)?;
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
        let querier = Querier::of_lake(&manifests, args.memory_limit, console)?;
        let mut sink = plan.open()?;
        compare(&args.pattern, shape, &dumps, &querier, &plan, &mut sink)?;
        return sink.commit().map(|()| ExitCode::SUCCESS);
    }
    let dumps: Vec<Option<&str>> = match dumps.as_slice() {
        [] => vec![None],
        dumps => dumps.iter().map(|dump| Some(dump.as_str())).collect(),
    };
    let mut queriers = Vec::new();
    for dump in &dumps {
        queriers.push(open(&manifests, *dump, args, console)?);
    }
    let mut sink = plan.open()?;
    if args.emit == Some(EmitKind::Sql) {
        for querier in &queriers {
            writeln!(sink, "{};", querier.path_sql(&args.pattern)?)?;
        }
        sink.commit()?;
        return Ok(ExitCode::SUCCESS);
    }
    if plan.format != Format::Table {
        rows(args, &queriers, &plan, &mut sink, console)?;
        sink.commit()?;
        return Ok(ExitCode::SUCCESS);
    }
    for (i, querier) in queriers.iter().enumerate() {
        if queriers.len() > 1 {
            writeln!(sink, "{}{}", if i > 0 { "\n" } else { "" }, querier.dump_name()?)?;
        }
        print(&args.pattern, shape, querier, &plan, &mut sink)?;
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
) -> Result<Querier> {
    let options = SessionOptions {
        memory_limit: args.memory_limit,
        path_plan: args.plan.into(),
        ..console.session(dump, args.layer.as_deref())
    };
    let querier = Querier::over(manifests, &options)?;
    querier.dump_name()?;
    Ok(querier)
}

/// The rows of `path`; of several dumps with the dump's name before them.
fn rows(
    args: &PathArgs,
    queriers: &[Querier],
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let pattern = quoted(&args.pattern);
    if let [querier] = queriers {
        let outcome = querier.run(&format!("SELECT * FROM path({pattern})"), plan, sink)?;
        if outcome.n_rows == 0 {
            for line in explanation(&args.pattern, querier)? {
                console.note(&line);
            }
        }
        return Ok(());
    }
    let mut all = Vec::new();
    for querier in queriers {
        let dump = quoted(&querier.dump_name()?);
        let query = format!("SELECT arrow_cast({dump}, 'Utf8View') AS dump, p.* FROM path({pattern}) p");
        let batches = querier.collect(&query)?;
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            for line in explanation(&args.pattern, querier)? {
                console.note(&format!("{}: {line}", querier.dump_name()?));
            }
        }
        all.extend(batches);
    }
    plan.print_all_to(&all, sink)
}

/// Prints the answer of one dump for people.
pub fn print(pattern: &str, shape: PathShape, querier: &Querier, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let found = match shape {
        PathShape::Paths => paths(pattern, querier, plan, sink)?,
        PathShape::Objects => objects(pattern, querier, plan, sink)?,
        PathShape::Types => {
            let query = format!("SELECT * FROM path({})", quoted(pattern));
            let batches = querier.collect(&query)?;
            let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            if n_rows > 0 {
                plan.print_all_to(&batches, sink)?;
            }
            n_rows > 0
        }
    };
    if !found {
        writeln!(sink, "no path")?;
        for line in explanation(pattern, querier)? {
            writeln!(sink, "  {}", escape::line(&line))?;
        }
    }
    Ok(())
}

/// Why there is no path.
pub fn explanation(pattern: &str, querier: &Querier) -> Result<Vec<String>> {
    let batches = querier.collect(&format!("SELECT line FROM path_explain({})", quoted(pattern)))?;
    let mut lines = Vec::new();
    for batch in &batches {
        lines.extend(texts(batch, "line")?.into_iter().flatten());
    }
    Ok(lines)
}

/// Objects: how many, and which, or of which types.
fn objects(pattern: &str, querier: &Querier, plan: &Plan, sink: &mut Sink) -> Result<bool> {
    let pattern = quoted(pattern);
    let totals = querier.collect(&format!(
        "SELECT count(*) AS objects, coalesce(sum(size), 0) AS bytes, count(DISTINCT type) AS types \
         FROM path_nodes({pattern})"
    ))?;
    let (objects, bytes, types) = (sum(&totals, "objects")?, sum(&totals, "bytes")?, sum(&totals, "types")?);
    if objects == 0 {
        return Ok(false);
    }
    writeln!(sink, "{}, {}", human::counted(objects.unsigned_abs(), "object"), human::signed_bytes(bytes))?;
    if objects <= MAX_LISTED {
        let query =
            format!("SELECT hop, address, type, name, size, retained, root_kind FROM path({pattern})");
        querier.run(&query, plan, sink)?;
        return Ok(true);
    }
    let query = format!(
        "SELECT type, count(*) AS objects, sum(size) AS size, min(hop) AS nearest_hop, max(hop) AS farthest_hop \
         FROM path_nodes({pattern}) GROUP BY type ORDER BY size DESC, type LIMIT {MAX_LISTED}"
    );
    querier.run(&query, plan, sink)?;
    if types > MAX_LISTED {
        writeln!(sink, "and {} more", human::counted((types - MAX_LISTED).unsigned_abs(), "type"))?;
    }
    writeln!(sink, "every object: --format csv")?;
    Ok(true)
}

/// Paths, a block for each, as they come. A shell keeps their rows.
fn paths(pattern: &str, querier: &Querier, plan: &Plan, sink: &mut Sink) -> Result<bool> {
    let query = format!("SELECT * FROM path({})", quoted(pattern));
    let mut path: Vec<Hop> = Vec::new();
    let mut n_paths = 0_u64;
    let mut result: Option<usize> = None;
    querier.for_each(&query, |batch| {
        let mut first_row = 0;
        if let Some(results) = plan.results().filter(|_| batch.num_rows() > 0) {
            let number = *result.get_or_insert_with(|| results.begin(batch.schema_ref()));
            first_row = results.keep(number, batch);
        }
        for (row, mut hop) in hops(batch)?.into_iter().enumerate() {
            hop.label_of_row = result.map(|number| format!("#{number}.{}", first_row + row));
            if path.first().is_some_and(|first| first.path_id != hop.path_id) {
                block(&std::mem::take(&mut path), n_paths, plan, sink)?;
                n_paths += 1;
            }
            path.push(hop);
        }
        Ok(())
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
    }
    Ok(true)
}

/// One hop of a path.
#[derive(Debug, Clone, Default)]
struct Hop {
    path_id: i64,
    address: u64,
    type_name: String,
    name: Option<String>,
    value: Option<String>,
    size: i64,
    retained: Option<i64>,
    root_kind: Option<String>,
    /// How it was reached; none for the first.
    arrow: Option<String>,
    label: Option<String>,
    variable: Option<String>,
    /// What a shell calls its row.
    label_of_row: Option<String>,
}

fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<Option<String>>> {
    let column = cast(column(batch, name)?, &DataType::Utf8)?;
    Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b arrow::array::ArrayRef> {
    batch.column_by_name(name).with_context(|| format!("a path has no {name}; this is a bug of heaplake"))
}

fn hops(batch: &RecordBatch) -> Result<Vec<Hop>> {
    let path_ids = column(batch, "path_id")?.as_primitive::<Int64Type>().values();
    let addresses = column(batch, "address")?.as_primitive::<UInt64Type>().values();
    let sizes = column(batch, "size")?.as_primitive::<Int64Type>().values();
    let retained = column(batch, "retained")?.as_primitive::<Int64Type>();
    let mut hops: Vec<Hop> = (0..batch.num_rows())
        .map(|row| Hop {
            path_id: path_ids[row],
            address: addresses[row],
            size: sizes[row],
            retained: retained.is_valid(row).then(|| retained.value(row)),
            ..Hop::default()
        })
        .collect();
    debug_assert!(column(batch, "hop")?.as_primitive_opt::<UInt32Type>().is_some());
    type Put = fn(&mut Hop, Option<String>);
    let puts: [(&str, Put); 7] = [
        ("type", |hop, text| hop.type_name = text.unwrap_or_default()),
        ("name", |hop, text| hop.name = text),
        ("value", |hop, text| hop.value = text),
        ("root_kind", |hop, text| hop.root_kind = text),
        ("arrow", |hop, text| hop.arrow = text),
        ("label", |hop, text| hop.label = text),
        ("variable", |hop, text| hop.variable = text),
    ];
    for (name, put) in puts {
        hops.iter_mut().zip(texts(batch, name)?).for_each(|(hop, text)| put(hop, text));
    }
    Ok(hops)
}

impl Hop {
    /// What one sees of an object before its numbers.
    fn what(&self) -> String {
        let shown = |text: &Option<String>| text.as_deref().map(|text| escape::line(text).into_owned());
        let arrow = match (self.arrow.as_deref(), shown(&self.label)) {
            (None, _) => String::new(),
            (Some("<-"), Some(label)) => format!("<-{label}- "),
            (Some("<-"), None) => "<- ".to_owned(),
            (Some(_), Some(label)) => format!("-{label}-> "),
            (Some(_), None) => "-> ".to_owned(),
        };
        let mut text = format!("{arrow}{}", escape::line(&self.type_name));
        if let Some(name) = shown(&self.name) {
            text += &format!(" {name}");
        }
        if let Some(value) = shown(&self.value) {
            text += &format!(" = {}", human::shortened(&value, MAX_VALUE_CHARS));
        }
        if let Some(kind) = shown(&self.root_kind) {
            text += &format!(" ({kind})");
        }
        text
    }
}

/// A line of a block: hop, object, address, sizes; or a note in the place of folded hops.
enum Line {
    Hop { number: String, what: String, address: String, size: String, retained: String },
    Folded(String),
}

/// Writes one path.
fn block(path: &[Hop], number: u64, plan: &Plan, sink: &mut Sink) -> Result<()> {
    if number > 0 {
        writeln!(sink)?;
    }
    let line = |number: usize| {
        let hop = &path[number];
        Line::Hop {
            number: hop.label_of_row.clone().unwrap_or_else(|| number.to_string()),
            what: match &hop.variable {
                Some(variable) => format!("{}  [{}]", hop.what(), escape::line(variable)),
                None => hop.what(),
            },
            address: format!("@{:#x}", hop.address),
            size: human::signed_bytes(hop.size),
            retained: hop.retained.map(human::signed_bytes).unwrap_or_default(),
        }
    };
    let mut lines: Vec<Line> = Vec::new();
    let units: Vec<(&str, Option<&str>)> =
        path.iter().enumerate().map(|(i, hop)| (hop.type_name.as_str(), next_arrow(path, i))).collect();
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
                        escape::line(&path[i].type_name),
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
    let first_column = if path.iter().any(|hop| hop.label_of_row.is_some()) { "#" } else { "hop" };
    let what_width = width(|line| match line {
        Line::Hop { what, .. } => what.chars().count(),
        Line::Folded(_) => 0,
    });
    let address_width = width(|line| match line {
        Line::Hop { address, .. } => address.len(),
        Line::Folded(_) => 0,
    });
    let (dim, fold_style) = match plan.has_colors() {
        true => (Style::new().dimmed(), AnsiColor::Yellow.on_default()),
        false => (Style::new(), Style::new()),
    };
    writeln!(
        sink,
        "{dim}{:>number_width$}  {:what_width$}  {:address_width$}  {:>9}  {:>9}{dim:#}",
        first_column, "object", "address", "size", "retained"
    )?;
    for line in &lines {
        match line {
            Line::Hop { number, what, address, size, retained } => {
                let gap = " ".repeat(what_width - what.chars().count());
                let text = format!(
                    "{number:>number_width$}  {what}{gap}  {dim}{address:address_width$}{dim:#}  {size:>9}  {retained:>9}"
                );
                writeln!(sink, "{}", text.trim_end())?;
            }
            Line::Folded(text) => {
                writeln!(sink, "{:number_width$}  {fold_style}{text}{fold_style:#}", "")?;
            }
        }
    }
    let hops = human::counted(path.len() as u64 - 1, "hop");
    let mut addresses: Vec<(u64, i64)> = path.iter().map(|hop| (hop.address, hop.size)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let bytes = addresses.iter().fold(0_i64, |sum, (_, size)| sum.saturating_add(*size));
    writeln!(sink, "{hops}, {} in its objects", human::signed_bytes(bytes))?;
    Ok(())
}

/// The arrow after an object.
fn next_arrow(path: &[Hop], i: usize) -> Option<&str> {
    path.get(i + 1).and_then(|next| next.arrow.as_deref())
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
