//! A bar while a command waits for what comes from an object store. On terminals only.
//!
//! It is shown by a thread of its own, because what needs the bytes waits deep in a scan. Output goes before it: once the rows of a
//! command are on the terminal there is no bar until the next command of a shell.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use heaplake_remote::ReceiveProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two looks at the progress.
const TICK: Duration = Duration::from_millis(100);
/// What takes less needs no bar.
const PATIENCE: Duration = Duration::from_millis(400);
const TEMPLATE: &str = "receiving [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// There is one terminal.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);
/// Whether rows are on the terminal, so that a bar would be between them.
static GIVES_WAY: AtomicBool = AtomicBool::new(false);
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Shows from now on what comes, if standard error is a terminal.
pub fn watch(progress: &Arc<ReceiveProgress>) {
    if !std::io::stderr().is_terminal() || IS_WATCHED.swap(true, Relaxed) {
        return;
    }
    let progress = Arc::clone(progress);
    let mut since = None;
    // Without the thread there is no bar.
    let _ = thread::Builder::new().name("progress".to_owned()).spawn(move || {
        loop {
            thread::sleep(TICK);
            since = step(&progress, since);
        }
    });
}

/// When the present wait began, and what had come by then.
type Waiting = Option<(Instant, u64)>;

fn step(progress: &ReceiveProgress, since: Waiting) -> Waiting {
    let (done, asked) = (progress.done_bytes.load(Relaxed), progress.asked_bytes.load(Relaxed));
    let mut shown = shown();
    if done >= asked {
        clear(&mut shown);
        return None;
    }
    let (start, before) = since.unwrap_or_else(|| (Instant::now(), done));
    if start.elapsed() >= PATIENCE && !GIVES_WAY.load(Relaxed) {
        let bar = shown.get_or_insert_with(bar);
        bar.set_length(asked - before);
        bar.set_position(done - before);
    }
    Some((start, before))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is constant and valid; a bar that looks wrong would still be no reason to fail.
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Writes something to standard error without the bar, which comes again if there is still something to wait for.
pub fn hidden(write: impl FnOnce()) {
    let mut shown = shown();
    clear(&mut shown);
    write();
}

/// Takes the bar away for what is written to standard output, if that is the same terminal.
pub fn give_way() {
    if IS_WATCHED.load(Relaxed) && !GIVES_WAY.load(Relaxed) && std::io::stdout().is_terminal() {
        GIVES_WAY.store(true, Relaxed);
        clear(&mut shown());
    }
}

/// The next command of a shell has written nothing yet.
pub fn resume() {
    GIVES_WAY.store(false, Relaxed);
}

fn clear(shown: &mut Option<ProgressBar>) {
    if let Some(bar) = shown.take() {
        bar.finish_and_clear();
    }
}

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn a_wait_begins_and_ends() {
        let progress = ReceiveProgress::default();
        assert_eq!(step(&progress, None), None);
        progress.asked_bytes.store(100, Relaxed);
        progress.done_bytes.store(40, Relaxed);
        let waiting = step(&progress, None);
        assert_eq!(waiting.map(|(_, before)| before), Some(40));
        progress.done_bytes.store(70, Relaxed);
        assert_eq!(step(&progress, waiting), waiting);
        progress.done_bytes.store(100, Relaxed);
        assert_eq!(step(&progress, waiting), None);
    }
}
