//! `heaplake prune`: makes old dumps go, or leaves only what they come to.

use std::process::ExitCode;

use anyhow::Result;
use chrono::Utc;
use heaplake_answers::Prune;

use crate::{args::PruneArgs, console::Console, human, selection};

/// Prunes what is too old or too many.
pub fn run(args: &PruneArgs, console: &Console) -> Result<ExitCode> {
    let lake = console.open_lake_to_write()?;
    let selected = selection::several(&lake.snapshot(), &args.dumps)?;
    let prune = Prune {
        older_than: args.older_than,
        keep_last: args.keep_last,
        per: args.per.clone(),
        keep_summaries: args.keep_summaries,
    };
    let (mut n_pruned, mut freed, mut of_index) = (0_u64, 0_u64, 0_u64);
    for pruned in prune.plan(&selected, &lake, Utc::now())? {
        if !args.dry_run {
            prune.apply(&pruned, &lake)?;
        }
        let what = match (args.dry_run, args.keep_summaries) {
            (true, true) => "would be removed but for its summaries",
            (true, false) => "would be removed",
            (false, true) => "objects and references are removed, summaries stay",
            (false, false) => "removed",
        };
        let manifest = &pruned.manifest;
        let taken = manifest.taken.format("%Y-%m-%d %H:%M UTC");
        console.note(&format!(
            "{}, taken {taken}: {what}, {}",
            manifest.id,
            human::bytes(pruned.table_bytes + pruned.index_bytes)
        ));
        n_pruned += 1;
        freed += pruned.table_bytes;
        of_index += pruned.index_bytes;
    }
    let verb = if args.dry_run { "would be pruned" } else { "pruned" };
    console.note(&format!(
        "{} {verb}: {} of tables and {} of graph index",
        human::counted(n_pruned, "dump"),
        human::bytes(freed),
        human::bytes(of_index)
    ));
    Ok(ExitCode::SUCCESS)
}
