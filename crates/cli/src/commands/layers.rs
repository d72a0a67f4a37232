//! `heaplake layers`: the what-if layers of the lake.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Result, bail};
use heaplake_model::DumpId;
use heaplake_store::{Error, Lake, Manifest};

use crate::{
    args::LayersArgs,
    console::Console,
    output::{Columns, Plan},
    selection,
};

/// Lists or removes layers.
pub fn run(args: &LayersArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    let lake = console.open_lake()?;
    let mut manifests = match &args.dump {
        Some(dump) => vec![selection::one(&lake.snapshot(), Some(dump), console)?],
        None => lake.manifests()?,
    };
    if args.remove.is_empty() {
        return list(&lake, &manifests, &plan);
    }
    let Some(manifest) = manifests.pop() else {
        bail!("the lake has no dumps yet; import one: {} import FILE", console.command());
    };
    for name in &args.remove {
        let removed = match name.parse::<DumpId>() {
            Ok(id) => lake.remove_layer(&manifest, &id)?,
            Err(_) => false,
        };
        if !removed {
            let names = lake.layers(&manifest.id)?.into_iter().map(|layer| layer.name.to_string()).collect();
            return Err(Error::NoSuchLayer { dump: manifest.id.clone(), name: name.clone(), names }.into());
        }
        console.note(&format!("removed the layer {name} of {}", manifest.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(lake: &Lake, manifests: &[Arc<Manifest>], plan: &Plan) -> Result<ExitCode> {
    let mut layers = Vec::new();
    for manifest in manifests {
        layers.extend(lake.layers(&manifest.id)?);
    }
    let columns = Columns::default()
        .text("dump", layers.iter().map(|layer| layer.dump.to_string()))
        .text("layer", layers.iter().map(|layer| layer.name.to_string()))
        .time("saved", layers.iter().map(|layer| layer.saved))
        .count("objects_gone", layers.iter().map(|layer| layer.objects))
        .number("bytes_gone", layers.iter().map(|layer| Some(layer.bytes)))
        .text("cuts", layers.iter().map(|layer| layer.cuts.join("; ")));
    plan.print(&columns.batch()?)?;
    Ok(ExitCode::SUCCESS)
}
