//! The processes before one store, their handlers, and the clients that do not give up.

use crate::Shown;
use crate::executor::{LotIds, Sim, SkewedClock};
use crate::store::{EFFECT, FaultyStore};
use bytes::Bytes;
use contracts::Problem;
use contracts::http::IdempotencyKey;
use futures::channel::oneshot;
use futures::future::{self, BoxFuture, Either, FutureExt};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use ports::aggregate::{Answer, Decision, Failure, Once};
use ports::store::{Expect, Partition, Write};
use ports::{Aggregates, Clock};
use resilience::idempotency::{
    Idempotency, IdempotencyLayer, InFlight, Lease, Leases, Mode, Recording, Replayed, StoreRecords,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// How many processes there are.
const PROCESSES: usize = 5;
/// How far their clocks are apart at most: less than the grace of a lease.
const SKEW_MS: u64 = 1_500;
/// How often a client tries before the test calls the key stuck.
const TRIES_MAX: u32 = 2_000;
/// At every so manieth step of any of its tasks a process crashes there; a stall is as likely.
const CRASH_ONE_IN: u64 = 50_000;
/// At every so manieth step of a run its process crashes soon, or stalls: that is where it hurts.
const DANGER_ONE_IN: u64 = 40;

/// Who records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    WithEffect,
    ByLease,
}

type Body = Full<Bytes>;

/// What the processes share beside the store.
#[derive(Clone)]
struct World {
    sim: Sim,
    store: FaultyStore,
    runs: Arc<AtomicU64>,
    /// What was done elsewhere, by the key it was done under: how often, and by which run.
    elsewhere: Arc<Mutex<BTreeMap<String, (u32, u64)>>>,
    /// The largest fence that has begun, by key.
    fences: Arc<Mutex<BTreeMap<String, u64>>>,
    /// The processes that are in for it.
    doomed: Arc<Mutex<Vec<usize>>>,
    is_calm: bool,
}

impl World {
    /// A run takes a step: nobody may have taken over from it.
    fn step(&self, scope: &str, lease: &Lease) {
        let mut fences = self.fences.lock().unwrap();
        let largest = fences.entry(scope.to_owned()).or_default();
        assert!(lease.fence.0 >= *largest, "a run goes on after it was taken over");
        *largest = lease.fence.0;
    }

    /// A run takes a step that its process may not survive.
    async fn pause(&self, process: usize, ms: u64) {
        if !self.is_calm && self.sim.one_in(DANGER_ONE_IN) {
            self.doomed.lock().unwrap().push(process);
        }
        self.sim.sleep(self.sim.below(ms)).await;
    }

    /// Does something elsewhere, where it is done as often as it is asked for; a run that resumes
    /// asks first whether it was done. The answer may get lost.
    async fn act(&self, process: usize, scope: &str, lease: &Lease, run: u64) -> Option<u64> {
        self.pause(process, 20).await;
        let done = self.elsewhere.lock().unwrap().get(scope).map(|(_, first)| *first);
        // Whoever else runs now would be seen too late.
        self.pause(process, 20).await;
        self.step(scope, lease);
        let first = match done.filter(|_| lease.resumes) {
            Some(first) => first,
            None => {
                let mut elsewhere = self.elsewhere.lock().unwrap();
                let done = elsewhere.entry(scope.to_owned()).or_insert((0, run));
                done.0 += 1;
                done.1
            }
        };
        self.pause(process, 20).await;
        (self.is_calm || !self.sim.one_in(10)).then_some(first)
    }
}

/// A handler in one process.
#[derive(Clone)]
struct Handler {
    world: World,
    aggregates: Arc<Aggregates>,
    way: Way,
    process: usize,
}

impl Handler {
    async fn with_effect(&self, key: &IdempotencyKey, run: u64) -> Response<Body> {
        let is_known = self.world.fences.lock().unwrap().contains_key(&key.scope);
        if !is_known {
            self.world.pause(self.process, 30).await;
        }
        let once = Once { key: key.scope.clone(), fingerprint: key.fingerprint.clone() };
        let partition = Partition::of("thing", &key.scope);
        let answer = self.aggregates.decide(&partition, &[EFFECT], Some(&once), |items| {
            let effect = Write::Put {
                name: EFFECT.to_owned(),
                expect: Expect::unchanged(items[0].as_ref()),
                body: "{}".to_owned(),
                indexes: Vec::new(),
                expires_at: None,
            };
            let (writes, reply) = (vec![effect], format!("done by run {run}"));
            Ok::<_, Infallible>(Decision { writes, outbox: Vec::new(), reply })
        });
        match answer.await {
            Ok(Answer::First(body)) => {
                self.world.fences.lock().unwrap().insert(key.scope.clone(), 1);
                respond(201, body)
            }
            Ok(Answer::Replayed(body)) => {
                let mut response = respond(201, body);
                response.extensions_mut().insert(Replayed);
                response
            }
            Err(Failure::World(error)) => respond(503, Problem::from(&error).code.to_string()),
            Err(Failure::KeyReused) => panic!("all copies ask for the same"),
            Err(Failure::Rejected(never)) => match never {},
        }
    }

