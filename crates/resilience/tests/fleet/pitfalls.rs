//! The bugs that released breakers of fleets were found to have, one test each.

use crate::sim::{Ended, Fleet, Reply};
use resilience::breaker::State;
use resilience::breaker::fleet::Phase;

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

#[test]
fn per_instance_counters_a_thousand_times_four_failures_open_within_three_seconds() {
    for instances in [5, 10, 100, 1_000] {
        let fleet = opened(instances, 1);
        for instance in 0..instances {
            assert!(matches!(fleet.view(instance).state, State::Open { .. }), "{instances}");
        }
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
    assert!(matches!(fleet.record().phase, Phase::HalfOpen { .. }));
    let rejected = fleet.call_now(7);
    assert!(matches!(rejected, Some(Ended::Rejected(_))), "{rejected:?}");
}
