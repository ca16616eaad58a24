//! The circuit breaker as a tower layer of the task seam.

use super::registry::{Breakers, Cell};
use super::state::{Admission, Outcome, Permit};
use contracts::Timestamp;
use pin_project_lite::pin_project;
use ports::Kind;
use ports::task::{TaskError, TaskReply, TaskRequest};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Puts a circuit breaker for each function before a transport.
#[derive(Clone, Debug)]
pub struct BreakerLayer {
    breakers: Arc<Breakers>,
}

impl BreakerLayer {
    /// Makes the layer; clones share their breakers.
    #[must_use]
    pub const fn new(breakers: Arc<Breakers>) -> Self {
        Self { breakers }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, breakers: Arc::clone(&self.breakers) }
    }
}

/// A transport behind circuit breakers.
///
/// A call that its breaker does not let through answers [`TaskError::Rejected`] at once.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    breakers: Arc<Breakers>,
}

impl<S> Service<TaskRequest> for Guarded<S>
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
        let pending = match self.breakers.cell(&request.function) {
            Some(cell) => match cell.judge(self.breakers.now()) {
                Admission::Go(permit) => {
                    Some(Pending { cell, permit: Some(permit), deadline: request.deadline })
                }
                Admission::Wait { retry_after } => {
                    let step = Step::Rejected { retry_after };
                    return ResponseFuture { step };
                }
            },
            // Every breaker is busy: better an unguarded call than none.
            None => None,
        };
        let call = self.inner.call(request);
        ResponseFuture { step: Step::Calling { call, pending } }
    }
}

pin_project! {
    /// The answer of [`Guarded`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        step: Step<F>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F> {
        Rejected { retry_after: Duration },
        Calling { #[pin] call: F, pending: Option<Pending> },
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<TaskReply, TaskError>>,
{
    type Output = Result<TaskReply, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().step.project() {
            StepProjection::Rejected { retry_after } => {
                Poll::Ready(Err(TaskError::Rejected { retry_after: *retry_after }))
            }
            StepProjection::Calling { call, pending } => {
                let answer = ready!(call.poll(cx));
                if let Some(mut pending) = pending.take() {
                    pending.settle(outcome_of(&answer));
                }
                Poll::Ready(answer)
            }
        }
    }
}

/// What an answer says about the function that gave it.
fn outcome_of(answer: &Result<TaskReply, TaskError>) -> Outcome {
    match answer {
        Ok(_) | Err(TaskError::Failed { .. }) => Outcome::Success,
        Err(TaskError::Unknown(_)) => Outcome::Failure,
        Err(TaskError::Rejected { .. }) => Outcome::Ignored,
        Err(TaskError::World(error)) => outcome_of_kind(error.kind()),
        Err(TaskError::Outage { kind, .. }) => outcome_of_kind(*kind),
    }
}

const fn outcome_of_kind(kind: Kind) -> Outcome {
    match kind {
        Kind::Throttled | Kind::Timeout | Kind::Unavailable => Outcome::Failure,
        // These are about one call or one record, and not calling would not mend them.
        Kind::NotFound | Kind::Conflict | Kind::Denied | Kind::Invalid | Kind::Corrupt => {
            Outcome::Ignored
        }
    }
}

/// A call that has not ended yet; it settles its permit however it ends.
struct Pending {
    cell: Arc<Cell>,
    permit: Option<Permit>,
    deadline: Option<Timestamp>,
}

impl Pending {
    fn settle(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            self.cell.settle(permit, outcome);
        }
    }
}

