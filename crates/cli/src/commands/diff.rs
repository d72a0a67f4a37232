//! `heaplake diff`: what grew between two dumps, by type, holder, module or object.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Result, bail};
use heaplake_store::Manifests;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    args::{DiffArgs, DiffBy, GroupBy, MetricArg},
    commands::diff_objects,
    console::Console,
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink},
    query::Querier,
    rows::{Rows, quoted},
    selection,
};

/// Rows shown to a person.
pub const N_SHOWN: usize = 20;
/// Holders stand below their numbers.
const HOLDER_INDENT: usize = 5;

/// Columns that can be spared where the terminal is narrow: percent; what is retained, and by how much it grew.
const EXPENDABLE: [&[usize]; 2] = [&[5], &[6, 7]];

/// Prints the differences, what grew most first.
pub fn run(args: &DiffArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, args.output.as_deref(), console)?;
    interrupt::install()?;
    let manifests = selection::open(console)?;
    let args = with_ids(args, &manifests, console)?;
    let querier = Querier::of_lake(&manifests, None, console)?;
    let mut sink = plan.open()?;
    print(&args, &querier, &plan, &mut sink, console)?;
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
    querier: &Querier,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let Some(by) = args.by.group() else {
        return diff_objects::print(args, querier, plan, console, sink);
    };
    let statement = statement(args, by, plan.format == Format::Table);
    if plan.format == Format::Table {
        let rows = Rows::new(&querier.collect(&statement)?)?;
        show(args, by, &rows, querier, plan, console, sink)?;
    } else {
        querier.run(&statement, plan, sink)?;
    }
    Ok(())
}

/// What did not change is left out unless it is asked for.
fn statement(args: &DiffArgs, by: GroupBy, is_table: bool) -> String {
    let changed = match (args.all, by) {
        (true, _) => "",
        // To a person only where it grows: what is inside or around says the same again.
        (false, GroupBy::Holder) if is_table => " WHERE role IN ('grows', 'shrinks')",
        (false, _) => {
            " WHERE status <> 'same' OR coalesce(size_delta, 0) <> 0 OR coalesce(retained_delta, 0) <> 0"
        }
    };
    let order = match args.metric {
        Some(metric) => format!("{}_delta DESC NULLS LAST, rank", metric.name()),
        None => "rank".to_owned(),
    };
    let limit = match args.n {
        Some(n) if !is_table => format!(" LIMIT {n}"),
        _ => String::new(),
    };
    format!(
        "SELECT * FROM diff({}, {}, '{}'){changed} ORDER BY {order}{limit}",
        quoted(&args.before),
        quoted(&args.after),
        by.name()
    )
}

fn show(
    args: &DiffArgs,
    by: GroupBy,
    rows: &Rows,
    querier: &Querier,
    plan: &Plan,
    console: &Console,
    sink: &mut Sink,
) -> Result<()> {
    heading(args, querier, sink)?;
    let n = args.n.map_or(N_SHOWN, |n| n as usize);
    let statuses = rows.texts("status")?;
    if rows.len() == 0 {
        writeln!(sink, "\nNo {} has more or less than before.", by.name())?;
        return Ok(());
    }
    writeln!(sink, "\nWhat changed, by {}; what grew most comes first", by.name())?;
    let shown = rows.first(n);
    let mut left_out = Vec::new();
    match by {
        GroupBy::Holder => show_holders(&shown, plan, sink)?,
        GroupBy::Type | GroupBy::Module => {
            let table;
            (table, left_out) = plan.fitted(self::table(by, &shown)?, &EXPENDABLE)?;
            plan.print_to(&table, sink)?;
        }
    }
    let more = rows.len().saturating_sub(shown.len());
    let counted = |status: &str| statuses.iter().filter(|found| *found == status).count();
    sink.flush()?;
    let what = by.name();
    console.note(&format!(
        "({} changed: {} new, {} gone{})",
        human::counted(rows.len() as u64, what),
        counted("new"),
        counted("gone"),
        if more > 0 { format!("; {more} more with -n {}", rows.len()) } else { String::new() }
    ));
    console.note_left_out(&left_out);
    Ok(())
}

