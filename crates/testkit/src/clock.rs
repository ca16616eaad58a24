//! A clock that stands still until a test moves it.

use async_trait::async_trait;
use contracts::Timestamp;
use ports::Clock;
use std::time::Duration;
use tokio::sync::watch;

/// A clock that stands still until it is moved; sleepers wake when it has moved far enough.
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// Makes a clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: watch::Sender::new(now) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.plus(by));
    }
}

impl Default for ManualClock {
    /// A clock that shows the morning of 2026-11-23.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_795_413_600_000))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut now = self.now.subscribe();
        now.wait_for(|now| *now >= until).await.expect("the clock outlives its sleepers");
    }
}
