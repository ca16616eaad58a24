//! The task seam: the stack of a task's call ([`crate::stack::task`]) around any transport.
//!
//! ```text
//! engine ──▶ park ──▶ deadline ──▶ bulkhead ──▶ breaker ──▶ transport ──▶ service
//! ```
//!
//! Owns: making the seam of a process. Does not own: the order of the layers, and why.

use crate::breaker::{self, Breakers, Guarded};
use crate::bulkhead::{self, Bulkhead, Bulkheads};
use crate::deadline::{self, Timed};
use crate::park::{self, Park};
use crate::stack::{self, TaskParts};
use crate::task_policy::TaskPolicy;
use crate::tasks::InProcess;
use ports::task::{TaskError, TaskReply, TaskRequest, Tasks};
use ports::{Clock, Ids};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// What the task seam goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What every function's breaker goes by.
    pub breaker: breaker::Config,
    /// How many calls of a function run and wait.
    pub bulkhead: bulkhead::Config,
    /// The functions whose callers park by themselves: a rejection reaches them at once.
    pub parks_itself: BTreeSet<String>,
}

/// A transport behind its bulkheads and breakers, each call with its deadline.
type Bounded<S> = Timed<Bulkhead<Guarded<S, TaskPolicy>, bulkhead::OfTask>, deadline::OfTask>;

/// A transport with all resilience around it; clones share their breakers and bulkheads.
#[derive(Clone, Debug)]
pub struct Seam<S> {
    layers: Park<Bounded<S>>,
    breakers: Arc<Breakers>,
}

impl<S> Seam<S> {
    /// Puts the layers around a transport.
    pub fn around(
        transport: S,
        clock: &Arc<dyn Clock>,
        ids: &Arc<dyn Ids>,
        config: Config,
    ) -> Self {
        let Config { breaker, bulkhead, parks_itself } = config;
        let breakers = Breakers::new(breaker, Arc::clone(clock), Arc::clone(ids));
        let parts = TaskParts {
            clock: Arc::clone(clock),
            ids: Arc::clone(ids),
            breakers: Arc::new(breakers),
            bulkheads: Bulkheads::new(bulkhead),
            parks_itself,
        };
        Self::of(transport, parts)
    }

    /// Puts the layers around a transport, out of parts that were made before.
    pub fn of(transport: S, parts: TaskParts) -> Self {
        let breakers = Arc::clone(&parts.breakers);
        Self { layers: stack::task(parts).layer(transport), breakers }
    }

    /// The breakers, to be looked at and switched by an operator.
    pub const fn breakers(&self) -> &Arc<Breakers> {
        &self.breakers
    }
}

/// Makes the task seam of a process whose services all run in it.
#[must_use]
pub fn seam(
    tasks: Vec<Arc<dyn Tasks>>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    config: Config,
) -> Seam<InProcess> {
    Seam::around(InProcess::new(tasks), clock, ids, config)
}

impl<S> Service<TaskRequest> for Seam<S>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError> + Clone,
{
    type Response = TaskReply;
    type Error = TaskError;
    type Future = park::ResponseFuture<Bounded<S>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        self.layers.poll_ready(cx)
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        self.layers.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::State;
    use crate::desk;
    use crate::hand_clock::{HandClock, SameIds};
    use crate::scripted::{Scripted, request_until, world};
    use futures::executor::block_on;
    use futures::{FutureExt, future};
    use ports::Kind;
    use serde_json::json;
    use std::time::Duration;

    fn around(script: &Scripted, clock: &Arc<HandClock>) -> Seam<Scripted> {
        let clock: Arc<dyn Clock> = clock.clone();
        let ids: Arc<dyn Ids> = Arc::new(SameIds);
        Seam::around(script.clone(), &clock, &ids, Config::default())
    }

    /// Makes five calls that fail, so that the breaker opens.
    fn break_down(seam: &mut Seam<Scripted>, script: &Scripted) {
        for _ in 0..5 {
            script.will_answer(Err(world(Kind::Unavailable)));
            block_on(seam.call(request_until(1_000))).ok();
        }
    }

