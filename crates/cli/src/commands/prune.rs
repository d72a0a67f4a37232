//! `heaplake prune`: makes old dumps go, or leaves only what they come to.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::{Result, bail};
use chrono::Utc;
use heaplake_store::{Lake, Manifest};

use crate::{args::PruneArgs, console::Console, human, selection};

/// Prunes what is too old or too many.
pub fn run(args: &PruneArgs, console: &Console) -> Result<ExitCode> {
    let lake = Lake::open_to_write(console.lake.path())?;
    let selected = selection::several(&lake.snapshot(), &args.dumps)?;
    if let Some(key) = args.per.as_ref().filter(|key| selected.iter().all(|dump| dump.tag(key).is_none())) {
        bail!("none of these dumps has a tag {key:?}");
    }
    let going = going(args, &selected);
    let (mut n_pruned, mut freed) = (0_u64, 0_u64);
    for manifest in going {
        // What is pruned already has nothing more to give but its summaries.
        if args.keep_summaries && manifest.pruned.is_some() {
            continue;
        }
        let kept = if args.keep_summaries { manifest.summary_bytes() } else { 0 };
        let bytes = manifest.stored_bytes() - kept;
        let taken = manifest.taken.format("%Y-%m-%d %H:%M UTC");
        let what = match (args.dry_run, args.keep_summaries) {
            (true, true) => "would go but for its summaries",
            (true, false) => "would go",
            (false, true) => "objects and references are gone, summaries stay",
            (false, false) => "gone",
        };
        match (args.dry_run, args.keep_summaries) {
            (true, _) => {}
            (false, true) => drop(lake.prune(manifest)?),
            (false, false) => lake.remove_unchanged(manifest)?,
        }
        console.note(&format!("{}, taken {taken}: {what}, {}", manifest.id, human::bytes(bytes)));
        n_pruned += 1;
        freed += bytes;
    }
    let verb = if args.dry_run { "would be pruned" } else { "pruned" };
    console.note(&format!("{} {verb}, {} of tables", human::counted(n_pruned, "dump"), human::bytes(freed)));
    Ok(ExitCode::SUCCESS)
}

/// The dumps that are too old, or not among the newest, oldest first.
fn going<'m>(args: &PruneArgs, manifests: &'m [Arc<Manifest>]) -> Vec<&'m Manifest> {
    let manifests = manifests.iter().map(Arc::as_ref);
    if let Some(age) = args.older_than {
        let now = Utc::now();
        return manifests.filter(|manifest| now - manifest.taken > age).collect();
    }
    let keep = args.keep_last.unwrap_or(u32::MAX) as usize;
    // By the value of the tag; those that do not have it are a group of their own.
    let mut groups: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let mut going: Vec<&Manifest> = manifests
        .rev()
        .filter(|manifest| {
            let value = args.per.as_ref().and_then(|key| manifest.tag(key));
            let n_newer = groups.entry(value).or_default();
            *n_newer += 1;
            *n_newer > keep
        })
        .collect();
    going.reverse();
    going
}
