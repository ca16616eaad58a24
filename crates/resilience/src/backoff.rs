//! The one place of delays: how long to wait before another try, and when to stop trying.
//!
//! Owns: exponential rows, jitter, and the budget and deadline of the retries of one call.
//! Does not own: time and entropy (a [`Clock`] and a seed come in), and which errors may be tried
//! again ([`ports::Kind::is_retryable`] says so).
//!
//! The row and the random draw are backon's. Its own jitter adds up to one whole delay on top of
//! the delay; full jitter, a draw between nothing and the delay, is what it adds.

use backon::{BackoffBuilder, ExponentialBuilder};
use contracts::Timestamp;
use ports::{Clock, Kind, Result};
use std::time::Duration;

/// No delay is longer than a day, whatever a configuration says: longer ones are timers, and they
/// belong into a journal. It also keeps every product of a delay far from overflowing.
pub const DELAY_MAX: Duration = Duration::from_hours(24);

/// After so many doublings a row stands still: by then a millisecond has become 49 days.
const DOUBLINGS_MAX: u32 = 32;

/// A row of delays that double: `first`, 2 × `first`, 4 × `first`, …, `cap`, `cap`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exponential {
    /// The delay before the first retry.
    pub first: Duration,
    /// The longest delay, at most [`DELAY_MAX`].
    pub cap: Duration,
}

impl Exponential {
    /// The `n`th delay of the row, from zero, without jitter.
    #[must_use]
    pub fn nth(&self, n: u32) -> Duration {
        let cap = self.cap.min(DELAY_MAX);
        let steps = usize::try_from(n.min(DOUBLINGS_MAX)).unwrap_or(0);
        ExponentialBuilder::new()
            .with_min_delay(self.first.min(cap))
            .with_max_delay(cap)
            .without_max_times()
            .build()
            .nth(steps)
            .unwrap_or(cap)
    }
}

/// Full jitter: somewhere between nothing and `delay`, the same for the same seed.
#[must_use]
pub fn full_jitter(delay: Duration, seed: u64) -> Duration {
    let delay = delay.min(DELAY_MAX);
    let sum = ExponentialBuilder::new()
        .with_min_delay(delay)
        .without_max_delay()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
        .next();
    // The sum is made in 32-bit floats, whose rounding may reach beyond the range.
    sum.map_or(delay, |sum| sum.saturating_sub(delay).min(delay))
}

/// Somewhere within `percent` below and above `delay`, the same for the same seed.
#[must_use]
pub fn around(delay: Duration, percent: u8, seed: u64) -> Duration {
    let delay = delay.min(DELAY_MAX);
    let percent = u32::from(percent.min(100));
    let least = delay * (100 - percent) / 100;
    least + full_jitter(delay * percent / 50, seed)
}

/// How often and for how long a call may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The delays, before jitter.
    pub row: Exponential,
    /// At most this many retries after the first try.
    pub retries_max: u32,
    /// All waits of one call together are at most this long.
    pub waits_max: Duration,
}

/// The retries of one call.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: Policy,
    deadline: Option<Timestamp>,
    seed: u64,
    retries: u32,
    waited: Duration,
}

impl Backoff {
    /// Starts the retries of a call that must end before `deadline`.
    #[must_use]
    pub const fn new(policy: Policy, seed: u64, deadline: Option<Timestamp>) -> Self {
        Self { policy, deadline, seed, retries: 0, waited: Duration::ZERO }
    }

    /// How long to wait before the next try; `None` means that `error` is the answer.
    ///
    /// Never shorter than the other side asked for. A wait that would end at or after the deadline
    /// is not begun.
    pub fn after(&mut self, error: &ports::Error, now: Timestamp) -> Option<Duration> {
        self.after_failure(error.kind(), error.wait(), now)
    }

    /// The same for a failure of this kind, after which the other side asked for such a wait.
    pub fn after_failure(
        &mut self,
        kind: Kind,
        retry_after: Option<Duration>,
        now: Timestamp,
    ) -> Option<Duration> {
        if !kind.is_retryable() || self.retries >= self.policy.retries_max {
            return None;
        }
        let seed = self.seed.wrapping_add(u64::from(self.retries));
        let drawn = full_jitter(self.policy.row.nth(self.retries), seed);
        let wait = drawn.max(retry_after.unwrap_or_default());
        let waited = self.waited.checked_add(wait)?;
        let late = self.deadline.is_some_and(|end| now.plus(wait) >= end);
        if waited > self.policy.waits_max || late {
            return None;
        }
        self.retries += 1;
        self.waited = waited;
        Some(wait)
    }
}

