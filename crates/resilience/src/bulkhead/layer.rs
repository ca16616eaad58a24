//! The bulkhead as a tower layer around any service.

use super::registry::{Bulkheads, Entered, Place, Waiting};
use crate::metric;
use pin_project_lite::pin_project;
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Error, Kind};
use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// When a call that was turned away should come again: a full queue has moved by then.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Which bulkhead a request belongs to, and what is answered when that is full.
pub trait Policy<Request, Response, Error> {
    /// The bulkhead's name.
    fn name<'r>(&self, request: &'r Request) -> Cow<'r, str>;

    /// The answer to a request for which there is no room; it was not made.
    fn full(&self, retry_after: Duration) -> Result<Response, Error>;
}

/// One bulkhead for each function's name; a full one answers `Throttled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfTask;

impl Policy<TaskRequest, TaskReply, TaskError> for OfTask {
    fn name<'r>(&self, request: &'r TaskRequest) -> Cow<'r, str> {
        Cow::Borrowed(&request.function)
    }

    fn full(&self, retry_after: Duration) -> Result<TaskReply, TaskError> {
        let error = Error::new(Kind::Throttled, "find room for another call of the function");
        Err(TaskError::World(error.retry_after(retry_after)))
    }
}

/// Puts a bulkhead for each name before a service.
#[derive(Clone)]
pub struct BulkheadLayer<P> {
    policy: P,
    bulkheads: Bulkheads,
}

impl<P> BulkheadLayer<P> {
    /// Makes the layer; clones share their bulkheads.
    #[must_use]
    pub const fn new(policy: P, bulkheads: Bulkheads) -> Self {
        Self { policy, bulkheads }
    }
}

impl<P: fmt::Debug> fmt::Debug for BulkheadLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkheadLayer").field(&self.policy).field(&self.bulkheads).finish()
    }
}

impl<S, P: Clone> Layer<S> for BulkheadLayer<P> {
    type Service = Bulkhead<S, P>;

    fn layer(&self, inner: S) -> Bulkhead<S, P> {
        Bulkhead { inner, world: self.clone() }
    }
}

/// A service of which so many calls run at a time.
#[derive(Clone, Debug)]
pub struct Bulkhead<S, P> {
    inner: S,
    world: BulkheadLayer<P>,
}

impl<S, P> Bulkhead<S, P> {
    /// The bulkheads, to be looked at by an operator.
    pub const fn bulkheads(&self) -> &Bulkheads {
        &self.world.bulkheads
    }
}

impl<S, P, Request> Service<Request> for Bulkhead<S, P>
where
    S: Service<Request> + Clone,
    P: Policy<Request, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let BulkheadLayer { policy, bulkheads } = &self.world;
        let cell = bulkheads.cell(&policy.name(&request));
        let entered = Arc::clone(&cell).enter();
        let step = match entered {
            Entered::In(place) => Step::Calling { call: self.inner.call(request), place },
            Entered::Queued(waiting) => {
                Step::Waiting { waiting, inner: self.inner.clone(), request: Some(request) }
            }
            Entered::Full => {
                metric::bulkhead_was_full(cell.name());
                Step::Full { answer: Some(policy.full(RETRY_AFTER)) }
            }
        };
        ResponseFuture { step }
    }
}

pin_project! {
    /// The answer of [`Bulkhead`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Request>
    where
        S: Service<Request>,
    {
        #[pin]
        step: Step<S, Request>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, Request>
    where
        S: Service<Request>,
    {
        Full { answer: Option<Result<S::Response, S::Error>> },
        Waiting { waiting: Waiting, inner: S, request: Option<Request> },
        // The turn has come; the service may not be ready yet.
        Entering { place: Option<Place>, inner: S, request: Option<Request> },
        Calling { #[pin] call: S::Future, place: Place },
        // The place is given back before the answer goes out.
        Answered,
    }
}

/// Why a field is there whenever it is taken.
const ONCE: &str = "a future is not polled after its end";

impl<S, Request> Future for ResponseFuture<S, Request>
where
    S: Service<Request> + Clone,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        // Each turn ends in a poll that is pending, in an answer, or in the next step.
        loop {
            let next = match step.as_mut().project() {
                StepProjection::Full { answer } => return Poll::Ready(answer.take().expect(ONCE)),
                StepProjection::Waiting { waiting, inner, request } => {
                    let place = Some(ready!(waiting.poll(cx)));
                    Step::Entering { place, inner: inner.clone(), request: request.take() }
                }
                StepProjection::Entering { place, inner, request } => {
                    ready!(inner.poll_ready(cx))?;
                    let call = inner.call(request.take().expect(ONCE));
                    Step::Calling { call, place: place.take().expect(ONCE) }
                }
                StepProjection::Calling { call, .. } => {
                    let answer = ready!(call.poll(cx));
                    step.set(Step::Answered);
                    return Poll::Ready(answer);
                }
                StepProjection::Answered => unreachable!("{ONCE}"),
            };
            step.set(next);
        }
    }
}
