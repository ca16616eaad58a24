//! The rows of the idempotency table that live at the edge.

use super::{BODY_BYTES_MAX, Caller, Idempotency, IdempotencyLayer, InFlight, Mode, Replayed};
use crate::hand_clock::HandClock;
use bytes::Bytes;
use contracts::Problem;
use contracts::http::IdempotencyKey;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, join_all};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

const KEY: &str = "\"8e03978e-40d5-43dd\"";

/// A service with records, as ours have: the first request of a scope waits for the gate, then
/// is recorded; later ones replay.
#[derive(Clone, Default)]
struct Works(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    records: BTreeMap<String, String>,
    gate: Option<oneshot::Receiver<()>>,
    seen: Vec<Option<IdempotencyKey>>,
    panics: bool,
}

impl Service<Request<Full<Bytes>>> for Works {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let works = self.clone();
        Box::pin(async move {
            let key = request.extensions().get::<IdempotencyKey>().cloned();
            let scope = key.as_ref().map(|key| key.scope.clone());
            let gate = {
                let mut inner = works.0.lock().unwrap();
                inner.seen.push(key);
                assert!(!inner.panics, "an invariant broke");
                inner.gate.take()
            };
            if let Some(gate) = gate {
                gate.await.ok();
            }
            let mut inner = works.0.lock().unwrap();
            let number = inner.records.len();
            let scope = scope.unwrap_or_else(|| format!("no key {number}"));
            let known = inner.records.contains_key(&scope);
            let body = inner.records.entry(scope);
            let body = body.or_insert_with(|| format!("thing {number}")).clone();
            let mut response = Response::new(Full::from(body));
            *response.status_mut() = http::StatusCode::ACCEPTED;
            if known {
                response.extensions_mut().insert(Replayed);
            }
            Ok(response)
        })
    }
}

/// Works behind the layer.
struct Bench {
    works: Works,
    edge: Idempotency<Works>,
    in_flight: InFlight,
    clock: Arc<HandClock>,
}

type Answering = BoxFuture<'static, Result<Response<Full<Bytes>>, Infallible>>;

impl Bench {
    fn new(mode: Mode) -> Self {
        Self::bounded(mode, 100)
    }

    fn bounded(mode: Mode, most: usize) -> Self {
        let (works, clock) = (Works::default(), HandClock::standing());
        let in_flight = InFlight::bounded(most);
        let layer = IdempotencyLayer::new(mode, in_flight.clone(), clock.clone());
        Self { edge: layer.layer(works.clone()), works, in_flight, clock }
    }

    /// Makes the next request wait until the gate is dropped.
    fn shut(&self) -> oneshot::Sender<()> {
        let (gate, shut) = oneshot::channel();
        self.works.0.lock().unwrap().gate = Some(shut);
        gate
    }

    fn send(&mut self, headers: &[(&str, &str)], body: &str) -> Answering {
        let mut request = Request::post("/v1/things");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        self.edge.call(request)
    }

    fn request(&mut self) -> Answering {
        self.send(&[("idempotency-key", KEY)], "{}")
    }

    fn patient_request(&mut self, prefer: &str) -> Answering {
        self.send(&[("idempotency-key", KEY), ("prefer", prefer)], "{}")
    }

    fn seen(&self) -> usize {
        self.works.0.lock().unwrap().seen.len()
    }
}

/// An answer, as a client sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    body: String,
    headers: BTreeMap<String, String>,
}

