//! How many retries there may be beside how many calls. Pure.
//!
//! When everything fails, retries multiply the load on what fails just then. With a budget they
//! add a tenth.

use crate::limit::{Bucket, Rate, Verdict};
use contracts::Timestamp;

/// A token, in the units in which calls pay in.
const TOKEN: u64 = 100;

/// What a budget goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetConfig {
    /// So many retries to a hundred calls.
    pub percent: u8,
    /// So many retries a second besides: for those who call so seldom that a share is nothing.
    pub per_second_min: u32,
    /// So many retries can be saved up.
    pub saved_max: u32,
}

impl Default for BudgetConfig {
    /// A tenth; one a second for those who call seldom; a hundred saved, so that a rush after a
    /// quiet hour does not come back as a second rush.
    fn default() -> Self {
        Self { percent: 10, per_second_min: 1, saved_max: 100 }
    }
}

/// A budget of retries; a new one has nothing saved.
#[derive(Clone, Debug)]
pub struct Budget {
    config: BudgetConfig,
    saved: u64,
    minimum: Bucket,
}

impl Budget {
    /// Makes a budget.
    #[must_use]
    pub fn new(config: BudgetConfig) -> Self {
        Self { config, saved: 0, minimum: Bucket::default() }
    }

    /// A call is made for the first time.
    pub fn deposit(&mut self) {
        let most = TOKEN.saturating_mul(u64::from(self.config.saved_max));
        self.saved = self.saved.saturating_add(u64::from(self.config.percent)).min(most);
    }

    /// Pays for a retry; answers whether it could.
    pub fn withdraw(&mut self, now: Timestamp) -> bool {
        if self.saved >= TOKEN {
            self.saved = self.saved.saturating_sub(TOKEN);
            return true;
        }
        if self.config.per_second_min == 0 {
            return false;
        }
        let rate = Rate::per_second(self.config.per_second_min);
        matches!(self.minimum.take(&rate, now), Verdict::Admitted(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(percent: u8, per_second_min: u32, saved_max: u32) -> Budget {
        Budget::new(BudgetConfig { percent, per_second_min, saved_max })
    }

    #[test]
    fn ten_calls_pay_for_one_retry() {
        let mut budget = budget(10, 0, 100);
        (0..9).for_each(|_| budget.deposit());
        assert!(!budget.withdraw(Timestamp::EPOCH));
        budget.deposit();
        assert!(budget.withdraw(Timestamp::EPOCH));
        assert!(!budget.withdraw(Timestamp::EPOCH));
    }

    #[test]
    fn who_calls_seldom_has_one_retry_a_second() {
        let mut budget = budget(10, 1, 100);
        assert!(budget.withdraw(Timestamp::EPOCH));
        assert!(!budget.withdraw(Timestamp::from_millis(999)));
        assert!(budget.withdraw(Timestamp::from_millis(1_000)));
    }

    #[test]
    fn no_more_is_saved_than_the_most() {
        let mut budget = budget(100, 0, 3);
        (0..1_000).for_each(|_| budget.deposit());
        let retries = (0..10).filter(|_| budget.withdraw(Timestamp::EPOCH)).count();
        assert_eq!(retries, 3);
    }

    proptest! {
        #[test]
        fn retries_never_exceed_their_share_of_the_calls_and_the_minimum(
            (percent, per_second_min, saved_max) in (0u8..=100, 0u32..5, 0u32..20),
            steps in prop::collection::vec((any::<bool>(), 0i64..50), 0..500),
        ) {
            let mut budget = budget(percent, per_second_min, saved_max);
            let (mut calls, mut retries, mut ms) = (0u64, 0u64, 0);
            for (is_call, gap) in steps {
                ms += gap;
                if is_call {
                    calls += 1;
                    budget.deposit();
                } else if budget.withdraw(Timestamp::from_millis(ms)) {
                    retries += 1;
                }
            }
            let seconds = u64::try_from(ms / 1_000).unwrap() + 1;
            let minimum = u64::from(per_second_min) * (seconds + 1);
            prop_assert!(retries <= calls * u64::from(percent) / 100 + minimum);
        }
    }
}
