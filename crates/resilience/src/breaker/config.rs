//! What a circuit breaker goes by.

use crate::backoff::Exponential;
use contracts::Timestamp;
use std::time::Duration;

/// Into how many buckets the window is cut: the oldest tenth of the calls is forgotten at a time.
pub const BUCKETS: usize = 10;

/// Over how many keys of the store a fleet's counts are spread: 1,000 instances write about 31
/// counts in a second to each.
pub const SHARDS: u32 = 16;

/// What a circuit breaker goes by; the default is the one that SEMANTICS names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The width of one of the [`BUCKETS`].
    pub bucket: Duration,
    /// Fewer calls than this of one instance in the window say nothing to that instance.
    pub calls_min: u32,
    /// Fewer calls than this of all instances in the window say nothing to the fleet.
    pub fleet_calls_min: u32,
    /// At this share of failures the breaker opens.
    pub failures_percent: u8,
    /// At this share of slow calls the breaker opens.
    pub slow_percent: u8,
    /// A call that takes longer is slow.
    pub slow_after: Duration,
    /// How long it stays open: the first time, and longer each time a probe fails.
    pub open: Exponential,
    /// How far the open time is spread below and above, so that a fleet does not probe in step.
    pub open_spread_percent: u8,
    /// How many probes may be in flight.
    pub probes_max: u32,
    /// How many probes must succeed before the breaker closes.
    pub successes_to_close: u32,
    /// A probe that has not come back by then has lost its permit.
    pub probe_lease: Duration,
    /// A call that finds all probes taken is told to come back after this, or when the next lease
    /// expires if that is sooner.
    pub probe_wait: Duration,
    /// An instance writes at most one count of its calls in this time, and none without calls.
    pub report_every: Duration,
    /// What an instance knows of the fleet is at most this old while calls are made.
    pub look_every: Duration,
    /// For so long after its last call an instance keeps looking.
    pub look_for: Duration,
    /// The first try of an instance to be elected comes this much later at most, each instance at
    /// its own time, so that a fleet does not ask in step.
    pub election_spread: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bucket: Duration::from_secs(1),
            calls_min: 5,
            fleet_calls_min: 20,
            failures_percent: 50,
            slow_percent: 80,
            // A task answers within milliseconds, or within its own timeout of seconds.
            slow_after: Duration::from_secs(5),
            open: Exponential { first: Duration::from_secs(5), cap: Duration::from_secs(60) },
            open_spread_percent: 20,
            probes_max: 3,
            successes_to_close: 3,
            // Longer than any call that is not slow, short enough to get over a lost probe.
            probe_lease: Duration::from_secs(30),
            // Most probes are answered by then.
            probe_wait: Duration::from_millis(500),
            // 1,000 instances write 500 counts in a second, over all shards.
            report_every: Duration::from_secs(2),
            // With the above: a fleet's failures open every instance within three seconds.
            look_every: Duration::from_secs(1),
            // Whoever calls more rarely may make one call before it hears that the breaker is open.
            look_for: Duration::from_mins(1),
            election_spread: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// The same with every number in the range in which the breaker can open and close again.
    pub(super) fn sane(mut self) -> Self {
        self.bucket = self.bucket.max(Duration::from_millis(1));
        self.calls_min = self.calls_min.max(1);
        self.fleet_calls_min = self.fleet_calls_min.max(1);
        self.failures_percent = self.failures_percent.clamp(1, 100);
        self.slow_percent = self.slow_percent.clamp(1, 100);
        self.probes_max = self.probes_max.max(1);
        self.successes_to_close = self.successes_to_close.max(1);
        self.probe_lease = self.probe_lease.max(Duration::from_millis(1));
        self.report_every = self.report_every.max(Duration::from_millis(1));
        self.look_every = self.look_every.max(Duration::from_millis(1));
        self
    }

    /// The number of the bucket in which `at` lies, since the epoch.
    pub(super) fn bucket_at(&self, at: Timestamp) -> i64 {
        let width = i64::try_from(self.bucket.as_millis()).unwrap_or(i64::MAX).max(1);
        at.as_millis().div_euclid(width)
    }
}
