//! The desk over the embedded store, with a breaker and an engine that do as they are told.

mod lingering;

use self::lingering::Lingering;
use super::record::{ALL, FUNCTIONS};
use super::{Desk, SuspendStep};
use crate::breaker::Room;
use crate::hand_clock::{HandClock, SameIds};
use adapter_local::LocalDb;
use async_trait::async_trait;
use contracts::Timestamp;
use contracts::task::{TaskCall, error_name};
use ports::journal::{ExecutionId, Head};
use ports::saga_engine::{Callback, Description, HistoryEvent, Refusal, Start};
use ports::store::{Cursor, Direction, Page, Query};
use ports::task::{TaskContext, TaskError, Tasks};
use ports::{Clock, Error, Kind, SagaEngine, Store};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const THREE: Room = Room::Probes(3);
const NOBODY: Room = Room::Nobody { retry_after: Duration::ZERO };

/// The machines that wait, by their tokens; each goes on once.
#[derive(Default)]
struct Machines {
    waiting: Mutex<BTreeSet<String>>,
    went_on: Mutex<Vec<String>>,
    is_out: AtomicBool,
}

#[async_trait]
impl SagaEngine for Machines {
    async fn answer(&self, token: &str, callback: Callback) -> Result<(), Refusal> {
        if self.is_out.load(Ordering::Relaxed) {
            return Err(Refusal::World(Error::new(Kind::Unavailable, "reach the engine")));
        }
        assert!(matches!(callback, Callback::Success(_)));
        if !self.waiting.lock().unwrap().remove(token) {
            return Err(Refusal::InvalidToken);
        }
        self.went_on.lock().unwrap().push(token.to_owned());
        Ok(())
    }

    async fn start(&self, start: Start) -> Result<(), Refusal> {
        Err(Refusal::StateMachineDoesNotExist(start.id.to_string()))
    }

    async fn describe(&self, id: &ExecutionId) -> Result<Description, Refusal> {
        Err(Refusal::ExecutionDoesNotExist(id.clone()))
    }

    async fn list(
        &self,
        machine: &str,
        _: usize,
        _: Option<Cursor>,
    ) -> Result<Page<Head>, Refusal> {
        Err(Refusal::StateMachineDoesNotExist(machine.to_owned()))
    }

    async fn history(&self, id: &ExecutionId) -> Result<Vec<HistoryEvent>, Refusal> {
        Err(Refusal::ExecutionDoesNotExist(id.clone()))
    }

    async fn stop(
        &self,
        id: &ExecutionId,
        _: Option<String>,
        _: Option<String>,
    ) -> Result<Timestamp, Refusal> {
        Err(Refusal::ExecutionDoesNotExist(id.clone()))
    }

    async fn redrive(&self, id: &ExecutionId, _: Option<&str>) -> Result<Timestamp, Refusal> {
        Err(Refusal::ExecutionDoesNotExist(id.clone()))
    }
}

/// A desk in its world.
struct World {
    desk: Desk,
    clock: Arc<HandClock>,
    machines: Machines,
    db: Arc<LocalDb>,
    dir: TempDir,
}

fn open(dir: &TempDir, clock: &Arc<HandClock>) -> (Arc<LocalDb>, Desk) {
    let db = Arc::new(LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap());
    let desk = Desk::new(db.clone(), clock.clone(), Arc::new(SameIds));
    (db, desk)
}