fn seen(answering: Answering) -> Seen {
    let (head, body) = block_on(answering).unwrap().into_parts();
    let headers = head.headers.iter();
    Seen {
        status: head.status.as_u16(),
        body: String::from_utf8(block_on(body.collect()).unwrap().to_bytes().into()).unwrap(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
    }
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn check_problem(&self, status: u16, code: &str) {
        let problem: Problem = serde_json::from_str(&self.body).unwrap();
        assert_eq!((self.status, &*problem.code), (status, code));
        assert_eq!(problem.status, status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
    }
}

#[test]
fn a_missing_key_is_refused_where_it_is_needed() {
    let mut bench = Bench::new(Mode::Required);
    let answer = seen(bench.send(&[], "{}"));
    answer.check_problem(400, "idempotency_key_missing");
    let link = "<https://ordersaga.dev/problems/idempotency_key_missing>; rel=\"describedby\"";
    assert_eq!(answer.header("link"), Some(link));
    assert_eq!(bench.seen(), 0);
}

#[test]
fn a_malformed_key_is_refused_in_both_modes() {
    for mode in [Mode::Required, Mode::Honoured] {
        let mut bench = Bench::new(mode);
        let answer = seen(bench.send(&[("idempotency-key", "short")], "{}"));
        answer.check_problem(400, "idempotency_key_invalid");
        assert!(answer.header("link").unwrap().ends_with("rel=\"describedby\""));
        assert_eq!(bench.seen(), 0);
    }
}

#[test]
fn a_request_without_a_key_runs_where_keys_are_only_honoured() {
    let mut bench = Bench::new(Mode::Honoured);
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(seen(bench.send(&[], &large)).status, 202);
    assert_eq!(bench.works.0.lock().unwrap().seen, [None]);
}

#[test]
fn a_repeated_request_gets_the_same_answer_marked_as_replayed() {
    let mut bench = Bench::new(Mode::Required);
    let first = seen(bench.request());
    let again = seen(bench.request());
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[test]
fn the_handler_is_told_the_scope_and_the_fingerprint() {
    let mut bench = Bench::new(Mode::Honoured);
    seen(bench.send(&[("idempotency-key", KEY)], r#"{"a":1,"b":2}"#));
    seen(bench.send(&[("idempotency-key", KEY)], r#"{"b":2, "a":1}"#));
    seen(bench.send(&[("idempotency-key", KEY)], r#"{"a":999,"b":2}"#));
    let inner = bench.works.0.lock().unwrap();
    let keys: Vec<_> = inner.seen.iter().flatten().collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0].scope, keys[2].scope);
    assert_ne!(keys[0].fingerprint, keys[2].fingerprint);
}

#[test]
fn the_same_key_of_another_caller_is_another_key() {
    let mut bench = Bench::new(Mode::Required);
    for principal in ["alice", "bob"] {
        let mut request = Request::post("/v1/things")
            .header("idempotency-key", KEY)
            .body(Full::default())
            .unwrap();
        request
            .extensions_mut()
            .insert(Caller { tenant: "house".into(), principal: principal.into() });
        assert_eq!(seen(bench.edge.call(request)).header("idempotent-replayed"), None);
    }
}

#[test]
fn a_copy_is_refused_while_the_first_is_running() {
    let mut bench = Bench::new(Mode::Required);
    let gate = bench.shut();
    let mut first = bench.request();
    assert!((&mut first).now_or_never().is_none());
    let copy = seen(bench.request());
    copy.check_problem(409, "idempotency_key_in_use");
    assert_eq!(copy.header("retry-after"), Some("1"));
    drop(gate);
    assert_eq!(seen(first).status, 202);
    assert_eq!(seen(bench.request()).header("idempotent-replayed"), Some("true"));
}

#[test]
fn a_patient_copy_waits_for_the_first_and_joins_its_result() {
    let mut bench = Bench::new(Mode::Required);
    let gate = bench.shut();
    let mut first = bench.request();
    assert!((&mut first).now_or_never().is_none());
    let mut copy = bench.patient_request("respond-async, wait=10");
    assert!((&mut copy).now_or_never().is_none());
    drop(gate);
    let (first, copy) = (seen(first), seen(copy));
    assert_eq!((copy.status, &copy.body), (202, &first.body));
    assert_eq!(copy.header("idempotent-replayed"), Some("true"));
    assert_eq!(copy.header("preference-applied"), Some("wait=10"));
}

#[test]
fn a_patient_copy_is_refused_when_its_patience_ends() {
    let mut bench = Bench::new(Mode::Required);
    let _gate = bench.shut();
    let mut first = bench.request();
    assert!((&mut first).now_or_never().is_none());
    let mut copy = bench.patient_request("wait=3600");
    assert!((&mut copy).now_or_never().is_none());
    bench.clock.advance(Duration::from_millis(29_999));
    assert!((&mut copy).now_or_never().is_none());
    bench.clock.advance(Duration::from_millis(1));
    let copy = seen(copy);
    copy.check_problem(409, "idempotency_key_in_use");
    assert_eq!(copy.header("preference-applied"), Some("wait=30"));
}

#[test]
fn a_patient_request_that_has_not_to_wait_is_answered_as_any_other() {
    let mut bench = Bench::new(Mode::Required);
    assert_eq!(seen(bench.patient_request("wait=5")).header("preference-applied"), None);
}

#[test]
fn fifty_copies_at_once_get_one_answer_or_are_told_to_come_later() {
    let mut bench = Bench::new(Mode::Required);
    let gate = bench.shut();
    let copies: Vec<_> = (0..50)
        .map(|n| if n % 2 == 0 { bench.request() } else { bench.patient_request("wait=5") })
        .collect();
    let mut copies = join_all(copies);
    assert!((&mut copies).now_or_never().is_none());
    drop(gate);
    let answers = block_on(copies).into_iter().map(|answer| seen(async { answer }.boxed()));
    let answers: Vec<_> = answers.collect();
    let (done, later): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 202);
    assert!(done.iter().all(|answer| answer.body == "thing 0"));
    assert!(later.iter().all(|answer| answer.status == 409));
    assert_eq!((done.len(), later.len()), (26, 24));
    let fresh = done.iter().filter(|a| a.header("idempotent-replayed").is_none());
    assert_eq!(fresh.count(), 1);
    assert_eq!(bench.in_flight.count(), 0);
}

#[test]
fn a_client_that_goes_away_leaves_the_key_free() {
    let mut bench = Bench::new(Mode::Required);
    let _gate = bench.shut();
    let mut first = bench.request();
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(bench.in_flight.count(), 1);
    drop(first);
    assert_eq!(bench.in_flight.count(), 0);
    assert_eq!(seen(bench.request()).status, 202);
}

#[test]
fn a_panic_leaves_the_key_free() {
    let mut bench = Bench::new(Mode::Required);
    bench.works.0.lock().unwrap().panics = true;
    let first = bench.request();
    assert!(block_on(AssertUnwindSafe(first).catch_unwind()).is_err());
    assert_eq!(bench.in_flight.count(), 0);
}

#[test]
fn a_body_above_the_limit_is_refused_and_one_at_the_limit_runs() {
    let mut bench = Bench::new(Mode::Required);
    let key = [("idempotency-key", KEY)];
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    seen(bench.send(&key, &large)).check_problem(413, "body_too_large");
    assert_eq!(bench.seen(), 0);
    assert_eq!(seen(bench.send(&key, &large[1..])).status, 202);
    assert_eq!(bench.in_flight.count(), 0);
}

#[test]
fn malformed_json_reaches_the_handler_as_it_was_sent() {
    let mut bench = Bench::new(Mode::Required);
    assert_eq!(seen(bench.send(&[("idempotency-key", KEY)], "{\"a\":")).status, 202);
    assert_eq!(bench.seen(), 1);
}

#[test]
fn more_requests_than_the_registry_holds_are_told_to_come_later() {
    let mut bench = Bench::bounded(Mode::Required, 1);
    let _gate = bench.shut();
    let mut first = bench.request();
    assert!((&mut first).now_or_never().is_none());
    let other = [("idempotency-key", "another-key-0123456789")];
    let answer = seen(bench.send(&other, "{}"));
    answer.check_problem(503, "too_busy");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn one_caller_in_too_many_places_at_once_is_told_to_come_later_and_others_are_served() {
    let clock = HandClock::standing();
    let in_flight = InFlight::default().per_caller(2);
    let works = Works::default();
    let mut edge =
        IdempotencyLayer::new(Mode::Required, in_flight.clone(), clock).layer(works.clone());
    let mut send = |principal: &str, key: &str| {
        let mut request =
            Request::post("/v1/things").header("idempotency-key", key).header("prefer", "wait=5");
        let caller = Caller { tenant: "house".into(), principal: principal.into() };
        request.extensions_mut().unwrap().insert(caller);
        edge.call(request.body(Full::default()).unwrap())
    };
    let (gate, shut) = oneshot::channel::<()>();
    works.0.lock().unwrap().gate = Some(shut);
    // One runs, and its copy waits: both take a seat.
    let mut two = join_all([send("alice", KEY), send("alice", KEY)]);
    assert!((&mut two).now_or_never().is_none());
    let third = seen(send("alice", "another-key-0123456789"));
    third.check_problem(429, "too_many_in_flight");
    assert_eq!(third.header("retry-after"), Some("1"));
    assert_eq!(seen(send("bob", "another-key-0123456789")).status, 202);
    drop(gate);
    block_on(two);
    assert_eq!(seen(send("alice", "another-key-0123456789")).status, 202);
}
