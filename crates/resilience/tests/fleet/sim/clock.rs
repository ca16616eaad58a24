//! A clock that the simulation moves from one awaited time to the next.

use contracts::Timestamp;
use futures::channel::oneshot;
use ports::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Stands still until it is moved.
#[derive(Default)]
pub struct SimClock(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    now: Timestamp,
    sleepers: BTreeMap<Timestamp, Vec<oneshot::Sender<()>>>,
}

impl SimClock {
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner { now, sleepers: BTreeMap::new() })))
    }

    /// Moves to the next time that somebody waits for, but not past `end`; tells whether it is
    /// `end` now.
    pub fn move_on(&self, end: Timestamp) -> bool {
        let mut inner = self.0.lock().unwrap();
        while let Some(mut first) = inner.sleepers.first_entry() {
            first.get_mut().retain(|bell| !bell.is_canceled());
            let (is_gone, time) = (first.get().is_empty(), *first.key());
            if is_gone {
                first.remove();
                continue;
            }
            if time > end {
                break;
            }
            // They wake by their bells being dropped.
            first.remove();
            inner.now = inner.now.max(time);
            return inner.now >= end;
        }
        inner.now = inner.now.max(end);
        true
    }
}

#[async_trait::async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now
    }

    async fn sleep_until(&self, until: Timestamp) {
        let rung = {
            let mut inner = self.0.lock().unwrap();
            if inner.now >= until {
                return;
            }
            let (bell, rung) = oneshot::channel();
            inner.sleepers.entry(until).or_default().push(bell);
            rung
        };
        rung.await.ok();
    }
}