impl World {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::standing());
        clock.advance(Duration::from_hours(1));
        let (db, desk) = open(&dir, &clock);
        Self { desk, clock, machines: Machines::default(), db, dir }
    }

    /// A machine begins to wait for `token`, and the desk is told of it.
    async fn suspend(&self, token: &str, error: &str, round: u32) {
        self.machines.waiting.lock().unwrap().insert(token.to_owned());
        tell(&self.desk, token, error, round).await.unwrap();
    }

    /// Steps that were just rejected become due.
    fn pass_a_moment(&self) {
        self.clock.advance(Duration::from_millis(300));
    }

    /// The desk looks once; answers how many have gone on since the last look.
    async fn look(&self, door: Room) -> usize {
        let before = self.went_on();
        self.desk.look(&self.machines, &|_: &str| door).await;
        self.went_on() - before
    }

    /// The desk looks every 50 ms for so long; answers how many have gone on in that time.
    async fn look_for(&self, door: Room, time: Duration) -> usize {
        let (before, step) = (self.went_on(), Duration::from_millis(50));
        let until = self.clock.now().plus(time);
        while self.clock.now() < until {
            self.clock.advance(step);
            self.desk.look(&self.machines, &|_: &str| door).await;
        }
        self.went_on() - before
    }

    fn went_on(&self) -> usize {
        self.machines.went_on.lock().unwrap().len()
    }

    /// How many waits are stored.
    async fn left(&self) -> usize {
        self.desk.count().await.unwrap()
    }

    /// The process ends and another begins on the same store.
    async fn restart(self) -> Self {
        let Self { desk, clock, machines, db, dir } = self;
        db.close();
        drop((desk, db));
        let (db, desk) = open(&dir, &clock);
        desk.read_functions().await;
        Self { desk, clock, machines, db, dir }
    }
}

async fn tell(desk: &Desk, token: &str, error: &str, round: u32) -> Result<(), TaskError> {
    let step = SuspendStep {
        function: "f".into(),
        step: "Step".into(),
        error: error.into(),
        token: token.into(),
        round,
        execution: Some(format!("run-{token}")),
        until: None,
    };
    let input = serde_json::to_value(step).unwrap();
    let call = TaskCall { task: "suspend_step".into(), input };
    desk.perform(call, TaskContext::default()).await.map(drop)
}

#[tokio::test]
async fn an_open_breaker_holds_its_steps_back_until_it_half_opens_and_closes() {
    let world = World::new();
    for n in 0..10 {
        world.suspend(&format!("t{n}"), error_name::BREAKER_OPEN, 1).await;
    }
    assert_eq!(world.look_for(NOBODY, Duration::from_secs(30)).await, 0);
    assert_eq!(world.look_for(THREE, Duration::from_millis(900)).await, 3);
    assert_eq!(world.look_for(Room::All, Duration::from_secs(2)).await, 7);
    assert_eq!(world.left().await, 0);
}

#[tokio::test]
async fn those_who_have_waited_longest_probe_first() {
    let world = World::new();
    for n in 0..5 {
        world.suspend(&format!("t{n}"), error_name::BREAKER_OPEN, 1).await;
        world.clock.advance(Duration::from_millis(1));
    }
    world.pass_a_moment();
    assert_eq!(world.look(THREE).await, 3);
    assert_eq!(*world.machines.went_on.lock().unwrap(), ["t0", "t1", "t2"]);
}

#[tokio::test]
async fn a_step_that_met_an_outage_goes_on_when_its_round_is_due_and_the_breaker_is_not_open() {
    let world = World::new();
    world.suspend("t", error_name::OUTCOME_UNKNOWN, 4).await;
    assert_eq!(world.look_for(Room::All, Duration::from_millis(6_300)).await, 0);
    assert_eq!(world.look_for(NOBODY, Duration::from_secs(600)).await, 0);
    assert_eq!(world.look(Room::All).await, 1);

    world.suspend("u", error_name::OUTCOME_UNKNOWN, 4).await;
    assert_eq!(world.look_for(Room::All, Duration::from_millis(9_700)).await, 1);
}