/// The dumps and their totals.
pub fn heading(args: &DiffArgs, querier: &Querier, sink: &mut Sink) -> Result<()> {
    let totals = querier.collect(&format!(
        "SELECT sum(count_before) AS count_before, sum(count_after) AS count_after, \
             sum(size_before) AS size_before, sum(size_after) AS size_after \
         FROM diff({}, {})",
        quoted(&args.before),
        quoted(&args.after)
    ))?;
    let totals = Rows::new(&totals)?;
    let sum =
        |name: &str| Ok::<_, anyhow::Error>(totals.numbers(name)?.first().copied().flatten().unwrap_or(0));
    let (count, size) =
        ((sum("count_before")?, sum("count_after")?), (sum("size_before")?, sum("size_after")?));
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

fn table(by: GroupBy, rows: &Rows) -> Result<arrow::array::RecordBatch> {
    let number = |name: &str, worded: fn(i64) -> String| -> Result<Vec<String>> {
        Ok(rows.numbers(name)?.into_iter().map(|n| n.map(worded).unwrap_or_default()).collect())
    };
    let count = |n: i64| human::count(n.unsigned_abs());
    let statuses = rows.texts("status")?;
    let percents = rows.floats("size_percent")?.into_iter().zip(&statuses).map(|(percent, status)| {
        match (percent, status.as_str()) {
            (_, status @ ("new" | "gone")) => status.to_owned(),
            (Some(percent), _) => format!("{percent:+.1} %"),
            (None, _) => String::new(),
        }
    });
    Columns::default()
        .text(by.name(), rows.texts(by.name())?)
        .quantity("count", number("count_after", count)?)
        .quantity("grew by", number("count_delta", human::delta)?)
        .quantity("size", number("size_after", human::signed_bytes)?)
        .quantity("grew by", number("size_delta", human::delta_bytes)?)
        .quantity("%", percents)
        .quantity("retained", number("retained_after", human::signed_bytes)?)
        .quantity("grew by", number("retained_delta", human::delta_bytes)?)
        .batch()
}

/// Holders are long: a block for each.
fn show_holders(rows: &Rows, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let (holders, statuses) = (rows.texts("holder")?, rows.texts("status")?);
    let numbers = |name: &str| rows.numbers(name);
    let (count, counts) = (numbers("count_after")?, numbers("count_delta")?);
    let (size, retained) = (numbers("size_delta")?, numbers("retained_delta")?);
    let held = numbers("retained_after")?;
    for i in 0..rows.len() {
        let of = |column: &[Option<i64>]| column[i].unwrap_or(0);
        let status = match statuses[i].as_str() {
            status @ ("new" | "gone") => format!("; {status}"),
            _ => String::new(),
        };
        writeln!(
            sink,
            "{:>3}  holds {}, now {}; {} objects, now {}; own size {}{status}",
            i + 1,
            human::delta_bytes(of(&retained)),
            human::signed_bytes(of(&held)),
            human::delta(of(&counts)),
            human::count(of(&count).unsigned_abs()),
            human::delta_bytes(of(&size)),
        )?;
        write_holder(&holders[i], plan, sink)?;
    }
    Ok(())
}

/// Writes a holder; on a terminal it is broken behind arrows.
pub fn write_holder(holder: &str, plan: &Plan, sink: &mut Sink) -> Result<()> {
    let width = plan.table_width().unwrap_or(usize::MAX).saturating_sub(HOLDER_INDENT);
    let holder = escape::line(holder);
    for line in broken(&holder, width) {
        writeln!(sink, "{:HOLDER_INDENT$}{line}", "")?;
    }
    Ok(())
}

/// The text in lines of at most `width`, broken behind arrows only.
fn broken(text: &str, width: usize) -> Vec<&str> {
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

impl DiffBy {
    /// What totals are compared; none where it is the objects.
    fn group(self) -> Option<GroupBy> {
        match self {
            DiffBy::Type => Some(GroupBy::Type),
            DiffBy::Holder => Some(GroupBy::Holder),
            DiffBy::Module => Some(GroupBy::Module),
            DiffBy::Object => None,
        }
    }
}

impl GroupBy {
    /// The word for it in SQL.
    pub fn name(self) -> &'static str {
        match self {
            GroupBy::Type => "type",
            GroupBy::Holder => "holder",
            GroupBy::Module => "module",
        }
    }
}

impl MetricArg {
    /// The word for it in SQL.
    pub fn name(self) -> &'static str {
        match self {
            MetricArg::Count => "count",
            MetricArg::Size => "size",
            MetricArg::Retained => "retained",
        }
    }
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
