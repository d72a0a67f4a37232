//! Ctrl-C, SIGTERM and SIGHUP: the first asks the running command to stop and tidy up, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use tokio::sync::Notify;

// Signals come to the process as a whole, so their state belongs to it as well.
static INSTALLED: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);
static WAKE: Notify = Notify::const_new();

/// The command was stopped by the user.
#[derive(Debug)]
pub struct Interrupted {
    /// What became of the work.
    pub outcome: &'static str,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped; {}", self.outcome)
    }
}

impl std::error::Error for Interrupted {}

/// Catches the signals from now on. For commands that look at [`requested`]; all others just end at the first one.
pub fn install() -> anyhow::Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(crate::INTERRUPTED.into());
        }
        WAKE.notify_one();
    })
    .context("cannot watch for Ctrl-C")
}

/// Whether the user wants the command to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// The same as a flag for libraries to poll.
pub fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Returns when the user wants the command to stop.
pub async fn wait() {
    if !requested() {
        WAKE.notified().await;
    }
}
