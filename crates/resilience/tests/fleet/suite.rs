//! What every [`FleetStore`] must do; the simulated one passes it, too.

use crate::sim::{SimClock, SimStore};
use contracts::Timestamp;
use ports::Kind;
use resilience::breaker::fleet::{Bucket, Delta, FleetRecord, Phase, ShardCounts};
use resilience::breaker::{Config, Counts, FleetStore, Stored};

const AT: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// When counts are written: so late that a store that goes by its own clock keeps them.
const LATE: Timestamp = Timestamp::MAX;

/// Holds a fresh store against all that the trait promises.
pub async fn keeps_what_a_fleet_agrees_on(store: &dyn FleetStore) {
    what_was_never_written_is_at_its_default(store).await;
    of_two_who_write_the_same_record_one_wins(store).await;
    of_two_who_write_the_same_counts_one_wins(store).await;
    all_records_are_found_by_name(store).await;
}

fn opened(generation: u64) -> FleetRecord {
    let phase = Phase::Open { until: AT, openings: 1 };
    FleetRecord { generation, phase, by: "a".into(), ..FleetRecord::default() }
}

async fn what_was_never_written_is_at_its_default(store: &dyn FleetStore) {
    assert_eq!(store.record("f").await.unwrap().value, FleetRecord::default());
    assert_eq!(store.counts("f", 0).await.unwrap().value, ShardCounts::default());
    assert_eq!(store.records(10).await.unwrap(), []);
}

async fn of_two_who_write_the_same_record_one_wins(store: &dyn FleetStore) {
    for generation in 1..=3 {
        let read = store.record("f").await.unwrap();
        let (one, other) = (opened(generation), opened(generation + 100));
        let first = Stored { value: &one, expect: read.expect };
        store.put_record("f", first, Vec::new()).await.unwrap();
        let second = Stored { value: &other, expect: read.expect };
        let lost = store.put_record("f", second, Vec::new()).await.unwrap_err();
        assert_eq!(lost.kind(), Kind::Conflict);
        assert_eq!(store.record("f").await.unwrap().value, one);
    }
}

async fn of_two_who_write_the_same_counts_one_wins(store: &dyn FleetStore) {
    let bucket = Bucket { number: AT.as_millis() / 1_000, counts: Counts::one(true, false) };
    let delta = Delta { generation: 0, buckets: vec![bucket] };
    for calls in 1..=3 {
        let Stored { value, expect } = store.counts("f", 5).await.unwrap();
        let next = value.plus(&delta, &Config::default(), AT).unwrap();
        let put = || store.put_counts("f", 5, Stored { value: &next, expect }, LATE);
        put().await.unwrap();
        assert_eq!(put().await.unwrap_err().kind(), Kind::Conflict);
        let read = store.counts("f", 5).await.unwrap();
        assert_eq!(read.value.buckets[0].counts.calls, calls);
    }
    let other_shard = store.counts("f", 6).await.unwrap();
    assert_eq!(other_shard.value, ShardCounts::default());
    let other_name = store.counts("g", 5).await.unwrap();
    assert_eq!(other_name.value, ShardCounts::default());
}

async fn all_records_are_found_by_name(store: &dyn FleetStore) {
    for name in ["g#h", "e"] {
        let expect = store.record(name).await.unwrap().expect;
        let record = opened(7);
        store.put_record(name, Stored { value: &record, expect }, Vec::new()).await.unwrap();
    }
    let found = store.records(10).await.unwrap();
    let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["e", "f", "g#h"]);
    assert_eq!(found[2].1, opened(7));
    assert_eq!(store.records(2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_simulated_store_keeps_what_a_fleet_agrees_on() {
    keeps_what_a_fleet_agrees_on(&*SimStore::new(SimClock::at(AT))).await;
}
