//! One token bucket, as the time at which it will be full again (GCRA). Pure.

use contracts::Timestamp;
use std::time::Duration;

/// So much in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens come in a window; at least one.
    pub limit: u32,
    /// How long the window is.
    pub window: Duration,
    /// How many tokens a full bucket holds; at least one. Whoever saved up may spend so many at
    /// once.
    pub burst: u32,
}

impl Rate {
    /// So many a second, all of a second's at once if need be.
    #[must_use]
    pub const fn per_second(limit: u32) -> Self {
        Self { limit, window: Duration::from_secs(1), burst: limit }
    }

    /// So many a day, all of a day's at once if need be.
    #[must_use]
    pub const fn per_day(limit: u32) -> Self {
        Self { limit, window: Duration::from_hours(24), burst: limit }
    }

    /// The nanoseconds in which one token comes: rounded up, so that never too many do.
    fn interval(&self) -> i128 {
        let window = self.window.as_nanos().div_ceil(u128::from(self.limit.max(1)));
        i128::try_from(window).unwrap_or(i128::MAX / 2).max(1)
    }

    /// The nanoseconds in which an empty bucket fills.
    fn filling(&self) -> i128 {
        self.interval().saturating_mul(i128::from(self.burst.max(1)))
    }
}

/// A bucket; a new one is full.
///
/// ```
/// use contracts::Timestamp;
/// use resilience::limit::{Bucket, Rate, Verdict};
/// use std::time::Duration;
///
/// let rate = Rate { limit: 10, window: Duration::from_secs(1), burst: 1 };
/// let mut bucket = Bucket::default();
/// let now = Timestamp::EPOCH;
/// assert!(matches!(bucket.take(&rate, now), Verdict::Admitted(_)));
/// assert!(matches!(bucket.take(&rate, now), Verdict::Refused { retry_after, .. }
///     if retry_after == Duration::from_millis(100)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it is full again, in nanoseconds since the epoch; in the past it is full.
    full_at: Option<i128>,
}

/// How a bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many tokens are left.
    pub remaining: u32,
    /// How long until it is full.
    pub full_in: Duration,
}

/// What a bucket says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It had a token; so it stands now.
    Admitted(Standing),
    /// It has none.
    Refused {
        /// In how long there is one.
        retry_after: Duration,
        /// How it stands.
        standing: Standing,
    },
}

impl Bucket {
    /// Takes one token, if there is one.
    pub fn take(&mut self, rate: &Rate, now: Timestamp) -> Verdict {
        let (at, interval) = (nanos(now), rate.interval());
        let full_at = self.full_at.map_or(at, |full_at| full_at.max(at));
        let next = full_at.saturating_add(interval);
        let excess = next.saturating_sub(at).saturating_sub(rate.filling());
        if excess > 0 {
            let standing = standing(rate, full_at, at);
            return Verdict::Refused { retry_after: duration(excess), standing };
        }
        self.full_at = Some(next);
        Verdict::Admitted(standing(rate, next, at))
    }

    /// Puts a token back that was taken for nothing.
    pub fn give_back(&mut self, rate: &Rate) {
        self.full_at = self.full_at.map(|full_at| full_at.saturating_sub(rate.interval()));
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, rate: &Rate, now: Timestamp) -> Standing {
        let at = nanos(now);
        standing(rate, self.full_at.map_or(at, |full_at| full_at.max(at)), at)
    }

    /// Whether it is as good as a new one.
    #[must_use]
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= nanos(now))
    }
}

