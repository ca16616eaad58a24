//! Ids and seeds that repeat.

use ports::Ids;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Ids that are fresh within a test and the same in every run of it.
#[derive(Debug)]
pub struct SeededIds {
    next: AtomicU64,
}

impl SeededIds {
    /// Makes ids that follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(seed) }
    }

    /// One step of SplitMix64: every seed gives a different, well-mixed number.
    fn mixed(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.next.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Ids for SeededIds {
    fn fresh(&self) -> Uuid {
        Uuid::from_u64_pair(self.mixed(), self.mixed())
    }

    fn seed(&self) -> u64 {
        self.mixed()
    }
}
