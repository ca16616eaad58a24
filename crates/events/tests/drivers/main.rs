//! The relay, the embedded bus and the dispatcher at work, in memory and over the embedded
//! database.

mod memory;

use adapter_local::LocalDb;
use async_trait::async_trait;
use contracts::Envelope;
use contracts::envelope::{Detail, Metadata};
use events::{
    BusRoutes, DeliveryError, Dispatcher, EmbeddedBus, Pattern, Relay, Route, Routes, Rule,
    Switchboard, Target, Terms,
};
use memory::{MemoryLog, MemoryOutbox};
use ports::bus::ENTRIES_MAX;
use ports::store::{Change, Partition};
use ports::{Clock, EventBus, EventLog, Kind, Outbox, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::ManualClock;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

fn event(aggregate: u64, number: u64) -> Envelope {
    let id = uuid::Uuid::from_u128(u128::from(number));
    let aggregate = format!("order#{aggregate}");
    Envelope {
        id,
        source: "ordersaga.order".into(),
        detail_type: "OrderPlaced".into(),
        time: ManualClock::default().now(),
        detail: Detail::Fact {
            metadata: Metadata {
                event_id: id,
                correlation_id: aggregate.clone(),
                causation_id: None,
                aggregate,
                sequence: number,
                schema_version: 1,
                traceparent: None,
                deadline: None,
            },
            data: serde_json::json!({"total": {"minor": 1_999, "currency": "EUR"}}),
        },
        ..Envelope::default()
    }
}

/// An event with other data.
fn saying(number: u64, data: serde_json::Value) -> Envelope {
    let event = event(number, number);
    let metadata = event.metadata().cloned().expect("the event is ours");
    Envelope { detail: Detail::Fact { metadata, data }, ..event }
}

fn too_much() -> serde_json::Value {
    serde_json::json!({"text": "x".repeat(ports::bus::BYTES_MAX)})
}

/// How a target takes an event: given its number and how often it came.
type Manner = fn(u64, u32) -> Result<(), DeliveryError>;

/// A target that notes what came.
struct Notebook {
    manner: Manner,
    tries: Mutex<HashMap<u64, u32>>,
    taken: watch::Sender<Vec<u64>>,
}

impl Notebook {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, tries: Mutex::default(), taken: watch::Sender::default() })
    }

    /// Returns when `count` deliveries have worked.
    async fn has_taken(&self, count: usize) {
        let mut taken = self.taken.subscribe();
        let enough = taken.wait_for(|taken| taken.len() >= count);
        let enough = tokio::time::timeout(Duration::from_secs(60), enough).await;
        assert!(enough.is_ok(), "{} of {count} came in time", self.taken.borrow().len());
    }

    fn tries(&self, number: u64) -> u32 {
        self.tries.lock().expect("nobody panics with the notes in hand")[&number]
    }
}

#[async_trait]
impl Target for Notebook {
    async fn deliver(&self, event: &Envelope) -> Result<(), DeliveryError> {
        let number = event.metadata().expect("the events are ours").sequence;
        let tries = {
            let mut tries = self.tries.lock().expect("nobody panics with the notes in hand");
            let tries = tries.entry(number).or_default();
            *tries += 1;
            *tries
        };
        (self.manner)(number, tries)?;
        self.taken.send_modify(|taken| taken.push(number));
        Ok(())
    }
}

fn switchboard(target: &Arc<Notebook>) -> Arc<Switchboard> {
    let pattern = Pattern::parse(r#"{"source": ["ordersaga.order"]}"#);
    let rule = Rule {
        name: "placed".into(),
        pattern: Arc::new(pattern.expect("the pattern is written well")),
        targets: vec!["notebook".into()],
    };
    let target = Arc::clone(target) as Arc<dyn Target>;
    let route = Route { name: "notebook".into(), target, terms: Terms::default() };
    let routes = BusRoutes::new(&[rule], vec![route]).expect("the rule's target is there");
    Arc::new(Switchboard::new(Routes::default().with("default", routes)))
}

/// A driver at work, until it is told to stop.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn dispatcher(
        log: &Arc<impl EventLog + 'static>,
        clock: &Arc<ManualClock>,
        target: &Arc<Notebook>,
    ) -> Self {
        let log = Arc::clone(log) as Arc<dyn EventLog>;
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let dispatcher = Dispatcher::new(log, clock, switchboard(target), 7);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async {
            let stopped = async {
                stopped.await.expect("whoever runs the driver also stops it");
            };
            assert!(!dispatcher.run(stopped).await, "it does not end by itself");
        });
        Self { stop, task }
    }

    fn relay(outbox: Arc<dyn Outbox>, log: Arc<dyn EventLog>, clock: &Arc<ManualClock>) -> Self {
        let bus = Arc::new(EmbeddedBus::new(log));
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let relay = Relay::new(outbox, bus, clock, 7);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(relay.run(async {
            stopped.await.expect("whoever runs the driver also stops it");
        }));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).expect("the driver runs until it is told to stop");
        self.task.await.expect("the driver ends well");
    }
}

