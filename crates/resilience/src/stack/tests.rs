//! What changes when the order of the layers changes.

use super::*;
use crate::breaker::{self, State};
use crate::bulkhead::Limits;
use crate::hand_clock::{HandClock, SameIds};
use crate::scripted::{Scripted, request, request_until, world};
use contracts::{Envelope, Timestamp};
use futures::FutureExt;
use futures::executor::block_on;
use ports::Kind;
use ports::task::{TaskError, TaskReply, TaskRequest};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// A task stack around a script, with so many places, whose callers park by themselves or not.
struct World {
    clock: Arc<HandClock>,
    script: Scripted,
    breakers: Arc<Breakers>,
    parts: TaskParts,
}

impl World {
    fn new(limits: Limits, parks_itself: bool) -> Self {
        let clock = HandClock::standing();
        let ids: Arc<dyn Ids> = Arc::new(SameIds);
        let breakers =
            Breakers::new(breaker::Config::default(), clock.clone() as _, Arc::clone(&ids));
        let breakers = Arc::new(breakers);
        let parts = TaskParts {
            clock: clock.clone() as _,
            ids,
            breakers: Arc::clone(&breakers),
            bulkheads: Bulkheads::new(bulkhead::Config { limits, named: [].into() }),
            parks_itself: parks_itself.then(|| request().function).into_iter().collect(),
        };
        Self { clock, script: Scripted::default(), breakers, parts }
    }

    fn service(
        &self,
    ) -> impl Service<TaskRequest, Response = TaskReply, Error = TaskError> + use<> {
        task(self.parts.clone()).layer(self.script.clone())
    }

    fn break_down(&self) {
        let mut service = self.service();
        for _ in 0..5 {
            self.script.will_answer(Err(world(Kind::Unavailable)));
            assert!(block_on(service.call(request_until(1_000))).is_err());
        }
        assert!(matches!(self.breakers.views()[0].state, State::Open { .. }));
    }
}

const ONE: Limits = Limits { concurrent_max: 1, waiting_max: 100 };
const NO_QUEUE: Limits = Limits { concurrent_max: 1, waiting_max: 0 };

#[test]
fn a_call_that_waits_in_the_bulkhead_holds_no_probe_permit() {
    let world = World::new(ONE, true);
    world.break_down();
    world.clock.advance(Duration::from_secs(10));
    // Four calls, three permits: with the breaker outside, the fourth would be rejected.
    let mut service = world.service();
    let calls = (0..4).map(|_| Box::pin(service.call(request_until(600_000))));
    let mut calls: Vec<_> = calls.collect();
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    assert_eq!(world.script.calls() - 5, 1);
}

#[test]
fn a_call_whose_time_is_up_in_the_queue_says_nothing_about_the_function() {
    let world = World::new(ONE, true);
    let mut service = world.service();
    let mut running = Box::pin(service.call(request()));
    assert!(running.as_mut().now_or_never().is_none());
    let calls = (0..20).map(|_| Box::pin(service.call(request_until(1_000))));
    let mut calls: Vec<_> = calls.collect();
    calls.iter_mut().for_each(|call| assert!(call.as_mut().now_or_never().is_none()));
    world.clock.advance(Duration::from_secs(1));
    for call in calls {
        assert_eq!(block_on(call).unwrap_err().named().0, "Ordersaga.Timeout");
    }
    assert_eq!(world.breakers.views()[0].state, State::Closed);
}

#[test]
fn a_call_that_is_turned_away_says_nothing_about_the_function() {
    let world = World::new(NO_QUEUE, true);
    let mut service = world.service();
    let mut running = Box::pin(service.call(request()));
    assert!(running.as_mut().now_or_never().is_none());
    for _ in 0..20 {
        let answer = block_on(service.call(request()));
        assert_eq!(answer.unwrap_err().named().0, "Ordersaga.Throttled");
    }
    assert_eq!(world.breakers.views()[0].state, State::Closed);
}

