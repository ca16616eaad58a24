//! What changes when the order of the HTTP edge's layers changes.

use super::*;
use crate::bulkhead::Limits as Places;
use crate::hand_clock::HandClock;
use crate::idempotency::{IdempotencyLayer, InFlight, Mode};
use crate::limit::{Counts, Limit, Per, Rate};
use crate::spare::Body;
use futures::FutureExt;
use futures::executor::block_on;
use http::{Request, Response};
use std::convert::Infallible;
use std::future::Pending;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// A handler that never answers.
#[derive(Clone)]
struct Hangs;

impl Service<Request<Body>> for Hangs {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pending<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::pending()
    }
}

/// Stands where keys are read, and counts who comes by.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<u32>>);

#[derive(Clone)]
struct Counted<S>(S, Counting);

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted(inner, self.clone())
    }
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        *self.1.0.lock().unwrap() += 1;
        self.0.call(request)
    }
}

/// The parts of an edge with so many places, where everybody may ask `burst` times an hour.
fn parts(clock: &Arc<HandClock>, concurrent_max: u32, burst: u32) -> EdgeParts {
    let rate = Rate { limit: 1, window: Duration::from_hours(1), burst };
    let counts = Counts::Requests;
    let limits = Limits::new(vec![Limit { name: "all", per: Per::Route, counts, rate }]);
    let limit = Places { concurrent_max, waiting_max: 0 };
    let bulkheads = Bulkheads::new(bulkhead::Config { limits: limit, named: [].into() });
    EdgeParts { clock: clock.clone() as _, limits, bulkheads, route: |_| Some("/") }
}

fn asked(headers: &[(&'static str, &'static str)]) -> Request<Body> {
    let mut request = Request::builder().method("POST");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::default()).unwrap()
}

fn running(parts: &EdgeParts) -> u32 {
    parts.bulkheads.views().iter().map(|view| view.running).sum()
}

#[test]
fn a_rate_limited_request_leaves_no_record_and_takes_no_place() {
    let parts = parts(&HandClock::standing(), 9, 1);
    let keys = Counting::default();
    let mut service = edge(&parts, keys.clone()).layer(Hangs);
    let mut first = Box::pin(service.call(asked(&[])));
    assert!(first.as_mut().now_or_never().is_none());
    for _ in 0..5 {
        let answer = service.call(asked(&[])).now_or_never().expect("it is refused at once");
        assert_eq!(answer.unwrap().status(), 429);
    }
    assert_eq!(*keys.0.lock().unwrap(), 1);
    assert_eq!(running(&parts), 1);
}

#[test]
fn a_copy_that_waits_for_the_first_takes_no_place() {
    let clock = HandClock::standing();
    let parts = parts(&clock, 1, 9);
    let keys = IdempotencyLayer::new(Mode::Required, InFlight::default(), clock.clone() as _);
    let mut service = edge(&parts, keys).layer(Hangs);
    let key = ("idempotency-key", "0123456789abcdef");
    let mut first = Box::pin(service.call(asked(&[key])));
    let mut copy = Box::pin(service.call(asked(&[key, ("prefer", "wait=10")])));
    assert!(first.as_mut().now_or_never().is_none());
    // With the bulkhead outside, the only place is taken: the copy would be turned away.
    assert!(copy.as_mut().now_or_never().is_none());
    assert_eq!(running(&parts), 1);
}

#[test]
fn the_deadline_ends_the_wait_for_a_copy() {
    let clock = HandClock::standing();
    let parts = parts(&clock, 9, 9);
    let keys = IdempotencyLayer::new(Mode::Required, InFlight::default(), clock.clone() as _);
    let mut service = edge(&parts, keys).layer(Hangs);
    let key = ("idempotency-key", "0123456789abcdef");
    let mut first = Box::pin(service.call(asked(&[key])));
    assert!(first.as_mut().now_or_never().is_none());
    let patient = [key, ("prefer", "wait=30"), ("request-timeout-ms", "1000")];
    let mut copy = Box::pin(service.call(asked(&patient)));
    assert!(copy.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    assert_eq!(block_on(copy).unwrap().status(), 504);
}

#[test]
fn a_request_whose_time_is_up_gives_its_place_back() {
    let clock = HandClock::standing();
    let parts = parts(&clock, 1, 9);
    let mut service = edge(&parts, Counting::default()).layer(Hangs);
    let mut slow = Box::pin(service.call(asked(&[("request-timeout-ms", "1000")])));
    assert!(slow.as_mut().now_or_never().is_none());
    let turned_away = service.call(asked(&[])).now_or_never().expect("it is refused at once");
    assert_eq!(turned_away.unwrap().status(), 503);
    clock.advance(Duration::from_secs(1));
    assert_eq!(slow.as_mut().now_or_never().unwrap().unwrap().status(), 504);
    assert_eq!(running(&parts), 0);
}

#[test]
fn a_request_whose_timeout_makes_no_sense_is_charged_to_nobody() {
    let parts = parts(&HandClock::standing(), 9, 1);
    let mut service = edge(&parts, Counting::default()).layer(Hangs);
    for _ in 0..5 {
        let answer = service.call(asked(&[("request-timeout-ms", "soon")])).now_or_never();
        assert_eq!(answer.unwrap().unwrap().status(), 400);
    }
    assert!(service.call(asked(&[])).now_or_never().is_none(), "it is limited");
}

#[test]
fn the_stack_of_the_edge_is_deadline_rate_limit_keys_bulkhead() {
    struct Keys;
    type Bulkhead = BulkheadLayer<bulkhead::ByRoute>;
    type Deadline = DeadlineLayer<deadline::ByHeader>;
    type Whole = Stack<Bulkhead, Stack<Keys, Stack<RateLimitLayer, Deadline>>>;
    let _: fn(&EdgeParts, Keys) -> Whole = edge;
}
