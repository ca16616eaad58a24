//! How a fleet shares one limit: what an instance holds, and what the store has lent out. Pure.
//!
//! ```text
//! a window's limit = standing share × instances_max + pool
//!                    (held without asking)            (lent by conditional writes)
//! ```
//!
//! An instance spends its standing share first and borrows from the pool ahead of need. So a light
//! caller never costs a call of the store, no more than the limit is ever admitted in a window,
//! and an instance that cannot reach the store goes on with what is its own.
//!
//! What was spent in the window before counts by how much of it is still in sight, so that no
//! rush before a window's end is followed by another one after it.

use super::bucket::Rate;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Into how many loans an instance's part of the pool is cut: each is a write of the store, and
/// what is left of one at the window's end is lost.
const LOANS: u32 = 16;

/// The largest loan: an instance that is killed forfeits two at the most, and one that uses up a
/// thousand a second writes once in two seconds.
const LOAN_MAX: u32 = 2_000;

/// A refused loan is not asked for again for this part of a window, and not for longer than this:
/// what was spent before leaves the sight little by little.
const PAUSES: u32 = 20;
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A store that did not answer is not asked again for so long, or for the pause if that is shorter:
/// an outage must not outlast itself.
const OUTAGE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a fleet's limit goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// How much the whole fleet admits in a window.
    pub limit: u32,
    /// How long the window is; windows are counted from the epoch.
    pub window: Duration,
    /// How many instances there are at the most. With more, the limit is exceeded by the standing
    /// shares of the surplus.
    pub instances_max: u32,
    /// How much of the limit the instances hold without asking, in percent. None means that
    /// everything is recorded: an instance that starts anew forgets nothing.
    pub standing_percent: u8,
}

impl Shared {
    /// The same as a rate, for whoever wants to know it.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        Rate { limit: self.limit, window: self.window, burst: self.limit }
    }

    /// What each instance holds without asking.
    pub(super) fn standing(&self) -> u32 {
        let percent = u64::from(self.standing_percent.min(100));
        let standing = u64::from(self.limit) * percent / 100 / u64::from(self.instances_max.max(1));
        u32::try_from(standing).unwrap_or(u32::MAX)
    }

    /// What is lent.
    pub(super) fn pool(&self) -> u32 {
        self.limit.saturating_sub(self.standing().saturating_mul(self.instances_max.max(1)))
    }

    /// How much is borrowed at a time.
    pub(super) fn loan(&self) -> u32 {
        (self.pool() / self.instances_max.max(1) / LOANS).clamp(1, LOAN_MAX)
    }

    /// The window's length in milliseconds.
    fn ms(&self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    /// The number of the window at a time.
    pub(super) fn window_at(&self, now: Timestamp) -> i64 {
        now.as_millis().div_euclid(self.ms())
    }

    /// How long the window still lasts.
    pub(super) fn rest(&self, now: Timestamp) -> Duration {
        let rest = self.ms() - now.as_millis().rem_euclid(self.ms());
        Duration::from_millis(u64::try_from(rest).unwrap_or(0))
    }

    /// How much of what was spent in the window before is still in sight, rounded up.
    fn in_sight(&self, before: u32, now: Timestamp) -> u32 {
        let rest = u128::from(before) * self.rest(now).as_millis();
        let in_sight = rest.div_ceil(self.window.as_millis().max(1));
        u32::try_from(in_sight).unwrap_or(u32::MAX)
    }

    /// How long a refused loan is not asked for again.
    pub(super) fn pause(&self) -> Duration {
        (self.window / PAUSES).clamp(Duration::from_millis(1), PAUSE_MAX)
    }
}

/// What the store has lent of one limit to whoever it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lent {
    /// In which window.
    window: i64,
    /// How much in it.
    lent: u32,
    /// How much in the window before.
    before: u32,
}

