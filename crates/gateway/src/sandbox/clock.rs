//! The machine's clock, for a sandbox that is not told another.

use contracts::Timestamp;
use ports::Clock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock at its start, carried on by the monotonic one: it never runs backwards.
pub(super) struct SystemClock {
    started_at: Timestamp,
    started: Instant,
}

impl SystemClock {
    /// Reads the wall clock, once.
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { started_at: Timestamp::EPOCH.plus(since_epoch), started: Instant::now() }
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed())
    }

    async fn sleep_until(&self, until: Timestamp) {
        tokio::time::sleep(until.since(self.now())).await;
    }
}