    async fn by_lease(&self, key: &IdempotencyKey, lease: &Lease, run: u64) -> Response<Body> {
        let (world, scope) = (&self.world, &key.scope);
        world.step(scope, lease);
        world.pause(self.process, 30).await;
        world.step(scope, lease);
        if !world.is_calm && world.sim.one_in(20) {
            return respond(503, "not now".to_owned());
        }
        let Some(first) = world.act(self.process, scope, lease, run).await else {
            return respond(504, "the answer was lost".to_owned());
        };
        world.step(scope, lease);
        respond(201, format!("done by run {first}, told by run {run}"))
    }
}

fn respond(status: u16, body: String) -> Response<Body> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let handler = self.clone();
        let run = self.world.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let key = request.extensions().get::<IdempotencyKey>().unwrap();
            Ok(match handler.way {
                Way::WithEffect => handler.with_effect(key, run).await,
                Way::ByLease => {
                    let lease = request.extensions().get::<Lease>().unwrap();
                    handler.by_lease(key, lease, run).await
                }
            })
        })
    }
}

/// How often a process was started, and its layer.
type Process = (u64, Idempotency<Handler>);

/// Five processes, and how often each was started.
#[derive(Clone)]
pub(crate) struct House {
    world: World,
    way: Way,
    processes: Arc<Mutex<Vec<Process>>>,
    bodies: Arc<Mutex<BTreeMap<usize, BTreeMap<String, usize>>>>,
    requests: Arc<AtomicU64>,
}

impl House {
    /// Plays `copies` of each of so many keys to the end.
    pub(crate) fn play(way: Way, seed: u64, keys: usize, copies: usize) -> Shown {
        let house = Self::open(way, seed, false);
        let sim = house.world.sim.clone();
        for copy in 0..copies {
            for key in 0..keys {
                // Most copies come at once, and some much later.
                let at = if copy % 100 == 0 { sim.below(120_000) } else { sim.below(1_000) };
                let client = house.clone();
                sim.spawn(None, Box::pin(async move { client.ask(key, copy, at).await }));
            }
        }
        let (mut crashes, mut stalls) = (0, 0);
        sim.run(|owner| {
            let Some(process) = owner else {
                return;
            };
            let is_doomed = house.doomed(process);
            if (is_doomed && sim.one_in(2)) || sim.one_in(CRASH_ONE_IN) {
                crashes += 1;
                house.crash(process);
            } else if is_doomed || sim.one_in(CRASH_ONE_IN) {
                stalls += 1;
                sim.stall(process, sim.below(60_000));
            }
        });
        house.shown(crashes, stalls)
    }

    fn open(way: Way, seed: u64, is_calm: bool) -> Self {
        let sim = Sim::seeded(seed);
        let world = World {
            store: FaultyStore::new(sim.clone(), is_calm),
            sim,
            runs: Arc::default(),
            elsewhere: Arc::default(),
            fences: Arc::default(),
            doomed: Arc::default(),
            is_calm,
        };
        let requests = Arc::default();
        let house =
            Self { world, way, processes: Arc::default(), bodies: Arc::default(), requests };
        for process in 0..PROCESSES {
            let started = house.start(process, 0);
            house.processes.lock().unwrap().push((0, started));
        }
        house
    }

