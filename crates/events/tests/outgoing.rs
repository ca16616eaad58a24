//! The laws of the relay, on the pure decisions and a model of outbox and bus.

use contracts::envelope::{Detail, Metadata};
use contracts::{Envelope, Timestamp};
use events::outgoing::{Call, HELD_MAX, Outgoing};
use ports::bus::EntryResult;
use ports::outbox::{Pending, Settled};
use ports::store::Partition;
use ports::{Error, Kind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn pending(aggregate: usize, sequence: u64) -> Pending {
    let partition = Partition::of("order", aggregate);
    let id = uuid::Uuid::from_u128(u128::from(sequence));
    let metadata = Metadata {
        event_id: id,
        correlation_id: partition.to_string(),
        causation_id: None,
        aggregate: partition.to_string(),
        sequence,
        schema_version: 1,
        traceparent: None,
        deadline: None,
    };
    let envelope = Envelope {
        id,
        source: "ordersaga.order".into(),
        detail_type: "OrderPlaced".into(),
        time: Timestamp::EPOCH,
        detail: Detail::Fact { metadata, data: serde_json::json!({}) },
        ..Envelope::default()
    };
    Pending { sequence, partition, envelope }
}

/// How the bus takes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Refuses { times: u32 },
    NeverTakes,
}

/// What the bus says to one entry, or to a whole call.
fn no(kind: Kind) -> Error {
    Error::new(kind, "take the event")
}

struct World {
    /// The aggregate and the manner of each event; its sequence is its place, from one.
    events: Vec<(usize, Manner)>,
    now: Timestamp,
    unsettled: BTreeSet<u64>,
    parked: BTreeSet<u64>,
    published: Vec<u64>,
    tries: BTreeMap<u64, u32>,
    in_flight: Vec<Call>,
    outgoing: Outgoing,
}

impl World {
    fn new(events: Vec<(usize, Manner)>) -> Self {
        Self {
            now: Timestamp::from_millis(1_000_000),
            unsettled: (1..=events.len() as u64).collect(),
            events,
            parked: BTreeSet::new(),
            published: Vec::new(),
            tries: BTreeMap::new(),
            in_flight: Vec::new(),
            outgoing: Outgoing::new(7),
        }
    }

    fn event(&self, sequence: u64) -> (usize, Manner) {
        self.events[usize::try_from(sequence).expect("sequences are small") - 1]
    }

    fn read(&mut self, limit: usize) {
        let after = self.outgoing.read_after();
        let page: Vec<Pending> = self
            .unsettled
            .range(after + 1..)
            .take(limit.min(self.outgoing.room()))
            .map(|sequence| pending(self.event(*sequence).0, *sequence))
            .collect();
        self.outgoing.take(page);
    }

    fn call(&mut self) {
        if let Some(call) = self.outgoing.next_call(self.now) {
            let lanes = call.entries.iter().map(Envelope::lane);
            let lanes: BTreeSet<_> = lanes.collect();
            assert_eq!(lanes.len(), call.entries.len(), "a call has one event per aggregate");
            self.in_flight.push(call);
        }
    }

    fn answer(&mut self, pick: usize, whole: Option<Kind>) {
        if self.in_flight.is_empty() {
            return;
        }
        let call = self.in_flight.swap_remove(pick % self.in_flight.len());
        let answer = match whole {
            Some(kind) => Err(no(kind)),
            None => Ok(call.entries.iter().map(|entry| self.publish(entry)).collect()),
        };
        self.outgoing.answered(call.id, answer, self.now);
    }

    fn publish(&mut self, entry: &Envelope) -> EntryResult {
        let sequence = entry.metadata().expect("the entries are ours").sequence;
        let tries = self.tries.entry(sequence).or_default();
        *tries += 1;
        let tries = *tries;
        match self.event(sequence).1 {
            Manner::Refuses { times } if tries <= times => Err(no(Kind::Throttled)),
            Manner::NeverTakes => Err(no(Kind::Invalid)),
            Manner::Refuses { .. } => {
                self.published.push(sequence);
                Ok(())
            }
        }
    }

