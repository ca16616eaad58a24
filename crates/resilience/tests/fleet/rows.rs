//! The rows of the circuit breaker's table that take a fleet.

use crate::sim::{Ended, Fleet, NAME, Reply};
use contracts::Timestamp;
use contracts::resilience::{BreakerClosed, BreakerHalfOpened, BreakerOpened, BreakerSwitched};
use futures::FutureExt;
use futures::StreamExt;
use resilience::breaker::fleet::{
    Bucket, Delta, Election, FleetRecord, Phase, ShardCounts, Turn, shard_of, sum,
};
use resilience::breaker::{Config, Counts, Mode, Outcome, Room, SHARDS, State};
use std::collections::BTreeSet;
use std::time::Duration;

const A_SECOND: Timestamp = Timestamp::from_millis(1_000_000);

fn turn(at: Timestamp) -> Turn<'static> {
    Turn { at, by: "a", seed: 7 }
}

fn counts(calls: u32, failures: u32, slow: u32) -> Counts {
    Counts { calls, failures, slow }
}

fn trips(calls: u32, failures: u32, slow: u32) -> bool {
    let (record, sums) = (FleetRecord::default(), counts(calls, failures, slow));
    record.trip(0, sums, &Config::default(), &turn(A_SECOND)).is_some()
}

fn opened_at(at: Timestamp) -> FleetRecord {
    let sums = counts(20, 20, 0);
    FleetRecord::default().trip(0, sums, &Config::default(), &turn(at)).unwrap()
}

/// How long a record that changed at its last transition stays open, in milliseconds.
fn open_ms(record: &FleetRecord) -> u128 {
    let Phase::Open { until, .. } = record.phase else {
        panic!("{record:?}");
    };
    until.since(record.changed_at).as_millis()
}

/// Lets every instance call once a second.
fn seconds(fleet: &mut Fleet, instances: usize, count: u64) {
    for _ in 0..count {
        (0..instances).for_each(|instance| fleet.call(instance));
        fleet.pass(1_000);
    }
}

#[test]
fn an_instance_that_ends_tells_what_it_has_counted() {
    for tells in [false, true] {
        let mut fleet = Fleet::of(20, 1);
        fleet.answers(|_| Reply::Failed);
        for instance in 0..20 {
            fleet.call_now(instance);
            if tells {
                fleet.leave(instance);
            }
            fleet.crash(instance);
        }
        fleet.pass(2_000);
        assert_eq!(fleet.record().phase != Phase::Closed, tells);
    }
}

#[test]
fn minimum_at_least_twenty_calls_fleet_wide_five_local() {
    assert!(!trips(19, 19, 0) && trips(20, 20, 0));
    for (instances, opens) in [(19, false), (20, true)] {
        let mut fleet = Fleet::of(instances, 1);
        fleet.answers(|_| Reply::Failed);
        seconds(&mut fleet, instances, 1);
        fleet.pass(2_000);
        assert_eq!(fleet.record().phase != Phase::Closed, opens, "{instances} calls");
    }
    let mut fleet = Fleet::of(2, 1);
    fleet.answers(|_| Reply::Failed);
    for (call, state) in (1..).zip([State::Closed; 4]) {
        fleet.call_now(0);
        assert_eq!(fleet.view(0).local, state, "call {call}");
    }
    fleet.call_now(0);
    assert!(matches!(fleet.view(0).local, State::Open { .. }));
    assert_eq!(fleet.view(0).fleet.phase, Phase::Closed);
}

#[test]
fn trip_failure_rate_from_fifty_percent_or_slow_call_rate_from_eighty_percent() {
    assert!(trips(100, 50, 0) && !trips(100, 49, 0));
    assert!(trips(100, 0, 80) && !trips(100, 0, 79));
    assert!(!trips(100, 0, 0));
}

