//! Rate limits as clients meet them.

use super::limits::Whose;
use super::*;
use crate::hand_clock::HandClock;
use crate::idempotency::{Caller, HEADER, Replayed};
use crate::spare::{Body, said};
use futures::executor::block_on;
use http::{HeaderValue, Request, Response, StatusCode};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Answers a key that it has seen as before, unless it must not take new ones; counts its runs.
#[derive(Clone, Default)]
struct Handler {
    keys: Arc<Mutex<Vec<HeaderValue>>>,
    runs: Arc<Mutex<u32>>,
    refuses: bool,
}

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::default());
        let key = request.headers().get(HEADER).cloned();
        let mut keys = self.keys.lock().unwrap();
        if key.as_ref().is_some_and(|key| keys.contains(key)) {
            response.extensions_mut().insert(Replayed);
            return ready(Ok(response));
        }
        if let Some(spent) = request.extensions().get::<NewKeysSpent>() {
            return ready(Ok(crate::refusal::later(&spent.problem(), spent.retry_after())));
        }
        *self.runs.lock().unwrap() += 1;
        if self.refuses {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        } else {
            keys.extend(key);
        }
        ready(Ok(response))
    }
}

struct World {
    clock: Arc<HandClock>,
    handler: Handler,
    service: RateLimit<Handler>,
}

fn world(limits: Vec<Limit>) -> World {
    world_of(limits, Handler::default())
}

fn world_of(limits: Vec<Limit>, handler: Handler) -> World {
    let clock = HandClock::standing();
    let layer = RateLimitLayer::new(Limits::new(limits), clock.clone(), |extensions| {
        extensions.get::<&'static str>().copied()
    });
    let service = layer.layer(handler.clone());
    World { clock, handler, service }
}

fn limit(name: &'static str, per: Per, rate: Rate) -> Limit {
    Limit { name, per, counts: Counts::Requests, rate }
}

fn asked(tenant: &str, principal: &str, route: &'static str) -> Request<Body> {
    let mut request = Request::new(Body::default());
    let caller = Caller { tenant: tenant.into(), principal: principal.into() };
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(route);
    request
}

fn keyed(key: &'static str) -> Request<Body> {
    let mut request = asked("t", "p", "/");
    request.headers_mut().insert(HEADER, HeaderValue::from_static(key));
    request
}

impl World {
    fn status(&mut self, request: Request<Body>) -> u16 {
        self.answer(request).status().as_u16()
    }

    fn answer(&mut self, request: Request<Body>) -> Response<Body> {
        block_on(self.service.call(request)).unwrap()
    }
}

#[test]
fn an_answer_says_what_the_limits_are_and_how_they_stand() {
    let rate = Rate { limit: 100, window: Duration::from_secs(60), burst: 10 };
    let tenants = limit("tenant", Per::Tenant, Rate::per_second(1_000));
    let mut world = world(vec![limit("principal", Per::Principal, rate), tenants]);
    let response = world.answer(asked("t", "p", "/"));
    let headers = response.headers();
    let policies = "\"principal\";q=100;w=60, \"tenant\";q=1000;w=1";
    assert_eq!(headers["ratelimit-policy"], policies);
    assert_eq!(headers["ratelimit"], "\"principal\";r=9;t=1, \"tenant\";r=999;t=1");
}

#[test]
fn a_request_beyond_a_limit_is_answered_429_and_not_made() {
    let rate = Rate { limit: 1, window: Duration::from_secs(5), burst: 2 };
    let mut world = world(vec![limit("principal", Per::Principal, rate)]);
    for _ in 0..2 {
        assert_eq!(world.status(asked("t", "p", "/")), 200);
    }
    let response = world.answer(asked("t", "p", "/"));
    let headers = response.headers();
    assert_eq!(headers["retry-after"], "5");
    assert_eq!(headers["ratelimit-policy"], "\"principal\";q=1;w=5");
    assert_eq!(headers["ratelimit"], "\"principal\";r=0;t=10");
    let (status, body) = said(response);
    assert_eq!(status, 429);
    assert!(body.contains("\"code\":\"rate_limited\""), "{body}");
    assert!(body.contains("`principal`"), "{body}");
    assert_eq!(*world.handler.runs.lock().unwrap(), 2);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.status(asked("t", "p", "/")), 200);
}

