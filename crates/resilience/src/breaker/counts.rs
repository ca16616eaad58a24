//! Calls, counted: the one measure by which local and fleet-wide breakers trip.

use super::config::Config;
use serde::{Deserialize, Serialize};

/// What was counted; a call that says nothing about who was called is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    /// All calls.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that took too long, whatever they answered.
    pub slow: u32,
}

impl Counts {
    /// No calls.
    pub const NONE: Self = Self { calls: 0, failures: 0, slow: 0 };

    /// Counts one call.
    #[must_use]
    pub fn one(is_failure: bool, is_slow: bool) -> Self {
        Self { calls: 1, failures: u32::from(is_failure), slow: u32::from(is_slow) }
    }

    /// Counts those calls, too.
    pub const fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }

    /// Whether a breaker that needs `calls_min` calls to judge opens on these.
    #[must_use]
    pub fn are_too_bad(self, calls_min: u32, config: &Config) -> bool {
        self.calls >= calls_min
            && (is_share(self.failures, self.calls, config.failures_percent)
                || is_share(self.slow, self.calls, config.slow_percent))
    }

    /// Whether there is anything that a breaker might open on.
    #[must_use]
    pub const fn are_bad(self) -> bool {
        self.failures > 0 || self.slow > 0
    }
}

/// Whether `part` is at least `percent` of `whole`.
fn is_share(part: u32, whole: u32, percent: u8) -> bool {
    u64::from(part) * 100 >= u64::from(whole) * u64::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_compared_without_rounding() {
        assert!(is_share(1, 2, 50));
        assert!(!is_share(49, 99, 50));
        assert!(is_share(u32::MAX, u32::MAX, 100));
    }
}