    fn record(&mut self, settled: &[Settled]) {
        for one in settled {
            let (Settled::Published(sequence) | Settled::Parked(sequence, _)) = one;
            self.unsettled.remove(sequence);
            if matches!(one, Settled::Parked(..)) {
                self.parked.insert(*sequence);
            }
        }
    }

    fn settle(&mut self) {
        let settled = self.outgoing.settlement();
        self.record(&settled);
        self.outgoing.recorded(&settled);
    }

    fn crash(&mut self, is_recorded: bool) {
        let settled = self.outgoing.settlement();
        if is_recorded {
            self.record(&settled);
        }
        self.in_flight.clear();
        self.outgoing = Outgoing::new(11);
    }

    fn invariant_every_event_is_pending_or_taken(&self) {
        for sequence in 1..=self.events.len() as u64 {
            let is_safe = self.unsettled.contains(&sequence)
                || self.parked.contains(&sequence)
                || self.published.contains(&sequence);
            assert!(is_safe, "event {sequence} is lost");
        }
    }

    fn invariant_each_aggregate_is_published_in_order(&self) {
        let mut first = BTreeSet::new();
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for sequence in self.published.iter().filter(|sequence| first.insert(**sequence)) {
            let before = last.insert(self.event(*sequence).0, *sequence);
            assert!(before < Some(*sequence), "{sequence} came after {before:?}");
        }
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            self.read(usize::MAX);
            self.call();
            self.answer(0, None);
            self.settle();
            if self.unsettled.is_empty() {
                return;
            }
            self.now = self.now.plus(Duration::from_secs(1));
        }
        panic!("the outbox is never empty: {:?}", self.unsettled);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Read(usize),
    Call,
    Answer(usize),
    FailCall(usize, Kind),
    Settle,
    FailToSettle,
    Advance(u64),
    Crash(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(Kind::Unavailable), Just(Kind::Timeout), Just(Kind::Invalid)];
    prop_oneof![
        4 => (1_usize..20).prop_map(Step::Read),
        8 => Just(Step::Call),
        8 => any::<usize>().prop_map(Step::Answer),
        2 => (any::<usize>(), kind).prop_map(|(pick, kind)| Step::FailCall(pick, kind)),
        4 => Just(Step::Settle),
        1 => Just(Step::FailToSettle),
        4 => (1_u64..5_000).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Crash),
    ]
}

fn events() -> impl Strategy<Value = Vec<(usize, Manner)>> {
    let manner = prop_oneof![
        6 => Just(Manner::Refuses { times: 0 }),
        3 => (1_u32..4).prop_map(|times| Manner::Refuses { times }),
        1 => Just(Manner::NeverTakes),
    ];
    proptest::collection::vec((0_usize..4, manner), 1..80)
}

proptest! {
    #[test]
    fn every_event_is_published_in_order_or_parked_whatever_fails(
        events in events(),
        steps in proptest::collection::vec(steps(), 0..120),
    ) {
        let mut world = World::new(events);
        for step in steps {
            match step {
                Step::Read(limit) => world.read(limit),
                Step::Call => world.call(),
                Step::Answer(pick) => world.answer(pick, None),
                Step::FailCall(pick, kind) => world.answer(pick, Some(kind)),
                Step::Settle => world.settle(),
                Step::FailToSettle => {
                    let settled = world.outgoing.settlement();
                    world.outgoing.give_back(settled);
                }
                Step::Advance(millis) => {
                    world.now = world.now.plus(Duration::from_millis(millis));
                }
                Step::Crash(is_recorded) => world.crash(is_recorded),
            }
            world.invariant_every_event_is_pending_or_taken();
        }
        world.drain();
        world.invariant_every_event_is_pending_or_taken();
        world.invariant_each_aggregate_is_published_in_order();
    }

    #[test]
    fn exactly_the_retryable_entries_are_sent_again(refused in 0_u32..1024, never in 0_u32..1024) {
        let manner = |index: u32| {
            if never & (1 << index) != 0 {
                Manner::NeverTakes
            } else {
                Manner::Refuses { times: (refused >> index) & 1 }
            }
        };
        let events = (0..10).map(|index| (index as usize, manner(index))).collect();
        let mut world = World::new(events);
        world.drain();
        for (index, sequence) in (0..10).zip(1_u64..) {
            let is_parked = never & (1 << index) != 0;
            let expected = if is_parked { 1 } else { 1 + ((refused >> index) & 1) };
            prop_assert_eq!(world.tries[&sequence], expected);
            prop_assert_eq!(world.parked.contains(&sequence), is_parked);
        }
    }
}

