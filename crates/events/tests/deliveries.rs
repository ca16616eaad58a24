//! The laws of delivery, on the pure decisions and a model of the durable log.

use contracts::envelope::{Detail, Metadata};
use contracts::{Envelope, Timestamp};
use events::deliveries::{ATTEMPT_MAX, Attempt, Deliveries, Key, PATIENCE, TargetId, Terms};
use events::retry::{DeliveryError, RetryPolicy};
use ports::event_log::{DeadLetter, Redelivery, Settlement};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const TARGETS: usize = 2;

fn event(aggregate: &str, sequence: u64) -> Envelope {
    let id = uuid::Uuid::from_u128(u128::from(sequence));
    Envelope {
        id,
        source: "ordersaga.order".into(),
        detail_type: "OrderPlaced".into(),
        time: Timestamp::EPOCH,
        detail: Detail::Fact {
            metadata: Metadata {
                event_id: id,
                correlation_id: aggregate.into(),
                causation_id: None,
                aggregate: aggregate.into(),
                sequence,
                schema_version: 1,
                traceparent: None,
                deadline: None,
            },
            data: serde_json::json!({}),
        },
        ..Envelope::default()
    }
}

/// How a target takes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Fails { times: u32 },
    Hangs { times: u32 },
    Refuses,
    AlwaysFails,
}

/// The durable log, the targets and the time, beside the decisions under test.
struct World {
    policy: RetryPolicy,
    queue: Manner,
    manners: Vec<[Option<Manner>; TARGETS]>,
    now: Timestamp,
    cursor: u64,
    rows: BTreeMap<(u64, String), Redelivery>,
    dead: BTreeMap<(u64, String), DeadLetter>,
    delivered: Vec<Key>,
    /// Events in the dead-letter queue of the last target.
    buried: BTreeSet<u64>,
    tries: BTreeMap<Key, u32>,
    in_flight: BTreeMap<Key, Timestamp>,
    has_crashed: bool,
    deliveries: Deliveries,
}

/// The target that has a dead-letter queue.
const WITH_QUEUE: TargetId = TargetId(1);

fn name(target: TargetId) -> String {
    format!("target-{}", target.0)
}

impl World {
    fn new(policy: RetryPolicy, manners: Vec<[Option<Manner>; TARGETS]>) -> Self {
        Self {
            policy,
            queue: Manner::Fails { times: 0 },
            manners,
            now: Timestamp::from_millis(1_000_000),
            cursor: 0,
            rows: BTreeMap::new(),
            dead: BTreeMap::new(),
            delivered: Vec::new(),
            buried: BTreeSet::new(),
            tries: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            has_crashed: false,
            deliveries: Self::begin(policy, 0, 7),
        }
    }

    fn begin(policy: RetryPolicy, cursor: u64, seed: u64) -> Deliveries {
        let mut deliveries = Deliveries::new(cursor, seed);
        for target in (0..TARGETS).map(TargetId) {
            let known = deliveries.know(&name(target), Self::terms(policy, target));
            assert_eq!(known, target, "ids are given in order");
        }
        deliveries
    }

    fn terms(policy: RetryPolicy, target: TargetId) -> Terms {
        Terms { policy, has_dead_letter_queue: target == WITH_QUEUE }
    }

    /// By which terms a row is redelivered, if its target is there.
    fn terms_of_row(&self, row: &str) -> Option<Terms> {
        let targets = (0..TARGETS).map(TargetId);
        let known = targets.clone().find(|target| name(*target) == row);
        match known {
            Some(target) => Some(Self::terms(self.policy, target)),
            None if row == letter_row() => Some(Terms { policy: self.policy, ..Terms::default() }),
            None => None,
        }
    }

    fn manner(&self, (sequence, target): Key) -> Option<Manner> {
        if target.0 >= TARGETS {
            return Some(self.queue);
        }
        self.manners[usize::try_from(sequence).expect("sequences are small") - 1][target.0]
    }

    fn envelope(sequence: u64) -> Envelope {
        event(&format!("order#{}", sequence % 3), sequence)
    }

    fn take(&mut self, count: usize) {
        for _ in 0..count.min(self.deliveries.room()) {
            let sequence = self.deliveries.taken_to() + 1;
            if sequence > self.manners.len() as u64 {
                return;
            }
            let matching = (0..TARGETS).map(TargetId);
            let matching: Vec<TargetId> =
                matching.filter(|target| self.manner((sequence, *target)).is_some()).collect();
            let envelope = Arc::new(Self::envelope(sequence));
            self.deliveries.take(sequence, &envelope, &matching, self.now);
        }
    }

