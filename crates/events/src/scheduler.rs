//! Publishes the events of rules' schedules at their times.
//!
//! Owns: the waiting. Does not own: which times; that is [`crate::schedule`].

use crate::control::ControlPlane;
use contracts::Timestamp;
use ports::Clock;
use ports::task::chain;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long to leave a store alone that failed.
const REST: Duration = Duration::from_secs(1);

/// Publishes scheduled events.
pub struct Scheduler {
    plane: Arc<ControlPlane>,
    clock: Arc<dyn Clock>,
}

impl Scheduler {
    /// Makes a scheduler. Two would publish nothing twice, for the events' ids are derived.
    #[must_use]
    pub const fn new(plane: Arc<ControlPlane>, clock: Arc<dyn Clock>) -> Self {
        Self { plane, clock }
    }

    /// Publishes until `stop` is done.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut news = self.plane.news();
        loop {
            news.mark_unchanged();
            let wake_at = self.fire_what_is_due().await;
            tokio::select! {
                biased;
                () = &mut stop => return,
                // The control plane lives as long as this does.
                _ = news.changed() => {}
                () = self.clock.sleep_until(wake_at) => {}
            }
        }
    }

    /// Fires every rule whose time has come; answers when the next one comes.
    async fn fire_what_is_due(&self) -> Timestamp {
        loop {
            let now = self.clock.now();
            let firings = self.plane.firings().await;
            let due: Vec<_> = firings.iter().take_while(|firing| firing.at <= now).collect();
            if due.is_empty() {
                return firings.first().map_or(Timestamp::MAX, |firing| firing.at);
            }
            for firing in due {
                if let Err(refusal) = self.plane.fire(firing).await {
                    tracing::error!(error = chain(&refusal), "failed to fire a schedule");
                    return now.plus(REST);
                }
            }
        }
    }
}