/// Makes a call, and makes it again as long as `backoff` allows.
///
/// `call` must be safe to make twice.
///
/// # Errors
/// The last try's.
pub async fn retry<T, F>(
    clock: &dyn Clock,
    mut backoff: Backoff,
    mut call: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => match backoff.after(&error, clock.now()) {
                Some(wait) => clock.sleep(wait).await,
                None => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_clock::HandClock;
    use futures::executor::block_on;
    use ports::{Error, Kind};
    use proptest::prelude::*;
    use std::cell::Cell;

    const POLICY: Policy = Policy {
        row: Exponential { first: Duration::from_millis(100), cap: Duration::from_secs(2) },
        retries_max: 5,
        waits_max: Duration::from_secs(10),
    };

    fn unavailable() -> Error {
        Error::new(Kind::Unavailable, "reach the other side")
    }

    #[test]
    fn delays_double_until_they_reach_their_cap() {
        let row = Exponential { first: Duration::from_secs(5), cap: Duration::from_secs(60) };
        let seconds: Vec<u64> = (0..6).map(|n| row.nth(n).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 60, 60]);
        assert_eq!(row.nth(u32::MAX).as_secs(), 60);
    }

    #[test]
    fn only_kinds_that_another_try_may_help_are_tried_again() {
        let retried = |kind| {
            Backoff::new(POLICY, 1, None)
                .after(&Error::new(kind, "ask"), Timestamp::EPOCH)
                .is_some()
        };
        for kind in [Kind::Conflict, Kind::Throttled, Kind::Timeout, Kind::Unavailable] {
            assert!(retried(kind), "{kind:?}");
        }
        for kind in [Kind::NotFound, Kind::Denied, Kind::Invalid, Kind::Corrupt] {
            assert!(!retried(kind), "{kind:?}");
        }
    }

    #[test]
    fn the_other_sides_wish_is_the_shortest_wait() {
        let error = unavailable().retry_after(Duration::from_secs(3));
        let wait = Backoff::new(POLICY, 1, None).after(&error, Timestamp::EPOCH);
        assert_eq!(wait, Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_wish_beyond_the_budget_ends_the_retries() {
        for wish in [Duration::from_secs(11), Duration::MAX] {
            let error = unavailable().retry_after(wish);
            assert_eq!(Backoff::new(POLICY, 1, None).after(&error, Timestamp::EPOCH), None);
        }
    }

    #[test]
    fn a_wait_that_would_end_at_the_deadline_is_not_begun() {
        let deadline = Timestamp::from_millis(3_000);
        let error = unavailable().retry_after(Duration::from_secs(3));
        let mut backoff = Backoff::new(POLICY, 1, Some(deadline));
        assert_eq!(backoff.after(&error, Timestamp::EPOCH), None);
        let error = unavailable().retry_after(Duration::from_millis(2_999));
        assert!(backoff.after(&error, Timestamp::EPOCH).is_some());
    }

    #[test]
    fn a_call_that_never_works_is_made_six_times_and_its_last_error_comes_out() {
        let calls = Cell::new(0);
        let clock = HandClock::running();
        let answer: Result<()> = block_on(retry(&*clock, Backoff::new(POLICY, 7, None), || {
            calls.set(calls.get() + 1);
            let error = Error::new(Kind::Unavailable, format!("make call {}", calls.get()));
            std::future::ready(Err(error))
        }));
        assert_eq!(answer.unwrap_err().to_string(), "make call 6");
    }

    #[test]
    fn a_call_that_works_the_second_time_is_made_twice() {
        let calls = Cell::new(0);
        let clock = HandClock::running();
        let answer = block_on(retry(&*clock, Backoff::new(POLICY, 7, None), || {
            calls.set(calls.get() + 1);
            let done = if calls.get() == 2 { Ok(calls.get()) } else { Err(unavailable()) };
            std::future::ready(done)
        }));
        assert_eq!(answer.unwrap(), 2);
    }

    #[test]
    fn full_jitter_uses_its_whole_range() {
        let delay = Duration::from_secs(1);
        let drawn: Vec<u128> = (0..1_000).map(|s| full_jitter(delay, s).as_millis()).collect();
        let mean = drawn.iter().sum::<u128>() / 1_000;
        assert!((450..=550).contains(&mean), "{mean}");
        assert!(drawn.iter().any(|ms| *ms < 50) && drawn.iter().any(|ms| *ms > 950));
    }

    proptest! {
        #[test]
        fn the_same_seed_draws_the_same_delays(seed: u64) {
            let delays = |seed| {
                let mut backoff = Backoff::new(POLICY, seed, None);
                std::iter::from_fn(move || backoff.after(&unavailable(), Timestamp::EPOCH))
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(delays(seed), delays(seed));
        }

        #[test]
        fn no_delay_leaves_its_range(ms: u64, seed: u64, percent: u8, n: u32) {
            let delay = Duration::from_millis(ms);
            let bounded = delay.min(DELAY_MAX);
            prop_assert!(full_jitter(delay, seed) <= bounded);
            let share = u32::from(percent.min(100));
            let drawn = around(delay, percent, seed);
            prop_assert!(drawn >= bounded * (100 - share) / 100);
            prop_assert!(drawn <= bounded * (100 + share) / 100 + Duration::from_nanos(2));
            let row = Exponential { first: delay, cap: delay };
            prop_assert!(row.nth(n) <= bounded);
        }

        #[test]
        fn all_waits_together_stay_within_the_budget(
            seed: u64,
            wishes in prop::collection::vec(0u64..20_000, 1..20),
        ) {
            let mut backoff = Backoff::new(POLICY, seed, None);
            let waited: Duration = wishes
                .into_iter()
                .map(|ms| unavailable().retry_after(Duration::from_millis(ms)))
                .filter_map(|error| backoff.after(&error, Timestamp::EPOCH))
                .sum();
            prop_assert!(waited <= POLICY.waits_max);
        }
    }
}
