//! A limit to the time that a worker gives to a part of a statement.
//!
//! It is one of the answer: after the limit the stream of rows ends with an error, and what made them is dropped, as when the client
//! stops. So it holds for any plan, and needs nothing of the engine. It is looked at whenever rows are asked for: a client that takes
//! none is not ended by it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, Bytes, Service},
    server::NamedService,
};

/// A service whose answers take so long at most.
#[derive(Debug, Clone)]
pub(crate) struct TimeLimited<S> {
    service: S,
    /// `None` for any time.
    limit: Option<Duration>,
}

impl<S> TimeLimited<S> {
    pub(crate) fn new(service: S, limit: Option<Duration>) -> Self {
        Self { service, limit }
    }
}

impl<S: NamedService> NamedService for TimeLimited<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for TimeLimited<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.service.call(request);
        let Some(limit) = self.limit else { return Box::pin(answer) };
        let end = Instant::now() + limit;
        Box::pin(async move {
            match timeout_at(end, answer).await {
                Ok(answer) => Ok(answer?.map(|rows| Body::new(LimitedRows::new(rows, end, limit)))),
                Err(_) => Ok(status(limit).into_http()),
            }
        })
    }
}

fn status(limit: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "a part of the statement took longer than the {} s that a worker gives to it",
        limit.as_secs()
    ))
}

/// An answer that ends with an error when there is no time left.
struct LimitedRows {
    /// `None` after the end.
    rows: Option<Body>,
    end: Pin<Box<Sleep>>,
    limit: Duration,
}

impl LimitedRows {
    fn new(rows: Body, end: Instant, limit: Duration) -> Self {
        Self { rows: Some(rows), end: Box::pin(sleep_until(end)), limit }
    }
}

impl http_body::Body for LimitedRows {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // The time first: rows may be ready whenever they are asked for.
        let is_over = self.end.poll_unpin(context).is_ready();
        let Some(rows) = &mut self.rows else { return Poll::Ready(None) };
        if !is_over {
            return Pin::new(rows).poll_frame(context);
        }
        // What makes the rows stops with this.
        self.rows = None;
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status(self.limit).add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.rows.as_ref().is_none_or(|rows| rows.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
