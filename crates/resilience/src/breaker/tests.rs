//! The rows of the circuit breaker's table that are local, and the laws of its judgement.

use super::{Admission, Breaker, Config, Mode, Outcome, Permit, State};
use contracts::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

use Outcome::{Failure, Ignored, Success};

/// A breaker on a time line of milliseconds.
struct Bench {
    breaker: Breaker,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::new(Config::default(), 7), now: Timestamp::EPOCH }
    }

    /// One whose breaker has just opened for the first time.
    fn opened() -> Self {
        let mut bench = Self::new();
        bench.calls(&[Failure; 5]);
        assert!(bench.is_open());
        bench
    }

    /// One whose breaker is ready to be probed.
    fn half_opened() -> Self {
        let mut bench = Self::opened();
        bench.pass(6_000);
        bench
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
    }

    fn begin(&mut self) -> Permit {
        match self.breaker.judge(self.now) {
            Admission::Go(permit) => permit,
            Admission::Wait { retry_after } => panic!("not let through for {retry_after:?}"),
        }
    }

    fn end(&mut self, permit: Permit, outcome: Outcome) {
        self.breaker.settle(permit, outcome, self.now);
    }

    /// How long the breaker wants the next call to wait.
    fn wait_ms(&mut self) -> u128 {
        match self.breaker.judge(self.now) {
            Admission::Go(_) => panic!("let through"),
            Admission::Wait { retry_after } => retry_after.as_millis(),
        }
    }

    fn calls(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let permit = self.begin();
            self.end(permit, *outcome);
        }
    }

    fn slow_call(&mut self, ms: u64) {
        let permit = self.begin();
        self.pass(ms);
        self.end(permit, Success);
    }

    fn is_open(&self) -> bool {
        matches!(self.breaker.state(), State::Open { .. })
    }

    /// How long a breaker that has just opened stays open.
    fn open_ms(&self) -> u128 {
        let State::Open { until } = self.breaker.state() else {
            panic!("{:?}", self.breaker.state());
        };
        until.since(self.now).as_millis()
    }
}

fn opens_after(outcomes: &[Outcome]) -> bool {
    let mut bench = Bench::new();
    bench.calls(outcomes);
    bench.is_open()
}

#[test]
fn four_calls_say_nothing_and_the_fifth_trips() {
    assert!(!opens_after(&[Failure; 4]));
    assert!(opens_after(&[Failure; 5]));
    assert!(opens_after(&[Failure, Failure, Failure, Failure, Success]));
}

#[test]
fn half_of_the_calls_failing_opens_and_less_does_not() {
    assert!(opens_after(&[Success, Success, Success, Failure, Failure, Failure]));
    assert!(!opens_after(&[Success, Success, Success, Failure, Failure]));
}

#[test]
fn ignored_errors_are_not_calls() {
    let mut bench = Bench::new();
    bench.calls(&[Ignored; 100]);
    bench.calls(&[Failure; 4]);
    assert!(!bench.is_open());
}

#[test]
fn four_slow_calls_of_five_open_the_breaker() {
    let mut bench = Bench::new();
    let config = Config { bucket: Duration::from_secs(10), ..Config::default() };
    bench.breaker = Breaker::new(config, 7);
    (0..4).for_each(|_| bench.slow_call(5_001));
    assert!(!bench.is_open());
    bench.calls(&[Success]);
    assert!(bench.is_open());
}

#[test]
fn a_call_that_takes_exactly_the_limit_is_not_slow() {
    let mut bench = Bench::new();
    let config = Config { bucket: Duration::from_secs(10), ..Config::default() };
    bench.breaker = Breaker::new(config, 7);
    (0..10).for_each(|_| bench.slow_call(5_000));
    assert!(!bench.is_open());
}

#[test]
fn failures_older_than_ten_seconds_are_forgotten() {
    let mut bench = Bench::new();
    bench.calls(&[Failure; 4]);
    bench.pass(9_999);
    bench.calls(&[Failure]);
    assert!(bench.is_open());

    let mut bench = Bench::new();
    bench.calls(&[Failure; 4]);
    bench.pass(10_000);
    bench.calls(&[Failure]);
    assert!(!bench.is_open());
}

#[test]
fn the_open_time_doubles_up_to_a_minute_and_is_spread_by_a_fifth() {
    let mut bench = Bench::opened();
    for seconds in [5, 10, 20, 40, 60, 60] {
        let open_ms = bench.open_ms();
        assert!((seconds * 800..=seconds * 1_200).contains(&open_ms), "{seconds} s: {open_ms}");
        bench.pass(72_001);
        bench.calls(&[Failure]);
    }
}

#[test]
fn closing_starts_the_open_time_anew() {
    let mut bench = Bench::half_opened();
    bench.calls(&[Failure]);
    bench.pass(12_001);
    bench.calls(&[Success, Success, Success]);
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.calls(&[Failure; 5]);
    assert!((4_000..=6_000).contains(&bench.open_ms()));
}

