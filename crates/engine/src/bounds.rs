//! What ends a statement before its last row: a token that stops it, a deadline, and limits of its rows.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray as _},
    datatypes::DataType,
    record_batch::RecordBatch,
};
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::Notify;

use crate::{Error, Result, error::Limit};

/// Rows as they come.
pub type AnswerStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Stops the statements of a session, from any thread. Clones of it are the same token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    is_cancelled: AtomicBool,
    wake: Notify,
}

impl CancelToken {
    /// A token that stops nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops what the token was given to, now and from now on.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        self.0.wake.notify_waiters();
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// Makes the token usable for other work.
    pub fn reset(&self) {
        self.0.is_cancelled.store(false, Ordering::SeqCst);
    }

    /// The same as a flag for loops to poll.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.is_cancelled
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        loop {
            let mut woken = std::pin::pin!(self.0.wake.notified());
            // From here on no call is missed, so that the flag is looked at after it.
            woken.as_mut().enable();
            if self.is_cancelled() {
                return;
            }
            woken.await;
        }
    }
}

/// What bounds the statements of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) max_rows: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
}

impl Bounds {
    fn are_none(&self) -> bool {
        self.cancel.is_none()
            && self.deadline.is_none()
            && self.max_rows.is_none()
            && self.max_bytes.is_none()
    }

    /// Waits for work, and gives it up when it is stopped or late.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let stopped = async {
            match &self.cancel {
                Some(token) => token.cancelled().await,
                None => pending().await,
            }
        };
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped => Err(Error::Cancelled),
            () = late => Err(Error::Limit(Limit::Time)),
            done = work => Ok(done),
        }
    }

    /// The rows until a bound is reached; an error is the last of them.
    pub(crate) fn bounded(&self, rows: AnswerStream) -> AnswerStream {
        if self.are_none() {
            return rows;
        }
        let bounded = BoundedRows {
            rows,
            n_rows: self.max_rows.unwrap_or(u64::MAX),
            n_bytes: self.max_bytes.unwrap_or(u64::MAX),
            bounds: self.clone(),
            reached: None,
        };
        stream::unfold(Some(bounded), |bounded| async move { bounded?.next().await }).fuse().boxed()
    }
}

struct BoundedRows {
    rows: AnswerStream,
    bounds: Bounds,
    /// Rows that may still come.
    n_rows: u64,
    /// Bytes that may still come.
    n_bytes: u64,
    /// A limit that was reached in the rows that came last.
    reached: Option<Limit>,
}

impl BoundedRows {
    /// The next rows, and where more may follow what gives them. An error lets go of the query, which stops it.
    async fn next(mut self) -> Option<(Result<RecordBatch>, Option<Self>)> {
        if let Some(limit) = self.reached.take() {
            return Some((Err(Error::Limit(limit)), None));
        }
        let batch = match self.bounds.wait(self.rows.next()).await {
            Err(error) | Ok(Some(Err(error))) => return Some((Err(error), None)),
            Ok(Some(Ok(batch))) => batch,
            Ok(None) => return None,
        };
        if let Some(max) = self.bounds.max_bytes {
            match self.n_bytes.checked_sub(n_bytes(&batch)) {
                Some(n_bytes) => self.n_bytes = n_bytes,
                None => return Some((Err(Error::Limit(Limit::Bytes { max })), None)),
            }
        }
        let n_rows = batch.num_rows() as u64;
        let allowed = n_rows.min(self.n_rows);
        self.n_rows -= allowed;
        if let Some(max) = self.bounds.max_rows.filter(|_| allowed < n_rows) {
            self.reached = Some(Limit::Rows { max });
        }
        // `allowed` is a number of rows of the batch.
        Some((Ok(batch.slice(0, allowed as usize)), Some(self)))
    }
}

/// The bytes of the values of some rows. Buffers that are shared with other rows do not count.
fn n_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(column_bytes).fold(0, u64::saturating_add)
}

fn column_bytes(column: &ArrayRef) -> u64 {
    let bytes = match column.data_type() {
        // Their buffers belong to many rows.
        DataType::Utf8View => {
            let texts = column.as_string_view();
            let inline = texts.len() * size_of::<u128>();
            inline + texts.iter().flatten().map(str::len).sum::<usize>()
        }
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    };
    bytes as u64
}