    #[test]
    fn an_open_breaker_parks_a_step_and_resumes_it_when_the_function_recovers() {
        let script = Scripted::default();
        let clock = HandClock::running();
        let mut seam = around(&script, &clock);
        break_down(&mut seam, &script);
        script.will_answer(Ok(json!("found")));
        assert_eq!(block_on(seam.call(request_until(60_000))).unwrap(), "found");
        assert!(clock.now().as_millis() >= 4_000);
    }

    #[test]
    fn a_function_whose_callers_park_by_themselves_is_rejected_at_once() {
        let script = Scripted::default();
        let hand = HandClock::standing();
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (hand.clone(), Arc::new(SameIds));
        let parks_itself = [request_until(1).function].into();
        let config = Config { parks_itself, ..Config::default() };
        let mut seam = Seam::around(script.clone(), &clock, &ids, config);
        break_down(&mut seam, &script);
        let answer = block_on(seam.call(request_until(60_000)));
        assert_eq!(answer.unwrap_err().named().0, "Ordersaga.BreakerOpen");
        assert_eq!((script.calls(), hand.sleepers()), (5, 0));
    }

    #[test]
    fn the_desk_is_called_however_often_it_failed() {
        let script = Scripted::default();
        let mut seam = around(&script, &HandClock::standing());
        let request = TaskRequest { function: desk::FUNCTION.to_owned(), ..request_until(1_000) };
        for _ in 0..50 {
            script.will_answer(Err(world(Kind::Unavailable)));
            let answer = block_on(seam.call(request.clone()));
            assert_eq!(answer.unwrap_err().named().0, "Ordersaga.Unavailable");
        }
        assert_eq!((script.calls(), seam.breakers().views().len()), (50, 0));
    }

    #[test]
    fn a_step_whose_deadline_ends_before_the_breaker_closes_is_rejected() {
        let script = Scripted::default();
        let mut seam = around(&script, &HandClock::running());
        break_down(&mut seam, &script);
        let answer = block_on(seam.call(request_until(3_000)));
        assert!(matches!(answer, Err(TaskError::Rejected { .. })));
        assert_eq!(script.calls(), 5);
    }

    #[test]
    fn a_function_that_never_answers_opens_its_breaker() {
        let script = Scripted::default();
        let clock = HandClock::running();
        let mut seam = around(&script, &clock);
        for n in 1..=5 {
            let answer = block_on(seam.call(request_until(n * 100)));
            assert_eq!(answer.unwrap_err().named().0, "Ordersaga.Timeout");
        }
        assert!(matches!(seam.breakers().views()[0].state, State::Open { .. }));
    }

    #[test]
    fn the_breaker_knows_of_a_timeout_before_the_caller_does() {
        let script = Scripted::default();
        let mut seam = around(&script, &HandClock::running());
        let mut kept = Vec::new();
        for n in 1..=5 {
            let mut call = Box::pin(seam.call(request_until(n * 100)));
            assert!(block_on(&mut call).is_err());
            kept.push(call);
        }
        assert!(matches!(seam.breakers().views()[0].state, State::Open { .. }));
    }

    #[test]
    fn of_a_hundred_parked_steps_three_probe_and_all_are_done_in_the_end() {
        let script = Scripted::default();
        let clock = HandClock::standing();
        let mut seam = around(&script, &clock);
        break_down(&mut seam, &script);
        let calls = (0..100).map(|_| seam.call(request_until(600_000)));
        let mut calls = Box::pin(future::join_all(calls));
        assert!(calls.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(10));
        assert!(calls.as_mut().now_or_never().is_none());
        assert_eq!(script.calls() - 5, 3);
        // The three probes hang; when their leases are over others take their place.
        (0..100).for_each(|_| script.will_answer(Ok(json!(1))));
        for _ in 0..40 {
            clock.advance(Duration::from_secs(1));
            assert!(calls.as_mut().now_or_never().is_none());
        }
        assert_eq!(seam.breakers().views()[0].state, State::Closed);
        assert_eq!(script.calls() - 5, 100);
    }
}