#[test]
fn an_open_breaker_lets_nothing_through_until_its_time_is_up() {
    let mut bench = Bench::opened();
    let open_ms = u64::try_from(bench.open_ms()).unwrap();
    assert_eq!(bench.wait_ms(), u128::from(open_ms));
    bench.pass(open_ms - 1);
    assert_eq!(bench.wait_ms(), 1);
    bench.pass(1);
    let _probe = bench.begin();
}

#[test]
fn breakers_with_other_seeds_open_for_other_times() {
    let open_ms = |seed| {
        let mut bench = Bench::new();
        bench.breaker = Breaker::new(Config::default(), seed);
        bench.calls(&[Failure; 5]);
        bench.open_ms()
    };
    assert_eq!(open_ms(1), open_ms(1));
    assert_ne!(open_ms(1), open_ms(2));
}

#[test]
fn three_probes_go_and_the_fourth_call_comes_back_soon() {
    let mut bench = Bench::half_opened();
    let _probes = [bench.begin(), bench.begin(), bench.begin()];
    assert_eq!(bench.wait_ms(), 500);
    bench.pass(29_900);
    assert_eq!(bench.wait_ms(), 100);
}

#[test]
fn three_successful_probes_close() {
    let mut bench = Bench::half_opened();
    bench.calls(&[Success, Success]);
    assert_eq!(bench.breaker.state(), State::HalfOpen { successes: 2 });
    bench.calls(&[Success]);
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn no_more_probes_go_than_are_needed_to_close() {
    let mut bench = Bench::half_opened();
    bench.calls(&[Success, Success]);
    let _last = bench.begin();
    assert!(bench.wait_ms() > 0);
}

#[test]
fn one_failed_or_slow_probe_opens() {
    let mut bench = Bench::half_opened();
    bench.calls(&[Success, Success, Failure]);
    assert!(bench.is_open());

    let mut bench = Bench::half_opened();
    bench.slow_call(5_001);
    assert!(bench.is_open());
}

#[test]
fn an_ignored_error_gives_its_permit_back_at_once() {
    let mut bench = Bench::half_opened();
    let _two = [bench.begin(), bench.begin()];
    bench.calls(&[Ignored; 10]);
    let _third = bench.begin();
}

#[test]
fn an_expired_lease_gives_its_permit_back_and_its_late_result_changes_nothing() {
    let mut bench = Bench::half_opened();
    let lost = [bench.begin(), bench.begin(), bench.begin()];
    bench.pass(30_000);
    let taken_over = bench.begin();
    for late in lost {
        bench.end(late, Failure);
    }
    assert_eq!(bench.breaker.state(), State::HalfOpen { successes: 0 });
    bench.end(taken_over, Success);
    assert_eq!(bench.breaker.state(), State::HalfOpen { successes: 1 });
}

#[test]
fn a_success_from_before_the_breaker_opened_does_not_close_it() {
    let mut bench = Bench::new();
    let early: Vec<Permit> = (0..3).map(|_| bench.begin()).collect();
    bench.calls(&[Failure; 5]);
    bench.pass(6_000);
    let _probe = bench.begin();
    for late in early {
        bench.end(late, Success);
    }
    assert_eq!(bench.breaker.state(), State::HalfOpen { successes: 0 });
}

#[test]
fn a_failure_from_before_the_breaker_opened_does_not_end_its_probing() {
    let mut bench = Bench::new();
    let early = bench.begin();
    bench.calls(&[Failure; 5]);
    bench.pass(6_000);
    bench.calls(&[Success]);
    bench.end(early, Failure);
    assert_eq!(bench.breaker.state(), State::HalfOpen { successes: 1 });
}

#[test]
fn failures_from_before_an_outage_are_not_counted_after_it() {
    let mut bench = Bench::new();
    let early: Vec<Permit> = (0..50).map(|_| bench.begin()).collect();
    bench.calls(&[Failure; 5]);
    bench.pass(6_000);
    bench.calls(&[Success; 3]);
    for late in early {
        bench.end(late, Failure);
    }
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn a_success_after_its_lease_does_not_count_even_if_nobody_took_the_permit() {
    let mut bench = Bench::half_opened();
    let late = bench.begin();
    bench.pass(30_000);
    bench.end(late, Success);
    assert_eq!(bench.breaker.state(), State::HalfOpen { successes: 0 });
}

#[test]
fn a_slow_probe_that_another_ones_failure_overtook_does_not_close() {
    let mut bench = Bench::half_opened();
    let slow = bench.begin();
    bench.calls(&[Failure]);
    let before = bench.breaker.state();
    bench.end(slow, Success);
    assert_eq!(bench.breaker.state(), before);
}

#[test]
fn a_forced_open_breaker_lets_nothing_through_for_ever() {
    let mut bench = Bench::new();
    bench.breaker.switch(Mode::ForcedOpen);
    for _ in 0..100 {
        assert_eq!(bench.wait_ms(), 5_000);
        bench.pass(60_000);
    }
}

#[test]
fn a_disabled_breaker_lets_everything_through_and_counts_nothing() {
    let mut bench = Bench::opened();
    bench.breaker.switch(Mode::Disabled);
    bench.calls(&[Failure; 100]);
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn a_shadow_breaker_lets_everything_through_and_shows_what_it_would_do() {
    let mut bench = Bench::new();
    bench.breaker.switch(Mode::Shadow);
    bench.calls(&[Failure; 100]);
    assert!(bench.is_open());
    bench.pass(6_000);
    bench.calls(&[Success; 3]);
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn switching_forgets_what_was_in_flight_and_switching_again_changes_nothing() {
    let mut bench = Bench::half_opened();
    let probe = bench.begin();
    bench.breaker.switch(Mode::Disabled);
    bench.breaker.switch(Mode::Judging);
    let generation = bench.breaker.generation();
    bench.breaker.switch(Mode::Judging);
    bench.end(probe, Failure);
    assert_eq!(bench.breaker.generation(), generation);
    assert_eq!(bench.breaker.state(), State::Closed);
}

/// Something that happens to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    End(prop::sample::Index, Outcome),
    Lose(prop::sample::Index),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![Just(Success), Just(Failure), Just(Failure), Just(Ignored)];
    prop_oneof![
        4 => Just(Step::Begin),
        4 => (any::<prop::sample::Index>(), outcome).prop_map(|(i, o)| Step::End(i, o)),
        1 => any::<prop::sample::Index>().prop_map(Step::Lose),
        2 => (0u64..8_000).prop_map(Step::Pass),
    ]
}

/// Plays the steps; `look` sees the permits in flight after each. Answers those at the end too.
fn play(steps: &[Step], mut look: impl FnMut(&Bench, &[Permit])) -> (Bench, Vec<Permit>) {
    let mut bench = Bench::new();
    let mut flying: Vec<Permit> = Vec::new();
    for step in steps {
        match *step {
            Step::Begin => {
                if let Admission::Go(permit) = bench.breaker.judge(bench.now) {
                    flying.push(permit);
                }
            }
            Step::End(index, outcome) if !flying.is_empty() => {
                let permit = flying.swap_remove(index.index(flying.len()));
                bench.end(permit, outcome);
            }
            Step::Lose(index) if !flying.is_empty() => {
                drop(flying.swap_remove(index.index(flying.len())));
            }
            Step::End(..) | Step::Lose(_) => {}
            Step::Pass(ms) => bench.pass(ms),
        }
        look(&bench, &flying);
    }
    (bench, flying)
}

proptest! {
    #[test]
    fn never_more_than_three_leased_probes_are_in_flight(
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut most = 0;
        play(&steps, |bench, flying| {
            let leased = flying.iter().filter(|permit| {
                permit.is_probe_of(&bench.breaker)
                    && bench.now.since(permit.began()) < Config::default().probe_lease
            });
            most = most.max(leased.count());
        });
        prop_assert!(most <= 3, "{most}");
    }

    #[test]
    fn permits_of_an_older_generation_change_nothing(
        steps in prop::collection::vec(step(), 0..300),
        outcome in prop_oneof![Just(Success), Just(Failure), Just(Ignored)],
    ) {
        let (mut bench, flying) = play(&steps, |_, _| {});
        // Through open and half-open to closed again, where late results would be counted.
        bench.breaker.switch(Mode::Shadow);
        bench.calls(&[Failure; 5]);
        bench.pass(6_000);
        bench.calls(&[Success; 3]);
        let before = format!("{:?}", bench.breaker);
        let stale = flying.into_iter().filter(|p| p.generation() < bench.breaker.generation());
        for permit in stale.collect::<Vec<_>>() {
            bench.end(permit, outcome);
        }
        prop_assert_eq!(before, format!("{:?}", bench.breaker));
    }

    #[test]
    fn after_the_last_fault_it_always_recovers(
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let (mut bench, _) = play(&steps, |_, _| {});
        // The longest open time, or the longest lease.
        bench.pass(72_001);
        bench.calls(&[Success; 3]);
        bench.pass(10_000);
        bench.calls(&[Success; 5]);
        prop_assert_eq!(bench.breaker.state(), State::Closed);
    }

    #[test]
    fn the_same_calls_are_judged_the_same(steps in prop::collection::vec(step(), 0..200)) {
        let once = play(&steps, |_, _| {});
        let again = play(&steps, |_, _| {});
        prop_assert_eq!(format!("{:?}", once.0.breaker), format!("{:?}", again.0.breaker));
    }
}
