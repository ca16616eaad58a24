//! The circuit breaker as a tower layer, for any request that has a policy.

use super::member::{Candidate, Ticket, Verdict};
use super::policy::Policy;
use super::registry::{Breakers, Cell};
use super::state::{Admission, Outcome};
use contracts::Timestamp;
use futures::future::BoxFuture;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Puts a circuit breaker for each name before a service.
#[derive(Clone, Debug)]
pub struct BreakerLayer<P> {
    breakers: Arc<Breakers>,
    policy: P,
}

impl<P> BreakerLayer<P> {
    /// Makes the layer; clones share their breakers.
    #[must_use]
    pub const fn new(breakers: Arc<Breakers>, policy: P) -> Self {
        Self { breakers, policy }
    }
}

impl<S, P: Clone> Layer<S> for BreakerLayer<P> {
    type Service = Guarded<S, P>;

    fn layer(&self, inner: S) -> Guarded<S, P> {
        Guarded { inner, breakers: Arc::clone(&self.breakers), policy: self.policy.clone() }
    }
}

/// A service behind circuit breakers.
///
/// A request that its breaker does not let through is answered by the policy's rejection at once. A
/// request of a half-open breaker waits for its election: one read and, if it becomes a probe, one
/// write of the fleet's store.
#[derive(Clone, Debug)]
pub struct Guarded<S, P> {
    inner: S,
    breakers: Arc<Breakers>,
    policy: P,
}

impl<S, P, Q> Service<Q> for Guarded<S, P>
where
    S: Service<Q> + Clone,
    P: Policy<Q, S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Q, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let policy = self.policy.clone();
        let name = policy.name(&request);
        let deadline = policy.deadline(&request);
        let guard = policy.is_guarded(&request).then(|| self.breakers.cell(name));
        let Some(cell) = guard.flatten() else {
            // Or every breaker is busy: better an unguarded call than none.
            let step = Step::Calling { call: self.inner.call(request), pending: None };
            return ResponseFuture { step, policy };
        };
        let now = self.breakers.now();
        let step = match cell.judge(now) {
            Verdict::Known(Admission::Go(ticket)) => {
                let pending = Some(Pending { cell, ticket: Some(ticket), deadline });
                Step::Calling { call: self.inner.call(request), pending }
            }
            Verdict::Known(Admission::Wait { retry_after }) => {
                Step::Rejected { answer: Some(policy.rejection(name, retry_after)) }
            }
            Verdict::Elect(candidate) => {
                let rest = self.inner.clone();
                // The one that was made ready is the one to be called.
                let inner = std::mem::replace(&mut self.inner, rest);
                let election = elect(Arc::clone(&self.breakers), cell, candidate);
                let waiting = Some(Waiting { inner, request, deadline });
                Step::Electing { election: Box::pin(election), waiting }
            }
        };
        ResponseFuture { step, policy }
    }
}

/// The end of an election: how, and of which breaker.
type Elected = (Arc<Cell>, Admission<Ticket>);

async fn elect(breakers: Arc<Breakers>, cell: Arc<Cell>, candidate: Candidate) -> Elected {
    let admission = breakers.elect(&cell, candidate).await;
    (cell, admission)
}

/// A call that waits for its election.
struct Waiting<S, Q> {
    inner: S,
    request: Q,
    deadline: Option<Timestamp>,
}

pin_project! {
    /// The answer of [`Guarded`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Q, P>
    where
        S: Service<Q>,
    {
        #[pin]
        step: Step<S, Q>,
        policy: P,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, Q>
    where
        S: Service<Q>,
    {
        Rejected { answer: Option<Result<S::Response, S::Error>> },
        Electing { election: BoxFuture<'static, Elected>, waiting: Option<Waiting<S, Q>> },
        Calling { #[pin] call: S::Future, pending: Option<Pending> },
    }
}

impl<S, Q, P> Future for ResponseFuture<S, Q, P>
where
    S: Service<Q>,
    P: Policy<Q, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Rejected { answer } => {
                    let answer = answer.take();
                    return Poll::Ready(answer.expect("a future is not polled after its end"));
                }
                StepProjection::Calling { call, pending } => {
                    let answer = ready!(call.poll(cx));
                    if let Some(mut pending) = pending.take() {
                        pending.settle(this.policy.outcome(&answer));
                    }
                    return Poll::Ready(answer);
                }
                StepProjection::Electing { election, waiting } => {
                    let elected = ready!(election.as_mut().poll(cx));
                    let waiting = waiting.take().expect("a call is elected once");
                    after(elected, waiting, &*this.policy)
                }
            };
            this.step.set(next);
        }
    }
}

/// What becomes of a call after its election.
fn after<S, Q, P>(elected: Elected, waiting: Waiting<S, Q>, policy: &P) -> Step<S, Q>
where
    S: Service<Q>,
    P: Policy<Q, S::Response, S::Error>,
{
    let (cell, admission) = elected;
    let Waiting { mut inner, request, deadline } = waiting;
    match admission {
        Admission::Go(ticket) => {
            let pending = Some(Pending { cell, ticket: Some(ticket), deadline });
            Step::Calling { call: inner.call(request), pending }
        }
        Admission::Wait { retry_after } => {
            let answer = policy.rejection(policy.name(&request), retry_after);
            Step::Rejected { answer: Some(answer) }
        }
    }
}

/// A call that has not ended yet; it settles its ticket however it ends.
struct Pending {
    cell: Arc<Cell>,
    ticket: Option<Ticket>,
    deadline: Option<Timestamp>,
}

impl Pending {
    fn settle(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.cell.settle(ticket, outcome);
        }
    }
}

impl Drop for Pending {
    /// The call was dropped: it failed if it had its time, else its caller has gone away.
    fn drop(&mut self) {
        if self.ticket.is_some() {
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
    use crate::task_policy::TaskPolicy;
    use futures::FutureExt;
    use futures::executor::block_on;
    use ports::Kind;
    use ports::task::{TaskError, TaskReply, TaskRequest};
    use serde_json::json;
    use std::time::Duration;

    fn guarded(
        script: &Scripted,
        clock: &Arc<HandClock>,
    ) -> (Guarded<Scripted, TaskPolicy>, Arc<Breakers>) {
        guarded_by(Config::default(), script, clock)
    }

    fn guarded_by(
        config: Config,
        script: &Scripted,
        clock: &Arc<HandClock>,
    ) -> (Guarded<Scripted, TaskPolicy>, Arc<Breakers>) {
        let breakers = Breakers::new(config, clock.clone(), Arc::new(SameIds));
        let breakers = Arc::new(breakers);
        let layer = BreakerLayer::new(Arc::clone(&breakers), TaskPolicy);
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
            Err(TaskError::Failed { error: "TooMuch".into(), cause: "more than there is".into() })
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
        let other = TaskRequest { function: "other".into(), ..request() };
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
        block_on(breakers.switch(&request().function, Mode::ForcedOpen)).unwrap();
        let answer = block_on(service.call(request()));
        assert!(matches!(answer, Err(TaskError::Rejected { .. })));
        block_on(breakers.switch(&request().function, Mode::Judging)).unwrap();
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
        let work = |mut service: Guarded<Scripted, TaskPolicy>| {
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
