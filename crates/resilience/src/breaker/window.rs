//! The calls of the last few seconds, counted in buckets.

use super::config::BUCKETS;
use contracts::Timestamp;
use std::time::Duration;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

/// Whether `part` is at least `percent` of `whole`.
pub(super) fn is_share(part: u32, whole: u32, percent: u8) -> bool {
    u64::from(part) * 100 >= u64::from(whole) * u64::from(percent)
}

/// A ring of buckets, each named by its number since the epoch.
#[derive(Clone, Debug)]
pub(super) struct Window {
    width_ms: i64,
    buckets: [(i64, Counts); BUCKETS],
}

impl Window {
    pub(super) fn new(width: Duration) -> Self {
        Self {
            width_ms: i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1),
            buckets: [(i64::MIN, Counts::default()); BUCKETS],
        }
    }

    /// Counts a call that ended at `at`, and answers the counts of the window that ends there.
    pub(super) fn count(&mut self, at: Timestamp, call: Counts) -> Counts {
        let number = at.as_millis().div_euclid(self.width_ms);
        let ring = i64::try_from(BUCKETS).unwrap_or(1);
        let place = usize::try_from(number.rem_euclid(ring)).unwrap_or(0);
        if let Some((held, counts)) = self.buckets.get_mut(place) {
            if *held != number {
                (*held, *counts) = (number, Counts::default());
            }
            counts.add(call);
        }
        self.counts(at)
    }

    /// The counts of the window that ends at `at`.
    pub(super) fn counts(&self, at: Timestamp) -> Counts {
        let last = at.as_millis().div_euclid(self.width_ms);
        let first = last.saturating_sub(i64::try_from(BUCKETS).unwrap_or(1) - 1);
        let mut sum = Counts::default();
        for (number, counts) in &self.buckets {
            if (first..=last).contains(number) {
                sum.add(*counts);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Counts = Counts { calls: 1, failures: 0, slow: 0 };

    fn after_ms(ms: i64) -> u32 {
        let mut window = Window::new(Duration::from_secs(1));
        window.count(Timestamp::from_millis(500), CALL);
        window.counts(Timestamp::from_millis(ms)).calls
    }

    #[test]
    fn a_call_counts_until_its_bucket_leaves_the_window() {
        assert_eq!(after_ms(500), 1);
        assert_eq!(after_ms(9_999), 1);
        assert_eq!(after_ms(10_000), 0);
    }

    #[test]
    fn a_bucket_that_comes_round_again_starts_empty() {
        let mut window = Window::new(Duration::from_secs(1));
        window.count(Timestamp::from_millis(500), CALL);
        let counts = window.count(Timestamp::from_millis(10_500), CALL);
        assert_eq!(counts, CALL);
    }

    #[test]
    fn shares_are_compared_without_rounding() {
        assert!(is_share(1, 2, 50));
        assert!(!is_share(49, 99, 50));
        assert!(is_share(u32::MAX, u32::MAX, 100));
    }
}
