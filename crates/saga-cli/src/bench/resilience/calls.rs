//! Nanoseconds that each layer adds to a call that goes well, beside the same call without it.

use super::counted::CountedFleet;
use super::median;
use crate::bench::round;
use adapter_local::{SystemClock, SystemIds};
use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use contracts::Timestamp;
use futures::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use ports::task::{Invocation, TaskError, TaskReply, TaskRequest};
use ports::{Clock, Ids};
use resilience::TaskPolicy;
use resilience::breaker::{self, BreakerLayer, Breakers};
use resilience::bulkhead::{self, Bulkheads};
use resilience::limit::{Counts, Limit, Limits, Per, Rate, RateLimitLayer};
use resilience::stack::{self, EdgeParts, TaskParts};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context as Polling, Poll};
use std::time::{Duration, Instant};
use tower_layer::{Identity, Layer};
use tower_service::Service;

/// How many pairs of neighbours are measured.
const PAIRS: usize = 401;
const QUICK_PAIRS: usize = 51;
/// How many calls are made in a row: some hundred microseconds, shorter than others' turns.
const CALLS: u32 = 500;
/// For how long the store is watched while calls are made.
const WATCHED: Duration = Duration::from_secs(5);
const QUICK_WATCHED: Duration = Duration::from_secs(2);

/// A transport, and a handler, that answers at once.
#[derive(Clone)]
struct Bare;

impl Service<TaskRequest> for Bare {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = Ready<Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Polling<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TaskRequest) -> Self::Future {
        ready(Ok(Value::Null))
    }
}

type Asked = Request<Full<Bytes>>;
type Answered = Response<Full<Bytes>>;

impl Service<Asked> for Bare {
    type Response = Answered;
    type Error = Infallible;
    type Future = Ready<Result<Answered, Infallible>>;

    fn poll_ready(&mut self, _: &mut Polling<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        ready(Ok(Response::new(Full::default())))
    }
}

fn world() -> (Arc<dyn Clock>, Arc<dyn Ids>) {
    (Arc::new(SystemClock::new()), Arc::new(SystemIds))
}

fn breakers(store: &Arc<CountedFleet>) -> Arc<Breakers> {
    let (clock, ids) = world();
    let breakers = Breakers::new(breaker::Config::default(), clock, ids);
    Arc::new(breakers.in_fleet(Arc::clone(store) as _))
}

/// Limits such as a server has, which are never reached.
fn limits() -> Limits {
    let limit =
        |name, per| Limit { name, per, counts: Counts::Requests, rate: Rate::per_second(u32::MAX) };
    Limits::new(vec![
        limit("principal", Per::Principal),
        limit("tenant", Per::Tenant),
        limit("route", Per::Route),
    ])
}

fn task_request() -> TaskRequest {
    TaskRequest {
        function: "parcels".into(),
        invocation: Invocation::default(),
        payload: Arc::new(json!({"task": "send", "input": {}})),
        key: "send-parcel/1/send".into(),
        attempt: 0,
        // Far ahead: the layer looks at it and never waits for it.
        deadline: Some(Timestamp::MAX),
    }
}

/// A call of a task, which a layer must not delay.
fn task<S>(mut service: S) -> impl FnMut() -> Result<()>
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError>,
{
    let request = task_request();
    move || {
        let answer = service.call(request.clone()).now_or_never();
        let answer = answer.context("a layer waited for something")?;
        answer.map(drop).map_err(|error| anyhow!("a layer refused: {:?}", error.named()))
    }
}

/// A request over HTTP, which a layer must not delay.
fn request<S>(mut service: S) -> impl FnMut() -> Result<()>
where
    S: Service<Asked, Response = Answered, Error = Infallible>,
{
    move || {
        let answer = service.call(Asked::default()).now_or_never();
        let answer = answer.context("a layer waited for something")??;
        ensure!(answer.status().is_success(), "a layer refused: {}", answer.status());
        Ok(())
    }
}