#[test]
fn a_stuck_event_stops_only_its_own_aggregate() {
    let stuck = (0, Manner::Refuses { times: u32::MAX });
    let mut events = vec![stuck];
    events.extend((0..3 * HELD_MAX).map(|index| (index % 50, Manner::Refuses { times: 0 })));
    let mut world = World::new(events);
    for _ in 0..20_000 {
        world.read(1_000);
        world.call();
        world.answer(0, None);
        world.settle();
        world.now = world.now.plus(Duration::from_millis(10));
    }
    let lane = |sequence: &&u64| world.event(**sequence).0 == 0;
    assert!(world.unsettled.iter().all(|sequence| lane(&sequence)), "others wait");
    assert_eq!(world.published.len(), 3 * HELD_MAX / 50 * 49);
    assert!(world.outgoing.room() > HELD_MAX / 2, "the stuck lane fills the memory");
}

#[test]
fn a_wrong_call_is_taken_apart_until_the_wrong_entry_is_known() {
    let mut world = World::new((0..10).map(|n| (n, Manner::Refuses { times: 0 })).collect());
    world.read(10);
    world.call();
    world.answer(0, Some(Kind::Invalid));
    for sequence in 1..=10_u64 {
        world.call();
        assert_eq!(world.in_flight[0].entries.len(), 1);
        let whole = (sequence == 4).then_some(Kind::Invalid);
        world.answer(0, whole);
    }
    world.settle();
    assert!(world.unsettled.is_empty());
    assert_eq!(world.parked, BTreeSet::from([4]));
}

#[test]
fn a_bus_that_lets_nobody_in_loses_no_event() {
    for kind in [Kind::Denied, Kind::NotFound] {
        let mut outgoing = Outgoing::new(7);
        let mut now = Timestamp::EPOCH;
        outgoing.take(vec![pending(1, 1), pending(2, 2), pending(3, 3)]);
        for _ in 0..20 {
            while let Some(Call { id, .. }) = outgoing.next_call(now) {
                outgoing.answered(id, Err(Error::new(kind, "publish")), now);
            }
            assert!(outgoing.settlement().is_empty(), "{kind:?}");
            now = now.plus(Duration::from_mins(5));
        }
        let Call { entries, .. } = outgoing.next_call(now).expect("they are tried again");
        assert_eq!(entries.len(), 3, "{kind:?}");
    }
}

#[test]
fn nothing_follows_a_parked_event_before_its_parking_is_recorded() {
    let takes = Manner::Refuses { times: 0 };
    let mut world = World::new(vec![(1, Manner::NeverTakes), (1, takes), (2, takes)]);
    world.read(3);
    world.call();
    world.answer(0, None);
    world.call();
    assert!(world.in_flight.is_empty(), "the second event of the aggregate must wait");
    assert_eq!(world.published, [3], "the other aggregate goes on");
    world.settle();
    world.call();
    world.answer(0, None);
    assert_eq!(world.published, [3, 2]);
}