#[tokio::test]
async fn the_log_in_memory_keeps_its_promises() {
    let make = || async { Arc::new(MemoryLog::new()) as Arc<dyn EventLog> };
    ports::conformance::event_log(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_flow_from_outbox_to_target() {
    const EVENTS: u64 = 40_000;
    let outbox = Arc::new(MemoryOutbox::holding((1..=EVENTS).map(|n| event(n % 5_000, n))));
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(ManualClock::default()));
    let target = Notebook::new(|_, _| Ok(()));

    let begin = Instant::now();
    let dispatcher = Running::dispatcher(&log, &clock, &target);
    let relay = Running::relay(outbox.clone(), log.clone(), &clock);
    target.has_taken(EVENTS as usize).await;
    let took = begin.elapsed();
    // What was taken last is recorded a moment after.
    while (outbox.state().len(), log.state().cursor) != (0, EVENTS) {
        tokio::task::yield_now().await;
    }
    relay.stop().await;
    dispatcher.stop().await;

    let rate = EVENTS as f64 / took.as_secs_f64();
    eprintln!("relay and dispatch: {EVENTS} events in {took:?}, {rate:.0} a second");
    assert_eq!(target.taken.borrow().len(), EVENTS as usize, "nothing failed, so nothing twice");
    let mut last: HashMap<u64, u64> = HashMap::new();
    for number in target.taken.borrow().iter() {
        let before = last.insert(number % 5_000, *number);
        assert!(before < Some(*number), "an aggregate's events come in order");
    }
}

#[tokio::test]
async fn a_poison_event_is_parked_after_its_last_try_and_holds_nobody_up() {
    const POISON: u64 = 4_000;
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(ManualClock::default()));
    let events = (1..=10_000).map(|n| event(n, n)).collect();
    log.append(events).await.expect("the log is in memory");
    let target = Notebook::new(|number, _| match number {
        POISON => Err(DeliveryError::retryable("digest the event")),
        _ => Ok(()),
    });
    let dispatcher = Running::dispatcher(&log, &clock, &target);
    target.has_taken(9_999).await;
    while log.state().cursor < 10_000 {
        tokio::task::yield_now().await;
    }
    while log.state().dead.is_empty() {
        clock.advance(Duration::from_secs(60));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    dispatcher.stop().await;
    let state = log.state();
    let letter = state.dead.values().next().expect("the poison is parked");
    assert_eq!((letter.sequence, letter.attempts), (POISON, 185));
    assert_eq!(target.tries(POISON), 185);
    assert!(letter.reason.ends_with("digest the event"), "{}", letter.reason);
    assert!(state.rows.is_empty());
}

#[tokio::test]
async fn a_target_that_panics_is_called_again() {
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(ManualClock::default()));
    log.append(vec![event(1, 1), event(2, 2)]).await.expect("the log is in memory");
    let target = Notebook::new(|number, tries| {
        assert!(number != 1 || tries > 1, "the first try of the first event panics");
        Ok(())
    });
    let dispatcher = Running::dispatcher(&log, &clock, &target);
    target.has_taken(1).await;
    while log.state().cursor < 2 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(1));
    target.has_taken(2).await;
    dispatcher.stop().await;
    assert!(log.state().rows.is_empty());
}

#[tokio::test]
async fn a_log_that_fails_for_a_while_loses_nothing() {
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(ManualClock::default()));
    log.append((1..=50).map(|n| event(n, n)).collect()).await.expect("the log is in memory");
    let target = Notebook::new(|_, _| Ok(()));
    log.state().failures = 5;
    let dispatcher = Running::dispatcher(&log, &clock, &target);
    while log.state().cursor < 50 {
        clock.advance(Duration::from_millis(500));
        tokio::task::yield_now().await;
    }
    dispatcher.stop().await;
    assert_eq!(target.taken.borrow().len(), 50);
}

