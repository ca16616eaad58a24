//! When waiting executions want to be woken.
//!
//! The journal knows every time durably. Only those of the next [`HORIZON`] are in memory, a few
//! dozen bytes each; the journal is scanned for the next ones before the horizon is reached.

use contracts::Timestamp;
use ports::journal::ExecutionId;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How far ahead times are kept in memory.
pub(crate) const HORIZON: Duration = Duration::from_mins(2);
/// How long after a scan that failed the journal is scanned again.
pub(crate) const SCAN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the journal is scanned: often enough that the horizon is never reached.
pub(crate) const SCAN_EVERY: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Near {
    times: BTreeSet<(Timestamp, ExecutionId)>,
    horizon: Timestamp,
}

/// The times of the near future.
#[derive(Default)]
pub(crate) struct Timers {
    near: Mutex<Near>,
    sooner: Notify,
}

impl Timers {
    fn near(&self) -> MutexGuard<'_, Near> {
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a time; one beyond the horizon is left to the journal.
    pub(crate) fn add(&self, at: Timestamp, id: ExecutionId) {
        let mut near = self.near();
        if at > near.horizon {
            return;
        }
        let is_soonest = near.times.first().is_none_or(|(soonest, _)| at < *soonest);
        near.times.insert((at, id));
        if is_soonest {
            self.sooner.notify_one();
        }
    }

    /// Moves the horizon, before the journal is scanned for what lies this side of it.
    pub(crate) fn look_ahead(&self, horizon: Timestamp) {
        self.near().horizon = horizon;
    }

    /// Takes the executions whose time has come.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<ExecutionId> {
        let mut near = self.near();
        let mut due = Vec::new();
        while near.times.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(near.times.pop_first().map(|(_, id)| id));
        }
        due
    }

    /// The soonest time.
    pub(crate) fn soonest(&self) -> Option<Timestamp> {
        self.near().times.first().map(|(at, _)| *at)
    }

    /// Returns when a sooner time than before was added.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExecutionId {
        ExecutionId { machine: "m".into(), name: name.into() }
    }

    #[test]
    fn a_time_is_due_once_and_never_before_it_has_come() {
        let timers = Timers::default();
        timers.look_ahead(Timestamp::from_millis(100));
        for (at, name) in [(30, "c"), (10, "a"), (20, "b"), (101, "beyond the horizon")] {
            timers.add(Timestamp::from_millis(at), id(name));
        }
        assert_eq!(timers.soonest(), Some(Timestamp::from_millis(10)));
        assert_eq!(timers.take_due(Timestamp::from_millis(9)), []);
        assert_eq!(timers.take_due(Timestamp::from_millis(20)), [id("a"), id("b")]);
        assert_eq!(timers.take_due(Timestamp::from_millis(1000)), [id("c")]);
    }
}
