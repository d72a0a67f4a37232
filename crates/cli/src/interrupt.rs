//! Ctrl-C, SIGTERM and SIGHUP: the first asks the running command to stop and tidy up, the second ends the process.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;
use futures::FutureExt as _;
use tokio::sync::Notify;

// Signals come to the process as a whole, so their state belongs to it as well.
static INSTALLED: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);
/// A shell goes on after a command was stopped, as often as the user wants.
static IN_SHELL: AtomicBool = AtomicBool::new(false);
/// At the prompt of a shell SIGTERM and SIGHUP end it; Ctrl-C never does.
static AT_PROMPT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
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

/// Whether an error says that the user stopped the command.
pub fn is_cause(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>()
        || matches!(error.downcast_ref(), Some(heaplake_engine::Error::Cancelled))
        || matches!(error.downcast_ref(), Some(heaplake_store::Error::Cancelled))
}

/// Catches the signals from now on. For commands that look at [`requested`]; all others just end at the first one.
pub fn install() -> anyhow::Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        if again && !IN_SHELL.load(Ordering::SeqCst) {
            std::process::exit(crate::INTERRUPTED.into());
        }
        WAKE.notify_one();
    })
    .context("cannot watch for Ctrl-C")
}

/// From now on the first signal stops a command, and the process goes on.
pub fn enter_shell() -> anyhow::Result<()> {
    IN_SHELL.store(true, Ordering::SeqCst);
    install()?;
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        let at_prompt = Arc::clone(&AT_PROMPT);
        signal_hook::flag::register_conditional_shutdown(signal, crate::INTERRUPTED.into(), at_prompt)
            .context("cannot watch for signals")?;
    }
    Ok(())
}

/// Says whether the user is asked for a command right now.
pub fn set_at_prompt(at_prompt: bool) {
    AT_PROMPT.store(at_prompt, Ordering::SeqCst);
}

/// Forgets that the user wanted the last command to stop.
pub fn reset() {
    REQUESTED.store(false, Ordering::SeqCst);
    // A wake-up that nobody waited for.
    let _ = WAKE.notified().now_or_never();
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
