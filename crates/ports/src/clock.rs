//! Time and fresh ids: the only two sources of surprise, both injected.

use contracts::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// What time it is, and waiting for another.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// The time now; may stand still, never runs backwards within a process.
    fn now(&self) -> Timestamp;

    /// Returns once `now` has reached `until`; at once if it has already.
    async fn sleep_until(&self, until: Timestamp);

    /// Returns after `wait`.
    async fn sleep(&self, wait: Duration) {
        self.sleep_until(self.now().plus(wait)).await;
    }
}

/// Fresh ids and seeds.
pub trait Ids: Send + Sync {
    /// A UUID that nobody has seen before, growing with time (version 7).
    fn fresh(&self) -> Uuid;

    /// 64 bits of entropy, for jitter and for what a state machine calls random.
    fn seed(&self) -> u64;
}
