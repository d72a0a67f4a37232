//! `heaplake tree`: the dominator tree, the largest first, the small folded into a line per type.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use heaplake_answers::{Session, Tree, TreeNode};
use heaplake_model::ShortTypeNames;
use heaplake_store::Manifest;

use crate::{
    args::TreeArgs,
    console::Console,
    escape, human, interrupt,
    output::{Format, Plan, Sink, bar},
    query, selection, values,
};

/// Cells of a bar before a line.
const BAR: usize = 8;

/// Prints the tree below an object, or below the roots.
pub fn run(args: &TreeArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    interrupt::install()?;
    let (address, dump) = start(args, console)?;
    let (session, manifest) = query::of_dump(dump, &args.graph, console)?;
    let mut sink = plan.open()?;
    print(args, address, &session, &manifest, &plan, &mut sink)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// The object to begin with, and the dump: a word that is not an address can only be a dump.
fn start<'a>(args: &'a TreeArgs, console: &Console) -> Result<(Option<u64>, Option<&'a str>)> {
    let dump = args.dump.as_deref();
    let Some(word) = &args.start else { return Ok((None, dump)) };
    if let Ok(address) = values::address(word) {
        return Ok((Some(address), dump));
    }
    match dump {
        Some(_) => bail!("{word:?} is not an address; write for example @0x7f95a1b0c8d0"),
        None => {
            selection::one(&*selection::open(console)?, Some(word), console)
                .with_context(|| format!("{word:?} is neither an address nor a dump"))?;
            Ok((None, Some(word)))
        }
    }
}

/// Prints the tree to an open sink.
pub fn print(
    args: &TreeArgs,
    address: Option<u64>,
    session: &Session,
    manifest: &Manifest,
    plan: &Plan,
    sink: &mut Sink,
) -> Result<()> {
    let tree = Tree { address, depth: args.depth, children: args.children };
    let tree = tree.answer(session)?;
    if plan.format != Format::Table {
        return plan.print_all_to(&tree.batches, sink);
    }
    let plan = &query::with_short_types(plan, session, &["current"])?;
    let totals = session.totals()?;
    if address.is_none() {
        let objects = human::counted(totals.objects.unsigned_abs(), "object");
        writeln!(sink, "{}: {}, {objects}", manifest.id, human::signed_bytes(totals.bytes))?;
    }
    let depths: Vec<usize> = tree.nodes.iter().map(|node| node.depth).collect();
    let result = match (plan.results(), tree.batches.first()) {
        (Some(results), Some(first)) => {
            let number = results.begin(first.schema_ref());
            for batch in &tree.batches {
                results.keep(number, batch);
            }
            results.end(number);
            Some(number)
        }
        _ => None,
    };
    let width = result.map_or(0, |number| format!("#{number}.{} ", tree.nodes.len()).len());
    let nodes = tree.nodes.iter().zip(prefixes(&depths, address.is_none()));
    for (row, (node, prefix)) in nodes.enumerate() {
        let label = result.map(|number| format!("#{number}.{} ", row + 1)).unwrap_or_default();
        let bar = match plan.has_bars() {
            true => format!("{:BAR$} ", bar(node.retained, totals.bytes, BAR)),
            false => String::new(),
        };
        writeln!(sink, "{label:>width$}{bar}{prefix}{}", in_words(node, totals.bytes, plan.types()))?;
    }
    Ok(())
}

/// `.cache -> dict cache @140... (thread MainThread): 8.6 MiB, 66.0 %, 14,640 objects`.
fn in_words(node: &TreeNode, whole: i64, types: &ShortTypeNames) -> String {
    let type_name = node
        .type_name
        .as_deref()
        .map(|name| escape::line(types.name(name)))
        .unwrap_or("objects of other types".into());
    let what = match node.address {
        Some(address) => {
            let name =
                node.name.as_deref().map(|name| format!(" {}", escape::line(name))).unwrap_or_default();
            let kind = node
                .root_kind
                .as_deref()
                .map(|kind| format!(" ({})", escape::line(kind)))
                .unwrap_or_default();
            let label =
                node.label.as_deref().map(|label| format!("{} -> ", escape::line(label))).unwrap_or_default();
            format!("{label}{type_name}{name} {}{kind}", human::address(address))
        }
        None if node.type_name.is_none() => {
            format!("{} {type_name}", human::count(node.objects.unsigned_abs()))
        }
        None => format!("{} x {type_name}", human::count(node.objects.unsigned_abs())),
    };
    let share = match whole {
        1.. => format!(", {:.1} %", node.retained as f64 * 100.0 / whole as f64),
        _ => String::new(),
    };
    let objects = human::counted(node.retained_count.unsigned_abs(), "object");
    format!("{what}: {}{share}, {objects}", human::signed_bytes(node.retained))
}
/// What stands before each line of a tree: the branches. Without a line above them all, those of depth 0 have none.
pub(super) fn prefixes(depths: &[usize], has_trunk: bool) -> Vec<String> {
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
