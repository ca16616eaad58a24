//! A tower layer that parks a call while its breaker is open, instead of failing it.
//!
//! ```text
//! call ──▶ answer
//!   ▲ │ rejected, and there is time left
//!   │ ▼
//!  wait until the breaker lets calls through
//! ```
//!
//! A rejected call was never made, so parking is no retry: it uses no retry budget of the state
//! machine, and a saga compensates only when its step's deadline has no room for another wait.
//!
//! Owns: the waiting. Does not own: how long, which the breaker says.

use crate::backoff::full_jitter;
use crate::metric::Parked;
use contracts::Timestamp;
use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Clock, Ids};
use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// The shortest wait, so that a rejection without a wait does not spin.
pub const WAIT_MIN: Duration = Duration::from_millis(10);

/// How long a call without a deadline stays parked: many open periods of a breaker, and short
/// enough that somebody hears of an outage.
pub const PARKED_MAX: Duration = Duration::from_mins(15);

/// A wait is made up to one part in so many longer, so that parked calls do not all come back at
/// once to a function that has just recovered.
const SPREAD: u32 = 5;

/// Parks the calls that a transport rejects.
#[derive(Clone)]
pub struct ParkLayer {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// The functions whose rejections come through.
    parks_itself: Arc<BTreeSet<String>>,
}

impl ParkLayer {
    /// Makes the layer; `ids` seeds the spread of the waits.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { clock, ids, parks_itself: Arc::default() }
    }

    /// Lets the rejections of some functions through at once: their callers park by themselves,
    /// in a way that takes no task and survives the process.
    #[must_use]
    pub fn except(self, functions: BTreeSet<String>) -> Self {
        Self { parks_itself: Arc::new(functions), ..self }
    }
}

impl fmt::Debug for ParkLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParkLayer")
    }
}

impl<S> Layer<S> for ParkLayer {
    type Service = Park<S>;

    fn layer(&self, inner: S) -> Park<S> {
        Park { inner, world: self.clone() }
    }
}

/// A transport that waits until a breaker lets a call through.
///
/// A rejection comes through when the wait would end at or after the request's deadline, or
/// [`PARKED_MAX`] after the first rejection of a call that has none; or at once, see
/// [`ParkLayer::except`].
#[derive(Clone, Debug)]
pub struct Park<S> {
    inner: S,
    world: ParkLayer,
}

impl<S> Service<TaskRequest> for Park<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError> + Clone,
{
    type Response = TaskReply;
    type Error = TaskError;
    type Future = ResponseFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: TaskRequest) -> ResponseFuture<S> {
        let call = self.inner.call(request.clone());
        ResponseFuture {
            step: Step::Calling { call },
            again: Again {
                inner: self.inner.clone(),
                world: self.world.clone(),
                until: request.deadline,
                request,
                is_parked: false,
            },
        }
    }
}

/// What it takes to make a call again.
struct Again<S> {
    inner: S,
    world: ParkLayer,
    request: TaskRequest,
    until: Option<Timestamp>,
    is_parked: bool,
}

impl<S> Again<S> {
    /// Starts to wait for the breaker; `None` when there is no time for that, or when the caller
    /// does it.
    fn park(&mut self, retry_after: Duration) -> Option<BoxFuture<'static, ()>> {
        if self.world.parks_itself.contains(&self.request.function) {
            return None;
        }
        let now = self.world.clock.now();
        let until = *self.until.get_or_insert_with(|| now.plus(PARKED_MAX));
        let end = now.plus(retry_after.max(WAIT_MIN));
        if end >= until {
            return None;
        }
        if !self.is_parked {
            self.is_parked = true;
            let (function, key) = (&*self.request.function, &*self.request.key);
            // The breaker has said at a higher level that it is open; many calls may park then.
            tracing::debug!(function, key, ?retry_after, "call parked, its breaker is open");
        }
        // The spread must not use up the time that is left for the call itself.
        let spread = (end.since(now) / SPREAD).min(until.since(end) / 2);
        let end = end.plus(full_jitter(spread, self.world.ids.seed()));
        let clock = Arc::clone(&self.world.clock);
        let parked = Parked::call(&self.request.function);
        Some(Box::pin(async move {
            clock.sleep_until(end).await;
            drop(parked);
        }))
    }
}