impl Lent {
    /// Lends as much of the loan as there is; answers what stands in the store then, and how much
    /// it was.
    pub(super) fn lend(self, shared: &Shared, now: Timestamp) -> (Self, u32) {
        let window = shared.window_at(now);
        let (lent, before) = match window - self.window {
            // A clock that is behind finds a later window: it borrows there.
            ..=0 => (self.lent, self.before),
            1 => (0, self.lent),
            2.. => (0, 0),
        };
        let in_sight = shared.in_sight(before, now);
        let left = shared.pool().saturating_sub(lent).saturating_sub(in_sight);
        let loan = shared.loan().min(left);
        let window = window.max(self.window);
        (Self { window, lent: lent.saturating_add(loan), before }, loan)
    }

    /// In which window something was lent.
    pub(super) const fn window(&self) -> i64 {
        self.window
    }
}

/// What an instance holds of one limit for whoever it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    window: i64,
    /// Borrowed for this window.
    borrowed: u32,
    used: u32,
    /// Of the standing share, in the window before.
    used_before: u32,
    /// Before this no loan is asked for.
    asks_from: Timestamp,
    /// Whether a loan is being asked for.
    pub(super) asks: bool,
}

/// What a share says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// There was a token; so many are held still.
    Admitted {
        /// How many.
        left: u32,
    },
    /// There is none here, and there may be one in the store.
    Ask,
    /// There is none, or nobody knows of one.
    Refused {
        /// When it makes sense to come again.
        retry_after: Duration,
    },
}

impl Share {
    /// Begins the window, if it is a new one.
    fn roll(&mut self, shared: &Shared, now: Timestamp) {
        let window = shared.window_at(now);
        if window <= self.window {
            return;
        }
        let used = self.used.min(shared.standing());
        let used_before = if window - self.window == 1 { used } else { 0 };
        // A loan that nobody brings, because who asked for it was dropped, is asked for again.
        *self = Self { window, used_before, ..Self::default() };
    }

    fn left(&self, shared: &Shared, now: Timestamp) -> u32 {
        let standing = shared.standing();
        let in_sight = shared.in_sight(self.used_before, now).min(standing);
        let held = (standing - in_sight).saturating_add(self.borrowed);
        held.saturating_sub(self.used)
    }

    /// Takes a token.
    pub(super) fn take(&mut self, shared: &Shared, now: Timestamp) -> Answer {
        self.roll(shared, now);
        let left = self.left(shared, now);
        if left > 0 {
            self.used = self.used.saturating_add(1);
            return Answer::Admitted { left: left - 1 };
        }
        if shared.pool() > 0 && now >= self.asks_from {
            return Answer::Ask;
        }
        let retry_after = self.asks_from.since(now).max(shared.pause()).min(shared.rest(now));
        Answer::Refused { retry_after }
    }

    /// Puts a token back that was taken for nothing.
    pub(super) fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Whether it is time to borrow: half of what a loan is has been used of what is held.
    pub(super) fn is_low(&self, shared: &Shared, now: Timestamp) -> bool {
        let can_ask = !self.asks && shared.pool() > 0 && now >= self.asks_from;
        can_ask && self.left(shared, now) <= shared.loan().max(shared.standing()) / 2
    }

    /// A loan came, for a window; of one that is over nothing is left.
    pub(super) fn borrow(&mut self, shared: &Shared, loan: u32, window: i64, now: Timestamp) {
        self.asks = false;
        self.roll(shared, now);
        if window != self.window {
            return;
        }
        self.borrowed = self.borrowed.saturating_add(loan);
        if loan == 0 {
            self.asks_from = now.plus(shared.pause());
        }
    }

    /// The store did not lend.
    pub(super) fn was_left_alone(&mut self, shared: &Shared, now: Timestamp) {
        self.asks = false;
        self.asks_from = now.plus(shared.pause().min(OUTAGE_PAUSE_MAX));
    }

    /// Whether nothing of it is of this window or the one before.
    pub(super) fn is_over(&self, shared: &Shared, now: Timestamp) -> bool {
        !self.asks && shared.window_at(now) - self.window > 1
    }
}
