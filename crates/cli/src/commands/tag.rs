//! `heaplake tag`: says more of dumps that are in the lake already.

use std::process::ExitCode;

use anyhow::{Result, bail};
use heaplake_store::DumpEdit;

use super::dumps::tags_in_words;
use crate::{args::TagArgs, console::Console, selection};

/// Changes tags and times of the selected dumps.
pub fn run(args: &TagArgs, console: &Console) -> Result<ExitCode> {
    if args.tags.is_empty() && args.unset.is_empty() && args.taken.is_none() {
        bail!("what to say? For example: {} tag {} host=web3", console.command(), args.dump);
    }
    let lake = console.open_lake_to_write()?;
    let facts =
        DumpEdit { tags: args.tags.iter().cloned().collect(), unset: args.unset.clone(), taken: args.taken };
    for manifest in selection::several(&lake.snapshot(), std::slice::from_ref(&args.dump))? {
        let tagged = lake.state(&manifest.id, &facts)?;
        let tags = tagged.all_tags();
        let tags = if tags.is_empty() { "no tags".to_owned() } else { tags_in_words(&tags) };
        let taken = tagged.taken.format("%Y-%m-%d %H:%M:%S UTC");
        console.note(&format!("{}: taken {taken}; {tags}", tagged.id));
    }
    Ok(ExitCode::SUCCESS)
}