/// What pairs of neighbours took, in nanoseconds a call.
struct Pairs {
    bare: Vec<f64>,
    added: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pairs {
    /// Measures two in turn, each of them first every other time.
    fn measure(
        pairs: usize,
        mut bare: impl FnMut() -> Result<()>,
        mut layered: impl FnMut() -> Result<()>,
    ) -> Result<Self> {
        let mut measured = Self { bare: Vec::new(), added: Vec::new(), ratios: Vec::new() };
        for pair in 0..pairs {
            let (without, with) = if pair % 2 == 0 {
                let without = nanoseconds(&mut bare)?;
                (without, nanoseconds(&mut layered)?)
            } else {
                let with = nanoseconds(&mut layered)?;
                (nanoseconds(&mut bare)?, with)
            };
            measured.bare.push(without);
            measured.added.push(with - without);
            measured.ratios.push(with / without);
        }
        // What was counted is put into its buckets, or it would be kept one by one.
        app::telemetry::count();
        Ok(measured)
    }

    fn line(self, what: &str, store_calls: u64) -> String {
        json!({
            "bench": "layer",
            "layer": what,
            "pairs": self.bare.len(),
            "calls_each": CALLS,
            "bare_ns": round(median(self.bare)),
            "added_ns": round(median(self.added)),
            "ratio": round(median(self.ratios)),
            "store_calls": store_calls,
        })
        .to_string()
    }
}

/// How long a call takes.
fn nanoseconds(call: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..CALLS {
        call()?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS))
}

/// Measures every layer; answers lines of JSON.
pub(super) fn run(quick: bool) -> Result<Vec<String>> {
    let pairs = if quick { QUICK_PAIRS } else { PAIRS };
    let store = Arc::new(CountedFleet::default());
    let layer = BreakerLayer::new(breakers(&store), TaskPolicy);
    let breaker = Pairs::measure(pairs, task(Bare), task(layer.layer(Bare)))?;
    let of_breaker = store.operations();

    let seam = stack::task(task_parts(breakers(&store))).layer(Bare);
    let seam = Pairs::measure(pairs, task(Bare), task(seam))?;
    let of_seam = store.operations() - of_breaker;

    let edge = edge_parts();
    let limit = RateLimitLayer::new(edge.limits.clone(), Arc::clone(&edge.clock), edge.route);
    let limit = Pairs::measure(pairs, request(Bare), request(limit.layer(Bare)))?;
    let edge = stack::edge(&edge, Identity::new()).layer(Bare);
    let edge = Pairs::measure(pairs, request(Bare), request(edge))?;
    Ok(vec![
        breaker.line("breaker", of_breaker),
        seam.line("task stack", of_seam),
        // Their buckets and places are in memory: there is no store that they could ask.
        limit.line("rate limit", 0),
        edge.line("edge stack without keys", 0),
    ])
}

fn task_parts(breakers: Arc<Breakers>) -> TaskParts {
    let (clock, ids) = world();
    TaskParts {
        clock,
        ids,
        breakers,
        bulkheads: Bulkheads::new(bulkhead::Config::default()),
        parks_itself: BTreeSet::new(),
    }
}

fn edge_parts() -> EdgeParts {
    EdgeParts {
        clock: world().0,
        limits: limits(),
        bulkheads: Bulkheads::new(bulkhead::Config::default()),
        route: |_| Some("/v1/parcels"),
    }
}

/// Makes calls while a breaker is kept in step with its fleet, and counts what that asks of the
/// store; answers a line of JSON.
pub(super) async fn beside(quick: bool) -> Result<String> {
    let watched = if quick { QUICK_WATCHED } else { WATCHED };
    let store = Arc::new(CountedFleet::default());
    let breakers = breakers(&store);
    let kept = Arc::clone(&breakers);
    let keeper = tokio::spawn(async move { kept.keep_in_step(std::future::pending()).await });
    let mut call = task(BreakerLayer::new(breakers, TaskPolicy).layer(Bare));
    let end = Instant::now() + watched;
    let mut calls: u64 = 0;
    while Instant::now() < end {
        for _ in 0..CALLS {
            call()?;
        }
        calls += u64::from(CALLS);
        tokio::task::yield_now().await;
    }
    keeper.abort();
    Ok(json!({
        "bench": "beside the calls",
        "seconds": watched.as_secs(),
        "calls": calls,
        "store_calls": store.operations(),
        "store_calls_per_second": round(store.operations() as f64 / watched.as_secs_f64()),
    })
    .to_string())
}
