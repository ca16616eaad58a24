//! The bugs that released breakers of fleets were found to have, one test each.

use crate::sim::{Ended, Fleet, NAME, Reply};
use contracts::Timestamp;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use proptest::prelude::*;
use resilience::breaker::fleet::{Election, FleetRecord, Phase, Probe, Turn};
use resilience::breaker::{Config, Counts, Mode, Outcome, Room, State};
use std::time::Duration;

/// A fleet whose breaker opened a moment ago; the dependency still fails.
fn opened(instances: usize, seed: u64) -> Fleet {
    let mut fleet = Fleet::of(instances, seed);
    fleet.answers(|_| Reply::Failed);
    for _ in 0..4 {
        (0..instances).for_each(|instance| fleet.call(instance));
    }
    fleet.pass(3_000);
    assert!(matches!(fleet.record().phase, Phase::Open { .. }), "{:?}", fleet.record());
    fleet
}

/// One whose breaker may be probed; no instance has to wait for its turn to ask any more.
fn probed(instances: usize, seed: u64) -> Fleet {
    let mut fleet = opened(instances, seed);
    fleet.pass(7_000);
    fleet
}

fn leases(fleet: &Fleet) -> usize {
    match fleet.record().phase {
        Phase::HalfOpen { leases, .. } => leases.len(),
        Phase::Closed | Phase::Open { .. } => 0,
    }
}

fn is_open(state: State) -> bool {
    matches!(state, State::Open { .. })
}

#[test]
fn per_instance_counters_a_thousand_times_four_failures_open_within_three_seconds() {
    for instances in [5, 10, 100, 1_000] {
        let mut fleet = opened(instances, 1);
        let before = fleet.reached_count();
        (0..instances).for_each(|instance| fleet.call(instance));
        fleet.settle();
        assert_eq!(fleet.reached_count(), before, "all of {instances} instances know");
    }
    let mut alone = Fleet::of(1, 1);
    alone.answers(|_| Reply::Failed);
    for _ in 0..20 {
        alone.call_now(0);
    }
    assert_eq!(alone.reached_count(), 5, "one instance needs nobody");
}

#[test]
fn a_stale_probe_that_succeeds_after_a_newer_one_has_failed_does_not_close() {
    let mut fleet = probed(5, 3);
    fleet.answers(|_| Reply::Held);
    (0..3).for_each(|instance| fleet.call(instance));
    fleet.settle();
    assert_eq!(leases(&fleet), 3);
    fleet.pass(31_000);
    fleet.answers(|_| Reply::Failed);
    fleet.call_now(1);
    let failed = fleet.record();
    assert!(matches!(failed.phase, Phase::Open { openings: 2, .. }), "{failed:?}");
    (0..3).for_each(|_| fleet.answer_held(0, Reply::Ok));
    fleet.pass(1_000);
    assert_eq!(fleet.record(), failed);
}

#[test]
fn a_timeout_of_the_closed_era_during_half_open_wipes_no_lease_and_opens_nothing() {
    let mut fleet = Fleet::of(10, 4);
    fleet.answers(|_| Reply::Held);
    fleet.call(0);
    fleet.settle();
    fleet.answers(|_| Reply::Failed);
    for _ in 0..4 {
        (0..10).for_each(|instance| fleet.call(instance));
    }
    fleet.pass(10_000);
    fleet.answers(|_| Reply::Held);
    fleet.call(1);
    fleet.settle();
    let probing = fleet.record();
    assert_eq!(leases(&fleet), 1);
    fleet.answer_held(0, Reply::Failed);
    fleet.pass(5_000);
    assert_eq!(fleet.record(), probing, "the call of the closed era");
    fleet.answer_held(0, Reply::Ok);
    fleet.pass(5_000);
    assert_eq!(fleet.record().state(), State::HalfOpen { successes: 1 }, "the probe");
}

#[test]
fn an_ignored_exception_of_a_probe_gives_its_permit_back_at_once() {
    let mut fleet = probed(10, 5);
    fleet.answers(|_| Reply::Ignored);
    for instance in 0..10 {
        let ended = fleet.call_now(instance);
        assert_eq!(ended, Some(Ended::As(Reply::Ignored)), "instance {instance} may probe");
        assert_eq!(leases(&fleet), 0);
    }
}

#[test]
fn half_open_herd_of_a_thousand_instances_probes_three_times() {
    let mut fleet = opened(1_000, 2);
    fleet.answers(|_| Reply::Held);
    let before = fleet.reached_count();
    for _ in 0..100 {
        (0..1_000).for_each(|instance| fleet.call(instance));
        fleet.pass(100);
    }
    assert_eq!(fleet.reached_count() - before, 3);
    assert_eq!(leases(&fleet), 3);
}