    fn start(&self, process: usize, epoch: u64) -> Idempotency<Handler> {
        let World { sim, store, .. } = &self.world;
        let skew_ms = i64::try_from(sim.below(SKEW_MS)).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SkewedClock { sim: sim.clone(), skew_ms });
        let recording = match self.way {
            Way::WithEffect => Recording::WithEffect,
            Way::ByLease => {
                let records = StoreRecords::new(Arc::new(store.clone()), Arc::clone(&clock));
                let ids = Arc::new(LotIds(sim.clone()));
                let (spawning, processes) = (sim.clone(), Arc::clone(&self.processes));
                let spawn = move |future| {
                    // What a process leaves behind when it crashes nobody does.
                    if processes.lock().unwrap()[process].0 == epoch {
                        spawning.spawn(Some(process), future);
                    }
                };
                let leases = Leases::new(Arc::new(records), Arc::clone(&clock), ids);
                Recording::ByLease(leases.with_spawn(Arc::new(spawn)))
            }
        };
        let aggregates = Aggregates::new(Arc::new(store.clone()), Arc::clone(&clock));
        let (world, aggregates) = (self.world.clone(), Arc::new(aggregates));
        // All clients are one caller here.
        let in_flight = InFlight::default().per_caller(usize::MAX);
        IdempotencyLayer::new(Mode::Required, in_flight, clock)
            .recording(recording)
            .layer(Handler { world, aggregates, way: self.way, process })
    }

    /// Plays one key and two copies; the process that has it crashes at its `step`th step, whose
    /// client comes again. Answers what it showed, and whether it came to that.
    pub(crate) fn cut(way: Way, step: u64) -> (Shown, bool) {
        let house = Self::open(way, step, true);
        let sim = house.world.sim.clone();
        for at in [0, 200_000] {
            let client = house.clone();
            sim.spawn(None, Box::pin(async move { client.ask(0, 1, at).await }));
        }
        let (mut steps, mut crashes) = (0, 0);
        sim.run(|owner| {
            if let Some(process) = owner {
                steps += 1;
                if steps == step {
                    crashes += 1;
                    house.crash(process);
                }
            }
        });
        let is_cut = crashes > 0;
        (house.shown(crashes, 0), is_cut)
    }

    fn doomed(&self, process: usize) -> bool {
        let mut doomed = self.world.doomed.lock().unwrap();
        let before = doomed.len();
        doomed.retain(|one| *one != process);
        doomed.len() < before
    }

    fn crash(&self, process: usize) {
        let epoch = self.processes.lock().unwrap()[process].0 + 1;
        let started = self.start(process, epoch);
        let crashed = {
            let mut processes = self.processes.lock().unwrap();
            std::mem::replace(&mut processes[process], (epoch, started))
        };
        self.world.sim.crash(process);
        drop(crashed);
    }

    /// Asks until there is an answer that is none of "later", and notes it.
    async fn ask(self, key: usize, copy: usize, at: u64) {
        let sim = &self.world.sim;
        sim.sleep(at).await;
        let name = format!("key-{key:013}");
        for _ in 0..TRIES_MAX {
            match self.send(&name, copy).await {
                Some((201, body)) => {
                    let mut bodies = self.bodies.lock().unwrap();
                    *bodies.entry(key).or_default().entry(body).or_default() += 1;
                    return;
                }
                Some((409 | 503 | 504, _)) => sim.sleep(1_000 + sim.below(1_000)).await,
                Some(other) => panic!("answered {other:?}"),
                None => sim.sleep(sim.below(500)).await,
            }
        }
        panic!("the key is stuck");
    }

    /// Sends one copy to a process; `None` when no answer comes.
    async fn send(&self, name: &str, copy: usize) -> Option<(u16, String)> {
        let sim = &self.world.sim;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let process = usize::try_from(sim.below(PROCESSES as u64)).unwrap();
        let mut request = Request::post("/v1/things").header("idempotency-key", name);
        if !copy.is_multiple_of(4) {
            request = request.header("prefer", "wait=30");
        }
        let request = request.body(Full::from(r#"{"amount":100}"#)).unwrap();
        let answering = self.processes.lock().unwrap()[process].1.call(request);
        let (tell, told) = oneshot::channel();
        let served = sim.spawn(
            Some(process),
            Box::pin(async move {
                let Ok(response) = answering.await;
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                tell.send((status, String::from_utf8(body.to_vec()).unwrap())).ok();
            }),
        );
        if self.world.is_calm || !sim.one_in(100) {
            return told.await.ok();
        }
        // This client goes away before long.
        let patience = sim.sleep(sim.below(200)).boxed();
        match future::select(told, patience).await {
            Either::Left((told, _)) => told.ok(),
            Either::Right(_) => {
                sim.cancel(served);
                None
            }
        }
    }

    fn shown(&self, crashes: u64, stalls: u64) -> Shown {
        let counts = self.world.store.counts();
        let mut shown = Shown { crashes, stalls, ..Shown::default() };
        for bodies in self.bodies.lock().unwrap().values() {
            shown.copies += bodies.values().sum::<usize>();
            shown.same_bodies += bodies.values().max().unwrap_or(&0);
        }
        let elsewhere = self.world.elsewhere.lock().unwrap();
        let effects = counts.effects.values().chain(elsewhere.values().map(|(count, _)| count));
        shown.executions = effects.map(|count| u64::from(*count)).sum();
        shown.runs = self.world.runs.load(Ordering::Relaxed);
        shown.requests = self.requests.load(Ordering::Relaxed);
        shown.takeovers = counts.takeovers;
        shown.superseded = counts.superseded;
        shown.faults = counts.faults;
        shown
    }
}
