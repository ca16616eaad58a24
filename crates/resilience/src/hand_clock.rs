//! A clock moved by hand, for the tests of this crate.

use contracts::Timestamp;
use futures::channel::oneshot;
use ports::{Clock, Ids};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Stands still until it is moved; a running one jumps to whatever time is waited for.
pub(crate) struct HandClock {
    runs: bool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    now: Timestamp,
    sleepers: Vec<(Timestamp, oneshot::Sender<()>)>,
}

impl HandClock {
    /// Makes a clock that stands at the start of 1970.
    pub(crate) fn standing() -> Arc<Self> {
        Self::new(false)
    }

    /// Makes a clock that nobody has to wait for.
    pub(crate) fn running() -> Arc<Self> {
        Self::new(true)
    }

    fn new(runs: bool) -> Arc<Self> {
        let inner = Mutex::default();
        Arc::new(Self { runs, inner })
    }

    /// Moves the clock on and wakes whoever waited for that.
    pub(crate) fn advance(&self, by: Duration) {
        let mut inner = self.inner.lock().unwrap();
        inner.now = inner.now.plus(by);
        let now = inner.now;
        inner.sleepers.retain(|(until, bell)| *until > now && !bell.is_canceled());
    }

    /// How many wait for this clock.
    pub(crate) fn sleepers(&self) -> usize {
        let mut inner = self.inner.lock().unwrap();
        inner.sleepers.retain(|(_, bell)| !bell.is_canceled());
        inner.sleepers.len()
    }
}

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.inner.lock().unwrap().now
    }

    async fn sleep_until(&self, until: Timestamp) {
        let rung = {
            let mut inner = self.inner.lock().unwrap();
            if self.runs {
                inner.now = inner.now.max(until);
            }
            if inner.now >= until {
                return;
            }
            let (bell, rung) = oneshot::channel();
            inner.sleepers.push((until, bell));
            rung
        };
        // The bell rings by being dropped, which is an error to nobody.
        rung.await.ok();
    }
}

/// Ids and seeds that are the same in every run.
pub(crate) struct SameIds;

impl Ids for SameIds {
    fn fresh(&self) -> Uuid {
        Uuid::nil()
    }

    fn seed(&self) -> u64 {
        42
    }
}
