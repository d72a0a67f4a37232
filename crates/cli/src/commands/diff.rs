//! `heaplake diff`: what grew between two dumps, by type, holder, module or object.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Result, bail};
use heaplake_answers::{Diff, DiffTotals, GroupBy, GroupDifference, Metric, ProcessGrowth, Session};
use heaplake_model::MemoryPart;
use heaplake_store::Manifests;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    args::{DiffArgs, DiffBy},
    commands::{charts, diff_objects},
    console::Console,
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink},
    query, selection,
};

/// Rows shown to a person.
pub const N_SHOWN: usize = 20;
/// Holders stand below their numbers.
const HOLDER_INDENT: usize = 5;

/// Columns that can be spared where the terminal is narrow: percent; what is retained, and by how much it grew.
const EXPENDABLE: [&[usize]; 2] = [&[5], &[6, 7]];

/// Prints the differences, what grew most first.
pub fn run(args: &DiffArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, args.output.as_deref())?;
    interrupt::install()?;
    let manifests = selection::open(console)?;
    let args = with_ids(args, &manifests, console)?;
    let session = query::of_lake(&manifests, None, console)?;
    let mut sink = plan.open()?;
    print(&args, &session, &plan, &mut sink, console)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// The arguments with the ids of the dumps that they select, for people to read.
fn with_ids(args: &DiffArgs, manifests: &Manifests, console: &Console) -> Result<DiffArgs> {
    if let ("latest~1", "latest") = (args.before.as_str(), args.after.as_str())
        && let [only] = manifests.all()?
    {
        bail!(
            "{} is the only dump in the lake, and it takes two; import another: {} import FILE",
            only.id,
            console.command()
        );
    }
    let id =
        |text: &str| Ok::<_, anyhow::Error>(selection::one(manifests, Some(text), console)?.id.to_string());
    Ok(DiffArgs { before: id(&args.before)?, after: id(&args.after)?, ..args.clone() })
}

/// Prints the differences to an open sink.
pub fn print(
    args: &DiffArgs,
    session: &Session,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let by = match args.by {
        DiffBy::Type => GroupBy::Type,
        DiffBy::Holder => GroupBy::Holder,
        DiffBy::Module => GroupBy::Module,
        DiffBy::Object if args.chart.is_some() => {
            bail!("a chart is of types, holders or modules; take another --by")
        }
        DiffBy::Object => return diff_objects::print(args, session, plan, console, sink),
    };
    let is_table = plan.format == Format::Table;
    let diff = Diff {
        before: args.before.clone(),
        after: args.after.clone(),
        by,
        metric: args.metric.map(Metric::from),
        all: args.all,
        own_growth: is_table,
        limit: args.n.filter(|_| !is_table).map(u64::from),
    };
    if let Some(path) = &args.chart {
        charts::diff(&diff, args.n, path, session, console)?;
    }
    if is_table {
        let plan = &query::with_short_types(plan, session, &[&args.before, &args.after])?;
        write_heading(args, &diff.totals(session)?, sink)?;
        if let Some(growth) = diff.process(session)? {
            write_process(&growth, sink)?;
        }
        show(by, args.n, &diff.groups(session)?, plan, console, sink)?;
        console.note_on_type_names(session, &[&args.before, &args.after])?;
        if by == GroupBy::Holder {
            console.note_on_holder_names(session, &[&args.before, &args.after])?;
        }
    } else {
        query::run(session, &diff.statement(), plan, sink)?;
    }
    Ok(())
}

fn show(
    by: GroupBy,
    n: Option<u32>,
    groups: &[GroupDifference],
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    let what = by.name();
    if groups.is_empty() {
        writeln!(sink, "\nNo {what} has more or less than before.")?;
        return Ok(());
    }
    writeln!(sink, "\nWhat changed, by {what}; what grew most comes first")?;
    let shown = &groups[..groups.len().min(n.map_or(N_SHOWN, |n| n as usize))];
    let mut left_out = Vec::new();
    match by {
        GroupBy::Holder => show_holders(shown, plan, sink)?,
        GroupBy::Type | GroupBy::Module => {
            let table;
            (table, left_out) = plan.fitted(self::table(by, shown)?, &EXPENDABLE)?;
            plan.print_to(&table, sink)?;
        }
    }
    let more = groups.len() - shown.len();
    let counted = |status: &str| groups.iter().filter(|group| group.status == status).count();
    let summary = format!(
        "({} changed: {} new, {} gone{})",
        human::counted(groups.len() as u64, what),
        counted("new"),
        counted("gone"),
        if more > 0 { format!("; {more} more with -n {}", groups.len()) } else { String::new() }
    );
    console.remark(&summary, plan, sink)?;
    console.note_left_out(&left_out);
    Ok(())
}

/// Writes the dumps and their totals.
pub fn write_heading(args: &DiffArgs, totals: &DiffTotals, sink: &mut Sink) -> Result<()> {
    let (count, size) = ((totals.count_before, totals.count_after), (totals.size_before, totals.size_after));
    let percent = |(before, after): (i64, i64)| match before {
        0 => String::new(),
        before => format!(", {:+.1} %", (after - before) as f64 * 100.0 / before as f64),
    };
    writeln!(sink, "{} to {}", escape::line(&args.before), escape::line(&args.after))?;
    writeln!(
        sink,
        "objects: {} to {} ({}{})",
        human::count(count.0.unsigned_abs()),
        human::count(count.1.unsigned_abs()),
        human::delta(count.1 - count.0),
        percent(count)
    )?;
    writeln!(
        sink,
        "size: {} to {} ({}{})",
        human::signed_bytes(size.0),
        human::signed_bytes(size.1),
        human::delta_bytes(size.1 - size.0),
        percent(size)
    )?;
    Ok(())
}

