//! The laws of publishing a batch, over a bus and a record of marks in memory.

use async_trait::async_trait;
use contracts::envelope::{Detail, Metadata};
use contracts::{Envelope, Timestamp};
use events::batch::{Became, Committed, Marks, Post, go_out_again, starts_again_at};
use ports::bus::{ENTRIES_MAX, EntryResult};
use ports::{Clock, Error, EventBus, Kind, Result};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// How long a batch may take: longer than the longest wait between two tries.
const TIME: Duration = Duration::from_secs(30);

/// How the bus takes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It refuses it so often, then takes it.
    Refuses { times: u32 },
    /// It refuses it for good.
    NeverTakes,
    /// It is out for this event as long as anybody tries.
    IsOut,
}

/// A clock that goes on to the next sleeper's time when nobody has anything else to do.
struct Leaping {
    now: Mutex<Timestamp>,
    sleepers: Mutex<BTreeMap<(Timestamp, u64), ()>>,
    count: Mutex<u64>,
    /// How often somebody did something.
    stirred: AtomicU64,
}

/// So often the others are polled before a sleeper believes that all of them wait.
const POLLS: u32 = 8;

impl Leaping {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new(Timestamp::from_millis(1_000_000)),
            sleepers: Mutex::default(),
            count: Mutex::default(),
            stirred: AtomicU64::default(),
        })
    }

    fn stir(&self) {
        self.stirred.fetch_add(1, Ordering::Relaxed);
    }

    fn register(&self, until: Timestamp) -> Asleep<'_> {
        let mut count = self.count.lock().expect("nobody panics with it in hand");
        *count += 1;
        let key = (until, *count);
        self.sleepers.lock().expect("nobody panics with it in hand").insert(key, ());
        Asleep { clock: self, key }
    }
}

struct Asleep<'a> {
    clock: &'a Leaping,
    key: (Timestamp, u64),
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.lock().expect("nobody panics with it in hand").remove(&self.key);
    }
}

