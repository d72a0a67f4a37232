//! A token with which a caller stops work that is under way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Stops work from another thread. Clones are the same token; work polls it or waits for it.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: AtomicBool,
    wake: Notify,
}

impl Cancel {
    /// Stops the work. Safe to call from any thread, and more than once.
    pub fn cancel(&self) {
        self.shared.is_cancelled.store(true, Ordering::SeqCst);
        self.shared.wake.notify_waiters();
    }

    /// Makes the token usable for other work.
    pub fn reset(&self) {
        self.shared.is_cancelled.store(false, Ordering::SeqCst);
    }

    /// Whether the work is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_cancelled.load(Ordering::SeqCst)
    }

    /// The same as a flag for loops to poll.
    pub fn flag(&self) -> &AtomicBool {
        &self.shared.is_cancelled
    }

    /// Returns when the work is to stop.
    pub(crate) async fn cancelled(&self) {
        // Registered before the flag is read, so that a call in between is not lost.
        let wake = self.shared.wake.notified();
        tokio::pin!(wake);
        wake.as_mut().enable();
        if !self.is_cancelled() {
            wake.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken_before_and_after() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("threads");
        let token = Cancel::default();
        let waiting = token.clone();
        let waiter = runtime.spawn(async move { waiting.cancelled().await });
        token.cancel();
        runtime.block_on(waiter).expect("woken");
        runtime.block_on(token.cancelled());
        token.reset();
        assert!(!token.is_cancelled());
    }
}