    fn launch(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            *self.tries.entry(attempt.key).or_default() += 1;
            let running = self.in_flight.insert(attempt.key, self.now);
            assert_eq!(running, None, "{:?} is in flight twice", attempt.key);
        }
    }

    fn start(&mut self) {
        let attempts = self.deliveries.start(self.now);
        self.launch(attempts);
    }

    fn poll(&mut self) {
        let now = self.now;
        let mut due: Vec<Redelivery> =
            self.rows.values().filter(|row| row.due_at <= now).cloned().collect();
        due.sort_by_key(|row| row.due_at);
        due.truncate(self.deliveries.due_limit());
        for row in due {
            let envelope = Self::envelope(row.sequence);
            let terms = self.terms_of_row(&row.target);
            let attempt = self.deliveries.take_due(&row, envelope, terms, now);
            let is_letter = attempt.as_ref().is_some_and(|attempt| attempt.death.is_some());
            assert!(!is_letter || row.target == letter_row());
            self.launch(attempt.into_iter().collect());
        }
    }

    /// Ends one call, unless its target hangs and has time left.
    fn finish(&mut self, pick: usize) {
        let Some(key) = self.in_flight.keys().copied().nth(pick % self.in_flight.len().max(1))
        else {
            return;
        };
        let started = self.in_flight[&key];
        let tries = self.tries[&key];
        let late = || Err(DeliveryError::retryable("answer in time"));
        let outcome = match self.manner(key).expect("only matching targets are called") {
            Manner::Fails { times } if tries <= times => Err(DeliveryError::retryable("work")),
            Manner::AlwaysFails => Err(DeliveryError::retryable("work")),
            Manner::Refuses => Err(DeliveryError::fatal("make sense")),
            Manner::Hangs { times } if tries <= times => {
                if self.now.since(started) < ATTEMPT_MAX {
                    return;
                }
                late()
            }
            Manner::Fails { .. } | Manner::Hangs { .. } => Ok(()),
        };
        self.in_flight.remove(&key);
        match outcome {
            Ok(()) if key.1.0 >= TARGETS => assert!(self.buried.insert(key.0) || self.has_crashed),
            Ok(()) => self.delivered.push(key),
            Err(_) => {}
        }
        self.deliveries.finish(key, outcome, self.now);
    }

    fn record(&mut self, settlement: &Settlement) {
        if let Some(cursor) = settlement.cursor {
            assert!(cursor > self.cursor, "the cursor never moves backwards");
            self.cursor = cursor;
        }
        for row in &settlement.again {
            self.rows.insert((row.sequence, row.target.clone()), row.clone());
        }
        for key in &settlement.done {
            self.rows.remove(key);
        }
        for letter in &settlement.dead {
            let key = (letter.sequence, letter.target.clone());
            self.rows.remove(&key);
            self.dead.insert(key, letter.clone());
        }
    }

    fn settle(&mut self) {
        if let Some(settlement) = self.deliveries.settlement() {
            self.record(&settlement);
            self.deliveries.recorded(&settlement);
        }
    }

    fn fail_to_settle(&mut self) {
        if let Some(settlement) = self.deliveries.settlement() {
            self.deliveries.give_back(settlement);
        }
    }

    /// The process dies, perhaps after its last settlement got through.
    fn crash(&mut self, is_recorded: bool) {
        let settlement = self.deliveries.settlement();
        if let Some(settlement) = settlement.filter(|_| is_recorded) {
            self.record(&settlement);
        }
        self.in_flight.clear();
        self.has_crashed = true;
        self.deliveries = Self::begin(self.policy, self.cursor, 11);
    }

    fn advance(&mut self, by: Duration) {
        self.now = self.now.plus(by);
        self.deliveries.tire(self.now);
    }

    fn is_settled(&self, key: Key) -> bool {
        let is_buried = key.1 == WITH_QUEUE && self.buried.contains(&key.0);
        self.delivered.contains(&key) || self.dead.contains_key(&(key.0, name(key.1))) || is_buried
    }

    fn expected(&self) -> BTreeSet<Key> {
        let keys = (1..=self.manners.len() as u64)
            .flat_map(|sequence| (0..TARGETS).map(move |target| (sequence, TargetId(target))));
        keys.filter(|key| self.manner(*key).is_some()).collect()
    }

    fn invariant_nothing_below_the_cursor_is_forgotten(&self) {
        for key in self.expected() {
            let is_letter = key.1 == WITH_QUEUE && self.rows.contains_key(&(key.0, letter_row()));
            let has_row = self.rows.contains_key(&(key.0, name(key.1)));
            let is_safe = key.0 > self.cursor || has_row || is_letter || self.is_settled(key);
            assert!(is_safe, "{key:?} is lost, the cursor is at {}", self.cursor);
        }
    }

    /// Runs without further trouble until nothing is owed.
    fn drain(&mut self) {
        for _ in 0..20_000 {
            self.take(usize::MAX);
            self.start();
            self.poll();
            for pick in (0..self.in_flight.len()).rev() {
                self.finish(pick);
            }
            self.settle();
            let is_through = self.cursor == self.manners.len() as u64;
            if is_through && self.rows.is_empty() && self.in_flight.is_empty() {
                return;
            }
            if !self.in_flight.is_empty() {
                self.advance(PATIENCE);
            } else if let Some(due_at) = self.rows.values().map(|row| row.due_at).min() {
                let wait = due_at.since(self.now);
                self.advance(wait);
            }
        }
        panic!("deliveries do not come to an end: {:?}", self.rows);
    }
}

