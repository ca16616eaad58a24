//! Records in memory, with a store's ways to fail.

use crate::idempotency::record::Record;
use crate::idempotency::{Kept, Records, Seen};
use async_trait::async_trait;
use ports::store::Expect;
use ports::{Error, Kind, Result};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Works,
    /// It certainly does not happen.
    Fails(Kind),
    /// It happens, and is not answered.
    AppliedUnanswered,
    /// It does not happen, and is not answered.
    LostUnanswered,
}

/// Records in memory, with a store's ways to fail.
#[derive(Default)]
pub(super) struct Memory {
    records: Mutex<BTreeMap<String, (Record<Kept>, u64)>>,
    fates: Mutex<VecDeque<Fate>>,
    pub(super) unreadable: Mutex<bool>,
}

impl Memory {
    pub(super) fn will(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.fates.lock().unwrap() = fates.into_iter().collect();
    }

    pub(super) fn only(&self) -> Record<Kept> {
        self.records.lock().unwrap().values().next().map(|(record, _)| record.clone()).unwrap()
    }

    fn apply(&self, scope: &str, Seen(expect): Seen, record: &Record<Kept>) -> Result<Seen> {
        let mut records = self.records.lock().unwrap();
        let held = records.get(scope).map_or(Expect::Absent, |(_, v)| Expect::Version(*v));
        if held != expect {
            return Err(Error::new(Kind::Conflict, "write a record"));
        }
        let version = expect.next_version();
        records.insert(scope.to_owned(), (record.clone(), version));
        Ok(Seen(Expect::Version(version)))
    }
}

#[async_trait]
impl Records for Memory {
    async fn read(&self, scope: &str) -> Result<(Record<Kept>, Seen)> {
        if *self.unreadable.lock().unwrap() {
            return Err(Error::new(Kind::Unavailable, "read a record"));
        }
        Ok(self.records.lock().unwrap().get(scope).map_or_else(
            || (Record::default(), Seen(Expect::Absent)),
            |(record, version)| (record.clone(), Seen(Expect::Version(*version))),
        ))
    }

    async fn write(&self, scope: &str, seen: Seen, record: &Record<Kept>) -> Result<Seen> {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Works);
        let unanswered = || Error::new(Kind::Timeout, "hear of a write");
        match fate {
            Fate::Works => self.apply(scope, seen, record),
            Fate::Fails(kind) => Err(Error::new(kind, "write a record")),
            Fate::AppliedUnanswered => {
                self.apply(scope, seen, record)?;
                Err(unanswered())
            }
            Fate::LostUnanswered => Err(unanswered()),
        }
    }
}