#[tokio::test]
async fn one_function_that_is_out_does_not_hold_up_another() {
    let world = World::new();
    world.suspend("t", error_name::BREAKER_OPEN, 1).await;
    let other = SuspendStep {
        function: "g".into(),
        step: "Step".into(),
        error: error_name::BREAKER_OPEN.into(),
        token: "u".into(),
        round: 1,
        execution: None,
        until: None,
    };
    world.machines.waiting.lock().unwrap().insert("u".into());
    world.desk.suspend_step(other, None).await.unwrap();
    world.pass_a_moment();
    let doors = |function: &str| if function == "f" { NOBODY } else { Room::All };
    world.desk.look(&world.machines, &doors).await;
    assert_eq!(*world.machines.went_on.lock().unwrap(), ["u"]);
}

#[tokio::test]
async fn a_thousand_steps_go_on_within_five_seconds_and_never_all_at_once() {
    let world = World::new();
    for n in 0..1_000 {
        world.suspend(&format!("t{n}"), error_name::BREAKER_OPEN, 1).await;
    }
    world.pass_a_moment();
    let first = world.look_for(Room::All, Duration::from_millis(50)).await;
    assert!(first <= 50, "{first}");
    let second = world.look_for(Room::All, Duration::from_secs(1)).await;
    assert!((240..=260).contains(&second), "{second}");
    world.look_for(Room::All, Duration::from_secs(4)).await;
    assert_eq!((world.went_on(), world.left().await), (1_000, 0));
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let world = World::new();
    world.suspend("t", error_name::BREAKER_OPEN, 1).await;
    world.suspend("u", error_name::TIMEOUT, 3).await;
    let world = world.restart().await;
    world.pass_a_moment();
    assert_eq!(world.look(Room::All).await, 1);
    assert_eq!(world.look_for(Room::All, Duration::from_secs(6)).await, 1);
    assert_eq!(world.left().await, 0);
}

#[tokio::test]
async fn a_crash_between_the_answer_and_the_removal_lets_nobody_go_on_twice() {
    let world = World::new();
    world.suspend("t", error_name::BREAKER_OPEN, 1).await;
    // As a crash leaves it: answered, and not removed.
    world.machines.answer("t", Callback::Success(json!({}))).await.unwrap();
    let world = world.restart().await;
    world.pass_a_moment();
    assert_eq!(world.look(Room::All).await, 0);
    assert_eq!((world.went_on(), world.left().await), (1, 0));
}

#[tokio::test]
async fn two_desks_on_one_store_let_every_step_go_on_once() {
    let world = World::new();
    for n in 0..100 {
        world.suspend(&format!("t{n}"), error_name::BREAKER_OPEN, 1).await;
    }
    let other = Desk::new(world.db.clone(), world.clock.clone(), Arc::new(SameIds));
    other.read_functions().await;
    for _ in 0..40 {
        let door = |_: &str| Room::All;
        let both = (world.desk.look(&world.machines, &door), other.look(&world.machines, &door));
        futures::join!(both.0, both.1);
        world.clock.advance(Duration::from_millis(50));
    }
    assert_eq!((world.went_on(), world.left().await), (100, 0));
}

#[tokio::test]
async fn a_desk_looks_after_what_another_one_took_in() {
    let world = World::new();
    let other = Desk::new(world.db.clone(), world.clock.clone(), Arc::new(SameIds));
    world.suspend("t", error_name::BREAKER_OPEN, 1).await;
    world.pass_a_moment();
    other.read_functions().await;
    other.look(&world.machines, &|_: &str| Room::All).await;
    assert_eq!((world.went_on(), world.left().await), (1, 0));
}

#[tokio::test]
async fn a_wait_whose_token_is_gone_is_dropped_and_takes_no_probe_s_place() {
    let world = World::new();
    for n in 0..6 {
        world.suspend(&format!("t{n}"), error_name::BREAKER_OPEN, 1).await;
        world.clock.advance(Duration::from_millis(1));
    }
    for gone in ["t0", "t1", "t2"] {
        world.machines.waiting.lock().unwrap().remove(gone);
    }
    world.pass_a_moment();
    assert_eq!(world.look(THREE).await, 0);
    assert_eq!(world.left().await, 3);
    assert_eq!(world.look(THREE).await, 3);
}