#[test]
fn window_ten_buckets_of_one_second_fleet_wide() {
    let config = Config::default();
    let bucket = |number| Bucket { number, counts: counts(1, 1, 0) };
    let delta = Delta { generation: 0, buckets: (991..=1_000).map(bucket).collect() };
    let shard = ShardCounts::default().plus(&delta, &config, A_SECOND).unwrap();
    let seen = |ms| sum([&shard], 0, &config, Timestamp::from_millis(ms)).calls;
    assert_eq!([1_000_000, 1_000_999, 1_001_000].map(seen), [10, 10, 9]);
    assert_eq!([1_005_000, 1_009_999, 1_010_000].map(seen), [5, 1, 0]);
    let next = Delta { generation: 0, buckets: vec![bucket(1_009)] };
    let later = Timestamp::from_millis(1_009_000);
    let shard = shard.plus(&next, &config, later).unwrap();
    assert_eq!(shard.buckets, [bucket(1_000), bucket(1_009)], "what is too old is forgotten");
}

#[test]
fn open_for_five_seconds_doubled_up_to_sixty_with_a_fifth_of_jitter() {
    let config = Config::default();
    let mut record = opened_at(A_SECOND);
    for seconds in [5, 10, 20, 40, 60, 60] {
        let ms = open_ms(&record);
        assert!((seconds * 800..=seconds * 1_200).contains(&ms), "{seconds} s: {ms}");
        let at = record.changed_at.plus(Duration::from_secs(73));
        let Election::Won(probed, probe) = record.elect(&config, &turn(at)) else {
            panic!("{record:?}");
        };
        record = probed.settle(probe, Outcome::Failure, &config, &turn(at)).unwrap();
    }
    let mut times = BTreeSet::new();
    for seed in 0..100 {
        let turn = Turn { seed, ..turn(A_SECOND) };
        let sums = counts(20, 20, 0);
        times.insert(open_ms(&FleetRecord::default().trip(0, sums, &config, &turn).unwrap()));
    }
    assert!(times.len() > 50, "jitter spreads the times: {}", times.len());
}

#[test]
fn half_open_three_leased_permits_three_successes_close_one_failure_opens() {
    let config = Config::default();
    let at = A_SECOND.plus(Duration::from_secs(7));
    let mut record = opened_at(A_SECOND);
    let mut probes = Vec::new();
    while let Election::Won(next, probe) = record.elect(&config, &turn(at)) {
        record = next;
        probes.push(probe);
    }
    assert_eq!(probes.len(), 3);
    let failed = record.settle(probes[0], Outcome::Failure, &config, &turn(at)).unwrap();
    assert!(matches!(failed.phase, Phase::Open { openings: 2, .. }));
    let returned = record.settle(probes[0], Outcome::Ignored, &config, &turn(at)).unwrap();
    assert_eq!(returned.room(&config, at), Room::Probes(1));
    let expired = at.plus(config.probe_lease);
    assert_eq!(record.room(&config, expired), Room::Probes(3), "an expired lease is a free permit");
    assert_eq!(record.settle(probes[0], Outcome::Success, &config, &turn(expired)), None);
    for probe in probes {
        record = record.settle(probe, Outcome::Success, &config, &turn(at)).unwrap();
    }
    assert_eq!(record.phase, Phase::Closed);
}

#[test]
fn late_results_carry_a_generation_and_one_of_an_older_generation_changes_nothing() {
    let config = Config::default();
    let delta = |generation, number| {
        let bucket = Bucket { number, counts: counts(20, 20, 0) };
        Delta { generation, buckets: vec![bucket] }
    };
    let shard = ShardCounts::default().plus(&delta(3, 1_000), &config, A_SECOND).unwrap();
    assert_eq!(shard.plus(&delta(0, 1_000), &config, A_SECOND), None, "a report from before");
    assert_eq!(sum([&shard], 6, &config, A_SECOND), Counts::NONE, "a sum of what is over");
    let fresh = shard.plus(&delta(6, 1_000), &config, A_SECOND).unwrap();
    assert_eq!(fresh.buckets.len(), 1);
    assert_eq!(fresh.buckets[0].counts, counts(20, 20, 0), "windows start anew after a close");

    // Calls of the closed era that fail after the fleet has closed again open nothing.
    let mut fleet = Fleet::of(10, 2);
    fleet.answers(|_| Reply::Held);
    (0..50).for_each(|n| fleet.call(n % 10));
    fleet.settle();
    fleet.answers(|_| Reply::Failed);
    (0..40).for_each(|n| fleet.call(n % 10));
    fleet.pass(10_000);
    fleet.answers(|_| Reply::Ok);
    seconds(&mut fleet, 10, 5);
    let closed = fleet.record();
    assert_eq!((closed.phase.clone(), closed.generation), (Phase::Closed, 3));
    (0..50).for_each(|_| fleet.answer_held(0, Reply::Failed));
    seconds(&mut fleet, 10, 5);
    assert_eq!(fleet.record(), closed);
    assert!((0..10).all(|instance| fleet.view(instance).state == State::Closed));
}

