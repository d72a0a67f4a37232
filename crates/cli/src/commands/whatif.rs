//! `heaplake whatif`: exactly what would be freed if some objects or references were gone.

use std::{io::Write as _, process::ExitCode, slice};

use anyhow::{Context as _, Result};
use heaplake_answers::{Session, Whatif};
use heaplake_model::DumpId;
use heaplake_remote::{Location, RemoteLake};
use heaplake_store::Manifest;

use crate::{
    args::{DumpChoice, WhatifArgs},
    commands::{in_folder, pull},
    console::Console,
    human, interrupt,
    output::{Format, Plan, Sink},
    query, selection,
};

/// Prints what would be freed, by type, and what would remain.
pub fn run(args: &WhatifArgs, console: &Console) -> Result<ExitCode> {
    match console.lake.in_store().filter(|_| args.save.is_some() && console.shell.is_none()) {
        Some(address) => run_in_store(args, address, console),
        None => run_in_lake(args, console, &console.command()),
    }
}

/// Saves the layer of a dump in an object store.
fn run_in_store(args: &WhatifArgs, address: &str, console: &Console) -> Result<ExitCode> {
    let manifests = selection::open(console)?;
    let id = selection::one(&manifests, args.dump.selector(), console)?.id.to_string();
    let remote = RemoteLake::open(&Location::parse(address)?)?;
    let dumps = pull::select(&remote, slice::from_ref(&id), console)?;
    let dump = dumps.first().with_context(|| format!("{id} was removed meanwhile"))?;
    let dump_choice = DumpChoice { dump: None, dump_option: Some(id) };
    let args = WhatifArgs { dump: dump_choice, ..args.clone() };
    in_folder::change(&remote, dump, console, |here| run_in_lake(&args, here, &console.command()))
}

/// `command` is how to ask the lake, for the note.
fn run_in_lake(args: &WhatifArgs, console: &Console, command: &str) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    interrupt::install()?;
    let (session, manifest) = query::of_dump(args.dump.selector(), &args.graph, console)?;
    let name = args.save.as_deref().map(str::parse::<DumpId>).transpose().context("cannot save the layer")?;
    let mut sink = plan.open()?;
    print(args, &session, &manifest, &plan, &mut sink, console)?;
    sink.commit()?;
    if let Some(name) = name {
        let layer = session.save_layer(&name, &args.cuts)?;
        console.note(&format!(
            "saved as the layer {}; ask it with --layer: {} top {} --layer {}",
            layer.name, command, layer.dump, layer.name
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints to an open sink what would be freed.
pub fn print(
    args: &WhatifArgs,
    session: &Session,
    manifest: &Manifest,
    plan: &Plan,
    sink: &mut Sink,
    console: &Console,
) -> Result<()> {
    let answer = Whatif { cuts: args.cuts.clone(), allow_missing: args.allow_missing }.answer(session)?;
    let (objects, bytes, totals) = (answer.objects, answer.bytes, answer.totals);
    let of = args.graph.layer.as_deref().map(|layer| format!(" ({layer})")).unwrap_or_default();
    let summary = format!(
        "{}{of}: would free {} of {} ({} of {}); {} would remain",
        manifest.id,
        human::count(objects.unsigned_abs()),
        human::counted(totals.objects.unsigned_abs(), "object"),
        human::signed_bytes(bytes),
        human::signed_bytes(totals.bytes),
        human::signed_bytes(totals.bytes.saturating_sub(bytes)),
    );
    match plan.format {
        Format::Table => writeln!(sink, "{summary}")?,
        _ => console.note(&summary),
    }
    if plan.format != Format::Table || objects > 0 {
        let plan = query::with_short_types(plan, session, &["current"])?;
        plan.print_all_to(&answer.batches, sink)?;
    }
    Ok(())
}
