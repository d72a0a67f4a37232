//! Ctrl-C, SIGTERM and SIGHUP: the first asks the running command to stop and tidy up, the second ends the process.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;
use heaplake_answers::CancelToken;

// Signals come to the process as a whole, so their state belongs to it as well.
static INSTALLED: AtomicBool = AtomicBool::new(false);
static TOKEN: LazyLock<CancelToken> = LazyLock::new(CancelToken::new);
/// A shell goes on after a command was stopped, as often as the user wants.
static IN_SHELL: AtomicBool = AtomicBool::new(false);
/// At the prompt of a shell SIGTERM and SIGHUP end it; Ctrl-C never does.
static AT_PROMPT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

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
        || error.downcast_ref().is_some_and(heaplake_answers::Error::is_cancelled)
        || matches!(error.downcast_ref(), Some(heaplake_engine::Error::Cancelled))
        || matches!(error.downcast_ref(), Some(heaplake_store::Error::Cancelled))
        || error.downcast_ref().is_some_and(heaplake_remote::Error::is_cancelled)
}

/// What became of the work that the user stopped.
pub fn outcome(error: &anyhow::Error) -> String {
    match error.downcast_ref() {
        Some(heaplake_answers::Error::Cancelled) => {
            Interrupted { outcome: "the query is not complete" }.to_string()
        }
        _ => error.to_string(),
    }
}

/// Catches the signals from now on. For commands that look at [`requested`]; all others just end at the first one.
pub fn install() -> anyhow::Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        let again = TOKEN.is_cancelled();
        TOKEN.cancel();
        if again && !IN_SHELL.load(Ordering::SeqCst) {
            std::process::exit(crate::INTERRUPTED.into());
        }
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
    TOKEN.reset();
}

/// Whether the user wants the command to stop.
pub fn requested() -> bool {
    TOKEN.is_cancelled()
}

/// The same as a flag for libraries to poll.
pub fn flag() -> &'static AtomicBool {
    TOKEN.flag()
}

/// The same as a token for libraries to wait for.
pub fn token() -> &'static CancelToken {
    &TOKEN
}