#[test]
fn a_call_past_its_deadline_is_a_failure_for_its_breaker() {
    let world = World::new(ONE, true);
    let mut service = world.service();
    for second in 1..=5 {
        let mut call = Box::pin(service.call(request_until(second * 1_000)));
        assert!(call.as_mut().now_or_never().is_none());
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(block_on(call).unwrap_err().named().0, "Ordersaga.Timeout");
    }
    assert!(matches!(world.breakers.views()[0].state, State::Open { .. }));
}

#[test]
fn a_parked_call_takes_no_place_in_the_bulkhead() {
    let world = World::new(NO_QUEUE, false);
    world.break_down();
    let mut service = world.service();
    let calls = (0..9).map(|_| Box::pin(service.call(request_until(600_000))));
    for mut call in calls {
        // With the bulkhead outside, all but the first would be turned away.
        assert!(call.as_mut().now_or_never().is_none());
    }
    assert_eq!(world.script.calls(), 5);
}

#[test]
fn a_rejection_reaches_a_caller_that_parks_by_itself_at_once() {
    let world = World::new(ONE, true);
    world.break_down();
    let answer = world.service().call(request_until(600_000)).now_or_never();
    assert!(matches!(answer, Some(Err(TaskError::Rejected { .. }))));
}

#[test]
fn the_stack_of_a_task_is_park_deadline_bulkhead_breaker() {
    type Breaker = BreakerLayer<TaskPolicy>;
    type Bulkhead = BulkheadLayer<bulkhead::OfTask>;
    type Deadline = DeadlineLayer<deadline::OfTask>;
    type Whole = Stack<Breaker, Stack<Bulkhead, Stack<Deadline, ParkLayer>>>;
    let _: fn(TaskParts) -> Whole = task;
}

/// Stands for what lets an event take effect once: notes which events it saw.
#[derive(Clone, Default)]
struct Seen(Arc<std::sync::Mutex<usize>>);

impl Service<Envelope> for Seen {
    type Response = ();
    type Error = ports::Error;
    type Future = std::future::Pending<Result<(), ports::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ports::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Envelope) -> Self::Future {
        *self.0.lock().unwrap() += 1;
        std::future::pending()
    }
}

fn event(deadline: Option<Timestamp>) -> Envelope {
    let detail = serde_json::json!({
        "metadata": {
            "event_id": "018f2b6a-5d3c-7e4f-8a9b-0c1d2e3f4a5b", "correlation_id": "1",
            "aggregate": "parcel#1", "sequence": 1, "schema_version": 1,
        },
        "data": {},
    });
    let detail = detail.as_object().unwrap().clone();
    let detail = contracts::envelope::Detail::read("ordersaga.parcel", detail);
    let event = Envelope { detail, ..Envelope::default() };
    match deadline {
        Some(deadline) => event.until(deadline),
        None => event,
    }
}

#[test]
fn an_event_that_comes_too_late_leaves_no_record_and_its_handling_ends_at_its_deadline() {
    let clock = HandClock::standing();
    let seen = Seen::default();
    let mut stack = consumer(clock.clone() as _, tower_layer::Identity::new()).layer(seen.clone());
    let mut handling = Box::pin(stack.call(event(Some(Timestamp::from_millis(1_000)))));
    assert!(handling.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    assert_eq!(block_on(handling).unwrap_err().kind(), Kind::Timeout);
    let late = block_on(stack.call(event(Some(Timestamp::from_millis(1_000)))));
    assert_eq!(late.unwrap_err().kind(), Kind::Timeout);
    assert_eq!(*seen.0.lock().unwrap(), 1, "the late one was seen");
    assert!(stack.call(event(None)).now_or_never().is_none());
}

#[test]
fn the_stack_of_an_event_is_deadline_once() {
    struct Once;
    type Whole = Stack<Once, DeadlineLayer<deadline::OfEvent>>;
    let _: fn(Arc<dyn Clock>, Once) -> Whole = consumer;
}
