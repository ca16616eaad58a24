//! The calls of the last few seconds, counted in buckets.

use super::config::BUCKETS;
use super::counts::Counts;
use super::fleet::Bucket;
use contracts::Timestamp;
use std::time::Duration;

const EMPTY: [(i64, Counts); BUCKETS] = [(i64::MIN, Counts::NONE); BUCKETS];

/// A ring of buckets, each named by its number since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window {
    width_ms: i64,
    buckets: [(i64, Counts); BUCKETS],
}

impl Window {
    pub(super) fn new(width: Duration) -> Self {
        Self {
            width_ms: i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1),
            buckets: EMPTY,
        }
    }

    /// Counts a call that ended at `at`.
    pub(super) fn count(&mut self, at: Timestamp, call: Counts) {
        let number = at.as_millis().div_euclid(self.width_ms);
        let ring = i64::try_from(BUCKETS).unwrap_or(1);
        let place = usize::try_from(number.rem_euclid(ring)).unwrap_or(0);
        if let Some((held, counts)) = self.buckets.get_mut(place) {
            if *held != number {
                (*held, *counts) = (number, Counts::NONE);
            }
            counts.add(call);
        }
    }

    /// Counts the calls of a bucket again that was taken out, unless another has its place by now.
    pub(super) fn put_back(&mut self, bucket: Bucket) {
        let ring = i64::try_from(BUCKETS).unwrap_or(1);
        let place = usize::try_from(bucket.number.rem_euclid(ring)).unwrap_or(0);
        if let Some((held, counts)) = self.buckets.get_mut(place) {
            if *held < bucket.number {
                (*held, *counts) = (bucket.number, bucket.counts);
            } else if *held == bucket.number {
                counts.add(bucket.counts);
            }
        }
    }

    /// Takes out all that was counted, in the order of time.
    pub(super) fn take(&mut self) -> Vec<Bucket> {
        let counted = self.buckets.iter().filter(|(_, counts)| *counts != Counts::NONE);
        let mut buckets: Vec<Bucket> =
            counted.map(|(number, counts)| Bucket { number: *number, counts: *counts }).collect();
        buckets.sort_unstable_by_key(|bucket| bucket.number);
        self.buckets = EMPTY;
        buckets
    }

    /// The counts of the window that ends at `at`.
    pub(super) fn counts(&self, at: Timestamp) -> Counts {
        let last = at.as_millis().div_euclid(self.width_ms);
        let first = last.saturating_sub(i64::try_from(BUCKETS).unwrap_or(1) - 1);
        let mut sum = Counts::NONE;
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
        window.count(Timestamp::from_millis(10_500), CALL);
        assert_eq!(window.counts(Timestamp::from_millis(10_500)), CALL);
    }
}
