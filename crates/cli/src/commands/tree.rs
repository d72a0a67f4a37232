//! `heaplake tree`: the dominator tree, the largest first, the small folded into a line per type.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::{Int64Type, UInt32Type, UInt64Type},
};
use heaplake_store::Manifest;

use crate::{
    args::TreeArgs,
    console::Console,
    escape, human, interrupt,
    output::{Format, Plan, Sink},
    query::Querier,
};

/// Prints the tree below an object, or below the roots.
pub fn run(args: &TreeArgs, console: &Console) -> Result<ExitCode> {
    let plan = Plan::new(args.shape, None, console)?;
    interrupt::install()?;
    let (querier, manifest) = Querier::of_dump(args.dump.as_deref(), &args.graph, console)?;
    let mut sink = plan.open()?;
    print(args, &querier, &manifest, &plan, &mut sink)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the tree to an open sink.
pub fn print(
    args: &TreeArgs,
    querier: &Querier,
    manifest: &Manifest,
    plan: &Plan,
    sink: &mut Sink,
) -> Result<()> {
    let batches = querier.collect(&query(args))?;
    let lines = batches.iter().map(lines).collect::<Result<Vec<_>>>()?.concat();
    if let Some(address) = args.address.filter(|_| lines.is_empty()) {
        bail!("{} has no object at {address} ({address:#x})", manifest.id);
    }
    if plan.format != Format::Table {
        return plan.print_all_to(&batches, sink);
    }
    let totals = querier.totals()?;
    if args.address.is_none() {
        let objects = human::counted(totals.objects.unsigned_abs(), "object");
        writeln!(sink, "{}: {}, {objects}", manifest.id, human::signed_bytes(totals.bytes))?;
    }
    let depths: Vec<usize> = lines.iter().map(|line| line.depth).collect();
    let result = match (plan.results(), batches.first()) {
        (Some(results), Some(first)) => {
            let number = results.begin(first.schema_ref());
            for batch in &batches {
                results.keep(number, batch);
            }
            results.end(number);
            Some(number)
        }
        _ => None,
    };
    let width = result.map_or(0, |number| format!("#{number}.{} ", lines.len()).len());
    for (row, (line, prefix)) in lines.iter().zip(prefixes(&depths, args.address.is_none())).enumerate() {
        let label = result.map(|number| format!("#{number}.{} ", row + 1)).unwrap_or_default();
        writeln!(sink, "{label:>width$}{prefix}{}", line.text(totals.bytes))?;
    }
    Ok(())
}

fn query(args: &TreeArgs) -> String {
    let start = args.address.map(|address| format!("'@{address}', ")).unwrap_or_default();
    format!(
        "SELECT t.*, o.name FROM dominator_tree({start}{}, {}) t LEFT JOIN obj o ON o.address = t.address \
         ORDER BY t.line",
        args.depth, args.children
    )
}

#[derive(Debug, Clone)]
struct Line {
    depth: usize,
    address: Option<u64>,
    /// None for objects of several types.
    type_name: Option<String>,
    name: Option<String>,
    root_kind: Option<String>,
    objects: i64,
    retained: i64,
    retained_count: i64,
}

fn lines(batch: &RecordBatch) -> Result<Vec<Line>> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .with_context(|| format!("the tree has no {name}; this is a bug of heaplake"))
    };
    let text = |name: &str| -> Result<Vec<Option<String>>> {
        let column = arrow::compute::cast(column(name)?, &arrow::datatypes::DataType::Utf8)?;
        Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    };
    let number =
        |name: &str| -> Result<Vec<i64>> { Ok(column(name)?.as_primitive::<Int64Type>().values().to_vec()) };
    let depths = column("depth")?.as_primitive::<UInt32Type>();
    let addresses = column("address")?.as_primitive::<UInt64Type>();
    let (types, names, kinds) = (text("type")?, text("name")?, text("root_kind")?);
    let (objects, retained, counts) = (number("objects")?, number("retained")?, number("retained_count")?);
    let line = |i: usize| Line {
        depth: depths.value(i) as usize,
        address: addresses.is_valid(i).then(|| addresses.value(i)),
        type_name: types[i].clone(),
        name: names[i].clone(),
        root_kind: kinds[i].clone(),
        objects: objects[i],
        retained: retained[i],
        retained_count: counts[i],
    };
    Ok((0..batch.num_rows()).map(line).collect())
}

impl Line {
    /// `dict @140... "name" (module): 8.6 MiB, 66.0 %, 14,640 objects`.
    fn text(&self, whole: i64) -> String {
        let type_name =
            self.type_name.as_deref().map(escape::line).unwrap_or("objects of other types".into());
        let what = match self.address {
            Some(address) => {
                let name =
                    self.name.as_deref().map(|name| format!(" {}", escape::line(name))).unwrap_or_default();
                let kind = self
                    .root_kind
                    .as_deref()
                    .map(|kind| format!(" ({})", escape::line(kind)))
                    .unwrap_or_default();
                format!("{type_name}{name} @{address}{kind}")
            }
            None if self.type_name.is_none() => {
                format!("{} {type_name}", human::count(self.objects.unsigned_abs()))
            }
            None => format!("{} x {type_name}", human::count(self.objects.unsigned_abs())),
        };
        let share = match whole {
            1.. => format!(", {:.1} %", self.retained as f64 * 100.0 / whole as f64),
            _ => String::new(),
        };
        let objects = human::counted(self.retained_count.unsigned_abs(), "object");
        format!("{what}: {}{share}, {objects}", human::signed_bytes(self.retained))
    }
}

/// What stands before each line of a tree: the branches. Without a line above them all, those of depth 0 have none.
fn prefixes(depths: &[usize], has_trunk: bool) -> Vec<String> {
    let trunk = usize::from(!has_trunk);
    // By depth: whether another line of that depth comes before one that is less deep. Seen from the last line up.
    let mut more: Vec<bool> = Vec::new();
    let mut prefixes: Vec<String> = depths
        .iter()
        .rev()
        .map(|&depth| {
            more.resize(more.len().max(depth + 1), false);
            more[depth + 1..].fill(false);
            let last = !std::mem::replace(&mut more[depth], true);
            let above = (trunk..depth).map(|depth| if more[depth] { "│  " } else { "   " });
            let own = match (depth < trunk, last) {
                (true, _) => "",
                (false, true) => "└─ ",
                (false, false) => "├─ ",
            };
            above.chain([own]).collect()
        })
        .collect();
    prefixes.reverse();
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_join_what_belongs_together() {
        assert_eq!(
            prefixes(&[0, 1, 2, 1, 0, 1], true),
            ["├─ ", "│  ├─ ", "│  │  └─ ", "│  └─ ", "└─ ", "   └─ "]
        );
        assert_eq!(prefixes(&[0, 1, 2, 1], false), ["", "├─ ", "│  └─ ", "└─ "]);
    }
}
