//! How many of the steps that wait for one function may go on now. Pure.
//!
//! Owns: the pace, and how many probe. Does not own: who they are, clocks, breakers.

use super::RESUMED_PER_S;
use crate::breaker::{Mode, State, View};
use contracts::Timestamp;
use std::time::Duration;

/// The time between two steps that go on.
const STEP_EVERY: Duration =
    Duration::from_secs(1).checked_div(RESUMED_PER_S).expect("some steps go on");
/// The most that are behind and go on at once: a fifth of a second's worth, when nobody looked for
/// that long.
const BURST_MAX: u32 = RESUMED_PER_S / 5;
/// For so long a resumed step is expected to come by as a probe. One that has not by then does
/// something else, and another takes its turn: the breaker itself sees to it that no more probe
/// than may.
const PROBE_KEPT: Duration = Duration::from_secs(5);

/// What a function's breaker says to those who wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Calls are made.
    Closed,
    /// So many probes may be made.
    HalfOpen {
        /// How many, in flight or not.
        probes: u32,
    },
    /// No call is made.
    Open,
}

impl Gate {
    /// What the breaker of a function says at `now`; one that nobody has called says yes.
    ///
    /// A breaker becomes half-open when somebody calls after its time is up. While all who would
    /// call wait here, nobody does: so an open one whose time is up counts as half-open.
    #[must_use]
    pub fn seen(views: &[View], function: &str, probes_max: u32, now: Timestamp) -> Self {
        let Some(view) = views.iter().find(|view| view.name == function) else {
            return Self::Closed;
        };
        match (view.mode, view.state) {
            (Mode::ForcedOpen, _) => Self::Open,
            (Mode::Shadow | Mode::Disabled, _) | (Mode::Judging, State::Closed) => Self::Closed,
            (Mode::Judging, State::Open { until }) if until > now => Self::Open,
            (Mode::Judging, State::Open { .. } | State::HalfOpen { .. }) => {
                Self::HalfOpen { probes: probes_max }
            }
        }
    }
}

/// The way back for the steps that wait for one function.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// When each of those went on that are expected to probe.
    probes: Vec<Timestamp>,
    /// When the next may go on, by the pace.
    free_at: Timestamp,
}

impl Lane {
    /// How many may go on now.
    pub(super) fn room(&mut self, gate: Gate, now: Timestamp) -> usize {
        let room = match gate {
            Gate::Open => {
                self.probes.clear();
                0
            }
            Gate::HalfOpen { probes } => {
                self.probes.retain(|went| now.since(*went) < PROBE_KEPT);
                probes.saturating_sub(u32::try_from(self.probes.len()).unwrap_or(u32::MAX))
            }
            Gate::Closed => {
                self.probes.clear();
                self.paced(now)
            }
        };
        usize::try_from(room).unwrap_or(0)
    }

    /// How many the pace allows.
    fn paced(&self, now: Timestamp) -> u32 {
        if now < self.free_at {
            return 0;
        }
        let behind = now.since(self.free_at).as_nanos() / STEP_EVERY.as_nanos();
        u32::try_from(behind).unwrap_or(BURST_MAX).saturating_add(1).min(BURST_MAX)
    }

    /// Takes note that `count` went on.
    pub(super) fn went(&mut self, gate: Gate, count: usize, now: Timestamp) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match gate {
            Gate::Open => {}
            Gate::HalfOpen { .. } => self.probes.extend((0..count).map(|_| now)),
            Gate::Closed => {
                // What was not used of the past is not saved up.
                let burst = STEP_EVERY.saturating_mul(BURST_MAX - 1);
                let since = self.free_at.max(now.minus(burst));
                self.free_at = since.plus(STEP_EVERY.saturating_mul(count));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::fleet::FleetRecord;

    const HALF: Gate = Gate::HalfOpen { probes: 3 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    /// Lets as many go on as may, and answers how many.
    fn go(lane: &mut Lane, gate: Gate, now: Timestamp) -> usize {
        let count = lane.room(gate, now);
        lane.went(gate, count, now);
        count
    }

    #[test]
    fn a_breaker_is_seen_as_those_who_wait_must_see_it() {
        let seen = |mode, state| {
            let view = View {
                name: "f".into(),
                mode,
                state,
                local: state,
                fleet: FleetRecord::default(),
                is_alone: false,
            };
            Gate::seen(&[view], "f", 3, at(0))
        };
        let open = |ms| State::Open { until: at(ms) };
        assert_eq!(Gate::seen(&[], "f", 3, at(0)), Gate::Closed);
        assert_eq!(seen(Mode::Judging, State::Closed), Gate::Closed);
        assert_eq!(seen(Mode::Judging, open(1)), Gate::Open);
        assert_eq!(seen(Mode::Judging, open(0)), HALF);
        assert_eq!(seen(Mode::Judging, State::HalfOpen { successes: 1 }), HALF);
        assert_eq!(seen(Mode::ForcedOpen, State::Closed), Gate::Open);
        assert_eq!(seen(Mode::Disabled, State::Closed), Gate::Closed);
        assert_eq!(seen(Mode::Shadow, open(1)), Gate::Closed);
    }

    #[test]
    fn nobody_goes_on_while_the_breaker_is_open() {
        let mut lane = Lane::default();
        assert_eq!((0..100).map(|s| go(&mut lane, Gate::Open, at(s * 1_000))).sum::<usize>(), 0);
    }

    #[test]
    fn as_many_go_on_as_may_probe_and_no_more_until_they_are_back() {
        let mut lane = Lane::default();
        assert_eq!(go(&mut lane, HALF, at(0)), 3);
        assert_eq!(go(&mut lane, HALF, at(4_999)), 0);
        assert_eq!(go(&mut lane, Gate::Open, at(5_000)), 0);
        assert_eq!(go(&mut lane, HALF, at(5_001)), 3);
    }

    #[test]
    fn a_probe_that_does_not_come_by_gives_its_turn_to_another() {
        let mut lane = Lane::default();
        assert_eq!(go(&mut lane, HALF, at(0)), 3);
        assert_eq!(go(&mut lane, HALF, at(5_000)), 3);
    }

    #[test]
    fn fewer_probes_that_are_needed_are_fewer_that_go_on() {
        let mut lane = Lane::default();
        assert_eq!(go(&mut lane, Gate::HalfOpen { probes: 1 }, at(0)), 1);
        assert_eq!(go(&mut lane, Gate::HalfOpen { probes: 0 }, at(9_000)), 0);
    }

    #[test]
    fn all_go_on_at_an_even_pace_when_the_breaker_closes() {
        let mut lane = Lane::default();
        let every_50_ms: Vec<_> =
            (0..100).map(|n| go(&mut lane, Gate::Closed, at(n * 50))).collect();
        let first_second: usize = every_50_ms[..20].iter().sum();
        assert!((250..=300).contains(&first_second), "{every_50_ms:?}");
        assert!(every_50_ms[1..].iter().all(|count| (12..=13).contains(count)), "{every_50_ms:?}");
    }

    #[test]
    fn a_pause_is_not_made_good_by_a_flood() {
        let mut lane = Lane::default();
        go(&mut lane, Gate::Closed, at(0));
        assert_eq!(go(&mut lane, Gate::Closed, at(3_600_000)), 50);
        assert_eq!(go(&mut lane, Gate::Closed, at(3_600_001)), 0);
    }
}
