//! `heaplake capture`: prints the capture script, or captures a process from outside.

use std::{
    io::Write as _,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use heaplake_capture::{Error, Options, SCRIPT, Stage, Values, Via};
use heaplake_remote::Location;

use super::{import, import_store};
use crate::{
    args::{CaptureArgs, CaptureHow, CapturePythonArgs, CaptureValues, CaptureVia, ImportArgs},
    console::{Console, LakeChoice},
    human,
    interrupt::{self, Interrupted},
    output::Sink,
};

/// Prints the script, or captures a process.
pub fn run(args: CaptureArgs, console: &Console) -> Result<ExitCode> {
    match args.how {
        CaptureHow::Script => script(),
        CaptureHow::Python(args) => python(&args, console),
    }
}

fn script() -> Result<ExitCode> {
    let mut sink = Sink::stdout();
    sink.write_all(SCRIPT.as_bytes())?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

fn python(args: &CapturePythonArgs, console: &Console) -> Result<ExitCode> {
    interrupt::install()?;
    if let Some(lake) =
        args.import_to.as_deref().and_then(Path::to_str).filter(|lake| Location::is_meant(lake))
    {
        // Before the process is disturbed.
        import_store::check_target(&Location::parse(lake)?, args.dump.as_deref(), args.replace)?;
    }
    let options = Options {
        pid: args.pid,
        output: args.output.clone(),
        values: match args.values {
            CaptureValues::None => Values::None,
            CaptureValues::Short => Values::Short,
            CaptureValues::Full => Values::Full,
        },
        redact: args.redact,
        masks: (!args.no_masks).then(|| args.masks.clone()),
        fork: !args.no_fork,
        timeout: Duration::from_secs(args.timeout),
        via: match args.via {
            None => Via::Best,
            Some(CaptureVia::Attach) => Via::Attach,
            Some(CaptureVia::Gdb) => Via::Gdb,
        },
    };
    let start = Instant::now();
    let outcome = heaplake_capture::capture(&options, &mut |_| {}, interrupt::flag()).map_err(worded)?;
    let stopped =
        outcome.stopped.map(|stopped| format!(" (stopped for {} to call it)", human::duration(stopped)));
    console.note(&format!(
        "{}: {} of process {}, {}, in {}{}",
        args.output.display(),
        human::counted(outcome.objects, "object"),
        args.pid,
        human::bytes(outcome.bytes),
        human::duration(start.elapsed()),
        stopped.unwrap_or_default(),
    ));
    match &args.import_to {
        None => Ok(ExitCode::SUCCESS),
        Some(lake) => {
            let console = Console { lake: LakeChoice::Flag(lake.clone()), ..console.clone() };
            let import = ImportArgs {
                dump: args.dump.clone(),
                tags: args.tags.clone(),
                replace: args.replace,
                shared: args.shared,
                ..ImportArgs::of(args.output.clone())
            };
            match console.lake.in_store() {
                Some(lake) => import_store::run(import, lake, &console),
                None => import::run(import, &console),
            }
        }
    }
}

/// The error with what helps.
fn worded(error: Error) -> anyhow::Error {
    const SCRIPT_INSTEAD: &str = "let the program install the script itself: heaplake capture script";
    let what = match &error {
        Error::Cancelled => return Interrupted { outcome: "no dump was written" }.into(),
        Error::Platform => "in the process itself the script works: heaplake capture script".to_owned(),
        Error::NotPermitted { .. } => format!(
            "run heaplake as root or as the user of the process. Where /proc/sys/kernel/yama/ptrace_scope is not 0 only \
             root may; a container needs --cap-add SYS_PTRACE. Or {SCRIPT_INSTEAD}"
        ),
        Error::Traced { .. } => "one tracer at a time can be attached: let that one detach first".to_owned(),
        Error::NoGdb { .. } => "leave --via out: a process is captured without gdb".to_owned(),
        Error::Folder { .. } => "choose a folder that the user of the process may enter".to_owned(),
        Error::Timeout { stage: Stage::Attaching | Stage::Left, .. } => {
            format!("--timeout waits longer; or {SCRIPT_INSTEAD}")
        }
        Error::Timeout { .. } => "--timeout waits longer".to_owned(),
        Error::NotPython { .. } => SCRIPT_INSTEAD.to_owned(),
        _ => return error.into(),
    };
    anyhow!("{error}; {what}")
}
