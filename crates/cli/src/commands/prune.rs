//! `heaplake prune`: makes old dumps go, or leaves only what they come to.

use std::process::ExitCode;

use anyhow::Result;
use chrono::Utc;
use heaplake_answers::{Lake, Prune};

use crate::{args::PruneArgs, console::Console, human, selection};

/// Prunes what is too old or too many.
pub fn run(args: &PruneArgs, console: &Console) -> Result<ExitCode> {
    let lake = Lake::open_to_write(console.lake.path())?;
    let selected = selection::several(&lake.snapshot(), &args.dumps)?;
    let prune = Prune {
        older_than: args.older_than,
        keep_last: args.keep_last,
        per: args.per.clone(),
        keep_summaries: args.keep_summaries,
    };
    let (mut n_pruned, mut freed) = (0_u64, 0_u64);
    for pruned in prune.plan(&selected, Utc::now())? {
        if !args.dry_run {
            prune.apply(&pruned, &lake)?;
        }
        let what = match (args.dry_run, args.keep_summaries) {
            (true, true) => "would go but for its summaries",
            (true, false) => "would go",
            (false, true) => "objects and references are gone, summaries stay",
            (false, false) => "gone",
        };
        let manifest = &pruned.manifest;
        let taken = manifest.taken.format("%Y-%m-%d %H:%M UTC");
        console.note(&format!("{}, taken {taken}: {what}, {}", manifest.id, human::bytes(pruned.bytes)));
        n_pruned += 1;
        freed += pruned.bytes;
    }
    let verb = if args.dry_run { "would be pruned" } else { "pruned" };
    console.note(&format!("{} {verb}, {} of tables", human::counted(n_pruned, "dump"), human::bytes(freed)));
    Ok(ExitCode::SUCCESS)
}
