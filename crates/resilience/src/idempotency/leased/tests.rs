//! What clients of a handler that runs by lease are told, whatever the store does.

mod memory;

use crate::deadline::Deadline;
use crate::hand_clock::HandClock;
use crate::idempotency::record::Record;
use crate::idempotency::{
    Final, Idempotency, IdempotencyLayer, InFlight, Lease, Leases, Mode, Recording,
};
use crate::spare::{Body, said};
use contracts::Timestamp;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::BoxFuture;
use http::{Request, Response};
use memory::{Fate, Memory};
use ports::{Clock, Ids, Kind};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;
use uuid::Uuid;

#[derive(Default)]
struct Counting(AtomicU64);

impl Ids for Counting {
    fn fresh(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn seed(&self) -> u64 {
        0
    }
}

/// What a run does.
type Script = Arc<Mutex<VecDeque<Step>>>;

enum Step {
    Answers(u16),
    /// A no that is the outcome.
    Decides(u16),
    /// It answers once the gate is dropped.
    Waits(oneshot::Receiver<()>),
    Panics,
}

/// A handler whose effect is elsewhere; each run answers another body.
#[derive(Clone, Default)]
struct Works {
    script: Script,
    leases: Arc<Mutex<Vec<Lease>>>,
}

impl Works {
    fn runs(&self) -> usize {
        self.leases.lock().unwrap().len()
    }
}

impl Service<Request<Body>> for Works {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let lease = request.extensions().get::<Lease>().unwrap().clone();
        let mut leases = self.leases.lock().unwrap();
        leases.push(lease);
        let body = format!("run {}", leases.len());
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Answers(201));
        Box::pin(async move {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = 201.try_into().unwrap();
            match step {
                Step::Answers(status) => *response.status_mut() = status.try_into().unwrap(),
                Step::Decides(status) => {
                    *response.status_mut() = status.try_into().unwrap();
                    response.extensions_mut().insert(Final);
                }
                Step::Waits(gate) => drop(gate.await),
                Step::Panics => panic!("an invariant broke"),
            }
            Ok(response)
        })
    }
}

type Answering = BoxFuture<'static, Result<Response<Body>, Infallible>>;
type Left = Arc<Mutex<Vec<BoxFuture<'static, ()>>>>;

/// Two processes before one store, and one clock.
struct Bench {
    works: Works,
    memory: Arc<Memory>,
    clock: Arc<HandClock>,
    processes: Vec<Idempotency<Works>>,
    /// What dropped runs left to be done.
    left: Left,
}

impl Bench {
    fn new() -> Self {
        Self::with(HandClock::standing())
    }

    fn with(clock: Arc<HandClock>) -> Self {
        let (works, memory, left) =
            (Works::default(), Arc::new(Memory::default()), Left::default());
        let ids = Arc::new(Counting::default());
        let process = || {
            let todo = Arc::clone(&left);
            let leases = Leases::new(memory.clone(), clock.clone(), ids.clone())
                .with_spawn(Arc::new(move |future| todo.lock().unwrap().push(future)));
            let in_flight = InFlight::default();
            IdempotencyLayer::new(Mode::Required, in_flight, clock.clone())
                .recording(Recording::ByLease(leases))
                .layer(works.clone())
        };
        let processes = vec![process(), process()];
        Self { works, memory, clock, processes, left }
    }

    fn script(&self, steps: impl IntoIterator<Item = Step>) {
        *self.works.script.lock().unwrap() = steps.into_iter().collect();
    }

    fn send(&mut self, process: usize, body: &str, more: impl Fn(&mut Request<Body>)) -> Answering {
        let mut request = Request::post("/v1/things")
            .header("idempotency-key", "a-key-of-a-client-0001")
            .body(Body::from(body.to_owned()))
            .unwrap();
        more(&mut request);
        self.processes[process].call(request)
    }

