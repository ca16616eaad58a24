//! Whether and when a failed delivery is tried again.
//!
//! Pure: the time and the seed come in as values. The waits grow exponentially with full jitter:
//! each is drawn evenly between zero and a ceiling that doubles up to a cap, so that deliveries
//! that failed together do not come back together.

use contracts::Timestamp;
use ports::Kind;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long and how often a delivery is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most tries in all, the first one among them.
    pub attempts_max: u32,
    /// How long after the first try the last one may be.
    pub age_max: Duration,
    /// The ceiling of the first wait.
    pub wait_first: Duration,
    /// The ceiling of every wait.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    /// EventBridge's default for rule targets: 185 tries or 24 hours. With a ceiling of 15 minutes
    /// the average wait is 7.5 minutes, which spreads 185 tries over nearly 24 hours.
    fn default() -> Self {
        Self {
            attempts_max: 185,
            age_max: Duration::from_hours(24),
            wait_first: Duration::from_secs(1),
            wait_max: Duration::from_mins(15),
        }
    }
}

/// A delivery that did not work, as its target reports it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// What sort of failure it is, by EventBridge's names.
    pub code: &'static str,
    /// What went wrong, as the end of the sentence "failed to …".
    pub reason: String,
    /// Whether another try may help.
    pub is_retryable: bool,
    /// When another try makes sense at the earliest, if the target said so.
    pub retry_after: Option<Duration>,
}

impl DeliveryError {
    /// Makes a failure that may pass.
    #[must_use]
    pub fn retryable(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code: code::FROM_TARGET, reason, is_retryable: true, retry_after: None }
    }

    /// Makes a failure that will not pass.
    #[must_use]
    pub fn fatal(reason: impl Into<String>) -> Self {
        Self { is_retryable: false, ..Self::retryable(reason) }
    }

    /// Says what sort of failure it is.
    #[must_use]
    pub const fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Says when another try makes sense at the earliest.
    #[must_use]
    pub const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<ports::Error> for DeliveryError {
    fn from(error: ports::Error) -> Self {
        Self {
            code: code::of(error.kind()),
            reason: ports::task::chain(&error),
            is_retryable: error.kind().is_retryable(),
            retry_after: error.wait(),
        }
    }
}

/// EventBridge's names of failures, as dead letters carry them.
pub mod code {
    use super::Kind;

    /// The target said no.
    pub const FROM_TARGET: &str = "ERROR_FROM_TARGET";
    /// There is no such target.
    pub const NO_RESOURCE: &str = "NO_RESOURCE";
    /// What would be sent is not JSON, or nothing.
    pub const INVALID_JSON: &str = "INVALID_JSON";
    /// No answer came in time.
    pub const TIMEOUT: &str = "TIMEOUT";
    /// The target's input breaks a rule of the target.
    pub const INVALID_PARAMETER: &str = "INVALID_PARAMETER";
    /// The event was sent from bus to bus once before.
    pub const SENT_ON_BEFORE: &str = "THIRD_ACCOUNT_HOP_DETECTED";

    /// The name of a failure of the world.
    pub(super) const fn of(kind: Kind) -> &'static str {
        match kind {
            Kind::NotFound => NO_RESOURCE,
            Kind::Throttled => "THROTTLING",
            Kind::Timeout => TIMEOUT,
            Kind::Unavailable => "CONNECTION_FAILURE",
            Kind::Denied => "NO_PERMISSIONS",
            Kind::Invalid => INVALID_PARAMETER,
            Kind::Conflict | Kind::Corrupt => FROM_TARGET,
        }
    }
}

/// What of a retry policy is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exhausted {
    /// The tries.
    Attempts,
    /// The time.
    Age,
}

impl Exhausted {
    /// EventBridge's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "MaximumRetryAttempts",
            Self::Age => "MaximumEventAgeInSeconds",
        }
    }
}

/// The tries of a delivery so far, the failed one among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// How many.
    pub attempts: u32,
    /// When the first one was.
    pub first_at: Timestamp,
}

/// What becomes of a failed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again.
    Again {
        /// When.
        due_at: Timestamp,
    },
    /// It is given up.
    Dead {
        /// Why, with the last failure.
        reason: String,
        /// What is used up; absent when another try would not have helped.
        exhausted: Option<Exhausted>,
    },
}

