//! Capturing a process from outside.
//!
//! ```text
//! folder that both see: script, entry --attach | gdb | sys.remote_exec--> process --fork--> child: dump, answer --> output
//! ```
//!
//! The process reads the script from a folder that is removed afterwards. The script removes from `sys.modules` what it
//! imported.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

#[cfg_attr(target_arch = "x86_64", path = "arch_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch_aarch64.rs")]
mod arch;
mod attach;
mod block;
mod elf;
mod error;
mod exchange;
mod gdb;
mod remote_exec;
mod target;

pub use error::{Error, Stage};

use self::{
    exchange::{Answer, Exchange},
    target::Target,
};

/// How often the answer is looked for, at first and later.
const POLLS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// How long a process may take from the end of our call to the first sign of the script.
const TO_BEGIN: Duration = Duration::from_secs(2);

/// What to capture, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The process.
    pub pid: u32,
    /// The file for the dump; its ending (`.gz`, `.zst`) says how it is compressed.
    pub output: PathBuf,
    /// Values of texts and numbers.
    pub values: Values,
    /// Put lengths and salted hashes in the place of texts.
    pub redact: bool,
    /// Words that names of secrets contain, besides those that the script knows; `None` masks nothing.
    pub masks: Option<Vec<String>>,
    /// A child of the process writes; false: the process itself, and stands still meanwhile.
    pub fork: bool,
    /// How long to wait for the dump.
    pub timeout: Duration,
    /// How the process is called.
    pub via: Via,
}

/// Which values a dump has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// None.
    None,
    /// The first 100 characters of texts.
    Short,
    /// All of them.
    Full,
}

impl Values {
    /// As the script calls them.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Short => "short",
            Self::Full => "full",
        }
    }
}

/// Ways to call into a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `sys.remote_exec` where the process has it, else [`Self::Attach`].
    Best,
    /// ptrace.
    Attach,
    /// gdb.
    Gdb,
}

/// A dump was written.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Objects in the dump.
    pub objects: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// How long the process stood still until it was called, where that is known. Its fork comes on top.
    pub stopped: Option<Duration>,
}

/// The call that was made, and what it left in the process.
enum Call {
    Attached(attach::Block),
    Gdb(Option<u64>),
    Handed,
}

/// Captures a process. `progress` is called when the stage changes; `cancel` is looked at all the time.
///
/// When it returns, nothing is left in the process but what is described above; after a timeout or a cancellation a call
/// that could not be taken back may still be made later, finds its folder gone, and does nothing.
pub fn capture(
    options: &Options,
    progress: &mut dyn FnMut(Stage),
    cancel: &AtomicBool,
) -> Result<Outcome, Error> {
    let target = Target::find(options.pid)?;
    if let Some((major, minor)) = target.version.filter(|version| *version < (3, 8)) {
        return Err(Error::TooOld { pid: target.pid, version: format!("{major}.{minor}") });
    }
    let start = Instant::now();
    let go_on = |stage| match () {
        () if cancel.load(Ordering::Relaxed) => Err(Error::Cancelled),
        () if !target.is_there() => Err(Error::Ended { pid: target.pid }),
        () if start.elapsed() >= options.timeout => {
            Err(Error::Timeout { pid: target.pid, waited: options.timeout, stage })
        }
        () => Ok(()),
    };
    progress(Stage::Attaching);
    let (exchange, call) = match options.via {
        Via::Best if remote_exec::is_possible(&target) => {
            let exchange = Exchange::new(options, &target)?;
            remote_exec::call(&target, &exchange.outside())?;
            (exchange, Call::Handed)
        }
        Via::Best | Via::Attach => {
            let python = elf::python(&target)?;
            let exchange = Exchange::new(options, &target)?;
            let block = attach::attach(&target, &python, &exchange.text(), || go_on(Stage::Attaching))?;
            (exchange, Call::Attached(block))
        }
        Via::Gdb => {
            let exchange = Exchange::new(options, &target)?;
            let page = gdb::call(&target, &exchange.text())?;
            (exchange, Call::Gdb(page))
        }
    };
    let answer = wait(&target, &exchange, &call, progress, go_on);
    let stopped = match call {
        Call::Attached(block) => {
            let stopped = block.stopped;
            block.remove(&target);
            Some(stopped)
        }
        Call::Gdb(page) => {
            // The call that was left there has been made, or never will be needed.
            if let (Some(page), Ok(_)) = (page, &answer) {
                gdb::unmap(&target, page);
            }
            None
        }
        Call::Handed => None,
    };
    let Answer { objects, bytes } = answer?;
    exchange.fetch()?;
    Ok(Outcome { objects, bytes, stopped })
}

/// Waits for the answer.
fn wait(
    target: &Target,
    exchange: &Exchange,
    call: &Call,
    progress: &mut dyn FnMut(Stage),
    go_on: impl Fn(Stage) -> Result<(), Error>,
) -> Result<Answer, Error> {
    let start = Instant::now();
    let mut stage = Stage::Attaching;
    let (mut over_since, mut abandoned_since) = (None, None);
    loop {
        if let Some(answer) = exchange.answer()? {
            return Ok(answer);
        }
        if exchange.is_abandoned() {
            // It may have answered since, or be about to take the lock.
            let since = *abandoned_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= TO_BEGIN {
                let what = "the child that wrote the dump was killed or crashed".to_owned();
                return exchange.answer()?.ok_or(Error::Refused { pid: target.pid, what });
            }
        } else {
            abandoned_since = None;
        }
        let has_begun = exchange.has_begun();
        let ran = match call {
            Call::Attached(block) => block.progress(),
            Call::Gdb(_) | Call::Handed => None,
        };
        let now = match has_begun {
            true => Stage::Writing,
            false => Stage::Left,
        };
        if now != stage {
            stage = now;
            progress(stage);
        }
        if let Some(result) = ran.and_then(|ran| ran.result) {
            let since = *over_since.get_or_insert_with(Instant::now);
            let attach = |what: &str| Err(Error::Attach { pid: target.pid, what: what.to_owned() });
            match result {
                -2 => return attach("its Python has not started, or has ended"),
                0 if has_begun || since.elapsed() < TO_BEGIN => {}
                0 => {
                    let folder = exchange.theirs().to_path_buf();
                    return Err(Error::Folder { pid: target.pid, uid: target.user.uid, folder });
                }
                _ => return attach("its interpreter does not take the call"),
            }
        }
        go_on(stage)?;
        thread::sleep(if start.elapsed() < Duration::from_secs(1) { POLLS.0 } else { POLLS.1 });
    }
}