#[tokio::test]
async fn a_wait_is_gone_when_its_machine_stops_waiting() {
    let world = World::new();
    let until = world.clock.now().plus(Duration::from_secs(900));
    // Who is called by the machine itself is told by the call, a function by its input.
    let by_call = TaskContext { deadline: Some(until), ..TaskContext::default() };
    for (token, until, context) in
        [("t", None, by_call), ("u", Some(until), TaskContext::default())]
    {
        let mut input =
            json!({"function": "f", "step": "S", "error": "e", "token": token, "round": 1});
        if let Some(until) = until {
            input["until"] = json!(until);
        }
        let call = TaskCall { task: "suspend_step".into(), input };
        world.desk.perform(call, context).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(899));
    assert_eq!(world.left().await, 2);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.left().await, 0);
}

#[tokio::test]
async fn those_who_wait_no_more_do_not_hide_those_who_do() {
    let world = World::new();
    let store = Arc::new(Lingering { db: Arc::clone(&world.db), pages: 40 });
    let desk = Desk::new(store, world.clock.clone(), Arc::new(SameIds));
    let world = World { desk, ..world };
    world.suspend("a", error_name::BREAKER_OPEN, 1).await;
    world.pass_a_moment();
    let mut looks = 1;
    while world.look(THREE).await == 0 {
        looks += 1;
        assert!(looks < 10, "nobody goes on");
    }
    // Those who wait no more are passed by once and for all.
    world.suspend("b", error_name::BREAKER_OPEN, 1).await;
    world.clock.advance(Duration::from_secs(30));
    assert_eq!((looks, world.look(THREE).await), (3, 1));
}

#[tokio::test]
async fn a_step_that_is_suspended_twice_waits_once_and_goes_on_once() {
    let world = World::new();
    world.suspend("t", error_name::BREAKER_OPEN, 1).await;
    tell(&world.desk, "t", error_name::BREAKER_OPEN, 1).await.unwrap();
    assert_eq!(world.left().await, 1);
    world.pass_a_moment();
    assert_eq!(world.look(Room::All).await, 1);
    // A copy that was under way all the time.
    tell(&world.desk, "t", error_name::BREAKER_OPEN, 1).await.unwrap();
    assert_eq!(world.look_for(Room::All, Duration::from_secs(2)).await, 0);
    assert_eq!(world.left().await, 0);
}

#[tokio::test]
async fn an_engine_that_cannot_be_told_is_told_later() {
    let world = World::new();
    world.suspend("t", error_name::BREAKER_OPEN, 1).await;
    world.machines.is_out.store(true, Ordering::Relaxed);
    assert_eq!(world.look_for(Room::All, Duration::from_secs(5)).await, 0);
    assert_eq!(world.left().await, 1);
    world.machines.is_out.store(false, Ordering::Relaxed);
    assert_eq!(world.look_for(Room::All, Duration::from_millis(1_100)).await, 1);
}

#[tokio::test]
async fn a_store_that_is_out_takes_no_wait_in_and_says_so() {
    let world = World::new();
    world.db.close();
    let refused = tell(&world.desk, "t", error_name::BREAKER_OPEN, 1).await.unwrap_err();
    assert_eq!(refused.named().0, error_name::UNAVAILABLE);
}

#[tokio::test]
async fn what_cannot_be_a_wait_is_refused_in_words() {
    let world = World::new();
    let good = json!({"function": "f", "step": "S", "error": "e", "token": "t", "round": 1});
    for (field, wrong) in [
        ("function", json!("")),
        ("token", json!("t".repeat(2_049))),
        ("round", json!(-1)),
        ("colour", json!("red")),
    ] {
        let mut input = good.clone();
        input[field] = wrong;
        let call = TaskCall { task: "suspend_step".into(), input };
        let refused = world.desk.perform(call, TaskContext::default()).await.unwrap_err();
        let (error, cause) = refused.named();
        assert_eq!(error, error_name::INVALID);
        assert!(cause.contains(field) || field == "round", "{cause}");
    }
    let key = ALL.to_owned();
    let direction = Direction::Ascending;
    let query = Query { index: FUNCTIONS, key, direction, limit: 1, after: None };
    assert!(world.db.query(query).await.unwrap().items.is_empty(), "nothing was kept");
}