pin_project! {
    /// The answer of [`Park`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S>
    where
        S: Service<TaskRequest>,
    {
        #[pin]
        step: Step<S::Future>,
        again: Again<S>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F> {
        Calling { #[pin] call: F },
        Waiting { wait: BoxFuture<'static, ()> },
        // The wait is over; the transport may not be ready yet.
        Resuming,
    }
}

impl<S> Future for ResponseFuture<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError>,
{
    type Output = Result<TaskReply, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Each turn ends in a poll that is pending, in an answer, or in the next step.
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Calling { call } => match ready!(call.poll(cx)) {
                    Err(TaskError::Rejected { retry_after }) => {
                        let Some(wait) = this.again.park(retry_after) else {
                            return Poll::Ready(Err(TaskError::Rejected { retry_after }));
                        };
                        Step::Waiting { wait }
                    }
                    answer => return Poll::Ready(answer),
                },
                StepProjection::Waiting { wait } => {
                    ready!(wait.as_mut().poll(cx));
                    Step::Resuming
                }
                StepProjection::Resuming => {
                    ready!(this.again.inner.poll_ready(cx))?;
                    let call = this.again.inner.call(this.again.request.clone());
                    Step::Calling { call }
                }
            };
            this.step.set(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_clock::{HandClock, SameIds};
    use crate::scripted::{Scripted, request, request_until};
    use futures::FutureExt;
    use futures::executor::block_on;
    use serde_json::json;

    fn rejected(seconds: u64) -> Result<TaskReply, TaskError> {
        Err(TaskError::Rejected { retry_after: Duration::from_secs(seconds) })
    }

    fn parked(script: &Scripted, clock: &Arc<HandClock>) -> Park<Scripted> {
        ParkLayer::new(clock.clone(), Arc::new(SameIds)).layer(script.clone())
    }

    #[test]
    fn a_rejected_call_waits_and_is_made_again() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        let mut service = parked(&script, &clock);
        script.will_answer(rejected(5));
        script.will_answer(Ok(json!("done")));
        let mut call = Box::pin(service.call(request_until(60_000)));
        assert!(call.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(4_999));
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(script.calls(), 1);
        clock.advance(Duration::from_millis(1_001));
        assert_eq!(block_on(call).unwrap(), "done");
        assert_eq!(script.calls(), 2);
    }

    #[test]
    fn a_call_is_parked_as_often_as_its_deadline_allows() {
        let script = Scripted::default();
        let clock = HandClock::running();
        let mut service = parked(&script, &clock);
        (0..9).for_each(|_| script.will_answer(rejected(10)));
        let answer = block_on(service.call(request_until(35_000)));
        assert!(matches!(answer, Err(TaskError::Rejected { .. })));
        assert!((3..=4).contains(&script.calls()), "{}", script.calls());
        assert!(clock.now() < Timestamp::from_millis(35_000));
    }

    #[test]
    fn a_rejection_comes_through_at_once_when_its_wait_passes_the_deadline() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        script.will_answer(rejected(5));
        let answer = block_on(parked(&script, &clock).call(request_until(5_000)));
        assert!(matches!(answer, Err(TaskError::Rejected { .. })));
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn a_parked_call_comes_back_while_there_is_time_left() {
        let script = Scripted::default();
        let clock = HandClock::running();
        script.will_answer(rejected(5));
        script.will_answer(Ok(json!("done")));
        let answer = block_on(parked(&script, &clock).call(request_until(5_010)));
        assert_eq!(answer.unwrap(), "done");
        assert!(clock.now() < Timestamp::from_millis(5_010));
    }

    #[test]
    fn a_call_without_a_deadline_is_not_parked_for_ever() {
        let script = Scripted::default();
        let clock = HandClock::running();
        let mut service = parked(&script, &clock);
        (0..2_000).for_each(|_| script.will_answer(rejected(1)));
        let answer = block_on(service.call(request()));
        assert!(matches!(answer, Err(TaskError::Rejected { .. })));
        assert!(clock.now() <= Timestamp::EPOCH.plus(PARKED_MAX));
    }

    #[test]
    fn a_rejection_that_names_no_wait_does_not_spin() {
        let script = Scripted::default();
        let clock = HandClock::running();
        let mut service = parked(&script, &clock);
        (0..2_000).for_each(|_| script.will_answer(rejected(0)));
        block_on(service.call(request_until(1_000))).ok();
        assert!(script.calls() <= 101, "{}", script.calls());
    }

    #[test]
    fn every_other_answer_comes_through_at_once() {
        let script = Scripted::default();
        let mut service = parked(&script, &HandClock::standing());
        script.will_answer(Err(TaskError::Unknown("no answer".into())));
        let answer = block_on(service.call(request()));
        assert!(matches!(answer, Err(TaskError::Unknown(_))));
        assert_eq!(script.calls(), 1);
    }
}
