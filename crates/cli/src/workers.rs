//! The workers that the command line or the lake names, and the program that can reach them.
//!
//! The parts of a cluster are many crates, which a lake on one machine does not need. So they are in a binary of their own, which is the
//! same command otherwise. Where they are needed, `heaplake` becomes the other program.

use std::{env, ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use heaplake_store::LakePath;

use crate::{
    args::Invocation,
    cluster::{ClusterParts, NamedWorkers},
    console::Console,
    values,
};

/// The binary with the parts of a cluster.
const BINARY: &str = "heaplake-cluster";
/// How many bytes of tables a thread of a worker gets at least; a statement over fewer takes fewer workers.
const SHARE: &str = "HEAPLAKE_CLUSTER_SHARE";
const USUAL_SHARE: usize = 1 << 20;
/// In the place of addresses: those that the lake names.
const OF_LAKE: &str = "lake";

/// Makes the workers that the command line names known to the console. Without the parts for it the process becomes
/// `heaplake-cluster`, and does not come back.
pub fn enter(parts: Option<&ClusterParts>, invocation: &Invocation, console: &mut Console) -> Result<()> {
    let Some(parts) = parts else {
        return match matches!(invocation, Invocation::Worker(_)) || console.workers.is_some() {
            true => hand_over(),
            false => Ok(()),
        };
    };
    let Some(named) = console.workers.take() else { return Ok(()) };
    let workers = match named.addresses.trim() {
        OF_LAKE if asks_no_lake(invocation) => return Ok(()),
        OF_LAKE => of_lake(&named, console)?,
        _ => named,
    };
    console.cluster = Some((parts.connect)(&workers, share()?)?);
    console.workers = Some(workers);
    console.parts = Some(*parts);
    Ok(())
}

/// Whether a command does nothing that workers could do, or has a lake of its own.
fn asks_no_lake(invocation: &Invocation) -> bool {
    use Invocation as I;
    matches!(
        invocation,
        I::Worker(_) | I::Capture(_) | I::Push(_) | I::Pull(_) | I::Sweep(_) | I::Demo | I::Completions(_)
    )
}

/// The workers that the lake names. It is read only where somebody asks for it: who may write to the lake can name any host.
fn of_lake(named: &NamedWorkers, console: &Console) -> Result<NamedWorkers> {
    let lake = console.open_lake()?;
    let (file, place) = (LakePath::workers(), console.lake.path().display());
    let Some(workers) = lake.workers()? else {
        bail!("{} {OF_LAKE}: {place} has no {file}, which would name its workers", named.origin);
    };
    Ok(NamedWorkers { addresses: workers.join(","), origin: format!("{file} of {place}"), must_prove: true })
}

fn share() -> Result<usize> {
    match env::var(SHARE).ok().filter(|size| !size.is_empty()) {
        Some(size) => {
            let bytes = values::size(&size).map_err(anyhow::Error::msg).context(SHARE)?;
            Ok(usize::try_from(bytes).unwrap_or(usize::MAX).max(1))
        }
        None => Ok(USUAL_SHARE),
    }
}

fn hand_over() -> Result<()> {
    let Some(binary) = binary() else {
        bail!(
            "workers need {BINARY}, which is not beside this program: cargo build --release -p {BINARY} builds it"
        );
    };
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let mut command = Command::new(&binary);
    command.args(arguments);
    #[cfg(unix)]
    {
        let error = std::os::unix::process::CommandExt::exec(&mut command);
        Err(error).with_context(|| format!("cannot run {}", binary.display()))
    }
    #[cfg(not(unix))]
    {
        let status = command.status().with_context(|| format!("cannot run {}", binary.display()))?;
        std::process::exit(status.code().unwrap_or(crate::ERROR.into()));
    }
}

/// The other binary, beside this one.
fn binary() -> Option<PathBuf> {
    let beside = env::current_exe().ok()?.parent()?.join(format!("{BINARY}{}", env::consts::EXE_SUFFIX));
    beside.is_file().then_some(beside)
}
