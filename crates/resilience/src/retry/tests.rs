//! Retries as callers meet them, over HTTP and over calls of tasks.

use super::*;
use crate::deadline::Deadline;
use crate::hand_clock::{HandClock, SameIds};
use crate::idempotency::HEADER;
use crate::scripted::{Scripted, request, request_until, world};
use crate::spare::Body;
use ::http::{HeaderValue, Method, Request, Response};
use bytes::Bytes;
use contracts::Timestamp;
use futures::executor::block_on;
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Clock, Error, Kind};
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Calls of tasks; the sign that somebody further out makes them again is a later attempt.
#[derive(Clone, Copy)]
struct OfTask;

impl Policy<TaskRequest, TaskReply, TaskError> for OfTask {
    fn name<'a>(&self, request: &'a TaskRequest) -> &'a str {
        &request.function
    }

    fn again(&self, request: &TaskRequest) -> Option<TaskRequest> {
        Some(request.clone())
    }

    fn deadline(&self, request: &TaskRequest) -> Option<Timestamp> {
        request.deadline
    }

    fn mark(&self, request: &mut TaskRequest) -> bool {
        let was_marked = request.attempt > 0;
        request.attempt = 1;
        was_marked
    }

    fn failure(&self, answer: &Result<TaskReply, TaskError>) -> Option<Failure> {
        match answer {
            Err(TaskError::World(error)) => {
                Some(Failure { kind: error.kind(), retry_after: error.wait() })
            }
            Err(TaskError::Outage { kind, .. }) => Some(Failure { kind: *kind, retry_after: None }),
            Err(TaskError::Failed { .. } | TaskError::Unknown(_) | TaskError::Rejected { .. })
            | Ok(_) => None,
        }
    }
}

fn layer<P>(policy: P, config: Config, clock: &Arc<HandClock>) -> RetryLayer<P> {
    RetryLayer::new(policy, config, clock.clone(), Arc::new(SameIds))
}

fn generous() -> Config {
    let budget = BudgetConfig { percent: 100, per_second_min: 1_000, saved_max: 1_000 };
    Config { budget, ..Config::default() }
}

fn retrying(script: &Scripted, clock: &Arc<HandClock>) -> Retry<Scripted, OfTask> {
    layer(OfTask, generous(), clock).layer(script.clone())
}

#[test]
fn only_kinds_throttled_timeout_unavailable_and_conflict_are_tried_again() {
    for (kind, calls) in [
        (Kind::Throttled, 2),
        (Kind::Timeout, 2),
        (Kind::Unavailable, 2),
        (Kind::Conflict, 2),
        (Kind::NotFound, 1),
        (Kind::Denied, 1),
        (Kind::Invalid, 1),
        (Kind::Corrupt, 1),
    ] {
        let script = Scripted::default();
        script.will_answer(Err(world(kind)));
        script.will_answer(Ok(json!(1)));
        let answer = block_on(retrying(&script, &HandClock::running()).call(request()));
        assert_eq!((script.calls(), answer.is_ok()), (calls, calls == 2), "{kind:?}");
    }
}

#[test]
fn a_call_is_made_four_times_at_most_and_its_last_answer_comes_out() {
    let script = Scripted::default();
    (0..9).for_each(|_| script.will_answer(Err(world(Kind::Unavailable))));
    let answer = block_on(retrying(&script, &HandClock::running()).call(request()));
    assert_eq!((script.calls(), answer.is_err()), (4, true));
}

#[test]
fn a_breakers_rejection_is_not_tried_again_and_spends_no_budget() {
    let script = Scripted::default();
    let clock = HandClock::standing();
    let budget = BudgetConfig { percent: 0, per_second_min: 1, saved_max: 0 };
    let config = Config { budget, ..Config::default() };
    let mut service = layer(OfTask, config, &clock).layer(script.clone());
    for _ in 0..5 {
        let retry_after = Duration::from_millis(1);
        script.will_answer(Err(TaskError::Rejected { retry_after }));
        assert!(block_on(service.call(request())).is_err());
    }
    assert_eq!(script.calls(), 5);
    // The one token of this second is still there.
    script.will_answer(Err(world(Kind::Conflict)));
    script.will_answer(Ok(json!(1)));
    let mut call = Box::pin(service.call(request()));
    assert!(futures::FutureExt::now_or_never(call.as_mut()).is_none());
    clock.advance(Duration::from_secs(1));
    assert!(block_on(call).is_ok());
}

#[test]
fn a_business_no_and_an_unknown_outcome_are_answers() {
    let script = Scripted::default();
    let mut service = retrying(&script, &HandClock::running());
    let (error, cause) = ("Refused".to_owned(), "there is none".to_owned());
    script.will_answer(Err(TaskError::Failed { error, cause }));
    script.will_answer(Err(TaskError::Unknown("no answer".into())));
    assert!(block_on(service.call(request())).is_err());
    assert!(block_on(service.call(request())).is_err());
    assert_eq!(script.calls(), 2);
}

