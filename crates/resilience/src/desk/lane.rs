//! How many of the steps that wait for one function may go on now. Pure.
//!
//! Owns: the pace, and how many probe. Does not own: who they are, clocks, breakers.

use super::RESUMED_PER_S;
use crate::breaker::Room;
use contracts::Timestamp;
use std::time::Duration;

/// The time between two steps that go on.
const STEP_EVERY: Duration =
    Duration::from_secs(1).checked_div(RESUMED_PER_S).expect("some steps go on");
/// The most that are behind and go on at once: a fifth of a second's worth, when nobody looked for
/// that long.
const BURST_MAX: u32 = RESUMED_PER_S / 5;
/// For so long a resumed step may be on its way to its breaker, which does not know of it yet. One
/// that has not come by then does something else, and another takes its turn: the breaker itself
/// sees to it that no more probe than may.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// The way back for the steps that wait for one function.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// When each of those went on that are on their way to probe.
    probes: Vec<Timestamp>,
    /// When the next may go on, by the pace.
    free_at: Timestamp,
}

impl Lane {
    /// How many may go on now.
    pub(super) fn room(&mut self, door: Room, now: Timestamp) -> usize {
        let room = match door {
            Room::Nobody { .. } => {
                self.probes.clear();
                0
            }
            Room::Probes(probes) => {
                self.probes.retain(|went| now.since(*went) < ON_ITS_WAY);
                probes.saturating_sub(u32::try_from(self.probes.len()).unwrap_or(u32::MAX))
            }
            Room::All => {
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
    pub(super) fn went(&mut self, door: Room, count: usize, now: Timestamp) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match door {
            Room::Nobody { .. } => {}
            Room::Probes(_) => self.probes.extend((0..count).map(|_| now)),
            Room::All => {
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

    const THREE: Room = Room::Probes(3);
    const NOBODY: Room = Room::Nobody { retry_after: Duration::ZERO };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    /// Lets as many go on as may, and answers how many.
    fn go(lane: &mut Lane, door: Room, now: Timestamp) -> usize {
        let count = lane.room(door, now);
        lane.went(door, count, now);
        count
    }

    #[test]
    fn nobody_goes_on_while_the_breaker_is_open() {
        let mut lane = Lane::default();
        assert_eq!((0..100).map(|s| go(&mut lane, NOBODY, at(s * 1_000))).sum::<usize>(), 0);
    }

    #[test]
    fn as_many_go_on_as_may_probe_and_no_more_until_they_are_back() {
        let mut lane = Lane::default();
        assert_eq!(go(&mut lane, THREE, at(0)), 3);
        assert_eq!(go(&mut lane, THREE, at(999)), 0);
        assert_eq!(go(&mut lane, NOBODY, at(1_000)), 0);
        assert_eq!(go(&mut lane, THREE, at(1_001)), 3);
    }

    #[test]
    fn a_probe_that_does_not_come_by_gives_its_turn_to_another() {
        let mut lane = Lane::default();
        assert_eq!(go(&mut lane, THREE, at(0)), 3);
        assert_eq!(go(&mut lane, THREE, at(1_000)), 3);
    }

    #[test]
    fn fewer_probes_that_are_needed_are_fewer_that_go_on() {
        let mut lane = Lane::default();
        assert_eq!(go(&mut lane, Room::Probes(1), at(0)), 1);
        assert_eq!(go(&mut lane, Room::Probes(0), at(9_000)), 0);
    }

    #[test]
    fn all_go_on_at_an_even_pace_when_the_breaker_closes() {
        let mut lane = Lane::default();
        let every_50_ms: Vec<_> = (0..100).map(|n| go(&mut lane, Room::All, at(n * 50))).collect();
        let first_second: usize = every_50_ms[..20].iter().sum();
        assert!((250..=300).contains(&first_second), "{every_50_ms:?}");
        assert!(every_50_ms[1..].iter().all(|count| (12..=13).contains(count)), "{every_50_ms:?}");
    }

    #[test]
    fn a_pause_is_not_made_good_by_a_flood() {
        let mut lane = Lane::default();
        go(&mut lane, Room::All, at(0));
        assert_eq!(go(&mut lane, Room::All, at(3_600_000)), 50);
        assert_eq!(go(&mut lane, Room::All, at(3_600_001)), 0);
    }
}