impl Drop for Pending {
    /// The call was dropped: it failed if it had its time, else its caller has gone away.
    fn drop(&mut self) {
        if self.permit.is_some() {
            let late = self.deadline.is_some_and(|end| self.cell.now() >= end);
            self.settle(if late { Outcome::Failure } else { Outcome::Ignored });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{BREAKERS_MAX, Config, Mode, State};
    use crate::hand_clock::{HandClock, SameIds};
    use crate::scripted::{Scripted, request, world};
    use futures::FutureExt;
    use futures::executor::block_on;
    use serde_json::json;

    fn guarded(script: &Scripted, clock: &Arc<HandClock>) -> (Guarded<Scripted>, Arc<Breakers>) {
        guarded_by(Config::default(), script, clock)
    }

    fn guarded_by(
        config: Config,
        script: &Scripted,
        clock: &Arc<HandClock>,
    ) -> (Guarded<Scripted>, Arc<Breakers>) {
        let breakers = Breakers::new(config, clock.clone(), Arc::new(SameIds));
        let breakers = Arc::new(breakers);
        let layer = BreakerLayer::new(Arc::clone(&breakers));
        (layer.layer(script.clone()), breakers)
    }

    /// Makes `calls` calls that all end in `answer`, and tells the state after them.
    fn after(calls: u32, answer: impl Fn() -> Result<TaskReply, TaskError> + Send + Sync) -> State {
        let script = Scripted::default();
        let (mut service, breakers) = guarded(&script, &HandClock::standing());
        for _ in 0..calls {
            script.will_answer(answer());
            block_on(service.call(request())).ok();
        }
        breakers.views()[0].state
    }

    #[test]
    fn failures_of_the_world_open_the_breaker() {
        for kind in [Kind::Timeout, Kind::Unavailable, Kind::Throttled] {
            let state = after(5, || Err(world(kind)));
            assert!(matches!(state, State::Open { .. }), "{kind:?}");
        }
        let state = after(5, || Err(TaskError::Unknown("no answer".into())));
        assert!(matches!(state, State::Open { .. }));
    }

    #[test]
    fn business_declines_never_open_the_breaker() {
        let state = after(50, || {
            Err(TaskError::Failed {
                error: "PaymentDeclined".into(),
                cause: "insufficient funds".into(),
            })
        });
        assert_eq!(state, State::Closed);
    }

    #[test]
    fn errors_about_one_call_never_open_the_breaker() {
        use Kind::{Conflict, Corrupt, Denied, Invalid, NotFound};
        for kind in [Conflict, Invalid, NotFound, Denied, Corrupt] {
            assert_eq!(after(50, || Err(world(kind))), State::Closed, "{kind:?}");
        }
    }

    #[test]
    fn an_open_breaker_rejects_without_calling_and_says_for_how_long() {
        let script = Scripted::default();
        let (mut service, _) = guarded(&script, &HandClock::standing());
        for _ in 0..5 {
            script.will_answer(Err(world(Kind::Unavailable)));
            block_on(service.call(request())).ok();
        }
        let answer = block_on(service.call(request()));
        let Err(TaskError::Rejected { retry_after }) = answer else {
            panic!("{answer:?}");
        };
        assert!((4_000..=6_000).contains(&retry_after.as_millis()));
        assert_eq!(script.calls(), 5);
    }

    #[test]
    fn one_functions_failures_do_not_open_anothers_breaker() {
        let script = Scripted::default();
        let (mut service, _) = guarded(&script, &HandClock::standing());
        for _ in 0..5 {
            script.will_answer(Err(world(Kind::Unavailable)));
            block_on(service.call(request())).ok();
        }
        script.will_answer(Ok(json!("done")));
        let other = TaskRequest { function: "inventory".into(), ..request() };
        assert_eq!(block_on(service.call(other)).unwrap(), "done");
    }

    #[test]
    fn calls_dropped_at_their_deadline_count_as_failures() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        let (mut service, breakers) = guarded(&script, &clock);
        for second in 1..=5 {
            let mut call = Box::pin(service.call(TaskRequest {
                deadline: Some(Timestamp::from_millis(second * 1_000)),
                ..request()
            }));
            assert!(call.as_mut().now_or_never().is_none());
            clock.advance(Duration::from_secs(1));
        }
        assert!(matches!(breakers.views()[0].state, State::Open { .. }));
    }

    #[test]
    fn calls_whose_caller_went_away_say_nothing() {
        let script = Scripted::default();
        let (mut service, breakers) = guarded(&script, &HandClock::standing());
        for _ in 0..50 {
            assert!(service.call(request()).now_or_never().is_none());
        }
        assert_eq!(breakers.views()[0].state, State::Closed);
    }

    #[test]
    fn probes_whose_caller_went_away_give_their_permits_back() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        let (mut service, _) = guarded(&script, &clock);
        for _ in 0..5 {
            script.will_answer(Err(world(Kind::Unavailable)));
            block_on(service.call(request())).ok();
        }
        clock.advance(Duration::from_secs(6));
        for _ in 0..10 {
            assert!(service.call(request()).now_or_never().is_none());
        }
        assert_eq!(script.calls(), 15);
    }

    #[test]
    fn a_forced_open_breaker_rejects_until_it_is_switched_back() {
        let script = Scripted::default();
        let (mut service, breakers) = guarded(&script, &HandClock::standing());
        assert!(breakers.switch(&request().function, Mode::ForcedOpen));
        let answer = block_on(service.call(request()));
        assert!(matches!(answer, Err(TaskError::Rejected { .. })));
        breakers.switch(&request().function, Mode::Judging);
        script.will_answer(Ok(json!(1)));
        assert_eq!(block_on(service.call(request())).unwrap(), 1);
    }

    #[test]
    fn calls_of_many_threads_are_all_counted() {
        const THREADS: u32 = 8;
        const CALLS: u32 = 1_000;
        let script = Scripted::default();
        let config = Config { calls_min: THREADS * CALLS, ..Config::default() };
        let (service, breakers) = guarded_by(config, &script, &HandClock::standing());
        for _ in 0..THREADS * CALLS {
            script.will_answer(Err(world(Kind::Unavailable)));
        }
        let work = |mut service: Guarded<Scripted>| {
            (0..CALLS).for_each(|_| drop(block_on(service.call(request()))));
        };
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                let service = service.clone();
                scope.spawn(|| work(service));
            }
        });
        assert_eq!(script.calls(), 8_000);
        assert!(matches!(breakers.views()[0].state, State::Open { .. }));
    }

    #[test]
    fn breakers_at_rest_make_room_for_new_ones() {
        let clock = HandClock::standing();
        let (mut service, breakers) = guarded(&Scripted::always(json!(1)), &clock);
        let mut call = |n: usize| {
            block_on(service.call(TaskRequest { function: format!("f{n}"), ..request() })).unwrap();
        };
        (0..BREAKERS_MAX).for_each(&mut call);
        call(BREAKERS_MAX);
        assert_eq!(breakers.views().len(), BREAKERS_MAX);
        clock.advance(Duration::from_secs(10));
        call(BREAKERS_MAX);
        assert_eq!(breakers.views().len(), 1);
    }
}