#[test]
fn retry_after_is_the_shortest_wait() {
    let script = Scripted::default();
    let clock = HandClock::running();
    let asked = Error::new(Kind::Throttled, "ask").retry_after(Duration::from_secs(7));
    script.will_answer(Err(asked.into()));
    script.will_answer(Ok(json!(1)));
    assert!(block_on(retrying(&script, &clock).call(request())).is_ok());
    assert_eq!(clock.now(), Timestamp::from_millis(7_000));
}

#[test]
fn no_wait_is_begun_that_would_end_at_the_deadline() {
    let script = Scripted::default();
    let clock = HandClock::running();
    let asked = Error::new(Kind::Throttled, "ask").retry_after(Duration::from_secs(7));
    script.will_answer(Err(asked.into()));
    let answer = block_on(retrying(&script, &clock).call(request_until(7_000)));
    assert!(answer.is_err());
    assert_eq!((script.calls(), clock.now()), (1, Timestamp::EPOCH));
}

#[test]
fn when_everything_fails_retries_add_a_tenth_to_the_calls() {
    let script = Scripted::default();
    (0..3_000).for_each(|_| script.will_answer(Err(world(Kind::Unavailable))));
    // The clock runs with the waits only: what a second of quiet pays for does not count.
    let clock = HandClock::running();
    let budget = BudgetConfig { per_second_min: 0, ..BudgetConfig::default() };
    let config = Config { budget, ..Config::default() };
    let mut service = layer(OfTask, config, &clock).layer(script.clone());
    for _ in 0..1_000 {
        assert!(block_on(service.call(request())).is_err());
    }
    assert_eq!(script.calls(), 1_100);
}

#[test]
fn of_two_retry_loops_inside_one_another_only_the_outer_one_retries() {
    let script = Scripted::default();
    (0..99).for_each(|_| script.will_answer(Err(world(Kind::Unavailable))));
    let clock = HandClock::running();
    let inner = retrying(&script, &clock);
    let mut service = layer(OfTask, generous(), &clock).layer(inner);
    assert!(block_on(service.call(request())).is_err());
    assert_eq!(script.calls(), 4, "two loops of three retries would make sixteen calls");
}

/// Answers with these statuses, one after the other; notes how often it was asked.
#[derive(Clone, Default)]
struct Statuses(Arc<Mutex<(VecDeque<u16>, usize)>>);

impl Statuses {
    fn of(statuses: &[u16]) -> Self {
        Self(Arc::new(Mutex::new((statuses.iter().copied().collect(), 0))))
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Service<Request<Body>> for Statuses {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(request.extensions().get::<Marked>().is_some(), "who is inside sees the mark");
        let mut inner = self.0.lock().unwrap();
        inner.1 += 1;
        let status = inner.0.pop_front().unwrap_or(200);
        let response = Response::builder().status(status).header("retry-after", "1");
        ready(Ok(response.body(Body::default()).unwrap()))
    }
}

fn over_http(statuses: &[u16], request: Request<Body>) -> (u16, usize, Timestamp) {
    let (handler, clock) = (Statuses::of(statuses), HandClock::running());
    let around = layer(OverHttp, generous(), &clock);
    // Twice: the inner loop does nothing.
    let mut service = around.layer(around.layer(handler.clone()));
    let status = block_on(service.call(request)).unwrap().status().as_u16();
    (status, handler.calls(), clock.now())
}

fn method(method: Method) -> Request<Body> {
    let body = Body::from(Bytes::from_static(b"{}"));
    Request::builder().method(method).body(body).unwrap()
}

#[test]
fn a_request_over_http_is_made_again_as_the_answer_asks_for() {
    for status in [409, 408, 429, 502, 503, 504] {
        let (answer, calls, now) = over_http(&[status], method(Method::GET));
        assert_eq!((answer, calls), (200, 2), "{status}");
        assert!(now >= Timestamp::from_millis(1_000), "{status}");
    }
    for status in [200, 202, 400, 404, 422, 500] {
        assert_eq!(over_http(&[status], method(Method::GET)).1, 1, "{status}");
    }
}

#[test]
fn a_post_is_made_again_only_with_a_key() {
    assert_eq!(over_http(&[503], method(Method::POST)).1, 1);
    let mut keyed = method(Method::POST);
    keyed.headers_mut().insert(HEADER, HeaderValue::from_static("0123456789abcdef"));
    assert_eq!(over_http(&[503], keyed).1, 2);
}

#[test]
fn the_deadline_of_a_request_ends_its_retries() {
    let mut request = method(Method::GET);
    request.extensions_mut().insert(Deadline(Timestamp::from_millis(1_000)));
    assert_eq!(over_http(&[503], request).1, 1);
}