#[tokio::test]
async fn a_running_desk_lets_steps_go_on_until_it_is_stopped() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::running());
    let (db, desk) = open(&dir, &clock);
    let world = World { desk, clock, machines: Machines::default(), db, dir };
    world.suspend("t", error_name::TIMEOUT, 1).await;
    let has_gone_on = async {
        while world.went_on() == 0 {
            tokio::task::yield_now().await;
        }
    };
    world.desk.run(&world.machines, |_| Room::All, has_gone_on).await;
    assert_eq!(world.went_on(), 1);
}

#[tokio::test]
async fn a_desk_that_is_awake_for_a_while_rests_once_nobody_waits() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::running());
    let (db, desk) = open(&dir, &clock);
    let world = World { desk, clock, machines: Machines::default(), db, dir };
    let until = world.clock.now().plus(Duration::from_secs(50));
    world.desk.run_while_waited_for(&world.machines, |_| Room::All, until).await;
    assert!(world.clock.now() < until, "nobody waits");
    world.suspend("t", error_name::TIMEOUT, 4).await;
    // Another process, which learns from the store who is waited for.
    let other = Desk::new(world.db.clone(), world.clock.clone(), Arc::new(SameIds));
    other.run_while_waited_for(&world.machines, |_| Room::All, until).await;
    assert_eq!(world.went_on(), 1);
    assert!(world.clock.now() < until, "nobody waits any more");
}

#[tokio::test]
async fn a_desk_that_is_awake_for_a_while_lets_wait_who_must_when_its_time_is_up() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::running());
    let (db, desk) = open(&dir, &clock);
    let world = World { desk, clock, machines: Machines::default(), db, dir };
    world.suspend("t", error_name::TIMEOUT, 1).await;
    let until = world.clock.now().plus(Duration::from_secs(50));
    world.desk.run_while_waited_for(&world.machines, |_| NOBODY, until).await;
    assert_eq!((world.went_on(), world.clock.now() >= until), (0, true));
    assert_eq!(world.desk.waits(9, None).await.unwrap().items.len(), 1, "it is kept");
}

#[tokio::test]
async fn an_operator_sees_what_waits_and_lets_one_of_them_go_on_now() {
    let world = World::new();
    for token in ["t1", "t2", "t3"] {
        world.suspend(token, error_name::UNAVAILABLE, 3).await;
        world.clock.advance(Duration::from_millis(1));
    }
    let first = world.desk.waits(2, None).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let rest = world.desk.waits(2, first.next).await.unwrap();
    let both = first.items.iter().chain(&rest.items);
    let executions: Vec<_> = both.filter_map(|wait| wait.execution.as_deref()).collect();
    assert_eq!(executions, ["run-t1", "run-t2", "run-t3"], "the oldest first");
    let second = &first.items[1];
    assert!(!second.id.contains("t2"), "the id does not tell the token");
    assert_eq!(world.desk.wait(&second.id).await.unwrap().as_ref(), Some(second));
    assert!(world.desk.resume(&world.machines, &second.id).await.unwrap());
    assert_eq!(*world.machines.went_on.lock().unwrap(), ["t2"]);
    assert_eq!(world.desk.wait(&second.id).await.unwrap(), None);
    assert!(!world.desk.resume(&world.machines, &second.id).await.unwrap(), "it is gone");
    world.machines.is_out.store(true, Ordering::Relaxed);
    let kept = world.desk.resume(&world.machines, &first.items[0].id).await.unwrap_err();
    assert_eq!(kept.kind(), Kind::Unavailable);
    assert!(world.desk.wait(&first.items[0].id).await.unwrap().is_some());
}