fn letter_row() -> String {
    format!("dlq/{}", name(WITH_QUEUE))
}

fn small_policy() -> RetryPolicy {
    RetryPolicy { attempts_max: 5, ..RetryPolicy::default() }
}

fn manners() -> impl Strategy<Value = Option<Manner>> {
    prop_oneof![
        2 => Just(None),
        6 => Just(Some(Manner::Fails { times: 0 })),
        2 => (1_u32..6).prop_map(|times| Some(Manner::Fails { times })),
        2 => (1_u32..3).prop_map(|times| Some(Manner::Hangs { times })),
        1 => Just(Some(Manner::Refuses)),
        1 => Just(Some(Manner::AlwaysFails)),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(usize),
    Start,
    Finish(usize),
    Poll,
    Settle,
    FailToSettle,
    Advance(u64),
    Crash(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..8).prop_map(Step::Take),
        6 => Just(Step::Start),
        12 => any::<usize>().prop_map(Step::Finish),
        4 => Just(Step::Poll),
        4 => Just(Step::Settle),
        1 => Just(Step::FailToSettle),
        4 => (1_u64..20_000).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Crash),
    ]
}

proptest! {
    #[test]
    fn every_event_reaches_every_matching_target_its_queue_or_its_dead_letter_row(
        events in proptest::collection::vec([manners(), manners()], 1..40),
        queue in manners(),
        steps in proptest::collection::vec(steps(), 0..120),
    ) {
        let mut world = World::new(small_policy(), events);
        world.queue = queue.unwrap_or(world.queue);
        for step in steps {
            match step {
                Step::Take(count) => world.take(count),
                Step::Start => world.start(),
                Step::Finish(pick) => world.finish(pick),
                Step::Poll => world.poll(),
                Step::Settle => world.settle(),
                Step::FailToSettle => world.fail_to_settle(),
                Step::Advance(millis) => world.advance(Duration::from_millis(millis)),
                Step::Crash(is_recorded) => world.crash(is_recorded),
            }
            world.invariant_nothing_below_the_cursor_is_forgotten();
        }
        world.drain();
        for key in world.expected() {
            prop_assert!(world.is_settled(key), "{:?} reached nobody", key);
        }
        let given_up = world.dead.keys().all(|(_, target)| (0..TARGETS).any(|at| *target == name(TargetId(at))));
        prop_assert!(given_up, "a dead letter names its target: {:?}", world.dead);
    }

    #[test]
    fn without_crashes_a_delivery_is_tried_exactly_as_often_as_it_should(
        events in proptest::collection::vec([manners(), manners()], 1..40),
    ) {
        let mut world = World::new(small_policy(), events);
        world.drain();
        for key in world.expected() {
            let expected = match world.manner(key) {
                Some(Manner::Fails { times } | Manner::Hangs { times }) => (times + 1).min(5),
                Some(Manner::AlwaysFails) => 5,
                Some(Manner::Refuses) => 1,
                None => 0,
            };
            prop_assert_eq!(world.tries[&key], expected, "{:?}", key);
        }
    }

    #[test]
    fn events_of_one_aggregate_reach_a_target_in_order_while_nothing_fails(
        count in 1_usize..60,
        picks in proptest::collection::vec(any::<usize>(), 0..400),
    ) {
        let healthy = [Some(Manner::Fails { times: 0 }); TARGETS];
        let mut world = World::new(small_policy(), vec![healthy; count]);
        for pick in picks {
            world.take(3);
            world.start();
            world.finish(pick);
        }
        world.drain();
        for target in 0..TARGETS {
            for aggregate in 0..3 {
                let lane: Vec<u64> = world
                    .delivered
                    .iter()
                    .filter(|(sequence, to)| to.0 == target && sequence % 3 == aggregate)
                    .map(|(sequence, _)| *sequence)
                    .collect();
                prop_assert!(lane.is_sorted_by(|a, b| a < b), "{:?}", lane);
            }
        }
    }
}

