//! The fleet's calls: counted by every instance, kept in shards, added up by whoever saw failures.

use super::super::config::{BUCKETS, Config};
use super::super::counts::Counts;
use super::VERSION;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};

/// The calls of one bucket of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bucket {
    /// Its number since the epoch: instances agree on it as far as their clocks do.
    pub number: i64,
    /// Its calls.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What one instance has counted and not yet reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Delta {
    /// The generation in which the calls began and ended.
    pub generation: u64,
    /// Its buckets, each number once.
    pub buckets: Vec<Bucket>,
}

impl Delta {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::NONE;
        self.buckets.iter().for_each(|bucket| total.add(bucket.counts));
        total
    }
}

/// The calls that the instances of one shard have reported.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShardCounts {
    /// The version of this shape.
    pub v: u32,
    /// The generation to which they belong.
    pub generation: u64,
    /// The buckets of the window, each number once, in their order.
    pub buckets: Vec<Bucket>,
}

impl Default for ShardCounts {
    fn default() -> Self {
        Self { v: VERSION, generation: 0, buckets: Vec::new() }
    }
}

impl ShardCounts {
    /// Adds what an instance has counted, and forgets what is too old to matter at `at`.
    ///
    /// `None` when the shard belongs to a later generation: then the delta says nothing.
    #[must_use]
    pub fn plus(&self, delta: &Delta, config: &Config, at: Timestamp) -> Option<Self> {
        if delta.generation < self.generation {
            return None;
        }
        let mut counts = match delta.generation == self.generation {
            true => self.clone(),
            false => Self { generation: delta.generation, ..Self::default() },
        };
        for bucket in &delta.buckets {
            match counts.buckets.iter_mut().find(|held| held.number == bucket.number) {
                Some(held) => held.counts.add(bucket.counts),
                None => counts.buckets.push(*bucket),
            }
        }
        let now = config.bucket_at(at);
        counts.buckets.retain(|bucket| is_near(bucket.number, now));
        counts.buckets.sort_unstable_by_key(|bucket| bucket.number);
        Some(counts)
    }
}

/// The fleet's calls of `generation` in the window that ends at `at`.
#[must_use]
pub fn sum<'a>(
    shards: impl IntoIterator<Item = &'a ShardCounts>,
    generation: u64,
    config: &Config,
    at: Timestamp,
) -> Counts {
    let now = config.bucket_at(at);
    let mut sum = Counts::NONE;
    for shard in shards.into_iter().filter(|shard| shard.generation == generation) {
        let near = shard.buckets.iter().filter(|bucket| is_near(bucket.number, now));
        near.for_each(|bucket| sum.add(bucket.counts));
    }
    sum
}

/// Whether a bucket is in the window that ends with the bucket `now`, or was counted by an instance
/// whose clock is ahead by less than a window.
fn is_near(number: i64, now: i64) -> bool {
    number.abs_diff(now) < BUCKETS as u64
}

/// The shard in which an instance counts.
#[must_use]
pub fn shard_of(instance: &str, shards: u32) -> u32 {
    // FNV-1a: every instance of any version of this program must spread the same way, which the
    // standard library's hashes do not promise.
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash =
        instance.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    u32::try_from(hash % u64::from(shards.max(1))).unwrap_or(0)
}