#[test]
fn principals_tenants_and_routes_each_have_a_bucket_of_their_own() {
    let one = Rate { limit: 1, window: Duration::from_secs(60), burst: 1 };
    for (per, same, other) in [
        (Per::Principal, ("t", "p", "/b"), ("t", "q", "/a")),
        (Per::Tenant, ("t", "q", "/b"), ("u", "p", "/a")),
        (Per::Route, ("u", "q", "/a"), ("t", "p", "/b")),
    ] {
        let mut world = world(vec![limit("one", per, one)]);
        let asked = |(tenant, principal, route)| asked(tenant, principal, route);
        assert_eq!(world.status(asked(("t", "p", "/a"))), 200);
        assert_eq!(world.status(asked(same)), 429, "{per:?}");
        assert_eq!(world.status(asked(other)), 200, "{per:?}");
    }
}

#[test]
fn a_request_that_one_limit_refuses_is_not_charged_to_another() {
    let minute = Duration::from_secs(60);
    let wide = limit("wide", Per::Tenant, Rate { limit: 1, window: minute, burst: 3 });
    let narrow = limit("narrow", Per::Route, Rate { limit: 1, window: minute, burst: 1 });
    let mut world = world(vec![wide, narrow]);
    assert_eq!(world.status(asked("t", "p", "/a")), 200);
    for _ in 0..9 {
        assert_eq!(world.status(asked("t", "p", "/a")), 429);
    }
    assert_eq!(world.status(asked("t", "p", "/b")), 200);
    assert_eq!(world.status(asked("t", "p", "/c")), 200);
    assert_eq!(world.status(asked("t", "p", "/d")), 429);
}

fn two_new_keys_a_day() -> Limit {
    let rate = Rate::per_day(2);
    Limit { name: "new-keys", per: Per::Principal, counts: Counts::NewKeys, rate }
}

#[test]
fn a_new_key_is_charged_and_a_replay_is_not() {
    let mut world = world(vec![two_new_keys_a_day()]);
    assert_eq!(world.status(keyed("a")), 200);
    for _ in 0..9 {
        assert_eq!(world.status(keyed("a")), 200);
    }
    assert_eq!(world.status(keyed("b")), 200);
    assert_eq!(world.status(keyed("c")), 429);
    assert_eq!(world.status(keyed("b")), 200, "what was answered before is answered again");
    assert_eq!(world.status(asked("t", "p", "/")), 200, "a request without a key is free");
    world.clock.advance(Duration::from_hours(12));
    assert_eq!(world.status(keyed("c")), 200);
}

#[test]
fn a_key_whose_request_was_refused_is_not_charged() {
    let handler = Handler { refuses: true, ..Handler::default() };
    let mut world = world_of(vec![two_new_keys_a_day()], handler);
    for _ in 0..9 {
        assert_eq!(world.status(keyed("a")), 422);
    }
}

#[test]
fn a_server_without_limits_says_nothing_of_them() {
    let mut world = world(vec![]);
    let response = world.answer(asked("t", "p", "/"));
    assert!(!response.headers().contains_key("ratelimit"));
    assert!(!response.headers().contains_key("ratelimit-policy"));
}

#[test]
fn however_many_callers_there_are_memory_is_bounded_and_full_buckets_make_room() {
    let rate = Rate { limit: 1, window: Duration::from_secs(10), burst: 1 };
    let limits = Limits::new(vec![limit("one", Per::Principal, rate)]);
    let clock = HandClock::standing();
    let take = |n: usize| {
        let caller = Caller { tenant: String::new(), principal: n.to_string() };
        let whose = Whose { caller: &caller, route: "" };
        use ports::Clock as _;
        limits.take(Counts::Requests, whose, clock.now()).is_ok()
    };
    let admitted = (0..2 * KEYS_MAX).filter(|n| take(*n)).count();
    assert!(limits.buckets() <= KEYS_MAX, "{}", limits.buckets());
    assert!(admitted <= KEYS_MAX + 16, "newcomers share a bucket: {admitted}");
    clock.advance(Duration::from_secs(10));
    assert!((3 * KEYS_MAX..3 * KEYS_MAX + 1_000).all(take));
    assert!(limits.buckets() < KEYS_MAX);
}

#[test]
fn requests_of_many_threads_are_all_counted() {
    let rate = Rate { limit: 1, window: Duration::from_hours(1), burst: 1_000 };
    let limits = Limits::new(vec![limit("one", Per::Route, rate)]);
    let admitted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let caller = Caller::default();
                    let whose = Whose { caller: &caller, route: "/" };
                    let now = contracts::Timestamp::EPOCH;
                    let take = |_: &u32| limits.take(Counts::Requests, whose, now).is_ok();
                    (0..1_000).filter(take).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(admitted, 1_000);
}