#[test]
fn one_poison_event_among_ten_thousand_holds_nobody_up() {
    let healthy = [Some(Manner::Fails { times: 0 }), None];
    let mut manners = vec![healthy; 10_000];
    manners[4_000][0] = Some(Manner::AlwaysFails);
    let mut world = World::new(RetryPolicy::default(), manners);
    while world.deliveries.taken_to() < 10_000 || !world.in_flight.is_empty() {
        world.take(100);
        world.start();
        for pick in (0..world.in_flight.len()).rev() {
            world.finish(pick);
        }
        world.settle();
        world.start();
    }
    world.settle();
    assert_eq!((world.cursor, world.delivered.len(), world.rows.len()), (10_000, 9_999, 1));

    world.drain();
    let letters: Vec<&DeadLetter> = world.dead.values().collect();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].sequence, letters[0].attempts), (4_001, 185));
    assert_eq!(world.tries[&(4_001, TargetId(0))], 185);
}

#[test]
fn a_target_that_answers_nobody_delays_another_by_one_patience_at_most() {
    let hangs = Some(Manner::Hangs { times: 1_000 });
    let healthy = Some(Manner::Fails { times: 0 });
    let mut world = World::new(RetryPolicy::default(), vec![[hangs, healthy]; 5_000]);
    let begin = world.now;
    while world.delivered.len() < 5_000 {
        world.take(usize::MAX);
        world.start();
        for pick in (0..world.in_flight.len()).rev() {
            world.finish(pick);
        }
        world.settle();
        assert!(world.now.since(begin) <= PATIENCE, "the healthy target waits");
    }
    world.advance(PATIENCE);
    world.take(usize::MAX);
    world.start();
    world.settle();
    assert_eq!(world.cursor, 5_000, "the hanging target holds the cursor no longer");
    assert_eq!(world.rows.len(), 5_000);
}

#[test]
fn a_redelivery_that_worked_is_not_made_again_before_that_is_recorded() {
    let fails_once = [Some(Manner::Fails { times: 1 }), None];
    let mut world = World::new(RetryPolicy::default(), vec![fails_once]);
    world.take(1);
    world.start();
    world.finish(0);
    world.settle();
    world.advance(Duration::from_secs(2));
    world.poll();
    world.finish(0);
    world.fail_to_settle();
    world.poll();
    assert_eq!((world.delivered.len(), world.in_flight.len()), (1, 0));
    world.settle();
    assert!(world.rows.is_empty());
}

#[test]
fn a_row_whose_target_is_gone_is_given_up() {
    let mut world = World::new(RetryPolicy::default(), vec![[None, None]]);
    let row = Redelivery {
        sequence: 1,
        target: "retired".into(),
        attempts: 3,
        first_at: world.now,
        due_at: world.now,
        reason: "work".into(),
    };
    world.rows.insert((1, row.target.clone()), row);
    world.poll();
    world.settle();
    let letter = &world.dead[&(1, "retired".to_owned())];
    assert_eq!((letter.attempts, world.rows.len()), (3, 0));
    assert_eq!(letter.reason, "no such target is left");
}

#[test]
fn what_dies_goes_to_the_queue_and_what_the_queue_refuses_stays_as_a_dead_letter() {
    for (queue, is_buried) in [(Manner::Fails { times: 2 }, true), (Manner::Refuses, false)] {
        let mut world = World::new(small_policy(), vec![[None, Some(Manner::AlwaysFails)]]);
        world.queue = queue;
        world.drain();
        assert_eq!(world.tries[&(1, WITH_QUEUE)], 5);
        assert_eq!(
            (world.buried.len(), world.dead.len()),
            (usize::from(is_buried), usize::from(!is_buried))
        );
        for letter in world.dead.values() {
            assert_eq!((letter.target.as_str(), letter.attempts), ("target-1", 5));
            assert!(letter.reason.starts_with("work; and its dead-letter queue: "));
        }
    }
}

#[test]
fn a_target_that_is_gone_and_idle_gives_its_id_to_another() {
    let mut deliveries = Deliveries::new(0, 7);
    let first = deliveries.know("first", Terms::default());
    let event = Arc::new(event("order#1", 1));
    deliveries.take(1, &event, &[first], Timestamp::EPOCH);
    deliveries.forget(|_| false);
    assert_eq!(deliveries.name(first), Some("first"), "something of it is open");
    let attempts = deliveries.start(Timestamp::EPOCH);
    deliveries.finish(attempts[0].key, Ok(()), Timestamp::EPOCH);
    deliveries.forget(|_| false);
    assert_eq!(deliveries.know("second", Terms::default()), first);
}