#[async_trait]
impl Clock for Leaping {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("nobody panics with it in hand")
    }

    async fn sleep_until(&self, until: Timestamp) {
        let asleep = self.register(until);
        let (mut polls, mut seen) = (0, 0);
        poll_fn(|cx| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            let sleepers = self.sleepers.lock().expect("nobody panics with it in hand");
            let is_next = sleepers.first_key_value().is_some_and(|(key, ())| *key == asleep.key);
            let stirred = self.stirred.load(Ordering::Relaxed);
            polls = if is_next && stirred == seen { polls + 1 } else { 0 };
            seen = stirred;
            if polls > POLLS {
                *self.now.lock().expect("nobody panics with it in hand") = until;
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// A bus that takes each event in its manner, and what it has taken, in order.
struct Bus {
    clock: Arc<Leaping>,
    manners: BTreeMap<u128, Manner>,
    tries: Mutex<BTreeMap<u128, u32>>,
    taken: Mutex<Vec<u128>>,
}

#[async_trait]
impl EventBus for Bus {
    async fn publish(&self, entries: &[Envelope]) -> Result<Vec<EntryResult>> {
        self.clock.stir();
        assert!((1..=ENTRIES_MAX).contains(&entries.len()));
        let lanes: BTreeSet<_> = entries.iter().map(|entry| entry.lane()).collect();
        assert_eq!(lanes.len(), entries.len(), "two of one lane could pass one another");
        let answers = entries.iter().map(|entry| {
            let number = entry.id.as_u128();
            let mut tries = self.tries.lock().expect("nobody panics with it in hand");
            let tries = tries.entry(number).or_default();
            *tries += 1;
            match self.manners[&number] {
                Manner::Refuses { times } if *tries <= times => {
                    Err(Error::new(Kind::Throttled, "take the event"))
                }
                Manner::Refuses { .. } => {
                    self.taken.lock().expect("nobody panics with it in hand").push(number);
                    Ok(())
                }
                Manner::NeverTakes => Err(Error::new(Kind::Invalid, "take the event")),
                Manner::IsOut => Err(Error::new(Kind::Unavailable, "reach the bus")),
            }
        });
        Ok(answers.collect())
    }
}

/// Marks in memory; some of the calls fail.
#[derive(Default)]
struct Book {
    fails: Mutex<u32>,
    marks: Mutex<BTreeMap<usize, Became>>,
}

#[async_trait]
impl Marks for Book {
    async fn mark(&self, settled: &[(usize, Became)]) -> Result<()> {
        let mut fails = self.fails.lock().expect("nobody panics with it in hand");
        if *fails > 0 {
            *fails -= 1;
            return Err(Error::new(Kind::Unavailable, "reach the store"));
        }
        let mut marks = self.marks.lock().expect("nobody panics with it in hand");
        marks.extend(settled.iter().cloned());
        Ok(())
    }
}

/// The events of a batch: the aggregate and the manner of each, in the order of commits.
#[derive(Clone, Debug)]
struct Scene {
    events: Vec<(usize, Manner)>,
    marks_fail: u32,
}

impl Scene {
    fn events(&self) -> Vec<Committed> {
        self.events.iter().zip(1..).map(|((lane, _), number)| event(*lane, number)).collect()
    }

    fn bus(&self) -> Arc<Bus> {
        let manners = self.events.iter().zip(1..).map(|((_, manner), number)| (number, *manner));
        Arc::new(Bus {
            clock: Leaping::new(),
            manners: manners.collect(),
            tries: Mutex::default(),
            taken: Mutex::default(),
        })
    }
}

fn event(lane: usize, number: u128) -> Committed {
    let id = uuid::Uuid::from_u128(number);
    let aggregate = format!("order#{lane}");
    let metadata = Metadata {
        event_id: id,
        correlation_id: aggregate.clone(),
        causation_id: None,
        aggregate,
        sequence: u64::try_from(number).expect("numbers are small"),
        schema_version: 1,
        traceparent: None,
        deadline: None,
    };
    let detail = Detail::Fact { metadata, data: serde_json::json!({}) };
    let envelope = Envelope { id, source: "ordersaga.order".into(), detail, ..Envelope::default() };
    Committed { place: format!("{number:020}"), envelope }
}

fn publish(bus: &Arc<Bus>, book: &Arc<Book>, events: Vec<Committed>) -> Vec<Became> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let clock = Arc::clone(&bus.clock);
    let until = clock.now().plus(TIME);
    let post = Post { bus: Arc::clone(bus) as _, clock, seed: 7 };
    runtime.block_on(post.publish(events, Arc::clone(book) as _, until))
}

fn scenes() -> impl Strategy<Value = Scene> {
    let manner = prop_oneof![
        6 => Just(Manner::Refuses { times: 0 }),
        2 => (1_u32..4).prop_map(|times| Manner::Refuses { times }),
        1 => Just(Manner::NeverTakes),
        1 => Just(Manner::IsOut),
    ];
    let events = prop::collection::vec((0_usize..4, manner), 0..40);
    (events, 0_u32..3).prop_map(|(events, marks_fail)| Scene { events, marks_fail })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_event_of_a_lane_overtakes_another(scene in scenes(), turn in 0_usize..40) {
        let (bus, book) = (scene.bus(), Arc::new(Book::default()));
        let mut events = scene.events();
        let turn = turn.min(events.len());
        events.rotate_left(turn);
        publish(&bus, &book, events);
        let taken = bus.taken.lock().unwrap().clone();
        for lane in 0..4 {
            let own: Vec<u128> = (1..).zip(&scene.events).filter(|(_, (l, _))| *l == lane)
                .map(|(number, _)| number).collect();
            let came: Vec<u128> = taken.iter().copied().filter(|n| own.contains(n)).collect();
            let until = own.iter().position(|n| bus.manners[n] == Manner::IsOut);
            let expected: Vec<u128> = own[..until.unwrap_or(own.len())].iter().copied()
                .filter(|n| bus.manners[n] != Manner::NeverTakes).collect();
            prop_assert_eq!(came, expected, "lane {}", lane);
        }
    }

    #[test]
    fn every_record_is_published_or_reported_failed_or_refused(scene in scenes()) {
        let (bus, book) = (scene.bus(), Arc::new(Book::default()));
        *book.fails.lock().unwrap() = scene.marks_fail;
        let became = publish(&bus, &book, scene.events());
        prop_assert_eq!(became.len(), scene.events.len());
        let taken: BTreeSet<u128> = bus.taken.lock().unwrap().iter().copied().collect();
        let marks = book.marks.lock().unwrap().clone();
        let mut is_blocked = BTreeSet::new();
        for (index, (lane, manner)) in scene.events.iter().enumerate() {
            let number = index as u128 + 1;
            if *manner == Manner::IsOut {
                is_blocked.insert(*lane);
            }
            match &became[index] {
                Became::Published => prop_assert!(taken.contains(&number)),
                Became::Refused(why) => {
                    prop_assert_eq!(manner, &Manner::NeverTakes);
                    prop_assert!(why.contains("take the event"));
                }
                Became::Unsettled => prop_assert!(is_blocked.contains(lane), "nothing was wrong"),
            }
            let marked = Some(&became[index]).filter(|became| became.is_settled());
            prop_assert_eq!(marks.get(&index), marked, "what is said is recorded");
        }
    }

    #[test]
    fn a_duplicate_batch_changes_no_outcome(scene in scenes()) {
        let (bus, book) = (scene.bus(), Arc::new(Book::default()));
        let first = publish(&bus, &book, scene.events());
        let (taken, marks) = (bus.taken.lock().unwrap().clone(), book.marks.lock().unwrap().clone());
        let second = publish(&bus, &book, scene.events());
        prop_assert_eq!(&first, &second);
        let again: BTreeSet<u128> = bus.taken.lock().unwrap().iter().copied().collect();
        prop_assert_eq!(again, taken.into_iter().collect::<BTreeSet<_>>());
        prop_assert_eq!(&*book.marks.lock().unwrap(), &marks);
    }

    #[test]
    fn a_sender_that_starts_again_where_it_is_told_loses_nothing(scene in scenes()) {
        let (bus, book) = (scene.bus(), Arc::new(Book::default()));
        let became = publish(&bus, &book, scene.events());
        let from = starts_again_at(&became).unwrap_or(became.len());
        prop_assert!(became[..from].iter().all(Became::is_settled));
        let again = became[from..].iter().filter(|one| **one == Became::Published).count();
        prop_assert_eq!(go_out_again(&became), again);
    }
}

#[test]
fn a_bus_that_is_out_holds_a_batch_no_longer_than_its_time() {
    let scene = Scene { events: vec![(0, Manner::IsOut); 20], marks_fail: 0 };
    let became = publish(&scene.bus(), &Arc::new(Book::default()), scene.events());
    assert_eq!(became, vec![Became::Unsettled; 20]);
}

#[test]
fn a_long_lane_that_waited_goes_on_to_its_end() {
    let mut events = vec![(0, Manner::Refuses { times: 0 }); 30];
    events[0] = (0, Manner::Refuses { times: 3 });
    let scene = Scene { events, marks_fail: 0 };
    let became = publish(&scene.bus(), &Arc::new(Book::default()), scene.events());
    assert_eq!(became, vec![Became::Published; 30]);
}

#[test]
fn a_lane_goes_on_behind_an_event_that_is_refused_for_good() {
    for before in 0..12 {
        let mut events = vec![(0, Manner::Refuses { times: 0 }); before + 4];
        events[before] = (0, Manner::NeverTakes);
        let scene = Scene { events, marks_fail: 0 };
        let became = publish(&scene.bus(), &Arc::new(Book::default()), scene.events());
        let unsettled: Vec<usize> =
            (0..before + 4).filter(|index| !became[*index].is_settled()).collect();
        assert_eq!(unsettled, [0; 0], "{before} events before it");
    }
}
