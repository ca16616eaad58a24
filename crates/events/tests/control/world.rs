//! A bus with everything that runs it, over the embedded database, and targets that take notes.

use adapter_local::{LocalDb, SystemIds};
use async_trait::async_trait;
use contracts::Timestamp;
use events::arn::Place;
use events::control::{BuiltIn, ControlPlane, Entry, NewRule, Ports, RetryTerms, TargetSpec};
use events::reach::{Parcel, Reach};
use events::retry::{DeliveryError, code};
use events::{Dispatcher, Pattern, Replayer, Route, Rule, Scheduler, Target, Terms};
use ports::queues::Outgoing;
use ports::{Clock, EventLog};
use serde_json::Value;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use testkit::ManualClock;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How a place takes a parcel: given the place's name and how often something was brought there.
type Manner = fn(&str, usize) -> Result<(), DeliveryError>;

/// What was brought where, in order.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) brought: Vec<(String, String, uuid::Uuid)>,
    pub(crate) buried: Vec<(String, Outgoing)>,
    tries: Vec<String>,
}

/// A reach that takes notes.
pub(crate) struct Reached {
    notes: Mutex<Notes>,
    manner: Manner,
    changed: watch::Sender<usize>,
}

impl Reached {
    pub(crate) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { notes: Mutex::default(), manner, changed: watch::Sender::default() })
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("nobody panics with the notes in hand")
    }

    /// What was brought to a place, in order.
    pub(crate) fn at(&self, place: &str) -> Vec<Value> {
        let notes = self.notes();
        let texts = notes.brought.iter().filter(|(at, _, _)| at == place);
        texts.map(|(_, text, _)| serde_json::from_str(text).expect("it is JSON")).collect()
    }

    /// The keys of everything that was brought.
    pub(crate) fn keys(&self) -> Vec<uuid::Uuid> {
        self.notes().brought.iter().map(|(_, _, key)| *key).collect()
    }

    /// Returns when so many parcels were brought or buried.
    pub(crate) async fn until(&self, count: usize) {
        let mut changed = self.changed.subscribe();
        let enough =
            tokio::time::timeout(Duration::from_secs(30), changed.wait_for(|n| *n >= count));
        assert!(enough.await.is_ok(), "{} of {count} came in time", *self.changed.borrow());
    }
}

fn name(place: &Place) -> &str {
    let (Place::Function(name) | Place::Machine(name) | Place::Queue(name)) = place else {
        let (Place::Bus(name) | Place::Log(name)) = place else {
            unreachable!("every place has a name")
        };
        return name;
    };
    name
}

#[async_trait]
impl Reach for Reached {
    async fn bring(&self, place: &Place, parcel: Parcel) -> Result<(), DeliveryError> {
        let name = name(place);
        let tries = {
            let mut notes = self.notes();
            notes.tries.push(name.to_owned());
            notes.tries.iter().filter(|tried| *tried == name).count()
        };
        (self.manner)(name, tries)?;
        self.notes().brought.push((name.to_owned(), parcel.text, parcel.key));
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn bury(&self, queue: &str, letter: Outgoing) -> Result<(), DeliveryError> {
        if queue == "missing" {
            return Err(DeliveryError::fatal("find the queue").coded(code::NO_RESOURCE));
        }
        self.notes().buried.push((queue.to_owned(), letter));
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }
}

/// A target of the built-in rule that takes everything and notes nothing.
struct Shop;

#[async_trait]
impl Target for Shop {
    async fn deliver(&self, _event: &contracts::Envelope) -> Result<(), DeliveryError> {
        Ok(())
    }
}

pub(crate) fn built_in() -> BuiltIn {
    let pattern = Pattern::parse(r#"{"source": ["ordersaga.order"]}"#).expect("it is valid");
    let rule =
        Rule { name: "shop".into(), pattern: Arc::new(pattern), targets: vec!["saga".into()] };
    let route = Route { name: "saga".into(), target: Arc::new(Shop), terms: Terms::default() };
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:saga".to_owned();
    BuiltIn { rules: vec![rule], targets: vec![(route, arn)] }
}

/// Everything that runs a bus.
pub(crate) struct World {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) reached: Arc<Reached>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) db: Arc<LocalDb>,
    stop: watch::Sender<bool>,
    parts: JoinSet<()>,
}

