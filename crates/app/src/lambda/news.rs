//! News on Lambda: whoever waits looks again.
//!
//! A function is told of nothing while it answers a request, so it asks the table: soon at first,
//! for most sagas take less than a second, then less and less often.

use crate::http::news::{News, Watcher};
use async_trait::async_trait;
use contracts::Timestamp;
use ports::Clock;
use std::sync::Arc;
use std::time::Duration;

/// The first pause between two looks, and the longest one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The longest that a request waits: a function that waits is paid for.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// What is left for the answer itself.
const RESERVE: Duration = Duration::from_secs(1);

/// News by looking again.
pub(super) struct Looks {
    pub(super) clock: Arc<dyn Clock>,
}

impl News for Looks {
    fn watch(&self, _: &str) -> Box<dyn Watcher> {
        Box::new(Pauses { clock: Arc::clone(&self.clock), next: PAUSE_FIRST })
    }

    fn follow(&self, _: &str) -> Option<Box<dyn Watcher>> {
        None
    }

    fn wait_max(&self, deadline: Option<Timestamp>) -> Duration {
        let left = deadline.map(|end| end.since(self.clock.now()).saturating_sub(RESERVE));
        left.unwrap_or(WAIT_MAX).min(WAIT_MAX)
    }
}

struct Pauses {
    clock: Arc<dyn Clock>,
    next: Duration,
}

#[async_trait]
impl Watcher for Pauses {
    async fn changed(&mut self) -> bool {
        self.clock.sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(PAUSE_MAX);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::ManualClock;

    #[test]
    fn a_request_waits_twenty_seconds_at_most_and_is_answered_before_its_deadline() {
        let clock = Arc::new(ManualClock::default());
        let looks = Looks { clock: clock.clone() };
        let in_seconds = |seconds| Some(clock.now().plus(Duration::from_secs(seconds)));
        assert_eq!(looks.wait_max(None), Duration::from_secs(20));
        assert_eq!(looks.wait_max(in_seconds(60)), Duration::from_secs(20));
        assert_eq!(looks.wait_max(in_seconds(5)), Duration::from_secs(4));
        assert_eq!(looks.wait_max(in_seconds(0)), Duration::ZERO);
    }
}