#[test]
fn permits_are_counted_not_the_state_so_later_callers_that_see_half_open_do_not_pass() {
    let mut fleet = probed(50, 6);
    fleet.answers(|_| Reply::Held);
    (0..3).for_each(|instance| fleet.call(instance));
    fleet.settle();
    for instance in 3..50 {
        let ended = fleet.call_now(instance);
        assert!(matches!(ended, Some(Ended::Rejected(_))), "{ended:?}");
        assert_eq!(fleet.view(instance).fleet.state(), State::HalfOpen { successes: 0 });
        let again = fleet.call_now(instance);
        assert!(matches!(again, Some(Ended::Rejected(_))), "{again:?}");
    }
}

#[test]
fn stuck_half_open_when_every_probe_is_lost_recovers_within_a_lease() {
    let mut fleet = probed(20, 7);
    fleet.answers(|_| Reply::Held);
    (0..20).for_each(|instance| fleet.call(instance));
    fleet.settle();
    assert_eq!(leases(&fleet), 3);
    // Every process that probes dies with its probe.
    (0..20).for_each(|instance| fleet.crash(instance));
    fleet.answers(|_| Reply::Ok);
    for _ in 0..32 {
        (0..20).for_each(|instance| fleet.call(instance));
        fleet.pass(1_000);
    }
    assert_eq!(fleet.record().phase, Phase::Closed);
}

#[test]
fn no_lock_spans_a_call_two_hundred_are_made_in_parallel() {
    let mut fleet = Fleet::of(1, 8);
    fleet.answers(|_| Reply::Held);
    (0..200).for_each(|_| fleet.call(0));
    fleet.settle();
    assert_eq!((fleet.reached_count(), fleet.held()), (200, 200));
    assert_eq!(fleet.view(0).state, State::Closed, "it can be looked at meanwhile");
    (0..200).for_each(|_| fleet.answer_held(0, Reply::Ok));
    fleet.settle();
    assert_eq!(fleet.held(), 0);
}

#[test]
fn no_lock_spans_io_two_hundred_calls_go_while_the_store_hangs() {
    let mut fleet = Fleet::of(1, 9);
    fleet.answers(|_| Reply::Ok);
    fleet.store.look(|store| store.is_hanging = true);
    (0..200).for_each(|_| fleet.call(0));
    fleet.pass(4_000);
    assert_eq!(fleet.reached_count(), 200);
    (0..200).for_each(|_| fleet.call(0));
    fleet.settle();
    assert_eq!(fleet.reached_count(), 400);
}

#[test]
fn reloading_keeps_until_and_does_not_restart_the_open_timer() {
    let mut fleet = opened(5, 10);
    let before = fleet.record();
    (0..5).for_each(|instance| fleet.crash(instance));
    fleet.settle();
    for instance in 0..5 {
        assert_eq!(fleet.view(instance).fleet, before, "a new process knows before it calls");
        assert!(matches!(fleet.call_now(instance), Some(Ended::Rejected(_))));
    }
    fleet.answers(|_| Reply::Ok);
    let reached = fleet.reached_count();
    fleet.pass(7_000);
    for _ in 0..3 {
        fleet.call_now(0);
    }
    assert_eq!(fleet.reached_count() - reached, 3, "its time is up when it was");
    assert_eq!(fleet.record().phase, Phase::Closed);
}

#[test]
fn one_bad_node_does_not_poison_the_fleet_and_opens_alone() {
    let mut fleet = Fleet::of(50, 11);
    fleet.answers(|instance| if instance == 7 { Reply::Failed } else { Reply::Ok });
    for _ in 0..100 {
        (0..50).for_each(|instance| fleet.call(instance));
        fleet.pass(100);
    }
    assert_eq!(fleet.record(), FleetRecord::default(), "the fleet never opened");
    for instance in (0..50).filter(|instance| *instance != 7) {
        assert_eq!(fleet.view(instance).state, State::Closed);
    }
    let bad = fleet.view(7);
    assert!(is_open(bad.local) && is_open(bad.state), "{bad:?}");
    let reached = fleet.reached().iter().filter(|call| call.instance == 7).count();
    assert!(reached <= 8, "five calls and its own probes: {reached}");
}