#[tokio::test]
async fn the_bus_answers_entry_by_entry() {
    let log = Arc::new(MemoryLog::new());
    let bus = EmbeddedBus::new(log.clone());
    let mut entries: Vec<Envelope> = (1..=5).map(|n| event(n, n)).collect();
    entries[1].source.clear();
    entries[2] = saying(3, serde_json::json!("text"));
    entries[3].replay_name = Some("replay".into());
    let answers = bus.publish(&entries).await.expect("the call itself is right");
    let refused: Vec<Option<Kind>> =
        answers.iter().map(|answer| answer.as_ref().err().map(ports::Error::kind)).collect();
    let invalid = Some(Kind::Invalid);
    assert_eq!(refused, [None, invalid, invalid, invalid, None]);
    assert_eq!(log.state().archive.len(), 2);
}

#[tokio::test]
async fn the_bus_refuses_calls_beyond_the_limits() {
    let bus = EmbeddedBus::new(Arc::new(MemoryLog::new()));
    let kind = |entries: Vec<Envelope>| {
        let bus = bus.clone();
        async move { bus.publish(&entries).await.err().map(|error| error.kind()) }
    };
    assert_eq!(kind(Vec::new()).await, Some(Kind::Invalid));
    let many = (0..=ENTRIES_MAX as u64).map(|n| event(n, n)).collect();
    assert_eq!(kind(many).await, Some(Kind::Invalid));
    assert_eq!(kind(vec![saying(1, too_much())]).await, Some(Kind::Invalid));
}

#[tokio::test]
async fn an_event_too_large_for_the_bus_is_parked_and_the_others_go_on() {
    let mut events: Vec<Envelope> = (1..=20).map(|n| event(n, n)).collect();
    events[6] = saying(7, too_much());
    let outbox = Arc::new(MemoryOutbox::holding(events));
    let (log, clock) = (Arc::new(MemoryLog::new()), Arc::new(ManualClock::default()));
    let relay = Running::relay(outbox.clone(), log.clone(), &clock);
    while !outbox.state().is_empty() {
        tokio::task::yield_now().await;
    }
    relay.stop().await;
    assert_eq!(log.state().archive.len(), 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_embedded_database_events_survive_a_restart_of_everything() {
    const EVENTS: u64 = 3_000;
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let clock = Arc::new(ManualClock::default());
    let target = Notebook::new(|_, _| Ok(()));
    let db = Arc::new(LocalDb::open(dir.path()).expect("a new database opens"));
    for chunk in (1..=EVENTS).collect::<Vec<_>>().chunks(30) {
        let partition = Partition::of("order", chunk[0]);
        let outbox = chunk.iter().map(|n| event(chunk[0], *n)).collect();
        let change = Change { partition, writes: Vec::new(), outbox };
        db.commit(change).await.expect("the change is within the limits");
    }

    let relay = Running::relay(db.clone(), db.clone(), &clock);
    let dispatcher = Running::dispatcher(&db, &clock, &target);
    target.has_taken(500).await;
    // No farewell: what is not recorded by now must come again.
    relay.task.abort();
    dispatcher.task.abort();
    assert!(relay.task.await.is_err() || dispatcher.task.await.is_err());
    while Arc::strong_count(&db) > 1 {
        tokio::task::yield_now().await;
    }
    drop(db);

    let db = Arc::new(LocalDb::open(dir.path()).expect("the database opens again"));
    let begin = Instant::now();
    let relay = Running::relay(db.clone(), db.clone(), &clock);
    let dispatcher = Running::dispatcher(&db, &clock, &target);
    let everything = async {
        let mut taken = target.taken.subscribe();
        let is_all = |taken: &Vec<u64>| {
            let distinct: std::collections::BTreeSet<&u64> = taken.iter().collect();
            distinct.len() as u64 == EVENTS
        };
        taken.wait_for(is_all).await.is_ok()
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), everything).await;
    assert_eq!(in_time, Ok(true));
    eprintln!("over the database: the rest of {EVENTS} events in {:?}", begin.elapsed());
    relay.stop().await;
    dispatcher.stop().await;
    let standing = db.standing(clock.now(), 10).await.expect("the database answers");
    assert_eq!((standing.cursor, standing.due.len()), (EVENTS, 0));
    assert!(db.pending(0, 10).await.expect("the database answers").is_empty());
}