    fn ask(&mut self, process: usize) -> Answering {
        self.send(process, r#"{"amount":100}"#, |_| ())
    }

    fn answer(&mut self, process: usize) -> (u16, String) {
        said(block_on(self.ask(process)).unwrap())
    }

    fn patient(&mut self, process: usize) -> Answering {
        self.send(process, r#"{"amount":100}"#, |request| {
            request.headers_mut().insert("prefer", "wait=30".parse().unwrap());
        })
    }

    /// Starts a run at `process` that waits for the gate.
    fn begun(&mut self, process: usize) -> (Answering, oneshot::Sender<()>) {
        let (gate, shut) = oneshot::channel();
        self.works.script.lock().unwrap().push_back(Step::Waits(shut));
        let mut first = self.ask(process);
        assert!((&mut first).now_or_never().is_none());
        (first, gate)
    }

    fn tidy_up(&self) {
        let left: Vec<_> = self.left.lock().unwrap().drain(..).collect();
        left.into_iter().for_each(block_on);
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn ran(number: u32) -> (u16, String) {
    (201, format!("run {number}"))
}

fn check_problem(answer: &(u16, String), status: u16, code: &str) {
    assert_eq!(answer.0, status, "{answer:?}");
    assert!(answer.1.contains(&format!("\"code\":\"{code}\"")), "{answer:?}");
}

#[test]
fn every_process_answers_what_the_first_run_answered() {
    let mut bench = Bench::new();
    for process in [0, 1, 0, 1] {
        assert_eq!(bench.answer(process), ran(1));
    }
    let again = block_on(bench.ask(1)).unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(bench.works.runs(), 1);
}

#[test]
fn a_changed_amount_is_refused_and_not_answered_with_the_first_answer() {
    let mut bench = Bench::new();
    assert_eq!(bench.answer(0), ran(1));
    let other = said(block_on(bench.send(1, r#"{"amount":999}"#, |_| ())).unwrap());
    check_problem(&other, 422, "idempotency_key_reused");
    assert!(!other.1.contains("run 1"), "{other:?}");
    assert_eq!(bench.works.runs(), 1);
}

#[test]
fn a_copy_in_another_process_is_refused_while_the_first_is_running() {
    let mut bench = Bench::new();
    let (first, gate) = bench.begun(0);
    let copy = block_on(bench.ask(1)).unwrap();
    assert_eq!(copy.headers()["retry-after"], "1");
    check_problem(&said(copy), 409, "idempotency_key_in_use");
    drop(gate);
    assert_eq!(said(block_on(first).unwrap()), ran(1));
}

#[test]
fn a_patient_copy_in_another_process_joins_the_result() {
    let mut bench = Bench::new();
    let (first, gate) = bench.begun(0);
    let mut copy = bench.patient(1);
    assert!((&mut copy).now_or_never().is_none());
    bench.pass(5);
    assert!((&mut copy).now_or_never().is_none());
    drop(gate);
    assert_eq!(said(block_on(first).unwrap()), ran(1));
    bench.pass(1);
    let copy = copy.now_or_never().unwrap().unwrap();
    assert_eq!(copy.headers()["preference-applied"], "wait=30");
    assert_eq!(said(copy), ran(1));
}

#[test]
fn a_refusal_leaves_the_key_free_for_any_payload() {
    for status in [400, 401, 403, 422, 429] {
        let mut bench = Bench::new();
        bench.script([Step::Answers(status)]);
        assert_eq!(bench.answer(0), (status, "run 1".into()));
        let other = said(block_on(bench.send(1, r#"{"amount":999}"#, |_| ())).unwrap());
        assert_eq!(other, ran(2), "{status}");
    }
}

#[test]
fn a_transient_failure_may_be_tried_again_under_the_same_key_and_a_success_never_is() {
    let mut bench = Bench::new();
    bench.script([Step::Answers(503), Step::Answers(500)]);
    assert_eq!(bench.answer(0), (503, "run 1".into()));
    assert_eq!(bench.answer(1), (500, "run 2".into()));
    let other = said(block_on(bench.send(1, r#"{"amount":999}"#, |_| ())).unwrap());
    check_problem(&other, 422, "idempotency_key_reused");
    for process in [0, 1, 0] {
        assert_eq!(bench.answer(process), ran(3));
    }
    let resumes: Vec<_> = bench.works.leases.lock().unwrap().iter().map(|l| l.resumes).collect();
    assert_eq!(resumes, [false, true, true]);
}

#[test]
fn a_no_that_is_the_outcome_is_answered_for_ever() {
    let mut bench = Bench::new();
    bench.script([Step::Decides(402)]);
    for process in [0, 1] {
        assert_eq!(bench.answer(process), (402, "run 1".into()));
    }
}

#[test]
fn a_client_that_goes_away_gives_the_key_back_to_every_process() {
    let mut bench = Bench::new();
    let (first, _gate) = bench.begun(0);
    drop(first);
    check_problem(&bench.answer(1), 409, "idempotency_key_in_use");
    bench.tidy_up();
    assert_eq!(bench.answer(1), ran(2));
}

#[test]
fn a_panic_gives_the_key_back() {
    let mut bench = Bench::new();
    bench.script([Step::Panics]);
    let first = std::panic::AssertUnwindSafe(bench.ask(0)).catch_unwind();
    assert!(block_on(first).is_err());
    bench.tidy_up();
    assert_eq!(bench.answer(1), ran(2));
}

#[test]
fn after_a_crash_the_same_work_is_resumed_once_the_lease_is_over_to_the_millisecond() {
    let mut bench = Bench::new();
    let (first, _gate) = bench.begun(0);
    drop(first);
    // With the process went what its runs had left to be done.
    bench.left.lock().unwrap().clear();
    bench.clock.advance(Duration::from_millis(31_999));
    check_problem(&bench.answer(1), 409, "idempotency_key_in_use");
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.answer(1), ran(2));
    assert!(bench.works.leases.lock().unwrap()[1].resumes);
}

#[test]
fn a_lease_ends_with_the_deadline_of_its_request_and_the_handler_before_it() {
    let mut bench = Bench::new();
    let (gate, shut) = oneshot::channel::<()>();
    bench.script([Step::Waits(shut)]);
    let deadline = Deadline(bench.clock.now().plus(Duration::from_secs(5)));
    let mut first = bench.send(0, r#"{"amount":100}"#, |request| {
        request.extensions_mut().insert(deadline);
    });
    assert!((&mut first).now_or_never().is_none());
    assert!(matches!(bench.memory.only(), Record::Running { lease_until, .. }
        if lease_until == Timestamp::from_millis(7_000)));
    bench.pass(5);
    check_problem(&said(first.now_or_never().unwrap().unwrap()), 504, "deadline_exceeded");
    assert!(gate.is_canceled(), "the handler goes on after its time");
    assert_eq!(bench.answer(1), ran(2));
}

#[test]
fn without_time_left_nothing_runs_and_the_key_is_not_stuck() {
    let mut bench = Bench::new();
    bench.pass(60);
    let now = Deadline(bench.clock.now());
    let late = bench.send(0, r#"{"amount":100}"#, |request| {
        request.extensions_mut().insert(now);
    });
    check_problem(&said(block_on(late).unwrap()), 504, "deadline_exceeded");
    assert_eq!(bench.works.runs(), 0);
    assert_eq!(bench.answer(1), ran(1));
}

#[test]
fn a_worker_that_slept_through_its_lease_answers_what_the_record_says() {
    let mut bench = Bench::new();
    let (first, gate) = bench.begun(0);
    bench.pass(32);
    assert_eq!(bench.answer(1), ran(2));
    // Its handler has its answer by now, and is not asked for it.
    drop(gate);
    check_problem(&said(block_on(first).unwrap()), 504, "deadline_exceeded");
    for process in [0, 1] {
        assert_eq!(bench.answer(process), ran(2));
    }
}

#[test]
fn nothing_runs_unrecorded_when_the_store_is_unavailable() {
    let mut bench = Bench::new();
    *bench.memory.unreadable.lock().unwrap() = true;
    let answer = block_on(bench.ask(0)).unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    check_problem(&said(answer), 503, "idempotency_record_unavailable");
    *bench.memory.unreadable.lock().unwrap() = false;
    for kind in [Kind::Unavailable, Kind::Throttled] {
        bench.memory.will([Fate::Fails(kind)]);
        check_problem(&bench.answer(0), 503, "idempotency_record_unavailable");
    }
    assert_eq!(bench.works.runs(), 0);
    assert_eq!(bench.answer(0), ran(1));
}

#[test]
fn a_claim_whose_write_was_not_answered_is_looked_for() {
    let mut bench = Bench::new();
    bench.memory.will([Fate::AppliedUnanswered]);
    assert_eq!(bench.answer(0), ran(1));
    let mut bench = Bench::new();
    bench.memory.will([Fate::LostUnanswered, Fate::LostUnanswered]);
    assert_eq!(bench.answer(0), ran(1));
    assert_eq!(bench.works.runs(), 1);
}

#[test]
fn a_completion_write_that_is_throttled_is_written_again_and_nothing_runs_twice() {
    for kind in [Kind::Throttled, Kind::Unavailable] {
        let mut bench = Bench::with(HandClock::running());
        bench.memory.will([Fate::Works, Fate::Fails(kind), Fate::Fails(kind), Fate::Fails(kind)]);
        for process in [0, 1] {
            assert_eq!(bench.answer(process), ran(1));
        }
        assert_eq!(bench.works.runs(), 1);
    }
}

#[test]
fn a_completion_write_that_was_not_answered_is_looked_for() {
    for fate in [Fate::AppliedUnanswered, Fate::LostUnanswered] {
        let mut bench = Bench::with(HandClock::running());
        bench.memory.will([Fate::Works, fate]);
        for process in [0, 1] {
            assert_eq!(bench.answer(process), ran(1));
        }
    }
}

#[test]
fn an_answer_that_cannot_be_recorded_is_not_sent() {
    let mut bench = Bench::with(HandClock::running());
    let fates = [Fate::Fails(Kind::Unavailable); 5];
    bench.memory.will([Fate::Works].into_iter().chain(fates));
    let answer = bench.answer(0);
    check_problem(&answer, 503, "idempotency_record_unavailable");
    assert!(!answer.1.contains("run 1"), "{answer:?}");
    // The key is held until the lease is over; then the work is resumed.
    check_problem(&bench.answer(1), 409, "idempotency_key_in_use");
    bench.pass(60);
    assert_eq!(bench.answer(1), ran(2));
    assert!(bench.works.leases.lock().unwrap()[1].resumes);
}

#[test]
fn an_answer_is_recorded_even_if_its_client_goes_away_meanwhile() {
    let mut bench = Bench::new();
    bench.memory.will([Fate::Works, Fate::Fails(Kind::Throttled)]);
    let mut first = bench.ask(0);
    // It pauses before it writes again.
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    bench.tidy_up();
    assert_eq!(bench.answer(1), ran(1));
    assert_eq!(bench.works.runs(), 1);
}

#[test]
fn a_timeout_does_not_let_the_same_work_run_twice() {
    let mut bench = Bench::new();
    let (first, gate) = bench.begun(0);
    // Nobody runs beside it as long as it may go on.
    for _ in 0..29 {
        bench.pass(1);
        check_problem(&bench.answer(1), 409, "idempotency_key_in_use");
        assert!(!gate.is_canceled());
    }
    bench.pass(1);
    check_problem(&said(block_on(first).unwrap()), 504, "deadline_exceeded");
    assert!(gate.is_canceled(), "it goes on beside the next one");
    // The next one knows that something may have been done.
    assert_eq!(bench.answer(1), ran(2));
    assert!(bench.works.leases.lock().unwrap()[1].resumes);
}
