//! A tower layer that drops a call at its request's deadline and answers `Timeout`.
//!
//! Owns: the end of the waiting.
//! Does not own: the deadline (the caller sets it), and what became of the call: it may have
//! happened, and the callee's idempotency record knows.

use contracts::Timestamp;
use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Clock, Error, Kind};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Puts the request's deadline around a transport.
#[derive(Clone)]
pub struct DeadlineLayer {
    clock: Arc<dyn Clock>,
}

impl DeadlineLayer {
    /// Makes the layer.
    #[must_use]
    pub const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl fmt::Debug for DeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadlineLayer")
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, clock: Arc::clone(&self.clock) }
    }
}

/// A transport whose calls end at their deadline.
///
/// A request whose deadline has passed is not sent. One without a deadline is waited for.
#[derive(Clone)]
pub struct Deadline<S> {
    inner: S,
    clock: Arc<dyn Clock>,
}

impl<S: fmt::Debug> fmt::Debug for Deadline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.inner).finish()
    }
}

impl<S> Service<TaskRequest> for Deadline<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError>,
{
    type Response = TaskReply;
    type Error = TaskError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        let deadline =
            request.deadline.map(|at| Alarm { at, clock: Arc::clone(&self.clock), ringing: None });
        let late = deadline.as_ref().is_some_and(Alarm::is_over);
        let call = (!late).then(|| self.inner.call(request));
        ResponseFuture { call, deadline }
    }
}

/// The deadline of one call.
struct Alarm {
    at: Timestamp,
    clock: Arc<dyn Clock>,
    /// Set only when the call does not answer at once: most calls in process do.
    ringing: Option<BoxFuture<'static, ()>>,
}

impl Alarm {
    fn is_over(&self) -> bool {
        self.clock.now() >= self.at
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { at, clock, ringing } = self;
        let (at, clock) = (*at, &*clock);
        let ringing = ringing.get_or_insert_with(|| {
            let clock = Arc::clone(clock);
            Box::pin(async move { clock.sleep_until(at).await })
        });
        ringing.as_mut().poll(cx)
    }
}

pin_project! {
    /// The answer of [`Deadline`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // `None` once the deadline has passed.
        #[pin]
        call: Option<F>,
        deadline: Option<Alarm>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<TaskReply, TaskError>>,
{
    type Output = Result<TaskReply, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(call) = this.call.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(too_late()));
        };
        if let Poll::Ready(answer) = call.poll(cx) {
            return Poll::Ready(answer);
        }
        let rung = this.deadline.as_mut().map(|alarm| alarm.poll(cx));
        match rung {
            Some(Poll::Ready(())) => {
                // Dropped before the answer goes out, so that the breaker inside has settled it.
                this.call.set(None);
                Poll::Ready(Err(too_late()))
            }
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

fn too_late() -> TaskError {
    TaskError::World(Error::new(Kind::Timeout, "get an answer before the deadline"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_clock::HandClock;
    use crate::scripted::{Scripted, request, request_until, world};
    use futures::FutureExt;
    use futures::executor::block_on;
    use serde_json::json;
    use std::time::Duration;

    fn check_timeout(answer: Result<TaskReply, TaskError>) {
        let Err(TaskError::World(error)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.kind(), Kind::Timeout);
    }

    fn timed(script: &Scripted, clock: &Arc<HandClock>) -> Deadline<Scripted> {
        DeadlineLayer::new(clock.clone()).layer(script.clone())
    }

    #[test]
    fn a_call_that_answers_in_time_keeps_its_answer() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        let mut service = timed(&script, &clock);
        script.will_answer(Ok(json!(1)));
        assert_eq!(block_on(service.call(request_until(1_000))).unwrap(), 1);
        script.will_answer(Err(world(Kind::Denied)));
        assert!(block_on(service.call(request_until(1_000))).is_err());
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn a_call_is_dropped_at_its_deadline_and_not_a_millisecond_earlier() {
        let clock = HandClock::standing();
        let mut service = timed(&Scripted::default(), &clock);
        let mut call = Box::pin(service.call(request_until(1_000)));
        assert!(call.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(999));
        assert!(call.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(1));
        check_timeout(block_on(call));
    }

    #[test]
    fn a_call_without_a_deadline_is_waited_for() {
        let clock = HandClock::standing();
        let mut service = timed(&Scripted::default(), &clock);
        let mut call = Box::pin(service.call(request()));
        clock.advance(Duration::from_hours(24));
        assert!(call.as_mut().now_or_never().is_none());
    }

    #[test]
    fn a_call_whose_deadline_has_passed_is_not_made() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        clock.advance(Duration::from_secs(1));
        check_timeout(block_on(timed(&script, &clock).call(request_until(1_000))));
        assert_eq!(script.calls(), 0);
    }
}