fn standing(rate: &Rate, full_at: i128, at: i128) -> Standing {
    let missing = full_at.saturating_sub(at);
    let left = rate.filling().saturating_sub(missing) / rate.interval();
    let remaining = u32::try_from(left.max(0)).unwrap_or(u32::MAX);
    Standing { remaining, full_in: duration(missing) }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.as_millis()).saturating_mul(1_000_000)
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Rate = Rate { limit: 10, window: Duration::from_secs(1), burst: 3 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn admitted(bucket: &mut Bucket, rate: &Rate, ms: i64, asked: u32) -> u32 {
        let take = |_: &u32| matches!(bucket.take(rate, at(ms)), Verdict::Admitted(_));
        u32::try_from((0..asked).filter(take).count()).unwrap()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_token_at_a_time() {
        let mut bucket = Bucket::default();
        assert_eq!(admitted(&mut bucket, &TEN, 0, 9), 3);
        assert_eq!(admitted(&mut bucket, &TEN, 99, 9), 0);
        assert_eq!(admitted(&mut bucket, &TEN, 100, 9), 1);
        assert_eq!(admitted(&mut bucket, &TEN, 1_000_000, 9), 3);
    }

    #[test]
    fn a_refusal_says_to_the_millisecond_when_there_is_a_token() {
        let mut bucket = Bucket::default();
        admitted(&mut bucket, &TEN, 0, 3);
        let verdict = bucket.take(&TEN, at(40));
        let Verdict::Refused { retry_after, standing } = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(retry_after, Duration::from_millis(60));
        assert_eq!(standing, Standing { remaining: 0, full_in: Duration::from_millis(260) });
        assert_eq!(admitted(&mut bucket, &TEN, 99, 1), 0);
        assert_eq!(admitted(&mut bucket, &TEN, 100, 1), 1);
    }

    #[test]
    fn what_is_left_is_counted_down() {
        let mut bucket = Bucket::default();
        let left = [2, 1, 0].map(|remaining| {
            let full_in = Duration::from_millis(u64::from(3 - remaining) * 100);
            Verdict::Admitted(Standing { remaining, full_in })
        });
        assert_eq!([(); 3].map(|()| bucket.take(&TEN, at(0))), left);
    }

    #[test]
    fn a_token_that_is_given_back_can_be_taken_again() {
        let mut bucket = Bucket::default();
        admitted(&mut bucket, &TEN, 0, 3);
        bucket.give_back(&TEN);
        assert_eq!(admitted(&mut bucket, &TEN, 0, 9), 1);
    }

    #[test]
    fn a_thousand_parallel_requests_at_a_windows_edge_get_the_limit_and_one_percent_at_most() {
        let rate = Rate::per_second(100);
        let mut bucket = Bucket::default();
        let before = admitted(&mut bucket, &rate, 999, 1_000);
        let after = admitted(&mut bucket, &rate, 1_001, 1_000);
        assert!(before + after <= 101, "{before} and {after}");
    }

    #[test]
    fn the_extremes_of_a_rate_do_not_panic() {
        for (limit, window, burst) in [
            (0, Duration::ZERO, 0),
            (u32::MAX, Duration::MAX, u32::MAX),
            (1, Duration::MAX, u32::MAX),
            (u32::MAX, Duration::ZERO, 1),
        ] {
            let (mut bucket, rate) = (Bucket::default(), Rate { limit, window, burst });
            for now in [Timestamp::EPOCH, Timestamp::MAX, at(-1)] {
                assert!(admitted(&mut bucket, &rate, now.as_millis(), 3) <= 3);
                bucket.give_back(&rate);
            }
        }
    }

    proptest! {
        #[test]
        fn in_any_window_at_most_the_limit_and_the_burst_are_accepted(
            (limit, burst, window) in (1u32..50, 1u32..50, 1u64..5_000),
            steps in prop::collection::vec((0i64..500, 1u32..20), 1..120),
        ) {
            let rate = Rate { limit, window: Duration::from_millis(window), burst };
            let (mut bucket, mut now, mut accepted) = (Bucket::default(), 0, Vec::new());
            for (gap, asked) in steps {
                now += gap;
                let count = admitted(&mut bucket, &rate, now, asked);
                accepted.extend((0..count).map(|_| now));
            }
            for (n, first) in accepted.iter().enumerate() {
                let end = first + i64::try_from(window).unwrap();
                let inside = accepted[n..].iter().take_while(|at| **at < end).count();
                prop_assert!(inside as u64 <= u64::from(limit) + u64::from(burst));
            }
        }

        #[test]
        fn whoever_waits_as_long_as_was_said_is_admitted(
            (limit, burst, window) in (1u32..50, 1u32..50, 1u64..5_000),
            asked in 1u32..100,
        ) {
            let rate = Rate { limit, window: Duration::from_millis(window), burst };
            let mut bucket = Bucket::default();
            admitted(&mut bucket, &rate, 0, asked);
            if let Verdict::Refused { retry_after, .. } = bucket.take(&rate, at(0)) {
                let ms = i64::try_from(retry_after.as_nanos().div_ceil(1_000_000)).unwrap();
                prop_assert_eq!(admitted(&mut bucket, &rate, ms, 1), 1);
            }
        }
    }
}