/// Writes how the process grew, and where to look if objects do not explain it.
pub fn write_process(growth: &ProcessGrowth, sink: &mut Sink) -> Result<()> {
    let (before, after) = (growth.before.total, growth.after.total);
    let percent = match before {
        0 => String::new(),
        before => format!(", {:+.1} %", growth.total() as f64 * 100.0 / before as f64),
    };
    writeln!(
        sink,
        "process: {} to {} ({}{percent})",
        human::bytes(before),
        human::bytes(after),
        human::delta_bytes(growth.total())
    )?;
    let Some(part) = growth.not_of_objects() else { return Ok(()) };
    let look_at = match part {
        MemoryPart::PoolsFree | MemoryPart::MallocFree => "look at fragmentation",
        MemoryPart::Code | MemoryPart::Mapped => "look at files and shared memory",
        MemoryPart::Stacks => "look at threads",
        MemoryPart::Objects | MemoryPart::Native => "look at native memory",
    };
    writeln!(
        sink,
        "The process grew by {}, its objects by {}: {look_at},",
        human::bytes(growth.total().unsigned_abs()),
        human::signed_bytes(growth.objects()),
    )?;
    writeln!(sink, "{} {}.", human::growth_bytes(growth.of(part)), part.description())?;
    Ok(())
}

fn table(by: GroupBy, groups: &[GroupDifference]) -> Result<arrow::array::RecordBatch> {
    type Part = fn(&GroupDifference) -> Option<i64>;
    let number = |part: Part, worded: fn(i64) -> String| {
        groups.iter().map(move |group| part(group).map(worded).unwrap_or_default())
    };
    let count = |n: i64| human::count(n.unsigned_abs());
    let percents = groups.iter().map(|group| match (group.size_percent, group.status.as_str()) {
        (_, status @ ("new" | "gone")) => status.to_owned(),
        (Some(percent), _) => format!("{percent:+.1} %"),
        (None, _) => String::new(),
    });
    Ok(Columns::default()
        .text(by.name(), groups.iter().map(|group| group.name.clone()))
        .quantity("count", number(|group| group.count_after, count))
        .quantity("grew by", number(|group| group.count_delta, human::delta))
        .quantity("size", number(|group| group.size_after, human::signed_bytes))
        .quantity("grew by", number(|group| group.size_delta, human::delta_bytes))
        .quantity("%", percents)
        .quantity("retained", number(|group| group.retained_after, human::signed_bytes))
        .quantity("grew by", number(|group| group.retained_delta, human::delta_bytes))
        .batch()?)
}

/// Holders are long: a block for each.
fn show_holders(groups: &[GroupDifference], plan: &Plan, sink: &mut Sink) -> Result<()> {
    for (i, group) in groups.iter().enumerate() {
        let status = match group.status.as_str() {
            status @ ("new" | "gone") => format!("; {status}"),
            _ => String::new(),
        };
        writeln!(
            sink,
            "{:>3}  retained {} ({}), {} ({}), shallow {}{status}",
            i + 1,
            human::signed_bytes(group.retained_after.unwrap_or(0)),
            human::growth_bytes(group.retained_delta.unwrap_or(0)),
            human::counted(group.count_after.unwrap_or(0).unsigned_abs(), "object"),
            human::growth(group.count_delta.unwrap_or(0)),
            human::growth_bytes(group.size_delta.unwrap_or(0)),
        )?;
        write_holder(&group.name, plan, sink)?;
    }
    Ok(())
}

/// Writes a holder; on a terminal it is broken behind arrows.
pub fn write_holder(holder: &str, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let width = plan.table_width().unwrap_or(usize::MAX).saturating_sub(HOLDER_INDENT);
    let holder = plan.types().chain(holder);
    let holder = escape::line(&holder);
    for line in broken(&holder, width) {
        writeln!(sink, "{:HOLDER_INDENT$}{line}", "")?;
    }
    Ok(())
}

/// The text in lines of at most `width`, broken behind arrows only.
pub fn broken(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut end) = (0, 0);
    for piece in text.split_inclusive("-> ") {
        let next = end + piece.len();
        if end > start && text[start..next].trim_end().width() > width {
            lines.push(text[start..end].trim_end());
            start = end;
        }
        end = next;
    }
    lines.push(text[start..].trim_end());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_broken_behind_arrows() {
        let holder = "module a -> dict -> (A -> B ->)+";
        assert_eq!(broken(holder, usize::MAX), [holder]);
        assert_eq!(broken(holder, 20), ["module a -> dict ->", "(A -> B ->)+"]);
        assert_eq!(broken(holder, 12), ["module a ->", "dict ->", "(A -> B ->)+"]);
        assert_eq!(broken(holder, 1), ["module a ->", "dict ->", "(A ->", "B ->)+"]);
        assert_eq!(broken("", 10), [""]);
    }
}
