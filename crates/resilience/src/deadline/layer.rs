//! A tower layer that drops a call at its deadline.

use contracts::Timestamp;
use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use ports::Clock;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Where a request's deadline is found, and what is answered past it.
pub trait Policy<Request, Response, Error> {
    /// Until when the answer is waited for; `None`: for ever. It may be written into the request.
    ///
    /// # Errors
    /// The answer to a request that is not made at all.
    fn deadline(
        &self,
        request: &mut Request,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Result<Response, Error>>;

    /// The answer to a request whose time is up.
    fn too_late() -> Result<Response, Error>;
}

/// Puts the request's deadline around a service.
#[derive(Clone)]
pub struct DeadlineLayer<P> {
    policy: P,
    clock: Arc<dyn Clock>,
}

impl<P> DeadlineLayer<P> {
    /// Makes the layer.
    #[must_use]
    pub const fn new(policy: P, clock: Arc<dyn Clock>) -> Self {
        Self { policy, clock }
    }
}

impl<P: fmt::Debug> fmt::Debug for DeadlineLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadlineLayer").field(&self.policy).finish()
    }
}

impl<S, P: Clone> Layer<S> for DeadlineLayer<P> {
    type Service = Timed<S, P>;

    fn layer(&self, inner: S) -> Timed<S, P> {
        Timed { inner, world: self.clone() }
    }
}

/// A service whose calls end at their deadline.
///
/// A request whose deadline has passed is not sent. One without a deadline is waited for.
#[derive(Clone, Debug)]
pub struct Timed<S, P> {
    inner: S,
    world: DeadlineLayer<P>,
}

impl<S, P, Request> Service<Request> for Timed<S, P>
where
    S: Service<Request>,
    P: Policy<Request, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let DeadlineLayer { policy, clock } = &self.world;
        let now = clock.now();
        let answered = |answer| ResponseFuture {
            step: Step::Answered { answer: Some(answer) },
            too_late: P::too_late,
        };
        let deadline = match policy.deadline(&mut request, now) {
            Ok(deadline) => deadline,
            Err(refusal) => return answered(refusal),
        };
        if deadline.is_some_and(|end| now >= end) {
            return answered(P::too_late());
        }
        let alarm = deadline.map(|at| Alarm { at, clock: Arc::clone(clock), ringing: None });
        let call = Some(self.inner.call(request));
        ResponseFuture { step: Step::Calling { call, alarm }, too_late: P::too_late }
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
    /// The answer of [`Timed`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, A> {
        #[pin]
        step: Step<F, A>,
        too_late: fn() -> A,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F, A> {
        // Taken when it is given.
        Answered { answer: Option<A> },
        // The call is `None` once its deadline has passed.
        Calling { #[pin] call: Option<F>, alarm: Option<Alarm> },
    }
}

impl<F, A> Future for ResponseFuture<F, A>
where
    F: Future<Output = A>,
{
    type Output = A;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A> {
        let this = self.project();
        let (mut call, alarm) = match this.step.project() {
            StepProjection::Answered { answer } => {
                return Poll::Ready(answer.take().expect("a future is not polled after its end"));
            }
            StepProjection::Calling { call, alarm } => (call, alarm),
        };
        let Some(running) = call.as_mut().as_pin_mut() else {
            return Poll::Ready((this.too_late)());
        };
        if let Poll::Ready(answer) = running.poll(cx) {
            return Poll::Ready(answer);
        }
        match alarm.as_mut().map(|alarm| alarm.poll(cx)) {
            Some(Poll::Ready(())) => {
                // Dropped before the answer goes out, so that what is inside has settled it.
                call.set(None);
                Poll::Ready((this.too_late)())
            }
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::OfTask;
    use crate::hand_clock::HandClock;
    use crate::scripted::{Scripted, request, request_until, world};
    use futures::FutureExt;
    use futures::executor::block_on;
    use ports::Kind;
    use ports::task::{TaskError, TaskReply};
    use serde_json::json;
    use std::time::Duration;

    fn check_timeout(answer: Result<TaskReply, TaskError>) {
        let Err(TaskError::World(error)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.kind(), Kind::Timeout);
    }

    fn timed(script: &Scripted, clock: &Arc<HandClock>) -> Timed<Scripted, OfTask> {
        DeadlineLayer::new(OfTask, clock.clone()).layer(script.clone())
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