#[test]
fn store_only_transitions_and_sharded_deltas_are_written_none_when_idle() {
    let mut fleet = Fleet::of(4, 3);
    fleet.answers(|_| Reply::Ok);
    fleet.pass(60_000);
    assert_eq!(fleet.store.look(|store| store.writes.len()), 0, "nobody calls");
    for _ in 0..100 {
        (0..4).for_each(|instance| fleet.call(instance));
        fleet.pass(200);
    }
    let (state, deltas) = written(&fleet);
    assert_eq!(state, 0, "no transition");
    assert!(deltas <= 4 * 11, "one of each instance in two seconds of twenty: {deltas}");
    fleet.pass(2_000);
    let before = written(&fleet);
    fleet.pass(600_000);
    assert_eq!(written(&fleet), before, "idle again");
    let idle = fleet.store.look(|store| store.operations);
    fleet.pass(600_000);
    assert_eq!(fleet.store.look(|store| store.operations), idle, "nor is anything read");
}

/// How often the record and the shards were written.
fn written(fleet: &Fleet) -> (u32, u32) {
    fleet.store.look(|store| {
        let of = |is_state| {
            let writes = store.writes.iter().filter(|((key, _), _)| (key == NAME) == is_state);
            writes.map(|(_, count)| count).sum()
        };
        (of(true), of(false))
    })
}

#[test]
fn store_sharded_deltas_are_spread_over_sixteen_keys() {
    let mut in_shard = [0; SHARDS as usize];
    for instance in 0..1_000 {
        let shard = shard_of(&format!("instance-{instance}"), SHARDS);
        in_shard[usize::try_from(shard).unwrap()] += 1;
    }
    assert!(in_shard.iter().all(|count| (30..=100).contains(count)), "{in_shard:?}");
}

#[test]
fn store_conditional_writes_elect_the_probes_when_all_ask_at_the_same_time() {
    for seed in 0..50 {
        let config = Config { election_spread: Duration::ZERO, ..Config::default() };
        let mut fleet = Fleet::with(config, 20, seed);
        fleet.answers(|_| Reply::Failed);
        (0..80).for_each(|n| fleet.call(n % 20));
        fleet.pass(10_000);
        fleet.answers(|_| Reply::Held);
        let before = fleet.reached_count();
        (0..20).for_each(|instance| fleet.call(instance));
        fleet.settle();
        let probes = fleet.reached_count() - before;
        assert!((1..=3).contains(&probes), "seed {seed}: {probes}");
    }
}

#[test]
fn store_no_call_asks_it_while_the_breaker_is_closed_or_open() {
    let mut fleet = Fleet::of(5, 4);
    fleet.answers(|_| Reply::Ok);
    let calls = |fleet: &mut Fleet, count: usize| {
        for n in 0..count {
            fleet.call_now(n % 5);
        }
    };
    calls(&mut fleet, 5);
    let operations = |fleet: &Fleet| fleet.store.look(|store| store.operations);
    let before = operations(&fleet);
    calls(&mut fleet, 1_000);
    assert_eq!(operations(&fleet), before, "closed");
    fleet.pass(12_000);
    fleet.answers(|_| Reply::Failed);
    (0..40).for_each(|n| fleet.call(n % 5));
    fleet.pass(3_000);
    assert!(matches!(fleet.record().phase, Phase::Open { .. }));
    let before = operations(&fleet);
    calls(&mut fleet, 1_000);
    assert_eq!(operations(&fleet), before, "open");
}