impl RetryPolicy {
    /// Decides what becomes of a delivery that failed at `now`.
    #[must_use]
    pub fn decide(
        &self,
        error: &DeliveryError,
        tries: Tries,
        now: Timestamp,
        seed: u64,
    ) -> Verdict {
        let dead = |why: String, exhausted| Verdict::Dead {
            reason: format!("{why}: {}", error.reason),
            exhausted,
        };
        if !error.is_retryable {
            return dead("not worth another try".to_owned(), None);
        }
        if tries.attempts >= self.attempts_max {
            let why = format!("given up after {} tries", tries.attempts);
            return dead(why, Some(Exhausted::Attempts));
        }
        let wait = self.wait(tries.attempts, seed).max(error.retry_after.unwrap_or_default());
        let due_at = now.plus(wait);
        if due_at.since(tries.first_at) > self.age_max {
            let why = format!("given up after {} tries, too old", tries.attempts);
            return dead(why, Some(Exhausted::Age));
        }
        Verdict::Again { due_at }
    }

    /// Draws the wait after the `attempts`-th try.
    #[must_use]
    pub fn wait(&self, attempts: u32, seed: u64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let ceiling = self.wait_first.saturating_mul(1_u32 << doublings).min(self.wait_max);
        let millis = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        // The remainder's bias is far below a millisecond's worth for any real ceiling.
        Duration::from_millis(scatter(seed) % millis.saturating_add(1))
    }
}

/// Scatters a seed over all 64 bits (the finalizer of SplitMix64), so that neighbouring seeds give
/// unrelated values.
pub(crate) const fn scatter(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn tries(attempts: u32) -> Tries {
        Tries { attempts, first_at: NOW }
    }

    #[test]
    fn a_delivery_is_given_up_after_exactly_the_most_tries() {
        let policy = RetryPolicy::default();
        let error = DeliveryError::retryable("call it");
        let verdict = policy.decide(&error, tries(184), NOW, 7);
        assert!(matches!(verdict, Verdict::Again { .. }), "{verdict:?}");
        let Verdict::Dead { reason, .. } = policy.decide(&error, tries(185), NOW, 7) else {
            panic!("the 185th try was the last");
        };
        assert_eq!(reason, "given up after 185 tries: call it");
    }

    #[test]
    fn a_delivery_is_given_up_when_its_next_try_would_be_too_late() {
        let error = DeliveryError::retryable("call it").after(Duration::from_hours(25));
        let verdict = RetryPolicy::default().decide(&error, tries(1), NOW, 7);
        assert!(matches!(verdict, Verdict::Dead { .. }), "{verdict:?}");
    }

    #[test]
    fn a_failure_that_will_not_pass_is_given_up_at_once() {
        let error = DeliveryError::fatal("read the event");
        let verdict = RetryPolicy::default().decide(&error, tries(1), NOW, 7);
        assert!(matches!(verdict, Verdict::Dead { .. }), "{verdict:?}");
    }

    proptest! {
        #[test]
        fn waits_stay_below_their_ceiling_and_after_what_the_target_asked(
            attempts in 1_u32..185, seed: u64, asked in 0_u64..100_000,
        ) {
            let policy = RetryPolicy::default();
            let ceiling = policy.wait_max.min(Duration::from_secs(1 << (attempts - 1).min(20)));
            prop_assert!(policy.wait(attempts, seed) <= ceiling);
            let asked = Duration::from_millis(asked);
            let error = DeliveryError::retryable("call it").after(asked);
            if let Verdict::Again { due_at } = policy.decide(&error, tries(attempts), NOW, seed) {
                prop_assert!(due_at.since(NOW) >= asked);
            }
        }
    }

    #[test]
    fn waits_are_spread_evenly_below_the_ceiling() {
        let policy = RetryPolicy::default();
        let waits = (0..10_000).map(|seed| policy.wait(20, seed).as_secs());
        let average = waits.sum::<u64>() / 10_000;
        assert!((440..=460).contains(&average), "the average is {average} s of 900 s");
    }
}