#[test]
fn one_hot_key_sees_at_most_five_hundred_writes_a_second_of_a_thousand_instances() {
    let mut fleet = Fleet::of(1_000, 12);
    fleet.answers(|_| Reply::Ok);
    let calls = |fleet: &mut Fleet, seconds: u64| {
        for _ in 0..seconds * 2 {
            (0..1_000).for_each(|instance| fleet.call(instance));
            fleet.pass(500);
        }
    };
    calls(&mut fleet, 10);
    let counts: u32 = fleet.store.look(|store| store.writes.values().sum());
    assert!(counts <= 1_000 * 6, "one in two seconds of each instance: {counts}");
    // An outage, its probes, and the recovery.
    fleet.answers(|_| Reply::Failed);
    calls(&mut fleet, 20);
    fleet.answers(|_| Reply::Ok);
    calls(&mut fleet, 30);
    assert_eq!(fleet.record().phase, Phase::Closed);
    let most = fleet.store.writes_max();
    assert!(most <= 500, "{most}");
    // Nothing when idle.
    fleet.pass(2_000);
    let written = |fleet: &Fleet| fleet.store.look(|store| store.writes.values().sum::<u32>());
    let before = written(&fleet);
    fleet.pass(60_000);
    assert_eq!(written(&fleet), before);
}