#[test]
fn states_forced_open_disabled_and_shadow_reach_the_whole_fleet_within_a_second() {
    let mut fleet = Fleet::of(5, 5);
    fleet.answers(|_| Reply::Ok);
    seconds(&mut fleet, 5, 2);
    fleet.switch(0, Mode::ForcedOpen);
    (0..5).for_each(|instance| fleet.call(instance));
    fleet.pass(1_000);
    for instance in 0..5 {
        assert!(matches!(fleet.call_now(instance), Some(Ended::Rejected(_))));
    }
    fleet.answers(|_| Reply::Failed);
    for mode in [Mode::Disabled, Mode::Shadow] {
        fleet.switch(3, mode);
        fleet.pass(1_000);
        let before = fleet.reached_count();
        (0..20).for_each(|_| seconds(&mut fleet, 5, 1));
        assert_eq!(fleet.reached_count() - before, 100, "every call is made: {mode:?}");
        let judged = fleet.record().phase != Phase::Closed;
        assert_eq!(judged, mode == Mode::Shadow, "only the shadow judges");
    }
    fleet.switch(1, Mode::Judging);
    fleet.pass(1_000);
    let closed = fleet.record();
    assert_eq!((closed.mode, closed.phase), (Mode::Judging, Phase::Closed));
    fleet.answers(|_| Reply::Ok);
    assert_eq!(fleet.call_now(4), Some(Ended::As(Reply::Ok)));
}

#[test]
fn a_shadow_fleet_recovers_by_its_probes_while_every_call_is_made() {
    let mut fleet = Fleet::of(5, 6);
    fleet.switch(0, Mode::Shadow);
    fleet.answers(|_| Reply::Failed);
    seconds(&mut fleet, 5, 6);
    assert!(matches!(fleet.record().phase, Phase::Open { .. }), "{:?}", fleet.record());
    fleet.answers(|_| Reply::Ok);
    seconds(&mut fleet, 5, 20);
    assert_eq!(fleet.record().phase, Phase::Closed);
    assert_eq!(fleet.reached_count(), 5 * 26);
}

#[test]
fn every_transition_commits_with_its_event() {
    let mut fleet = Fleet::of(10, 7);
    fleet.answers(|_| Reply::Failed);
    seconds(&mut fleet, 10, 12);
    fleet.answers(|_| Reply::Ok);
    seconds(&mut fleet, 10, 60);
    fleet.switch(0, Mode::ForcedOpen);
    fleet.pass(1_000);
    let (history, events) = fleet.store.look(|s| (s.history.clone(), s.events.clone()));
    let generations: BTreeSet<u64> = history.iter().map(|record| record.generation).collect();
    assert_eq!(events.len(), generations.len());
    for (event, generation) in events.iter().zip(&generations) {
        let told = match &*event.detail_type {
            "BreakerOpened" => event.fact::<BreakerOpened>().unwrap().unwrap().generation,
            "BreakerHalfOpened" => event.fact::<BreakerHalfOpened>().unwrap().unwrap().generation,
            "BreakerClosed" => event.fact::<BreakerClosed>().unwrap().unwrap().generation,
            "BreakerSwitched" => event.fact::<BreakerSwitched>().unwrap().unwrap().generation,
            other => panic!("{other}"),
        };
        assert_eq!(told, *generation);
    }
    let first = events[0].fact::<BreakerOpened>().unwrap().unwrap();
    assert!(first.seen.unwrap().failures >= 20 && first.breaker == NAME);
    let ids: BTreeSet<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), events.len(), "each has an id of its own");
}

#[test]
fn changes_tell_a_process_of_every_transition_that_it_sees() {
    let mut fleet = Fleet::of(10, 8);
    let mut changes = fleet.breakers(0).changes();
    fleet.answers(|_| Reply::Failed);
    seconds(&mut fleet, 10, 12);
    fleet.answers(|_| Reply::Ok);
    seconds(&mut fleet, 10, 60);
    let mut seen = Vec::new();
    while let Some(Some(change)) = changes.next().now_or_never() {
        seen.push(change);
    }
    assert!(seen.iter().any(|change| matches!(change.state, State::Open { .. })));
    assert_eq!(seen.last().unwrap().state, State::Closed);
    assert!(seen.is_sorted_by_key(|change| change.at));
}

#[test]
fn room_tells_how_many_calls_would_go() {
    let mut fleet = Fleet::of(5, 9);
    fleet.answers(|_| Reply::Failed);
    assert_eq!(fleet.breakers(0).room(NAME), Room::All);
    (0..20).for_each(|n| fleet.call(n % 5));
    fleet.pass(3_000);
    assert!(matches!(fleet.breakers(0).room(NAME), Room::Nobody { .. }));
    fleet.pass(7_000);
    assert_eq!(fleet.breakers(0).room(NAME), Room::Probes(3));
}
