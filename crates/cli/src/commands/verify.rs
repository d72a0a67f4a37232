//! `heaplake verify`: are the files of the dumps what was imported, and can the others be read? One line per sound dump, one per
//! finding.

use std::{io::Write as _, process::ExitCode, sync::Arc};

use anyhow::Result;
use heaplake_store::{Error, Lake, Manifest};

use crate::{
    NO,
    args::VerifyArgs,
    console::{Console, shell_quoted},
    escape, human,
    interrupt::{self, Interrupted},
    output::Sink,
    remedy, selection,
};

/// Checks the dumps; the answer is no when anything is found.
pub fn run(args: &VerifyArgs, console: &Console) -> Result<ExitCode> {
    let lake = console.open_lake_afresh()?;
    interrupt::install()?;
    let mut sink = Sink::stdout();
    if lake.is_readable_by_others() {
        console.note(&format!(
            "other users of this machine can read the lake; to make it private: chmod -R go= {}",
            escape::line(&shell_quoted(&console.lake.path().to_string_lossy()))
        ));
    }
    let manifests = lake.snapshot();
    let mut is_sound = match manifests.all() {
        Ok([]) if args.dumps.is_empty() => {
            console.note("the lake has no dumps");
            true
        }
        Ok(_) => verify_each(&lake, &selection::several(&manifests, &args.dumps)?, &mut sink)?,
        // A manifest that cannot be read is a finding too; the dumps behind it cannot be looked at.
        Err(Error::Damaged { path, what }) => {
            writeln!(sink, "{}", escape::line(&format!("{}: {what}", path.display())))?;
            false
        }
        Err(error) => return Err(error.into()),
    };
    if args.dumps.is_empty() {
        for finding in lake.verify_lake()? {
            writeln!(sink, "{}", escape::line(&format!("{}: {}", finding.path, finding.what)))?;
            is_sound = false;
        }
    }
    sink.commit()?;
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn verify_each(lake: &Lake, manifests: &[Arc<Manifest>], sink: &mut Sink) -> Result<bool> {
    let mut is_sound = true;
    for manifest in manifests {
        let findings = match lake.verify(manifest, interrupt::flag()) {
            Err(_) if interrupt::requested() => {
                return Err(Interrupted { outcome: "not every file was checked" }.into());
            }
            findings => findings?,
        };
        if findings.is_empty() {
            let files = human::counted(manifest.files.len() as u64, "file");
            writeln!(sink, "{}: ok, {files}, {}", manifest.id, human::bytes(manifest.stored_bytes()))?;
        }
        for finding in &findings {
            let mut text = format!("{}: {}: {}", manifest.id, finding.path, finding.what);
            if let Some(remedy) = &finding.remedy {
                text += &format!("; {}", remedy::worded(remedy));
            }
            writeln!(sink, "{}", escape::line(&text))?;
        }
        sink.flush()?;
        is_sound &= findings.is_empty();
    }
    Ok(is_sound)
}
