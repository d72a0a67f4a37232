//! `heaplake dumps`: what is in the lake, oldest dump first.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::Result;
use arrow::array::RecordBatch;
use heaplake_answers::dump_rows;
use heaplake_store::Manifest;

use crate::{
    args::DumpsArgs,
    console::Console,
    human,
    output::{Columns, Format, Plan, bar},
    selection,
};

/// Columns for people that can be spared where the terminal is narrow: what is stored, format, types, edges, issues, source, tags.
const EXPENDABLE: [&[usize]; 7] = [&[10, 11], &[6], &[5], &[3], &[9], &[8], &[7]];

/// The same where bars follow the sizes.
const EXPENDABLE_OF_BARS: [&[usize]; 8] = [&[11, 12], &[7], &[6], &[3], &[10], &[5], &[9], &[8]];
/// Cells of the bar of the largest dump.
const BAR: usize = 10;

/// Tags that captures bring along.
const OF_CAPTURES: [&str; 5] = ["host", "pid", "python", "rss", "command"];

/// Prints one row per dump.
pub fn run(args: &DumpsArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    let lake = selection::open(console)?;
    let manifests = selection::several(&lake, &args.dumps)?;
    if manifests.is_empty() {
        console.note(&format!("the lake has no dumps yet; import one: {} import FILE", console.command()));
    }
    print(&manifests, &|m| lake.lake().index_bytes(m), &plan, console)
}

/// Bytes of the graph index of a dump.
type IndexBytes<'i> = &'i dyn Fn(&Manifest) -> u64;

fn print(
    manifests: &[Arc<Manifest>],
    index_bytes: IndexBytes<'_>,
    plan: &Plan,
    console: &Console,
) -> Result<ExitCode> {
    if !manifests.is_empty() || plan.format != Format::Table {
        let rows = rows(manifests, index_bytes, plan)?;
        let (rows, mut left_out) = match plan.has_bars() {
            true => plan.fitted(rows, &EXPENDABLE_OF_BARS)?,
            false => plan.fitted(rows, &EXPENDABLE)?,
        };
        // The bars have no name, and say nothing that the sizes do not say.
        left_out.retain(|column| !column.is_empty());
        plan.print(&rows)?;
        console.note_left_out(&left_out);
    }
    Ok(ExitCode::SUCCESS)
}

/// One row per dump, as suits the format.
fn rows(manifests: &[Arc<Manifest>], index_bytes: IndexBytes<'_>, plan: &Plan) -> Result<RecordBatch> {
    match plan.format {
        Format::Table => for_people(manifests, index_bytes, plan.has_bars()),
        _ => Ok(dump_rows(manifests, index_bytes)?),
    }
}

fn for_people(
    manifests: &[Arc<Manifest>],
    index_bytes: IndexBytes<'_>,
    has_bars: bool,
) -> Result<RecordBatch> {
    let each = || manifests.iter();
    let largest = each().map(|m| m.counts.bytes).max().unwrap_or(0);
    let mut columns = Columns::default()
        .name("id", each().map(|m| m.id.to_string()))
        .quantity("taken (UTC)", each().map(|m| m.taken.format("%Y-%m-%d %H:%M").to_string()))
        .count("objects", each().map(|m| m.counts.objects))
        .count("edges", each().map(|m| m.counts.edges))
        .quantity("size", each().map(|m| human::signed_bytes(m.counts.bytes)));
    if has_bars {
        columns = columns.name("", each().map(|m| bar(m.counts.bytes, largest, BAR)));
    }
    Ok(columns
        .count("types", each().map(|m| m.counts.types))
        .text("format", each().map(|m| m.source.format.clone()))
        .text("tags", each().map(|m| tags_in_words(&m.all_tags())))
        .text("source", each().map(|m| m.source.file.clone()))
        .count("issues", each().map(|m| m.issues.values().sum()))
        .quantity("tables", each().map(|m| stored(m)))
        .quantity("index", each().map(|m| human::bytes(index_bytes(m))))
        .batch()?)
}

fn stored(manifest: &Manifest) -> String {
    let pruned = if manifest.pruned.is_some() { ", pruned" } else { "" };
    format!("{}{pruned}", human::bytes(manifest.stored_bytes()))
}

/// `version=17, host=web3`: what somebody has said of the dump first, then what it says of itself, the longest last.
pub fn tags_in_words(tags: &BTreeMap<String, String>) -> String {
    let rank = |key: &str| OF_CAPTURES.iter().position(|other| *other == key).map_or(0, |at| at + 1);
    let mut tags: Vec<_> = tags.iter().collect();
    tags.sort_by_key(|(key, _)| rank(key));
    let words: Vec<_> = tags.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    words.join(", ")
}