/// Something that happens to a record.
#[derive(Clone, Debug)]
enum Step {
    Trip,
    Elect(usize),
    Settle(prop::sample::Index, Outcome),
    SettleAgain(prop::sample::Index, Outcome),
    Switch(Mode),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<prop::sample::Index>;
    let outcome =
        || prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Ignored)];
    let mode = prop_oneof![
        Just(Mode::Judging),
        Just(Mode::Shadow),
        Just(Mode::ForcedOpen),
        Just(Mode::Disabled)
    ];
    prop_oneof![
        2 => Just(Step::Trip),
        8 => (0usize..4).prop_map(Step::Elect),
        6 => (any(), outcome()).prop_map(|(i, o)| Step::Settle(i, o)),
        2 => (any(), outcome()).prop_map(|(i, o)| Step::SettleAgain(i, o)),
        1 => mode.prop_map(Step::Switch),
        4 => (0u64..12_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn no_counter_goes_below_zero_or_above_what_there_is(
        steps in prop::collection::vec(step(), 0..200),
    ) {
        const FAILED: Counts = Counts { calls: 20, failures: 20, slow: 0 };
        let config = Config::default();
        let mut record = FleetRecord::default();
        let mut at = Timestamp::EPOCH;
        let (mut flying, mut landed): (Vec<Probe>, Vec<Probe>) = (Vec::new(), Vec::new());
        for step in steps {
            let by = |n: usize| ["a", "b", "c", "d"][n];
            let turn = |by| Turn { at, by, seed: 7 };
            let before = record.clone();
            let next = match step {
                Step::Trip => record.trip(record.generation, FAILED, &config, &turn("a")),
                Step::Elect(n) => match record.elect(&config, &turn(by(n))) {
                    Election::Won(next, probe) => {
                        flying.push(probe);
                        Some(next)
                    }
                    Election::Lost { .. } | Election::Needless => None,
                },
                Step::Settle(index, outcome) if !flying.is_empty() => {
                    let probe = flying.swap_remove(index.index(flying.len()));
                    landed.push(probe);
                    record.settle(probe, outcome, &config, &turn("a"))
                }
                Step::SettleAgain(index, outcome) if !landed.is_empty() => {
                    let probe = landed[index.index(landed.len())];
                    let again = record.settle(probe, outcome, &config, &turn("a"));
                    prop_assert_eq!(&again, &None, "a result says something once");
                    again
                }
                Step::Settle(..) | Step::SettleAgain(..) => None,
                Step::Switch(mode) => record.switch(mode, &turn("a")),
                Step::Pass(ms) => {
                    at = at.plus(Duration::from_millis(ms));
                    None
                }
            };
            record = next.unwrap_or(record);
            prop_assert!(record.generation == before.generation
                || record.generation == before.generation + 1);
            if let Phase::HalfOpen { leases, successes, elected, .. } = &record.phase {
                prop_assert!(*successes < 3 && leases.len() <= 3);
                prop_assert!(u64::from(*successes) <= *elected);
                let live = leases.iter().filter(|lease| lease.expires_at > at).count();
                let free = match record.room(&config, at) {
                    Room::Probes(free) => usize::try_from(free).unwrap(),
                    Room::All | Room::Nobody { .. } => 0,
                };
                prop_assert!(live + free <= 3, "{live} out and {free} free");
            }
        }
    }
}

#[test]
fn store_outage_local_goes_on_says_so_once_and_recovers_by_itself() {
    let (log, recorder) = (crate::log::Lines::default(), DebuggingRecorder::new());
    let shown = recorder.snapshotter();
    let in_step = || {
        let metrics = shown.snapshot().into_hashmap();
        let mut gauges = metrics.into_iter().filter_map(|(key, (_, _, value))| match value {
            DebugValue::Gauge(value) if key.key().name() == "ordersaga_breaker_in_step" => {
                Some(value.into_inner() > 0.5)
            }
            DebugValue::Gauge(_) | DebugValue::Counter(_) | DebugValue::Histogram(_) => None,
        });
        gauges.next()
    };
    let work = || {
        let mut fleet = Fleet::of(3, 13);
        fleet.answers(|_| Reply::Ok);
        let seconds = |fleet: &mut Fleet, count: u64| {
            for _ in 0..count {
                (0..3).for_each(|instance| fleet.call(instance));
                fleet.pass(1_000);
            }
        };
        seconds(&mut fleet, 3);
        assert_eq!(in_step(), Some(true));
        fleet.store.look(|store| store.is_down = true);
        seconds(&mut fleet, 10);
        assert_eq!(in_step(), Some(false));
        assert_eq!(fleet.reached_count(), 39, "calls are made without the store");
        fleet.answers(|_| Reply::Failed);
        seconds(&mut fleet, 10);
        assert!((0..3).all(|instance| is_open(fleet.view(instance).local)), "each opens alone");
        assert!((0..3).all(|instance| fleet.view(instance).is_alone));
        assert_eq!(log.count("breakers go on alone"), 3, "one line of each instance");
        fleet.store.look(|store| store.is_down = false);
        fleet.answers(|_| Reply::Ok);
        seconds(&mut fleet, 30);
        assert!((0..3).all(|instance| !fleet.view(instance).is_alone));
        assert!((0..3).all(|instance| fleet.view(instance).state == State::Closed));
        assert_eq!(log.count("breakers are back in step"), 3);
        assert_eq!(in_step(), Some(true));
    };
    let recorded = || metrics::with_local_recorder(&recorder, work);
    tracing::subscriber::with_default(log.clone(), recorded);
}

#[test]
fn store_outage_while_open_hands_over_to_each_instances_own_probes() {
    let mut fleet = opened(5, 14);
    fleet.store.look(|store| store.is_down = true);
    fleet.answers(|_| Reply::Held);
    let before = fleet.reached_count();
    fleet.pass(6_000);
    for _ in 0..10 {
        (0..50).for_each(|n| fleet.call(n % 5));
        fleet.pass(200);
    }
    assert_eq!(fleet.reached_count() - before, 15, "three probes of each instance");
    fleet.answers(|_| Reply::Ok);
    (0..15).for_each(|_| fleet.answer_held(0, Reply::Ok));
    fleet.settle();
    assert_eq!(fleet.call_now(0), Some(Ended::As(Reply::Ok)));
    fleet.store.look(|store| store.is_down = false);
    for _ in 0..10 {
        (0..5).for_each(|instance| fleet.call(instance));
        fleet.pass(1_000);
    }
    assert_eq!(fleet.store.record_now(NAME).phase, Phase::Closed, "the fleet has probed, too");
}

#[test]
fn a_store_that_does_what_it_is_told_and_does_not_say_so_leaves_nobody_stuck() {
    let mut fleet = probed(5, 15);
    fleet.answers(|_| Reply::Ok);
    fleet.store.look(|store| store.is_mute = true);
    for _ in 0..10 {
        (0..5).for_each(|instance| fleet.call(instance));
        fleet.pass(1_000);
    }
    fleet.store.look(|store| store.is_mute = false);
    for _ in 0..40 {
        (0..5).for_each(|instance| fleet.call(instance));
        fleet.pass(1_000);
    }
    assert_eq!(fleet.record().phase, Phase::Closed);
    assert!((0..5).all(|instance| fleet.view(instance).state == State::Closed));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut fleet = probed(40, seed);
        fleet.answers(|instance| [Reply::Ok, Reply::Failed, Reply::Ignored][instance % 3]);
        for _ in 0..60 {
            (0..20).for_each(|_| fleet.call(fleet.any_instance()));
            fleet.pass(500);
        }
        (fleet.store.look(|store| store.history.clone()), fleet.reached(), fleet.polls())
    };
    assert_eq!(run(16), run(16));
    assert_ne!(run(16), run(17));
}