impl World {
    pub(crate) async fn open(dir: &Path, reached: Arc<Reached>, clock: Arc<ManualClock>) -> Self {
        let db = LocalDb::open_with_clock(dir, Arc::clone(&clock) as _);
        let db = Arc::new(db.expect("the database opens"));
        let ports = Ports {
            store: Arc::clone(&db) as _,
            log: Arc::clone(&db) as _,
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(SystemIds),
        };
        let plane = ControlPlane::open(ports, Arc::clone(&reached) as _, built_in()).await;
        let plane = Arc::new(plane.expect("the control plane opens"));
        Self { plane, reached, clock, db, stop: watch::Sender::default(), parts: JoinSet::new() }
    }

    pub(crate) fn deliver(&mut self) {
        let (log, clock) = (Arc::clone(&self.db) as Arc<dyn EventLog>, self.clock());
        let dispatcher = Dispatcher::new(log, clock, Arc::clone(self.plane.switchboard()), 7);
        let stop = self.stopped();
        self.parts.spawn(async move { assert!(!dispatcher.run(stop).await) });
    }

    pub(crate) fn replay(&mut self) {
        let log = Arc::clone(&self.db) as Arc<dyn EventLog>;
        let replayer = Replayer::new(Arc::clone(&self.plane), log, self.clock(), 7);
        let stop = self.stopped();
        self.parts.spawn(replayer.run(stop));
    }

    pub(crate) fn schedule(&mut self) {
        let scheduler = Scheduler::new(Arc::clone(&self.plane), self.clock());
        let stop = self.stopped();
        self.parts.spawn(scheduler.run(stop));
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.subscribe();
        async move { stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default() }
    }

    /// Stops everything; `kindly` lets it record what it knows.
    pub(crate) async fn stop(mut self, kindly: bool) {
        if kindly {
            self.stop.send_replace(true);
        } else {
            self.parts.abort_all();
        }
        while let Some(ended) = self.parts.join_next().await {
            assert!(ended.is_ok() || !kindly, "a part ended in a bug");
        }
        let db = Arc::clone(&self.db);
        drop(self);
        while Arc::strong_count(&db) > 1 {
            tokio::task::yield_now().await;
        }
        db.close();
    }

    pub(crate) async fn put(&self, source: &str, detail: &str) {
        self.put_at(source, detail, None).await;
    }

    pub(crate) async fn put_at(&self, source: &str, detail: &str, time: Option<Timestamp>) {
        self.put_all(source, vec![detail.to_owned()], time).await;
    }

    pub(crate) async fn put_all(
        &self,
        source: &str,
        details: Vec<String>,
        time: Option<Timestamp>,
    ) {
        let entry = |detail| Entry {
            source: Some(source.into()),
            detail_type: Some("Happened".into()),
            detail: Some(detail),
            time,
            ..Entry::default()
        };
        let entries = details.into_iter().map(entry).collect();
        let answers = self.plane.put_events(entries).await.expect("the log works");
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    /// Makes a rule for one source, with targets.
    pub(crate) async fn rule(&self, name: &str, source: &str, targets: Vec<TargetSpec>) -> String {
        let rule = NewRule {
            bus: "default".into(),
            name: name.into(),
            pattern: Some(format!(r#"{{"source": ["{source}"]}}"#)),
            ..NewRule::default()
        };
        let arn = self.plane.put_rule(rule).await.expect("the rule is right");
        self.plane.put_targets("default", name, targets).await.expect("the targets are right");
        arn
    }

    /// Lets time pass in small steps until `is_done`.
    pub(crate) async fn pass_time_until(&self, is_done: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if is_done(self) {
                return;
            }
            self.clock.advance(Duration::from_secs(1));
            // What became due by that is done on other threads.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        panic!("it does not come to an end");
    }
}

/// A queue as a target.
pub(crate) fn queue(id: &str, name: &str) -> TargetSpec {
    TargetSpec {
        id: id.into(),
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        ..TargetSpec::default()
    }
}

/// A retry policy of so many retries.
pub(crate) fn retries(count: u32) -> Option<RetryTerms> {
    Some(RetryTerms { maximum_retry_attempts: Some(count), maximum_event_age_in_seconds: None })
}
