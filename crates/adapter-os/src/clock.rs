//! The system's clock, held so that it never runs backwards.

use contracts::Timestamp;
use ports::Clock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest single sleep: the wall clock may be set while we sleep, and is looked at this often.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The system's wall clock; when it is set back, time stands still until it has caught up.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicI64,
}

impl SystemClock {
    /// Makes a clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Before 1970 is a clock that was never set: time stands still at the epoch.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.latest.fetch_max(wall, Ordering::Relaxed).max(wall))
    }

    async fn sleep_until(&self, until: Timestamp) {
        loop {
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLEEP_MAX)).await;
        }
    }
}
